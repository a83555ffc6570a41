// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who may watch whom?
 *
 * Whoever may read /proc/PID/maps. The kernel exports no ptrace_may_access(), so
 * we open that very file with the credentials of the one who asks, and the
 * kernel and its security modules decide. A user may mount what he likes over
 * /proc in a name space of his own; so the file that was opened must be, by its
 * dentries, the file of procfs for this very process.
 */
#include <linux/cred.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/proc_fs.h>

#include "internal.h"

/* Is it PID/maps in the root of a procfs that calls this process PID? */
static bool is_maps_of(const struct file *file, struct pid *pid)
{
	struct super_block *sb = file_inode(file)->i_sb;
	struct dentry *maps = file->f_path.dentry;
	struct dentry *dir;
	char number[16];
	bool ok;

	if (sb->s_magic != PROC_SUPER_MAGIC)
		return false;
	snprintf(number, sizeof(number), "%d", pid_nr_ns(pid, proc_pid_ns(sb)));
	dir = dget_parent(maps);
	ok = dir->d_parent == sb->s_root && !strcmp(maps->d_name.name, "maps") &&
	     !strcmp(dir->d_name.name, number);
	dput(dir);
	return ok;
}

/**
 * may_watch() - may somebody read the memory map of a process?
 * @pid: the process, referenced by the caller, so that its number is not used again
 * @cred: who asks: the opener of /proc/brkscope/control
 *
 * Context: process; sleeps, and as long as an exec of the process takes; hold
 * no lock. Return: 0, -EPERM, or -ESRCH if the process is gone.
 */
int may_watch(struct pid *pid, const struct cred *cred)
{
	const struct cred *old = compat_override_creds(cred);
	char path[32];
	struct file *file;
	int err = 0;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid_vnr(pid));
	file = filp_open(path, O_RDONLY | O_CLOEXEC, 0);
	if (IS_ERR(file)) {
		err = PTR_ERR(file) == -ESRCH || PTR_ERR(file) == -EINTR ? PTR_ERR(file) : -EPERM;
	} else {
		if (!is_maps_of(file, pid))
			err = -EPERM;
		fput(file);
	}
	compat_revert_creds(old);
	rcu_read_lock();
	if (!pid_task(pid, PIDTYPE_TGID))
		err = -ESRCH;
	rcu_read_unlock();
	return err;
}
