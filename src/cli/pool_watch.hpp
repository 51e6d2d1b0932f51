// SPDX-License-Identifier: MIT
// Watching one pool of a host for a while: what `recommend`, `guests` and `diagnose` have in
// common.
#pragma once

#include "src/cli/explanation.hpp"
#include "src/cli/source.hpp"
#include "src/model/classifier.hpp"
#include "src/policy/findings.hpp"
#include "src/policy/judge.hpp"

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace intellisched::cli {

struct WatchOptions {
    Source source;
    double seconds = 10;
    std::string intent = "balanced";
    std::string bundle;
    std::vector<float> costs; ///< of the machine, as the model takes them; or none

    /// Those of the source, and --seconds.
    void add_to(CLI::App& command);
    /// --intent and --bundle.
    void add_model_to(CLI::App& command);
};

/// What came of watching the pool.
struct Watched {
    PoolFacts facts; ///< of the last window
    std::vector<ExplainedWindow> windows;
    std::vector<Observation> observations;
    std::vector<Observation> rate_limit; ///< the same windows with predictions of that
    Findings findings;
    proto::HostSnapshot snapshot; ///< the last one
    std::vector<std::string> odd; ///< what does not fit the host: its CPUs, its clocks
    unsigned before = 0;          ///< windows of another configuration of the pool, left out
    /// Windows of the same one that the findings leave out: of before a change of a guest's weight,
    /// cap or hard affinity, and of it.
    unsigned turned = 0;
};

/// Looks at the pool until the host ends, or the time is up on a live one. Without models there is
/// nothing to judge. Errors: the host's; no
/// such pool, or none of credit2; a trace without a window, or without credit2's records.
[[nodiscard]] Result<Watched> watch(const WatchOptions& options, const Models* models);

/// The same of a host that is open already.
[[nodiscard]] Result<Watched> watch(Host& host, const WatchOptions& options, const Models* models);

/// What to know of what was seen, a line each: records that were lost, unless a finding told of
/// them; clocks that differ a little; windows of another configuration, or other weights, which are
/// left out; and what does not fit the host.
[[nodiscard]] std::vector<std::string> remarks_on(const Watched& watched,
                                                  bool lost_is_told = false);

/// The verdicts on a single look.
[[nodiscard]] Verdict judge_layout(const Watched& watched);
[[nodiscard]] Verdict judge_rate_limit(const Watched& watched);
/// Of that: the windows of a single look, the gain that the model card speaks of.
[[nodiscard]] Margins rate_limit_margins();

} // namespace intellisched::cli
