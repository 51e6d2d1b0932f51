// SPDX-License-Identifier: MIT
#include "src/base/folder.hpp"

#include "src/base/walk.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

namespace intellisched {
namespace {

namespace fs = std::filesystem;

/// Nobody can guess it, and so none can be in the way.
Result<std::string> temporary_name() {
    std::uint64_t random = 0;
    if (::getrandom(&random, sizeof random, 0) != sizeof random)
        return fail("no random numbers: {}", std::strerror(errno));
    return fmt::format(".intellisched-{:016x}", random);
}

/// What is no file is not replaced: /dev/null, and /dev/stdout, which is a link.
bool replaceable(int folder, const std::string& name) {
    struct stat status {};
    return ::fstatat(folder, name.c_str(), &status, 0) != 0 || S_ISREG(status.st_mode);
}

} // namespace

Result<Folder> Folder::open(const fs::path& path, bool make) {
    const auto cannot = [&](std::string_view what, const std::string& why) {
        return fail("{}: cannot {}: {}; choose a directory that can be written to", path.string(),
                    what, why);
    };
    if (::geteuid() == 0) {
        auto walked = TRY(walk(path, make));
        struct stat status {};
        if (::fstat(walked.fd.get(), &status) != 0 || !S_ISDIR(status.st_mode))
            return cannot("open", std::strerror(ENOTDIR));
        return Folder(std::move(walked.fd), path, std::move(walked.untrusted));
    }
    std::error_code error;
    if (make) fs::create_directories(path, error);
    if (error) return cannot("create", error.message());
    FileDescriptor fd(::open(path.empty() ? "." : path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (fd.get() < 0) return cannot("open", std::strerror(errno));
    return Folder(std::move(fd), path, "");
}

Result<FileDescriptor> Folder::create(const std::string& name) const {
    FileDescriptor file(
        ::openat(fd_.get(), name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0644));
    if (file.get() < 0)
        return fail("{}: cannot create: {}; choose a directory that can be written to",
                    (path_ / name).string(), std::strerror(errno));
    return file;
}

Result<void> Folder::replace(const std::string& name, std::span<const std::byte> bytes,
                             std::optional<mode_t> mode) const {
    const std::string shown = (path_ / name).string();
    if (!replaceable(fd_.get(), name))
        return fail("{}: not a regular file; name a file to write", shown);
    return put(name, bytes, mode, 0);
}

Result<void> Folder::write_new(const std::string& name, std::span<const std::byte> bytes,
                               std::optional<mode_t> mode) const {
    return put(name, bytes, mode, RENAME_NOREPLACE);
}

Result<void> Folder::put(const std::string& name, std::span<const std::byte> bytes,
                         std::optional<mode_t> mode, unsigned flags) const {
    const std::string shown = (path_ / name).string();
    const auto temporary = TRY(temporary_name());
    const FileDescriptor file(
        ::openat(fd_.get(), temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
    if (file.get() < 0)
        return fail("{}: cannot create: {}; choose a directory that can be written to", shown,
                    std::strerror(errno));
    auto written = write_all(file.get(), bytes, shown);
    if (written && mode && ::fchmod(file.get(), *mode) != 0)
        written = fail("{}: cannot be given its mode: {}", shown, std::strerror(errno));
    if (written && ::fsync(file.get()) != 0)
        written = fail("{}: cannot sync: {}", shown, std::strerror(errno));
    if (written && ::renameat2(fd_.get(), temporary.c_str(), fd_.get(), name.c_str(), flags) != 0)
        written = fail("{}: cannot put in place: {}{}", shown, std::strerror(errno),
                       errno == EEXIST ? "; name a new file" : "");
    if (!written) ::unlinkat(fd_.get(), temporary.c_str(), 0);
    return written;
}

Result<void> Folder::sync() const {
    const FileDescriptor folder(::openat(fd_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (folder.get() < 0 || ::fsync(folder.get()) != 0)
        return fail("{}: cannot sync: {}", path_.string(), std::strerror(errno));
    return {};
}

Result<void> Folder::check_trusted() const {
    if (untrusted_.empty()) return {};
    return fail("{}: others than root can change {}, and what root finds there it would act on; "
                "name a folder of root's, or run this as the user whose it is",
                path_.string(), printable(untrusted_, 512));
}

} // namespace intellisched
