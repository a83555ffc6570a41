// SPDX-License-Identifier: GPL-2.0-only
/*
 * fault_class.c - where do the tests of the classes of faults make them?
 */
#include <setjmp.h>
#include <sys/mman.h>

#include "fault_class.h"

sigjmp_buf class_back;

/** class_jump_back() - a signal handler: back to where sigsetjmp() was */
void class_jump_back(int signal)
{
	siglongjmp(class_back, signal);
}

/**
 * class_faults() - the faults in some pages since the last call
 * @events: stream of the watch
 * @from: the first page
 * @pages: how many
 *
 * Return: how many, and they are at the front of scope_records; or -errno.
 */
ssize_t class_faults(int events, const char *from, size_t pages)
{
	return scope_faults(events, from, pages * scope_page_size());
}

/** map_file() - map PAGES pages of a file, as mmap(2) with these flags */
char *map_file(int file, int flags)
{
	return mmap(NULL, PAGES * scope_page_size(), PROT_READ | PROT_WRITE,
		    flags, file, 0);
}
