/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * redteam.h - how does a test let an ordinary user try something?
 *
 * As uid SCOPE_USER in a child, which ends with 0 or the number of the step
 * that went wrong. After kselftest_harness.h it has the fixture of such tests,
 * too.
 */
#ifndef REDTEAM_H
#define REDTEAM_H

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "brkscope_test.h"

#define MOST	256

extern pid_t idle_pids[MOST];

long parameter(const char *name);
pid_t idle(void);
int start_idle(int count);
void end_idle(int count);
int as_user(int (*action)(long number), long number);
int control_rows(const char *state);

#ifdef FIXTURE
FIXTURE(redteam) {
	long max_watches;
	long max_user_kb;
	pid_t roots;		/* an idle process of root's */
};

FIXTURE_SETUP(redteam)
{
	scope_prepare();
	self->max_watches = parameter("max_watches");
	self->max_user_kb = parameter("max_user_kb");
	ASSERT_LT(0, self->max_watches);
	ASSERT_GT(MOST, self->max_watches);
	ASSERT_LT(0, self->max_user_kb);
	self->roots = idle();
	ASSERT_LT(0, self->roots);
}

FIXTURE_TEARDOWN(redteam)
{
	child_drop(self->roots);
}

#endif /* FIXTURE */

#endif /* REDTEAM_H */
