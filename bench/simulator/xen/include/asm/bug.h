/* SPDX-License-Identifier: GPL-2.0-only */
/* A failed assertion ends the machine with a message in place of the program with a signal. */
#ifndef SIM_ASM_BUG_H
#define SIM_ASM_BUG_H

#ifndef __ASSEMBLY__

void noreturn sim_bug(const char *what, const char *file, int line);
void sim_warn(const char *file, int line);

#define WARN()              sim_warn(__FILE__, __LINE__)
#define BUG()               sim_bug("BUG", __FILE__, __LINE__)
#define assert_failed(text) sim_bug("Assertion '" text "' failed", __FILE__, __LINE__)
#define run_in_exception_handler(fn) ((void)(fn))

#endif

#endif
