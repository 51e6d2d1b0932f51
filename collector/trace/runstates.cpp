// SPDX-License-Identifier: MIT
#include "collector/trace/runstates.hpp"

namespace intellisched::trace {

// A damaged trace can name 2^32 vCPUs; the lookup table must not follow it there.
static constexpr std::size_t max_slots = std::size_t{1} << 20;

std::uint32_t RunstateTracker::enter(VcpuRef ref) {
    if (ref.vcpu >= max_vcpu_number || (free_.empty() && vcpus_.size() >= max_vcpus) ||
        slots_ > max_slots) {
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
    std::uint32_t& i = slots[ref.vcpu];
    if (free_.empty()) {
        i = static_cast<std::uint32_t>(vcpus_.size());
        vcpus_.emplace_back();
        ever_known_.push_back(false);
    } else {
        i = free_.back();
        free_.pop_back();
    }
    vcpus_[i] = VcpuState{.ref = ref};
    return i;
}

void RunstateTracker::free_number(std::uint32_t i) {
    if (vcpus_[i].state != Runstate::unknown) list_known(i, false);
    vcpus_[i] = VcpuState{.ref = {idle_domain, 0}};
    ever_known_[i] = false;
    free_.push_back(i);
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
