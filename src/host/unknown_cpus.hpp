// SPDX-License-Identifier: MIT
// CPUs that are named and that the host has not: another host's trace, or CPUs that went.
#pragma once

#include "collector/trace/event.hpp"
#include "src/proto/host.pb.h"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace intellisched {

/// Counts the records of CPUs that no snapshot has, which nothing else looks at, and notes the
/// domains with affinity to such.
class UnknownCpus {
  public:
    void add(const proto::HostSnapshot& snapshot);
    void add(const trace::Record& record) {
        if (record.cpu >= known_.size() || !known_[record.cpu]) [[unlikely]]
            ++records_[record.cpu];
    }
    /// What there is to tell of it, a line each without a full stop; usually nothing.
    [[nodiscard]] std::vector<std::string> told() const;

  private:
    std::vector<std::uint8_t> known_;              ///< by CPU
    std::map<unsigned, std::uint64_t> records_;    ///< by CPU
    std::map<std::uint32_t, unsigned> affinities_; ///< such a CPU of each domain
};

/// Says so, without a full stop: "12 records are of CPUs 8-15, which the host has not".
[[nodiscard]] std::string unknown_cpus_text(const std::map<unsigned, std::uint64_t>& records);

} // namespace intellisched
