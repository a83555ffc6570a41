/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The mirror of a process's VMAs and the pages that were touched in them
 *
 * pool.c gives the memory, mirror.c and touch.c keep it in order, name.c knows
 * what a VMA is called, range.c where something may have changed, move.c what
 * mremap moved; vma.c compares, and change.c makes the records.
 */
#ifndef _BRKSCOPE_VMA_H
#define _BRKSCOPE_VMA_H

#include <linux/irq_work.h>
#include <linux/mm.h>
#include <linux/rbtree.h>
#include <linux/workqueue.h>

#include "uapi/brkscope.h"

struct mem_cgroup;
struct pt_regs;
struct watch;

/* ---- pool.c: memory for hooks, which may not allocate ---- */

/**
 * struct pool - objects of one size that are taken and given back under watch.lock
 * @free: unused objects, linked by their first word
 * @slabs: pieces of memory that the objects lie in
 * @object: bytes of one
 * @size: objects in all
 * @unused: objects in @free
 * @max: @size does not grow beyond
 * @asked: more memory is on its way
 * @hungry: asks for it
 */
struct pool {
	void **free;
	struct pool_slab *slabs;
	size_t object;
	u32 size;
	u32 unused;
	u32 max;
	bool asked;
	struct irq_work *hungry;
};

/**
 * struct pool_grower - what gives the pools of a watch more memory
 * @hungry: queued by a hook, which may hold any lock
 * @work: queued by @hungry
 * @memcg: the watcher's, to be charged; referenced
 * @caught_up: vma_mirror.overflow up to which VMAs without a node were seen to
 */
struct pool_grower {
	struct irq_work hungry;
	struct delayed_work work;
	struct mem_cgroup *memcg;
	u64 caught_up;
};

void pool_grower_init(struct watch *w);
void pool_grower_stop(struct watch *w);
int pool_init(struct pool *pool, struct watch *w, size_t object, u32 count, u32 max);
void pool_destroy(struct pool *pool);
void *pool_take(struct pool *pool);
void pool_give(struct pool *pool, void *object);

/* ---- mirror.c: what the mirror of the VMAs holds ---- */

/**
 * struct vma_node - one VMA as the mirror knows it
 * @rb: in vma_mirror.tree by @start; first, since the pool links by it
 * @start: of the range
 * @end: of the range, exclusive
 * @delta: file offset of an address less the address; zero without a file
 * @file: identity of the mapped file, compared and never followed
 * @ino: its inode number, for a file whose memory was used again
 * @prot: BRKSCOPE_PROT_*
 * @attr: BRKSCOPE_ATTR_*
 * @name: id in name_table
 * @faults: by class, since the VMA is there; a split leaves them to the part
 *	that the mirror counts as the old VMA, a merge adds them up
 */
struct vma_node {
	struct rb_node rb;
	unsigned long start;
	unsigned long end;
	u64 delta;
	const void *file;
	unsigned long ino;
	u8 prot;
	u16 attr;
	u16 name;
	u32 faults[BRKSCOPE_CLASSES];
};

#define VMA_RANGES	4

/**
 * struct vma_ranges - where VMAs may have changed since mmap_lock was taken
 * @count: of @range; none means nothing has changed
 * @everywhere: nobody knows where
 * @named: prctl may have named what maps a file, too
 * @copied: mremap has made a VMA, the first at @copy
 * @copy: where
 * @range: page aligned
 * @range.start: first address
 * @range.end: first address after it
 * @range.fresh: mmap put new memory there, whatever there was
 */
struct vma_ranges {
	u8 count;
	bool everywhere;
	bool named;
	bool copied;
	unsigned long copy;
	struct {
		unsigned long start;
		unsigned long end;
		bool fresh;
	} range[VMA_RANGES];
};

/**
 * struct vma_move - what mremap has moved, if it has
 * @old: the range before
 * @old_end: exclusive
 * @new: the range now
 * @new_end: exclusive; zero if nothing moved
 */
struct vma_move {
	unsigned long old;
	unsigned long old_end;
	unsigned long new;
	unsigned long new_end;
};

/**
 * struct vma_mirror - every VMA of the watched address space
 * @tree: of struct vma_node, by address; changed under watch.lock
 * @pool: unused nodes
 * @last: the node that the last fault fell into, or NULL
 * @count: nodes in @tree
 * @lacking: VMAs that are not in @tree, for want of a node
 * @changes: VMA records made
 * @overflow: times that a VMA found no node
 * @epoch: counts address spaces; a comparison begun in an earlier one is void
 * @noted: by hooks since mmap_lock was taken for writing
 * @brk: mm->brk at the last look under that lock
 * @start_brk: mm->start_brk, likewise
 * @start_stack: mm->start_stack, likewise
 * @busy: bit 0 is set while somebody compares the mirror with the VMAs,
 *	bit 1 when somebody else could not and wants it done again
 */
struct vma_mirror {
	struct rb_root tree;
	struct pool pool;
	struct vma_node *last;
	u32 count;
	u32 lacking;
	u64 changes;
	u64 overflow;
	u64 epoch;
	struct vma_ranges noted;
	unsigned long brk;
	unsigned long start_brk;
	unsigned long start_stack;
	unsigned long busy;
};

u64 mirror_bytes(u32 vmas);
int mirror_init(struct watch *w, u32 vmas);
void mirror_destroy(struct watch *w);
void mirror_forget(struct watch *w);
struct vma_node *mirror_from(const struct vma_mirror *m, unsigned long addr);
struct vma_node *mirror_next(const struct vma_node *node);
struct vma_node *mirror_find(struct watch *w, unsigned long addr);
bool mirror_copy_next(struct watch *w, unsigned long addr, struct vma_node *copy);
struct vma_node *mirror_alloc(struct vma_mirror *m);
void mirror_insert(struct vma_mirror *m, struct vma_node *new);
void mirror_erase(struct vma_mirror *m, struct vma_node *node);
void mirror_free(struct vma_mirror *m, struct vma_node *node);

/* ---- name.c: what a VMA is called ---- */

#define NAME_MAX_COUNT	1024
#define NAME_BYTES	SZ_64K
#define NAME_UNKNOWN	0xffff	/* the table was full, or the path could not be told */

/**
 * struct name_table - texts of the VMAs' names, only ever appended
 * @count: names known; published after their text
 * @used: bytes of @text in use
 * @offset: of each name in @text; name id is the index, id 0 is unused
 * @slot: ids by hash of the name, open addressing; zero: unused
 * @text: NUL-terminated names
 * @path: where the name being looked at is built
 */
struct name_table {
	u32 count;
	u32 used;
	u32 offset[NAME_MAX_COUNT];
	u16 slot[2 * NAME_MAX_COUNT];
	char text[NAME_BYTES];
	char path[PATH_MAX + 64];
};

u16 name_of_vma(struct watch *w, struct vm_area_struct *vma, u16 known);
const char *mirror_name(const struct watch *w, u16 id);

/* ---- range.c: where something may have changed ---- */

bool vma_on_map(struct pt_regs *regs);
bool vma_on_copy(struct pt_regs *regs);
bool vma_on_stack(struct pt_regs *regs);
void ranges_take(struct watch *w, struct mm_struct *mm, struct vma_ranges *r,
		 struct vma_move *move);

/* ---- vma.c, move.c: what has changed ---- */

/**
 * struct sync - one comparison of mirror and VMAs
 * @w: whose mirror
 * @mm: whose VMAs; mmap_lock held
 * @epoch: of the mirror; an exec in between ends the comparison
 * @rename: look up the names of what maps files anew, they may be others
 * @cause: for the records
 * @grew: a VMA has, its node not yet
 * @lost: VMAs that found no node
 * @claimed: end of the VMA that the node @claimer already stands for
 * @claimer: see @claimed
 */
struct sync {
	struct watch *w;
	struct mm_struct *mm;
	u64 epoch;
	bool rename;
	s16 cause;
	bool grew;
	int lost;
	unsigned long claimed;
	struct vma_node *claimer;
};

void vma_moved(struct sync *s, const struct vma_move *move);
void vma_sync(struct watch *w, struct mm_struct *mm, bool rename);
int vma_refresh(struct watch *w, struct mm_struct *mm, bool wait);
bool vma_on_write_unlock(struct pt_regs *regs);

/* ---- change.c: what a VMA is, and the record of its change ---- */

/**
 * vma_prot() - permissions of a VMA in the ABI's bits
 * @vma: held still by the caller
 */
static inline u8 vma_prot(const struct vm_area_struct *vma)
{
	static_assert(VM_READ == BRKSCOPE_PROT_READ && VM_WRITE == BRKSCOPE_PROT_WRITE &&
		      VM_EXEC == BRKSCOPE_PROT_EXEC);

	return (vma->vm_flags & (VM_READ | VM_WRITE | VM_EXEC)) |
	       (vma->vm_flags & VM_MAYSHARE ? BRKSCOPE_PROT_SHARED : 0);
}

s16 vma_cause(struct mm_struct *mm);
void vma_describe(struct vm_area_struct *vma, struct vma_node *d);
bool same_backing(const struct vma_node *a, const struct vma_node *b);
bool same_kind(const struct vma_node *a, const struct vma_node *b);
bool sync_valid(const struct sync *s);
void change_record(struct sync *s, u8 op, const struct vma_node *old, const struct vma_node *new);
void change_remove(struct sync *s, struct vma_node *node);
void change_add(struct sync *s, const struct vma_node *new);
void change_node(struct sync *s, u8 op, struct vma_node *node, const struct vma_node *new);

/* ---- touch.c: which pages were ever touched ---- */

#define TOUCH_CHUNK_PAGES	512
#define TOUCH_RECENT		16

/**
 * struct touch_chunk - TOUCH_CHUNK_PAGES neighbouring pages
 * @rb: in touch_map.tree by @number; first, since the pool links by it
 * @number: first page's number / TOUCH_CHUNK_PAGES
 * @weight: bits that are set
 * @huge: some of @given are set
 * @bits: one for each page that was touched
 * @given: one for each page that came along in a huge page
 *
 * Some bit is set, in @bits or in @given.
 */
struct touch_chunk {
	struct rb_node rb;
	u64 number;
	u32 weight;
	bool huge;
	unsigned long bits[BITS_TO_LONGS(TOUCH_CHUNK_PAGES)];
	unsigned long given[BITS_TO_LONGS(TOUCH_CHUNK_PAGES)];
};

/**
 * struct touch_map - pages ever touched in the present address space
 * @tree: of struct touch_chunk, by number
 * @pool: unused chunks
 * @recent: chunks that were found last, by the low bits of their number
 * @pages: bits that are set
 * @overflow: first touches for which there was no chunk
 */
struct touch_map {
	struct rb_root tree;
	struct pool pool;
	struct touch_chunk *recent[TOUCH_RECENT];
	u64 pages;
	u64 overflow;
};

u64 touch_bytes(void);
int touch_init(struct watch *w);
void touch_destroy(struct touch_map *map);
bool touch_set(struct touch_map *map, unsigned long addr);
void touch_set_huge(struct touch_map *map, unsigned long addr);
void touch_copy(struct watch *w, u64 number, unsigned long *bits);
void touch_clear(struct watch *w, unsigned long start, unsigned long end);
void touch_move(struct watch *w, unsigned long from, unsigned long to, unsigned long bytes);
void touch_forget(struct watch *w, struct rb_root old);
u64 touch_count(struct watch *w, unsigned long start, unsigned long end);

#endif /* _BRKSCOPE_VMA_H */
