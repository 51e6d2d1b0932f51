// SPDX-License-Identifier: MIT
#include "bench/import/host_of.hpp"

#include "src/host/unknown_cpus.hpp"
#include "src/host/xl.hpp" // granularity_at_boot
#include "src/proto/records.hpp"

#include <algorithm>
#include <cmath>

namespace intellisched::imported {
namespace {

/// cpu_mhz of `xl info` is the TSC's frequency as Xen measured it at boot, which is what a recorder
/// stores. A trace that says otherwise by more than its own uncertainty is believed instead: a
/// hypervisor below may have scaled the TSC.
constexpr double same_clock = 0.005;

/// CPU ids in affinities; more would not fit a record.
constexpr std::size_t most_affinity_entries = std::size_t{4} << 20;

class HostMaker {
  public:
    HostMaker(const XlText& text, const TraceSurvey& trace) : text_(text), trace_(trace) {}

    Result<ImportedHost> make() {
        for (const auto step :
             {&HostMaker::add_cpus, &HostMaker::add_info, &HostMaker::check_trace,
              &HostMaker::add_pools, &HostMaker::add_domains, &HostMaker::check_size})
            TRY((this->*step)());
        return std::move(host_);
    }

  private:
    void assume(std::string what) { host_.assumed.push_back(std::move(what)); }
    proto::HostSnapshot& snapshot() { return host_.snapshot; }

    Result<void> add_cpus() {
        if (text_.cpus.empty())
            return fail("needs the output of `xl info -n`: its table \"cpu: core socket node\" "
                        "tells which CPUs share cores, sockets and nodes; give it with --topology");
        if (text_.nr_cpus && *text_.nr_cpus > text_.cpus.size())
            return fail("the topology has {} CPUs, and nr_cpus of `xl info` is {}; paste the "
                        "output of `xl info -n` whole",
                        text_.cpus.size(), *text_.nr_cpus);
        std::map<unsigned, std::uint64_t> unknown;
        for (const auto& [cpu, records] : trace_.records())
            if (!text_.cpus.contains(cpu)) unknown[cpu] = records;
        if (!unknown.empty())
            return fail("{}; paste `xl info -n` of the traced host, with the CPUs online that "
                        "were",
                        unknown_cpus_text(unknown));
        TRY(find_online());
        // The line threads_per_core of `xl info` counts the online siblings of CPU 0
        // (common/sysctl.c), so that hyperthreads that are off look like none; the table has the
        // offline ones too.
        std::map<std::pair<unsigned, unsigned>, unsigned> threads;
        unsigned most = 0;
        for (const auto& [id, cpu] : text_.cpus)
            most = std::max(most, ++threads[{cpu.socket, cpu.core}]);
        if (most > 1) snapshot().set_threads_per_core(most);
        for (const auto& [id, cpu] : text_.cpus) {
            if (!online_.contains(id)) continue;
            proto::Cpu& to = *snapshot().add_cpus();
            to.set_id(id);
            to.set_core(cpu.core);
            to.set_socket(cpu.socket);
            to.set_node(cpu.node);
        }
        return {};
    }

    /// Xen's table has every CPU that is present, `nr_cpus` counts those that are online.
    Result<void> find_online() {
        for (const auto& [id, cpu] : text_.cpus) online_.insert(id);
        if (!text_.nr_cpus || *text_.nr_cpus == online_.size()) return {};
        std::set<unsigned> pooled, traced, firsts;
        for (const auto& [name, pool] : text_.pools)
            for (const auto& [first, last] : pool.cpus.value_or(CpuRanges{}))
                for (unsigned cpu = first; cpu <= last && pooled.size() <= online_.size(); ++cpu)
                    pooled.insert(cpu);
        for (const auto& [cpu, records] : trace_.records()) traced.insert(cpu);
        std::set<std::pair<unsigned, unsigned>> cores;
        for (const auto& [id, cpu] : text_.cpus)
            if (cores.insert({cpu.socket, cpu.core}).second) firsts.insert(id);
        std::vector<unsigned> offline; // by the pools, which have every CPU that is online
        std::ranges::set_difference(traced, pooled, std::back_inserter(offline));
        if (pooled.size() == *text_.nr_cpus && !offline.empty())
            return fail("the trace has records of {}, offline by nr_cpus of `xl info` and the "
                        "pools; paste `xl info -n` and `xl cpupool-list -c` of the time of the "
                        "trace",
                        cpu_list_text(offline));
        for (const auto& known : {pooled, traced, firsts}) {
            // A CPU that wrote records was online.
            if (known.size() != *text_.nr_cpus ||
                !std::includes(known.begin(), known.end(), traced.begin(), traced.end()))
                continue;
            if (known == firsts && known != pooled && known != traced)
                assume(fmt::format("{} of {} CPUs are online: the first thread of each core is "
                                   "taken to be",
                                   known.size(), text_.cpus.size()));
            online_ = known;
            return {};
        }
        if (traced.size() > *text_.nr_cpus)
            return fail("the trace has records of {}, more than are online by nr_cpus of `xl info` "
                        "({} of {}); paste `xl info -n` of the time of the trace",
                        cpu_list_text({traced.begin(), traced.end()}), *text_.nr_cpus,
                        text_.cpus.size());
        return fail(
            "needs the output of `xl cpupool-list -c`, all pools: {} of {} CPUs are online, "
            "and nothing else says which",
            *text_.nr_cpus, text_.cpus.size());
    }

    Result<void> add_info() {
        host_.info.xen_version = text_.xen_version.value_or("");
        host_.info.xen_command_line = text_.command_line.value_or("");
        host_.info.boot = boot_arrangement(host_.info.xen_command_line);
        if (!text_.command_line)
            assume(fmt::format("without the line xen_commandline of `xl info`: {} is taken to be "
                               "booted",
                               to_string(host_.info.boot)));
        return {};
    }

    Result<void> check_trace() {
        if (trace_.stats().records == 0)
            return fail("the trace has no records; record it with `xentrace -D -e 0x2f000 FILE`");
        if (trace_.too_many())
            return fail("the trace has more vCPUs than a host can have; it is damaged");
        snapshot().set_tsc(trace_.begin_tsc());

        const auto traced = trace_.khz();
        const auto told = text_.cpu_khz;
        if (!traced && !told)
            return fail("needs the line cpu_mhz of `xl info -n`: the trace has too few context "
                        "switches to tell the TSC's frequency");
        const bool agree =
            traced && told && std::abs(static_cast<double>(*traced) - *told) <= same_clock * *told;
        host_.info.tsc_khz = traced && !agree ? *traced : *told;
        if (traced && told && !agree)
            assume(fmt::format("the trace's times are of a TSC of {} kHz, and cpu_mhz of `xl info` "
                               "says {}: the trace is believed",
                               *traced, *told));
        return {};
    }

    Result<void> add_pools() {
        auto pools = text_.pools;
        if (pools.empty()) pools.emplace_back("Pool-0", XlPool{});
        if (pools.size() == 1 && !text_.pool_cpus) {
            assume(fmt::format("without the output of `xl cpupool-list -c`: all {} CPUs are taken "
                               "to be in {}",
                               online_.size(), printable(pools[0].first)));
            CpuRanges& all = pools[0].second.cpus.emplace();
            for (const unsigned id : online_) all.emplace_back(id, id);
        }
        std::string guessed;
        for (const auto& [name, pool] : pools) {
            if (!pool.cpus)
                return fail("needs the output of `xl cpupool-list -c`: which CPUs pool '{}' has",
                            printable(name));
            TRY(add_pool(name, pool));
            if (!pool.scheduler) guessed += (guessed.empty() ? "" : ", ") + printable(name);
        }
        if (!guessed.empty() && !(text_.scheduler && pools.size() == 1))
            assume(fmt::format("without the output of `xl cpupool-list`: {} is taken to run {}, {}",
                               guessed, printable(default_scheduler()),
                               text_.scheduler ? "as Pool-0 does" : "as Xen does by default"));
        for (const auto& [cpu, vcpu] : trace_.ran_on())
            if (!pool_of_cpu_.contains(cpu))
                return fail("vCPU {} of domain {} ran on CPU {}, which is in no pool; paste "
                            "`xl cpupool-list -c` whole, of the time of the trace",
                            vcpu.second, vcpu.first, cpu);
        return {};
    }

    [[nodiscard]] std::string default_scheduler() const {
        return text_.scheduler.value_or("credit2");
    }

    Result<void> add_pool(const std::string& name, const XlPool& from) {
        proto::Pool& pool = *snapshot().add_pools();
        const auto id = static_cast<unsigned>(snapshot().pools_size() - 1);
        pool.set_id(id); // xl lists them by id, and says none
        pool.set_name(name);
        pool.set_scheduler(from.scheduler.value_or(default_scheduler()));
        pool.set_granularity(granularity_at_boot(host_.info.xen_command_line));
        for (const auto& [first, last] : *from.cpus)
            for (unsigned cpu = first; cpu <= last; ++cpu) {
                if (!text_.cpus.contains(cpu))
                    return fail("pool '{}' has CPU {}, which the topology of `xl info -n` lacks; "
                                "paste both of one host and one time",
                                printable(name), cpu);
                if (!online_.contains(cpu))
                    return fail("pool '{}' has CPU {}, which is offline by nr_cpus of `xl info` "
                                "({} of {} CPUs are online); paste both of one time",
                                printable(name), cpu, online_.size(), text_.cpus.size());
                if (!pool_of_cpu_.emplace(cpu, id).second)
                    return fail("pool '{}' has CPU {}, which another pool has as well; paste "
                                "`xl cpupool-list -c` of one time",
                                printable(name), cpu);
                pool.add_cpus(cpu);
            }
        if (from.cpu_count && *from.cpu_count != static_cast<unsigned>(pool.cpus_size()))
            return fail("pool '{}' has {} CPUs, and `xl cpupool-list` says {}; paste "
                        "`xl cpupool-list -c` of the same time",
                        printable(name), pool.cpus_size(), *from.cpu_count);
        const Arrangement in_force = from.arrangement.value_or(host_.info.boot);
        if (pool.scheduler() == "credit2") {
            *pool.mutable_arrangement() = message_of(in_force);
            pool.set_can_rearrange(from.arrangement.has_value());
            if (from.rate_limit_us) pool.set_rate_limit_us(*from.rate_limit_us);
        }
        pool_ids_.emplace(name, id);
        return {};
    }

    Result<void> add_domains() {
        std::map<unsigned, std::map<unsigned, XlVcpu>> domains;
        for (const auto& [id, weight] : text_.weights) domains[id];
        for (const auto& [id, vcpu] : text_.vcpus) domains[id.first][id.second] = vcpu;
        std::string unlisted;
        for (const auto& [id, cpu] : trace_.ran()) {
            auto& vcpus = domains[id.first];
            if (text_.vcpu_list && vcpus.empty() && unlisted.size() < 60)
                unlisted += fmt::format("{}{}", unlisted.empty() ? "" : ", ", id.first);
            vcpus.try_emplace(id.second, XlVcpu{cpu, {}, {}});
        }
        if (!text_.vcpu_list)
            assume("without the output of `xl vcpu-list`: vCPUs are those that ran in the trace, "
                   "with affinity to all CPUs");
        else if (!unlisted.empty())
            assume(fmt::format("`xl vcpu-list` lacks domains that ran in the trace ({}): their "
                               "vCPUs are those that ran, with affinity to all CPUs",
                               unlisted));
        if (!text_.weight_list)
            assume("without the output of `xl sched-credit2`: weights and caps are not known, and "
                   "count as 256 and none");
        std::string unweighed;
        for (const auto& [id, vcpus] : domains) {
            TRY(add_domain(id, vcpus));
            const bool counts =
                snapshot().pools(static_cast<int>(pool_of(id, vcpus))).scheduler() == "credit2";
            if (text_.weight_list && counts && !text_.weights.contains(id) && unweighed.size() < 60)
                unweighed += fmt::format("{}{}", unweighed.empty() ? "" : ", ", id);
        }
        if (!unweighed.empty())
            assume(fmt::format("`xl sched-credit2` lacks domains of credit2 pools ({}): their "
                               "weights and caps count as 256 and none",
                               unweighed));
        return {};
    }

    /// As the list of weights says, else where a vCPU of it is.
    [[nodiscard]] unsigned pool_of(unsigned domain, const std::map<unsigned, XlVcpu>& vcpus) const {
        const auto weight = text_.weights.find(domain);
        if (weight != text_.weights.end() && !weight->second.pool.empty()) {
            const auto pool = pool_ids_.find(weight->second.pool);
            if (pool != pool_ids_.end()) return pool->second;
        }
        for (const auto& [index, vcpu] : vcpus)
            if (vcpu.cpu)
                if (const auto pool = pool_of_cpu_.find(*vcpu.cpu); pool != pool_of_cpu_.end())
                    return pool->second;
        return 0;
    }

    Result<void> add_domain(unsigned id, const std::map<unsigned, XlVcpu>& vcpus) {
        const unsigned pool = pool_of(id, vcpus);
        proto::Domain& domain = *snapshot().add_domains();
        domain.set_id(id);
        if (const auto name = text_.names.find(id); name != text_.names.end())
            domain.set_name(name->second);
        domain.set_pool_id(pool);
        const auto weight = text_.weights.find(id);
        // As a recorder: those of other schedulers mean other things.
        if (weight != text_.weights.end() &&
            snapshot().pools(static_cast<int>(pool)).scheduler() == "credit2") {
            domain.set_weight(weight->second.weight);
            domain.set_cap(weight->second.cap);
        }
        for (const auto& [index, vcpu] : vcpus) {
            proto::Vcpu& to = *domain.add_vcpus();
            to.set_id(index);
            to.set_online(vcpu.cpu.has_value());
            const bool hard = affinity(vcpu.hard, *to.mutable_hard_affinity());
            affinity(vcpu.soft, *to.mutable_soft_affinity()); // one of no CPU has no effect in Xen
            if (!hard)
                return fail("vCPU {} of domain {} ('{}') is pinned to CPUs of which none is online "
                            "in the topology; paste `xl info -n` and `xl vcpu-list` of one host",
                            index, id, printable(domain.name()));
            if (entries_ > most_affinity_entries) return too_large();
        }
        return {};
    }

    /// Whether a reader of captures will take it.
    Result<void> check_size() {
        const std::string bytes = snapshot().SerializeAsString();
        proto::HostSnapshot read;
        if (bytes.size() > max_record_payload || !parse_bounded(bytes, read)) return too_large();
        return {};
    }

    static tl::unexpected<Error> too_large() {
        return fail("more vCPUs and affinities than a capture can hold; paste `xl vcpu-list` of "
                    "some of the domains only");
    }

    /// The online CPUs of `from`; none where it is all of them. False: there are none.
    bool affinity(const XlAffinity& from, google::protobuf::RepeatedField<std::uint32_t>& to) {
        if (!from) return true;
        for (const auto& [first, last] : *from)
            for (auto cpu = online_.lower_bound(first); cpu != online_.end() && *cpu <= last; ++cpu)
                to.Add(*cpu);
        const bool any = !to.empty();
        if (static_cast<std::size_t>(to.size()) == online_.size()) to.Clear();
        entries_ += static_cast<std::size_t>(to.size());
        return any;
    }

    const XlText& text_;
    const TraceSurvey& trace_;
    ImportedHost host_;
    std::set<unsigned> online_;                ///< CPUs
    std::map<unsigned, unsigned> pool_of_cpu_; ///< ids, by CPU
    std::map<std::string, unsigned> pool_ids_; ///< by name
    std::size_t entries_ = 0;                  ///< of affinities
};

} // namespace

Result<ImportedHost> host_of(const XlText& text, const TraceSurvey& trace) {
    return HostMaker(text, trace).make();
}

} // namespace intellisched::imported
