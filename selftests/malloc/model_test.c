// SPDX-License-Identifier: GPL-2.0-only
/*
 * model_test.c - does malloc agree with a model of it under random calls?
 *
 * The model knows of each block its address, size and content. Threads make
 * random calls, also on each other's blocks, each on its own random sequence.
 * Before a block is freed or resized its content is verified. From time to time
 * all threads stop, and then: no two blocks of the model overlap, every block
 * in the heap is in use according to brkmalloc_walk(), and brkmalloc_check()
 * finds nothing.
 *
 * MALLOC_TEST_SEED=N repeats a run; with several threads their interleaving
 * still differs.
 */
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kselftest_harness.h"
#include "malloc_test.h"

#define OPERATIONS	200000	/* of all threads together */
#define STOPS		20	/* checks of everything in a run */
#define THREADS_MAX	4
#define SLOTS		400	/* blocks of a thread at a time */

struct slot {
	char		*data;
	size_t		size;
	unsigned long	seed;
	pthread_mutex_t	lock;	/* threads may work on each other's slots */
};

static struct slot slots[THREADS_MAX * SLOTS];
static size_t threads;
static unsigned long run_seed;
static pthread_barrier_t barrier;

static unsigned long next_random(unsigned long *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state * 0x2545f4914f6cdd1dUL >> 16;
}

/* Mostly small, every power of two as likely as the next, up to 256 KiB. */
static size_t random_size(unsigned long *state)
{
	unsigned int bits = next_random(state) % 11;

	if (next_random(state) % 200 == 0)
		bits = 11 + next_random(state) % 8;
	return next_random(state) % (1UL << bits << 1);
}

static void fail(const struct slot *slot, const char *what)
{
	fprintf(stderr, "seed %lu, slot %zu, block %p, %zu bytes: %s\n",
		run_seed, (size_t)(slot - slots), (void *)slot->data,
		slot->size, what);
	_exit(1);
}

static void accept(struct slot *slot, void *data, size_t size, size_t kept,
		   unsigned long seed)
{
	unsigned long old_seed = slot->seed;

	slot->data = data;
	slot->size = size;
	slot->seed = seed;
	if (!data)
		fail(slot, "no memory");
	if ((uintptr_t)data % 16)
		fail(slot, "misaligned");
	if (malloc_usable_size(data) < size)
		fail(slot, "shorter than asked for");
	if (!filled(data, kept, old_seed))
		fail(slot, "content lost by realloc");
	fill(data, size, seed);
}

static void allocate(struct slot *slot, unsigned long *state)
{
	size_t size = random_size(state);
	unsigned long seed = next_random(state);
	size_t align;
	void *data;

	switch (next_random(state) % 8) {
	case 0:
		align = 16UL << next_random(state) % 9;
		data = aligned_alloc(align, size);
		if ((uintptr_t)data % align)
			fail(slot, "less aligned than asked for");
		break;
	case 1:
	case 2:
		data = calloc(1, size);
		if (data && !all_zero(data, size))
			fail(slot, "calloc gave memory that is not zero");
		break;
	default:
		data = malloc(size);
	}
	accept(slot, data, size, 0, seed);
}

static void operate(struct slot *slot, unsigned long *state)
{
	size_t size;

	if (!slot->data) {
		allocate(slot, state);
		return;
	}
	if (!filled(slot->data, slot->size, slot->seed))
		fail(slot, "content changed");
	if (next_random(state) % 3) {
		free(slot->data);
		slot->data = NULL;
		return;
	}
	size = random_size(state) + 1;
	accept(slot, realloc(slot->data, size), size,
	       size < slot->size ? size : slot->size, next_random(state));
}

static int by_address(const void *a, const void *b)
{
	const struct slot *x = *(struct slot *const *)a;
	const struct slot *y = *(struct slot *const *)b;

	return x->data < y->data ? -1 : x->data > y->data;
}

/* Sorted by hand: qsort may call malloc. */
static size_t sorted_slots(struct slot **sorted)
{
	size_t n = 0, gap, i, k;
	struct slot *slot;

	for (slot = slots; slot < slots + threads * SLOTS; slot++)
		if (slot->data)
			sorted[n++] = slot;
	for (gap = n / 2; gap; gap /= 2) {
		for (i = gap; i < n; i++) {
			slot = sorted[i];
			for (k = i; k >= gap && by_address(&sorted[k - gap], &slot) > 0; k -= gap)
				sorted[k] = sorted[k - gap];
			sorted[k] = slot;
		}
	}
	return n;
}

struct heap_view {
	struct slot	**sorted;
	size_t		n;
	size_t		used;	/* blocks of the model that were seen in use */
};

static int see_block(const struct brkmalloc_block *block, void *arg)
{
	struct heap_view *view = arg;
	struct slot key = { .data = block->data };
	const struct slot *wanted = &key;
	struct slot **found;

	found = bsearch(&wanted, view->sorted, view->n, sizeof(*view->sorted),
			by_address);
	if (!found)
		return 0;
	if (block->state != BRKMALLOC_USED)
		return 1;
	view->used++;
	return 0;
}

static void check_everything(void)
{
	static struct slot *sorted[THREADS_MAX * SLOTS];
	struct heap_view view = { .sorted = sorted };
	struct brkmalloc_stats stats;
	size_t i;

	if (brkmalloc_check())
		fail(slots, "brkmalloc_check");
	view.n = sorted_slots(sorted);
	for (i = 1; i < view.n; i++)
		if (sorted[i - 1]->data + malloc_usable_size(sorted[i - 1]->data) > sorted[i]->data)
			fail(sorted[i], "overlaps the block before");
	if (brkmalloc_walk(see_block, &view))
		fail(slots, "a block of the model is not in use in the heap");
	brkmalloc_stats(&stats);
	if (view.used + stats.mapped_blocks < view.n)
		fail(slots, "a block of the model is neither in the heap nor mapped");
}

static void *work(void *arg)
{
	size_t self = (size_t)arg;
	unsigned long state = run_seed * 1000003 + self * 7919 + 1;
	size_t stop, i, index;

	for (stop = 0; stop < STOPS; stop++) {
		for (i = 0; i < OPERATIONS / STOPS / threads; i++) {
			index = self * SLOTS + next_random(&state) % SLOTS;
			if (next_random(&state) % 16 == 0)
				index = next_random(&state) % (threads * SLOTS);
			pthread_mutex_lock(&slots[index].lock);
			operate(&slots[index], &state);
			pthread_mutex_unlock(&slots[index].lock);
		}
		pthread_barrier_wait(&barrier);
		if (!self)
			check_everything();
		pthread_barrier_wait(&barrier);
	}
	return NULL;
}

static int run_model(void)
{
	pthread_t ids[THREADS_MAX];
	struct brkmalloc_stats stats;
	size_t i, used;

	brkmalloc_stats(&stats);
	REQUIRE(!strcmp(stats.fit, getenv("BRKMALLOC_FIT")));
	threads = strtoul(getenv("MODEL_THREADS"), NULL, 10);
	run_seed = strtoul(getenv("MALLOC_TEST_SEED"), NULL, 10);
	pthread_barrier_init(&barrier, NULL, threads);
	for (i = 0; i < threads * SLOTS; i++)
		pthread_mutex_init(&slots[i].lock, NULL);
	for (i = 1; i < threads; i++)
		REQUIRE(!pthread_create(&ids[i], NULL, work, (void *)i));
	brkmalloc_stats(&stats);
	used = stats.used_blocks;
	work(NULL);
	for (i = 1; i < threads; i++)
		pthread_join(ids[i], NULL);
	for (i = 0; i < threads * SLOTS; i++) {
		if (slots[i].data && !filled(slots[i].data, slots[i].size, slots[i].seed))
			fail(&slots[i], "content changed");
		free(slots[i].data);
	}
	REQUIRE(!brkmalloc_check());
	brkmalloc_stats(&stats);
	/* Whatever is left is not the model's: thread stacks' bookkeeping. */
	REQUIRE(stats.used_blocks <= used + threads);
	REQUIRE(stats.mapped_blocks == 0);
	return 0;
}

const struct scenario scenarios[] = { { "model", run_model }, { } };

FIXTURE(model) {
	char	seed[64];
};

FIXTURE_VARIANT(model) {
	char	*fit;
	char	*threads;
	char	*more;		/* another setting, or NULL */
};

FIXTURE_VARIANT_ADD(model, segregated_1_thread) {
	.fit = "BRKMALLOC_FIT=segregated",
	.threads = "MODEL_THREADS=1",
};

FIXTURE_VARIANT_ADD(model, segregated_4_threads) {
	.fit = "BRKMALLOC_FIT=segregated",
	.threads = "MODEL_THREADS=4",
};

FIXTURE_VARIANT_ADD(model, first_1_thread) {
	.fit = "BRKMALLOC_FIT=first",
	.threads = "MODEL_THREADS=1",
};

FIXTURE_VARIANT_ADD(model, first_4_threads) {
	.fit = "BRKMALLOC_FIT=first",
	.threads = "MODEL_THREADS=4",
};

FIXTURE_VARIANT_ADD(model, next_1_thread) {
	.fit = "BRKMALLOC_FIT=next",
	.threads = "MODEL_THREADS=1",
};

FIXTURE_VARIANT_ADD(model, next_4_threads) {
	.fit = "BRKMALLOC_FIT=next",
	.threads = "MODEL_THREADS=4",
};

FIXTURE_VARIANT_ADD(model, best_4_threads) {
	.fit = "BRKMALLOC_FIT=best",
	.threads = "MODEL_THREADS=4",
};

FIXTURE_VARIANT_ADD(model, worst_4_threads) {
	.fit = "BRKMALLOC_FIT=worst",
	.threads = "MODEL_THREADS=4",
};

FIXTURE_VARIANT_ADD(model, trim_always) {
	.fit = "BRKMALLOC_FIT=segregated",
	.threads = "MODEL_THREADS=4",
	.more = "BRKMALLOC_TRIM_THRESHOLD=0",
};

FIXTURE_VARIANT_ADD(model, map_early) {
	.fit = "BRKMALLOC_FIT=segregated",
	.threads = "MODEL_THREADS=4",
	.more = "BRKMALLOC_MMAP_THRESHOLD=2K",
};

FIXTURE_VARIANT_ADD(model, map_never) {
	.fit = "BRKMALLOC_FIT=segregated",
	.threads = "MODEL_THREADS=4",
	.more = "BRKMALLOC_MMAP_THRESHOLD=1G",
};

FIXTURE_SETUP(model)
{
	const char *given = getenv("MALLOC_TEST_SEED");
	unsigned long seed = given ? strtoul(given, NULL, 10) :
				     (unsigned long)time(NULL) * 1000 + getpid();

	(void)variant;
	snprintf(self->seed, sizeof(self->seed), "MALLOC_TEST_SEED=%lu", seed);
}

FIXTURE_TEARDOWN(model)
{
	(void)self;
	(void)variant;
}

TEST_F_TIMEOUT(model, keeps_every_block_and_overlaps_none, 300)
{
	TH_LOG("%s", self->seed);
	EXPECT_SCENARIO_PASSES("model", self->seed, variant->fit,
			       variant->threads, variant->more);
}

int main(int argc, char **argv)
{
	return scenario_or_tests(argc, argv, test_harness_run);
}
