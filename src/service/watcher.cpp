// SPDX-License-Identifier: MIT
#include "src/service/watcher.hpp"

#include "src/pool/live_score.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <future>
#include <sys/eventfd.h>
#include <system_error>
#include <unistd.h>

namespace intellisched::service {
namespace {

constexpr double ns_of_second = 1e9;

/// A time stamp counter in nanoseconds; one that cannot be is as late as can be.
Nanoseconds nanoseconds(std::uint64_t tsc, double hz) {
    const double ns = static_cast<double>(tsc) / hz * ns_of_second;
    return ns >= 0 && ns < 0x1p63 ? static_cast<Nanoseconds>(ns) : Nanoseconds{1} << 63;
}

} // namespace

Result<std::unique_ptr<Watcher>> Watcher::start(WatcherOptions options) {
    std::unique_ptr<Watcher> watcher(new Watcher(std::move(options)));
    watcher->wake_ = FileDescriptor(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    if (watcher->wake_.get() < 0) return fail("an eventfd: {}", std::strerror(errno));
    try {
        watcher->thread_ = std::thread([w = watcher.get()] { w->run(); });
    } catch (const std::system_error& error) {
        return fail("no thread can be started: {}; the system's limits (ulimit -u) may be too low",
                    error.what());
    }
    return watcher;
}

bool Watcher::end(std::chrono::milliseconds most) {
    if (!thread_.joinable()) return true;
    std::unique_lock lock(shared_->mutex);
    stop_ = true;
    shared_->changed.notify_all();
    return shared_->changed.wait_for(lock, most, [&] { return shared_->ended; });
}

Watcher::~Watcher() {
    (void)end(std::chrono::milliseconds(0));
    if (thread_.joinable()) thread_.join();
}

Nanoseconds Watcher::away() const {
    const Nanoseconds asked = asked_;
    return asked == 0 ? 0 : host_clock() - asked;
}

std::optional<HostNews> Watcher::take() {
    const std::lock_guard lock(shared_->mutex);
    if (queue_.empty()) {
        std::uint64_t count = 0;
        (void)!::read(wake_.get(), &count, sizeof count);
        handled_ = true;
        shared_->changed.notify_all();
        return std::nullopt;
    }
    HostNews news = std::move(queue_.front());
    queue_.pop_front();
    shared_->changed.notify_all();
    return news;
}

void Watcher::push(HostNews news) {
    const bool watching = asked_.exchange(0) != 0; // what is waited for here is the service
    std::unique_lock lock(shared_->mutex);
    shared_->changed.wait(lock, [&] { return stop_ || queue_.size() < options_.queue; });
    if (stop_) return;
    queue_.push_back(std::move(news));
    handled_ = false;
    const std::uint64_t one = 1;
    (void)!::write(wake_.get(), &one, sizeof one); // fails only when it is readable anyway
    if (options_.virtual_time) shared_->changed.wait(lock, [&] { return stop_ || handled_; });
    if (watching) asked_ = host_clock();
}

bool Watcher::wait(std::chrono::milliseconds time) {
    std::unique_lock lock(shared_->mutex);
    shared_->changed.wait_for(lock, time, [&] { return stop_ || !shared_->tasks.empty(); });
    return !stop_;
}

void Watcher::run() {
    using Clock = std::chrono::steady_clock;
    auto pause = options_.first_wait;
    while (!stop_) {
        seen_window_ = false;
        asked_ = host_clock();
        auto watched = watch();
        asked_ = 0; // it is closed, too
        last_.reset();
        if (stop_) break;
        if (options_.virtual_time) {
            push(HostEnded{watched ? std::nullopt : std::optional(watched.error())});
            while (wait(std::chrono::hours(1))) serve(nullptr);
            break;
        }
        if (watched) watched = fail("the host has nothing more to tell");
        if (seen_window_) pause = options_.first_wait; // it did work meanwhile
        push(HostFailed{watched.error(), pause});
        for (const auto until = Clock::now() + pause; Clock::now() < until;) {
            if (!wait(std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()))) break;
            serve(nullptr);
        }
        pause = std::min(2 * pause, options_.longest_wait);
    }
    {
        const std::lock_guard lock(shared_->mutex);
        shared_->ended = true;
    }
    shared_->changed.notify_all();
    serve(nullptr);
}

Result<void> Watcher::watch() {
    auto host = TRY(options_.open());
    const HostInfo& info = host->info();
    ObserveOptions observing{.window_seconds = options_.window_seconds};
    observing.stop = [&] { return stop_.load(); };
    observing.tap = [&](const HostItem& item) -> Result<void> {
        asked_ = host_clock();
        const auto* seen = std::get_if<HostView>(&item);
        if (!seen) {
            serve(host.get());
            return {};
        }
        if (info.tsc_khz != 0)
            time_ = std::max(
                time_, nanoseconds(seen->snapshot.tsc(), static_cast<double>(info.tsc_khz) * 1000));
        last_ = Reading{*seen, booted(info),
                        options_.virtual_time ? time_ : Nanoseconds{seen->snapshot.monotonic_ns()}};
        push(*last_);
        return {};
    };
    const auto observed = observe(*host, observing, [&](const WindowStats& stats) {
        time_ = std::max(time_, nanoseconds(stats.end_tsc, stats.tsc_hz));
        seen_window_ = true;
        push(WindowNews{stats, options_.virtual_time ? time_ : host_clock()});
    });
    serve(host.get());
    if (!observed) return tl::unexpected(observed.error());
    return {};
}

void Watcher::serve(Host* host) {
    for (;;) {
        std::function<void(Host*)> task;
        {
            const std::lock_guard lock(shared_->mutex);
            if (shared_->tasks.empty()) return;
            task = std::move(shared_->tasks.front());
            shared_->tasks.pop_front();
        }
        task(host);
    }
}

bool Watcher::Shared::queue(Task task) {
    const std::lock_guard lock(mutex);
    if (ended) return false;
    tasks.push_back(std::move(task));
    changed.notify_all();
    return true;
}

Result<Reading> Watcher::reading(Configurator* configurator) {
    if (!last_) return fail("the host has ended, or has not told of its pools yet");
    Reading reading = *last_;
    reading.taken = time_;
    if (!configurator) return reading;
    for (std::size_t i = 0; Pool & pool : reading.host.pools) {
        proto::Pool& told = *reading.host.snapshot.mutable_pools(static_cast<int>(i++));
        if (pool.rate_limit_us) {
            pool.rate_limit_us = TRY(configurator->rate_limit(pool));
            told.set_rate_limit_us(*pool.rate_limit_us);
        }
        if (!pool.can_rearrange) continue;
        const InForce now = TRY(configurator->layout(pool));
        pool.arrangement = now.arrangement;
        pool.runqueues = now.runqueues;
        *told.mutable_arrangement() = message_of(now.arrangement);
        told.set_runqueues(now.runqueues);
    }
    return reading;
}

/// Into what was read last.
void Watcher::take(const WeightRequest& done) {
    for (proto::Domain& domain : *last_->host.snapshot.mutable_domains())
        if (domain.id() == done.domain) domain.set_weight(done.to);
}

template<class Asked> ApplyOutcome Watcher::apply(Host* host, const Asked& asked) {
    auto* configurator = dynamic_cast<Configurator*>(host);
    if (!configurator || !last_)
        return {
            fail("the host has ended, or is a recorded one; nothing can be changed"), time_, {}};
    auto result = apply_to(*configurator, last_->host, asked);
    if (result) take(asked);
    ApplyOutcome applying{std::move(result), time_, {}};
    if (auto after = reading(configurator)) applying.reading = std::move(*after);
    return applying;
}

HostCalls Watcher::calls() {
    static constexpr const char* gone = "the service is being stopped";
    const auto change = [this, shared = shared_](const auto& asked) -> ApplyOutcome {
        auto promise = std::make_shared<std::promise<ApplyOutcome>>();
        const bool left =
            shared->queue([=, this](Host* host) { promise->set_value(apply(host, asked)); });
        if (!left) return {fail("{}", gone), 0, {}};
        return promise->get_future().get();
    };
    return {.apply = change,
            .read = [this, shared = shared_]() -> Result<Reading> {
                auto promise = std::make_shared<std::promise<Result<Reading>>>();
                const bool left = shared->queue([=, this](Host* host) {
                    promise->set_value(reading(dynamic_cast<Configurator*>(host)));
                });
                if (!left) return fail("{}", gone);
                return promise->get_future().get();
            },
            .set_weight = change};
}

} // namespace intellisched::service
