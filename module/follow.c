// SPDX-License-Identifier: GPL-2.0-only
/*
 * How do the children of a watched process get watches of their own?
 *
 * A watch that follows and the watches of all descendants are a family. A probe
 * cannot allocate, so each family keeps a few spare watches: complete but for a
 * process. A fork takes one, gives it the child and its address space, and fills
 * the mirror while nobody has run in it yet. A work item makes the directory,
 * which the probe could not, and new spares, in the name and at the expense of
 * the watcher: his user's limits, his cgroup. A child for which no spare is ready
 * is missed, and told so in the parent's stream.
 *
 * Context of follow_on_fork(): the parent in fork, clone or vfork; the child exists
 * and has not run; preemption off, RCU read lock, no lock held. No allocation, no sleep.
 *
 * Owner: each watch of the family holds a reference, and so does the work while it
 * is queued. While a spare exists the hooks stay attached; spares go with the last
 * live watch of the family.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cred.h>
#include <linux/delay.h>
#include <linux/memcontrol.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "internal.h"

static unsigned int follow_spares = 8;
module_param(follow_spares, uint, 0444);
MODULE_PARM_DESC(follow_spares, "watches kept ready for the children of a process that is followed (8)");

/**
 * struct follow - what the watches of one family have in common
 * @ref: see the head of the file
 * @options: of the command; each child gets the same
 * @memcg: cgroup of the one who gave it, or NULL
 * @vmas: the most VMAs that a child had when it was made
 * @unshown: followed children for which no directory could be made
 * @work: publishes and refills
 * @lock: of everything below; taken in a probe, so raw, and interrupts off
 * @spares: by watch.spare; without a process
 * @ready: how many there are
 * @fresh: by watch.spare; with a process, without a directory
 * @members: live watches of the family
 */
struct follow {
	refcount_t ref;
	struct watch_options options;
	struct mem_cgroup *memcg;
	u32 vmas;
	atomic64_t unshown;
	struct work_struct work;

	raw_spinlock_t lock;
	struct list_head spares;
	u32 ready;
	struct list_head fresh;
	u32 members;
};

static struct workqueue_struct *follow_wq;
static bool draining;	/* the module is being unloaded */

/* ---- life ---- */

/**
 * follow_get() - take a reference
 * @f: the caller has one; or NULL
 */
struct follow *follow_get(struct follow *f)
{
	if (f)
		refcount_inc(&f->ref);
	return f;
}

/**
 * follow_put() - give a reference back; the last one frees
 * @f: or NULL
 *
 * Context: any if it cannot be the last, else process.
 */
void follow_put(struct follow *f)
{
	if (!f || !refcount_dec_and_test(&f->ref))
		return;
	put_cred(f->options.cred);
	if (f->options.ns)
		put_pid_ns(f->options.ns);
	mem_cgroup_put(f->memcg);
	kfree(f);
}

/* Context: any but NMI; the caller has a reference. */
static void follow_queue(struct follow *f)
{
	if (READ_ONCE(draining))
		return;
	follow_get(f);
	if (!queue_work(follow_wq, &f->work))
		follow_put(f);
}

/**
 * follow_join() - a live watch is one more of the family
 * @f: the family, or NULL
 */
void follow_join(struct follow *f)
{
	unsigned long irq;

	if (!f)
		return;
	raw_spin_lock_irqsave(&f->lock, irq);
	f->members++;
	raw_spin_unlock_irqrestore(&f->lock, irq);
}

/**
 * follow_leave() - a live watch of the family has ended
 * @f: the family, or NULL
 *
 * Context: any but NMI.
 */
void follow_leave(struct follow *f)
{
	unsigned long irq;
	bool last;

	if (!f)
		return;
	raw_spin_lock_irqsave(&f->lock, irq);
	last = !--f->members;
	raw_spin_unlock_irqrestore(&f->lock, irq);
	if (last)
		follow_queue(f);
}

/**
 * follow_unshown() - followed children for which no directory could be made
 * @f: the family, or NULL
 */
u64 follow_unshown(const struct follow *f)
{
	return f ? atomic64_read(&f->unshown) : 0;
}

/* ---- spares ---- */

/* Return: a spare that nobody else has any more, or NULL. */
static struct watch *follow_take(struct follow *f, bool member)
{
	struct watch *s;
	unsigned long irq;

	raw_spin_lock_irqsave(&f->lock, irq);
	s = list_first_entry_or_null(&f->spares, struct watch, spare);
	if (s) {
		list_del_init(&s->spare);
		f->ready--;
		f->members += member;
	}
	raw_spin_unlock_irqrestore(&f->lock, irq);
	return s;
}

static void follow_give(struct follow *f, struct watch *s)
{
	unsigned long irq;

	raw_spin_lock_irqsave(&f->lock, irq);
	list_add(&s->spare, &f->spares);
	f->ready++;
	raw_spin_unlock_irqrestore(&f->lock, irq);
}

/**
 * follow_take_back() - a spare shall make room for something else
 * @w: a watch without a process when it was looked at
 *
 * Context: watch_mutex is held. Return: false if a child has got it meanwhile.
 */
bool follow_take_back(struct watch *w)
{
	struct follow *f = w->follow;
	unsigned long irq;
	bool spare;

	raw_spin_lock_irqsave(&f->lock, irq);
	spare = !w->pid && !list_empty(&w->spare);
	if (spare) {
		list_del_init(&w->spare);
		f->ready--;
	}
	raw_spin_unlock_irqrestore(&f->lock, irq);
	return spare;
}

static bool follow_needs(struct follow *f)
{
	unsigned long irq;
	bool needs;

	raw_spin_lock_irqsave(&f->lock, irq);
	needs = f->members && f->ready < follow_spares;
	raw_spin_unlock_irqrestore(&f->lock, irq);
	return needs && !READ_ONCE(draining);
}

static bool follow_make_spare(struct follow *f)
{
	const char *why;
	struct watch *s = watch_make(&f->options, READ_ONCE(f->vmas), true, &why);

	if (IS_ERR(s))
		return false;
	if (watch_enlist(s, &why)) {
		watch_put(s);
		return false;
	}
	follow_give(f, s);
	return true;
}

/* ---- the work ---- */

static void follow_publish(struct follow *f)
{
	struct watch *w;

	for (;;) {
		raw_spin_lock_irq(&f->lock);
		w = list_first_entry_or_null(&f->fresh, struct watch, spare);
		if (w)
			list_del_init(&w->spare);
		raw_spin_unlock_irq(&f->lock);
		if (!w)
			return;
		if (watch_publish(w)) {
			atomic64_inc(&f->unshown);
			watch_destroy(w);
		}
	}
}

static void follow_work(struct work_struct *work)
{
	struct follow *f = container_of(work, struct follow, work);
	struct mem_cgroup *old = set_active_memcg(f->memcg);
	struct watch *s;
	bool over;

	do
		follow_publish(f);
	while (follow_needs(f) && follow_make_spare(f));
	raw_spin_lock_irq(&f->lock);
	over = !f->members;
	raw_spin_unlock_irq(&f->lock);
	while (over && (s = follow_take(f, false)))
		watch_destroy(s);
	set_active_memcg(old);
	follow_put(f);
}

/**
 * follow_create() - begin a family
 * @options: of its watches; the caller's credentials and pid namespace
 * @vmas: VMAs that the first process has
 *
 * Context: process; its cgroup pays for all of the family. Return: a reference,
 * or NULL without memory.
 */
struct follow *follow_create(const struct watch_options *options, u32 vmas)
{
	struct follow *f = kzalloc(sizeof(*f), GFP_KERNEL_ACCOUNT);

	if (!f)
		return NULL;
	refcount_set(&f->ref, 1);
	f->options = *options;
	f->options.follow = f;
	get_cred(options->cred);
	if (options->ns)
		get_pid_ns(options->ns);
	f->memcg = get_mem_cgroup_from_mm(current->mm);
	f->vmas = vmas;
	INIT_WORK(&f->work, follow_work);
	raw_spin_lock_init(&f->lock);
	INIT_LIST_HEAD(&f->spares);
	INIT_LIST_HEAD(&f->fresh);
	return f;
}

/**
 * follow_refill() - have all spares ready
 * @f: the family, or NULL
 *
 * Context: process; waits for it.
 */
void follow_refill(struct follow *f)
{
	if (!f)
		return;
	follow_queue(f);
	flush_work(&f->work);
}

/* ---- the probe ---- */

/*
 * The mirror of an address space that was made a moment ago. Hardly anybody can
 * know of it; if somebody does and changes it, the end of that fills the mirror.
 */
static void follow_fill(struct watch *s, struct mm_struct *mm)
{
	unsigned long irq;

	raw_spin_lock_irqsave(&s->lock, irq);
	brk_look(s, mm);
	raw_spin_unlock_irqrestore(&s->lock, irq);
	if (mmap_read_trylock(mm)) {
		vma_sync(s, mm, false);
		mmap_read_unlock(mm);
	}
}

/* Return: false if the child is watched already: somebody was very quick. */
static bool follow_begin(struct watch *s, struct task_struct *parent, struct task_struct *child)
{
	watch_set_process(s, child, task_tgid(child));
	s->borrows = child->mm == parent->mm;
	if (!watch_table_add_pid(s))
		return false;
	if (!s->borrows && !watch_table_add_mm(s, child->mm))
		follow_fill(s, child->mm);
	return true;
}

static u8 follow_child(struct follow *f, struct task_struct *parent, struct task_struct *child)
{
	struct watch *s;
	unsigned long irq;
	bool begun;

	if (!f || !may_trace(f->options.cred, child))
		return BRKSCOPE_FORK_ALONE;
	if (child->mm->map_count > READ_ONCE(f->vmas))
		WRITE_ONCE(f->vmas, child->mm->map_count);
	s = follow_take(f, true);
	if (!s) {
		follow_queue(f);
		return BRKSCOPE_FORK_MISSED;
	}
	begun = follow_begin(s, parent, child);
	raw_spin_lock_irqsave(&f->lock, irq);
	if (begun) {
		list_add_tail(&s->spare, &f->fresh);
	} else {
		put_pid(s->pid);
		WRITE_ONCE(s->pid, NULL);
		list_add(&s->spare, &f->spares);
		f->ready++;
		f->members--;
	}
	raw_spin_unlock_irqrestore(&f->lock, irq);
	follow_queue(f);
	return begun ? BRKSCOPE_FORK_FOLLOWED : BRKSCOPE_FORK_MISSED;
}

/**
 * follow_on_fork() - a process makes another
 * @parent: current, the thread that does it
 * @child: its first thread; does not run yet
 *
 * Context: see the head of the file.
 *
 * Return: was it about a watched process?
 */
bool follow_on_fork(struct task_struct *parent, struct task_struct *child)
{
	struct brkscope_record rec = { .kind = BRKSCOPE_FORK };
	struct watch *w;
	unsigned long irq;

	if (same_thread_group(parent, child) || !child->mm)
		return false;
	w = watch_of_task(parent);
	if (!w)
		return false;
	rec.time = ktime_get_mono_fast_ns();
	rec.tid = watch_tid(w, parent);
	rec.code = follow_child(w->follow, parent, child);
	rec.fork.child = watch_nr(w, task_tgid(child));
	rec.fork.shares = child->mm == parent->mm;
	raw_spin_lock_irqsave(&w->lock, irq);
	w->children.results[rec.code]++;
	ring_put(w, &rec);
	raw_spin_unlock_irqrestore(&w->lock, irq);
	return true;
}

/* ---- load and unload ---- */

/**
 * follow_init() - make the work queue
 *
 * Return: 0 or -ENOMEM.
 */
int follow_init(void)
{
	follow_wq = alloc_workqueue("brkscope", WQ_UNBOUND, 0);
	return follow_wq ? 0 : -ENOMEM;
}

/**
 * follow_drain() - no work is under way and none comes any more
 *
 * Context: unload, while the hooks are on: work that makes a spare would attach them
 * again.
 */
void follow_drain(void)
{
	WRITE_ONCE(draining, true);
	synchronize_rcu();	/* hooks that have not seen it have queued what they wanted */
	drain_workqueue(follow_wq);
}

/**
 * follow_exit() - after the last watch
 */
void follow_exit(void)
{
	destroy_workqueue(follow_wq);
}
