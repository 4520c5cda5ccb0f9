#include "swarm/blob.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define ACCESS_S 3600
#define ACCESS_IMAGES_S 86400 /* a push may take its time */
#define ACCESS_PERMISSIONS "racwdl"
#define LIMIT_MS 60000
#define FIELDS_MAX 12

static const char *container_of(const struct blob_ask *q)
{
	return q->container != NULL ? q->container : BLOB_CONTAINER;
}

/* The signature for it. */
static char **query_of(struct storage *st, const struct blob_ask *q)
{
	return q->container != NULL ? &st->images : &st->query;
}

static void forget_query(struct storage *st, const struct blob_ask *q)
{
	burn_str(*query_of(st, q));
	*query_of(st, q) = NULL;
}

static int access_container(struct session *s, const struct blob_ask *q,
			    struct err *e)
{
	struct storage *st = storage_of(s, e);
	int64_t life_s = q->container != NULL ? ACCESS_IMAGES_S : ACCESS_S;

	if (st == NULL)
		return -1;
	return *query_of(st, q) != NULL ?
		       0 :
		       storage_sign(s, st, container_of(q), ACCESS_PERMISSIONS,
				    unix_time() + life_s, query_of(st, q), e);
}

static char *url_of(struct storage *st, const struct blob_ask *q)
{
	const char *have = *query_of(st, q);
	char *query = q->query == NULL ? xstrdup(have) :
					 xasprintf("%s&%s", q->query, have);
	char *path = q->name == NULL ?
			     xstrdup(container_of(q)) :
			     xasprintf("%s/%s", container_of(q), q->name);
	char *url = storage_url(st, path, query);

	burn_str(query);
	free(path);
	return url;
}

int blob_ask_once(struct session *s, struct http_client *http,
		  const struct blob_ask *q, struct http_response *r,
		  struct err *e)
{
	const char *fields[FIELDS_MAX + 2] = { "x-ms-version: " STORAGE_VERSION };
	char *url = url_of(&s->store, q);
	struct http_request h = {
		.method = q->method,
		.url = url,
		.fields = fields,
		.body = q->body,
		.body_read = q->body_read,
		.body_ctx = q->body_ctx,
		.body_length = q->body_length,
		.idempotent = q->idempotent,
		.deadline_ms = now_ms() +
			       (q->limit_ms > 0 ? q->limit_ms : LIMIT_MS),
	};
	int rc;

	for (size_t i = 0;
	     q->fields != NULL && q->fields[i] != NULL && i < FIELDS_MAX; i++)
		fields[i + 1] = q->fields[i];
	r->on_body = q->on_body;
	r->ctx = q->on_ctx;
	rc = http_exchange(http != NULL ? http : &s->data, &h, r, e);
	burn_str(url);
	if (rc == 0 && r->head.status == 403 &&
	    str_eqz(blob_code(r), "KeyBasedAuthenticationNotPermitted"))
		return storage_refusal(r, RETRY_BLOB, e);
	if (rc == 0 &&
	    (r->head.status >= 500 || http_passes(RETRY_BLOB, &r->head, NULL)))
		rc = storage_refusal(r, RETRY_BLOB, e);
	return rc;
}

int blob_ask(struct session *s, const struct blob_ask *q,
	     struct http_response *r, struct err *e)
{
	int64_t began = now_ms();
	/* what a reader has given is gone, what was taken is not taken back */
	bool again = q->body_read == NULL && q->on_body == NULL, anew = false;

	for (unsigned tries = 1;; tries++) {
		if (access_container(s, q, e) < 0)
			return -1;
		if (blob_ask_once(s, NULL, q, r, e) == 0) {
			/* it has run out, or its key was made anew meanwhile */
			if (anew || !again || r->head.status != 403 ||
			    !str_eqz(blob_code(r), "AuthenticationFailed"))
				return 0;
			anew = true;
			forget_query(&s->store, q);
			continue;
		}
		if (again && storage_keyless_now(s, &s->store, e)) {
			forget_query(&s->store, q);
			continue;
		}
		if (!again || !q->idempotent ||
		    storage_again(s, RETRY_BLOB, tries, began, e) < 0)
			return err_in(e, "blob storage");
	}
}

struct str blob_code(const struct http_response *r)
{
	return http_field(&r->head, "x-ms-error-code");
}

bool blob_element(struct str xml, const char *name, struct str *text)
{
	char *tag = xasprintf("<%s>", name), *end = xasprintf("</%s>", name);
	ptrdiff_t at = str_find(xml, str_of(tag)), to;
	bool found = false;

	if (at >= 0) {
		*text = str_skip(xml, (size_t)at + strlen(tag));
		to = str_find(*text, str_of(end));
		found = to > 0 && to <= BLOB_ELEMENT_MAX;
		*text = str_head(*text, found ? (size_t)to : 0);
		found = found && str_chr(*text, '<') < 0 &&
			str_chr(*text, '&') < 0;
	}
	free(tag);
	free(end);
	return found;
}
