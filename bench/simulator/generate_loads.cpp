// SPDX-License-Identifier: GPL-2.0-only
#include "bench/simulator/generate_loads.hpp"

#include "bench/simulator/loads/kind.hpp"

#include <algorithm>
#include <cmath>

namespace sim {

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

unsigned number(Random& random, unsigned from, unsigned to) {
    return from + static_cast<unsigned>(random.below(to - from + 1));
}

void set_times(proto::Times& times, double mean_us, proto::Times::Shape shape) {
    times.set_mean_us(three_digits(mean_us));
    times.set_shape(shape);
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
    kind_of(character.family).draw(*phase.add_loads(), character, vcpus, share, random);
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
            set_times(*load.mutable_periodic()->mutable_run(), run_us, proto::Times::LOGNORMAL);
        } else {
            load.mutable_open_server()->set_requests_per_s(
                three_digits(ticks_per_s * guest.vcpus()));
            set_times(*load.mutable_open_server()->mutable_service(), run_us,
                      proto::Times::LOGNORMAL);
        }
    }
}

} // namespace sim
