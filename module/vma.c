// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which virtual memory areas does the process have, and how do they change?
 *
 * A mirror of the VMAs, compared with the real ones each time that somebody who
 * held mmap_lock for writing gives it up: whoever changed them, by whatever
 * system call, the change is complete and nobody else has seen it yet. Compared
 * is where something may have changed (range.c), so that the cost does not grow
 * with the number of VMAs.
 *
 * Context of vma_on_write_unlock(): any task; up_write() or downgrade_write()
 * of an mmap_lock is about to run, so the lock is held and the VMAs are still;
 * the hook itself allocates nothing and does not sleep. A stack grows under that
 * lock, too ("mm: always expand the stack with the mmap write lock held").
 * The tree of the mirror changes under watch.lock, one node at a time.
 */
#include <linux/mm.h>
#include <linux/mutex.h>

#include "internal.h"

#define SYNC_BUSY	0
#define SYNC_AGAIN	1

/* The first node that ends after @addr, or the one after @node. */
static struct vma_node *node_next(struct sync *s, const struct vma_node *node, unsigned long addr)
{
	struct vma_node *next = NULL;
	unsigned long irq;

	raw_spin_lock_irqsave(&s->w->lock, irq);
	if (sync_valid(s))
		next = node ? mirror_next(node) : mirror_from(&s->w->vmas, addr);
	raw_spin_unlock_irqrestore(&s->w->lock, irq);
	return next;
}

/*
 * [start, end) of this node is no more a part of it. What was touched there is
 * still there if another VMA has it: one split off, or one that it was merged with.
 */
static void sync_untouch(struct sync *s, const struct vma_node *node, unsigned long start,
			 unsigned long end)
{
	VMA_ITERATOR(vmi, s->mm, start);
	struct vm_area_struct *vma;
	struct vma_node d;

	for_each_vma_range(vmi, vma, end) {
		vma_describe(vma, &d);
		if (!same_backing(node, &d))
			continue;
		if (d.start > start)
			touch_clear(s->w, start, d.start);
		start = d.end;
	}
	if (start < end)
		touch_clear(s->w, start, end);
}

/* Gone, or merged with the VMA before it, which gets its faults. */
static void sync_remove(struct sync *s, struct vma_node *node)
{
	unsigned long irq;
	int i;

	sync_untouch(s, node, node->start, node->end);
	if (node->end <= s->claimed && same_backing(s->claimer, node)) {
		raw_spin_lock_irqsave(&s->w->lock, irq);
		for (i = 0; i < BRKSCOPE_CLASSES; i++)
			s->claimer->faults[i] += node->faults[i];
		raw_spin_unlock_irqrestore(&s->w->lock, irq);
	}
	change_remove(s, node);
}

/* This node stands for the VMA that ends there. */
static void sync_claim(struct sync *s, struct vma_node *node, unsigned long end)
{
	s->claimed = end;
	s->claimer = node;
}

/* Same range in the mirror and in truth. Tells whether it is the same VMA still. */
static bool sync_same_range(struct sync *s, struct vma_node *node,
			    struct vm_area_struct *vma, struct vma_node *d)
{
	if (!same_backing(node, d))
		return false;
	d->name = node->name;
	if (!vma->vm_file || s->rename)
		d->name = name_of_vma(s->w, vma, node->name);
	if (node->prot != d->prot)
		change_node(s, BRKSCOPE_VMA_PROTECT, node, d);
	else if (node->attr != d->attr || node->name != d->name)
		change_node(s, BRKSCOPE_VMA_CHANGE, node, d);
	return true;
}

static bool sync_shrink(struct sync *s, struct vma_node *node,
			struct vm_area_struct *vma, struct vma_node *d)
{
	vma_describe(vma, d);
	if (!same_kind(node, d) || d->start < node->start || d->end > node->end)
		return false;
	d->name = name_of_vma(s->w, vma, node->name);
	if (node->start < d->start)
		sync_untouch(s, node, node->start, d->start);
	if (d->end < node->end)
		sync_untouch(s, node, d->end, node->end);
	change_node(s, BRKSCOPE_VMA_SHRINK, node, d);
	return true;
}

/*
 * What became of a VMA of the mirror? Takes away what is gone, wholly or in
 * part; what grew is left for sync_additions().
 */
static void sync_node(struct sync *s, struct vma_node *node)
{
	struct vm_area_struct *first = vma_lookup(s->mm, node->start);
	struct vm_area_struct *last;
	struct vma_node d;

	if (first && node->start >= s->claimed) {
		vma_describe(first, &d);
		if (d.start == node->start && d.end == node->end) {
			if (sync_same_range(s, node, first, &d))
				sync_claim(s, node, d.end);
			else
				sync_remove(s, node);
			return;
		}
		if (same_kind(node, &d) && d.start <= node->start && d.end >= node->end) {
			sync_claim(s, node, d.end);
			s->grew = true;
			return;
		}
		if (d.start == node->start && sync_shrink(s, node, first, &d)) {
			sync_claim(s, node, d.end);
			return;
		}
	}
	last = vma_lookup(s->mm, node->end - 1);
	if (last && last != first && last->vm_start >= s->claimed &&
	    last->vm_end == node->end && sync_shrink(s, node, last, &d)) {
		sync_claim(s, node, d.end);
		return;
	}
	sync_remove(s, node);
}

static void sync_removals(struct sync *s, unsigned long start, unsigned long end)
{
	struct vma_node *node = node_next(s, NULL, start);

	sync_claim(s, NULL, 0);
	while (node && node->start < end) {
		struct vma_node *next = node_next(s, node, 0);

		sync_node(s, node);
		node = next;
	}
}

static void sync_additions(struct sync *s, unsigned long start, unsigned long end)
{
	VMA_ITERATOR(vmi, s->mm, start);
	struct vma_node *node = node_next(s, NULL, start);
	struct vm_area_struct *vma;
	struct vma_node d;

	for_each_vma_range(vmi, vma, end) {
		bool known = node && node->start < vma->vm_end;

		if (!known || node->start != vma->vm_start || node->end != vma->vm_end) {
			vma_describe(vma, &d);
			d.name = name_of_vma(s->w, vma, known ? node->name : NAME_UNKNOWN);
			if (known)
				change_node(s, BRKSCOPE_VMA_GROW, node, &d);
			else
				change_add(s, &d);
		}
		if (known)
			node = node_next(s, node, 0);
	}
}

/*
 * Widen a range to whole VMAs of the mirror and in truth: what was split overlapped
 * it then, what a neighbour was merged with overlaps it now.
 */
static void sync_widen(struct sync *s, unsigned long *start, unsigned long *end)
{
	unsigned long low = *start, high = *end;
	struct vm_area_struct *vma;
	struct vma_node *node;

	for (;;) {
		node = node_next(s, NULL, low);
		if (node && node->start < low)
			low = node->start;
		vma = vma_lookup(s->mm, low);
		if (!vma || vma->vm_start == low)
			break;
		low = vma->vm_start;
	}
	for (;;) {
		node = node_next(s, NULL, high - 1);
		if (node && node->start < high)
			high = node->end;
		vma = vma_lookup(s->mm, high - 1);
		if (!vma || vma->vm_end == high)
			break;
		high = vma->vm_end;
	}
	*start = low;
	*end = high;
}

/* VMAs that the mirror does not have, negative if it has too many. */
static int sync_lacking(const struct sync *s)
{
	return s->mm->map_count - (int)READ_ONCE(s->w->vmas.count);
}

/*
 * After the removals each node stands for a VMA of its own. If there are as many
 * and none has grown, nothing is left to add.
 */
static bool sync_is_done(const struct sync *s)
{
	return !s->grew && !sync_lacking(s);
}

static void sync_ranges(struct sync *s, const struct vma_ranges *r)
{
	unsigned long start[VMA_RANGES], end[VMA_RANGES];
	int i;

	for (i = 0; i < r->count; i++) {
		start[i] = r->range[i].start;
		end[i] = r->range[i].end;
		sync_widen(s, &start[i], &end[i]);
		sync_removals(s, start[i], end[i]);
	}
	for (i = 0; i < r->count && !sync_is_done(s); i++)
		sync_additions(s, start[i], end[i]);
}

static void sync_everywhere(struct sync *s)
{
	sync_removals(s, 0, ULONG_MAX);
	if (!sync_is_done(s))
		sync_additions(s, 0, ULONG_MAX);
}

/* One comparison. A number of VMAs that cannot be explained leads to a second. */
static void sync_once(struct sync *s, const struct vma_ranges *r, const struct vma_move *move)
{
	struct vma_mirror *m = &s->w->vmas;
	int lacking;

	s->grew = false;
	s->lost = 0;
	sync_claim(s, NULL, 0);
	if (move && move->new_end)
		vma_moved(s, move);
	if (r && !r->everywhere)
		sync_ranges(s, r);
	lacking = sync_lacking(s);
	if (!r || r->everywhere || lacking < 0 || (!m->lacking && lacking != s->lost)) {
		sync_everywhere(s);
		lacking = sync_lacking(s);
	}
	m->lacking = max(lacking, 0);
}

/*
 * If another task is at it (both hold mmap_lock for reading, or one is still at the
 * address space before an exec), that one is told to do it once more, everywhere.
 * One who finds that nobody did looks everywhere, too.
 */
static void sync_one_at_a_time(struct sync *s, const struct vma_ranges *ranges,
			       const struct vma_move *move)
{
	struct vma_mirror *m = &s->w->vmas;

	if (test_and_set_bit(SYNC_AGAIN, &m->busy))
		ranges = NULL;
	while (test_bit(SYNC_AGAIN, &m->busy) && !test_and_set_bit_lock(SYNC_BUSY, &m->busy)) {
		s->epoch = READ_ONCE(m->epoch);
		smp_rmb();	/* an exec since is seen; pairs with mirror_forget() */
		if (READ_ONCE(s->w->mm) != s->mm) {
			clear_bit_unlock(SYNC_BUSY, &m->busy);
			return;
		}
		clear_bit(SYNC_AGAIN, &m->busy);
		sync_once(s, ranges, move);
		clear_bit_unlock(SYNC_BUSY, &m->busy);
		smp_mb__after_atomic();	/* BUSY is clear before AGAIN is looked at */
		ranges = NULL;
		move = NULL;
	}
}

/**
 * vma_sync() - make the mirror equal to the VMAs; a record for each difference
 * @w: whose mirror
 * @mm: its address space, mmap_lock held for reading or writing by the caller
 * @rename: also ask for the names of mapped files again
 *
 * Looks at all VMAs. Does not sleep.
 */
void vma_sync(struct watch *w, struct mm_struct *mm, bool rename)
{
	struct sync s = { .w = w, .mm = mm, .rename = rename, .cause = vma_cause(mm) };

	sync_one_at_a_time(&s, NULL, NULL);
}

#define REFRESH_BATCH	256	/* VMAs compared while mmap_lock is held */

/* The end of a range from @start on with so many VMAs; zero if it has the last. */
static unsigned long refresh_end(struct mm_struct *mm, unsigned long start)
{
	VMA_ITERATOR(vmi, mm, start);
	struct vm_area_struct *vma;
	int n = 0;

	for_each_vma(vmi, vma)
		if (++n == REFRESH_BATCH)
			return vma->vm_end;
	return 0;
}

/**
 * vma_refresh() - make the mirror equal to the VMAs now, names of files included
 * @w: whose mirror
 * @mm: its address space, referenced
 * @wait: for mmap_lock and for others who do the same
 *
 * Holds mmap_lock for some VMAs at a time: what changes meanwhile, its own hook
 * sees. Context: process. Return: 0, -EINTR or -EAGAIN.
 */
int vma_refresh(struct watch *w, struct mm_struct *mm, bool wait)
{
	struct sync s = { .w = w, .mm = mm, .rename = true, .cause = vma_cause(mm) };
	struct vma_ranges r = { .count = 1 };
	int err;

	if (!wait)
		err = mutex_trylock(&w->refresh) ? 0 : -EAGAIN;
	else
		err = mutex_lock_killable(&w->refresh);
	if (err)
		return err;
	do {
		if (!wait)
			err = mmap_read_trylock(mm) ? 0 : -EAGAIN;
		else
			err = mmap_read_lock_killable(mm);
		if (err)
			break;
		r.range[0].start = r.range[0].end;
		r.range[0].end = refresh_end(mm, r.range[0].start) ?: PAGE_MASK;
		sync_one_at_a_time(&s, &r, NULL);
		mmap_read_unlock(mm);
		cond_resched();
	} while (r.range[0].end != PAGE_MASK);
	mutex_unlock(&w->refresh);
	return err;
}

/**
 * vma_on_write_unlock() - somebody gives up a lock that he held for writing
 * @regs: at the entry of up_write(sem) or downgrade_write(sem)
 *
 * Most of these locks are not mmap_locks; then the address compared is not that
 * of any watched address space, and nothing is read through it. Memory that mmap
 * put in the place of like memory makes no difference between the VMAs; what was
 * touched there is gone nevertheless. (So it is if mmap was then refused by
 * RLIMIT_AS, or for want of memory, which nothing tells apart here.)
 *
 * Return: was it a watched address space?
 */
bool vma_on_write_unlock(struct pt_regs *regs)
{
	struct rw_semaphore *sem = (void *)regs_get_kernel_argument(regs, 0);
	struct mm_struct *mm = container_of(sem, struct mm_struct, mmap_lock);
	struct watch *w = watch_of_mm(mm);
	struct sync s = { .w = w, .mm = mm };
	struct vma_ranges ranges;
	struct vma_move move;
	int i;

	if (!w)
		return false;
	s.cause = vma_cause(mm);
	ranges_take(w, mm, &ranges, &move);
	s.rename = ranges.named;
	for (i = 0; i < ranges.count; i++)
		if (ranges.range[i].fresh)
			touch_clear(w, ranges.range[i].start, ranges.range[i].end);
	sync_one_at_a_time(&s, &ranges, &move);
	return true;
}
