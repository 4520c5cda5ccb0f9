/*
 * A command in a container of a service: the swarm tells on which node a task
 * of it runs, the engine there is reached through SSH, and stdin, stdout and
 * stderr are carried.  As `docker exec` does it, but for the way there.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "docker/stream.h"
#include "swarm/backup.h"
#include "swarm/remote.h"
#include "swarm/swarm.h"
#include "swarm/target.h"

#define ENDED_MS 3000 /* until the engine knows of an end that we saw */
#define PAUSE_MS 50
#define RESIZE_MS 2000
#define RESIZES 10 /* before it has begun, nothing has a size */
#define API_CONSOLE_SIZE 42

/* One exec, and the engine that it is of. */
struct exec {
	struct session *s;
	struct ssh *hop; /* to the node, NULL: it is the master */
	struct docker docker;
	char *path; /* "/exec/ID" */
	bool input, terminal;
	bool picked; /* a service was called: which of its tasks it is, is said */
	int winch;   /* readable when the terminal has another size; -1 */
	unsigned cols, rows;
	unsigned tries; /* left, to tell the engine */
};

/* ---- where ---- */

/* The node that the task is on, as the swarm knows it. */
static int reach(struct exec *x, struct remote *r, const struct target *t,
		 struct err *e)
{
	struct docker_node node;

	if (docker_node(remote_docker(r), t->node, &node, e) < 0)
		return -1;
	if (x->picked && t->slot > 0)
		ui_say(x->s->ui, "%s.%lld (%.12s) on %s", t->name,
		       (long long)t->slot, t->task, node.hostname);
	else if (x->picked)
		ui_say(x->s->ui, "%s (%.12s) on %s", t->name, t->task,
		       node.hostname);
	if (strcmp(node.hostname, r->name) == 0)
		refit_engine(&x->docker, x->s, r->ssh);
	else if (remote_hop_to(r, node.hostname, node.addr, node.manager,
			       &x->hop, e) == 0)
		refit_engine(&x->docker, x->s, x->hop);
	else
		return node.state == DOCKER_NODE_READY ?
			       -1 :
			       err_in(e, "the swarm finds it %s",
				      docker_node_state_name(node.state));
	return 0;
}

/* The task that is meant, which runs. */
static int find(struct exec *x, struct remote *r, const char *word,
		struct target *t, struct err *e)
{
	if (target_find(remote_docker(r), word, t, e) < 0)
		return -1;
	x->picked = t->task[0] == '\0';
	if (x->picked)
		return target_pick(remote_docker(r), t, e);
	if (!t->running || t->container[0] == '\0')
		return err_set(e, ERR_DATA,
			       "task %.12s of %s does not run: it is %s",
			       t->task, t->name, t->state);
	return 0;
}

/* ---- what ---- */

static cJSON *command(struct exec *x, int argc, char **argv)
{
	const struct session *s = x->s;
	cJSON *body = cJSON_CreateObject(), *list;

	json_add_bool(body, "AttachStdin", x->input);
	json_add_bool(body, "AttachStdout", true);
	json_add_bool(body, "AttachStderr", true);
	json_add_bool(body, "Tty", x->terminal);
	if (s->user != NULL)
		json_add_str(body, "User", s->user);
	if (s->workdir != NULL)
		json_add_str(body, "WorkingDir", s->workdir);
	list = s->n_variables > 0 ? json_add_arr(body, "Env") : NULL;
	for (size_t i = 0; i < s->n_variables; i++)
		json_add_str(list, NULL, s->variables[i]);
	list = json_add_arr(body, "Cmd");
	for (int i = 0; i < argc; i++)
		json_add_str(list, NULL, argv[i]);
	return body;
}

/* x->path of the exec that is made there. */
static int create(struct exec *x, const struct target *t, int argc, char **argv,
		  struct err *e)
{
	cJSON *body = command(x, argc, argv), *doc = NULL;
	char *path = xasprintf("/containers/%s/exec", t->container);
	char id[DOCKER_ID_MAX];
	int rc = -1;

	if (docker_call(&x->docker, "POST", path, body, &doc, e) == 0 &&
	    docker_take_id(doc, "Id", id, e) == 0) {
		x->path = xasprintf("/exec/%s", id);
		rc = 0;
	}
	free(path);
	json_free(doc);
	json_burn(body); /* arguments and variables may be secret */
	return rc;
}

static int start(struct exec *x, struct stream **out, struct buf *rest,
		 struct err *e)
{
	char *path = xasprintf("%s/start", x->path);
	cJSON *body = cJSON_CreateObject(), *size;
	int rc;

	json_add_bool(body, "Detach", false);
	json_add_bool(body, "Tty", x->terminal);
	if (x->terminal && x->docker.api >= API_CONSOLE_SIZE) {
		size = json_add_arr(body, "ConsoleSize");
		json_add_int(size, NULL, x->rows);
		json_add_int(size, NULL, x->cols);
	}
	rc = docker_hijack(&x->docker, path, body, out, rest, e);
	json_free(body);
	free(path);
	return rc;
}

/* ---- the terminal's size ---- */

static int tell_size(struct exec *x)
{
	char *path = xasprintf("%s/resize?h=%u&w=%u", x->path, x->rows, x->cols);
	struct err ignored = ERR_INIT;
	int rc;

	x->docker.timeout_ms = RESIZE_MS;
	rc = docker_call(&x->docker, "POST", path, NULL, NULL, &ignored);
	x->docker.timeout_ms = DOCKER_TIMEOUT_MS;
	free(path);
	return rc;
}

static void take_size(struct exec *x)
{
	if (!ssh_tty_size(STDOUT_FILENO, &x->cols, &x->rows))
		ssh_tty_size(STDIN_FILENO, &x->cols, &x->rows);
}

/* For docker_carry(). */
static int64_t resized(void *ctx)
{
	struct exec *x = ctx;
	struct signalfd_siginfo info;
	bool changed = false;

	while (read(x->winch, &info, sizeof(info)) > 0)
		changed = true;
	if (changed) {
		take_size(x);
		x->tries = RESIZES;
	}
	if (x->tries == 0 || tell_size(x) == 0)
		x->tries = 0;
	else
		x->tries--;
	return x->tries == 0 ? IO_FOREVER : now_ms() + PAUSE_MS;
}

/* ---- to its end ---- */

/* How the command ended: into the session, for main. */
static int take_status(struct exec *x, struct err *e)
{
	char *path = xasprintf("%s/json", x->path);
	int64_t until = now_ms() + ENDED_MS;
	cJSON *doc = NULL;
	int rc = 0;

	/* its output may end before the engine has its status */
	do {
		json_free(doc);
		if ((doc = docker_get(&x->docker, path, e)) == NULL)
			rc = err_in(e, "how it ended");
		else if (json_bool_opt(doc, "Running", false))
			rc = sleep_until(now_ms() + PAUSE_MS, e);
		else
			break;
	} while (rc == 0 && now_ms() < until);
	free(path);
	if (json_bool_opt(doc, "Running", false) && x->terminal)
		ui_say(x->s->ui, "detached; it runs on");
	else if (rc == 0 && json_bool_opt(doc, "Running", false))
		rc = err_set(e, ERR_DOCKER, "its output ended, and it runs on");
	x->s->exit_status = (int)json_int_opt(doc, "ExitCode", 0) & 0xff;
	json_free(doc);
	return rc;
}

static int carry(struct exec *x, struct stream *stream, struct str rest,
		 struct err *e)
{
	struct docker_carry k = {
		.stream = stream,
		.rest = rest,
		.in = x->input ? STDIN_FILENO : -1,
		.out = STDOUT_FILENO,
		.err = x->terminal ? -1 : STDERR_FILENO,
		.framed = !x->terminal,
		.wake_fd = x->winch,
		.wake = x->terminal ? resized : NULL,
		.ctx = x,
	};
	struct ssh_tty *tty = NULL;
	int rc = -1;

	if (!x->terminal || !x->input ||
	    (tty = ssh_tty_enter(STDIN_FILENO, e)) != NULL)
		rc = docker_carry(&k, e);
	ssh_tty_leave(tty);
	return rc;
}

/* Signals of a terminal that changes its size are read, where there is one. */
static void watch_size(struct exec *x, sigset_t *before)
{
	sigset_t winch;

	sigemptyset(&winch);
	sigaddset(&winch, SIGWINCH);
	pthread_sigmask(SIG_BLOCK, &winch, before);
	if (x->terminal) {
		take_size(x);
		x->winch = signalfd(-1, &winch, SFD_NONBLOCK | SFD_CLOEXEC);
		x->tries = RESIZES;
	}
}

static int run(struct exec *x, struct err *e)
{
	struct buf rest = BUF_INIT(64u << 10);
	struct stream *stream = NULL;
	sigset_t before;
	int rc;

	watch_size(x, &before);
	rc = start(x, &stream, &rest, e);
	if (rc == 0)
		rc = carry(x, stream, buf_str(&rest), e);
	stream_close(stream);
	buf_burn(&rest);
	if (x->winch >= 0)
		close(x->winch);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return rc == 0 ? take_status(x, e) : -1;
}

/* Is who reads it gone, as `| head` is? */
static bool is_unread(int fd)
{
	struct pollfd p = { .fd = fd };

	return poll(&p, 1, 0) > 0 && (p.revents & POLLERR) != 0;
}

/* What was typed, before anybody is asked. */
static int check(struct exec *x, struct err *e)
{
	const struct session *s = x->s;

	for (size_t i = 0; i < s->n_variables; i++)
		if (strchr(s->variables[i], '=') == NULL ||
		    s->variables[i][0] == '=')
			return err_set(e, ERR_USAGE, "-e: expected NAME=VALUE");
	if (x->terminal && x->input && !isatty(STDIN_FILENO))
		return err_set(e, ERR_USAGE,
			       "-it: standard input is no terminal; -i alone "
			       "passes it on");
	return 0;
}

int cmd_exec(struct session *s, int argc, char **argv, struct err *e)
{
	struct exec x = {
		.s = s,
		.input = s->interactive || s->with_terminal,
		.terminal = s->terminal || s->with_terminal,
		.winch = -1,
	};
	int from = strcmp(argv[2], "--") == 0 ? 3 : 2; /* kubectl's habit */
	struct remote r = { 0 };
	struct target t;
	int rc = -1;

	if (argc <= from)
		return err_set(e, ERR_USAGE, "what is to be run is missing");
	/* an exec is no change of the swarm's, and nothing to finish when it is
	 * interrupted; with --print-requests it is not made all the same */
	s->trace.aside = !s->trace.print;
	if (check(&x, e) == 0 && remote_open(s, &r, e) == 0 &&
	    find(&x, &r, argv[1], &t, e) == 0 && reach(&x, &r, &t, e) == 0 &&
	    create(&x, &t, argc - from, argv + from, e) == 0)
		rc = run(&x, e);
	/* no failure to be told: a signal is what ends others then */
	if (rc < 0 && e->kind == ERR_IO && is_unread(STDOUT_FILENO)) {
		s->exit_status = 128 + SIGPIPE;
		err_clear(e);
		rc = 0;
	}
	docker_release(&x.docker);
	ssh_close(x.hop);
	free(x.path);
	remote_release(&r);
	s->trace.aside = false;
	return rc;
}
