// SPDX-License-Identifier: GPL-2.0-only
/*
 * What does the mirror of the VMAs hold, and how is a VMA of it found?
 *
 * A tree of nodes out of a pool; vma.c fills it. It changes under watch.lock.
 */
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/vmalloc.h>

#include "internal.h"

#define MIRROR_BATCH	64	/* nodes given back while watch.lock is held */

static unsigned int mirror_vmas = 4096;
module_param(mirror_vmas, uint, 0444);
MODULE_PARM_DESC(mirror_vmas, "VMAs that a watch can follow, to begin with, or twice those at its start if that is more (4096)");

static unsigned int max_vmas = 131072;
module_param(max_vmas, uint, 0444);
MODULE_PARM_DESC(max_vmas, "VMAs that a watch can follow (131072)");

static u32 mirror_most(void)
{
	return clamp(max_vmas, 16U, 1U << 24);
}

/* How many to begin with */
static u32 mirror_nodes(u32 vmas)
{
	return clamp(max(mirror_vmas, 2 * vmas), 16U, mirror_most());
}

/**
 * mirror_bytes() - memory that a mirror takes to begin with
 * @vmas: VMAs that the process has
 */
u64 mirror_bytes(u32 vmas)
{
	return array_size(mirror_nodes(vmas), sizeof(struct vma_node));
}

/**
 * mirror_init() - make an empty mirror
 * @w: whose
 * @vmas: that the process has
 *
 * May sleep. Return: 0 or -ENOMEM.
 */
int mirror_init(struct watch *w, u32 vmas)
{
	w->vmas.tree = RB_ROOT;
	w->names = __vmalloc(sizeof(*w->names), GFP_KERNEL_ACCOUNT | __GFP_ZERO | __GFP_NOWARN);
	if (!w->names)
		return -ENOMEM;
	w->names->count = 1;
	return pool_init(&w->vmas.pool, w, sizeof(struct vma_node), mirror_nodes(vmas),
			 mirror_most());
}

/**
 * mirror_destroy() - free the mirror
 * @w: whose; mirror_init() may have failed or not have been called
 */
void mirror_destroy(struct watch *w)
{
	pool_destroy(&w->vmas.pool);
	vfree(w->names);
	w->names = NULL;
}

/* ---- the tree; watch.lock is held ---- */

static struct vma_node *node_of(struct rb_node *rb)
{
	return rb ? rb_entry(rb, struct vma_node, rb) : NULL;
}

/**
 * mirror_from() - the first VMA of the mirror that ends after an address
 * @m: the mirror
 * @addr: any address
 *
 * Context: watch.lock held. Return: the node or NULL.
 */
struct vma_node *mirror_from(const struct vma_mirror *m, unsigned long addr)
{
	struct rb_node *rb = m->tree.rb_node;
	struct vma_node *best = NULL;

	while (rb) {
		struct vma_node *node = node_of(rb);

		if (node->end > addr) {
			best = node;
			rb = rb->rb_left;
		} else {
			rb = rb->rb_right;
		}
	}
	return best;
}

/**
 * mirror_insert() - put a node into the tree
 * @m: the mirror
 * @new: from mirror_alloc(), filled in
 *
 * Context: watch.lock held.
 */
void mirror_insert(struct vma_mirror *m, struct vma_node *new)
{
	struct rb_node **link = &m->tree.rb_node, *parent = NULL;

	while (*link) {
		parent = *link;
		link = new->start < node_of(parent)->start ? &parent->rb_left : &parent->rb_right;
	}
	rb_link_node(&new->rb, parent, link);
	rb_insert_color(&new->rb, &m->tree);
	m->count++;
}

/**
 * mirror_next() - the VMA of the mirror after this one
 * @node: in the tree
 *
 * Context: watch.lock held. Return: the node or NULL.
 */
struct vma_node *mirror_next(const struct vma_node *node)
{
	return node_of(rb_next(&node->rb));
}

/**
 * mirror_alloc() - take an unused node
 * @m: the mirror
 *
 * Context: watch.lock held. Return: the node, or NULL, which is counted.
 */
struct vma_node *mirror_alloc(struct vma_mirror *m)
{
	struct vma_node *node = pool_take(&m->pool);

	if (!node)
		m->overflow++;
	return node;
}

/**
 * mirror_erase() - take a node out of the tree
 * @m: the mirror
 * @node: in the tree
 *
 * Context: watch.lock held.
 */
void mirror_erase(struct vma_mirror *m, struct vma_node *node)
{
	rb_erase(&node->rb, &m->tree);
	if (m->last == node)
		m->last = NULL;
	m->count--;
}

/**
 * mirror_free() - take a node out of the tree, it is used no more
 * @m: the mirror
 * @node: in the tree
 *
 * Context: watch.lock held.
 */
void mirror_free(struct vma_mirror *m, struct vma_node *node)
{
	mirror_erase(m, node);
	pool_give(&m->pool, node);
}

/**
 * mirror_find() - the mirror's VMA at an address
 * @w: whose
 * @addr: any address
 *
 * Context: watch.lock held. Return: the node or NULL.
 */
struct vma_node *mirror_find(struct watch *w, unsigned long addr)
{
	struct vma_mirror *m = &w->vmas;

	if (!m->last || addr < m->last->start || addr >= m->last->end) {
		struct vma_node *node = mirror_from(m, addr);

		if (!node || node->start > addr)
			return NULL;
		m->last = node;
	}
	return m->last;
}

/**
 * mirror_copy_next() - the first VMA of the mirror that ends after an address
 * @w: whose
 * @addr: where to look from
 * @copy: gets the node
 *
 * Context: process. Return: false if there is none.
 */
bool mirror_copy_next(struct watch *w, unsigned long addr, struct vma_node *copy)
{
	struct vma_node *node;

	raw_spin_lock_irq(&w->lock);
	node = mirror_from(&w->vmas, addr);
	if (node)
		*copy = *node;
	raw_spin_unlock_irq(&w->lock);
	return node;
}

static void mirror_give_back(struct watch *w, struct rb_root old)
{
	struct vma_node *node, *next;
	unsigned long irq;
	u32 i = 0;

	raw_spin_lock_irqsave(&w->lock, irq);
	rbtree_postorder_for_each_entry_safe(node, next, &old, rb) {
		/* cppcheck-suppress uninitvar */
		pool_give(&w->vmas.pool, node);
		if (++i % MIRROR_BATCH)
			continue;
		raw_spin_unlock_irqrestore(&w->lock, irq);
		raw_spin_lock_irqsave(&w->lock, irq);
	}
	raw_spin_unlock_irqrestore(&w->lock, irq);
}

/**
 * mirror_forget() - the address space is gone, so is what the mirror knows of it
 * @w: whose
 *
 * Context: the hook of exec; watch.mm is no more the old address space. A reader may be
 * comparing that with the mirror; the new epoch ends it.
 */
void mirror_forget(struct watch *w)
{
	struct rb_root vmas, touched;
	unsigned long irq;

	smp_wmb();	/* watch.mm has changed before; pairs with sync_one_at_a_time() */
	raw_spin_lock_irqsave(&w->lock, irq);
	w->vmas.epoch++;
	vmas = w->vmas.tree;
	w->vmas.tree = RB_ROOT;
	w->vmas.last = NULL;
	w->vmas.count = 0;
	w->vmas.lacking = 0;
	memset(&w->vmas.noted, 0, sizeof(w->vmas.noted));
	touched = w->touch.tree;
	w->touch.tree = RB_ROOT;
	memset(w->touch.recent, 0, sizeof(w->touch.recent));
	w->touch.pages = 0;
	raw_spin_unlock_irqrestore(&w->lock, irq);
	mirror_give_back(w, vmas);
	touch_forget(w, touched);
}
