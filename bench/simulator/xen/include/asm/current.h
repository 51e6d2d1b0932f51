/* SPDX-License-Identifier: GPL-2.0-only */
/* Which CPU this is does not follow from the stack pointer but from who the simulator runs. */
#ifndef SIM_ASM_CURRENT_H
#define SIM_ASM_CURRENT_H

#define get_cpu_info xen_get_cpu_info
#include_next <asm/current.h>
#undef get_cpu_info

extern struct cpu_info *sim_cpu_info;
#define get_cpu_info() sim_cpu_info

#endif
