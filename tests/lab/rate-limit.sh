# SPDX-License-Identifier: MIT
# Runs in the laboratory's dom0; tests/lab/rate-limit looks at what it leaves in $LAB_OUT.
cd "$LAB_OUT" || exit 1
trial_windows=60 # it is to be killed in the trial
. /lab/in/eager-service.sh
echo 'return_to_boot_layout = 1' >>service.conf

limit() { xl sched-credit2 -s -p Pool-0; }

try boot limit
start
metric "pool_trial_in_progress$pool" 1
try switched limit
ask status intellisched status --config service.conf
kill -KILL $daemon
wait $daemon
try killed $journal

# It goes on where it was: the trial ends, whichever way.
rm metrics.prom
start
metric "pool_trial_in_progress$pool" 0
try ended $journal

# Somebody else sets another one: respected.
xl sched-credit2 -p Pool-0 -s -r 5000 # longer than the default: an emulated CPU switches slowly
metric "pool_rate_limit_seconds$pool" 0.005
sleep 15
ask standing intellisched status --config service.conf
try byhand limit

# Told to go on, and to end: the pool gets what it was booted with.
ask resume intellisched resume --config service.conf
kill -TERM $daemon
wait $daemon
echo $? >stopped.status
try left limit
