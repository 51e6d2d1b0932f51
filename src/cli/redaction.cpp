// SPDX-License-Identifier: MIT
#include "src/cli/redaction.hpp"

#include "src/base/result.hpp"

#include <algorithm>
#include <cctype>

namespace intellisched::cli {
namespace {

constexpr std::size_t uuid_size = 36;

/// What stands in texts as a number or as a word of ours tells nobody's name.
bool is_ours(const std::string& name) {
    constexpr std::string_view words[] = {
        "Pool-0", "Domain-0", "cpu",  "core",    "socket", "node",      "all",     "auto",
        "off",    "observe",  "keep", "switch",  "revert", "recommend", "abstain", "latency",
        "boot",   "balanced", "pool", "windows", "layout", "rate",      "limit",   "throughput"};
    return std::ranges::all_of(name, [](unsigned char c) { return std::isdigit(c) != 0; }) ||
           std::ranges::find(words, name) != std::end(words);
}

bool in_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

/// Whether a word of so many bytes stands at that place, nothing of it being part of another.
bool is_word(std::string_view text, std::size_t at, std::size_t size) {
    const std::size_t end = at + size;
    return (at == 0 || !in_word(text[at - 1]) || !in_word(text[at])) &&
           (end == text.size() || !in_word(text[end]) || !in_word(text[end - 1]));
}

/// 8-4-4-4-12 hexadecimal digits.
bool is_uuid(std::string_view text) {
    if (text.size() != uuid_size) return false;
    for (std::size_t i = 0; i < uuid_size; ++i) {
        const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? text[i] != '-' : std::isxdigit(static_cast<unsigned char>(text[i])) == 0)
            return false;
    }
    return true;
}

} // namespace

void Redaction::add(Of kind, const std::set<std::string>& names) {
    constexpr const char* stems[] = {"guest", "pool", "host"};
    unsigned number = 0;
    for (const std::string& name : names) {
        if (is_ours(name) || names_.contains(name)) continue;
        std::string other;
        do other = fmt::format("{}-{}", stems[static_cast<std::size_t>(kind)], ++number);
        while (names.contains(other) || names_.contains(other));
        names_[name] = other;
        // As messages show a name that is long or odd.
        for (const std::size_t limit : {512, 128, 64, 16})
            names_.try_emplace(printable(name, limit), other);
    }
}

std::string Redaction::operator()(std::string_view text) const {
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
        const std::string_view rest = text.substr(at);
        std::size_t taken = 0;
        if (is_uuid(rest.substr(0, uuid_size))) {
            out += "(a UUID)";
            taken = uuid_size;
        }
        // Of names that begin alike the longest comes first.
        for (auto one = names_.begin(); one != names_.end() && taken == 0; ++one)
            if (rest.starts_with(one->first) && is_word(text, at, one->first.size())) {
                out += one->second;
                taken = one->first.size();
            }
        if (taken == 0) out += text[at];
        at += std::max<std::size_t>(taken, 1);
    }
    return out;
}

void Redaction::apply(google::protobuf::Message& message) const {
    using Field = google::protobuf::FieldDescriptor;
    const auto& reflection = *message.GetReflection();
    std::vector<const Field*> fields;
    reflection.ListFields(message, &fields);
    for (const Field* field : fields) {
        const bool text = field->type() == Field::TYPE_STRING;
        const bool inner = field->cpp_type() == Field::CPPTYPE_MESSAGE;
        if (field->type() == Field::TYPE_BYTES) reflection.ClearField(&message, field);
        if (!field->is_repeated()) {
            if (inner) apply(*reflection.MutableMessage(&message, field));
            if (text)
                reflection.SetString(&message, field,
                                     (*this)(reflection.GetString(message, field)));
            continue;
        }
        const int size = text || inner ? reflection.FieldSize(message, field) : 0;
        for (int i = 0; i < size; ++i)
            if (inner)
                apply(*reflection.MutableRepeatedMessage(&message, field, i));
            else
                reflection.SetRepeatedString(
                    &message, field, i, (*this)(reflection.GetRepeatedString(message, field, i)));
    }
}

} // namespace intellisched::cli
