// SPDX-License-Identifier: MIT
#include "bench/experiment/live.hpp"

#include "bench/experiment/load_command.hpp"
#include "bench/experiment/runner.hpp"
#include "collector/window/features.hpp"
#include "src/base/folder.hpp"
#include "src/base/log.hpp"
#include "src/host/apply.hpp"
#include "src/host/observe.hpp"
#include "src/layout/snapshot.hpp"
#include "src/model/estimate.hpp"
#include "src/model/sample.hpp"

#include <algorithm>
#include <cmath>

namespace intellisched::bench {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr double default_warmup_s = 2, default_measured_s = 5;
constexpr unsigned most_bad_windows = 30; // in a row: the layout does not come into force

/// What a benchmark changes of the host for an entry, and how it is undone.
struct Change {
    std::string entry;
    Pool pool;
    Arrangement original;
    std::string stop; ///< the entry's, of the plan at hand
};

/// The file and its name are on the disk before anything is changed.
Result<void> remember(const fs::path& path, const Change& change) {
    proto::Restore restore;
    restore.set_pool(change.pool.name);
    *restore.mutable_arrangement() = message_of(change.original);
    restore.set_entry(change.entry);
    auto record = TRY(encode_record(restore.SerializeAsString()));
    const std::string bytes = encode_header(restore_format) + record;
    const auto folder = TRY(Folder::open(path.parent_path()));
    auto written = folder.replace(path.filename().string(), std::as_bytes(std::span(bytes)));
    return written ? folder.sync() : written;
}

Result<void> put_back(Configurator& configurator, const Pool& pool, const Arrangement& original) {
    const auto now = configurator.layout(pool);
    if (now && now->arrangement == original) return {};
    if (auto set = configurator.set_layout(pool, original); !set)
        return fail("{}: {} could not be put back: {}; run the benchmark again, or "
                    "`intellisched apply --pool {} --layout {} --max-cpus {}`",
                    pool.name, to_string(original), set.error().message,
                    pool_argument(pool.name, pool.id), to_string(original.layout),
                    original.max_cpus == no_cap ? "none" : fmt::to_string(original.max_cpus));
    return {};
}

/// Both are tried, whatever comes of the other; the file goes when both are done.
Result<void> undo(Configurator& configurator, const Change& change, const fs::path& path,
                  std::chrono::milliseconds limit, bool must_stop = true) {
    const auto back = put_back(configurator, change.pool, change.original);
    if (!change.stop.empty())
        if (const auto stopped = run_load_command(change.stop, limit, nullptr);
            !stopped && back && must_stop)
            return fail("{}: its stop command {}; the layout is put back; end the load by hand and "
                        "remove {}, or run the benchmark again, which runs the command again",
                        printable(change.entry, 64), stopped.error().message, path.string());
    if (!back) return back;
    std::error_code ignored;
    fs::remove(path, ignored);
    return {};
}

/// What a killed benchmark left changed. Of the load the file has the entry's name only: what is
/// run is what the plan at hand says of it.
Result<void> undo_left(Configurator& configurator, const std::vector<Pool>& pools,
                       std::span<const Entry> entries, const fs::path& path,
                       std::chrono::milliseconds limit) {
    std::error_code ignored;
    if (!fs::exists(path, ignored)) return {};
    auto reader = TRY(RecordReader::open(path, restore_format, Author::trusted));
    proto::Restore restore;
    auto got = TRY(reader.next(restore));
    const auto original = arrangement_of(restore.arrangement());
    if (!got || !original)
        return fail("{}: does not say what to put back; look at the pools and remove the file",
                    path.string());
    auto pool = find_pool(pools, restore.pool());
    if (!pool)
        return fail("{}: {}; remove the file if the pool is gone for good", path.string(),
                    pool.error().message);
    const auto entry = std::find_if(entries.begin(), entries.end(),
                                    [&](const Entry& one) { return one.name == restore.entry(); });
    const bool known = entry != entries.end();
    const Change change{restore.entry(), *pool, *original, known ? entry->stop : std::string()};
    TRY(undo(configurator, change, path, limit));
    BOOST_LOG_TRIVIAL(warning)
        << pool->name << ": put back " << to_string(change.original)
        << (change.stop.empty() ? "" : " and ran the stop command")
        << ", as a benchmark that was killed had not"
        << (known ? ""
                  : "; its entry '" + printable(change.entry, 64) +
                        "' is not in this plan: if it had a load, end that by hand");
    return {};
}

/// Knows the last snapshot that the host gave, with which every observation begins.
class Remembering final : public Host {
  public:
    explicit Remembering(Host& host) : host_(host) {}
    [[nodiscard]] const HostInfo& info() const override { return host_.info(); }
    [[nodiscard]] Result<std::optional<HostItem>> next() override {
        if (std::exchange(again_, false)) return HostItem(last_);
        auto item = host_.next();
        if (item && *item)
            if (const auto* host = std::get_if<HostView>(&**item)) last_ = *host;
        return item;
    }
    /// Leaves out what has been traced up to now.
    [[nodiscard]] Result<void> skip() {
        for (again_ = false;;) {
            auto item = TRY(next());
            if (!item || std::holds_alternative<TraceBytes>(*item)) break;
        }
        again_ = true;
        return {};
    }

  private:
    Host& host_;
    HostView last_;
    bool again_ = false;
};

struct Trial {
    Layout layout = Layout::cpu;
    unsigned repeat = 0;
};

/// One entry: its trials one after the other, driven by the windows as they come.
class LiveEntry {
  public:
    LiveEntry(Configurator& configurator, const Plan& plan, const Entry& entry, Results& results,
              const LiveOptions& options, const Topology& topology, const Pool& pool)
        : configurator_(configurator), plan_(plan), entry_(entry), results_(results),
          options_(options), topology_(topology), pool_(pool),
          same_(representatives(topology, pool, no_cap)),
          fingerprint_(fingerprint(entry, {}, plan, 0, {})),
          settle_(static_cast<unsigned>(
              std::ceil(plan.warmup_s > 0 ? plan.warmup_s : default_warmup_s))),
          measured_(static_cast<std::size_t>(
              std::ceil(plan.measured_s > 0 ? plan.measured_s : default_measured_s))) {}

    /// Stores what needs no measuring, draws the order of the rest. Errors: those of the results.
    Result<void> prepare() {
        std::uint64_t state = plan_.seed;
        for (unsigned repeat = 0; repeat < plan_.repeats; ++repeat) {
            const std::size_t from = trials_.size();
            for (const Layout layout : plan_.layouts) {
                if (results_.has({entry_.name, layout, repeat}, fingerprint_)) continue;
                const auto measured =
                    std::find_if(plan_.layouts.begin(), plan_.layouts.end(), [&](Layout one) {
                        return same_[index(one)] == same_[index(layout)];
                    });
                if (*measured == layout) {
                    trials_.push_back({layout, repeat});
                    continue;
                }
                proto::Run run = run_of({layout, repeat});
                run.set_same_as(std::string(to_string(*measured)));
                TRY(results_.add(run));
            }
            for (std::size_t i = trials_.size(); i > from + 1; --i) {        // Fisher and Yates
                state = state * 6364136223846793005U + 1442695040888963407U; // Knuth's MMIX
                std::swap(trials_[i - 1], trials_[from + (state >> 33) % (i - from)]);
            }
        }
        return {};
    }
    [[nodiscard]] bool over() const { return next_ >= trials_.size() || !stored_; }
    [[nodiscard]] const Result<void>& stored() const { return stored_; }
    void fail_next(const Error& error) { store_failure(error); }

    /// Gives the pool the layout of the next trial; one that cannot be given has failed.
    void begin() {
        windows_.clear();
        passed_ = bad_ = 0;
        last_window_ = Clock::now();
        while (!over()) {
            auto applied = apply(configurator_, topology_, pool_, {.arrangement = wanted()}, false);
            if (applied) return;
            store_failure(applied.error());
        }
    }

    void see(const proto::HostSnapshot& snapshot) { snapshot_ = snapshot; }

    void see(const WindowStats& stats) {
        if (over() || ended_ || stats.facts.pool_id != pool_.id) return;
        last_window_ = Clock::now();
        if (!usable(stats, pool_, wanted())) {
            if (++bad_ < most_bad_windows) return;
            store_failure({fmt::format("no usable window of {} under {}: the trace is lossy, or "
                                       "something else changes the pool",
                                       most_bad_windows, to_string(wanted()))});
            return begin();
        }
        bad_ = 0;
        if (passed_ < settle_) {
            ++passed_;
            return;
        }
        windows_.push_back(stats);
        if (windows_.size() < measured_) return;
        proto::Run run = run_of(trials_[next_]);
        for (const WindowStats& window : windows_) {
            const FeatureVector vector = feature_vector(window);
            run.add_windows()->mutable_features()->Assign(vector.values.begin(),
                                                          vector.values.end());
        }
        *run.mutable_truth() = estimate(windows_, snapshot_);
        const auto costs = costs_for_sample({}); // a host does not tell them
        run.mutable_costs()->Assign(costs.begin(), costs.end());
        store(run);
        begin();
    }

    /// Asked after every piece of trace: whether to go on. Tells the progress.
    Result<bool> go_on() {
        ended_ = over() || (options_.stop && *options_.stop);
        if (ended_) return false;
        if (options_.progress)
            options_.progress(fmt::format("{}: {}", entry_.name, to_string(wanted())), next_,
                              trials_.size());
        if (Clock::now() - last_window_ > options_.patience)
            return fail("{}: no window for {} s; is another program reading the trace?", pool_.name,
                        options_.patience.count());
        return true;
    }

  private:
    [[nodiscard]] Arrangement wanted() const { return {trials_[next_].layout, no_cap}; }
    [[nodiscard]] proto::Run run_of(const Trial& trial) const {
        proto::Run run;
        run.set_entry(entry_.name);
        run.set_layout(std::string(to_string(trial.layout)));
        run.set_repeat(trial.repeat);
        run.set_fingerprint(fingerprint_);
        run.set_family(entry_.family);
        run.set_topology(entry_.topology);
        run.set_pool(pool_.name);
        run.set_schema_version(feature_schema_version);
        for (const Layout layout : same_) run.add_representative(std::string(to_string(layout)));
        return run;
    }
    void store(const proto::Run& run) {
        ++next_;
        stored_ = results_.add(run);
        if (stored_) stored_ = results_.sync();
    }
    void store_failure(const Error& error) {
        proto::Run run = run_of(trials_[next_]);
        run.set_error(error.message);
        store(run);
    }

    Configurator& configurator_;
    const Plan& plan_;
    const Entry& entry_;
    Results& results_;
    const LiveOptions& options_;
    const Topology& topology_;
    const Pool& pool_;
    Representatives same_;
    std::string fingerprint_;
    unsigned settle_;
    std::size_t measured_;
    std::vector<Trial> trials_;
    std::size_t next_ = 0;
    proto::HostSnapshot snapshot_;
    std::vector<WindowStats> windows_; ///< of the trial
    unsigned passed_ = 0, bad_ = 0;
    Clock::time_point last_window_;
    bool ended_ = false; ///< what is still handed over is cut off
    Result<void> stored_;
};

/// The trials of one entry, with the pool changed meanwhile.
Result<void> observe_trials(Remembering& host, LiveEntry& trials) {
    Result<void> went_on;
    ObserveOptions observation;
    observation.tap = [&](const HostItem& item) -> Result<void> {
        if (const auto* now = std::get_if<HostView>(&item)) trials.see(now->snapshot);
        return {};
    };
    observation.stop = [&] {
        const auto more = trials.go_on();
        if (!more) went_on = tl::unexpected(more.error());
        return !more || !*more;
    };
    TRY(host.skip());
    trials.begin();
    auto observed =
        observe(host, observation, [&](const WindowStats& stats) { trials.see(stats); });
    if (!observed) return tl::unexpected(observed.error());
    return went_on ? trials.stored() : went_on;
}

/// The same under the entry's own load; `load` gets what of it runs in the background. A load that
/// cannot be started is the failure of the next trial: false.
Result<bool> measure(Remembering& host, LiveEntry& trials, const Entry& entry,
                     const LiveOptions& options, LoadGroup& load) {
    if (!entry.start.empty()) {
        auto started = run_load_command(entry.start, options.command_limit, options.stop);
        if (!started) {
            if (options.stop && *options.stop) return false;
            trials.fail_next({"the start command " + started.error().message});
            return trials.stored().map([] { return false; });
        }
        load = std::move(*started);
    }
    return observe_trials(host, trials).map([] { return true; });
}

} // namespace

Result<std::string> run_live(Host& host, Configurator& configurator, const Plan& plan,
                             std::span<const Entry> entries, Results& results,
                             const fs::path& directory, const LiveOptions& options) {
    Remembering from_here(host);
    auto item = TRY(from_here.next());
    if (!item || !std::holds_alternative<HostView>(*item))
        return fail("the host gave no snapshot of its topology");
    const auto& [snapshot, topology, pools] = std::get<HostView>(*item);
    const fs::path path = directory / restore_name;
    TRY(undo_left(configurator, pools, entries, path, options.command_limit));

    std::string undone;
    for (const Entry& entry : entries) {
        if (options.stop && *options.stop) break;
        auto pool = TRY(find_pool(pools, entry.pool));
        LiveEntry trials(configurator, plan, entry, results, options, topology, pool);
        TRY(trials.prepare());
        if (trials.over()) continue;
        const auto original = TRY(configurator.layout(pool));
        const Change change{entry.name, pool, original.arrangement, entry.stop};
        TRY(remember(path, change));

        LoadGroup load; // ends after the stop command
        const auto measured = measure(from_here, trials, entry, options, load);
        // Where there was nothing to stop, it does not matter how that ends.
        const bool must_stop = !measured || *measured;
        // An error of this is worse than whatever else went wrong.
        TRY(undo(configurator, change, path, options.command_limit, must_stop));
        if (!measured) return tl::unexpected(measured.error());
        undone = fmt::format("{} has {} again{}", pool.name, to_string(change.original),
                             entry.stop.empty() ? "" : ", the stop command has run");
    }
    return undone;
}

} // namespace intellisched::bench
