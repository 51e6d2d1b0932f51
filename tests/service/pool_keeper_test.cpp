// SPDX-License-Identifier: MIT
// One pool's policy with a real journal: what is on the disk when something is asked for, what goes
// on after a kill (the objects are dropped, the journal is opened again) at every point of a
// switch, and what happens while the journal cannot be written.
#include "src/model/sample.hpp"
#include "src/service/service.hpp"
#include "tests/policy/policy_world.hpp"
#include "tests/service/journal_steps.hpp"

#include <algorithm>
#include <boost/core/null_deleter.hpp>
#include <boost/log/core.hpp>
#include <boost/log/expressions.hpp>
#include <boost/log/sinks/sync_frontend.hpp>
#include <boost/log/sinks/text_ostream_backend.hpp>
#include <boost/log/trivial.hpp>
#include <boost/smart_ptr/make_shared.hpp>
#include <sstream>

using namespace intellisched;
using namespace intellisched::service;
using namespace intellisched::test;

namespace {

/// A keeper on the world's pool, and the host that does what it asks for when told to.
struct Kept {
    Folder folder;
    World world;
    std::string boot = "boot-1";
    std::vector<Request> asked;
    std::optional<Journal> journal;
    std::optional<PoolKeeper> keeper;
    PoolConfig config{.name = "Pool-0", .mode = Mode::automatic};
    std::function<void()> when_asked = [] {};

    Kept() { start(); }

    [[nodiscard]] Moment now() const {
        return {world.time, epoch + static_cast<UnixTime>(world.time)};
    }
    void start() {
        journal.emplace(open_journal(folder.journal(), boot));
        keeper.emplace(PoolName{"Pool-0", 0}, config, *journal, boot, now(),
                       [this](const Request& a) {
                           asked.push_back(a);
                           when_asked();
                       });
        read();
    }
    /// As a kill does: nothing is done in order.
    void kill() {
        keeper.reset();
        journal.reset();
    }
    void restart() {
        kill();
        start();
    }
    void read() {
        world.pool.current = world.pool.in_force.layout;
        keeper->saw(world.pool, 0, world.time, now());
    }
    /// All of them tell which layout they were seen under.
    [[nodiscard]] FeatureVector features() const {
        FeatureVector features;
        features.values.assign(feature_schema().size(),
                               static_cast<float>(index(world.pool.in_force.layout)));
        return features;
    }
    const PoolVerdict& window() {
        world.time += second;
        keeper->saw(world.next(), features(), second, "b1", now());
        return keeper->verdict();
    }
    /// Windows until something is asked for.
    bool until_asked(unsigned most = 200) {
        const std::size_t before = asked.size();
        for (unsigned i = 0; i < most && asked.size() == before; ++i) window();
        return asked.size() > before;
    }
    /// The host does it.
    void carry_out() { world.pool.in_force = *asked.back().change.arrangement; }
    void answer(bool done = true, const std::string& text = {}) {
        world.time += second / 100;
        keeper->applied({asked.back().serial, done, text}, world.time, now());
        world.time += second / 100;
    }
    [[nodiscard]] const State& state() const { return keeper->state(); }
    [[nodiscard]] State stored() const {
        const auto stored = journal->state("Pool-0");
        REQUIRE(stored);
        REQUIRE(*stored);
        return (*stored)->state;
    }
    template<class What> std::vector<Entry<What>> all() const {
        std::vector<Entry<What>> found;
        const auto events = journal->history({.limit = 10'000});
        REQUIRE(events);
        for (const Event& event : *events)
            if (const auto* one = std::get_if<Entry<What>>(&event)) found.push_back(*one);
        return found;
    }
};

/// Makes the journal's writes fail, as a full disk does, for as long as it lives.
class Broken {
  public:
    explicit Broken(const std::filesystem::path& path) {
        REQUIRE(sqlite3_open(path.c_str(), &other_) == SQLITE_OK);
        // Columns that are written, and not read here.
        REQUIRE(sqlite3_exec(other_,
                             "ALTER TABLE states RENAME COLUMN serial TO gone;"
                             "ALTER TABLE windows RENAME COLUMN utility TO gone",
                             nullptr, nullptr, nullptr) == SQLITE_OK);
    }
    ~Broken() {
        sqlite3_exec(other_,
                     "ALTER TABLE states RENAME COLUMN gone TO serial;"
                     "ALTER TABLE windows RENAME COLUMN gone TO utility",
                     nullptr, nullptr, nullptr);
        sqlite3_close(other_);
    }
    Broken(const Broken&) = delete;
    Broken& operator=(const Broken&) = delete;

  private:
    sqlite3* other_ = nullptr;
};

/// What is logged at info and above while it lives.
class Log {
  public:
    Log() {
        backend_->add_stream(boost::shared_ptr<std::ostream>(&stream_, boost::null_deleter()));
        sink_ = boost::make_shared<Sink>(backend_);
        sink_->set_filter(boost::log::trivial::severity >= boost::log::trivial::info);
        boost::log::core::get()->add_sink(sink_);
    }
    ~Log() { boost::log::core::get()->remove_sink(sink_); }
    Log(const Log&) = delete;
    Log& operator=(const Log&) = delete;

    /// How many lines there were since the last call; the first begins with `head`.
    std::size_t take(const std::string& head = {}) {
        text = stream_.str();
        stream_.str({});
        CHECK_MESSAGE(text.starts_with(head), text);
        return static_cast<std::size_t>(std::ranges::count(text, '\n'));
    }
    std::string text; ///< that was taken last

  private:
    using Backend = boost::log::sinks::text_ostream_backend;
    using Sink = boost::log::sinks::synchronous_sink<Backend>;
    std::ostringstream stream_;
    boost::shared_ptr<Backend> backend_ = boost::make_shared<Backend>();
    boost::shared_ptr<Sink> sink_;
};

} // namespace

TEST_CASE("a switch is stored before it is asked for, tried, and kept") {
    Kept kept;
    std::optional<State> on_disk;
    kept.when_asked = [&] { on_disk = kept.stored(); };
    kept.world.utility[index(Layout::core)] = 0.1;
    REQUIRE(kept.until_asked());
    REQUIRE(on_disk);
    REQUIRE(on_disk->pending);
    CHECK(on_disk->pending->serial == kept.asked[0].serial);
    CHECK(on_disk->trial->to.arrangement == core_any);
    CHECK(kept.asked[0].change.arrangement == core_any);
    CHECK(kept.keeper->metrics().requested == core_any);

    kept.carry_out();
    kept.answer();
    CHECK(kept.keeper->wants_reading());
    kept.read();
    CHECK_FALSE(kept.keeper->wants_reading());
    CHECK(kept.keeper->metrics().trial);
    CHECK(kept.keeper->metrics().switches == 1);
    for (unsigned i = 0; i < 60 && kept.state().trial; ++i) kept.window();
    CHECK_FALSE(kept.state().trial);
    const auto trials = kept.all<StoredTrial>();
    REQUIRE(trials.size() == 1);
    CHECK(trials[0].what.ending == "kept-better");
    const auto switches = kept.all<StoredSwitch>();
    REQUIRE(switches.size() == 1);
    CHECK(switches[0].what.outcome == SwitchOutcome::done);
    CHECK(kept.keeper->journal_errors() == 0);
}

TEST_CASE("a kill after the switch was stored, before the host has it: it is given up") {
    Kept kept;
    REQUIRE(kept.until_asked());
    kept.restart();
    CHECK(kept.all<StoredSwitch>()[0].what.outcome == SwitchOutcome::unknown);
    CHECK(kept.all<StoredTrial>()[0].what.ending == "not-applied");
    CHECK_FALSE(kept.state().trial);
    CHECK(kept.asked.size() == 1);
}

TEST_CASE("a kill after the host has it, before the result: the trial goes on, and ends") {
    for (const double utility : {0.1, -0.1}) {
        Kept kept;
        kept.world.utility[index(Layout::core)] = utility;
        REQUIRE(kept.until_asked());
        kept.carry_out();
        kept.restart();
        REQUIRE(kept.state().trial);
        CHECK(kept.state().trial->in_force);
        for (unsigned i = 0; i < 60 && kept.state().trial; ++i) kept.window();
        const std::string ending = kept.all<StoredTrial>()[0].what.ending;
        if (utility > 0) {
            CHECK(ending == "kept-better");
            CHECK(kept.asked.size() == 1);
        } else {
            CHECK((ending == "reverted-worse" || ending == "reverted-harm"));
            REQUIRE(kept.asked.size() == 2);
            CHECK(kept.asked[1].change.arrangement == Arrangement{Layout::socket, no_cap});
        }
    }
}

TEST_CASE("a kill in the middle of a trial, and one before the way back is done") {
    Kept kept;
    kept.world.utility[index(Layout::core)] = -0.1;
    REQUIRE(kept.until_asked());
    kept.carry_out();
    kept.answer();
    kept.read();
    for (unsigned i = 0; i < 7; ++i) kept.window();
    kept.restart();
    REQUIRE(kept.state().trial);
    CHECK(kept.state().trial->after.empty());

    REQUIRE(kept.until_asked());
    CHECK(kept.asked.back().change.arrangement == Arrangement{Layout::socket, no_cap});
    CHECK_FALSE(kept.state().trial);
    kept.restart(); // nobody has done it: it is owed still
    REQUIRE(kept.state().pending);
    kept.world.time += minute;
    kept.keeper->tick(kept.now());
    REQUIRE(kept.asked.size() == 3);
    CHECK(kept.asked[2].change.arrangement == kept.asked[1].change.arrangement);
    CHECK(kept.asked[2].serial > kept.asked[1].serial);
    kept.carry_out();
    kept.answer();
    kept.read();
    CHECK_FALSE(kept.state().pending);
    CHECK(kept.keeper->metrics().reverts == 1);
}

TEST_CASE("another boot of the host ends the trial") {
    Kept kept;
    REQUIRE(kept.until_asked());
    kept.carry_out();
    kept.answer();
    kept.read();
    kept.kill();
    kept.boot = "boot-2";
    kept.world.time = minute;
    kept.world.pool.in_force = {Layout::socket, no_cap};
    kept.start();
    CHECK_FALSE(kept.state().trial);
    CHECK(kept.all<StoredTrial>()[0].what.ending == "voided-reboot");
    CHECK(kept.state().stand_down_until == 0);
}

TEST_CASE("a result that failed, and the host as it was: given up") {
    Kept kept;
    REQUIRE(kept.until_asked());
    kept.answer(false, "no memory");
    CHECK(kept.keeper->wants_reading());
    kept.read();
    CHECK_FALSE(kept.state().trial);
    CHECK(kept.keeper->metrics().failed_applies == 1);
    CHECK(kept.keeper->metrics().switches == 0);
    CHECK(kept.all<StoredSwitch>()[0].what.text == "no memory");
}

TEST_CASE("a reading from before the result is not taken for somebody else's change") {
    Kept kept;
    REQUIRE(kept.until_asked());
    const Nanoseconds before = kept.world.time;
    const PoolSeen old = kept.world.pool;
    kept.carry_out();
    kept.answer();
    kept.keeper->saw(old, 0, before, kept.now());
    CHECK(kept.state().stand_down_until == 0);
    CHECK(kept.state().trial);
    kept.read();
    CHECK(kept.state().trial->in_force);
    // One from after it is.
    kept.world.pool.in_force = {Layout::node, no_cap};
    kept.read();
    CHECK(kept.state().stand_down_until > 0);
}

TEST_CASE("what never came back is late when it comes") {
    Kept kept;
    REQUIRE(kept.until_asked());
    kept.world.time += 2 * minute;
    kept.keeper->tick(kept.now());
    kept.read();
    CHECK_FALSE(kept.state().trial);
    kept.answer(); // now it comes
    CHECK(has(kept.keeper->verdict(), "late-result"));
    CHECK_FALSE(kept.state().trial);
}

TEST_CASE("no switch whose state cannot be stored; one as soon as it can") {
    Kept kept;
    for (unsigned i = 0; i < 15; ++i) kept.window();
    {
        const Broken broken(kept.folder.journal());
        CHECK_FALSE(kept.until_asked(60));
        CHECK(kept.keeper->journal_errors() >= 60);
        CHECK(has(kept.keeper->verdict(), "not-stored"));
        CHECK_FALSE(kept.state().trial);
        CHECK_FALSE(kept.state().pending);
        CHECK(kept.state().switches.empty());
    }
    CHECK(kept.until_asked(2));
    CHECK(kept.stored().trial);
}

TEST_CASE("a way back is asked for while the journal fails, and stored later") {
    Kept kept;
    kept.world.utility[index(Layout::core)] = -0.2;
    REQUIRE(kept.until_asked());
    kept.carry_out();
    kept.answer();
    kept.read();
    {
        const Broken broken(kept.folder.journal());
        REQUIRE(kept.until_asked());
        CHECK(kept.asked.back().change.arrangement == Arrangement{Layout::socket, no_cap});
        kept.carry_out();
        kept.answer();
        kept.read();
        CHECK(kept.stored().trial);
    }
    kept.window();
    CHECK_FALSE(kept.stored().trial);
}

TEST_CASE("pause, resume and mode") {
    Kept kept;
    kept.keeper->pause(kept.now());
    CHECK(kept.stored().paused);
    CHECK_FALSE(kept.until_asked(60));
    CHECK(has(kept.keeper->verdict(), "paused"));
    kept.restart();
    CHECK(kept.keeper->metrics().paused);
    kept.keeper->resume(kept.now());
    CHECK_FALSE(kept.stored().paused);
    const auto verdicts = [&] { return kept.journal->history({.limit = 1000})->size(); };
    const std::size_t before = verdicts();
    for (unsigned i = 0; i < 3; ++i) kept.keeper->resume(kept.now()); // there is nothing to end
    CHECK(verdicts() == before);
    REQUIRE(kept.until_asked(60));
    kept.carry_out();
    kept.answer();
    kept.read();
    // No longer auto: what is not proven goes back.
    kept.config.mode = Mode::recommend;
    kept.keeper->configure(kept.config, kept.now());
    REQUIRE(kept.asked.size() == 2);
    CHECK(kept.asked[1].change.arrangement == Arrangement{Layout::socket, no_cap});
    CHECK(kept.all<StoredTrial>()[0].what.ending == "voided-mode");
}

TEST_CASE("pool keeper: a line of the log for each thing that happens, with its id") {
    Log log;
    Kept kept;
    kept.world.utility[index(Layout::core)] = 0.1;
    log.take();
    SUBCASE("a switch and the end of its trial") {
        REQUIRE(kept.until_asked());
        CHECK(log.take("Pool-0: switch (socket to core; ") == 1);
        kept.carry_out();
        kept.answer();
        kept.read();
        for (unsigned i = 0; i < 60 && kept.state().trial; ++i) kept.window();
        CHECK(log.take("Pool-0: trial-ended (kept-better; core after socket: ") == 1);
    }
    SUBCASE("a trial that goes back") {
        kept.world.utility[index(Layout::core)] = -0.1;
        REQUIRE(kept.until_asked());
        kept.carry_out();
        kept.answer();
        kept.read();
        log.take();
        REQUIRE(kept.until_asked());
        CHECK(log.take("Pool-0: trial-ended (reverted-") == 1);
        kept.answer();
        CHECK(log.take() == 0);
    }
    SUBCASE("a switch that fails") {
        REQUIRE(kept.until_asked());
        log.take();
        kept.answer(false, "no memory");
        CHECK(log.take("Pool-0: apply-failed (core could not be applied: no memory)") == 1);
    }
    SUBCASE("a pause and a resume, in every mode") {
        for (const Mode mode : {Mode::off, Mode::observe, Mode::recommend, Mode::automatic}) {
            kept.config.mode = mode;
            kept.keeper->configure(kept.config, kept.now());
            log.take();
            kept.keeper->pause(kept.now());
            kept.keeper->pause(kept.now());
            CHECK(log.take("Pool-0: paused-by-hand (") == 1);
            kept.keeper->resume(kept.now());
            CHECK(log.take("Pool-0: resumed (") == 1);
        }
    }
    SUBCASE("a recommendation, with what to do, and its end") {
        kept.config.mode = Mode::recommend;
        kept.keeper->configure(kept.config, kept.now());
        for (unsigned i = 0; i < 30; ++i) kept.window();
        CHECK(log.take("Pool-0: recommended (layout: core has the highest expected gain, +") == 1);
        CHECK(log.text.find("; intellisched apply --pool Pool-0 --layout core)") !=
              std::string::npos);
        kept.world.favoured = Layout::socket;
        log.take();
        for (unsigned i = 0; i < 400; ++i) kept.window();
        CHECK(log.take("Pool-0: nothing-recommended (layout: ") == 1);
    }
}

TEST_CASE("pool keeper: a recommendation is called one, with its age and whether it can be done") {
    Kept kept;
    kept.world.pool.can_rearrange = false;
    kept.read();
    for (unsigned i = 0; i < 100; ++i) kept.window();
    CHECK(kept.asked.empty());
    CHECK(kept.keeper->verdict().decision == Decision::recommend);
    const auto metrics = kept.keeper->metrics();
    const auto& change = metrics.recommended[index(Knob::layout)];
    REQUIRE(change);
    CHECK(change->option == option_of(Layout::core));
    CHECK(change->gain == doctest::Approx(0.1));
    CHECK(static_cast<double>(kept.now().wall) / 1e9 - change->since_seconds > 80);
    CHECK_FALSE(metrics.can_apply[index(Knob::layout)]);
    CHECK_FALSE(metrics.recommended[index(Knob::rate_limit)]);
    const auto status = status_of(*kept.keeper, true, kept.now());
    CHECK(status.decision() == "recommend");
    REQUIRE(status.recommendations_size() == 1);
    CHECK(status.recommendations(0).layout() == "core");
    CHECK(status.recommendations(0).by_hand());
    CHECK(status.recommendations(0).for_s() > 80);
    CHECK(status.recommendations(0).command().starts_with("credit2_runqueue=core on Xen's"));
    const auto stored = kept.journal->history({.kind = Kind::verdict, .telling = true}).value();
    REQUIRE(stored.size() == 1);
    const auto& told = std::get<Entry<StoredVerdict>>(stored[0]).what;
    CHECK(told.decision == Decision::recommend);
    CHECK(told.target == Change{.arrangement = core_any});
    CHECK_FALSE(told.serial);
}

TEST_CASE("pool keeper: where nothing can be judged the status has the reason's code") {
    Kept kept;
    kept.world.pool.can_rearrange = false;
    kept.read();
    for (unsigned i = 0; i < 2; ++i) kept.window();
    const auto status = [&] { return status_of(*kept.keeper, true, kept.now()); };
    CHECK(status().no_verdict() == "too-few-windows");
    for (unsigned i = 0; i < 20; ++i) kept.window();
    CHECK(status().no_verdict().empty());
    kept.world.outside_training = 2;
    for (unsigned i = 0; i < 20; ++i) kept.window();
    CHECK(status().decision() == "abstain");
    CHECK(status().no_verdict() == "outside-training");
}

TEST_CASE("a pool that is off is not looked at") {
    Kept kept;
    kept.config.mode = Mode::off;
    kept.keeper->configure(kept.config, kept.now());
    kept.window();
    CHECK(kept.keeper->metrics().windows == 0);
    CHECK(kept.journal->windows({})->empty());
}

TEST_CASE("what says the same as before is kept once") {
    Kept kept;
    kept.config.mode = Mode::recommend;
    kept.keeper->configure(kept.config, kept.now());
    for (unsigned i = 0; i < 300; ++i) kept.window();
    const auto verdicts = kept.all<StoredVerdict>();
    CHECK(verdicts.size() >= 2);
    CHECK(verdicts.size() < 10);
    CHECK(verdicts[0].what.recommended == Layout::core);
    CHECK(kept.journal->windows({.limit = 1000})->size() == 300);
}

TEST_CASE("back to the boot layout at the end, and no offence taken at the next start") {
    Kept kept;
    kept.world.utility[index(Layout::core)] = 0.1;
    CHECK_FALSE(kept.keeper->return_to_boot(kept.now()));
    REQUIRE(kept.until_asked());
    kept.carry_out();
    kept.answer();
    kept.read();
    SUBCASE("done") {
        const auto asked = kept.keeper->return_to_boot(kept.now());
        REQUIRE(asked);
        CHECK(asked->change.arrangement == kept.world.pool.boot);
        kept.world.pool.in_force = *asked->change.arrangement;
        kept.keeper->returned({asked->serial - 1, true},
                              kept.now()); // of what was asked for before
        CHECK(kept.all<StoredVerdict>()[0].what.reasons[0].code == "leaving");
        kept.keeper->returned({asked->serial, true}, kept.now());
        kept.keeper->returned({asked->serial, true}, kept.now()); // one is enough
        CHECK(kept.all<StoredVerdict>()[0].what.reasons[0].code == "returned-to-boot");
        CHECK(kept.all<StoredVerdict>()[1].what.reasons[0].code == "leaving");
        CHECK(kept.all<StoredTrial>()[0].what.ending == "voided-stop");
    }
    SUBCASE("it fails") {
        const auto asked = kept.keeper->return_to_boot(kept.now());
        REQUIRE(asked);
        kept.keeper->returned({asked->serial, false, "no memory"}, kept.now());
        const auto told = kept.all<StoredVerdict>()[0].what.reasons[0];
        CHECK(told.code == "not-returned-to-boot");
        CHECK(told.text.find("could not be given back: no memory") != std::string::npos);
    }
    SUBCASE("stored, but not done") { REQUIRE(kept.keeper->return_to_boot(kept.now())); }
    kept.world.time += minute;
    kept.restart();
    CHECK(kept.state().stand_down_until == 0);
    CHECK_FALSE(kept.state().trial);
    CHECK(kept.state().pool->in_force == kept.world.pool.in_force);
}

TEST_CASE("the pool keeps what it has at the end when the state cannot be stored") {
    Kept kept;
    REQUIRE(kept.until_asked());
    kept.carry_out();
    kept.answer();
    kept.read();
    const Broken broken(kept.folder.journal());
    CHECK_FALSE(kept.keeper->return_to_boot(kept.now()));
}

TEST_CASE("pool keeper: a trial becomes two samples, with what it found as scores") {
    Kept kept;
    kept.world.utility[index(Layout::core)] = 0.1;
    REQUIRE(kept.until_asked());
    kept.carry_out();
    kept.answer();
    kept.read();
    SUBCASE("a kill in it loses nothing") { kept.restart(); }
    SUBCASE("without a kill") {}
    CHECK(kept.journal->samples().value().empty()); // it is not over
    for (unsigned i = 0; i < 200 && kept.state().trial; ++i) kept.window();
    const auto samples = kept.journal->samples().value();
    REQUIRE(samples.size() == 2);
    for (const auto& [sample, layout] : {std::pair{samples[0].sample, Layout::socket},
                                         std::pair{samples[1].sample, Layout::core}}) {
        CHECK(check_sample(sample, "it"));
        CHECK(sample.current() == to_string(layout));
        CHECK(sample.features(3) == static_cast<float>(index(layout)));
        CHECK(sample.scenario() == "Pool-0 trial 1");
        REQUIRE(sample.scores_size() == 1);
        const auto& scores = sample.scores(0);
        CHECK(scores.intent() == "balanced");
        CHECK(scores.score(2) == 1);
        CHECK(scores.score(1) == doctest::Approx(std::exp(0.1)).epsilon(0.05));
        CHECK(std::isnan(scores.score(0)));
        CHECK(scores.spread(1) > 0);
    }
}

TEST_CASE("pool keeper: no sample of a trial whose load changed, or of runqueues without a name") {
    Kept kept;
    SUBCASE("the load changes") {
        REQUIRE(kept.until_asked());
        kept.carry_out();
        kept.answer();
        kept.read();
        kept.world.guests = 8;
    }
    SUBCASE("a cap made others") {
        kept.world.pool.in_force = {Layout::socket, 16};
        kept.world.pool.exact = false;
        kept.read(); // somebody else's choice
        kept.keeper->resume(kept.now());
        kept.world.time += kept.config.settings.dwell;
        REQUIRE(kept.until_asked());
        kept.carry_out();
        kept.world.pool.exact = false;
        kept.answer();
        kept.read();
    }
    for (unsigned i = 0; i < 200 && kept.state().trial; ++i) kept.window();
    CHECK_FALSE(kept.state().trial);
    CHECK(kept.journal->samples().value().empty());
}
