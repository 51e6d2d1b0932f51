// SPDX-License-Identifier: MIT
// For tests of windows: a host, and the windows that a trace of it gives.
#pragma once

#include "collector/trace/stream.hpp"
#include "collector/window/features.hpp"
#include "collector/window/window.hpp"
#include "tests/support/trace_bytes.hpp"

#include <doctest/doctest.h>
#include <string_view>
#include <vector>

namespace intellisched::test {

inline constexpr std::uint16_t idle = trace::idle_domain;
inline constexpr std::uint64_t khz = 1'000'000; // a cycle is a nanosecond
inline constexpr std::uint64_t ms = 1'000'000, us = 1'000;

/// Two sockets of two cores of two threads; dom0, and domains 1 (weight 512) and 2, in one pool.
inline proto::HostSnapshot host() {
    proto::HostSnapshot snapshot;
    auto* pool = snapshot.add_pools();
    pool->set_name("Pool-0");
    pool->set_scheduler("credit2");
    pool->set_granularity("cpu");
    for (unsigned id = 0; id < 8; ++id) {
        auto* cpu = snapshot.add_cpus();
        cpu->set_id(id);
        cpu->set_core(id / 2 % 2);
        cpu->set_socket(id / 4);
        cpu->set_node(id / 4);
        pool->add_cpus(id);
    }
    for (unsigned id = 0; id < 3; ++id) {
        auto* domain = snapshot.add_domains();
        domain->set_id(id);
        domain->set_weight(id == 1 ? 512 : 256);
        for (unsigned v = 0; v < 2; ++v) {
            auto* vcpu = domain->add_vcpus();
            vcpu->set_id(v);
            vcpu->set_online(true);
            if (id == 2) vcpu->add_hard_affinity(v);
        }
    }
    return snapshot;
}

struct Windows {
    std::vector<WindowStats> windows;
    double value(std::size_t window, std::string_view feature) const {
        return feature_vector(windows.at(window)).values.at(*feature_index(feature));
    }
};

/// Of traces in which a busy CPU has fewer records than credit2 would write.
inline const WindowOptions sparse{.seconds = 1, .boot = {}, .longest_silence_s = 1e9};

/// The windows that this trace and these samples give.
inline Windows build(const std::vector<Window>& trace,
                     const std::vector<proto::CounterSample>& samples = {},
                     const proto::HostSnapshot& snapshot = host()) {
    Windows result;
    WindowBuilder builder(sparse, khz, [&](const WindowStats& s) { result.windows.push_back(s); });
    builder.add(*view_of(snapshot));
    for (const auto& sample : samples) builder.add(sample);
    trace::TraceStream stream("test");
    const auto handler = [&](const trace::Record& r) { builder.add(r); };
    REQUIRE(stream.feed(bytes_of(trace), handler));
    stream.finish(handler);
    builder.finish();
    return result;
}

/// A vCPU that runs from `begin` to `end` on the window's CPU, woken `wait` before, then blocks.
inline void run(Window& window, std::uint16_t domain, std::uint16_t vcpu, std::uint64_t begin,
                std::uint64_t end, std::uint64_t wait) {
    window.runstate(begin - wait, domain, vcpu, trace::Runstate::blocked, trace::Runstate::runnable)
        .runstate(begin, domain, vcpu, trace::Runstate::runnable, trace::Runstate::running)
        .runstate(end, domain, vcpu, trace::Runstate::running, trace::Runstate::blocked);
}

} // namespace intellisched::test
