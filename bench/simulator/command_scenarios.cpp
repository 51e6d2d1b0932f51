// SPDX-License-Identifier: GPL-2.0-only
// credit2-sim check, generate and costs: what needs no machine.
#include "bench/simulator/commands.hpp"
#include "bench/simulator/costs.hpp"
#include "bench/simulator/generate.hpp"

#include <algorithm>
#include <memory>
#include <span>

namespace sim {

using intellisched::fail;

namespace {

Result<void> check(const std::vector<std::string>& paths) {
    std::size_t wrong = 0;
    for (const std::string& path : paths) {
        const auto scenario = read_scenario(path);
        if (!scenario) {
            ++wrong;
            fmt::print(stderr, "credit2-sim: {}\n", scenario.error().message);
            continue;
        }
        unsigned vcpus = 0;
        for (const proto::Guest& guest : scenario->guests()) vcpus += guest.vcpus();
        fmt::print("{}: right; {} CPUs, {} guests with {} vCPUs, about {:.1e} steps\n", path,
                   cpu_count(scenario->machine()), scenario->guests_size(), vcpus,
                   estimated_steps(*scenario));
    }
    if (wrong > 0) return fail("{} of {} scenarios are not right", wrong, paths.size());
    return {};
}

Result<void> costs() {
    fmt::print("{:<24} {:<5} {:>8}  {:<12} {:<14}  {}\n", "constant", "unit", "default", "machines",
               "accepted", "what, and where default and range come from");
    for (const CostConstant& constant : cost_constants())
        fmt::print("{:<24} {:<5} {:>8}  {:<12} {:<14}  {}; {}\n", constant.name, constant.unit,
                   constant.standard, fmt::format("{}..{}", constant.low, constant.high),
                   fmt::format("{}..{}", constant.min, constant.max), constant.meaning,
                   constant.source);
    return {};
}

/// The wanted one, or all.
std::vector<std::string_view> choose(const std::string& wanted,
                                     std::span<const std::string_view> all) {
    if (wanted != "all") return {wanted};
    return {all.begin(), all.end()};
}

struct GenerateCommand {
    std::string family = "all";
    std::string topology = "all";
    unsigned count = 1;
    std::uint64_t seed = 1;
    std::string out;

    Result<void> operator()() const {
        const auto written = TRY(write_scenarios(choose(family, families()),
                                                 choose(topology, topologies()), count, seed, out));
        fmt::print("{}: {} scenarios\n", out, written);
        return {};
    }
};

CLI::IsMember one_of(std::span<const std::string_view> all) {
    std::vector<std::string> names{"all"};
    names.insert(names.end(), all.begin(), all.end());
    return CLI::IsMember(names);
}

/// What is wrong with it, in CLI11's way: nothing when it is right.
std::string is_topology(const std::string& text) {
    if (text == "all") return {};
    const auto machine = parse_topology(text);
    return machine ? std::string() : machine.error().message;
}

} // namespace

void add_check(CLI::App& app, Action& action) {
    auto* command = app.add_subcommand("check", "say whether scenarios can be simulated");
    auto paths = std::make_shared<std::vector<std::string>>();
    command->add_option("scenarios", *paths, "files")->required();
    command->callback([paths, &action] { action = [paths] { return check(*paths); }; });
}

void add_costs(CLI::App& app, Action& action) {
    auto* command = app.add_subcommand("costs", "print the constants of the cost model");
    command->callback([&action] { action = costs; });
}

void add_generate(CLI::App& app, Action& action) {
    auto* command = app.add_subcommand("generate", "write random scenarios");
    auto generate = std::make_shared<GenerateCommand>();
    command->add_option("--family", generate->family, "kind of load")
        ->capture_default_str()
        ->check(one_of(families()));
    command
        ->add_option(
            "--topology", generate->topology,
            "machine: sockets, cores of a socket, threads of a core, and where they are "
            "special the host's NUMA nodes, each socket's slow cores and its last-level caches: "
            "2s8c2t, 2s8c2t4n, 1s16c2t8e, 2s16c2t4l; all: the usual ones")
        ->capture_default_str()
        ->check(CLI::Validator(is_topology, "TEXT"));
    command->add_option("--count", generate->count, "of each family and topology")
        ->capture_default_str()
        ->check(CLI::Range(1, 100000));
    command->add_option("--seed", generate->seed, "same seed, same scenarios")
        ->capture_default_str();
    command->add_option("--out", generate->out, "directory to write them to")->required();
    command->callback([generate, &action] { action = [generate] { return (*generate)(); }; });
}

} // namespace sim
