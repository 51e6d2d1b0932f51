// SPDX-License-Identifier: MIT
#include "src/service/service.hpp"

#include "collector/window/facts.hpp"
#include "src/base/log.hpp"
#include "src/host/open_host.hpp"
#include "src/pool/live_score.hpp"
#include "src/pool/pool_loop.hpp"

#include <boost/log/core.hpp>
#include <boost/log/expressions.hpp>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <sys/epoll.h>
#include <systemd/sd-daemon.h>

namespace intellisched::service {
namespace {

using namespace std::chrono_literals;

constexpr auto tick_every = 1s, publish_every = 5s;
constexpr Nanoseconds read_every = 2 * second, prune_every = hour, day = 24 * hour;
/// News that one turn of the loop handles, and for how long; what is ready besides comes after.
constexpr unsigned news_a_turn = 64;
constexpr auto turn_budget = 500ms, turn_waits_for_locks = 200ms;
/// For the way back to the boot layout, which takes milliseconds.
constexpr Nanoseconds shut_down_within = 10 * second;
/// A call to the host that has not come back: from when on that is told, from when on the watchdog
/// is no longer fed, and how long it is waited for at the end.
constexpr Nanoseconds told_after = 10 * second, unfed_after = 60 * second;
constexpr auto end_within = 5s;

UnixTime wall_clock() {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
}

Result<std::string> line_of(const char* path) {
    const auto bytes = TRY(read_file(path, 4096));
    std::string line(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return line.substr(0, line.find('\n'));
}

void log_at(boost::log::trivial::severity_level level) {
    boost::log::core::get()->set_filter(boost::log::trivial::severity >= level);
}

} // namespace

Service::Service(ServiceOptions options)
    : options_(std::move(options)),
      virtual_time_(options_.host.starts_with("capture:") || options_.host.starts_with("sim:")) {}

Service::~Service() { leaving_ = true; }

Result<std::unique_ptr<Service>> Service::start(ServiceOptions options) {
    std::unique_ptr<Service> service(new Service(std::move(options)));
    TRY(service->begin());
    return service;
}

Result<void> Service::begin() {
    sigset_t signals;
    sigemptyset(&signals);
    for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, signal);
    ::sigprocmask(SIG_BLOCK, &signals, nullptr);

    config_ = TRY(read_config(options_.config));
    if (!options_.verbose) log_at(config_.log_level);
    models_ = TRY(load_bundle(config_));

    // A host of its own time is booted with every start.
    boot_ = TRY(line_of(virtual_time_ ? "/proc/sys/kernel/random/uuid"
                                      : "/proc/sys/kernel/random/boot_id"));
    wall_start_ = wall_clock();
    started_ = host_clock();
    clock_ahead_ = wall_start_ - static_cast<UnixTime>(started_);
    journal_ = TRY(Journal::open(config_.journal, boot_, wall_start_));
    if (!journal_->warning().empty()) BOOST_LOG_TRIVIAL(warning) << journal_->warning();
    protector_.emplace(*journal_, boot_,
                       [this](const WeightRequest& asked) { applier_->set_weight(asked); });
    return begin_loop();
}

Result<void> Service::begin_loop() {
    loop_ = TRY(Loop::make());
    control_ = TRY(Control::open(*loop_, config_.socket, [this](const auto& request, Asker asker) {
        return answer(request, asker);
    }));

    const std::chrono::seconds interval(config_.interval);
    XenOptions xen;
    xen.interval = interval;
    xen.duty_ms = config_.duty;
    xen.buffer_pages = config_.buffer_pages;
    xen.trace_bytes_s = static_cast<double>(std::uint64_t{config_.trace_mb} << 20);
    guest_scores_ = config_.guest_scores();
    xen.published_scores = [this] { return guest_scores_.load(); };
    watcher_ = TRY(
        Watcher::start({.open = [this, xen] { return open_host(options_.host, xen, &leaving_); },
                        .window_seconds = static_cast<double>(interval.count()),
                        .virtual_time = virtual_time_}));
    applier_ = TRY(Applier::make(virtual_time_ ? watcher_->calls() : live_calls()));

    const auto stop = [this] { stop_ = true; };
    const auto reload_and_log = [this] {
        if (auto reloaded = reload(); !reloaded)
            BOOST_LOG_TRIVIAL(error) << reloaded.error().message << " (all stays as it was)";
    };
    sources_.push_back(TRY(loop_->on_signal(SIGTERM, stop)));
    sources_.push_back(TRY(loop_->on_signal(SIGINT, stop)));
    sources_.push_back(TRY(loop_->on_signal(SIGHUP, reload_and_log)));
    sources_.push_back(TRY(loop_->on_ready(watcher_->fd(), EPOLLIN, [this](auto) { on_news(); })));
    sources_.push_back(TRY(loop_->on_ready(applier_->fd(), EPOLLIN, [this](auto) { on_call(); })));
    sources_.push_back(TRY(loop_->every(tick_every, [this] { on_tick(); })));
    sources_.push_back(TRY(loop_->every(publish_every, [this] { publish(); })));
    TRY(loop_->feed_watchdog());
    return {};
}

Result<Models> Service::load_bundle(const ServiceConfig& config) const {
    const auto bundle = TRY(read_bundle(config.bundle.empty() ? options_.bundle : config.bundle));
    return Models::load(bundle);
}

Result<void> Service::run() {
    BOOST_LOG_TRIVIAL(info) << "intellisched " << options_.version << " with the model "
                            << models_->layout.manifest().name() << " ("
                            << models_->layout.manifest().id() << ")";
    sd_notify(0, "READY=1");
    publish();
    while (!stop_ && !failed_) {
        const auto took = TRY(turn(tick_every));
        turn_seconds_ = std::chrono::duration<double>(took).count();
    }
    BOOST_LOG_TRIVIAL(info) << "stopping";
    sd_notify(0, "STOPPING=1");
    shut_down();
    if (failed_) return tl::unexpected(*failed_);
    return {};
}

Result<Loop::Microseconds> Service::turn(Loop::Microseconds most) {
    // Who locks the journal may not keep the loop from its round, and so from the watchdog.
    return loop_->turn(most, [] {
        wait_for_locks_until(std::chrono::steady_clock::now() + turn_waits_for_locks);
    });
}

Moment Service::now() const {
    if (!virtual_time_) return {host_clock(), wall_clock()};
    return {host_time_, wall_start_ + static_cast<UnixTime>(host_time_ - host_start_)};
}

void Service::on_news() {
    const auto end = std::chrono::steady_clock::now() + turn_budget;
    for (unsigned i = 0; i < news_a_turn && std::chrono::steady_clock::now() < end; ++i) {
        const auto news = watcher_->take();
        if (!news) return;
        if (stopping_) continue;
        if (const auto* reading = std::get_if<Reading>(&*news)) {
            // Not before: libxl opens without a xenstored, and may wait for one in its next call.
            watching_ = true;
            host_ = "watching";
            saw(*reading);
        } else if (const auto* window = std::get_if<WindowNews>(&*news)) {
            saw(*window);
        } else if (const auto* failed = std::get_if<HostFailed>(&*news)) {
            saw(*failed);
        } else {
            const auto& ended = std::get<HostEnded>(*news);
            watching_ = false;
            host_ = ended.error ? ended.error->message : "ended";
            if (ended.error && !last_) { // it was never there
                failed_ = ended.error;
                return;
            }
            BOOST_LOG_STREAM_SEV(boost::log::trivial::logger::get(),
                                 ended.error ? boost::log::trivial::warning
                                             : boost::log::trivial::info)
                << "the host has ended" << (ended.error ? ": " + ended.error->message : "");
        }
    }
}

void Service::saw(const HostFailed& failed) {
    watching_ = false;
    if (host_ != failed.error.message)
        BOOST_LOG_TRIVIAL(warning) << failed.error.message << " (will be tried again, in "
                                   << failed.retry_in.count() / 1000 << " s first)";
    host_ = failed.error.message;
}

void Service::saw(const Reading& reading) {
    if (last_ && reading.taken < last_->taken) return;
    if (virtual_time_) {
        host_time_ = std::max(host_time_, reading.taken);
        if (host_start_ == 0) host_start_ = host_time_;
    }
    const auto& [snapshot, topology, pools] = reading.host;
    const bool first = !last_;
    last_ = reading;
    present_.clear();
    for (const Pool& pool : pools) {
        if (pool.scheduler != "credit2") continue;
        present_.insert(pool.name);
        PoolSeen seen =
            pool_seen(pool_facts(snapshot, topology, pool, *reading.boot.arrangement, {}), topology,
                      pool, reading.boot);
        // What was recorded cannot be changed, whatever could be at the time.
        if (options_.stock || options_.host.starts_with("capture:")) seen.can_rearrange = false;
        keeper({pool.name, pool.id}).saw(seen, pool.id, reading.taken, now());
    }
    if (first) look_back();
    for (const auto& [name, kept] : keepers_)
        if (present_.count(name) == 0) kept->gone(now());
    for (const PoolConfig& pool : config_.pools)
        if (present_.count(pool.name) == 0 && missing_.insert(pool.name).second)
            BOOST_LOG_TRIVIAL(warning) << printable(pool.name, 64)
                                       << ": there is no credit2 cpupool of that name, which the "
                                          "configuration has settings for";
}

PoolKeeper& Service::keeper(const PoolName& pool) {
    auto& kept = keepers_[pool.name];
    if (!kept)
        kept =
            std::make_unique<PoolKeeper>(pool, config_.pool(pool.name), *journal_, boot_, now(),
                                         [this](const Request& asked) { applier_->apply(asked); });
    return *kept;
}

void Service::look_back() {
    const auto open = journal_->open_trials();
    if (!open) return complain(open.error());
    for (const auto& trial : *open) (void)keeper(trial.pool);
}

void Service::saw(const WindowNews& window) {
    const WindowStats& stats = window.stats;
    if (virtual_time_) host_time_ = std::max(host_time_, window.time);
    const auto found = keepers_.find(stats.facts.pool);
    if (found == keepers_.end() || !last_) return;
    ++windows_;
    records_lost_ += stats.lost;
    PoolKeeper& keeper = *found->second;
    if (keeper.state().mode == Mode::off) return protect(stats, keeper); // to give weights back

    const LookOptions how{.intent = keeper.state().intent, .published = published(stats)};
    auto looked = look(stats, last_->host.snapshot, *models_, how);
    if (!looked) return complain(looked.error());
    const Moment moment = now();
    SteadyGuests& steady = steady_[stats.facts.pool];
    auto identities = guest_identities(last_->host.snapshot, stats.facts.pool_id);
    protector_->disregard_weights(identities);
    for (const std::uint64_t uuid : steady.saw(identities, moment.time))
        for (const proto::Domain& domain : last_->host.snapshot.domains())
            if (uuid_hash(domain) == uuid)
                BOOST_LOG_TRIVIAL(warning)
                    << printable(stats.facts.pool, 64) << ": domain " << domain.id() << " ("
                    << printable(domain.name(), 64)
                    << ") came and went, or was changed, three times within an hour: no trial is "
                       "judged by it for a day";
    std::erase_if(looked->seen.guests, [&](const GuestSeen& guest) {
        return steady.leaves_out(guest.uuid, moment.time);
    });
    looked->seen.weight_on_trial = protector_->busy(stats.facts.pool);
    windows_of_[stats.facts.pool] = {window_status(stats, looked->features), moment.time};
    const auto length = static_cast<Nanoseconds>(stats.seconds() * static_cast<double>(second));
    keeper.saw(looked->seen, looked->features, length, models_->layout.manifest().id(), moment);
    // What the model knows of the host does not matter here.
    InputGate gate = config_.pool(stats.facts.pool).settings.gate;
    gate.outside_training = std::numeric_limits<double>::infinity();
    if (!rejected(looked->seen.observation, gate)) protect(stats, keeper);
}

void Service::protect(const WindowStats& stats, const PoolKeeper& keeper) {
    const State& state = keeper.state();
    const bool busy = state.paused || state.trial || state.pending;
    const auto may = state.mode != Mode::automatic ? Protector::May::nothing
                     : busy                        ? Protector::May::finish
                                                   : Protector::May::begin;
    const proto::HostSnapshot& snapshot = last_->host.snapshot;
    protector_->keep_only(config_.protect, snapshot, now());
    protector_->saw(config_.protect, stats, snapshot, may, now());
}

Published Service::published(const WindowStats& stats) {
    const std::string& pool = stats.facts.pool;
    if (!config_.pool(pool).guest_scores) {
        scores_.erase(pool);
        return {};
    }
    GuestScores& scores = scores_[pool];
    Published published =
        scores.saw(stats.published, last_->host.snapshot, stats.facts.pool_id, now().time);
    for (const unsigned id : scores.silenced())
        BOOST_LOG_TRIVIAL(warning) << printable(pool, 64) << ": domain " << id
                                   << " publishes scores on and off; it is ignored for a day";
    return published;
}

void Service::on_call() {
    while (const auto done = applier_->take()) {
        if (const auto* applied = std::get_if<ApplyDone>(&*done)) {
            if (!applied->result.done)
                BOOST_LOG_TRIVIAL(warning)
                    << printable(applied->pool.name, 64) << ": " << applied->result.text;
            const auto found = keepers_.find(applied->pool.name);
            if (found == keepers_.end()) continue;
            if (stopping_) {
                found->second->returned(applied->result, now());
                continue;
            }
            found->second->applied(applied->result, applied->finished, now());
            if (applied->reading) saw(*applied->reading);
            continue;
        }
        if (const auto* set = std::get_if<WeightDone>(&*done)) {
            // The reading first: a window that follows has to be of the weight that is in force.
            if (set->reading && !stopping_) saw(*set->reading);
            protector_->applied(set->asked, set->result);
            continue;
        }
        const auto& reading = std::get<Result<Reading>>(*done);
        if (stopping_) continue;
        if (reading)
            saw(*reading);
        else
            complain(reading.error());
    }
}

bool Service::watched() const { return watching_ && watcher_->away() < told_after; }

std::string Service::host_text() const {
    constexpr const char* way_out = "look whether xenstored and Xen answer (xl list)";
    if (const Nanoseconds away = watcher_->away(); away >= told_after)
        return fmt::format("not watched for {} s, a call to the host does not come back; {}",
                           away / second, way_out);
    if (const Nanoseconds away = applier_->away(); away >= told_after)
        return fmt::format("{}; a layout that was asked for has not come back for {} s; {}", host_,
                           away / second, way_out);
    return host_;
}

void Service::look_after_calls() {
    const Nanoseconds away = std::max(watcher_->away(), applier_->away());
    if (std::exchange(away_told_, away >= told_after) != away_told_)
        BOOST_LOG_TRIVIAL(warning)
            << (away_told_ ? host_text() : "the call to the host has come back");
    if (std::exchange(fed_, away < unfed_after) == fed_) return;
    if (!fed_)
        BOOST_LOG_TRIVIAL(error) << host_text() << "; systemd is to end and start the service";
    if (const auto set = loop_->feed_watchdog(fed_); !set) complain(set.error());
}

void Service::on_tick() {
    look_after_calls();
    const Nanoseconds clock = host_clock();
    bool wanted = false;
    for (const std::string& name : present_) {
        PoolKeeper& keeper = *keepers_.at(name);
        keeper.tick(now());
        wanted = wanted || keeper.wants_reading();
    }
    if (wanted && watching_ && clock >= read_at_ + read_every) {
        read_at_ = clock;
        applier_->read();
    }
    if (prune_more_ || clock >= pruned_at_ + prune_every) {
        pruned_at_ = clock;
        prune();
    }
}

void Service::prune() {
    // Whatever the clock says.
    const auto shrunk = journal_->shrink(std::uint64_t{config_.journal_mb} << 20);
    if (!shrunk) complain(shrunk.error());
    const bool too_large = shrunk && *shrunk;
    // A clock that was just set ahead may be wrong: by the next time somebody may have noticed.
    const UnixTime ahead = wall_clock() - static_cast<UnixTime>(host_clock());
    prune_more_ = too_large;
    if (std::exchange(clock_ahead_, ahead) < ahead - static_cast<UnixTime>(prune_every)) return;
    const UnixTime before = wall_clock() - static_cast<UnixTime>(config_.journal_days * day);
    const auto pruned = journal_->prune(before, before);
    prune_more_ = too_large || (pruned && *pruned);
    if (!pruned) complain(pruned.error());
}

void Service::publish() {
    std::string text = host_text();
    for (const std::string& name : present_) {
        const State& state = keepers_.at(name)->state();
        const Change both =
            state.pool ? Change{state.pool->in_force, state.pool->rate_limit_us} : Change{};
        text += fmt::format("; {}: {}, {}{}{}", printable(name, 64),
                            state.pool ? to_string(both) : "not read", to_string(state.mode),
                            state.paused ? ", paused" : "", state.trial ? ", on trial" : "");
    }
    if (text != told_) {
        told_ = text;
        sd_notifyf(0, "STATUS=%s", printable(text, 1024).c_str());
    }
    if (config_.metrics.empty()) return;
    if (auto written = write_metrics(config_.metrics, metrics()); !written)
        complain(written.error());
}

void Service::complain(const Error& error) {
    if (error.message == complaint_) return;
    complaint_ = error.message;
    BOOST_LOG_TRIVIAL(warning) << complaint_;
}

void Service::shut_down() {
    stopping_ = true;
    control_.reset();
    give_weights_back();
    if (config_.return_to_boot_layout) return_to_boot_layouts();
    leaving_ = true;
    if (watcher_->end(end_within)) return;
    BOOST_LOG_TRIVIAL(error) << "the host does not come back; the service ends all the same";
    journal_.reset();
    std::_Exit(EXIT_SUCCESS); // anything else would wait for the thread
}

void Service::wait_for_calls(Nanoseconds until) {
    while (applier_->applying() > 0 && host_clock() < until)
        if (!turn(100ms)) return;
    on_call(); // what failed is logged
}

void Service::give_weights_back() {
    if (!last_) return;
    const Nanoseconds until = host_clock() + shut_down_within;
    wait_for_calls(until);
    protector_->keep_only({}, last_->host.snapshot, now());
    wait_for_calls(until);
}

void Service::return_to_boot_layouts() {
    const Nanoseconds until = host_clock() + shut_down_within;
    // A change that is under way would refuse another one, and then be what stays.
    wait_for_calls(until);
    for (const std::string& name : present_)
        if (const auto asked = keepers_.at(name)->return_to_boot(now())) applier_->apply(*asked);
    wait_for_calls(until);
    if (applier_->applying() > 0)
        BOOST_LOG_TRIVIAL(error) << "libxl does not come back; look at the layouts in force";
}

} // namespace intellisched::service
