// SPDX-License-Identifier: GPL-2.0-only
// Inside check_scenario(); see scenario.hpp for what others need.
#pragma once

#include "bench/simulator/scenario.hpp"

#include <optional>

namespace sim {

/// Keeps the first thing that is wrong.
class Checker {
  public:
    template<class... Args>
    void that(bool right, fmt::format_string<Args...> format, Args&&... args) {
        if (right || first_) return;
        first_ = intellisched::Error{fmt::format(format, std::forward<Args>(args)...)};
    }
    void range(const std::string& what, double value, double least, double most);
    /// With `may_be_none`, a mean of 0 is right: the load does without.
    void times(const std::string& what, const proto::Times& times, bool may_be_none = false);

    [[nodiscard]] bool failed() const { return first_.has_value(); }
    [[nodiscard]] Result<void> result() const {
        if (first_) return tl::unexpected(*first_);
        return {};
    }

  private:
    std::optional<intellisched::Error> first_;
};

} // namespace sim
