// SPDX-License-Identifier: MIT
#include "collector/trace/clock_survey.hpp"

#include <algorithm>
#include <cstring>
#include <iterator>

namespace intellisched::trace {
namespace {

// A trace can name any number of vCPUs; some of them, and some moments of each, tell enough.
constexpr std::size_t most_vcpus = 256, most_moments = 512, most_of_cpu = 64;
constexpr double widest_s = 1e6;      ///< between two clocks
constexpr double sweep_s = 150e-3;    ///< that whoever drains takes to go round the CPUs, at most
constexpr double agreement_s = 20e-6; ///< of distances that are the same
constexpr double least_s = 150e-3;    ///< that clocks differ by, beyond the bounds
constexpr double narrow_s = 1;        ///< bounds whose middle is better than no correction
constexpr std::size_t least_votes = 4;
constexpr std::uint64_t far_back = std::uint64_t{1} << 30; // as TraceStream's
constexpr std::size_t longest_window = std::size_t{64} << 20;

} // namespace

void ClockSurvey::feed(std::span<const std::byte> bytes) {
    if (enough()) return;
    bytes_ += bytes.size();
    pending_.insert(pending_.end(), bytes.begin(), bytes.end());
    std::size_t at = 0;
    while (pending_.size() - at >= 12 && !enough()) {
        std::uint32_t head[3];
        std::memcpy(head, pending_.data() + at, sizeof head);
        const std::size_t size = head[2];
        if (head[0] != header(cpu_change, 2, false) || head[1] >= max_cpus || size % 4 != 0 ||
            size > longest_window) {
            bytes_ = enough_bytes; // the stream itself says what is wrong
            pending_.clear();
            return;
        }
        if (pending_.size() - at - 12 < size) break;
        if (head[1] <= last_cpu_) ++rounds_;
        last_cpu_ = head[1];
        std::vector<std::uint32_t> words(size / 4);
        if (size > 0) std::memcpy(words.data(), pending_.data() + at + 12, size);
        take_window(static_cast<std::uint16_t>(head[1]), words);
        at += 12 + size;
    }
    pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(at));
}

void ClockSurvey::take_window(std::uint16_t cpu, std::span<const std::uint32_t> words) {
    Span span{.round = rounds_};
    for (std::size_t at = 0; at < words.size();) {
        const std::uint32_t head = words[at];
        const std::size_t size = size_of(head);
        if (size > words.size() - at || (head & event_mask) == 0) return;
        if ((head & tsc_included) != 0) {
            span.last = detail::wide(&words[at + 1]);
            if (span.first == 0) span.first = span.last;
            take({detail::wide(&words[at + 1]), head & event_mask, cpu,
                  static_cast<std::uint8_t>(head >> extra_words_shift & extra_words_mask),
                  words.data() + at + 3});
        }
        at += size;
    }
    if (span.first == 0) return;
    std::vector<Span>& spans = spans_[cpu];
    // The TSC has begun anew: what comes now is of another survey.
    if (!spans.empty() && span.last + far_back < spans.back().last) bytes_ = enough_bytes;
    if (bytes_ < enough_bytes) spans.push_back(span);
}

void ClockSurvey::take(const Record& record) {
    const auto note = [&](VcpuRef ref, Moments Vcpu::*kind, std::uint64_t tsc) {
        if (ref.idle() || (vcpus_.size() >= most_vcpus && !vcpus_.contains(ref.key()))) return;
        Moments& moments = vcpus_[ref.key()].*kind;
        if (moments.count >= most_moments) return;
        std::vector<std::uint64_t>& list = moments.by_cpu[record.cpu];
        if (list.size() >= most_of_cpu) return;
        list.push_back(tsc);
        ++moments.count;
    };
    visit(record, Visitor{[&](const SwitchInfNext& e) {
                              note(e.next, &Vcpu::runs, record.tsc);
                              const double ago = e.wait_ns * khz_ / 1e6;
                              if (e.wait_ns != 0)
                                  note(e.next, &Vcpu::before,
                                       record.tsc - static_cast<std::uint64_t>(ago));
                          },
                          [&](const RunstateChange& e) {
                              if (e.from == Runstate::blocked && e.to == Runstate::runnable)
                                  note(e.vcpu, &Vcpu::woken, record.tsc);
                          },
                          [](const auto&) {}});
}

ClockSurvey::Bounds ClockSurvey::bounds(const std::vector<Span>& of,
                                        const std::vector<Span>& reference) const {
    Bounds result{-cycles(widest_s), cycles(widest_s)};
    const std::int64_t sweep = cycles(sweep_s), far = 2 * cycles(widest_s);
    // A damaged trace can have any two times.
    const auto between = [&](std::uint64_t later, std::uint64_t earlier) {
        return std::clamp(static_cast<std::int64_t>(later - earlier), -far, far);
    };
    auto next = reference.begin(); // the reference's first window of a later round
    for (const Span& span : of) {
        while (next != reference.end() && next->round <= span.round) ++next;
        if (next != reference.end())
            result.low = std::max(result.low, between(span.last, next->first) - sweep);
        auto before = next; // ... and its last one of an earlier round
        while (before != reference.begin() && std::prev(before)->round >= span.round) --before;
        if (before != reference.begin())
            result.high =
                std::min(result.high, between(span.first, std::prev(before)->last) + sweep);
    }
    return result;
}

std::vector<std::int64_t> ClockSurvey::distances(std::uint16_t cpu, std::uint16_t reference,
                                                 const Bounds& bounds) const {
    std::vector<std::int64_t> result;
    const auto compare = [&](const Moments& of_cpu, const Moments& of_reference) {
        const auto ones = of_cpu.by_cpu.find(cpu);
        const auto others = of_reference.by_cpu.find(reference);
        if (ones == of_cpu.by_cpu.end() || others == of_reference.by_cpu.end()) return;
        for (const std::uint64_t one : ones->second)
            for (const std::uint64_t other : others->second) {
                const auto distance = static_cast<std::int64_t>(one - other);
                if (distance >= bounds.low && distance <= bounds.high) result.push_back(distance);
            }
    };
    for (const auto& [key, vcpu] : vcpus_) {
        compare(vcpu.runs, vcpu.before);
        compare(vcpu.before, vcpu.runs);
        compare(vcpu.woken, vcpu.runs);
        compare(vcpu.runs, vcpu.woken);
    }
    return result;
}

std::optional<std::int64_t> ClockSurvey::ahead(std::uint16_t cpu, std::uint16_t reference) const {
    const Bounds bounds = this->bounds(spans_.at(cpu), spans_.at(reference));
    const std::int64_t least = cycles(least_s);
    // They may agree, as on nearly all hosts; or the bounds contradict each other.
    if ((bounds.low <= least && bounds.high >= -least) || bounds.low > bounds.high)
        return std::nullopt;
    std::vector<std::int64_t> distances = this->distances(cpu, reference, bounds);
    std::sort(distances.begin(), distances.end());
    const std::int64_t width = cycles(agreement_s);
    std::size_t most = 0;
    std::int64_t best = 0;
    for (std::size_t first = 0, last = 0; first < distances.size(); ++first) {
        while (last < distances.size() && distances[last] - distances[first] <= width) ++last;
        if (last - first <= most) continue;
        most = last - first;
        best = distances[first + (last - first) / 2];
    }
    if (most >= least_votes) return best;
    if (bounds.high - bounds.low > cycles(narrow_s)) return std::nullopt;
    return bounds.low + (bounds.high - bounds.low) / 2;
}

std::map<unsigned, std::int64_t> ClockSurvey::offsets() const {
    if (spans_.size() < 2) return {};
    const auto reference = std::max_element(spans_.begin(), spans_.end(), [](auto& a, auto& b) {
        return a.second.size() < b.second.size();
    });
    std::vector<std::pair<unsigned, std::int64_t>> all;
    for (const auto& [cpu, spans] : spans_)
        all.emplace_back(cpu,
                         cpu == reference->first ? 0 : ahead(cpu, reference->first).value_or(0));
    // What most of them have counts as right.
    std::vector<std::int64_t> sorted;
    for (const auto& [cpu, offset] : all) sorted.push_back(offset);
    const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 2);
    std::nth_element(sorted.begin(), middle, sorted.end());
    std::map<unsigned, std::int64_t> result;
    for (const auto& [cpu, offset] : all)
        if (std::abs(offset - *middle) >= cycles(least_s)) result[cpu] = offset - *middle;
    return result;
}

} // namespace intellisched::trace
