// SPDX-License-Identifier: MIT
// Whether the CPUs' clocks agree. A TSC can be ahead of the others' for as long as the host runs
// (firmware that writes it, a CPU that came online late); Xen corrects its own time for that, the
// records' times are the bare TSCs.
#pragma once

#include "collector/trace/event.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

namespace intellisched::trace {

/// Two witnesses. First the rounds of whoever drains the buffers: what a CPU wrote before a round
/// is older than what another one wrote after it, and so the distance of their clocks has bounds
/// that no chance can break. Within these bounds, runs of vCPUs that move: SWITCH_INFNEXT says, by
/// Xen's own time, how long ago a unit last began to run (since Xen 4.13; it is called its wait,
/// but sched_context_switch() takes the time since state_entry_time, which is set as a unit begins
/// to run). So it names that moment by the clock of the CPU that runs it now; the record of that
/// run named it by the clock of the CPU that ran it then. Which run was the one before is not known
/// where clocks differ: of all distances between the two, that of two clocks is the one which comes
/// again and again. The same of a wake-up and a run: on a CPU that idles there is next to no time
/// between.
class ClockSurvey {
  public:
    explicit ClockSurvey(std::uint64_t tsc_khz) : khz_(static_cast<double>(tsc_khz)) {}

    /// The stream as xentrace writes it, from the beginning of a window on (the first call) or from
    /// where the last call ended.
    void feed(std::span<const std::byte> bytes);
    /// True when enough has been seen.
    [[nodiscard]] bool enough() const { return rounds_ >= enough_rounds || bytes_ >= enough_bytes; }
    /// Cycles by which a CPU's TSC is ahead of those of most others, where it is beyond doubt that
    /// it is: by 0.3 s or more, since going round the buffers takes time as well.
    [[nodiscard]] std::map<unsigned, std::int64_t> offsets() const;

  private:
    static constexpr std::size_t enough_rounds = 100, enough_bytes = std::size_t{32} << 20;

    /// Moments of a vCPU, so many of each CPU: those of a CPU that it seldom runs on tell most.
    struct Moments {
        std::map<std::uint16_t, std::vector<std::uint64_t>> by_cpu; ///< TSCs
        std::size_t count = 0;
    };
    struct Vcpu {
        Moments woken;  ///< by the clock of the CPU that woke it
        Moments runs;   ///< as it began to run, by the clock of the CPU that ran it
        Moments before; ///< ... the time before, by that of the CPU that runs it next
    };

    /// First and last record of a CPU's window.
    struct Span {
        std::size_t round = 0;
        std::uint64_t first = 0, last = 0;
    };
    /// Cycles between which one clock is ahead of another.
    struct Bounds {
        std::int64_t low = 0, high = 0;
    };

    void take(const Record& record);
    void take_window(std::uint16_t cpu, std::span<const std::uint32_t> words);
    [[nodiscard]] Bounds bounds(const std::vector<Span>& of,
                                const std::vector<Span>& reference) const;
    /// Distances within the bounds that vCPUs tell of.
    [[nodiscard]] std::vector<std::int64_t> distances(std::uint16_t cpu, std::uint16_t reference,
                                                      const Bounds& bounds) const;
    /// How far a CPU's clock is ahead of the reference's: the distance within the bounds that most
    /// agree on, or the middle of narrow bounds. Nothing: the clocks may agree, or nobody can tell
    /// by how much they do not.
    [[nodiscard]] std::optional<std::int64_t> ahead(std::uint16_t cpu,
                                                    std::uint16_t reference) const;
    [[nodiscard]] std::int64_t cycles(double seconds) const {
        return static_cast<std::int64_t>(seconds * khz_ * 1000);
    }

    double khz_;
    std::unordered_map<std::uint32_t, Vcpu> vcpus_;    ///< by VcpuRef::key()
    std::map<std::uint16_t, std::vector<Span>> spans_; ///< by CPU
    std::vector<std::byte> pending_;                   ///< a window that has not come whole
    std::uint32_t last_cpu_ = 0;
    std::size_t rounds_ = 0, bytes_ = 0;
};

} // namespace intellisched::trace
