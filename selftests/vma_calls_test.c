// SPDX-License-Identifier: GPL-2.0-only
/*
 * vma_calls_test.c - does each way of changing a VMA reach mirror and records?
 *
 * Every variant of the fixture is one such way. After it the mirror must equal
 * maps, and the records since must turn the VMAs of before into those of now.
 */
#include <errno.h>
#include <fcntl.h>
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

static int merge_with_both_neighbours(void)
{
	char *middle = area + 12 * page;

	if (munmap(middle, 8 * page))
		return -errno;
	return mmap(middle, 8 * page, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) !=
		    middle || madvise(middle, 8 * page, MADV_NOHUGEPAGE) ?
		    -errno : 0;
}

static int munmap_of_many(void)
{
	int i;

	for (i = 0; i < PAGES; i += 2)
		if (mprotect(area + i * page, page, PROT_READ))
			return -errno;
	return munmap(area + 3 * page, 20 * page) ? -errno : 0;
}

static int mprotect_down_to_the_start(void)
{
	char *got = mmap((void *)0x220000000000, 8 * page, PROT_READ,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0);

	if (got == MAP_FAILED)
		return -errno;
	return mprotect(got + 6 * page, page, PROT_READ | PROT_WRITE | PROT_GROWSDOWN) ?
	       -errno : 0;
}

static int mlock_of_unaligned_bytes(void)
{
	return mlock(area + 5 * page - 1, 2) ? -errno : 0;
}

/* mbind reads its nodes from below a stack, which grows for it inside of the call. */
static int stack_growth_in_a_call(void)
{
	char *stack = mmap((void *)0x230000000000, 4 * page,
			   PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0);

	if (stack == MAP_FAILED)
		return -errno;
	/* 0: MPOL_DEFAULT */
	return syscall(SYS_mbind, area + 2 * page, 2 * page, 0, stack - 64, 64, 0) ?
	       -errno : 0;
}

static int brk_up(void)
{
	char *start = (char *)syscall(SYS_brk, 0);

	return syscall(SYS_brk, start + 9 * page) == (long)start + 9 * (long)page ? 0 : -ENOMEM;
}

static int brk_steps(void)
{
	char *start = (char *)syscall(SYS_brk, 0);
	int i;

	for (i = 1; i < 6; i++)
		if (syscall(SYS_brk, start + i * page / 2) != (long)(start + i * page / 2))
			return -ENOMEM;
	for (; i >= 0; i--)
		syscall(SYS_brk, start + i * page / 2);
	return 0;
}

static int fails(void)
{
	size_t huge = 1UL << 46;

	/* What comes before the hole is changed all the same. */
	if (munmap(area + 20 * page, page) || !mprotect(area + 8 * page, 20 * page, PROT_READ) ||
	    !munmap(area + 1, page) ||
	    mremap(area, page, 2 * page, 0) != MAP_FAILED ||
	    mmap(NULL, huge, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, 0x7fff, 1) !=
	    MAP_FAILED || mremap(area, 4 * page, 4 * page,
				 MREMAP_MAYMOVE | MREMAP_FIXED, area + page) !=
	    MAP_FAILED || !mlock((void *)-4096L, page))
		return -EDOM;
	return 0;
}

static int huge_pages(void)
{
	size_t huge = 2 * 1024 * 1024;
	char *got = mmap(NULL, 4 * huge, PROT_READ | PROT_WRITE, MAP_PRIVATE |
			 MAP_ANONYMOUS | MAP_HUGETLB | MAP_NORESERVE, -1, 0);

	if (got == MAP_FAILED)
		return -errno;
	if (mremap(got + 2 * huge, huge / 2, huge / 2, MREMAP_MAYMOVE |
		   MREMAP_FIXED, (void *)0x240000000000) == MAP_FAILED)
		return -errno;
	return munmap(got, huge) ? -errno : 0;
}

FIXTURE(call) {
	pid_t pid;
	int events;
};

FIXTURE_VARIANT(call) {
	int (*make)(void);
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

FIXTURE_VARIANT_ADD(call, merge_with_both_neighbours) {
	.make = merge_with_both_neighbours
};

FIXTURE_VARIANT_ADD(call, munmap_of_many) {
	.make = munmap_of_many
};

FIXTURE_VARIANT_ADD(call, mprotect_down_to_the_start) {
	.make = mprotect_down_to_the_start
};

FIXTURE_VARIANT_ADD(call, mlock_of_unaligned_bytes) {
	.make = mlock_of_unaligned_bytes
};

FIXTURE_VARIANT_ADD(call, stack_growth_in_a_call) {
	.make = stack_growth_in_a_call
};

FIXTURE_VARIANT_ADD(call, brk_up) {
	.make = brk_up
};

FIXTURE_VARIANT_ADD(call, brk_steps) {
	.make = brk_steps
};

FIXTURE_VARIANT_ADD(call, fails) {
	.make = fails
};

FIXTURE_VARIANT_ADD(call, huge_pages) {
	.make = huge_pages
};

FIXTURE_SETUP(call)
{
	scope_prepare();
	page = scope_page_size();
	self->pid = getpid();
	area = scope_area(PAGES);
	ASSERT_NE(NULL, area);
	ASSERT_EQ(0, scope_watch(self->pid));
	self->events = scope_events(self->pid, NULL);
	ASSERT_LE(0, self->events);
}

FIXTURE_TEARDOWN(call)
{
	close(self->events);
	scope_unwatch(self->pid);
	scope_ranged(true);
}

/* The records come first: reading PID/vmas makes the module look for itself. */
static const char *differs_after(FIXTURE_DATA(call) *self, int (*make)(void), int *error)
{
	const char *difference = replay_from_here(self->pid, self->events);
	ssize_t count;

	if (difference)
		return difference;
	*error = make();
	if (*error)
		return NULL;
	difference = replay_differs(self->pid, self->events, &count);
	return difference ?: mirror_differs(self->pid);
}

static bool cannot(int error)
{
	return error == -ENOSYS || error == -EINVAL || error == -EPERM;
}

TEST_F(call, leaves_replayed_records_and_mirror_equal_to_maps)
{
	const char *difference;
	int error = 0;

	difference = differs_after(self, variant->make, &error);
	EXPECT_EQ(NULL, difference)
		TH_LOG("%s", difference);
	if (cannot(error))
		SKIP(return, "this kernel or machine cannot: %s",
		     strerror(-error));
	EXPECT_EQ(0, error);
}

TEST_F_TIMEOUT(call, does_so_among_3000_other_areas, 120)
{
	const char *difference;
	int error = 0;

	ASSERT_NE(NULL, scope_crowd(3000));
	ASSERT_TRUE(mirror_is_complete(self->pid));
	difference = differs_after(self, variant->make, &error);
	EXPECT_EQ(NULL, difference)
		TH_LOG("%s", difference);
	if (cannot(error))
		SKIP(return, "this kernel or machine cannot: %s",
		     strerror(-error));
	EXPECT_EQ(0, error);
}

TEST_F(call, does_so_when_the_module_does_not_know_where_to_look)
{
	const char *difference;
	int error = 0;

	ASSERT_EQ(0, scope_ranged(false));
	difference = differs_after(self, variant->make, &error);
	EXPECT_EQ(NULL, difference)
		TH_LOG("%s", difference);
	if (cannot(error))
		SKIP(return, "this kernel or machine cannot: %s",
		     strerror(-error));
	EXPECT_EQ(0, error);
}

TEST_HARNESS_MAIN
