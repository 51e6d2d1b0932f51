// SPDX-License-Identifier: GPL-2.0-only
#include "bench/simulator/costs.hpp"

#include <array>

namespace sim {

using intellisched::fail;
using intellisched::Result;

namespace {

constexpr std::string_view kernbench =
    "fitted: bench/validation/kernbench, kernel builds by Dario Faggioli, xen-devel 2019-07-11, "
    "message id 7d3bab61bb623939fd770578b7a8e451d6254c22.camel@suse.com: least mean error over 32 "
    "values";
constexpr std::string_view assumed = "assumed: order of magnitude of a current x86 server";

constexpr CostConstant constant(std::string_view name, std::string_view meaning,
                                std::string_view source, double Costs::*member) {
    return {intellisched::cost_range(name), meaning, source, member};
}

constexpr std::array constants{
    constant("smt_speed", "speed of one thread while its sibling runs a guest", kernbench,
             &Costs::smt_speed),
    constant("refill_core_us",
             "to fetch a reference working set anew after others used the core's caches", assumed,
             &Costs::refill_core_us),
    constant("refill_socket_us", "to fetch it from another core of the socket", assumed,
             &Costs::refill_socket_us),
    constant("refill_remote_us", "to fetch it from another socket, or at a vCPU's first run",
             assumed, &Costs::refill_remote_us),
    constant("refill_reference_kb",
             "working set that the three above are for; a smaller one costs its part, a larger one "
             "no more",
             assumed, &Costs::refill_reference_kb),
    constant("cache_decay_us",
             "of others' run time on the core, after which half of a working set is gone", assumed,
             &Costs::cache_decay_us),
    constant("numa_remote_speed", "speed of work that waits for memory, away from its node",
             assumed, &Costs::numa_remote_speed),
    constant(
        "near_node_part",
        "how far another node of the same socket is on the way from the own node (0) to another "
        "socket (1): memory, refills, locks",
        "assumed: firmwares' distances (SLIT) of 10, 12, 32 (EPYC 7002 with NPS4), 10, 11, 21 "
        "(Xeon with sub-NUMA clusters) and 10, 16, 32 (EPYC 7001) say 0.09, 0.09 and 0.27",
        &Costs::near_node_part),
    constant("context_switch_us", "to load another vCPU's registers and address space", assumed,
             &Costs::context_switch_us),
    constant("ipi_us", "from sending an interrupt until the target takes it", assumed,
             &Costs::ipi_us),
    constant("idle_exit_us", "for an idle CPU to wake up", assumed, &Costs::idle_exit_us),
    constant("block_ns", "a basic block of Xen's scheduler, caches warm",
             "measured on one development machine: wall time of the scheduler's paths over their "
             "basic blocks",
             &Costs::block_ns),
    constant("block_cold_factor", "times that for the first 256 blocks after a guest has run",
             assumed, &Costs::block_cold_factor),
    constant("lock_transfer_core_ns", "to take a lock that the sibling thread held last", assumed,
             &Costs::lock_transfer_core_ns),
    constant("lock_transfer_socket_ns", "... that another core of the socket held last", assumed,
             &Costs::lock_transfer_socket_ns),
    constant("lock_transfer_remote_ns", "... that another socket held last", assumed,
             &Costs::lock_transfer_remote_ns),
    constant("hypercall_us", "to enter and leave the hypervisor by a hypercall", assumed,
             &Costs::hypercall_us),
    constant("trace_record_ns",
             "to write a trace record; not 0, the simulated host is one that is being traced",
             "a choice: the host as it is when nobody looks", &Costs::trace_record_ns),
};

} // namespace

Costs::Costs() {
    for (const CostConstant& constant : constants) this->*constant.member = constant.standard;
}

std::span<const CostConstant> cost_constants() { return constants; }

Result<Costs> costs_from(const intellisched::proto::Costs& given) {
    Costs costs;
    const auto* descriptor = given.GetDescriptor();
    const auto* reflection = given.GetReflection();
    for (const CostConstant& constant : constants) {
        const auto* field = descriptor->FindFieldByName(std::string(constant.name));
        if (field == nullptr || !reflection->HasField(given, field)) continue;
        const double value = reflection->GetDouble(given, field);
        if (!(value >= constant.min && value <= constant.max))
            return fail("costs: {} is {}; it has to be between {} and {} {}", constant.name, value,
                        constant.min, constant.max, constant.unit);
        costs.*constant.member = value;
    }
    return costs;
}

intellisched::proto::Costs message_of(const Costs& costs) {
    intellisched::proto::Costs message;
    for (const CostConstant& constant : constants)
        message.GetReflection()->SetDouble(
            &message, message.GetDescriptor()->FindFieldByName(std::string(constant.name)),
            costs.*constant.member);
    return message;
}

} // namespace sim
