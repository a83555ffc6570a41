// SPDX-License-Identifier: GPL-2.0-only
/*
 * follow_test.c - do the children of a watched process get watches that are exact?
 *
 * The parent, itself a child of the test, notes in shared memory what the kernel
 * says of its children: wait4(2) of their faults, sbrk(0) of their break.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "brkscope_test.h"

#define MOST_CHILDREN	512

static const char helper[] = "./test_helper";

/* What parent and children tell the test; shared. */
static struct notes {
	int count;
	pid_t thread;
	struct note {
		pid_t pid;
		int64_t faults;		/* wait4: minor + major */
		uint64_t brk;		/* sbrk(0) in the child */
	} child[MOST_CHILDREN];
} *notes;

FIXTURE(follow) {
	pid_t parent;
	int events;
};

FIXTURE_SETUP(follow)
{
	scope_prepare();
	notes = mmap(NULL, sizeof(*notes), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, notes);
	memset(notes, 0, sizeof(*notes));
}

/* Ends the parent and what it left, and forgets all watches of it. */
FIXTURE_TEARDOWN(follow)
{
	int i;

	for (i = 0; i < MOST_CHILDREN && notes->child[i].pid; i++)
		if (!notes->child[i].faults)
			kill(notes->child[i].pid, SIGKILL);
	if (self->parent > 0) {
		kill(self->parent, SIGKILL);
		waitpid(self->parent, NULL, 0);
		scope_unwatch(self->parent);
	}
	for (i = 0; i < MOST_CHILDREN && notes->child[i].pid; i++)
		scope_unwatch(notes->child[i].pid);
	munmap(notes, sizeof(*notes));
}

/* A parent that runs @main; it is watched from before on. */
static int start_parent(pid_t *parent, int *events, const char *options,
			void (*main)(void))
{
	*parent = child_start();
	if (!*parent) {
		child_stop_here();
		main();
		child_stop_here();
		_exit(0);
	}
	if (*parent < 0 || child_until_stopped(*parent))
		return -ECHILD;
	if (scope_control("watch %d %s\n", *parent, options))
		return -EPERM;
	*events = scope_events(*parent, NULL);
	return *events < 0 ? *events : 0;
}

static int let_go_on(pid_t parent)
{
	return child_continue(parent) ?: child_until_stopped(parent);
}

/* In the parent: waits for a child and notes its faults. */
static void note_end(pid_t pid)
{
	struct rusage usage;
	int status, i;

	if (wait4(pid, &status, 0, &usage) != pid)
		return;
	for (i = 0; i < MOST_CHILDREN; i++)
		if (notes->child[i].pid == pid)
			notes->child[i].faults = usage.ru_minflt +
						 usage.ru_majflt;
}

static struct note *note_start(pid_t pid)
{
	struct note *note = &notes->child[__atomic_fetch_add(&notes->count, 1,
							     __ATOMIC_SEQ_CST)];

	note->pid = pid;
	return note;
}

/* In a child: some of everything that a watch tells, then a stop. */
static void work(struct note *note)
{
	size_t page = scope_page_size();
	char *area = scope_area(5);
	int i;

	for (i = 0; i < 5; i++)
		*(volatile char *)(area + i * page) = 1;
	syscall(SYS_brk, syscall(SYS_brk, 0) + 3 * page);
	mprotect(area + page, page, PROT_READ);
	note->brk = syscall(SYS_brk, 0);
	child_stop_here();
}

/* The folder is made soon after the fork; 0 or -errno of the last look. */
static int until_shown(pid_t pid)
{
	int64_t number = -ENOENT;
	int i;

	for (i = 0; i < 1000; i++) {
		number = scope_number(pid, "faults");
		if (number >= 0)
			return 0;
		usleep(10000);
	}
	return number;
}

static bool until_ended(pid_t pid)
{
	char state[16];
	int i;

	for (i = 0; i < 1000; i++) {
		if (scope_read(pid, "summary") > 0 &&
		    !scope_value(scope_text, "state", state, sizeof(state)) &&
		    !strcmp(state, "ended"))
			return true;
		usleep(10000);
	}
	return false;
}

/* Faults that the watch of a process tells, and those before it. */
static int64_t told_faults(pid_t pid)
{
	return scope_number(pid, "rusage_before") +
	       scope_number(pid, "faults_rusage");
}

/* The fork records that the parent's stream has now, at the front. */
static ssize_t fork_records(int events)
{
	ssize_t count = scope_drain(events, scope_records, SCOPE_RECORDS);

	return count < 0 ? count :
	       (ssize_t)scope_keep(scope_records, count, BRKSCOPE_FORK, 0, 0);
}

/* A child that works and is stopped: is its watch as the kernel sees it? */
static void check_stopped(struct __test_metadata *_metadata, struct note *note)
{
	const char *difference;

	ASSERT_TRUE(scope_wait_state(note->pid, 'T'));
	ASSERT_EQ(0, until_shown(note->pid));
	difference = mirror_differs(note->pid);
	EXPECT_EQ(NULL, difference)
		TH_LOG("mirror of %d, %s", note->pid, difference);
	EXPECT_EQ(note->brk, (uint64_t)scope_number(note->pid, "break_now"));
	EXPECT_EQ(0, scope_miscounted(note->pid));
	EXPECT_EQ(0, scope_number(note->pid, "rusage_before"));
}

static void check_ended(struct __test_metadata *_metadata, struct note *note)
{
	ASSERT_LT(0, note->pid);
	ASSERT_TRUE(until_ended(note->pid))
		TH_LOG("child %d", note->pid);
	EXPECT_LT(0, note->faults);
	EXPECT_EQ(note->faults, told_faults(note->pid))
		TH_LOG("child %d", note->pid);
}

static void fork_one(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit((work(note_start(getpid())), 0));
	note_end(pid);
}

TEST_F(follow, a_forked_child_has_an_exact_watch_from_its_first_fault)
{
	struct brkscope_record *first = scope_records;
	ssize_t count;
	int fd;

	ASSERT_EQ(0, start_parent(&self->parent, &self->events, "follow",
				  fork_one));
	ASSERT_EQ(0, child_continue(self->parent));
	while (!notes->child[0].pid)
		usleep(1000);
	check_stopped(_metadata, &notes->child[0]);

	/* fork(3) has the kernel write the child's tid into the child's memory. */
	fd = scope_events(notes->child[0].pid, NULL);
	ASSERT_LE(0, fd);
	count = scope_drain(fd, scope_records, SCOPE_RECORDS);
	while (count-- > 0 && first->kind != BRKSCOPE_FAULT)
		first++;
	EXPECT_EQ(BRKSCOPE_FAULT, first->kind);
	EXPECT_EQ(BRKSCOPE_COW_COPY, first->code);
	EXPECT_TRUE(first->flags & BRKSCOPE_FAULT_KERNEL);
	EXPECT_EQ((uint32_t)notes->child[0].pid, first->tid);
	close(fd);

	kill(notes->child[0].pid, SIGCONT);
	ASSERT_EQ(0, child_until_stopped(self->parent));
	check_ended(_metadata, &notes->child[0]);
	EXPECT_EQ(0, scope_miscounted(self->parent));
	ASSERT_EQ(1, fork_records(self->events));
	EXPECT_EQ(BRKSCOPE_FORK_FOLLOWED, scope_records[0].code);
	EXPECT_EQ((uint32_t)notes->child[0].pid, scope_records[0].fork.child);
	EXPECT_EQ(0, scope_records[0].fork.shares);
	EXPECT_EQ((uint32_t)self->parent, scope_records[0].tid);
	EXPECT_EQ(1, scope_number(self->parent, "children_followed"));
	EXPECT_EQ(0, scope_loss(self->parent, "children_missed"));
}

TEST_F(follow, without_follow_a_child_is_alone_and_told)
{
	char line[64];

	ASSERT_EQ(0, start_parent(&self->parent, &self->events, "",
				  fork_one));
	ASSERT_EQ(0, child_continue(self->parent));
	while (!notes->child[0].pid)
		usleep(1000);
	ASSERT_TRUE(scope_wait_state(notes->child[0].pid, 'T'));
	EXPECT_EQ(-ENOENT, scope_number(notes->child[0].pid, "faults"));
	ASSERT_EQ(1, fork_records(self->events));
	EXPECT_EQ(BRKSCOPE_FORK_ALONE, scope_records[0].code);
	EXPECT_EQ((uint32_t)notes->child[0].pid, scope_records[0].fork.child);
	ASSERT_LT(0, scope_read(self->parent, "events"));
	snprintf(line, sizeof(line), " fork alone - - - - %d - -\n",
		 notes->child[0].pid);
	EXPECT_NE(NULL, strstr(scope_text, line));
	/* It may still be watched by name. */
	EXPECT_EQ(0, scope_watch(notes->child[0].pid));
}

static void fork_grandchild(void)
{
	pid_t pid = fork();

	if (!pid) {
		note_start(getpid());
		fork_one();
		_exit(0);
	}
	note_end(pid);
}

TEST_F(follow, a_grandchild_is_followed_too_even_when_the_first_is_unwatched)
{
	ASSERT_EQ(0, start_parent(&self->parent, &self->events, "follow",
				  fork_grandchild));
	ASSERT_EQ(0, child_continue(self->parent));
	while (!notes->child[1].pid)
		usleep(1000);
	check_stopped(_metadata, &notes->child[1]);
	ASSERT_EQ(0, until_shown(notes->child[0].pid));
	EXPECT_EQ(1, scope_number(notes->child[0].pid, "children_followed"));
	ASSERT_EQ(0, scope_unwatch(self->parent));
	kill(notes->child[1].pid, SIGCONT);
	ASSERT_EQ(0, child_until_stopped(self->parent));
	/* wait4(2) adds the faults of the children that the child has waited for. */
	notes->child[0].faults -= notes->child[1].faults;
	check_ended(_metadata, &notes->child[0]);
	check_ended(_metadata, &notes->child[1]);
}

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

#define STORM	200

static void storm(void)
{
	pid_t pids[STORM];
	int i;

	for (i = 0; i < STORM; i++) {
		pids[i] = fork();
		if (!pids[i]) {
			*(volatile char *)scope_area(1) = 1;
			_exit(0);
		}
		note_start(pids[i]);
	}
	for (i = 0; i < STORM; i++)
		note_end(pids[i]);
}

TEST_F_TIMEOUT(follow, in_a_storm_each_child_is_followed_or_told_as_missed, 300)
{
	int64_t followed, missed;
	int shown = 0, forks[BRKSCOPE_FORK_RESULTS] = { 0 }, i;
	ssize_t count;

	ASSERT_EQ(0, start_parent(&self->parent, &self->events,
				  "follow buffer=1M", storm));
	ASSERT_EQ(0, let_go_on(self->parent));
	followed = scope_number(self->parent, "children_followed");
	missed = scope_number(self->parent, "children_missed");
	EXPECT_EQ(STORM, followed + missed);
	EXPECT_LT(0, followed);
	EXPECT_EQ(missed, scope_loss(self->parent, "children_missed"));
	EXPECT_EQ(0, scope_loss(self->parent, "children_unshown"));
	count = fork_records(self->events);
	ASSERT_EQ(STORM, count);
	for (i = 0; i < count; i++)
		forks[scope_records[i].code]++;
	EXPECT_EQ(followed, forks[BRKSCOPE_FORK_FOLLOWED]);
	EXPECT_EQ(missed, forks[BRKSCOPE_FORK_MISSED]);
	/* The last ones of those followed are still there; the limit took the others. */
	for (i = count - 1; i >= 0; i--) {
		pid_t pid = scope_records[i].fork.child;

		if (scope_records[i].code != BRKSCOPE_FORK_FOLLOWED) {
			EXPECT_EQ(-ENOENT, scope_number(pid, "faults"));
			continue;
		}
		if (shown < 20) {
			ASSERT_TRUE(until_ended(pid));
			EXPECT_EQ(notes->child[i].pid, pid);
			EXPECT_EQ(notes->child[i].faults, told_faults(pid));
		}
		shown++;
	}
	EXPECT_EQ(0, scope_miscounted(self->parent));
}

static void run_pipeline(void)
{
	execl("/bin/sh", "sh", "-c",
	      "(echo b; echo a) | sort | cat >/dev/null; x=$(echo y | tr y z); :", NULL);
	_exit(1);
}

TEST_F(follow, the_faults_of_a_pipeline_add_up_to_those_of_its_processes)
{
	struct rusage before, after;
	ssize_t count, i;
	int64_t told;
	int status;

	getrusage(RUSAGE_CHILDREN, &before);
	ASSERT_EQ(0, start_parent(&self->parent, &self->events, "follow",
				  run_pipeline));
	ASSERT_EQ(0, child_continue(self->parent));
	ASSERT_EQ(self->parent, waitpid(self->parent, &status, 0));
	getrusage(RUSAGE_CHILDREN, &after);
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, scope_number(self->parent, "children_missed"));
	told = told_faults(self->parent);
	count = fork_records(self->events);
	EXPECT_LE(4, count);
	for (i = 0; i < count; i++)
		note_start(scope_records[i].fork.child);
	/* A process of the pipeline may have made others: notes grow meanwhile. */
	for (i = 0; i < notes->count; i++) {
		pid_t pid = notes->child[i].pid;
		int fd;

		ASSERT_TRUE(until_ended(pid));
		told += told_faults(pid);
		fd = scope_events(pid, NULL);
		ASSERT_LE(0, fd);
		count = fork_records(fd);
		while (count-- > 0)
			note_start(scope_records[count].fork.child);
		close(fd);
	}
	EXPECT_EQ(after.ru_minflt + after.ru_majflt - before.ru_minflt -
		  before.ru_majflt, told);
	for (i = 0; i < notes->count; i++)
		notes->child[i].faults = 1;	/* gone: nothing to kill */
}

TEST_HARNESS_MAIN
