// SPDX-License-Identifier: MIT
// Random inputs, absurd ones among them: what holds for any sequence, as seen from outside; and a
// state that was stored and restored does the same as one that was not.
#include "policy_world.hpp"
#include "src/policy/state_message.hpp"
#include "src/policy/stepper.hpp"

#include <doctest/doctest.h>
#include <limits>
#include <map>

using namespace intellisched;
using namespace intellisched::test;

namespace {

// Shorter than the defaults, so that much happens in a few thousand steps.
PolicySettings brisk() {
    PolicySettings settings;
    settings.switch_margins.windows = 3;
    settings.windows = 6;
    settings.trial.settle = 1;
    settings.trial.windows = 6;
    settings.trial.least_windows = 3;
    settings.trial.early_windows = 4;
    settings.trial.extensions = 1;
    settings.trial.longest = minute;
    settings.dwell = 30 * second;
    settings.longest_dwell = 10 * minute;
    settings.switches_an_hour = 6;
    settings.quarantine.first = 5 * minute;
    settings.quarantine.longest = hour;
    settings.quarantine.most = 4;
    settings.breaker_reverts = 5;
    settings.breaker_for = hour;
    settings.stand_down = 20 * minute;
    return settings;
}

/// A host, its administrator and its clock, at random; and what the policy owes them.
class Chaos {
  public:
    explicit Chaos(std::uint64_t seed) : random_(seed) {
        world_.settings = brisk();
        world_.pool.boot = {Layout::socket, 16};
    }

    void run(unsigned steps) {
        for (unsigned i = 0; i < steps; ++i) act();
    }

    std::map<Ending, unsigned> endings;
    std::map<Knob, unsigned> by_knob;
    unsigned switches = 0;

  private:
    bool chance(double probability) {
        return std::uniform_real_distribution<double>(0, 1)(random_) < probability;
    }
    std::uint64_t below(std::uint64_t limit) {
        return std::uniform_int_distribution<std::uint64_t>(0, limit - 1)(random_);
    }
    Layout any_layout() { return all_layouts.at(below(layout_count)); }
    double absurd() {
        constexpr double inf = std::numeric_limits<double>::infinity();
        constexpr double nan = std::numeric_limits<double>::quiet_NaN();
        constexpr std::array<double, 7> values{nan, inf, -inf, 1e308, -1e308, 5e-324, -1};
        return values.at(below(values.size()));
    }

    void act() {
        world_.time += chance(0.001) ? hour : chance(0.01) ? minute : second;
        if (chance(0.02)) change_the_world();
        // What was asked for happens, or not, and is told, or not.
        if (asked_ && chance(0.7)) {
            const bool done = chance(0.8);
            if (done) world_.apply_to_pool(asked_->target);
            const ApplyResult result{asked_->serial, chance(0.95) ? done : !done, "at random"};
            asked_.reset();
            if (chance(0.9)) feed(result);
            world_.pool.current = world_.pool.in_force.layout;
            return feed(world_.pool);
        }
        if (chance(0.1)) {
            world_.pool.current = world_.pool.in_force.layout;
            return feed(world_.pool);
        }
        if (chance(0.005)) return administrate();
        if (chance(0.002)) return feed(ApplyResult{below(20), chance(0.5), "from nowhere"});
        if (chance(0.02)) return feed(Tick{});
        if (chance(0.003)) return restart();
        WindowSeen window = world_.next();
        if (chance(0.02)) garble(window);
        feed(window);
    }

    void change_the_world() {
        world_.favoured = any_layout();
        for (double& utility : world_.utility)
            utility = std::normal_distribution<double>(0, 0.2)(random_);
        if (chance(0.2)) world_.load[below(workload_size)] += chance(0.5) ? 2 : -2;
        if (chance(0.1)) ++world_.guests;
        if (chance(0.05)) ++world_.pool.topology;
        if (chance(0.05))
            world_.pool.same = chance(0.5)
                                   ? distinct
                                   : Representatives{Layout::cpu, Layout::core, Layout::core,
                                                     Layout::node, Layout::node};
        if (chance(0.1)) world_.pool.in_force = {any_layout(), chance(0.5) ? no_cap : 16};
        world_.pool.can_rearrange = !chance(0.05);
        world_.favoured_limit = all_options.at(below(option_count));
        for (double& utility : world_.limit_utility)
            utility = std::normal_distribution<double>(0, 0.2)(random_);
        if (chance(0.1))
            world_.pool.rate_limit_us =
                chance(0.3) ? std::nullopt : std::optional<unsigned>(100U * below(100));
    }

    void administrate() {
        switch (below(8)) {
        case 0:
            return feed(SetMode{static_cast<Mode>(below(4))});
        case 1:
            return feed(SetIntent{all_intents.at(below(all_intents.size()))});
        case 2:
            return feed(Pause{});
        case 3:
        case 4:
        case 5:
            return feed(Resume{});
        default:
            return feed(SetMode{Mode::automatic});
        }
    }

    /// The pool is gone, and another one has its name.
    void replace_pool() {
        asked_.reset();
        feed(PoolGone{});
        world_.pool.current = world_.pool.in_force.layout;
        feed(world_.pool);
    }

    void restart() {
        if (chance(0.3)) return replace_pool();
        asked_.reset(); // with the process that was about to do it; it may have done it
        if (!chance(0.2)) return feed(Restarted{});
        world_.pool.in_force = world_.pool.boot;
        world_.time = below(2) * hour + second;
        last_change_.clear(); // of another clock
        recent_.clear();
        stand_down_until_ = 0;
        feed(Restarted{true});
        world_.pool.current = world_.pool.in_force.layout;
        feed(world_.pool);
    }

    void garble(WindowSeen& window) {
        auto& prediction = window.observation.prediction;
        switch (below(7)) {
        case 0:
            window.observation.coverage = absurd();
            break;
        case 1:
            prediction.probability.at(below(layout_count)) = absurd();
            break;
        case 2:
            prediction.expected_gain.at(below(layout_count)) = absurd();
            break;
        case 3:
            window.utility = absurd();
            break;
        case 4:
            window.workload.at(below(workload_size)) = absurd();
            break;
        case 5:
            window.observation.rearrangements = 1;
            break;
        default:
            window.observation.decisions = 0;
        }
    }

    void feed(const Input& input) {
        note(input);
        // The twin lives from one storing to the next.
        auto twin = state_of(message_of(world_.state));
        REQUIRE_MESSAGE(twin, twin.error().message);
        const std::optional<PoolSeen> before = world_.state.pool;
        const PoolVerdict verdict = world_.feed(input);
        const PoolVerdict same = step(*twin, world_.time, input, world_.settings);
        REQUIRE(message_of(world_.state).SerializeAsString() ==
                message_of(*twin).SerializeAsString());
        REQUIRE(verdict.decision == same.decision);
        REQUIRE(verdict.target == same.target);
        REQUIRE(verdict.serial == same.serial);
        REQUIRE(verdict.reasons.size() == same.reasons.size());
        REQUIRE(verdict.trial.has_value() == same.trial.has_value());
        check(verdict, before);
    }

    void note(const Input& input) {
        if (const auto* set = std::get_if<SetMode>(&input)) mode_ = set->mode;
        if (std::holds_alternative<Pause>(input)) paused_ = true;
        if (std::holds_alternative<Resume>(input)) {
            paused_ = false;
            stand_down_until_ = 0;
        }
    }

    void check(const PoolVerdict& verdict, const std::optional<PoolSeen>& pool) {
        const PolicySettings& settings = world_.settings;
        REQUIRE(world_.state.history.size() <= 64);
        REQUIRE(world_.state.quarantines.size() <= settings.quarantine.most);
        if (has(verdict, "foreign-change")) {
            for (const Reason& reason : verdict.reasons)
                if (reason.code == "foreign-change")
                    last_change_[reason.text.find("rate limit") == std::string::npos
                                     ? Knob::layout
                                     : Knob::rate_limit] = world_.time;
            if (mode_ == Mode::automatic) stand_down_until_ = world_.time + settings.stand_down;
        }
        if (verdict.trial) {
            REQUIRE(open_);
            REQUIRE(verdict.trial->to == open_->target);
            REQUIRE(std::isfinite(verdict.trial->comparison.difference));
            ++endings[verdict.trial->ending];
            open_.reset();
            from_ = verdict.trial->from;
        }
        if (verdict.decision == Decision::revert) {
            REQUIRE_FALSE(open_);
            const bool known = verdict.target == from_ || world_.pool.has(verdict.target) ||
                               verdict.target == Change{.arrangement = world_.pool.boot};
            REQUIRE(known);
            for (const Knob knob : all_knobs)
                if (turns(verdict.target, knob)) last_change_[knob] = world_.time;
            asked_ = verdict;
        }
        if (verdict.decision != Decision::switch_option) return;
        REQUIRE_FALSE(open_);
        REQUIRE(mode_ == Mode::automatic);
        REQUIRE_FALSE(paused_);
        REQUIRE(world_.time >= stand_down_until_);
        REQUIRE(pool);
        const Knob knob = verdict.target.arrangement ? Knob::layout : Knob::rate_limit;
        if (knob == Knob::layout) REQUIRE(pool->can_rearrange);
        REQUIRE_FALSE(pool->has(verdict.target));
        if (knob == Knob::layout)
            REQUIRE(pool->same[index(verdict.target.arrangement->layout)] !=
                    pool->same[index(pool->current)]);
        const double part = knob == Knob::rate_limit ? settings.rate_limit_dwell_part : 1;
        if (last_change_.contains(knob))
            REQUIRE(static_cast<double>(world_.time - last_change_[knob]) >=
                    part * static_cast<double>(settings.dwell));
        ++by_knob[knob];
        std::erase_if(recent_, [&](Nanoseconds time) { return world_.time - time >= hour; });
        recent_.push_back(world_.time);
        REQUIRE(recent_.size() <= settings.switches_an_hour);
        last_change_[knob] = world_.time;
        open_ = asked_ = verdict;
        ++switches;
    }

    std::mt19937_64 random_;
    World world_;
    std::optional<PoolVerdict> asked_, open_;
    Change from_;
    Mode mode_ = Mode::automatic;
    bool paused_ = false;
    Nanoseconds stand_down_until_ = 0;
    std::map<Knob, Nanoseconds> last_change_;
    std::vector<Nanoseconds> recent_;
};

} // namespace

TEST_CASE("policy random: what always holds, and states that are stored and restored") {
    std::map<Ending, unsigned> endings;
    unsigned switches = 0, of_rate_limits = 0;
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        INFO("seed " << seed);
        Chaos chaos(seed);
        chaos.run(4000);
        switches += chaos.switches;
        of_rate_limits += chaos.by_knob[Knob::rate_limit];
        for (const auto& [ending, count] : chaos.endings) endings[ending] += count;
    }
    // Or the test shows nothing.
    CHECK(switches > 250);
    CHECK(of_rate_limits > 50);
    CHECK(switches - of_rate_limits > 50);
    CHECK(endings.size() >= 12);
}

TEST_CASE("policy journal: states that cannot be are refused") {
    World world;
    REQUIRE(world.switched().decision == Decision::switch_option);
    world.windows(8);
    const proto::PolicyState good = message_of(world.state);
    REQUIRE(state_of(good));
    const auto refused = [&](auto&& damage) {
        proto::PolicyState bad = good;
        damage(bad);
        const auto state = state_of(bad);
        return !state && state.error().message.find("remove it") != std::string::npos;
    };
    CHECK(refused([](auto& bad) { bad.set_version(1); }));
    CHECK(refused([](auto& bad) { bad.set_mode("manual"); }));
    CHECK(refused([](auto& bad) { bad.set_intent("speed"); }));
    CHECK(refused([](auto& bad) { bad.clear_pool(); }));
    CHECK(refused([](auto& bad) { bad.mutable_pool()->add_representative("all"); }));
    CHECK(refused([](auto& bad) {
        bad.mutable_trial()->mutable_to()->mutable_arrangement()->set_layout("sockets");
    }));
    CHECK(refused([](auto& bad) { bad.mutable_trial()->set_cancelled("given-up"); }));
    CHECK(refused([](auto& bad) { bad.mutable_trial()->set_in_force(false); }));
    CHECK(refused([](auto& bad) { bad.mutable_trial()->mutable_before(0)->add_workload(1); }));
    CHECK(refused([](auto& bad) { bad.mutable_pending()->mutable_target()->clear_arrangement(); }));
    CHECK(refused([](auto& bad) { bad.add_history(); }));
    CHECK(refused([](auto& bad) { bad.add_quarantines(); }));
    CHECK(refused([](auto& bad) { bad.Clear(); }));
}

TEST_CASE("policy journal: utilities of another version of the score are forgotten") {
    World world;
    REQUIRE(world.switched().decision == Decision::switch_option);
    world.windows(8);
    proto::PolicyState stored = message_of(world.state);
    REQUIRE(state_of(stored)->trial->before.size() > 0);
    stored.set_score_version(stored.score_version() - 1);
    const auto state = state_of(stored);
    REQUIRE(state);
    CHECK(state->trial->in_force);
    CHECK(state->trial->before.empty());
    CHECK(state->trial->after.empty());
    for (const PastWindow& past : state->history) CHECK(std::isnan(past.window.utility));
}
