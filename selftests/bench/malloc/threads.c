// SPDX-License-Identifier: GPL-2.0-only
/*
 * What does malloc cost where several threads use it, and each other's blocks?
 */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>

#include "workload.h"

static pthread_t begin(void *(*run)(void *arg), void *arg)
{
	pthread_t thread;
	int error = pthread_create(&thread, NULL, run, arg);

	if (error)
		die("pthread_create: %s", strerror(error));
	return thread;
}

static void end(pthread_t thread)
{
	int error = pthread_join(thread, NULL);

	if (error)
		die("pthread_join: %s", strerror(error));
}

/* Batches of blocks on their way from one thread to another */
#define PIPE_SLOTS	8
#define PIPE_BATCH	1024

struct pipe {
	sem_t	empty;
	sem_t	full;
	void	*slots[PIPE_SLOTS];
};

static struct pipe pipes[2];

static void pipe_init(struct pipe *pipe)
{
	if (sem_init(&pipe->empty, 0, PIPE_SLOTS) || sem_init(&pipe->full, 0, 0))
		die("sem_init: %s", strerror(errno));
}

static void pipe_wait(sem_t *sem)
{
	while (sem_wait(sem)) {
		if (errno != EINTR)
			die("sem_wait: %s", strerror(errno));
	}
}

static void pipe_send(struct pipe *pipe, int i, struct rng *rng)
{
	void **batch = take(PIPE_BATCH * sizeof(*batch));

	for (int j = 0; j < PIPE_BATCH; j++)
		batch[j] = take(rng_between(rng, 16, 256));
	pipe_wait(&pipe->empty);
	pipe->slots[i % PIPE_SLOTS] = batch;
	sem_post(&pipe->full);
}

static void pipe_free(struct pipe *pipe, int i)
{
	void **batch;

	pipe_wait(&pipe->full);
	batch = pipe->slots[i % PIPE_SLOTS];
	sem_post(&pipe->empty);
	for (int j = 0; j < PIPE_BATCH; j++)
		free(batch[j]);
	free(batch);
}

#define PIPE_ROUNDS	2500

/* Each thread makes blocks for the other and frees those of the other. */
static void *exchange_run(void *arg)
{
	bool me = arg;
	struct rng rng = rng_make(me + 1);

	for (int i = 0; i < PIPE_ROUNDS; i++) {
		pipe_send(&pipes[me], i, &rng);
		pipe_free(&pipes[!me], i);
	}
	return NULL;
}

static void exchange(void)
{
	pthread_t other;

	pipe_init(&pipes[0]);
	pipe_init(&pipes[1]);
	other = begin(exchange_run, &pipes[1]);
	exchange_run(NULL);
	end(other);
}

static void *produce(void *arg)
{
	struct rng rng = rng_make(1);

	for (int i = 0; i < 2 * PIPE_ROUNDS; i++)
		pipe_send(arg, i, &rng);
	return NULL;
}

/* One thread makes them all, the other frees them all. */
static void produce_consume(void)
{
	pthread_t producer;

	pipe_init(&pipes[0]);
	producer = begin(produce, &pipes[0]);
	for (int i = 0; i < 2 * PIPE_ROUNDS; i++)
		pipe_free(&pipes[0], i);
	end(producer);
}

/*
 * The server of Larson and Krishnan: a thread replaces random blocks of its
 * share and ends; the next thread takes over the share of another one, so most
 * blocks are freed by a thread that did not make them.
 */
#define SHARES		2
#define SHARE_BLOCKS	5000

static void *shares[SHARES][SHARE_BLOCKS];

static void *larson_run(void *arg)
{
	void **share = arg;
	struct rng rng = rng_make(share == shares[0] ? 1 : 2);

	for (int i = 0; i < 60000; i++) {
		int at = rng_below(&rng, SHARE_BLOCKS);

		free(share[at]);
		share[at] = take(rng_between(&rng, 16, 512));
	}
	return NULL;
}

static void larson(void)
{
	for (int round = 0; round < 50; round++) {
		pthread_t threads[SHARES];

		for (int i = 0; i < SHARES; i++)
			threads[i] = begin(larson_run, shares[(i + round) % SHARES]);
		for (int i = 0; i < SHARES; i++)
			end(threads[i]);
	}
	for (int i = 0; i < SHARES; i++) {
		for (int j = 0; j < SHARE_BLOCKS; j++)
			free(shares[i][j]);
	}
}

/* Each thread replaces random blocks of its own. */
struct own {
	uint64_t	seed;
	int		blocks;
	int		rounds;
};

static void *own_run(void *arg)
{
	const struct own *own = arg;
	struct rng rng = rng_make(own->seed);
	void **blocks = map_own(own->blocks * sizeof(*blocks));

	for (int i = 0; i < own->rounds; i++) {
		int at = rng_below(&rng, own->blocks);

		free(blocks[at]);
		blocks[at] = take(mixed_size(&rng));
	}
	for (int i = 0; i < own->blocks; i++)
		free(blocks[i]);
	return NULL;
}

static void own_all(int count, int blocks, int rounds)
{
	pthread_t threads[64];
	struct own own[64];

	for (int i = 0; i < count; i++) {
		own[i] = (struct own){ i + 1, blocks, rounds };
		threads[i] = begin(own_run, &own[i]);
	}
	for (int i = 0; i < count; i++)
		end(threads[i]);
}

static void threads_two(void)
{
	own_all(2, 10000, 1500000);
}

static void threads_many(void)
{
	own_all(16, 4000, 200000);
}

/*
 * Short lives: a thread makes some blocks, frees half of them and leaves the
 * rest to whoever waits for its end.
 */
#define LIFE_BLOCKS	200

static void *life_run(void *arg)
{
	void **blocks = arg;
	struct rng rng = rng_make((uintptr_t)blocks[0]);

	for (int i = 0; i < LIFE_BLOCKS; i++)
		blocks[i] = take(mixed_size(&rng));
	for (int i = 0; i < LIFE_BLOCKS; i += 2)
		free(blocks[i]);
	return NULL;
}

static void threads_short(void)
{
	enum { AT_ONCE = 4 };
	static void *blocks[AT_ONCE][LIFE_BLOCKS];

	for (uintptr_t round = 1; round <= 800; round++) {
		pthread_t threads[AT_ONCE];

		for (int i = 0; i < AT_ONCE; i++) {
			blocks[i][0] = (void *)(round * AT_ONCE + i);
			threads[i] = begin(life_run, blocks[i]);
		}
		for (int i = 0; i < AT_ONCE; i++) {
			end(threads[i]);
			for (int j = 1; j < LIFE_BLOCKS; j += 2)
				free(blocks[i][j]);
		}
	}
}

const struct workload thread_workloads[] = {
	{ "exchange", "two threads free each other's blocks", exchange },
	{ "produce", "one thread makes blocks, another frees them", produce_consume },
	{ "larson", "server churn, 2 threads that pass their blocks on", larson },
	{ "threads-2", "2 threads, mixed sizes, blocks of their own", threads_two },
	{ "threads-16", "16 threads, mixed sizes, blocks of their own", threads_many },
	{ "threads-short", "threads come and go and leave blocks behind", threads_short },
	{ }
};
