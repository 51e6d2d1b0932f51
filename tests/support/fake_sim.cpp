// SPDX-License-Identifier: MIT
// Speaks the simulator's protocol without simulating anything; the scenario's name says how it
// misbehaves. The work that it reports depends on layout and seed.
#include "src/layout/snapshot.hpp"
#include "src/proto/scenario.pb.h"
#include "src/proto/simulator.pb.h"
#include "tests/support/fake_world.hpp"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <google/protobuf/text_format.h>
#include <sstream>
#include <unistd.h>

using namespace intellisched;
using namespace intellisched::test;

namespace {

struct Fake {
    proto::Scenario scenario;
    int fd = -1;
    std::uint64_t now = fake_start_ns;
    proto::Arrangement arrangement;
    unsigned rate_limit_us = default_rate_limit_us;
    bool changed = true;
    bool tracing = true;

    [[nodiscard]] bool is(const std::string& name) const { return scenario.name() == name; }

    [[nodiscard]] proto::HostSnapshot snapshot() const {
        const auto& m = scenario.machine();
        auto told = fake_snapshot(now, m.sockets(), m.cores(), m.threads(),
                                  static_cast<unsigned>(scenario.guests_size()), arrangement);
        told.mutable_pools(0)->set_rate_limit_us(rate_limit_us);
        return told;
    }
    [[nodiscard]] unsigned runqueues() const {
        const auto pools = *pools_of(snapshot());
        return static_cast<unsigned>(
            partition(*topology_of(snapshot()), pools[0], *pools[0].arrangement).size());
    }

    proto::SimReply answer(const proto::SimRequest& request) {
        proto::SimReply reply;
        if (request.hello() && !is("without-snapshot")) {
            reply.mutable_info()->set_xen_version("4.17.5");
            reply.mutable_info()->set_tsc_khz(is("without-tsc") ? 0 : fake_tsc_khz);
            reply.mutable_info()->mutable_costs()->set_smt_speed(0.65);
            *reply.mutable_snapshot() = snapshot();
        }
        if (request.has_advance()) {
            if (is("dies")) {
                std::fputs("first words\ncredit2-sim: \x1b[31mout of memory\n", stderr);
                std::exit(3);
            }
            if (is("dies-silently")) std::exit(3);
            if (is("hangs")) ::sleep(60);
            if (is("chatters"))
                for (int i = 0; i < 100'000; ++i) std::fputs("more words\n", stderr);
            const std::uint64_t from = now;
            if (!is("stands-still")) now += request.advance().ns();
            const auto trace = fake_trace(from, now, static_cast<unsigned>(scenario.guests_size()));
            if (tracing) reply.set_trace(trace.data(), trace.size());
            if (std::exchange(changed, false)) *reply.mutable_snapshot() = snapshot();
            reply.mutable_counters()->set_tsc(now);
            const double seconds = scenario.warmup_s() + scenario.measured_s();
            reply.set_ended(static_cast<double>(now - fake_start_ns) >= seconds * 1e9);
        }
        if ((request.has_set_layout() || request.has_set_rate_limit()) && is("refuses")) {
            reply.set_error("no such\npool");
            return reply;
        }
        if (request.has_set_rate_limit()) {
            rate_limit_us = request.set_rate_limit().us();
            changed = true;
        }
        if (request.has_set_rate_limit() || request.has_get_rate_limit())
            reply.set_rate_limit_us(rate_limit_us);
        if (request.has_set_layout()) {
            if (!is("deaf")) arrangement = request.set_layout().arrangement();
            changed = true;
        }
        if (request.has_set_layout() || request.has_get_layout()) {
            *reply.mutable_in_force()->mutable_arrangement() = arrangement;
            reply.mutable_in_force()->set_runqueues(runqueues());
        }
        if (request.get_truth()) *reply.mutable_truth() = truth();
        reply.set_now_ns(now);
        return reply;
    }

    [[nodiscard]] proto::Truth truth() const {
        proto::Truth truth;
        truth.set_seconds(is("timeless") ? 0 : scenario.measured_s());
        truth.add_pools()->set_name("Pool-0");
        truth.mutable_pools(0)->set_cpu_ns(1e12);
        const auto layout = static_cast<double>(index(*layout_from_string(arrangement.layout())));
        for (const proto::Guest& from : scenario.guests()) {
            proto::GuestTruth& guest = *truth.add_guests();
            guest.set_name(from.name());
            guest.set_domid(static_cast<unsigned>(truth.guests_size()));
            guest.set_pool("Pool-0");
            guest.set_weight(256);
            guest.set_vcpus(1);
            const double longer = static_cast<double>(rate_limit_us) - default_rate_limit_us;
            guest.set_work_ns(1e9 + 1e8 * layout + 1e4 * longer +
                              1e6 * static_cast<double>(scenario.seed() % 64));
            guest.set_run_ns(2e9);
        }
        return truth;
    }

    void write_all(const std::string& bytes) const {
        for (std::size_t done = 0; done < bytes.size();) {
            const ssize_t n = ::write(fd, bytes.data() + done, bytes.size() - done);
            if (n <= 0) std::exit(0);
            done += static_cast<std::size_t>(n);
        }
    }
    [[nodiscard]] std::string read_bytes(std::size_t size) const {
        std::string bytes(size, '\0');
        for (std::size_t done = 0; done < size;) {
            const ssize_t n = ::read(fd, bytes.data() + done, size - done);
            if (n <= 0) std::exit(0);
            done += static_cast<std::size_t>(n);
        }
        return bytes;
    }

    [[noreturn]] void serve() {
        for (;;) {
            std::uint32_t length = 0; // little-endian, as the hosts of these tests are
            std::memcpy(&length, read_bytes(4).data(), 4);
            proto::SimRequest request;
            if (!request.ParseFromString(read_bytes(length))) std::exit(4);
            if (request.has_advance() && is("boasts")) write_all("\xff\xff\xff\x7f");
            if (request.has_advance() && is("babbles"))
                write_all(std::string("\3\0\0\0\xff\xff\xff", 7));
            const std::string reply = answer(request).SerializeAsString();
            length = static_cast<std::uint32_t>(reply.size());
            std::string message(reinterpret_cast<const char*>(&length), 4);
            message += reply;
            if (request.has_advance() && is("breaks-off")) {
                write_all(message.substr(0, message.size() / 2));
                std::exit(0);
            }
            write_all(message);
        }
    }
};

} // namespace

int main(int argc, char** argv) {
    const std::vector<std::string> arguments(argv + 1, argv + argc);
    if (arguments.size() < 4 || arguments[0] != "serve" || arguments[2] != "--fd") return 2;
    Fake fake;
    std::ifstream file(arguments[1]);
    std::stringstream text;
    text << file.rdbuf();
    if (!google::protobuf::TextFormat::ParseFromString(text.str(), &fake.scenario) ||
        fake.scenario.machine().sockets() == 0) {
        std::fputs("credit2-sim: this scenario makes no sense\n", stderr);
        return 1;
    }
    fake.tracing = arguments.back() != "--no-trace";
    fake.fd = std::atoi(arguments[3].c_str());
    fake.arrangement.set_layout("socket");
    fake.arrangement.set_max_cpus(16);
    fake.serve();
}
