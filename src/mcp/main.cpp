// SPDX-License-Identifier: MIT
// intellisched-mcp: the commands of `intellisched` as tools for assistants, by the Model Context
// Protocol over standard input and output. `intellisched mcp` runs it.
#include "src/base/companion.hpp"
#include "src/base/interrupt.hpp"
#include "src/base/log.hpp"
#include "src/mcp/runner.hpp"
#include "src/mcp/server.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstring>
#include <deque>
#include <fmt/core.h>
#include <unistd.h>

using namespace intellisched;

namespace {

constexpr std::size_t most_waiting = 16;

struct Options {
    std::string config, host;
    bool allow_changes = false;
};

/// What comes in and goes out, a line each.
class Session {
  public:
    Session(const Options& options, const std::filesystem::path& program)
        : options_(options), server_(INTELLISCHED_VERSION, options.allow_changes),
          runner_(program) {}

    /// Until the client has closed its end and has its answers, or does not listen any more, or a
    /// signal.
    Result<void> serve() {
        bool asks = true;
        while (!interrupted) {
            if (!runner_.running() && !stuffed()) start_next();
            if (!asks && !runner_.running() && answers_.empty()) break;
            const auto [output, errors] = runner_.descriptors();
            // A pipe that nobody reads any more tells so without being asked.
            std::array waited_for{pollfd{asks && !stuffed() ? STDIN_FILENO : -1, POLLIN, 0},
                                  pollfd{STDOUT_FILENO, short(answers_.empty() ? 0 : POLLOUT), 0},
                                  output, errors};
            if (::poll(waited_for.data(), waited_for.size(), runner_.timeout_ms()) < 0) {
                if (errno == EINTR) continue;
                return fail("standard input: {}", std::strerror(errno));
            }
            if (const auto outcome = runner_.finished(); outcome) {
                if (wanted_) answer(server_.answer(*wanted_, *outcome));
                wanted_.reset();
            }
            if ((waited_for[1].revents & POLLERR) != 0) break;
            if ((waited_for[1].revents & POLLOUT) != 0) TRY(write_some());
            if (waited_for[0].revents != 0) asks = TRY(listen());
        }
        return {};
    }

  private:
    void answer(const std::string& line) { answers_ += line + '\n'; }
    /// Nothing more is taken from a client that does not read its answers.
    [[nodiscard]] bool stuffed() const { return answers_.size() > mcp::longest_message; }

    /// A piece that a pipe takes at once when it takes anything: a client that reads slowly must
    /// not keep us from our command.
    Result<void> write_some() {
        const std::size_t piece = std::min<std::size_t>(answers_.size(), PIPE_BUF);
        const ssize_t written = ::write(STDOUT_FILENO, answers_.data(), piece);
        if (written >= 0)
            answers_.erase(0, static_cast<std::size_t>(written));
        else if (errno != EINTR && errno != EAGAIN)
            return fail("standard output: {}", std::strerror(errno));
        return {};
    }

    void start_next() {
        while (!waiting_.empty() && !runner_.running()) {
            mcp::Call call = std::move(waiting_.front());
            waiting_.pop_front();
            std::vector<std::string> arguments = call.arguments;
            if (call.tool->looks && !options_.host.empty())
                arguments.push_back("--host=" + options_.host);
            if (!call.tool->looks && !options_.config.empty())
                arguments.push_back("--config=" + options_.config);
            if (const auto started = runner_.start(arguments); !started)
                answer(mcp::Server::refusal(call.id, started.error().message));
            else
                wanted_ = std::move(call);
        }
    }

    /// Reads what there is, and takes the messages in it. False at the end.
    Result<bool> listen() {
        std::array<char, 65536> piece{};
        const ssize_t got = ::read(STDIN_FILENO, piece.data(), piece.size());
        if (got < 0 && (errno == EINTR || errno == EAGAIN)) return true;
        if (got < 0) return fail("standard input: {}", std::strerror(errno));
        if (got == 0) return false;
        for (const char c : std::string_view(piece.data(), static_cast<std::size_t>(got))) {
            if (c != '\n') {
                // One more than the longest tells that it is too long; the rest is dropped.
                if (line_.size() <= mcp::longest_message) line_ += c;
                continue;
            }
            const std::string line = std::exchange(line_, {});
            if (line.size() > mcp::longest_message)
                answer(mcp::Server::refusal(nullptr, "the message is longer than a megabyte"));
            else if (!line.empty() && line != "\r")
                take(line);
        }
        return true;
    }

    void take(const std::string& line) {
        mcp::Asked asked = server_.take(line);
        if (const auto* text = std::get_if<std::string>(&asked)) answer(*text);
        if (auto* call = std::get_if<mcp::Call>(&asked)) {
            if (waiting_.size() < most_waiting)
                waiting_.push_back(std::move(*call));
            else
                answer(mcp::Server::refusal(call->id, "too many calls are waiting; ask again when "
                                                      "one has been answered"));
        }
        if (const auto* cancellation = std::get_if<mcp::Cancellation>(&asked)) {
            std::erase_if(waiting_,
                          [&](const mcp::Call& call) { return call.id == cancellation->id; });
            if (wanted_ && wanted_->id == cancellation->id) {
                wanted_.reset();
                runner_.end();
            }
        }
    }

    const Options& options_;
    mcp::Server server_;
    mcp::Runner runner_;
    std::string line_;    ///< the beginning of a message
    std::string answers_; ///< that have still to be written
    std::deque<mcp::Call> waiting_;
    std::optional<mcp::Call> wanted_; ///< what runs, unless it was cancelled
};

/// What is wrong with it; nothing: it may do.
std::string check_host(const std::string& host) {
    const std::string_view kind = std::string_view(host).substr(0, host.find(':'));
    if (host == "xen") return {};
    std::error_code error;
    if ((kind == "sim" || kind == "capture") &&
        std::filesystem::exists(host.substr(kind.size() + 1), error))
        return {};
    return fmt::format("xen, or capture: or sim: with a path that is there, are accepted, not '{}'",
                       printable(host));
}

Result<void> run(const Options& options) {
    const auto program = find_companion("intellisched", "src/cli");
    if (!program) return fail("the program intellisched: is not there; install its package");
    watch_signals();
    // Whoever started us may ignore it, and then no command's status could be had.
    std::signal(SIGCHLD, SIG_DFL);
    return Session(options, *program).serve();
}

} // namespace

int main(int argc, char** argv) {
    CLI::App app{"Offers the commands of intellisched as tools to an assistant: the Model Context "
                 "Protocol (revisions 2026-07-28 and 2025-11-25) on standard input and output.",
                 "intellisched mcp"};
    Options options;
    app.add_option("--config", options.config, "the service's configuration")
        ->check(CLI::ExistingFile);
    app.add_option(
           "--host", options.host,
           "where those that watch a host look: xen (default), capture:PATH or sim:SCENARIO")
        ->check(CLI::Validator(check_host, ""));
    app.add_flag("--allow-changes", options.allow_changes,
                 "also pause and resume: the service itself does all switches, within its bounds; "
                 "without it nothing can be changed");
    bool verbose = false;
    // As before any command; our help need not tell.
    app.add_flag("-v,--verbose", verbose, "log more, to standard error")->group("");
    app.set_version_flag("--version", "intellisched " INTELLISCHED_VERSION)->group("");
    app.footer("Exit status: 0 the client has closed its end, 1 failed, 2 wrong usage.");
    try {
        // `intellisched mcp` hands over the command line as it was.
        std::vector<std::string> words(argv + 1, argv + argc);
        const auto command = std::ranges::find_if(
            words, [](const std::string& word) { return !word.starts_with('-'); });
        if (command != words.end() && *command == "mcp") words.erase(command);
        std::ranges::reverse(words);
        app.parse(words);
    } catch (const CLI::ParseError& error) {
        if (error.get_exit_code() == 0) return app.exit(error); // --help
        fmt::print(stderr, "intellisched: {}; try `intellisched mcp --help`\n", error.what());
        return 2;
    }
    start_log(verbose ? boost::log::trivial::severity_level::debug
                      : boost::log::trivial::severity_level::warning);
    const auto served = run(options);
    if (served) return 0;
    fmt::print(stderr, "intellisched mcp: {}\n", served.error().message);
    return 1;
}
