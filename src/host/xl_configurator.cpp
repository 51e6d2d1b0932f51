// SPDX-License-Identifier: MIT
#include "src/host/xl_configurator.hpp"

#include <dlfcn.h>

namespace intellisched {

namespace {

tl::unexpected<Error> no_functions() {
    return fail("libxenlight of this host has no runqueue functions: install the patched "
                "toolstack, see xen-patches/README.md");
}

RunqueueCalls::Call find(const char* name) {
    return reinterpret_cast<RunqueueCalls::Call>(::dlsym(RTLD_DEFAULT, name));
}

} // namespace

RunqueueCalls find_runqueue_calls() {
    const RunqueueCalls calls{find("libxl_sched_credit2_runqueue_get"),
                              find("libxl_sched_credit2_runqueue_set")};
    return calls.get && calls.set ? calls : RunqueueCalls{}; // half of them is of no use
}

int XlConfigurator::call(RunqueueCalls::Call function, const Pool& pool, XlRunqueue& info) {
    last_message_->clear();
    return function(context_, pool.id, &info);
}

Result<InForce> XlConfigurator::outcome(int error, const Pool& pool, const XlRunqueue& info,
                                        const char* what) const {
    switch (error) {
    case 0:
        break;
    case xl_error::not_implemented:
        return fail("the running hypervisor cannot change runqueues: boot the patched Xen, see "
                    "xen-patches/README.md");
    case xl_error::not_found:
        return fail("{}: there is no such cpupool any more; `xl cpupool-list` shows which there "
                    "are",
                    pool.name);
    case xl_error::invalid:
        return fail("{}: Xen refuses to {}: the pool has got another scheduler, or this Xen knows "
                    "other layouts; `xl cpupool-list` shows the scheduler",
                    pool.name, what);
    case xl_error::no_memory:
        return fail("{}: Xen has no memory to {}; free some (`xl info` shows free_memory) and run "
                    "it again",
                    pool.name, what);
    default:
        return fail("{}: libxl cannot {}: {}; `xl dmesg` may say more", pool.name, what,
                    last_message_->empty() ? fmt::format("error {}", error) : *last_message_);
    }
    if (info.layout < 0 || static_cast<std::size_t>(info.layout) >= layout_count)
        return fail("{}: Xen has layout number {} in force, which is not known here; use the "
                    "intellisched that belongs to this Xen",
                    pool.name, info.layout);
    return InForce{{all_layouts[static_cast<std::size_t>(info.layout)], info.max_cpus},
                   info.nr_runqueues};
}

Result<InForce> XlConfigurator::layout(const Pool& pool) {
    if (!calls_.get) return no_functions();
    XlRunqueue info{};
    const int error = call(calls_.get, pool, info);
    return outcome(error, pool, info, "tell the runqueues");
}

Result<std::optional<InForce>> XlConfigurator::layout_if_told(const Pool& pool) {
    if (!calls_.get) return std::nullopt;
    XlRunqueue info{};
    const int error = call(calls_.get, pool, info);
    if (error == xl_error::not_implemented) return std::nullopt;
    return outcome(error, pool, info, "tell the runqueues");
}

Result<InForce> XlConfigurator::set_layout(const Pool& pool, const Arrangement& wanted) {
    if (!calls_.set) return no_functions();
    XlRunqueue info{static_cast<int>(index(wanted.layout)), wanted.max_cpus, 0};
    const int error = call(calls_.set, pool, info);
    return outcome(error, pool, info, "form the runqueues anew");
}

} // namespace intellisched
