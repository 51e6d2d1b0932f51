# SPDX-License-Identifier: MIT
# Runs in dom0 on a patched Xen, with its own xl; tests/lab/layouts looks at what it leaves in $LAB_OUT.
cd "$LAB_OUT" || exit 1
xl sched-credit2 -s >shown
{ xl info -n; xl cpupool-list -c; xl cpupool-list; xl vcpu-list; xl sched-credit2; } >xl
# Each of the 20 ordered pairs once, and what xl says is in force then.
xentrace -D -S 256 -e 0x2f000 trace >xentrace 2>&1 &
recorder=$!
sleep 2
: >pairs
for layout in cpu core cpu socket core socket node cpu node core node socket all cpu all core all node all socket; do
    xl sched-credit2 -s -p Pool-0 -q $layout 2>>errors
    echo "$layout $? $(xl sched-credit2 -s)" >>pairs
    sleep 0.7
done
kill -INT $recorder
wait $recorder
sleep 3 # for a report of each guest that is of after it all
for guest in $LAB_GUESTS; do echo "$guest $(lab_report "$guest")"; done >reports

xl cpupool-cpu-remove Pool-0 15 &&
    xl cpupool-create 'name="new"' 'sched="credit2"' 'credit2_runqueue="all"' 'credit2_max_cpus_runqueue="none"' 'cpus=["15"]' &&
    xl sched-credit2 -s -p new >new && xl cpupool-destroy new && xl cpupool-cpu-add Pool-0 15
echo $? >pools
xl list >list
