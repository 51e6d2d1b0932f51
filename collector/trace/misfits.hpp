// SPDX-License-Identifier: MIT
// Scheduler records that are not what event.hpp decodes: of an event that Xen 4.17 to 4.22 does not
// have, or of another size. The trace is of another Xen, or damaged. They are counted and named,
// and never read as something else; of events that nothing
// looks at the size is not looked at either.
#pragma once

#include "collector/trace/event.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace intellisched::trace {

class Misfits {
  public:
    /// A record that visit() did not decode. Those that are rightly there are not counted: of other
    /// schedulers and classes, and the events of core.c that nobody here looks at.
    void add(const Unknown& record);
    /// Kinds so far; a kind is an event with a size.
    [[nodiscard]] std::size_t kinds() const { return counts_.size(); }
    /// What to tell of it, a line without a full stop for each kind; usually nothing. `xen_version`
    /// as HostInfo's, "" if it is not known.
    [[nodiscard]] std::vector<std::string> told(std::string_view xen_version) const;

  private:
    std::map<std::pair<std::uint32_t, unsigned>, std::uint64_t> counts_; ///< by event and words
    std::uint64_t others_ = 0; ///< of more kinds than are kept
};

} // namespace intellisched::trace
