// SPDX-License-Identifier: MIT
// libFuzzer target: a benchmark's plan from anywhere. The input is the text of its file; most
// changes are made to the plan that it says, so that the parser is not all that is ever reached.
#include "bench/experiment/plan.hpp"
#include "tests/fuzz/messages.hpp"

#include <algorithm>
#include <cmath>

using namespace intellisched;

namespace {

constexpr std::string_view seed = R"(
entries { generate { family: "all" topology: "2s8c2t" count: 10 seed: 1 } pool: "Pool-0" }
entries { scenarios: "mine/*.scenario" }
layouts: ["cpu", "all"] intents: "latency"
repeats: 3 windows: 2 traced: 1 warmup_s: 0.5 measured_s: 2 seed: 7
costs { block_ns: 2 }
)";
constexpr std::string_view live_seed = R"(
entries { live { name: "web" family: "server" start: "true" stop: "true" } pool: "a" }
entries { live { name: "idle" } }
)";

template<class Value> bool rising(const std::vector<Value>& values) {
    return !values.empty() &&
           std::adjacent_find(values.begin(), values.end(), std::greater_equal<>{}) == values.end();
}

/// What whoever runs a plan relies on.
void check(const bench::Plan& plan) {
    const auto time = [](double s) { return std::isfinite(s) && s >= 0; };
    if (plan.entries.empty() || !rising(plan.layouts) || !rising(plan.intents) ||
        plan.repeats == 0 || plan.windows == 0 || plan.traced == 0 || plan.traced > plan.repeats ||
        !time(plan.warmup_s) || !time(plan.measured_s))
        std::abort();
    for (const auto& entry : plan.entries)
        if (entry.has_live() != plan.live()) std::abort();
    // The others ask the file system and the simulator.
    if (!plan.live()) return;
    const auto entries = bench::expand(plan, "/nonexistent");
    if (entries && entries->size() != plan.entries.size()) std::abort();
}

} // namespace

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned seed_number) {
    fuzz::Random random(seed_number);
    std::string_view input(reinterpret_cast<const char*>(data), size);
    if (size < 8 || random() % 1000 == 0) input = random() % 2 == 0 ? seed : live_seed;
    return fuzz::hand_over(fuzz::changed_text<proto::Plan>(input, random), data, size, max_size);
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const fuzz::Directory directory;
    const auto path = directory.path() / "some.plan";
    fuzz::spill(path, {reinterpret_cast<const char*>(data), size});
    if (const auto plan = bench::read_plan(path)) check(*plan);
    return 0;
}
