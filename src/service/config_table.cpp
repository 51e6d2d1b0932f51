// SPDX-License-Identifier: MIT
#include "src/service/config_table.hpp"

#include <algorithm>
#include <charconv>
#include <sys/un.h>
#include <type_traits>

namespace intellisched {
namespace {

namespace fs = std::filesystem;

template<class N> bool parse(std::string_view text, N& n) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
    return error == std::errc() && end == text.data() + text.size();
}

template<class Set> auto number(double least, double most, bool whole, Set set) {
    return [=](auto& to, std::string_view text) -> std::string {
        double n = 0;
        std::uint64_t integer = 0;
        const bool is_number = whole ? parse(text, integer) : parse(text, n);
        if (whole) n = static_cast<double>(integer);
        if (!is_number || !(n >= least && n <= most))
            return fmt::format("'{}' is not a {}number from {} to {}", printable(text),
                               whole ? "whole " : "", least, most);
        set(to, n);
        return {};
    };
}
template<class Set> auto whole(double least, double most, Set set) {
    return number(least, most, true, set);
}
template<class Set> auto part(Set set) { return number(0, 1, false, set); }
template<class Set> auto flag(Set set) { return whole(0, 1, set); }

/// One of the names in `allowed`; `from_string` tells what it stands for.
template<class From, class Set> auto name(std::string_view allowed, From from_string, Set set) {
    return [=](auto& to, std::string_view text) -> std::string {
        const auto found = from_string(text);
        if (!found) return fmt::format("'{}' is none of {}", printable(text), allowed);
        set(to, *found);
        return {};
    };
}
template<class Set> auto mode(Set set) {
    return name("off, observe, recommend, auto", mode_from_string, set);
}
template<class Set> auto intent(Set set) {
    return name("throughput, latency, balanced", intent_from_string, set);
}

/// `ending`: that the path must have.
Assign<ServiceConfig> path(fs::path ServiceConfig::*member, bool needed, std::size_t longest,
                           std::string_view ending = "") {
    return [=](ServiceConfig& to, std::string_view text) -> std::string {
        if (text.empty() && needed) return "it is empty; give it a path";
        if (!text.empty() && !text.starts_with('/'))
            return fmt::format("'{}' does not begin with /; give it a whole path", printable(text));
        if (text.size() > longest)
            return fmt::format("'{}...' has {} bytes; {} are allowed", printable(text, 32),
                               text.size(), longest);
        if (!text.empty() && !text.ends_with(ending))
            return fmt::format("'{}' does not end in {}", printable(text), ending);
        to.*member = text;
        return {};
    };
}

std::optional<bool> may_change(std::string_view text) {
    const bool known = text == "status" || text == "change";
    return known ? std::optional(text == "change") : std::nullopt;
}
std::optional<bool> may_tune(std::string_view text) {
    const bool known = text == "auto" || text == "keep";
    return known ? std::optional(text == "auto") : std::nullopt;
}
std::optional<boost::log::trivial::severity_level> level_from_string(std::string_view text) {
    boost::log::trivial::severity_level level{};
    const bool known = boost::log::trivial::from_string(text.data(), text.size(), level);
    return known ? std::optional(level) : std::nullopt;
}

constexpr double day = 86'400;

Nanoseconds seconds(double n) { return static_cast<Nanoseconds>(n) * second; }
unsigned count(double n) { return static_cast<unsigned>(n); }
} // namespace

template<> const std::vector<Key<ServiceConfig>>& keys() {
    using C = ServiceConfig;
    static const std::vector<Key<C>> all{
        {"bundle", path(&C::bundle, false, 4095)},
        // The model learnt from windows of a second; a few more leave room for a trial's windows
        // before they are too old.
        {"interval", whole(1, 5, [](C& c, double n) { c.interval = count(n); })},
        {"duty", whole(1, 1000, [](C& c, double n) { c.duty = count(n); })},
        {"buffer_pages", whole(1, 65535, [](C& c, double n) { c.buffer_pages = count(n); })},
        {"trace_mb", whole(1, 4096, [](C& c, double n) { c.trace_mb = count(n); })},
        {"journal", path(&C::journal, true, 4000)}, // SQLite adds endings of its own
        {"journal_days", whole(1, 3650, [](C& c, double n) { c.journal_days = count(n); })},
        {"journal_mb", whole(8, 1 << 20, [](C& c, double n) { c.journal_mb = count(n); })},
        {"socket", path(&C::socket, true, sizeof(sockaddr_un::sun_path) - 1)},
        {"control_group_may",
         name("status, change", may_change, [](C& c, bool may) { c.control_group_changes = may; })},
        {"metrics", path(&C::metrics, false, 4000, ".prom")}, // node_exporter reads no other
        {"log_level", name("trace, debug, info, warning, error, fatal", level_from_string,
                           [](C& c, auto level) { c.log_level = level; })},
        {"return_to_boot_layout", flag([](C& c, double n) { c.return_to_boot_layout = n != 0; })},
        {"mode", mode([](C& c, Mode to) { c.mode = to; })},
        {"intent", intent([](C& c, Intent to) { c.intent = to; })},
        {"pools", {}}, // lists; Reader::lists()
        {"protect", {}},
    };
    return all;
}

template<> const std::vector<Key<ProtectedGuest>>& keys() {
    using G = ProtectedGuest;
    static const std::vector<Key<G>> all{
        {"name",
         [](G& g, std::string_view text) {
             g.name = text;
             return text.empty() ? "missing; it says which guest" : "";
         }},
        {"factor", whole(2, 256, [](G& g, double n) { g.factor = count(n); })},
        {"loss", part([](G& g, double n) { g.loss = n; })},
    };
    return all;
}

template<> const std::vector<Key<PoolConfig>>& keys() {
    using P = PoolConfig;
    static const std::vector<Key<P>> all{
        {"name",
         [](P& p, std::string_view text) {
             p.name = text;
             return text.empty() ? "missing; it says which pool" : "";
         }},
        {"mode", mode([](P& p, Mode to) { p.mode = to; })},
        {"intent", intent([](P& p, Intent to) { p.intent = to; })},
        {"dwell", whole(10, 7 * day, [](P& p, double n) { p.settings.dwell = seconds(n); })},
        {"longest_dwell",
         whole(10, 30 * day, [](P& p, double n) { p.settings.longest_dwell = seconds(n); })},
        {"switches_an_hour",
         whole(1, 60, [](P& p, double n) { p.settings.switches_an_hour = count(n); })},
        {"gain", part([](P& p, double n) { p.settings.switch_margins.gain = n; })},
        {"confidence", part([](P& p, double n) { p.settings.switch_margins.confidence = n; })},
        {"stand_down",
         whole(0, 30 * day, [](P& p, double n) { p.settings.stand_down = seconds(n); })},
        // Fewer than least_windows are no trial.
        {"trial_windows",
         whole(10, 200, [](P& p, double n) { p.settings.trial.windows = count(n); })},
        {"rate_limit",
         name("auto, keep", may_tune, [](P& p, bool may) { p.settings.tune_rate_limit = may; })},
        {"rate_limit_min",
         whole(0, most_rate_limit_us,
               [](P& p, double n) { p.settings.least_rate_limit_us = count(n); })},
        {"rate_limit_max",
         whole(0, most_rate_limit_us,
               [](P& p, double n) { p.settings.highest_rate_limit_us = count(n); })},
        {"guest_scores", flag([](P& p, double n) { p.guest_scores = n != 0; })},
    };
    return all;
}
template<class T> const Key<T>* find_key(std::string_view name) {
    const auto found = std::ranges::find(keys<T>(), name, &Key<T>::name);
    return found != keys<T>().end() ? &*found : nullptr;
}

template<class T> std::string no_such_key(std::string_view name) {
    // It may be one of another kind.
    if constexpr (std::is_same_v<T, ServiceConfig>) {
        if (find_key<PoolConfig>(name))
            return fmt::format("{0}: no such key by itself; it is of a pool: pools = [ "
                               "\"name=Pool-0,{0}=...\" ]",
                               name);
    } else if (find_key<ServiceConfig>(name)) {
        return fmt::format("{0}: no such key of a {1}; it is of the service, on a line of its own: "
                           "{0} = ...",
                           name, std::is_same_v<T, PoolConfig> ? "pool" : "guest");
    }
    std::vector<std::string_view> names;
    for (const Key<T>& key : keys<T>()) names.push_back(key.name);
    return fmt::format("{}: no such key; there are {}", printable(name, 64),
                       fmt::join(names, ", "));
}

template const Key<ServiceConfig>* find_key<ServiceConfig>(std::string_view name);
template const Key<ProtectedGuest>* find_key<ProtectedGuest>(std::string_view name);
template const Key<PoolConfig>* find_key<PoolConfig>(std::string_view name);
template std::string no_such_key<ServiceConfig>(std::string_view name);
template std::string no_such_key<PoolConfig>(std::string_view name);
template std::string no_such_key<ProtectedGuest>(std::string_view name);

} // namespace intellisched
