# SPDX-License-Identifier: MIT
# Runs in the laboratory's dom0 on the patched Xen; tests/lab/bench looks at what it leaves in $LAB_OUT.
cd "$LAB_OUT" || exit 1

# try NAME COMMAND...: keeps the output, the messages and the exit status.
try() {
    name=$1
    shift
    "$@" >"$name.out" 2>"$name.err"
    echo $? >"$name.status"
}
# after NAME [DIR]: the pool, which guests are paused, and what still runs of load and benchmark.
after() {
    try "$1.pool" xl sched-credit2 -s
    try "$1.dryrun" intellisched apply --pool Pool-0 --layout boot --dry-run
    xl list >"$1.list"
    ps -o pid,stat,args | grep -E '[i]ntellisched|[s]leep 98765' >"$1.processes"
    ls "${2:-$1}" >"$1.files"
}
# grown DIR: waits until a trial is in the results of a benchmark that runs.
grown() {
    for _ in $(seq 300); do
        [ -e "$1/results.pb" ] && [ "$(wc -c <"$1/results.pb")" -gt 200 ] && return
        sleep 0.2
    done
}

try shown xl sched-credit2 -s

# All five layouts, under a load that the plan starts in a guest that has idled.
cat >whole.plan <<'PLAN'
entries {
  live {
    name: "web" family: "servers" topology: "lab"
    start: ". /lab/lib.sh; lab_load web 'burst run=300us sleep=2ms'; lab_report web >>whole.loads"
    stop: ". /lab/lib.sh; lab_load web idle"
  }
}
repeats: 2 warmup_s: 1 measured_s: 1 seed: 5
PLAN
try whole.run intellisched bench --host xen --plan whole.plan --out whole
lab_read web state >whole.state
after whole

# A load that does not start.
echo 'entries { live { name: "web" start: "xl unpause nobody" stop: "echo stop >>bad.log" } } repeats: 1' >bad.plan
try bad.run intellisched bench --host xen --plan bad.plan --out bad
after bad

# Three layouts; the load is a guest that is paused otherwise, and something in the background.
xl pause hog
load() { # LOG
    cat <<PLAN
entries {
  live {
    name: "hog" family: "hogs" topology: "lab"
    start: "echo start >>$1; sleep 98765 & exec xl unpause hog"
    stop: "echo stop >>$1; xl pause hog"
  }
}
layouts: ["cpu", "socket", "all"] repeats: 2 warmup_s: 1 measured_s: 1 seed: 6
PLAN
}
load interrupted.log >interrupted.plan
intellisched bench --host xen --plan interrupted.plan --out interrupted >interrupted.run.out 2>interrupted.run.err &
bench=$!
grown interrupted
ps -o pid,stat,args | grep -E '[s]leep 98765' >interrupted.meanwhile
xl list >interrupted.unpaused
kill -INT $bench
wait $bench
echo $? >interrupted.run.status
after interrupted
cp interrupted/results.pb interrupted.first
try resumed.run intellisched bench --host xen --plan interrupted.plan --out interrupted
after resumed interrupted

load killed.log >killed.plan
intellisched bench --host xen --plan killed.plan --out killed >killed.run.out 2>killed.run.err &
bench=$!
# In the middle of a trial that is not of the layout at first.
for _ in $(seq 300); do
    xl sched-credit2 -s >killed.changed
    [ -e killed/restore.pb ] && ! cmp -s killed.changed shown.out && break
    sleep 0.2
done
kill -KILL $bench
wait $bench
echo $? >killed.run.status
xl sched-credit2 -s >killed.left
xl list >killed.unpaused
ls killed >killed.files.left
try again.run intellisched bench --host xen --plan killed.plan --out killed
# A background process of the killed one's load is nobody's any more.
for pid in $(ps -o pid,args | awk '/[s]leep 98765/ { print $1 }'); do kill "$pid"; done
sleep 0.5
after killed
