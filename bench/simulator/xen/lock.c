/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Locks in virtual time. CPUs' code runs one after the other in real time, so who comes second in
 * real time may be there while, in virtual time, the first still has the lock. A lock therefore
 * remembers the last stretch of virtual time in which it was held by one after the other: who comes
 * within it waits for its end, and prolongs it; who comes before it would have been first, and does
 * not wait, although what it finds is what the other left: for the length of a handler, effects can be
 * seen before their causes. To have it wait would be in order, but exaggerate the waiting just where
 * many CPUs share a lock. Whoever takes a lock that another CPU held last also pays for the transfer of its line.
 */
#include <xen/rwlock.h>
#include <xen/smp.h>
#include "shim.h"

static uint64_t transfer(unsigned int from, unsigned int to)
{
    if ( from == to )
        return 0;
    if ( cpu_data[from].phys_proc_id != cpu_data[to].phys_proc_id )
        return xen_costs.transfer_remote;
    return cpu_data[from].cpu_core_id == cpu_data[to].cpu_core_id ? xen_costs.transfer_core
                                                                  : xen_costs.transfer_socket;
}

void sim_lock_taken(union lock_debug *lock)
{
    uint64_t now = xen_clock_now();

    if ( now >= lock->free_at )
        lock->busy_from = now;
    else if ( now >= lock->busy_from )
    {
        xen_clock.lock_wait += lock->free_at - now;
        xen_clock.base += lock->free_at - now;
    }
    if ( lock->used )
        xen_clock.base += transfer(lock->cpu, smp_processor_id());
    lock->used = true;
    lock->cpu = smp_processor_id();
}

void sim_lock_released(union lock_debug *lock)
{
    uint64_t now = xen_clock_now();

    if ( now > lock->free_at )
        lock->free_at = now;
}

void spin_lock(spinlock_t *lock)
{
    while ( lock->held )
        sim_relax();
    lock->held = 1;
    preempt_disable();
    sim_lock_taken(&lock->debug);
}

int spin_trylock(spinlock_t *lock)
{
    uint64_t now = xen_clock_now();

    if ( lock->held || (now >= lock->debug.busy_from && now < lock->debug.free_at) )
        return 0;
    spin_lock(lock);
    return 1;
}

void spin_unlock(spinlock_t *lock)
{
    ASSERT(lock->held);
    sim_lock_released(&lock->debug);
    lock->held = 0;
    preempt_enable();
}

/* The fast paths of rwlock.h have failed: someone who waits has the lock. */
void queue_read_lock_slowpath(rwlock_t *lock)
{
    while ( (atomic_read(&lock->cnts) & _QW_WMASK) == _QW_LOCKED )
        sim_relax();
    sim_lock_taken(&lock->lock.debug);
}

void queue_write_lock_slowpath(rwlock_t *lock)
{
    while ( atomic_cmpxchg(&lock->cnts, 0, _write_lock_val()) != 0 )
        sim_relax();
    sim_lock_taken(&lock->lock.debug);
}
