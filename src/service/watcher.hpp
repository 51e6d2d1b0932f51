// SPDX-License-Identifier: MIT
// A thread that watches the host and hands over what it sees. What is wrong with the host is a
// value, too: the thread opens the host again, after a second, then two, and so on to a minute,
// without end.
//
// A live host goes on by itself; when the loop is behind by the whole queue the thread waits, and
// what the trace loses then is known as lost. A host of its own time (a capture, a simulation) goes
// on when all that it told before has been handled: what comes of it does not depend on how fast
// the machine is, and it is never read again.
#pragma once

#include "src/host/host.hpp"
#include "src/host/observe.hpp"
#include "src/service/applier.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>

namespace intellisched::service {

/// Of a pool; `time` on the policy's clock.
struct WindowRead {
    WindowStats stats;
    Nanoseconds time = 0;
};
struct HostFailed {
    Error error;
    std::chrono::milliseconds retry_in{0};
};
/// A host of its own time has nothing more to tell, because of an error or without.
struct HostEnded {
    std::optional<Error> error;
};
using HostNews = std::variant<Reading, WindowRead, HostFailed, HostEnded>;

struct WatcherOptions {
    std::function<Result<std::unique_ptr<Host>>()> open;
    double window_seconds = 1;
    bool own_time = false; ///< of the host, rather than that of the clock
    std::size_t queue = 256;
    std::chrono::milliseconds first_wait{1000}, longest_wait{60'000};
};

class Watcher {
  public:
    /// Errors: no eventfd, no thread.
    [[nodiscard]] static Result<std::unique_ptr<Watcher>> start(WatcherOptions options);
    /// Waits for the thread, which looks after every piece of the host's (200 ms on a live one).
    ~Watcher();
    Watcher(const Watcher&) = delete;
    Watcher& operator=(const Watcher&) = delete;

    /// Has the thread end, and waits `most` for that. False: the host has not come back. Then only
    /// _exit() is left: the destructor would wait for it.
    [[nodiscard]] bool end(std::chrono::milliseconds most);

    /// How long the host has not come back to the thread: a live one does every 200 ms. 0: nothing
    /// is asked of it, as while it waits to be opened again.
    [[nodiscard]] Nanoseconds away() const;

    /// Readable when there is something to take().
    [[nodiscard]] int fd() const { return wake_.get(); }
    /// The next news; nothing: that was all so far, and all before it has been handled.
    [[nodiscard]] std::optional<HostNews> take();

    /// The calls of a host of its own time that can be rearranged: they run on the watcher's
    /// thread, because time stands still meanwhile. May outlive the watcher, and then fail.
    [[nodiscard]] HostCalls calls();

  private:
    using Task = std::function<void(Host*)>;
    /// What the threads of calls() share with this one.
    struct Shared {
        std::mutex mutex;
        std::condition_variable changed;
        std::deque<Task> tasks;
        bool ended = false; ///< no task is taken any more
        /// False: it has ended.
        [[nodiscard]] bool leave(Task task);
    };

    explicit Watcher(WatcherOptions options) : options_(std::move(options)) {}
    void run();
    /// Opens the host and watches it to its end.
    [[nodiscard]] Result<void> watch();
    void push(HostNews news);
    /// Does what calls() left to do. With no host, it fails.
    void serve(Host* host);
    /// Until the time is over or there is something to do; false: the end.
    bool wait(std::chrono::milliseconds time);
    // Tasks of calls().
    [[nodiscard]] Applying apply(Host* host, const Asked& asked);
    [[nodiscard]] Result<Reading> reading(Rearranger* rearranger);

    WatcherOptions options_;
    FileDescriptor wake_;
    std::atomic<bool> stop_ = false;
    std::atomic<Nanoseconds> asked_ = 0; ///< the host, last, on host_clock(); 0: it is not now
    std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
    // With the mutex held.
    std::deque<HostNews> queue_;
    bool handled_ = true; ///< all that was in the queue

    // The thread's own.
    std::optional<Reading> last_;
    Nanoseconds time_ = 0; ///< of a host of its own time
    bool seen_window_ = false;

    std::thread thread_; ///< last: it uses the others
};

} // namespace intellisched::service
