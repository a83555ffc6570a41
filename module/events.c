// SPDX-License-Identifier: GPL-2.0-only
/*
 * How does a reader follow the events of a watch?
 *
 * PID/events as text and PID/events.bin as records. Reading takes nothing away;
 * each open file has its own position and is told, where it happened, of what
 * it came too late for. A read waits for more (not with O_NONBLOCK) until the
 * process has ended and all is read.
 *
 * Procfs releases what is open of an entry that goes, while whoever polls the file
 * still waits in the watch. So an open file has operations of its own, which
 * procfs knows nothing of: it keeps the module and the watch until it is closed,
 * but none of the memory of a watch that was removed.
 */
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/proc_fs.h>
#include <linux/slab.h>
#include <linux/string_helpers.h>
#include <linux/uaccess.h>

#include "internal.h"

#define EVENTS_LINE	(4 * PATH_MAX + 512)

/**
 * struct reader - one open events or events.bin
 * @w: the watch, referenced
 * @lock: of the position; two threads may share the file
 * @frames: whoever opened it may see page frame numbers
 * @next: seq of the record to come
 * @text: of what was formatted and not yet delivered; or the binary header
 * @done: bytes of @text delivered
 * @len: bytes of @text
 */
struct reader {
	struct watch *w;
	struct mutex lock;	/* next, text, done, len */
	bool frames;
	u64 next;
	size_t done;
	size_t len;
	char text[];
};

/* The next record for this reader, perhaps a made-up one about loss. watch.reading is held. */
static bool reader_peek(struct reader *r, struct brkscope_record *rec, u64 *next)
{
	const struct ring *ring = &r->w->ring;
	u64 oldest = ring_oldest(ring);

	if (!ring->slots)
		return false;	/* removed */
	/* pairs with ring_put(): what head counts is in its slot */
	if (r->next > smp_load_acquire(&ring->head))
		return false;
	if (r->next >= oldest && ring_get(ring, r->next, rec)) {
		if (!r->frames)
			proc_hide_frame(rec);
		*next = r->next + 1;
		return true;
	}
	/* overwritten since, perhaps; then oldest has gone on */
	oldest = max(ring_oldest(ring), r->next + 1);
	memset(rec, 0, sizeof(*rec));
	rec->kind = BRKSCOPE_LOST;
	rec->seq = r->next;
	rec->lost.count = oldest - r->next;
	*next = oldest;
	return true;
}

/* A clear is no loss: go on behind it. */
static void reader_skip_cleared(struct reader *r)
{
	u64 base = READ_ONCE(r->w->ring.base);

	if (r->next <= base)
		r->next = base + 1;
}

static bool reader_more(struct reader *r)
{
	/* pairs with ring_put() */
	u64 head = smp_load_acquire(&r->w->ring.head);

	return max(r->next, READ_ONCE(r->w->ring.base) + 1) <= head;
}

static bool reader_over(struct reader *r)
{
	if (READ_ONCE(r->w->removed))
		return true;
	/* pairs with watch_end(): the last record comes before @ended */
	return smp_load_acquire(&r->w->ended) && !reader_more(r);
}

/* Return: 1 if there is more, 0 at the end, or a negative errno. Lock is held. */
static int reader_wait(struct reader *r, struct file *file)
{
	int err;

	if (r->done < r->len)
		return 1;
	for (;;) {
		if (reader_over(r))
			return 0;
		if (reader_more(r))
			return 1;
		if (file->f_flags & O_NONBLOCK)
			return -EAGAIN;
		mutex_unlock(&r->lock);
		err = wait_event_interruptible(r->w->ring.wait,
					       reader_more(r) || reader_over(r));
		mutex_lock(&r->lock);
		if (err)
			return err;
	}
}

static ssize_t reader_text_out(struct reader *r, char __user *to, size_t count)
{
	size_t n = min(count, r->len - r->done);

	if (copy_to_user(to, r->text + r->done, n))
		return -EFAULT;
	r->done += n;
	return n;
}

static __poll_t events_poll(struct file *file, struct poll_table_struct *wait)
{
	struct reader *r = file->private_data;

	poll_wait(file, &r->w->ring.wait, wait);
	if (!READ_ONCE(r->w->removed) &&
	    (READ_ONCE(r->done) < READ_ONCE(r->len) || reader_more(r)))
		return EPOLLIN | EPOLLRDNORM;
	return reader_over(r) ? EPOLLIN | EPOLLRDNORM | EPOLLHUP : 0;
}

/* The reference to the module goes with the operations when the file is closed. */
static struct reader *reader_open(struct inode *inode, struct file *file, size_t text,
				  const struct file_operations *ops)
{
	int err = proc_watch_open(inode);
	struct reader *r;

	if (err)
		return ERR_PTR(err);
	r = kvzalloc(struct_size(r, text, text), GFP_KERNEL_ACCOUNT);
	if (!r) {
		proc_watch_release(pde_data(inode));
		return ERR_PTR(-ENOMEM);
	}
	mutex_init(&r->lock);
	r->w = pde_data(inode);
	r->frames = proc_may_see_frames(file);
	r->next = 1;
	file->private_data = r;
	replace_fops(file, ops);
	nonseekable_open(inode, file);
	return r;
}

static int events_release(struct inode *inode, struct file *file)
{
	struct reader *r = file->private_data;
	struct watch *w = r->w;

	kvfree(r);
	watch_put(w);
	return 0;
}

/* ---- text ---- */

static void text_printf(struct reader *r, const char *format, ...) __printf(2, 3);

static void text_printf(struct reader *r, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	r->len += vscnprintf(r->text + r->len, EVENTS_LINE - r->len, format, args);
	va_end(args);
}

/* Four characters for one at most. */
static void text_escaped(struct reader *r, const char *text, const char *special)
{
	size_t room = EVENTS_LINE - r->len - 1;
	int n = string_escape_str(text, r->text + r->len, room, ESCAPE_OCTAL, special);

	r->len += min_t(size_t, n, room);
}

/* Escaped as in /proc/PID/maps */
static void text_name(struct reader *r, u16 id)
{
	const char *name = mirror_name(r->w, id);

	text_escaped(r, *name ? name : "-", "\n");
}

static void text_frame(struct reader *r, u64 frame)
{
	if (frame)
		text_printf(r, "%llx ", frame);
	else
		text_printf(r, "- ");
}

static void text_fault(struct reader *r, const struct brkscope_record *rec)
{
	char access = rec->flags & BRKSCOPE_FAULT_WRITE ? 'w' :
		      rec->flags & BRKSCOPE_FAULT_EXEC ? 'x' : 'r';
	char who = rec->flags & BRKSCOPE_FAULT_REMOTE ? 'm' :
		   rec->flags & BRKSCOPE_FAULT_GUP ? 'g' :
		   rec->flags & BRKSCOPE_FAULT_KERNEL ? 'k' : 'u';

	text_printf(r, "fault %s %016llx - %016llx ", fault_class_names[rec->code],
		    rec->fault.addr, rec->fault.ip);
	text_frame(r, rec->fault.frame);
	text_printf(r, "%llu %c%c%c ", rec->fault.latency, access, who,
		    rec->flags & BRKSCOPE_FAULT_FIRST ? '1' : '.');
	text_name(r, rec->fault.name);
}

static void text_page(struct reader *r, const struct brkscope_record *rec)
{
	const char *call = page_call_name(rec->page.call, rec->flags & BRKSCOPE_PAGE_IA32);
	gfp_t gfp = (__force gfp_t)rec->page.gfp;

	text_printf(r, "page %s ", page_use_names[rec->code]);
	if (rec->page.addr)
		text_printf(r, "%016llx - - ", rec->page.addr);
	else
		text_printf(r, "- - - ");
	text_frame(r, rec->page.frame);
	text_printf(r, "%u - zone=%s,node=%u,call=", rec->page.order,
		    NODE_DATA(rec->page.node)->node_zones[rec->page.zone].name, rec->page.node);
	if (rec->page.call == BRKSCOPE_PAGE_IN_FAULT)
		text_printf(r, "fault");
	else
		text_printf(r, "%s", call ?: "?");
	text_printf(r, ",gfp=%pGg", &gfp);
}

static void text_vma(struct reader *r, const struct brkscope_record *rec)
{
	char prot[5];

	proc_format_prot(prot, rec->vma.prot);
	text_printf(r, "vma %s ", vma_op_names[rec->code]);
	if (rec->code == BRKSCOPE_VMA_REMOVE)
		text_printf(r, "- - ");
	else
		text_printf(r, "%016llx %016llx ", rec->vma.start, rec->vma.end);
	if (rec->code == BRKSCOPE_VMA_ADD)
		text_printf(r, "- - ");
	else
		text_printf(r, "%016llx %016llx ", rec->vma.old_start, rec->vma.old_end);
	text_printf(r, "%d %s ", rec->vma.cause, prot);
	text_name(r, rec->vma.name);
}

static void text_signal(struct reader *r, const struct brkscope_record *rec)
{
	text_printf(r, "signal %s %016llx - %016llx - %d %s ",
		    rec->signal.signo == SIGBUS ? "SIGBUS" : "SIGSEGV", rec->signal.addr,
		    rec->signal.ip, rec->signal.si_code,
		    signal_reason(rec->signal.signo, rec->signal.si_code));
	text_name(r, rec->signal.name);
}

static void text_record(struct reader *r, const struct brkscope_record *rec)
{
	if (rec->kind == BRKSCOPE_NAME)
		return;
	text_printf(r, "%llu %llu %u ", rec->seq, rec->time, rec->tid);
	switch (rec->kind) {
	case BRKSCOPE_FAULT:
		text_fault(r, rec);
		break;
	case BRKSCOPE_BRK:
		text_printf(r, "brk %s %016llx %016llx - %016llx %lld - %s",
			    brk_result_names[rec->code], rec->brk.requested, rec->brk.now,
			    rec->brk.old, rec->brk.pages,
			    rec->brk.reason ? brk_reason_names[rec->brk.reason] : "-");
		break;
	case BRKSCOPE_VMA:
		text_vma(r, rec);
		break;
	case BRKSCOPE_PAGE:
		text_page(r, rec);
		break;
	case BRKSCOPE_SIGNAL:
		text_signal(r, rec);
		break;
	case BRKSCOPE_EXEC:
		text_printf(r, "exec - - - - - - - ");
		text_escaped(r, rec->exec.comm, "\n\\");
		break;
	case BRKSCOPE_EXIT:
		text_printf(r, "exit - - - - - %d - -", rec->exit.status);
		break;
	case BRKSCOPE_FORK:
		text_printf(r, "fork %s - - - - %u - -", fork_result_names[rec->code],
			    rec->fork.child);
		break;
	case BRKSCOPE_LOST:
		text_printf(r, "lost - - - - - %llu - -", rec->lost.count);
		break;
	}
	text_printf(r, "\n");
}

static void text_fill(struct reader *r)
{
	struct brkscope_record rec;
	u64 next;

	reader_skip_cleared(r);
	down_read(&r->w->reading);
	if (reader_peek(r, &rec, &next)) {
		r->done = 0;
		r->len = 0;
		text_record(r, &rec);
		r->next = next;
	}
	up_read(&r->w->reading);
}

static ssize_t events_read(struct file *file, char __user *to, size_t count, loff_t *pos)
{
	struct reader *r = file->private_data;
	ssize_t n, sum = 0;

	if (mutex_lock_interruptible(&r->lock))
		return -ERESTARTSYS;
	while (sum < count) {
		if (r->done == r->len) {
			cond_resched();
			if (sum && signal_pending(current))
				break;
			/* only wait with empty hands; name records make no line */
			if (sum)
				n = reader_more(r) && !READ_ONCE(r->w->removed);
			else
				n = reader_wait(r, file);
			if (n <= 0) {
				sum = sum ?: n;
				break;
			}
			text_fill(r);
			continue;
		}
		n = reader_text_out(r, to + sum, count - sum);
		if (n < 0) {
			sum = sum ?: n;
			break;
		}
		sum += n;
	}
	mutex_unlock(&r->lock);
	return sum;
}

static const struct file_operations events_ops = {
	.owner = THIS_MODULE,
	.read = events_read,
	.poll = events_poll,
	.release = events_release,
};

static int events_open(struct inode *inode, struct file *file)
{
	struct reader *r = reader_open(inode, file, EVENTS_LINE, &events_ops);

	if (IS_ERR(r))
		return PTR_ERR(r);
	r->len = scnprintf(r->text, EVENTS_LINE, "brkscope events 1\n%s\n",
			   "seq time_ns tid event what start end old_start old_end n access name");
	return 0;
}

const struct proc_ops proc_events_ops = {
	.proc_open = events_open,
};

/* ---- records ---- */

static bool bin_peek(struct reader *r, struct brkscope_record *rec, u64 *next)
{
	bool more;

	down_read(&r->w->reading);
	more = reader_peek(r, rec, next);
	up_read(&r->w->reading);
	return more;
}

static ssize_t bin_out(struct reader *r, char __user *to, size_t count)
{
	struct brkscope_record rec;
	ssize_t sum = 0;
	u64 next;

	reader_skip_cleared(r);
	while (count - sum >= sizeof(rec) && bin_peek(r, &rec, &next)) {
		if (copy_to_user(to + sum, &rec, sizeof(rec)))
			return sum ?: -EFAULT;
		r->next = next;
		sum += sizeof(rec);
		if (signal_pending(current))
			break;
		cond_resched();
	}
	return sum;
}

static ssize_t events_bin_read(struct file *file, char __user *to, size_t count, loff_t *pos)
{
	struct reader *r = file->private_data;
	ssize_t n;

	BUILD_BUG_ON(sizeof(struct brkscope_header) != sizeof(struct brkscope_record));
	if (!count)
		return 0;
	if (count < sizeof(struct brkscope_record))
		return -EINVAL;
	if (mutex_lock_interruptible(&r->lock))
		return -ERESTARTSYS;
	n = reader_wait(r, file);
	if (n > 0)
		n = r->done < r->len ? reader_text_out(r, to, count) : bin_out(r, to, count);
	mutex_unlock(&r->lock);
	return n;
}

static const struct file_operations events_bin_ops = {
	.owner = THIS_MODULE,
	.read = events_bin_read,
	.poll = events_poll,
	.release = events_release,
};

static int events_bin_open(struct inode *inode, struct file *file)
{
	struct brkscope_header *header;
	struct reader *r = reader_open(inode, file, sizeof(*header), &events_bin_ops);

	if (IS_ERR(r))
		return PTR_ERR(r);
	header = (struct brkscope_header *)r->text;
	memcpy(header->magic, BRKSCOPE_MAGIC, sizeof(header->magic));
	header->version = BRKSCOPE_VERSION;
	header->record_size = sizeof(struct brkscope_record);
	header->page_size = PAGE_SIZE;
	header->pid = watch_nr(r->w, r->w->pid);
	header->start = r->w->start;
	header->buffer_records = r->w->ring.size;
	r->len = sizeof(*header);
	return 0;
}

const struct proc_ops proc_events_bin_ops = {
	.proc_open = events_bin_open,
};
