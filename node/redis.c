/*
 * Redis as a counter.  The codec knows no I/O; the client knows nothing of
 * what is counted.
 */
#include "base/clock.h"
#include "base/net.h"
#include "node/redis.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* ---- the codec ---- */

/* A decimal number with an optional minus, the whole slice. */
static bool number(struct str s, int64_t *v)
{
	bool minus = s.n > 0 && s.p[0] == '-';
	uint64_t u;

	if (minus)
		s = str_skip(s, 1);
	if (!str_num(s, INT64_MAX, &u))
		return false;
	*v = minus ? -(int64_t)u : (int64_t)u;
	return true;
}

/* "$5\r\nhello\r\n", behind its first line; $-1 is nothing. */
static int bulk(struct str rest, int64_t n, struct redis_reply *r,
		struct str *after, struct err *e)
{
	if (n < -1 || n > REDIS_TEXT_MAX)
		return err_set(e, ERR_PROTO, "a string of %lld bytes",
			       (long long)n);
	*after = rest;
	r->kind = n < 0 ? REDIS_NIL : REDIS_TEXT;
	r->text = STR_NULL;
	if (n < 0)
		return 1;
	if (rest.n < (size_t)n + 2)
		return 0;
	r->text = str_head(rest, (size_t)n);
	rest = str_skip(rest, (size_t)n);
	if (!str_starts(rest, STR("\r\n")))
		return err_set(e, ERR_PROTO, "a string is longer than it says");
	*after = str_skip(rest, 2);
	return 1;
}

int redis_parse(struct str *in, struct redis_reply *r, struct err *e)
{
	ptrdiff_t end = str_find(*in, STR("\r\n"));
	struct str line, rest;
	int64_t n;
	int rc;

	if (end < 0 && in->n <= REDIS_TEXT_MAX)
		return 0;
	if (end < 0 || end > REDIS_TEXT_MAX)
		return err_set(e, ERR_PROTO, "a line of more than %d bytes",
			       REDIS_TEXT_MAX);
	if (end == 0)
		return err_set(e, ERR_PROTO, "an empty line");
	line = str_skip(str_head(*in, (size_t)end), 1);
	rest = str_skip(*in, (size_t)end + 2);
	switch (in->p[0]) {
	case '+':
	case '-':
		r->kind = in->p[0] == '+' ? REDIS_STATUS : REDIS_ERROR;
		r->text = line;
		break;
	case ':':
		r->kind = REDIS_INT;
		if (!number(line, &r->number))
			return err_set(e, ERR_PROTO, "not a number in its answer");
		break;
	case '$':
		if (!number(line, &n))
			return err_set(e, ERR_PROTO, "a string without a length");
		if ((rc = bulk(rest, n, r, &rest, e)) <= 0)
			return rc;
		break;
	default:
		return err_set(e, ERR_PROTO,
			       "an answer that begins with byte 0x%02x",
			       (unsigned char)in->p[0]);
	}
	*in = rest;
	return 1;
}

/* ---- the client ---- */

int redis_init(struct redis *r, const char *server, struct err *e)
{
	struct str s = str_of(server), host = s, port = STR_NULL;
	uint64_t n = REDIS_PORT;
	ptrdiff_t at;

	*r = (struct redis){ .port = REDIS_PORT, .why = ERR_INIT };
	pthread_mutex_init(&r->lock, NULL);
	if (s.n > 0 && s.p[0] == '[') {
		s = str_skip(s, 1);
		if (!str_cut(&s, ']', &host) || (s.n > 0 && s.p[0] != ':'))
			host = STR_NULL;
		port = str_skip(s, 1);
	} else if ((at = str_chr(s, ':')) >= 0) {
		host = str_head(s, (size_t)at);
		port = str_skip(s, (size_t)at + 1);
	}
	if (host.n == 0 || host.n >= sizeof(r->host) ||
	    (port.p != NULL && port.n > 0 && (!str_num(port, 65535, &n) || n == 0)))
		return err_set(e, ERR_USAGE,
			       "REDIS_SERVER \"%s\": expected HOST or HOST:PORT",
			       server);
	memcpy(r->host, host.p, host.n);
	r->port = (unsigned)n;
	return 0;
}

static void hang_up(struct redis *r)
{
	stream_close(r->stream);
	r->stream = NULL;
}

void redis_release(struct redis *r)
{
	hang_up(r);
	pthread_mutex_destroy(&r->lock);
}

/* in holds the reply's text afterwards. */
static int converse(struct redis *r, struct str command, struct buf *in,
		    struct redis_reply *reply, int64_t until, struct err *e)
{
	char piece[REDIS_TEXT_MAX];
	struct str rest;
	ssize_t got;
	int fd, rc;

	if (r->stream == NULL) {
		if ((fd = tcp_connect(r->host, r->port, until, e)) < 0)
			return err_in(e, "Redis");
		r->stream = stream_of_fd(fd);
	}
	if (stream_write(r->stream, command.p, command.n, until, e) < 0 ||
	    stream_flush(r->stream, until, e) < 0)
		return -1;
	for (;;) {
		rest = buf_str(in);
		if ((rc = redis_parse(&rest, reply, e)) < 0)
			return -1;
		if (rc > 0 && rest.n > 0)
			return err_set(e, ERR_PROTO, "more than one answer");
		if (rc > 0)
			return 0;
		if ((got = stream_read(r->stream, piece, sizeof(piece), until,
				       e)) < 0)
			return -1;
		if (got == 0)
			return err_set(e, ERR_NET, "it hung up");
		buf_add(in, piece, (size_t)got);
	}
}

/* With the lock held. */
static int exchange(struct redis *r, struct str command, struct buf *in,
		    struct redis_reply *reply, struct err *e)
{
	int64_t now = now_ms(), wait;
	bool old = r->stream != NULL;
	int rc;

	if (now < r->retry_ms)
		return err_set(e, r->why.kind, "%s", r->why.msg);
	rc = converse(r, command, in, reply, now + REDIS_WAIT_MS, e);
	/* a connection may have been closed while nobody needed it: once more,
	 * unless Redis has begun to answer and may have counted */
	if (rc < 0 && old && e->kind == ERR_NET && in->n == 0) {
		hang_up(r);
		err_clear(e);
		rc = converse(r, command, in, reply, now + REDIS_WAIT_MS, e);
	}
	if (rc == 0) {
		r->failures = 0;
		return 0;
	}
	if (e->kind == ERR_INTR) {
		hang_up(r);
		return -1;
	}
	/* a failure to connect names the server already */
	if (r->stream != NULL)
		err_in(e, "Redis at %s port %u", r->host, r->port);
	hang_up(r);
	wait = r->failures < 4 ? (int64_t)REDIS_RETRY_MIN_MS << r->failures++ :
				 REDIS_RETRY_MAX_MS;
	r->retry_ms = now_ms() + wait;
	r->why = *e;
	return -1;
}

static int turn(struct redis *r, struct err *e)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += REDIS_WAIT_MS * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000L;
	until.tv_nsec %= 1000000000L;
	if (pthread_mutex_timedlock(&r->lock, &until) != 0)
		return err_set(e, ERR_TIMEOUT,
			       "Redis at %s port %u: too many are waiting for it",
			       r->host, r->port);
	return 0;
}

static void arg(struct buf *b, const char *text)
{
	buf_addf(b, "$%zu\r\n%s\r\n", strlen(text), text);
}

/* A command with one or two arguments; its answer as a number. */
static int run(struct redis *r, const char *verb, const char *key,
	       const char *value, int64_t *v, struct err *e)
{
	struct buf command = BUF_INIT(1024), in = BUF_INIT(4 * REDIS_TEXT_MAX);
	struct redis_reply reply = { .kind = REDIS_NIL };
	int rc = -1;

	buf_addf(&command, "*%d\r\n", value == NULL ? 2 : 3);
	arg(&command, verb);
	arg(&command, key);
	if (value != NULL)
		arg(&command, value);
	if (buf_check(&command, "the key of a counter", e) < 0 || turn(r, e) < 0)
		goto out;
	rc = exchange(r, buf_str(&command), &in, &reply, e);
	pthread_mutex_unlock(&r->lock);
	if (rc < 0)
		goto out;
	*v = 0;
	if (reply.kind == REDIS_ERROR)
		rc = err_set(e, ERR_DATA, "Redis: %.*s", STR_ARG(reply.text));
	else if (reply.kind == REDIS_INT)
		*v = reply.number;
	else if (reply.kind == REDIS_TEXT && !number(reply.text, v))
		rc = err_set(e, ERR_DATA, "Redis: \"%s\" is no number", key);
out:
	buf_release(&command);
	buf_release(&in);
	return rc;
}

int redis_incr(struct redis *r, const char *key, int64_t *v, struct err *e)
{
	return run(r, "INCR", key, NULL, v, e);
}

int redis_get(struct redis *r, const char *key, int64_t *v, struct err *e)
{
	return run(r, "GET", key, NULL, v, e);
}

int redis_set(struct redis *r, const char *key, int64_t v, struct err *e)
{
	char text[24];
	int64_t ignored;

	snprintf(text, sizeof(text), "%lld", (long long)v);
	return run(r, "SET", key, text, &ignored, e);
}
