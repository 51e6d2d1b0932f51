// SPDX-License-Identifier: MIT
#include "src/service/config.hpp"

#include "src/base/files.hpp"
#include "src/service/config_keys.hpp"

extern "C" {
#include <libxlutil.h>
}

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <sys/un.h>

namespace intellisched {
namespace {

namespace fs = std::filesystem;

/// A number of T, and what it may be.
template<class T> struct Number {
    std::string_view key;
    double least, most;
    bool whole;
    void (*set)(T&, double);
};

constexpr double day = 86'400;

constexpr std::array<Number<ServiceConfig>, 4> numbers{{
    // The model learnt from windows of a second; a few more leave room for a trial's windows
    // before they are too old.
    {"interval", 1, 5, true, [](auto& c, double n) { c.interval = static_cast<unsigned>(n); }},
    {"journal_days", 1, 3650, true,
     [](auto& c, double n) { c.journal_days = static_cast<unsigned>(n); }},
    {"journal_mb", 8, 1 << 20, true,
     [](auto& c, double n) { c.journal_mb = static_cast<unsigned>(n); }},
    {"return_to_boot_layout", 0, 1, true,
     [](auto& c, double n) { c.return_to_boot_layout = n != 0; }},
}};

Nanoseconds seconds(double n) { return static_cast<Nanoseconds>(n) * second; }

constexpr std::array<Number<PolicySettings>, 7> limits{{
    {"dwell", 10, 7 * day, true, [](auto& s, double n) { s.dwell = seconds(n); }},
    {"longest_dwell", 10, 30 * day, true, [](auto& s, double n) { s.longest_dwell = seconds(n); }},
    {"switches_an_hour", 1, 60, true,
     [](auto& s, double n) { s.switches_an_hour = static_cast<unsigned>(n); }},
    {"gain", 0, 1, false, [](auto& s, double n) { s.leave.gain = n; }},
    {"confidence", 0, 1, false, [](auto& s, double n) { s.leave.confidence = n; }},
    {"stand_down", 0, 30 * day, true, [](auto& s, double n) { s.stand_down = seconds(n); }},
    // Fewer than least_windows are no trial.
    {"trial_windows", 10, 200, true,
     [](auto& s, double n) { s.trial.windows = static_cast<unsigned>(n); }},
}};

constexpr Number<PoolConfig> guest_scores{"guest_scores", 0, 1, true,
                                          [](auto& p, double n) { p.guest_scores = n != 0; }};

struct Path {
    std::string_view key;
    fs::path ServiceConfig::*member;
    bool needed;
    std::size_t longest;
    std::string_view ending; ///< that the name must have
};

constexpr std::array<Path, 4> paths{{
    {"bundle", &ServiceConfig::bundle, false, 4095, ""},
    {"journal", &ServiceConfig::journal, true, 4000, ""}, // SQLite adds endings of its own
    {"socket", &ServiceConfig::socket, true, sizeof(sockaddr_un::sun_path) - 1, ""},
    {"metrics", &ServiceConfig::metrics, false, 4000, ".prom"}, // node_exporter reads no other
}};

constexpr std::array<std::string_view, 13> known_keys{"bundle",
                                                      "interval",
                                                      "journal",
                                                      "journal_days",
                                                      "journal_mb",
                                                      "socket",
                                                      "control_group_may",
                                                      "metrics",
                                                      "log_level",
                                                      "return_to_boot_layout",
                                                      "mode",
                                                      "intent",
                                                      "pools"};
constexpr std::array<std::string_view, 11> known_pool_keys{
    "name", "mode",       "intent",     "dwell",         "longest_dwell", "switches_an_hour",
    "gain", "confidence", "stand_down", "trial_windows", "guest_scores"};

template<class Keys> bool has(const Keys& keys, std::string_view key) {
    return std::find(keys.begin(), keys.end(), key) != keys.end();
}

std::string_view trim(std::string_view text) {
    const auto from = text.find_first_not_of(" \t");
    if (from == text.npos) return {};
    return text.substr(from, text.find_last_not_of(" \t") - from + 1);
}

template<class N> bool parse(std::string_view text, N& n) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
    return error == std::errc() && end == text.data() + text.size();
}

/// Sets what `number` is about; nothing, or what is wrong with the text.
template<class T> std::string assign(const Number<T>& number, T& to, std::string_view text) {
    double n = 0;
    std::uint64_t whole = 0;
    const bool is_number = number.whole ? parse(text, whole) : parse(text, n);
    if (number.whole) n = static_cast<double>(whole);
    if (!is_number || !(n >= number.least && n <= number.most))
        return fmt::format("'{}' is not a {}number from {} to {}", printable(text),
                           number.whole ? "whole " : "", number.least, number.most);
    number.set(to, n);
    return {};
}

template<class T> std::string assign_name(std::optional<T> found, T& to, std::string_view text,
                                          std::string_view allowed) {
    if (!found) return fmt::format("'{}' is none of {}", printable(text), allowed);
    to = *found;
    return {};
}
std::string assign_mode(Mode& to, std::string_view text) {
    return assign_name(mode_from_string(text), to, text, "off, observe, recommend, auto");
}
std::string assign_intent(Intent& to, std::string_view text) {
    return assign_name(intent_from_string(text), to, text, "throughput, latency, balanced");
}
std::string assign_group_may(bool& changes, std::string_view text) {
    const bool known = text == "status" || text == "change";
    return assign_name(known ? std::optional(text == "change") : std::nullopt, changes, text,
                       "status, change");
}
std::string assign_level(boost::log::trivial::severity_level& to, std::string_view text) {
    boost::log::trivial::severity_level level{};
    const bool known = boost::log::trivial::from_string(text.data(), text.size(), level);
    return assign_name(known ? std::optional(level) : std::nullopt, to, text,
                       "trace, debug, info, warning, error, fatal");
}

std::string assign_path(const Path& path, ServiceConfig& to, std::string_view text) {
    if (text.empty() && path.needed) return "it is empty; give it a path";
    if (!text.empty() && !text.starts_with('/'))
        return fmt::format("'{}' does not begin with /; give it a whole path", printable(text));
    if (text.size() > path.longest)
        return fmt::format("'{}...' has {} bytes; {} are allowed", printable(text, 32), text.size(),
                           path.longest);
    if (!text.empty() && !text.ends_with(path.ending))
        return fmt::format("'{}' does not end in {}", printable(text), path.ending);
    to.*path.member = text;
    return {};
}

/// libxlutil's parse of a text.
class Parsed {
  public:
    explicit Parsed(std::string_view text) : report_(::open_memstream(&said_, &size_)) {
        if (report_) config_ = xlu_cfg_init(report_, "");
        error_ = config_ ? xlu_cfg_readdata(config_, text.data(), static_cast<int>(text.size()))
                         : ENOMEM;
        if (report_) std::fflush(report_);
    }
    Parsed(const Parsed&) = delete;
    Parsed& operator=(const Parsed&) = delete;
    ~Parsed() {
        xlu_cfg_destroy(config_);
        if (report_) std::fclose(report_);
        std::free(said_);
    }
    /// 0, or an errno value; then the settings must not be asked for.
    [[nodiscard]] int error() const { return error_; }
    /// What libxlutil wrote.
    [[nodiscard]] std::string_view said() const { return {said_ ? said_ : "", size_}; }
    [[nodiscard]] const XLU_Config* get() const { return config_; }

  private:
    char* said_ = nullptr;
    std::size_t size_ = 0;
    FILE* report_;
    XLU_Config* config_ = nullptr;
    int error_;
};

class Reader {
  public:
    explicit Reader(std::string name) : name_(std::move(name)) {}
    Result<ServiceConfig> read(std::string_view given);

  private:
    template<class... Args>
    void wrong(unsigned line, fmt::format_string<Args...> format, Args&&... args) {
        errors_.emplace_back(line, fmt::format(format, std::forward<Args>(args)...));
    }
    void syntax(const Parsed& parsed);
    bool usable(const ConfigKey& key);
    void value(const ConfigKey& key, std::string_view text);
    void pools(const XLU_Config* config);
    void pool(std::string_view entry, unsigned line);
    std::string pool_value(PoolConfig& pool, std::string_view key, std::string_view text);
    [[nodiscard]] Result<ServiceConfig> result();

    std::string name_;
    ServiceConfig config_;
    std::vector<ConfigKey> keys_;
    std::map<std::string_view, unsigned> set_;           // the lines that set a key
    std::map<std::string, unsigned, std::less<>> named_; // the lines that name a pool
    std::vector<std::pair<unsigned, std::string>> errors_;
};

Result<ServiceConfig> Reader::read(std::string_view given) {
    if (given.size() > max_config_bytes)
        return fail("{}: larger than the {} bytes that a configuration may have", name_,
                    max_config_bytes);
    // libxlutil ends the process over a zero byte in quotes.
    if (const auto zero = given.find('\0'); zero != given.npos)
        return fail("{}:{}: a zero byte; this is no text, write the file anew", name_,
                    1 + std::count(given.begin(), given.begin() + static_cast<long>(zero), '\n'));
    // Nor does it take a comment for one without the end of its line.
    const std::string text = std::string(given) + '\n';
    keys_ = config_keys(text);
    if (keys_.size() > max_config_settings)
        return fail("{}:{}: more than the {} settings that a configuration may have", name_,
                    keys_[max_config_settings].line, max_config_settings);
    const Parsed parsed(text);
    if (parsed.error() != 0) {
        syntax(parsed);
        return result();
    }
    for (const ConfigKey& key : keys_) {
        const char* set = nullptr;
        if (!usable(key) || key.name == "pools") continue;
        if (xlu_cfg_get_string(parsed.get(), std::string(key.name).c_str(), &set, 1) == 0)
            value(key, set);
        else
            wrong(key.line, "{}: a list; it takes a single value", key.name);
    }
    pools(parsed.get());
    return result();
}

/// What libxlutil reported: lines of ":LINE: what", and general remarks on Python.
void Reader::syntax(const Parsed& parsed) {
    std::string_view rest = parsed.said();
    while (!rest.empty()) {
        const std::string_view said = rest.substr(0, rest.find('\n'));
        rest.remove_prefix(std::min(said.size() + 1, rest.size()));
        unsigned line = 0;
        const char* const end = said.data() + said.size();
        if (!said.starts_with(':')) continue;
        const auto [at, error] = std::from_chars(said.data() + 1, end, line);
        if (error != std::errc() || at == end) continue;
        const std::string what =
            printable(trim(std::string_view(at + 1, static_cast<std::size_t>(end - at - 1))), 256);
        // libxlutil 4.17 takes the end of a line for one of the line before.
        if (what.find("unexpected NEWLINE") != what.npos) ++line;
        wrong(line, "{}; what is no whole number stands in quotes, lists in [ ]", what);
    }
    if (errors_.empty()) wrong(0, "cannot be parsed: {}", std::strerror(parsed.error()));
}

bool Reader::usable(const ConfigKey& key) {
    if (!has(known_keys, key.name)) {
        wrong(key.line, "{}: no such key; there are {}", printable(key.name, 64),
              fmt::join(known_keys, ", "));
        return false;
    }
    const auto [before, first] = set_.emplace(key.name, key.line);
    if (key.addition && key.name == "pools") return true;
    if (!first) {
        wrong(key.line, "{}: set before, in line {}; leave one of them", key.name, before->second);
        return false;
    }
    if (key.addition) wrong(key.line, "{}: += is for pools; set it with =", key.name);
    return !key.addition;
}

void Reader::value(const ConfigKey& key, std::string_view text) {
    std::string mistake;
    for (const auto& number : numbers)
        if (key.name == number.key) mistake = assign(number, config_, text);
    for (const Path& path : paths)
        if (key.name == path.key) mistake = assign_path(path, config_, text);
    if (key.name == "mode") mistake = assign_mode(config_.mode, text);
    if (key.name == "intent") mistake = assign_intent(config_.intent, text);
    if (key.name == "control_group_may")
        mistake = assign_group_may(config_.control_group_changes, text);
    if (key.name == "log_level") mistake = assign_level(config_.log_level, text);
    if (!mistake.empty()) wrong(key.line, "{}: {}", key.name, mistake);
}

void Reader::pools(const XLU_Config* config) {
    const auto set = set_.find("pools");
    if (set == set_.end()) return;
    XLU_ConfigList* list = nullptr;
    int count = 0;
    if (xlu_cfg_get_list(config, "pools", &list, &count, 1) != 0)
        return wrong(set->second,
                     "pools: a single value; it takes a list: [ \"name=Pool-0,mode=auto\", ... ]");
    std::vector<unsigned> lines;
    for (const ConfigKey& key : keys_)
        if (key.name == "pools") lines.insert(lines.end(), key.entries.begin(), key.entries.end());
    for (int i = 0; i < count; ++i) {
        const auto at = static_cast<std::size_t>(i);
        const unsigned line = at < lines.size() ? lines[at] : set->second;
        if (const char* entry = xlu_cfg_get_listitem(list, i))
            pool(entry, line);
        else
            wrong(line, "pools: a list in the list; an entry is \"name=...,mode=...\"");
    }
}

void Reader::pool(std::string_view entry, unsigned line) {
    std::map<std::string_view, std::string_view> values;
    std::vector<std::string> mistakes;
    for (std::string_view rest = entry; !rest.empty();) {
        const std::string_view part = rest.substr(0, rest.find(','));
        rest.remove_prefix(std::min(part.size() + 1, rest.size()));
        const auto equals = part.find('=');
        const std::string_view key = trim(part.substr(0, equals));
        if (equals == part.npos)
            mistakes.push_back(fmt::format("'{}' is no key=value", printable(trim(part), 64)));
        else if (!has(known_pool_keys, key))
            mistakes.push_back(fmt::format("{}: no such key; there are {}", printable(key, 64),
                                           fmt::join(known_pool_keys, ", ")));
        else if (!values.emplace(key, trim(part.substr(equals + 1))).second)
            mistakes.push_back(fmt::format("{}: set twice; leave one of them", key));
    }
    // A name that is missing becomes one that is empty.
    PoolConfig pool{std::string(values["name"]), config_.mode, config_.intent};
    for (const auto& [key, text] : values)
        if (std::string mistake = pool_value(pool, key, text); !mistake.empty())
            mistakes.push_back(fmt::format("{}: {}", key, mistake));

    const PolicySettings& s = pool.settings;
    if (s.longest_dwell < s.dwell)
        mistakes.push_back(fmt::format("longest_dwell: {} is less than the dwell of {}; set both",
                                       s.longest_dwell / second, s.dwell / second));
    // A switch needs a third more before it, none of them too old.
    const unsigned windows = s.trial.windows + s.trial.windows / 3;
    if (windows * config_.interval > s.window_age / second)
        mistakes.push_back(fmt::format("trial_windows: {} and a third of that take {} s at an "
                                       "interval of {} s; windows of {} s "
                                       "are looked at, set less",
                                       s.trial.windows, windows * config_.interval,
                                       config_.interval, s.window_age / second));

    if (const auto [before, first] = named_.emplace(pool.name, line); !first && !pool.name.empty())
        mistakes.push_back(
            fmt::format("named before, in line {}; leave one of them", before->second));

    for (const std::string& mistake : mistakes)
        wrong(line, "pools: {}: {}", pool.name.empty() ? "an entry" : printable(pool.name, 64),
              mistake);
    if (!pool.name.empty()) config_.pools.push_back(std::move(pool));
}

/// Sets a pool's key; nothing, or what is wrong with the text.
std::string Reader::pool_value(PoolConfig& pool, std::string_view key, std::string_view text) {
    for (const auto& limit : limits)
        if (key == limit.key) return assign(limit, pool.settings, text);
    if (key == guest_scores.key) return assign(guest_scores, pool, text);
    if (key == "mode") return assign_mode(pool.mode, text);
    if (key == "intent") return assign_intent(pool.intent, text);
    if (text.empty()) return "missing; it says which pool";
    return {};
}

Result<ServiceConfig> Reader::result() {
    if (errors_.empty()) return std::move(config_);
    std::stable_sort(errors_.begin(), errors_.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    std::string all;
    for (const auto& [line, what] : errors_)
        all += fmt::format("{}{}{}: {}", all.empty() ? "" : "\n", name_,
                           line ? fmt::format(":{}", line) : "", what);
    return tl::unexpected(Error{all});
}

} // namespace

PoolConfig ServiceConfig::pool(std::string_view name) const {
    for (const PoolConfig& pool : pools)
        if (pool.name == name) return pool;
    return {std::string(name), mode, intent};
}

bool ServiceConfig::guest_scores() const {
    return std::any_of(pools.begin(), pools.end(),
                       [](const PoolConfig& pool) { return pool.guest_scores; });
}

Result<ServiceConfig> parse_config(std::string_view text, const std::string& name) {
    return Reader(name).read(text);
}

Result<ServiceConfig> read_config(const fs::path& path, const fs::path& usual) {
    std::error_code error;
    if (path == usual && !fs::exists(path, error) && !error) return ServiceConfig();
    const auto bytes = TRY(read_file(path, max_config_bytes));
    return parse_config({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path.string());
}

} // namespace intellisched
