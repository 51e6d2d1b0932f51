// SPDX-License-Identifier: GPL-2.0-only
// A machine for a test, and what its trace says.
#pragma once

#include "bench/simulator/bursty.hpp"
#include "bench/simulator/machine.hpp"
#include "bench/simulator/machine_trace.hpp"
#include "collector/trace/runstates.hpp"
#include "collector/trace/stream.hpp"

#include <doctest/doctest.h>
#include <map>
#include <memory>

namespace sim {

/// Costs under which everything but the guests' work takes no time.
inline Costs no_costs() {
    Costs costs;
    for (const CostConstant& constant : cost_constants())
        costs.*constant.member = constant.unit == "1" ? 1 : constant.min;
    return costs;
}

inline MachineOptions options_of(unsigned sockets, unsigned cores, unsigned threads, unsigned nodes,
                                 std::string xen_args = "") {
    MachineOptions options;
    options.sockets = sockets;
    options.cores = cores;
    options.threads = threads;
    options.nodes = nodes;
    options.xen_args = std::move(xen_args);
    options.costs = no_costs();
    return options;
}

inline std::unique_ptr<Machine> booted(const MachineOptions& options) {
    auto machine = Machine::boot(options);
    REQUIRE_MESSAGE(machine.has_value(), machine.error().message);
    return std::move(*machine);
}

inline DomainOptions domain_of(std::uint32_t guest, unsigned vcpus, unsigned weight = 256) {
    DomainOptions options;
    options.guest = guest;
    options.name = guest == 0 ? "Domain-0" : "guest" + std::to_string(guest);
    options.vcpus = vcpus;
    options.weight = weight;
    return options;
}

inline std::uint32_t created(Machine& machine, const DomainOptions& options, Workload& workload) {
    auto domid = machine.create_domain(options, workload);
    REQUIRE_MESSAGE(domid.has_value(), domid.error().message);
    return *domid;
}

inline void run(Machine& machine, double seconds) {
    auto ran = machine.advance(machine.now() + static_cast<Nanoseconds>(seconds * 1e9));
    REQUIRE_MESSAGE(ran.has_value(), ran.error().message);
}

/// Running time by vCPU (its trace key) in TSC ticks, as our decoder sees it.
class TraceTimes {
  public:
    void feed(const std::string& bytes) {
        auto fed = stream_.feed(std::as_bytes(std::span(bytes)),
                                [this](const auto& record) { see(record); });
        REQUIRE_MESSAGE(fed.has_value(), fed.error().message);
    }
    void finish() {
        stream_.finish([this](const auto& record) { see(record); });
        tracker_.finish(*this);
    }
    void on_change(std::uint32_t, const intellisched::trace::VcpuState& before,
                   intellisched::trace::Runstate, std::uint16_t, std::uint64_t tsc) {
        ++changes_;
        if (before.state == intellisched::trace::Runstate::running)
            running[before.ref.key()] += tsc - before.since;
    }
    [[nodiscard]] std::uint64_t changes() const { return changes_; }
    [[nodiscard]] std::uint64_t mismatches() const { return tracker_.mismatches(); }
    [[nodiscard]] const intellisched::trace::StreamStats& stats() const { return stream_.stats(); }

    std::map<std::uint32_t, std::uint64_t> running;

  private:
    void see(const intellisched::trace::Record& record) {
        tracker_.saw(record);
        visit(record, [&](const auto& event) { tracker_.on(record, event, *this); });
    }

    intellisched::trace::TraceStream stream_{"simulator"};
    intellisched::trace::RunstateTracker tracker_;
    std::uint64_t changes_ = 0;
};

} // namespace sim
