/*
 * Sign-in: asks Entra ID for access tokens and keeps them, in memory and in
 * a 0600 file, until five minutes before they end.  Knows nothing of ARM but
 * the scope it is given.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/json.h"
#include "base/time.h"
#include "entra.h"

#define ANSWER_MAX (64u << 10)
#define CACHE_MAX (256u << 10)
#define CACHE_TOKENS_MAX 20
#define EXCHANGE_MS 60000
#define TRIES 4				/* one and three more */
#define RETRY_AFTER_MAX_S 60
#define USER_AGENT "azswarm"
#define TOKEN_LIFE_MAX (7 * 86400)	/* longer is a lie or an overflow */

char *entra_cache_path(void)
{
	const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");

	if (xdg != NULL && xdg[0] == '/')
		return xasprintf("%s/azswarm/tokens.json", xdg);
	/* a home that is not there, as daemons have, is not for us to make */
	if (home != NULL && home[0] == '/' && file_exists(home))
		return xasprintf("%s/.cache/azswarm/tokens.json", home);
	return NULL;
}

void entra_init(struct entra *en, const char *authority, const char *tenant,
		const char *client_id, const char *client_secret, const char *scope,
		const char *cache_path, struct http_dialer dialer)
{
	*en = (struct entra){
		.authority = xstrdup(authority),
		.tenant = xstrdup(tenant),
		.client_id = xstrdup(client_id),
		.client_secret = xstrdup(client_secret),
		.scope = xstrdup(scope),
		.cache_path = cache_path ? xstrdup(cache_path) : NULL,
	};
	http_client_init(&en->http, dialer, USER_AGENT);
}

void entra_release(struct entra *en)
{
	free(en->authority);
	free(en->tenant);
	free(en->client_id);
	burn_str(en->client_secret);
	free(en->scope);
	free(en->cache_path);
	burn_str(en->token);
	http_client_release(&en->http);
	*en = (struct entra){ 0 };
}

/* ---- the cache file ---- */

static bool entry_is_ours(const struct entra *en, const cJSON *t)
{
	return strcmp(json_str_opt(t, "authority", ""), en->authority) == 0 &&
	       strcmp(json_str_opt(t, "tenant", ""), en->tenant) == 0 &&
	       strcmp(json_str_opt(t, "client", ""), en->client_id) == 0 &&
	       strcmp(json_str_opt(t, "scope", ""), en->scope) == 0;
}

static bool still_good(int64_t expires_on)
{
	int64_t now = unix_time();

	return expires_on > now + ENTRA_MARGIN_S &&
	       expires_on < now + TOKEN_LIFE_MAX;
}

/* Can become part of a header line. */
static bool token_ok(const char *token)
{
	for (const char *p = token; *p; p++)
		if (*p <= ' ' || *p >= 0x7f)
			return false;
	return *token != '\0' && strlen(token) <= ENTRA_TOKEN_MAX;
}

/* The document of the cache, or an empty one: a cache that cannot be read or
 * is not ours to read costs a request, never a failure. */
static cJSON *cache_load(const struct entra *en)
{
	struct buf text = BUF_INIT(CACHE_MAX);
	struct err ignored = ERR_INIT;
	cJSON *doc = NULL;

	if (en->cache_path != NULL && file_exists(en->cache_path) &&
	    file_read(en->cache_path, &text, &ignored) == 0)
		doc = json_parse(buf_str(&text), "token cache", &ignored);
	buf_burn(&text);
	if (doc == NULL || !cJSON_IsArray(json_get(doc, "tokens"))) {
		json_burn(doc);
		doc = cJSON_CreateObject();
		json_add_arr(doc, "tokens");
	}
	return doc;
}

static void cache_take(struct entra *en)
{
	cJSON *doc = cache_load(en);
	const cJSON *t;

	cJSON_ArrayForEach(t, json_get(doc, "tokens")) {
		const char *token = json_str_opt(t, "token", "");
		int64_t expires_on = json_int_opt(t, "expires_on", 0);

		if (entry_is_ours(en, t) && token_ok(token) && still_good(expires_on)) {
			burn_str(en->token);
			en->token = xstrdup(token);
			en->expires_on = expires_on;
		}
	}
	json_burn(doc);
}

/* Write the cache with our entry replaced (or only removed, without a
 * token) and ended ones dropped.  A disk that refuses is not an error of the
 * command: the next one just asks again. */
static void cache_put(const struct entra *en)
{
	cJSON *doc, *tokens, *t, *next;
	struct buf text = BUF_INIT(CACHE_MAX);
	struct err ignored = ERR_INIT;
	char *dir, *slash;

	if (en->cache_path == NULL)
		return;
	doc = cache_load(en);
	tokens = json_get_mut(doc, "tokens");
	for (t = tokens->child; t != NULL; t = next) {
		next = t->next;
		if (entry_is_ours(en, t) || !still_good(json_int_opt(t, "expires_on", 0)) ||
		    cJSON_GetArraySize(tokens) > CACHE_TOKENS_MAX)
			json_burn(cJSON_DetachItemViaPointer(tokens, t));
	}
	if (en->token != NULL) {
		t = cJSON_CreateObject();
		json_add_str(t, "authority", en->authority);
		json_add_str(t, "tenant", en->tenant);
		json_add_str(t, "client", en->client_id);
		json_add_str(t, "scope", en->scope);
		json_add_str(t, "token", en->token);
		json_add_int(t, "expires_on", en->expires_on);
		cJSON_AddItemToArray(tokens, t);
	}
	json_print(doc, &text);
	dir = xstrdup(en->cache_path);
	if ((slash = strrchr(dir, '/')) != NULL) {
		*slash = '\0';
		if (dir_make(dir, 0700, &ignored) == 0)
			file_write(en->cache_path, buf_str(&text), 0600, &ignored);
	}
	free(dir);
	buf_burn(&text);
	json_burn(doc);
}

/* ---- asking ---- */

static void form_add(struct buf *form, const char *name, const char *value)
{
	if (form->n > 0)
		buf_addc(form, '&');
	buf_adds(form, name);
	buf_addc(form, '=');
	buf_add_pct(form, str_of(value));
}

/* What Entra said: first line of error_description, and the ids support asks
 * for. */
static int refusal(const struct entra *en, unsigned status, const cJSON *doc, struct err *e)
{
	struct str text = str_of(json_str_opt(doc, "error_description", "")), line;
	const char *code = json_str_opt(doc, "error", "");
	int64_t skew = en->server_skew_s;

	if (!str_cut(&text, '\n', &line))
		line = text;
	line = str_trim(line);
	if (line.n > 600)
		line = str_head(line, 600);
	err_set(e, ERR_AUTH, "sign-in refused: %s%s%.*s%s%s%s%s%s",
		*code ? code : "HTTP status not 200", line.n ? ": " : "", STR_ARG(line),
		json_get(doc, "trace_id") ? " (trace " : "",
		json_str_opt(doc, "trace_id", ""),
		json_get(doc, "correlation_id") ? ", correlation " : "",
		json_str_opt(doc, "correlation_id", ""),
		json_get(doc, "trace_id") ? ")" : "");
	if (skew > ENTRA_MARGIN_S || skew < -ENTRA_MARGIN_S)
		err_in(e, "the clock of this machine is %lld s %s", (long long)(skew < 0 ? -skew : skew),
		       skew > 0 ? "behind" : "ahead");
	return err_in(e, "HTTP %u from %s", status, en->authority);
}

static int token_take(struct entra *en, const cJSON *doc, struct err *e)
{
	const char *token = json_str(doc, "access_token", e);
	int64_t expires_in;

	if (token == NULL)
		return err_in(e, "token answer");
	if (*token == '\0' || strlen(token) > ENTRA_TOKEN_MAX)
		return err_set(e, ERR_PROTO, "token answer: access_token is %s",
			       *token ? "too long" : "empty");
	if (!token_ok(token))
		return err_set(e, ERR_PROTO, "token answer: access_token has a bad character");
	if (json_int(doc, "expires_in", 0, TOKEN_LIFE_MAX, &expires_in, e) < 0)
		return err_in(e, "token answer");
	burn_str(en->token);
	en->token = xstrdup(token);
	en->expires_on = unix_time() + expires_in;
	return 0;
}

static bool worth_asking_again(unsigned status)
{
	return status == 408 || status == 429 || (status >= 500 && status <= 504 && status != 501);
}

static int64_t retry_after_ms(const struct http_head *h, unsigned attempt)
{
	struct str v = http_field(h, "retry-after");
	uint64_t s;

	if (str_num(v, UINT64_MAX, &s))
		return (int64_t)(s < RETRY_AFTER_MAX_S ? s : RETRY_AFTER_MAX_S) * 1000;
	return (int64_t)1000 << attempt;
}

static int ask(struct entra *en, struct err *e)
{
	static const char *const fields[] = {
		"Content-Type: application/x-www-form-urlencoded",
		"Accept: application/json", NULL
	};
	struct buf form = BUF_INIT(ANSWER_MAX), url = BUF_INIT(4096);
	struct http_response r;
	struct http_request q = {
		.method = "POST", .fields = fields, .idempotent = true,
	};
	cJSON *doc = NULL;
	int64_t date;
	int rc = -1;

	http_response_init(&r, ANSWER_MAX);
	buf_adds(&url, en->authority);
	buf_addc(&url, '/');
	buf_add_pct(&url, str_of(en->tenant));
	buf_adds(&url, "/oauth2/v2.0/token");
	form_add(&form, "grant_type", "client_credentials");
	form_add(&form, "client_id", en->client_id);
	form_add(&form, "client_secret", en->client_secret);
	form_add(&form, "scope", en->scope);
	if (buf_check(&form, "the sign-in form", e) < 0 || buf_check(&url, "the sign-in URL", e) < 0)
		goto out;
	q.url = url.str;
	q.body = buf_str(&form);

	for (unsigned attempt = 0; ; attempt++) {
		struct err once = ERR_INIT;
		int sent;

		http_response_release(&r);
		http_response_init(&r, ANSWER_MAX);
		q.deadline_ms = now_ms() + EXCHANGE_MS;
		sent = http_exchange(&en->http, &q, &r, &once);
		if (sent == 0 && !worth_asking_again(r.head.status))
			break;
		if (sent < 0 && (attempt + 1 == TRIES ||
				 (once.kind != ERR_NET && once.kind != ERR_PROTO))) {
			*e = e->kind == ERR_NONE ? once : *e;
			goto out;
		}
		if (attempt + 1 == TRIES)
			break;
		if (sleep_until(now_ms() + (sent < 0 ? (int64_t)500 << attempt :
					    retry_after_ms(&r.head, attempt)), e) < 0)
			goto out;
	}
	if (time_parse_http(http_field(&r.head, "date"), &date))
		en->server_skew_s = date - unix_time();
	doc = json_parse(buf_str(&r.body), "sign-in answer", e);
	if (r.head.status != 200) {
		err_clear(e);		/* a page of HTML is no reason to hide the status */
		refusal(en, r.head.status, doc, e);
		goto out;
	}
	if (doc == NULL || token_take(en, doc, e) < 0)
		goto out;
	rc = 0;
out:
	if (rc < 0)
		err_in(e, "sign-in");
	json_burn(doc);
	buf_burn(&r.body);
	http_response_release(&r);
	buf_burn(&form);
	buf_release(&url);
	return rc;
}

int entra_token(struct entra *en, const char **token, struct err *e)
{
	if (en->token == NULL)
		cache_take(en);
	if (en->token == NULL || !still_good(en->expires_on)) {
		if (ask(en, e) < 0)
			return -1;
		cache_put(en);
	}
	*token = en->token;
	return 0;
}

void entra_forget(struct entra *en)
{
	burn_str(en->token);
	en->token = NULL;
	en->expires_on = 0;
	cache_put(en);
}
