/* SPDX-License-Identifier: GPL-2.0-only */
/* What tools do: the hypervisor's own sysctls and domctls, and a look at what they change. */
#include <xen/cpu.h>
#include <xen/guest_access.h>
#include <xen/sched.h>
#include <public/domctl.h>
#include <public/sysctl.h>
#include "private.h"
#include "shim.h"

static struct domain *find(unsigned int domid)
{
    struct domain *d = rcu_lock_domain_by_id(domid);

    if ( d )
        rcu_unlock_domain(d);
    return d;
}

static void copy_mask(uint64_t *to, const cpumask_t *from)
{
    unsigned int i;

    for ( i = 0; i < XEN_MASK_WORDS; i++ )
        to[i] = 0;
    for_each_cpu ( i, from )
        to[i / 64] |= 1ull << (i % 64);
}

/* --- domains */

static int schedule_op(unsigned int domid, struct xen_domctl_scheduler_op *op)
{
    struct domain *d = find(domid);

    op->sched_id = XEN_SCHEDULER_CREDIT2;
    return d ? sched_adjust(d, op) : -ESRCH;
}

/* A weight of 0 leaves it as it is. */
int xen_domain_schedule(unsigned int domid, unsigned int weight, unsigned int cap, int set_cap)
{
    struct xen_domctl_scheduler_op op = { .cmd = XEN_DOMCTL_SCHEDOP_getinfo };
    int rc = schedule_op(domid, &op);

    if ( rc )
        return rc;
    op.cmd = XEN_DOMCTL_SCHEDOP_putinfo;
    if ( weight )
        op.u.credit2.weight = weight;
    if ( set_cap )
        op.u.credit2.cap = cap;
    return schedule_op(domid, &op);
}

int xen_domain_info(unsigned int domid, unsigned int *pool, unsigned int *weight, unsigned int *cap)
{
    struct xen_domctl_scheduler_op op = { .cmd = XEN_DOMCTL_SCHEDOP_getinfo };
    int rc = schedule_op(domid, &op);

    if ( rc )
        return rc;
    *pool = cpupool_get_id(find(domid));
    *weight = op.u.credit2.weight;
    *cap = op.u.credit2.cap;
    return 0;
}

static void set_map(struct xenctl_bitmap *map, uint64_t *words)
{
    map->nr_bits = nr_cpu_ids;
    set_xen_guest_handle_raw(map->bitmap, (uint8_t *)words);
}

/* Null leaves one as it is. */
int xen_vcpu_affinity(struct vcpu *v, const uint64_t *hard, const uint64_t *soft)
{
    struct xen_domctl_vcpuaffinity op = { .vcpu = v->vcpu_id };
    uint64_t words[2][XEN_MASK_WORDS]; /* overwritten with what is in force */
    unsigned int i;

    for ( i = 0; i < XEN_MASK_WORDS; i++ )
    {
        words[0][i] = hard ? hard[i] : 0;
        words[1][i] = soft ? soft[i] : 0;
    }
    op.flags = (hard ? XEN_VCPUAFFINITY_HARD : 0) | (soft ? XEN_VCPUAFFINITY_SOFT : 0);
    set_map(&op.cpumap_hard, words[0]);
    set_map(&op.cpumap_soft, words[1]);
    return op.flags ? vcpu_affinity_domctl(v->domain, XEN_DOMCTL_setvcpuaffinity, &op) : 0;
}

void xen_vcpu_masks(const struct vcpu *v, uint64_t *hard, uint64_t *soft)
{
    copy_mask(hard, v->sched_unit->cpu_hard_affinity);
    copy_mask(soft, v->sched_unit->cpu_soft_affinity);
}

unsigned int xen_vcpu_processor(const struct vcpu *v)
{
    return v->processor;
}

/* As vcpu_runstate_get(), but it disturbs nobody. */
void xen_vcpu_times(const struct vcpu *v, uint64_t now, uint64_t times[4])
{
    unsigned int state;

    for ( state = 0; state < 4; state++ )
        times[state] = v->runstate.time[state];
    if ( now > v->runstate.state_entry_time )
        times[v->runstate.state] += now - v->runstate.state_entry_time;
}

int xen_domain_move(unsigned int domid, unsigned int pool)
{
    struct xen_sysctl_cpupool_op op = {
        .op = XEN_SYSCTL_CPUPOOL_OP_MOVEDOMAIN, .cpupool_id = pool, .domid = domid,
    };

    return cpupool_do_sysctl(&op);
}

/* --- pools and CPUs */

int xen_pool_create(unsigned int *pool)
{
    struct xen_sysctl_cpupool_op op = {
        .op = XEN_SYSCTL_CPUPOOL_OP_CREATE,
        .cpupool_id = XEN_SYSCTL_CPUPOOL_PAR_ANY,
        .sched_id = XEN_SCHEDULER_CREDIT2,
    };
    int rc = cpupool_do_sysctl(&op);

    *pool = op.cpupool_id;
    return rc;
}

static int pool_op(unsigned int what, unsigned int pool, unsigned int cpu)
{
    struct xen_sysctl_cpupool_op op = { .op = what, .cpupool_id = pool, .cpu = cpu };

    return cpupool_do_sysctl(&op);
}

int xen_pool_destroy(unsigned int pool)
{
    return pool_op(XEN_SYSCTL_CPUPOOL_OP_DESTROY, pool, 0);
}

int xen_pool_add_cpu(unsigned int pool, unsigned int cpu)
{
    return pool_op(XEN_SYSCTL_CPUPOOL_OP_ADDCPU, pool, cpu);
}

int xen_pool_remove_cpu(unsigned int pool, unsigned int cpu)
{
    return pool_op(XEN_SYSCTL_CPUPOOL_OP_RMCPU, pool, cpu);
}

int xen_pool_query(unsigned int pool, struct xen_pool_info *info)
{
    struct cpupool *c = cpupool_get_by_id(pool);

    if ( !c )
        return -ENOENT;
    info->granularity = c->gran;
    copy_mask(info->cpus, c->cpu_valid);
    cpupool_put(c);
    return 0;
}

int xen_pool_arrange(unsigned int pool, struct xen_layout *layout, int set)
{
    struct xen_sysctl_scheduler_op op = {
        .cpupool_id = pool,
        .sched_id = XEN_SCHEDULER_CREDIT2,
        .cmd = set ? XEN_SYSCTL_SCHEDOP_put_runqueue : XEN_SYSCTL_SCHEDOP_get_runqueue,
        .u.credit2_runqueue = { .layout = layout->layout, .max_cpus = layout->max_cpus },
    };
    int rc = sched_adjust_global(&op);

    if ( !rc )
        *layout = (struct xen_layout){ op.u.credit2_runqueue.layout, op.u.credit2_runqueue.max_cpus,
                                       op.u.credit2_runqueue.nr_runqueues };
    return rc;
}

int xen_pool_rate_limit(unsigned int pool, unsigned int *us, int set)
{
    struct xen_sysctl_scheduler_op op = {
        .cpupool_id = pool,
        .sched_id = XEN_SCHEDULER_CREDIT2,
        .cmd = set ? XEN_SYSCTL_SCHEDOP_putinfo : XEN_SYSCTL_SCHEDOP_getinfo,
        .u.sched_credit2.ratelimit_us = *us,
    };
    int rc = sched_adjust_global(&op);

    if ( !rc )
        *us = op.u.sched_credit2.ratelimit_us;
    return rc;
}

const void *xen_runqueue_of(unsigned int cpu)
{
    return get_sched_res(cpu)->schedule_lock;
}

/* --- the handles in sysctls and domctls are of our own memory */

unsigned int copy_to_guest_pv(void __user *to, const void *from, unsigned int size)
{
    memcpy(to, from, size);
    return 0;
}

unsigned int copy_from_guest_pv(void *to, const void __user *from, unsigned int size)
{
    memcpy(to, from, size);
    return 0;
}

unsigned int copy_from_guest_ll(void *to, const void __user *from, unsigned int size)
{
    return copy_from_guest_pv(to, from, size);
}

unsigned int copy_to_user_hvm(void *to, const void *from, unsigned int size)
{
    return size;
}

unsigned int copy_from_user_hvm(void *to, const void *from, unsigned int size)
{
    return size;
}
