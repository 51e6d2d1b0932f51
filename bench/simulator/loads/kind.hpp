// SPDX-License-Identifier: GPL-2.0-only
// A kind of load of scenario.proto, which tells what it does: all that the simulator knows of it.
// Each kind has a file of its own in this folder, and a line here and in kinds.cpp.
#pragma once

#include "bench/simulator/check.hpp"
#include "bench/simulator/generate_loads.hpp"
#include "bench/simulator/loads/guest_os.hpp"
#include "bench/simulator/loads/random.hpp"

#include <array>
#include <memory>
#include <string>
#include <string_view>

namespace sim {

inline constexpr double most_load_threads = 4096;

/// Sets a field that is at its proto default to what that means.
#define SET_DEFAULT(message, field, value)                                                         \
    if (!((message).field() > 0)) (message).set_##field(value)

/// A load as it is written in a scenario.
struct WrittenLoad {
    const proto::Load& load;
    const proto::Guest& guest;
    const proto::Scenario& scenario;
    std::string field; ///< its name in messages
};

/// What a load does in a second if it gets the CPUs that it wants.
struct Pace {
    double steps = 0;  ///< that take CPU time: fewer when there are not CPUs enough
    double events = 0; ///< that come in any case
    double cpus = 0;   ///< wanted
};

/// Of `actors` that go round a cycle of `work_us` on a CPU and `away_us` elsewhere, with at most
/// `vcpus` of them on a CPU at a time and `most` of the cycles in a second.
[[nodiscard]] Pace cycles(double actors, double work_us, double away_us, double vcpus,
                          double steps_a_cycle, double most = 1e12);

/// What a load's random numbers depend on.
struct LoadKey {
    std::uint64_t seed;  ///< the scenario's
    std::uint64_t guest; ///< index
    std::uint64_t load;  ///< phase and place in it
    [[nodiscard]] Random stream(std::uint64_t part) const {
        return Random::stream({seed, guest, load, part});
    }
};

struct Kind {
    proto::Load::KindCase id;
    /// The families of generate.hpp that are of this kind.
    std::array<std::string_view, 2> families{};
    void (*check)(Checker& check, const WrittenLoad& written);
    /// Fills in what the load leaves out.
    void (*complete)(proto::Load& load, unsigned vcpus) = [](proto::Load&, unsigned) {};
    Pace (*pace)(const proto::Load& load, double vcpus);
    /// The program of a completed load. The back-end of a front-end must be connected to `os`.
    std::unique_ptr<Load> (*make)(const proto::Load& load, const GuestOs& os, const LoadKey& key);
    /// A load of one of the families; `share`: the CPUs that there are for the guest.
    void (*draw)(proto::Load& load, const Character& character, unsigned vcpus, double share,
                 Random& random) = nullptr;
};

namespace kinds {
extern const Kind hog, open_server, closed_server, ring, build, periodic, database, boot, frontend,
    replay;
} // namespace kinds

/// The load must have a kind, as in a scenario that was checked.
[[nodiscard]] const Kind& kind_of(const proto::Load& load);
/// The kind of a family that guests can be of.
[[nodiscard]] const Kind& kind_of(std::string_view family);

} // namespace sim
