// SPDX-License-Identifier: MIT
#include "src/proto/records.hpp"

#include "src/base/folder.hpp"
#include "src/base/log.hpp"
#include "src/base/trust.hpp"
#include "src/proto/capture.pb.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/util/delimited_message_util.h>
#include <google/protobuf/wire_format_lite.h>
#include <limits>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

namespace intellisched {

namespace {

constexpr std::string_view magic = "intellisched";

// A Record around the largest payload: two tags, a checksum, a length.
constexpr std::size_t max_record = max_record_payload + 32;

std::uint32_t checksum(std::string_view payload) {
    return static_cast<std::uint32_t>(::crc32_z(
        ::crc32_z(0, nullptr, 0), reinterpret_cast<const Bytef*>(payload.data()), payload.size()));
}

// The length prefix at the start of `bytes`: how long it is and what it says. A prefix is at most
// five bytes; `known` is false while the bytes end inside it.
struct Prefix {
    bool known = false;
    std::size_t size = 0;
    std::uint64_t length = 0;
};

Prefix read_prefix(std::string_view bytes) {
    Prefix prefix;
    for (std::size_t i = 0; i < std::min<std::size_t>(bytes.size(), 5); ++i) {
        const auto byte = static_cast<unsigned char>(bytes[i]);
        prefix.length |= static_cast<std::uint64_t>(byte & 0x7f) << (7 * i);
        prefix.size = i + 1;
        if ((byte & 0x80) == 0) {
            prefix.known = true;
            return prefix;
        }
    }
    if (prefix.size == 5) { // a sixth byte would follow: no length that fits
        prefix.known = true;
        prefix.length = max_record + 1;
    }
    return prefix;
}

std::string with_errno(int error) { return std::strerror(error); }

/// Whether no more than `left` fields stand in what is left of a message of type `type` (null: not
/// known), which are subtracted. Nothing is kept of them.
bool count_fields(google::protobuf::io::CodedInputStream& in,
                  const google::protobuf::Descriptor* type, unsigned& left) {
    using google::protobuf::internal::WireFormatLite;
    while (const std::uint32_t tag = in.ReadTag()) {
        if (left-- == 0) return false;
        const auto kind = WireFormatLite::GetTagWireType(tag);
        // Groups are none of ours, and another way to have fields in fields.
        if (kind == WireFormatLite::WIRETYPE_START_GROUP ||
            kind == WireFormatLite::WIRETYPE_END_GROUP)
            return false;
        const auto* field =
            type ? type->FindFieldByNumber(WireFormatLite::GetTagFieldNumber(tag)) : nullptr;
        if (kind != WireFormatLite::WIRETYPE_LENGTH_DELIMITED || !field || !field->message_type()) {
            if (!WireFormatLite::SkipField(&in, tag)) return false;
            continue;
        }
        int size = 0;
        if (!in.ReadVarintSizeAsInt(&size)) return false;
        const auto within = in.IncrementRecursionDepthAndPushLimit(size);
        if (within.second < 0 || !count_fields(in, field->message_type(), left) ||
            !in.DecrementRecursionDepthAndPopLimit(within.first))
            return false;
    }
    return true;
}

} // namespace

bool parse_bounded(std::string_view bytes, google::protobuf::Message& message) {
    google::protobuf::io::CodedInputStream in(reinterpret_cast<const std::uint8_t*>(bytes.data()),
                                              static_cast<int>(bytes.size()));
    unsigned left = max_fields;
    return bytes.size() <= std::numeric_limits<int>::max() &&
           count_fields(in, message.GetDescriptor(), left) && in.ConsumedEntireMessage() &&
           message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
}

Result<std::string> encode_record(std::string_view payload) {
    if (payload.empty())
        return fail("a record cannot hold an empty message; fill in at least one field of it");
    if (payload.size() > max_record_payload)
        return fail(
            "a record of {} bytes is larger than the {} that a record may have; write it in "
            "smaller parts",
            payload.size(), max_record_payload);
    proto::Record record;
    record.set_crc32(checksum(payload));
    record.set_payload(payload.data(), payload.size());
    std::string bytes;
    google::protobuf::io::StringOutputStream stream(&bytes);
    if (!google::protobuf::util::SerializeDelimitedToZeroCopyStream(record, &stream))
        return fail("a record of {} bytes cannot be serialised", payload.size());
    return bytes;
}

std::string encode_header(const RecordFormat& format) {
    proto::FileHeader header;
    header.set_magic(std::string(magic));
    header.set_kind(std::string(format.kind));
    header.set_version(format.version);
    return encode_record(header.SerializeAsString()).value(); // small and never empty
}

RecordWriter::RecordWriter(FileDescriptor file, std::string name, std::uint64_t size)
    : file_(std::move(file)), name_(std::move(name)), size_(size) {}

Result<RecordWriter> RecordWriter::create(const std::filesystem::path& path,
                                          const RecordFormat& format) {
    const auto folder = TRY(Folder::open(path.parent_path()));
    auto file = TRY(folder.create(path.filename().string()));
    return begin(std::move(file), path.string(), format);
}

Result<RecordWriter> RecordWriter::begin(FileDescriptor file, std::string name,
                                         const RecordFormat& format) {
    RecordWriter writer(std::move(file), std::move(name), 0);
    TRY(writer.write(encode_header(format)));
    return writer;
}

Result<RecordWriter> RecordWriter::resume(const std::filesystem::path& path,
                                          const RecordFormat& format) {
    const auto folder = TRY(Folder::open(path.parent_path()));
    FileDescriptor file(::openat(folder.fd(), path.filename().c_str(),
                                 O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
                                 0644));
    struct stat status {};
    if (file.get() < 0 || ::fstat(file.get(), &status) != 0)
        return fail("{}: cannot open for writing: {}; choose a file that can be written to, and no "
                    "link",
                    path.string(), with_errno(errno));
    if (!S_ISREG(status.st_mode) || status.st_nlink > 1)
        return fail("{}: {}; name a {} file", path.string(),
                    S_ISREG(status.st_mode) ? "has a second name, as which it would be changed too"
                                            : "not a regular file",
                    format.kind);
    TRY(check_trusted(file.get(), path.string()));
    FileDescriptor to_read(::fcntl(file.get(), F_DUPFD_CLOEXEC, 0));
    if (to_read.get() < 0) return fail("{}: cannot open: {}", path.string(), with_errno(errno));
    std::optional<RecordReader> reader(RecordReader(std::move(to_read), path.string(), format));
    for (;;) {
        auto payload = TRY(reader->next());
        if (!payload) break;
    }
    if (reader->torn()) {
        if (::ftruncate(file.get(), static_cast<off_t>(reader->offset())) != 0)
            return fail(
                "{}: cannot cut off its torn last record: {}; copy the file elsewhere and go "
                "on with the copy",
                path.string(), with_errno(errno));
        BOOST_LOG_TRIVIAL(warning)
            << path.string() << ": cut off a torn record at byte " << reader->offset();
    }
    if (reader->offset() == 0) return begin(std::move(file), path.string(), format);
    return RecordWriter(std::move(file), path.string(), reader->offset());
}

Result<void> RecordWriter::append(const google::protobuf::Message& message) {
    return append_payload(message.SerializeAsString());
}

Result<void> RecordWriter::append_payload(std::string_view payload) {
    auto record = encode_record(payload);
    if (!record) return fail("{}: {}", name_, record.error().message);
    return write(*record);
}

Result<void> RecordWriter::write(std::string_view record) {
    auto written = write_all(file_.get(), std::as_bytes(std::span(record)), name_);
    if (written) {
        size_ += record.size();
        return {};
    }
    // Half a record in the middle would hide all that is appended later.
    if (::ftruncate(file_.get(), static_cast<off_t>(size_)) != 0)
        return fail("{}; nor can the half-written record be cut off: {}", written.error().message,
                    with_errno(errno));
    return written;
}

Result<void> RecordWriter::sync() {
    if (::fdatasync(file_.get()) != 0)
        return fail("{}: cannot sync: {}; check the disk", name_, with_errno(errno));
    return {};
}

RecordReader::RecordReader(FileDescriptor file, std::string name, RecordFormat format)
    : file_(std::move(file)), name_(std::move(name)), format_(format) {}

Result<RecordReader> RecordReader::open(const std::filesystem::path& path,
                                        const RecordFormat& format, Author author) {
    // O_NONBLOCK: a FIFO of that name must not hold us up before it can be refused.
    FileDescriptor file(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    if (file.get() < 0)
        return fail("{}: cannot open: {}; name an existing {} file that can be read", path.string(),
                    with_errno(errno), format.kind);
    struct stat status {};
    if (::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode))
        return fail("{}: not a regular file; name a {} file", path.string(), format.kind);
    if (author == Author::trusted) TRY(check_trusted(file.get(), path.string()));
    return RecordReader(std::move(file), path.string(), format);
}

RecordReader RecordReader::of(FileDescriptor file, std::string name, const RecordFormat& format) {
    return RecordReader(std::move(file), std::move(name), format);
}

// Sees to it that `bytes` unread bytes stand in the buffer; false when the file ends before that.
Result<bool> RecordReader::fill(std::size_t bytes) {
    constexpr std::size_t least = std::size_t{4} << 10, most = std::size_t{64} << 10;
    if (unread().size() >= bytes) return true;
    buffer_.erase(0, std::exchange(used_, 0));
    while (buffer_.size() < bytes) {
        const std::size_t have = buffer_.size();
        // Grows with what the file has, not with what it claims.
        const auto chunk =
            static_cast<std::size_t>(std::clamp<std::uint64_t>(offset_ + have, least, most));
        buffer_.resize(have + chunk);
        const ssize_t n =
            ::pread(file_.get(), buffer_.data() + have, chunk, static_cast<off_t>(offset_ + have));
        const int error = errno;
        buffer_.resize(have + static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
        if (n < 0 && error == EINTR) continue;
        if (n < 0) return fail("{}: cannot read: {}; check the disk", name_, with_errno(error));
        if (n == 0) return false;
    }
    return true;
}

Result<std::optional<std::string>> RecordReader::next_payload() {
    Prefix prefix;
    for (std::size_t want = 1; !prefix.known; ++want) {
        auto filled = TRY(fill(want));
        if (!filled) return std::nullopt;
        prefix = read_prefix(unread());
    }
    const auto corrupt = [&](std::string_view why) {
        return fail("{}: the record at byte {} {}; the file is damaged: record it again, or cut it "
                    "there to keep what stands before",
                    name_, offset_, why);
    };
    if (prefix.length == 0 || prefix.length > max_record)
        return corrupt(fmt::format("claims a length of {} bytes", prefix.length));

    const std::size_t total = prefix.size + static_cast<std::size_t>(prefix.length);
    auto filled = TRY(fill(total));
    if (!filled) return std::nullopt;

    proto::Record record;
    if (!parse_bounded(unread().substr(prefix.size, static_cast<std::size_t>(prefix.length)),
                       record))
        return corrupt("is no record");
    if (record.payload().empty() || record.crc32() != checksum(record.payload()))
        return corrupt("does not match its checksum");
    used_ += total;
    offset_ += total;
    return std::move(*record.mutable_payload());
}

Result<void> RecordReader::check_header(std::string_view payload) const {
    proto::FileHeader header;
    if (!parse_bounded(payload, header) || header.magic() != magic)
        return fail("{}: not a file of intellisched; name a {} file", name_, format_.kind);
    if (header.kind() != format_.kind)
        return fail("{}: a file of kind '{}', not '{}'; name a {} file", name_,
                    printable(header.kind(), 32), format_.kind, format_.kind);
    if (header.version() != format_.version)
        return fail(
            "{}: version {} of the {} format, this program reads version {}; record it again "
            "or use the program that wrote it",
            name_, header.version(), format_.kind, format_.version);
    return {};
}

Result<std::optional<std::string>> RecordReader::next() {
    if (error_) return tl::unexpected(*error_);
    for (;;) {
        auto payload = next_payload();
        if (payload && *payload && !header_seen_) {
            auto checked = check_header(**payload);
            if (checked) {
                header_seen_ = true;
                continue;
            }
            payload = tl::unexpected(checked.error());
        }
        if (!payload) error_ = payload.error();
        return payload;
    }
}

Result<bool> RecordReader::next(google::protobuf::Message& message) {
    auto payload = TRY(next());
    if (!payload) return false;
    if (!parse_bounded(*payload, message)) {
        error_ = Error{fmt::format("{}: the record that ends at byte {} holds no {}; the file is "
                                   "damaged or of another program: record it again",
                                   name_, offset_, message.GetTypeName())};
        return tl::unexpected(*error_);
    }
    return true;
}

} // namespace intellisched
