// SPDX-License-Identifier: GPL-2.0-only
// The commands of credit2-sim. Each adds itself to the command line and leaves behind what is to be
// run when it is the one that was asked for.
#pragma once

#include "src/base/result.hpp"

#include <CLI/CLI.hpp>
#include <functional>

namespace sim {

using intellisched::Result;

using Action = std::function<Result<void>()>;
using Stop = std::function<bool()>; ///< whether a signal asked to stop

void add_run(CLI::App& app, Action& action, const Stop& stop);
void add_serve(CLI::App& app, Action& action, const Stop& stop);
void add_costs(CLI::App& app, Action& action);
void add_check(CLI::App& app, Action& action);
void add_generate(CLI::App& app, Action& action);

} // namespace sim
