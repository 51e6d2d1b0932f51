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
    /// Buffer pages (4 KiB) per CPU, 1 to 65535. Xen accepts a size once per boot and keeps the
    /// memory until the next. It may take fewer pages than asked for. A size that was set earlier
    /// is used as it is.
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

    /// Turns off tracing that a killed consumer left on, and sets the mask to all events, as at
    /// boot. False: another consumer has the buffers, or this is no dom0; then nothing is done.
    /// Errors: Xen's.
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

    /// Turns tracing off and on again, for a duty cycle or before the last drain(). For the time in
    /// which it was off the stream has a LOST_RECORDS record for every CPU, as Xen writes it for
    /// dropped records, with count 0 and the TSCs of pause and resume. So no reader infers anything
    /// across it.
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
