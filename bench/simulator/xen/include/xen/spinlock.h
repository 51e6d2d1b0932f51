/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Xen's interface to spinlocks, on locks that are taken in the order of virtual time (lock.c).
 */
#ifndef __SPINLOCK_H__
#define __SPINLOCK_H__

#include <xen/nospec.h>
#include <xen/time.h>
#include <asm/system.h>
#include <asm/spinlock.h>
#include <asm/types.h>

/* rwlock.h tells of its locks through check_lock() and this barrier. */
union lock_debug {
    struct {
        uint16_t cpu;       /* that last held it */
        bool used;
    };
};
#define check_lock(debug, try) sim_lock_taken(debug)
#define lock_enter(debug)
#define lock_exit(debug)
void sim_lock_taken(union lock_debug *debug);
void sim_lock_order(void);
#undef arch_lock_release_barrier
#define arch_lock_release_barrier() sim_lock_order()

typedef struct spinlock {
    uint32_t held;
    uint16_t recurse_cpu;
    uint16_t recurse_cnt;
    union lock_debug debug;
    uint64_t free_at;   /* when who has let go of it does so in virtual time */
    struct sim_waiter *first, *last; /* last is right as long as there is a first */
} spinlock_t, rspinlock_t; /* from 4.19 on a type of their own for locks that can be taken again */

#define SPIN_LOCK_UNLOCKED { 0 }
#define DEFINE_SPINLOCK(l) spinlock_t l = SPIN_LOCK_UNLOCKED
#define spin_lock_init(l) (*(l) = (spinlock_t)SPIN_LOCK_UNLOCKED)
#define rspin_lock_init spin_lock_init
#define spin_lock_init_prof(s, l) spin_lock_init(&((s)->l))
struct lock_profile_qhead { };
#define lock_profile_register_struct(type, ptr, idx)
#define lock_profile_deregister_struct(type, ptr)

void spin_lock(spinlock_t *lock);
void spin_unlock(spinlock_t *lock);
int spin_trylock(spinlock_t *lock);
void spin_lock_recursive(spinlock_t *lock);
void spin_unlock_recursive(spinlock_t *lock);

#define spin_lock_irq(l)   ({ local_irq_disable(); spin_lock(l); })
#define spin_unlock_irq(l) ({ spin_unlock(l); local_irq_enable(); })
#define spin_lock_irqsave(l, f)      ({ local_irq_save(f); spin_lock(l); })
#define spin_unlock_irqrestore(l, f) ({ spin_unlock(l); local_irq_restore(f); })
#define _spin_lock_irqsave(l) ({ unsigned long f_; spin_lock_irqsave(l, f_); f_; })
#define spin_trylock_irqsave(l, f) \
    ({ local_irq_save(f); spin_trylock(l) ? 1 : ({ local_irq_restore(f); 0; }); })
#define spin_is_locked(l) ((l)->held != 0)
#define spin_barrier(l)   ({ spin_lock(l); spin_unlock(l); })
#define _spin_unlock            spin_unlock
#define _spin_unlock_irq        spin_unlock_irq
#define _spin_unlock_irqrestore spin_unlock_irqrestore

#define spin_lock_if(condition, l) ({ if ( condition ) spin_lock(l); })

/* sched/private.h makes names of these. */
#define _spin_lock     spin_lock
#define _spin_lock_irq spin_lock_irq

#endif
