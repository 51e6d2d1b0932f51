# SPDX-License-Identifier: MIT
# Sourced in the laboratory's dom0 by those that run the service there: service.conf in this folder,
# and `start`. As eager as the configuration allows: emulated CPUs give a noisy score, and this is
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
