// SPDX-License-Identifier: GPL-2.0-only
#include "bench/simulator/machine_coroutine.hpp"

#include <cstdint>
#include <new>
#include <sys/mman.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#endif

// Keep what a function may not change, on the old stack, and continue on the new one. A coroutine
// has its number of basic blocks in r15.
extern "C" void sim_resume_stack(void** save, void* load);
extern "C" void sim_suspend_stack(void** save, void* load);
extern "C" void sim_begin_stack();
asm(R"(
    .macro switch_stack
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    .endm

    .text
    .type sim_resume_stack, @function
sim_resume_stack:
    switch_stack
    movq xen_blocks(%rip), %r15
    ret
    .size sim_resume_stack, .-sim_resume_stack

    .type sim_suspend_stack, @function
sim_suspend_stack:
    movq %r15, xen_blocks(%rip)
    switch_stack
    ret
    .size sim_suspend_stack, .-sim_suspend_stack

    .type sim_begin_stack, @function
sim_begin_stack:
    movq %r12, %rdi
    call *%r13
    ud2
    .size sim_begin_stack, .-sim_begin_stack
)");

namespace sim {
namespace {

constexpr std::size_t stack_size = 256 * 1024;
constexpr std::size_t guard_size = 4096; // below it: an overflow must not go unseen

} // namespace

Coroutine::Coroutine(void (*function)(void*), void* argument)
    : function_(function), argument_(argument) {
    stack_ = mmap(nullptr, stack_size + guard_size, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (stack_ == MAP_FAILED || mprotect(stack_, guard_size, PROT_NONE) != 0)
        throw std::bad_alloc();
    auto* top =
        reinterpret_cast<std::uintptr_t*>(static_cast<char*>(stack_) + guard_size + stack_size);
    // As sim_suspend_stack() leaves a stack: r15 to rbp, then where to return to.
    std::uintptr_t* frame = top - 9;                                // aligned as a call leaves it
    frame[2] = reinterpret_cast<std::uintptr_t>(&Coroutine::begin); // r13
    frame[3] = reinterpret_cast<std::uintptr_t>(this);              // r12
    frame[6] = reinterpret_cast<std::uintptr_t>(&sim_begin_stack);
    own_ = frame;
}

Coroutine::~Coroutine() { munmap(stack_, stack_size + guard_size); }

void Coroutine::begin(Coroutine* self) {
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_finish_switch_fiber(nullptr, &self->engine_stack_, &self->engine_stack_size_);
#endif
    self->function_(self->argument_);
}

void Coroutine::resume() {
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_start_switch_fiber(&engine_fake_stack_, static_cast<char*>(stack_) + guard_size,
                                   stack_size);
#endif
    sim_resume_stack(&engine_, own_);
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_finish_switch_fiber(engine_fake_stack_, nullptr, nullptr);
#endif
}

void Coroutine::suspend() {
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_start_switch_fiber(&fake_stack_, engine_stack_, engine_stack_size_);
#endif
    sim_suspend_stack(&own_, engine_);
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_finish_switch_fiber(fake_stack_, &engine_stack_, &engine_stack_size_);
#endif
}

} // namespace sim
