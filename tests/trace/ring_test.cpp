// SPDX-License-Identifier: MIT
// Xen's trace buffers are read right at their edges, with this test in Xen's place.
#include "collector/trace/ring.hpp"
#include "tests/support/capture_files.hpp"

#include <array>
#include <cstring>

using namespace intellisched;
using namespace intellisched::test;

namespace {

/// A trace buffer with the test in Xen's place: whole words, a size that is no power of two.
struct FakeRing {
    static constexpr std::uint32_t data_size = 4096 - 8;
    alignas(8) std::array<std::byte, 4096> page{};

    std::uint32_t* words() { return reinterpret_cast<std::uint32_t*>(page.data()); }
    std::uint32_t& cons() { return words()[0]; }
    std::uint32_t& prod() { return words()[1]; }

    void put(std::uint32_t value) {
        words()[2 + prod() % data_size / 4] = value;
        prod() = (prod() + 4) % (2 * data_size);
    }
    [[nodiscard]] std::uint32_t room() {
        return data_size - (prod() >= cons() ? prod() - cons() : prod() + 2 * data_size - cons());
    }
};

/// The words of a drained stream, each CPU_CHANGE checked and taken off.
struct Windows {
    std::vector<std::vector<std::uint32_t>> windows;

    explicit Windows(const std::vector<std::byte>& stream, unsigned cpu) {
        std::vector<std::uint32_t> words(stream.size() / 4);
        REQUIRE(words.size() * 4 == stream.size());
        if (!words.empty()) std::memcpy(words.data(), stream.data(), stream.size());
        for (std::size_t at = 0; at < words.size();) {
            REQUIRE(at + 3 <= words.size());
            CHECK(words[at] == 0x2001f003); // what xentrace writes
            CHECK(words[at + 1] == cpu);
            const std::size_t size = words[at + 2] / 4;
            REQUIRE(at + 3 + size <= words.size());
            const auto begin = words.begin() + static_cast<std::ptrdiff_t>(at + 3);
            windows.emplace_back(begin, begin + static_cast<std::ptrdiff_t>(size));
            at += 3 + size;
        }
    }
};

} // namespace

TEST_CASE("trace buffer: every word comes out once and in order, over many wraps") {
    FakeRing xen;
    trace::TraceRing ring(3, xen.page.data(), xen.page.size());
    std::mt19937 random(1);
    std::uint32_t sent = 0;
    std::uint32_t received = 0;
    for (int round = 0; round < 2000; ++round) {
        // Often all the room there is: full differs from empty.
        std::uint32_t words = round % 3 == 0 ? 1022 : random() % 1022;
        while (words-- > 0 && xen.room() > 0) xen.put(sent++);
        std::vector<std::byte> out;
        REQUIRE(ring.drain(out));
        const Windows drained(out, 3);
        REQUIRE(drained.windows.size() <= 1);
        for (const auto& window : drained.windows)
            for (const std::uint32_t word : window) REQUIRE(word == received++);
        REQUIRE(received == sent);
        REQUIRE(xen.cons() == xen.prod());
        REQUIRE((out.empty() || out.size() > 12));
    }
    CHECK(sent > 100 * 2 * xen.data_size / 4);
}

TEST_CASE("trace buffer: what was there before is dropped") {
    FakeRing xen;
    xen.prod() = xen.cons() = xen.data_size + 400;
    for (std::uint32_t i = 0; i < 100; ++i) xen.put(i);
    trace::TraceRing ring(0, xen.page.data(), xen.page.size());
    REQUIRE(ring.discard());
    xen.put(42);
    std::vector<std::byte> out;
    REQUIRE(ring.drain(out));
    CHECK(Windows(out, 0).windows == std::vector<std::vector<std::uint32_t>>{{42}});

    xen.cons() = 3; // left behind by a broken consumer
    trace::TraceRing other(0, xen.page.data(), xen.page.size());
    CHECK(other.discard());
    xen.prod() = 3;
    CHECK(contains(error_of(ring.discard()), "CPU 0 is damaged"));
}

TEST_CASE("trace buffer: a pause reads as lost records, in its place") {
    FakeRing xen;
    trace::TraceRing ring(5, xen.page.data(), xen.page.size());
    xen.put(1);
    ring.gap(0x1122334455667788, 0x1122334455667799);
    xen.put(2);
    ring.gap(7, 8);
    std::vector<std::byte> out;
    REQUIRE(ring.drain(out));
    const auto windows = Windows(out, 5).windows;
    REQUIRE(windows.size() == 1); // readers tell rounds by the CPUs of windows
    // Between the words: header with TSC and 4 words; TSC of the resume; count; idle domain and its
    // vCPU 5; TSC of the pause.
    CHECK(windows[0] == std::vector<std::uint32_t>{1, 0xc001f001, 0x55667799, 0x11223344, 0,
                                                   32767 | 5 << 16, 0x55667788, 0x11223344, 2,
                                                   0xc001f001, 8, 0, 0, 32767 | 5 << 16, 7, 0});
    out.clear();
    xen.put(3);
    REQUIRE(ring.drain(out)); // once only
    CHECK(Windows(out, 5).windows == std::vector<std::vector<std::uint32_t>>{{3}});
}

TEST_CASE("trace buffer: positions that nobody writes are refused, not followed") {
    std::vector<std::byte> out;
    const auto error_with = [&](std::uint32_t cons, std::uint32_t prod) {
        FakeRing xen;
        xen.cons() = cons;
        xen.prod() = prod;
        trace::TraceRing ring(9, xen.page.data(), xen.page.size());
        const auto drained = ring.drain(out);
        CHECK(xen.cons() == (drained ? prod : cons));
        return error_of(drained);
    };
    constexpr std::uint32_t size = FakeRing::data_size;
    CHECK(error_with(0, size) == "");
    CHECK(error_with(size + 4, 4) == "");
    CHECK(error_with(2 * size - 4, 0) == "");
    out.clear();
    CHECK(contains(error_with(0, 2 * size), "CPU 9 is damaged"));
    CHECK(contains(error_with(0, size + 4), "damaged"));
    CHECK(contains(error_with(4, 0), "damaged"));
    CHECK(contains(error_with(0, 6), "damaged"));
    CHECK(contains(error_with(0, 0xffffffff), "damaged"));
    CHECK(contains(error_with(0xfffffffc, 0), "damaged"));
    CHECK(contains(error_with(2, 4), "damaged"));
    CHECK(out.empty());

    FakeRing xen;
    trace::TraceRing ring(9, xen.page.data(), xen.page.size());
    xen.put(1);
    xen.cons() = xen.prod();
    CHECK(contains(error_of(ring.drain(out)), "another program reads the trace buffer of CPU 9"));

    FakeRing back;
    trace::TraceRing moved(9, back.page.data(), back.page.size());
    for (int i = 0; i < 10; ++i) back.put(0);
    moved.gap(1, 2);
    back.prod() = 8;
    CHECK(contains(error_of(moved.drain(out)), "prod went back"));
}
