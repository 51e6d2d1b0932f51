// SPDX-License-Identifier: MIT
#include "collector/trace/stream.hpp"

#include <cstring>

namespace intellisched::trace {

namespace {

using detail::wide;

// Trace buffers are sized in pages by a 16-bit number.
constexpr std::uint32_t max_window = std::uint32_t{65535} * 4096;

constexpr std::uint32_t cpu_change_header = header(cpu_change, 2, false);

} // namespace

Result<void> TraceStream::take(std::span<const std::byte>& bytes) {
    if (window_left_ > 0) {
        Queue& queue = queues_[window_cpu_];
        const std::size_t n = std::min(window_left_, bytes.size());
        const std::size_t words = (queue.filled + n + 3) / 4;
        if (words > queue.words.capacity()) queue.words.reserve(words + words / 4);
        queue.words.resize(words);
        std::memcpy(reinterpret_cast<std::byte*>(queue.words.data()) + queue.filled, bytes.data(),
                    n);
        queue.filled += n;
        pending_ += n;
        window_left_ -= n;
        offset_ += n;
        bytes = bytes.subspan(n);
        if (window_left_ == 0) close_window();
        return {};
    }
    const std::size_t n = std::min(carry_.size() - carried_, bytes.size());
    std::memcpy(carry_.data() + carried_, bytes.data(), n);
    carried_ += n;
    offset_ += n;
    bytes = bytes.subspan(n);
    if (carried_ < carry_.size()) return {};
    carried_ = 0;
    return begin_window();
}

Result<void> TraceStream::begin_window() {
    std::array<std::uint32_t, 3> word{};
    std::memcpy(word.data(), carry_.data(), carry_.size());
    const std::uint64_t at = offset_ - carry_.size();
    if (word[0] != cpu_change_header && at == 0)
        return fail("{}: not an xentrace file: it begins with {:#010x}, not with a CPU_CHANGE "
                    "record; record it with `xentrace -e 0x2f000` or `intellisched record`",
                    name_, word[0]);
    if (word[0] != cpu_change_header || word[1] >= max_cpus || word[2] > max_window ||
        word[2] % 4 != 0)
        return fail("{}: damaged at byte {}: no CPU_CHANGE record where a window should begin; "
                    "only what comes before can be used",
                    name_, at);

    const std::uint32_t cpu = word[1];
    if (any_window_ && cpu <= window_cpu_) {
        round_complete_ = true;
        ++stats_.rounds;
    }
    any_window_ = true;
    window_cpu_ = cpu;
    window_left_ = word[2];
    if (queues_.size() <= cpu) queues_.resize(cpu + 1);
    return {};
}

void TraceStream::close_window() {
    Queue& queue = queues_[window_cpu_];
    const std::size_t begin = queue.ends.empty() ? 0 : queue.ends.back();
    const std::size_t end = queue.filled / 4;
    pending_ -= queue.filled % 4; // a word that was cut, at the end of the stream
    queue.filled = end * 4;
    queue.words.resize(end);
    queue.most = std::max(queue.most, end);
    queue.ends.push_back(end);
    // Xen tells of a loss before anything else once the buffer was emptied. (A count of 0 is a
    // pause, which is told in time.)
    if (end - begin >= 7 && (queue.words[begin] & event_mask) == lost_records &&
        queue.words[begin + 3] != 0)
        loss_round_ = stats_.rounds + 1;
    if (end - begin >= 3 && (queue.words[begin] & tsc_included) != 0) {
        const std::uint64_t tsc = wide(queue.words.data() + begin + 1);
        youngest_ = std::max(youngest_, tsc - queue.ahead);
        // Windows of the new time make none of the old time's last records final.
        if (steps_back(queue.began, tsc)) restarting_ = true;
        queue.began = tsc;
        queue.round = stats_.rounds;
    }
}

std::size_t TraceStream::rounds_behind() const {
    constexpr std::size_t careful = 16, recently = 64; // rounds, of about 100 ms each
    // Where the tool that drains does not get round in time, all rounds are long and have losses.
    constexpr std::size_t most_bytes = std::size_t{4} << 20;
    const bool lost = loss_round_ != 0 && stats_.rounds - loss_round_ < recently;
    return lost && pending_ <= most_bytes ? careful : 1;
}

void TraceStream::compact() {
    for (Queue& queue : queues_) {
        const std::size_t words = queue.position;
        // Moving what is left costs as much as it is long.
        if (words == 0 || words < queue.words.size() / 2) continue;
        pending_ -= words * 4;
        queue.words.erase(queue.words.begin(),
                          queue.words.begin() + static_cast<std::ptrdiff_t>(words));
        queue.filled -= words * 4;
        queue.position = 0;
        queue.ends.erase(queue.ends.begin(),
                         queue.ends.begin() + static_cast<std::ptrdiff_t>(queue.window));
        queue.window = 0;
        for (std::size_t& end : queue.ends) end -= words;
    }
    constexpr std::uint64_t now_and_then = 64; // rounds
    if (stats_.rounds % now_and_then == 0) shrink();
}

// Losses make the queues long, a burst does; a service would keep their memory for good.
void TraceStream::shrink() {
    for (Queue& queue : queues_) {
        if (queue.words.capacity() > 4 * queue.most) {
            std::vector<std::uint32_t> words;
            words.reserve(queue.most);
            words.assign(queue.words.begin(), queue.words.end());
            queue.words = std::move(words);
        }
        queue.most = queue.words.size();
    }
}

std::size_t TraceStream::memory() const {
    std::size_t words = 0;
    for (const Queue& queue : queues_) words += queue.words.capacity();
    return words * sizeof(std::uint32_t);
}

} // namespace intellisched::trace
