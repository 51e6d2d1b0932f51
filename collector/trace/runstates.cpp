// SPDX-License-Identifier: MIT
#include "collector/trace/runstates.hpp"

namespace intellisched::trace {

// A damaged trace can name 2^32 vCPUs; the lookup table must not follow it there.
static constexpr std::size_t max_slots = std::size_t{1} << 20;

std::uint32_t RunstateTracker::enter(VcpuRef ref) {
    if (ref.vcpu >= max_vcpu_number || vcpus_.size() >= max_vcpus || slots_ > max_slots) {
        ++untracked_;
        return none;
    }
    auto& page = domains_[ref.domain / page_domains];
    if (!page) page = std::make_unique<Page>();
    Vcpus& slots = (*page)[ref.domain % page_domains];
    if (slots.size() <= ref.vcpu) {
        slots_ += std::size_t{ref.vcpu} + 1 - slots.size();
        slots.resize(std::size_t{ref.vcpu} + 1, none);
    }
    slots[ref.vcpu] = static_cast<std::uint32_t>(vcpus_.size());
    vcpus_.push_back(VcpuState{.ref = ref});
    ever_known_.push_back(false);
    return slots[ref.vcpu];
}

void RunstateTracker::list_known(std::uint32_t i, bool known) {
    if (known) {
        ever_known_[i] = true;
        vcpus_[i].known_slot = static_cast<std::uint32_t>(known_.size());
        known_.push_back(i);
        return;
    }
    const std::uint32_t slot = vcpus_[i].known_slot;
    known_[slot] = known_.back();
    vcpus_[known_[slot]].known_slot = slot;
    known_.pop_back();
}

} // namespace intellisched::trace
