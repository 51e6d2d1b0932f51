// SPDX-License-Identifier: MIT
#include "bench/cli/commands.hpp"
#include "bench/experiment/live.hpp"
#include "bench/experiment/report.hpp"
#include "bench/experiment/runner.hpp"
#include "src/base/files.hpp"
#include "src/base/interrupt.hpp"
#include "src/base/log.hpp"
#include "src/cli/output.hpp"
#include "src/cli/shared_options.hpp"
#include "src/host/xen_host.hpp"
#include "src/host/xl.hpp"

#include <chrono>
#include <thread>
#include <unistd.h>

namespace intellisched::cli {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr auto between_lines = std::chrono::seconds(30); // where no terminal shows the progress

struct BenchArguments {
    std::string plan;
    std::string out;
    std::string host = "sim";
    unsigned jobs = std::max(1U, std::thread::hardware_concurrency());
    bool stored = false, json = false;
};

std::string in_minutes(double seconds) {
    const auto whole = static_cast<long>(seconds + 0.5);
    if (whole < 60) return fmt::format("{} s", whole);
    if (whole < 3600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
    return fmt::format("{} h {:02} min", whole / 3600, whole / 60 % 60);
}

/// Shows how far it is: a bar on a terminal, elsewhere a line now and then.
class Bar {
  public:
    void show(double part, std::size_t done, std::size_t total, const std::string& what = "") {
        const auto now = Clock::now();
        const std::chrono::duration<double> elapsed = now - start_;
        std::string text = fmt::format("{} of {} runs", done, total);
        if (!what.empty()) text += ", " + printable(what, 60);
        if (part > 0) text += ", " + in_minutes(elapsed.count() * (1 - part) / part) + " left";
        if (::isatty(STDERR_FILENO) == 1) {
            constexpr std::size_t width = 24;
            const auto full = static_cast<std::size_t>(part * width);
            line_.show(fmt::format("[{}{}] {}", std::string(full, '#'),
                                   std::string(width - full, '.'), text));
        } else if (now - told_ >= between_lines) {
            told_ = now;
            fmt::print(stderr, "{}\n", text);
        }
    }

  private:
    Progress line_;
    Clock::time_point start_ = Clock::now(), told_ = start_;
};

Result<std::string> measure_simulated(const BenchArguments& options, const bench::Plan& plan,
                                      std::span<const bench::Entry> entries,
                                      bench::Results& results) {
    Bar bar;
    bench::RunnerOptions runner;
    runner.jobs = options.jobs;
    runner.stop = &interrupted;
    runner.progress = [&](double part, std::size_t done, std::size_t total) {
        bar.show(part, done, total);
    };
    return bench::run_simulated(plan, entries, results, runner).map([] { return std::string(); });
}

/// Returns what was put back.
Result<std::string> measure_live(const BenchArguments& options, const bench::Plan& plan,
                                 std::span<const bench::Entry> entries, bench::Results& results) {
    XenOptions often;
    often.snapshot_interval = std::chrono::seconds(2); // a load's guests are new, warm-ups short
    auto host = TRY(XenHost::open(often));
    auto xl = TRY(Xl::open());
    Bar bar;
    bench::LiveOptions live;
    live.stop = &interrupted;
    live.progress = [&](const std::string& what, std::size_t done, std::size_t total) {
        bar.show(static_cast<double>(done) / static_cast<double>(total), done, total, what);
    };
    return bench::run_live(*host, xl.configurator(), plan, entries, results, options.out, live);
}

Result<int> run_bench(const BenchArguments& options) {
    auto plan = TRY(bench::read_plan(shipped_file(options.plan, "plans")));
    if (plan.live() != (options.host == "xen"))
        return fail("{}: its entries are {}; use --host {}", options.plan,
                    plan.live() ? "live" : "for the simulator", plan.live() ? "xen" : "sim");
    const fs::path out = options.out;
    if (std::error_code error; options.stored && !fs::exists(out / bench::results_name, error))
        return fail("{}: there is no {}; --stored is for the folder of a benchmark that has run",
                    options.out, bench::results_name);
    auto results = TRY(bench::Results::open(options.out));
    auto entries = TRY(bench::expand(plan, out / "scenarios"));

    const auto measured = TRY(options.stored ? Result<std::string>("")
                              : plan.live()  ? measure_live(options, plan, entries, results)
                                             : measure_simulated(options, plan, entries, results));
    if (interrupted)
        return fail("interrupted; {}what is finished is in {}, and the same command goes on from "
                    "there",
                    measured.empty() ? "" : measured + "; ", (out / bench::results_name).string());
    if (options.stored)
        if (auto same = bench::check_makers(plan, entries, results); !same)
            return fail("{}: {}", options.out, same.error().message);
    const auto samples = TRY(bench::samples_file(plan, entries, results));
    const proto::Report report = bench::make_report(plan, entries, results);
    // What is there may be of another plan, and worth keeping.
    if (options.stored && report.cells().empty())
        return fail("{}: it has no runs of {}; name the plan that it was made with", options.out,
                    options.plan);
    const page::About about{
        .subject = "Plan " + options.plan,
        .date = page::today(),
        .origin = plan.live() ? "measured on a live host" : "simulated, with Xen's own credit2",
        .costs = plan.live() ? ""
                 : plan.costs.ByteSizeLong() > 0
                     ? "machine costs of the plan"
                     : "machine costs as each scenario says, else the simulator's defaults"};
    const std::string page = bench::report_page(report, about);
    for (const auto& [name, bytes] :
         {std::pair{"bench.samples", &samples}, std::pair{"report.html", &page}})
        TRY(replace_file(out / name, std::as_bytes(std::span(*bytes))));
    const std::string text =
        options.json ? json_output(report)
                     : bench::report_text(report) + fmt::format("\nthe report as a page: {}\n",
                                                                (out / "report.html").string());
    TRY(print(text));
    return report.failures().empty() ? done : failed;
}

} // namespace

void add_bench(CLI::App& app, Action& action) {
    auto* command = app.add_subcommand(
        "bench", "measure every layout of every entry of a plan; writes samples and a report");
    auto options = std::make_shared<BenchArguments>();
    command
        ->add_option(
            "--plan", options->plan,
            "the plan: protobuf text, see bench/proto/bench.proto, or a shipped one's name; that "
            "of a live host may name commands (start, stop), which are run as you: use none that "
            "you do not trust")
        ->required();
    command
        ->add_option("--out", options->out,
                     "directory for results, samples and report; goes on with what is there")
        ->required();
    command
        ->add_option("--host", options->host, "sim: the simulator, or xen: the host that this is")
        ->capture_default_str()
        ->check(CLI::IsMember({"sim", "xen"}));
    command->add_option("--jobs", options->jobs, "simulators at a time")
        ->capture_default_str()
        ->check(CLI::Range(1U, 1024U));
    command->add_flag("--stored", options->stored,
                      "run nothing: score what is there by this program's score, whichever "
                      "simulator made it");
    command->add_flag("--json", options->json, "print the report as JSON");
    command->callback([options, &action] { action = [options] { return run_bench(*options); }; });
}

} // namespace intellisched::cli
