// SPDX-License-Identifier: MIT
// The dom0 service: a loop that takes what the watcher sees, has each pool's policy judge it, has
// the applier do what that asks for, and answers the control socket.
#pragma once

#include "collector/window/schema.hpp"
#include "src/pool/guest_scores.hpp"
#include "src/service/applier.hpp"
#include "src/service/control.hpp"
#include "src/service/pool_keeper.hpp"
#include "src/service/protector.hpp"
#include "src/service/watcher.hpp"

#include <set>

namespace intellisched::service {

struct ServiceOptions {
    std::filesystem::path config = default_config_path;
    std::string host = {};             ///< as --host: "", "xen", "capture:PATH", "sim:SCENARIO"
    std::filesystem::path bundle = {}; ///< where the configuration names none
    std::string version = {};
    bool stock = false;   ///< no layout can be changed, as on a stock hypervisor
    bool verbose = false; ///< log more than the configuration says
};

class Service {
  public:
    /// Sets up everything but the host, which may come later. Blocks SIGTERM, SIGINT and SIGHUP,
    /// which the loop handles from then on: call it before there is a second thread. Errors:
    /// whatever is wrong with the configuration, the bundle, the journal or the socket.
    [[nodiscard]] static Result<std::unique_ptr<Service>> start(ServiceOptions options);
    ~Service();
    Service(const Service&) = delete;
    Service& operator=(const Service&) = delete;

    /// Runs until SIGTERM or SIGINT. Errors: the event loop's; a recorded or simulated host that
    /// cannot be opened. A live one is tried again.
    [[nodiscard]] Result<void> run();

  private:
    explicit Service(ServiceOptions options);
    [[nodiscard]] Result<void> begin();
    [[nodiscard]] Result<void> begin_loop();
    [[nodiscard]] Result<Models> load_bundle(const ServiceConfig& config) const;
    /// One turn of the loop, of a bounded time.
    [[nodiscard]] Result<Loop::Microseconds> turn(Loop::Microseconds most);
    [[nodiscard]] Moment now() const;

    void on_news();
    void on_call();
    void on_tick();
    void publish();
    /// The host's state in words, also of a call that does not come back.
    [[nodiscard]] std::string host_text() const;
    /// Whether the host is watched, and the calls of the watcher's thread come back.
    [[nodiscard]] bool watched() const;
    /// Stops feeding the watchdog while a call to the host does not come back.
    void look_after_calls();
    void saw(const Reading& reading);
    void saw(const WindowNews& window);
    void saw(const HostFailed& failed);
    /// What counts of the guests' published scores; nothing where the pool does not hear them.
    [[nodiscard]] Published published(const WindowStats& stats);
    [[nodiscard]] PoolKeeper& keeper(const PoolName& pool);
    /// Lets the guests that are to be protected be, in a window that `keeper`'s policy may judge.
    void protect(const WindowStats& stats, const PoolKeeper& keeper);
    /// Takes on pools that went, or got another name, before this start, so that their trials end.
    void look_back();
    void prune();
    /// Logs an error that may come again and again once.
    void complain(const Error& error);
    /// Reads configuration and bundle again. A failure leaves everything as it was.
    [[nodiscard]] Result<void> reload();
    [[nodiscard]] proto::ControlReply answer(const proto::ControlRequest& request, Asker asker);
    /// The pools of that name, or all; an error when there is none.
    [[nodiscard]] Result<std::vector<PoolKeeper*>> pools(const std::string& name);
    [[nodiscard]] proto::ServiceStatus status() const;
    /// Adds what status_of() cannot know: the last window, and the runqueues.
    void add_seen(proto::PoolStatus& status, const PoolKeeper& keeper) const;
    [[nodiscard]] ServiceMetrics metrics() const;
    /// Ends everything in a bounded time, if need be the process.
    void shut_down();
    void return_to_boot_layouts();
    void give_weights_back();
    /// Runs the loop until no call to the host is away, for a bounded time.
    void wait_for_calls(Nanoseconds until);

    ServiceOptions options_;
    bool virtual_time_; ///< the host has a time of its own: a capture, a simulation
    ServiceConfig config_;
    std::string boot_;                       ///< id of the boot of the host
    std::atomic<bool> guest_scores_ = false; ///< any pool hears them; the watcher's thread asks
    std::optional<Models> models_;
    std::optional<Journal> journal_;
    std::optional<Loop> loop_;
    std::atomic<bool> leaving_ = false; ///< no simulator is waited for any more
    std::unique_ptr<Watcher> watcher_;
    std::optional<Applier> applier_;
    std::optional<Protector> protector_;
    std::unique_ptr<Control> control_;
    std::vector<Loop::Source> sources_;

    std::map<std::string, std::unique_ptr<PoolKeeper>> keepers_;
    struct LastWindow {
        proto::WindowStatus status;
        Nanoseconds end = 0; ///< on the policy's clock
    };
    std::map<std::string, LastWindow> windows_of_; ///< by pool; for status() alone
    std::map<std::string, GuestScores> scores_;    ///< by pool, of those that hear them
    std::map<std::string, SteadyGuests> steady_;   ///< by pool
    std::set<std::string> present_;                ///< credit2 pools of the last reading
    std::optional<Reading> last_;
    std::string host_ = "opening the host";
    std::optional<Error> failed_; ///< why the host of its own time could not be opened
    bool watching_ = false, stop_ = false, stopping_ = false, prune_more_ = false;
    bool away_told_ = false, fed_ = true;        ///< the watchdog
    Nanoseconds host_start_ = 0, host_time_ = 0; ///< of a host of its own time
    UnixTime wall_start_ = 0;
    UnixTime clock_ahead_ = 0; ///< the wall's of host_clock(), when it was pruned last
    Nanoseconds started_ = 0, read_at_ = 0, pruned_at_ = 0; ///< on host_clock()
    std::optional<Nanoseconds> reloaded_at_;                ///< as asked over the socket
    std::uint64_t windows_ = 0, records_lost_ = 0;
    double turn_seconds_ = 0;
    std::string told_;      ///< systemd, as status
    std::string complaint_; ///< the last one
    std::set<std::string> missing_;
};

/// What `status` says of a window; `features` are those of `stats`.
[[nodiscard]] proto::WindowStatus window_status(const WindowStats& stats,
                                                const FeatureVector& features);

/// The runqueues of a pool, and how busy each was in `window` if that was of the same CPUs.
void add_runqueues(proto::PoolStatus& status, const Topology& topology, const Pool& pool,
                   const Arrangement& in_force, const proto::WindowStatus* window);

/// What `status` says of a pool.
[[nodiscard]] proto::PoolStatus status_of(const PoolKeeper& keeper, bool present, Moment now);

/// The arrangement as a message.

} // namespace intellisched::service
