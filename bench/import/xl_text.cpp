// SPDX-License-Identifier: MIT
#include "bench/import/xl_text.hpp"

#include "src/host/xl.hpp" // valid_utf8

#include <algorithm>
#include <array>
#include <charconv>
#include <fmt/ranges.h>

namespace intellisched::imported {
namespace {

constexpr unsigned max_cpus = 4096;    // as of src/layout/snapshot.cpp
constexpr unsigned max_domain = 32767; // DOMID_FIRST_RESERVED and the idle domain are above
constexpr unsigned max_vcpus = 8192;   // of a domain: MAX_VIRT_CPUS of Xen's asm/config.h
constexpr std::size_t max_pools = 256;
constexpr std::string_view blank = " \t";

using Words = std::vector<std::string_view>;

std::string_view trimmed(std::string_view text) {
    const auto first = text.find_first_not_of(" \t\r");
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

Words words_of(std::string_view text) {
    Words words;
    words.reserve(8);
    for (std::size_t at = text.find_first_not_of(blank); at != std::string_view::npos;) {
        const std::size_t end = std::min(text.find_first_of(blank, at), text.size());
        words.push_back(text.substr(at, end - at));
        at = text.find_first_not_of(blank, end);
    }
    return words;
}

/// The last `count` words; `text` keeps what stands before them. Nothing: it has fewer.
std::optional<Words> last_words(std::string_view& text, std::size_t count) {
    Words words(count);
    std::string_view left = trimmed(text);
    for (std::size_t i = count; i-- > 0;) {
        if (left.empty()) return std::nullopt;
        const std::size_t before = left.find_last_of(blank);
        words[i] = left.substr(before == std::string_view::npos ? 0 : before + 1);
        left = trimmed(left.substr(0, left.size() - words[i].size()));
    }
    text = left;
    return words;
}

std::optional<unsigned> number(std::string_view text) {
    unsigned value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

/// "0-3,8" or "0,1,2,3". Nothing: it is no such list, or names CPUs that no host has.
std::optional<CpuRanges> ranges_of(std::string_view text) {
    CpuRanges ranges;
    while (true) {
        const std::string_view one = text.substr(0, text.find(','));
        const std::size_t dash = one.find('-');
        const auto first = number(one.substr(0, dash));
        const auto last = dash == std::string_view::npos ? first : number(one.substr(dash + 1));
        if (!first || !last || *last < *first || *last >= max_cpus) return std::nullopt;
        if (!ranges.empty() && *first <= ranges.back().second) return std::nullopt;
        if (!ranges.empty() && *first == ranges.back().second + 1)
            ranges.back().second = *last;
        else
            ranges.emplace_back(*first, *last);
        if (one.size() == text.size()) return ranges;
        text.remove_prefix(one.size() + 1);
    }
}

/// False: no affinity.
bool read_affinity(std::string_view text, XlAffinity& to) {
    if (text == "all") return true;
    to = text == "none" ? CpuRanges{} : ranges_of(text);
    return to.has_value();
}

/// The outputs that are tables, by the words of their first lines.
enum class Table { none, topology, pool_cpus, pools, vcpus, weights };
struct Head {
    Table table;
    std::string_view words;
    std::string_view command;
};
constexpr std::array heads{
    Head{Table::topology, "cpu: core socket node", "xl info -n"},
    Head{Table::pool_cpus, "Name CPU list", "xl cpupool-list -c"},
    Head{Table::pools, "Name CPUs Sched Active Domain count", "xl cpupool-list"},
    Head{Table::vcpus, "Name ID VCPU CPU State Time(s) Affinity (Hard / Soft)", "xl vcpu-list"},
    Head{Table::weights, "Name ID Weight Cap", "xl sched-credit2"},
};

const Head* head_of(const Words& words) {
    if (words[0] != "Name" && words[0] != "cpu:") return nullptr;
    const std::string line = fmt::format("{}", fmt::join(words, " "));
    const auto found = std::find_if(heads.begin(), heads.end(),
                                    [&](const Head& head) { return head.words == line; });
    return found == heads.end() ? nullptr : &*found;
}

/// Whether a shell wrote it: "[root@dom0 ~]# xl vcpu-list", "dom0:~ $".
bool is_prompt(std::string_view line) {
    for (std::size_t at = 0; (at = line.find_first_of("#$>%", at)) != std::string_view::npos; ++at)
        if (at + 1 == line.size() || line[at + 1] == ' ') return true;
    return line.starts_with("xl ");
}

class Reader {
  public:
    Reader(const std::string& file, XlText& to) : file_(file), to_(to) {}

    Result<void> read(std::string_view text) {
        while (!text.empty()) {
            const std::string_view line = text.substr(0, text.find('\n'));
            text.remove_prefix(std::min(line.size() + 1, text.size()));
            ++line_;
            TRY(take(line));
            if (to_.pools.size() > max_pools)
                return fail("{}:{}: more than {} cpupools; paste the output of one host", file_,
                            line_, max_pools);
        }
        return {};
    }

  private:
    /// What a line turned out to be.
    enum class Line { taken, other };

    Result<void> take(std::string_view line) {
        const std::string_view text = trimmed(line);
        const Words words = words_of(text);
        if (words.empty()) {
            table_ = Table::none;
            return {};
        }
        if (const Head* head = head_of(words)) return begin(*head, line);
        if (table_ != Table::none) {
            auto taken = TRY(row(line, text, words));
            if (taken == Line::taken) return {};
        }
        if (text.starts_with("Cpupool ")) return pool_line(text);
        const std::size_t colon = text.find(':');
        const std::string_view key = trimmed(text.substr(0, std::min(colon, text.size())));
        const bool keyed = colon != std::string_view::npos && !key.empty() &&
                           std::all_of(key.begin(), key.end(), [](char c) {
                               return (c >= 'a' && c <= 'z') || c == '_' || c == ' ';
                           });
        if (table_ != Table::none && !keyed && !is_prompt(text))
            return fail("{}:{}: no line of `{}`: '{}'; paste its output whole, with an empty line "
                        "behind it",
                        file_, line_, command_, printable(text, 60));
        table_ = Table::none;
        if (!keyed) return {};
        return info(key, trimmed(text.substr(colon + 1)));
    }

    Result<void> begin(const Head& head, std::string_view line) {
        table_ = head.table;
        command_ = head.command;
        // Rows of a long name without CPUs are told from others by the column.
        if (table_ == Table::pool_cpus) column_ = line.find("CPU list");
        to_.pool_cpus |= table_ == Table::pool_cpus;
        to_.pool_schedulers |= table_ == Table::pools;
        to_.vcpu_list |= table_ == Table::vcpus;
        to_.weight_list |= table_ == Table::weights;
        return {};
    }

    Result<Line> row(std::string_view line, std::string_view text, const Words& words) {
        switch (table_) {
        case Table::topology:
            return cpu(words);
        case Table::pool_cpus:
            return pool_cpus(line, text);
        case Table::pools:
            return pool(text);
        case Table::vcpus:
            return vcpu(text);
        case Table::weights:
            return weight(text);
        case Table::none:
            break;
        }
        return Line::other;
    }

    Result<Line> cpu(const Words& words) {
        if (words.size() != 4 || words[0].back() != ':') return Line::other;
        const auto id = number(words[0].substr(0, words[0].size() - 1));
        const auto core = number(words[1]), socket = number(words[2]), node = number(words[3]);
        if (!id || !core || !socket || !node) return Line::other;
        if (*id >= max_cpus)
            return fail("{}:{}: CPU {} is past the {} that Xen can have", file_, line_, *id,
                        max_cpus);
        return once(to_.cpus, *id, Cpu{*id, *core, *socket, *node}, fmt::format("CPU {}", *id));
    }

    Result<Line> pool_cpus(std::string_view line, std::string_view text) {
        std::string_view name = text;
        const auto last = last_words(name, 1);
        std::optional<CpuRanges> cpus;
        if (last && line.size() > column_) cpus = ranges_of(last->front());
        if (cpus && !name.empty())
            return once(pool_named(name).cpus, *cpus, fmt::format("pool '{}'", printable(name)));
        // It has none: only padding follows its name.
        if (!is_prompt(text) && trimmed(line.substr(std::min(column_, line.size()))).empty())
            return once(pool_named(text).cpus, CpuRanges{},
                        fmt::format("pool '{}'", printable(text)));
        if (!is_prompt(text) && text.back() >= '0' && text.back() <= '9')
            return fail("{}:{}: name and CPUs of a pool cannot be told apart in '{}' (xl puts "
                        "nothing between them when the name is long); put a blank between them",
                        file_, line_, printable(text, 60));
        return Line::other;
    }

    Result<Line> pool(std::string_view text) {
        std::string_view name = text;
        const auto last = last_words(name, 4);
        if (!last || (*last)[2] != "y" || name.empty()) return Line::other;
        const auto cpus = number((*last)[0]);
        if (!cpus || !number((*last)[3])) return Line::other;
        XlPool& pool = pool_named(name);
        const std::string what = fmt::format("pool '{}'", printable(name));
        TRY(once(pool.cpu_count, *cpus, what));
        return once(pool.scheduler, valid_utf8((*last)[1]), what);
    }

    Result<Line> vcpu(std::string_view text) {
        const std::size_t slash = text.rfind(" / ");
        if (slash == std::string_view::npos) return Line::other;
        XlVcpu vcpu;
        if (!read_affinity(trimmed(text.substr(slash + 3)), vcpu.soft)) return Line::other;
        std::string_view name = text.substr(0, slash);
        const auto last = last_words(name, 6);
        if (!last || !read_affinity((*last)[5], vcpu.hard)) return Line::other;
        const auto id = number((*last)[0]), index = number((*last)[1]);
        vcpu.cpu = number((*last)[2]);
        if (!id || !index || (!vcpu.cpu && (*last)[2] != "-")) return Line::other;
        if (*id >= max_domain || *index >= max_vcpus)
            return fail("{}:{}: there can be no vCPU {} of a domain {}", file_, line_, *index, *id);
        TRY(domain_named(*id, name));
        return once(to_.vcpus, std::pair{*id, *index}, std::move(vcpu),
                    fmt::format("vCPU {} of domain {}", *index, *id));
    }

    Result<Line> weight(std::string_view text) {
        std::string_view name = text;
        const auto last = last_words(name, 3);
        if (!last) return Line::other;
        const auto id = number((*last)[0]), weight = number((*last)[1]), cap = number((*last)[2]);
        if (!id || !weight || !cap) return Line::other;
        if (*id >= max_domain || *weight > 65535)
            return fail("{}:{}: there can be no domain {} with a weight of {}", file_, line_, *id,
                        *weight);
        TRY(domain_named(*id, name));
        return once(to_.weights, *id, XlWeight{pool_, *weight, *cap},
                    fmt::format("domain {}", *id));
    }

    /// "Cpupool Pool-0: ratelimit=1000us", on a patched Xen with " runqueue=core max-cpus=none
    /// nr-runqueues=8" behind it; "Cpupool A: tslice=30ms ..." of sched-credit.
    Result<void> pool_line(std::string_view text) {
        table_ = Table::none;
        const std::size_t colon = text.rfind(": ");
        if (colon == std::string_view::npos) return {};
        const std::string_view name =
            trimmed(text.substr(8, colon - std::min<std::size_t>(colon, 8)));
        const Words words = words_of(text.substr(colon + 2));
        if (name.empty() || words.empty()) return {};
        XlPool& pool = pool_named(name);
        pool_ = valid_utf8(name);
        const std::string what = fmt::format("pool '{}'", printable(name));
        const std::string_view scheduler = words[0].starts_with("ratelimit=") ? "credit2"
                                           : words[0].starts_with("tslice=")  ? "credit"
                                           : words[0] == "sched=RTDS"         ? "rtds"
                                                                              : "";
        if (!scheduler.empty()) TRY(once(pool.scheduler, std::string(scheduler), what));
        if (scheduler == "credit2") {
            std::string_view value = words[0].substr(words[0].find('=') + 1);
            const auto us =
                value.ends_with("us") ? number(value.substr(0, value.size() - 2)) : std::nullopt;
            if (!us || !possible_rate_limit(*us))
                return fail("{}:{}: '{}' is no rate limit, which is {}; paste the output of `xl "
                            "sched-credit2` as it is",
                            file_, line_, printable(value, 40), possible_rate_limits);
            TRY(once(pool.rate_limit_us, *us, what));
        }
        std::optional<Layout> layout;
        std::optional<unsigned> cap;
        for (const std::string_view word : words) {
            constexpr std::string_view runqueue = "runqueue=", max = "max-cpus=";
            if (word.starts_with(runqueue))
                layout = layout_from_string(word.substr(runqueue.size()));
            if (word == "max-cpus=none")
                cap = no_cap;
            else if (word.starts_with(max))
                cap = number(word.substr(max.size()));
        }
        if (!layout || !cap) return {};
        TRY(once(pool.arrangement, Arrangement{*layout, *cap}, what));
        return {};
    }

    Result<void> info(std::string_view key, std::string_view value) {
        const std::string what(key);
        const auto text = [&](std::optional<std::string>& to) -> Result<void> {
            TRY(once(to, valid_utf8(value), what));
            return {};
        };
        const auto count = [&](std::optional<unsigned>& to,
                               std::optional<unsigned> n) -> Result<void> {
            if (!n || *n == 0)
                return fail("{}:{}: '{}' is no value of {}; paste the output of `xl info -n` as it "
                            "is",
                            file_, line_, printable(value, 40), key);
            TRY(once(to, *n, what));
            return {};
        };
        if (key == "xen_version") return text(to_.xen_version);
        if (key == "xen_commandline") return text(to_.command_line);
        if (key == "xen_scheduler") return text(to_.scheduler);
        if (key == "nr_cpus") return count(to_.nr_cpus, number(value));
        if (key == "cpu_mhz") { // "2593.906", whole kHz
            const std::size_t dot = value.find('.');
            const auto mhz = number(value.substr(0, dot));
            const auto khz =
                dot == std::string_view::npos ? std::nullopt : number(value.substr(dot + 1));
            const bool good = mhz && khz && *mhz >= 1 && *mhz < 100'000 && *khz < 1000;
            return count(to_.cpu_khz, good ? std::optional(*mhz * 1000 + *khz) : std::nullopt);
        }
        return {};
    }

    XlPool& pool_named(std::string_view name) {
        std::string wanted = valid_utf8(name);
        for (auto& [known, pool] : to_.pools)
            if (known == wanted) return pool;
        return to_.pools.emplace_back(std::move(wanted), XlPool{}).second;
    }

    Result<Line> domain_named(unsigned id, std::string_view name) {
        return once(to_.names, id, valid_utf8(name), fmt::format("domain {}", id));
    }

    tl::unexpected<Error> twice(const std::string& what) {
        return fail("{}:{}: {} is told of twice, differently; keep the outputs of one host and one "
                    "time",
                    file_, line_, what);
    }
    template<class Map, class Value> Result<Line> once(Map& map, const typename Map::key_type& key,
                                                       Value value, const std::string& what) {
        const auto [at, added] = map.try_emplace(key, value);
        if (!added && !(at->second == value)) return twice(what);
        return Line::taken;
    }
    template<class Value>
    Result<Line> once(std::optional<Value>& to, Value value, const std::string& what) {
        if (to && !(*to == value)) return twice(what);
        to = std::move(value);
        return Line::taken;
    }

    const std::string& file_;
    XlText& to_;
    unsigned line_ = 0;
    Table table_ = Table::none;
    std::string_view command_;
    std::size_t column_ = 0;
    std::string pool_; ///< whose domains follow
};

} // namespace

Result<void> read_xl_text(std::string_view text, const std::string& file, XlText& to) {
    return Reader(file, to).read(text);
}

} // namespace intellisched::imported
