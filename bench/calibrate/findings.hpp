// SPDX-License-Identifier: MIT
// What a calibration found: costs of the machine with their spread, and what it could not measure.
#pragma once

#include "bench/proto/calibration.pb.h"
#include "src/base/result.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace intellisched::calibrate {

/// A sample's median and quartiles.
struct Spread {
    double low;
    double median;
    double high;
    std::uint32_t n;

    /// Of a quantity that is this one times `factor` plus `offset`.
    [[nodiscard]] Spread scaled(double factor, double offset = 0) const;
};
/// Nothing where there are fewer than `least` values (1 at least).
[[nodiscard]] std::optional<Spread> spread_of(std::vector<double> values, std::size_t least);

/// Adds what was measured to the table and to the costs, and marks what is unusual. False where it
/// was left out, for a reason that is added: the median is outside of what the constant can be, or
/// the quartiles are further apart than the median is from 0.
bool add(proto::Calibration& to, std::string_view name, const Spread& measured,
         const std::string& how);
/// Takes out of the costs what is more than three times its default or less than a third: so far
/// off, a fault of the measurement is as likely as a strange machine. The table keeps it.
void drop_unusual(proto::Calibration& from);
void leave_out(proto::Calibration& to, std::string_view name, const std::string& why);

/// The table for people, in lines.
[[nodiscard]] std::string table(const proto::Calibration& calibration);
/// The costs as protobuf text, with where they come from as comments.
[[nodiscard]] std::string costs_text(const proto::Calibration& calibration);

} // namespace intellisched::calibrate
