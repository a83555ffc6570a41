// SPDX-License-Identifier: GPL-2.0-only
/*
 * report_test.c - does the report say what is in the recording?
 *
 * Runs `brkscope report' on a recording of which every number is known, see
 * synthetic.c, and looks for the lines that must be there.
 */
#include <regex.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "synthetic.h"
#include "tool_test.h"

FIXTURE(report) {
	char *path;
	char *tool;
	char text[1 << 16];
	int status;
};

FIXTURE_SETUP(report)
{
	self->path = temporary_file();
	self->tool = build_path("user/brkscope");
	synthetic_file(self->path);
	self->status = run_command(self->text, sizeof(self->text), "%s report %s", self->tool,
				   self->path);
}

FIXTURE_TEARDOWN(report)
{
	unlink(self->path);
	free(self->path);
	free(self->tool);
}

/* Is there a line that matches the extended regular expression? */
static bool has(const char *text, const char *expression)
{
	regex_t regex;
	bool found;

	if (regcomp(&regex, expression, REG_EXTENDED | REG_NOSUB | REG_NEWLINE))
		die("%s: not a regular expression", expression);
	found = !regexec(&regex, text, 0, NULL, 0);
	regfree(&regex);
	return found;
}

/* A line like that is there, or is not. */
static void expect(struct __test_metadata *_metadata, const char *text, const char *expression,
		   bool there)
{
	EXPECT_EQ(there, has(text, expression))
		TH_LOG("%s line is like: %s\n%s", there ? "no" : "a", expression, text);
}

#define EXPECT_LINE(expression)		expect(_metadata, self->text, expression, true)
#define EXPECT_NO_LINE(expression)	expect(_metadata, self->text, expression, false)

TEST_F(report, names_the_program_and_its_end)
{
	EXPECT_EQ(0, self->status);
	EXPECT_LINE("^demo --with args$");
	EXPECT_LINE("process 4242, 5.00 ms, exit status 3;");
}

TEST_F(report, says_which_malloc_moved_the_break)
{
	EXPECT_LINE("1010\\.0 us +break grown .*-555500021000 +\\+132 KiB .*in malloc\\(24\\)$");
}

TEST_F(report, shows_a_move_of_the_break_once)
{
	EXPECT_NO_LINE("area (add|grow).*heap");
}

TEST_F(report, folds_a_run_of_first_touches)
{
	EXPECT_LINE("1100\\.0 us +first-write x17 +555500000000-555500011000 +68 KiB +\\[heap\\]");
	EXPECT_LINE("2100\\.0 us +first-read x8 +7f0000000000-7f0000008000 +32 KiB");
	EXPECT_LINE("2200\\.0 us +upgrade x4 +7f0000000000-7f0000004000 +16 KiB");
}

TEST_F(report, names_another_thread)
{
	EXPECT_LINE("1150\\.0 us +first-write +555500014000-555500015000 +4 KiB .*\\[4243\\]$");
}

TEST_F(report, says_which_malloc_mapped_and_moved_and_unmapped)
{
	EXPECT_LINE("area add rw-p +7f0000000000-7f0000101000 .*1\\.00 MiB +in malloc\\(1 MiB\\)$");
	EXPECT_LINE("area moved x2 .* \\+1 MiB +in realloc\\(2 MiB\\)$");
	EXPECT_LINE("area remove rw-p .*-7f0040201000 +-2\\.00 MiB +in free\\(7f0040000010\\)$");
}

TEST_F(report, folds_what_the_dynamic_linker_does_unless_all_is_wanted)
{
	EXPECT_LINE("loaded in 1.01 ms: 2 changes of areas, 0 faults");
	EXPECT_NO_LINE("libdemo");
	run_command(self->text, sizeof(self->text), "%s report --full %s", self->tool, self->path);
	EXPECT_LINE("area add rw-p .*libdemo\\.so\\.1 +by mmap$");
	EXPECT_NO_LINE("loaded in");
}

TEST_F(report, leaves_out_the_middle_and_says_how_much)
{
	run_command(self->text, sizeof(self->text), "%s report --rows 6 %s", self->tool,
		    self->path);
	EXPECT_LINE("\\.\\.\\. +8 rows left out: 0 break moves, 4 changes of areas, 13 faults");
}

TEST_F(report, counts_faults_by_class_with_median_and_p99)
{
	EXPECT_LINE("^  first-write +18 +60\\.0% +1\\.01 us +1\\.02 us");
	EXPECT_LINE("^  first-read +8 +26\\.7% +1\\.00 us +1\\.01 us");
	EXPECT_LINE("^  upgrade +4 +13\\.3%");
	EXPECT_LINE("^  all +30 ");
}

TEST_F(report, counts_malloc_calls_by_function)
{
	EXPECT_LINE("^  malloc +2 +- +50\\.0 us +50\\.0 us +100 us +1\\.00 MiB$");
	EXPECT_LINE("^  realloc +1 +- .* 2 MiB$");
	EXPECT_LINE("^  free +1 ");
}

TEST_F(report, sums_up_what_was_asked_obtained_and_touched)
{
	/* 24 + 2 MiB live after the realloc; 24 + 1 MiB + 2 MiB in all */
	EXPECT_LINE("asked of malloc, live at the peak +2\\.00 MiB +2,097,176 B$");
	EXPECT_LINE("  in all calls +3\\.00 MiB +3,145,752 B$");
	/* 33 + 513 pages */
	EXPECT_LINE("obtained for it, at the peak +2\\.13 MiB +2,236,416 B +106\\.6% of");
	EXPECT_LINE("  by moving the break +132 KiB +135,168 B +6\\.0% of");
	EXPECT_LINE("  by anonymous maps +2\\.00 MiB +2,101,248 B +94\\.0% of");
	/* 18 of the heap, 8 of the block, which realloc moved along */
	EXPECT_LINE("ever touched +104 KiB +106,496 B +4\\.8% of");
	EXPECT_LINE("never touched +2\\.03 MiB +2,129,920 B +95\\.2% of");
	EXPECT_NO_LINE("other anonymous maps");
}

TEST_F(report, tells_of_children_refusals_and_signals)
{
	EXPECT_LINE("4200\\.0 us +made child process 4711$");
	EXPECT_LINE("4300\\.0 us +break refused .*\\[heap\\]: RLIMIT_DATA");
	EXPECT_LINE("4400\\.0 us +SIGSEGV at dead0: no area there$");
}

TEST_F(report, sums_up_the_physical_pages)
{
	EXPECT_LINE("physical pages given +2\\.02 MiB +2,121,728 B$");
	EXPECT_LINE("  for data +2\\.02 MiB +2,113,536 B +99\\.6% of");
	EXPECT_LINE("  for page tables +8 KiB +8,192 B +0\\.4% of");
}

TEST_F(report, shows_losses_and_checks)
{
	EXPECT_LINE("^  0 kernel records lost");
	EXPECT_LINE("^  0 malloc calls not recorded");
	EXPECT_LINE("^  ok: one thing$");
	EXPECT_LINE("^  DIFFERS: another$");
}

TEST_F(report, is_no_wider_than_a_hundred_columns_where_names_are_short)
{
	const char *line, *end;

	for (line = self->text; *line; line = end + 1) {
		end = strchrnul(line, '\n');
		EXPECT_LE(end - line, 100) TH_LOG("%.*s", (int)(end - line), line);
		if (!*end)
			break;
	}
}

TEST_F(report, has_no_colour_outside_of_a_terminal)
{
	EXPECT_EQ(NULL, strchr(self->text, '\033'));
}

TEST_HARNESS_MAIN
