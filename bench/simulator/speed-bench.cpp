// SPDX-License-Identifier: GPL-2.0-only
// How fast the simulator is: simulated seconds a second of one core, over machines of 8 to 256 CPUs
// with three bursty vCPUs a CPU (200 us run, 800 us sleep), with all costs and without, untraced
// and traced.
//   speed-bench [SIMULATED-SECONDS [CPUS]]    (CPUS: only the machine of so many)
#include "bench/simulator/bursty.hpp"
#include "bench/simulator/machine.hpp"

#include <bit>
#include <cstdlib>
#include <ctime>
#include <fmt/format.h>

using namespace sim;

namespace {

struct Shape {
    unsigned sockets, cores, threads;
};

Costs no_costs() {
    Costs costs;
    for (const CostConstant& constant : cost_constants())
        costs.*constant.member = constant.unit == "1" ? 1 : constant.min;
    return costs;
}

Result<void> measure(const Shape& shape, bool all_costs, bool tracing, double seconds) {
    MachineOptions options;
    options.sockets = shape.sockets;
    options.cores = shape.cores;
    options.threads = shape.threads;
    options.nodes = shape.sockets;
    options.tracing = tracing;
    if (!all_costs) options.costs = no_costs();
    auto machine = TRY(Machine::boot(options));
    const unsigned cpus = shape.sockets * shape.cores * shape.threads;
    Bursty bursty(0, 3 * cpus, 200, 800, 1);
    DomainOptions domain;
    domain.name = "Domain-0";
    domain.vcpus = 3 * cpus;
    TRY(machine->create_domain(domain, bursty));
    const auto step = static_cast<Nanoseconds>(1e7);
    const auto end = machine->now() + static_cast<Nanoseconds>(seconds * 1e9);
    const std::clock_t begin =
        std::clock(); // of this process: the machine may have other things to do
    std::size_t bytes = 0;
    while (machine->now() < end) {
        TRY(machine->advance(machine->now() + step));
        bytes += machine->drain_trace().size();
    }
    const double took = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
    const auto truth = machine->truth();
    fmt::print("{:4} {:>8} {:>5} {:>6} {:10.2f} {:10.2f} {:10.1f} {:8.2f}\n", cpus,
               fmt::format("{}x{}x{}", shape.sockets, shape.cores, shape.threads),
               all_costs ? "all" : "none", tracing ? "on" : "off", seconds / took,
               static_cast<double>(truth.events()) / took / 1e6,
               static_cast<double>(bytes) / seconds / 1e6,
               truth.pools(0).path_ns() / truth.pools(0).cpu_ns() * 100);
    return {};
}

} // namespace

int main(int argc, char** argv) {
    const double seconds = argc > 1 ? std::atof(argv[1]) : 5;
    const unsigned long only = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 0;
    const bool known = argc <= 2 || (only >= 8 && only <= 256 && std::has_single_bit(only));
    if (argc > 3 || !known || !(seconds > 0 && seconds <= 1000)) {
        fmt::print(stderr, "usage: speed-bench [SIMULATED-SECONDS [CPUS]]    (8, 16, 32, 64, 128 "
                           "or 256 CPUs)\n");
        return 2;
    }
    fmt::print("{:>4} {:>8} {:>5} {:>6} {:>10} {:>10} {:>10} {:>8}\n", "CPUs", "machine", "costs",
               "trace", "sim s/s", "M events/s", "trace MB/s", "in Xen %");
    for (const Shape shape : {Shape{1, 4, 2}, Shape{1, 8, 2}, Shape{2, 8, 2}, Shape{2, 16, 2},
                              Shape{4, 16, 2}, Shape{4, 32, 2}}) {
        if (only != 0 && shape.sockets * shape.cores * shape.threads != only) continue;
        for (const auto& [all_costs, tracing] :
             {std::pair{true, false}, {true, true}, {false, false}})
            if (auto done = measure(shape, all_costs, tracing, seconds); !done) {
                fmt::print(stderr, "speed-bench: {}\n", done.error().message);
                return 1;
            }
    }
    return 0;
}
