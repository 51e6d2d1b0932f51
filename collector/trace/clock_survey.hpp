// SPDX-License-Identifier: MIT
// Whether the CPUs' clocks agree. A TSC can be ahead of the others for as long as the host runs
// (firmware wrote it, or the CPU came online late). Xen corrects its own time for that, but the
// records carry bare TSCs.
#pragma once

#include "collector/trace/event.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

namespace intellisched::trace {

/// There are two kinds of evidence.
///
/// Rounds: what a CPU wrote before a round of draining the buffers is older than what another CPU
/// wrote after that round. This gives hard bounds on the distance of their clocks.
///
/// vCPUs that move, within these bounds: SWITCH_INFNEXT says, in Xen's own time, how long ago a
/// unit last began to run (since Xen 4.13; it is called its wait, but sched_context_switch() takes
/// the time since state_entry_time, which is set as a unit begins to run). So that moment is known
/// by the clock of the CPU that runs the unit now, and, from the record of that run, by the clock
/// of the CPU that ran it then. Where clocks differ it is not known which run it was. But of all
/// the candidate distances, that of the two clocks comes again and again. A wake-up and the run
/// that follows on an idle CPU are used in the same way: hardly any time passes in between.
class ClockSurvey {
  public:
    explicit ClockSurvey(std::uint64_t tsc_khz) : khz_(static_cast<double>(tsc_khz)) {}

    /// The stream as xentrace writes it, from the beginning of a window on (the first call) or from
    /// where the last call ended.
    void feed(std::span<const std::byte> bytes);
    /// True when enough has been seen.
    [[nodiscard]] bool enough() const { return rounds_ >= enough_rounds || bytes_ >= enough_bytes; }
    /// By how many cycles a CPU's TSC is ahead of most others. Only CPUs for which this is beyond
    /// doubt: 0.3 s or more, because going round the buffers takes time as well.
    [[nodiscard]] std::map<unsigned, std::int64_t> offsets() const;

  private:
    static constexpr std::size_t enough_rounds = 100, enough_bytes = std::size_t{32} << 20;

    /// Moments of one vCPU, a limited number per CPU: the CPUs it seldom runs on tell most.
    struct Moments {
        std::map<std::uint16_t, std::vector<std::uint64_t>> by_cpu; ///< TSCs
        std::size_t count = 0;
    };
    struct Vcpu {
        Moments woken;  ///< by the clock of the CPU that woke it
        Moments runs;   ///< as it began to run, by the clock of the CPU that ran it
        Moments before; ///< as it began its run before, by the clock of the CPU that runs it next
    };

    /// First and last record of a CPU's window.
    struct Span {
        std::size_t round = 0;
        std::uint64_t first = 0, last = 0;
    };
    /// The least and the most cycles by which one clock is ahead of another.
    struct Bounds {
        std::int64_t low = 0, high = 0;
    };

    void take(const Record& record);
    void take_window(std::uint16_t cpu, std::span<const std::uint32_t> words);
    [[nodiscard]] Bounds bounds(const std::vector<Span>& of,
                                const std::vector<Span>& reference) const;
    /// The distances within the bounds, from the vCPUs' moments.
    [[nodiscard]] std::vector<std::int64_t> distances(std::uint16_t cpu, std::uint16_t reference,
                                                      const Bounds& bounds) const;
    /// How far a CPU's clock is ahead of the reference's: the distance within the bounds that most
    /// moments agree on, or the middle of narrow bounds. Nothing when the clocks may agree or the
    /// distance cannot be told.
    [[nodiscard]] std::optional<std::int64_t> ahead(std::uint16_t cpu,
                                                    std::uint16_t reference) const;
    [[nodiscard]] std::int64_t cycles(double seconds) const {
        return static_cast<std::int64_t>(seconds * khz_ * 1000);
    }

    double khz_;
    std::unordered_map<std::uint32_t, Vcpu> vcpus_;    ///< by VcpuRef::key()
    std::map<std::uint16_t, std::vector<Span>> spans_; ///< by CPU
    std::vector<std::byte> pending_;                   ///< a window of which only a part has come
    std::uint32_t last_cpu_ = 0;
    std::size_t rounds_ = 0, bytes_ = 0;
};

} // namespace intellisched::trace
