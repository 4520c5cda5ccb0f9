/*
 * The way of an exchange, as a client has it: one connection, kept alive; the
 * request goes out while an ear is kept on the answer; a connection that turns
 * out to have been closed is replaced once.  The steps are in http/client.c,
 * the messages in http/parse.c, the server's side in http/server.c.  Knows
 * nothing of TLS, of Azure, or of what a body means (RFC 9110, RFC 9112).
 */
#include <string.h>

#include "http/inner.h"

void http_client_init(struct http_client *c, struct http_dialer dialer,
		      const char *user_agent)
{
	memset(c, 0, sizeof *c);
	c->dialer = dialer;
	c->user_agent = user_agent;
	buf_init(&c->in, HTTP_PIECE);
}

void http_client_release(struct http_client *c)
{
	http_hang_up(c);
	buf_burn(&c->in);
}

void http_response_init(struct http_response *r, size_t body_max)
{
	memset(r, 0, sizeof *r);
	buf_init(&r->head.raw, HTTP_HEAD_MAX);
	buf_init(&r->body, body_max);
}

void http_response_release(struct http_response *r)
{
	buf_burn(&r->head.raw);
	buf_burn(&r->body);
	memset(&r->head, 0, sizeof r->head);
	buf_init(&r->head.raw, HTTP_HEAD_MAX);
}

static bool harmless_twice(const struct http_request *q)
{
	static const char *const idempotent[] = { "GET", "HEAD", "PUT",
						  "DELETE", "OPTIONS" };

	for (size_t i = 0; i < sizeof idempotent / sizeof idempotent[0]; i++)
		if (strcmp(q->method, idempotent[i]) == 0)
			return true;
	return q->idempotent;
}

/* The peer had closed the kept-alive connection while we were not looking. */
static bool was_stale(const struct talk *t, const struct err *e)
{
	return e->kind == ERR_NET && !t->parser.started && !t->body_begun &&
	       harmless_twice(t->q);
}

static int attempt(struct talk *t, struct err *e)
{
	int rc;

	http_parser_reset(&t->parser);
	t->parser.head_answer = strcmp(t->q->method, "HEAD") == 0;
	t->parser.upgrade = t->take;
	t->sent = t->have_head = t->done = false;
	t->r->head.n_fields = 0;
	t->r->head.status = 0;
	buf_reset(&t->r->body);
	rc = http_send_request(t, e);
	while (rc == 0 && !t->done)
		rc = http_hear(t, e);
	return rc < 0 ? err_in(e, "%s", t->u.host) : 0;
}

static int exchange(struct talk *t, struct err *e)
{
	struct http_client *c = t->c;
	bool used = http_connected(c, &t->u);

	if (!used && http_connect(c, &t->u, t->q->deadline_ms, e) < 0)
		return -1;
	if (attempt(t, e) == 0)
		return 0;
	http_hang_up(c);
	if (!used || !was_stale(t, e))
		return -1;
	err_clear(e);
	if (http_connect(c, &t->u, t->q->deadline_ms, e) < 0)
		return -1;
	return attempt(t, e);
}

/* The connection, and what came on it already, go to the caller. */
static int give_away(struct talk *t, struct stream **taken, struct err *e)
{
	struct http_client *c = t->c;

	if (!t->sent)
		return err_set(e, ERR_PROTO,
			       "%s: an answer before all was asked", t->u.host);
	buf_addstr(&t->r->body, buf_str(&c->in));
	buf_reset(&c->in);
	if (buf_check(&t->r->body, "the answer", e) < 0)
		return -1;
	*taken = c->stream;
	c->stream = NULL;
	return 0;
}

int http_exchange(struct http_client *c, const struct http_request *q,
		  struct http_response *r, struct err *e)
{
	return http_take_over(c, q, r, NULL, e);
}

int http_take_over(struct http_client *c, const struct http_request *q,
		   struct http_response *r, struct stream **taken, struct err *e)
{
	struct talk t = { .c = c, .q = q, .r = r, .take = taken != NULL };
	int64_t began = now_ms();
	int rc;

	if (taken != NULL)
		*taken = NULL;
	if (http_url_parse(str_of(q->url), &t.u, e) < 0 ||
	    http_fields_check(q->fields, true, e) < 0)
		return -1;
	if (!str_is_token(str_of(q->method)))
		return err_set(e, ERR_DATA, "not a request method");
	if (c->watch != NULL && c->watch->before(c->watch->ctx, q, e) < 0)
		return -1;
	http_parser_init(&t.parser, false);
	rc = exchange(&t, e);
	if (rc == 0 && t.taken)
		rc = give_away(&t, taken, e);
	if (rc < 0) {
		http_hang_up(c);
		if (e->kind == ERR_NET && t.parser.started)
			e->kind = ERR_PROTO;
	} else if (!t.sent || !t.parser.keep_alive || c->in.n > 0) {
		http_hang_up(c);
	}
	http_parser_release(&t.parser);
	if (c->watch != NULL)
		c->watch->after(c->watch->ctx, q, rc < 0 ? NULL : r,
				now_ms() - began, e);
	return rc;
}
