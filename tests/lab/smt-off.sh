# SPDX-License-Identifier: MIT
# Runs in the laboratory's dom0, booted with smt=0; tests/lab/smt-off looks at what it leaves in $LAB_OUT.
cd "$LAB_OUT" || exit 1
export INTELLISCHED_BUNDLE=/lab/in/default.bundle
xl dmesg | grep 'Adding cpu' | sed 's/.*Adding cpu \([0-9]*\) to runqueue \([0-9]*\).*/\1 \2/' >xen
xl info -n >info
intellisched record --pool Pool-0 --seconds 4 --out capture >record.out 2>record.err
echo $? >record.status
intellisched apply --pool Pool-0 --layout boot >apply.out 2>apply.err
echo $? >apply.status
