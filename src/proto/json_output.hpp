// SPDX-License-Identifier: MIT
// What the commands print with --json: intellisched-json(5) documents it.
#pragma once

#include <google/protobuf/message.h>
#include <string>

namespace intellisched {

/// Of all that is printed; one more when a field goes or has another meaning. New fields come
/// without one.
inline constexpr unsigned json_version = 1;

/// The message as a JSON object on one line, which begins with "json_version". Field names are the
/// .proto's, and fields of value 0 are shown; those that are optional, and messages, only where
/// they are set. Other than in protobuf's own mapping every number is one, 64 bits or not; null is
/// one that is not known (NaN).
[[nodiscard]] std::string json_output(const google::protobuf::Message& message);

} // namespace intellisched
