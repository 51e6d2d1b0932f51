// SPDX-License-Identifier: GPL-2.0-only
// A machine without Xen and without costs: CPUs that take the vCPUs that want one, first come first
// served, in turns as long as a step. What loads do on it can be calculated.
#pragma once

#include "bench/simulator/machine.hpp"

#include <algorithm>
#include <deque>
#include <map>
#include <queue>

namespace sim {

class IdealMachine final : public Machine {
  public:
    explicit IdealMachine(unsigned cpus, unsigned nodes = 1)
        : cpus_(cpus), nodes_(nodes), free_(cpus) {}

    // Platform
    Nanoseconds now() const override { return now_; }
    void notify(VcpuId to) override {
        const auto found = domains_.find(to.guest);
        if (found == domains_.end()) return;
        Vcpu& vcpu = found->second.vcpus[to.vcpu];
        if (vcpu.state == State::blocked)
            make_runnable(to);
        else
            vcpu.pending = true;
    }
    void set_timer(VcpuId vcpu, Nanoseconds at) override {
        domains_.at(vcpu.guest).vcpus[vcpu.vcpu].timer = at;
        if (at != 0) plan({.at = at, .kind = Kind::timer, .vcpu = vcpu});
    }
    Nanoseconds waiting_since(VcpuId) const override { return 0; }
    void call_outside(std::uint32_t guest, Nanoseconds at, std::uint64_t token) override {
        plan({.at = at, .kind = Kind::outside, .vcpu = {guest, 0}, .token = token});
    }

    // Machine
    Result<std::uint32_t> create_pool(const std::string& name,
                                      const std::optional<proto::Arrangement>&) override {
        pools.push_back(name);
        return static_cast<std::uint32_t>(pools.size());
    }
    Result<void> destroy_pool(std::uint32_t pool) override {
        pools.at(pool - 1) = "destroyed";
        return {};
    }
    Result<void> rename_pool(std::uint32_t pool, const std::string& name) override {
        pools.at(pool - 1) = name;
        return {};
    }
    Result<void> move_cpu(unsigned cpu, std::optional<std::uint32_t> pool) override {
        pool_of[cpu] = pool;
        return {};
    }
    Result<std::uint32_t> create_domain(const DomainOptions& options, Workload& work) override {
        created.push_back(options);
        Domain& domain = domains_[options.guest];
        domain = {.workload = &work,
                  .domid = static_cast<std::uint32_t>(created.size() - 1),
                  .name = options.name,
                  .vcpus = std::vector<Vcpu>(options.vcpus)};
        work.start(*this);
        for (unsigned i = 0; i < options.vcpus; ++i) make_runnable({options.guest, i});
        dispatch();
        return domain.domid;
    }
    Result<void> destroy_domain(std::uint32_t domid) override {
        // Only when nothing of it is on a CPU, which is enough for the tests.
        std::erase_if(domains_, [&](const auto& entry) { return entry.second.domid == domid; });
        return {};
    }
    Result<void> move_domain(std::uint32_t domid, std::uint32_t pool) override {
        moved[domid] = pool;
        return {};
    }
    Result<void> set_scheduling(std::uint32_t, std::optional<unsigned> weight,
                                std::optional<unsigned>) override {
        last_weight = weight.value_or(0);
        return {};
    }
    Result<proto::SimReply::InForce> set_layout(std::uint32_t pool,
                                                const proto::Arrangement& wanted) override {
        if (wanted.layout() == "cpu") return intellisched::fail("refused for the test");
        layouts[pool] = wanted;
        return layout(pool);
    }
    Result<std::uint32_t> set_rate_limit(std::uint32_t pool, std::uint32_t us) override {
        if (us == 1) return intellisched::fail("refused for the test");
        return rate_limits[pool] = us;
    }
    Result<std::uint32_t> rate_limit(std::uint32_t pool) const override {
        return rate_limits.at(pool);
    }
    Result<proto::SimReply::InForce> layout(std::uint32_t pool) const override {
        proto::SimReply::InForce in_force;
        *in_force.mutable_arrangement() = layouts.at(pool);
        return in_force;
    }
    void fail_allocation(unsigned) override {}
    Result<void> advance(Nanoseconds until) override {
        while (!events_.empty() && events_.top().at <= until) {
            const Event event = events_.top();
            events_.pop();
            now_ = event.at;
            ++events;
            happen(event);
            dispatch();
        }
        now_ = std::max(now_, until);
        return {};
    }
    proto::SimReply::Info info() const override { return {}; }
    proto::HostSnapshot snapshot() const override {
        proto::HostSnapshot host;
        for (unsigned i = 0; i < cpus_; ++i) {
            auto* cpu = host.add_cpus();
            cpu->set_id(i);
            cpu->set_node(i / (cpus_ / nodes_));
        }
        for (unsigned id = 0; id <= pools.size(); ++id) {
            auto* pool = host.add_pools();
            pool->set_id(id);
            pool->set_name(id == 0 ? "Pool-0" : pools[id - 1]);
            for (unsigned i = 0; i < cpus_; ++i) {
                const auto moved = pool_of.find(i);
                if (moved == pool_of.end() ? id == 0 : moved->second == id) pool->add_cpus(i);
            }
        }
        return host;
    }
    proto::CounterSample counters() const override { return {}; }
    std::string drain_trace() override { return {}; }
    void set_tracing(bool) override {}
    void set_trace_buffers(std::size_t bytes) override { trace_bytes = bytes; }
    void reset_truth() override { work_.clear(); }
    proto::Truth truth() const override {
        proto::Truth truth;
        for (const auto& [guest, domain] : domains_) {
            auto* one = truth.add_guests();
            one->set_name(domain.name);
            if (const auto work = work_.find(guest); work != work_.end())
                one->set_work_ns(work->second);
        }
        return truth;
    }

    /// Steps that the guest's vCPUs have ended since reset_truth().
    double work_s(std::uint32_t guest) const {
        const auto found = work_.find(guest);
        return found == work_.end() ? 0 : found->second / 1e9;
    }

    std::vector<DomainOptions> created;
    std::vector<std::string> pools;
    std::map<unsigned, std::optional<std::uint32_t>> pool_of;
    std::map<std::uint32_t, proto::Arrangement> layouts;
    std::map<std::uint32_t, std::uint32_t> rate_limits;
    std::map<std::uint32_t, std::uint32_t> moved; ///< domid to pool
    unsigned last_weight = 0;
    std::size_t trace_bytes = 0;
    std::uint64_t events = 0;

  private:
    enum class State : std::uint8_t { blocked, runnable, running };
    enum class Kind : std::uint8_t { done, timer, outside };
    struct Vcpu {
        State state = State::blocked;
        bool pending = false;
        bool its_turn = false; ///< it has waited for a CPU with a step to do
        Step next;
        Nanoseconds timer = 0;
    };
    struct Domain {
        Workload* workload = nullptr;
        std::uint32_t domid = 0;
        std::string name;
        std::vector<Vcpu> vcpus;
    };
    struct Event {
        Nanoseconds at = 0;
        Kind kind = Kind::done;
        VcpuId vcpu = {};
        std::uint64_t token = 0;
        Nanoseconds work = 0;
        std::uint64_t order = 0;
        bool operator<(const Event& other) const { // the first is the largest
            return at != other.at ? at > other.at : order > other.order;
        }
    };

    void plan(Event event) {
        event.order = ++order_;
        events_.push(event);
    }
    void make_runnable(VcpuId id) {
        domains_.at(id.guest).vcpus[id.vcpu].state = State::runnable;
        queue_.push_back(id);
    }
    void happen(const Event& event) {
        const auto found = domains_.find(event.vcpu.guest);
        if (found == domains_.end()) {
            if (event.kind == Kind::done) ++free_;
            return;
        }
        Vcpu& vcpu = found->second.vcpus[event.vcpu.vcpu];
        switch (event.kind) {
        case Kind::done:
            ++free_;
            work_[event.vcpu.guest] += static_cast<double>(event.work);
            run(event.vcpu);
            break;
        case Kind::timer:
            if (vcpu.timer != event.at) break; // it was set anew
            vcpu.timer = 0;
            notify(event.vcpu);
            break;
        case Kind::outside:
            found->second.workload->outside(event.token, *this);
            break;
        }
    }
    void dispatch() {
        while (free_ > 0 && !queue_.empty()) {
            const VcpuId id = queue_.front();
            queue_.pop_front();
            if (domains_.contains(id.guest)) run(id);
        }
    }
    /// Asks the vCPU what is next, then gives the CPU to the first that waits for one, if any.
    void run(VcpuId id) {
        Vcpu& vcpu = domains_.at(id.guest).vcpus[id.vcpu];
        vcpu.state = State::running;
        if (vcpu.next.kind == Step::Kind::block) vcpu.next = ask(id);
        if (vcpu.next.kind == Step::Kind::block) {
            vcpu.state = State::blocked;
        } else if (!queue_.empty() && !vcpu.its_turn) {
            make_runnable(id);
            vcpu.its_turn = true;
        } else {
            --free_;
            plan({.at = now_ + vcpu.next.work,
                  .kind = Kind::done,
                  .vcpu = id,
                  .work = vcpu.next.work});
            vcpu.next = {};
            vcpu.its_turn = false;
        }
    }
    Step ask(VcpuId id) {
        Domain& domain = domains_.at(id.guest);
        for (;;) {
            const Step step = domain.workload->next(id.vcpu, *this);
            bool& pending = domain.vcpus[id.vcpu].pending;
            if (step.kind != Step::Kind::block || !pending) return step;
            pending = false;
        }
    }

    unsigned cpus_;
    unsigned nodes_;
    unsigned free_;
    Nanoseconds now_ = 1'000'000;
    std::uint64_t order_ = 0;
    std::map<std::uint32_t, Domain> domains_;
    std::map<std::uint32_t, double> work_;
    std::deque<VcpuId> queue_;
    std::priority_queue<Event> events_;
};

} // namespace sim
