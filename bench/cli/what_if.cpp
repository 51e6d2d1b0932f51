// SPDX-License-Identifier: MIT
#include "bench/what_if/what_if.hpp"

#include "bench/cli/commands.hpp"
#include "bench/proto/what_if.pb.h"
#include "bench/what_if/remembered.hpp"
#include "src/base/interrupt.hpp"
#include "src/cli/output.hpp"
#include "src/cli/pool_watch.hpp"
#include "src/cli/shared_options.hpp"
#include "src/host/simulator.hpp"
#include "src/model/classifier.hpp"
#include "src/model/sample.hpp"
#include "src/pool/pool_loop.hpp"
#include "src/proto/json_output.hpp"
#include "src/proto/text.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <mutex>
#include <thread>

namespace intellisched::cli {
namespace {

struct WhatIfArguments {
    WatchOptions watch;
    std::string costs_file;
    unsigned jobs = std::max(1U, std::thread::hardware_concurrency());
    bool json = false;
};

/// What the models say of the same seconds, by intent; or nothing.
struct Predicted {
    std::array<std::optional<Verdict>, all_intents.size()> layout, limit;
};

Result<Predicted> predicted(what_if::Remembered& host, WatchOptions options, const Models& models,
                            std::vector<std::string>& remarks) {
    Predicted all;
    const std::string asked = options.intent;
    for (const Intent intent : all_intents) {
        options.intent = std::string(to_string(intent));
        host.rewind();
        const auto watched = TRY(watch(host, options, &models));
        const auto usable = [&](const Verdict& verdict,
                                const char* what) -> std::optional<Verdict> {
            if (verdict.decision != Decision::abstain) return verdict;
            if (options.intent == asked)
                for (const Reason& reason : verdict.reasons)
                    remarks.push_back(
                        fmt::format("the model says nothing of {}: {}", what, reason.text));
            return std::nullopt;
        };
        all.layout[index(intent)] = usable(judge_layout(watched), "layouts");
        if (models.rate_limit)
            all.limit[index(intent)] = usable(judge_rate_limit(watched), "rate limits");
    }
    return all;
}

/// `option`: of the models, that the row is of.
void add_gains(proto::WhatIfRow& to, const what_if::Row& row, std::size_t option,
               const std::array<std::optional<Verdict>, all_intents.size()>& model) {
    for (const Intent intent : all_intents) {
        auto& one = *to.add_gains();
        one.set_intent(std::string(to_string(intent)));
        one.set_gain(row.gain[index(intent)].mean);
        one.set_error(row.gain[index(intent)].error);
        std::optional<double> predicted;
        if (const auto& verdict = model[index(intent)])
            predicted = verdict->mean.expected_gain[option];
        if (predicted) one.set_predicted_gain(*predicted);
        one.set_together(what_if::together(row.gain[index(intent)], predicted));
    }
    to.set_moves_per_s(row.moves);
}

/// Marks the row that is worth most under the intent, if one promises `margin`.
void recommend_best(auto& rows, const std::string& intent, double margin, const std::string& undo) {
    proto::WhatIfRow* best = nullptr;
    double most = 0;
    for (proto::WhatIfRow& row : rows)
        for (const auto& one : row.gains()) {
            if (one.intent() != intent || row.in_force() || one.together() <= most) continue;
            const auto model =
                one.has_predicted_gain() ? std::optional(one.predicted_gain()) : std::nullopt;
            if (!what_if::promises({one.gain(), one.error()}, model, margin)) continue;
            best = &row;
            most = one.together();
        }
    if (best == nullptr) return;
    best->set_recommended(true);
    best->set_undo(undo);
}

proto::WhatIfAnswer answer_of(const what_if::WhatIf& result, const Predicted& model,
                              const Pool& pool, const std::string& intent) {
    proto::WhatIfAnswer out;
    out.set_pool(pool.name);
    out.set_intent(intent);
    out.set_seconds(result.seconds);
    out.set_cpus_recorded(result.likeness.cpus_recorded);
    out.set_cpus_replayed(result.likeness.cpus_replayed);
    out.set_wakeups_recorded_per_s(result.likeness.wakes_recorded);
    out.set_wakeups_replayed_per_s(result.likeness.wakes_replayed);
    for (const Layout layout : all_layouts) {
        const std::size_t at = result.configurations.layout[index(layout)];
        auto& row = *out.add_layouts();
        row.set_layout(std::string(to_string(layout)));
        row.set_in_force(at == 0);
        if (at != 0)
            row.set_command(layout_command(pool.name, pool.id, pool.can_rearrange, layout));
        add_gains(row, result.rows[at], index(layout), model.layout);
    }
    for (std::size_t i = 0; i < rate_limits_us.size(); ++i) {
        const std::size_t at = result.configurations.limit[i];
        auto& row = *out.add_rate_limits();
        row.set_rate_limit_us(rate_limits_us[i]);
        row.set_in_force(at == 0);
        if (at != 0) row.set_command(rate_limit_command(pool.name, pool.id, rate_limits_us[i]));
        add_gains(row, result.rows[at], i, model.limit);
    }
    if (!what_if::alike(result.likeness)) {
        out.add_remarks("nothing is recommended: the simulation is too unlike the host");
        return out;
    }
    const auto& now = result.configurations.in_force;
    recommend_best(*out.mutable_layouts(), intent, Margins().gain,
                   layout_undo(pool.name, pool.id, pool.can_rearrange, *now.arrangement));
    recommend_best(*out.mutable_rate_limits(), intent, rate_limit_margins().gain,
                   rate_limit_command(pool.name, pool.id, *now.rate_limit_us));
    return out;
}

std::string percent_text(double value) {
    const double tenths = std::round(value * 1000);
    return tenths == 0 ? "0.0%" : fmt::format("{:+.1f}%", tenths / 10);
}

std::string table(const auto& rows, const std::string& title, const std::string& asked,
                  auto name_of) {
    std::string text = fmt::format("{:<12}", title);
    for (const Intent intent : all_intents) text += fmt::format("{:>16}", to_string(intent));
    text += fmt::format("{:>10}{:>12}{:>10}\n", "moves/s", "model says", "together");
    for (const auto& row : rows) {
        text += fmt::format("{:<12}", name_of(row));
        std::string model = "-", together;
        for (const auto& one : row.gains()) {
            text += fmt::format("{:>16}", row.in_force()
                                              ? "in force"
                                              : fmt::format("{} ±{:.1f}", percent_text(one.gain()),
                                                            one.error() * 100));
            if (one.intent() != asked) continue;
            if (one.has_predicted_gain()) model = percent_text(one.predicted_gain());
            together = percent_text(one.together());
        }
        text += fmt::format("{:>10.0f}{:>12}{:>10}\n", row.moves_per_s(),
                            row.in_force() ? "" : model, row.in_force() ? "" : together);
    }
    return text;
}

/// What is recommended of these, and how to do it.
std::string recommended_of(const auto& rows, const std::string& asked, const std::string& knob,
                           double margin, auto name_of) {
    for (const proto::WhatIfRow& row : rows) {
        if (!row.recommended()) continue;
        const auto of_asked = std::ranges::find(row.gains(), asked, &proto::SimulatedGain::intent);
        return fmt::format("  - under {} {} {} is expected to give {}; to try it: {}; to undo it: "
                           "{}\n",
                           asked, knob, name_of(row), percent_text(of_asked->together()),
                           row.command(), row.undo());
    }
    return fmt::format("  - under {} no other {} is worth a change: {:.0f}% together are needed, "
                       "and no loss that is sure or predicted\n",
                       asked, knob, 100 * margin);
}

std::string text_of(const proto::WhatIfAnswer& answer) {
    std::string text = fmt::format(
        "{}: {:.1f} s, simulated under each layout and rate limit: the score by intent beside what "
        "is in force, give or take what chance and timers (which no trace tells) make of it; what "
        "the simulator does not know of the host, as working sets, is not in that. Then what the "
        "model expects under {}, and the mean of that and of what the simulation is sure of\n\n",
        printable(answer.pool()), answer.seconds(), answer.intent());
    const auto layout = [](const auto& row) { return row.layout(); };
    const auto limit = [](const auto& row) { return rate_limit_text(row.rate_limit_us()); };
    text += table(answer.layouts(), "layout", answer.intent(), layout);
    text += "\n" + table(answer.rate_limits(), "rate limit", answer.intent(), limit) + "\n";
    text += recommended_of(answer.layouts(), answer.intent(), "layout", Margins().gain, layout);
    text += recommended_of(answer.rate_limits(), answer.intent(), "rate limit",
                           rate_limit_margins().gain, limit);
    if (std::ranges::count(answer.layouts(), true, &proto::WhatIfRow::recommended) > 0 &&
        std::ranges::count(answer.rate_limits(), true, &proto::WhatIfRow::recommended) > 0)
        text += "  - one of the two at a time: they were not simulated together\n";
    text += fmt::format("  - how like the host the simulation is, under what is in force: {:.2f} "
                        "CPUs busy for {:.2f} "
                        "on the host, {:.0f} wake-ups per second for {:.0f}\n",
                        answer.cpus_replayed(), answer.cpus_recorded(),
                        answer.wakeups_replayed_per_s(), answer.wakeups_recorded_per_s());
    for (const std::string& remark : answer.remarks()) text += fmt::format("  - {}\n", remark);
    return text;
}

Result<int> run(WhatIfArguments& options) {
    const Source& source = options.watch.source;
    const auto models =
        bundle_path(options.watch.bundle).and_then(read_bundle).and_then(Models::load);
    if (!models && !options.watch.bundle.empty()) return tl::unexpected(models.error());
    proto::Costs costs;
    if (!options.costs_file.empty()) {
        TRY(parse_text_file(options.costs_file, costs));
        const auto values = costs_for_sample(costs);
        options.watch.costs.assign(values.begin(), values.end());
    }
    what_if::MeasureOptions measure;
    measure.jobs = options.jobs;
    measure.sim.program = TRY(find_simulator());
    measure.sim.stop = &interrupted;

    Progress progress;
    if (source.live())
        progress.show(fmt::format("recording the host for {:.0f} s", options.watch.seconds));
    auto host = TRY(source.open());
    const std::string name = source.capture.empty() ? source.host : source.capture;
    auto seen = what_if::Remembered::of(*host, source.live(), options.watch.seconds);
    if (!seen) return fail("{}: {}", name, seen.error().message);
    host.reset(); // a simulated one has a process
    const auto recording = TRY(replay::read_recording(*seen, name));
    std::mutex mutex;
    measure.progress = [&](std::size_t done, std::size_t of) {
        const std::lock_guard lock(mutex);
        progress.show(fmt::format("{} of {} simulations", done, of));
    };
    auto result =
        what_if::what_if(recording, printable(std::filesystem::path(name).filename().string()),
                         source.pool, costs, measure);
    progress.show("");
    if (!result) return fail("{}: {}", name, result.error().message);

    std::vector<std::string> remarks = recording.told();
    auto model = models.and_then(
        [&](const Models& bundle) { return predicted(*seen, options.watch, bundle, remarks); });
    if (interrupted) return fail("{}: interrupted", name);
    if (!model) remarks.push_back("the model says nothing: " + model.error().message);
    const Pool pool = TRY(find_pool(recording.host.pools, source.pool));
    proto::WhatIfAnswer answer =
        answer_of(*result, model.value_or(Predicted{}), pool, options.watch.intent);
    for (const std::string& remark : remarks) answer.add_remarks(remark);
    TRY(print(options.json ? json_output(answer) : text_of(answer)));
    return done;
}

} // namespace

void add_what_if(CLI::App& app, Action& action) {
    auto* command = app.add_subcommand(
        "what-if", "simulate a host that was recorded, or 5 s of this one, under every layout and "
                   "rate limit");
    auto options = std::make_shared<WhatIfArguments>();
    options->watch.seconds = 5;
    options->watch.add_to(*command);
    options->watch.add_model_to(*command);
    command->remove_option(command->get_option("--duty")); // a replay has no gaps
    command->add_option("--costs", options->costs_file,
                        "what things cost on this machine: a file that `intellisched-bench "
                        "calibrate` wrote; without it the simulator's own");
    command->add_option("--jobs", options->jobs, "simulations at a time")
        ->capture_default_str()
        ->check(CLI::Range(1U, 256U));
    command->add_flag("--json", options->json, "print JSON");
    command->callback([options, &action] { action = [options] { return run(*options); }; });
}

} // namespace intellisched::cli
