/*
 * What the tasks of a service say.  A manager's engine collects it from the
 * nodes and says of each line which task it is of; in front of it goes that
 * task's name and node, as `docker service logs` has it.  Followed logs are
 * taken up again where the connection broke off.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/net.h"
#include "base/time.h"
#include "docker/stream.h"
#include "swarm/backup.h"
#include "swarm/remote.h"
#include "swarm/swarm.h"
#include "swarm/target.h"

#define PREFIX_MAX (4u << 10)  /* of a line: its time and whose it is */
#define LINE_MAX_N (64u << 10) /* written at once; a longer one in pieces */
#define SOURCES_MAX 10000
#define WORDS_MAX 800 /* the engine's own; the rest is cut off */
#define STAMP_N 30    /* "2026-11-30T20:18:07.123456789Z" */
#define OVERLAP_S 60  /* how far the clocks of two nodes may be apart */
#define TRIES 5	      /* without a line between them */
#define PAUSE_MS 1000
#define PUMP_MS 5000

/* A task that said something. */
struct source {
	char task[DOCKER_ID_MAX];
	char *label;		   /* "web.1.abcdefghijkl@agents000000" */
	char last[2][STAMP_N + 1]; /* on stdout, on stderr; "" nothing yet */
};

struct logs {
	struct session *s;
	struct remote r;
	struct docker docker; /* where it comes from; another asks for names */
	struct target t;
	size_t width; /* of the longest slot */
	char since[40];
	struct source *sources;
	size_t n;

	struct docker_frames frames;
	struct buf prefix;	  /* of the line that is coming */
	struct buf line;	  /* of it, to be written */
	struct buf words;	  /* the engine's own, that are coming */
	struct err failed;	  /* what it said first, over this connection */
	bool told;		  /* its prefix is whole */
	bool dropped;		  /* it was there before the connection broke */
	bool any;		  /* something came over this connection */
	bool again;		  /* it is not the first */
	bool closed;		  /* nobody reads any more */
	bool gone;		  /* the service was removed meanwhile */
	struct err unwritten;	  /* why the rest is not written */
	char newest[STAMP_N + 1]; /* of all lines */
	char floor[STAMP_N + 1];  /* that, when the connection broke */
};

/* ---- --since ---- */

/* "1h30m", "90s": how long ago. */
static bool parse_ago(struct str s, int64_t *seconds)
{
	static const struct {
		char unit;
		int64_t seconds;
	} units[] = { { 'd', 86400 }, { 'h', 3600 }, { 'm', 60 }, { 's', 1 } };
	size_t at = 0, n_units = sizeof(units) / sizeof(units[0]);
	uint64_t n;

	*seconds = 0;
	if (s.n == 0)
		return false;
	while (s.n > 0) {
		if (!str_dec(&s, 1000000, &n) || s.n == 0)
			return false;
		while (at < n_units && units[at].unit != s.p[0])
			at++;
		if (at == n_units)
			return false;
		*seconds += (int64_t)n * units[at++].seconds;
		s = str_skip(s, 1);
	}
	return true;
}

static int take_since(struct logs *l, const char *text, struct err *e)
{
	int64_t t;

	if (text == NULL)
		return 0;
	if (parse_ago(str_of(text), &t))
		t = t < unix_time() ? unix_time() - t : 0;
	else if (!time_parse_iso(str_of(text), &t))
		return err_set(e, ERR_USAGE,
			       "--since \"%s\": expected how long ago, as 90s, "
			       "42m or 1h30m, or a time, as 2026-11-30T20:18:07Z",
			       text);
	snprintf(l->since, sizeof(l->since), "%lld", (long long)t);
	return 0;
}

static int check_tail(const char *text, struct err *e)
{
	uint64_t ignored;

	if (text == NULL || strcmp(text, "all") == 0 ||
	    str_num(str_of(text), INT32_MAX, &ignored))
		return 0;
	return err_set(e, ERR_USAGE, "--tail \"%s\": expected a number, or all",
		       text);
}

/* ---- writing ---- */

/* To a descriptor that somebody may read slowly, with the connection kept alive
 * meanwhile. */
static int put(struct logs *l, int fd, struct str bytes, struct err *e)
{
	while (bytes.n > 0 && !l->closed) {
		struct err wait = ERR_INIT, ignored = ERR_INIT;
		size_t n = fd_takes(fd, bytes.n);
		ssize_t done;

		if (n == 0) {
			if (fd_wait(fd, POLLOUT, now_ms() + PUMP_MS, &wait) < 0 &&
			    wait.kind != ERR_TIMEOUT)
				return err_set(e, wait.kind, "%s", wait.msg);
			ssh_work(l->r.ssh, &ignored); /* it is read later */
			continue;
		}
		done = write(fd, bytes.p, n);
		if (done >= 0)
			bytes = str_skip(bytes, (size_t)done);
		else if (errno == EPIPE)
			l->closed = true; /* of `| head` */
		else if (errno != EAGAIN && errno != EINTR) {
			err_sys(e, ERR_IO, "writing what came");
			l->unwritten = *e;
			return -1;
		}
		if (interrupt_requested())
			return err_set(e, ERR_INTR, "interrupted");
	}
	return l->closed ? err_set(e, ERR_IO, "nobody reads it") : 0;
}

static int put_line(struct logs *l, struct err *e)
{
	int fd = l->frames.source == DOCKER_STDERR ? STDERR_FILENO :
						     STDOUT_FILENO;
	int rc = put(l, fd, buf_str(&l->line), e);

	buf_reset(&l->line);
	return rc;
}

/* ---- whose it is ---- */

/* "com.docker.swarm.task.id=ID,..." */
static struct str detail(struct str details, struct str name)
{
	struct str one, key;

	while (str_next(&details, ',', &one))
		if (str_cut(&one, '=', &key) && str_eq(key, name))
			return one;
	return STR_NULL;
}

/* The name of the task, as `docker service logs` writes it. */
static char *label_of(struct logs *l, const char *task, const char *node)
{
	struct docker *d = remote_docker(&l->r);
	char *path = xasprintf("/tasks/%s", task), *label;
	struct docker_node n = { .hostname = "" };
	struct err ignored = ERR_INIT, none = ERR_INIT;
	cJSON *doc = docker_get(d, path, &ignored);
	char slot[24];
	int pad;

	/* a task that is long gone, a node that is: their IDs tell */
	docker_node(d, node, &n, &none);
	snprintf(slot, sizeof(slot), "%lld",
		 (long long)json_int_opt(doc, "Slot", 0));
	pad = (int)l->width - (int)strlen(slot);
	label = xasprintf("%s.%s.%.12s@%s%*s", l->t.name, slot, task,
			  n.hostname[0] != '\0' ? n.hostname : node,
			  pad > 0 ? pad : 0, "");
	json_free(doc);
	free(path);
	return label;
}

/* It goes into a path. */
static bool is_id(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!is_alnum(s.p[i]))
			return false;
	return s.n > 0 && s.n < DOCKER_ID_MAX;
}

static struct source *source_of(struct logs *l, struct str task,
				struct str node, struct err *e)
{
	struct source *src;
	char name[DOCKER_ID_MAX];

	for (size_t i = l->n; i-- > 0;)
		if (str_eqz(task, l->sources[i].task))
			return &l->sources[i];
	if (!is_id(task) || !is_id(node)) {
		err_set(e, ERR_PROTO, "a line does not say which task it is of");
		return NULL;
	}
	if (l->n == SOURCES_MAX) {
		err_set(e, ERR_DOCKER, "more than %d tasks", SOURCES_MAX);
		return NULL;
	}
	/* doubled whenever it is full, and it is full at powers of two */
	if ((l->n & (l->n - 1)) == 0)
		l->sources = xrealloc(l->sources,
				      (l->n + 1) * 2 * sizeof(*l->sources));
	src = &l->sources[l->n];
	*src = (struct source){ .label = NULL };
	snprintf(src->task, sizeof(src->task), "%.*s", STR_ARG(task));
	snprintf(name, sizeof(name), "%.*s", STR_ARG(node));
	src->label = label_of(l, src->task, name);
	l->n++;
	return src;
}

/* ---- a line ---- */

/* Was it there before the connection broke?  A task's own lines come in their
 * order; between tasks there is none. */
static bool was_shown(const struct logs *l, const char *last, const char *stamp)
{
	if (!l->again)
		return false;
	return *last != '\0' ? strcmp(stamp, last) <= 0 :
			       strcmp(stamp, l->floor) <= 0;
}

/* "TIME DETAILS " of what is a line now. */
static int take_prefix(struct logs *l, struct err *e)
{
	struct str rest = buf_str(&l->prefix), stamp, details;
	struct source *src;
	char *last, now[STAMP_N + 1];

	if (!str_cut(&rest, ' ', &stamp) || !str_cut(&rest, ' ', &details) ||
	    stamp.n > STAMP_N)
		return err_set(e, ERR_PROTO,
			       "a line does not begin with a time and its task");
	src = source_of(l, detail(details, STR("com.docker.swarm.task.id")),
			detail(details, STR("com.docker.swarm.node.id")), e);
	if (src == NULL)
		return -1;
	snprintf(now, sizeof(now), "%.*s", STR_ARG(stamp));
	last = src->last[l->frames.source == DOCKER_STDERR];
	l->dropped = was_shown(l, last, now);
	if (!l->dropped)
		memcpy(last, now, sizeof(now));
	if (strcmp(now, l->newest) > 0)
		memcpy(l->newest, now, sizeof(now));
	if (!l->dropped && l->s->timestamps)
		buf_addf(&l->line, "%s ", now);
	if (!l->dropped)
		buf_addf(&l->line, "%s    | ", src->label);
	l->told = true;
	l->any = true;
	return 0;
}

/* Up to the second blank it is the prefix. */
static int gather(struct logs *l, struct str *piece, struct err *e)
{
	size_t blanks = 0, i;

	for (i = 0; i < l->prefix.n; i++)
		blanks += l->prefix.str[i] == ' ';
	for (i = 0; i < piece->n && blanks < 2; i++)
		blanks += piece->p[i] == ' ';
	buf_addstr(&l->prefix, str_head(*piece, i));
	*piece = str_skip(*piece, i);
	if (buf_check(&l->prefix, "what a line begins with", e) < 0)
		return -1;
	return blanks == 2 ? take_prefix(l, e) : 0;
}

/* The engine's own: a log that cannot be read, a node that is away.  The others'
 * go on. */
static void take_words(struct logs *l, struct str piece, bool ends)
{
	buf_addstr(&l->words, str_head(piece, WORDS_MAX - l->words.n));
	if (!ends)
		return;
	if (l->failed.kind == ERR_NONE && l->s->follow)
		ui_say(l->s->ui, "%.*s", STR_ARG(str_trim(buf_str(&l->words))));
	err_set(&l->failed, ERR_DOCKER, "%.*s",
		STR_ARG(str_trim(buf_str(&l->words))));
	buf_reset(&l->words);
}

/* A piece of a frame: what a task wrote at once, a line mostly. */
static int take_piece(struct logs *l, struct str piece, struct err *e)
{
	bool ends = l->frames.left == 0;

	if (l->frames.source == DOCKER_SYSTEM) {
		take_words(l, piece, ends);
		return 0;
	}
	if (!l->told && gather(l, &piece, e) < 0)
		return -1;
	while (l->told && !l->dropped && piece.n > 0) {
		struct str part = str_head(piece, LINE_MAX_N - l->line.n);

		buf_addstr(&l->line, part);
		piece = str_skip(piece, part.n);
		if (l->line.n == LINE_MAX_N && put_line(l, e) < 0)
			return -1;
	}
	if (!ends)
		return 0;
	if (put_line(l, e) < 0)
		return -1;
	if (!l->told && l->prefix.n > 0)
		return err_set(e, ERR_PROTO, "a line that is none");
	buf_reset(&l->prefix);
	l->told = l->dropped = false;
	return 0;
}

/* For docker_follow(). */
static int take(void *ctx, struct str bytes, struct err *e)
{
	struct logs *l = ctx;
	struct str piece;
	int rc;

	if (l->t.tty) { /* as it comes, from whomever */
		l->any = true;
		return put(l, STDOUT_FILENO, bytes, e);
	}
	while ((rc = docker_frame(&l->frames, &bytes, &piece, e)) > 0)
		if (take_piece(l, piece, e) < 0)
			return -1;
	return rc;
}

/* ---- one connection, and the next ---- */

static char *path_of(const struct logs *l)
{
	const struct session *s = l->s;
	bool task = l->t.task[0] != '\0';
	struct buf b = BUF_INIT(1024);

	buf_addf(&b,
		 "/%s/%s/logs?stdout=1&stderr=1&details=%d&timestamps=%d&follow=%d",
		 task ? "tasks" : "services", task ? l->t.task : l->t.service,
		 !l->t.tty, !l->t.tty || s->timestamps, s->follow);
	if (l->since[0] != '\0')
		buf_addf(&b, "&since=%s", l->since);
	buf_addf(&b, "&tail=%s", l->again || s->tail == NULL ? "all" : s->tail);
	return buf_detach(&b);
}

/* For docker_follow(): an engine never ends the logs of a service that was
 * removed.  What cannot be asked now may be the next time. */
static int is_gone(void *ctx, struct err *e)
{
	struct logs *l = ctx;
	struct docker *d = remote_docker(&l->r);
	char *path = xasprintf("/services/%s", l->t.service);
	struct err why = ERR_INIT;

	json_free(docker_get(d, path, &why));
	l->gone = why.kind == ERR_DOCKER && d->status == 404;
	free(path);
	return l->gone ? err_set(e, ERR_DOCKER, "%s", why.msg) : 0;
}

static int follow(struct logs *l, struct err *e)
{
	char *path = path_of(l);
	int rc;

	refit_engine(&l->docker, l->s, l->r.ssh);
	rc = docker_follow(&l->docker, path, take,
			   l->s->follow ? is_gone : NULL, l, e);
	if (rc == 0 && !l->t.tty)
		rc = docker_frames_end(&l->frames, e);
	if (rc == 0 && l->failed.kind != ERR_NONE && !l->s->follow) {
		*e = l->failed;
		rc = -1;
	}
	free(path);
	return rc;
}

/* Followed logs ended, and nothing broke: 0 when there is nobody left who says
 * something, -1 when the engine did not mean it. */
static int has_ended(struct logs *l, struct err *e)
{
	struct err why = ERR_INIT;
	struct target now;
	const char *word = l->t.task[0] != '\0' ? l->t.task : l->t.service;
	int rc = 0;

	if (target_find(remote_docker(&l->r), word, &now, &why) == 0)
		rc = l->t.task[0] == '\0' || now.running ? -1 : 0;
	else if (why.kind != ERR_USAGE)
		rc = -1;
	if (rc < 0)
		err_set(e, ERR_NET, "%s",
			why.kind != ERR_NONE	   ? why.msg :
			l->failed.kind != ERR_NONE ? l->failed.msg :
						     "the engine ended it");
	return rc;
}

/* From where it broke off. */
static void resume(struct logs *l)
{
	int64_t t = unix_time();
	bool any = l->t.tty ? l->any : l->newest[0] != '\0';

	l->frames = (struct docker_frames){ 0 };
	buf_reset(&l->prefix);
	buf_reset(&l->line);
	l->told = l->dropped = l->any = false;
	l->failed = (struct err)ERR_INIT;
	if (!any && !l->again)
		return; /* as it was asked for */
	l->again = true;
	memcpy(l->floor, l->newest, sizeof(l->floor));
	if (!l->t.tty && time_parse_iso(str_of(l->newest), &t))
		t -= OVERLAP_S;
	snprintf(l->since, sizeof(l->since), "%lld", (long long)t);
}

static int follow_on(struct logs *l, struct err *e)
{
	for (int tries = 0;; tries++) {
		struct err why = ERR_INIT;
		int rc = follow(l, &why);

		if (l->gone) {
			ui_say(l->s->ui, "%s was removed", l->t.name);
			return 0;
		}
		if (rc == 0 && l->s->follow)
			rc = has_ended(l, &why);
		if (l->any)
			tries = 0;
		if (rc == 0 || !l->s->follow || !remote_is_lost(&why) ||
		    tries == TRIES) {
			*e = why;
			return rc;
		}
		docker_release(&l->docker);
		if (sleep_until(now_ms() + PAUSE_MS, e) < 0 ||
		    remote_again(&l->r, true, &why, e) < 0)
			return -1;
		resume(l);
	}
}

static void logs_release(struct logs *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->sources[i].label);
	free(l->sources);
	docker_release(&l->docker);
	buf_burn(&l->prefix);
	buf_burn(&l->line);
	buf_release(&l->words);
	remote_release(&l->r);
}

static size_t digits(int64_t n)
{
	char text[24];

	return (size_t)snprintf(text, sizeof(text), "%lld", (long long)n);
}

int cmd_logs(struct session *s, int argc, char **argv, struct err *e)
{
	struct logs l = { .s = s,
			  .prefix = BUF_INIT(PREFIX_MAX),
			  .line = BUF_INIT(LINE_MAX_N + PREFIX_MAX),
			  .words = BUF_INIT(WORDS_MAX) };
	int rc = -1;

	(void)argc;
	if (take_since(&l, s->since, e) < 0 || check_tail(s->tail, e) < 0)
		return -1;
	if (remote_open(s, &l.r, e) < 0 ||
	    target_find(remote_docker(&l.r), argv[1], &l.t, e) < 0)
		goto out;
	l.width = digits(l.t.task[0] != '\0' ? l.t.slot : l.t.replicas);
	if (l.t.tty)
		ui_say(s->ui,
		       "%s has a terminal: what it says comes as it is, "
		       "from all of its tasks",
		       l.t.name);
	rc = follow_on(&l, e);
	/* both are how logs are ended, and no failure to be told */
	if (rc < 0 && (l.closed || (s->follow && e->kind == ERR_INTR))) {
		s->exit_status = 128 + (l.closed ? SIGPIPE : SIGINT);
		err_clear(e);
		rc = 0;
	}
	/* no fault of the engine's, whose words it came through */
	if (rc < 0 && l.unwritten.kind != ERR_NONE)
		*e = l.unwritten;
out:
	logs_release(&l);
	return rc;
}
