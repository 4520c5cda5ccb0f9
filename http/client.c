/*
 * The parts of a client's exchange: the connection, sending the request,
 * hearing the answer, also while the request is still being sent.
 */
#include <poll.h>
#include <string.h>

#include "base/clock.h"
#include "base/net.h"
#include "http/inner.h"

#define REQUEST_MAX (64u << 10) /* head of a request of ours */
#define SMALL_BODY (8u << 10)	/* sent in one write with the head */
#define IDLE_MS 120000
#define SALVAGE_MS 2000 /* for an answer that was cut off while we sent */

/* ---- the connection ---- */

void http_hang_up(struct http_client *c)
{
	stream_close(c->stream);
	c->stream = NULL;
	buf_reset(&c->in);
}

/* Whatever the peer sent unasked (its end, mostly) makes the connection
 * useless. */
bool http_connected(const struct http_client *c, const struct http_url *u)
{
	struct pollfd p = { .events = POLLIN };

	if (c->stream == NULL || c->tls != u->tls || c->port != u->port ||
	    strcmp(c->host, u->host) != 0 || c->in.n > 0 ||
	    stream_pending(c->stream))
		return false;
	p.fd = stream_fd(c->stream);
	return p.fd < 0 || poll(&p, 1, 0) == 0;
}

int http_connect(struct http_client *c, const struct http_url *u,
		 int64_t deadline_ms, struct err *e)
{
	http_hang_up(c);
	c->stream = c->dialer.dial(c->dialer.ctx, u->tls, u->host, u->port,
				   deadline_ms, e);
	if (c->stream == NULL)
		return -1;
	c->connections++;
	c->tls = u->tls;
	c->port = u->port;
	memcpy(c->host, u->host, sizeof c->host);
	return 0;
}

/* ---- the exchange ---- */

static int64_t patience(const struct talk *t)
{
	int64_t idle = now_ms() + (t->q->idle_ms > 0 ? t->q->idle_ms : IDLE_MS);

	return idle < t->q->deadline_ms ? idle : t->q->deadline_ms;
}

static bool is_method(const struct http_request *q, const char *const *some)
{
	for (; *some != NULL; some++)
		if (strcmp(q->method, *some) == 0)
			return true;
	return false;
}

static uint64_t body_length(const struct http_request *q)
{
	return q->body_read != NULL ? q->body_length : q->body.n;
}

static int request_head(const struct talk *t, struct buf *b, struct err *e)
{
	static const char *const with_body[] = { "POST", "PUT", "PATCH", NULL };
	const struct http_request *q = t->q;
	bool v6 = strchr(t->u.host, ':') != NULL;

	buf_addf(b, "%s %s%.*s HTTP/1.1\r\nHost: %s%s%s", q->method,
		 t->u.path.p[0] == '?' ? "/" : "", STR_ARG(t->u.path),
		 v6 ? "[" : "", t->u.host, v6 ? "]" : "");
	if (t->u.port != (t->u.tls ? 443 : 80))
		buf_addf(b, ":%u", t->u.port);
	buf_adds(b, "\r\n");
	if (t->c->user_agent != NULL)
		buf_addf(b, "User-Agent: %s\r\n", t->c->user_agent);
	for (const char *const *f = q->fields; f != NULL && *f != NULL; f++)
		buf_addf(b, "%s\r\n", *f);
	if (t->take)
		buf_adds(b, "Connection: Upgrade\r\n");
	if (q->body_read != NULL || q->body.p != NULL || is_method(q, with_body))
		buf_addf(b, "Content-Length: %llu\r\n",
			 (unsigned long long)body_length(q));
	buf_adds(b, "\r\n");
	return buf_check(b, "the request's header", e);
}

static int deliver(struct http_response *r, struct str piece, struct err *e)
{
	if (r->on_body != NULL)
		return r->on_body(r->ctx, piece, e);
	buf_addstr(&r->body, piece);
	return buf_check(&r->body, "the answer", e);
}

/* The parser's head becomes the caller's, before any of the body. */
static void hand_over(struct talk *t)
{
	buf_burn(&t->r->head.raw);
	t->r->head = t->parser.head;
	buf_init(&t->parser.head.raw, HTTP_HEAD_MAX);
	t->have_head = true;
}

/* What follows the head is a conversation. */
static bool is_taken(const struct talk *t)
{
	return t->parser.until_close &&
	       (t->r->head.status == 101 || t->r->head.status == 200);
}

/* Make what can be made of the bytes that are there. */
static int digest(struct talk *t, struct err *e)
{
	struct str in = buf_str(&t->c->in), piece;
	enum http_event event;
	int rc = 0;

	do {
		event = http_parse(&t->parser, &in, &piece, e);
		if (event == HTTP_HEAD)
			hand_over(t);
		t->taken = event == HTTP_HEAD && t->take && is_taken(t);
		if (t->taken)
			break;
		else if (event == HTTP_BODY)
			rc = deliver(t->r, piece, e);
	} while (rc == 0 && (event == HTTP_HEAD || event == HTTP_BODY));
	t->done = event == HTTP_END || t->taken;
	buf_consume(&t->c->in, t->c->in.n - in.n);
	return event == HTTP_BROKEN ? -1 : rc;
}

/* Read once, until `until` at the latest, and digest it. */
static int listen_to(struct talk *t, int64_t until, struct err *e)
{
	struct buf *in = &t->c->in;
	size_t room = HTTP_PIECE - in->n;
	ssize_t got = stream_read(t->c->stream, buf_room(in, room), room, until,
				  e);

	/* not of a connection that is given up */
	t->silent = got < 0 && e->kind == ERR_TIMEOUT && now_ms() >= until;
	if (got < 0)
		return err_in(e, t->parser.started ? "the answer broke off" :
						     "waiting for an answer");
	if (got == 0) {
		if (http_parse_eof(&t->parser, e) < 0)
			return -1;
		t->done = true;
		return 0;
	}
	buf_grew(in, (size_t)got);
	if (digest(t, e) < 0)
		return -1;
	/* a peer that never falls silent */
	if (!t->done && now_ms() >= t->q->deadline_ms)
		return err_set(e, ERR_TIMEOUT, "the answer took too long");
	return 0;
}

/* Nothing more needs to be sent: it is answered, or refused. */
static bool settled(const struct talk *t)
{
	return t->done || (t->have_head && t->r->head.status >= 400);
}

/* Between pieces of the body: hear what the peer says, until it takes more. */
static int look_up(struct talk *t, struct err *e)
{
	struct stream *s = t->c->stream;
	struct pollfd p = { .fd = stream_fd(s), .events = POLLIN };

	if (stream_pending(s))
		return listen_to(t, patience(t), e);
	if (p.fd < 0)
		return 0;
	if (fd_wait(p.fd, POLLIN | POLLOUT, patience(t), e) < 0)
		return err_in(e, "sending");
	if (poll(&p, 1, 0) <= 0 || p.revents == 0)
		return 0;
	return listen_to(t, patience(t), e);
}

/* The peer takes no more.  Perhaps it said why before it closed. */
static int salvage(struct talk *t, struct err *e)
{
	struct err ignored = ERR_INIT;
	int64_t until = now_ms() + SALVAGE_MS;

	if (e->kind != ERR_NET && e->kind != ERR_TIMEOUT)
		return -1;
	while (!t->done && listen_to(t, until, &ignored) == 0)
		;
	if (!t->done)
		return -1;
	err_clear(e);
	return 0;
}

static int send_body(struct talk *t, char *piece, struct err *e)
{
	const struct http_request *q = t->q;
	uint64_t left = body_length(q);
	struct str rest = q->body;

	while (left > 0) {
		size_t n = left < HTTP_PIECE ? (size_t)left : HTTP_PIECE;
		const char *from = rest.p;

		if (look_up(t, e) < 0)
			return -1;
		if (settled(t))
			return 0;
		if (q->body_read != NULL) {
			ssize_t got = q->body_read(q->body_ctx, piece, n, e);

			t->body_begun = true;
			if (got <= 0 || (size_t)got > n)
				return err_set(e, ERR_IO,
					       "the body to send ended early");
			n = (size_t)got;
			from = piece;
		}
		if (stream_write(t->c->stream, from, n, patience(t), e) < 0)
			return salvage(t, e);
		rest = str_skip(rest, n);
		left -= n;
		if (now_ms() >= q->deadline_ms)
			return err_set(e, ERR_TIMEOUT,
				       "the request took too long to send");
	}
	t->sent = true;
	return 0;
}

int http_send_request(struct talk *t, struct err *e)
{
	struct buf b = BUF_INIT(REQUEST_MAX + SMALL_BODY);
	bool small = t->q->body_read == NULL && t->q->body.n <= SMALL_BODY;
	int rc = -1;

	if (request_head(t, &b, e) < 0)
		goto out;
	if (small)
		buf_addstr(&b, t->q->body);
	t->c->requests++;
	if (stream_write(t->c->stream, b.str, b.n, patience(t), e) < 0) {
		rc = salvage(t, e);
		goto out;
	}
	if (small) {
		t->sent = true;
	} else {
		/* its header is out: the buffer serves for the pieces */
		buf_burn(&b);
		if (send_body(t, buf_room(&b, HTTP_PIECE), e) < 0)
			goto out;
	}
	rc = 0;
	if (t->sent && stream_flush(t->c->stream, patience(t), e) < 0) {
		t->sent = false;
		rc = salvage(t, e);
	}
out:
	buf_burn(&b);
	return rc;
}

int http_hear(struct talk *t, struct err *e)
{
	int rc = listen_to(t, patience(t), e);

	if (rc < 0 && t->silent && t->q->silent != NULL &&
	    now_ms() < t->q->deadline_ms) {
		err_clear(e);
		rc = t->q->silent(t->q->silent_ctx, e);
	}
	return rc;
}
