// SPDX-License-Identifier: MIT
// What a context switch costs over working-set sizes, as lmbench's lat_ctx has it: two processes on
// one CPU hand a token back and forth through pipes, and each reads its own array before it passes
// the token on. The cost is a turn's time less what reading an array takes that nobody else has
// pushed out, and less what a switch without any array costs. Once with reads that do not wait for
// each other, the best that a program can do, and once with a chain of reads of which each says
// where the next one is, the worst.
//   context-switch [CPU]
// Prints by size of the array, in microseconds, medians: a turn, reading alone, and what the array
// adds to a switch.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <random>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t line_words = 64 / sizeof(std::uint64_t);
constexpr int rounds = 31;
constexpr double round_us = 4000;

/// Reads every line once, in an order that no prefetcher guesses.
class Array {
  public:
    Array(std::size_t kb, bool chain)
        : data_(kb * 1024 / sizeof(std::uint64_t)), order_(kb * 16), chain_(chain) {
        std::iota(order_.begin(), order_.end(), 0U);
        std::shuffle(order_.begin(), order_.end(), std::mt19937(1));
        for (std::size_t i = 0; i < order_.size(); ++i)
            data_[order_[i] * line_words] = order_[(i + 1) % order_.size()] * line_words;
    }
    void read() const {
        std::uint64_t sum = 0;
        if (chain_)
            for (std::size_t i = 0; i < order_.size(); ++i) sum = data_[sum];
        else
            for (const std::uint32_t line : order_) sum += data_[line * line_words];
        asm volatile("" : : "r"(sum) : "memory");
    }

  private:
    std::vector<std::uint64_t> data_;
    std::vector<std::uint32_t> order_;
    bool chain_;
};

double us_since(Clock::time_point start) {
    return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
}

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

double alone_us(const Array& array, unsigned turns) {
    std::vector<double> times;
    for (int i = 0; i < rounds; ++i) {
        const auto start = Clock::now();
        for (unsigned turn = 0; turn < turns; ++turn) array.read();
        times.push_back(us_since(start) / turns);
    }
    return median(std::move(times));
}

[[noreturn]] void partner(const Array& array, int from, int to) {
    for (char token = 0; ::read(from, &token, 1) == 1;) {
        array.read();
        if (::write(to, &token, 1) != 1) break;
    }
    ::_exit(0);
}

double turn_us(const Array& array, std::size_t kb, bool chain, unsigned turns) {
    int there[2], back[2];
    if (::pipe(there) != 0 || ::pipe(back) != 0) return -1;
    const pid_t child = ::fork();
    if (child < 0) return -1;
    if (child == 0) {
        ::close(there[1]);
        ::close(back[0]);
        partner(Array(kb, chain), there[0], back[1]); // an array of its own
    }
    ::close(there[0]);
    ::close(back[1]);
    std::vector<double> times;
    char token = 0;
    for (int i = 0; i < rounds; ++i) {
        const auto start = Clock::now();
        for (unsigned turn = 0; turn < turns; ++turn) {
            array.read();
            if (::write(there[1], &token, 1) != 1 || ::read(back[0], &token, 1) != 1) return -1;
        }
        times.push_back(us_since(start) / (2 * turns));
    }
    ::close(there[1]);
    ::close(back[0]);
    ::waitpid(child, nullptr, 0);
    return median(std::move(times));
}

} // namespace

int main(int argc, char** argv) {
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(argc > 1 ? std::atoi(argv[1]) : 0, &cpus);
    if (::sched_setaffinity(0, sizeof(cpus), &cpus) != 0) {
        std::perror("context-switch: cannot run on that CPU");
        return 1;
    }
    std::printf("%-11s %8s %10s %10s %10s\n", "reads", "kB", "turn us", "alone us", "added us");
    for (const bool chain : {false, true}) {
        double nothing = 0;
        for (const std::size_t kb :
             {0, 64, 128, 256, 512, 768, 1024, 2048, 4096, 8192, 16384, 24576}) {
            const Array array(kb, chain);
            array.read();
            const auto turns =
                std::max(1U, static_cast<unsigned>(round_us / 2 / (1 + alone_us(array, 1))));
            const double alone = kb > 0 ? alone_us(array, turns) : 0;
            const double turn = turn_us(array, kb, chain, turns);
            if (turn < 0) {
                std::perror("context-switch: pipes or processes");
                return 1;
            }
            if (kb == 0) nothing = turn;
            std::printf("%-11s %8zu %10.2f %10.2f %10.2f\n", chain ? "chain" : "independent", kb,
                        turn, alone, turn - alone - nothing);
            std::fflush(stdout);
        }
    }
    return 0;
}
