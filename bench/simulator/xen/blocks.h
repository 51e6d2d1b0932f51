/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the compiler calls at the beginning of each basic block (-fsanitize-coverage=trace-pc); `compile`
 * puts the one instruction in the call's place. It is defined here, in each unit and under the compiler's
 * own name for it, so that the compiler can see that it changes no register but the one that glue.h
 * reserves, and keeps values in the others across it (-fipa-ra).
 */
__attribute__((__noinline__, __no_sanitize_coverage__)) void __builtin___sanitizer_cov_trace_pc(void)
{
    asm volatile ( "incq %%r15" :: );
}

/* What is compiled before it is not the better for it, and functions whose address is taken come first. */
static void *const first __attribute__((__used__)) = __builtin___sanitizer_cov_trace_pc;
