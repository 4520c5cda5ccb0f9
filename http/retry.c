/*
 * What passes by itself, and how long to wait for that.  Neither asks nor
 * waits; knows the peers only as rows of a table.
 */
#include "base/clock.h"
#include "base/hash.h"
#include "base/time.h"
#include "http/retry.h"

#define RETRY_AFTER_MAX_S 300
#define THROTTLED_MAX_S 86400

enum {
	TURNED_AWAY_ONLY = 1, /* only what says that nothing was done */
	ANY_5XX = 2, /* else those of a server or a gateway in trouble */
	NOT_YET = 4, /* 404 and 410: not there yet */
	SILENCE = 8, /* ERR_TIMEOUT passes, too */
	STEADY = 16, /* the same wait each time, else twice as long */
	JITTER = 32, /* 0.8 to 1.3 of that, so that not all come at once */
};

static const struct row {
	unsigned tries; /* in all */
	unsigned flags;
	int64_t answer_ms; /* the first wait after an answer, */
	int64_t broken_ms; /* and after none */
	int64_t heed_s; /* the longest Retry-After that is heeded, 0: none is */
} rows[] = {
	[RETRY_ARM] = { 5, JITTER, 1000, 1000, 300 },
	[RETRY_ARM_ONCE] = { 5, JITTER | TURNED_AWAY_ONLY, 1000, 0, 300 },
	[RETRY_POLL] = { 4, ANY_5XX | SILENCE, 0, 0, 0 }, /* lro_step says when */
	[RETRY_SIGN_IN] = { 4, 0, 1000, 500, 60 },
	[RETRY_IMDS] = { 5, ANY_5XX | NOT_YET, 2000, 500, 60 },
	/* takes up to 70 s, says the guidance */
	[RETRY_IMDS_UPGRADE] = { 8, ANY_5XX | NOT_YET | STEADY, 10000, 500, 60 },
	[RETRY_ENDPOINTS] = { 5, ANY_5XX, 1000, 1000, 0 },
	[RETRY_BLOB] = { 5, ANY_5XX, 1000, 1000, 0 },
	/* the container may have been made a moment ago */
	[RETRY_UPLOAD] = { 8, ANY_5XX | NOT_YET | SILENCE | STEADY, 10000,
			   10000, 0 },
};

/* The seconds that Retry-After asks for, however many; -1 without one. */
static int64_t asked_for(const struct http_head *h, int64_t unix_now)
{
	struct str v = http_field(h, "retry-after");
	uint64_t s;
	int64_t at;

	if (str_num(v, UINT32_MAX, &s))
		return (int64_t)s;
	if (v.n > 0 && time_parse_http(v, &at))
		return at <= unix_now ? 0 : at - unix_now;
	return -1;
}

int64_t http_retry_after_s(const struct http_head *h, int64_t unix_now)
{
	int64_t s = asked_for(h, unix_now);

	return s > RETRY_AFTER_MAX_S ? RETRY_AFTER_MAX_S : s;
}

int64_t http_throttled_s(const struct http_head *h, int64_t unix_now)
{
	int64_t s = h->status == 429 ? asked_for(h, unix_now) : -1;

	return s > THROTTLED_MAX_S ? -1 : s;
}

static bool answer_passes(const struct row *row, const struct http_head *h)
{
	unsigned status = h->status;

	/* who says when to come again has turned us away; all other answers
	 * leave open whether something was done */
	if (status == 429 || (status == 503 && http_field(h, "retry-after").n > 0))
		return true;
	if (row->flags & TURNED_AWAY_ONLY)
		return false;
	if (status == 404 || status == 410)
		return (row->flags & NOT_YET) != 0;
	if (status == 408 || status == 500 || (status >= 502 && status <= 504))
		return true;
	return (row->flags & ANY_5XX) && status >= 500;
}

static bool silence_passes(const struct row *row, const struct err *e)
{
	if (row->flags & TURNED_AWAY_ONLY)
		return false;
	return e->kind == ERR_NET || e->kind == ERR_PROTO ||
	       ((row->flags & SILENCE) && e->kind == ERR_TIMEOUT);
}

bool http_passes(enum http_retry which, const struct http_head *h,
		 const struct err *e)
{
	const struct row *row = &rows[which];

	return h != NULL ? answer_passes(row, h) : silence_passes(row, e);
}

int64_t http_retry_ms(enum http_retry which, unsigned tries,
		      const struct http_head *h, const struct err *e)
{
	const struct row *row = &rows[which];
	int64_t ms = h != NULL ? row->answer_ms : row->broken_ms;
	int64_t asked_s = -1;

	if (tries >= row->tries || !http_passes(which, h, e))
		return -1;
	if (h != NULL && row->heed_s > 0)
		asked_s = http_retry_after_s(h, unix_time());
	if (asked_s >= 0)
		return (asked_s < row->heed_s ? asked_s : row->heed_s) * 1000;
	if (!(row->flags & STEADY))
		ms <<= tries - 1;
	if (row->flags & JITTER)
		ms = ms * 8 / 10 + random_below((uint32_t)(ms / 2) + 1);
	return ms;
}
