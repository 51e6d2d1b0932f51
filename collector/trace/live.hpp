// SPDX-License-Identifier: MIT
// Xen's trace buffers, read in this process while Xen fills them: what xentrace does, without the
// child process, the pipe and the file. What comes out is the byte stream that xentrace writes.
#pragma once

#include "collector/trace/wire.hpp"
#include "src/base/result.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace intellisched::trace {

struct LiveOptions {
    /// Buffer pages (4 KiB) a CPU, 1 to 65535. Xen takes a size once a boot, keeps the memory until
    /// the next, and may take a smaller one than asked for; a size set earlier is used as it is.
    unsigned pages_per_cpu = 64;
    /// Classes and subclasses of events, as `xentrace -e`.
    std::uint32_t event_mask = scheduler_class;
};

/// The trace buffers of the running host; at most one consumer can have them. Tracing is on from
/// open() to close(). Needs root in dom0.
class LiveTrace {
  public:
    /// Whether this is a place where open() can work: a dom0, with the devices and the rights. The
    /// error says what is missing.
    [[nodiscard]] static Result<void> available();

    /// Takes the buffers: binds VIRQ_TBUF, sets the size (if none is set) and the event mask, turns
    /// tracing on for all CPUs, and drops stale records. Errors: another consumer has them, no
    /// memory for the buffers, no rights. Whatever was changed before an error is put back.
    [[nodiscard]] static Result<LiveTrace> open(const LiveOptions& options = {});

    /// Turns off the tracing that a consumer left on which was killed, and has all events in the
    /// mask again, as Xen begins. False: another consumer has the buffers, or this is no dom0;
    /// nothing is done. Errors: Xen's.
    [[nodiscard]] static Result<bool> stop_left_on();

    LiveTrace(LiveTrace&&) noexcept;
    LiveTrace& operator=(LiveTrace&&) noexcept;
    /// As close(); a failure is logged.
    ~LiveTrace();

    /// Appends one round over all CPUs to `out`: for each CPU that has records a CPU_CHANGE record
    /// and the window. To be called every 100 ms or so, and when fd() is readable.
    [[nodiscard]] Result<void> drain(std::vector<std::byte>& out);

    /// Readable when Xen says that a buffer is half full; then acknowledge() before draining.
    [[nodiscard]] int fd() const;
    [[nodiscard]] Result<void> acknowledge();

    /// Turns tracing off and on again, for a duty cycle or before the last drain(). Where tracing
    /// was off the stream has, for every CPU, a LOST_RECORDS record as Xen writes it when it drops
    /// records (count 0, from the TSC of the pause to that of the resume): no reader bridges it.
    [[nodiscard]] Result<void> pause();
    [[nodiscard]] Result<void> resume();

    /// Turns tracing off, puts the previous event mask back, and gives the buffers up. What is not
    /// drained by then is dropped.
    [[nodiscard]] Result<void> close();

    [[nodiscard]] unsigned pages_per_cpu() const;
    /// CPUs that have a buffer: those that were online when the buffers were made.
    [[nodiscard]] std::size_t cpus() const;

  private:
    struct Impl;
    explicit LiveTrace(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

} // namespace intellisched::trace
