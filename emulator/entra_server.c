/*
 * Entra ID: tokens for a service principal (secret, certificate, federation),
 * for its one user (browser, device code, refresh), for a machine, and the
 * check of a bearer token.  A token looks like Entra's (a JWT) and is signed
 * with a key of our own, so that nothing has to be remembered for it to be
 * checked; what waits for the user's consent is remembered in memory.
 *
 * The application's certificate is DIR/client.pem, if there is one.  Of a
 * federated assertion the signature is not checked: its issuer is nobody we
 * know.  With real machines, what asks for no secret is for the user who
 * started it only (caller.h).  A rule {"mfa": true} in the faults file wants a
 * second factor of the user for writes, {"device_s": N} ends device codes after
 * N seconds.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/time.h"
#include "emulator/caller.h"
#include "emulator/entra_server.h"
#include "emulator/fault.h"
#include "emulator/faults.h"
#include "emulator/inner.h"
#include "emulator/request.h"
#include "http.h"
#include "tls/tls.h"

#define TOKEN_S 3599
#define REFRESH_S (90 * 86400)
#define CODE_S 600
#define DEVICE_S 900
#define SKEW_S 300
#define FIELD_MAX (16u << 10)
#define GRANTS_MAX 1000
#define TOKENS_MAX 32
#define USER_NAME "Local User"
#define USER_UPN "user@local.example"
/* A public client of every tenant. */
#define AZURE_CLI "04b07795-8ddb-461a-bbee-02f9e1bf7b46"
#define JWT_BEARER "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

/* Where machines are real. */
#define STRANGER \
	"The machines are real: without the secret in DIR/env this is for " \
	"the user who started the local Azure only."

static __attribute__((format(printf, 5, 6), cold)) void
refuse(struct request *r, unsigned status, const char *error, int code,
       const char *fmt, ...)
{
	char trace[37], corr[37], now[32];
	struct buf b = BUF_INIT(2048);
	va_list ap;

	random_guid(trace);
	random_guid(corr);
	time_iso(unix_time(), now);
	now[10] = ' ';
	buf_addf(&b, "AADSTS%d: ", code);
	va_start(ap, fmt);
	buf_vaddf(&b, fmt, ap);
	va_end(ap);
	request_answer(r, status,
		       json_fmt("@token-error", error, b.str, trace, corr, now,
				code, now, trace, corr, r->m->base, code));
	buf_release(&b);
}

/* The client that asks is not an application of the tenant. */
static void refuse_client(struct request *r, const char *id)
{
	refuse(r, 400, "unauthorized_client", 700016,
	       "Application with identifier '%.100s' was not "
	       "found in the directory 'Local Azure'.",
	       id != NULL ? id : "");
}

/* A code or a refresh token that we did not give out, or not to this client. */
static void refuse_grant(struct request *r)
{
	refuse(r, 400, "invalid_grant", 70000,
	       "Provided grant is invalid or malformed.");
}

static void refuse_missing(struct request *r, const char *parameter)
{
	refuse(r, 400, "invalid_request", 900144,
	       "The request body must contain the following "
	       "parameter: '%s'.",
	       parameter);
}

static void sign(struct emu *m, struct str text, struct buf *out)
{
	uint8_t mac[SHA256_LEN];

	hmac_sha256(m->token_key, sizeof(m->token_key), text.p, text.n, mac);
	buf_add_base64url(out, mac, sizeof(mac));
}

/* kind: what it is good for, "access", "refresh" or "id".  Takes claims. */
static void jwt_make(struct emu *m, const char *kind, cJSON *claims,
		     struct buf *out)
{
	struct buf text = BUF_INIT(8192), mac = BUF_INIT(64);

	buf_addf(&text, "{\"typ\":\"JWT\",\"alg\":\"HS256\",\"kid\":\"%s\"}",
		 kind);
	buf_add_base64url(out, text.str, text.n);
	buf_reset(&text);
	json_print(claims, &text);
	buf_addc(out, '.');
	buf_add_base64url(out, text.str, text.n);
	sign(m, buf_str(out), &mac);
	buf_addc(out, '.');
	buf_addstr(out, buf_str(&mac));
	json_free(claims);
	buf_release(&mac);
	buf_release(&text);
}

/* One part of a JWT; NULL when it is no JSON. */
static cJSON *jwt_part(struct str *jwt)
{
	struct buf json = BUF_INIT(FIELD_MAX);
	struct err e = ERR_INIT;
	cJSON *doc = NULL;
	struct str word;

	if (str_cut(jwt, '.', &word) && buf_add_unbase64(&json, word, &e) == 0)
		doc = json_parse(buf_str(&json), "token", &e);
	buf_release(&json);
	return doc;
}

/* The claims of a token we made; NULL when we did not, or not as one of that kind. */
static cJSON *jwt_open(struct emu *m, const char *kind, struct str text)
{
	struct buf mac = BUF_INIT(64);
	ptrdiff_t dot = str_rchr(text, '.');
	struct str rest = text;
	cJSON *head = NULL, *doc = NULL;

	sign(m, str_head(text, dot < 0 ? 0 : (size_t)dot), &mac);
	if (dot >= 0 && str_eq(buf_str(&mac), str_skip(text, (size_t)dot + 1)) &&
	    (head = jwt_part(&rest)) != NULL && json_is(head, "kid", kind))
		doc = jwt_part(&rest);
	json_free(head);
	buf_release(&mac);
	return doc;
}

/* The claims of an access token, m's; one that was good is so again. */
static const cJSON *access_open(struct emu *m, struct str text)
{
	cJSON *t, *doc;

	cJSON_ArrayForEach(t, m->tokens) {
		struct str have = str_of(json_text(t, "text"));

		if (have.n == text.n && same_bytes(have.p, text.p, text.n))
			return json_get(t, "claims");
	}
	if ((doc = jwt_open(m, "access", text)) == NULL)
		return NULL;
	if (m->tokens == NULL)
		m->tokens = cJSON_CreateArray();
	if (cJSON_GetArraySize(m->tokens) >= TOKENS_MAX)
		json_burn(cJSON_DetachItemFromArray(m->tokens, 0));
	t = cJSON_CreateObject();
	json_add_strn(t, "text", text);
	json_set(t, "claims", doc);
	cJSON_AddItemToArray(m->tokens, t);
	return doc;
}

/* The one person of the tenant. */
static void user_id(struct emu *m, char out[37])
{
	struct buf hex = BUF_INIT(64);
	uint8_t mac[SHA256_LEN];

	hmac_sha256(m->token_key, sizeof(m->token_key), "user", 4, mac);
	buf_add_hex(&hex, mac, 16);
	snprintf(out, 37, "%.8s-%.4s-4%.3s-8%.3s-%.12s", hex.str, hex.str + 8,
		 hex.str + 13, hex.str + 17, hex.str + 20);
	buf_release(&hex);
}

/* What a token is for.  user false: the application itself. */
struct subject {
	const char *client;
	bool user;
	bool strong; /* showed a second factor */
	bool acrs;   /* which the token was asked to say */
};

static void make_token(struct emu *m, const char *audience,
		       const struct subject *s, struct buf *out)
{
	int64_t now = unix_time();
	char user[37];
	cJSON *doc;

	user_id(m, user);
	doc = json_fmt("@claims", audience, m->base, m->tenant, now, now - 300,
		       now + TOKEN_S + 1, s->client, s->user ? "0" : "1",
		       m->base, m->tenant, s->user ? "user" : "app",
		       s->user ? user : m->object, s->user ? user : m->object,
		       m->tenant);
	if (s->user)
		json_defaults(doc,
			      "{'name':'" USER_NAME "','upn':'" USER_UPN
			      "','unique_name':'" USER_UPN "',"
			      "'scp':'user_impersonation','amr':[%s]}",
			      s->strong ? "mfa" : "pwd");
	if (s->acrs)
		json_defaults(doc, "{'acrs':['p1']}");
	jwt_make(m, "access", doc, out);
}

/* What was percent-encoded; NULL when it was not.  Caller frees. */
static char *decoded(struct str s)
{
	struct buf b = BUF_INIT(FIELD_MAX);
	struct err e = ERR_INIT;

	if (buf_add_unpct(&b, s, true, &e) == 0 && !b.over && strlen(b.str) == b.n)
		return buf_detach(&b);
	buf_burn(&b);
	return NULL;
}

cJSON *entra_server_fields(struct str text)
{
	cJSON *doc = cJSON_CreateObject();
	struct str pair, key;
	char *value;

	text = str_head(text, 4 * FIELD_MAX);
	while (str_next(&text, '&', &pair))
		if (str_cut(&pair, '=', &key) && (value = decoded(pair)) != NULL) {
			char *name = str_dup(key);

			json_set(doc, name, cJSON_CreateString(value));
			free(name);
			burn_str(value);
		}
	return doc;
}

static cJSON *form_of(struct request *r)
{
	return entra_server_fields(str_of(json_text(r->body, "form")));
}

static const char *form_field(const cJSON *form, const char *name)
{
	const cJSON *v = json_get(form, name);

	return v != NULL ? v->valuestring : NULL;
}

static bool same_text(const char *a, const char *b)
{
	return strlen(a) == strlen(b) && same_bytes(a, b, strlen(a));
}

/* "Basic base64(id:secret)", both percent-encoded (RFC 6749 2.3.1). */
static void basic_credentials(struct request *r, cJSON *form)
{
	struct str f = http_field(http_x_head(r->x), "Authorization"), left;
	struct buf plain = BUF_INIT(4096);
	struct err e = ERR_INIT;

	if (str_istarts(f, STR("Basic ")) &&
	    buf_add_unbase64(&plain, str_trim(str_skip(f, 6)), &e) == 0) {
		f = buf_str(&plain);
		if (str_cut(&f, ':', &left)) {
			char *id = decoded(left), *secret = decoded(f);

			if (form_field(form, "client_id") == NULL && id != NULL)
				json_add_str(form, "client_id", id);
			if (secret != NULL)
				json_set(form, "client_secret",
					 cJSON_CreateString(secret));
			free(id);
			burn_str(secret);
		}
	}
	buf_burn(&plain);
}

/* ---- proofs of being the application ---- */

/* aud may be a list. */
static bool audience_is(const cJSON *claims, const char *want)
{
	const cJSON *aud = json_get(claims, "aud"), *v;

	if (json_is(claims, "aud", want))
		return true;
	cJSON_ArrayForEach(v, aud)
		if (cJSON_IsString(v) && str_is(v->valuestring, want))
			return true;
	return false;
}

/* Both alphabets, with padding or without, are seen. */
static bool thumb_is(const cJSON *head, const char *name, const void *hash,
		     size_t n)
{
	struct buf raw = BUF_INIT(64);
	struct err e = ERR_INIT;
	bool same = buf_add_unbase64(&raw, str_of(json_text(head, name)), &e) ==
			    0 &&
		    raw.n == n && memcmp(raw.str, hash, n) == 0;

	buf_release(&raw);
	return same;
}

/* Is it signed by the certificate that the application has here? */
static bool signed_by_app(struct emu *m, const cJSON *head, struct str jwt)
{
	struct buf pem = BUF_INIT(64u << 10), der = BUF_INIT(16u << 10),
		   sig = BUF_INIT(1024);
	char *path = xasprintf("%s/client.pem", m->dir);
	ptrdiff_t dot = str_rchr(jwt, '.');
	uint8_t sha2[SHA256_LEN], sha[20];
	struct err e = ERR_INIT;
	bool pss = json_is(head, "alg", "PS256"), ok = false;

	if (file_read(path, &pem, &e) == 0 &&
	    cert_der(buf_str(&pem), &der, &e) == 0 &&
	    buf_add_unbase64(&sig, str_skip(jwt, (size_t)dot + 1), &e) == 0) {
		sha256(der.str, der.n, sha2);
		sha1(der.str, der.n, sha);
		ok = (pss || json_is(head, "alg", "RS256")) &&
		     (thumb_is(head, "x5t#S256", sha2, sizeof(sha2)) ||
		      thumb_is(head, "x5t", sha, sizeof(sha))) &&
		     cert_signed(buf_str(&der), pss, str_head(jwt, (size_t)dot),
				 buf_str(&sig));
	}
	buf_burn(&pem);
	buf_release(&der);
	buf_release(&sig);
	free(path);
	return ok;
}

/* A NumericDate, which may have a fraction (RFC 7519 section 2); 0: it is
 * missing. */
static int64_t date_of(const cJSON *claims, const char *name)
{
	const cJSON *v = json_get(claims, name);

	if (!cJSON_IsNumber(v) || !(v->valuedouble > 0 && v->valuedouble < 1e15))
		return 0;
	return (int64_t)v->valuedouble;
}

static int check_assertion(struct request *r, const char *tenant, const cJSON *form)
{
	const char *type = form_field(form, "client_assertion_type");
	struct str jwt = str_of(form_field(form, "client_assertion")), rest = jwt;
	cJSON *head = jwt_part(&rest), *claims = jwt_part(&rest);
	int64_t now = unix_time(), exp = date_of(claims, "exp");
	char *token = xasprintf("%s/%s/oauth2/v2.0/token", r->base, tenant);
	char *old = xasprintf("%s/%s/oauth2/token", r->base, tenant);
	char *issuer = xasprintf("%s/%s/v2.0", r->base, tenant);
	bool own = json_is(claims, "iss", r->m->client), ok = false;

	if (type == NULL || strcmp(type, JWT_BEARER) != 0)
		refuse_missing(r, "client_assertion_type");
	else if (head == NULL || claims == NULL || rest.n == 0)
		refuse(r, 401, "invalid_client", 50027,
		       "JWT token is invalid or malformed.");
	else if (exp < now - SKEW_S || date_of(claims, "nbf") > now + SKEW_S)
		refuse(r, 401, "invalid_client", 700024,
		       "Client assertion is not within its valid "
		       "time range. Current time: %lld, expiry time of assertion %lld.",
		       (long long)now, (long long)exp);
	else if (!own && !caller_trusted(r->m, r->x))
		refuse(r, 401, "invalid_client", 700211,
		       "No matching federated identity record found for "
		       "presented assertion issuer. " STRANGER);
	else if (!own && !audience_is(claims, "api://AzureADTokenExchange"))
		refuse(r, 401, "invalid_client", 700212,
		       "No matching federated identity "
		       "record found for presented assertion audience.");
	else if (!own && (*json_text(claims, "iss") == '\0' ||
			  *json_text(claims, "sub") == '\0'))
		refuse(r, 401, "invalid_client", 700213,
		       "No matching federated identity "
		       "record found for presented assertion subject '%.100s'.",
		       json_text(claims, "sub"));
	else if (own && !json_is(claims, "sub", r->m->client))
		refuse(r, 401, "invalid_client", 700021,
		       "Client assertion application "
		       "identifier doesn't match 'client_id' parameter.");
	else if (own && !audience_is(claims, token) &&
		 !audience_is(claims, old) && !audience_is(claims, issuer))
		refuse(r, 401, "invalid_client", 700023,
		       "Client assertion audience claim "
		       "does not match Realm issuer.");
	else if (own && !signed_by_app(r->m, head, jwt))
		refuse(r, 401, "invalid_client", 700027,
		       "The certificate with identifier "
		       "used to sign the client assertion is not registered on application. "
		       "[Reason - The key was not found or the signature is wrong.]");
	else
		ok = true;
	json_free(head);
	json_free(claims);
	free(token);
	free(old);
	free(issuer);
	return ok ? 0 : -1;
}

static int check_secret(struct request *r, const char *secret)
{
	if (secret == NULL)
		refuse(r, 401, "invalid_client", 7000218,
		       "The request body must contain the "
		       "following parameter: 'client_assertion' or 'client_secret'.");
	else if (!same_text(secret, r->m->secret))
		refuse(r, 401, "invalid_client", 7000215,
		       "Invalid client secret provided. "
		       "Ensure the secret being sent in the request is the client secret "
		       "value, not the client secret ID, for a secret added to app '%.100s'.",
		       r->m->client);
	else
		return 0;
	return -1;
}

/* ---- what waits for the user ---- */

static cJSON *grant_new(struct emu *m, const char *kind, const char *code,
			const cJSON *form, int64_t life)
{
	cJSON *g, *next;

	if (m->grants == NULL)
		m->grants = cJSON_CreateArray();
	for (g = m->grants->child; g != NULL; g = next) {
		next = g->next;
		if (json_int_opt(g, "until", 0) < unix_time() - CODE_S ||
		    cJSON_GetArraySize(m->grants) >= GRANTS_MAX)
			json_free(cJSON_DetachItemViaPointer(m->grants, g));
	}
	g = json_fmt("{'kind':%s,'code':%s,'answer':'','until':%l,'asked':0,'interval':%d,"
		     "'client':%s,'form':%j}",
		     kind, code, unix_time() + life, (int)m->o.retry_after_s,
		     form_field(form, "client_id"), form);
	cJSON_AddItemToArray(m->grants, g);
	return g;
}

/* name: "code", or "user" for what a person types */
static cJSON *grant_find(struct emu *m, const char *kind, const char *name,
			 const char *code)
{
	cJSON *g;

	cJSON_ArrayForEach(g, m->grants)
		if (json_is(g, "kind", kind) && json_is(g, name, code))
			return g;
	return NULL;
}

static void new_code(struct buf *b)
{
	uint8_t raw[32];

	random_bytes(raw, sizeof(raw));
	buf_adds(b, "0.A");
	buf_add_base64url(b, raw, sizeof(raw));
}

/* Does this claims parameter ask for the context that stands for MFA? */
static bool asks_acrs(const char *claims)
{
	struct err e = ERR_INIT;
	cJSON *doc = json_parse(str_of(claims), "claims", &e);
	const cJSON *v;
	bool found = json_is(doc, "access_token.acrs.value", "p1");

	cJSON_ArrayForEach(v, json_at(doc, "access_token.acrs.values"))
		found = found ||
			(cJSON_IsString(v) && str_is(v->valuestring, "p1"));
	json_free(doc);
	return found;
}

/* ---- tokens ---- */

/* "https://ACCOUNT.blob.core.windows.net", which storage takes, too */
static bool is_blob_host(const char *audience)
{
	return str_starts(str_of(audience), STR("https://")) &&
	       str_ends(str_of(audience), STR(".blob.core.windows.net"));
}

static bool is_for_storage(const char *audience)
{
	return is_blob_host(audience) ||
	       str_listed("https://storage.azure.com https://storage.azure.com/",
			  audience);
}

static bool is_for_registries(const char *audience)
{
	return str_listed("https://containerregistry.azure.net "
			  "https://containerregistry.azure.net/",
			  audience);
}

/* The resource a scope stands for: everything before "/.default".  NULL: it is
 * none of ours.  Caller frees. */
static char *audience_of(struct request *r, const char *scope)
{
	struct str rest = str_of(scope), word, found = STR_NULL;
	char *out;

	while (str_next(&rest, ' ', &word))
		if (found.p == NULL && str_find(word, STR("://")) > 0 &&
		    str_rchr(word, '/') > 8)
			found = str_head(word, (size_t)str_rchr(word, '/'));
	out = str_dup(found);
	if (str_listed("https://management.azure.com https://management.azure.com/ "
		       "https://management.core.windows.net https://management.core.windows.net/",
		       out) ||
	    is_for_storage(out) || is_for_registries(out) ||
	    str_starts(found, str_of(r->m->base)) ||
	    str_starts(found, str_of(r->base)))
		return out;
	free(out);
	return NULL;
}

/* As the old endpoint has it: numbers are texts. */
static void as_v1(cJSON *doc, int64_t now, const char *resource)
{
	cJSON *more =
		json_fmt("{'expires_in':'%d','ext_expires_in':'%d','expires_on':'%l',"
			 "'not_before':'%l','resource':%s}",
			 TOKEN_S, TOKEN_S, now + TOKEN_S, now - 300, resource);

	json_merge(doc, more);
	json_free(more);
}

static void add_refresh_token(struct request *r, cJSON *doc,
			      const struct subject *s, const char *scope,
			      int64_t now)
{
	struct buf out = BUF_INIT(FIELD_MAX);

	jwt_make(r->m, "refresh",
		 json_fmt("{'client':%s,'scope':%s,'strong':%b,'exp':%l,'uti':%U}",
			  s->client, scope, s->strong, now + REFRESH_S),
		 &out);
	json_add_str(doc, "refresh_token", out.str);
	buf_burn(&out);
}

static void add_id_token(struct request *r, cJSON *doc, const struct subject *s,
			 const char *user, const char *nonce, int64_t now)
{
	struct buf out = BUF_INIT(FIELD_MAX);
	cJSON *id = json_fmt(
		"{'aud':%s,'iss':'%s/%s/v2.0','iat':%l,'nbf':%l,'exp':%l,"
		"'name':'" USER_NAME "','preferred_username':'" USER_UPN "',"
		"'oid':%s,'sub':%s,'tid':%s,'ver':'2.0','nonce':%s}",
		s->client, r->base, r->m->tenant, now, now, now + TOKEN_S, user,
		user, r->m->tenant, nonce);

	json_strip_nulls(id);
	jwt_make(r->m, "id", id, &out);
	json_add_str(doc, "id_token", out.str);
	buf_burn(&out);
}

static void add_client_info(struct request *r, cJSON *doc, const char *user)
{
	char *info = xasprintf("{\"uid\":\"%s\",\"utid\":\"%s\"}", user,
			       r->m->tenant);
	struct buf out = BUF_INIT(FIELD_MAX);

	buf_add_base64url(&out, info, strlen(info));
	json_add_str(doc, "client_info", out.str);
	free(info);
	buf_release(&out);
}

/* The answer that has the token, and what else a user's client asked for. */
static cJSON *token_doc(struct request *r, const cJSON *form,
			const struct subject *s, const char *audience,
			const char *scope, const char *nonce)
{
	struct buf out = BUF_INIT(FIELD_MAX);
	int64_t now = unix_time();
	char user[37];
	cJSON *doc;

	make_token(r->m, audience, s, &out);
	doc = json_fmt("{'token_type':'Bearer','expires_in':%d,'ext_expires_in':%d,"
		       "'access_token':%s}",
		       TOKEN_S, TOKEN_S, out.str);
	buf_burn(&out);
	if (form_field(form, "resource") != NULL)
		as_v1(doc, now, form_field(form, "resource"));
	if (!s->user)
		return doc;
	user_id(r->m, user);
	json_defaults(doc, "{'scope':'%s/user_impersonation %s/.default'}",
		      audience, audience);
	if (strstr(scope, "offline_access") != NULL)
		add_refresh_token(r, doc, s, scope, now);
	if (strstr(scope, "openid") != NULL)
		add_id_token(r, doc, s, user, nonce, now);
	if (form_field(form, "client_info") != NULL)
		add_client_info(r, doc, user);
	return doc;
}

/* form: of this request; asked: of the one that began it */
static void give_tokens(struct request *r, const cJSON *form,
			const cJSON *asked, struct subject *s)
{
	const char *scope = form_field(form, "scope"),
		   *claims = form_field(form, "claims");
	const char *resource = form_field(form, "resource");
	char *v1 = resource != NULL ? xasprintf("%s/.default", resource) : NULL,
	     *audience;

	scope = v1 != NULL    ? v1 :
		scope != NULL ? scope :
				form_field(asked, "scope");
	claims = claims != NULL ? claims : form_field(asked, "claims");
	s->acrs = s->user && asks_acrs(claims);
	audience = audience_of(r, scope != NULL ? scope : "");
	if (scope == NULL) {
		refuse_missing(r, "scope");
	} else if (!s->user && !str_ends(str_of(scope), STR("/.default"))) {
		refuse(r, 400, "invalid_scope", 1002012,
		       "The provided value for scope %.100s is not valid. Client credential flows "
		       "must have a scope value with /.default suffixed to the resource identifier "
		       "(application ID URI).",
		       scope);
	} else if (audience == NULL) {
		refuse(r, 400, "invalid_resource", 500011,
		       "The resource principal named %.100s was not "
		       "found in the tenant named Local Azure.",
		       scope);
	} else if (s->acrs && !s->strong) {
		refuse(r, 400, "interaction_required", 50076,
		       "Due to a configuration change made by your administrator, or because you "
		       "moved to a new location, you must use multi-factor authentication to "
		       "access '%.100s'.",
		       audience);
		json_add_str(r->out, "suberror", "basic_action");
		json_add_str(r->out, "claims", claims);
	} else {
		request_answer(r, 200,
			       token_doc(r, form, s, audience, scope,
					 form_field(asked, "nonce")));
	}
	free(v1);
	free(audience);
}

static void app_token(struct request *r, const char *tenant, cJSON *form)
{
	struct subject s = { .client = r->m->client };

	if (str_listed("common organizations consumers", tenant))
		refuse(r, 400, "invalid_request", 900382,
		       "Client credential flows are not "
		       "supported on the tenant '%.100s'.",
		       tenant);
	else if (form_field(form, "client_assertion") != NULL ?
			 check_assertion(r, tenant, form) == 0 :
			 check_secret(r, form_field(form, "client_secret")) == 0)
		give_tokens(r, form, NULL, &s);
}

static bool pkce_holds(const cJSON *asked, const char *verifier)
{
	struct buf b = BUF_INIT(64);
	uint8_t hash[SHA256_LEN];
	bool ok;

	sha256(verifier, strlen(verifier), hash);
	buf_add_base64url(&b, hash, sizeof(hash));
	ok = strlen(verifier) >= 43 &&
	     same_text(b.str, form_field(asked, "code_challenge"));
	buf_release(&b);
	return ok;
}

/* An authorization code: good once. */
static void code_token(struct request *r, const cJSON *form)
{
	const char *code = form_field(form, "code"),
		   *verifier = form_field(form, "code_verifier");
	const char *redirect = form_field(form, "redirect_uri");
	cJSON *g = grant_find(r->m, "code", "code", code);
	const cJSON *asked = json_get(g, "form");
	struct subject s = { form_field(form, "client_id"), true,
			     json_is(g, "answer", "mfa"), false };

	if (g == NULL || !json_is(g, "client", s.client))
		refuse_grant(r);
	else if (json_int_opt(g, "until", 0) < unix_time())
		refuse(r, 400, "invalid_grant", 70008,
		       "The provided authorization code or "
		       "refresh token has expired. Send a new interactive authorization "
		       "request.");
	else if (json_bool_opt(g, "used", false))
		refuse(r, 400, "invalid_grant", 54005,
		       "OAuth2 Authorization code was "
		       "already redeemed, please retry with a new valid code or use an "
		       "existing refresh token.");
	else if (redirect == NULL ||
		 strcmp(redirect, form_field(asked, "redirect_uri")) != 0)
		refuse(r, 400, "invalid_grant", 500112,
		       "The reply address does not match "
		       "the reply address provided when requesting Authorization code.");
	else if (verifier == NULL || !pkce_holds(asked, verifier))
		refuse(r, 400, "invalid_grant", 501481,
		       "The Code_Verifier does not match "
		       "the code_challenge supplied in the authorization request.");
	else
		give_tokens(r, form, asked, &s);
	if (g != NULL)
		json_set(g, "used", cJSON_CreateTrue());
}

static void device_token(struct request *r, const cJSON *form)
{
	const char *code = form_field(form, "device_code"),
		   *v1 = form_field(form, "code");
	cJSON *g = grant_find(r->m, "device", "code", code != NULL ? code : v1);
	struct subject s = { form_field(form, "client_id"), true,
			     json_is(g, "answer", "mfa"), false };
	int64_t now = now_ms(), interval = json_int_opt(g, "interval", 0),
		asked = json_int_opt(g, "asked", 0);

	if (g != NULL)
		json_put_int(g, "asked", now);
	if (g == NULL || !json_is(g, "client", s.client) ||
	    json_bool_opt(g, "used", false)) {
		refuse(r, 400, "bad_verification_code", 70018,
		       "Invalid verification code "
		       "due to User typing in wrong user code for device code flow.");
	} else if (json_int_opt(g, "until", 0) < unix_time()) {
		refuse(r, 400, "expired_token", 70020,
		       "The provided value for the input "
		       "parameter 'device_code' is not valid. This device code has expired.");
	} else if (json_is(g, "answer", "no")) {
		refuse(r, 400, "authorization_declined", 65004,
		       "User declined to consent to "
		       "access the app.");
	} else if (asked != 0 && now - asked < interval * 1000 - 200) {
		/* for good, RFC 8628 section 3.5 */
		json_put_int(g, "interval", interval + 5);
		refuse(r, 400, "slow_down", 70016,
		       "OAuth 2.0 device flow error. The client polls too often.");
	} else if (json_is(g, "answer", "")) {
		refuse(r, 400, "authorization_pending", 70016,
		       "OAuth 2.0 device flow error. Authorization is "
		       "pending. Continue polling.");
	} else {
		give_tokens(r, form, json_get(g, "form"), &s);
		json_set(g, "used", cJSON_CreateTrue());
	}
}

static void refresh_token(struct request *r, const cJSON *form)
{
	cJSON *old = jwt_open(r->m, "refresh",
			      str_of(form_field(form, "refresh_token")));
	struct subject s = { form_field(form, "client_id"), true,
			     json_bool_opt(old, "strong", false), false };

	if (old == NULL || !json_is(old, "client", s.client))
		refuse_grant(r);
	else if (json_int_opt(old, "exp", 0) < unix_time())
		refuse(r, 400, "invalid_grant", 700082,
		       "The refresh token has expired due "
		       "to inactivity.");
	else
		give_tokens(r, form, old, &s);
	json_free(old);
}

static void no_tenant(struct request *r, const char *error, const char *tenant)
{
	refuse(r, 400, error, 90002,
	       "Tenant '%.100s' not found. Check to make sure you have the "
	       "correct tenant ID and are signing into the correct cloud.",
	       tenant);
}

static bool tenant_known(struct request *r, const char *tenant)
{
	if (str_is(tenant, r->m->tenant) ||
	    str_listed("common organizations adfs", tenant))
		return true;
	no_tenant(r, "invalid_request", tenant);
	return false;
}

static void answer_token(struct request *r, const char *tenant, bool v1)
{
	cJSON *form = form_of(r);
	const char *grant = form_field(form, "grant_type"), *id;

	basic_credentials(r, form);
	if (!v1)
		json_drop(form, "resource");
	id = form_field(form, "client_id");
	if (!tenant_known(r, tenant))
		;
	else if (grant == NULL)
		refuse_missing(r, "grant_type");
	else if (!str_is(id, r->m->client) &&
		 (!str_is(id, AZURE_CLI) ||
		  strcmp(grant, "client_credentials") == 0))
		refuse_client(r, id);
	else if (strcmp(grant, "client_credentials") == 0)
		app_token(r, tenant, form);
	else if (strcmp(grant, "authorization_code") == 0)
		code_token(r, form);
	else if (str_listed("urn:ietf:params:oauth:grant-type:device_code device_code",
			    grant))
		device_token(r, form);
	else if (strcmp(grant, "refresh_token") == 0)
		refresh_token(r, form);
	else
		refuse(r, 400, "unsupported_grant_type", 70003,
		       "The app requested an "
		       "unsupported grant type '%.100s'.",
		       grant);
	json_burn(form);
}

/* ---- pages ---- */

/* Nothing of what the caller sent is shown: nothing to escape. */
static void send_page(struct request *r, unsigned status, const char *text)
{
	static const char head[] =
		"<!DOCTYPE html><html lang=en><meta charset=utf-8><title>Local Azure</title>"
		"<h1>Local Azure</h1>";
	char *html = xasprintf("%s%s", head, text);

	r->plain = "text/html; charset=utf-8";
	request_answer(r, status, cJSON_CreateString(html));
	free(html);
}

#define BUTTONS \
	"<button name=answer value=yes>Sign in</button> " \
	"<button name=answer value=mfa>Sign in with a " \
	"second factor</button> <button name=answer value=no>Cancel</button></form>"

static void answer_devicecode(struct request *r)
{
	static const char alphabet[] = "BCDFGHJKLMNPQRSTVWXZ23456789";
	cJSON *form = form_of(r), *g;
	const char *id = form_field(form, "client_id");
	struct buf code = BUF_INIT(64);
	int64_t life = faults_setting(r->m, "device_s", DEVICE_S);
	char user[10] = "", *message;

	if (!str_is(id, AZURE_CLI) && !str_is(id, r->m->client)) {
		refuse_client(r, id);
	} else if (form_field(form, "scope") == NULL) {
		refuse_missing(r, "scope");
	} else {
		new_code(&code);
		for (int i = 0; i < 9; i++)
			user[i] = alphabet[random_below(sizeof(alphabet) - 1)];
		g = grant_new(r->m, "device", code.str, form, life);
		json_put_str(g, "user", user);
		message = xasprintf("To sign in, use a web browser to open the page %s/devicelogin "
				    "and enter the code %s to authenticate.",
				    r->base, user);
		request_answer(r, 200,
			       json_fmt("@device-code", user, code.str, r->base,
					life, (int)r->m->o.retry_after_s,
					message));
		free(message);
	}
	buf_release(&code);
	json_burn(form);
}

#define SECRET_FIELD \
	"<p>" STRANGER \
	"<p><input name=secret type=password placeholder=AZURE_CLIENT_SECRET " \
	"autocomplete=off> "

/*
 * May who posts this answer for the tenant's user?  A page of somebody else's
 * must not do it with his browser, which is his program after all.
 */
static bool may_answer(struct request *r, const cJSON *form)
{
	struct str from = http_field(http_x_head(r->x), "Sec-Fetch-Site");
	const char *secret = form_field(form, "secret");

	if (from.p != NULL && !str_eqz(from, "same-origin") &&
	    !str_eqz(from, "none"))
		return false;
	return caller_trusted(r->m, r->x) ||
	       (secret != NULL && same_text(secret, r->m->secret));
}

static void send_stranger(struct request *r)
{
	send_page(r, 403, "<p>" STRANGER);
}

/* The page that asks; before: what comes in front of the buttons. */
static void send_question(struct request *r, const char *before)
{
	char *form = xasprintf("<form method=post>%s%s" BUTTONS, before,
			       caller_trusted(r->m, r->x) ? "" : SECRET_FIELD);

	send_page(r, 200, form);
	free(form);
}

static void answer_devicelogin(struct request *r)
{
	cJSON *form = form_of(r), *g = grant_find(r->m, "device", "user",
						  form_field(form, "user_code"));
	const char *answer = form_field(form, "answer");

	if (r->method != POST)
		send_question(r, "<input name=user_code autofocus> ");
	else if (!may_answer(r, form))
		send_stranger(r);
	else if (g == NULL || !json_is(g, "answer", "") ||
		 json_int_opt(g, "until", 0) < unix_time() ||
		 !str_listed("yes mfa no", answer))
		send_page(r, 400,
			  "<p>That code didn't work. Check the code and try again.");
	else {
		json_put_str(g, "answer", answer);
		send_page(r, 200,
			  str_is(answer, "no") ?
				  "<p>You have declined." :
				  "<p>You have signed in. You may now close this window.");
	}
	json_burn(form);
}

/* Send the browser back with name=value; text: what went wrong, or NULL. */
static void go_back(struct request *r, const cJSON *q, const char *name,
		    const char *value, const char *text)
{
	const char *to = form_field(q, "redirect_uri"),
		   *state = form_field(q, "state");
	struct buf b = BUF_INIT(FIELD_MAX);

	buf_addf(&b, "%s%c%s=", to, strchr(to, '?') != NULL ? '&' : '?', name);
	buf_add_pct(&b, str_of(value));
	if (text != NULL) {
		buf_adds(&b, "&error_description=");
		buf_add_pct(&b, str_of(text));
	}
	if (state != NULL) {
		buf_adds(&b, "&state=");
		buf_add_pct(&b, str_of(state));
	}
	request_answer(r, 302, NULL);
	request_field(r, "Location: %s", b.str);
	buf_release(&b);
}

/* For everybody but this machine's own programs there is no redirecting. */
static bool loopback(const char *redirect)
{
	struct err e = ERR_INIT;
	struct http_url u;

	return redirect != NULL && http_url_parse(str_of(redirect), &u, &e) == 0 &&
	       !u.tls && strcmp(u.host, "localhost") == 0;
}

static void answer_authorize(struct request *r, const char *tenant)
{
	cJSON *q = entra_server_fields(http_x_query(r->x)), *form = form_of(r);
	const char *id = form_field(q, "client_id"),
		   *answer = form_field(form, "answer");
	struct buf code = BUF_INIT(64);
	cJSON *g;

	if (!str_is(tenant, r->m->tenant) &&
	    !str_listed("common organizations", tenant)) {
		send_page(r, 400, "<p>AADSTS90002: Tenant not found.");
	} else if (!str_is(id, AZURE_CLI) && !str_is(id, r->m->client)) {
		send_page(r, 400,
			  "<p>AADSTS700016: Application not found in the directory.");
	} else if (!loopback(form_field(q, "redirect_uri"))) {
		send_page(r, 400,
			  "<p>AADSTS50011: The redirect URI specified in the request does not "
			  "match the redirect URIs configured for the application.");
	} else if (!str_is(form_field(q, "response_type"), "code")) {
		go_back(r, q, "error", "unsupported_response_type",
			"AADSTS700054: response_type is not enabled for "
			"the application.");
	} else if (!str_is(form_field(q, "code_challenge_method"), "S256") ||
		   form_field(q, "code_challenge") == NULL) {
		go_back(r, q, "error", "invalid_request",
			"AADSTS9002325: Proof Key for Code Exchange is required.");
	} else if (r->method != POST || !str_listed("yes mfa no", answer)) {
		send_question(r, "");
	} else if (!may_answer(r, form)) {
		send_stranger(r);
	} else if (str_is(answer, "no")) {
		go_back(r, q, "error", "access_denied",
			"AADSTS65004: User declined to consent to access the app.");
	} else {
		new_code(&code);
		g = grant_new(r->m, "code", code.str, q, CODE_S);
		json_put_str(g, "answer", answer);
		go_back(r, q, "code", code.str, NULL);
	}
	buf_release(&code);
	json_burn(q);
	json_burn(form);
}

/* ---- a machine's identity ---- */

cJSON *entra_server_identity(struct emu *m, struct http_exchange *x,
			     unsigned *status)
{
	struct subject s = { .client = m->client };
	cJSON *q = entra_server_fields(http_x_query(x)), *doc;
	const char *resource = form_field(q, "resource"),
		   *id = form_field(q, "client_id"),
		   *object = form_field(q, "object_id");
	struct buf out = BUF_INIT(FIELD_MAX);
	int64_t now = unix_time();

	*status = 400;
	if (!str_ieq(http_field(http_x_head(x), "Metadata"), STR("true"))) {
		doc = json_fmt("{'error':'invalid_request','error_description':'Required metadata "
			       "header not specified'}");
	} else if (http_field(http_x_head(x), "X-Forwarded-For").p != NULL ||
		   form_field(q, "api-version") == NULL || resource == NULL) {
		doc = json_fmt(
			"{'error':'invalid_request','error_description':'%s'}",
			resource == NULL ?
				"Required audience parameter not specified" :
				"Bad request");
	} else if ((id != NULL && !str_is(id, m->client)) ||
		   (object != NULL && !str_is(object, m->object)) ||
		   form_field(q, "msi_res_id") != NULL) {
		doc = json_fmt("{'error':'invalid_request','error_description':'Identity not "
			       "found'}");
	} else {
		*status = 200;
		make_token(m, resource, &s, &out);
		doc = json_fmt("@identity-token", out.str, m->client, TOKEN_S,
			       now + TOKEN_S, TOKEN_S, now - 300, resource);
	}
	buf_burn(&out);
	json_free(q);
	return doc;
}

/* ---- paths ---- */

static void answer_configuration(struct request *r, const char *tenant)
{
	char *b = xasprintf("%s/%.60s", r->base, tenant);
	const char *v = str_is(tenant, "adfs") ? "" : "v2.0/";

	if (!str_is(tenant, r->m->tenant) &&
	    !str_listed("common organizations adfs", tenant))
		no_tenant(r, "invalid_tenant", tenant);
	else
		request_answer(r, 200,
			       json_fmt("@openid", b, v, b, b, b, v, b, v));
	free(b);
}

/* Whose an authority is: "https://HOST/TENANT/...", which some send without the port. */
static void answer_instances(struct request *r)
{
	char *asked = request_param(r, "authorization_endpoint"),
	     *tenant = xstrdup(r->m->tenant);
	struct str rest = str_skip(str_of(asked), strlen("https://")), host, word;
	const char *base = r->base;

	if (asked != NULL && str_cut(&rest, '/', &host) &&
	    str_next(&rest, '/', &word)) {
		free(tenant);
		tenant = str_dup(word);
		str_cut(&host, ':', &host);
		base = str_eqz(host, "localhost") ? r->m->base :
		       str_eq(host,
			      str_head(str_of(r->host), strcspn(r->host, ":"))) ?
						    base :
						    NULL;
	}
	if (base == NULL)
		refuse(r, 400, "invalid_instance", 50049,
		       "Unknown or invalid instance.");
	else
		request_answer(r, 200,
			       json_fmt("@discovery", base, tenant, base + 8,
					base + 8, base + 8));
	free(asked);
	free(tenant);
}

bool entra_server_handle(struct request *r)
{
	char **s = r->seg;
	bool v2 = str_is(s[1], "oauth2") && str_is(s[2], "v2.0") &&
		  s[3] != NULL && s[4] == NULL;
	bool v1 = str_is(s[1], "oauth2") && str_is(s[2], "token") && s[3] == NULL;
	unsigned status;
	cJSON *doc;

	if (v1 || (v2 && str_listed("token devicecode", s[3]))) {
		if (r->method != POST)
			refuse(r, 405, "invalid_request", 900561,
			       "The endpoint only accepts "
			       "POST requests. Received a GET request.");
		else if (v1 || str_is(s[3], "token"))
			answer_token(r, s[0], v1);
		else if (tenant_known(r, s[0]))
			answer_devicecode(r);
		request_field(r, "Cache-Control: no-store, no-cache");
		return true;
	}
	if (v2 && str_is(s[3], "authorize")) {
		answer_authorize(r, s[0]);
		return true;
	}
	if (str_is(s[0], "devicelogin") && s[1] == NULL) {
		answer_devicelogin(r);
		return true;
	}
	/* for whoever has no machine: AZURE_POD_IDENTITY_AUTHORITY_HOST */
	if (str_is(s[0], "metadata") && str_is(s[1], "identity")) {
		status = 403;
		doc = caller_trusted(r->m, r->x) ?
			      entra_server_identity(r->m, r->x, &status) :
			      json_fmt("{'error':'access_denied','error_description':%s}",
				       STRANGER);
		request_answer(r, status, doc);
		return true;
	}
	v1 = str_is(s[0], "adfs") && str_is(s[1], ".well-known") &&
	     str_is(s[2], "openid-configuration");
	if (v1 || (str_is(s[1], "v2.0") && str_is(s[2], ".well-known") &&
		   str_is(s[3], "openid-configuration"))) {
		answer_configuration(r, s[0]);
		return true;
	}
	if (str_is(s[1], "discovery") && str_is(s[2], "instance")) {
		answer_instances(r);
		return true;
	}
	return false;
}

/* ---- checking ---- */

static int unauthorized(struct request *r, const char *code, const char *text)
{
	request_field(r,
		      "WWW-Authenticate: Bearer authorization_uri=\"%s/%s\", error=\"invalid_token\", "
		      "error_description=\"%s\"",
		      r->base, r->m->tenant, text);
	r->gateway = true;
	return fault_code(&r->fault, 401, code, NULL, text);
}

/* The policy that wants a second factor of people who change something. */
static int need_mfa(struct request *r, const cJSON *doc)
{
	static const char claims[] =
		"{\"access_token\":{\"acrs\":{\"essential\":true,\"values\":[\"p1\"]}}}";
	struct buf b = BUF_INIT(256);

	if ((r->method != PUT && r->method != PATCH && r->method != DELETE) ||
	    !json_is(doc, "idtyp", "user") || json_get(doc, "acrs") != NULL ||
	    !faults_setting(r->m, "mfa", 0))
		return 0;
	buf_add_base64(&b, claims, sizeof(claims) - 1);
	request_field(r,
		      "WWW-Authenticate: Bearer realm=\"\", "
		      "authorization_uri=\"%s/common/oauth2/authorize\", "
		      "error=\"insufficient_claims\", claims=\"%s\"",
		      r->base, b.str);
	buf_release(&b);
	r->gateway = true;
	return fault_code(
		&r->fault, 401, "RequestDisallowedByPolicy", NULL,
		"Resource was disallowed by policy. Users must authenticate with "
		"multi-factor authentication to create or update resources.");
}

int entra_server_check(struct request *r)
{
	struct str f = http_field(http_x_head(r->x), "Authorization");
	char when[32], now[32], *message;
	const cJSON *doc;
	int64_t exp;
	int rc;

	if (f.p == NULL)
		return unauthorized(r, "AuthenticationFailed",
				    "Authentication failed. "
				    "The 'Authorization' header is missing.");
	if (!str_istarts(f, STR("Bearer ")))
		return unauthorized(
			r, "AuthenticationFailedInvalidHeader",
			"Authentication failed. The "
			"'Authorization' header is provided in an invalid format.");
	doc = access_open(r->m, str_trim(str_skip(f, 7)));
	exp = json_int_opt(doc, "exp", 0);
	if (doc == NULL) {
		rc = unauthorized(r, "InvalidAuthenticationToken",
				  "The access token is invalid.");
	} else if (is_for_storage(json_text(doc, "aud")) ||
		   is_for_registries(json_text(doc, "aud"))) {
		message = xasprintf(
			"The access token has been obtained for wrong audience or "
			"resource '%s'. It should exactly match with one of the "
			"allowed audiences 'https://management.core.windows.net/',"
			"'https://management.azure.com/'.",
			json_text(doc, "aud"));
		rc = unauthorized(r, "InvalidAuthenticationToken", message);
		free(message);
	} else if (exp < unix_time()) {
		time_iso(exp, when);
		time_iso(unix_time(), now);
		message = xasprintf("The access token expiry UTC time '%s' is earlier than current "
				    "UTC time '%s'.",
				    when, now);
		rc = unauthorized(r, "ExpiredAuthenticationToken", message);
		free(message);
	} else {
		rc = need_mfa(r, doc);
	}
	return rc;
}

const cJSON *entra_server_token(struct emu *m, const struct http_exchange *x)
{
	struct str f = http_field(http_x_head(x), "Authorization");

	return str_istarts(f, STR("Bearer ")) ?
		       entra_server_opens(m, str_trim(str_skip(f, 7))) :
		       NULL;
}

const cJSON *entra_server_opens(struct emu *m, struct str token)
{
	const cJSON *doc = access_open(m, token);

	return json_int_opt(doc, "exp", 0) < unix_time() ? NULL : doc;
}
