// SPDX-License-Identifier: GPL-2.0-only
#include "bench/simulator/scenario.hpp"

#include "src/base/files.hpp"
#include "src/proto/text.hpp"

#include <algorithm>
#include <charconv>
#include <numeric>
#include <set>

namespace sim {

using intellisched::fail;
using intellisched::printable;

namespace {

Result<std::string> read_text(const std::filesystem::path& path) {
    const auto bytes = TRY(intellisched::read_file(path, max_scenario_bytes));
    return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

} // namespace

Result<proto::Scenario> parse_scenario(const std::string& text, const std::string& name) {
    proto::Scenario scenario;
    TRY(intellisched::parse_text(name, text, scenario));
    if (auto checked = check_scenario(scenario); !checked)
        return fail("{}: {}", name, checked.error().message);
    scenario = completed(std::move(scenario));
    if (auto checked = check_steps(scenario); !checked)
        return fail("{}: {}", name, checked.error().message);
    return scenario;
}

Result<proto::Scenario> read_scenario(const std::filesystem::path& path) {
    const auto text = TRY(read_text(path));
    return parse_scenario(text, path.string());
}

Result<proto::Costs> read_costs(const std::filesystem::path& path) {
    const auto text = TRY(read_text(path));
    proto::Costs costs;
    TRY(intellisched::parse_text(path.string(), text, costs));
    return costs;
}

Result<std::vector<unsigned>> parse_cpu_list(std::string_view text, unsigned cpus) {
    std::set<unsigned> found;
    const char* at = text.data();
    const char* const end = at + text.size();
    const auto number = [&](unsigned& value) {
        const auto [after, error] = std::from_chars(at, end, value);
        at = after;
        return error == std::errc{};
    };
    for (bool more = true; more;) {
        unsigned first = 0;
        if (!number(first))
            return fail("'{}' is no list of CPUs; write one such as 0-3,8", printable(text));
        unsigned last = first;
        if (at != end && *at == '-' && (++at, !number(last) || last < first))
            return fail("'{}' has a bad range of CPUs; write a list such as 0-3,8",
                        printable(text));
        if (last >= cpus)
            return fail("'{}' has CPU {}, the machine has CPUs 0 to {}; name some of these",
                        printable(text), last, cpus - 1);
        for (unsigned cpu = first; cpu <= last; ++cpu) found.insert(cpu);
        more = at != end && *at == ',';
        if (more)
            ++at;
        else if (at != end)
            return fail("'{}' is no list of CPUs; write one such as 0-3,8", printable(text));
    }
    return std::vector<unsigned>(found.begin(), found.end());
}

std::vector<std::vector<unsigned>> pool_cpus(const proto::Scenario& scenario) {
    const unsigned cpus = cpu_count(scenario.machine());
    std::vector<unsigned> rest(cpus);
    std::iota(rest.begin(), rest.end(), 0U);
    std::vector<std::vector<unsigned>> pools(1);
    for (const proto::CpuPool& pool : scenario.pools()) {
        pools.push_back(parse_cpu_list(pool.cpus(), cpus).value_or(std::vector<unsigned>{}));
        std::erase_if(rest, [&](unsigned cpu) {
            return std::binary_search(pools.back().begin(), pools.back().end(), cpu);
        });
    }
    pools.front() = rest;
    return pools;
}

} // namespace sim
