// SPDX-License-Identifier: MIT
#include "src/service/config.hpp"

#include "src/base/files.hpp"
#include "src/service/config_keys.hpp"
#include "src/service/config_table.hpp"

extern "C" {
#include <libxlutil.h>
}

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <set>
#include <span>

namespace intellisched {
namespace {

namespace fs = std::filesystem;

std::string_view trim(std::string_view text) {
    const auto from = text.find_first_not_of(" \t");
    if (from == text.npos) return {};
    return text.substr(from, text.find_last_not_of(" \t") - from + 1);
}

std::string_view text_of(const std::vector<std::byte>& bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
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

/// The first and the last line of the setting that the line is of.
std::pair<unsigned, unsigned> statement(std::span<const ConfigKey> keys, unsigned line) {
    for (const ConfigKey& key : keys)
        if (key.line <= line && line <= key.end) return {key.line, key.end};
    return {line, line};
}

/// Makes spaces of lines, so that those after them keep their numbers.
void blank(std::string& text, std::pair<unsigned, unsigned> lines) {
    unsigned line = 1;
    for (char& c : text) {
        if (c == '\n')
            ++line;
        else if (line >= lines.first && line <= lines.second)
            c = ' ';
    }
}

class Reader {
  public:
    explicit Reader(std::string name) : name_(std::move(name)) {}
    Result<ServiceConfig> read(std::string_view given);

  private:
    template<class... Args>
    void wrong(unsigned line, fmt::format_string<Args...> format, Args&&... args) {
        errors_.emplace_back(line, fmt::format(format, std::forward<Args>(args)...));
    }
    void parse(std::string& text);
    std::set<unsigned> syntax(const Parsed& parsed);
    void settings(const XLU_Config* config);
    const Key<ServiceConfig>* usable(const ConfigKey& key);
    void lists(const XLU_Config* config);
    /// The entries of the list, each with its line.
    template<class Take> void list(const XLU_Config* config, std::string_view name, Take take);
    /// Sets the keys of an entry; what is wrong with it.
    template<class T>
    [[nodiscard]] static std::vector<std::string> assign(T& to, std::string_view entry);
    /// Tells what is wrong with an entry, and what of an earlier line has its name.
    void wrong_entry(std::string_view list, const std::string& name, unsigned line,
                     std::vector<std::string> mistakes);
    void pool(std::string_view entry, unsigned line);
    void guest(std::string_view entry, unsigned line);
    [[nodiscard]] Result<ServiceConfig> result();

    std::string name_;
    ServiceConfig config_;
    std::vector<ConfigKey> keys_;
    std::map<std::string_view, unsigned> set_;                           // the lines that set a key
    std::map<std::pair<std::string_view, std::string>, unsigned> named_; // lines, by list and name
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
    std::string text = std::string(given) + '\n';
    keys_ = config_keys(text);
    if (keys_.size() > max_config_settings)
        return fail("{}:{}: more than the {} settings that a configuration may have", name_,
                    keys_[max_config_settings].line, max_config_settings);
    parse(text);
    return result();
}

/// Of a text that libxlutil refuses the rest is looked at without what it refuses. `keys_` are the
/// text's.
void Reader::parse(std::string& text) {
    constexpr int most_rounds = 32;
    for (int round = 0; round < most_rounds; ++round) {
        const Parsed parsed(text);
        if (parsed.error() == 0) return settings(parsed.get());
        const std::string before = text;
        for (const unsigned line : syntax(parsed)) blank(text, statement(keys_, line));
        if (text == before) return;
        keys_ = config_keys(text);
    }
}

void Reader::settings(const XLU_Config* config) {
    for (const ConfigKey& key : keys_) {
        const char* set = nullptr;
        const auto* known = usable(key);
        if (!known || !known->assign) continue; // a list
        if (xlu_cfg_get_string(config, std::string(key.name).c_str(), &set, 1) != 0)
            wrong(key.line, "{}: a list; it takes a single value", key.name);
        else if (const auto mistake = known->assign(config_, set); !mistake.empty())
            wrong(key.line, "{}: {}", key.name, mistake);
    }
    lists(config);
}

/// What libxlutil reported: lines of ":LINE: what", and general remarks on Python. Returns the
/// lines.
std::set<unsigned> Reader::syntax(const Parsed& parsed) {
    std::set<unsigned> lines;
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
        lines.insert(line);
        wrong(line, "{}; what is no whole number stands in quotes, lists in [ ]", what);
    }
    if (errors_.empty()) wrong(0, "cannot be parsed: {}", std::strerror(parsed.error()));
    return lines;
}

/// The key that is set; null when it cannot be, which has been told.
const Key<ServiceConfig>* Reader::usable(const ConfigKey& key) {
    const auto* known = find_key<ServiceConfig>(key.name);
    if (!known) {
        wrong(key.line, "{}", no_such_key<ServiceConfig>(key.name));
        return nullptr;
    }
    const auto [before, first] = set_.emplace(key.name, key.line);
    if (key.addition && !known->assign) return known;
    if (first && !key.addition) return known;
    if (first)
        wrong(key.line, "{}: += is for lists; set it with =", key.name);
    else
        wrong(key.line, "{}: set before, in line {}; leave one of them", key.name, before->second);
    return nullptr;
}

template<class Take> void Reader::list(const XLU_Config* config, std::string_view name, Take take) {
    const auto set = set_.find(name);
    if (set == set_.end()) return;
    XLU_ConfigList* entries = nullptr;
    int count = 0;
    if (xlu_cfg_get_list(config, std::string(name).c_str(), &entries, &count, 1) != 0)
        return wrong(set->second, "{0}: a single value; it takes a list: [ \"name=...\", ... ]",
                     name);
    std::vector<unsigned> lines;
    for (const ConfigKey& key : keys_)
        if (key.name == name) lines.insert(lines.end(), key.entries.begin(), key.entries.end());
    for (int i = 0; i < count; ++i) {
        const auto at = static_cast<std::size_t>(i);
        const unsigned line = at < lines.size() ? lines[at] : set->second;
        if (const char* entry = xlu_cfg_get_listitem(entries, i))
            take(entry, line);
        else
            wrong(line, "{}: a list in the list; an entry is \"name=...,key=...\"", name);
    }
}

void Reader::lists(const XLU_Config* config) {
    list(config, "pools", [&](std::string_view entry, unsigned line) { pool(entry, line); });
    list(config, "protect", [&](std::string_view entry, unsigned line) { guest(entry, line); });
}

template<class T> std::vector<std::string> Reader::assign(T& to, std::string_view entry) {
    std::map<std::string_view, std::string_view> values;
    std::vector<std::string> mistakes;
    for (std::string_view rest = entry; !rest.empty();) {
        const std::string_view part = rest.substr(0, rest.find(','));
        rest.remove_prefix(std::min(part.size() + 1, rest.size()));
        const auto equals = part.find('=');
        const std::string_view key = trim(part.substr(0, equals));
        if (equals == part.npos)
            mistakes.push_back(fmt::format("'{}' is no key=value", printable(trim(part), 64)));
        else if (!find_key<T>(key))
            mistakes.push_back(no_such_key<T>(key));
        else if (!values.emplace(key, trim(part.substr(equals + 1))).second)
            mistakes.push_back(fmt::format("{}: set twice; leave one of them", key));
    }
    values.emplace("name", ""); // one that is missing is one that is empty
    for (const auto& [key, text] : values)
        if (const auto mistake = find_key<T>(key)->assign(to, text); !mistake.empty())
            mistakes.push_back(fmt::format("{}: {}", key, mistake));
    return mistakes;
}

void Reader::wrong_entry(std::string_view list, const std::string& name, unsigned line,
                         std::vector<std::string> mistakes) {
    if (const auto [before, first] = named_.emplace(std::pair(list, name), line);
        !first && !name.empty())
        mistakes.push_back(
            fmt::format("named before, in line {}; leave one of them", before->second));
    for (const std::string& mistake : mistakes)
        wrong(line, "{}: {}: {}", list, name.empty() ? "an entry" : printable(name, 64), mistake);
}

void Reader::guest(std::string_view entry, unsigned line) {
    ProtectedGuest guest;
    // Most need no more than a name.
    const bool only_name = entry.find_first_of("=,") == entry.npos;
    auto mistakes = assign(guest, only_name ? fmt::format("name={}", entry) : std::string(entry));
    wrong_entry("protect", guest.name, line, std::move(mistakes));
    if (!guest.name.empty()) config_.protect.push_back(std::move(guest));
}

void Reader::pool(std::string_view entry, unsigned line) {
    PoolConfig pool{{}, config_.mode, config_.intent};
    std::vector<std::string> mistakes = assign(pool, entry);

    const PolicySettings& s = pool.settings;
    if (s.longest_dwell < s.dwell)
        mistakes.push_back(fmt::format("longest_dwell: {} is less than the dwell of {}; set both",
                                       s.longest_dwell / second, s.dwell / second));
    if (s.highest_rate_limit_us < s.least_rate_limit_us)
        mistakes.push_back(fmt::format("rate_limit_max: {} is less than the rate_limit_min of {}; "
                                       "set both",
                                       s.highest_rate_limit_us, s.least_rate_limit_us));
    else if (std::ranges::none_of(rate_limits_us, [&](unsigned us) {
                 return us >= s.least_rate_limit_us && us <= s.highest_rate_limit_us;
             }))
        mistakes.push_back(fmt::format("rate_limit_min, rate_limit_max: none of {} lies between; "
                                       "set others, or rate_limit=keep",
                                       fmt::join(rate_limits_us, ", ")));
    // A switch needs a third more before it, none of them too old.
    const unsigned windows = s.trial.windows + s.trial.windows / 3;
    if (windows * config_.interval > s.window_age / second)
        mistakes.push_back(fmt::format("trial_windows: {} and a third of that take {} s at an "
                                       "interval of {} s; windows of {} s "
                                       "are looked at, set less",
                                       s.trial.windows, windows * config_.interval,
                                       config_.interval, s.window_age / second));

    wrong_entry("pools", pool.name, line, std::move(mistakes));
    if (!pool.name.empty()) config_.pools.push_back(std::move(pool));
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
    return parse_config(text_of(bytes), path.string());
}

Result<fs::path> read_socket(const fs::path& path, const fs::path& usual) {
    const auto config = read_config(path, usual);
    if (config) return config->socket;
    std::error_code error;
    if (path != usual && !fs::exists(path, error)) return tl::unexpected(config.error());
    fs::path socket = ServiceConfig().socket;
    if (const auto bytes = read_file(path, max_config_bytes))
        for (std::string_view rest = text_of(*bytes); !rest.empty();) {
            const std::string_view line = rest.substr(0, rest.find('\n'));
            rest.remove_prefix(std::min(line.size() + 1, rest.size()));
            if (!trim(line).starts_with("socket")) continue;
            if (const auto alone = parse_config(line, path.string())) socket = alone->socket;
        }
    BOOST_LOG_TRIVIAL(warning) << config.error().message;
    BOOST_LOG_TRIVIAL(warning) << "the service is asked all the same, at " << socket.string();
    return socket;
}

} // namespace intellisched
