/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vma_calls.h - by what calls can a process change its VMAs?
 *
 * Each returns 0, or -errno if it could not be done.
 */
#ifndef VMA_CALLS_H
#define VMA_CALLS_H

int fixed_over_existing(void);
int fixed_over_a_hole_and_two_areas(void);
int munmap_hole(void);
int mprotect_split_and_merge(void);
int mprotect_many(void);
int pkey_protect(void);
int mremap_move(void);
int mremap_keep_old(void);
int mlock_part(void);
int mlock_and_unlock(void);
int mlock_all(void);
int madvise_each(void);
int memory_policy(void);
int sysv_memory(void);
int sysv_memory_detached(void);
int sysv_memory_detached_in_pieces(void);
int remap_pages(void);
int userfault_register(void);
int userfault_closed(void);
int stack_growth(void);
int growsdown_area(void);
int kernel_grows_the_stack(void);
int call_by_the_32_bit_gate(void);
int heap_gone_and_back(void);
int merge_with_both_neighbours(void);
int munmap_of_many(void);
int mprotect_down_to_the_start(void);
int mlock_of_unaligned_bytes(void);
int stack_growth_in_a_call(void);
int brk_up(void);
int brk_steps(void);
int fails(void);
int huge_pages(void);

int calls_prepare(void);

#endif /* VMA_CALLS_H */
