// SPDX-License-Identifier: MIT
// Typed events: what each record of the scheduler classes says. Layouts of the payloads are those
// of Xen's trace calls in xen/common/sched/{core,credit2}.c, numbers of events those of
// xen/include/public/trace.h. They are the same from 4.17 to 4.22: what changed on the way is what
// padding holds (xen 2992f4dcd5, in 4.18) and how the calls are written (ab8bc19850 and d64693df1a,
// in 4.19). A record of another size is none of theirs and not decoded. REARRANGE is of our patch
// of Xen (xen-patches). visit() decodes a record and hands the event to a visitor's overload, so
// that a consumer pays for nothing that it does not look at.
#pragma once

#include "collector/trace/wire.hpp"

#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>

namespace intellisched::trace {

/// One record of the stream. `word` points at `words` words of payload and is valid only during the
/// call that hands the record over.
struct Record {
    std::uint64_t tsc = 0;
    std::uint32_t event = 0;
    std::uint16_t cpu = 0;
    std::uint8_t words = 0;
    const std::uint32_t* word = nullptr;
};

/// A vCPU (or, in credit2's own records, a scheduling unit, named by its first vCPU).
struct VcpuRef {
    std::uint16_t domain = 0;
    std::uint16_t vcpu = 0;

    /// The word that Xen traces: vCPU in the low half, domain in the high half.
    static VcpuRef from(std::uint32_t word) {
        return {static_cast<std::uint16_t>(word >> 16), static_cast<std::uint16_t>(word)};
    }
    /// The pair of words that the older records use.
    static VcpuRef from(std::uint32_t domain, std::uint32_t vcpu) {
        return {static_cast<std::uint16_t>(domain), static_cast<std::uint16_t>(vcpu)};
    }
    [[nodiscard]] std::uint32_t key() const { return std::uint32_t{domain} << 16 | vcpu; }
    [[nodiscard]] bool idle() const { return domain == idle_domain; }
    friend bool operator==(VcpuRef, VcpuRef) = default;
};

enum class Runstate : std::uint8_t { running, runnable, blocked, offline, unknown };

// --- the generic class ------------------------------------------------------------------------
/// Records are missing on this CPU from here (tsc is that of the first one lost) ...
struct LossBegin {
    std::uint32_t count; ///< 0: the tracing was paused, or the stream is damaged here
    bool paused;         ///< by its reader, as it does for a duty cycle: nothing was lost
};
/// ... up to here. `current` was running when Xen wrote this, if `count` is not 0.
struct LossEnd {
    std::uint32_t count;
    VcpuRef current;
};

/// The TSC restarted: the host was suspended, or its clock was stepped back. Times from here on
/// cannot be compared with those before, so nothing that spans this has a length.
struct TimeRestart {};

// --- core.c -----------------------------------------------------------------------------------
struct RunstateChange {
    VcpuRef vcpu;
    Runstate from;
    Runstate to;
};
struct ContinueRunning {
    VcpuRef vcpu;
};
struct DomainAdd {
    std::uint16_t domain;
};
struct DomainRemove {
    std::uint16_t domain;
};
struct Sleep {
    VcpuRef vcpu;
};
struct Wake {
    VcpuRef vcpu;
};
struct Yield {
    VcpuRef vcpu;
};
struct Block {
    VcpuRef vcpu;
};
struct AdjustDomain {
    std::uint16_t domain;
};
struct Switch {
    VcpuRef previous;
    VcpuRef next;
};
/// Nanosecond words are 32 bits wide: they wrap at 4.29 s.
struct SwitchInfPrev {
    VcpuRef previous;
    std::uint32_t ran_ns;
};
/// `wait_ns` has included blocked time since Xen 4.13: waits come from runstate records only.
struct SwitchInfNext {
    VcpuRef next;
    std::uint32_t wait_ns;
    std::uint32_t slice_ns;
};
struct SwitchInfCont {
    VcpuRef vcpu;
    std::uint32_t ran_ns;
    std::uint32_t slice_ns;
};

// --- credit2.c --------------------------------------------------------------------------------
struct RunqPos {
    VcpuRef unit;
    std::uint32_t position;
};
struct CreditBurn {
    VcpuRef unit;
    std::int32_t credit;
    std::int32_t budget;
    std::int32_t delta;
};
struct TickleCheck {
    VcpuRef unit;
    std::int32_t credit;
    std::int32_t score;
};
struct Tickle {
    std::uint16_t cpu;
};
struct CreditReset {
    VcpuRef unit;
    std::int32_t before;
    std::int32_t after;
};
struct SchedTasklet {};
struct UpdateLoad {};
struct RunqAssign {
    VcpuRef unit;
    std::uint16_t runqueue;
};
struct UpdateUnitLoad {
    std::uint64_t average;
    VcpuRef unit;
    std::uint32_t shift;
};
struct UpdateRunqLoad {
    std::uint64_t average;
    std::uint64_t balance_average;
    std::uint16_t load;
    std::uint8_t runqueue; ///< the low 8 bits only
    std::uint8_t shift;
};
struct TickleNew {
    VcpuRef unit;
    std::uint32_t cpu;
    std::int32_t credit;
};
struct RunqMaxWeight {
    std::uint16_t runqueue;
    std::uint16_t weight;
};
struct Migrate {
    VcpuRef unit;
    std::uint16_t from;
    std::uint16_t to;
};
struct LoadCheck {
    std::uint16_t local;
    std::uint16_t other;
    std::uint32_t delta;
};
struct LoadBalance {
    std::uint64_t local_average;
    std::uint64_t other_average;
    std::uint16_t local;
    std::uint16_t other;
};
struct PickedCpu {
    std::uint64_t average;
    VcpuRef unit;
    std::uint16_t runqueue; ///< 0xffff: none was looked for
    std::uint16_t cpu;
};
struct RunqCandidate {
    VcpuRef unit;
    std::uint32_t tickled_cpu;
    std::int32_t credit;
};
struct Schedule {
    std::uint16_t cpu;
    std::uint16_t runqueue;
    bool tasklet, idle, smt_idle, tickled;
};
struct RateLimit {
    VcpuRef unit;
    std::uint32_t runtime_ns;
};
struct RunqCandCheck {
    VcpuRef unit;
};

/// The pool's runqueues were formed anew; written when all units are on the new ones.
struct Rearrange {
    std::uint16_t pool;
    std::uint8_t old_layout; ///< as Layout counts; a newer Xen may have more
    std::uint8_t layout;
    std::uint16_t old_runqueues;
    std::uint16_t runqueues;
    std::uint32_t units;       ///< moved
    std::uint32_t max_cpus;    ///< of a runqueue from now on; 0: no cap
    std::uint32_t duration_ns; ///< in which the pool's CPUs could not schedule
};

/// A record of another class, of an event that is not known here, or of another size than its
/// event.
struct Unknown {
    std::uint32_t event;
    std::uint8_t words;
};

// Made by TraceStream where a LOST_RECORDS ends. Xen never writes it; in input it is dropped.
inline constexpr std::uint32_t loss_end_event = 0x0001f0ff;
/// Made by TraceStream too (TimeRestart), with the time of the last record before.
inline constexpr std::uint32_t restart_event = 0x0001f0fe;

namespace detail {
constexpr std::uint64_t wide(const std::uint32_t* w) { return std::uint64_t{w[1]} << 32 | w[0]; }
constexpr std::uint16_t low(std::uint32_t w) { return static_cast<std::uint16_t>(w); }
constexpr std::uint16_t high(std::uint32_t w) { return static_cast<std::uint16_t>(w >> 16); }
constexpr std::int32_t sign(std::uint32_t w) { return static_cast<std::int32_t>(w); }
constexpr std::uint8_t byte(std::uint32_t w, unsigned i) {
    return static_cast<std::uint8_t>(w >> (8 * i));
}
} // namespace detail

/// Decodes the record and calls `visitor` with the one event struct that it holds, or with Unknown.
/// An event that the visitor cannot take is passed over, whatever its size, and costs nothing.
template<class Visitor> void visit(const Record& r, Visitor&& visitor) {
    using namespace detail;
    const std::uint32_t* w = r.word;
    const auto unknown = [&] { visitor(Unknown{r.event, r.words}); };
    // 0x21001 | old << 8 | new << 4
    if ((r.event & 0xffffccf) == 0x21001) {
        if (r.words != 1) return unknown();
        return visitor(RunstateChange{VcpuRef::from(w[0]), static_cast<Runstate>(r.event >> 8 & 3),
                                      static_cast<Runstate>(r.event >> 4 & 3)});
    }
// A payload must not be read past its end, nor as another one than it is, whatever wrote it.
#define INTELLISCHED_EVENT(number, all_words, ...)                                                 \
    case number:                                                                                   \
        if constexpr (std::is_invocable_v<Visitor, decltype(__VA_ARGS__)>) {                       \
            if (r.words != (all_words)) return unknown();                                          \
            visitor(__VA_ARGS__);                                                                  \
        }                                                                                          \
        return
    switch (r.event) {
        INTELLISCHED_EVENT(lost_records, 4, LossBegin{w[0], w[0] == 0 && (w[2] | w[3]) != 0});
        INTELLISCHED_EVENT(loss_end_event, 4, LossEnd{w[0], VcpuRef{low(w[1]), high(w[1])}});
        INTELLISCHED_EVENT(restart_event, 0, TimeRestart{});
        INTELLISCHED_EVENT(0x21002, 1, ContinueRunning{VcpuRef::from(w[0])});
        INTELLISCHED_EVENT(0x28001, 1, DomainAdd{low(w[0])});
        INTELLISCHED_EVENT(0x28002, 1, DomainRemove{low(w[0])});
        INTELLISCHED_EVENT(0x28003, 2, Sleep{VcpuRef::from(w[0], w[1])});
        INTELLISCHED_EVENT(0x28004, 2, Wake{VcpuRef::from(w[0], w[1])});
        INTELLISCHED_EVENT(0x28005, 2, Yield{VcpuRef::from(w[0], w[1])});
        INTELLISCHED_EVENT(0x28006, 2, Block{VcpuRef::from(w[0], w[1])});
        INTELLISCHED_EVENT(0x28009, 1, AdjustDomain{low(w[0])});
        INTELLISCHED_EVENT(0x2800a, 4,
                           Switch{VcpuRef::from(w[0], w[1]), VcpuRef::from(w[2], w[3])});
        INTELLISCHED_EVENT(0x2800e, 3, SwitchInfPrev{VcpuRef::from(w[0], w[1]), w[2]});
        INTELLISCHED_EVENT(0x2800f, 4, SwitchInfNext{VcpuRef::from(w[0], w[1]), w[2], w[3]});
        INTELLISCHED_EVENT(0x28011, 4, SwitchInfCont{VcpuRef::from(w[0], w[1]), w[2], w[3]});
        INTELLISCHED_EVENT(0x22202, 2, RunqPos{VcpuRef::from(w[0]), w[1]});
        INTELLISCHED_EVENT(0x22203, 4,
                           CreditBurn{VcpuRef::from(w[0]), sign(w[1]), sign(w[2]), sign(w[3])});
        INTELLISCHED_EVENT(0x22205, 3, TickleCheck{VcpuRef::from(w[0]), sign(w[1]), sign(w[2])});
        INTELLISCHED_EVENT(0x22206, 1, Tickle{low(w[0])});
        INTELLISCHED_EVENT(0x22207, 3, CreditReset{VcpuRef::from(w[0]), sign(w[1]), sign(w[2])});
        INTELLISCHED_EVENT(0x22208, 0, SchedTasklet{});
        INTELLISCHED_EVENT(0x22209, 0, UpdateLoad{});
        // The padding halves of RUNQ_ASSIGN and LOAD_BALANCE and the last word of
        // UPDATE_RUNQ_LOAD hold stack garbage in 4.17: never looked at.
        INTELLISCHED_EVENT(0x2220a, 2, RunqAssign{VcpuRef::from(w[0]), low(w[1])});
        INTELLISCHED_EVENT(0x2220b, 4, UpdateUnitLoad{wide(w), VcpuRef::from(w[2]), w[3]});
        INTELLISCHED_EVENT(
            0x2220c, 6,
            UpdateRunqLoad{wide(w), wide(w + 2), low(w[4]), byte(w[4], 2), byte(w[4], 3)});
        INTELLISCHED_EVENT(0x2220d, 3, TickleNew{VcpuRef::from(w[0]), w[1], sign(w[2])});
        INTELLISCHED_EVENT(0x2220e, 1, RunqMaxWeight{low(w[0]), high(w[0])});
        INTELLISCHED_EVENT(0x2220f, 2, Migrate{VcpuRef::from(w[0]), low(w[1]), high(w[1])});
        INTELLISCHED_EVENT(0x22210, 2, LoadCheck{low(w[0]), high(w[0]), w[1]});
        INTELLISCHED_EVENT(0x22211, 6, LoadBalance{wide(w), wide(w + 2), low(w[4]), high(w[4])});
        INTELLISCHED_EVENT(0x22213, 4,
                           PickedCpu{wide(w), VcpuRef::from(w[2]), low(w[3]), high(w[3])});
        INTELLISCHED_EVENT(0x22214, 3, RunqCandidate{VcpuRef::from(w[0]), w[1], sign(w[2])});
        INTELLISCHED_EVENT(0x22215, 2,
                           Schedule{low(w[0]), high(w[0]), byte(w[1], 0) != 0, byte(w[1], 1) != 0,
                                    byte(w[1], 2) != 0, byte(w[1], 3) != 0});
        INTELLISCHED_EVENT(0x22216, 2, RateLimit{VcpuRef::from(w[0]), w[1]});
        INTELLISCHED_EVENT(0x22217, 1, RunqCandCheck{VcpuRef::from(w[0])});
        INTELLISCHED_EVENT(0x22218, 5,
                           Rearrange{low(w[0]), byte(w[0], 2), byte(w[0], 3), low(w[1]), high(w[1]),
                                     w[2], w[3], w[4]});
    default:
        return unknown();
    }
#undef INTELLISCHED_EVENT
}

/// Lets a consumer name only the events that it looks at: `visit(r, Visitor{[](const Wake&) {...},
/// [](const auto&) {}})`.
template<class... Handlers> struct Visitor : Handlers... { using Handlers::operator()...; };
template<class... Handlers> Visitor(Handlers...) -> Visitor<Handlers...>;

} // namespace intellisched::trace
