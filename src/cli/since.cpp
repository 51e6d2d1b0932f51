// SPDX-License-Identifier: MIT
#include "src/cli/since.hpp"

#include <charconv>
#include <chrono>
#include <ctime>

namespace intellisched::cli {

using service::UnixTime;

namespace {

constexpr auto ns_of_second = static_cast<UnixTime>(second);

/// The beginning of the day that is so many days ago, of the local time.
UnixTime midnight(int days_ago) {
    const std::time_t now = std::time(nullptr);
    std::tm day{};
    ::localtime_r(&now, &day);
    day.tm_mday -= days_ago;
    day.tm_hour = day.tm_min = day.tm_sec = 0;
    day.tm_isdst = -1;
    return static_cast<UnixTime>(std::mktime(&day)) * ns_of_second;
}

} // namespace

std::optional<UnixTime> time_from(const std::string& text) {
    if (text == "today") return midnight(0);
    if (text == "yesterday") return midnight(1);
    std::uint32_t number = 0;
    const char* end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data(), end, number);
    if (parsed.ec == std::errc{}) {
        const std::string_view unit(parsed.ptr, end);
        const UnixTime now = std::chrono::duration_cast<std::chrono::nanoseconds>(
                                 std::chrono::system_clock::now().time_since_epoch())
                                 .count();
        for (const auto& [name, seconds] :
             {std::pair{"s", 1}, {"m", 60}, {"min", 60}, {"h", 3600}, {"d", 86400}})
            // An uint32 of days is more than an int64 of nanoseconds.
            if (unit == name)
                return std::max<std::int64_t>(now / ns_of_second - std::int64_t{number} * seconds,
                                              0) *
                       ns_of_second;
    }
    for (const char* format : {"%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S"}) {
        std::tm time{};
        time.tm_isdst = -1;
        const char* rest = ::strptime(text.c_str(), format, &time);
        // Years past 2200 do not fit in nanoseconds, and a journal has nothing before 1970.
        if (rest && *rest == '\0' && time.tm_year >= 70 && time.tm_year < 300)
            return static_cast<UnixTime>(std::mktime(&time)) * ns_of_second;
    }
    return std::nullopt;
}

void add_since(CLI::App& command, std::string& since, const std::string& what) {
    command.add_option("--since", since, what)
        ->check(CLI::Validator(
            [](const std::string& text) {
                return time_from(text)
                           ? std::string()
                           : fmt::format("{} is no time; 90s, 30min, 2h, 7d, yesterday and "
                                         "2026-11-21 are",
                                         printable(text));
            },
            "T"));
}

} // namespace intellisched::cli
