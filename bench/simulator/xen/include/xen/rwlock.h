/* SPDX-License-Identifier: GPL-2.0-only */
/* Xen's rwlocks, which wait at both their ends until it is their turn in virtual time (lock.c). */
#ifndef SIM_XEN_RWLOCK_H
#define SIM_XEN_RWLOCK_H

#include <xen/preempt.h>
#include <xen/smp.h>

void sim_lock_order(void);
unsigned int sim_lock_owner(void);

/* Each taker begins with this, and tells who it is by that. */
#pragma push_macro("preempt_disable")
#pragma push_macro("smp_processor_id")
#undef preempt_disable
#undef smp_processor_id
#define preempt_disable() ({ sim_lock_order(); preempt_count()++; })
#define smp_processor_id() sim_lock_owner()
#include_next <xen/rwlock.h>
#pragma pop_macro("preempt_disable")
#pragma pop_macro("smp_processor_id")

#endif
