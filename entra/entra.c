/*
 * Sign-in, the front: which credential gives the token, and where it is kept,
 * in memory and in a 0600 file, until five minutes before its end.  Knows
 * nothing of ARM but the scope it is given; the credentials are in entra/.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/time.h"
#include "entra/inner.h"
#include "http/retry.h"

#define CACHE_MAX (256u << 10)
#define CACHE_TOKENS_MAX 20
#define EXCHANGE_MS 60000
#define USER_AGENT "azswarm"
#define SIGN_IN_AGAIN "sign in again ('azswarm login', 'az login')"
#define TOKEN_LIFE_MAX (7 * 86400) /* longer is a lie or an overflow */

/* In the order in which they are asked. */
static const struct credential chain[] = {
	{ "EnvironmentCredential", false, true,
	  "AZURE_TENANT_ID AZURE_CLIENT_ID "
	  "AZURE_CLIENT_SECRET|AZURE_CLIENT_CERTIFICATE_PATH",
	  NULL, get_environment },
	{ "WorkloadIdentityCredential", false, true,
	  "AZURE_TENANT_ID AZURE_CLIENT_ID AZURE_FEDERATED_TOKEN_FILE", NULL,
	  get_workload },
	{ "OidcCredential", false, true,
	  "AZURE_TENANT_ID AZURE_CLIENT_ID "
	  "ARM_OIDC_TOKEN|ARM_OIDC_TOKEN_FILE_PATH|ACTIONS_ID_TOKEN_REQUEST_URL",
	  NULL, get_oidc },
	{ "ManagedIdentityCredential", false, false, "", "claims=", get_managed },
	{ "AzureCliCredential", true, false, "", "az login --claims-challenge ",
	  get_az },
	{ "LoginCredential", true, true, "", NULL, get_login },
};

void entra_use_login(struct entra *en)
{
	en->used = &chain[sizeof(chain) / sizeof(*chain) - 1];
}

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

const char *entra_var(const struct entra *en, const char *name)
{
	const char *v = en->o.var(en->o.ctx, name);

	return v != NULL ? v : "";
}

void entra_init(struct entra *en, const struct entra_options *o)
{
	*en = (struct entra){ .o = *o };
	en->o.authority = xstrdup(o->authority);
	en->o.scope = xstrdup(o->scope);
	en->o.cache_path = o->cache_path ? xstrdup(o->cache_path) : NULL;
	en->tenant = xstrdup(entra_var(en, "AZURE_TENANT_ID"));
	http_client_init(&en->http, o->dialer, USER_AGENT);
}

/* One of the strings of the options, which are copies of ours. */
static void free_copy(const char *s)
{
	free((void *)(uintptr_t)s);
}

void entra_release(struct entra *en)
{
	free_copy(en->o.authority);
	free_copy(en->o.scope);
	free_copy(en->o.cache_path);
	free(en->tenant);
	free(en->claims);
	free(en->subscription);
	burn_str(en->token);
	http_client_release(&en->http);
	*en = (struct entra){ 0 };
}

/* ---- the cache file ---- */

/* What a token is filed under. */
enum { KEYS = 5 };
static const char *const key_names[KEYS] = {
	"credential", "authority", "tenant", "client", "scope",
};

static void keys_of(const struct entra *en, const char *keys[KEYS])
{
	keys[0] = en->used->name;
	keys[1] = en->o.authority;
	keys[2] = en->tenant;
	keys[3] = entra_var(en, "AZURE_CLIENT_ID");
	keys[4] = en->o.scope;
}

static bool entry_is_ours(const struct entra *en, const cJSON *t)
{
	const char *keys[KEYS];

	keys_of(en, keys);
	for (int i = 0; i < KEYS; i++)
		if (strcmp(json_str_opt(t, key_names[i], ""), keys[i]) != 0)
			return false;
	return true;
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

	if (en->o.cache_path != NULL && file_exists(en->o.cache_path) &&
	    file_read(en->o.cache_path, &text, &ignored) == 0)
		doc = json_parse(buf_str(&text), "token cache", &ignored);
	buf_burn(&text);
	if (doc == NULL || !cJSON_IsArray(json_get(doc, "tokens"))) {
		json_burn(doc);
		doc = cJSON_CreateObject();
		json_add_arr(doc, "tokens");
	}
	return doc;
}

static bool cache_take(struct entra *en)
{
	cJSON *doc = cache_load(en);
	bool found = false;
	const cJSON *t;

	cJSON_ArrayForEach(t, json_get(doc, "tokens")) {
		const char *token = json_str_opt(t, "token", "");
		int64_t expires_on = json_int_opt(t, "expires_on", 0);

		if (entry_is_ours(en, t) && token_ok(token) &&
		    still_good(expires_on)) {
			burn_str(en->token);
			en->token = xstrdup(token);
			en->expires_on = expires_on;
			found = true;
		}
	}
	json_burn(doc);
	return found;
}

/* Write the cache with our entry replaced (or only removed, without a
 * token) and ended ones dropped.  A disk that refuses is not an error of the
 * command: the next one just asks again. */
static void cache_put(const struct entra *en)
{
	cJSON *doc, *tokens, *t, *next;
	struct buf text = BUF_INIT(CACHE_MAX);
	struct err ignored = ERR_INIT;
	const char *keys[KEYS];
	char *dir, *slash;

	if (en->o.cache_path == NULL || en->used == NULL || !en->used->cached)
		return;
	doc = cache_load(en);
	tokens = json_get_mut(doc, "tokens");
	for (t = tokens->child; t != NULL; t = next) {
		next = t->next;
		if (entry_is_ours(en, t) ||
		    !still_good(json_int_opt(t, "expires_on", 0)) ||
		    cJSON_GetArraySize(tokens) > CACHE_TOKENS_MAX)
			json_burn(cJSON_DetachItemViaPointer(tokens, t));
	}
	if (en->token != NULL) {
		t = cJSON_CreateObject();
		keys_of(en, keys);
		for (int i = 0; i < KEYS; i++)
			json_add_str(t, key_names[i], keys[i]);
		json_add_str(t, "token", en->token);
		json_add_int(t, "expires_on", en->expires_on);
		cJSON_AddItemToArray(tokens, t);
	}
	json_print(doc, &text);
	dir = xstrdup(en->o.cache_path);
	if ((slash = strrchr(dir, '/')) != NULL) {
		*slash = '\0';
		if (dir_make(dir, 0700, &ignored) == 0)
			file_write(en->o.cache_path, buf_str(&text), 0600,
				   &ignored);
	}
	free(dir);
	buf_burn(&text);
	json_burn(doc);
}

/* ---- asking ---- */

void form_add(struct buf *form, const char *name, const char *value)
{
	if (form->n > 0)
		buf_addc(form, '&');
	buf_adds(form, name);
	buf_addc(form, '=');
	buf_add_pct(form, str_of(value));
}

/* What to do about the refusals that people meet ("Microsoft Entra authentication and
 * authorization error codes", learn.microsoft.com). */
static const struct hint {
	unsigned code;
	const char *text;
} hints[] = {
	{ 7000215, "AZURE_CLIENT_SECRET has to be the secret's value, not its id" },
	{ 7000222, "make a new client secret: this one has expired" },
	{ 700016, "is AZURE_CLIENT_ID right, and AZURE_TENANT_ID its tenant?" },
	{ 90002, "is AZURE_TENANT_ID right, and is this its cloud?" },
	{ 700024, "set the clock of this machine" },
	{ 700027, "upload this certificate to the application, or a new one" },
	{ 70021,
	  "add a federated credential with this issuer and subject to the application" },
	{ 700213,
	  "add a federated credential with this issuer and subject to the application" },
	{ 65001, "an administrator has to consent to this application" },
	{ 70043, SIGN_IN_AGAIN },
	{ 700082, SIGN_IN_AGAIN },
	{ 50076, SIGN_IN_AGAIN ", with a second factor" },
	{ 50079, SIGN_IN_AGAIN ", to enrol a second factor" },
	{ 53003,
	  "a Conditional Access policy forbids it: ask the tenant's administrator" },
};

/* What Entra said: first line of error_description, the ids support asks
 * for, and what to do. */
int entra_refusal(const struct entra *en, unsigned status, const cJSON *doc,
		  struct err *e)
{
	struct str text = str_of(json_str_opt(doc, "error_description", "")),
		   line;
	const char *code = json_str_opt(doc, "error", ""), *what_to_do = NULL;
	uint64_t number = 0;
	ptrdiff_t at;

	if (!str_cut(&text, '\n', &line))
		line = text;
	/* what follows has members of its own */
	if (json_get(doc, "trace_id") != NULL &&
	    (at = str_find(line, STR("Trace ID: "))) >= 0)
		line = str_head(line, (size_t)at);
	line = str_trim(line);
	if (line.n > 400)
		line = str_head(line, 400);
	text = str_starts(line, STR("AADSTS")) ? str_skip(line, 6) : STR_NULL;
	if (str_dec(&text, UINT32_MAX, &number))
		for (size_t i = 0; i < sizeof(hints) / sizeof(*hints); i++)
			if (hints[i].code == number)
				what_to_do = hints[i].text;
	err_set(e, ERR_AUTH, "sign-in refused: %s%s%.*s%s%s%s%s%s%s%s",
		*code ? code : "HTTP status not 200", line.n ? ": " : "",
		STR_ARG(line), json_get(doc, "trace_id") ? " (trace " : "",
		json_str_opt(doc, "trace_id", ""),
		json_get(doc, "correlation_id") ? ", correlation " : "",
		json_str_opt(doc, "correlation_id", ""),
		json_get(doc, "trace_id") ? ")" : "", what_to_do ? "; " : "",
		what_to_do ? what_to_do : "");
	http_blame_clock(en->clock_ahead_s, e);
	return err_in(e, "HTTP %u from %s", status, en->o.authority);
}

/* A number, or a string of digits: managed identity endpoints quote theirs. */
static bool whole_number(const cJSON *v, int64_t max, int64_t *out)
{
	uint64_t n;

	if (cJSON_IsString(v) &&
	    str_num(str_of(v->valuestring), (uint64_t)max, &n))
		*out = (int64_t)n;
	else if (cJSON_IsNumber(v) && v->valuedouble >= 0 &&
		 v->valuedouble <= (double)max)
		*out = (int64_t)v->valuedouble;
	else
		return false;
	return true;
}

cJSON *entra_claims(const char *token)
{
	struct buf text = BUF_INIT(ENTRA_TOKEN_MAX);
	struct err ignored = ERR_INIT;
	struct str rest = str_of(token), part;
	cJSON *doc = NULL;

	if (str_cut(&rest, '.', &part) && str_cut(&rest, '.', &part) &&
	    buf_add_unbase64(&text, part, &ignored) == 0)
		doc = json_parse(buf_str(&text), "token", &ignored);
	buf_burn(&text);
	return doc;
}

int entra_take(struct entra *en, const cJSON *doc, const char *name, struct err *e)
{
	const char *token = json_str(doc, name, e);
	int64_t now = unix_time(), end;

	if (token == NULL)
		return err_in(e, "token answer");
	if (*token == '\0' || strlen(token) > ENTRA_TOKEN_MAX)
		return err_set(e, ERR_PROTO, "token answer: %s is %s", name,
			       *token ? "too long" : "empty");
	if (!token_ok(token))
		return err_set(e, ERR_PROTO,
			       "token answer: %s has a bad character", name);
	if (whole_number(json_get(doc, "expires_in"), TOKEN_LIFE_MAX, &end)) {
		end += now;
	} else if (!whole_number(json_get(doc, "expires_on"),
				 now + TOKEN_LIFE_MAX, &end)) {
		/* old App Service and az before 2.54 give a time of no zone */
		cJSON *claims = en->used->cached ? NULL : entra_claims(token);
		bool known = whole_number(json_get(claims, "exp"),
					  now + TOKEN_LIFE_MAX, &end);

		json_burn(claims);
		if (!known)
			return err_set(
				e, ERR_DATA,
				"token answer: no expires_in, or not a number");
	}
	burn_str(en->token);
	en->token = xstrdup(token);
	en->expires_on = end;
	return 0;
}

/* The page of somebody else's metadata service, which will never know that
 * path: no answer of Azure's to wait for. */
static bool of_another_cloud(const struct http_response *r)
{
	return r->head.status == 404 &&
	       str_starts(str_trim(buf_str(&r->body)), STR("<"));
}

/*
 * How long to wait before asking again, after so many attempts; -1: what came
 * of the last one stays.  r is NULL when that had no answer, why says why.
 */
static int64_t ask_again_ms(const struct http_client *c,
			    const struct http_response *r, bool imds,
			    unsigned attempts, const struct err *why)
{
	enum http_retry row = !imds ? RETRY_SIGN_IN :
			      r != NULL && r->head.status == 410 ?
				      RETRY_IMDS_UPGRADE :
				      RETRY_IMDS;

	/* nobody at home is no reason to knock again */
	if (imds && (r == NULL ? c->connections == 0 : of_another_cloud(r)))
		return -1;
	return http_retry_ms(row, attempts, r != NULL ? &r->head : NULL, why);
}

/* Ask until the answer is one to keep.  -1: there was none, e says why. */
static int fetch(struct http_client *c, struct http_request *q, bool imds,
		 struct http_response *r, struct err *e)
{
	for (unsigned attempts = 1;; attempts++) {
		int64_t wait_ms;
		bool answered;

		err_clear(e);
		http_response_release(r);
		http_response_init(r, ENTRA_ANSWER_MAX);
		q->deadline_ms = now_ms() + EXCHANGE_MS;
		answered = http_exchange(c, q, r, e) == 0;
		wait_ms = ask_again_ms(c, answered ? r : NULL, imds, attempts, e);
		if (wait_ms < 0)
			return answered ? 0 : -1;
		err_clear(e);
		if (sleep_until(now_ms() + wait_ms, e) < 0)
			return -1;
	}
}

int entra_fetch(struct entra *en, struct http_client *c, struct http_request *q,
		bool imds, cJSON **doc, struct buf *challenge, struct err *e)
{
	struct err once = ERR_INIT;
	struct http_response r;
	int rc = -1;

	*doc = NULL;
	http_response_init(&r, ENTRA_ANSWER_MAX);
	q->idempotent = true;
	if (fetch(c, q, imds, &r, &once) < 0) {
		if (e->kind == ERR_NONE)
			*e = once;
		goto out;
	}
	en->clock_ahead_s = http_clock_ahead(&r.head);
	if (challenge != NULL)
		buf_addstr(challenge, http_field(&r.head, "www-authenticate"));
	/* a page of HTML is no reason to hide the status */
	*doc = json_parse(buf_str(&r.body), "sign-in answer",
			  r.head.status == 200 ? e : &once);
	if (*doc != NULL || r.head.status != 200)
		rc = (int)r.head.status;
out:
	http_response_release(&r);
	return rc;
}

void entra_url(const struct entra *en, const char *endpoint, struct buf *url)
{
	buf_adds(url, en->o.authority);
	if (!en->o.adfs) {
		buf_addc(url, '/');
		buf_add_pct(url, str_of(en->tenant));
	}
	buf_addf(url, "/oauth2/%s%s", en->o.adfs ? "" : "v2.0/", endpoint);
}

char *entra_resource(const struct entra *en)
{
	struct str scope = str_of(en->o.scope);
	const struct str end = STR("/.default");

	return str_dup(str_ends(scope, end) ? str_head(scope, scope.n - end.n) :
					      scope);
}

int entra_post(struct entra *en, const char *endpoint, const struct buf *form,
	       cJSON **doc, struct err *e)
{
	static const char *const fields[] = {
		"Content-Type: application/x-www-form-urlencoded",
		"Accept: application/json", NULL
	};
	struct buf url = BUF_INIT(4096);
	struct http_request q = { .method = "POST",
				  .fields = fields,
				  .body = buf_str(form) };
	int rc = -1;

	*doc = NULL;
	entra_url(en, endpoint, &url);
	q.url = url.str;
	if (buf_check(form, "the sign-in form", e) == 0 &&
	    buf_check(&url, "the sign-in URL", e) == 0)
		rc = entra_fetch(en, &en->http, &q, false, doc, NULL, e);
	buf_release(&url);
	return rc;
}

int entra_ask(struct entra *en, struct buf *form, struct err *e)
{
	cJSON *doc = NULL;
	int status, rc = -1;

	form_add(form, "client_id", entra_var(en, "AZURE_CLIENT_ID"));
	if (en->o.adfs) { /* which speaks of resources */
		char *resource = entra_resource(en);

		form_add(form, "resource", resource);
		free(resource);
	} else {
		form_add(form, "scope", en->o.scope);
	}
	if (en->claims != NULL)
		form_add(form, "claims", en->claims);
	if ((status = entra_post(en, "token", form, &doc, e)) == 200)
		rc = entra_take(en, doc, "access_token", e);
	else if (status > 0)
		entra_refusal(en, (unsigned)status, doc, e);
	json_burn(doc);
	buf_burn(form);
	return rc;
}

/* ---- the chain ---- */

/* Whether all it needs is there; what is not goes to e. */
static int needs_met(const struct entra *en, const struct credential *c,
		     struct err *e)
{
	struct str needs = str_of(c->needs), group, name;
	struct buf lacks = BUF_INIT(sizeof(e->msg));
	int rc = 0;

	while (str_next(&needs, ' ', &group)) {
		struct str all = group;
		bool met = all.n == 0; /* needs nothing */

		while (str_next(&group, '|', &name)) {
			char *z = str_dup(name);

			met |= *entra_var(en, z) != '\0';
			free(z);
		}
		if (!met)
			buf_addf(&lacks, "%s%.*s", lacks.n ? ", " : "",
				 STR_ARG(all));
	}
	if (lacks.n > 0)
		rc = err_set(e, ERR_AUTH, "%s not set", lacks.str);
	buf_release(&lacks);
	return rc;
}

/* Whether AZURE_TOKEN_CREDENTIALS leaves this one in the chain. */
static bool wanted(const struct entra *en, const struct credential *c)
{
	struct str which =
		str_trim(str_of(entra_var(en, "AZURE_TOKEN_CREDENTIALS")));

	return which.n == 0 || str_ieqz(which, c->name) ||
	       str_ieqz(which, c->dev ? "dev" : "prod");
}

bool entra_configured(const struct entra *en)
{
	struct err ignored = ERR_INIT;

	for (size_t i = 0; i < sizeof(chain) / sizeof(*chain); i++)
		if (*chain[i].needs != '\0' && wanted(en, &chain[i]) &&
		    needs_met(en, &chain[i], &ignored) == 0)
			return true;
	return false;
}

bool entra_by_secret(const struct entra_options *o)
{
	const struct entra en = { .o = *o };
	struct err ignored = ERR_INIT;

	return wanted(&en, &chain[0]) &&
	       needs_met(&en, &chain[0], &ignored) == 0 &&
	       *entra_var(&en, "AZURE_CLIENT_SECRET") != '\0';
}

/* Try the chain, or only the credential that gave the last token: who we are does not
 * change in the middle of a command. */
static int ask_chain(struct entra *en, struct err *e)
{
	struct buf tried = BUF_INIT(sizeof(e->msg));

	for (size_t i = 0; i < sizeof(chain) / sizeof(*chain); i++) {
		struct err once = ERR_INIT;
		const struct credential *c = &chain[i], *before = en->used;
		int rc = ENTRA_PASS;

		if (before != NULL ? c != before : !wanted(en, c))
			continue;
		en->used = c;
		if (needs_met(en, c, &once) == 0) {
			if (c->cached && en->claims == NULL && cache_take(en))
				rc = 0;
			else if ((rc = c->get(en, &once)) == 0)
				cache_put(en);
		}
		if (rc == 0) {
			buf_release(&tried);
			return 0;
		}
		en->used = before;
		if (rc < 0) {
			buf_release(&tried);
			*e = e->kind == ERR_NONE ? once : *e;
			return err_in(e, "sign-in (%s)", c->name);
		}
		buf_addf(&tried, "\n  %s: %s", c->name, once.msg);
	}
	if (tried.n == 0)
		err_set(e, ERR_USAGE,
			"AZURE_TOKEN_CREDENTIALS=\"%s\": expected prod, dev or a "
			"credential of 'azswarm help sign-in'",
			entra_var(en, "AZURE_TOKEN_CREDENTIALS"));
	else if (e->kind == ERR_NONE) {
		err_set(e, ERR_AUTH,
			"not signed in: 'azswarm login', or see "
			"'azswarm help sign-in'; tried:");
		/* a line each, which err_set() would not let through; all of it is clean */
		snprintf(strchr(e->msg, '\0'), sizeof(e->msg) - strlen(e->msg),
			 "%s", tried.str);
	}
	buf_release(&tried);
	return -1;
}

int entra_token(struct entra *en, const char **token, struct err *e)
{
	if ((en->token == NULL || !still_good(en->expires_on)) &&
	    ask_chain(en, e) < 0)
		return -1;
	free(en->claims);
	en->claims = NULL;
	if (en->subscription == NULL && en->used != NULL &&
	    en->used->get == get_login)
		en->subscription = entra_login_subscription(en);
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

int entra_challenge(struct entra *en, const char *claims, struct err *e)
{
	const char *what_to_do = en->used ? en->used->challenge : NULL;
	struct buf b64 = BUF_INIT(ENTRA_ANSWER_MAX);

	entra_forget(en);
	if (what_to_do == NULL) {
		free(en->claims);
		en->claims = xstrdup(claims);
		return 0;
	}
	buf_add_base64(&b64, claims, strlen(claims));
	err_set(e, ERR_AUTH, "Azure wants a stronger sign-in than %s has: %s%s",
		en->used->name, what_to_do, b64.str);
	buf_release(&b64);
	return -1;
}

int entra_who(struct entra *en, struct entra_who *who, struct err *e)
{
	static const char *const names[] = { "upn", "unique_name",
					     "app_displayname", "appid" };
	const char *token, *name = "";
	cJSON *doc;

	if (entra_token(en, &token, e) < 0)
		return -1;
	doc = entra_claims(token);
	*who = (struct entra_who){ .credential = en->used->name,
				   .expires_on = en->expires_on };
	for (size_t i = 0; i < sizeof(names) / sizeof(*names) && *name == '\0';
	     i++)
		name = json_str_opt(doc, names[i], "");
	snprintf(who->name, sizeof(who->name), "%s", name);
	snprintf(who->tenant, sizeof(who->tenant), "%s",
		 json_str_opt(doc, "tid", ""));
	snprintf(who->object_id, sizeof(who->object_id), "%s",
		 json_str_opt(doc, "oid", ""));
	who->user = strcmp(json_str_opt(doc, "idtyp", ""), "user") == 0;
	json_burn(doc);
	return 0;
}
