// SPDX-License-Identifier: MIT
// A pool for the policy's tests: it has what it was told to have, and its windows say what they
// are told to say.
#pragma once

#include "src/policy/machine.hpp"

#include <algorithm>
#include <random>

namespace intellisched::test {

inline constexpr Representatives distinct{Layout::cpu, Layout::core, Layout::socket, Layout::node,
                                          Layout::all};
inline constexpr Workload usual_load{0, 5, 6, 1, 0, 2, 1};

/// A model that is sure of one layout; `gain` is what it promises over the current one.
inline Prediction prediction_for(Layout favoured, double gain, Layout current) {
    Prediction prediction;
    prediction.probability.fill(0.05);
    prediction.probability[index(favoured)] = 0.8;
    prediction.expected_gain.fill(-0.05);
    prediction.expected_gain[index(current)] = 0;
    if (favoured != current) prediction.expected_gain[index(favoured)] = gain;
    prediction.best = option_of(favoured);
    return prediction;
}

inline bool has(const PoolVerdict& verdict, std::string_view code) {
    return std::any_of(verdict.reasons.begin(), verdict.reasons.end(),
                       [&](const Reason& reason) { return reason.code == code; });
}

struct World {
    PolicySettings settings;
    State state;
    Nanoseconds time = 1000 * hour;
    PoolSeen pool{.topology = 1,
                  .can_rearrange = true,
                  .same = distinct,
                  .in_force = {Layout::socket, no_cap},
                  .current = Layout::socket,
                  .exact = true,
                  .boot = {Layout::socket, no_cap}};

    // Of the rate limit, where the pool tells it.
    std::optional<Option> favoured_limit;
    double limit_gain = 0.1;
    std::array<double, option_count> limit_utility{};

    // What the windows say.
    Layout favoured = Layout::core;
    double gain = 0.1;
    double outside_training = 0;
    std::array<double, layout_count> utility{}; ///< by layout in force
    double noise = 0.02;                        ///< standard deviation of utility
    bool regular = false; ///< noise by turns above and below, rather than random
    Workload load = usual_load;
    std::uint64_t guests = 7; ///< identity of the only one
    std::mt19937_64 random{1};

    explicit World(Mode mode = Mode::automatic) {
        feed(SetMode{mode});
        read();
    }

    PoolVerdict feed(const Input& input) { return step(state, time, input, settings); }

    /// The service reads the pool.
    PoolVerdict read() {
        pool.current = pool.in_force.layout;
        return feed(pool);
    }

    WindowSeen next() {
        std::normal_distribution<double> normal(0, noise), little(0, 0.02);
        WindowSeen window;
        window.observation = {1.0, 1000, prediction_for(favoured, gain, pool.current), 0};
        window.observation.prediction.outside_training = outside_training;
        window.in_force = pool.in_force;
        window.rate_limit_us = pool.rate_limit_us;
        const Option limit = pool.option(Knob::rate_limit);
        if (favoured_limit)
            window.of_rate_limit = prediction_for(layout_of(*favoured_limit), limit_gain,
                                                  layout_of(limit)); // options are numbers
        window.utility = utility[index(pool.in_force.layout)] + limit_utility[index(limit)] +
                         (regular ? time / second % 2 == 0 ? noise : -noise : normal(random));
        window.workload = load;
        for (double& number : window.workload) number += little(random);
        // Under the balanced intent, utility is ln of work.
        window.guests = {{guests, guests, {.claim = 256, .work = window.utility}}};
        return window;
    }

    /// A second passes; its window.
    PoolVerdict window() {
        time += second;
        return feed(next());
    }

    /// Windows until a verdict asks for something or a trial ends; the last verdict after `most`.
    PoolVerdict windows(unsigned most) {
        PoolVerdict verdict;
        for (unsigned i = 0; i < most; ++i) {
            verdict = window();
            if (verdict.trial || asks(verdict)) break;
        }
        return verdict;
    }

    [[nodiscard]] static bool asks(const PoolVerdict& verdict) {
        return verdict.decision == Decision::switch_option || verdict.decision == Decision::revert;
    }

    void apply_to_pool(const Change& change) {
        if (change.arrangement) pool.in_force = *change.arrangement;
        if (change.rate_limit_us) pool.rate_limit_us = change.rate_limit_us;
    }

    /// The host does what the verdict asks for.
    PoolVerdict apply(const PoolVerdict& verdict) {
        time += second / 100;
        apply_to_pool(verdict.target);
        PoolVerdict after = feed(ApplyResult{verdict.serial, true});
        read();
        return after;
    }

    /// Time without windows.
    void pass(Nanoseconds by) {
        time += by;
        feed(Tick{});
    }

    /// As long as it takes to have a verdict that asks for a switch; it is applied.
    PoolVerdict switched(unsigned most = 40) {
        PoolVerdict verdict = windows(most);
        if (verdict.decision == Decision::switch_option) apply(verdict);
        return verdict;
    }

    /// A switch, its trial, and what comes of it (a revert is applied).
    PoolVerdict tried(unsigned most = 200) {
        if (switched(most).decision != Decision::switch_option) return {};
        PoolVerdict verdict = windows(most);
        if (verdict.decision == Decision::revert) apply(verdict);
        return verdict;
    }
};

} // namespace intellisched::test
