/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ia32_program.h - what does the 32-bit program do and report?
 */
#ifndef IA32_PROGRAM_H
#define IA32_PROGRAM_H

#include <stdint.h>

#define IA32_MAGIC	0x32334149
#define IA32_STEPS	4
#define IA32_STEP_BYTES	{ 40960, 5000, -4096, 0 }
#define IA32_TOUCHES	6
#define IA32_MAP_PAGES	8

/**
 * struct ia32_report - what it saw, in numbers of 32 bits
 * @magic: IA32_MAGIC
 * @start: the break at the start
 * @breaks: after each step
 * @refused: the break after asking for an impossible one
 * @map: where mmap put IA32_MAP_PAGES; the fifth was unmapped again
 */
struct ia32_report {
	uint32_t magic;
	uint32_t start;
	uint32_t breaks[IA32_STEPS];
	uint32_t refused;
	uint32_t map;
};

#endif /* IA32_PROGRAM_H */
