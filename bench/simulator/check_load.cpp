// SPDX-License-Identifier: GPL-2.0-only
#include "bench/simulator/check.hpp"

#include <algorithm>

namespace sim {

namespace {

constexpr double most_threads = 4096;
constexpr int most_stretches = 1'000'000; ///< of a load
constexpr double longest_us = 1e9;

void check_frontend(Checker& check, const proto::Scenario& scenario, const proto::Guest& guest,
                    const std::string& what, const proto::FrontendLoad& load) {
    check.range(what + ".threads", load.threads(), 0, most_threads);
    check.times(what + ".work", load.work());
    check.times(what + ".backend_work", load.backend_work());
    check.times(what + ".device", load.device(), true);
    const std::string backend = load.backend().empty() ? std::string(domain0) : load.backend();
    const bool known =
        backend == domain0 ||
        std::any_of(scenario.guests().begin(), scenario.guests().end(),
                    [&](const proto::Guest& other) { return other.name() == backend; });
    check.that(known, "{}.backend '{}' is no guest; name one, or leave it empty for Domain-0", what,
               intellisched::printable(backend));
    check.that(backend != guest.name(),
               "{}.backend '{}' is the guest itself; a back-end is in another one", what,
               intellisched::printable(backend));
}

/// As far as times are whole nanoseconds in 64 bits, whatever their number.
void check_replay(Checker& check, const proto::Guest& guest, const std::string& what,
                  const proto::ReplayLoad& load) {
    check.that(load.vcpus_size() <= static_cast<int>(guest.vcpus()),
               "{}: times of {} vCPUs for a guest of {}; give it as many vCPUs", what,
               load.vcpus_size(), guest.vcpus());
    int stretches = 0;
    for (int i = 0; i < load.vcpus_size() && !check.failed(); ++i) {
        const auto& vcpu = load.vcpus(i);
        const std::string field = fmt::format("{}.vcpus({})", what, i);
        check.that(vcpu.wake_us().empty() || vcpu.block_us().empty(),
                   "{} has both wake_us and block_us; it is woken by one of them, remove the other",
                   field);
        const auto& apart = vcpu.block_us().empty() ? vcpu.wake_us() : vcpu.block_us();
        const char* name = vcpu.block_us().empty() ? "wake_us" : "block_us";
        check.that(apart.size() == vcpu.run_us_size(),
                   "{} has {} times in {} and {} in run_us; a stretch has one in each", field,
                   apart.size(), name, vcpu.run_us_size());
        stretches += vcpu.run_us_size();
        check.that(stretches <= most_stretches, "{} has more than {} stretches; leave some out",
                   what, most_stretches);
        if (check.failed()) return;
        for (int k = 0; k < apart.size() && !check.failed(); ++k) {
            check.range(fmt::format("{}.{}({})", field, name, k), apart[k], 0, longest_us);
            check.range(fmt::format("{}.run_us({})", field, k), vcpu.run_us(k), 0.001, longest_us);
        }
    }
}

} // namespace

void check_load(Checker& check, const proto::Scenario& scenario, const proto::Guest& guest,
                const std::string& what, const proto::Load& load) {
    switch (load.kind_case()) {
    case proto::Load::kHog:
        check.range(what + ": hog.threads", load.hog().threads(), 0, most_threads);
        break;
    case proto::Load::kOpenServer: {
        const auto& server = load.open_server();
        const std::string field = what + ": open_server";
        check.that(server.requests_per_s() > 0 && server.requests_per_s() <= 1e8,
                   "{}.requests_per_s is {}; choose one above 0, up to 1e8", field,
                   server.requests_per_s());
        check.times(field + ".service", server.service());
        check.that(server.burst() == 0 || (server.burst() >= 1 && server.burst() <= 1e5),
                   "{}.burst is {}; choose a mean from 1 to 1e5", field, server.burst());
        break;
    }
    case proto::Load::kClosedServer: {
        const auto& server = load.closed_server();
        const std::string field = what + ": closed_server";
        check.range(field + ".clients", server.clients(), 1, 1e5);
        check.times(field + ".think", server.think());
        check.times(field + ".service", server.service());
        break;
    }
    case proto::Load::kRing:
        check.range(what + ": ring.tokens", load.ring().tokens(), 0, most_threads);
        check.times(what + ": ring.hop", load.ring().hop());
        break;
    case proto::Load::kBuild: {
        const auto& build = load.build();
        const std::string field = what + ": build";
        check.range(field + ".width", build.width(), 0, most_threads);
        check.times(field + ".job", build.job());
        check.range(field + ".io_per_job", build.io_per_job(), 0, 1e4);
        check.times(field + ".io", build.io(), build.io_per_job() == 0);
        break;
    }
    case proto::Load::kPeriodic: {
        const auto& periodic = load.periodic();
        const std::string field = what + ": periodic";
        check.that(periodic.period_us() >= 1 && periodic.period_us() <= 1e9,
                   "{}.period_us is {}; choose one from 1 to 1e9", field, periodic.period_us());
        check.times(field + ".run", periodic.run());
        check.range(field + ".deadline_us", periodic.deadline_us(), 0, 1e9);
        break;
    }
    case proto::Load::kDatabase: {
        const auto& database = load.database();
        const std::string field = what + ": database";
        check.range(field + ".threads", database.threads(), 0, most_threads);
        check.times(field + ".work", database.work());
        check.times(field + ".critical", database.critical());
        check.times(field + ".think", database.think(), true);
        check.range(field + ".locks", database.locks(), 0, most_threads);
        break;
    }
    case proto::Load::kBoot: {
        const auto& boot = load.boot();
        const std::string field = what + ": boot";
        check.range(field + ".boots", boot.boots(), 0, 1000);
        check.that(boot.work_ms() > 0 && boot.work_ms() <= 1e6,
                   "{}.work_ms is {}; choose one above 0, up to 1e6", field, boot.work_ms());
        check.times(field + ".stretch", boot.stretch());
        check.times(field + ".io", boot.io());
        break;
    }
    case proto::Load::kFrontend:
        check_frontend(check, scenario, guest, what + ": frontend", load.frontend());
        break;
    case proto::Load::kReplay:
        check_replay(check, guest, what + ": replay", load.replay());
        break;
    case proto::Load::KIND_NOT_SET:
        check.that(false, "{}: a load is empty; say what it does, or remove it", what);
        break;
    }
}

} // namespace sim
