// SPDX-License-Identifier: MIT
#include "src/bench/export.hpp"

#include "src/base/files.hpp"
#include "src/cli/commands.hpp"
#include "src/model/samples.hpp"

namespace intellisched::cli {
namespace {

struct Options {
    std::string samples;
    std::string format = "csv";
    std::string out;
};

Result<int> export_samples(const Options& options) {
    auto samples = read_samples(options.samples);
    if (!samples) return tl::unexpected(samples.error());
    const std::string text =
        options.format == "csv" ? bench::csv(*samples) : bench::libsvm(*samples);
    if (auto written = replace_file(options.out, std::as_bytes(std::span(text))); !written)
        return tl::unexpected(written.error());
    return done;
}

} // namespace

void add_export(CLI::App& app, Action& action) {
    auto* command = app.add_subcommand("export", "write samples in a format of other programs");
    auto options = std::make_shared<Options>();
    command->add_option("--samples", options->samples, "directory of *.samples files")->required();
    command->add_option("--format", options->format, "csv, or libsvm (svmlight) text")
        ->capture_default_str()
        ->check(CLI::IsMember({"csv", "libsvm"}));
    command->add_option("--out", options->out, "the file to write")->required();
    command->callback(
        [options, &action] { action = [options] { return export_samples(*options); }; });
}

} // namespace intellisched::cli
