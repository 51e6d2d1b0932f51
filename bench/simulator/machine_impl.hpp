// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include "bench/simulator/machine.hpp"
#include "bench/simulator/machine_engine.hpp"

#include <array>
#include <map>

namespace sim {

class MachineImpl final : public Machine {
  public:
    explicit MachineImpl(const MachineOptions& options);
    ~MachineImpl() override;
    [[nodiscard]] Result<void> boot(const MachineOptions& options);

    [[nodiscard]] Nanoseconds now() const override { return engine_.now(); }
    void notify(VcpuId to) override { engine_.notify(to); }
    void set_timer(VcpuId vcpu, Nanoseconds at) override { engine_.set_timer(vcpu, at); }
    Nanoseconds waiting_since(VcpuId vcpu) const override { return engine_.waiting_since(vcpu); }
    void call_outside(std::uint32_t guest, Nanoseconds at, std::uint64_t token) override {
        engine_.call_outside(guest, at, token);
    }

    Result<std::uint32_t> create_pool(const std::string& name,
                                      const std::optional<proto::Arrangement>& wanted) override;
    Result<void> destroy_pool(std::uint32_t pool_id) override;
    Result<void> rename_pool(std::uint32_t pool_id, const std::string& name) override;
    Result<void> move_cpu(unsigned cpu, std::optional<std::uint32_t> pool_id) override;
    Result<std::uint32_t> create_domain(const DomainOptions& options, Workload& workload) override;
    Result<void> destroy_domain(std::uint32_t domid) override;
    Result<void> move_domain(std::uint32_t domid, std::uint32_t pool_id) override;
    Result<void> set_scheduling(std::uint32_t domid, std::optional<unsigned> weight,
                                std::optional<unsigned> cap) override;
    Result<proto::SimReply::InForce> set_layout(std::uint32_t pool_id,
                                                const proto::Arrangement& wanted) override;
    Result<proto::SimReply::InForce> layout(std::uint32_t pool_id) const override;
    Result<std::uint32_t> set_rate_limit(std::uint32_t pool_id, std::uint32_t us) override;
    Result<std::uint32_t> rate_limit(std::uint32_t pool_id) const override;
    void fail_allocation(unsigned nth) override { xen_fail_allocation(nth); }
    Result<void> advance(Nanoseconds until) override { return engine_.advance(until); }

    proto::SimReply::Info info() const override;
    proto::HostSnapshot snapshot() const override;
    proto::CounterSample counters() const override;
    std::string drain_trace() override { return engine_.trace().drain(); }
    void set_tracing(bool on) override { xen_set_tracing(on ? 1 : 0); }
    void set_trace_buffers(std::size_t bytes) override { engine_.trace().resize(bytes); }
    void reset_truth() override;
    proto::Truth truth() const override;

  private:
    using Mask = std::array<std::uint64_t, XEN_MASK_WORDS>;

    /// Calls `function`, again after a moment as long as Xen says that it has to wait; `what` names
    /// the thing to do, for errors.
    Result<void> xen(const std::string& what, const XenCall& function) const;
    /// The CPUs that Xen schedules as one with this one (sched-gran). They move together and are in
    /// an affinity together: Xen accepts a part of them, and then fails an assertion.
    [[nodiscard]] std::vector<unsigned> together(unsigned cpu) const;
    Result<void> bring_up(const std::vector<unsigned>& cpus);
    Result<void> take_down(const std::vector<unsigned>& cpus);
    Result<void> take_out(unsigned cpu);
    Result<void> put_in(unsigned cpu, std::uint32_t pool);
    [[nodiscard]] std::uint32_t free_domid();
    Result<void> set_up(const DomainOptions& options, std::uint32_t domid, Domain& domain);
    /// Where its vCPUs like to run, or else may run.
    [[nodiscard]] std::vector<bool> nodes_of(const DomainOptions& options) const;
    Result<void> set_affinity(const DomainOptions& options, EngineVcpu& vcpu);
    Result<void> check_pool(std::uint32_t pool) const;
    Result<void> check_name(const std::string& name) const;
    Result<Mask> mask_of(const std::vector<unsigned>& cpus, const std::string& what) const;
    /// After all that may have moved CPUs or domains between pools.
    void refresh();
    void count_cpu_time() const;
    /// Of its vCPUs, since counting began.
    /// The domain's truth with what follows from Xen's account of its vCPUs' times.
    [[nodiscard]] DomainTruth with_times(const Domain& domain) const;

    mutable Engine engine_; // what looks at it settles the accounts first
    unsigned threads_;      ///< of a core
    std::string xen_args_;
    proto::Arrangement boot_;
    std::map<std::uint32_t, std::string> pools_;
    unsigned granularity_ = 0; ///< as in xen_pool_info; of all pools
    std::uint32_t next_domid_ = 0;
    mutable Nanoseconds counted_to_ = 0; ///< pools' CPU time
    Nanoseconds truth_from_ = 0;
};

} // namespace sim
