// SPDX-License-Identifier: GPL-2.0-only
/*
 * fault_detail_test.c - what else does the record of a fault tell, and is it so?
 *
 * The page frame, the neighbours that fault-around mapped, a huge page that was
 * not to be had, and whose access it was. The oracle is /proc/self/pagemap.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "brkscope_test.h"

#define PAGES	64
#define HUGE	(2UL << 20)
#define FRAME(entry)	((entry) & ((1ULL << 55) - 1))

FIXTURE(detail) {
	pid_t pid;
	size_t page;
	char *area;		/* PAGES untouched pages of anonymous memory */
	int events;
};

FIXTURE_SETUP(detail)
{
	scope_prepare();
	self->pid = getpid();
	self->page = scope_page_size();
	self->area = scope_area(PAGES);
	ASSERT_NE(NULL, self->area);
	ASSERT_EQ(0, scope_watch(self->pid));
	self->events = scope_events(self->pid, NULL);
	ASSERT_LE(0, self->events);
}

FIXTURE_TEARDOWN(detail)
{
	close(self->events);
	scope_unwatch(self->pid);
}

static void store(volatile char *to)
{
	*to = 1;
}

static void load(volatile const char *from)
{
	(void)*from;
}

/* Is the fault record's frame the one that pagemap has there now? */
static int frame_is_pagemaps(const struct brkscope_record *r)
{
	uint64_t entry;

	if (scope_pagemap((void *)(uintptr_t)r->fault.addr, &entry))
		return -1;
	return r->fault.frame && r->fault.frame == FRAME(entry);
}

TEST_F(detail, frames_of_written_pages_are_those_of_pagemap)
{
	int i;

	for (i = 0; i < PAGES; i++)
		store(self->area + i * self->page);
	ASSERT_EQ(PAGES, scope_faults(self->events, self->area, PAGES * self->page));
	for (i = 0; i < PAGES; i++)
		EXPECT_EQ(1, frame_is_pagemaps(&scope_records[i]));
}

TEST_F(detail, a_read_page_has_the_frame_of_the_zero_page_until_it_is_written)
{
	uint64_t zero;

	load(self->area);
	load(self->area + self->page);
	ASSERT_EQ(2, scope_faults(self->events, self->area, PAGES * self->page));
	zero = scope_records[0].fault.frame;
	EXPECT_EQ(1, frame_is_pagemaps(&scope_records[0]));
	EXPECT_EQ(zero, scope_records[1].fault.frame);
	store(self->area);
	ASSERT_EQ(1, scope_faults(self->events, self->area, PAGES * self->page));
	EXPECT_NE(zero, scope_records[0].fault.frame);
	EXPECT_EQ(1, frame_is_pagemaps(&scope_records[0]));
}

/* A file of PAGES pages that are in the page cache; on disk or in memory */
static int cached_file(void)
{
	char name[] = "/tmp/brkscope_detail_XXXXXX";
	static char block[4096];
	int file = mkstemp(name), i;

	unlink(name);
	for (i = 0; i < PAGES; i++)
		if (write(file, block, sizeof(block)) != sizeof(block))
			return -1;
	return file;
}

static int pages_present(const char *map)
{
	uint64_t entry;
	int i, n = 0;

	for (i = 0; i < PAGES; i++) {
		if (scope_pagemap(map + i * scope_page_size(), &entry))
			return -1;
		n += entry >> 63;
	}
	return n;
}

/*
 * The default of fault_around_bytes is 64 KiB; the file is mapped so that a whole
 * window lies in the mapping.
 */
TEST_F(detail, the_width_of_fault_around_is_what_pagemap_shows)
{
	int file = cached_file(), present;
	char *map;

	ASSERT_LE(0, file);
	map = mmap((void *)0x10000000000, PAGES * self->page, PROT_READ, MAP_PRIVATE, file, 0);
	ASSERT_NE(MAP_FAILED, map);
	load(map + 20 * self->page);
	ASSERT_EQ(1, scope_faults(self->events, map, PAGES * self->page));
	present = pages_present(map);
	ASSERT_LT(1, present)
		TH_LOG("the kernel maps no pages around: nothing to test");
	EXPECT_EQ(present - 1, scope_records[0].fault.around);
	EXPECT_EQ(20, scope_records[0].fault.page);
	EXPECT_EQ(1, frame_is_pagemaps(&scope_records[0]));
	/* its neighbour is there already */
	load(map + 21 * self->page);
	EXPECT_EQ(0, scope_faults(self->events, map, PAGES * self->page));
	munmap(map, PAGES * self->page);
	close(file);
}

TEST_F(detail, anonymous_pages_bring_no_neighbours)
{
	store(self->area + 20 * self->page);
	store(self->area + 21 * self->page);
	ASSERT_EQ(2, scope_faults(self->events, self->area, PAGES * self->page));
	EXPECT_EQ(0, scope_records[0].fault.around);
	EXPECT_EQ(0, scope_records[1].fault.around);
}

/* ---- huge pages ---- */

static char *huge_area(void)
{
	char *map = mmap(NULL, 3 * HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);

	if (map == MAP_FAILED)
		return NULL;
	map = (char *)(((uintptr_t)map + HUGE - 1) & -HUGE);
	return madvise(map, HUGE, MADV_HUGEPAGE) ? NULL : map;
}

static int put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), ok;

	if (fd < 0)
		return -errno;
	ok = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return ok ? 0 : -errno;
}

#define CGROUP	"/sys/fs/cgroup"
#define SMALL	CGROUP "/brkscope_small"

/* A cgroup that has memory for pages and for no huge page; the caller goes into it. */
static int enter_small_cgroup(void)
{
	char pid[16];

	put(CGROUP "/cgroup.subtree_control", "+memory");
	if (mkdir(SMALL, 0755) && errno != EEXIST)
		return -errno;
	snprintf(pid, sizeof(pid), "%d", getpid());
	if (put(SMALL "/memory.max", "1M"))
		return -ENOENT;
	return put(SMALL "/cgroup.procs", pid);
}

static void leave_small_cgroup(void)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", getpid());
	put(CGROUP "/cgroup.procs", pid);
	rmdir(SMALL);
}

TEST_F(detail, a_huge_page_that_was_not_to_be_had_is_told)
{
	char *map = huge_area();
	uint64_t entry;

	if (!map)
		SKIP(return, "no huge pages: %s", strerror(errno));
	if (enter_small_cgroup())
		SKIP(return, "no cgroup with a limit of memory at " CGROUP);
	store(map + 5 * self->page);
	leave_small_cgroup();
	ASSERT_EQ(1, scope_faults(self->events, map, HUGE));
	EXPECT_EQ(BRKSCOPE_FIRST_WRITE, scope_records[0].code);
	EXPECT_NE(0, scope_records[0].flags & BRKSCOPE_FAULT_FALLBACK);
	ASSERT_EQ(0, scope_pagemap(map + 6 * self->page, &entry));
	EXPECT_EQ(0, entry >> 63)
		TH_LOG("it got a huge page all the same");
	/* nobody tries once there is a page table */
	store(map + 6 * self->page);
	ASSERT_EQ(1, scope_faults(self->events, map, HUGE));
	EXPECT_EQ(0, scope_records[0].flags & BRKSCOPE_FAULT_FALLBACK);
}

TEST_F(detail, a_small_page_where_no_huge_one_was_wanted_is_no_fallback)
{
	char *map = huge_area();

	if (!map)
		SKIP(return, "no huge pages: %s", strerror(errno));
	ASSERT_EQ(0, madvise(map, HUGE, MADV_NOHUGEPAGE));
	store(map);
	ASSERT_EQ(1, scope_faults(self->events, map, HUGE));
	EXPECT_EQ(0, scope_records[0].flags & BRKSCOPE_FAULT_FALLBACK);
}

/* ---- whose access ---- */

/* The child of vfork runs in our memory: its access is no other process's. */
static pid_t store_in_vfork_child(char *to)
{
	pid_t child = vfork();

	if (!child) {
		store(to);
		_exit(0);
	}
	waitpid(child, NULL, 0);
	return child;
}

TEST_F(detail, a_child_of_vfork_touches_our_memory_as_its_own)
{
	pid_t child = store_in_vfork_child(self->area + 3 * self->page);

	ASSERT_LT(0, child);
	ASSERT_EQ(1, scope_faults(self->events, self->area, PAGES * self->page));
	EXPECT_EQ((uint32_t)child, scope_records[0].tid);
	EXPECT_NE(0, scope_records[0].flags & BRKSCOPE_FAULT_USER);
	EXPECT_EQ(0, scope_records[0].flags & BRKSCOPE_FAULT_REMOTE);
	EXPECT_NE(0, scope_records[0].fault.ip);
	/* and the kernel counts it for the child */
	EXPECT_EQ(0, scope_miscounted(self->pid));
}

TEST_HARNESS_MAIN
