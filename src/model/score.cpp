// SPDX-License-Identifier: MIT
#include "src/model/score.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace intellisched {
namespace {

constexpr double idle_demand = 1e-3;    // CPUs: a guest that wants less is idle
constexpr double least_work = 1e-3;     // of the guest's most; starved, not minus infinity
constexpr double least_events = 10;     // a second: fewer have no tail, only single cases
constexpr double missed_deadlines = 5;  // all missed weighs like a tail e^5 = 150 times as long
constexpr double worst_share_error = 1; // per guest: twice its due is as wrong as nothing

// Of what is measured: beyond any host, and near enough to calculate with.
constexpr double most_figure = 1e24;   // a million CPUs for thirty years, in nanoseconds
constexpr double least_seconds = 1e-6; // rates stay finite

// By intent. Work differs between layouts by percents (3 to 15), tails by factors (2 to 80, so ln
// is 0.7 to 4.4) and share error from 0.005 to 0.66: with these weights a doubled tail is worth
// 0.7% of the work under throughput, 3.5% under balanced and, with work at half its weight, 28%
// under latency. Work alone must not decide under any of them: it hides starved and unfairly served
// guests.
constexpr std::array<ScoreWeights, all_intents.size()> weights{{
    {.work = 1.0, .tail = 0.01, .share = 0.1}, // throughput
    {.work = 0.5, .tail = 0.20, .share = 0.1}, // latency
    {.work = 1.0, .tail = 0.05, .share = 0.2}, // balanced
}};

/// The mean of what guests add to a term.
class Mean {
  public:
    void add(double value, double weight = 1) { sum_ += weight * value, weights_ += weight; }
    [[nodiscard]] double value() const { return any() ? sum_ / weights_ : 0; }
    [[nodiscard]] bool any() const { return weights_ > 0; }

  private:
    double sum_ = 0;
    double weights_ = 0;
};

/// Which of a guest's figures count, over all results.
struct Counted {
    double claim = 0;
    double most_work = 0;
    double demand = 0;
    double wakeups = 0, responses = 0, deadlines = 0; ///< a second, at most

    void see(const GuestResult& guest) {
        claim = std::max(claim, guest.claim);
        most_work = std::max(most_work, guest.work);
        demand = std::max(demand, guest.demand.value_or(1));
        wakeups = std::max(wakeups, guest.wakeups_per_s);
        responses = std::max(responses, guest.responses_per_s);
        deadlines = std::max(deadlines, guest.deadlines_per_s);
    }
    /// Of the least that counts there must be a logarithm.
    [[nodiscard]] bool work() const { return least_work * most_work > 0 && demand >= idle_demand; }
    [[nodiscard]] bool tail() const {
        return std::max({wakeups, responses, deadlines}) >= least_events;
    }
    /// Call it where work() holds.
    [[nodiscard]] double work_of(const GuestResult& guest) const {
        return std::log(std::max(guest.work, least_work * most_work));
    }
    /// Call it where tail() holds.
    [[nodiscard]] double tail_of(const GuestResult& guest) const {
        const auto logarithm = [](double us) { return std::log1p(us / tail_floor_us); };
        Mean tails;
        if (wakeups >= least_events) tails.add(logarithm(guest.wake_p99_us));
        if (responses >= least_events) tails.add(logarithm(guest.response_p99_us));
        return tails.value() + (deadlines >= least_events ? missed_deadlines * guest.missed : 0);
    }
};

double mean(std::span<const double> values) {
    return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

/// Of the values themselves, not of their mean; needs two.
double variance(std::span<const double> values) {
    const double middle = mean(values);
    double squares = 0;
    for (const double value : values) squares += (value - middle) * (value - middle);
    return squares / static_cast<double>(values.size() - 1);
}

/// Not so of NaN.
bool possible(double value) { return value >= 0 && value <= most_figure; }

bool possible(const proto::GuestTruth& guest) {
    return possible(guest.work_ns()) && possible(guest.run_ns()) && possible(guest.runnable_ns()) &&
           possible(guest.response().p99_us()) && possible(guest.wake_to_run().p99_us()) &&
           guest.misses() <= guest.deadlines();
}

} // namespace

const ScoreWeights& score_weights(Intent intent) { return weights[index(intent)]; }

Result<std::vector<double>> utilities(Intent intent, std::span<const LayoutResult> results) {
    std::map<std::string, Counted> counted;
    for (const LayoutResult& result : results)
        for (const auto& [name, guest] : result.guests) counted[name].see(guest);

    const ScoreWeights& weight = score_weights(intent);
    std::vector<double> utilities;
    for (const LayoutResult& result : results) {
        Mean work, tail;
        for (const auto& [name, counts] : counted) {
            const auto found = result.guests.find(name);
            const GuestResult guest = found == result.guests.end() ? GuestResult{} : found->second;
            if (counts.work()) work.add(counts.work_of(guest), counts.claim);
            if (counts.tail()) tail.add(counts.tail_of(guest));
        }
        if (!work.any() && !tail.any())
            return fail("no guest did anything that a score could be made of; let it run for "
                        "longer, or give it some load");
        utilities.push_back(weight.work * work.value() - weight.tail * tail.value() -
                            weight.share * result.share_error);
    }
    return utilities;
}

std::map<std::string, GuestTerms> terms(const LayoutResult& result) {
    std::map<std::string, GuestTerms> out;
    for (const auto& [name, guest] : result.guests) {
        Counted counts;
        counts.see(guest);
        GuestTerms& one = out[name];
        one.claim = guest.claim;
        if (counts.work()) one.work = counts.work_of(guest);
        if (counts.tail()) one.tail = counts.tail_of(guest);
        one.share = guest.share_error;
    }
    return out;
}

std::optional<double> utility(Intent intent, std::span<const GuestTerms> guests) {
    Mean work, tail, share;
    for (const GuestTerms& guest : guests) {
        if (guest.work) work.add(*guest.work, guest.claim);
        if (guest.tail) tail.add(*guest.tail);
        if (guest.share) share.add(*guest.share);
    }
    if (!work.any() && !tail.any()) return std::nullopt;
    const ScoreWeights& weight = score_weights(intent);
    return weight.work * work.value() - weight.tail * tail.value() - weight.share * share.value();
}

Result<proto::IntentScores> scores(Intent intent, const Repeats& repeats) {
    std::size_t count = 0;
    std::vector<LayoutResult> all;
    std::array<std::size_t, layout_count> place{}; // of its results in `all`
    for (std::size_t l = 0; l < layout_count; ++l) {
        place[l] = all.size();
        all.insert(all.end(), repeats[l].begin(), repeats[l].end());
        if (repeats[l].empty()) continue;
        if (count != 0 && repeats[l].size() != count)
            return fail("not every layout was measured equally often");
        count = repeats[l].size();
    }
    if (count == 0) return fail("no layout was measured");
    const auto utility = TRY(utilities(intent, all));
    const auto of = [&](std::size_t layout) {
        return std::span(utility).subspan(place[layout], repeats[layout].size());
    };
    std::array<double, layout_count> means{};
    for (std::size_t l = 0; l < layout_count; ++l)
        means[l] = repeats[l].empty() ? -std::numeric_limits<double>::infinity() : mean(of(l));
    const auto best =
        static_cast<std::size_t>(std::max_element(means.begin(), means.end()) - means.begin());

    std::array<double, layout_count> variances{};
    Mean pooled; // the best and those of its partition have nothing to add
    for (std::size_t l = 0; l < layout_count; ++l) {
        variances[l] = std::nan("");
        if (count < 2 || repeats[l].empty()) continue;
        std::vector<double> differences;
        for (std::size_t r = 0; r < count; ++r) differences.push_back(of(l)[r] - of(best)[r]);
        variances[l] = variance(differences);
        if (means[l] != means[best]) pooled.add(variances[l]);
    }
    proto::IntentScores out;
    out.set_intent(std::string(to_string(intent)));
    for (std::size_t l = 0; l < layout_count; ++l) {
        out.add_score(repeats[l].empty() ? std::nan("") : std::exp(means[l] - means[best]));
        const bool is_best = count > 1 && means[l] == means[best];
        const double both = is_best ? 0 : (variances[l] + pooled.value()) / 2;
        out.add_spread(std::sqrt(both / static_cast<double>(count)));
    }
    for (std::size_t r = 0; r < count; ++r)
        for (std::size_t l = 0; l < layout_count; ++l)
            out.add_repeat(repeats[l].empty() ? std::nan("") : of(l)[r] - means[best]);
    return out;
}

std::vector<double> entitlements(std::span<const Claimant> claimants, double capacity) {
    const auto wanted = [](const Claimant& c) { return std::min(c.demand, c.limit); };
    // Served in the order in which they are satisfied as the level rises.
    std::vector<std::size_t> order(claimants.size());
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
        return wanted(claimants[a]) * claimants[b].weight <
               wanted(claimants[b]) * claimants[a].weight;
    });
    double weight = 0;
    for (const Claimant& claimant : claimants) weight += claimant.weight;
    std::vector<double> shares(claimants.size());
    for (const std::size_t i : order) {
        const Claimant& claimant = claimants[i];
        shares[i] = std::min(wanted(claimant), capacity * claimant.weight / weight);
        capacity -= shares[i];
        weight -= claimant.weight;
    }
    return shares;
}

Result<LayoutResult> result_from(const proto::Truth& truth, const std::string& pool) {
    const double seconds = truth.seconds();
    if (!possible(seconds) || seconds < least_seconds)
        return fail("a measurement of {} seconds says nothing; measure for longer", seconds);
    double cpu_ns = -1;
    for (const proto::PoolTruth& one : truth.pools())
        if (one.name() == pool) cpu_ns = one.cpu_ns();
    if (!possible(cpu_ns))
        return fail("pool {}: its CPU time was not told; look at the pool's name", printable(pool));

    LayoutResult result;
    std::vector<Claimant> claimants;
    std::vector<double> got;
    std::vector<GuestResult*> results; // map nodes stay where they are
    for (const proto::GuestTruth& guest : truth.guests()) {
        if (guest.pool() != pool) continue;
        if (!possible(guest))
            return fail("guest {}: its figures cannot be; the measurement is damaged, make it "
                        "again",
                        printable(guest.name()));
        const auto rate = [&](std::uint64_t events) {
            return static_cast<double>(events) / seconds;
        };
        const double demand_ns = guest.run_ns() + guest.runnable_ns();
        GuestResult unscored; // of a guest in the background: it has its share of the CPUs, no more
        GuestResult& out = guest.background() ? unscored : result.guests[guest.name()];
        out.claim = std::max<double>(guest.weight(), 1) * std::max<double>(guest.vcpus(), 1);
        out.work = guest.domid() == 0 ? 0 : guest.work_ns() / seconds;
        out.demand = demand_ns / 1e9 / seconds;
        out.wake_p99_us = guest.wake_to_run().p99_us();
        out.wakeups_per_s = rate(guest.wake_to_run().count());
        out.response_p99_us = guest.response().p99_us();
        out.responses_per_s = rate(guest.response().count());
        out.deadlines_per_s = rate(guest.deadlines());
        if (guest.deadlines() > 0)
            out.missed =
                static_cast<double>(guest.misses()) / static_cast<double>(guest.deadlines());

        const double cpus =
            guest.cap() > 0 ? std::min<double>(guest.vcpus(), guest.cap() / 100.0) : guest.vcpus();
        claimants.push_back(
            {.weight = out.claim, .demand = demand_ns, .limit = cpus * seconds * 1e9});
        got.push_back(guest.run_ns());
        results.push_back(guest.background() ? nullptr : &out);
    }

    const auto entitled = entitlements(claimants, cpu_ns);
    Mean error;
    for (std::size_t i = 0; i < entitled.size(); ++i)
        if (results[i] != nullptr && claimants[i].demand >= idle_demand * seconds * 1e9 &&
            entitled[i] > 0) {
            results[i]->share_error =
                std::min(std::abs(got[i] - entitled[i]) / entitled[i], worst_share_error);
            error.add(*results[i]->share_error);
        }
    result.share_error = error.value();
    return result;
}

} // namespace intellisched
