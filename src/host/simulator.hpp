// SPDX-License-Identifier: MIT
// The simulator as a program: where it is, and what it does besides serving a SimHost.
#pragma once

#include "src/base/files.hpp"
#include "src/base/result.hpp"

#include <cstdint>
#include <filesystem>
#include <string>

namespace intellisched {

/// $CREDIT2_SIM if it is set; else beside this program, in the build tree of this program, on PATH.
/// Root takes none that others than trusted users can change (check_trusted_path()). Errors:
/// nowhere; the message says how to get it.
[[nodiscard]] Result<std::filesystem::path> find_simulator();

/// A program as it is now, whatever becomes of its file meanwhile (a build may replace it).
class PinnedProgram {
  public:
    /// Errors: a file that cannot be read.
    [[nodiscard]] static Result<PinnedProgram> open(const std::filesystem::path& path);
    /// What to start; good in this process while the object lives.
    [[nodiscard]] std::filesystem::path path() const;
    /// The same for the same contents only.
    [[nodiscard]] const std::string& identity() const { return identity_; }

  private:
    PinnedProgram(FileDescriptor file, std::string identity)
        : file_(std::move(file)), identity_(std::move(identity)) {}
    FileDescriptor file_;
    std::string identity_;
};

/// Has the simulator make up `count` scenarios of a workload family on a topology ("2s8c2t") and
/// write them below `folder`, once: those of the same four are taken as they are there. Returns the
/// folder that has these and nothing else, as *.scenario. Errors: no simulator, and what it says.
[[nodiscard]] Result<std::filesystem::path> generate_scenarios(const std::filesystem::path& folder,
                                                               const std::string& family,
                                                               const std::string& topology,
                                                               unsigned count, std::uint64_t seed);

/// The last line of what a program wrote to stderr, fit for a message of ours.
[[nodiscard]] std::string last_line(std::string_view words);

} // namespace intellisched
