/*
 * The blob endpoint: who may do what, and where it is done (emulator/blob/).
 * Everything needs a shared access signature.  Blobs are files under DIR/blobs.
 *
 * String to sign, errors and headers: "Create a service SAS", "Create an
 * account SAS", "Status and error codes", "Prevent Shared Key authorization"
 * (learn.microsoft.com).
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/time.h"
#include "emulator/arm/storage.h"
#include "emulator/blob.h"
#include "emulator/blob/inner.h"
#include "emulator/delegation.h"
#include "emulator/entra_server.h"
#include "emulator/faults.h"
#include "emulator/jsonf.h"
#include "emulator/sas.h"
#include "http.h"

void blob_field(struct blob_request *r, const char *fmt, ...)
{
	struct buf b = BUF_INIT(HTTP_LINE_MAX);
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&b, fmt, ap);
	va_end(ap);
	if (r->n_fields < sizeof(r->fields) / sizeof(r->fields[0]) - 1)
		r->fields[r->n_fields++] = buf_detach(&b);
	buf_release(&b);
}

char *blob_header(struct blob_request *r, const char *name)
{
	return str_dup(str_trim(http_field(http_x_head(r->x), name)));
}

char *blob_param(struct blob_request *r, const char *name)
{
	struct buf b = BUF_INIT(4096);

	if (!http_x_param(r->x, name, &b) || b.over)
		buf_reset(&b);
	return buf_detach(&b);
}

bool blob_holds(const struct entry *n)
{
	return json_get(n->doc, "kind") != NULL ||
	       json_get(n->doc, "file") != NULL; /* before kinds were noted */
}

bool blob_there(const struct blob_request *r)
{
	return r->n != NULL && blob_holds(r->n);
}

/* Those of every answer. */
static const char *const *all_fields(struct blob_request *r)
{
	struct str version = http_field(http_x_head(r->x), "x-ms-version");
	char date[32];

	if (version.p == NULL)
		version = STR("2022-11-02");
	time_http(unix_time(), date);
	blob_field(r, "x-ms-request-id: %s", r->id);
	blob_field(r, "x-ms-version: %.*s", STR_ARG(str_head(version, 20)));
	blob_field(r, "Date: %s", date);
	return (const char *const *)r->fields;
}

void blob_reply(struct blob_request *r, unsigned status, struct str body)
{
	const char *const *fields = all_fields(r);

	/* a slow reader must not hold everybody up; nobody looks at an entry
	 * after an answer */
	pthread_mutex_unlock(&r->m->lock);
	http_x_answer(r->x, status, fields, body);
	pthread_mutex_lock(&r->m->lock);
}

void blob_begin(struct blob_request *r, unsigned status, uint64_t length)
{
	const char *const *fields = all_fields(r);
	struct err e = ERR_INIT;

	pthread_mutex_unlock(&r->m->lock);
	http_x_begin(r->x, status, fields, length, &e);
}

int blob_deny(struct blob_request *r, unsigned status, const char *code,
	      const char *message)
{
	struct buf b = BUF_INIT(8192);
	char now[40];

	json_now(now);
	blob_field(r, "x-ms-error-code: %s", code);
	blob_field(r, "Content-Type: application/xml");
	buf_addf(&b,
		 "\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>%s</Code>"
		 "<Message>%s\nRequestId:%s\nTime:%s</Message>",
		 code, message, r->id, now);
	if (r->detail != NULL) {
		buf_adds(&b, "<AuthenticationErrorDetail>");
		for (const char *p = r->detail; *p != '\0'; p++) {
			if (*p == '<')
				buf_adds(&b, "&lt;");
			else if (*p == '&')
				buf_adds(&b, "&amp;");
			else
				buf_addc(&b, *p);
		}
		buf_adds(&b, "</AuthenticationErrorDetail>");
	}
	buf_adds(&b, "</Error>");
	blob_reply(r, status, r->method == HEAD ? STR("") : buf_str(&b));
	buf_release(&b);
	return -1;
}

static int deny_auth(struct blob_request *r, const char *detail)
{
	r->detail = detail;
	return blob_deny(
		r, 403, "AuthenticationFailed",
		"Server failed to authenticate the request. Make sure the "
		"value of Authorization header is formed correctly including the signature.");
}

/* ---- signatures ---- */

/* The fields of the signature in the query. */
static cJSON *sas_read(struct blob_request *r)
{
	struct str rest = STR(
			   "sv ss srt sr st se sp sip spr si ses sig rscc rscd rsce rscl rsct "
			   "skoid sktid skt ske sks skv saoid suoid scid skdutid sduoid"),
		   word;
	cJSON *sas = cJSON_CreateObject();
	char name[8];

	while (str_next(&rest, ' ', &word)) {
		struct buf b = BUF_INIT(1024);

		snprintf(name, sizeof(name), "%.*s", STR_ARG(word));
		if (http_x_param(r->x, name, &b) && b.n > 0)
			json_add_str(sas, name, b.str);
		buf_burn(&b);
	}
	return sas;
}

static int check_signature(struct blob_request *r, const cJSON *s,
			   const struct entry *account)
{
	const char *given = json_text(s, "sig");
	bool blob = strcmp(json_text(s, "sr"), "b") == 0, same = false;
	bool delegated = json_get(s, "skoid") != NULL;
	struct buf text = BUF_INIT(16384), sig = BUF_INIT(64),
		   key = BUF_INIT(256);
	char *resource = xasprintf("/blob/%s/%s%s%s", r->account, r->container,
				   blob ? "/" : "", blob ? r->blob : "");

	sas_text(s, r->account, resource, &text);
	for (int i = 1; i <= 2 && !same; i++) {
		buf_reset(&sig);
		buf_reset(&key);
		if (delegated)
			delegation_key(r->m, s, &key);
		else
			buf_adds(&key,
				 json_text(json_get(account->hide,
						    i == 1 ? "key1" : "key2"),
					   "value"));
		sas_sign(key.str, buf_str(&text), &sig);
		same = sig.n == strlen(given) &&
		       same_bytes(sig.str, given, sig.n);
	}
	buf_addf(&r->text, "Signature did not match. String to sign used was %s",
		 text.str);
	free(resource);
	buf_release(&text);
	buf_burn(&sig);
	buf_burn(&key);
	return same ? 0 : deny_auth(r, r->text.str);
}

/* YYYY-MM-DD, with Thh:mmZ, or with Thh:mm:ssZ. */
static bool sas_time(const char *z, int64_t *t)
{
	size_t n = strlen(z);
	char s[64];

	snprintf(s, sizeof(s), "%.40s%s", z, n == 10 ? "T00:00:00Z" : "");
	if (n == 17 && s[16] == 'Z')
		memcpy(s + 16, ":00Z", 5);
	return time_parse_iso(str_of(s), t);
}

static int check_times(struct blob_request *r, const cJSON *s)
{
	int64_t t, now = unix_time();
	char a[32], b[32];

	if (!sas_time(json_text(s, "se"), &t))
		return deny_auth(
			r, "Signed expiry time is missing or not well formed.");
	if (t < now) {
		time_http(now, a);
		time_http(t, b);
		buf_addf(&r->text,
			 "Signed expiry time [%s] must be after signed current time [%s]",
			 b, a);
		return deny_auth(r, r->text.str);
	}
	if (json_get(s, "st") != NULL &&
	    (!sas_time(json_text(s, "st"), &t) || t > now))
		return deny_auth(r, "Signature not valid in the specified time frame: it begins in "
				    "the future.");
	return 0;
}

static int not_authorized(struct blob_request *r, const char *code,
			  const char *what)
{
	char text[128];

	snprintf(text, sizeof(text),
		 "This request is not authorized to perform this operation using this %s.",
		 what);
	return blob_deny(r, 403, code, text);
}

static int check_sas(struct blob_request *r, const struct entry *account,
		     const cJSON *s, const char *want)
{
	bool all = json_get(s, "ss") != NULL;

	if (strlen(json_text(s, "sv")) != 10 ||
	    (!all && !str_listed("b c", json_text(s, "sr"))))
		return deny_auth(r, "sv or sr is missing or not known.");
	if (json_get(s, "skoid") == NULL &&
	    !json_bool_opt(account->doc, "properties.allowSharedKeyAccess", true))
		return blob_deny(r, 403, "KeyBasedAuthenticationNotPermitted",
				 "Key based authentication is not permitted on this "
				 "storage account.");
	if (check_signature(r, s, account) < 0)
		return -1;
	buf_reset(&r->text);
	if (check_times(r, s) < 0)
		return -1;
	if (json_get(s, "skoid") != NULL && delegation_wrong(s) != NULL)
		return deny_auth(r, delegation_wrong(s));
	if (all && strchr(json_text(s, "ss"), 'b') == NULL)
		return not_authorized(r, "AuthorizationServiceMismatch",
				      "service");
	if (all &&
	    strchr(json_text(s, "srt"), r->blob[0] != '\0' ? 'o' : 'c') == NULL)
		return not_authorized(r, "AuthorizationResourceTypeMismatch",
				      "resource type");
	if (strpbrk(json_text(s, "sp"), want) == NULL)
		return not_authorized(r, "AuthorizationPermissionMismatch",
				      "permission");
	r->new_only = strchr(json_text(s, "sp"), 'w') == NULL;
	return 0;
}

/* What the caller may do.  want: permission letters, any of them will do. */
static int check_access(struct blob_request *r, const struct entry *account,
			const char *want)
{
	cJSON *s = sas_read(r);
	int rc;

	if (json_get(s, "sig") != NULL)
		rc = check_sas(r, account, s, want);
	else if (http_field(http_x_head(r->x), "Authorization").p != NULL)
		rc = deny_auth(
			r,
			"Only shared access signatures are known to the local Azure.");
	else if (json_bool_opt(account->doc, "properties.allowBlobPublicAccess",
			       false))
		rc = blob_deny(r, 404, "ResourceNotFound",
			       "The specified resource does not exist.");
	else
		rc = blob_deny(
			r, 409, "PublicAccessNotPermitted",
			"Public access is not permitted on this storage account.");
	json_burn(s);
	return rc;
}

/* ---- keys of those whom Entra knows ---- */

static bool asks_key(struct blob_request *r)
{
	struct buf type = BUF_INIT(64), comp = BUF_INIT(64);
	bool asks = r->method == POST && r->path.n == 0 &&
		    http_x_param(r->x, "restype", &type) &&
		    http_x_param(r->x, "comp", &comp) &&
		    str_is(type.str, "service") &&
		    str_is(comp.str, "userdelegationkey");

	buf_release(&type);
	buf_release(&comp);
	return asks;
}

static void give_key(struct blob_request *r)
{
	struct str version = http_field(http_x_head(r->x), "x-ms-version");
	struct buf asked = BUF_INIT(4096), out = BUF_INIT(4096);
	const cJSON *claims;
	struct err e = ERR_INIT;
	char *audience = xasprintf("https://%s.blob.core.windows.net", r->account);
	int rc;

	pthread_mutex_unlock(&r->m->lock);
	rc = http_x_body(r->x, &asked, &e);
	pthread_mutex_lock(&r->m->lock);
	claims = entra_server_token(r->m, r->x);
	if (claims == NULL || (!str_is(json_text(claims, "aud"), audience) &&
			       !str_listed("https://storage.azure.com "
					   "https://storage.azure.com/",
					   json_text(claims, "aud")))) {
		blob_field(r,
			   "WWW-Authenticate: Bearer authorization_uri="
			   "%s/%s/oauth2/authorize resource_id="
			   "https://storage.azure.com",
			   r->m->base, r->m->tenant);
		blob_deny(r, 401, "InvalidAuthenticationInfo",
			  "Server failed to authenticate the request. Please refer "
			  "to the information in the www-authenticate header.");
	} else if (rc < 0 || !delegation_answer(r->m, claims, buf_str(&asked),
						version, &out)) {
		blob_deny(r, 400, "InvalidXmlNodeValue",
			  "The value for one of the XML nodes is not in the correct "
			  "format.");
	} else {
		blob_field(r, "Content-Type: application/xml");
		blob_reply(r, 200, buf_str(&out));
	}
	free(audience);
	buf_release(&asked);
	buf_burn(&out);
}

static bool has_container(struct emu *m, const struct entry *account,
			  const char *name)
{
	struct entry *n = NULL;
	char *prefix = xasprintf("%s/blobservices/default/containers/",
				 account->key);

	while ((n = store_below(m, n, prefix, name)) != NULL &&
	       strlen(n->key) != strlen(prefix) + strlen(name))
		;
	free(prefix);
	return n != NULL;
}

/* What is done to a blob, by method and "comp"; GET stands for HEAD, too. */
static const struct blob_op {
	enum method method;
	const char *comp;
	const char *want; /* permissions, of which one is needed */
	void (*serve)(struct blob_request *r);
} ops[] = {
	{ GET, "", "r", blob_get },
	{ PUT, "", "cw", blob_put },
	{ DELETE, "", "d", blob_delete },
	{ GET, "metadata", "r", blob_metadata },
	{ PUT, "metadata", "w", blob_metadata },
	{ PUT, "properties", "w", blob_properties },
	{ PUT, "block", "w", blob_put_block },
	{ PUT, "blocklist", "w", blob_put_list },
	{ GET, "blocklist", "r", blob_get_list },
	{ PUT, "appendblock", "aw", blob_append },
	{ PUT, "lease", "w", blob_lease },
}, container_ops[] = {
	{ GET, "list", "l", blob_list },
};

/* NULL: there is no such. */
static const struct blob_op *op_of(const struct blob_request *r)
{
	const struct blob_op *ops_of = r->blob[0] != '\0' ? ops : container_ops;
	size_t n = r->blob[0] != '\0' ? sizeof(ops) / sizeof(ops[0]) :
					sizeof(container_ops) / sizeof(ops[0]);
	enum method method = r->method == HEAD ? GET : r->method;

	for (size_t i = 0; i < n; i++)
		if (ops_of[i].method == method && str_is(ops_of[i].comp, r->op))
			return &ops_of[i];
	return NULL;
}

static void blob_serve(struct blob_request *r)
{
	struct entry *account = storage_account(r->m, r->account);
	size_t n = strcspn(r->path.str, "/");
	char *comp = blob_param(r, "comp"),
	     *action = blob_header(r, "x-ms-lease-action");
	const struct blob_op *op;

	snprintf(r->op, sizeof(r->op), "%s", comp);
	snprintf(r->container, sizeof(r->container), "%.*s", (int)n, r->path.str);
	r->blob = r->path.str + n + (r->path.str[n] == '/');
	r->key = xasprintf("blob:%s/%s/%s", r->account, r->container, r->blob);
	r->n = store_find(r->m, r->key);
	op = op_of(r);
	if (account == NULL)
		blob_deny(r, 400, "InvalidUri",
			  "The requested URI does not represent any resource on the server.");
	else if (asks_key(r))
		give_key(r);
	else if (op == NULL)
		blob_deny(r, 405, "UnsupportedHttpVerb",
			  "The resource doesn't support specified Http Verb.");
	else if (check_access(r, account,
			      op->serve == blob_lease &&
					      str_ieqz(str_of(action), "break") ?
				      "wd" :
				      op->want) < 0)
		;
	else if (!has_container(r->m, account, r->container))
		blob_deny(r, 404, "ContainerNotFound",
			  "The specified container does not exist.");
	else
		op->serve(r);
	free(comp);
	free(action);
}

void blob_handle(struct emu *m, struct http_exchange *x, struct str account)
{
	struct blob_request r = { .m = m,
				  .x = x,
				  .path = BUF_INIT(2048),
				  .text = BUF_INIT(32768) };
	const struct http_head *h = http_x_head(x);
	cJSON *rule = faults_request(m, h);
	struct err e = ERR_INIT;

	r.method = request_method(h);
	random_guid(r.id);
	snprintf(r.account, sizeof(r.account), "%.*s",
		 STR_ARG(str_head(account, 39)));
	bool sent = faults_send(m, x, rule);

	pthread_mutex_lock(&m->lock);
	if (sent)
		;
	else if (json_get(rule, "status") != NULL)
		blob_deny(&r, (unsigned)json_int_opt(rule, "status", 503),
			  json_str_opt(rule, "code", "ServerBusy"),
			  json_str_opt(
				  rule, "message",
				  "The server is currently unable to receive requests."));
	else if (buf_add_unpct(&r.path, str_skip(http_x_path(x), 1), false, &e) <
			 0 ||
		 r.path.over)
		blob_deny(&r, 400, "InvalidUri",
			  "The requested URI does not represent any resource on the server.");
	else
		blob_serve(&r);
	pthread_mutex_unlock(&m->lock);
	emu_log(m, "blob %.*s %s", STR_ARG(h->method),
		r.key != NULL ? r.key : r.account);
	json_free(rule);
	buf_release(&r.path);
	buf_release(&r.text);
	for (size_t i = 0; i < r.n_fields; i++)
		free(r.fields[i]);
	free(r.key);
}
