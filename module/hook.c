// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where do we listen in the kernel, and by what means?
 *
 * One table. Each attach point names what it serves, the kernel's symbol, and
 * what to call. Entries are taken by ftrace, which costs an unwatched process
 * some fifty instructions, or by a kprobe where ftrace cannot. Returns are taken
 * by a return probe: where ftrace serves, the probe itself sits
 * on a function of our own that nobody calls, and is started by hand for the
 * watched alone; else it sits on the kernel's function and starts for all.
 * A return probe keeps its trampoline in the kernel proper, so a task that
 * sleeps in the probed function holds up neither unload nor itself.
 *
 * Context of the callbacks: that of the probed function. hook_attach() and
 * hook_detach() sleep and are serialised by watch.c.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/ftrace.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/seq_file.h>
#include <linux/tracepoint.h>

#include "internal.h"

static unsigned int max_inflight = 512;
module_param(max_inflight, uint, 0444);
MODULE_PARM_DESC(max_inflight, "page faults that may be under way in watched processes at once; more are missed (512)");

static bool kprobes;
module_param(kprobes, bool, 0444);
MODULE_PARM_DESC(kprobes, "listen by kprobes even where ftrace would do, which costs every page fault of the machine more (N)");

/**
 * struct hook - one attach point
 * @serves: what it is for
 * @symbol: the kernel's function or tracepoint
 * @enter: for the entry alone: called with the registers; was it about a watched process?
 * @data_size: bytes to keep from @begin to @finish, see fault.c
 * @begin: for entry and return: at the entry; zero if it is about a watched process
 * @finish: at the return
 * @tracepoint: probe for a tracepoint
 * @on_demand: only attached while a watch wants it, see hook_attach_pages()
 * @optional: without it something is dearer or untold, and the rest works
 * @mechanism: what it is attached by, or was last
 * @reason: why it is not, in words
 * @addr: where the function's entry can be probed
 * @tp: the tracepoint
 * @kp: of a kprobe
 * @rp: of a return probe
 * @attached: now
 */
struct hook {
	const char *serves;
	const char *symbol;
	bool (*enter)(struct pt_regs *regs);
	size_t (*data_size)(void);
	int (*begin)(void *data, struct pt_regs *regs);
	void (*finish)(void *data, struct pt_regs *regs);
	void *tracepoint;
	bool on_demand;
	bool optional;

	const char *mechanism;
	const char *reason;
	unsigned long addr;
	struct tracepoint *tp;
	struct kprobe kp;
	struct kretprobe rp;
	bool attached;
};

static void hook_task_exit(COMPAT_EXIT_PROBE_ARGS);
static void hook_task_fork(void *data, struct task_struct *parent, struct task_struct *child);
static void hook_exec_done(void *data, struct task_struct *task, pid_t old_pid,
			   struct linux_binprm *bprm);
static void hook_page_alloc(void *data, struct page *page, unsigned int order, gfp_t gfp,
			    int migratetype);
static void hook_signal(void *data, int sig, struct kernel_siginfo *info,
			struct task_struct *task, int group, int result);

enum {
	HOOK_FAULT, HOOK_UNLOCK, HOOK_DOWNGRADE, HOOK_BRK,
	HOOK_MAP, HOOK_COPY, HOOK_STACK,
	HOOK_EXEC, HOOK_MM_END, HOOK_EXIT, HOOK_FORK, HOOK_PAGE, HOOK_SIGNAL,
	HOOK_EXEC_DONE,
#ifdef COMPAT_IA32
	HOOK_BRK_IA32,
#endif
	HOOKS
};

static struct hook hooks[HOOKS] = {
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

/*
 * One ftrace_ops for all functions: taking it away waits for every task to leave
 * the trampoline (synchronize_rcu_tasks()), and that once is enough.
 */
static struct ftrace_ops hook_ops;
static bool by_ftrace;	/* the mechanism chosen for the functions */
static bool ftrace_on;	/* @hook_ops is registered */

/* [HOOKS]: calls about a watched process */
static u64 __percpu *hook_hits;

static void hook_hit(struct hook *hook)
{
	this_cpu_inc(hook_hits[hook - hooks]);
}

/* The return probes of ftrace hooks are registered on this; nobody calls it. */
static noinline void hook_anchor(void)
{
	barrier();
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

static int hook_kprobe_entry(struct kprobe *kp, struct pt_regs *regs)
{
	hook_entry(container_of(kp, struct hook, kp), regs);
	return 0;
}

static int hook_return_begin(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct hook *hook = container_of(get_kretprobe(ri), struct hook, rp);

	if (hook->begin(ri->data, regs))
		return 1;
	hook_hit(hook);
	return 0;
}

static int hook_return_finish(struct kretprobe_instance *ri, struct pt_regs *regs)
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

/*
 * What every process of the machine passes: in a page fault, and whenever it gives
 * up a lock that it held for writing. For the unwatched this is all of the cost.
 */
static void notrace hook_ftrace(unsigned long ip, unsigned long parent_ip,
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
 *
 * Return: what fault_enter() noted of the innermost one, or NULL. It stays as long
 * as the fault.
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

/* ---- attaching ---- */

/* The kernel exports no look-up of symbols, but kprobes do one; this one is never armed. */
static int hook_resolve(struct hook *hook)
{
	struct kprobe kp = { .symbol_name = hook->symbol, .flags = KPROBE_FLAG_DISABLED };
	int err;

	if (hook->addr || hook->tracepoint)
		return 0;
	err = register_kprobe(&kp);
	hook->reason = err == -ENOENT ? "the kernel has no such symbol" :
		       err ? "the kernel allows no probe there" : NULL;
	if (err)
		return err;
	hook->addr = (unsigned long)kp.addr;
	unregister_kprobe(&kp);
	return 0;
}

/**
 * hook_find() - address of a variable of the kernel's
 * @name: its symbol
 *
 * Kprobes look a symbol up before they see that it is no code and say no.
 *
 * Context: process. Return: the address, or NULL if there is no such symbol.
 */
const void *hook_find(const char *name)
{
	struct kprobe kp = { .symbol_name = name, .flags = KPROBE_FLAG_DISABLED };

	if (!register_kprobe(&kp))
		unregister_kprobe(&kp);
	return kp.addr;
}

static int hook_return_register(struct hook *hook, unsigned long addr)
{
	memset(&hook->rp, 0, sizeof(hook->rp));
	hook->rp.handler = hook_return_finish;
	hook->rp.entry_handler = hook_return_begin;
	hook->rp.data_size = hook->data_size();
	hook->rp.maxactive = max_inflight;
	hook->rp.kp.addr = (kprobe_opcode_t *)addr;
	return register_kretprobe(&hook->rp);
}

static int hook_entry_register(struct hook *hook)
{
	memset(&hook->kp, 0, sizeof(hook->kp));
	hook->kp.addr = (kprobe_opcode_t *)hook->addr;
	hook->kp.pre_handler = hook_kprobe_entry;
	return register_kprobe(&hook->kp);
}

static void hook_match_tracepoint(struct tracepoint *tp, void *data)
{
	struct hook *hook = data;

	if (!strcmp(tp->name, hook->symbol))
		hook->tp = tp;
}

static int hook_tracepoint_register(struct hook *hook)
{
	if (!hook->tp)
		for_each_kernel_tracepoint(hook_match_tracepoint, hook);
	if (!hook->tp)
		return -ENOENT;
	return tracepoint_probe_register(hook->tp, hook->tracepoint, NULL);
}

/* All but ftrace itself. */
static int hook_attach_one(struct hook *hook)
{
	int err = 0;

	if (!hook->addr && !hook->tracepoint)
		return 0;
	if (hook->tracepoint) {
		hook->mechanism = "tracepoint";
		err = hook_tracepoint_register(hook);
	} else if (hook->begin) {
		hook->mechanism = by_ftrace ? "ftrace+return" : "kretprobe";
		err = hook_return_register(hook, by_ftrace ? (unsigned long)hook_anchor :
							     hook->addr);
	} else {
		hook->mechanism = by_ftrace ? "ftrace" : "kprobe";
		if (!by_ftrace)
			err = hook_entry_register(hook);
	}
	hook->attached = !err;
	hook->reason = err ? "the kernel refused the probe" : NULL;
	return hook->optional ? 0 : err;
}

static int hook_ftrace_register(void)
{
	int i, err = 0;

	memset(&hook_ops, 0, sizeof(hook_ops));
	hook_ops.func = hook_ftrace;
	/* nobody may switch ftrace off while it serves: that would lose events in silence */
	hook_ops.flags = FTRACE_OPS_FL_PERMANENT;
	for (i = 0; i < HOOKS && !err; i++)
		if (hooks[i].addr && hooks[i].attached)
			err = ftrace_set_filter_ip(&hook_ops, hooks[i].addr, 0, i == 0);
	if (!err)
		err = register_ftrace_function(&hook_ops);
	if (err)
		ftrace_free_filter(&hook_ops);
	ftrace_on = !err;
	return err;
}

static int hook_attach_all(bool ftrace)
{
	int i, err = 0;

	by_ftrace = ftrace;
	for (i = 0; i < HOOKS && !err; i++)
		if (!hooks[i].on_demand)
			err = hook_attach_one(&hooks[i]);
	if (!err && ftrace)
		err = hook_ftrace_register();
	if (err)
		hook_detach();
	return err;
}

/**
 * hook_attach() - start listening
 * @why: gets the reason of a failure in words
 *
 * Context: process; may sleep. All or nothing but for what is optional.
 * Return: 0 or a negative errno.
 */
int hook_attach(const char **why)
{
	int i, err = 0;

	if (!hook_hits) {
		hook_hits = __alloc_percpu(HOOKS * sizeof(u64), sizeof(u64));
		if (!hook_hits)
			return -ENOMEM;
	}
	for (i = 0; i < HOOKS && !err; i++) {
		err = hook_resolve(&hooks[i]);
		if (hooks[i].optional)
			err = 0;
	}
	*why = "a hook could not be attached, see /proc/brkscope/hooks";
	if (!err)
		err = hook_attach_all(COMPAT_FTRACE && !kprobes);
	if (!err)
		return 0;
	if (by_ftrace && err == -EBUSY)
		*why = "ftrace is switched off: sysctl kernel.ftrace_enabled=1";
	return -EOPNOTSUPP;
}

/**
 * hook_attach_pages() - listen to the page allocator, too
 * @why: gets the reason of a failure in words
 *
 * Context: process; may sleep; after hook_attach(). It is a hook of its own since all
 * processes of the machine pay for it whenever they are given a page.
 * Return: 0 or a negative errno.
 */
int hook_attach_pages(const char **why)
{
	if (!hook_attach_one(&hooks[HOOK_PAGE]))
		return 0;
	*why = "the page allocator cannot be listened to; watch with nopages";
	return -EOPNOTSUPP;
}

/**
 * hook_detach_pages() - listen to it no more
 *
 * Context: process; may sleep.
 */
void hook_detach_pages(void)
{
	struct hook *hook = &hooks[HOOK_PAGE];

	if (!hook->attached)
		return;
	tracepoint_probe_unregister(hook->tp, hook->tracepoint, NULL);
	tracepoint_synchronize_unregister();
	hook->attached = false;
}

/**
 * hook_detach() - stop listening; no callback runs any more when it returns
 *
 * Context: process; may sleep.
 */
void hook_detach(void)
{
	struct kretprobe *returns[HOOKS];
	int i, n = 0;

	if (ftrace_on) {
		unregister_ftrace_function(&hook_ops);
		ftrace_free_filter(&hook_ops);
		ftrace_on = false;
	}
	for (i = 0; i < HOOKS; i++) {
		struct hook *hook = &hooks[i];

		if (!hook->attached)
			continue;
		if (hook->tracepoint)
			tracepoint_probe_unregister(hook->tp, hook->tracepoint, NULL);
		else if (hook->begin)
			returns[n++] = &hook->rp;
		else if (!by_ftrace)
			unregister_kprobe(&hook->kp);
		hook->attached = false;
	}
	unregister_kretprobes(returns, n);
	tracepoint_synchronize_unregister();
}

/**
 * hook_free() - free the counters; after the last hook_detach()
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
