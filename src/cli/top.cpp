// SPDX-License-Identifier: MIT
// A live view of the running service in a terminal.
#include "src/base/interrupt.hpp"
#include "src/cli/commands.hpp"
#include "src/cli/output.hpp"
#include "src/cli/shared_options.hpp"
#include "src/cli/top_screen.hpp"
#include "src/service/config.hpp"
#include "src/service/control.hpp"

#include <chrono>
#include <cstdlib>
#include <unistd.h>

#define NCURSES_NOMACROS // its macros have names of ours
#include <curses.h>

namespace intellisched::cli {
namespace {

using Clock = std::chrono::steady_clock;
using Style = ScreenLine::Style;

constexpr std::chrono::seconds patience{2}; // keys wait for as long
constexpr std::size_t text_width = 120;     // of what is no terminal

struct TopArguments {
    std::filesystem::path config = default_config_path;
    double interval = 1;
    bool once = false;
};

/// The terminal in curses' hands for as long as this lives.
class Terminal {
  public:
    /// initscr() would end the program where newterm() has an error.
    Terminal() : screen_(::newterm(nullptr, stdout, stdin)) {
        if (!screen_) return;
        ::cbreak(); // Ctrl-C stays a signal
        ::noecho();
        ::keypad(::stdscr, true);
        ::curs_set(0);
    }
    ~Terminal() {
        if (!screen_) return;
        ::endwin();
        ::delscreen(screen_);
    }
    Terminal(const Terminal&) = delete;
    Terminal& operator=(const Terminal&) = delete;
    [[nodiscard]] bool works() const { return screen_ != nullptr; }

    [[nodiscard]] TopView view() const {
        return {.width = static_cast<std::size_t>(std::max(::getmaxx(::stdscr), 0)),
                .height = static_cast<std::size_t>(std::max(::getmaxy(::stdscr), 0))};
    }
    void draw(const std::vector<ScreenLine>& lines) const {
        ::werase(::stdscr);
        int row = 0;
        for (const ScreenLine& line : lines) {
            ::wattrset(::stdscr, attributes(line.style));
            // Fails at the last column of the last row, where it has written all the same.
            (void)::mvwaddnstr(::stdscr, row++, 0, line.text.data(),
                               static_cast<int>(line.text.size()));
        }
        ::wrefresh(::stdscr);
    }
    /// A key; ERR: none until then, or a signal.
    [[nodiscard]] int key_until(Clock::time_point end) const {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now());
        ::wtimeout(::stdscr, static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
        return ::wgetch(::stdscr);
    }

  private:
    static int attributes(Style style) {
        switch (style) {
        case Style::plain:
            break;
        case Style::strong:
            return static_cast<int>(A_BOLD);
        case Style::marked:
            return static_cast<int>(A_REVERSE);
        case Style::alarm:
            return static_cast<int>(A_STANDOUT);
        }
        return static_cast<int>(A_NORMAL);
    }
    SCREEN* screen_;
};

Result<proto::ServiceStatus> status_of_service(const std::filesystem::path& socket) {
    proto::ControlRequest request;
    request.set_status(true);
    auto reply = TRY(service::ask_service(socket, request, patience));
    return std::move(*reply.mutable_status());
}

Result<int> show_once(const std::filesystem::path& socket) {
    const auto status = TRY(status_of_service(socket));
    std::string text;
    for (const ScreenLine& line : top_screen(status, {.width = text_width}))
        text += line.text + "\n";
    TRY(print(text));
    return done;
}

/// What is shown, and what a key does to it.
struct Shown {
    std::filesystem::path socket;
    proto::ServiceStatus status = {};
    std::string selected = {};
    std::string problem = {};

    void ask() {
        auto told = status_of_service(socket);
        problem = told ? "" : told.error().message + "; what is below is of before";
        if (!told) return;
        status = std::move(*told);
        selected = neighbour(status, selected, 0);
    }
    void tell(bool pause) {
        if (selected.empty()) return; // would be all pools
        proto::ControlRequest request;
        (pause ? request.mutable_pause() : request.mutable_resume())->set_pool(selected);
        const auto reply = service::ask_service(socket, request, patience);
        ask();
        if (!reply) problem = reply.error().message;
    }
    /// False: quit.
    bool handle(int key) {
        if (key == 'q') return false;
        if (key == 'p' || key == 'r') tell(key == 'p');
        if (key == KEY_UP || key == 'k') selected = neighbour(status, selected, -1);
        if (key == KEY_DOWN || key == 'j') selected = neighbour(status, selected, 1);
        return true;
    }
};

Result<int> show_live(const std::filesystem::path& socket, double interval) {
    const Terminal terminal;
    if (!terminal.works()) {
        const char* name = std::getenv("TERM");
        return fail("the terminal '{}' is none that ncurses knows; set TERM, or use --once",
                    printable(name ? name : ""));
    }
    const auto every =
        std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(interval));
    Shown shown{.socket = socket};
    auto next = Clock::now();
    while (!interrupted) {
        if (Clock::now() >= next) {
            shown.ask();
            next = Clock::now() + every;
        }
        TopView view = terminal.view();
        view.selected = shown.selected;
        view.problem = shown.problem;
        terminal.draw(top_screen(shown.status, view));
        if (!shown.handle(terminal.key_until(next))) break;
        // A terminal that is gone gives no keys any more, at once and for ever.
        if (::isatty(STDIN_FILENO) != 1) break;
    }
    return done;
}

} // namespace

void add_top(CLI::App& app, Action& action) {
    auto* command = app.add_subcommand("top", "a live view of what the service sees and thinks");
    auto options = std::make_shared<TopArguments>();
    add_config(*command, options->config);
    command->add_option("--interval", options->interval, "seconds between two looks")
        ->capture_default_str()
        ->transform(seconds_within(0.1, 3600))
        ->excludes(
            command->add_flag("--once", options->once,
                              "print it as text and end, as is done where there is no terminal"));
    command->callback([options, &action] {
        action = [options]() -> Result<int> {
            const auto socket = TRY(read_socket(options->config));
            const bool live = ::isatty(STDOUT_FILENO) == 1 && ::isatty(STDIN_FILENO) == 1;
            return options->once || !live ? show_once(socket)
                                          : show_live(socket, options->interval);
        };
    });
}

} // namespace intellisched::cli
