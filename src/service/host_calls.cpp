// SPDX-License-Identifier: MIT
#include "src/service/host_calls.hpp"

#include "src/host/apply.hpp"
#include "src/host/xl.hpp"
#include "src/pool/live_score.hpp"

#include <ctime>

namespace intellisched::service {

Nanoseconds host_clock() {
    timespec time{};
    ::clock_gettime(CLOCK_MONOTONIC_RAW, &time);
    return static_cast<Nanoseconds>(time.tv_sec) * second + static_cast<Nanoseconds>(time.tv_nsec);
}

Result<void> apply_to(Configurator& configurator, const HostView& host, const Request& asked) {
    // By the name alone: a pool that is called "1" is not the pool whose number is 1.
    for (const Pool& pool : host.pools) {
        if (pool.name != asked.pool.name) continue;
        // Somebody may have been faster, or the call late: what is there is not to be overwritten.
        const auto another = [](const auto& now, const auto& from, const auto& to) {
            return now && from && now != from && now != to;
        };
        if (another(pool.rate_limit_us, asked.from.rate_limit_us, asked.change.rate_limit_us) ||
            another(pool.arrangement, asked.from.arrangement, asked.change.arrangement))
            return fail("{}: somebody else changed the pool meanwhile; it is left as it is",
                        printable(asked.pool.name, 64));
        TRY(intellisched::apply(configurator, host.topology, pool, asked.change, false));
        return {};
    }
    return fail("{}: no such cpupool any more", printable(asked.pool.name, 64));
}

Result<void> apply_to(Configurator& configurator, const HostView& host,
                      const WeightRequest& asked) {
    for (const proto::Domain& domain : host.snapshot.domains()) {
        if (domain.id() != asked.domain || uuid_hash(domain) != asked.uuid) continue;
        if (domain.weight() == asked.to) return {};
        if (domain.weight() != asked.from)
            return fail("{}: somebody else changed its weight meanwhile; it is left as it is",
                        printable(asked.guest, 64));
        return configurator.set_weight(domain.id(), asked.to);
    }
    return fail("{}: no such domain any more", printable(asked.guest, 64));
}

HostCalls live_calls() {
    struct Opened {
        Xl xl;
        Change boot;
        [[nodiscard]] Result<Reading> read() {
            const Nanoseconds taken = host_clock();
            auto view = TRY(xl.snapshot());
            return Reading{std::move(view), boot, taken};
        }
    };
    const auto open = []() -> Result<Opened> {
        auto xl = TRY(Xl::open());
        const auto info = TRY(xl.info()); // snapshot() wants it
        return Opened{std::move(xl), booted(info)};
    };
    const auto change = [open](const auto& asked) -> ApplyOutcome {
        auto opened = open();
        if (!opened) return {tl::unexpected(opened.error()), host_clock(), {}};
        auto before = opened->read();
        if (!before) return {tl::unexpected(before.error()), host_clock(), {}};
        auto applied = apply_to(opened->xl.configurator(), before->host, asked);
        ApplyOutcome applying{std::move(applied), host_clock(), {}};
        if (auto after = opened->read()) applying.reading = std::move(*after);
        return applying;
    };
    return {.apply = change,
            .read = [open]() -> Result<Reading> {
                auto opened = TRY(open());
                return opened.read();
            },
            .set_weight = change};
}

} // namespace intellisched::service
