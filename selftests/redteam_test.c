// SPDX-License-Identifier: GPL-2.0-only
/*
 * redteam_test.c - what can an ordinary user get, break or use up?
 *
 * Each test lets uid SCOPE_USER try in a child; a child ends with 0 or the number of
 * the step that went wrong.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "brkscope_test.h"

#define MOST	256

FIXTURE(redteam) {
	long max_watches;
	long max_user_kb;
	pid_t roots;		/* an idle process of root's */
};

static long parameter(const char *name)
{
	char path[96], text[32];

	snprintf(path, sizeof(path), "/sys/module/brkscope/parameters/%s", name);
	return scope_read_path(path, text, sizeof(text)) < 0 ? -1 : atol(text);
}

static pid_t idle(void)
{
	pid_t pid = child_start();

	if (!pid)
		for (;;)
			pause();
	return pid;
}

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
	scope_unwatch(self->roots);
	kill(self->roots, SIGKILL);
	waitpid(self->roots, NULL, 0);
}

static int become_user(void)
{
	return setgroups(0, NULL) ||
	       setresgid(SCOPE_USER, SCOPE_USER, SCOPE_USER) ||
	       setresuid(SCOPE_USER, SCOPE_USER, SCOPE_USER) ||
	       prctl(PR_SET_DUMPABLE, 1) || prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static int as_user(int (*action)(long number), long number)
{
	pid_t child = child_start();
	int status;

	if (!child)
		_exit(become_user() ? 99 : action(number));
	if (waitpid(child, &status, 0) != child)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* Rows of control in a state, as the caller sees it; -1 if it cannot be read. */
static int rows(const char *state)
{
	char word[16];
	int count = 0, pid;
	char *line;

	if (scope_read_path(SCOPE_DIR "/control", scope_text,
			    sizeof(scope_text)) < 0)
		return -1;
	for (line = scope_text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		count += sscanf(line, "%d %15s", &pid, word) == 2 &&
			 !strcmp(word, state);
	}
	return count;
}

static const char *last_error(void)
{
	static char text[512];

	if (scope_read_path(SCOPE_DIR "/control", scope_text,
			    sizeof(scope_text)) < 0 ||
	    scope_value(scope_text, "last_error", text, sizeof(text)))
		*text = '\0';
	return text;
}

static long meminfo(const char *name)
{
	char value[64];

	if (scope_read_path("/proc/meminfo", scope_text, sizeof(scope_text)) < 0 ||
	    scope_value(scope_text, name, value, sizeof(value)))
		return -1;
	return atol(value);
}

static pid_t pids[MOST];

static int start_idle(int count)
{
	int i;

	for (i = 0; i < count; i++) {
		pids[i] = idle();
		if (pids[i] <= 0)
			return -1;
	}
	return 0;
}

static void end_idle(int count)
{
	int i;

	for (i = 0; i < count; i++) {
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
		scope_unwatch(pids[i]);
	}
}

/* ---- too many ---- */

static int watch_ten_thousand_times(long limit)
{
	int count = limit + 20, good = 0, i, result;
	long before, least;

	if (start_idle(count))
		return 1;
	before = meminfo("MemAvailable");
	least = before;
	for (i = 0; i < 10000; i++) {
		result = scope_control("watch %d buffer=64K\n", pids[i % count]);
		good += !result;
		if (result && result != -ENOSPC && result != -EEXIST)
			return 2;
		if (i % 500 == 0 && meminfo("MemAvailable") < least)
			least = meminfo("MemAvailable");
	}
	if (good != limit || rows("live") != limit)
		return 3;
	if (!strstr(last_error(), "max_watches"))
		return 4;
	/* 64 KiB of records and what each watch has besides, but no more. */
	if (before - least > limit * 4096)
		return 5;
	for (i = 0; i < count; i++)
		scope_unwatch(pids[i]);
	if (rows("live") || scope_watch(pids[count - 1]))
		return 6;
	end_idle(count);
	return 0;
}

TEST_F_TIMEOUT(redteam, ten_thousand_watch_commands_get_no_more_than_the_limit, 600)
{
	EXPECT_EQ(0, as_user(watch_ten_thousand_times, self->max_watches));
	EXPECT_EQ(0, scope_watch(self->roots));
}

static int outlive_the_limit(long limit)
{
	int more = 40, i;

	for (i = 0; i < limit + more; i++) {
		pids[0] = idle();
		if (pids[0] <= 0 ||
		    scope_control("watch %d buffer=64K\n", pids[0]))
			return 1;
		pids[1 + i % (MOST - 1)] = pids[0];
		kill(pids[0], SIGKILL);
		waitpid(pids[0], NULL, 0);
	}
	if (rows("ended") + rows("live") != limit)
		return 2;
	/* The oldest were pushed out and the newest are all readable. */
	for (i = 0; i < limit + more; i++) {
		pid_t pid = pids[1 + i % (MOST - 1)];
		int64_t faults = scope_number(pid, "faults");

		if (i < more ? faults != -ENOENT : faults < 0)
			return 3;
		if (i >= more && scope_unwatch(pid))
			return 4;
	}
	return rows("ended") ? 5 : 0;
}

TEST_F_TIMEOUT(redteam, the_oldest_ended_watch_makes_room_for_a_new_one, 300)
{
	ASSERT_GT(MOST - 40, self->max_watches);
	EXPECT_EQ(0, as_user(outlive_the_limit, self->max_watches));
}

static int ask_for_much_memory(long max_kb)
{
	int fits = max_kb / 65536, i, events, result = 0;
	long before;

	if (start_idle(fits + 1))
		return 1;
	if (scope_control("watch %d buffer=2G\n", pids[0]) != -E2BIG)
		return 2;
	for (i = 0; i <= fits && !result; i++)
		result = scope_control("watch %d buffer=64M\n", pids[i]);
	if (result != -ENOSPC || i > fits + 1 || i < 2)
		return 3;
	if (!strstr(last_error(), "max_user_kb"))
		return 4;
	/* What was unwatched is gone; a file that is still open keeps none of it. */
	events = scope_events(pids[0], NULL);
	before = meminfo("MemAvailable");
	if (events < 0 || scope_unwatch(pids[0]))
		return 5;
	/* the rest waits in the allocator's own lists, and the kernel counts at its leisure */
	for (i = 0; i < 250 && meminfo("MemAvailable") < before + 65536 / 2; i++)
		usleep(20000);
	if (i == 250)
		return 6;
	if (scope_control("watch %d buffer=64M\n", pids[0]))
		return 7;
	close(events);
	/* What has ended makes room here, too. */
	kill(pids[0], SIGKILL);
	waitpid(pids[0], NULL, 0);
	for (i = 0; i < 100 && rows("ended") != 1; i++)
		usleep(20000);
	if (scope_control("watch %d buffer=64M\n", pids[fits]))
		return 8;
	if (scope_number(pids[0], "faults") != -ENOENT)
		return 9;
	end_idle(fits + 1);
	return 0;
}

TEST_F_TIMEOUT(redteam, a_users_watches_share_one_sum_of_memory, 300)
{
	ASSERT_LE(65536, parameter("max_buffer_kb"));
	if (meminfo("MemAvailable") < self->max_user_kb + 65536)
		SKIP(return, "this machine has less memory than max_user_kb");
	EXPECT_EQ(0, as_user(ask_for_much_memory, self->max_user_kb));
}

static int use_the_smallest_ring(long unused)
{
	struct brkscope_header header;
	int fd;

	(void)unused;
	if (start_idle(1) || scope_control("watch %d buffer=1\n", pids[0]))
		return 1;
	fd = scope_events(pids[0], &header);
	if (fd < 0 || header.buffer_records < 1 || header.buffer_records > 1024)
		return 2;
	if (scope_drain(fd, scope_records, SCOPE_RECORDS) < 1)
		return 3;
	if (scope_loss(pids[0], "seen") != scope_loss(pids[0], "held") +
	    scope_loss(pids[0], "overwritten"))
		return 4;
	end_idle(1);
	return 0;
}

TEST_F(redteam, the_smallest_buffer_works)
{
	EXPECT_EQ(0, as_user(use_the_smallest_ring, 0));
}

/* A family that would be larger than the limit. */
static int follow_beyond_the_limit(long limit)
{
	int64_t followed, missed;
	int i, rows_live;
	pid_t parent = child_start();

	if (!parent) {
		child_stop_here();
		for (i = 0; i < limit + 10; i++) {
			if (!fork()) {
				prctl(PR_SET_PDEATHSIG, SIGKILL);
				for (;;)
					pause();
			}
			usleep(20000);
		}
		child_stop_here();
		_exit(0);
	}
	if (child_until_stopped(parent) ||
	    scope_control("watch %d follow buffer=64K\n", parent))
		return 1;
	if (child_continue(parent) || child_until_stopped(parent))
		return 2;
	followed = scope_number(parent, "children_followed");
	missed = scope_number(parent, "children_missed");
	if (followed + missed != limit + 10 || missed < 11)
		return 3;
	/* Spares take places, too, but not once there are no more. */
	rows_live = rows("live");
	if (rows_live > limit || rows_live != followed + 1)
		return 4;
	if (followed < limit / 2)
		return 5;
	kill(parent, SIGKILL);
	waitpid(parent, NULL, 0);
	for (i = 0; i < 500 && rows("live"); i++)
		usleep(20000);
	if (rows("live"))
		return 6;
	/* The spares went with the last of the family. */
	if (start_idle(1) || scope_watch(pids[0]))
		return 7;
	end_idle(1);
	return 0;
}

TEST_F_TIMEOUT(redteam, a_family_grows_to_the_limit_and_the_rest_is_told_as_missed, 300)
{
	EXPECT_EQ(0, as_user(follow_beyond_the_limit, self->max_watches));
}

/* ---- what is not his ---- */

/* As user: a control that root opened; the watch is root's, so are its files. */
static int use_roots_control(long pid)
{
	char line[32];
	int length = snprintf(line, sizeof(line), "watch %ld\n", pid);

	if (write(9, line, length) != length)
		return 1;
	if (scope_number(pid, "faults") != -EACCES)
		return 2;
	if (scope_open(pid, "events.bin", O_NONBLOCK) != -EACCES)
		return 3;
	return scope_unwatch(pid) == -EPERM ? 0 : 4;
}

TEST_F(redteam, what_is_begun_by_an_inherited_control_belongs_to_its_opener)
{
	int fd = open(SCOPE_DIR "/control", O_RDWR);

	ASSERT_LE(0, fd);
	ASSERT_EQ(9, dup2(fd, 9));
	EXPECT_EQ(0, as_user(use_roots_control, self->roots));
	EXPECT_LE(0, scope_number(self->roots, "faults"));
	close(9);
	close(fd);
}

/* As root, by a control that a user opened; as a set-uid program does in its user's shell. */
static int watch_myself_for_a_user(void)
{
	char line[32];
	int length = snprintf(line, sizeof(line), "watch %d\n", getpid());
	int fd = -1;

	if (seteuid(SCOPE_USER))
		return 1;
	fd = open(SCOPE_DIR "/control", O_WRONLY);
	if (fd < 0 || seteuid(0))
		return 2;
	if (write(fd, line, length) != -1 || errno != EPERM)
		return 3;
	/* The watch of his own is another matter. */
	return scope_watch(getpid()) ? 4 : scope_unwatch(getpid()) ? 5 : 0;
}

/* As user, by a control that was opened before the fork. */
static int watch_myself_by_my_parents_control(long unused)
{
	int fd = open(SCOPE_DIR "/control", O_WRONLY), status;
	pid_t child = child_start();
	char line[32];

	(void)unused;
	if (!child) {
		int length = snprintf(line, sizeof(line), "watch %d\n", getpid());

		_exit(write(fd, line, length) == length ? 0 : 1);
	}
	if (waitpid(child, &status, 0) != child || status)
		return 1;
	return scope_unwatch(child) ? 2 : 0;
}

TEST_F(redteam, nobody_is_watched_by_a_strangers_control_that_he_writes_to)
{
	pid_t child = child_start();
	int status;

	if (!child)
		_exit(watch_myself_for_a_user());
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, as_user(watch_myself_by_my_parents_control, 0));
}

/* A process that hides itself in the middle: a watch is as an open maps is. */
static int hide_in_the_middle(long unused)
{
	char path[32], byte, state[16];
	pid_t child = child_start();
	int maps;

	(void)unused;
	if (!child) {
		child_stop_here();
		prctl(PR_SET_DUMPABLE, 0);
		if (!fork())
			_exit(0);
		child_stop_here();
		_exit(0);
	}
	if (child_until_stopped(child) ||
	    scope_control("watch %d follow\n", child))
		return 1;
	snprintf(path, sizeof(path), "/proc/%d/maps", child);
	maps = open(path, O_RDONLY);
	if (child_continue(child) || child_until_stopped(child))
		return 2;
	if (read(maps, &byte, 1) != 1)
		return 3;
	if (scope_read(child, "summary") < 0 ||
	    scope_value(scope_text, "state", state, sizeof(state)) ||
	    strcmp(state, "live"))
		return 4;
	/* Its child is another process, whose maps cannot be opened. */
	if (scope_number(child, "children_alone") != 1 ||
	    scope_number(child, "children_followed") != 0)
		return 5;
	/* And it cannot be watched anew. */
	if (scope_unwatch(child) || scope_watch(child) != -EPERM)
		return 6;
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	return 0;
}

TEST_F(redteam, a_process_that_hides_is_told_on_and_its_children_are_not)
{
	EXPECT_EQ(0, as_user(hide_in_the_middle, 0));
}

/* ---- nonsense ---- */

/* A line that is sometimes nearly right. */
static int random_line(uint64_t *seed, char *line, pid_t own)
{
	static const char *const words[] = {
		"watch", "unwatch", "clear", " ", "  ", "\n", "\t", "buffer=",
		"64K", "1M", "0", "1", "2", "-1", "99999999", "4294967296", "%s",
		"=", "K", "\\n", "watch 1", "unwatch 1", "follow", "x",
		"buffer=64K", "buffer=2G", "follow follow",
	};
	int length = 0, words_left = 1 + scope_random(seed) % 6, i;

	while (words_left-- > 0) {
		unsigned int pick = scope_random(seed) % 36;

		if (pick < ARRAY_SIZE(words))
			length += sprintf(line + length, "%s ", words[pick]);
		else if (pick < 30)
			length += sprintf(line + length, "watch %d ", own);
		else if (pick < 32)
			length += sprintf(line + length, "unwatch %d ", own);
		else
			for (i = scope_random(seed) % 40; i > 0; i--)
				line[length++] = scope_random(seed);
	}
	line[length++] = '\n';
	return length;
}

static bool clean(int error)
{
	switch (error) {
	case EINVAL:
	case ESRCH:
	case EPERM:
	case EEXIST:
	case ENOSPC:
	case E2BIG:
	case EBUSY:
	case EAGAIN:
		return true;
	}
	return false;
}

static uint64_t seed;

static int write_random_lines(long count)
{
	int fd = open(SCOPE_DIR "/control", O_WRONLY), i;
	uint64_t state = seed;
	char line[1024];

	if (fd < 0 || start_idle(1))
		return 1;
	for (i = 0; i < count; i++) {
		int length = random_line(&state, line, pids[0]);
		ssize_t done = write(fd, line, length);

		if (!done || done > length || (done < 0 && !clean(errno))) {
			printf("# line %d: errno %d\n", i, errno);
			return 2;
		}
	}
	close(fd);
	scope_unwatch(pids[0]);
	if (scope_watch(pids[0]) || scope_number(pids[0], "faults") < 0 ||
	    mirror_differs(pids[0]) || scope_unwatch(pids[0]))
		return 3;
	end_idle(1);
	return 0;
}

TEST_F_TIMEOUT(redteam, a_hundred_thousand_random_lines_do_no_harm, 1200)
{
	/* A kernel that checks every access is ten times as slow. */
	long lines = access("/proc/self/fail-nth", F_OK) ? 100000 : 10000;

	seed = scope_seed(_metadata->name);
	TH_LOG("%ld lines", lines);
	EXPECT_EQ(0, as_user(write_random_lines, lines))
		TH_LOG("SEED=%llu", (unsigned long long)seed);
	/* He got hold of nothing that is not his. */
	EXPECT_EQ(0, rows("live"));
	EXPECT_EQ(0, scope_watch(self->roots));
	EXPECT_EQ(NULL, mirror_differs(self->roots));
}

int main(int argc, char **argv)
{
	if (geteuid())
		ksft_exit_skip("only root can become the user\n");
	return test_harness_run(argc, argv);
}
