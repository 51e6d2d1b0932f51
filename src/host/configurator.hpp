// SPDX-License-Identifier: MIT
// Changes the runqueues of a pool while it runs: the live host under a patched Xen, or a stand-in.
#pragma once

#include "src/base/result.hpp"
#include "src/layout/layout.hpp"

namespace intellisched {

/// What credit2 has in force on a pool, as the host tells it.
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
};

} // namespace intellisched
