/*
 * The blob endpoint: block blobs put in one go, read whole or in ranges, both
 * only with a shared access signature.  Blobs are files under DIR/blobs.
 *
 * String to sign, errors and headers: "Create a service SAS", "Create an
 * account SAS", "Put Blob", "Get Blob", "Prevent Shared Key authorization"
 * (learn.microsoft.com).
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/time.h"
#include "emulator/arm/storage.h"
#include "emulator/blob.h"
#include "emulator/delegation.h"
#include "emulator/entra_server.h"
#include "emulator/faults.h"
#include "emulator/inner.h"
#include "emulator/request.h"
#include "emulator/sas.h"
#include "emulator/store.h"
#include "http.h"

struct blob_request {
	struct emu *m;
	struct http_exchange *x;
	enum method method;
	struct buf path;  /* decoded, without the first '/' */
	const char *blob; /* into path; "" for a container */
	char *key;	  /* of the entry */
	struct entry *n; /* NULL: no such blob; not after the lock was let go */
	const char *detail; /* of a refusal */
	struct buf text;    /* what detail may point to */
	char account[40], container[80];
	char id[37];
	size_t n_fields;
	char *fields[16]; /* of the answer */
};

static __attribute__((format(printf, 2, 3))) void
reply_field(struct blob_request *r, const char *fmt, ...)
{
	struct buf b = BUF_INIT(HTTP_LINE_MAX);
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&b, fmt, ap);
	va_end(ap);
	r->fields[r->n_fields++] = buf_detach(&b);
}

/* Those of every answer. */
static const char *const *all_fields(struct blob_request *r)
{
	struct str version = http_field(http_x_head(r->x), "x-ms-version");
	char date[32];

	if (version.p == NULL)
		version = STR("2022-11-02");
	time_http(unix_time(), date);
	reply_field(r, "x-ms-request-id: %s", r->id);
	reply_field(r, "x-ms-version: %.*s", STR_ARG(str_head(version, 20)));
	reply_field(r, "Date: %s", date);
	return (const char *const *)r->fields;
}

static void reply(struct blob_request *r, unsigned status, struct str body)
{
	const char *const *fields = all_fields(r);

	/* a slow reader must not hold everybody up; nobody looks at an entry
	 * after an answer */
	pthread_mutex_unlock(&r->m->lock);
	http_x_answer(r->x, status, fields, body);
	pthread_mutex_lock(&r->m->lock);
}

static __attribute__((cold)) int deny(struct blob_request *r, unsigned status,
				      const char *code, const char *message)
{
	struct buf b = BUF_INIT(8192);
	char now[40];

	json_now(now);
	reply_field(r, "x-ms-error-code: %s", code);
	reply_field(r, "Content-Type: application/xml");
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
	reply(r, status, r->method == HEAD ? STR("") : buf_str(&b));
	buf_release(&b);
	return -1;
}

static int deny_auth(struct blob_request *r, const char *detail)
{
	r->detail = detail;
	return deny(r, 403, "AuthenticationFailed",
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
	return deny(r, 403, code, text);
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
		return deny(r, 403, "KeyBasedAuthenticationNotPermitted",
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
		rc = deny(r, 404, "ResourceNotFound",
			  "The specified resource does not exist.");
	else
		rc = deny(r, 409, "PublicAccessNotPermitted",
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
		reply_field(r,
			    "WWW-Authenticate: Bearer authorization_uri="
			    "%s/%s/oauth2/authorize resource_id="
			    "https://storage.azure.com",
			    r->m->base, r->m->tenant);
		deny(r, 401, "InvalidAuthenticationInfo",
		     "Server failed to authenticate the request. Please refer "
		     "to the information in the www-authenticate header.");
	} else if (rc < 0 || !delegation_answer(r->m, claims, buf_str(&asked),
						version, &out)) {
		deny(r, 400, "InvalidXmlNodeValue",
		     "The value for one of the XML nodes is not in the correct "
		     "format.");
	} else {
		reply_field(r, "Content-Type: application/xml");
		reply(r, 200, buf_str(&out));
	}
	free(audience);
	buf_release(&asked);
	buf_burn(&out);
}

/* ---- blobs ---- */

static char *blob_path(struct emu *m, const struct entry *n)
{
	return xasprintf("%s/blobs/%s", m->dir, json_text(n->doc, "file"));
}

/* The entry and its file. */
static void blob_remove(struct emu *m, struct entry *n)
{
	char *path = blob_path(m, n);

	unlink(path);
	free(path);
	store_remove(m, n);
}

void blob_forget(struct emu *m, const char *account, const char *container)
{
	char *prefix = container == NULL ?
			       xasprintf("blob:%s/", account) :
			       xasprintf("blob:%s/%s/", account, container);
	struct entry *n;

	while ((n = store_next(m, NULL, prefix)) != NULL)
		blob_remove(m, n);
	free(prefix);
}

/* The body into a file of its own name; the lock is not held. */
static int receive(struct blob_request *r, const char *path, uint64_t *size,
		   struct err *e)
{
	char piece[16384];
	ssize_t n = 0;
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	*size = 0;
	if (fd < 0)
		return err_sys(e, ERR_IO, "%s", path);
	while ((n = http_x_read(r->x, piece, sizeof(piece), e)) > 0) {
		*size += (uint64_t)n;
		if (*size > BLOB_MAX || write(fd, piece, (size_t)n) != n) {
			n = err_set(e, ERR_IO, "%s: cannot write", path);
			break;
		}
	}
	close(fd);
	return n < 0 ? -1 : 0;
}

static void stamp(struct blob_request *r, const cJSON *doc)
{
	char date[32];

	time_http(json_int_opt(doc, "modified", 0), date);
	reply_field(r, "ETag: %s", json_text(doc, "etag"));
	reply_field(r, "Last-Modified: %s", date);
}

/* May this be put?  -1: it was refused. */
static int check_put(struct blob_request *r)
{
	const struct http_head *h = http_x_head(r->x);
	struct str kind = http_field(h, "x-ms-blob-type");

	if (http_field(h, "Content-Length").p == NULL)
		return deny(r, 411, "MissingContentLengthHeader",
			    "Content-Length HTTP header is missing.");
	if (kind.p == NULL)
		return deny(r, 400, "MissingRequiredHeader",
			    "An HTTP header that's mandatory for this "
			    "request is not specified.");
	if (!str_ieq(kind, STR("BlockBlob")))
		return deny(r, 400, "InvalidHeaderValue",
			    "The value for one of the HTTP headers is not "
			    "in the correct format.");
	if (r->n != NULL && str_eqz(http_field(h, "If-None-Match"), "*"))
		return deny(r, 409, "BlobAlreadyExists",
			    "The specified blob already exists.");
	return 0;
}

/* The entry of what was received into that file; another one that was there goes. */
static void keep_blob(struct blob_request *r, const char *file, uint64_t size)
{
	const struct http_head *h = http_x_head(r->x);
	struct str given = http_field(h, "x-ms-blob-content-type");
	char *type;

	if (given.p == NULL)
		given = http_field(h, "Content-Type");
	type = str_dup(given.p != NULL ? given : STR("application/octet-stream"));
	if ((r->n = store_find(r->m, r->key)) != NULL)
		blob_remove(r->m, r->n);
	r->n = store_add(r->m, r->key,
			 json_fmt("{'file':%s,'size':%l,'etag':'\\\"0x8D%s\\\"',"
				  "'modified':%l,'type':%s}",
				  file, (int64_t)size, file + 24, unix_time(),
				  type),
			 NULL);
	free(type);
}

static void put_blob(struct blob_request *r)
{
	char *dir, *path, file[37];
	struct err e = ERR_INIT;
	uint64_t size = 0;
	int rc;

	if (check_put(r) < 0)
		return;
	random_guid(file);
	dir = xasprintf("%s/blobs", r->m->dir);
	path = xasprintf("%s/%s", dir, file);
	pthread_mutex_unlock(&r->m->lock);
	rc = dir_make(dir, 0700, &e);
	if (rc == 0)
		rc = receive(r, path, &size, &e);
	pthread_mutex_lock(&r->m->lock);
	if (rc < 0) {
		unlink(path);
		emu_log(r->m, "blob: %s", e.msg);
		http_x_abort(r->x);
	} else {
		keep_blob(r, file, size);
		stamp(r, r->n->doc);
		reply_field(r, "x-ms-request-server-encrypted: true");
		reply(r, 201, STR(""));
	}
	free(dir);
	free(path);
}

/* "bytes=A-B", "bytes=A-"; false: no range, or one that is ignored. */
static bool range_of(const struct http_head *h, uint64_t size, uint64_t *from,
		     uint64_t *to, bool *bad)
{
	struct str s = http_field(h, "x-ms-range");

	*bad = false;
	if (s.p == NULL)
		s = http_field(h, "Range");
	if (!str_istarts(s, STR("bytes=")))
		return false;
	s = str_skip(s, 6);
	*to = size - 1;
	if (!str_dec(&s, INT64_MAX, from) || s.n == 0 || *s.p != '-')
		return false;
	s = str_skip(s, 1);
	if (s.n > 0 && (!str_num(s, INT64_MAX, to) || *to < *from))
		return false;
	if (*to >= size)
		*to = size - 1;
	*bad = *from >= size;
	return true;
}

/* From the file; the lock is not held. */
static void send_piece(struct blob_request *r, unsigned status,
		       const char *path, uint64_t from, uint64_t left)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char piece[16384];
	struct err e = ERR_INIT;
	ssize_t k = 1;

	if (http_x_begin(r->x, status, all_fields(r), left, &e) < 0)
		goto out;
	if (r->method == HEAD)
		left = 0;
	for (; left > 0 && k > 0; left -= (uint64_t)k, from += (uint64_t)k) {
		k = pread(fd, piece,
			  left < sizeof(piece) ? (size_t)left : sizeof(piece),
			  (off_t)from);
		if (k <= 0 ||
		    http_x_send(r->x, (struct str){ piece, (size_t)k }, &e) < 0)
			break;
	}
	if (left == 0)
		http_x_end(r->x, &e);
	else
		http_x_abort(r->x);
out:
	if (fd >= 0)
		close(fd);
}

static void get_blob(struct blob_request *r)
{
	uint64_t size, from = 0, to, left;
	bool bad, part;
	char *path;

	if (r->n == NULL) {
		deny(r, 404, "BlobNotFound", "The specified blob does not exist.");
		return;
	}
	left = size = (uint64_t)json_int_opt(r->n->doc, "size", 0);
	part = size > 0 && range_of(http_x_head(r->x), size, &from, &to, &bad);
	if (part && bad) {
		deny(r, 416, "InvalidRange",
		     "The range specified is invalid for the current size of the "
		     "resource.");
		return;
	}
	if (part) {
		left = to - from + 1;
		reply_field(r, "Content-Range: bytes %llu-%llu/%llu",
			    (unsigned long long)from, (unsigned long long)to,
			    (unsigned long long)size);
	} else {
		from = 0;
	}
	stamp(r, r->n->doc);
	reply_field(r, "Content-Type: %.150s", json_text(r->n->doc, "type"));
	reply_field(r, "x-ms-blob-type: BlockBlob");
	reply_field(r, "Accept-Ranges: bytes");
	reply_field(r, "x-ms-server-encrypted: true");
	path = blob_path(r->m, r->n);
	pthread_mutex_unlock(&r->m->lock);
	send_piece(r, part ? 206 : 200, path, from, left);
	pthread_mutex_lock(&r->m->lock);
	free(path);
}

static void delete_blob(struct blob_request *r)
{
	if (r->n == NULL) {
		deny(r, 404, "BlobNotFound", "The specified blob does not exist.");
		return;
	}
	blob_remove(r->m, r->n);
	reply_field(r, "x-ms-delete-type-permanent: true");
	reply(r, 202, STR(""));
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

static void blob_serve(struct blob_request *r)
{
	struct entry *account = storage_account(r->m, r->account);
	const char *want = r->method == PUT    ? "cw" :
			   r->method == DELETE ? "d" :
						 "r";
	size_t n = strcspn(r->path.str, "/");

	snprintf(r->container, sizeof(r->container), "%.*s", (int)n, r->path.str);
	r->blob = r->path.str + n + (r->path.str[n] == '/');
	r->key = xasprintf("blob:%s/%s/%s", r->account, r->container, r->blob);
	r->n = store_find(r->m, r->key);
	if (account == NULL)
		deny(r, 400, "InvalidUri",
		     "The requested URI does not represent any resource on the server.");
	else if (asks_key(r))
		give_key(r);
	else if (r->blob[0] == '\0' || !(r->method == GET || r->method == HEAD ||
					 r->method == PUT || r->method == DELETE))
		deny(r, 405, "UnsupportedHttpVerb",
		     "The resource doesn't support specified Http Verb.");
	else if (check_access(r, account, want) < 0)
		return;
	else if (!has_container(r->m, account, r->container))
		deny(r, 404, "ContainerNotFound",
		     "The specified container does not exist.");
	else if (r->method == PUT)
		put_blob(r);
	else if (r->method == DELETE)
		delete_blob(r);
	else
		get_blob(r);
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
		deny(&r, (unsigned)json_int_opt(rule, "status", 503),
		     json_str_opt(rule, "code", "ServerBusy"),
		     json_str_opt(
			     rule, "message",
			     "The server is currently unable to receive requests."));
	else if (buf_add_unpct(&r.path, str_skip(http_x_path(x), 1), false, &e) <
			 0 ||
		 r.path.over)
		deny(&r, 400, "InvalidUri",
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
