// SPDX-License-Identifier: MIT
// The Model Context Protocol, by which assistants use tools: what a message asks for, and what is
// answered. No input or output of its own.
//
// Two revisions of https://modelcontextprotocol.io/specification are spoken, as each request says:
//     2026-07-28  stateless: each request names its revision in params._meta; server/discover
//     2025-11-25  a client begins with initialize
// Messages are JSON-RPC 2.0, one a line. Nothing in one is trusted.
#pragma once

#include "src/mcp/tools.hpp"

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace intellisched::mcp {

/// The longest message that is read, and the longest answer of a tool that is handed on.
inline constexpr std::size_t longest_message = 1 << 20;
inline constexpr std::size_t longest_output = 256 << 10;

/// A tool that is to be run.
struct Call {
    nlohmann::json id;
    bool stateless = false; ///< it was asked for by the revision that has no sessions
    const Tool* tool = nullptr;
    std::vector<std::string> arguments = {}; ///< of `intellisched`
};

/// A call is not wanted any more.
struct Cancellation {
    nlohmann::json id;
};

/// What came of a command.
struct Outcome {
    int status = 0; ///< exit status; -1: it was ended
    std::string output = {}, errors = {};
};

/// What a message asks for: nothing, that this is answered, or something to do.
using Asked = std::variant<std::monostate, std::string, Call, Cancellation>;

class Server {
  public:
    /// `version`: of this program, for the client's eyes. Tools that change something are there
    /// with `allow_changes` only.
    Server(std::string version, bool allow_changes)
        : version_(std::move(version)), allow_changes_(allow_changes) {}

    /// Takes a message, a line without its end.
    [[nodiscard]] Asked take(std::string_view message);
    /// The answer to a call that has come to its end.
    [[nodiscard]] std::string answer(const Call& call, const Outcome& outcome) const;
    /// The answer to a call that cannot be run.
    [[nodiscard]] static std::string refusal(const nlohmann::json& id, std::string_view why);

  private:
    struct Request;
    [[nodiscard]] Asked answer_to(const Request& request);
    [[nodiscard]] Asked call_of(const Request& request) const;
    [[nodiscard]] std::string result_of(const Request& request, nlohmann::json result) const;
    [[nodiscard]] nlohmann::json described_tools() const;
    [[nodiscard]] nlohmann::json about_us() const;

    std::string version_;
    bool allow_changes_;
    bool initialized_ = false; ///< by the older revision
};

} // namespace intellisched::mcp
