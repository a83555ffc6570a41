// SPDX-License-Identifier: GPL-2.0-only
/*
 * fault_class_test.c - is what the kernel did about an access named rightly?
 *
 * Each test forces one class of fault by what it asks of the kernel.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
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

#define PAGES	32

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

static ssize_t new_faults(int events, const char *from, size_t pages)
{
	ssize_t count = scope_drain(events, scope_records, SCOPE_RECORDS);

	if (count < 0)
		return count;
	return scope_keep(scope_records, count, BRKSCOPE_FAULT, (uintptr_t)from,
			  (uintptr_t)from + pages * scope_page_size());
}

static void store(volatile char *to)
{
	*to = 1;
}

static void load(volatile const char *from)
{
	(void)*from;
}

static char *map_file(int file, int flags)
{
	return mmap(NULL, PAGES * scope_page_size(), PROT_READ | PROT_WRITE,
		    flags, file, 0);
}

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
	ASSERT_EQ(4, new_faults(self->events, self->area, PAGES));
	for (i = 0; i < 4; i++)
		store(self->area + i * self->page + 7);
	ASSERT_EQ(4, new_faults(self->events, self->area, PAGES));
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
	ASSERT_EQ(4, new_faults(self->events, self->area, PAGES));
	for (i = 0; i < 4; i++)
		scope_pagemap(self->area + i * self->page, &before[i]);
	for (i = 0; i < 4; i++)
		store(self->area + i * self->page);
	for (i = 0; i < 4; i++)
		scope_pagemap(self->area + i * self->page, &after[i]);
	ASSERT_EQ(4, new_faults(self->events, self->area, PAGES));
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
	ASSERT_EQ(8, new_faults(self->events, self->area, PAGES));
	child = child_start();
	ASSERT_LE(0, child);
	if (!child) {
		for (i = 0; i < PAGES; i++)
			store(self->area + i * self->page);
		_exit(0);
	}
	ASSERT_EQ(child, waitpid(child, NULL, 0));
	EXPECT_EQ(0, new_faults(self->events, self->area, PAGES));
}

TEST_F(class, reading_a_private_file_in_memory_is_file_minor)
{
	char *map = map_file(self->file, MAP_PRIVATE);

	ASSERT_NE(MAP_FAILED, map);
	load(map + 5 * self->page);
	ASSERT_EQ(1, new_faults(self->events, map, PAGES));
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
	ASSERT_EQ(1, new_faults(self->events, map, PAGES));
	EXPECT_EQ(BRKSCOPE_COW_COPY, scope_records[0].code);

	load(map + 20 * self->page);
	store(map + 20 * self->page);
	count = new_faults(self->events, map, PAGES);
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
	ASSERT_EQ(3, new_faults(self->events, map, PAGES));
	for (i = 0; i < 3; i++)
		EXPECT_EQ(BRKSCOPE_SHARED, scope_records[i].code);
}

TEST_F(class, a_shared_file_is_shared)
{
	char *map = map_file(self->file, MAP_SHARED);

	ASSERT_NE(MAP_FAILED, map);
	store(map + 4 * self->page);
	ASSERT_LE(1, new_faults(self->events, map, PAGES));
	EXPECT_EQ(BRKSCOPE_SHARED, scope_records[0].code);
}

TEST_F(class, a_write_to_a_shared_page_made_read_only_is_write_protect)
{
	char *map = map_file(-1, MAP_SHARED | MAP_ANONYMOUS);
	int fd = open("/proc/self/clear_refs", O_WRONLY);

	ASSERT_NE(MAP_FAILED, map);
	store(map);
	ASSERT_EQ(1, new_faults(self->events, map, PAGES));
	/* Soft-dirty tracking makes written pages read-only once more. */
	ASSERT_EQ(1, write(fd, "4", 1));
	store(map);
	if (new_faults(self->events, map, PAGES) == 0)
		SKIP(return, "this kernel has no soft-dirty tracking");
	EXPECT_EQ(BRKSCOPE_WRITE_PROTECT, scope_records[0].code);
	EXPECT_EQ(0, scope_records[0].flags & BRKSCOPE_FAULT_FIRST);
}

TEST_F(class, a_write_to_an_own_page_made_read_only_is_cow_reuse)
{
	int fd = open("/proc/self/clear_refs", O_WRONLY);

	store(self->area);
	ASSERT_EQ(1, new_faults(self->events, self->area, PAGES));
	ASSERT_EQ(1, write(fd, "4", 1));
	store(self->area);
	if (new_faults(self->events, self->area, PAGES) == 0)
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
	ASSERT_EQ(1, new_faults(self->events, map, huge / self->page));
	EXPECT_EQ(BRKSCOPE_HUGE, scope_records[0].code);
	EXPECT_EQ((uintptr_t)map + 12345, scope_records[0].fault.addr);
}

static sigjmp_buf back;

static void jump_back(int signal)
{
	siglongjmp(back, signal);
}

TEST_F(class, a_write_to_read_only_memory_is_no_first_touch)
{
	int64_t touched;

	signal(SIGSEGV, jump_back);
	/* The handler's own pages are touched by a first run. */
	if (!sigsetjmp(back, 1))
		raise(SIGSEGV);
	ASSERT_EQ(0, mprotect(self->area, self->page, PROT_READ));
	touched = scope_settled(self->pid, "pages_touched");
	if (!sigsetjmp(back, 1)) {
		store(self->area);
		ASSERT_TRUE(false)
			TH_LOG("a write to read-only memory went through");
	}
	EXPECT_EQ(touched, scope_number(self->pid, "pages_touched"));
	if (new_faults(self->events, self->area, PAGES) > 0)
		EXPECT_EQ(BRKSCOPE_FAILED, scope_records[0].code);
}

TEST_F(class, an_access_beyond_the_end_of_a_file_is_failed)
{
	int64_t failed = scope_settled(self->pid, "fault_failed");
	char *map = map_file(self->file, MAP_SHARED);

	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, ftruncate(self->file, self->page));
	signal(SIGBUS, jump_back);
	if (!sigsetjmp(back, 1)) {
		store(map + 2 * self->page);
		ASSERT_TRUE(false)
			TH_LOG("a write beyond the end of a file went through");
	}
	EXPECT_EQ(failed + 1, scope_number(self->pid, "fault_failed"));
	ASSERT_EQ(1, new_faults(self->events, map, PAGES));
	EXPECT_EQ(BRKSCOPE_FAILED, scope_records[0].code);
	EXPECT_EQ((uintptr_t)map + 2 * self->page, scope_records[0].fault.addr);
	EXPECT_EQ(0, scope_miscounted(self->pid));
}

#define ANSWER_AFTER_NS	100000000L

static void *answer_one_fault(void *data)
{
	struct timespec pause = { .tv_nsec = ANSWER_AFTER_NS };
	int fd = *(int *)data;
	struct uffdio_zeropage zero = {};
	struct uffd_msg message;

	if (read(fd, &message, sizeof(message)) != sizeof(message))
		return NULL;
	nanosleep(&pause, NULL);
	zero.range.start = message.arg.pagefault.address & -scope_page_size();
	zero.range.len = scope_page_size();
	ioctl(fd, UFFDIO_ZEROPAGE, &zero);
	return data;
}

TEST_F(class, a_fault_that_waits_for_an_answer_is_one_record_retried)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = {
		.range = { (uintptr_t)self->area, PAGES * self->page },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);
	pthread_t thread;

	if (fd < 0)
		SKIP(return, "no userfaultfd: %s", strerror(errno));
	ASSERT_EQ(0, ioctl(fd, UFFDIO_API, &api));
	ASSERT_EQ(0, ioctl(fd, UFFDIO_REGISTER, &range));
	ASSERT_EQ(0, pthread_create(&thread, NULL, answer_one_fault, &fd));
	load(self->area + 2 * self->page);
	ASSERT_EQ(0, pthread_join(thread, NULL));
	ASSERT_EQ(1, new_faults(self->events, self->area, PAGES));
	EXPECT_EQ(BRKSCOPE_FIRST_READ, scope_records[0].code);
	EXPECT_NE(0, scope_records[0].flags & BRKSCOPE_FAULT_RETRIED);
	EXPECT_EQ((uintptr_t)self->area + 2 * self->page,
		  scope_records[0].fault.addr);
	EXPECT_LE((uint64_t)ANSWER_AFTER_NS, scope_records[0].fault.latency);
	EXPECT_EQ(0, scope_miscounted(self->pid));
}

/* Waits for a fault; then the file has no such page any more. */
static void *cut_the_file(void *data)
{
	int *fds = data;
	struct uffd_msg message;
	struct uffdio_range range = { .len = scope_page_size() };

	if (read(fds[0], &message, sizeof(message)) != sizeof(message) ||
	    ftruncate(fds[1], 0))
		return NULL;
	range.start = message.arg.pagefault.address & -scope_page_size();
	ioctl(fds[0], UFFDIO_WAKE, &range);
	return data;
}

/* Return: a userfaultfd for all of @map, or -1 */
static int userfault_on(char *map, uint64_t mode, uint64_t features)
{
	struct uffdio_api api = { .api = UFFD_API, .features = features };
	struct uffdio_register range = {
		.range = { (uintptr_t)map, PAGES * scope_page_size() }, .mode = mode,
	};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);

	return fd < 0 || ioctl(fd, UFFDIO_API, &api) ||
	       ioctl(fd, UFFDIO_REGISTER, &range) ? -1 : fd;
}

TEST_F(class, a_fault_that_fails_after_a_wait_is_failed_and_not_major)
{
	int64_t major = scope_number(self->pid, "faults_major");
	char *map = map_file(self->file, MAP_SHARED);
	int fds[2] = { -1, self->file };
	pthread_t thread;

	ASSERT_NE(MAP_FAILED, map);
	/* shared, so of the page cache: a new hole for each page */
	ASSERT_EQ(0, ftruncate(self->file, 0));
	ASSERT_EQ(0, ftruncate(self->file, PAGES * self->page));
	fds[0] = userfault_on(map, UFFDIO_REGISTER_MODE_MISSING, 0);
	if (fds[0] < 0)
		SKIP(return, "no userfaultfd for files in memory: %s", strerror(errno));
	ASSERT_EQ(0, pthread_create(&thread, NULL, cut_the_file, fds));
	signal(SIGBUS, jump_back);
	if (!sigsetjmp(back, 1))
		load(map + 3 * self->page);
	signal(SIGBUS, SIG_DFL);
	ASSERT_EQ(0, pthread_join(thread, NULL));
	ASSERT_EQ(1, new_faults(self->events, map, PAGES));
	EXPECT_EQ(BRKSCOPE_FAILED, scope_records[0].code);
	EXPECT_NE(0, scope_records[0].flags & BRKSCOPE_FAULT_RETRIED);
	EXPECT_EQ(0, scope_records[0].flags & BRKSCOPE_FAULT_MAJOR);
	/* getrusage does not count a fault that failed */
	EXPECT_EQ(major, scope_number(self->pid, "faults_major"));
	close(fds[0]);
}

/* A mark of userfaultfd's in the page table is no page, and not in swap. */
TEST_F(class, a_page_that_is_only_marked_is_as_if_nothing_were_there)
{
	char *map = map_file(self->file, MAP_SHARED);
	struct uffdio_writeprotect mark = { .mode = UFFDIO_WRITEPROTECT_MODE_WP };
	int fd;

	ASSERT_NE(MAP_FAILED, map);
	fd = userfault_on(map, UFFDIO_REGISTER_MODE_WP, UFFD_FEATURE_WP_HUGETLBFS_SHMEM);
	if (fd < 0)
		SKIP(return, "no userfaultfd that marks files in memory: %s", strerror(errno));
	mark.range.start = (uintptr_t)map;
	mark.range.len = PAGES * self->page;
	ASSERT_EQ(0, ioctl(fd, UFFDIO_WRITEPROTECT, &mark));
	load(map + 2 * self->page);
	ASSERT_EQ(1, new_faults(self->events, map, PAGES));
	EXPECT_EQ(BRKSCOPE_SHARED, scope_records[0].code);
	close(fd);
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
		count = new_faults(events, area, PAGES);
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
	ASSERT_EQ(PAGES, new_faults(self->events, self->area, PAGES));
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
	ASSERT_EQ(PAGES, new_faults(self->events, self->area, PAGES));
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
	ASSERT_EQ(1, new_faults(self->events, self->area, PAGES));
	EXPECT_EQ(BRKSCOPE_SWAP_IN, scope_records[0].code);
	EXPECT_EQ(0, scope_records[0].flags & BRKSCOPE_FAULT_FIRST);
	EXPECT_EQ(0, scope_miscounted(self->pid));
}

TEST_HARNESS_MAIN
