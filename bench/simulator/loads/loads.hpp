// SPDX-License-Identifier: GPL-2.0-only
// The kinds of load of scenario.proto, each a state machine of its own; what they do is told there.
// They take loads of a completed scenario (scenario.hpp): nothing is 0 that has a default.
#pragma once

#include "bench/simulator/loads/guest_os.hpp"
#include "bench/simulator/loads/random.hpp"
#include "src/proto/scenario.pb.h"

#include <memory>

namespace sim {

/// What a load's random numbers depend on.
struct LoadKey {
    std::uint64_t seed;  ///< the scenario's
    std::uint64_t guest; ///< index
    std::uint64_t load;  ///< phase and place in it
    [[nodiscard]] Random stream(std::uint64_t part) const {
        return Random::stream({seed, guest, load, part});
    }
};

/// The load as a program of `os`. The back-end of a front-end must be connected to `os`.
[[nodiscard]] std::unique_ptr<Load> make_load(const intellisched::proto::Load& load,
                                              const GuestOs& os, const LoadKey& key);

// One each kind; see make_load().
namespace proto = intellisched::proto;
[[nodiscard]] std::unique_ptr<Load> make_hog(const proto::HogLoad& load);
[[nodiscard]] std::unique_ptr<Load> make_open_server(const proto::OpenServerLoad& load,
                                                     const LoadKey& key);
[[nodiscard]] std::unique_ptr<Load> make_closed_server(const proto::ClosedServerLoad& load,
                                                       const LoadKey& key);
[[nodiscard]] std::unique_ptr<Load> make_ring(const proto::RingLoad& load, const LoadKey& key);
[[nodiscard]] std::unique_ptr<Load> make_build(const proto::BuildLoad& load, const LoadKey& key);
[[nodiscard]] std::unique_ptr<Load> make_periodic(const proto::PeriodicLoad& load,
                                                  const LoadKey& key);
[[nodiscard]] std::unique_ptr<Load> make_database(const proto::DatabaseLoad& load,
                                                  const LoadKey& key);
[[nodiscard]] std::unique_ptr<Load> make_boot(const proto::BootLoad& load, const LoadKey& key);
[[nodiscard]] std::unique_ptr<Load> make_frontend(const proto::FrontendLoad& load, Backend& backend,
                                                  const LoadKey& key);
[[nodiscard]] std::unique_ptr<Load> make_replay(const proto::ReplayLoad& load);

} // namespace sim
