// SPDX-License-Identifier: MIT
// Texts without the names in them, for a report that strangers read.
#pragma once

#include <google/protobuf/message.h>
#include <map>
#include <set>
#include <string>
#include <string_view>

namespace intellisched::cli {

/// Names and what stands for them: guest-1, pool-1 and so on, the same wherever a name occurs.
/// Pool-0 and Domain-0, which every host has, keep theirs.
class Redaction {
  public:
    enum class Of : std::uint8_t { guests, pools, hosts };
    /// Names of one kind; "" is none. Numbers are given in the order of the names, and no number
    /// that makes somebody's name.
    void add(Of kind, const std::set<std::string>& names);

    /// The text with each name replaced, where it stands as a word of its own, also when it was cut
    /// or made printable, and without UUIDs.
    [[nodiscard]] std::string operator()(std::string_view text) const;

    /// Does that to all texts of the message and of those in it.
    void apply(google::protobuf::Message& message) const;

  private:
    std::map<std::string, std::string, std::greater<>>
        names_; ///< a longer one before its beginning
};

} // namespace intellisched::cli
