// SPDX-License-Identifier: GPL-2.0-only
/*
 * storm_test.c - what if all that can happen to a watch happens at once?
 *
 * Processes that map, fault, fork, execute and end; others that watch, unwatch
 * and clear them, that read and poll each file of each watch, and one that
 * unloads and loads the module under all of it. The kernel must have nothing
 * to complain of, and nobody may lose a byte.
 *
 *   STORM_SECONDS	how long at least (20); on a slow machine until it was a storm
 *   BRKSCOPE_KO	the module file; without it nothing is unloaded
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "brkscope_test.h"

#define TARGETS		6
#define PATIENCE	1000	/* times that unloading finds the module in use */
#define CONTROLLERS	2
#define READERS		3
#define HELPERS		(TARGETS + CONTROLLERS + READERS + 1)

/**
 * struct shared - what the processes of the storm tell one another
 * @target: pids of those to be watched, zero if there is none just now
 * @lives: targets that came and went
 * @crashes: those that ended as they should not have
 * @watches: successful watch commands
 * @bytes: that readers got
 * @loads: times the module was loaded again
 * @refused: errors of control that none of these commands can have
 * @unloads_failed: errors of unloading that are not "in use"
 * @make_way: unloading has waited for long; no more files are opened until it is done
 */
struct shared {
	pid_t target[TARGETS];
	uint64_t lives;
	uint64_t crashes;
	uint64_t watches;
	uint64_t bytes;
	uint64_t loads;
	uint64_t refused;
	uint64_t unloads_failed;
	uint64_t make_way;
};

FIXTURE(storm) {
	struct shared *shared;
	pid_t helper[HELPERS];
	uint64_t seed;
	uint64_t seconds;
};

static void count(uint64_t *what, uint64_t more)
{
	__atomic_add_fetch(what, more, __ATOMIC_RELAXED);
}

/* Rests, so that others come to do something and at times no file is open. */
static void rest(uint64_t *random, unsigned int most_ms)
{
	usleep(scope_random(random) % (most_ms * 1000));
}

/*
 * On a slow machine some file is always open. The targets do not make way, nor
 * does whoever has a file open already.
 */
static void make_way(struct shared *shared)
{
	while (__atomic_load_n(&shared->make_way, __ATOMIC_RELAXED))
		usleep(1000);
}

static pid_t some_target(struct shared *shared, uint64_t *random)
{
	return __atomic_load_n(&shared->target[scope_random(random) % TARGETS],
			       __ATOMIC_RELAXED);
}

/* Waits until the process is watched, and somewhat longer. */
static void let_be_watched(pid_t pid, uint64_t *random)
{
	char path[64];

	snprintf(path, sizeof(path), SCOPE_DIR "/%d", pid);
	while (access(path, F_OK))
		rest(random, 50);
	rest(random, 1000);
}

/*
 * Lets one target after the other live. Every second one ends when it likes,
 * mostly before a watch of it has begun; the others execute themselves for ever
 * and are killed, at once or when they have been watched.
 */
static void run_targets(struct shared *shared, uint64_t random, int slot)
{
	static char program[4096];
	bool endless = slot % 2;
	char seed[32], life[32];
	int status;
	pid_t pid;

	if (scope_program("storm_target", program, sizeof(program)))
		_exit(1);
	for (;;) {
		snprintf(seed, sizeof(seed), "%llu",
			 (unsigned long long)scope_random(&random));
		snprintf(life, sizeof(life), "%d",
			 (int)(scope_random(&random) % 400));
		pid = child_start();
		if (!pid) {
			execl(program, program, seed, life,
			      endless ? "1000000" : "1", NULL);
			_exit(1);
		}
		__atomic_store_n(&shared->target[slot], pid, __ATOMIC_RELAXED);
		if (endless) {
			if (scope_random(&random) % 4)
				let_be_watched(pid, &random);
			else
				rest(&random, 1000);
			kill(pid, SIGKILL);
		}
		waitpid(pid, &status, 0);
		count(&shared->lives, 1);
		if (status && !(endless && WIFSIGNALED(status) &&
				WTERMSIG(status) == SIGKILL)) {
			printf("# a target ended with status %#x\n", status);
			fflush(stdout);
			count(&shared->crashes, 1);
		}
	}
}

static bool is_expected(int error)
{
	static const int expected[] = {
		ENOENT, ENODEV, ESRCH, EEXIST, EPERM, EBUSY, EAGAIN, ENOMEM,
		ENOSPC,
	};
	size_t i;

	for (i = 0; i < sizeof(expected) / sizeof(*expected); i++)
		if (error == expected[i])
			return true;
	return false;
}

static void command_targets(struct shared *shared, uint64_t random, int slot)
{
	static const char *const commands[] = {
		"watch %d\n", "watch %d\n", "watch %d buffer=64K\n",
		"watch %d buffer=4M\n", "clear %d\n", "unwatch %d\n",
	};
	size_t which;
	pid_t pid;
	int error;

	(void)slot;
	for (;;) {
		pid = some_target(shared, &random);
		which = scope_random(&random) % 6;
		rest(&random, 50);
		make_way(shared);
		if (!pid)
			continue;
		/* The format is one of those above. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		error = scope_control(commands[which], pid);
#pragma GCC diagnostic pop
		if (!error && which < 4)
			count(&shared->watches, 1);
		if (error < 0 && !is_expected(-error)) {
			printf("# \"%.*s\": %s\n", (int)strcspn(commands[which], "\n"),
			       commands[which], strerror(-error));
			fflush(stdout);
			count(&shared->refused, 1);
		}
	}
}

/* A process directory of the tree, or control and hooks. */
static void some_file(uint64_t *random, char *path, size_t size)
{
	static const char *const files[] = {
		"summary", "events", "events.bin", "vmas", "brk", "faults",
		"pages", "loss",
	};
	DIR *dir = opendir(SCOPE_DIR);
	struct dirent *entry;
	char chosen[32] = "";
	int seen = 0;

	while (dir && (entry = readdir(dir)))
		if (*entry->d_name != '.' && !(scope_random(random) % ++seen))
			snprintf(chosen, sizeof(chosen), "%.31s", entry->d_name);
	if (dir)
		closedir(dir);
	if (*chosen >= '0' && *chosen <= '9')
		snprintf(path, size, SCOPE_DIR "/%s/%s", chosen,
			 files[scope_random(random) % 8]);
	else
		snprintf(path, size, SCOPE_DIR "/%s", chosen);
}

static void read_files(struct shared *shared, uint64_t random, int slot)
{
	static char text[64 * 1024];
	char path[128];
	ssize_t got;
	int fd, i;

	(void)slot;
	for (;;) {
		rest(&random, 60);
		make_way(shared);
		some_file(&random, path, sizeof(path));
		fd = open(path, O_RDONLY | O_NONBLOCK);
		if (fd < 0)
			continue;
		for (i = scope_random(&random) % 10; i >= 0; i--) {
			struct pollfd ready = { .fd = fd, .events = POLLIN };

			if (scope_random(&random) % 8 == 0)
				poll(&ready, 1, scope_random(&random) % 20);
			got = read(fd, text, 1 + scope_random(&random) % sizeof(text));
			if (got > 0)
				count(&shared->bytes, got);
			if (!got)
				break;
		}
		close(fd);
	}
}

static int load_module(const char *file)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC), result;

	if (fd < 0)
		return -errno;
	result = syscall(SYS_finit_module, fd, "", 0) ? -errno : 0;
	close(fd);
	return result;
}

/* Unloads the module as soon as it is not in use. */
static int unload_module(void)
{
	return syscall(SYS_delete_module, "brkscope", O_NONBLOCK) ? -errno : 0;
}

static void reload_module(struct shared *shared, uint64_t random, int slot)
{
	const char *file = getenv("BRKSCOPE_KO");
	int error, tries;

	(void)slot;
	for (;;) {
		rest(&random, 1000);
		tries = 0;
		while ((error = unload_module()) == -EAGAIN || error == -EBUSY) {
			rest(&random, 3);
			if (++tries == PATIENCE)
				__atomic_store_n(&shared->make_way, 1, __ATOMIC_RELAXED);
		}
		__atomic_store_n(&shared->make_way, 0, __ATOMIC_RELAXED);
		if (error || load_module(file)) {
			count(&shared->unloads_failed, 1);
			_exit(1);
		}
		count(&shared->loads, 1);
	}
}

FIXTURE_SETUP(storm)
{
	const char *given = getenv("STORM_SECONDS");

	self->seconds = given ? strtoull(given, NULL, 0) : 20;
	self->seed = scope_seed("storm_test");
	self->shared = mmap(NULL, sizeof(*self->shared), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)self->shared);
	/* Threads of a target are no children of ours; orphans shall be. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
}

FIXTURE_TEARDOWN(storm)
{
	munmap(self->shared, sizeof(*self->shared));
}

static pid_t begin(struct shared *shared, uint64_t seed, int slot,
		   void (*run)(struct shared *shared, uint64_t random, int slot))
{
	pid_t pid = child_start();

	if (!pid) {
		/* Seeds that differ in a few bits have like beginnings. */
		seed ^= (slot + 1) * 0x9e3779b97f4a7c15ULL;
		run(shared, seed ?: 1, slot);
		_exit(1);
	}
	return pid;
}

/* Ends the helpers and whatever they leave behind. */
static void end_all(pid_t *helper)
{
	int i;

	for (i = 0; i < HELPERS; i++)
		if (helper[i] > 0)
			kill(helper[i], SIGKILL);
	while (waitpid(-1, NULL, 0) > 0)
		;
}

/* Has enough happened, one way or the other? */
static bool is_over(const struct shared *shared, bool reload, uint64_t seconds)
{
	bool storm = shared->watches >= 10 && shared->bytes &&
		     (shared->loads >= 3 || !reload);

	return seconds >= 600 || storm || shared->unloads_failed;
}

TEST_F_TIMEOUT(storm, harms_nobody, 30 * 86400)
{
	struct shared *shared = self->shared;
	uint64_t end = scope_now() + self->seconds * 1000000000;
	bool reload = getenv("BRKSCOPE_KO");
	int i, n = 0, tries, error = 0;

	if (!reload)
		TH_LOG("BRKSCOPE_KO names no module file: nothing is unloaded meanwhile");
	for (i = 0; i < TARGETS; i++, n++)
		self->helper[n] = begin(shared, self->seed + n, i, run_targets);
	for (i = 0; i < CONTROLLERS; i++, n++)
		self->helper[n] = begin(shared, self->seed + n, n, command_targets);
	for (i = 0; i < READERS; i++, n++)
		self->helper[n] = begin(shared, self->seed + n, n, read_files);
	if (reload)
		self->helper[n] = begin(shared, self->seed + n, n, reload_module);
	while (scope_now() < end ||
	       !is_over(shared, reload, (scope_now() - end) / 1000000000))
		usleep(100000);
	end_all(self->helper);
	TH_LOG("%llu processes came and went, %llu watches, %llu bytes read, %llu reloads",
	       (unsigned long long)shared->lives, (unsigned long long)shared->watches,
	       (unsigned long long)shared->bytes, (unsigned long long)shared->loads);

	/* It was a storm, and it did no harm. */
	EXPECT_LT(0, shared->lives);
	EXPECT_LT(0, shared->watches);
	EXPECT_LT(0, shared->bytes);
	EXPECT_EQ(0, shared->crashes);
	EXPECT_EQ(0, shared->refused);
	if (!reload)
		return;
	EXPECT_LT(0, shared->loads);
	EXPECT_EQ(0, shared->unloads_failed);
	/* Whichever half of a reload was last, the module can be got rid of. */
	for (tries = 0; tries < 600; tries++) {
		error = unload_module();
		if (error != -EAGAIN && error != -EBUSY)
			break;
		usleep(100000);
	}
	if (error != -ENOENT)
		EXPECT_EQ(0, error);
	EXPECT_EQ(0, load_module(getenv("BRKSCOPE_KO")));
}

TEST_HARNESS_MAIN
