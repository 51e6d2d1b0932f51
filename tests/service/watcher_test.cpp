// SPDX-License-Identifier: MIT
// The watching thread: windows and readings in order, a host that fails again and again, one of its
// own time that waits for whoever listens, and an end in the middle of it all.
#include "src/service/watcher.hpp"
#include "tests/support/fake_world.hpp"

#include <doctest/doctest.h>
#include <future>
#include <poll.h>

using namespace intellisched;
using namespace intellisched::service;
using namespace intellisched::test;
using namespace std::chrono_literals;

namespace {

/// Tells `seconds` of a machine of four CPUs, then ends, or fails.
class FakeHost final : public Host, public Configurator {
  public:
    FakeHost(unsigned seconds, bool fails) : left_(seconds * 10), fails_(fails) {
        info_.tsc_khz = fake_tsc_khz;
        info_.boot = {Layout::socket, no_cap};
    }
    [[nodiscard]] const HostInfo& info() const override { return info_; }
    [[nodiscard]] Result<std::optional<HostItem>> next() override {
        if (std::exchange(first_, false)) return first_view();
        if (left_ == 0) {
            if (fails_) return fail("xenstored is gone");
            return std::nullopt;
        }
        --left_;
        const std::uint64_t from = now_;
        now_ += 100'000'000;
        return TraceBytes{fake_trace(from, now_, 2)};
    }
    [[nodiscard]] Result<InForce> layout(const Pool& pool) override {
        const Topology topology{{{0, 0, 0, 0}, {1, 0, 0, 0}, {2, 1, 0, 0}, {3, 1, 0, 0}}};
        return InForce{in_force_,
                       static_cast<unsigned>(partition(topology, pool, in_force_).size())};
    }
    [[nodiscard]] Result<InForce> set_layout(const Pool& pool, const Arrangement& to) override {
        in_force_ = to;
        return layout(pool);
    }
    [[nodiscard]] Result<unsigned> rate_limit(const Pool&) override { return rate_limit_us_; }
    [[nodiscard]] Result<unsigned> set_rate_limit(const Pool&, unsigned us) override {
        return rate_limit_us_ = us;
    }
    [[nodiscard]] Result<void> set_weight(unsigned domain, unsigned weight) override {
        weights[domain] = weight;
        return {};
    }
    std::map<unsigned, unsigned> weights; ///< by domain, as they were set

  private:
    [[nodiscard]] HostView first_view() const {
        auto snapshot = fake_snapshot(now_, 1, 2, 2, 2, message_of(in_force_));
        snapshot.mutable_pools(0)->set_rate_limit_us(rate_limit_us_);
        return *view_of(std::move(snapshot));
    }
    HostInfo info_;
    unsigned left_;
    bool fails_, first_ = true;
    std::uint64_t now_ = fake_start_ns;
    Arrangement in_force_{Layout::socket, no_cap};
    unsigned rate_limit_us_ = 1000;
};

auto opener(unsigned seconds, bool fails) {
    return [=]() -> Result<std::unique_ptr<Host>> {
        return std::make_unique<FakeHost>(seconds, fails);
    };
}

std::unique_ptr<Watcher> start(WatcherOptions options) {
    auto watcher = Watcher::start(std::move(options));
    REQUIRE(watcher);
    return std::move(*watcher);
}

/// The next news, in half a minute at most.
std::optional<HostNews> next(Watcher& watcher, bool handled = true) {
    const auto until = std::chrono::steady_clock::now() + 30s;
    while (std::chrono::steady_clock::now() < until) {
        if (auto news = watcher.take()) return news;
        if (!handled) return std::nullopt;
        pollfd ready{watcher.fd(), POLLIN, 0};
        ::poll(&ready, 1, 1000);
    }
    return std::nullopt;
}

template<class What> const What& expect(const std::optional<HostNews>& news) {
    REQUIRE(news);
    REQUIRE(std::holds_alternative<What>(*news));
    return std::get<What>(*news);
}

} // namespace

TEST_CASE("a host of its own time is told in order, and ends") {
    auto watcher = start({.open = opener(3, false), .virtual_time = true});
    auto news = next(*watcher);
    const Reading& reading = expect<Reading>(news);
    CHECK(reading.host.pools.front().name == "Pool-0");
    CHECK(reading.boot == Change{Arrangement{Layout::socket, no_cap}, 1000});
    CHECK(reading.taken == fake_start_ns);
    Nanoseconds before = fake_start_ns;
    for (unsigned i = 0; i < 3; ++i) {
        news = next(*watcher);
        const auto& window = expect<WindowNews>(news);
        CHECK(window.stats.facts.pool == "Pool-0");
        // A window ends where its second does, give or take the last record.
        CHECK(window.time > before + second * 9 / 10);
        CHECK(window.time < before + second * 11 / 10);
        before = window.time;
    }
    news = next(*watcher);
    CHECK_FALSE(expect<HostEnded>(news).error);
}

TEST_CASE("a host of its own time waits until its news are handled") {
    auto watcher = start({.open = opener(3, false), .virtual_time = true});
    expect<Reading>(next(*watcher));
    std::this_thread::sleep_for(100ms); // nobody has come back for more
    pollfd ready{watcher->fd(), POLLIN, 0};
    std::uint64_t count = 0;
    while (::read(watcher->fd(), &count, sizeof count) > 0) {
    }
    CHECK(::poll(&ready, 1, 200) == 0);
    CHECK_FALSE(watcher->take());
    expect<WindowNews>(next(*watcher));
}

TEST_CASE("a host that cannot be opened is tried again, ever later") {
    auto tries = std::make_shared<std::atomic<int>>(0);
    auto watcher = start({.open = [tries]() -> Result<std::unique_ptr<Host>> {
                              ++*tries;
                              return fail("another tool has the trace buffers");
                          },
                          .first_wait = 4ms,
                          .longest_wait = 16ms});
    for (const auto wait : {4ms, 8ms, 16ms, 16ms}) {
        const auto news = next(*watcher);
        const auto& failed = expect<HostFailed>(news);
        CHECK(failed.error.message == "another tool has the trace buffers");
        CHECK(failed.retry_in == wait);
    }
    CHECK(*tries >= 4);
}

TEST_CASE("a host that fails is opened again; after windows, soon") {
    auto opened = std::make_shared<std::atomic<unsigned>>(0);
    auto watcher = start({.open = [opened]() -> Result<std::unique_ptr<Host>> {
                              const unsigned n = (*opened)++;
                              return std::make_unique<FakeHost>(n == 2 ? 2 : 0, true);
                          },
                          .first_wait = 4ms,
                          .longest_wait = 100ms});
    for (const auto wait : {4ms, 8ms}) {
        expect<Reading>(next(*watcher));
        const auto news = next(*watcher);
        CHECK(expect<HostFailed>(news).retry_in == wait);
    }
    expect<Reading>(next(*watcher));
    expect<WindowNews>(next(*watcher));
    auto news = next(*watcher);
    while (news && std::holds_alternative<WindowNews>(*news)) news = next(*watcher);
    CHECK(expect<HostFailed>(news).retry_in == 4ms);
    CHECK(std::get<HostFailed>(*news).error.message == "xenstored is gone");
}

TEST_CASE("a live host waits when nobody listens, and ends at once even so") {
    auto watcher = start({.open = opener(1000, false), .queue = 4});
    for (unsigned taken = 0; taken < 5; ++taken) CHECK(next(*watcher)); // and so it is full again
    std::this_thread::sleep_for(200ms);
    watcher.reset(); // or it would wait for ever
}

TEST_CASE("a host that does not come back shows, and is not waited for at the end") {
    struct Hung final : Host {
        std::shared_future<void> gate;
        HostInfo told;
        [[nodiscard]] const HostInfo& info() const override { return told; }
        [[nodiscard]] Result<std::optional<HostItem>> next() override {
            gate.wait();
            return fail("no dom0");
        }
    };
    std::promise<void> release;
    const auto gate = release.get_future().share();
    auto watcher = start({.open = [&gate]() -> Result<std::unique_ptr<Host>> {
                              auto host = std::make_unique<Hung>();
                              host->gate = gate;
                              return host;
                          },
                          .first_wait = 60s});
    while (watcher->away() < 200 * second / 1000) std::this_thread::sleep_for(10ms);
    CHECK_FALSE(watcher->end(100ms));
    release.set_value();
    CHECK(watcher->end(5s));
}

TEST_CASE("a host that comes back, waits for the service or is to be opened later is not away") {
    auto live = start({.open = opener(1000, false), .queue = 4});
    std::this_thread::sleep_for(300ms); // it waits for room in the queue
    CHECK(live->away() == 0);
    auto failing = start({.open = opener(0, true), .first_wait = 60s});
    expect<Reading>(next(*failing));
    expect<HostFailed>(next(*failing));
    std::this_thread::sleep_for(10ms);
    CHECK(failing->away() == 0);
    CHECK(failing->end(5s));
}

TEST_CASE("an end in the middle of a long wait comes at once") {
    auto watcher = start({.open = []() -> Result<std::unique_ptr<Host>> { return fail("no dom0"); },
                          .first_wait = 60s});
    expect<HostFailed>(next(*watcher));
    const auto before = std::chrono::steady_clock::now();
    watcher.reset();
    CHECK(std::chrono::steady_clock::now() - before < 30s);
}

TEST_CASE("a host of its own time is rearranged on its thread") {
    auto watcher = start({.open = opener(1000, false), .virtual_time = true});
    auto calls = watcher->calls();
    std::atomic<bool> done = false;
    ApplyOutcome applied, unknown;
    std::thread caller([&] {
        applied = calls.apply(
            {{"Pool-0", 0}, 1, {Arrangement{Layout::core, no_cap}, /*rate_limit_us=*/300}});
        unknown =
            calls.apply({{"Pool-1", 1}, 2, {.arrangement = Arrangement{Layout::core, no_cap}}});
        done = true;
    });
    for (unsigned i = 0; i < 900 && !done; ++i) next(*watcher);
    caller.join();
    if (!applied.result) FAIL(applied.result.error().message);
    REQUIRE(applied.reading);
    CHECK(applied.reading->host.pools.front().arrangement->layout == Layout::core);
    CHECK(applied.reading->host.pools.front().rate_limit_us == 300);
    CHECK(applied.reading->host.snapshot.pools(0).rate_limit_us() == 300);
    CHECK(applied.reading->taken >= applied.finished);
    CHECK_FALSE(unknown.result);
    watcher.reset();
    CHECK_FALSE(
        calls.apply({{"Pool-0", 0}, 3, {.arrangement = Arrangement{Layout::core, no_cap}}}).result);
    CHECK_FALSE(calls.read());
}

TEST_CASE("after its end a host cannot be rearranged") {
    auto watcher = start({.open = opener(0, false), .virtual_time = true});
    expect<Reading>(next(*watcher));
    expect<HostEnded>(next(*watcher));
    CHECK_FALSE(watcher->take());
    CHECK_FALSE(watcher->calls()
                    .apply({{"Pool-0", 0}, 1, {.arrangement = Arrangement{Layout::core, no_cap}}})
                    .result);
}
