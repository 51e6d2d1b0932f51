// SPDX-License-Identifier: MIT
#include "src/pool/guest_scores.hpp"

#include "src/host/published_score.hpp"
#include "src/policy/quarantine.hpp"

#include <algorithm>
#include <set>

namespace intellisched {

Published GuestScores::saw(const std::map<unsigned, double>& told,
                           const proto::HostSnapshot& snapshot, unsigned pool_id, Nanoseconds now) {
    std::set<unsigned> here;
    for (const proto::Domain& domain : snapshot.domains())
        if (domain.pool_id() == pool_id && domain.id() != 0) here.insert(domain.id());
    std::erase_if(guests_, [&](const auto& entry) {
        const Guest& guest = entry.second;
        const bool heard_again = guest.ignored_until != 0 && now >= guest.ignored_until;
        return heard_again || !here.contains(entry.first);
    });
    silenced_.clear();

    for (const auto& [id, score] : told)
        if (here.contains(id) && possible_score(score))
            guests_.try_emplace(id, Guest{.reference = score});
    Published published;
    for (auto& [id, guest] : guests_) {
        if (now < guest.ignored_until) continue;
        const auto score = told.find(id);
        const double value =
            score != told.end() && possible_score(score->second) ? score->second : 0;
        std::erase_if(guest.changes, [&](Nanoseconds time) { return now >= later(time, hour); });
        if (follow(guest, value)) guest.changes.push_back(now);
        if (guest.changes.size() >= most_changes) {
            guest = Guest{.ignored_until = later(now, ignored_for)};
            silenced_.push_back(id);
        }
        if (guest.reference == 0) continue;
        published[id] = {std::clamp(value / guest.reference, 1 / bound, bound), guest.reference};
    }
    return published;
}

bool GuestScores::follow(Guest& guest, double score) {
    const bool within =
        score <= guest.reference * bound && guest.reference <= score * bound; // so are 0 and 0
    const bool other = (score > 0) != (guest.reference > 0);
    guest.beyond = within || other ? 0 : guest.beyond + 1;
    if (!other && guest.beyond < windows_beyond) return false;
    guest.reference = score;
    guest.beyond = 0;
    return true;
}

} // namespace intellisched
