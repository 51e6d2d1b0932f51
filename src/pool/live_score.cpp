// SPDX-License-Identifier: MIT
#include "src/pool/live_score.hpp"

#include "src/model/estimate.hpp"
#include "src/model/score.hpp"
#include "src/proto/costs.hpp"

#include <algorithm>
#include <boost/container_hash/hash.hpp>
#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace intellisched {
namespace {

constexpr double no_utility = std::numeric_limits<double>::quiet_NaN();

constexpr double smt_speed = cost_range("smt_speed").standard;
// The part of its speed that a vCPU loses while it fills caches. Fitted (live_score.hpp).
constexpr double near_refill_loss = 0.3, far_refill_loss = 0.5;

/// What refilling caches leaves of the pool's speed.
double speed_of_refills(const WindowStats& stats) {
    const double lost =
        near_refill_loss * stats.refilled_near + far_refill_loss * stats.refilled_far;
    return stats.running > 0 ? 1 - std::min(lost / stats.running, far_refill_loss) : 1;
}

/// What the guests had of one window, by domain id as text: a name is no identity.
Result<LayoutResult> live_result(const WindowStats& stats, const proto::HostSnapshot& snapshot,
                                 const Published& published) {
    proto::Truth truth = estimate({&stats, 1}, snapshot, 1 - smt_speed);
    for (proto::GuestTruth& guest : *truth.mutable_guests())
        guest.set_name(std::to_string(guest.domid()));
    auto result = result_from(truth, stats.facts.pool);
    if (!result) return result;
    const double speed = speed_of_refills(stats);
    for (const proto::GuestTruth& got : truth.guests()) {
        const auto guest = result->find(got.name());
        const double busy_ns = (got.run_ns() + got.runnable_ns()) / truth.seconds();
        if (guest == result->end() || !(guest->second.work > 0)) continue;
        guest->second.work *= speed / busy_ns;
        guest->second.run *= 1e9 / busy_ns;
    }
    for (const auto& [id, score] : published)
        if (const auto guest = result->find(std::to_string(id)); guest != result->end()) {
            guest->second.work = score.work;
            guest->second.run = 0; // work in a unit of its own says nothing of CPU time
        }
    // The claim is what the administrator gave, not how many vCPUs the guest has online.
    for (const proto::Domain& domain : snapshot.domains())
        if (const auto guest = result->find(std::to_string(domain.id())); guest != result->end()) {
            guest->second.weight = std::max<double>(domain.weight(), 1);
            guest->second.vcpus = std::max<double>(domain.vcpus_size(), 1);
            if (domain.cap() > 0)
                guest->second.vcpus = std::min(guest->second.vcpus, domain.cap() / 100.0);
        }
    return result;
}

std::uint64_t identity_of(const proto::Domain& domain) {
    std::size_t identity = uuid_hash(domain);
    boost::hash_combine(identity, domain.vcpus_size());
    boost::hash_combine(identity, domain.weight());
    boost::hash_combine(identity, domain.cap());
    return identity;
}

/// The guests with the largest claims that the window was made of.
std::vector<GuestSeen> guests_seen(const LayoutResult& result, const proto::HostSnapshot& snapshot,
                                   unsigned pool_id, const Published& published) {
    const auto terms_of = terms(result);
    std::vector<std::pair<double, GuestSeen>> by_claim; // whole claims: who is told does not change
    for (const proto::Domain& domain : snapshot.domains()) {
        if (domain.pool_id() != pool_id) continue;
        const std::string id = std::to_string(domain.id());
        const auto found = terms_of.find(id);
        if (found == terms_of.end()) continue;
        const std::uint64_t uuid = uuid_hash(domain);
        std::size_t identity = identity_of(domain);
        // Scores against another reference are of another unit.
        if (const auto score = published.find(domain.id()); score != published.end())
            boost::hash_combine(identity, score->second.reference);
        const GuestResult& guest = result.at(id);
        by_claim.push_back({guest.weight * guest.vcpus, {uuid, identity, found->second}});
    }
    std::sort(by_claim.begin(), by_claim.end(), [](const auto& a, const auto& b) {
        return std::pair(-a.first, a.second.identity) < std::pair(-b.first, b.second.identity);
    });
    if (by_claim.size() > most_guests) by_claim.resize(most_guests);
    std::vector<GuestSeen> guests;
    for (auto& [claim, guest] : by_claim) guests.push_back(std::move(guest));
    return guests;
}

} // namespace

std::uint64_t uuid_hash(const proto::Domain& domain) {
    if (domain.id() == 0) return dom0_uuid;
    // An older capture has none; there ids are all that can be told.
    const std::uint64_t hash =
        domain.uuid().empty() ? boost::hash_value(domain.id()) : boost::hash_value(domain.uuid());
    return hash == dom0_uuid ? ~dom0_uuid : hash;
}

std::map<std::uint64_t, std::uint64_t> guest_identities(const proto::HostSnapshot& snapshot,
                                                        unsigned pool_id) {
    std::map<std::uint64_t, std::uint64_t> identities;
    for (const proto::Domain& domain : snapshot.domains())
        if (domain.pool_id() == pool_id) identities[uuid_hash(domain)] = identity_of(domain);
    return identities;
}

LiveScore live_score(const WindowStats& stats, const proto::HostSnapshot& snapshot, Intent intent,
                     const Published& published) {
    LiveScore score{.utility = no_utility};
    if (stats.rearrangements > 0) return score;
    const auto result = live_result(stats, snapshot, published);
    if (!result) return score;
    const auto whole = utilities(intent, {&*result, 1});
    if (whole && std::isfinite(whole->front())) score.utility = whole->front();
    score.guests = guests_seen(*result, snapshot, stats.facts.pool_id, published);
    return score;
}

} // namespace intellisched
