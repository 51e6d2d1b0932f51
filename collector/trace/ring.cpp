// SPDX-License-Identifier: MIT
#include "collector/trace/ring.hpp"

#include "collector/trace/wire.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <span>

namespace intellisched::trace {

namespace {

constexpr std::uint32_t ring_header_bytes = 8;
constexpr std::size_t lost_words = 1 + 2 + 4; // of a LOST_RECORDS record

template<std::size_t n>
void append_words(std::vector<std::byte>& out, const std::array<std::uint32_t, n>& words) {
    const auto bytes = std::as_bytes(std::span(words));
    out.insert(out.end(), bytes.begin(), bytes.end());
}

constexpr std::uint32_t low(std::uint64_t value) { return static_cast<std::uint32_t>(value); }
constexpr std::uint32_t high(std::uint64_t value) {
    return static_cast<std::uint32_t>(value >> 32);
}

} // namespace

TraceRing::TraceRing(unsigned cpu, std::byte* shared, std::size_t bytes)
    : cpu_(cpu), shared_(shared), data_size_(static_cast<std::uint32_t>(bytes) - ring_header_bytes),
      cons_(load_cons()) {}

std::uint32_t TraceRing::load_cons() const {
    return std::atomic_ref(*reinterpret_cast<std::uint32_t*>(shared_))
        .load(std::memory_order_relaxed);
}

// Acquire: the records up to prod are read after prod.
std::uint32_t TraceRing::load_prod() const {
    return std::atomic_ref(*reinterpret_cast<std::uint32_t*>(shared_ + 4))
        .load(std::memory_order_acquire);
}

// Release: the records are read before Xen is told that it may overwrite them.
void TraceRing::store_cons(std::uint32_t cons) {
    std::atomic_ref(*reinterpret_cast<std::uint32_t*>(shared_))
        .store(cons, std::memory_order_release);
    cons_ = cons;
}

bool TraceRing::valid(std::uint32_t position) const {
    return position % 4 == 0 && position < 2 * data_size_;
}

std::uint32_t TraceRing::distance(std::uint32_t from, std::uint32_t to) const {
    return to >= from ? to - from : to + 2 * data_size_ - from;
}

Result<void> TraceRing::discard() {
    const std::uint32_t prod = load_prod();
    if (!valid(prod))
        return fail("the trace buffer of CPU {} is damaged (prod {:#x}, of {:#x} bytes); Xen makes "
                    "new ones at the next boot only",
                    cpu_, prod, data_size_);
    gaps_.clear();
    store_cons(prod);
    return {};
}

void TraceRing::gap(std::uint64_t paused_tsc, std::uint64_t resumed_tsc) {
    gaps_.push_back({load_prod(), paused_tsc, resumed_tsc});
}

Result<void> TraceRing::drain(std::vector<std::byte>& out) {
    const std::uint32_t cons = load_cons();
    const std::uint32_t prod = load_prod();
    if (cons != cons_)
        return fail("another program reads the trace buffer of CPU {} (cons went from {:#x} to "
                    "{:#x}); stop it, the records that it took are missing here",
                    cpu_, cons_, cons);
    if (!valid(cons) || !valid(prod) || distance(cons, prod) > data_size_)
        return fail("the trace buffer of CPU {} is damaged (cons {:#x}, prod {:#x}, of {:#x} "
                    "bytes); start again, and if that does not help reboot Xen",
                    cpu_, cons, prod, data_size_);

    std::uint32_t from = cons;
    for (const Gap& gap : gaps_) {
        // Taken from the same shared words earlier, and so checked like them.
        if (!valid(gap.at) || distance(from, gap.at) > distance(from, prod))
            return fail("the trace buffer of CPU {} is damaged (prod went back from {:#x} to "
                        "{:#x}); start again, and if that does not help reboot Xen",
                        cpu_, gap.at, prod);
        from = gap.at;
    }
    // One window a CPU and round, whatever is in it: that is how readers tell rounds.
    const auto lost = static_cast<std::uint32_t>(gaps_.size() * lost_words * 4);
    const std::uint32_t bytes = distance(cons, prod) + lost;
    if (bytes == 0) return {};
    append_words(out, std::array<std::uint32_t, 3>{header(cpu_change, 2, false), cpu_, bytes});
    from = cons;
    for (const Gap& gap : gaps_) {
        append_data(out, from, distance(from, gap.at));
        append_lost(out, gap);
        from = gap.at;
    }
    gaps_.clear();
    append_data(out, from, distance(from, prod));
    if (prod != cons) store_cons(prod);
    return {};
}

void TraceRing::append_data(std::vector<std::byte>& out, std::uint32_t from,
                            std::uint32_t bytes) const {
    const std::byte* data = shared_ + ring_header_bytes;
    const std::uint32_t start = from % data_size_;
    const std::uint32_t before_wrap = std::min(bytes, data_size_ - start);
    out.insert(out.end(), data + start, data + start + before_wrap);
    out.insert(out.end(), data, data + (bytes - before_wrap));
}

// The payload is what insert_lost_records() of xen/common/trace.c writes: count, domain and vCPU
// that ran (said to be this CPU's idle vCPU, since nobody knows), TSC of the first lost record.
void TraceRing::append_lost(std::vector<std::byte>& out, const Gap& gap) const {
    append_words(out,
                 std::array<std::uint32_t, lost_words>{
                     header(lost_records, 4, true), low(gap.resumed_tsc), high(gap.resumed_tsc), 0,
                     idle_domain | (cpu_ << 16), low(gap.paused_tsc), high(gap.paused_tsc)});
}

} // namespace intellisched::trace
