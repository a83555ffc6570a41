// SPDX-License-Identifier: GPL-2.0-only
/*
 * vma_calls_test.c - does each way of changing a VMA reach mirror and records?
 *
 * Every variant of the fixture is one such way. After it the mirror must equal
 * maps, and the records since must turn the VMAs of before into those of now.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "brkscope_test.h"
#include "vma_calls.h"

FIXTURE(call) {
	pid_t pid;
	int events;
};

FIXTURE_VARIANT(call) {
	int (*make)(void);
};

FIXTURE_VARIANT_ADD(call, fixed_over_existing) {
	.make = fixed_over_existing
};

FIXTURE_VARIANT_ADD(call, fixed_over_a_hole_and_two_areas) {
	.make = fixed_over_a_hole_and_two_areas
};

FIXTURE_VARIANT_ADD(call, munmap_hole) {
	.make = munmap_hole
};

FIXTURE_VARIANT_ADD(call, mprotect_split_and_merge) {
	.make = mprotect_split_and_merge
};

FIXTURE_VARIANT_ADD(call, mprotect_many) {
	.make = mprotect_many
};

FIXTURE_VARIANT_ADD(call, pkey_protect) {
	.make = pkey_protect
};

FIXTURE_VARIANT_ADD(call, mremap_move) {
	.make = mremap_move
};

FIXTURE_VARIANT_ADD(call, mremap_keep_old) {
	.make = mremap_keep_old
};

FIXTURE_VARIANT_ADD(call, mlock_part) {
	.make = mlock_part
};

FIXTURE_VARIANT_ADD(call, mlock_and_unlock) {
	.make = mlock_and_unlock
};

FIXTURE_VARIANT_ADD(call, mlock_all) {
	.make = mlock_all
};

FIXTURE_VARIANT_ADD(call, madvise_each) {
	.make = madvise_each
};

FIXTURE_VARIANT_ADD(call, memory_policy) {
	.make = memory_policy
};

FIXTURE_VARIANT_ADD(call, sysv_memory) {
	.make = sysv_memory
};

FIXTURE_VARIANT_ADD(call, sysv_memory_detached) {
	.make = sysv_memory_detached
};

FIXTURE_VARIANT_ADD(call, sysv_memory_detached_in_pieces) {
	.make = sysv_memory_detached_in_pieces
};

FIXTURE_VARIANT_ADD(call, remap_pages) {
	.make = remap_pages
};

FIXTURE_VARIANT_ADD(call, userfault_register) {
	.make = userfault_register
};

FIXTURE_VARIANT_ADD(call, userfault_closed) {
	.make = userfault_closed
};

FIXTURE_VARIANT_ADD(call, stack_growth) {
	.make = stack_growth
};

FIXTURE_VARIANT_ADD(call, growsdown_area) {
	.make = growsdown_area
};

FIXTURE_VARIANT_ADD(call, kernel_grows_the_stack) {
	.make = kernel_grows_the_stack
};

FIXTURE_VARIANT_ADD(call, call_by_the_32_bit_gate) {
	.make = call_by_the_32_bit_gate
};

FIXTURE_VARIANT_ADD(call, heap_gone_and_back) {
	.make = heap_gone_and_back
};

FIXTURE_VARIANT_ADD(call, merge_with_both_neighbours) {
	.make = merge_with_both_neighbours
};

FIXTURE_VARIANT_ADD(call, munmap_of_many) {
	.make = munmap_of_many
};

FIXTURE_VARIANT_ADD(call, mprotect_down_to_the_start) {
	.make = mprotect_down_to_the_start
};

FIXTURE_VARIANT_ADD(call, mlock_of_unaligned_bytes) {
	.make = mlock_of_unaligned_bytes
};

FIXTURE_VARIANT_ADD(call, stack_growth_in_a_call) {
	.make = stack_growth_in_a_call
};

FIXTURE_VARIANT_ADD(call, brk_up) {
	.make = brk_up
};

FIXTURE_VARIANT_ADD(call, brk_steps) {
	.make = brk_steps
};

FIXTURE_VARIANT_ADD(call, fails) {
	.make = fails
};

FIXTURE_VARIANT_ADD(call, huge_pages) {
	.make = huge_pages
};

FIXTURE_SETUP(call)
{
	scope_prepare();
	self->pid = getpid();
	ASSERT_EQ(0, calls_prepare());
	ASSERT_EQ(0, scope_watch(self->pid));
	self->events = scope_events(self->pid, NULL);
	ASSERT_LE(0, self->events);
}

FIXTURE_TEARDOWN(call)
{
	close(self->events);
	scope_unwatch(self->pid);
	scope_ranged(true);
}

/* The records come first: reading PID/vmas makes the module look for itself. */
static const char *differs_after(pid_t pid, int events, int (*make)(void), int *error)
{
	const char *difference = replay_from_here(pid, events);
	ssize_t count;

	if (difference)
		return difference;
	*error = make();
	if (*error)
		return NULL;
	difference = replay_differs(pid, events, &count);
	return difference ?: mirror_differs(pid);
}

static bool cannot(int error)
{
	return error == -ENOSYS || error == -EINVAL || error == -EPERM;
}

TEST_F(call, leaves_replayed_records_and_mirror_equal_to_maps)
{
	const char *difference;
	int error = 0;

	difference = differs_after(self->pid, self->events, variant->make,
				   &error);
	EXPECT_EQ(NULL, difference)
		TH_LOG("%s", difference);
	if (cannot(error))
		SKIP(return, "this kernel or machine cannot: %s",
		     strerror(-error));
	EXPECT_EQ(0, error);
}

TEST_F_TIMEOUT(call, does_so_among_3000_other_areas, 300)
{
	const char *difference;
	int error = 0;

	ASSERT_NE(NULL, scope_crowd(3000));
	ASSERT_TRUE(mirror_is_complete(self->pid));
	difference = differs_after(self->pid, self->events, variant->make,
				   &error);
	EXPECT_EQ(NULL, difference)
		TH_LOG("%s", difference);
	if (cannot(error))
		SKIP(return, "this kernel or machine cannot: %s",
		     strerror(-error));
	EXPECT_EQ(0, error);
}

TEST_F(call, does_so_when_the_module_does_not_know_where_to_look)
{
	const char *difference;
	int error = 0;

	ASSERT_EQ(0, scope_ranged(false));
	difference = differs_after(self->pid, self->events, variant->make,
				   &error);
	EXPECT_EQ(NULL, difference)
		TH_LOG("%s", difference);
	if (cannot(error))
		SKIP(return, "this kernel or machine cannot: %s",
		     strerror(-error));
	EXPECT_EQ(0, error);
}

TEST_HARNESS_MAIN
