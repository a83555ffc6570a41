// SPDX-License-Identifier: GPL-2.0-only
/*
 * By what means do we listen in the kernel?
 *
 * Entries are taken by ftrace, which costs an unwatched process some fifty
 * instructions, or by a kprobe where ftrace cannot. Returns are taken by a
 * return probe: where ftrace serves, the probe itself sits on a function of our
 * own that nobody calls, and is started by hand for the watched alone; else it
 * sits on the kernel's function and starts for all. A return probe keeps its
 * trampoline in the kernel proper, so a task that sleeps in the probed function
 * holds up neither unload nor itself.
 *
 * Context: all of it sleeps and is serialised by list.c.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/ftrace.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/tracepoint.h>

#include "hook.h"
#include "internal.h"

static unsigned int max_inflight = 512;
module_param(max_inflight, uint, 0444);
MODULE_PARM_DESC(max_inflight, "page faults that may be under way in watched processes at once; more are missed (512)");

static bool kprobes;
module_param(kprobes, bool, 0444);
MODULE_PARM_DESC(kprobes, "listen by kprobes even where ftrace would do, which costs every page fault of the machine more (N)");

/*
 * One ftrace_ops for all functions: taking it away waits for every task to
 * leave the trampoline (synchronize_rcu_tasks()), and that once is enough.
 */
static struct ftrace_ops hook_ops;
static bool by_ftrace;	/* the mechanism chosen for the functions */
static bool ftrace_on;	/* @hook_ops is registered */

/* The return probes of ftrace hooks are registered on this; nobody calls it. */
static noinline void hook_anchor(void)
{
	barrier();
}

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
 * Context: process; may sleep. Takes kprobe_mutex, so never from a probe.
 * Return: the address, or NULL if there is no such symbol.
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
 * All or nothing but for what is optional.
 *
 * Context: process; may sleep; watch_mutex of list.c is held. Callbacks run
 * before it returns. Never from a callback: it takes the locks of ftrace and
 * kprobes.
 * Return: 0 or a negative errno.
 */
int hook_attach(const char **why)
{
	int i, err;

	*why = "not enough memory for the hooks";
	err = hook_count_init();
	if (err)
		return err;
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
 * It is a hook of its own since all processes of the machine pay for it
 * whenever they are given a page.
 *
 * Context: process; may sleep; after hook_attach(), watch_mutex of list.c is
 * held. Never from a callback, as hook_attach(). Return: 0 or a negative errno.
 */
int hook_attach_pages(const char **why)
{
	if (!hook_attach_one(&hooks[HOOK_PAGE]))
		return 0;
	*why = "the page allocator cannot be listened to; watch with nopages";
	return -EOPNOTSUPP;
}

/**
 * hook_detach_pages() - listen to it no more; its callback does not run then
 *
 * Context: process; may sleep; watch_mutex of list.c is held. Waits for all who
 * are in a tracepoint: never from a callback, nor in a section that holds up
 * RCU.
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
 * Context: process; may sleep; watch_mutex of list.c is held. Waits for all who
 * are in a callback: never from one, nor in a section that holds up RCU.
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
