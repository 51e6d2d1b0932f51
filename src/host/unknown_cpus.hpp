// SPDX-License-Identifier: MIT
// Records of CPUs that the host has not: of another host's trace, or of CPUs that went.
#pragma once

#include "collector/trace/event.hpp"
#include "src/proto/host.pb.h"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace intellisched {

/// Counts the records of CPUs that no snapshot has; nothing else looks at these.
class UnknownCpus {
  public:
    void add(const proto::HostSnapshot& snapshot);
    void add(const trace::Record& record) {
        if (record.cpu >= known_.size() || !known_[record.cpu]) [[unlikely]]
            ++records_[record.cpu];
    }
    /// By CPU. One that a later snapshot has counts no more.
    [[nodiscard]] const std::map<unsigned, std::uint64_t>& records() const { return records_; }

  private:
    std::vector<std::uint8_t> known_; ///< by CPU
    std::map<unsigned, std::uint64_t> records_;
};

/// Says so, without a full stop: "12 records are of CPUs 8-15, which the host has not".
[[nodiscard]] std::string unknown_cpus_text(const std::map<unsigned, std::uint64_t>& records);

} // namespace intellisched
