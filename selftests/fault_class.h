/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * fault_class.h - where do the tests of the classes of faults make them?
 *
 * After kselftest_harness.h it has their fixture, too.
 */
#ifndef FAULT_CLASS_H
#define FAULT_CLASS_H

#include <sched.h>
#include <setjmp.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "brkscope_test.h"

#define PAGES	32

extern sigjmp_buf class_back;

void class_jump_back(int signal);
ssize_t class_faults(int events, const char *from, size_t pages);
char *map_file(int file, int flags);

static inline void store(volatile char *to)
{
	*to = 1;
}

static inline void load(volatile const char *from)
{
	(void)*from;
}

#ifdef FIXTURE
FIXTURE(class) {
	pid_t pid;
	size_t page;
	char *area;		/* PAGES untouched pages of anonymous memory */
	int file;		/* PAGES written pages in the page cache */
	int events;
};

FIXTURE_SETUP(class)
{
	char name[] = "/tmp/brkscope_class_XXXXXX";
	cpu_set_t one;
	int i;

	scope_prepare();
	/* Pages in another processor's batch cannot be reused after a fork. */
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	ASSERT_EQ(0, sched_setaffinity(0, sizeof(one), &one));
	self->pid = getpid();
	self->page = scope_page_size();
	self->area = scope_area(PAGES);
	ASSERT_NE(NULL, self->area);
	self->file = mkstemp(name);
	ASSERT_LE(0, self->file);
	unlink(name);
	for (i = 0; i < PAGES; i++)
		ASSERT_EQ((ssize_t)self->page, write(self->file, self->area,
						     self->page));
	ASSERT_EQ(0, madvise(self->area, PAGES * self->page, MADV_DONTNEED));
	ASSERT_EQ(0, scope_watch(self->pid));
	self->events = scope_events(self->pid, NULL);
	ASSERT_LE(0, self->events);
}

FIXTURE_TEARDOWN(class)
{
	close(self->file);
	close(self->events);
	scope_unwatch(self->pid);
}

#endif /* FIXTURE */

#endif /* FAULT_CLASS_H */
