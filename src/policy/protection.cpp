// SPDX-License-Identifier: MIT
#include "src/policy/protection.hpp"

#include "src/base/result.hpp"
#include "src/model/score.hpp"
#include "src/policy/cause.hpp"

#include <algorithm>
#include <utility>

namespace intellisched {
namespace {

using Windows = std::deque<ProtectionWindow>;

ProtectionWindow window_of(const ProtectionSeen& seen, unsigned domain, unsigned base) {
    ProtectionWindow window;
    std::vector<Claimant> claimants;
    std::optional<std::size_t> its;
    for (const GuestFigures& guest : seen.guests) {
        if (guest.id == domain) {
            its = claimants.size();
            window.got = guest.got;
            window.waiting = guest.waiting;
            GuestFigures judged = guest;
            judged.far_heavier = false; // what a step helps is measured
            const Cause cause = cause_of(judged, count_wanting(seen.guests) < 2);
            // That it has its share is no answer: whoever protects it wants it to have more.
            window.outweighed = cause == Cause::weight ||
                                (cause == Cause::full_pool && guest.waits() >= waits_much);
        } else {
            window.others[guest.id] = {guest.got, guest.waiting};
        }
        const unsigned weight = guest.id == domain ? base : guest.weight;
        const double vcpus = guest.vcpus;
        claimants.push_back({.weight = std::max(1.0, double(weight)) * std::max(1.0, vcpus),
                             .demand = std::min(vcpus, guest.got + guest.waiting),
                             .limit = guest.cap > 0 ? std::min(vcpus, guest.cap / 100.0) : vcpus});
    }
    if (its)
        window.beyond_due = std::max(0.0, window.got - entitlements(claimants, seen.cpus)[*its]);
    return window;
}

struct Own {
    double got = 0, waiting = 0; ///< sums over windows
    /// Of the time in which it wants a CPU, the part that it waits.
    [[nodiscard]] double waits() const { return got + waiting > 0 ? waiting / (got + waiting) : 0; }
};

Own own_of(const Windows& windows) {
    Own sum;
    for (const ProtectionWindow& window : windows) {
        sum.got += window.got;
        sum.waiting += window.waiting;
    }
    return sum;
}

double mean_got(const Own& own, const Windows& windows) {
    return own.got / static_cast<double>(std::max<std::size_t>(windows.size(), 1));
}

std::map<unsigned, ProtectionWindow::Other> others_of(const Windows& windows) {
    std::map<unsigned, ProtectionWindow::Other> sums;
    const auto count = static_cast<double>(windows.size());
    for (const ProtectionWindow& window : windows)
        for (const auto& [id, other] : window.others) {
            sums[id].got += other.got / count;
            sums[id].waiting += other.waiting / count;
        }
    return sums;
}

double loss_by_figures(const Windows& before, const Windows& after) {
    const auto now = others_of(after);
    double all = 0, lost = 0;
    for (const auto& [id, other] : others_of(before)) {
        all += other.got;
        const auto found = now.find(id);
        if (found != now.end() && found->second.waiting > other.waiting)
            lost += std::max(0.0, other.got - found->second.got);
    }
    return all > 0 ? lost / all : 0;
}

double loss_by_due(const Windows& windows) {
    double beyond = 0, others = 0;
    for (const ProtectionWindow& window : windows) {
        beyond += window.beyond_due;
        for (const auto& [id, other] : window.others) others += other.got;
    }
    return beyond + others > 0 ? beyond / (beyond + others) : 0;
}

/// A weight that is not on trial any more, or not yet.
void measure_anew(Protection& state) {
    state.trial = false;
    state.settled = 0;
    state.in_need = 0;
    state.windows.clear();
    state.before.clear();
}

unsigned ask(Protection& state, unsigned weight) {
    measure_anew(state);
    state.from = state.wanted;
    state.wanted = weight;
    state.asked = 1;
    if (!state.raised()) state.lost = 0;
    return weight;
}

void hold_off(Protection& state, Nanoseconds now, const ProtectionSettings& settings) {
    state.hold_off = state.hold_off == 0 ? settings.hold_off
                                         : std::min(2 * state.hold_off, settings.longest_hold_off);
    state.hold_off_until = now + state.hold_off;
}

ProtectionVerdict begin(Protection& state, unsigned to, std::string_view id, std::string text) {
    Windows before = std::move(state.windows);
    const unsigned set = ask(state, to);
    state.trial = true;
    state.before = std::move(before);
    return {set, id, std::move(text)};
}

/// The weight in force is not the wanted one.
ProtectionVerdict other_weight(Protection& state, Nanoseconds now, unsigned weight,
                               const ProtectionSettings& settings) {
    if (state.asked > 0 && weight == state.from) {
        if (state.asked < settings.attempts) {
            ++state.asked;
            return {state.wanted};
        }
        const unsigned refused = state.wanted;
        state.wanted = state.from;
        state.asked = 0;
        measure_anew(state);
        hold_off(state, now, settings);
        return {{},
                "weight-refused",
                fmt::format("a weight of {} could not be set; it has {}", refused, weight)};
    }
    const unsigned ours = state.wanted;
    state = {.base = weight, .wanted = weight, .needed_at = now};
    // Whoever chose a weight knows why: it is left alone as long as can be.
    state.hold_off = settings.longest_hold_off;
    state.hold_off_until = now + state.hold_off;
    return {{},
            "weight-foreign",
            fmt::format("somebody else gave it a weight of {} instead of {}; it is respected",
                        weight, ours)};
}

ProtectionVerdict judge_trial(Protection& state, Nanoseconds now,
                              const ProtectionSettings& settings) {
    if (state.wanted < state.from) { // was it eased too far?
        const auto in_need = std::ranges::count_if(state.windows, &ProtectionWindow::outweighed);
        if (2 * static_cast<std::size_t>(in_need) < state.windows.size()) {
            measure_anew(state);
            state.needed_at = now; // the next step down has to wait as long
            if (!state.raised()) state.hold_off = 0;
            return {{}, "weight-kept", fmt::format("it does without more than {}", state.wanted)};
        }
        state.needed_at = now;
        return {ask(state, state.from), "weight-reverted", "it is outweighed again"};
    }
    const Own was = own_of(state.before), is = own_of(state.windows);
    const double had = mean_got(was, state.before), has = mean_got(is, state.windows);
    const double lost = loss_by_figures(state.before, state.windows);
    const std::string text =
        fmt::format("it waits {:.0f}% of the time in which it wants a CPU, before {:.0f}%, and "
                    "gets {:.2f} CPUs, before {:.2f}; the others lost {:.1f}% of theirs",
                    100 * is.waits(), 100 * was.waits(), has, had, 100 * lost);
    // Where requests queue up, more CPU time shows long before they wait less.
    const bool helps = is.waits() <= (1 - settings.least_relief) * was.waits() ||
                       has >= (1 + settings.least_relief) * had;
    if (helps && state.lost + lost <= settings.most_loss) {
        state.lost += lost;
        measure_anew(state);
        return {{}, "weight-kept", text};
    }
    hold_off(state, now, settings);
    return {ask(state, state.from), "weight-reverted", text};
}

} // namespace

ProtectionVerdict protect(Protection& state, Nanoseconds now, unsigned domain,
                          const ProtectionSeen& seen, const ProtectionSettings& settings) {
    if (seen.weight == 0) return {}; // not known
    if (!state.base) {
        state.base = state.wanted = seen.weight;
        state.needed_at = now;
    }
    if (std::exchange(state.interrupted, false) && state.busy()) {
        const unsigned from = state.from;
        if (seen.weight == state.wanted && state.trial)
            return {ask(state, from), "weight-reverted", "the service was restarted in its trial"};
        if (seen.weight == from) { // it was never set, or is set back already
            state.wanted = from;
            state.asked = 0;
            measure_anew(state);
        }
    }
    if (seen.weight != state.wanted) return other_weight(state, now, seen.weight, settings);
    state.asked = 0;

    ProtectionWindow window = window_of(seen, domain, *state.base);
    if (window.outweighed) state.needed_at = now;
    state.in_need = window.outweighed ? state.in_need + 1 : 0;
    if (state.settled < settings.settle) {
        ++state.settled;
        return {};
    }
    state.windows.push_back(std::move(window));
    if (state.windows.size() > settings.windows) state.windows.pop_front();
    if (state.windows.size() < settings.windows) return {};

    if (const double taken = loss_by_due(state.windows);
        state.raised() && taken > settings.most_loss) {
        hold_off(state, now, settings);
        return {
            ask(state, std::max(state.wanted / 2, *state.base)), "weight-reverted",
            fmt::format("it takes {:.1f}% of the others' CPU time beyond its due", 100 * taken)};
    }
    if (state.trial) return judge_trial(state, now, settings);
    if (!seen.may_begin) return {};
    const unsigned ceiling =
        std::max(*state.base, std::min(most_weight, settings.factor * *state.base));
    if (state.in_need >= settings.need && now >= state.hold_off_until && state.wanted < ceiling)
        return begin(state, std::min(2 * state.wanted, ceiling), "weight-raised",
                     fmt::format("others outweigh its {}", state.wanted));
    if (state.raised() && now >= state.needed_at + settings.ease_after)
        return begin(state, std::max(state.wanted / 2, *state.base), "weight-eased",
                     fmt::format("nobody has outweighed its {} for long", state.wanted));
    return {};
}

Protection restarted(const Protection& stored) {
    Protection state = stored;
    state.interrupted = true;
    state.settled = state.in_need = 0;
    state.windows.clear();
    state.before.clear();
    return state;
}

ProtectionVerdict restore(Protection& state, unsigned weight, const ProtectionSettings& settings) {
    if (!state.base) return {};
    const unsigned base = *state.base;
    const bool again = state.asked > 0 && state.wanted == base && weight == state.from;
    if (weight != state.wanted && !(state.asked > 0 && weight == state.from)) {
        state = {}; // somebody else's
        return {};
    }
    if (weight == base) {
        state.wanted = base;
        state.asked = 0;
        measure_anew(state);
        return {};
    }
    if (again)
        return ++state.asked > settings.attempts ? ProtectionVerdict{} : ProtectionVerdict{base};
    ask(state, base);
    state.from = weight;
    return {base, "weight-restored", "it is not protected now"};
}

} // namespace intellisched
