// SPDX-License-Identifier: MIT
#include "src/host/capture_host.hpp"

#include <utility>

namespace intellisched {
namespace {

// 1 MHz (clocks of Arm have a few) to 100 GHz. The length of windows comes of it.
constexpr std::uint64_t least_khz = 1'000, most_khz = 100'000'000;

} // namespace

CaptureHost::CaptureHost(std::string name, HostInfo info, capture::Reader reader)
    : name_(std::move(name)), info_(std::move(info)), reader_(std::move(reader)) {}

Result<std::unique_ptr<CaptureHost>> CaptureHost::open(const std::filesystem::path& path) {
    auto reader = TRY(capture::Reader::open(path));
    const proto::CaptureManifest& manifest = reader.manifest();
    HostInfo info;
    info.xen_version = printable(manifest.xen_version());
    info.xen_command_line = printable(manifest.xen_command_line(), 4096);
    info.tsc_khz = manifest.tsc_khz();
    if (info.tsc_khz != 0 && (info.tsc_khz < least_khz || info.tsc_khz > most_khz))
        return fail(
            "{}: its manifest has a TSC of {} kHz, as no host has; it is damaged, record it "
            "again",
            path.string(), info.tsc_khz);
    info.recorded = true;
    info.boot = boot_arrangement(info.xen_command_line);
    if (!manifest.boot_layout().empty()) {
        const auto layout = layout_from_string(manifest.boot_layout());
        if (!layout)
            return fail(
                "{}: its manifest has the unknown layout '{}'; it is damaged, or of a newer "
                "program: record it again",
                path.string(), printable(manifest.boot_layout()));
        info.boot.layout = *layout;
    }
    if (manifest.max_cpus_runqueue() != 0) info.boot.max_cpus = manifest.max_cpus_runqueue();
    return std::unique_ptr<CaptureHost>(
        new CaptureHost(path.string(), std::move(info), std::move(reader)));
}

Result<std::optional<HostItem>> CaptureHost::next() {
    if (!records_ended_) {
        if (!snapshot_) {
            proto::HostSnapshot snapshot;
            const auto read = TRY(reader_.next_snapshot(snapshot));
            if (read) snapshot_ = TRY(view_of(std::move(snapshot)));
            if (read) // older captures do not have it
                for (Pool& pool : snapshot_->pools)
                    if (pool.scheduler == "credit2" && !pool.rate_limit_us)
                        pool.rate_limit_us = boot_rate_limit(info_.xen_command_line);
        }
        if (!counters_) {
            auto read = TRY(reader_.next_counters(counters_.emplace()));
            if (!read) counters_.reset();
        }
        if (!std::exchange(begun_, true)) {
            if (!snapshot_)
                return fail("{}: has no snapshot of the host; the recorder was stopped too early, "
                            "record it again",
                            name_);
            return std::exchange(snapshot_, std::nullopt);
        }
        if (snapshot_ && (!counters_ || snapshot_->snapshot.tsc() <= counters_->tsc()))
            return std::exchange(snapshot_, std::nullopt);
        if (counters_) return std::exchange(counters_, std::nullopt);
        records_ended_ = true;
    }
    TraceBytes trace;
    auto read = TRY(reader_.next_trace(trace.bytes));
    if (!read) return std::nullopt;
    return trace;
}

} // namespace intellisched
