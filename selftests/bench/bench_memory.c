// SPDX-License-Identifier: GPL-2.0-only
/*
 * What does one memory operation cost, told by the kernel's clock?
 *
 * usage: bench_memory VMAS
 *
 * Makes itself an address space of exactly VMAS memory areas, or as few as it
 * has if that is 0, prints "ready PID", and then serves commands from standard
 * input, one a line, with one line of answer each:
 *
 *	OPERATION COUNT		do it COUNT times, or fewer where that would take
 *				long; "OPERATION LEAST MEAN DONE"
 *	control COMMAND		write COMMAND to /proc/brkscope/control;
 *				"control DURATION" of the write
 *	vmas COUNT		make it so many VMAs; "vmas COUNT"
 *	clock			"clock N": thousand instructions last N
 *	quit			end
 *
 * A time is in nanoseconds of CLOCK_MONOTONIC_RAW, less what reading the clock
 * costs. In a virtual machine whose clock counts instructions it is a number of
 * instructions. Each operation is timed alone: the least leaves out what comes
 * by the way now and then (timer ticks, a new slab, a reader's turn), the mean
 * has it. What cannot be done ends the program with status 1 and a reason.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE		4096UL
#define HOLE_PAGES	64
#define SAMPLES		8192
#define AROUND_PAGES	16	/* what the kernel maps of a file around a fault */
#define FILE_PAGES	(256 * AROUND_PAGES)
#define FILE_AT		((void *)0x200000000UL)
#define BUDGET		400000000UL	/* for all times of an operation */
#define AT_LEAST	5	/* times, though that may take longer */
#define STATE_FD	100	/* where the measurement outlives an exec */

/* What an exec must not make forget. */
static struct state {
	uint64_t start;		/* the first, as it is written alone, and late */
	unsigned long vmas;
	long count;
	long done;
	uint64_t times[SAMPLES];
} state;

static char *hole;		/* HOLE_PAGES free pages in the midst of the VMAs */
static char *work;		/* memory of the present operation */
static size_t work_size;
static uintptr_t heap_end;
static int file_fd;
static uint64_t clock_cost;

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC_RAW, &t);
	return t.tv_sec * 1000000000UL + t.tv_nsec;
}

static void die(const char *format, ...)
{
	int err = errno;
	va_list args;

	va_start(args, format);
	fprintf(stderr, "bench_memory: ");
	vfprintf(stderr, format, args);
	fprintf(stderr, err ? ": %s\n" : "\n", strerror(err));
	va_end(args);
	exit(1);
}

/* ---- the address space ---- */

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

/*
 * Pages that may be written and pages that may not, by turns: none can merge
 * with its neighbours. The last one before the hole may be written. A free page
 * is left at the end, where something else may follow.
 */
static void make_vmas(unsigned long total)
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

static void nothing(long i)
{
	(void)i;
}

static const struct operation {
	const char *name;
	void (*before)(long count);
	void (*each)(long i);
	void (*after)(void);
} operations[] = {
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

/* ---- measuring ---- */

/* Return: how often it was done. */
static long measure(const struct operation *op, long count)
{
	uint64_t begin, start, end;
	long i;

	if (op->before)
		op->before(count);
	begin = now();
	for (i = 0; i < count; i++) {
		start = now();
		op->each(i);
		end = now();
		state.times[i] = end - start;
		if (end - begin > BUDGET && i + 1 >= AT_LEAST)
			count = i + 1;
	}
	if (op->after)
		op->after();
	return count;
}

static uint64_t least(long count)
{
	uint64_t best = UINT64_MAX;
	long i;

	for (i = 0; i < count; i++)
		best = state.times[i] < best ? state.times[i] : best;
	return best;
}

static void answer(const char *name, long count)
{
	uint64_t sum = 0;
	long i;

	for (i = 0; i < count; i++)
		sum += state.times[i];
	printf("%s %lu %lu %ld\n", name, least(count) - clock_cost,
	       sum / count - clock_cost, count);
}

static void measure_clock(void)
{
	const struct operation idle = { .each = nothing };

	clock_cost = least(measure(&idle, 1000));
}

/* The fastest of some, as no timer tick came in between. */
static void clock_check(void)
{
	uint64_t best = UINT64_MAX;
	int i;

	for (i = 0; i < 20; i++) {
		unsigned long rounds = 500000;
		uint64_t start = now();

		asm volatile("1: dec %0\n\tjnz 1b" : "+r" (rounds) : : "cc");
		start = now() - start;
		best = start < best ? start : best;
	}
	printf("clock %lu\n", best / 1000);
}

static void control(const char *command)
{
	int fd = open("/proc/brkscope/control", O_WRONLY);
	size_t length = strlen(command);
	uint64_t start;
	ssize_t written;

	if (fd < 0)
		die("/proc/brkscope/control");
	start = now();
	written = write(fd, command, length);
	start = now() - start;
	if (written != (ssize_t)length)
		die("%s", command);
	close(fd);
	printf("control %lu\n", start - clock_cost);
}

/* ---- exec: one image hands the measurement to the next ---- */

static void exec_next(const char *self)
{
	char *const args[] = { (char *)self, "exec", NULL };

	if (pwrite(STATE_FD, &state, sizeof(state), 0) != sizeof(state))
		die("memfd");
	state.start = now();
	if (pwrite(STATE_FD, &state.start, sizeof(state.start), 0) != sizeof(state.start))
		die("memfd");
	execv("/proc/self/exe", args);
	die("exec");
}

static void exec_first(const char *self, long count)
{
	int fd = memfd_create("state", MFD_CLOEXEC);

	if (fd < 0 || dup2(fd, STATE_FD) < 0)
		die("memfd");
	close(fd);
	state.count = count;
	state.done = 0;
	fflush(stdout);
	exec_next(self);
}

/* The new image has begun at the time @end. */
static void exec_continue(const char *self, uint64_t end)
{
	if (pread(STATE_FD, &state, sizeof(state), 0) != sizeof(state))
		die("memfd");
	state.times[state.done++] = end - state.start;
	make_vmas(state.vmas);
	if (state.done < state.count)
		exec_next(self);
	close(STATE_FD);
	answer("exec", state.count);
}

/* ---- commands ---- */

static void run_operation(const char *self, const char *name, long count)
{
	size_t i;

	errno = 0;
	if (count < 1 || count > SAMPLES)
		die("%s: from 1 to %d times, not %ld", name, SAMPLES, count);
	if (!strcmp(name, "exec"))
		exec_first(self, count);
	for (i = 0; i < sizeof(operations) / sizeof(operations[0]); i++)
		if (!strcmp(name, operations[i].name)) {
			answer(name, measure(&operations[i], count));
			return;
		}
	die("no such operation: %s", name);
}

static void grow(long vmas)
{
	state.vmas = vmas;
	make_vmas(vmas);
	printf("vmas %ld\n", vmas);
}

/* One line, unbuffered: an exec would lose what was read ahead. */
static bool read_line(char *line, size_t size)
{
	size_t n = 0;

	while (n < size - 1 && read(STDIN_FILENO, line + n, 1) == 1) {
		if (line[n] == '\n') {
			line[n] = 0;
			return true;
		}
		n++;
	}
	return false;
}

static void serve(const char *self)
{
	char line[128], name[32];
	long count;

	while (read_line(line, sizeof(line)) && strcmp(line, "quit")) {
		if (!strncmp(line, "control ", 8))
			control(line + 8);
		else if (sscanf(line, "vmas %ld", &count) == 1)
			grow(count);
		else if (!strcmp(line, "clock"))
			clock_check();
		else if (sscanf(line, "%31s %ld", name, &count) == 2)
			run_operation(self, name, count);
		else
			die("no such command: %s", line);
		fflush(stdout);
	}
}

/* The same addresses each time, small pages, and all of our own data there. */
static void settle(char **argv)
{
	int persona = personality(0xffffffff);

	if (!(persona & ADDR_NO_RANDOMIZE)) {
		if (personality(persona | ADDR_NO_RANDOMIZE) < 0)
			die("personality");
		execv("/proc/self/exe", argv);
		die("exec");
	}
	if (prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0))
		die("prctl");
	memset(&state, 1, sizeof(state));
	if (!sbrk(PAGE))
		die("sbrk");
}

int main(int argc, char **argv)
{
	uint64_t start = now();
	char *end = "";

	if (argc != 2) {
		fprintf(stderr, "usage: bench_memory VMAS\n");
		return 1;
	}
	settle(argv);
	measure_clock();
	if (!strcmp(argv[1], "exec")) {
		exec_continue(argv[0], start);
	} else {
		state.vmas = strtoul(argv[1], &end, 10);
		if (*end || !*argv[1])
			die("not a number of areas: %s", argv[1]);
		make_vmas(state.vmas);
		printf("ready %d\n", getpid());
	}
	fflush(stdout);
	serve(argv[0]);
	return 0;
}
