// SPDX-License-Identifier: GPL-2.0-only
// A random walk of rearrangements, with CPUs, domains and pools coming and going, on a Xen with its
// assertions: each step either does what it says or is refused, and after each the runqueues are
// those of src/layout and time goes on. Prints TAP.
//   simulator-walk [STEPS [SEED]]
#include "bench/simulator/bursty.hpp"
#include "bench/simulator/machine.hpp"
#include "src/layout/snapshot.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <fmt/ranges.h>
#include <map>
#include <memory>
#include <set>

using namespace sim;

namespace {

constexpr Nanoseconds stride = 2'000'000;
constexpr std::uint32_t most_guests = 12;
constexpr std::size_t most_pools = 4;

std::string text(const intellisched::Partition& partition) {
    std::string out;
    for (const auto& runqueue : partition) out += fmt::format("{{{}}}", fmt::join(runqueue, " "));
    return out;
}

class Walk {
  public:
    Walk(std::unique_ptr<Machine> machine, std::uint64_t seed, unsigned cpus)
        : machine_(std::move(machine)), random_(seed), cpus_(cpus) {}

    Result<void> begin() {
        auto made = create(0, 8);
        if (!made) return tl::unexpected(made.error());
        return {};
    }

    Result<void> step() {
        const unsigned what = any(100);
        last_.clear();
        Result<void> done;
        if (what < 60)
            done = rearrange();
        else if (what < 75)
            done = move_cpu();
        else if (what < 85)
            done = come_or_go();
        else if (what < 92)
            done = move_domain();
        else if (what < 96)
            done = schedule();
        else
            done = pools();
        if (!done) {
            ++refused_;
            last_ += fmt::format(" (refused: {})", done.error().message);
        }
        if (auto ran = machine_->advance(machine_->now() + any(stride)); !ran) return ran;
        machine_->reset_truth(); // which keeps those that are gone
        return check();
    }
    [[nodiscard]] std::uint64_t refused() const { return refused_; }
    [[nodiscard]] const std::string& last() const { return last_; } ///< what was done last

  private:
    unsigned any(std::uint64_t below) { return static_cast<unsigned>(random_() % below); }
    std::uint32_t any_pool() {
        const auto snapshot = machine_->snapshot();
        return snapshot.pools(static_cast<int>(any(static_cast<unsigned>(snapshot.pools_size()))))
            .id();
    }

    Result<void> rearrange() {
        proto::Arrangement wanted;
        wanted.set_layout(std::string(to_string(intellisched::all_layouts[any(5)])));
        const unsigned caps[] = {0, 0, 1, 2, 3, 4, 8, 16};
        wanted.set_max_cpus(caps[any(8)]);
        const std::uint32_t pool = any_pool();
        last_ = fmt::format("pool {} to {} of {}", pool, wanted.layout(), wanted.max_cpus());
        const auto set = machine_->set_layout(pool, wanted);
        if (!set) return tl::unexpected(set.error());
        return {};
    }
    Result<void> move_cpu() {
        std::optional<std::uint32_t> pool;
        if (any(3) > 0) pool = any_pool();
        const unsigned cpu = any(cpus_);
        last_ = fmt::format("CPU {} to {}", cpu, pool ? fmt::format("pool {}", *pool) : "nowhere");
        return machine_->move_cpu(cpu, pool);
    }
    Result<void> create(std::uint32_t guest, unsigned vcpus) {
        DomainOptions options;
        options.guest = guest;
        options.name = fmt::format("guest{}", guest);
        options.vcpus = vcpus;
        options.weight = 1 + any(1000);
        if (guest > 0) options.pool_id = any_pool();
        if (guest > 0 && any(4) == 0) options.cap = 10 + any(100 * vcpus - 10);
        if (any(4) == 0) options.soft = {{any(cpus_), any(cpus_)}};
        if (guest > 0 && any(6) == 0) options.hard = {{any(cpus_), any(cpus_), any(cpus_)}};
        loads_[guest] =
            std::make_unique<Bursty>(guest, vcpus, 20 + any(500), 20 + any(500), random_());
        last_ = fmt::format("guest {} with {} vCPUs into pool {}", guest, vcpus, options.pool_id);
        auto made = machine_->create_domain(options, *loads_[guest]);
        if (!made) return tl::unexpected(made.error());
        domids_[guest] = *made;
        return {};
    }
    Result<void> come_or_go() {
        const std::uint32_t guest = 1 + any(most_guests);
        const auto found = domids_.find(guest);
        if (found == domids_.end()) return create(guest, 1 + any(8));
        last_ = fmt::format("guest {} goes", guest);
        auto gone = machine_->destroy_domain(found->second);
        if (gone) domids_.erase(found);
        return gone;
    }
    Result<void> move_domain() {
        const auto found = domids_.find(any(most_guests));
        if (found == domids_.end()) return {};
        const std::uint32_t pool = any_pool();
        last_ = fmt::format("guest {} to pool {}", found->first, pool);
        return machine_->move_domain(found->second, pool);
    }
    Result<void> schedule() {
        const auto found = domids_.find(any(most_guests));
        if (found == domids_.end()) return {};
        last_ = fmt::format("weight and cap of guest {}", found->first);
        return machine_->set_scheduling(found->second, 1 + any(2000),
                                        any(3) == 0 ? 0 : 1 + any(150)); // 0: none
    }
    Result<void> pools() {
        const auto snapshot = machine_->snapshot();
        const auto count = static_cast<std::size_t>(snapshot.pools_size());
        if (count < most_pools && any(2) == 0) {
            last_ = "a new pool";
            const auto made = machine_->create_pool(fmt::format("pool{}", random_()), {});
            if (!made) return tl::unexpected(made.error());
            return {};
        }
        const std::uint32_t pool = snapshot.pools(static_cast<int>(any(count))).id();
        last_ = fmt::format("pool {} goes", pool);
        return machine_->destroy_pool(pool);
    }

    // A pool that has just been rearranged has the runqueues of its layout; CPUs that come one by
    // one may end up elsewhere than when all are added in order, so only then.
    Result<void> check() {
        const std::uint32_t id = any_pool();
        const auto now = machine_->layout(id);
        if (!now) return tl::unexpected(now.error());
        proto::Arrangement other = now->arrangement();
        other.set_layout(other.layout() == "cpu" ? "all" : "cpu");
        if (auto set = machine_->set_layout(id, other); !set) return tl::unexpected(set.error());
        if (auto set = machine_->set_layout(id, now->arrangement()); !set)
            return tl::unexpected(set.error());
        const auto snapshot = machine_->snapshot();
        const auto topology = intellisched::topology_of(snapshot);
        const auto pools = intellisched::pools_of(snapshot);
        if (!topology) return tl::unexpected(topology.error());
        if (!pools) return tl::unexpected(pools.error());
        const auto truth = machine_->truth();
        for (std::size_t i = 0; i < pools->size(); ++i) {
            if ((*pools)[i].id != id) continue;
            std::map<std::uint32_t, std::vector<unsigned>> by_runqueue;
            const auto& runqueues = truth.pools(static_cast<int>(i)).runqueue();
            for (int cpu = 0; cpu < runqueues.size(); ++cpu)
                if (runqueues[cpu] != 0)
                    by_runqueue[runqueues[cpu]].push_back(static_cast<unsigned>(cpu));
            intellisched::Partition seen;
            for (auto& [number, cpus] : by_runqueue) seen.push_back(cpus);
            if (seen != partition(*topology, (*pools)[i], *(*pools)[i].arrangement))
                return intellisched::fail(
                    "pool {} of CPUs {} has runqueues {} and not those of {}: {}", id,
                    fmt::join((*pools)[i].cpus, " "), text(seen),
                    to_string(*(*pools)[i].arrangement),
                    text(partition(*topology, (*pools)[i], *(*pools)[i].arrangement)));
        }
        return {};
    }

    std::unique_ptr<Machine> machine_;
    std::mt19937_64 random_;
    unsigned cpus_;
    std::map<std::uint32_t, std::unique_ptr<Bursty>> loads_;
    std::map<std::uint32_t, std::uint32_t> domids_;
    std::uint64_t refused_ = 0;
    std::string last_;
};

Result<void> walk(std::uint64_t steps, std::uint64_t seed, const char* xen_args,
                  std::uint64_t& refused) {
    MachineOptions options;
    options.sockets = 2;
    options.cores = 4;
    options.threads = 2;
    options.nodes = 2;
    options.tracing = false;
    options.xen_args = xen_args;
    auto machine = Machine::boot(options);
    if (!machine) return tl::unexpected(machine.error());
    Walk walk(std::move(*machine), seed, 16);
    if (auto begun = walk.begin(); !begun) return begun;
    for (std::uint64_t i = 0; i < steps; ++i)
        if (auto done = walk.step(); !done)
            return intellisched::fail("step {}, {}: {}", i, walk.last(), done.error().message);
    refused = walk.refused();
    return {};
}

bool number(const char* text, std::uint64_t& value) {
    const auto read = std::from_chars(text, text + std::strlen(text), value);
    return read.ec == std::errc() && *read.ptr == '\0';
}

} // namespace

int main(int argc, char** argv) {
    std::uint64_t steps = 300, seed = 1;
    if (argc > 3 || (argc > 1 && !number(argv[1], steps)) || (argc > 2 && !number(argv[2], seed))) {
        fmt::print(stderr, "usage: simulator-walk [STEPS [SEED]]\n");
        return 2;
    }
    const char* const machines[] = {"", "sched-gran=core"};
    fmt::print("1..{}\n", std::size(machines));
    int failures = 0;
    for (std::size_t i = 0; i < std::size(machines); ++i) {
        std::uint64_t refused = 0;
        const auto done = walk(steps, seed, machines[i], refused);
        failures += !done;
        fmt::print("{} {} - {} steps of seed {} {}: {}\n", done ? "ok" : "not ok", i + 1, steps,
                   seed, machines[i],
                   done ? fmt::format("{} were refused", refused) : done.error().message);
        std::fflush(stdout);
    }
    return failures == 0 ? 0 : 1;
}
