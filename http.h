#ifndef HTTP_H
#define HTTP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/net.h"

/*
 * HTTP/1.1 (RFC 9110, 9112): a codec that does no I/O, and client and server
 * exchanges over a struct stream.
 *
 * Ceilings: a header line 16 KiB (Azure's poll URLs are over 3 KiB), a whole
 * header block 32 KiB, 100 fields.  Refused: bare LF, folded lines, white
 * space before the colon, both framings, two different lengths, unknown
 * transfer codings, chunk sizes over 2^53, control characters in values.
 */
#define HTTP_LINE_MAX (16u << 10)
#define HTTP_HEAD_MAX (32u << 10)
#define HTTP_FIELDS_MAX 100

struct http_field {
	struct str name, value; /* into the head's own buffer */
};

/* Start line and fields of a request or an answer. */
struct http_head {
	/* requests */
	struct str method, target;
	/* answers */
	unsigned status;
	struct str reason;

	unsigned minor; /* HTTP/1.minor */
	struct http_field fields[HTTP_FIELDS_MAX];
	size_t n_fields;
	struct buf raw; /* what the slices above point into */
};

/* First field of that name (any case), or an empty slice with p NULL. */
struct str http_field(const struct http_head *h, const char *name);
/* The nth (from 0) field of that name. */
struct str http_field_n(const struct http_head *h, const char *name, size_t nth);
/* One of the comma-separated words of the fields of that name is word (any
 * case). */
bool http_field_has(const struct http_head *h, const char *name, const char *word);
/* How many seconds our clock is ahead of the answer's Date; 0 without one, or
 * with that of a stored answer. */
int64_t http_clock_ahead(const struct http_head *h);
/* When that is more than five minutes either way, put it in front of e, which
 * says what was refused.  For refusals that a wrong clock can be the reason of:
 * sign-in, 401, the 403 of a signed URL.  Returns -1. */
int http_blame_clock(int64_t ahead_s, struct err *e);
/* Each of the "Name: value" strings can be sent: a token, no control
 * characters, and none of the fields that come from us (Host only for requests). */
int http_fields_check(const char *const *fields, bool request, struct err *e);

/* ---- the codec ---- */

enum http_event {
	HTTP_MORE,   /* everything given was taken, give more */
	HTTP_HEAD,   /* p->head is complete (not reported for 1xx) */
	HTTP_BODY,   /* *body is a piece of the body, into the input */
	HTTP_END,    /* message complete; trailers, if any, are dropped */
	HTTP_BROKEN, /* e is set; stays broken */
};

struct http_parser {
	bool request;	  /* parse requests, else answers */
	bool head_answer; /* set before an answer to HEAD (or CONNECT) is parsed */
	/* set before the answer to who asked for another protocol (RFC 9110 7.8):
	 * 101 is told then, and all that follows is its body */
	bool upgrade;
	struct http_head head;
	/* after HTTP_HEAD: */
	bool chunked;
	bool has_length;
	bool until_close; /* answer body ends with the connection */
	bool keep_alive;  /* the connection may carry another message */
	uint64_t length;  /* of the body, when has_length */
	bool started;	  /* something of this message came */
	unsigned refusal; /* after HTTP_BROKEN: what a server answers (400, 431, 501, 505) */
	/* private */
	int state;
	unsigned interim, blank;
	uint64_t left;
	struct buf line;    /* a chunk's, and the trailers */
	size_t line_at;	    /* where the line begins that is being taken */
	size_t cap_at_line; /* head.raw's when its first line was looked at */
	struct err broken;
};

void http_parser_init(struct http_parser *p, bool request);
void http_parser_reset(struct http_parser *p); /* for the next message */
void http_parser_release(struct http_parser *p);
/* Take bytes from the front of *in (which is moved forward) until something
 * is to be told. */
enum http_event http_parse(struct http_parser *p, struct str *in,
			   struct str *body, struct err *e);
/* The stream ended: 0 if that is a fine end of message here (until_close
 * bodies; HTTP_END then counts as reached), -1 with e otherwise: ERR_NET when
 * nothing had come, ERR_PROTO when something is missing. */
int http_parse_eof(struct http_parser *p, struct err *e);

/* ---- client ---- */

/*
 * How a client reaches a host; main gives one that speaks TLS for "https".
 * Returns a stream or NULL.
 */
struct http_dialer {
	struct stream *(*dial)(void *ctx, bool tls, const char *host,
			       unsigned port, int64_t deadline_ms, struct err *e);
	void *ctx;
};

/*
 * An absolute http(s) URL, taken apart.  User names, spaces, control and
 * non-ASCII characters are refused, a fragment is left out.  Messages show no query: it may
 * hold a signature.
 */
struct http_url {
	bool tls;
	char host[256]; /* lower case, IPv6 without brackets */
	unsigned port;
	struct str path; /* with the query, "/" at least; into the URL given.
				   May begin with "?": "/" is sent before it */
};
int http_url_parse(struct str url, struct http_url *u, struct err *e);

struct http_request;
struct http_response;

/* Who is told of each exchange of a client. */
struct http_watch {
	/* Before anything is sent; -1 with e: nothing is. */
	int (*before)(void *ctx, const struct http_request *q, struct err *e);
	/* r: the answer; NULL: there was none, and why says why. */
	void (*after)(void *ctx, const struct http_request *q,
		      const struct http_response *r, int64_t ms,
		      const struct err *why);
	void *ctx;
};

/* One kept-alive connection at a time to one origin; another origin closes it. */
struct http_client {
	struct http_dialer dialer;
	const char *user_agent;
	const struct http_watch *watch; /* NULL: nobody */
	struct stream *stream;		/* NULL when not connected */
	char host[256];
	unsigned port;
	bool tls;
	unsigned connections; /* opened so far */
	unsigned requests;    /* sent so far */
	struct buf in;	      /* bytes read but not yet parsed */
};
void http_client_init(struct http_client *c, struct http_dialer dialer,
		      const char *user_agent);
void http_client_release(struct http_client *c);

/* Body of a request: from memory, or in pieces from a callback. */
struct http_request {
	const char *method;
	const char *url; /* absolute */
	/* "Name: value" strings, NULL at the end; may be NULL.  Host,
	 * Content-Length, User-Agent, Connection come from us */
	const char *const *fields;
	/* p NULL: none (then POST, PUT, PATCH send Content-Length: 0) */
	struct str body;
	/* when set, body.p is ignored and body_length bytes are asked for: fill
	 * 1..n bytes, return how many, -1 with e */
	ssize_t (*body_read)(void *ctx, void *p, size_t n, struct err *e);
	void *body_ctx;
	uint64_t body_length;
	/* resending after the peer closed a kept-alive connection before the
	 * first byte of an answer is harmless (GET, HEAD, PUT, DELETE always
	 * are; what body_read already gave cannot be sent again) */
	bool idempotent;
	int64_t deadline_ms; /* for the whole exchange; must be set */
	int64_t idle_ms;     /* longest silence of the peer, 0: 120 s */
	/* when set, such a silence while an answer is waited for is no end:
	 * asked then, 0 to wait on, -1 with e */
	int (*silent)(void *ctx, struct err *e);
	void *silent_ctx;
};

struct http_response {
	struct http_head head;
	struct buf body; /* capped by its own ceiling */
	/* when set, body pieces go here instead (head is complete then, look
	 * at its status: an error's body comes here too); -1 ends the exchange */
	int (*on_body)(void *ctx, struct str piece, struct err *e);
	void *ctx;
};
void http_response_init(struct http_response *r, size_t body_max);
void http_response_release(struct http_response *r);

/*
 * One exchange.  0 when a whole answer came (whatever its status); -1 with e:
 * ERR_NET when nothing of an answer came, ERR_PROTO when it broke off or was malformed,
 * ERR_TIMEOUT.  1xx answers are passed over (101 refused).  No redirects are
 * followed.  A stale kept-alive connection is replaced once, and only when
 * nothing was received and the request is idempotent.  An answer of 400 and
 * above that comes while the body is still being sent ends the sending.
 * r may be used again for another exchange.
 */
int http_exchange(struct http_client *c, const struct http_request *q,
		  struct http_response *r, struct err *e);

/*
 * The same for a request that wants the connection for another protocol, which
 * its field Upgrade names (RFC 9110 section 7.8).  With the answer 101, or 200 and a body that only
 * the connection's end ends, *taken is the connection, the caller's from now on;
 * what came behind the answer's head is in r->body.  With any other answer, which
 * is a whole one, *taken is NULL.
 */
int http_take_over(struct http_client *c, const struct http_request *q,
		   struct http_response *r, struct stream **taken, struct err *e);

/* ---- server ---- */

struct http_exchange; /* one request being answered */

/* What a connection is to the server, before anything is done for it. */
enum http_rank {
	HTTP_ANYBODY,
	HTTP_KNOWN,  /* by its address */
	HTTP_PROVEN, /* by what it sent first */
	HTTP_RANKS,
};

/*
 * Serves connections until stop_fd is readable or interrupt_requested().
 *
 * A connection gets a thread, one of max_conns places, when its first bytes
 * have come; until then, and while there is no place, it waits and costs no
 * more than its descriptor.  Higher ranks enter first.  When somebody waits for
 * a place, who has not said a whole request within HTTP_CROWDED_MS (of its
 * handshake, its header, or the answer before) makes room, the oldest first; of
 * an address that has max_per_peer, its own.
 * Every connection is bounded in idle time, header and body size.
 */
#define HTTP_CROWDED_MS 2000
struct http_server {
	int listen_fd;
	int stop_fd; /* -1: only the interrupt flag */
	unsigned max_conns;
	unsigned kept[HTTP_RANKS]; /* of max_conns, for that rank alone */
	unsigned max_waiting;	   /* without a place; 0: 64 */
	unsigned max_per_peer; /* places of one address and rank; 0: no bound */
	uint64_t body_max;     /* larger: 413 */
	int64_t idle_ms;       /* no complete request head in time: closed; also
					   how long a peer may take no byte of an answer */
	int64_t body_ms;       /* a body that takes longer: 408, closed */
	size_t stack;	       /* of a connection's thread, 0: 256 KiB */
	/* The rank of a connection whose first bytes are there to be looked at
	 * (MSG_PEEK); never waits.  NULL: all are HTTP_ANYBODY. */
	enum http_rank (*rank)(void *ctx, int fd, const char *peer);
	/* Whether it may have the place that is free, now: false, and it is
	 * asked again later.  NULL: it may. */
	bool (*admit)(void *ctx, const char *peer, enum http_rank rank);
	/* Turn an accepted socket into a stream (TLS); NULL: plain.  Owns fd
	 * even on failure. */
	struct stream *(*wrap)(void *ctx, int fd, struct err *e);
	/* Answer one request.  Runs in the connection's thread. */
	void (*handle)(void *ctx, struct http_exchange *x);
	/* A connection ended with an error (may be NULL): for logs. */
	void (*failed)(void *ctx, const struct err *e);
	void *ctx;
};
/* When told to stop it accepts no more, gives running exchanges HTTP_STOP_MS,
 * then closes their sockets, and returns 0 when all threads have ended. */
#define HTTP_STOP_MS 5000
int http_serve(const struct http_server *s, struct err *e);
/* The same for one open connection, in the calling thread; closes st. */
void http_serve_stream(const struct http_server *s, struct stream *st,
		       const char *peer);

/* What the handler sees. */
const struct http_head *http_x_head(const struct http_exchange *x);
struct str http_x_path(const struct http_exchange *x); /* target without query */
struct str http_x_query(const struct http_exchange *x); /* behind '?', may be empty */
/* Percent-decoded value of a query parameter appended to out; false if absent or malformed. */
bool http_x_param(const struct http_exchange *x, const char *name,
		  struct buf *out);
const char *http_x_peer(const struct http_exchange *x); /* "10.77.16.4:51234" */
enum http_rank http_x_rank(const struct http_exchange *x);
/* The caller needs another request at once: its connection stays open, however
 * many wait, for HTTP_CROWDED_MS at least. */
void http_x_stay(struct http_exchange *x);
/* The server has been told to stop: long answers should come to an end. */
bool http_x_stopping(const struct http_exchange *x);
/* Whole body into b (b's ceiling counts too).  -1: e set, an answer must not
 * be sent any more unless e is about the size. */
int http_x_body(struct http_exchange *x, struct buf *b, struct err *e);
/* Next piece of the body: 1..n bytes, 0 at the end, -1. */
ssize_t http_x_read(struct http_exchange *x, void *p, size_t n, struct err *e);

/*
 * Complete answer.  fields as in http_request (Date and Content-Length come
 * from us; "Connection: close" is honoured); body may be empty and is not sent
 * where the request or status allows none.  -1: the peer is gone, or a field had control
 * characters (then a 500 went out).  A handler that gave no answer at all
 * gets 500, or what was wrong with the body (400, 408, 413), sent in its place.
 */
int http_x_answer(struct http_exchange *x, unsigned status,
		  const char *const *fields, struct str body);
/* Streamed answer: begin, send..., end.  length UINT64_MAX: chunked.  Every
 * piece is sent at once.  Ending short of length breaks the connection off,
 * except for HEAD, which sends no body anyway. */
int http_x_begin(struct http_exchange *x, unsigned status,
		 const char *const *fields, uint64_t length, struct err *e);
int http_x_send(struct http_exchange *x, struct str piece, struct err *e);
int http_x_end(struct http_exchange *x, struct err *e);
/* Faults on purpose (the local Azure): close now, without (more of) an answer. */
void http_x_abort(struct http_exchange *x);
/* Likewise: these bytes as they are, whatever was answered before, and close;
 * may be called again to say more. */
int http_x_raw(struct http_exchange *x, struct str bytes);
/* Likewise: the peer sees the connection reset. */
void http_x_reset(struct http_exchange *x);

/* Of the answer that was begun; 0: none, or it was broken off. */
unsigned http_x_status(const struct http_exchange *x);

const char *http_reason(unsigned status); /* "Not Found" */

#endif
