// SPDX-License-Identifier: MIT
// The batch benchmark on a simulator that is made up (fake_sim.cpp): plans, resuming, samples that
// do not depend on how they came about, the report, the export.
#include "bench/experiment/export.hpp"
#include "bench/experiment/report.hpp"
#include "bench/experiment/runner.hpp"
#include "bench/experiment/simulators.hpp"
#include "bench/training/cases.hpp"
#include "bench/training/samples.hpp"
#include "collector/window/schema.hpp"
#include "src/model/sample.hpp"
#include "src/page/page.hpp"
#include "test_paths.hpp"
#include "tests/support/capture_files.hpp"

#include <algorithm>
#include <cmath>
#include <doctest/doctest.h>
#include <regex>
#include <thread>

using namespace intellisched;
using namespace intellisched::test;
using bench::Plan;

namespace {

std::string scenario_text(const std::string& name, const std::string& family) {
    return "name: \"" + name + "\" family: \"" + family +
           "\" seed: 7 warmup_s: 1.5 measured_s: 3.5\n"
           "machine { sockets: 2 cores: 2 threads: 1 }\n"
           "guests { name: \"g0\" vcpus: 1 } guests { name: \"g1\" vcpus: 1 }\n";
}

/// A directory with a plan and two good scenarios.
struct Bench {
    Directory directory;
    Plan plan;
    std::vector<bench::Entry> entries;

    explicit Bench(const std::string& more = "") {
        spill(directory.path / "a.scenario", scenario_text("one", "chains"));
        spill(directory.path / "b.scenario", scenario_text("two", "hogs"));
        spill(directory.path / "test.plan", "entries { scenarios: \"*.scenario\" }\n" + more);
        auto read = bench::read_plan(directory.path / "test.plan");
        REQUIRE(read);
        plan = *read;
        auto expanded = bench::expand(plan, directory.path / "generated");
        REQUIRE(expanded);
        entries = *expanded;
    }
    [[nodiscard]] bench::Results results(const std::string& name) const {
        auto opened = bench::Results::open(directory.path / name);
        REQUIRE(opened);
        return std::move(*opened);
    }
    std::filesystem::path simulator = INTELLISCHED_FAKE_SIM;
    [[nodiscard]] Result<void> run(bench::Results& results, unsigned jobs,
                                   const std::atomic<bool>* stop = nullptr) const {
        bench::RunnerOptions options;
        options.jobs = jobs;
        options.stop = stop;
        options.sim.program = simulator;
        return bench::run_simulated(plan, entries, results, options);
    }
};

/// What read_plan says of a plan.
std::string error_of_plan(const std::string& text) {
    const Directory directory;
    spill(directory.path / "p.plan", text);
    std::string message = error_of(bench::read_plan(directory.path / "p.plan"));
    const std::string path = (directory.path / "p.plan").string();
    CHECK(message.starts_with(path));
    return message.substr(path.size());
}

} // namespace

TEST_CASE("bench plan: what it says, and what it leaves out") {
    const Bench bench(
        "repeats: 3 layouts: [\"all\", \"cpu\"] intents: \"latency\" measured_s: 9\n");
    CHECK(bench.plan.repeats == 3);
    CHECK(bench.plan.windows == 3);
    CHECK(bench.plan.layouts == std::vector{Layout::cpu, Layout::all});
    CHECK(bench.plan.intents == std::vector{Intent::latency});
    REQUIRE(bench.entries.size() == 2);
    CHECK(bench.entries[0].name == "one");
    CHECK(bench.entries[1].family == "hogs");
    CHECK(bench.entries[1].topology == "2s2c1t");
    CHECK(bench.entries[1].pool == "Pool-0");
    // A repeat is another seed, whatever the layout; the first one is the scenario's.
    CHECK(bench::scenario_of(bench.plan, bench.entries[0], 0).seed() == 7);
    CHECK(bench::scenario_of(bench.plan, bench.entries[0], 1).seed() != 7);
    CHECK(bench::scenario_of(bench.plan, bench.entries[0], 1).measured_s() == 9);
}

TEST_CASE("bench: a topology's name tells nodes that are not the sockets, and slow cores") {
    proto::Machine machine;
    machine.set_sockets(2);
    machine.set_cores(8);
    machine.set_threads(2);
    CHECK(bench::topology_name(machine) == "2s8c2t");
    machine.set_nodes(2);
    CHECK(bench::topology_name(machine) == "2s8c2t");
    machine.set_nodes(4);
    CHECK(bench::topology_name(machine) == "2s8c2t4n");
    machine.set_slow_cores(6);
    CHECK(bench::topology_name(machine) == "2s8c2t4n6e");
    machine.set_llcs(1);
    CHECK(bench::topology_name(machine) == "2s8c2t4n6e");
    machine.set_llcs(4);
    CHECK(bench::topology_name(machine) == "2s8c2t4n6e4l");
}

TEST_CASE("bench plan: mistakes are named, with their line") {
    CHECK(contains(error_of_plan("repeats: 2\nrepetitions: 3\n"), ":2: "));
    CHECK(contains(error_of_plan("repeats: 2\nrepetitions: 3\n"), "\"repetitions\""));
    CHECK(contains(error_of_plan("entries { scenario: \"x\" }"), "\"scenario\""));
    CHECK(contains(error_of_plan("repeats: -1"), ":1: "));
    CHECK(contains(error_of_plan(""), "no entries"));
    CHECK(contains(error_of_plan("entries { }"), "says nothing"));
    CHECK(contains(error_of_plan("layouts: \"sockets\""), "layouts: 'sockets'"));
    CHECK(contains(error_of_plan("intents: \"latency\" intents: \"latency\""), "twice"));
    CHECK(contains(error_of_plan("measured_s: -1"), "measured_s: -1"));
    CHECK(contains(error_of_plan("warmup_s: nan"), "warmup_s: nan"));
    CHECK(contains(error_of_plan("repeats: 4000000000"), "up to 1000"));
    CHECK(contains(error_of_plan("entries { generate { family: \"x\" topology: \"1x1x1\" } }"),
                   "count of 0"));
    CHECK(contains(error_of(bench::generate_scenarios("/tmp", "../x", "1x1x1", 1, 1)),
                   "'../x' on '1x1x1'"));
    CHECK(contains(error_of_plan("entries { live { name: \"a\" } } entries { scenarios: \"x\" }"),
                   "make two plans"));
    CHECK(contains(error_of_plan("entries { live { name: \"a\" stop: \"b\" } }"),
                   "a has stop and no start"));
    CHECK(contains(error_of_plan("entries { live { name: \"a\" start: \"b\\000c\" } }"),
                   "a zero byte"));

    Bench bench;
    bench.plan.entries[0].set_scenarios("none*.scenario");
    CHECK(contains(error_of(bench::expand(bench.plan, "/tmp")), "no such scenario"));
    bench.plan.entries[0].set_scenarios("*.scenario");
    spill(bench.directory.path / "c.scenario", scenario_text("one", "chains"));
    CHECK(contains(error_of(bench::expand(bench.plan, "/tmp")), "are both named 'one'"));
    spill(bench.directory.path / "c.scenario", "seed: 1\nspeed: 2\n");
    CHECK(contains(error_of(bench::expand(bench.plan, "/tmp")), "c.scenario:2: "));
}

TEST_CASE("bench: every partition is run once, and the samples are the model's") {
    const Bench bench;
    auto results = bench.results("out");
    REQUIRE(bench.run(results, 2));
    // 2 sockets of 2 cores: cpu and core are one partition, socket and node another.
    const auto scored = bench::score_entry(bench.plan, bench.entries[0], results);
    REQUIRE(scored);
    CHECK(scored->classes ==
          classes_of({Layout::cpu, Layout::cpu, Layout::socket, Layout::socket, Layout::all}));
    CHECK(!results.find({"one", Layout::cpu, 0})->shared);
    CHECK(results.find({"one", Layout::core, 0})->shared);
    // The fake's work grows with the layout's number: 1, 1.2 and 1.4 s, and a little by seed.
    const proto::IntentScores& throughput = scored->scores[0];
    CHECK(throughput.score(4) == 1);
    CHECK(throughput.score(0) == throughput.score(1));
    CHECK(throughput.score(2) == throughput.score(3));
    CHECK(throughput.score(2) == doctest::Approx(1.2 / 1.4).epsilon(0.02));

    const auto samples = bench::samples_of(bench.plan, *scored, results);
    REQUIRE(samples.size() == 3 * 2 * 3); // partitions, repeats, windows
    for (const proto::Sample& sample : samples) CHECK(check_sample(sample, "sample"));
    CHECK(samples[0].current() == "cpu");
    CHECK(samples[0].family() == "chains");
    CHECK(samples[0].costs(0) == doctest::Approx(0.65));
    CHECK(std::isnan(samples[0].costs(1)));
    CHECK(samples[0].scores(2).spread_size() == 5);
    CHECK(samples[0].score_version() == score_version);
    REQUIRE(samples[0].parts_size() == 5);
    CHECK(samples[0].parts(4).work() - samples[0].parts(2).work() ==
          doctest::Approx(std::log(1.4 / 1.2)).epsilon(0.02));
    const auto busy = *feature_index("load.busy_max");
    CHECK(samples[0].features(static_cast<int>(busy)) == doctest::Approx(0.5).epsilon(0.01));
}

TEST_CASE("bench: rate limits are measured under one layout, and have samples of their own") {
    const Bench bench("rate_limits: true");
    auto results = bench.results("out");
    REQUIRE(bench.run(results, 2));
    for (const bench::Entry& entry : bench.entries) {
        CAPTURE(entry.name);
        const auto layout = bench::limited_layout(bench.plan, entry);
        REQUIRE(layout);
        CHECK(bench::cells_of(bench.plan, entry).size() == 5 + 4);
        // The fake has 10 us more work for each microsecond, in the same CPU time.
        const auto limits = bench::score_limits(bench.plan, entry, results);
        REQUIRE(limits);
        const proto::IntentScores& throughput = limits->scores[0];
        CHECK(throughput.score(4) == 1);
        const double base = 1 + 0.1 * static_cast<double>(index(*layout));
        CHECK(throughput.score(0) ==
              doctest::Approx(std::pow((base - 0.01) / (base + 0.09), 1.3)).epsilon(0.01));
        const auto samples = bench::samples_of(bench.plan, *limits, results);
        REQUIRE(samples.size() == 5 * 2 * 3); // limits, repeats, windows
        const auto in_force = static_cast<int>(*feature_index("current.rate_limit"));
        for (const proto::Sample& sample : samples) {
            CHECK(check_sample(sample, "sample"));
            CHECK(knob_of(sample) == Knob::rate_limit);
            CHECK(sample.current() ==
                  fmt::format("{}us", static_cast<double>(sample.features(in_force))));
        }
    }
    const auto both = bench::samples_file(bench.plan, bench.entries, results);
    REQUIRE(both);
    spill(bench.directory.path / "both.samples", *both);
    auto samples = read_samples_file(bench.directory.path / "both.samples").value();
    CHECK_FALSE(make_cases(samples)); // one model learns one knob
    auto others = samples;
    REQUIRE(keep_knob(samples, Knob::layout));
    REQUIRE(keep_knob(others, Knob::rate_limit));
    CHECK(samples.size() == 2 * 3 * 2 * 3);
    CHECK(others.size() == 2 * 5 * 2 * 3);
    CHECK_FALSE(keep_knob(samples, Knob::rate_limit));
}

TEST_CASE("bench: repeats that are not traced count, but give no samples") {
    const Bench bench("traced: 1\n");
    auto results = bench.results("out");
    REQUIRE(error_of(bench.run(results, 2)).empty());
    CHECK(results.find({"one", Layout::cpu, 0})->windows.size() == 4); // three are taken
    CHECK(results.find({"one", Layout::cpu, 1})->windows.empty());
    const auto report = bench::make_report(bench.plan, bench.entries, results);
    CHECK(report.failures().empty());
    CHECK(report.samples() == 2 * 3 * 3);
}

TEST_CASE("bench: the same samples in any order, however often it is killed") {
    const Bench bench;
    auto straight = bench.results("straight");
    REQUIRE(bench.run(straight, 1));
    const std::string wanted = *bench::samples_file(bench.plan, bench.entries, straight);

    auto parallel = bench.results("parallel");
    REQUIRE(bench.run(parallel, 4));
    auto backwards = bench.entries;
    std::reverse(backwards.begin(), backwards.end());
    CHECK(*bench::samples_file(bench.plan, backwards, parallel) == wanted);

    // A results file cut off at any place goes on from there.
    const std::string whole = slurp(bench.directory.path / "straight/results.pb");
    for (const std::size_t size : {std::size_t{3}, whole.size() / 3, whole.size() - 1}) {
        spill(bench.directory.path / "cut/results.pb", whole.substr(0, size));
        auto cut = bench.results("cut");
        REQUIRE(bench.run(cut, 2));
        CHECK(*bench::samples_file(bench.plan, bench.entries, cut) == wanted);
    }
    // What is finished is not run again.
    auto finished = bench.results("straight");
    REQUIRE(bench.run(finished, 2));
    CHECK(slurp(bench.directory.path / "straight/results.pb") == whole);
    // Of another scenario of that name, or by another simulator, it is.
    Bench changed;
    changed.entries[0].scenario.set_seed(8);
    REQUIRE(changed.run(finished, 2));
    const std::string longer = slurp(bench.directory.path / "straight/results.pb");
    CHECK(longer.size() > whole.size());
    changed.simulator = changed.directory.path / "other";
    std::filesystem::copy(INTELLISCHED_FAKE_SIM, changed.simulator);
    std::ofstream(changed.simulator, std::ios::app) << "of another version";
    REQUIRE(changed.run(finished, 2));
    CHECK(slurp(bench.directory.path / "straight/results.pb").size() > longer.size());
}

TEST_CASE("bench: stopped, it stores nothing that is half done") {
    Bench slow;
    slow.plan.layouts = {Layout::cpu};
    for (bench::Entry& entry : slow.entries) entry.scenario.set_name("hangs");
    auto results = slow.results("out");
    std::atomic<bool> stop = false;
    std::jthread later([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(300));
        stop = true;
    });
    CHECK(slow.run(results, 2, &stop));
    CHECK(bench::make_report(slow.plan, slow.entries, results).runs() == 0);
}

TEST_CASE("bench: a run that fails is told, and made again") {
    Bench bench;
    bench.entries[1].scenario.set_name("dies");
    auto results = bench.results("out");
    REQUIRE(bench.run(results, 2));
    const auto report = bench::make_report(bench.plan, bench.entries, results);
    CHECK(report.runs() == 20);
    REQUIRE(report.failures_size() == 7); // 3 partitions twice, and that it has no scores
    CHECK(report.failures(0).entry() == "two");
    CHECK(contains(report.failures(0).error(), "out of memory"));
    CHECK(contains(bench::report_text(report), "two, layout cpu, repeat 0: the simulator ended"));
    for (const auto& cell : report.cells()) CHECK(cell.family() == "chains");

    bench.entries[1].scenario.set_name("two");
    auto again = bench.results("out");
    REQUIRE(bench.run(again, 2));
    CHECK(bench::make_report(bench.plan, bench.entries, again).failures().empty());

    for (const char* name : {"deaf", "timeless"}) {
        bench.entries[1].scenario.set_name(name);
        auto other = bench.results(name);
        REQUIRE(bench.run(other, 2));
        CHECK(bench::make_report(bench.plan, bench.entries, other).failures_size() > 0);
    }
}

TEST_CASE("bench: results that cannot be are refused") {
    const Bench bench;
    auto writer = RecordWriter::create(bench.directory.path / "results.pb", bench::results_format);
    REQUIRE(writer);
    proto::Run run;
    run.set_entry("one\n");
    run.set_layout("galaxy");
    run.set_error("x");
    REQUIRE(writer->append(run));
    CHECK(contains(error_of(bench::Results::open(bench.directory.path)),
                   "entry one?, layout galaxy: no such layout"));
    CHECK(contains(error_of(bench::Results::open("/dev/null/x")), "Not a directory"));
}

TEST_CASE("bench: costs of a run that no sample could have are refused") {
    proto::Run run;
    run.set_layout("core");
    for (const Layout layout : all_layouts) run.add_representative(std::string(to_string(layout)));
    run.set_pool("Pool-0");
    run.mutable_truth()->set_seconds(1);
    run.mutable_truth()->add_pools()->set_name("Pool-0");
    CHECK(bench::outcome_of(run)); // none: not known
    for (std::size_t i = 0; i < sample_costs.size(); ++i) run.add_costs(std::nanf(""));
    CHECK(bench::outcome_of(run));
    run.set_costs(0, std::numeric_limits<float>::infinity());
    CHECK(contains(error_of(bench::outcome_of(run)), "costs that a machine cannot have"));
    run.set_costs(0, 1);
    run.add_costs(1); // not damaged: of another version
    CHECK(contains(error_of(bench::outcome_of(run)),
                   fmt::format("it has {} costs of the machine, where this program has {}; another "
                               "version of it made the results",
                               sample_costs.size() + 1, sample_costs.size())));
}

TEST_CASE("bench: stored runs of several simulators, or of another scenario, are not compared") {
    Bench bench("repeats: 1\n");
    auto results = bench.results("out");
    REQUIRE(bench.run(results, 2));
    CHECK(bench::check_makers(bench.plan, bench.entries, results));
    const auto same = [&] {
        return error_of(bench::check_makers(bench.plan, bench.entries, results));
    };
    const auto one = [&](const std::string& simulator) {
        auto reader = RecordReader::open(bench.directory.path / "out" / bench::results_name,
                                         bench::results_format, Author::trusted);
        REQUIRE(reader);
        proto::Run run;
        REQUIRE(reader->next(run).value());
        CHECK_FALSE(run.simulator().empty());
        CHECK_FALSE(run.scenario().empty());
        run.set_simulator(simulator);
        REQUIRE(results.add(run));
    };
    one("another");
    CHECK(contains(same(), "of 2 simulators"));
    CHECK(contains(same(), "1 of another"));
    one(""); // of a program that did not say so yet
    CHECK(contains(same(), "1 of an unknown one"));

    auto again = bench.results("again");
    REQUIRE(bench.run(again, 2));
    bench.entries[1].scenario.mutable_costs()->set_smt_speed(0.6);
    CHECK(contains(error_of(bench::check_makers(bench.plan, bench.entries, again)),
                   "entry two, layout cpu, repeat 0: it was made of another scenario"));
}

TEST_CASE("bench report: figures of a cell, and names that are no markup") {
    Bench bench("intents: \"throughput\"\n");
    bench.entries[0].family = bench.entries[1].family = "<script>alert(1)</script>&\"";
    auto results = bench.results("out");
    REQUIRE(bench.run(results, 2));
    const auto report = bench::make_report(bench.plan, bench.entries, results);
    REQUIRE(report.cells_size() == 1);
    const proto::ReportCell& cell = report.cells(0);
    CHECK(cell.entries() == 2);
    REQUIRE(cell.rows_size() == 5);
    CHECK(cell.rows(4).best() == 2);
    CHECK(cell.rows(4).score() == 1);
    CHECK(cell.rows(0).best() == 0);
    REQUIRE(report.parts_size() == 1);
    REQUIRE(report.parts(0).rows_size() == 5);
    CHECK(report.parts(0).rows(2).work() == 0); // socket against itself
    CHECK(report.parts(0).rows(4).work() == doctest::Approx(1.4 / 1.2 - 1).epsilon(0.02));
    CHECK(report.confidence_factor() == doctest::Approx(12.706).epsilon(0.001));
    CHECK(report.samples() == 36);

    const page::About about{"Plan <b>", "2026-11-21", "simulated", "machine costs of the plan"};
    const std::string page = bench::report_page(report, about);
    CHECK(contains(page, "<title>Scores by layout: Plan &lt;b&gt;, 2026-11-21</title>"));
    CHECK(
        contains(page, "Plan &lt;b&gt;, 2026-11-21. Hosts: simulated, machine costs of the plan."));
    CHECK(contains(page,
                   "<ul class=\"summary\">\n<li>Under throughput, 2 entries: the boot default, "
                   "socket, is "));
    CHECK(contains(page, "the best for all alike is all, 0.0% behind.</li>"));
    CHECK(contains(page, "Dark bars: 95% interval"));
    CHECK(contains(page, "@media print"));
    CHECK(contains(page, "@media (max-width: 520px)"));
    CHECK(!contains(page, "<script"));
    CHECK(contains(page, "&lt;script&gt;alert(1)&lt;/script&gt;&amp;&quot;"));
    CHECK(!contains(page, "http"));
    CHECK(contains(page, "<svg"));
    // A cell that is far behind lengthens the axis of all plots of its intent, and of no other.
    auto two = report;
    for (const char* intent : {"throughput", "latency"}) {
        auto& other = *two.add_cells() = cell;
        other.set_intent(intent);
        other.set_family("other");
        for (auto& row : *other.mutable_rows())
            if (row.score() < 1 && std::string_view(intent) == "throughput") row.set_score(0.5);
    }
    const auto axes = [](const std::string& of) {
        std::vector<std::string> begins;
        const std::regex begin("<text class=\"value\" x=\"60.0\"[^>]*>([^<]*)<");
        for (std::sregex_iterator i(of.begin(), of.end(), begin), end; i != end; ++i)
            begins.push_back((*i)[1]);
        return begins;
    };
    const auto before = axes(page), after = axes(bench::report_page(two, about));
    REQUIRE(before.size() == 1);
    REQUIRE(after.size() == 3);
    CHECK(after[0] == after[1]);
    CHECK(after[0] != before[0]);
    CHECK(after[2] == before[0]);
    CHECK(page::escaped("a'b\x1b") == "a&#39;b?");
    CHECK(contains(bench::report_text(report), "2 entries, 20 runs, 36 samples, 0 failures"));
}

TEST_CASE("bench report: a layout that was left out has no figures, and there are no samples") {
    const Bench bench("layouts: [\"core\", \"all\"] intents: \"balanced\"\n");
    auto results = bench.results("out");
    REQUIRE(bench.run(results, 2));
    const auto report = bench::make_report(bench.plan, bench.entries, results);
    CHECK(report.failures().empty());
    CHECK(report.samples() == 0);
    CHECK(report.cells(0).rows_size() == 3); // cpu is the same as core here
}

TEST_CASE("bench: Student's t") {
    CHECK(bench::confidence_factor(5) == doctest::Approx(2.776).epsilon(0.001));
    CHECK(std::isnan(bench::confidence_factor(1)));
}

TEST_CASE("export: CSV and libsvm text") {
    const Bench bench("repeats: 1 windows: 1\n");
    auto results = bench.results("out");
    REQUIRE(bench.run(results, 2));
    const auto scored = bench::score_entry(bench.plan, bench.entries[0], results);
    auto samples = bench::samples_of(bench.plan, *scored, results);
    REQUIRE(samples.size() == 3);
    samples.resize(1);
    samples[0].set_scenario("a,\"b\"");
    samples[0].set_features(0, std::nanf(""));
    samples[0].set_features(1, 0.25F);

    const std::string table = bench::csv(samples);
    const auto columns = [](const std::string& line) {
        return std::count(line.begin(), line.end(), ',');
    };
    const std::string head = table.substr(0, table.find("\r\n"));
    const std::string row = table.substr(head.size() + 2);
    CHECK(row.starts_with("\"a,\"\"b\"\"\",chains,2s2c1t,cpu,,0.25,"));
    CHECK(columns(row) == columns(head) + 1); // one in the name
    CHECK(contains(head, ",cost.smt_speed,"));
    CHECK(head.ends_with("spread.balanced.all"));

    const std::string text = bench::libsvm(samples);
    CHECK(std::count(text.begin(), text.end(), '\n') == 3); // a row an intent
    CHECK(text.starts_with("4 2:0.25 "));
    CHECK(!contains(text, " 1:"));
    const auto last = feature_schema().size() + sample_costs.size();
    CHECK(contains(text, fmt::format(" {}:0.65", feature_schema().size() + 1)));
    CHECK(contains(text, fmt::format(" {}:1\n", last + 1)));
    CHECK(contains(text, fmt::format(" {}:1\n", last + 3)));
}
