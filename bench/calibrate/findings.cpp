// SPDX-License-Identifier: MIT
#include "bench/calibrate/findings.hpp"

#include "src/proto/costs.hpp"

#include <algorithm>
#include <array>

namespace intellisched::calibrate {

namespace {

constexpr double most_times_default = 3;

/// The value at that part of the sorted values, between two of them if need be.
double quantile(std::span<const double> sorted, double part) {
    const double position = part * static_cast<double>(sorted.size() - 1);
    const auto below = static_cast<std::size_t>(position);
    const std::size_t above = std::min(below + 1, sorted.size() - 1);
    return sorted[below] +
           (position - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

} // namespace

Spread Spread::scaled(double factor, double offset) const {
    return {low * factor + offset, median * factor + offset, high * factor + offset, n};
}

std::optional<Spread> spread_of(std::vector<double> values, std::size_t least) {
    if (values.empty() || values.size() < least) return std::nullopt;
    std::ranges::sort(values);
    return Spread{quantile(values, 0.25), quantile(values, 0.5), quantile(values, 0.75),
                  static_cast<std::uint32_t>(values.size())};
}

bool add(proto::Calibration& to, std::string_view name, const Spread& measured,
         const std::string& how) {
    const CostRange& of = cost_range(name);
    const auto refuse = [&](const std::string& why) {
        leave_out(to, name, why + "; the host may be too busy to tell");
        return false;
    };
    if (!(measured.median >= of.min && measured.median <= of.max))
        return refuse(fmt::format("measured as {:.4g} {}, which is not between {:g} and {:g}",
                                  measured.median, of.unit, of.min, of.max));
    if (measured.high - measured.low > measured.median)
        return refuse(
            fmt::format("half of what was measured is not even between {:.4g} and {:.4g} {}",
                        measured.low, measured.high, of.unit));
    auto& row = *to.add_measured();
    row.set_constant(std::string(name));
    row.set_unit(std::string(of.unit));
    row.set_measured(measured.median);
    row.set_low(measured.low);
    row.set_high(measured.high);
    row.set_n(measured.n);
    row.set_standard(of.standard);
    row.set_how(how);
    row.set_unusual(measured.median > of.standard * most_times_default ||
                    measured.median < of.standard / most_times_default);
    auto& costs = *to.mutable_costs();
    costs.GetReflection()->SetDouble(
        &costs, costs.GetDescriptor()->FindFieldByName(std::string(name)), measured.median);
    return true;
}

void drop_unusual(proto::Calibration& from) {
    auto& costs = *from.mutable_costs();
    for (const auto& row : from.measured()) {
        if (!row.unusual()) continue;
        costs.GetReflection()->ClearField(&costs,
                                          costs.GetDescriptor()->FindFieldByName(row.constant()));
        leave_out(from, row.constant(),
                  fmt::format("measured as {:.4g} {}, {:.2g} times the default of {:g}, which is "
                              "more than a factor of {:g} off; look at what else the host did, "
                              "measure again, and take it with --accept-unusual",
                              row.measured(), row.unit(), row.measured() / row.standard(),
                              row.standard(), most_times_default));
    }
}

void leave_out(proto::Calibration& to, std::string_view name, const std::string& why) {
    auto& row = *to.add_left_out();
    row.set_constant(std::string(name));
    row.set_why(why);
}

std::string table(const proto::Calibration& calibration) {
    std::string text = fmt::format("{:<23}{:>4}{:>10}{:>22}{:>9}{:>9}   {}\n", "constant", "unit",
                                   "measured", "quartiles", "n", "default", "how");
    for (const auto& row : calibration.measured())
        text += fmt::format("{:<23}{:>4}{:>10.4g}{:>22}{:>9}{:>9.4g} {} {}\n", row.constant(),
                            row.unit(), row.measured(),
                            fmt::format("{:.4g} to {:.4g}", row.low(), row.high()), row.n(),
                            row.standard(), row.unusual() ? '!' : ' ', row.how());
    if (std::ranges::any_of(calibration.measured(), &proto::Calibration::Measured::unusual))
        text += fmt::format("!: more than a factor of {:g} from the default, and the simulator "
                            "with it\n",
                            most_times_default);
    if (calibration.has_trace()) {
        const auto& trace = calibration.trace();
        text +=
            fmt::format("\nthe trace itself: {:.4g} ns a record ({:.4g} to {:.4g}, n {}), {:.0f} "
                        "records a second, {:.2g}% of the pool's CPUs; not in the above\n",
                        trace.record_ns(), trace.low(), trace.high(), trace.n(),
                        trace.records_per_s(), trace.part_of_cpus() * 100);
    }
    if (!calibration.left_out().empty()) text += "\nnot in the costs:\n";
    for (const auto& row : calibration.left_out())
        text += fmt::format("  - {}: {}\n", row.constant(), row.why());
    return text;
}

std::string costs_text(const proto::Calibration& calibration) {
    std::string text = "# Costs of this machine as `intellisched calibrate` measured them; what is "
                       "not here has its default.\n";
    const auto& costs = calibration.costs();
    for (const auto& row : calibration.measured()) {
        const bool taken = costs.GetReflection()->HasField(
            costs, costs.GetDescriptor()->FindFieldByName(row.constant()));
        text += fmt::format(
            "{}{}: {:.6g}  # {}: {:.4g} to {:.4g}, n {}; {}{}\n",
            taken ? "" : "# not taken: ", row.constant(), row.measured(), row.unit(), row.low(),
            row.high(), row.n(), row.how(),
            row.unusual() ? fmt::format("; unusual: the default is {:g}", row.standard()) : "");
    }
    return text;
}

} // namespace intellisched::calibrate
