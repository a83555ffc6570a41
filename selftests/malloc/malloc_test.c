// SPDX-License-Identifier: GPL-2.0-only
/*
 * malloc_test.c - how do the malloc tests look at a process from outside?
 *
 * Nothing here calls malloc: a test of the heap must not change it by looking.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "malloc_test.h"

#define PAGEMAP_PRESENT	(3UL << 62)	/* in memory or in swap */

static char maps[256 * 1024];

static bool read_file(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t length = 0;
	ssize_t n = 1;

	if (fd < 0)
		return false;
	while (n > 0 && length < size - 1) {
		n = read(fd, text + length, size - 1 - length);
		length += n > 0 ? n : 0;
	}
	text[length] = '\0';
	close(fd);
	return !n;
}

/* The VMA at an address, if there is one. */
bool vma_at(const void *address, struct vma *vma)
{
	unsigned long at = (unsigned long)address;
	const char *line = maps;
	const char *end;
	char *rest;

	if (!read_file("/proc/self/maps", maps, sizeof(maps)))
		return false;
	for (; (end = strchr(line, '\n')); line = end + 1) {
		vma->start = strtoul(line, &rest, 16);
		vma->end = strtoul(rest + 1, NULL, 16);
		vma->heap = !strncmp(end - 6, "[heap]", 6);
		if (vma->start <= at && at < vma->end)
			return true;
	}
	return false;
}

/*
 * The VMA that ends at the program break. After a fork the heap may consist of
 * several: what the child adds does not merge with what it inherited.
 */
bool heap_vma(struct vma *vma)
{
	return vma_at(sbrk(0) - 1, vma) && vma->heap;
}

/* Is an address in memory of the program break? */
bool in_heap(const void *address)
{
	struct vma vma;

	return vma_at(address, &vma) && vma.heap;
}

/* How many pages of a range were ever touched; -1 if nobody tells. */
long pages_touched(const void *start, size_t bytes)
{
	unsigned long first = (unsigned long)start / PAGE;
	unsigned long last = ((unsigned long)start + bytes - 1) / PAGE;
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	unsigned long page;
	unsigned long entry;
	long touched = 0;

	for (page = first; page <= last && touched >= 0; page++) {
		if (pread(fd, &entry, sizeof(entry), page * sizeof(entry)) !=
		    sizeof(entry))
			touched = -1;
		else
			touched += !!(entry & PAGEMAP_PRESENT);
	}
	close(fd);
	return touched;
}

/* The size of the address space. */
size_t virtual_bytes(void)
{
	char text[256];

	if (!read_file("/proc/self/statm", text, sizeof(text)))
		return 0;
	return strtoul(text, NULL, 10) * PAGE;
}

long minor_faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt;
}

unsigned long break_now(void)
{
	return (unsigned long)sbrk(0);
}

/* Eight bytes of a pattern that differs from seed to seed and place to place. */
static unsigned long pattern(size_t word, unsigned long seed)
{
	return (seed + word) * 0x9e3779b97f4a7c15UL ^ seed >> 7;
}

/* Write a pattern; of more bytes with the same seed it is the beginning. */
void fill(void *data, size_t bytes, unsigned long seed)
{
	char *p = data;
	unsigned long word;
	size_t i;

	/* As a builtin, for it is told to be none and here it must be fast. */
	for (i = 0; i + sizeof(word) <= bytes; i += sizeof(word)) {
		word = pattern(i / sizeof(word), seed);
		__builtin_memcpy(p + i, &word, sizeof(word));
	}
	word = pattern(i / sizeof(word), seed);
	memcpy(p + i, &word, bytes - i);
}

/* Is the pattern still there? */
bool filled(const void *data, size_t bytes, unsigned long seed)
{
	const char *p = data;
	unsigned long word;
	size_t i;

	for (i = 0; i + sizeof(word) <= bytes; i += sizeof(word)) {
		__builtin_memcpy(&word, p + i, sizeof(word));
		if (word != pattern(i / sizeof(word), seed))
			return false;
	}
	word = pattern(i / sizeof(word), seed);
	return !memcmp(p + i, &word, bytes - i);
}

bool all_zero(const void *data, size_t bytes)
{
	const unsigned char *p = data;
	size_t i;

	for (i = 0; i < bytes; i++)
		if (p[i])
			return false;
	return true;
}

static int match_data(const struct brkmalloc_block *block, void *arg)
{
	struct brkmalloc_block *wanted = arg;

	if (block->data != wanted->data)
		return 0;
	*wanted = *block;
	return 1;
}

struct brkmalloc_block block_at_data(const void *data)
{
	struct brkmalloc_block block = {
		.data	= (void *)data,
		.state	= (enum brkmalloc_state)-1,
	};

	brkmalloc_walk(match_data, &block);
	return block;
}

bool outcome_is_exit(const struct outcome *outcome, int code)
{
	return WIFEXITED(outcome->status) &&
	       WEXITSTATUS(outcome->status) == code;
}

bool outcome_is_signal(const struct outcome *outcome, int number)
{
	return WIFSIGNALED(outcome->status) &&
	       WTERMSIG(outcome->status) == number;
}

static void collect(struct outcome *outcome, int fd)
{
	ssize_t n;

	outcome->length = 0;
	do {
		n = read(fd, outcome->text + outcome->length,
			 sizeof(outcome->text) - 1 - outcome->length);
		if (n > 0)
			outcome->length += n;
	} while (n > 0 || (n < 0 && errno == EINTR));
	outcome->text[outcome->length] = '\0';
}

/*
 * Run a function in a child, its standard output and error collected. A child
 * killed by a signal leaves no core file; one whose test is over dies with it.
 */
void run_child(struct outcome *outcome, void (*child)(void *arg), void *arg)
{
	struct rlimit no_core = { 0 };
	int fds[2];
	pid_t pid;

	outcome->status = -1;
	if (pipe(fds))
		return;
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		setrlimit(RLIMIT_CORE, &no_core);
		dup2(fds[1], STDOUT_FILENO);
		dup2(fds[1], STDERR_FILENO);
		close(fds[0]);
		close(fds[1]);
		child(arg);
		_exit(0);
	}
	close(fds[1]);
	collect(outcome, fds[0]);
	close(fds[0]);
	while (waitpid(pid, &outcome->status, 0) < 0 && errno == EINTR)
		;
}

struct program {
	char *const	*argv;
	char *const	*settings;
};

static void exec_program(void *arg)
{
	const struct program *program = arg;
	char *const *setting;

	for (setting = program->settings; setting && *setting; setting++)
		putenv(*setting);
	execvp(program->argv[0], program->argv);
	_exit(127);
}

/* Run a program with these additions, "NAME=VALUE", to the environment. */
void run_program(struct outcome *outcome, char *const argv[],
		 char *const settings[])
{
	struct program program = { .argv = argv, .settings = settings };

	run_child(outcome, exec_program, &program);
}

/* Run a scenario of this program in a process of its own. */
void run_scenario(struct outcome *outcome, const char *name,
		  char *const settings[])
{
	char *const argv[] = { "/proc/self/exe", "--scenario", (char *)name,
			       NULL };

	run_program(outcome, argv, settings);
}

/* End a scenario in which something is not so. */
void require(bool so, const char *what, const char *file, int line)
{
	if (so)
		return;
	fprintf(stderr, "%s:%d: not so: %s\n", file, line, what);
	_exit(1);
}

/* What main does: a scenario if one is asked for, otherwise the tests. */
int scenario_or_tests(int argc, char **argv, int (*tests)(int, char **))
{
	const struct scenario *s;

	/* One touch of a huge page would look like 512 pages touched. */
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	if (argc != 3 || strcmp(argv[1], "--scenario"))
		return tests(argc, argv);
	for (s = scenarios; s->name; s++)
		if (!strcmp(s->name, argv[2]))
			return s->run();
	fprintf(stderr, "%s: no scenario %s\n", argv[0], argv[2]);
	return 2;
}
