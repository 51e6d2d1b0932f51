// SPDX-License-Identifier: MIT
#include "src/host/observe.hpp"

#include "collector/trace/clock.hpp"
#include "collector/trace/clock_survey.hpp"
#include "src/base/log.hpp"

#include <cmath>

namespace intellisched {
namespace {

/// As much trace as may wait for the TSC frequency: some seconds of a busy host.
constexpr std::size_t calibration_bytes = std::size_t{64} << 20;

/// A survey reads the trace a second time for 100 rounds; not more often than about each minute.
constexpr std::uint64_t rounds_between_surveys = 600;
/// Surveys of one offset agree within some 10 us; a correction costs the window that is open.
constexpr double same_offset_s = 1e-3;

class Observer {
  public:
    Observer(Host& host, const ObserveOptions& options, const WindowBuilder::Sink& sink)
        : info_(host.info()), options_(options), sink_(sink), stream_("the trace") {
        if (info_.tsc_khz == 0) return;
        survey_.emplace(info_.tsc_khz);
        if (!info_.recorded) start(info_.tsc_khz);
    }

    Result<void> take(const HostItem& item) {
        if (const auto* trace = std::get_if<TraceBytes>(&item)) return take_trace(trace->bytes);
        if (!builder_) {
            early_.push_back(item);
            return {};
        }
        if (const auto* host = std::get_if<HostView>(&item)) {
            unknown_.add(host->snapshot);
            builder_->add(*host);
        } else {
            builder_->add(std::get<proto::CounterSample>(item));
        }
        return {};
    }

    Result<Observed> finish() {
        if (!builder_) {
            if (info_.tsc_khz == 0)
                calibrating_.finish([&](const trace::Record& record) { calibrator_(record); });
            TRY(begin());
        }
        stream_.finish([&](const trace::Record& record) { add(record); });
        look_for_silences();
        builder_->finish();
        return Observed{stream_.stats(), khz_, std::move(unknown_), std::move(clocks_),
                        builder_->misfits().told(info_.xen_version)};
    }

  private:
    void start(std::uint64_t khz) {
        khz_ = khz;
        builder_.emplace(WindowOptions{options_.window_seconds, info_.boot}, khz, sink_);
    }

    void add(const trace::Record& record) {
        if (record.event == trace::restart_event) [[unlikely]]
            time_restarted();
        unknown_.add(record);
        builder_->add(record);
    }

    void look_for_silences() {
        if (builder_->silences() == silences_) return;
        silences_ = builder_->silences();
        BOOST_LOG_TRIVIAL(info)
            << "the trace: no CPU wrote a record for over half a second although some were busy: "
               "the TSC was stepped forward (a suspend, a migration), or the host stood still; the "
               "window in which that was is left out";
    }

    /// A clock that is stepped later, or of a CPU that comes online later, shows in late records.
    void look_for_late() {
        const trace::StreamStats& stats = stream_.stats();
        if (stats.stepped > stepped_)
            BOOST_LOG_TRIVIAL(warning)
                << "the trace: the clock (TSC) of some CPU was stepped back, the others' were not; "
                   "windows are left out until it is corrected";
        stepped_ = stats.stepped;
        if (stats.late == late_ || survey_ || stats.rounds < surveyed_ + rounds_between_surveys)
            return;
        late_ = stats.late;
        survey_.emplace(khz_);
    }

    void time_restarted() {
        if (correcting_) return;
        survey_.emplace(khz_);
        clocks_.clear();
        offsets_.clear();
        BOOST_LOG_TRIVIAL(warning)
            << "the trace: the TSC began anew (a suspend, a migration, or a clock that was set "
               "back); the window in which it did is left out";
    }

    /// Once enough has been seen to tell clocks that differ, corrects them.
    void correct_clocks(bool now = false) {
        if (!survey_ || !(now || survey_->enough())) return;
        const auto offsets = survey_->offsets();
        survey_.reset();
        surveyed_ = stream_.stats().rounds;
        // A CPU that is not told may have been idle, and keeps what it has.
        bool news = false;
        for (const auto& [cpu, cycles] : offsets) {
            const double seconds = static_cast<double>(cycles) / (static_cast<double>(khz_) * 1000);
            const auto known = clocks_.find(cpu);
            if (known != clocks_.end() && std::abs(known->second - seconds) < same_offset_s)
                continue;
            news = true;
            clocks_[cpu] = seconds;
            offsets_[cpu] = cycles;
            BOOST_LOG_TRIVIAL(warning) << "the trace: " << clock_text(cpu, seconds);
        }
        if (!news) return;
        correcting_ = true;
        stream_.correct(offsets_, [&](const trace::Record& record) { add(record); });
        correcting_ = false;
    }

    /// A service's observation hardly ever ends: the log has each kind as it comes up.
    void warn_of_misfits() {
        if (builder_->misfits().kinds() == misfits_) return;
        misfits_ = builder_->misfits().kinds();
        for (const std::string& line : builder_->misfits().told(info_.xen_version))
            BOOST_LOG_TRIVIAL(warning) << "the trace: " << line;
    }

    Result<void> take_trace(std::span<const std::byte> bytes) {
        if (builder_) {
            if (survey_) survey_->feed(bytes);
            auto fed = stream_.feed(bytes, [&](const trace::Record& record) { add(record); });
            correct_clocks();
            look_for_late();
            look_for_silences();
            warn_of_misfits();
            return fed;
        }
        waiting_.insert(waiting_.end(), bytes.begin(), bytes.end());
        const bool full = waiting_.size() >= calibration_bytes;
        if (survey_) {
            survey_->feed(bytes);
            return survey_->enough() || full ? begin() : Result<void>{};
        }
        auto fed =
            calibrating_.feed(bytes, [&](const trace::Record& record) { calibrator_(record); });
        if (!fed || (!calibrator_.enough() && !full)) return fed;
        return begin();
    }

    /// Frequency and clocks are as well known as they will be: uses what has waited for them.
    Result<void> begin() {
        const std::vector<std::byte> bytes = std::exchange(waiting_, {});
        const auto khz = info_.tsc_khz != 0 ? info_.tsc_khz : calibrator_.khz();
        if (!khz)
            return fail("the trace: too few context switches to tell the TSC frequency; record for "
                        "longer, or record with `intellisched record`, which stores it");
        start(*khz);
        if (!survey_) {
            survey_.emplace(*khz);
            survey_->feed(bytes);
        }
        correct_clocks(true);
        for (const HostItem& item : early_) TRY(take(item));
        early_.clear();
        return stream_.feed(bytes, [&](const trace::Record& record) { add(record); });
    }

    const HostInfo& info_;
    const ObserveOptions& options_;
    const WindowBuilder::Sink& sink_;
    trace::TraceStream stream_;
    std::optional<WindowBuilder> builder_;
    std::uint64_t khz_ = 0;
    UnknownCpus unknown_;
    std::optional<trace::ClockSurvey> survey_;
    std::map<unsigned, double> clocks_;        ///< as Observed's
    std::map<unsigned, std::int64_t> offsets_; ///< the same, in cycles
    bool correcting_ = false;
    std::size_t misfits_ = 0;                             ///< kinds that were warned of
    std::uint64_t silences_ = 0, stepped_ = 0, late_ = 0; ///< that have been looked at
    std::uint64_t surveyed_ = 0; ///< round at whose end the last survey was over

    // Until the frequency is known, and of a recorded host whether its CPUs' clocks agree.
    std::vector<HostItem> early_;
    std::vector<std::byte> waiting_;
    trace::TraceStream calibrating_{"the trace"};
    trace::TscCalibrator calibrator_;
};

} // namespace

std::vector<std::string> Observed::told() const {
    std::vector<std::string> lines = unknown.told();
    lines.insert(lines.end(), misfits.begin(), misfits.end());
    return lines;
}

std::string clock_text(unsigned cpu, double seconds) {
    return fmt::format("CPU {}'s clock is {:.6f} s {} the others'; its records are taken for that "
                       "much {}",
                       cpu, std::abs(seconds), seconds > 0 ? "ahead of" : "behind",
                       seconds > 0 ? "earlier" : "later");
}

Result<Observed> observe(Host& host, const ObserveOptions& options,
                         const WindowBuilder::Sink& sink) {
    Observer observer(host, options, sink);
    for (;;) {
        auto item = TRY(host.next());
        if (!item) break;
        if (options.tap) TRY(options.tap(*item));
        TRY(observer.take(*item));
        // Only after trace bytes: what the buffers held when the time was up is looked at too.
        if (std::holds_alternative<TraceBytes>(*item) && options.stop && options.stop()) break;
    }
    return observer.finish();
}

} // namespace intellisched
