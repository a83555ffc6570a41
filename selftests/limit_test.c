// SPDX-License-Identifier: GPL-2.0-only
/*
 * limit_test.c - what can an ordinary user use up?
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "redteam.h"

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

static int watch_ten_thousand_times(long limit)
{
	int count = limit + 20, good = 0, i, result;
	long before, least;

	if (start_idle(count))
		return 1;
	before = meminfo("MemAvailable");
	least = before;
	for (i = 0; i < 10000; i++) {
		result = scope_control("watch %d buffer=64K\n", idle_pids[i % count]);
		good += !result;
		if (result && result != -ENOSPC && result != -EEXIST)
			return 2;
		if (i % 500 == 0 && meminfo("MemAvailable") < least)
			least = meminfo("MemAvailable");
	}
	if (good != limit || control_rows("live") != limit)
		return 3;
	if (!strstr(last_error(), "max_watches"))
		return 4;
	/* 64 KiB of records and what each watch has besides, but no more. */
	if (before - least > limit * 4096)
		return 5;
	for (i = 0; i < count; i++)
		scope_unwatch(idle_pids[i]);
	if (control_rows("live") || scope_watch(idle_pids[count - 1]))
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
		idle_pids[0] = idle();
		if (idle_pids[0] <= 0 ||
		    scope_control("watch %d buffer=64K\n", idle_pids[0]))
			return 1;
		idle_pids[1 + i % (MOST - 1)] = idle_pids[0];
		kill(idle_pids[0], SIGKILL);
		waitpid(idle_pids[0], NULL, 0);
	}
	if (control_rows("ended") + control_rows("live") != limit)
		return 2;
	/* The oldest were pushed out and the newest are all readable. */
	for (i = 0; i < limit + more; i++) {
		pid_t pid = idle_pids[1 + i % (MOST - 1)];
		int64_t faults = scope_number(pid, "faults");

		if (i < more ? faults != -ENOENT : faults < 0)
			return 3;
		if (i >= more && scope_unwatch(pid))
			return 4;
	}
	return control_rows("ended") ? 5 : 0;
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
	if (scope_control("watch %d buffer=2G\n", idle_pids[0]) != -E2BIG)
		return 2;
	for (i = 0; i <= fits && !result; i++)
		result = scope_control("watch %d buffer=64M\n", idle_pids[i]);
	if (result != -ENOSPC || i > fits + 1 || i < 2)
		return 3;
	if (!strstr(last_error(), "max_user_kb"))
		return 4;
	/* What was unwatched is gone; a file that is still open keeps none of it. */
	events = scope_events(idle_pids[0], NULL);
	before = meminfo("MemAvailable");
	if (events < 0 || scope_unwatch(idle_pids[0]))
		return 5;
	/* the rest waits in lists of the allocator, and the kernel counts late */
	for (i = 0; i < 250 && meminfo("MemAvailable") < before + 65536 / 2; i++)
		usleep(20000);
	if (i == 250)
		return 6;
	if (scope_control("watch %d buffer=64M\n", idle_pids[0]))
		return 7;
	close(events);
	/* What has ended makes room here, too. */
	kill(idle_pids[0], SIGKILL);
	waitpid(idle_pids[0], NULL, 0);
	for (i = 0; i < 100 && control_rows("ended") != 1; i++)
		usleep(20000);
	if (scope_control("watch %d buffer=64M\n", idle_pids[fits]))
		return 8;
	if (scope_number(idle_pids[0], "faults") != -ENOENT)
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
	if (start_idle(1) || scope_control("watch %d buffer=1\n", idle_pids[0]))
		return 1;
	fd = scope_events(idle_pids[0], &header);
	if (fd < 0 || header.buffer_records < 1 || header.buffer_records > 1024)
		return 2;
	if (scope_drain(fd, scope_records, SCOPE_RECORDS) < 1)
		return 3;
	if (scope_loss(idle_pids[0], "seen") != scope_loss(idle_pids[0], "held") +
	    scope_loss(idle_pids[0], "overwritten"))
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
	rows_live = control_rows("live");
	if (rows_live > limit || rows_live != followed + 1)
		return 4;
	if (followed < limit / 2)
		return 5;
	kill(parent, SIGKILL);
	waitpid(parent, NULL, 0);
	for (i = 0; i < 500 && control_rows("live"); i++)
		usleep(20000);
	if (control_rows("live"))
		return 6;
	/* The spares went with the last of the family. */
	if (start_idle(1) || scope_watch(idle_pids[0]))
		return 7;
	end_idle(1);
	return 0;
}

TEST_F_TIMEOUT(redteam, a_family_grows_to_the_limit_and_the_rest_is_told_as_missed, 300)
{
	EXPECT_EQ(0, as_user(follow_beyond_the_limit, self->max_watches));
}

int main(int argc, char **argv)
{
	if (geteuid())
		ksft_exit_skip("only root can become the user\n");
	return test_harness_run(argc, argv);
}
