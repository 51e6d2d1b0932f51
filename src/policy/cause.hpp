// SPDX-License-Identifier: MIT
// Why a guest waits, of the causes that something can be done about. Pure.
#pragma once

#include "src/policy/guest_figures.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace intellisched {

enum class Cause : std::uint8_t {
    none,       ///< it hardly waits, or wants next to nothing
    cap,        ///< it uses up the CPU time that its cap leaves it
    affinity,   ///< CPUs are idle, and it is pinned to others
    weight,     ///< others outweigh it
    rate_limit, ///< woken vCPUs wait for the end of another's slice
    layout,     ///< CPUs are idle in other runqueues
    stall,      ///< CPUs are idle in its own runqueue: they are slow to wake up, or it is a fault
    own_vcpus,  ///< its vCPUs wait for each other
    full_pool,  ///< it has its share, and would use more
};
/// "none", "cap", "affinity", "weight", "rate-limit", "layout", "stall", "own-vcpus", "full-pool".
[[nodiscard]] std::string_view to_string(Cause cause);

/// A guest that waits for this part of the time in which it wants a CPU, waits much.
inline constexpr double waits_much = 0.4;

/// Whether most of its waiting ended with another's slice, and would not have but for the rate
/// limit: who has all it is due waits for its turn, which also ends so.
[[nodiscard]] bool held_back(const GuestFigures& guest, bool alone);

/// What explains most of the guest's waiting: a stall that was seen, else the first of these in
/// their order. `alone`: no other domain of the pool wants a CPU.
[[nodiscard]] Cause cause_of(const GuestFigures& guest, bool alone);

/// Of these guests, how many want a CPU at all.
[[nodiscard]] std::size_t count_wanting(const std::vector<GuestFigures>& guests);

/// What to type against the cause where it is the guest's own setting: `weight`, by four times what
/// it is or Xen's default, `cap`, which it lifts, and `affinity`, which it clears. Else empty.
[[nodiscard]] std::string command_for(Cause cause, const GuestFigures& guest);

/// What the model recommends of the pool; empty where it would keep what is in force.
struct PoolCures {
    std::string layout, layout_command;
    std::string rate_limit, rate_limit_command;
    bool shorter = false; ///< than the rate limit in force
};
struct Help {
    /// "nothing", "rate-limit", "layout", "weight", "cap", "affinity" or "idle-states"
    std::string_view what;
    std::string text; ///< why, or what exactly
    std::string command = {};
};
/// What would help a guest that waits for this cause.
[[nodiscard]] Help help_for(Cause cause, const GuestFigures& guest, const PoolCures& pool);

/// "... waited 1.6 s beside CPU 2, which was idle and of its own runqueue".
[[nodiscard]] std::string stall_text(std::string_view vcpu, const Stall& stall);
/// What was seen of waiting beside idle CPUs, with what it may be.
[[nodiscard]] std::string slow_cpu_text(std::string_view seen);
/// Shows which of these it is, and is the way out of the first.
inline constexpr std::string_view slow_cpu_command = "xenpm set-max-cstate 1";

/// "domain 3 (web)".
[[nodiscard]] std::string name_of(unsigned id, std::string_view name);

} // namespace intellisched
