// SPDX-License-Identifier: MIT
#include "src/host/observe.hpp"

#include "collector/trace/clock.hpp"

namespace intellisched {
namespace {

/// As much trace as may wait for the TSC frequency: some seconds of a busy host.
constexpr std::size_t calibration_bytes = std::size_t{64} << 20;

class Observer {
  public:
    Observer(Host& host, const ObserveOptions& options, const WindowBuilder::Sink& sink)
        : info_(host.info()), options_(options), sink_(sink), stream_("the trace") {
        if (info_.tsc_khz != 0) start(info_.tsc_khz);
    }

    Result<void> take(const HostItem& item) {
        if (const auto* trace = std::get_if<TraceBytes>(&item)) return take_trace(trace->bytes);
        if (!builder_) {
            early_.push_back(item);
            return {};
        }
        if (const auto* snapshot = std::get_if<proto::HostSnapshot>(&item)) {
            unknown_.add(*snapshot);
            return builder_->add(*snapshot);
        }
        builder_->add(std::get<proto::CounterSample>(item));
        return {};
    }

    Result<Observed> finish() {
        if (!builder_) {
            calibrating_.finish([&](const trace::Record& record) { calibrator_(record); });
            if (auto begun = begin(); !begun) return tl::unexpected(begun.error());
        }
        stream_.finish([&](const trace::Record& record) { add(record); });
        builder_->finish();
        return Observed{stream_.stats(), khz_, std::move(unknown_)};
    }

  private:
    void start(std::uint64_t khz) {
        khz_ = khz;
        builder_.emplace(WindowOptions{options_.window_seconds, info_.boot}, khz, sink_);
    }

    void add(const trace::Record& record) {
        unknown_.add(record);
        builder_->add(record);
    }

    Result<void> take_trace(std::span<const std::byte> bytes) {
        if (builder_) return stream_.feed(bytes, [&](const trace::Record& record) { add(record); });
        waiting_.insert(waiting_.end(), bytes.begin(), bytes.end());
        auto fed =
            calibrating_.feed(bytes, [&](const trace::Record& record) { calibrator_(record); });
        if (!fed || (!calibrator_.enough() && waiting_.size() < calibration_bytes)) return fed;
        return begin();
    }

    /// The frequency is as well known as it will be: uses what has waited for it.
    Result<void> begin() {
        const auto khz = calibrator_.khz();
        if (!khz)
            return fail("the trace: too few context switches to tell the TSC frequency; record for "
                        "longer, or record with `intellisched record`, which stores it");
        start(*khz);
        for (const HostItem& item : early_)
            if (auto taken = take(item); !taken) return taken;
        early_.clear();
        const std::vector<std::byte> bytes = std::exchange(waiting_, {});
        return take_trace(bytes);
    }

    const HostInfo& info_;
    const ObserveOptions& options_;
    const WindowBuilder::Sink& sink_;
    trace::TraceStream stream_;
    std::optional<WindowBuilder> builder_;
    std::uint64_t khz_ = 0;
    UnknownCpus unknown_;

    // Until the frequency is known.
    std::vector<HostItem> early_;
    std::vector<std::byte> waiting_;
    trace::TraceStream calibrating_{"the trace"};
    trace::TscCalibrator calibrator_;
};

} // namespace

Result<Observed> observe(Host& host, const ObserveOptions& options,
                         const WindowBuilder::Sink& sink) {
    Observer observer(host, options, sink);
    for (;;) {
        auto item = host.next();
        if (!item) return tl::unexpected(item.error());
        if (!*item) break;
        if (options.tap)
            if (auto tapped = options.tap(**item); !tapped) return tl::unexpected(tapped.error());
        if (auto taken = observer.take(**item); !taken) return tl::unexpected(taken.error());
        // Only after trace bytes: what the buffers held when the time was up is looked at too.
        if (std::holds_alternative<TraceBytes>(**item) && options.stop && options.stop()) break;
    }
    return observer.finish();
}

} // namespace intellisched
