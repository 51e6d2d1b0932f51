# SPDX-License-Identifier: MIT
# Runs in the laboratory's dom0; tests/lab/unit looks at what it leaves in $LAB_OUT. Debian's systemd,
# in namespaces of its own, and dpkg, which installs the package, removes it and purges it. Nothing of
# the package is changed but where its log goes, which tells when its ExecStopPost has ended.
cd "$LAB_OUT" || exit 1
PATH=/usr/sbin:/usr/bin:$PATH
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir -p /etc/systemd/system/intellisched.service.d /var/lib/dpkg/info /var/lib/dpkg/updates /var/lib/dpkg/triggers \
    /var/tmp /var/lib/prometheus/node-exporter
touch /var/lib/dpkg/status /var/lib/dpkg/available
cat >/etc/systemd/system/intellisched.service.d/log.conf <<CONF
[Service]
StandardError=append:/run/service.log
ExecStopPost=/bin/sh -c 'echo stopped >&2'
CONF
for target in sysinit basic shutdown multi-user; do
    printf '[Unit]\nDefaultDependencies=no\n' >/etc/systemd/system/$target.target
done
printf '[Unit]\nDefaultDependencies=no\n' >/etc/systemd/system/default.target
unshare -p -f -m sh -c 'mount -t proc proc /proc && mount -t xenfs xenfs /proc/xen && container=lab exec \
    /lib/systemd/systemd --system --log-target=console --log-level=info' &
unshare=$!

# soon SECONDS COMMAND...: until it succeeds.
soon() {
    end=$(($(date +%s) + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        if [ "$(date +%s)" -ge $end ]; then
            echo "late: $*" | tee -a late
            return
        fi
        sleep 1
    done
}
step() { echo "$(date +%T) $*"; }
main() { head -n 1 /sys/fs/cgroup/system.slice/intellisched.service/cgroup.procs; }
answers() { soon 240 intellisched status; }
ends() { grep -c '^stopped' /run/service.log; }
ended() { [ "$(ends)" -gt "$ends_before" ]; }
has_windows() { intellisched status --json | grep -Eq '"windows":"?[1-9]'; }
# systemd hears whom it can see.
beside() { nsenter -t "$systemd" -m -p "$@"; }
# Not busybox' dpkg, which the shell would take. dom0's libraries are not from packages.
package() { beside /usr/bin/dpkg --force-depends --force-bad-path "$@"; }
start() { beside systemctl enable --now intellisched; }
configure() { # LINE...
    printf '%s\n' 'metrics = "/var/lib/prometheus/node-exporter/intellisched.prom"' \
        'pools = [ "name=Pool-0,mode=auto,gain=0,confidence=0,trial_windows='$trial_windows',dwell=10,longest_dwell=10,switches_an_hour=60,rate_limit=keep" ]' \
        "$@" >/etc/intellisched/intellisched.conf
}
# What dpkg, systemd and the laboratory keep of packages and services in general is left out.
tree() { find /etc /lib /usr /var | grep -Ev '^/var/lib/(dpkg|systemd)(/|$)' | sort; }

soon 240 test -S /run/systemd/private
read -r systemd </proc/$unshare/task/$unshare/children
tree >tree.before
step "install"
layout() { xl sched-credit2 -s -p Pool-0; }
layout >layout.boot
package -i /lab/package.deb >install.out 2>&1
[ -n "$(main 2>/dev/null)" ] && echo "it runs" >installed.runs
ls -l /etc/systemd/system/multi-user.target.wants >installed.enabled 2>/dev/null
start
answers
intellisched status --json >status.installed
ls -l /etc/systemd/system/multi-user.target.wants >enabled
trial_windows=40 # begun anew by each start, so that the pool keeps what it is switched to
configure
beside systemctl reload intellisched
lab_phase serve
switched() { ! layout | cmp - layout.boot; }
soon 300 switched

step "remove"
layout >layout.switched
package -r intellisched >remove.out 2>&1
layout >layout.removed
tree >tree.removed
[ -n "$(main 2>/dev/null)" ] && echo "it runs" >removed.runs
ls -l /etc/intellisched /var/lib/intellisched >files.removed

step "install again, and purge"
configure "return_to_boot_layout = 1"
package -i /lab/package.deb >again.out 2>&1
start
soon 240 has_windows
layout >layout.again
package -P intellisched >purge.out 2>&1
layout >layout.purged
tree >tree.purged

step "run"
trial_windows=20
mkdir /etc/intellisched
configure
package --force-confold -i /lab/package.deb >third.out 2>&1
start
answers
before=$(main)
package --force-confold -i /lab/package.deb >upgrade.out 2>&1
soon 240 answers
echo "$before $(main)" >upgraded
soon 240 has_windows
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
    step "minute $minute: $(grep VmRSS /proc/"$(main)"/status)"
done
intellisched status --json >status.out
cp /var/lib/prometheus/node-exporter/intellisched.prom metrics
ls -l /var/lib/intellisched /var/lib/prometheus/node-exporter >files

step "kill"
before=$(main)
tracing >tracing.on
ends_before=$(ends)
kill -KILL "$before"
soon 240 ended
tracing >tracing.killed
sleep 5
answers
echo "$before $(main)" >killed
cat /proc/"$(main)"/status >process.again
soon 240 has_windows
intellisched status --json >status.again

# xenstored stands still, and every call of libxl with it.
step "hang"
now() { cut -d. -f1 /proc/uptime; }
not_watched() { intellisched status --json | grep "not watched"; }
kill -STOP "$(cat /run/xenstored.pid)"
began=$(now)
soon 90 not_watched
echo $(($(now) - began)) >hang.told
intellisched status --json >status.hang
if [ @MINUTES@ -ge 5 ]; then # the watchdog takes its time
    before=$(main)
    ends_before=$(ends)
    soon 300 ended
    echo $(($(now) - began)) >hang.watchdog
    tracing >tracing.watchdog
    sleep 5
    soon 240 not_watched
    echo "$before $(main)" >hang.again
fi
step "stop"
beside systemctl stop intellisched
beside systemctl show --property ExecMainStatus intellisched >hang.stopped # 9 where systemd had to kill it
tracing >tracing.stopped
kill -CONT "$(cat /run/xenstored.pid)"

# A command has no unit that cleans up after its kill.
step "record"
intellisched record --pool Pool-0 --seconds 60 --out killed-capture 2>record.err &
record=$!
soon 240 test -s killed-capture/trace.zst
kill -KILL $record
tracing >tracing.record
intellisched daemon --stop-tracing
tracing >tracing.cleaned
rm -r killed-capture

intellisched history --limit 100000 --json >history.out
cp /run/service.log service.log
step "end"
