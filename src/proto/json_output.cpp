// SPDX-License-Identifier: MIT
#include "src/proto/json_output.hpp"

#include <boost/locale/utf.hpp>
#include <cmath>
#include <fmt/format.h>
#include <map>
#include <vector>

namespace intellisched {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

/// A host's names need not be UTF-8, which JSON is.
std::string quoted(std::string_view text) {
    namespace utf = boost::locale::utf;
    std::string out = "\"";
    const char* const end = text.data() + text.size();
    for (const char* at = text.data(); at != end;) {
        const char* next = at;
        const auto character = utf::utf_traits<char>::decode(next, end);
        if (!utf::is_valid_codepoint(character)) {
            out += "\\ufffd";
            ++at;
            continue;
        }
        // U+2028 and U+2029 end a line of JavaScript; from U+7F on it may control a terminal.
        if (character < 0x20 || (character >= 0x7f && character < 0xa0) || character == 0x2028 ||
            character == 0x2029)
            out += fmt::format("\\u{:04x}", static_cast<unsigned>(character));
        else if (character == '"' || character == '\\')
            out.append({'\\', static_cast<char>(character)});
        else
            out.append(at, next);
        at = next;
    }
    return out + '"';
}

std::string base64(std::string_view bytes) {
    constexpr std::string_view digits =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string out;
    for (std::size_t at = 0; at < bytes.size(); at += 3) {
        unsigned three = 0;
        for (std::size_t i = 0; i < 3; ++i)
            three =
                three << 8 | (at + i < bytes.size() ? static_cast<std::uint8_t>(bytes[at + i]) : 0);
        for (std::size_t i = 0; i < 4; ++i)
            out += at + i <= bytes.size() ? digits[three >> (18 - 6 * i) & 63] : '=';
    }
    return out;
}

std::string number(auto value) { return std::isfinite(value) ? fmt::to_string(value) : "null"; }

std::string object(const Message& message, std::string members);

/// One value of a field: the only one, or that at `at` of a repeated one.
std::string value_of(const Message& message, const FieldDescriptor& field, int at) {
    const auto& reflection = *message.GetReflection();
    const auto get = [&](auto single, auto repeated) {
        return field.is_repeated() ? (reflection.*repeated)(message, &field, at)
                                   : (reflection.*single)(message, &field);
    };
    using R = google::protobuf::Reflection;
    std::string scratch;
    switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
        return fmt::to_string(get(&R::GetInt32, &R::GetRepeatedInt32));
    case FieldDescriptor::CPPTYPE_INT64:
        return fmt::to_string(get(&R::GetInt64, &R::GetRepeatedInt64));
    case FieldDescriptor::CPPTYPE_UINT32:
        return fmt::to_string(get(&R::GetUInt32, &R::GetRepeatedUInt32));
    case FieldDescriptor::CPPTYPE_UINT64:
        return fmt::to_string(get(&R::GetUInt64, &R::GetRepeatedUInt64));
    case FieldDescriptor::CPPTYPE_DOUBLE:
        return number(get(&R::GetDouble, &R::GetRepeatedDouble));
    case FieldDescriptor::CPPTYPE_FLOAT:
        return number(get(&R::GetFloat, &R::GetRepeatedFloat));
    case FieldDescriptor::CPPTYPE_BOOL:
        return get(&R::GetBool, &R::GetRepeatedBool) ? "true" : "false";
    case FieldDescriptor::CPPTYPE_ENUM:
        return quoted(get(&R::GetEnum, &R::GetRepeatedEnum)->name());
    case FieldDescriptor::CPPTYPE_MESSAGE:
        return object(field.is_repeated() ? reflection.GetRepeatedMessage(message, &field, at)
                                          : reflection.GetMessage(message, &field),
                      {});
    case FieldDescriptor::CPPTYPE_STRING:
        break;
    }
    const std::string& text =
        field.is_repeated() ? reflection.GetRepeatedStringReference(message, &field, at, &scratch)
                            : reflection.GetStringReference(message, &field, &scratch);
    return field.type() == FieldDescriptor::TYPE_BYTES ? '"' + base64(text) + '"' : quoted(text);
}

/// `members`: that come first, without a comma at their end.
std::string object(const Message& message, std::string members) {
    const auto& reflection = *message.GetReflection();
    const auto& type = *message.GetDescriptor();
    for (int i = 0; i < type.field_count(); ++i) {
        const FieldDescriptor& field = *type.field(i);
        if (field.has_presence() && !reflection.HasField(message, &field)) continue;
        std::string value;
        if (field.is_map()) {
            std::map<std::string, std::string> sorted; // a map's order is by chance
            for (int at = 0; at < reflection.FieldSize(message, &field); ++at) {
                const Message& entry = reflection.GetRepeatedMessage(message, &field, at);
                const std::string key = value_of(entry, *field.message_type()->map_key(), 0);
                sorted[key.starts_with('"') ? key : '"' + key + '"'] =
                    value_of(entry, *field.message_type()->map_value(), 0);
            }
            for (const auto& [key, mapped] : sorted)
                value += fmt::format("{}{}:{}", value.empty() ? "" : ",", key, mapped);
            value = '{' + value + '}';
        } else if (field.is_repeated()) {
            for (int at = 0; at < reflection.FieldSize(message, &field); ++at)
                value += (at == 0 ? "" : ",") + value_of(message, field, at);
            value = '[' + value + ']';
        } else {
            value = value_of(message, field, 0);
        }
        members += fmt::format("{}\"{}\":{}", members.empty() ? "" : ",", field.name(), value);
    }
    return '{' + members + '}';
}

} // namespace

std::string json_output(const Message& message) {
    return object(message, fmt::format("\"json_version\":{}", json_version)) + '\n';
}

} // namespace intellisched
