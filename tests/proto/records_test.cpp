// SPDX-License-Identifier: MIT
// Files of records: what was appended comes back; torn, growing, damaged and foreign files do not
// pass for something else.
#include "src/proto/capture.pb.h"
#include "src/proto/records.hpp"
#include "tests/support/files.hpp"

#include <csignal>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <fstream>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace intellisched;
using test::Directory, test::slurp, test::spill;

namespace {

constexpr RecordFormat counters{"counters", 1};

// A file of three records: "one", 300 bytes of 'b' (a two-byte length), "three".
std::filesystem::path three_records(const Directory& directory) {
    const auto path = directory.path / "three";
    auto writer = RecordWriter::create(path, counters);
    REQUIRE(writer);
    REQUIRE(writer->append_payload("one"));
    REQUIRE(writer->append_payload(std::string(300, 'b')));
    REQUIRE(writer->append_payload("three"));
    REQUIRE(writer->sync());
    CHECK(writer->size() == std::filesystem::file_size(path));
    return path;
}

std::vector<std::string> read_all(RecordReader& reader, std::string* error = nullptr) {
    std::vector<std::string> payloads;
    for (;;) {
        auto payload = reader.next();
        if (!payload) {
            if (error) *error = payload.error().message;
            return payloads;
        }
        if (!*payload) return payloads;
        payloads.push_back(std::move(**payload));
    }
}

bool contains(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos && text.find('\n') == std::string::npos;
}

} // namespace

TEST_CASE("records: what was appended comes back in order") {
    const Directory directory;
    const auto path = three_records(directory);
    auto reader = RecordReader::open(path, counters);
    REQUIRE(reader);
    const auto payloads = read_all(*reader);
    REQUIRE(payloads.size() == 3);
    CHECK(payloads[0] == "one");
    CHECK(payloads[1] == std::string(300, 'b'));
    CHECK(payloads[2] == "three");
    CHECK_FALSE(reader->torn());
    CHECK(reader->offset() == std::filesystem::file_size(path));
}

TEST_CASE("records: messages come back as messages, and a wrong one is an error") {
    const Directory directory;
    const auto path = directory.path / "messages";
    auto writer = RecordWriter::create(path, counters);
    REQUIRE(writer);
    proto::FileHeader message;
    message.set_kind("k");
    REQUIRE(writer->append(message));
    REQUIRE(writer->append_payload("\xff\xff\xff"));
    auto reader = RecordReader::open(path, counters);
    proto::FileHeader back;
    auto got = reader->next(back);
    REQUIRE(got);
    CHECK(*got);
    CHECK(back.kind() == "k");
    got = reader->next(back);
    REQUIRE_FALSE(got);
    CHECK(contains(got.error().message, "FileHeader"));
}

TEST_CASE("records: a file cut anywhere gives whole records, then says torn") {
    const Directory directory;
    const auto whole = slurp(three_records(directory));
    const auto header = encode_header(counters).size();
    const auto one = header + encode_record("one")->size();
    const auto two = one + encode_record(std::string(300, 'b'))->size();
    const auto path = directory.path / "cut";
    for (std::size_t size = 0; size <= whole.size(); ++size) {
        CAPTURE(size);
        spill(path, whole.substr(0, size));
        auto reader = RecordReader::open(path, counters);
        REQUIRE(reader);
        std::string error;
        const auto payloads = read_all(*reader, &error);
        CHECK(error.empty());
        CHECK(payloads.size() == (size >= one) + (size >= two) + (size == whole.size() ? 1U : 0U));
        const bool boundary =
            size == 0 || size == header || size == one || size == two || size == whole.size();
        CHECK(reader->torn() == !boundary);
    }
}

TEST_CASE("records: a growing file can be polled from before its header on") {
    const Directory directory;
    const auto whole = slurp(three_records(directory));
    const auto path = directory.path / "growing";
    spill(path, "");
    auto reader = RecordReader::open(path, counters);
    REQUIRE(reader);
    std::ofstream out(path, std::ios::binary | std::ios::app);
    std::size_t seen = 0;
    for (const char byte : whole) {
        out.put(byte);
        out.flush();
        auto payload = reader->next();
        REQUIRE(payload);
        if (*payload) ++seen;
    }
    CHECK(seen == 3);
    CHECK_FALSE(reader->torn());
}

TEST_CASE("records: a flipped bit is found wherever it falls") {
    const Directory directory;
    const auto whole = slurp(three_records(directory));
    const auto path = directory.path / "flipped";
    for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
        CAPTURE(bit);
        std::string bytes = whole;
        bytes[bit / 8] =
            static_cast<char>(static_cast<unsigned char>(bytes[bit / 8]) ^ (1U << (bit % 8)));
        spill(path, bytes);
        auto reader = RecordReader::open(path, counters);
        REQUIRE(reader);
        std::string error;
        const auto payloads = read_all(*reader, &error);
        // Either an error, or (a length that now reaches past the end) a torn tail.
        CHECK((!error.empty() || reader->torn()));
        CHECK(payloads.size() < 3);
        for (std::size_t i = 0; i < payloads.size(); ++i)
            CHECK(payloads[i] == std::vector<std::string>{"one", std::string(300, 'b')}[i]);
    }
}

TEST_CASE("records: errors are one line, and stay") {
    const Directory directory;
    auto bytes = slurp(three_records(directory));
    bytes.back() = 'x';
    const auto path = directory.path / "damaged";
    spill(path, bytes);
    auto reader = RecordReader::open(path, counters);
    std::string error;
    CHECK(read_all(*reader, &error).size() == 2);
    CHECK(contains(error, "checksum"));
    CHECK(contains(error, "damaged"));
    auto again = reader->next();
    REQUIRE_FALSE(again);
    CHECK(again.error().message == error);
}

TEST_CASE("records: zero bytes are no records, huge lengths are refused") {
    const Directory directory;
    const auto path = directory.path / "hostile";
    for (const std::string& tail :
         {std::string(64, '\0'), std::string("\xff\xff\xff\xff\x0f"),
          std::string("\xff\xff\xff\xff\xff\x01"), std::string("\x81\x80\x80\x10")}) {
        spill(path, encode_header(counters) + tail);
        auto reader = RecordReader::open(path, counters);
        std::string error;
        CHECK(read_all(*reader, &error).empty());
        CHECK(contains(error, "length"));
    }
}

TEST_CASE("records: an empty payload, or a record without one, is damage") {
    const Directory directory;
    const auto path = directory.path / "empty";
    for (const std::string& tail : {std::string("\x02\x12\x00", 3), std::string("\x02\x18\x01")}) {
        spill(path, encode_header(counters) + tail);
        auto reader = RecordReader::open(path, counters);
        std::string error;
        CHECK(read_all(*reader, &error).empty());
        CHECK(contains(error, "checksum"));
    }
}

TEST_CASE("records: a claimed length does not take memory that the file does not fill") {
    const Directory directory;
    const auto path = directory.path / "claims";
    // 16 MiB claimed, ten bytes there: torn.
    spill(path,
          encode_header(counters) + std::string("\x80\x80\x80\x08", 4) + std::string(10, 'x'));
    auto reader = RecordReader::open(path, counters);
    auto payload = reader->next();
    REQUIRE(payload);
    CHECK_FALSE(*payload);
    CHECK(reader->torn());
}

TEST_CASE("records: another kind, version or program is refused by name") {
    const Directory directory;
    const auto path = three_records(directory);
    std::string error;
    auto reader = RecordReader::open(path, {"samples", 1});
    CHECK(read_all(*reader, &error).empty());
    CHECK(contains(error, "'counters', not 'samples'"));
    reader = RecordReader::open(path, {"counters", 7});
    read_all(*reader, &error);
    CHECK(contains(error, "version 1"));
    CHECK(contains(error, "version 7"));
    spill(path, *encode_record("\x0a\x05other"));
    reader = RecordReader::open(path, counters);
    read_all(*reader, &error);
    CHECK(contains(error, "not a file of intellisched"));
}

TEST_CASE("records: only regular files are read") {
    const Directory directory;
    CHECK_FALSE(RecordReader::open(directory.path / "absent", counters));
    CHECK_FALSE(RecordReader::open(directory.path, counters));
    REQUIRE(::mkfifo((directory.path / "fifo").c_str(), 0600) == 0);
    CHECK_FALSE(RecordReader::open(directory.path / "fifo", counters)); // and does not hang
}

TEST_CASE("records: resume cuts a torn record off and goes on") {
    const Directory directory;
    const auto path = three_records(directory);
    const auto whole = slurp(path);
    for (const std::size_t size :
         {whole.size(), whole.size() - 1, std::size_t{3}, std::size_t{0}}) {
        CAPTURE(size);
        spill(path, whole.substr(0, size));
        {
            auto writer = RecordWriter::resume(path, counters);
            REQUIRE(writer);
            REQUIRE(writer->append_payload("more"));
            CHECK(writer->size() == std::filesystem::file_size(path));
        }
        auto reader = RecordReader::open(path, counters);
        std::string error;
        const auto payloads = read_all(*reader, &error);
        CHECK(error.empty());
        CHECK_FALSE(reader->torn());
        CHECK(payloads.size() == (size == whole.size() ? 4 : size > 10 ? 3 : 1));
        CHECK(payloads.back() == "more");
    }
    CHECK_FALSE(RecordWriter::resume(path, {"samples", 1})); // another kind is left alone
    CHECK(RecordWriter::resume(directory.path / "new", counters));
    CHECK_FALSE(RecordWriter::create(directory.path / "no" / "such", counters));
}

TEST_CASE("records: empty and oversized payloads are refused") {
    CHECK_FALSE(encode_record(""));
    const std::string large(max_record_payload, 'x');
    CHECK(encode_record(large));
    CHECK_FALSE(encode_record(large + 'x'));
    const Directory directory;
    const auto path = directory.path / "large";
    auto writer = RecordWriter::create(path, counters);
    REQUIRE(writer->append_payload(large));
    auto reader = RecordReader::open(path, counters);
    auto payload = reader->next();
    REQUIRE(payload);
    REQUIRE(*payload);
    CHECK(**payload == large);
}

TEST_CASE("records: a record that does not fit on the disk leaves no half behind") {
    const Directory directory;
    const auto path = directory.path / "full";
    auto writer = RecordWriter::create(path, counters);
    REQUIRE(writer->append_payload("one"));
    // A file size limit stands in for a full disk: write() stops short at it.
    rlimit before{};
    ::getrlimit(RLIMIT_FSIZE, &before);
    rlimit limit{writer->size() + 100, before.rlim_max};
    auto* old = ::signal(SIGXFSZ, SIG_IGN);
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &limit) == 0);
    const auto written = writer->append_payload(std::string(5000, 'x'));
    ::setrlimit(RLIMIT_FSIZE, &before);
    ::signal(SIGXFSZ, old);
    REQUIRE_FALSE(written);
    CHECK(std::filesystem::file_size(path) == writer->size());
    REQUIRE(writer->append_payload("two"));
    auto reader = RecordReader::open(path, counters);
    CHECK(read_all(*reader) == std::vector<std::string>{"one", "two"});
}

TEST_CASE("printable: nothing that a terminal acts on or does not show") {
    CHECK(printable("plain \xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80") ==
          "plain \xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
    CHECK(printable("\x1b[2J\n\x7f") == "?[2J??");
    CHECK(printable("\xc2\x9b"
                    "2J") == "?2J"); // U+009B, the control sequence introducer
    CHECK(printable("\x9b"
                    "2J") == "?2J"); // the same as a byte of Latin-1
    CHECK(printable("a\xe2\x80\xae"
                    "b") == "a?b"); // U+202E, right to left override
    CHECK(printable("a\xe2\x81\xa6"
                    "b") == "a?b"); // U+2066, left to right isolate
    CHECK(printable("a\xe2\x80\x8b"
                    "b") == "a?b"); // U+200B, zero width
    CHECK(printable("a\xef\xbb\xbf"
                    "b") == "a?b");                // U+FEFF
    CHECK(printable("\xf3\xa0\x81\x81") == "?");   // U+E0041, a tag
    CHECK(printable("\xe2\x82") == "??");          // cut
    CHECK(printable("ab\xe2\x82\xac", 4) == "ab"); // no half characters
}
