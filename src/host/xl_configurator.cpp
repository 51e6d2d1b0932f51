// SPDX-License-Identifier: MIT
#include "src/host/xl_configurator.hpp"

#include <dlfcn.h>

namespace intellisched {

namespace {

tl::unexpected<Error> no_functions() {
    return fail("libxenlight of this host has no runqueue functions: install the patched "
                "toolstack, see PATCHED XEN in intellisched(1)");
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

template<class Info> int XlConfigurator::call(int (*function)(void*, std::uint32_t, Info*),
                                              const Pool& pool, Info& info) {
    last_message_->clear();
    return function(context_, pool.id, &info);
}

Result<void> XlConfigurator::outcome(int error, const Pool& pool, const std::string& what) const {
    switch (error) {
    case 0:
        return {};
    case xl_error::not_implemented:
        return fail("the running hypervisor cannot change runqueues: boot the patched Xen, see "
                    "PATCHED XEN in intellisched(1)");
    case xl_error::not_found:
        return fail("{}: there is no such cpupool any more; `xl cpupool-list` shows which there "
                    "are",
                    pool.name);
    case xl_error::invalid:
        return fail("{}: Xen refuses to {}: the pool has got another scheduler, or this Xen knows "
                    "other values; `xl cpupool-list` shows the scheduler",
                    pool.name, what);
    case xl_error::no_memory:
        return fail("{}: Xen has no memory to {}; free some (`xl info` shows free_memory) and run "
                    "it again",
                    pool.name, what);
    default:
        return fail("{}: libxl cannot {}: {}; `xl dmesg` may say more", pool.name, what,
                    last_message_->empty() ? fmt::format("error {}", error) : *last_message_);
    }
}

Result<InForce> XlConfigurator::in_force(int error, const Pool& pool, const XlRunqueue& info,
                                         const char* what) const {
    TRY(outcome(error, pool, what));
    if (info.layout < 0 || static_cast<std::size_t>(info.layout) >= layout_count)
        return fail("{}: Xen has layout number {} in force, which is not known here; use the "
                    "intellisched that belongs to this Xen",
                    pool.name, info.layout);
    return InForce{{all_layouts[static_cast<std::size_t>(info.layout)], info.max_cpus},
                   info.nr_runqueues};
}

Result<InForce> XlConfigurator::layout(const Pool& pool) {
    if (!runqueues_.get) return no_functions();
    XlRunqueue info{};
    const int error = call(runqueues_.get, pool, info);
    return in_force(error, pool, info, "tell the runqueues");
}

Result<std::optional<InForce>> XlConfigurator::layout_if_told(const Pool& pool) {
    if (!runqueues_.get) return std::nullopt;
    XlRunqueue info{};
    const int error = call(runqueues_.get, pool, info);
    if (error == xl_error::not_implemented) return std::nullopt;
    return in_force(error, pool, info, "tell the runqueues");
}

Result<InForce> XlConfigurator::set_layout(const Pool& pool, const Arrangement& wanted) {
    if (!runqueues_.set) return no_functions();
    XlRunqueue info{static_cast<int>(index(wanted.layout)), wanted.max_cpus, 0};
    const int error = call(runqueues_.set, pool, info);
    return in_force(error, pool, info, "form the runqueues anew");
}

Result<unsigned> XlConfigurator::rate_limit(const Pool& pool) {
    unsigned us = 0;
    TRY(outcome(call(rate_limit_.get, pool, us), pool, "tell the rate limit"));
    return us;
}

Result<unsigned> XlConfigurator::set_rate_limit(const Pool& pool, unsigned us) {
    const std::string what = us == no_rate_limit_us
                                 ? "switch the rate limit off"
                                 : fmt::format("set a rate limit of {}", rate_limit_text(us));
    TRY(outcome(call(rate_limit_.set, pool, us), pool, what));
    return us;
}

Result<void> XlConfigurator::set_weight(unsigned domain, unsigned weight) {
    last_message_->clear();
    if (const int error = set_weight_(context_, domain, &weight); error != 0)
        return fail("domain {}: libxl cannot set a weight of {}: {}; `xl list` shows whether it is "
                    "there, `xl sched-credit2` what has credit2",
                    domain, weight,
                    last_message_->empty() ? fmt::format("error {}", error) : *last_message_);
    return {};
}

} // namespace intellisched
