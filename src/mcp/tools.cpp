// SPDX-License-Identifier: MIT
#include "src/mcp/tools.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

namespace intellisched::mcp {

using nlohmann::json;

namespace {

constexpr std::size_t longest_text = 256;

const Parameter pool{"pool", "The cpupool, by name; Pool-0 is the one that Xen boots with."};
const Parameter any_pool{"pool", "Only that cpupool, by name. All when left out."};
const Parameter seconds{"seconds", "How long to watch a live host; 10 when left out.", 1, 60};
const Parameter intent{"intent",
                       "What is to be served: work done, waits, or both. balanced when left out.",
                       0,
                       0,
                       {"throughput", "latency", "balanced"}};

const std::vector<Tool> all{
    {.name = "status",
     .description = "What the running service sees and does: by cpupool its layout, rate limit, "
                    "recommendation, trial and reasons. Needs the service.",
     .command = {"status", "--json"},
     .parameters = {any_pool}},
    {.name = "recommend",
     .description =
         "Watches the guests of a cpupool for some seconds and names the best runqueue layout and "
         "rate limit of the credit2 scheduler, with the gain that each promises, reasons, and the "
         "commands that an administrator would type. Changes nothing. While the service runs it "
         "has Xen's only trace buffers: ask for status then.",
     .command = {"recommend", "--json"},
     .parameters = {pool, seconds, intent},
     .looks = true},
    {.name = "explain",
     .description = "As recommend, and what of the load speaks for and against the choice.",
     .command = {"recommend", "--json", "--explain"},
     .parameters = {pool, seconds, intent},
     .looks = true},
    {.name = "guests",
     .description = "Watches a cpupool and tells by guest what CPU time it gets and is due, how "
                    "long and for whom it waits, and what would help. Changes nothing.",
     .command = {"guests", "--json"},
     .parameters = {pool, seconds},
     .looks = true},
    {.name = "diagnose",
     .description = "Watches a cpupool and names what is wrong there that no layout and no rate "
                    "limit mends, with the command that does, or says that the scheduler is not "
                    "the cause. Changes nothing.",
     .command = {"diagnose", "--json"},
     .parameters = {pool, seconds},
     .looks = true},
    {.name = "history",
     .description = "What the service decided and did, from its journal, the oldest first: "
                    "recommendations, switches, and how each trial ended.",
     .command = {"history", "--json"},
     .parameters = {any_pool,
                    {"since", "Nothing older: 90s, 30min, 2h, 7d, today, yesterday or a date such "
                              "as 2026-11-21."},
                    {"limit", "The newest so many entries; 50 when left out.", 1, 100}}},
    {.name = "pause",
     .description = "Has the service switch nothing until resume; a trial comes to its end.",
     .command = {"pause"},
     .parameters = {any_pool},
     .changes = true},
    {.name = "resume",
     .description = "Ends a pause, and the respect for somebody else's choice of a configuration. "
                    "In mode auto the service may begin a trial then, within its own bounds.",
     .command = {"resume"},
     .parameters = {any_pool},
     .changes = true},
};

/// The value as it is on a command line.
Result<std::string> text_of(const Parameter& parameter, const json& value) {
    if (parameter.most > 0) {
        const double number = value.is_number() ? value.get<double>() : -1;
        if (!(number >= parameter.least && number <= parameter.most) ||
            number != std::floor(number))
            return fail("{}: give a whole number from {} to {}", parameter.name, parameter.least,
                        parameter.most);
        return std::to_string(static_cast<unsigned>(number));
    }
    if (!value.is_string()) return fail("{}: give a text", parameter.name);
    const auto& text = value.get_ref<const std::string&>();
    if (text.empty() || text.size() > longest_text || text.find('\0') != std::string::npos)
        return fail("{}: give a text of 1 to {} bytes", parameter.name, longest_text);
    if (!parameter.choices.empty() &&
        std::ranges::find(parameter.choices, text) == parameter.choices.end())
        return fail("{}: give one of {}", parameter.name, fmt::join(parameter.choices, ", "));
    return text;
}

} // namespace

std::span<const Tool> tools() { return all; }

json description_of(const Tool& tool) {
    json properties = json::object();
    for (const Parameter& parameter : tool.parameters) {
        json& property = properties[std::string(parameter.name)];
        property["description"] = parameter.description;
        property["type"] = parameter.most > 0 ? "integer" : "string";
        if (parameter.most > 0) {
            property["minimum"] = parameter.least;
            property["maximum"] = parameter.most;
        }
        if (!parameter.choices.empty()) property["enum"] = parameter.choices;
    }
    return {{"name", tool.name},
            {"description", tool.description},
            {"inputSchema",
             {{"type", "object"}, {"properties", properties}, {"additionalProperties", false}}},
            {"annotations",
             {{"readOnlyHint", !tool.changes},
              {"destructiveHint", false},
              {"idempotentHint", true},
              {"openWorldHint", false}}}};
}

Result<std::vector<std::string>> command_line(const Tool& tool, const json& arguments) {
    std::vector<std::string> line = tool.command;
    for (const auto& [name, value] : arguments.items()) {
        const auto parameter = std::ranges::find(tool.parameters, name, &Parameter::name);
        if (parameter == tool.parameters.end())
            return fail("{}: {} has no such argument", printable(name), tool.name);
        // In one word: what begins with a dash is a value, too.
        line.push_back(fmt::format("--{}={}", name, TRY(text_of(*parameter, value))));
    }
    return line;
}

} // namespace intellisched::mcp
