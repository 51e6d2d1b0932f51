// SPDX-License-Identifier: MIT
#include "bench/experiment/export.hpp"

#include "bench/cli/commands.hpp"
#include "bench/replay/scenario.hpp"
#include "bench/training/samples.hpp"
#include "src/base/files.hpp"
#include "src/base/interrupt.hpp"
#include "src/cli/output.hpp"
#include "src/host/capture_host.hpp"
#include "src/service/journal_reader.hpp"

#include <set>

namespace intellisched::cli {
namespace {

struct ExportArguments {
    std::string samples;
    std::string capture;
    std::string journal;
    std::string format;
    std::string out;
    Knob knob = Knob::layout;
    replay::Wakes wakes = replay::Wakes::open;
    bool guest_scores = false;
};

Result<int> write(const ExportArguments& options, const std::string& text) {
    TRY(replace_file(options.out, std::as_bytes(std::span(text))));
    return done;
}

Result<int> export_samples(const ExportArguments& options) {
    auto samples = TRY(read_samples(options.samples));
    TRY(keep_knob(samples, options.knob));
    return write(options,
                 options.format == "libsvm" ? bench::libsvm(samples) : bench::csv(samples));
}

/// What the service's trials have found, as a file that `train` reads beside others.
Result<int> export_trials(const ExportArguments& options) {
    if (!options.out.ends_with(samples_extension))
        return fail("{}: train reads files whose names end in {}; name it so", options.out,
                    samples_extension);
    const auto journal = TRY(service::JournalReader::open(options.journal));
    auto found = TRY(journal.samples());
    if (found.empty())
        return fail("{}: no trial has been compared to its end yet; the service makes them in mode "
                    "auto",
                    options.journal);
    const auto samples = service::to_learn_from(std::move(found), options.guest_scores);
    if (samples.empty())
        return fail("{}: all its trials counted what guests publish of themselves; where that is "
                    "to be learnt from, say --guest-scores",
                    options.journal);
    std::string bytes = encode_header(samples_format);
    std::set<std::string_view> trials;
    for (const proto::Sample& sample : samples) {
        const auto record = TRY(encode_record(sample.SerializeAsString()));
        bytes += record;
        trials.insert(sample.scenario());
    }
    auto written = write(options, bytes);
    if (!written) return written;
    TRY(print(
        fmt::format("{}: {} samples of {} trials\n", options.out, samples.size(), trials.size())));
    return done;
}

/// A capture that Ctrl-C breaks off.
class Interruptible final : public Host {
  public:
    explicit Interruptible(Host& host) : host_(host) {}
    [[nodiscard]] const HostInfo& info() const override { return host_.info(); }
    [[nodiscard]] Result<std::optional<HostItem>> next() override {
        if (interrupted) return fail("interrupted; nothing was written");
        return host_.next();
    }

  private:
    Host& host_;
};

Result<int> export_scenario(const ExportArguments& options) {
    auto host = TRY(CaptureHost::open(options.capture));
    Interruptible interruptible(*host);
    const auto recording = TRY(replay::read_recording(interruptible, options.capture));
    auto name = std::filesystem::weakly_canonical(options.capture).filename().string();
    for (const std::string& line : recording.told())
        fmt::print(stderr, "export: {}: {}\n", options.capture, line);
    const auto scenario = replay::scenario_of(recording, recording.collected.stretches(),
                                              printable(name), options.wakes);
    if (!scenario) return fail("{}: {}", options.capture, scenario.error().message);
    return write(options, replay::text_of(*scenario));
}

} // namespace

void add_export(CLI::App& app, Action& action) {
    auto* command =
        app.add_subcommand("export", "write samples in a format of other programs, a capture as a "
                                     "scenario that credit2-sim replays, or the service's trials "
                                     "as samples");
    auto options = std::make_shared<ExportArguments>();
    auto* from = command->add_option_group("from")->require_option(1);
    auto* samples = from->add_option("--samples", options->samples, "directory of *.samples files");
    auto* capture = from->add_option("--capture", options->capture,
                                     "capture whose vCPUs' wake-ups and CPU time to replay");
    auto* journal =
        from->add_option("--journal", options->journal,
                         "the service's journal, whose trials become samples to train from");
    command
        ->add_option("--format", options->format,
                     "csv, or libsvm (svmlight) text, of samples; default csv")
        ->check(CLI::IsMember({"csv", "libsvm"}))
        ->excludes(capture)
        ->excludes(journal);
    add_knob(*command, options->knob)->needs(samples);
    auto* closed = command->add_flag_callback(
        "--closed", [options] { options->wakes = replay::Wakes::closed; },
        "of a capture: a vCPU is woken so long after it blocked as it was, not when it was");
    auto* causal = command->add_flag_callback(
        "--causal", [options] { options->wakes = replay::Wakes::causal; },
        "of a capture: a vCPU is woken by what woke it, another vCPU when that one has got as far");
    closed->needs(capture)->excludes(causal);
    causal->needs(capture);
    command
        ->add_flag("--guest-scores", options->guest_scores,
                   "of a journal: also the trials that counted what guests publish of themselves")
        ->needs(journal);
    command->add_option("--out", options->out, "the file to write")->required();
    command->callback([options, &action] {
        action = [options] {
            return !options->journal.empty()   ? export_trials(*options)
                   : !options->capture.empty() ? export_scenario(*options)
                                               : export_samples(*options);
        };
    });
}

} // namespace intellisched::cli
