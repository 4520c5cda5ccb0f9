/*
 * Endless answers and connections that are taken over.  Knows nothing of what
 * is said in them, but for the frames that tell stdout from stderr.
 */
#include "docker/stream.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/net.h"
#include "docker/inner.h"

#define REFUSAL_MAX (64u << 10)
#define BODY_MAX (1u << 20)  /* of a request */
#define CHUNK (64u << 10)    /* read at a time */
#define HELD_MAX (4 * CHUNK) /* for a descriptor that takes nothing now */
#define WORDS_MAX 800	     /* the engine's own; the rest is cut off */

/* ---- frames ---- */

/* A byte for whose it is, three of nothing, the length with its highest byte
 * first. */
static int frame_head(struct docker_frames *f, struct err *e)
{
	const unsigned char *h = f->head;

	f->head_n = 0;
	if (h[0] > DOCKER_SYSTEM || h[1] != 0 || h[2] != 0 || h[3] != 0)
		return err_set(e, ERR_PROTO,
			       "the engine's output is not in frames (it begins "
			       "with %02x%02x%02x%02x)",
			       h[0], h[1], h[2], h[3]);
	f->source = (enum docker_source)h[0];
	f->left = (uint32_t)h[4] << 24 | (uint32_t)h[5] << 16 |
		  (uint32_t)h[6] << 8 | h[7];
	return 0;
}

int docker_frame(struct docker_frames *f, struct str *in, struct str *piece,
		 struct err *e)
{
	bool begins = false;

	while (f->left == 0 && !begins && in->n > 0) {
		f->head[f->head_n++] = (unsigned char)in->p[0];
		*in = str_skip(*in, 1);
		begins = f->head_n == sizeof(f->head);
		if (begins && frame_head(f, e) < 0)
			return -1;
	}
	if (!begins && (f->left == 0 || in->n == 0))
		return 0;
	if (f->left > 0 && in->n == 0)
		return 0;
	*piece = str_head(*in, f->left);
	*in = str_skip(*in, piece->n);
	f->left -= (uint32_t)piece->n;
	return 1;
}

int docker_frames_end(const struct docker_frames *f, struct err *e)
{
	return f->left == 0 && f->head_n == 0 ?
		       0 :
		       err_set(e, ERR_NET, "the engine's output broke off");
}

/* ---- an answer without an end ---- */

int docker_follow(struct docker *d, const char *path,
		  int (*take)(void *ctx, struct str piece, struct err *e),
		  int (*silent)(void *ctx, struct err *e), void *ctx,
		  struct err *e)
{
	struct docker_ask a = { .method = "GET",
				.path = path,
				.endless = true,
				.silent = silent,
				.ctx = ctx };

	return docker_pieces(d, &a, take, ctx, e);
}

/* ---- a connection that is taken over ---- */

int docker_hijack(struct docker *d, const char *path, const cJSON *body,
		  struct stream **out, struct buf *rest, struct err *e)
{
	struct buf text = BUF_INIT(BODY_MAX);
	struct docker_ask ask = { .method = "POST", .path = path, .taken = out };
	struct http_response r;
	int rc = -1;

	*out = NULL;
	http_response_init(&r, REFUSAL_MAX);
	if (d->api == 0 && docker_hello(d, e) < 0)
		goto out;
	json_print(body, &text);
	ask.body = buf_str(&text);
	if (buf_check(&text, "request to Docker", e) < 0 ||
	    docker_exchange(d, &ask, &r, e) < 0)
		goto out;
	if (*out != NULL) {
		buf_addstr(rest, buf_str(&r.body));
		rc = 0;
	} else if (r.head.status < 400) {
		err_set(e, ERR_PROTO,
			"Docker POST %s: it does not give the connection away (%u)",
			path, r.head.status);
	} else {
		docker_refused("POST", path, r.head.status, buf_str(&r.body), e);
	}
out:
	buf_burn(&text);
	http_response_release(&r);
	return rc;
}

/* One that is being carried. */
struct carry {
	const struct docker_carry *k;
	struct docker_frames frames;
	struct buf in;	     /* read, the stream does not take it yet */
	struct buf out, err; /* for our descriptors */
	struct buf words;    /* the engine's own */
	bool in_done;	     /* nothing more of it, and the engine was told */
	bool in_ended;	     /* it said its last */
	bool ended;	     /* the engine did */
	int64_t wake_ms;     /* when wake() wants to be called */
};

/* What came, sorted. */
static int sort_out(struct carry *c, struct str bytes, struct err *e)
{
	struct str piece;
	int rc;

	if (!c->k->framed) {
		buf_addstr(&c->out, bytes);
		return 0;
	}
	while ((rc = docker_frame(&c->frames, &bytes, &piece, e)) > 0)
		if (c->frames.source == DOCKER_SYSTEM)
			buf_addstr(&c->words,
				   str_head(piece, WORDS_MAX - c->words.n));
		else
			buf_addstr(c->frames.source == DOCKER_STDERR ? &c->err :
								       &c->out,
				   piece);
	return rc;
}

/* Whether there is room for what the engine says. */
static bool hears(const struct carry *c)
{
	return !c->ended && c->out.n < HELD_MAX && c->err.n < HELD_MAX;
}

/* Once, without waiting. */
static int hear(struct carry *c, char *tmp, struct err *e)
{
	struct err none = ERR_INIT;
	ssize_t got = stream_read(c->k->stream, tmp, CHUNK, 0, &none);

	if (got < 0 && none.kind == ERR_TIMEOUT)
		return 0;
	if (got < 0) {
		*e = none;
		return -1;
	}
	c->ended = got == 0;
	if (got > 0)
		return sort_out(c, (struct str){ tmp, (size_t)got }, e);
	return c->k->framed ? docker_frames_end(&c->frames, e) : 0;
}

/* As much as it takes now.  -1 with e: it takes nothing ever again. */
static int put(int fd, struct buf *b, struct err *e)
{
	size_t done = 0, n;
	int rc = 0;

	while (rc == 0 && done < b->n && (n = fd_takes(fd, b->n - done)) > 0) {
		ssize_t got = write(fd, b->str + done, n);

		if (got >= 0)
			done += (size_t)got;
		else if (errno == EAGAIN || errno == EINTR)
			break;
		else
			rc = err_sys(e, ERR_IO, "writing what came");
	}
	buf_consume(b, done);
	return rc;
}

/* What was typed goes to the engine; one that takes no more of it may still
 * have something to say. */
static void pass_on(struct carry *c)
{
	struct err none = ERR_INIT;
	ssize_t put_n = 0;

	if (c->in_done)
		return;
	if (c->in.n > 0)
		put_n = c->k->stream->ops->write_some(c->k->stream, c->in.str,
						      c->in.n, &none);
	if (put_n < 0) {
		c->in_done = true;
		buf_burn(&c->in);
		return;
	}
	buf_consume(&c->in, (size_t)put_n);
	if (c->in_ended && c->in.n == 0) {
		c->in_done = true;
		c->k->stream->ops->finish(c->k->stream, &none);
	}
}

static void take_in(struct carry *c)
{
	ssize_t got = read(c->k->in, buf_room(&c->in, CHUNK), CHUNK);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	/* a terminal that went away reads as an error: the end, too */
	if (got <= 0)
		c->in_ended = true;
	else
		buf_grew(&c->in, (size_t)got);
}

/* In this order. */
enum { ON_INTERRUPT, ON_STREAM, ON_IN, ON_OUT, ON_ERR, ON_WAKE, ON_COUNT };

static void wish(struct pollfd *p, int fd, short events)
{
	/* one without a wish would still report a hang-up, over and over */
	*p = (struct pollfd){ .fd = events != 0 ? fd : -1, .events = events };
}

/* Wait for whatever can be gone on with. */
static int wait_any(struct carry *c, struct pollfd *p, struct err *e)
{
	const struct docker_carry *k = c->k;
	int64_t again = IO_FOREVER;
	short events = 0;

	if (!c->ended && stream_work(k->stream, &events, &again, e) < 0)
		return -1;
	if (c->wake_ms < again)
		again = c->wake_ms;
	if (hears(c)) {
		events |= POLLIN;
		if (stream_pending(k->stream))
			again = 0;
	}
	if (c->in.n > 0 && !c->in_done)
		events |= POLLOUT;
	wish(&p[ON_INTERRUPT], interrupt_fd(), POLLIN);
	wish(&p[ON_STREAM], stream_fd(k->stream), c->ended ? 0 : events);
	wish(&p[ON_IN], k->in,
	     !c->in_ended && !c->in_done && c->in.n == 0 ? POLLIN : 0);
	wish(&p[ON_OUT], k->out, c->out.n > 0 ? POLLOUT : 0);
	wish(&p[ON_ERR], k->err, c->err.n > 0 ? POLLOUT : 0);
	wish(&p[ON_WAKE], k->wake_fd, POLLIN);
	if (poll(p, ON_COUNT, poll_timeout(again)) < 0 && errno != EINTR)
		return err_sys(e, ERR_IO, "poll");
	return interrupt_requested() ? err_set(e, ERR_INTR, "interrupted") : 0;
}

/* One turn: 1 when all is said, 0 to go on, -1. */
static int turn(struct carry *c, char *tmp, struct err *e)
{
	struct pollfd p[ON_COUNT] = { 0 };

	if (put(c->k->out, &c->out, e) < 0 || put(c->k->err, &c->err, e) < 0)
		return -1;
	if (c->ended && c->out.n == 0 && c->err.n == 0)
		return 1;
	if (wait_any(c, p, e) < 0)
		return -1;
	if (p[ON_WAKE].revents != 0 || now_ms() >= c->wake_ms)
		c->wake_ms = c->k->wake(c->k->ctx);
	if (p[ON_IN].revents != 0)
		take_in(c);
	if (!c->ended)
		pass_on(c);
	return hears(c) ? hear(c, tmp, e) : 0;
}

int docker_carry(const struct docker_carry *k, struct err *e)
{
	struct carry c = {
		.k = k,
		.in = BUF_INIT(CHUNK),
		.out = BUF_INIT(HELD_MAX + CHUNK),
		.err = BUF_INIT(HELD_MAX + CHUNK),
		.words = BUF_INIT(WORDS_MAX),
		.in_done = k->in < 0,
		.wake_ms = k->wake != NULL ? 0 : IO_FOREVER,
	};
	char *tmp = xmalloc(CHUNK);
	int rc = sort_out(&c, k->rest, e);

	while (rc == 0)
		rc = turn(&c, tmp, e);
	if (rc > 0 && c.words.n > 0)
		rc = err_set(e, ERR_DOCKER, "%.*s",
			     STR_ARG(str_trim(buf_str(&c.words))));
	burn(tmp, CHUNK);
	free(tmp);
	buf_burn(&c.in);
	buf_burn(&c.out);
	buf_burn(&c.err);
	buf_burn(&c.words);
	return rc < 0 ? -1 : 0;
}
