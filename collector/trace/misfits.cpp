// SPDX-License-Identifier: MIT
#include "collector/trace/misfits.hpp"

#include <fmt/format.h>

namespace intellisched::trace {

namespace {

constexpr std::size_t most_kinds = 16; // a damaged trace has one of each
constexpr std::uint32_t runstates = 0x21000, credit2 = 0x22200, core = 0x28000;

/// TRC_SCHED_SHUTDOWN, the three timers' and SHUTDOWN_CODE: 0x28007, 8, b to d, 10.
constexpr std::uint32_t not_decoded = 1U << 0x7 | 1U << 0x8 | 0x7U << 0xb | 1U << 0x10;

} // namespace

void Misfits::add(const Unknown& record) {
    const std::uint32_t subclass = record.event & ~0xfffU, block = record.event & ~0x1ffU;
    const bool ours = subclass == runstates || subclass == core || block == credit2;
    const std::uint32_t number = record.event - core;
    if (!ours || (number < 32 && (not_decoded >> number & 1) != 0)) return;
    const std::pair kind{record.event, unsigned{record.words}};
    if (const auto known = counts_.find(kind); known != counts_.end())
        ++known->second;
    else if (counts_.size() < most_kinds)
        counts_[kind] = 1;
    else
        ++others_;
}

std::vector<std::string> Misfits::told(std::string_view xen_version) const {
    std::vector<std::string> lines;
    for (const auto& [kind, count] : counts_)
        lines.push_back(fmt::format(
            "{} record{} of event {:#x} with {} words {} left out: not one of Xen 4.17 to 4.22{}",
            count, count == 1 ? "" : "s", kind.first, kind.second, count == 1 ? "is" : "are",
            xen_version.empty() ? "" : fmt::format("; the trace is of Xen {}", xen_version)));
    if (others_ > 0) lines.push_back(fmt::format("{} more records of other events", others_));
    return lines;
}

} // namespace intellisched::trace
