// SPDX-License-Identifier: GPL-2.0-only
#include "bench/simulator/costs.hpp"

#include <array>

namespace sim {

using intellisched::fail;
using intellisched::Result;

namespace {

constexpr std::string_view kernbench =
    "fitted: bench/calibration/kernbench, kernel builds by Dario Faggioli, xen-devel 2019-07-11, "
    "message id 7d3bab61bb623939fd770578b7a8e451d6254c22.camel@suse.com: least mean error over 32 values";
constexpr std::string_view assumed = "assumed: order of magnitude of a current x86 server";

constexpr std::array constants{
    CostConstant{"smt_speed", "1", 0.70, 0.5, 1,
                 "speed of one thread while its sibling runs a guest", kernbench, &Costs::smt_speed},
    CostConstant{"refill_core_us", "us", 30, 0, 10000,
                 "to fetch a reference working set anew after others used the core's caches", assumed,
                 &Costs::refill_core_us},
    CostConstant{"refill_socket_us", "us", 30, 0, 10000,
                 "to fetch it from another core of the socket", assumed, &Costs::refill_socket_us},
    CostConstant{"refill_remote_us", "us", 100, 0, 10000,
                 "to fetch it from another socket, or at a vCPU's first run", assumed,
                 &Costs::refill_remote_us},
    CostConstant{"refill_reference_kb", "kB", 256, 1, 1048576,
                 "working set that the three above are for; a smaller one costs its part, a larger one "
                 "no more", assumed, &Costs::refill_reference_kb},
    CostConstant{"cache_decay_us", "us", 500, 1, 1e6,
                 "of others' run time on the core, after which half of a working set is gone", assumed,
                 &Costs::cache_decay_us},
    CostConstant{"numa_remote_speed", "1", 0.85, 0.1, 1,
                 "speed of work that waits for memory, away from its node", assumed,
                 &Costs::numa_remote_speed},
    CostConstant{"near_node_part", "1", 0.2, 0, 1,
                 "how far another node of the same socket is on the way from the own node (0) to another "
                 "socket (1): memory, refills, locks",
                 "assumed: firmwares' distances (SLIT) of 10, 12, 32 (EPYC 7002 with NPS4), 10, 11, 21 "
                 "(Xeon with sub-NUMA clusters) and 10, 16, 32 (EPYC 7001) say 0.09, 0.09 and 0.27",
                 &Costs::near_node_part},
    CostConstant{"context_switch_us", "us", 0.5, 0, 1000,
                 "to load another vCPU's registers and address space", assumed,
                 &Costs::context_switch_us},
    CostConstant{"ipi_us", "us", 0.7, 0, 1000, "from sending an interrupt until the target takes it",
                 assumed, &Costs::ipi_us},
    CostConstant{"idle_exit_us", "us", 1.5, 0, 10000, "for an idle CPU to wake up", assumed,
                 &Costs::idle_exit_us},
    CostConstant{"block_ns", "ns", 0.75, 0, 1000, "a basic block of Xen's scheduler, caches warm",
                 "measured on one development machine: wall time of the scheduler's paths over their "
                 "basic blocks", &Costs::block_ns},
    CostConstant{"block_cold_factor", "1", 3, 1, 100,
                 "times that for the first 256 blocks after a guest has run", assumed,
                 &Costs::block_cold_factor},
    CostConstant{"lock_transfer_core_ns", "ns", 10, 0, 10000,
                 "to take a lock that the sibling thread held last", assumed,
                 &Costs::lock_transfer_core_ns},
    CostConstant{"lock_transfer_socket_ns", "ns", 50, 0, 10000,
                 "... that another core of the socket held last", assumed,
                 &Costs::lock_transfer_socket_ns},
    CostConstant{"lock_transfer_remote_ns", "ns", 120, 0, 10000, "... that another socket held last",
                 assumed, &Costs::lock_transfer_remote_ns},
    CostConstant{"hypercall_us", "us", 0.3, 0, 1000,
                 "to enter and leave the hypervisor by a hypercall", assumed, &Costs::hypercall_us},
    CostConstant{"trace_record_ns", "ns", 0, 0, 10000,
                 "to write a trace record; not 0, the simulated host is one that is being traced",
                 "a choice: the host as it is when nobody looks", &Costs::trace_record_ns},
};

} // namespace

Costs::Costs() {
    for (const CostConstant& constant : constants) this->*constant.member = constant.standard;
}

std::span<const CostConstant> cost_constants() {
    return constants;
}

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
