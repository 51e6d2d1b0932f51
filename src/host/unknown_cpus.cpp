// SPDX-License-Identifier: MIT
#include "src/host/unknown_cpus.hpp"

#include "src/base/counted.hpp"
#include "src/base/ranges.hpp"

#include <fmt/format.h>

namespace intellisched {

// Domains; one line is enough to look at the rest.
static constexpr std::size_t most_told = 4;
static constexpr std::size_t most_of_list = 80;

void UnknownCpus::add(const proto::HostSnapshot& snapshot) {
    constexpr std::uint32_t most = 65536; // a record's CPU is 16 bits
    for (const proto::Cpu& cpu : snapshot.cpus()) {
        if (cpu.id() >= most) continue;
        if (cpu.id() >= known_.size()) known_.resize(cpu.id() + 1);
        known_[cpu.id()] = 1;
        records_.erase(cpu.id());
    }
    for (const proto::Domain& domain : snapshot.domains()) {
        if (affinities_.size() >= most_told) break;
        for (const proto::Vcpu& vcpu : domain.vcpus())
            for (const auto* cpus : {&vcpu.hard_affinity(), &vcpu.soft_affinity()})
                for (const std::uint32_t cpu : *cpus)
                    if (cpu >= known_.size() || !known_[cpu]) affinities_[domain.id()] = cpu;
    }
}

std::vector<std::string> UnknownCpus::told() const {
    std::vector<std::string> lines;
    if (!records_.empty())
        lines.push_back(unknown_cpus_text(records_) +
                        "; they are left out, and more may be wrong: is the trace of this host?");
    for (const auto& [domain, cpu] : affinities_)
        lines.push_back(
            fmt::format("domain {} has affinity to CPU {}, which the host has not", domain, cpu));
    return lines;
}

std::string cpu_list_text(const std::vector<unsigned>& cpus) {
    std::string list = ranges_text(cpus);
    if (const auto rest = list.find(',', most_of_list); rest != list.npos)
        list.replace(rest, list.npos, ",...");
    return fmt::format("CPU{} {}", cpus.size() == 1 ? "" : "s", list);
}

std::string unknown_cpus_text(const std::map<unsigned, std::uint64_t>& records) {
    std::uint64_t count = 0;
    std::vector<unsigned> cpus;
    for (const auto& [cpu, times] : records) {
        cpus.push_back(cpu);
        count += times;
    }
    return fmt::format("{} of {}, which the host has not",
                       counted(count, "record of the trace is", "records of the trace are"),
                       cpu_list_text(cpus));
}

} // namespace intellisched
