// SPDX-License-Identifier: MIT
// The model bundle: one file that holds a model and says what it is. A bundle is data from outside;
// nothing in it reaches XGBoost before parse_bundle() has verified it.
#pragma once

#include "src/base/result.hpp"
#include "src/model/guest_class.hpp"
#include "src/proto/model.pb.h"

#include <cstddef>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace intellisched {

/// The largest bundle that is read or written, in bytes, and the largest ensemble in one before it
/// is compressed. (100 rounds of depth 5 are about 1 MB and compress to a third.)
inline constexpr std::size_t max_bundle_bytes = std::size_t{4} << 20;
inline constexpr std::size_t max_model_bytes = std::size_t{16} << 20;

/// A model of one knob.
struct Model {
    proto::ModelManifest manifest;
    // As XGBoost's XGBoosterSaveModelToBuffer wrote them, format UBJ.
    std::string classifier_ubj; ///< margins of the probability that an option is the best
    std::string gains_ubj;      ///< ln score, less its mean over the options
    std::optional<proto::Novelty> novelty = {}; ///< none in older bundles
};

/// The model of the layout, and those of the rate limit and of guests' classes where there are any.
struct Bundle : Model {
    Bundle() = default;
    Bundle(Model layout) : Model(std::move(layout)) {} // one without is a bundle, too
    std::optional<Model> rate_limit = {};
    std::optional<GuestClassModel> guest_classes = {};
};

/// Fills in the manifest's checksum and id from the ensembles.
void sign(Model& model);

/// Parses and verifies a bundle: checksums, schema version and feature names of this program,
/// knob and options, intents, temperature, ranges and novelty, and the models themselves
/// (verify_model), which may not be larger than they say or than max_model_bytes; so it does with
/// guests' classes (check_guest_classes). `name` is for the message. The manifest's texts are made
/// safe for a terminal.
[[nodiscard]] Result<Bundle> parse_bundle(std::span<const std::byte> bytes,
                                          const std::string& name);

/// parse_bundle() of a file. Errors: also one that cannot be read.
[[nodiscard]] Result<Bundle> read_bundle(const std::filesystem::path& path);

/// The bytes of the bundle's file, with the manifest's checksum and id filled in. Errors: whatever
/// parse_bundle() would refuse.
[[nodiscard]] Result<std::string> encode_bundle(Bundle bundle);

/// The compressed form of a model in a bundle, which parse_bundle() undoes.
[[nodiscard]] std::string compress_model(std::string_view ubj);

/// Writes encode_bundle() to `path`, whole or not at all.
[[nodiscard]] Result<void> write_bundle(Bundle bundle, const std::filesystem::path& path);

} // namespace intellisched
