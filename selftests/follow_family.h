/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * follow_family.h - how does a test watch a family of processes?
 *
 * The parent, itself a child of the test, notes in shared memory what the
 * kernel says of its children: wait4(2) of their faults, sbrk(0) of their
 * break. After kselftest_harness.h it has the fixture and what is checked of
 * each child, too.
 */
#ifndef FOLLOW_FAMILY_H
#define FOLLOW_FAMILY_H

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "brkscope_test.h"

#define MOST_CHILDREN	512

/* What parent and children tell the test; shared. */
struct notes {
	int count;
	pid_t thread;
	struct note {
		pid_t pid;
		int64_t faults;		/* wait4: minor + major */
		uint64_t brk;		/* sbrk(0) in the child */
	} child[MOST_CHILDREN];
};

extern struct notes *notes;

int start_parent(pid_t *parent, int *events, const char *options,
		 void (*main)(void));
void note_end(pid_t pid);
struct note *note_start(pid_t pid);
void work(struct note *note);
void fork_one(void);
int until_shown(pid_t pid);
bool until_ended(pid_t pid);
int64_t told_faults(pid_t pid);
ssize_t fork_records(int events);

#ifdef FIXTURE
FIXTURE(follow) {
	pid_t parent;
	int events;
};

FIXTURE_SETUP(follow)
{
	scope_prepare();
	notes = mmap(NULL, sizeof(*notes), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, notes);
	memset(notes, 0, sizeof(*notes));
}

/* Ends the parent and what it left, and forgets all watches of it. */
FIXTURE_TEARDOWN(follow)
{
	int i;

	for (i = 0; i < MOST_CHILDREN && notes->child[i].pid; i++)
		if (!notes->child[i].faults)
			kill(notes->child[i].pid, SIGKILL);
	if (self->parent > 0) {
		kill(self->parent, SIGKILL);
		waitpid(self->parent, NULL, 0);
		scope_unwatch(self->parent);
	}
	for (i = 0; i < MOST_CHILDREN && notes->child[i].pid; i++)
		scope_unwatch(notes->child[i].pid);
	munmap(notes, sizeof(*notes));
}

/* A child that works and is stopped: is its watch as the kernel sees it? */
static void check_stopped(struct __test_metadata *_metadata, struct note *note)
{
	const char *difference;

	ASSERT_TRUE(scope_wait_state(note->pid, 'T'));
	ASSERT_EQ(0, until_shown(note->pid));
	difference = mirror_differs(note->pid);
	EXPECT_EQ(NULL, difference)
		TH_LOG("mirror of %d, %s", note->pid, difference);
	EXPECT_EQ(note->brk, (uint64_t)scope_number(note->pid, "break_now"));
	EXPECT_EQ(0, scope_miscounted(note->pid));
	EXPECT_EQ(0, scope_number(note->pid, "rusage_before"));
}

static void check_ended(struct __test_metadata *_metadata, struct note *note)
{
	ASSERT_LT(0, note->pid);
	ASSERT_TRUE(until_ended(note->pid))
		TH_LOG("child %d", note->pid);
	EXPECT_LT(0, note->faults);
	EXPECT_EQ(note->faults, told_faults(note->pid))
		TH_LOG("child %d", note->pid);
}

#endif /* FIXTURE */

#endif /* FOLLOW_FAMILY_H */
