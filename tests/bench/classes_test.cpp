// SPDX-License-Identifier: MIT
// Guests' classes: what is the truth of a simulated guest, and a model that is learnt of samples.
#include "bench/classes/kinds.hpp"
#include "bench/classes/learn.hpp"
#include "bench/training/synthetic.hpp"
#include "src/model/bundle.hpp"
#include "src/model/classifier.hpp"
#include "tests/model/bundle_bytes.hpp"
#include "tests/support/files.hpp"

#include <cmath>
#include <doctest/doctest.h>
#include <google/protobuf/text_format.h>

using namespace intellisched;
using namespace intellisched::test;

namespace {

proto::Guest guest(const std::string& text) {
    proto::Guest parsed;
    REQUIRE(google::protobuf::TextFormat::ParseFromString(text, &parsed));
    return parsed;
}

/// Of every class some guests, which the first trait tells apart, if need be but for a third of
/// them.
std::vector<proto::GuestSample> samples(bool poor = false) {
    const std::array kinds{"idle", "hog", "open-server", "chain", "periodic"};
    std::vector<proto::GuestSample> all;
    for (unsigned i = 0; i < 600; ++i) {
        proto::GuestSample& sample = all.emplace_back();
        sample.set_scenario(fmt::format("scenario-{:03}", i / 2));
        sample.set_topology(i % 4 < 2 ? "1s4c1t" : "2s4c2t");
        sample.set_kind(kinds[i % kinds.size()]);
        sample.set_wakeups(1000);
        const std::size_t shown = poor && i / kinds.size() % 3 == 0 ? i + 1 : i;
        for (std::size_t trait = 0; trait < guest_trait_count; ++trait)
            sample.add_traits(trait == 0 ? static_cast<float>(shown % kinds.size()) : NAN);
    }
    return all;
}

} // namespace

TEST_CASE("classes: the truth of a guest is what its scenario says of it") {
    const auto kind = [](const std::string& text) { return kind_of(guest(text), 1, 5); };
    CHECK(kind("name: 'a' phases { loads { hog {} } }") == "hog");
    CHECK(kind("name: 'a' memory_share: 0.6 phases { loads { hog {} } }") == "memory");
    CHECK(kind("name: 'a' phases { loads { ring { tokens: 1 } } }") == "chain");
    CHECK(kind("name: 'a' phases { loads { ring { tokens: 3 } } }") == "ring");
    CHECK(kind("name: 'a' phases { loads { build { io_per_job: 2 } } }") == "build");
    CHECK(kind("name: 'a' phases { loads { build {} } }") == "build-no-io");
    CHECK(kind("name: 'a' phases { loads { open_server { burst: 4 } } }") == "bursty-server");
    CHECK(kind("name: 'a'") == "idle");
    CHECK(kind("name: 'a' background: true phases { loads { periodic {} } }") == "idle");
    // Of two loads, or of one that changes meanwhile, no class could be told.
    CHECK(kind("name: 'a' phases { loads { hog {} } loads { periodic {} } }").empty());
    CHECK(kind("name: 'a' phases { loads { hog {} } } phases { at_s: 3 }").empty());
    CHECK(kind("name: 'a' phases { at_s: 3 loads { hog {} } }").empty());
    CHECK(kind("name: 'a' phases { loads { hog {} } } phases { at_s: 6 }") == "hog");
    CHECK(kind("name: 'a' phases { } phases { at_s: 0.5 loads { hog {} } }") == "hog");
    CHECK(kind("name: 'a' start_s: 2 phases { loads { hog {} } }").empty());
    CHECK(kind("name: 'Domain-0' phases { loads { hog {} } }").empty());

    proto::GuestSample sample;
    const auto name = [&](const char* its, double wakeups) {
        sample.set_kind(its);
        sample.set_wakeups(wakeups);
        const auto of = class_of(sample);
        return of ? guest_class_names[*of] : "none";
    };
    CHECK(name("open-server", 900) == "io-bound");
    CHECK(name("open-server", 9) == "cpu-bound"); // it cannot keep up
    CHECK(name("chain", 900) == "latency-sensitive");
    CHECK(name("idle", 0) == "idle");
    CHECK(name("replay", 900) == "none");
}

TEST_CASE("classes: what is learnt is stored, read back, and told with its evidence") {
    const auto all = samples();
    const auto model = learn_classes(all, {.rounds = 80, .leaf = 1});
    REQUIRE(model);
    auto options = synthetic::small_options();
    options.rounds = 1;
    Bundle bundle = train(synthetic::make_samples({.samples = 120}), options).value();
    const std::string without = encode_bundle(bundle).value();
    bundle.guest_classes = *model;
    const std::string with = encode_bundle(bundle).value();
    const auto parse = [](const std::string& bytes) {
        return parse_bundle(std::as_bytes(std::span(bytes)), "x.bundle").value();
    };
    CHECK(!parse(without).guest_classes);
    const Bundle back = parse(with);
    REQUIRE(back.guest_classes);
    CHECK(back.classifier_ubj == bundle.classifier_ubj);
    CHECK(back.guest_classes->ubj == model->ubj);
    CHECK(back.guest_classes->manifest.scenarios() == 300);

    const auto models = Models::load(back);
    REQUIRE(models);
    REQUIRE(models->guest_classes);
    for (std::size_t k = 0; k < guest_class_count; ++k) {
        GuestTraits traits;
        traits.fill(NAN);
        traits[0] = all[k].traits(0);
        const auto found = models->guest_classes->classify(traits, 3);
        REQUIRE(found);
        CHECK(found->name == guest_class_names[*class_of(all[k])]);
        CHECK(found->confidence > 0.8);
        CHECK(found->clear);
        REQUIRE(found->evidence.size() == 1); // the others tell nothing
        CHECK(found->evidence[0].trait == guest_trait_names[0]);
        CHECK(found->evidence[0].value == all[k].traits(0));
    }
    CHECK(learn_classes(samples(), {.rounds = 80, .leaf = 1})->ubj == model->ubj);
}

TEST_CASE("classes: a model that is right too seldom tells less, and says how much") {
    const auto good = judge_classes(samples(), {.rounds = 80, .leaf = 1}, HeldOutBy::scenario);
    REQUIRE(good);
    CHECK(good->guests == 600);
    CHECK(good->accuracy == 1);
    CHECK(good->told == 1);
    // A third of the guests shows another class's trait, which nothing tells from the others.
    const auto poor = judge_classes(samples(true), {.rounds = 80, .leaf = 1}, HeldOutBy::topology);
    REQUIRE(poor);
    CHECK(poor->accuracy == doctest::Approx(2.0 / 3).epsilon(0.02));
    CHECK(poor->least_confidence > good->least_confidence);
    CHECK(poor->told < 0.5);
    std::size_t counted = 0;
    for (const auto& row : poor->confusion)
        for (const std::size_t count : row) counted += count;
    CHECK(counted == 600);
    std::vector<proto::GuestSample> idle(5, samples()[0]);
    CHECK(contains(learn_classes(idle, {}).error().message, "no guest of class cpu-bound"));
}

TEST_CASE("classes: a broken part of a bundle is refused") {
    auto options = synthetic::small_options();
    options.rounds = 1;
    const Bundle bundle = train(synthetic::make_samples({.samples = 120}), options).value();
    const GuestClassModel model = learn_classes(samples(), {.rounds = 2, .leaf = 1}).value();
    const auto body = encode_bundle(bundle).value().substr(bundle_head_size);
    const auto verdict = [&](auto change) {
        proto::Bundle message;
        REQUIRE(message.ParseFromString(body));
        proto::GuestClasses& part = *message.mutable_guest_classes();
        part = model.manifest;
        part.set_model(compress_model(model.ubj));
        change(part);
        const std::string file = bundle_file(message.SerializeAsString());
        const auto parsed = parse_bundle(std::as_bytes(std::span(file)), "x.bundle");
        if (parsed) return std::string("passed");
        CHECK(parsed.error().message.starts_with("x.bundle: "));
        return parsed.error().message;
    };
    CHECK(verdict([](auto&) {}) == "passed");
    CHECK(contains(verdict([](auto& part) { part.clear_model(); }), "not stored as it should be"));
    CHECK(contains(verdict([](auto& part) { part.set_traits(3, "other"); }), "other numbers"));
    CHECK(contains(verdict([](auto& part) { part.add_classes("other"); }), "other classes"));
    CHECK(contains(verdict([](auto& part) { part.set_least_confidence(NAN); }), "threshold"));
    CHECK(contains(verdict([](auto& part) { part.set_least_confidence(1.5); }), "threshold"));
    // Another model than of these traits and classes, a cut one, and every bit of one changed in
    // turn: it is refused or gives probabilities, and never crashes.
    CHECK(contains(
        verdict([&](auto& part) { part.set_model(compress_model(bundle.classifier_ubj)); }),
        "not a model that this program can use"));
    CHECK(contains(verdict([&](auto& part) {
                       part.set_model(compress_model(model.ubj.substr(0, model.ubj.size() / 2)));
                   }),
                   "not a model that this program can use"));
    unsigned passed = 0;
    for (std::size_t at = 0; at < model.ubj.size(); at += 7) {
        GuestClassModel other = model;
        other.ubj[at] = static_cast<char>(other.ubj[at] ^ (1 << at % 8));
        if (!check_guest_classes(other)) continue;
        const auto classifier = GuestClassifier::load(other);
        if (!classifier) continue;
        ++passed;
        for (const float value : {0.0F, 1e30F, NAN}) {
            GuestTraits traits;
            traits.fill(value);
            const auto found = classifier->classify(traits, 3);
            if (found) CHECK((found->confidence >= 0.19 && found->confidence <= 1));
        }
    }
    CHECK(passed > 0);
}
