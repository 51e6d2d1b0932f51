// SPDX-License-Identifier: MIT
// What a host told, to be read more than once.
#pragma once

#include "src/host/host.hpp"

#include <vector>

namespace intellisched::what_if {

class Remembered final : public Host {
  public:
    /// Reads the host: a live one for `seconds`, any other to its end. Errors: the host's; more
    /// trace than there is room for; interrupted.
    [[nodiscard]] static Result<Remembered> of(Host& host, bool live, double seconds);

    void rewind() { at_ = 0; }
    [[nodiscard]] const HostInfo& info() const override { return info_; }
    [[nodiscard]] Result<std::optional<HostItem>> next() override;

  private:
    explicit Remembered(HostInfo info) : info_(std::move(info)) { info_.recorded = true; }
    HostInfo info_;
    std::vector<HostItem> items_;
    std::size_t at_ = 0;
};

} // namespace intellisched::what_if
