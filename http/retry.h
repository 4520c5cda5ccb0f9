#ifndef HTTP_RETRY_H
#define HTTP_RETRY_H

#include "http.h"

/*
 * What passes by itself, and how long to wait for that: the one policy of all
 * who ask again, a row for each of them in http/retry.c.
 *
 * A connection that did not come about or broke (ERR_NET, ERR_PROTO) passes,
 * and so do the answers 408, 429 and 5xx, as far as the row has it.
 *
 * Source: RFC 9110 sections 10.2.3 and 15; the retry policies of the Azure
 * SDKs; "How to use managed identities for Azure resources to acquire an
 * access token", retry guidance (learn.microsoft.com).
 */
enum http_retry {
	RETRY_ARM,	/* a request to Resource Manager */
	RETRY_ARM_ONCE, /* one that must not be carried out twice */
	RETRY_POLL, /* how a long-running operation stands; tries are in a row */
	RETRY_SIGN_IN,
	RETRY_IMDS,	    /* the metadata service of the machine we are on */
	RETRY_IMDS_UPGRADE, /* while that answers 410: it is being upgraded */
	RETRY_ENDPOINTS,    /* which endpoints a cloud has */
	RETRY_BLOB,	    /* whether a blob is there */
	RETRY_UPLOAD, /* to an account whose name may not be known everywhere yet */
};

/*
 * Could it be otherwise next time?
 *
 * h      the answer, or NULL when there was none, and then
 * e      says why; not looked at when there was one
 */
bool http_passes(enum http_retry row, const struct http_head *h,
		 const struct err *e);

/*
 * How many milliseconds to wait before the next try, after so many (1 and up).
 * -1: it does not pass, or that was the last.  h and e as above.
 */
int64_t http_retry_ms(enum http_retry row, unsigned tries,
		      const struct http_head *h, const struct err *e);

/* Seconds a Retry-After field asks for (either form), 300 at most, -1 without
 * one. */
int64_t http_retry_after_s(const struct http_head *h, int64_t unix_now);

/* The same of a 429, and all of it, for who can say so to somebody: up to a
 * day; nobody throttles for longer, and more is -1. */
int64_t http_throttled_s(const struct http_head *h, int64_t unix_now);

#endif
