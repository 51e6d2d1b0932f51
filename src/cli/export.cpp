// SPDX-License-Identifier: MIT
#include "src/bench/export.hpp"

#include "src/base/files.hpp"
#include "src/base/interrupt.hpp"
#include "src/cli/commands.hpp"
#include "src/host/capture_host.hpp"
#include "src/model/samples.hpp"
#include "src/replay/scenario.hpp"

namespace intellisched::cli {
namespace {

struct ExportArguments {
    std::string samples;
    std::string capture;
    std::string format;
    std::string out;
    bool closed = false;
};

Result<int> write(const ExportArguments& options, const std::string& text) {
    if (auto written = replace_file(options.out, std::as_bytes(std::span(text))); !written)
        return tl::unexpected(written.error());
    return done;
}

Result<int> export_samples(const ExportArguments& options) {
    auto samples = read_samples(options.samples);
    if (!samples) return tl::unexpected(samples.error());
    return write(options,
                 options.format == "libsvm" ? bench::libsvm(*samples) : bench::csv(*samples));
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
    auto host = CaptureHost::open(options.capture);
    if (!host) return tl::unexpected(host.error());
    Interruptible interruptible(**host);
    const auto recording = replay::read_recording(interruptible, options.capture);
    if (!recording) return tl::unexpected(recording.error());
    auto name = std::filesystem::weakly_canonical(options.capture).filename().string();
    const auto scenario = replay::scenario_of(*recording, printable(name), options.closed);
    if (!scenario) return fail("{}: {}", options.capture, scenario.error().message);
    if (const auto odd = recording->collected.mismatches(); odd > 0)
        fmt::print(stderr,
                   "export: {}: {} records do not fit the state before them, as where CPUs' clocks "
                   "differ; those wake-ups are taken to be when the vCPU started\n",
                   options.capture, odd);
    return write(options, replay::text_of(*scenario));
}

} // namespace

void add_export(CLI::App& app, Action& action) {
    auto* command =
        app.add_subcommand("export", "write samples in a format of other programs, or a capture as "
                                     "a scenario that credit2-sim replays");
    auto options = std::make_shared<ExportArguments>();
    auto* from = command->add_option_group("from")->require_option(1);
    auto* samples = from->add_option("--samples", options->samples, "directory of *.samples files");
    auto* capture = from->add_option("--capture", options->capture,
                                     "capture whose vCPUs' wake-ups and CPU time to replay");
    command
        ->add_option("--format", options->format,
                     "csv, or libsvm (svmlight) text, of samples; default csv")
        ->check(CLI::IsMember({"csv", "libsvm"}))
        ->excludes(capture);
    command
        ->add_flag("--closed", options->closed,
                   "of a capture: a vCPU is woken so long after it blocked as it was, not when it "
                   "was")
        ->excludes(samples);
    command->add_option("--out", options->out, "the file to write")->required();
    command->callback([options, &action] {
        action = [options] {
            return options->capture.empty() ? export_samples(*options) : export_scenario(*options);
        };
    });
}

} // namespace intellisched::cli
