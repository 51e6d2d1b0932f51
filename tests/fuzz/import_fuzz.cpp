// SPDX-License-Identifier: MIT
// libFuzzer target: outputs of xl as somebody pasted them, all the way to the snapshot of a
// capture. The first byte chooses the trace. What is accepted has to be what everything else takes;
// what is refused has to be said in one line that a terminal can show. Most changes are to lines
// and words of a text that is whole.
#include "bench/import/host_of.hpp"
#include "src/layout/snapshot.hpp"
#include "tests/fuzz/messages.hpp"
#include "tests/support/fake_world.hpp"

#include <algorithm>

using namespace intellisched;

namespace {

constexpr std::string_view good =
    "\x02root@h:~# xl info -n\nnr_cpus                : 4\nthreads_per_core       : 2\n"
    "cpu_mhz                : 1000.000\ncpu_topology           :\ncpu:    core    socket     node\n"
    "  0:       0        0        0\n  1:       0        0        0\n"
    "  2:       0        1        1\n  3:       0        1        1\n"
    "device topology        :\n0000:00:00.0      0\nxen_version            : 4.17.5\n"
    "xen_scheduler          : credit2\nxen_commandline        : credit2_runqueue=core "
    "sched-gran=core\n"
    "Name               CPU list\nPool-0             0,1\nother              2,3\n\n"
    "Name               CPUs   Sched     Active   Domain count\n"
    "Pool-0               2   credit2       y          2\n"
    "other                2    credit       y          1\n# xl vcpu-list\n"
    "Name                                ID  VCPU   CPU State   Time(s) Affinity (Hard / Soft)\n"
    "Domain-0                             0     0     1   -b-      21.4  all / all\n"
    "my web                               1     0     0   r--       1.0  0-1,64 / 0-3\n"
    "my web                               1     1     -   --p       0.0  0-1 / none\n"
    "db                                   2     0     3   -b-       1.0  all / 2-3\n\n"
    "Cpupool Pool-0: ratelimit=1000us runqueue=core max-cpus=none nr-runqueues=2\n"
    "Name                                ID Weight  Cap\n"
    "Domain-0                             0    256    0\n"
    "my web                               1    512   50\n"
    "Cpupool other: tslice=30ms ratelimit=1000us migration-delay=0us\n"
    "Name                                ID Weight  Cap\n"
    "db                                   2    256    0\n";

/// Traces of no CPU, of some of the host's, and of more than it has.
const std::vector<imported::TraceSurvey>& traces() {
    static const std::vector<imported::TraceSurvey> all = [] {
        std::vector<imported::TraceSurvey> made;
        for (const unsigned guests : {0U, 1U, 2U, 7U}) {
            auto& trace = made.emplace_back("trace");
            const auto bytes = test::fake_trace(5'000'000, 9'000'000, guests);
            if (!trace.feed(bytes)) std::abort();
            trace.finish();
        }
        return made;
    }();
    return all;
}

void check(const imported::ImportedHost& host) {
    const auto topology = topology_of(host.snapshot);
    const auto pools = pools_of(host.snapshot);
    if (!topology || !pools || pools->empty()) std::abort();
    if (host.info.tsc_khz < 1'000 || host.info.tsc_khz > 100'000'000) std::abort();
    for (const proto::Domain& domain : host.snapshot.domains()) {
        if (domain.pool_id() >= pools->size() || domain.weight() > 65535) std::abort();
        for (const proto::Vcpu& vcpu : domain.vcpus())
            for (const auto* cpus : {&vcpu.hard_affinity(), &vcpu.soft_affinity()})
                for (const std::uint32_t cpu : *cpus)
                    if (!topology->find(cpu)) std::abort();
    }
}

void check(const Error& error) {
    if (error.message.empty() || error.message.size() > 1000) std::abort();
    for (const char c : error.message)
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) std::abort();
}

std::vector<std::string> lines_of(std::string_view text) {
    std::vector<std::string> lines;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        lines.emplace_back(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return lines;
}

/// Another number in place of one of the line's.
void change_number(std::string& line, fuzz::Random& random) {
    static constexpr std::array<std::string_view, 12> numbers{
        "0", "1", "2", "3", "4", "15", "64", "4095", "4096", "32766", "65536", "99999999999"};
    const std::size_t first = line.find_first_of("0123456789", random() % (line.size() + 1));
    if (first == std::string::npos) return;
    const std::size_t end = std::min(line.find_first_not_of("0123456789", first), line.size());
    line.replace(first, end - first, numbers[random() % numbers.size()]);
}

} // namespace

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned seed_number) {
    fuzz::Random random(seed_number);
    std::string_view input(reinterpret_cast<const char*>(data), size);
    if (size < 8 || random() % 200 == 0) input = good;
    if (random() % 16 == 0) return LLVMFuzzerMutate(data, size, max_size);
    std::vector<std::string> lines = lines_of(input.substr(1));
    const auto any = [&] { return random() % lines.size(); };
    if (lines.empty()) return LLVMFuzzerMutate(data, size, max_size);
    switch (random() % 8) {
    case 0:
        lines.erase(lines.begin() + static_cast<std::ptrdiff_t>(any()));
        break;
    case 1:
        lines.insert(lines.begin() + static_cast<std::ptrdiff_t>(any()), std::string(lines[any()]));
        break;
    case 2:
        std::swap(lines[any()], lines[any()]);
        break;
    case 3: {
        std::string& line = lines[any()];
        line = fuzz::changed_bytes(line, 16);
        break;
    }
    default:
        change_number(lines[any()], random);
        break;
    }
    std::string out(1, random() % 32 == 0 ? static_cast<char>(random()) : input[0]);
    for (const std::string& line : lines) out += line + '\n';
    out.resize(std::min(out.size(), max_size));
    std::copy(out.begin(), out.end(), data);
    return out.size();
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    imported::XlText text;
    const auto read = imported::read_xl_text({reinterpret_cast<const char*>(data) + 1, size - 1},
                                             "all.txt", text);
    if (!read) {
        check(read.error());
        return 0;
    }
    const auto host = imported::host_of(text, traces()[data[0] % traces().size()]);
    if (host)
        check(*host);
    else
        check(host.error());
    return 0;
}
