// SPDX-License-Identifier: GPL-2.0-only
/*
 * fault_test.c - is every first touch told, in order, with who, where and how?
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "brkscope_test.h"

#define PAGES	200

#define ACCESS	(BRKSCOPE_FAULT_WRITE | BRKSCOPE_FAULT_EXEC | \
		 BRKSCOPE_FAULT_USER | BRKSCOPE_FAULT_KERNEL | \
		 BRKSCOPE_FAULT_REMOTE)

FIXTURE(fault) {
	pid_t pid;
	size_t page;
	char *area;		/* PAGES untouched pages */
	int events;
};

FIXTURE_SETUP(fault)
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

FIXTURE_TEARDOWN(fault)
{
	close(self->events);
	scope_unwatch(self->pid);
}

/* The faults in the area since the last call, at the front of scope_records. */
static ssize_t new_faults(int events, const char *area)
{
	return scope_faults(events, area, PAGES * scope_page_size());
}

static void __attribute__((noinline)) store(volatile char *to)
{
	*to = 1;
}

static char __attribute__((noinline)) load(volatile const char *from)
{
	return *from;
}

/* A random subset of 0..PAGES-1 in random order; returns its size. */
static int random_pages(uint64_t *seed, int *chosen)
{
	int i, other, swap, count = 1 + scope_random(seed) % PAGES;

	for (i = 0; i < PAGES; i++)
		chosen[i] = i;
	for (i = 0; i < count; i++) {
		other = i + scope_random(seed) % (PAGES - i);
		swap = chosen[i];
		chosen[i] = chosen[other];
		chosen[other] = swap;
	}
	return count;
}

TEST_F(fault, writing_k_of_n_pages_is_k_first_writes_in_that_order)
{
	int64_t touched, grown;
	uint64_t seed = scope_seed(_metadata->name), address[PAGES];
	int chosen[PAGES], count = random_pages(&seed, chosen), i;

	store((char *)&touched);
	for (i = 0; i < count; i++)
		address[i] = (uintptr_t)self->area + chosen[i] * self->page +
			     scope_random(&seed) % self->page;
	touched = scope_settled(self->pid, "pages_touched");
	for (i = 0; i < count; i++)
		store((char *)address[i]);
	grown = scope_settled(self->pid, "pages_touched") - touched;
	ASSERT_EQ(count, new_faults(self->events, self->area));
	for (i = 0; i < count; i++) {
		struct brkscope_record *r = &scope_records[i];

		EXPECT_EQ(BRKSCOPE_FIRST_WRITE, r->code);
		EXPECT_EQ(address[i], r->fault.addr);
		EXPECT_EQ(BRKSCOPE_FAULT_WRITE | BRKSCOPE_FAULT_USER,
			  r->flags & ACCESS);
		EXPECT_EQ(BRKSCOPE_FAULT_FIRST,
			  r->flags & BRKSCOPE_FAULT_FIRST);
	}
	EXPECT_EQ(count, grown);
}

TEST_F(fault, reading_k_of_n_pages_is_k_first_reads_in_that_order)
{
	uint64_t seed = scope_seed(_metadata->name);
	int chosen[PAGES], count = random_pages(&seed, chosen), i;

	for (i = 0; i < count; i++)
		load(self->area + chosen[i] * self->page);
	ASSERT_EQ(count, new_faults(self->events, self->area));
	for (i = 0; i < count; i++) {
		EXPECT_EQ(BRKSCOPE_FIRST_READ, scope_records[i].code);
		EXPECT_EQ((uintptr_t)self->area + chosen[i] * self->page,
			  scope_records[i].fault.addr);
		EXPECT_EQ(BRKSCOPE_FAULT_USER, scope_records[i].flags & ACCESS);
	}
}

TEST_F(fault, a_write_after_a_read_is_an_upgrade)
{
	load(self->area);
	load(self->area + self->page);
	store(self->area + self->page);
	ASSERT_EQ(3, new_faults(self->events, self->area));
	EXPECT_EQ(BRKSCOPE_FIRST_READ, scope_records[0].code);
	EXPECT_EQ(BRKSCOPE_FIRST_READ, scope_records[1].code);
	EXPECT_EQ(BRKSCOPE_UPGRADE, scope_records[2].code);
	EXPECT_EQ(0, scope_records[2].flags & BRKSCOPE_FAULT_FIRST);
}

TEST_F(fault, touching_again_is_no_fault)
{
	int i;

	store(self->area);
	ASSERT_EQ(1, new_faults(self->events, self->area));
	for (i = 0; i < 100; i++)
		store(self->area + i);
	EXPECT_EQ(0, new_faults(self->events, self->area));
}

TEST_F(fault, a_page_given_back_and_touched_again_is_not_first_any_more)
{
	int64_t touched;
	int i;

	for (i = 0; i < 10; i++)
		store(self->area + i * self->page);
	ASSERT_EQ(10, new_faults(self->events, self->area));
	touched = scope_settled(self->pid, "pages_touched");
	ASSERT_EQ(0, madvise(self->area, 10 * self->page, MADV_DONTNEED));
	for (i = 0; i < 10; i++)
		store(self->area + i * self->page);
	EXPECT_EQ(touched, scope_settled(self->pid, "pages_touched"));
	ASSERT_EQ(10, new_faults(self->events, self->area));
	for (i = 0; i < 10; i++) {
		EXPECT_EQ(BRKSCOPE_FIRST_WRITE, scope_records[i].code);
		EXPECT_EQ(0, scope_records[i].flags & BRKSCOPE_FAULT_FIRST);
	}
}

TEST_F(fault, a_new_mapping_at_an_old_address_is_touched_first_again)
{
	store(self->area);
	ASSERT_EQ(0, munmap(self->area, self->page));
	ASSERT_EQ(self->area, mmap(self->area, self->page,
				   PROT_READ | PROT_WRITE, MAP_PRIVATE |
				   MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	store(self->area);
	ASSERT_EQ(2, new_faults(self->events, self->area));
	EXPECT_EQ(BRKSCOPE_FAULT_FIRST,
		  scope_records[1].flags & BRKSCOPE_FAULT_FIRST);
}

TEST_F(fault, a_mapping_laid_over_a_like_one_is_touched_first_again)
{
	size_t size = 16 * self->page;
	char *map = mmap(NULL, size + 2 * self->page, PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, map);
	map += self->page;
	ASSERT_EQ(0, mprotect(map, size, PROT_READ | PROT_WRITE));
	store(map);
	store(map + 2 * self->page);
	/* The kernel merges it with the rest: the VMA looks as before. */
	ASSERT_EQ(map, mmap(map, 4 * self->page, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	store(map);
	ASSERT_EQ(3, new_faults(self->events, map));
	EXPECT_EQ(BRKSCOPE_FAULT_FIRST,
		  scope_records[2].flags & BRKSCOPE_FAULT_FIRST);
	ASSERT_EQ(0, mirror_read(self->pid, &scope_mirror));
	EXPECT_EQ(1, area_at(&scope_mirror, (uintptr_t)map)->touched);
}

TEST_F(fault, the_mirror_counts_the_touched_pages_of_an_area)
{
	uint64_t seed = scope_seed(_metadata->name);
	int chosen[PAGES], count = random_pages(&seed, chosen), i;
	const struct area *area;

	for (i = 0; i < count; i++)
		store(self->area + chosen[i] * self->page);
	ASSERT_EQ(0, mirror_read(self->pid, &scope_mirror));
	area = area_at(&scope_mirror, (uintptr_t)self->area);
	ASSERT_NE(NULL, area);
	EXPECT_EQ((uint64_t)count, area->touched);
	EXPECT_EQ((uint64_t)PAGES, area->pages);
}

TEST_F(fault, pages_told_as_written_are_those_that_pagemap_has)
{
	uint64_t seed = scope_seed(_metadata->name);
	int chosen[PAGES], count = random_pages(&seed, chosen), i;
	bool told[PAGES] = {};
	uint64_t entry;

	for (i = 0; i < count; i++)
		store(self->area + chosen[i] * self->page);
	ASSERT_EQ(count, new_faults(self->events, self->area));
	for (i = 0; i < count; i++)
		told[(scope_records[i].fault.addr - (uintptr_t)self->area) /
		     self->page] = true;
	for (i = 0; i < PAGES; i++) {
		ASSERT_EQ(0, scope_pagemap(self->area + i * self->page,
					   &entry));
		EXPECT_EQ(told[i], (bool)(entry >> 62));
	}
}

TEST_F(fault, a_record_tells_time_thread_instruction_and_vma)
{
	uint64_t before = scope_now(), after;
	struct brkscope_record *r = scope_records;
	const struct area *area;

	store(self->area + 3 * self->page + 5);
	after = scope_now();
	ASSERT_EQ(1, new_faults(self->events, self->area));
	EXPECT_LE(before, r->time);
	EXPECT_GE(after, r->time);
	EXPECT_LT(0, r->fault.latency);
	EXPECT_GE(after - before, r->fault.latency);
	EXPECT_EQ((uint32_t)self->pid, r->tid);
	EXPECT_LE((uintptr_t)store, r->fault.ip);
	EXPECT_GT((uintptr_t)store + 32, r->fault.ip);
	ASSERT_EQ(0, maps_read(self->pid, &scope_maps));
	area = area_at(&scope_maps, r->fault.addr);
	ASSERT_NE(NULL, area);
	EXPECT_EQ((r->fault.addr - area->start) / self->page, r->fault.page);
	EXPECT_EQ(area->prot, r->fault.prot);
	EXPECT_EQ(BRKSCOPE_NAME_NONE, r->fault.name);
}

static void *store_in_thread(void *to)
{
	store(to);
	return (void *)(uintptr_t)gettid();
}

TEST_F(fault, a_fault_of_a_thread_carries_its_thread_id)
{
	pthread_t thread;
	void *tid;

	ASSERT_EQ(0, pthread_create(&thread, NULL, store_in_thread, self->area));
	ASSERT_EQ(0, pthread_join(thread, &tid));
	ASSERT_EQ(1, new_faults(self->events, self->area));
	EXPECT_EQ((uintptr_t)tid, scope_records[0].tid);
	EXPECT_NE((uint32_t)self->pid, scope_records[0].tid);
}

TEST_F(fault, read2_into_an_untouched_heap_page_is_made_by_the_kernel)
{
	int64_t kernel = scope_number(self->pid, "faults_kernel");
	const struct area *code;
	int ends[2];

	ASSERT_EQ(0, pipe2(ends, O_CLOEXEC));
	ASSERT_EQ(7, write(ends[1], "abcdefg", 7));
	ASSERT_EQ(7, read(ends[0], self->area + 100, 7));
	EXPECT_LT(kernel, scope_number(self->pid, "faults_kernel"));
	ASSERT_EQ(1, new_faults(self->events, self->area));
	EXPECT_EQ(BRKSCOPE_FIRST_WRITE, scope_records[0].code);
	EXPECT_EQ(BRKSCOPE_FAULT_WRITE | BRKSCOPE_FAULT_KERNEL,
		  scope_records[0].flags & ACCESS);
	EXPECT_EQ((uintptr_t)self->area, scope_records[0].fault.addr & -self->page);
	/* The instruction is the one that entered the kernel. */
	ASSERT_EQ(0, maps_read(self->pid, &scope_maps));
	code = area_at(&scope_maps, scope_records[0].fault.ip);
	ASSERT_NE(NULL, code);
	EXPECT_NE(0, code->prot & BRKSCOPE_PROT_EXEC);
}

TEST_F(fault, write2_from_an_untouched_page_is_a_first_read_by_the_kernel)
{
	int ends[2];

	ASSERT_EQ(0, pipe2(ends, O_CLOEXEC));
	ASSERT_EQ(9, write(ends[1], self->area, 9));
	ASSERT_EQ(1, new_faults(self->events, self->area));
	EXPECT_EQ(BRKSCOPE_FIRST_READ, scope_records[0].code);
	EXPECT_EQ(BRKSCOPE_FAULT_KERNEL, scope_records[0].flags & ACCESS);
}

TEST_F(fault, populating_n_pages_is_n_first_writes_by_the_kernel)
{
	int i;

	if (madvise(self->area, 20 * self->page, MADV_POPULATE_WRITE))
		SKIP(return, "no MADV_POPULATE_WRITE: %s", strerror(errno));
	ASSERT_EQ(20, new_faults(self->events, self->area));
	for (i = 0; i < 20; i++) {
		EXPECT_EQ(BRKSCOPE_FIRST_WRITE, scope_records[i].code);
		EXPECT_EQ((uintptr_t)self->area + i * self->page,
			  scope_records[i].fault.addr);
		EXPECT_EQ(BRKSCOPE_FAULT_WRITE | BRKSCOPE_FAULT_KERNEL,
			  scope_records[i].flags & ACCESS);
		EXPECT_NE(0, scope_records[i].flags & BRKSCOPE_FAULT_GUP);
	}
}

TEST_F(fault, a_locked_page_that_was_never_accessed_is_told_as_such)
{
	ASSERT_EQ(0, mlock(self->area + 3 * self->page, self->page));
	store(self->area + 7 * self->page);
	ASSERT_EQ(2, new_faults(self->events, self->area));
	EXPECT_EQ((uintptr_t)self->area + 3 * self->page, scope_records[0].fault.addr);
	EXPECT_NE(0, scope_records[0].flags & BRKSCOPE_FAULT_GUP);
	EXPECT_EQ(0, scope_records[1].flags & BRKSCOPE_FAULT_GUP);
	munlock(self->area, PAGES * self->page);
}

TEST_F(fault, a_write_by_another_process_is_remote_and_not_ours_to_count)
{
	int64_t remote = scope_number(self->pid, "faults_remote");
	pid_t child;

	child = child_start();
	ASSERT_LE(0, child);
	if (!child) {
		child_stop_here();
		_exit(scope_poke(getppid(), self->area + 8, "1234", 4) != 4);
	}
	ASSERT_EQ(0, child_until_stopped(child));
	ASSERT_EQ(0, child_end(child));
	ASSERT_EQ(0, memcmp("1234", self->area + 8, 4));
	EXPECT_EQ(remote + 1, scope_number(self->pid, "faults_remote"));
	EXPECT_EQ(0, scope_miscounted(self->pid));
	ASSERT_EQ(1, new_faults(self->events, self->area));
	EXPECT_EQ(BRKSCOPE_FIRST_WRITE, scope_records[0].code);
	EXPECT_EQ(BRKSCOPE_FAULT_WRITE | BRKSCOPE_FAULT_REMOTE,
		  scope_records[0].flags & ACCESS);
	EXPECT_EQ((uint32_t)child, scope_records[0].tid);
	EXPECT_EQ(0, scope_records[0].fault.ip);
	EXPECT_EQ((uintptr_t)self->area,
		  scope_records[0].fault.addr & -self->page);
}

TEST_F(fault, running_code_the_first_time_is_an_instruction_fetch)
{
#ifdef __x86_64__
	static const char ret = (char)0xc3;
	int fd = memfd_create("code", 0);
	void (*code)(void);

	ASSERT_EQ(1, write(fd, &ret, 1));
	ASSERT_EQ(0, ftruncate(fd, self->page));
	code = mmap(self->area, self->page, PROT_READ | PROT_EXEC,
		    MAP_PRIVATE | MAP_FIXED, fd, 0);
	ASSERT_NE(MAP_FAILED, (void *)code);
	code();
	ASSERT_EQ(1, new_faults(self->events, self->area));
	EXPECT_EQ(BRKSCOPE_FAULT_EXEC | BRKSCOPE_FAULT_USER,
		  scope_records[0].flags & ACCESS);
	EXPECT_EQ((uintptr_t)code, scope_records[0].fault.addr);
	EXPECT_EQ((uintptr_t)code, scope_records[0].fault.ip);
#else
	SKIP(return, "the test knows the code of a return on x86-64 only");
#endif
}

TEST_F(fault, the_text_row_says_who_accessed_how)
{
	char row[256], *line;
	int ends[2];

	store(self->area);
	load(self->area + self->page);
	store(self->area + self->page);
	ASSERT_EQ(0, pipe2(ends, O_CLOEXEC));
	ASSERT_EQ(1, write(ends[1], "x", 1));
	ASSERT_EQ(1, read(ends[0], self->area + 2 * self->page, 1));
	ASSERT_LT(0, scope_read(self->pid, "events"));

	snprintf(row, sizeof(row), " fault first-write %016lx ",
		 (unsigned long)self->area);
	line = strstr(scope_text, row);
	ASSERT_NE(NULL, line);
	*strchr(line, '\n') = '\0';
	EXPECT_NE(NULL, strstr(line, " wu1 -"));
	snprintf(row, sizeof(row), " fault first-read %016lx ",
		 (unsigned long)self->area + self->page);
	line = strstr(line + strlen(line) + 1, row);
	ASSERT_NE(NULL, line);
	*strchr(line, '\n') = '\0';
	EXPECT_NE(NULL, strstr(line, " ru1 -"));
	snprintf(row, sizeof(row), " fault upgrade %016lx ",
		 (unsigned long)self->area + self->page);
	line = strstr(line + strlen(line) + 1, row);
	ASSERT_NE(NULL, line);
	*strchr(line, '\n') = '\0';
	EXPECT_NE(NULL, strstr(line, " wu. -"));
	snprintf(row, sizeof(row), " fault first-write %016lx ",
		 (unsigned long)self->area + 2 * self->page);
	line = strstr(line + strlen(line) + 1, row);
	ASSERT_NE(NULL, line);
	*strchr(line, '\n') = '\0';
	EXPECT_NE(NULL, strstr(line, " wk1 -"));
}

TEST_HARNESS_MAIN
