# SPDX-License-Identifier: MIT
# Runs in the laboratory's dom0; tests/soak/service looks at what it leaves in $LAB_OUT.
cd "$LAB_OUT" || exit 1
. /lab/in/eager-service.sh
start
minute=0
while [ $minute -lt @MINUTES@ ]; do
    case $((minute % 3)) in
        0) lab_phase serve ;;
        1) lab_phase chain ;;
        2) lab_phase build ;;
    esac
    lab_wait 55
    grep VmRSS /proc/$daemon/status | tr -dc '0-9\n' >>rss
    minute=$((minute + 1))
    echo "minute $minute: $(tail -n 1 rss) kB"
done
intellisched status --config service.conf --json >status.out
kill -TERM $daemon
wait $daemon
echo $? >stopped.status
intellisched history --config service.conf --limit 100000 --json >history.out
