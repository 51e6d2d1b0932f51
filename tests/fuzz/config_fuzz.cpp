// SPDX-License-Identifier: MIT
// libFuzzer target: a configuration, through libxlutil's parser and ours. What is accepted has to
// be within the ranges that everything else relies on; what is refused has to be said in lines that
// a terminal can show.
#include "src/service/config.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string_view>
#include <sys/un.h>

using namespace intellisched;

namespace {

bool within(double value, double least, double most) { return value >= least && value <= most; }

void check(const PoolConfig& pool) {
    const PolicySettings& s = pool.settings;
    if (pool.name.empty() || s.dwell < 10 * second || s.longest_dwell < s.dwell ||
        !within(s.switch_margins.gain, 0, 1) || !within(s.switch_margins.confidence, 0, 1) ||
        !within(s.switches_an_hour, 1, 60) || !within(s.trial.windows, 10, 200))
        std::abort();
}

void check(const ServiceConfig& config) {
    if (!within(config.interval, 1, 5) || !within(config.journal_days, 1, 3650) ||
        !config.journal.is_absolute() || !config.socket.is_absolute() ||
        config.socket.string().size() >= sizeof(sockaddr_un::sun_path) ||
        (!config.metrics.empty() && config.metrics.extension() != ".prom"))
        std::abort();
    for (const PoolConfig& pool : config.pools) {
        check(pool);
        if (std::count_if(config.pools.begin(), config.pools.end(),
                          [&](const PoolConfig& other) { return other.name == pool.name; }) != 1)
            std::abort();
    }
    (void)config.pool("Pool-0");
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto config = parse_config(text, "some.conf");
    if (config) {
        check(*config);
        return 0;
    }
    if (config.error().message.empty()) std::abort();
    for (const char c : config.error().message)
        if (c != '\n' && (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)) std::abort();
    return 0;
}
