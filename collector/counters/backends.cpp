// SPDX-License-Identifier: MIT
#include "collector/counters/backends.hpp"

#include "src/base/files.hpp"

#include <charconv>
#include <cstdint>
#include <fcntl.h>
#include <map>
#include <optional>
#include <string_view>
#include <system_error>
#include <unistd.h>

namespace intellisched::counters {

namespace fs = std::filesystem;

namespace {

/// Domain of a device "<kind>-<domain>-<number>".
std::optional<std::uint32_t> domain_of(std::string_view name, std::string_view kind) {
    if (!name.starts_with(kind) || name.substr(kind.size(), 1) != "-") return std::nullopt;
    name.remove_prefix(kind.size() + 1);
    std::uint32_t domain = 0;
    const auto parsed = std::from_chars(name.data(), name.data() + name.size(), domain);
    const bool followed = parsed.ptr != name.data() + name.size() && *parsed.ptr == '-';
    if (parsed.ec != std::errc{} || !followed) return std::nullopt;
    return domain;
}

/// The number that a sysfs attribute holds; 0 when it has gone.
std::uint64_t number_in(const fs::path& attribute) {
    const FileDescriptor file(::open(attribute.c_str(), O_RDONLY | O_CLOEXEC));
    if (file.get() < 0) return 0;
    char text[32];
    const ssize_t n = ::read(file.get(), text, sizeof text);
    std::uint64_t value = 0;
    if (n > 0) std::from_chars(text, text + n, value);
    return value;
}

void add_network(const fs::path& device, proto::DomainCounters& domain) {
    std::error_code gone;
    for (const auto& interface : fs::directory_iterator(device / "net", gone)) {
        // What dom0 receives on this interface, the guest has sent.
        const fs::path statistics = interface.path() / "statistics";
        domain.set_network_rx_bytes(domain.network_rx_bytes() + number_in(statistics / "tx_bytes"));
        domain.set_network_tx_bytes(domain.network_tx_bytes() + number_in(statistics / "rx_bytes"));
        domain.set_network_rx_packets(domain.network_rx_packets() +
                                      number_in(statistics / "tx_packets"));
        domain.set_network_tx_packets(domain.network_tx_packets() +
                                      number_in(statistics / "rx_packets"));
    }
}

void add_block(const fs::path& device, proto::DomainCounters& domain) {
    const fs::path statistics = device / "statistics";
    domain.set_block_read_requests(domain.block_read_requests() + number_in(statistics / "rd_req"));
    domain.set_block_write_requests(domain.block_write_requests() +
                                    number_in(statistics / "wr_req"));
    domain.set_block_read_sectors(domain.block_read_sectors() + number_in(statistics / "rd_sect"));
    domain.set_block_write_sectors(domain.block_write_sectors() +
                                   number_in(statistics / "wr_sect"));
}

} // namespace

bool add_backends(const fs::path& devices, proto::CounterSample& sample) {
    std::error_code error;
    fs::directory_iterator device(devices, error);
    if (error) return false;
    std::map<std::uint32_t, proto::DomainCounters*> domains;
    for (proto::DomainCounters& domain : *sample.mutable_domains())
        domains.emplace(domain.id(), &domain);
    for (; !error && device != fs::directory_iterator(); device.increment(error)) {
        const std::string name = device->path().filename();
        const auto vif = domain_of(name, "vif");
        const auto vbd = domain_of(name, "vbd");
        const auto domain = domains.find(vif ? *vif : vbd.value_or(UINT32_MAX));
        if (domain == domains.end()) continue;
        if (vif)
            add_network(device->path(), *domain->second);
        else
            add_block(device->path(), *domain->second);
    }
    return true;
}

} // namespace intellisched::counters
