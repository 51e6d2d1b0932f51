// SPDX-License-Identifier: MIT
#include "src/base/files.hpp"

#include "src/base/folder.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
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

Result<void> replace_file(const std::filesystem::path& path, std::span<const std::byte> bytes,
                          std::optional<mode_t> mode) {
    if (!path.has_filename()) return fail("{}: not a file's name; name a file", path.string());
    const auto folder = Folder::open(path.parent_path());
    if (!folder) return fail("{}: cannot create: {}", path.string(), folder.error().message);
    return folder->replace(path.filename().string(), bytes, mode);
}

Result<FileDescriptor> open_to_read(const std::filesystem::path& path) {
    // O_NONBLOCK: a FIFO must not hold us up before it is refused.
    FileDescriptor file(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    if (file.get() < 0) return fail("{}: cannot open: {}", path.string(), std::strerror(errno));
    struct stat status {};
    if (::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode))
        return fail("{}: not a regular file; name a file, a copy if need be", path.string());
    return file;
}

Result<std::vector<std::byte>> read_file(const std::filesystem::path& path, std::size_t limit) {
    const auto opened = TRY(open_to_read(path));
    const FileDescriptor& file = opened;
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
