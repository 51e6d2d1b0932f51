// SPDX-License-Identifier: MIT
// What happens to an output on its way into a file: editors, terminals and mail programs add to it,
// and break its lines.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace intellisched::imported {

struct PastedLine {
    unsigned number = 0; ///< in the file, from 1
    std::string text;
};

/// The lines of `text` as the program printed them, as far as that can be told. Taken away are
///  - what an editor adds: a byte order mark, UTF-16, CR, even without LF;
///  - what a terminal adds: escape sequences, a pager's "--More--";
///  - what a mail program or a web page adds: "> " before each line, blanks that do not break;
///  - lines that others wrote between: log lines of xl's libraries (`xl -v`), and of the kernel.
[[nodiscard]] std::vector<PastedLine> pasted_lines(std::string_view text);

/// The value of xen_commandline that `first` and `second` were before it was broken into two lines.
/// A mail program breaks between two options, a terminal anywhere: then only the options that are
/// looked at afterwards are put together.
[[nodiscard]] std::string joined_command_line(std::string_view first, std::string_view second);

} // namespace intellisched::imported
