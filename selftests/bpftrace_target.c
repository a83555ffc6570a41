// SPDX-License-Identifier: GPL-2.0-only
/*
 * What does a process do whose every memory event is known beforehand?
 *
 * The program that bpftrace.sh watches. It makes all of its own memory
 * resident, says "ready PID", waits for a line, moves its break, changes its
 * VMAs and touches pages in a fixed order, says what it did in the columns of
 * the bpftrace scripts (without the times), and waits for another line, so that
 * nothing happens while the results are read. Two threads take part, never at
 * the same time. The first argument is a file on a disk, whose first page it
 * throws out of memory and touches, a major fault. With a second argument,
 * "once", it does not wait, and speaks on standard error: standard output is then
 * the tracer's.
 *
 * Between the two waits it makes exactly the faults that it lists, and those
 * it counts; the last line is what getrusage() says.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE		4096UL
#define BEYOND		0x4000000000000UL	/* no process has so much address space */
#define NO_RANGE	"-                -               "
#define FILE_NAME	"brkscope-target"

static char report[16384];
static size_t report_length;
static pthread_barrier_t turn;
static sigjmp_buf after_sigbus;
static uintptr_t heap;	/* the break when the work begins, on a page boundary */
static char *arena;	/* the mapping that both threads write to */
static int zero_fd;	/* /dev/zero */
static int file_fd;	/* one page of a memory file */
static int disk_fd;	/* a file that can be read again */
static const char *disk_name;
static pid_t child;
static char *child_page;

static void die(const char *what)
{
	fprintf(stderr, "bpftrace_target: %s: %s\n", what, strerror(errno));
	exit(1);
}

#define __printf(format, args) __attribute__(( \
	__format__(__printf__, format, args)))

__printf(1, 2)
static void say(const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(report + report_length, sizeof(report) - report_length,
		      format, args);
	va_end(args);
	if (n < 0 || report_length + n >= sizeof(report))
		die("the report is too long");
	report_length += n;
}

static void say_vma(const char *call, const void *start, size_t length,
		    const void *old_start, size_t old_length, const char *perms,
		    long result)
{
	say("vma %ld %s", syscall(SYS_gettid), call);
	if (length)
		say(" %016lx %016lx", (uintptr_t)start, (uintptr_t)start + length);
	else
		say(" - -");
	if (old_length)
		say(" %016lx %016lx", (uintptr_t)old_start,
		    (uintptr_t)old_start + old_length);
	else
		say(" - -");
	say(" %s ", perms);
	if (result)
		say("%ld\n", result);
	else
		say("ok\n");
}

/* What vma.bt makes of a break that moved to @now. */
static void say_heap(uintptr_t old, uintptr_t now)
{
	old = (old + PAGE - 1) & -PAGE;
	now = (now + PAGE - 1) & -PAGE;
	if (now > old)
		say_vma("brk", (void *)old, now - old, NULL, 0, "-", 0);
	else if (now < old)
		say_vma("brk", NULL, 0, (void *)now, old - now, "-", 0);
}

static void move_break(uintptr_t old, uintptr_t requested, const char *what)
{
	uintptr_t now = syscall(SYS_brk, requested);
	bool refused = !strcmp(what, "refused");

	if (now != (refused ? old : requested))
		die(what);
	say("brk %ld %s %016lx %016lx %016lx %ld %ld\n", syscall(SYS_gettid), what,
	    old, requested, now, (long)(now - old),
	    (long)((now + PAGE - 1) / PAGE) - (long)((old + PAGE - 1) / PAGE));
	if (refused)
		say("vma %ld brk - - - - - refused\n", syscall(SYS_gettid));
	else
		say_heap(old, now);
}

static void say_touch(const void *address, const char *access, const char *name)
{
	say("touch %ld %016lx %s %s\n", syscall(SYS_gettid), (uintptr_t)address,
	    access, name);
}

static void write_page(void *base, size_t page, const char *name)
{
	char *at = (char *)base + page * PAGE + 8 * page;

	__atomic_store_n(at, 1, __ATOMIC_RELAXED);
	if (name)
		say_touch(at, "wu", name);
}

static void read_page(void *base, size_t page, const char *name)
{
	char *at = (char *)base + page * PAGE + 8 * page;

	__atomic_load_n(at, __ATOMIC_RELAXED);
	say_touch(at, "ru", name);
}

static void *map(void *at, size_t length, int flags)
{
	return mmap(at, length, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
}

static void *map_good(void *at, size_t length, int flags)
{
	void *p = map(at, length, flags);

	if (p == MAP_FAILED)
		die("mmap");
	say_vma("mmap", p, length, NULL, 0, "rw-p", 0);
	return p;
}

/* Both breaks of the heap that the second thread does not make. */
static void work_heap(void)
{
	void *base = (void *)heap;
	size_t i;

	syscall(SYS_brk, 0);
	move_break(heap, heap + 16 * PAGE, "grown");
	for (i = 0; i < 5; i++)
		write_page(base, i, "[heap]");
	read_page(base, 8, "[heap]");
	read_page(base, 9, "[heap]");
	write_page(base, 8, NULL);	/* a fault, but not a first touch */
	move_break(heap + 16 * PAGE, heap + 16 * PAGE + 10, "grown");
	move_break(heap + 16 * PAGE + 10, heap + 16 * PAGE + 10, "same");
	move_break(heap + 16 * PAGE + 10, heap + BEYOND, "refused");
	move_break(heap + 16 * PAGE + 10, heap + 8 * PAGE, "shrunk");
}

static void work_arena(void)
{
	size_t i;

	for (i = 0; i < 14; i += 2)
		write_page(arena, i, "[anon]");
	for (i = 20; i < 23; i++)
		read_page(arena, i, "[anon]");
	if (read(zero_fd, arena + 24 * PAGE, 1) != 1)
		die("/dev/zero");
	say_touch(arena + 24 * PAGE, "wk", "[anon]");
	if (mprotect(arena + 32 * PAGE, 16 * PAGE, PROT_READ))
		die("mprotect");
	say_vma("mprotect", arena + 32 * PAGE, 16 * PAGE, arena + 32 * PAGE,
		16 * PAGE, "r--", 0);
	read_page(arena, 32, "[anon]");
	read_page(arena, 33, "[anon]");
	map_good(arena, 4 * PAGE, MAP_FIXED);
	write_page(arena, 0, "[anon]");	/* new memory at an old address */
}

/* A hole at the end of the arena, and what the kernel refuses to do there. */
static void work_refusals(void)
{
	char *hole = arena + 48 * PAGE;

	if (munmap(hole, 16 * PAGE))
		die("munmap");
	say_vma("munmap", NULL, 0, hole, 16 * PAGE, "-", 0);
	if (!mprotect(hole, PAGE, PROT_READ | PROT_WRITE))
		die("mprotect changed what is not there");
	say_vma("mprotect", NULL, 0, hole, PAGE, "rw-", -errno);
	if (!munmap(arena + 1, PAGE))
		die("munmap took an odd address");
	say_vma("munmap", NULL, 0, arena + 1, PAGE, "-", -errno);
	if (mremap(hole, PAGE, 2 * PAGE, MREMAP_MAYMOVE) != MAP_FAILED)
		die("mremap moved what is not there");
	say_vma("mremap", NULL, 0, hole, PAGE, "-", -errno);
	if (map(NULL, 0, 0) != MAP_FAILED)
		die("mmap took no length");
	say_vma("mmap", NULL, 0, NULL, 0, "-", -errno);
}

static void work_mremap(void)
{
	char *old = map_good(NULL, 8 * PAGE, 0);
	char *now;

	write_page(old, 0, "[anon]");
	write_page(old, 6, "[anon]");
	if (mremap(old, 8 * PAGE, 4 * PAGE, 0) != old)
		die("mremap, smaller");
	say_vma("mremap", old, 4 * PAGE, old, 8 * PAGE, "-", 0);
	now = mremap(old, 4 * PAGE, 16 * PAGE, MREMAP_MAYMOVE);
	if (now == MAP_FAILED || now == old)
		die("mremap should have moved");
	say_vma("mremap", now, 16 * PAGE, old, 4 * PAGE, "-", 0);
	write_page(now, 6, "[anon]");
	write_page(now, 0, NULL);	/* came along: no fault */
	if (map_good(old, PAGE, MAP_FIXED_NOREPLACE) != old)
		die("mmap at the old address");
	write_page(old, 0, "[anon]");
}

static void on_sigbus(int signal)
{
	(void)signal;
	siglongjmp(after_sigbus, 1);
}

static void work_file(void)
{
	char *p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file_fd, 0);

	if (p == MAP_FAILED)
		die("mmap of the file");
	say_vma("mmap", p, 2 * PAGE, NULL, 0, "rw-s", 0);
	read_page(p, 0, "memfd:" FILE_NAME);
	if (!sigsetjmp(after_sigbus, 1)) {
		__atomic_load_n(p + PAGE, __ATOMIC_RELAXED);	/* behind the end: SIGBUS */
		die("no SIGBUS");
	}
}

/*
 * A page that has to be read: the kernel gives up its locks for that and comes
 * again. Some file systems, such as tmpfs, keep their pages.
 */
static void work_disk(void)
{
	unsigned char resident = 1;
	char *p;

	posix_fadvise(disk_fd, 0, 0, POSIX_FADV_DONTNEED);
	p = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, disk_fd, 0);
	if (p == MAP_FAILED || mincore(p, PAGE, &resident))
		die("mmap of the file on a disk");
	say_vma("mmap", p, PAGE, NULL, 0, "r--p", 0);
	read_page(p, 0, disk_name);
	say("absent %d\n", !(resident & 1));
}

/* A fault in another address space; the kernel counts it as this process's. */
static void work_elsewhere(void)
{
	char path[64], byte = 1;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/mem", child);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || pwrite(fd, &byte, 1, (uintptr_t)child_page) != 1)
		die(path);
	close(fd);
}

static void *second_thread(void *unused)
{
	size_t i;

	pthread_barrier_wait(&turn);	/* begin */
	pthread_barrier_wait(&turn);	/* my turn */
	move_break(heap + 8 * PAGE, heap + 10 * PAGE, "grown");
	write_page((void *)heap, 8, "[heap]");	/* given back and got again */
	for (i = 16; i < 19; i++)
		write_page(arena, i, "[anon]");
	pthread_barrier_wait(&turn);	/* yours */
	pthread_barrier_wait(&turn);	/* end */
	return unused;
}

static void work(void)
{
	struct rusage before, after;

	getrusage(RUSAGE_SELF, &before);
	work_heap();
	arena = map_good(NULL, 64 * PAGE, 0);
	pthread_barrier_wait(&turn);
	pthread_barrier_wait(&turn);
	syscall(SYS_brk, 0);
	work_arena();
	work_refusals();
	work_mremap();
	work_file();
	work_disk();
	work_elsewhere();
	getrusage(RUSAGE_SELF, &after);
	say("rusage %ld %ld\n", after.ru_minflt - before.ru_minflt,
	    after.ru_majflt - before.ru_majflt);
}

/* All that the work needs besides what it lists. */
static void prepare(const char *path)
{
	struct sigaction action = { .sa_handler = on_sigbus };
	char stack[65536];

	explicit_bzero(stack, sizeof(stack));	/* the stack will not grow later */
	memset(report, 1, sizeof(report));
	if (prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) || sigaction(SIGBUS, &action, NULL))
		die("prctl or sigaction");
	zero_fd = open("/dev/zero", O_RDONLY);
	disk_fd = open(path, O_RDONLY);
	disk_name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	if (disk_fd < 0)
		die(path);
	file_fd = memfd_create(FILE_NAME, 0);
	if (zero_fd < 0 || file_fd < 0 || ftruncate(file_fd, PAGE))
		die("/dev/zero or memfd_create");
	child_page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (child_page == MAP_FAILED)
		die("mmap");
}

static void start_child(void)
{
	child = fork();
	if (child < 0)
		die("fork");
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
}

/* Every page of this process is in memory and its own after this. */
static void make_resident(void)
{
	if (mlockall(MCL_CURRENT) || munlockall())
		die("mlockall (it needs root, or a larger ulimit -l)");
}

static void wait_line(void)
{
	char c;

	do {
		if (read(STDIN_FILENO, &c, 1) != 1)
			die("standard input ended");
	} while (c != '\n');
}

static void write_all(int fd, const char *text, size_t length)
{
	if (write(fd, text, length) != (ssize_t)length)
		die("write");
}

int main(int argc, char **argv)
{
	bool once = argc > 2 && !strcmp(argv[2], "once");
	int out = once ? STDERR_FILENO : STDOUT_FILENO;
	pthread_t thread;
	char ready[32];

	if (argc < 2) {
		fprintf(stderr, "usage: bpftrace_target FILE [once]\n");
		return 1;
	}
	prepare(argv[1]);
	start_child();
	pthread_barrier_init(&turn, NULL, 2);
	if (pthread_create(&thread, NULL, second_thread, NULL))
		die("pthread_create");
	snprintf(ready, sizeof(ready), "ready %d\n", getpid());
	heap = ((uintptr_t)sbrk(0) + PAGE - 1) & -PAGE;
	if (syscall(SYS_brk, heap) != (long)heap)
		die("brk");
	pthread_barrier_wait(&turn);
	make_resident();
	if (!once) {
		write_all(out, ready, strlen(ready));
		wait_line();
	}
	report_length = 0;
	work();
	write_all(out, report, report_length);
	write_all(out, "done\n", 5);
	if (!once)
		wait_line();
	pthread_barrier_wait(&turn);
	pthread_join(thread, NULL);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	return 0;
}
