// SPDX-License-Identifier: MIT
#include "src/policy/findings.hpp"

#include "src/base/result.hpp"
#include "src/layout/snapshot.hpp"

#include <algorithm>
#include <set>

namespace intellisched {
namespace {

constexpr std::size_t most_of_a_kind = 3;

// Wake-ups that are held back for so long on average, and for so much of all waiting after them.
constexpr double held_back_part = 0.5, held_back_wait_s = 1e-3;

// Of the time in which a domain wants a CPU, it waits for so much: too much whoever it is; or too
// much for one that runs for less than its share by weight. And it wants so much of a CPU at least.
constexpr double waits_most = 0.75, waits_below_share = 0.4, least_wanted = 0.05;

} // namespace

void Findings::add(const WindowStats& window) {
    pool_ = pool_argument(window.facts.pool, window.facts.pool_id);
    cpus_ = window.facts.cpus;
    seconds_ += window.seen_seconds();
    wake_waited_ += window.wake_waited / window.tsc_hz;
    held_back_ += window.held_back / window.tsc_hz;
    wakeups_ += window.wakeups;
    for (const auto& [id, domain] : window.domains) {
        domains_[id].running += domain.running / window.tsc_hz;
        domains_[id].waiting += domain.waiting / window.tsc_hz;
    }
    for (const Stall& stall : window.stalls) {
        Stall& longest = stalls_[{stall.domain, stall.vcpu}];
        if (stall.seconds > longest.seconds) longest = stall;
    }
}

std::vector<std::string> Findings::text(const proto::HostSnapshot& snapshot) const {
    std::vector<std::string> found;
    std::map<unsigned, const proto::Domain*> known;
    for (const proto::Domain& domain : snapshot.domains()) known[domain.id()] = &domain;
    const auto name = [&](unsigned id) {
        const auto domain = known.find(id);
        return domain == known.end() || domain->second->name().empty()
                   ? fmt::format("domain {}", id)
                   : fmt::format("domain {} ({})", id, printable(domain->second->name(), 64));
    };

    std::vector<Stall> stalls;
    std::set<unsigned> stalled; // domains
    for (const auto& [vcpu, stall] : stalls_) {
        stalls.push_back(stall);
        stalled.insert(stall.domain);
    }
    std::stable_sort(stalls.begin(), stalls.end(),
                     [](const Stall& a, const Stall& b) { return a.seconds > b.seconds; });
    stalls.resize(std::min(stalls.size(), most_of_a_kind));
    for (const Stall& stall : stalls)
        found.push_back(
            fmt::format("vCPU {} of {} waited {:.1f} s beside CPU {}, which was idle and of its "
                        "own runqueue: a fault of the scheduler or a vCPU that is paused, not a "
                        "matter of layouts",
                        stall.vcpu, name(stall.domain), stall.seconds, stall.cpu));

    double weights = 0;
    for (const auto& [id, got] : domains_)
        if (const auto domain = known.find(id); domain != known.end())
            weights += domain->second->weight();
    std::vector<std::pair<double, unsigned>> starved; // part waited, domain
    for (const auto& [id, got] : domains_) {
        const auto domain = known.find(id);
        const double wanted = got.running + got.waiting;
        if (domain == known.end() || domain->second->cap() != 0 ||
            wanted < least_wanted * seconds_ || stalled.count(id) > 0 ||
            domains_.size() == 1) // then no weight helps
            continue;
        const double share = weights > 0 ? domain->second->weight() / weights * cpus_ : 0;
        const double waits = got.waiting / wanted;
        if (waits >= waits_most || (waits >= waits_below_share && got.running < share * seconds_))
            starved.emplace_back(waits, id);
    }
    std::stable_sort(starved.begin(), starved.end(),
                     [](const auto& a, const auto& b) { return a.first > b.first; });
    if (starved.size() > most_of_a_kind) {
        // Dom0 serves the others, so it is named whatever the order.
        const auto dom0 = std::find_if(starved.begin(), starved.end(),
                                       [](const auto& one) { return one.second == 0; });
        if (dom0 - starved.begin() >= static_cast<std::ptrdiff_t>(most_of_a_kind) &&
            dom0 != starved.end())
            std::iter_swap(dom0, starved.begin() + most_of_a_kind - 1);
        found.push_back(fmt::format("{} domains wait for most of the time that they want a CPU; of "
                                    "these:",
                                    starved.size()));
        starved.resize(most_of_a_kind);
    }
    for (const auto& [waits, id] : starved)
        found.push_back(fmt::format("{} waits {:.0f}% of the time that it wants a CPU; a larger "
                                    "weight than its {} helps it "
                                    "(`xl sched-credit2 -d {} -w {}`), or fewer guests at once",
                                    name(id), waits * 100, known.at(id)->weight(), id,
                                    std::min(65535U, 4 * std::max(256U, known.at(id)->weight()))));

    if (wakeups_ > 0 && wake_waited_ / static_cast<double>(wakeups_) > held_back_wait_s &&
        held_back_ > held_back_part * wake_waited_)
        found.push_back(fmt::format(
            "{:.0f}% of the waiting after wake-ups ended with the slice of another vCPU, {:.1f} ms "
            "a wake-up: that is how the rate limit holds wake-ups back; try a shorter one, for "
            "example `xl sched-credit2 -p {} -s -r 100`",
            100 * held_back_ / wake_waited_, 1e3 * wake_waited_ / static_cast<double>(wakeups_),
            pool_));
    return found;
}

} // namespace intellisched
