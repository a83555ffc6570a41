// SPDX-License-Identifier: GPL-2.0-only
/*
 * vma_record_test.c - what does the record of one VMA change say?
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "brkscope_test.h"

#define PAGES	16
#define READ_WRITE	(BRKSCOPE_PROT_READ | BRKSCOPE_PROT_WRITE)

FIXTURE(record) {
	pid_t pid;
	uint64_t page;
	uint64_t area;		/* PAGES pages, readable and writable */
	uint64_t end;
	uint64_t since;
	int events;
};

FIXTURE_SETUP(record)
{
	scope_prepare();
	self->pid = getpid();
	self->page = scope_page_size();
	self->area = (uintptr_t)scope_area(PAGES);
	ASSERT_NE(0, self->area);
	self->end = self->area + PAGES * self->page;
	ASSERT_EQ(0, scope_watch(self->pid));
	self->events = scope_events(self->pid, NULL);
	ASSERT_LE(0, self->events);
	ASSERT_LE(0, scope_drain(self->events, scope_records, SCOPE_RECORDS));
	self->since = scope_now();
}

FIXTURE_TEARDOWN(record)
{
	close(self->events);
	scope_unwatch(self->pid);
}

static ssize_t new_changes(int events)
{
	ssize_t count = scope_drain(events, scope_records, SCOPE_RECORDS);

	if (count < 0)
		return count;
	return scope_keep(scope_records, count, BRKSCOPE_VMA, 0, 0);
}

/* The record with this operation and this range, now or before if removed. */
static struct brkscope_record *find(ssize_t count, int op, uint64_t start,
				    uint64_t end)
{
	ssize_t i;

	for (i = 0; i < count; i++) {
		struct brkscope_record *r = &scope_records[i];
		bool gone = op == BRKSCOPE_VMA_REMOVE;

		if (r->code == op &&
		    (gone ? r->vma.old_start : r->vma.start) == start &&
		    (gone ? r->vma.old_end : r->vma.end) == end)
			return r;
	}
	return NULL;
}

TEST_F(record, mmap_adds_one_range_with_its_permissions_and_cause)
{
	uint64_t at = (uintptr_t)mmap((void *)0x300000000000, 3 * self->page,
				      PROT_READ, MAP_SHARED | MAP_ANONYMOUS |
				      MAP_FIXED_NOREPLACE, -1, 0);
	ssize_t count = new_changes(self->events);
	struct brkscope_record *r;

	ASSERT_EQ(1, count);
	r = find(count, BRKSCOPE_VMA_ADD, at, at + 3 * self->page);
	ASSERT_NE(NULL, r);
	EXPECT_EQ(BRKSCOPE_PROT_READ | BRKSCOPE_PROT_SHARED, r->vma.prot);
	EXPECT_EQ(SYS_mmap, r->vma.cause);
	EXPECT_EQ((uint32_t)self->pid, r->tid);
	EXPECT_LE(self->since, r->time);
	EXPECT_GE(scope_now(), r->time);
	EXPECT_NE(BRKSCOPE_NAME_NONE, r->vma.name);
}

TEST_F(record, munmap_of_a_whole_range_is_one_remove)
{
	struct brkscope_record *r;
	ssize_t count;

	ASSERT_EQ(0, munmap((void *)self->area, PAGES * self->page));
	count = new_changes(self->events);
	ASSERT_EQ(1, count);
	r = find(count, BRKSCOPE_VMA_REMOVE, self->area, self->end);
	ASSERT_NE(NULL, r);
	EXPECT_EQ(SYS_munmap, r->vma.cause);
}

TEST_F(record, munmap_of_a_hole_is_a_shrink_and_an_add)
{
	struct brkscope_record *r;
	ssize_t count;

	ASSERT_EQ(0, munmap((void *)(self->area + 4 * self->page),
			    2 * self->page));
	count = new_changes(self->events);
	ASSERT_EQ(2, count);
	EXPECT_EQ(BRKSCOPE_VMA_SHRINK, scope_records[0].code);
	EXPECT_EQ(BRKSCOPE_VMA_ADD, scope_records[1].code);
	/* Either part may be the one that keeps the name of the whole. */
	r = &scope_records[0];
	EXPECT_EQ(self->area, r->vma.old_start);
	EXPECT_EQ(self->end, r->vma.old_end);
	EXPECT_EQ(PAGES * self->page - 2 * self->page,
		  r->vma.end - r->vma.start +
		  scope_records[1].vma.end - scope_records[1].vma.start);
}

TEST_F(record, munmap_of_the_tail_is_one_shrink)
{
	ssize_t count;

	ASSERT_EQ(0, munmap((void *)(self->area + 4 * self->page),
			    12 * self->page));
	count = new_changes(self->events);
	ASSERT_EQ(1, count);
	EXPECT_NE(NULL, find(count, BRKSCOPE_VMA_SHRINK, self->area,
			     self->area + 4 * self->page));
}

TEST_F(record, mprotect_of_a_whole_range_is_one_protect)
{
	struct brkscope_record *r;
	ssize_t count;

	ASSERT_EQ(0, mprotect((void *)self->area, PAGES * self->page,
			      PROT_READ));
	count = new_changes(self->events);
	ASSERT_EQ(1, count);
	r = find(count, BRKSCOPE_VMA_PROTECT, self->area, self->end);
	ASSERT_NE(NULL, r);
	EXPECT_EQ(READ_WRITE, r->vma.old_prot);
	EXPECT_EQ(BRKSCOPE_PROT_READ, r->vma.prot);
	EXPECT_EQ(self->area, r->vma.old_start);
	EXPECT_EQ(self->end, r->vma.old_end);
	EXPECT_EQ(SYS_mprotect, r->vma.cause);
}

TEST_F(record, mprotect_in_the_middle_and_back_is_a_split_and_a_merge)
{
	char *middle = (char *)self->area + 4 * self->page;
	ssize_t count;

	ASSERT_EQ(0, mprotect(middle, 2 * self->page, PROT_READ));
	count = new_changes(self->events);
	ASSERT_EQ(3, count);
	EXPECT_EQ(BRKSCOPE_VMA_SHRINK, scope_records[0].code);
	EXPECT_EQ(BRKSCOPE_VMA_ADD, scope_records[1].code);
	EXPECT_EQ(BRKSCOPE_VMA_ADD, scope_records[2].code);

	ASSERT_EQ(0, mprotect(middle, 2 * self->page, PROT_READ | PROT_WRITE));
	count = new_changes(self->events);
	ASSERT_EQ(3, count);
	EXPECT_EQ(BRKSCOPE_VMA_REMOVE, scope_records[0].code);
	EXPECT_EQ(BRKSCOPE_VMA_REMOVE, scope_records[1].code);
	EXPECT_NE(NULL, find(count, BRKSCOPE_VMA_GROW, self->area, self->end));
}

TEST_F(record, mlock_is_a_change_of_an_attribute)
{
	struct brkscope_record *r;
	ssize_t count;

	ASSERT_EQ(0, mlock2((void *)self->area, PAGES * self->page,
			    MLOCK_ONFAULT));
	count = new_changes(self->events);
	ASSERT_EQ(1, count);
	r = find(count, BRKSCOPE_VMA_CHANGE, self->area, self->end);
	ASSERT_NE(NULL, r);
	EXPECT_EQ(BRKSCOPE_ATTR_LOCKED, r->vma.attr & BRKSCOPE_ATTR_LOCKED);
	EXPECT_EQ(READ_WRITE, r->vma.prot);

	ASSERT_EQ(0, munlock((void *)self->area, PAGES * self->page));
	count = new_changes(self->events);
	ASSERT_EQ(1, count);
	EXPECT_EQ(0, scope_records[0].vma.attr & BRKSCOPE_ATTR_LOCKED);
}

TEST_F(record, madvise_attributes_are_told)
{
	static const struct { int advice, attr; } each[] = {
		{ MADV_DONTFORK, BRKSCOPE_ATTR_DONTFORK },
		{ MADV_DONTDUMP, BRKSCOPE_ATTR_DONTDUMP },
		{ MADV_WIPEONFORK, BRKSCOPE_ATTR_WIPEONFORK },
		{ MADV_HUGEPAGE, BRKSCOPE_ATTR_HUGEPAGE },
		{ MADV_NOHUGEPAGE, BRKSCOPE_ATTR_NOHUGEPAGE },
	};
	ssize_t count;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(each); i++) {
		if (madvise((void *)self->area, PAGES * self->page,
			    each[i].advice))
			continue;
		count = new_changes(self->events);
		ASSERT_EQ(1, count);
		EXPECT_EQ(BRKSCOPE_VMA_CHANGE, scope_records[0].code);
		EXPECT_EQ(each[i].attr,
			  scope_records[0].vma.attr & each[i].attr);
	}
}

TEST_F(record, madvise_that_changes_no_attribute_makes_no_record)
{
	memset((void *)self->area, 1, PAGES * self->page);
	ASSERT_EQ(0, madvise((void *)self->area, PAGES * self->page,
			     MADV_DONTNEED));
	ASSERT_NE(0, munmap((void *)(self->area + 1), self->page));
	EXPECT_EQ(0, new_changes(self->events));
}

static void __attribute__((noinline)) go_deep(size_t page)
{
	volatile char room[1024 * 1024];
	size_t i;

	for (i = sizeof(room); i > page; i -= page)
		room[i - page] = 1;
}

TEST_F(record, a_growing_stack_is_told_without_a_system_call_as_cause)
{
	uint64_t start, end;
	ssize_t count, i;

	ASSERT_EQ(0, maps_read(self->pid, &scope_maps));
	end = area_at(&scope_maps, (uintptr_t)&count)->end;
	start = area_at(&scope_maps, (uintptr_t)&count)->start;
	go_deep(self->page);
	count = new_changes(self->events);
	ASSERT_LE(1, count);
	for (i = 0; i < count; i++) {
		struct brkscope_record *r = &scope_records[i];

		ASSERT_EQ(BRKSCOPE_VMA_GROW, r->code);
		EXPECT_EQ(-1, r->vma.cause);
		EXPECT_EQ(start, r->vma.old_start);
		EXPECT_GT(start, r->vma.start);
		EXPECT_EQ(end, r->vma.end);
		EXPECT_EQ(end, r->vma.old_end);
		start = r->vma.start;
	}
	ASSERT_EQ(0, maps_read(self->pid, &scope_maps));
	EXPECT_EQ(start, area_at(&scope_maps, (uintptr_t)&count)->start);
}

TEST_F(record, brk_is_the_cause_of_the_heap_growing)
{
	uint64_t top = syscall(SYS_brk, 0);
	struct brkscope_record *r;
	ssize_t count;

	ASSERT_LT((long)top, syscall(SYS_brk, top + 8 * self->page));
	count = new_changes(self->events);
	ASSERT_EQ(1, count);
	r = &scope_records[0];
	EXPECT_EQ(SYS_brk, r->vma.cause);
	ASSERT_EQ(0, maps_read(self->pid, &scope_maps));
	ASSERT_NE(NULL, area_at(&scope_maps, top + self->page));
	EXPECT_EQ(area_at(&scope_maps, top + self->page)->start, r->vma.start);
	EXPECT_EQ(area_at(&scope_maps, top + self->page)->end, r->vma.end);
}

static void *unmap_in_thread(void *area)
{
	munmap(area, scope_page_size());
	return NULL;
}

TEST_F(record, a_change_by_a_thread_carries_its_thread_id)
{
	struct brkscope_record *r;
	pthread_t thread;
	ssize_t count;

	ASSERT_EQ(0, pthread_create(&thread, NULL, unmap_in_thread,
				    (void *)self->area));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	count = new_changes(self->events);
	ASSERT_LE(1, count);
	r = find(count, BRKSCOPE_VMA_SHRINK, self->area + self->page, self->end);
	ASSERT_NE(NULL, r);
	EXPECT_NE((uint32_t)self->pid, r->tid);
}

TEST_F(record, a_name_comes_before_its_first_use)
{
	static bool known[65536];
	ssize_t count, i;
	int fd;

	close(self->events);
	fd = memfd_create("a name longer than one chunk of thirty-four bytes", 0);
	ASSERT_EQ(0, ftruncate(fd, self->page));
	ASSERT_NE(MAP_FAILED, mmap(NULL, self->page, PROT_READ, MAP_SHARED, fd, 0));
	self->events = scope_events(self->pid, NULL);
	count = scope_drain(self->events, scope_records, SCOPE_RECORDS);
	ASSERT_LT(0, count);
	known[BRKSCOPE_NAME_NONE] = true;
	for (i = 0; i < count; i++) {
		struct brkscope_record *r = &scope_records[i];

		if (r->kind == BRKSCOPE_NAME &&
		    r->name.offset + BRKSCOPE_NAME_CHUNK >= r->name.length)
			known[r->name.id] = true;
		if (r->kind == BRKSCOPE_VMA)
			EXPECT_TRUE(known[r->vma.name]);
		if (r->kind == BRKSCOPE_FAULT)
			EXPECT_TRUE(known[r->fault.name]);
	}
	replay_begin(&scope_replay, NULL);
	replay_names(&scope_replay, scope_records, count);
	count = scope_keep(scope_records, count, BRKSCOPE_VMA, 0, 0);
	ASSERT_LE(1, count);
	EXPECT_STREQ("/memfd:a name longer than one chunk of thirty-four bytes (deleted)",
		     scope_replay.names[scope_records[count - 1].vma.name]);
}

TEST_HARNESS_MAIN
