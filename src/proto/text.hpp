// SPDX-License-Identifier: MIT
// Protobuf text that people write (plans, scenarios, costs), and JSON for programs.
#pragma once

#include "src/base/result.hpp"

#include <filesystem>
#include <google/protobuf/message.h>
#include <string>

namespace intellisched {

/// Parses protobuf text. Errors: "NAME:LINE: what the parser says; correct it".
[[nodiscard]] Result<void> parse_text(const std::string& name, const std::string& text,
                                      google::protobuf::Message& message);

/// The same with the text of a file, which must not be larger than 16 MiB.
[[nodiscard]] Result<void> parse_text_file(const std::filesystem::path& path,
                                           google::protobuf::Message& message);

/// The message in protobuf's JSON mapping, on one line, with the field names as written in the
/// .proto and fields of value 0 shown: for files that are read again. Commands print json_output().
[[nodiscard]] std::string to_json(const google::protobuf::Message& message);

} // namespace intellisched
