// SPDX-License-Identifier: MIT
#include "bench/days/day_figures.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

namespace intellisched::bench {

proto::DayFigures day_figures(std::span<const PhaseFigures> phases) {
    double seconds = 0, service = 0, oracle = 0, worse = 0;
    std::array<double, layout_count> fixed{};
    for (const PhaseFigures& phase : phases) {
        seconds += phase.seconds;
        service += phase.seconds * phase.service;
        oracle += phase.seconds * *std::ranges::max_element(phase.utility);
        const double least = phase.utility[index(Layout::socket)] + std::log1p(-worse_from);
        for (std::size_t l = 0; l < layout_count; ++l) {
            fixed[l] += phase.seconds * phase.utility[l];
            if (phase.utility[l] < least) worse += phase.spent[l];
        }
    }
    const auto best = std::ranges::max_element(fixed);
    const double socket = fixed[index(Layout::socket)];
    proto::DayFigures figures;
    figures.set_best_static(
        std::string(to_string(all_layouts[static_cast<std::size_t>(best - fixed.begin())])));
    figures.set_against_socket((service - socket) / seconds);
    figures.set_against_static((service - *best) / seconds);
    figures.set_against_oracle((service - oracle) / seconds);
    figures.set_oracle_against_socket((oracle - socket) / seconds);
    figures.set_time_worse(worse / seconds);
    return figures;
}

void sum_up(proto::DaysReport& report) {
    const auto* fields = proto::DayFigures::descriptor();
    const auto* reflection = proto::DayFigures::GetReflection();
    for (int i = 0; i < fields->field_count(); ++i) {
        const auto* field = fields->field(i);
        if (field->cpp_type() != google::protobuf::FieldDescriptor::CPPTYPE_DOUBLE) continue;
        std::vector<double> values;
        for (const proto::DayFigures& day : report.days())
            values.push_back(reflection->GetDouble(day, field));
        std::ranges::sort(values);
        const std::size_t n = values.size();
        const bool gain = field->name().find("against") != std::string::npos;
        reflection->SetDouble(report.mutable_mean(), field,
                              std::accumulate(values.begin(), values.end(), 0.0) /
                                  static_cast<double>(n));
        reflection->SetDouble(report.mutable_median(), field,
                              (values[(n - 1) / 2] + values[n / 2]) / 2);
        reflection->SetDouble(report.mutable_worst(), field, gain ? values.front() : values.back());
    }
}

} // namespace intellisched::bench
