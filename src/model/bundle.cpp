// SPDX-License-Identifier: MIT
#include "src/model/bundle.hpp"

#include "collector/window/schema.hpp"
#include "src/base/files.hpp"
#include "src/model/inputs.hpp"
#include "src/model/intent.hpp"
#include "src/model/novelty.hpp"
#include "src/model/option.hpp"
#include "src/model/score.hpp"
#include "src/model/verify_model.hpp"
#include "src/proto/records.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <nettle/sha2.h>
#include <zstd.h>

namespace intellisched {

namespace {

constexpr std::string_view magic = "ISBUNDLE";
constexpr std::size_t head_size = magic.size() + SHA256_DIGEST_SIZE;

// One way out for everything that is damaged or was changed by hand.
constexpr std::string_view way_out = "install it again or retrain (intellisched train)";

// Of training; beyond them probabilities are all alike, or all 0 and 1.
constexpr double least_temperature = 0.01;
constexpr double most_temperature = 100;

constexpr int compression_level = 19; // written once, read often

std::string sha256(std::string_view bytes) {
    sha256_ctx context;
    sha256_init(&context);
    sha256_update(&context, bytes.size(), reinterpret_cast<const std::uint8_t*>(bytes.data()));
    std::array<std::uint8_t, SHA256_DIGEST_SIZE> digest;
    sha256_digest(&context, digest.size(), digest.data());
    return {digest.begin(), digest.end()};
}

// What both ensembles are signed by.
std::string digest_of(const Model& model) { return sha256(model.classifier_ubj + model.gains_ubj); }

std::string short_id(std::string_view digest) {
    std::string id;
    for (const char c : digest.substr(0, 6))
        id += fmt::format("{:02x}", static_cast<unsigned char>(c));
    return id;
}

bool same(const google::protobuf::RepeatedPtrField<std::string>& texts, const auto& names) {
    return std::equal(texts.begin(), texts.end(), names.begin(), names.end());
}

std::vector<std::string> option_names(Knob knob) {
    std::vector<std::string> names;
    for (const Option option : all_options) names.push_back(name_of(knob, option));
    return names;
}

std::vector<std::string> intent_names() {
    std::vector<std::string> names;
    for (const Intent intent : all_intents) names.emplace_back(to_string(intent));
    return names;
}

// Whether the model speaks of the same inputs and choices as this program.
Result<void> check_schema(const proto::ModelManifest& manifest, Knob wanted,
                          const std::string& name) {
    if (manifest.schema_version() != feature_schema_version)
        return fail("{}: the model was trained on version {} of the features, this program "
                    "measures version {}; retrain it or install the bundle that belongs to this "
                    "program",
                    name, manifest.schema_version(), feature_schema_version);
    if (manifest.score_version() > score_version)
        return fail("{}: the model learned from version {} of the score, this program knows {}; "
                    "retrain it or install the bundle that belongs to this program",
                    name, manifest.score_version(), score_version);
    const auto expected = model_feature_names();
    const auto& names = manifest.feature_names();
    for (std::size_t i = 0; i < expected.size(); ++i) {
        const int at = static_cast<int>(i);
        if (at < names.size() && names[at] == expected[i]) continue;
        return fail("{}: feature {} of the model is '{}', this program's is '{}'; retrain it or "
                    "install the bundle that belongs to this program",
                    name, i + 1, at < names.size() ? printable(names[at], 64) : "", expected[i]);
    }
    if (static_cast<std::size_t>(names.size()) != expected.size())
        return fail("{}: the model has {} features, this program {}; retrain it or install the "
                    "bundle that belongs to this program",
                    name, names.size(), expected.size());
    if (manifest.knob() != to_string(wanted))
        return fail("{}: the model is about '{}' where one about the {} belongs; retrain it", name,
                    printable(manifest.knob(), 32), to_string(wanted));
    if (!same(manifest.options(), option_names(wanted)))
        return fail("{}: the model chooses among other options of {} than this program; retrain it",
                    name, to_string(wanted));
    if (!same(manifest.intents(), intent_names()))
        return fail("{}: the model knows other intents than this program; retrain it", name);
    return {};
}

Result<void> check_numbers(const proto::ModelManifest& manifest, const std::string& name) {
    const auto damaged = [&](std::string_view what) {
        return fail("{}: {}; {}", name, what, way_out);
    };
    if (!(manifest.temperature() >= least_temperature &&
          manifest.temperature() <= most_temperature)) // NaN as well
        return damaged(fmt::format("a temperature of {}", manifest.temperature()));
    const std::size_t features = feature_schema().size();
    if (static_cast<std::size_t>(manifest.feature_min_size()) != features ||
        static_cast<std::size_t>(manifest.feature_max_size()) != features)
        return damaged("no range for every feature");
    for (int i = 0; i < manifest.feature_min_size(); ++i) {
        const float low = manifest.feature_min(i);
        const float high = manifest.feature_max(i);
        const bool unseen = std::isnan(low) && std::isnan(high);
        if (!unseen && !(std::isfinite(low) && std::isfinite(high) && low <= high))
            return damaged(fmt::format("an impossible range for feature {}", i + 1));
    }
    const auto& training = manifest.training();
    for (const double value : {training.learning_rate(), training.leaf()})
        if (!std::isfinite(value)) return damaged("an impossible number about its training");
    for (const auto& one : training.held_out())
        for (const double value : {one.accuracy(), one.regret(), one.default_regret()})
            if (!std::isfinite(value)) return damaged("an impossible number about its training");
    return {};
}

// A frame may claim to be of any size: it gets no more memory than a model may have, and no more
// than it claims is taken from it.
Result<std::string> decompress_model(const std::string& frame) {
    const auto size = ZSTD_getFrameContentSize(frame.data(), frame.size());
    if (size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN)
        return fail("a model in it is not stored as it should be; {}", way_out);
    if (size > max_model_bytes)
        return fail("a model in it is larger than the {} bytes that it may have; train with fewer "
                    "rounds or less depth",
                    max_model_bytes);
    std::string ubj(size, '\0');
    const std::size_t got = ZSTD_decompress(ubj.data(), ubj.size(), frame.data(), frame.size());
    if (ZSTD_isError(got) != 0 || got != size)
        return fail("a model in it cannot be decompressed; {}", way_out);
    return ubj;
}

// Takes the model out of the message.
Result<Model> model_of(proto::Bundle& message, Knob knob, const std::string& name) {
    Model model;
    model.manifest = std::move(*message.mutable_manifest());
    auto& manifest = model.manifest;

    TRY(check_schema(manifest, knob, name));
    TRY(check_numbers(manifest, name));
    for (const auto& [stored, ubj] : {std::pair{&message.classifier(), &model.classifier_ubj},
                                      std::pair{&message.gains(), &model.gains_ubj}}) {
        auto ensemble = decompress_model(*stored);
        if (!ensemble) return fail("{}: {}", name, ensemble.error().message);
        *ubj = std::move(*ensemble);
    }
    if (message.has_novelty()) {
        if (auto loaded = Novelty::load(message.novelty()); !loaded)
            return fail("{}: {}; {}", name, loaded.error().message, way_out);
        model.novelty = std::move(*message.mutable_novelty());
    }
    const std::string digest = digest_of(model);
    if (manifest.model_sha256() != digest || manifest.id() != short_id(digest))
        return fail("{}: the models are not those that the manifest describes; {}", name, way_out);
    for (const std::string* ubj : {&model.classifier_ubj, &model.gains_ubj})
        if (auto verified =
                verify_model(std::as_bytes(std::span(*ubj)), model_feature_count(), option_count);
            !verified)
            return fail("{}: {}", name, verified.error().message);
    manifest.set_name(printable(manifest.name()));
    manifest.mutable_training()->set_source(printable(manifest.training().source(), 512));
    return model;
}

// Takes the model out of the message.
Result<GuestClassModel> classes_of(proto::GuestClasses& message, const std::string& name) {
    GuestClassModel model;
    auto ubj = decompress_model(message.model());
    if (!ubj) return fail("{}: {}", name, ubj.error().message);
    model.ubj = std::move(*ubj);
    message.clear_model();
    model.manifest = std::move(message);
    if (auto checked = check_guest_classes(model); !checked)
        return fail("{}: {}", name, checked.error().message);
    model.manifest.set_source(printable(model.manifest.source(), 512));
    return model;
}

// `bytes` is what follows the head.
Result<Bundle> parse_message(std::string_view bytes, const std::string& name) {
    proto::Bundle message;
    if (!parse_bounded(bytes, message))
        return fail("{}: its contents are no bundle; {}", name, way_out);
    Bundle bundle{TRY(model_of(message, Knob::layout, name))};
    if (message.has_rate_limit())
        bundle.rate_limit = TRY(model_of(*message.mutable_rate_limit(), Knob::rate_limit, name));
    if (message.has_guest_classes())
        bundle.guest_classes = TRY(classes_of(*message.mutable_guest_classes(), name));
    return bundle;
}

// Signed, as it is stored.
proto::Bundle message_of(Model model) {
    sign(model);
    proto::Bundle message;
    *message.mutable_manifest() = std::move(model.manifest);
    message.set_classifier(compress_model(model.classifier_ubj));
    message.set_gains(compress_model(model.gains_ubj));
    if (model.novelty) *message.mutable_novelty() = std::move(*model.novelty);
    return message;
}

} // namespace

std::string compress_model(std::string_view ubj) {
    std::string frame(ZSTD_compressBound(ubj.size()), '\0');
    const std::size_t size =
        ZSTD_compress(frame.data(), frame.size(), ubj.data(), ubj.size(), compression_level);
    frame.resize(ZSTD_isError(size) != 0 ? 0 : size); // only for want of memory
    return frame;
}

void sign(Model& model) {
    const std::string digest = digest_of(model);
    model.manifest.set_model_sha256(digest);
    model.manifest.set_id(short_id(digest));
}

Result<Bundle> parse_bundle(std::span<const std::byte> bytes, const std::string& name) {
    if (bytes.size() > max_bundle_bytes)
        return fail("{}: larger than the {} bytes that a bundle may have; train with fewer rounds "
                    "or less depth",
                    name, max_bundle_bytes);
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    if (!text.starts_with(magic))
        return fail("{}: not a model bundle; name a file that `intellisched train` wrote", name);
    if (text.size() < head_size ||
        text.substr(magic.size(), SHA256_DIGEST_SIZE) != sha256(text.substr(head_size)))
        return fail("{}: cut or changed since it was written (its checksum does not match); {}",
                    name, way_out);
    return parse_message(text.substr(head_size), name);
}

Result<Bundle> read_bundle(const std::filesystem::path& path) {
    auto bytes = read_file(path, max_bundle_bytes);
    if (!bytes)
        return fail("{}; name a bundle, or install the package, which has one",
                    bytes.error().message);
    return parse_bundle(*bytes, path.string());
}

Result<std::string> encode_bundle(Bundle bundle) {
    proto::Bundle message = message_of(std::move(bundle));
    if (bundle.rate_limit)
        *message.mutable_rate_limit() = message_of(std::move(*bundle.rate_limit));
    if (bundle.guest_classes) {
        *message.mutable_guest_classes() = std::move(bundle.guest_classes->manifest);
        message.mutable_guest_classes()->set_model(compress_model(bundle.guest_classes->ubj));
    }
    const std::string body = message.SerializeAsString();
    std::string bytes(magic);
    bytes += sha256(body);
    bytes += body;
    TRY(parse_bundle(std::as_bytes(std::span(bytes)), "the new bundle"));
    return bytes;
}

Result<void> write_bundle(Bundle bundle, const std::filesystem::path& path) {
    auto bytes = encode_bundle(std::move(bundle));
    if (!bytes) return fail("{}: {}", path.string(), bytes.error().message);
    return replace_file(path, std::as_bytes(std::span(*bytes)));
}

} // namespace intellisched
