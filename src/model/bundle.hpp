// SPDX-License-Identifier: MIT
// The model bundle: one file that holds a model and says what it is. A bundle is data from outside;
// nothing in it reaches XGBoost before parse_bundle() has verified it.
#pragma once

#include "src/base/result.hpp"
#include "src/proto/model.pb.h"

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

namespace intellisched {

/// The largest bundle that is read or written, in bytes. (100 rounds of depth 6 are about 2 MB.)
inline constexpr std::size_t max_bundle_bytes = std::size_t{16} << 20;

struct Bundle {
    proto::ModelManifest manifest;
    std::string model_ubj; ///< as XGBoost's XGBoosterSaveModelToBuffer wrote it, format UBJ
};

/// The names of the model's inputs: the schema's features, then "intent.<name>" for every intent.
[[nodiscard]] std::vector<std::string> model_feature_names();

/// Fills in the manifest's checksum and id from the model.
void sign(Bundle& bundle);

/// Parses and verifies a bundle: checksums, schema version and feature names of this program,
/// layouts and intents, tables and ranges, and the model itself (verify_model). `name` is for the
/// message. The manifest's texts come back fit for a terminal.
[[nodiscard]] Result<Bundle> parse_bundle(std::span<const std::byte> bytes,
                                          const std::string& name);

/// parse_bundle() of a file. Errors: also one that cannot be read.
[[nodiscard]] Result<Bundle> read_bundle(const std::filesystem::path& path);

/// The bytes of the bundle's file, with the manifest's checksum and id filled in. Errors: whatever
/// parse_bundle() would refuse.
[[nodiscard]] Result<std::string> encode_bundle(Bundle bundle);

/// Writes encode_bundle() to `path`, whole or not at all.
[[nodiscard]] Result<void> write_bundle(Bundle bundle, const std::filesystem::path& path);

} // namespace intellisched
