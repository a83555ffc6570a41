// SPDX-License-Identifier: GPL-2.0-only
/*
 * lock.c - who may touch this now?
 *
 * A mutex each for an arena, the break, the stock of mappings, the table. While there
 * is one thread the C library says so, and no mutex is taken; but that somebody is
 * at it is noted even then, for a signal handler that interrupts him.
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
static void (*tell)(void);

static bool passes(void)
{
	return unlikely(__atomic_load_n(&owner_passes, __ATOMIC_ACQUIRE)) &&
	       pthread_equal(owner, pthread_self());
}

/* Seen by a handler that interrupts us; the rest must not move across it. */
static void set_alone(struct lock *lock, bool alone)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	lock->alone = alone;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/**
 * lock_take() - wait until nobody else has it
 * @lock: which
 */
void lock_take(struct lock *lock)
{
	if (passes())
		return;
	if (__libc_single_threaded) {
		set_alone(lock, true);
		return;
	}
	pthread_mutex_lock(&lock->mutex);
	lock->taken = true;
}

/**
 * lock_try() - take it if nobody has it
 * @lock: which
 *
 * What this does a signal handler may do, too: pthread_mutex_trylock() is not among
 * the functions that POSIX allows there, but comes down to one compare-and-swap.
 *
 * Return: whether it is ours now.
 */
bool lock_try(struct lock *lock)
{
	if (passes())
		return true;
	if (__libc_single_threaded) {
		if (lock->alone)
			return false;
		set_alone(lock, true);
		return true;
	}
	if (pthread_mutex_trylock(&lock->mutex))
		return false;
	lock->taken = true;
	return true;
}

/**
 * lock_drop() - let others have it, and tell nobody
 * @lock: which
 *
 * There may be more or fewer threads than when it was taken; what counts is
 * whether the mutex was.
 */
void lock_drop(struct lock *lock)
{
	if (passes())
		return;
	if (lock->alone) {
		set_alone(lock, false);
	} else if (lock->taken) {
		lock->taken = false;
		pthread_mutex_unlock(&lock->mutex);
	}
}

/**
 * lock_release() - let others have it
 * @lock: which
 */
void lock_release(struct lock *lock)
{
	void (*released)(void);

	lock_drop(lock);
	released = __atomic_load_n(&tell, __ATOMIC_SEQ_CST);
	if (unlikely(released))
		released();
}

/**
 * lock_tell() - somebody waits for locks, but not by sleeping
 * @released: called after each lock_release(), by who released it; or NULL
 */
void lock_tell(void (*released)(void))
{
	__atomic_store_n(&tell, released, __ATOMIC_SEQ_CST);
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

/**
 * lock_is_passed() - may somebody be changing what is locked, right now?
 */
bool lock_is_passed(void)
{
	return __atomic_load_n(&owner_passes, __ATOMIC_ACQUIRE);
}
