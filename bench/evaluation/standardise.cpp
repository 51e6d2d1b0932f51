// SPDX-License-Identifier: MIT
#include "bench/evaluation/standardise.hpp"

#include "src/model/inputs.hpp"

#include <cmath>

namespace intellisched {

namespace {

std::vector<float> inputs_of(const Case& one, const InputMask& mask) {
    std::vector<float> row(model_feature_count());
    const proto::Sample& sample = *one.sample;
    fill_inputs(row, {sample.features().data(), static_cast<std::size_t>(sample.features_size())},
                {sample.costs().data(), static_cast<std::size_t>(sample.costs_size())}, one.intent,
                mask);
    for (float& value : row) value = std::copysign(std::log1p(std::fabs(value)), value);
    return row;
}

} // namespace

Standardiser::Standardiser(Chosen cases)
    : mean_(model_feature_count()), deviation_(model_feature_count()) {
    const InputMask mask = every_input();
    std::vector<double> count(mean_.size()), squares(mean_.size());
    for (const Case* one : cases) {
        const auto row = inputs_of(*one, mask);
        for (std::size_t i = 0; i < row.size(); ++i) {
            if (std::isnan(row[i])) continue;
            const auto value = static_cast<double>(row[i]);
            const double off = value - mean_[i]; // Welford's update
            mean_[i] += off / ++count[i];
            squares[i] += off * (value - mean_[i]);
        }
    }
    for (std::size_t i = 0; i < mean_.size(); ++i)
        deviation_[i] = count[i] > 0 ? std::sqrt(squares[i] / count[i]) : 0;
}

std::vector<float> Standardiser::rows(Chosen cases) const {
    const InputMask mask = every_input();
    std::vector<float> rows;
    rows.reserve(cases.size() * mean_.size());
    for (const Case* one : cases) {
        const auto row = inputs_of(*one, mask);
        for (std::size_t i = 0; i < row.size(); ++i)
            rows.push_back(
                std::isnan(row[i]) || deviation_[i] < 1e-9
                    ? 0.0F
                    : static_cast<float>((static_cast<double>(row[i]) - mean_[i]) / deviation_[i]));
    }
    return rows;
}

} // namespace intellisched
