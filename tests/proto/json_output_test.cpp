// SPDX-License-Identifier: MIT
// What --json prints, whatever is in a message.
#include "src/proto/control.pb.h"
#include "src/proto/json_output.hpp"
#include "src/proto/model.pb.h"
#include "src/proto/recommendation.pb.h"

#include <cmath>
#include <doctest/doctest.h>
#include <limits>

using namespace intellisched;

TEST_CASE("json: a version first, then every field, of which 64 bits are a number as well") {
    proto::ServiceStatus status;
    CHECK(json_output(status) ==
          "{\"json_version\":1,\"version\":\"\",\"uptime_s\":0,\"host\":\"\",\"model_id\":\"\","
          "\"model_name\":\"\",\"records_lost\":0,\"journal_errors\":0,\"pools\":[]}\n");
    status.set_records_lost(std::numeric_limits<std::uint64_t>::max());
    CHECK(json_output(status).find("\"records_lost\":18446744073709551615,") != std::string::npos);
}

TEST_CASE(
    "json: messages and optional fields only where they are set, within others without a version") {
    proto::HistoryEntry entry;
    auto& change = *entry.mutable_change();
    change.mutable_to()->set_layout("core");
    change.set_from_rate_limit_us(0);
    const std::string text = json_output(entry);
    CHECK(text.find("\"change\":{\"revert\":false,\"to\":{\"layout\":\"core\",\"max_cpus\":0},"
                    "\"outcome\":\"\",\"text\":\"\",\"from_rate_limit_us\":0}}") !=
          std::string::npos);
}

TEST_CASE("json: what is no number is null, and maps are in order") {
    proto::FeatureWindow window;
    for (const char* name : {"b", "c", "a"}) (*window.mutable_features())[name] = 0.5;
    (*window.mutable_features())["c"] = NAN;
    window.set_begin_s(-std::numeric_limits<double>::infinity());
    const std::string text = json_output(window);
    CHECK(text.find("\"features\":{\"a\":0.5,\"b\":0.5,\"c\":null}") != std::string::npos);
    CHECK(text.find("\"begin_s\":null") != std::string::npos);
    proto::Sample sample;
    sample.add_features(0.1F);
    sample.add_features(NAN);
    CHECK(json_output(sample).find("\"features\":[0.1,null]") != std::string::npos);
}

TEST_CASE("json: no name breaks out of its quotes, or is lost") {
    const auto name = [](std::string_view text) {
        proto::Applied applied;
        applied.set_pool(std::string(text));
        const std::string json = json_output(applied);
        const auto from = json.find("\"pool\":") + 7;
        return json.substr(from, json.find(",\"changed\"") - from);
    };
    using namespace std::string_view_literals;
    CHECK(name("a\"b\\c\n\0d\x1b[2J"sv) == R"("a\"b\\c\u000a\u0000d\u001b[2J")");
    CHECK(name("p\xc3\xb6l") == "\"p\xc3\xb6l\"");
    CHECK(name("\xff\xc3") == R"("\ufffd\ufffd")");
    CHECK(name("\xe2\x80\xa8") == R"("\u2028")");
}

TEST_CASE("json: bytes are base64") {
    const auto text = [](const char* bytes) {
        proto::ModelManifest manifest;
        manifest.set_model_sha256(bytes);
        const std::string json = json_output(manifest);
        const auto from = json.find("\"model_sha256\":") + 15;
        return json.substr(from, json.find(',', from) - from);
    };
    CHECK(text("") == "\"\"");
    CHECK(text("f") == "\"Zg==\"");
    CHECK(text("fo") == "\"Zm8=\"");
    CHECK(text("foo") == "\"Zm9v\"");
    CHECK(text("\xff\xfe\xfd\xfc") == "\"//79/A==\"");
}
