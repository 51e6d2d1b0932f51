// SPDX-License-Identifier: MIT
#include "src/model/score.hpp"

#include "collector/window/demand.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace intellisched {
namespace {

constexpr double idle_demand = 1e-3;     // CPUs: a guest that wants less is idle
constexpr double least_work = 1e-3;      // of the guest's most; starved, not minus infinity
constexpr double least_events = 10;      // a second: fewer have no tail, only single cases
constexpr double all_missed = 9;         // deadlines: as a tail 1 + 9 times as long
constexpr double worst_share_error = 1;  // per guest: twice its due is as wrong as nothing
constexpr double full_use = 0.1;         // of its vCPUs: a guest that wants as much counts in full
constexpr double full_voice = 0.1;       // of all claims: guests with tails that have as much
constexpr double wanted_elsewhere = 0.3; // of the CPU time that is left over: the use of servers

// Of what is measured: beyond any host, and near enough to calculate with.
constexpr double most_figure = 1e24;   // a million CPUs for thirty years, in nanoseconds
constexpr double least_seconds = 1e-6; // rates stay finite
constexpr double least_cpus = 0.01;    // of a cap: one percent

// By intent, in units of work. Work differs between layouts by percents (3 to 15), tails by factors
// (2 to 80, so ln is 0.7 to 4.4) and share error from 0.005 to 0.66: with these weights a doubled
// tail is worth 0.7% of the work under throughput, 3.5% under balanced and 28% under latency. Work
// alone must not decide under any of them: it hides starved and unfairly served guests.
constexpr std::array<ScoreParts, all_intents.size()> weights{{
    {.work = 1.0, .headroom = wanted_elsewhere, .tail = 0.01, .share = 0.1},     // throughput
    {.work = 1.0, .headroom = 0, .tail = 0.40, .share = 0.2},                    // latency
    {.work = 1.0, .headroom = wanted_elsewhere / 2, .tail = 0.05, .share = 0.2}, // balanced
}};

/// The mean of what guests add to a part.
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
    double weight = 0, vcpus = 0;
    double demand = 0;
    double most_work = 0;
    bool always_worked = true;
    std::size_t seen = 0, shares = 0;
    double wakeups = 0, responses = 0, deadlines = 0; ///< a second, at most

    void see(const GuestResult& guest) {
        ++seen;
        shares += guest.share_error.has_value();
        weight = std::max(weight, guest.weight);
        vcpus = std::max(vcpus, guest.vcpus);
        demand = std::max(demand, guest.demand.value_or(guest.vcpus));
        most_work = std::max(most_work, guest.work);
        always_worked = always_worked && guest.work > 0 && guest.run > 0;
        wakeups = std::max(wakeups, guest.wakeups_per_s);
        responses = std::max(responses, guest.responses_per_s);
        deadlines = std::max(deadlines, guest.deadlines_per_s);
    }
    [[nodiscard]] double claim() const { return weight * std::min(vcpus, demand / full_use); }
    /// Of the least that counts there must be a logarithm.
    [[nodiscard]] bool work() const { return least_work * most_work > 0 && demand >= idle_demand; }
    /// By the kind that it has, however seldom: another kind would be another quantity.
    [[nodiscard]] bool tail() const {
        return (deadlines > 0 ? deadlines : responses > 0 ? responses : wakeups) >= least_events;
    }
    /// Call it where work() holds.
    [[nodiscard]] double work_of(const GuestResult& guest) const {
        return std::log(std::max(guest.work, least_work * most_work));
    }
    /// Call it where tail() holds.
    [[nodiscard]] double tail_of(const GuestResult& guest) const {
        if (deadlines > 0) return std::log1p(all_missed * guest.missed);
        return std::log1p((responses > 0 ? guest.response_p99_us : guest.wake_p99_us) /
                          tail_floor_us);
    }
    /// What the guest adds to one of `results` results.
    [[nodiscard]] GuestTerms terms_of(const GuestResult& guest, std::size_t results) const {
        GuestTerms terms{.claim = claim(), .demand = demand};
        if (work()) terms.work = work_of(guest);
        if (work() && always_worked && seen == results)
            terms.headroom = std::log(guest.work) - std::log(guest.run);
        if (tail()) terms.tail = tail_of(guest);
        if (shares == results) terms.share = guest.share_error;
        return terms;
    }
};

/// The parts that these terms make; nothing when no guest counts with its work or its tail.
std::optional<ScoreParts> parts_of(std::span<const GuestTerms> guests) {
    Mean work, headroom, tail, share;
    double all = 0, with_tail = 0; // claims
    for (const GuestTerms& guest : guests) {
        if (guest.work || guest.tail) all += guest.claim;
        if (guest.tail) with_tail += guest.claim;
        if (guest.work) work.add(*guest.work, guest.claim);
        if (guest.headroom) headroom.add(*guest.headroom, guest.demand);
        if (guest.tail) tail.add(*guest.tail, guest.claim);
        if (guest.share) share.add(*guest.share, guest.claim);
    }
    if (!work.any() && !tail.any()) return std::nullopt;
    const double voice = all > 0 ? std::min(with_tail / (full_voice * all), 1.0) : 0;
    return ScoreParts{work.value(), headroom.value(), voice * tail.value(), share.value()};
}

/// Not so of NaN.
bool possible(double value) { return value >= 0 && value <= most_figure; }

bool possible(const proto::GuestTruth& guest) {
    return possible(guest.work_ns()) && possible(guest.run_ns()) && possible(guest.runnable_ns()) &&
           possible(guest.demand_ns()) && possible(guest.response().p99_us()) &&
           possible(guest.wake_to_run().p99_us()) && possible(guest.wake_to_run().mean_us()) &&
           guest.misses() <= guest.deadlines();
}

/// In nanoseconds of a CPU. Where it is not stated it is made of what all vCPUs did together. Some
/// of them may have been idle, so only waits after wake-ups are taken to put off other work;
/// whoever waits after it was preempted would have run.
double demand_of(const proto::GuestTruth& guest, double seconds) {
    if (guest.has_demand_ns()) return guest.demand_ns();
    const auto& wakes = guest.wake_to_run();
    const double woken_ns =
        std::min(static_cast<double>(wakes.count()) * wakes.mean_us() * 1e3, guest.runnable_ns());
    const double blocked_ns = guest.vcpus() * seconds * 1e9 - guest.run_ns() - guest.runnable_ns();
    return demand(guest.run_ns(), woken_ns, std::max(blocked_ns, 0.0)) + guest.runnable_ns() -
           woken_ns;
}

/// The CPU time that the demand takes at the speed that the guest's work had, as far as it asked
/// for that: a guest that was slow and did not wait for a CPU had all that it wanted.
double demand_here(const proto::GuestTruth& guest, double demand_ns) {
    const double slowness = guest.work_ns() > 0 ? guest.run_ns() / guest.work_ns() : 1;
    return std::min(demand_ns * slowness, guest.run_ns() + guest.runnable_ns());
}

} // namespace

proto::ScoreParts message_of(const ScoreParts& parts) {
    proto::ScoreParts out;
    out.set_work(parts.work);
    out.set_headroom(parts.headroom);
    out.set_tail(parts.tail);
    out.set_share(parts.share);
    return out;
}

const ScoreParts& score_weights(Intent intent) { return weights[index(intent)]; }

double utility(Intent intent, const ScoreParts& parts) {
    const ScoreParts& weight = score_weights(intent);
    return weight.work * parts.work + weight.headroom * parts.headroom - weight.tail * parts.tail -
           weight.share * parts.share;
}

Result<std::vector<ScoreParts>> parts(std::span<const LayoutResult> results) {
    std::map<std::string_view, Counted> counted;
    for (const LayoutResult& result : results)
        for (const auto& [name, guest] : result) counted[name].see(guest);

    std::vector<ScoreParts> out;
    std::vector<GuestTerms> guests;
    for (const LayoutResult& result : results) {
        guests.clear();
        for (const auto& [name, counts] : counted) {
            const auto found = result.find(std::string(name));
            const GuestResult guest = found == result.end() ? GuestResult{} : found->second;
            guests.push_back(counts.terms_of(guest, results.size()));
        }
        const auto one = parts_of(guests);
        if (!one)
            return fail("no guest did anything that a score could be made of; let it run for "
                        "longer, or give it some load");
        out.push_back(*one);
    }
    return out;
}

Result<std::vector<double>> utilities(Intent intent, std::span<const LayoutResult> results) {
    const auto of_results = TRY(parts(results));
    std::vector<double> out;
    for (const ScoreParts& one : of_results) out.push_back(utility(intent, one));
    return out;
}

std::map<std::string, GuestTerms> terms(const LayoutResult& result) {
    std::map<std::string, GuestTerms> out;
    for (const auto& [name, guest] : result) {
        Counted counts;
        counts.see(guest);
        out[name] = counts.terms_of(guest, 1);
    }
    return out;
}

std::optional<double> utility(Intent intent, std::span<const GuestTerms> guests) {
    const auto parts = parts_of(guests);
    return parts ? std::optional(utility(intent, *parts)) : std::nullopt;
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
        // A cap leaves a guest no more CPUs than that, whatever it has to do.
        const double cpus = std::max(
            guest.cap() > 0 ? std::min<double>(guest.vcpus(), guest.cap() / 100.0) : guest.vcpus(),
            least_cpus);
        const double limit_ns = cpus * seconds * 1e9;
        const double demand_ns = std::min(demand_of(guest, seconds), limit_ns);
        // Has its share of the CPUs, and no other part in it.
        const bool counts = guest.domid() != 0 && !guest.background();
        GuestResult aside;
        GuestResult& out = counts ? result[guest.name()] : aside;
        out.weight = std::max<double>(guest.weight(), 1);
        out.vcpus = cpus;
        out.work = guest.work_ns() / seconds;
        out.run = guest.run_ns() / 1e9 / seconds;
        out.demand = demand_ns / 1e9 / seconds;
        out.wake_p99_us = guest.wake_to_run().p99_us();
        out.wakeups_per_s = rate(guest.wake_to_run().count());
        out.response_p99_us = guest.response().p99_us();
        out.responses_per_s = rate(guest.response().count());
        out.deadlines_per_s = rate(guest.deadlines());
        if (guest.deadlines() > 0)
            out.missed =
                static_cast<double>(guest.misses()) / static_cast<double>(guest.deadlines());

        // Xen's weight is of a vCPU, capped or not.
        claimants.push_back({.weight = out.weight * std::max<double>(guest.vcpus(), 1),
                             .demand = demand_here(guest, demand_ns),
                             .limit = limit_ns});
        got.push_back(guest.run_ns());
        results.push_back(counts ? &out : nullptr);
    }

    const auto entitled = entitlements(claimants, cpu_ns);
    for (std::size_t i = 0; i < entitled.size(); ++i)
        if (results[i] != nullptr && claimants[i].demand >= idle_demand * seconds * 1e9 &&
            entitled[i] > 0)
            results[i]->share_error =
                std::min(std::abs(got[i] - entitled[i]) / entitled[i], worst_share_error);
    return result;
}

} // namespace intellisched
