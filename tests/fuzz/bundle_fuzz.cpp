// SPDX-License-Identifier: MIT
// Fuzzes the way of a bundle from a file to XGBoost. An input is tried as a bundle and as a bare
// model; whatever passes is handed to XGBoost, asked for a prediction and explained: "verified"
// must mean "cannot crash XGBoost". Inputs grow from a small real model by changes that keep most
// of its structure and its checksums, so that they get past the first look; no corpus is needed.
#include "bench/training/synthetic.hpp"
#include "src/model/booster.hpp"
#include "src/model/bundle.hpp"
#include "src/model/classifier.hpp"
#include "src/model/inputs.hpp"
#include "src/model/verify_model.hpp"
#include "tests/model/bundle_bytes.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <zstd.h>

using namespace intellisched;

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

namespace {

Bundle train_seed() {
    auto options = synthetic::small_options();
    options.rounds = 1;
    options.max_depth = 3;
    auto bundle = train(synthetic::make_samples({.samples = 120, .scenarios = 2}), options);
    if (!bundle) std::abort();
    return *bundle;
}

const Bundle& seed() {
    static const Bundle bundle = train_seed();
    return bundle;
}

void use_model(std::span<const std::byte> ubj) {
    const auto booster = Booster::load(ubj, model_feature_count(), option_count);
    if (!booster) return; // an error is fine, a crash is not
    // One value a model: of many inputs, each gets its turn.
    constexpr std::array values{0.0F, 50.0F, -1e30F, INFINITY, NAN};
    const std::string_view text(reinterpret_cast<const char*>(ubj.data()), ubj.size());
    const std::vector<float> row(model_feature_count(),
                                 values[std::hash<std::string_view>{}(text) % values.size()]);
    const auto margins = booster->margins(row);
    if (margins && margins->size() != option_count) std::abort();
    // Errors are fine again: XGBoost refuses infinite values when it explains.
    (void)booster->contributions(row);
}

void use_bundle(const Bundle& bundle) {
    const auto classifier = Classifier::load(bundle);
    if (!classifier) return;
    const auto features = synthetic::features(10, 90);
    const Question question{&features, Intent::latency, option_of(Layout::node),
                            synthetic::small_host};
    const auto prediction = classifier->predict(question);
    if (!prediction) return;
    for (const double gain : prediction->expected_gain)
        if (!std::isfinite(gain)) std::abort();
    if (prediction->expected_gain[index(option_of(Layout::node))] != 0) std::abort();
    (void)classifier->explain(question, prediction->best, 5);
}

// Sets one element of a typed array to a value that could matter.
void change_element(std::string& ubj, std::minstd_rand& random) {
    std::vector<std::size_t> arrays;
    for (std::size_t at = ubj.find("[$"); at != std::string::npos; at = ubj.find("[$", at + 1))
        if (at + 13 < ubj.size()) arrays.push_back(at);
    if (arrays.empty()) return;
    const std::size_t at = arrays[random() % arrays.size()];
    const std::size_t width = ubj[at + 2] == 'U' ? 1 : 4;
    const std::size_t count = static_cast<unsigned char>(ubj[at + 12]);
    const std::size_t place = at + 13 + width * (random() % (count + 1));
    const auto small = static_cast<std::uint32_t>(random() % 16);
    const auto any = static_cast<std::uint32_t>(random());
    const std::uint32_t values[] = {0,          1,          2,          3,          7,
                                    0xffffffff, 0x7fffffff, 0x80000000, 0x7f800000, 0x7fc00000,
                                    0x00000001, 0x7f7fffff, small,      any};
    const std::uint32_t value = values[random() % std::size(values)];
    for (std::size_t i = 0; i < width && place + i < ubj.size(); ++i)
        ubj[place + i] = static_cast<char>(value >> (8 * (width - 1 - i)));
}

// Moves one subtree: the children of two nodes are exchanged, so that trees of other shapes appear.
void swap_elements(std::string& ubj, std::minstd_rand& random) {
    for (const std::string_view key : {"left_children", "right_children", "parents"}) {
        const std::size_t at = ubj.find(std::string(key) + "[$l#L");
        if (at == std::string::npos) return;
        const std::size_t data = at + key.size() + 13;
        const std::size_t a = data + 4 * (random() % 7);
        const std::size_t b = data + 4 * (random() % 7);
        if (std::max(a, b) + 4 > ubj.size()) return;
        for (std::size_t i = 0; i < 4; ++i) std::swap(ubj[a + i], ubj[b + i]);
    }
}

// libFuzzer's own changes, to a short stretch only.
void change_stretch(std::string& bytes, std::minstd_rand& random) {
    if (bytes.empty()) return;
    const std::size_t begin = random() % bytes.size();
    const std::size_t length = std::min<std::size_t>(1 + random() % 24, bytes.size() - begin);
    std::vector<std::uint8_t> stretch(bytes.begin() + static_cast<std::ptrdiff_t>(begin),
                                      bytes.begin() + static_cast<std::ptrdiff_t>(begin + length));
    stretch.resize(length + 16);
    const std::size_t size = LLVMFuzzerMutate(stretch.data(), length, stretch.size());
    bytes.replace(begin, length, reinterpret_cast<const char*>(stretch.data()), size);
}

void change_model(std::string& ubj, std::minstd_rand& random) {
    switch (random() % 4) {
    case 0:
        return change_stretch(ubj, random);
    case 1:
        return swap_elements(ubj, random);
    default:
        return change_element(ubj, random);
    }
}

// The seed's model after some changes: those of an input that is compressed are lost with it.
std::string changed_model(std::minstd_rand& random) {
    std::string ubj = random() % 2 == 0 ? seed().classifier_ubj : seed().gains_ubj;
    for (auto changes = 1 + random() % 4; changes > 0; --changes) change_model(ubj, random);
    return ubj;
}

/// As compress_model(), whose level takes a hundred times as long.
std::string stored(std::string_view ubj) {
    std::string frame(::ZSTD_compressBound(ubj.size()), '\0');
    frame.resize(::ZSTD_compress(frame.data(), frame.size(), ubj.data(), ubj.size(), 1));
    return frame;
}

void change_bundle(std::string& file, std::minstd_rand& random) {
    proto::Bundle message;
    std::string body = file.substr(test::bundle_head_size);
    const bool whole = message.ParseFromString(body);
    if (whole && random() % 2 == 0) {
        Bundle bundle = seed();
        *(random() % 2 == 0 ? &bundle.classifier_ubj : &bundle.gains_ubj) = changed_model(random);
        sign(bundle);
        *message.mutable_manifest() = bundle.manifest;
        message.set_classifier(stored(bundle.classifier_ubj));
        message.set_gains(stored(bundle.gains_ubj));
        body = message.SerializeAsString();
    } else {
        change_stretch(body, random);
    }
    file = test::bundle_file(body);
}

} // namespace

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned seed_number) {
    std::minstd_rand random(seed_number);
    std::string input(reinterpret_cast<const char*>(data), size);
    if (input.size() < 64 || random() % 1000 == 0)
        input = random() % 2 == 0 ? seed().classifier_ubj : encode_bundle(seed()).value();
    if (random() % 64 == 0) {
        change_stretch(input, random); // without mending the checksum
    } else if (input.starts_with(test::bundle_magic) && input.size() > test::bundle_head_size) {
        change_bundle(input, random);
    } else {
        change_model(input, random);
    }
    size = std::min(input.size(), max_size);
    std::memcpy(data, input.data(), size);
    return size;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto bytes = std::as_bytes(std::span(data, size));
    if (const auto bundle = parse_bundle(bytes, "input")) use_bundle(*bundle);
    if (verify_model(bytes, model_feature_count(), option_count)) use_model(bytes);
    return 0;
}
