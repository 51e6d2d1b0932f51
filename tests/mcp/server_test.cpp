// SPDX-License-Identifier: MIT
// What the server makes of messages: of both revisions, of none, and of garbage.
#include "src/mcp/server.hpp"

#include <doctest/doctest.h>

using namespace intellisched;
using namespace intellisched::mcp;
using nlohmann::json;

namespace {

json stateless_meta() {
    return {{"io.modelcontextprotocol/protocolVersion", "2026-07-28"},
            {"io.modelcontextprotocol/clientCapabilities", json::object()}};
}

/// A request of the revision without sessions.
std::string request(const char* method, json params = json::object()) {
    params["_meta"] = stateless_meta();
    return json{{"jsonrpc", "2.0"}, {"id", 7}, {"method", method}, {"params", params}}.dump();
}

json answered(Server& server, const std::string& message) {
    const Asked asked = server.take(message);
    const auto* line = std::get_if<std::string>(&asked);
    REQUIRE(line);
    CHECK(line->find('\n') == std::string::npos);
    return json::parse(*line);
}

int error_of(Server& server, const std::string& message) {
    return answered(server, message).at("error").at("code");
}

std::optional<Call> called(Server& server, const std::string& message) {
    Asked asked = server.take(message);
    auto* call = std::get_if<Call>(&asked);
    return call ? std::optional(std::move(*call)) : std::nullopt;
}

std::string call_of(const char* tool, const json& arguments) {
    return request("tools/call", {{"name", tool}, {"arguments", arguments}});
}

} // namespace

TEST_CASE("mcp: the revision without sessions") {
    Server server("1.2", false);
    const json found = answered(server, request("server/discover"));
    CHECK(found["id"] == 7);
    CHECK(found["result"]["supportedVersions"] == json::array({"2026-07-28"}));
    CHECK(found["result"]["resultType"] == "complete");
    CHECK(found["result"]["ttlMs"].is_number_unsigned());
    CHECK(found["result"]["_meta"]["io.modelcontextprotocol/serverInfo"]["version"] == "1.2");

    const json listed = answered(server, request("tools/list"));
    CHECK(listed["result"]["resultType"] == "complete");
    CHECK(listed["result"]["tools"].size() >= 4);
    for (const json& tool : listed["result"]["tools"]) {
        CHECK(tool["inputSchema"]["type"] == "object");
        CHECK(tool["annotations"]["readOnlyHint"] == true);
    }
    CHECK(error_of(server, request("ping")) == -32601); // it is not in this revision
    CHECK(error_of(server, request("initialize")) == -32601);

    json unknown = json::parse(request("tools/list"));
    unknown["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] = "2031-01-01";
    const json refused = answered(server, unknown.dump());
    CHECK(refused["error"]["code"] == -32022);
    CHECK(refused["error"]["data"]["requested"] == "2031-01-01");
    CHECK(refused["error"]["data"]["supported"][0] == "2026-07-28");

    json incapable = json::parse(request("tools/list"));
    incapable["params"]["_meta"].erase("io.modelcontextprotocol/clientCapabilities");
    CHECK(error_of(server, incapable.dump()) == -32602);
}

TEST_CASE("mcp: the revision that begins with initialize") {
    Server server("1.2", false);
    const std::string list = R"({"jsonrpc":"2.0","id":"a","method":"tools/list"})";
    CHECK(error_of(server, list) == -32602);
    const json begun = answered(server, R"({"jsonrpc":"2.0","id":0,"method":"initialize","params":
                   {"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}}})");
    CHECK(begun["result"]["protocolVersion"] == "2025-11-25");
    CHECK(begun["result"]["serverInfo"]["name"] == "intellisched");
    CHECK(!begun["result"].contains("resultType"));
    CHECK(std::holds_alternative<std::monostate>(
        server.take(R"({"jsonrpc":"2.0","method":"notifications/initialized"})")));
    const json listed = answered(server, list);
    CHECK(listed["id"] == "a");
    CHECK(listed["result"].size() == 1);
    CHECK(answered(server, R"({"jsonrpc":"2.0","id":1,"method":"ping"})")["result"].empty());
    CHECK(error_of(server, R"({"jsonrpc":"2.0","id":1,"method":"resources/list"})") == -32601);
}

TEST_CASE("mcp: a call becomes a command line, in which nothing is an option but what we name") {
    Server server("1.2", false);
    const auto call =
        called(server, call_of("recommend",
                               {{"pool", "--host=sim:/x"}, {"seconds", 5}, {"intent", "latency"}}));
    REQUIRE(call);
    CHECK(call->stateless);
    CHECK(call->arguments == std::vector<std::string>{"recommend", "--json", "--intent=latency",
                                                      "--pool=--host=sim:/x", "--seconds=5"});
    for (const auto& [tool, arguments] : std::initializer_list<std::pair<const char*, json>>{
             {"recommend", {{"seconds", 61}}},
             {"recommend", {{"seconds", 0}}},
             {"recommend", {{"seconds", -1}}},
             {"recommend", {{"seconds", 2.5}}},
             {"recommend", {{"seconds", "5"}}},
             {"recommend", {{"intent", "speed"}}},
             {"recommend", {{"trace", "/etc/shadow"}}},
             {"recommend", {{"pool", ""}}},
             {"recommend", {{"pool", std::string("a\0b", 3)}}},
             {"recommend", {{"pool", std::string(300, 'a')}}},
             {"recommend", {{"pool", json::array()}}},
             {"status", {{"limit", 5}}}}) {
        CAPTURE(arguments.dump());
        const json answer = answered(server, call_of(tool, arguments));
        CHECK(answer["result"]["isError"] == true);
        CHECK(answer["result"]["content"][0]["text"].get<std::string>().starts_with(
            arguments.begin().key()));
    }
    CHECK(error_of(server, call_of("recommend", json::array({1}))) == -32602);
    CHECK(error_of(server, call_of("apply", json::object())) == -32602);
    CHECK(called(server, call_of("recommend", {{"seconds", 5.0}}))->arguments.back() ==
          "--seconds=5");
    CHECK(called(server, request("tools/call", {{"name", "status"}})));
}

TEST_CASE("mcp: what changes something is there for who was allowed it") {
    Server reading("1", false), changing("1", true);
    CHECK(error_of(reading, call_of("pause", json::object())) == -32602);
    const auto call = called(changing, call_of("pause", {{"pool", "Pool-0"}}));
    REQUIRE(call);
    CHECK(call->arguments == std::vector<std::string>{"pause", "--pool=Pool-0"});
    const auto count = [](Server& server) {
        return answered(server, request("tools/list"))["result"]["tools"].size();
    };
    CHECK(count(changing) == count(reading) + 2);
}

TEST_CASE("mcp: answers of commands") {
    Server server("1.2", false);
    const auto call = called(server, call_of("history", json::object()));
    REQUIRE(call);
    const auto result = [&](const Outcome& outcome) {
        return json::parse(server.answer(*call, outcome)).at("result");
    };
    const json whole = result({0, "{\n \"verdict\": \"keep\"\n}\n", ""});
    CHECK(whole["isError"] == false);
    CHECK(whole["structuredContent"]["verdict"] == "keep");
    CHECK(whole["content"][0]["type"] == "text");
    CHECK(whole["resultType"] == "complete");
    CHECK(result({3, "{}", ""})["isError"] == false); // to abstain is an answer
    const json lines = result({0, "{\"a\":1}\n{\"a\":2}\n", ""});
    CHECK(lines["structuredContent"]["entries"].size() == 2);
    const json text = result({0, "Pool-0 is paused\n", ""});
    CHECK(!text.contains("structuredContent"));
    CHECK(text["content"][0]["text"] == "Pool-0 is paused\n");
    CHECK(result({0, "", "nothing of pool x\n"})["content"][0]["text"] == "nothing of pool x\n");
    const json failed = result({1, "", "intellisched: no service\n"});
    CHECK(failed["isError"] == true);
    CHECK(failed["content"][0]["text"] == "intellisched: no service\n");
    CHECK(result({-1, "{}", ""})["isError"] == true);
    CHECK(result({0, std::string(longest_output + 1, ' '), ""})["isError"] == true);
    CHECK(result({0, "\xff\xfe", ""})["isError"] == false); // and it is JSON still
}

TEST_CASE("mcp: garbage is answered or ignored, and never more") {
    Server server("1.2", true);
    for (const char* garbage : {"", "{", "nonsense", "\xff\xfe", "{\"jsonrpc\":\"2.0\"", "[[["})
        CHECK(error_of(server, garbage) == -32700);
    for (const char* wrong :
         {"1", "null", "[]", "{}", R"([{"jsonrpc":"2.0","id":1,"method":"ping"}])",
          R"({"jsonrpc":"1.0","id":1,"method":"ping"})",
          R"({"jsonrpc":"2.0","id":null,"method":"ping"})",
          R"({"jsonrpc":"2.0","id":{},"method":"ping"})",
          R"({"jsonrpc":"2.0","id":1.5,"method":"ping"})", R"({"jsonrpc":"2.0","id":1})",
          R"({"jsonrpc":"2.0","id":1,"method":5})"}) {
        CAPTURE(wrong);
        CHECK(error_of(server, wrong) == -32600);
    }
    CHECK(error_of(
              server,
              json{{"jsonrpc", "2.0"}, {"id", std::string(300, 'i')}, {"method", "ping"}}.dump()) ==
          -32600);
    const auto ignored = [&](const char* message) {
        return std::holds_alternative<std::monostate>(server.take(message));
    };
    CHECK(ignored(R"({"jsonrpc":"2.0","method":"tools/call","params":{"name":"pause"}})"));
    CHECK(ignored(R"({"jsonrpc":"2.0","id":1,"result":{}})"));
    CHECK(ignored(R"({"jsonrpc":"2.0","method":"notifications/cancelled"})"));
    CHECK(std::holds_alternative<Cancellation>(server.take(
        R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"x"}})")));
    CHECK(!answered(server, "nonsense").contains("id"));
    CHECK(answered(server, R"({"jsonrpc":"1.0","id":5,"method":"ping"})")["id"] == 5);
    // As wide and as deep as a megabyte allows; quadratic time would be minutes.
    std::string wide = R"({"jsonrpc":"2.0","id":1,"method":"ping","params":[{})";
    for (int i = 0; i < 300'000; ++i) wide += ",{}";
    CHECK(answered(server, wide + "]}")["id"] == 1);
    const std::string deep(500'000, '[');
    (void)server.take(deep);
    (void)server.take(deep + std::string(500'000, ']'));
    (void)server.take(R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":)" + deep +
                      std::string(500'000, ']') + "}");
}
