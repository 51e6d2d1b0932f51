// SPDX-License-Identifier: MIT
#include "bench/import/xl_text.hpp"

#include "bench/import/pasted.hpp"
#include "bench/import/xl_line.hpp"
#include "src/host/xl.hpp" // valid_utf8

#include <algorithm>
#include <array>
#include <fmt/ranges.h>
#include <span>

namespace intellisched::imported {
namespace {

constexpr unsigned max_domain = 32767; // DOMID_FIRST_RESERVED and the idle domain are above
constexpr unsigned max_vcpus = 8192;   // of a domain: MAX_VIRT_CPUS of Xen's asm/config.h
constexpr std::size_t max_pools = 256;
constexpr unsigned no_node = ~0U; // XEN_INVALID_NODE_ID, as a recorder has it

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
    const std::string line = fmt::format("{}", fmt::join(words, " "));
    const auto found = std::find_if(heads.begin(), heads.end(),
                                    [&](const Head& head) { return head.words == line; });
    return found == heads.end() ? nullptr : &*found;
}

bool starts_head(std::string_view line) {
    const Words words = words_of(line);
    return !words.empty() && (words[0] == "Name" || words[0] == "cpu:");
}

class Reader {
  public:
    Reader(const std::string& file, XlText& to) : file_(file), to_(to) {}

    Result<void> read(std::string_view text) {
        const std::vector<PastedLine> pasted = pasted_lines(text);
        for (std::span<const PastedLine> left = pasted; !left.empty();) {
            line_ = left.front().number;
            left = left.subspan(TRY(take(left)));
            if (to_.pools.size() > max_pools)
                return fail("{}:{}: more than {} cpupools; paste the output of one host", file_,
                            line_, max_pools);
        }
        return {};
    }

  private:
    /// What a line turned out to be.
    enum class Line { taken, other };
    using Lines = std::span<const PastedLine>; ///< those that are left; never none

    /// Of a row or a head that was broken.
    static constexpr std::size_t most_parts = 3;

    /// How many of the lines it took.
    Result<std::size_t> take(Lines lines) {
        const std::string& line = lines[0].text;
        const std::string_view text = trimmed(line);
        if (text.empty()) {
            // It ends a table, but where each line has an empty one behind it.
            if (table_ != Table::none && rows_ == 0) spaced_ = true;
            if (!spaced_) table_ = Table::none;
            return 1;
        }
        if (const std::size_t used = TRY(take_head(lines))) return used;
        if (table_ != Table::none) {
            if (const std::size_t used = TRY(take_row(lines))) return used;
            if (!ends_table(text) && !spaced_)
                return fail("{}:{}: no line of `{}`: '{}'; paste its output whole, with an empty "
                            "line behind it",
                            file_, line_, command_, printable(text, 60));
            table_ = Table::none;
        }
        if (text.starts_with("Cpupool ")) {
            TRY(pool_line(text));
            return 1;
        }
        const auto told = keyed(text);
        if (!told) return 1;
        if (told->first == "xen_commandline") return command_line(lines, told->second);
        TRY(info(told->first, told->second));
        return 1;
    }

    /// 0: it is none. Errors: one that is cut, whose table would be passed over.
    Result<std::size_t> take_head(Lines lines) {
        std::string line = lines[0].text;
        if (!starts_head(line)) return 0;
        for (std::size_t used = 1;; ++used) {
            const bool last = used == std::min(most_parts, lines.size());
            const std::string_view next = last ? std::string_view{} : lines[used].text;
            if (const Head* head = head_of(words_of(line))) {
                begin(*head, line);
                return used;
            }
            if (last) break;
            const std::string cut = line + std::string(next);
            if (const Head* head = head_of(words_of(cut))) {
                begin(*head, cut);
                return used + 1;
            }
            line += ' ' + std::string(next);
        }
        const std::string first = fmt::format("{}", fmt::join(words_of(lines[0].text), " "));
        for (const Head& head : heads)
            if (first.size() > std::string_view("Name ID ").size() && head.words.starts_with(first))
                return fail("{}:{}: the first line of `{}` is cut at '{}'; paste its output whole, "
                            "not cut at the edge of a window",
                            file_, line_, head.command, printable(first, 60));
        return 0;
    }

    void begin(const Head& head, std::string_view line) {
        table_ = head.table;
        command_ = head.command;
        rows_ = 0;
        spaced_ = false;
        // Rows of a long name without CPUs are told from others by the column.
        if (table_ == Table::pool_cpus) column_ = line.find("CPU list");
    }

    /// A row, in one line or broken into some. 0: it is none.
    Result<std::size_t> take_row(Lines lines) {
        std::string line = lines[0].text;
        std::size_t used = 1;
        if (table_ == Table::pool_cpus || table_ == Table::vcpus)
            for (; used < lines.size(); ++used) {
                const std::string_view rest = trimmed(lines[used].text);
                if (!is_rest_of_list(rest)) break;
                line = with_rest_of_list(trimmed_end(line), rest);
            }
        const auto taken = [&]() -> Result<std::size_t> {
            ++rows_;
            return used;
        };
        if (TRY(row(line)) == Line::taken) return taken();
        if (ends_table(trimmed(line))) return 0;
        for (; used < std::min(most_parts, lines.size()); ++used) {
            const std::string& next = lines[used].text;
            if (!can_continue(next)) return 0;
            // A terminal breaks anywhere, a mail program between words.
            const std::string whole = trimmed_end(line) + ' ' + next;
            const std::string cut = line + next;
            line = cut;
            for (const std::string& one : {whole, cut})
                if (TRY(row(one)) == Line::taken) {
                    ++used;
                    return taken();
                }
        }
        return 0;
    }

    static std::string trimmed_end(const std::string& line) {
        return line.substr(0, line.find_last_not_of(" \t") + 1);
    }

    [[nodiscard]] std::string with_rest_of_list(std::string line, std::string_view rest) const {
        const Words words = words_of(line);
        const bool has_some = words.size() > 1 && (is_rest_of_list(words.back()));
        // The name alone was on the line before.
        if (table_ == Table::pool_cpus && !has_some)
            line.resize(std::max(column_, line.size()) + 1, ' ');
        if (table_ == Table::vcpus && words.back() == "/") line += ' ';
        return line.append(rest);
    }

    /// Whether the line may be the rest of the one before: it is neither a row of its own nor
    /// something else.
    [[nodiscard]] bool can_continue(const std::string& line) const {
        const std::string_view text = trimmed(line);
        if (text.empty() || ends_table(text)) return false;
        if (starts_head(text)) return false;
        XlText unused;
        Reader alone(file_, unused);
        alone.table_ = table_;
        alone.column_ = column_;
        const auto row = alone.row(line);
        return row && *row == Line::other;
    }

    /// As everything of `xl info` before cc_compiler, which is its next line.
    Result<std::size_t> command_line(Lines lines, std::string_view value) {
        std::string all(value);
        std::size_t used = 1;
        for (; used < lines.size(); ++used) {
            const std::string_view text = trimmed(lines[used].text);
            const auto other = keyed(text);
            if (other && other->first == "cc_compiler") break;
            if (text.empty() || ends_table(text)) {
                all = value; // cut off behind it, or by somebody who shows no more
                used = 1;
                break;
            }
            all = joined_command_line(all, text);
        }
        if (used == lines.size() && used > 1) {
            all = value;
            used = 1;
        }
        TRY(once(to_.command_line, valid_utf8(all), std::string("xen_commandline")));
        return used;
    }

    Result<Line> row(std::string_view line) {
        const std::string_view text = trimmed(line);
        switch (table_) {
        case Table::topology:
            return cpu(words_of(text));
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
        const auto core = number(words[1]), socket = number(words[2]);
        // Xen's "no node", printed as a signed number: of a host whose firmware tells none.
        const auto node = words[3] == "-1" ? std::optional(no_node) : number(words[3]);
        if (!id || !core || !socket || !node) return Line::other;
        if (*id >= most_cpus)
            return fail("{}:{}: CPU {} is past the {} that Xen can have", file_, line_, *id,
                        most_cpus);
        return once(to_.cpus, *id, Cpu{*id, *core, *socket, *node}, fmt::format("CPU {}", *id));
    }

    Result<Line> pool_cpus(std::string_view line, std::string_view text) {
        std::string_view name = text;
        const auto last = last_words(name, 1);
        std::optional<CpuRanges> cpus;
        if (last && line.size() > column_) cpus = ranges_of(last->front());
        if (cpus && !name.empty()) {
            to_.pool_cpus = true;
            return once(pool_named(name).cpus, *cpus, fmt::format("pool '{}'", printable(name)));
        }
        if (spaced_) return Line::other; // whatever is behind the table
        // It has none: only padding follows its name.
        if (!ends_table(text) && trimmed(line.substr(std::min(column_, line.size()))).empty())
            return once(pool_named(text).cpus, CpuRanges{},
                        fmt::format("pool '{}'", printable(text)));
        if (!ends_table(text) && text.back() >= '0' && text.back() <= '9')
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
        to_.pool_schedulers = true;
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
        // So that the parts of two rows are not taken for one.
        const std::string_view state = (*last)[3], time = (*last)[4];
        if (state.size() != 3 || state.find_first_not_of("rbp-") != std::string_view::npos ||
            time.find_first_not_of("0123456789.") != std::string_view::npos)
            return Line::other;
        if (*id >= max_domain || *index >= max_vcpus)
            return fail("{}:{}: there can be no vCPU {} of a domain {}", file_, line_, *index, *id);
        to_.vcpu_list = true;
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
        to_.weight_list = true;
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
    std::size_t rows_ = 0; ///< of the table so far
    bool spaced_ = false;  ///< an empty line stands behind each of the table's
    std::string pool_;     ///< whose domains follow
};

} // namespace

Result<void> read_xl_text(std::string_view text, const std::string& file, XlText& to) {
    return Reader(file, to).read(text);
}

} // namespace intellisched::imported
