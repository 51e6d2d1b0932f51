// SPDX-License-Identifier: MIT
#include "src/policy/findings.hpp"

#include "src/base/counted.hpp"
#include "src/base/result.hpp"
#include "src/layout/snapshot.hpp"
#include "src/policy/cause.hpp"

#include <algorithm>
#include <span>

namespace intellisched {
namespace {

constexpr std::size_t most_of_a_kind = 3;

// Wake-ups that are held back for so long on average, and for so much of all waiting after them.
constexpr double held_back_part = 0.5, held_back_wait_s = 1e-3;

// Of the time, a CPU is idle for so much while a vCPU waits elsewhere, and so much more of their
// time are the CPUs of the busiest runqueue busy than those of the idlest.
constexpr double wasted_part = 0.25, busier_by = 0.25;

// Of the time that it wants a CPU, a guest whose own settings let it wait for so much starves; one
// that waits for so much beside idle CPUs is worth a word; and in a pool that is far too small
// guests wait for so much.
constexpr double starves = 0.4, beside_idle = 0.1, overcommitted = 0.75;

Findings::Finding slow_cpu(std::string_view code, std::string_view seen) {
    return {code, fmt::format("{}; `{}` shows which", slow_cpu_text(seen), slow_cpu_command),
            std::string(slow_cpu_command)};
}

} // namespace

void Findings::add(const WindowStats& window) {
    facts_ = window.facts;
    lost_ += window.lost;
    traced_ += window.traced / window.tsc_hz;
    observed_ += window.observed / window.tsc_hz;
    Observation seen = observation_of(window, {});
    seen.explained = true; // what guests get does not hang on what layout gives the runqueues
    if (auto why = rejected(seen, {})) {
        unusable_.push_back(std::move(*why));
        return;
    }
    ++usable_;
    guests_.add(window);
    clear_ += window.clear / window.tsc_hz;
    wasted_ += window.wasted / window.tsc_hz;
    wake_waited_ += window.wake_waited / window.tsc_hz;
    held_back_ += window.held_back / window.tsc_hz;
    wakeups_ += window.wakeups;
    add_runqueues(window);
}

void Findings::add_runqueues(const WindowStats& window) {
    const Partition& runqueues = window.facts.runqueues_in_force;
    busy_.resize(runqueues.size());
    seen_.resize(runqueues.size());
    std::map<unsigned, std::size_t> runqueue_of; // by CPU, and so in the order of the pool's
    for (std::size_t r = 0; r < runqueues.size(); ++r)
        for (const unsigned cpu : runqueues[r]) runqueue_of[cpu] = r;
    if (runqueue_of.size() != window.cpu_busy.size()) return; // not all of them are known
    std::size_t position = 0;
    for (const auto& [cpu, r] : runqueue_of) {
        busy_[r] += window.cpu_busy[position] / window.tsc_hz;
        seen_[r] += window.cpu_seen[position++] / window.tsc_hz;
    }
}

std::vector<Findings::Finding> Findings::list(const proto::HostSnapshot& snapshot) const {
    std::vector<Finding> found;
    const auto guests = guests_.figures(snapshot);
    add_stalls(found, snapshot);
    add_guests(found, guests);
    double held = 0, beyond = 0; // by those whose waits another limit would shorten
    const bool alone = count_wanting(guests) == 1;
    for (const GuestFigures& guest : guests) {
        if (!(guest.waiting > 0)) continue;
        held += guest.held_back * guest.waiting;
        if (held_back(guest, alone)) beyond += guest.held_back * guest.waiting;
    }
    if (beyond > held_back_part * held) add_rate_limit(found);
    add_lopsided(found);
    if (std::string lost = lost_text(); !lost.empty())
        found.push_back({"records-lost", std::move(lost)});
    return found;
}

void Findings::add_stalls(std::vector<Finding>& found, const proto::HostSnapshot& snapshot) const {
    std::map<unsigned, std::string_view> names;
    for (const proto::Domain& domain : snapshot.domains()) names[domain.id()] = domain.name();
    const std::vector<Stall> stalls = guests_.stalls();
    if (stalls.size() > most_of_a_kind)
        found.push_back({"stalled-vcpu",
                         fmt::format("{} vCPUs waited beside idle CPUs of their own runqueues; of "
                                     "these:",
                                     stalls.size())});
    for (const Stall& stall : std::span(stalls).first(std::min(stalls.size(), most_of_a_kind)))
        found.push_back(slow_cpu("stalled-vcpu",
                                 stall_text(fmt::format("vCPU {} of {}", stall.vcpu,
                                                        name_of(stall.domain, names[stall.domain])),
                                            stall)));
}

void Findings::add_guests(std::vector<Finding>& found,
                          const std::vector<GuestFigures>& guests) const {
    std::map<Cause, std::vector<const GuestFigures*>> by_cause;
    const bool alone = count_wanting(guests) == 1;
    for (const GuestFigures& guest : guests)
        if (!guest.stall) by_cause[cause_of(guest, alone)].push_back(&guest);

    auto& outweighed = by_cause[Cause::weight];
    std::ranges::stable_sort(outweighed, std::greater(), [](const auto* g) { return g->waits(); });
    if (outweighed.size() > most_of_a_kind) {
        // Dom0 serves the others, so it is named whatever the order.
        const auto dom0 = std::ranges::find(outweighed, 0U, [](const auto* g) { return g->id; });
        if (dom0 - outweighed.begin() >= static_cast<std::ptrdiff_t>(most_of_a_kind) &&
            dom0 != outweighed.end())
            std::iter_swap(dom0, outweighed.begin() + most_of_a_kind - 1);
        found.push_back(
            {"outweighed", fmt::format("{} domains wait for most of the time that they want a CPU; "
                                       "of these:",
                                       outweighed.size())});
    }
    const auto at_least = [&](Cause cause, double waits) -> auto& {
        auto& these = by_cause[cause];
        std::erase_if(these, [&](const auto* guest) { return guest->waits() < waits; });
        return these;
    };
    const auto add = [&](Cause cause, std::string_view code, auto sentence) {
        auto& these = at_least(cause, cause == Cause::affinity ? starves : 0);
        these.resize(std::min(these.size(), most_of_a_kind));
        for (const GuestFigures* guest : these) {
            std::string command = command_for(cause, *guest);
            found.push_back(
                {code,
                 fmt::format("{} {}", name_of(guest->id, guest->name), sentence(*guest, command)),
                 command});
        }
    };
    add(Cause::weight, "outweighed", [](const GuestFigures& guest, const std::string& command) {
        return fmt::format(
            "waits {:.0f}% of the time that it wants a CPU; a larger weight than its "
            "{} helps it (`{}`), or fewer guests at once",
            guest.waits() * 100, guest.weight, command);
    });
    add(Cause::cap, "capped", [](const GuestFigures& guest, const std::string& command) {
        return fmt::format("runs for {:.0f}% of a CPU and uses up its cap of {}%; without one "
                           "(`{}`) it gets what is left over, too",
                           guest.got * 100, guest.cap, command);
    });
    add(Cause::affinity, "pinned", [](const GuestFigures& guest, const std::string& command) {
        return fmt::format(
            "waits {:.0f}% of the time that it wants a CPU, while CPUs are idle that "
            "its hard affinity keeps it from (`{}`)",
            guest.waits() * 100, command);
    });
    auto& beside = at_least(Cause::stall, beside_idle);
    if (!beside.empty()) {
        const GuestFigures& worst = *beside.front();
        found.push_back(slow_cpu(
            "beside-idle",
            fmt::format("{}{} waits {:.0f}% of the time that it wants a CPU, mostly beside idle "
                        "CPUs of its own runqueue",
                        name_of(worst.id, worst.name),
                        beside.size() > 1 ? fmt::format(", like {} more,", beside.size() - 1) : "",
                        worst.waits() * 100)));
    }
    if (const auto& many = at_least(Cause::full_pool, overcommitted); !many.empty()) {
        const bool one = many.size() == 1;
        found.push_back(
            {"overcommitted",
             fmt::format("{} for over {:.0f}% of the time that {} a CPU, with all that {} due: "
                         "fewer guests at once, or more CPUs",
                         counted(many.size(), "domain waits", "domains wait"), overcommitted * 100,
                         one ? "it wants" : "they want", one ? "it is" : "they are")});
    }
}

void Findings::add_rate_limit(std::vector<Finding>& found) const {
    if (wakeups_ == 0 || held_back_ <= held_back_part * wake_waited_ ||
        wake_waited_ / static_cast<double>(wakeups_) <= held_back_wait_s)
        return;
    const std::string command =
        fmt::format("xl sched-credit2 -p {} -s -r 100", pool_argument(facts_.pool, facts_.pool_id));
    found.push_back(
        {"rate-limit",
         fmt::format("{:.0f}% of the waiting after wake-ups ended with the slice of another vCPU, "
                     "{:.1f} ms a wake-up: that is how the rate limit holds wake-ups back; try a "
                     "shorter one, for example `{}`",
                     100 * held_back_ / wake_waited_,
                     1e3 * wake_waited_ / static_cast<double>(wakeups_), command),
         command});
}

std::string Findings::clocks_text() const {
    const double part = guests_.disorder();
    if (part <= GuestSums::most_disorder) return {};
    return fmt::format("{:.0f}% of the runstate changes come in an order that is not possible: the "
                       "clocks (TSC) of the CPUs differ by less than can be corrected; short waits "
                       "are not exact, and whether they were beside idle CPUs is not told",
                       part * 100);
}

std::string Findings::lost_text() const {
    if (lost_ == 0) return {};
    return fmt::format("{} lost, {:.1f}% of the CPUs' time is unknown: larger trace buffers "
                       "(`--buffer-pages`, once a boot) or less of it (`--duty`) help",
                       counted(lost_, "record of the trace was", "records of the trace were"),
                       traced_ > 0 ? 100 * (1 - observed_ / traced_) : 0);
}

void Findings::add_lopsided(std::vector<Finding>& found) const {
    if (!(clear_ > 0) || wasted_ < wasted_part * clear_) return;
    std::vector<double> busy;
    for (std::size_t r = 0; r < busy_.size(); ++r)
        if (seen_[r] > 0) busy.push_back(busy_[r] / seen_[r]);
    if (busy.empty()) return;
    const auto [least, most] = std::ranges::minmax(busy);
    if (most - least < busier_by) return;
    const std::string command =
        fmt::format("intellisched recommend --pool {}", pool_argument(facts_.pool, facts_.pool_id));
    found.push_back(
        {"lopsided",
         fmt::format("the runqueues are unequally loaded, their CPUs {:.0f}% to {:.0f}% busy, and "
                     "in {:.0f}% of the time one is idle while a vCPU waits in another runqueue: "
                     "credit2 balances between runqueues seldom; fewer and larger ones help (`{}` "
                     "says which{}), or pinning that does not crowd one of them",
                     least * 100, most * 100, 100 * wasted_ / clear_, command,
                     facts_.can_rearrange ? ""
                                          : ", and this Xen takes them by " + boot_line("LAYOUT")),
         command});
}

} // namespace intellisched
