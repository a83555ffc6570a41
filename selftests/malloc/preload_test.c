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

#define PROGRAM(name, needs, fit, text)					\
	FIXTURE_VARIANT_ADD(preload, name) {				\
		.program = needs,					\
		.command = text,					\
		.setting = "BRKMALLOC_FIT=" fit,			\
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
#define PYTHON_WORK		PYTHON_JSON("20000")
#define PYTHON_SMALL_WORK	PYTHON_JSON("3000")

PROGRAM(python, "python3", "segregated", PYTHON_WORK);
PROGRAM(python_first_fit, "python3", "first", PYTHON_SMALL_WORK);
PROGRAM(python_next_fit, "python3", "next", PYTHON_SMALL_WORK);
PROGRAM(python_best_fit, "python3", "best", PYTHON_SMALL_WORK);
PROGRAM(python_worst_fit, "python3", "worst", PYTHON_SMALL_WORK);
PROGRAM(python_subprocesses, "python3", "segregated",
	"python3 -c 'import subprocess\n"
	"for i in range(5): print(subprocess.check_output([\"echo\", str(i)]))'");
PROGRAM(git, "git", "segregated",
	"git init -q -b main . && git config user.name a && git config user.email a@b && for i in 1 2 3; do seq $((i * 1000)) >f; git add f; GIT_AUTHOR_DATE=2020-01-01T00:00:00Z GIT_COMMITTER_DATE=2020-01-01T00:00:00Z git commit -qm $i; done; git log --stat; git gc -q; git fsck 2>&1; rm -rf .git f");
PROGRAM(perl, "perl", "segregated",
	"perl -e 'my %h; $h{$_ % 5000} .= \"x$_\" for 1..200000; my $s = join \",\", map { \"$_=\" . length $h{$_} } sort keys %h; print length $s, \" \", unpack(\"%32C*\", $s), \"\\n\"'");
PROGRAM(sort, "sort", "segregated",
	"seq 300000 | sed 's/\\(.*\\)\\(.\\)$/\\2\\1/' | LC_ALL=C sort --parallel=4 | cksum");
PROGRAM(compiler, "gcc", "segregated",
	"printf '#include <stdio.h>\\nint main(void) { return printf(\"hello\\\\n\") != 6; }\\n' >h.c && gcc -O2 -c h.c -o h.o && cksum <h.o && gcc h.o -o h && ./h");
PROGRAM(sqlite, "sqlite3", "segregated",
	"sqlite3 :memory: 'create table t(a integer primary key, b text); with recursive n(i) as (select 1 union all select i + 1 from n where i < 50000) insert into t select i, hex(i * i) from n; create index x on t(b); select count(*), sum(length(b)), min(b), max(b) from t; delete from t where a % 3 = 0; vacuum; select count(*) from t;'");
PROGRAM(bash, "bash", "segregated",
	"bash -c 'for i in {1..3000}; do a[i]=$i$i; done; echo ${#a[@]} ${a[*]:100:5}; x=$(echo sub; ls -d /); echo $x'");
PROGRAM(tar, "tar", "segregated",
	"seq 100000 >f && tar -czf f.tgz f && tar -xzOf f.tgz | cksum");
PROGRAM(awk, "awk", "segregated",
	"seq 50000 | awk '{ a[$1 % 777] = a[$1 % 777] $1 } END { for (i = 0; i < 777; i += 99) print i, length(a[i]) }'");

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
		  "exec python3 -c 'import ctypes as c; l = c.CDLL(None); l.free.argtypes = [c.c_void_p]; l.malloc.restype = c.c_void_p; p = l.malloc(5000); l.free(p); l.free(p)'",
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
		 "nm -D --defined-only %s | sed 's/.* //' | grep -v '^brkmalloc_' | LC_ALL=C sort | tr '\\n' ' '",
		 preload + strlen("LD_PRELOAD="));
	run_shell(&outcome, command, NULL);
	EXPECT_STREQ("aligned_alloc calloc free malloc malloc_usable_size memalign posix_memalign pvalloc realloc reallocarray valloc ",
		     outcome.text);
}

MALLOC_TEST_MAIN
