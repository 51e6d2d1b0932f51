// SPDX-License-Identifier: MIT
// A line of what `xl` prints, and the words in it.
#pragma once

#include "bench/import/xl_text.hpp"

namespace intellisched::imported {

constexpr unsigned most_cpus = 4096; // as of src/layout/snapshot.cpp

using Words = std::vector<std::string_view>;

/// Without blanks at both ends.
[[nodiscard]] std::string_view trimmed(std::string_view text);

[[nodiscard]] Words words_of(std::string_view text);

/// The last `count` words; `text` keeps what stands before them. Nothing: it has fewer.
[[nodiscard]] std::optional<Words> last_words(std::string_view& text, std::size_t count);

[[nodiscard]] std::optional<unsigned> number(std::string_view text);

/// "0-3,8" or "0,1,2,3". Nothing: it is no such list, or names CPUs that no host has.
[[nodiscard]] std::optional<CpuRanges> ranges_of(std::string_view text);

/// False: no affinity.
[[nodiscard]] bool read_affinity(std::string_view text, XlAffinity& to);

/// "xen_version : 4.17.5" of `xl info`, as key and value. Nothing: it is no such line.
[[nodiscard]] std::optional<std::pair<std::string_view, std::string_view>>
keyed(std::string_view text);

/// Whether a shell wrote it, or who ran it: "[root@h ~]# xl vcpu-list", "h:~ $", "+ xl info -n".
[[nodiscard]] bool is_prompt(std::string_view line);

/// Whether the line cannot be one of a table's, broken or not: it ends one.
[[nodiscard]] bool ends_table(std::string_view text);

/// Whether it is the rest of a list of CPUs that a terminal broke.
[[nodiscard]] bool is_rest_of_list(std::string_view text);

} // namespace intellisched::imported
