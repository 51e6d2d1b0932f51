/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Locks in virtual time. Before a CPU takes a lock, all that happens elsewhere at an earlier time is let
 * happen: who comes first in virtual time gets the lock. Others queue, and each gets it at the very
 * time at which the one before it lets go. Its holder may have let go of it already although, in
 * virtual time, it has not come so far: the lock remembers when that will be, and who comes before has
 * to wait for that moment. So a CPU need not let others go first for a lock in its own per-CPU data,
 * its timers': of the others that hardly ever want it, those that should have come first come after, and
 * the order in which a lock is held is that of virtual time all the same. Whoever takes a lock that
 * another CPU held last also pays for the transfer of its line.
 */
#include <xen/rwlock.h>
#include <xen/smp.h>
#include "shim.h"

/* On the stack of who waits. */
struct sim_waiter {
    struct sim_waiter *next;
    void *who;
};

static uint64_t transfer(const struct xen_place *from, const struct xen_place *to)
{
    uint64_t cost;

    if ( from->socket != to->socket )
        return xen_costs.transfer_remote;
    if ( from->core == to->core )
        return xen_costs.transfer_core;
    cost = from->llc == to->llc ? xen_costs.transfer_socket : xen_costs.transfer_llc;
    if ( from->node != to->node && cost < xen_costs.transfer_remote )
        cost += ((xen_costs.transfer_remote - cost) * xen_costs.near_node_part) >> 20;
    return cost;
}

static inline void taken(union lock_debug *lock)
{
    unsigned int cpu = smp_processor_id();

    if ( lock->used && lock->cpu != cpu )
        xen_clock.base += transfer(&sim_cpu_places[lock->cpu], &sim_cpu_places[cpu]);
    lock->used = true;
    lock->cpu = cpu;
}

void sim_lock_taken(union lock_debug *lock)
{
    taken(lock);
}

void sim_lock_order(void)
{
    uint64_t now = xen_clock_now();

    if ( xen_clock.others < now )
        engine_wait(now);
}

void spin_lock(spinlock_t *lock)
{
    uint64_t now = xen_clock_now();

    if ( xen_clock.others < now && !sim_is_own(lock) )
    {
        engine_wait(now);
        now = xen_clock_now();
    }
    if ( lock->held )
    {
        struct sim_waiter me = { .who = engine_self() };

        *(lock->first ? &lock->last->next : &lock->first) = &me;
        lock->last = &me;
        engine_wait(ENGINE_NEVER); /* it is held for us then */
    }
    else
    {
        lock->held = 1;
        if ( now < lock->free_at )
            engine_wait(lock->free_at);
    }
    preempt_disable();
    taken(&lock->debug);
}

int spin_trylock(spinlock_t *lock)
{
    sim_lock_order();
    if ( lock->held || xen_clock_now() < lock->free_at )
        return 0;
    spin_lock(lock);
    return 1;
}

void spin_unlock(spinlock_t *lock)
{
    struct sim_waiter *next;
    uint64_t now = xen_clock_now();

    ASSERT(lock->held);
    next = lock->first;
    if ( next )
    {
        lock->first = next->next;
        engine_wake(next->who, now);
    }
    else
    {
        lock->held = 0;
        lock->free_at = now;
    }
    preempt_enable();
}

/* Tools borrow CPUs' identities, but none of their locks. */
unsigned int sim_lock_owner(void)
{
    return sim_is_tool() ? _QW_CPUMASK : smp_processor_id();
}

/* The fast paths of rwlock.h have failed: another CPU has the lock. Only tools write: no queue is needed. */
void queue_read_lock_slowpath(rwlock_t *lock)
{
    while ( (atomic_read(&lock->cnts) & _QW_WMASK) == _QW_LOCKED )
        sim_relax();
    sim_lock_taken(&lock->lock.debug);
}

void queue_write_lock_slowpath(rwlock_t *lock)
{
    int others;

    while ( (others = atomic_read(&lock->cnts) & ~_QW_WAITING) != 0 )
    {
        atomic_set(&lock->cnts, others | _QW_WAITING); /* no more readers that could do without */
        sim_relax();
    }
    atomic_set(&lock->cnts, _write_lock_val());
    sim_lock_taken(&lock->lock.debug);
}
