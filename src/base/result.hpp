// SPDX-License-Identifier: MIT
// Errors are values: every function that can fail for a reason outside this program returns a
// Result. The message is one line that names the thing, the cause and the way out, ready for
// stderr.
#pragma once

#include <fmt/format.h>
#include <string>
#include <tl/expected.hpp>
#include <type_traits>
#include <utility>

namespace intellisched {

struct Error {
    std::string message;
};

template<class T> using Result = tl::expected<T, Error>;

/// Builds the error side of a Result from a format string and its arguments.
template<class... Args>
[[nodiscard]] tl::unexpected<Error> fail(fmt::format_string<Args...> format, Args&&... args) {
    return tl::unexpected(Error{fmt::format(format, std::forward<Args>(args)...)});
}

/// What is in a Result that is known to hold a value.
template<class T> T value_of(Result<T>& result) {
    if constexpr (!std::is_void_v<T>) return std::move(*result);
}

/// The value of a Result; where it is an error, the function that this stands in returns the error.
///     const auto bundle = TRY(read_bundle(path));
// An expression with statements in it is an extension of GCC that Clang has, too. Only as a
// statement or an initializer of its own: what else of a list or a call was made before it is not
// destroyed.
#define TRY(...)                                                                                   \
    __extension__({                                                                                \
        auto tried_ = (__VA_ARGS__);                                                               \
        if (!tried_) return tl::unexpected(std::move(tried_.error()));                             \
        ::intellisched::value_of(tried_);                                                          \
    })

/// `text` made safe for one line of a terminal or a log (a guest chooses its own name). Control
/// characters, those that change the order of others, invisible ones, and invalid UTF-8 become '?'.
/// What is longer than `limit` bytes is cut.
[[nodiscard]] std::string printable(std::string_view text, std::size_t limit = 128);

} // namespace intellisched
