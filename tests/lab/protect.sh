# SPDX-License-Identifier: MIT
# Runs in the laboratory's dom0; tests/lab/protect looks at what it leaves in $LAB_OUT.
cd "$LAB_OUT" || exit 1
. /lab/in/eager-service.sh
sed -i 's/^pools = .*/pools = [ "name=Pool-0,mode=auto,rate_limit=keep" ]/' service.conf
cat >>service.conf <<CONF
protect = [ "hog" ]
buffer_pages = 512
CONF
weight() { xl sched-credit2 -d hog; }

# Emulated CPUs switch slowly, and dom0 has to keep up with the trace beside two guests that want them all.
xl sched-credit2 -p Pool-0 -s -r 10000
xl sched-credit2 -d 0 -w 2048
xl sched-credit2 -d hog -w 128
try own weight
start
soon 100 "grep -q 'weight-raised (hog: weight 128 to 256' daemon.err"
soon 20 "xl sched-credit2 -d hog | grep -q ' 256 '"
try raised weight
ask status intellisched status --config service.conf
soon 100 "grep -Eq 'weight-(kept|reverted) .hog' daemon.err"
try history $journal

# At the end it has what it had, whatever the service came to.
kill -TERM $daemon
wait $daemon
echo $? >stopped.status
try left weight
