// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where do we listen in the kernel, and by what means?
 *
 * One table. Each attach point names what it serves, the kernel's symbol, and
 * what to call. Entries are taken by ftrace, which costs an unwatched process
 * some fifty instructions, or by a kprobe where ftrace cannot. Returns are taken
 * by a return probe: where ftrace hands out all registers, the probe itself sits
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

/**
 * struct hook - one attach point
 * @serves: what it is for
 * @symbol: the kernel's function or tracepoint
 * @enter: for the entry alone: called with the registers; was it about a watched process?
 * @wanted: for entry and return: is this call about a watched process?
 * @data_size: bytes to keep from @begin to @finish, see fault.c
 * @begin: at the entry
 * @finish: at the return
 * @tracepoint: probe for a tracepoint
 * @mechanism: what it is attached by, or was last
 * @reason: why it is not, in words
 * @tp: the tracepoint
 * @ops: of ftrace
 * @kp: of a kprobe
 * @rp: of a return probe
 * @attached: now
 * @by_ftrace: attached by @ops (and perhaps @rp on our own function)
 */
struct hook {
	const char *serves;
	const char *symbol;
	bool (*enter)(struct pt_regs *regs);
	bool (*wanted)(struct pt_regs *regs);
	size_t (*data_size)(void);
	int (*begin)(void *data, struct pt_regs *regs);
	void (*finish)(void *data, struct pt_regs *regs);
	void *tracepoint;

	const char *mechanism;
	const char *reason;
	struct tracepoint *tp;
	struct ftrace_ops ops;
	struct kprobe kp;
	struct kretprobe rp;
	bool attached;
	bool by_ftrace;
};

static void hook_task_exit(COMPAT_EXIT_PROBE_ARGS);

enum {
	HOOK_FAULT, HOOK_UNLOCK, HOOK_DOWNGRADE, HOOK_BRK,
	HOOK_EXEC, HOOK_MM_END, HOOK_EXIT, HOOKS
};

static struct hook hooks[HOOKS] = {
	[HOOK_FAULT] = { .serves = "faults", .symbol = "handle_mm_fault",
		.wanted = fault_wanted, .data_size = fault_data_size,
		.begin = fault_enter, .finish = fault_return },
	[HOOK_UNLOCK] = { .serves = "vmas", .symbol = "up_write",
		.enter = mirror_on_write_unlock },
	[HOOK_DOWNGRADE] = { .serves = "vmas", .symbol = "downgrade_write",
		.enter = mirror_on_write_unlock },
	[HOOK_BRK] = { .serves = "brk", .symbol = COMPAT_SYS_BRK,
		.wanted = brk_wanted, .data_size = brk_data_size,
		.begin = brk_enter, .finish = brk_return },
	[HOOK_EXEC] = { .serves = "exec", .symbol = "setup_new_exec",
		.enter = watch_on_exec },
	[HOOK_MM_END] = { .serves = "exit", .symbol = "exit_mmap",
		.enter = watch_on_mm_end },
	[HOOK_EXIT] = { .serves = "exit", .symbol = "sched_process_exit",
		.tracepoint = hook_task_exit },
};

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

	if (!hook->by_ftrace && !hook->wanted(regs))
		return 1;
	hook_hit(hook);
	return hook->begin(ri->data, regs);
}

static int hook_return_finish(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct kretprobe *rp = get_kretprobe(ri);

	if (rp)
		container_of(rp, struct hook, rp)->finish(ri->data, regs);
	return 0;
}

static void hook_ftrace_entry(unsigned long ip, unsigned long parent_ip,
			      struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	struct pt_regs *regs = ftrace_get_regs(fregs);

	if (regs)
		hook_entry(container_of(ops, struct hook, ops), regs);
}

static void hook_ftrace_return(unsigned long ip, unsigned long parent_ip,
			       struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	struct hook *hook = container_of(ops, struct hook, ops);
	struct pt_regs *regs = ftrace_get_regs(fregs);

	preempt_disable_notrace();
	if (regs && hook->wanted(regs))
		hook->rp.kp.pre_handler(&hook->rp.kp, regs);
	preempt_enable_notrace();
}

/* ---- attaching ---- */

static int hook_ftrace_attach(struct hook *hook)
{
	int err;

	memset(&hook->ops, 0, sizeof(hook->ops));
	hook->ops.func = hook->wanted ? hook_ftrace_return : hook_ftrace_entry;
	hook->ops.flags = COMPAT_FTRACE_FLAGS;
	err = ftrace_set_filter(&hook->ops, (unsigned char *)hook->symbol,
				strlen(hook->symbol), 1);
	if (!err)
		err = register_ftrace_function(&hook->ops);
	if (err)
		ftrace_free_filter(&hook->ops);
	return err;
}

static void hook_ftrace_detach(struct hook *hook)
{
	unregister_ftrace_function(&hook->ops);
	ftrace_free_filter(&hook->ops);
}

static int hook_return_register(struct hook *hook, bool anchored)
{
	memset(&hook->rp, 0, sizeof(hook->rp));
	hook->rp.handler = hook_return_finish;
	hook->rp.entry_handler = hook_return_begin;
	hook->rp.data_size = hook->data_size();
	hook->rp.maxactive = max_inflight;
	if (anchored)
		hook->rp.kp.addr = (kprobe_opcode_t *)hook_anchor;
	else
		hook->rp.kp.symbol_name = hook->symbol;
	hook->by_ftrace = anchored;
	return register_kretprobe(&hook->rp);
}

static int hook_attach_return(struct hook *hook)
{
	int err = -EOPNOTSUPP;

	if (COMPAT_FTRACE_REGS) {
		err = hook_return_register(hook, true);
		if (!err) {
			hook->mechanism = "ftrace+return";
			err = hook_ftrace_attach(hook);
			if (!err)
				return 0;
			unregister_kretprobe(&hook->rp);
		}
	}
	err = hook_return_register(hook, false);
	hook->mechanism = "kretprobe";
	return err;
}

static int hook_attach_entry(struct hook *hook)
{
	hook->by_ftrace = true;
	hook->mechanism = "ftrace";
	if (COMPAT_FTRACE_REGS && !hook_ftrace_attach(hook))
		return 0;
	hook->by_ftrace = false;
	hook->mechanism = "kprobe";
	memset(&hook->kp, 0, sizeof(hook->kp));
	hook->kp.symbol_name = hook->symbol;
	hook->kp.pre_handler = hook_kprobe_entry;
	return register_kprobe(&hook->kp);
}

static void hook_match_tracepoint(struct tracepoint *tp, void *data)
{
	struct hook *hook = data;

	if (!strcmp(tp->name, hook->symbol))
		hook->tp = tp;
}

static int hook_attach_tracepoint(struct hook *hook)
{
	hook->mechanism = "tracepoint";
	for_each_kernel_tracepoint(hook_match_tracepoint, hook);
	if (!hook->tp)
		return -ENOENT;
	return tracepoint_probe_register(hook->tp, hook->tracepoint, NULL);
}

static void hook_detach_one(struct hook *hook)
{
	if (hook->tracepoint) {
		tracepoint_probe_unregister(hook->tp, hook->tracepoint, NULL);
		tracepoint_synchronize_unregister();
	} else {
		if (hook->by_ftrace)
			hook_ftrace_detach(hook);
		if (hook->wanted)
			unregister_kretprobe(&hook->rp);
		else if (!hook->by_ftrace)
			unregister_kprobe(&hook->kp);
	}
	hook->attached = false;
}

static int hook_attach_one(struct hook *hook)
{
	int err;

	if (hook->tracepoint)
		err = hook_attach_tracepoint(hook);
	else if (hook->wanted)
		err = hook_attach_return(hook);
	else
		err = hook_attach_entry(hook);
	hook->attached = !err;
	hook->reason = err == -ENOENT ? "the kernel has no such symbol" :
		       err ? "the kernel refused the probe" : NULL;
	return err;
}

/**
 * hook_attach() - start listening
 * @why: gets the reason of a failure in words
 *
 * Context: process; may sleep. All or nothing. Return: 0 or a negative errno.
 */
int hook_attach(const char **why)
{
	int i, err = 0;

	if (!hook_hits) {
		hook_hits = __alloc_percpu(HOOKS * sizeof(u64), sizeof(u64));
		if (!hook_hits)
			return -ENOMEM;
	}
	for (i = 0; i < HOOKS && !err; i++)
		err = hook_attach_one(&hooks[i]);
	if (!err)
		return 0;
	*why = "a hook could not be attached, see /proc/brkscope/hooks";
	pr_warn("cannot attach to %s: error %d\n", hooks[i - 1].symbol, err);
	while (i--)
		if (hooks[i].attached)
			hook_detach_one(&hooks[i]);
	return -EOPNOTSUPP;
}

/**
 * hook_detach() - stop listening; no callback runs any more when it returns
 *
 * Context: process; may sleep.
 */
void hook_detach(void)
{
	int i;

	for (i = HOOKS - 1; i >= 0; i--)
		if (hooks[i].attached)
			hook_detach_one(&hooks[i]);
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
	return hook->wanted ? hook->rp.nmissed + hook->rp.kp.nmissed : hook->kp.nmissed;
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
