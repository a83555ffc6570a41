// SPDX-License-Identifier: GPL-2.0-only
/*
 * exec_test.c - does a watch follow its process from one image to the next?
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "brkscope_test.h"

static const char helper[] = "./test_helper";

FIXTURE(exec) {
	pid_t child;
	int events;
};

FIXTURE_SETUP(exec)
{
	scope_prepare();
}

FIXTURE_TEARDOWN(exec)
{
	child_drop(self->child);
}

static void exec_helper(void)
{
	execl(helper, helper, "stop", NULL);
	_exit(1);
}

TEST_F(exec, a_watch_survives_exec_and_mirrors_the_new_image)
{
	const char *difference;
	ssize_t count, i, execs = 0;
	char comm[32];

	ASSERT_EQ(0, child_watched(&self->child, &self->events, exec_helper));
	ASSERT_EQ(0, child_next_stop(self->child));
	difference = mirror_differs(self->child);
	EXPECT_EQ(NULL, difference)
		TH_LOG("mirror, %s", difference);

	count = scope_drain(self->events, scope_records, SCOPE_RECORDS);
	ASSERT_LT(0, count);
	replay_begin(&scope_replay, NULL);
	for (i = 0; i < count; i++) {
		if (scope_records[i].kind == BRKSCOPE_EXEC) {
			EXPECT_STREQ("test_helper", scope_records[i].exec.comm);
			EXPECT_EQ((uint32_t)self->child, scope_records[i].tid);
			execs++;
			replay_records(&scope_replay, scope_records + i,
				       count - i);
		} else if (!execs) {
			replay_names(&scope_replay, scope_records + i, 1);
		}
	}
	EXPECT_EQ(1, execs);
	EXPECT_STREQ("", scope_replay.error);
	for (i = 0; i < (ssize_t)scope_maps.count; i++)
		scope_maps.area[i].offset = 0;
	difference = areas_differ(&scope_maps, &scope_replay.areas);
	EXPECT_EQ(NULL, difference)
		TH_LOG("replay, %s", difference);

	EXPECT_EQ(1, scope_number(self->child, "execs"));
	EXPECT_EQ(scope_stat(self->child, 47),
		  scope_number(self->child, "break_start"));
	ASSERT_LT(0, scope_read(self->child, "summary"));
	ASSERT_EQ(0, scope_value(scope_text, "comm", comm, sizeof(comm)));
	EXPECT_STREQ("test_helper", comm);
}

#define CROWD	20000	/* VMAs that the module takes a while to forget */
#define CROWD_SLOW 2000	/* the same where the kernel checks all of them at each change */

/* Returns when the new image has its name, which the kernel's exec tells the module next. */
static int wait_for_exec(pid_t child)
{
	char path[32], comm[32];

	snprintf(path, sizeof(path), "/proc/%d/comm", child);
	do {
		if (scope_read_path(path, comm, sizeof(comm)) < 0)
			return -errno;
	} while (strcmp(comm, "test_helper\n"));
	return 0;
}

TEST_F_TIMEOUT(exec, a_watch_that_is_removed_during_exec_leaves_nothing_behind, 600)
{
	char line[32];
	int control = open(SCOPE_DIR "/control", O_WRONLY), round, length;
	size_t crowd = access("/proc/self/fail-nth", F_OK) ? CROWD : CROWD_SLOW;

	ASSERT_LE(0, control);
	for (round = 0; round < 3; round++) {
		self->child = child_start();
		if (!self->child) {
			scope_crowd(crowd);
			child_stop_here();
			exec_helper();
		}
		ASSERT_EQ(0, child_until_stopped(self->child));
		ASSERT_EQ(0, scope_watch(self->child));
		length = snprintf(line, sizeof(line), "unwatch %d\n", self->child);
		ASSERT_EQ(0, child_continue(self->child));
		ASSERT_EQ(0, wait_for_exec(self->child));
		ASSERT_EQ(length, write(control, line, length));
		ASSERT_EQ(0, child_until_stopped(self->child));
		/* What was left in the module's tables would be found now. */
		ASSERT_EQ(0, scope_watch(self->child));
		EXPECT_EQ(NULL, mirror_differs(self->child));
		ASSERT_EQ(0, scope_unwatch(self->child));
		ASSERT_EQ(0, child_end(self->child));
		self->child = 0;
	}
	close(control);
}

static const char odd_name[] = "/tmp/a\nb\\c";

static void exec_odd_name(void)
{
	execl(odd_name, odd_name, "stop", NULL);
	_exit(1);
}

TEST_F(exec, a_program_of_any_name_is_one_line)
{
	char path[256];

	unlink(odd_name);
	ASSERT_EQ(0, scope_program("test_helper", path, sizeof(path)));
	ASSERT_EQ(0, symlink(path, odd_name));
	ASSERT_EQ(0, child_watched(&self->child, &self->events, exec_odd_name));
	ASSERT_EQ(0, child_next_stop(self->child));
	unlink(odd_name);
	ASSERT_LT(0, scope_read(self->child, "events"));
	EXPECT_NE(NULL, strstr(scope_text,
			       " exec - - - - - - - a\\012b\\134c\n"));
}

/* Page tables that a reader of the summary takes a while to look through */
static void exec_from_sparse_memory(void)
{
	size_t step = 2 << 20, count = 2048, i;
	char *area = mmap(NULL, count * step, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	madvise(area, count * step, MADV_NOHUGEPAGE);
	for (i = 0; i < count; i++)
		*(volatile char *)(area + i * step) = 1;
	child_stop_here();
	exec_helper();
}

static pid_t read_on_and_on(pid_t child)
{
	pid_t reader = child_start();

	if (!reader)
		for (;;)
			scope_read(child, "summary");
	return reader;
}

TEST_F_TIMEOUT(exec, whoever_reads_during_exec_does_not_mix_the_old_break_in, 600)
{
	int64_t peak;
	pid_t reader;
	int round;

	for (round = 0; round < 8; round++) {
		ASSERT_EQ(0, child_watched(&self->child, &self->events,
					   exec_from_sparse_memory));
		ASSERT_EQ(0, child_next_stop(self->child));
		reader = read_on_and_on(self->child);
		usleep(20000);
		ASSERT_EQ(0, child_next_stop(self->child));
		kill(reader, SIGKILL);
		ASSERT_EQ(reader, waitpid(reader, NULL, 0));
		/* the heap of the old image was somewhere else, often above */
		peak = scope_number(self->child, "break_peak");
		EXPECT_EQ(scope_number(self->child, "break_now"), peak);
		close(self->events);
		ASSERT_EQ(0, scope_unwatch(self->child));
		ASSERT_EQ(0, child_end(self->child));
		self->child = 0;
	}
}

TEST_F(exec, faults_equal_the_kernels_count_after_exec)
{
	ASSERT_EQ(0, child_watched(&self->child, &self->events, exec_helper));
	EXPECT_EQ(0, scope_miscounted(self->child));
	ASSERT_EQ(0, child_next_stop(self->child));
	EXPECT_EQ(0, scope_miscounted(self->child));
	EXPECT_LT(0, scope_number(self->child, "faults_elsewhere"));
}

TEST_F(exec, touches_of_the_old_image_are_not_counted_for_the_new_one)
{
	int64_t touched, resident;

	ASSERT_EQ(0, child_watched(&self->child, &self->events, exec_helper));
	ASSERT_EQ(0, child_next_stop(self->child));
	touched = scope_number(self->child, "pages_touched");
	resident = scope_number(self->child, "rss_pages");
	EXPECT_LT(0, touched);
	/* Each touched page is resident; fault-around brings more. */
	EXPECT_GE(resident + 64, touched);
}

static void exec_by_a_thread(void)
{
	thread_run(exec_helper);
}

TEST_F(exec, a_watch_survives_exec_by_a_thread_that_is_not_the_first)
{
	const char *difference;

	ASSERT_EQ(0, child_watched(&self->child, &self->events,
				   exec_by_a_thread));
	ASSERT_EQ(0, child_next_stop(self->child));
	difference = mirror_differs(self->child);
	EXPECT_EQ(NULL, difference)
		TH_LOG("%s", difference);
	EXPECT_EQ(1, scope_number(self->child, "execs"));
	EXPECT_EQ(0, scope_miscounted(self->child));
}

TEST_HARNESS_MAIN
