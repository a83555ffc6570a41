/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * names.h - the names of areas, classes, system calls and functions
 */
#ifndef BRKSCOPE_NAMES_H
#define BRKSCOPE_NAMES_H

#include "../../module/uapi/brkscope.h"
#include "../record/record.h"
#include "tool.h"

#define NAME_IDS	65536

/**
 * struct names - texts of the name records so far
 * @text: by number; NULL for what has not been named
 * @all: every text there ever was: rows and pieces keep pointing to them
 * @nr: how many
 * @room: room for how many
 */
struct names {
	const char	*text[NAME_IDS];
	char		**all;
	size_t		nr;
	size_t		room;
};

void names_take(struct names *n, const struct brkscope_record *r);
void names_free(struct names *n);
const char *names_text(const struct names *n, unsigned int id);
const char *base_name(const char *path);

const char *class_name(unsigned int class);
const char *vma_op_name(unsigned int op);
const char *brk_result_name(unsigned int result);
const char *call_name(unsigned int op);
const char *syscall_name(int number);

#endif /* BRKSCOPE_NAMES_H */
