/* SPDX-License-Identifier: GPL-2.0-only */
/* Who waits for another CPU lets the simulator run it. */
#ifndef SIM_ASM_PROCESSOR_H
#define SIM_ASM_PROCESSOR_H

#include_next <asm/processor.h>

void sim_relax(void);
#undef cpu_relax
#define cpu_relax() sim_relax()

#endif
