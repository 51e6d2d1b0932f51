// SPDX-License-Identifier: MIT
// Changes to protobuf messages by their descriptors: what comes of them is a message of the same
// type again, so that a fuzzer tries values and not framing.
#pragma once

#include "tests/fuzz/inputs.hpp"

#include <array>
#include <cstring>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/message.h>
#include <google/protobuf/reflection.h>
#include <google/protobuf/text_format.h>
#include <iterator>
#include <limits>
#include <random>
#include <vector>

namespace intellisched::fuzz {

using Random = std::minstd_rand;

/// The fuzzer's own changes, which make it longer by at most `room`.
inline std::string changed_bytes(std::string_view bytes, std::size_t room) {
    std::vector<std::uint8_t> raw(bytes.begin(), bytes.end());
    raw.resize(bytes.size() + room);
    raw.resize(LLVMFuzzerMutate(raw.data(), bytes.size(), raw.size()));
    return {raw.begin(), raw.end()};
}

class MessageChanger {
  public:
    explicit MessageChanger(Random& random) : random_(random) {}

    /// One thing, anywhere in the message.
    void change(google::protobuf::Message& message) {
        const auto& type = *message.GetDescriptor();
        if (type.field_count() == 0) return;
        const auto* field = type.field(static_cast<int>(below(type.field_count())));
        const auto& access = *message.GetReflection();
        if (field->is_repeated() && one_in(2)) return change_list(message, field);
        if (one_in(12)) return access.ClearField(&message, field);
        if (field->cpp_type() != field->CPPTYPE_MESSAGE) return change_value(message, field);
        if (!field->is_repeated()) return change(*access.MutableMessage(&message, field));
        const int size = access.FieldSize(message, field);
        change(size == 0 ? *access.AddMessage(&message, field)
                         : *access.MutableRepeatedMessage(&message, field, any_of(size)));
    }

  private:
    using Field = const google::protobuf::FieldDescriptor*;

    [[nodiscard]] std::size_t below(std::integral auto limit) {
        return random_() % static_cast<std::size_t>(limit);
    }
    [[nodiscard]] int any_of(int size) { return static_cast<int>(below(size)); }
    [[nodiscard]] bool one_in(unsigned n) { return below(n) == 0; }

    void change_list(google::protobuf::Message& message, Field field) {
        const auto& access = *message.GetReflection();
        const int size = access.FieldSize(message, field);
        if (size > 0 && one_in(3)) return access.RemoveLast(&message, field);
        if (size > 1 && one_in(2))
            return access.SwapElements(&message, field, any_of(size), any_of(size));
        if (field->cpp_type() != field->CPPTYPE_MESSAGE) return change_value(message, field);
        auto& added = *access.AddMessage(&message, field);
        if (size > 0) added.CopyFrom(access.GetRepeatedMessage(message, field, any_of(size)));
        if (one_in(2)) change(added);
    }

    template<class T> void put(google::protobuf::Message& message, Field field, const T& value) {
        const auto all = message.GetReflection()->GetMutableRepeatedFieldRef<T>(&message, field);
        if (all.empty() || one_in(4))
            all.Add(value);
        else
            all.Set(any_of(all.size()), value);
    }

    void change_value(google::protobuf::Message& message, Field field) {
        const auto& access = *message.GetReflection();
        const bool list = field->is_repeated();
        const auto set = [&]<class T>(const T& value, auto setter) {
            list ? put<T>(message, field, value) : (access.*setter)(&message, field, value);
        };
        using Reflection = google::protobuf::Reflection;
        switch (field->cpp_type()) {
        case google::protobuf::FieldDescriptor::CPPTYPE_DOUBLE:
            return set(any_double(), &Reflection::SetDouble);
        case google::protobuf::FieldDescriptor::CPPTYPE_FLOAT:
            return set(static_cast<float>(any_double()), &Reflection::SetFloat);
        case google::protobuf::FieldDescriptor::CPPTYPE_UINT32:
            return set(static_cast<std::uint32_t>(any_whole()), &Reflection::SetUInt32);
        case google::protobuf::FieldDescriptor::CPPTYPE_INT32:
            return set(static_cast<std::int32_t>(any_whole()), &Reflection::SetInt32);
        case google::protobuf::FieldDescriptor::CPPTYPE_UINT64:
            return set(any_whole(), &Reflection::SetUInt64);
        case google::protobuf::FieldDescriptor::CPPTYPE_INT64:
            return set(static_cast<std::int64_t>(any_whole()), &Reflection::SetInt64);
        case google::protobuf::FieldDescriptor::CPPTYPE_BOOL:
            return set(one_in(2), &Reflection::SetBool);
        case google::protobuf::FieldDescriptor::CPPTYPE_ENUM:
            return set(static_cast<int>(below(6)), &Reflection::SetEnumValue);
        case google::protobuf::FieldDescriptor::CPPTYPE_STRING: {
            std::string before;
            if (!list) before = access.GetString(message, field);
            return set(
                any_string(before),
                static_cast<void (Reflection::*)(google::protobuf::Message*, Field, std::string)
                                const>(&Reflection::SetString));
        }
        case google::protobuf::FieldDescriptor::CPPTYPE_MESSAGE:
            return;
        }
    }

    double any_double() {
        constexpr double inf = std::numeric_limits<double>::infinity();
        const std::array values{
            0.0,   -0.0,    0.5,    1.0,  2.0,  100.0, 256.0,
            1e-9,  1e-30,   5e-324, 1e3,  1e9,  1e18,  1e30,
            1e300, 1.7e308, -1.0,   -1e9, -inf, inf,   std::numeric_limits<double>::quiet_NaN()};
        if (one_in(3)) return static_cast<double>(random_()) / 1e3;
        return values[below(values.size())];
    }

    std::uint64_t any_whole() {
        if (one_in(2)) return below(9);
        if (one_in(2)) return std::uint64_t{1} << below(64);
        if (one_in(2)) return std::numeric_limits<std::uint64_t>::max() - below(3);
        return random_();
    }

    /// Words that readers know, or the fuzzer's changes to what was there.
    std::string any_string(const std::string& before) {
        constexpr std::array words{
            "",           "cpu",        "core",
            "socket",     "node",       "all",
            "throughput", "latency",    "balanced",
            "credit2",    "Pool-0",     "Domain-0",
            "a",          "b",          "0-3",
            "0,2",        "4294967295", "0-65535",
            "smt_speed",  "1s1c1t",     "credit2_runqueue=core sched_credit2_max_cpus_runqueue=2"};
        if (!one_in(3)) return words[below(words.size())];
        std::string text = changed_bytes(before, 16);
        // A string field of anything but UTF-8 is no message any more.
        for (char& c : text) c = static_cast<char>(c & 0x7f);
        return text;
    }

    Random& random_;
};

/// A few changes to one serialised message; those that are none are given to the fuzzer.
template<class Message> std::string changed(std::string_view bytes, Random& random) {
    Message message;
    if (random() % 32 != 0 &&
        message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
        MessageChanger changer(random);
        for (auto changes = 1 + random() % 4; changes > 0; --changes) changer.change(message);
        return message.SerializeAsString();
    }
    return changed_bytes(bytes, 64);
}

/// The same for protobuf text.
template<class Message> std::string changed_text(std::string_view text, Random& random) {
    Message message;
    google::protobuf::TextFormat::Parser parser;
    struct : google::protobuf::io::ErrorCollector {
        void AddError(int, int, const std::string&) override {}
    } silent;
    parser.RecordErrorsTo(&silent);
    if (random() % 8 != 0 && parser.ParseFromString(std::string(text), &message)) {
        MessageChanger changer(random);
        for (auto changes = 1 + random() % 4; changes > 0; --changes) changer.change(message);
        std::string out;
        google::protobuf::TextFormat::PrintToString(message, &out);
        return out;
    }
    return changed_bytes(text, 64);
}

/// Changes one piece (inputs.hpp) of `input`, or how many there are; `change` says how.
template<class Change>
std::string changed_pieces(std::string_view input, Random& random, Change change) {
    std::vector<std::string> pieces;
    while (!input.empty()) pieces.emplace_back(take(input));
    if (pieces.empty()) pieces.emplace_back();
    const std::size_t at = random() % pieces.size();
    switch (random() % 8) {
    case 0:
        pieces.insert(pieces.begin() + static_cast<std::ptrdiff_t>(at), pieces[at]);
        break;
    case 1:
        if (pieces.size() > 1) pieces.erase(pieces.begin() + static_cast<std::ptrdiff_t>(at));
        break;
    default:
        break;
    }
    std::string& one = pieces[random() % pieces.size()];
    one = change(one, random);
    std::string out;
    for (const std::string& each : pieces) out += piece(each.substr(0, 0xffff));
    return out;
}

/// Gives `output` to libFuzzer, or leaves its input alone when there is no room for it.
inline std::size_t hand_over(std::string_view output, std::uint8_t* data, std::size_t size,
                             std::size_t max_size) {
    if (output.empty() || output.size() > max_size) return size;
    std::memcpy(data, output.data(), output.size());
    return output.size();
}

} // namespace intellisched::fuzz
