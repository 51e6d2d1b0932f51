// SPDX-License-Identifier: MIT
#include "bench/experiment/simulators.hpp"

#include "src/base/spawn.hpp"
#include "src/host/simulator.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace intellisched::bench {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t most_words = 4096;
constexpr std::size_t most_program = std::size_t{1} << 30;

/// Part of a folder's name: what could lead out of it does not.
bool plain(const std::string& word) {
    return !word.empty() && std::all_of(word.begin(), word.end(), [](unsigned char c) {
        return std::isalnum(c) || c == '-' || c == '_';
    });
}

} // namespace

Result<PinnedProgram> PinnedProgram::open(const fs::path& path) {
    const FileDescriptor opened(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (opened.get() < 0) return fail("{}: cannot open: {}", path.string(), std::strerror(errno));
    // It is started by its number, which must be that of no other in the child.
    FileDescriptor file(::fcntl(opened.get(), F_DUPFD_CLOEXEC, above_given_descriptors));
    if (file.get() < 0) return fail("{}: cannot open: {}", path.string(), std::strerror(errno));
    // By the descriptor, not by the name: that may be another file by now.
    auto bytes = read_file(fmt::format("/proc/self/fd/{}", file.get()), most_program);
    if (!bytes) return fail("{}: {}", path.string(), bytes.error().message);
    std::uint64_t hash = 0xcbf29ce484222325U; // FNV-1a: against mix-ups, not against anybody
    for (const std::byte byte : *bytes)
        hash = (hash ^ std::to_integer<std::uint64_t>(byte)) * 0x100000001b3U;
    return PinnedProgram(std::move(file), fmt::format("{:016x}", hash));
}

fs::path PinnedProgram::path() const { return fmt::format("/proc/self/fd/{}", file_.get()); }

Result<fs::path> generate_scenarios(const fs::path& folder, const std::string& family,
                                    const std::string& topology, unsigned count,
                                    std::uint64_t seed) {
    if (!plain(family) || !plain(topology))
        return fail("'{}' on '{}': names of families and topologies have letters, digits, - and _",
                    printable(family, 32), printable(topology, 32));
    const fs::path wanted = folder / fmt::format("{}-{}-{}-{}", family, topology, count, seed);
    std::error_code error;
    if (fs::exists(wanted, error)) return wanted;
    auto program = TRY(find_simulator());
    // Renamed when it is whole: half of them would pass for all later.
    const fs::path unfinished = wanted.string() + ".tmp";
    fs::remove_all(unfinished, error);
    if (!fs::create_directories(unfinished, error))
        return fail("{}: cannot be made: {}", unfinished.string(), error.message());

    std::array<int, 2> pipe{};
    if (::pipe2(pipe.data(), O_CLOEXEC) != 0)
        return fail("cannot start a simulator: {}", std::strerror(errno));
    const FileDescriptor errors(pipe[0]);
    FileDescriptor errors_there(pipe[1]);
    const std::array given{GivenDescriptor{errors_there.get(), STDERR_FILENO}};
    auto pid =
        spawn(program,
              {"generate", "--family", family, "--topology", topology, "--count",
               fmt::to_string(count), "--seed", fmt::to_string(seed), "--out", unfinished.string()},
              given);
    errors_there = FileDescriptor();
    if (!pid) return tl::unexpected(pid.error());
    std::string words;
    for (std::array<char, most_words> buffer;;) {
        const ssize_t n = ::read(errors.get(), buffer.data(), buffer.size());
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) break;
        words.append(buffer.data(), static_cast<std::size_t>(n));
        if (words.size() > most_words) words.erase(0, words.size() - most_words);
    }
    int status = 0;
    while (::waitpid(*pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (status != 0)
        return fail("{} {} on {} cannot be generated: {}", count, family, topology,
                    words.empty() ? "the simulator ended without a word" : last_line(words));
    fs::rename(unfinished, wanted, error);
    if (error) return fail("{}: cannot be put in place: {}", wanted.string(), error.message());
    return wanted;
}

} // namespace intellisched::bench
