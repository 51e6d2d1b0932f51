// SPDX-License-Identifier: GPL-2.0-only
// Xen's trace buffers, and the tool that drains them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace sim {

/// The TSC's ticks are half a nanosecond.
inline constexpr std::uint64_t tsc_khz = 2'000'000;
constexpr std::uint64_t tsc_of(std::uint64_t ns) { return ns * (tsc_khz / 1'000'000); }

/// One buffer a CPU. A full one drops new records and tells of them with the next one that fits.
class TraceBuffers {
  public:
    explicit TraceBuffers(std::size_t cpus) : buffers_(cpus) {}

    /// As Xen's __trace_var(); `running` is the vCPU there, domain in the high half.
    void add(unsigned cpu, std::uint64_t now, std::uint32_t event, bool cycles, unsigned bytes,
             const void* data, std::uint32_t running);
    /// From now on, of a CPU.
    void resize(std::size_t bytes) { capacity_ = bytes / sizeof(std::uint32_t); }
    /// All that is there, as xentrace writes it: a window a CPU behind its CPU_CHANGE.
    [[nodiscard]] std::string drain();

  private:
    struct Buffer {
        std::vector<std::uint32_t> words;
        std::uint64_t last = 0; ///< TSC
        std::uint32_t lost = 0;
        std::uint64_t first_lost = 0;
    };
    std::size_t capacity_ = std::size_t{4} << 20; ///< words of a CPU
    std::vector<Buffer> buffers_;
};

} // namespace sim
