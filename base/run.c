/*
 * Running another program.  It gets a process group of its own, nothing to
 * read, none of our descriptors, and ends when its time is up.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/run.h"

#define GRACE_MS 2000 /* between SIGTERM and SIGKILL */
#define TICK_MS 20    /* looking for the end on kernels without pidfd */

struct run {
	pid_t pid;
	int pidfd;  /* readable when it ended; -1: not to be had */
	int in_fd;  /* what it reads; -1: nothing */
	int out_fd; /* its output; -1: at its end, or not wanted */
	struct buf *out;
	bool ended;
	int wstatus;
};

static bool same_name(const char *a, const char *b)
{
	size_t n = strcspn(a, "=");

	return strncmp(a, b, n) == 0 && b[n] == '=';
}

/* Ours, with env's entries in place of those of the same name. */
static char **merged_env(const char *const env[])
{
	size_t n = 0, m = 0, k = 0;
	char **all;

	while (environ != NULL && environ[n] != NULL)
		n++;
	while (env != NULL && env[m] != NULL)
		m++;
	all = xcalloc(n + m + 1, sizeof *all);
	for (size_t i = 0; i < n; i++) {
		size_t j = 0;

		while (j < m && !same_name(env[j], environ[i]))
			j++;
		if (j == m)
			all[k++] = environ[i];
	}
	for (size_t j = 0; j < m; j++)
		memcpy(&all[k++], &env[j], sizeof *all);
	return all;
}

/* In the child, where only plain system calls are safe. */
static _Noreturn void become(const char *const argv[], char **envp, int input,
			     int out, int tell)
{
	sigset_t none;
	char **args;

	memcpy(&args, &argv, sizeof args);
	setpgid(0, 0);
	sigemptyset(&none);
	for (int i = 1; i < NSIG; i++)
		if (i != SIGKILL && i != SIGSTOP)
			signal(i, SIG_DFL);
	sigprocmask(SIG_SETMASK, &none, NULL);
	int in = open("/dev/null", O_RDWR);

	/* what is read as one document has no other words in between */
	if (in >= 0 && dup2(input >= 0 ? input : in, 0) >= 0 &&
	    dup2(out, 1) >= 0 && dup2(input >= 0 ? in : out, 2) >= 0) {
		if (in > 2)
			close(in);
		execvpe(args[0], args, envp);
	}
	int why = errno;

	while (write(tell, &why, sizeof why) < 0 && errno == EINTR)
		;
	_exit(127);
}

/* Keep 0, 1 and 2 free for the child, in case we were started without them. */
static int above_two(int fd)
{
	int up;

	if (fd < 0 || fd > 2)
		return fd;
	up = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	close(fd);
	return up;
}

static int open_pipe(int p[2])
{
	if (pipe2(p, O_CLOEXEC) < 0)
		return -1;
	p[0] = above_two(p[0]);
	p[1] = above_two(p[1]);
	return p[0] < 0 || p[1] < 0 ? -1 : 0;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static int start(struct run *r, const char *const argv[],
		 const char *const env[], struct err *e)
{
	int out[2] = { -1, -1 }, tell[2] = { -1, -1 }, why = 0, rc = -1;
	char **envp = merged_env(env);
	ssize_t got;

	if (open_pipe(tell) < 0 || (r->out != NULL && open_pipe(out) < 0) ||
	    (r->out == NULL &&
	     (out[1] = above_two(open("/dev/null", O_WRONLY | O_CLOEXEC))) < 0)) {
		err_sys(e, ERR_IO, "cannot run %s", argv[0]);
		goto out;
	}
	r->pid = fork();
	if (r->pid < 0) {
		err_sys(e, ERR_IO, "cannot run %s", argv[0]);
		goto out;
	}
	if (r->pid == 0)
		become(argv, envp, r->in_fd, out[1], tell[1]);
	setpgid(r->pid, r->pid); /* both do it: whoever is first */
	close_fd(&tell[1]);
	do
		got = read(tell[0], &why, sizeof why);
	while (got < 0 && errno == EINTR);
	if (got > 0) {
		while (waitpid(r->pid, &r->wstatus, 0) < 0 && errno == EINTR)
			;
		errno = why;
		err_sys(e, ERR_IO, "cannot run %s", argv[0]);
		goto out;
	}
	r->pidfd = (int)syscall(SYS_pidfd_open, r->pid, 0);
	r->out_fd = out[0];
	out[0] = -1;
	if (r->out_fd >= 0)
		fcntl(r->out_fd, F_SETFL, O_NONBLOCK);
	rc = 0;
out:
	close_fd(&out[0]);
	close_fd(&out[1]);
	close_fd(&tell[0]);
	close_fd(&tell[1]);
	free(envp);
	return rc;
}

/* Take what it wrote, as far as there is something. */
static void take_output(struct run *r)
{
	char piece[4096];

	while (r->out_fd >= 0) {
		ssize_t got = read(r->out_fd, piece, sizeof piece);

		if (got > 0)
			buf_add(r->out, piece, (size_t)got);
		else if (got == 0 || (errno != EINTR && errno != EAGAIN))
			close_fd(&r->out_fd);
		else if (errno == EAGAIN)
			return;
	}
}

/*
 * Until it ended or the deadline.  Its end counts, not that of its output: a
 * daemon it left behind may hold that open for ever.
 */
static int attend(struct run *r, int64_t deadline_ms, bool interruptible,
		  struct err *e)
{
	for (;;) {
		int wait_ms = poll_timeout(deadline_ms);

		take_output(r);
		if (waitpid(r->pid, &r->wstatus, WNOHANG) == r->pid) {
			r->ended = true;
			take_output(r);
			return 0;
		}
		if (interruptible && interrupt_requested())
			return err_set(e, ERR_INTR, "interrupted");
		if (wait_ms == 0)
			return err_set(e, ERR_TIMEOUT, "not finished in time");
		if (r->pidfd < 0 && (wait_ms < 0 || wait_ms > TICK_MS))
			wait_ms = TICK_MS;
		struct pollfd p[] = {
			{ .fd = r->pidfd, .events = POLLIN },
			{ .fd = r->out_fd, .events = POLLIN },
			{ .fd = interruptible ? interrupt_fd() : -1,
			  .events = POLLIN },
		};
		if (poll(p, 3, wait_ms) < 0 && errno != EINTR)
			return err_sys(e, ERR_IO, "poll");
	}
}

/* The whole process group: what it started goes with it. */
static void put_down(struct run *r)
{
	struct err ignored = ERR_INIT;

	kill(-r->pid, SIGTERM);
	attend(r, now_ms() + GRACE_MS, false, &ignored);
	kill(-r->pid, SIGKILL);
	while (!r->ended && waitpid(r->pid, &r->wstatus, 0) < 0 && errno == EINTR)
		;
}

static int run(struct run *r, const char *const argv[], const char *const env[],
	       int64_t deadline_ms, int *status, struct err *e)
{
	int rc;

	if (start(r, argv, env, e) < 0)
		return -1;
	rc = attend(r, deadline_ms, true, e);
	if (rc < 0) {
		put_down(r);
		err_in(e, "%s", argv[0]);
	} else {
		*status = WIFSIGNALED(r->wstatus) ? 128 + WTERMSIG(r->wstatus) :
						    WEXITSTATUS(r->wstatus);
	}
	close_fd(&r->pidfd);
	close_fd(&r->out_fd);
	return rc;
}

int run_program(const char *const argv[], const char *const env[],
		struct buf *out, int64_t deadline_ms, int *status, struct err *e)
{
	struct run r = { .pidfd = -1, .in_fd = -1, .out_fd = -1, .out = out };

	return run(&r, argv, env, deadline_ms, status, e);
}

int run_filter(const char *const argv[], struct str in, struct buf *out,
	       int64_t deadline_ms, int *status, struct err *e)
{
	struct run r = { .pidfd = -1, .out_fd = -1, .out = out };
	int rc = -1;

	r.in_fd = above_two(memfd_create("stdin", MFD_CLOEXEC));
	if (r.in_fd < 0 || write(r.in_fd, in.p, in.n) != (ssize_t)in.n ||
	    lseek(r.in_fd, 0, SEEK_SET) < 0)
		err_sys(e, ERR_IO, "cannot run %s", argv[0]);
	else
		rc = run(&r, argv, NULL, deadline_ms, status, e);
	close_fd(&r.in_fd);
	return rc;
}
