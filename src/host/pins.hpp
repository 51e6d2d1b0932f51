// SPDX-License-Identifier: MIT
// Pins vCPUs to physical CPUs for a while, then restores their affinity.
#pragma once

#include "src/base/result.hpp"

#include <cstdint>
#include <functional>
#include <set>
#include <vector>

namespace intellisched {

/// Where a vCPU may run. Soft affinity is separate, and not touched.
struct HardAffinity {
    unsigned vcpu = 0;
    std::vector<std::uint8_t> cpus; ///< a bitmap; the lowest bit of the first byte is CPU 0
    friend bool operator==(const HardAffinity&, const HardAffinity&) = default;
};

class Pins {
  public:
    using Set = std::function<Result<void>(const HardAffinity&)>;

    /// `before` is what will be put back; `set` gives a vCPU an affinity.
    Pins(std::vector<HardAffinity> before, Set set);
    Pins(const Pins&) = delete;
    Pins& operator=(const Pins&) = delete;
    ~Pins(); ///< restores what restore() has not, and logs failures

    /// Lets the vCPU run there only. Errors: a vCPU that is not one of `before`; those of `set`.
    [[nodiscard]] Result<void> put(unsigned vcpu, unsigned cpu);
    /// Restores the affinity of all vCPUs that were pinned. Tries them all, and returns the first
    /// error.
    [[nodiscard]] Result<void> restore();

  private:
    std::vector<HardAffinity> before_;
    Set set_;
    std::set<unsigned> moved_;
};

} // namespace intellisched
