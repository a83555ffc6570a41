// SPDX-License-Identifier: GPL-2.0-only
/*
 * control_test.c - does a command do what it says, and a bad one say why not?
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

#define CHILDREN	3
#define MOST_WATCHES	2000

FIXTURE(control) {
	pid_t child[CHILDREN];
};

FIXTURE_SETUP(control)
{
	int i;

	scope_prepare();
	for (i = 0; i < CHILDREN; i++) {
		self->child[i] = child_start();
		ASSERT_LE(0, self->child[i]);
		if (!self->child[i])
			for (;;)
				pause();
	}
}

FIXTURE_TEARDOWN(control)
{
	int i;

	for (i = 0; i < CHILDREN; i++) {
		scope_unwatch(self->child[i]);
		kill(self->child[i], SIGKILL);
		waitpid(self->child[i], NULL, 0);
	}
}

/* The reason in words as control tells it, empty if none. */
static const char *last_error(void)
{
	static char text[512];

	if (scope_read_path(SCOPE_DIR "/control", scope_text,
			    sizeof(scope_text)) < 0 ||
	    scope_value(scope_text, "last_error", text, sizeof(text)))
		*text = '\0';
	return text;
}

/* The row of control for @pid, its columns after the pid; NULL if none. */
static const char *control_row(pid_t pid)
{
	char start[24], *row;

	if (scope_read_path(SCOPE_DIR "/control", scope_text,
			    sizeof(scope_text)) < 0)
		return NULL;
	snprintf(start, sizeof(start), "\n%d ", pid);
	row = strstr(scope_text, start);
	return row ? row + strlen(start) : NULL;
}

static bool has_directory(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), SCOPE_DIR "/%d/summary", pid);
	return access(path, F_OK) == 0;
}

TEST_F(control, watch_makes_a_row_and_a_directory_and_unwatch_removes_both)
{
	static const char head[] = "brkscope control 1\n"
		"pid state uid buffer_records records_seen comm folder\n";
	char state[16], comm[32];
	int fields;
	unsigned int uid;
	unsigned long buffer, seen;

	EXPECT_FALSE(has_directory(self->child[0]));
	EXPECT_EQ(NULL, control_row(self->child[0]));
	ASSERT_EQ(0, scope_watch(self->child[0]));
	EXPECT_TRUE(has_directory(self->child[0]));
	ASSERT_NE(NULL, control_row(self->child[0]));
	fields = sscanf(control_row(self->child[0]), "%15s %u %lu %lu %31s",
			state, &uid, &buffer, &seen, comm);
	ASSERT_EQ(5, fields);
	EXPECT_EQ(0, strncmp(scope_text, head, sizeof(head) - 1));
	EXPECT_STREQ("live", state);
	EXPECT_EQ(0, uid);
	EXPECT_LT(0, buffer);
	EXPECT_STREQ("control_test", comm);
	ASSERT_EQ(0, scope_unwatch(self->child[0]));
	EXPECT_FALSE(has_directory(self->child[0]));
	EXPECT_EQ(NULL, control_row(self->child[0]));
}

static const struct bad_line {
	const char *line;
	int error;
} bad_lines[] = {
	{ "nonsense", EINVAL },
	{ "watchdog 1", EINVAL },
	{ "Watch 1", EINVAL },
	{ "watch", EINVAL },
	{ "watch ", EINVAL },
	{ "watch abc", EINVAL },
	{ "watch 0", EINVAL },
	{ "watch -1", EINVAL },
	{ "watch 12x", EINVAL },
	{ "watch 0x", EINVAL },
	{ "watch 1 2", EINVAL },
	{ "watch 99999999999999999999", EINVAL },
	{ "watch 4000000000", EINVAL },
	{ "watch 4194304", ESRCH },	/* above any pid_max */
	{ "watch 2", EINVAL },		/* kthreadd */
	{ "unwatch", EINVAL },
	{ "unwatch x", EINVAL },
	{ "clear", EINVAL },
	{ "clear 12y", EINVAL },
	{ "clear 4194304", ESRCH },
	{ "unwatch 4194304", ESRCH },
};

TEST_F(control, each_bad_line_has_its_errno_and_a_reason_in_words)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad_lines); i++) {
		const char *line = bad_lines[i].line, *reason;
		int result;

		/* Another error before, so that the reason must be new. */
		ASSERT_EQ(-EINVAL, scope_control("gibberish\n"));
		result = scope_control("%s\n", line);
		if (bad_lines[i].error == EINVAL && result == -ESRCH &&
		    strchr(line, '4'))
			result = -EINVAL;	/* a number no pid can have */
		EXPECT_EQ(-bad_lines[i].error, result)
			TH_LOG("line '%s'", line);
		reason = last_error();
		EXPECT_NE(NULL, strchr(reason, ' '))
			TH_LOG("line '%s' leaves the reason '%s'", line, reason);
		EXPECT_EQ(NULL, strstr(reason, "gibberish"))
			TH_LOG("line '%s' leaves the reason '%s'", line, reason);
	}
}

TEST_F(control, a_buffer_size_is_checked)
{
	pid_t pid = self->child[0];

	EXPECT_EQ(-EINVAL, scope_control("watch %d buffer\n", pid));
	EXPECT_EQ(-EINVAL, scope_control("watch %d buffer=\n", pid));
	EXPECT_EQ(-EINVAL, scope_control("watch %d buffer=12Z\n", pid));
	EXPECT_EQ(-EINVAL, scope_control("watch %d buffer=-1K\n", pid));
	EXPECT_EQ(-EINVAL, scope_control("watch %d size=64K\n", pid));
	EXPECT_EQ(-E2BIG, scope_control("watch %d buffer=99999M\n", pid));
	EXPECT_EQ(-E2BIG, scope_control("watch %d buffer=2G\n", pid));
	EXPECT_EQ(-E2BIG, scope_control("watch %d buffer=18446744073709551615\n",
					pid));
	EXPECT_EQ(-E2BIG, scope_control("watch %d buffer=17592186044416M\n", pid));
	/* What wraps around to something small is too large all the same. */
	EXPECT_EQ(-E2BIG, scope_control("watch %d buffer=18446744073709617152\n",
					pid));
	EXPECT_EQ(-E2BIG, scope_control("watch %d buffer=17592186044417M\n", pid));
	EXPECT_EQ(-E2BIG, scope_control("watch %d buffer=18014398509482048K\n",
					pid));
	EXPECT_EQ(NULL, control_row(pid));
	EXPECT_EQ(0, scope_control("watch %d buffer=1M\n", pid));
}

TEST_F(control, watching_twice_is_eexist)
{
	ASSERT_EQ(0, scope_watch(self->child[0]));
	EXPECT_EQ(-EEXIST, scope_watch(self->child[0]));
	EXPECT_NE('\0', *last_error());
	EXPECT_EQ(0, scope_unwatch(self->child[0]));
	EXPECT_EQ(0, scope_watch(self->child[0]));
}

TEST_F(control, unwatching_what_is_not_watched_is_an_error)
{
	EXPECT_GT(0, scope_unwatch(self->child[0]));
	EXPECT_GT(0, scope_control("clear %d\n", self->child[0]));
}

TEST_F(control, a_process_that_has_ended_cannot_be_watched)
{
	pid_t dead = child_start();

	if (!dead)
		_exit(0);
	ASSERT_TRUE(scope_wait_state(dead, 'Z'));
	EXPECT_EQ(-ESRCH, scope_watch(dead));
	ASSERT_EQ(dead, waitpid(dead, NULL, 0));
	EXPECT_EQ(-ESRCH, scope_watch(dead));
}

TEST_F(control, several_lines_in_one_write_all_count)
{
	EXPECT_EQ(0, scope_control("watch %d\nwatch %d buffer=64K\nunwatch %d\n",
				   self->child[0], self->child[1],
				   self->child[0]));
	EXPECT_EQ(NULL, control_row(self->child[0]));
	EXPECT_NE(NULL, control_row(self->child[1]));
}

TEST_F(control, the_first_bad_line_ends_a_write_after_the_good_ones)
{
	char good[32];
	int length = snprintf(good, sizeof(good), "watch %d\n", self->child[0]);

	EXPECT_EQ(length, scope_control("%snonsense\nwatch %d\n", good,
					self->child[1]));
	EXPECT_NE(NULL, control_row(self->child[0]));
	EXPECT_EQ(NULL, control_row(self->child[1]));
	EXPECT_NE('\0', *last_error());
	/* The first line itself bad: nothing is done at all. */
	EXPECT_EQ(-EINVAL, scope_control("nonsense\nwatch %d\n",
					 self->child[1]));
	EXPECT_EQ(NULL, control_row(self->child[1]));
}

TEST_F(control, a_very_long_line_is_refused_and_harms_nothing)
{
	static const char *volatile nowhere;
	static char line[300000];
	int fd = open(SCOPE_DIR "/control", O_WRONLY);

	ASSERT_LE(0, fd);
	memset(line, '1', sizeof(line));
	memcpy(line, "watch ", 6);
	EXPECT_EQ(-1, write(fd, line, sizeof(line)));
	line[sizeof(line) - 1] = '\n';
	EXPECT_EQ(-1, write(fd, line, sizeof(line)));
	EXPECT_EQ(-1, write(fd, nowhere, 10));
	EXPECT_EQ(EFAULT, errno);
	close(fd);
	EXPECT_EQ(0, scope_watch(self->child[0]));
}

TEST_F_TIMEOUT(control, more_watches_than_the_limit_are_enospc, 600)
{
	static pid_t pids[MOST_WATCHES];
	int count, error = 0, i;

	for (count = 0; count < MOST_WATCHES && !error; count++) {
		pids[count] = child_start();
		ASSERT_LE(0, pids[count]);
		if (!pids[count])
			for (;;)
				pause();
		error = scope_control("watch %d buffer=64K\n", pids[count]);
	}
	EXPECT_EQ(-ENOSPC, error)
		TH_LOG("after %d watches", count);
	EXPECT_NE(NULL, strchr(last_error(), ' '));
	EXPECT_LT(8, count);
	/* One gone makes room for one. */
	if (count > 1) {
		EXPECT_EQ(0, scope_unwatch(pids[0]));
		EXPECT_EQ(0, scope_control("watch %d buffer=64K\n",
					   pids[count - 1]));
	}
	for (i = 0; i < count; i++) {
		scope_unwatch(pids[i]);
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
	}
}

/* Rows of hooks in this state; -1 if hooks cannot be read. */
static int hooks_in_state(const char *state)
{
	char serves[64], attach[128], mechanism[64], seen[32];
	const char *row;
	int count = 0;

	if (scope_read_path(SCOPE_DIR "/hooks", scope_text,
			    sizeof(scope_text)) < 0 ||
	    strncmp(scope_text, "brkscope hooks 1\n"
		    "serves attach mechanism state hits missed reason\n", 66))
		return -1;
	row = strchr(strchr(scope_text, '\n') + 1, '\n') + 1;
	while (sscanf(row, "%63s %127s %63s %31s", serves, attach, mechanism,
		      seen) == 4) {
		count += !strcmp(seen, state);
		row = strchr(row, '\n');
		if (!row)
			break;
		row++;
	}
	return count;
}

static bool anything_watched(void)
{
	return scope_read_path(SCOPE_DIR "/control", scope_text,
			       sizeof(scope_text)) > 0 &&
	       strstr(scope_text, " live ");
}

TEST_F(control, hooks_are_attached_from_the_first_watch_to_the_last_unwatch)
{
	int all;

	if (anything_watched())
		SKIP(return, "something else is being watched on this machine");
	EXPECT_EQ(0, hooks_in_state("attached"));
	all = hooks_in_state("ready");
	EXPECT_LE(3, all);
	ASSERT_EQ(0, scope_watch(self->child[0]));
	ASSERT_EQ(0, scope_watch(self->child[1]));
	EXPECT_EQ(all, hooks_in_state("attached") + hooks_in_state("ready"));
	EXPECT_LE(3, hooks_in_state("attached"));
	ASSERT_EQ(0, scope_unwatch(self->child[0]));
	EXPECT_LE(3, hooks_in_state("attached"));
	ASSERT_EQ(0, scope_unwatch(self->child[1]));
	EXPECT_EQ(0, hooks_in_state("attached"));
	EXPECT_EQ(all, hooks_in_state("ready"));
}

TEST_F(control, hooks_are_detached_when_the_last_watched_process_ends)
{
	int i;

	if (anything_watched())
		SKIP(return, "something else is being watched on this machine");
	ASSERT_EQ(0, scope_watch(self->child[0]));
	EXPECT_LE(3, hooks_in_state("attached"));
	kill(self->child[0], SIGKILL);
	/* Not at once, but soon: the process must be gone entirely. */
	for (i = 0; i < 100 && hooks_in_state("attached"); i++)
		usleep(50000);
	EXPECT_EQ(0, hooks_in_state("attached"));
}

TEST_HARNESS_MAIN
