/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * preload.h - the environment of the program that is run
 */
#ifndef BRKSCOPE_PRELOAD_H
#define BRKSCOPE_PRELOAD_H

#include "tool.h"

char **preload_environment(bool record, bool ours, const char *log_path);
void preload_free(char **environment);

#endif /* BRKSCOPE_PRELOAD_H */
