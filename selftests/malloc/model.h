/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * model.h - a model of the heap under random calls
 */
#ifndef MODEL_H
#define MODEL_H

#include <pthread.h>

#include "malloc_test.h"

#define THREADS_MAX	4
#define SLOTS		400	/* blocks of a thread at a time */

/**
 * struct slot - room for a block of the model
 * @data: the block, or NULL
 * @size: bytes that the program may use
 * @align: @data is a multiple of it
 * @seed: of the content, by fill()
 * @lock: threads may work on each other's slots
 */
struct slot {
	char		*data;
	size_t		size;
	size_t		align;
	unsigned long	seed;
	pthread_mutex_t	lock;
};

extern struct slot slots[THREADS_MAX * SLOTS];
extern size_t threads;
extern unsigned long run_seed;

unsigned long next_random(unsigned long *state);
void fail(const struct slot *slot, const char *what);
void operate(struct slot *slot, unsigned long *state);
void learn_foreign(void);
void check_everything(void);

#endif /* MODEL_H */
