// SPDX-License-Identifier: MIT
#include "src/model/verify_model.hpp"

#include "src/base/counted.hpp"
#include "src/model/ubj_reader.hpp"

#include <charconv>
#include <cmath>
#include <limits>
#include <vector>

namespace intellisched {

namespace {

// RegTree::Node keeps the parent in 31 bits, so the root's -1 is written as this.
constexpr std::int32_t no_parent = std::numeric_limits<std::int32_t>::max();
constexpr std::int32_t no_child = -1;

// The arrays of one tree, an element a node.
struct Tree {
    UbjArray<std::uint8_t> default_left, split_type;
    UbjArray<std::int32_t> left, right, parents, split_indices;
    UbjArray<float> base_weights, loss_changes, split_conditions, sum_hessian;
};

class Verifier {
  public:
    Verifier(std::span<const std::byte> ubj, std::size_t features, std::size_t classes)
        : in_(ubj), features_(features), classes_(classes) {}

    Result<void> run() {
        model();
        if (in_.failed())
            return fail("not a model that this program can use: {}; train it with this version of "
                        "intellisched and XGBoost 1.7 or 3.0",
                        in_.error().message);
        return {};
    }

  private:
    void model();
    void learner_parameters();
    void ensemble();
    void tree(std::size_t id);
    void check(const Tree& tree, std::size_t nodes);
    void check_shape(const Tree& tree, std::size_t nodes);

    // XGBoost writes parameters as text.
    void text(std::string_view key, std::string_view value) {
        in_.key(key);
        if (const auto got = in_.string(); got != value)
            in_.refuse(fmt::format("{} is '{}' instead of '{}'", key, printable(got, 32), value));
    }
    void number(std::string_view key, std::size_t value) { text(key, std::to_string(value)); }
    std::size_t number(std::string_view key) {
        in_.key(key);
        const auto got = in_.string();
        std::size_t value = 0;
        const auto [end, error] = std::from_chars(got.data(), got.data() + got.size(), value);
        // The text must be what XGBoost's own parser takes it for, too: no blanks, no zeros before.
        if (error != std::errc() || end != got.data() + got.size() || got != std::to_string(value))
            in_.refuse(fmt::format("{} is '{}'", key, printable(got, 32)));
        return value;
    }
    void empty(std::string_view key) {
        in_.key(key);
        if (in_.count() != 0) in_.refuse(fmt::format("{} given", key));
    }

    UbjReader in_;
    std::size_t features_;
    std::size_t classes_;
    bool by_3_ = false; ///< in the form of XGBoost 3.0, told by what it leaves out
};

void Verifier::model() {
    in_.mark('{');
    in_.key("learner");
    in_.mark('{');
    in_.key("attributes");
    in_.mark('{');
    in_.mark('}');
    empty("feature_names");
    empty("feature_types");
    in_.key("gradient_booster");
    in_.mark('{');
    in_.key("model");
    ensemble();
    text("name", "gbtree");
    in_.mark('}');
    in_.key("learner_model_param");
    learner_parameters();
    in_.key("objective");
    in_.mark('{');
    text("name", "multi:softprob");
    in_.key("softmax_multiclass_param");
    in_.mark('{');
    number("num_class", classes_);
    in_.mark('}');
    in_.mark('}');
    in_.mark('}');
    in_.key("version");
    if (in_.count() != 3) in_.refuse("no version");
    const auto major = in_.integer();
    const auto minor = in_.integer();
    const auto patch = in_.integer();
    if (major != (by_3_ ? 3 : 1) || minor != (by_3_ ? 0 : 7) || patch < 0)
        in_.refuse(fmt::format("written by XGBoost {}.{} in the form of {}", major, minor,
                               by_3_ ? "3.0" : "1.7"));
    in_.mark('}');
    in_.end();
}

void Verifier::learner_parameters() {
    in_.mark('{');
    in_.key("base_score");
    const auto score = in_.string();
    double value = 0;
    const auto [end, error] = std::from_chars(score.data(), score.data() + score.size(), value);
    if (error != std::errc() || end != score.data() + score.size() || score.size() > 32 ||
        !(std::fabs(value) < 1e6))
        in_.refuse(fmt::format("base_score is '{}'", printable(score, 32)));
    in_.key("boost_from_average");
    if (const auto flag = in_.string(); flag != "0" && flag != "1")
        in_.refuse("boost_from_average is no flag");
    number("num_class", classes_);
    number("num_feature", features_);
    number("num_target", 1);
    in_.mark('}');
}

void Verifier::ensemble() {
    in_.mark('{');
    in_.key("gbtree_model_param");
    in_.mark('{');
    number("num_parallel_tree", 1);
    const std::size_t trees = number("num_trees");
    by_3_ = !in_.next_is_key("size_leaf_vector");
    if (!by_3_) number("size_leaf_vector", 0);
    in_.mark('}');
    if (trees == 0 || trees % classes_ != 0)
        in_.refuse(fmt::format("{} for {}", counted(trees, "tree"),
                               counted(classes_, "class", "classes")));
    if (by_3_) {
        in_.key("iteration_indptr"); // the first tree of every round, and their number
        if (in_.count() != trees / classes_ + 1) in_.refuse("no round for each tree of a class");
        for (std::size_t first = 0; first <= trees && !in_.failed(); first += classes_)
            if (in_.integer() != static_cast<std::int64_t>(first))
                in_.refuse(fmt::format("a round without a tree for each of {}",
                                       counted(classes_, "class", "classes")));
    }

    in_.key("tree_info"); // the class of every tree
    if (in_.count() != trees) in_.refuse("not one class a tree");
    for (std::size_t i = 0; i < trees && !in_.failed(); ++i)
        if (in_.integer() != static_cast<std::int64_t>(i % classes_))
            in_.refuse(fmt::format("tree {} belongs to another class than {}", i, i % classes_));

    in_.key("trees");
    if (in_.count() != trees) in_.refuse("another number of trees than it says");
    for (std::size_t i = 0; i < trees && !in_.failed(); ++i) tree(i);
    in_.mark('}');
}

void Verifier::tree(std::size_t id) {
    const auto no_categories = [&](std::string_view key, char marker) {
        in_.key(key);
        if (in_.array<std::uint8_t>(marker).size() != 0) in_.refuse("a split by category");
    };
    Tree tree;
    in_.mark('{');
    in_.key("base_weights");
    tree.base_weights = in_.array<float>('d');
    no_categories("categories", 'l');
    no_categories("categories_nodes", 'l');
    no_categories("categories_segments", 'L');
    no_categories("categories_sizes", 'L');
    in_.key("default_left");
    tree.default_left = in_.array<std::uint8_t>('U');
    in_.key("id");
    if (in_.integer() != static_cast<std::int64_t>(id)) in_.refuse("a tree out of order");
    in_.key("left_children");
    tree.left = in_.array<std::int32_t>('l');
    in_.key("loss_changes");
    tree.loss_changes = in_.array<float>('d');
    in_.key("parents");
    tree.parents = in_.array<std::int32_t>('l');
    in_.key("right_children");
    tree.right = in_.array<std::int32_t>('l');
    in_.key("split_conditions");
    tree.split_conditions = in_.array<float>('d');
    in_.key("split_indices");
    tree.split_indices = in_.array<std::int32_t>('l');
    in_.key("split_type");
    tree.split_type = in_.array<std::uint8_t>('U');
    in_.key("sum_hessian");
    tree.sum_hessian = in_.array<float>('d');
    in_.key("tree_param");
    in_.mark('{');
    number("num_deleted", 0);
    number("num_feature", features_);
    const std::size_t nodes = number("num_nodes");
    number("size_leaf_vector", by_3_ ? 1 : 0);
    in_.mark('}');
    in_.mark('}');
    if (!in_.failed()) check(tree, nodes);
    if (!in_.failed()) check_shape(tree, nodes);
}

// Every node's numbers by themselves.
void Verifier::check(const Tree& tree, std::size_t nodes) {
    const auto size = [&](const auto&... arrays) { return ((arrays.size() == nodes) && ...); };
    if (nodes == 0 || !size(tree.default_left, tree.split_type, tree.left, tree.right, tree.parents,
                            tree.split_indices, tree.base_weights, tree.loss_changes,
                            tree.split_conditions, tree.sum_hessian))
        return in_.refuse(fmt::format("a tree without {} values for each of its nodes", nodes));
    for (std::size_t i = 0; i < nodes; ++i) {
        if (tree.split_indices[i] < 0 ||
            static_cast<std::size_t>(tree.split_indices[i]) >= features_)
            return in_.refuse(fmt::format("node {} asks for feature {}", i, tree.split_indices[i]));
        if (tree.default_left[i] > 1 || tree.split_type[i] != 0)
            return in_.refuse(fmt::format("node {} splits in an unknown way", i));
        // SHAP values divide by the hessian of inner nodes.
        const bool leaf = tree.left[i] == no_child;
        if (!std::isfinite(tree.base_weights[i]) || !std::isfinite(tree.loss_changes[i]) ||
            !std::isfinite(tree.split_conditions[i]) || !std::isfinite(tree.sum_hessian[i]) ||
            tree.sum_hessian[i] < 0 || (!leaf && tree.sum_hessian[i] == 0))
            return in_.refuse(fmt::format("node {} has an impossible number", i));
    }
}

// That the nodes are one tree: from the root, every node is reached exactly once.
void Verifier::check_shape(const Tree& tree, std::size_t nodes) {
    struct Visit {
        std::size_t node;
        int depth;
    };
    if (tree.parents[0] != no_parent) return in_.refuse("a tree whose root has a parent");
    std::vector<bool> reached(nodes, false);
    std::vector<Visit> stack{{0, 0}};
    reached[0] = true;
    std::size_t count = 1;
    while (!stack.empty()) {
        const auto [node, depth] = stack.back();
        stack.pop_back();
        if (tree.left[node] == no_child && tree.right[node] == no_child) continue;
        if (depth == max_tree_depth)
            return in_.refuse(fmt::format("a tree of more than {} levels", max_tree_depth));
        for (const std::int32_t child : {tree.left[node], tree.right[node]}) {
            if (child < 0 || static_cast<std::size_t>(child) >= nodes)
                return in_.refuse(
                    fmt::format("node {} has child {} in a tree of {} nodes", node, child, nodes));
            const auto index = static_cast<std::size_t>(child);
            if (reached[index]) return in_.refuse(fmt::format("node {} is reached twice", child));
            if (tree.parents[index] != static_cast<std::int64_t>(node))
                return in_.refuse(fmt::format("node {} names another parent", child));
            reached[index] = true;
            ++count;
            stack.push_back({index, depth + 1});
        }
    }
    if (count != nodes) in_.refuse("a tree with nodes that nothing leads to");
}

} // namespace

Result<void> verify_model(std::span<const std::byte> ubj, std::size_t features,
                          std::size_t classes) {
    return Verifier(ubj, features, classes).run();
}

} // namespace intellisched
