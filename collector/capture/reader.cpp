// SPDX-License-Identifier: MIT
#include "collector/capture/reader.hpp"

#include "collector/capture/archive.hpp"
#include "collector/capture/format.hpp"
#include "src/base/files.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <optional>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

namespace intellisched::capture {

namespace fs = std::filesystem;

namespace {

// 8 MiB: what `zstd -19` uses, and far above the writer. Larger windows are a way to make a reader
// take up to 2 GiB.
constexpr int max_window_log = 23;

// A trace becomes 3 to 30 times smaller, and zeros 30,000 times: a file may make us read so much
// more than it has, beside what a small one may.
constexpr std::uint64_t max_ratio = 1000, always_allowed = std::uint64_t{64} << 20;

constexpr std::array<unsigned char, 4> frame_magic{0x28, 0xb5, 0x2f, 0xfd};

/// Decompresses a file of zstd frames piece by piece.
class FrameReader {
  public:
    static Result<FrameReader> open(const fs::path& path) {
        // O_NONBLOCK: a FIFO of that name must not hold us up before it is refused.
        FileDescriptor file(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
        if (file.get() < 0)
            return fail("{}: cannot open: {}; the capture is not whole, copy it again",
                        path.string(), std::strerror(errno));
        struct stat status {};
        if (::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode))
            return fail("{}: not a regular file; this is no capture", path.string());
        return FrameReader(std::move(file), path.string());
    }

    FrameReader(FileDescriptor file, std::string name)
        : file_(std::move(file)), name_(std::move(name)),
          context_(ZSTD_createDCtx(), &ZSTD_freeDCtx) {
        if (!context_) throw std::bad_alloc();
        ZSTD_DCtx_setParameter(context_.get(), ZSTD_d_windowLogMax, max_window_log);
    }

    Result<bool> next(std::vector<std::byte>& bytes) {
        if (error_) return tl::unexpected(*error_);
        auto more = decompress(bytes);
        if (!more) error_ = more.error();
        return more;
    }

  private:
    tl::unexpected<Error> damaged(std::string_view why) const {
        return fail("{}: damaged at byte {}: {}; what stands before it is all that can be read, "
                    "record it again",
                    name_, file_offset_ - (end_ - begin_), why);
    }

    Result<bool> decompress(std::vector<std::byte>& bytes) {
        ZSTD_outBuffer out{piece_.get(), Reader::trace_piece, 0};
        while (out.pos < out.size) {
            // A frame begins with its magic number; libzstd would also take the formats of its
            // early days, by decoders that nobody looks after any more.
            if (!flush_ && end_ - begin_ < (in_frame_ ? 1 : frame_magic.size())) {
                auto more = refill();
                if (!more) return more;
                if (!*more) break;
                continue;
            }
            if (!in_frame_ &&
                std::memcmp(buffer_.get() + begin_, frame_magic.data(), frame_magic.size()) != 0)
                return damaged("no zstd frame begins there");
            ZSTD_inBuffer in{buffer_.get(), end_, begin_};
            const std::size_t left = ZSTD_decompressStream(context_.get(), &out, &in);
            if (ZSTD_isError(left)) return damaged(ZSTD_getErrorName(left));
            begin_ = in.pos;
            in_frame_ = left != 0;
            flush_ = in_frame_ && out.pos == out.size;
        }
        given_ += out.pos;
        if (given_ > always_allowed + max_ratio * (file_offset_ - (end_ - begin_)))
            return damaged("it claims to be of many times the bytes that a trace has");
        bytes.assign(piece_.get(), piece_.get() + out.pos);
        return out.pos > 0;
    }

    /// Reads on; false at the end of the file.
    Result<bool> refill() {
        std::memmove(buffer_.get(), buffer_.get() + begin_, end_ - begin_);
        end_ -= begin_;
        begin_ = 0;
        ssize_t n = 0;
        do n = ::read(file_.get(), buffer_.get() + end_, Reader::trace_piece - end_);
        while (n < 0 && errno == EINTR);
        if (n < 0) return fail("{}: cannot read: {}; check the disk", name_, std::strerror(errno));
        end_ += static_cast<std::size_t>(n);
        file_offset_ += static_cast<std::uint64_t>(n);
        return n > 0;
    }

    FileDescriptor file_;
    std::string name_;
    std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)> context_;
    static std::unique_ptr<std::byte[]> room() {
        return std::make_unique_for_overwrite<std::byte[]>(Reader::trace_piece);
    }
    std::unique_ptr<std::byte[]> buffer_ = room(); ///< unread input is [begin_, end_)
    std::unique_ptr<std::byte[]> piece_ = room();  ///< what was decompressed
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    std::uint64_t file_offset_ = 0; ///< of buffer_[end_]
    std::uint64_t given_ = 0;       ///< decompressed bytes
    bool in_frame_ = false;
    bool flush_ = false; ///< the last piece was filled, so libzstd may hold more of the input
    std::optional<Error> error_;
};

Result<RecordReader> open_records(const fs::path& path, const RecordFormat& format) {
    std::error_code ignored;
    if (!fs::exists(path, ignored))
        return fail("{}: missing; the capture is not whole, copy it again", path.string());
    return RecordReader::open(path, format);
}

Result<proto::CaptureManifest> read_manifest(RecordReader reader, const std::string& name) {
    proto::CaptureManifest manifest;
    const auto read = TRY(reader.next(manifest));
    if (!read) return fail("{}: ends too early; the capture is not whole, copy it again", name);
    if (manifest.format_version() != format_version)
        return fail(
            "{}: a capture of format {}; this program reads {}: record it again, or use the "
            "program that wrote it ({})",
            name, manifest.format_version(), format_version, printable(manifest.recorded_by(), 64));
    return manifest;
}

} // namespace

struct Reader::Impl {
    std::string name;
    proto::CaptureManifest manifest;
    RecordReader host;
    RecordReader counters;
    FrameReader trace;

    /// The next message. A torn record is where a recorder was killed; that not even the file's
    /// header can be read is no such thing when the recorder came to its end.
    Result<bool> next(RecordReader& records, const char* file,
                      google::protobuf::Message& message) const {
        auto read = records.next(message);
        if (read && !*read && manifest.complete() && records.torn() && records.offset() == 0)
            return fail("{}/{}: not a file of records; the capture is damaged, record it again",
                        name, file);
        return read;
    }
};

Reader::Reader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Reader::Reader(Reader&&) noexcept = default;
Reader& Reader::operator=(Reader&&) noexcept = default;
Reader::~Reader() = default;

Result<Reader> Reader::open(const fs::path& path) {
    std::error_code error;
    const fs::file_status status = fs::status(path, error);
    if (status.type() == fs::file_type::not_found)
        return fail("{}: no such capture; name what `intellisched record` wrote", path.string());
    if (error) return fail("{}: cannot read: {}", path.string(), error.message());
    if (!fs::is_directory(status)) {
        auto members = TRY(unpack(path));
        const auto records = [&](FileDescriptor& file, const char* name,
                                 const RecordFormat& format) {
            return RecordReader::of(std::move(file), (path / name).string(), format);
        };
        auto manifest = TRY(read_manifest(records(members.manifest, manifest_file, manifest_format),
                                          (path / manifest_file).string()));
        return Reader(std::make_unique<Impl>(
            Impl{path.string(), std::move(manifest), records(members.host, host_file, host_format),
                 records(members.counters, counters_file, counters_format),
                 FrameReader(std::move(members.trace), (path / trace_file).string())}));
    }
    if (!fs::exists(path / manifest_file, error))
        return fail("{}: not a capture (no {} in it); name the directory that `intellisched "
                    "record` wrote",
                    path.string(), manifest_file);

    auto manifest_reader = TRY(RecordReader::open(path / manifest_file, manifest_format));
    auto manifest = TRY(read_manifest(std::move(manifest_reader), (path / manifest_file).string()));
    auto host = TRY(open_records(path / host_file, host_format));
    auto counters = TRY(open_records(path / counters_file, counters_format));
    auto trace = TRY(FrameReader::open(path / trace_file));
    return Reader(std::make_unique<Impl>(Impl{path.string(), std::move(manifest), std::move(host),
                                              std::move(counters), std::move(trace)}));
}

const proto::CaptureManifest& Reader::manifest() const { return impl_->manifest; }

Result<bool> Reader::next_snapshot(proto::HostSnapshot& snapshot) {
    return impl_->next(impl_->host, host_file, snapshot);
}

Result<bool> Reader::next_counters(proto::CounterSample& sample) {
    return impl_->next(impl_->counters, counters_file, sample);
}

Result<bool> Reader::next_trace(std::vector<std::byte>& bytes) { return impl_->trace.next(bytes); }

} // namespace intellisched::capture
