# SPDX-License-Identifier: MIT
# Runs in dom0 on the patched Xen with Debian's own xl: its ordinary commands must work as ever.
cd "$LAB_OUT" || exit 1
command() {
    "$@" >out 2>&1 && echo "ok - stock xl: $*" || echo "not ok - stock xl: $*: $(tail -n 1 out)"
}
{
    guest=$(echo "$LAB_GUESTS" | cut -d' ' -f1)
    command xl info
    command xl list
    command xl vcpu-list
    command xl cpupool-list -c
    command xl sched-credit2
    command xl sched-credit2 -s
    command xl sched-credit2 -s -r 500
    command xl sched-credit2 -d "$guest" -w 512 -c 150
    command xl sched-credit2 -d "$guest" -w 256 -c 0
    command xl vcpu-pin "$guest" all 0-3 all
    command xl vcpu-pin "$guest" all all all
    command xl pause "$guest"
    command xl unpause "$guest"
    command xl cpupool-cpu-remove Pool-0 7
    command xl cpupool-create 'name="second"' 'sched="credit2"' 'cpus=["7"]'
    command xl cpupool-migrate "$guest" second
    command xl cpupool-migrate "$guest" Pool-0
    command xl cpupool-cpu-remove second 7
    command xl cpupool-destroy second
    command xl cpupool-cpu-add Pool-0 7
    command xl debug-keys r
    command xl dmesg
    command xl destroy "$guest"
} >tap
intellisched apply --pool Pool-0 --layout core >apply.out 2>apply.err
echo $? >apply.status
