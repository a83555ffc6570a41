// SPDX-License-Identifier: GPL-2.0-only
/*
 * dump_test.c - does the dump tell what the program and the kernel know, at any moment?
 *
 * A scenario sends itself the signal and reads the file: without malloc, so that what
 * it finds is what was there.
 */
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "malloc_test.h"

#define BLOCKS	3000
#define WORDS	7
#define HEAD	24		/* bytes in front of the first block of a region */
#define META	8		/* of each block */

static char text[4 * MIB];
static char *next_line;
static char *word[WORDS];

/* The folder is named by the test; the file is that of this process. */
static const char *dump_path(unsigned long pid, int n)
{
	static char path[200];

	snprintf(path, sizeof(path), "%s/%lu.%d", getenv("DUMP_TEST_DIR"), pid, n);
	return path;
}

static bool read_dump(unsigned long pid, int n)
{
	int fd = open(dump_path(pid, n), O_RDONLY);
	ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	close(fd);
	text[length < 0 ? 0 : length] = '\0';
	next_line = text;
	return length >= 0;
}

/* Cut the next line into words; those that it has not are empty. */
static bool next(void)
{
	char *p = next_line;
	int i;

	for (i = 0; i < WORDS; i++) {
		word[i] = p;
		p += strcspn(p, "\n ");
		if (*p == ' ')
			*p++ = '\0';
	}
	if (!*p)
		return false;
	*p = '\0';
	next_line = p + 1;
	return true;
}

static bool is(const char *name)
{
	return !strcmp(word[0], name);
}

static unsigned long number(int i)
{
	return strtoul(word[i], NULL, 0);
}

/* What a dump says, added up. */
static struct sums {
	size_t	lines;
	size_t	on_break;
	size_t	regions;
	size_t	mappings;
	size_t	stock;
	size_t	used;
	size_t	busy;
} sums;

/* Blocks and head fill a region, and each region lies in one VMA. */
static void add_line(void)
{
	static unsigned long left, expected;
	struct vma vma;

	if (is("region")) {
		REQUIRE(!left);
		REQUIRE(vma_at((void *)number(1), &vma) && vma.end >= number(1) + number(2));
		left = number(2) - HEAD;
		expected = number(1) + HEAD + META;
		sums.regions++;
		sums.on_break += strcmp(word[3], "break") ? 0 : number(2);
	} else if (is("block") && strcmp(word[3], "mapped")) {
		REQUIRE(number(1) == expected && number(2) + META <= left);
		REQUIRE(strcmp(word[3], "broken"));
		left -= number(2) + META;
		expected += number(2) + META;
		sums.used += !strcmp(word[3], "used");
	} else if (is("mapping") || is("stock")) {
		REQUIRE(!left);
		REQUIRE(vma_at((void *)number(1), &vma) && vma.end >= number(1) + number(2));
		*(is("stock") ? &sums.stock : &sums.mappings) += number(2);
	} else if (is("busy")) {
		sums.busy++;
	} else if (is("end")) {
		REQUIRE(!left && number(1) == sums.lines);
	}
}

static void add_up(void)
{
	bool ended = false;

	memset(&sums, 0, sizeof(sums));
	REQUIRE(next() && is("brkmalloc-dump") && number(1) == 1);
	sums.lines = 1;
	while (next()) {
		REQUIRE(!ended);
		sums.lines++;
		add_line();
		ended = is("end");
	}
	REQUIRE(ended);
}

static bool is_there(const void *data, const char *state, size_t bytes)
{
	next_line = text;
	while (next())
		if (is("block") && number(1) == (unsigned long)data)
			return !strcmp(word[3], state) && number(2) == bytes;
	return false;
}

static void *data[BLOCKS];

/* Some on the heap, some with mappings; every fourth was freed. */
static void take(void)
{
	size_t i;

	for (i = 0; i < BLOCKS; i++)
		data[i] = malloc(i % 101 ? i : MIB + i * 100);
	for (i = 0; i < BLOCKS; i += 4) {
		free(data[i]);
		data[i] = NULL;
	}
}

static int tells_what_is_there(void)
{
	static char copy[sizeof(text)];
	size_t i, mapped = 0, blocks = 0;
	struct vma heap;

	take();
	raise(SIGUSR2);
	REQUIRE(read_dump(getpid(), 1));
	memcpy(copy, text, sizeof(text));
	add_up();
	REQUIRE(heap_vma(&heap));
	REQUIRE(sums.regions == 1 && sums.on_break == heap.end - heap.start);
	for (i = 0; i < BLOCKS; i++) {
		if (!data[i])
			continue;
		memcpy(text, copy, sizeof(text));
		REQUIRE(is_there(data[i], in_heap(data[i]) ? "used" : "mapped",
				 malloc_usable_size(data[i])));
		blocks += in_heap(data[i]);
		mapped += in_heap(data[i]) ? 0 : malloc_usable_size(data[i]);
	}
	/* No block is used but those, and a few of the C library. */
	REQUIRE(sums.used >= blocks && sums.used < blocks + 20);
	REQUIRE(sums.mappings >= mapped && sums.mappings < mapped + BLOCKS / 101 * PAGE);
	REQUIRE(sums.stock);
	return 0;
}

static int leaves_a_dump(void)
{
	take();
	exit(0);
}

/* While brkmalloc_walk() holds the locks there can be no dump, and nobody waits. */
static int raise_while_locked(const struct brkmalloc_block *block, void *arg)
{
	raise(SIGUSR2);
	REQUIRE(access(dump_path(getpid(), 1), F_OK));
	return 1;
}

static int waits_for_the_locks(void)
{
	hide(malloc(1));
	REQUIRE(brkmalloc_walk(raise_while_locked, NULL) == 1);
	REQUIRE(read_dump(getpid(), 1));
	add_up();
	REQUIRE(!sums.busy && sums.regions);
	return 0;
}

static void *raise_in_thread(void *arg)
{
	pthread_kill(pthread_self(), SIGUSR2);
	return arg;
}

static pthread_t thread;

/* The thread that gets the signal does not wait either, though it holds nothing. */
static int join_while_locked(const struct brkmalloc_block *block, void *arg)
{
	__atomic_store_n((bool *)arg, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	REQUIRE(access(dump_path(getpid(), 1), F_OK));
	return 1;
}

static void *wait_and_raise(void *arg)
{
	while (!__atomic_load_n((bool *)arg, __ATOMIC_ACQUIRE))
		;
	return raise_in_thread(arg);
}

static int waits_for_the_locks_of_others(void)
{
	static bool locked;

	REQUIRE(!pthread_create(&thread, NULL, wait_and_raise, &locked));
	REQUIRE(brkmalloc_walk(join_while_locked, &locked) == 1);
	REQUIRE(read_dump(getpid(), 1));
	add_up();
	REQUIRE(!sums.busy && sums.regions);
	return 0;
}

static bool over;

static void *churn(void *arg)
{
	static __thread void *own[500];
	unsigned int state = (unsigned long)arg;
	size_t i;

	while (!__atomic_load_n(&over, __ATOMIC_RELAXED)) {
		i = rand_r(&state) % 500;
		free(own[i]);
		own[i] = malloc(rand_r(&state) % 3000 * (i % 50 ? 1 : 100));
	}
	for (i = 0; i < 500; i++)
		free(own[i]);
	return NULL;
}

#define DUMPS	30

/* Wherever the signal finds us, the dump is whole and sound. */
static int dumps_at_any_moment(void)
{
	size_t threads = strtoul(getenv("DUMP_TEST_THREADS"), NULL, 10), i;
	pthread_t ids[8];
	sigset_t usr2;
	int n;

	sigemptyset(&usr2);
	sigaddset(&usr2, SIGUSR2);
	if (!threads) {
		unsigned int state = 1;
		void *own[100] = { NULL };
		struct itimerval often = { { 0, 3000 }, { 0, 3000 } };

		setitimer(ITIMER_REAL, &often, NULL);
		while (access(dump_path(getpid(), DUMPS), F_OK)) {
			for (i = 0; i < 20000; i++) {
				free(own[i % 100]);
				own[i % 100] = malloc(rand_r(&state) % 5000);
			}
		}
		often = (struct itimerval){ };
		setitimer(ITIMER_REAL, &often, NULL);
	}
	for (i = 0; i < threads; i++)
		REQUIRE(!pthread_create(&ids[i], NULL, churn, (void *)(i + 1)));
	for (n = 1; threads && n <= DUMPS; n++) {
		pthread_kill(ids[n % threads], SIGALRM);
		while (access(dump_path(getpid(), n), F_OK))
			usleep(1000);
	}
	__atomic_store_n(&over, true, __ATOMIC_RELAXED);
	for (i = 0; i < threads; i++)
		pthread_join(ids[i], NULL);
	REQUIRE(!brkmalloc_check());
	return 0;
}

static int forks(void)
{
	hide(malloc(100));
	if (!fork())
		exit(0);
	wait(NULL);
	return 0;
}

const struct scenario scenarios[] = {
	{ "tells_what_is_there",	tells_what_is_there },
	{ "leaves_a_dump",		leaves_a_dump },
	{ "waits_for_the_locks",	waits_for_the_locks },
	{ "waits_for_the_locks_of_others", waits_for_the_locks_of_others },
	{ "dumps_at_any_moment",	dumps_at_any_moment },
	{ "forks",			forks },
	{ }
};

FIXTURE(dump) {
	char	folder[64];
	char	dir[100];
	char	path[100];
};

FIXTURE_SETUP(dump)
{
	strcpy(self->folder, "/tmp/dump_test.XXXXXX");
	ASSERT_NE(NULL, mkdtemp(self->folder));
	snprintf(self->dir, sizeof(self->dir), "DUMP_TEST_DIR=%s", self->folder);
	snprintf(self->path, sizeof(self->path), "BRKMALLOC_DUMP=%s/%%p.%%n", self->folder);
}

FIXTURE_TEARDOWN(dump)
{
	char *const argv[] = { "rm", "-rf", self->folder, NULL };
	static struct outcome outcome;

	run_program(&outcome, argv, NULL);
}

#define BY_USR2	"BRKMALLOC_DUMP_SIGNAL=USR2"
TEST_F(dump, holds_every_block_and_adds_up_to_what_the_kernel_says)
{
	EXPECT_SCENARIO_PASSES("tells_what_is_there", self->dir, self->path, BY_USR2);
}

TEST_F(dump, waits_until_the_locks_are_free_but_the_handler_does_not)
{
	EXPECT_SCENARIO_PASSES("waits_for_the_locks", self->dir, self->path, BY_USR2);
	EXPECT_SCENARIO_PASSES("waits_for_the_locks_of_others", self->dir, self->path,
			       "BRKMALLOC_DUMP_SIGNAL=SIGUSR2");
}

/* Count the files, each of which must be a sound dump of a process that has ended. */
static int whole_dumps(const char *folder, const char *why)
{
	char command[300];
	char *const argv[] = { "sh", "-c", command, NULL };
	static struct outcome outcome;

	/* The first line, the last with the number of all of them, no broken block. */
	snprintf(command, sizeof(command),
		 "for f in %s/*; do head -n 1 $f | grep -qx 'brkmalloc-dump 1' && grep -q '^why %s$' $f && ! grep -q 'broken\\|busy' $f && tail -n 1 $f | grep -qx \"end $(wc -l <$f)\" && echo ok; done | wc -l",
		 folder, why);
	run_program(&outcome, argv, NULL);
	return atoi(outcome.text);
}

TEST_F(dump, comes_whole_wherever_the_signal_finds_the_program)
{
	EXPECT_SCENARIO_PASSES("dumps_at_any_moment", self->dir, self->path,
			       "BRKMALLOC_DUMP_SIGNAL=14", "DUMP_TEST_THREADS=0");
	EXPECT_LE(DUMPS, whole_dumps(self->folder, "signal"));
}

TEST_F(dump, comes_whole_whichever_thread_the_signal_finds)
{
	EXPECT_SCENARIO_PASSES("dumps_at_any_moment", self->dir, self->path,
			       "BRKMALLOC_DUMP_SIGNAL=14", "DUMP_TEST_THREADS=4");
	EXPECT_LE(DUMPS, whole_dumps(self->folder, "signal"));
}

TEST_F(dump, is_left_at_exit_by_parent_and_child)
{
	EXPECT_SCENARIO_PASSES("leaves_a_dump", self->dir, self->path);
	EXPECT_EQ(1, whole_dumps(self->folder, "exit"));
	EXPECT_SCENARIO_PASSES("forks", self->dir, self->path);
	EXPECT_EQ(3, whole_dumps(self->folder, "exit"));
}

static bool says_once(const char *what, char *const settings[])
{
	static struct outcome outcome;

	run_scenario(&outcome, "leaves_a_dump", settings);
	return outcome_is_exit(&outcome, 0) && !strncmp(outcome.text, what, strlen(what)) &&
	       strchr(outcome.text, '\n') == outcome.text + outcome.length - 1;
}

TEST_F(dump, that_cannot_be_written_is_told_in_one_line)
{
	char *const nowhere[] = { "BRKMALLOC_DUMP=/no/such/folder/%p", NULL };
	char *const full[] = { "BRKMALLOC_DUMP=/dev/full", NULL };
	char *const no_signal[] = { self->path, "BRKMALLOC_DUMP_SIGNAL=USR3", NULL };
	char *const no_catching[] = { self->path, "BRKMALLOC_DUMP_SIGNAL=KILL", NULL };
	char *const no_path[] = { BY_USR2, NULL };

	EXPECT_TRUE(says_once("brkmalloc: BRKMALLOC_DUMP=/no/such/folder/%p: /no/such/folder/: No such file or directory",
			      nowhere));
	EXPECT_TRUE(says_once("brkmalloc: BRKMALLOC_DUMP: /dev/full cannot be written: No space left on device",
			      full));
	EXPECT_TRUE(says_once("brkmalloc: BRKMALLOC_DUMP_SIGNAL=USR3: no such signal",
			      no_signal));
	EXPECT_TRUE(says_once("brkmalloc: BRKMALLOC_DUMP_SIGNAL: signal 9 cannot be caught",
			      no_catching));
	EXPECT_TRUE(says_once("brkmalloc: BRKMALLOC_DUMP_SIGNAL=USR2: BRKMALLOC_DUMP does not say",
			      no_path));
}

int main(int argc, char **argv)
{
	return scenario_or_tests(argc, argv, test_harness_run);
}
