// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who is watched, and from when to when?
 *
 * Two hash tables find a watch: by address space for the hooks of memory, by
 * process for those of exec and exit. Hooks look up under RCU (or with
 * preemption off); the tables change under table_lock. What makes and removes
 * watches is command.c.
 *
 * Owner: the list of command.c holds one reference, each open file another.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cred.h>
#include <linux/hash.h>
#include <linux/module.h>
#include <linux/rculist_nulls.h>
#include <linux/sched/coredump.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/binfmts.h>
#include <linux/slab.h>
#include <linux/ktime.h>

#include "internal.h"

#define TABLE_BITS	8

static struct hlist_nulls_head by_mm[1 << TABLE_BITS];
static struct hlist_head by_pid[1 << TABLE_BITS];
static DEFINE_RAW_SPINLOCK(table_lock);

/* ---- finding; RCU or preemption off ---- */

/**
 * watch_of_mm() - the watch of an address space
 * @mm: only compared, never followed
 *
 * Context: any; RCU read lock or preemption off, which also bounds how long the
 * result may be used. Return: the watch or NULL.
 */
struct watch *watch_of_mm(const struct mm_struct *mm)
{
	u32 bucket = hash_ptr(mm, TABLE_BITS);
	struct hlist_nulls_node *node;
	struct watch *w;

	do {
		hlist_nulls_for_each_entry_rcu(w, node, &by_mm[bucket], by_mm)
			if (READ_ONCE(w->mm) == mm)
				return w;
		/* an exec moved the entry we stood on to another bucket: again */
	} while (get_nulls_value(node) != bucket);
	return NULL;
}

static struct watch *watch_of_pid(const struct pid *pid)
{
	struct watch *w;

	hlist_for_each_entry_rcu(w, &by_pid[hash_ptr(pid, TABLE_BITS)], by_pid, true)
		if (w->pid == pid)
			return w;
	return NULL;
}

/* ---- life ---- */

/**
 * watch_get() - take a reference
 * @w: the caller has one, or the list has and watch_mutex is held
 */
struct watch *watch_get(struct watch *w)
{
	refcount_inc(&w->ref);
	return w;
}

/**
 * watch_put() - give a reference back; the last one frees
 * @w: not used by the caller any more
 *
 * Context: process.
 */
void watch_put(struct watch *w)
{
	if (!refcount_dec_and_test(&w->ref))
		return;
	pool_grower_stop(w);
	put_pid(w->pid);
	ring_destroy(&w->ring);
	mirror_destroy(w);
	touch_destroy(&w->touch);
	kfree(w);
}

/**
 * watch_alloc() - make a watch that is in no table yet
 * @pid: the process
 * @buffer_bytes: size of the event buffer
 * @cred: whose it shall be
 * @vmas: VMAs that the process has
 *
 * Context: process; charged to the caller's cgroup. Return: the watch, with one
 * reference, or NULL.
 */
struct watch *watch_alloc(struct pid *pid, u64 buffer_bytes, const struct cred *cred, u32 vmas)
{
	struct watch *w = kzalloc(sizeof(*w), GFP_KERNEL_ACCOUNT);

	if (!w)
		return NULL;
	refcount_set(&w->ref, 1);
	raw_spin_lock_init(&w->lock);
	mutex_init(&w->refresh);
	pool_grower_init(w);
	INIT_HLIST_NODE(&w->by_pid);
	INIT_LIST_HEAD(&w->all);
	w->pid = get_pid(pid);
	w->nr = pid_nr(pid);
	w->uid = cred->fsuid;
	w->gid = cred->fsgid;
	w->start = ktime_get_mono_fast_ns();
	if (ring_init(&w->ring, max_t(u64, buffer_bytes / sizeof(struct brkscope_record), 64)) ||
	    mirror_init(w, vmas) || touch_init(w)) {
		watch_put(w);
		return NULL;
	}
	return w;
}

/**
 * watch_table_add_mm() - the hooks of memory find the watch from now on
 * @w: the watch
 * @mm: its address space
 *
 * Context: any but NMI.
 */
void watch_table_add_mm(struct watch *w, struct mm_struct *mm)
{
	unsigned long irq;

	raw_spin_lock_irqsave(&table_lock, irq);
	WRITE_ONCE(w->mm, mm);
	hlist_nulls_add_head_rcu(&w->by_mm, &by_mm[hash_ptr(mm, TABLE_BITS)]);
	raw_spin_unlock_irqrestore(&table_lock, irq);
}

/**
 * watch_table_add_pid() - the hooks of exec and exit find the watch from now on
 * @w: the watch
 */
void watch_table_add_pid(struct watch *w)
{
	unsigned long irq;

	raw_spin_lock_irqsave(&table_lock, irq);
	hlist_add_head_rcu(&w->by_pid, &by_pid[hash_ptr(w->pid, TABLE_BITS)]);
	raw_spin_unlock_irqrestore(&table_lock, irq);
}

static void watch_table_del_mm(struct watch *w)
{
	unsigned long irq;

	raw_spin_lock_irqsave(&table_lock, irq);
	if (READ_ONCE(w->mm)) {
		hlist_nulls_del_init_rcu(&w->by_mm);
		WRITE_ONCE(w->mm, NULL);
	}
	raw_spin_unlock_irqrestore(&table_lock, irq);
}

/**
 * watch_end() - nothing is added to the watch from now on
 * @w: the watch
 * @record: leave a last record
 *
 * The first who says so wins. Context: any but NMI.
 */
void watch_end(struct watch *w, bool record)
{
	struct brkscope_record rec = {
		.tid = current->pid, .kind = BRKSCOPE_EXIT, .exit = { .status = w->status },
	};
	unsigned long irq;
	bool first;

	watch_table_del_mm(w);
	raw_spin_lock_irqsave(&table_lock, irq);
	first = !hlist_unhashed(&w->by_pid);
	hlist_del_init_rcu(&w->by_pid);
	raw_spin_unlock_irqrestore(&table_lock, irq);
	if (!first)
		return;
	raw_spin_lock_irqsave(&w->lock, irq);
	if (record)
		ring_put(w, &rec);
	w->end = ktime_get_mono_fast_ns();
	smp_store_release(&w->ended, true);	/* pairs with reader_over() */
	raw_spin_unlock_irqrestore(&w->lock, irq);
	irq_work_queue(&w->ring.wake);
	command_watch_ended();
}

/* ---- what the process does; hooks ---- */

/**
 * watch_on_exec() - a process has a new address space and will fill it now
 * @regs: at the entry of setup_new_exec(bprm)
 *
 * Context: the task in execve(), alone in its process; current->mm is the new
 * address space, its credentials are the new ones. An exec that changes them or
 * makes the process undumpable ends the watch.
 *
 * Return: was it about a watched process?
 */
bool watch_on_exec(struct pt_regs *regs)
{
	struct linux_binprm *bprm = (void *)regs_get_kernel_argument(regs, 0);
	struct brkscope_record rec = { .tid = current->pid, .kind = BRKSCOPE_EXEC };
	struct watch *w = watch_of_pid(task_tgid(current));
	unsigned long irq;

	if (!w)
		return false;
	if (bprm->secureexec || __get_dumpable(current->mm->flags) != SUID_DUMP_USER) {
		watch_end(w, true);
		return true;
	}
	watch_table_del_mm(w);
	mirror_forget(w);
	strscpy(rec.exec.comm, current->comm, sizeof(rec.exec.comm));
	raw_spin_lock_irqsave(&w->lock, irq);
	memcpy(w->comm, rec.exec.comm, sizeof(w->comm));
	w->execs++;
	w->brk.peak = 0;
	brk_look(w, current->mm);
	ring_put(w, &rec);
	raw_spin_unlock_irqrestore(&w->lock, irq);
	watch_table_add_mm(w, current->mm);
	return true;
}

/**
 * watch_on_mm_end() - the last user of an address space is gone
 * @regs: at the entry of exit_mmap(mm)
 *
 * Context: whoever dropped the last reference. The process may live on: exec
 * drops the old address space.
 *
 * Return: was it about a watched process?
 */
bool watch_on_mm_end(struct pt_regs *regs)
{
	struct mm_struct *mm = (void *)regs_get_kernel_argument(regs, 0);
	struct watch *w = watch_of_mm(mm);
	unsigned long irq;

	if (!w)
		return false;
	raw_spin_lock_irqsave(&w->lock, irq);
	brk_look(w, mm);
	raw_spin_unlock_irqrestore(&w->lock, irq);
	watch_table_del_mm(w);
	if (READ_ONCE(w->exiting))
		watch_end(w, true);
	return true;
}

/* Another thread that ends, too, may still touch memory on its way. */
static bool threads_have_mm(struct task_struct *task)
{
	struct task_struct *t;

	for_each_thread(task, t)
		if (t != task && READ_ONCE(t->mm))
			return true;
	return false;
}

/**
 * watch_on_task_exit() - a thread ends, perhaps the last of its process
 * @task: current
 *
 * Context: the probe of sched_process_exit, preemption off, RCU read lock. Whether
 * the thread still has its address space here differs from kernel to kernel; if it
 * has, the end of that is the end of the watch.
 *
 * Return: was it about a watched process?
 */
bool watch_on_task_exit(struct task_struct *task)
{
	struct watch *w;

	if (atomic_read(&task->signal->live))
		return false;
	w = watch_of_pid(task_tgid(task));
	if (!w)
		return false;
	w->status = task->signal->group_exit_code ?: task->exit_code;
	if (task->mm)
		WRITE_ONCE(w->exiting, true);
	else if (!threads_have_mm(task))
		watch_end(w, true);
	return true;
}

/**
 * watch_get_mm() - the watched address space, if it is still in use
 * @w: the watch, referenced
 *
 * Context: process. Return: a reference for mmput(), or NULL.
 */
struct mm_struct *watch_get_mm(struct watch *w)
{
	struct task_struct *task = get_pid_task(w->pid, PIDTYPE_TGID);
	struct mm_struct *mm;

	if (!task)
		return NULL;
	mm = get_task_mm(task);
	put_task_struct(task);
	if (mm && READ_ONCE(w->mm) != mm) {
		mmput(mm);
		mm = NULL;
	}
	return mm;
}

/**
 * watch_init() - make the tables
 */
void watch_init(void)
{
	int i;

	for (i = 0; i < 1 << TABLE_BITS; i++) {
		INIT_HLIST_NULLS_HEAD(&by_mm[i], i);
		INIT_HLIST_HEAD(&by_pid[i]);
	}
}
