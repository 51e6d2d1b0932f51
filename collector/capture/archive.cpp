// SPDX-License-Identifier: MIT
#include "collector/capture/archive.hpp"

#include "collector/capture/format.hpp"
#include "src/base/interrupt.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <functional>
#include <memory>
#include <optional>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace intellisched::capture {

namespace fs = std::filesystem;

namespace {

constexpr std::array names{manifest_file, host_file, counters_file, trace_file, report_file};
constexpr std::size_t needed = 4; // the last need not be there, and is not unpacked
using Files = std::array<FileDescriptor, needed>;

constexpr std::size_t piece = std::size_t{64} << 10;

// The trace, which is nearly all of a capture, is compressed already; what is beside it becomes ten
// times smaller.
constexpr std::int64_t max_ratio = 100, always_allowed = std::int64_t{64} << 20;

/// What libarchive says of its last failure, as it comes from the file.
std::string why(archive* of) {
    const char* text = archive_error_string(of);
    return text ? printable(text) : std::string("no archive of that kind");
}

struct Closer {
    void operator()(archive* opened) const { archive_free(opened); }
    void operator()(archive_entry* entry) const { archive_entry_free(entry); }
};
using Archive = std::unique_ptr<archive, Closer>;

tl::unexpected<Error> refused(const std::string& name, std::string_view what) {
    return fail("{}: {}; an archive of a capture has {} and nothing else: name a file that "
                "`intellisched record` wrote",
                name, what, fmt::join(std::span(names).first(needed), ", "));
}

/// Which file of a capture the entry is; nothing: the folder itself.
Result<std::optional<std::size_t>> member_of(archive_entry* entry, const std::string& archive) {
    const char* given = archive_entry_pathname(entry);
    std::string_view path = given ? given : "";
    const bool link = archive_entry_hardlink(entry) || archive_entry_symlink(entry);
    if (!link && archive_entry_filetype(entry) == AE_IFDIR && (path == "./" || path == "."))
        return std::nullopt; // as `tar -C capture .` makes it
    if (path.starts_with("./")) path.remove_prefix(2);
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (path != names[i]) continue;
        if (link || archive_entry_filetype(entry) != AE_IFREG)
            return refused(archive, fmt::format("{} in it is not a regular file", path));
        return i;
    }
    return refused(archive, fmt::format("has '{}' in it", printable(path, 64)));
}

/// Goes through the archive, with `take` for each file of the capture, and checks that each is
/// there once and that together they are not too large.
using Take = std::function<Result<void>(archive*, std::size_t file, std::int64_t size)>;
Result<void> go_through(int fd, const std::string& name, const Take& take) {
    struct stat status {};
    if (::fstat(fd, &status) != 0 || ::lseek(fd, 0, SEEK_SET) != 0)
        return fail("{}: cannot read: {}; check the disk", name, std::strerror(errno));
    const Archive opened(archive_read_new());
    archive* const in = opened.get();
    if (!in) throw std::bad_alloc();
    // Not ARCHIVE_OK where an outside program would decompress.
    if (archive_read_support_filter_zstd(in) != ARCHIVE_OK ||
        archive_read_support_format_tar(in) != ARCHIVE_OK)
        return fail("{}: libarchive cannot read zstd here; unpack the archive and name the folder",
                    name);
    const auto damaged = [&] {
        return fail("{}: cannot be unpacked: {}; a capture is a folder or a .tar.zst file that "
                    "`intellisched record` wrote: copy it again",
                    name, why(in));
    };
    if (archive_read_open_fd(in, fd, piece) != ARCHIVE_OK) return damaged();
    std::array<bool, names.size()> seen{};
    std::int64_t left = always_allowed + max_ratio * status.st_size;
    for (bool folder = false;;) {
        archive_entry* entry = nullptr;
        const int read = archive_read_next_header(in, &entry);
        if (interrupted) return fail("{}: interrupted", name);
        if (read == ARCHIVE_EOF) break;
        if (read != ARCHIVE_OK) return damaged();
        const auto file = TRY(member_of(entry, name));
        if (file ? seen[*file] : folder)
            return refused(name, fmt::format("has {} in it twice", file ? names[*file] : "./"));
        (file ? seen[*file] : folder) = true;
        if (!file) continue;
        const std::int64_t size = archive_entry_size(entry);
        if (!archive_entry_size_is_set(entry) || size < 0 || size > left)
            return refused(name, fmt::format("{} in it claims to be of many times the archive's "
                                             "bytes",
                                             names[*file]));
        left -= size;
        if (*file < needed) TRY(take(in, *file, size));
    }
    for (std::size_t i = 0; i < needed; ++i)
        if (!seen[i]) return refused(name, fmt::format("{} is missing in it", names[i]));
    return {};
}

/// A file that has no name, so that nothing is left of it.
Result<FileDescriptor> nameless_file() {
    const char* wanted = std::getenv("TMPDIR");
    const std::string folder = wanted && *wanted ? wanted : "/var/tmp";
    FileDescriptor file(::open(folder.c_str(), O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, 0600));
    if (file.get() >= 0) return file;
    if (errno == EOPNOTSUPP || errno == EISDIR) { // some file systems
        std::string path = folder + "/intellisched-XXXXXX";
        FileDescriptor named(::mkostemp(path.data(), O_CLOEXEC));
        if (named.get() >= 0 && ::unlink(path.c_str()) == 0) return named;
    }
    return fail("{}: cannot create a file to unpack the capture to: {}; name another folder in "
                "TMPDIR",
                folder, std::strerror(errno));
}

Result<void> unpack_one(archive* in, int to, std::int64_t size, const std::string& name) {
    std::vector<std::byte> bytes(piece);
    for (;;) {
        const la_ssize_t n = archive_read_data(in, bytes.data(), bytes.size());
        if (interrupted) return fail("{}: interrupted", name);
        if (n < 0 || n > size)
            return fail("{}: cannot be unpacked: {}; copy it again", name, why(in));
        if (n == 0) break;
        size -= n;
        if (auto written = write_all(to, std::span(bytes).first(static_cast<std::size_t>(n)), name);
            !written)
            return fail("{} (it is unpacked to $TMPDIR, or /var/tmp)", written.error().message);
    }
    if (size != 0) return fail("{}: ends too early; copy it again", name);
    return {};
}

Result<void> pack_one(archive* out, const Folder& folder, const char* name,
                      const std::string& shown) {
    const auto cannot = [&](const std::string& cause) {
        return fail("{}: cannot pack {}: {}", shown, name, cause);
    };
    const FileDescriptor file(
        ::openat(folder.fd(), name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    struct stat status {};
    if (file.get() < 0 || ::fstat(file.get(), &status) != 0) return cannot(std::strerror(errno));
    const std::unique_ptr<archive_entry, Closer> entry(archive_entry_new());
    if (!entry) throw std::bad_alloc();
    archive_entry_set_pathname(entry.get(), name);
    archive_entry_set_filetype(entry.get(), AE_IFREG);
    archive_entry_set_perm(entry.get(), 0644);
    archive_entry_set_size(entry.get(), status.st_size);
    archive_entry_set_mtime(entry.get(), status.st_mtime, 0);
    if (archive_write_header(out, entry.get()) != ARCHIVE_OK) return cannot(why(out));
    std::vector<std::byte> bytes(piece);
    for (;;) {
        const ssize_t n = ::read(file.get(), bytes.data(), bytes.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return cannot(std::strerror(errno));
        if (n == 0) break;
        if (archive_write_data(out, bytes.data(), static_cast<std::size_t>(n)) != n)
            return cannot(why(out));
    }
    return {};
}

Result<void> pack_all(const Folder& folder, int to, const std::string& shown) {
    const Archive opened(archive_write_new());
    archive* const out = opened.get();
    if (!out) throw std::bad_alloc();
    if (archive_write_add_filter_zstd(out) != ARCHIVE_OK ||
        archive_write_set_format_pax_restricted(out) != ARCHIVE_OK ||
        archive_write_open_fd(out, to) != ARCHIVE_OK)
        return fail("{}: cannot write: {}", shown, why(out));
    for (const char* name : names)
        if (name != report_file || ::faccessat(folder.fd(), name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
            TRY(pack_one(out, folder, name, shown));
    if (archive_write_close(out) != ARCHIVE_OK)
        return fail("{}: cannot write: {}", shown, why(out));
    return {};
}

} // namespace

bool names_archive(const fs::path& path) { return path.filename().string().ends_with(".tar.zst"); }

Result<void> pack(const Folder& folder, const Folder& above, const std::string& name,
                  const std::string& shown) {
    const auto file = TRY(folder.create(packing_file));
    const auto packed = [&]() -> Result<void> {
        TRY(pack_all(folder, file.get(), shown));
        if (::fsync(file.get()) != 0)
            return fail("{}: cannot sync: {}; check the disk", shown, std::strerror(errno));
        if (::renameat2(folder.fd(), packing_file, above.fd(), name.c_str(), RENAME_NOREPLACE) != 0)
            return fail("{}: cannot put in place: {}; name a new file", shown,
                        std::strerror(errno));
        return above.sync();
    }();
    if (!packed) ::unlinkat(folder.fd(), packing_file, 0);
    return packed;
}

Result<Members> unpack(const fs::path& path) {
    const std::string name = path.string();
    const auto archive_file = TRY(open_to_read(path));
    const auto only_look = [](archive*, std::size_t, std::int64_t) { return Result<void>(); };
    TRY(go_through(archive_file.get(), name, only_look));
    Files files;
    const auto take = [&](archive* in, std::size_t file, std::int64_t size) -> Result<void> {
        files[file] = TRY(nameless_file());
        TRY(unpack_one(in, files[file].get(), size, name));
        if (::lseek(files[file].get(), 0, SEEK_SET) != 0)
            return fail("{}: cannot be read again: {}", name, std::strerror(errno));
        return {};
    };
    TRY(go_through(archive_file.get(), name, take));
    return Members{std::move(files[0]), std::move(files[1]), std::move(files[2]),
                   std::move(files[3])};
}

} // namespace intellisched::capture
