/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * synthetic.h - a made-up recording of which every number is known
 */
#ifndef SELFTESTS_TOOL_SYNTHETIC_H
#define SELFTESTS_TOOL_SYNTHETIC_H

#include <stddef.h>

#define SYNTHETIC_PID		4242
#define SYNTHETIC_HEAP		0x555500000000ULL
#define SYNTHETIC_MAP		0x7f0000000000ULL
#define SYNTHETIC_PAGE		4096ULL

void synthetic_file(const char *path);
size_t synthetic_events(void);
size_t synthetic_calls(void);
size_t synthetic_padding(void);

#endif /* SELFTESTS_TOOL_SYNTHETIC_H */
