// SPDX-License-Identifier: MIT
// The gate before XGBoost: models that would crash it do not pass, nor does anything that XGBoost's
// own writer would not have written.
#include "bench/training/synthetic.hpp"
#include "src/model/inputs.hpp"
#include "src/model/verify_model.hpp"
#include "tests/support/files.hpp"

#include <bit>
#include <doctest/doctest.h>

using namespace intellisched;
using namespace intellisched::test;

namespace {

const std::string& model() {
    static const std::string ubj = [] {
        auto options = synthetic::small_options();
        options.rounds = 3;
        return train(synthetic::make_samples({.samples = 1200}), options).value().classifier_ubj;
    }();
    return ubj;
}

std::string verdict(const std::string& ubj) {
    const auto result =
        verify_model(std::as_bytes(std::span(ubj)), model_feature_count(), layout_count);
    if (result) return "passed";
    CHECK(result.error().message.find('\n') == std::string::npos);
    return result.error().message;
}

std::string big_endian(std::uint64_t value, std::size_t width) {
    std::string bytes;
    for (std::size_t i = width; i-- > 0;) bytes += static_cast<char>(value >> (8 * i));
    return bytes;
}

std::string key(std::string_view name) {
    return "L" + big_endian(name.size(), 8) + std::string(name);
}

// Where the value of the nth such key begins.
std::size_t value_of(const std::string& ubj, std::string_view name, int nth = 0) {
    std::size_t at = 0;
    for (int i = 0; i <= nth; ++i) {
        at = ubj.find(key(name), i == 0 ? 0 : at + 1);
        REQUIRE(at != std::string::npos);
    }
    return at + key(name).size();
}

constexpr std::size_t array_head = 13; // "[$l#L" and eight bytes of length

// The model with element `index` of the first tree's array replaced.
std::string with_int(std::string_view array, std::size_t index, std::int32_t value) {
    std::string ubj = model();
    ubj.replace(value_of(ubj, array) + array_head + 4 * index, 4,
                big_endian(static_cast<std::uint32_t>(value), 4));
    return ubj;
}
std::string with_float(std::string_view array, std::size_t index, float value) {
    return with_int(array, index, std::bit_cast<std::int32_t>(value));
}
std::string with_byte(std::string_view array, std::size_t index, char value) {
    std::string ubj = model();
    ubj[value_of(ubj, array) + array_head + index] = value;
    return ubj;
}

std::int32_t int_at(std::string_view array, std::size_t index) {
    std::uint32_t value = 0;
    const std::size_t at = value_of(model(), array) + array_head + 4 * index;
    for (std::size_t i = 0; i < 4; ++i)
        value = value << 8 | static_cast<unsigned char>(model()[at + i]);
    return static_cast<std::int32_t>(value);
}

// The model with the first `from` after `after` replaced.
std::string with(const std::string& from, const std::string& to, std::size_t after = 0) {
    std::string ubj = model();
    const std::size_t at = ubj.find(from, after);
    REQUIRE(at != std::string::npos);
    return ubj.replace(at, from.size(), to);
}

// The model as if that version of XGBoost had written it.
std::string with_version(char major, char minor) {
    std::string ubj = model();
    const std::size_t at = value_of(ubj, "version") + 11; // "[#L" and eight bytes of length
    ubj[at + 1] = major;                                  // behind its marker, "i"
    ubj[at + 3] = minor;
    return ubj;
}

std::string text(std::string_view value) { return fmt::format("S{}", key(value)); }

} // namespace

TEST_CASE("verify: what XGBoost wrote passes, for the right number of inputs and classes only") {
    CHECK(verdict(model()) == "passed");
    const auto bytes = std::as_bytes(std::span(model()));
    const std::size_t features = model_feature_count();
    CHECK_FALSE(verify_model(bytes, features + 1, layout_count));
    CHECK_FALSE(verify_model(bytes, features, layout_count - 1));
    CHECK_FALSE(verify_model({}, features, layout_count));
}

TEST_CASE("verify: children that would crash XGBoost are refused") {
    REQUIRE(int_at("left_children", 0) == 1); // the root has children
    CHECK(contains(verdict(with_int("left_children", 0, 100000)), "has child 100000"));
    CHECK(contains(verdict(with_int("right_children", 0, 0x7fffffff)), "has child"));
    CHECK(contains(verdict(with_int("left_children", 0, -2)), "has child -2"));
    CHECK(contains(verdict(with_int("left_children", 0, -1)), "has child -1")); // half a leaf
    CHECK(contains(verdict(with_int("right_children", 0, -1)), "has child -1"));
    CHECK(contains(verdict(with_int("left_children", 0, 0)), "reached twice")); // a cycle
    CHECK(contains(verdict(with_int("left_children", 0, 2)), "reached twice")); // one child twice
    CHECK(contains(verdict(with_int("left_children", 1, 0)), "reached twice")); // back to the root
    CHECK(verdict(with_int("left_children", 1, 5)) != "passed");
    CHECK(contains(verdict(with_int("parents", 1, 2)), "another parent"));
    CHECK(contains(verdict(with_int("parents", 0, 0)), "root"));
    std::string leaf = with_int("left_children", 1, -1);
    leaf.replace(value_of(leaf, "right_children") + array_head + 4, 4, big_endian(0xffffffff, 4));
    CHECK(contains(verdict(leaf), "nothing leads to"));
}

TEST_CASE("verify: impossible values of a node are refused") {
    const auto features = static_cast<std::int32_t>(model_feature_count());
    CHECK(verdict(with_int("split_indices", 0, features - 1)) == "passed");
    CHECK(contains(verdict(with_int("split_indices", 0, features)), "asks for feature"));
    CHECK(contains(verdict(with_int("split_indices", 2, -1)), "asks for feature"));
    CHECK(contains(verdict(with_float("split_conditions", 0, NAN)), "impossible number"));
    CHECK(contains(verdict(with_float("split_conditions", 2, INFINITY)), "impossible number"));
    CHECK(contains(verdict(with_float("base_weights", 0, -INFINITY)), "impossible number"));
    CHECK(contains(verdict(with_float("loss_changes", 0, NAN)), "impossible number"));
    CHECK(contains(verdict(with_float("sum_hessian", 0, -1)), "impossible number"));
    CHECK(contains(verdict(with_float("sum_hessian", 0, 0)), "impossible number"));
    CHECK(verdict(with_float("split_conditions", 0, 17)) == "passed");
    CHECK(contains(verdict(with_byte("split_type", 0, 1)), "unknown way")); // by category
    CHECK(contains(verdict(with_byte("default_left", 0, 2)), "unknown way"));
}

TEST_CASE("verify: another kind of model is refused by name") {
    CHECK(contains(verdict(with(text("gbtree"), text("dart"))), "name is 'dart'"));
    CHECK(contains(verdict(with(text("multi:softprob"), text("multi:softmax"))), "softmax"));
    CHECK(contains(verdict(with_version(2, 1)), "written by XGBoost 2.1"));
    CHECK(contains(verdict(with(key("num_class") + text("5"), key("num_class") + text("6"))),
                   "num_class is '6'"));
    CHECK(contains(verdict(with(key("num_trees") + text("15"), key("num_trees") + text("16"))),
                   "16 trees for 5 classes"));
    CHECK(contains(verdict(with(key("num_trees") + text("15"), key("num_trees") + text("20"))),
                   "class"));
    CHECK(contains(verdict(with(key("num_trees") + text("15"), key("num_trees") + text("015"))),
                   "num_trees is '015'"));
    CHECK(contains(verdict(with(text("0E0"), text("inf"))), "base_score"));
    CHECK(contains(verdict(with(text("0E0"), text("0E0\nx"))), "base_score is '0E0?x'"));
    CHECK(contains(
        verdict(with(key("num_parallel_tree") + text("1"), key("num_parallel_tree") + text("0"))),
        "num_parallel_tree"));
}

TEST_CASE("verify: trees out of order, or of another class, are refused") {
    CHECK(contains(verdict(with(key("id") + "i" + '\1', key("id") + "i" + '\0')), "out of order"));
    const std::size_t info = value_of(model(), "tree_info");
    CHECK(contains(verdict(with(std::string("i\x01"), std::string("i\x05"), info)), "class"));
    // XGBoost picks the narrowest integer; a wider one means the same.
    CHECK(verdict(with(std::string("i\x01"), "L" + big_endian(1, 8), info)) == "passed");
    CHECK(contains(verdict(with(std::string("i\x01"), "d" + big_endian(1, 4), info)), "integer"));
}

TEST_CASE("verify: lengths that lie are refused at once") {
    const std::size_t trees = value_of(model(), "trees");
    for (const std::uint64_t n : {~std::uint64_t{0}, std::uint64_t{1} << 63, std::uint64_t{1} << 62,
                                  std::uint64_t{1} << 40, std::uint64_t{14}, std::uint64_t{16}}) {
        CAPTURE(n);
        std::string ubj = model();
        ubj.replace(trees + 3, 8, big_endian(n, 8));
        CHECK(verdict(ubj) != "passed");
        ubj = model();
        ubj.replace(value_of(ubj, "left_children") + 5, 8, big_endian(n, 8));
        CHECK(verdict(ubj) != "passed");
        ubj = model();
        ubj.replace(1 + 1, 8, big_endian(n, 8)); // of the first key
        CHECK(verdict(ubj) != "passed");
        ubj = model();
        ubj.replace(value_of(ubj, "base_score") + 2, 8, big_endian(n, 8));
        CHECK(verdict(ubj) != "passed");
    }
}

TEST_CASE("verify: nothing may be added") {
    CHECK(contains(verdict(model() + "N"), "more than one"));
    CHECK(verdict(with(key("learner"), "N" + key("learner"))) != "passed");
    CHECK(verdict(with(key("attributes") + "{", key("attributes") + "{" + key("a") + text("b"))) !=
          "passed");
    // The first of two equal keys would count for XGBoost, the last one for others.
    CHECK(verdict(with(key("objective"), key("name") + text("dart") + key("objective"))) !=
          "passed");
    CHECK(verdict(with(key("feature_names") + "[#L" + big_endian(0, 8),
                       key("feature_names") + "[#L" + big_endian(1, 8) + text("a"))) != "passed");
    CHECK(verdict(with(key("categories") + "[$l#L" + big_endian(0, 8),
                       key("categories") + "[$l#L" + big_endian(1, 8) + big_endian(0, 4))) !=
          "passed");
}

TEST_CASE("verify: a model cut anywhere is refused") {
    for (std::size_t size = 0; size < model().size(); ++size)
        if (verdict(model().substr(0, size)) == "passed") FAIL("passed when cut to " << size);
}

TEST_CASE("verify: foreign bytes are refused") {
    CHECK(verdict("") != "passed");
    CHECK(verdict(R"({"learner":{}})") != "passed");
    CHECK(verdict(std::string(100000, '[')) != "passed");
    CHECK(verdict(std::string(100000, '{')) != "passed");
    CHECK(verdict("[$Z#L" + big_endian(std::uint64_t{1} << 40, 8)) != "passed");
    CHECK(verdict("binf") != "passed");
}

TEST_CASE("verify: trees deeper than the limit are refused") {
    // "1" in the form of XGBoost 3.0: "SL" and eight bytes of length before it.
    const std::string of_a_tree{model()[value_of(model(), "size_leaf_vector") + 10]};
    // A tree that is one chain: node 2i has the leaf 2i+1 and the inner node 2i+2.
    const auto chain = [&](std::int32_t levels) {
        const std::int32_t nodes = 2 * levels + 1;
        const auto ints = [&](std::string_view name, auto value) {
            std::string array = key(name) + "[$l#L" + big_endian(static_cast<unsigned>(nodes), 8);
            for (std::int32_t i = 0; i < nodes; ++i)
                array += big_endian(static_cast<std::uint32_t>(value(i)), 4);
            return array;
        };
        const auto floats = [&](std::string_view name) {
            std::string array = key(name) + "[$d#L" + big_endian(static_cast<unsigned>(nodes), 8);
            for (std::int32_t i = 0; i < nodes; ++i)
                array += big_endian(std::bit_cast<std::uint32_t>(1.0F), 4);
            return array;
        };
        const auto bytes = [&](std::string_view name) {
            return key(name) + "[$U#L" + big_endian(static_cast<unsigned>(nodes), 8) +
                   std::string(static_cast<std::size_t>(nodes), '\0');
        };
        const auto none = [&](std::string_view name, std::string_view type) {
            return key(name) + "[$" + std::string(type) + "#L" + big_endian(0, 8);
        };
        const auto inner = [&](std::int32_t i) { return i % 2 == 0 && i + 1 < nodes; };
        const std::string features = std::to_string(model_feature_count());
        return "{" + floats("base_weights") + none("categories", "l") +
               none("categories_nodes", "l") + none("categories_segments", "L") +
               none("categories_sizes", "L") + bytes("default_left") + key("id") + "i" + '\0' +
               ints("left_children", [&](auto i) { return inner(i) ? i + 1 : -1; }) +
               floats("loss_changes") +
               ints("parents", [&](auto i) { return i == 0 ? 0x7fffffff : (i - 1) / 2 * 2; }) +
               ints("right_children", [&](auto i) { return inner(i) ? i + 2 : -1; }) +
               floats("split_conditions") + ints("split_indices", [](auto) { return 0; }) +
               bytes("split_type") + floats("sum_hessian") + key("tree_param") + "{" +
               key("num_deleted") + text("0") + key("num_feature") + text(features) +
               key("num_nodes") + text(std::to_string(nodes)) + key("size_leaf_vector") +
               text(of_a_tree) + "}}";
    };
    const auto with_tree = [](const std::string& tree) {
        const std::size_t first = value_of(model(), "trees") + 11; // "[#L" and the length
        const std::size_t second = model().find("{" + key("base_weights"), first + 1);
        return model().substr(0, first) + tree + model().substr(second);
    };
    CHECK(verdict(with_tree(chain(3))) == "passed");
    CHECK(verdict(with_tree(chain(max_tree_depth))) == "passed");
    CHECK(contains(verdict(with_tree(chain(max_tree_depth + 1))), "levels"));
    CHECK(contains(verdict(with_tree(chain(50000))), "levels"));
}
