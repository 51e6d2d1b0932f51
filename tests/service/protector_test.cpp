// SPDX-License-Identifier: MIT
// The weights that the service changes, with their journal.
#include "src/pool/live_score.hpp"
#include "src/service/protector.hpp"
#include "tests/service/journal_steps.hpp"

using namespace intellisched;
using namespace intellisched::service;
using namespace intellisched::test;

namespace {

constexpr double hz = 1e9;
constexpr auto boot = "boot-1";

/// A pool of four CPUs, a guest of two vCPUs that gets half a CPU of the two that it wants, and one
/// that gets the rest. Whatever weight is asked for comes into force, unless `refuses`.
struct House {
    Folder folder;
    std::optional<Journal> journal = open_journal(folder.journal(), boot);
    std::vector<WeightRequest> asked;
    std::optional<Protector> protector;
    proto::HostSnapshot snapshot;
    std::vector<ProtectedGuest> guests{{.name = "db", .loss = 0.9}};
    Protector::May may = Protector::May::begin;
    Nanoseconds now = hour;

    House() {
        add("db", 3, 2);
        add("bulk", 4, 8);
        open();
    }
    void open(const std::string& of = boot) {
        protector.emplace(*journal, of, [&](const WeightRequest& one) { asked.push_back(one); });
    }
    void add(const char* name, unsigned id, int vcpus) {
        proto::Domain& domain = *snapshot.add_domains();
        domain.set_id(id);
        domain.set_name(name);
        domain.set_uuid(std::string(16, static_cast<char>(id)));
        domain.set_weight(256);
        for (int v = 0; v < vcpus; ++v) domain.add_vcpus()->set_online(true);
    }
    [[nodiscard]] WindowStats window() const {
        WindowStats stats;
        stats.facts.pool = "Pool-0";
        stats.facts.cpus = 4;
        stats.tsc_hz = hz;
        stats.end_tsc = static_cast<std::uint64_t>(hz);
        stats.traced = stats.observed = 4 * hz;
        const double got = snapshot.domains(0).weight() / 512.0;
        DomainWindow &db = stats.domains[3], &bulk = stats.domains[4];
        db.running = got * hz, db.waiting = (2 - got) * hz, db.demand = 2 * hz;
        bulk.running = (4 - got) * hz, bulk.waiting = 4 * hz, bulk.demand = 8 * hz;
        return stats;
    }
    [[nodiscard]] Moment moment() const { return {now, static_cast<UnixTime>(now)}; }
    /// What was asked for last comes into force.
    void answer(const Result<void>& result = {}) {
        for (const WeightRequest& one : std::exchange(asked, {})) {
            if (result) snapshot.mutable_domains(0)->set_weight(one.to);
            protector->applied(one, result);
        }
    }
    void run(unsigned seconds, bool answers = true) {
        for (unsigned i = 0; i < seconds; ++i) {
            now += second;
            protector->saw(guests, window(), snapshot, may, moment());
            if (answers) answer();
        }
    }
    [[nodiscard]] unsigned weight() const { return snapshot.domains(0).weight(); }
    /// The codes that the history has, oldest first.
    [[nodiscard]] std::vector<std::string> told() const {
        std::vector<std::string> codes;
        const auto history = journal->history({});
        REQUIRE(history);
        for (const Event& event : *history)
            for (const StoredReason& reason : std::get<Entry<StoredVerdict>>(event).what.reasons)
                codes.insert(codes.begin(), reason.code);
        return codes;
    }
};

} // namespace

TEST_CASE("protector: what is asked for is stored before, and told") {
    House house;
    house.run(20, false);
    REQUIRE(house.asked.size() == 1);
    CHECK(house.asked[0].guest == "db");
    CHECK(house.asked[0].uuid == uuid_hash(house.snapshot.domains(0)));
    CHECK(house.asked[0].domain == 3);
    CHECK(house.asked[0].from == 256);
    CHECK(house.asked[0].to == 512);
    CHECK(house.protector->busy("Pool-0"));
    CHECK_FALSE(house.protector->busy("other"));
    const auto stored = house.journal->protections();
    REQUIRE(stored);
    REQUIRE(stored->size() == 1);
    const StoredProtection& one = stored->front();
    CHECK(one.guest == "db");
    CHECK(one.domain == 3);
    CHECK(one.state.base == 256);
    CHECK(one.state.wanted == 512);
    CHECK(one.state.trial);
    house.run(9, false); // while the call is away nothing else is asked for
    CHECK(house.asked.size() == 1);
    house.answer();
    house.run(200);
    CHECK(house.weight() == 1024);
    CHECK(house.told() ==
          std::vector<std::string>{"weight-raised", "weight-kept", "weight-raised", "weight-kept"});
    proto::PoolStatus status;
    status.set_name("Pool-0");
    house.protector->add_to(status);
    REQUIRE(status.protected_guests_size() == 1);
    CHECK(status.protected_guests(0).own_weight() == 256);
    CHECK(status.protected_guests(0).weight() == 1024);
    // The policy is not to take it for a guest that somebody changes again and again.
    const std::uint64_t uuid = uuid_hash(house.snapshot.domains(0));
    std::map<std::uint64_t, std::uint64_t> identities{{uuid, 1}, {5, 2}};
    house.protector->disregard_weights(identities);
    CHECK(identities.at(uuid) == uuid);
    CHECK(identities.at(5) == 2);
}

TEST_CASE("protector: it goes on after a kill, and begins anew after a reboot") {
    House house;
    house.run(200);
    REQUIRE(house.weight() == 1024);
    house.open();
    house.run(60);
    CHECK(house.weight() == 1024);
    house.may = Protector::May::nothing;
    house.run(1);
    CHECK(house.weight() == 256); // which only the journal knew
    house.run(60);
    CHECK(house.told().size() == 5);

    House rebooted;
    rebooted.run(200);
    rebooted.snapshot.mutable_domains(0)->set_weight(256);
    rebooted.open("boot-2");
    rebooted.run(5);
    CHECK(rebooted.told().back() == "weight-kept"); // of before; nobody is taken for a stranger
}

TEST_CASE("protector: a guest that was started again begins anew with its own weight") {
    House house;
    house.run(200);
    REQUIRE(house.weight() == 1024);
    house.snapshot.mutable_domains(0)->set_id(7);
    house.snapshot.mutable_domains(0)->set_weight(100);
    house.run(15);
    CHECK(house.told().size() == 4);
    house.may = Protector::May::nothing;
    house.run(5);
    CHECK(house.weight() == 100);
}

TEST_CASE("protector: who is not to be protected any more gets the own weight, in any order") {
    House house;
    house.run(200);
    house.protector->keep_only({}, house.snapshot, house.moment());
    house.answer();
    CHECK(house.weight() == 256);
    house.protector->keep_only({}, house.snapshot, house.moment());
    CHECK(house.asked.empty());
    CHECK(house.told().back() == "weight-restored");

    // The host refuses three times; then the journal still knows what is the administrator's.
    House stuck;
    stuck.run(200);
    for (int i = 0; i < 9; ++i) {
        stuck.protector->keep_only({}, stuck.snapshot, stuck.moment());
        CHECK(stuck.asked.size() <= 1);
        stuck.answer(fail("no"));
    }
    CHECK(stuck.weight() == 1024);
    const auto stored = stuck.journal->protections();
    REQUIRE(stored);
    CHECK(stored->front().state.base == 256);
}

TEST_CASE("protector: in another pool it begins anew") {
    House house;
    house.run(200);
    REQUIRE(house.weight() == 1024);
    WindowStats other = house.window();
    other.facts.pool = "other";
    other.facts.pool_id = 5;
    house.snapshot.mutable_domains(0)->set_pool_id(5);
    house.protector->saw(house.guests, other, house.snapshot, house.may, house.moment());
    house.answer();
    CHECK(house.weight() == 256);
}
