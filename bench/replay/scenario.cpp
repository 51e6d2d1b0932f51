// SPDX-License-Identifier: MIT
#include "bench/replay/scenario.hpp"

#include "collector/trace/clock.hpp"
#include "collector/trace/stream.hpp"
#include "src/base/counted.hpp"

#include <algorithm>
#include <cmath>
#include <google/protobuf/text_format.h>
#include <google/protobuf/util/message_differencer.h>
#include <set>
#include <sstream>

namespace intellisched::replay {

namespace {

constexpr std::string_view pool0 = "Pool-0";
constexpr std::string_view domain0 = "Domain-0";

/// Everything that lasts, without the times at which it was looked at.
proto::HostSnapshot timeless(proto::HostSnapshot snapshot) {
    snapshot.clear_tsc();
    snapshot.clear_monotonic_ns();
    return snapshot;
}

/// The simulated machine numbers its CPUs threads first, then cores, then sockets, as Xen does on
/// most hosts; nodes have whole sockets, or sockets whole nodes, all the same number.
Result<proto::Machine> machine_of(const Topology& topology) {
    std::set<unsigned> sockets, nodes;
    std::set<std::pair<unsigned, unsigned>> cores;
    for (const Cpu& cpu : topology.cpus) {
        sockets.insert(cpu.socket);
        nodes.insert(cpu.node);
        cores.emplace(cpu.socket, cpu.core);
    }
    proto::Machine machine;
    machine.set_sockets(static_cast<std::uint32_t>(sockets.size()));
    machine.set_cores(static_cast<std::uint32_t>(cores.size() / sockets.size()));
    machine.set_threads(static_cast<std::uint32_t>(topology.cpus.size() / cores.size()));
    machine.set_nodes(static_cast<std::uint32_t>(nodes.size()));
    for (std::size_t i = 0; i < topology.cpus.size(); ++i) {
        const unsigned core = static_cast<unsigned>(i) / machine.threads();
        const unsigned socket = core / machine.cores();
        const Cpu like{.id = static_cast<unsigned>(i),
                       .core = core % machine.cores(),
                       .socket = socket,
                       .node = core * machine.nodes() / (machine.sockets() * machine.cores())};
        const Cpu& cpu = topology.cpus[i];
        if (cpu != like)
            return fail("CPU {} is on core {}, socket {}, node {}, and the simulator's CPU {} is "
                        "on core {}, socket {}, node {}; only a host with all CPUs online and "
                        "numbered so can be replayed",
                        cpu.id, cpu.core, cpu.socket, cpu.node, like.id, like.core, like.socket,
                        like.node);
    }
    return machine;
}

std::string cpu_list(const google::protobuf::RepeatedField<std::uint32_t>& cpus, int all) {
    if (cpus.empty()) return all == 1 ? "0" : fmt::format("0-{}", all - 1);
    return fmt::format("{}", fmt::join(cpus, ","));
}

/// A list a vCPU, or one when they are all the same.
std::vector<std::string>
affinities(const proto::Domain& domain, int cpus,
           const google::protobuf::RepeatedField<std::uint32_t>& (proto::Vcpu::*field)() const) {
    std::vector<std::string> lists;
    for (const proto::Vcpu& vcpu : domain.vcpus()) lists.push_back(cpu_list((vcpu.*field)(), cpus));
    if (!lists.empty() &&
        std::adjacent_find(lists.begin(), lists.end(), std::not_equal_to<>{}) == lists.end())
        lists.resize(1);
    return lists;
}

/// What of Xen's command line is about the scheduler that is simulated; the rest is the machine's.
std::string scheduler_args(const HostInfo& info, const Arrangement& in_force) {
    std::string args = fmt::format("credit2_runqueue={} sched_credit2_max_cpus_runqueue={}",
                                   to_string(in_force.layout), in_force.max_cpus);
    std::istringstream words(info.xen_command_line);
    for (std::string word; words >> word;)
        if ((word.starts_with("credit2_") && !word.starts_with("credit2_runqueue=")) ||
            word.starts_with("sched_credit2_migrate_resist=") ||
            word.starts_with("sched_ratelimit_us="))
            args += " " + word;
    return args;
}

/// Names come from guests' owners: one that a scenario cannot have is replaced.
std::string guest_name(const proto::Domain& domain, std::set<std::string>& taken) {
    std::string name = domain.id() == 0 ? std::string(domain0) : domain.name();
    if (name.empty() || name.size() > 63 || printable(name) != name || taken.contains(name))
        name = fmt::format("domain-{}", domain.id());
    taken.insert(name);
    return name;
}

/// Writes stretches as a replay has them.
class Times {
  public:
    Times(const Recording& recording, const Stretches& stretches, Wakes wakes)
        : khz_(static_cast<double>(recording.info.tsc_khz)), begin_(stretches.begin),
          end_(stretches.end), wakes_(wakes) {}

    void put(const std::vector<Stretch>& stretches, proto::ReplayLoad::Vcpu& vcpu) const {
        // Of rounded times, so that no error grows with the number of stretches.
        std::uint64_t before = 0;
        for (const Stretch& stretch : stretches) {
            const std::uint64_t woken = ns(stretch.woken - begin_);
            const double apart = us(woken - std::min(before, woken));
            vcpu.add_run_us(us(std::max<std::uint64_t>(ns(stretch.ran), 1)));
            before = ns((wakes_ == Wakes::open ? stretch.woken : stretch.blocked) - begin_);
            switch (wakes_) {
            case Wakes::open:
                vcpu.add_wake_us(apart);
                break;
            case Wakes::closed:
                vcpu.add_block_us(apart);
                break;
            case Wakes::causal:
                vcpu.add_cause(message_of(stretch.cause));
                vcpu.add_block_us(stretch.cause == Cause::timer     ? apart
                                  : stretch.cause == Cause::outside ? us(woken)
                                                                    : 0);
            }
        }
        if (wakes_ == Wakes::causal && !stretches.empty() && stretches.back().ended)
            vcpu.set_rest_us(
                us(ns(end_ - stretches.back().blocked) + ns(stretches.front().woken - begin_)));
    }

    struct Send {
        std::uint64_t ran; ///< what the sender had run by then, in cycles
        std::uint32_t guest, vcpu;
    };
    void put(std::vector<Send> sends, proto::ReplayLoad::Vcpu& vcpu) const {
        std::ranges::stable_sort(sends, {}, &Send::ran);
        std::uint64_t before = 0;
        for (const Send& send : sends) {
            const std::uint64_t at = ns(send.ran);
            vcpu.add_send_us(us(at - before));
            vcpu.add_send_guest(send.guest);
            vcpu.add_send_vcpu(send.vcpu);
            before = at;
        }
    }
    [[nodiscard]] double round_us() const {
        return wakes_ == Wakes::causal ? us(ns(end_ - begin_)) : 0;
    }

  private:
    static proto::ReplayLoad::Cause message_of(Cause cause) {
        return cause == Cause::timer     ? proto::ReplayLoad::TIMER
               : cause == Cause::outside ? proto::ReplayLoad::OUTSIDE
                                         : proto::ReplayLoad::VCPU;
    }
    static double us(std::uint64_t ns) { return static_cast<double>(ns) / 1e3; }
    [[nodiscard]] std::uint64_t ns(std::uint64_t cycles) const {
        return static_cast<std::uint64_t>(std::llround(static_cast<double>(cycles) * 1e6 / khz_));
    }
    double khz_;
    std::uint64_t begin_, end_;
    Wakes wakes_;
};

proto::Guest guest_of(const proto::Domain& domain, const Recording& recording,
                      const Stretches& stretches, const Times& times) {
    proto::Guest guest;
    guest.set_vcpus(static_cast<std::uint32_t>(domain.vcpus_size()));
    guest.set_weight(domain.weight());
    guest.set_cap(domain.cap());
    // All of them written out: nobody places the guest anew.
    const int cpus = recording.host.snapshot.cpus_size();
    for (const std::string& list : affinities(domain, cpus, &proto::Vcpu::hard_affinity))
        guest.add_hard_affinity(list);
    for (const std::string& list : affinities(domain, cpus, &proto::Vcpu::soft_affinity))
        guest.add_soft_affinity(list);
    proto::Phase& phase = *guest.add_phases();
    phase.set_at_s(begin_s);
    proto::ReplayLoad& load = *phase.add_loads()->mutable_replay();
    load.set_round_us(times.round_us());
    for (int i = 0; i < domain.vcpus_size(); ++i) {
        const auto key = trace::VcpuRef::from(domain.id(), static_cast<std::uint32_t>(i)).key();
        const auto found = stretches.by_vcpu.find(key);
        auto& vcpu = *load.add_vcpus();
        if (found != stretches.by_vcpu.end()) times.put(found->second, vcpu);
    }
    return guest;
}

/// The vCPUs that woke others, by key, and whom: the guests are numbered by domain.
std::map<std::uint32_t, std::vector<Times::Send>>
sends_of(const Stretches& all, const std::map<unsigned, std::uint32_t>& guests) {
    std::map<std::uint32_t, std::vector<Times::Send>> sends;
    for (const auto& [key, stretches] : all.by_vcpu)
        for (const Stretch& stretch : stretches)
            if (stretch.cause == Cause::vcpu)
                sends[stretch.by].push_back(
                    {.ran = stretch.by_ran, .guest = guests.at(key >> 16), .vcpu = key & 0xffff});
    return sends;
}

/// Lets each vCPU wake whom it woke.
void add_sends(const Stretches& all, const Times& times,
               const std::map<unsigned, std::uint32_t>& guests, proto::Scenario& scenario) {
    for (auto& [key, sends] : sends_of(all, guests)) {
        auto& guest = *scenario.mutable_guests(static_cast<int>(guests.at(key >> 16)));
        auto& load = *guest.mutable_phases(0)->mutable_loads(0)->mutable_replay();
        times.put(std::move(sends), *load.mutable_vcpus(static_cast<int>(key & 0xffff)));
    }
}

} // namespace

std::vector<std::string> Recording::told() const {
    std::vector<std::string> lines = unknown.told();
    if (changes > 0)
        lines.push_back(fmt::format("the host's domains, pools or CPUs changed {}; what was before "
                                    "the last change is left out",
                                    counted(changes, "time")));
    if (const auto odd = collected.mismatches(); odd > 0)
        lines.push_back(fmt::format(
            "{} the state before them, as where CPUs' clocks differ; a wake-up that is dated after "
            "the vCPU's start is taken to be then",
            counted(odd, "record does not fit", "records do not fit")));
    return lines;
}

double lead_s(double seconds) { return std::min(1.0, seconds / 4); }

Result<Recording> read_recording(Host& host, const std::string& name) {
    Recording recording;
    recording.info = host.info();
    trace::TraceStream stream(name);
    trace::TscCalibrator calibrator;
    bool first = true;
    const auto handler = [&](const trace::Record& record) {
        recording.collected.add(record);
        recording.unknown.add(record);
        if (recording.info.tsc_khz == 0) calibrator(record);
    };
    for (;;) {
        auto item = TRY(host.next());
        if (!item) break;
        if (const auto* now = std::get_if<HostView>(&*item)) {
            recording.unknown.add(now->snapshot);
            if (!std::exchange(first, false)) {
                if (google::protobuf::util::MessageDifferencer::Equals(
                        timeless(recording.host.snapshot), timeless(now->snapshot)))
                    continue;
                ++recording.changes;
                recording.collected = {};
            }
            recording.host = *now;
        } else if (const auto* bytes = std::get_if<TraceBytes>(&*item)) {
            TRY(stream.feed(bytes->bytes, handler));
        }
    }
    stream.finish(handler);
    recording.collected.finish();
    if (const Stretches& all = recording.collected.stretches(); all.end <= all.begin)
        return fail("{}: has no trace; record it for longer", name);
    if (recording.collected.losses() > 0)
        return fail(
            "{}: {} records were lost and the trace has {} gaps, in which nobody knows what "
            "guests wanted; record it with larger trace buffers, or for a shorter time",
            name, stream.stats().lost, recording.collected.losses());
    if (recording.collected.rearrangements() > 0)
        return fail(
            "{}: a pool got another layout while it was recorded; record a stretch in which "
            "none does",
            name);
    if (stream.stats().restarts > 0)
        return fail(
            "{}: the TSC began anew while it was recorded (a suspend?); record a stretch in "
            "which it does not",
            name);
    if (recording.info.tsc_khz == 0) recording.info.tsc_khz = calibrator.khz().value_or(0);
    if (recording.info.tsc_khz == 0)
        return fail("{}: too few context switches to tell the TSC frequency; record for longer, or "
                    "with `intellisched record`, which stores it",
                    name);
    return recording;
}

Result<proto::Scenario> scenario_of(const Recording& recording, const Stretches& stretches,
                                    const std::string& name, Wakes wakes) {
    proto::Scenario scenario;
    scenario.set_name(name.substr(0, 63));
    scenario.set_family("replay");
    scenario.set_seed(1); // nothing is drawn
    *scenario.mutable_machine() = TRY(machine_of(recording.host.topology));

    std::map<unsigned, std::string> pool_names;
    for (const Pool& pool : recording.host.pools) {
        if (pool.scheduler != "credit2" || pool.granularity != Granularity::cpu)
            return fail("pool '{}' has {}; only a host of which all pools have credit2, CPU by "
                        "CPU, can be replayed",
                        printable(pool.name),
                        pool.scheduler != "credit2"
                            ? "the scheduler " + printable(pool.scheduler)
                            : std::string("a granularity coarser than a CPU"));
        const Arrangement in_force = pool.arrangement.value_or(recording.info.boot);
        pool_names[pool.id] = pool.id == 0 ? std::string(pool0) : pool.name;
        if (pool.id == 0) {
            scenario.set_xen_args(scheduler_args(recording.info, in_force));
            continue;
        }
        proto::CpuPool& one = *scenario.add_pools();
        one.set_name(pool.name);
        one.set_cpus(fmt::format("{}", fmt::join(pool.cpus, ",")));
        *one.mutable_arrangement() = message_of(in_force);
    }

    std::map<unsigned, const proto::Domain*> domains; // Domain-0 first
    for (const proto::Domain& domain : recording.host.snapshot.domains())
        domains[domain.id()] = &domain;
    std::set<unsigned> ran;
    for (const auto& [key, wanted] : stretches.by_vcpu) {
        const unsigned id = key >> 16;
        const unsigned vcpu = key & 0xffff;
        const auto found = domains.find(id);
        if (found == domains.end() || vcpu >= static_cast<unsigned>(found->second->vcpus_size()))
            return fail("vCPU {} of domain {} ran and is in no snapshot of the host; record a "
                        "stretch in which no domain comes or goes",
                        vcpu, id);
        ran.insert(id);
    }
    const Times times(recording, stretches, wakes);
    std::map<unsigned, std::uint32_t> guests; // number by domain
    std::set<std::string> names;
    for (const auto& [id, domain] : domains) {
        if (id != 0 && !ran.contains(id)) continue;
        guests[id] = static_cast<std::uint32_t>(scenario.guests_size());
        proto::Guest& guest = *scenario.add_guests();
        guest = guest_of(*domain, recording, stretches, times);
        guest.set_name(guest_name(*domain, names));
        if (const auto pool = pool_names.find(domain->pool_id()); pool != pool_names.end())
            if (id != 0 && pool->second != pool0) guest.set_pool(pool->second);
    }
    if (wakes == Wakes::causal) add_sends(stretches, times, guests, scenario);
    const double seconds = recording.seconds(stretches);
    const double lead = lead_s(seconds);
    scenario.set_warmup_s(begin_s + lead);
    // Of one that goes round, a whole round.
    scenario.set_measured_s(seconds - (wakes == Wakes::causal ? 0 : lead));
    return scenario;
}

std::string text_of(const proto::Scenario& scenario) {
    google::protobuf::TextFormat::Printer printer;
    printer.SetUseShortRepeatedPrimitives(true);
    std::string text;
    printer.PrintToString(scenario, &text);
    return text;
}

} // namespace intellisched::replay
