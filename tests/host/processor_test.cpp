// SPDX-License-Identifier: MIT
#include "src/host/processor.hpp"

#include <doctest/doctest.h>
#include <vector>

using namespace intellisched;

namespace {

constexpr std::uint32_t any = 0xffffffff; // of a leaf without subleaves, in Xen's raw policy

unsigned threads(const std::vector<CpuidLeaf>& leaves) { return threads_per_core(leaves); }

} // namespace

TEST_CASE("processor: threads of a core are what leaf 0xb has room for, on or off") {
    // With hyperthreads off in firmware EBX counts one thread, the shift still leaves room for two.
    CHECK(threads({{0xb, 0, 1, 1, 0x100, 0}, {0xb, 1, 4, 8, 0x201, 0}}) == 2);
    CHECK(threads({{0xb, 0, 1, 2, 0x100, 0}}) == 2);
    CHECK(threads({{0xb, 0, 0, 1, 0x100, 0}}) == 1);
    CHECK(threads({{0xb, 0, 2, 4, 0x100, 0}}) == 4);
    // Of another type than SMT, or empty: not there.
    CHECK(threads({{0xb, 0, 1, 2, 0x200, 0}}) == 1);
    CHECK(threads({{0xb, 0, 1, 0, 0x100, 0}}) == 1);
}

TEST_CASE("processor: AMD's and Hygon's own leaf") {
    const CpuidLeaf topoext{0x80000001, any, 0, 0, 1U << 22, 0};
    CHECK(threads({topoext, {0x8000001e, any, 0, 0x100, 0, 0}}) == 2);
    CHECK(threads({topoext, {0x8000001e, any, 0, 0, 0, 0}}) == 1);
    CHECK(threads({topoext, {0x8000001e, any, 0, 0x100, 0, 0}, {0xb, 0, 0, 1, 0x100, 0}}) == 1);
    CHECK(threads({{0, any, 0xd, 0x6f677948, 0x656e6975, 0x6e65476e},
                   {0x8000001e, any, 0, 0x100, 0, 0},
                   {0xb, 0, 0, 1, 0x100, 0}}) == 2);
}

TEST_CASE("processor: older ones count the package's") {
    const CpuidLeaf eight{1, any, 0, 8U << 16, 0, 1U << 28};
    CHECK(threads({eight, {4, 0, 3U << 26 | 1, 0, 0, 0}}) == 2);
    CHECK(threads({eight, {4, 0, 7U << 26 | 1, 0, 0, 0}}) == 1);
    CHECK(threads({eight, {4, 0, 7U << 26 | 1, 0, 0, 0}, {0x80000001, any, 0, 0, 2, 0}}) == 1);
    CHECK(threads({{1, any, 0, 8U << 16, 0, 0}}) == 1);
    CHECK(threads({}) == 1);
    CHECK(threads({{0xb, 0, 31, 2, 0x100, 0}}) == 0); // no processor
}
