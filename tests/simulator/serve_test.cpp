// SPDX-License-Identifier: GPL-2.0-only
// The stepping protocol, by a small client; and what clients do wrong.
#include "bench/simulator/serve.hpp"
#include "src/proto/framing.hpp"
#include "src/proto/simulator.pb.h"
#include "tests/simulator/ideal_machine.hpp"

#include <csignal>
#include <doctest/doctest.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

using namespace sim;

namespace {

/// A world that is served in a thread of its own, and the client's end of the socket.
class Served {
  public:
    explicit Served(const std::string& text = "") {
        std::signal(SIGPIPE, SIG_IGN); // as the program does
        auto scenario =
            parse_scenario("machine { sockets: 1 cores: 4 threads: 1 } warmup_s: 1 measured_s: 2 "
                           "guests { name: 'a' vcpus: 2 phases { loads { ring { hop { mean_us: 100 "
                           "shape: FIXED } } "
                           "} } } " +
                               text,
                           "test");
        REQUIRE(scenario);
        auto created = World::create(std::make_unique<IdealMachine>(4), *scenario, {});
        REQUIRE(created);
        world_ = std::move(*created);
        int ends[2];
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, static_cast<int*>(ends)) == 0);
        client_ = ends[0];
        server_ = std::thread([this, end = ends[1]] {
            result_ = serve(*world_, end, [] { return false; });
            ::close(end);
        });
    }
    ~Served() { (void)end(); }

    /// Closes the client's end; what serve() returned.
    Result<void> end() {
        if (client_ >= 0) ::close(client_);
        client_ = -1;
        if (server_.joinable()) server_.join();
        return result_;
    }

    void send(const std::string& bytes) {
        REQUIRE(::send(client_, bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
                static_cast<ssize_t>(bytes.size()));
    }
    static std::string framed(const std::string& message) {
        std::string bytes;
        for (unsigned i = 0; i < 4; ++i) bytes += static_cast<char>(message.size() >> (8 * i));
        return bytes + message;
    }
    proto::SimReply receive() {
        proto::SimReply reply;
        REQUIRE(reply.ParseFromString(
            read(intellisched::frame_length(read(intellisched::frame_header)))));
        return reply;
    }
    proto::SimReply ask(const proto::SimRequest& request) {
        send(intellisched::framed(request));
        return receive();
    }
    proto::SimReply advance(double seconds) {
        proto::SimRequest request;
        request.mutable_advance()->set_ns(static_cast<std::uint64_t>(seconds * 1e9));
        return ask(request);
    }

  private:
    std::string read(std::size_t length) {
        std::string bytes(length, '\0');
        std::size_t got = 0;
        while (got < length) {
            const ssize_t n = ::read(client_, bytes.data() + got, length - got);
            REQUIRE(n > 0);
            got += static_cast<std::size_t>(n);
        }
        return bytes;
    }

    std::unique_ptr<World> world_;
    int client_ = -1;
    std::thread server_;
    Result<void> result_;
};

} // namespace

TEST_CASE("serve: hello, steps, truth, the end") {
    Served served;
    proto::SimRequest hello;
    hello.set_hello(true);
    const auto greeted = served.ask(hello);
    CHECK(greeted.has_info());
    CHECK(greeted.info().costs().has_smt_speed());
    CHECK(greeted.info().costs().has_hypercall_us());
    CHECK(greeted.snapshot().cpus_size() == 4);
    CHECK_FALSE(greeted.ended());

    // The guest's start is a change, and ends the first step early.
    const auto started = served.advance(0.5);
    CHECK(started.now_ns() == 1'000'000 + World::settling + World::stagger);
    CHECK(started.has_snapshot());
    const auto stepped = served.advance(0.5);
    CHECK(stepped.now_ns() == started.now_ns() + 500'000'000);
    CHECK_FALSE(stepped.has_snapshot());
    CHECK(stepped.has_counters());
    served.advance(1); // up to the end of the warm-up
    served.advance(1);
    proto::SimRequest ask_truth;
    ask_truth.set_get_truth(true);
    const auto truth = served.ask(ask_truth).truth();
    CHECK(truth.seconds() == doctest::Approx(1));
    CHECK(truth.guests(1).requests() == doctest::Approx(10000).epsilon(0.001));
    proto::SimRequest reset;
    reset.set_reset_truth(true);
    served.ask(reset);
    CHECK(served.ask(ask_truth).truth().seconds() == 0);

    CHECK(served.advance(5).ended());
    CHECK(served.advance(5).now_ns() == 1'000'000 + World::settling + 3'000'000'000ULL);
    CHECK(served.end());
}

TEST_CASE("serve: the layout is set and read back") {
    Served served;
    served.advance(1);
    proto::SimRequest set;
    set.mutable_set_layout()->mutable_arrangement()->set_layout("node");
    const auto reply = served.ask(set);
    CHECK(reply.in_force().arrangement().layout() == "node");
    CHECK(reply.has_snapshot());
    proto::SimRequest get;
    get.mutable_get_layout();
    CHECK(served.ask(get).in_force().arrangement().layout() == "node");
    // What is refused is told, and the session goes on.
    set.mutable_set_layout()->mutable_arrangement()->set_layout("cpu");
    const auto refused = served.ask(set);
    CHECK(refused.error() == "refused for the test");
    CHECK_FALSE(refused.has_in_force());
    CHECK(served.ask(get).error().empty());
}

TEST_CASE("serve: the rate limit is set and read back") {
    Served served;
    served.advance(1);
    proto::SimRequest set;
    set.mutable_set_rate_limit()->set_us(0);
    const auto reply = served.ask(set);
    REQUIRE(reply.has_rate_limit_us());
    CHECK(reply.rate_limit_us() == 0);
    CHECK(reply.has_snapshot());
    set.mutable_set_rate_limit()->set_us(1);
    CHECK(served.ask(set).error() == "refused for the test");
    proto::SimRequest get;
    get.mutable_get_rate_limit();
    const auto got = served.ask(get);
    CHECK(got.has_rate_limit_us());
    CHECK_FALSE(got.has_snapshot());
}

TEST_CASE("serve: requests that cannot be granted leave all as it was") {
    Served served;
    CHECK(served.ask({}).error().find("asks for nothing") != std::string::npos);
    CHECK(served.advance(11).error().find("ask for at most") != std::string::npos);
    CHECK(served.advance(0).now_ns() == 1'000'000 + World::settling);
}

TEST_CASE("serve: a client that does not speak the protocol is told so") {
    struct Wrong {
        std::string bytes;
        std::string fragment;
    };
    for (const Wrong& wrong : {Wrong{"\xff\xff\xff\xff", "at most 65536"},
                               Wrong{Served::framed("\x07\x07\x07"), "no SimRequest"}}) {
        Served served;
        served.send(wrong.bytes);
        CHECK(served.receive().error().find(wrong.fragment) != std::string::npos);
        const auto result = served.end();
        REQUIRE_FALSE(result);
        CHECK(result.error().message.find(wrong.fragment) != std::string::npos);
    }
    Served cut;
    cut.send(std::string("\x10\x00\x00\x00\x01", 5));
    const auto result = cut.end();
    REQUIRE_FALSE(result);
    CHECK(result.error().message.find("went away inside a request") != std::string::npos);
}
