// SPDX-License-Identifier: MIT
#include "bench/import/pasted.hpp"
#include "bench/import/xl_text.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

using namespace intellisched;
using namespace intellisched::imported;

namespace {

/// As xl prints it, in a terminal that is wide enough.
const std::string clean =
    "[root@h ~]# xl info -n\n"
    "nr_cpus                : 4\n"
    "cpu_mhz                : 2593.006\n"
    "cpu_topology           :\n"
    "cpu:    core    socket     node\n"
    "  0:       0        0        0\n"
    "  1:       0        0        0\n"
    "  2:       1        0        0\n"
    "  3:       1        0        0\n"
    "xen_version            : 4.17.5\n"
    "xen_commandline        : console=com1 com1=115200,8n1 loglvl=all dom0_max_vcpus=2 "
    "credit2_runqueue=core sched_credit2_max_cpus_runqueue=8 sched-gran=core\n"
    "cc_compiler            : gcc (Debian 12.2.0-14+deb12u1) 12.2.0\n"
    "[root@h ~]# xl cpupool-list -c\n"
    "Name               CPU list\n"
    "Pool-0             "
    "0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28\n"
    "a                  29,30\n"
    "[root@h ~]# xl cpupool-list\n"
    "Name               CPUs   Sched     Active   Domain count\n"
    "Pool-0              29   credit2       y          4\n"
    "a                    2   credit2       y          0\n"
    "[root@h ~]# xl vcpu-list\n"
    "Name                                ID  VCPU   CPU State   Time(s) Affinity (Hard / Soft)\n"
    "Domain-0                             0     0     3   -b-      21.4  all / all\n"
    "my web server / 2                    7     0    12   r--   10000.9  0-3,8,10-12 / 0-7,10-12\n"
    "my web server / 2                    7     1     -   --p       0.0  all / 8-15\n"
    "[root@h ~]# xl sched-credit2\n"
    "Cpupool Pool-0: ratelimit=1000us\n"
    "Name                                ID Weight  Cap\n"
    "Domain-0                             0    256    0\n"
    "my web server / 2                    7    512   50\n"
    "Cpupool a: ratelimit=500us\n"
    "Name                                ID Weight  Cap\n";

XlText read(std::string_view text) {
    XlText to;
    const auto done = read_xl_text(text, "all.txt", to);
    REQUIRE_MESSAGE(done, done.error().message);
    return to;
}

std::string refused(std::string_view text) {
    XlText to;
    const auto done = read_xl_text(text, "all.txt", to);
    REQUIRE_FALSE(done);
    return done.error().message;
}

/// Whether it tells what `clean` does.
void same(std::string_view text) {
    static const XlText wanted = read(clean);
    const XlText got = read(text);
    CHECK(got.cpus == wanted.cpus);
    CHECK(got.nr_cpus == wanted.nr_cpus);
    // A terminal may have broken it inside of an option that nobody looks at.
    CHECK(boot_arrangement(*got.command_line) == boot_arrangement(*wanted.command_line));
    CHECK(got.command_line->ends_with(" sched-gran=core"));
    CHECK(got.vcpus == wanted.vcpus);
    CHECK(got.weights == wanted.weights);
    CHECK(got.names == wanted.names);
    REQUIRE(got.pools.size() == wanted.pools.size());
    for (std::size_t i = 0; i < got.pools.size(); ++i) {
        CHECK(got.pools[i].first == wanted.pools[i].first);
        CHECK(got.pools[i].second.cpus == wanted.pools[i].second.cpus);
        CHECK(got.pools[i].second.cpu_count == wanted.pools[i].second.cpu_count);
        CHECK(got.pools[i].second.rate_limit_us == wanted.pools[i].second.rate_limit_us);
    }
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
    for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
        text.replace(at, from.size(), to);
    return text;
}

/// `change` of each line.
template<class F> std::string by_line(F&& change) {
    std::string all;
    for (const PastedLine& line : pasted_lines(clean)) all += change(line.text) + '\n';
    return all;
}

/// Lines of no more than `width`: cut there, or before it at a blank.
std::string broken(std::size_t width, bool at_blanks) {
    return by_line([&](std::string line) {
        std::string all;
        while (line.size() > width) {
            const std::size_t blank = at_blanks ? line.rfind(' ', width) : std::string::npos;
            // Not between a name and the number behind it, which would be in the next line.
            const std::size_t at = blank != std::string::npos && blank > 0 ? blank : width;
            all += line.substr(0, at) + '\n';
            line = line.substr(at + (at == blank ? 1 : 0));
        }
        return all + line;
    });
}

} // namespace

TEST_CASE("pasted: what it is to be compared with has everything") {
    const XlText text = read(clean);
    CHECK(text.cpus.size() == 4);
    CHECK(text.vcpus.size() == 3);
    CHECK(text.weights.size() == 2);
    CHECK(text.pools.at(0).second.cpus == CpuRanges{{0, 28}});
    CHECK(text.command_line->ends_with("sched-gran=core"));
}

TEST_CASE("pasted: editors' line ends, byte order marks and UTF-16") {
    same(replaced(clean, "\n", "\r\n"));
    same(replaced(clean, "\n", "\r\r\n"));
    same(replaced(clean, "\n", "\r"));
    // The mark stands before the first line of a table.
    const std::size_t second = clean.find("Name               CPU list");
    same("\xef\xbb\xbf" + clean.substr(second) + clean.substr(0, second));
    for (const bool little : {true, false}) {
        std::string wide = little ? "\xff\xfe" : "\xfe\xff";
        for (const char c : clean) {
            if (!little) wide += '\0';
            wide += c;
            if (little) wide += '\0';
        }
        same(wide);
        same(wide + "x"); // half a character
    }
}

TEST_CASE("pasted: quoted in mails, with blanks of a web page, or an empty line behind each") {
    for (const char* mark : {"> ", "> > ", ">> ", ">\xc2\xa0"})
        same(by_line([&](const std::string& line) { return mark + line; }));
    same(replaced(clean, " ", "\xc2\xa0"));
    same(replaced(clean, "\n", "\n\n"));
    same(replaced(clean, "\n", "\r\n\r\n"));
}

TEST_CASE("pasted: colours and titles of a terminal, and prompts of all kinds") {
    same(replaced(clean, "[root@h ~]#", "\x1b[01;32m[root@h ~]#\x1b[00m"));
    same(replaced(clean, "[root@h ~]#", "\x1b[?2004h\x1b]0;root@h:~\a[root@h ~]#"));
    for (const char* prompt :
         {"+ ", "sudo ", "==== ", "\xe2\x9e\x9c  ~ ", "$ ", "```\n```\n$ ", "</pre>\n<pre>xl\n"})
        same(replaced(clean, "[root@h ~]# ", prompt));
    same(clean + "```\n");
    CHECK(pasted_lines("a\x1b[").at(0).text == "a");
    CHECK(pasted_lines("a\x1b]0;b").at(0).text == "a");
    CHECK(pasted_lines("--More--\r        \r  2: 1 0 0\n").at(0).text == "  2: 1 0 0");
}

TEST_CASE("pasted: log lines of xl's libraries and of the kernel between the rows") {
    for (const char* noise :
         {"libxl: debug: libxl_domain.c:100:libxl_domain_info: Domain 5:getting info",
          "xencall:buffer: debug: total allocations:13 total releases:13",
          "xc: error: Could not obtain handle: No such file or directory",
          "[12345.678901] xen-blkback: backend/vbd/3/51712: using 4 queues", "--More--"})
        same(by_line([&](const std::string& line) { return line + '\n' + noise; }));
    // But what somebody left out is no log line.
    CHECK(refused(replaced(clean, "Domain-0                             0    256    0", "[...]"))
              .find("no line of `xl sched-credit2`: '[...]'") != std::string::npos);
    CHECK(pasted_lines("[a.1] b\nmy.vm: error: c\nno: level: here\n").size() == 2);
}

TEST_CASE("pasted: lines that a terminal or a mail program broke") {
    // No narrower: a terminal would break inside of the columns.
    for (const std::size_t width : {72U, 78U, 80U, 81U, 84U, 90U, 100U, 120U}) {
        CAPTURE(width);
        same(broken(width, true));
        same(broken(width, false));
    }
    for (const char* broke : {"credit2_runqu\neue=core", "credit2_runqueue=\ncore",
                              "credit2_runqueue=co\nre", "credit2_runqueue=core\n"}) {
        const std::string text = fmt::format(
            "xen_commandline        : loglvl=all {} sched=credit2\ncc_compiler : gcc\n", broke);
        CHECK(boot_arrangement(*read(text).command_line).layout == Layout::core);
    }
    CHECK(boot_arrangement(*read("xen_commandline : sched_credit2_max_cpus_runqueue=1\n2 x=y\n"
                                 "cc_compiler : gcc\n")
                                .command_line)
              .max_cpus == 12);
    // What stands behind the last line that was pasted is none of it.
    CHECK(read("xen_commandline : loglvl=all\nand I tried credit2_runqueue=core too\n")
              .command_line == "loglvl=all");
    CHECK(read("xen_commandline : loglvl=all\ncredit2_runqueue=core\n\ncc_compiler : gcc\n")
              .command_line == "loglvl=all");
}

TEST_CASE("pasted: two broken rows are no row, and a first line that is cut is told") {
    const std::string head = "Name                                ID  VCPU   CPU State   Time(s) "
                             "Affinity (Hard / Soft)\n";
    CHECK(refused(head + "a    1   0\nb    2   0     1   r--   1.0  all / all\n")
              .starts_with("all.txt:2: no line of `xl vcpu-list`"));
    CHECK(refused("Name                                ID Weight  Cap\na   1   2\nb 2 256 0\n")
              .starts_with("all.txt:2: "));
    CHECK(
        refused(head.substr(0, 59) + "\na                1     0     3   -b-\n") ==
        "all.txt:1: the first line of `xl vcpu-list` is cut at 'Name ID VCPU CPU State'; paste its "
        "output whole, not cut at the edge of a window");
    CHECK(read("Name                    ID   Mem VCPUs\tState\tTime(s)\nx 1 2 3 r 1.0\n")
              .vcpus.empty());
}

TEST_CASE("pasted: a table without rows tells nothing, and says so") {
    const XlText text = read("Name                                ID Weight  Cap\n\n"
                             "Name               CPU list\n\nTotal: 5\n");
    CHECK_FALSE(text.weight_list);
    CHECK_FALSE(text.pool_cpus);
    CHECK(text.pools.empty());
}

TEST_CASE("pasted: a host whose firmware tells no nodes") {
    const XlText text = read("cpu:    core    socket     node\n  0:       0        0       -1\n");
    CHECK(text.cpus.at(0) == Cpu{0, 0, 0, ~0U});
}
