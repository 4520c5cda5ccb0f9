/*
 * Any bytes as what a Redis answers.  How they are cut does not matter, and a
 * reply lies in what was given.
 */
#include <stdlib.h>
#include <string.h>

#include "node/redis.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
	if (!good)
		abort();
}

static bool within(struct str part, struct str all)
{
	return part.n == 0 ||
	       (part.p >= all.p && part.p + part.n <= all.p + all.n);
}

/* The first bytes of it: what they are must not change when more come. */
static void shorter(struct str all, size_t n, int rc,
		    const struct redis_reply *r, struct str left)
{
	struct str part = str_head(all, n);
	struct redis_reply early;
	struct err e = ERR_INIT;
	int got = redis_parse(&part, &early, &e);

	if (got == 0) {
		must(part.p == all.p && part.n == (n < all.n ? n : all.n));
		return;
	}
	must(got == rc);
	if (got < 0)
		return;
	must(part.p == left.p && early.kind == r->kind);
	must(r->kind == REDIS_INT ? early.number == r->number :
				    str_eq(early.text, r->text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str all = { (const char *)data, size }, in = all;
	struct redis_reply r = { .kind = REDIS_NIL };
	struct err e = ERR_INIT;
	int rc;

	while ((rc = redis_parse(&in, &r, &e)) != 0) {
		must((rc < 0) == (e.kind != ERR_NONE));
		for (size_t n = 0; n <= all.n && n < 600; n++)
			shorter(all, n, rc, &r, in);
		if (rc < 0)
			break;
		must(in.n < all.n);
		must(r.kind == REDIS_INT || within(r.text, all));
		all = in;
	}
	return 0;
}
