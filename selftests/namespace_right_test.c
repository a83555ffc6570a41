// SPDX-License-Identifier: GPL-2.0-only
/*
 * namespace_right_test.c - does a namespace of one's own give a right to watch?
 *
 * An ordinary user makes a user namespace, in which he is root, and a mount
 * namespace, in which he forges /proc.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "brkscope_test.h"

FIXTURE(namespaces) {
	pid_t user;	/* an idle process of the user's, if there is one */
};

FIXTURE_SETUP(namespaces)
{
	scope_prepare();
}

FIXTURE_TEARDOWN(namespaces)
{
	child_drop(self->user);
}

/* May he watch just those whose maps he may read? Return: how many they are. */
static int judged_as_by_the_kernel(const pid_t *pids, int count)
{
	int may = 0, i;

	for (i = 0; i < count; i++) {
		bool reads = maps_read(pids[i], &scope_maps) == 0 &&
			     scope_maps.count;
		int result = scope_watch(pids[i]);

		if (result != (reads ? 0 : -EPERM))
			return -100 - i;
		may += reads;
		if (!result)
			scope_unwatch(pids[i]);
	}
	return may;
}

static pid_t idle_user(void)
{
	pid_t pid = child_start();

	if (!pid) {
		if (child_become_user())
			_exit(1);
		child_stop_here();
		for (;;)
			pause();
	}
	return child_until_stopped(pid) ? -1 : pid;
}

TEST_F(namespaces, root_of_a_user_namespace_is_no_root_outside)
{
	pid_t pids[] = { 1, getpid(), idle_user() };
	pid_t child = child_start();
	int status;

	self->user = pids[2];
	if (!child) {
		if (child_become_user() || namespace_make(0, "0 %d 1", "0 %d 1") ||
		    geteuid())
			_exit(100);
		if (judged_as_by_the_kernel(pids, 3) != 0)
			_exit(101);
		_exit(scope_watch(getpid()) || scope_unwatch(getpid()) ? 102 : 0);
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
}

/* What the user mounts over /proc does not make another's process his. */
TEST_F(namespaces, a_forged_proc_is_not_believed)
{
	pid_t child = child_start();
	int status;

	if (!child) {
		char own[32];
		int control = open(SCOPE_DIR "/control", O_WRONLY);

		if (child_become_user() || namespace_make(CLONE_NEWNS, "0 %d 1", "0 %d 1"))
			_exit(100);
		/* Opened by root above, so as not to be his right: again. */
		close(control);
		control = open(SCOPE_DIR "/control", O_WRONLY);
		snprintf(own, sizeof(own), "/proc/%d", getpid());
		if (mount(own, "/proc/1", NULL, MS_BIND, NULL))
			_exit(101);
		if (maps_read(1, &scope_maps))
			_exit(102);
		if (write(control, "watch 1\n", 8) != -1 || errno != EPERM)
			_exit(103);
		if (mount(own, "/proc", NULL, MS_BIND, NULL))
			_exit(104);
		if (write(control, "watch 1\n", 8) != -1 || errno != EPERM)
			_exit(105);
		if (mount("none", "/proc", "tmpfs", 0, NULL))
			_exit(106);
		if (write(control, "watch 1\n", 8) != -1 || errno != EPERM)
			_exit(107);
		_exit(0);
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status)
		TH_LOG("step %d", WEXITSTATUS(status));
}

int main(int argc, char **argv)
{
	if (geteuid())
		ksft_exit_skip("only root can become the user and look at him\n");
	return test_harness_run(argc, argv);
}
