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
    "values; range: pairs of loads differ that much (SMiTe, MICRO 2014)";
constexpr std::string_view assumed = "assumed: order of magnitude of current x86 servers";
constexpr std::string_view refills =
    "between what reads take that do not wait for each other and a chain of those that do, as "
    "measured on one Zen 5 machine (256 kB: 1 to 3 and 58 us from the last level, 17 and 380 from "
    "memory); bench/validation/context-switch measures it again";
constexpr std::string_view trace =
    "fitted to the trace in Xen's commit 4b6923acff: 1.1 us from putting a woken vCPU into the "
    "runqueue to the tickle, 3.9 us from there until the CPU decides, 1.0 us for the decision, "
    "less "
    "0.17 us a record";
constexpr std::string_view lines =
    "assumed: three lines, the lock's and two of what it guards, of what moving one takes between "
    "two cores: 15 to 25 ns under one last-level cache and up to 80 from one to the next on "
    "Ryzens, 20 to 50 and 50 to 150 on servers, 100 to 400 between sockets";
constexpr std::string_view data_sheets =
    "data sheets of Xeons from 2013 (256 kB, 2.5 MB a core) to 2023 (2 MB, 1.9 MB) and EPYCs from "
    "2017 (512 kB, 2 MB) to 2024 (1 MB, 4 MB)";

constexpr CostConstant constant(std::string_view name, std::string_view meaning,
                                std::string_view source, double Costs::*member) {
    return {intellisched::cost_range(name), meaning, source, member};
}

constexpr std::array constants{
    constant("smt_speed", "speed of one thread while its sibling runs a guest", kernbench,
             &Costs::smt_speed),
    constant("refill_core_us",
             "to fetch refill_reference_kb into a core's cache from the last level, on the core "
             "that the vCPU last ran on",
             refills, &Costs::refill_core_us),
    constant("refill_socket_us", "... on another core under the same last-level cache",
             "assumed: half as much again as from the last level, since part of it is in the other "
             "core's own cache",
             &Costs::refill_socket_us),
    constant("refill_memory_us",
             "... from memory, which other last-level caches of the socket are as far away as",
             refills, &Costs::refill_memory_us),
    constant("refill_remote_us", "... from another socket",
             "assumed: twice memory's and a little more, as latencies of far memory (1.4 to 2 "
             "times) and of dirty lines there (2 to 3 times) are",
             &Costs::refill_remote_us),
    constant("refill_reference_kb",
             "what the four above are for; more costs more in proportion, and less less", "a unit",
             &Costs::refill_reference_kb),
    constant("l2_kb", "a core's own cache", data_sheets, &Costs::l2_kb),
    constant("llc_core_kb", "the last-level cache, for each of the cores that share it",
             data_sheets, &Costs::llc_core_kb),
    constant("touch_kb_per_us",
             "of its working set, that a vCPU touches for the first time in a microsecond of work",
             "fitted to one figure: 8 MB that others have pushed out cost 31% of a stretch of 1 ms "
             "(with refill_memory_us); range: a copy out of memory at the top, code that computes "
             "at the bottom",
             &Costs::touch_kb_per_us),
    constant("numa_remote_speed", "speed of work that waits for memory, away from its node",
             "assumed: latencies of memory of another socket are 1.4 to 2 times those of the own",
             &Costs::numa_remote_speed),
    constant(
        "near_node_part",
        "how far another node of the same socket is on the way from the own node (0) to another "
        "socket (1): memory, refills, locks",
        "assumed: firmwares' distances (SLIT) of 10, 12, 32 (EPYC 7002 with NPS4), 10, 11, 21 "
        "(Xeon with sub-NUMA clusters) and 10, 16, 32 (EPYC 7001) say 0.09, 0.09 and 0.27",
        &Costs::near_node_part),
    constant("context_switch_us",
             "to load another vCPU's registers and address space, with what that makes slower",
             "assumed: a VMCS, TLBs and a branch predictor barrier are 1 to 5 us; 0.5 without any",
             &Costs::context_switch_us),
    constant("ipi_us", "from sending an interrupt until the target, out of its guest, takes it",
             trace, &Costs::ipi_us),
    constant("idle_exit_us", "for an idle CPU to wake up",
             "Xen's mwait-idle tables: C1 takes 1 to 2 us, C1E up to 10; deeper states are a "
             "scenario's own (133 to 290 us for C6)",
             &Costs::idle_exit_us),
    constant("block_ns", "a basic block of Xen's scheduler, caches warm", trace, &Costs::block_ns),
    constant("block_cold_factor", "times that for the first 256 blocks after a guest has run",
             assumed, &Costs::block_cold_factor),
    constant("lock_transfer_core_ns", "to take a lock that the sibling thread held last", lines,
             &Costs::lock_transfer_core_ns),
    constant("lock_transfer_socket_ns",
             "... that another core under the same last-level cache held last", lines,
             &Costs::lock_transfer_socket_ns),
    constant("lock_transfer_llc_ns",
             "... that a core under another last-level cache of the socket held last", lines,
             &Costs::lock_transfer_llc_ns),
    constant("lock_transfer_remote_ns", "... that another socket held last", lines,
             &Costs::lock_transfer_remote_ns),
    constant("hypercall_us", "to enter and leave the hypervisor by a hypercall",
             "assumed: 1,370 cycles of entry and exit were published for processors of 2.5 GHz",
             &Costs::hypercall_us),
    constant(
        "spin_us",
        "that a guest's vCPU spins for another one before it yields, or for a lock before it "
        "sleeps; 0: guests do not spin",
        "pause-loop exiting ends after 4,096 cycles (Xen's ple_window) of pauses that come "
        "in time, 1.4 to 2 us; guests with paravirtual locks look for longer before they sleep",
        &Costs::spin_us),
    constant("shootdown_ms",
             "work of a vCPU after which it waits until each of its guest that is not idle has "
             "run, as for a TLB shootdown; of loads that share memory or a kernel's locks; 0: none",
             "assumed: programs that map and unmap memory do it tens to a thousand times a second "
             "and CPU",
             &Costs::shootdown_ms),
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
