// SPDX-License-Identifier: MIT
// The tools that an assistant may use, each a command of `intellisched` with --json. What they
// accept, the JSON schema of it and the command line all follow from one table.
#pragma once

#include "src/base/result.hpp"

#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace intellisched::mcp {

/// An argument of a tool, which becomes --NAME=VALUE.
struct Parameter {
    std::string_view name;
    std::string_view description;
    /// A whole number from `least` to `most`; with 0 a text.
    unsigned least = 0, most = 0;
    std::vector<std::string_view> choices = {}; ///< of a text; empty: any
};

struct Tool {
    std::string_view name;
    std::string_view description;
    std::vector<std::string> command; ///< of `intellisched`
    std::vector<Parameter> parameters;
    bool changes = false; ///< it changes what the service does
    bool looks = false;   ///< it takes --host
};

/// All of them.
[[nodiscard]] std::span<const Tool> tools();

/// As tools/list describes it.
[[nodiscard]] nlohmann::json description_of(const Tool& tool);

/// The command line for `arguments`, an object. Errors: an argument that the tool does not have, or
/// of another type, or out of its range.
[[nodiscard]] Result<std::vector<std::string>> command_line(const Tool& tool,
                                                            const nlohmann::json& arguments);

} // namespace intellisched::mcp
