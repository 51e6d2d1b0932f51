# SPDX-License-Identifier: MIT
# Runs in dom0 on stock Xen with the patched xl: what is missing is told, the rest works.
cd "$LAB_OUT" || exit 1
xl sched-credit2 -s >shown.out 2>shown.err
echo $? >shown.status
xl sched-credit2 -s -q core >set.out 2>set.err
echo $? >set.status
intellisched apply --pool Pool-0 --layout core >apply.out 2>apply.err
echo $? >apply.status
