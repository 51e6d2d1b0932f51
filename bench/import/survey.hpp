// SPDX-License-Identifier: MIT
// One look through a trace before it is imported: whether it is one, and what it tells of the host.
#pragma once

#include "collector/trace/clock.hpp"
#include "collector/trace/stream.hpp"

#include <map>
#include <string>

namespace intellisched::imported {

/// What a trace tells of the host that it is from.
class TraceSurvey {
  public:
    /// `name` is for messages.
    explicit TraceSurvey(std::string name) : stream_(std::move(name)) {}

    /// Errors: those of trace::TraceStream.
    [[nodiscard]] Result<void> feed(std::span<const std::byte> bytes) {
        return stream_.feed(bytes, [this](const trace::Record& r) { see(r); });
    }
    void finish() {
        stream_.finish([this](const trace::Record& r) { see(r); });
    }

    [[nodiscard]] const trace::StreamStats& stats() const { return stream_.stats(); }
    [[nodiscard]] std::uint64_t begin_tsc() const { return begin_; }
    [[nodiscard]] std::uint64_t end_tsc() const { return end_; }
    /// Of the TSC; nothing where too few context switches tell it.
    [[nodiscard]] std::optional<std::uint64_t> khz() const { return calibrator_.khz(); }

    /// Records by CPU.
    [[nodiscard]] const std::map<unsigned, std::uint64_t>& records() const { return records_; }
    /// By domain and vCPU, the CPU on which each that ran did so last. Not the idle ones.
    [[nodiscard]] const std::map<std::pair<unsigned, unsigned>, unsigned>& ran() const {
        return ran_;
    }
    /// By CPU, a domain and a vCPU that ran on it.
    [[nodiscard]] const std::map<unsigned, std::pair<unsigned, unsigned>>& ran_on() const {
        return ran_on_;
    }
    /// More vCPUs ran than any host has: the trace is made up.
    [[nodiscard]] bool too_many() const { return ran_.size() > most_vcpus; }

  private:
    void see(const trace::Record& record);

    static constexpr std::size_t most_vcpus = 65536;
    trace::TraceStream stream_;
    trace::TscCalibrator calibrator_;
    std::map<unsigned, std::uint64_t> records_;
    std::map<std::pair<unsigned, unsigned>, unsigned> ran_;
    std::map<unsigned, std::pair<unsigned, unsigned>> ran_on_;
    std::uint64_t begin_ = 0, end_ = 0;
};

} // namespace intellisched::imported
