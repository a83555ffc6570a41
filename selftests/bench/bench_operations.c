// SPDX-License-Identifier: GPL-2.0-only
/*
 * In what address space is a memory operation measured, and what does it do?
 */
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench_memory.h"

#define HOLE_PAGES	64
#define AROUND_PAGES	16	/* what the kernel maps of a file around a fault */
#define FILE_PAGES	(256 * AROUND_PAGES)
#define FILE_AT		((void *)0x200000000UL)

static char *hole;		/* HOLE_PAGES free pages in the midst of the VMAs */
static char *work;		/* memory of the present operation */
static size_t work_size;
static uintptr_t heap_end;
static int file_fd;

/* [vsyscall] is listed among them and is none. */
static unsigned long count_vmas(void)
{
	static char text[65536];
	int fd = open("/proc/self/maps", O_RDONLY);
	unsigned long lines = 0;
	ssize_t n, i;

	while ((n = read(fd, text, sizeof(text) - 1)) > 0) {
		for (i = 0; i < n; i++)
			lines += text[i] == '\n';
		text[n] = 0;
		if (strstr(text, "[vsyscall]"))
			lines--;
	}
	if (n < 0)
		die("/proc/self/maps");
	close(fd);
	return lines;
}

static void *map(void *at, size_t bytes, int prot, int flags)
{
	void *p = mmap(at, bytes, prot, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);

	if (p == MAP_FAILED || (at && p != at))
		die("mmap of %zu bytes", bytes);
	return p;
}

/**
 * make_vmas() - make more VMAs
 * @total: how many there will be; 0: as few as can be
 *
 * Pages that may be written and pages that may not, by turns: none can merge
 * with its neighbours. The last one before the hole may be written. A free page
 * is left at the end, where something else may follow.
 */
void make_vmas(unsigned long total)
{
	unsigned long have, pages, before, i;
	char *base;

	have = count_vmas();
	if (!total)
		total = have + 3;
	if (total < have + 3)
		die("%lu areas are too few: the program itself has %lu", total, have);
	pages = total - have;
	before = pages / 2 | 1;
	base = map(NULL, (pages + HOLE_PAGES + 1) * PAGE, PROT_READ | PROT_WRITE, 0);
	hole = base + before * PAGE;
	if (munmap(hole, HOLE_PAGES * PAGE) ||
	    munmap(base + (pages + HOLE_PAGES) * PAGE, PAGE))
		die("munmap");
	for (i = 1; i < pages; i += 2) {
		char *page = base + (i < before ? i : i + HOLE_PAGES) * PAGE;

		if (mprotect(page, PAGE, PROT_READ))
			die("mprotect of area %lu (sysctl vm.max_map_count?)", i);
	}
	have = count_vmas();
	if (have != total)
		die("%lu areas were made instead of %lu", have, total);
}

/* ---- the operations: before all, each, after all ---- */

static void map_work(long count)
{
	work_size = count * PAGE;
	work = map(NULL, work_size, PROT_READ | PROT_WRITE, 0);
}

static void unmap_work(void)
{
	if (munmap(work, work_size))
		die("munmap");
}

static void write_page(long i)
{
	*(volatile char *)(work + i * PAGE) = 1;
}

static void read_page(long i)
{
	(void)*(volatile char *)(work + i * PAGE);
}

/*
 * The pages are in memory. One fault maps as many as the kernel maps around it,
 * between multiples of that in the address space.
 */
static void map_file(long count)
{
	long i;

	if (count * AROUND_PAGES > FILE_PAGES)
		die("fault-file cannot be done more than %d times", FILE_PAGES / AROUND_PAGES);
	file_fd = memfd_create("bench_memory", MFD_CLOEXEC);
	for (i = 0; i < FILE_PAGES; i++)
		if (pwrite(file_fd, "", 1, i * PAGE) != 1)
			die("memfd");
	work_size = FILE_PAGES * PAGE;
	work = mmap(FILE_AT, work_size, PROT_READ, MAP_PRIVATE | MAP_FIXED_NOREPLACE,
		    file_fd, 0);
	if (work != FILE_AT)
		die("mmap of the memfd");
}

static void unmap_file(void)
{
	unmap_work();
	close(file_fd);
}

static void read_file_page(long i)
{
	read_page(i * AROUND_PAGES);
}

static void move_break(uintptr_t to)
{
	if ((uintptr_t)syscall(SYS_brk, to) != to)
		die("brk");
}

static void find_heap(long count)
{
	(void)count;
	heap_end = ((uintptr_t)sbrk(0) + PAGE - 1) & -PAGE;
	move_break(heap_end);
}

static void brk_pair(long i)
{
	(void)i;
	move_break(heap_end + PAGE);
	move_break(heap_end);
}

static void map_pair(char *at)
{
	map(at, PAGE, PROT_READ | PROT_WRITE, MAP_FIXED_NOREPLACE);
	if (munmap(at, PAGE))
		die("munmap");
}

/* Free pages on both sides: an area of its own comes and goes. */
static void mmap_alone(long i)
{
	(void)i;
	map_pair(hole + 8 * PAGE);
}

/* The area before the hole grows and shrinks. */
static void mmap_merge(long i)
{
	(void)i;
	map_pair(hole);
}

static void map_three(long count)
{
	(void)count;
	work = map(hole + 16 * PAGE, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_FIXED_NOREPLACE);
	work_size = 3 * PAGE;
}

/* One area is split into three, and they merge. */
static void mprotect_pair(long i)
{
	(void)i;
	if (mprotect(work + PAGE, PAGE, PROT_READ) ||
	    mprotect(work + PAGE, PAGE, PROT_READ | PROT_WRITE))
		die("mprotect");
}

static void map_one(long count)
{
	(void)count;
	work = map(hole + 32 * PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_FIXED_NOREPLACE);
	work_size = PAGE;
	*work = 1;
}

static void mremap_move(long i)
{
	char *to = hole + (i & 1 ? 32 : 40) * PAGE;

	if (mremap(work, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) != to)
		die("mremap");
	work = to;
}

static void fork_wait(long i)
{
	pid_t child = fork();
	int status;

	(void)i;
	if (!child)
		_exit(0);
	if (child < 0 || waitpid(child, &status, 0) != child || status)
		die("fork");
}

/** operation_none() - takes as long as reading the clock */
void operation_none(long i)
{
	(void)i;
}

static const struct operation operations[] = {
	{ "fault-write", map_work, write_page, unmap_work },
	{ "fault-read", map_work, read_page, unmap_work },
	{ "fault-file", map_file, read_file_page, unmap_file },
	{ "brk", find_heap, brk_pair, NULL },
	{ "mmap-alone", NULL, mmap_alone, NULL },
	{ "mmap-merge", NULL, mmap_merge, NULL },
	{ "mprotect", map_three, mprotect_pair, unmap_work },
	{ "mremap", map_one, mremap_move, unmap_work },
	{ "fork", NULL, fork_wait, NULL },
};

/** operation_find() - the operation of a name, or NULL */
const struct operation *operation_find(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(operations) / sizeof(operations[0]); i++)
		if (!strcmp(name, operations[i].name))
			return &operations[i];
	return NULL;
}
