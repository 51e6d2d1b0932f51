/* SPDX-License-Identifier: GPL-2.0-only */
/* CPUs: their per-CPU data, topology, going on and off line, interrupts, and who runs on them. */
#include <xen/cpu.h>
#include <xen/event.h>
#include <xen/init.h>
#include <xen/numa.h>
#include <xen/softirq.h>
#include <xen/stop_machine.h>
#include <xen/string.h>
#include <xen/timer.h>
#include <xen/xmalloc.h>
#include "shim.h"

struct xen_clock xen_clock;
struct xen_costs xen_costs;
uint64_t xen_blocks;

unsigned long sim_interrupts = 1;
struct cpu_info *sim_cpu_info;
/* Who the tools of dom0 are when they call: CPU 0, but not whoever runs there. */
static struct cpu_info tool_info;

cpumask_t cpu_online_map, cpu_present_map;
struct cpuinfo_x86 cpu_data[NR_CPUS];
nodeid_t cpu_to_node[NR_CPUS];
struct xen_place sim_cpu_places[NR_CPUS];
cpumask_t node_to_cpumask[MAX_NUMNODES];
unsigned long __per_cpu_offset[NR_CPUS];
void *stack_base[NR_CPUS];
bool park_offline_cpus;
enum system_state system_state;

DEFINE_PER_CPU(unsigned int, rcu_lock_cnt);
DEFINE_PER_CPU(unsigned long, tasklet_work_to_do);
DEFINE_PER_CPU_READ_MOSTLY(cpumask_var_t, cpu_sibling_mask);
DEFINE_PER_CPU_READ_MOSTLY(cpumask_var_t, cpu_core_mask);

extern char __per_cpu_start[], __per_cpu_data_end[];

/* Not a power of two apart, or all CPUs' copies of a variable would share the real cache's sets. */
static size_t area_size(void)
{
    return ROUNDUP(__per_cpu_data_end - __per_cpu_start, PAGE_SIZE) + SMP_CACHE_BYTES;
}

size_t sim_cpus_size(void)
{
    return NR_CPUS * (STACK_SIZE + area_size());
}

static struct cpu_info *info_of(unsigned int cpu)
{
    return get_cpu_info_from_stack((unsigned long)stack_base[cpu]);
}

void sim_cpus_init(void *memory)
{
    unsigned int cpu;

    for ( cpu = 0; cpu < NR_CPUS; cpu++ )
    {
        char *area = memory + NR_CPUS * STACK_SIZE + cpu * area_size();

        stack_base[cpu] = memory + cpu * STACK_SIZE;
        __per_cpu_offset[cpu] = area - __per_cpu_start;
        info_of(cpu)->processor_id = cpu;
        info_of(cpu)->per_cpu_offset = __per_cpu_offset[cpu];
    }
    tool_info.per_cpu_offset = __per_cpu_offset[0];
    sim_cpu_info = &tool_info;
}

/* --- who runs */

void xen_leave(struct xen_context *context)
{
    context->cpu_info = sim_cpu_info;
    context->interrupts = sim_interrupts;
    context->preempt_count = this_cpu(__preempt_count);
    context->rcu_lock_count = this_cpu(rcu_lock_cnt);
    this_cpu(__preempt_count) = this_cpu(rcu_lock_cnt) = 0;
}

void xen_enter(const struct xen_context *context)
{
    sim_cpu_info = context->cpu_info;
    sim_interrupts = context->interrupts;
    this_cpu(__preempt_count) = context->preempt_count;
    this_cpu(rcu_lock_cnt) = context->rcu_lock_count;
}

void xen_cpu_context(unsigned int cpu, struct xen_context *context)
{
    *context = (struct xen_context){ .cpu_info = info_of(cpu), .interrupts = 1 };
}

void xen_tool_context(struct xen_context *context)
{
    *context = (struct xen_context){ .cpu_info = &tool_info, .interrupts = 1 };
    tool_info.current_vcpu = idle_vcpu[0];
}

bool sim_is_tool(void)
{
    return sim_cpu_info != info_of(smp_processor_id());
}

bool sim_is_own(const void *data)
{
    size_t offset = (const char *)data - __per_cpu_start - sim_cpu_info->per_cpu_offset;

    return offset < area_size() && !sim_is_tool();
}

long sim_as_cpu(unsigned int cpu, long (*function)(void *data), void *data)
{
    struct cpu_info *before = sim_cpu_info, as = tool_info;
    unsigned long interrupts = sim_interrupts;
    long result;

    as.processor_id = cpu;
    as.per_cpu_offset = __per_cpu_offset[cpu];
    as.current_vcpu = idle_vcpu[cpu];
    sim_cpu_info = &as;
    result = function(data);
    sim_cpu_info = before;
    sim_interrupts = interrupts;
    if ( softirq_pending(cpu) && cpu_online(cpu) )
        engine_ipi(cpu);
    return result;
}

void context_switch(struct vcpu *prev, struct vcpu *next)
{
    ASSERT(prev != next);
    ASSERT(local_irq_is_enabled());

    set_current(next);
    if ( !is_idle_vcpu(next) )
    {
        xen_clock.base += xen_costs.context_switch;
        xen_clock.switching += xen_costs.context_switch;
    }
    engine_switch(smp_processor_id(), is_idle_vcpu(next) ? NULL : sim_vcpu(next)->engine);
    sched_context_switched(prev, next);
}

void continue_running(struct vcpu *same)
{
}

void sync_vcpu_execstate(struct vcpu *v)
{
}

void sim_relax(void)
{
    engine_relax();
}

void sim_stop_cpus(void)
{
    engine_hold(1);
    while ( engine_cpus_busy() )
        sim_relax();
}

void sim_start_cpus(void)
{
    engine_hold(0);
}

/* --- time and interrupts */

s_time_t get_s_time(void)
{
    return xen_clock_now();
}

int reprogram_timer(s_time_t timeout)
{
    if ( timeout && timeout < NOW() )
        return 0;
    engine_timer(smp_processor_id(), timeout);
    return 1;
}

void smp_send_event_check_mask(const cpumask_t *mask)
{
    unsigned int cpu;

    for_each_cpu ( cpu, mask )
        engine_ipi(cpu);
}

int xen_softirq_pending(unsigned int cpu)
{
    return softirq_pending(cpu) != 0;
}

/* --- topology, and CPUs coming and going */

void sim_cpus_boot(const struct xen_topology *topology)
{
    unsigned int cpu;

    BUILD_BUG_ON(XEN_MAX_NODES > MAX_NUMNODES);
    nr_cpu_ids = topology->sockets * xen_socket_cpus(topology);
    for ( cpu = 0; cpu < nr_cpu_ids; cpu++ )
    {
        struct xen_place place = xen_place_of(topology, cpu);

        cpu_data[cpu].phys_proc_id = place.socket;
        cpu_data[cpu].cpu_core_id = place.core;
        /* Of the processor: that of a slow core, too. */
        cpu_data[cpu].x86_num_siblings = topology->threads;
        cpu_data[cpu].x86_max_cores = topology->cores;
        cpu_data[cpu].compute_unit_id = INVALID_CUID;
        cpu_to_node[cpu] = place.node;
        sim_cpu_places[cpu] = place;
        cpumask_set_cpu(cpu, &node_to_cpumask[cpu_to_node[cpu]]);
        cpumask_set_cpu(cpu, &cpu_present_map);
    }
}

void xen_cpu_location(unsigned int cpu, unsigned int *core, unsigned int *socket, unsigned int *node)
{
    *core = cpu_data[cpu].cpu_core_id;
    *socket = cpu_data[cpu].phys_proc_id;
    *node = cpu_to_node[cpu];
}

static int cf_check cpu_memory(struct notifier_block *block, unsigned long action, void *hcpu)
{
    unsigned int cpu = (unsigned long)hcpu;

    switch ( action )
    {
    case CPU_UP_PREPARE:
        memset(__per_cpu_start + __per_cpu_offset[cpu], 0, area_size());
        if ( !zalloc_cpumask_var(&per_cpu(cpu_sibling_mask, cpu)) ||
             !zalloc_cpumask_var(&per_cpu(cpu_core_mask, cpu)) )
            return notifier_from_errno(-ENOMEM);
        break;

    case CPU_UP_CANCELED:
    case CPU_DEAD:
        free_cpumask_var(per_cpu(cpu_sibling_mask, cpu));
        free_cpumask_var(per_cpu(cpu_core_mask, cpu));
        break;
    }
    return NOTIFY_DONE;
}

static struct notifier_block cpu_memory_block = {
    .notifier_call = cpu_memory,
    .priority = 100, /* before all others that come up */
};

static void link_siblings(unsigned int cpu)
{
    unsigned int other;

    cpumask_set_cpu(cpu, per_cpu(cpu_sibling_mask, cpu));
    cpumask_set_cpu(cpu, per_cpu(cpu_core_mask, cpu));
    for_each_online_cpu ( other )
    {
        if ( cpu_data[other].phys_proc_id != cpu_data[cpu].phys_proc_id )
            continue;
        cpumask_set_cpu(other, per_cpu(cpu_core_mask, cpu));
        cpumask_set_cpu(cpu, per_cpu(cpu_core_mask, other));
        if ( cpu_data[other].cpu_core_id != cpu_data[cpu].cpu_core_id )
            continue;
        cpumask_set_cpu(other, per_cpu(cpu_sibling_mask, cpu));
        cpumask_set_cpu(cpu, per_cpu(cpu_sibling_mask, other));
    }
}

static long starting(void *data)
{
    notify_cpu_starting(smp_processor_id());
    return 0;
}

int __cpu_up(unsigned int cpu)
{
    info_of(cpu)->current_vcpu = idle_vcpu[cpu];
    sim_as_cpu(cpu, starting, NULL);
    link_siblings(cpu);
    cpumask_set_cpu(cpu, &cpu_online_map);
    engine_online(cpu, 1);
    return 0;
}

void __cpu_disable(void)
{
    unsigned int other, cpu = smp_processor_id();

    for_each_online_cpu ( other )
    {
        cpumask_clear_cpu(cpu, per_cpu(cpu_sibling_mask, other));
        cpumask_clear_cpu(cpu, per_cpu(cpu_core_mask, other));
    }
    cpumask_clear_cpu(cpu, &cpu_online_map);
    softirq_pending(cpu) = 0;
    engine_online(cpu, 0);
}

void __cpu_die(unsigned int cpu)
{
}

struct stopped {
    int (*function)(void *data);
    void *data;
};

static long while_stopped(void *data)
{
    const struct stopped *stopped = data;

    local_irq_disable();
    return stopped->function(stopped->data);
}

int stop_machine_run(int (*function)(void *data), void *data, unsigned int cpu)
{
    struct stopped stopped = { function, data };
    int rc;

    sim_stop_cpus();
    rc = sim_as_cpu(cpu, while_stopped, &stopped);
    sim_start_cpus();
    return rc;
}

void on_selected_cpus(const cpumask_t *selected, void (*function)(void *data), void *data, int wait)
{
    engine_failed("a CPU fails to come up while Xen boots"); /* all that calls it here */
}

int continue_hypercall_on_cpu(unsigned int cpu, long (*function)(void *data), void *data)
{
    return sim_as_cpu(cpu, function, data);
}

int xen_cpu_up(unsigned int cpu)
{
    return cpu_up(cpu);
}

int xen_cpu_down(unsigned int cpu)
{
    return cpu_down(cpu);
}

void sim_cpus_register(void)
{
    cpu_memory(&cpu_memory_block, CPU_UP_PREPARE, 0);
    register_cpu_notifier(&cpu_memory_block);
    link_siblings(0);
    cpumask_set_cpu(0, &cpu_online_map);
    engine_online(0, 1);
}
