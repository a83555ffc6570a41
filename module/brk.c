// SPDX-License-Identifier: GPL-2.0-only
/*
 * How does the program break move?
 *
 * Context of the hooks: the task in its brk system call, no lock held,
 * preemption off. No allocation, no sleep. brk(2): the argument zero, or any
 * below the heap's start, moves nothing and returns the present break; a
 * refusal also returns the present break, and no errno. Why the kernel refused is
 * judged afterwards by the limits that it goes by, in its order; what another
 * thread changes in between may mislead that.
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
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
 * Does nothing if an exec has replaced that meanwhile. Context: watch.lock held.
 */
void brk_look(struct watch *w, const struct mm_struct *mm)
{
	if (READ_ONCE(w->mm) != mm)
		return;
	w->brk.start = READ_ONCE(mm->start_brk);
	w->brk.now = READ_ONCE(mm->brk);
	if (w->brk.now > w->brk.peak)
		w->brk.peak = w->brk.now;
}

/* ---- why a move was refused ---- */

/* The kernel's own, which it does not export; NULL if they cannot be found. */
static const int *max_map_count;
static const unsigned long *guard_gap;

/**
 * brk_init() - find the limits that hold for every process
 */
void brk_init(void)
{
	max_map_count = hook_find("sysctl_max_map_count");
	guard_gap = hook_find("stack_guard_gap");
}

static unsigned long brk_lowest(const struct mm_struct *mm)
{
#ifdef CONFIG_COMPAT_BRK
	if (!current->brk_randomized)
		return mm->end_data;
#endif
	return mm->start_brk;
}

/* As check_data_rlimit() and may_expand_vm() of the kernel have it. */
static bool brk_over_data_limit(const struct mm_struct *mm, unsigned long requested)
{
	unsigned long limit = rlimit(RLIMIT_DATA);

	return limit < RLIM_INFINITY &&
	       requested - mm->start_brk + mm->end_data - mm->start_data > limit;
}

static bool vm_over_data_limit(const struct mm_struct *mm, unsigned long pages)
{
	unsigned long sum = READ_ONCE(mm->data_vm) + pages;

	if (!rlimit(RLIMIT_DATA) && sum <= rlimit_max(RLIMIT_DATA) >> PAGE_SHIFT)
		return false;
	return sum > rlimit(RLIMIT_DATA) >> PAGE_SHIFT;
}

static bool brk_over_lock_limit(const struct mm_struct *mm, unsigned long pages)
{
	if (!(mm->def_flags & VM_LOCKED))
		return false;
	if (current_user_ns() == &init_user_ns && cap_raised(current_cap(), CAP_IPC_LOCK))
		return false;
	return READ_ONCE(mm->locked_vm) + pages > rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT;
}

/* Is a VMA in the way, or what must stay free below a stack? */
static bool brk_collides(const struct watch *w, unsigned long old, unsigned long new)
{
	const struct vma_node *next = mirror_from(&w->vmas, old);
	unsigned long gap = guard_gap ? *guard_gap : 256 << PAGE_SHIFT;

	if (new < old || new > TASK_SIZE)
		return true;
	if (!next)
		return false;
	if (!(next->attr & BRKSCOPE_ATTR_GROWSDOWN))
		gap = 0;
	return new + PAGE_SIZE > next->start - min(next->start, gap);
}

/* @old is the break that stayed. watch.lock is held. */
static u8 brk_reason(const struct watch *w, const struct mm_struct *mm, unsigned long old,
		     unsigned long requested)
{
	unsigned long new_top = PAGE_ALIGN(requested), old_top = PAGE_ALIGN(old);
	unsigned long pages = (new_top - old_top) >> PAGE_SHIFT;
	bool shrinks = requested < old;

	if (requested < brk_lowest(mm))
		return BRKSCOPE_BRK_BELOW;
	if (brk_over_data_limit(mm, requested))
		return BRKSCOPE_BRK_RLIMIT_DATA;
	if (requested > old) {
		if (new_top > old_top && new_top <= TASK_SIZE && brk_over_lock_limit(mm, pages))
			return BRKSCOPE_BRK_LOCKED;
		if (brk_collides(w, old_top, new_top))
			return BRKSCOPE_BRK_COLLISION;
		if (READ_ONCE(mm->total_vm) + pages > rlimit(RLIMIT_AS) >> PAGE_SHIFT)
			return BRKSCOPE_BRK_RLIMIT_AS;
		if (vm_over_data_limit(mm, pages))
			return BRKSCOPE_BRK_RLIMIT_DATA;
	} else {
		const struct vma_node *heap = mirror_from(&w->vmas, new_top);

		if (!heap || heap->start >= old_top)
			return BRKSCOPE_BRK_NO_HEAP;
	}
	if (max_map_count && READ_ONCE(mm->map_count) > *max_map_count - shrinks)
		return BRKSCOPE_BRK_MAP_COUNT;
	return BRKSCOPE_BRK_NO_MEMORY;
}

static int brk_error(u8 reason)
{
	switch (reason) {
	case BRKSCOPE_BRK_OK:
		return 0;
	case BRKSCOPE_BRK_BELOW:
		return -EINVAL;
	case BRKSCOPE_BRK_LOCKED:
		return -EAGAIN;
	case BRKSCOPE_BRK_KILLED:
		return -EINTR;
	default:
		return -ENOMEM;
	}
}

/* ---- what was done ---- */

static u8 brk_result(const struct brk_entry *e, unsigned long now)
{
	if (now != e->requested)
		return BRKSCOPE_BRK_REFUSED;
	if (now == e->old)
		return BRKSCOPE_BRK_SAME;
	return now > e->old ? BRKSCOPE_BRK_GROWN : BRKSCOPE_BRK_SHRUNK;
}

/* watch.lock is held. */
static void brk_record(struct watch *w, const struct brk_entry *e, unsigned long now)
{
	bool killed = IS_ERR_VALUE(now);
	struct brkscope_record rec = { .tid = watch_tid(w, current), .kind = BRKSCOPE_BRK };

	if (killed)
		now = e->old;
	rec.code = brk_result(e, now);
	rec.brk.old = e->old;
	rec.brk.requested = e->requested;
	rec.brk.now = now;
	rec.brk.pages = (s64)(PAGE_ALIGN(now) >> PAGE_SHIFT) -
			(s64)(PAGE_ALIGN(e->old) >> PAGE_SHIFT);
	if (rec.code == BRKSCOPE_BRK_REFUSED)
		rec.brk.reason = killed ? BRKSCOPE_BRK_KILLED :
					  brk_reason(w, e->mm, now, e->requested);
	rec.brk.error = -brk_error(rec.brk.reason);
	w->brk.moves += rec.code == BRKSCOPE_BRK_GROWN || rec.code == BRKSCOPE_BRK_SHRUNK;
	w->brk.failures += rec.code == BRKSCOPE_BRK_REFUSED;
	ring_put(w, &rec);
}

/**
 * brk_return() - make a record of the move, or count the query
 * @data: of brk_enter()
 * @regs: at the return of the system call's wrapper
 */
void brk_return(void *data, struct pt_regs *regs)
{
	struct brk_entry *e = data;
	struct watch *w = watch_of_mm(e->mm);
	unsigned long irq;

	if (!w || w->id != e->id || current->mm != e->mm)
		return;
	raw_spin_lock_irqsave(&w->lock, irq);
	brk_look(w, e->mm);
	if (e->requested)
		brk_record(w, e, regs_return_value(regs));
	else
		w->brk.queries++;
	raw_spin_unlock_irqrestore(&w->lock, irq);
}

/**
 * brk_on_exec() - a new image is complete; tell what break it begins with
 *
 * Context: the tracepoint sched:sched_process_exec, the task in execve(), preemption
 * off. Return: was it a watched process?
 */
bool brk_on_exec(void)
{
	struct brkscope_record rec = { .kind = BRKSCOPE_BRK, .code = BRKSCOPE_BRK_SET };
	struct watch *w = current->mm ? watch_of_mm(current->mm) : NULL;
	unsigned long irq;

	if (!w)
		return false;
	raw_spin_lock_irqsave(&w->lock, irq);
	brk_look(w, current->mm);
	rec.tid = watch_tid(w, current);
	rec.brk.old = w->brk.start;
	rec.brk.requested = w->brk.now;
	rec.brk.now = w->brk.now;
	ring_put(w, &rec);
	raw_spin_unlock_irqrestore(&w->lock, irq);
	return true;
}
