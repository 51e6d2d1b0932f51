// SPDX-License-Identifier: MIT
// What `guests` and `diagnose` say to a person.
#include "src/cli/guests_text.hpp"
#include "tests/support/files.hpp"

#include <doctest/doctest.h>

using namespace intellisched;
using namespace intellisched::cli;
using namespace intellisched::test;

TEST_CASE("guests: a row each, with what is known, and a sentence for those who wait") {
    proto::Guests guests;
    guests.set_pool("Pool-0");
    guests.set_windows(9);
    guests.set_cpus(4);
    auto& call = *guests.add_guests();
    call.set_id(1);
    call.set_name("ca\x1b[2Jll");
    call.set_vcpus(2);
    call.set_weight(256);
    call.set_got(0.6);
    call.set_entitled(0.79);
    call.set_waits(0.54);
    call.set_wait_p50_us(1234);
    call.set_wait_p99_us(4.7e6);
    call.mutable_behind()->set_id(2);
    call.mutable_behind()->set_name("build");
    call.mutable_behind()->set_part(0.5);
    call.set_behind_any(1);
    call.set_cause("weight");
    call.mutable_help()->set_what("weight");
    call.mutable_help()->set_text("others outweigh its 256");
    call.mutable_help()->set_command("xl sched-credit2 -d 1 -w 1024");
    auto& its = *call.mutable_class_();
    its.set_name("periodic");
    its.set_confidence(0.934);
    its.set_likeliest("periodic");
    auto& idle = *guests.add_guests();
    idle.set_id(7);
    idle.set_cap(50);
    idle.set_cause("none");
    idle.mutable_help()->set_what("nothing");
    guests.add_reasons("CPU 3 is in no snapshot");

    std::string text = guests_text(guests);
    CHECK(contains(text, "cpupool Pool-0: 4 CPUs, 9 windows of a second\n"));
    CHECK(contains(text, "0.60   0.79    54%   1.2ms    4.7s  build 50%"));
    CHECK(contains(text, "    7 domain 7 "));
    CHECK(contains(text, " 50%   0.00   0.00     0%       -       -  -  "));
    CHECK(contains(text, ": others outweigh its 256 (`xl sched-credit2 -d 1 -w 1024`)\n"));
    CHECK(contains(text, "  periodic 93%  weight\n"));
    CHECK(contains(text, "  -             nothing\n"));
    CHECK_FALSE(contains(text, "  - domain 7"));
    CHECK_FALSE(contains(text, "\x1b"));
    CHECK(contains(text, "  - CPU 3 is in no snapshot\n"));

    its.set_name("unclear");
    CHECK(contains(guests_text(guests), "  unclear  weight\n"));
    guests.mutable_guests(0)->mutable_behind()->set_part(0.1);
    CHECK(contains(guests_text(guests), " many "));
    guests.mutable_guests(0)->mutable_behind()->set_id(1);
    guests.mutable_guests(0)->mutable_behind()->set_part(0.9);
    CHECK(contains(guests_text(guests), " itself 90% "));

    guests.set_cpus(1);
    CHECK(contains(guests_text(guests), "cpupool Pool-0: 1 CPU, 9 windows"));
    guests.set_windows(0);
    text = guests_text(guests);
    CHECK(contains(text, "nothing can be told of the guests:\n  - CPU 3"));
    CHECK_FALSE(contains(text, "0.60"));
}

TEST_CASE("diagnosis: each verdict says what to do next, if anything") {
    proto::Diagnosis diagnosis;
    diagnosis.set_pool("Pool-0");
    diagnosis.set_windows(1);
    diagnosis.set_verdict("not-the-scheduler");
    CHECK(contains(diagnosis_text(diagnosis), "1 window of a second"));
    CHECK(contains(diagnosis_text(diagnosis), "the scheduler is not the cause"));
    diagnosis.set_verdict("settings");
    CHECK(contains(diagnosis_text(diagnosis), "`intellisched recommend` which settings"));
    diagnosis.set_verdict("abstain");
    diagnosis.add_reasons("records were lost");
    CHECK(contains(diagnosis_text(diagnosis), "nothing can be told:\n  - records were lost\n"));
    diagnosis.set_verdict("found");
    auto& finding = *diagnosis.add_findings();
    finding.set_code("outweighed");
    finding.set_text("domain 0 waits");
    CHECK(contains(diagnosis_text(diagnosis), "what is wrong:\n  - outweighed: domain 0 waits\n"));
}
