// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where do hooks get memory from, since they may not allocate?
 *
 * A pool holds unused objects of one size. When three quarters of them are in
 * use, a hook asks for more, and a work item doubles the pool. It is asked by
 * way of an interrupt of one's own, since a hook may run under any lock of the
 * kernel, those of the work queues included. What found no object meanwhile is
 * counted, and the work makes up for it where it can.
 *
 * Context of pool_take() and pool_give(): any but NMI; watch.lock held. The
 * rest sleeps. The grower belongs to the watch and is stopped by whoever frees
 * that.
 */
#include <linux/memcontrol.h>
#include <linux/sched/mm.h>
#include <linux/vmalloc.h>

#include "internal.h"

#define POOL_RETRY_LOCK		(HZ / 50)	/* mmap_lock was taken */
#define POOL_RETRY_MEMORY	HZ		/* memory is short, or the user's limit reached */

/**
 * struct pool_slab - memory of some objects
 * @next: the slab before it
 * @objects: they follow
 */
struct pool_slab {
	struct pool_slab *next;
	u64 objects[];
};

static bool pool_is_low(const struct pool *pool)
{
	return READ_ONCE(pool->unused) < pool->size / 4 && pool->size < pool->max;
}

/**
 * pool_take() - take an object out of the pool
 * @pool: from pool_init()
 *
 * Return: the object, its content is anything; or NULL.
 */
void *pool_take(struct pool *pool)
{
	void **object = pool->free;

	if (object) {
		pool->free = *object;
		pool->unused--;
	}
	if (unlikely(pool_is_low(pool)) && !READ_ONCE(pool->asked)) {
		WRITE_ONCE(pool->asked, true);
		irq_work_queue(pool->hungry);
	}
	return object;
}

/**
 * pool_give() - give an object back to the pool
 * @pool: where it was taken from
 * @object: is linked by its first word
 */
void pool_give(struct pool *pool, void *object)
{
	*(void **)object = pool->free;
	pool->free = object;
	pool->unused++;
}

/* All memory of pools is allocated here. Return: 0 or -ENOMEM. */
static int pool_grow(struct pool *pool, struct watch *w, u32 count)
{
	size_t bytes = size_add(sizeof(struct pool_slab), size_mul(count, pool->object));
	struct pool_slab *slab = __vmalloc(bytes, GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	void **first, **last;
	u32 i;

	if (!slab)
		return -ENOMEM;
	first = (void **)slab->objects;
	last = first;
	for (i = 1; i < count; i++) {
		*last = (char *)last + pool->object;
		last = *last;
	}
	raw_spin_lock_irq(&w->lock);
	slab->next = pool->slabs;
	pool->slabs = slab;
	*last = pool->free;
	pool->free = first;
	pool->unused += count;
	pool->size += count;
	raw_spin_unlock_irq(&w->lock);
	return 0;
}

/**
 * pool_init() - make a pool
 * @pool: of @w, all zero
 * @w: after pool_grower_init()
 * @object: bytes of an object, a multiple of eight
 * @count: objects to begin with
 * @max: objects it may grow to
 *
 * Return: 0 or -ENOMEM.
 */
int pool_init(struct pool *pool, struct watch *w, size_t object, u32 count, u32 max)
{
	pool->object = object;
	pool->max = max(count, max);
	pool->hungry = &w->grower.hungry;
	return pool_grow(pool, w, count);
}

/**
 * pool_destroy() - free the pool and all its objects
 * @pool: from pool_init(), or all zero
 */
void pool_destroy(struct pool *pool)
{
	struct pool_slab *slab;

	while ((slab = pool->slabs)) {
		pool->slabs = slab->next;
		vfree(slab);
	}
}

/* ---- growing ---- */

/* What the user's limit allows; pool_init() is paid for by watch_alloc(). */
static int pool_grow_charged(struct pool *pool, struct watch *w, u32 count)
{
	s64 bytes = size_mul(count, pool->object);
	int err;

	if (!watch_charge(w, bytes))
		return -ENOSPC;
	err = pool_grow(pool, w, count);
	if (err)
		watch_charge(w, -bytes);
	return err;
}

static int pool_feed(struct pool *pool, struct watch *w)
{
	int err = 0;

	while (!err && pool_is_low(pool))
		err = pool_grow_charged(pool, w, min(pool->size, pool->max - pool->size));
	if (!err)
		WRITE_ONCE(pool->asked, false);
	return err;
}

/* VMAs that found no node get one now. The lock is not waited for. */
static int pool_catch_up(struct watch *w)
{
	u64 overflow = READ_ONCE(w->vmas.overflow);
	struct mm_struct *mm;
	int err;

	if (overflow == w->grower.caught_up)
		return 0;
	mm = watch_get_mm(w);
	if (!mm)
		return 0;
	err = vma_refresh(w, mm, false);
	mmput_async(mm);
	if (!err)
		w->grower.caught_up = overflow;
	return err;
}

static void pool_work(struct work_struct *work)
{
	struct watch *w = container_of(to_delayed_work(work), struct watch, grower.work);
	struct mem_cgroup *old = set_active_memcg(w->grower.memcg);
	int grown = pool_feed(&w->touch.pool, w);
	int err = pool_feed(&w->vmas.pool, w);

	set_active_memcg(old);
	if (!err)
		err = grown;
	if (!err)
		err = pool_catch_up(w);
	if (err && !READ_ONCE(w->ended))
		schedule_delayed_work(&w->grower.work,
				      err == -EAGAIN ? POOL_RETRY_LOCK : POOL_RETRY_MEMORY);
}

static void pool_hungry(struct irq_work *hungry)
{
	schedule_delayed_work(&container_of(hungry, struct watch, grower.hungry)->grower.work, 0);
}

/**
 * pool_grower_init() - the pools of a watch may grow from now on
 * @w: the watch; the caller's memory cgroup will be charged
 */
void pool_grower_init(struct watch *w)
{
	init_irq_work(&w->grower.hungry, pool_hungry);
	INIT_DELAYED_WORK(&w->grower.work, pool_work);
	w->grower.memcg = get_mem_cgroup_from_mm(current->mm);
}

/**
 * pool_grower_stop() - they grow no more; nothing of it is under way
 * @w: no hook finds it any more and it has no address space; may have been
 *	stopped before
 *
 * A work that still had the address space may take the last objects and ask for
 * more, and what it asks need not come at once: with PREEMPT_RT a thread does
 * that, and without an interrupt of its own the timer's tick. So the work goes
 * first. What it asked for is waited for next; a work queued by that takes
 * nothing more.
 *
 * Context: process; sleeps; no lock is held that the work takes.
 */
void pool_grower_stop(struct watch *w)
{
	cancel_delayed_work_sync(&w->grower.work);
	irq_work_sync(&w->grower.hungry);
	cancel_delayed_work_sync(&w->grower.work);
	mem_cgroup_put(w->grower.memcg);
	w->grower.memcg = NULL;
}
