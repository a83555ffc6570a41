// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where do we listen in the kernel, and what is called then?
 *
 * One table. Each attach point names what it serves, the kernel's symbol, and
 * what to call. Below are the callbacks, by the mechanisms of attach.c; theirs
 * is the context of the probed function.
 */
#include <linux/ftrace.h>
#include <linux/kprobes.h>
#include <linux/percpu.h>
#include <linux/seq_file.h>
#include <linux/tracepoint.h>

#include "hook.h"
#include "internal.h"

static void hook_task_exit(COMPAT_EXIT_PROBE_ARGS);
static void hook_task_fork(void *data, struct task_struct *parent, struct task_struct *child);
static void hook_exec_done(void *data, struct task_struct *task, pid_t old_pid,
			   struct linux_binprm *bprm);
static void hook_page_alloc(void *data, struct page *page, unsigned int order, gfp_t gfp,
			    int migratetype);
static void hook_signal(void *data, int sig, struct kernel_siginfo *info,
			struct task_struct *task, int group, int result);

struct hook hooks[HOOKS] = {
	[HOOK_FAULT] = { .serves = "faults", .symbol = "handle_mm_fault",
		.data_size = fault_data_size,
		.begin = fault_enter, .finish = fault_return },
	[HOOK_UNLOCK] = { .serves = "vmas", .symbol = "up_write",
		.enter = vma_on_write_unlock },
	[HOOK_DOWNGRADE] = { .serves = "vmas", .symbol = "downgrade_write",
		.enter = vma_on_write_unlock },
	[HOOK_BRK] = { .serves = "brk", .symbol = COMPAT_SYSCALL("brk"),
		.data_size = brk_data_size,
		.begin = brk_enter, .finish = brk_return },
	[HOOK_MAP] = { .serves = "vmas", .symbol = "mmap_region",
		.enter = vma_on_map, .optional = true },
	[HOOK_COPY] = { .serves = "vmas", .symbol = "copy_vma",
		.enter = vma_on_copy, .optional = true },
	[HOOK_STACK] = { .serves = "vmas", .symbol = "expand_downwards",
		.enter = vma_on_stack, .optional = true },
	[HOOK_EXEC] = { .serves = "exec", .symbol = "setup_new_exec",
		.enter = watch_on_exec },
	[HOOK_MM_END] = { .serves = "exit", .symbol = "exit_mmap",
		.enter = watch_on_mm_end },
	[HOOK_EXIT] = { .serves = "exit", .symbol = "sched_process_exit",
		.tracepoint = hook_task_exit },
	[HOOK_FORK] = { .serves = "fork", .symbol = "sched_process_fork",
		.tracepoint = hook_task_fork },
	[HOOK_PAGE] = { .serves = "pages", .symbol = "mm_page_alloc",
		.tracepoint = hook_page_alloc, .on_demand = true },
	[HOOK_EXEC_DONE] = { .serves = "brk", .symbol = "sched_process_exec",
		.tracepoint = hook_exec_done },
#ifdef COMPAT_IA32
	[HOOK_BRK_IA32] = { .serves = "brk", .symbol = COMPAT_SYSCALL_IA32("brk"),
		.optional = true, .data_size = brk_data_size,
		.begin = brk_enter, .finish = brk_return },
#endif
	[HOOK_SIGNAL] = { .serves = "signals", .symbol = "signal_generate",
		.tracepoint = hook_signal },
};

/* [HOOKS]: calls about a watched process */
static u64 __percpu *hook_hits;

static void hook_hit(struct hook *hook)
{
	this_cpu_inc(hook_hits[hook - hooks]);
}

/* ---- callbacks ---- */

static void hook_task_exit(COMPAT_EXIT_PROBE_ARGS)
{
	rcu_read_lock();
	if (watch_on_task_exit(task))
		hook_hit(&hooks[HOOK_EXIT]);
	rcu_read_unlock();
}

static void hook_task_fork(void *data, struct task_struct *parent, struct task_struct *child)
{
	rcu_read_lock();
	if (follow_on_fork(parent, child))
		hook_hit(&hooks[HOOK_FORK]);
	rcu_read_unlock();
}

static void hook_exec_done(void *data, struct task_struct *task, pid_t old_pid,
			   struct linux_binprm *bprm)
{
	preempt_disable_notrace();
	if (brk_on_exec())
		hook_hit(&hooks[HOOK_EXEC_DONE]);
	preempt_enable_notrace();
}

static noinline void hook_page_run(struct page *page, unsigned int order, gfp_t gfp)
{
	preempt_disable_notrace();
	if (page_on_alloc(page, order, gfp))
		hook_hit(&hooks[HOOK_PAGE]);
	preempt_enable_notrace();
}

/* Every process of the machine passes here, too. */
static void notrace hook_page_alloc(void *data, struct page *page, unsigned int order,
				    gfp_t gfp, int migratetype)
{
	if (unlikely(watch_maybe(current->mm)))
		hook_page_run(page, order, gfp);
}

static void hook_signal(void *data, int sig, struct kernel_siginfo *info,
			struct task_struct *task, int group, int result)
{
	preempt_disable_notrace();
	if (signal_on_generate(sig, info, task, group))
		hook_hit(&hooks[HOOK_SIGNAL]);
	preempt_enable_notrace();
}

static void hook_entry(struct hook *hook, struct pt_regs *regs)
{
	rcu_read_lock();
	if (hook->enter(regs))
		hook_hit(hook);
	rcu_read_unlock();
}

/**
 * hook_kprobe_entry() - the callback of a kprobe
 * @kp: of an entry of the table
 * @regs: at the entry of the probed function
 *
 * Context: the probed function's, with the locks that its caller holds;
 * preemption off. May not sleep, allocate, fault or call what is probed.
 *
 * Return: zero: the function goes on.
 */
int hook_kprobe_entry(struct kprobe *kp, struct pt_regs *regs)
{
	hook_entry(container_of(kp, struct hook, kp), regs);
	return 0;
}

/**
 * hook_return_begin() - the callback of a return probe at the entry
 * @ri: with room for what is kept until the return
 * @regs: at the entry of the probed function
 *
 * Context: as hook_kprobe_entry(), and it may not either; also called by
 * hook_ftrace(), by way of the probe on hook_anchor().
 *
 * Return: zero, or 1 if nobody is called at the return.
 */
int hook_return_begin(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct hook *hook = container_of(get_kretprobe(ri), struct hook, rp);

	if (hook->begin(ri->data, regs))
		return 1;
	hook_hit(hook);
	return 0;
}

/**
 * hook_return_finish() - the callback of a return probe at the return
 * @ri: what hook_return_begin() had
 * @regs: at the return
 *
 * The function may have slept: nothing that was found at the entry need be
 * there any more, and the probe itself may have been taken away.
 *
 * Context: the probed function's at its return, with the locks that its caller
 * still holds; preemption off. May not do what hook_kprobe_entry() may not.
 *
 * Return: zero; nobody looks at it.
 */
int hook_return_finish(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct kretprobe *rp = get_kretprobe(ri);

	if (rp)
		container_of(rp, struct hook, rp)->finish(ri->data, regs);
	return 0;
}

/* The call that ftrace patches is at the entry, or behind an ENDBR or BTI there. */
static __always_inline bool hook_is_at(const struct hook *hook, unsigned long ip)
{
	return ip - hook->addr <= 2 * MCOUNT_INSN_SIZE;
}

static noinline void hook_ftrace_run(struct hook *hook, struct pt_regs *regs)
{
	preempt_disable_notrace();
	if (hook->begin)
		hook->rp.kp.pre_handler(&hook->rp.kp, regs);
	else
		hook_entry(hook, regs);
	preempt_enable_notrace();
}

static noinline void hook_ftrace_other(unsigned long ip, struct pt_regs *regs)
{
	struct hook *hook = hooks;

	while (!hook_is_at(hook, ip))
		if (++hook == hooks + HOOKS)
			return;
	hook_ftrace_run(hook, regs);
}

/**
 * hook_ftrace() - the callback of ftrace, for all functions of the table
 * @ip: of the call that ftrace patched in
 * @parent_ip: of the function's caller
 * @ops: the one of attach.c
 * @fregs: at the entry of the function
 *
 * What every process of the machine passes: in a page fault, and whenever it
 * gives up a lock that it held for writing. For the unwatched this is all of
 * the cost.
 *
 * Context: the traced function's, with the locks that its caller holds:
 * mmap_lock or a VMA's in a page fault, for writing the one that is about to be
 * given up. Turns preemption off itself for the watched. May not do what
 * hook_kprobe_entry() may not.
 */
void notrace hook_ftrace(unsigned long ip, unsigned long parent_ip,
			 struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	struct pt_regs *regs = compat_ftrace_regs(fregs);

	if (likely(hook_is_at(&hooks[HOOK_FAULT], ip))) {
		if (unlikely(fault_maybe(regs)))
			hook_ftrace_run(&hooks[HOOK_FAULT], regs);
	} else if (hook_is_at(&hooks[HOOK_UNLOCK], ip)) {
		if (unlikely(vma_unlock_maybe(regs)))
			hook_ftrace_run(&hooks[HOOK_UNLOCK], regs);
	} else {
		hook_ftrace_other(ip, regs);
	}
}

/**
 * hook_fault_data() - is the current task in a page fault?
 *
 * Context: the task itself; its list of return probes changes by nobody else.
 * No lock; may be called in a callback.
 *
 * Return: what fault_enter() noted of the innermost one, or NULL. It stays as
 * long as the fault.
 */
const void *hook_fault_data(void)
{
	struct llist_node *link = compat_return_probes(current);

	for (; link; link = link->next) {
		struct kretprobe_instance *ri = compat_return_probe(link);

		if (get_kretprobe(ri) == &hooks[HOOK_FAULT].rp)
			return ri->data;
	}
	return NULL;
}

/**
 * hook_count_init() - counters of hits; they stay until hook_free()
 *
 * Context: process; may sleep, so never from a callback; watch_mutex of list.c
 * is held. Return: 0 or -ENOMEM.
 */
int hook_count_init(void)
{
	if (!hook_hits)
		hook_hits = __alloc_percpu(HOOKS * sizeof(u64), sizeof(u64));
	return hook_hits ? 0 : -ENOMEM;
}

/**
 * hook_free() - free the counters
 *
 * Context: unload, after the last hook_detach(): nobody counts or reads any
 * more. No lock. Never from a callback.
 */
void hook_free(void)
{
	free_percpu(hook_hits);
	hook_hits = NULL;
}

static u64 hook_missed_one(const struct hook *hook)
{
	return hook->begin ? hook->rp.nmissed + hook->rp.kp.nmissed : hook->kp.nmissed;
}

/**
 * hook_missed() - calls that a probe could not take since it was attached
 *
 * Context: any; no lock, the counts may move on meanwhile. Does not sleep.
 */
u64 hook_missed(void)
{
	u64 sum = 0;
	int i;

	for (i = 0; i < HOOKS; i++)
		sum += hook_missed_one(&hooks[i]);
	return sum;
}

/**
 * hook_tells_ranges() - are the hooks there that tell where VMAs change?
 *
 * Context: any, callbacks too; no lock. Does not sleep.
 */
bool hook_tells_ranges(void)
{
	return hooks[HOOK_MAP].attached && hooks[HOOK_COPY].attached &&
	       hooks[HOOK_STACK].attached;
}

static u64 hook_hits_sum(int i)
{
	u64 sum = 0;
	int cpu;

	if (hook_hits)
		for_each_possible_cpu(cpu)
			sum += per_cpu_ptr(hook_hits, cpu)[i];
	return sum;
}

/**
 * hook_show() - the text of /proc/brkscope/hooks
 * @m: where to
 *
 * Context: process, a reader; no lock, so hooks may come and go meanwhile.
 */
void hook_show(struct seq_file *m)
{
	int i;

	seq_puts(m, "brkscope hooks 1\nserves attach mechanism state hits missed reason\n");
	for (i = 0; i < HOOKS; i++) {
		const struct hook *hook = &hooks[i];

		seq_printf(m, "%s %s %s %s %llu %llu %s\n", hook->serves, hook->symbol,
			   hook->mechanism ?: "-",
			   hook->attached ? "attached" : hook->reason ? "unavailable" : "ready",
			   hook_hits_sum(i), hook_missed_one(hook), hook->reason ?: "-");
	}
}
