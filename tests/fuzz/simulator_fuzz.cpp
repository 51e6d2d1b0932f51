// SPDX-License-Identifier: MIT
// libFuzzer target: what a simulator replies. The input stands in the socket before anything is
// asked: as it is, or each piece of it behind its length, or those after a reply that introduces
// the simulator well, as the first byte says. What the host makes of it goes all the way into
// windows, layouts and scores.
#include "collector/window/features.hpp"
#include "src/host/observe.hpp"
#include "src/host/sim_host.hpp"
#include "src/model/sample.hpp"
#include "src/model/score.hpp"
#include "tests/fuzz/messages.hpp"
#include "tests/support/fake_world.hpp"

#include <array>
#include <boost/log/core.hpp>
#include <cmath>
#include <google/protobuf/stubs/logging.h>
#include <sys/socket.h>

using namespace intellisched;

namespace {

enum Form : unsigned char { raw, framed, greeted, forms };

constexpr std::size_t most_bytes = std::size_t{64} << 10; ///< a socket takes them at once

proto::SimReply greeting() {
    proto::SimReply reply;
    reply.set_now_ns(test::fake_start_ns);
    reply.mutable_info()->set_xen_version("4.17.5");
    reply.mutable_info()->set_tsc_khz(test::fake_tsc_khz);
    reply.mutable_info()->mutable_costs()->set_smt_speed(0.65);
    proto::Arrangement arrangement;
    arrangement.set_layout("core");
    *reply.mutable_snapshot() = test::fake_snapshot(test::fake_start_ns, 2, 2, 1, 2, arrangement);
    return reply;
}

/// Two steps of virtual time, then what is asked for a layout and the truth.
std::string good_replies() {
    std::string pieces;
    std::uint64_t now = test::fake_start_ns;
    for (int step = 0; step < 2; ++step) {
        proto::SimReply reply;
        const auto trace = test::fake_trace(now, now + 5'000'000, 2);
        now += 1'000'000'000;
        reply.set_now_ns(now);
        reply.set_trace(std::string(reinterpret_cast<const char*>(trace.data()), trace.size()));
        auto* counters = reply.mutable_counters();
        counters->set_tsc(now);
        counters->add_domains()->set_id(1);
        reply.set_ended(step == 1);
        pieces += fuzz::piece(reply.SerializeAsString());
    }
    proto::SimReply reply;
    reply.set_now_ns(now);
    reply.mutable_in_force()->mutable_arrangement()->set_layout("core");
    reply.mutable_in_force()->set_runqueues(4);
    auto* pool = reply.mutable_truth()->add_pools();
    pool->set_name("Pool-0");
    pool->set_cpu_ns(4e9);
    reply.mutable_truth()->set_seconds(1);
    auto* guest = reply.mutable_truth()->add_guests();
    guest->set_name("g0");
    guest->set_domid(1);
    guest->set_pool("Pool-0");
    guest->set_vcpus(1);
    guest->set_work_ns(5e8);
    guest->set_run_ns(5e8);
    for (int times = 0; times < 3; ++times) pieces += fuzz::piece(reply.SerializeAsString());
    return pieces;
}

std::string message(std::string_view payload) {
    std::string bytes;
    for (std::size_t i = 0; i < 4; ++i)
        bytes += static_cast<char>(payload.size() >> (8 * i) & 0xff);
    return bytes.append(payload);
}

std::string replies(std::string_view input) {
    if (input.empty()) return {};
    const unsigned form = static_cast<unsigned char>(input.front()) % forms;
    input.remove_prefix(1);
    if (form == raw) return std::string(input);
    std::string bytes;
    if (form == greeted) bytes = message(greeting().SerializeAsString());
    while (!input.empty()) bytes += message(fuzz::take(input));
    return bytes;
}

/// The host with a peer that reads what it is asked, so that nobody waits for room in the socket.
class Read final : public Host {
  public:
    Read(Host& host, int peer) : host_(host), peer_(peer) {}
    [[nodiscard]] const HostInfo& info() const override { return host_.info(); }
    [[nodiscard]] Result<std::optional<HostItem>> next() override {
        std::array<char, 4096> asked;
        while (::recv(peer_, asked.data(), asked.size(), MSG_DONTWAIT) > 0) {
        }
        return host_.next();
    }

  private:
    Host& host_;
    int peer_;
};

void use(SimHost& sim, int peer) {
    Read host(sim, peer);
    double sum = 0;
    (void)observe(host, {}, [&](const WindowStats& stats) {
        for (const float value : feature_vector(stats).values) sum += value;
    });
    const auto& [snapshot, topology, pools] = sim.first_view();
    // A partition is quadratic in the CPUs: no fuzzing time for big ones.
    if (!pools.empty() && topology.cpus.size() <= 64) {
        (void)representatives(topology, pools.front(), 2);
        (void)sim.layout(pools.front());
        (void)sim.set_layout(pools.front(), {Layout::core, 2});
    }
    (void)costs_for_sample(sim.costs());
    const auto truth = sim.truth();
    if (!truth) return;
    const auto result = result_from(*truth, "Pool-0");
    if (!result) return;
    for (const auto& [name, guest] : *result)
        if (guest.share_error && !(*guest.share_error >= 0 && *guest.share_error <= 1))
            std::abort();
    const std::array both{*result, LayoutResult{}};
    const auto utility = utilities(Intent::balanced, both);
    if (!utility) return;
    for (const double value : *utility)
        if (!std::isfinite(value)) std::abort();
}

} // namespace

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned seed_number) {
    fuzz::Random random(seed_number);
    static const std::string good = good_replies();
    static const std::string with_greeting =
        char(framed) + fuzz::piece(greeting().SerializeAsString()) + good;
    static const std::string without = char(greeted) + good;
    std::string_view input(reinterpret_cast<const char*>(data), size);
    if (size < 8 || random() % 1000 == 0) input = random() % 2 == 0 ? with_greeting : without;
    if (static_cast<unsigned char>(input.front()) % forms == raw)
        return LLVMFuzzerMutate(data, size, max_size);
    const auto change = [](std::string_view reply, fuzz::Random& r) {
        return fuzz::changed<proto::SimReply>(reply, r);
    };
    return fuzz::hand_over(input.front() + fuzz::changed_pieces(input.substr(1), random, change),
                           data, size, max_size);
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    [[maybe_unused]] static const bool quiet = [] {
        google::protobuf::SetLogHandler(nullptr);
        boost::log::core::get()->set_logging_enabled(false);
        return true;
    }();
    const std::string bytes = replies({reinterpret_cast<const char*>(data), size});
    if (bytes.size() > most_bytes) return 0;
    std::array<int, 2> sockets{};
    if (::socketpair(AF_UNIX, SOCK_STREAM, 0, sockets.data()) != 0) std::abort();
    FileDescriptor ours(sockets[0]);
    const FileDescriptor peer(sockets[1]);
    if (!write_all(peer.get(), std::as_bytes(std::span(bytes)), "socket")) std::abort();
    ::shutdown(peer.get(), SHUT_WR);
    const auto sim = SimHost::over(std::move(ours), {.patience = std::chrono::seconds(1)});
    if (sim) use(**sim, peer.get());
    return 0;
}
