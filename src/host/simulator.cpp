// SPDX-License-Identifier: MIT
#include "src/host/simulator.hpp"

#include "src/base/companion.hpp"
#include "src/base/trust.hpp"

#include <cstdlib>

namespace intellisched {
namespace {

namespace fs = std::filesystem;

constexpr const char* program_name = "credit2-sim";

} // namespace

Result<fs::path> find_simulator() {
    if (const char* named = std::getenv("CREDIT2_SIM"); named && *named) {
        if (auto ours = check_trusted_path(named); executable(named) && !ours)
            return fail("CREDIT2_SIM: {}", ours.error().message);
        if (executable(named)) return fs::path(named);
        return fail("{}: no program that can be run; CREDIT2_SIM names it as the simulator", named);
    }
    if (auto found = find_companion(program_name, "bench/simulator"); found) return found;
    return fail(
        "the simulator {0} is not there: no package has it, because it is compiled from Xen's "
        "source; name one that you have built in CREDIT2_SIM, or look at a capture",
        program_name);
}

std::string last_line(std::string_view words) {
    while (words.ends_with('\n')) words.remove_suffix(1);
    return printable(words.substr(words.rfind('\n') + 1), 512);
}

} // namespace intellisched
