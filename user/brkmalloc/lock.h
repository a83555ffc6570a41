/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * lock.h - who may touch this now? The contract of lock.c
 */
#ifndef BRKMALLOC_LOCK_H
#define BRKMALLOC_LOCK_H

#include <pthread.h>
#include <stdbool.h>

/**
 * struct lock - a mutex that a program of one thread does not pay for
 * @mutex: it
 * @taken: the mutex is; by its holder
 * @alone: held by the only thread, which took no mutex
 */
struct lock {
	pthread_mutex_t	mutex;
	bool		taken;
	bool		alone;
};

#define LOCK_INITIALIZER { .mutex = PTHREAD_MUTEX_INITIALIZER }

void lock_take(struct lock *lock);
bool lock_try(struct lock *lock);
void lock_release(struct lock *lock);
void lock_drop(struct lock *lock);
void lock_tell(void (*released)(void));
void lock_let_owner_pass(void);
void lock_let_nobody_pass(void);
bool lock_is_passed(void);

#endif /* BRKMALLOC_LOCK_H */
