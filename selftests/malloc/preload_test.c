// SPDX-License-Identifier: GPL-2.0-only
/*
 * preload_test.c - do programs that nobody here wrote run on our malloc?
 *
 * Each command runs on the C library's malloc and with ours preloaded; output
 * and exit status must be the same. That ours really serves them is seen by a
 * process that looks for it in its own /proc/self/maps.
 */
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "kselftest_harness.h"
#include "malloc_test.h"

const struct scenario scenarios[] = { { } };

static char preload[PATH_MAX + 16] = "LD_PRELOAD=";

/* build/selftests/malloc/preload_test -> build/user/libbrkmalloc.so */
static bool find_library(void)
{
	char path[PATH_MAX];
	char *file = preload + strlen("LD_PRELOAD=");
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	struct stat st;

	if (n < 0)
		return false;
	path[n] = '\0';
	snprintf(file, PATH_MAX, "%s/../../user/libbrkmalloc.so", dirname(path));
	return !stat(file, &st);
}

static bool installed(const char *program)
{
	char command[128];

	snprintf(command, sizeof(command), "command -v %s >/dev/null 2>&1",
		 program);
	return !system(command);
}

static void run_shell(struct outcome *outcome, const char *command,
		      char *const settings[])
{
	char *const argv[] = { "/bin/sh", "-c", (char *)command, NULL };

	run_program(outcome, argv, settings);
}

FIXTURE(preload) {
	char	directory[64];
};

FIXTURE_VARIANT(preload) {
	const char	*program;	/* must be installed */
	const char	*command;
	char		*setting;
};

FIXTURE_SETUP(preload)
{
	(void)variant;
	strcpy(self->directory, "/tmp/brkmalloc-preload-XXXXXX");
	ASSERT_TRUE(find_library());
	ASSERT_NE(NULL, mkdtemp(self->directory));
	ASSERT_EQ(0, chdir(self->directory));
}

FIXTURE_TEARDOWN(preload)
{
	char command[128];

	(void)variant;
	snprintf(command, sizeof(command), "rm -rf %s", self->directory);
	EXPECT_EQ(0, system(command));
}

#define PYTHON_JSON(keys)						\
	"python3 -c 'import json, re, threading\n"			\
	"d = {str(i): [i] * (i % 50) for i in range(" keys ")}\n"	\
	"s = json.dumps(d); assert json.loads(s) == d\n"		\
	"def f(k): d[\"t%d\" % k] = re.sub(\"[0-9]\", \"x\", s)[k::999]\n" \
	"t = [threading.Thread(target=f, args=(k,)) for k in range(8)]\n" \
	"[x.start() for x in t]; [x.join() for x in t]\n"		\
	"print(len(s), sorted((k, len(v)) for k, v in d.items())[-9:])'"

/* The search of a list takes time in proportion to its length. */
#define PYTHON_WORK		PYTHON_JSON("5000")
#define PYTHON_SMALL_WORK	PYTHON_JSON("1000")

FIXTURE_VARIANT_ADD(preload, python) {
	.program = "python3",
	.command = PYTHON_WORK,
};

FIXTURE_VARIANT_ADD(preload, python_first_fit) {
	.program = "python3",
	.setting = "BRKMALLOC_FIT=first",
	.command = PYTHON_SMALL_WORK,
};

FIXTURE_VARIANT_ADD(preload, python_next_fit) {
	.program = "python3",
	.setting = "BRKMALLOC_FIT=next",
	.command = PYTHON_SMALL_WORK,
};

FIXTURE_VARIANT_ADD(preload, python_best_fit) {
	.program = "python3",
	.setting = "BRKMALLOC_FIT=best",
	.command = PYTHON_SMALL_WORK,
};

FIXTURE_VARIANT_ADD(preload, python_worst_fit) {
	.program = "python3",
	.setting = "BRKMALLOC_FIT=worst",
	.command = PYTHON_SMALL_WORK,
};

FIXTURE_VARIANT_ADD(preload, sort) {
	.program = "sort",
	.command =
		"seq 100000 | sed 's/\\(.*\\)\\(.\\)$/\\2\\1/' |\n"
		"LC_ALL=C sort --parallel=4 | cksum",
};

FIXTURE_VARIANT_ADD(preload, bash) {
	.program = "bash",
	.command =
		"bash -c 'for i in {1..3000}; do a[i]=$i$i; done\n"
		"echo ${#a[@]} ${a[*]:100:5}; x=$(echo sub; ls -d /); echo $x'",
};

FIXTURE_VARIANT_ADD(preload, tar) {
	.program = "tar",
	.command = "seq 100000 >f && tar -czf f.tgz f && tar -xzOf f.tgz | cksum",
};

FIXTURE_VARIANT_ADD(preload, awk) {
	.program = "awk",
	.command =
		"seq 50000 | awk '{ a[$1 % 777] = a[$1 % 777] $1 }\n"
		"END { for (i = 0; i < 777; i += 99) print i, length(a[i]) }'",
};

TEST_F_TIMEOUT(preload, same_output_and_status_as_on_the_c_librarys_malloc, 240)
{
	static struct outcome without, with;
	char *const settings[] = { preload, variant->setting, NULL };

	if (!installed(variant->program))
		SKIP(return, "%s is not installed", variant->program);
	run_shell(&without, variant->command, NULL);
	ASSERT_TRUE(outcome_is_exit(&without, 0)) TH_LOG("%s", without.text);
	ASSERT_LT(0, without.length);
	run_shell(&with, variant->command, settings);
	EXPECT_EQ(without.status, with.status);
	EXPECT_STREQ(without.text, with.text);
}

/* Of the shell itself: the file it reads is about the reader. */
#define LOOK "grep -c libbrkmalloc.so /proc/self/maps"

TEST(the_library_is_in_a_program_it_was_preloaded_into)
{
	static struct outcome outcome;
	char *const settings[] = { preload, NULL };

	ASSERT_TRUE(find_library());
	run_shell(&outcome, LOOK, NULL);
	EXPECT_STREQ("0\n", outcome.text);
	run_shell(&outcome, LOOK, settings);
	EXPECT_TRUE(outcome_is_exit(&outcome, 0));
	EXPECT_STRNE("0\n", outcome.text);
}

TEST(misuse_in_a_preloaded_program_is_found_by_ours)
{
	static struct outcome outcome;
	char *const settings[] = { preload, NULL };

	ASSERT_TRUE(find_library());
	if (!installed("python3"))
		SKIP(return, "python3 is not installed");
	run_shell(&outcome,
		  "exec python3 -c 'import ctypes as c; l = c.CDLL(None)\n"
		  "l.free.argtypes = [c.c_void_p]\n"
		  "l.malloc.restype = c.c_void_p\n"
		  "p = l.malloc(5000); l.free(p); l.free(p)'",
		  settings);
	EXPECT_TRUE(outcome_is_signal(&outcome, SIGABRT));
	EXPECT_NE(NULL, strstr(outcome.text, "brkmalloc: free(0x"))
		TH_LOG("%s", outcome.text);
}

TEST(nothing_but_the_api_leaves_the_library)
{
	static struct outcome outcome;
	char command[PATH_MAX + 200];

	ASSERT_TRUE(find_library());
	if (!installed("nm"))
		SKIP(return, "nm (package binutils) is not installed");
	snprintf(command, sizeof(command),
		 "nm -D --defined-only %s | sed 's/.* //' |\n"
		 "grep -v '^brkmalloc_' | LC_ALL=C sort",
		 preload + strlen("LD_PRELOAD="));
	run_shell(&outcome, command, NULL);
	EXPECT_STREQ("aligned_alloc\ncalloc\ncfree\nfree\n"
		     "free_aligned_sized\nfree_sized\nmallinfo\nmallinfo2\n"
		     "malloc\nmalloc_info\nmalloc_stats\nmalloc_trim\n"
		     "malloc_usable_size\nmallopt\nmemalign\n"
		     "posix_memalign\npvalloc\nrealloc\nreallocarray\n"
		     "valloc\n",
		     outcome.text);
}

int main(int argc, char **argv)
{
	return scenario_or_tests(argc, argv, test_harness_run);
}
