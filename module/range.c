// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where can VMAs have changed since mmap_lock was taken for writing?
 *
 * Told by the arguments of the system call that the holder is in and by what
 * some functions of the kernel are called with meanwhile. Each call of the list
 * below changes VMAs in its ranges alone, or merges them with a neighbour, a
 * growing stack apart, which is noted by its own hook whatever call
 * wrote to it. In all other cases the answer is: everywhere.
 *
 * Context of the hooks: mmap_lock of the address space is held for writing by
 * the current task. What they note is taken by the same task when it gives the
 * lock up.
 */
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/module.h>
#include <linux/prctl.h>

#include "internal.h"

static bool ranged = true;
module_param(ranged, bool, 0644);
MODULE_PARM_DESC(ranged, "compare the VMAs only where they may have changed; N compares all of them each time, to check the module by (Y)");

static void range_add(struct vma_ranges *r, unsigned long start, unsigned long end, bool fresh)
{
	u8 i = r->count;

	if (start >= end)
		return;
	if (i == VMA_RANGES) {
		r->everywhere = true;
		return;
	}
	r->range[i].start = start & PAGE_MASK;
	r->range[i].end = PAGE_ALIGN(end);
	r->range[i].fresh = fresh;
	r->count++;
}

/* A range as user space gave it. An address with a tag is beyond all VMAs. */
static void range_add_user(struct vma_ranges *r, unsigned long start, unsigned long bytes)
{
	if (start >= TASK_SIZE_MAX)
		r->everywhere = true;
	else
		range_add(r, start, start + min(bytes, TASK_SIZE_MAX - start), false);
}

/* ---- hooks ---- */

enum noted { NOTED_MAP, NOTED_COPY, NOTED_STACK };

static bool range_note(struct mm_struct *mm, unsigned long start, unsigned long end,
		       enum noted what)
{
	struct watch *w = mm ? watch_of_mm(mm) : NULL;
	unsigned long irq;

	if (!w)
		return false;
	raw_spin_lock_irqsave(&w->lock, irq);
	if (w->mm == mm) {	/* and not in exec */
		struct vma_ranges *r = &w->vmas.noted;

		range_add(r, start, end, what == NOTED_MAP);
		if (what == NOTED_COPY && !r->copied) {
			r->copied = true;
			r->copy = start;
		}
	}
	raw_spin_unlock_irqrestore(&w->lock, irq);
	return true;
}

/**
 * vma_on_map() - memory is being mapped
 * @regs: at the entry of mmap_region(file, addr, len, ...)
 *
 * Return: was it about a watched address space? So for the others.
 */
bool vma_on_map(struct pt_regs *regs)
{
	unsigned long start = regs_get_kernel_argument(regs, 1);

	return range_note(current->mm, start, start + regs_get_kernel_argument(regs, 2),
			  NOTED_MAP);
}

/**
 * vma_on_copy() - mremap makes a VMA to move memory to
 * @regs: at the entry of copy_vma(vmap, addr, len, ...)
 */
bool vma_on_copy(struct pt_regs *regs)
{
	unsigned long start = regs_get_kernel_argument(regs, 1);

	return range_note(current->mm, start, start + regs_get_kernel_argument(regs, 2),
			  NOTED_COPY);
}

/**
 * vma_on_stack() - a stack grows
 * @regs: at the entry of expand_downwards(vma, address)
 */
bool vma_on_stack(struct pt_regs *regs)
{
	const struct vm_area_struct *vma = (void *)regs_get_kernel_argument(regs, 0);

	return range_note(vma->vm_mm, regs_get_kernel_argument(regs, 1), vma->vm_start,
			  NOTED_STACK);
}

/* ---- system calls ---- */

static bool is_hugetlb(struct watch *w, unsigned long addr)
{
	const struct vma_node *node;
	unsigned long irq;
	bool huge;

	raw_spin_lock_irqsave(&w->lock, irq);
	node = mirror_from(&w->vmas, addr);
	huge = node && node->attr & BRKSCOPE_ATTR_HUGETLB;
	raw_spin_unlock_irqrestore(&w->lock, irq);
	return huge;
}

/*
 * mremap(old, old_len, new_len, flags, new). A length of zero makes a second
 * mapping of shared memory and moves nothing. Huge pages round lengths up.
 */
static void range_mremap(struct watch *w, struct vma_ranges *r, const unsigned long *args,
			 struct vma_move *move)
{
	unsigned long old_len = PAGE_ALIGN(args[1]), new_len = PAGE_ALIGN(args[2]);
	bool fixed = args[3] & MREMAP_FIXED;

	if (r->copied && old_len && r->count && args[0] < TASK_SIZE_MAX) {
		if (is_hugetlb(w, args[0])) {
			r->everywhere = true;
			new_len = r->range[r->count - 1].end - r->range[r->count - 1].start;
			old_len = new_len;
		}
		move->old = args[0];
		move->old_end = args[0] + old_len;
		move->new = fixed ? args[4] : r->copy;
		move->new_end = move->new + new_len;
	}
	range_add_user(r, args[0], max(old_len, new_len));
	if (fixed && !(r->copied && r->range[0].start == args[4] &&
		       r->range[0].end == args[4] + new_len))
		range_add_user(r, args[4], new_len);
}

static void range_call(struct watch *w, struct vma_ranges *r, struct vma_move *move)
{
	unsigned long args[6];

	switch (compat_syscall(args)) {
	case __NR_mmap:
	case __NR_remap_file_pages:
	case __NR_shmat:
		r->everywhere |= !r->count;
		break;
	case __NR_munmap:
	case __NR_mprotect:
	case __NR_pkey_mprotect:
	case __NR_madvise:
	case __NR_mlock:
	case __NR_mlock2:
	case __NR_munlock:
	case __NR_mbind:
	case __NR_set_mempolicy_home_node:
#ifdef __NR_mseal
	case __NR_mseal:
#endif
		range_add_user(r, args[0] & PAGE_MASK,
			       args[1] + offset_in_page(args[0]));
		break;
	case __NR_mremap:
		range_mremap(w, r, args, move);
		break;
	case __NR_shmdt:
		/* what begins there goes; if more pieces of it go, the number of VMAs tells */
		range_add_user(r, args[0], 1);
		r->everywhere |= READ_ONCE(w->vmas.lacking) > 0;
		break;
	case __NR_brk:	/* see ranges_take() */
		break;
	case __NR_prctl:
		r->named = args[0] == PR_SET_VMA;
		if (r->named)
			range_add_user(r, args[2], args[3]);
		else
			r->everywhere = true;
		break;
	case -1:	/* a page fault or the like: only a stack can have grown */
		r->everywhere |= !r->count;
		break;
	default:
		r->everywhere = true;
	}
}

/**
 * ranges_take() - where may something have changed?
 * @w: the watch
 * @mm: its address space; the current task gives up its lock for writing
 * @r: gets the answer
 * @move: gets what mremap may have moved
 *
 * Forgets what was noted. The heap and the stack are called so by their place in
 * @mm: a VMA that starts where the break was or is (hence one byte more) may have
 * become a part of the heap or have ceased to be, also if others than brk moved it.
 */
void ranges_take(struct watch *w, struct mm_struct *mm, struct vma_ranges *r,
		 struct vma_move *move)
{
	bool own = current->mm == mm && !(current->flags & (PF_KTHREAD | PF_IO_WORKER));
	struct vma_mirror *m = &w->vmas;
	unsigned long irq;

	memset(move, 0, sizeof(*move));
	raw_spin_lock_irqsave(&w->lock, irq);
	brk_look(w, mm);
	*r = m->noted;
	memset(&m->noted, 0, sizeof(m->noted));
	if (m->start_brk != mm->start_brk || m->start_stack != mm->start_stack)
		r->everywhere = true;
	if (m->brk != mm->brk)
		range_add(r, min(m->brk, mm->brk), max(m->brk, mm->brk) + 1, false);
	m->brk = mm->brk;
	m->start_brk = mm->start_brk;
	m->start_stack = mm->start_stack;
	raw_spin_unlock_irqrestore(&w->lock, irq);
	if (own)
		range_call(w, r, move);
	else
		r->everywhere = true;
	if (!READ_ONCE(ranged) || !hook_tells_ranges())
		r->everywhere = true;
}
