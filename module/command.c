// SPDX-License-Identifier: GPL-2.0-only
/*
 * What do the commands watch, unwatch and clear do, for whom, and how often?
 *
 * All watches, those that have ended too, are in one list under watch_mutex,
 * which is never held while waiting for anything that a user can delay. The
 * hooks are attached for the first live watch and detached after the last, by a
 * work item, since a watch may end in a hook.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cred.h>
#include <linux/module.h>
#include <linux/pid_namespace.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/user_namespace.h>
#include <linux/workqueue.h>

#include "internal.h"

static unsigned int max_watches = 64;
module_param(max_watches, uint, 0444);
MODULE_PARM_DESC(max_watches, "watches that one user may have, ended ones that are still readable included (64)");

static unsigned int buffer_kb = 1024;
module_param(buffer_kb, uint, 0444);
MODULE_PARM_DESC(buffer_kb, "size of a watch's event buffer in KiB, unless the watch command says (1024)");

static unsigned int max_buffer_kb = 65536;
module_param(max_buffer_kb, uint, 0444);
MODULE_PARM_DESC(max_buffer_kb, "the largest event buffer a watch command may ask for, in KiB (65536)");

static DEFINE_MUTEX(watch_mutex);
static LIST_HEAD(watches);	/* watch_mutex */
static bool attached;		/* watch_mutex: the hooks are */
static u64 last_id;		/* watch_mutex */
static atomic_t live = ATOMIC_INIT(0);	/* watches that need the hooks */

static void command_detach_work(struct work_struct *work);
static DECLARE_WORK(detach_work, command_detach_work);

static void command_detach_work(struct work_struct *work)
{
	mutex_lock(&watch_mutex);
	if (attached && !atomic_read(&live)) {
		hook_detach();
		attached = false;
	}
	mutex_unlock(&watch_mutex);
}

/**
 * command_watch_ended() - a live watch is one no more
 *
 * Context: any but NMI.
 */
void command_watch_ended(void)
{
	if (atomic_dec_and_test(&live))
		schedule_work(&detach_work);
}

static bool is_privileged(const struct cred *cred)
{
	return cred->user_ns == &init_user_ns && cap_raised(cred->cap_effective, CAP_SYS_ADMIN);
}

/**
 * watch_may_see() - may somebody know of a watch and end it?
 * @w: the watch
 * @cred: who asks
 */
bool watch_may_see(const struct watch *w, const struct cred *cred)
{
	return uid_eq(w->uid, cred->fsuid) || is_privileged(cred);
}

/* watch_mutex is held. @pid may be NULL. */
static struct watch *watch_find(const struct pid *pid, pid_t nr)
{
	bool initial = task_active_pid_ns(current) == &init_pid_ns;
	struct watch *w;

	list_for_each_entry(w, &watches, all)
		if (w->pid == pid || (initial && w->nr == nr))
			return w;
	return NULL;
}

/* Minor and major faults of a process so far, as getrusage(2) counts them. */
static u64 watch_rusage(struct task_struct *task)
{
	u64 sum = task->signal->min_flt + task->signal->maj_flt;
	struct task_struct *t;

	rcu_read_lock();
	for_each_thread(task, t)
		sum += t->min_flt + t->maj_flt;
	rcu_read_unlock();
	return sum;
}

/* Take the watch out of everything; the list's reference goes. No lock is held. */
static void watch_destroy(struct watch *w)
{
	watch_end(w, false);
	wake_up_interruptible_all(&w->ring.wait);
	proc_del_watch(w);
	mutex_lock(&watch_mutex);
	list_del(&w->all);
	mutex_unlock(&watch_mutex);
	synchronize_rcu();
	watch_put(w);
}

/* Make room: an ended watch of this process or else the user's oldest ended one. */
static struct watch *watch_evict(const struct watch *new, const struct cred *cred,
				 int *err, const char **why)
{
	struct watch *w, *same = NULL, *oldest = NULL;
	unsigned int mine = 0;

	list_for_each_entry(w, &watches, all) {
		if (w->nr == new->nr)
			same = w;
		if (!uid_eq(w->uid, new->uid))
			continue;
		mine++;
		if (!oldest && w->ended && w->dir && !w->removed)
			oldest = w;
	}
	*err = 0;
	if (same && same->ended && same->dir && !same->removed && watch_may_see(same, cred))
		return same;
	if (same) {
		*err = -EEXIST;
		*why = "the process is being watched already";
	} else if (mine >= max_watches) {
		if (oldest)
			return oldest;
		*err = -ENOSPC;
		*why = "too many watches, see the module parameter max_watches; unwatch one";
	}
	return NULL;
}

/* Into the list and the table of processes; hooks on. */
static int watch_enlist(struct watch *w, const struct cred *cred, const char **why)
{
	struct watch *old;
	int err = 0;

	for (;;) {
		mutex_lock(&watch_mutex);
		old = watch_evict(w, cred, &err, why);
		if (!old)
			break;
		old->removed = true;
		mutex_unlock(&watch_mutex);
		watch_destroy(old);
	}
	if (!err && !attached)
		err = hook_attach(why);
	if (!err) {
		attached = true;
		atomic_inc(&live);
		w->id = ++last_id;
		list_add_tail(&w->all, &watches);
		watch_table_add_pid(w);
	}
	mutex_unlock(&watch_mutex);
	return err;
}

/*
 * Wait for the page faults that are under way: no hook saw them begin, and the
 * kernel would count them after we have looked. mmap_lock is held for writing.
 */
static void watch_wait_for_faults(struct mm_struct *mm)
{
	VMA_ITERATOR(vmi, mm, 0);
	struct vm_area_struct *vma;

	for_each_vma(vmi, vma)
		vma_start_write(vma);
}

/*
 * The address space as it is becomes the first records. An exec that came in
 * between has made another address space, and perhaps other permissions.
 */
static int watch_begin(struct watch *w, struct task_struct *task, struct mm_struct *mm)
{
	int err = mmap_write_lock_killable(mm);

	if (err)
		return err;
	watch_wait_for_faults(mm);
	task_lock(task);
	if (task->mm != mm || w->mm) {
		err = -EAGAIN;
	} else {
		watch_table_add_mm(w, mm);
		memcpy(w->comm, task->comm, sizeof(w->comm));
	}
	task_unlock(task);
	if (!err) {
		w->rusage_before = watch_rusage(task);
		raw_spin_lock_irq(&w->lock);
		brk_look(w, mm);
		raw_spin_unlock_irq(&w->lock);
		vma_sync(w, mm, false);
	}
	mmap_write_unlock(mm);
	return err;
}

static int watch_start(struct task_struct *task, struct mm_struct *mm, struct pid *pid,
		       u64 buffer_bytes, const struct cred *cred, const char **why)
{
	struct watch *w;
	int err;

	*why = "that process is not yours to watch: its /proc/PID/maps is not readable";
	err = may_watch(pid, cred);
	if (err)
		return err;
	*why = "not enough memory for the event buffer";
	w = watch_alloc(pid, buffer_bytes, cred, mm->map_count);
	if (!w)
		return -ENOMEM;
	err = watch_enlist(w, cred, why);
	if (err) {
		watch_put(w);
		return err;
	}
	*why = "the process was in exec";
	err = watch_begin(w, task, mm);
	if (!err) {
		*why = "not enough memory for the /proc entries";
		err = proc_add_watch(w);
	}
	if (err)
		watch_destroy(w);
	return err;
}

/**
 * watch_add() - the command watch
 * @nr: process id as the writer sees it; that of a thread means its process
 * @buffer_bytes: size of the event buffer; zero for the default
 * @cred: of the one who opened control
 * @why: gets the reason of an error in words
 *
 * Context: process. Return: 0 or -EINVAL, -ESRCH, -EPERM, -EEXIST, -ENOSPC,
 * -E2BIG, -ENOMEM, -EOPNOTSUPP, -EAGAIN.
 */
int watch_add(pid_t nr, u64 buffer_bytes, const struct cred *cred, const char **why)
{
	struct task_struct *task;
	struct mm_struct *mm;
	struct pid *pid;
	int err, tries = 3;

	*why = "larger than the module parameter max_buffer_kb";
	if (buffer_bytes > (u64)max_buffer_kb << 10)
		return -E2BIG;
	*why = "no such process";
	rcu_read_lock();
	task = pid_task(find_vpid(nr), PIDTYPE_PID);
	if (task)
		get_task_struct(task);
	pid = task ? get_pid(task_tgid(task)) : NULL;
	rcu_read_unlock();
	if (!task)
		return -ESRCH;
	err = -EINVAL;
	if (task->flags & PF_KTHREAD) {
		*why = "a kernel thread has no memory of its own to watch";
		goto out;
	}
	do {
		err = -ESRCH;
		*why = "the process has ended";
		mm = get_task_mm(task);
		if (!mm)
			break;
		err = watch_start(task, mm, pid, buffer_bytes ?: (u64)buffer_kb << 10, cred, why);
		mmput(mm);
	} while (err == -EAGAIN && --tries);
out:
	put_pid(pid);
	put_task_struct(task);
	return err;
}

/* The watch that a command is about; a reference is taken. */
static struct watch *watch_command(pid_t nr, const struct cred *cred, bool remove,
				   const char **why)
{
	struct pid *pid = find_get_pid(nr);
	struct watch *w;

	mutex_lock(&watch_mutex);
	w = watch_find(pid, nr);
	if (!w) {
		*why = "that process is not being watched";
		w = ERR_PTR(-ESRCH);
	} else if (!watch_may_see(w, cred)) {
		*why = "the watch is somebody else's";
		w = ERR_PTR(-EPERM);
	} else if (!w->dir || w->removed) {
		*why = "the watch is just being made or removed";
		w = ERR_PTR(-EBUSY);
	} else {
		w->removed = remove;
		watch_get(w);
	}
	mutex_unlock(&watch_mutex);
	put_pid(pid);
	return w;
}

/**
 * watch_remove() - the command unwatch
 * @nr: process id as the writer sees it
 * @cred: of the one who opened control
 * @why: gets the reason of an error in words
 *
 * Return: 0 or -ESRCH, -EPERM, -EBUSY. The hooks are off when the last watch is.
 */
int watch_remove(pid_t nr, const struct cred *cred, const char **why)
{
	struct watch *w = watch_command(nr, cred, true, why);

	if (IS_ERR(w))
		return PTR_ERR(w);
	watch_destroy(w);
	watch_put(w);
	flush_work(&detach_work);
	return 0;
}

/**
 * watch_clear() - the command clear: forget the events so far
 * @nr: process id as the writer sees it
 * @cred: of the one who opened control
 * @why: gets the reason of an error in words
 *
 * Return: 0 or -ESRCH, -EPERM, -EBUSY.
 */
int watch_clear(pid_t nr, const struct cred *cred, const char **why)
{
	struct watch *w = watch_command(nr, cred, false, why);

	if (IS_ERR(w))
		return PTR_ERR(w);
	ring_clear(w);
	watch_put(w);
	return 0;
}

/**
 * watch_for_each() - visit every watch that has its /proc entries
 * @fn: called with watch_mutex held
 * @arg: for @fn
 */
void watch_for_each(void (*fn)(struct watch *w, void *arg), void *arg)
{
	struct watch *w;

	mutex_lock(&watch_mutex);
	list_for_each_entry(w, &watches, all)
		if (w->dir && !w->removed)
			fn(w, arg);
	mutex_unlock(&watch_mutex);
}

/**
 * watch_exit() - end and free all watches, hooks off
 *
 * Context: unload; no file below /proc/brkscope is open.
 */
void watch_exit(void)
{
	struct watch *w;

	while ((w = list_first_entry_or_null(&watches, struct watch, all)))
		watch_destroy(w);
	flush_work(&detach_work);
	mutex_lock(&watch_mutex);
	if (attached)
		hook_detach();
	attached = false;
	mutex_unlock(&watch_mutex);
}
