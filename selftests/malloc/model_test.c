// SPDX-License-Identifier: GPL-2.0-only
/*
 * model_test.c - does malloc agree with a model of it under random calls?
 *
 * Threads make random calls, also on each other's blocks, each on its own random
 * sequence. Before a block is freed or resized its content is verified. From time
 * to time all threads stop, and then: no two blocks of the model overlap, the
 * blocks in use according to brkmalloc_walk() are those of the model and no
 * others, and brkmalloc_check() finds nothing. Now and then the threads end and
 * others take over.
 *
 * MALLOC_TEST_OPERATIONS=N makes a run longer or shorter. MALLOC_TEST_SEED=N
 * repeats it; with several threads their interleaving still differs.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kselftest_harness.h"
#include "model.h"

#define OPERATIONS	"1000000"	/* of all threads together */
#define GENERATIONS	5		/* of threads */
#define STOPS		4		/* checks of everything in each */

static size_t operations;	/* of a thread between two stops */
static pthread_barrier_t barrier;

static void *work(void *arg)
{
	static unsigned long states[THREADS_MAX];
	size_t self = (size_t)arg;
	unsigned long *state = &states[self];
	size_t stop, i, index;

	if (!*state)
		*state = run_seed * 1000003 + self * 7919 + 1;
	/* What the library needs for a thread is there from its first call on. */
	free(malloc(1));
	pthread_barrier_wait(&barrier);
	if (!self) {
		learn_foreign();
		check_everything();
	}
	for (stop = 0; stop < STOPS; stop++) {
		pthread_barrier_wait(&barrier);
		for (i = 0; i < operations; i++) {
			index = self * SLOTS + next_random(state) % SLOTS;
			if (next_random(state) % 8 == 0)
				index = next_random(state) % (threads * SLOTS);
			pthread_mutex_lock(&slots[index].lock);
			operate(&slots[index], state);
			pthread_mutex_unlock(&slots[index].lock);
		}
		pthread_barrier_wait(&barrier);
		if (!self)
			check_everything();
	}
	return NULL;
}

static void live_generation(void)
{
	pthread_t ids[THREADS_MAX];
	size_t i;

	for (i = 1; i < threads; i++)
		REQUIRE(!pthread_create(&ids[i], NULL, work, (void *)i));
	work(NULL);
	for (i = 1; i < threads; i++)
		pthread_join(ids[i], NULL);
}

static int run_model(void)
{
	struct brkmalloc_stats stats;
	size_t i;

	brkmalloc_stats(&stats);
	REQUIRE(!strcmp(stats.fit, getenv("BRKMALLOC_FIT")));
	threads = strtoul(getenv("MODEL_THREADS"), NULL, 10);
	run_seed = strtoul(getenv("MALLOC_TEST_SEED"), NULL, 10);
	operations = strtoul(getenv("MALLOC_TEST_OPERATIONS"), NULL, 10) /
		     GENERATIONS / STOPS / threads;
	REQUIRE(operations);
	pthread_barrier_init(&barrier, NULL, threads);
	for (i = 0; i < threads * SLOTS; i++)
		pthread_mutex_init(&slots[i].lock, NULL);
	for (i = 0; i < GENERATIONS; i++)
		live_generation();
	for (i = 0; i < threads * SLOTS; i++) {
		if (slots[i].data && !filled(slots[i].data, slots[i].size, slots[i].seed))
			fail(&slots[i], "content changed");
		free(slots[i].data);
		slots[i].data = NULL;
	}
	check_everything();
	return 0;
}

const struct scenario scenarios[] = { { "model", run_model }, { } };

FIXTURE(model) {
	char	seed[64];
	char	operations[64];
	char	*fit;
	char	*threads;
	char	*more;
};

FIXTURE_VARIANT(model) {
	char	*fit;
	char	*threads;
	char	*more;		/* another setting, or NULL */
};

FIXTURE_VARIANT_ADD(model, first) {
	.fit = "BRKMALLOC_FIT=first",
	.threads = "MODEL_THREADS=4",
};

FIXTURE_VARIANT_ADD(model, next) {
	.fit = "BRKMALLOC_FIT=next",
	.threads = "MODEL_THREADS=4",
};

FIXTURE_VARIANT_ADD(model, best) {
	.fit = "BRKMALLOC_FIT=best",
	.threads = "MODEL_THREADS=4",
};

FIXTURE_VARIANT_ADD(model, worst) {
	.fit = "BRKMALLOC_FIT=worst",
	.threads = "MODEL_THREADS=4",
};

FIXTURE_VARIANT_ADD(model, segregated) {
	.fit = "BRKMALLOC_FIT=segregated",
	.threads = "MODEL_THREADS=4",
};

FIXTURE_VARIANT_ADD(model, one_thread) {
	.fit = "BRKMALLOC_FIT=segregated",
	.threads = "MODEL_THREADS=1",
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
	const char *many = getenv("MALLOC_TEST_OPERATIONS");
	unsigned long seed = given ? strtoul(given, NULL, 10) :
				     (unsigned long)time(NULL) * 1000 + getpid();

	self->fit = variant->fit;
	self->threads = variant->threads;
	self->more = variant->more;
	snprintf(self->seed, sizeof(self->seed), "MALLOC_TEST_SEED=%lu", seed);
	snprintf(self->operations, sizeof(self->operations),
		 "MALLOC_TEST_OPERATIONS=%s", many ? many : OPERATIONS);
}

FIXTURE_TEARDOWN(model)
{
	(void)self;
	(void)variant;
}

static void expect_model_holds(struct __test_metadata *_metadata,
			       FIXTURE_DATA(model) *self, char *cache,
			       char *guard)
{
	TH_LOG("%s %s %s", self->seed, cache, guard);
	EXPECT_SCENARIO_PASSES("model", self->seed, self->operations,
			       self->fit, self->threads, cache, guard,
			       self->more);
}

TEST_F_TIMEOUT(model, holds_with_caches, 300)
{
	expect_model_holds(_metadata, self, "BRKMALLOC_CACHE=",
			   "BRKMALLOC_GUARD=off");
	expect_model_holds(_metadata, self, "BRKMALLOC_CACHE=",
			   "BRKMALLOC_GUARD=default");
	expect_model_holds(_metadata, self, "BRKMALLOC_CACHE=",
			   "BRKMALLOC_GUARD=full");
}

TEST_F_TIMEOUT(model, holds_without_caches, 300)
{
	expect_model_holds(_metadata, self, "BRKMALLOC_CACHE=0",
			   "BRKMALLOC_GUARD=off");
	expect_model_holds(_metadata, self, "BRKMALLOC_CACHE=0",
			   "BRKMALLOC_GUARD=default");
	expect_model_holds(_metadata, self, "BRKMALLOC_CACHE=0",
			   "BRKMALLOC_GUARD=full");
}

int main(int argc, char **argv)
{
	return scenario_or_tests(argc, argv, test_harness_run);
}
