// SPDX-License-Identifier: GPL-2.0-only
// libFuzzer target: a scenario, and a file of costs, from anywhere: text to the scenario that is
// checked, complete and estimated, without a machine to run it on. Most changes are made to the
// scenario that the text says.
#include "bench/simulator/costs.hpp"
#include "bench/simulator/scenario.hpp"
#include "tests/fuzz/messages.hpp"

#include <cmath>
#include <google/protobuf/util/message_differencer.h>

using namespace intellisched;

namespace {

constexpr std::string_view seed = R"(
name: "a" family: "f" seed: 1 machine { sockets: 2 cores: 2 threads: 2 }
costs { smt_speed: 0.6 } xen_args: "credit2_runqueue=core"
pools { name: "b" cpus: "4-7" arrangement { layout: "socket" max_cpus: 4 } }
guests { name: "Domain-0" vcpus: 2 }
guests {
  name: "g1" pool: "b" vcpus: 4 cap: 100 hard_affinity: "4-7" soft_affinity: "4,5" stop_s: 3
  phases { loads { hog {} } loads { ring { hop { mean_us: 40 } } } }
  phases { at_s: 1 loads { replay { vcpus { wake_us: 100 run_us: 50 } } } }
}
guests {
  name: "g2" vcpus: 2
  phases {
    loads { open_server { requests_per_s: 200 service { mean_us: 80 shape: PARETO alpha: 1.4 } } }
    loads { closed_server { clients: 4 think { mean_us: 9 } service { mean_us: 80 } } }
    loads { build { job { mean_us: 4000 } io_per_job: 3 io { mean_us: 250 } } }
    loads { periodic { period_us: 10000 run { mean_us: 80 } } }
    loads { database { work { mean_us: 90 } critical { mean_us: 9 } think { mean_us: 9 } } }
    loads { boot { work_ms: 50 stretch { mean_us: 90 } io { mean_us: 90 } } }
    loads { frontend { work { mean_us: 90 } backend_work { mean_us: 9 } device { mean_us: 9 } } }
  }
}
actions { at_s: 1 set_arrangement { arrangement { layout: "all" } } }
actions { at_s: 1 move_cpu { cpu: 4 } } actions { at_s: 2 move_guest { guest: "g1" } }
actions { at_s: 2 set_scheduling { guest: "g2" weight: 512 cap: -1 } }
warmup_s: 0.5 measured_s: 2
)";

/// What the simulator relies on.
void check(const sim::proto::Scenario& scenario) {
    if (scenario.guests().empty() || scenario.guests(0).name() != sim::domain0) std::abort();
    const double steps = sim::estimated_steps(scenario);
    if (!(steps >= 0 && steps <= sim::max_steps)) std::abort();
    // Whatever is complete is right and stays as it is.
    if (!sim::check_scenario(scenario)) std::abort();
    if (!google::protobuf::util::MessageDifferencer::Equals(sim::completed(scenario), scenario))
        std::abort();
    const auto pools = sim::pool_cpus(scenario);
    std::size_t cpus = 0;
    for (const auto& one : pools) cpus += one.size();
    if (pools.front().empty() || cpus != sim::cpu_count(scenario.machine())) std::abort();
    if (!sim::costs_from(scenario.costs())) std::abort();
}

} // namespace

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned seed_number) {
    fuzz::Random random(seed_number);
    std::string_view input(reinterpret_cast<const char*>(data), size);
    if (size < 8 || random() % 1000 == 0) input = seed;
    return fuzz::hand_over(fuzz::changed_text<proto::Scenario>(input, random), data, size,
                           max_size);
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const fuzz::Directory directory;
    const std::string text(reinterpret_cast<const char*>(data), size);
    if (const auto scenario = sim::parse_scenario(text, "some.scenario")) check(*scenario);
    // Few texts are both; the parser tells them apart soon.
    const auto path = directory.path() / "some.costs";
    fuzz::spill(path, text);
    if (const auto costs = sim::read_costs(path)) (void)sim::costs_from(*costs);
    return 0;
}
