# SPDX-License-Identifier: MIT
# Runs in the laboratory's dom0; tests/lab/recommend looks at what it leaves in $LAB_OUT.
cd "$LAB_OUT" || exit 1
export INTELLISCHED_BUNDLE=/lab/in/default.bundle
xentrace=/usr/lib/xen-4.17/bin/xentrace

# try NAME COMMAND...: keeps the output, the messages and the exit status.
try() {
    name=$1
    shift
    "$@" >"$name.out" 2>"$name.err"
    echo $? >"$name.status"
}

try record intellisched record --pool Pool-0 --seconds 4 --out capture
try recommend intellisched recommend --pool Pool-0 --seconds 6
try json intellisched recommend --pool 0 --seconds 4 --json
try replay intellisched recommend --pool Pool-0 --capture capture --explain
try features intellisched features --pool Pool-0 --seconds 5 --duty 400
try nopool intellisched recommend --pool Pool-9 --seconds 2
try apply intellisched apply --pool Pool-0 --layout core

# The rate limit, which this Xen changes while the pool runs.
limit() { try "$1" xl sched-credit2 -s -p Pool-0; }
try dryrate intellisched apply --pool Pool-0 --rate-limit 5000 --dry-run
limit afterdryrate
try rate intellisched apply --pool Pool-0 --rate-limit 5000
limit ratexl
try off intellisched apply --pool 0 --rate-limit 0 --json
limit offxl
try bothrate intellisched apply --pool Pool-0 --layout core --rate-limit 300
limit afterboth
xl sched-credit2 -s -p Pool-0 -r 700
try byxl intellisched apply --pool Pool-0 --rate-limit boot
limit bootxl
try badrate intellisched apply --pool Pool-0 --rate-limit 99
# Stock Xen can die or hang when a CPU leaves a busy pool (xen-patches/README.md, bug 1).
for guest in web hog; do xl pause $guest; done
xl cpupool-cpu-remove Pool-0 7 && try other xl cpupool-create 'name="other"' 'sched="credit"' 'cpus=["7"]'
try otherrate intellisched apply --pool other --rate-limit 5000
xl cpupool-cpu-remove other 7 && xl cpupool-destroy other && xl cpupool-cpu-add Pool-0 7
for guest in web hog; do xl unpause $guest; done
echo 'entries { live { name: "web" start: "echo start >>bench.log" } }' >bench.plan
try bench intellisched bench --host xen --plan bench.plan --out bench
[ -e bench/restore.pb ] && echo "restore file" >>bench.log
try taken intellisched record --pool Pool-0 --seconds 2 --out capture

# recording CAPTURE: waits for its first trace, which takes long where emulated CPUs get little time.
recording() {
    for _ in $(seq 60); do
        [ -s "$1/trace.zst" ] && return
        sleep 1
    done
}

# What the machine costs; dom0's vCPUs are pinned meanwhile, and then are as they were.
pins() { xl vcpu-list Domain-0 | awk 'NR > 1 { print $3, $(NF - 2), $(NF - 1), $NF }'; }
xl vcpu-pin Domain-0 3 1-5
pins >pins.before
# An emulated machine is far from the defaults.
try calibrate intellisched calibrate --pool Pool-0 --seconds 10 --accept-unusual --out this.costs
pins >pins.after
intellisched calibrate --pool Pool-0 --seconds 30 --accept-unusual >stopped.out 2>stopped.err &
calibrating=$!
for _ in $(seq 100); do # it watches the trace first
    sleep 1
    pins >pins.during
    cmp -s pins.before pins.during || break
done
kill -INT $calibrating
wait $calibrating
echo $? >stopped.status
pins >pins.stopped
xl vcpu-pin Domain-0 3 all

# Somebody else has the buffers.
$xentrace -D -e 0x2f000 other.trace 2>/dev/null &
other=$!
sleep 2
try busy intellisched record --pool Pool-0 --seconds 2 --out busy
[ -e busy ] && echo "left behind" >>busy.err
cat >service.conf <<CONF
journal = "$LAB_OUT/journal.db"
socket = "/run/intellisched.socket"
mode = "auto"
CONF
intellisched daemon --config service.conf 2>daemon.err &
daemon=$!
# status_with NAME TEXT: until status says so.
status_with() {
    for _ in $(seq 100); do
        try "$1" intellisched status --config service.conf
        grep -q "$2" "$1.out" && return
        sleep 1
    done
}
status_with waiting "another program has Xen's trace buffers"
kill -INT $other
wait $other
status_with watching "host: watching"
status_with judging "^Pool-0: [a-z]"
xl sched-credit2 -s -p Pool-0 -r 2000
status_with foreign "standing down"
xl sched-credit2 -s -p Pool-0 -r 1000
kill -TERM $daemon
wait $daemon
echo $? >daemon.status
try history intellisched history --config service.conf --json

# Through a pipe instead.
mkfifo pipe
$xentrace -D -e 0x2f000 -T 12 pipe 2>/dev/null &
try piped intellisched record --pool Pool-0 --seconds 10 --trace pipe --out piped
wait
rm pipe

# Interrupted: the capture is whole, and the buffers are free again.
intellisched record --pool Pool-0 --seconds 60 --out interrupted 2>interrupted.err &
recorder=$!
recording interrupted
sleep 4
kill -INT $recorder
wait $recorder
echo $? >interrupted.status
try after intellisched record --pool Pool-0 --seconds 2 --out after

# Killed: what was synced can be read.
intellisched record --pool Pool-0 --seconds 60 --out killed 2>killed.err &
recorder=$!
recording killed
sleep 5
kill -KILL $recorder
wait $recorder
try killed intellisched features --capture killed
try afterkill intellisched record --pool Pool-0 --seconds 2 --out afterkill
