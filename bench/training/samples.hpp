// SPDX-License-Identifier: MIT
// Samples: what the model learns from. A file NAME.samples holds Records of proto::Sample behind a
// header of kind "samples" (src/proto/records.hpp); a training set is a directory of them. To write
// one: RecordWriter::create(path, samples_format), then append() sample by sample.
#pragma once

#include "src/model/sample.hpp"
#include "src/proto/records.hpp"

#include <filesystem>
#include <vector>

namespace intellisched {

inline constexpr RecordFormat samples_format{"samples", 1};
inline constexpr std::string_view samples_extension = ".samples";

/// Reads one file. A torn last record is left out, with a warning in the log. Errors: a damaged
/// file, one that is no samples file, a sample that check_sample() refuses; for Author::trusted, a
/// file that others than trusted users can change.
[[nodiscard]] Result<std::vector<proto::Sample>>
read_samples_file(const std::filesystem::path& path, Author author = Author::any);

/// Reads every *.samples file of a directory (not of those below it), in the order of their names.
/// Errors: also a directory without any.
[[nodiscard]] Result<std::vector<proto::Sample>>
read_samples(const std::filesystem::path& directory, Author author = Author::any);

/// Leaves those that are about this knob. Errors: none are.
[[nodiscard]] Result<void> keep_knob(std::vector<proto::Sample>& samples, Knob knob);

} // namespace intellisched
