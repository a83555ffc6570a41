// SPDX-License-Identifier: GPL-2.0-only
/*
 * What does /proc/brkscope say?
 *
 * The tree and its short texts; the streams are in events.c, the tables in
 * tables.c, the commands in control.c. A
 * directory belongs to the user who made the watch. Every open file holds the
 * module and, below PID, the watch.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/sched/mm.h>
#include <linux/seq_file.h>

#include "internal.h"

const char * const fault_class_names[BRKSCOPE_CLASSES] = BRKSCOPE_FAULT_CLASS_NAMES;
const char * const vma_op_names[BRKSCOPE_VMA_OPS] = BRKSCOPE_VMA_OP_NAMES;
const char * const brk_result_names[BRKSCOPE_BRK_RESULTS] = BRKSCOPE_BRK_RESULT_NAMES;
const char * const brk_reason_names[BRKSCOPE_BRK_REASONS] = BRKSCOPE_BRK_REASON_NAMES;
const char * const fork_result_names[BRKSCOPE_FORK_RESULTS] = BRKSCOPE_FORK_RESULT_NAMES;
const char * const page_use_names[BRKSCOPE_PAGE_USES] = BRKSCOPE_PAGE_USE_NAMES;

/* Everybody may write commands; each command is checked. */
#define CONTROL_MODE 0666

static struct proc_dir_entry *root;

/**
 * proc_format_prot() - permissions as /proc/PID/maps writes them
 * @out: gets four characters and a NUL
 * @prot: BRKSCOPE_PROT_*
 */
void proc_format_prot(char out[5], u8 prot)
{
	out[0] = prot & BRKSCOPE_PROT_READ ? 'r' : '-';
	out[1] = prot & BRKSCOPE_PROT_WRITE ? 'w' : '-';
	out[2] = prot & BRKSCOPE_PROT_EXEC ? 'x' : '-';
	out[3] = prot & BRKSCOPE_PROT_SHARED ? 's' : 'p';
	out[4] = 0;
}

/**
 * proc_may_see_frames() - may the opener of a file see page frame numbers?
 * @file: being opened; whoever hands it on answers for that, as with pagemap
 */
bool proc_may_see_frames(const struct file *file)
{
	return file_ns_capable(file, &init_user_ns, CAP_SYS_ADMIN);
}

/**
 * proc_hide_frame() - take the page frame number out of a record
 * @rec: a copy for a reader who may not see it
 */
void proc_hide_frame(struct brkscope_record *rec)
{
	if (rec->kind == BRKSCOPE_FAULT)
		rec->fault.frame = 0;
	else if (rec->kind == BRKSCOPE_PAGE)
		rec->page.frame = 0;
}

/**
 * proc_watch_open() - a file below PID is being opened
 * @inode: the file's; its data is the watch
 *
 * Return: 0, with a reference to the module and to the watch, or -ENODEV.
 */
int proc_watch_open(struct inode *inode)
{
	if (!try_module_get(THIS_MODULE))
		return -ENODEV;
	watch_get(pde_data(inode));
	return 0;
}

/**
 * proc_watch_release() - a file below PID is closed
 * @w: its watch
 */
void proc_watch_release(struct watch *w)
{
	watch_put(w);
	module_put(THIS_MODULE);
}

/* ---- PID/summary ---- */

static void summary_faults(struct seq_file *m, const struct fault_stats *faults)
{
	u64 sum = 0;
	int i;

	for (i = 0; i < BRKSCOPE_CLASSES; i++)
		sum += faults->by_class[i];
	seq_printf(m, "faults: %llu\nfaults_rusage: %llu\nfaults_elsewhere: %llu\n",
		   sum, faults->rusage, faults->elsewhere);
	for (i = 0; i < BRKSCOPE_CLASSES; i++) {
		char name[24], *p;

		strscpy(name, fault_class_names[i], sizeof(name));
		for (p = name; *p; p++)
			*p = *p == '-' ? '_' : *p;
		seq_printf(m, "fault_%s: %llu\n", name, faults->by_class[i]);
	}
	seq_printf(m, "faults_user: %llu\nfaults_kernel: %llu\nfaults_remote: %llu\nfaults_major: %llu\n",
		   faults->user, faults->kernel, faults->remote, faults->major);
}

/* seen = held + overwritten + cleared, always */
static void loss_lines(struct seq_file *m, struct watch *w, const char *prefix)
{
	u64 seen, held, overwritten;

	raw_spin_lock_irq(&w->lock);
	seen = w->ring.head;
	held = seen + 1 - ring_oldest(&w->ring);
	overwritten = w->ring.overwritten;
	raw_spin_unlock_irq(&w->lock);
	seq_printf(m, "%sseen: %llu\n%sheld: %llu\n%soverwritten: %llu\n%scleared: %llu\n%smissed: %llu\n",
		   prefix, seen, prefix, held, prefix, overwritten,
		   prefix, seen - held - overwritten, prefix, hook_missed());
}

static int summary_show(struct seq_file *m, void *unused)
{
	struct watch *w = m->private;
	struct mm_struct *mm = watch_get_mm(w);
	struct {
		struct fault_stats faults;
		struct brk_stats brk;
		struct children children;
		u64 by_use[BRKSCOPE_PAGE_USES];
		char comm[TASK_COMM_LEN];
		struct held_pages held;
		u64 end, execs, changes, pages, signals;
		u32 vmas;
	} *s = kmalloc(sizeof(*s), GFP_KERNEL);
	unsigned long rss = 0;
	int err = s ? held_count(w, &s->held) : -ENOMEM;
	int i;

	if (err) {
		kfree(s);
		if (mm)
			mmput(mm);
		return err;
	}
	raw_spin_lock_irq(&w->lock);
	if (mm)
		brk_look(w, mm);
	s->faults = w->faults;
	s->brk = w->brk;
	s->children = w->children;
	memcpy(s->by_use, w->pages.by_use, sizeof(s->by_use));
	memcpy(s->comm, w->comm, sizeof(s->comm));
	s->end = w->end;
	s->execs = w->execs;
	s->signals = w->signals;
	s->changes = w->vmas.changes;
	s->pages = w->touch.pages;
	s->vmas = w->vmas.count;
	raw_spin_unlock_irq(&w->lock);
	if (mm) {
		rss = get_mm_rss(mm);
		mmput(mm);
	}
	seq_printf(m, "brkscope summary 1\npid: %d\ncomm: ", watch_nr(w, w->pid));
	seq_escape(m, s->comm, "\n\\");
	seq_printf(m, "\nstate: %s\nstart_ns: %llu\nend_ns: %llu\npage_size: %lu\n",
		   w->ended ? "ended" : "live", w->start, s->end, PAGE_SIZE);
	seq_printf(m, "break_start: %016lx\nbreak_now: %016lx\nbreak_peak: %016lx\n",
		   s->brk.start, s->brk.now, s->brk.peak);
	seq_printf(m, "break_moves: %llu\nbreak_failures: %llu\nbreak_queries: %llu\n",
		   s->brk.moves, s->brk.failures, s->brk.queries);
	seq_printf(m, "vmas: %u\nvma_changes: %llu\nexecs: %llu\n", s->vmas, s->changes, s->execs);
	summary_faults(m, &s->faults);
	seq_printf(m, "rusage_before: %llu\npages_touched: %llu\nrss_pages: %lu\n",
		   w->rusage_before, s->pages, rss);
	seq_printf(m, "pages_held: %llu\npages_silent: %llu\n", s->held.held, s->held.silent);
	loss_lines(m, w, "events_");
	seq_printf(m, "follow: %s\n", w->follow ? "yes" : "no");
	for (i = 0; i < BRKSCOPE_FORK_RESULTS; i++)
		seq_printf(m, "children_%s: %llu\n", fork_result_names[i], s->children.results[i]);
	seq_printf(m, "pages_data: %llu\npages_table: %llu\npages_other: %llu\nsignals: %llu\n",
		   s->by_use[BRKSCOPE_PAGE_DATA], s->by_use[BRKSCOPE_PAGE_TABLE],
		   s->by_use[BRKSCOPE_PAGE_OTHER], s->signals);
	kfree(s);
	return 0;
}

/* ---- PID/loss ---- */

static int loss_show(struct seq_file *m, void *unused)
{
	struct watch *w = m->private;

	seq_puts(m, "brkscope loss 1\n");
	loss_lines(m, w, "");
	seq_printf(m, "vma_overflow: %llu\ntouch_overflow: %llu\n",
		   READ_ONCE(w->vmas.overflow), READ_ONCE(w->touch.overflow));
	seq_printf(m, "children_missed: %llu\nchildren_unshown: %llu\n",
		   READ_ONCE(w->children.results[BRKSCOPE_FORK_MISSED]),
		   follow_unshown(w->follow));
	seq_printf(m, "pages_missed: %lld\n", atomic64_read(&w->pages.missed));
	return 0;
}

static int text_open(struct inode *inode, struct file *file,
		     int (*show)(struct seq_file *m, void *unused))
{
	int err = proc_watch_open(inode);

	if (err)
		return err;
	err = single_open(file, show, pde_data(inode));
	if (err)
		proc_watch_release(pde_data(inode));
	return err;
}

static int text_release(struct inode *inode, struct file *file)
{
	int err = single_release(inode, file);

	proc_watch_release(pde_data(inode));
	return err;
}

#define PROC_TEXT_OPS(name)							\
static int name##_open(struct inode *inode, struct file *file)			\
{										\
	return text_open(inode, file, name##_show);				\
}										\
static const struct proc_ops proc_##name##_ops = {				\
	.proc_open = name##_open, .proc_read = seq_read, .proc_lseek = seq_lseek,\
	.proc_release = text_release,						\
}

PROC_TEXT_OPS(summary);
PROC_TEXT_OPS(loss);
PROC_TEXT_OPS(faults);

/* ---- the tree ---- */

static const struct {
	const char *name;
	const struct proc_ops *ops;
} watch_files[] = {
	{ "summary", &proc_summary_ops },
	{ "events", &proc_events_ops },
	{ "events.bin", &proc_events_bin_ops },
	{ "vmas", &proc_vmas_ops },
	{ "brk", &proc_brk_ops },
	{ "faults", &proc_faults_ops },
	{ "pages", &proc_pages_ops },
	{ "loss", &proc_loss_ops },
};

/**
 * proc_folder() - name of a watch's directory
 * @w: the watch
 * @name: gets it
 *
 * PID, or PID@NS for who began the watch in another than the initial pid namespace:
 * plain numbers of his would take the names of others' watches.
 */
void proc_folder(const struct watch *w, char name[PROC_FOLDER_MAX])
{
	if (w->ns)
		snprintf(name, PROC_FOLDER_MAX, "%d@%u", watch_nr(w, w->pid), w->ns->ns.inum);
	else
		snprintf(name, PROC_FOLDER_MAX, "%d", w->nr);
}

/**
 * proc_add_watch() - make the directory of a watch
 * @w: a reference of the caller's outlives proc_del_watch()
 *
 * Context: process. Return: 0 or -ENOMEM.
 */
int proc_add_watch(struct watch *w)
{
	struct proc_dir_entry *dir, *file;
	char name[PROC_FOLDER_MAX];
	size_t i;

	proc_folder(w, name);
	dir = proc_mkdir_mode(name, 0500, root);
	if (!dir)
		return -ENOMEM;
	proc_set_user(dir, w->uid, w->gid);
	for (i = 0; i < ARRAY_SIZE(watch_files); i++) {
		file = proc_create_data(watch_files[i].name, 0400, dir, watch_files[i].ops, w);
		if (!file) {
			proc_remove(dir);
			return -ENOMEM;
		}
		proc_set_user(file, w->uid, w->gid);
	}
	WRITE_ONCE(w->dir, dir);
	return 0;
}

/**
 * proc_del_watch() - remove the directory; open files get no more of it
 * @w: ended and its readers woken
 *
 * Context: process; waits for calls that are under way.
 */
void proc_del_watch(struct watch *w)
{
	if (w->dir)
		proc_remove(w->dir);
}

/**
 * proc_init() - make /proc/brkscope
 *
 * Return: 0 or -ENOMEM.
 */
int proc_init(void)
{
	root = proc_mkdir("brkscope", NULL);
	if (!root)
		return -ENOMEM;
	if (proc_create("control", CONTROL_MODE, root, &proc_control_ops) &&
	    proc_create("hooks", 0444, root, &proc_hooks_ops))
		return 0;
	proc_remove(root);
	return -ENOMEM;
}

/**
 * proc_exit() - remove /proc/brkscope
 */
void proc_exit(void)
{
	proc_remove(root);
}
