/* SPDX-License-Identifier: GPL-2.0-only */
/* Booting, in the order of the hypervisor's own __start_xen(), and its console. */
#include <xen/compile.h>
#include <xen/cpu.h>
#include <xen/init.h>
#include <xen/keyhandler.h>
#include <xen/param.h>
#include <xen/sched.h>
#include <xen/softirq.h>
#include <xen/string.h>
#include <xen/symbols.h>
#include <xen/timer.h>
#include <xen/trace.h>
#include "private.h"
#include "shim.h"

extern const initcall_t __initcall_start[], __initcall_end[];

const char xen_version[] = __stringify(XEN_VERSION) "." __stringify(XEN_SUBVERSION) XEN_EXTRAVERSION;

bool opt_dom0_vcpus_pin, dom0_affinity_relaxed;
cpumask_t dom0_cpus;
typeof(tb_init_done) tb_init_done; /* an int in 4.17 */

/* The engine has put the data back to what was linked. */
void xen_reset(void *memory, size_t size)
{
    sim_heap_init(memory + sim_cpus_size(), size - sim_cpus_size());
    sim_cpus_init(memory);
}

static bool parse_value(const struct kernel_param *param, const char *value, bool negated)
{
    const char *end = value;
    unsigned long long number;

    switch ( param->type )
    {
    case OPT_STR:
        strlcpy(param->par.var, value, param->len);
        return true;

    case OPT_UINT:
        number = simple_strtoll(value, &end, 0);
        if ( !*value || *end || (param->len < 8 && number >> (8 * param->len)) )
            return false;
        memcpy(param->par.var, &number, param->len);
        return true;

    case OPT_BOOL:
    {
        static const char *const words[2][5] = { { "no", "off", "false", "disable", "0" },
                                                 { "yes", "on", "true", "enable", "1" } };
        unsigned int truth, i;

        for ( truth = 0; truth < 2; truth++ )
            for ( i = 0; i < 5; i++ )
                if ( !strcmp(value, words[truth][i]) || (truth && !*value) )
                {
                    *(bool *)param->par.var = truth != negated;
                    return true;
                }
        return false;
    }

    case OPT_CUSTOM:
        return !param->par.func(negated ? "no" : value);

    default:
        return false;
    }
}

/* Parameters of units that are not here are as good as any, as on a Xen without them. */
static int parse_command_line(const char *line, char *bad, size_t bad_size)
{
    char word[MAX_PARAM_SIZE];

    while ( *line )
    {
        const struct kernel_param *param;
        const char *name = word;
        char *value;
        bool negated;
        size_t length;

        while ( *line == ' ' )
            line++;
        for ( length = 0; line[length] && line[length] != ' '; length++ )
            continue;
        strlcpy(word, line, min(length + 1, sizeof(word)));
        line += length;
        strlcpy(bad, word, bad_size);
        if ( length >= sizeof(word) )
            return -EINVAL;

        value = strchr(word, '=');
        if ( value )
            *value++ = '\0';
        negated = !strncmp(name, "no-", 3);
        if ( negated )
            name += 3;
        for ( param = __setup_start; param < __setup_end; param++ )
            if ( !strcmp(param->name, name) && !parse_value(param, value ?: "", negated) )
                return -EINVAL;
    }
    return 0;
}

int xen_boot(const struct xen_topology *topology, const char *command_line, char *bad, size_t bad_size)
{
    const initcall_t *call;
    unsigned int cpu;
    int rc = parse_command_line(command_line, bad, bad_size);

    if ( rc )
        return rc;
    system_state = SYS_STATE_boot;
    sim_cpus_boot(topology);
    sim_cpus_register();
    timer_init();
    scheduler_init();
    set_current(idle_vcpu[0]);
    get_cpu_info_from_stack((unsigned long)stack_base[0])->current_vcpu = idle_vcpu[0];
    sim_events_init();

    system_state = SYS_STATE_smp_boot;
    for_each_present_cpu ( cpu )
        if ( !cpu_online(cpu) )
        {
            rc = cpu_up(cpu);
            if ( rc )
                return rc;
        }
    for ( call = __initcall_start; call < __initcall_end; call++ )
        (*call)();
    cpumask_copy(&dom0_cpus, &cpu_online_map);
    system_state = SYS_STATE_active;
    for_each_online_cpu ( cpu )
        if ( softirq_pending(cpu) )
            engine_ipi(cpu);
    return 0;
}

void xen_run(const struct xen_call *calls, unsigned int count)
{
    for ( ; count; count--, calls++ )
        switch ( calls->work )
        {
        case XEN_WORK_TIMER:
            raise_softirq(TIMER_SOFTIRQ);
            break;

        case XEN_WORK_IPI:
            break;

        case XEN_WORK_DEVICE:
            sim_event(calls->vcpu);
            break;

        case XEN_WORK_NOTIFY:
            xen_clock.base += xen_costs.hypercall;
            sim_event(calls->vcpu);
            break;

        case XEN_WORK_SET_TIMER:
            xen_clock.base += xen_costs.hypercall;
            sim_vcpu_timer(calls->vcpu, calls->value);
            break;

        case XEN_WORK_BLOCK:
            xen_clock.base += xen_costs.hypercall;
            vcpu_block();
            break;

        case XEN_WORK_YIELD:
            xen_clock.base += xen_costs.hypercall;
            vcpu_yield();
            break;
        }
    if ( softirq_pending(smp_processor_id()) )
        do_softirq();
}

/* --- what the rest of Xen would do */

void sim_bug(const char *what, const char *file, int line)
{
    const char *name = strstr(file, "/xen/");
    char text[256];

    snprintf(text, sizeof(text), "%s at %s:%d on CPU %u", what, name ? name + 5 : file, line, smp_processor_id());
    engine_failed(text);
}

void sim_warn(const char *file, int line)
{
    printk("WARNING at %s:%d\n", file, line);
}

void panic(const char *format, ...)
{
    char text[256];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    engine_failed(text);
}

void printk(const char *format, ...)
{
    char text[512];
    const char *line = text;
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if ( line[0] == '<' && line[1] && line[2] == '>' )
        line += 3; /* its level */
    engine_console(line);
}

void register_keyhandler(unsigned char key, keyhandler_fn_t function, const char *description, bool diagnostic)
{
}

void warning_add(const char *warning)
{
    printk("%s", warning);
}

const char *symbols_lookup(unsigned long address, unsigned long *size, unsigned long *offset, char *name)
{
    return NULL;
}

/* The seed of a hash and where a search begins: the same in each run. */
unsigned int get_random(void)
{
    static uint64_t state;

    state = state * 6364136223846793005ull + 1442695040888963407ull;
    return state >> 33;
}

/* All read-side sections have ended where no CPU is within Xen. */
static struct rcu_head *rcu_first, **rcu_last = &rcu_first;

void call_rcu(struct rcu_head *head, void (*function)(struct rcu_head *head))
{
    head->func = function;
    head->next = NULL;
    *rcu_last = head;
    rcu_last = &head->next;
}

int rcu_pending(int cpu)
{
    return 0;
}

void rcu_check_callbacks(int cpu)
{
}

void rcu_barrier(void)
{
    sim_stop_cpus();
    while ( rcu_first )
    {
        struct rcu_head *head = rcu_first;

        rcu_first = head->next;
        if ( !rcu_first )
            rcu_last = &rcu_first;
        head->func(head);
    }
    sim_start_cpus();
}

void xen_end_grace_period(void)
{
    rcu_barrier();
}

int xen_rcu_pending(void)
{
    return rcu_first != NULL;
}

void xen_set_tracing(int on)
{
    tb_init_done = on;
}

#if XEN_SUBVERSION < 19
void __trace_var(uint32_t event, bool cycles, unsigned int extra, const void *data)
{
    engine_trace(smp_processor_id(), event, cycles, extra, data);
    xen_clock.base += xen_costs.trace_record;
}
#else
void trace(uint32_t event, unsigned int extra, const void *data)
{
    engine_trace(smp_processor_id(), event & ~TRC_HD_CYCLE_FLAG, !!(event & TRC_HD_CYCLE_FLAG), extra, data);
    xen_clock.base += xen_costs.trace_record;
}
#endif
