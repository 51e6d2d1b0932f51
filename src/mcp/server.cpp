// SPDX-License-Identifier: MIT
#include "src/mcp/server.hpp"

#include <algorithm>

namespace intellisched::mcp {

using nlohmann::json;

namespace {

constexpr const char* stateless_revision = "2026-07-28";
constexpr const char* session_revision = "2025-11-25";

// Keys of params._meta and of a result's.
constexpr const char* key_of_version = "io.modelcontextprotocol/protocolVersion";
constexpr const char* key_of_capabilities = "io.modelcontextprotocol/clientCapabilities";
constexpr const char* key_of_server = "io.modelcontextprotocol/serverInfo";

// JSON-RPC's codes, the protocol's own, and one of ours (-32000 to -32019 are servers').
constexpr int not_json = -32700, no_request = -32600, no_method = -32601, wrong_arguments = -32602,
              unknown_version = -32022, cannot = -32000;

constexpr std::size_t longest_id = 256; // it is sent back
// The tools are the same for as long as the program runs.
constexpr unsigned fresh_for_ms = 3'600'000;

constexpr const char* instructions =
    "Xen's credit2 scheduler groups the CPUs of a cpupool into runqueues (the layout), and lets a "
    "vCPU run for some time before another may preempt it (the rate limit). intellisched chooses "
    "both by what the guests do. Begin with status; where no service runs, with recommend. Go by "
    "the verdict: \"switch\" where the expected gain is worth it, \"keep\", or \"abstain\" where "
    "nothing can be said; the reasons tell why. Gains are predictions, as fractions: 0.05 is 5%.";

std::string line_of(const json& message) {
    return message.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string error_line(const json& id, int code, std::string_view message, json data = {}) {
    json error{{"code", code}, {"message", message}};
    if (!data.is_null()) error["data"] = std::move(data);
    json whole{{"jsonrpc", "2.0"}, {"error", std::move(error)}};
    if (!id.is_null()) whole["id"] = id; // none, where JSON-RPC has null
    return line_of(whole);
}

bool possible_id(const json& id) {
    return id.is_number_integer() ||
           (id.is_string() && id.get_ref<const std::string&>().size() <= longest_id);
}

/// The member, where `object` is one that has it; null otherwise.
const json& member(const json& object, const char* name) {
    static const json none;
    const auto found = object.is_object() ? object.find(name) : object.end();
    return object.is_object() && found != object.end() ? *found : none;
}

std::string text_of(const json& value) {
    return value.is_string() ? value.get<std::string>() : std::string();
}

/// The output as JSON, which has to be an object: one as it is, those of a line each as entries.
/// Nothing: it is for people.
std::optional<json> structure_of(std::string_view output) {
    json whole = json::parse(output, nullptr, false);
    if (whole.is_object()) return whole;
    json entries = json::array();
    while (!output.empty()) {
        const auto end = std::min(output.find('\n'), output.size());
        json entry = json::parse(output.substr(0, end), nullptr, false);
        if (!entry.is_object()) return std::nullopt;
        entries.push_back(std::move(entry));
        output.remove_prefix(std::min(end + 1, output.size()));
    }
    return json{{"entries", std::move(entries)}};
}

} // namespace

struct Server::Request {
    const json& id;
    std::string method;
    const json& params;
    bool stateless = false;
};

Asked Server::take(std::string_view message) {
    // Neither parsing nor forgetting it recurses, however deep it is.
    const json parsed = json::parse(message, nullptr, false);
    if (parsed.is_discarded()) return error_line(nullptr, not_json, "this is not JSON");
    const json& id = member(parsed, "id");
    const bool has_id = parsed.is_object() && parsed.contains("id");
    const std::string method = text_of(member(parsed, "method"));
    if (text_of(member(parsed, "jsonrpc")) != "2.0" || (has_id && !possible_id(id)))
        return error_line(possible_id(id) ? id : json(), no_request,
                          "this is not a request of JSON-RPC 2.0");
    const json& params = member(parsed, "params");
    if (!has_id) {
        // A notification, which nobody waits for an answer to.
        if (method == "notifications/cancelled" && possible_id(member(params, "requestId")))
            return Cancellation{member(params, "requestId")};
        return {};
    }
    if (method.empty()) {
        // An answer; nothing has been asked.
        if (parsed.contains("result") || parsed.contains("error")) return {};
        return error_line(id, no_request, "the request has no method");
    }
    const json& meta = member(params, "_meta");
    const json& version = member(meta, key_of_version);
    Request request{id, method, params, !version.is_null()};
    if (request.stateless && text_of(version) != stateless_revision)
        return error_line(id, unknown_version, "this revision of the protocol is not spoken here",
                          {{"supported", json::array({stateless_revision})},
                           {"requested", printable(text_of(version))}});
    if (request.stateless && !member(meta, key_of_capabilities).is_object())
        return error_line(id, wrong_arguments,
                          fmt::format("params._meta has no {}", key_of_capabilities));
    return answer_to(request);
}

Asked Server::answer_to(const Request& request) {
    const json capabilities{{"tools", json::object()}};
    if (!request.stateless && request.method == "initialize") {
        initialized_ = true;
        return result_of(request, {{"protocolVersion", session_revision},
                                   {"capabilities", capabilities},
                                   {"serverInfo", about_us()},
                                   {"instructions", instructions}});
    }
    if (!request.stateless && request.method == "ping") return result_of(request, json::object());
    if (!request.stateless && !initialized_)
        return error_line(request.id, wrong_arguments,
                          fmt::format("name the protocol's revision as {} in params._meta, or send "
                                      "initialize first",
                                      key_of_version));
    if (request.stateless && request.method == "server/discover")
        return result_of(request, {{"supportedVersions", json::array({stateless_revision})},
                                   {"capabilities", capabilities},
                                   {"instructions", instructions},
                                   {"ttlMs", fresh_for_ms},
                                   {"cacheScope", "public"}});
    if (request.method == "tools/list") {
        json result{{"tools", described_tools()}};
        if (request.stateless) {
            result["ttlMs"] = fresh_for_ms;
            result["cacheScope"] = "public";
        }
        return result_of(request, std::move(result));
    }
    if (request.method == "tools/call") return call_of(request);
    return error_line(request.id, no_method,
                      fmt::format("{}: there is no such method", printable(request.method)));
}

Asked Server::call_of(const Request& request) const {
    const std::string name = text_of(member(request.params, "name"));
    const auto tool = std::ranges::find(tools(), name, &Tool::name);
    if (tool == tools().end())
        return error_line(request.id, wrong_arguments,
                          fmt::format("{}: there is no such tool", printable(name)));
    if (tool->changes && !allow_changes_)
        return error_line(request.id, wrong_arguments,
                          fmt::format("{}: changes something, and nobody has started this server "
                                      "with --allow-changes",
                                      name));
    const json& given = member(request.params, "arguments");
    if (!given.is_null() && !given.is_object())
        return error_line(request.id, wrong_arguments, "the arguments are not an object");
    auto line = command_line(*tool, given.is_null() ? json::object() : given);
    // An assistant sees what a tool says, and not what the protocol does.
    if (!line)
        return answer({request.id, request.stateless, nullptr}, {1, {}, line.error().message});
    return Call{request.id, request.stateless, &*tool, std::move(*line)};
}

std::string Server::answer(const Call& call, const Outcome& outcome) const {
    std::string text = outcome.output;
    // 3: the verdict is to abstain, which is an answer.
    bool failed = outcome.status != 0 && outcome.status != 3;
    if (failed)
        text = outcome.errors.empty() ? "the command ended without a word" : outcome.errors;
    else if (text.size() > longest_output) {
        failed = true;
        text = fmt::format("the answer is longer than {} kB; ask for less, by a limit or a pool",
                           longest_output >> 10);
    }
    if (!failed && text.empty()) text = outcome.errors; // "nothing of pool x"
    json content = json::array();
    content.push_back({{"type", "text"}, {"text", text}});
    json result{{"isError", failed}, {"content", std::move(content)}};
    if (!failed)
        if (auto structure = structure_of(text))
            result["structuredContent"] = std::move(*structure);
    return result_of({call.id, {}, call.id, call.stateless}, std::move(result));
}

std::string Server::refusal(const json& id, std::string_view why) {
    return error_line(id, cannot, why);
}

std::string Server::result_of(const Request& request, json result) const {
    if (request.stateless) {
        result["resultType"] = "complete";
        result["_meta"] = {{key_of_server, about_us()}};
    }
    return line_of({{"jsonrpc", "2.0"}, {"id", request.id}, {"result", std::move(result)}});
}

json Server::described_tools() const {
    json described = json::array();
    for (const Tool& tool : tools())
        if (allow_changes_ || !tool.changes) described.push_back(description_of(tool));
    return described;
}

json Server::about_us() const {
    return {{"name", "intellisched"}, {"title", "intellisched"}, {"version", version_}};
}

} // namespace intellisched::mcp
