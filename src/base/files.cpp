// SPDX-License-Identifier: MIT
#include "src/base/files.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

namespace intellisched {

FileDescriptor& FileDescriptor::operator=(FileDescriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
}

FileDescriptor::~FileDescriptor() {
    if (fd_ >= 0) ::close(fd_);
}

Result<void> write_all(int fd, std::span<const std::byte> bytes, const std::string& name) {
    while (!bytes.empty()) {
        const ssize_t n = ::write(fd, bytes.data(), bytes.size());
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            const int error = n < 0 ? errno : ENOSPC;
            return fail("{}: cannot write: {}{}", name, std::strerror(error),
                        error == ENOSPC || error == EDQUOT ? "; free some space and run it again"
                                                           : "");
        }
        bytes = bytes.subspan(static_cast<std::size_t>(n));
    }
    return {};
}

Result<void> replace_file(const std::filesystem::path& path, std::span<const std::byte> bytes) {
    const std::string temporary = path.string() + ".tmp";
    const FileDescriptor file(
        ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (file.get() < 0)
        return fail("{}: cannot create: {}; choose a directory that can be written to",
                    path.string(), std::strerror(errno));
    auto written = write_all(file.get(), bytes, path.string());
    if (written && ::fsync(file.get()) != 0)
        written = fail("{}: cannot sync: {}", path.string(), std::strerror(errno));
    if (written && ::rename(temporary.c_str(), path.c_str()) != 0)
        written = fail("{}: cannot put in place: {}", path.string(), std::strerror(errno));
    if (!written) ::unlink(temporary.c_str());
    return written;
}

Result<std::vector<std::byte>> read_file(const std::filesystem::path& path, std::size_t limit) {
    const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (file.get() < 0) return fail("{}: cannot open: {}", path.string(), std::strerror(errno));
    std::vector<std::byte> bytes;
    for (;;) {
        const std::size_t have = bytes.size();
        bytes.resize(have + (std::size_t{64} << 10));
        const ssize_t n = ::read(file.get(), bytes.data() + have, bytes.size() - have);
        if (n < 0 && errno == EINTR) {
            bytes.resize(have);
            continue;
        }
        if (n < 0) return fail("{}: cannot read: {}", path.string(), std::strerror(errno));
        bytes.resize(have + static_cast<std::size_t>(n));
        if (n == 0) return bytes;
        if (bytes.size() > limit)
            return fail("{}: larger than the {} bytes that such a file may have", path.string(),
                        limit);
    }
}

} // namespace intellisched
