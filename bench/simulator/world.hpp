// SPDX-License-Identifier: GPL-2.0-only
// A scenario on a machine: pools, guests that come and go, what the administrator does when, and in
// the end what everybody achieved.
#pragma once

#include "bench/simulator/alone.hpp"
#include "bench/simulator/loads/guest_os.hpp"
#include "bench/simulator/machine.hpp"
#include "bench/simulator/placement.hpp"
#include "bench/simulator/scenario.hpp"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sim {

/// The machine that a completed scenario asks for. Errors: costs out of their range.
[[nodiscard]] Result<MachineOptions> machine_options(const proto::Scenario& scenario, bool tracing);

class World {
  public:
    /// Sets up pools and those guests that are there from the beginning, `machine` having just
    /// booted. With a `layout`, every pool has that from the start, set as the service would set it
    /// (before there is a guest), instead of what the boot parameters and the scenario say.
    /// Guests that start at the same time do so `stagger` apart, as nobody starts them at once.
    /// Errors: what Xen refuses.
    [[nodiscard]] static Result<std::unique_ptr<World>>
    create(std::unique_ptr<Machine> machine, proto::Scenario scenario,
           const std::optional<proto::Arrangement>& layout);

    static constexpr Nanoseconds stagger = 1'700'000;
    static constexpr Nanoseconds settling = 10'000'000; ///< from booting to the scenario's 0 s

    /// Runs until virtual time is `until`. At the end of the warm-up the truth begins anew.
    /// Errors: what Xen refuses of an action; the world is then of no further use.
    [[nodiscard]] Result<void> advance(Nanoseconds until);

    [[nodiscard]] Nanoseconds now() const { return machine_->now(); }
    [[nodiscard]] Nanoseconds warm() const { return warm_; } ///< end of the warm-up
    [[nodiscard]] Nanoseconds end() const { return end_; }
    /// How many of the scenario's events have come to pass: each may have changed what a snapshot
    /// of the host tells.
    [[nodiscard]] std::size_t changes() const { return next_event_; }
    /// When the next of them comes to pass; the largest time there is when none does.
    [[nodiscard]] Nanoseconds next_change() const;

    [[nodiscard]] Machine& machine() { return *machine_; }
    [[nodiscard]] const proto::Scenario& scenario() const { return scenario_; }

    void reset_truth();
    /// Since the last reset. Guests that have gone are in it with what their loads counted.
    [[nodiscard]] proto::Truth truth() const;

  private:
    struct Event {
        Nanoseconds at;
        std::function<Result<void>()> happen;
    };
    struct Guest {
        std::unique_ptr<GuestOs> os;
        std::unique_ptr<GuestOs> alone;     ///< the same, without competition
        std::optional<std::uint32_t> domid; ///< while it is there
        DomainPlace place;
    };

    World(std::unique_ptr<Machine> machine, proto::Scenario scenario,
          std::optional<proto::Arrangement> layout);
    [[nodiscard]] Result<void> make_pools();
    [[nodiscard]] Result<void> make_pool(const proto::CpuPool& pool);
    [[nodiscard]] Result<std::uint32_t> pool_id(const std::string& name) const;
    void make_guests();
    /// Lets those guests, or those without competition, know each other, and makes the back-ends.
    void connect(std::unique_ptr<GuestOs> Guest::*os,
                 const std::map<std::string, std::size_t>& by_name);
    void plan_events();
    [[nodiscard]] Result<void> start_guest(std::size_t index, Nanoseconds at);
    [[nodiscard]] Result<void> stop_guest(std::size_t index, Nanoseconds at);
    [[nodiscard]] Result<void> act(const proto::Action& action);
    [[nodiscard]] Result<Guest*> present(const std::string& name);
    [[nodiscard]] Nanoseconds time_of(double seconds) const;

    std::unique_ptr<Machine> machine_;
    proto::Scenario scenario_;
    std::optional<proto::Arrangement> layout_; ///< of all pools, whatever else is said
    intellisched::Topology topology_;
    Nanoseconds begin_;
    Nanoseconds warm_;
    Nanoseconds end_;
    Nanoseconds truth_since_;
    std::map<std::string, std::uint32_t> pool_ids_;
    std::vector<Guest> guests_; ///< as in the scenario
    mutable Alone alone_;       ///< goes on when somebody looks at it
    std::vector<Event> events_; ///< by time
    std::size_t next_event_ = 0;
};

} // namespace sim
