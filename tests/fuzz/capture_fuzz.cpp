// SPDX-License-Identifier: MIT
// libFuzzer target: a capture from anywhere. The input is the four files of a capture, either as
// they are, or as payloads that are put into records with right checksums, which a fuzzer would not
// guess. Everything is read through the host that plays captures back.
#include "collector/capture/format.hpp"
#include "src/host/capture_host.hpp"

#include <array>
#include <cstdint>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <google/protobuf/stubs/logging.h>
#include <string>
#include <string_view>
#include <unistd.h>

using namespace intellisched;
namespace fs = std::filesystem;

namespace {

/// In memory where there is such a place, since every input is written out; removed at exit.
class Directory {
  public:
    Directory() {
        std::error_code ignored;
        const fs::path parent =
            fs::is_directory("/dev/shm", ignored) ? "/dev/shm" : fs::temp_directory_path();
        std::string name = (parent / "capture_fuzzXXXXXX").string();
        if (::mkdtemp(name.data()) == nullptr) std::abort();
        path_ = name;
    }
    Directory(const Directory&) = delete;
    Directory& operator=(const Directory&) = delete;
    ~Directory() {
        std::error_code ignored;
        fs::remove_all(path_, ignored);
    }
    [[nodiscard]] const fs::path& path() const { return path_; }

  private:
    fs::path path_;
};

void spill(const fs::path& path, std::string_view bytes) {
    const FileDescriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600));
    if (!write_all(file.get(), std::as_bytes(std::span(bytes)), path.string())) std::abort();
}

/// The first bytes of `input`, as many as its first two bytes say.
std::string_view take(std::string_view& input) {
    if (input.size() < 2) return {};
    const std::size_t size = static_cast<unsigned char>(input[0]) |
                             static_cast<std::size_t>(static_cast<unsigned char>(input[1])) << 8;
    const std::string_view taken = input.substr(2, size);
    input.remove_prefix(2 + taken.size());
    return taken;
}

/// `payload` as a file of two records with it.
std::string as_records(std::string_view payload, const RecordFormat& format) {
    const auto record = encode_record(payload);
    return encode_header(format) + (record ? *record + *record : std::string());
}

void look_at(const proto::HostSnapshot& snapshot) {
    const auto topology = topology_of(snapshot);
    const auto pools = pools_of(snapshot);
    if (!topology || !pools) return;
    // A partition is quadratic in the CPUs: no fuzzing time for big ones.
    if (topology->cpus.size() <= 64)
        for (const Pool& pool : *pools) (void)representatives(*topology, pool);
    (void)find_pool(*pools, "0");
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const Directory directory;
    [[maybe_unused]] static auto* const previous = google::protobuf::SetLogHandler(nullptr);
    if (size == 0) return 0;
    std::string_view input(reinterpret_cast<const char*>(data), size);
    const bool as_payloads = (input[0] & 1) != 0;
    input.remove_prefix(1);
    const std::array formats{capture::manifest_format, capture::host_format,
                             capture::counters_format};
    const std::array names{capture::manifest_file, capture::host_file, capture::counters_file};
    for (std::size_t i = 0; i < names.size(); ++i) {
        const std::string_view part = take(input);
        spill(directory.path() / names[i],
              as_payloads ? as_records(part, formats[i]) : std::string(part));
    }
    spill(directory.path() / capture::trace_file, input);

    auto host = CaptureHost::open(directory.path());
    if (!host) return 0;
    // A zstd bomb is given in pieces for as long as one likes to look.
    std::size_t budget = std::size_t{4} << 20;
    for (;;) {
        auto item = (*host)->next();
        if (!item || !*item) return 0;
        if (const auto* snapshot = std::get_if<proto::HostSnapshot>(&**item)) look_at(*snapshot);
        if (const auto* trace = std::get_if<TraceBytes>(&**item)) {
            if (trace->bytes.empty() || trace->bytes.size() > capture::Reader::trace_piece)
                std::abort();
            if (trace->bytes.size() >= budget) return 0;
            budget -= trace->bytes.size();
        }
    }
}
