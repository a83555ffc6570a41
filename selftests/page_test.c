// SPDX-License-Identifier: GPL-2.0-only
/*
 * page_test.c - is every page told that the page allocator gave for a first touch?
 *
 * Held against /proc/self/pagemap and the size of the page tables in
 * /proc/self/status.
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "page_area.h"

/* Bytes of page tables as the kernel accounts them to the caller. */
static int64_t table_bytes(void)
{
	char value[32];

	if (scope_read_path("/proc/self/status", page_text, sizeof(page_text)) < 0 ||
	    scope_value(page_text, "VmPTE", value, sizeof(value)))
		return -1;
	return strtoll(value, NULL, 10) * 1024;
}

TEST_F(page, a_first_touch_is_a_data_page_and_the_page_tables_that_lack)
{
	struct { size_t offset; int tables; } touches[] = {
		{ 0, 2 },		/* a fresh GiB: a PMD table and a PTE table */
		{ self->page, 0 },
		{ 2 * MIB, 1 },		/* a fresh 2 MiB: a PTE table */
		{ 2 * MIB + 511 * self->page, 0 },
		{ GIB - self->page, 1 },
		{ GIB, 2 },
	};
	int64_t before, after;
	ssize_t count;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(touches); i++) {
		char *at = self->gib + touches[i].offset;

		before = table_bytes();
		ASSERT_LE(0, new_records(self->events));
		touch(at);
		count = new_pages(self->events, at, self->page);
		after = table_bytes();
		EXPECT_EQ(1, count_use(count, BRKSCOPE_PAGE_DATA));
		EXPECT_EQ(touches[i].tables, count_use(count, BRKSCOPE_PAGE_TABLE))
			TH_LOG("touch at %zu KiB", touches[i].offset >> 10);
		EXPECT_EQ(after - before, (int64_t)self->page *
			  count_use(count, BRKSCOPE_PAGE_TABLE));
	}
}

TEST_F(page, a_record_has_the_frame_that_pagemap_has)
{
	ssize_t count, i;
	int pages = 0;

	for (i = 0; i < 50; i++)
		touch(self->gib + i * self->page);
	count = new_records(self->events);
	for (i = 0; i < count; i++) {
		struct brkscope_record *r = &scope_records[i];

		if (r->kind == BRKSCOPE_PAGE && r->code == BRKSCOPE_PAGE_DATA &&
		    r->page.addr - (uintptr_t)self->gib < GIB) {
			EXPECT_EQ(scope_frame((void *)r->page.addr), r->page.frame);
			EXPECT_EQ(0, r->page.order);
			EXPECT_EQ(BRKSCOPE_PAGE_IN_FAULT, r->page.call);
			EXPECT_EQ((uint32_t)gettid(), r->tid);
			pages++;
		}
		if (r->kind == BRKSCOPE_FAULT &&
		    r->fault.addr - (uintptr_t)self->gib < GIB)
			EXPECT_EQ(scope_frame((void *)r->fault.addr), r->fault.frame);
	}
	EXPECT_EQ(50, pages);
}

TEST_F(page, a_read_shows_the_frame_of_the_zero_page_and_takes_no_data_page)
{
	ssize_t count;

	touch(self->gib);
	ASSERT_LE(0, new_records(self->events));
	(void)*(volatile char *)(self->gib + self->page);
	count = new_records(self->events);
	EXPECT_EQ(1, count);
	EXPECT_EQ(BRKSCOPE_FIRST_READ, scope_records[0].code);
	EXPECT_NE(0, scope_frame(self->gib + self->page));
	EXPECT_EQ(scope_frame(self->gib + self->page), scope_records[0].fault.frame);
}

TEST_F(page, a_huge_page_is_one_allocation_of_order_nine)
{
	char *at = self->gib + 4 * MIB + 7 * self->page;
	int64_t before = table_bytes();
	ssize_t count, i;
	int huge = 0, tables = 0, fault = 0;

	if (madvise(self->gib, 16 * MIB, MADV_HUGEPAGE))
		SKIP(return, "this kernel has no transparent huge pages");
	ASSERT_LE(0, new_records(self->events));
	touch(at);
	count = new_records(self->events);
	for (i = 0; i < count; i++) {
		struct brkscope_record *r = &scope_records[i];

		if (r->kind == BRKSCOPE_FAULT && r->fault.addr == (uintptr_t)at) {
			EXPECT_EQ(BRKSCOPE_HUGE, r->code);
			EXPECT_EQ(scope_frame(at), r->fault.frame);
			EXPECT_NE(0, r->fault.frame);
			fault++;
		}
		if (r->kind != BRKSCOPE_PAGE || r->page.addr != (uintptr_t)at)
			continue;
		tables += r->code == BRKSCOPE_PAGE_TABLE;
		if (r->code == BRKSCOPE_PAGE_DATA) {
			EXPECT_EQ(9, r->page.order);
			EXPECT_EQ(scope_frame(self->gib + 4 * MIB), r->page.frame);
			huge++;
		}
	}
	EXPECT_EQ(1, fault);
	EXPECT_EQ(1, huge);
	EXPECT_EQ(table_bytes() - before, (int64_t)self->page * tables);
}

TEST_F(page, a_fault_within_a_system_call_counts_as_a_fault)
{
	ssize_t count;
	int ends[2];

	ASSERT_EQ(0, pipe(ends));
	ASSERT_EQ(4, write(ends[1], "text", 4));
	touch(self->gib);
	ASSERT_LE(0, new_records(self->events));
	ASSERT_EQ(4, read(ends[0], self->gib + self->page, 4));
	count = new_pages(self->events, self->gib, GIB);
	ASSERT_EQ(1, count);
	EXPECT_EQ(BRKSCOPE_PAGE_DATA, scope_records[0].code);
	EXPECT_EQ(BRKSCOPE_PAGE_IN_FAULT, scope_records[0].page.call);
	EXPECT_EQ((uintptr_t)self->gib + self->page, scope_records[0].page.addr);
	EXPECT_EQ(scope_frame(self->gib + self->page), scope_records[0].page.frame);
	close(ends[0]);
	close(ends[1]);
}

TEST_F(page, a_memory_call_tells_its_number_and_other_calls_nothing)
{
	char *to = self->gib + GIB;
	ssize_t count, i;
	int64_t before;
	int tables = 0, ends[2];

	touch(self->gib);
	before = table_bytes();
	ASSERT_EQ(0, pipe(ends));
	ASSERT_LE(0, new_records(self->events));
	/* A pipe takes a page of the kernel's for what is written. */
	ASSERT_EQ(4, write(ends[1], "text", 4));
	/* The page moves into a fresh GiB: a PMD table and a PTE table. */
	ASSERT_EQ(to, mremap(self->gib, self->page, self->page,
			     MREMAP_MAYMOVE | MREMAP_FIXED, to));
	count = new_records(self->events);
	for (i = 0; i < count; i++) {
		struct brkscope_record *r = &scope_records[i];

		if (r->kind != BRKSCOPE_PAGE)
			continue;
		EXPECT_EQ(SYS_mremap, r->page.call);
		EXPECT_EQ(0, r->page.addr);
		tables += r->code == BRKSCOPE_PAGE_TABLE;
		EXPECT_NE(BRKSCOPE_PAGE_DATA, r->code);
	}
	EXPECT_EQ(2, tables);
	EXPECT_EQ(before + 2 * (int64_t)self->page, table_bytes());
	close(ends[0]);
	close(ends[1]);
}

TEST_F(page, the_summary_adds_up_the_pages_of_all_records)
{
	int64_t sums[BRKSCOPE_PAGE_USES] = {};
	char name[32];
	ssize_t count, i;
	int status;
	pid_t child;

	for (i = 0; i < 200; i++)
		touch(self->gib + i * 3 * self->page);
	madvise(self->gib + 512 * MIB, 8 * MIB, MADV_HUGEPAGE);
	touch(self->gib + 512 * MIB);
	child = fork();
	if (!child)
		_exit(0);
	ASSERT_EQ(child, waitpid(child, &status, 0));
	close(self->events);
	/* From the first record on. */
	self->events = scope_events(self->pid, NULL);
	ASSERT_LE(0, self->events);
	scope_settled(self->pid, "pages_data");
	count = new_records(self->events);
	for (i = 0; i < count; i++) {
		ASSERT_NE(BRKSCOPE_LOST, scope_records[i].kind);
		if (scope_records[i].kind == BRKSCOPE_PAGE)
			sums[scope_records[i].code] += 1LL << scope_records[i].page.order;
	}
	EXPECT_LE(200 + 1, sums[BRKSCOPE_PAGE_DATA]);
	EXPECT_LT(5, sums[BRKSCOPE_PAGE_TABLE]);
	for (i = 0; i < BRKSCOPE_PAGE_USES; i++) {
		snprintf(name, sizeof(name), "pages_%s", page_uses[i]);
		EXPECT_EQ(sums[i], scope_number(self->pid, name))
			TH_LOG("%s", name);
	}
	EXPECT_EQ(0, scope_loss(self->pid, "pages_missed"));
}

/* ---- threads ---- */

#define THREADS		4
#define THREAD_PAGES	300

static pthread_barrier_t together;

static void *touch_own(void *area)
{
	char *at = area;
	int i;

	pthread_barrier_wait(&together);
	for (i = 0; i < THREAD_PAGES; i++)
		touch(at + i * scope_page_size());
	return NULL;
}

/* The data page that a thread was given for a fault, before the record of that. */
static const struct brkscope_record *page_of(const struct brkscope_record *fault)
{
	const struct brkscope_record *r;

	for (r = fault - 1; r >= scope_records; r--)
		if (r->kind == BRKSCOPE_PAGE && r->code == BRKSCOPE_PAGE_DATA &&
		    r->tid == fault->tid)
			return r;
	return NULL;
}

TEST_F(page, faults_of_many_threads_at_once_each_have_their_own_page)
{
	pthread_t threads[THREADS];
	ssize_t count, i;
	int faults = 0;

	pthread_barrier_init(&together, NULL, THREADS);
	for (i = 0; i < THREADS; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, touch_own,
					    self->gib + i * 16 * MIB));
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	count = new_records(self->events);
	for (i = 0; i < count; i++) {
		const struct brkscope_record *r = &scope_records[i], *page;

		if (r->kind != BRKSCOPE_FAULT || r->fault.addr - (uintptr_t)self->gib >= GIB ||
		    r->code != BRKSCOPE_FIRST_WRITE)
			continue;
		page = page_of(r);
		ASSERT_NE(NULL, page);
		EXPECT_EQ(r->fault.addr, page->page.addr);
		EXPECT_EQ(r->fault.frame, page->page.frame);
		EXPECT_EQ(r->fault.frame, scope_frame((void *)r->fault.addr));
		faults++;
	}
	EXPECT_EQ(THREADS * THREAD_PAGES, faults);
}

/* Is the hook of the page allocator attached? */
static bool listens(void)
{
	const char *row;

	if (scope_read_path(SCOPE_DIR "/hooks", page_text, sizeof(page_text)) < 0)
		return false;
	row = strstr(page_text, "pages mm_page_alloc");
	return row && !strncmp(row, "pages mm_page_alloc tracepoint attached", 39);
}

static int page_records(pid_t pid)
{
	int fd = scope_events(pid, NULL), n = 0;
	ssize_t count, i;

	count = scope_drain(fd, scope_records, SCOPE_RECORDS);
	for (i = 0; i < count; i++)
		n += scope_records[i].kind == BRKSCOPE_PAGE;
	close(fd);
	return count < 0 ? -1 : n;
}

TEST(who_wants_no_pages_is_told_of_none_and_nobody_pays)
{
	char *area = scope_area(64);
	pid_t other;

	scope_prepare();
	ASSERT_EQ(0, scope_control("watch %d nopages\n", getpid()));
	EXPECT_FALSE(listens());
	memset(area, 1, 64 * scope_page_size());
	EXPECT_EQ(0, page_records(getpid()));
	/* another's wish is not ours */
	other = child_start();
	if (!other)
		for (;;)
			pause();
	ASSERT_LT(0, other);
	ASSERT_EQ(0, scope_watch(other));
	EXPECT_TRUE(listens());
	EXPECT_EQ(0, madvise(area, 64 * scope_page_size(), MADV_DONTNEED));
	memset(area, 1, 64 * scope_page_size());
	EXPECT_EQ(0, page_records(getpid()));
	EXPECT_EQ(0, scope_number(getpid(), "pages_data"));
	ASSERT_EQ(0, scope_unwatch(other));
	kill(other, SIGKILL);
	waitpid(other, NULL, 0);
	EXPECT_FALSE(listens());
	EXPECT_EQ(0, scope_unwatch(getpid()));
}

TEST_HARNESS_MAIN
