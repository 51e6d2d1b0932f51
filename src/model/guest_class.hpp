// SPDX-License-Identifier: MIT
// What kind of work a guest does, as far as its scheduling shows it: a small ensemble of trees over
// traits that are the same on hosts of any size.
#pragma once

#include "src/base/result.hpp"
#include "src/model/booster.hpp"
#include "src/proto/model.pb.h"

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace intellisched {

/// Numbers that describe how one guest was scheduled over a stretch of windows. They are ratios and
/// times, so that neither the host's nor the guest's size is among them. GuestSums measures them
/// (src/policy/guest_figures.cpp), which is their definition.
inline constexpr std::array<std::string_view, 31> guest_trait_names{
    "used",
    "wanting",
    "runnable",
    "waits",
    "demand",
    "wakeups",
    "work_us",
    "burst_us",
    "bursts_a_wakeup",
    "asleep_us",
    "response_p10_us",
    "response_p50_us",
    "response_p90_us",
    "response_p99_us",
    "response_p10_part",
    "response_p90_part",
    "response_p99_part",
    "response_mean_part",
    "wake_p50_us",
    "wake_p99_us",
    "wait_p50_us",
    "wait_p99_us",
    "moves",
    "wakeups_dispersion",
    "running_dispersion",
    "running_spread",
    "wakeups_spread",
    "behind_itself",
    "beside_idle",
    "held_back",
    "woken_waits",
};
inline constexpr std::size_t guest_trait_count = guest_trait_names.size();
/// In the order of the names; NaN: not known.
using GuestTraits = std::array<float, guest_trait_count>;

/// Which kinds of load each stands for, and which are not told apart and why: models/README.md.
inline constexpr std::array<std::string_view, 5> guest_class_names{"idle", "cpu-bound", "io-bound",
                                                                   "latency-sensitive", "periodic"};
inline constexpr std::size_t guest_class_count = guest_class_names.size();

/// The model of classes, as a bundle has it.
struct GuestClassModel {
    proto::GuestClasses manifest; ///< its `model` is empty
    std::string ubj;              ///< margins by class, as XGBoost wrote them
};

/// Checks a model from outside: traits and classes of this program in their order, a threshold from
/// 0 to 1, and the ensemble (verify_model). The error does not name the file.
[[nodiscard]] Result<void> check_guest_classes(const GuestClassModel& model);

/// What is thought of one guest.
struct GuestClass {
    std::string_view name; ///< the likeliest, one of guest_class_names
    double confidence = 0; ///< its probability
    bool clear = false;    ///< whether that is enough to be told

    /// One trait's part in the log-odds of this class against the others (from SHAP values).
    struct Evidence {
        std::string_view trait;
        double value = 0; ///< NaN: not known
        double weight = 0;
    };
    std::vector<Evidence> evidence = {}; ///< what speaks for it most, the heaviest first
};

/// A loaded model. As Classifier, not thread-safe and never static.
class GuestClassifier {
  public:
    /// Hands a model that has passed check_guest_classes() to XGBoost. Errors: XGBoost refuses it.
    [[nodiscard]] static Result<GuestClassifier> load(const GuestClassModel& model);

    /// With the traits that speak for it, at most `evidence`. Errors: a model whose leaves are so
    /// large that no probability comes of them.
    [[nodiscard]] Result<GuestClass> classify(const GuestTraits& traits,
                                              std::size_t evidence) const;

  private:
    GuestClassifier(Booster booster, double least) : booster_(std::move(booster)), least_(least) {}
    Booster booster_;
    double least_;
};

} // namespace intellisched
