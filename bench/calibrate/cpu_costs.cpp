// SPDX-License-Identifier: MIT
#include "bench/calibrate/cpu_costs.hpp"

#include "bench/calibrate/cpu_times.hpp"

#include <algorithm>

namespace intellisched::calibrate {

namespace {

constexpr std::size_t least_values = 3;
constexpr std::size_t most_rounds = 256;
constexpr std::size_t node_rounds = 8; // a round takes 100 times as long as the others
constexpr std::size_t node_block_bytes = std::size_t{32} << 20;

struct Values {
    std::vector<double> smt, core, memory, socket, remote, node;
};

class Rounds {
  public:
    explicit Rounds(const CpuCostOptions& options)
        : options_(options), set_(std::size_t{refill_reference_kb} << 10) {}

    Result<void> run() {
        for (std::size_t round = 0; round < most_rounds; ++round)
            for (const auto step : {&Rounds::smt, &Rounds::core, &Rounds::memory, &Rounds::socket,
                                    &Rounds::remote, &Rounds::node}) {
                if (options_.stop()) return {};
                const std::size_t index = round % options_.cpus.size();
                const CpuPairs pairs = pairs_of(options_.topology, options_.cpus, index);
                TRY((this->*step)(options_.cpus[index], pairs, round));
            }
        return {};
    }
    [[nodiscard]] const Values& values() const { return values_; }

  private:
    Result<void> place(unsigned first, unsigned second) {
        TRY(options_.place(options_.seats[0], first));
        return options_.place(options_.seats[1], second);
    }
    template<class Function> Result<void> take(std::vector<double>& to, unsigned first,
                                               std::optional<unsigned> second, Function&& measure) {
        if (!second) return {};
        TRY(place(first, *second));
        auto measured = TRY(measure(options_.seats[0], options_.seats[1]));
        to.push_back(measured);
        return {};
    }
    Result<void> smt(unsigned first, const CpuPairs& pairs, std::size_t) {
        return take(values_.smt, first, pairs.sibling, smt_speed);
    }
    Result<void> after(std::vector<double>& values, unsigned first, std::size_t others) {
        TRY(options_.place(options_.seats[0], first));
        auto us = TRY(set_.refill_after_us(options_.seats[0], others));
        values.push_back(us);
        return {};
    }
    Result<void> core(unsigned first, const CpuPairs&, std::size_t) {
        return after(values_.core, first, 2 * core_cache_bytes());
    }
    Result<void> memory(unsigned first, const CpuPairs&, std::size_t) {
        return after(values_.memory, first, 2 * last_cache_bytes());
    }
    Result<void> socket(unsigned first, const CpuPairs& pairs, std::size_t) {
        return take(values_.socket, first, pairs.core,
                    [&](unsigned from, unsigned to) { return set_.refill_us(from, to); });
    }
    Result<void> remote(unsigned first, const CpuPairs& pairs, std::size_t) {
        return take(values_.remote, first, pairs.socket,
                    [&](unsigned from, unsigned to) { return set_.refill_us(from, to); });
    }
    Result<void> node(unsigned first, const CpuPairs& pairs, std::size_t round) {
        if (round >= node_rounds) return {};
        return take(values_.node, first, pairs.node, [](unsigned near, unsigned far) {
            return remote_speed(near, far, node_block_bytes);
        });
    }

    const CpuCostOptions& options_;
    WorkingSet set_;
    Values values_;
};

void report(proto::Calibration& to, std::string_view name, const std::vector<double>& values,
            bool possible, std::string_view impossible, const std::string& how) {
    if (!possible) return leave_out(to, name, std::string(impossible));
    const auto spread = spread_of(values, least_values);
    if (!spread)
        return leave_out(
            to, name,
            fmt::format("{} values in the time there was; give it more --seconds", values.size()));
    add(to, name, *spread, how);
}

} // namespace

CpuPairs pairs_of(const Topology& topology, std::span<const unsigned> cpus, std::size_t index) {
    CpuPairs pairs;
    const Cpu* first = topology.find(cpus[index]);
    for (std::size_t i = 1; first != nullptr && i < cpus.size(); ++i) {
        const Cpu* other = topology.find(cpus[(index + i) % cpus.size()]);
        if (other == nullptr) continue;
        const bool same_socket = first->socket == other->socket;
        const bool same_node = first->node == other->node;
        const auto add = [&](std::optional<unsigned>& pair) {
            if (!pair) pair = other->id;
        };
        if (same_core(*first, *other))
            add(pairs.sibling);
        else if (same_socket && same_node)
            add(pairs.core);
        if (!same_socket) add(pairs.socket);
        if (!same_socket && !same_node) add(pairs.node);
    }
    return pairs;
}

Result<void> add_cpu_costs(proto::Calibration& to, const CpuCostOptions& options) {
    CpuPairs any;
    for (std::size_t i = 0; i < options.cpus.size(); ++i) {
        const CpuPairs pairs = pairs_of(options.topology, options.cpus, i);
        if (pairs.sibling) any.sibling = pairs.sibling;
        if (pairs.core) any.core = pairs.core;
        if (pairs.socket) any.socket = pairs.socket;
        if (pairs.node) any.node = pairs.node;
    }
    Rounds rounds(options);
    TRY(rounds.run());
    const Values& values = rounds.values();
    report(to, "smt_speed", values.smt, any.sibling.has_value(), "the pool has no SMT siblings",
           "a thread that computes while its sibling does, to alone");
    report(to, "refill_core_us", values.core, true, "",
           "reading after twice the core's cache of other data, less reading again");
    report(to, "refill_memory_us", values.memory, true, "",
           "reading after twice the last-level cache of other data, less reading again");
    report(to, "refill_socket_us", values.socket, any.core.has_value(),
           "no node has two cores of a socket in the pool",
           "reading what another core of the socket has written, less reading again");
    report(to, "refill_remote_us", values.remote, any.socket.has_value(),
           "the pool is on one socket",
           "reading what a core of another socket has written, less reading again");
    report(to, "numa_remote_speed", values.node, any.node.has_value(),
           "the pool has no nodes of different sockets",
           "reading memory line after line from two nodes, the faster to the slower");
    const bool refill = values.core.size() >= least_values;
    if (refill)
        add(to, "refill_reference_kb",
            {refill_reference_kb, refill_reference_kb, refill_reference_kb, 1},
            "the working set that the refills were measured with");
    return {};
}

} // namespace intellisched::calibrate
