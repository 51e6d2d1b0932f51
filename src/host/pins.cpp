// SPDX-License-Identifier: MIT
#include "src/host/pins.hpp"

#include "src/base/log.hpp"

#include <algorithm>

namespace intellisched {

Pins::Pins(std::vector<HardAffinity> before, Set set)
    : before_(std::move(before)), set_(std::move(set)) {}

Pins::~Pins() {
    if (auto restored = restore(); !restored) BOOST_LOG_TRIVIAL(error) << restored.error().message;
}

Result<void> Pins::put(unsigned vcpu, unsigned cpu) {
    const auto known = std::ranges::find(before_, vcpu, &HardAffinity::vcpu);
    if (known == before_.end()) return fail("vCPU {} is not online; it cannot be pinned", vcpu);
    HardAffinity to{
        vcpu, std::vector<std::uint8_t>(std::max(known->cpus.size(), std::size_t{cpu} / 8 + 1))};
    to.cpus[cpu / 8] = static_cast<std::uint8_t>(1U << cpu % 8);
    moved_.insert(vcpu); // before the call: one that fails half way is put back too
    return set_(to);
}

Result<void> Pins::restore() {
    Result<void> result;
    for (const HardAffinity& one : before_) {
        if (!moved_.contains(one.vcpu)) continue;
        auto set = set_(one);
        if (set)
            moved_.erase(one.vcpu);
        else if (result)
            result = fail("dom0's vCPU {} stays pinned: {}; put it back with `xl vcpu-pin`",
                          one.vcpu, set.error().message);
    }
    return result;
}

} // namespace intellisched
