/*
 * One request to Azure Resource Manager, sent once: where our token may go,
 * the header lines, what counts as an answer.
 */
#include <stdio.h>
#include <stdlib.h>

#include "azure/inner.h"
#include "base/clock.h"
#include "base/hash.h"

#define EXCHANGE_MS 120000 /* the gateway itself gives up after 60 s */
#define URL_MAX (16u << 10)
#define REQUEST_MAX (8u << 20)
#define ETAG_MAX 256 /* Azure's own have 40 */

bool azure_on_arm_host(const struct azure *az, const char *url, struct err *e)
{
	struct http_url u;
	struct str host, suffix;

	if (http_url_parse(str_of(url), &u, e) < 0)
		return false;
	host = str_of(u.host);
	suffix = str_of(az->arm_host);
	/* the ARM host itself or a region of it: "eastus.management..." */
	if (u.tls && u.port == az->arm_port && str_ends(host, suffix) &&
	    (host.n == suffix.n || host.p[host.n - suffix.n - 1] == '.'))
		return true;
	err_set(e, ERR_PROTO, "Azure named a URL on %s; our token only goes to %s",
		u.host, az->arm_host);
	return false;
}

/* RFC 9110 section 8.8.3: it goes into a header line as it came. */
static bool is_etag(struct str etag)
{
	return etag.n > 0 && etag.n < ETAG_MAX &&
	       str_visible(etag, ' ', ' ') == etag.n;
}

int azure_request_open(struct azure_request *q, const char *path, struct err *e)
{
	buf_init(&q->url, URL_MAX);
	buf_init(&q->text, REQUEST_MAX);
	q->began_ms = q->az->clock.now(q->az->clock.ctx);
	if (path[0] == '/')
		buf_adds(&q->url, q->az->arm);
	buf_adds(&q->url, path);
	if (buf_check(&q->url, "the URL", e) < 0 ||
	    !azure_on_arm_host(q->az, q->url.str, e))
		return -1;
	if (q->if_match != NULL && !is_etag(str_of(q->if_match)))
		return err_set(e, ERR_PROTO, "Azure gave an etag that is none");
	if (q->body == NULL)
		return 0;
	json_print(q->body, &q->text);
	return buf_check(&q->text, "the request", e);
}

void azure_request_close(struct azure_request *q)
{
	burn_str(q->policy_token);
	buf_burn(&q->text); /* customData and keys go through here */
	buf_release(&q->url);
}

/* Header lines, and what they are made of. */
struct lines {
	struct buf auth;
	char id[64], match[ETAG_MAX + 16];
	const char *fields[8];
};

static int lines_fill(struct lines *l, const struct azure_request *q,
		      struct err *e)
{
	const char *token;
	char guid[37];
	size_t n = 0;

	buf_init(&l->auth, ENTRA_TOKEN_MAX + 64);
	if (entra_token(q->az->entra, &token, e) < 0)
		return -1;
	buf_addf(&l->auth, "Authorization: Bearer %s", token);
	random_guid(guid);
	snprintf(l->id, sizeof(l->id), "x-ms-client-request-id: %s", guid);
	l->fields[n++] = l->auth.str;
	l->fields[n++] = "Accept: application/json";
	l->fields[n++] = l->id;
	if (q->body != NULL)
		l->fields[n++] = "Content-Type: application/json";
	if (q->if_match != NULL) {
		snprintf(l->match, sizeof(l->match), "If-Match: %s", q->if_match);
		l->fields[n++] = l->match;
	}
	if (q->flags & AZURE_NO_POLICY_TOKEN) /* the request that asks for one */
		l->fields[n++] = "x-ms-force-sync: true";
	else if (q->policy_token != NULL)
		l->fields[n++] = q->policy_token;
	l->fields[n] = NULL;
	return 0;
}

/* The body as a document, where it is not a list that was taken on the way. */
static int take_body(const struct azure_request *q, struct err *e)
{
	struct azure_reply *r = q->reply;
	struct str body = buf_str(&r->http.body);
	struct err ignored = ERR_INIT;

	if (body.n > 0)
		r->doc = json_parse(body, "answer", &ignored);
	/* the page of somebody who sits between, and no word from Azure */
	if (q->page == NULL && r->doc == NULL && body.n > 0 &&
	    r->http.head.status / 100 == 2)
		return err_set(e, ERR_PROTO, "HTTP %u and not JSON: %.*s",
			       r->http.head.status, STR_ARG(str_head(body, 80)));
	return 0;
}

int azure_send(struct azure_request *q, struct err *e)
{
	struct azure_reply *r = q->reply;
	struct lines lines;
	struct http_request h = {
		.method = q->method,
		.url = q->url.str,
		.fields = lines.fields,
		.body = q->body != NULL ? buf_str(&q->text) : STR_NULL,
		.idempotent = !(q->flags & AZURE_ONCE),
		.deadline_ms = now_ms() + EXCHANGE_MS,
	};
	int rc = -1;

	azure_reply_release(r);
	http_response_init(&r->http, ARM_ANSWER_MAX);
	if (q->page != NULL)
		azure_page_begin(q->page, r);
	q->requests_before = q->az->http.requests;
	if (lines_fill(&lines, q, e) == 0 &&
	    http_exchange(&q->az->http, &h, &r->http, e) == 0)
		rc = take_body(q, e);
	buf_burn(&lines.auth);
	return rc;
}
