// SPDX-License-Identifier: MIT
#include "src/cli/guests_text.hpp"

#include "src/base/counted.hpp"
#include "src/base/result.hpp"
#include "src/cli/cells.hpp"

#include <algorithm>

namespace intellisched::cli {
namespace {

constexpr std::size_t widest_name = 20;
constexpr double least_told = 0.2; ///< of the waiting, of who is told to be waited for

std::string windows_text(unsigned windows) { return counted(windows, "window") + " of a second"; }

std::string reasons_text(const auto& reasons) {
    std::string text;
    for (const std::string& reason : reasons) text += fmt::format("  - {}\n", reason);
    return text;
}

std::string short_name(unsigned id, const std::string& name) {
    return name.empty() ? fmt::format("domain {}", id) : ascii(name, widest_name);
}

std::string behind_text(const proto::GuestRow& guest) {
    if (!guest.has_behind()) return "-";
    const auto& behind = guest.behind();
    if (behind.part() < least_told) return guest.behind_any() < least_told ? "-" : "many";
    return fmt::format(
        "{} {}", behind.id() == guest.id() ? "itself" : short_name(behind.id(), behind.name()),
        percent(behind.part()));
}

/// "server 93%".
std::string class_text(const proto::GuestRow& guest) {
    if (!guest.has_class_()) return "-";
    const auto& its = guest.class_();
    return its.name() == its.likeliest()
               ? fmt::format("{} {}", printable(its.name(), 32), percent(its.confidence()))
               : printable(its.name(), 32);
}

} // namespace

std::string guests_text(const proto::Guests& guests) {
    std::string text = fmt::format("cpupool {}: {}, {}\n", printable(guests.pool()),
                                   counted(guests.cpus(), "CPU"), windows_text(guests.windows()));
    if (guests.windows() == 0)
        return text + "nothing can be told of the guests:\n" + reasons_text(guests.reasons());

    std::size_t name = 4, behind = 12, kind = 5;
    for (const auto& guest : guests.guests()) {
        name = std::max(name, short_name(guest.id(), guest.name()).size());
        behind = std::max(behind, behind_text(guest).size());
        kind = std::max(kind, class_text(guest).size());
    }
    text += fmt::format("\n{:>5} {:<{}} {:>5} {:>6} {:>4} {:>6} {:>6} {:>6} {:>7} {:>7}  {:<{}} "
                        "{:>6} {:>6} {:>6}  {:<{}}  {}\n",
                        "id", "name", name, "vCPUs", "weight", "cap", "got", "due", "waits", "p50",
                        "p99", "mostly for", behind, "wake/s", "move/s", "burst", "class", kind,
                        "what would help");
    for (const auto& guest : guests.guests())
        text += fmt::format(
            "{:>5} {:<{}} {:>5} {:>6} {:>4} {:>6.2f} {:>6.2f} {:>6} {:>7} {:>7}  {:<{}} {:>6} "
            "{:>6} {:>6}  {:<{}}  {}\n",
            guest.id(), short_name(guest.id(), guest.name()), name, guest.vcpus(), guest.weight(),
            guest.cap() > 0 ? fmt::format("{}%", guest.cap()) : "-", guest.got(), guest.entitled(),
            percent(guest.waits()),
            guest.has_wait_p50_us() ? microseconds(guest.wait_p50_us()) : "-",
            guest.has_wait_p99_us() ? microseconds(guest.wait_p99_us()) : "-", behind_text(guest),
            behind, count(guest.wakeups_s()), count(guest.moves_s()),
            guest.has_burst_us() ? microseconds(guest.burst_us()) : "-", class_text(guest), kind,
            guest.help().what());
    text += "\ngot: CPUs in the mean; due: of what all guests want, by weight and cap; waits: of "
            "the time that it wants a CPU\n";
    for (const auto& guest : guests.guests()) {
        if (guest.cause() == "none") continue;
        text += fmt::format(
            "  - {}: {}{}\n", short_name(guest.id(), guest.name()), guest.help().text(),
            guest.help().command().empty() ? "" : fmt::format(" (`{}`)", guest.help().command()));
    }
    return text + reasons_text(guests.reasons());
}

std::string diagnosis_text(const proto::Diagnosis& diagnosis) {
    std::string text = fmt::format("cpupool {}: {}\n\n", printable(diagnosis.pool()),
                                   windows_text(diagnosis.windows()));
    const std::string& verdict = diagnosis.verdict();
    if (verdict == "found")
        text += "what is wrong:\n";
    else if (verdict == "settings")
        text += "guests wait, and nothing of this kind is wrong; `intellisched guests` says for "
                "whom, `intellisched recommend` which settings suit them\n";
    else if (verdict == "not-the-scheduler")
        text += "the scheduler is not the cause: no guest waits for a CPU to speak of\n";
    else
        text += "nothing can be told:\n";
    for (const auto& finding : diagnosis.findings())
        text += fmt::format("  - {}: {}\n", finding.code(), finding.text());
    return text + reasons_text(diagnosis.reasons());
}

} // namespace intellisched::cli
