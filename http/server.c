/*
 * HTTP/1.1, the server's side: a thread per connection that has said something
 * (until then it is at the door, http/door.h), each wait bounded,
 * each answer framed so that the next one cannot be mistaken for its rest.
 * Knows nothing of what is served.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/net.h"
#include "base/time.h"
#include "http/door.h"

#define STACK (256u << 10)
#define PIECE ((16u << 10) - 1) /* read at a time */
#define OUT_MAX (96u << 10)	/* head of an answer, with a small body */
#define SMALL (16u << 10)	/* body sent in one write with its head */
#define DRAIN_MAX \
	(64u << 10) /* of a body nobody read, to keep the connection */
#define DRAIN_MS 1000
#define LINGER_MS 2000 /* reading on, so that the answer is not lost */
#define CROWDED_LOOK_MS 250
#define ACCEPT_MAX 32	    /* taken at a go */
#define ACCEPT_PAUSE_MS 100 /* out of descriptors: others must end first */
#define ACCEPT_TRIES 100

struct conn {
	struct conn *next;
	struct server *sv;
	pthread_t thread;
	char peer[DOOR_PEER_MAX];
	enum http_rank rank;
	/* under sv->lock */
	int fd;		    /* -1: closed, or not ours to shut down */
	int64_t owes_since; /* a handshake, a request's header; 0: nothing */
	bool told;	    /* to go */
	bool ended;	    /* thread may be joined */
	/* of the thread alone */
	struct stream *st;
	bool own_fd; /* st is plain, its descriptor a socket */
	struct http_parser parser;
	struct buf in;	/* bytes read, not parsed */
	struct buf out; /* of the answer, not written */
};

struct server {
	const struct http_server *s;
	pthread_mutex_t lock;
	struct conn *conns;
	unsigned n, of_rank[HTTP_RANKS];
	struct door door;
	atomic_bool stopping;
	atomic_bool crowded; /* somebody waits for a place */
	int done_fd;	     /* readable when a thread has ended */
};

enum answered { NOTHING, BEGUN, ANSWERED, ABORTED };

struct http_exchange {
	struct conn *c;
	struct str path, query;
	/* the answer */
	enum answered answered;
	bool keep; /* the connection, behind this exchange */
	bool stay; /* even when others wait */
	bool no_body, chunked;
	unsigned status;
	uint64_t left; /* to be sent, UINT64_MAX: unknown */
	/* the request's body */
	bool expects;	  /* 100 (Continue), and has not got it */
	bool whole;	  /* taken to its end */
	unsigned refusal; /* status for what was wrong with it */
	uint64_t taken;
	int64_t body_until;
	struct str piece; /* parsed, not given to the handler; into c->in */
	struct err *why;  /* what goes to failed() */
};

/* ---- what the handler sees ---- */

const struct http_head *http_x_head(const struct http_exchange *x)
{
	return &x->c->parser.head;
}

struct str http_x_path(const struct http_exchange *x)
{
	return x->path;
}

struct str http_x_query(const struct http_exchange *x)
{
	return x->query;
}

const char *http_x_peer(const struct http_exchange *x)
{
	return x->c->peer;
}

enum http_rank http_x_rank(const struct http_exchange *x)
{
	return x->c->rank;
}

void http_x_stay(struct http_exchange *x)
{
	x->stay = true;
}

bool http_x_stopping(const struct http_exchange *x)
{
	return x->c->sv->stopping || interrupt_requested();
}

bool http_x_param(const struct http_exchange *x, const char *name, struct buf *out)
{
	struct str rest = x->query, value, key;
	struct err ignored = ERR_INIT;
	struct buf plain;
	size_t before = out->n;
	bool match;

	while (str_next(&rest, '&', &value)) {
		if (!str_cut(&value, '=', &key)) {
			key = value;
			value.n = 0;
		}
		buf_init(&plain, HTTP_LINE_MAX);
		match = buf_add_unpct(&plain, key, true, &ignored) == 0 &&
			str_eqz(buf_str(&plain), name);
		buf_release(&plain);
		if (!match)
			continue;
		if (buf_add_unpct(out, value, true, &ignored) == 0 && !out->over)
			return true;
		buf_truncate(out, before);
		return false;
	}
	return false;
}

/* ---- writing ---- */

static int64_t from_now(int64_t ms)
{
	return now_ms() + ms;
}

/* What is staged, then more, which goes with it when it is short. */
static int put(struct conn *c, struct str more, struct err *e)
{
	struct stream *st = c->st;
	int64_t until = from_now(c->sv->s->idle_ms);
	int rc;

	if (more.n <= SMALL) {
		buf_addstr(&c->out, more);
		more.n = 0;
	}
	if (buf_check(&c->out, "the answer's header", e) < 0)
		return -1;
	rc = c->out.n == 0 ? 0 : stream_write(st, c->out.str, c->out.n, until, e);
	buf_reset(&c->out);
	/* in pieces, each with its time: a slow peer may take long, a silent
	 * one may not */
	while (rc == 0 && more.n > 0) {
		struct str piece = str_head(more, 4 * SMALL);

		rc = stream_write(st, piece.p, piece.n,
				  from_now(c->sv->s->idle_ms), e);
		more = str_skip(more, piece.n);
	}
	if (rc == 0)
		rc = stream_flush(st, from_now(c->sv->s->idle_ms), e);
	return rc < 0 ? err_in(e, "answering") : 0;
}

/* What follows "NAME:" in a field of that name, or NULL. */
static const char *behind(const char *field, struct str name)
{
	return strncasecmp(field, name.p, name.n) == 0 ? field + name.n : NULL;
}

static bool fields_say_close(const char *const *fields)
{
	const char *value;

	for (; fields != NULL && *fields != NULL; fields++)
		if ((value = behind(*fields, STR("connection:"))) != NULL &&
		    str_ieqz(str_trim(str_of(value)), "close"))
			return true;
	return false;
}

/* Can the rest of the request's body be passed over? */
static bool drainable(const struct http_exchange *x)
{
	const struct http_parser *p = &x->c->parser;

	if (x->whole)
		return true;
	if (x->refusal != 0 || x->expects)
		return false;
	return !p->has_length || p->length - x->taken <= DRAIN_MAX;
}

/* Stage the head of an answer; decides how its end will be known. */
static void stage_head(struct http_exchange *x, unsigned status,
		       const char *const *fields, uint64_t length)
{
	const struct http_head *h = http_x_head(x);
	struct buf *out = &x->c->out;
	bool empty = status < 200 || status == 204 || status == 304;
	char date[32];

	time_http(unix_time(), date);
	buf_adds(out, "HTTP/1.1 ");
	buf_add_dec(out, status);
	buf_addc(out, ' ');
	buf_adds(out, http_reason(status));
	buf_adds(out, "\r\nDate: ");
	buf_adds(out, date);
	buf_adds(out, "\r\n");
	for (const char *const *f = fields; f != NULL && *f != NULL; f++)
		if (behind(*f, STR("connection:")) == NULL &&
		    behind(*f, STR("date:")) == NULL) {
			buf_adds(out, *f);
			buf_addstr(out, STR("\r\n"));
		}
	x->no_body = empty || str_eqz(h->method, "HEAD");
	x->chunked = length == UINT64_MAX && h->minor > 0 && !empty;
	x->left = length;
	x->keep = x->keep && !fields_say_close(fields) && !http_x_stopping(x) &&
		  (x->stay || !x->c->sv->crowded) && drainable(x) &&
		  (length != UINT64_MAX || x->chunked || empty);
	if (x->chunked)
		buf_adds(out, "Transfer-Encoding: chunked\r\n");
	else if (length != UINT64_MAX && !empty) {
		buf_adds(out, "Content-Length: ");
		buf_add_dec(out, length);
		buf_adds(out, "\r\n");
	}
	if (!x->keep)
		buf_adds(out, "Connection: close\r\n");
	else if (h->minor == 0)
		buf_adds(out, "Connection: keep-alive\r\n");
	buf_adds(out, "\r\n");
	x->status = status;
	x->answered = BEGUN;
}

/* What was begun cannot be finished. */
static int give_up(struct http_exchange *x, const struct err *e)
{
	err_set(x->why, e->kind, "%s", e->msg);
	x->answered = ABORTED;
	x->keep = false;
	return -1;
}

static int begin(struct http_exchange *x, unsigned status,
		 const char *const *fields, uint64_t length, struct err *e)
{
	if (x->answered != NOTHING)
		return err_set(e, ERR_DATA, "answered twice");
	if (status < 200 || status > 599)
		return err_set(e, ERR_DATA, "%u is no status to answer with",
			       status);
	if (http_fields_check(fields, false, e) < 0)
		return -1;
	stage_head(x, status, fields, length);
	return buf_check(&x->c->out, "the answer's header", e) < 0 ?
		       give_up(x, e) :
		       0;
}

/* Stage or write a piece of the body. */
static int more(struct http_exchange *x, struct str piece, struct err *e)
{
	struct conn *c = x->c;

	if (x->answered != BEGUN)
		return err_set(e, ERR_DATA, "no answer is under way");
	if (piece.n == 0 || x->no_body)
		return put(c, STR_NULL, e) < 0 ? give_up(x, e) : 0;
	if (!x->chunked && x->left != UINT64_MAX) {
		if (piece.n > x->left) {
			err_set(e, ERR_DATA,
				"more of an answer than was announced");
			return give_up(x, e);
		}
		x->left -= piece.n;
	}
	if (x->chunked)
		buf_addf(&c->out, "%zx\r\n", piece.n);
	if (x->chunked && piece.n <= SMALL) {
		buf_addstr(&c->out, piece);
		piece = STR("\r\n");
	} else if (x->chunked) {
		if (put(c, piece, e) < 0)
			return give_up(x, e);
		piece = STR("\r\n");
	}
	return put(c, piece, e) < 0 ? give_up(x, e) : 0;
}

int http_x_begin(struct http_exchange *x, unsigned status,
		 const char *const *fields, uint64_t length, struct err *e)
{
	if (begin(x, status, fields, length, e) < 0)
		return -1;
	return put(x->c, STR_NULL, e) < 0 ? give_up(x, e) : 0;
}

int http_x_send(struct http_exchange *x, struct str piece, struct err *e)
{
	return piece.n == 0 ? 0 : more(x, piece, e);
}

int http_x_end(struct http_exchange *x, struct err *e)
{
	if (x->answered != BEGUN)
		return err_set(e, ERR_DATA, "no answer is under way");
	if (!x->no_body && x->left != UINT64_MAX && x->left > 0) {
		err_set(e, ERR_DATA, "less of an answer than was announced");
		return give_up(x, e);
	}
	if (put(x->c, x->chunked && !x->no_body ? STR("0\r\n\r\n") : STR_NULL,
		e) < 0)
		return give_up(x, e);
	x->answered = ANSWERED;
	return 0;
}

static int answer(struct http_exchange *x, unsigned status,
		  const char *const *fields, struct str body, struct err *e)
{
	if (begin(x, status, fields, body.n, e) < 0 || more(x, body, e) < 0)
		return -1;
	x->answered = ANSWERED;
	return 0;
}

int http_x_answer(struct http_exchange *x, unsigned status,
		  const char *const *fields, struct str body)
{
	struct err e = ERR_INIT;
	enum answered before = x->answered;

	if (answer(x, status, fields, body, &e) == 0)
		return 0;
	if (before == NOTHING && x->answered == NOTHING)
		answer(x, 500, NULL, STR_NULL, &(struct err)ERR_INIT);
	return -1;
}

unsigned http_x_status(const struct http_exchange *x)
{
	return x->answered == ABORTED ? 0 : x->status;
}

void http_x_abort(struct http_exchange *x)
{
	buf_reset(&x->c->out);
	x->answered = ABORTED;
	x->keep = false;
}

int http_x_raw(struct http_exchange *x, struct str bytes)
{
	struct err ignored = ERR_INIT;

	http_x_abort(x);
	return put(x->c, bytes, &ignored);
}

void http_x_reset(struct http_exchange *x)
{
	const struct sockaddr none = { .sa_family = AF_UNSPEC };

	/* now: closing would say goodbye first */
	http_x_abort(x);
	connect(stream_fd(x->c->st), &none, sizeof none);
}

/* ---- reading ---- */

/* Read once into c->in, which is empty.  0 at the stream's end. */
static ssize_t fill(struct conn *c, int64_t until, struct err *e)
{
	ssize_t got = stream_read(c->st, buf_room(&c->in, PIECE), PIECE, until, e);

	if (got > 0)
		buf_grew(&c->in, (size_t)got);
	return got;
}

/* Parse on in c->in; what was parsed is taken out only before the next read,
 * because a body's pieces are slices of it. */
static enum http_event next_event(struct conn *c, struct str *in,
				  struct str *piece, struct err *e)
{
	enum http_event event = http_parse(&c->parser, in, piece, e);

	if (event == HTTP_MORE)
		buf_reset(&c->in);
	return event;
}

static int bad_body(struct http_exchange *x, unsigned status, struct err *e)
{
	x->refusal = status;
	x->keep = false;
	return err_in(e, "the request's body");
}

/* The next piece of the body into x->piece: 1, 0 at its end, -1. */
static int next_piece(struct http_exchange *x, struct err *e)
{
	struct conn *c = x->c;
	const struct http_server *s = c->sv->s;
	struct str in;
	enum http_event event;
	ssize_t got;

	if (x->body_until == 0)
		x->body_until = from_now(s->body_ms);
	while (!x->whole) {
		in = buf_str(&c->in);
		event = next_event(c, &in, &x->piece, e);
		if (event == HTTP_BROKEN)
			return bad_body(x, c->parser.refusal, e);
		if (event == HTTP_END || event == HTTP_BODY) {
			/* a piece stays in the buffer until it was used */
			x->expects = false;
			if (event == HTTP_BODY) {
				x->taken += x->piece.n;
				if (x->taken <= s->body_max)
					return 1;
				err_set(e, ERR_DATA, "larger than %llu bytes",
					(unsigned long long)s->body_max);
				return bad_body(x, 413, e);
			}
			buf_consume(&c->in, c->in.n - in.n);
			x->whole = true;
			break;
		}
		if (x->expects) {
			x->expects = false;
			if (x->answered == NOTHING)
				buf_adds(&c->out, "HTTP/1.1 100 Continue\r\n\r\n");
			if (put(c, STR_NULL, e) < 0)
				return bad_body(x, 400, e);
		}
		if (now_ms() >= x->body_until) {
			err_set(e, ERR_TIMEOUT, "timed out");
			return bad_body(x, 408, e);
		}
		got = fill(c, x->body_until, e);
		if (got < 0)
			return bad_body(x, e->kind == ERR_TIMEOUT ? 408 : 400, e);
		if (got == 0) {
			http_parse_eof(&c->parser, e);
			return bad_body(x, 400, e);
		}
	}
	return 0;
}

/* x->piece was used: what it pointed into may go. */
static void drop_piece(struct http_exchange *x, size_t n)
{
	struct conn *c = x->c;

	x->piece = str_skip(x->piece, n);
	if (x->piece.n == 0 && x->piece.p != NULL)
		buf_consume(&c->in, (size_t)(x->piece.p - c->in.str));
}

ssize_t http_x_read(struct http_exchange *x, void *p, size_t n, struct err *e)
{
	int rc;

	if (x->refusal != 0)
		return err_set(e, ERR_PROTO, "the request's body cannot be read");
	if (x->piece.n == 0 && (rc = next_piece(x, e)) <= 0)
		return rc;
	if (n > x->piece.n)
		n = x->piece.n;
	memcpy(p, x->piece.p, n);
	drop_piece(x, n);
	return (ssize_t)n;
}

int http_x_body(struct http_exchange *x, struct buf *b, struct err *e)
{
	int rc;

	if (x->refusal != 0)
		return err_set(e, ERR_PROTO, "the request's body cannot be read");
	while ((rc = x->piece.n > 0 ? 1 : next_piece(x, e)) > 0) {
		buf_addstr(b, x->piece);
		drop_piece(x, x->piece.n);
		if (buf_check(b, "it", e) < 0)
			return bad_body(x, 413, e);
	}
	return rc;
}

/* ---- one connection ---- */

static void tell(struct conn *c, struct err *e)
{
	const struct http_server *s = c->sv->s;

	if (s->failed == NULL || e->kind == ERR_NONE || e->kind == ERR_INTR)
		return;
	err_in(e, "%s", c->peer);
	s->failed(s->ctx, e);
}

/* Target without scheme and authority, cut at the '?' (RFC 9112 3.2). */
static void split_target(struct http_exchange *x)
{
	struct str t = http_x_head(x)->target;
	ptrdiff_t at;

	if (str_istarts(t, STR("http://")) || str_istarts(t, STR("https://"))) {
		t = str_skip(t, (size_t)str_find(t, STR("://")) + 3);
		at = str_chr(t, '/');
		t = at < 0 ? STR("/") : str_skip(t, (size_t)at);
	}
	at = str_chr(t, '?');
	x->path = at < 0 ? t : str_head(t, (size_t)at);
	x->query = at < 0 ? str_skip(t, t.n) : str_skip(t, (size_t)at + 1);
}

/* Is something wrong with the request that no handler need see?  Its status. */
static unsigned check_request(struct http_exchange *x)
{
	const struct http_parser *p = &x->c->parser;
	struct str host = http_field(&p->head, "host");
	struct str expect = http_field(&p->head, "expect");

	/* RFC 9112 section 3.2 */
	if ((host.p == NULL && p->head.minor > 0) ||
	    http_field_n(&p->head, "host", 1).p != NULL)
		return 400;
	if (x->path.n == 0 || (x->path.p[0] != '/' && !str_eqz(x->path, "*")))
		return 400;
	if (p->has_length && p->length > x->c->sv->s->body_max)
		return 413;
	if (expect.p == NULL || p->head.minor == 0)
		return 0;
	if (!str_ieqz(expect, "100-continue"))
		return 417;
	x->expects = !x->whole;
	return 0;
}

static void plain_answer(struct http_exchange *x, unsigned status, const char *why)
{
	static const char *const text[] = { "Content-Type: text/plain", NULL };
	struct buf b = BUF_INIT(1200);
	struct err ignored = ERR_INIT;

	buf_addf(&b, "%u %s%s%s\n", status, http_reason(status),
		 *why == '\0' ? "" : ": ", why);
	answer(x, status, text, buf_str(&b), &ignored);
	buf_release(&b);
}

/* Pass over what the handler did not want to know. */
static bool drain(struct http_exchange *x)
{
	int64_t until = from_now(DRAIN_MS);
	struct err ignored = ERR_INIT;
	uint64_t passed = 0;

	if (!drainable(x))
		return false;
	x->body_until = until;
	while (!x->whole) {
		passed += x->piece.n;
		drop_piece(x, x->piece.n);
		if (passed > DRAIN_MAX || next_piece(x, &ignored) < 0)
			return false;
	}
	return true;
}

/*
 * Closing a socket with unread bytes resets it, and the peer may lose the
 * answer.  So: no more from us, and read until the peer has heard that.
 */
static void linger(struct conn *c)
{
	int64_t until = from_now(LINGER_MS);
	struct err ignored = ERR_INIT;

	if (c->own_fd)
		shutdown(stream_fd(c->st), SHUT_WR);
	do
		buf_reset(&c->in);
	while (now_ms() < until && !c->sv->stopping &&
	       fill(c, until, &ignored) > 0);
}

static void set_owes(struct conn *c, int64_t since)
{
	pthread_mutex_lock(&c->sv->lock);
	c->owes_since = since;
	pthread_mutex_unlock(&c->sv->lock);
}

/* Something is there to be read; false: the end, or time for it. */
static bool wait_request(struct conn *c)
{
	const struct http_server *s = c->sv->s;
	int64_t until = from_now(s->idle_ms);
	struct pollfd p[] = {
		{ .fd = stream_fd(c->st), .events = POLLIN },
		{ .fd = s->stop_fd, .events = POLLIN },
		{ .fd = interrupt_fd(), .events = POLLIN },
	};
	int n;

	set_owes(c, now_ms());
	if (c->in.n > 0 || stream_pending(c->st) || p[0].fd < 0)
		return true;
	do
		n = poll(p, 3, poll_timeout(until));
	while (n < 0 && errno == EINTR && !interrupt_requested());
	return n > 0 && p[0].revents != 0 && !c->sv->stopping;
}

/* A request head: 1, 0 when there is none, -1 with e (and 408 or so to say). */
static int read_head(struct conn *c, struct err *e)
{
	int64_t until = from_now(c->sv->s->idle_ms);
	struct str in, piece;
	enum http_event event;
	ssize_t got;

	for (;;) {
		in = buf_str(&c->in);
		event = next_event(c, &in, &piece, e);
		if (event == HTTP_BROKEN)
			return -1;
		if (event == HTTP_HEAD) {
			buf_consume(&c->in, c->in.n - in.n);
			return 1;
		}
		if (now_ms() >= until)
			err_set(e, ERR_TIMEOUT, "timed out");
		got = e->kind != ERR_NONE ? -1 : fill(c, until, e);
		if (got > 0)
			continue;
		/* between requests it may go as it likes */
		if (!c->parser.started) {
			err_clear(e);
			return 0;
		}
		if (got == 0)
			http_parse_eof(&c->parser, e);
		else
			err_in(e, "the request's header");
		return -1;
	}
}

static void finish(struct http_exchange *x, struct err *e)
{
	if (x->answered == BEGUN) {
		err_set(e, ERR_DATA, "an answer was not ended");
		give_up(x, e);
	}
	if (x->answered != NOTHING)
		return;
	if (x->refusal == 0)
		err_set(e, ERR_DATA, "a request got no answer");
	plain_answer(x, x->refusal != 0 ? x->refusal : 500, "");
}

/* One request and its answer.  True: another may follow. */
static bool serve_one(struct conn *c, struct err *e)
{
	struct http_exchange x = { .c = c, .why = e };
	unsigned status;
	int rc;

	http_parser_reset(&c->parser);
	rc = read_head(c, e);
	set_owes(c, 0);
	if (rc == 0)
		return false;
	if (rc < 0) {
		if (e->kind != ERR_PROTO && e->kind != ERR_TIMEOUT)
			return false;
		/* keep is false: nobody knows where a next request would begin */
		plain_answer(&x,
			     e->kind == ERR_TIMEOUT ? 408 :
			     c->parser.refusal != 0 ? c->parser.refusal :
						      400,
			     e->msg);
		linger(c);
		return false;
	}
	x.keep = c->parser.keep_alive;
	x.whole = !c->parser.chunked &&
		  (!c->parser.has_length || c->parser.length == 0);
	split_target(&x);
	status = check_request(&x);
	if (status != 0) {
		x.keep = false; /* its body is not read */
		plain_answer(&x, status, "");
	} else {
		c->sv->s->handle(c->sv->s->ctx, &x);
		finish(&x, e);
	}
	if (x.answered == ABORTED)
		return false;
	if (x.keep && drain(&x))
		return true;
	if (!x.whole || c->in.n > 0)
		linger(c);
	return false;
}

static void converse(struct conn *c)
{
	struct err e = ERR_INIT;

	http_parser_init(&c->parser, true);
	buf_init(&c->in, PIECE);
	buf_init(&c->out, OUT_MAX);
	while (wait_request(c) && serve_one(c, &e)) {
		tell(c, &e);
		err_clear(&e);
	}
	tell(c, &e);
	http_parser_release(&c->parser);
	buf_burn(&c->in);
	buf_burn(&c->out);
}

void http_serve_stream(const struct http_server *s, struct stream *st,
		       const char *peer)
{
	struct server sv = { .s = s,
			     .lock = PTHREAD_MUTEX_INITIALIZER,
			     .done_fd = -1 };
	struct conn c = { .sv = &sv, .fd = -1, .st = st };
	size_t n = strlen(peer);

	memcpy(c.peer, peer, n < DOOR_PEER_MAX ? n : DOOR_PEER_MAX - 1);
	converse(&c);
	stream_close(st);
}

/* ---- many connections ---- */

static void *conn_thread(void *arg)
{
	struct conn *c = arg;
	struct server *sv = c->sv;
	const struct http_server *s = sv->s;
	struct err e = ERR_INIT;
	const uint64_t one = 1;

	c->own_fd = s->wrap == NULL;
	c->st = c->own_fd ? stream_of_fd(c->fd) : s->wrap(s->ctx, c->fd, &e);
	if (c->st != NULL)
		converse(c);
	else
		tell(c, &e);
	/* first forgotten, then closed: nobody shall shut down its successor */
	pthread_mutex_lock(&sv->lock);
	c->fd = -1;
	pthread_mutex_unlock(&sv->lock);
	stream_close(c->st);
	pthread_mutex_lock(&sv->lock);
	c->ended = true;
	pthread_mutex_unlock(&sv->lock);
	while (write(sv->done_fd, &one, sizeof one) < 0 && errno == EINTR)
		;
	return NULL;
}

static void peer_name(int fd, char out[DOOR_PEER_MAX])
{
	struct sockaddr_storage a = { .ss_family = AF_UNSPEC };
	socklen_t len = sizeof a;
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)&a;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&a;
	char host[INET6_ADDRSTRLEN] = "";
	struct buf b = BUF_INIT(DOOR_PEER_MAX - 1);

	getpeername(fd, (struct sockaddr *)&a, &len);
	if (a.ss_family == AF_INET &&
	    inet_ntop(AF_INET, &v4->sin_addr, host, sizeof host))
		buf_addf(&b, "%s:%u", host, ntohs(v4->sin_port));
	else if (a.ss_family == AF_INET6 &&
		 inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof host))
		buf_addf(&b, "[%s]:%u", host, ntohs(v6->sin6_port));
	else
		buf_adds(&b, "local");
	memcpy(out, b.str, b.n + 1);
	buf_release(&b);
}

static int start_thread(struct conn *c, size_t stack)
{
	pthread_attr_t attr;
	sigset_t all, old;
	int rc;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, stack > 0 ? stack : STACK);
	/* signals are for the main thread */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&c->thread, &attr, conn_thread, c);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	return rc;
}

/* Whether there is a place for that rank: one of its own, or one of those that
 * are kept for nobody. */
static bool has_place(const struct server *sv, enum http_rank rank)
{
	const struct http_server *s = sv->s;
	unsigned common = s->max_conns, used = 0;

	for (int i = 0; i < HTTP_RANKS; i++) {
		common -= s->kept[i];
		if (sv->of_rank[i] > s->kept[i])
			used += sv->of_rank[i] - s->kept[i];
	}
	return sv->of_rank[rank] < s->kept[rank] || used < common;
}

/* Whether an address has all the places that one may have. */
static bool has_enough(const struct server *sv, const struct waiting *w)
{
	unsigned n = 0;

	if (sv->s->max_per_peer == 0)
		return false;
	for (const struct conn *c = sv->conns; c != NULL; c = c->next)
		n += c->rank == w->rank && door_same_host(c->peer, w->peer);
	return n >= sv->s->max_per_peer;
}

static bool admits(const struct http_server *s, const struct waiting *w)
{
	return s->admit == NULL || s->admit(s->ctx, w->peer, w->rank);
}

/* Whether one of that rank could have the place of c; from NULL: whoever comes,
 * else of that address, which has as many as it may. */
static bool may_follow(const struct server *sv, const struct conn *c,
		       enum http_rank rank, const char *from)
{
	if (from != NULL)
		return c->rank == rank && door_same_host(c->peer, from);
	return c->rank == rank || sv->of_rank[c->rank] > sv->s->kept[c->rank];
}

/* Who owes us something since before, and for longest; with the lock. */
static struct conn *owes_longest(const struct server *sv, enum http_rank rank,
				 const char *from, int64_t before)
{
	struct conn *oldest = NULL;

	for (struct conn *c = sv->conns; c != NULL; c = c->next)
		if (c->fd >= 0 && !c->told && may_follow(sv, c, rank, from) &&
		    c->owes_since != 0 && c->owes_since <= before &&
		    (oldest == NULL || c->owes_since < oldest->owes_since))
			oldest = c;
	return oldest;
}

/* n of that rank (and address) wait for a place: as many of those who owe us
 * something go, when they have had their time. */
static void make_room(struct server *sv, enum http_rank rank, const char *from,
		      unsigned n)
{
	int64_t before = now_ms() - HTTP_CROWDED_MS;
	struct conn *c;

	pthread_mutex_lock(&sv->lock);
	for (c = sv->conns; c != NULL; c = c->next)
		n -= n > 0 && c->told && may_follow(sv, c, rank, from);
	while (n > 0 && (c = owes_longest(sv, rank, from, before)) != NULL) {
		shutdown(c->fd, SHUT_RD);
		c->told = true;
		n--;
	}
	pthread_mutex_unlock(&sv->lock);
}

/* Those of w's rank and address who wait until w, w too. */
static unsigned waiting_until(const struct server *sv, const struct waiting *w)
{
	unsigned n = 0;

	for (const struct waiting *o = sv->door.list; o <= w; o++)
		n += o->ready && o->rank == w->rank &&
		     door_same_host(o->peer, w->peer);
	return n;
}

/* Give place i of those who wait a thread. */
static int let_in(struct server *sv, size_t i, struct err *e)
{
	struct conn *c = xcalloc(1, sizeof *c);

	c->sv = sv;
	c->owes_since = now_ms();
	c->rank = sv->door.list[i].rank;
	memcpy(c->peer, sv->door.list[i].peer, sizeof c->peer);
	c->fd = door_leave(&sv->door, i);
	errno = start_thread(c, sv->s->stack);
	if (errno != 0) {
		err_sys(e, ERR_IO, "starting a thread");
		close(c->fd);
		free(c);
		return -1;
	}
	c->next = sv->conns;
	sv->conns = c;
	sv->n++;
	sv->of_rank[c->rank]++;
	return 0;
}

/*
 * Places for those of one rank, in the order in which they came.  Returns how
 * many would enter at once if there were more places.
 */
static unsigned let_all_in(struct server *sv, enum http_rank rank, struct err *e)
{
	const struct http_server *s = sv->s;
	struct door *d = &sv->door;
	int64_t now = now_ms();
	unsigned outside = 0;
	size_t i = 0;

	/* more than there are places need not be counted */
	while (i < d->n && outside < s->max_conns) {
		struct waiting *w = &d->list[i];

		if (!w->ready || w->rank != rank || w->not_before_ms > now) {
			i++;
		} else if (has_enough(sv, w)) {
			/* a client may keep connections that it has no use for
			 * any more, and want another */
			make_room(sv, rank, w->peer, waiting_until(sv, w));
			w->not_before_ms = now + DOOR_AGAIN_MS;
			i++;
		} else if (!has_place(sv, rank)) {
			outside++;
			i++;
		} else if (!admits(s, w)) {
			w->not_before_ms = now + DOOR_AGAIN_MS;
			i++;
		} else if (let_in(sv, i, e) < 0) {
			return outside;
		}
	}
	return outside;
}

/* Let in whoever may come in, the highest rank first. */
static void fill_places(struct server *sv, struct err *e)
{
	bool crowded = false;

	for (int r = HTTP_RANKS - 1; r >= 0; r--) {
		unsigned outside = let_all_in(sv, (enum http_rank)r, e);

		if (outside > 0)
			make_room(sv, (enum http_rank)r, NULL, outside);
		crowded = crowded || outside > 0;
	}
	sv->crowded = crowded;
}

/* Join the threads that are through; all of them, however long, when told. */
static void reap(struct server *sv, bool all)
{
	struct conn **at = &sv->conns, *c;
	uint64_t count;

	if (read(sv->done_fd, &count, sizeof count) < 0)
		count = 0;
	while ((c = *at) != NULL) {
		pthread_mutex_lock(&sv->lock);
		bool ended = c->ended;

		pthread_mutex_unlock(&sv->lock);
		if (!ended && !all) {
			at = &c->next;
			continue;
		}
		pthread_join(c->thread, NULL);
		*at = c->next;
		sv->n--;
		sv->of_rank[c->rank]--;
		free(c);
	}
}

/* Take those who knock; -1 with e when it was not for want of any. */
static int take_connections(struct server *sv, struct err *e)
{
	struct err none = ERR_INIT;
	char peer[DOOR_PEER_MAX];
	int fd;

	for (int i = 0; i < ACCEPT_MAX && door_open(&sv->door, now_ms()); i++) {
		fd = tcp_accept(sv->s->listen_fd, now_ms(), &none);
		if (fd < 0)
			return none.kind == ERR_TIMEOUT ?
				       0 :
				       err_set(e, none.kind, "%s", none.msg);
		peer_name(fd, peer);
		door_take(&sv->door, fd, peer, now_ms());
	}
	return 0;
}

/* When to look again, whatever happens meanwhile. */
static int64_t look_at(const struct server *sv)
{
	int64_t until = IO_FOREVER;

	for (size_t i = 0; i < sv->door.n; i++)
		if (sv->door.list[i].ready)
			until = from_now(sv->crowded ? CROWDED_LOOK_MS :
						       DOOR_AGAIN_MS);
	return door_until(&sv->door, until);
}

/* Wait for stop, a connection, its first bytes or its end: 1 to go on, 0 to
 * stop. */
static int serve_turn(struct server *sv, unsigned *misses, struct err *e)
{
	struct pollfd *p = door_polls(&sv->door);
	struct err why = ERR_INIT;

	p[0] = (struct pollfd){ .fd = sv->s->stop_fd, .events = POLLIN };
	p[1] = (struct pollfd){ .fd = interrupt_fd(), .events = POLLIN };
	p[2] = (struct pollfd){ .fd = sv->done_fd, .events = POLLIN };
	p[3] = (struct pollfd){
		.fd = door_open(&sv->door, now_ms()) ? sv->s->listen_fd : -1,
		.events = POLLIN,
	};
	if (poll(p, DOOR_OWN + sv->door.n, poll_timeout(look_at(sv))) < 0) {
		if (errno != EINTR)
			return err_sys(e, ERR_IO, "poll");
		return interrupt_requested() ? 0 : 1;
	}
	if (p[0].revents != 0 || interrupt_requested())
		return 0;
	reap(sv, false);
	door_look(&sv->door, now_ms());
	fill_places(sv, &why);
	if (why.kind == ERR_NONE && p[3].revents != 0)
		take_connections(sv, &why);
	if (why.kind == ERR_NONE) {
		*misses = 0;
		return 1;
	}
	if (why.kind == ERR_INTR)
		return 0;
	if (++*misses == ACCEPT_TRIES)
		return err_set(e, why.kind, "%s", why.msg);
	if (sv->s->failed != NULL)
		sv->s->failed(sv->s->ctx, &why);
	sleep_until(from_now(ACCEPT_PAUSE_MS), &why);
	return 1;
}

static void stop(struct server *sv)
{
	int64_t until = from_now(HTTP_STOP_MS);
	struct pollfd p = { .fd = sv->done_fd, .events = POLLIN };

	sv->stopping = true;
	door_release(&sv->door);
	while (reap(sv, false), sv->n > 0 && now_ms() < until)
		poll(&p, 1, poll_timeout(until));
	pthread_mutex_lock(&sv->lock);
	for (struct conn *c = sv->conns; c != NULL; c = c->next)
		if (c->fd >= 0)
			shutdown(c->fd, SHUT_RDWR);
	pthread_mutex_unlock(&sv->lock);
	reap(sv, true);
}

int http_serve(const struct http_server *s, struct err *e)
{
	struct server sv = { .s = s, .lock = PTHREAD_MUTEX_INITIALIZER };
	int flags = fcntl(s->listen_fd, F_GETFL), rc;
	unsigned misses = 0;

	if (flags < 0 || fcntl(s->listen_fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return err_sys(e, ERR_IO, "listening socket");
	sv.done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (sv.done_fd < 0)
		return err_sys(e, ERR_IO, "eventfd");
	door_init(&sv.door, s);
	do
		rc = serve_turn(&sv, &misses, e);
	while (rc > 0);
	stop(&sv);
	close(sv.done_fd);
	return rc;
}
