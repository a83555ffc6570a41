// SPDX-License-Identifier: GPL-2.0-only
/*
 * vma_calls_test.c - does each way of changing a VMA reach mirror and records?
 *
 * Every variant of the fixture is one such way. After it the mirror must equal
 * maps, and the records since must turn the VMAs of before into those of now.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <linux/userfaultfd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "brkscope_test.h"

#define PAGES	32

/* Where the calls work: PAGES pages of private memory, a page apart from others. */
static char *area;
static size_t page;
static char directory[sizeof("/tmp/brkscope_vma_XXXXXX")];

static int map_file(const char *name, int prot, int flags, int unlink_first)
{
	char path[512];
	void *got;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, 8 * page))
		return -errno;
	if (unlink_first)
		unlink(path);
	got = mmap(NULL, 3 * page, prot, flags, fd, 2 * page);
	close(fd);
	return got == MAP_FAILED ? -errno : 0;
}

static int file_private(void)
{
	return map_file("plain", PROT_READ, MAP_PRIVATE, 0);
}

static int file_shared(void)
{
	return map_file("shared", PROT_READ | PROT_WRITE, MAP_SHARED, 0);
}

static int file_deleted(void)
{
	return map_file("gone", PROT_READ, MAP_PRIVATE, 1);
}

static int name_with_spaces(void)
{
	return map_file("  a name  with spaces ", PROT_READ, MAP_PRIVATE, 0);
}

static int name_with_newline(void)
{
	return map_file("two\nlines\tand\\more", PROT_READ, MAP_PRIVATE, 0);
}

static int name_of_200_bytes(void)
{
	char name[201];

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	return map_file(name, PROT_READ, MAP_PRIVATE, 0);
}

static int anonymous_shared(void)
{
	return mmap(NULL, 5 * page, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -errno : 0;
}

static int fixed_over_existing(void)
{
	return mmap(area + 3 * page, 5 * page, PROT_READ,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
		    MAP_FAILED ? -errno : 0;
}

static int fixed_over_a_hole_and_two_areas(void)
{
	if (munmap(area + 8 * page, 4 * page))
		return -errno;
	return mmap(area + 6 * page, 10 * page, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
		    MAP_FAILED ? -errno : 0;
}

static int munmap_hole(void)
{
	return munmap(area + 4 * page, 2 * page) ? -errno : 0;
}

static int mprotect_split_and_merge(void)
{
	if (mprotect(area + 9 * page, 2 * page, PROT_READ) ||
	    mprotect(area + 9 * page, 2 * page, PROT_READ | PROT_WRITE))
		return -errno;
	return 0;
}

static int mprotect_many(void)
{
	int i;

	for (i = 0; i < PAGES; i += 2)
		if (mprotect(area + i * page, page, PROT_NONE))
			return -errno;
	return mprotect(area, PAGES * page, PROT_READ) ? -errno : 0;
}

static int pkey_protect(void)
{
	/* Key -1 is the plain mprotect by another number. */
	return syscall(SYS_pkey_mprotect, area, 4 * page, PROT_READ, -1) ?
	       -errno : 0;
}

static int mremap_move(void)
{
	return mremap(area + 4 * page, 4 * page, 40 * page, MREMAP_MAYMOVE) ==
	       MAP_FAILED ? -errno : 0;
}

static int mremap_keep_old(void)
{
	/* The C library leaves the last argument undefined here. */
	return syscall(SYS_mremap, area + 4 * page, 4 * page, 4 * page,
		       MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0) < 0 ? -errno : 0;
}

static int mlock_part(void)
{
	return mlock(area + 2 * page, 3 * page) ? -errno : 0;
}

static int mlock_and_unlock(void)
{
	return mlock2(area + 2 * page, 3 * page, MLOCK_ONFAULT) ||
	       munlock(area + 3 * page, page) ? -errno : 0;
}

static int mlock_all(void)
{
	return mlockall(MCL_CURRENT | MCL_ONFAULT) || munlockall() ? -errno : 0;
}

static int madvise_each(void)
{
	static const int advice[] = {
		MADV_HUGEPAGE, MADV_DONTFORK, MADV_DONTDUMP, MADV_WIPEONFORK,
		MADV_MERGEABLE, MADV_RANDOM,
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(advice); i++)
		if (madvise(area + 3 * i * page, 2 * page, advice[i]) &&
		    errno != EINVAL)
			return -errno;
	return 0;
}

static int memory_policy(void)
{
	unsigned long nodes = 1;

	/* 2: MPOL_BIND. A policy of its own splits the VMA. */
	return syscall(SYS_mbind, area + 4 * page, 4 * page, 2, &nodes, 64, 0) ?
	       -errno : 0;
}

static int sysv_memory(void)
{
	int id = shmget(IPC_PRIVATE, 6 * page, IPC_CREAT | 0600);
	void *at;

	if (id < 0)
		return -errno;
	at = shmat(id, NULL, 0);
	shmctl(id, IPC_RMID, NULL);
	return at == (void *)-1 ? -errno : 0;
}

static int sysv_memory_detached(void)
{
	int id = shmget(IPC_PRIVATE, 6 * page, IPC_CREAT | 0600);
	void *at;

	if (id < 0)
		return -errno;
	at = shmat(id, NULL, SHM_RDONLY);
	shmctl(id, IPC_RMID, NULL);
	return at == (void *)-1 || shmdt(at) ? -errno : 0;
}

static int remap_pages(void)
{
	char *got = mmap(NULL, 4 * page, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (got == MAP_FAILED)
		return -errno;
	return syscall(SYS_remap_file_pages, got, page, 0, 2, 0) ? -errno : 0;
}

static int userfault_register(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = {
		.range = { (uintptr_t)area + 4 * page, 4 * page },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return ioctl(fd, UFFDIO_API, &api) ||
	       ioctl(fd, UFFDIO_REGISTER, &range) ? -errno : 0;
}

static int userfault_closed(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = {
		.range = { (uintptr_t)area + 4 * page, 4 * page },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return ioctl(fd, UFFDIO_API, &api) ||
	       ioctl(fd, UFFDIO_REGISTER, &range) || close(fd) ? -errno : 0;
}

static int name_anonymous(void)
{
	return prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, area + 2 * page,
		     2 * page, "a name of its own") ? -errno : 0;
}

static int perf_buffer(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE, .size = sizeof(attr),
		.config = PERF_COUNT_SW_DUMMY,
	};
	int fd = syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);

	if (fd < 0)
		return -errno;
	return mmap(NULL, 3 * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) ==
	       MAP_FAILED ? -errno : 0;
}

static int stack_growth(void)
{
	volatile char room[1024 * 1024];
	size_t i;

	for (i = sizeof(room); i > page; i -= page)
		room[i - page] = 1;
	return 0;
}

static int growsdown_area(void)
{
	char *got = mmap(NULL, 64 * page, PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	/* The kernel keeps a gap of 256 pages below: give it room, then grow. */
	munmap(got, 64 * page);
	got = mmap((void *)0x200000000000, 4 * page, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0);
	if (got == MAP_FAILED)
		return -errno;
	got[0] = 1;
	got[-(long)page] = 1;
	return 0;
}

static int kernel_grows_the_stack(void)
{
	char *got = mmap((void *)0x210000000000, 4 * page,
			 PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0);
	int ends[2];

	if (got == MAP_FAILED || pipe2(ends, O_CLOEXEC) ||
	    write(ends[1], "grow", 4) != 4)
		return -errno;
	return read(ends[0], got - page, 4) == 4 ? 0 : -errno;
}

static int call_by_the_32_bit_gate(void)
{
#ifdef __x86_64__
	long result;

	/* mmap2 is 192 there; only the low 4 GiB can be returned. */
	__asm__ volatile("push %%rbp\n\txor %%ebp, %%ebp\n\tint $0x80\n\tpop %%rbp"
			 : "=a"(result)
			 : "a"(192), "b"(0), "c"(4 * page),
			   "d"(PROT_READ | PROT_WRITE),
			   "S"(MAP_PRIVATE | MAP_ANONYMOUS), "D"(-1)
			 : "memory", "r8", "r9", "r10", "r11");
	result = (int)result;
	return result < 0 && result > -4096 ? result : 0;
#else
	return -ENOSYS;
#endif
}

static int heap_gone_and_back(void)
{
	static char saved[1024 * 1024];
	char *start = (char *)scope_stat(getpid(), 47);
	char *now = (char *)syscall(SYS_brk, 0);
	size_t size = now - start;

	/* The C library's heap must survive. */
	if (size > sizeof(saved))
		return -ENOSPC;
	memcpy(saved, start, size);
	syscall(SYS_brk, start);
	if (syscall(SYS_brk, now) != (long)now)
		return -ENOMEM;
	memcpy(start, saved, size);
	return 0;
}

FIXTURE(call) {
	pid_t pid;
	int events;
};

FIXTURE_VARIANT(call) {
	int (*make)(void);
};

FIXTURE_VARIANT_ADD(call, file_private) {
	.make = file_private
};

FIXTURE_VARIANT_ADD(call, file_shared) {
	.make = file_shared
};

FIXTURE_VARIANT_ADD(call, file_deleted) {
	.make = file_deleted
};

FIXTURE_VARIANT_ADD(call, name_with_spaces) {
	.make = name_with_spaces
};

FIXTURE_VARIANT_ADD(call, name_with_newline) {
	.make = name_with_newline
};

FIXTURE_VARIANT_ADD(call, name_of_200_bytes) {
	.make = name_of_200_bytes
};

FIXTURE_VARIANT_ADD(call, anonymous_shared) {
	.make = anonymous_shared
};

FIXTURE_VARIANT_ADD(call, fixed_over_existing) {
	.make = fixed_over_existing
};

FIXTURE_VARIANT_ADD(call, fixed_over_a_hole_and_two_areas) {
	.make = fixed_over_a_hole_and_two_areas
};

FIXTURE_VARIANT_ADD(call, munmap_hole) {
	.make = munmap_hole
};

FIXTURE_VARIANT_ADD(call, mprotect_split_and_merge) {
	.make = mprotect_split_and_merge
};

FIXTURE_VARIANT_ADD(call, mprotect_many) {
	.make = mprotect_many
};

FIXTURE_VARIANT_ADD(call, pkey_protect) {
	.make = pkey_protect
};

FIXTURE_VARIANT_ADD(call, mremap_move) {
	.make = mremap_move
};

FIXTURE_VARIANT_ADD(call, mremap_keep_old) {
	.make = mremap_keep_old
};

FIXTURE_VARIANT_ADD(call, mlock_part) {
	.make = mlock_part
};

FIXTURE_VARIANT_ADD(call, mlock_and_unlock) {
	.make = mlock_and_unlock
};

FIXTURE_VARIANT_ADD(call, mlock_all) {
	.make = mlock_all
};

FIXTURE_VARIANT_ADD(call, madvise_each) {
	.make = madvise_each
};

FIXTURE_VARIANT_ADD(call, memory_policy) {
	.make = memory_policy
};

FIXTURE_VARIANT_ADD(call, sysv_memory) {
	.make = sysv_memory
};

FIXTURE_VARIANT_ADD(call, sysv_memory_detached) {
	.make = sysv_memory_detached
};

FIXTURE_VARIANT_ADD(call, remap_pages) {
	.make = remap_pages
};

FIXTURE_VARIANT_ADD(call, userfault_register) {
	.make = userfault_register
};

FIXTURE_VARIANT_ADD(call, userfault_closed) {
	.make = userfault_closed
};

FIXTURE_VARIANT_ADD(call, name_anonymous) {
	.make = name_anonymous
};

FIXTURE_VARIANT_ADD(call, perf_buffer) {
	.make = perf_buffer
};

FIXTURE_VARIANT_ADD(call, stack_growth) {
	.make = stack_growth
};

FIXTURE_VARIANT_ADD(call, growsdown_area) {
	.make = growsdown_area
};

FIXTURE_VARIANT_ADD(call, kernel_grows_the_stack) {
	.make = kernel_grows_the_stack
};

FIXTURE_VARIANT_ADD(call, call_by_the_32_bit_gate) {
	.make = call_by_the_32_bit_gate
};

FIXTURE_VARIANT_ADD(call, heap_gone_and_back) {
	.make = heap_gone_and_back
};

FIXTURE_SETUP(call)
{
	scope_prepare();
	page = scope_page_size();
	self->pid = getpid();
	strcpy(directory, "/tmp/brkscope_vma_XXXXXX");
	ASSERT_NE(NULL, mkdtemp(directory));
	area = scope_area(PAGES);
	ASSERT_NE(NULL, area);
	ASSERT_EQ(0, scope_watch(self->pid));
	self->events = scope_events(self->pid, NULL);
	ASSERT_LE(0, self->events);
}

FIXTURE_TEARDOWN(call)
{
	char command[64];

	close(self->events);
	scope_unwatch(self->pid);
	snprintf(command, sizeof(command), "rm -rf %s", directory);
	if (system(command))
		TH_LOG("could not remove %s", directory);
}

TEST_F(call, leaves_mirror_and_replayed_records_equal_to_maps)
{
	const char *difference = mirror_differs(self->pid);
	ssize_t count;
	size_t i;
	int error;

	ASSERT_EQ(NULL, difference)
		TH_LOG("before: %s", difference);
	count = scope_drain(self->events, scope_records, SCOPE_RECORDS);
	ASSERT_LE(0, count);
	replay_begin(&scope_replay, &scope_maps);
	replay_names(&scope_replay, scope_records, count);

	error = variant->make();
	if (error == -ENOSYS || error == -EINVAL || error == -EPERM)
		SKIP(return, "this kernel or machine cannot: %s",
		     strerror(-error));
	ASSERT_EQ(0, error);

	difference = mirror_differs(self->pid);
	EXPECT_EQ(NULL, difference)
		TH_LOG("mirror, %s", difference);

	count = scope_drain(self->events, scope_records, SCOPE_RECORDS);
	ASSERT_LE(0, count);
	replay_records(&scope_replay, scope_records, count);
	EXPECT_STREQ("", scope_replay.error);
	ASSERT_EQ(0, maps_read(self->pid, &scope_maps));
	/* Records carry no file offset. */
	for (i = 0; i < scope_maps.count; i++)
		scope_maps.area[i].offset = 0;
	for (i = 0; i < scope_replay.areas.count; i++)
		scope_replay.areas.area[i].offset = 0;
	difference = areas_differ(&scope_maps, &scope_replay.areas);
	EXPECT_EQ(NULL, difference)
		TH_LOG("replay, %s", difference);
}

TEST_HARNESS_MAIN
