// SPDX-License-Identifier: GPL-2.0-only
/*
 * What do the tables of a watch say: its VMAs, its breaks, its faults?
 *
 * Rows are taken one by one under watch.lock, so a table can be of any length; it
 * is not one moment's picture while the process runs.
 */
#include <linux/mm.h>
#include <linux/proc_fs.h>
#include <linux/sched/mm.h>
#include <linux/seq_file.h>

#include "internal.h"

/* A name to the end of the line, escaped as in /proc/PID/maps. */
static void proc_put_name(struct seq_file *m, struct watch *w, u16 id)
{
	const char *name = mirror_name(w, id);

	if (*name)
		seq_escape(m, name, "\n");
	else
		seq_putc(m, '-');
	seq_putc(m, '\n');
}

/* Make the mirror equal to the VMAs at this moment, names included. */
static int proc_refresh(struct watch *w)
{
	struct mm_struct *mm = watch_get_mm(w);
	int err;

	if (!mm)
		return 0;
	err = vma_refresh(w, mm, true);
	mmput(mm);
	return err;
}

/* ---- PID/faults ---- */

static void faults_by_vma(struct seq_file *m, struct watch *w)
{
	struct vma_node node;
	unsigned long addr;
	int i;

	seq_puts(m, "start end class count name\n");
	for (addr = 0; mirror_copy_next(w, addr, &node); addr = node.end) {
		for (i = 0; i < BRKSCOPE_CLASSES; i++) {
			if (!node.faults[i])
				continue;
			seq_printf(m, "%016lx %016lx %s %u ", node.start, node.end,
				   fault_class_names[i], node.faults[i]);
			proc_put_name(m, w, node.name);
		}
	}
}

static void faults_histogram(struct seq_file *m, struct watch *w)
{
	int i, j;

	seq_puts(m, "\nclass count total_ns");
	for (j = 0; j < FAULT_HIST_BUCKETS; j++)
		seq_printf(m, " h%d", j);
	seq_putc(m, '\n');
	for (i = 0; i < BRKSCOPE_CLASSES; i++) {
		u32 hist[FAULT_HIST_BUCKETS];
		u64 count, ns;

		raw_spin_lock_irq(&w->lock);
		count = w->faults.by_class[i];
		ns = w->faults.total_ns[i];
		memcpy(hist, w->faults.hist[i], sizeof(hist));
		raw_spin_unlock_irq(&w->lock);
		if (!count)
			continue;
		seq_printf(m, "%s %llu %llu", fault_class_names[i], count, ns);
		for (j = 0; j < FAULT_HIST_BUCKETS; j++)
			seq_printf(m, " %u", hist[j]);
		seq_putc(m, '\n');
	}
}

/**
 * faults_show() - the text of PID/faults
 * @m: where to; private is the watch
 * @unused: one piece, no iterator
 */
int faults_show(struct seq_file *m, void *unused)
{
	struct watch *w = m->private;

	seq_puts(m, "brkscope faults 1\n");
	faults_by_vma(m, w);
	faults_histogram(m, w);
	return 0;
}

/* ---- PID/vmas and PID/brk: tables too long for one piece ---- */

/**
 * struct table - an open vmas or brk
 * @w: the watch
 * @node: the row of vmas
 * @rec: the row of brk
 */
struct table {
	struct watch *w;
	struct vma_node node;
	struct brkscope_record rec;
};

/* The position is one more than the address to go on from; zero is the header. */
static void *vmas_row(struct table *t, loff_t pos)
{
	return mirror_copy_next(t->w, pos - 1, &t->node) ? t : NULL;
}

static void *vmas_start(struct seq_file *m, loff_t *pos)
{
	return *pos ? vmas_row(m->private, *pos) : SEQ_START_TOKEN;
}

static void *vmas_next(struct seq_file *m, void *row, loff_t *pos)
{
	struct table *t = m->private;

	*pos = row == SEQ_START_TOKEN ? 1 : t->node.end + 1;
	return vmas_row(t, *pos);
}

static void table_stop(struct seq_file *m, void *row)
{
}

static int vmas_show(struct seq_file *m, void *row)
{
	struct table *t = m->private;
	struct vma_node *node = &t->node;
	char prot[5];

	if (row == SEQ_START_TOKEN) {
		seq_puts(m, "brkscope vmas 1\nstart end perms touched_pages pages offset name\n");
		return 0;
	}
	proc_format_prot(prot, node->prot);
	seq_printf(m, "%016lx %016lx %s %llu %lu %08llx ", node->start, node->end, prot,
		   touch_count(t->w, node->start, node->end), (node->end - node->start) >> PAGE_SHIFT,
		   node->attr & BRKSCOPE_ATTR_FILE ? node->delta + node->start : 0);
	proc_put_name(m, t->w, node->name);
	return 0;
}

static const struct seq_operations vmas_seq_ops = {
	.start = vmas_start, .next = vmas_next, .stop = table_stop, .show = vmas_show,
};

/* The position is the seq of the record to go on from; zero is the header. */
static void *brk_row(struct table *t, loff_t *pos)
{
	struct ring *ring = &t->w->ring;
	u64 seq = max_t(u64, *pos, ring_oldest(ring));
	u64 head = smp_load_acquire(&ring->head);	/* pairs with ring_put() */

	for (; seq <= head; seq++) {
		if (!ring_get(ring, seq, &t->rec) || t->rec.kind != BRKSCOPE_BRK)
			continue;
		*pos = seq;
		return t;
	}
	return NULL;
}

static void *brk_start(struct seq_file *m, loff_t *pos)
{
	return *pos ? brk_row(m->private, pos) : SEQ_START_TOKEN;
}

static void *brk_next(struct seq_file *m, void *row, loff_t *pos)
{
	++*pos;
	return brk_row(m->private, pos);
}

static int brk_show(struct seq_file *m, void *row)
{
	struct table *t = m->private;
	const struct brkscope_record *r = &t->rec;

	if (row == SEQ_START_TOKEN)
		seq_puts(m, "brkscope brk 1\nseq time_ns tid what old requested new pages\n");
	else
		seq_printf(m, "%llu %llu %u %s %016llx %016llx %016llx %lld\n", r->seq, r->time,
			   r->tid, brk_result_names[r->code], r->brk.old, r->brk.requested,
			   r->brk.now, r->brk.pages);
	return 0;
}

static const struct seq_operations brk_seq_ops = {
	.start = brk_start, .next = brk_next, .stop = table_stop, .show = brk_show,
};

static int table_open(struct inode *inode, struct file *file, const struct seq_operations *ops)
{
	int err = proc_watch_open(inode);
	struct table *t;

	if (err)
		return err;
	t = __seq_open_private(file, ops, sizeof(*t));
	if (!t) {
		proc_watch_release(pde_data(inode));
		return -ENOMEM;
	}
	t->w = pde_data(inode);
	return 0;
}

static int table_release(struct inode *inode, struct file *file)
{
	int err = seq_release_private(inode, file);

	proc_watch_release(pde_data(inode));
	return err;
}

static int vmas_open(struct inode *inode, struct file *file)
{
	int err = table_open(inode, file, &vmas_seq_ops);

	if (!err)
		proc_refresh(pde_data(inode));
	return err;
}

static int brk_open(struct inode *inode, struct file *file)
{
	return table_open(inode, file, &brk_seq_ops);
}

const struct proc_ops proc_vmas_ops = {
	.proc_open = vmas_open,
	.proc_read = seq_read,
	.proc_lseek = seq_lseek,
	.proc_release = table_release,
};

const struct proc_ops proc_brk_ops = {
	.proc_open = brk_open,
	.proc_read = seq_read,
	.proc_lseek = seq_lseek,
	.proc_release = table_release,
};
