// SPDX-License-Identifier: GPL-2.0-only
/*
 * redteam_test.c - what can an ordinary user get or break?
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "redteam.h"

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
		int length = random_line(&state, line, idle_pids[0]);
		ssize_t done = write(fd, line, length);

		if (!done || done > length || (done < 0 && !clean(errno))) {
			printf("# line %d: errno %d\n", i, errno);
			return 2;
		}
	}
	close(fd);
	scope_unwatch(idle_pids[0]);
	if (scope_watch(idle_pids[0]) || scope_number(idle_pids[0], "faults") < 0 ||
	    mirror_differs(idle_pids[0]) || scope_unwatch(idle_pids[0]))
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
	EXPECT_EQ(0, control_rows("live"));
	EXPECT_EQ(0, scope_watch(self->roots));
	EXPECT_EQ(NULL, mirror_differs(self->roots));
}

int main(int argc, char **argv)
{
	if (geteuid())
		ksft_exit_skip("only root can become the user\n");
	return test_harness_run(argc, argv);
}
