// SPDX-License-Identifier: GPL-2.0-only
/*
 * What does the mirror of the VMAs hold, and how is a VMA of it found?
 *
 * A tree of nodes that are allocated when the watch begins, since a hook may not
 * allocate, and the table of the names. vma.c fills both. The tree changes under
 * watch.lock; names are only appended, by the one who compares.
 */
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/vmalloc.h>

#include "internal.h"

/**
 * mirror_init() - make an empty mirror
 * @w: whose
 * @nodes: how many VMAs it can hold
 *
 * May sleep. Return: 0 or -ENOMEM.
 */
int mirror_init(struct watch *w, u32 nodes)
{
	struct vma_mirror *m = &w->vmas;
	u32 i;

	m->tree = RB_ROOT;
	m->size = nodes;
	m->nodes = __vmalloc(array_size(nodes, sizeof(*m->nodes)),
			     GFP_KERNEL_ACCOUNT | __GFP_ZERO | __GFP_NOWARN);
	w->names = __vmalloc(sizeof(*w->names), GFP_KERNEL_ACCOUNT | __GFP_ZERO | __GFP_NOWARN);
	if (!m->nodes || !w->names)
		return -ENOMEM;
	w->names->count = 1;
	for (i = 0; i < nodes; i++) {
		m->nodes[i].rb.rb_right = m->free ? &m->free->rb : NULL;
		m->free = &m->nodes[i];
	}
	return 0;
}

/**
 * mirror_destroy() - free the mirror
 * @w: whose; mirror_init() may have failed or not have been called
 */
void mirror_destroy(struct watch *w)
{
	vfree(w->vmas.nodes);
	vfree(w->names);
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
 * mirror_alloc() - take an unused node
 * @m: the mirror
 *
 * Context: watch.lock held. Return: the node, or NULL, which is counted.
 */
struct vma_node *mirror_alloc(struct vma_mirror *m)
{
	struct vma_node *node = m->free;

	if (node)
		m->free = node_of(node->rb.rb_right);
	else
		m->overflow++;
	return node;
}

/**
 * mirror_free() - take a node out of the tree
 * @m: the mirror
 * @node: in the tree
 *
 * Context: watch.lock held.
 */
void mirror_free(struct vma_mirror *m, struct vma_node *node)
{
	rb_erase(&node->rb, &m->tree);
	if (m->last == node)
		m->last = NULL;
	node->rb.rb_right = m->free ? &m->free->rb : NULL;
	m->free = node;
	m->count--;
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

/* ---- names ---- */

/**
 * mirror_name() - text of a name
 * @w: whose
 * @id: from a node or a record
 *
 * Context: any. Return: the text, "" for no name, "?" where the table was full.
 */
const char *mirror_name(const struct watch *w, u16 id)
{
	if (id == BRKSCOPE_NAME_NONE)
		return "";
	if (id >= smp_load_acquire(&w->names->count))	/* pairs with mirror_intern() */
		return "?";
	return w->names->text + w->names->offset[id];
}

static void name_announce(struct watch *w, u16 id, const char *text)
{
	size_t length = strlen(text), offset;
	unsigned long irq;

	for (offset = 0; offset < length; offset += BRKSCOPE_NAME_CHUNK) {
		struct brkscope_record rec = {
			.tid = watch_tid(w, current), .kind = BRKSCOPE_NAME,
			.name = { .id = id, .length = length, .offset = offset },
		};

		memcpy(rec.name.text, text + offset,
		       min_t(size_t, length - offset, BRKSCOPE_NAME_CHUNK));
		raw_spin_lock_irqsave(&w->lock, irq);
		ring_put(w, &rec);
		raw_spin_unlock_irqrestore(&w->lock, irq);
	}
}

/**
 * mirror_intern() - the number of a name; a new one is made known by records
 * @w: whose
 * @text: the name
 *
 * Context: the one who compares; nobody else appends. Return: id of the name,
 * NAME_UNKNOWN if the table is full.
 */
u16 mirror_intern(struct watch *w, const char *text)
{
	struct name_table *t = w->names;
	size_t bytes = strlen(text) + 1;
	u32 id;

	for (id = 1; id < t->count; id++)
		if (!strcmp(t->text + t->offset[id], text))
			return id;
	if (id == NAME_MAX_COUNT || t->used + bytes > NAME_BYTES)
		return NAME_UNKNOWN;
	memcpy(t->text + t->used, text, bytes);
	t->offset[id] = t->used;
	t->used += bytes;
	smp_store_release(&t->count, id + 1);	/* the text comes before its id */
	name_announce(w, id, text);
	return id;
}

/**
 * mirror_forget() - the address space is gone, so is what the mirror knows of it
 * @w: whose
 *
 * Context: the hook of exec. A reader may be comparing the old address space with
 * the mirror; the new epoch ends that.
 */
void mirror_forget(struct watch *w)
{
	struct vma_node *node;
	unsigned long irq;

	raw_spin_lock_irqsave(&w->lock, irq);
	w->vmas.epoch++;
	while ((node = node_of(rb_first(&w->vmas.tree))))
		mirror_free(&w->vmas, node);
	touch_clear_all(&w->touch);
	raw_spin_unlock_irqrestore(&w->lock, irq);
}
