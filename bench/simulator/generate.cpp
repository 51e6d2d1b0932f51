// SPDX-License-Identifier: GPL-2.0-only
#include "bench/simulator/generate.hpp"

#include "bench/simulator/costs.hpp"
#include "bench/simulator/generate_loads.hpp"
#include "src/base/files.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <google/protobuf/text_format.h>
#include <map>

namespace sim {

using intellisched::fail;

namespace {

constexpr std::array<std::string_view, 14> all_families{
    "hogs",   "open-server", "closed-server", "chain",   "ring",  "build",  "periodic",
    "memory", "database",    "boot-storm",    "backend", "mixed", "phases", "idle"};
constexpr std::size_t plain_families = 11; ///< those that a guest can be of

constexpr std::array<std::string_view, 9> all_topologies{
    "1s4c2t", "1s8c1t", "1s16c2t", "2s4c2t", "2s8c2t", "2s16c2t", "4s4c1t", "4s8c2t", "4s16c2t"};

/// Loads that do more steps than this are measured for a shorter time.
constexpr double wanted_steps = 6e5;
/// Those that do more even so are drawn again: they would take longer than all the others.
constexpr double most_steps = 3e6;

template<std::size_t N>
std::size_t place_of(std::string_view name, const std::array<std::string_view, N>& names) {
    return static_cast<std::size_t>(std::find(names.begin(), names.end(), name) - names.begin());
}

struct Part {
    char letter;
    bool needed;
    void (proto::Machine::*set)(std::uint32_t);
};
constexpr std::array topology_parts{
    Part{'s', true, &proto::Machine::set_sockets},     Part{'c', true, &proto::Machine::set_cores},
    Part{'t', true, &proto::Machine::set_threads},     Part{'n', false, &proto::Machine::set_nodes},
    Part{'e', false, &proto::Machine::set_slow_cores}, Part{'l', false, &proto::Machine::set_llcs}};

/// For the stream of random numbers: the place among all_topologies, or a number above those.
std::uint64_t key_of(std::string_view topology, const proto::Machine& machine) {
    const std::size_t place = place_of(topology, all_topologies);
    if (place < all_topologies.size()) return place;
    std::uint64_t key = 1;
    for (const unsigned number : {machine.sockets(), machine.cores(), machine.threads(),
                                  machine.nodes(), machine.slow_cores()})
        key = key << 8 | number;
    if (machine.llcs() > 0) key = key << 8 | machine.llcs();
    return key;
}

/// Another machine than the one the defaults are of: each constant from its own range, even over
/// the logarithm. Of those that say the same of several distances, which cost_constants() has from
/// near to far, none may be dearer than a farther one, which their ranges alone do not see to.
void vary_costs(proto::Costs& costs, const proto::Machine& machine, Random& random) {
    std::map<std::string_view, double> nearer; // by the name's first word
    for (const CostConstant& constant : cost_constants()) {
        if (constant.low == constant.high) continue; // nothing that machines differ in
        double value = std::clamp(log_uniform(random, constant.low, constant.high), constant.low,
                                  constant.high); // three digits may be out of it
        if (constant.name == "near_node_part" && machine.nodes() <= machine.sockets()) continue;
        if (constant.name.starts_with("refill_") || constant.name.starts_with("lock_transfer_")) {
            double& least = nearer[constant.name.substr(0, constant.name.find('_'))];
            least = value = std::max(value, least);
        }
        costs.GetReflection()->SetDouble(
            &costs, costs.GetDescriptor()->FindFieldByName(std::string(constant.name)), value);
    }
}

/// How many vCPUs the guests have: guests of one size, the last one smaller.
std::vector<unsigned> draw_sizes(double wanted, Random& random) {
    unsigned left =
        static_cast<unsigned>(std::clamp(std::round(wanted), 2.0, double{max_generated_vcpus}));
    const auto size =
        static_cast<unsigned>(std::round(log_uniform(random, 1, std::min(left, 16U))));
    std::vector<unsigned> sizes;
    for (; left > 0; left -= sizes.back()) sizes.push_back(std::min(size, left));
    return sizes;
}

void set_scheduling(proto::Guest& guest, bool uneven, bool capped, Random& random) {
    constexpr std::array<unsigned, 5> weights{64, 128, 256, 512, 1024};
    if (uneven) guest.set_weight(weights[random.below(weights.size())]);
    if (capped && chance(random, 0.5))
        guest.set_cap(static_cast<unsigned>(guest.vcpus() * uniform(random, 20, 90)));
}

void set_memory(proto::Guest& guest, std::string_view family, Random& random) {
    if (family == "memory") {
        guest.set_working_set_kb(log_uniform(random, 1024, 8192));
        guest.set_memory_share(uniform(random, 0.4, 0.9));
    } else {
        guest.set_working_set_kb(log_uniform(random, 32, 8192));
        guest.set_memory_share(uniform(random, 0.01, 0.4));
    }
}

/// The families of a scenario's guests: one, or for mixed and phases two or three different ones.
/// Those of an idle one are of any.
std::vector<Character> draw_characters(std::string_view family, Random& random) {
    std::vector<Character> characters;
    if (place_of(family, all_families) < plain_families) return {draw_character(family, random)};
    if (family == "idle")
        return {draw_character(all_families[random.below(plain_families)], random)};
    const std::size_t count = chance(random, 0.5) ? 2 : 3;
    while (characters.size() < count) {
        const std::string_view drawn = all_families[random.below(plain_families)];
        if (std::none_of(characters.begin(), characters.end(),
                         [&](const Character& other) { return other.family == drawn; }))
            characters.push_back(draw_character(drawn, random));
    }
    return characters;
}

void add_domain0(proto::Scenario& scenario, Random& random) {
    proto::Guest& guest = *scenario.add_guests();
    guest.set_name(std::string(domain0));
    guest.set_vcpus(std::min(4U, cpu_count(scenario.machine())));
    if (!chance(random, 0.4)) return;
    auto& server = *guest.add_phases()->add_loads()->mutable_open_server(); // what tools do there
    server.set_requests_per_s(log_uniform(random, 50, 1000));
    server.mutable_service()->set_mean_us(log_uniform(random, 30, 500));
}

/// Guests have more vCPUs than they use, as far as max_generated_vcpus goes; `total` is of them
/// all.
void add_spare_vcpus(proto::Scenario& scenario, unsigned total, Random& random) {
    for (proto::Guest& guest : *scenario.mutable_guests()) {
        if (guest.name() == domain0) continue;
        const unsigned used = guest.vcpus();
        bool spare = true;
        for (proto::Phase& phase : *guest.mutable_phases())
            for (proto::Load& load : *phase.mutable_loads())
                spare = spare && fix_threads(load, used);
        if (!spare) continue;
        const unsigned most = std::min({2 * used, 8U, max_generated_vcpus - total});
        const auto more = static_cast<unsigned>(random.below(most + 1));
        guest.set_vcpus(used + more);
        total += more;
    }
}

/// Guests have nothing to do in one of their phases; one of them always has.
void add_pauses(proto::Scenario& scenario, Random& random) {
    for (int i = 2; i < scenario.guests_size(); ++i) {
        proto::Guest& guest = *scenario.mutable_guests(i);
        if (!chance(random, 0.4)) continue;
        const auto pause = static_cast<int>(random.below(guest.phases_size()));
        guest.mutable_phases(pause)->clear_loads();
    }
}

/// As many vCPUs as CPUs, which is Xen's default, and the daemons of a host.
void add_idle_domain0(proto::Scenario& scenario, Random& random) {
    proto::Guest& guest = *scenario.mutable_guests(0);
    guest.set_vcpus(cpu_count(scenario.machine()));
    guest.set_background(guest.phases().empty()); // what it does for guests shows in theirs
    add_background(guest, random);
}

/// Up to max_idle_vcpus, in guests of one size.
void add_idle_guests(proto::Scenario& scenario, Random& random) {
    const double wanted = cpu_count(scenario.machine()) * log_uniform(random, 0.25, 4);
    const std::vector<unsigned> sizes =
        draw_sizes(std::min(wanted, double{max_idle_vcpus}), random);
    for (std::size_t i = 0; i < sizes.size(); ++i) {
        proto::Guest& guest = *scenario.add_guests();
        guest.set_name(fmt::format("idle{}", i + 1));
        guest.set_vcpus(sizes[i]);
        guest.set_background(true);
        if (!chance(random, 0.2)) add_background(guest, random); // the others sleep all the time
    }
}

/// Shortens the measured time of loads that do much in little time.
void set_duration(proto::Scenario& scenario, bool phases) {
    constexpr double warmup_s = 1.2; // past credit2's load window of 1.07 s
    scenario.set_warmup_s(warmup_s);
    scenario.set_measured_s(phases ? 3 : 2);
    const double steps = estimated_steps(completed(scenario));
    if (phases || steps <= wanted_steps) return;
    const double wanted_s = wanted_steps / steps * (warmup_s + 2) - warmup_s;
    scenario.set_measured_s(std::clamp(std::round(wanted_s * 10) / 10, 0.8, 2.0));
}

proto::Scenario draw(std::string_view family, std::string_view topology,
                     const proto::Machine& machine, unsigned number, Random& random,
                     Random& of_costs) {
    proto::Scenario scenario;
    scenario.set_name(fmt::format("{}-{}-{:03}", family, topology, number));
    scenario.set_family(std::string(family));
    scenario.set_seed(random.below(1'000'000'000));
    *scenario.mutable_machine() = machine;
    if (machine.sockets() == 4 && machine.nodes() == 0 && chance(random, 0.3))
        scenario.mutable_machine()->set_nodes(2);
    if (chance(random, 0.6)) vary_costs(*scenario.mutable_costs(), machine, of_costs);
    const unsigned cpus = cpu_count(scenario.machine());
    const bool idle = family == "idle";
    const std::vector<unsigned> sizes =
        draw_sizes(cpus * log_uniform(random, idle ? 0.1 : 0.25, idle ? 0.5 : 8), random);
    const bool uneven = chance(random, 0.4);
    const bool capped = chance(random, 0.2);
    const std::vector<Character> characters = draw_characters(family, random);
    const bool phases = family == "phases";
    add_domain0(scenario, random);
    unsigned total = 0;
    for (const unsigned size : sizes) total += size;
    for (std::size_t i = 0; i < sizes.size(); ++i) {
        proto::Guest& guest = *scenario.add_guests();
        guest.set_name(fmt::format("guest{}", i + 1));
        guest.set_vcpus(sizes[i]);
        set_scheduling(guest, uneven, capped, random);
        double share = static_cast<double>(cpus) * sizes[i] / total;
        if (idle) share *= log_uniform(random, 0.02, 0.5);
        const Character& own = characters[i % characters.size()];
        set_memory(guest, own.family, random);
        if (!phases) {
            add_load(*guest.add_phases(), own, sizes[i], share, random);
            continue;
        }
        for (std::size_t phase = 0; phase < characters.size(); ++phase) {
            proto::Phase& added = *guest.add_phases();
            // The first from the start, the others evenly over the 3 s after the warm-up.
            if (phase > 0)
                added.set_at_s(1.2 + 3 * static_cast<double>(phase) /
                                         static_cast<double>(characters.size()));
            add_load(added, characters[phase], sizes[i], share, random);
        }
    }
    if (family == "periodic" && chance(random, 0.5)) // somebody who is in the way
        add_load(*scenario.mutable_guests(scenario.guests_size() - 1)->mutable_phases(0),
                 draw_character("hogs", random), sizes.back(), 1, random);
    // All of this is drawn last: scenarios without it are what they were before it was there.
    if (chance(random, 0.15)) // CPUs that sleep deeply, or that another hypervisor schedules
        scenario.mutable_costs()->set_idle_exit_us(log_uniform(random, 10, 5000));
    if (idle || chance(random, 0.5)) add_spare_vcpus(scenario, total, random);
    if (phases && chance(random, 0.5)) add_pauses(scenario, random);
    if (idle || chance(random, 0.4)) add_idle_domain0(scenario, random);
    if (idle || chance(random, 0.5)) add_idle_guests(scenario, random);
    set_duration(scenario, phases);
    return scenario;
}

} // namespace

std::span<const std::string_view> families() { return all_families; }
std::span<const std::string_view> topologies() { return all_topologies; }

Result<proto::Machine> parse_topology(std::string_view text) {
    proto::Scenario scenario;
    proto::Machine& machine = *scenario.mutable_machine();
    const char* at = text.data();
    const char* const end = at + text.size();
    bool right = true;
    for (const Part& part : topology_parts) {
        unsigned number = 0;
        const auto [after, error] = std::from_chars(at, end, number);
        if (error == std::errc() && number > 0 && after != end && *after == part.letter) {
            (machine.*part.set)(number);
            at = after + 1;
        } else if (part.needed) {
            right = false;
        }
    }
    if (!right || at != end)
        return fail(
            "'{}' is no topology; give sockets, cores of a socket and threads of a core, and "
            "where they are special the host's NUMA nodes, each socket's slow cores and its "
            "last-level caches: 2s8c2t, 2s8c2t4n, 1s16c2t8e, 2s16c2t4l",
            intellisched::printable(text, 32));
    if (auto checked = check_scenario(scenario); !checked)
        return fail("topology {}: {}", text, checked.error().message);
    return machine;
}

proto::Scenario generate(std::string_view family, std::string_view topology, unsigned number,
                         std::uint64_t seed) {
    const proto::Machine machine = parse_topology(topology).value();
    for (std::uint64_t attempt = 0;; ++attempt) {
        const std::uint64_t of_family = place_of(family, all_families);
        const std::uint64_t of_machine = key_of(topology, machine);
        Random random = Random::stream({seed, of_family, of_machine, number, attempt});
        // Of its own: a constant more or less changes no load.
        Random of_costs = Random::stream({seed, of_family, of_machine, number, attempt, 1});
        proto::Scenario scenario = draw(family, topology, machine, number, random, of_costs);
        if (estimated_steps(completed(scenario)) <= most_steps) return scenario;
    }
}

std::string scenario_text(const proto::Scenario& scenario) {
    std::string text;
    google::protobuf::TextFormat::PrintToString(scenario, &text);
    return text;
}

Result<unsigned> write_scenarios(const std::vector<std::string_view>& wanted_families,
                                 const std::vector<std::string_view>& wanted_topologies,
                                 unsigned count, std::uint64_t seed,
                                 const std::filesystem::path& directory) {
    std::error_code error;
    std::filesystem::create_directories(directory, error);
    if (error)
        return fail("{}: cannot create: {}; choose a directory that can be written to",
                    directory.string(), error.message());
    unsigned written = 0;
    for (const std::string_view family : wanted_families)
        for (const std::string_view topology : wanted_topologies)
            for (unsigned number = 1; number <= count; ++number) {
                const proto::Scenario scenario = generate(family, topology, number, seed);
                const std::string text = scenario_text(scenario);
                TRY(intellisched::replace_file(directory / (scenario.name() + ".scenario"),
                                               std::as_bytes(std::span(text))));
                ++written;
            }
    return written;
}

} // namespace sim
