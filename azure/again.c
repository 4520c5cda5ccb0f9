/*
 * Why a request is sent again: because it had no answer, or one that passes
 * with time, or one about something that can be mended on the way.  What has
 * to do with tokens is in azure/token.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "azure/inner.h"
#include "base/clock.h"
#include "base/time.h"
#include "http/retry.h"

#define TURN_MS 300000	    /* how long "another operation" may take */
#define CONFLICT_MS 60000   /* when it is not said that it is one */
#define THROTTLED_MS 900000 /* how long a request may be throttled */
#define MADE_MS 60000	    /* how long Azure may not know what it made */
#define MADE_DOUBLINGS 3    /* of the second that it begins with */
#define REGISTER_MS 600000
#define REGISTER_WAIT_MS 10000

/* since_ms: when this waiting began. */
static enum azure_next pause_for(struct azure *az, int64_t ms, const char *what,
				 int64_t since_ms, struct err *e)
{
	int64_t until_ms = az->clock.now(az->clock.ctx) + ms;

	return az->clock.wait(az->clock.ctx, until_ms, what, since_ms, e) < 0 ?
		       AZURE_FAILED :
		       AZURE_AGAIN;
}

static enum http_retry row_of(const struct azure_request *q)
{
	return q->flags & AZURE_ONCE ? RETRY_ARM_ONCE : RETRY_ARM;
}

enum azure_next azure_unanswered(struct azure_request *q, const struct err *why,
				 struct err *e)
{
	struct azure *az = q->az;
	bool final = q->page != NULL && azure_page_refused(q->page);
	int64_t ms = final ? -1 : http_retry_ms(row_of(q), ++q->tries, NULL, why);

	if (ms < 0) {
		*e = *why;
		if ((q->flags & AZURE_ONCE) &&
		    az->http.requests != q->requests_before) {
			err_in(e, "it is unknown whether Azure took this");
			snprintf(e->code, sizeof(e->code), AZURE_OUTCOME_UNKNOWN);
		}
		return AZURE_FAILED;
	}
	if (az->note != NULL)
		az->note(az->note_ctx, why->msg);
	return pause_for(az, ms, "a new connection to Azure",
			 az->clock.now(az->clock.ctx), e);
}

/* ---- what was just made ---- */

/* The path of a request, in lower case: Azure does not tell cases apart. */
static char *made_path(const struct azure_request *q)
{
	struct str url = buf_str(&q->url), path;
	char *z;

	path = str_skip(url, strlen(q->az->arm));
	if (str_chr(path, '?') >= 0)
		path = str_head(path, (size_t)str_chr(path, '?'));
	z = str_dup(path);
	for (char *c = z; *c != '\0'; c++)
		*c = to_lower(*c);
	return z;
}

/* Is path that of made, or (*below) of something in it? */
static bool is_made(const struct azure_made *made, const char *path, bool *below)
{
	size_t n = made->path != NULL ? strlen(made->path) : 0;

	if (n == 0 || strncmp(path, made->path, n) != 0 ||
	    (path[n] != '\0' && path[n] != '/'))
		return false;
	*below = path[n] == '/';
	return true;
}

void azure_remember(struct azure_request *q)
{
	struct azure *az = q->az;
	bool put = strcmp(q->method, "PUT") == 0, below;
	struct azure_made *m;
	char *path;

	if (!put && strcmp(q->method, "DELETE") != 0)
		return;
	path = made_path(q);
	for (m = az->made; m < az->made + AZURE_MADE_MAX; m++) {
		struct azure_made gone = { .path = path };

		if (m->path != NULL && is_made(&gone, m->path, &below) &&
		    !(put && below)) {
			free(m->path);
			m->path = NULL;
		}
	}
	if (!put) {
		free(path);
		return;
	}
	m = &az->made[az->n_made++ % AZURE_MADE_MAX];
	free(m->path);
	*m = (struct azure_made){ path, az->clock.now(az->clock.ctx) };
}

enum azure_next azure_wait_made(struct azure_request *q, struct err *e)
{
	struct azure *az = q->az;
	int64_t now = az->clock.now(az->clock.ctx), made_ms = -1, ms;
	bool below = false;
	char *path;

	if (q->reply->http.head.status != 404 || (q->flags & AZURE_MADE_OR_NOT))
		return AZURE_NOT_THIS;
	path = made_path(q);
	for (size_t i = 0; i < AZURE_MADE_MAX; i++)
		if (is_made(&az->made[i], path, &below) &&
		    !(below && (q->flags & AZURE_MISSING_OK)) &&
		    az->made[i].at_ms > made_ms)
			made_ms = az->made[i].at_ms;
	free(path);
	if (made_ms < 0 || now - made_ms >= MADE_MS)
		return AZURE_NOT_THIS;
	ms = (int64_t)1000 << q->unseen;
	if (q->unseen < MADE_DOUBLINGS)
		q->unseen++;
	return pause_for(az, ms, "Azure to know what it has made", made_ms, e);
}

/* ---- another operation is in progress ---- */

/* The codes of that, with 409 or 429; or of one that makes what is asked for.
 * *most_ms: how long it may take. */
static bool busy(const struct azure_reply *r, int64_t *most_ms)
{
	static const char *const codes[] = {
		"AnotherOperationInProgress",
		AZURE_PREEMPTED,
		"ConflictingConcurrentWriteNotAllowed",
		"DeploymentActive",
		"ResourceGroupBeingDeleted",
		"RetryableError",
		"RetryableErrorDueToAnotherOperation",
		"ReferencedResourceNotProvisioned",
		"StorageAccountIsNotProvisioned",
		"StorageAccountOperationInProgress",
	};
	struct str code = azure_error_code(r->doc);

	if (r->http.head.status != 409 && r->http.head.status != 429)
		return false;
	*most_ms = TURN_MS;
	for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++)
		if (str_ieqz(code, codes[i]))
			return true;
	/* may be another operation, and anything else */
	*most_ms = CONFLICT_MS;
	return str_ieqz(code, "Conflict");
}

/* What Azure says, to the person, who waits for it or does not. */
static void note_reason(struct azure *az, const struct azure_reply *r)
{
	struct buf text = BUF_INIT(512);

	azure_say(r->doc, &text);
	if (az->note != NULL && text.n > 0)
		az->note(az->note_ctx, text.str);
	buf_release(&text);
}

/* A wait that is bounded by time and not by tries: operations take minutes. */
enum azure_next azure_wait_turn(struct azure_request *q, struct err *e)
{
	struct azure *az = q->az;
	int64_t s, most_ms;

	if (!busy(q->reply, &most_ms) ||
	    az->clock.now(az->clock.ctx) - q->began_ms >= most_ms)
		return AZURE_NOT_THIS;
	if (most_ms == CONFLICT_MS && !q->told)
		note_reason(az, q->reply);
	q->told = true;
	s = http_retry_after_s(&q->reply->http.head, unix_time());
	return pause_for(az, s > 0 ? s * 1000 : AZURE_TURN_WAIT_MS,
			 "another operation to finish", q->began_ms, e);
}

/* Azure says when to come again, and that is too late for who waits here. */
static enum azure_next throttled(struct azure_request *q, int64_t s, struct err *e)
{
	char span[32];

	time_span(s, span);
	azure_refused(q->reply, e);
	e->kind = ERR_TIMEOUT;
	err_in(e, "Azure throttles us for %s; this command may be run again then",
	       span);
	return AZURE_FAILED;
}

enum azure_next azure_wait_well(struct azure_request *q, struct err *e)
{
	const struct http_head *h = &q->reply->http.head;
	struct azure *az = q->az;
	char what[80] = "Azure, which is not well", span[32];
	int64_t ms, s, now = az->clock.now(az->clock.ctx);

	if (!http_passes(row_of(q), h, NULL) ||
	    (ms = http_retry_ms(row_of(q), ++q->tries, h, NULL)) < 0)
		return AZURE_NOT_THIS;
	s = http_throttled_s(h, unix_time());
	if (s >= 0 && s * 1000 > ms)
		ms = s * 1000;
	if (s > 0 && now + ms - q->began_ms > THROTTLED_MS)
		return throttled(q, s, e);
	time_span((ms + 999) / 1000, span);
	if (h->status == 429)
		snprintf(what, sizeof(what), "Azure, which throttles us for %s",
			 span);
	return pause_for(az, ms, what, now, e);
}

/* ---- resource providers ---- */

/* "... not registered to use namespace 'Microsoft.Compute'. ...": the first
 * word of that form in the message or target.  Caller frees; NULL if none. */
static char *provider_named(const cJSON *doc)
{
	struct buf text = BUF_INIT(4096);
	struct str s, word;
	char *found = NULL;
	size_t n;

	azure_say(doc, &text);
	for (s = buf_str(&text); found == NULL && s.n > 0;
	     s = str_skip(s, n + 1)) {
		for (n = 0; n < s.n && (is_alnum(s.p[n]) || s.p[n] == '.'); n++)
			;
		word = str_head(s, n);
		while (str_ends(word, STR(".")))
			word.n--;
		if (str_istarts(word, STR("Microsoft.")) && word.n < 80)
			found = str_dup(word);
	}
	buf_release(&text);
	return found;
}

/* Register a resource provider and wait until it is.  Only ever called once
 * per azure_call. */
static int provider_register(struct azure *az, const char *ns, struct err *e)
{
	char *post = azure_path(
		az, "/providers/%s/register?api-version=" API_RESOURCES, ns);
	char *get = azure_path(az, "/providers/%s?api-version=" API_RESOURCES, ns);
	char *what = xasprintf("resource provider %s to be registered", ns);
	int64_t began = az->clock.now(az->clock.ctx);
	struct azure_reply r = { 0 };
	const char *method = "POST", *path = post;
	int rc = -1;

	for (;;) {
		if (azure_call(az, method, path, NULL, AZURE_NO_REGISTERING, &r,
			       e) < 0)
			break;
		if (strcmp(json_str_opt(r.doc, "registrationState", ""),
			   "Registered") == 0) {
			rc = 0;
			break;
		}
		method = "GET";
		path = get;
		if (az->clock.now(az->clock.ctx) - began > REGISTER_MS) {
			err_set(e, ERR_TIMEOUT, "still %s after %d minutes",
				json_str_opt(r.doc, "registrationState", "unknown"),
				REGISTER_MS / 60000);
			break;
		}
		if (az->clock.wait(az->clock.ctx,
				   az->clock.now(az->clock.ctx) + REGISTER_WAIT_MS,
				   what, began, e) < 0)
			break;
		azure_reply_release(&r);
	}
	azure_reply_release(&r);
	free(post);
	free(get);
	free(what);
	return rc < 0 ? err_in(e, "registering resource provider %s", ns) : 0;
}

enum azure_next azure_register(struct azure_request *q, struct err *e)
{
	const struct azure_reply *r = q->reply;
	char *ns;
	int rc;

	if (r->http.head.status != 409 || q->registered ||
	    (q->flags & AZURE_NO_REGISTERING) ||
	    !str_ieqz(azure_error_code(r->doc), "MissingSubscriptionRegistration") ||
	    (ns = provider_named(r->doc)) == NULL)
		return AZURE_NOT_THIS;
	q->registered = true;
	rc = provider_register(q->az, ns, e);
	free(ns);
	return rc < 0 ? AZURE_FAILED : AZURE_AGAIN;
}
