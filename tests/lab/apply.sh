# SPDX-License-Identifier: MIT
# Runs in the laboratory's dom0 on the patched Xen; tests/lab/apply looks at what it leaves in $LAB_OUT.
cd "$LAB_OUT" || exit 1
export INTELLISCHED_BUNDLE=/lab/in/default.bundle

# try NAME COMMAND...: keeps the output, the messages and the exit status.
try() {
    name=$1
    shift
    "$@" >"$name.out" 2>"$name.err"
    echo $? >"$name.status"
}

# dom0's clock beside each guest's, many times: a report may be on its way for a while, and the one
# that took the shortest tells how far the clocks are apart.
clocks() {
    for _ in $(seq 10); do
        for guest in $LAB_GUESTS; do
            echo "$guest $(cut -d' ' -f1 /proc/uptime) $(lab_report "$guest")"
        done
        sleep 0.7
    done >"$1"
}

try shown xl sched-credit2 -s
try dryrun intellisched apply --pool Pool-0 --layout core --dry-run
try afterdry xl sched-credit2 -s

# Each of the 20 ordered pairs once, in one round; all the while the guests work. The buffers are
# large, for a busy emulated dom0 is late to empty them.
clocks clocks.before
intellisched record --pool Pool-0 --seconds 3600 --buffer-pages 256 --out capture 2>record.err &
recorder=$!
sleep 3
: >pairs
for layout in cpu core cpu socket core socket node cpu node core node socket all cpu all core all node all socket; do
    intellisched apply --pool Pool-0 --layout $layout --json >one.json 2>one.err
    echo "$layout $? $(tr -d '\n' <one.json) $(cat one.err)" >>pairs
    sleep 1.5
done
kill -INT $recorder
wait $recorder
clocks clocks.after

try again intellisched apply --pool Pool-0 --layout core
try recommend intellisched recommend --pool Pool-0 --seconds 4 --json
try boot intellisched apply --pool 0 --layout boot
try afterboot xl sched-credit2 -s
try nopool intellisched apply --pool Pool-9 --layout core

# Pools: one of another scheduler, and one that is made with a layout.
xl cpupool-cpu-remove Pool-0 14 && xl cpupool-cpu-remove Pool-0 15
try credit xl cpupool-create 'name="old"' 'sched="credit"' 'cpus=["14"]'
try othersched intellisched apply --pool old --layout core
try xlother xl sched-credit2 -s -p old -q core
try badcreate xl cpupool-create 'name="bad"' 'sched="credit2"' 'credit2_runqueue="thread"' 'cpus=["15"]'
try create xl cpupool-create 'name="new"' 'sched="credit2"' 'credit2_runqueue="all"' 'credit2_max_cpus_runqueue="none"' 'cpus=["15"]'
try createshown xl sched-credit2 -s -p new
try xlset xl sched-credit2 -s -p new -q cpu -m 4
try xlsetshown xl sched-credit2 -s -p new
try xlbad xl sched-credit2 -s -p new -q thread
try xlnopool xl sched-credit2 -s -p nowhere -q core
xl list >list.out
