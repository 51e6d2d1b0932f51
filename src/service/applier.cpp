// SPDX-License-Identifier: MIT
#include "src/service/applier.hpp"

#include "src/base/files.hpp"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <sys/eventfd.h>
#include <system_error>
#include <thread>
#include <unistd.h>

namespace intellisched::service {

struct Applier::Shared {
    HostCalls calls;
    FileDescriptor wake;
    std::mutex mutex;
    /// What a call is under way for, a pool by name or a guest by UUID: since when.
    std::map<std::variant<std::string, std::uint64_t>, Nanoseconds> calls_away;
    std::optional<Nanoseconds> reading; ///< is under way since then
    std::deque<CallDone> done;

    /// With the mutex held.
    void deliver(CallDone call) {
        done.push_back(std::move(call));
        const std::uint64_t one = 1;
        (void)!::write(wake.get(), &one, sizeof one); // fails only when it is readable anyway
    }
};

namespace {

/// Runs it on a thread of its own. False: the system has none to give.
bool begin(std::function<void()> task) {
    try {
        std::thread(std::move(task)).detach();
    } catch (const std::system_error&) {
        return false;
    }
    return true;
}

} // namespace

Result<Applier> Applier::make(HostCalls calls) {
    auto shared = std::make_shared<Shared>();
    shared->calls = std::move(calls);
    shared->wake = FileDescriptor(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    if (shared->wake.get() < 0) return fail("an eventfd: {}", std::strerror(errno));
    return Applier(std::move(shared));
}

int Applier::fd() const { return shared_->wake.get(); }

std::optional<CallDone> Applier::take() {
    const std::lock_guard lock(shared_->mutex);
    if (shared_->done.empty()) {
        std::uint64_t count = 0;
        (void)!::read(shared_->wake.get(), &count, sizeof count);
        return std::nullopt;
    }
    CallDone call = std::move(shared_->done.front());
    shared_->done.pop_front();
    return call;
}

namespace {

ApplyDone done_of(const Request& asked, ApplyOutcome outcome) {
    ApplyResult result{asked.serial, outcome.result.has_value(), {}};
    if (!outcome.result) result.text = outcome.result.error().message;
    return {asked.pool, std::move(result), outcome.finished, std::move(outcome.reading)};
}
WeightDone done_of(const WeightRequest& asked, ApplyOutcome outcome) {
    return {asked, std::move(outcome.result), std::move(outcome.reading)};
}

} // namespace

template<class Key, class Asked, class Call>
void Applier::begin_call(const Key& key, const Asked& asked, Call call) {
    const auto refuse = [&](const char* why) {
        shared_->deliver(done_of(asked, {fail("{}", why), host_clock(), {}}));
    };
    const std::lock_guard lock(shared_->mutex);
    if (!shared_->calls_away.emplace(key, host_clock()).second)
        return refuse("the call before has not come back; look whether xenstored and Xen answer "
                      "(xl cpupool-list)");
    const bool begun = begin([shared = shared_, key, asked, call] {
        auto done = done_of(asked, (shared->calls.*call)(asked));
        const std::lock_guard lock_done(shared->mutex);
        shared->calls_away.erase(key);
        shared->deliver(std::move(done));
    });
    if (begun) return;
    shared_->calls_away.erase(key);
    refuse("no thread can be started; the system's limits (ulimit -u) may be too low");
}

void Applier::apply(const Request& asked) { begin_call(asked.pool.name, asked, &HostCalls::apply); }

void Applier::set_weight(const WeightRequest& asked) {
    begin_call(asked.uuid, asked, &HostCalls::set_weight);
}

void Applier::read() {
    const std::lock_guard lock(shared_->mutex);
    if (shared_->reading) return;
    const bool begun = begin([shared = shared_] {
        auto reading = shared->calls.read();
        const std::lock_guard lock_done(shared->mutex);
        shared->reading.reset();
        shared->deliver(std::move(reading));
    });
    if (begun) shared_->reading = host_clock();
}

std::size_t Applier::applying() const {
    const std::lock_guard lock(shared_->mutex);
    return shared_->calls_away.size();
}

Nanoseconds Applier::away() const {
    const std::lock_guard lock(shared_->mutex);
    const Nanoseconds now = host_clock();
    Nanoseconds longest = shared_->reading ? now - *shared_->reading : 0;
    for (const auto& [key, since] : shared_->calls_away) longest = std::max(longest, now - since);
    return longest;
}

} // namespace intellisched::service
