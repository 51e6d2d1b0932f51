# SPDX-License-Identifier: MIT
# Runs in the laboratory's dom0; tests/lab/rate-limit looks at what it leaves in $LAB_OUT.
cd "$LAB_OUT" || exit 1
trial_windows=60 # it is to be killed in the trial
. /lab/in/eager-service.sh
echo 'return_to_boot_layout = 1' >>service.conf

try() {
    name=$1
    shift
    "$@" >"$name.out" 2>"$name.err"
    echo $? >"$name.status"
}
# soon COMMAND: until it succeeds, for five minutes at most.
soon() {
    for _ in $(seq 100); do
        sh -c "$1" && return
        sleep 3
    done
    echo "not in five minutes: $1" >>late
}
# metric NAME VALUE: waits for it in the service's metrics, written every 5 s.
metric() { soon "grep -Eqs '^intellisched_$1\{pool=\"Pool-0\"\} $2' metrics.prom"; }
limit() { xl sched-credit2 -s -p Pool-0; }
history() { intellisched history --config service.conf --limit 1000 --json; }

try boot limit
start
metric pool_trial_in_progress 1
try switched limit
try status intellisched status --config service.conf
kill -KILL $daemon
wait $daemon
try killed history

# It goes on where it was: the trial ends, whichever way.
rm metrics.prom
start
metric pool_trial_in_progress 0
try ended history

# Somebody else sets another one: respected.
xl sched-credit2 -p Pool-0 -s -r 500
metric pool_rate_limit_seconds 0.0005
sleep 15
try standing intellisched status --config service.conf
try byhand limit

# Told to go on, and to end: the pool gets what it was booted with.
try resume intellisched resume --config service.conf
kill -TERM $daemon
wait $daemon
echo $? >stopped.status
try left limit
