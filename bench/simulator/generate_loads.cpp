// SPDX-License-Identifier: GPL-2.0-only
#include "bench/simulator/generate_loads.hpp"

#include <algorithm>
#include <cmath>

namespace sim {

namespace {

unsigned number(Random& random, unsigned from, unsigned to) {
    return from + static_cast<unsigned>(random.below(to - from + 1));
}

void set(proto::Times& times, double mean_us, proto::Times::Shape shape = {}) {
    times.set_mean_us(three_digits(mean_us));
    times.set_shape(shape);
}

} // namespace

double three_digits(double value) {
    if (value <= 0) return value;
    const double unit = std::pow(10.0, std::floor(std::log10(value)) - 2);
    // Divided by a whole number where it is below 1, so that 0.123 is the double that "0.123" is.
    return unit < 1 ? std::round(value / unit) / std::round(1 / unit)
                    : std::round(value / unit) * std::round(unit);
}

double log_uniform(Random& random, double from, double to) {
    return three_digits(from * std::exp(random.uniform() * std::log(to / from)));
}

double uniform(Random& random, double from, double to) {
    return three_digits(from + random.uniform() * (to - from));
}

bool chance(Random& random, double probability) { return random.uniform() <= probability; }

Character draw_character(std::string_view family, Random& random) {
    Character character{.family = family,
                        .burst_us = log_uniform(random, 30, 20000),
                        .shape = proto::Times::EXPONENTIAL,
                        .load = uniform(random, 0.2, 1.1),
                        .wait = log_uniform(random, 0.5, 8)};
    const double kind = random.uniform();
    if (kind > 0.8)
        character.shape = proto::Times::LOGNORMAL;
    else if (kind > 0.65)
        character.shape = proto::Times::PARETO;
    else if (kind > 0.5)
        character.shape = proto::Times::FIXED;
    return character;
}

void add_load(proto::Phase& phase, const Character& character, unsigned vcpus, double share,
              Random& random) {
    const std::string_view family = character.family;
    const double burst_us = character.burst_us;
    proto::Load& load = *phase.add_loads();
    if (family == "hogs" || family == "memory") {
        load.mutable_hog();
    } else if (family == "open-server") {
        auto& server = *load.mutable_open_server();
        const double busy = std::min(character.load * share, 0.9 * vcpus); // CPUs
        server.set_requests_per_s(three_digits(busy * 1e6 / burst_us));
        set(*server.mutable_service(), burst_us, character.shape);
        if (chance(random, 0.3)) server.set_burst(number(random, 2, 8));
    } else if (family == "closed-server") {
        auto& server = *load.mutable_closed_server();
        server.set_clients(
            std::max(1U, static_cast<unsigned>(std::round(vcpus * log_uniform(random, 0.5, 4)))));
        set(*server.mutable_think(), burst_us * character.wait);
        set(*server.mutable_service(), burst_us, character.shape);
    } else if (family == "chain") {
        set(*load.mutable_ring()->mutable_hop(), std::min(burst_us, 2000.0), character.shape);
    } else if (family == "ring") {
        load.mutable_ring()->set_tokens(number(random, 1, vcpus));
        set(*load.mutable_ring()->mutable_hop(), std::min(burst_us, 5000.0), character.shape);
    } else if (family == "build") {
        auto& build = *load.mutable_build();
        const unsigned io = number(random, 0, 12);
        if (chance(random, 0.4)) build.set_width(2 * vcpus);
        set(*build.mutable_job(), burst_us * (io + 1), character.shape);
        build.set_io_per_job(io);
        if (io > 0) set(*build.mutable_io(), log_uniform(random, 100, 5000));
    } else if (family == "periodic") {
        auto& periodic = *load.mutable_periodic();
        const double busy = std::clamp(character.load * share / vcpus, 0.05, 0.8);
        const double period_us = std::clamp(burst_us / busy, 500.0, 50000.0);
        periodic.set_period_us(three_digits(period_us));
        set(*periodic.mutable_run(), period_us * busy, proto::Times::FIXED);
        if (chance(random, 0.5)) periodic.set_deadline_us(three_digits(period_us * (1 + busy) / 2));
    } else if (family == "database") {
        auto& database = *load.mutable_database();
        database.set_threads(number(random, vcpus, 3 * vcpus));
        set(*database.mutable_work(), burst_us, character.shape);
        set(*database.mutable_critical(), burst_us * uniform(random, 0.02, 0.4));
        if (chance(random, 0.6)) set(*database.mutable_think(), burst_us * character.wait);
        database.set_locks(number(random, 1, 8));
    } else if (family == "boot-storm") {
        auto& boot = *load.mutable_boot();
        boot.set_boots(1000); // one boots all the time
        boot.set_work_ms(three_digits(vcpus * log_uniform(random, 20, 200)));
        set(*boot.mutable_stretch(), burst_us, character.shape);
        set(*boot.mutable_io(), burst_us * character.wait);
    } else { // backend
        auto& frontend = *load.mutable_frontend();
        frontend.set_threads(number(random, vcpus, 2 * vcpus));
        set(*frontend.mutable_work(), std::min(burst_us, 3000.0), character.shape);
        set(*frontend.mutable_backend_work(), log_uniform(random, 10, 100));
        if (chance(random, 0.7)) set(*frontend.mutable_device(), log_uniform(random, 50, 1000));
    }
}

bool fix_threads(proto::Load& load, unsigned vcpus) {
    if (load.has_hog() && load.hog().threads() == 0) load.mutable_hog()->set_threads(vcpus);
    if (load.has_build() && load.build().width() == 0) load.mutable_build()->set_width(vcpus);
    return !load.has_periodic() && !load.has_boot();
}

void add_background(proto::Guest& guest, Random& random) {
    const double kind = random.uniform();
    const double ticks_per_s = kind < 0.65   ? log_uniform(random, 1, 10)
                               : kind < 0.97 ? log_uniform(random, 64, 250)
                                             : 1000;
    if (guest.phases().empty()) guest.add_phases();
    const bool ticks = chance(random, 0.5);
    const double run_us = log_uniform(random, 5, 200);
    for (proto::Phase& phase : *guest.mutable_phases()) {
        proto::Load& load = *phase.add_loads();
        if (ticks) {
            load.mutable_periodic()->set_period_us(three_digits(1e6 / ticks_per_s));
            set(*load.mutable_periodic()->mutable_run(), run_us, proto::Times::LOGNORMAL);
        } else {
            load.mutable_open_server()->set_requests_per_s(
                three_digits(ticks_per_s * guest.vcpus()));
            set(*load.mutable_open_server()->mutable_service(), run_us, proto::Times::LOGNORMAL);
        }
    }
}

} // namespace sim
