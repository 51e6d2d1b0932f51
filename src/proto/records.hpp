// SPDX-License-Identifier: MIT
// Files of stored messages: captures and samples. A file is a sequence of length-delimited
// `Record`s (google/protobuf/util/delimited_message_util.h: a varint length, then the message),
// each with the CRC-32 (zlib's) of its payload; the first one holds a FileHeader. Files are only
// ever appended to, so a crash can leave at most one torn record, at the end.
#pragma once

#include "src/base/files.hpp"
#include "src/base/result.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <google/protobuf/message.h>
#include <optional>
#include <string>
#include <string_view>

namespace intellisched {

/// The largest payload that is written or read, in bytes.
inline constexpr std::size_t max_record_payload = std::size_t{16} << 20;

/// The most fields of a message that is read, nested ones included: an empty message takes two
/// bytes in a file and a hundred in memory. A snapshot of 30,000 vCPUs has a quarter of this.
inline constexpr unsigned max_fields = 1U << 20;

/// Parses data from outside. False: it cannot be parsed, or has more than max_fields.
[[nodiscard]] bool parse_bounded(std::string_view bytes, google::protobuf::Message& message);

/// What a file of records holds: FileHeader's `kind` and `version`.
struct RecordFormat {
    std::string_view kind; ///< "manifest", "host", "counters", "samples"; a string literal
    std::uint32_t version = 1;
};

/// One record as it stands in a file: the delimited Record around `payload`. For files that are
/// replaced whole (replace_file) rather than appended to. Errors: an empty payload (a run of zero
/// bytes must never read as records), one above max_record_payload.
[[nodiscard]] Result<std::string> encode_record(std::string_view payload);

/// The bytes of the record that every file of this format begins with.
[[nodiscard]] std::string encode_header(const RecordFormat& format);

/// Appends records to one file. Every record goes out in one write(), and one that could not be
/// written in full is cut off again.
class RecordWriter {
  public:
    /// Creates the file and writes its header. Errors: also when something is there already.
    [[nodiscard]] static Result<RecordWriter> create(const std::filesystem::path& path,
                                                     const RecordFormat& format);
    /// The same for a new file that is open already.
    [[nodiscard]] static Result<RecordWriter> begin(FileDescriptor file, std::string name,
                                                    const RecordFormat& format);

    /// Continues a file of the same format: reads it through, cuts off a torn record and appends
    /// after the last whole one. A file that does not exist is created; one without a whole header
    /// is started again. Errors: those of the file and its records; a link; a file with a second
    /// name; those of check_trusted().
    [[nodiscard]] static Result<RecordWriter> resume(const std::filesystem::path& path,
                                                     const RecordFormat& format);

    /// Appends one record with this message as its payload.
    [[nodiscard]] Result<void> append(const google::protobuf::Message& message);
    /// The same for a payload that is serialised already.
    [[nodiscard]] Result<void> append_payload(std::string_view payload);

    /// Returns once everything appended so far is on the disk (fdatasync).
    [[nodiscard]] Result<void> sync();

    /// Bytes in the file: header and whole records.
    [[nodiscard]] std::uint64_t size() const { return size_; }

  private:
    RecordWriter(FileDescriptor file, std::string name, std::uint64_t size);
    [[nodiscard]] Result<void> write(std::string_view record);

    FileDescriptor file_;
    std::string name_;
    std::uint64_t size_ = 0;
};

/// Who may have written what is read.
enum class Author { any, trusted };

/// Iterates the payloads of one file, which may be still growing. The file is hostile: memory stays
/// below about max_record_payload whatever lengths it claims.
class RecordReader {
  public:
    /// Opens the file; its header is checked by the first next(), because a writer may have created
    /// the file only just now. Errors: no such file, not a regular file, no permission; for
    /// Author::trusted, those of check_trusted().
    [[nodiscard]] static Result<RecordReader> open(const std::filesystem::path& path,
                                                   const RecordFormat& format,
                                                   Author author = Author::any);
    /// The same for a regular file that is open already.
    [[nodiscard]] static RecordReader of(FileDescriptor file, std::string name,
                                         const RecordFormat& format);

    /// The next payload; nothing when the file holds no further whole record at this moment (call
    /// again when it has grown; torn() tells whether part of a record stands there).
    /// Errors: another kind or version of file, a checksum that does not match, an impossible
    /// length. After an error every further call returns it again.
    [[nodiscard]] Result<std::optional<std::string>> next();

    /// The next payload parsed into `message`; false where next() gives nothing. Errors: also a
    /// payload that is no such message, or one of more than max_fields.
    [[nodiscard]] Result<bool> next(google::protobuf::Message& message);

    /// Whether bytes of an unfinished record follow the last whole one (as of the last next()).
    [[nodiscard]] bool torn() const { return buffer_.size() > used_; }
    /// Where the last whole record ended, in bytes from the start of the file.
    [[nodiscard]] std::uint64_t offset() const { return offset_; }

  private:
    friend class RecordWriter;
    RecordReader(FileDescriptor file, std::string name, RecordFormat format);
    [[nodiscard]] Result<std::optional<std::string>> next_payload();
    [[nodiscard]] std::string_view unread() const {
        return std::string_view(buffer_).substr(used_);
    }
    [[nodiscard]] Result<bool> fill(std::size_t bytes);
    [[nodiscard]] Result<void> check_header(std::string_view payload) const;

    FileDescriptor file_;
    std::string name_;
    RecordFormat format_;
    std::string buffer_;   ///< its bytes from used_ on are the file's from offset_ on
    std::size_t used_ = 0; ///< bytes of records that were returned already
    std::uint64_t offset_ = 0;
    bool header_seen_ = false;
    std::optional<Error> error_;
};

} // namespace intellisched
