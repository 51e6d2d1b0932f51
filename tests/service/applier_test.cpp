// SPDX-License-Identifier: MIT
// Calls off the loop's thread: one that hangs holds up nobody, and is alone for its pool.
#include "src/service/applier.hpp"

#include <doctest/doctest.h>
#include <future>
#include <poll.h>
#include <thread>

using namespace intellisched;
using namespace intellisched::service;

namespace {

std::optional<CallDone> next(Applier& applier) {
    for (;;) {
        if (auto done = applier.take()) return done;
        pollfd ready{applier.fd(), POLLIN, 0};
        if (::poll(&ready, 1, 5000) != 1) return std::nullopt;
    }
}

Request ask(const std::string& pool, std::uint64_t serial) {
    return {{pool, 0}, serial, {.arrangement = Arrangement{Layout::core, no_cap}}};
}

Applier make(HostCalls calls) {
    auto applier = Applier::make(std::move(calls));
    REQUIRE(applier);
    return std::move(*applier);
}

} // namespace

TEST_CASE("results come with their serials") {
    Applier applier = make({[](const Request& asked) -> ApplyOutcome {
                                if (asked.serial == 2) return {fail("no memory"), 7, {}};
                                return {{}, 5, Reading{{}, {Arrangement{Layout::node, 8}, 300}, 6}};
                            },
                            [] {
                                return Result<Reading>(Reading{{}, {}, 9});
                            }});
    CHECK_FALSE(applier.take());
    applier.apply(ask("a", 1));
    auto done = next(applier);
    REQUIRE(done);
    const ApplyDone& one = std::get<ApplyDone>(*done);
    CHECK(one.pool.name == "a");
    CHECK(one.result.serial == 1);
    CHECK(one.result.done);
    CHECK(one.finished == 5);
    REQUIRE(one.reading);
    CHECK(one.reading->boot == Change{Arrangement{Layout::node, 8}, 300});
    applier.apply(ask("a", 2));
    done = next(applier);
    REQUIRE(done);
    CHECK_FALSE(std::get<ApplyDone>(*done).result.done);
    CHECK(std::get<ApplyDone>(*done).result.text == "no memory");
    applier.read();
    done = next(applier);
    REQUIRE(done);
    CHECK(std::get<Result<Reading>>(*done)->taken == 9);
    CHECK(applier.applying() == 0);
}

TEST_CASE("a call that hangs: refused for its pool, not for others, and late when it comes") {
    auto release = std::make_shared<std::promise<void>>();
    auto calls = std::make_shared<std::atomic<int>>(0);
    const auto gate = release->get_future().share();
    Applier applier = make({[gate, calls](const Request& asked) -> ApplyOutcome {
                                ++*calls;
                                if (asked.pool.name == "stuck") gate.wait();
                                return {{}, 1, {}};
                            },
                            []() -> Result<Reading> { return fail("none"); }});
    applier.apply(ask("stuck", 1));
    CHECK(applier.applying() == 1);
    CHECK_FALSE(applier.take());
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    CHECK(applier.away() >= 20 * second / 1000);
    applier.apply(ask("stuck", 2));
    auto done = next(applier);
    REQUIRE(done);
    CHECK(std::get<ApplyDone>(*done).result.serial == 2);
    CHECK_FALSE(std::get<ApplyDone>(*done).result.done);
    applier.apply(ask("other", 3));
    done = next(applier);
    REQUIRE(done);
    CHECK(std::get<ApplyDone>(*done).result.serial == 3);
    CHECK(std::get<ApplyDone>(*done).result.done);
    CHECK_FALSE(applier.take());
    release->set_value();
    done = next(applier);
    REQUIRE(done);
    CHECK(std::get<ApplyDone>(*done).result.serial == 1);
    CHECK(*calls == 2);
    CHECK(applier.away() == 0);
    applier.apply(ask("stuck", 4));
    done = next(applier);
    REQUIRE(done);
    CHECK(std::get<ApplyDone>(*done).result.done);
}

TEST_CASE("a call that hangs is left behind") {
    auto release = std::make_shared<std::promise<void>>();
    const auto gate = release->get_future().share();
    std::promise<void> begun;
    {
        Applier applier = make({[gate, &begun](const Request&) -> ApplyOutcome {
                                    begun.set_value();
                                    gate.wait();
                                    return {{}, 1, {}};
                                },
                                {}});
        applier.apply(ask("stuck", 1));
        begun.get_future().wait();
    }
    release->set_value(); // and nothing is touched that is gone
}
