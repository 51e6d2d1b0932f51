// SPDX-License-Identifier: MIT
#include "bench/what_if/remembered.hpp"

#include "src/base/interrupt.hpp"

#include <chrono>

namespace intellisched::what_if {

static constexpr std::size_t most_bytes = std::size_t{1} << 30;

Result<Remembered> Remembered::of(Host& host, bool live, double seconds) {
    Remembered all(host.info());
    const auto start = std::chrono::steady_clock::now();
    std::size_t bytes = 0;
    for (;;) {
        if (interrupted) return fail("interrupted; nothing was simulated");
        auto item = TRY(host.next());
        if (!item) break;
        const auto* trace = std::get_if<TraceBytes>(&*item);
        if (trace != nullptr) bytes += trace->bytes.size();
        if (bytes > most_bytes)
            return fail("its trace has more than {} MB; record a shorter time, 5 s say a lot",
                        most_bytes >> 20);
        all.items_.push_back(std::move(*item));
        const auto elapsed = std::chrono::steady_clock::now() - start;
        if (trace != nullptr && live && std::chrono::duration<double>(elapsed).count() >= seconds)
            break;
    }
    return all;
}

Result<std::optional<HostItem>> Remembered::next() {
    if (at_ == items_.size()) return std::nullopt;
    return items_[at_++];
}

} // namespace intellisched::what_if
