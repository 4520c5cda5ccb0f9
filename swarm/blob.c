#include "swarm/blob.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define ACCESS_S 3600
#define ACCESS_PERMISSIONS "racwdl"
#define LIMIT_MS 60000
#define FIELDS_MAX 12

static int access_container(struct session *s, struct err *e)
{
	struct storage *st = storage_of(s, e);

	if (st == NULL)
		return -1;
	return st->query != NULL ?
		       0 :
		       storage_sign(s, st, BLOB_CONTAINER, ACCESS_PERMISSIONS,
				    unix_time() + ACCESS_S, &st->query, e);
}

static char *url_of(const struct storage *st, const struct blob_ask *q)
{
	char *query = q->query == NULL ? xstrdup(st->query) :
					 xasprintf("%s&%s", q->query, st->query);
	char *path = q->name == NULL ? xstrdup(BLOB_CONTAINER) :
				       xasprintf(BLOB_CONTAINER "/%s", q->name);
	char *url = storage_url(st, path, query);

	burn_str(query);
	free(path);
	return url;
}

static int ask_once(struct session *s, const struct blob_ask *q,
		    struct http_response *r, struct err *e)
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
	rc = http_exchange(&s->data, &h, r, e);
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
		if (access_container(s, e) < 0)
			return -1;
		if (ask_once(s, q, r, e) == 0) {
			/* it has run out, or its key was made anew meanwhile */
			if (anew || !again || r->head.status != 403 ||
			    !str_eqz(blob_code(r), "AuthenticationFailed"))
				return 0;
			anew = true;
			burn_str(s->store.query);
			s->store.query = NULL;
			continue;
		}
		if (again && storage_keyless_now(s, &s->store, e)) {
			burn_str(s->store.query);
			s->store.query = NULL;
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
