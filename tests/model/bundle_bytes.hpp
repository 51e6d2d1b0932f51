// SPDX-License-Identifier: MIT
// Bundle files made by hand, for tests and fuzzing of their reader.
#pragma once

#include <cstdint>
#include <nettle/sha2.h>
#include <string>
#include <string_view>

namespace intellisched::test {

inline constexpr std::string_view bundle_magic = "ISBUNDLE";
inline constexpr std::size_t bundle_head_size = bundle_magic.size() + SHA256_DIGEST_SIZE;

/// A bundle file with a right checksum around any bytes: what an attacker who knows the format
/// would write.
inline std::string bundle_file(std::string_view body) {
    sha256_ctx context;
    sha256_init(&context);
    sha256_update(&context, body.size(), reinterpret_cast<const std::uint8_t*>(body.data()));
    std::string digest(SHA256_DIGEST_SIZE, '\0');
    sha256_digest(&context, digest.size(), reinterpret_cast<std::uint8_t*>(digest.data()));
    return std::string(bundle_magic) + digest + std::string(body);
}

} // namespace intellisched::test
