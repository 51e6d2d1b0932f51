// SPDX-License-Identifier: MIT
// The binary format of Xen's trace buffers, as xen/include/public/trace.h of Xen 4.17 defines it
// and as xentrace writes it to a file: little-endian words; a record is a header word, two words of
// TSC when the header says so, and up to seven words more.
#pragma once

#include <cstdint>

namespace intellisched::trace {

// Header word: event in bits 0-27, number of extra words in 28-30, TSC included in 31.
inline constexpr std::uint32_t event_mask = 0x0fffffff;
inline constexpr unsigned extra_words_shift = 28;
inline constexpr std::uint32_t extra_words_mask = 7;
inline constexpr std::uint32_t tsc_included = 1U << 31;
inline constexpr unsigned max_record_words = 1 + 2 + 7;

// Generic class. CPU_CHANGE is written by the tool, not by Xen: words cpu, bytes of the window that
// follows; it has no TSC.
inline constexpr std::uint32_t lost_records = 0x0001f001;
inline constexpr std::uint32_t wrap_buffer = 0x0001f002;
inline constexpr std::uint32_t cpu_change = 0x0001f003;

// All of the scheduler class: the mask for xc_tbuf_set_evt_mask. It lets the generic class through,
// which Xen never masks.
inline constexpr std::uint32_t scheduler_class = 0x0002f000;

/// Domain id that the idle vCPUs are traced under.
inline constexpr std::uint16_t idle_domain = 32767;

/// More CPUs than any Xen has: a larger number in a stream is damage.
inline constexpr std::uint32_t max_cpus = 4096;

constexpr std::uint32_t header(std::uint32_t event, unsigned words, bool tsc) {
    return event | (words << extra_words_shift) | (tsc ? tsc_included : 0);
}

/// Words of the whole record with that header.
constexpr unsigned size_of(std::uint32_t head) {
    return 1 + (head >> 31) * 2 + (head >> extra_words_shift & extra_words_mask);
}

} // namespace intellisched::trace
