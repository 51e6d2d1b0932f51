// SPDX-License-Identifier: MIT
// What `status` and `top` say of the service's pools in the same words.
#pragma once

#include "src/proto/control.pb.h"

#include <string>

namespace intellisched::cli {

/// "recommended for 5 min: layout core, +3.0%; to do it: ..." in a line: what a person types, or
/// when the service does it.
[[nodiscard]] std::string change_text(const proto::PoolStatus& pool,
                                      const proto::RecommendedChange& change);

/// "core", or "core capped at 16"; "?" for a layout that this version does not know.
[[nodiscard]] std::string layout_text(const proto::Arrangement& told);

/// "90 s", "5 min" or "3 h".
[[nodiscard]] std::string stretch(std::uint64_t seconds);

/// What a protected guest has, as a sentence.
[[nodiscard]] std::string protected_text(const proto::ProtectedStatus& guest);

/// What is recommended of the two knobs, the one that promises more, or else the best layout, and
/// its gain: "core", "3000us"; empty when the model has said nothing yet, or there is no verdict.
struct Foremost {
    std::string option;
    double gain = 0;
};
[[nodiscard]] Foremost foremost(const proto::PoolStatus& pool);

/// What is special about the pool now: paused, on trial, no verdict and why, and so on; empty:
/// nothing.
[[nodiscard]] std::string remark(const proto::PoolStatus& pool);

/// Version, state of the host and model in a line, and in another what was lost, if anything was.
[[nodiscard]] std::string heading(const proto::ServiceStatus& status);

} // namespace intellisched::cli
