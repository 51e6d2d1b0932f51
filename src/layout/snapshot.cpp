// SPDX-License-Identifier: MIT
#include "src/layout/snapshot.hpp"

#include <algorithm>
#include <charconv>
#include <set>

namespace intellisched {

namespace {

constexpr unsigned max_cpus = 4096; // Xen's NR_CPUS never came near it
constexpr unsigned max_threads_per_core = 16;

std::optional<Granularity> granularity_from(const std::string& name) {
    if (name == "cpu") return Granularity::cpu;
    if (name == "core") return Granularity::core;
    if (name == "socket") return Granularity::socket;
    return std::nullopt;
}

} // namespace

Result<Topology> topology_of(const proto::HostSnapshot& snapshot) {
    if (snapshot.cpus().empty()) return fail("the snapshot of the host has no CPUs; take it again");
    if (static_cast<unsigned>(snapshot.cpus_size()) > max_cpus)
        return fail("the snapshot of the host has {} CPUs, more than the {} that are possible; it "
                    "is damaged, take it again",
                    snapshot.cpus_size(), max_cpus);
    if (snapshot.threads_per_core() > max_threads_per_core)
        return fail("the snapshot of the host has {} threads a core, more than the {} that are "
                    "possible; it is damaged, take it again",
                    snapshot.threads_per_core(), max_threads_per_core);
    Topology topology{.cpus = {}, .threads_per_core = snapshot.threads_per_core()};
    topology.cpus.reserve(static_cast<std::size_t>(snapshot.cpus_size()));
    for (const proto::Cpu& cpu : snapshot.cpus()) {
        if (cpu.id() >= max_cpus)
            return fail("the snapshot of the host has a CPU {}, past the {} that are possible; it "
                        "is damaged, take it again",
                        cpu.id(), max_cpus);
        topology.cpus.push_back({cpu.id(), cpu.core(), cpu.socket(), cpu.node()});
    }
    std::sort(topology.cpus.begin(), topology.cpus.end(),
              [](const Cpu& a, const Cpu& b) { return a.id < b.id; });
    const auto twice = std::adjacent_find(topology.cpus.begin(), topology.cpus.end(),
                                          [](const Cpu& a, const Cpu& b) { return a.id == b.id; });
    if (twice != topology.cpus.end())
        return fail("the snapshot of the host has CPU {} twice; it is damaged, take it again",
                    twice->id);
    return topology;
}

Result<std::vector<Pool>> pools_of(const proto::HostSnapshot& snapshot) {
    std::vector<Pool> pools;
    std::set<unsigned> ids;
    std::set<unsigned> taken;
    std::set<unsigned> online;
    for (const proto::Cpu& cpu : snapshot.cpus()) online.insert(cpu.id());
    for (const proto::Pool& from : snapshot.pools()) {
        Pool pool{.id = from.id(),
                  .name = printable(from.name()),
                  .scheduler = printable(from.scheduler()),
                  .cpus = {},
                  .can_rearrange = from.can_rearrange(),
                  .runqueues = from.runqueues()};
        if (!ids.insert(pool.id).second)
            return fail("the snapshot of the host has pool {} twice; it is damaged, take it again",
                        pool.id);
        const auto granularity = granularity_from(from.granularity());
        if (!granularity)
            return fail("pool '{}' has the unknown scheduling granularity '{}'; cpu, core and "
                        "socket are known",
                        pool.name, printable(from.granularity()));
        pool.granularity = *granularity;
        if (from.has_arrangement()) {
            pool.arrangement = arrangement_of(from.arrangement());
            if (!pool.arrangement)
                return fail("pool '{}' has the unknown layout '{}'; the snapshot of the host is "
                            "damaged, or of a newer program: take it again",
                            pool.name, printable(from.arrangement().layout()));
        }
        if (from.has_rate_limit_us()) {
            if (!possible_rate_limit(from.rate_limit_us()))
                return fail("pool '{}' has a rate limit of {} us, which Xen does not take; the "
                            "snapshot of the host is damaged, take it again",
                            pool.name, from.rate_limit_us());
            pool.rate_limit_us = from.rate_limit_us();
        }
        for (const std::uint32_t cpu : from.cpus()) {
            if (cpu >= max_cpus || !taken.insert(cpu).second)
                return fail("pool '{}' has CPU {}, which {}; the snapshot of the host is damaged, "
                            "take it again",
                            pool.name, cpu,
                            cpu >= max_cpus ? "is not possible" : "a pool has already");
            if (!online.contains(cpu))
                return fail(
                    "pool '{}' has CPU {}, which the host has not; the snapshot of the host "
                    "is damaged, take it again",
                    pool.name, cpu);
            pool.cpus.push_back(cpu);
        }
        std::sort(pool.cpus.begin(), pool.cpus.end());
        pools.push_back(std::move(pool));
    }
    return pools;
}

Result<HostView> view_of(proto::HostSnapshot snapshot) {
    auto topology = TRY(topology_of(snapshot));
    auto pools = TRY(pools_of(snapshot));
    return HostView{std::move(snapshot), std::move(topology), std::move(pools)};
}

proto::Arrangement message_of(const Arrangement& arrangement) {
    proto::Arrangement message;
    message.set_layout(std::string(to_string(arrangement.layout)));
    message.set_max_cpus(arrangement.max_cpus);
    return message;
}

std::optional<Arrangement> arrangement_of(const proto::Arrangement& message) {
    const auto layout = layout_from_string(message.layout());
    return layout ? std::optional(Arrangement{*layout, message.max_cpus()}) : std::nullopt;
}

Result<Pool> find_pool(const std::vector<Pool>& pools, const std::string& name_or_id) {
    // As xl: a number is an id.
    unsigned id = 0;
    const char* end = name_or_id.data() + name_or_id.size();
    const auto parsed = std::from_chars(name_or_id.data(), end, id);
    if (parsed.ec == std::errc{} && parsed.ptr == end)
        for (const Pool& pool : pools)
            if (pool.id == id) return pool;
    std::string known;
    for (const Pool& pool : pools) {
        if (pool.name == name_or_id) return pool;
        fmt::format_to(std::back_inserter(known), "{}{} ({})", known.empty() ? "" : ", ", pool.name,
                       pool.id);
    }
    return fail("unknown cpupool '{}'; there {}", printable(name_or_id),
                known.empty() ? "is none at all" : "are: " + known);
}

std::string pool_argument(std::string_view name, unsigned id) {
    const auto digit = [](char c) { return c >= '0' && c <= '9'; };
    const auto plain = [&](char c) {
        return digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
               c == '_' || c == '.';
    };
    const bool usable = !name.empty() && name.front() != '-' && std::ranges::all_of(name, plain) &&
                        !std::ranges::all_of(name, digit);
    return usable ? std::string(name) : std::to_string(id);
}

std::string layout_command(std::string_view pool, unsigned id, bool can_rearrange, Layout layout) {
    if (can_rearrange)
        return fmt::format("intellisched apply --pool {} --layout {}", pool_argument(pool, id),
                           to_string(layout));
    return boot_line(to_string(layout));
}

std::string layout_undo(std::string_view pool, unsigned id, bool can_rearrange,
                        const Arrangement& now) {
    if (can_rearrange)
        return fmt::format("intellisched apply --pool {} --layout {} --max-cpus {}",
                           pool_argument(pool, id), to_string(now.layout),
                           now.max_cpus == no_cap ? "none" : std::to_string(now.max_cpus));
    return fmt::format("the same with credit2_runqueue={}", to_string(now.layout));
}

std::string boot_line(std::string_view layout) {
    return fmt::format("credit2_runqueue={} on Xen's command line (GRUB_CMDLINE_XEN_DEFAULT in "
                       "/etc/default/grub, then update-grub and a reboot)",
                       layout);
}

std::string rate_limit_command(std::string_view pool, unsigned id, unsigned us) {
    return fmt::format("intellisched apply --pool {} --rate-limit {}", pool_argument(pool, id),
                       us == no_rate_limit_us ? rate_limit_text(us) : std::to_string(us));
}

} // namespace intellisched
