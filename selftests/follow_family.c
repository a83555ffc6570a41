// SPDX-License-Identifier: GPL-2.0-only
/*
 * follow_family.c - how does a test watch a family of processes?
 */
#include <errno.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "follow_family.h"

struct notes *notes;

/**
 * start_parent() - make a parent that is watched from before what it runs
 * @parent: gets its process id
 * @events: gets its stream
 * @options: of the watch command
 * @main: what it runs from its first stop on; then it stops again
 *
 * Return: 0, with the parent stopped, or -errno.
 */
int start_parent(pid_t *parent, int *events, const char *options,
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

/** note_end() - in the parent: wait for a child and note its faults */
void note_end(pid_t pid)
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

/** note_start() - in parent or child: a child is there; return its note */
struct note *note_start(pid_t pid)
{
	struct note *note = &notes->child[__atomic_fetch_add(&notes->count, 1,
							     __ATOMIC_SEQ_CST)];

	note->pid = pid;
	return note;
}

/** work() - in a child: some of everything that a watch tells, then a stop */
void work(struct note *note)
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

/** fork_one() - in the parent: a child that works, until it ends */
void fork_one(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit((work(note_start(getpid())), 0));
	note_end(pid);
}

/**
 * until_shown() - wait for the folder, which is made soon after the fork
 * @pid: of the child
 *
 * Return: 0, or -errno of the last look.
 */
int until_shown(pid_t pid)
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

/** until_ended() - wait for the end of a watch; false if it did not come */
bool until_ended(pid_t pid)
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

/** told_faults() - faults that a watch tells of, and those before it */
int64_t told_faults(pid_t pid)
{
	return scope_number(pid, "rusage_before") +
	       scope_number(pid, "faults_rusage");
}

/**
 * fork_records() - the fork records that a stream has now
 * @events: the stream
 *
 * Return: how many, and they are at the front of scope_records; or -errno.
 */
ssize_t fork_records(int events)
{
	ssize_t count = scope_drain(events, scope_records, SCOPE_RECORDS);

	return count < 0 ? count :
	       (ssize_t)scope_keep(scope_records, count, BRKSCOPE_FORK, 0, 0);
}
