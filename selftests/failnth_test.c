// SPDX-License-Identifier: GPL-2.0-only
/*
 * failnth_test.c - is each command clean when the kernel has no memory for it?
 *
 * /proc/self/fail-nth makes the n-th allocation (or copy from user space) of this
 * task fail; n goes up from 1 until the command needs no more. Kernels without fault
 * injection skip this; the debug kernel has it. That nothing leaks is seen at unload.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "brkscope_test.h"

#define DEBUGFS		"/sys/kernel/debug"
#define ENOUGH		5000	/* no command allocates as often */

FIXTURE(fail_nth) {
	int nth;
	int control;
	pid_t keeper;		/* watched throughout, so that the hooks stay */
	pid_t target;
};

static int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t done = fd < 0 ? -1 : write(fd, text, strlen(text));

	if (fd >= 0)
		close(fd);
	return done == (ssize_t)strlen(text) ? 0 : -1;
}

static const struct setting {
	const char *path;
	const char *value;
	const char *usual;
} settings[] = {
	{ DEBUGFS "/failslab/ignore-gfp-wait", "0", "1" },
	{ DEBUGFS "/failslab/verbose", "0", "2" },
	{ DEBUGFS "/fail_page_alloc/ignore-gfp-wait", "0", "1" },
	{ DEBUGFS "/fail_page_alloc/ignore-gfp-highmem", "0", "1" },
	{ DEBUGFS "/fail_page_alloc/min-order", "0", "1" },
	{ DEBUGFS "/fail_page_alloc/verbose", "0", "2" },
	{ DEBUGFS "/fail_usercopy/verbose", "0", "2" },
};

static pid_t idle(void)
{
	pid_t pid = child_start();

	if (!pid)
		for (;;)
			pause();
	return pid;
}

FIXTURE_SETUP(fail_nth)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(settings); i++)
		if (write_text(settings[i].path, settings[i].value))
			TH_LOG("cannot set %s", settings[i].path);
	scope_prepare();
	self->nth = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	self->control = open(SCOPE_DIR "/control", O_WRONLY | O_CLOEXEC);
	self->keeper = idle();
	self->target = idle();
	ASSERT_LE(0, self->nth);
	ASSERT_LE(0, self->control);
	ASSERT_LT(0, self->keeper);
	ASSERT_LT(0, self->target);
}

FIXTURE_TEARDOWN(fail_nth)
{
	size_t i;

	scope_unwatch(self->target);
	scope_unwatch(self->keeper);
	kill(self->target, SIGKILL);
	kill(self->keeper, SIGKILL);
	waitpid(self->target, NULL, 0);
	waitpid(self->keeper, NULL, 0);
	for (i = 0; i < ARRAY_SIZE(settings); i++)
		write_text(settings[i].path, settings[i].usual);
}

/*
 * Writes a command whose @n-th allocation fails. Return: 0 or -errno; @failed says
 * whether it came to that allocation at all.
 */
static int failing(int nth, int control, int n, const char *line, bool *failed)
{
	char text[16];
	ssize_t done;
	int error, length = snprintf(text, sizeof(text), "%d", n);

	if (pwrite(nth, text, length, 0) != length)
		return -ENODEV;
	done = write(control, line, strlen(line));
	error = done < 0 ? -errno : 0;
	/* What the command did not come to may hit these two calls instead. */
	*failed = pread(nth, text, sizeof(text), 0) > 0 && *text == '0';
	if (pwrite(nth, "0", 1, 0) != 1 && pwrite(nth, "0", 1, 0) != 1)
		return -ENODEV;
	return error;
}

/* What control may answer to one who has done nothing wrong. */
static bool clean(int error)
{
	switch (-error) {
	case 0:
	case ENOMEM:
	case EFAULT:		/* copying the command itself was made to fail */
	case EOPNOTSUPP:	/* a hook could not be attached */
	case ENFILE:
		return true;
	}
	return false;
}

static bool is_watched(pid_t pid)
{
	return scope_number(pid, "faults") >= 0;
}

/* Each n until the command needs no more; returns how many failures it met. */
static int each_nth(struct __test_metadata *_metadata, int nth, int control,
		    pid_t pid, const char *line, int step)
{
	int n, failures = 0, error;
	bool failed = true;

	for (n = 1; failed && n < ENOUGH; n += step) {
		error = failing(nth, control, n, line, &failed);
		EXPECT_TRUE(clean(error))
			TH_LOG("%s at %d: errno %d", line, n, -error);
		if (!clean(error))
			return -1;
		failures += failed;
		/* A failed watch leaves nothing; a good one is a whole one. */
		if (!strncmp(line, "watch", 5)) {
			EXPECT_EQ(error == 0, is_watched(pid))
				TH_LOG("at %d: errno %d", n, -error);
			if (!error)
				EXPECT_EQ(NULL, mirror_differs(pid));
			if (!error)
				EXPECT_EQ(0, scope_unwatch(pid));
		} else if (!strncmp(line, "unwatch", 7)) {
			EXPECT_EQ(error != 0, is_watched(pid));
			if (!error)
				EXPECT_EQ(0, scope_watch(pid));
		}
	}
	EXPECT_FALSE(failed);
	EXPECT_EQ(0, error);
	return failures;
}

TEST_F_TIMEOUT(fail_nth, watch_and_follow_are_clean_at_each_failure, 1200)
{
	static const char *const options[] = { "buffer=4K", "buffer=256K follow" };
	char line[64];
	size_t i;

	ASSERT_EQ(0, scope_watch(self->keeper));
	for (i = 0; i < ARRAY_SIZE(options); i++) {
		snprintf(line, sizeof(line), "watch %d %s\n", self->target,
			 options[i]);
		/* The directory and its files alone are more than this. */
		EXPECT_LT(10, each_nth(_metadata, self->nth, self->control,
				       self->target, line, 1));
	}
}

TEST_F_TIMEOUT(fail_nth, the_first_watch_attaches_the_hooks_or_nothing, 1200)
{
	uint64_t seed = scope_seed(_metadata->name);
	char line[64];

	/* Each round waits for the kernel to let go of the hooks: a sample. */
	snprintf(line, sizeof(line), "watch %d buffer=4K\n", self->target);
	EXPECT_LT(2, each_nth(_metadata, self->nth, self->control, self->target,
			      line, 40 + scope_random(&seed) % 60));
}

TEST_F_TIMEOUT(fail_nth, unwatch_and_clear_are_clean_at_each_failure, 1200)
{
	char line[64];

	ASSERT_EQ(0, scope_watch(self->keeper));
	ASSERT_EQ(0, scope_watch(self->target));
	snprintf(line, sizeof(line), "unwatch %d\n", self->target);
	EXPECT_LT(0, each_nth(_metadata, self->nth, self->control, self->target,
			      line, 1));
	snprintf(line, sizeof(line), "clear %d\n", self->target);
	EXPECT_LT(0, each_nth(_metadata, self->nth, self->control, self->target,
			      line, 1));
}

int main(int argc, char **argv)
{
	if (access("/proc/self/fail-nth", F_OK))
		ksft_exit_skip("no fault injection in this kernel (CONFIG_FAULT_INJECTION); the debug kernel has it\n");
	if (geteuid())
		ksft_exit_skip("only root can make allocations fail\n");
	if (access(DEBUGFS "/failslab", F_OK))
		mount("debugfs", DEBUGFS, "debugfs", 0, NULL);
	if (access(DEBUGFS "/failslab", F_OK))
		ksft_exit_skip("no failslab in debugfs (CONFIG_FAILSLAB)\n");
	return test_harness_run(argc, argv);
}
