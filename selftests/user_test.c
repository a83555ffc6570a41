// SPDX-License-Identifier: GPL-2.0-only
/*
 * user_test.c - may a user watch exactly those processes whose maps he may read?
 *
 * Runs as root and becomes an ordinary user in children.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "brkscope_test.h"

#define OTHER_USER	1001

FIXTURE(user) {
	pid_t roots;		/* an idle process of root's */
	pid_t users;		/* an idle process of the user's */
	pid_t hidden;		/* the user's, but it may not be looked into */
	pid_t others;		/* an idle process of another user's */
};

static int become(uid_t uid)
{
	return setgroups(0, NULL) || setresgid(uid, uid, uid) ||
	       setresuid(uid, uid, uid);
}

/* An idle process of @uid that may be looked into, or may not. */
static pid_t idle(uid_t uid, bool dumpable)
{
	pid_t pid = child_start();

	if (pid)
		return child_until_stopped(pid) ? -1 : pid;
	if (uid && become(uid))
		_exit(1);
	/* Changing the uid makes a process one not to be looked into. */
	prctl(PR_SET_DUMPABLE, dumpable);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	child_stop_here();
	for (;;)
		pause();
}

FIXTURE_SETUP(user)
{
	if (geteuid())
		SKIP(return, "only root can become each of the users");
	scope_prepare();
	self->roots = idle(0, true);
	self->users = idle(SCOPE_USER, true);
	self->hidden = idle(SCOPE_USER, false);
	self->others = idle(OTHER_USER, true);
	ASSERT_LT(0, self->roots);
	ASSERT_LT(0, self->users);
	ASSERT_LT(0, self->hidden);
	ASSERT_LT(0, self->others);
}

FIXTURE_TEARDOWN(user)
{
	pid_t pids[] = { self->roots, self->users, self->hidden, self->others };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(pids); i++) {
		if (pids[i] <= 0)
			continue;
		scope_unwatch(pids[i]);
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
	}
}

#define AS_USER_SETUP_FAILED	250

/*
 * Runs @action as the user in a child and gives back what it returned,
 * as long as that is 0 or -errno.
 */
static int as_user(int (*action)(pid_t pid), pid_t pid)
{
	pid_t child = child_start();
	int status;

	if (!child) {
		if (become(SCOPE_USER))
			_exit(AS_USER_SETUP_FAILED);
		_exit(-action(pid));
	}
	if (waitpid(child, &status, 0) != child || !WIFEXITED(status))
		return -AS_USER_SETUP_FAILED;
	return -WEXITSTATUS(status);
}

static int do_watch(pid_t pid)
{
	return scope_watch(pid);
}

static int do_unwatch(pid_t pid)
{
	return scope_unwatch(pid);
}

static int do_clear(pid_t pid)
{
	return scope_control("clear %d\n", pid);
}

static int do_read_maps(pid_t pid)
{
	int error = maps_read(pid, &scope_maps);

	if (!error && !scope_maps.count)
		error = -EACCES;
	return error;
}

TEST_F(user, may_watch_exactly_what_he_may_read_the_maps_of)
{
	struct { pid_t pid; const char *whose; } each[] = {
		{ self->roots, "root's" }, { self->users, "own" },
		{ self->hidden, "own but not dumpable" },
		{ self->others, "another user's" }, { 1, "init" },
	};
	size_t i;

	EXPECT_EQ(0, as_user(do_read_maps, self->users));
	for (i = 0; i < ARRAY_SIZE(each); i++) {
		bool may_read = as_user(do_read_maps, each[i].pid) == 0;
		int watched = as_user(do_watch, each[i].pid);

		EXPECT_EQ(may_read ? 0 : -EPERM, watched)
			TH_LOG("%s process", each[i].whose);
		if (!watched)
			EXPECT_EQ(0, as_user(do_unwatch, each[i].pid));
	}
}

TEST_F(user, may_watch_himself_even_when_others_may_not)
{
	pid_t child = child_start();
	int status;

	if (!child) {
		if (become(SCOPE_USER))
			_exit(AS_USER_SETUP_FAILED);
		/* Not dumpable now; but a process may always read its own maps. */
		status = -scope_watch(getpid());
		if (!status)
			status = -scope_unwatch(getpid());
		_exit(status);
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
}

TEST_F(user, may_not_touch_a_watch_of_roots)
{
	ASSERT_EQ(0, scope_watch(self->roots));
	ASSERT_EQ(0, scope_watch(self->users));
	EXPECT_EQ(-EPERM, as_user(do_unwatch, self->roots));
	EXPECT_EQ(-EPERM, as_user(do_clear, self->roots));
	EXPECT_EQ(-EPERM, as_user(do_unwatch, self->users));
	EXPECT_EQ(-EPERM, as_user(do_clear, self->users));
	EXPECT_EQ(0, scope_unwatch(self->roots));
	EXPECT_EQ(0, scope_unwatch(self->users));
}

static int do_open_each_file(pid_t pid)
{
	static const char *const files[] = { "summary", "events", "events.bin",
					     "vmas", "brk", "faults", "pages", "loss" };
	int error = -EACCES, i;

	for (i = 0; i < 8 && error == -EACCES; i++) {
		error = scope_open(pid, files[i], O_NONBLOCK);
		if (error >= 0)
			return 0;
	}
	return error;
}

TEST_F(user, may_not_read_the_files_of_a_watch_of_roots)
{
	ASSERT_EQ(0, scope_watch(self->roots));
	ASSERT_EQ(0, scope_watch(self->users));
	EXPECT_EQ(-EACCES, as_user(do_open_each_file, self->roots));
	EXPECT_EQ(-EACCES, as_user(do_open_each_file, self->users));
}

static int do_read_summary(pid_t pid)
{
	int64_t number = scope_number(pid, "faults");

	return number < 0 ? number : 0;
}

TEST_F(user, reads_his_own_watch_and_root_reads_it_too)
{
	char path[64];
	struct stat status;

	ASSERT_EQ(0, as_user(do_watch, self->users));
	EXPECT_EQ(0, as_user(do_read_summary, self->users));
	EXPECT_EQ(0, do_read_summary(self->users));
	snprintf(path, sizeof(path), SCOPE_DIR "/%d/summary", self->users);
	ASSERT_EQ(0, stat(path, &status));
	EXPECT_EQ(SCOPE_USER, status.st_uid);
	EXPECT_EQ(0400, status.st_mode & 07777);
	EXPECT_EQ(0, scope_unwatch(self->users));
}

static int do_look_for_row(pid_t pid)
{
	char row[24];

	if (scope_read_path(SCOPE_DIR "/control", scope_text,
			    sizeof(scope_text)) < 0)
		return -EIO;
	snprintf(row, sizeof(row), "\n%d ", pid);
	return strstr(scope_text, row) ? 0 : -ENOENT;
}

static int do_look_for_error(pid_t pid)
{
	(void)pid;
	if (scope_read_path(SCOPE_DIR "/control", scope_text,
			    sizeof(scope_text)) < 0)
		return -EIO;
	return strstr(scope_text, "\nlast_error:") ? 0 : -ENOENT;
}

TEST_F(user, sees_in_control_neither_watches_nor_errors_of_others)
{
	ASSERT_EQ(0, scope_watch(self->roots));
	ASSERT_EQ(0, as_user(do_watch, self->users));
	EXPECT_EQ(-ENOENT, as_user(do_look_for_row, self->roots));
	EXPECT_EQ(0, as_user(do_look_for_row, self->users));
	EXPECT_EQ(0, do_look_for_row(self->users));

	ASSERT_EQ(-EPERM, as_user(do_watch, self->others));
	EXPECT_EQ(0, as_user(do_look_for_error, 0));
	ASSERT_EQ(-EINVAL, scope_control("word-of-roots\n"));
	EXPECT_EQ(0, do_look_for_error(0));
	EXPECT_NE(NULL, strstr(scope_text, "\nlast_error:"));
	EXPECT_EQ(0, as_user(do_unwatch, self->users));
}

/* As the user: opens control and waits; the file descriptor is fetched. */
static void open_and_wait(void)
{
	if (become(SCOPE_USER) || open(SCOPE_DIR "/control", O_RDWR) != 9)
		_exit(1);
	child_stop_here();
	_exit(0);
}

TEST_F(user, cannot_make_root_write_for_him)
{
	char line[32];
	pid_t opener;
	int length, fd, pidfd, i;

	/* The number under which the child's open file will be found. */
	for (i = 3; i < 9; i++)
		dup2(0, i);
	close(9);
	opener = child_start();
	if (!opener)
		open_and_wait();
	ASSERT_EQ(0, child_until_stopped(opener));
	pidfd = syscall(SYS_pidfd_open, opener, 0);
	ASSERT_LE(0, pidfd);
	fd = syscall(SYS_pidfd_getfd, pidfd, 9, 0);
	ASSERT_LE(0, fd);
	length = snprintf(line, sizeof(line), "watch %d\n", self->roots);
	EXPECT_EQ(-1, write(fd, line, length));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(-ENOENT, do_look_for_row(self->roots));
	EXPECT_EQ(-1, write(fd, "watch 1\n", 8));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(0, child_end(opener));
}

TEST_F(user, loses_the_watch_when_the_process_executes_a_set_uid_program)
{
	static const char program[] = "/tmp/brkscope_setuid";
	char state[16];
	ssize_t count;
	pid_t child;
	int fd;

	ASSERT_EQ(0, system("install -m 4755 test_helper /tmp/brkscope_setuid"));
	child = child_start();
	if (!child) {
		if (become(SCOPE_USER))
			_exit(1);
		prctl(PR_SET_DUMPABLE, 1);
		child_stop_here();
		execl(program, program, "stop", NULL);
		_exit(1);
	}
	ASSERT_EQ(0, child_until_stopped(child));
	ASSERT_EQ(0, as_user(do_watch, child));
	ASSERT_EQ(0, child_continue(child));
	ASSERT_EQ(0, child_until_stopped(child));
	if (as_user(do_read_maps, child) == 0)
		SKIP(goto end, "set-uid has no effect on this /tmp");
	ASSERT_LT(0, scope_read(child, "summary"));
	ASSERT_EQ(0, scope_value(scope_text, "state", state, sizeof(state)));
	EXPECT_STREQ("ended", state);

	/* Nothing of the new image may have reached the user. */
	fd = scope_events(child, NULL);
	count = scope_drain(fd, scope_records, SCOPE_RECORDS);
	ASSERT_LT(0, count);
	close(fd);
	while (count-- > 0)
		EXPECT_NE(BRKSCOPE_EXEC, scope_records[count].kind);
	ASSERT_LT(0, scope_read(child, "events"));
	EXPECT_EQ(NULL, strstr(scope_text, "brkscope_setuid"));
	ASSERT_LT(0, scope_read(child, "vmas"));
	EXPECT_EQ(NULL, strstr(scope_text, "brkscope_setuid"));
end:
	unlink(program);
	child_end(child);
	scope_unwatch(child);
}

TEST_HARNESS_MAIN
