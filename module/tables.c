// SPDX-License-Identifier: GPL-2.0-only
/*
 * What do the tables of a watch say: its VMAs, breaks, faults, pages?
 *
 * Rows are taken one by one under watch.lock, so a table can be of any length; it
 * is not one moment's picture while the process runs.
 */
#include <linux/mm.h>
#include <linux/proc_fs.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>

#include "internal.h"

#define PAGES_LOOK_BACK	64ULL	/* records between a page and its fault, see pages_order() */

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

/* ---- PID/vmas, PID/brk and PID/pages: tables too long for one piece ---- */

/**
 * struct table - an open vmas, brk or pages
 * @w: the watch
 * @wanted: which records are rows of brk or pages
 * @frames: whoever opened it may see page frame numbers
 * @node: the row of vmas
 * @rec: the row of brk or pages
 */
struct table {
	struct watch *w;
	bool (*wanted)(const struct table *t);
	bool frames;
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
		   touch_count(t->w, node->start, node->end),
		   (node->end - node->start) >> PAGE_SHIFT,
		   node->attr & BRKSCOPE_ATTR_FILE ? node->delta + node->start : 0);
	proc_put_name(m, t->w, node->name);
	return 0;
}

static const struct seq_operations vmas_seq_ops = {
	.start = vmas_start, .next = vmas_next, .stop = table_stop, .show = vmas_show,
};

/* The position is the seq of the record to go on from; zero is the header. */
static void *record_row(struct table *t, loff_t *pos)
{
	struct ring *ring = &t->w->ring;
	u64 seq = max_t(u64, *pos, ring_oldest(ring));
	u64 head = smp_load_acquire(&ring->head);	/* pairs with ring_put() */

	for (; seq <= head && !fatal_signal_pending(current); seq++) {
		cond_resched();
		if (!ring_get(ring, seq, &t->rec) || !t->wanted(t))
			continue;
		*pos = seq;
		return t;
	}
	return NULL;
}

static void *record_start(struct seq_file *m, loff_t *pos)
{
	return *pos ? record_row(m->private, pos) : SEQ_START_TOKEN;
}

static void *record_next(struct seq_file *m, void *row, loff_t *pos)
{
	++*pos;
	return record_row(m->private, pos);
}

static bool brk_is_row(const struct table *t)
{
	return t->rec.kind == BRKSCOPE_BRK;
}

static int brk_show(struct seq_file *m, void *row)
{
	struct table *t = m->private;
	const struct brkscope_record *r = &t->rec;

	if (row == SEQ_START_TOKEN)
		seq_puts(m, "brkscope brk 1\nseq time_ns tid what old requested new pages error reason\n");
	else
		seq_printf(m, "%llu %llu %u %s %016llx %016llx %016llx %lld %d %s\n",
			   r->seq, r->time, r->tid, brk_result_names[r->code], r->brk.old,
			   r->brk.requested, r->brk.now, r->brk.pages, r->brk.error,
			   brk_reason_names[r->brk.reason]);
	return 0;
}

static const struct seq_operations brk_seq_ops = {
	.start = record_start, .next = record_next, .stop = table_stop, .show = brk_show,
};

static bool pages_is_row(const struct table *t)
{
	return t->rec.kind == BRKSCOPE_FAULT && t->rec.flags & BRKSCOPE_FAULT_FIRST &&
	       !strcmp(mirror_name(t->w, t->rec.fault.name), "[heap]");
}

/*
 * The order of the page that the allocator gave for a fault: its record lies a
 * little before, only those of other threads come between. A page that was there
 * already, or whose record is gone, has the order of its class.
 */
static unsigned int pages_order(const struct table *t)
{
	const struct ring *ring = &t->w->ring;
	const struct brkscope_record *fault = &t->rec;
	u64 seq, last = max(ring_oldest(ring), fault->seq - min(fault->seq, PAGES_LOOK_BACK));
	struct brkscope_record rec;

	for (seq = fault->seq - 1; seq >= last && ring_get(ring, seq, &rec); seq--) {
		if (rec.tid != fault->tid)
			continue;
		if (rec.kind != BRKSCOPE_PAGE || rec.page.addr != fault->fault.addr)
			break;
		if (rec.code == BRKSCOPE_PAGE_DATA)
			return rec.page.order;
	}
	return fault->code == BRKSCOPE_HUGE ? PMD_SHIFT - PAGE_SHIFT : 0;
}

static int pages_show(struct seq_file *m, void *row)
{
	struct table *t = m->private;
	const struct brkscope_record *r = &t->rec;

	if (row == SEQ_START_TOKEN) {
		seq_puts(m, "brkscope pages 1\nseq time_ns tid address class order frame\n");
		return 0;
	}
	seq_printf(m, "%llu %llu %u %016llx %s %u ", r->seq, r->time, r->tid,
		   r->fault.addr & PAGE_MASK, fault_class_names[r->code], pages_order(t));
	if (t->frames && r->fault.frame)
		seq_printf(m, "%llx\n", r->fault.frame);
	else
		seq_puts(m, "-\n");
	return 0;
}

static const struct seq_operations pages_seq_ops = {
	.start = record_start, .next = record_next, .stop = table_stop, .show = pages_show,
};

static int table_open(struct inode *inode, struct file *file, const struct seq_operations *ops,
		      bool (*wanted)(const struct table *t))
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
	t->wanted = wanted;
	t->frames = proc_may_see_frames(file);
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
	int err = table_open(inode, file, &vmas_seq_ops, NULL);

	if (!err)
		proc_refresh(pde_data(inode));
	return err;
}

static int brk_open(struct inode *inode, struct file *file)
{
	return table_open(inode, file, &brk_seq_ops, brk_is_row);
}

static int pages_open(struct inode *inode, struct file *file)
{
	return table_open(inode, file, &pages_seq_ops, pages_is_row);
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

const struct proc_ops proc_pages_ops = {
	.proc_open = pages_open,
	.proc_read = seq_read,
	.proc_lseek = seq_lseek,
	.proc_release = table_release,
};
