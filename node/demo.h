#ifndef NODE_DEMO_H
#define NODE_DEMO_H

#include <stdbool.h>
#include <stdint.h>

#include "node/redis.h"

/*
 * The demo service: a page that tells which container answered and how often,
 * counts that are kept here and, shared, in Redis, and a way to burn time.
 */
#define DEMO_COMPUTE_MAX_MS 60000
#define DEMO_COMPUTE_MAX 8 /* at once; more get 503 */
#define DEMO_PI_MAX 32768  /* digits, at most */

/*
 * Decimal digits of pi, "31415...", n of them (a multiple of 4, at most
 * DEMO_PI_MAX), found four at a time until stop(ctx) says so.  Returns how
 * many are in out, which has room for n; all of them are right.
 *
 * Source: S. Rabinowitz and S. Wagon, "A Spigot Algorithm for the Digits of
 * pi" (1995).
 */
size_t demo_pi(char *out, size_t n, bool (*stop)(void *ctx), void *ctx);

/* "250" or "100,200": milliseconds, at most DEMO_COMPUTE_MAX_MS, in order. */
int demo_interval(struct str s, unsigned *from_ms, unsigned *to_ms, struct err *e);

/* HTML text: & < > " ' as references, what is not printable ASCII or UTF-8 as '?'. */
void demo_escape(struct buf *b, struct str s);

/* `azswarm demo`, until asked to stop.  Environment: PORT, SWARM_MODE,
 * SWARM_PUBLIC_PORT, REDIS_SERVER, REDIS_COUNTER. */
int demo_run(const char *version, struct err *e);

#endif
