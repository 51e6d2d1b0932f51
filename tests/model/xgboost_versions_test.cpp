// SPDX-License-Identifier: MIT
// A model is worth the same on each XGBoost: one written by 1.7 or by 3.0 is read by either, and
// either predicts from it what its trees say, which is worked out here without XGBoost.
#include "src/layout/layout.hpp"
#include "src/model/booster.hpp"
#include "src/model/bundle.hpp"
#include "src/model/inputs.hpp"
#include "src/model/verify_model.hpp"
#include "test_paths.hpp"
#include "tests/support/files.hpp"

#include <bit>
#include <cmath>
#include <doctest/doctest.h>
#include <fstream>
#include <iterator>
#include <limits>
#include <random>

using namespace intellisched;
using namespace intellisched::test;

namespace {

std::string key(std::string_view name) {
    return "L" + std::string(7, '\0') + static_cast<char>(name.size()) + std::string(name);
}

/// Reads the arrays of a verified model's trees, one after the other.
class Trees {
  public:
    explicit Trees(std::string_view ubj) : ubj_(ubj), at_(ubj.find(key("trees"))) {}

    /// Big-endian, four bytes a value.
    struct Array {
        const char* at;
        [[nodiscard]] std::int32_t operator[](std::size_t i) const {
            std::uint32_t value = 0;
            for (std::size_t byte = 0; byte < 4; ++byte)
                value = value << 8 | static_cast<unsigned char>(at[4 * i + byte]);
            return std::bit_cast<std::int32_t>(value);
        }
        [[nodiscard]] float real(std::size_t i) const { return std::bit_cast<float>((*this)[i]); }
    };
    /// The next array of that name; they are in alphabetical order within a tree.
    Array next(std::string_view name) {
        at_ = ubj_.find(key(name), at_);
        REQUIRE(at_ != std::string_view::npos);
        at_ += key(name).size();
        return {ubj_.data() + at_ + 13}; // "[$l#L" and eight bytes of length
    }
    [[nodiscard]] bool more() const { return ubj_.find(key("left_children"), at_) != ubj_.npos; }

  private:
    std::string_view ubj_;
    std::size_t at_;
};

/// Margins by class: the sum of the leaves that the row comes to. (base_score is 0 in our models.)
std::vector<double> margins_of(std::string_view ubj, std::span<const float> row,
                               std::size_t classes) {
    REQUIRE(ubj.find(key("base_score") + "S" + key("0E0")) != ubj.npos);
    std::vector<double> sums(classes);
    std::size_t tree = 0;
    for (Trees trees(ubj); trees.more(); ++tree) {
        const auto default_left = trees.next("default_left");
        const auto left = trees.next("left_children");
        const auto right = trees.next("right_children");
        const auto conditions = trees.next("split_conditions");
        const auto features = trees.next("split_indices");
        std::size_t node = 0;
        while (left[node] >= 0) {
            const float value = row[static_cast<std::size_t>(features[node])];
            const bool goes_left =
                std::isnan(value) ? default_left.at[node] != 0 : value < conditions.real(node);
            node = static_cast<std::size_t>(goes_left ? left[node] : right[node]);
        }
        sums[tree % classes] += static_cast<double>(conditions.real(node));
    }
    REQUIRE(tree > 0);
    return sums;
}

std::span<const std::byte> bytes_of(const std::string& text) {
    return std::as_bytes(std::span(text));
}

std::string recorded(std::string_view version) {
    std::ifstream file(fmt::format("{}/xgboost-{}.ubj", INTELLISCHED_MODELS, version));
    return {std::istreambuf_iterator<char>(file), {}};
}

/// XGBoost against the trees on `rows` random rows, in which a tenth of the values is missing.
/// `lowest` and `highest`: of each feature.
void compare(const std::string& ubj, std::size_t classes, std::span<const float> lowest,
             std::span<const float> highest, int rows) {
    const auto booster = Booster::load(bytes_of(ubj), lowest.size(), classes);
    REQUIRE(booster);
    std::mt19937_64 random(7);
    std::vector<float> row(lowest.size());
    for (int n = 0; n < rows; ++n) {
        for (std::size_t i = 0; i < row.size(); ++i)
            row[i] = random() % 10 == 0
                         ? std::numeric_limits<float>::quiet_NaN()
                         : lowest[i] + (highest[i] - lowest[i]) *
                                           static_cast<float>(random() % 1024) / 1023.0F;
        const auto expected = margins_of(ubj, row, classes);
        const auto margins = booster->margins(row);
        REQUIRE(margins);
        for (std::size_t i = 0; i < classes; ++i)
            CHECK(std::fabs(static_cast<double>((*margins)[i]) - expected[i]) <=
                  1e-6 * std::max(1.0, std::fabs(expected[i])));
        const auto parts = booster->contributions(row);
        REQUIRE(parts);
        for (std::size_t i = 0; i < classes; ++i) {
            double sum = 0;
            for (std::size_t j = 0; j <= row.size(); ++j)
                sum += static_cast<double>((*parts)[i * (row.size() + 1) + j]);
            CHECK(sum == doctest::Approx(expected[i]).epsilon(1e-4));
        }
    }
}

} // namespace

TEST_CASE("versions: a model written by XGBoost 1.7 or 3.0 passes, and is worth the same") {
    // Both were trained on the same data.
    const std::vector<float> lowest(3, -0.1F), highest(3, 1.1F);
    for (const std::string_view version : {"1.7.4", "3.0.0"}) {
        const std::string ubj = recorded(version);
        REQUIRE(verify_model(bytes_of(ubj), 3, 2));
        compare(ubj, 2, lowest, highest, 200);
    }
    const std::vector<float> row{0.6F, 0.7F, 0.3F};
    const auto margins = margins_of(recorded("1.7.4"), row, 2);
    CHECK(margins == margins_of(recorded("3.0.0"), row, 2));
    CHECK(margins[0] == doctest::Approx(-margins[1]));
    CHECK(margins[0] == doctest::Approx(-1.66415095)); // as 1.7.4 said when it was written
}

TEST_CASE("versions: no mixture of their forms passes, nor what later ones write") {
    const auto refused = [](std::string ubj, const std::string& from, const std::string& to) {
        const std::size_t at = ubj.find(from);
        REQUIRE(at != std::string::npos);
        ubj.replace(at, from.size(), to);
        const auto result = verify_model(bytes_of(ubj), 3, 2);
        return result ? "passed" : result.error().message;
    };
    const std::string version = "[#L" + std::string(7, '\0') + '\3' + "i";
    CHECK(contains(
        refused(recorded("1.7.4"), version + '\1' + "i" + '\7', version + '\3' + "i" + '\0'),
        "written by XGBoost 3.0 in the form of 1.7"));
    CHECK(contains(
        refused(recorded("3.0.0"), version + '\3' + "i" + '\0', version + '\1' + "i" + '\7'),
        "written by XGBoost 1.7 in the form of 3.0"));
    CHECK(contains(
        refused(recorded("3.0.0"), version + '\3' + "i" + '\0', version + '\3' + "i" + '\2'),
        "written by XGBoost 3.2"));
    const std::string leaf = key("size_leaf_vector") + "S";
    CHECK(
        contains(refused(recorded("3.0.0"), leaf + key("1"), leaf + key("0")), "size_leaf_vector"));
    CHECK(
        contains(refused(recorded("3.0.0"), "i" + std::string("\4i\6"), "i" + std::string("\4i\5")),
                 "a round without a tree for each of 2 classes"));
    // A vector since 3.1.
    const std::string message =
        refused(recorded("3.0.0"), "S" + key("0E0"), "S" + key("[0E0,0E0]"));
    CHECK(contains(message, "base_score is '[0E0,0E0]'"));
    CHECK(contains(message, "XGBoost 1.7 or 3.0"));
}

TEST_CASE("versions: the shipped bundles predict what their trees say") {
    for (const char* name : {"default", "snapshot"}) {
        const auto bundle = read_bundle(fmt::format("{}/{}.bundle", INTELLISCHED_BUNDLES, name));
        REQUIRE(bundle);
        // The values that a feature had in the training, and some beyond them.
        std::vector<float> lowest, highest;
        const auto known = [](float value) { return std::isnan(value) ? 0 : value; };
        for (const float value : bundle->manifest.feature_min())
            lowest.push_back(known(value) - 0.1F * std::fabs(known(value)));
        for (const float value : bundle->manifest.feature_max())
            highest.push_back(known(value) + 0.1F * std::fabs(known(value)));
        lowest.resize(model_feature_count(), 0);
        highest.resize(model_feature_count(), 1);
        compare(bundle->classifier_ubj, layout_count, lowest, highest, 20);
        compare(bundle->gains_ubj, layout_count, lowest, highest, 20);
    }
}
