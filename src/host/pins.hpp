// SPDX-License-Identifier: MIT
// vCPUs pinned to physical CPUs for a while, and put back to the affinity that they had.
#pragma once

#include "src/base/result.hpp"

#include <cstdint>
#include <functional>
#include <set>
#include <vector>

namespace intellisched {

/// Where a vCPU may run; soft affinity is another thing and stays.
struct HardAffinity {
    unsigned vcpu = 0;
    std::vector<std::uint8_t> cpus; ///< bit by bit, the lowest of the first byte for CPU 0
    friend bool operator==(const HardAffinity&, const HardAffinity&) = default;
};

class Pins {
  public:
    using Set = std::function<Result<void>(const HardAffinity&)>;

    /// `before` is what will be put back; `set` gives a vCPU an affinity.
    Pins(std::vector<HardAffinity> before, Set set);
    Pins(const Pins&) = delete;
    Pins& operator=(const Pins&) = delete;
    ~Pins(); ///< puts back what restore() has not, and logs what fails

    /// Lets the vCPU run there only. Errors: a vCPU that is not one of `before`; those of `set`.
    [[nodiscard]] Result<void> put(unsigned vcpu, unsigned cpu);
    /// Gives all vCPUs that were put somewhere back what they had; tries them all, and returns the
    /// first error.
    [[nodiscard]] Result<void> restore();

  private:
    std::vector<HardAffinity> before_;
    Set set_;
    std::set<unsigned> moved_;
};

} // namespace intellisched
