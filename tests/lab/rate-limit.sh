# SPDX-License-Identifier: MIT
# Runs in the laboratory's dom0; tests/lab/rate-limit looks at what it leaves in $LAB_OUT.
cd "$LAB_OUT" || exit 1
trial_windows=60 # it is to be killed in the trial
. /lab/in/eager-service.sh
echo 'return_to_boot_layout = 1' >>service.conf

xl pause bulk # its turn comes later
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

# A guest that is to be protected has the smaller weight of two that want nearly all: it is raised.
xl sched-credit2 -d hog -w 128
xl unpause bulk
sed -i 's/^pools = .*/pools = [ "name=Pool-0,mode=auto,rate_limit=keep" ]/' service.conf
echo 'protect = [ "hog" ]' >>service.conf
kill -HUP $daemon
soon 100 "grep -q 'weight-raised (hog: weight 128 to 256' daemon.err"
soon 20 "xl sched-credit2 -d hog | grep -q 256"
try raised xl sched-credit2 -d hog
soon 100 "grep -Eq 'weight-(kept|reverted) .hog' daemon.err"
ask protected intellisched status --config service.conf
try weights $journal

# At the end all have what they were booted with.
kill -TERM $daemon
wait $daemon
echo $? >stopped.status
try own xl sched-credit2 -d hog
try left limit
