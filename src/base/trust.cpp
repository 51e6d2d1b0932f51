// SPDX-License-Identifier: MIT
#include "src/base/trust.hpp"

#include "src/base/walk.hpp"

#include <charconv>
#include <cstdlib>
#include <cstring>
#include <unistd.h>

namespace intellisched {
namespace {

/// The user who typed sudo. Sudo sets the variable itself, and nobody else gives root variables.
bool behind_sudo(uid_t user) {
    const char* text = std::getenv("SUDO_UID");
    if (!text) return false;
    uid_t told = 0;
    const char* end = text + std::strlen(text);
    const auto parsed = std::from_chars(text, end, told);
    return parsed.ec == std::errc() && parsed.ptr == end && told == user;
}

bool owns_this_program(uid_t user) {
    struct stat status {};
    return ::stat("/proc/self/exe", &status) == 0 && status.st_uid == user;
}

tl::unexpected<Error> refused(const std::string& name, const std::string& what) {
    return fail("{}: others than root can change {}; give it to root (chown root, chmod go-w), or "
                "run this as the user whose it is, by sudo if need be",
                printable(name, 512), what == name ? "it" : printable(what, 512));
}

} // namespace

bool trusted_user(uid_t user) {
    return ::geteuid() != 0 || user == 0 || behind_sudo(user) || owns_this_program(user);
}

bool trusted(const struct stat& status) {
    if (::geteuid() != 0) return true;
    if (!trusted_user(status.st_uid)) return false;
    const bool others_write = (status.st_mode & (S_IWGRP | S_IWOTH)) != 0;
    return !others_write || (S_ISDIR(status.st_mode) && (status.st_mode & S_ISVTX) != 0);
}

Result<void> check_trusted(int fd, const std::string& name) {
    struct stat status {};
    if (::fstat(fd, &status) != 0) return fail("{}: cannot read: {}", name, std::strerror(errno));
    if (trusted(status)) return {};
    return refused(name, name);
}

Result<void> check_trusted_path(const std::filesystem::path& path) {
    if (::geteuid() != 0) return {};
    const auto walked = TRY(walk(path));
    if (walked.untrusted.empty()) return {};
    return refused(path.string(), walked.untrusted);
}

} // namespace intellisched
