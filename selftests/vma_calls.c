// SPDX-License-Identifier: GPL-2.0-only
/*
 * vma_calls.c - by what calls can a process change its VMAs?
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

#include "brkscope_test.h"
#include "vma_calls.h"

#define PAGES	32

/* Where the calls work: PAGES pages of private memory, a page apart from others. */
static char *area;
static size_t page;

/** calls_prepare() - make what the calls work on; return 0 or -errno */
int calls_prepare(void)
{
	page = scope_page_size();
	area = scope_area(PAGES);
	return area ? 0 : -errno;
}

int fixed_over_existing(void)
{
	return mmap(area + 3 * page, 5 * page, PROT_READ,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
		    MAP_FAILED ? -errno : 0;
}

int fixed_over_a_hole_and_two_areas(void)
{
	if (munmap(area + 8 * page, 4 * page))
		return -errno;
	return mmap(area + 6 * page, 10 * page, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
		    MAP_FAILED ? -errno : 0;
}

int munmap_hole(void)
{
	return munmap(area + 4 * page, 2 * page) ? -errno : 0;
}

int mprotect_split_and_merge(void)
{
	if (mprotect(area + 9 * page, 2 * page, PROT_READ) ||
	    mprotect(area + 9 * page, 2 * page, PROT_READ | PROT_WRITE))
		return -errno;
	return 0;
}

int mprotect_many(void)
{
	int i;

	for (i = 0; i < PAGES; i += 2)
		if (mprotect(area + i * page, page, PROT_NONE))
			return -errno;
	return mprotect(area, PAGES * page, PROT_READ) ? -errno : 0;
}

int pkey_protect(void)
{
	/* Key -1 is the plain mprotect by another number. */
	return syscall(SYS_pkey_mprotect, area, 4 * page, PROT_READ, -1) ?
	       -errno : 0;
}

int mremap_move(void)
{
	return mremap(area + 4 * page, 4 * page, 40 * page, MREMAP_MAYMOVE) ==
	       MAP_FAILED ? -errno : 0;
}

int mremap_keep_old(void)
{
	/* The C library leaves the last argument undefined here. */
	return syscall(SYS_mremap, area + 4 * page, 4 * page, 4 * page,
		       MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0) < 0 ? -errno : 0;
}

int mlock_part(void)
{
	return mlock(area + 2 * page, 3 * page) ? -errno : 0;
}

int mlock_and_unlock(void)
{
	return mlock2(area + 2 * page, 3 * page, MLOCK_ONFAULT) ||
	       munlock(area + 3 * page, page) ? -errno : 0;
}

int mlock_all(void)
{
	return mlockall(MCL_CURRENT | MCL_ONFAULT) || munlockall() ? -errno : 0;
}

int madvise_each(void)
{
	static const int advice[] = {
		MADV_HUGEPAGE, MADV_DONTFORK, MADV_DONTDUMP, MADV_WIPEONFORK,
		MADV_MERGEABLE, MADV_RANDOM,
	};
	size_t i;

	for (i = 0; i < sizeof(advice) / sizeof(*advice); i++)
		if (madvise(area + 3 * i * page, 2 * page, advice[i]) &&
		    errno != EINVAL)
			return -errno;
	return 0;
}

int memory_policy(void)
{
	unsigned long nodes = 1;

	/* 2: MPOL_BIND. A policy of its own splits the VMA. */
	return syscall(SYS_mbind, area + 4 * page, 4 * page, 2, &nodes, 64, 0) ?
	       -errno : 0;
}

/* Attaches pages that go with their last user. Return: where, or MAP_FAILED. */
static char *sysv_attach(size_t pages, int flags)
{
	int id = shmget(IPC_PRIVATE, pages * page, IPC_CREAT | 0600);
	void *at;

	if (id < 0)
		return MAP_FAILED;
	at = shmat(id, NULL, flags);
	shmctl(id, IPC_RMID, NULL);
	return at;
}

int sysv_memory(void)
{
	return sysv_attach(6, 0) == MAP_FAILED ? -errno : 0;
}

int sysv_memory_detached(void)
{
	char *at = sysv_attach(6, SHM_RDONLY);

	return at == MAP_FAILED || shmdt(at) ? -errno : 0;
}

/* Detached are the pieces that are left, the first of them not at the address given. */
int sysv_memory_detached_in_pieces(void)
{
	char *at = sysv_attach(8, 0);

	if (at == MAP_FAILED || munmap(at, page) ||
	    mprotect(at + 3 * page, page, PROT_READ) || munmap(at + 5 * page, page))
		return -errno;
	return shmdt(at) ? -errno : 0;
}

int remap_pages(void)
{
	char *got = mmap(NULL, 4 * page, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (got == MAP_FAILED)
		return -errno;
	return syscall(SYS_remap_file_pages, got, page, 0, 2, 0) ? -errno : 0;
}

/* Return: a userfaultfd for some of the area, or -1. */
static int userfault_open(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = {
		.range = { (uintptr_t)area + 4 * page, 4 * page },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);

	return fd < 0 || ioctl(fd, UFFDIO_API, &api) ||
	       ioctl(fd, UFFDIO_REGISTER, &range) ? -1 : fd;
}

int userfault_register(void)
{
	return userfault_open() < 0 ? -errno : 0;
}

int userfault_closed(void)
{
	int fd = userfault_open();

	return fd < 0 || close(fd) ? -errno : 0;
}

int stack_growth(void)
{
	volatile char room[1024 * 1024];
	size_t i;

	for (i = sizeof(room); i > page; i -= page)
		room[i - page] = 1;
	return 0;
}

int growsdown_area(void)
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

int kernel_grows_the_stack(void)
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

int call_by_the_32_bit_gate(void)
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

int heap_gone_and_back(void)
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

int merge_with_both_neighbours(void)
{
	char *middle = area + 12 * page;

	if (munmap(middle, 8 * page))
		return -errno;
	return mmap(middle, 8 * page, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) !=
		    middle || madvise(middle, 8 * page, MADV_NOHUGEPAGE) ?
		    -errno : 0;
}

int munmap_of_many(void)
{
	int i;

	for (i = 0; i < PAGES; i += 2)
		if (mprotect(area + i * page, page, PROT_READ))
			return -errno;
	return munmap(area + 3 * page, 20 * page) ? -errno : 0;
}

int mprotect_down_to_the_start(void)
{
	char *got = mmap((void *)0x220000000000, 8 * page, PROT_READ,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0);

	if (got == MAP_FAILED)
		return -errno;
	return mprotect(got + 6 * page, page, PROT_READ | PROT_WRITE | PROT_GROWSDOWN) ?
	       -errno : 0;
}

int mlock_of_unaligned_bytes(void)
{
	return mlock(area + 5 * page - 1, 2) ? -errno : 0;
}

/* mbind reads its nodes from below a stack, which grows for it inside of the call. */
int stack_growth_in_a_call(void)
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

int brk_up(void)
{
	char *start = (char *)syscall(SYS_brk, 0);

	return syscall(SYS_brk, start + 9 * page) == (long)start + 9 * (long)page ? 0 : -ENOMEM;
}

int brk_steps(void)
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

int fails(void)
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

int huge_pages(void)
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
