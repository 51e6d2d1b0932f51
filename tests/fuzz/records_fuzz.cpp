// SPDX-License-Identifier: MIT
// libFuzzer target: files of records that are whole and say nonsense. The first byte of the input
// chooses what the file holds (samples, a benchmark's results, what is to be put back on a live
// pool); each piece of the rest is the payload of a record with a right checksum. What a reader
// passes is used as its programs use it, up to the text that they print.
#include "bench/experiment/comparison.hpp"
#include "bench/experiment/export.hpp"
#include "bench/experiment/live.hpp"
#include "bench/experiment/report.hpp"
#include "bench/training/samples.hpp"
#include "bench/training/synthetic.hpp"
#include "bench/training/targets.hpp"
#include "collector/window/schema.hpp"
#include "tests/fuzz/messages.hpp"
#include "tests/support/fake_world.hpp"

#include <boost/log/core.hpp>
#include <cmath>
#include <google/protobuf/stubs/logging.h>

using namespace intellisched;
namespace fs = std::filesystem;

namespace {

enum Kind : unsigned char { samples, results, restore, kinds };

constexpr const char* pool = "Pool-0";
constexpr unsigned repeats = 2;

/// Runs of entry "a" as the benchmark writes them: every layout twice.
std::string good_runs() {
    std::string pieces;
    for (const Layout layout : all_layouts)
        for (unsigned repeat = 0; repeat < repeats; ++repeat) {
            proto::Run run;
            run.set_entry("a");
            run.set_layout(std::string(to_string(layout)));
            run.set_repeat(repeat);
            run.set_pool(pool);
            run.set_schema_version(feature_schema_version);
            for (const Layout same : all_layouts)
                run.add_representative(std::string(to_string(same)));
            const std::vector<float> window(feature_schema().size(), 1);
            run.add_windows()->mutable_features()->Assign(window.begin(), window.end());
            for (std::size_t i = 0; i < sample_costs.size(); ++i) run.add_costs(1);
            proto::Truth& truth = *run.mutable_truth();
            truth.set_seconds(4);
            truth.add_pools()->set_name(pool);
            truth.mutable_pools(0)->set_cpu_ns(8e9);
            for (unsigned domid = 0; domid < 3; ++domid) {
                proto::GuestTruth& guest = *truth.add_guests();
                guest.set_name(std::string(1, static_cast<char>('a' + domid)));
                guest.set_domid(domid);
                guest.set_pool(pool);
                guest.set_weight(256);
                guest.set_vcpus(2);
                guest.set_work_ns(1e9 + 1e7 * (domid + repeat) + 1e8 * index(layout));
                guest.set_run_ns(2e9);
                guest.set_runnable_ns(1e9);
                guest.set_deadlines(1000);
                guest.set_misses(10);
                for (auto* quantiles : {guest.mutable_response(), guest.mutable_wake_to_run()}) {
                    quantiles->set_count(4000);
                    quantiles->set_p99_us(100.0 * (1 + repeat));
                }
            }
            pieces += fuzz::piece(run.SerializeAsString());
        }
    return pieces;
}

std::string good_samples() {
    std::string pieces;
    for (const auto& sample : synthetic::make_samples({.samples = 3, .scenarios = 2}))
        pieces += fuzz::piece(sample.SerializeAsString());
    return pieces;
}

std::string good_restore() {
    proto::Restore message;
    message.set_pool(pool);
    message.mutable_arrangement()->set_layout("core");
    message.mutable_arrangement()->set_max_cpus(4);
    message.set_entry("a");
    return fuzz::piece(message.SerializeAsString());
}

const std::string& good(unsigned char kind) {
    static const std::array all{char(samples) + good_samples(), char(results) + good_runs(),
                                char(restore) + good_restore()};
    return all[kind % kinds];
}

/// The pieces of the input as records of one file.
std::string file_of(const RecordFormat& format, std::string_view input) {
    std::string bytes = encode_header(format);
    while (!input.empty()) bytes += fuzz::as_record(fuzz::take(input));
    return bytes;
}

/// As training and `intellisched export` do.
void use(const std::vector<proto::Sample>& all) {
    (void)bench::csv(all);
    (void)bench::libsvm(all);
    const auto cases = make_cases(all);
    if (cases.has_value() == all.empty()) std::abort();
    if (!cases) return;
    for (const Case& one : *cases) {
        const Targets targets = targets_of(one);
        if (!std::isfinite(targets.weight)) std::abort();
        double sum = 0;
        for (std::size_t l = 0; l < layout_count; ++l) {
            sum += targets.probability[l];
            if (!std::isfinite(targets.utility[l])) std::abort();
        }
        if (!(std::abs(sum - 1) < 1e-6)) std::abort();
    }
    (void)make_folds(*cases, Group::family, 1);
}

bench::Plan plan() {
    bench::Plan plan;
    plan.entries.emplace_back().set_scenarios("a.scenario");
    plan.layouts.assign(all_layouts.begin(), all_layouts.end());
    plan.intents.assign(all_intents.begin(), all_intents.end());
    plan.repeats = repeats;
    plan.traced = repeats;
    return plan;
}

/// As `intellisched bench` does: what comes of accepted runs must be samples that are accepted.
void use_results(const fs::path& directory) {
    const auto opened = bench::Results::open(directory);
    if (!opened) return;
    static const bench::Plan wanted = plan();
    const std::vector<bench::Entry> entries{
        {.name = "a", .family = "<b>", .topology = "1s2c1t", .pool = pool, .scenario = {}}};
    const proto::Report report = bench::make_report(wanted, entries, *opened);
    for (const auto& cell : report.cells())
        for (const auto& row : cell.rows())
            if (!std::isfinite(row.score()) || !std::isfinite(row.spread())) std::abort();
    (void)bench::report_text(report);
    (void)bench::report_page(report, {});
    const auto file = bench::samples_file(wanted, entries, *opened);
    if (!file) std::abort();
    const fs::path path = directory / "out.samples";
    fuzz::spill(path, *file);
    const auto read = read_samples_file(path);
    if (!read || read->size() != report.samples()) std::abort();
    use(*read);

    const auto outcomes = bench::read_results(directory);
    if (!outcomes) std::abort();
    const std::vector<bench::Choice> choices{
        {.scenario = "a", .method = "m", .part = "all", .chosen = Layout::cpu}};
    for (const auto& comparison : bench::compare(*outcomes, choices))
        if (!std::isfinite(comparison.work_gain())) std::abort();
}

/// A pool that takes every layout.
class Live final : public Host, public Configurator {
  public:
    [[nodiscard]] const HostInfo& info() const override { return info_; }
    [[nodiscard]] Result<std::optional<HostItem>> next() override {
        const auto arrangement = message_of({Layout::socket, no_cap});
        return HostItem(*view_of(test::fake_snapshot(1, 2, 2, 1, 1, arrangement)));
    }
    [[nodiscard]] Result<InForce> layout(const Pool&) override { return in_force_; }
    [[nodiscard]] Result<InForce> set_layout(const Pool&, const Arrangement& wanted) override {
        return in_force_ = {wanted, 1};
    }
    [[nodiscard]] Result<unsigned> rate_limit(const Pool&) override { return 1000U; }
    [[nodiscard]] Result<unsigned> set_rate_limit(const Pool&, unsigned us) override { return us; }
    [[nodiscard]] Result<void> set_weight(unsigned, unsigned) override { return {}; }

  private:
    HostInfo info_;
    InForce in_force_;
};

/// As a live benchmark does that finds one killed.
void use_restore(const fs::path& directory, std::string_view input) {
    proto::Restore message;
    const std::string_view payload = fuzz::take(input);
    if (!message.ParseFromArray(payload.data(), static_cast<int>(payload.size()))) return;
    const auto path = directory / bench::restore_name;
    fuzz::spill(path, file_of(bench::restore_format, fuzz::piece(message.SerializeAsString())));
    fs::remove(directory / bench::results_name);
    auto none = bench::Results::open(directory);
    if (!none) std::abort();
    Live live;
    const auto done = bench::run_live(live, live, plan(), {}, *none, directory, {});
    if (done.has_value() == fs::exists(path)) std::abort(); // gone when it is put back, only then
    fs::remove(path);
}

} // namespace

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned seed_number) {
    fuzz::Random random(seed_number);
    std::string_view input(reinterpret_cast<const char*>(data), size);
    if (size < 8 || random() % 1000 == 0) input = good(static_cast<unsigned char>(random()));
    const char kind = input.front();
    const auto change = [kind](std::string_view payload, fuzz::Random& r) {
        switch (static_cast<unsigned char>(kind) % kinds) {
        case samples:
            return fuzz::changed<proto::Sample>(payload, r);
        case results:
            return fuzz::changed<proto::Run>(payload, r);
        default:
            return fuzz::changed<proto::Restore>(payload, r);
        }
    };
    return fuzz::hand_over(kind + fuzz::changed_pieces(input.substr(1), random, change), data, size,
                           max_size);
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const fuzz::Directory directory;
    [[maybe_unused]] static const bool quiet = [] {
        google::protobuf::SetLogHandler(nullptr);
        boost::log::core::get()->set_logging_enabled(false);
        return true;
    }();
    if (size == 0) return 0;
    const std::string_view input(reinterpret_cast<const char*>(data + 1), size - 1);
    switch (data[0] % kinds) {
    case samples: {
        const fs::path path = directory.path() / "in.samples";
        fuzz::spill(path, file_of(samples_format, input));
        if (const auto read = read_samples_file(path)) use(*read);
        break;
    }
    case results:
        fuzz::spill(directory.path() / bench::results_name, file_of(bench::results_format, input));
        use_results(directory.path());
        break;
    default:
        use_restore(directory.path(), input);
        break;
    }
    return 0;
}
