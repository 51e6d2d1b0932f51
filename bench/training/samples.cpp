// SPDX-License-Identifier: MIT
#include "bench/training/samples.hpp"

#include "src/base/log.hpp"

#include <algorithm>

namespace intellisched {

Result<std::vector<proto::Sample>> read_samples_file(const std::filesystem::path& path,
                                                     Author author) {
    auto reader = TRY(RecordReader::open(path, samples_format, author));
    std::vector<proto::Sample> samples;
    for (;;) {
        proto::Sample sample;
        auto got = TRY(reader.next(sample));
        if (!got) break;
        const auto name = fmt::format("{}: sample {}", path.string(), samples.size() + 1);
        TRY(check_sample(sample, name));
        samples.push_back(std::move(sample));
    }
    if (reader.torn())
        BOOST_LOG_TRIVIAL(warning) << path.string() << ": left out a torn record after sample "
                                   << samples.size() << " (its writer was killed)";
    return samples;
}

Result<std::vector<proto::Sample>> read_samples(const std::filesystem::path& directory,
                                                Author author) {
    std::error_code error;
    std::vector<std::filesystem::path> files;
    for (std::filesystem::directory_iterator it(directory, error), end; !error && it != end;
         it.increment(error))
        if (it->path().extension() == samples_extension) files.push_back(it->path());
    if (error)
        return fail("{}: cannot read the directory: {}; name the directory that `intellisched "
                    "bench --out` wrote",
                    directory.string(), error.message());
    if (files.empty())
        return fail("{}: no *.samples file in it; make some (intellisched bench)",
                    directory.string());
    std::sort(files.begin(), files.end());
    std::vector<proto::Sample> samples;
    for (const auto& file : files) {
        auto more = TRY(read_samples_file(file, author));
        std::move(more.begin(), more.end(), std::back_inserter(samples));
    }
    return samples;
}

Result<void> keep_knob(std::vector<proto::Sample>& samples, Knob knob) {
    std::erase_if(samples, [&](const proto::Sample& one) { return knob_of(one) != knob; });
    if (samples.empty())
        return fail("no samples about the {}; make some (intellisched bench, with a plan that {})",
                    to_string(knob),
                    knob == Knob::layout ? "has all layouts" : "says rate_limits: true");
    return {};
}

} // namespace intellisched
