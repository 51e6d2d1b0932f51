// SPDX-License-Identifier: MIT
// CPUs that a trace or an affinity names but the host does not have: the trace is another host's,
// or CPUs went offline.
#pragma once

#include "collector/trace/event.hpp"
#include "src/proto/host.pb.h"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace intellisched {

/// Counts the records of CPUs that are in no snapshot (nothing else looks at them), and notes
/// domains with affinity to such CPUs.
class UnknownCpus {
  public:
    void add(const proto::HostSnapshot& snapshot);
    void add(const trace::Record& record) {
        if (record.cpu >= known_.size() || !known_[record.cpu]) [[unlikely]]
            ++records_[record.cpu];
    }
    /// What to tell of it, one line each without a full stop; usually nothing.
    [[nodiscard]] std::vector<std::string> told() const;

  private:
    std::vector<std::uint8_t> known_;              ///< by CPU
    std::map<unsigned, std::uint64_t> records_;    ///< by CPU
    std::map<std::uint32_t, unsigned> affinities_; ///< by domain: one such CPU
};

/// "CPU 4", "CPUs 8-15,24"; of a long list the beginning. They have to be ascending.
[[nodiscard]] std::string cpu_list_text(const std::vector<unsigned>& cpus);

/// A message, without a full stop: "12 records are of CPUs 8-15, which the host has not".
[[nodiscard]] std::string unknown_cpus_text(const std::map<unsigned, std::uint64_t>& records);

} // namespace intellisched
