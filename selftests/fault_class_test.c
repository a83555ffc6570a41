// SPDX-License-Identifier: GPL-2.0-only
/*
 * fault_class_test.c - is what the kernel did about an access named rightly?
 *
 * Each test forces one class of fault by what it asks of the kernel.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "fault_class.h"

/* What the kernel says of one field of /proc/self/smaps for one mapping, kB. */
static long smaps_kilobytes(const char *at, const char *field)
{
	char head[32], *from;

	snprintf(head, sizeof(head), "%lx-", (unsigned long)at);
	if (scope_read_path("/proc/self/smaps", scope_text,
			    sizeof(scope_text)) < 0)
		return -1;
	from = strstr(scope_text, head);
	from = from ? strstr(from, field) : NULL;
	return from ? strtol(from + strlen(field) + 1, NULL, 10) : -1;
}

TEST_F(class, a_write_while_a_forked_child_lives_is_cow_copy)
{
	pid_t child;
	int i;

	for (i = 0; i < 4; i++)
		store(self->area + i * self->page);
	child = child_start();
	ASSERT_LE(0, child);
	if (!child) {
		pause();
		_exit(0);
	}
	ASSERT_EQ(4, class_faults(self->events, self->area, PAGES));
	for (i = 0; i < 4; i++)
		store(self->area + i * self->page + 7);
	ASSERT_EQ(4, class_faults(self->events, self->area, PAGES));
	for (i = 0; i < 4; i++) {
		EXPECT_EQ(BRKSCOPE_COW_COPY, scope_records[i].code);
		EXPECT_EQ((uintptr_t)self->area + i * self->page + 7,
			  scope_records[i].fault.addr);
		EXPECT_EQ(0, scope_records[i].flags & BRKSCOPE_FAULT_FIRST);
	}
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

TEST_F(class, a_write_after_the_forked_child_has_ended_is_cow_reuse)
{
	uint64_t before[4], after[4];
	pid_t child;
	int i;

	for (i = 0; i < 4; i++)
		store(self->area + i * self->page);
	child = child_start();
	ASSERT_LE(0, child);
	if (!child)
		_exit(0);
	ASSERT_EQ(child, waitpid(child, NULL, 0));
	ASSERT_EQ(4, class_faults(self->events, self->area, PAGES));
	for (i = 0; i < 4; i++)
		scope_pagemap(self->area + i * self->page, &before[i]);
	for (i = 0; i < 4; i++)
		store(self->area + i * self->page);
	for (i = 0; i < 4; i++)
		scope_pagemap(self->area + i * self->page, &after[i]);
	ASSERT_EQ(4, class_faults(self->events, self->area, PAGES));
	/* pagemap tells whether the frame stayed the same: reuse, or copy. */
	for (i = 0; i < 4; i++)
		EXPECT_EQ(!((before[i] ^ after[i]) << 9) ? BRKSCOPE_COW_REUSE :
			  BRKSCOPE_COW_COPY, scope_records[i].code);
	EXPECT_EQ(BRKSCOPE_COW_REUSE, scope_records[3].code);
}

TEST_F(class, a_child_writing_to_its_copy_is_not_told_of_the_parent)
{
	pid_t child;
	int i;

	for (i = 0; i < 8; i++)
		store(self->area + i * self->page);
	ASSERT_EQ(8, class_faults(self->events, self->area, PAGES));
	child = child_start();
	ASSERT_LE(0, child);
	if (!child) {
		for (i = 0; i < PAGES; i++)
			store(self->area + i * self->page);
		_exit(0);
	}
	ASSERT_EQ(child, waitpid(child, NULL, 0));
	EXPECT_EQ(0, class_faults(self->events, self->area, PAGES));
}

TEST_F(class, reading_a_private_file_in_memory_is_file_minor)
{
	char *map = map_file(self->file, MAP_PRIVATE);

	ASSERT_NE(MAP_FAILED, map);
	load(map + 5 * self->page);
	ASSERT_EQ(1, class_faults(self->events, map, PAGES));
	EXPECT_EQ(BRKSCOPE_FILE_MINOR, scope_records[0].code);
	EXPECT_EQ(0, scope_records[0].flags & BRKSCOPE_FAULT_MAJOR);
	EXPECT_EQ((uintptr_t)map + 5 * self->page, scope_records[0].fault.addr);
	EXPECT_NE(BRKSCOPE_NAME_NONE, scope_records[0].fault.name);
}

TEST_F(class, writing_to_a_private_file_is_cow_copy)
{
	char *map = map_file(self->file, MAP_PRIVATE);
	ssize_t count;

	ASSERT_NE(MAP_FAILED, map);
	store(map + 5 * self->page);
	ASSERT_EQ(1, class_faults(self->events, map, PAGES));
	EXPECT_EQ(BRKSCOPE_COW_COPY, scope_records[0].code);

	load(map + 20 * self->page);
	store(map + 20 * self->page);
	count = class_faults(self->events, map, PAGES);
	/* The kernel may have mapped the page with its neighbours before. */
	ASSERT_LE(1, count);
	EXPECT_EQ(BRKSCOPE_COW_COPY, scope_records[count - 1].code);
	EXPECT_EQ((uintptr_t)map + 20 * self->page,
		  scope_records[count - 1].fault.addr);
	EXPECT_NE(0, scope_records[count - 1].flags & BRKSCOPE_FAULT_WRITE);
}

TEST_F(class, shared_anonymous_memory_is_shared)
{
	char *map = map_file(-1, MAP_SHARED | MAP_ANONYMOUS);
	int i;

	ASSERT_NE(MAP_FAILED, map);
	store(map);
	load(map + 3 * self->page);
	store(map + 9 * self->page);
	ASSERT_EQ(3, class_faults(self->events, map, PAGES));
	for (i = 0; i < 3; i++)
		EXPECT_EQ(BRKSCOPE_SHARED, scope_records[i].code);
}

TEST_F(class, a_shared_file_is_shared)
{
	char *map = map_file(self->file, MAP_SHARED);

	ASSERT_NE(MAP_FAILED, map);
	store(map + 4 * self->page);
	ASSERT_LE(1, class_faults(self->events, map, PAGES));
	EXPECT_EQ(BRKSCOPE_SHARED, scope_records[0].code);
}

TEST_F(class, a_write_to_a_shared_page_made_read_only_is_write_protect)
{
	char *map = map_file(-1, MAP_SHARED | MAP_ANONYMOUS);
	int fd = open("/proc/self/clear_refs", O_WRONLY);

	ASSERT_NE(MAP_FAILED, map);
	store(map);
	ASSERT_EQ(1, class_faults(self->events, map, PAGES));
	/* Soft-dirty tracking makes written pages read-only once more. */
	ASSERT_EQ(1, write(fd, "4", 1));
	store(map);
	if (class_faults(self->events, map, PAGES) == 0)
		SKIP(return, "this kernel has no soft-dirty tracking");
	EXPECT_EQ(BRKSCOPE_WRITE_PROTECT, scope_records[0].code);
	EXPECT_EQ(0, scope_records[0].flags & BRKSCOPE_FAULT_FIRST);
}

TEST_F(class, a_write_to_an_own_page_made_read_only_is_cow_reuse)
{
	int fd = open("/proc/self/clear_refs", O_WRONLY);

	store(self->area);
	ASSERT_EQ(1, class_faults(self->events, self->area, PAGES));
	ASSERT_EQ(1, write(fd, "4", 1));
	store(self->area);
	if (class_faults(self->events, self->area, PAGES) == 0)
		SKIP(return, "this kernel has no soft-dirty tracking");
	EXPECT_EQ(BRKSCOPE_COW_REUSE, scope_records[0].code);
}

TEST_F(class, touching_two_megabytes_for_huge_pages_is_one_huge)
{
	size_t huge = 2 * 1024 * 1024, i;
	char *map = mmap(NULL, 3 * huge, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, map);
	map = (char *)(((uintptr_t)map + huge - 1) & -huge);
	if (madvise(map, huge, MADV_HUGEPAGE))
		SKIP(return, "no huge pages: %s", strerror(errno));
	store(map + 12345);
	if (smaps_kilobytes(map, "AnonHugePages:") != 2048)
		SKIP(return, "the kernel had no huge page to give");
	for (i = 0; i < huge; i += self->page)
		store(map + i);
	ASSERT_EQ(1, class_faults(self->events, map, huge / self->page));
	EXPECT_EQ(BRKSCOPE_HUGE, scope_records[0].code);
	EXPECT_EQ((uintptr_t)map + 12345, scope_records[0].fault.addr);
}

TEST_F(class, a_write_to_read_only_memory_is_no_first_touch)
{
	int64_t touched;

	signal(SIGSEGV, class_jump_back);
	/* The handler's own pages are touched by a first run. */
	if (!sigsetjmp(class_back, 1))
		raise(SIGSEGV);
	ASSERT_EQ(0, mprotect(self->area, self->page, PROT_READ));
	touched = scope_settled(self->pid, "pages_touched");
	if (!sigsetjmp(class_back, 1)) {
		store(self->area);
		ASSERT_TRUE(false)
			TH_LOG("a write to read-only memory went through");
	}
	EXPECT_EQ(touched, scope_number(self->pid, "pages_touched"));
	if (class_faults(self->events, self->area, PAGES) > 0)
		EXPECT_EQ(BRKSCOPE_FAILED, scope_records[0].code);
}

TEST_F(class, an_access_beyond_the_end_of_a_file_is_failed)
{
	int64_t failed = scope_settled(self->pid, "fault_failed");
	char *map = map_file(self->file, MAP_SHARED);

	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, ftruncate(self->file, self->page));
	signal(SIGBUS, class_jump_back);
	if (!sigsetjmp(class_back, 1)) {
		store(map + 2 * self->page);
		ASSERT_TRUE(false)
			TH_LOG("a write beyond the end of a file went through");
	}
	EXPECT_EQ(failed + 1, scope_number(self->pid, "fault_failed"));
	ASSERT_EQ(1, class_faults(self->events, map, PAGES));
	EXPECT_EQ(BRKSCOPE_FAILED, scope_records[0].code);
	EXPECT_EQ((uintptr_t)map + 2 * self->page, scope_records[0].fault.addr);
	EXPECT_EQ(0, scope_miscounted(self->pid));
}

/* ---- NUMA balancing ---- */

#define BALANCING	"/proc/sys/kernel/numa_balancing"

static int put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	close(fd);
	return ok ? 0 : -1;
}

static void *wait_for_the_end(void *data)
{
	char none;

	return read(*(int *)data, &none, 1) ? NULL : data;
}

/* Writes to all pages again and again, until the kernel looks who does, or for 20 s. */
static int64_t write_until_seen(int events, char *area)
{
	uint64_t end = scope_now() + 20 * 1000000000ULL;
	ssize_t count = 0;
	int i;

	while (!count && scope_now() < end) {
		for (i = 0; i < 1000 * PAGES; i++)
			store(area + i % PAGES * scope_page_size());
		count = class_faults(events, area, PAGES);
	}
	return count;
}

TEST_F(class, a_write_that_NUMA_balancing_only_looks_at_copies_nothing)
{
	static char before[8];
	ssize_t count, i;
	pthread_t thread;
	int ends[2];

	if (scope_read_path(BALANCING, before, sizeof(before)) <= 0 || put(BALANCING, "1"))
		SKIP(return, "this kernel has no NUMA balancing");
	/* what one thread alone has on its own node is not looked at */
	ASSERT_EQ(0, pipe2(ends, O_CLOEXEC));
	ASSERT_EQ(0, pthread_create(&thread, NULL, wait_for_the_end, ends));
	for (i = 0; i < PAGES; i++)
		store(self->area + i * self->page);
	ASSERT_EQ(PAGES, class_faults(self->events, self->area, PAGES));
	count = write_until_seen(self->events, self->area);
	put(BALANCING, before);
	close(ends[1]);
	pthread_join(thread, NULL);
	if (!count)
		SKIP(return, "the kernel has not looked in 20 s");
	for (i = 0; i < count; i++)
		EXPECT_EQ(BRKSCOPE_SPURIOUS, scope_records[i].code);
	EXPECT_EQ(0, scope_miscounted(self->pid));
}

static bool have_swap(void)
{
	return scope_read_path("/proc/swaps", scope_text,
			       sizeof(scope_text)) > 0 &&
	       strstr(scope_text, "\n/");
}

/* A machine without swap gets some in compressed memory, for this test only. */
static bool make_swap(void)
{
	return !system("modprobe -q zram num_devices=1") &&
	       !system("echo 32M 2>/dev/null >/sys/block/zram0/disksize") &&
	       !system("mkswap /dev/zram0 >/dev/null 2>&1") &&
	       !system("swapon /dev/zram0");
}

static void drop_swap(void)
{
	if (system("swapoff /dev/zram0 && echo 1 >/sys/block/zram0/reset"))
		printf("# could not remove the swap on /dev/zram0\n");
}

TEST_F(class, touching_a_page_that_was_swapped_out_is_swap_in)
{
	bool made = !have_swap();
	uint64_t entry = 0;
	int i;

	if (made && !make_swap())
		SKIP(return, "no swap, and none can be made with zram");
	for (i = 0; i < PAGES; i++)
		store(self->area + i * self->page);
	ASSERT_EQ(PAGES, class_faults(self->events, self->area, PAGES));
	for (i = 0; i < 50 && !(entry >> 62 & 1); i++) {
		ASSERT_EQ(0, madvise(self->area, PAGES * self->page,
				     MADV_PAGEOUT));
		ASSERT_EQ(0, scope_pagemap(self->area + 9 * self->page, &entry));
	}
	if (entry >> 62 & 1)
		store(self->area + 9 * self->page);
	if (made)
		drop_swap();
	if (!(entry >> 62 & 1))
		SKIP(return, "the kernel did not swap the page out");
	ASSERT_EQ(1, class_faults(self->events, self->area, PAGES));
	EXPECT_EQ(BRKSCOPE_SWAP_IN, scope_records[0].code);
	EXPECT_EQ(0, scope_records[0].flags & BRKSCOPE_FAULT_FIRST);
	EXPECT_EQ(0, scope_miscounted(self->pid));
}

TEST_HARNESS_MAIN
