// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is a VMA, and what does the record of its change say?
 *
 * One change of the mirror and its record are one step under watch.lock.
 *
 * Context: the comparison of vma.c; mmap_lock is held by the current task.
 */
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/userfaultfd_k.h>
#include <asm/syscall.h>

#include "internal.h"

static u16 vma_attr(const struct vm_area_struct *vma)
{
	const unsigned long any = VM_LOCKED | VM_GROWSDOWN | VM_HUGETLB | VM_HUGEPAGE |
				  VM_NOHUGEPAGE | VM_DONTCOPY | VM_DONTDUMP | VM_WIPEONFORK |
				  __VM_UFFD_FLAGS | VM_IO | VM_PFNMAP;
	static const struct {
		unsigned long flag;
		u16 attr;
	} map[] = {
		{ VM_LOCKED, BRKSCOPE_ATTR_LOCKED },
		{ VM_GROWSDOWN, BRKSCOPE_ATTR_GROWSDOWN },
		{ VM_HUGETLB, BRKSCOPE_ATTR_HUGETLB },
		{ VM_HUGEPAGE, BRKSCOPE_ATTR_HUGEPAGE },
		{ VM_NOHUGEPAGE, BRKSCOPE_ATTR_NOHUGEPAGE },
		{ VM_DONTCOPY, BRKSCOPE_ATTR_DONTFORK },
		{ VM_DONTDUMP, BRKSCOPE_ATTR_DONTDUMP },
		{ VM_WIPEONFORK, BRKSCOPE_ATTR_WIPEONFORK },
		{ __VM_UFFD_FLAGS, BRKSCOPE_ATTR_UFFD },
		{ VM_IO | VM_PFNMAP, BRKSCOPE_ATTR_SPECIAL },
	};
	u16 attr = vma->vm_file ? BRKSCOPE_ATTR_FILE : 0;
	size_t i;

	for (i = 0; vma->vm_flags & any && i < ARRAY_SIZE(map); i++)
		if (vma->vm_flags & map[i].flag)
			attr |= map[i].attr;
	return attr;
}

/**
 * vma_describe() - a VMA as the mirror keeps it, but for its name and faults
 * @vma: held still by the caller
 * @d: gets the rest
 */
void vma_describe(struct vm_area_struct *vma, struct vma_node *d)
{
	d->start = vma->vm_start;
	d->end = vma->vm_end;
	d->file = vma->vm_file;
	d->ino = vma->vm_file ? file_inode(vma->vm_file)->i_ino : 0;
	d->delta = vma->vm_file ? ((u64)vma->vm_pgoff << PAGE_SHIFT) - vma->vm_start : 0;
	d->prot = vma_prot(vma);
	d->attr = vma_attr(vma);
}

/**
 * same_backing() - do two VMAs map the same, at the same distance?
 * @a: one
 * @b: the other
 */
bool same_backing(const struct vma_node *a, const struct vma_node *b)
{
	return a->file == b->file && a->ino == b->ino && a->delta == b->delta;
}

/**
 * same_kind() - could two VMAs be parts of one?
 * @a: one
 * @b: the other
 */
bool same_kind(const struct vma_node *a, const struct vma_node *b)
{
	return same_backing(a, b) && a->prot == b->prot && a->attr == b->attr;
}

/* ---- changes ---- */

/**
 * vma_cause() - number of the system call that the current task is in, or -1
 * @mm: only if it is that one's own
 *
 * A worker of io_uring has registers that it was born with, and is in none.
 */
s16 vma_cause(struct mm_struct *mm)
{
	if (current->mm != mm || current->flags & (PF_KTHREAD | PF_IO_WORKER))
		return -1;
	return syscall_get_nr(current, task_pt_regs(current));
}

/**
 * sync_valid() - is the mirror still about the address space that we compare?
 * @s: the comparison
 *
 * Context: watch.lock held.
 */
bool sync_valid(const struct sync *s)
{
	return s->w->vmas.epoch == s->epoch;
}

/**
 * change_record() - tell of a change
 * @s: the comparison
 * @op: BRKSCOPE_VMA_*
 * @old: the VMA before, or NULL
 * @new: the VMA now, or NULL
 *
 * Context: watch.lock held.
 */
void change_record(struct sync *s, u8 op, const struct vma_node *old, const struct vma_node *new)
{
	const struct vma_node *now = new ? new : old;
	struct brkscope_record rec = {
		.tid = watch_tid(s->w, current), .kind = BRKSCOPE_VMA, .code = op,
		.vma = { .start = new ? new->start : 0, .end = new ? new->end : 0,
			 .old_start = old ? old->start : 0, .old_end = old ? old->end : 0,
			 .prot = now->prot, .old_prot = old ? old->prot : 0,
			 .attr = now->attr, .name = now->name, .cause = s->cause },
	};

	s->w->vmas.changes++;
	ring_put(s->w, &rec);
}

/**
 * change_remove() - a VMA is gone
 * @s: the comparison
 * @node: of the mirror
 */
void change_remove(struct sync *s, struct vma_node *node)
{
	struct watch *w = s->w;
	unsigned long irq;

	raw_spin_lock_irqsave(&w->lock, irq);
	if (sync_valid(s)) {
		change_record(s, BRKSCOPE_VMA_REMOVE, node, NULL);
		mirror_free(&w->vmas, node);
	}
	raw_spin_unlock_irqrestore(&w->lock, irq);
}

/**
 * change_add() - a VMA is new
 * @s: the comparison
 * @new: what it is
 */
void change_add(struct sync *s, const struct vma_node *new)
{
	struct watch *w = s->w;
	struct vma_node *node;
	unsigned long irq;

	raw_spin_lock_irqsave(&w->lock, irq);
	node = sync_valid(s) ? mirror_alloc(&w->vmas) : NULL;
	if (node) {
		*node = *new;
		memset(node->faults, 0, sizeof(node->faults));
		mirror_insert(&w->vmas, node);
		change_record(s, BRKSCOPE_VMA_ADD, NULL, new);
	} else {
		s->lost++;
	}
	raw_spin_unlock_irqrestore(&w->lock, irq);
}

/**
 * change_node() - a VMA has another range or other attributes
 * @s: the comparison
 * @op: BRKSCOPE_VMA_*
 * @node: of the mirror; its place in the order does not change
 * @new: what it is now
 */
void change_node(struct sync *s, u8 op, struct vma_node *node, const struct vma_node *new)
{
	struct watch *w = s->w;
	unsigned long irq;

	raw_spin_lock_irqsave(&w->lock, irq);
	if (sync_valid(s)) {
		change_record(s, op, node, new);
		node->start = new->start;
		node->end = new->end;
		node->delta = new->delta;
		node->prot = new->prot;
		node->attr = new->attr;
		node->name = new->name;
	}
	raw_spin_unlock_irqrestore(&w->lock, irq);
}
