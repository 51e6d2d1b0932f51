# SPDX-License-Identifier: MIT
# Runs in the laboratory's dom0; tests/lab/service looks at what it leaves in $LAB_OUT.
cd "$LAB_OUT" || exit 1
trial_windows=100 # it is to be killed in the trial, some calls of the program after its beginning
pool_keys=,guest_scores=1,rate_limit=keep # which tests/lab/rate-limit is about
. /lab/in/eager-service.sh

try nobody intellisched status --config service.conf
start
metric "pool_trial_in_progress$pool" 1
# A command takes seconds in an emulated dom0, and the trial 20 s: this one alone before the kill.
ask status intellisched status --config service.conf
cp metrics.prom metrics.switched
kill -KILL $daemon
wait $daemon
try killed $journal
try switched $journal
try layout xl sched-credit2 -s

# It goes on where it was: the trial ends, whichever way.
rm metrics.prom
start
metric "pool_trial_in_progress$pool" 0
try ended $journal

# Paused, nothing is begun; by hand, it is respected.
ask pause intellisched pause --config service.conf
metric "pool_paused$pool" 1
ask resume intellisched resume --config service.conf --pool Pool-0
metric "pool_paused$pool" 0
try byhand intellisched apply --pool Pool-0 --layout all
metric 'pool_effective_layout_info\{pool="Pool-0",layout="all",.*\}' 1
ask standing intellisched status --config service.conf

goes_on() {
    before=$(grep '^intellisched_windows_total' metrics.prom)
    soon 100 "! grep -qx '$before' metrics.prom"
}
# A guest publishes scores, and what is none: it is ignored when it has done so too often.
told scores
for score in 1250 nan 1250 1e999 1250 "$(head -c 2000 /dev/zero | tr '\0' 9)" 1250; do
    xenstore-write "/local/domain/$(lab_domid web)/data/intellisched/score" "$score"
    sleep 2 # an interval, for a busy dom0
done
soon 20 "grep -q 'publishes scores on and off' daemon.err"
goes_on
ask scored intellisched status --config service.conf

# The wall clock is set a year ahead, and back.
for seconds in 31536000 -31536000; do
    date -s "@$(($(date +%s) + seconds))" >/dev/null
    goes_on
done

# A CPU goes and comes back; xenstored dies, with all that is in it, and is started again.
cpus() { soon 60 "intellisched status --config service.conf --json | grep -q '\"cpus\":\[$1\]'"; }
try offline xen-hptool cpu-offline 3
cpus 0,1,2
goes_on
try online xen-hptool cpu-online 3
cpus 0,1,2,3
kill -KILL "$(cat /run/xenstored.pid)"
metric host_up 0
xenstored --pid-file /run/xenstored.pid
xen-init-dom0
metric host_up 1
goes_on

kill -TERM $daemon
wait $daemon
echo $? >stopped.status
try after $journal
try left xl sched-credit2 -s
