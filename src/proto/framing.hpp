// SPDX-License-Identifier: MIT
// How a message goes over a stream socket: four bytes with its length, the lowest first, then the
// message.
#pragma once

#include <cstddef>
#include <cstdint>
#include <google/protobuf/message.h>
#include <string>
#include <string_view>

namespace intellisched {

inline constexpr std::size_t frame_header = 4;

/// The message with its header. It must be one that protobuf can serialise, of less than 2 GiB.
inline std::string framed(const google::protobuf::Message& message) {
    std::string out(frame_header, '\0');
    message.AppendToString(&out);
    const std::size_t length = out.size() - frame_header;
    for (std::size_t i = 0; i < frame_header; ++i) out[i] = static_cast<char>(length >> 8 * i);
    return out;
}

/// The length that a header announces. It is data from outside: bound it before it is used.
inline std::uint32_t frame_length(std::string_view header) {
    std::uint32_t length = 0;
    for (std::size_t i = frame_header; i-- > 0;)
        length = length << 8 | static_cast<unsigned char>(header[i]);
    return length;
}

} // namespace intellisched
