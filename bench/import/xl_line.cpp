// SPDX-License-Identifier: MIT
#include "bench/import/xl_line.hpp"

#include <algorithm>
#include <charconv>

namespace intellisched::imported {

static constexpr std::string_view blank = " \t";

std::string_view trimmed(std::string_view text) {
    const auto first = text.find_first_not_of(" \t\r");
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

Words words_of(std::string_view text) {
    Words words;
    words.reserve(8);
    for (std::size_t at = text.find_first_not_of(blank); at != std::string_view::npos;) {
        const std::size_t end = std::min(text.find_first_of(blank, at), text.size());
        words.push_back(text.substr(at, end - at));
        at = text.find_first_not_of(blank, end);
    }
    return words;
}

std::optional<Words> last_words(std::string_view& text, std::size_t count) {
    Words words(count);
    std::string_view left = trimmed(text);
    for (std::size_t i = count; i-- > 0;) {
        if (left.empty()) return std::nullopt;
        const std::size_t before = left.find_last_of(blank);
        words[i] = left.substr(before == std::string_view::npos ? 0 : before + 1);
        left = trimmed(left.substr(0, left.size() - words[i].size()));
    }
    text = left;
    return words;
}

std::optional<unsigned> number(std::string_view text) {
    unsigned value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

std::optional<CpuRanges> ranges_of(std::string_view text) {
    CpuRanges ranges;
    while (true) {
        const std::string_view one = text.substr(0, text.find(','));
        const std::size_t dash = one.find('-');
        const auto first = number(one.substr(0, dash));
        const auto last = dash == std::string_view::npos ? first : number(one.substr(dash + 1));
        if (!first || !last || *last < *first || *last >= most_cpus) return std::nullopt;
        if (!ranges.empty() && *first <= ranges.back().second) return std::nullopt;
        if (!ranges.empty() && *first == ranges.back().second + 1)
            ranges.back().second = *last;
        else
            ranges.emplace_back(*first, *last);
        if (one.size() == text.size()) return ranges;
        text.remove_prefix(one.size() + 1);
    }
}

bool read_affinity(std::string_view text, XlAffinity& to) {
    if (text == "all") return true;
    to = text == "none" ? CpuRanges{} : ranges_of(text);
    return to.has_value();
}

bool is_prompt(std::string_view line) {
    for (std::size_t at = 0; (at = line.find_first_of("#$>%", at)) != std::string_view::npos; ++at)
        if (at + 1 == line.size() || line[at + 1] == ' ') return true;
    const Words words = words_of(line);
    for (std::size_t i = 0; i + 1 < words.size(); ++i)
        if (words[i] == "xl" && (words[i + 1] == "info" || words[i + 1].ends_with("-list") ||
                                 words[i + 1].starts_with("sched-") || words[i + 1] == "list"))
            return true;
    return line.starts_with("xl ");
}

/// Whether it fences pasted text off, as "```", "</pre>" or "[/code]" do.
static bool is_fence(std::string_view line) {
    return line.starts_with("```") || line.starts_with("~~~") || line.starts_with("</") ||
           line.starts_with("[/") || line == "{code}" || line == "{noformat}" || line == "--";
}

std::optional<std::pair<std::string_view, std::string_view>> keyed(std::string_view text) {
    const std::size_t colon = text.find(':');
    if (colon == std::string_view::npos) return std::nullopt;
    const std::string_view key = trimmed(text.substr(0, colon));
    const auto in_key = [](char c) { return (c >= 'a' && c <= 'z') || c == '_' || c == ' '; };
    if (key.empty() || !std::ranges::all_of(key, in_key)) return std::nullopt;
    return std::pair{key, trimmed(text.substr(colon + 1))};
}

bool ends_table(std::string_view text) {
    return text.starts_with("Cpupool ") || keyed(text) || is_prompt(text) || is_fence(text);
}

bool is_rest_of_list(std::string_view text) {
    return !text.empty() && text.find_first_not_of("0123456789,-") == std::string_view::npos &&
           text != "-" && text != "--";
}

} // namespace intellisched::imported
