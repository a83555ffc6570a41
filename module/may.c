// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who may watch whom?
 *
 * Whoever may read /proc/PID/maps. The kernel exports no ptrace_may_access(), so
 * we open that very file with the credentials of the one who asks, and the
 * kernel and its security modules decide. A user may mount what he likes over
 * /proc in a name space of his own; so the file that was opened must be, by its
 * dentries, the file of procfs for this very process. Which pid namespace that
 * procfs shows does not matter: the process's number in it is asked.
 *
 * A watch is like an open /proc/PID/maps. The kernel judges when that is opened; a
 * process that changes its user ids or makes itself undumpable afterwards is still
 * told of by it, since the memory is the same, and exec ends it. So does a watch go
 * on through setuid(2) and prctl(PR_SET_DUMPABLE), and an exec that changes
 * credentials or makes an undumpable process ends it. An ordinary exec does not: the
 * new image is again one whose maps the watcher may read.
 *
 * A child is a new process, so it is judged anew when it is followed. That is in a
 * probe, where nothing can be opened: the rules of the kernel about ids and
 * capabilities are applied here; a security module's label is the parent's. So it
 * is for a writer who names himself, since the kernel lets everybody read his own
 * map: a set-uid program that writes to a control it was given lends nobody its eyes.
 */
#include <linux/cred.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/proc_fs.h>
#include <linux/sched/coredump.h>
#include <linux/user_namespace.h>

#include "internal.h"

/* Is it DIR/maps in the root of this procfs? */
static bool is_maps_in(const struct file *file, const struct super_block *sb, const char *number)
{
	struct dentry *maps = file->f_path.dentry;
	struct dentry *dir;
	bool ok;

	if (file_inode(file)->i_sb != sb)
		return false;
	dir = dget_parent(maps);
	ok = dir->d_parent == sb->s_root && !strcmp(maps->d_name.name, "maps") &&
	     !strcmp(dir->d_name.name, number);
	dput(dir);
	return ok;
}

/* What is the kernel's answer, and what is our own trouble? */
static int may_error(long err)
{
	switch (err) {
	case -ESRCH:
	case -EINTR:
	case -ENOMEM:
	case -ENFILE:
		return err;
	}
	return -EPERM;
}

static int may_open_maps(const struct file *proc, struct pid *pid)
{
	struct super_block *sb = file_inode(proc)->i_sb;
	char number[12], name[24];
	struct file *file;
	pid_t nr;
	int err;

	if (sb->s_magic != PROC_SUPER_MAGIC || proc->f_path.dentry != sb->s_root)
		return -EPERM;
	nr = pid_nr_ns(pid, proc_pid_ns(sb));
	if (!nr)
		return -EPERM;
	snprintf(number, sizeof(number), "%d", nr);
	snprintf(name, sizeof(name), "%d/maps", nr);
	file = file_open_root(&proc->f_path, name, O_RDONLY | O_CLOEXEC, 0);
	if (IS_ERR(file))
		return may_error(PTR_ERR(file));
	err = is_maps_in(file, sb, number) ? 0 : -EPERM;
	fput(file);
	return err;
}

/* May somebody trace all that lives in a user namespace? See user_namespaces(7). */
static bool may_trace_in(const struct cred *cred, const struct user_namespace *ns)
{
	while (ns != cred->user_ns) {
		if (ns->level <= cred->user_ns->level)
			return false;
		if (ns->parent == cred->user_ns && uid_eq(ns->owner, cred->euid))
			return true;
		ns = ns->parent;
	}
	return cap_raised(cred->cap_effective, CAP_SYS_PTRACE);
}

static bool same_ids(const struct cred *cred, const struct cred *its)
{
	return uid_eq(cred->fsuid, its->euid) && uid_eq(cred->fsuid, its->suid) &&
	       uid_eq(cred->fsuid, its->uid) && gid_eq(cred->fsgid, its->egid) &&
	       gid_eq(cred->fsgid, its->sgid) && gid_eq(cred->fsgid, its->gid);
}

/**
 * may_trace() - may somebody watch a process, by its ids and capabilities?
 * @cred: who asks
 * @task: current, or a child that has not run yet: nobody changes it meanwhile
 *
 * Context: any; RCU read lock.
 */
bool may_trace(const struct cred *cred, struct task_struct *task)
{
	const struct cred *its = __task_cred(task);

	if (may_trace_in(cred, its->user_ns) && may_trace_in(cred, task->mm->user_ns))
		return true;
	return same_ids(cred, its) && its->user_ns == cred->user_ns &&
	       cap_issubset(its->cap_permitted, cred->cap_effective) &&
	       __get_dumpable(task->mm->flags) == SUID_DUMP_USER;
}

/* Here the kernel does not ask who opened control. */
static bool may_watch_own(const struct cred *cred)
{
	bool may;

	rcu_read_lock();
	may = cred == current_cred() || may_trace(cred, current);
	rcu_read_unlock();
	return may;
}

/**
 * may_watch() - may somebody read the memory map of a process?
 * @pid: the process, referenced by the caller, so that its number is not used again
 * @mm: its address space
 * @cred: who asks: the opener of /proc/brkscope/control
 *
 * Context: process, with the /proc of the caller's mount namespace; sleeps, and as
 * long as an exec of the process takes; hold no lock. Return: 0, -EPERM, -ENOMEM,
 * -ENFILE, -EINTR, or -ESRCH if the process is gone.
 */
int may_watch(struct pid *pid, const struct mm_struct *mm, const struct cred *cred)
{
	const struct cred *old;
	struct file *proc;
	int err;

	if (mm == current->mm && !may_watch_own(cred))
		return -EPERM;
	old = compat_override_creds(cred);
	proc = filp_open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	if (IS_ERR(proc)) {
		err = may_error(PTR_ERR(proc));
	} else {
		err = may_open_maps(proc, pid);
		fput(proc);
	}
	compat_revert_creds(old);
	rcu_read_lock();
	if (!pid_task(pid, PIDTYPE_TGID))
		err = -ESRCH;
	rcu_read_unlock();
	return err;
}
