// SPDX-License-Identifier: MIT
// The bundle file: what is written is read back, and a cut, edited, foreign or outdated one gives
// its one line.
#include "bench/training/synthetic.hpp"
#include "collector/window/schema.hpp"
#include "src/base/files.hpp"
#include "src/model/bundle.hpp"
#include "src/model/classifier.hpp"
#include "src/model/novelty.hpp"
#include "test_paths.hpp"
#include "tests/model/bundle_bytes.hpp"
#include "tests/support/files.hpp"

#include <cstring>
#include <doctest/doctest.h>
#include <fstream>
#include <unistd.h>
#include <zstd.h>

using namespace intellisched;
using namespace intellisched::test;

namespace {

const Bundle& trained() {
    static const Bundle bundle = [] {
        auto options = synthetic::small_options();
        options.rounds = 4;
        return train(synthetic::make_samples({.samples = 120}), options).value();
    }();
    return bundle;
}

const std::string& file() {
    static const std::string bytes = encode_bundle(trained()).value();
    return bytes;
}

std::string verdict(const std::string& bytes) {
    const auto parsed = parse_bundle(std::as_bytes(std::span(bytes)), "x.bundle");
    if (parsed) return "passed";
    CHECK(parsed.error().message.find('\n') == std::string::npos);
    CHECK(parsed.error().message.starts_with("x.bundle: "));
    return parsed.error().message;
}

// The verdict on the good bundle after a change to its manifest or model.
std::string changed(auto change, bool sign_model = true) {
    Bundle bundle = trained();
    change(bundle);
    if (sign_model) sign(bundle);
    proto::Bundle message;
    *message.mutable_manifest() = bundle.manifest;
    message.set_classifier(compress_model(bundle.classifier_ubj));
    message.set_gains(compress_model(bundle.gains_ubj));
    return verdict(test::bundle_file(message.SerializeAsString()));
}

std::string changed_manifest(auto change) {
    return changed([&](Bundle& bundle) { change(bundle.manifest); });
}

} // namespace

TEST_CASE("bundle: what is written is read back and chooses the same") {
    const Directory directory;
    const auto path = directory.path / "model.bundle";
    REQUIRE(write_bundle(trained(), path));
    CHECK(std::filesystem::file_size(path) == file().size());
    const auto back = read_bundle(path);
    REQUIRE(back);
    CHECK(back->classifier_ubj == trained().classifier_ubj);
    CHECK(back->gains_ubj == trained().gains_ubj);
    CHECK(back->manifest.SerializeAsString() == trained().manifest.SerializeAsString());
    CHECK(back->manifest.id().size() == 12);

    const auto before = Classifier::load(trained());
    const auto after = Classifier::load(*back);
    REQUIRE(before);
    REQUIRE(after);
    CHECK(after->manifest().id() == back->manifest.id());
    const auto features = synthetic::features(70, 20);
    const Question question{&features, Intent::latency, boot_option, synthetic::all_differ};
    CHECK(before->predict(question)->probability == after->predict(question)->probability);
    std::filesystem::remove_all(directory.path);
    const auto absent = read_bundle(path);
    REQUIRE_FALSE(absent);
    CHECK(contains(absent.error().message, "model.bundle"));
    CHECK_FALSE(write_bundle(trained(), path)); // its directory is gone
}

TEST_CASE("bundle: cut or changed anywhere, it is refused") {
    CHECK(verdict(file()) == "passed");
    for (std::size_t size = 0; size < file().size(); size += size < 100 ? 1 : 97) {
        CAPTURE(size);
        CHECK(verdict(file().substr(0, size)) != "passed");
    }
    for (std::size_t at = 0; at < file().size(); at += at < 100 ? 1 : 131) {
        CAPTURE(at);
        std::string bytes = file();
        bytes[at] = static_cast<char>(bytes[at] ^ 4);
        CHECK(contains(verdict(bytes), at < 8 ? "not a model bundle" : "cut or changed"));
    }
    CHECK(contains(verdict(file() + "x"), "cut or changed"));
}

TEST_CASE("bundle: something else is said to be something else") {
    CHECK(contains(verdict(""), "not a model bundle"));
    CHECK(contains(verdict("binf and an old model"), "not a model bundle"));
    CHECK(contains(verdict("ISBUNDLE"), "cut or changed"));
    CHECK(contains(verdict(test::bundle_file("\xff\xff")), "no bundle"));
    CHECK(contains(verdict(test::bundle_file("")), "version 0")); // an empty message
    CHECK(contains(verdict("ISBUNDLE" + std::string(max_bundle_bytes, 'x')), "larger"));
}

TEST_CASE("bundle: other versions and other features are told apart") {
    const auto version =
        changed_manifest([](auto& m) { m.set_schema_version(feature_schema_version + 1); });
    CHECK(contains(version, fmt::format("version {}", feature_schema_version + 1)));
    CHECK(
        contains(version, fmt::format("this program measures version {}", feature_schema_version)));
    CHECK(contains(version, "retrain"));
    CHECK(contains(changed_manifest([](auto& m) { m.set_feature_names(1, "bad\nname"); }),
                   "feature 2 of the model is 'bad?name'"));
    CHECK(contains(changed_manifest([](auto& m) { m.mutable_feature_names()->RemoveLast(); }),
                   "this program's is 'intent.balanced'"));
    CHECK(contains(changed_manifest([](auto& m) { m.add_feature_names("more"); }), "features"));
    CHECK(contains(changed_manifest([](auto& m) { m.set_options(2, "sockets"); }), "options"));
    CHECK(contains(changed_manifest([](auto& m) { m.add_options("x"); }), "options"));
    CHECK(contains(changed_manifest([](auto& m) { m.set_knob("weight"); }), "'weight'"));
    CHECK(contains(changed_manifest([](auto& m) { m.set_knob("rate-limit"); }),
                   "about 'rate-limit'"));
    CHECK(contains(changed_manifest([](auto& m) { m.set_intents(0, "speed"); }), "intents"));
}

TEST_CASE("novelty: what is usual is a value, as the features have them") {
    for (const float value : {0.0F, 0.02F, 3.0F, 34'000.0F, -2.0F})
        CHECK(novelty::from_logs(novelty::in_logs(value)) ==
              doctest::Approx(static_cast<double>(value)));
    const auto bundle = read_bundle(std::filesystem::path(INTELLISCHED_BUNDLES) / "default.bundle");
    REQUIRE(bundle);
    const auto model = Classifier::load(*bundle);
    REQUIRE(model);
    for (std::size_t i = 0; i < feature_schema().size(); ++i) {
        const UsualValues values = model->usual(i);
        if (std::isnan(values.least)) continue; // it never had a value
        CHECK(values.usual >= values.least - 1e-3);
        CHECK(values.usual <= values.most * 1.001);
    }
    CHECK(std::isnan(model->usual(feature_schema().size()).usual)); // a cost
}

TEST_CASE("bundle: a novelty that cannot be is refused") {
    const auto with = [](auto change) {
        proto::Bundle message;
        *message.mutable_manifest() = trained().manifest;
        message.set_classifier(compress_model(trained().classifier_ubj));
        message.set_gains(compress_model(trained().gains_ubj));
        *message.mutable_novelty() = *trained().novelty;
        change(*message.mutable_novelty());
        return verdict(test::bundle_file(message.SerializeAsString()));
    };
    CHECK(with([](auto&) {}) == "passed");
    for (const float absurd : {NAN, INFINITY, -1e30F}) {
        CHECK(contains(with([&](auto& m) { m.set_weights(7, absurd); }), "unlike"));
        CHECK(contains(with([&](auto& m) { m.set_center(0, absurd); }), "unlike"));
        CHECK(contains(with([&](auto& m) { m.set_threshold(double{absurd}); }), "threshold"));
    }
    CHECK(contains(with([](auto& m) { m.mutable_weights()->RemoveLast(); }), "every feature"));
    CHECK(contains(with([](auto& m) { m.add_center(0); }), "every feature"));
    CHECK(contains(with([](auto& m) { m.Clear(); }), "every feature"));
}

TEST_CASE("bundle: temperatures and ranges that cannot be are refused") {
    const auto temperature = [](double value) {
        return changed_manifest([&](auto& m) { m.set_temperature(value); });
    };
    CHECK(temperature(0.5) == "passed");
    for (const double value : {0.0, -1.0, double{NAN}, double{INFINITY}, 1e300, 1e-300})
        CHECK(contains(temperature(value), "temperature"));
    CHECK(contains(changed_manifest([](auto& m) { m.mutable_feature_min()->RemoveLast(); }),
                   "range"));
    CHECK(contains(changed_manifest([](auto& m) { m.set_feature_min(0, 1e9F); }), "feature 1"));
    CHECK(contains(changed_manifest([](auto& m) { m.set_feature_max(1, NAN); }), "feature 2"));
    CHECK(changed_manifest([](auto& m) {
              m.set_feature_min(1, NAN);
              m.set_feature_max(1, NAN);
          }) == "passed");
    CHECK(contains(
        changed_manifest([](auto& m) { m.mutable_training()->add_held_out()->set_regret(NAN); }),
        "training"));
}

TEST_CASE("bundle: the models must be the manifest's, and both must be safe") {
    CHECK(contains(changed([](Bundle& b) { b.classifier_ubj.back() = '{'; }, false), "not those"));
    CHECK(contains(changed([](Bundle& b) { b.gains_ubj.back() = '{'; }, false), "not those"));
    CHECK(contains(changed([](Bundle& b) { b.manifest.set_id("0123456789ab"); }, false),
                   "not those"));
    CHECK(
        contains(changed([](Bundle& b) { b.manifest.mutable_model_sha256()->back() ^= 1; }, false),
                 "not those"));
    for (std::string Bundle::*model : {&Bundle::classifier_ubj, &Bundle::gains_ubj}) {
        CHECK(contains(changed([&](Bundle& b) { (b.*model).clear(); }), "not a model"));
        CHECK(contains(changed([&](Bundle& b) { (b.*model).resize((b.*model).size() / 2); }),
                       "not a model"));
        CHECK(contains(changed([&](Bundle& b) { b.*model += b.*model; }), "more than one model"));
        // The first tree's left child of the root points far outside, and all is signed again.
        CHECK(contains(changed([&](Bundle& b) {
                           const auto at = (b.*model).find("left_children[$l#L");
                           REQUIRE(at != std::string::npos);
                           (b.*model)[at + std::string("left_children[$l#L").size() + 8] = 0x10;
                       }),
                       "has child"));
    }
}

TEST_CASE("bundle: a model takes no more memory than a model may") {
    const auto stored = [](const std::string& classifier) {
        proto::Bundle message;
        *message.mutable_manifest() = trained().manifest;
        message.set_classifier(classifier);
        message.set_gains(compress_model(trained().gains_ubj));
        return verdict(test::bundle_file(message.SerializeAsString()));
    };
    const std::string good = compress_model(trained().classifier_ubj);
    CHECK(stored(good) == "passed");
    CHECK(contains(stored(""), "not stored as it should be"));
    CHECK(contains(stored(trained().classifier_ubj), "not stored as it should be"));
    CHECK(contains(stored(good.substr(0, good.size() / 2)), "cannot be decompressed"));
    const std::string bomb = compress_model(std::string(max_model_bytes + 1, 'x'));
    CHECK(bomb.size() < 10000);
    CHECK(contains(stored(bomb), "larger than"));
    // A frame of less than it says, and one of more: its size stands in the header.
    for (const int off : {-1, 1}) {
        std::string frame = compress_model(std::string(70000, 'x'));
        REQUIRE(ZSTD_getFrameContentSize(frame.data(), frame.size()) == 70000);
        std::uint32_t size = 0;
        std::size_t at = 5;
        do {
            std::memcpy(&size, frame.data() + at, 4);
        } while (size != 70000 && ++at < 12);
        REQUIRE(size == 70000);
        size += static_cast<std::uint32_t>(off);
        std::memcpy(frame.data() + at, &size, 4);
        CHECK(contains(stored(frame), "cannot be decompressed"));
    }
}

TEST_CASE("bundle: texts come back fit for a terminal") {
    Bundle bundle = trained();
    bundle.manifest.set_name("evil\x1b[2Jname");
    bundle.manifest.mutable_training()->set_source("two\nlines");
    const auto bytes = encode_bundle(bundle);
    REQUIRE(bytes);
    const auto parsed = parse_bundle(std::as_bytes(std::span(*bytes)), "x");
    REQUIRE(parsed);
    CHECK(parsed->manifest.name() == "evil?[2Jname");
    CHECK(parsed->manifest.training().source() == "two?lines");
}

TEST_CASE("bundle: it may have a model of the rate limit, too, and nothing else in its place") {
    auto samples = synthetic::make_samples({.samples = 120});
    for (auto& sample : samples) {
        sample.set_knob(std::string(to_string(Knob::rate_limit)));
        sample.set_current(
            name_of(Knob::rate_limit, *option_from_string(Knob::layout, sample.current())));
        for (auto& name : *sample.mutable_representative())
            name = name_of(Knob::rate_limit, *option_from_string(Knob::layout, name));
    }
    TrainOptions options = synthetic::small_options();
    options.rounds = 2;
    const Model limits = train(samples, options).value();
    Bundle both = trained();
    both.rate_limit = limits;
    const std::string bytes = encode_bundle(both).value();
    const auto back = parse_bundle(std::as_bytes(std::span(bytes)), "both.bundle");
    REQUIRE(back);
    REQUIRE(back->rate_limit);
    CHECK(back->rate_limit->manifest.knob() == "rate-limit");
    CHECK(back->rate_limit->gains_ubj == limits.gains_ubj);
    CHECK(Classifier::load(*back->rate_limit));

    both.rate_limit = static_cast<const Model&>(trained());
    CHECK(contains(error_of(encode_bundle(both)), "about 'layout' where one about the rate-limit"));
    CHECK(contains(error_of(encode_bundle(Bundle(limits))), "about 'rate-limit'"));
}

TEST_CASE("bundle: what would not be read is not written") {
    Bundle bundle = trained();
    bundle.manifest.clear_options();
    const auto path = std::filesystem::temp_directory_path() / "never.bundle";
    CHECK_FALSE(write_bundle(bundle, path));
    CHECK_FALSE(std::filesystem::exists(path));
}
