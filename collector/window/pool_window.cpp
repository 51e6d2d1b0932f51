// SPDX-License-Identifier: MIT
#include "collector/window/pool_window.hpp"

#include <algorithm>
#include <cmath>
#include <map>

namespace intellisched {
namespace {

/// Changes of runstates on a CPU in a window, from which on their order says something of its
/// clock.
constexpr unsigned enough_changes = 200;

} // namespace

PoolWindow::PoolWindow(PoolFacts facts, const Topology& topology, const std::vector<unsigned>& cpus,
                       double tsc_hz)
    : facts_(std::move(facts)), tsc_hz_(tsc_hz) {
    std::map<std::pair<unsigned, unsigned>, unsigned> core_numbers;
    for (unsigned id : cpus) {
        const Cpu* cpu = topology.find(id);
        CpuSlot slot;
        slot.id = id;
        // A CPU of the pool that went offline stays in place, idle and alone.
        slot.place = cpu ? *cpu : Cpu{.id = id, .core = id, .socket = UINT32_MAX, .node = 0};
        slot.core = core_numbers
                        .try_emplace({slot.place.socket, slot.place.core},
                                     static_cast<unsigned>(core_numbers.size()))
                        .first->second;
        cpus_.push_back(slot);
    }
    cores_.resize(core_numbers.size());
    for (const CpuSlot& slot : cpus_) {
        ++cores_[slot.core].threads;
        ++cores_[slot.core].idle;
    }
    idle_ = static_cast<int>(cpus_.size());
    for (const CoreSlot& core : cores_) count_core(core, +1);
    form_runqueues();
    begin(0);
}

void PoolWindow::form_runqueues() {
    const Partition& runqueues = facts_.runqueues_in_force;
    std::map<unsigned, unsigned> runqueue_of;
    for (unsigned r = 0; r < runqueues.size(); ++r)
        for (unsigned id : runqueues[r]) runqueue_of[id] = r;
    runqueues_.assign(std::max<std::size_t>(runqueues.size(), 1), {});
    by_id_.clear();
    for (CpuSlot& cpu : cpus_) {
        const auto found = runqueue_of.find(cpu.id);
        cpu.runqueue = found == runqueue_of.end() ? 0 : found->second;
        if (cpu.seen_runqueue < trace_runqueues) number(cpu.seen_runqueue, cpu.runqueue);
        RunqueueSlot& runqueue = runqueues_[cpu.runqueue];
        ++runqueue.cpus;
        if (cpu.use == Use::idle) ++runqueue.idle;
        if (cpu.use == Use::busy) ++runqueue.busy;
    }
    rq_waiting_ = rq_idle_ = rq_both_ = 0;
    load_sum_ = load_squares_ = 0;
    for (const RunqueueSlot& runqueue : runqueues_) count_runqueue(runqueue, +1);
}

void PoolWindow::rearrange(PoolFacts facts, std::uint64_t tsc) {
    for (CpuSlot& cpu : cpus_) cpu.seen_runqueue = no_runqueue;
    correct(std::move(facts), tsc);
    ++stats.rearrangements;
}

void PoolWindow::correct(PoolFacts facts, std::uint64_t tsc) {
    advance(tsc); // the time until now was the old runqueues'
    set_facts(std::move(facts));
    form_runqueues();
}

void PoolWindow::count_core(const CoreSlot& core, int sign) {
    if (core.busy >= 2) {
        shared_cores_ += sign;
        shared_cpus_ += sign * static_cast<int>(core.busy);
    }
    if (core.idle == core.threads) free_cores_ += sign;
}

void PoolWindow::count_runqueue(const RunqueueSlot& runqueue, int sign) {
    if (runqueue.waiting > 0) rq_waiting_ += sign;
    if (runqueue.idle > 0) rq_idle_ += sign;
    if (runqueue.waiting > 0 && runqueue.idle > 0) rq_both_ += sign;
    const double load =
        static_cast<double>(runqueue.busy + runqueue.waiting) / std::max(runqueue.cpus, 1U);
    load_sum_ += sign * load;
    load_squares_ += sign * load * load;
}

void PoolWindow::advance(std::uint64_t tsc) {
    if (tsc <= now_) return;
    const auto elapsed = static_cast<double>(tsc - now_);
    now_ = tsc;
    stats.traced += elapsed * (static_cast<double>(cpus_.size()) - off_);
    stats.observed += elapsed * (static_cast<double>(cpus_.size()) - off_ - lost_);
    if (off_ > 0) return;
    stats.traced_all += elapsed;
    if (lost_ > 0) return;
    stats.clear += elapsed;
    if (shared_cores_ > 0 && free_cores_ > 0) stats.contended += elapsed;
    const bool only_same = rq_waiting_ == 1 && rq_idle_ == 1 && rq_both_ == 1;
    if (rq_waiting_ > 0 && rq_idle_ > 0 && !only_same) stats.wasted += elapsed;
    if (rq_both_ > 0) stats.stalled += elapsed;
    if (idle_ == 0) stats.saturated += elapsed;
    const auto count = static_cast<double>(runqueues_.size());
    const double mean = load_sum_ / count;
    stats.shared += elapsed * shared_cpus_;
    stats.imbalance += elapsed * std::sqrt(std::max(0.0, load_squares_ / count - mean * mean));
}

void PoolWindow::set_use(unsigned position, Use use, std::uint64_t tsc) {
    CpuSlot& cpu = cpus_[position];
    if (cpu.use == use) return;
    advance(tsc);
    count_use(position);

    CoreSlot& core = cores_[cpu.core];
    RunqueueSlot& runqueue = runqueues_[cpu.runqueue];
    count_core(core, -1);
    count_runqueue(runqueue, -1);
    const auto move = [&](Use which, int change) {
        const auto by = static_cast<unsigned>(change); // wraps round to a subtraction
        if (which == Use::lost) lost_ += change;
        if (which == Use::off) off_ += change;
        if (which == Use::idle) idle_ += change, core.idle += by, runqueue.idle += by;
        if (which == Use::busy) core.busy += by, runqueue.busy += by;
    };
    move(cpu.use, -1);
    move(use, +1);
    cpu.use = use;
    cpu.late = false;
    cpu.used_since = now_;
    count_core(core, +1);
    count_runqueue(runqueue, +1);
}

std::optional<unsigned> PoolWindow::idle_since(unsigned runqueue, std::uint64_t tsc,
                                               const std::vector<unsigned>& allowed) const {
    for (const CpuSlot& cpu : cpus_)
        if (cpu.runqueue == runqueue && cpu.use == Use::idle && cpu.used_since <= tsc &&
            (allowed.empty() || std::binary_search(allowed.begin(), allowed.end(), cpu.id)))
            return cpu.id;
    return std::nullopt;
}

PoolWindow::IdleCpu PoolWindow::idle_for(unsigned runqueue,
                                         const std::vector<unsigned>& allowed) const {
    if (idle_ == 0) return IdleCpu::none;
    IdleCpu found = IdleCpu::forbidden;
    for (const CpuSlot& cpu : cpus_) {
        if (cpu.use != Use::idle ||
            !(allowed.empty() || std::binary_search(allowed.begin(), allowed.end(), cpu.id)))
            continue;
        if (cpu.runqueue == runqueue) return IdleCpu::own;
        found = IdleCpu::elsewhere;
    }
    return found;
}

void PoolWindow::nothing_traced(std::uint64_t tsc) {
    for (unsigned i = 0; i < cpus_.size(); ++i) set_use(i, Use::off, tsc);
}

void PoolWindow::end_off(std::uint64_t tsc) {
    if (off_ == 0) return;
    for (unsigned i = 0; i < cpus_.size(); ++i)
        if (cpus_[i].use == Use::off) set_use(i, Use::idle, tsc);
}

void PoolWindow::count_use(unsigned position) {
    CpuSlot& cpu = cpus_[position];
    const auto elapsed = static_cast<double>(now_ - cpu.since);
    cpu.since = now_;
    if (cpu.use == Use::busy) stats.cpu_busy[position] += elapsed;
    if (cpu.use == Use::busy || cpu.use == Use::idle) stats.cpu_seen[position] += elapsed;
}

void PoolWindow::add_waiting(unsigned runqueue, int change, std::uint64_t tsc) {
    advance(tsc);
    RunqueueSlot& slot = runqueues_[runqueue];
    count_runqueue(slot, -1);
    slot.waiting += static_cast<unsigned>(change);
    count_runqueue(slot, +1);
}

Distance PoolWindow::distance(unsigned from, unsigned to) const {
    if (from == to) return Distance::none;
    const Cpu& a = cpus_[from].place;
    const Cpu& b = cpus_[to].place;
    if (same_core(a, b)) return Distance::sibling;
    if (a.socket == b.socket) return Distance::socket;
    return a.node == b.node ? Distance::node : Distance::remote;
}

bool PoolWindow::saw_runqueue(unsigned position, unsigned id) {
    CpuSlot& cpu = cpus_[position];
    if (cpu.seen_runqueue == id) return false;
    cpu.seen_runqueue = id;
    if (id < trace_runqueues) number(id, cpu.runqueue);
    return std::any_of(cpus_.begin(), cpus_.end(), [&](const CpuSlot& other) {
        return &other != &cpu && other.seen_runqueue != no_runqueue &&
               (other.seen_runqueue == id) != (other.runqueue == cpu.runqueue);
    });
}

void PoolWindow::number(unsigned id, unsigned runqueue) {
    if (by_id_.size() <= id) by_id_.resize(id + 1, no_runqueue);
    by_id_[id] = runqueue;
}

SeenRunqueues PoolWindow::seen_runqueues() const {
    SeenRunqueues seen;
    for (const CpuSlot& cpu : cpus_)
        if (cpu.seen_runqueue != no_runqueue) seen[cpu.id] = cpu.seen_runqueue;
    return seen;
}

void PoolWindow::begin(std::uint64_t tsc) {
    // Some 40 kB, so what is in place is emptied; and facts are mostly copied onto themselves.
    static const WindowStats nothing;
    PoolFacts room = std::move(stats.facts);
    stats = nothing;
    stats.facts = std::move(room);
    stats.facts = facts_;
    stats.tsc_hz = tsc_hz_;
    stats.begin_tsc = tsc;
    stats.cpu_busy.assign(cpus_.size(), 0);
    stats.cpu_seen.assign(cpus_.size(), 0);
    now_ = tsc;
    for (CpuSlot& cpu : cpus_) cpu.since = tsc;
}

void PoolWindow::end(std::uint64_t tsc) {
    advance(tsc);
    for (unsigned i = 0; i < cpus_.size(); ++i) count_use(i);
    for (CpuSlot& cpu : cpus_) {
        if (cpu.changes >= enough_changes)
            stats.mismatched_cpu =
                std::max(stats.mismatched_cpu, static_cast<double>(cpu.mismatches) / cpu.changes);
        cpu.changes = cpu.mismatches = 0;
    }
    stats.runqueue_of = seen_runqueues();
    stats.end_tsc = tsc;
}

} // namespace intellisched
