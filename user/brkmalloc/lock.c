// SPDX-License-Identifier: GPL-2.0-only
/*
 * lock.c - who may touch the heap now?
 *
 * One mutex for the whole heap. It is held across fork, so that the child gets
 * a heap at rest and not one that another thread was just changing. While it is
 * so held, its owner runs code of others: handlers that other libraries gave to
 * pthread_atfork, or a handler of the SIGABRT that guard.c raised. They may
 * call malloc; the owner then passes without waiting for itself.
 */
#include <pthread.h>
#include <stdbool.h>

#include "lock.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_t owner;			/* valid while owner_passes */
static bool owner_passes;		/* written with the mutex held */

static bool passes(void)
{
	return __atomic_load_n(&owner_passes, __ATOMIC_ACQUIRE) &&
	       pthread_equal(owner, pthread_self());
}

/**
 * lock_take() - wait until nobody else uses the heap
 */
void lock_take(void)
{
	if (!passes())
		pthread_mutex_lock(&mutex);
}

/**
 * lock_release() - let others use the heap
 */
void lock_release(void)
{
	if (!passes())
		pthread_mutex_unlock(&mutex);
}

/**
 * lock_let_owner_pass() - this thread shall not wait for the lock that it holds
 *
 * The caller holds the lock.
 */
void lock_let_owner_pass(void)
{
	owner = pthread_self();
	__atomic_store_n(&owner_passes, true, __ATOMIC_RELEASE);
}

static void before_fork(void)
{
	lock_take();
	lock_let_owner_pass();
}

/* Parent and child alike; the child has no other thread that could wait. */
static void after_fork(void)
{
	__atomic_store_n(&owner_passes, false, __ATOMIC_RELEASE);
	lock_release();
}

/**
 * lock_watch_fork() - hold the lock across every fork from now on
 *
 * Once, before there are threads. May call malloc.
 */
void lock_watch_fork(void)
{
	pthread_atfork(before_fork, after_fork, after_fork);
}
