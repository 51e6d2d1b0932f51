// SPDX-License-Identifier: MIT
// From the byte stream of xentrace to records in order of time.
//
// The tool that drains the trace buffers goes round the CPUs. What a CPU has is written as one
// window behind a CPU_CHANGE record, so the stream is in order within a CPU but not across CPUs.
// Merging in bounded memory is possible because a round begins after the round before it was read:
// no record that first appears after round r is older than any record of round r-1. When a round is
// complete, everything up to the youngest of the records that the windows of the round before began
// with is final, and is handed over.
//
// A loss shows late: Xen writes of it with the next record of that CPU, and an idle CPU may have
// none for many rounds. While there are losses the stream therefore stays further behind, as far as
// a little memory allows, so that nearly all losses are known by the time at which they began. A
// loss that shows later still counts from when it shows.
//
// When the TSC restarts (a suspend, a clock that is stepped back) each CPU's stream steps back by
// far. A CPU that has done so waits until all have, or have had two rounds to do so. Then the rest
// of the time before is handed over, TimeRestart, and what comes after it. Where as many CPUs or
// more have gone on in later rounds, these few clocks were stepped and the time is what it was:
// their records are late from there on.
//
// No loss goes unseen. Xen's LOST_RECORDS is handed over twice, as the loss begins and as it ends.
// Damaged windows, and records that come too late to be merged, are shown as losses as well.
#pragma once

#include "collector/trace/event.hpp"
#include "src/base/result.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace intellisched::trace {

struct StreamStats {
    std::uint64_t bytes = 0;   ///< fed
    std::uint64_t records = 0; ///< handed over
    std::uint64_t lost = 0;    ///< records that Xen says it dropped
    std::uint64_t late = 0;    ///< records dropped here: older than what had been handed over
    std::uint64_t damaged = 0; ///< windows cut short at something that is not a record
    std::uint64_t rounds = 0;
    std::uint64_t restarts = 0; ///< times that the TSC restarted
    std::uint64_t stepped = 0;  ///< times that the TSC of few CPUs stepped back, and they were late
};

class TraceStream {
  public:
    /// `name` is for messages: the file or the host that the bytes come from.
    explicit TraceStream(std::string name) : name_(std::move(name)) {}

    /// Takes the next bytes, cut anywhere, and calls `handler(const Record&)` for every record that
    /// is now final. An error means that the stream is not (or no longer) xentrace's; it names the
    /// byte offset.
    template<class Handler>
    [[nodiscard]] Result<void> feed(std::span<const std::byte> bytes, Handler&& handler) {
        stats_.bytes += bytes.size();
        while (!bytes.empty()) {
            TRY(take(bytes));
            if (round_complete_) {
                round_complete_ = false;
                begins_.push_back(youngest_);
                for (const std::size_t depth = rounds_behind(); begins_.size() > depth;) {
                    final_ = begins_.front();
                    begins_.pop_front();
                }
                drain(final_, handler);
                if (restarting_ && ++rounds_restarting_ > 2) settle(handler);
                watch_progress(handler);
            } else if (pending_ > max_pending) {
                drain(UINT64_MAX, handler);
                // Waiting for the other CPUs to restart as well would have no bound.
                if (restarting_) restart(handler);
            }
        }
        return {};
    }

    /// The end of the stream: hands over what is left. A last window that was cut short is used up
    /// to its last whole record.
    template<class Handler> void finish(Handler&& handler) {
        if (window_left_ > 0) close_window();
        window_left_ = 0;
        drain(UINT64_MAX, handler);
        while (restarting_) {
            restart(handler);
            drain(UINT64_MAX, handler);
        }
    }

    /// From here on these cycles are subtracted from a CPU's TSCs. Records from before that are
    /// left are handed over as they are; TimeRestart comes between.
    template<class Handler>
    void correct(const std::map<unsigned, std::int64_t>& offsets, Handler&& handler) {
        if (stats_.records > 0) {
            restart(handler);
            --stats_.restarts;
        }
        for (const auto& [cpu, cycles] : offsets) {
            if (queues_.size() <= cpu) queues_.resize(cpu + 1);
            queues_[cpu].ahead = static_cast<std::uint64_t>(cycles);
        }
    }

    [[nodiscard]] const StreamStats& stats() const { return stats_; }
    /// Memory that the queues take, in bytes.
    [[nodiscard]] std::size_t memory() const;

    /// The most bytes of windows that wait for their round. Beyond that they are handed over as
    /// they are. More than two rounds of the trace buffers of any real host.
    static constexpr std::size_t max_pending = std::size_t{256} << 20;

  private:
    struct Queue {
        std::vector<std::uint32_t> words;
        std::size_t filled = 0;        ///< bytes of `words` that have come
        std::size_t most = 0;          ///< largest number of words of late
        std::size_t position = 0;      ///< word of the head record
        std::vector<std::size_t> ends; ///< where the whole windows end, in words
        std::size_t window = 0;        ///< the head's, as an index of `ends`
        std::uint64_t head_tsc = 0;
        std::uint64_t drained_tsc = 0; ///< by its own clock, of the last record handed over
        std::uint64_t began = 0; ///< TSC with which its last window began; 0: none since a restart
        std::uint64_t round = 0; ///< in which its last window began
        std::uint64_t ahead = 0; ///< cycles that its clock is ahead; wraps round where it is behind
        bool in_loss = false;    ///< the head is a LOST_RECORDS whose begin was handed over
        bool damaged = false;    ///< something was skipped before the head
        bool restarted = false;  ///< the head is of the time after the TSC restarted
        bool open_loss = false;  ///< a loss that the stream adds is open: skipped or late records
    };

    /// Consumes some of `bytes`: a part of a header, or of the window that is open.
    Result<void> take(std::span<const std::byte>& bytes);
    Result<void> begin_window();
    void close_window();
    [[nodiscard]] std::size_t rounds_behind() const;
    /// Whether a CPU's TSC restarted between these two.
    [[nodiscard]] bool steps_back(std::uint64_t from, std::uint64_t to) const {
        return from > to && from - to > far_back &&
               stats_.restarts + stats_.stepped < most_restarts + stats_.rounds / restart_rounds;
    }
    /// Moves to the first record at or after `position` that is to be handed over; false: none.
    bool find_head(Queue& queue) {
        while (queue.window < queue.ends.size()) {
            const std::size_t left = queue.ends[queue.window] - queue.position;
            if (left == 0) {
                ++queue.window;
                continue;
            }
            const std::uint32_t* at = queue.words.data() + queue.position;
            const std::uint32_t event = *at & event_mask;
            // An event number of 0 is what a page of zeros would give.
            if (size_of(*at) > left || event == 0) [[unlikely]] {
                queue.position += left;
                queue.damaged = true;
                ++stats_.damaged;
                continue;
            }
            std::uint64_t tsc = (*at & tsc_included) != 0 ? detail::wide(at + 1) - queue.ahead : 0;
            if (event >> 12 == generic_class) [[unlikely]] {
                if (event == wrap_buffer || event == loss_end_event || event == restart_event) {
                    queue.position += size_of(*at);
                    continue;
                }
                // A loss begins when the first record was dropped, long before Xen could write of
                // it.
                if (event == lost_records && !queue.in_loss &&
                    (*at >> extra_words_shift & extra_words_mask) >= 4)
                    tsc = std::min(tsc, detail::wide(at + 5) - queue.ahead);
            }
            if (tsc < queue.drained_tsc) [[unlikely]] {
                if (tsc != 0 && steps_back(queue.drained_tsc, tsc)) {
                    queue.restarted = restarting_ = true;
                    queue.head_tsc = tsc;
                    return false;
                }
                // Within a CPU time does not run back; where a stream says so (and where a record
                // has no time), the record is taken as if at the time of the one before.
                tsc = queue.drained_tsc;
            }
            queue.head_tsc = tsc;
            return true;
        }
        return false;
    }

    template<class Handler> void drain(std::uint64_t limit, Handler&& handler) {
        heap_.clear();
        for (std::size_t cpu = 0; cpu < queues_.size(); ++cpu)
            if (!queues_[cpu].restarted && find_head(queues_[cpu]) &&
                queues_[cpu].head_tsc <= limit)
                heap_.emplace_back(queues_[cpu].head_tsc, static_cast<std::uint16_t>(cpu));
        std::make_heap(heap_.begin(), heap_.end(), std::greater<>{});
        while (!heap_.empty()) {
            std::pop_heap(heap_.begin(), heap_.end(), std::greater<>{});
            const std::uint16_t cpu = heap_.back().second;
            heap_.pop_back();
            // One CPU writes several records in a row: stay with it until another one is older.
            const std::uint64_t until =
                heap_.empty() ? limit : std::min(limit, heap_.front().first);
            Queue& queue = queues_[cpu];
            bool more = true;
            while (more && queue.head_tsc <= until) {
                hand_over(queue, cpu, handler);
                more = find_head(queue);
            }
            if (more && queue.head_tsc <= limit) {
                heap_.emplace_back(queue.head_tsc, cpu);
                std::push_heap(heap_.begin(), heap_.end(), std::greater<>{});
            }
        }
        compact();
    }

    template<class Handler> void hand_over(Queue& queue, std::uint16_t cpu, Handler&& handler) {
        const std::uint32_t* at = queue.words.data() + queue.position;
        const std::uint32_t head = at[0];
        Record record{queue.head_tsc, head & event_mask, cpu,
                      static_cast<std::uint8_t>(head >> extra_words_shift & extra_words_mask),
                      at + ((head & tsc_included) != 0 ? 3 : 1)};

        const bool loss = record.event == lost_records && record.words >= 4;
        // Xen tells of a loss with the first record after it, which on an idle CPU may come much
        // later; and a record without a time has only the one before it to go by. Both count from
        // now on. (Its queue stays at its own time: a CPU whose clock is behind has not begun
        // anew.)
        if (record.tsc < reached_ && (loss || (head & tsc_included) == 0)) record.tsc = reached_;
        const bool late = record.tsc < reached_;
        if (late || queue.damaged) [[unlikely]] {
            if (!queue.open_loss) handler(Record{reached_, lost_records, cpu, 4, no_loss.data()});
            queue.open_loss = true;
            queue.damaged = false;
        }
        if (late) [[unlikely]] {
            ++stats_.late;
            queue.position += size_of(head);
            queue.in_loss = false;
            return;
        }
        if (queue.open_loss) [[unlikely]] {
            handler(Record{record.tsc, loss_end_event, cpu, 4, no_loss.data()});
            queue.open_loss = false;
        }
        reached_ = record.tsc;
        queue.drained_tsc = queue.head_tsc;
        ++stats_.records;
        if (loss) [[unlikely]] {
            if (!queue.in_loss) {
                stats_.lost += record.word[0];
                queue.in_loss = true; // find_head() now orders it by its own TSC
                handler(record);
                return;
            }
            record.event = loss_end_event;
            queue.in_loss = false;
        }
        handler(record);
        queue.position += size_of(head);
    }

    /// Whether a restart or a step of few clocks is what has been waited for.
    template<class Handler> void settle(Handler&& handler) {
        drain(UINT64_MAX, handler);
        // Told by where the windows lie that began since the first step was seen.
        std::size_t back = 0, went_on = 0;
        for (const Queue& queue : queues_) {
            const bool lately = queue.round + 1 >= stats_.rounds && !queue.restarted;
            const bool before = queue.began - queue.ahead + far_back > reached_;
            back += queue.restarted || (lately && !before);
            went_on += lately && before;
        }
        if (back > went_on) return restart(handler);
        for (Queue& queue : queues_) {
            if (!queue.restarted) continue;
            queue.restarted = queue.in_loss = false;
            queue.drained_tsc = queue.head_tsc;
            ++stats_.stepped;
        }
        rounds_restarting_ = 0;
        restarting_ = false;
    }

    /// Where everything is late for many rounds, the time is another one after all.
    template<class Handler> void watch_progress(Handler&& handler) {
        const bool only_late = stats_.records == records_then_ && stats_.late > late_then_;
        rounds_only_late_ = only_late ? rounds_only_late_ + 1 : 0;
        records_then_ = stats_.records;
        late_then_ = stats_.late;
        if (rounds_only_late_ < most_only_late) return;
        rounds_only_late_ = 0;
        restart(handler);
    }

    /// The TSC has restarted on all CPUs, as far as they have records.
    template<class Handler> void restart(Handler&& handler) {
        drain(UINT64_MAX, handler);
        handler(Record{reached_, restart_event, 0, 0, nullptr});
        for (Queue& queue : queues_) {
            queue.drained_tsc = queue.began = queue.ahead = 0;
            queue.restarted = queue.in_loss = queue.open_loss = false;
        }
        begins_.clear();
        final_ = reached_ = youngest_ = 0;
        rounds_restarting_ = 0;
        restarting_ = false;
        ++stats_.restarts;
    }

    /// Throws away the words that have been handed over.
    void compact();
    /// Gives back memory that the queues have not needed of late.
    void shrink();

    static constexpr std::uint32_t generic_class = lost_records >> 12;
    /// In cycles: records of one CPU are never out of order by as much.
    static constexpr std::uint64_t far_back = std::uint64_t{1} << 30;
    /// A damaged stream may step back with each record, while a host that is suspended each night
    /// goes on for years. So many restarts are believed at first, and one more per `restart_rounds`
    /// rounds (some minutes).
    static constexpr std::uint64_t most_restarts = 64, restart_rounds = 4096;
    static constexpr unsigned most_only_late = 64; ///< rounds in a row without a record in order
    static constexpr std::array<std::uint32_t, 4> no_loss{0, idle_domain, 0, 0};

    std::string name_;
    std::vector<Queue> queues_; ///< by CPU
    std::vector<std::pair<std::uint64_t, std::uint16_t>> heap_;
    std::array<std::byte, 12> carry_{}; ///< a CPU_CHANGE record that the feed cut
    std::size_t carried_ = 0;
    std::uint32_t window_cpu_ = 0;
    std::size_t window_left_ = 0; ///< bytes of the open window still to come
    std::uint64_t offset_ = 0;    ///< in the stream, for messages
    std::size_t pending_ = 0;     ///< bytes in the queues
    bool round_complete_ = false;
    bool any_window_ = false;
    std::uint64_t youngest_ = 0;       ///< latest TSC with which a window began
    std::deque<std::uint64_t> begins_; ///< youngest_ as it was at the end of the last rounds
    std::uint64_t final_ = 0;          ///< everything up to here can be handed over
    std::uint64_t loss_round_ = 0;     ///< the last round with a loss; 0: none so far
    std::uint64_t reached_ = 0;
    bool restarting_ = false; ///< some CPU's TSC has restarted
    std::size_t rounds_restarting_ = 0;
    unsigned rounds_only_late_ = 0;                  ///< in a row
    std::uint64_t records_then_ = 0, late_then_ = 0; ///< of stats_, at the end of the last round
    StreamStats stats_;
};

} // namespace intellisched::trace
