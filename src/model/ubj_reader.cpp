// SPDX-License-Identifier: MIT
#include "src/model/ubj_reader.hpp"

namespace intellisched {

void UbjReader::refuse(std::string_view why) {
    if (!error_) error_ = Error{fmt::format("{} at byte {} of the model", why, at_)};
}

std::span<const std::byte> UbjReader::take(std::size_t count, std::size_t width) {
    if (failed()) return {};
    if (count > (bytes_.size() - at_) / width) { // a division: count * width could overflow
        refuse("it ends too early");
        return {};
    }
    const auto taken = bytes_.subspan(at_, count * width);
    at_ += taken.size();
    return taken;
}

void UbjReader::mark(char marker) {
    const auto byte = take(1, 1);
    if (!byte.empty() && byte[0] != static_cast<std::byte>(marker)) {
        --at_;
        refuse(fmt::format("no '{}'", marker));
    }
}

std::int64_t UbjReader::big_endian(std::size_t width) {
    std::uint64_t value = 0;
    const auto bytes = take(width, 1);
    for (const std::byte byte : bytes) value = value << 8 | std::to_integer<std::uint64_t>(byte);
    if (!bytes.empty() && width < 8 && (bytes[0] & std::byte{0x80}) != std::byte{})
        value |= ~std::uint64_t{0} << (8 * width); // the sign
    return static_cast<std::int64_t>(value);
}

std::size_t UbjReader::length() {
    mark('#');
    mark('L');
    const std::int64_t n = big_endian(8);
    // Every element takes a byte at least, so a larger number is never true.
    if (n < 0 || static_cast<std::uint64_t>(n) > bytes_.size() - at_) {
        refuse("an impossible length");
        return 0;
    }
    return static_cast<std::size_t>(n);
}

void UbjReader::key(std::string_view key) {
    mark('L');
    const std::int64_t n = big_endian(8);
    if (failed()) return;
    const std::size_t start = at_;
    const auto bytes = n == static_cast<std::int64_t>(key.size()) ? take(key.size(), 1)
                                                                  : std::span<const std::byte>{};
    if (std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()) != key) {
        at_ = start;
        refuse(fmt::format("no '{}'", key));
    }
}

bool UbjReader::next_is_key(std::string_view key) const {
    UbjReader ahead = *this;
    ahead.key(key);
    return !ahead.failed();
}

std::int64_t UbjReader::integer() {
    const auto marker = take(1, 1);
    if (marker.empty()) return 0;
    switch (std::to_integer<char>(marker[0])) {
    case 'i':
        return big_endian(1);
    case 'I':
        return big_endian(2);
    case 'l':
        return big_endian(4);
    case 'L':
        return big_endian(8);
    default:
        refuse("no integer");
        return 0;
    }
}

std::string_view UbjReader::string() {
    mark('S');
    mark('L');
    const std::int64_t n = big_endian(8);
    if (n < 0) {
        refuse("an impossible length");
        return {};
    }
    const auto text = take(static_cast<std::size_t>(n), 1);
    return {reinterpret_cast<const char*>(text.data()), text.size()};
}

std::size_t UbjReader::count() {
    mark('[');
    return length();
}

void UbjReader::end() {
    if (!failed() && at_ != bytes_.size()) refuse("more than one model");
}

} // namespace intellisched
