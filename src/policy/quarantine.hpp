// SPDX-License-Identifier: MIT
// Options that failed their trial. They are not tried again on that workload for a while, and for
// twice as long each time.
#pragma once

#include "src/model/intent.hpp"
#include "src/policy/settings.hpp"
#include "src/policy/workload.hpp"

#include <vector>

namespace intellisched {

struct Quarantined {
    Knob knob = Knob::layout;
    Option option = boot_option; ///< of a layout: the representative of its partition
    Intent intent = Intent::balanced;
    Workload workload{};
    unsigned times = 0;
    Nanoseconds until = 0;
};

/// The quarantine that holds for this option and workload at `now`; null when there is none.
[[nodiscard]] const Quarantined* quarantined(std::span<const Quarantined> entries, Knob knob,
                                             Option option, Intent intent, const Workload& workload,
                                             Nanoseconds now, const QuarantineSettings& settings);

/// Puts the option in quarantine. An entry counts as the same one until it has been over for as
/// long as the longest quarantine. Where there are too many entries, the one that ends first is
/// dropped.
const Quarantined& quarantine(std::vector<Quarantined>& entries, Knob knob, Option option,
                              Intent intent, const Workload& workload, Nanoseconds now,
                              const QuarantineSettings& settings);

/// `base` doubled `times` times, at most `longest`.
[[nodiscard]] Nanoseconds doubled(Nanoseconds base, unsigned times, Nanoseconds longest);
/// The sum, without overflow.
[[nodiscard]] Nanoseconds later(Nanoseconds time, Nanoseconds by);
/// Whether so much time has passed at `now` since then.
[[nodiscard]] inline bool passed(Nanoseconds time, Nanoseconds stretch, Nanoseconds now) {
    return now >= later(time, stretch);
}

} // namespace intellisched
