// SPDX-License-Identifier: GPL-2.0-only
// The simulated machine: Xen's own scheduler on CPUs that cost what costs.hpp says, under a virtual
// clock. One a process: Xen's code has one set of globals.
#pragma once

#include "bench/simulator/costs.hpp"
#include "bench/simulator/guest.hpp"
#include "src/base/result.hpp"
#include "src/proto/host.pb.h"
#include "src/proto/simulator.pb.h"
#include "src/proto/truth.pb.h"

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sim {

using intellisched::Result;
namespace proto = intellisched::proto;

struct MachineOptions {
    unsigned sockets = 1;
    unsigned cores = 1;      ///< of a socket
    unsigned threads = 1;    ///< of a core
    unsigned nodes = 1;      ///< of the host; whole sockets each, or several a socket
    unsigned slow_cores = 0; ///< of a socket's, the last ones, with one thread each
    double slow_speed = 1;
    unsigned llcs = 1;    ///< last-level caches of a socket
    std::string xen_args; ///< as on Xen's command line, e.g. "credit2_runqueue=core"
    Costs costs;
    bool tracing = true; ///< whether there are trace records from the start
};

/// Whether the nodes have whole sockets, or the sockets whole nodes of whole cores, each as many.
[[nodiscard]] constexpr bool nodes_fit(unsigned nodes, unsigned sockets, unsigned cores) {
    if (nodes < 1) return false;
    return nodes <= sockets ? sockets % nodes == 0
                            : nodes % sockets == 0 && cores % (nodes / sockets) == 0;
}

/// Whether every last-level cache of a socket is of as many whole cores, and of one node. One a
/// socket may be of several nodes.
[[nodiscard]] constexpr bool llcs_fit(unsigned llcs, unsigned nodes, unsigned sockets,
                                      unsigned cores) {
    if (llcs < 1 || cores % llcs != 0) return false;
    return llcs == 1 || nodes <= sockets || llcs % (nodes / sockets) == 0;
}

struct DomainOptions {
    std::uint32_t guest = 0; ///< index that Platform and Workload know it by
    std::string name;
    std::uint32_t pool_id = 0;
    unsigned vcpus = 1;
    unsigned weight = 256;
    unsigned cap = 0;                        ///< percent of one CPU; 0: none
    std::vector<std::vector<unsigned>> hard; ///< CPUs by vCPU, the last for the rest; empty: all
    std::vector<std::vector<unsigned>> soft; ///< the same
    double working_set_kb = 256;
    double memory_share = 0;
};

/// Errors of all calls that return a Result: what Xen's own code answered, in words; all is then as
/// before.
class Machine : public Platform {
  public:
    /// Boots Xen: command line, CPUs, Pool-0 with all of them. Virtual time begins above 0.
    [[nodiscard]] static Result<std::unique_ptr<Machine>> boot(const MachineOptions& options);
    /// Of the Xen whose scheduler this program has: "4.17".
    [[nodiscard]] static std::string release();

    // What an administrator does; the pool of id 0 is Pool-0.
    [[nodiscard]] virtual Result<std::uint32_t>
    create_pool(const std::string& name, const std::optional<proto::Arrangement>& wanted) = 0;
    [[nodiscard]] virtual Result<void> destroy_pool(std::uint32_t pool_id) = 0;
    [[nodiscard]] virtual Result<void> rename_pool(std::uint32_t pool_id,
                                                   const std::string& name) = 0;
    /// Into the pool, or, without one, out of its pool and offline.
    [[nodiscard]] virtual Result<void> move_cpu(unsigned cpu,
                                                std::optional<std::uint32_t> pool_id) = 0;
    /// The workload must outlive the domain. The first domain is Domain-0. Returns the domid.
    [[nodiscard]] virtual Result<std::uint32_t> create_domain(const DomainOptions& options,
                                                              Workload& workload) = 0;
    [[nodiscard]] virtual Result<void> destroy_domain(std::uint32_t domid) = 0;
    [[nodiscard]] virtual Result<void> move_domain(std::uint32_t domid, std::uint32_t pool_id) = 0;
    [[nodiscard]] virtual Result<void> set_scheduling(std::uint32_t domid,
                                                      std::optional<unsigned> weight,
                                                      std::optional<unsigned> cap) = 0;
    /// Through the hypervisor's own sysctl code; it costs virtual time as it does there.
    [[nodiscard]] virtual Result<proto::SimReply::InForce>
    set_layout(std::uint32_t pool_id, const proto::Arrangement& wanted) = 0;
    [[nodiscard]] virtual Result<proto::SimReply::InForce> layout(std::uint32_t pool_id) const = 0;
    /// The rate limit in microseconds, through the same code; it returns what is then in force.
    [[nodiscard]] virtual Result<std::uint32_t> set_rate_limit(std::uint32_t pool_id,
                                                               std::uint32_t us) = 0;
    [[nodiscard]] virtual Result<std::uint32_t> rate_limit(std::uint32_t pool_id) const = 0;

    /// Has the n-th allocation of Xen's heap from now on fail, and no other; 0: none.
    virtual void fail_allocation(unsigned nth) = 0;

    /// Runs until virtual time is `until`. Errors: an assertion of Xen's (the machine is then
    /// dead).
    [[nodiscard]] virtual Result<void> advance(Nanoseconds until) = 0;

    // What tools in dom0 see.
    [[nodiscard]] virtual proto::SimReply::Info info() const = 0;
    [[nodiscard]] virtual proto::HostSnapshot snapshot() const = 0;
    [[nodiscard]] virtual proto::CounterSample counters() const = 0;
    /// The trace since the last call, as xentrace writes it.
    [[nodiscard]] virtual std::string drain_trace() = 0;
    virtual void set_tracing(bool on) = 0;
    /// How much of the trace a CPU's buffer holds until it is drained; what does not fit is lost.
    virtual void set_trace_buffers(std::size_t bytes) = 0;

    // What only a simulator knows: run, runnable, work, wake-to-run by guest and everything by
    // pool; what the workloads themselves count (requests, responses, deadlines) is left empty.
    virtual void reset_truth() = 0;
    [[nodiscard]] virtual proto::Truth truth() const = 0;
};

} // namespace sim
