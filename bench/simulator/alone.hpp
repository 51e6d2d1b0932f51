// SPDX-License-Identifier: GPL-2.0-only
// Guests without competition: what they would use if nobody ever waited for a CPU that another
// guest has. There is no Xen, nothing costs anything, and each guest has CPUs of its own. So it
// depends on the scenario and its seed only, not on layouts, limits or costs, and takes a fraction
// of the time.
#pragma once

#include "bench/simulator/guest.hpp"

#include <deque>
#include <queue>
#include <vector>

namespace sim {

class Alone final : public Platform {
  public:
    /// Time begins at `begin`. After `most_steps` of the guests' steps nothing more happens, and
    /// what they have run until then stands for the rest of the time: alone, guests may do many
    /// times the steps that they do where they compete.
    Alone(Nanoseconds begin, double most_steps)
        : begin_(begin), now_(begin), until_(begin), counted_from_(begin), steps_left_(most_steps) {
    }

    /// A guest comes now, to so many CPUs of its own; it must not be there. `workload` has to live
    /// until it goes.
    void start(std::uint32_t guest, Workload& workload, unsigned vcpus, unsigned cpus);
    void stop(std::uint32_t guest);
    void advance(Nanoseconds until);

    /// Begins to count anew.
    void reset();
    /// What a guest has run since the last reset, on all its vCPUs.
    [[nodiscard]] double run_ns(std::uint32_t guest) const;

    [[nodiscard]] Nanoseconds now() const override { return now_; }
    void notify(VcpuId to) override;
    void set_timer(VcpuId vcpu, Nanoseconds at) override;
    [[nodiscard]] Nanoseconds waiting_since(VcpuId) const override { return 0; }
    void call_outside(std::uint32_t guest, Nanoseconds at, std::uint64_t token) override;

  private:
    struct Vcpu {
        bool blocked = false;
        bool pending = false;
        bool works = false; ///< and does not spin
        Nanoseconds timer = 0;
    };
    struct Guest {
        Workload* workload = nullptr; ///< null: it is not there
        unsigned times = 0;           ///< that it has come
        std::vector<Vcpu> vcpus;
        unsigned free_cpus = 0;
        std::deque<unsigned> waiting; ///< vCPUs for one of its CPUs
        unsigned working = 0;         ///< vCPUs, ...
        Nanoseconds since = 0;        ///< ... since then
        double run_ns = 0;            ///< up to then
        double run_before_ns = 0;     ///< until the last reset
    };
    enum class Kind : std::uint8_t { end_of_step, timer, outside };
    struct Event {
        Nanoseconds at;
        std::uint64_t order;
        Kind kind;
        std::uint32_t guest;
        unsigned times;     ///< of the guest: those of one that has gone come to nothing
        std::uint64_t what; ///< vCPU or token
        friend bool operator>(const Event& a, const Event& b) {
            return a.at != b.at ? a.at > b.at : a.order > b.order;
        }
    };

    void plan(Nanoseconds at, Kind kind, std::uint32_t guest, std::uint64_t what);
    void happen(const Event& event);
    void dispatch();
    void run(std::uint32_t guest, unsigned vcpu);
    [[nodiscard]] double total_ns(const Guest& guest) const;
    void count(Guest& guest, int more);

    Nanoseconds begin_;
    Nanoseconds now_;          ///< where the guests are, ...
    Nanoseconds until_;        ///< ... and where they were to go
    Nanoseconds counted_from_; ///< the last reset
    double steps_left_;
    std::uint64_t order_ = 0;
    std::vector<Guest> guests_;
    std::vector<VcpuId> woken_;
    std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
};

} // namespace sim
