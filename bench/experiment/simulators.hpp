// SPDX-License-Identifier: MIT
// What a benchmark asks of the simulator besides a simulated host: to be the same program to its
// end, and to make scenarios up.
#pragma once

#include "src/base/files.hpp"
#include "src/base/result.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>

namespace intellisched::bench {

/// A program as it is now, even if its file is replaced meanwhile (by a build).
class PinnedProgram {
  public:
    /// Errors: a file that cannot be read.
    [[nodiscard]] static Result<PinnedProgram> open(const std::filesystem::path& path);
    /// The path to start it by; valid in this process while the object lives.
    [[nodiscard]] std::filesystem::path path() const;
    /// Equal for equal contents only.
    [[nodiscard]] const std::string& identity() const { return identity_; }

  private:
    PinnedProgram(FileDescriptor file, std::string identity)
        : file_(std::move(file)), identity_(std::move(identity)) {}
    FileDescriptor file_;
    std::string identity_;
};

/// Has the simulator generate `count` scenarios of a workload family on a topology ("2s8c2t") below
/// `folder`. Scenarios of the same family, topology, count and seed that are there already are
/// used. Returns the folder that has exactly these, as *.scenario. Errors: no simulator, and what
/// it says.
[[nodiscard]] Result<std::filesystem::path> generate_scenarios(const std::filesystem::path& folder,
                                                               const std::string& family,
                                                               const std::string& topology,
                                                               unsigned count, std::uint64_t seed);

} // namespace intellisched::bench
