/* SPDX-License-Identifier: GPL-2.0-only */
/* Interrupts are a flag of the simulator's, and there is one real CPU: no barrier is needed. */
#ifndef SIM_ASM_SYSTEM_H
#define SIM_ASM_SYSTEM_H

#define local_irq_is_enabled xen_local_irq_is_enabled
#include_next <asm/system.h>
#undef local_irq_is_enabled

extern unsigned long sim_interrupts; /* 1: enabled */

#undef local_irq_disable
#undef local_irq_enable
#undef local_save_flags
#undef local_irq_save
#undef local_irq_restore
#define local_irq_disable()     ((void)(sim_interrupts = 0))
#define local_irq_enable()      ((void)(sim_interrupts = 1))
#define local_save_flags(x)     ((x) = sim_interrupts)
#define local_irq_save(x)       ({ local_save_flags(x); local_irq_disable(); })
#define local_irq_restore(x)    ((void)(sim_interrupts = (x)))
#define local_irq_is_enabled()  (sim_interrupts != 0)

#undef smp_mb
#define smp_mb() barrier()

#endif
