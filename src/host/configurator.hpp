// SPDX-License-Identifier: MIT
// Changes the configuration of a pool or a domain while it runs: the live host, or a stand-in. Any
// Xen changes the rate limit and weights, only a patched one the runqueues.
#pragma once

#include "src/base/result.hpp"
#include "src/layout/layout.hpp"

namespace intellisched {

/// The runqueues that credit2 has in force on a pool, as the host tells them.
struct InForce {
    Arrangement arrangement;
    unsigned runqueues = 0;
    friend bool operator==(const InForce&, const InForce&) = default;
};

class Configurator {
  public:
    virtual ~Configurator() = default;

    /// Errors: the host cannot tell; no such pool; a pool of another scheduler than credit2.
    [[nodiscard]] virtual Result<InForce> layout(const Pool& pool) = 0;

    /// Forms the pool's runqueues anew and returns what is then in force. An arrangement that gives
    /// the same runqueues is stored and moves nothing. On an error nothing has changed. Errors:
    /// those of layout(); no memory.
    [[nodiscard]] virtual Result<InForce> set_layout(const Pool& pool,
                                                     const Arrangement& wanted) = 0;

    /// In microseconds, 0: off. Errors: no such pool; a pool of another scheduler than credit2.
    [[nodiscard]] virtual Result<unsigned> rate_limit(const Pool& pool) = 0;

    /// Sets it for the decisions to come, and returns what is then in force. Moves nothing. On an
    /// error nothing has changed. Errors: those of rate_limit(); one that is not possible.
    [[nodiscard]] virtual Result<unsigned> set_rate_limit(const Pool& pool, unsigned us) = 0;

    /// Sets the weight of a domain, 1 to 65535; its cap stays. On an error nothing has changed.
    /// Errors: no such domain; one in a pool of another scheduler than credit2.
    [[nodiscard]] virtual Result<void> set_weight(unsigned domain, unsigned weight) = 0;
};

} // namespace intellisched
