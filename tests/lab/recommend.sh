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
try taken intellisched record --pool Pool-0 --seconds 2 --out capture

# recording CAPTURE: waits for its first trace, which takes long where emulated CPUs get little time.
recording() {
    for _ in $(seq 60); do
        [ -s "$1/trace.zst" ] && return
        sleep 1
    done
}

# Somebody else has the buffers.
$xentrace -D -e 0x2f000 other.trace 2>/dev/null &
other=$!
sleep 2
try busy intellisched record --pool Pool-0 --seconds 2 --out busy
[ -e busy ] && echo "left behind" >>busy.err
kill -INT $other
wait $other

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
