// SPDX-License-Identifier: MIT
#pragma once

#include "src/base/result.hpp"
#include "src/proto/json_output.hpp"

#include <string>

namespace intellisched::cli {

/// Writes to stdout. Errors: it cannot take it (a full disk). A reader that has gone, as `head`
/// does, has seen what it wanted: that error has no message, and run_program() says nothing.
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
