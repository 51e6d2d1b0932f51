/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Between Xen's units, which know no libc, and the simulator's engine, which knows no Xen: plain C.
 * xen_*: Xen's side, called by the engine. All but those marked (q) run Xen's code and so have to be
 * called on a coroutine, since they can wait for other CPUs. engine_*: the engine's, called by Xen's.
 * Errors are Xen's negative error numbers.
 */
#ifndef SIM_GLUE_H
#define SIM_GLUE_H

#ifdef __XEN__
#include <xen/compiler.h>
#include <xen/types.h>
#define SIM_NORETURN noreturn
#else
#define SIM_NORETURN __attribute__((noreturn))
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define XEN_MAX_CPUS 256
#define XEN_MAX_NODES 64
#define XEN_MASK_WORDS (XEN_MAX_CPUS / 64)

/*
 * CPUs are numbered threads first, then cores, then sockets. The last `slow_cores` of each socket have
 * one thread. Either nodes have whole sockets or sockets whole nodes, all of one size. A socket has
 * `llcs` last-level caches, each of as many cores; Xen does not know of them.
 */
struct xen_topology {
    unsigned int sockets, cores, threads, nodes;
    unsigned int slow_cores;
    unsigned int llcs;
};

static inline unsigned int xen_socket_cpus(const struct xen_topology *topology)
{
    return topology->cores * topology->threads - topology->slow_cores * (topology->threads - 1);
}

struct xen_place {
    unsigned int core, socket, node, llc; /* the core within its socket */
    bool slow;
};

static inline struct xen_place xen_place_of(const struct xen_topology *topology, unsigned int cpu)
{
    unsigned int socket_cpus = xen_socket_cpus(topology), within = cpu % socket_cpus;
    unsigned int fast_cores = topology->cores - topology->slow_cores;
    unsigned int fast_cpus = fast_cores * topology->threads;
    struct xen_place place;

    place.socket = cpu / socket_cpus;
    place.slow = within >= fast_cpus;
    place.core = place.slow ? fast_cores + within - fast_cpus : within / topology->threads;
    place.node = (place.socket * topology->cores + place.core) * topology->nodes /
                 (topology->sockets * topology->cores);
    place.llc = place.socket * topology->llcs + place.core * topology->llcs / topology->cores;
    return place;
}

/* Local time of the hypervisor code that runs now: base plus what its basic blocks cost. */
struct xen_clock {
    uint64_t base;              /* ns */
    uint64_t block_cost;        /* of a basic block, 2^-20 ns */
    uint64_t cold_cost;         /* more for each of the first ... */
    uint64_t cold_blocks;       /* ... as many */
    uint64_t switching;         /* ns, part of base: spent on context switches */
    uint64_t others;            /* when the next happens elsewhere, or earlier */
};
extern struct xen_clock xen_clock;
/*
 * Basic blocks run since base was set. Counting them must cost next to nothing, so a coroutine has the
 * number in a register, which all code of Xen's and the engine's leaves alone (-ffixed-r15).
 * Suspending a coroutine leaves it in xen_blocks, resuming takes it from there.
 */
register uint64_t sim_blocks __asm__("r15");
extern uint64_t xen_blocks;

static inline uint64_t xen_clock_after(uint64_t blocks)
{
    uint64_t cold = blocks < xen_clock.cold_blocks ? blocks : xen_clock.cold_blocks;

    return xen_clock.base + ((blocks * xen_clock.block_cost + cold * xen_clock.cold_cost) >> 20);
}

/* On a coroutine */
static inline uint64_t xen_clock_now(void)
{
    return xen_clock_after(sim_blocks);
}

/* From the engine, when a coroutine has suspended */
static inline uint64_t xen_clock_end(void)
{
    return xen_clock_after(xen_blocks);
}

/* All in ns. */
struct xen_costs {
    /* Of a lock: within a core, a last-level cache, a socket, between sockets; more of the way to there
       between nodes of a socket. */
    uint64_t transfer_core, transfer_socket, transfer_llc, transfer_remote;
    uint64_t near_node_part;    /* 2^-20 */
    uint64_t context_switch;
    uint64_t hypercall;
    uint64_t trace_record;
};
extern struct xen_costs xen_costs;

/* What a coroutine has to keep for itself while others run. */
struct xen_context {
    void *cpu_info;
    unsigned long interrupts;
    unsigned int preempt_count, rcu_lock_count;
};
void xen_leave(struct xen_context *context);            /* (q) */
void xen_enter(const struct xen_context *context);      /* (q) */
void xen_cpu_context(unsigned int cpu, struct xen_context *context);  /* (q) a CPU's, at rest */
void xen_tool_context(struct xen_context *context);     /* (q) of a tool's hypercalls, on CPU 0 */

/* Xen's data: what the engine puts back to as it was linked, and zeroes, before each boot. */
extern char xen_data_start[], xen_data_end[], xen_bss_start[], xen_bss_end[];
/* Then gives it memory, all zeroes and aligned to a stack. */
void xen_reset(void *memory, size_t size);              /* (q) */
/* 0, or -EINVAL with the parameter that Xen does not understand in `bad`. */
extern const char xen_version[];
int xen_boot(const struct xen_topology *topology, const char *command_line, char *bad, size_t bad_size);

/* What a CPU has to do, in order; then its softirqs. */
enum xen_work {
    XEN_WORK_TIMER,             /* the timer's interrupt */
    XEN_WORK_IPI,
    XEN_WORK_DEVICE,            /* an interrupt with an event for the vCPU */
    XEN_WORK_NOTIFY,            /* hypercalls of the vCPU that runs: an event for the vCPU, */
    XEN_WORK_SET_TIMER,         /* the vCPU's single-shot timer (0: stop it), */
    XEN_WORK_BLOCK,             /* block, */
    XEN_WORK_YIELD,             /* yield (or an exit for a pause loop) */
};
struct xen_call {
    enum xen_work work;
    struct vcpu *vcpu;
    uint64_t value;
};
void xen_run(const struct xen_call *calls, unsigned int count);

int xen_softirq_pending(unsigned int cpu);              /* (q) */
int xen_rcu_pending(void);                              /* (q) */
void xen_end_grace_period(void);                        /* of RCU, for all that waits for it */
void xen_cpu_location(unsigned int cpu, unsigned int *core, unsigned int *socket, unsigned int *node); /* (q) */
const void *xen_runqueue_of(unsigned int cpu);          /* (q) the same for all CPUs of a runqueue */

/* Domains. Created paused. */
int xen_domain_create(unsigned int domid, unsigned int pool, unsigned int vcpus);
struct vcpu *xen_vcpu(unsigned int domid, unsigned int vcpu, void *engine);     /* (q) */
int xen_domain_schedule(unsigned int domid, unsigned int weight, unsigned int cap, int set_cap);
int xen_vcpu_affinity(struct vcpu *v, const uint64_t *hard, const uint64_t *soft);
void xen_domain_unpause(unsigned int domid);
int xen_domain_destroy(unsigned int domid);
int xen_domain_move(unsigned int domid, unsigned int pool);
int xen_domain_info(unsigned int domid, unsigned int *pool, unsigned int *weight, unsigned int *cap);
void xen_vcpu_masks(const struct vcpu *v, uint64_t *hard, uint64_t *soft);      /* (q) */
void xen_vcpu_times(const struct vcpu *v, uint64_t now, uint64_t times[4]);     /* (q) ns by runstate */
unsigned int xen_vcpu_processor(const struct vcpu *v);  /* (q) */
int xen_vcpu_take_event(struct vcpu *v);                /* (q) whether there was one */

/* Pools and CPUs */
struct xen_pool_info {
    unsigned int granularity;   /* 0: cpu, 1: core, 2: socket */
    uint64_t cpus[XEN_MASK_WORDS];
};
struct xen_layout {
    unsigned int layout, max_cpus, runqueues;
};
int xen_pool_create(unsigned int *pool);
int xen_pool_destroy(unsigned int pool);
int xen_pool_add_cpu(unsigned int pool, unsigned int cpu);
int xen_pool_remove_cpu(unsigned int pool, unsigned int cpu);
int xen_pool_query(unsigned int pool, struct xen_pool_info *info);
int xen_pool_arrange(unsigned int pool, struct xen_layout *layout, int set);
int xen_pool_rate_limit(unsigned int pool, unsigned int *us, int set);
int xen_cpu_up(unsigned int cpu);
int xen_cpu_down(unsigned int cpu);
void xen_set_tracing(int on);                           /* (q) */
void xen_fail_allocation(unsigned int nth);             /* (q) of the heap, from now on; 0: none */

/* --- the engine's */
void engine_relax(void);                                /* lets others run for a moment */
void *engine_self(void);                                /* for engine_wake() */
#define ENGINE_NEVER (~(uint64_t)0)
void engine_wait(uint64_t until);                       /* until then, or engine_wake(), if earlier */
void engine_wake(void *who, uint64_t at);
void engine_hold(int on);                               /* from a tool: no CPU shall enter Xen */
SIM_NORETURN void engine_failed(const char *message);
void engine_console(const char *line);
void engine_timer(unsigned int cpu, int64_t at);        /* 0: none */
void engine_ipi(unsigned int cpu);
void engine_online(unsigned int cpu, int online);
void engine_switch(unsigned int cpu, void *vcpu);       /* who runs there from now on; null: idle */
void engine_woken(void *vcpu);
int engine_cpus_busy(void);                             /* is a CPU in the middle of something? */
void engine_trace(unsigned int cpu, uint32_t event, int cycles, unsigned int bytes, const void *data);
void engine_poison(void *memory, size_t size);          /* nobody may touch it (ASan) */
void engine_unpoison(void *memory, size_t size);

#ifdef __cplusplus
}
#endif

#endif
