// SPDX-License-Identifier: MIT
// A recorded host.
#pragma once

#include "collector/capture/reader.hpp"
#include "src/host/host.hpp"

#include <filesystem>
#include <memory>
#include <optional>

namespace intellisched {

/// A capture as a Host: all snapshots and counter samples by their TSC, then the trace. (Trace
/// bytes have no time before they are decoded, so what is keyed by TSC comes first.) Of a capture
/// that still grows, only what is there now is read.
class CaptureHost final : public Host {
  public:
    /// Errors: those of capture::Reader::open(); a manifest with an unknown layout.
    [[nodiscard]] static Result<std::unique_ptr<CaptureHost>>
    open(const std::filesystem::path& path);

    [[nodiscard]] const HostInfo& info() const override { return info_; }
    [[nodiscard]] Result<std::optional<HostItem>> next() override;

    /// What the recorder noted: the pool, whether the recording was finished, how many records were
    /// lost.
    [[nodiscard]] const proto::CaptureManifest& manifest() const { return reader_.manifest(); }

  private:
    CaptureHost(std::string name, HostInfo info, capture::Reader reader);

    std::string name_;
    HostInfo info_;
    capture::Reader reader_;
    std::optional<HostView> snapshot_; ///< read ahead
    std::optional<proto::CounterSample> counters_;
    bool begun_ = false;
    bool records_ended_ = false;
};

} // namespace intellisched
