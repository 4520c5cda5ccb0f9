#ifndef NODE_REDIS_H
#define NODE_REDIS_H

#include <pthread.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/net.h"

/*
 * As much of Redis as a counter needs, over one connection that many threads
 * share.  Whatever Redis does, a caller gets an answer or a reason within
 * twice REDIS_WAIT_MS; while Redis is away, most get the reason at once.
 *
 * Source: RESP2, "Redis serialization protocol specification".
 */
#define REDIS_PORT 6379u
#define REDIS_WAIT_MS 300  /* to connect and be answered, and for one's turn */
#define REDIS_TEXT_MAX 512 /* a line or string of an answer */
#define REDIS_RETRY_MIN_MS 500 /* after a failure, doubling */
#define REDIS_RETRY_MAX_MS 8000

enum redis_kind { REDIS_STATUS, REDIS_ERROR, REDIS_INT, REDIS_TEXT, REDIS_NIL };

struct redis_reply {
	enum redis_kind kind;
	int64_t number;	 /* REDIS_INT */
	struct str text; /* of the others; into the input */
};

/*
 * One reply from the front of *in, which moves behind it.  1 when there is
 * one, 0 when more bytes are needed (then *in is as it was), -1 with e for
 * what is no reply, too long, or an array.
 */
int redis_parse(struct str *in, struct redis_reply *r, struct err *e);

struct redis {
	char host[256];
	unsigned port;
	pthread_mutex_t lock;
	struct stream *stream; /* NULL: not connected */
	int64_t retry_ms;      /* not before */
	unsigned failures;     /* in a row */
	struct err why;	       /* of the last failure */
};

/* server: "HOST" or "HOST:PORT", an IPv6 address in brackets.  Does not connect. */
int redis_init(struct redis *r, const char *server, struct err *e);
void redis_release(struct redis *r);

/* Increment, read (absent is 0), write.  -1 with e: ERR_NET or ERR_TIMEOUT
 * when Redis is away, ERR_DATA when it refused or the key is no number. */
int redis_incr(struct redis *r, const char *key, int64_t *v, struct err *e);
int redis_get(struct redis *r, const char *key, int64_t *v, struct err *e);
int redis_set(struct redis *r, const char *key, int64_t v, struct err *e);

#endif
