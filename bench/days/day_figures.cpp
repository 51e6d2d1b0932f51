// SPDX-License-Identifier: MIT
#include "bench/days/day_figures.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

namespace intellisched::bench {

double PhaseFigures::over_boot(Option layout, Option limit) const {
    return utility[index(layout)] - utility[index(boot_option)] + by_limit[index(limit)] -
           by_limit[index(boot_option)];
}

proto::DayFigures day_figures(std::span<const PhaseFigures> phases, std::span<const Knob> knobs) {
    // Those that were measured, or can be in force where only these knobs are turned.
    std::vector<std::pair<Option, Option>> configurations;
    for (const Knob knob : knobs)
        for (const Option option : all_options)
            configurations.emplace_back(knob == Knob::layout ? option : boot_option,
                                        knob == Knob::rate_limit ? option : boot_option);
    double seconds = 0, service = 0, oracle = 0, worse = 0;
    std::vector<double> fixed(configurations.size());
    for (const PhaseFigures& phase : phases) {
        seconds += phase.seconds;
        service += phase.seconds * (phase.service - phase.utility[index(boot_option)]);
        double best = 0;
        for (std::size_t c = 0; c < configurations.size(); ++c) {
            const double over = phase.over_boot(configurations[c].first, configurations[c].second);
            fixed[c] += phase.seconds * over;
            best = std::max(best, over);
        }
        oracle += phase.seconds * best;
        for (const Option layout : all_options)
            for (const Option limit : all_options)
                if (phase.over_boot(layout, limit) < std::log1p(-worse_from))
                    worse += phase.spent[index(layout)][index(limit)];
    }
    const auto best = std::ranges::max_element(fixed);
    const auto& [layout, limit] = configurations[static_cast<std::size_t>(best - fixed.begin())];
    proto::DayFigures figures;
    figures.set_best_static(limit == boot_option ? name_of(Knob::layout, layout)
                                                 : name_of(Knob::rate_limit, limit));
    figures.set_against_socket(service / seconds);
    figures.set_against_static((service - *best) / seconds);
    figures.set_against_oracle((service - oracle) / seconds);
    figures.set_oracle_against_socket(oracle / seconds);
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
