// SPDX-License-Identifier: GPL-2.0-only
/*
 * follow_test.c - do the children of a watched process get watches that are exact?
 */
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "follow_family.h"

TEST_F(follow, a_forked_child_has_an_exact_watch_from_its_first_fault)
{
	struct brkscope_record *first = scope_records;
	ssize_t count;
	int fd;

	ASSERT_EQ(0, start_parent(&self->parent, &self->events, "follow",
				  fork_one));
	ASSERT_EQ(0, child_continue(self->parent));
	while (!notes->child[0].pid)
		usleep(1000);
	check_stopped(_metadata, &notes->child[0]);

	/* fork(3) has the kernel write the child's tid into the child's memory. */
	fd = scope_events(notes->child[0].pid, NULL);
	ASSERT_LE(0, fd);
	count = scope_drain(fd, scope_records, SCOPE_RECORDS);
	while (count-- > 0 && first->kind != BRKSCOPE_FAULT)
		first++;
	EXPECT_EQ(BRKSCOPE_FAULT, first->kind);
	EXPECT_EQ(BRKSCOPE_COW_COPY, first->code);
	EXPECT_TRUE(first->flags & BRKSCOPE_FAULT_KERNEL);
	EXPECT_EQ((uint32_t)notes->child[0].pid, first->tid);
	close(fd);

	kill(notes->child[0].pid, SIGCONT);
	ASSERT_EQ(0, child_until_stopped(self->parent));
	check_ended(_metadata, &notes->child[0]);
	EXPECT_EQ(0, scope_miscounted(self->parent));
	ASSERT_EQ(1, fork_records(self->events));
	EXPECT_EQ(BRKSCOPE_FORK_FOLLOWED, scope_records[0].code);
	EXPECT_EQ((uint32_t)notes->child[0].pid, scope_records[0].fork.child);
	EXPECT_EQ(0, scope_records[0].fork.shares);
	EXPECT_EQ((uint32_t)self->parent, scope_records[0].tid);
	EXPECT_EQ(1, scope_number(self->parent, "children_followed"));
	EXPECT_EQ(0, scope_loss(self->parent, "children_missed"));
}

TEST_F(follow, without_follow_a_child_is_alone_and_told)
{
	char line[64];

	ASSERT_EQ(0, start_parent(&self->parent, &self->events, "",
				  fork_one));
	ASSERT_EQ(0, child_continue(self->parent));
	while (!notes->child[0].pid)
		usleep(1000);
	ASSERT_TRUE(scope_wait_state(notes->child[0].pid, 'T'));
	EXPECT_EQ(-ENOENT, scope_number(notes->child[0].pid, "faults"));
	ASSERT_EQ(1, fork_records(self->events));
	EXPECT_EQ(BRKSCOPE_FORK_ALONE, scope_records[0].code);
	EXPECT_EQ((uint32_t)notes->child[0].pid, scope_records[0].fork.child);
	ASSERT_LT(0, scope_read(self->parent, "events"));
	snprintf(line, sizeof(line), " fork alone - - - - %d - -\n",
		 notes->child[0].pid);
	EXPECT_NE(NULL, strstr(scope_text, line));
	/* It may still be watched by name. */
	EXPECT_EQ(0, scope_watch(notes->child[0].pid));
}

static void fork_grandchild(void)
{
	pid_t pid = fork();

	if (!pid) {
		note_start(getpid());
		fork_one();
		_exit(0);
	}
	note_end(pid);
}

TEST_F(follow, a_grandchild_is_followed_too_even_when_the_first_is_unwatched)
{
	ASSERT_EQ(0, start_parent(&self->parent, &self->events, "follow",
				  fork_grandchild));
	ASSERT_EQ(0, child_continue(self->parent));
	while (!notes->child[1].pid)
		usleep(1000);
	check_stopped(_metadata, &notes->child[1]);
	ASSERT_EQ(0, until_shown(notes->child[0].pid));
	EXPECT_EQ(1, scope_number(notes->child[0].pid, "children_followed"));
	ASSERT_EQ(0, scope_unwatch(self->parent));
	kill(notes->child[1].pid, SIGCONT);
	ASSERT_EQ(0, child_until_stopped(self->parent));
	/* wait4(2) adds the faults of the children that the child has waited for. */
	notes->child[0].faults -= notes->child[1].faults;
	check_ended(_metadata, &notes->child[0]);
	check_ended(_metadata, &notes->child[1]);
}

static int let_go_on(pid_t parent)
{
	return child_continue(parent) ?: child_until_stopped(parent);
}

#define STORM	200

static void storm(void)
{
	pid_t pids[STORM];
	int i;

	for (i = 0; i < STORM; i++) {
		pids[i] = fork();
		if (!pids[i]) {
			*(volatile char *)scope_area(1) = 1;
			_exit(0);
		}
		note_start(pids[i]);
	}
	for (i = 0; i < STORM; i++)
		note_end(pids[i]);
}

TEST_F_TIMEOUT(follow, in_a_storm_each_child_is_followed_or_told_as_missed, 300)
{
	int64_t followed, missed;
	int shown = 0, forks[BRKSCOPE_FORK_RESULTS] = { 0 }, i;
	ssize_t count;

	ASSERT_EQ(0, start_parent(&self->parent, &self->events,
				  "follow buffer=1M", storm));
	ASSERT_EQ(0, let_go_on(self->parent));
	followed = scope_number(self->parent, "children_followed");
	missed = scope_number(self->parent, "children_missed");
	EXPECT_EQ(STORM, followed + missed);
	EXPECT_LT(0, followed);
	EXPECT_EQ(missed, scope_loss(self->parent, "children_missed"));
	EXPECT_EQ(0, scope_loss(self->parent, "children_unshown"));
	count = fork_records(self->events);
	ASSERT_EQ(STORM, count);
	for (i = 0; i < count; i++)
		forks[scope_records[i].code]++;
	EXPECT_EQ(followed, forks[BRKSCOPE_FORK_FOLLOWED]);
	EXPECT_EQ(missed, forks[BRKSCOPE_FORK_MISSED]);
	/* The last ones of those followed are still there; the limit took the others. */
	for (i = count - 1; i >= 0; i--) {
		pid_t pid = scope_records[i].fork.child;

		if (scope_records[i].code != BRKSCOPE_FORK_FOLLOWED) {
			EXPECT_EQ(-ENOENT, scope_number(pid, "faults"));
			continue;
		}
		if (shown < 20) {
			ASSERT_TRUE(until_ended(pid));
			EXPECT_EQ(notes->child[i].pid, pid);
			EXPECT_EQ(notes->child[i].faults, told_faults(pid));
		}
		shown++;
	}
	EXPECT_EQ(0, scope_miscounted(self->parent));
}

static void run_pipeline(void)
{
	execl("/bin/sh", "sh", "-c",
	      "(echo b; echo a) | sort | cat >/dev/null; x=$(echo y | tr y z); :", NULL);
	_exit(1);
}

TEST_F(follow, the_faults_of_a_pipeline_add_up_to_those_of_its_processes)
{
	struct rusage before, after;
	ssize_t count, i;
	int64_t told;
	int status;

	getrusage(RUSAGE_CHILDREN, &before);
	ASSERT_EQ(0, start_parent(&self->parent, &self->events, "follow",
				  run_pipeline));
	ASSERT_EQ(0, child_continue(self->parent));
	ASSERT_EQ(self->parent, waitpid(self->parent, &status, 0));
	getrusage(RUSAGE_CHILDREN, &after);
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, scope_number(self->parent, "children_missed"));
	told = told_faults(self->parent);
	count = fork_records(self->events);
	EXPECT_LE(4, count);
	for (i = 0; i < count; i++)
		note_start(scope_records[i].fork.child);
	/* A process of the pipeline may have made others: notes grow meanwhile. */
	for (i = 0; i < notes->count; i++) {
		pid_t pid = notes->child[i].pid;
		int fd;

		ASSERT_TRUE(until_ended(pid));
		told += told_faults(pid);
		fd = scope_events(pid, NULL);
		ASSERT_LE(0, fd);
		count = fork_records(fd);
		while (count-- > 0)
			note_start(scope_records[count].fork.child);
		close(fd);
	}
	EXPECT_EQ(after.ru_minflt + after.ru_majflt - before.ru_minflt -
		  before.ru_majflt, told);
	for (i = 0; i < notes->count; i++)
		notes->child[i].faults = 1;	/* gone: nothing to kill */
}

TEST_HARNESS_MAIN
