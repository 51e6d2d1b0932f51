// SPDX-License-Identifier: MIT
#include "bench/import/pasted.hpp"

#include "src/layout/layout.hpp"

#include <algorithm>
#include <array>

namespace intellisched::imported {
namespace {

constexpr std::string_view digits = "0123456789";

/// UTF-16 as Windows writes it, with its byte order mark. What is not ASCII becomes '?': names
/// only.
std::string ascii_of_utf16(std::string_view bytes) {
    const std::size_t high = bytes.starts_with("\xff\xfe") ? 1 : 0;
    std::string text;
    text.reserve(bytes.size() / 2);
    for (std::size_t at = 2; at + 1 < bytes.size(); at += 2)
        text += bytes[at + high] == 0 ? bytes[at + 1 - high] : '?';
    return text;
}

/// Without "> > ", which mail programs put before each line that they quote.
std::string_view unquoted(std::string_view line) {
    while (line.starts_with('>')) {
        line.remove_prefix(1);
        if (line.starts_with(" >")) line.remove_prefix(1);
    }
    return line;
}

/// As a terminal shows it: without escape sequences (ESC [ ... letter, ESC ] ... BEL), of what a CR
/// let be written over only the last, and with common blanks.
std::string plain(std::string_view line) {
    line = line.substr(0, line.find_last_not_of('\r') + 1);
    line.remove_prefix(line.rfind('\r') + 1);
    std::string text;
    text.reserve(line.size());
    while (!line.empty()) {
        std::size_t skip = 1;
        if (line.starts_with("\x1b[")) {
            const std::size_t end = line.find_first_not_of("0123456789;?", 2);
            skip = std::min(end, line.size() - 1) + 1;
        } else if (line.starts_with("\x1b]")) {
            skip = std::min(line.find('\a'), line.size() - 1) + 1;
        } else if (line.starts_with("\xc2\xa0")) { // U+00A0
            text += ' ';
            skip = 2;
        } else {
            text += line[0];
        }
        line.remove_prefix(skip);
    }
    return text;
}

/// "libxl: debug: ...", "xencall:buffer: debug: ..." (tools/libs/toollog/xtl_core.c), and
/// "[   12.345678] ..." of the kernel.
bool is_logged(std::string_view line) {
    constexpr std::array<std::string_view, 9> levels{
        "debug", "verbose", "detail", "progress", "info", "notice", "warning", "error", "critical"};
    line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
    if (line.starts_with("--More--")) return true; // of a pager
    if (line.starts_with('[')) {
        const std::size_t from = line.find_first_not_of(' ', 1);
        const std::size_t to = line.find(']');
        if (from == std::string_view::npos || to == std::string_view::npos || from >= to)
            return false;
        const std::string_view time = line.substr(from, to - from);
        const std::size_t dot = time.find('.');
        return dot != std::string_view::npos && dot > 0 &&
               time.find_first_not_of("0123456789.") == std::string_view::npos;
    }
    const std::size_t context = line.find(": ");
    if (context == std::string_view::npos || line.find(' ') < context) return false;
    line.remove_prefix(context + 2);
    return std::ranges::any_of(levels, [&](std::string_view level) {
        return line.starts_with(level) && line.substr(level.size()).starts_with(": ");
    });
}

} // namespace

std::vector<PastedLine> pasted_lines(std::string_view text) {
    std::string converted;
    if (text.starts_with("\xff\xfe") || text.starts_with("\xfe\xff")) {
        converted = ascii_of_utf16(text);
        text = converted;
    }
    if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
    const char end = text.find('\n') == std::string_view::npos ? '\r' : '\n';
    std::vector<PastedLine> lines;
    unsigned number = 0;
    while (!text.empty()) {
        const std::string_view line = text.substr(0, text.find(end));
        text.remove_prefix(std::min(line.size() + 1, text.size()));
        ++number;
        std::string one = plain(unquoted(line));
        if (!is_logged(one)) lines.push_back({number, std::move(one)});
    }
    return lines;
}

std::string joined_command_line(std::string_view first, std::string_view second) {
    constexpr std::array<std::string_view, 5> read{
        "credit2_runqueue=", "sched_credit2_max_cpus_runqueue=", "sched_ratelimit_us=",
        "sched-gran=", "sched="};
    const std::size_t before = first.rfind(' ');
    const std::string_view head = first.substr(before == std::string_view::npos ? 0 : before + 1);
    const std::string_view tail = second.substr(0, second.find(' '));
    const bool broken = !head.empty() && std::ranges::any_of(read, [&](std::string_view option) {
        if (tail.starts_with(option)) return false;
        if (!head.starts_with(option))
            return option.starts_with(head) && // in the name
                   (std::string(head) + std::string(tail)).starts_with(option);
        const std::string_view value = head.substr(option.size());
        if (value.empty() || tail.find_first_not_of(digits) == std::string_view::npos) return true;
        return option == read[0] && !layout_from_string(value);
    });
    return std::string(first) + (broken ? "" : " ") + std::string(second);
}

} // namespace intellisched::imported
