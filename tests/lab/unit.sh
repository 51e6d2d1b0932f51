# SPDX-License-Identifier: MIT
# Runs in the laboratory's dom0; tests/lab/unit looks at what it leaves in $LAB_OUT. Debian's systemd,
# in namespaces of its own, starts the packaged unit with nothing of it changed but where its log goes.
cd "$LAB_OUT" || exit 1
PATH=$PATH:/usr/local/bin
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir -p /etc/systemd/system/intellisched.service.d /var/lib /var/tmp /etc/intellisched
cat >/etc/systemd/system/intellisched.service.d/log.conf <<CONF
[Service]
StandardError=append:/run/service.log
CONF
for target in sysinit basic shutdown; do
    printf '[Unit]\nDefaultDependencies=no\n' >/etc/systemd/system/$target.target
done
printf '[Unit]\nDefaultDependencies=no\nWants=intellisched.service\n' >/etc/systemd/system/default.target
cat >/etc/intellisched/intellisched.conf <<CONF
metrics = "/var/lib/intellisched/metrics.prom"
pools = [ "name=Pool-0,mode=auto,gain=0,confidence=0,trial_windows=20,dwell=10,longest_dwell=10,switches_an_hour=60" ]
CONF
unshare -p -f -m sh -c 'mount -t proc proc /proc && mount -t xenfs xenfs /proc/xen && container=lab exec \
    /lib/systemd/systemd --system --log-target=console --log-level=info' >systemd.out 2>&1 &

main() { head -n 1 /sys/fs/cgroup/system.slice/intellisched.service/cgroup.procs; }
answers() {
    end=$(($(date +%s) + 90))
    until intellisched status >/dev/null 2>&1; do
        [ "$(date +%s)" -lt $end ] || return 1
        sleep 1
    done
}
answers || echo late
sleep 10
intellisched status
cat /proc/"$(main)"/status /proc/"$(main)"/limits >process
cat /proc/"$(main)"/oom_score_adj >oom
minute=0
while [ $minute -lt @MINUTES@ ]; do
    case $((minute % 3)) in
        0) lab_phase serve ;;
        1) lab_phase chain ;;
        2) lab_phase build ;;
    esac
    lab_wait 55
    minute=$((minute + 1))
    echo "minute $minute: $(grep VmRSS /proc/"$(main)"/status)"
done
intellisched status --json >status.out
cat /var/lib/intellisched/metrics.prom >metrics
ls -l /var/lib/intellisched >files
before=$(main)
kill -KILL "$before"
sleep 7
answers || echo late
echo "$before $(main)" >killed
cat /proc/"$(main)"/status >process.again
sleep 5
intellisched status --json >status.again
after=$(main)
kill -TERM "$after"
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do [ -e /proc/"$after" ] && sleep 1; done
[ ! -e /proc/"$after" ] && echo ended >ended
intellisched history --limit 100000 --json >history.out
cp /run/service.log service.log
