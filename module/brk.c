// SPDX-License-Identifier: GPL-2.0-only
/*
 * How does the program break move?
 *
 * Context of the hooks: the task in its brk system call, no lock held,
 * preemption off. No allocation, no sleep. brk(2): the argument zero, or any
 * below the heap's start, moves nothing and returns the present break; a
 * refusal also returns the present break, and no errno.
 */
#include <linux/mm.h>
#include <asm/syscall.h>

#include "internal.h"

struct brk_entry {
	struct mm_struct *mm;
	u64 id;
	unsigned long old;
	unsigned long requested;
};

/**
 * brk_data_size() - bytes that brk_enter() needs to keep until the return
 */
size_t brk_data_size(void)
{
	return sizeof(struct brk_entry);
}

/**
 * brk_enter() - note the break as it was and what is asked for
 * @data: brk_data_size() bytes
 * @regs: at the entry of the system call's wrapper
 *
 * Return: 0, or 1 if the return is of no interest.
 */
int brk_enter(void *data, struct pt_regs *regs)
{
	struct brk_entry *e = data;
	struct watch *w = current->mm ? watch_of_mm(current->mm) : NULL;
	unsigned long args[6];

	if (!w)
		return 1;
	e->mm = current->mm;
	e->id = w->id;
	e->old = READ_ONCE(current->mm->brk);
	syscall_get_arguments(current, compat_syscall_regs(regs), args);
	e->requested = args[0];
	return 0;
}

/**
 * brk_look() - take over the break of an address space as it is
 * @w: whose
 * @mm: its address space; the caller holds a reference or runs in it
 *
 * Context: watch.lock held.
 */
void brk_look(struct watch *w, const struct mm_struct *mm)
{
	w->brk.start = READ_ONCE(mm->start_brk);
	w->brk.now = READ_ONCE(mm->brk);
	if (w->brk.now > w->brk.peak)
		w->brk.peak = w->brk.now;
}

static u8 brk_result(const struct brk_entry *e, unsigned long now)
{
	if (now != e->requested)
		return BRKSCOPE_BRK_REFUSED;
	if (now == e->old)
		return BRKSCOPE_BRK_SAME;
	return now > e->old ? BRKSCOPE_BRK_GROWN : BRKSCOPE_BRK_SHRUNK;
}

/**
 * brk_return() - make a record of the move, or count the query
 * @data: of brk_enter()
 * @regs: at the return of the system call's wrapper
 */
void brk_return(void *data, struct pt_regs *regs)
{
	struct brk_entry *e = data;
	unsigned long now = regs_return_value(regs);
	struct brkscope_record rec = {
		.kind = BRKSCOPE_BRK, .code = brk_result(e, now),
		.brk = { .old = e->old, .requested = e->requested, .now = now },
	};
	unsigned long irq;
	struct watch *w = watch_of_mm(e->mm);

	if (!w || w->id != e->id || current->mm != e->mm)
		return;
	rec.tid = watch_tid(w, current);
	rec.brk.pages = (s64)(PAGE_ALIGN(now) >> PAGE_SHIFT) -
			(s64)(PAGE_ALIGN(e->old) >> PAGE_SHIFT);
	raw_spin_lock_irqsave(&w->lock, irq);
	brk_look(w, e->mm);
	if (!e->requested) {
		w->brk.queries++;
	} else {
		w->brk.moves += rec.code == BRKSCOPE_BRK_GROWN ||
				rec.code == BRKSCOPE_BRK_SHRUNK;
		w->brk.failures += rec.code == BRKSCOPE_BRK_REFUSED;
		ring_put(w, &rec);
	}
	raw_spin_unlock_irqrestore(&w->lock, irq);
}
