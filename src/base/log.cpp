// SPDX-License-Identifier: MIT
#include "src/base/log.hpp"

#include <boost/log/core.hpp>
#include <boost/log/expressions.hpp>
#include <boost/log/support/date_time.hpp>
#include <boost/log/utility/setup/common_attributes.hpp>
#include <boost/log/utility/setup/console.hpp>
#include <cstdlib>
#include <iostream>

namespace intellisched {

namespace logging = boost::log;
using logging::trivial::severity_level;

// syslog(3) priorities, which sd-daemon(3) takes as a `<N>` prefix.
static int journal_priority(severity_level level) {
    switch (level) {
    case severity_level::trace:
    case severity_level::debug:
        return 7;
    case severity_level::info:
        return 6;
    case severity_level::warning:
        return 4;
    case severity_level::error:
        return 3;
    case severity_level::fatal:
        return 2;
    }
    return 6;
}

void start_log(severity_level level) {
    const bool journal = std::getenv("JOURNAL_STREAM") != nullptr;
    logging::add_common_attributes();
    auto sink = logging::add_console_log(std::clog, logging::keywords::auto_flush = true);
    sink->set_formatter(
        [journal](const logging::record_view& record, logging::formatting_ostream& out) {
            const auto severity = record[logging::trivial::severity].get();
            if (journal) {
                out << '<' << journal_priority(severity) << '>';
            } else {
                const auto time = record["TimeStamp"].extract<boost::posix_time::ptime>();
                if (time) out << boost::posix_time::to_iso_extended_string(time.get()) << ' ';
                out << severity << ": ";
            }
            out << record[logging::expressions::smessage];
        });
    logging::core::get()->set_filter(logging::trivial::severity >= level);
}

} // namespace intellisched
