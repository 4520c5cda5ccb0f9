/*
 * Entra ID: tokens for a service principal, and the check of a bearer token.
 * A token looks like Entra's (a JWT) and is signed with a key of our own, so
 * that nothing has to be remembered for it to be checked.
 */
#include <stdlib.h>

#include "emulator/inner.h"

#define TOKEN_S 3599

static __attribute__((format(printf, 5, 6), cold))
void refuse_token(struct call *c, unsigned status, const char *error, int code, const char *fmt, ...)
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
	call_answer(c, status, json_fmt("{'error':%s,'error_description':'%s Trace ID: %s Correlation ID: %s "
		"Timestamp: %s','error_codes':[%d],'timestamp':%s,'trace_id':%s,'correlation_id':%s,"
		"'error_uri':'%s/error?code=%d'}", error, b.str, trace, corr, now, code, now, trace, corr,
		c->m->base, code));
	buf_release(&b);
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
	struct buf claims = BUF_INIT(8192), mac = BUF_INIT(64);
	cJSON *doc;

	doc = json_fmt("{'aud':%s,'iss':'%s/%s/v2.0','iat':%l,'nbf':%l,'exp':%l,'appid':%s,'appidacr':'1',"
		       "'idp':'%s/%s/v2.0','idtyp':'app','oid':%s,'sub':%s,'tid':%s,'uti':%U,'ver':'1.0',"
		       "'xms_tcdt':'1640000000'}", audience, m->base, m->tenant, now, now - 300,
		       now + TOKEN_S + 1, m->client, m->base, m->tenant, m->object, m->object, m->tenant);
	json_print(doc, &claims);
	buf_add_base64url(out, header, sizeof(header) - 1);
	buf_addc(out, '.');
	buf_add_base64url(out, claims.str, claims.n);
	sign(m, buf_str(out), &mac);
	buf_addc(out, '.');
	buf_addstr(out, buf_str(&mac));
	json_free(doc);
	buf_release(&mac);
	buf_release(&claims);
}

/* What was percent-encoded; NULL when it was not.  Caller frees. */
static char *decoded(struct str s)
{
	struct buf b = BUF_INIT(1024);
	struct err e = ERR_INIT;

	if (buf_add_unpct(&b, s, true, &e) == 0 && !b.over)
		return buf_detach(&b);
	buf_burn(&b);
	return NULL;
}

/* One field of a form; NULL when it is absent or badly escaped. */
static char *form_field(const char *form, const char *name)
{
	struct str rest = str_of(form), pair, key;

	while (str_next(&rest, '&', &pair))
		if (str_cut(&pair, '=', &key) && str_eqz(key, name))
			return decoded(pair);
	return NULL;
}

/* "Basic base64(id:secret)", both percent-encoded (RFC 6749 2.3.1). */
static void basic_credentials(struct call *c, char **id, char **secret)
{
	struct str f = http_field(http_x_head(c->x), "Authorization"), left;
	struct buf plain = BUF_INIT(4096);
	struct err e = ERR_INIT;

	if (str_istarts(f, STR("Basic ")) &&
	    buf_add_unbase64(&plain, str_trim(str_skip(f, 6)), &e) == 0) {
		f = buf_str(&plain);
		if (str_cut(&f, ':', &left)) {
			if (*id == NULL)
				*id = decoded(left);
			*secret = decoded(f);
		}
	}
	buf_burn(&plain);
}

/* The audience a v2 scope stands for: everything before "/.default".  Whether
 * there is such a resource. */
static bool audience_of(struct call *c, char *scope)
{
	size_t n = strlen(scope) - strlen(".default");
	struct str s;

	scope[n] = '\0';
	if (n > 1 && scope[n - 2] == '/')
		scope[n - 1] = '\0';		/* it had one of its own */
	s = str_of(scope);
	return listed("https://management.azure.com/ https://management.core.windows.net/", scope) ||
	       str_starts(s, str_of(c->m->base)) || str_starts(s, str_of(c->base));
}

static int token(struct call *c, const char *tenant)
{
	const char *form = json_text(c->body, "form");
	char *id = form_field(form, "client_id"), *secret = form_field(form, "client_secret");
	char *grant = form_field(form, "grant_type"), *scope = form_field(form, "scope");
	struct buf out = BUF_INIT(16u << 10);
	struct emu *m = c->m;
	int rc = -1;

	if (secret == NULL)
		basic_credentials(c, &id, &secret);
	if (!is(tenant, m->tenant)) {
		refuse_token(c, 400, "invalid_request", 90002, "Tenant '%.80s' not found. Check to make sure "
			     "you have the correct tenant ID and are signing into the correct cloud.", tenant);
	} else if (grant == NULL || scope == NULL) {
		refuse_token(c, 400, "invalid_request", 900144, "The request body must contain the "
			     "following parameter: '%s'.", grant == NULL ? "grant_type" : "scope");
	} else if (strcmp(grant, "client_credentials") != 0) {
		refuse_token(c, 400, "unsupported_grant_type", 70003, "The app requested an unsupported grant "
			     "type '%.100s'.", grant);
	} else if (!is(id, m->client)) {
		refuse_token(c, 400, "unauthorized_client", 700016, "Application with identifier '%.80s' was "
			     "not found in the directory 'Local Azure'.", id != NULL ? id : "");
	} else if (secret == NULL) {
		refuse_token(c, 401, "invalid_client", 7000218, "The request body must contain the "
			     "following parameter: 'client_assertion' or 'client_secret'.");
	} else if (strlen(secret) != strlen(m->secret) || !same_bytes(secret, m->secret, strlen(secret))) {
		refuse_token(c, 401, "invalid_client", 7000215, "Invalid client secret provided. Ensure the "
			     "secret being sent in the request is the client secret value, not the client "
			     "secret ID, for a secret added to app '%s'.", m->client);
	} else if (!str_ends(str_of(scope), STR("/.default"))) {
		refuse_token(c, 400, "invalid_scope", 1002012, "The provided value for scope %.100s is not "
			     "valid. Client credential flows must have a scope value with /.default suffixed "
			     "to the resource identifier (application ID URI).", scope);
	} else if (!audience_of(c, scope)) {
		refuse_token(c, 400, "invalid_resource", 500011, "The resource principal named %.100s was not "
			     "found in the tenant named Local Azure.", scope);
	} else {
		make_token(m, scope, unix_time(), &out);
		call_answer(c, 200, json_fmt("{'token_type':'Bearer','expires_in':%d,"
			"'ext_expires_in':%d,'access_token':%s}", TOKEN_S, TOKEN_S, out.str));
		rc = 0;
	}
	free(id);
	burn_str(secret);
	free(grant);
	free(scope);
	buf_burn(&out);
	return rc;
}

static void configuration(struct call *c, const char *tenant)
{
	char *b = xasprintf("%s/%.60s", c->base, tenant);

	call_answer(c, 200, json_fmt("{'token_endpoint':'%s/oauth2/v2.0/token',"
		"'token_endpoint_auth_methods_supported':['client_secret_post',"
		"'client_secret_basic'],'jwks_uri':'%s/discovery/v2.0/keys','response_modes_supported':['query'],"
		"'subject_types_supported':['pairwise'],'response_types_supported':['code'],"
		"'id_token_signing_alg_values_supported':['RS256'],'scopes_supported':['openid'],"
		"'issuer':'%s/v2.0','authorization_endpoint':'%s/oauth2/v2.0/authorize',"
		"'device_authorization_endpoint':'%s/oauth2/v2.0/devicecode',"
		"'tenant_region_scope':'NA','cloud_instance_name':'microsoftonline.com'}", b, b, b, b, b));
	free(b);
}

static void instances(struct call *c)
{
	call_answer(c, 200, json_fmt("{'tenant_discovery_endpoint':'%s/%s/v2.0/.well-known/"
		"openid-configuration','api-version':'1.1','metadata':[{'preferred_network':%s,"
		"'preferred_cache':%s,'aliases':[%s]}]}", c->base, c->m->tenant, c->host, c->host, c->host));
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

static int unauthorized(struct call *c, const char *code, const char *text)
{
	call_field(c, "WWW-Authenticate: Bearer authorization_uri=\"%s/%s\", error=\"invalid_token\", "
		   "error_description=\"%s\"", c->base, c->m->tenant, text);
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
	char when[32], now[32], *message;
	int64_t exp;
	int rc = 0;

	if (f.p == NULL)
		return unauthorized(c, "AuthenticationFailed", "Authentication failed. "
				    "The 'Authorization' header is missing.");
	if (!str_istarts(f, STR("Bearer ")))
		return unauthorized(c, "AuthenticationFailedInvalidHeader", "Authentication failed. The "
				    "'Authorization' header is provided in an invalid format.");
	text = str_trim(str_skip(f, 7));
	dot = str_rchr(text, '.');
	claims = str_head(text, dot < 0 ? 0 : (size_t)dot);
	sign(c->m, claims, &mac);
	if (dot >= 0 && str_eq(buf_str(&mac), str_skip(text, (size_t)dot + 1)) &&
	    str_cut(&claims, '.', &word) && buf_add_unbase64(&json, claims, &e) == 0)
		doc = json_parse(buf_str(&json), "token", &e);
	exp = json_int_opt(doc, "exp", 0);
	if (doc == NULL) {
		rc = unauthorized(c, "InvalidAuthenticationToken", "The access token is invalid.");
	} else if (exp < unix_time()) {
		time_iso(exp, when);
		time_iso(unix_time(), now);
		message = xasprintf("The access token expiry UTC time '%s' is earlier than current UTC time "
				    "'%s'.", when, now);
		rc = unauthorized(c, "ExpiredAuthenticationToken", message);
		free(message);
	}
	json_free(doc);
	buf_release(&mac);
	buf_release(&json);
	return rc;
}
