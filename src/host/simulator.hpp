// SPDX-License-Identifier: MIT
// The simulator as a program: where it is, and what it does besides serving a SimHost.
#pragma once

#include "src/base/files.hpp"
#include "src/base/result.hpp"

#include <cstdint>
#include <filesystem>
#include <string>

namespace intellisched {

/// Finds credit2-sim: $CREDIT2_SIM if it is set, else as find_companion(). Root takes none that
/// others than trusted users can change (check_trusted_path()). Errors: not found; the message says
/// how to get it.
[[nodiscard]] Result<std::filesystem::path> find_simulator();

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

/// The last line of what a program wrote to stderr, made safe for a message.
[[nodiscard]] std::string last_line(std::string_view words);

} // namespace intellisched
