// SPDX-License-Identifier: MIT
#include "src/policy/quarantine.hpp"

#include <algorithm>
#include <limits>

namespace intellisched {
namespace {

bool same_case(const Quarantined& entry, Knob knob, Option option, Intent intent,
               const Workload& workload, const QuarantineSettings& settings) {
    return entry.knob == knob && entry.option == option && entry.intent == intent &&
           distance(entry.workload, workload) <= settings.near;
}

} // namespace

Nanoseconds later(Nanoseconds time, Nanoseconds by) {
    const Nanoseconds sum = time + by;
    return sum < time ? std::numeric_limits<Nanoseconds>::max() : sum;
}

Nanoseconds doubled(Nanoseconds base, unsigned times, Nanoseconds longest) {
    for (; times > 0 && base < longest; --times) base = later(base, base);
    return std::min(base, longest);
}

const Quarantined* quarantined(std::span<const Quarantined> entries, Knob knob, Option option,
                               Intent intent, const Workload& workload, Nanoseconds now,
                               const QuarantineSettings& settings) {
    for (const Quarantined& entry : entries)
        if (now < entry.until && same_case(entry, knob, option, intent, workload, settings))
            return &entry;
    return nullptr;
}

const Quarantined& quarantine(std::vector<Quarantined>& entries, Knob knob, Option option,
                              Intent intent, const Workload& workload, Nanoseconds now,
                              const QuarantineSettings& settings) {
    std::erase_if(entries, [&](const Quarantined& entry) {
        return later(entry.until, settings.longest) < now;
    });
    auto entry = std::find_if(entries.begin(), entries.end(), [&](const Quarantined& one) {
        return same_case(one, knob, option, intent, workload, settings);
    });
    if (entry == entries.end()) {
        if (!entries.empty() && entries.size() >= settings.most)
            entries.erase(std::min_element(
                entries.begin(), entries.end(),
                [](const Quarantined& a, const Quarantined& b) { return a.until < b.until; }));
        entry = entries.insert(entries.end(), {knob, option, intent, workload, 0, 0});
    }
    entry->until = later(now, doubled(settings.first, entry->times, settings.longest));
    ++entry->times;
    return *entry;
}

} // namespace intellisched
