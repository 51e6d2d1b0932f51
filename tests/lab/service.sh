# SPDX-License-Identifier: MIT
# Runs in the laboratory's dom0; tests/lab/service looks at what it leaves in $LAB_OUT.
cd "$LAB_OUT" || exit 1
. /lab/in/eager-service.sh

try() {
    name=$1
    shift
    "$@" >"$name.out" 2>"$name.err"
    echo $? >"$name.status"
}
# soon TIMES COMMAND...: until it succeeds. Not too often: to start the program takes an emulated dom0
# about as long as to sleep.
soon() {
    for _ in $(seq "$1"); do
        sh -c "$2" && return
        sleep 3
    done
    echo "not in $1 times: $2" >>late
}
journal="intellisched history --config service.conf --limit 1000 --json"
state="intellisched status --config service.conf --json 2>/dev/null"

try nobody intellisched status --config service.conf
start
soon 300 "$journal 2>/dev/null | grep -q '\"outcome\":\"done\"'"
try status intellisched status --config service.conf
try switched $journal
try layout xl sched-credit2 -s
soon 20 "[ -s metrics.prom ]"
cp metrics.prom metrics.switched
kill -KILL $daemon
wait $daemon

# It goes on where it was: the trial ends, whichever way.
start
soon 600 "$journal | grep -q '\"ending\":\"[a-z]'"
try ended $journal

# Paused, nothing is begun; by hand, it is respected.
try pause intellisched pause --config service.conf
soon 20 "$state | grep -q '\"paused\":true'"
try resume intellisched resume --config service.conf --pool Pool-0
try byhand intellisched apply --pool Pool-0 --layout all
soon 120 "$state | grep -Eq '\"stand_down_s\":\"?[1-9]'"
try standing intellisched status --config service.conf

# A CPU goes and comes back; xenstored dies, with all that is in it, and is started again.
windows="$state | grep -o '\"windows\":\"*[0-9]*' | tr -dc 0-9"
goes_on() { soon 120 "[ \$($windows) -gt $(sh -c "$windows") ]"; }
try offline xen-hptool cpu-offline 3
soon 60 "$state | grep -q '\"cpus\":\[0,1,2\]'"
goes_on
try online xen-hptool cpu-online 3
soon 60 "$state | grep -q '\"cpus\":\[0,1,2,3\]'"
kill -KILL "$(cat /run/xenstored.pid)"
soon 60 "$state | grep -q 'xenstored does not answer'"
xenstored --pid-file /run/xenstored.pid
xen-init-dom0
soon 120 "$state | grep -q '\"host\":\"watching\"'"
goes_on

kill -TERM $daemon
wait $daemon
echo $? >stopped.status
try after $journal
try left xl sched-credit2 -s
