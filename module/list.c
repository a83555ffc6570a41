// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which watches are there, and who makes room for whom?
 *
 * All watches, those that have ended and those without a process too, are in one
 * list under watch_mutex, which is never held while waiting for anything that a
 * user can delay. The hooks are attached for the first live watch and detached
 * after the last, by a work item, since a watch may end in a hook.
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

static DEFINE_MUTEX(watch_mutex);
static LIST_HEAD(watches);	/* watch_mutex */
static bool attached;		/* watch_mutex: the hooks are */
static u64 last_id;		/* watch_mutex */
static bool paged;		/* watch_mutex: the hook of the page allocator is */
static atomic_t live = ATOMIC_INIT(0);	/* watches that need the hooks */
static atomic_t live_paged = ATOMIC_INIT(0);	/* those that need that one */

static void list_detach_work(struct work_struct *work);
static DECLARE_WORK(detach_work, list_detach_work);

static void list_detach_work(struct work_struct *work)
{
	mutex_lock(&watch_mutex);
	if (paged && !atomic_read(&live_paged)) {
		hook_detach_pages();
		paged = false;
	}
	if (attached && !atomic_read(&live)) {
		hook_detach();
		attached = false;
	}
	mutex_unlock(&watch_mutex);
}

/**
 * list_watch_ended() - a live watch is one no more
 * @w: the watch
 *
 * Context: any but NMI.
 */
void list_watch_ended(const struct watch *w)
{
	bool last = w->wants_pages && atomic_dec_and_test(&live_paged);

	if (atomic_dec_and_test(&live) || last)
		schedule_work(&detach_work);
}

/* watch_mutex is held. */
static int list_attach(const struct watch *w, const char **why)
{
	int err = attached ? 0 : hook_attach(why);

	if (err)
		return err;
	attached = true;
	if (w->wants_pages && !paged) {
		err = hook_attach_pages(why);
		paged = !err;
	}
	if (err && !atomic_read(&live))
		schedule_work(&detach_work);
	return err;
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
		list_watch_ended(w);
	wake_up_interruptible_all(&w->ring.wait);
	proc_del_watch(w);
	mutex_lock(&watch_mutex);
	list_del(&w->all);
	mutex_unlock(&watch_mutex);
	synchronize_rcu();
	watch_empty(w);
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
		/* cppcheck-suppress uninitvar */
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
		*why = full ? "too many watches (module parameter max_watches); unwatch one" :
			      "your watches take too much memory (module parameter max_user_kb)";
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

		/* cppcheck-suppress uninitvar */
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
	if (!err && u.count >= max_watches) {
		*why = "another command took the last place (module parameter max_watches)";
		err = -EAGAIN;
	}
	if (!err)
		err = list_attach(w, why);
	if (!err) {
		atomic_inc(&live);
		if (w->wants_pages)
			atomic_inc(&live_paged);
		w->id = ++last_id;
		err = w->pid ? watch_enter_tables(w) : 0;
		if (err)
			list_watch_ended(w);
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
		usleep_range(1000, 2000);
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
			/* cppcheck-suppress uninitvar */
			return w;
		if (pid_nr_ns(its, ns) == nr && (!found || watch_may_see(w, cred)))
			found = w;
	}
	return found;
}

/**
 * watch_command() - the watch that a command is about
 * @nr: process id as the writer sees it
 * @cred: of the one who opened control
 * @remove: the caller will destroy it; nobody else gets it any more
 * @why: gets the reason of an error in words
 *
 * Return: the watch, referenced, or -ESRCH, -EPERM, -EBUSY.
 */
struct watch *watch_command(pid_t nr, const struct cred *cred, bool remove, const char **why)
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
 * watch_settle() - after a watch was destroyed: the hooks are off if it was the last
 */
void watch_settle(void)
{
	flush_work(&detach_work);
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

	follow_drain();
	mutex_lock(&watch_mutex);
	if (attached)
		hook_detach();
	attached = false;
	paged = false;
	mutex_unlock(&watch_mutex);
	while ((w = list_first_entry_or_null(&watches, struct watch, all)))
		watch_destroy(w);
	flush_work(&detach_work);
}
