// SPDX-License-Identifier: MIT
// Telling and changing the runqueues of a pool, against a libxl that is made up here; and bringing
// a pool to a layout.
#include "src/host/apply.hpp"
#include "src/host/xl_configurator.hpp"
#include "tests/support/files.hpp"

#include <doctest/doctest.h>
#include <functional>

using namespace intellisched;
using namespace intellisched::test;

namespace {

/// Xen and its libxl, as far as the two functions go. The functions know it as their context.
struct FakeXl {
    XlRunqueue in_force{2, 16, 2};
    unsigned then_runqueues = 8; ///< formed by the next set
    int get_error = 0, set_error = 0;
    const char* logs = ""; ///< what a failing call leaves in libxl's log
    std::string last_message = "of an earlier call";
    std::uint32_t pool = 0; ///< last asked for
    unsigned gets = 0, sets = 0;
    bool deaf = false; ///< takes what is set and forgets it
    unsigned rate_limit_us = 1000;
    int limit_get_error = 0, limit_set_error = 0;
    std::vector<unsigned> limits_set;
    std::vector<std::pair<unsigned, unsigned>> weights_set = {}; ///< domain and weight
    int weight_error = 0;

    static FakeXl& of(void* context) { return *static_cast<FakeXl*>(context); }

    static int get(void* context, std::uint32_t pool, XlRunqueue* info) {
        FakeXl& xl = of(context);
        ++xl.gets;
        xl.pool = pool;
        xl.last_message += xl.logs;
        if (xl.get_error == 0) *info = xl.in_force;
        return xl.get_error;
    }
    static int set(void* context, std::uint32_t pool, XlRunqueue* info) {
        FakeXl& xl = of(context);
        ++xl.sets;
        xl.pool = pool;
        xl.last_message += xl.logs;
        if (xl.set_error != 0) return xl.set_error;
        if (!xl.deaf) xl.in_force = {info->layout, info->max_cpus, xl.then_runqueues};
        *info = xl.in_force;
        return 0;
    }
    static int get_limit(void* context, std::uint32_t pool, unsigned* us) {
        FakeXl& xl = of(context);
        ++xl.gets;
        xl.pool = pool;
        if (xl.limit_get_error == 0) *us = xl.rate_limit_us;
        return xl.limit_get_error;
    }
    static int set_limit(void* context, std::uint32_t pool, unsigned* us) {
        FakeXl& xl = of(context);
        xl.limits_set.push_back(*us);
        xl.pool = pool;
        xl.last_message += xl.logs;
        if (xl.limit_set_error != 0) return xl.limit_set_error;
        if (!xl.deaf) xl.rate_limit_us = *us;
        *us = xl.rate_limit_us;
        return 0;
    }
    static int set_weight(void* context, std::uint32_t domain, unsigned* weight) {
        FakeXl& xl = of(context);
        xl.weights_set.emplace_back(domain, *weight);
        xl.last_message += xl.logs;
        return xl.weight_error;
    }
    XlConfigurator configurator() {
        return {{get, set}, {get_limit, set_limit}, set_weight, this, &last_message};
    }
};

const Pool batch{.id = 4, .name = "batch", .scheduler = "credit2", .cpus = {}};

constexpr auto stock_toolstack =
    "libxenlight of this host has no runqueue functions: install the patched toolstack, see "
    "PATCHED XEN in intellisched(1)";
constexpr auto stock_xen =
    "the running hypervisor cannot change runqueues: boot the patched Xen, see "
    "PATCHED XEN in intellisched(1)";

} // namespace

TEST_CASE("runqueue calls: numbers of libxl become arrangements, and back") {
    FakeXl xl;
    auto configurator = xl.configurator();
    CHECK(*configurator.layout(batch) == InForce{{Layout::socket, 16}, 2});
    CHECK(xl.pool == 4);
    for (Layout layout : all_layouts) {
        CHECK(*configurator.set_layout(batch, {layout, no_cap}) == InForce{{layout, no_cap}, 8});
        CHECK(xl.in_force.layout == static_cast<int>(index(layout)));
        CHECK(xl.in_force.max_cpus == 0);
    }
    CHECK(*configurator.layout_if_told(batch) == InForce{{Layout::all, no_cap}, 8});
}

TEST_CASE("a weight is set of the domain, and what libxl says against it is told") {
    FakeXl xl;
    XlConfigurator configurator = xl.configurator();
    REQUIRE(configurator.set_weight(7, 512));
    CHECK(xl.weights_set == std::vector{std::pair(7U, 512U)});
    xl.weight_error = xl_error::failed;
    xl.logs = "Domain 7 is in a pool of null";
    CHECK(error_of(configurator.set_weight(7, 512)) ==
          "domain 7: libxl cannot set a weight of 512: Domain 7 is in a pool of null; `xl list` "
          "shows whether it is there, `xl sched-credit2` what has credit2");
}

TEST_CASE("runqueue calls: without the functions, or the hypervisor") {
    std::string log;
    XlConfigurator none({}, {}, nullptr, nullptr, &log);
    CHECK(error_of(none.layout(batch)) == stock_toolstack);
    CHECK(error_of(none.set_layout(batch, {})) == stock_toolstack);
    CHECK(*none.layout_if_told(batch) == std::nullopt);

    FakeXl xl;
    xl.get_error = xl.set_error = xl_error::not_implemented;
    auto configurator = xl.configurator();
    CHECK(error_of(configurator.layout(batch)) == stock_xen);
    CHECK(error_of(configurator.set_layout(batch, {})) == stock_xen);
    CHECK(*configurator.layout_if_told(batch) == std::nullopt);
}

TEST_CASE("runqueue calls: every error names the pool, the cause and the way out") {
    FakeXl xl;
    auto configurator = xl.configurator();
    const auto errors = [&](int error) {
        xl.get_error = xl.set_error = error;
        const std::string told = error_of(configurator.layout(batch));
        CHECK(error_of(configurator.layout_if_told(batch)) == told);
        std::string set = error_of(configurator.set_layout(batch, {}));
        for (const std::string& text : {told, set}) {
            CHECK(text.starts_with("batch: "));
            CHECK(!contains(text, "\n"));
        }
        return set;
    };
    CHECK(contains(errors(xl_error::not_found), "no such cpupool any more"));
    CHECK(contains(errors(xl_error::invalid), "Xen refuses to form the runqueues anew"));
    CHECK(contains(errors(xl_error::no_memory), "no memory to form the runqueues anew"));
    CHECK(contains(errors(-99), "cannot form the runqueues anew: error -99; `xl dmesg`"));
    xl.logs = "out of luck";
    CHECK(contains(errors(xl_error::failed), "runqueues anew: out of luck; `xl dmesg`"));
}

TEST_CASE("runqueue calls: a layout of a newer Xen is not taken for one of ours") {
    FakeXl xl;
    auto configurator = xl.configurator();
    for (int number : {5, -1, INT32_MAX}) {
        xl.in_force.layout = number;
        CHECK(contains(error_of(configurator.layout(batch)),
                       fmt::format("batch: Xen has layout number {} in force", number)));
    }
}

TEST_CASE("runqueue calls: looked for where this program runs, both or none") {
    const auto calls = find_runqueue_calls();
    CHECK((calls.get == nullptr) == (calls.set == nullptr));
}

namespace {

/// Two sockets of four cores of two threads; a pool of all, or of some of the CPUs.
struct Machine {
    Topology topology;
    Pool pool{.id = 0, .name = "Pool-0", .scheduler = "credit2", .cpus = {}};
    FakeXl xl;

    Machine() {
        for (unsigned id = 0; id < 16; ++id) {
            topology.cpus.push_back({id, id / 2 % 4, id / 8, id / 8});
            pool.cpus.push_back(id);
        }
    }
    Result<Applied> apply(const Arrangement& wanted, bool dry_run = false) {
        return apply(Change{.arrangement = wanted}, dry_run);
    }
    Result<Applied> apply(const Change& wanted, bool dry_run = false) {
        auto configurator = xl.configurator();
        return intellisched::apply(configurator, topology, pool, wanted, dry_run);
    }
};

} // namespace

TEST_CASE("apply: another layout is set, read back and reported") {
    Machine machine;
    const auto applied = machine.apply({Layout::core, no_cap});
    REQUIRE_MESSAGE(applied, error_of(applied));
    CHECK(applied->layout->before == InForce{{Layout::socket, 16}, 2});
    CHECK(applied->layout->after == InForce{{Layout::core, no_cap}, 8});
    CHECK(applied->layout->changed);
    CHECK_FALSE(applied->layout->equivalent);
    CHECK(machine.xl.sets == 1);
    CHECK(machine.xl.gets == 2);
    CHECK(machine.xl.in_force.layout == 1);
    machine.pool.cpus = {0, 1, 2, 8, 9, 12};
    machine.xl = {};
    machine.xl.then_runqueues = 2;
    machine.xl.in_force = {0, 0, 6};
    CHECK(describe(machine.pool, *machine.apply({Layout::node, 16})) ==
          "Pool-0: cpu (6 runqueues) -> node capped at 16 (2 runqueues)\n"
          "\n"
          "runqueue   CPUs\n"
          "       0   0-2\n"
          "       1   8-9,12\n");
}

TEST_CASE("apply: a dry run says the same and changes nothing") {
    Machine machine;
    const auto would = machine.apply({Layout::all, no_cap}, true);
    REQUIRE(would);
    CHECK(would->layout->after == InForce{{Layout::all, no_cap}, 1});
    CHECK(would->layout->changed);
    CHECK(machine.xl.sets == 0);
    CHECK(describe(machine.pool, *would) ==
          "Pool-0 would change: socket capped at 16 (2 runqueues) -> all (1 runqueue)\n"
          "\n"
          "runqueue   CPUs\n"
          "       0   0-15\n");
}

TEST_CASE("apply: what is the same runqueues is set only if its name or cap differs") {
    Machine machine;
    machine.xl.then_runqueues = 2;
    const auto same = machine.apply({Layout::socket, 16});
    REQUIRE(same);
    CHECK(same->layout->equivalent);
    CHECK_FALSE(same->layout->changed);
    CHECK(machine.xl.sets == 0);
    CHECK(describe(machine.pool, *same)
              .starts_with("Pool-0: socket capped at 16 (2 runqueues) is in force already\n"));

    const auto renamed = machine.apply({Layout::node, no_cap});
    REQUIRE(renamed);
    CHECK(renamed->layout->equivalent);
    CHECK(renamed->layout->changed);
    CHECK(machine.xl.sets == 1);
    CHECK(describe(machine.pool, *renamed)
              .starts_with("Pool-0: socket capped at 16 (2 runqueues) -> node (2 runqueues); the "
                           "same runqueues, nothing moves\n"));
}

TEST_CASE("apply: runqueues that grew CPU by CPU are formed anew, even by the same setting") {
    Machine machine;
    machine.xl.in_force = {1, 0, 9};
    const auto applied = machine.apply({Layout::core, no_cap});
    REQUIRE(applied);
    CHECK_FALSE(applied->layout->equivalent);
    CHECK(applied->layout->changed);
    CHECK(machine.xl.sets == 1);
}

TEST_CASE("apply: what is read back must be what was set, with the runqueues it gives") {
    Machine machine;
    machine.xl.deaf = true;
    CHECK(error_of(machine.apply({Layout::core, no_cap})) ==
          "Pool-0: core was set, but socket capped at 16 is in force: another program changes it "
          "too; end that one and run it again");
    machine.xl.deaf = false;
}

TEST_CASE("apply: Xen's number of runqueues counts, not the topology's") {
    Machine machine;
    machine.xl.then_runqueues = 7;
    const auto odd = machine.apply({Layout::core, no_cap});
    REQUIRE_MESSAGE(odd, error_of(odd));
    CHECK(odd->layout->after == InForce{{Layout::core, no_cap}, 7});
    CHECK_FALSE(odd->layout->explained);
    CHECK(contains(describe(machine.pool, *odd), "another number of runqueues than the topology"));

    // One thread of each core is online: what Xen says of the runqueues before tells it.
    machine.xl = {};
    machine.topology.cpus = {{0, 0, 0, 0}, {2, 1, 0, 0}, {4, 2, 0, 0}, {6, 3, 0, 0}};
    machine.pool.cpus = {0, 2, 4, 6};
    machine.xl.in_force = {2, 16, 2};
    machine.xl.then_runqueues = 1;
    const auto all = machine.apply({Layout::all, 16});
    REQUIRE_MESSAGE(all, error_of(all));
    CHECK_FALSE(all->layout->equivalent);
    CHECK(all->layout->runqueues == Partition{{0, 2, 4, 6}});
    machine.xl.then_runqueues = 2;
    const auto back = machine.apply({Layout::socket, 16});
    REQUIRE_MESSAGE(back, error_of(back));
    CHECK(back->layout->runqueues == Partition{{0, 2}, {4, 6}});
    CHECK(back->layout->explained);
}

TEST_CASE("apply: errors are handed on, and a pool of another scheduler is not asked for") {
    Machine machine;
    machine.xl.set_error = xl_error::no_memory;
    CHECK(contains(error_of(machine.apply({Layout::core, no_cap})), "Pool-0: Xen has no memory"));
    machine.xl.get_error = xl_error::not_implemented;
    CHECK(error_of(machine.apply({Layout::core, no_cap})) == stock_xen);
    std::string log;
    XlConfigurator none({}, {}, nullptr, nullptr, &log);
    CHECK(error_of(apply(none, machine.topology, machine.pool, {.arrangement = Arrangement{}},
                         true)) == stock_toolstack);
    machine.pool.name = "Pool-1";
    machine.pool.scheduler = "credit";
    const unsigned gets = machine.xl.gets;
    for (const Change& change :
         {Change{.arrangement = Arrangement{}}, Change{.rate_limit_us = 300}})
        CHECK(
            error_of(machine.apply(change)) ==
            "Pool-1: scheduler credit has no runqueue layouts, and its rate limit is its own (this "
            "is for credit2)");
    CHECK(machine.xl.gets == gets);
}

TEST_CASE("rate limit calls: read, set, and every error in words") {
    FakeXl xl;
    xl.rate_limit_us = 0;
    auto configurator = xl.configurator();
    CHECK(*configurator.rate_limit(batch) == 0);
    CHECK(*configurator.set_rate_limit(batch, 300) == 300);
    CHECK(xl.pool == 4);
    const auto errors = [&](int error, unsigned us = 300) {
        xl.limit_get_error = xl.limit_set_error = error;
        CHECK(error_of(configurator.rate_limit(batch)).starts_with("batch: "));
        return error_of(configurator.set_rate_limit(batch, us));
    };
    CHECK(contains(errors(xl_error::not_found), "batch: there is no such cpupool any more"));
    CHECK(
        errors(xl_error::invalid) ==
        "batch: Xen refuses to set a rate limit of 300 us: the pool has got another scheduler, or "
        "this Xen knows other values; `xl cpupool-list` shows the scheduler");
    CHECK(contains(errors(-99, 0), "cannot switch the rate limit off: error -99; `xl dmesg`"));
    xl.logs = "Setting Credit2 scheduler parameters: Operation not permitted";
    CHECK(
        contains(errors(xl_error::failed), "of 300 us: Setting Credit2 scheduler parameters: Ope"));
}

TEST_CASE("apply: the rate limit alone needs no patched Xen") {
    Machine machine;
    machine.xl.get_error = machine.xl.set_error = xl_error::not_implemented;
    const auto applied = machine.apply({.rate_limit_us = 5000});
    REQUIRE_MESSAGE(applied, error_of(applied));
    CHECK_FALSE(applied->layout);
    CHECK(applied->rate_limit == AppliedRateLimit{1000, 5000});
    CHECK(applied->changed());
    CHECK(machine.xl.rate_limit_us == 5000);
    CHECK(describe(machine.pool, *applied) == "Pool-0: rate limit 1000 us -> 5000 us\n");

    const auto again = machine.apply({.rate_limit_us = 5000});
    REQUIRE(again);
    CHECK_FALSE(again->changed());
    CHECK(machine.xl.limits_set == std::vector<unsigned>{5000});
    CHECK(describe(machine.pool, *again) == "Pool-0: rate limit 5000 us is in force already\n");

    const auto would = machine.apply({.rate_limit_us = 0}, true);
    REQUIRE(would);
    CHECK(would->changed());
    CHECK(machine.xl.rate_limit_us == 5000);
    CHECK(describe(machine.pool, *would) == "Pool-0 would change: rate limit 5000 us -> off\n");

    for (const unsigned us : {1U, 99U, 500'001U}) {
        CHECK(
            error_of(machine.apply({.rate_limit_us = us}, true)) ==
            fmt::format("Pool-0: a rate limit of {} us is not possible; Xen takes 0 (off) and 100 "
                        "to 500000 us",
                        us));
        CHECK(machine.xl.rate_limit_us == 5000);
    }
    machine.xl.deaf = true;
    CHECK(error_of(machine.apply({.rate_limit_us = 300})) ==
          "Pool-0: rate limit 300 us was set, but rate limit 5000 us is in force: another program "
          "changes it too; end that one and run it again");
}

TEST_CASE("apply: layout and rate limit, both or neither") {
    const Change both{.arrangement = Arrangement{Layout::core, no_cap}, .rate_limit_us = 300};
    Machine machine;
    const auto applied = machine.apply(both);
    REQUIRE_MESSAGE(applied, error_of(applied));
    CHECK(applied->layout->after == InForce{{Layout::core, no_cap}, 8});
    CHECK(machine.xl.in_force.layout == 1);
    CHECK(machine.xl.rate_limit_us == 300);
    CHECK(describe(machine.pool, *applied)
              .starts_with("Pool-0: rate limit 1000 us -> 300 us\n"
                           "Pool-0: socket capped at 16 (2 runqueues) -> core (8 runqueues)\n\n"));

    // The layout is refused: the rate limit goes back.
    machine.xl = {};
    machine.xl.set_error = xl_error::no_memory;
    CHECK(contains(error_of(machine.apply(both)), "run it again (rate limit 1000 us is in force "
                                                  "again)"));
    CHECK(machine.xl.limits_set == std::vector<unsigned>{300, 1000});
    CHECK(machine.xl.rate_limit_us == 1000);

    // The rate limit is refused: the layout is not touched.
    machine.xl = {};
    machine.xl.limit_set_error = xl_error::failed;
    CHECK_FALSE(machine.apply(both));
    CHECK(machine.xl.sets == 0);

    // Half of it is not told: nothing is set.
    machine.xl = {};
    machine.xl.get_error = xl_error::not_implemented;
    CHECK(error_of(machine.apply(both)) == stock_xen);
    machine.xl = {};
    machine.xl.limit_get_error = xl_error::not_found;
    CHECK_FALSE(machine.apply(both));
    CHECK(machine.xl.sets == 0);
    CHECK(machine.xl.limits_set.empty());
}

namespace {

/// Refuses the layout; what happens to the rate limit meanwhile is up to the test.
struct Refusing final : Configurator {
    unsigned in_force = 1000;
    std::function<void()> meanwhile = [] {};
    bool stuck = false; ///< takes no other rate limit any more

    Result<InForce> layout(const Pool&) override { return InForce{{Layout::socket, 16}, 2}; }
    Result<InForce> set_layout(const Pool&, const Arrangement&) override {
        meanwhile();
        return fail("no");
    }
    Result<unsigned> rate_limit(const Pool&) override { return in_force; }
    Result<unsigned> set_rate_limit(const Pool&, unsigned us) override {
        if (stuck) return fail("stuck");
        return in_force = us;
    }
    Result<void> set_weight(unsigned, unsigned) override { return fail("no"); }
};

} // namespace

TEST_CASE("apply: a rate limit that cannot go back is told, and that of another program stays") {
    const Change both{.arrangement = Arrangement{Layout::core, no_cap}, .rate_limit_us = 300};
    const Machine machine;
    Refusing host;
    host.meanwhile = [&] { host.stuck = true; };
    CHECK(error_of(apply(host, machine.topology, machine.pool, both, false)) ==
          "no (rate limit 300 us was set, and rate limit 1000 us could not be put back: stuck; try "
          "`intellisched apply --pool Pool-0 --rate-limit 1000`)");
    CHECK(host.in_force == 300);
    Pool odd = machine.pool;
    odd.name = "Pool 0; reboot";
    host = {};
    host.meanwhile = [&] { host.stuck = true; };
    CHECK(contains(error_of(apply(host, machine.topology, odd, both, false)),
                   "try `intellisched apply --pool 0 --rate-limit 1000`)"));
    host = {};
    host.meanwhile = [&] { host.in_force = 7000; };
    CHECK(error_of(apply(host, machine.topology, machine.pool, both, false)) ==
          "no (rate limit 7000 us is in force, as another program has set)");
    CHECK(host.in_force == 7000);
}

TEST_CASE("apply: a pool without CPUs has a layout for those that are to come") {
    Machine machine;
    machine.pool.cpus.clear();
    machine.xl.in_force.nr_runqueues = machine.xl.then_runqueues = 0;
    const auto applied = machine.apply({Layout::all, no_cap});
    REQUIRE_MESSAGE(applied, error_of(applied));
    CHECK(applied->layout->equivalent);
    CHECK(applied->layout->changed);
    CHECK(applied->layout->runqueues.empty());
}
