// SPDX-License-Identifier: MIT
// Reads UBJSON in the one way in which XGBoost 1.7 and 3.0 write it. See verify_model.hpp.
#pragma once

#include "src/base/result.hpp"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace intellisched {

/// A typed array, still in the file's bytes (big-endian).
template<class T> struct UbjArray {
    std::span<const std::byte> bytes;

    [[nodiscard]] std::size_t size() const { return bytes.size() / sizeof(T); }
    [[nodiscard]] T operator[](std::size_t i) const {
        if constexpr (sizeof(T) == 1) {
            return static_cast<T>(bytes[i]);
        } else {
            static_assert(sizeof(T) == 4);
            std::uint32_t value = 0;
            for (const std::byte byte : bytes.subspan(i * 4, 4))
                value = value << 8 | std::to_integer<std::uint32_t>(byte);
            return std::bit_cast<T>(value);
        }
    }
};

/// Every function reads what its name says at the current position. The first mismatch is kept as
/// the error, and from then on all functions return empty values. Callers look at failed() where
/// they loop or index, and at the end.
class UbjReader {
  public:
    explicit UbjReader(std::span<const std::byte> bytes) : bytes_(bytes) {}

    [[nodiscard]] bool failed() const { return error_.has_value(); }
    [[nodiscard]] const Error& error() const { return *error_; }
    /// Notes the first failure at the current position.
    void refuse(std::string_view why);

    void mark(char marker);                                     ///< exactly this byte
    void key(std::string_view key);                             ///< exactly this key of an object
    [[nodiscard]] bool next_is_key(std::string_view key) const; ///< stays where it is
    std::int64_t integer();                                     ///< an integer of any width
    std::string_view string();                                  ///< a string value
    std::size_t count(); ///< the head of an untyped array: its length
    /// A typed array whose marker is `marker`; its bytes are there.
    template<class T> UbjArray<T> array(char marker) {
        mark('[');
        mark('$');
        mark(marker);
        return {take(length(), sizeof(T))};
    }
    void end(); ///< nothing follows

  private:
    std::span<const std::byte> take(std::size_t count, std::size_t width);
    std::int64_t big_endian(std::size_t width);
    std::size_t length(); ///< "#L" and the number of elements

    std::span<const std::byte> bytes_;
    std::size_t at_ = 0;
    std::optional<Error> error_;
};

} // namespace intellisched
