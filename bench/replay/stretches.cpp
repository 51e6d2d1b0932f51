// SPDX-License-Identifier: MIT
#include "bench/replay/stretches.hpp"

namespace intellisched::replay {

using trace::Runstate;

void StretchCollector::add(const trace::Record& record) {
    if (begin_ == 0) begin_ = record.tsc;
    end_ = record.tsc;
    tracker_->saw(record);
    trace::visit(record, trace::Visitor{[&](const trace::LossBegin& loss) {
                                            ++losses_;
                                            tracker_->on(record, loss, *this);
                                        },
                                        [&](const trace::Rearrange&) { ++rearrangements_; },
                                        [&](const auto& e) { tracker_->on(record, e, *this); }});
}

void StretchCollector::finish() { tracker_->finish(*this); }

void StretchCollector::on_change(std::uint32_t vcpu, const trace::VcpuState& before, Runstate to,
                                 std::uint16_t, std::uint64_t tsc) {
    if (before.ref.idle()) return;
    if (open_.size() <= vcpu) open_.resize(vcpu + 1);
    auto& mine = stretches_[before.ref.key()];
    const bool wants = to != Runstate::unknown && !before.asleep_in(to);
    if (open_[vcpu]) {
        if (before.state == Runstate::running) mine.back().ran += tsc - before.since;
        mine.back().blocked = tsc;
    } else if (wants) {
        mine.push_back({.woken = tsc, .ran = 0, .blocked = tsc});
    }
    open_[vcpu] = wants;
}

} // namespace intellisched::replay
