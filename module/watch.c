// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who is watched, and from when to when?
 *
 * Two hash tables find a watch: by address space for the hooks of memory, by
 * process for those of exec and exit. Hooks look up under RCU (or with
 * preemption off); the tables change under table_lock. What makes and removes
 * watches is list.c.
 *
 * Owner: the list of list.c holds one reference, each open file another.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cred.h>
#include <linux/err.h>
#include <linux/hash.h>
#include <linux/log2.h>
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

struct hlist_nulls_head watch_by_mm[1 << WATCH_TABLE_BITS];
static struct hlist_head by_pid[1 << WATCH_TABLE_BITS];
static DEFINE_RAW_SPINLOCK(table_lock);

/* ---- finding; RCU or preemption off ---- */

static struct watch *watch_of_pid(const struct pid *pid)
{
	struct watch *w;

	hlist_for_each_entry_rcu(w, &by_pid[hash_ptr(pid, WATCH_TABLE_BITS)], by_pid, true)
		if (w->pid == pid)
			return w;
	return NULL;
}

/**
 * watch_of_task() - the watch of a process
 * @task: a thread of it
 *
 * Context: any; RCU read lock, as for watch_of_mm(). Return: the watch or NULL.
 */
struct watch *watch_of_task(struct task_struct *task)
{
	return watch_of_pid(task_tgid(task));
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
 * watch_empty() - give back the memory of what was noted
 * @w: no hook finds it any more, of its /proc entries only streams are open
 *
 * Context: process; waits for readers, who do not sleep meanwhile.
 */
void watch_empty(struct watch *w)
{
	pool_grower_stop(w);
	down_write(&w->reading);
	ring_destroy(&w->ring);
	mirror_destroy(w);
	touch_destroy(&w->touch);
	up_write(&w->reading);
	watch_charge(w, (s64)sizeof(*w) - atomic64_read(&w->charged));
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
	watch_empty(w);
	put_pid(w->pid);
	if (w->ns)
		put_pid_ns(w->ns);
	watch_charge(w, -atomic64_read(&w->charged));
	account_put(w->account);
	follow_put(w->follow);
	kfree(w);
}

static u64 watch_slots(u64 buffer_bytes)
{
	return roundup_pow_of_two(max_t(u64, buffer_bytes / sizeof(struct brkscope_record), 64));
}

/**
 * watch_bytes() - memory that a watch takes when it is made
 * @buffer_bytes: size of the event buffer
 * @vmas: VMAs that the process has
 */
u64 watch_bytes(u64 buffer_bytes, u32 vmas)
{
	return sizeof(struct watch) + sizeof(struct name_table) +
	       watch_slots(buffer_bytes) * sizeof(struct brkscope_record) +
	       mirror_bytes(vmas) + touch_bytes();
}

/**
 * watch_alloc() - make a watch that is in no table and of no process yet
 * @options: what was asked for
 * @vmas: VMAs that the process has
 *
 * Context: process; charged to the caller's cgroup. Return: the watch, with one
 * reference, or -ENOMEM, or -ENOSPC if its user may not have as much.
 */
struct watch *watch_alloc(const struct watch_options *options, u32 vmas)
{
	struct watch *w = kzalloc(sizeof(*w), GFP_KERNEL_ACCOUNT);
	int err = -ENOMEM;

	if (!w)
		return ERR_PTR(err);
	refcount_set(&w->ref, 1);
	raw_spin_lock_init(&w->lock);
	mutex_init(&w->refresh);
	init_rwsem(&w->reading);
	INIT_HLIST_NODE(&w->by_pid);
	INIT_LIST_HEAD(&w->all);
	INIT_LIST_HEAD(&w->spare);
	w->wants_pages = options->pages;
	w->uid = options->cred->fsuid;
	w->gid = options->cred->fsgid;
	w->account = account_get(options->cred);
	if (!w->account)
		goto free;
	if (!watch_charge(w, watch_bytes(options->buffer_bytes, vmas))) {
		err = -ENOSPC;
		goto put_account;
	}
	w->follow = follow_get(options->follow);
	w->ns = options->ns ? get_pid_ns(options->ns) : NULL;
	pool_grower_init(w);
	if (ring_init(&w->ring, watch_slots(options->buffer_bytes)) ||
	    mirror_init(w, vmas) || touch_init(w)) {
		watch_put(w);
		return ERR_PTR(err);
	}
	return w;
put_account:
	account_put(w->account);
free:
	kfree(w);
	return ERR_PTR(err);
}

/**
 * watch_set_process() - the watch shall be about this process
 * @w: of no process yet, and in no table
 * @task: a thread of it, held by the caller
 * @pid: the process, likewise; @task does not hold it once it is reaped
 *
 * Context: any.
 */
void watch_set_process(struct watch *w, struct task_struct *task, struct pid *pid)
{
	w->start = ktime_get_mono_fast_ns();
	w->nr = pid_nr(pid);
	memcpy(w->comm, task->comm, sizeof(w->comm));
	WRITE_ONCE(w->pid, get_pid(pid));
}

/**
 * watch_table_add_mm() - the hooks of memory find the watch from now on
 * @w: the watch
 * @mm: its address space
 *
 * Context: any but NMI. Return: 0, or -EEXIST if another process's watch has it, which
 * happens between a vfork and the child's exec, or -ESRCH if the watch has ended.
 */
int watch_table_add_mm(struct watch *w, struct mm_struct *mm)
{
	unsigned long irq;
	int err = 0;

	raw_spin_lock_irqsave(&table_lock, irq);
	if (hlist_unhashed(&w->by_pid)) {
		err = -ESRCH;
	} else if (watch_of_mm(mm)) {
		err = -EEXIST;
	} else {
		WRITE_ONCE(w->mm, mm);
		hlist_nulls_add_head_rcu(&w->by_mm, &watch_by_mm[hash_ptr(mm, WATCH_TABLE_BITS)]);
	}
	raw_spin_unlock_irqrestore(&table_lock, irq);
	return err;
}

/**
 * watch_table_add_pid() - the hooks of exec and exit find the watch from now on
 * @w: the watch
 *
 * Context: any but NMI. Return: false if there is another watch of the process.
 */
bool watch_table_add_pid(struct watch *w)
{
	unsigned long irq;
	bool first;

	raw_spin_lock_irqsave(&table_lock, irq);
	first = !watch_of_pid(w->pid);
	if (first)
		hlist_add_head_rcu(&w->by_pid, &by_pid[hash_ptr(w->pid, WATCH_TABLE_BITS)]);
	raw_spin_unlock_irqrestore(&table_lock, irq);
	return first;
}

/* table_lock is held. */
static void table_del_mm(struct watch *w)
{
	if (!READ_ONCE(w->mm))
		return;
	hlist_nulls_del_init_rcu(&w->by_mm);
	WRITE_ONCE(w->mm, NULL);
}

/* Return: false if the watch has another address space by now. */
static bool watch_table_del_mm(struct watch *w, const struct mm_struct *mm)
{
	unsigned long irq;
	bool its;

	raw_spin_lock_irqsave(&table_lock, irq);
	its = READ_ONCE(w->mm) == mm;
	if (its)
		table_del_mm(w);
	raw_spin_unlock_irqrestore(&table_lock, irq);
	return its;
}

/* Out of both at once: an exec under way finds that it ended. Return: were we the first? */
static bool watch_table_del(struct watch *w)
{
	unsigned long irq;
	bool first;

	raw_spin_lock_irqsave(&table_lock, irq);
	table_del_mm(w);
	first = !hlist_unhashed(&w->by_pid);
	hlist_del_init_rcu(&w->by_pid);
	raw_spin_unlock_irqrestore(&table_lock, irq);
	return first;
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
		.tid = watch_tid(w, current), .kind = BRKSCOPE_EXIT,
		.exit = { .status = w->status },
	};
	unsigned long irq;

	if (!watch_table_del(w))
		return;
	raw_spin_lock_irqsave(&w->lock, irq);
	if (record)
		ring_put(w, &rec);
	w->end = ktime_get_mono_fast_ns();
	smp_store_release(&w->ended, true);	/* pairs with reader_over() */
	raw_spin_unlock_irqrestore(&w->lock, irq);
	irq_work_queue(&w->ring.wake);
	follow_leave(w->follow);
	list_watch_ended(w);
}

/**
 * watch_rusage() - minor and major faults of a process so far, as getrusage(2) counts them
 * @task: a thread of it, held by the caller
 *
 * A thread that ends hands its counts over to the process and leaves the list
 * of threads, both under stats_lock: without a look at that it would be counted
 * twice or not at all.
 *
 * Context: process, or the probe of sched_process_exit with preemption off;
 * neither stats_lock nor siglock held. Does not sleep.
 */
u64 watch_rusage(struct task_struct *task)
{
	struct signal_struct *sig = task->signal;
	struct task_struct *t;
	unsigned long irq;
	int seq, next = 0;	/* even: without the lock, which nobody may hold then */
	u64 sum;

	rcu_read_lock();
	do {
		seq = next;
		irq = read_seqbegin_or_lock_irqsave(&sig->stats_lock, &seq);
		sum = sig->min_flt + sig->maj_flt;
		for_each_thread(task, t)
			sum += t->min_flt + t->maj_flt;
		next = 1;
	} while (need_seqretry(&sig->stats_lock, seq));
	done_seqretry_irqrestore(&sig->stats_lock, seq, irq);
	rcu_read_unlock();
	return sum;
}

/* ---- what the process does; hooks ---- */

/* What a vfork child did in its parent's address space was not told in its own watch. */
static void watch_repay(struct watch *w, struct task_struct *task)
{
	if (w->borrows)
		w->rusage_before = watch_rusage(task);
	w->borrows = false;
}

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
	struct brkscope_record rec = { .kind = BRKSCOPE_EXEC };
	struct watch *w = watch_of_task(current);
	unsigned long irq;

	if (!w)
		return false;
	rec.tid = watch_tid(w, current);
	watch_repay(w, current);
	if (bprm->secureexec || __get_dumpable(current->mm->flags) != SUID_DUMP_USER) {
		watch_end(w, true);
		return true;
	}
	watch_table_del_mm(w, READ_ONCE(w->mm));
	mirror_forget(w);
	strscpy(rec.exec.comm, current->comm, sizeof(rec.exec.comm));
	raw_spin_lock_irqsave(&w->lock, irq);
	memcpy(w->comm, rec.exec.comm, sizeof(w->comm));
	w->execs++;
	w->brk.start = 0;	/* the new image has none yet, see brk_on_exec() */
	w->brk.now = 0;
	w->brk.peak = 0;
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
 * drops the old address space, and if a reader held that the process may be in
 * its new one already.
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
	if (watch_table_del_mm(w, mm) && READ_ONCE(w->exiting))
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
	w = watch_of_task(task);
	if (!w)
		return false;
	w->status = task->signal->group_exit_code ?: task->exit_code;
	watch_repay(w, task);
	if (task->mm && READ_ONCE(w->mm))
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

	for (i = 0; i < 1 << WATCH_TABLE_BITS; i++) {
		INIT_HLIST_NULLS_HEAD(&watch_by_mm[i], i);
		INIT_HLIST_HEAD(&by_pid[i]);
	}
}
