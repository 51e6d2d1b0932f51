// SPDX-License-Identifier: MIT
// Records as the versions of Xen write them, made here from what the trace calls of each say. From
// 4.17 to 4.22 every record of the scheduler has the same number, size and fields:
//   xen 2992f4dcd5 (4.18.0)  padding of three of credit2's records is 0; before it is what the
//   stack had xen 6835f93573 (4.18.0)  records whose size is no multiple of a word are not written;
//   none was xen ab8bc19850 (4.19.0)  credit2's records have types of an explicit width in place of
//   bit fields xen d64693df1a (4.19.0)  the same in core.c, whose words are an array from then on
// and xen/include/public/trace.h changed for HVM exits only (320e644616). So there is one decoder,
// and what this test has to show is that padding is not looked at and no other size is read.
#include "collector/trace/misfits.hpp"

#include <cstring>
#include <doctest/doctest.h>
#include <string>
#include <typeinfo>
#include <vector>

using namespace intellisched::trace;

namespace {

struct Kind {
    std::uint32_t event;
    std::vector<std::uint32_t> words; ///< as 4.18 and later write them
    std::uint32_t padding = 0;        ///< a mask over the last word: unspecified in 4.17
};

// A unit or vCPU 2 of domain 1 is 0x00010002.
const std::vector<Kind>& kinds() {
    static const std::vector<Kind> all{
        // core.c
        {0x21011, {0x00010002}},
        {0x21002, {0x00010002}},
        {0x28001, {1}},
        {0x28002, {1}},
        {0x28003, {1, 2}},
        {0x28004, {1, 2}},
        {0x28005, {1, 2}},
        {0x28006, {1, 2}},
        {0x28009, {1}},
        {0x2800a, {1, 2, 3, 4}},
        {0x2800e, {1, 2, 1000}},
        {0x2800f, {1, 2, 1000, 2000}},
        {0x28011, {1, 2, 1000, 2000}},
        // credit2.c
        {0x22202, {0x00010002, 3}},
        {0x22203, {0x00010002, 10, 0x80000000, 5}},
        {0x22205, {0x00010002, 10, 20}},
        {0x22206, {0x00000005}},
        {0x22207, {0x00010002, 10, 20}},
        {0x22208, {}},
        {0x22209, {}},
        {0x2220a, {0x00010002, 0x00000003}, 0xffff0000},
        {0x2220b, {7, 0, 0x00010002, 18}},
        {0x2220c, {7, 0, 8, 0, 0x12030004, 0}, 0xffffffff},
        {0x2220d, {0x00010002, 5, 10}},
        {0x2220e, {0x01000003}},
        {0x2220f, {0x00010002, 0x00040003}},
        {0x22210, {0x00040003, 9}},
        {0x22211, {7, 0, 8, 0, 0x00040003, 0}, 0xffffffff},
        {0x22213, {7, 0, 0x00010002, 0x00050003}},
        {0x22214, {0x00010002, 5, 10}},
        {0x22215, {0x00030005, 0x01000100}},
        {0x22216, {0x00010002, 1000}},
        {0x22217, {0x00010002}},
    };
    return all;
}

/// What the record was decoded to: which of visit()'s events, and its bytes. Empty: none.
std::string decoded(std::uint32_t event, const std::vector<std::uint32_t>& words) {
    std::string result;
    visit(Record{1, event, 0, static_cast<std::uint8_t>(words.size()), words.data()},
          [&]<class Event>(const Event& e) {
              if constexpr (!std::is_same_v<Event, Unknown>) {
                  Event copy; // fields, and zeroes between them
                  std::memset(static_cast<void*>(&copy), 0, sizeof(copy));
                  copy = e;
                  result = typeid(Event).name() +
                           std::string(reinterpret_cast<const char*>(&copy), sizeof(copy));
              }
          });
    return result;
}

std::vector<std::string> told(std::uint32_t event, const std::vector<std::uint32_t>& words,
                              std::string_view version = "") {
    Misfits misfits;
    visit(Record{1, event, 0, static_cast<std::uint8_t>(words.size()), words.data()},
          Visitor{[&](const Unknown& record) { misfits.add(record); }, [](const auto&) {}});
    return misfits.told(version);
}

} // namespace

TEST_CASE("versions: a record of 4.17, whatever its padding holds, is that of 4.18 to 4.22") {
    for (const Kind& kind : kinds()) {
        INFO(kind.event);
        const std::string later = decoded(kind.event, kind.words);
        CHECK_FALSE(later.empty());
        CHECK(told(kind.event, kind.words).empty());
        if (kind.padding == 0) continue;
        auto earlier = kind.words;
        earlier.back() |= 0xdeadbeef & kind.padding;
        CHECK(decoded(kind.event, earlier) == later);
    }
}

TEST_CASE("versions: a record of another size is counted and named, and read as nothing") {
    for (const Kind& kind : kinds()) {
        INFO(kind.event);
        auto longer = kind.words;
        longer.push_back(0x00010002);
        CHECK(decoded(kind.event, longer).empty());
        CHECK(told(kind.event, longer).size() == 1);
        if (kind.words.empty()) continue;
        auto shorter = kind.words;
        shorter.pop_back();
        CHECK(decoded(kind.event, shorter).empty());
        CHECK(told(kind.event, shorter).size() == 1);
    }
    CHECK(told(0x22215, {1, 2, 3}, "4.30.0") ==
          std::vector<std::string>{"1 record of event 0x22215 with 3 words is left out: not one of "
                                   "Xen 4.17 to 4.22; the trace is of Xen 4.30.0"});
}

TEST_CASE("versions: events that no version has are named, those of others are not") {
    CHECK(told(0x22212, {}).size() == 1); // a gap in credit2's numbers
    CHECK(told(0x22219, {1}).size() == 1);
    CHECK(told(0x28012, {1}).size() == 1);
    CHECK(told(0x21003, {1}).size() == 1);
    for (const std::uint32_t theirs :
         {0x22001U, 0x22402U, 0x22801U, 0x28007U, 0x28008U, 0x2800bU, 0x2800cU, 0x2800dU, 0x28010U,
          0x00081001U, 0x0010f001U, 0x0801f000U})
        CHECK(told(theirs, {1, 2}).empty());
    // However many kinds a damaged trace has, a few are told and the rest counted.
    Misfits misfits;
    for (std::uint32_t event = 0x22280; event < 0x22300; ++event) misfits.add({event, 7});
    CHECK(misfits.told("").size() == 17);
    CHECK(misfits.told("").back() == "112 more records of other events");
}
