// SPDX-License-Identifier: MIT
// What `xl` prints of a host, as an administrator pastes it: formats of Xen 4.17 to 4.22
// (tools/xl/xl_{info,cpupool,vcpu,sched}.c, which did not change in these).
#pragma once

#include "src/base/result.hpp"
#include "src/layout/layout.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace intellisched::imported {

/// CPU ids in ranges, both ends included, ascending.
using CpuRanges = std::vector<std::pair<unsigned, unsigned>>;

/// An affinity as xl prints it: nothing: "all"; empty: "none".
using XlAffinity = std::optional<CpuRanges>;

struct XlVcpu {
    std::optional<unsigned> cpu; ///< on which it was; nothing: offline
    XlAffinity hard, soft;
    friend bool operator==(const XlVcpu&, const XlVcpu&) = default;
};

/// A domain's line of `xl sched-credit2`, or of sched-credit.
struct XlWeight {
    std::string pool; ///< of the "Cpupool" line above; empty: there was none
    unsigned weight = 0;
    unsigned cap = 0;
    friend bool operator==(const XlWeight&, const XlWeight&) = default;
};

/// One cpupool, of whatever outputs name it.
struct XlPool {
    std::optional<CpuRanges> cpus;          ///< `xl cpupool-list -c`
    std::optional<unsigned> cpu_count;      ///< `xl cpupool-list`
    std::optional<std::string> scheduler;   ///< that, or the command that lists the pool's domains
    std::optional<Arrangement> arrangement; ///< `xl sched-credit2` of a patched Xen
    std::optional<unsigned> rate_limit_us;  ///< `xl sched-credit2`
};

/// All that was pasted. What no output had is absent or empty.
struct XlText {
    // xl info -n
    std::optional<std::string> xen_version;
    std::optional<std::string> command_line; ///< Xen's
    std::optional<std::string> scheduler;    ///< of Pool-0, and of pools that are made without one
    std::optional<unsigned> nr_cpus;         ///< online
    std::optional<unsigned> cpu_khz;         ///< of the TSC, as Xen measured it at boot
    std::map<unsigned, Cpu> cpus;            ///< by id

    std::vector<std::pair<std::string, XlPool>> pools;     ///< in the order in which they are named
    bool pool_cpus = false, pool_schedulers = false;       ///< there was such an output
    std::map<std::pair<unsigned, unsigned>, XlVcpu> vcpus; ///< by domain and vCPU
    bool vcpu_list = false;
    std::map<unsigned, XlWeight> weights; ///< by domain
    bool weight_list = false;
    std::map<unsigned, std::string> names; ///< of domains
};

/// Adds what `text` has to `to`. Each output is recognised by its first line, wherever it stands;
/// what is between two of them (a prompt, other outputs) is passed over. `file` is for messages.
/// Errors: a line inside an output that is none of its lines; numbers that no host has; what
/// contradicts what `to` has already.
[[nodiscard]] Result<void> read_xl_text(std::string_view text, const std::string& file, XlText& to);

} // namespace intellisched::imported
