// SPDX-License-Identifier: MIT
#include "src/host/xen_host.hpp"

#include "collector/counters/xenstat.hpp"
#include "collector/trace/live.hpp"
#include "src/base/log.hpp"
#include "src/host/duty_cycle.hpp"
#include "src/host/piped_trace.hpp"
#include "src/host/xl.hpp"

#include <algorithm>
#include <poll.h>

namespace intellisched {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// Xen wakes us when a buffer is half full; the others must not wait for that.
constexpr milliseconds drain_interval{100};
constexpr double mebibyte = 1 << 20;

/// Comes due once an interval, counted from the time it was due before, so that it does not drift;
/// what was missed is left out.
class Ticker {
  public:
    Ticker(Clock::time_point first, milliseconds interval) : due_(first), interval_(interval) {}
    [[nodiscard]] Clock::time_point due() const { return due_; }
    bool expire(Clock::time_point now) {
        if (now < due_) return false;
        due_ += interval_ * ((now - due_) / interval_ + 1);
        return true;
    }

  private:
    Clock::time_point due_;
    milliseconds interval_;
};

} // namespace

struct XenHost::Impl {
    XenOptions options;
    Xl xl;
    counters::XenStat xenstat;
    HostInfo info;
    std::optional<trace::LiveTrace> live;
    std::optional<PipedTrace> piped;
    Ticker snapshots;
    Ticker samples;
    DutyCycle duty;
    bool told_dense = false;
    std::string last_snapshot; ///< serialised, without its time
    bool snapshot_failed = false;
    bool sample_failed = false;
    bool trace_waits = false; ///< the last item was another one

    Result<std::optional<HostView>> changed_snapshot();
    std::optional<proto::CounterSample> sample();
    Result<void> turn_duty(Clock::time_point now);
    milliseconds until_due(Clock::time_point now) const;
    Result<std::optional<HostItem>> read_trace(milliseconds wait);
};

XenHost::XenHost(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
XenHost::~XenHost() = default;
const HostInfo& XenHost::info() const { return impl_->info; }

Result<std::unique_ptr<XenHost>> XenHost::open(const XenOptions& options) {
    if (options.interval < milliseconds(10) || options.snapshot_interval < milliseconds(10))
        return fail("an interval of {} ms is too short; take 10 ms at least",
                    std::min(options.interval, options.snapshot_interval).count());
    if (options.duty_ms == 0 || options.duty_ms > 1000)
        return fail("a duty cycle of {} ms a second is not possible; take 1 to 1000",
                    options.duty_ms);
    if (options.duty_ms != 1000 && !options.trace_from.empty())
        return fail("a duty cycle needs the live trace buffers; leave it out, or the trace from {}",
                    options.trace_from);
    TRY(trace::LiveTrace::available());
    auto xl = TRY(Xl::open());
    auto info = TRY(xl.info());
    auto xenstat = TRY(counters::XenStat::open());

    const auto now = Clock::now();
    auto impl =
        std::make_unique<Impl>(Impl{.options = options,
                                    .xl = std::move(xl),
                                    .xenstat = std::move(xenstat),
                                    .info = std::move(info),
                                    .live = {},
                                    .piped = {},
                                    .snapshots = Ticker(now, options.snapshot_interval),
                                    .samples = Ticker(now, options.interval),
                                    .duty = DutyCycle(now, options.duty_ms, options.trace_bytes_s),
                                    .last_snapshot = {}});
    // Last, so that nothing is traced that will not be read.
    if (options.trace_from.empty()) {
        impl->live = TRY(trace::LiveTrace::open({.pages_per_cpu = options.buffer_pages}));
    } else {
        impl->piped = TRY(PipedTrace::open(options.trace_from));
    }
    return std::unique_ptr<XenHost>(new XenHost(std::move(impl)));
}

Result<std::optional<HostItem>> XenHost::next() {
    const auto now = Clock::now();
    // Where a snapshot or a sample takes as long as its interval they are always due, and the trace
    // must be read all the same.
    if (!std::exchange(impl_->trace_waits, false)) {
        if (impl_->snapshots.expire(now)) {
            auto snapshot = TRY(impl_->changed_snapshot());
            impl_->trace_waits = snapshot.has_value();
            if (snapshot) return std::move(*snapshot);
        }
        if (impl_->samples.expire(now))
            if (auto sample = impl_->sample()) {
                impl_->trace_waits = true;
                return std::move(*sample);
            }
    }
    if (impl_->live) TRY(impl_->turn_duty(now));
    return impl_->read_trace(impl_->until_due(Clock::now()));
}

/// Nothing when it is as before. A failure is an error only for the first one: a busy host may fail
/// to answer once, and the last snapshot still holds.
Result<std::optional<HostView>> XenHost::Impl::changed_snapshot() {
    if (!xl.connected())
        return fail("xenstored does not answer any more; once it runs, start this again");
    auto snapshot = xl.snapshot();
    if (!snapshot) {
        if (last_snapshot.empty()) return tl::unexpected(snapshot.error());
        if (!std::exchange(snapshot_failed, true))
            BOOST_LOG_TRIVIAL(warning) << snapshot.error().message << " (will try again)";
        return std::nullopt;
    }
    snapshot_failed = false;
    proto::HostSnapshot timeless = snapshot->snapshot;
    timeless.clear_tsc();
    timeless.clear_monotonic_ns();
    std::string serialised = timeless.SerializeAsString();
    if (serialised == last_snapshot) return std::nullopt;
    last_snapshot = std::move(serialised);
    return std::move(*snapshot);
}

std::optional<proto::CounterSample> XenHost::Impl::sample() {
    auto sampled = xenstat.sample();
    if (sampled) {
        sample_failed = false;
        if (options.published_scores && options.published_scores())
            xl.add_published_scores(*sampled);
        return std::move(*sampled);
    }
    if (!std::exchange(sample_failed, true))
        BOOST_LOG_TRIVIAL(warning) << sampled.error().message << " (will try again)";
    return std::nullopt;
}

Result<void> XenHost::Impl::turn_duty(Clock::time_point now) {
    const auto turn = duty.turn(now);
    if (duty.too_many() > 0 && !std::exchange(told_dense, true))
        BOOST_LOG_TRIVIAL(info) << fmt::format(
            "trace-dense (the trace had {:.0f} MiB in a second, {:.0f} are allowed: from now on it "
            "is on for so much of every second as that needs, {} ms at first; trace_mb and duty "
            "set it)",
            duty.too_many() / mebibyte, options.trace_bytes_s / mebibyte, duty.duty_ms());
    if (turn == DutyCycle::Turn::on) return live->resume();
    if (turn == DutyCycle::Turn::off) return live->pause();
    return {};
}

milliseconds XenHost::Impl::until_due(Clock::time_point now) const {
    Clock::time_point due = std::min({now + drain_interval, snapshots.due(), samples.due()});
    if (live) due = std::min(due, duty.due());
    return std::max(std::chrono::ceil<milliseconds>(due - now), milliseconds(0));
}

Result<std::optional<HostItem>> XenHost::Impl::read_trace(milliseconds wait) {
    TraceBytes trace;
    if (piped) {
        auto more = TRY(piped->read(trace.bytes, wait));
        if (more) return trace;
        BOOST_LOG_TRIVIAL(info) << piped->name() << ": the trace has ended";
        return std::nullopt;
    }
    pollfd ready{live->fd(), POLLIN, 0};
    if (::poll(&ready, 1, static_cast<int>(wait.count())) > 0) TRY(live->acknowledge());
    TRY(live->drain(trace.bytes));
    duty.read(trace.bytes.size());
    return trace;
}

} // namespace intellisched
