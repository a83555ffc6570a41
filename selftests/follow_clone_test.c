// SPDX-License-Identifier: GPL-2.0-only
/*
 * follow_clone_test.c - is a child followed that was not made by a plain fork?
 */
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "follow_family.h"

static const char helper[] = "./test_helper";

static void vfork_and_exec(void)
{
	pid_t pid = vfork();

	if (!pid) {
		execl(helper, helper, "stop", NULL);
		_exit(1);
	}
	note_start(pid);
	note_end(pid);
}

TEST_F(follow, a_vfork_child_is_told_from_its_exec_on)
{
	const char *difference;
	ssize_t count, execs;
	pid_t pid;
	int fd;

	ASSERT_EQ(0, start_parent(&self->parent, &self->events, "follow",
				  vfork_and_exec));
	ASSERT_EQ(0, child_continue(self->parent));
	while (!notes->child[0].pid)
		usleep(1000);
	pid = notes->child[0].pid;
	ASSERT_TRUE(scope_wait_state(pid, 'T'));
	ASSERT_EQ(0, until_shown(pid));
	difference = mirror_differs(pid);
	EXPECT_EQ(NULL, difference)
		TH_LOG("%s", difference);
	EXPECT_EQ(NULL, mirror_differs(self->parent));
	EXPECT_EQ(0, scope_miscounted(pid));
	fd = scope_events(pid, NULL);
	ASSERT_LE(0, fd);
	count = scope_drain(fd, scope_records, SCOPE_RECORDS);
	ASSERT_LT(0, count);
	EXPECT_EQ(BRKSCOPE_EXEC, scope_records[0].kind);
	execs = scope_keep(scope_records, count, BRKSCOPE_EXEC, 0, 0);
	EXPECT_EQ(1, execs);
	close(fd);
	kill(pid, SIGCONT);
	ASSERT_EQ(0, child_until_stopped(self->parent));
	check_ended(_metadata, &notes->child[0]);
	ASSERT_EQ(1, fork_records(self->events));
	EXPECT_EQ(BRKSCOPE_FORK_FOLLOWED, scope_records[0].code);
	EXPECT_EQ(1, scope_records[0].fork.shares);
	EXPECT_EQ(0, scope_miscounted(self->parent));
}

static char clone_stack[65536] __attribute__((aligned(64)));

static int touch_and_stop(void *data)
{
	work(note_start(getpid()));
	*(volatile char *)data = 1;
	return 0;
}

static void clone_with_shared_memory(void)
{
	note_end(clone(touch_and_stop, clone_stack + sizeof(clone_stack),
		       CLONE_VM | CLONE_FS | SIGCHLD, scope_area(1)));
}

TEST_F(follow, what_a_child_in_shared_memory_does_is_in_its_parents_stream)
{
	pid_t pid;

	ASSERT_EQ(0, start_parent(&self->parent, &self->events, "follow",
				  clone_with_shared_memory));
	ASSERT_EQ(0, child_continue(self->parent));
	while (!notes->child[0].pid)
		usleep(1000);
	pid = notes->child[0].pid;
	ASSERT_TRUE(scope_wait_state(pid, 'T'));
	ASSERT_EQ(0, until_shown(pid));
	EXPECT_EQ(0, scope_number(pid, "faults"));
	EXPECT_EQ(0, scope_number(pid, "vmas"));
	EXPECT_EQ(NULL, mirror_differs(self->parent));
	EXPECT_EQ(notes->child[0].brk,
		  (uint64_t)scope_number(self->parent, "break_now"));
	/* Its memory is watched already; the same twice would tell half each. */
	ASSERT_EQ(0, scope_unwatch(pid));
	EXPECT_EQ(-EEXIST, scope_watch(pid));
	EXPECT_EQ(-ENOENT, scope_number(pid, "faults"));
	kill(pid, SIGCONT);
	ASSERT_EQ(0, child_until_stopped(self->parent));
	EXPECT_EQ(NULL, mirror_differs(self->parent));
}

static void clone_with_shared_files(void)
{
	note_end(clone(touch_and_stop, clone_stack + sizeof(clone_stack),
		       CLONE_FILES | CLONE_FS | SIGCHLD, scope_area(1)));
}

TEST_F(follow, a_clone_with_memory_of_its_own_is_as_exact_as_a_fork)
{
	ASSERT_EQ(0, start_parent(&self->parent, &self->events, "follow",
				  clone_with_shared_files));
	ASSERT_EQ(0, child_continue(self->parent));
	while (!notes->child[0].pid)
		usleep(1000);
	check_stopped(_metadata, &notes->child[0]);
	kill(notes->child[0].pid, SIGCONT);
	ASSERT_EQ(0, child_until_stopped(self->parent));
	check_ended(_metadata, &notes->child[0]);
}

static void fork_in_thread(void)
{
	notes->thread = syscall(SYS_gettid);
	fork_one();
}

static void fork_from_a_thread(void)
{
	thread_run(fork_in_thread);
}

TEST_F(follow, a_thread_is_no_child_and_its_child_is_followed)
{
	ASSERT_EQ(0, start_parent(&self->parent, &self->events, "follow",
				  fork_from_a_thread));
	ASSERT_EQ(0, child_continue(self->parent));
	while (!notes->child[0].pid)
		usleep(1000);
	check_stopped(_metadata, &notes->child[0]);
	kill(notes->child[0].pid, SIGCONT);
	ASSERT_EQ(0, child_until_stopped(self->parent));
	check_ended(_metadata, &notes->child[0]);
	ASSERT_EQ(1, fork_records(self->events));
	EXPECT_EQ((uint32_t)notes->thread, scope_records[0].tid);
	EXPECT_NE(self->parent, notes->thread);
}

TEST_HARNESS_MAIN
