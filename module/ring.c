// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where are the events kept, and what of them was lost?
 *
 * One buffer for each watch. Writers are hooks in the context of whoever did
 * the thing; they hold watch.lock, so records are numbered in the order of the
 * buffer. Readers take no lock and so cannot delay a watched process: a record
 * is valid if its number is the wanted one before and after it was copied.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/log2.h>
#include <linux/ktime.h>
#include <linux/vmalloc.h>

#include "internal.h"
#include "trace.h"

static void ring_wake(struct irq_work *work)
{
	wake_up_interruptible(&container_of(work, struct ring, wake)->wait);
}

/**
 * ring_init() - make an empty event buffer
 * @ring: to fill in
 * @size: number of records, rounded up to a power of two
 *
 * May sleep; the memory is charged to the caller's cgroup.
 * Return: 0 or -ENOMEM.
 */
int ring_init(struct ring *ring, u64 size)
{
	ring->size = roundup_pow_of_two(size);
	ring->slots = __vmalloc(array_size(ring->size, sizeof(*ring->slots)),
				GFP_KERNEL_ACCOUNT | __GFP_ZERO | __GFP_NOWARN);
	if (!ring->slots)
		return -ENOMEM;
	init_waitqueue_head(&ring->wait);
	init_irq_work(&ring->wake, ring_wake);
	return 0;
}

/**
 * ring_destroy() - free the buffer; nobody may use it any more
 * @ring: from ring_init(), or all zero
 */
void ring_destroy(struct ring *ring)
{
	if (!ring->slots)
		return;
	irq_work_sync(&ring->wake);
	vfree(ring->slots);
	ring->slots = NULL;
}

/**
 * ring_begin() - the place of the next record
 * @w: whose record
 *
 * Context: any but NMI; watch.lock held until ring_commit(). Overwrites the oldest
 * record. Return: the record; the caller fills in everything but seq.
 */
struct brkscope_record *ring_begin(struct watch *w)
{
	struct ring *ring = &w->ring;
	u64 seq = ring->head + 1;
	struct brkscope_record *slot = &ring->slots[(seq - 1) & (ring->size - 1)];

	lockdep_assert_held(&w->lock);
	ring->overwritten += seq > ring->size && seq - ring->size > ring->base;
	WRITE_ONCE(slot->seq, 0);
	smp_wmb();	/* invalid before it changes; pairs with ring_get() */
	return slot;
}

/**
 * ring_commit() - number the record and show it to the readers
 * @w: whose record
 * @slot: of ring_begin()
 *
 * Context: as for ring_begin(), watch.lock held ever since.
 */
void ring_commit(struct watch *w, struct brkscope_record *slot)
{
	struct ring *ring = &w->ring;
	u64 seq = ring->head + 1;

	smp_store_release(&slot->seq, seq);	/* valid; pairs with ring_get() */
	smp_store_release(&ring->head, seq);	/* pairs with the readers' loads */
	if (trace_fault_enabled() || trace_page_enabled() || trace_vma_enabled() ||
	    trace_brk_enabled())
		trace_record(w, slot);
	if (wq_has_sleeper(&ring->wait))
		irq_work_queue(&ring->wake);
}

/**
 * ring_put() - number a record and store it
 * @w: whose record
 * @rec: everything but seq filled in; a time of zero means now
 *
 * Context: any but NMI; watch.lock held. Overwrites the oldest record.
 */
void ring_put(struct watch *w, struct brkscope_record *rec)
{
	struct brkscope_record *slot = ring_begin(w);

	if (!rec->time)
		rec->time = ktime_get_mono_fast_ns();
	rec->seq = 0;
	*slot = *rec;
	ring_commit(w, slot);
}

/**
 * ring_clear() - forget the events so far; their numbers are not used again
 * @w: whose
 *
 * Context: process.
 */
void ring_clear(struct watch *w)
{
	raw_spin_lock_irq(&w->lock);
	WRITE_ONCE(w->ring.base, w->ring.head);
	raw_spin_unlock_irq(&w->lock);
}

/**
 * ring_oldest() - number of the oldest record that may still be there
 * @ring: of the watch
 *
 * Return: a seq; greater than ring.head if there is none.
 */
u64 ring_oldest(const struct ring *ring)
{
	u64 head = smp_load_acquire(&ring->head);	/* pairs with ring_put() */
	u64 base = READ_ONCE(ring->base);
	u64 first = head > ring->size ? head - ring->size + 1 : 1;

	return max(first, base + 1);
}

/**
 * ring_get() - copy a record
 * @ring: of the watch
 * @seq: its number, not above ring.head
 * @rec: where to
 *
 * Return: false if it has been overwritten.
 */
bool ring_get(const struct ring *ring, u64 seq, struct brkscope_record *rec)
{
	const struct brkscope_record *slot = &ring->slots[(seq - 1) & (ring->size - 1)];
	const u64 *from = (const u64 *)slot;
	u64 *to = (u64 *)rec;
	size_t i;

	if (smp_load_acquire(&slot->seq) != seq)	/* pairs with ring_put() */
		return false;
	for (i = 0; i < sizeof(*rec) / sizeof(u64); i++)
		to[i] = READ_ONCE(from[i]);
	smp_rmb();	/* the copy before the second look; pairs with ring_put() */
	return READ_ONCE(slot->seq) == seq;
}
