/*
 * Azure Resource Manager as a client sees it, and the way everything takes:
 * a request, sent until it is answered for good (azure_call), and then the
 * operation that it began, until that ends (azure_do).  How each step is done
 * is in azure/.  Knows no resource type: which ones are asked for is the
 * caller's business.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "azure/inner.h"

#define USER_AGENT "azswarm"

int azure_init(struct azure *az, struct entra *entra, const char *arm,
	       const char *subscription, struct http_dialer dialer,
	       struct azure_clock clock, struct err *e)
{
	struct err ignored = ERR_INIT;
	struct http_url u;
	size_t n = strlen(arm);

	*az = (struct azure){ .entra = entra, .clock = clock };
	while (n > 0 && arm[n - 1] == '/')
		n--;
	if (http_url_parse((struct str){ arm, n }, &u, &ignored) < 0 ||
	    !u.tls || u.path.n > 1) {
		err_set(e, ERR_USAGE,
			"\"%s\" is not an https URL without a path", arm);
		return err_in(e, "Azure Resource Manager endpoint");
	}
	az->arm = xstrndup(arm, n);
	memcpy(az->arm_host, u.host, sizeof(az->arm_host));
	az->arm_port = u.port;
	az->subscription = xstrdup(subscription);
	http_client_init(&az->http, dialer, USER_AGENT);
	return 0;
}

void azure_release(struct azure *az)
{
	free(az->arm);
	free(az->subscription);
	http_client_release(&az->http);
	for (size_t i = 0; i < AZURE_MADE_MAX; i++)
		free(az->made[i].path);
	*az = (struct azure){ 0 };
}

void azure_reply_release(struct azure_reply *r)
{
	json_free(r->doc);
	r->doc = NULL;
	http_response_release(&r->http);
}

void azure_reply_burn(struct azure_reply *r)
{
	json_burn(r->doc);
	r->doc = NULL;
	azure_reply_release(r); /* its text is burned in any case */
}

char *azure_path(const struct azure *az, const char *fmt, ...)
{
	struct buf b = BUF_INIT(16u << 10);
	va_list ap;

	buf_addf(&b, "/subscriptions/%s", az->subscription);
	va_start(ap, fmt);
	buf_vaddf(&b, fmt, ap);
	va_end(ap);
	return buf_detach(&b);
}

/* ---- a request, until it is answered ---- */

int azure_refused(const struct azure_reply *r, struct err *e)
{
	struct str tenant;

	if (e->kind != ERR_NONE)
		return -1;
	azure_error(&r->http.head, r->doc, buf_str(&r->http.body), e);
	if (r->http.head.status == 401)
		e->kind = ERR_AUTH;
	if (err_is(e, AZURE_OTHER_TENANT)) {
		tenant = azure_tenant(&r->http.head);
		snprintf(e->target, sizeof(e->target), "%.*s", STR_ARG(tenant));
	}
	return -1;
}

static enum azure_next accepted(struct azure_request *q, struct err *e)
{
	unsigned status = q->reply->http.head.status;

	(void)e;
	if ((status >= 200 && status < 300) ||
	    (status == 404 && (q->flags & AZURE_MISSING_OK)) ||
	    (status == 409 && (q->flags & AZURE_CONFLICT_OK))) {
		if (status < 300)
			azure_remember(q);
		return AZURE_DONE;
	}
	return AZURE_NOT_THIS;
}

static enum azure_next refused(struct azure_request *q, struct err *e)
{
	azure_refused(q->reply, e);
	return AZURE_FAILED;
}

/* What an answer may mean.  The first of these that it does mean decides. */
static enum azure_next (*const meanings[])(struct azure_request *q,
					   struct err *e) = {
	azure_wait_made, accepted,	  azure_renew_token, azure_ask_policy,
	azure_wait_turn, azure_wait_well, azure_register,    refused,
};

static enum azure_next send_and_see(struct azure_request *q, struct err *e)
{
	enum azure_next next = AZURE_NOT_THIS;
	struct err why = ERR_INIT;
	const char *token;

	/* the token is asked for with a patience of its own, which must not
	 * multiply with ours */
	if (entra_token(q->az->entra, &token, e) < 0)
		return AZURE_FAILED;
	if (azure_send(q, &why) < 0)
		return azure_unanswered(q, &why, e);
	for (size_t i = 0; next == AZURE_NOT_THIS; i++)
		next = meanings[i](q, e);
	return next;
}

int azure_run(struct azure_request *q, struct err *e)
{
	struct azure *az = q->az;
	enum azure_next next;

	if (az->before != NULL && az->before(az->before_ctx, e) < 0)
		return -1;
	do
		next = send_and_see(q, e);
	while (next == AZURE_AGAIN);
	return next == AZURE_DONE ? 0 : -1;
}

/* What is left of q is filled: from where it is asked, and where to the answer. */
static int call(struct azure_request *q, const char *path,
		struct azure_reply *r, struct err *e)
{
	int rc;

	*r = (struct azure_reply){ 0 };
	http_response_init(&r->http, ARM_ANSWER_MAX);
	q->reply = r;
	rc = azure_request_open(q, path, e);
	if (rc == 0)
		rc = azure_run(q, e);
	azure_request_close(q);
	return rc;
}

int azure_call(struct azure *az, const char *method, const char *path,
	       const cJSON *body, unsigned flags, struct azure_reply *r,
	       struct err *e)
{
	struct azure_request q = { .az = az,
				   .method = method,
				   .body = body,
				   .flags = flags };

	return call(&q, path, r, e);
}

/* ---- an operation, until it ends ---- */

/* Ask once how it stands, with a current token.  What passes with time is for
 * lro_step to see, so that throttled polls slow down. */
static int poll_once(struct azure *az, const char *url, struct azure_reply *r,
		     struct err *e)
{
	struct azure_request q = { .az = az, .method = "GET", .reply = r };
	enum azure_next next = AZURE_FAILED;

	if (azure_request_open(&q, url, e) == 0)
		do
			next = azure_send(&q, e) < 0 ? AZURE_FAILED :
						       azure_renew_token(&q, e);
		while (next == AZURE_AGAIN);
	azure_request_close(&q);
	return next == AZURE_FAILED ? -1 : 0;
}

/* Wait, poll, show; until it has ended. */
static int wait_for_end(struct azure *az, struct lro *op,
			const struct azure_wait *w, struct azure_reply *r,
			struct err *e)
{
	struct azure_clock *clock = &az->clock;
	enum lro_state state = LRO_WAIT;

	while (state == LRO_WAIT) {
		struct err why = ERR_INIT;

		if (op->url[0] != '/' && !azure_on_arm_host(az, op->url, e))
			return -1;
		if (clock->wait(clock->ctx, op->next_ms, w->what, op->began_ms,
				e) < 0)
			return -1;
		if (poll_once(az, op->url, r, &why) == 0)
			state = lro_step(op, r, clock->now(clock->ctx), e);
		else
			state = lro_dropped(op, &why, clock->now(clock->ctx), e);
		if (state != LRO_FAILED && w->tick != NULL &&
		    w->tick(w->ctx, e) < 0)
			return -1;
	}
	return state == LRO_DONE ? 0 : -1;
}

/* What an operation that was waited for leaves in r. */
static int take_result(struct azure *az, const struct lro *op, bool wanted,
		       struct azure_reply *r, struct err *e)
{
	struct azure_reply now;
	struct err why = ERR_INIT;

	/* the 404 of a poll is not the resource's */
	if (r->http.head.status == 404)
		azure_reply_release(r);
	/* polls told about the operation, not about what it made */
	if (!wanted || op->resource == NULL || op->how == LRO_RESOURCE)
		return 0;
	if (azure_call(az, "GET", op->resource, NULL,
		       op->how == LRO_LOCATION ? AZURE_MADE_OR_NOT : 0, &now,
		       &why) < 0 &&
	    (op->how != LRO_LOCATION || why.kind == ERR_INTR)) {
		azure_reply_release(&now);
		*e = why;
		return -1;
	}
	/* Location ended with what it made; that it cannot be read yet does not
	 * undo this */
	if (why.kind != ERR_NONE) {
		azure_reply_release(&now);
		return 0;
	}
	azure_reply_release(r);
	*r = now;
	return 0;
}

/* It failed, and polled, the last answer, has no reason: the resource may have,
 * or tells at least how it stands. */
static void ask_why(struct azure *az, const struct lro *op,
		    const struct azure_reply *polled, struct err *e)
{
	const char *word = json_str_opt(polled->doc, "status", "Failed"), *state;
	struct err why = ERR_INIT, ignored = ERR_INIT;
	struct azure_reply r;

	if (op->resource == NULL || op->how == LRO_RESOURCE ||
	    !err_is(e, AZURE_NO_REASON))
		return;
	if (azure_call(az, "GET", op->resource, NULL, AZURE_MADE_OR_NOT, &r,
		       &ignored) == 0) {
		state = json_str_opt(r.doc, "properties.provisioningState",
				     "there");
		azure_failed_doc(r.doc, &why);
		if (err_is(&why, AZURE_NO_REASON)) {
			err_clear(&why);
			err_refused(&why, ERR_AZURE, AZURE_NO_REASON, NULL,
				    "Azure says no more; the resource itself is %s",
				    state);
		}
		err_in(&why, "operation %s", word);
		*e = why;
	}
	azure_reply_release(&r);
}

/* It is done already, and names a place to ask that our token does not go to. */
static bool needs_no_asking(struct azure *az, const struct lro *op,
			    const struct azure_reply *r)
{
	struct err ignored = ERR_INIT;

	return r->http.head.status == 200 && op->url[0] != '/' &&
	       str_is(json_str_opt(r->doc, "properties.provisioningState", ""),
		      "Succeeded") &&
	       !azure_on_arm_host(az, op->url, &ignored);
}

/* op: to be released; has a URL when an operation has begun. */
static int do_and_wait(struct azure *az, const char *method, const char *path,
		       const cJSON *body, const struct azure_wait *w, bool wanted,
		       struct lro *op, struct azure_reply *r, struct err *e)
{
	struct azure_request q = { .az = az,
				   .method = method,
				   .body = body,
				   .flags = w->flags,
				   .if_match = w->if_match };
	enum lro_state state;
	int rc;

	if (call(&q, path, r, e) < 0)
		return -1;
	if (r->http.head.status >= 400 || w->no_wait) /* 400: what the flags allow */
		return 0;
	state = lro_start(op, method, path, r, az->clock.now(az->clock.ctx),
			  w->limit_ms, e);
	rc = state == LRO_FAILED ? -1 : 0;
	if (state == LRO_WAIT && !needs_no_asking(az, op, r)) {
		rc = wait_for_end(az, op, w, r, e);
		if (rc == 0)
			rc = take_result(az, op, wanted, r, e);
		else
			ask_why(az, op, r, e);
	}
	return rc;
}

/* What the other one was about is known when it has ended, and a request that
 * comes too early is told to wait for its turn. */
static int begin_again(struct azure *az, struct azure_reply *r, struct err *e)
{
	struct azure_clock *clock = &az->clock;
	int64_t now = clock->now(clock->ctx);

	if (az->note != NULL)
		az->note(az->note_ctx, e->msg);
	azure_reply_release(r);
	err_clear(e);
	return clock->wait(clock->ctx, now + AZURE_TURN_WAIT_MS,
			   "another operation to finish", now, e);
}

int azure_do(struct azure *az, const char *method, const char *path,
	     const cJSON *body, const struct azure_wait *w,
	     struct azure_reply *final, struct err *e)
{
	struct azure_reply r = { 0 };
	struct lro op = { 0 };
	bool wanted = final != NULL;
	int rc = do_and_wait(az, method, path, body, w, wanted, &op, &r, e);

	if (rc < 0 && op.url != NULL && err_is(e, AZURE_PREEMPTED) &&
	    !(w->flags & AZURE_ONCE)) {
		lro_release(&op);
		rc = begin_again(az, &r, e);
		if (rc == 0)
			rc = do_and_wait(az, method, path, body, w, wanted, &op,
					 &r, e);
	}
	lro_release(&op);
	if (wanted)
		*final = r;
	else
		azure_reply_release(&r);
	return rc < 0 ? err_in(e, "%s", w->what) : 0;
}
