// SPDX-License-Identifier: MIT
// A closed loop that one can read: a simulated host whose load changes, once with the policy in
// charge of a pool and once left as it was booted, side by side in virtual time.
#include "bench/cli/commands.hpp"
#include "bench/days/closed_loop.hpp"
#include "bench/experiment/plan.hpp"
#include "src/base/interrupt.hpp"
#include "src/cli/output.hpp"
#include "src/cli/shared_options.hpp"
#include "src/model/score.hpp"
#include "src/proto/scenario.pb.h"
#include "src/proto/text.hpp"

#include <cmath>
#include <future>
#include <set>

namespace intellisched::cli {
namespace {

constexpr Nanoseconds row_every = 20 * second; // shorter ones have tails of chance

struct DemoArguments {
    std::string scenario;
    std::string pool = "Pool-0";
    std::string intent = "balanced";
    std::string bundle;
    bool stock = false;
};

/// What the guests do at that time, in the scenario's words.
std::string loads_at(const proto::Scenario& scenario, double at_s) {
    std::set<std::string> kinds;
    for (const proto::Guest& guest : scenario.guests()) {
        if (guest.name() == "Domain-0" || guest.background()) continue;
        const proto::Phase* now = nullptr;
        for (const proto::Phase& phase : guest.phases())
            if (phase.at_s() <= at_s) now = &phase;
        if (!now) continue;
        for (const proto::Load& load : now->loads())
            if (const auto* kind = load.GetReflection()->GetOneofFieldDescriptor(
                    load, load.GetDescriptor()->oneof_decl(0)))
                kinds.insert(kind->name());
    }
    return kinds.empty() ? "idle" : fmt::format("{}", fmt::join(kinds, " + "));
}

double gain_of(const Verdict& verdict) {
    return verdict.mean.expected_gain[index(verdict.favourite)];
}

std::string prediction_text(Knob knob, const Verdict& verdict) {
    return fmt::format("{} {:+.1f}%", name_of(knob, verdict.favourite), 100 * gain_of(verdict));
}

std::string percent(double utility) { return fmt::format("{:+.1f}%", 100 * std::expm1(utility)); }

class Demo {
  public:
    Demo(const DemoArguments& options, const proto::Scenario& scenario, const Models& models)
        : options_(options), scenario_(scenario), intent_(*intent_from_string(options.intent)),
          loop_(models,
                {.pool = options.pool,
                 .intent = intent_,
                 .stock = options.stock,
                 .settings = {},
                 .stop = &interrupted},
                {.acts = [this](const PoolVerdict& verdict) { return acts(verdict); },
                 .passed = [this] { return loop_.now() >= next_row_ ? row() : Result<void>(); }}) {}

    Result<void> run() {
        managed_ = TRY(SimHost::open(scenario_, {.stop = &interrupted}));
        // Traced as well: the difference is what the policy did. What tracing costs: README,
        // "Overhead".
        left_alone_ = TRY(SimHost::open(scenario_, {.stop = &interrupted}));
        for (SimHost* host : {managed_.get(), left_alone_.get()}) TRY(host->reset_truth());
        TRY(print(head()));
        follow(row_every);
        auto went = loop_.run(*managed_);
        if (followed_.valid()) {
            const auto last = followed_.get();
            if (went && !last) went = last;
        }
        if (!went) return went;
        return interrupted ? Result<void>() : print(summary());
    }

  private:
    Result<void> acts(const PoolVerdict& verdict) {
        std::string text;
        for (const Reason& reason : verdict.reasons)
            text += (text.empty() ? "" : "; ") + reason.text;
        if (verdict.trial)
            return print(fmt::format("{:>5.0f} s  {}: {}\n", now_s(),
                                     to_string(verdict.trial->ending), text));
        return print(fmt::format("{:>5.0f} s  {} to {}: {}\n", now_s(), to_string(verdict.decision),
                                 to_string(verdict.target), text));
    }

    double now_s() const { return static_cast<double>(loop_.now()) / 1e9; }

    /// Lets the other host get on to that time, on the other CPU of the machine this runs on.
    void follow(Nanoseconds until) {
        next_row_ = until;
        followed_ = std::async(std::launch::async, [this, until]() -> Result<void> {
            while (left_alone_->elapsed_ns() < until) {
                auto item = TRY(left_alone_->next());
                if (!item) break;
            }
            return {};
        });
    }

    Result<void> row() {
        TRY(followed_.get());
        std::vector<LayoutResult> results;
        for (SimHost* host : {managed_.get(), left_alone_.get()}) {
            const auto truth = TRY(host->truth());
            auto result = TRY(result_from(truth, options_.pool));
            results.push_back(std::move(result));
            TRY(host->reset_truth());
        }
        std::string score = "-", work = "-", p99 = "-", share = "-";
        if (const auto both = parts(results)) {
            const ScoreParts &managed = both->at(0), &alone = both->at(1);
            const double difference = utility(intent_, managed) - utility(intent_, alone);
            score = percent(difference);
            work = percent(managed.work - alone.work);
            p99 = percent(managed.tail - alone.tail);
            share = fmt::format("{:+.3f}", managed.share - alone.share);
            total_ += difference;
            worst_ = std::min(worst_, difference);
            ++rows_;
        }
        const PoolVerdict& last = loop_.last();
        std::string predicted = "-", verdict(to_string(last.decision));
        if (last.evidence) predicted = prediction_text(Knob::layout, *last.evidence);
        // What promises more of the two.
        if (last.evidence && last.of_rate_limit &&
            gain_of(*last.of_rate_limit) > gain_of(*last.evidence))
            predicted = prediction_text(Knob::rate_limit, *last.of_rate_limit);
        if (!last.reasons.empty()) verdict += ": " + last.reasons.back().text;
        const double at_s = now_s();
        follow(next_row_ + row_every);
        shown_ = true;
        const PoolSeen& pool = *loop_.state().pool;
        return print(fmt::format("{:>5.0f} s  {:<18} {:<8} {:>8} {:<15} {:>8}{:>8}{:>8}{:>8}  {}\n",
                                 at_s, loads_at(scenario_, at_s - 1),
                                 to_string(pool.in_force.layout),
                                 pool.rate_limit_us ? rate_limit_text(*pool.rate_limit_us) : "-",
                                 predicted, score, work, p99, share, verdict));
    }

    std::string head() const {
        const proto::Machine& machine = scenario_.machine();
        return fmt::format(
            "A simulated host of {} sockets x {} cores x {} threads, {} guests, intent {}, booted "
            "with {};\nthe policy as it is shipped. Virtual time.\n\n{:>7}  {:<18} {:<8} {:>8} "
            "{:<15} "
            "{:>8}{:>8}{:>8}{:>8}  {}\n",
            machine.sockets(), machine.cores(), machine.threads(), scenario_.guests_size() - 1,
            to_string(intent_), to_string(managed_->info().boot), "time", "load", "layout", "limit",
            "prediction", "score *", "work *", "tail *", "share *", "verdict");
    }

    std::string summary() const {
        if (!shown_)
            return fmt::format(
                "\nThe scenario ended after {:.0f} s, before the first row: there is one "
                "every {} s, and a switch wants 40 s before it and 35 for its trial. "
                "Give it a longer measured_s.\n",
                now_s(), row_every / second);
        std::string text = fmt::format(
            "\n{} switches, {} reverts{}. Score over all: {} against staying with {}.\n",
            loop_.switches(), loop_.reverts(),
            loop_.state().trial ? ", and the last trial had not come to its end" : "",
            rows_ ? percent(total_ / rows_) : "-", to_string(managed_->info().boot));
        if (worst_ < -0.02)
            text += fmt::format(
                "It lost up to {:.1f}% in a row: a load that the model takes for another one. What "
                "was kept before is tried against something else only when the model favours "
                "that.\n",
                -100 * std::expm1(worst_));
        return text +
               "* against the same host left alone (traced as well), since the row before, "
               "from what the guests achieved: score, work done, tail (p99 of responses, else "
               "of waits), share error.\n";
    }

    const DemoArguments& options_;
    const proto::Scenario& scenario_;
    Intent intent_;
    bench::ClosedLoop loop_;
    std::unique_ptr<SimHost> managed_, left_alone_;
    std::future<Result<void>> followed_;
    Nanoseconds next_row_ = 0;
    double total_ = 0, worst_ = 0; ///< utility of the rows, against the host left alone
    unsigned rows_ = 0;            ///< that have a score
    bool shown_ = false;
};

Result<int> demo(const DemoArguments& options) {
    proto::Scenario scenario;
    TRY(parse_text_file(shipped_file(options.scenario, "scenarios"), scenario));
    auto bundle = TRY(bundle_path(options.bundle).and_then(read_bundle));
    const auto models = TRY(Models::load(bundle));
    Demo loop(options, scenario, models);
    TRY(loop.run());
    return interrupted ? failed : done;
}

} // namespace

void add_demo(CLI::App& app, Action& action) {
    auto* command = app.add_subcommand(
        "demo", "show the closed loop on a simulated host whose load changes, as a timeline");
    auto options = std::make_shared<DemoArguments>();
    command
        ->add_option("--scenario", options->scenario,
                     "a scenario of the simulator's: a file, or a shipped one's name")
        ->required();
    command->add_option("--pool", options->pool, "the cpupool that is tuned")
        ->capture_default_str();
    command->add_option("--intent", options->intent, "throughput, latency or balanced")
        ->check(CLI::IsMember({"throughput", "latency", "balanced"}))
        ->capture_default_str();
    command->add_option("--bundle", options->bundle,
                        "the model (default: $INTELLISCHED_BUNDLE, or the installed one)");
    command->add_flag("--stock", options->stock,
                      "as on a stock hypervisor: the rate limit can be changed, no layout");
    command->callback([options, &action] { action = [options] { return demo(*options); }; });
}

} // namespace intellisched::cli
