// SPDX-License-Identifier: MIT
// One of Xen's trace buffers, as memory that Xen writes to. Needs no Xen library.
#pragma once

#include "src/base/result.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace intellisched::trace {

/// One CPU's trace buffer as Xen shares it (struct t_buf of public/trace.h): two words `cons` and
/// `prod`, then data_size bytes of records. Both count modulo 2 * data_size, so that a full buffer
/// differs from an empty one. Xen writes prod, the one consumer writes cons.
class TraceRing {
  public:
    /// `shared` is the mapped buffer of `bytes` bytes; it must outlive this object.
    TraceRing(unsigned cpu, std::byte* shared, std::size_t bytes);

    /// Drops the contents of the buffer: records of an earlier time and another event mask.
    [[nodiscard]] Result<void> discard();

    /// Appends the contents of the buffer, and LOST_RECORDS for the gaps that were noted, to `out`
    /// as one window. Appends nothing if there is nothing. Errors: positions that no Xen writes;
    /// positions moved by another consumer.
    [[nodiscard]] Result<void> drain(std::vector<std::byte>& out);

    /// Notes that Xen traced nothing between these two TSCs. Call it while tracing is off: drain()
    /// puts a LOST_RECORDS record between what is in the buffer now and what comes later.
    void gap(std::uint64_t paused_tsc, std::uint64_t resumed_tsc);

  private:
    struct Gap {
        std::uint32_t at = 0; ///< prod, when nothing was being traced
        std::uint64_t paused_tsc = 0;
        std::uint64_t resumed_tsc = 0;
    };
    [[nodiscard]] std::uint32_t load_cons() const;
    [[nodiscard]] std::uint32_t load_prod() const;
    void store_cons(std::uint32_t cons);
    [[nodiscard]] bool valid(std::uint32_t position) const;
    [[nodiscard]] std::uint32_t distance(std::uint32_t from, std::uint32_t to) const;
    void append_data(std::vector<std::byte>& out, std::uint32_t from, std::uint32_t bytes) const;
    void append_lost(std::vector<std::byte>& out, const Gap& gap) const;

    unsigned cpu_;
    std::byte* shared_;
    std::uint32_t data_size_;
    std::uint32_t cons_;
    std::vector<Gap> gaps_;
};

} // namespace intellisched::trace
