// SPDX-License-Identifier: MIT
#include "collector/capture/writer.hpp"

#include "collector/capture/archive.hpp"
#include "collector/capture/format.hpp"
#include "src/base/folder.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <new>
#include <optional>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>
#include <zstd.h>

namespace intellisched::capture {

namespace fs = std::filesystem;

namespace {

// The fastest level: a busy host traces 11 MB/s and its dom0 has better things to do.
constexpr int compression_level = 1;
// A frame is kept in memory until it is whole; a caller that never syncs gets one this often.
constexpr std::size_t max_frame_bytes = std::size_t{16} << 20; // uncompressed

/// Appends zstd frames to one file, each by one write, so that the file is always whole frames (or,
/// after a kill in the middle of the write, ends in a torn one).
class FrameWriter {
  public:
    FrameWriter(FileDescriptor file, std::string name)
        : file_(std::move(file)), name_(std::move(name)),
          context_(ZSTD_createCCtx(), &ZSTD_freeCCtx) {
        if (!context_) throw std::bad_alloc();
        ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_compressionLevel, compression_level);
        ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_checksumFlag, 1);
    }

    Result<void> append(std::span<const std::byte> bytes) {
        while (!bytes.empty()) {
            const auto part = bytes.first(std::min(bytes.size(), max_frame_bytes - in_frame_));
            TRY(compress(part, ZSTD_e_continue));
            in_frame_ += part.size();
            bytes = bytes.subspan(part.size());
            if (in_frame_ == max_frame_bytes) TRY(end_frame());
        }
        return {};
    }

    Result<void> end_frame() {
        if (in_frame_ == 0) return {};
        in_frame_ = 0;
        TRY(compress({}, ZSTD_e_end));
        auto written = write_all(file_.get(), frame_, name_);
        if (written) {
            size_ += frame_.size();
        } else if (::ftruncate(file_.get(), static_cast<off_t>(size_)) != 0) {
            written = fail("{}; nor can the half-written frame be cut off: {}",
                           written.error().message, std::strerror(errno));
        }
        frame_.clear();
        return written;
    }

    Result<void> sync_to_disk() {
        if (::fdatasync(file_.get()) != 0)
            return fail("{}: cannot sync: {}; check the disk", name_, std::strerror(errno));
        return {};
    }

    [[nodiscard]] std::uint64_t size() const { return size_; }

  private:
    Result<void> compress(std::span<const std::byte> bytes, ZSTD_EndDirective directive) {
        ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
        for (;;) {
            const std::size_t have = frame_.size();
            frame_.resize(have + ZSTD_CStreamOutSize());
            ZSTD_outBuffer out{frame_.data() + have, ZSTD_CStreamOutSize(), 0};
            const std::size_t left = ZSTD_compressStream2(context_.get(), &out, &in, directive);
            frame_.resize(have + out.pos);
            if (ZSTD_isError(left))
                return fail("{}: cannot compress: {}; this should not happen, please report it",
                            name_, ZSTD_getErrorName(left));
            if (directive == ZSTD_e_end ? left == 0 : in.pos == in.size) return {};
        }
    }

    FileDescriptor file_;
    std::string name_;
    std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> context_;
    std::vector<std::byte> frame_;
    std::size_t in_frame_ = 0;
    std::uint64_t size_ = 0;
};

/// Removes what create() has made, unless it came to its end.
class Undo {
  public:
    Undo(const Folder& folder, fs::path made) : folder_(folder), made_(std::move(made)) {}
    Undo(const Undo&) = delete;
    Undo& operator=(const Undo&) = delete;
    ~Undo() {
        if (!armed_) return;
        for (const std::string& name : files) ::unlinkat(folder_.fd(), name.c_str(), 0);
        if (!made_.empty()) ::rmdir(made_.c_str());
    }
    void disarm() { armed_ = false; }
    std::vector<std::string> files; ///< that were made

  private:
    const Folder& folder_;
    fs::path made_; ///< the directory; empty: it was there
    bool armed_ = true;
};

/// Makes the directory, or accepts an empty one; true: it was made here.
Result<bool> make_directory(const fs::path& path) {
    const std::string name = path.string();
    std::error_code unknown;
    if (path.has_parent_path() && !fs::exists(path.parent_path(), unknown))
        return fail("{}: cannot create: the directory above it does not exist; create that first",
                    name);
    const auto above = TRY(Folder::open(path.parent_path()));
    if (::mkdirat(above.fd(), path.filename().c_str(), 0755) == 0) return true;
    if (errno != EEXIST)
        return fail("{}: cannot create: {}; choose a directory that can be written to", name,
                    std::strerror(errno));
    std::error_code error;
    if (!fs::is_directory(path, error))
        return fail("{}: there is a file of that name; name a new directory for the capture", name);
    const bool empty = fs::is_empty(path, error);
    if (error) return fail("{}: cannot read: {}; name a new directory", name, error.message());
    if (!empty)
        return fail("{}: not empty; name a new directory for the capture, or remove it", name);
    return false;
}

Result<void> put_manifest(const Folder& folder, const proto::CaptureManifest& manifest) {
    auto record = encode_record(manifest.SerializeAsString());
    if (!record) return fail("{}: {}", manifest_file, record.error().message);
    const std::string file = encode_header(manifest_format) + *record;
    return folder.replace(manifest_file, std::as_bytes(std::span(file)));
}

} // namespace

struct Writer::Impl {
    Folder folder;
    fs::path made; ///< the directory, if it was not there
    proto::CaptureManifest manifest;
    RecordWriter host;
    RecordWriter counters;
    FrameWriter trace;
    std::optional<Folder> above; ///< of the one file that it is to be
    fs::path archive;            ///< that
};

Writer::Writer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Writer::Writer(Writer&&) noexcept = default;
Writer& Writer::operator=(Writer&&) noexcept = default;
Writer::~Writer() = default;

Result<Writer> Writer::create(const fs::path& wanted, proto::CaptureManifest manifest) {
    if (wanted.empty()) return fail("a capture needs the name of a new directory");
    fs::path path = wanted.has_filename() ? wanted : wanted.parent_path();
    std::optional<Folder> above;
    fs::path archive;
    if (names_archive(path)) {
        archive = path;
        std::error_code unknown;
        if (fs::exists(fs::symlink_status(path, unknown)))
            return fail("{}: exists; name a new file for the capture, or remove it", path.string());
        path += ".recording";
    }
    const auto made = TRY(make_directory(path));
    if (!archive.empty()) above = TRY(Folder::open(archive.parent_path()));
    // All files go to the folder that this is now, whatever takes its place.
    auto folder = TRY(Folder::open(path));
    Undo undo(folder, made ? path : fs::path());
    const auto create = [&](const char* name) {
        auto file = folder.create(name);
        if (file) undo.files.emplace_back(name);
        return file;
    };
    const auto create_records = [&](const char* name, const RecordFormat& format) {
        return create(name).and_then([&](FileDescriptor&& file) {
            return RecordWriter::begin(std::move(file), (path / name).string(), format);
        });
    };
    auto host = TRY(create_records(host_file, host_format));
    auto counters = TRY(create_records(counters_file, counters_format));
    auto trace = TRY(create(trace_file));
    // The manifest last: a directory that has one has all of it.
    manifest.set_format_version(format_version);
    manifest.set_complete(false);
    manifest.set_end_tsc(0);
    if (auto put = put_manifest(folder, manifest); !put)
        return fail("{}: {}", path.string(), put.error().message);

    undo.disarm();
    return Writer(std::make_unique<Impl>(
        Impl{std::move(folder), made ? path : fs::path(), std::move(manifest), std::move(host),
             std::move(counters), FrameWriter(std::move(trace), (path / trace_file).string()),
             std::move(above), std::move(archive)}));
}

Result<void> Writer::snapshot(const proto::HostSnapshot& snapshot) {
    return impl_->host.append(snapshot);
}

Result<void> Writer::counters(const proto::CounterSample& sample) {
    return impl_->counters.append(sample);
}

Result<void> Writer::trace(std::span<const std::byte> bytes) { return impl_->trace.append(bytes); }

Result<void> Writer::report(std::span<const std::byte> page) {
    return impl_->folder.write_new(report_file, page, 0644);
}

Result<void> Writer::sync() { return impl_->trace.end_frame(); }

Result<void> Writer::finish(std::uint64_t end_tsc, std::uint64_t lost_records) {
    TRY(sync());
    TRY(impl_->host.sync());
    TRY(impl_->counters.sync());
    TRY(impl_->trace.sync_to_disk());
    impl_->manifest.set_end_tsc(end_tsc);
    impl_->manifest.set_lost_records(lost_records);
    impl_->manifest.set_complete(true);
    TRY(put_manifest(impl_->folder, impl_->manifest));
    if (!impl_->above) return {};
    if (auto packed = pack(impl_->folder, *impl_->above, impl_->archive.filename().string(),
                           impl_->archive.string());
        !packed)
        return fail("{}; the capture is in the directory {}.recording", packed.error().message,
                    impl_->archive.string());
    discard();
    return {};
}

void Writer::discard() {
    for (const char* name : {manifest_file, trace_file, counters_file, host_file, report_file})
        ::unlinkat(impl_->folder.fd(), name, 0);
    if (!impl_->made.empty()) ::rmdir(impl_->made.c_str());
}

std::uint64_t Writer::size() const {
    return impl_->host.size() + impl_->counters.size() + impl_->trace.size();
}

} // namespace intellisched::capture
