// SPDX-License-Identifier: GPL-2.0-only
// Xen's code waits for other CPUs in the middle of a function; each CPU therefore has a stack of
// its own that it can be left on.
#pragma once

#include <cstddef>
#include <memory>

namespace sim {

/// One thread of control beside the engine's. Its function must not return and not throw.
class Coroutine {
  public:
    Coroutine(void (*function)(void*), void* argument);
    ~Coroutine();
    Coroutine(const Coroutine&) = delete;
    Coroutine& operator=(const Coroutine&) = delete;

    /// From the engine: runs it until it suspends.
    void resume();
    /// From the coroutine: back to the engine.
    void suspend();

  private:
    static void begin(Coroutine* self);

    void* stack_;
    void* own_ = nullptr;    ///< stack pointer while it is suspended
    void* engine_ = nullptr; ///< the engine's while it runs
    void (*function_)(void*);
    void* argument_;
    // For ASan, which has to know on which stack it is.
    void* fake_stack_ = nullptr;
    void* engine_fake_stack_ = nullptr;
    const void* engine_stack_ = nullptr;
    std::size_t engine_stack_size_ = 0;
};

} // namespace sim
