// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which accesses could the kernel not serve?
 *
 * An access outside every VMA, or one that its permissions forbid, never reaches
 * the fault handler of memory; the kernel sends the thread SIGSEGV or SIGBUS and
 * says in siginfo where and why. Signals that somebody sends by hand are told
 * apart by where they come from: a faulting thread is in no system call, signals
 * itself and does so as a task. An access of the kernel's own, as in read(2), fails
 * with EFAULT and sends no signal.
 *
 * Context of signal_on_generate(): the tracepoint signal:signal_generate, siglock
 * held, interrupts off.
 */
#include <linux/mm.h>
#include <linux/preempt.h>
#include <linux/sched/signal.h>
#include <asm/syscall.h>

#include "internal.h"

/**
 * signal_reason() - why the kernel sent a signal, in a word
 * @signo: SIGSEGV or SIGBUS
 * @si_code: as in sigaction(2)
 */
const char *signal_reason(int signo, int si_code)
{
	static const char * const segv[] = {
		[SEGV_MAPERR] = "maperr", [SEGV_ACCERR] = "accerr",
		[SEGV_BNDERR] = "bnderr", [SEGV_PKUERR] = "pkuerr",
	};
	static const char * const bus[] = {
		[BUS_ADRALN] = "adraln", [BUS_ADRERR] = "adrerr",
		[BUS_OBJERR] = "objerr", [BUS_MCEERR_AR] = "mceerr",
	};
	const char *reason = NULL;

	if (si_code == SI_KERNEL)
		return "kernel";
	if (signo == SIGSEGV && si_code > 0 && si_code < ARRAY_SIZE(segv))
		reason = segv[si_code];
	if (signo == SIGBUS && si_code > 0 && si_code < ARRAY_SIZE(bus))
		reason = bus[si_code];
	return reason ?: "other";
}

/* Does the current thread get it for what it did just now in user mode? */
static bool signal_is_access(const struct kernel_siginfo *info, const struct task_struct *task,
			     int group)
{
	return task == current && in_task() && !group && current->mm &&
	       info != SEND_SIG_NOINFO && info != SEND_SIG_PRIV && info->si_code > 0 &&
	       !(current->flags & (PF_KTHREAD | PF_IO_WORKER)) &&
	       syscall_get_nr(current, task_pt_regs(current)) == -1;
}

/**
 * signal_on_generate() - a thread gets a signal
 * @sig: its number
 * @info: what the kernel says about it
 * @task: who gets it
 * @group: it is for the process and not for the thread
 *
 * Context: see the head of the file; RCU read lock or preemption off.
 *
 * Return: was it about an access of a watched process?
 */
bool signal_on_generate(int sig, const struct kernel_siginfo *info, struct task_struct *task,
			int group)
{
	struct brkscope_record rec = { .kind = BRKSCOPE_SIGNAL };
	struct vma_node *node;
	unsigned long irq;
	struct watch *w;

	if ((sig != SIGSEGV && sig != SIGBUS) || !signal_is_access(info, task, group))
		return false;
	w = watch_of_mm(current->mm);
	if (!w)
		return false;
	rec.tid = watch_tid(w, current);
	rec.signal.addr = info->si_code == SI_KERNEL ? 0 : (unsigned long)info->si_addr;
	rec.signal.ip = instruction_pointer(task_pt_regs(current));
	rec.signal.signo = sig;
	rec.signal.si_code = info->si_code;
	raw_spin_lock_irqsave(&w->lock, irq);
	node = mirror_find(w, rec.signal.addr);
	rec.signal.name = node ? node->name : BRKSCOPE_NAME_NONE;
	w->signals++;
	ring_put(w, &rec);
	raw_spin_unlock_irqrestore(&w->lock, irq);
	return true;
}
