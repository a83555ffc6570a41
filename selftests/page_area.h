/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * page_area.h - where do the tests of allocated pages touch them?
 *
 * After kselftest_harness.h it has their fixture, too.
 */
#ifndef PAGE_AREA_H
#define PAGE_AREA_H

#include <string.h>
#include <unistd.h>

#include "brkscope_test.h"

#define MIB		(1UL << 20)
#define GIB		(1UL << 30)

extern const char *const page_uses[];
extern char page_text[256 * 1024];

char *aligned_area(void);
ssize_t new_records(int events);
ssize_t new_pages(int events, const char *start, size_t size);
int count_use(ssize_t records, int use);

static inline void touch(char *address)
{
	*(volatile char *)address = 1;
}

#ifdef FIXTURE
FIXTURE(page) {
	pid_t pid;
	size_t page;
	char *gib;		/* 2 GiB, aligned to 1 GiB, not touched, no huge pages */
	int events;
};

FIXTURE_SETUP(page)
{
	if (geteuid())
		SKIP(return, "only root sees page frame numbers");
	scope_prepare();
	memset(page_text, 1, sizeof(page_text));
	self->pid = getpid();
	self->page = scope_page_size();
	self->gib = aligned_area();
	ASSERT_NE(NULL, self->gib);
	ASSERT_EQ(0, scope_watch(self->pid));
	self->events = scope_events(self->pid, NULL);
	ASSERT_LE(0, self->events);
	/* What reading itself touches for the first time. */
	scope_settled(self->pid, "faults");
	ASSERT_LE(0, new_records(self->events));
}

FIXTURE_TEARDOWN(page)
{
	close(self->events);
	scope_unwatch(self->pid);
}

#endif /* FIXTURE */

#endif /* PAGE_AREA_H */
