/*
 * What a blob holds: put in one go, appended to, read whole or in ranges, and
 * what is said of it.
 *
 * Source: "Put Blob", "Append Block", "Get Blob", "Set Blob Metadata", "Set
 * Blob Properties", "Delete Blob" (learn.microsoft.com).
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/time.h"
#include "emulator/blob.h"
#include "emulator/blob/inner.h"
#include "emulator/jsonf.h"

#define APPEND_MAX (100u << 20) /* bytes a block, since 2022-11-02 */
#define APPENDED_MAX 50000	/* blocks of an append blob */
#define META_MAX 8192		/* bytes of names and values */

static char *file_path(struct emu *m, const char *file)
{
	return xasprintf("%s/blobs/%s", m->dir, file);
}

void blob_drop_file(struct emu *m, const char *file)
{
	char *path = file[0] != '\0' ? file_path(m, file) : NULL;

	if (path != NULL)
		unlink(path);
	free(path);
}

static void drop_all(struct emu *m, const cJSON *pieces)
{
	const cJSON *p;

	cJSON_ArrayForEach(p, pieces)
		blob_drop_file(m, json_text(p, "file"));
}

void blob_remove(struct emu *m, struct entry *n)
{
	blob_drop_file(m, json_text(n->doc, "file"));
	drop_all(m, json_get(n->doc, "pieces"));
	drop_all(m, json_get(n->doc, "blocks"));
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

/* ---- what came ---- */

static int receive(struct blob_request *r, const char *path, uint64_t max,
		   uint64_t *size, struct err *e)
{
	char piece[16384];
	ssize_t n = 0;
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	*size = 0;
	if (fd < 0)
		return err_sys(e, ERR_IO, "%s", path);
	while ((n = http_x_read(r->x, piece, sizeof(piece), e)) > 0) {
		*size += (uint64_t)n;
		if (*size > max || write(fd, piece, (size_t)n) != n) {
			n = err_set(e, ERR_IO, "%s: cannot write", path);
			break;
		}
	}
	close(fd);
	return n < 0 ? -1 : 0;
}

int blob_receive(struct blob_request *r, uint64_t max, char file[37],
		 uint64_t *size)
{
	struct str length = http_field(http_x_head(r->x), "Content-Length");
	char *dir = xasprintf("%s/blobs", r->m->dir), *path;
	struct err e = ERR_INIT;
	uint64_t n = 0;
	int rc = 0;

	if (length.p == NULL)
		rc = blob_deny(r, 411, "MissingContentLengthHeader",
			       "Content-Length HTTP header is missing.");
	else if (!str_num(str_trim(length), UINT64_MAX / 2, &n) || n > max)
		rc = blob_deny(r, 413, "RequestBodyTooLarge",
			       "The request body is too large and exceeds the maximum "
			       "permissible limit.");
	if (rc < 0) {
		free(dir);
		return -1;
	}
	random_guid(file);
	path = file_path(r->m, file);
	pthread_mutex_unlock(&r->m->lock);
	rc = dir_make(dir, 0700, &e);
	if (rc == 0)
		rc = receive(r, path, max, size, &e);
	pthread_mutex_lock(&r->m->lock);
	r->n = store_find(r->m, r->key);
	if (rc < 0) {
		unlink(path);
		emu_log(r->m, "blob: %s", e.msg);
		http_x_abort(r->x);
	}
	free(dir);
	free(path);
	return rc;
}

/* ---- what is said of it ---- */

void blob_touch(struct blob_request *r)
{
	char id[37], etag[32];

	random_guid(id);
	snprintf(etag, sizeof(etag), "\"0x8D%.12s\"", id + 24);
	for (char *p = etag + 3; *p != '\0'; p++)
		*p = *p == 'x' ? 'x' : to_upper(*p);
	json_put_str(r->n->doc, "etag", etag);
	json_put_int(r->n->doc, "modified", unix_time());
	store_changed(r->m);
}

void blob_stamp(struct blob_request *r)
{
	char date[32];

	time_http(json_int_opt(r->n->doc, "modified", 0), date);
	blob_field(r, "ETag: %s", json_text(r->n->doc, "etag"));
	blob_field(r, "Last-Modified: %s", date);
}

/* A name of C#'s, as the service wants it. */
static bool is_name(struct str s)
{
	if (s.n == 0 || is_digit(*s.p))
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!is_alnum(s.p[i]) && s.p[i] != '_')
			return false;
	return true;
}

/* x-ms-meta-NAME: value, of the request.  NULL: refused. */
static cJSON *meta_read(struct blob_request *r)
{
	const struct http_head *h = http_x_head(r->x);
	cJSON *meta = cJSON_CreateObject();
	size_t n = 0;

	for (size_t i = 0; i < h->n_fields; i++) {
		struct str name = h->fields[i].name;
		char *key;

		if (!str_istarts(name, STR("x-ms-meta-")))
			continue;
		name = str_skip(name, 10);
		n += name.n + h->fields[i].value.n;
		if (!is_name(name) || n > META_MAX ||
		    cJSON_GetArraySize(meta) >= 32) {
			json_free(meta);
			if (is_name(name))
				blob_deny(r, 400, "MetadataTooLarge",
					  "The metadata specified exceeds the maximum "
					  "permissible limit.");
			else
				blob_deny(r, 400, "InvalidMetadata",
					  "The metadata specified is invalid. It has "
					  "characters that are not permitted.");
			return NULL;
		}
		key = str_dup(name);
		json_set(meta, key, NULL);
		json_add_strn(meta, key, h->fields[i].value);
		free(key);
	}
	return meta;
}

/* Properties that are told as they were given. */
static const struct {
	const char *given, *told;
} told[] = {
	{ "x-ms-blob-cache-control", "Cache-Control" },
	{ "x-ms-blob-content-disposition", "Content-Disposition" },
	{ "x-ms-blob-content-encoding", "Content-Encoding" },
	{ "x-ms-blob-content-language", "Content-Language" },
};
#define TOLD (sizeof(told) / sizeof(told[0]))

static void describe(struct blob_request *r, cJSON *doc, const char *type)
{
	char *given = blob_header(r, "x-ms-blob-content-type");

	json_put_str(doc, "type", given[0] != '\0' ? given : type);
	free(given);
	for (size_t i = 0; i < TOLD; i++) {
		given = blob_header(r, told[i].given);
		json_drop(doc, told[i].told);
		if (given[0] != '\0')
			json_put_str(doc, told[i].told, given);
		free(given);
	}
}

int blob_describe(struct blob_request *r, cJSON *doc)
{
	cJSON *meta = meta_read(r);
	char *type;

	if (meta == NULL)
		return -1;
	type = str_is(r->op, "blocklist") ? xstrdup("") :
					    blob_header(r, "Content-Type");
	json_set(doc, "meta", meta);
	describe(r, doc, type[0] != '\0' ? type : "application/octet-stream");
	free(type);
	return 0;
}

static void meta_fields(struct blob_request *r)
{
	const cJSON *v;

	cJSON_ArrayForEach(v, json_get(r->n->doc, "meta"))
		blob_field(r, "x-ms-meta-%s: %s", v->string, v->valuestring);
}

static bool no_blob(struct blob_request *r)
{
	if (blob_there(r))
		return false;
	/* which lets go of the lock: r->n is not looked at again */
	blob_deny(r, 404, "BlobNotFound", "The specified blob does not exist.");
	return true;
}

int blob_check_write(struct blob_request *r)
{
	if (blob_when_write(r) < 0 || blob_lease_check(r, true) < 0)
		return -1;
	if (blob_there(r) && r->new_only)
		return blob_deny(r, 403, "UnauthorizedBlobOverwrite",
				 "This request is not authorized to perform blob "
				 "overwrites.");
	return 0;
}

void blob_metadata(struct blob_request *r)
{
	cJSON *meta;

	if (no_blob(r))
		return;
	if (r->method != PUT) {
		if (blob_when_read(r) < 0 || blob_lease_check(r, false) < 0)
			return;
		blob_stamp(r);
		meta_fields(r);
		blob_reply(r, 200, STR(""));
		return;
	}
	if (blob_check_write(r) < 0 || (meta = meta_read(r)) == NULL)
		return;
	json_set(r->n->doc, "meta", meta);
	blob_touch(r);
	blob_stamp(r);
	blob_field(r, "x-ms-request-server-encrypted: true");
	blob_reply(r, 200, STR(""));
}

void blob_properties(struct blob_request *r)
{
	if (no_blob(r) || blob_check_write(r) < 0)
		return;
	describe(r, r->n->doc, "");
	blob_touch(r);
	blob_stamp(r);
	blob_reply(r, 200, STR(""));
}

/* ---- put, append, delete ---- */

/* May this be put?  -1: refused. */
static int check_put(struct blob_request *r, const char *kind)
{
	if (kind[0] == '\0')
		return blob_deny(r, 400, "MissingRequiredHeader",
				 "An HTTP header that's mandatory for this "
				 "request is not specified.");
	if (!str_listed("BlockBlob AppendBlob", kind))
		return blob_deny(r, 400, "InvalidHeaderValue",
				 "The value for one of the HTTP headers is not "
				 "in the correct format.");
	return blob_check_write(r);
}

void blob_put(struct blob_request *r)
{
	char *kind = blob_header(r, "x-ms-blob-type"), file[37] = "";
	bool append = strcasecmp(kind, "AppendBlob") == 0;
	uint64_t size = 0;
	cJSON *doc;

	/* asked before the body comes, and again when it is there: another may
	 * have made the blob meanwhile */
	if (check_put(r, kind) < 0 ||
	    blob_receive(r, append ? 0 : BLOB_MAX, file, &size) < 0)
		goto out;
	doc = json_fmt("{'kind':%s,'file':%s,'size':%l,'created':%l}",
		       append ? "AppendBlob" : "BlockBlob", file, (int64_t)size,
		       unix_time());
	if (check_put(r, kind) < 0 || blob_describe(r, doc) < 0) {
		blob_drop_file(r->m, file);
		json_free(doc);
		goto out;
	}
	if (r->n != NULL) {
		const cJSON *lease = json_get(r->n->doc, "lease");

		if (lease != NULL)
			json_set(doc, "lease", cJSON_Duplicate(lease, true));
		blob_remove(r->m, r->n);
	}
	r->n = store_add(r->m, r->key, doc, NULL);
	blob_touch(r);
	blob_stamp(r);
	blob_field(r, "x-ms-request-server-encrypted: true");
	blob_reply(r, 201, STR(""));
out:
	free(kind);
}

/* x-ms-blob-condition-*: v; -1: refused, 0: not asked. */
static int limit_of(struct blob_request *r, const char *name, uint64_t *v)
{
	char *s = blob_header(r, name);
	int rc = s[0] == '\0' ? 0 : 1;

	if (rc == 1 && !str_num(str_of(s), INT64_MAX, v))
		rc = blob_deny(r, 400, "InvalidHeaderValue",
			       "The value for one of the HTTP headers is not "
			       "in the correct format.");
	free(s);
	return rc;
}

static int check_append(struct blob_request *r, uint64_t more)
{
	uint64_t size, at = 0, max = 0;
	int has_at = limit_of(r, "x-ms-blob-condition-appendpos", &at),
	    has_max = has_at < 0 ?
			      -1 :
			      limit_of(r, "x-ms-blob-condition-maxsize", &max);

	if (has_at < 0 || has_max < 0 || no_blob(r))
		return -1;
	if (!str_is(json_text(r->n->doc, "kind"), "AppendBlob"))
		return blob_deny(r, 409, "InvalidBlobType",
				 "The blob type is invalid for this operation.");
	if (blob_when_write(r) < 0 || blob_lease_check(r, true) < 0)
		return -1;
	size = (uint64_t)json_int_opt(r->n->doc, "size", 0);
	if (has_max > 0 && size + more > max)
		return blob_deny(
			r, 412, "MaxBlobSizeConditionNotMet",
			"The max blob size condition specified was not met.");
	if (has_at > 0 && at != size)
		return blob_deny(
			r, 412, "AppendPositionConditionNotMet",
			"The append position condition specified was not met.");
	if (json_int_opt(r->n->doc, "count", 0) >= APPENDED_MAX)
		return blob_deny(r, 409, "BlockCountExceedsLimit",
				 "The committed block count cannot exceed the maximum "
				 "limit of 50,000 blocks.");
	return 0;
}

/* What is in that file behind what is in this one, where it has size bytes. */
static int join(struct emu *m, const char *to, uint64_t size, const char *from,
		struct err *e)
{
	char *a = file_path(m, to), *b = file_path(m, from), piece[16384];
	int out = open(a, O_WRONLY | O_CLOEXEC),
	    in = open(b, O_RDONLY | O_CLOEXEC);
	ssize_t n = -1;

	if (out >= 0 && in >= 0 && ftruncate(out, (off_t)size) == 0)
		while ((n = read(in, piece, sizeof(piece))) > 0) {
			if (pwrite(out, piece, (size_t)n, (off_t)size) != n) {
				n = -1;
				break;
			}
			size += (uint64_t)n;
		}
	if (n < 0)
		err_sys(e, ERR_IO, "%s", a);
	if (out >= 0)
		close(out);
	if (in >= 0)
		close(in);
	free(a);
	free(b);
	return n < 0 ? -1 : 0;
}

void blob_append(struct blob_request *r)
{
	char file[37] = "";
	uint64_t more = 0;
	struct err e = ERR_INIT;
	int64_t size, count;

	if (check_append(r, 0) < 0 || blob_receive(r, APPEND_MAX, file, &more) < 0)
		return;
	if (more == 0) {
		blob_deny(r, 400, "InvalidHeaderValue",
			  "The value for one of the HTTP headers is not in the correct "
			  "format.");
	} else if (check_append(r, more) < 0) {
		;
	} else if (join(r->m, json_text(r->n->doc, "file"),
			(uint64_t)json_int_opt(r->n->doc, "size", 0), file,
			&e) < 0) {
		emu_log(r->m, "blob: %s", e.msg);
		blob_deny(r, 500, "InternalError",
			  "The server encountered an internal error. Please retry the "
			  "request.");
	} else {
		size = json_int_opt(r->n->doc, "size", 0);
		count = json_int_opt(r->n->doc, "count", 0) + 1;
		json_put_int(r->n->doc, "size", size + (int64_t)more);
		json_put_int(r->n->doc, "count", count);
		blob_touch(r);
		blob_stamp(r);
		blob_field(r, "x-ms-blob-append-offset: %lld", (long long)size);
		blob_field(r, "x-ms-blob-committed-block-count: %lld",
			   (long long)count);
		blob_field(r, "x-ms-request-server-encrypted: true");
		blob_reply(r, 201, STR(""));
	}
	blob_drop_file(r->m, file);
}

void blob_delete(struct blob_request *r)
{
	if (no_blob(r) || blob_when_write(r) < 0 || blob_lease_check(r, true) < 0)
		return;
	blob_remove(r->m, r->n);
	r->n = NULL;
	blob_field(r, "x-ms-delete-type-permanent: true");
	blob_reply(r, 202, STR(""));
}

/* ---- get ---- */

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

#define PARTS_OPEN 64 /* at once; a blob may have 50,000 */

/* Files behind each other, the first of them opened: what is deleted meanwhile is
 * still sent, unless it is in very many pieces. */
struct parts {
	size_t n;
	struct part {
		int fd; /* -1: not open */
		char file[40];
		uint64_t size;
	} * part;
};

static int part_open(struct emu *m, const char *file)
{
	char *path = file_path(m, file);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	free(path);
	return fd;
}

static void part_add(struct blob_request *r, struct parts *p, const char *file,
		     uint64_t size)
{
	struct part *part = &p->part[p->n];

	snprintf(part->file, sizeof(part->file), "%s", file);
	part->fd = p->n++ < PARTS_OPEN ? part_open(r->m, file) : -1;
	part->size = size;
}

/* Those that have a byte of [from, from + left); *from: in the first of them. */
static void parts_open(struct blob_request *r, struct parts *p, uint64_t *from,
		       uint64_t left)
{
	const cJSON *pieces = json_get(r->n->doc, "pieces"), *v;
	uint64_t at = 0, begin = *from;

	p->n = 0;
	p->part = xcalloc((size_t)cJSON_GetArraySize(pieces) + 1,
			  sizeof(*p->part));
	if (pieces == NULL)
		part_add(r, p, json_text(r->n->doc, "file"), UINT64_MAX);
	cJSON_ArrayForEach(v, pieces) {
		uint64_t size = (uint64_t)json_int_opt(v, "size", 0);

		if (at + size > begin && at < begin + left) {
			if (p->n == 0)
				*from = begin - at;
			part_add(r, p, json_text(v, "file"), size);
		}
		at += size;
	}
}

static void part_close(struct part *part)
{
	if (part->fd >= 0)
		close(part->fd);
	part->fd = -1;
}

static void parts_close(struct parts *p)
{
	for (size_t i = 0; i < p->n; i++)
		part_close(&p->part[i]);
	free(p->part);
}

/* One of them from there on.  False: broken off. */
static bool send_part(struct blob_request *r, const struct part *part,
		      uint64_t from, uint64_t *left, struct err *e)
{
	char piece[16384];

	while (*left > 0 && from < part->size) {
		uint64_t want = part->size - from;
		ssize_t k;

		if (want > *left)
			want = *left;
		if (want > sizeof(piece))
			want = sizeof(piece);
		k = pread(part->fd, piece, (size_t)want, (off_t)from);
		if (k <= 0 ||
		    http_x_send(r->x, (struct str){ piece, (size_t)k }, e) < 0)
			return false;
		from += (uint64_t)k;
		*left -= (uint64_t)k;
	}
	return true;
}

/* The lock is not held.  False: broken off. */
static bool send_parts(struct blob_request *r, const struct parts *p,
		       uint64_t from, uint64_t left, struct err *e)
{
	for (size_t i = 0; i < p->n && left > 0; i++, from = 0) {
		struct part *part = &p->part[i];

		if (part->fd < 0)
			part->fd = part_open(r->m, part->file);
		if (!send_part(r, part, from, &left, e))
			return false;
		part_close(part);
	}
	return left == 0;
}

static void get_fields(struct blob_request *r)
{
	const cJSON *doc = r->n->doc;
	char date[32];

	blob_stamp(r);
	time_http(json_int_opt(doc, "created", json_int_opt(doc, "modified", 0)),
		  date);
	blob_field(r, "x-ms-creation-time: %s", date);
	if (json_text(doc, "type")[0] != '\0')
		blob_field(r, "Content-Type: %.150s", json_text(doc, "type"));
	for (size_t i = 0; i < TOLD; i++)
		if (json_get(doc, told[i].told) != NULL)
			blob_field(r, "%s: %.500s", told[i].told,
				   json_text(doc, told[i].told));
	blob_field(r, "x-ms-blob-type: %s",
		   json_str_opt(doc, "kind", "BlockBlob"));
	if (str_is(json_text(doc, "kind"), "AppendBlob"))
		blob_field(r, "x-ms-blob-committed-block-count: %lld",
			   (long long)json_int_opt(doc, "count", 0));
	blob_lease_fields(r);
	meta_fields(r);
	blob_field(r, "Accept-Ranges: bytes");
	blob_field(r, "x-ms-server-encrypted: true");
}

void blob_get(struct blob_request *r)
{
	uint64_t size, from = 0, to, left;
	struct err e = ERR_INIT;
	struct parts parts;
	bool bad = false, part;

	/* the condition on what is not there is asked before */
	if (blob_when_read(r) < 0 || no_blob(r) || blob_lease_check(r, false) < 0)
		return;
	left = size = (uint64_t)json_int_opt(r->n->doc, "size", 0);
	part = range_of(http_x_head(r->x), size, &from, &to, &bad) &&
	       r->method == GET;
	if (part && (bad || size == 0)) {
		blob_field(r, "Content-Range: bytes */%llu",
			   (unsigned long long)size);
		blob_deny(r, 416, "InvalidRange",
			  "The range specified is invalid for the current size of the "
			  "resource.");
		return;
	}
	if (part) {
		left = to - from + 1;
		blob_field(r, "Content-Range: bytes %llu-%llu/%llu",
			   (unsigned long long)from, (unsigned long long)to,
			   (unsigned long long)size);
	} else {
		from = 0;
	}
	get_fields(r);
	parts_open(r, &parts, &from, left);
	blob_begin(r, part ? 206 : 200, left);
	if (r->method == HEAD || send_parts(r, &parts, from, left, &e))
		http_x_end(r->x, &e);
	else
		http_x_abort(r->x);
	pthread_mutex_lock(&r->m->lock);
	parts_close(&parts);
}
