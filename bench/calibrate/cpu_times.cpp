// SPDX-License-Identifier: MIT
#include "bench/calibrate/cpu_times.hpp"

#include "bench/calibrate/findings.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <emmintrin.h>
#include <functional>
#include <numeric>
#include <random>
#include <sched.h>
#include <thread>
#include <unistd.h>

namespace intellisched::calibrate {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::microseconds;

constexpr std::size_t line_bytes = 64;
constexpr std::size_t line_words = line_bytes / sizeof(std::uint64_t);
constexpr microseconds slice{2000};
constexpr unsigned slices = 8; // of each kind
constexpr std::size_t stretch_bytes = std::size_t{1} << 20;

double us_since(Clock::time_point start) {
    return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
}

/// The thread that calls goes to that CPU of Linux, and is there on return.
Result<void> go_to(unsigned cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (cpu < CPU_SETSIZE) CPU_SET(cpu, &set);
    if (::sched_setaffinity(0, sizeof(set), &set) != 0)
        return fail("cannot run on vCPU {}: {}; see that it is online and in no cpuset", cpu,
                    std::strerror(errno));
    return {};
}

/// In a thread of its own, so that the caller's stays where it is.
template<class Function> auto apart(Function&& function) {
    decltype(function()) result;
    std::thread([&] { result = function(); }).join();
    return result;
}

/// Keeps the compiler from leaving out what made the value.
void use(std::uint64_t value) { asm volatile("" : : "r"(value) : "memory"); }

/// Computes for about a microsecond: arithmetic that depends on itself and some that does not, and
/// loads that the nearest cache has, as programs mix them.
void compute(std::array<std::uint64_t, 512>& data) {
    std::uint64_t a = data[0], b = data[1], c = 0;
    for (unsigned i = 0; i < 512; ++i) {
        a = a * 6364136223846793005U + 1442695040888963407U;
        b ^= b << 13, b ^= b >> 7;
        c += data[a >> 55] + (b & i);
    }
    data[0] = a;
    data[1] = b | 1;
    use(c);
}

/// The sibling's part: computes or sleeps, as it is told.
class Sibling {
  public:
    explicit Sibling(unsigned cpu) : thread_([this, cpu] { run(cpu); }) { reach(rests); }
    Sibling(const Sibling&) = delete;
    Sibling& operator=(const Sibling&) = delete;
    ~Sibling() {
        tell(ends);
        thread_.join();
    }
    void be_busy(bool busy) {
        tell(busy ? computes : rests);
        reach(busy ? computes : rests);
    }
    [[nodiscard]] const Result<void>& placed() const { return placed_; } ///< once it rested

  private:
    enum What : int { starts, rests, computes, ends };

    void tell(What what) {
        told_ = what;
        told_.notify_one();
    }
    void reach(What what) {
        for (int now = does_; now != what; now = does_) does_.wait(now);
    }
    void run(unsigned cpu) {
        placed_ = go_to(cpu);
        std::array<std::uint64_t, 512> data{1, 2};
        for (;;) {
            const int told = told_;
            if (does_ != told) {
                does_ = told;
                does_.notify_one();
            }
            if (told == ends) return;
            if (told == computes)
                compute(data);
            else
                told_.wait(told);
        }
    }

    std::atomic<int> told_ = rests, does_ = starts;
    Result<void> placed_;
    std::thread thread_;
};

/// Computations a microsecond over a slice.
double speed(std::array<std::uint64_t, 512>& data) {
    const auto start = Clock::now();
    unsigned done = 0;
    double us = 0;
    for (; us < static_cast<double>(slice.count()); us = us_since(start)) {
        for (unsigned i = 0; i < 16; ++i) compute(data);
        done += 16;
    }
    return done / us;
}

double median(std::vector<double> values) { return spread_of(std::move(values), 1)->median; }

std::vector<std::uint32_t> shuffled(std::size_t count) {
    std::vector<std::uint32_t> order(count);
    std::iota(order.begin(), order.end(), 0U);
    std::shuffle(order.begin(), order.end(), std::mt19937(1));
    return order;
}

/// Nanoseconds of a walk over a stretch, each line of which says where the next one is.
double walk_ns(const std::uint64_t* stretch) {
    for (std::size_t word = 0; word < stretch_bytes / sizeof(*stretch); word += line_words)
        _mm_clflush(stretch + word);
    _mm_mfence();
    const auto start = Clock::now();
    std::uint64_t at = 0;
    for (std::size_t i = 0; i < stretch_bytes / line_bytes; ++i) at = stretch[at];
    use(at);
    return us_since(start) * 1000;
}

} // namespace

Result<double> smt_speed(unsigned cpu, unsigned sibling) {
    return apart([&]() -> Result<double> {
        TRY(go_to(cpu));
        Sibling other(sibling);
        if (!other.placed()) return tl::unexpected(other.placed().error());
        std::array<std::uint64_t, 512> data{3, 4};
        std::vector<double> alone, together;
        for (unsigned i = 0; i < slices; ++i) {
            other.be_busy(false);
            alone.push_back(speed(data));
            other.be_busy(true);
            together.push_back(speed(data));
        }
        return median(together) / median(alone);
    });
}

WorkingSet::WorkingSet(std::size_t bytes)
    : data_(bytes / sizeof(std::uint64_t)), order_(shuffled(bytes / line_bytes)) {}

void WorkingSet::warm() {
    for (std::uint64_t& word : data_) ++word;
    for (int i = 0; i < 2; ++i) (void)read_us();
}

double WorkingSet::read_us() const {
    const auto start = Clock::now();
    std::uint64_t sum = 0;
    for (const std::uint32_t line : order_) sum += data_[line * line_words];
    use(sum);
    return us_since(start);
}

Result<double> WorkingSet::refill_us(unsigned from, unsigned to) {
    return apart([&]() -> Result<double> {
        TRY(go_to(from));
        warm();
        TRY(go_to(to));
        const double first = read_us();
        return first - read_us();
    });
}

Result<double> WorkingSet::refill_after_us(unsigned cpu, std::size_t bytes) {
    others_.resize(bytes / sizeof(std::uint64_t));
    return apart([&]() -> Result<double> {
        TRY(go_to(cpu));
        warm();
        for (std::size_t word = 0; word < others_.size(); word += line_words) ++others_[word];
        const double first = read_us();
        return first - read_us();
    });
}

Result<double> remote_speed(unsigned first, unsigned second, std::size_t bytes) {
    return apart([&]() -> Result<double> {
        constexpr std::size_t words = stretch_bytes / sizeof(std::uint64_t);
        const std::size_t stretches = std::max<std::size_t>(bytes / stretch_bytes, 1);
        const auto order = shuffled(stretch_bytes / line_bytes);
        std::vector<std::uint64_t> block(stretches * words);
        for (std::size_t s = 0; s < stretches; ++s)
            for (std::size_t i = 0; i < order.size(); ++i)
                block[s * words + order[i] * line_words] =
                    order[(i + 1) % order.size()] * line_words;
        std::vector<double> speeds;
        for (std::size_t s = 0; s < stretches; ++s) {
            std::array<double, 4> times{}; // by turn
            for (unsigned turn = 0; turn < times.size(); ++turn) {
                TRY(go_to(turn % 2 == 0 ? first : second));
                times[turn] = walk_ns(block.data() + s * words);
            }
            // The first two turns say which CPU is near, the others how much: by the same two, what
            // disturbs them would make far out of near.
            const unsigned near = times[0] < times[1] ? 0 : 1;
            speeds.push_back(times[2 + near] / times[3 - near]);
        }
        return std::min(median(std::move(speeds)), 1.0);
    });
}

// Of a cache whose size is not told, a large one.
std::size_t core_cache_bytes() {
    const long bytes = ::sysconf(_SC_LEVEL2_CACHE_SIZE);
    return bytes > 0 ? static_cast<std::size_t>(bytes) : std::size_t{2} << 20;
}

std::size_t last_cache_bytes() {
    constexpr std::size_t most = std::size_t{512} << 20; // of what is read, whatever is told
    const long bytes = ::sysconf(_SC_LEVEL3_CACHE_SIZE);
    return bytes > 0 ? std::min(static_cast<std::size_t>(bytes), most) : std::size_t{32} << 20;
}

} // namespace intellisched::calibrate
