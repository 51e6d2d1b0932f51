// SPDX-License-Identifier: MIT
#include "collector/window/rates.hpp"

namespace intellisched {

void add_rates(WindowStats& stats, const proto::CounterSample& from, const proto::CounterSample& to,
               const std::unordered_map<unsigned, unsigned>& pool_ids) {
    const double seconds = static_cast<double>(to.tsc() - from.tsc()) / stats.tsc_hz;
    std::unordered_map<unsigned, const proto::DomainCounters*> earlier;
    for (const proto::DomainCounters& domain : from.domains()) earlier[domain.id()] = &domain;
    double bytes = 0, packets = 0, requests = 0, sectors = 0, cpu_ns = 0;
    for (const proto::DomainCounters& now : to.domains()) {
        const auto before = earlier.find(now.id());
        const auto pool_id = pool_ids.find(now.id());
        if (before == earlier.end() || pool_id == pool_ids.end() ||
            pool_id->second != stats.facts.pool_id)
            continue;
        // A counter that fell belongs to a new domain with an old id.
        const auto grown = [](std::uint64_t was, std::uint64_t is) {
            return is > was ? static_cast<double>(is - was) : 0;
        };
        const proto::DomainCounters& was = *before->second;
        bytes += grown(was.network_rx_bytes(), now.network_rx_bytes()) +
                 grown(was.network_tx_bytes(), now.network_tx_bytes());
        packets += grown(was.network_rx_packets(), now.network_rx_packets()) +
                   grown(was.network_tx_packets(), now.network_tx_packets());
        requests += grown(was.block_read_requests(), now.block_read_requests()) +
                    grown(was.block_write_requests(), now.block_write_requests());
        sectors += grown(was.block_read_sectors(), now.block_read_sectors()) +
                   grown(was.block_write_sectors(), now.block_write_sectors());
        cpu_ns += grown(was.cpu_ns(), now.cpu_ns());
    }
    stats.network_bytes = bytes / seconds;
    stats.network_packets = packets / seconds;
    stats.block_requests = requests / seconds;
    stats.block_bytes = sectors * 512 / seconds;
    stats.counted_cpu = cpu_ns / 1e9 / seconds;
}

void add_published(WindowStats& stats, const proto::CounterSample& sample,
                   const std::unordered_map<unsigned, unsigned>& pool_ids) {
    for (const proto::DomainCounters& domain : sample.domains()) {
        const auto pool_id = pool_ids.find(domain.id());
        if (domain.has_published_score() && pool_id != pool_ids.end() &&
            pool_id->second == stats.facts.pool_id)
            stats.published[domain.id()] = domain.published_score();
    }
}

} // namespace intellisched
