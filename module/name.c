// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is a VMA called?
 *
 * As in /proc/PID/maps. Each name gets a number the first time, and records
 * that make it known. The table is only appended, by the one who compares the
 * mirror with the VMAs; readers take no lock.
 */
#include <linux/dcache.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/stringhash.h>

#include "internal.h"

/* A VMA without a file, or that prctl(PR_SET_VMA_ANON_NAME) has named. */
static const char *name_anonymous(struct watch *w, struct vm_area_struct *vma)
{
#ifdef CONFIG_ANON_VMA_NAME
	if (vma->anon_name) {
		snprintf(w->names->path, sizeof(w->names->path),
			 vma->vm_file ? "[anon_shmem:%s]" : "[anon:%s]", vma->anon_name->name);
		return w->names->path;
	}
#endif
	return NULL;
}

/*
 * The path of a file. It begins at the root of whoever asks; a task that ends and
 * closes its last files (a userfaultfd changes VMAs then) has none any more.
 */
static const char *name_path(struct watch *w, const struct file *file)
{
	if (!current->fs)
		return ERR_PTR(-ENOENT);
	return d_path(file_user_path(file), w->names->path, sizeof(w->names->path));
}

/*
 * The name that /proc/PID/maps shows, see get_vma_name() in fs/proc/task_mmu.c;
 * an error if it cannot be told.
 */
static const char *name_text(struct watch *w, struct vm_area_struct *vma)
{
	const char *text = NULL;

	if (vma->vm_file) {
		if (COMPAT_ANON_SHMEM_NAME)
			text = name_anonymous(w, vma);
		return text ?: name_path(w, vma->vm_file);
	}
	if (vma->vm_ops && vma->vm_ops->name)
		text = vma->vm_ops->name(vma);
	if (text)
		return text;
	if (vma_is_initial_heap(vma))
		return "[heap]";
	if (vma_is_initial_stack(vma))
		return "[stack]";
	return name_anonymous(w, vma);
}

/**
 * mirror_name() - text of a name
 * @w: whose
 * @id: from a node or a record
 *
 * Context: any. Return: the text, "" for no name, "?" where the table was full.
 */
const char *mirror_name(const struct watch *w, u16 id)
{
	if (id == BRKSCOPE_NAME_NONE)
		return "";
	if (id >= smp_load_acquire(&w->names->count))	/* pairs with name_number() */
		return "?";
	return w->names->text + w->names->offset[id];
}

static void name_announce(struct watch *w, u16 id, const char *text)
{
	size_t length = strlen(text), offset;
	unsigned long irq;

	for (offset = 0; offset < length; offset += BRKSCOPE_NAME_CHUNK) {
		struct brkscope_record rec = {
			.tid = watch_tid(w, current), .kind = BRKSCOPE_NAME,
			.name = { .id = id, .length = length, .offset = offset },
		};

		memcpy(rec.name.text, text + offset,
		       min_t(size_t, length - offset, BRKSCOPE_NAME_CHUNK));
		raw_spin_lock_irqsave(&w->lock, irq);
		ring_put(w, &rec);
		raw_spin_unlock_irqrestore(&w->lock, irq);
	}
}

/* The number of a name; a new one is made known. NAME_UNKNOWN if the table is full. */
static u16 name_number(struct watch *w, const char *text)
{
	struct name_table *t = w->names;
	size_t length = strlen(text);
	u32 i = full_name_hash(NULL, text, length) % ARRAY_SIZE(t->slot);
	u32 id = max(t->count, 1U);

	for (; t->slot[i]; i = (i + 1) % ARRAY_SIZE(t->slot))
		if (!strcmp(t->text + t->offset[t->slot[i]], text))
			return t->slot[i];
	if (id == NAME_MAX_COUNT || t->used + length + 1 > NAME_BYTES)
		return NAME_UNKNOWN;
	memcpy(t->text + t->used, text, length + 1);
	t->offset[id] = t->used;
	t->used += length + 1;
	t->slot[i] = id;
	smp_store_release(&t->count, id + 1);	/* the text comes before its id */
	name_announce(w, id, text);
	return id;
}

/**
 * name_of_vma() - the number of a VMA's name
 * @w: whose
 * @vma: held still by the caller
 * @known: what it is called if that cannot be told now: as before, or NAME_UNKNOWN
 *
 * Context: the one who compares; nobody else adds names. Return: id of the name,
 * NAME_UNKNOWN if the table is full.
 */
u16 name_of_vma(struct watch *w, struct vm_area_struct *vma, u16 known)
{
	const char *text = name_text(w, vma);

	if (IS_ERR(text))
		return known;
	return text ? name_number(w, text) : BRKSCOPE_NAME_NONE;
}
