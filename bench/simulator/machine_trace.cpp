// SPDX-License-Identifier: GPL-2.0-only
#include "bench/simulator/machine_trace.hpp"

#include "collector/trace/wire.hpp"

#include <algorithm>
#include <cstring>

namespace sim {

namespace wire = intellisched::trace;

void TraceBuffers::add(unsigned cpu, std::uint64_t now, std::uint32_t event, bool cycles,
                       unsigned bytes, const void* data, std::uint32_t running) {
    Buffer& buffer = buffers_[cpu];
    // Tools' hypercalls borrow CPU 0: its clock must not go back because of them.
    const std::uint64_t tsc = buffer.last = std::max(buffer.last, tsc_of(now));
    if (buffer.words.size() + 2 * wire::max_record_words > capacity_) {
        if (buffer.lost++ == 0) buffer.first_lost = tsc;
        return;
    }
    const auto put = [&](std::uint32_t word) { buffer.words.push_back(word); };
    const auto head = [&](std::uint32_t what, unsigned words, bool with_tsc) {
        put(wire::header(what, words, with_tsc));
        if (!with_tsc) return;
        put(static_cast<std::uint32_t>(tsc));
        put(static_cast<std::uint32_t>(tsc >> 32));
    };
    if (buffer.lost > 0) {
        head(wire::lost_records, 4, true);
        put(buffer.lost);
        put(running << 16 | running >> 16); // domain first
        put(static_cast<std::uint32_t>(buffer.first_lost));
        put(static_cast<std::uint32_t>(buffer.first_lost >> 32));
        buffer.lost = 0;
    }
    const unsigned words = std::min((bytes + 3) / 4, wire::extra_words_mask);
    head(event & wire::event_mask, words, cycles);
    const std::size_t at = buffer.words.size();
    buffer.words.resize(at + words);
    if (words > 0) std::memcpy(buffer.words.data() + at, data, std::min(bytes, words * 4));
}

std::string TraceBuffers::drain() {
    std::size_t total = 0;
    for (const Buffer& buffer : buffers_)
        if (!buffer.words.empty()) total += (3 + buffer.words.size()) * 4;
    std::string stream;
    stream.reserve(total);
    for (std::uint32_t cpu = 0; cpu < buffers_.size(); ++cpu) {
        auto& words = buffers_[cpu].words;
        if (words.empty()) continue;
        const std::uint32_t change[] = {wire::header(wire::cpu_change, 2, false), cpu,
                                        static_cast<std::uint32_t>(words.size() * 4)};
        stream.append(reinterpret_cast<const char*>(change), sizeof(change));
        stream.append(reinterpret_cast<const char*>(words.data()), words.size() * 4);
        words.clear();
    }
    return stream;
}

} // namespace sim
