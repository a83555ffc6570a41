// SPDX-License-Identifier: GPL-2.0-only
/*
 * held_test.c - are the pages that a process holds counted, and those explained
 * that came without a fault?
 *
 * pages_held is compared with /proc/PID/pagemap: present, and not of a file.
 * pages_silent is known from what the test does.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "brkscope_test.h"

#define PAGES	64
#define HUGE	(2UL << 20)

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif

/* Pages of a process that are present and not of a file, or -1 */
static int64_t pagemap_held(pid_t pid)
{
	static uint64_t entry[4096];
	char path[64];
	int64_t held = 0;
	size_t i, k, n;
	int fd;

	if (maps_read(pid, &scope_maps))
		return -1;
	snprintf(path, sizeof(path), "/proc/%d/pagemap", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	for (i = 0; fd >= 0 && i < scope_maps.count; i++) {
		uint64_t first = scope_maps.area[i].start / scope_page_size();
		uint64_t end = scope_maps.area[i].end / scope_page_size();

		for (; first < end; first += n) {
			n = end - first < 4096 ? end - first : 4096;
			if (pread(fd, entry, n * 8, first * 8) != (ssize_t)(n * 8))
				break;	/* [vsyscall] */
			for (k = 0; k < n; k++)
				held += (entry[k] >> 63) && !(entry[k] >> 61 & 1);
		}
	}
	close(fd);
	return fd < 0 ? -1 : held;
}

FIXTURE(held) {
	pid_t pid;
	size_t page;
	char *area;		/* PAGES pages of anonymous memory, 10 of them touched */
	int64_t silent;		/* at the beginning */
};

static void touch(volatile char *from, size_t pages)
{
	size_t i;

	for (i = 0; i < pages; i++)
		from[i * scope_page_size()] = 1;
}

FIXTURE_SETUP(held)
{
	scope_prepare();
	self->pid = getpid();
	self->page = scope_page_size();
	self->area = scope_area(PAGES);
	ASSERT_NE(NULL, self->area);
	touch(self->area, 10);
	pagemap_held(self->pid);	/* so that its buffers are there */
	scope_number(self->pid, "pages_silent");
	ASSERT_EQ(0, scope_watch(self->pid));
	scope_number(self->pid, "pages_silent");
	self->silent = scope_number(self->pid, "pages_silent");
	ASSERT_LE(0, self->silent);
}

FIXTURE_TEARDOWN(held)
{
	scope_unwatch(self->pid);
}

TEST_F(held, pages_held_are_those_of_pagemap)
{
	EXPECT_EQ(pagemap_held(self->pid), scope_number(self->pid, "pages_held"));
	touch(self->area + 20 * self->page, 30);
	EXPECT_EQ(pagemap_held(self->pid), scope_number(self->pid, "pages_held"));
	madvise(self->area, 25 * self->page, MADV_DONTNEED);
	EXPECT_EQ(pagemap_held(self->pid), scope_number(self->pid, "pages_held"));
}

TEST_F(held, pages_from_before_the_watch_are_silent_until_they_go)
{
	ASSERT_LE(10, self->silent);
	ASSERT_EQ(0, madvise(self->area, 4 * self->page, MADV_DONTNEED));
	EXPECT_EQ(self->silent - 4, scope_number(self->pid, "pages_silent"));
	/* they come again, by faults */
	touch(self->area, 4);
	EXPECT_EQ(self->silent - 4, scope_number(self->pid, "pages_silent"));
}

TEST_F(held, touched_pages_are_not_silent)
{
	int64_t held = scope_number(self->pid, "pages_held");

	touch(self->area + 10 * self->page, 50);
	EXPECT_EQ(held + 50, scope_number(self->pid, "pages_held"));
	EXPECT_EQ(self->silent, scope_number(self->pid, "pages_silent"));
}

/* Frames that are no memory, as those of [vvar]: pagemap has nothing there. */
TEST_F(held, frames_without_memory_are_not_held)
{
	struct timespec now;

	/* the clock that is read in user mode, out of [vvar] */
	ASSERT_EQ(0, clock_gettime(CLOCK_MONOTONIC_COARSE, &now));
	EXPECT_EQ(pagemap_held(self->pid), scope_number(self->pid, "pages_held"));
}

static char *huge_area(void)
{
	char *map = mmap(NULL, 3 * HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);

	return map == MAP_FAILED ? NULL : (char *)(((uintptr_t)map + HUGE - 1) & -HUGE);
}

TEST_F(held, a_huge_fault_explains_all_of_its_pages)
{
	int64_t held = scope_number(self->pid, "pages_held");
	char *map = huge_area();

	ASSERT_NE(NULL, map);
	if (madvise(map, HUGE, MADV_HUGEPAGE))
		SKIP(return, "no huge pages: %s", strerror(errno));
	touch(map, 1);
	if (scope_number(self->pid, "pages_held") == held + 1)
		SKIP(return, "the kernel had no huge page to give");
	EXPECT_EQ(held + 512, scope_number(self->pid, "pages_held"));
	EXPECT_EQ(pagemap_held(self->pid), scope_number(self->pid, "pages_held"));
	EXPECT_EQ(self->silent, scope_number(self->pid, "pages_silent"));
	/* but the others were not touched, as far as one can know */
	ASSERT_EQ(0, mirror_read(self->pid, &scope_mirror));
	EXPECT_EQ(1, area_at(&scope_mirror, (uintptr_t)map)->touched);
}

/* What khugepaged does in its own time, done at once */
TEST_F(held, pages_that_a_collapse_adds_are_silent)
{
	char *map = huge_area();

	ASSERT_NE(NULL, map);
	ASSERT_EQ(0, madvise(map, HUGE, MADV_NOHUGEPAGE));
	touch(map, 100);
	ASSERT_EQ(0, madvise(map, HUGE, MADV_HUGEPAGE));
	if (madvise(map, HUGE, MADV_COLLAPSE))
		SKIP(return, "the kernel does not collapse: %s", strerror(errno));
	EXPECT_EQ(self->silent + 412, scope_number(self->pid, "pages_silent"));
	EXPECT_EQ(pagemap_held(self->pid), scope_number(self->pid, "pages_held"));
}

TEST_F(held, a_page_that_a_userfaultfd_puts_in_is_silent)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = {
		.range = { (uintptr_t)self->area + 32 * self->page, 32 * self->page },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	struct uffdio_copy copy = {
		.src = (uintptr_t)self->area, .len = self->page,
		.dst = (uintptr_t)self->area + 40 * self->page,
	};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);

	if (fd < 0)
		SKIP(return, "no userfaultfd: %s", strerror(errno));
	ASSERT_EQ(0, ioctl(fd, UFFDIO_API, &api));
	ASSERT_EQ(0, ioctl(fd, UFFDIO_REGISTER, &range));
	ASSERT_EQ(0, ioctl(fd, UFFDIO_COPY, &copy));
	EXPECT_EQ(self->silent + 1, scope_number(self->pid, "pages_silent"));
	EXPECT_EQ(pagemap_held(self->pid), scope_number(self->pid, "pages_held"));
	close(fd);
}

TEST_F(held, all_that_a_child_has_of_its_parent_is_silent)
{
	pid_t child = fork();

	if (!child) {
		child_stop_here();
		touch(self->area, 3);
		child_stop_here();
		_exit(0);
	}
	ASSERT_LT(0, child);
	ASSERT_EQ(0, child_until_stopped(child));
	ASSERT_EQ(0, scope_watch(child));
	EXPECT_EQ(pagemap_held(child), scope_number(child, "pages_held"));
	EXPECT_EQ(pagemap_held(child), scope_number(child, "pages_silent"));
	ASSERT_EQ(0, child_continue(child));
	ASSERT_EQ(0, child_until_stopped(child));
	EXPECT_EQ(pagemap_held(child), scope_number(child, "pages_held"));
	EXPECT_GE(pagemap_held(child) - 3, scope_number(child, "pages_silent"));
	child_end(child);
	EXPECT_EQ(0, scope_unwatch(child));
}

TEST_HARNESS_MAIN
