// SPDX-License-Identifier: MIT
// When the weight of a protected guest is raised, kept, reverted and given back.
#include "src/model/score.hpp"
#include "src/policy/protection.hpp"
#include "tests/support/files.hpp"

#include <doctest/doctest.h>

using namespace intellisched;
using namespace intellisched::test;

namespace {

/// A pool of four CPUs: the protected guest, domain 0, and others that want all there is. What each
/// gets is what its weight entitles it to.
struct Bench {
    double wants = 1;       ///< CPUs
    unsigned others = 6;    ///< of two vCPUs
    double others_want = 2; ///< CPUs each
    unsigned weight = 256;
    bool obeys = true;  ///< a weight that is asked for comes into force
    bool blind = false; ///< it gets what 256 would give it, whatever its weight
    Protection state = {};
    Nanoseconds now = hour;
    std::vector<std::string> told = {};
    unsigned sets = 0;
    ProtectionSettings settings = {};

    [[nodiscard]] ProtectionSeen seen() const {
        std::vector<Claimant> claimants{{(blind ? 256.0 : weight) * 2, wants, 2}};
        for (unsigned i = 0; i < others; ++i) claimants.push_back({512, others_want, 2});
        const auto got = entitlements(claimants, 4);
        claimants[0].weight = weight * 2.0;
        const auto due = entitlements(claimants, 4);
        ProtectionSeen seen{.weight = weight, .cpus = 4};
        for (unsigned i = 0; i <= others; ++i) {
            const double want = i == 0 ? wants : others_want;
            seen.guests.push_back({.id = i,
                                   .vcpus = 2,
                                   .weight = i == 0 ? weight : 256,
                                   .got = got[i],
                                   .waiting = std::max(0.0, want - got[i]),
                                   .share = due[i],
                                   .entitled = due[i]});
        }
        return seen;
    }
    void take(const ProtectionVerdict& verdict) {
        if (!verdict.id.empty()) told.emplace_back(verdict.id);
        if (!verdict.set) return;
        ++sets;
        if (obeys) weight = *verdict.set;
    }
    void run(unsigned seconds) {
        for (unsigned i = 0; i < seconds; ++i) {
            now += second;
            take(protect(state, now, 0, seen(), settings));
        }
    }
};

} // namespace

TEST_CASE("protection: an outweighed guest is raised by doubling, and no higher than allowed") {
    Bench bench;
    bench.wants = 1.9; // its share is 0.57, and 1.6 at four times the weight
    bench.settings.most_loss = 0.4;
    bench.run(19);
    CHECK(bench.weight == 256);
    bench.run(600);
    CHECK(bench.weight == 1024);
    CHECK(bench.told ==
          std::vector<std::string>{"weight-raised", "weight-kept", "weight-raised", "weight-kept"});
    CHECK(bench.state.base == 256);
}

TEST_CASE("protection: what is enough is enough, and is given back once nobody outweighs it") {
    Bench bench;
    bench.run(300);
    CHECK(bench.weight == 512); // of which it is due 1.0
    CHECK(bench.told == std::vector<std::string>{"weight-raised", "weight-kept"});
    bench.others_want = 0.2;
    bench.run(2 * 3600);
    CHECK(bench.weight == 256);
    CHECK(bench.told.back() == "weight-kept");
    // Eased too early, it is raised again.
    bench.others_want = 2;
    bench.run(300);
    CHECK(bench.weight == 512);
}

TEST_CASE("protection: a guest that is not outweighed, or waits for itself, is left alone") {
    Bench bench;
    bench.wants = 0.3;
    bench.run(600);
    CHECK(bench.sets == 0);
    bench.wants = 1;
    bench.others = 0;
    bench.run(600);
    CHECK(bench.sets == 0);
}

TEST_CASE("protection: a weight that does not help goes, and is not tried again soon") {
    Bench bench;
    bench.blind = true;
    bench.run(120);
    CHECK(bench.weight == 256);
    CHECK(bench.told == std::vector<std::string>{"weight-raised", "weight-reverted"});
    bench.run(500); // ten minutes of hold-off, then twenty
    CHECK(bench.sets == 2);
    bench.run(300);
    CHECK(bench.sets == 4);
    bench.run(900);
    CHECK(bench.sets == 4);
    CHECK(bench.weight == 256);
}

TEST_CASE("protection: the others lose no more than allowed") {
    Bench bench;
    bench.wants = 1.9;
    bench.settings.most_loss = 0.1; // a step costs them 0.4 CPUs of 3.4
    bench.run(120);
    CHECK(bench.weight == 256);
    CHECK(bench.told.back() == "weight-reverted");

    // Also when it wants more only after the trial.
    Bench later;
    later.wants = 1.7;
    later.others = 3;
    later.settings.most_loss = 0.1;
    later.run(20);
    REQUIRE(later.weight == 512);
    later.wants = 1.2;
    later.run(30);
    REQUIRE(later.told.back() == "weight-kept");
    later.wants = 1.9;
    later.run(40);
    CHECK(later.told.back() == "weight-reverted");
    CHECK(later.weight == 256);
}

TEST_CASE("protection: somebody else's weight is respected, for a day") {
    Bench bench;
    bench.run(300);
    REQUIRE(bench.weight == 512);
    bench.weight = 300;
    bench.run(600);
    CHECK(bench.weight == 300);
    CHECK(bench.told.back() == "weight-foreign");
    CHECK(bench.state.base == 300);
    // And there is nothing to give back.
    CHECK_FALSE(restore(bench.state, 300).set);
}

TEST_CASE("protection: a weight that cannot be set is asked for three times") {
    Bench bench;
    bench.obeys = false;
    bench.run(120);
    CHECK(bench.sets == 3);
    CHECK(bench.told == std::vector<std::string>{"weight-raised", "weight-refused"});
    CHECK(bench.state.wanted == 256);
}

TEST_CASE("protection: at the end the administrator's weight comes back") {
    Bench bench;
    bench.run(300);
    REQUIRE(bench.weight == 512);
    bench.obeys = false;
    for (unsigned i = 0; i < 9; ++i) bench.take(restore(bench.state, bench.weight));
    CHECK(bench.told.back() == "weight-restored");
    CHECK(bench.sets == 1 + 3);
    // A kill in between: it is still known what is the administrator's.
    bench.state = restarted(bench.state);
    bench.obeys = true;
    bench.run(1);
    CHECK(bench.state.base == 256);
    CHECK(bench.state.wanted == 512);
    bench.take(restore(bench.state, bench.weight));
    CHECK(bench.weight == 256);
    CHECK_FALSE(restore(bench.state, 256).set);
    // Somebody else's is not touched.
    Bench other;
    other.run(300);
    CHECK_FALSE(restore(other.state, 100).set);
    CHECK_FALSE(other.state.base);
}

TEST_CASE("protection: after a restart of the service what was kept stays, a trial is taken back") {
    Bench bench;
    bench.run(300);
    REQUIRE(bench.weight == 512);
    bench.state = restarted(bench.state);
    bench.run(30);
    CHECK(bench.weight == 512);
    CHECK(bench.told.back() == "weight-kept");

    Bench open;
    open.run(22);
    REQUIRE(open.told == std::vector<std::string>{"weight-raised"});
    open.state = restarted(open.state);
    open.run(1);
    CHECK(open.weight == 256);
    CHECK(open.told.back() == "weight-reverted");

    // Stored, and killed before it was set.
    Bench killed;
    killed.obeys = false;
    killed.run(20);
    REQUIRE(killed.sets == 1);
    killed.state = restarted(killed.state);
    killed.obeys = true;
    killed.run(5);
    CHECK(killed.weight == 256);
    CHECK(killed.told == std::vector<std::string>{"weight-raised"});
}
