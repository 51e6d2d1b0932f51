// SPDX-License-Identifier: MIT
// A thread that watches the host and hands over what it sees. A host that fails is news, too: the
// thread opens it again, after a second, then two, and so on to a minute, without end.
//
// A live host does not wait. When the loop is behind by the whole queue the thread waits, and what
// the trace loses then is known as lost. A host with a time of its own (a capture, a simulation)
// goes on when everything that it told before has been handled, so the result does not depend on
// the speed of the machine. It is never opened again.
#pragma once

#include "src/base/files.hpp"
#include "src/host/host.hpp"
#include "src/host/observe.hpp"
#include "src/service/host_calls.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>

namespace intellisched::service {

/// Of a pool; `time` on the policy's clock.
struct WindowNews {
    WindowStats stats;
    Nanoseconds time = 0;
};
struct HostFailed {
    Error error;
    std::chrono::milliseconds retry_in{0};
};
/// A host with a time of its own has ended, with an error or without.
struct HostEnded {
    std::optional<Error> error;
};
using HostNews = std::variant<Reading, WindowNews, HostFailed, HostEnded>;

struct WatcherOptions {
    std::function<Result<std::unique_ptr<Host>>()> open;
    double window_seconds = 1;
    bool virtual_time = false; ///< the host has a time of its own
    std::size_t queue = 256;
    std::chrono::milliseconds first_wait{1000}, longest_wait{60'000};
};

class Watcher {
  public:
    /// Errors: no eventfd, no thread.
    [[nodiscard]] static Result<std::unique_ptr<Watcher>> start(WatcherOptions options);
    /// Waits for the thread, which looks whether it is to end after every item of the host (within
    /// 200 ms on a live one).
    ~Watcher();
    Watcher(const Watcher&) = delete;
    Watcher& operator=(const Watcher&) = delete;

    /// Asks the thread to end, and waits at most `most` for that. False: a call to the host has not
    /// come back. Then only _exit() is left, because the destructor would wait for it.
    [[nodiscard]] bool end(std::chrono::milliseconds most);

    /// For how long the present call to the host has not come back; on a live host it takes 200 ms
    /// at most. 0: there is none, as while the thread waits to open the host again.
    [[nodiscard]] Nanoseconds away() const;

    /// Readable when there is something to take().
    [[nodiscard]] int fd() const { return wake_.get(); }
    /// The next news. Nothing: that was all so far, and the caller has handled all before it.
    [[nodiscard]] std::optional<HostNews> take();

    /// The calls of a host with a time of its own that can be rearranged. They run on the watcher's
    /// thread, so that time stands still meanwhile. They may outlive the watcher, and then fail.
    [[nodiscard]] HostCalls calls();

  private:
    using Task = std::function<void(Host*)>;
    /// What the threads of calls() share with this one.
    struct Shared {
        std::mutex mutex;
        std::condition_variable changed;
        std::deque<Task> tasks;
        bool ended = false; ///< no task is taken any more
        /// Leaves a task for the thread. False: the thread has ended.
        [[nodiscard]] bool queue(Task task);
    };

    explicit Watcher(WatcherOptions options) : options_(std::move(options)) {}
    void run();
    /// Opens the host and watches it to its end.
    [[nodiscard]] Result<void> watch();
    void push(HostNews news);
    /// Does the tasks that calls() left. Without a host they fail.
    void serve(Host* host);
    /// Waits until the time is over or a task is left. False: the watcher ends.
    bool wait(std::chrono::milliseconds time);
    // Tasks of calls().
    template<class Asked> [[nodiscard]] ApplyOutcome apply(Host* host, const Asked& asked);
    void take(const WeightRequest& done);
    void take(const Request&) {} ///< reading() asks for it
    [[nodiscard]] Result<Reading> reading(Configurator* configurator);

    WatcherOptions options_;
    FileDescriptor wake_;
    std::atomic<bool> stop_ = false;
    std::atomic<Nanoseconds> asked_ = 0; ///< when the host was asked, on host_clock(); 0: not now
    std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
    // With the mutex held.
    std::deque<HostNews> queue_;
    bool handled_ = true; ///< everything that was in the queue

    // The thread's own.
    std::optional<Reading> last_;
    Nanoseconds time_ = 0; ///< of a host of its own time
    bool seen_window_ = false;

    std::thread thread_; ///< last: it uses the others
};

} // namespace intellisched::service
