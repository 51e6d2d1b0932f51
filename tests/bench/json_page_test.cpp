// SPDX-License-Identifier: MIT
// intellisched-json(5) against what the commands print: each example is an output to the byte, but
// for white space, and all of them together have every member that there is.
#include "bench/proto/bench.pb.h"
#include "bench/proto/calibration.pb.h"
#include "bench/proto/evaluation.pb.h"
#include "bench/proto/what_if.pb.h"
#include "src/proto/control.pb.h"
#include "src/proto/guests.pb.h"
#include "src/proto/json_output.hpp"
#include "src/proto/model.pb.h"
#include "src/proto/recommendation.pb.h"
#include "test_paths.hpp"
#include "tests/support/files.hpp"

#include <doctest/doctest.h>
#include <functional>
#include <google/protobuf/util/json_util.h>
#include <map>
#include <memory>
#include <set>
#include <sstream>

using namespace intellisched;
using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

namespace {

/// By the page's section: what it is an example of.
const std::map<std::string, const Message*>& outputs() {
    static const std::map<std::string, const Message*> all{
        {"recommend", &proto::Recommendation::default_instance()},
        {"guests", &proto::Guests::default_instance()},
        {"diagnose", &proto::Diagnosis::default_instance()},
        {"apply", &proto::Applied::default_instance()},
        {"features", &proto::FeatureWindow::default_instance()},
        {"features --describe", &proto::FeatureSchema::default_instance()},
        {"status", &proto::ServiceStatus::default_instance()},
        {"history", &proto::HistoryEntry::default_instance()},
        {"bench", &proto::Report::default_instance()},
        {"train", &proto::ModelManifest::default_instance()},
        {"evaluate", &proto::EvaluationReport::default_instance()},
        {"calibrate", &proto::Calibration::default_instance()},
        {"what-if", &proto::WhatIfAnswer::default_instance()},
    };
    return all;
}

/// The objects of a text, without white space but that in strings, and each with an end of line.
std::vector<std::string> objects_in(const std::string& text) {
    std::vector<std::string> all;
    std::string one;
    int depth = 0;
    bool quoted = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (!quoted && (c == ' ' || c == '\n')) continue;
        one += c;
        if (quoted && c == '\\') one += text[++i];
        if (c == '"') quoted = !quoted;
        if (!quoted) depth += c == '{' ? 1 : c == '}' ? -1 : 0;
        if (depth > 0 || quoted) continue;
        all.push_back(one + '\n');
        one.clear();
    }
    REQUIRE(one.empty());
    return all;
}

/// The page's examples by section.
std::map<std::string, std::vector<std::string>> examples() {
    std::istringstream page(test::slurp(INTELLISCHED_JSON_PAGE));
    std::map<std::string, std::string> texts;
    std::string section;
    bool example = false;
    for (std::string line; std::getline(page, line);) {
        if (line.starts_with(".Ss ")) section = line.substr(4);
        if (line.starts_with(".Bd -literal"))
            example = true;
        else if (line == ".Ed")
            example = false;
        else if (example)
            texts[section] += line + '\n';
    }
    std::map<std::string, std::vector<std::string>> all;
    for (const auto& [name, text] : texts) all[name] = objects_in(text);
    return all;
}

using Fields = std::set<const FieldDescriptor*>;

void add_fields(const Message& message, Fields& to) {
    const auto& reflection = *message.GetReflection();
    for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
        const FieldDescriptor* field = message.GetDescriptor()->field(i);
        const int count = field->is_repeated()     ? reflection.FieldSize(message, field)
                          : !field->has_presence() ? 1
                          : reflection.HasField(message, field) ? 1
                                                                : 0;
        if (count > 0) to.insert(field);
        if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE || field->is_map()) continue;
        for (int at = 0; at < count; ++at)
            add_fields(field->is_repeated() ? reflection.GetRepeatedMessage(message, field, at)
                                            : reflection.GetMessage(message, field),
                       to);
    }
}

/// Those of a message and of the messages in it; of the many costs the page of scenarios tells.
void all_fields(const Descriptor& type, Fields& to) {
    if (&type == proto::Costs::descriptor()) return;
    for (int i = 0; i < type.field_count(); ++i)
        if (to.insert(type.field(i)).second && type.field(i)->message_type() &&
            !type.field(i)->is_map())
            all_fields(*type.field(i)->message_type(), to);
}

} // namespace

TEST_CASE("the page of the JSON output has each output as it is printed, with every member") {
    const auto page = examples();
    const std::string first = "{\"json_version\":1";
    for (const auto& [name, type] : outputs()) {
        CAPTURE(name);
        REQUIRE(page.contains(name));
        Fields shown, wanted;
        for (const std::string& text : page.at(name)) {
            REQUIRE(text.starts_with(first + ","));
            const std::unique_ptr<Message> message(type->New());
            const auto status = google::protobuf::util::JsonStringToMessage(
                "{" + text.substr(first.size() + 1), message.get());
            CHECK_MESSAGE(status.ok(), status.ToString());
            CHECK(json_output(*message) == text);
            add_fields(*message, shown);
        }
        all_fields(*type->GetDescriptor(), wanted);
        for (const FieldDescriptor* field : wanted)
            CHECK_MESSAGE(shown.contains(field), field->full_name());
    }
    CHECK(page.size() == outputs().size());
}

TEST_CASE("the page's example of a recommendation does not contradict itself") {
    const std::string text = examples().at("recommend").at(0);
    proto::Recommendation told;
    REQUIRE(
        google::protobuf::util::JsonStringToMessage("{" + text.substr(text.find(',') + 1), &told)
            .ok());
    REQUIRE(told.verdict() == "switch");
    CHECK(told.expected_gain() >= told.needed_gain());
    CHECK(told.undo().ends_with(fmt::format("--max-cpus {}", told.max_cpus())));
    for (const auto& row : told.layouts())
        if (row.layout() == told.recommended()) {
            CHECK(row.probability() == told.confidence());
            CHECK(row.expected_gain() == told.expected_gain());
        }
    const auto& limit = told.rate_limit();
    REQUIRE(limit.verdict() == "switch");
    CHECK(limit.expected_gain() >= limit.needed_gain());
    CHECK(limit.recommended_us() == limit.favoured_us());
    CHECK(limit.reasons(0).starts_with(
        fmt::format("{} us has the highest expected gain", limit.recommended_us())));
}
