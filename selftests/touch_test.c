// SPDX-License-Identifier: GPL-2.0-only
/*
 * touch_test.c - does the mirror know which pages were touched, whatever becomes of their areas?
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "brkscope_test.h"

#define PAGES	64

static size_t page;

FIXTURE(touch) {
	pid_t pid;
	char *area;
};

FIXTURE_SETUP(touch)
{
	scope_prepare();
	page = scope_page_size();
	self->pid = getpid();
	self->area = scope_area(PAGES);
	ASSERT_NE(NULL, self->area);
	ASSERT_EQ(0, scope_watch(self->pid));
}

FIXTURE_TEARDOWN(touch)
{
	scope_unwatch(self->pid);
}

static void write_pages(char *start, size_t pages)
{
	size_t i;

	for (i = 0; i < pages; i++)
		start[i * page] = 1;
}

static int64_t touched_at(pid_t pid, const void *address)
{
	const struct area *area;

	if (mirror_read(pid, &scope_mirror))
		return -1;
	area = area_at(&scope_mirror, (uintptr_t)address);
	return area ? (int64_t)area->touched : -2;
}

TEST_F(touch, stays_when_mprotect_splits_an_area_and_merges_it_again)
{
	write_pages(self->area, 30);
	EXPECT_EQ(30, touched_at(self->pid, self->area));
	ASSERT_EQ(0, mprotect(self->area + 10 * page, 10 * page, PROT_READ));
	EXPECT_EQ(10, touched_at(self->pid, self->area));
	EXPECT_EQ(10, touched_at(self->pid, self->area + 10 * page));
	EXPECT_EQ(10, touched_at(self->pid, self->area + 20 * page));
	ASSERT_EQ(0, mprotect(self->area + 10 * page, 10 * page, PROT_READ | PROT_WRITE));
	EXPECT_EQ(30, touched_at(self->pid, self->area));
}

TEST_F(touch, stays_when_an_area_is_split_and_everything_is_compared)
{
	ASSERT_EQ(0, scope_ranged(false));
	write_pages(self->area, 30);
	ASSERT_EQ(0, mlock(self->area + 10 * page, 10 * page));
	EXPECT_EQ(10, touched_at(self->pid, self->area + 10 * page));
	ASSERT_EQ(0, munlock(self->area + 10 * page, 10 * page));
	EXPECT_EQ(30, touched_at(self->pid, self->area));
	ASSERT_EQ(0, scope_ranged(true));
}

TEST_F(touch, is_gone_where_memory_was_unmapped)
{
	write_pages(self->area, PAGES);
	ASSERT_EQ(0, munmap(self->area + 20 * page, 10 * page));
	EXPECT_EQ(20, touched_at(self->pid, self->area));
	EXPECT_EQ(PAGES - 30, touched_at(self->pid, self->area + 30 * page));
	ASSERT_NE(MAP_FAILED, mmap(self->area + 20 * page, 10 * page, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	/* like memory again, and perhaps merged with what is around it */
	ASSERT_EQ(0, mprotect(self->area + 20 * page, 10 * page, PROT_READ));
	EXPECT_EQ(0, touched_at(self->pid, self->area + 20 * page));
}

TEST_F(touch, is_gone_where_mmap_put_like_memory)
{
	write_pages(self->area, PAGES);
	ASSERT_NE(MAP_FAILED, mmap(self->area + 8 * page, 16 * page, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	ASSERT_EQ(0, mprotect(self->area + 8 * page, 16 * page, PROT_READ));
	EXPECT_EQ(8, touched_at(self->pid, self->area));
	EXPECT_EQ(0, touched_at(self->pid, self->area + 8 * page));
	EXPECT_EQ(PAGES - 24, touched_at(self->pid, self->area + 24 * page));
}

TEST_F(touch, is_that_of_the_new_memory_if_mmap_populates_it)
{
	write_pages(self->area, PAGES);
	ASSERT_NE(MAP_FAILED, mmap(self->area, PAGES * page, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_POPULATE,
				   -1, 0));
	/* what pagemap says is present is what was touched */
	EXPECT_EQ(PAGES, touched_at(self->pid, self->area));
}

TEST_F(touch, is_gone_from_the_heap_when_the_break_was_back)
{
	char *start = (char *)((syscall(SYS_brk, 0) + page - 1) & -page);

	ASSERT_EQ((long)start + 20 * (long)page, syscall(SYS_brk, start + 20 * page));
	write_pages(start, 20);
	ASSERT_EQ((long)start + 5 * (long)page, syscall(SYS_brk, start + 5 * page));
	ASSERT_EQ((long)start + 20 * (long)page, syscall(SYS_brk, start + 20 * page));
	ASSERT_EQ(0, mprotect(start, 20 * page, PROT_READ));
	EXPECT_EQ(5, touched_at(self->pid, start));
}

/* The process touches some pages of its own meanwhile. */
static bool is_about(int64_t number, int64_t want)
{
	return number >= want && number < want + 100;
}

/* One page in each of many chunks, of a terabyte. */
TEST_F_TIMEOUT(touch, of_a_terabyte_is_counted_and_given_back, 300)
{
	size_t bytes = 1UL << 40, step = bytes / 3000 / page * page, i;
	int64_t pages, lost;
	char *area;

	area = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	ASSERT_NE(MAP_FAILED, area);
	ASSERT_EQ(0, madvise(area, bytes, MADV_NOHUGEPAGE));
	pages = scope_number(self->pid, "pages_touched");
	for (i = 0; i < 3000; i++)
		area[i * step] = 1;
	/* a page for which there was no room in time is counted as lost */
	lost = scope_loss(self->pid, "touch_overflow");
	ASSERT_LE(0, lost);
	EXPECT_GT(1000, lost);
	EXPECT_EQ(3000 - lost, touched_at(self->pid, area));
	EXPECT_TRUE(is_about(scope_number(self->pid, "pages_touched"), pages + 3000 - lost));
	ASSERT_EQ(0, munmap(area, bytes));
	EXPECT_TRUE(is_about(scope_number(self->pid, "pages_touched"), pages));
	/* and there is room for the next */
	area = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	ASSERT_NE(MAP_FAILED, area);
	ASSERT_EQ(0, madvise(area, bytes, MADV_NOHUGEPAGE));
	for (i = 0; i < 1000; i++)
		area[i * step] = 1;
	EXPECT_EQ(lost, scope_loss(self->pid, "touch_overflow"));
	EXPECT_EQ(1000, touched_at(self->pid, area));
}

TEST_HARNESS_MAIN
