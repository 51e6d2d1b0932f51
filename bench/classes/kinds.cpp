// SPDX-License-Identifier: MIT
#include "bench/classes/kinds.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace intellisched {
namespace {

/// The one table of truth.
constexpr std::array<std::pair<std::string_view, std::string_view>, 14> table{{
    {"idle", "idle"}, // and what ticks in the background
    {"hog", "cpu-bound"},
    {"memory", "cpu-bound"}, // a hog whose work waits for memory
    {"build-no-io", "cpu-bound"},
    {"build", "io-bound"},
    {"boot", "io-bound"},
    {"frontend", "io-bound"},
    {"database", "io-bound"},
    {"closed-server", "io-bound"},
    {"open-server", "io-bound"},
    {"bursty-server", "io-bound"},
    {"ring", "io-bound"}, // of several tokens: there is always one to go on with
    {"chain", "latency-sensitive"},
    {"periodic", "periodic"},
}};

// Of running. The same as makes a vCPU a hog (collector/window/vcpu_times.cpp).
constexpr double hardly_ever = 10;

std::string kind_of(const proto::Guest& guest, const proto::Load& load) {
    using Of = proto::Load;
    switch (load.kind_case()) {
    case Of::kHog:
        return guest.memory_share() >= 0.4 ? "memory" : "hog";
    case Of::kOpenServer:
        return load.open_server().burst() >= 2 ? "bursty-server" : "open-server";
    case Of::kClosedServer:
        return "closed-server";
    case Of::kRing:
        return load.ring().tokens() > 1 ? "ring" : "chain";
    case Of::kBuild:
        return load.build().io_per_job() > 0 ? "build" : "build-no-io";
    case Of::kPeriodic:
        return "periodic";
    case Of::kDatabase:
        return "database";
    case Of::kBoot:
        return "boot";
    case Of::kFrontend:
        return "frontend";
    case Of::kReplay:
    case Of::KIND_NOT_SET:
        break;
    }
    return "";
}

} // namespace

std::string kind_of(const proto::Guest& guest, double from_s, double to_s) {
    if (guest.name() == "Domain-0" || guest.start_s() > from_s ||
        (guest.stop_s() > 0 && guest.stop_s() < to_s))
        return "";
    if (guest.background()) return "idle";
    std::string kind = "idle"; // until its first phase
    bool begun = false;
    for (const proto::Phase& phase : guest.phases()) {
        if (phase.at_s() >= to_s) break;
        std::string its = phase.loads().empty()     ? "idle"
                          : phase.loads_size() == 1 ? kind_of(guest, phase.loads(0))
                                                    : "";
        if (phase.at_s() > from_s && begun && its != kind) return "";
        if (phase.at_s() > from_s && !begun && its != "idle") return "";
        kind = its;
        begun = true;
    }
    return kind;
}

bool hardly_blocks(const proto::GuestSample& sample) {
    return sample.kind() != "idle" && sample.wakeups() < hardly_ever;
}

std::optional<std::size_t> class_of(const proto::GuestSample& sample) {
    const auto row = std::ranges::find(table, std::string_view(sample.kind()),
                                       [](const auto& one) { return one.first; });
    if (row == table.end()) return std::nullopt;
    const std::string_view name = hardly_blocks(sample) ? "cpu-bound" : row->second;
    return static_cast<std::size_t>(std::ranges::find(guest_class_names, name) -
                                    guest_class_names.begin());
}

} // namespace intellisched
