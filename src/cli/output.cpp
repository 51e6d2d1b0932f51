// SPDX-License-Identifier: MIT
#include "src/cli/output.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <google/protobuf/util/json_util.h>
#include <unistd.h>

namespace intellisched::cli {

std::string to_json(const google::protobuf::Message& message) {
    google::protobuf::util::JsonPrintOptions options;
    options.preserve_proto_field_names = true;
    options.always_print_primitive_fields = true;
    std::string json;
    // Fails for google.protobuf.Any of unknown type only, and we have none.
    (void)google::protobuf::util::MessageToJsonString(message, &json, options);
    return json + "\n";
}

Result<void> print(const std::string& text) {
    if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0)
        return fail("standard output: cannot write: {}", std::strerror(errno));
    return {};
}

Progress::Progress() : terminal_(::isatty(STDERR_FILENO) == 1) {}

Progress::~Progress() {
    if (shown_) fmt::print(stderr, "\r\x1b[K");
}

void Progress::show(const std::string& line) {
    if (!terminal_) return;
    fmt::print(stderr, "\r\x1b[K{}", line);
    shown_ = true;
}

} // namespace intellisched::cli
