// SPDX-License-Identifier: MIT
#include "bench/experiment/plan.hpp"

#include "bench/experiment/simulators.hpp"
#include "src/proto/text.hpp"

#include <algorithm>
#include <cmath>
#include <glob.h>
#include <map>

namespace intellisched::bench {
namespace {

namespace fs = std::filesystem;

constexpr unsigned most_repeats = 1000, most_windows = 1000, most_generated = 100'000;
constexpr double most_seconds = 86'400;
constexpr std::string_view default_pool = "Pool-0";

/// The words of a list as what they name, in its order of rank; all of them when there are none.
template<class Value, std::size_t N, class FromString>
Result<std::vector<Value>> chosen(const google::protobuf::RepeatedPtrField<std::string>& words,
                                  const std::array<Value, N>& all, FromString&& from_string,
                                  std::string_view key, std::string_view accepted) {
    std::vector<Value> values;
    for (const std::string& word : words) {
        const auto value = from_string(word);
        if (!value || std::find(values.begin(), values.end(), *value) != values.end())
            return fail("{}: '{}' is unknown or there twice; {} are accepted", key,
                        printable(word, 32), accepted);
        values.push_back(*value);
    }
    if (values.empty()) values.assign(all.begin(), all.end());
    std::sort(values.begin(), values.end());
    return values;
}

Result<void> check_entry(const proto::Plan::Entry& entry) {
    switch (entry.what_case()) {
    case proto::Plan::Entry::kScenarios:
        if (entry.scenarios().empty()) return fail("entries: scenarios is empty; name a file");
        return {};
    case proto::Plan::Entry::kGenerate:
        if (entry.generate().count() == 0 || entry.generate().count() > most_generated)
            return fail("entries: generate: a count of {}; 1 to {} are accepted",
                        entry.generate().count(), most_generated);
        if (entry.generate().family().empty() || entry.generate().topology().empty())
            return fail("entries: generate needs a family and a topology");
        return {};
    case proto::Plan::Entry::kLive:
        if (entry.live().name().empty()) return fail("entries: live needs a name");
        if (entry.live().start().empty() && !entry.live().stop().empty())
            return fail("entries: {} has stop and no start; give it both, or none",
                        printable(entry.live().name(), 64));
        for (const std::string& command : {entry.live().start(), entry.live().stop()})
            if (command.find('\0') != std::string::npos)
                return fail("entries: {} has a command with a zero byte in it; take it out",
                            printable(entry.live().name(), 64));
        return {};
    case proto::Plan::Entry::WHAT_NOT_SET:
        break;
    }
    return fail("entries: one says nothing; give it scenarios, generate or live");
}

Result<Plan> checked(const proto::Plan& message) {
    Plan plan;
    plan.layouts = TRY(chosen(message.layouts(), all_layouts, layout_from_string, "layouts",
                              "cpu, core, socket, node and all"));
    plan.intents = TRY(chosen(message.intents(), all_intents, intent_from_string, "intents",
                              "throughput, latency and balanced"));

    if (message.repeats() > most_repeats || message.windows() > most_windows)
        return fail("repeats and windows: {} and {}; up to {} and {} are accepted",
                    message.repeats(), message.windows(), most_repeats, most_windows);
    if (message.repeats() > 0) plan.repeats = message.repeats();
    if (message.windows() > 0) plan.windows = message.windows();
    plan.traced = message.traced() > 0 ? std::min(message.traced(), plan.repeats) : plan.repeats;
    for (const auto& [key, seconds] :
         {std::pair{"warmup_s", message.warmup_s()}, std::pair{"measured_s", message.measured_s()}})
        if (!(seconds >= 0) || seconds > most_seconds)
            return fail("{}: {} is no time; 0 to {} s are accepted", key, seconds, most_seconds);
    plan.warmup_s = message.warmup_s();
    plan.measured_s = message.measured_s();
    plan.seed = message.seed();
    plan.costs = message.costs();
    plan.rate_limits = message.rate_limits();

    if (message.entries().empty())
        return fail("no entries: nothing to measure; add entries {{ scenarios: \"FILE\" }}");
    for (const proto::Plan::Entry& entry : message.entries()) {
        TRY(check_entry(entry));
        if (entry.has_live() != message.entries(0).has_live())
            return fail("entries: some are live and some are not; make two plans of them");
        plan.entries.push_back(entry);
    }
    if (plan.rate_limits && plan.live())
        return fail("rate_limits: they are measured on simulated hosts only; take it out");
    return plan;
}

Result<std::vector<fs::path>> matches(const fs::path& pattern) {
    glob_t found{};
    const int error = ::glob(pattern.c_str(), GLOB_MARK, nullptr, &found); // sorts by name
    std::vector<fs::path> paths;
    for (std::size_t i = 0; error == 0 && i < found.gl_pathc; ++i)
        paths.emplace_back(found.gl_pathv[i]);
    ::globfree(&found);
    if (paths.empty())
        return fail("{}: no such scenario; paths start from the plan's folder", pattern.string());
    return paths;
}

Result<Entry> read_entry(const fs::path& path, const std::string& pool) {
    Entry entry;
    TRY(parse_text_file(path, entry.scenario));
    entry.name = entry.scenario.name().empty() ? path.stem().string() : entry.scenario.name();
    entry.family = entry.scenario.family().empty() ? "other" : entry.scenario.family();
    entry.topology = topology_name(entry.scenario.machine());
    entry.pool = pool;
    return entry;
}

} // namespace

Result<Plan> read_plan(const fs::path& path) {
    proto::Plan message;
    TRY(parse_text_file(path, message));
    auto plan = checked(message);
    if (!plan) return fail("{}: {}", path.string(), plan.error().message);
    plan->folder = path.parent_path();
    return plan;
}

std::string topology_name(const proto::Machine& machine) {
    std::string name =
        fmt::format("{}s{}c{}t", machine.sockets(), machine.cores(), machine.threads());
    if (machine.nodes() != 0 && machine.nodes() != machine.sockets())
        name += fmt::format("{}n", machine.nodes());
    if (machine.slow_cores() != 0) name += fmt::format("{}e", machine.slow_cores());
    if (machine.llcs() > 1) name += fmt::format("{}l", machine.llcs());
    return name;
}

Result<std::vector<Entry>> expand(const Plan& plan, const fs::path& generated) {
    std::vector<Entry> entries;
    std::map<std::string, std::string> origin; // by name
    const auto add = [&](Entry entry, const std::string& from) -> Result<void> {
        const auto [same, fresh] = origin.emplace(entry.name, from);
        if (!fresh)
            return fail("{} and {} are both named '{}'; give one another name", same->second, from,
                        printable(entry.name));
        entries.push_back(std::move(entry));
        return {};
    };
    for (const proto::Plan::Entry& wanted : plan.entries) {
        const std::string pool = wanted.pool().empty() ? std::string(default_pool) : wanted.pool();
        if (wanted.has_live()) {
            const auto& live = wanted.live();
            TRY(add({live.name(),
                     live.family().empty() ? "live" : live.family(),
                     live.topology().empty() ? "host" : live.topology(),
                     pool,
                     {},
                     live.start(),
                     live.stop()},
                    "a live entry"));
            continue;
        }
        fs::path pattern = plan.folder / wanted.scenarios();
        if (wanted.has_generate()) {
            const auto& g = wanted.generate();
            auto folder =
                TRY(generate_scenarios(generated, g.family(), g.topology(), g.count(), g.seed()));
            pattern = folder / "*.scenario";
        }
        auto paths = TRY(matches(pattern));
        for (const fs::path& path : paths) {
            auto entry = TRY(read_entry(path, pool));
            // Those of another seed have the same names.
            if (wanted.has_generate()) entry.name += fmt::format("@{}", wanted.generate().seed());
            TRY(add(std::move(entry), path.string()));
        }
    }
    return entries;
}

} // namespace intellisched::bench
