// SPDX-License-Identifier: GPL-2.0-only
/*
 * How is the module told what to watch, and what does it answer?
 *
 * /proc/brkscope/control and hooks. Everybody may write; what a command may do
 * is judged by the credentials of the one who opened the file, so that nobody
 * can lend his to a stranger by writing for him.
 */
#include <linux/cred.h>
#include <linux/ctype.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "internal.h"

#define CONTROL_LINE	128
#define CONTROL_ERRORS	16

/**
 * struct control_error - why a user's last command failed
 * @uid: whose
 * @used: which of them is the oldest; zero: empty
 * @text: the command and the reason
 */
static struct control_error {
	kuid_t uid;
	u64 used;
	char text[CONTROL_LINE + 128];
} errors[CONTROL_ERRORS];

static DEFINE_MUTEX(errors_mutex);

static struct control_error *error_of(kuid_t uid)
{
	int i;

	for (i = 0; i < CONTROL_ERRORS; i++)
		if (errors[i].used && uid_eq(errors[i].uid, uid))
			return &errors[i];
	return NULL;
}

static void error_note(kuid_t uid, const char *line, int err, const char *why)
{
	static u64 clock;
	struct control_error *e;
	int i;

	mutex_lock(&errors_mutex);
	e = error_of(uid);
	if (!e) {
		e = &errors[0];
		for (i = 1; i < CONTROL_ERRORS; i++)
			if (errors[i].used < e->used)
				e = &errors[i];
	}
	e->uid = uid;
	e->used = ++clock;
	snprintf(e->text, sizeof(e->text), "\"%s\": error %d: %s", line, -err, why);
	mutex_unlock(&errors_mutex);
}

/* ---- commands ---- */

#define SIZE_LARGE	BIT_ULL(43)	/* above any max_buffer_kb; what is larger becomes this */

static int parse_size(const char *text, u64 *bytes)
{
	static const char letters[] = "KMG";	/* 2^10, 2^20, 2^30 */
	const char *unit = text + strspn(text, "0123456789");
	const char *letter = *unit ? strchr(letters, toupper(*unit)) : NULL;
	unsigned int shift = letter ? 10 * (letter - letters + 1) : 0;

	if (unit == text || unit[!!letter])
		return -EINVAL;
	for (*bytes = 0; text < unit; text++)
		*bytes = min(*bytes * 10 + *text - '0', SIZE_LARGE);
	*bytes = min(*bytes, SIZE_LARGE >> shift) << shift;
	return *bytes ? 0 : -EINVAL;
}

static int command_watch(pid_t nr, char *args, const struct cred *cred, const char **why)
{
	bool follow = false, pages = true;
	u64 bytes = 0;
	char *word;

	while ((word = strsep(&args, " \t"))) {
		if (!*word)
			continue;
		if (!strcmp(word, "follow")) {
			follow = true;
		} else if (!strcmp(word, "nopages")) {
			pages = false;
		} else if (strncmp(word, "buffer=", 7) || parse_size(word + 7, &bytes)) {
			*why = "after the process id come follow, nopages, buffer=SIZE[K|M|G]";
			return -EINVAL;
		}
	}
	return watch_add(nr, bytes, follow, pages, cred, why);
}

static int command_run(char *line, const struct cred *cred, const char **why)
{
	char *rest = line;
	char *verb = strsep(&rest, " \t");
	char *number;
	pid_t nr;

	*why = "commands: watch PID [follow] [nopages] [buffer=SIZE], unwatch PID, clear PID";
	if (strcmp(verb, "watch") && strcmp(verb, "unwatch") && strcmp(verb, "clear"))
		return -EINVAL;
	*why = "a process id is a number from 1";
	rest = rest ? skip_spaces(rest) : NULL;
	number = strsep(&rest, " \t");
	if (!number || kstrtoint(number, 10, &nr) || nr < 1)
		return -EINVAL;
	if (!strcmp(verb, "watch"))
		return command_watch(nr, rest, cred, why);
	*why = "nothing comes after the process id";
	if (rest && *skip_spaces(rest))
		return -EINVAL;
	if (!strcmp(verb, "unwatch"))
		return watch_remove(nr, cred, why);
	return watch_clear(nr, cred, why);
}

static int control_line(char *line, const struct cred *cred)
{
	char copy[CONTROL_LINE], *c;
	const char *why = "";
	int err;

	line = strim(line);
	if (!*line)
		return 0;
	strscpy(copy, line, sizeof(copy));
	err = command_run(line, cred, &why);
	if (err) {
		for (c = copy; *c; c++)
			*c = isprint(*c) ? *c : '?';
		error_note(cred->fsuid, copy, err, why);
	}
	return err;
}

/*
 * One write, one command a line; what follows the last newline is a line too.
 * Return: the bytes of the lines done, or the error of the first line.
 */
static ssize_t control_write(struct file *file, const char __user *from, size_t count,
			     loff_t *pos)
{
	size_t size = min_t(size_t, count, PAGE_SIZE - 1);
	size_t done = 0;
	char *text, *line, *end;
	int err = 0;

	text = memdup_user_nul(from, size);
	if (IS_ERR(text))
		return PTR_ERR(text);
	while (done < size && !err) {
		line = text + done;
		end = memchr(line, '\n', size - done);
		if (!end && size < count && done)
			break;		/* cut in the middle; it comes again */
		if (end)
			*end = 0;
		else
			end = text + size;
		if (end - line >= CONTROL_LINE || strlen(line) != end - line) {
			error_note(file->f_cred->fsuid, "...", -EINVAL,
				   "a line has less than 128 characters and no NUL");
			err = -EINVAL;
		} else {
			err = control_line(line, file->f_cred);
		}
		if (!err)
			done = min_t(size_t, end - text + 1, size);
		cond_resched();
	}
	kfree(text);
	return done ?: err;
}

/* ---- texts ---- */

struct control_show_args {
	struct seq_file *m;
	const struct cred *cred;
};

static void control_show_watch(struct watch *w, void *arg)
{
	struct control_show_args *args = arg;
	pid_t nr = pid_nr_ns(w->pid, task_active_pid_ns(current));
	char folder[PROC_FOLDER_MAX];

	/* Whoever reads in a pid namespace has no name for the processes outside. */
	if (!watch_may_see(w, args->cred) || !nr)
		return;
	proc_folder(w, folder);
	seq_printf(args->m, "%d %s %u %llu %llu ", nr, w->ended ? "ended" : "live",
		   from_kuid_munged(args->cred->user_ns, w->uid), w->ring.size,
		   READ_ONCE(w->ring.head));
	seq_escape(args->m, w->comm, "\n\\");
	seq_printf(args->m, " %s\n", folder);
}

static int control_show(struct seq_file *m, void *unused)
{
	const struct cred *cred = m->file->f_cred;
	struct control_show_args args = { .m = m, .cred = cred };
	struct control_error *e;

	seq_puts(m, "brkscope control 1\npid state uid buffer_records records_seen comm folder\n");
	watch_for_each(control_show_watch, &args);
	mutex_lock(&errors_mutex);
	e = error_of(cred->fsuid);
	if (e)
		seq_printf(m, "last_error: %s\n", e->text);
	mutex_unlock(&errors_mutex);
	return 0;
}

static int hooks_show(struct seq_file *m, void *unused)
{
	hook_show(m);
	return 0;
}

static int control_single_open(struct file *file, int (*show)(struct seq_file *m, void *unused))
{
	int err;

	if (!try_module_get(THIS_MODULE))
		return -ENODEV;
	err = single_open(file, show, NULL);
	if (err)
		module_put(THIS_MODULE);
	return err;
}

static int control_open(struct inode *inode, struct file *file)
{
	return control_single_open(file, control_show);
}

static int hooks_open(struct inode *inode, struct file *file)
{
	return control_single_open(file, hooks_show);
}

static int control_release(struct inode *inode, struct file *file)
{
	int err = single_release(inode, file);

	module_put(THIS_MODULE);
	return err;
}

const struct proc_ops proc_control_ops = {
	.proc_open = control_open,
	.proc_read = seq_read,
	.proc_write = control_write,
	.proc_lseek = seq_lseek,
	.proc_release = control_release,
};

const struct proc_ops proc_hooks_ops = {
	.proc_open = hooks_open,
	.proc_read = seq_read,
	.proc_lseek = seq_lseek,
	.proc_release = control_release,
};
