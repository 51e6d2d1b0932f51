// SPDX-License-Identifier: MIT
// Sample files: read back in order; torn ones lose one sample, foreign and outdated ones are
// refused.
#include "bench/training/samples.hpp"
#include "bench/training/synthetic.hpp"
#include "tests/support/files.hpp"

#include <doctest/doctest.h>
#include <fstream>
#include <unistd.h>

using namespace intellisched;
using namespace intellisched::test;

namespace {

void write(const std::filesystem::path& path, std::span<const proto::Sample> samples) {
    auto writer = RecordWriter::create(path, samples_format);
    REQUIRE(writer);
    for (const auto& sample : samples) REQUIRE(writer->append(sample));
}

std::string error_of(const std::filesystem::path& directory) {
    const auto samples = read_samples(directory);
    if (samples) return "no error";
    CHECK(samples.error().message.find('\n') == std::string::npos);
    return samples.error().message;
}

} // namespace

TEST_CASE("samples: every *.samples file of a directory is read, in the order of names") {
    const Directory directory;
    const auto made = synthetic::make_samples({.samples = 10});
    for (std::size_t i = made.size(); i-- > 0;)
        write(directory.path / fmt::format("{}.samples", i * 7919 % 10), std::span(&made[i], 1));
    std::ofstream(directory.path / "notes.txt") << "no samples";
    const auto back = read_samples(directory.path);
    REQUIRE(back);
    REQUIRE(back->size() == made.size());
    for (std::size_t i = 0; i < made.size(); ++i)
        CHECK((*back)[i * 7919 % 10].SerializeAsString() == made[i].SerializeAsString());
}

TEST_CASE("samples: a torn last record costs one sample") {
    const Directory directory;
    const auto made = synthetic::make_samples({.samples = 5});
    const auto path = directory.path / "torn.samples";
    write(path, made);
    std::filesystem::resize_file(path, std::filesystem::file_size(path) - 1);
    const auto back = read_samples(directory.path);
    REQUIRE(back);
    CHECK(back->size() == 4);
}

TEST_CASE("samples: a damaged file is an error that names it") {
    const Directory directory;
    const auto path = directory.path / "damaged.samples";
    write(path, synthetic::make_samples({.samples = 5}));
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(std::filesystem::file_size(path)) - 1);
    file.put('x');
    file.close();
    CHECK(contains(error_of(directory.path), "damaged.samples: the record at byte"));
}

TEST_CASE("samples: other versions, kinds and directories are refused by name") {
    const Directory directory;
    CHECK(contains(error_of(directory.path / "absent"), "cannot read the directory"));
    CHECK(contains(error_of(directory.path), "no *.samples file"));
    auto made = synthetic::make_samples({.samples = 3});
    made[1].set_schema_version(feature_schema_version + 7);
    write(directory.path / "old.samples", made);
    const auto error = error_of(directory.path);
    CHECK(contains(error, "old.samples: sample 2"));
    CHECK(contains(error, fmt::format("version {} ", feature_schema_version + 7)));
    CHECK(contains(error, fmt::format("version {};", feature_schema_version)));
    std::filesystem::remove(directory.path / "old.samples");
    auto other = RecordWriter::create(directory.path / "old.samples", {"counters", 1});
    REQUIRE(other);
    CHECK(contains(error_of(directory.path), "kind 'counters'"));
}
