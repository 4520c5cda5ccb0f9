/*
 * The blob endpoint: block blobs put in one go, read whole or in ranges, both
 * only with a shared access signature.  Blobs are files under DIR/blobs.
 *
 * String to sign, errors and headers: "Create a service SAS", "Create an
 * account SAS", "Put Blob", "Get Blob" (learn.microsoft.com).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "emulator/inner.h"

struct request {
	struct emu *m;
	struct http_exchange *x;
	const char *method;
	struct buf path;		/* decoded, without the first '/' */
	char account[40], container[80];
	const char *blob;		/* into path; "" for a container */
	char version[24], id[37];
	const char *detail;		/* of a refusal */
	struct buf text;		/* what detail may point to */
};

static int answer(struct request *r, unsigned status, const char *const *more, struct str body)
{
	char id[64], version[48], when[64], date[32];
	const char *fields[16] = { id, version, when };
	size_t n = 3;
	int rc;

	snprintf(id, sizeof(id), "x-ms-request-id: %s", r->id);
	snprintf(version, sizeof(version), "x-ms-version: %s", r->version);
	time_http(unix_time(), date);
	snprintf(when, sizeof(when), "Date: %s", date);
	while (more != NULL && *more != NULL && n < 15)
		fields[n++] = *more++;
	fields[n] = NULL;
	/* a slow reader must not hold everybody up; nobody looks at an entry
	 * after an answer */
	pthread_mutex_unlock(&r->m->lock);
	rc = http_x_answer(r->x, status, fields, body);
	pthread_mutex_lock(&r->m->lock);
	return rc;
}

static int deny(struct request *r, unsigned status, const char *code, const char *message)
{
	struct buf b = BUF_INIT(8192);
	char head[96], now[40];
	const char *fields[] = { head, "Content-Type: application/xml", NULL };

	iso_now(now);
	snprintf(head, sizeof(head), "x-ms-error-code: %s", code);
	buf_addf(&b, "\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>%s</Code><Message>"
		 "%s\nRequestId:%s\nTime:%s</Message>", code, message, r->id, now);
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
	answer(r, status, fields, strcmp(r->method, "HEAD") == 0 ? STR("") : buf_str(&b));
	buf_release(&b);
	return -1;
}

static int deny_auth(struct request *r, const char *detail)
{
	r->detail = detail;
	return deny(r, 403, "AuthenticationFailed", "Server failed to authenticate the request. Make sure the "
		    "value of Authorization header is formed correctly including the signature.");
}

/* ---- signatures ---- */

/* The fields of the signature in the query. */
static cJSON *sas_read(struct request *r)
{
	struct str rest = STR("sv ss srt sr st se sp sip spr si ses sig rscc rscd rsce rscl rsct"), word;
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

static int check_signature(struct request *r, const cJSON *s, const struct entry *account)
{
	const char *given = json_text(s, "sig");
	bool blob = strcmp(json_text(s, "sr"), "b") == 0, same = false;
	struct buf text = BUF_INIT(16384), sig = BUF_INIT(64);
	char *resource = xasprintf("/blob/%s/%s%s%s", r->account, r->container, blob ? "/" : "",
				   blob ? r->blob : "");

	sas_text(s, r->account, resource, &text);
	for (int i = 1; i <= 2 && !same; i++) {
		buf_reset(&sig);
		sas_sign(json_text(json_get(account->hide, i == 1 ? "key1" : "key2"), "value"),
			 buf_str(&text), &sig);
		same = sig.n == strlen(given) && same_bytes(sig.str, given, sig.n);
	}
	buf_addf(&r->text, "Signature did not match. String to sign used was %s", text.str);
	free(resource);
	buf_release(&text);
	buf_burn(&sig);
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

static int check_times(struct request *r, const cJSON *s)
{
	int64_t t, now = unix_time();
	char a[32], b[32];

	if (!sas_time(json_text(s, "se"), &t))
		return deny_auth(r, "Signed expiry time is missing or not well formed.");
	if (t < now) {
		time_http(now, a);
		time_http(t, b);
		buf_addf(&r->text, "Signed expiry time [%s] must be after signed current time [%s]", b, a);
		return deny_auth(r, r->text.str);
	}
	if (json_get(s, "st") != NULL && (!sas_time(json_text(s, "st"), &t) || t > now))
		return deny_auth(r, "Signature not valid in the specified time frame: it begins in the future.");
	return 0;
}

static int not_authorized(struct request *r, const char *code, const char *what)
{
	char text[128];

	snprintf(text, sizeof(text), "This request is not authorized to perform this operation using this %s.",
		 what);
	return deny(r, 403, code, text);
}

static int check_sas(struct request *r, const struct entry *account, const cJSON *s, const char *want)
{
	bool all = json_get(s, "ss") != NULL;

	if (strlen(json_text(s, "sv")) != 10 || (!all && !listed("b c", json_text(s, "sr"))))
		return deny_auth(r, "sv or sr is missing or not known.");
	if (check_signature(r, s, account) < 0)
		return -1;
	buf_reset(&r->text);
	if (check_times(r, s) < 0)
		return -1;
	if (all && strchr(json_text(s, "ss"), 'b') == NULL)
		return not_authorized(r, "AuthorizationServiceMismatch", "service");
	if (all && strchr(json_text(s, "srt"), r->blob[0] != '\0' ? 'o' : 'c') == NULL)
		return not_authorized(r, "AuthorizationResourceTypeMismatch", "resource type");
	if (strpbrk(json_text(s, "sp"), want) == NULL)
		return not_authorized(r, "AuthorizationPermissionMismatch", "permission");
	return 0;
}

/* What the caller may do.  want: permission letters, any of them will do. */
static int authorize(struct request *r, const struct entry *account, const char *want)
{
	cJSON *s = sas_read(r);
	int rc;

	if (json_get(s, "sig") != NULL)
		rc = check_sas(r, account, s, want);
	else if (http_field(http_x_head(r->x), "Authorization").p != NULL)
		rc = deny_auth(r, "Only shared access signatures are known to the local Azure.");
	else if (json_bool_opt(account->doc, "properties.allowBlobPublicAccess", false))
		rc = deny(r, 404, "ResourceNotFound", "The specified resource does not exist.");
	else
		rc = deny(r, 409, "PublicAccessNotPermitted",
			  "Public access is not permitted on this storage account.");
	json_burn(s);
	return rc;
}

/* ---- blobs ---- */

static char *blob_key(const struct request *r)
{
	return xasprintf("blob:%s/%s/%s", r->account, r->container, r->blob);
}

static char *blob_path(struct emu *m, const struct entry *n)
{
	return xasprintf("%s/blobs/%s", m->dir, json_str_opt(n->doc, "file", "none"));
}

void blob_forget(struct emu *m, const char *account, const char *container)
{
	char *prefix = container == NULL ? xasprintf("blob:%s/", account) :
		xasprintf("blob:%s/%s/", account, container), *path;
	struct entry *n;

	while ((n = store_next(m, NULL, prefix)) != NULL) {
		path = blob_path(m, n);
		unlink(path);
		free(path);
		store_remove(m, n);
	}
	free(prefix);
}

/* The body into a file of its own name; the lock is not held. */
static int receive(struct request *r, const char *path, uint64_t *size, struct err *e)
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

static void stamp(const cJSON *doc, char etag[64], char modified[96])
{
	char date[32];

	time_http(json_int_opt(doc, "modified", 0), date);
	snprintf(etag, 64, "ETag: %s", json_text(doc, "etag"));
	snprintf(modified, 96, "Last-Modified: %s", date);
}

static void put_blob(struct request *r)
{
	const struct http_head *h = http_x_head(r->x);
	struct str kind = http_field(h, "x-ms-blob-type"), length = http_field(h, "Content-Length");
	struct str type = http_field(h, "x-ms-blob-content-type");
	char *key = blob_key(r), *dir = xasprintf("%s/blobs", r->m->dir), *path, file[37];
	char etag[64], modified[96], *t;
	const char *fields[] = { etag, modified, "x-ms-request-server-encrypted: true", NULL };
	struct err e = ERR_INIT;
	struct entry *n;
	uint64_t size;

	if (type.p == NULL)
		type = http_field(h, "Content-Type");
	random_guid(file);
	path = xasprintf("%s/%s", dir, file);
	if (length.p == NULL) {
		deny(r, 411, "MissingContentLengthHeader", "Content-Length HTTP header is missing.");
		goto out;
	}
	if (!str_ieq(kind, STR("BlockBlob"))) {
		if (kind.p == NULL)
			deny(r, 400, "MissingRequiredHeader", "An HTTP header that's mandatory for this request "
			     "is not specified.");
		else
			deny(r, 400, "InvalidHeaderValue", "The value for one of the HTTP headers is not in the "
			     "correct format.");
		goto out;
	}
	if (str_eqz(http_field(h, "If-None-Match"), "*") && store_find(r->m, key) != NULL) {
		deny(r, 409, "BlobAlreadyExists", "The specified blob already exists.");
		goto out;
	}
	pthread_mutex_unlock(&r->m->lock);
	if (dir_make(dir, 0700, &e) < 0 || receive(r, path, &size, &e) < 0) {
		unlink(path);
		emu_log(r->m, "blob: %s", e.msg);
		http_x_abort(r->x);
		pthread_mutex_lock(&r->m->lock);
		goto out;
	}
	pthread_mutex_lock(&r->m->lock);
	if ((n = store_find(r->m, key)) != NULL) {
		char *old = blob_path(r->m, n);

		unlink(old);
		free(old);
		store_remove(r->m, n);
	}
	t = type.p != NULL ? str_dup(type) : xstrdup("application/octet-stream");
	snprintf(etag, sizeof(etag), "\"0x8D%.13s\"", file);
	n = store_add(r->m, key, json_fmt("{'file':%s,'size':%l,'etag':%s,'modified':%l,'type':%s}", file,
			(int64_t)size, etag, unix_time(), t), NULL);
	free(t);
	stamp(n->doc, etag, modified);
	answer(r, 201, fields, STR(""));
out:
	free(key);
	free(dir);
	free(path);
}

/* "bytes=A-B", "bytes=A-"; false: no range, or one that is ignored. */
static bool range_of(const struct http_head *h, uint64_t size, uint64_t *from, uint64_t *to, bool *bad)
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

static void get_blob(struct request *r)
{
	const struct http_head *h = http_x_head(r->x);
	char *key = blob_key(r), *path = NULL, etag[64], modified[96], type[200], range[96];
	char id[64], version[48], piece[16384];
	const char *fields[12] = { etag, modified, type, "x-ms-blob-type: BlockBlob", "Accept-Ranges: bytes",
				   "x-ms-server-encrypted: true", id, version };
	struct entry *n = store_find(r->m, key);
	uint64_t size, from = 0, to, left;
	struct err e = ERR_INIT;
	bool bad, part;
	int fd = -1;

	free(key);
	if (n == NULL) {
		deny(r, 404, "BlobNotFound", "The specified blob does not exist.");
		return;
	}
	size = (uint64_t)json_int_opt(n->doc, "size", 0);
	to = size == 0 ? 0 : size - 1;
	part = size > 0 && range_of(h, size, &from, &to, &bad);
	if (part && bad) {
		deny(r, 416, "InvalidRange", "The range specified is invalid for the current size of the "
		     "resource.");
		return;
	}
	if (!part) {
		from = 0;
		to = size == 0 ? 0 : size - 1;
	}
	left = size == 0 ? 0 : to - from + 1;
	stamp(n->doc, etag, modified);
	snprintf(type, sizeof(type), "Content-Type: %.150s", json_text(n->doc, "type"));
	snprintf(id, sizeof(id), "x-ms-request-id: %s", r->id);
	snprintf(version, sizeof(version), "x-ms-version: %s", r->version);
	if (part) {
		snprintf(range, sizeof(range), "Content-Range: bytes %llu-%llu/%llu", (unsigned long long)from,
			 (unsigned long long)to, (unsigned long long)size);
		fields[8] = range;
	}
	path = blob_path(r->m, n);
	if (strcmp(r->method, "HEAD") != 0) {
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || lseek(fd, (off_t)from, SEEK_SET) < 0) {
			emu_log(r->m, "blob: %s: %s", path, strerror(errno));
			deny(r, 500, "InternalError", "The server encountered an internal error.");
			goto out;
		}
	}
	pthread_mutex_unlock(&r->m->lock);
	if (http_x_begin(r->x, part ? 206 : 200, fields, left, &e) == 0) {
		while (fd >= 0 && left > 0) {
			ssize_t k = read(fd, piece, left < sizeof(piece) ? (size_t)left : sizeof(piece));

			if (k <= 0 || http_x_send(r->x, (struct str){ piece, (size_t)k }, &e) < 0)
				break;
			left -= (uint64_t)k;
		}
		if (fd < 0 || left == 0)
			http_x_end(r->x, &e);
		else
			http_x_abort(r->x);
	}
	pthread_mutex_lock(&r->m->lock);
out:
	if (fd >= 0)
		close(fd);
	free(path);
}

static void delete_blob(struct request *r)
{
	char *key = blob_key(r), *path;
	struct entry *n = store_find(r->m, key);
	static const char *const fields[] = { "x-ms-delete-type-permanent: true", NULL };

	free(key);
	if (n == NULL) {
		deny(r, 404, "BlobNotFound", "The specified blob does not exist.");
		return;
	}
	path = blob_path(r->m, n);
	unlink(path);
	free(path);
	store_remove(r->m, n);
	answer(r, 202, fields, STR(""));
}

static struct entry *account_of(struct emu *m, const char *name, struct entry **container,
				const char *container_name)
{
	struct entry *n, *k;
	char *prefix;

	for (n = NULL; (n = store_next(m, n, "/subscriptions/")) != NULL;)
		if (json_is(n->doc, "type", "Microsoft.Storage/storageAccounts") &&
		    json_is(n->doc, "name", name))
			break;
	*container = NULL;
	if (n == NULL)
		return NULL;
	prefix = xasprintf("%s/blobservices/default/containers/", n->key);
	for (k = NULL; (k = store_next(m, k, prefix)) != NULL;)
		if (strcmp(k->key + strlen(prefix), container_name) == 0)
			*container = k;
	free(prefix);
	return n;
}

static void serve(struct request *r)
{
	struct str head_version = http_field(http_x_head(r->x), "x-ms-version"), s, word;
	struct entry *account, *container;
	bool get, head, put, del;
	const char *slash;

	snprintf(r->version, sizeof(r->version), "%.*s", head_version.p != NULL ?
		 (int)(head_version.n < 20 ? head_version.n : 20) : 10,
		 head_version.p != NULL ? head_version.p : "2022-11-02");
	s = buf_str(&r->path);
	str_next(&s, '/', &word);
	snprintf(r->container, sizeof(r->container), "%.*s", (int)(word.n < 79 ? word.n : 79), word.p);
	slash = strchr(r->path.str, '/');
	r->blob = slash != NULL ? slash + 1 : "";
	account = account_of(r->m, r->account, &container, r->container);
	get = strcmp(r->method, "GET") == 0;
	head = strcmp(r->method, "HEAD") == 0;
	put = strcmp(r->method, "PUT") == 0;
	del = strcmp(r->method, "DELETE") == 0;
	if (account == NULL)
		deny(r, 400, "InvalidUri", "The requested URI does not represent any resource on the server.");
	else if (r->blob[0] == '\0' || (!get && !head && !put && !del))
		deny(r, 405, "UnsupportedHttpVerb", "The resource doesn't support specified Http Verb.");
	else if (authorize(r, account, put ? "cw" : del ? "d" : "r") < 0)
		return;
	else if (container == NULL)
		deny(r, 404, "ContainerNotFound", "The specified container does not exist.");
	else if (put)
		put_blob(r);
	else if (del)
		delete_blob(r);
	else
		get_blob(r);
}

void blob_handle(struct emu *m, struct http_exchange *x, struct str account)
{
	struct request r = { .m = m, .x = x, .path = BUF_INIT(2048), .text = BUF_INIT(32768) };
	struct str method = http_x_head(x)->method, path = http_x_path(x);
	char *verb = str_dup(method);
	cJSON *rule = faults_request(m, http_x_head(x));
	struct err e = ERR_INIT;

	r.method = verb;
	random_guid(r.id);
	snprintf(r.account, sizeof(r.account), "%.*s", (int)(account.n < 39 ? account.n : 39), account.p);
	pthread_mutex_lock(&m->lock);
	if (json_bool_opt(rule, "reset", false))
		http_x_abort(x);
	else if (json_get(rule, "status") != NULL)
		deny(&r, (unsigned)json_int_opt(rule, "status", 503), json_str_opt(rule, "code", "ServerBusy"),
		     json_str_opt(rule, "message", "The server is currently unable to receive requests."));
	else if (buf_add_unpct(&r.path, str_skip(path, 1), false, &e) < 0 || r.path.over)
		deny(&r, 400, "InvalidUri", "The requested URI does not represent any resource on the server.");
	else
		serve(&r);
	pthread_mutex_unlock(&m->lock);
	emu_log(m, "blob %s %s/%s/%s", r.method, r.account, r.container, r.blob != NULL ? r.blob : "");
	json_free(rule);
	buf_release(&r.path);
	buf_release(&r.text);
	free(verb);
}
