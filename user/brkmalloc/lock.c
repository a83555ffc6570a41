// SPDX-License-Identifier: GPL-2.0-only
/*
 * lock.c - who may touch this now?
 *
 * A mutex each for an arena, the break, the stock of mappings. While there is one
 * thread the C library says so, and nothing is locked.
 *
 * All locks are held across fork, so that the child gets a heap at rest and not
 * one that another thread was just changing. While they are so held, their owner
 * runs code of others: handlers that other libraries gave to pthread_atfork, or a
 * handler of the SIGABRT that guard.c raised. They may call malloc; the owner then
 * passes without waiting for itself.
 */
#include <sys/single_threaded.h>

#include "block.h"
#include "lock.h"

static pthread_t owner;			/* valid while owner_passes */
static bool owner_passes;

static bool passes(void)
{
	return unlikely(__atomic_load_n(&owner_passes, __ATOMIC_ACQUIRE)) &&
	       pthread_equal(owner, pthread_self());
}

/**
 * lock_take() - wait until nobody else has it
 * @lock: which
 */
void lock_take(struct lock *lock)
{
	if (__libc_single_threaded || passes())
		return;
	pthread_mutex_lock(&lock->mutex);
	lock->taken = true;
}

/**
 * lock_try() - take it if nobody else has it
 * @lock: which
 *
 * Return: whether it is ours now.
 */
bool lock_try(struct lock *lock)
{
	if (__libc_single_threaded || passes())
		return true;
	if (pthread_mutex_trylock(&lock->mutex))
		return false;
	lock->taken = true;
	return true;
}

/**
 * lock_release() - let others have it
 * @lock: which
 *
 * There may be more or fewer threads than when it was taken; what counts is
 * whether the mutex was.
 */
void lock_release(struct lock *lock)
{
	if (!lock->taken || passes())
		return;
	lock->taken = false;
	pthread_mutex_unlock(&lock->mutex);
}

/**
 * lock_let_owner_pass() - this thread shall not wait for locks that it holds
 *
 * The caller holds all of them, or will never release any again.
 */
void lock_let_owner_pass(void)
{
	owner = pthread_self();
	__atomic_store_n(&owner_passes, true, __ATOMIC_RELEASE);
}

/**
 * lock_let_nobody_pass() - the end of that
 */
void lock_let_nobody_pass(void)
{
	__atomic_store_n(&owner_passes, false, __ATOMIC_RELEASE);
}
