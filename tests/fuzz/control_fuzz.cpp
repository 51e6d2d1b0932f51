// SPDX-License-Identifier: MIT
// libFuzzer target: what a client may send to the control socket. The first byte says how the rest
// is cut; with the lowest bit of the second, each piece of the rest becomes the payload of a frame
// with a right length. Every request is answered as the service does with a name that it does not
// know or repeats, and each answer has to be one that a client can read.
#include "src/service/control.hpp"
#include "tests/fuzz/messages.hpp"

#include <google/protobuf/stubs/logging.h>
#include <set>

using namespace intellisched;
using namespace intellisched::service;

namespace {

constexpr unsigned as_payloads = 1; ///< of the second byte

std::string good_requests() {
    proto::ControlRequest status, pause, resume, reload;
    status.set_status(true);
    pause.mutable_pause()->set_pool("Pool-0");
    resume.mutable_resume()->set_pool("Pool-1");
    reload.set_reload(true);
    std::string pieces{'\377', char(as_payloads)};
    for (const auto* request : {&status, &pause, &resume, &reload})
        pieces += fuzz::piece(request->SerializeAsString());
    return pieces;
}

proto::ControlReply answer(const proto::ControlRequest& request, Asker /*asker*/) {
    proto::ControlReply reply;
    switch (request.what_case()) {
    case proto::ControlRequest::kStatus: {
        proto::PoolStatus& pool = *reply.mutable_status()->add_pools();
        pool.set_name("Pool-0");
        break;
    }
    case proto::ControlRequest::kPause:
        reply.set_error(printable(request.pause().pool(), 64));
        break;
    case proto::ControlRequest::kResume:
        reply.set_error(printable(request.resume().pool(), 64));
        break;
    case proto::ControlRequest::kReload:
    case proto::ControlRequest::WHAT_NOT_SET:
        break;
    }
    return reply;
}

void check(const proto::ControlReply& reply) {
    for (const char c : reply.error())
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) std::abort();
    const std::string bytes = framed(reply);
    // Most replies are one of a few, and what a client reads follows from the bytes alone.
    static std::set<std::string> checked;
    if (checked.contains(bytes)) return;
    proto::ControlReply again;
    if (!again.ParseFromArray(bytes.data() + frame_header,
                              static_cast<int>(bytes.size() - frame_header)) ||
        framed(again) != bytes)
        std::abort();
    if (checked.size() < 256) checked.insert(bytes);
}

} // namespace

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned seed_number) {
    fuzz::Random random(seed_number);
    static const std::string good = good_requests();
    std::string_view input(reinterpret_cast<const char*>(data), size);
    if (size < 4 || random() % 1000 == 0) input = good;
    if ((input[1] & as_payloads) == 0 || random() % 4 == 0)
        return LLVMFuzzerMutate(data, size, max_size);
    const auto change = [](std::string_view request, fuzz::Random& r) {
        return fuzz::changed<proto::ControlRequest>(request, r);
    };
    return fuzz::hand_over(std::string(input.substr(0, 2)) +
                               fuzz::changed_pieces(input.substr(2), random, change),
                           data, size, max_size);
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    [[maybe_unused]] static auto* const previous = google::protobuf::SetLogHandler(nullptr);
    if (size < 2) return 0;
    const std::size_t cut = data[0] + 1U;
    std::string_view input(reinterpret_cast<const char*>(data + 2), size - 2);
    std::string frames;
    if ((data[1] & as_payloads) != 0) {
        while (!input.empty()) {
            const std::string_view payload = fuzz::take(input);
            for (std::size_t i = 0; i < frame_header; ++i)
                frames += static_cast<char>(payload.size() >> 8 * i & 0xff);
            frames += payload;
        }
        input = frames;
    }
    RequestFrame frame;
    while (!input.empty()) {
        const std::size_t wanted = frame.wanted();
        if (wanted == 0 || wanted > frame_header + max_control_request) std::abort();
        const std::string_view bytes = input.substr(0, std::min(cut, wanted));
        input.remove_prefix(bytes.size());
        frame.add(bytes);
        if (frame.wanted() > 0) continue;
        check(frame.reply(answer, Asker::group));
        if (frame.too_long()) break;
        frame = {};
    }
    return 0;
}
