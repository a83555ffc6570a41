/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * misuse.h - how does a test see that misuse is told in exactly one line?
 *
 * A scenario that misuses a block writes the line that it expects to be told, and
 * then does it: what the process has written is then that line twice.
 */
#ifndef MISUSE_H
#define MISUSE_H

#include <signal.h>

#include "malloc_test.h"

#define SCENARIO(name) { #name, name }

/* In a scenario. */
__attribute__((format(printf, 1, 2))) void expect_line(const char *format, ...);
int check_finds(const char *what, char *p, size_t size, long offset, int expected);

bool said_twice(const char *text);

/* In a test. */
#define RUN(level, scenario)						\
	static struct outcome outcome;					\
	char *const settings[] = { "BRKMALLOC_GUARD=" level, NULL };	\
	run_scenario(&outcome, scenario, settings)

/* The program is stopped, after one line, which is that. */
#define EXPECT_STOPS(level, scenario) do {				\
	RUN(level, scenario);						\
	EXPECT_TRUE(outcome_is_signal(&outcome, SIGABRT) &&		\
		    said_twice(outcome.text))				\
		TH_LOG("%s: status 0x%x, wrote:\n%s", scenario,		\
		       outcome.status, outcome.text);			\
} while (0)

/* The program goes on, but was told. */
#define EXPECT_TELLS(level, scenario) do {				\
	RUN(level, scenario);						\
	EXPECT_TRUE(outcome_is_exit(&outcome, 0) &&			\
		    said_twice(outcome.text))				\
		TH_LOG("%s: status 0x%x, wrote:\n%s", scenario,		\
		       outcome.status, outcome.text);			\
} while (0)

/* Nobody says anything. */
#define EXPECT_SILENCE(level, scenario) do {				\
	const char *end;						\
	RUN(level, scenario);						\
	end = strchr(outcome.text, '\n');				\
	EXPECT_TRUE(outcome_is_exit(&outcome, 0) && end && !end[1])	\
		TH_LOG("%s: status 0x%x, wrote:\n%s", scenario,		\
		       outcome.status, outcome.text);			\
} while (0)

#endif /* MISUSE_H */
