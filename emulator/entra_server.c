/*
 * Entra ID: tokens for a service principal, and the check of a bearer token.
 * A token looks like Entra's (a JWT) and is signed with a key of our own, so
 * that nothing has to be remembered for it to be checked.
 */
#include <stdlib.h>

#include "emulator/inner.h"

#define TOKEN_S 3599

static int refuse_token(struct call *c, unsigned status, const char *error, int code,
			const char *text)
{
	char trace[37], corr[37], now[32], uri[128];
	struct buf b = BUF_INIT(2048);

	random_guid(trace);
	random_guid(corr);
	time_iso(unix_time(), now);
	now[10] = ' ';
	buf_addf(&b, "AADSTS%d: %s Trace ID: %s Correlation ID: %s Timestamp: %s", code, text, trace,
		 corr, now);
	snprintf(uri, sizeof(uri), "%s/error?code=%d", c->m->base, code);
	call_answer(c, status, json_fmt("{'error':%s,'error_description':%s,'error_codes':[%d],"
		"'timestamp':%s,'trace_id':%s,'correlation_id':%s,'error_uri':%s}",
		error, b.str, code, now, trace, corr, uri));
	buf_release(&b);
	return -1;
}

static void sign(struct emu *m, struct str text, struct buf *out)
{
	uint8_t mac[SHA256_LEN];

	hmac_sha256(m->token_key, sizeof(m->token_key), text.p, text.n, mac);
	buf_add_base64url(out, mac, sizeof(mac));
}

static void make_token(struct emu *m, const char *audience, int64_t now, struct buf *out)
{
	static const char header[] = "{\"typ\":\"JWT\",\"alg\":\"HS256\",\"kid\":\"local\"}";
	struct buf claims = BUF_INIT(8192);
	char issuer[128], id[37];
	cJSON *doc;

	snprintf(issuer, sizeof(issuer), "%s/%s/v2.0", m->base, m->tenant);
	random_guid(id);
	doc = json_fmt("{'aud':%s,'iss':%s,'iat':%l,'nbf':%l,'exp':%l,'appid':%s,'appidacr':'1',"
		       "'idp':%s,'idtyp':'app','oid':%s,'sub':%s,'tid':%s,'uti':%s,'ver':'1.0',"
		       "'xms_tcdt':'1640000000'}", audience, issuer, now, now - 300, now + TOKEN_S + 1,
		       m->client, issuer, m->object, m->object, m->tenant, id);
	json_print(doc, &claims);
	buf_add_base64url(out, header, sizeof(header) - 1);
	buf_addc(out, '.');
	buf_add_base64url(out, claims.str, claims.n);
	{
		struct buf mac = BUF_INIT(64);

		sign(m, buf_str(out), &mac);
		buf_addc(out, '.');
		buf_addstr(out, buf_str(&mac));
		buf_release(&mac);
	}
	json_free(doc);
	buf_release(&claims);
}

/* One field of a form; false when it is absent or badly escaped. */
static bool form_field(struct str form, const char *name, struct buf *out)
{
	struct err e = ERR_INIT;
	struct str pair, key;

	while (str_next(&form, '&', &pair))
		if (str_cut(&pair, '=', &key) && str_eqz(key, name))
			return buf_add_unpct(out, pair, true, &e) == 0 && !out->over;
	return false;
}

/* "Basic base64(id:secret)", both percent-encoded (RFC 6749 2.3.1). */
static void basic_credentials(struct call *c, struct buf *id, struct buf *secret)
{
	struct str f = http_field(http_x_head(c->x), "Authorization"), left;
	struct buf plain = BUF_INIT(4096);
	struct err e = ERR_INIT;

	if (str_istarts(f, STR("Basic ")) &&
	    buf_add_unbase64(&plain, str_trim(str_skip(f, 6)), &e) == 0) {
		f = buf_str(&plain);
		if (str_cut(&f, ':', &left)) {
			buf_add_unpct(id, left, true, &e);
			buf_add_unpct(secret, f, true, &e);
		}
	}
	buf_burn(&plain);
}

/* The audience a v2 scope stands for: everything before "/.default". */
static bool audience_of(struct call *c, const struct buf *scope, struct buf *out)
{
	static const char *const known[] = {
		"https://management.azure.com/", "https://management.core.windows.net/",
	};
	struct str s = buf_str(scope);
	bool arm = false;

	s.n -= strlen("/.default");
	buf_addstr(out, s);
	if (out->n == 0 || out->str[out->n - 1] != '/')
		buf_addc(out, '/');
	for (size_t i = 0; i < 2; i++)
		arm = arm || strcmp(out->str, known[i]) == 0;
	return arm || str_starts(buf_str(out), str_of(c->m->base)) ||
	       str_starts(buf_str(out), str_of(c->base));
}

static int token(struct call *c, const char *tenant)
{
	struct buf form = BUF_INIT(64u << 10), id = BUF_INIT(256), secret = BUF_INIT(1024),
		   grant = BUF_INIT(256), scope = BUF_INIT(1024), aud = BUF_INIT(1024),
		   out = BUF_INIT(16u << 10);
	struct emu *m = c->m;
	char text[512];
	int rc = -1;

	/* forms are small: the caller has read the body already */
	buf_adds(&form, json_text(c->body, "form"));
	form_field(buf_str(&form), "grant_type", &grant);
	if (!form_field(buf_str(&form), "client_id", &id))
		basic_credentials(c, &id, &secret);
	else if (!form_field(buf_str(&form), "client_secret", &secret))
		basic_credentials(c, &aud, &secret);
	buf_reset(&aud);
	if (!is(tenant, m->tenant)) {
		snprintf(text, sizeof(text), "Tenant '%.80s' not found. Check to make sure you have the "
			 "correct tenant ID and are signing into the correct cloud. Check with your "
			 "subscription administrator, this may happen if there are no active "
			 "subscriptions for the tenant.", tenant);
		refuse_token(c, 400, "invalid_request", 90002, text);
	} else if (grant.n == 0) {
		refuse_token(c, 400, "invalid_request", 900144, "The request body must contain the "
			     "following parameter: 'grant_type'.");
	} else if (strcmp(grant.str, "client_credentials") != 0) {
		snprintf(text, sizeof(text), "The app requested an unsupported grant type '%.100s'.",
			 grant.str);
		refuse_token(c, 400, "unsupported_grant_type", 70003, text);
	} else if (!is(id.str, m->client)) {
		snprintf(text, sizeof(text), "Application with identifier '%.80s' was not found in the "
			 "directory 'Local Azure'. This can happen if the application has not been "
			 "installed by the administrator of the tenant or consented to by any user in "
			 "the tenant.", id.str);
		refuse_token(c, 400, "unauthorized_client", 700016, text);
	} else if (secret.n == 0) {
		refuse_token(c, 401, "invalid_client", 7000218, "The request body must contain the "
			     "following parameter: 'client_assertion' or 'client_secret'.");
	} else if (secret.n != strlen(m->secret) || !same_bytes(secret.str, m->secret, secret.n)) {
		snprintf(text, sizeof(text), "Invalid client secret provided. Ensure the secret being "
			 "sent in the request is the client secret value, not the client secret ID, for "
			 "a secret added to app '%s'.", m->client);
		refuse_token(c, 401, "invalid_client", 7000215, text);
	} else if (!form_field(buf_str(&form), "scope", &scope)) {
		refuse_token(c, 400, "invalid_request", 900144, "The request body must contain the "
			     "following parameter: 'scope'.");
	} else if (!str_ends(buf_str(&scope), STR("/.default"))) {
		snprintf(text, sizeof(text), "The provided value for scope %.100s is not valid. Client "
			 "credential flows must have a scope value with /.default suffixed to the "
			 "resource identifier (application ID URI).", scope.str);
		refuse_token(c, 400, "invalid_scope", 1002012, text);
	} else if (!audience_of(c, &scope, &aud)) {
		snprintf(text, sizeof(text), "The resource principal named %.100s was not found in the "
			 "tenant named Local Azure.", aud.str);
		refuse_token(c, 400, "invalid_resource", 500011, text);
	} else {
		make_token(m, aud.str, unix_time(), &out);
		call_answer(c, 200, json_fmt("{'token_type':'Bearer','expires_in':%d,"
			"'ext_expires_in':%d,'access_token':%s}", TOKEN_S, TOKEN_S, out.str));
		rc = 0;
	}
	buf_burn(&form);
	buf_release(&id);
	buf_burn(&secret);
	buf_release(&grant);
	buf_release(&scope);
	buf_release(&aud);
	buf_burn(&out);
	return rc;
}

static void configuration(struct call *c, const char *tenant)
{
	char base[400];

	snprintf(base, sizeof(base), "%s/%.60s", c->base, tenant);
#define AT(path) xasprintf("%s" path, base)
	{
		char *tok = AT("/oauth2/v2.0/token"), *dev = AT("/oauth2/v2.0/devicecode"),
		     *auth = AT("/oauth2/v2.0/authorize"), *iss = AT("/v2.0"),
		     *keys = AT("/discovery/v2.0/keys");

		call_answer(c, 200, json_fmt("{'token_endpoint':%s,"
			"'token_endpoint_auth_methods_supported':['client_secret_post',"
			"'client_secret_basic'],'jwks_uri':%s,'response_modes_supported':['query'],"
			"'subject_types_supported':['pairwise'],'response_types_supported':['code'],"
			"'id_token_signing_alg_values_supported':['RS256'],'scopes_supported':['openid'],"
			"'issuer':%s,'authorization_endpoint':%s,'device_authorization_endpoint':%s,"
			"'tenant_region_scope':'NA','cloud_instance_name':'microsoftonline.com'}",
			tok, keys, iss, auth, dev));
		free(tok);
		free(dev);
		free(auth);
		free(iss);
		free(keys);
	}
#undef AT
}

static void instances(struct call *c)
{
	char *where = xasprintf("%s/%s/v2.0/.well-known/openid-configuration", c->base, c->m->tenant);

	call_answer(c, 200, json_fmt("{'tenant_discovery_endpoint':%s,'api-version':'1.1',"
		"'metadata':[{'preferred_network':%s,'preferred_cache':%s,'aliases':[%s]}]}",
		where, c->host, c->host, c->host));
	free(where);
}

bool entra_handle(struct call *c)
{
	char **s = c->seg;

	if (is(s[1], "oauth2") && is(s[2], "v2.0") && is(s[3], "token") && s[4] == NULL) {
		if (c->method == POST)
			token(c, s[0]);
		else
			refuse_token(c, 405, "invalid_request", 900561,
				     "The endpoint only accepts POST requests. Received a GET request.");
		call_field(c, "Cache-Control: no-store, no-cache");
		return true;
	}
	if (is(s[1], "v2.0") && is(s[2], ".well-known") && is(s[3], "openid-configuration")) {
		configuration(c, s[0]);
		return true;
	}
	if (is(s[1], "discovery") && is(s[2], "instance")) {
		instances(c);
		return true;
	}
	return false;
}

/* ---- checking ---- */

static int unauthorized(struct call *c, const char *code, const char *error, const char *text)
{
	call_field(c, "WWW-Authenticate: Bearer authorization_uri=\"%s/%s\", error=\"%s\", "
		   "error_description=\"%s\"", c->base, c->m->tenant, error, text);
	c->gateway = true;
	return fault_code(&c->fault, 401, code, NULL, text);
}

int entra_check(struct call *c)
{
	struct str f = http_field(http_x_head(c->x), "Authorization"), text, claims, word;
	struct buf mac = BUF_INIT(64), json = BUF_INIT(8192);
	struct err e = ERR_INIT;
	ptrdiff_t dot;
	cJSON *doc = NULL;
	char when[32], now[32], message[200];
	int64_t exp;
	int rc = -1;

	if (f.p == NULL)
		return unauthorized(c, "AuthenticationFailed", "invalid_token", "Authentication failed. "
				    "The 'Authorization' header is missing.");
	if (!str_istarts(f, STR("Bearer ")))
		return unauthorized(c, "AuthenticationFailedInvalidHeader", "invalid_token",
				    "Authentication failed. The 'Authorization' header is provided in an "
				    "invalid format.");
	text = str_trim(str_skip(f, 7));
	dot = str_rchr(text, '.');
	claims = str_head(text, dot < 0 ? 0 : (size_t)dot);
	sign(c->m, claims, &mac);
	if (dot < 0 || !str_eq(buf_str(&mac), str_skip(text, (size_t)dot + 1)) ||
	    !str_cut(&claims, '.', &word) || buf_add_unbase64(&json, claims, &e) < 0 ||
	    (doc = json_parse(buf_str(&json), "token", &e)) == NULL) {
		unauthorized(c, "InvalidAuthenticationToken", "invalid_token",
			     "The access token is invalid.");
		goto out;
	}
	exp = json_int_opt(doc, "exp", 0);
	if (exp < unix_time()) {
		time_iso(exp, when);
		time_iso(unix_time(), now);
		snprintf(message, sizeof(message), "The access token expiry UTC time '%s' is earlier than "
			 "current UTC time '%s'.", when, now);
		unauthorized(c, "ExpiredAuthenticationToken", "invalid_token", message);
		goto out;
	}
	rc = 0;
out:
	json_free(doc);
	buf_release(&mac);
	buf_release(&json);
	return rc;
}
