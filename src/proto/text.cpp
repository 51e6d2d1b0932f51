// SPDX-License-Identifier: MIT
#include "src/proto/text.hpp"

#include "src/base/files.hpp"

#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/text_format.h>
#include <google/protobuf/util/json_util.h>

namespace intellisched {

namespace {

constexpr std::size_t most_text = std::size_t{16} << 20;
constexpr int most_deep = 16; // nothing that people write is deeper

/// Keeps the first thing that the parser complains about: the rest follows from it.
class FirstError : public google::protobuf::io::ErrorCollector {
  public:
    void AddError(int line, int, const std::string& text) override {
        if (!message.empty()) return;
        at = line;
        message = text;
    }
    int at = -1;
    std::string message;
};

} // namespace

Result<void> parse_text(const std::string& name, const std::string& text,
                        google::protobuf::Message& message) {
    FirstError error;
    google::protobuf::TextFormat::Parser parser;
    parser.RecordErrorsTo(&error);
    parser.SetRecursionLimit(most_deep);
    if (parser.ParseFromString(text, &message)) return {};
    return fail("{}:{}: {}; correct it", name, error.at + 1, printable(error.message, 256));
}

Result<void> parse_text_file(const std::filesystem::path& path,
                             google::protobuf::Message& message) {
    auto bytes = TRY(read_file(path, most_text));
    return parse_text(path.string(), {reinterpret_cast<const char*>(bytes.data()), bytes.size()},
                      message);
}

std::string to_json(const google::protobuf::Message& message) {
    google::protobuf::util::JsonPrintOptions options;
    options.preserve_proto_field_names = true;
    options.always_print_primitive_fields = true;
    std::string json;
    // Fails for google.protobuf.Any of unknown type only, and we have none.
    (void)google::protobuf::util::MessageToJsonString(message, &json, options);
    return json + "\n";
}

} // namespace intellisched
