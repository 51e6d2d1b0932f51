// SPDX-License-Identifier: MIT
#include "src/model/guest_class.hpp"

#include "src/model/verify_model.hpp"

#include <algorithm>
#include <cmath>
#include <span>

namespace intellisched {
namespace {

// Of a sane model margins are below 20.
constexpr float largest_margin = 1e6F;

bool same(const google::protobuf::RepeatedPtrField<std::string>& texts, const auto& names) {
    return std::ranges::equal(texts, names);
}

/// The traits that speak for class `of`, against the mean over all classes: what moves all of them
/// alike moves no probability.
std::vector<GuestClass::Evidence> evidence_of(std::span<const float> shap, std::size_t of,
                                              const GuestTraits& traits, std::size_t most) {
    constexpr std::size_t columns = guest_trait_count + 1; // the last one is the bias
    std::vector<GuestClass::Evidence> all;
    for (std::size_t trait = 0; trait < guest_trait_count; ++trait) {
        double sum = 0;
        for (std::size_t k = 0; k < guest_class_count; ++k)
            sum += static_cast<double>(shap[k * columns + trait]);
        const double weight = static_cast<double>(shap[of * columns + trait]) -
                              sum / static_cast<double>(guest_class_count);
        if (std::isfinite(weight) && weight > 0)
            all.push_back({guest_trait_names[trait], static_cast<double>(traits[trait]), weight});
    }
    std::ranges::stable_sort(all, std::greater(), &GuestClass::Evidence::weight);
    if (all.size() > most) all.resize(most);
    return all;
}

} // namespace

Result<void> check_guest_classes(const GuestClassModel& model) {
    const auto other = [](std::string_view what) {
        return fail("the model of guests' classes {}; install the bundle that belongs to this "
                    "program",
                    what);
    };
    if (!same(model.manifest.traits(), guest_trait_names))
        return other("asks for other numbers than this program measures");
    if (!same(model.manifest.classes(), guest_class_names))
        return other("knows other classes than this program");
    const double least = model.manifest.least_confidence();
    if (!(least >= 0 && least <= 1)) return other("has an impossible threshold"); // NaN as well
    return verify_model(std::as_bytes(std::span(model.ubj)), guest_trait_count, guest_class_count);
}

Result<GuestClassifier> GuestClassifier::load(const GuestClassModel& model) {
    auto booster = TRY(
        Booster::load(std::as_bytes(std::span(model.ubj)), guest_trait_count, guest_class_count));
    return GuestClassifier(std::move(booster), model.manifest.least_confidence());
}

Result<GuestClass> GuestClassifier::classify(const GuestTraits& traits,
                                             std::size_t evidence) const {
    const auto margins = TRY(booster_.margins(traits));
    for (const float margin : margins)
        if (!(std::fabs(margin) <= largest_margin)) // NaN as well
            return fail("the model of guests' classes gives no probabilities; install the bundle "
                        "that belongs to this program");
    const auto top = std::ranges::max_element(margins);
    const auto of = static_cast<std::size_t>(top - margins.begin());
    double sum = 0;
    for (const float margin : margins) sum += std::exp(static_cast<double>(margin - *top));
    GuestClass found{.name = guest_class_names[of], .confidence = 1 / sum};
    found.clear = found.confidence >= least_;
    if (evidence > 0)
        found.evidence = evidence_of(TRY(booster_.contributions(traits)), of, traits, evidence);
    return found;
}

} // namespace intellisched
