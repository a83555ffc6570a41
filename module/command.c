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
#include <linux/delay.h>
#include <linux/err.h>
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

/* ---- the list ---- */

/**
 * watch_destroy() - take a watch out of everything; the list's reference goes
 * @w: nobody else is at it: marked as removed, or of no process, or without a directory
 *
 * Context: process; no lock is held.
 */
void watch_destroy(struct watch *w)
{
	if (w->pid)
		watch_end(w, false);
	else
		command_watch_ended();
	wake_up_interruptible_all(&w->ring.wait);
	proc_del_watch(w);
	mutex_lock(&watch_mutex);
	list_del(&w->all);
	mutex_unlock(&watch_mutex);
	synchronize_rcu();
	watch_put(w);
}

/* May it be pushed out? watch_mutex is held. */
static bool watch_is_over(const struct watch *w)
{
	return w->ended && w->dir && !w->removed;
}

/**
 * struct user_watches - what a user has
 * @count: watches, those of no process included
 * @freeable: bytes of those that can make room
 * @ended: the oldest that has ended
 * @spare: one of no process
 */
struct user_watches {
	unsigned int count;
	s64 freeable;
	struct watch *ended;
	struct watch *spare;
};

/* watch_mutex is held. */
static void watch_survey(const struct account *account, bool spares, struct user_watches *u)
{
	struct watch *w;

	memset(u, 0, sizeof(*u));
	list_for_each_entry(w, &watches, all) {
		bool over = watch_is_over(w);
		bool spare = spares && !READ_ONCE(w->pid) && !list_empty_careful(&w->spare);

		if (w->account != account)
			continue;
		u->count++;
		if (over || spare)
			u->freeable += atomic64_read(&w->charged);
		if (over && !u->ended)
			u->ended = w;
		if (spare)
			u->spare = w;
	}
}

/* watch_mutex is held, and is not on return. A spare may have found a child meanwhile. */
static void watch_push_out(const struct user_watches *u)
{
	struct watch *old = u->ended;

	if (!old && follow_take_back(u->spare))
		old = u->spare;
	if (old)
		old->removed = true;
	mutex_unlock(&watch_mutex);
	if (old)
		watch_destroy(old);
}

/* Is there room for one more, perhaps after what has ended went? For a spare no spare goes. */
static int watch_make_room(const struct account *account, s64 bytes, bool spare,
			   const char **why)
{
	struct user_watches u;
	bool full, fits;

	for (;;) {
		mutex_lock(&watch_mutex);
		watch_survey(account, !spare, &u);
		full = u.count >= max_watches;
		fits = account_fits(account, bytes);
		if (!full && fits)
			break;
		*why = full ? "too many watches, see the module parameter max_watches; unwatch one" :
			      "your watches take too much memory, see the module parameter max_user_kb; unwatch one or ask for a smaller buffer";
		if ((!u.ended && !u.spare) || !account_fits(account, bytes - u.freeable)) {
			mutex_unlock(&watch_mutex);
			return -ENOSPC;
		}
		watch_push_out(&u);
	}
	mutex_unlock(&watch_mutex);
	return 0;
}

/**
 * watch_make() - make a watch within the limits of its user
 * @options: what was asked for
 * @vmas: VMAs that the process has
 * @spare: it is for a child to come
 * @why: gets the reason of an error in words
 *
 * Context: process. Return: the watch, in no list yet, or -ENOSPC, -ENOMEM.
 */
struct watch *watch_make(const struct watch_options *options, u32 vmas, bool spare,
			 const char **why)
{
	struct account *account = account_get(options->cred);
	struct watch *w = ERR_PTR(-ENOMEM);
	int err;

	*why = "not enough memory for the event buffer";
	while (account) {
		err = watch_make_room(account, watch_bytes(options->buffer_bytes, vmas),
				      spare, why);
		w = err ? ERR_PTR(err) : watch_alloc(options, vmas);
		if (err || PTR_ERR_OR_ZERO(w) != -ENOSPC)
			break;		/* else somebody else took the room */
	}
	if (PTR_ERR_OR_ZERO(w) == -ENOMEM)
		*why = "not enough memory for the event buffer";
	account_put(account);
	return w;
}

/* Another watch of the same process, or of an earlier one with the same name. */
static struct watch *watch_namesake(const struct watch *new)
{
	struct watch *w;

	list_for_each_entry(w, &watches, all) {
		struct pid *pid = READ_ONCE(w->pid);

		if (w == new || !pid)
			continue;
		if (pid == new->pid ||
		    (w->ns == new->ns && watch_nr(w, pid) == watch_nr(new, new->pid)))
			return w;
	}
	return NULL;
}

/* The name is free, or becomes so: what has ended goes. watch_mutex is held. */
static int watch_claim_name(struct watch *new)
{
	struct watch *old;

	while ((old = watch_namesake(new))) {
		if (!watch_is_over(old))
			return -EEXIST;
		old->removed = true;
		mutex_unlock(&watch_mutex);
		watch_destroy(old);
		mutex_lock(&watch_mutex);
	}
	return 0;
}

static int watch_enter_tables(struct watch *w)
{
	if (!watch_table_add_pid(w))
		return -EEXIST;
	follow_join(w->follow);
	return 0;
}

/**
 * watch_enlist() - into the list and the table of processes; hooks on
 * @w: from watch_make(), with a process or, for a spare, without
 * @why: gets the reason of an error in words
 *
 * Context: process. Return: 0, -EEXIST, -EAGAIN if somebody else was quicker to
 * the last place, or as hook_attach().
 */
int watch_enlist(struct watch *w, const char **why)
{
	struct user_watches u;
	int err = 0;

	mutex_lock(&watch_mutex);
	*why = "the process is being watched already";
	if (w->pid)
		err = watch_claim_name(w);
	watch_survey(w->account, false, &u);
	if (!err && u.count >= max_watches)
		err = -EAGAIN;
	if (!err && !attached)
		err = hook_attach(why);
	if (!err) {
		attached = true;
		atomic_inc(&live);
		w->id = ++last_id;
		err = w->pid ? watch_enter_tables(w) : 0;
		if (err)
			command_watch_ended();
		else
			list_add_tail(&w->all, &watches);
	}
	mutex_unlock(&watch_mutex);
	return err;
}

/**
 * watch_publish() - make the directory of a child's watch
 * @w: in the list, without a directory; the caller alone may destroy it
 *
 * Context: process. Return: 0, or -ENOMEM, or -EEXIST if the process is gone and a
 * watch of a later one has the name.
 */
int watch_publish(struct watch *w)
{
	struct watch *old;
	bool wait;

	mutex_lock(&watch_mutex);
	while (watch_claim_name(w)) {
		old = watch_namesake(w);
		/* ended, and still to be published or just being destroyed by another task */
		wait = old && old->ended && (!old->dir || old->removed) && old->start < w->start;
		mutex_unlock(&watch_mutex);
		if (old && !wait)
			return -EEXIST;
		msleep(1);
		mutex_lock(&watch_mutex);
	}
	mutex_unlock(&watch_mutex);
	return proc_add_watch(w);
}

/* watch_mutex is held. @pid may be NULL: what has ended is found by its number. */
static struct watch *watch_find(const struct pid *pid, pid_t nr, const struct cred *cred)
{
	struct pid_namespace *ns = task_active_pid_ns(current);
	struct watch *w, *found = NULL;

	list_for_each_entry(w, &watches, all) {
		struct pid *its = READ_ONCE(w->pid);

		if (!its)
			continue;
		if (its == pid)
			return w;
		if (pid_nr_ns(its, ns) == nr && (!found || watch_may_see(w, cred)))
			found = w;
	}
	return found;
}

/* ---- watch ---- */

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
	if (task->mm != mm || w->mm)
		err = -EAGAIN;
	else if (!watch_table_add_mm(w, mm))
		err = -EEXIST;
	else
		memcpy(w->comm, task->comm, sizeof(w->comm));
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

static int watch_run(struct watch *w, struct task_struct *task, struct mm_struct *mm,
		     const char **why)
{
	int err = watch_begin(w, task, mm);

	if (err) {
		*why = err == -EEXIST ? "its memory is another watched process's until it execs (vfork)" :
					"the process was in exec";
		return err;
	}
	*why = "not enough memory for the /proc entries";
	return proc_add_watch(w);
}

static int watch_start(struct task_struct *task, struct mm_struct *mm,
		       const struct watch_options *options, const char **why)
{
	struct watch *w = watch_make(options, mm->map_count, false, why);
	int err;

	if (IS_ERR(w))
		return PTR_ERR(w);
	watch_set_process(w, task);
	err = watch_enlist(w, why);
	if (err) {
		watch_put(w);
		return err;
	}
	follow_refill(w->follow);
	err = watch_run(w, task, mm, why);
	if (err)
		watch_destroy(w);
	return err;
}

/* One try; an exec in between is -EAGAIN. */
static int watch_try(struct task_struct *task, struct watch_options *options, bool follow,
		     const char **why)
{
	struct mm_struct *mm = get_task_mm(task);
	int err;

	*why = "the process has ended";
	if (!mm)
		return -ESRCH;
	*why = "that process is not yours to watch: its /proc/PID/maps is not readable";
	err = may_watch(task_tgid(task), options->cred);
	if (!err && follow) {
		*why = "not enough memory to follow children";
		options->follow = follow_create(options, mm->map_count);
		err = options->follow ? 0 : -ENOMEM;
	}
	if (!err)
		err = watch_start(task, mm, options, why);
	follow_put(options->follow);
	options->follow = NULL;
	mmput(mm);
	return err;
}

/**
 * watch_add() - the command watch
 * @nr: process id as the writer sees it; that of a thread means its process
 * @buffer_bytes: size of the event buffer; zero for the default
 * @follow: its children, too
 * @cred: of the one who opened control
 * @why: gets the reason of an error in words
 *
 * Context: process. Return: 0 or -EINVAL, -ESRCH, -EPERM, -EEXIST, -ENOSPC,
 * -E2BIG, -ENOMEM, -EOPNOTSUPP, -EAGAIN.
 */
int watch_add(pid_t nr, u64 buffer_bytes, bool follow, const struct cred *cred, const char **why)
{
	struct pid_namespace *ns = task_active_pid_ns(current);
	struct watch_options options = {
		.cred = cred, .ns = ns == &init_pid_ns ? NULL : ns,
		.buffer_bytes = buffer_bytes ?: (u64)buffer_kb << 10,
	};
	struct task_struct *task;
	int err, tries = 3;

	*why = "larger than the module parameter max_buffer_kb";
	if (buffer_bytes > (u64)max_buffer_kb << 10)
		return -E2BIG;
	*why = "no such process";
	rcu_read_lock();
	task = pid_task(find_vpid(nr), PIDTYPE_PID);
	if (task)
		get_task_struct(task);
	rcu_read_unlock();
	if (!task)
		return -ESRCH;
	if (task->flags & PF_KTHREAD) {
		*why = "a kernel thread has no memory of its own to watch";
		err = -EINVAL;
	} else {
		do
			err = watch_try(task, &options, follow, why);
		while (err == -EAGAIN && --tries);
	}
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
	w = watch_find(pid, nr, cred);
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

	mutex_lock(&watch_mutex);
	if (attached)
		hook_detach();
	attached = false;
	mutex_unlock(&watch_mutex);
	follow_drain();
	while ((w = list_first_entry_or_null(&watches, struct watch, all)))
		watch_destroy(w);
	flush_work(&detach_work);
}
