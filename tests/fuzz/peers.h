/*
 * A process with nobody outside, for the fuzzers of what runs on a node: all
 * that it connects to is memory, time passes only where somebody waits, and
 * what services tell the journal is made and thrown away.
 *
 * Included once, by the fuzzer itself: what is defined here takes the place of
 * base/net.c and base/clock.c when the program is linked, so that the product
 * needs no hooks for it.
 *
 * A peer says what the input has for it, in blocks that end with a line "--":
 *
 *	e0l		the engine answers 200, with a length
 *	{"ID":"x"}
 *	--
 *	m2c		the metadata service 409, in chunks
 *
 * The first letter is who says it (struct peers names them), the digit is the
 * status, the second letter how it is said: see say().  The nth request to a
 * peer gets its nth block; behind the last, and without any, what is_usual of
 * the fuzzer makes up: an engine that is well.
 */
#ifndef TESTS_FUZZ_PEERS_H
#define TESTS_FUZZ_PEERS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/net.h"
#include "http.h"

int64_t real_now_ms(void);
int64_t real_unix_time(void);
int real_sleep_until(int64_t deadline_ms, struct err *e);
bool real_interrupt_requested(void);
struct stream *real_stream_of_fd(int fd);
int real_tcp_connect(const char *host, unsigned port, int64_t deadline_ms,
		     struct err *e);
int real_unix_connect(const char *path, int64_t deadline_ms, struct err *e);

#define now_ms real_now_ms
#define unix_time real_unix_time
#define sleep_until real_sleep_until
#define interrupt_requested real_interrupt_requested
#include "base/clock.c"
#undef now_ms
#undef unix_time
#undef sleep_until
#undef interrupt_requested

#define stream_of_fd real_stream_of_fd
#define tcp_connect real_tcp_connect
#define unix_connect real_unix_connect
#include "base/net.c"
#undef stream_of_fd
#undef tcp_connect
#undef unix_connect

#define PEERS_BLOCKS 64
#define PEERS_PORT_HELPER 1001
#define PEERS_PORT_HEALTH 1002
#define PEERS_PORT_METADATA 1003
#define PEERS_EPOCH 1700000000 /* where the wall clock begins */
#define PEERS_SLEEPS 20000     /* more in one input is waiting for ever */

static inline void must(bool good)
{
	if (!good)
		abort();
}

struct peers {
	/* e engine, g its answer to a ping, h helper, p an agent's probe,
	 * m metadata service */
	struct {
		char who, status, how;
		struct str body;
		bool said;
	} blocks[PEERS_BLOCKS];
	size_t n;
	int64_t now_ms, end_ms; /* the clock, and when we are asked to stop */
	unsigned sleeps;
	/* Told of every request before it is answered; NULL: nobody is. */
	void (*asked)(char who, struct str method, struct str target,
		      struct str body);
	/* The answer of a peer for whom there is no block: the status. */
	unsigned (*usual)(char who, struct str method, struct str target,
			  struct buf *body);
};
static struct peers peers;

/* ---- time ---- */

int64_t now_ms(void)
{
	return peers.now_ms;
}

int64_t unix_time(void)
{
	return PEERS_EPOCH + peers.now_ms / 1000;
}

bool interrupt_requested(void)
{
	return peers.now_ms >= peers.end_ms;
}

int sleep_until(int64_t deadline_ms, struct err *e)
{
	must(++peers.sleeps < PEERS_SLEEPS);
	if (deadline_ms > peers.now_ms)
		peers.now_ms = deadline_ms;
	return interrupt_requested() ? err_set(e, ERR_INTR, "interrupted") : 0;
}

/* ---- the input ---- */

/* Take the blocks of in, forgetting those of another input.  Bytes that are in
 * no block are nobody's. */
static inline void peers_begin(struct str in)
{
	struct str line;

	peers.n = peers.sleeps = 0;
	peers.now_ms = 1000000;
	peers.end_ms = INT64_MAX;
	while (peers.n < PEERS_BLOCKS && str_next(&in, '\n', &line)) {
		ptrdiff_t end = str_find(in, STR("\n--\n"));

		if (line.n != 3)
			continue;
		peers.blocks[peers.n].who = line.p[0];
		peers.blocks[peers.n].status = line.p[1];
		peers.blocks[peers.n].how = line.p[2];
		peers.blocks[peers.n].said = false;
		peers.blocks[peers.n++].body =
			end < 0 ? in : str_head(in, (size_t)end);
		in = end < 0 ? STR_NULL : str_skip(in, (size_t)end + 4);
	}
}

/* What is before the first line "--", which goes with it. */
static inline struct str peers_first(struct str *in)
{
	ptrdiff_t end = str_find(*in, STR("\n--\n"));
	struct str first = end < 0 ? *in : str_head(*in, (size_t)end + 1);

	*in = end < 0 ? STR_NULL : str_skip(*in, (size_t)end + 4);
	return first;
}

/* ---- a connection ---- */

struct peer {
	struct stream s;
	char who;
	struct buf heard, say;
	size_t piece;	   /* bytes at a time, 0: all there are */
	bool ends, silent; /* behind what is said */
};

static inline void say_chunks(struct buf *b, struct str body)
{
	while (body.n > 0) {
		struct str one = str_head(body, 1 + (body.n & 63));

		buf_addf(b, "%zx\r\n", one.n);
		buf_addstr(b, one);
		buf_adds(b, "\r\n");
		body = str_skip(body, one.n);
	}
	buf_adds(b, "0\r\n\r\n");
}

/* how: r as it is, c in chunks, u until it hangs up, x shorter than it said,
 * s not to the end, and silent, b a byte at a time; otherwise with a length. */
static inline void say(struct peer *p, unsigned status, char how, struct str body)
{
	struct buf *b = &p->say;

	p->piece = how == 'b' ? 1 : 0;
	p->ends = how == 'u' || how == 'x' || how == 'r';
	p->silent = how == 's';
	if (how == 'r') {
		buf_addstr(b, body);
		return;
	}
	buf_addf(b, "HTTP/1.1 %u %s\r\n", status, http_reason(status));
	if (how == 'c') {
		buf_adds(b, "Transfer-Encoding: chunked\r\n\r\n");
		say_chunks(b, body);
		return;
	}
	if (how != 'u')
		buf_addf(b, "Content-Length: %zu\r\n",
			 body.n + (how == 'x' || how == 's'));
	buf_adds(b, "\r\n");
	buf_addstr(b, body);
}

static inline void answer_ping(struct peer *p, struct str version)
{
	buf_addf(&p->say,
		 "HTTP/1.1 200 OK\r\nApi-Version: %.*s\r\n"
		 "Content-Length: 2\r\n\r\nOK",
		 STR_ARG(version));
}

static inline void answer_request(struct peer *p, struct str method,
				  struct str target, struct str body)
{
	static const unsigned statuses[] = { 200, 404, 409, 500, 503,
					     201, 204, 403, 429, 401 };
	bool ping = p->who == 'e' && str_eq(target, STR("/_ping"));
	char who = ping ? 'g' : p->who;
	struct buf b = BUF_INIT(1u << 20);
	unsigned char digit;
	unsigned status;

	if (peers.asked != NULL)
		peers.asked(who, method, target, body);
	for (size_t i = 0; i < peers.n; i++) {
		if (peers.blocks[i].said || peers.blocks[i].who != who)
			continue;
		peers.blocks[i].said = true;
		digit = (unsigned char)(peers.blocks[i].status - '0');
		if (ping)
			answer_ping(p, peers.blocks[i].body);
		else
			say(p, statuses[digit % 10], peers.blocks[i].how,
			    peers.blocks[i].body);
		return;
	}
	if (ping) {
		answer_ping(p, STR("1.44"));
	} else {
		status = peers.usual(who, method, target, &b);
		say(p, status, 'l', buf_str(&b));
	}
	buf_release(&b);
}

/* The whole request is there: nobody reads before. */
static inline void answer_heard(struct peer *p)
{
	struct str rest = buf_str(&p->heard), line = STR_NULL,
		   method = STR_NULL, target = STR_NULL;
	ptrdiff_t end = str_find(rest, STR("\r\n\r\n"));

	must(end >= 0 && str_next(&rest, '\r', &line));
	must(str_next(&line, ' ', &method) && str_next(&line, ' ', &target));
	answer_request(p, method, target,
		       str_skip(buf_str(&p->heard), (size_t)end + 4));
	buf_reset(&p->heard);
}

static inline ssize_t peer_read(struct stream *s, void *to, size_t n,
				int64_t deadline_ms, struct err *e)
{
	struct peer *p = (struct peer *)s;

	if (p->say.n == 0 && !p->ends && !p->silent && p->heard.n > 0)
		answer_heard(p);
	if (p->say.n == 0 && p->ends)
		return 0;
	if (p->say.n == 0) {
		must(deadline_ms != IO_FOREVER);
		sleep_until(deadline_ms, e);
		return err_set(e, ERR_TIMEOUT, "timed out");
	}
	if (p->piece > 0 && n > p->piece)
		n = p->piece;
	if (n > p->say.n)
		n = p->say.n;
	memcpy(to, p->say.str, n);
	buf_consume(&p->say, n);
	return (ssize_t)n;
}

static inline int peer_write(struct stream *s, const void *from, size_t n,
			     int64_t deadline_ms, struct err *e)
{
	struct peer *p = (struct peer *)s;

	(void)deadline_ms, (void)e;
	buf_add(&p->heard, from, n);
	must(!p->heard.over);
	return 0;
}

static inline void peer_close(struct stream *s)
{
	struct peer *p = (struct peer *)s;

	buf_release(&p->heard);
	buf_release(&p->say);
	free(p);
}

/* A descriptor of ours is the letter of who is at its other end. */
struct stream *stream_of_fd(int fd)
{
	static const struct stream_ops ops = {
		.read = peer_read,
		.write = peer_write,
		.close = peer_close,
	};
	struct peer *p = xcalloc(1, sizeof(*p));

	p->s.ops = &ops;
	p->who = (char)fd;
	buf_init(&p->heard, 4u << 20);
	buf_init(&p->say, 8u << 20);
	return &p->s;
}

int tcp_connect(const char *host, unsigned port, int64_t deadline_ms,
		struct err *e)
{
	(void)host, (void)deadline_ms, (void)e;
	return port == PEERS_PORT_HELPER   ? 'h' :
	       port == PEERS_PORT_METADATA ? 'm' :
	       port == PEERS_PORT_HEALTH   ? 'p' :
					     err_set(e, ERR_NET, "refused");
}

int unix_connect(const char *path, int64_t deadline_ms, struct err *e)
{
	(void)path, (void)deadline_ms, (void)e;
	return 'e';
}

/* ---- what a server hears ---- */

/* A connection on which everything is said at once, and then nothing more. */
struct caller {
	struct stream s;
	struct str in;
	size_t piece;
	struct buf *out;
};

static inline ssize_t caller_read(struct stream *s, void *to, size_t n,
				  int64_t deadline_ms, struct err *e)
{
	struct caller *c = (struct caller *)s;

	(void)deadline_ms, (void)e;
	if (c->piece > 0 && n > c->piece)
		n = c->piece;
	if (n > c->in.n)
		n = c->in.n;
	if (n > 0)
		memcpy(to, c->in.p, n);
	c->in = str_skip(c->in, n);
	return (ssize_t)n;
}

static inline int caller_write(struct stream *s, const void *from, size_t n,
			       int64_t deadline_ms, struct err *e)
{
	(void)deadline_ms, (void)e;
	buf_add(((struct caller *)s)->out, from, n);
	return 0;
}

static inline void caller_close(struct stream *s)
{
	free(s);
}

/* in and out must stay; piece: bytes that arrive at a time, 0: all of them. */
static inline struct stream *caller(struct str in, size_t piece, struct buf *out)
{
	static const struct stream_ops ops = {
		.read = caller_read,
		.write = caller_write,
		.close = caller_close,
	};
	struct caller *c = xcalloc(1, sizeof(*c));

	*c = (struct caller){ { &ops }, in, piece, out };
	return &c->s;
}

/* What a server said is whole answers; how many.  Answers to HEAD have no
 * body, which only the request tells: then nothing is counted. */
static inline unsigned whole_answers(struct str asked, struct str said)
{
	struct http_parser p;
	struct err e = ERR_INIT;
	enum http_event event;
	unsigned n = 0;
	struct str piece;

	http_parser_init(&p, false);
	while (said.n > 0 && str_find(asked, STR("HEAD")) < 0) {
		http_parser_reset(&p);
		do
			event = http_parse(&p, &said, &piece, &e);
		while (event == HTTP_HEAD || event == HTTP_BODY);
		must(event == HTTP_END);
		n++;
	}
	http_parser_release(&p);
	return n;
}

/* What a server says on one connection, on which these lines arrive. */
static inline void serve_lines(void (*handle)(void *, struct http_exchange *),
			       void *ctx, int64_t idle_ms, struct str said)
{
	const struct http_server s = {
		.listen_fd = -1,
		.stop_fd = -1,
		.body_max = 1024,
		.idle_ms = idle_ms,
		.body_ms = idle_ms,
		.handle = handle,
		.ctx = ctx,
	};
	struct buf in = BUF_INIT(1u << 20), out = BUF_INIT(32u << 20);
	struct str line;

	while (str_next(&said, '\n', &line)) {
		buf_addstr(&in, line);
		buf_adds(&in, "\r\n");
	}
	http_serve_stream(&s, caller(buf_str(&in), in.n % 5 == 1, &out),
			  "10.0.0.4:5");
	whole_answers(buf_str(&in), buf_str(&out));
	buf_release(&in);
	buf_release(&out);
}

#endif
