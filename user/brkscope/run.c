// SPDX-License-Identifier: GPL-2.0-only
/*
 * run.c - `brkscope run`: what did the program make malloc and the kernel do?
 *
 * The program is forked and held, the kernel module told to watch it, then it
 * executes. One loop stores the kernel's records and the malloc log while the
 * program runs, passes signals on and notices its end.
 */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "calllog.h"
#include "check.h"
#include "kernel.h"
#include "preload.h"
#include "program.h"
#include "runoptions.h"
#include "writer.h"

#define BUSY_MS		4	/* between two drains while there is something */
#define IDLE_MS		200	/* the malloc log has no other alarm */
#define ENDING_MS	2	/* waiting for other threads to end */
#define PATIENCE_NS	3000000000ULL

struct run {
	struct run_options o;
	struct program	program;
	struct watch	watch;
	struct calllog	log;
	struct writer	out;
	struct checks	checks;
	u64		began;		/* ns */
	u64		ending;		/* ns, when first held at its end */
	int		signals;	/* signalfd */
};

static u64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/* Those that ask a program to do something, and those of job control. */
static void take_signals(struct run *r)
{
	static const int ours[] = { SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1,
				    SIGUSR2, SIGTSTP, SIGTTIN, SIGTTOU };
	sigset_t set;
	size_t i;

	sigemptyset(&set);
	for (i = 0; i < ARRAY_SIZE(ours); i++)
		sigaddset(&set, ours[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	r->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (r->signals < 0)
		die("cannot listen to signals: %s", strerror(errno));
}

/*
 * What the terminal sends it sends to the whole foreground job, the program
 * included; only what was sent to us alone is passed on.
 */
static void pass_signals(struct run *r)
{
	struct signalfd_siginfo info;

	while (read(r->signals, &info, sizeof(info)) == sizeof(info))
		if (info.ssi_signo != SIGCHLD && info.ssi_code != SI_KERNEL)
			program_forward(&r->program, info.ssi_signo);
}

static void write_beginning(struct run *r)
{
	char **arg = r->o.argv, *command, *setup, *at;
	struct utsname host;
	size_t bytes = 0;

	writer_start(&r->out, r->program.pid);
	for (; *arg; arg++)
		bytes += strlen(*arg) + 1;
	command = xmalloc(bytes);
	for (at = command, arg = r->o.argv; *arg; arg++)
		at = stpcpy(at, *arg) + 1;
	writer_chunk(&r->out, CHUNK_COMMAND, command, bytes);
	free(command);
	uname(&host);
	setup = xasprintf("tool: %s\nkernel: %s\nmachine: %s\nmalloc: %s\nlog: %d\nmodule: %d\n",
			  VERSION, host.release, host.machine, r->o.ours ? "ours" : "libc",
			  r->o.record, r->o.kernel);
	writer_text(&r->out, CHUNK_SETUP, setup);
	free(setup);
}

/* Nothing of a run that never was is left behind. */
static void remove_output(struct run *r)
{
	struct stat st;

	if (!fstat(r->out.fd, &st) && S_ISREG(st.st_mode))
		unlink(r->out.path);
	close(r->out.fd);
}

static int cannot_run(struct run *r, int error)
{
	complain("%s: %s", r->o.argv[0], strerror(error));
	watch_end(&r->watch);
	remove_output(r);
	return error == ENOENT ? STATUS_NOT_FOUND : STATUS_CANNOT_EXEC;
}

/* Returns 0, or the status to exit with. */
static int start(struct run *r)
{
	char **environment;
	int error;

	calllog_create(&r->log, r->o.record ? r->o.log_size : 0);
	environment = preload_environment(r->o.record, r->o.ours, r->log.path);
	if (!writer_open(&r->out, r->o.output))
		die("cannot write %s: %s", r->o.output, strerror(errno));
	take_signals(r);
	program_fork(&r->program, r->o.argv, environment);
	preload_free(environment);
	calllog_allow(&r->log, r->program.pid);
	watch_init(&r->watch);
	if (r->o.kernel && !watch_begin(&r->watch, r->program.pid, r->o.buffer)) {
		program_abandon(&r->program);
		remove_output(r);
		return STATUS_TOOL;
	}
	if (r->o.kernel && r->o.compare && !program_trace(&r->program))
		complain("cannot hold the program at its end to compare: %s", strerror(errno));
	write_beginning(r);
	r->began = now_ns();
	error = program_go(&r->program);
	return error ? cannot_run(r, error) : 0;
}

static size_t drain(struct run *r)
{
	return watch_drain(&r->watch, &r->out) + calllog_drain(&r->log, &r->out, false);
}

static int count_threads(pid_t pid)
{
	struct dirent *entry;
	char path[32];
	int count = 0;
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	tasks = opendir(path);
	while (tasks && (entry = readdir(tasks)))
		count += entry->d_name[0] != '.';
	if (tasks)
		closedir(tasks);
	return count;
}

/*
 * The main thread is at its end; the others may still be on their way, or may
 * live on if it alone ended. Then there is no moment to compare.
 */
static void at_end(struct run *r)
{
	int threads = count_threads(r->program.pid);

	if (!r->ending)
		r->ending = now_ns();
	if (threads > 1 && now_ns() - r->ending < PATIENCE_NS / 3)
		return;
	if (threads == 1) {
		drain(r);
		checks_take(&r->checks, &r->watch);
	}
	program_let_end(&r->program);
}

static void wait_for_news(struct run *r, bool busy)
{
	struct pollfd fds[2] = {
		{ .fd = r->signals, .events = POLLIN },
		{ .fd = busy || r->watch.ended ? -1 : r->watch.events, .events = POLLIN },
	};
	int timeout = busy ? BUSY_MS : IDLE_MS;

	if (r->program.state == PROGRAM_ENDING) {
		fds[1].fd = -1;
		timeout = ENDING_MS;
	}
	poll(fds, 2, timeout);
	pass_signals(r);
	program_wait(&r->program);
}

static void follow(struct run *r)
{
	bool busy;

	while (r->program.state != PROGRAM_ENDED) {
		busy = drain(r);
		if (r->program.state == PROGRAM_ENDING)
			at_end(r);
		wait_for_news(r, busy);
	}
}

/* The stream ends a moment after the process, but never wait for ever. */
static void drain_to_end(struct run *r)
{
	struct pollfd pfd = { .fd = r->watch.events, .events = POLLIN };
	u64 deadline = now_ns() + PATIENCE_NS;

	while (r->watch.events >= 0 && !r->watch.ended && now_ns() < deadline) {
		watch_drain(&r->watch, &r->out);
		if (!r->watch.ended)
			poll(&pfd, 1, ENDING_MS);
	}
	calllog_drain(&r->log, &r->out, true);
}

static void write_result(struct run *r, u64 ended)
{
	const struct rusage *u = &r->program.usage;
	const struct brkrecord_header *h = r->log.header;
	u64 began = r->watch.exec_time ? r->watch.exec_time : r->began;
	char *text;

	text = xasprintf("status: %d\nexec_ns: %llu\nend_ns: %llu\nuser_us: %llu\nsystem_us: %llu\n"
			 "minor_faults: %ld\nmajor_faults: %ld\nmax_rss: %llu\n"
			 "calls_recorded: %llu\ncalls_dropped: %llu\ncalls_early: %llu\nimages: %u\n",
			 r->program.status, began, ended,
			 u->ru_utime.tv_sec * 1000000ULL + u->ru_utime.tv_usec,
			 u->ru_stime.tv_sec * 1000000ULL + u->ru_stime.tv_usec,
			 u->ru_minflt, u->ru_majflt, u->ru_maxrss * 1024ULL,
			 r->log.calls, (u64)h->dropped, (u64)h->early, h->attached);
	writer_text(&r->out, CHUNK_RESULT, text);
	free(text);
}

static void write_kernel_texts(struct run *r)
{
	char *summary = watch_text(&r->watch, "summary");
	char *faults = watch_text(&r->watch, "faults");
	char *loss = watch_text(&r->watch, "loss");

	if (r->o.compare)
		checks_judge(&r->checks, &r->watch, &r->program, &r->log, summary);
	writer_text(&r->out, CHUNK_SUMMARY, summary);
	writer_text(&r->out, CHUNK_VMAS, r->checks.vmas);
	writer_text(&r->out, CHUNK_FAULTS, faults);
	writer_text(&r->out, CHUNK_LOSS, loss);
	writer_text(&r->out, CHUNK_MAPS, r->checks.maps);
	writer_text(&r->out, CHUNK_CHECKS, r->checks.verdicts);
	free(summary);
	free(faults);
	free(loss);
}

static void tell_losses(const struct run *r)
{
	const struct brkrecord_header *h = r->log.header;

	if (r->watch.lost)
		complain("%llu kernel records were lost unread: --buffer SIZE makes room",
			 r->watch.lost);
	if (!r->o.record)
		return;
	if (!h->attached)
		complain("no malloc log: libbrkrecord.so was not loaded (a static program?)");
	if (h->dropped)
		complain("%llu malloc calls did not fit into the log: --log-size SIZE makes room",
			 (u64)h->dropped);
}

static void tell_done(const struct run *r)
{
	char events[UNIT_TEXT], calls[UNIT_TEXT];

	if (r->o.quiet)
		return;
	count_text(events, r->watch.records);
	count_text(calls, r->log.calls);
	complain("%s%s%s malloc calls recorded; see them with: brkscope report %s",
		 r->o.kernel ? events : "", r->o.kernel ? " kernel records and " : "", calls,
		 r->o.output);
}

/* Returns false if --check was asked for and something is wrong. */
static bool tell_checks(const struct run *r)
{
	const char *line = r->checks.verdicts, *end;

	if (!r->checks.failed)
		return true;
	for (; line && *line; line = end + 1) {
		end = strchr(line, '\n');
		if (strncmp(line, "ok:", 3))
			complain("%.*s", (int)(end - line), line);
	}
	return !r->o.check;
}

static int program_status(const struct program *p)
{
	return WIFSIGNALED(p->status) ? 128 + WTERMSIG(p->status) : WEXITSTATUS(p->status);
}

static int finish(struct run *r)
{
	u64 ended = now_ns();
	int status;

	drain_to_end(r);
	if (r->o.kernel)
		write_kernel_texts(r);
	write_result(r, ended);
	watch_end(&r->watch);
	if (!writer_close(&r->out))
		die("cannot write %s: %s", r->o.output, strerror(errno));
	tell_losses(r);
	status = tell_checks(r) ? program_status(&r->program) : STATUS_TOOL;
	tell_done(r);
	checks_free(&r->checks);
	calllog_destroy(&r->log);
	free(r->o.default_output);
	return status;
}

/**
 * command_run() - `brkscope run`
 * @argc: number of @argv
 * @argv: "run" and its arguments
 *
 * Return: the tool's exit status
 */
int command_run(int argc, char **argv)
{
	static struct run run;
	int status;

	run_options_parse(&run.o, argc, argv);
	status = start(&run);
	if (status)
		return status;
	follow(&run);
	return finish(&run);
}
