// SPDX-License-Identifier: GPL-2.0-only
/*
 * What do the commands watch, unwatch and clear do?
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cred.h>
#include <linux/err.h>
#include <linux/module.h>
#include <linux/pid_namespace.h>
#include <linux/sched/mm.h>
#include <linux/sched/task.h>

#include "internal.h"

static unsigned int buffer_kb = 1024;
module_param(buffer_kb, uint, 0444);
MODULE_PARM_DESC(buffer_kb, "size of a watch's event buffer in KiB, unless the watch command says (1024)");

static unsigned int max_buffer_kb = 65536;
module_param(max_buffer_kb, uint, 0444);
MODULE_PARM_DESC(max_buffer_kb, "the largest event buffer a watch command may ask for, in KiB (65536)");

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
	else
		err = watch_table_add_mm(w, mm);
	if (!err)
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
		*why = err == -ESRCH ? "the process has ended" : "the process was in exec";
		if (err == -EEXIST)
			*why = "it runs in the memory of another watched process until it execs";
		return err;
	}
	*why = "not enough memory for the /proc entries";
	return proc_add_watch(w);
}

static int watch_start(struct task_struct *task, struct pid *pid, struct mm_struct *mm,
		       const struct watch_options *options, const char **why)
{
	struct watch *w = watch_make(options, mm->map_count, false, why);
	int err;

	if (IS_ERR(w))
		return PTR_ERR(w);
	watch_set_process(w, task, pid);
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

/* With the address space that it has now. */
static int watch_memory(struct task_struct *task, struct pid *pid, struct mm_struct *mm,
			struct watch_options *options, bool follow, const char **why)
{
	int err = may_watch(pid, mm, options->cred);

	if (err == -EPERM)
		*why = "that process is not yours to watch: its /proc/PID/maps is not readable";
	else if (err && err != -ESRCH)
		*why = "its /proc/PID/maps could not be opened to see whose it is; try again";
	if (!err && follow) {
		*why = "not enough memory to follow children";
		options->follow = follow_create(options, mm->map_count);
		err = options->follow ? 0 : -ENOMEM;
	}
	if (!err)
		err = watch_start(task, pid, mm, options, why);
	follow_put(options->follow);
	options->follow = NULL;
	return err;
}

/* One try; an exec in between is -EAGAIN. The task alone does not hold its struct pid. */
static int watch_try(struct task_struct *task, struct watch_options *options, bool follow,
		     const char **why)
{
	struct pid *pid = get_task_pid(task, PIDTYPE_TGID);
	struct mm_struct *mm = get_task_mm(task);
	int err = -ESRCH;

	*why = "the process has ended";
	if (mm) {
		err = watch_memory(task, pid, mm, options, follow, why);
		mmput(mm);
	}
	put_pid(pid);
	return err;
}

/**
 * watch_add() - the command watch
 * @nr: process id as the writer sees it; that of a thread means its process
 * @buffer_bytes: size of the event buffer; zero for the default
 * @follow: its children, too
 * @pages: what the page allocator gives it, too
 * @cred: of the one who opened control
 * @why: gets the reason of an error in words
 *
 * Context: process. Return: 0 or -EINVAL, -ESRCH, -EPERM, -EEXIST, -ENOSPC,
 * -E2BIG, -ENOMEM, -EOPNOTSUPP, -EAGAIN.
 */
int watch_add(pid_t nr, u64 buffer_bytes, bool follow, bool pages, const struct cred *cred,
	      const char **why)
{
	struct pid_namespace *ns = task_active_pid_ns(current);
	struct watch_options options = {
		.cred = cred, .ns = ns == &init_pid_ns ? NULL : ns,
		.buffer_bytes = buffer_bytes ?: (u64)buffer_kb << 10,
		.pages = pages,
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
	watch_settle();
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
