/*
 * What an operator does over SSH besides services: forwarded ports, a shell
 * or a command on a machine, the helper's journal, Docker's socket brought
 * home.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/net.h"
#include "node/layout.h"
#include "swarm/remote.h"
#include "swarm/swarm.h"

#define OPEN_MS 30000
#define IDLE_MS (60 * 60000)
#define GATE_MS 1000
#define REST_MS 30000

/* ---- forwards ---- */

struct forward {
	char bind[64];
	unsigned port;	/* here */
	char host[256]; /* there */
	unsigned to;
	int fd;
};

/* One part of "A:B:[::1]:C" and the colon behind it.  What is left is
 * STR_NULL behind the last part.  False when a bracket is followed by something
 * else. */
static bool forward_part(struct str *rest, struct str *part)
{
	ptrdiff_t close = str_chr(*rest, ']');

	if (!str_starts(*rest, STR("[")) || close <= 0) {
		if (!str_cut(rest, ':', part)) {
			*part = *rest;
			*rest = STR_NULL;
		}
		return true;
	}
	*part = str_head(str_skip(*rest, 1), (size_t)close - 1);
	*rest = str_skip(*rest, (size_t)close + 1);
	if (rest->n == 0)
		*rest = STR_NULL;
	else if (rest->p[0] == ':')
		*rest = str_skip(*rest, 1);
	else
		return false;
	return true;
}

/* "[BIND:]PORT:HOST:PORT", as ssh -L takes it; IPv6 in brackets. */
static int parse_forward(const char *spec, struct forward *f, struct err *e)
{
	struct str rest = str_of(spec), part[4], bind = STR("127.0.0.1"), host;
	size_t n = 0;
	uint64_t port, to;

	*f = (struct forward){ .fd = -1 };
	while (rest.p != NULL && n < 4)
		if (!forward_part(&rest, &part[n++]))
			break;
	if (rest.p != NULL || n < 3)
		goto bad;
	if (n == 4 && !str_eqz(part[0], "localhost"))
		bind = part[0];
	host = part[n - 2];
	if (!str_num(part[n - 3], 65535, &port) || port == 0 ||
	    !str_num(part[n - 1], 65535, &to) || to == 0 || host.n == 0 ||
	    host.n >= sizeof(f->host) || bind.n >= sizeof(f->bind))
		goto bad;
	snprintf(f->bind, sizeof(f->bind), "%.*s", STR_ARG(bind));
	snprintf(f->host, sizeof(f->host), "%.*s", STR_ARG(host));
	f->port = (unsigned)port;
	f->to = (unsigned)to;
	return 0;
bad:
	return err_set(e, ERR_USAGE,
		       "-L \"%s\": expected "
		       "[ADDRESS:]PORT:HOST:PORT",
		       spec);
}

#define TO_NODE(here, there) LAYOUT_TEXT(here) ":127.0.0.1:" LAYOUT_TEXT(there)

static const char *const usual[] = {
	TO_NODE(9080, LAYOUT_REPLICATED_PORT),
	TO_NODE(9081, LAYOUT_GLOBAL_PORT),
	TO_NODE(LAYOUT_MONITOR_PORT, LAYOUT_MONITOR_PORT),
	TO_NODE(4040, 4040),
};
#define N_USUAL (sizeof(usual) / sizeof(*usual))

/* Listen for each forward.  A port that cannot be had is told; it is an error
 * when none can. */
static int listen_all(struct session *s, struct forward *f, size_t n,
		      struct err *e)
{
	size_t had = 0;

	for (size_t i = 0; i < n; i++) {
		struct err why = ERR_INIT;

		f[i].fd = tcp_listen(f[i].bind, &f[i].port, NULL, &why);
		if (f[i].fd >= 0)
			ui_say(s->ui, "%s:%u -> %s:%u", f[i].bind, f[i].port,
			       f[i].host, f[i].to);
		else
			ui_say(s->ui, "%s:%u not forwarded: %s", f[i].bind,
			       f[i].port, why.msg);
		had += f[i].fd >= 0;
	}
	return had > 0 ? 0 :
			 err_set(e, ERR_IO,
				 "none of the local ports could "
				 "be taken");
}

/* Before somebody's connection is taken on: does its master still work?  Who
 * comes soon after another is spared the question. */
struct gate {
	struct remote *r;
	int64_t until_ms; /* nobody asks before */
};

static struct gate gate_of(struct remote *r)
{
	/* where none works, one is as good as the other for a while */
	return (struct gate){ r, now_ms() + (remote_is_at(r) == REMOTE_WORKS ?
						     GATE_MS :
						     REST_MS) };
}

static int pass(void *ctx, struct err *e)
{
	struct gate *g = ctx;

	if (g->r->masters.n < 2 || now_ms() < g->until_ms)
		return 0;
	if (remote_still_works(g->r, e) < 0)
		return -1;
	*g = gate_of(g->r);
	return 0;
}

/* Ctrl-C is how these are ended, so it is not a failure. */
static int ended_by_user(int rc, struct err *e)
{
	if (rc < 0 && e->kind == ERR_INTR) {
		err_clear(e);
		return 0;
	}
	return rc;
}

/* A shell, a command or nothing attached to our own descriptors, until it
 * ends.  Frees l.  *refused: the server does not open another session. */
static int attach(struct session *s, struct ssh *ssh, struct ssh_loop *l,
		  const char *command, bool input, bool shell, bool *refused,
		  struct err *e)
{
	const char *term = getenv("TERM");
	struct ssh_channel *c;
	struct ssh_tty *tty = NULL;
	unsigned cols, rows;
	bool terminal = shell && command == NULL && isatty(STDIN_FILENO) &&
			ssh_tty_size(STDOUT_FILENO, &cols, &rows);
	int rc = -1;

	if (terminal)
		c = ssh_shell(ssh, NULL, term, cols, rows, e);
	else
		c = ssh_exec(ssh, command ? command : "exec \"$SHELL\" -l", e);
	if (c == NULL)
		goto out;
	if (ssh_channel_wait(c, now_ms() + OPEN_MS, e) < 0 ||
	    (terminal && (tty = ssh_tty_enter(STDIN_FILENO, e)) == NULL))
		goto out;
	ssh_loop_attach(l, c, input ? STDIN_FILENO : -1, STDOUT_FILENO,
			STDERR_FILENO, terminal ? STDIN_FILENO : -1);
	rc = ssh_loop_run(l, c, IO_FOREVER, e);
	if (rc == 0)
		s->exit_status = ssh_channel_status(c);
out:
	ssh_tty_leave(tty);
	ssh_loop_free(l);
	*refused = c != NULL && ssh_channel_refused(c);
	if (c != NULL)
		ssh_channel_close(c);
	return rc;
}

/* The same on that node, NULL: the master.  A server gives only so many
 * sessions to a connection (MaxSessions): where the one that is kept has no
 * more, another is made. */
static int attach_on(struct session *s, struct remote *r, const char *node,
		     const char *command, bool input, bool shell, struct err *e)
{
	bool refused;
	int rc;

	do {
		struct ssh *hop = NULL, *to;

		refused = false;
		rc = -1;
		if (node == NULL || strcmp(node, r->name) == 0 ||
		    remote_hop(r, node, &hop, e) == 0) {
			to = hop != NULL ? hop : r->ssh;
			rc = attach(s, to, ssh_loop_new(to), command, input,
				    shell, &refused, e);
		}
		ssh_close(hop);
		refused = refused && hop == NULL && r->shared;
		if (refused)
			err_clear(e);
	} while (refused && remote_reopen(r, e) == 0);
	return rc;
}

/* Carry connections, and a shell where there is a terminal, until the shell
 * or the connection to the master ends. */
static int carry_forwards(struct session *s, struct remote *r,
			  const struct forward *f, size_t n, bool shell,
			  struct err *e)
{
	struct ssh_loop *l = ssh_loop_new(r->ssh);
	struct gate g = gate_of(r);
	bool refused;
	int rc;

	for (size_t i = 0; i < n; i++)
		if (f[i].fd >= 0)
			ssh_loop_listen(l, f[i].fd, f[i].host, f[i].to);
	if (shell)
		return attach(s, r->ssh, l, NULL, true, true, &refused, e);
	ssh_loop_gate(l, pass, &g);
	rc = ssh_loop_run(l, NULL, IO_FOREVER, e);
	ssh_loop_free(l);
	return rc;
}

int cmd_proxy(struct session *s, int argc, char **argv, struct err *e)
{
	struct forward f[N_USUAL + SESSION_FORWARDS_MAX];
	bool shell = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
	size_t n = N_USUAL + s->n_forwards;
	struct remote r = { 0 };
	struct err why;
	int rc = -1;

	(void)argc, (void)argv;
	for (size_t i = 0; i < n; i++) {
		const char *spec = i < N_USUAL ? usual[i] :
						 s->forwards[i - N_USUAL];

		if (parse_forward(spec, &f[i], e) < 0)
			return -1;
	}
	if (remote_open_alone(s, &r, e) < 0 || listen_all(s, f, n, e) < 0)
		goto out;
	do {
		why = (struct err)ERR_INIT;
		rc = carry_forwards(s, &r, f, n, shell, &why);
	} while (rc < 0 && remote_is_lost(&why) &&
		 remote_again(&r, false, &why, e) == 0);
	/* when it could not be had again, e says why already */
	if (rc < 0 && !remote_is_lost(&why))
		*e = why;
out:
	for (size_t i = 0; i < n; i++)
		if (f[i].fd >= 0)
			close(f[i].fd);
	remote_release(&r);
	return ended_by_user(rc, e);
}

/* ---- a shell or a command ---- */

int cmd_ssh(struct session *s, int argc, char **argv, struct err *e)
{
	struct buf command = BUF_INIT(64u << 10);
	struct remote r = { 0 };
	int rc = -1;

	for (int i = 2; i < argc; i++)
		buf_addf(&command, "%s%s", command.n ? " " : "", argv[i]);
	if (buf_check(&command, "the command", e) < 0 ||
	    remote_open_named(s, &r, argc > 1 ? argv[1] : NULL, e) < 0)
		goto out;
	rc = attach_on(s, &r, argc > 1 ? argv[1] : NULL,
		       command.n ? command.str : NULL, true, true, e);
	if (rc == 0 && s->exit_status < 0)
		rc = err_set(e, ERR_NET,
			     "the far end closed without saying how "
			     "it ended");
out:
	remote_release(&r);
	buf_release(&command);
	return rc;
}

int cmd_tail_helper(struct session *s, int argc, char **argv, struct err *e)
{
	struct remote r = { 0 };
	int rc = -1;

	(void)argc, (void)argv;
	if (remote_open(s, &r, e) == 0)
		rc = attach_on(s, &r, NULL,
			       "sudo -n journalctl --unit=" LAYOUT_HELPER_UNIT
			       " --follow --lines=50 --no-pager --output=short-iso",
			       false, false, e);
	remote_release(&r);
	return ended_by_user(rc, e);
}

/* ---- Docker's socket, here ---- */

static bool answers(const char *path)
{
	struct err ignored = ERR_INIT;
	int fd = unix_connect(path, now_ms() + 1000, &ignored);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* The socket is ours as long as the file at its path is the one we made. */
static bool still_there(const char *path, const struct stat *made)
{
	struct stat st;

	return lstat(path, &st) == 0 && st.st_ino == made->st_ino &&
	       st.st_dev == made->st_dev;
}

bool tunnel_is_idle(int64_t used_ms, int64_t now_ms)
{
	return now_ms - used_ms >= IDLE_MS;
}

static struct ssh_loop *carry_at(struct gate *g, int fd)
{
	struct ssh_loop *l = ssh_loop_new(g->r->ssh);

	ssh_loop_listen(l, fd, DOCKER_SOCKET, 0);
	ssh_loop_gate(l, pass, g);
	return l;
}

/* Carry connections until the socket is removed or nobody used it for long. */
static void carry_socket(struct remote *r, int fd, const char *path)
{
	struct gate g = gate_of(r);
	struct ssh_loop *l = carry_at(&g, fd);
	struct err e = ERR_INIT;
	int64_t used = now_ms();
	struct stat made;

	if (lstat(path, &made) < 0)
		return;
	while (still_there(path, &made) && !tunnel_is_idle(used, now_ms())) {
		struct err lost = ERR_INIT;

		if (ssh_loop_run(l, NULL, now_ms() + 1000, &lost) < 0) {
			ssh_loop_free(l);
			l = NULL;
			if (lost.kind == ERR_INTR ||
			    remote_again(r, true, &lost, &e) < 0)
				break;
			g = gate_of(r);
			l = carry_at(&g, fd);
		} else if (ssh_loop_carried(l) > 0) {
			used = now_ms();
		}
	}
	if (still_there(path, &made))
		unlink(path);
	ssh_loop_free(l);
}

/*
 * In the process that stays: connect, listen, say so (a struct err, empty
 * when all is well) through the pipe, carry connections.
 */
static void tunnel(struct session *s, const char *path, int tell)
{
	struct err e = ERR_INIT;
	struct remote r = { 0 };
	int fd = -1, null;

	setsid();
	if (remote_open_alone(s, &r, &e) == 0)
		fd = unix_listen(path, &e);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int i = 0; null >= 0 && i <= STDERR_FILENO; i++)
		dup2(null, i);
	s->ui->quiet = true;
	if (write(tell, &e, sizeof(e)) == (ssize_t)sizeof(e) && fd >= 0) {
		close(tell);
		carry_socket(&r, fd, path);
	}
	remote_release(&r);
	_exit(fd < 0);
}

static int start_tunnel(struct session *s, const char *path, struct err *e)
{
	struct err said = ERR_INIT;
	size_t got = 0;
	ssize_t n = 0;
	int fd[2];
	pid_t pid;

	if (pipe2(fd, O_CLOEXEC) < 0)
		return err_sys(e, ERR_IO, "pipe");
	unlink(path); /* of a tunnel that is no more */
	fflush(NULL);
	if ((pid = fork()) == 0) {
		if (interrupt_anew(e) < 0)
			_exit(1);
		close(fd[0]);
		tunnel(s, path, fd[1]);
	}
	close(fd[1]);
	if (pid < 0)
		err_sys(e, ERR_IO, "fork");
	while (pid > 0 && got < sizeof(said) &&
	       ((n = read(fd[0], (char *)&said + got, sizeof(said) - got)) > 0 ||
		(n < 0 && errno == EINTR && !interrupt_requested())))
		got += n > 0 ? (size_t)n : 0;
	close(fd[0]);
	if (pid > 0 && got < sizeof(said))
		err_set(e, ERR_IO, "the tunnel ended before it began");
	else if (pid > 0 && said.kind != ERR_NONE)
		*e = said;
	return e->kind == ERR_NONE ? 0 : -1;
}

int cmd_docker_env(struct session *s, int argc, char **argv, struct err *e)
{
	char *path = share_path(s, "docker", e);
	int rc = path == NULL ? -1 : 0;

	(void)argc, (void)argv;
	if (rc == 0 && s->stop) {
		/* the tunnel sees within a second that its socket is gone */
		if (unlink(path) < 0 && errno != ENOENT)
			rc = err_sys(e, ERR_IO, "%s", path);
		else
			fprintf(s->ui->out, "unset DOCKER_HOST\n");
	} else if (rc == 0) {
		if (!answers(path))
			rc = start_tunnel(s, path, e);
		if (rc == 0) {
			fprintf(s->ui->out, "export DOCKER_HOST=unix://%s\n",
				path);
			ui_say(s->ui,
			       "# the tunnel ends by 'azswarm docker-env --stop', "
			       "or after an hour without use");
		}
	}
	free(path);
	return rc;
}
