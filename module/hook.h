/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What attach.c must know of the table in hook.c
 */
#ifndef _BRKSCOPE_HOOK_H
#define _BRKSCOPE_HOOK_H

#include <linux/kprobes.h>

#include "compat.h"

struct ftrace_ops;
struct ftrace_regs;
struct tracepoint;

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

extern struct hook hooks[HOOKS];

int hook_count_init(void);
int hook_kprobe_entry(struct kprobe *kp, struct pt_regs *regs);
int hook_return_begin(struct kretprobe_instance *ri, struct pt_regs *regs);
int hook_return_finish(struct kretprobe_instance *ri, struct pt_regs *regs);
void hook_ftrace(unsigned long ip, unsigned long parent_ip, struct ftrace_ops *ops,
		 struct ftrace_regs *fregs);

#endif /* _BRKSCOPE_HOOK_H */
