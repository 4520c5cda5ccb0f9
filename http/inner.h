#ifndef HTTP_INNER_H
#define HTTP_INNER_H

/*
 * What the parts of http/ share; nobody outside includes this.
 */
#include "http.h"

#define HTTP_PIECE ((16u << 10) - 1) /* read or written at a time */

/* RFC 9110 section 5.5: no control characters but tabs. */
bool http_text_ok(struct str s);
/* A request's target, or a URL: visible ASCII, not empty. */
bool http_target_ok(struct str s);

/* ---- client ---- */

/* One attempt at an exchange: http.c says in which order, http/client.c how. */
struct talk {
	struct http_client *c;
	const struct http_request *q;
	struct http_response *r;
	struct http_url u;
	struct http_parser parser;
	bool body_begun; /* body_read was asked: no second attempt */
	bool sent;	 /* the whole request */
	bool have_head;
	bool done; /* the whole answer */
	bool take; /* the connection is wanted: done with the head, if it is had */
	bool taken;
	bool silent; /* nothing came at the last look */
};

/* Whether the client's connection leads to that origin and the peer has not
 * hung up on it. */
bool http_connected(const struct http_client *c, const struct http_url *u);
int http_connect(struct http_client *c, const struct http_url *u,
		 int64_t deadline_ms, struct err *e);
void http_hang_up(struct http_client *c);
/* Send the request.  An answer that comes meanwhile may end that: t->sent then
 * stays false, and 0 is returned. */
int http_send_request(struct talk *t, struct err *e);
/* Read once and make what can be made of it; t->done when the answer is whole. */
int http_hear(struct talk *t, struct err *e);

#endif
