/*
 * http/retry.h: what passes, how often, and after how long, for each of those
 * who ask again.  Bounds are tried out, so a row that is changed is seen here.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "http/retry.h"
#include "tests/check.h"

/* The waits after so many answers of that status (0: none came, for kind), in
 * ms, up to the end; ~ where there is jitter. */
static void waits(enum http_retry row, unsigned status, enum err_kind kind,
		  const char *after, struct buf *out)
{
	struct http_head h = { .status = status };
	struct err e = { .kind = kind };
	unsigned tries = 1;
	int64_t ms, first;

	if (after != NULL) {
		h.fields[0] = (struct http_field){ STR("Retry-After"),
						   str_of(after) };
		h.n_fields = 1;
	}
	for (; (ms = http_retry_ms(row, tries, status ? &h : NULL, &e)) >= 0;
	     tries++) {
		bool jitter = false;

		first = ms;
		for (int i = 0; i < 100; i++) {
			int64_t other = http_retry_ms(row, tries,
						      status ? &h : NULL, &e);

			jitter |= other != first;
			ms = other > ms ? other : ms;
		}
		if (jitter) {
			/* 0.8 to 1.3 of a power of two, of which the highest was met */
			int64_t base = (int64_t)1000 << (tries - 1);

			if (ms <= base || ms > base * 13 / 10 ||
			    first < base * 8 / 10)
				buf_adds(out, "!");
			buf_addf(out, "~%lld ", (long long)base);
		} else {
			buf_addf(out, "%lld ", (long long)ms);
		}
		if (tries > 20)
			break;
	}
	if (status != 0 && (tries > 1) != http_passes(row, &h, NULL))
		buf_adds(out, "and http_passes differs");
	if (status == 0 && (tries > 1) != http_passes(row, NULL, &e))
		buf_adds(out, "and http_passes differs");
}

/* 400 to 599, those that pass, ranges as "500-599". */
static void passing(enum http_retry row, const char *after, struct buf *out)
{
	struct http_head h = { .n_fields = after != NULL };
	unsigned from = 0;

	if (after != NULL)
		h.fields[0] = (struct http_field){ STR("Retry-After"),
						   str_of(after) };
	for (h.status = 100; h.status <= 600; h.status++) {
		bool yes = h.status < 600 && http_passes(row, &h, NULL);

		if (yes && from == 0)
			from = h.status;
		if (!yes && from != 0) {
			buf_addf(out, h.status - from > 1 ? "%u-%u " : "%u ",
				 from, h.status - 1);
			from = 0;
		}
	}
}

static const struct policy {
	const char *name;
	enum http_retry row;
	const char *statuses, *with_time; /* that pass; with Retry-After */
	const char *answer, *net,
		*silence;  /* waits after 429, ERR_NET, ERR_TIMEOUT */
	const char *heeds; /* after "Retry-After: 100" */
} policies[] = {
	{ "arm", RETRY_ARM, "408 429 500 502-504 ", "408 429 500 502-504 ",
	  "~1000 ~2000 ~4000 ~8000 ", "~1000 ~2000 ~4000 ~8000 ", "",
	  "100000 100000 100000 100000 " },
	{ "arm, once", RETRY_ARM_ONCE, "429 ", "429 503 ",
	  "~1000 ~2000 ~4000 ~8000 ", "", "", "100000 100000 100000 100000 " },
	{ "polls", RETRY_POLL, "408 429 500-599 ", "408 429 500-599 ", "0 0 0 ",
	  "0 0 0 ", "0 0 0 ", "0 0 0 " },
	{ "sign-in", RETRY_SIGN_IN, "408 429 500 502-504 ", "408 429 500 502-504 ",
	  "1000 2000 4000 ", "500 1000 2000 ", "", "60000 60000 60000 " },
	{ "imds", RETRY_IMDS, "404 408 410 429 500-599 ",
	  "404 408 410 429 500-599 ", "2000 4000 8000 16000 ",
	  "500 1000 2000 4000 ", "", "60000 60000 60000 60000 " },
	{ "imds, upgraded", RETRY_IMDS_UPGRADE, "404 408 410 429 500-599 ",
	  "404 408 410 429 500-599 ", "10000 10000 10000 10000 10000 10000 10000 ",
	  "500 500 500 500 500 500 500 ", "",
	  "60000 60000 60000 60000 60000 60000 60000 " },
	{ "endpoints", RETRY_ENDPOINTS, "408 429 500-599 ", "408 429 500-599 ",
	  "1000 2000 4000 8000 ", "1000 2000 4000 8000 ", "",
	  "1000 2000 4000 8000 " },
	{ "blob", RETRY_BLOB, "408 429 500-599 ", "408 429 500-599 ",
	  "1000 2000 4000 8000 ", "1000 2000 4000 8000 ", "",
	  "1000 2000 4000 8000 " },
	{ "upload", RETRY_UPLOAD, "404 408 410 429 500-599 ",
	  "404 408 410 429 500-599 ", "10000 10000 10000 10000 10000 10000 10000 ",
	  "10000 10000 10000 10000 10000 10000 10000 ",
	  "10000 10000 10000 10000 10000 10000 10000 ",
	  "10000 10000 10000 10000 10000 10000 10000 " },
};

static void same(const char *name, const char *what, struct buf *got,
		 const char *want)
{
	char full[100];

	snprintf(full, sizeof(full), "%s: %s", name, what);
	check(strcmp(got->str, want) == 0, full,
	      got->n > 0 ? got->str : "nothing");
	buf_reset(got);
}

int main(void)
{
	static const enum err_kind final[] = {
		ERR_USAGE, ERR_IO,     ERR_TLS,	 ERR_AUTH,
		ERR_AZURE, ERR_DOCKER, ERR_DATA, ERR_INTR,
	};
	struct buf b = BUF_INIT(4096);

	for (size_t i = 0; i < sizeof(policies) / sizeof(*policies); i++) {
		const struct policy *p = &policies[i];

		passing(p->row, NULL, &b);
		same(p->name, "what passes", &b, p->statuses);
		passing(p->row, "1", &b);
		same(p->name, "what passes that says when", &b, p->with_time);
		waits(p->row, 429, ERR_NONE, NULL, &b);
		same(p->name, "waits after an answer", &b, p->answer);
		waits(p->row, 0, ERR_NET, NULL, &b);
		same(p->name, "waits after a broken connection", &b, p->net);
		waits(p->row, 0, ERR_PROTO, NULL, &b);
		same(p->name, "waits after half an answer", &b, p->net);
		waits(p->row, 0, ERR_TIMEOUT, NULL, &b);
		same(p->name, "waits after silence", &b, p->silence);
		waits(p->row, 429, ERR_NONE, "100", &b);
		same(p->name, "Retry-After", &b, p->heeds);
		for (size_t k = 0; k < sizeof(final) / sizeof(*final); k++)
			waits(p->row, 0, final[k], NULL, &b);
		same(p->name, "what is final", &b, "");
	}
	buf_release(&b);
	return check_failed();
}
