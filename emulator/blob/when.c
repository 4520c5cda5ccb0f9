/*
 * Conditional requests.
 *
 * Source: "Specifying conditional headers for Blob service operations"
 * (learn.microsoft.com): a condition on a version is asked before one on time.
 */
#include <stdlib.h>
#include <string.h>

#include "base/time.h"
#include "emulator/blob/inner.h"

static int not_met(struct blob_request *r)
{
	return blob_deny(r, 412, "ConditionNotMet",
			 "The condition specified using HTTP conditional "
			 "header(s) is not met.");
}

struct when {
	struct str match, none; /* one ETag each, or "*"; p NULL: not asked */
	bool since_asked, until_asked;
	int64_t since, until; /* If-Modified-Since, If-Unmodified-Since */
};

/* -1: refused */
static int when_read(struct blob_request *r, struct when *w)
{
	const struct http_head *h = http_x_head(r->x);
	struct str since = http_field(h, "If-Modified-Since"),
		   until = http_field(h, "If-Unmodified-Since");

	w->match = str_trim(http_field(h, "If-Match"));
	w->none = str_trim(http_field(h, "If-None-Match"));
	w->since_asked = since.p != NULL && time_parse_http(since, &w->since);
	w->until_asked = until.p != NULL && time_parse_http(until, &w->until);
	if (str_chr(w->match, ',') >= 0 || str_chr(w->none, ',') >= 0)
		return blob_deny(r, 400, "MultipleConditionHeadersNotSupported",
				 "Multiple condition headers are not supported.");
	return 0;
}

/* Quoted or not: clients send both. */
static bool is_tag(const struct blob_request *r, struct str s)
{
	const char *etag = json_text(r->n->doc, "etag");
	struct str bare = { etag + 1, strlen(etag) - 2 };

	return str_eqz(s, etag) || str_eq(s, bare);
}

int blob_when_read(struct blob_request *r)
{
	struct when w = { 0 };
	bool none, since;
	int64_t at;

	if (when_read(r, &w) < 0)
		return -1;
	if (!blob_there(r))
		return w.match.p != NULL ? not_met(r) : 0;
	if (str_eqz(w.none, "*"))
		return blob_deny(r, 400, "UnsatisfiableCondition",
				 "The request includes an unsatisfiable condition for "
				 "this operation.");
	at = json_int_opt(r->n->doc, "modified", 0);
	if ((w.match.p != NULL && !str_eqz(w.match, "*") && !is_tag(r, w.match)) ||
	    (w.until_asked && at > w.until))
		return not_met(r);
	none = w.none.p != NULL && is_tag(r, w.none);
	since = w.since_asked && at <= w.since;
	if ((none && (!w.since_asked || since)) || (since && w.none.p == NULL)) {
		blob_stamp(r);
		blob_field(r, "x-ms-error-code: ConditionNotMet");
		blob_reply(r, 304, STR(""));
		return -1;
	}
	return 0;
}

int blob_when_write(struct blob_request *r)
{
	struct when w = { 0 };
	int64_t at;

	if (when_read(r, &w) < 0)
		return -1;
	if (!blob_there(r))
		return w.match.p != NULL && w.none.p == NULL ? not_met(r) : 0;
	at = json_int_opt(r->n->doc, "modified", 0);
	if (w.none.p != NULL)
		return str_eqz(w.none, "*") ?
			       blob_deny(r, 409, "BlobAlreadyExists",
					 "The specified blob already exists.") :
		       is_tag(r, w.none) ? not_met(r) :
					   0;
	if (w.match.p != NULL)
		return str_eqz(w.match, "*") || is_tag(r, w.match) ? 0 :
								     not_met(r);
	if ((w.since_asked && at <= w.since) || (w.until_asked && at > w.until))
		return not_met(r);
	return 0;
}
