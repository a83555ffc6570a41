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

static_assert(sizeof(struct brkscope_header) == 64);
static_assert(sizeof(struct brkscope_record) == 64);
static_assert(offsetof(struct brkscope_record, time) == 8);
static_assert(offsetof(struct brkscope_record, fault) == 24);

static int __init brkscope_init(void)
{
	int err = follow_init();

	if (err)
		return err;
	watch_init();
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
