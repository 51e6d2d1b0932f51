// SPDX-License-Identifier: MIT
#include "bench/evaluation/novelty_study.hpp"

#include "bench/training/cases.hpp"
#include "bench/training/fit_novelty.hpp"
#include "collector/window/schema.hpp"
#include "src/base/random.hpp"

#include <algorithm>
#include <functional>
#include <set>
#include <vector>

namespace intellisched {

namespace {

using Values = std::vector<float>;
using Numbers = std::vector<double>;

Values values_of(const proto::Sample& sample) {
    return {sample.features().begin(), sample.features().end()};
}

// A feature of the schema by its name.
float& at(Values& values, std::string_view name) { return values[*feature_index(name)]; }

void scale_events(Values& values, float factor) {
    const auto schema = feature_schema();
    for (std::size_t i = 0; i < schema.size(); ++i)
        if (schema[i].name.starts_with("events.") && schema[i].unit == "1/s a CPU")
            values[i] *= factor;
}

// Makes an ordinary window unlike any; `other` is a window of another topology.
struct Kind {
    std::string_view name;
    std::function<void(Values& window, const Values& other, std::uint64_t& random)> change;
};

const std::vector<Kind>& kinds() {
    static const std::vector<Kind> all{
        {"half of the features of another window",
         [](Values& window, const Values& other, std::uint64_t& random) {
             for (std::size_t i = 0; i < window.size(); ++i)
                 if (splitmix64(random) % 2 == 0) window[i] = other[i];
         }},
        {"topology of another window",
         [](Values& window, const Values& other, std::uint64_t&) {
             const auto schema = feature_schema();
             for (std::size_t i = 0; i < schema.size(); ++i)
                 if (schema[i].name.starts_with("topology.") ||
                     schema[i].name.starts_with("runqueues."))
                     window[i] = other[i];
         }},
        {"eight NUMA nodes a socket",
         [](Values& window, const Values&, std::uint64_t&) {
             at(window, "topology.nodes") = 8 * at(window, "topology.sockets");
             at(window, "runqueues.node") = at(window, "topology.nodes");
         }},
        {"busy CPUs, no scheduler events",
         [](Values& window, const Values&, std::uint64_t&) { scale_events(window, 0); }},
        {"thirty times the scheduler events",
         [](Values& window, const Values&, std::uint64_t&) { scale_events(window, 30); }},
    };
    return all;
}

// The part of the pairs in which the unlike one is above the ordinary one (a tie is half a pair):
// the area under the ROC curve.
double area(Numbers ordinary, const Numbers& unlike) {
    std::sort(ordinary.begin(), ordinary.end());
    double pairs = 0;
    for (const double value : unlike) {
        const auto [low, high] = std::equal_range(ordinary.begin(), ordinary.end(), value);
        pairs += static_cast<double>(low - ordinary.begin()) + static_cast<double>(high - low) / 2;
    }
    return pairs / static_cast<double>(ordinary.size()) / static_cast<double>(unlike.size());
}

proto::NoveltyRow row_of(std::string_view name, const Numbers& ordinary, const Numbers& judged) {
    proto::NoveltyRow row;
    row.set_name(std::string(name));
    row.set_windows(judged.size());
    row.set_area(area(ordinary, judged));
    row.set_novel(static_cast<double>(std::count_if(judged.begin(), judged.end(),
                                                    [](double one) { return one > 1; })) /
                  static_cast<double>(judged.size()));
    return row;
}

// Calls `judge(novelty, sample)` for every sample, with what was fitted without its group.
Result<void> held_out(std::span<const proto::Sample> samples, Group group, const InputMask& inputs,
                      std::uint64_t seed,
                      const std::function<void(const Novelty&, const proto::Sample&)>& judge) {
    std::vector<Case> cases(samples.size());
    for (std::size_t i = 0; i < cases.size(); ++i) cases[i].sample = &samples[i];
    const auto folds = TRY(make_folds(cases, group, seed, group == Group::scenario ? 5 : 0));
    for (unsigned fold = 0; fold < folds.count; ++fold) {
        std::vector<proto::Sample> seen;
        for (std::size_t i = 0; i < samples.size(); ++i)
            if (folds.fold[i] != fold) seen.push_back(samples[i]);
        const auto novelty = TRY(fit_novelty(seen, inputs, seed));
        for (std::size_t i = 0; i < samples.size(); ++i)
            if (folds.fold[i] == fold) judge(novelty, samples[i]);
    }
    return {};
}

} // namespace

Result<proto::NoveltySection> study_novelty(std::span<const proto::Sample> samples,
                                            const InputMask& inputs, std::uint64_t seed) {
    for (const proto::Sample& sample : samples) TRY(check_sample(sample, sample.scenario()));
    Numbers ordinary, topologies;
    std::vector<Numbers> unlike(kinds().size());
    std::uint64_t random = seed;
    const auto another_topology = [&](const proto::Sample& sample) -> const proto::Sample& {
        for (;;)
            if (const auto& other = samples[splitmix64(random) % samples.size()];
                other.topology() != sample.topology())
                return other;
    };
    // First: it fails where there is one topology only, and another one could not be found.
    auto done = held_out(samples, Group::topology, inputs, seed,
                         [&](const Novelty& novelty, const proto::Sample& sample) {
                             topologies.push_back(novelty.of(values_of(sample)));
                         });
    if (!done) return tl::unexpected(done.error());
    done = held_out(samples, Group::scenario, inputs, seed,
                    [&](const Novelty& novelty, const proto::Sample& sample) {
                        ordinary.push_back(novelty.of(values_of(sample)));
                        const Values other = values_of(another_topology(sample));
                        for (std::size_t kind = 0; kind < kinds().size(); ++kind) {
                            Values window = values_of(sample);
                            kinds()[kind].change(window, other, random);
                            unlike[kind].push_back(novelty.of(window));
                        }
                    });
    if (!done) return tl::unexpected(done.error());

    proto::NoveltySection section;
    *section.add_rows() = row_of("scenario held out: ordinary", ordinary, ordinary);
    for (std::size_t kind = 0; kind < kinds().size(); ++kind)
        *section.add_rows() = row_of(kinds()[kind].name, ordinary, unlike[kind]);
    *section.add_rows() = row_of("topology held out", ordinary, topologies);
    return section;
}

} // namespace intellisched
