// SPDX-License-Identifier: MIT
#include "src/service/guest_scores.hpp"

#include "src/host/published_score.hpp"
#include "src/policy/quarantine.hpp"

#include <algorithm>
#include <boost/container_hash/hash.hpp>
#include <set>

namespace intellisched {

Published GuestScores::saw(const std::map<unsigned, double>& told,
                           const proto::HostSnapshot& snapshot, unsigned pool_id, Nanoseconds now) {
    std::set<unsigned> here;
    for (const proto::Domain& domain : snapshot.domains())
        if (domain.pool_id() == pool_id && domain.id() != 0) here.insert(domain.id());
    std::erase_if(guests_, [&](const auto& guest) {
        const bool heard_again =
            guest.second.ignored_until != 0 && now >= guest.second.ignored_until;
        return heard_again || !here.contains(guest.first);
    });
    std::erase_if(changes_, [&](const Change& change) {
        return !here.contains(change.domain) || now >= later(change.time, hour);
    });

    std::map<unsigned, double> scores;
    for (const auto& [id, score] : told)
        if (here.contains(id) && possible_score(score)) scores[id] = score;
    for (const auto& [id, score] : scores) guests_.try_emplace(id, Guest{.reference = score});
    for (auto& [id, guest] : guests_) {
        if (now < guest.ignored_until) continue;
        const auto score = scores.find(id);
        if (follow(guest, score == scores.end() ? 0 : score->second)) changes_.push_back({id, now});
    }

    Published published;
    published.ignored = silence(now);
    std::size_t hash = 0;
    for (const auto& [id, guest] : guests_) {
        if (guest.reference == 0) continue;
        published.work[id] = std::clamp(scores.at(id) / guest.reference, 1 / bound, bound);
        boost::hash_combine(hash, id);
        boost::hash_combine(hash, guest.reference);
    }
    published.hash = hash;
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

std::vector<unsigned> GuestScores::silence(Nanoseconds now) {
    std::set<Nanoseconds> windows;
    for (const Change& change : changes_) windows.insert(change.time);
    std::vector<unsigned> silenced;
    for (auto& [id, guest] : guests_) {
        const auto own = std::count_if(changes_.begin(), changes_.end(),
                                       [id = id](const Change& c) { return c.domain == id; });
        const bool often =
            static_cast<std::size_t>(own) >= most_changes || windows.size() >= changing_windows;
        if (!often || now < guest.ignored_until) continue;
        guest = {.ignored_until = later(now, ignored_for)};
        silenced.push_back(id);
    }
    return silenced;
}

} // namespace intellisched
