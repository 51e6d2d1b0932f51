# SPDX-License-Identifier: MIT
# shellcheck disable=SC2034 # what is set here is for those that source it
# Sourced in the laboratory's dom0 by those that run the service there: service.conf in this folder,
# `start`, and what they wait with. As eager as the configuration allows: emulated CPUs give a noisy score, and this is
# about what is done, not about what is best.
if [ -e /etc/intellisched/intellisched.conf ]; then # of the Debian package, with a bundle of its own
    cp /etc/intellisched/intellisched.conf service.conf
    PATH=$PATH:/usr/bin
else
    export INTELLISCHED_BUNDLE=/lab/in/default.bundle
fi
cat >>service.conf <<CONF
journal = "$LAB_OUT/journal.db"
socket = "/run/intellisched.socket"
metrics = "$LAB_OUT/metrics.prom"
pools = [ "name=Pool-0,mode=auto,gain=0,confidence=0,trial_windows=${trial_windows:-20},dwell=10,longest_dwell=10,switches_an_hour=60${pool_keys-}" ]
CONF
start() {
    intellisched daemon --config service.conf 2>>daemon.err &
    daemon=$!
}

# What was done when, for the one who reads a run that took too long.
told() { echo "$(date +%T) $*" | tee -a steps; }
# try NAME COMMAND...: keeps the output, the messages and the exit status.
try() {
    told "$@"
    name=$1
    shift
    "$@" >"$name.out" 2>"$name.err"
    echo $? >"$name.status"
}
# ask NAME COMMAND...: of the service. It answers within seconds where emulated CPUs are fast; where they
# are not, its windows alone can take longer than a command waits.
ask() {
    for _ in $(seq 20); do
        try "$@"
        [ "$(cat "$name.status")" = 0 ] && return
        grep -q "does not answer" "$name.err" || return
    done
}
# soon TIMES COMMAND: until it succeeds, at most that often.
soon() {
    told "$@"
    for _ in $(seq "$1"); do
        sh -c "$2" && return
        sleep 3
    done
    echo "not in $1 times: $2" >>late
}
# metric NAME VALUE: waits for it in the service's metrics, written every 5 s. To ask the program itself
# would take an emulated dom0 several seconds of CPU each time.
metric() { soon 100 "grep -Eqs '^intellisched_$1 $2' metrics.prom"; }
pool='\{pool="Pool-0"\}'
journal="intellisched history --config service.conf --limit 1000 --json"
