// SPDX-License-Identifier: MIT
#include "src/host/sim_host.hpp"

#include "src/host/sim_process.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <google/protobuf/text_format.h>
#include <sys/mman.h>
#include <unistd.h>

namespace intellisched {
namespace {

constexpr std::uint64_t step_ns = 100'000'000;
constexpr std::uint64_t counters_ns = 1'000'000'000;
constexpr unsigned most_still = 1000;
constexpr std::uint64_t most_khz = 100'000'000; // 100 GHz: what is above is no frequency

Result<InForce> in_force_of(const proto::SimReply& reply) {
    if (!reply.has_in_force()) return fail("the simulator does not say what is in force");
    const proto::SimReply::InForce& told = reply.in_force();
    const auto arrangement = arrangement_of(told.arrangement());
    if (!arrangement)
        return fail("the simulator has the unknown layout '{}' in force",
                    printable(told.arrangement().layout(), 32));
    return InForce{*arrangement, told.runqueues()};
}

Result<unsigned> rate_limit_of(const proto::SimReply& reply) {
    if (!reply.has_rate_limit_us()) return fail("the simulator does not say what is in force");
    return reply.rate_limit_us();
}

} // namespace

SimHost::SimHost(std::unique_ptr<Process> process) : process_(std::move(process)) {}
SimHost::~SimHost() = default;

Result<std::unique_ptr<SimHost>> SimHost::open(const std::filesystem::path& scenario,
                                               const SimOptions& options) {
    return start(scenario.string(), -1, options);
}

Result<std::unique_ptr<SimHost>> SimHost::open(const proto::Scenario& scenario,
                                               const SimOptions& options) {
    std::string text;
    if (!google::protobuf::TextFormat::PrintToString(scenario, &text))
        return fail("the scenario cannot be written as text");
    const FileDescriptor file(::memfd_create("scenario", MFD_CLOEXEC));
    if (file.get() < 0) return fail("a scenario in memory: {}", std::strerror(errno));
    TRY(write_all(file.get(), std::as_bytes(std::span(text)), "a scenario in memory"));
    const std::string path = fmt::format("/proc/self/fd/{}", Process::scenario_fd_there);
    auto host = start(path, file.get(), options);
    if (host) return host;
    std::string said = host.error().message; // which is no path for people
    if (const auto at = said.find(path); at != said.npos)
        said.replace(at, path.size(), "the scenario");
    return fail("{}", said);
}

Result<std::unique_ptr<SimHost>> SimHost::start(const std::string& scenario, int scenario_fd,
                                                const SimOptions& options) {
    auto process = TRY(Process::start(scenario, scenario_fd, options));
    return greet(std::move(process));
}

Result<std::unique_ptr<SimHost>> SimHost::over(FileDescriptor socket, const SimOptions& options) {
    auto process = TRY(Process::over(std::move(socket), options));
    return greet(std::move(process));
}

Result<std::unique_ptr<SimHost>> SimHost::greet(std::unique_ptr<Process> process) {
    std::unique_ptr<SimHost> host(new SimHost(std::move(process)));
    TRY(host->hello());
    return host;
}

Result<proto::SimReply> SimHost::ask(const proto::SimRequest& request) {
    auto reply = process_->ask(request);
    if (!reply) return reply;
    if (reply->now_ns() < now_)
        return fail("the simulator's time goes back from {} to {} ns", now_, reply->now_ns());
    now_ = reply->now_ns();
    ended_ = ended_ || reply->ended();
    if (reply->has_snapshot()) items_.emplace_back(TRY(view_of(reply->snapshot())));
    return reply;
}

Result<void> SimHost::hello() {
    proto::SimRequest request;
    request.set_hello(true);
    const auto reply = TRY(ask(request));
    if (!reply.has_info() || !reply.has_snapshot())
        return fail("the simulator does not introduce itself; is it of this version?");
    const proto::SimReply::Info& told = reply.info();
    info_.xen_version = printable(told.xen_version());
    info_.xen_command_line = printable(told.xen_command_line(), 4096);
    info_.tsc_khz = told.tsc_khz();
    if (info_.tsc_khz == 0 || info_.tsc_khz > most_khz)
        return fail("the simulator has a TSC of {} kHz; is it of this version?", info_.tsc_khz);
    info_.boot = arrangement_of(told.boot()).value_or(boot_arrangement(info_.xen_command_line));
    costs_ = told.costs();
    first_ = std::get<HostView>(items_.front());
    start_ = now_;
    next_counters_ = start_ + counters_ns;
    return {};
}

Result<void> SimHost::advance() {
    proto::SimRequest request;
    request.mutable_advance()->set_ns(step_ns);
    const std::uint64_t before = now_;
    auto reply = TRY(ask(request));
    // It stops where something changes, which may be where it is.
    still_ = now_ > before ? 0 : still_ + 1;
    if (still_ > most_still) return fail("the simulator's time stands still at {} ns", now_);
    if (reply.has_counters() && now_ >= next_counters_) {
        next_counters_ += counters_ns * ((now_ - next_counters_) / counters_ns + 1);
        items_.emplace_back(std::move(*reply.mutable_counters()));
    }
    const auto trace = std::as_bytes(std::span(reply.trace()));
    items_.emplace_back(TraceBytes{{trace.begin(), trace.end()}});
    return {};
}

Result<std::optional<HostItem>> SimHost::next() {
    if (items_.empty()) {
        if (ended_) return std::nullopt;
        TRY(advance());
    }
    HostItem item = std::move(items_.front());
    items_.pop_front();
    return item;
}

Result<proto::SimReply> SimHost::ask_of(const Pool& pool, const proto::SimRequest& request) {
    auto reply = ask(request);
    if (!reply) return fail("{}: {}", pool.name, reply.error().message);
    return reply;
}

Result<InForce> SimHost::layout(const Pool& pool) {
    proto::SimRequest request;
    request.mutable_get_layout()->set_pool_id(pool.id);
    return in_force_of(TRY(ask_of(pool, request)));
}

Result<InForce> SimHost::set_layout(const Pool& pool, const Arrangement& wanted) {
    proto::SimRequest request;
    proto::SimRequest::SetLayout& set = *request.mutable_set_layout();
    set.set_pool_id(pool.id);
    *set.mutable_arrangement() = message_of(wanted);
    return in_force_of(TRY(ask_of(pool, request)));
}

Result<unsigned> SimHost::rate_limit(const Pool& pool) {
    proto::SimRequest request;
    request.mutable_get_rate_limit()->set_pool_id(pool.id);
    return rate_limit_of(TRY(ask_of(pool, request)));
}

Result<unsigned> SimHost::set_rate_limit(const Pool& pool, unsigned us) {
    proto::SimRequest request;
    request.mutable_set_rate_limit()->set_pool_id(pool.id);
    request.mutable_set_rate_limit()->set_us(us);
    return rate_limit_of(TRY(ask_of(pool, request)));
}

Result<void> SimHost::set_weight(unsigned domain, unsigned weight) {
    proto::SimRequest request;
    request.mutable_set_weight()->set_domain(domain);
    request.mutable_set_weight()->set_weight(weight);
    TRY(ask(request));
    return {};
}

Result<void> SimHost::reset_truth() {
    proto::SimRequest request;
    request.set_reset_truth(true);
    TRY(ask(request));
    return {};
}

Result<proto::Truth> SimHost::truth() {
    proto::SimRequest request;
    request.set_get_truth(true);
    auto reply = TRY(ask(request));
    if (!reply.has_truth()) return fail("the simulator does not tell what the guests achieved");
    return std::move(*reply.mutable_truth());
}

} // namespace intellisched
