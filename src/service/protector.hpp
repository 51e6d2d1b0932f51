// SPDX-License-Identifier: MIT
// The guests whose weight the service may raise (src/policy/protection.hpp), with their journal.
// What is asked of the host is on the disk before it is asked.
//
// A guest is its name in the configuration, then a UUID and a domain. A domain that was started
// again has the weight of its own configuration, so its protection begins anew. So it does after a
// reboot of the host.
#pragma once

#include "src/policy/protection.hpp"
#include "src/proto/control.pb.h"
#include "src/service/config.hpp"
#include "src/service/journal.hpp"

#include <functional>
#include <map>

namespace intellisched::service {

class Protector {
  public:
    /// Called when all that belongs to the request has been stored. The result must come later, by
    /// applied(), never from within the call.
    using Ask = std::function<void(const WeightRequest&)>;

    /// Goes on with what the journal has of this boot. What is damaged in it is logged, and all
    /// begins anew. The journal must outlive this object.
    Protector(Journal& journal, const std::string& boot, Ask ask);

    /// What the policy of the pool lets a protector do in it.
    enum class May : std::uint8_t {
        nothing, ///< guests get the administrator's weight back
        finish,  ///< what has begun, and no more
        begin,
    };
    /// Takes a window of a pool, with the domains as they were read last.
    void saw(const std::vector<ProtectedGuest>& guests, const WindowStats& window,
             const proto::HostSnapshot& snapshot, May may, Moment now);
    /// Takes the result of a request.
    void applied(const WeightRequest& asked, const Result<void>& result);
    /// Gives all guests but these the administrator's weight back: of a new configuration, or at
    /// the end. Nothing is asked for that cannot be stored.
    void keep_only(const std::vector<ProtectedGuest>& guests, const proto::HostSnapshot& snapshot,
                   Moment now);

    /// Gives protected guests one identity (src/policy/guests.hpp) whatever their weight: the
    /// changes are this object's.
    void disregard_weights(std::map<std::uint64_t, std::uint64_t>& identities) const;
    /// Whether a weight is on trial in the pool.
    [[nodiscard]] bool busy(const std::string& pool) const;
    /// The guests of the pool with a weight that is not the administrator's, or on trial.
    void add_to(proto::PoolStatus& status) const;
    [[nodiscard]] std::uint64_t journal_errors() const { return journal_errors_; }

  private:
    struct Guest {
        StoredProtection stored; ///< its state is the one in use
        PoolName pool = {};
        bool away = false; ///< a request is
    };
    void look(Guest& guest, const ProtectedGuest& how, const ProtectionSeen& seen, Moment now);
    void give_back(Guest& guest, const proto::HostSnapshot& snapshot, Moment now);
    /// Stores, logs and asks for what the verdict says; puts `before` back where it cannot be
    /// stored.
    void act(Guest& guest, const Protection& before, const ProtectionVerdict& verdict,
             unsigned in_force, Moment now);

    Journal& journal_;
    Ask ask_;
    std::map<std::string, Guest> guests_; ///< by name
    std::uint64_t journal_errors_ = 0;
    std::string complaint_; ///< the last one
};

} // namespace intellisched::service
