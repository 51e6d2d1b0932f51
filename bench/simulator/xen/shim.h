/* SPDX-License-Identifier: GPL-2.0-only */
/* Shared by the units that stand in for the rest of Xen. */
#ifndef SIM_SHIM_H
#define SIM_SHIM_H

#include <xen/cpumask.h>
#include <xen/sched.h>
#include "glue.h"

/* Becomes this CPU, idle, for as long as it calls function(data); the caller's identity comes back. */
long sim_as_cpu(unsigned int cpu, long (*function)(void *data), void *data);

/* Whether it is a tool that runs now, whatever CPU it acts as. */
bool sim_is_tool(void);

/* Whether it is in the per-CPU data of the CPU that runs now, which is no tool. */
bool sim_is_own(const void *data);

/* From a tool: between them no CPU is within Xen, and the tool does not have to wait for locks. */
void sim_stop_cpus(void);
void sim_start_cpus(void);

/* An event for the vCPU, as vcpu_mark_events_pending() does it. */
void sim_event(struct vcpu *v);
void sim_events_init(void);

/* As VCPUOP_{set,stop}_singleshot_timer; 0 stops it. */
void sim_vcpu_timer(struct vcpu *v, uint64_t at);

/* The vCPU with what the simulator keeps with it. */
struct sim_vcpu {
    struct vcpu vcpu;
    vcpu_info_t info;
    void *engine;
};
static inline struct sim_vcpu *sim_vcpu(const struct vcpu *v)
{
    return container_of(v, struct sim_vcpu, vcpu);
}

extern struct xen_place sim_cpu_places[NR_CPUS];

void sim_heap_init(void *memory, size_t size);
void sim_cpus_init(void *memory);       /* takes sim_cpus_size() bytes */
size_t sim_cpus_size(void);
void sim_cpus_boot(const struct xen_topology *topology);
void sim_cpus_register(void);           /* CPU 0 is there; others can come */

#endif
