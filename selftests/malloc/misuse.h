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

#define __printf(format, args) __attribute__(( \
	__format__(printf, format, args)))

#define SCENARIO(name) { #name, name }

/* In a scenario. */
__printf(1, 2) void expect_warn(const char *format, ...);
int check_finds(const char *what, char *p, size_t size, long offset, int expected);

bool said_once(const char *text);
bool said_twice(const char *text);

/* In a test. */
#define RUN(level, scenario)						\
	static struct outcome outcome;					\
	char *const settings[] = { "BRKMALLOC_GUARD=" level, NULL };	\
	run_scenario(&outcome, scenario, settings)

#define EXPECT_OUTCOME(level, scenario, condition) do {			\
	const char *__scenario = scenario;				\
	RUN(level, __scenario);						\
	EXPECT_TRUE(condition)						\
		TH_LOG("%s: status 0x%x, wrote:\n%s", __scenario,	\
		       outcome.status, outcome.text);			\
} while (0)

/* The program is stopped, after one line, which is that. */
#define EXPECT_STOPS(level, scenario)					\
	EXPECT_OUTCOME(level, scenario, said_twice(outcome.text) &&	\
		       outcome_is_signal(&outcome, SIGABRT))

/* The program goes on, but was told. */
#define EXPECT_TELLS(level, scenario)					\
	EXPECT_OUTCOME(level, scenario, said_twice(outcome.text) &&	\
		       outcome_is_exit(&outcome, 0))

/* Nobody says anything but the scenario. */
#define EXPECT_SILENCE(level, scenario)					\
	EXPECT_OUTCOME(level, scenario, said_once(outcome.text) &&	\
		       outcome_is_exit(&outcome, 0))

#endif /* MISUSE_H */
