// SPDX-License-Identifier: GPL-2.0-only
/*
 * names.c - what is this number called?
 */
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "names.h"

/**
 * names_take() - take over a name record
 * @n: the names
 * @r: the record; a name may come in several chunks
 */
void names_take(struct names *n, const struct brkscope_record *r)
{
	unsigned int length = r->name.length, offset = r->name.offset;
	unsigned int part = length - offset;
	const char *before = n->text[r->name.id];

	if (!r->name.id || offset >= length)
		return;
	if (part > BRKSCOPE_NAME_CHUNK)
		part = BRKSCOPE_NAME_CHUNK;
	if (!offset)
		before = "";
	else if (!before || strlen(before) != offset)
		before = "?";	/* what came before was lost */
	n->all = grow_array(n->all, n->nr, &n->room, sizeof(*n->all));
	n->all[n->nr] = xasprintf("%s%.*s", before, (int)part, r->name.text);
	n->text[r->name.id] = n->all[n->nr++];
}

/**
 * names_free() - give all texts back
 * @n: the names
 */
void names_free(struct names *n)
{
	size_t i;

	for (i = 0; i < n->nr; i++)
		free(n->all[i]);
	free(n->all);
	memset(n, 0, sizeof(*n));
}

/**
 * names_text() - the text of a name
 * @n: the names
 * @id: its number
 *
 * Return: the text, "" for no name
 */
const char *names_text(const struct names *n, unsigned int id)
{
	if (id == BRKSCOPE_NAME_NONE)
		return "";
	return id < NAME_IDS && n->text[id] ? n->text[id] : "?";
}

/**
 * base_name() - the last part of a path
 * @path: the path, or a name such as [heap]
 *
 * Return: the part of @path after its last slash
 */
const char *base_name(const char *path)
{
	const char *slash = *path == '/' ? strrchr(path, '/') : NULL;

	return slash ? slash + 1 : path;
}

static const char *pick(const char *const *names, size_t count, unsigned int number)
{
	return number < count && names[number] ? names[number] : "?";
}

/**
 * class_name() - the name of a fault class
 * @class: enum brkscope_fault_class
 *
 * Return: the name, "?" if there is none
 */
const char *class_name(unsigned int class)
{
	static const char *const names[] = BRKSCOPE_FAULT_CLASS_NAMES;

	return pick(names, ARRAY_SIZE(names), class);
}

/**
 * vma_op_name() - the name of a change of an area
 * @op: enum brkscope_vma_op
 *
 * Return: the name, "?" if there is none
 */
const char *vma_op_name(unsigned int op)
{
	static const char *const names[] = BRKSCOPE_VMA_OP_NAMES;

	return pick(names, ARRAY_SIZE(names), op);
}

/**
 * brk_result_name() - the name of what became of a brk call
 * @result: enum brkscope_brk_result
 *
 * Return: the name, "?" if there is none
 */
const char *brk_result_name(unsigned int result)
{
	static const char *const names[] = BRKSCOPE_BRK_RESULT_NAMES;

	return pick(names, ARRAY_SIZE(names), result);
}

/**
 * call_name() - the name of a recorded function
 * @op: enum brkrecord_op
 *
 * Return: the name, "?" if there is none
 */
const char *call_name(unsigned int op)
{
	static const char *const names[BRKRECORD_OPS] = {
		[BRKRECORD_MALLOC]		= "malloc",
		[BRKRECORD_FREE]		= "free",
		[BRKRECORD_CALLOC]		= "calloc",
		[BRKRECORD_REALLOC]		= "realloc",
		[BRKRECORD_REALLOCARRAY]	= "reallocarray",
		[BRKRECORD_ALIGNED_ALLOC]	= "aligned_alloc",
		[BRKRECORD_POSIX_MEMALIGN]	= "posix_memalign",
		[BRKRECORD_MEMALIGN]		= "memalign",
		[BRKRECORD_VALLOC]		= "valloc",
		[BRKRECORD_PVALLOC]		= "pvalloc",
	};

	return pick(names, ARRAY_SIZE(names), op);
}

/**
 * syscall_name() - the name of a system call that changes memory areas
 * @number: in the ABI of this machine
 *
 * Return: the name, NULL for others
 */
const char *syscall_name(int number)
{
	static const struct {
		int number;
		const char *name;
	} calls[] = {
		{ SYS_brk, "brk" },
		{ SYS_mmap, "mmap" },
		{ SYS_munmap, "munmap" },
		{ SYS_mprotect, "mprotect" },
		{ SYS_mremap, "mremap" },
		{ SYS_madvise, "madvise" },
		{ SYS_mlock, "mlock" },
		{ SYS_mlock2, "mlock2" },
		{ SYS_munlock, "munlock" },
		{ SYS_mlockall, "mlockall" },
		{ SYS_munlockall, "munlockall" },
		{ SYS_shmat, "shmat" },
		{ SYS_shmdt, "shmdt" },
		{ SYS_prctl, "prctl" },
		{ SYS_execve, "execve" },
		{ SYS_execveat, "execveat" },
		{ SYS_clone, "clone" },
		{ SYS_clone3, "clone3" },
		{ SYS_pkey_mprotect, "pkey_mprotect" },
		{ SYS_remap_file_pages, "remap_file_pages" },
		{ SYS_exit_group, "exit_group" },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(calls); i++)
		if (calls[i].number == number)
			return calls[i].name;
	return NULL;
}
