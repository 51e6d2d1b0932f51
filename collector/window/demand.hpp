// SPDX-License-Identifier: MIT
#pragma once

namespace intellisched {

/// The time that a vCPU would have run in a stretch if it had never had to wait for a CPU. It ran
/// for `running`, waited for `waiting` and was blocked for `blocked`, all in one unit.
///
/// What it did while it did not wait is what it does alone: run for running / (running + blocked)
/// of the time. That is right for a vCPU whose next work comes some time after the last one (it
/// waits for a disk, for clients, for nothing): a wait puts all of it off. The work of others comes
/// at its own time, and a wait makes them only block for less. Of these the result is too large, by
/// the part waiting / (running + blocked). A vCPU that waits for another one of its guest blocks
/// for as long as that one waits; of it the result is too small, at the least `running`. Of a vCPU
/// that never ran it is unknown how long it would have; it is taken to have wanted all its waiting.
[[nodiscard]] constexpr double demand(double running, double waiting, double blocked) {
    if (!(running > 0)) return waiting;
    return running + waiting * (running / (running + blocked));
}

} // namespace intellisched
