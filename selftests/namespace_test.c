// SPDX-License-Identifier: GPL-2.0-only
/*
 * namespace_test.c - does a watch mean the right process across pid namespaces?
 *
 * An ordinary user makes a pid namespace of his own, as he may, and watches
 * from inside and from outside. What fails inside is told by its line.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "brkscope_test.h"

/* Where those inside and those outside meet; shared. */
static struct meeting {
	int stage;
	int line;		/* of the check that failed inside */
	pid_t outer;		/* the inner pid 1 as the outside sees it */
	char folder[32];
} *meet;

#define INSIDE(condition)						\
	do {								\
		if (!(condition)) {					\
			meet->line = __LINE__;				\
			return;						\
		}							\
	} while (0)

FIXTURE(namespaces) {
	pid_t maker;
};

FIXTURE_SETUP(namespaces)
{
	scope_prepare();
	meet = mmap(NULL, sizeof(*meet), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, meet);
	memset(meet, 0, sizeof(*meet));
	*scope_suffix = '\0';
}

FIXTURE_TEARDOWN(namespaces)
{
	if (self->maker > 0) {
		kill(self->maker, SIGKILL);
		waitpid(self->maker, NULL, 0);
	}
	if (meet->outer > 0) {
		kill(meet->outer, SIGKILL);
		scope_unwatch(meet->outer);
	}
	munmap(meet, sizeof(*meet));
}

static void wait_stage(int stage)
{
	while (__atomic_load_n(&meet->stage, __ATOMIC_SEQ_CST) < stage)
		usleep(1000);
}

static void next_stage(int stage)
{
	__atomic_store_n(&meet->stage, stage, __ATOMIC_SEQ_CST);
}

/* Runs @inside as the first process of a new pid namespace. */
static pid_t in_pid_namespace(void (*inside)(void), bool own_proc)
{
	pid_t maker = child_start(), first;
	int status;

	if (maker)
		return maker;
	if (child_become_user() ||
	    namespace_make(CLONE_NEWPID | CLONE_NEWNS, "%d 1000 1", "%d 1000 1"))
		_exit(2);
	first = fork();
	if (!first) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_DUMPABLE, 1);	/* new capabilities took it */
		while (!__atomic_load_n(&meet->outer, __ATOMIC_SEQ_CST))
			usleep(1000);
		if (own_proc &&
		    (mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
		     mount("proc", "/proc", "proc", 0, NULL)))
			_exit(3);
		inside();
		_exit(0);
	}
	__atomic_store_n(&meet->outer, first, __ATOMIC_SEQ_CST);
	_exit(waitpid(first, &status, 0) < 0 ? 4 : WEXITSTATUS(status));
}

/* The row of control for @pid: the last word, which is the folder. */
static int folder_of(pid_t pid, char *folder, size_t size)
{
	char start[24], *row, *end, *word;

	if (scope_read_path(SCOPE_DIR "/control", scope_text,
			    sizeof(scope_text)) < 0)
		return -EIO;
	snprintf(start, sizeof(start), "\n%d ", pid);
	row = strstr(scope_text, start);
	end = row ? strchr(row + 1, '\n') : NULL;
	if (!end)
		return -ENOENT;
	*end = '\0';
	word = strrchr(row, ' ') + 1;
	snprintf(folder, size, "%s", word);
	return 0;
}

static void touch_pages(int pages)
{
	char *area = scope_area(pages);
	int i;

	for (i = 0; i < pages; i++)
		*(volatile char *)(area + i * scope_page_size()) = 1;
}

/* A child that stops, touches, stops, ends. */
static pid_t start_toucher(void)
{
	pid_t pid = child_start();

	if (!pid) {
		child_stop_here();
		touch_pages(7);
		child_stop_here();
		_exit(0);
	}
	return child_until_stopped(pid) ? -1 : pid;
}

/* Every record is by one of two threads; returns how many faults there are. */
static int faults_by(int events, pid_t one, pid_t other)
{
	ssize_t count = scope_drain(events, scope_records, SCOPE_RECORDS);
	int faults = 0;

	if (count <= 0)
		return -1;
	while (count-- > 0) {
		struct brkscope_record *record = &scope_records[count];

		if (record->tid != (uint32_t)one &&
		    record->tid != (uint32_t)other)
			return -1;
		faults += record->kind == BRKSCOPE_FAULT &&
			  record->tid == (uint32_t)one;
	}
	return faults;
}

static void watch_from_inside(bool own_proc)
{
	struct brkscope_header header;
	char link[32] = "", number[24];
	pid_t pid = start_toucher();
	int events;

	INSIDE(getpid() == 1 && pid == 2);
	INSIDE(scope_watch(pid) == 0);
	INSIDE(folder_of(pid, meet->folder, sizeof(meet->folder)) == 0);
	INSIDE(!strncmp(meet->folder, "2@", 2));
	snprintf(scope_suffix, sizeof(scope_suffix), "%s", meet->folder + 1);
	if (own_proc) {
		INSIDE(readlink("/proc/self/ns/pid", link, sizeof(link) - 1) > 0);
		snprintf(number, sizeof(number), "pid:[%s]", meet->folder + 2);
		INSIDE(!strcmp(link, number));
	}
	INSIDE(scope_number(pid, "pid") == pid);
	events = scope_events(pid, &header);
	INSIDE(events >= 0 && header.pid == (uint32_t)pid);
	INSIDE(child_continue(pid) == 0 && child_until_stopped(pid) == 0);
	INSIDE(faults_by(events, pid, getpid()) >= 7);
	if (own_proc) {
		INSIDE(!mirror_differs(pid));
		INSIDE(scope_miscounted(pid) == 0);
	}
	next_stage(1);
	wait_stage(2);
	INSIDE(child_end(pid) == 0);
	INSIDE(scope_number(pid, "faults") >= 7);
	INSIDE(scope_unwatch(pid) == 0);
	INSIDE(scope_number(pid, "faults") == -ENOENT);
}

static void watch_with_own_proc(void)
{
	watch_from_inside(true);
}

static void watch_with_outer_proc(void)
{
	watch_from_inside(false);
}

/* The outer pid of the process whose watch has this folder; zero if none. */
static pid_t outer_pid_of(const char *folder)
{
	char end[40], *at;

	if (scope_read_path(SCOPE_DIR "/control", scope_text,
			    sizeof(scope_text)) < 0)
		return 0;
	snprintf(end, sizeof(end), " %s\n", folder);
	at = strstr(scope_text, end);
	while (at && at > scope_text && at[-1] != '\n')
		at--;
	return at ? atoi(at) : 0;
}

static void check_from_outside(struct __test_metadata *_metadata)
{
	char path[96], nspid[64], value[64], want[64];
	pid_t outer;

	wait_stage(1);
	outer = outer_pid_of(meet->folder);
	EXPECT_LT(2, outer);
	snprintf(path, sizeof(path), "/proc/%d/status", outer);
	ASSERT_LT(0, scope_read_path(path, scope_text, sizeof(scope_text)));
	ASSERT_EQ(0, scope_value(scope_text, "NSpid", nspid, sizeof(nspid)));
	snprintf(want, sizeof(want), "\t%d\t2", outer);
	EXPECT_STREQ(want, nspid);
	snprintf(path, sizeof(path), SCOPE_DIR "/%s/summary", meet->folder);
	ASSERT_LT(0, scope_read_path(path, scope_text, sizeof(scope_text)));
	ASSERT_EQ(0, scope_value(scope_text, "pid", value, sizeof(value)));
	EXPECT_STREQ("2", value);
	EXPECT_EQ(-EEXIST, scope_watch(outer));
}

/* Ends the meeting; the maker's status is that of the one inside. */
static void check_inside(struct __test_metadata *_metadata, pid_t *maker)
{
	int status;

	ASSERT_EQ(*maker, waitpid(*maker, &status, 0));
	*maker = 0;
	EXPECT_EQ(0, meet->line)
		TH_LOG("the check in line %d failed inside", meet->line);
	EXPECT_EQ(0, status);
}

/* Inside something may fail before the meeting. */
static bool met(pid_t maker)
{
	while (!meet->line && !meet->stage && scope_state(maker) != 'Z')
		usleep(1000);
	return meet->stage;
}

TEST_F(namespaces, inside_a_pid_namespace_all_pids_are_the_inner_ones)
{
	self->maker = in_pid_namespace(watch_with_own_proc, true);
	if (met(self->maker))
		check_from_outside(_metadata);
	next_stage(2);
	check_inside(_metadata, &self->maker);
}

TEST_F(namespaces, a_proc_of_the_outer_namespace_is_as_good)
{
	self->maker = in_pid_namespace(watch_with_outer_proc, false);
	if (met(self->maker))
		check_from_outside(_metadata);
	next_stage(2);
	check_inside(_metadata, &self->maker);
}

static void follow_inside(void)
{
	pid_t parent = child_start(), pid;
	ssize_t count;
	int events, i;

	if (!parent) {
		child_stop_here();
		pid = fork();
		if (!pid) {
			touch_pages(3);
			_exit(0);
		}
		waitpid(pid, NULL, 0);
		child_stop_here();
		_exit(0);
	}
	INSIDE(child_until_stopped(parent) == 0);
	INSIDE(scope_control("watch %d follow\n", parent) == 0);
	INSIDE(folder_of(parent, meet->folder, sizeof(meet->folder)) == 0);
	snprintf(scope_suffix, sizeof(scope_suffix), "%s",
		 strchr(meet->folder, '@'));
	events = scope_events(parent, NULL);
	INSIDE(child_continue(parent) == 0 && child_until_stopped(parent) == 0);
	count = scope_drain(events, scope_records, SCOPE_RECORDS);
	INSIDE(count > 0);
	INSIDE(scope_keep(scope_records, count, BRKSCOPE_FORK, 0, 0) == 1);
	INSIDE(scope_records[0].code == BRKSCOPE_FORK_FOLLOWED);
	pid = scope_records[0].fork.child;
	INSIDE(pid == 3);
	for (i = 0; i < 1000 && scope_number(pid, "faults") < 0; i++)
		usleep(10000);
	INSIDE(scope_number(pid, "pid") == pid);
	events = scope_events(pid, NULL);
	INSIDE(faults_by(events, pid, parent) >= 3);
	INSIDE(child_end(parent) == 0);
	INSIDE(scope_unwatch(pid) == 0 && scope_unwatch(parent) == 0);
}

TEST_F(namespaces, a_child_followed_inside_has_an_inner_pid_too)
{
	self->maker = in_pid_namespace(follow_inside, true);
	check_inside(_metadata, &self->maker);
}

static void touch_when_told(void)
{
	next_stage(1);
	wait_stage(2);
	touch_pages(9);
	next_stage(3);
	for (;;)
		pause();
}

/* As the user, outside: the inner process by its outer number. */
static void watch_from_outside(void)
{
	struct brkscope_header header;
	pid_t pid = meet->outer;
	int events;

	INSIDE(maps_read(pid, &scope_maps) == 0);
	INSIDE(scope_watch(pid) == 0);
	INSIDE(scope_number(pid, "pid") == pid);
	events = scope_events(pid, &header);
	INSIDE(events >= 0 && header.pid == (uint32_t)pid);
	next_stage(2);
	wait_stage(3);
	INSIDE(faults_by(events, pid, getpid()) >= 9);
	INSIDE(!mirror_differs(pid));
	INSIDE(scope_unwatch(pid) == 0);
}

TEST_F(namespaces, outside_the_outer_pid_names_an_inner_process)
{
	pid_t watcher;
	int status;

	self->maker = in_pid_namespace(touch_when_told, true);
	ASSERT_TRUE(met(self->maker));
	watcher = child_start();
	if (!watcher) {
		if (child_become_user())
			_exit(1);
		watch_from_outside();
		_exit(0);
	}
	ASSERT_EQ(watcher, waitpid(watcher, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, meet->line)
		TH_LOG("the check in line %d failed", meet->line);
}

static void watch_pid_one(void)
{
	INSIDE(scope_watch(1) == 0);
	next_stage(1);
	wait_stage(2);
	INSIDE(scope_unwatch(1) == 0);
}

TEST_F(namespaces, an_inner_pid_takes_no_name_from_root)
{
	self->maker = in_pid_namespace(watch_pid_one, true);
	ASSERT_TRUE(met(self->maker));
	EXPECT_EQ(0, scope_watch(1));
	EXPECT_EQ(1, scope_number(1, "pid"));
	EXPECT_EQ(0, scope_unwatch(1));
	next_stage(2);
	check_inside(_metadata, &self->maker);
}

int main(int argc, char **argv)
{
	if (geteuid())
		ksft_exit_skip("only root can become the user and look at him\n");
	return test_harness_run(argc, argv);
}
