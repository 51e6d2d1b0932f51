// SPDX-License-Identifier: MIT
#pragma once

#include "src/base/result.hpp"

#include <google/protobuf/message.h>
#include <string>

namespace intellisched::cli {

/// The message in protobuf's JSON mapping, on one line, with the field names as written in the
/// .proto and fields of value 0 shown.
[[nodiscard]] std::string to_json(const google::protobuf::Message& message);

/// Writes to stdout; an error when it cannot take it (a full disk, a closed pipe).
[[nodiscard]] Result<void> print(const std::string& text);

/// Rewrites one line of progress on stderr when that is a terminal; elsewhere writes nothing.
class Progress {
  public:
    Progress();
    ~Progress(); ///< removes the line
    void show(const std::string& line);

  private:
    bool terminal_;
    bool shown_ = false;
};

} // namespace intellisched::cli
