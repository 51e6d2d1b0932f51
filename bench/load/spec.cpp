// SPDX-License-Identifier: MIT
#include "spec.hpp"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <sstream>

const char* const kSpecHelp =
    "Loads and their parameters (times take us, ms or s):\n"
    "  idle                                    nothing but a probe\n"
    "  cpu                                     hogs that never sleep\n"
    "  burst    run=200us sleep=800us seed=1   exponential bursts and sleeps\n"
    "  pingpong run=5us length=2               rings of threads, one vCPU each, that wake each "
    "other\n"
    "  periodic run=2ms period=10ms seed=1     a job a period; late ones are deadline misses\n"
    "  build    run=20ms sleep=2ms seed=1      forked jobs that work and block by turns\n"
    "  threads=N in each but idle: workers, default the number of vCPUs\n";

namespace {

constexpr std::int64_t kMicrosecond = 1'000;
constexpr std::int64_t kMillisecond = 1'000'000;
constexpr std::int64_t kLongest = 10'000 * kMillisecond;

struct Load {
    const char* name;
    const char* keys; // allowed parameters, separated by blanks
    Spec defaults;
};

const Load kLoads[] = {
    {"idle", "", {Kind::idle, "idle", 0, 2, 0, 0, 0, 1}},
    {"cpu", "threads", {Kind::cpu, "cpu", 0, 2, 0, 0, 0, 1}},
    {"burst",
     "threads run sleep seed",
     {Kind::burst, "burst", 0, 2, 200 * kMicrosecond, 800 * kMicrosecond, 0, 1}},
    {"pingpong",
     "threads run length",
     {Kind::pingpong, "pingpong", 0, 2, 5 * kMicrosecond, 0, 0, 1}},
    {"periodic",
     "threads run period seed",
     {Kind::periodic, "periodic", 0, 2, 2 * kMillisecond, 0, 10 * kMillisecond, 1}},
    {"build",
     "threads run sleep seed",
     {Kind::build, "build", 0, 2, 20 * kMillisecond, 2 * kMillisecond, 0, 1}},
};

std::uint64_t parse_number(const std::string& key, std::string_view text, std::uint64_t low,
                           std::uint64_t high) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || value < low || value > high)
        throw BadSpec(key + "=" + std::string(text) + ": write a number from " +
                      std::to_string(low) + " to " + std::to_string(high));
    return value;
}

std::int64_t parse_time(const std::string& key, std::string_view text) {
    const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
    const std::string_view unit = text.substr(digits);
    const std::int64_t scale = unit == "us"   ? kMicrosecond
                               : unit == "ms" ? kMillisecond
                               : unit == "s"  ? 1'000 * kMillisecond
                                              : 0;
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + digits, value);
    if (scale == 0 || digits == 0 || error != std::errc{} || value < 1 || value > kLongest / scale)
        throw BadSpec(key + "=" + std::string(text) +
                      ": write a time from 1us to 10s, such as 200us, 5ms or 1s");
    return value * scale;
}

bool has_word(std::string_view words, std::string_view word) {
    std::istringstream stream{std::string(words)};
    return std::find(std::istream_iterator<std::string>(stream), {}, word) !=
           std::istream_iterator<std::string>();
}

} // namespace

Spec parse_spec(std::string_view text, unsigned vcpus) {
    std::istringstream words{std::string(text)};
    std::string name;
    words >> name;
    const auto load = std::find_if(std::begin(kLoads), std::end(kLoads),
                                   [&](const Load& each) { return each.name == name; });
    if (load == std::end(kLoads))
        throw BadSpec("unknown load '" + name +
                      "': there are idle, cpu, burst, pingpong, periodic and build");

    Spec spec = load->defaults;
    spec.threads = std::clamp(vcpus, 1u, kMostThreads);
    for (std::string word; words >> word;) {
        const std::size_t equals = std::min(word.find('='), word.size());
        const std::string key = word.substr(0, equals);
        if (equals == word.size() || !has_word(load->keys, key))
            throw BadSpec(
                "load " + name + " does not know '" + word + "': it takes " +
                (*load->keys ? std::string(load->keys) + ", as key=value" : "no parameters"));
        const std::string_view value = std::string_view(word).substr(equals + 1);
        if (key == "threads")
            spec.threads = static_cast<unsigned>(parse_number(key, value, 1, kMostThreads));
        else if (key == "length")
            spec.length = static_cast<unsigned>(parse_number(key, value, 2, kMostThreads));
        else if (key == "seed")
            spec.seed = parse_number(key, value, 0, UINT64_MAX);
        else if (key == "run")
            spec.run_ns = parse_time(key, value);
        else if (key == "sleep")
            spec.sleep_ns = parse_time(key, value);
        else
            spec.period_ns = parse_time(key, value);
    }
    if (spec.kind == Kind::idle) spec.threads = 0;
    if (spec.kind == Kind::pingpong) // whole rings only, at least one
        spec.threads = std::max(spec.threads / spec.length, 1u) * spec.length;
    if (spec.kind == Kind::periodic && spec.run_ns > spec.period_ns)
        throw BadSpec("run must not be longer than period: every deadline would be missed");
    return spec;
}
