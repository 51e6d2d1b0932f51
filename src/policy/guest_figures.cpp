// SPDX-License-Identifier: MIT
#include "src/policy/guest_figures.hpp"

#include "src/model/score.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace intellisched {

void GuestSums::add(const WindowStats& window) {
    pool_id_ = window.facts.pool_id;
    cpus_ = window.facts.cpus;
    tsc_hz_ = window.tsc_hz;
    const double seconds = window.seen_seconds();
    seconds_ += seconds;
    changes_ += window.changes;
    mismatches_ += window.mismatches;
    cpu_seconds_ += window.observed / window.tsc_hz;
    for (const auto& [id, from] : window.domains) {
        Sum& sum = domains_[id];
        sum.running += from.running;
        sum.waiting += from.waiting;
        sum.demand += from.demand;
        sum.sleeps += from.sleeps;
        sum.bursts += from.bursts;
        sum.moves += from.moves;
        sum.held_back += from.held_back;
        sum.wake_wait.add(from.wake_wait);
        sum.wait.add(from.wait);
        sum.response.add(from.response);
        if (seconds > 0) {
            sum.sleeps_squared += std::pow(static_cast<double>(from.sleeps), 2) / seconds;
            sum.running_squared += std::pow(from.running, 2) / seconds;
        }
        sum.census.waiting += from.census.waiting;
        sum.census.beside_idle += from.census.beside_idle;
        sum.census.idle_elsewhere += from.census.idle_elsewhere;
        sum.census.idle_forbidden += from.census.idle_forbidden;
        for (const auto& [other, count] : from.census.behind) sum.census.behind[other] += count;
    }
    for (const Stall& stall : window.stalls) {
        Stall& longest = stalls_[{stall.domain, stall.vcpu}];
        if (stall.seconds > longest.seconds) longest = stall;
    }
}

std::vector<Stall> GuestSums::stalls() const {
    std::vector<Stall> stalls;
    for (const auto& [vcpu, stall] : stalls_) stalls.push_back(stall);
    std::ranges::stable_sort(stalls, std::greater(), &Stall::seconds);
    return stalls;
}

namespace {

double part_of(double part, double whole) { return whole > 0 ? part / whole : std::nan(""); }

} // namespace

// In the order of guest_trait_names. A variance against what it is where wake-ups come at random, a
// Poisson process: then it is the mean number of them, and of the running their number times the
// square of the work of one.
GuestTraits GuestSums::traits_of(unsigned id, const Sum& sum, unsigned vcpus) const {
    const double per_second = 1 / tsc_hz_ / seconds_, to_us = 1e6 / tsc_hz_;
    const double sleeps = static_cast<double>(sum.sleeps), bursts = static_cast<double>(sum.bursts);
    const double whole = vcpus * seconds_ * tsc_hz_;
    const double wanting = sum.running + sum.waiting;
    const double p50 = sum.response.quantile(0.5);
    const auto response = [&](double q) { return sum.response.quantile(q); };
    const double rate = sleeps / seconds_, ran = sum.running / seconds_;
    const auto variance = [&](double squared, double mean) {
        return std::max(0.0, squared / seconds_ - mean * mean);
    };
    const auto behind = sum.census.behind.find(id);
    const double itself = behind == sum.census.behind.end() ? 0 : behind->second;
    std::array<double, guest_trait_count> values{
        part_of(sum.running, whole),
        part_of(wanting, whole),
        wanting * per_second,
        part_of(sum.waiting, wanting),
        part_of(sum.demand, whole),
        part_of(rate, vcpus),
        part_of(sum.running * to_us, sleeps),
        part_of(sum.running * to_us, bursts),
        part_of(bursts, sleeps),
        part_of(std::max(0.0, whole - wanting) * to_us, sleeps),
        response(0.1) * to_us,
        p50 * to_us,
        response(0.9) * to_us,
        response(0.99) * to_us,
        part_of(response(0.1), p50),
        part_of(response(0.9), p50),
        part_of(response(0.99), p50),
        part_of(sum.response.mean(), p50),
        sum.wake_wait.quantile(0.5) * to_us,
        sum.wake_wait.quantile(0.99) * to_us,
        sum.wait.quantile(0.5) * to_us,
        sum.wait.quantile(0.99) * to_us,
        part_of(static_cast<double>(sum.moves), bursts),
        part_of(variance(sum.sleeps_squared, rate), rate),
        part_of(variance(sum.running_squared, ran) * sleeps, ran * sum.running),
        part_of(std::sqrt(variance(sum.running_squared, ran)), ran),
        part_of(std::sqrt(variance(sum.sleeps_squared, rate)), rate),
        part_of(itself, sum.census.waiting),
        part_of(sum.census.beside_idle, sum.census.waiting),
        part_of(sum.held_back, sum.waiting),
        part_of(static_cast<double>(sum.wake_wait.count()), static_cast<double>(sum.wait.count())),
    };
    GuestTraits traits;
    std::ranges::transform(values, traits.begin(), [](double v) { return static_cast<float>(v); });
    return traits;
}

double GuestSums::disorder() const {
    return changes_ > 0 ? static_cast<double>(mismatches_) / static_cast<double>(changes_) : 0;
}

std::vector<GuestFigures> GuestSums::figures(const proto::HostSnapshot& snapshot) const {
    std::vector<GuestFigures> guests;
    if (!(seconds_ > 0)) return guests;
    std::map<unsigned, std::string> names;
    for (const proto::Domain& domain : snapshot.domains()) names[domain.id()] = domain.name();

    std::map<unsigned, Stall> longest; // by domain
    for (const Stall& stall : stalls()) longest.emplace(stall.domain, stall);

    static const Sum none;
    std::vector<Claimant> claimants, greedy;
    const double per_second = 1 / tsc_hz_ / seconds_, to_us = 1e6 / tsc_hz_;
    for (const proto::Domain& domain : snapshot.domains()) {
        if (domain.pool_id() != pool_id_) continue;
        const auto found = domains_.find(domain.id());
        const Sum& sum = found == domains_.end() ? none : found->second;
        GuestFigures guest{.id = domain.id(), .name = domain.name()};
        for (const proto::Vcpu& vcpu : domain.vcpus()) {
            guest.vcpus += vcpu.online() ? 1 : 0;
            guest.pinned =
                guest.pinned || (!vcpu.hard_affinity().empty() &&
                                 static_cast<std::size_t>(vcpu.hard_affinity_size()) < cpus_);
        }
        guest.weight = domain.weight();
        guest.cap = domain.cap();
        guest.got = sum.running * per_second;
        guest.waiting = sum.waiting * per_second;
        guest.wait_p50_us = sum.wait.quantile(0.5) * to_us;
        guest.wait_p99_us = sum.wait.quantile(0.99) * to_us;
        guest.wake_p99_us = sum.wake_wait.quantile(0.99) * to_us;
        guest.wakeups_per_s = static_cast<double>(sum.sleeps) / seconds_;
        guest.moves_per_s = static_cast<double>(sum.moves) / seconds_;
        guest.burst_us = part_of(sum.running * to_us, static_cast<double>(sum.bursts));
        const WaitCensus& census = sum.census;
        guest.beside_idle = disorder() > most_disorder
                                ? std::numeric_limits<double>::quiet_NaN()
                                : part_of(census.beside_idle, census.waiting);
        guest.idle_elsewhere = part_of(census.idle_elsewhere, census.waiting);
        guest.idle_forbidden = part_of(census.idle_forbidden, census.waiting);
        guest.held_back = part_of(sum.held_back, sum.waiting);
        double behind = 0;
        for (const auto& [other, count] : census.behind) behind += count;
        guest.behind_any = part_of(behind, census.waiting);
        const auto most = std::ranges::max_element(
            census.behind, [](const auto& a, const auto& b) { return a.second < b.second; });
        if (most != census.behind.end())
            guest.behind = {most->first, names[most->first], part_of(most->second, census.waiting)};

        if (const auto stall = longest.find(domain.id()); stall != longest.end())
            guest.stall = stall->second;
        guest.traits = traits_of(guest.id, sum, guest.vcpus);

        const double limit =
            guest.cap > 0 ? std::min<double>(guest.vcpus, guest.cap / 100.0) : guest.vcpus;
        // Xen's weight is of a vCPU.
        claimants.push_back(
            {.weight = std::max(1.0, double(guest.weight)) * std::max(guest.vcpus, 1U),
             .demand = sum.demand * per_second,
             .limit = limit});
        greedy.push_back(claimants.back());
        greedy.back().demand = limit;
        guests.push_back(std::move(guest));
    }
    const auto weight = [](const GuestFigures& guest) {
        return guest.weight > 0 ? guest.weight : 256; // Xen's, where it is not known
    };
    for (GuestFigures& guest : guests)
        guest.far_heavier = std::ranges::all_of(guests, [&](const GuestFigures& other) {
            return other.id == guest.id || !(other.got + other.waiting > 0) ||
                   weight(guest) / 4 >= weight(other);
        });
    const auto entitled = entitlements(claimants, cpu_seconds_ / seconds_);
    const auto shares = entitlements(greedy, cpu_seconds_ / seconds_);
    for (std::size_t i = 0; i < guests.size(); ++i) {
        guests[i].entitled = entitled[i];
        guests[i].share = shares[i];
    }
    std::ranges::stable_sort(guests, std::greater(), &GuestFigures::waiting);
    return guests;
}

} // namespace intellisched
