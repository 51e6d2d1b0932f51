// SPDX-License-Identifier: MIT
// How long one prediction takes: from a finished feature vector to probabilities and gains. The aim
// is 50 us at the 99th percentile. The model is that of INTELLISCHED_BUNDLE, or else one of about
// 300 trees of depth 6 trained here from made-up samples.
#include "bench/training/synthetic.hpp"
#include "src/model/classifier.hpp"

#include <algorithm>
#include <benchmark/benchmark.h>
#include <chrono>
#include <cstdio>
#include <cstdlib>

using namespace intellisched;

namespace {

using Clock = std::chrono::steady_clock;

[[noreturn]] void give_up(const Error& error) {
    std::fprintf(stderr, "predict-bench: %s\n", error.message.c_str());
    std::exit(1);
}

Bundle make_bundle() {
    if (const char* path = std::getenv("INTELLISCHED_BUNDLE")) {
        auto bundle = read_bundle(path);
        if (!bundle) give_up(bundle.error());
        return *bundle;
    }
    // A tenth of the samples follows no rule, so that the trees grow to their full depth.
    const auto samples =
        synthetic::make_samples({.samples = 4000, .scenarios = 2, .mislabelled = 0.1});
    const auto start = Clock::now();
    auto bundle = train(samples, TrainOptions{.name = "made up", .source = "a rule"});
    if (!bundle) give_up(bundle.error());
    std::fprintf(stderr,
                 "trained on %zu samples of %zu features, three fits: %.1f s, models %zu bytes\n",
                 samples.size(), feature_schema().size(),
                 std::chrono::duration<double>(Clock::now() - start).count(),
                 bundle->classifier_ubj.size() + bundle->gains_ubj.size());
    return *bundle;
}

const Classifier& classifier() {
    static const Classifier& loaded = *[] {
        auto model = Classifier::load(make_bundle());
        if (!model) give_up(model.error());
        return new Classifier(std::move(*model)); // never freed: XGBoost is gone before statics are
    }();
    return loaded;
}

// Different windows in turn: one alone would leave every branch predicted.
std::vector<FeatureVector> make_windows() {
    std::vector<FeatureVector> windows;
    for (const auto& sample : synthetic::make_samples({.samples = 997, .seed = 99}))
        windows.push_back({{sample.features().begin(), sample.features().end()}});
    return windows;
}

double percentile(std::vector<double>& values, double share) {
    const auto nth = values.begin() +
                     static_cast<std::ptrdiff_t>(share * static_cast<double>(values.size() - 1));
    std::nth_element(values.begin(), nth, values.end());
    return *nth;
}

void report(benchmark::State& state, std::vector<double>& microseconds) {
    state.counters["p50_us"] = percentile(microseconds, 0.50);
    state.counters["p99_us"] = percentile(microseconds, 0.99);
}

void time_each(benchmark::State& state, auto one) {
    const auto windows = make_windows();
    std::vector<double> microseconds;
    std::size_t next = 0;
    for (auto _ : state) {
        const auto& window = windows[next++ % windows.size()];
        const auto start = Clock::now();
        const bool done = one(Question{&window, all_intents[next % all_intents.size()], boot_option,
                                       synthetic::all_differ});
        microseconds.push_back(
            std::chrono::duration<double, std::micro>(Clock::now() - start).count());
        if (!done) {
            state.SkipWithError("no prediction");
            return;
        }
    }
    report(state, microseconds);
}

void predict(benchmark::State& state) {
    const auto& model = classifier();
    time_each(state, [&](const Question& question) { return model.predict(question).has_value(); });
}
BENCHMARK(predict)->Unit(benchmark::kMicrosecond)->MinTime(2);

void explain(benchmark::State& state) {
    const auto& model = classifier();
    time_each(state, [&](const Question& question) {
        return model.explain(question, option_of(Layout::core), 5).has_value();
    });
}
BENCHMARK(explain)->Unit(benchmark::kMicrosecond);

} // namespace

BENCHMARK_MAIN();
