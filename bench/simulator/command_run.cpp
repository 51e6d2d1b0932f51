// SPDX-License-Identifier: GPL-2.0-only
// credit2-sim run and credit2-sim serve.
#include "bench/simulator/commands.hpp"
#include "bench/simulator/run.hpp"
#include "bench/simulator/serve.hpp"
#include "src/base/companion.hpp"
#include "src/layout/layout.hpp"
#include "src/proto/text.hpp"

#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <unistd.h>

namespace sim {

using intellisched::fail;

namespace {

/// CLI::Range would take NaN.
std::string check_seconds(const std::string& text) {
    double value = 0;
    if (CLI::detail::lexical_cast(text, value) && value >= 1e-3 && value <= 1000) return "";
    return fmt::format("{} is not from 0.001 to 1000", intellisched::printable(text));
}

/// What run and serve have in common.
struct Options {
    std::string scenario;
    std::string layout = "boot";
    std::string release;
    std::optional<std::uint64_t> seed;
    std::optional<double> seconds;
    std::string costs;
    bool no_trace = false;

    void add_to(CLI::App& command) {
        command.add_option("scenario", scenario, "protobuf text of a Scenario")->required();
        command
            .add_option(
                "--layout", layout,
                "of every pool from the start: cpu, core, socket, node or all, not capped or "
                "with at most CAP CPUs a runqueue; boot: what the scenario says")
            ->type_name("L[:CAP|:none]|boot")
            ->capture_default_str();
        command.add_option("--release", release,
                           "of Xen, whose scheduler is simulated, instead of the scenario's: 4.17 "
                           "or 4.20");
        command.add_option("--seed", seed, "instead of the scenario's")
            ->check(CLI::NonNegativeNumber);
        command.add_option("--seconds", seconds, "measured time instead of the scenario's")
            ->check(CLI::Validator(check_seconds, "0.001 to 1000"));
        command.add_option("--costs", costs, "file of costs that override the scenario's");
        command.add_flag("--no-trace", no_trace, "leave the trace out, which is faster");
    }
};

Result<std::optional<proto::Arrangement>> parse_layout(const std::string& text) {
    if (text == "boot") return std::nullopt;
    const std::size_t colon = text.find(':');
    const std::string name = text.substr(0, colon);
    const std::string cap = colon == std::string::npos ? "none" : text.substr(colon + 1);
    unsigned max_cpus = intellisched::no_cap;
    if (cap != "none") {
        const char* end = cap.data() + cap.size();
        const auto [after, error] = std::from_chars(cap.data(), end, max_cpus);
        if (error != std::errc{} || after != end || max_cpus == 0)
            return fail("--layout {}: '{}' is no cap; write a number of CPUs, or none",
                        intellisched::printable(text), intellisched::printable(cap));
    }
    if (!intellisched::layout_from_string(name))
        return fail("--layout {}: choose cpu, core, socket, node, all or boot",
                    intellisched::printable(text));
    proto::Arrangement arrangement;
    arrangement.set_layout(name);
    arrangement.set_max_cpus(max_cpus);
    return arrangement;
}

/// Goes on as the program of that release, which was started with the same arguments. Returns only
/// if that cannot be.
tl::unexpected<intellisched::Error> become(const std::string& release) {
    if (release != "4.17" && release != "4.20")
        return fail("there is no simulator of Xen '{}'; choose 4.17 or 4.20",
                    intellisched::printable(release));
    // Named as this one is, with the release behind it; 4.17's without.
    std::error_code error;
    std::string name = std::filesystem::read_symlink("/proc/self/exe", error).filename();
    if (const std::string own = "-" + Machine::release(); name.ends_with(own))
        name.resize(name.size() - own.size());
    if (release != "4.17") name += "-" + release;
    const auto program = intellisched::find_companion(name, "bench/simulator");
    if (!program)
        return fail("{}; build it with `xen-patches/build --release {} --prepare && meson setup "
                    "--reconfigure build && ninja -C build`",
                    program.error().message, release);
    std::ifstream stream("/proc/self/cmdline", std::ios::binary);
    std::string words((std::istreambuf_iterator<char>(stream)), {});
    std::vector<char*> arguments;
    for (std::size_t at = 0; at < words.size(); at = words.find('\0', at) + 1)
        arguments.push_back(words.data() + at);
    arguments.push_back(nullptr);
    ::execv(program->c_str(), arguments.data());
    return fail("{}: {}", program->string(), std::strerror(errno));
}

Result<std::unique_ptr<World>> open_world(const Options& options, bool tracing) {
    const auto layout = TRY(parse_layout(options.layout));
    auto scenario = TRY(read_scenario(options.scenario));
    if (options.seed) scenario.set_seed(*options.seed);
    if (options.seconds) scenario.set_measured_s(*options.seconds);
    TRY(check_steps(scenario));
    if (!options.costs.empty()) {
        const auto costs = TRY(read_costs(options.costs));
        scenario.mutable_costs()->MergeFrom(costs);
    }
    const std::string& release = options.release.empty() ? scenario.xen() : options.release;
    if (!release.empty() && release != Machine::release()) return become(release);
    const auto machine = TRY(machine_options(scenario, tracing));
    auto booted = TRY(Machine::boot(machine));
    return World::create(std::move(booted), std::move(scenario), layout);
}

std::string table_of(const proto::Truth& truth) {
    const double ns = truth.seconds() * 1e9;
    std::string text = fmt::format("{:<20} {:>5} {:>7} {:>7} {:>10} {:>10} {:>10} {:>10} {:>9}\n",
                                   "guest", "vCPUs", "work", "waits", "p99 wake", "requests/s",
                                   "p50 resp.", "p99 resp.", "misses");
    for (const proto::GuestTruth& guest : truth.guests())
        fmt::format_to(std::back_inserter(text),
                       "{:<20} {:>5} {:>7.3f} {:>7.3f} {:>10.1f} {:>10.1f} {:>10.1f} {:>10.1f} "
                       "{:>9}\n",
                       intellisched::printable(guest.name(), 20), guest.vcpus(),
                       guest.work_ns() / ns, guest.runnable_ns() / ns, guest.wake_to_run().p99_us(),
                       static_cast<double>(guest.requests()) / truth.seconds(),
                       guest.response().p50_us(), guest.response().p99_us(), guest.misses());
    for (const proto::PoolTruth& pool : truth.pools())
        fmt::format_to(std::back_inserter(text),
                       "{}: {:.0f} switches/s, {:.0f} wake-ups/s, {:.0f} migrations/s, {:.0f} of "
                       "them to another runqueue\n",
                       intellisched::printable(pool.name(), 20),
                       static_cast<double>(pool.context_switches()) / truth.seconds(),
                       static_cast<double>(pool.wakeups()) / truth.seconds(),
                       static_cast<double>(pool.migrations_core() + pool.migrations_socket() +
                                           pool.migrations_remote()) /
                           truth.seconds(),
                       static_cast<double>(pool.runqueue_migrations()) / truth.seconds());
    return text +
           "work and waits: in CPUs; wake-up to running and response times: in microseconds\n";
}

Result<void> print(const std::string& text) {
    if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0)
        return fail("standard output: cannot write: {}", std::strerror(errno));
    return {};
}

struct RunCommand {
    Options common;
    std::string capture;
    std::string truth;
    bool quiet = false;

    Result<void> operator()(const Stop& stop) const {
        auto world = open_world(common, false); // there is no trace before the measured time
        if (!world) return tl::unexpected(world.error());
        RunOptions options;
        options.capture = capture;
        options.tracing = !common.no_trace;
        options.stop = stop;
        const bool terminal = !quiet && ::isatty(STDERR_FILENO) == 1;
        if (terminal)
            options.progress = [](const World& at) {
                const double left = static_cast<double>(at.end() - at.now()) / 1e9;
                fmt::print(stderr, "\r\x1b[K{:.1f} s of virtual time to go", left);
            };
        const auto result = run(**world, options);
        if (terminal) fmt::print(stderr, "\r\x1b[K");
        if (!result) return tl::unexpected(result.error());
        const std::string json = intellisched::to_json(*result);
        if (truth == "-") return print(json);
        if (!truth.empty()) TRY(intellisched::replace_file(truth, std::as_bytes(std::span(json))));
        return quiet ? Result<void>{} : print(table_of(*result));
    }
};

struct ServeCommand {
    Options common;
    int fd = -1;
    std::string socket;

    Result<void> operator()(const Stop& stop) const {
        auto world = TRY(open_world(common, !common.no_trace));
        if (socket.empty()) return serve(*world, fd, stop);
        const auto client = TRY(accept_client(socket));
        return serve(*world, client.get(), stop);
    }
};

} // namespace

void add_run(CLI::App& app, Action& action, const Stop& stop) {
    auto* command = app.add_subcommand("run", "run a scenario to its end and say what came of it");
    auto run = std::make_shared<RunCommand>();
    run->common.add_to(*command);
    command->add_option("--capture", run->capture,
                        "directory to make: what `intellisched record` writes, and truth.pb");
    command->add_option("--truth", run->truth, "what came of it as JSON; -: to standard output");
    command->add_flag("--quiet", run->quiet, "no table, no progress");
    command->callback([run, &action, stop] { action = [run, stop] { return (*run)(stop); }; });
}

void add_serve(CLI::App& app, Action& action, const Stop& stop) {
    auto* command = app.add_subcommand("serve", "run a scenario step by step as a client asks");
    auto serve = std::make_shared<ServeCommand>();
    serve->common.add_to(*command);
    auto* where = command->add_option_group("where")->require_option(1);
    where->add_option("--fd", serve->fd, "stream socket that the client has the other end of")
        ->check(CLI::NonNegativeNumber);
    where->add_option("--socket", serve->socket, "Unix socket to make and wait at for one client");
    command->callback(
        [serve, &action, stop] { action = [serve, stop] { return (*serve)(stop); }; });
}

} // namespace sim
