// SPDX-License-Identifier: MIT
// Choices of layouts beside the boot default in what an administrator can picture: work done, and
// how often vCPUs moved.
#pragma once

#include "bench/experiment/results.hpp"
#include "bench/proto/evaluation.pb.h"

#include <map>

namespace intellisched::bench {

/// What was chosen in one case, of which the boot default was the alternative.
struct Choice {
    std::string scenario;
    std::string method;             ///< of choosing
    std::string part;               ///< that it is counted in, such as "build on 2 sockets"
    Layout chosen = Layout::socket; ///< as its partition's representative, like the next
    Layout standard = Layout::socket;
};

/// One comparison a part and method, in the order of their names: over the choices, the geometric
/// mean of the work of the guests that worked under both layouts (all repeats together), and the
/// mean rates of moves in the windows that were traced. Choices whose runs are not among the
/// outcomes are left out.
[[nodiscard]] std::vector<proto::Comparison> compare(const std::map<RunKey, RunResult>& outcomes,
                                                     std::span<const Choice> choices);

} // namespace intellisched::bench
