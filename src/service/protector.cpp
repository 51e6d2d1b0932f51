// SPDX-License-Identifier: MIT
#include "src/service/protector.hpp"

#include "src/base/log.hpp"
#include "src/pool/live_score.hpp"

#include <algorithm>
#include <boost/log/sources/record_ostream.hpp>

namespace intellisched::service {
namespace {

const proto::Domain* find(const proto::HostSnapshot& snapshot, const StoredProtection& guest) {
    for (const proto::Domain& domain : snapshot.domains())
        if (domain.id() == guest.domain && uuid_hash(domain) == guest.uuid) return &domain;
    return nullptr;
}

bool names(const std::vector<ProtectedGuest>& guests, const std::string& name) {
    return std::ranges::find(guests, name, &ProtectedGuest::name) != guests.end();
}

} // namespace

Protector::Protector(Journal& journal, const std::string& boot, Ask ask)
    : journal_(journal), ask_(std::move(ask)) {
    auto stored = journal_.protections();
    if (!stored) {
        BOOST_LOG_TRIVIAL(warning) << stored.error().message;
        return;
    }
    for (StoredProtection& one : *stored) {
        if (one.boot != boot) continue; // Xen has forgotten all weights
        one.state = restarted(one.state);
        const std::string name = one.guest;
        guests_[name] = {std::move(one)};
    }
}

void Protector::saw(const std::vector<ProtectedGuest>& guests, const WindowStats& window,
                    const proto::HostSnapshot& snapshot, May may, Moment now) {
    if (guests.empty() && guests_.empty()) return;
    const PoolName pool{window.facts.pool, window.facts.pool_id};
    GuestSums sums;
    sums.add(window);
    std::optional<std::vector<GuestFigures>> figures;
    std::map<std::string, unsigned> known;
    for (const proto::Domain& domain : snapshot.domains()) {
        if (domain.pool_id() != pool.id) continue;
        const auto how = std::ranges::find(guests, domain.name(), &ProtectedGuest::name);
        // Names are unique, but for a domain that is being replaced.
        if (how == guests.end() || ++known[how->name] > 1) continue;
        Guest& guest = guests_[how->name];
        if (guest.away) continue;
        StoredProtection& stored = guest.stored;
        if (stored.uuid != uuid_hash(domain) || stored.domain != domain.id()) stored = {};
        if (!stored.state.base) {
            stored.guest = how->name;
            stored.uuid = uuid_hash(domain);
            stored.domain = domain.id();
        } else if (!guest.pool.name.empty() && guest.pool.name != pool.name) {
            give_back(guest, snapshot, now); // other guests, another due
            continue;
        }
        guest.pool = pool;
        if (may == May::nothing) {
            give_back(guest, snapshot, now);
            continue;
        }
        if (!figures) figures = sums.figures(snapshot);
        look(guest, *how,
             {.weight = domain.weight(),
              .guests = *figures,
              .cpus = static_cast<double>(window.facts.cpus),
              .may_begin = may == May::begin && !busy(pool.name)},
             now);
    }
}

void Protector::look(Guest& guest, const ProtectedGuest& how, const ProtectionSeen& seen,
                     Moment now) {
    ProtectionSettings settings;
    settings.factor = how.factor;
    settings.most_loss = how.loss;
    const Protection before = guest.stored.state;
    const ProtectionVerdict verdict =
        protect(guest.stored.state, now.time, guest.stored.domain, seen, settings);
    if (verdict.set || !verdict.id.empty()) act(guest, before, verdict, seen.weight, now);
}

void Protector::give_back(Guest& guest, const proto::HostSnapshot& snapshot, Moment now) {
    const proto::Domain* domain = find(snapshot, guest.stored);
    const Protection before = guest.stored.state;
    if (!domain || !before.base || guest.away) return;
    for (const proto::Pool& pool : snapshot.pools()) // after a restart there was no window yet
        if (guest.pool.name.empty() && pool.id() == domain->pool_id())
            guest.pool = {pool.name(), pool.id()};
    const ProtectionVerdict verdict = restore(guest.stored.state, domain->weight());
    if (verdict.set) act(guest, before, verdict, domain->weight(), now);
}

void Protector::act(Guest& guest, const Protection& before, const ProtectionVerdict& verdict,
                    unsigned in_force, Moment now) {
    const std::string name = printable(guest.stored.guest, 64);
    PoolVerdict told;
    if (!verdict.id.empty())
        told.reasons = {{verdict.id, verdict.set ? fmt::format("{}: weight {} to {}; {}", name,
                                                               in_force, *verdict.set, verdict.text)
                                                 : fmt::format("{}: {}", name, verdict.text)}};
    const auto recorded = journal_.record({.pool = guest.pool,
                                           .time = now.wall,
                                           .verdict = verdict.id.empty() ? nullptr : &told,
                                           .protection = &guest.stored});
    if (!recorded) {
        ++journal_errors_;
        guest.stored.state = before;
        if (std::exchange(complaint_, recorded.error().message) != complaint_)
            BOOST_LOG_TRIVIAL(error) << complaint_ << " (until then no weight is changed)";
        return;
    }
    if (!verdict.id.empty())
        BOOST_LOG_TRIVIAL(info) << printable(guest.pool.name, 64) << ": " << verdict.id << " ("
                                << printable(told.reasons.front().text, 1024) << ")";
    if (!verdict.set) return;
    guest.away = true;
    ask_({guest.stored.guest, guest.stored.uuid, guest.stored.domain, in_force, *verdict.set});
}

void Protector::applied(const WeightRequest& asked, const Result<void>& result) {
    const auto found = guests_.find(asked.guest);
    if (found != guests_.end()) found->second.away = false;
    if (!result)
        BOOST_LOG_TRIVIAL(warning) << printable(asked.guest, 64) << ": a weight of " << asked.to
                                   << " was not set: " << printable(result.error().message, 512);
}

void Protector::keep_only(const std::vector<ProtectedGuest>& guests,
                          const proto::HostSnapshot& snapshot, Moment now) {
    for (auto& [name, guest] : guests_)
        if (!names(guests, name)) give_back(guest, snapshot, now);
}

void Protector::disregard_weights(std::map<std::uint64_t, std::uint64_t>& identities) const {
    for (const auto& [name, guest] : guests_)
        if (const auto found = identities.find(guest.stored.uuid); found != identities.end())
            found->second = guest.stored.uuid;
}

bool Protector::busy(const std::string& pool) const {
    return std::ranges::any_of(guests_, [&](const auto& one) {
        return one.second.pool.name == pool && one.second.stored.state.busy();
    });
}

void Protector::add_to(proto::PoolStatus& status) const {
    for (const auto& [name, guest] : guests_) {
        const Protection& state = guest.stored.state;
        if (guest.pool.name != status.name() || !state.base) continue;
        proto::ProtectedStatus& told = *status.add_protected_guests();
        told.set_name(name);
        told.set_domain(guest.stored.domain);
        told.set_own_weight(*state.base);
        told.set_weight(state.wanted);
        told.set_trial(state.trial);
    }
}

} // namespace intellisched::service
