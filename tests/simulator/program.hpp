// SPDX-License-Identifier: GPL-2.0-only
// Runs credit2-sim as a program.
#pragma once

#include "src/proto/simulator.pb.h"
#include "tests/support/files.hpp"

#include <array>
#include <cstdio>
#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>
#include <google/protobuf/util/json_util.h>
#include <string>
#include <sys/wait.h>

namespace sim {

namespace proto = intellisched::proto;
namespace fs = std::filesystem;

struct Directory : intellisched::test::Directory {
    [[nodiscard]] std::string file(const std::string& name, const std::string& text) const {
        std::ofstream(path / name) << text;
        return path / name;
    }
};

struct Done {
    int status;
    std::string output; ///< both streams
};

inline Done credit2_sim(const std::string& arguments) {
    FILE* pipe = ::popen((std::string(CREDIT2_SIM) + " " + arguments + " 2>&1").c_str(), "r");
    REQUIRE(pipe != nullptr);
    Done done;
    std::array<char, 4096> buffer{};
    while (const std::size_t n = std::fread(buffer.data(), 1, buffer.size(), pipe))
        done.output.append(buffer.data(), n);
    const int status = ::pclose(pipe);
    done.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return done;
}

inline proto::Truth truth_of(const std::string& arguments) {
    const Done done = credit2_sim(arguments + " --truth -");
    INFO(done.output);
    REQUIRE(done.status == 0);
    proto::Truth truth;
    REQUIRE(google::protobuf::util::JsonStringToMessage(done.output, &truth).ok());
    return truth;
}

} // namespace sim
