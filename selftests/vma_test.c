// SPDX-License-Identifier: GPL-2.0-only
/*
 * vma_test.c - after any row of random calls, does the mirror equal maps?
 *
 * Each thread works in an arena of its own and with addresses that the kernel
 * chooses; SEED=number repeats a run.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "brkscope_test.h"

#define ARENA_PAGES	256
#define LOOSE		24	/* areas outside the arena, at most, per thread */
#define CALLS		400
#define THREADS		3
#define ROUNDS		20
#define ROUND_CALLS	40

/**
 * struct worker - one thread's part of the address space
 * @random: state of its random numbers
 * @arena: ARENA_PAGES pages that only this thread changes
 * @loose: areas the kernel placed
 * @file: a file to map
 * @moves_break: only one thread may
 * @heap: the break may go from here ...
 * @heap_top: ... to here
 * @what: the last call, for messages
 */
struct worker {
	uint64_t random;
	char *arena;
	struct { char *start; size_t pages; } loose[LOOSE];
	int file;
	bool moves_break;
	uint64_t heap;
	uint64_t heap_top;
	char what[96];
};

static size_t page;
static struct worker workers[THREADS + 1];
static pthread_barrier_t before, after;
static volatile int rounds_done;

static unsigned int below(struct worker *worker, unsigned int limit)
{
	return scope_random(&worker->random) % limit;
}

static int random_prot(struct worker *worker)
{
	static const int prots[] = {
		PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE,
		PROT_READ | PROT_WRITE, PROT_READ | PROT_EXEC,
	};

	return prots[below(worker, ARRAY_SIZE(prots))];
}

/* A range of the arena, small mostly. */
static char *random_range(struct worker *worker, size_t *bytes)
{
	unsigned int first = below(worker, ARENA_PAGES);
	unsigned int most = below(worker, 4) ? 12 : ARENA_PAGES;
	unsigned int pages = 1 + below(worker, most);

	if (pages > ARENA_PAGES - first)
		pages = ARENA_PAGES - first;
	*bytes = pages * page;
	return worker->arena + first * page;
}

static void keep_loose(struct worker *worker, char *start, size_t pages)
{
	unsigned int slot = below(worker, LOOSE);

	if (worker->loose[slot].start)
		munmap(worker->loose[slot].start,
		       worker->loose[slot].pages * page);
	worker->loose[slot].start = start;
	worker->loose[slot].pages = pages;
}

static void call_mmap(struct worker *worker)
{
	bool fixed = below(worker, 3), anonymous = below(worker, 3);
	int flags = below(worker, 4) ? MAP_PRIVATE : MAP_SHARED;
	int prot = random_prot(worker);
	off_t offset = 0;
	size_t bytes;
	char *where = random_range(worker, &bytes), *got;

	if (fixed)
		flags |= MAP_FIXED;
	else
		where = NULL;
	if (anonymous)
		flags |= MAP_ANONYMOUS;
	else
		offset = below(worker, 64) * page;
	got = mmap(where, bytes, prot, flags, anonymous ? -1 : worker->file,
		   offset);
	snprintf(worker->what, sizeof(worker->what),
		 "mmap(%p, %zu pages, prot %x, flags %x) = %p", where,
		 bytes / page, prot, flags, got);
	if (got != MAP_FAILED && !fixed)
		keep_loose(worker, got, bytes / page);
}

static void call_munmap(struct worker *worker)
{
	unsigned int slot = below(worker, LOOSE);
	size_t bytes;
	char *where = random_range(worker, &bytes);

	if (worker->loose[slot].start && below(worker, 2)) {
		where = worker->loose[slot].start;
		bytes = worker->loose[slot].pages * page;
		worker->loose[slot].start = NULL;
	}
	munmap(where, bytes);
	snprintf(worker->what, sizeof(worker->what), "munmap(%p, %zu pages)",
		 where, bytes / page);
}

static void call_mprotect(struct worker *worker)
{
	int prot = random_prot(worker), result;
	size_t bytes;
	char *where = random_range(worker, &bytes);

	result = mprotect(where, bytes, prot);
	snprintf(worker->what, sizeof(worker->what),
		 "mprotect(%p, %zu pages, %x) = %d", where, bytes / page, prot,
		 result);
}

static void call_mremap(struct worker *worker)
{
	unsigned int slot = below(worker, LOOSE);
	size_t bytes, pages = 1 + below(worker, 40), to_bytes;
	char *where = random_range(worker, &bytes), *got, *to;

	if (worker->loose[slot].start && below(worker, 2)) {
		got = mremap(worker->loose[slot].start,
			     worker->loose[slot].pages * page, pages * page,
			     MREMAP_MAYMOVE);
		if (got != MAP_FAILED) {
			worker->loose[slot].start = got;
			worker->loose[slot].pages = pages;
		}
	} else if (below(worker, 2)) {
		to = random_range(worker, &to_bytes);
		got = mremap(where, bytes, to_bytes,
			     MREMAP_MAYMOVE | MREMAP_FIXED, to);
	} else if (below(worker, 2)) {
		/* The C library leaves the last argument undefined here. */
		got = (char *)syscall(SYS_mremap, where, bytes, bytes,
				      MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0);
		if (got != MAP_FAILED)
			keep_loose(worker, got, bytes / page);
	} else {
		got = mremap(where, bytes, 1 + below(worker, bytes), 0);
	}
	snprintf(worker->what, sizeof(worker->what),
		 "mremap(%p, %zu pages, ...) = %p", where, bytes / page, got);
}

static void call_brk(struct worker *worker)
{
	uint64_t to = worker->heap +
		      below(worker, worker->heap_top - worker->heap);

	if (!worker->moves_break)
		return call_mmap(worker);
	syscall(SYS_brk, to);
	snprintf(worker->what, sizeof(worker->what), "brk(%#llx)",
		 (unsigned long long)to);
}

static void call_madvise(struct worker *worker)
{
	static const int advice[] = {
		MADV_DONTNEED, MADV_FREE, MADV_HUGEPAGE, MADV_NOHUGEPAGE,
		MADV_DONTFORK, MADV_DOFORK, MADV_DONTDUMP, MADV_DODUMP,
		MADV_WIPEONFORK, MADV_KEEPONFORK, MADV_SEQUENTIAL, MADV_NORMAL,
	};
	int chosen = advice[below(worker, ARRAY_SIZE(advice))], result;
	size_t bytes;
	char *where = random_range(worker, &bytes);

	result = madvise(where, bytes, chosen);
	snprintf(worker->what, sizeof(worker->what),
		 "madvise(%p, %zu pages, %d) = %d", where, bytes / page, chosen,
		 result);
}

static void random_call(struct worker *worker)
{
	static void (*const calls[])(struct worker *worker) = {
		call_mmap, call_mmap, call_mmap, call_munmap, call_munmap,
		call_mprotect, call_mprotect, call_mremap, call_brk,
		call_madvise,
	};

	calls[below(worker, ARRAY_SIZE(calls))](worker);
}

static bool worker_prepare(struct worker *worker, uint64_t seed, bool moves_break)
{
	memset(worker, 0, sizeof(*worker));
	worker->random = seed;
	worker->moves_break = moves_break;
	worker->heap = syscall(SYS_brk, 0);
	worker->heap_top = worker->heap + 200 * page;
	worker->arena = mmap(NULL, ARENA_PAGES * page, PROT_NONE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	worker->file = memfd_create("mapped", MFD_CLOEXEC);
	return worker->arena != MAP_FAILED && worker->file >= 0 &&
	       !ftruncate(worker->file, 64 * page);
}

FIXTURE(vma) {
	pid_t pid;
	uint64_t seed;
	int events;
};

FIXTURE_SETUP(vma)
{
	size_t i;

	scope_prepare();
	page = scope_page_size();
	self->pid = getpid();
	self->seed = scope_seed(_metadata->name);
	for (i = 0; i < ARRAY_SIZE(workers); i++)
		ASSERT_TRUE(worker_prepare(&workers[i], self->seed + i * 7919,
					   i == 0));
	ASSERT_EQ(0, scope_watch(self->pid));
	self->events = scope_events(self->pid, NULL);
	ASSERT_LE(0, self->events);
}

FIXTURE_TEARDOWN(vma)
{
	close(self->events);
	scope_unwatch(self->pid);
}

TEST_F(vma, the_mirror_equals_maps_when_the_watch_begins)
{
	const char *difference = mirror_differs(self->pid);

	EXPECT_EQ(NULL, difference)
		TH_LOG("%s", difference);
	EXPECT_EQ((int64_t)scope_maps.count, scope_number(self->pid, "vmas"));
}

TEST_F_TIMEOUT(vma, the_mirror_equals_maps_after_each_of_400_random_calls, 600)
{
	const char *difference;
	int i;

	for (i = 0; i < CALLS; i++) {
		random_call(&workers[0]);
		difference = mirror_differs(self->pid);
		ASSERT_EQ(NULL, difference) {
			TH_LOG("SEED=%llu call %d %s: %s",
			       (unsigned long long)self->seed, i,
			       workers[0].what, difference);
		}
	}
	/* The calls must have done something for this to mean anything. */
	EXPECT_LT(100, scope_number(self->pid, "vma_changes"));
	EXPECT_EQ((int64_t)scope_maps.count, scope_number(self->pid, "vmas"));
}

TEST_F_TIMEOUT(vma, replaying_the_records_gives_the_same_set, 600)
{
	const char *difference;
	ssize_t count;
	size_t a;
	int i;

	count = scope_drain(self->events, scope_records, SCOPE_RECORDS);
	ASSERT_LE(0, count);
	ASSERT_EQ(NULL, mirror_differs(self->pid));
	replay_begin(&scope_replay, &scope_maps);
	replay_names(&scope_replay, scope_records, count);
	for (i = 0; i < CALLS; i++) {
		random_call(&workers[0]);
		count = scope_drain(self->events, scope_records, SCOPE_RECORDS);
		ASSERT_LE(0, count);
		replay_records(&scope_replay, scope_records, count);
		ASSERT_EQ(0, maps_read(self->pid, &scope_maps));
		/* Records carry no file offset. */
		for (a = 0; a < scope_maps.count; a++)
			scope_maps.area[a].offset = 0;
		for (a = 0; a < scope_replay.areas.count; a++)
			scope_replay.areas.area[a].offset = 0;
		difference = *scope_replay.error ? scope_replay.error :
			     areas_differ(&scope_maps, &scope_replay.areas);
		ASSERT_EQ(NULL, difference) {
			TH_LOG("SEED=%llu call %d %s: %s",
			       (unsigned long long)self->seed, i,
			       workers[0].what, difference);
		}
	}
}

static void *work_in_rounds(void *data)
{
	struct worker *worker = data;
	int i;

	for (;;) {
		pthread_barrier_wait(&before);
		if (rounds_done)
			return NULL;
		for (i = 0; i < ROUND_CALLS; i++)
			random_call(worker);
		pthread_barrier_wait(&after);
	}
}

TEST_F_TIMEOUT(vma, the_mirror_equals_maps_while_four_threads_change_it, 600)
{
	pthread_t threads[THREADS];
	const char *difference = NULL;
	int i, round;

	pthread_barrier_init(&before, NULL, THREADS + 1);
	pthread_barrier_init(&after, NULL, THREADS + 1);
	rounds_done = 0;
	for (i = 0; i < THREADS; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, work_in_rounds,
					    &workers[i + 1]));
	for (round = 0; round < ROUNDS && !difference; round++) {
		pthread_barrier_wait(&before);
		for (i = 0; i < ROUND_CALLS; i++)
			random_call(&workers[0]);
		pthread_barrier_wait(&after);
		difference = mirror_differs(self->pid);
		EXPECT_EQ(NULL, difference) {
			TH_LOG("SEED=%llu round %d: %s",
			       (unsigned long long)self->seed, round, difference);
		}
	}
	rounds_done = 1;
	pthread_barrier_wait(&before);
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

TEST_F_TIMEOUT(vma, records_of_four_threads_replay_to_the_same_set, 600)
{
	pthread_t threads[THREADS];
	const char *difference;
	ssize_t count;
	size_t a;
	int i;

	count = scope_drain(self->events, scope_records, SCOPE_RECORDS);
	ASSERT_LE(0, count);
	ASSERT_EQ(NULL, mirror_differs(self->pid));
	replay_begin(&scope_replay, &scope_maps);
	replay_names(&scope_replay, scope_records, count);
	pthread_barrier_init(&before, NULL, THREADS + 1);
	pthread_barrier_init(&after, NULL, THREADS + 1);
	rounds_done = 0;
	for (i = 0; i < THREADS; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, work_in_rounds,
					    &workers[i + 1]));
	pthread_barrier_wait(&before);
	for (i = 0; i < ROUND_CALLS; i++)
		random_call(&workers[0]);
	pthread_barrier_wait(&after);

	count = scope_drain(self->events, scope_records, SCOPE_RECORDS);
	ASSERT_LE(0, count);
	replay_records(&scope_replay, scope_records, count);
	EXPECT_STREQ("", scope_replay.error);
	ASSERT_EQ(0, maps_read(self->pid, &scope_maps));
	for (a = 0; a < scope_maps.count; a++)
		scope_maps.area[a].offset = 0;
	for (a = 0; a < scope_replay.areas.count; a++)
		scope_replay.areas.area[a].offset = 0;
	difference = areas_differ(&scope_maps, &scope_replay.areas);
	EXPECT_EQ(NULL, difference)
		TH_LOG("SEED=%llu: %s", (unsigned long long)self->seed,
		       difference);
	rounds_done = 1;
	pthread_barrier_wait(&before);
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

TEST_HARNESS_MAIN
