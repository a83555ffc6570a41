/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * check.h - does the module say what the kernel says?
 */
#ifndef BRKSCOPE_CHECK_H
#define BRKSCOPE_CHECK_H

#include "calllog.h"
#include "kernel.h"
#include "program.h"

/**
 * struct checks - verdicts, and the texts that they were drawn from
 * @verdicts: text, a line each: "ok: ...", "DIFFERS: ..." or "not made: ..."
 * @failed: how many differ, or could not be compared though they should
 * @vmas: the module's vmas at the program's end, NULL if it was not held there
 * @maps: the kernel's maps at the same moment
 * @summary: the module's summary at the same moment
 * @stat: the kernel's /proc/PID/stat at the same moment
 */
struct checks {
	char	*verdicts;
	int	failed;
	char	*vmas;
	char	*maps;
	char	*summary;
	char	*stat;
};

void checks_take(struct checks *c, const struct watch *w);
void checks_judge(struct checks *c, const struct watch *w, const struct program *p,
		  const struct calllog *log, const char *final_summary);
void checks_free(struct checks *c);

#endif /* BRKSCOPE_CHECK_H */
