/* SPDX-License-Identifier: GPL-2.0-only */
/* Domains and vCPUs as far as the scheduler sees them, and events for them. */
#include <xen/compile.h>
#include <xen/domain.h>
#include <xen/err.h>
#include <xen/event.h>
#include <xen/sched.h>
#include <xen/softirq.h>
#include <xen/timer.h>
#include <xen/xmalloc.h>
#include "private.h"
#include "shim.h"

struct vcpu *idle_vcpu[NR_CPUS];
struct domain *domain_list, *hardware_domain;
DEFINE_RCU_READ_LOCK(domlist_read_lock);

struct domain *domain_create(domid_t domid, struct xen_domctl_createdomain *config, unsigned int flags)
{
    struct domain *d = xzalloc(struct domain), **place;
    int rc;

    if ( !d )
        return ERR_PTR(-ENOMEM);
    d->domain_id = domid;
    d->is_privileged = flags & CDF_privileged;
    atomic_set(&d->refcnt, 1);
    spin_lock_init(&d->domain_lock);
    spin_lock_init(&d->node_affinity_lock);
    d->node_affinity = NODE_MASK_ALL;
    d->auto_node_affinity = 1;
    if ( is_idle_domain(d) )
        return d;

    d->max_vcpus = config->max_vcpus;
    d->vcpu = xzalloc_array(struct vcpu *, d->max_vcpus);
    d->poll_mask = xzalloc_array(unsigned long, BITS_TO_LONGS(d->max_vcpus));
    rc = d->vcpu && d->poll_mask ? 0 : -ENOMEM;
    d->controller_pause_count = 1;
    atomic_inc(&d->pause_count);
    if ( !rc )
        rc = sched_init_domain(d, config->cpupool_id);
    if ( rc )
    {
        sched_destroy_domain(d);
        xfree(d->poll_mask);
        xfree(d->vcpu);
        xfree(d);
        return ERR_PTR(rc);
    }
    if ( domid == 0 )
        hardware_domain = d;
    for ( place = &domain_list; *place && (*place)->domain_id < domid; )
        place = &(*place)->next_in_list;
    d->next_in_list = *place;
    *place = d;
    return d;
}

struct vcpu *vcpu_create(struct domain *d, unsigned int vcpu_id)
{
    struct sim_vcpu *sv = xzalloc(struct sim_vcpu);
    struct vcpu *v = &sv->vcpu;

    if ( !sv )
        return NULL;
    v->domain = d;
    v->vcpu_id = vcpu_id;
    v->dirty_cpu = VCPU_CPU_CLEAN;
    rwlock_init(&v->virq_lock);
#if XEN_SUBVERSION < 18
    v->vcpu_info = &sv->info;
#else
    v->vcpu_info_area.map = &sv->info;
#endif
    if ( is_idle_domain(d) )
        v->runstate.state = v->new_state = RUNSTATE_running;
    else
    {
        v->runstate.state = RUNSTATE_offline;
        v->runstate.state_entry_time = NOW();
        set_bit(_VPF_down, &v->pause_flags);
    }
    if ( sched_init_vcpu(v) )
    {
        xfree(sv);
        return NULL;
    }
    d->vcpu[vcpu_id] = v;
    if ( vcpu_id )
    {
        unsigned int before = vcpu_id - 1;

        /* The idle domain's come as CPUs do: in order at boot, and they stay. */
        v->next_in_list = d->vcpu[before]->next_in_list;
        d->vcpu[before]->next_in_list = v;
    }
    return v;
}

/* The domain is paused or has never run. Nobody may still look at it. */
static void destroy(struct domain *d)
{
    struct domain **place = &domain_list;
    unsigned int i = d->max_vcpus;

    sim_stop_cpus();
    while ( *place != d )
        place = &(*place)->next_in_list;
    *place = d->next_in_list;
    while ( i-- )
        if ( d->vcpu[i] )
            sched_destroy_vcpu(d->vcpu[i]);
    sched_destroy_domain(d);
    for ( i = 0; i < d->max_vcpus; i++ )
        if ( d->vcpu[i] )
            xfree(sim_vcpu(d->vcpu[i]));
    xfree(d->poll_mask);
    xfree(d->vcpu);
    xfree(d);
    sim_start_cpus();
}

struct domain *rcu_lock_domain_by_id(domid_t domid)
{
    struct domain *d = domain_list;

    while ( d && d->domain_id != domid )
        d = d->next_in_list;
    return d ? rcu_lock_domain(d) : NULL;
}

int rcu_lock_remote_domain_by_id(domid_t domid, struct domain **d)
{
    *d = rcu_lock_domain_by_id(domid);
    return *d ? 0 : -ESRCH;
}

void domain_pause(struct domain *d)
{
    struct vcpu *v;

    ASSERT(d != current->domain);
    atomic_inc(&d->pause_count);
    for_each_vcpu ( d, v )
        vcpu_sleep_sync(v);
    /*
     * With sched-gran=core a vCPU counts as stopped a moment before its unit does, if the unit's last
     * CPU ran its idle vCPU; sched_move_domain() then finds the unit as still scheduled. Xen has that
     * race, too short to be met there.
     */
    sim_stop_cpus();
    sim_start_cpus();
}

void domain_unpause(struct domain *d)
{
    struct vcpu *v;

    if ( atomic_dec_and_test(&d->pause_count) )
        for_each_vcpu ( d, v )
            vcpu_wake(v);
}

int xen_domain_create(unsigned int domid, unsigned int pool, unsigned int vcpus)
{
    struct xen_domctl_createdomain config = { .max_vcpus = vcpus, .cpupool_id = pool };
    struct domain *d = domain_create(domid, &config, domid ? 0 : CDF_privileged);
    unsigned int i;

    if ( IS_ERR(d) )
        return PTR_ERR(d);
    for ( i = 0; i < vcpus; i++ )
    {
        if ( !vcpu_create(d, i) )
        {
            destroy(d);
            return -ENOMEM;
        }
        clear_bit(_VPF_down, &d->vcpu[i]->pause_flags);
    }
    return 0;
}

static struct domain *find(unsigned int domid)
{
    struct domain *d = rcu_lock_domain_by_id(domid);

    if ( d )
        rcu_unlock_domain(d);
    return d;
}

struct vcpu *xen_vcpu(unsigned int domid, unsigned int vcpu, void *engine)
{
    struct vcpu *v = find(domid)->vcpu[vcpu];

    sim_vcpu(v)->engine = engine;
    return v;
}

void xen_domain_unpause(unsigned int domid)
{
    struct domain *d = find(domid);

    d->controller_pause_count = 0;
    d->creation_finished = true;
    domain_unpause(d);
}

/* As domain_kill() and what follows it. */
int xen_domain_destroy(unsigned int domid)
{
    struct domain *d = find(domid);
    struct vcpu *v;
    int rc;

    if ( !d )
        return -ESRCH;
    if ( d->is_dying == DOMDYING_alive )
    {
        domain_pause(d);
        d->is_dying = DOMDYING_dying;
    }
    rc = cpupool_move_domain(d, cpupool0);
    if ( rc )
        return rc;
    for_each_vcpu ( d, v )
        vcpu_set_hard_affinity(v, cpumask_of(0));
    d->is_dying = DOMDYING_dead;
    if ( d == hardware_domain )
        hardware_domain = NULL;
    destroy(d);
    return 0;
}

/* --- events */

static void cf_check nothing(void)
{
}

void sim_events_init(void)
{
    open_softirq(VCPU_KICK_SOFTIRQ, nothing);
}

void sim_event(struct vcpu *v)
{
    bool blocked = v->runstate.state == RUNSTATE_blocked;
    uint64_t before = v->runstate.time[RUNSTATE_blocked];
    bool running = v->is_running;

    if ( test_and_set_bit(0, (unsigned long *)&vcpu_info(v, evtchn_upcall_pending)) )
        return;
    vcpu_unblock(v);
    if ( running && v != current )
        cpu_raise_softirq(v->processor, VCPU_KICK_SOFTIRQ);
    /* It may have blocked only while we waited for its lock. */
    if ( (blocked || v->runstate.time[RUNSTATE_blocked] != before) && v->runstate.state == RUNSTATE_runnable )
        engine_woken(sim_vcpu(v)->engine);
}

int xen_vcpu_take_event(struct vcpu *v)
{
    int pending = vcpu_info(v, evtchn_upcall_pending);

    vcpu_info(v, evtchn_upcall_pending) = 0;
    return pending;
}

void send_timer_event(struct vcpu *v)
{
    sim_event(v);
}

void sim_vcpu_timer(struct vcpu *v, uint64_t at)
{
    if ( !at )
    {
        stop_timer(&v->singleshot_timer);
        return;
    }
    migrate_timer(&v->singleshot_timer, smp_processor_id());
    set_timer(&v->singleshot_timer, at);
}

void evtchn_move_pirqs(struct vcpu *v)
{
}

void send_global_virq(uint32_t virq)
{
}

int hvm_local_events_need_delivery(struct vcpu *v)
{
    return 0;
}

int domain_shutdown(struct domain *d, u8 reason)
{
    return -EOPNOTSUPP;
}
