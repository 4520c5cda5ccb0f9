/*
 * Long-running operations: what the first answer and each poll say about how
 * one stands.  Asks nobody and never sleeps.
 */
#include <stdlib.h>
#include <string.h>

#include "azure/inner.h"
#include "base/clock.h"
#include "http/retry.h"

#define POLL_MS 5000	    /* compute allows 15 polls a minute, 45 at once */
#define POLL_SOON 3	    /* so many sooner, for what does not take long */
#define POLL_LEAST_MS 1000  /* whatever Retry-After says */
#define POLL_LATER_MS 15000 /* after POLL_PATIENCE_MS */
#define POLL_PATIENCE_MS 180000
#define POLL_MISSING_MAX 10

enum verdict { STILL_RUNNING, SUCCEEDED, NO_SUCCESS };

/* Only three words are terminal; a fourth spelling occurs. */
static enum verdict verdict_of(const char *status)
{
	struct str s = str_of(status);

	if (str_ieqz(s, "Succeeded"))
		return SUCCEEDED;
	if (str_ieqz(s, "Failed") || str_ieqz(s, "Canceled") ||
	    str_ieqz(s, "Cancelled"))
		return NO_SUCCESS;
	return STILL_RUNNING;
}

static enum lro_state failed_with(const char *status, const cJSON *doc,
				  struct err *e)
{
	azure_failed_doc(doc, e);
	err_in(e, "operation %s", status);
	return LRO_FAILED;
}

/* How long until the next poll where Azure does not say.  The state of an
 * operation is cheap to tell, that of a resource is not; and who is not well is
 * left alone. */
static int64_t patience(struct lro *op, const struct azure_reply *r, int64_t now_ms)
{
	static const int64_t soon[POLL_SOON] = { 1000, 2000, 2000 };

	if (now_ms - op->began_ms > POLL_PATIENCE_MS)
		return POLL_LATER_MS;
	if (op->how == LRO_ASYNC && op->soon < POLL_SOON && r != NULL &&
	    r->http.head.status < 300)
		return soon[op->soon++];
	return POLL_MS;
}

static enum lro_state wait_on(struct lro *op, const struct azure_reply *r,
			      int64_t now_ms, struct err *e)
{
	int64_t s = r ? http_retry_after_s(&r->http.head, unix_time()) : -1;
	int64_t ms = s == 0 ? POLL_LEAST_MS :
		     s > 0  ? s * 1000 :
			      patience(op, r, now_ms);

	if (now_ms + ms > op->deadline_ms) {
		err_set(e, ERR_TIMEOUT,
			"not finished in time; it goes on in Azure, "
			"and this command may be run again");
		return LRO_FAILED;
	}
	op->next_ms = now_ms + ms;
	return LRO_WAIT;
}

static enum lro_state says_nothing(struct err *e)
{
	err_set(e, ERR_PROTO,
		"Azure does not say how the operation stands, nor where to ask");
	return LRO_FAILED;
}

static bool has_state(const cJSON *doc)
{
	return json_at(doc, "properties.provisioningState") != NULL;
}

static enum lro_state resource_state(struct lro *op, const struct azure_reply *r,
				     int64_t now_ms, struct err *e)
{
	const char *state = json_str_opt(r->doc, "properties.provisioningState",
					 "");

	switch (*state ? verdict_of(state) : SUCCEEDED) {
	case SUCCEEDED:
		return LRO_DONE;
	case NO_SUCCESS:
		return failed_with(state, r->doc, e);
	case STILL_RUNNING:
		break;
	}
	return wait_on(op, r, now_ms, e);
}

static void set_url(struct lro *op, enum lro_how how, struct str url)
{
	free(op->url);
	op->url = str_dup(url);
	op->how = how;
}

enum lro_state lro_start(struct lro *op, const char *method, const char *url,
			 const struct azure_reply *r, int64_t now_ms,
			 int64_t limit_ms, struct err *e)
{
	const struct http_head *h = &r->http.head;
	struct str async = http_field(h, "azure-asyncoperation");
	struct str location = http_field(h, "location");
	bool writes = strcmp(method, "PUT") == 0 || strcmp(method, "PATCH") == 0;

	*op = (struct lro){
		.resource = writes ? xstrdup(url) : NULL,
		.deleting = strcmp(method, "DELETE") == 0,
		.began_ms = now_ms,
		.deadline_ms = now_ms + limit_ms,
	};
	if (async.n == 0)
		async = http_field(h, "operation-location");
	if (async.n > 0) {
		set_url(op, LRO_ASYNC, async);
		return wait_on(op, r, now_ms, e);
	}
	if (h->status == 202 && location.n > 0) {
		set_url(op, LRO_LOCATION, location);
		return wait_on(op, r, now_ms, e);
	}
	if (writes) {
		set_url(op, LRO_RESOURCE, str_of(url));
		/* accepted, or begun, and what came of it is not here */
		if ((h->status == 202 && !has_state(r->doc)) ||
		    (h->status == 201 && r->doc == NULL))
			return wait_on(op, r, now_ms, e);
		return resource_state(op, r, now_ms, e);
	}
	return h->status == 202 ? says_nothing(e) : LRO_DONE;
}

/* The answer to a poll whose status line alone says how it stands: true when
 * *state is decided. */
static bool status_decides(struct lro *op, const struct azure_reply *r,
			   int64_t now_ms, enum lro_state *state, struct err *e)
{
	unsigned status = r->http.head.status;

	op->dropped = 0;
	if (status == 404) {
		if (op->deleting) {
			*state = LRO_DONE;
			return true;
		}
		/* not replicated yet, for a while */
		if (++op->missing <= POLL_MISSING_MAX) {
			*state = wait_on(op, r, now_ms, e);
			return true;
		}
	} else {
		op->missing = 0;
	}
	if (http_passes(RETRY_POLL, &r->http.head, NULL)) {
		*state = wait_on(op, r, now_ms, e);
		return true;
	}
	if (status < 200 || status >= 300) {
		azure_refused(r, e);
		*state = LRO_FAILED;
		return true;
	}
	return false;
}

/* The answer of the operation's own URL. */
static enum lro_state async_state(struct lro *op, const struct azure_reply *r,
				  int64_t now_ms, struct err *e)
{
	const char *word = json_str_opt(r->doc, "status", "");

	/* an empty 200 stands for success; a document without a status is the
	 * resource itself, or nothing that would tell */
	if (*word == '\0') {
		if (r->doc == NULL && r->http.body.n > 0) {
			err_set(e, ERR_PROTO,
				"the state of the operation is not JSON");
			return LRO_FAILED;
		}
		if (r->http.head.status == 202 && !has_state(r->doc))
			return wait_on(op, r, now_ms, e);
		if (cJSON_IsObject(r->doc) && r->doc->child == NULL)
			return says_nothing(e);
		return resource_state(op, r, now_ms, e);
	}
	switch (verdict_of(word)) {
	case SUCCEEDED:
		return LRO_DONE;
	case NO_SUCCESS:
		return failed_with(word, r->doc, e);
	case STILL_RUNNING:
		break;
	}
	return wait_on(op, r, now_ms, e);
}

/* The answer of a URL that has the result once there is one. */
static enum lro_state location_state(struct lro *op, const struct azure_reply *r,
				     int64_t now_ms, struct err *e)
{
	struct str next = http_field(&r->http.head, "location");
	const char *word = json_str_opt(r->doc, "status", "");

	if (r->http.head.status == 202) {
		if (next.n > 0)
			set_url(op, LRO_LOCATION, next);
		return wait_on(op, r, now_ms, e);
	}
	if (verdict_of(word) == NO_SUCCESS)
		return failed_with(word, r->doc, e);
	return resource_state(op, r, now_ms, e);
}

enum lro_state lro_step(struct lro *op, const struct azure_reply *r,
			int64_t now_ms, struct err *e)
{
	enum lro_state state;

	if (status_decides(op, r, now_ms, &state, e))
		return state;
	switch (op->how) {
	case LRO_ASYNC:
		return async_state(op, r, now_ms, e);
	case LRO_LOCATION:
		return location_state(op, r, now_ms, e);
	case LRO_RESOURCE:
		break;
	}
	return r->doc != NULL ? resource_state(op, r, now_ms, e) :
				says_nothing(e);
}

enum lro_state lro_dropped(struct lro *op, const struct err *why,
			   int64_t now_ms, struct err *e)
{
	if (!http_passes(RETRY_POLL, NULL, why)) {
		*e = *why;
		return LRO_FAILED;
	}
	if (http_retry_ms(RETRY_POLL, ++op->dropped, NULL, why) < 0) {
		*e = *why;
		e->kind = ERR_NET;
		err_in(e, "no answer %u times in a row while waiting",
		       op->dropped);
		return LRO_FAILED;
	}
	return wait_on(op, NULL, now_ms, e);
}

void lro_release(struct lro *op)
{
	free(op->url);
	free(op->resource);
	*op = (struct lro){ 0 };
}
