// SPDX-License-Identifier: MIT
#include "src/policy/guests.hpp"

namespace intellisched {

std::vector<std::uint64_t>
SteadyGuests::saw(const std::map<std::uint64_t, std::uint64_t>& identities, Nanoseconds now) {
    // Who has been gone for as long as anything is remembered of it is forgotten.
    std::erase_if(known_, [&](const auto& entry) {
        const Known& one = entry.second;
        return now >= later(one.last_seen, hour) && now >= one.left_out_until;
    });
    for (auto& [uuid, one] : known_) one.here = one.here && identities.contains(uuid);

    std::vector<std::uint64_t> left_out;
    for (const auto& [uuid, identity] : identities) {
        const auto [entry, is_new] = known_.try_emplace(uuid);
        Known& one = entry->second;
        if (!is_new && (!one.here || one.identity != identity)) one.changes.push_back(now);
        one.identity = identity;
        one.here = true;
        one.last_seen = now;
        std::erase_if(one.changes, [&](Nanoseconds time) { return now >= later(time, hour); });
        if (one.changes.size() < most_changes || now < one.left_out_until) continue;
        one.left_out_until = later(now, left_out_for);
        one.changes.clear();
        left_out.push_back(uuid);
    }
    return left_out;
}

bool SteadyGuests::leaves_out(std::uint64_t uuid, Nanoseconds now) const {
    const auto found = known_.find(uuid);
    return found != known_.end() && now < found->second.left_out_until;
}

} // namespace intellisched
