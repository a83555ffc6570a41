// SPDX-License-Identifier: GPL-2.0-only
/*
 * What did mremap move?
 *
 * A record of the move, instead of one VMA that goes and one that comes. What was
 * at the new place goes first. If a part of a VMA moves, it is split off first;
 * and if the kernel then merged it with a neighbour, or left the old VMA empty in its
 * place (MREMAP_DONTUNMAP), the comparison that follows makes the records of that.
 *
 * Context: the comparison of vma.c, mmap_lock still held for writing.
 */
#include <linux/mm.h>

#include "internal.h"

static struct vma_node *node_from(struct sync *s, unsigned long addr)
{
	struct vma_node *node;
	unsigned long irq;

	raw_spin_lock_irqsave(&s->w->lock, irq);
	node = sync_valid(s) ? mirror_from(&s->w->vmas, addr) : NULL;
	raw_spin_unlock_irqrestore(&s->w->lock, irq);
	return node;
}

/* No VMA of the mirror reaches across this address any more. */
static void move_split(struct sync *s, unsigned long addr)
{
	struct vma_node *node = node_from(s, addr);
	struct vma_node low, high;

	if (!node || node->start >= addr)
		return;
	low = *node;
	low.end = addr;
	high = *node;
	high.start = addr;
	change_node(s, BRKSCOPE_VMA_SHRINK, node, &low);
	change_add(s, &high);
}

static void move_make_room(struct sync *s, unsigned long start, unsigned long end)
{
	struct vma_node *node = node_from(s, start);

	if (node && node->start < end) {
		move_split(s, start);
		move_split(s, end);
		while ((node = node_from(s, start)) && node->start < end)
			change_remove(s, node);
	}
	touch_clear(s->w, start, end);
}

/* Is there now what was in the mirror at another place? */
static bool move_is_like(struct sync *s, const struct vma_node *node, unsigned long from,
			 unsigned long to)
{
	struct vm_area_struct *vma = vma_lookup(s->mm, to);
	struct vma_node d;

	if (!vma || !node || node->start > from)
		return false;
	vma_describe(vma, &d);
	return d.file == node->file && d.ino == node->ino &&
	       (!d.file || d.delta + to == node->delta + from);
}

/* A whole VMA of the mirror is now at [start, end), or in a VMA that reaches beyond. */
static void move_node(struct sync *s, struct vma_node *node, unsigned long start,
		      unsigned long end)
{
	unsigned long old = node->start, old_end = node->end;
	unsigned long bytes = min(old_end - old, end - start);
	struct vm_area_struct *vma = vma_lookup(s->mm, start);
	struct watch *w = s->w;
	struct vma_node d;
	unsigned long irq;

	move_make_room(s, start, end);
	vma_describe(vma, &d);
	d.name = name_of_vma(w, vma, node->name);
	d.start = start;
	d.end = end;
	raw_spin_lock_irqsave(&w->lock, irq);
	if (sync_valid(s)) {
		change_record(s, BRKSCOPE_VMA_MOVE, node, &d);
		mirror_erase(&w->vmas, node);
		memcpy(d.faults, node->faults, sizeof(d.faults));
		*node = d;
		mirror_insert(&w->vmas, node);
	}
	raw_spin_unlock_irqrestore(&w->lock, irq);
	touch_move(w, old, start, bytes);
	touch_clear(w, old + bytes, old_end);
}

/**
 * vma_moved() - bring the mirror to where mremap has moved memory
 * @s: the comparison
 * @move: what it was asked to; it may have failed
 *
 * A kernel that moves several VMAs at once keeps their distances and their sizes,
 * and leaves alone what is between them.
 */
void vma_moved(struct sync *s, const struct vma_move *move)
{
	unsigned long bytes = min(move->old_end - move->old, move->new_end - move->new);
	unsigned long at = move->old, to;
	struct vma_node *node;

	if (!move_is_like(s, node_from(s, at), at, move->new))
		return;
	move_split(s, move->old);
	move_split(s, move->old_end);
	node = node_from(s, at);
	if (node && node->start == move->old && node->end == move->old_end) {
		move_node(s, node, move->new, move->new_end);
		return;
	}
	move_split(s, move->old + bytes);
	while ((node = node_from(s, at)) && node->end <= move->old + bytes) {
		at = node->end;
		to = node->start - move->old + move->new;
		if (move_is_like(s, node, node->start, to))
			move_node(s, node, to, to + node->end - node->start);
	}
}
