/* SPDX-License-Identifier: GPL-2.0-only */
/* Of a CPU's stack only the block at its top is used: Xen's code runs on stacks of the simulator's. */
#ifndef SIM_ASM_CONFIG_H
#define SIM_ASM_CONFIG_H

#include_next <asm/config.h>

#undef STACK_SIZE
#define STACK_SIZE 512

#endif
