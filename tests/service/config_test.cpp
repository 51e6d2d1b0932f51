// SPDX-License-Identifier: MIT
// The service's configuration: its example beside its defaults, what is set, and every mistake by
// its line, its key and what is allowed.
#include "src/service/config.hpp"
#include "src/service/config_keys.hpp"
#include "test_paths.hpp"
#include "tests/support/capture_files.hpp"

#include <fmt/ranges.h>
#include <random>
#include <regex>
#include <sstream>

using namespace intellisched;
using namespace intellisched::test;

namespace {

ServiceConfig good(const std::string& text) {
    const auto config = parse_config(text, "conf");
    REQUIRE_MESSAGE(config, config.error().message);
    return *config;
}

/// What is said of a text; nothing when it is good.
std::string said(const std::string& text) {
    const auto config = parse_config(text, "conf");
    return config ? std::string() : config.error().message;
}

std::string pool(const std::string& entry) { return "pools = [ \"" + entry + "\" ]"; }

void check_same(const PolicySettings& a, const PolicySettings& b) {
    CHECK(a.dwell == b.dwell);
    CHECK(a.longest_dwell == b.longest_dwell);
    CHECK(a.switches_an_hour == b.switches_an_hour);
    CHECK(a.switch_margins.gain == b.switch_margins.gain);
    CHECK(a.switch_margins.confidence == b.switch_margins.confidence);
    CHECK(a.stand_down == b.stand_down);
    CHECK(a.tune_rate_limit == b.tune_rate_limit);
    CHECK(a.least_rate_limit_us == b.least_rate_limit_us);
    CHECK(a.highest_rate_limit_us == b.highest_rate_limit_us);
    CHECK(a.trial.windows == b.trial.windows);
}

void check_same(const ServiceConfig& a, const ServiceConfig& b) {
    CHECK(a.bundle == b.bundle);
    CHECK(a.interval == b.interval);
    CHECK(a.journal == b.journal);
    CHECK(a.journal_days == b.journal_days);
    CHECK(a.socket == b.socket);
    CHECK(a.metrics == b.metrics);
    CHECK(a.log_level == b.log_level);
    CHECK(a.return_to_boot_layout == b.return_to_boot_layout);
    CHECK(a.mode == b.mode);
    CHECK(a.intent == b.intent);
    CHECK(a.pools.size() == b.pools.size());
}

const std::string example = slurp(INTELLISCHED_EXAMPLE_CONFIG);

/// The example with its settings in force.
std::string uncommented() {
    return std::regex_replace(example, std::regex("^#([a-z_]+ = )", std::regex::multiline), "$1");
}

} // namespace

TEST_CASE("configuration: the example has every key, at its default") {
    check_same(good(example), ServiceConfig());
    CHECK(config_keys(example).empty());

    const std::string all = uncommented();
    std::vector<std::string> keys;
    for (const ConfigKey& key : config_keys(all)) keys.emplace_back(key.name);
    CHECK(fmt::format("{}", fmt::join(keys, " ")) ==
          "bundle interval duty buffer_pages trace_mb journal journal_days journal_mb socket "
          "control_group_may metrics "
          "log_level "
          "return_to_boot_layout "
          "mode intent pools protect");
    check_same(good(all), ServiceConfig());

    // The keys of an entry: explained with their defaults, in order.
    std::string entry = "name=x";
    const std::size_t of_pools = example.find("#   mode, intent"),
                      guests = example.find("## Guests");
    const std::string limits = example.substr(of_pools, guests - of_pools);
    const std::regex one("^#   ([a-z_]+)  ", std::regex::multiline);
    const std::regex value("Default: ([a-z]+|[0-9.]*[0-9])");
    std::vector<std::string> names, defaults;
    for (std::sregex_iterator i(limits.begin(), limits.end(), one), end; i != end; ++i)
        names.push_back((*i)[1]);
    for (std::sregex_iterator i(limits.begin(), limits.end(), value), end; i != end; ++i)
        defaults.push_back((*i)[1]);
    REQUIRE(names.size() == 11);
    REQUIRE(defaults.size() == 11);
    for (std::size_t i = 0; i < names.size(); ++i) entry += "," + names[i] + "=" + defaults[i];
    check_same(good(pool(entry)).pools.at(0).settings, PolicySettings());
    CHECK(!good(pool(entry)).guest_scores());

    // And the example of an entry is one.
    const auto begin = example.find("pools = [ \"name=");
    const ServiceConfig shown = good(std::regex_replace(
        example.substr(begin, example.find("]", begin) + 1 - begin), std::regex("\n#"), "\n"));
    REQUIRE(shown.pools.size() == 2);
    CHECK(shown.pools[0].settings.dwell == 600 * second);
    CHECK(shown.pools[1].mode == Mode::observe);
}

TEST_CASE("configuration: guests to protect") {
    const ServiceConfig config = good("protect = [ \"Domain-0\", \"name=db,factor=8,loss=0.1\" ]\n"
                                      "protect += [ \"name = a b\" ]");
    REQUIRE(config.protect.size() == 3);
    CHECK(config.protect[0].name == "Domain-0");
    CHECK(config.protect[0].factor == 4);
    CHECK(config.protect[0].loss == 0.3);
    CHECK(config.protect[1].factor == 8);
    CHECK(config.protect[1].loss == 0.1);
    CHECK(config.protect[2].name == "a b");
    CHECK(said("protect = [ \"a\", \"name=b,factor=1\", \"name=a\", \"dwell=3\", \"\" ]") ==
          "conf:1: protect: b: factor: '1' is not a whole number from 2 to 256\n"
          "conf:1: protect: a: named before, in line 1; leave one of them\n"
          "conf:1: protect: an entry: dwell: no such key; there are name, factor, loss\n"
          "conf:1: protect: an entry: name: missing; it says which guest\n"
          "conf:1: protect: an entry: name: missing; it says which guest");
    CHECK(said("protect = \"Domain-0\"") ==
          "conf:1: protect: a single value; it takes a list: [ \"name=...\", ... ]");
    CHECK(
        said("pools = [ \"name=a,protect=b\" ]") ==
        "conf:1: pools: a: protect: no such key of a pool; it is of the service, on a line of its "
        "own: protect = ...");
}

TEST_CASE("configuration: what is set") {
    const ServiceConfig config = good("bundle = '/b'; interval = 2\n"
                                      "journal = \"/j \\\"q\\\"\" # a comment, \"pools = 1\n"
                                      "journal_days = \"7\"\njournal_mb = 64\n"
                                      "duty = 200\nbuffer_pages = 256\ntrace_mb = 8\n"
                                      "socket = \"/s\"\nmetrics = \"/m.prom\"\n"
                                      "control_group_may = \"change\"\n"
                                      "log_level = \"debug\"\nreturn_to_boot_layout = 1\n"
                                      "pools = [ \"name=Pool-0,mode=auto,intent=latency,dwell=400,"
                                      "longest_dwell=500,switches_an_hour=3\",\n"
                                      " ' name = a = b , gain = 0.1,confidence=1,stand_down=0,"
                                      "trial_windows=40,guest_scores=1 ', ]\n"
                                      "pools += [ 'name=c,mode=off' ]\n"
                                      "mode = \"observe\"\nintent = \"throughput\" # the end");
    CHECK(config.bundle == "/b");
    CHECK(config.interval == 2);
    CHECK(config.journal == "/j \"q\"");
    CHECK(config.journal_days == 7);
    CHECK(config.journal_mb == 64);
    CHECK(config.duty == 200);
    CHECK(config.buffer_pages == 256);
    CHECK(config.trace_mb == 8);
    CHECK(config.socket == "/s");
    CHECK(config.control_group_changes);
    CHECK(config.metrics == "/m.prom");
    CHECK(config.log_level == boost::log::trivial::debug);
    CHECK(config.return_to_boot_layout);
    REQUIRE(config.pools.size() == 3);

    const PoolConfig first = config.pool("Pool-0");
    CHECK(first.mode == Mode::automatic);
    CHECK(first.intent == Intent::latency);
    CHECK(first.settings.dwell == 400 * second);
    CHECK(first.settings.longest_dwell == 500 * second);
    CHECK(first.settings.switches_an_hour == 3);
    CHECK(!first.guest_scores);
    // What it does not say is as for pools that are not named, wherever in the file that is.
    const PoolConfig other = config.pool("a = b");
    CHECK(other.name == "a = b");
    CHECK(other.mode == Mode::observe);
    CHECK(other.intent == Intent::throughput);
    CHECK(other.settings.switch_margins.gain == 0.1);
    CHECK(other.settings.switch_margins.confidence == 1);
    CHECK(other.settings.stand_down == 0);
    CHECK(other.settings.trial.windows == 40);
    CHECK(other.guest_scores);
    CHECK(config.guest_scores());
    CHECK(config.pool("c").mode == Mode::off);
    const PoolConfig unnamed = config.pool("d");
    CHECK(unnamed.name == "d");
    CHECK(unnamed.mode == Mode::observe);
    CHECK(unnamed.intent == Intent::throughput);
    CHECK(!unnamed.guest_scores);
    check_same(unnamed.settings, PolicySettings());
}

TEST_CASE("configuration: mistakes are named, all of them, with their lines") {
    CHECK(said("interval = 9\n"
               "dwell = 300\n"
               "journal = [ \"/a\" ]\n"
               "pools = [ \"name=a,mode=atuo,intent=x\",\n"
               "          \"name=b\", [ \"name=c\" ],\n"
               "          \"name=b\" ]\n"
               "interval = 1\n"
               "mode = \"on\"\n") ==
          "conf:2: dwell: no such key by itself; it is of a pool: pools = [ "
          "\"name=Pool-0,dwell=...\" ]\n"
          "conf:3: journal: a list; it takes a single value\n"
          "conf:4: pools: a: intent: 'x' is none of throughput, latency, balanced\n"
          "conf:4: pools: a: mode: 'atuo' is none of off, observe, recommend, auto\n"
          "conf:5: pools: a list in the list; an entry is \"name=...,key=...\"\n"
          "conf:6: pools: b: named before, in line 5; leave one of them\n"
          "conf:7: interval: set before, in line 1; leave one of them\n"
          "conf:8: mode: 'on' is none of off, observe, recommend, auto");
    CHECK(said("log_level = \"warn\"") ==
          "conf:1: log_level: 'warn' is none of trace, debug, info, warning, error, fatal");
    CHECK(said("mode += \"auto\"") == "conf:1: mode: += is for lists; set it with =");
    CHECK(said("pools = \"name=a\"") ==
          "conf:1: pools: a single value; it takes a list: [ \"name=...\", ... ]");
    CHECK(said("pools = [ \"name=a\" ]\npools = [ \"name=b\" ]") ==
          "conf:2: pools: set before, in line 1; leave one of them");
}

TEST_CASE("configuration: the range of every number") {
    const auto range = [](const std::string& key, const std::string& below,
                          const std::string& least, const std::string& most,
                          const std::string& above, const auto& set, const std::string& before) {
        CAPTURE(key);
        const std::string allowed = "number from " + least + " to " + most;
        CHECK(said(set(key, least)) == "");
        CHECK(said(set(key, most)) == "");
        for (const std::string& value : {below, above, std::string("nan"), std::string("1x"),
                                         std::string(""), std::string(400, '9')}) {
            const std::string message = said(set(key, value));
            CHECK(message.starts_with("conf:1: " + before + key + ": '" + value.substr(0, 128)));
            CHECK(message.ends_with(allowed));
        }
    };
    const auto global = [](const std::string& key, const std::string& value) {
        return key + " = \"" + value + "\"";
    };
    range("interval", "0", "1", "5", "6", global, "");
    range("journal_days", "0", "1", "3650", "3651", global, "");
    range("return_to_boot_layout", "-1", "0", "1", "2", global, "");
    const auto entry = [](const std::string& key, const std::string& value) {
        const std::string room = key == "dwell"           ? ",longest_dwell=2592000"
                                 : key == "longest_dwell" ? ",dwell=10"
                                                          : "";
        return pool("name=a," + key + "=" + value + room);
    };
    range("dwell", "9", "10", "604800", "604801", entry, "pools: a: ");
    range("longest_dwell", "9", "10", "2592000", "2592001", entry, "pools: a: ");
    range("switches_an_hour", "0", "1", "60", "61", entry, "pools: a: ");
    range("gain", "-0.1", "0", "1", "1.01", entry, "pools: a: ");
    range("confidence", "-0.1", "0", "1", "1.01", entry, "pools: a: ");
    range("stand_down", "-1", "0", "2592000", "2592001", entry, "pools: a: ");
    range("trial_windows", "9", "10", "200", "201", entry, "pools: a: ");
    CHECK(said(pool("name=a,rate_limit_min=10000")) == "");
    CHECK(said(pool("name=a,rate_limit_min=500001")) ==
          "conf:1: pools: a: rate_limit_min: '500001' is not a whole number from 0 to 500000");
    range("rate_limit_max", "-1", "0", "500000", "500001", entry, "pools: a: ");
    CHECK(
        said(pool("name=a,rate_limit_min=4000,rate_limit_max=9000")) ==
        "conf:1: pools: a: rate_limit_min, rate_limit_max: none of 0, 300, 1000, 3000, 10000 lies "
        "between; set others, or rate_limit=keep");
    range("guest_scores", "-1", "0", "1", "2", entry, "pools: a: ");
    CHECK(said("interval = 1.5") != "");
    CHECK(said(pool("name=a,dwell=0.5")) ==
          "conf:1: pools: a: dwell: '0.5' is not a whole number from 10 to 604800");
    CHECK(said(pool("name=a,dwell=30000")) == "conf:1: pools: a: longest_dwell: 21600 is less than "
                                              "the dwell of 30000; set both");
    CHECK(said("interval = 5\n" + pool("name=a,trial_windows=45")) == "");
    CHECK(
        said("interval = 5\n" + pool("name=a,trial_windows=46")) ==
        "conf:2: pools: a: trial_windows: 46 and a third of that take 305 s at an interval of 5 s; "
        "windows of 300 s are looked at, set less");
}

TEST_CASE("configuration: entries of pools") {
    CHECK(said(pool("mode=auto")) == "conf:1: pools: an entry: name: missing; it says which pool");
    CHECK(said(pool("")) == "conf:1: pools: an entry: name: missing; it says which pool");
    CHECK(said(pool("name=a,auto")) == "conf:1: pools: a: 'auto' is no key=value");
    CHECK(said(pool("name=a,,mode=off")) == "conf:1: pools: a: '' is no key=value");
    CHECK(said(pool("name=a,mode=off,mode=auto")) ==
          "conf:1: pools: a: mode: set twice; leave one of them");
    CHECK(
        said(pool("name=a,Mode=off")) ==
        "conf:1: pools: a: Mode: no such key; there are name, mode, intent, dwell, longest_dwell, "
        "switches_an_hour, gain, confidence, stand_down, trial_windows, rate_limit, "
        "rate_limit_min, rate_limit_max, guest_scores");
    CHECK(said(pool("name=a,duty=200")) ==
          "conf:1: pools: a: duty: no such key of a pool; it is of the service, on a line of its "
          "own: duty = ...");
    CHECK(said("rate_limit = \"keep\"") == "conf:1: rate_limit: no such key by itself; it is of a "
                                           "pool: pools = [ \"name=Pool-0,rate_limit=...\" ]");
    CHECK(said("limit = 1") ==
          "conf:1: limit: no such key; there are bundle, interval, duty, buffer_pages, trace_mb, "
          "journal, journal_days, journal_mb, socket, control_group_may, metrics, log_level, "
          "return_to_boot_layout, mode, intent, pools, protect");
    // Whatever a name has in it, a message stays a line.
    CHECK(said(pool("name=a\\nb\xff,mode=\x1b[2J")) ==
          "conf:1: pools: a?b?: mode: '?[2J' is none of off, observe, recommend, auto");
    CHECK(said(pool("name=" + std::string(5000, 'n') + ",mode=x")).size() < 200);
}

TEST_CASE("configuration: paths") {
    CHECK(said("journal = \"\"") == "conf:1: journal: it is empty; give it a path");
    CHECK(said("bundle = \"a/b\"") ==
          "conf:1: bundle: 'a/b' does not begin with /; give it a whole path");
    CHECK(said("metrics = \"/m.txt\"") == "conf:1: metrics: '/m.txt' does not end in .prom");
    CHECK(said("control_group_may = \"status\"") == "");
    CHECK(said("control_group_may = \"all\"") ==
          "conf:1: control_group_may: 'all' is none of status, change");
    CHECK(said("socket = \"/" + std::string(106, 's') + "\"") == "");
    CHECK(said("socket = \"/" + std::string(107, 's') + "\"") ==
          "conf:1: socket: '/" + std::string(31, 's') + "...' has 108 bytes; 107 are allowed");
    CHECK(said("bundle = \"/" + std::string(5000, 'b') + "\"").ends_with("4095 are allowed"));
}

TEST_CASE("configuration: what libxlutil cannot parse, each with its line") {
    const std::string hint = "; what is no whole number stands in quotes, lists in [ ]";
    CHECK(said("interval = 2\nmode = auto\njournal_days = 1\njournal_days\n\nbundle = '/'\nbundle "
               "= \"\n") ==
          "conf:2: config parsing error near `auto': syntax error, unexpected IDENT, expecting "
          "STRING or NUMBER or '['" +
              hint +
              "\nconf:4: config parsing error near <newline>: syntax error, unexpected NEWLINE, "
              "expecting += or '='" +
              hint + "\nconf:7: config parsing error near `\"': lexical error" + hint);
    const std::string python = said("interval = 0.5 # half\nJournal = 1");
    CHECK(contains(python, "conf:1: "));
    CHECK(contains(python, "\nconf:2: "));
    CHECK_FALSE(contains(python, "Python"));
    CHECK(contains(said("a = \"\x1b" + std::string(10'000, 'x') + "\n"), "near `\"?xxx"));
    CHECK(said("a = \"\x1b" + std::string(10'000, 'x') + "\n").size() < 1000);
}

TEST_CASE("configuration: what cannot be parsed hides no other mistake") {
    // Lines 2, 5 and 9 cannot be parsed, the last one in a list over three lines.
    const std::string text = said("interval = 9\n"
                                  "mode = auto\n"
                                  "dwell = 300\n"
                                  "journal_days = 0\n"
                                  "journal_mb 7\n"
                                  "mode = 'on'\n"
                                  "pools = [ 'name=a,mode=off',\n"
                                  "          'name=b',\n"
                                  "          name=c ]\n"
                                  "intent = 'x'\n");
    std::vector<std::string> lines;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    REQUIRE(lines.size() == 8);
    CHECK(lines[0] == "conf:1: interval: '9' is not a whole number from 1 to 5");
    CHECK(contains(lines[1], "conf:2: config parsing error near `auto'"));
    CHECK(contains(lines[2], "conf:3: dwell: no such key"));
    CHECK(lines[3] == "conf:4: journal_days: '0' is not a whole number from 1 to 3650");
    CHECK(contains(lines[4], "conf:5: config parsing error near `7'"));
    CHECK(contains(lines[5], "conf:6: mode: 'on' is none of"));
    CHECK(contains(lines[6], "conf:9: config parsing error near `name'"));
    CHECK(contains(lines[7], "conf:10: intent: 'x' is none of"));
    // A list without an end has what follows in it: one mistake, and none that is not.
    const std::string open =
        said("interval = 9\npools = [ 'name=a',\nmode = 'off'\nintent = 'latency'\n");
    CHECK(std::count(open.begin(), open.end(), '\n') == 1);
    CHECK(contains(open, "conf:1: interval"));
    CHECK(contains(open, "\nconf:3: config parsing error"));
    std::string many;
    for (int i = 0; i < 5000; ++i) many += "= 1\n\n";
    CHECK(said(many) != ""); // and ends
}

TEST_CASE("configuration: what libxlutil must not be given") {
    using namespace std::string_literals;
    CHECK(said("\nbundle = \"a\0b\""s) ==
          "conf:2: a zero byte; this is no text, write the file anew");
    CHECK(said(std::string(max_config_bytes, '\n')) == "");
    CHECK(said(std::string(max_config_bytes + 1, '\n')) ==
          "conf: larger than the 65536 bytes that a configuration may have");
    std::string additions;
    for (int i = 0; i < 257; ++i) additions += "bundle += \"x\" ;\n";
    CHECK(said(additions) == "conf:257: more than the 256 settings that a configuration may have");
    CHECK(said("pools = " + std::string(60'000, '[')) != "");
}

TEST_CASE("configuration: no text ends the process, and every mistake is a line with its place") {
    std::mt19937 random(1);
    const std::string all = uncommented();
    const std::string base = all + pool("name=a,mode=auto,dwell=300") + "\n";
    const std::string bytes = "\"'\\[],;=+#\n\t x9a.\xff";
    unsigned wrong = 0;
    for (int i = 0; i < 2000; ++i) {
        std::string text = base;
        for (int edits = 1 + static_cast<int>(random() % 4); edits > 0; --edits) {
            const std::size_t at = random() % text.size();
            if (random() % 2)
                text.insert(at, 1, bytes[random() % bytes.size()]);
            else
                text.erase(at, 1 + random() % 20);
        }
        const std::string message = said(text);
        if (message.empty()) continue;
        ++wrong;
        for (std::size_t at = 0; at < message.size(); at = message.find('\n', at) + 1) {
            REQUIRE(message.compare(at, 5, "conf:") == 0);
            if (message.find('\n', at) == message.npos) break;
        }
    }
    CHECK(wrong > 100);
}

TEST_CASE("configuration: files") {
    const Directory directory;
    const auto path = directory.path / "conf";
    const auto missing = read_config(path, path);
    REQUIRE(missing);
    check_same(*missing, ServiceConfig());
    const auto named = read_config(path);
    REQUIRE_FALSE(named);
    CHECK(named.error().message == path.string() + ": cannot open: No such file or directory");

    spill(path, "interval = 3\n");
    CHECK(read_config(path, path)->interval == 3);
    spill(path, "intervall = 3\n");
    CHECK(read_config(path).error().message.starts_with(path.string() + ":1: intervall: "));
    spill(path, std::string(max_config_bytes + 1, '#'));
    CHECK(contains(read_config(path).error().message, "larger than"));
    CHECK(contains(read_config(directory.path).error().message, "not a regular file"));
}

TEST_CASE("configuration: where the service listens is known while the file is wrong") {
    const Directory directory;
    const auto path = directory.path / "conf";
    const auto socket = [&](const std::string& text) {
        spill(path, text);
        const auto found = read_socket(path);
        REQUIRE_MESSAGE(found, found.error().message);
        return found->string();
    };
    const std::string set = "socket = \"/a/socket\"\n", usual = ServiceConfig().socket.string();
    CHECK(socket(set) == "/a/socket");
    CHECK(socket("mode = \"nonsense\"\n" + set) == "/a/socket");
    CHECK(socket("pools = [ \"name=a\n \t" + set + "mode = ]\n") == "/a/socket");
    CHECK(socket("\"" + set) == usual); // no line that sets it
    CHECK(socket("socket = \"a/socket\"\n") == usual);
    CHECK(socket("sockets = \"/b\"\nsocket_ = 1\n" + set) == "/a/socket");
    CHECK(socket(std::string("\0\n", 2) + set) == "/a/socket");
    CHECK(socket(std::string(max_config_bytes + 1, '#') + "\n" + set) == usual);
    CHECK(read_socket(directory.path / "none", directory.path / "none")->string() == usual);
    CHECK(contains(read_socket(directory.path / "none").error().message, "cannot open"));
}
