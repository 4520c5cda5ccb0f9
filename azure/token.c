/*
 * Refused for who we are, or for what a policy wants to know first: which
 * other token the request is sent again with.
 */
#include <stdlib.h>
#include <string.h>

#include "azure/inner.h"

#define CLAIMS_MAX 8192
#define API_POLICY_TOKEN "2025-11-01"

/* ---- claims ---- */

/* The value of a parameter in a list of challenges (RFC 9110 section 11.6.1),
 * without its quotes; empty when there is none. */
static struct str challenge_param(struct str s, const char *name)
{
	struct str word, value;
	bool quoted;
	size_t n;

	while ((s = str_trim(s)).n > 0) {
		for (n = 0; n < s.n && strchr(" \t,=\"", s.p[n]) == NULL; n++)
			;
		word = str_head(s, n);
		s = str_trim(str_skip(s, n));
		if (s.n == 0 || *s.p != '=') {
			s = str_skip(s, n == 0); /* a comma, or a scheme */
			continue;
		}
		s = str_trim(str_skip(s, 1));
		quoted = str_starts(s, STR("\""));
		s = str_skip(s, quoted);
		for (n = 0; n < s.n && (quoted ? s.p[n] != '"' :
						 strchr(" \t,", s.p[n]) == NULL);
		     n++)
			if (quoted && s.p[n] == '\\')
				n++;
		value = str_head(s, n);
		s = str_skip(s, n + quoted);
		if (str_ieqz(word, name))
			return value;
	}
	return STR_NULL;
}

char *azure_claims(const struct http_head *h)
{
	struct buf json = BUF_INIT(CLAIMS_MAX);
	struct err ignored = ERR_INIT;
	cJSON *doc = NULL;
	struct str v;

	for (size_t i = 0; i < h->n_fields && doc == NULL; i++) {
		if (!str_ieqz(h->fields[i].name, "www-authenticate"))
			continue;
		v = challenge_param(h->fields[i].value, "claims");
		buf_reset(&json);
		if (v.n > 0 && buf_add_unbase64(&json, v, &ignored) == 0 &&
		    !json.over)
			doc = json_parse(buf_str(&json), "claims", &ignored);
	}
	if (!cJSON_IsObject(doc))
		buf_reset(&json);
	json_free(doc);
	return json.n > 0 ? buf_detach(&json) : (buf_release(&json), NULL);
}

/* ---- tenants ---- */

struct str azure_tenant(const struct http_head *h)
{
	struct err ignored = ERR_INIT;
	struct http_url u;
	struct str v;
	size_t n;

	for (size_t i = 0; i < h->n_fields; i++) {
		if (!str_ieqz(h->fields[i].name, "www-authenticate"))
			continue;
		v = challenge_param(h->fields[i].value, "authorization_uri");
		if (http_url_parse(v, &u, &ignored) < 0)
			continue;
		v = str_skip(u.path, 1);
		for (n = 0; n < v.n &&
			    (is_alnum(v.p[n]) || v.p[n] == '-' || v.p[n] == '.');
		     n++)
			;
		if (n > 0 && (n == v.n || v.p[n] == '/'))
			return str_head(v, n);
	}
	return STR_NULL;
}

/* ---- another token ---- */

/* Ways to another token; each is tried once. */
enum { ANOTHER = 1, WITH_CLAIMS = 2 };

enum azure_next azure_renew_token(struct azure_request *q, struct err *e)
{
	const struct azure_reply *r = q->reply;
	unsigned status = r->http.head.status, way;
	enum azure_next next = AZURE_AGAIN;
	struct str code;
	char *claims;

	if (status != 401 && status != 403)
		return AZURE_NOT_THIS;
	claims = azure_claims(&r->http.head);
	way = claims != NULL ? WITH_CLAIMS : ANOTHER;
	/* a 403 without claims is about the role, not about the token */
	if ((way == ANOTHER && status == 403) || (q->renewed & way)) {
		next = AZURE_NOT_THIS;
	} else if (way == ANOTHER) {
		entra_forget(q->az->entra);
	} else if (entra_challenge(q->az->entra, claims, e) < 0) {
		code = azure_error_code(r->doc);
		if (code.n == 0)
			code = STR("HTTP 401");
		err_in(e, "%.*s", STR_ARG(code));
		next = AZURE_FAILED;
	}
	q->renewed |= way;
	free(claims);
	return next;
}

/* ---- policies ---- */

/* A policy that asks somebody outside lets through only who brings proof that
 * this somebody was asked about this very request. */
static bool wants_policy_token(const struct azure_request *q)
{
	const struct azure_reply *r = q->reply;

	return r->http.head.status == 403 && q->policy_token == NULL &&
	       !(q->flags & AZURE_NO_POLICY_TOKEN) &&
	       strcmp(q->method, "GET") != 0 &&
	       str_ieqz(azure_error_code(r->doc), "RequestDisallowedByPolicy") &&
	       str_find(buf_str(&r->http.body),
			STR("\"missingPolicyTokenDetails\"")) >= 0;
}

/* Without such a token, what was refused stays refused. */
enum azure_next azure_ask_policy(struct azure_request *q, struct err *e)
{
	struct azure_reply r;
	struct err ignored = ERR_INIT;
	const char *token;
	cJSON *doc, *op;
	char *path;

	(void)e;
	if (!wants_policy_token(q))
		return AZURE_NOT_THIS;
	path = azure_path(q->az,
			  "/providers/Microsoft.Authorization/acquirePolicyToken"
			  "?api-version=" API_POLICY_TOKEN);
	doc = cJSON_CreateObject();
	op = json_add_obj(doc, "operation");
	json_add_str(op, "uri", q->url.str);
	json_add_str(op, "httpMethod", q->method);
	if (q->body != NULL)
		json_set(op, "content", cJSON_Duplicate(q->body, true));
	if (azure_call(q->az, "POST", path, doc,
		       AZURE_NO_REGISTERING | AZURE_NO_POLICY_TOKEN, &r,
		       &ignored) == 0 &&
	    *(token = json_str_opt(r.doc, "token", "")) != '\0')
		q->policy_token =
			xasprintf("x-ms-policy-external-evaluations: %s", token);
	azure_reply_burn(&r);
	json_burn(doc);
	free(path);
	return q->policy_token != NULL ? AZURE_AGAIN : AZURE_NOT_THIS;
}
