// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which virtual memory areas does the process have, and how do they change?
 *
 * A mirror of the VMAs, compared with the real ones each time that somebody who
 * held mmap_lock for writing gives it up: whoever changed them, by whatever
 * system call, the change is complete and nobody else has seen it yet.
 *
 * Context of vma_on_write_unlock(): any task; up_write() or downgrade_write()
 * of an mmap_lock is about to run, so the lock is held and the VMAs are still;
 * the hook itself allocates nothing and does not sleep. A stack grows under that
 * lock, too ("mm: always expand the stack with the mmap write lock held").
 * The tree of the mirror changes under watch.lock, one node at a time.
 */
#include <linux/dcache.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/userfaultfd_k.h>
#include <asm/syscall.h>

#include "internal.h"

#define SYNC_BUSY	0
#define SYNC_AGAIN	1

/* The name that /proc/PID/maps shows, see show_map_vma() in fs/proc/task_mmu.c */
static const char *name_text(struct watch *w, struct vm_area_struct *vma)
{
	struct mm_struct *mm = vma->vm_mm;
	const char *text = NULL;

	if (vma->vm_file) {
		text = file_path(vma->vm_file, w->names->path, sizeof(w->names->path));
		return IS_ERR(text) ? "?" : text;
	}
	if (vma->vm_ops && vma->vm_ops->name)
		text = vma->vm_ops->name(vma);
	if (text)
		return text;
	if (vma->vm_start <= mm->brk && vma->vm_end >= mm->start_brk)
		return "[heap]";
	if (vma->vm_start <= mm->start_stack && vma->vm_end >= mm->start_stack)
		return "[stack]";
#ifdef CONFIG_ANON_VMA_NAME
	if (vma->anon_name) {
		snprintf(w->names->path, sizeof(w->names->path), "[anon:%s]",
			 vma->anon_name->name);
		return w->names->path;
	}
#endif
	return NULL;
}

/* ---- what a VMA is ---- */

static u16 vma_attr(const struct vm_area_struct *vma)
{
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

	for (i = 0; i < ARRAY_SIZE(map); i++)
		if (vma->vm_flags & map[i].flag)
			attr |= map[i].attr;
	return attr;
}

static void vma_describe(struct vm_area_struct *vma, struct vma_node *d)
{
	d->start = vma->vm_start;
	d->end = vma->vm_end;
	d->file = vma->vm_file;
	d->ino = vma->vm_file ? file_inode(vma->vm_file)->i_ino : 0;
	d->delta = vma->vm_file ? ((u64)vma->vm_pgoff << PAGE_SHIFT) - vma->vm_start : 0;
	d->prot = vma_prot(vma);
	d->attr = vma_attr(vma);
}

static void vma_describe_name(struct watch *w, struct vm_area_struct *vma, struct vma_node *d)
{
	const char *text = name_text(w, vma);

	d->name = text ? mirror_intern(w, text) : BRKSCOPE_NAME_NONE;
}

static bool same_backing(const struct vma_node *a, const struct vma_node *b)
{
	return a->file == b->file && a->ino == b->ino && a->delta == b->delta;
}

static bool same_kind(const struct vma_node *a, const struct vma_node *b)
{
	return same_backing(a, b) && a->prot == b->prot && a->attr == b->attr;
}

/* ---- changes ---- */

/* Number of the system call that the current task is in, or -1. */
static s16 vma_cause(struct mm_struct *mm)
{
	if (current->mm != mm)
		return -1;
	return syscall_get_nr(current, task_pt_regs(current));
}

static void change_record(struct watch *w, u8 op, const struct vma_node *old,
			  const struct vma_node *new, s16 cause)
{
	const struct vma_node *now = new ? new : old;
	struct brkscope_record rec = {
		.tid = watch_tid(w, current), .kind = BRKSCOPE_VMA, .code = op,
		.vma = { .start = new ? new->start : 0, .end = new ? new->end : 0,
			 .old_start = old ? old->start : 0, .old_end = old ? old->end : 0,
			 .prot = now->prot, .old_prot = old ? old->prot : 0,
			 .attr = now->attr, .name = now->name, .cause = cause },
	};

	w->vmas.changes++;
	ring_put(w, &rec);
}

/**
 * struct sync - one comparison of mirror and VMAs
 * @w: whose mirror
 * @mm: whose VMAs; mmap_lock held
 * @epoch: of the mirror; an exec in between ends the comparison
 * @rename: look up the names of files anew, they may have been renamed
 * @cause: for the records
 * @exact: VMAs that the mirror already had as they are
 */
struct sync {
	struct watch *w;
	struct mm_struct *mm;
	u64 epoch;
	bool rename;
	s16 cause;
	u32 exact;
};

/* Is the mirror still about the address space that we compare? watch.lock is held. */
static bool sync_valid(const struct sync *s)
{
	return s->w->vmas.epoch == s->epoch;
}

static void change_remove(struct sync *s, struct vma_node *node)
{
	struct watch *w = s->w;
	unsigned long irq;

	raw_spin_lock_irqsave(&w->lock, irq);
	if (sync_valid(s)) {
		change_record(w, BRKSCOPE_VMA_REMOVE, node, NULL, s->cause);
		touch_clear(&w->touch, node->start, node->end);
		mirror_free(&w->vmas, node);
	}
	raw_spin_unlock_irqrestore(&w->lock, irq);
}

static void change_add(struct sync *s, const struct vma_node *new)
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
		change_record(w, BRKSCOPE_VMA_ADD, NULL, new, s->cause);
	}
	raw_spin_unlock_irqrestore(&w->lock, irq);
}

/* The order in the tree does not change. */
static void node_update(struct watch *w, struct vma_node *node, const struct vma_node *new)
{
	if (new->start > node->start)
		touch_clear(&w->touch, node->start, new->start);
	if (new->end < node->end)
		touch_clear(&w->touch, new->end, node->end);
	node->start = new->start;
	node->end = new->end;
	node->delta = new->delta;
	node->prot = new->prot;
	node->attr = new->attr;
	node->name = new->name;
}

/* Same VMA, other range or attributes. */
static void change_node(struct sync *s, u8 op, struct vma_node *node, const struct vma_node *new)
{
	struct watch *w = s->w;
	unsigned long irq;

	raw_spin_lock_irqsave(&w->lock, irq);
	if (sync_valid(s)) {
		change_record(w, op, node, new, s->cause);
		node_update(w, node, new);
	}
	raw_spin_unlock_irqrestore(&w->lock, irq);
}

/* ---- comparing ---- */

static struct vma_node *node_next(struct sync *s, unsigned long addr)
{
	struct vma_node *node;
	unsigned long irq;

	raw_spin_lock_irqsave(&s->w->lock, irq);
	node = sync_valid(s) ? mirror_from(&s->w->vmas, addr) : NULL;
	raw_spin_unlock_irqrestore(&s->w->lock, irq);
	return node;
}

/* Same range in the mirror and in truth. Tells whether it is the same VMA still. */
static bool sync_same_range(struct sync *s, struct vma_node *node,
			    struct vm_area_struct *vma, struct vma_node *d)
{
	if (!same_backing(node, d))
		return false;
	d->name = node->name;
	if (!vma->vm_file || s->rename)
		vma_describe_name(s->w, vma, d);
	if (node->prot != d->prot)
		change_node(s, BRKSCOPE_VMA_PROTECT, node, d);
	else if (node->attr != d->attr || node->name != d->name)
		change_node(s, BRKSCOPE_VMA_CHANGE, node, d);
	s->exact++;
	return true;
}

static bool sync_shrink(struct sync *s, struct vma_node *node,
			struct vm_area_struct *vma, struct vma_node *d)
{
	vma_describe(vma, d);
	if (!same_kind(node, d) || d->start < node->start || d->end > node->end)
		return false;
	vma_describe_name(s->w, vma, d);
	change_node(s, BRKSCOPE_VMA_SHRINK, node, d);
	return true;
}

/*
 * What became of a VMA of the mirror? Takes away what is gone, wholly or in
 * part; what grew is left for sync_additions(). @claimed is the end of the VMA
 * that an earlier node already stands for.
 */
static void sync_node(struct sync *s, struct vma_node *node, unsigned long *claimed)
{
	struct vm_area_struct *first = vma_lookup(s->mm, node->start);
	struct vm_area_struct *last;
	struct vma_node d;

	if (first && node->start >= *claimed) {
		vma_describe(first, &d);
		if (d.start == node->start && d.end == node->end) {
			if (sync_same_range(s, node, first, &d)) {
				*claimed = d.end;
				return;
			}
			change_remove(s, node);
			return;
		}
		if (same_kind(node, &d) && d.start <= node->start && d.end >= node->end) {
			*claimed = d.end;	/* grew */
			return;
		}
		if (d.start == node->start && sync_shrink(s, node, first, &d)) {
			*claimed = d.end;
			return;
		}
	}
	last = vma_lookup(s->mm, node->end - 1);
	if (last && last != first && last->vm_start >= *claimed &&
	    last->vm_end == node->end && sync_shrink(s, node, last, &d)) {
		*claimed = d.end;
		return;
	}
	change_remove(s, node);
}

static void sync_removals(struct sync *s)
{
	unsigned long claimed = 0, addr = 0;
	struct vma_node *node;

	while ((node = node_next(s, addr))) {
		addr = node->end;
		sync_node(s, node, &claimed);
	}
}

static void sync_additions(struct sync *s)
{
	VMA_ITERATOR(vmi, s->mm, 0);
	struct vm_area_struct *vma;

	for_each_vma(vmi, vma) {
		struct vma_node *node = node_next(s, vma->vm_start);
		struct vma_node d;

		if (node && node->start == vma->vm_start && node->end == vma->vm_end)
			continue;
		vma_describe(vma, &d);
		vma_describe_name(s->w, vma, &d);
		if (node && node->start < vma->vm_end)
			change_node(s, BRKSCOPE_VMA_GROW, node, &d);
		else
			change_add(s, &d);
	}
}

/**
 * vma_sync() - make the mirror equal to the VMAs; a record for each difference
 * @w: whose mirror
 * @mm: its address space, mmap_lock held for reading or writing by the caller
 *	or by the one on whose behalf a hook runs
 * @rename: also ask for the names of mapped files again
 *
 * Does not sleep. If another task is at it (both hold the lock for reading),
 * that one is told to do it once more.
 */
void vma_sync(struct watch *w, struct mm_struct *mm, bool rename)
{
	struct sync s = { .w = w, .mm = mm, .rename = rename, .cause = vma_cause(mm) };
	struct vma_mirror *m = &w->vmas;

	set_bit(SYNC_AGAIN, &m->busy);
	while (test_bit(SYNC_AGAIN, &m->busy) && !test_and_set_bit_lock(SYNC_BUSY, &m->busy)) {
		clear_bit(SYNC_AGAIN, &m->busy);
		s.epoch = READ_ONCE(m->epoch);
		s.exact = 0;
		if (READ_ONCE(w->mm) != mm) {
			clear_bit_unlock(SYNC_BUSY, &m->busy);
			return;
		}
		sync_removals(&s);
		if (s.exact != mm->map_count || m->count != s.exact)
			sync_additions(&s);
		clear_bit_unlock(SYNC_BUSY, &m->busy);
		smp_mb__after_atomic();	/* BUSY is clear before AGAIN is looked at */
	}
}

/**
 * vma_on_write_unlock() - somebody gives up a lock that he held for writing
 * @regs: at the entry of up_write(sem) or downgrade_write(sem)
 *
 * Most of these locks are not mmap_locks; then the address compared is not that
 * of any watched address space, and nothing is read through it.
 *
 * Return: was it a watched address space?
 */
bool vma_on_write_unlock(struct pt_regs *regs)
{
	struct rw_semaphore *sem = (void *)regs_get_kernel_argument(regs, 0);
	struct mm_struct *mm = container_of(sem, struct mm_struct, mmap_lock);
	struct watch *w = watch_of_mm(mm);
	unsigned long irq;

	if (!w)
		return false;
	raw_spin_lock_irqsave(&w->lock, irq);
	brk_look(w, mm);
	raw_spin_unlock_irqrestore(&w->lock, irq);
	vma_sync(w, mm, false);
	return true;
}

/* ---- mmap(MAP_FIXED): new memory that may look just like the old ---- */

struct fixed_entry {
	struct mm_struct *mm;
	u64 id;
	unsigned long start;
	unsigned long end;
};

/* Does a watched process map something at a given address? */
static bool fixed_wanted(struct pt_regs *regs)
{
	unsigned long args[6];

	syscall_get_arguments(current, compat_syscall_regs(regs), args);
	return args[3] & MAP_FIXED;
}

/**
 * vma_fixed_data_size() - bytes that vma_fixed_enter() needs to keep
 */
size_t vma_fixed_data_size(void)
{
	return sizeof(struct fixed_entry);
}

static void fixed_forget(const struct fixed_entry *e)
{
	struct watch *w = watch_of_mm(e->mm);
	unsigned long irq;

	if (!w || w->id != e->id)
		return;
	raw_spin_lock_irqsave(&w->lock, irq);
	touch_clear(&w->touch, e->start, e->end);
	raw_spin_unlock_irqrestore(&w->lock, irq);
}

/**
 * vma_fixed_enter() - note the range
 * @data: vma_fixed_data_size() bytes
 * @regs: at the entry of the wrapper of mmap(2)
 *
 * Context of this and the following: the task in its system call, preemption
 * off, no lock held.
 *
 * Return: 0, or 1 if the return is of no interest: MAP_POPULATE touches the new
 * pages before it returns, so the old ones are forgotten at once.
 */
int vma_fixed_enter(void *data, struct pt_regs *regs)
{
	struct watch *w = current->mm ? watch_of_mm(current->mm) : NULL;
	struct fixed_entry *e = data;
	unsigned long args[6];

	if (!w || !fixed_wanted(regs))
		return 1;
	syscall_get_arguments(current, compat_syscall_regs(regs), args);
	if (args[1] > TASK_SIZE || args[0] > TASK_SIZE - args[1])
		return 1;
	e->mm = current->mm;
	e->id = w->id;
	e->start = args[0];
	e->end = PAGE_ALIGN(args[0] + args[1]);
	if (!(args[3] & MAP_POPULATE))
		return 0;
	fixed_forget(e);
	return 1;
}

/**
 * vma_fixed_return() - what was touched in the range is there no more
 * @data: of vma_fixed_enter()
 * @regs: at the return of the wrapper
 *
 * If the new mapping is of the same kind as the old, the VMAs look as before and
 * the comparison finds nothing.
 */
void vma_fixed_return(void *data, struct pt_regs *regs)
{
	const struct fixed_entry *e = data;

	if (regs_return_value(regs) == e->start)
		fixed_forget(e);
}
