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
    std::map<std::string, Nanoseconds> pools; ///< that a call is under way for: since when
    std::optional<Nanoseconds> reading;       ///< is under way since then
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

void Applier::apply(const Request& asked) {
    const auto refuse = [&](std::string why) {
        shared_->deliver(
            ApplyDone{asked.pool, {asked.serial, false, std::move(why)}, host_clock(), {}});
    };
    const std::lock_guard lock(shared_->mutex);
    if (!shared_->pools.emplace(asked.pool.name, host_clock()).second)
        return refuse("the call before has not come back; look whether xenstored and Xen answer "
                      "(xl cpupool-list)");
    const bool begun = begin([shared = shared_, asked] {
        ApplyOutcome applying = shared->calls.apply(asked);
        ApplyResult result{asked.serial, applying.result.has_value(), {}};
        if (!applying.result) result.text = applying.result.error().message;
        const std::lock_guard lock_done(shared->mutex);
        shared->pools.erase(asked.pool.name);
        shared->deliver(ApplyDone{asked.pool, std::move(result), applying.finished,
                                  std::move(applying.reading)});
    });
    if (begun) return;
    shared_->pools.erase(asked.pool.name);
    refuse("no thread can be started; the system's limits (ulimit -u) may be too low");
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
    return shared_->pools.size();
}

Nanoseconds Applier::away() const {
    const std::lock_guard lock(shared_->mutex);
    const Nanoseconds now = host_clock();
    Nanoseconds longest = shared_->reading ? now - *shared_->reading : 0;
    for (const auto& [pool, since] : shared_->pools) longest = std::max(longest, now - since);
    return longest;
}

} // namespace intellisched::service
