// SPDX-License-Identifier: GPL-2.0-only
/*
 * How does brkscope come and go?
 *
 * Loading makes /proc/brkscope and nothing else; hooks are attached by the first
 * watch. Unloading takes it all down in the reverse order. An open file below
 * /proc/brkscope holds the module.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/build_bug.h>
#include <linux/init.h>
#include <linux/module.h>

#include "internal.h"

/* The ABI: no field is ever moved. */
#define ABI_AT(type, field, at) static_assert(offsetof(struct type, field) == (at))

static_assert(sizeof(struct brkscope_header) == 64);
ABI_AT(brkscope_header, magic, 0);
ABI_AT(brkscope_header, version, 8);
ABI_AT(brkscope_header, record_size, 12);
ABI_AT(brkscope_header, page_size, 16);
ABI_AT(brkscope_header, pid, 20);
ABI_AT(brkscope_header, start, 24);
ABI_AT(brkscope_header, buffer_records, 32);
static_assert(sizeof(struct brkscope_record) == 64);
ABI_AT(brkscope_record, seq, 0);
ABI_AT(brkscope_record, time, 8);
ABI_AT(brkscope_record, tid, 16);
ABI_AT(brkscope_record, kind, 20);
ABI_AT(brkscope_record, code, 21);
ABI_AT(brkscope_record, flags, 22);
ABI_AT(brkscope_record, fault.addr, 24);
ABI_AT(brkscope_record, fault.ip, 32);
ABI_AT(brkscope_record, fault.frame, 40);
ABI_AT(brkscope_record, fault.latency, 48);
ABI_AT(brkscope_record, fault.name, 56);
ABI_AT(brkscope_record, fault.prot, 58);
ABI_AT(brkscope_record, fault.around, 59);
ABI_AT(brkscope_record, fault.page, 60);
ABI_AT(brkscope_record, brk.old, 24);
ABI_AT(brkscope_record, brk.requested, 32);
ABI_AT(brkscope_record, brk.now, 40);
ABI_AT(brkscope_record, brk.pages, 48);
ABI_AT(brkscope_record, brk.error, 56);
ABI_AT(brkscope_record, brk.reason, 60);
ABI_AT(brkscope_record, vma.start, 24);
ABI_AT(brkscope_record, vma.end, 32);
ABI_AT(brkscope_record, vma.old_start, 40);
ABI_AT(brkscope_record, vma.old_end, 48);
ABI_AT(brkscope_record, vma.prot, 56);
ABI_AT(brkscope_record, vma.old_prot, 57);
ABI_AT(brkscope_record, vma.attr, 58);
ABI_AT(brkscope_record, vma.name, 60);
ABI_AT(brkscope_record, vma.cause, 62);
ABI_AT(brkscope_record, name.id, 24);
ABI_AT(brkscope_record, name.length, 26);
ABI_AT(brkscope_record, name.offset, 28);
ABI_AT(brkscope_record, name.text, 30);
ABI_AT(brkscope_record, exec.comm, 24);
ABI_AT(brkscope_record, exit.status, 24);
ABI_AT(brkscope_record, lost.count, 24);
ABI_AT(brkscope_record, page.addr, 24);
ABI_AT(brkscope_record, page.frame, 32);
ABI_AT(brkscope_record, page.gfp, 40);
ABI_AT(brkscope_record, page.order, 44);
ABI_AT(brkscope_record, page.zone, 45);
ABI_AT(brkscope_record, page.node, 46);
ABI_AT(brkscope_record, page.call, 48);
ABI_AT(brkscope_record, page.name, 50);
ABI_AT(brkscope_record, signal.addr, 24);
ABI_AT(brkscope_record, signal.ip, 32);
ABI_AT(brkscope_record, signal.signo, 40);
ABI_AT(brkscope_record, signal.si_code, 44);
ABI_AT(brkscope_record, signal.name, 48);
ABI_AT(brkscope_record, fork.child, 24);
ABI_AT(brkscope_record, fork.shares, 28);

static int __init brkscope_init(void)
{
	int err = follow_init();

	if (err)
		return err;
	watch_init();
	brk_init();
	err = proc_init();
	if (err)
		follow_exit();
	return err;
}

static void __exit brkscope_exit(void)
{
	watch_exit();
	proc_exit();
	follow_exit();
	hook_free();
}

module_init(brkscope_init);
module_exit(brkscope_exit);

MODULE_DESCRIPTION("See what malloc makes the kernel do: breaks, VMAs and page faults of a process");
MODULE_AUTHOR("The brkscope maintainers");
MODULE_LICENSE("GPL");
MODULE_VERSION("0.1");
