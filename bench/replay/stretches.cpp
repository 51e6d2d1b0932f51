// SPDX-License-Identifier: MIT
#include "bench/replay/stretches.hpp"

#include <algorithm>
#include <optional>
#include <span>

namespace intellisched::replay {

using trace::Runstate;

void StretchCollector::add(const trace::Record& record) {
    if (stretches_.begin == 0) stretches_.begin = record.tsc;
    stretches_.end = record.tsc;
    tracker_->saw(record);
    trace::visit(record, trace::Visitor{[&](const trace::LossBegin& loss) {
                                            ++losses_;
                                            tracker_->on(record, loss, *this);
                                        },
                                        [&](const trace::Rearrange&) { ++rearrangements_; },
                                        [&](const auto& e) { tracker_->on(record, e, *this); }});
}

void StretchCollector::finish() { tracker_->finish(*this); }

/// A guest's own vCPUs wake each other, and it and the back-ends in Domain-0 do. A vCPU of another
/// guest that runs where this one ran last has nothing to do with it: that is this one's timer.
Stretch StretchCollector::begun(const trace::VcpuState& vcpu, Runstate to, std::uint16_t cpu,
                                std::uint64_t tsc) const {
    Stretch stretch{.woken = tsc, .ran = 0, .blocked = tsc};
    if (to == Runstate::running || !vcpu.asleep()) return stretch; // not seen to be woken
    const std::uint32_t waker = tracker_->current(cpu);
    const auto* by = waker == trace::RunstateTracker::none ? nullptr : &tracker_->vcpus()[waker];
    const bool here = cpu == vcpu.cpu;
    if (by == nullptr || by->ref.idle() || by->ref == vcpu.ref) {
        stretch.cause = here ? Cause::timer : Cause::outside;
    } else if (const bool kin =
                   by->ref.domain == vcpu.ref.domain || by->ref.domain == 0 || vcpu.ref.domain == 0;
               kin || !here) {
        stretch.cause = Cause::vcpu;
        stretch.by = by->ref.key();
        stretch.by_ran = (waker < ran_.size() ? ran_[waker] : 0) + tsc - by->since;
    }
    return stretch;
}

void StretchCollector::on_change(std::uint32_t vcpu, const trace::VcpuState& before, Runstate to,
                                 std::uint16_t cpu, std::uint64_t tsc) {
    if (before.ref.idle()) return;
    if (open_.size() <= vcpu) {
        open_.resize(vcpu + 1);
        ran_.resize(vcpu + 1);
    }
    auto& mine = stretches_.by_vcpu[before.ref.key()];
    const bool wants = to != Runstate::unknown && !before.asleep_in(to);
    if (open_[vcpu]) {
        if (before.state == Runstate::running) {
            mine.back().ran += tsc - before.since;
            ran_[vcpu] += tsc - before.since;
        }
        mine.back().blocked = tsc;
        mine.back().ended = !wants && to != Runstate::unknown;
    } else if (wants) {
        mine.push_back(begun(before, to, cpu, tsc));
    }
    open_[vcpu] = wants;
}

Stretches timers_on_time(Stretches all) {
    for (auto& [vcpu, stretches] : all.by_vcpu)
        for (Stretch& stretch : std::span(stretches).subspan(1)) // the first begins by itself
            if (stretch.cause == Cause::timer) stretch.cause = Cause::outside;
    return all;
}

std::vector<Stretches> cut(const Stretches& whole, unsigned count) {
    std::vector<Stretches> parts(count);
    const std::uint64_t length = (whole.end - whole.begin) / count;
    for (unsigned i = 0; i < count; ++i) {
        parts[i].begin = whole.begin + i * length;
        parts[i].end = parts[i].begin + length;
    }
    // By vCPU and part: what it had run before that.
    std::map<std::uint32_t, std::vector<std::uint64_t>> before;
    for (const auto& [vcpu, stretches] : whole.by_vcpu) {
        const std::uint32_t key = vcpu; // clang 14 captures no structured binding
        std::uint64_t ran = 0;
        auto& run_before = before[key];
        auto next = stretches.begin();
        std::optional<Stretch> over; // the rest of a stretch that goes over the end
        for (Stretches& part : parts) {
            run_before.push_back(ran);
            const auto take = [&](Stretch stretch) {
                over.reset();
                if (stretch.blocked > part.end) {
                    over = stretch;
                    over->woken = part.end;
                    over->cause = Cause::timer;
                    const auto inside = static_cast<double>(part.end - stretch.woken) /
                                        static_cast<double>(stretch.blocked - stretch.woken);
                    stretch.ran =
                        static_cast<std::uint64_t>(static_cast<double>(stretch.ran) * inside);
                    stretch.blocked = part.end;
                    stretch.ended = false;
                    over->ran -= stretch.ran;
                }
                // The first one of a part begins by itself.
                if (!part.by_vcpu.contains(key)) stretch.cause = Cause::timer;
                ran += stretch.ran;
                part.by_vcpu[key].push_back(stretch);
            };
            if (over) take(*over);
            for (; next != stretches.end() && next->woken < part.end; ++next) take(*next);
        }
    }
    for (unsigned i = 0; i < count; ++i)
        for (auto& [key, stretches] : parts[i].by_vcpu)
            for (Stretch& stretch : stretches)
                if (stretch.cause == Cause::vcpu) {
                    const std::uint64_t run_before = before.at(stretch.by)[i];
                    stretch.by_ran -= std::min(stretch.by_ran, run_before);
                    // A waker that did not run in this part was cut off at its end.
                    if (!parts[i].by_vcpu.contains(stretch.by)) stretch.cause = Cause::timer;
                }
    return parts;
}

} // namespace intellisched::replay
