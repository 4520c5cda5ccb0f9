/*
 * What `push` has put into the storage account, read with one signed address.
 * Knows where things are there; what engines ask is the registry's.
 *
 * Blobs go through here and not by a redirect: all engines follow one, and those
 * with containerd's image store put the address that they were sent to, signature
 * and all, into their error when it does not answer; Swarm shows that to whoever
 * may look at tasks.
 */
#include "node/pushed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "node/blobs.h"
#include "node/layout.h"

#define ASK_MS 30000
#define SILENT_MS 30000
#define BLOB_MS (4 * 3600000) /* for one that comes slowly, but comes */
#define ERROR_MAX 8192	      /* of the service's own words */
#define PAGE 400	      /* of a list: what it has at most, */
#define PAGE_MAX (1u << 20)   /* bytes */
#define PAGES_MAX 25
#define MARKER_MAX 2048

/* ---- asking ---- */

/* "https://ACCOUNT/images?SIGNATURE" and a path in it.  Caller burns. */
static char *address(const char *url, const char *path, const char *query)
{
	size_t n = strcspn(url, "?");

	return xasprintf("%.*s%s?%s%s", (int)n, url, path, query,
			 url[n] == '?' ? url + n + 1 : "");
}

static char *path_of_blob(struct str digest)
{
	return xasprintf("/" LAYOUT_IMAGES_BLOB "%.*s",
			 STR_ARG(str_skip(digest, strlen("sha256:"))));
}

/* What an answer that is not the one means. */
static enum pushed refused(const struct http_head *h, const char *what,
			   struct err *e)
{
	char code[BLOBS_CODE_MAX];

	blobs_code(h, code);
	if (h->status == 404) {
		err_set(e, ERR_DATA, "%s was not pushed to this cluster", what);
		return PUSHED_NONE;
	}
	blobs_refused(h->status, code, e);
	err_in(e, "pushed images");
	return h->status == 403 || h->status == 401 ? PUSHED_DENIED : PUSHED_AWAY;
}

static enum pushed no_url(const char *what, struct err *e)
{
	err_set(e, ERR_DATA,
		"this machine has no address of pushed images, and so not of "
		"%s: 'azswarm upgrade' brings it one",
		what);
	return PUSHED_DENIED;
}

/* Into memory. */
static enum pushed get(const char *url, const char *path, const char *query,
		       const char *what, struct http_response *r, struct err *e)
{
	char *at = address(url, path, query);
	struct http_request q = {
		.method = "GET",
		.url = at,
		.deadline_ms = now_ms() + ASK_MS,
		.idle_ms = SILENT_MS,
	};
	enum pushed got = PUSHED_AWAY;
	struct blobs b;

	if (blobs_init(&b, e) < 0 || http_exchange(&b.http, &q, r, e) < 0)
		err_in(e, "pushed images");
	else if (r->head.status != 200)
		got = refused(&r->head, what, e);
	else if (buf_check(&r->body, what, e) == 0)
		got = PUSHED_FOUND;
	blobs_release(&b);
	burn_str(at);
	return got;
}

/* ---- manifests ---- */

/* As it is stored; where that is nobody's media type, as it says itself. */
static void take_type(const struct http_head *h, struct pushed_manifest *m)
{
	struct str type = str_trim(http_field(h, "content-type"));
	struct err ignored = ERR_INIT;
	cJSON *doc = NULL;

	if (!str_starts(type, STR("application/vnd."))) {
		doc = json_parse(buf_str(&m->text), "manifest", &ignored);
		type = str_of(json_str_opt(doc, "mediaType", IMAGE_TYPE_OCI));
	}
	snprintf(m->type, sizeof(m->type), "%.*s",
		 STR_ARG(str_head(type, str_visible(type, ' ', ','))));
	json_free(doc);
}

enum pushed pushed_manifest(const char *url, struct str name, struct str ref,
			    struct pushed_manifest *m, struct err *e)
{
	bool by_digest = docker_ref_is_digest(ref);
	char *path = by_digest ?
			     path_of_blob(ref) :
			     xasprintf("/" LAYOUT_IMAGES_MANIFEST "%.*s/%.*s",
				       STR_ARG(name), STR_ARG(ref));
	char *what = xasprintf("%.*s%c%.*s", STR_ARG(name),
			       by_digest ? '@' : ':', STR_ARG(ref));
	struct http_response r;
	enum pushed got;

	buf_init(&m->text, PUSHED_MANIFEST_MAX);
	http_response_init(&r, PUSHED_MANIFEST_MAX);
	got = *url == '\0' ? no_url(what, e) : get(url, path, "", what, &r, e);
	if (got == PUSHED_FOUND) {
		buf_release(&m->text);
		m->text = r.body;
		buf_init(&r.body, 0);
		take_type(&r.head, m);
		image_digest(buf_str(&m->text), m->digest);
		if (by_digest && !str_eqz(ref, m->digest)) {
			err_set(e, ERR_DATA,
				"%s: what the storage account has in its place "
				"is %s; 'azswarm push' puts it there again",
				what, m->digest);
			got = PUSHED_AWAY;
		}
	}
	http_response_release(&r);
	free(path);
	free(what);
	return got;
}

void pushed_release(struct pushed_manifest *m)
{
	buf_release(&m->text);
}

/* ---- blobs ---- */

struct relay {
	const struct pushed_sink *sink;
	struct http_response r;
	struct str digest;
	struct sha256_state sum;
	uint64_t length, at;
	bool begun;
};

/* "bytes=5-" or "bytes=5-9": what the service and we understand alike. */
static bool is_range(struct str range)
{
	uint64_t n;

	if (!str_istarts(range, STR("bytes=")))
		return false;
	range = str_skip(range, 6);
	if (!str_dec(&range, INT64_MAX, &n) || !str_starts(range, STR("-")))
		return false;
	range = str_skip(range, 1);
	return range.n == 0 || str_num(range, INT64_MAX, &n);
}

static bool is_answer(unsigned status)
{
	return status == 200 || status == 206 || status == 416;
}

/* Once the head is there. */
static int begin(struct relay *y, struct err *e)
{
	const struct http_head *h = &y->r.head;
	char range[80];

	if (y->begun)
		return 0;
	y->begun = true;
	snprintf(range, sizeof(range), "%.*s",
		 STR_ARG(str_head(http_field(h, "content-range"),
				  sizeof(range) - 1)));
	if (h->status != 416 &&
	    !str_num(http_field(h, "content-length"), INT64_MAX, &y->length))
		return err_set(e, ERR_PROTO,
			       "the storage account does not say how long it is");
	sha256_start(&y->sum);
	return y->sink->head(y->sink->ctx, h->status, y->length, range, e);
}

/* Whether those were the last bytes, of another blob. */
static bool is_other(struct relay *y)
{
	char digest[IMAGE_DIGEST_MAX];

	if (y->r.head.status != 200 || y->at < y->length)
		return false;
	image_digest_done(&y->sum, digest);
	return !str_eqz(y->digest, digest);
}

static int take_piece(void *ctx, struct str piece, struct err *e)
{
	struct relay *y = ctx;

	if (!is_answer(y->r.head.status) || y->r.head.status == 416)
		return 0;
	if (begin(y, e) < 0)
		return -1;
	sha256_add(&y->sum, piece.p, piece.n);
	y->at += piece.n;
	if (is_other(y))
		return err_set(e, ERR_DATA,
			       "the storage account has other bytes in the place "
			       "of %.*s; delete that blob, and 'azswarm push' "
			       "puts it there again",
			       STR_ARG(y->digest));
	return y->sink->piece(y->sink->ctx, piece, e);
}

enum pushed pushed_blob(const char *url, struct str digest, struct str range,
			bool head_only, const struct pushed_sink *sink,
			struct err *e)
{
	struct relay y = { .sink = sink, .digest = digest };
	char *path = path_of_blob(digest), *at = address(url, path, ""),
	     *what = str_dup(digest);
	char *part = is_range(range) ? xasprintf("Range: %.*s", STR_ARG(range)) :
				       NULL;
	const char *fields[] = { part, NULL };
	struct http_request q = {
		.method = head_only ? "HEAD" : "GET",
		.url = at,
		.fields = fields,
		.deadline_ms = now_ms() + BLOB_MS,
		.idle_ms = SILENT_MS,
	};
	enum pushed got = PUSHED_AWAY;
	struct blobs b;

	http_response_init(&y.r, ERROR_MAX);
	y.r.on_body = take_piece;
	y.r.ctx = &y;
	if (*url == '\0')
		got = no_url(what, e);
	else if (blobs_init(&b, e) < 0 || http_exchange(&b.http, &q, &y.r, e) < 0)
		err_in(e, "pushed images");
	else if (!is_answer(y.r.head.status))
		got = refused(&y.r.head, what, e);
	else if (begin(&y, e) == 0)
		got = PUSHED_FOUND;
	if (*url != '\0')
		blobs_release(&b);
	http_response_release(&y.r);
	burn_str(at);
	free(path);
	free(part);
	free(what);
	return got;
}

/* ---- lists ---- */

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* In no order. */
static void add(struct pushed_list *l, struct str name)
{
	if (l->n > 0 && str_eqz(name, l->name[l->n - 1]))
		return;
	if (l->n % 64 == 0)
		l->name = xrealloc(l->name, (l->n + 64) * sizeof(*l->name));
	l->name[l->n++] = str_dup(name);
}

static void sort(struct pushed_list *l)
{
	size_t n = 0;

	if (l->n > 0)
		qsort(l->name, l->n, sizeof(*l->name), by_text);
	for (size_t i = 0; i < l->n; i++)
		if (n > 0 && strcmp(l->name[n - 1], l->name[i]) == 0)
			free(l->name[i]);
		else
			l->name[n++] = l->name[i];
	l->n = n;
}

void pushed_list_add(struct pushed_list *l, struct str name)
{
	add(l, name);
	sort(l);
}

void pushed_list_release(struct pushed_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->name[i]);
	free(l->name);
	*l = (struct pushed_list){ 0 };
}

/* Past needle; false: it is not there. */
static bool past(struct str *s, const char *needle)
{
	ptrdiff_t at = str_find(*s, str_of(needle));

	if (at >= 0)
		*s = str_skip(*s, (size_t)at + strlen(needle));
	return at >= 0;
}

/* What is behind the prefix in a blob's name: a tag, or of a name and a tag the
 * name.  No entity is in what we put there. */
static void take_blob(struct pushed_list *l, struct str blob, size_t prefix,
		      bool tags)
{
	struct str s = str_skip(blob, prefix);
	ptrdiff_t slash = str_rchr(s, '/');

	if (tags && docker_ref_is_tag(s))
		add(l, s);
	else if (!tags && slash > 0 &&
		 docker_ref_is_name(str_head(s, (size_t)slash)))
		add(l, str_head(s, (size_t)slash));
}

/* marker: of the next page, "" when this was the last. */
static void take_page(struct pushed_list *l, struct str xml, size_t prefix,
		      bool tags, struct buf *marker)
{
	struct str name;

	buf_reset(marker);
	while (past(&xml, "<Blob>") && past(&xml, "<Name>")) {
		name = str_head(xml, str_visible(xml, '<', '&'));
		take_blob(l, name, prefix, tags);
	}
	if (past(&xml, "<NextMarker>"))
		buf_add_pct(marker, str_head(xml, str_visible(xml, '<', '&')));
}

enum pushed pushed_list(const char *url, struct str name, struct pushed_list *l,
			struct err *e)
{
	bool tags = name.p != NULL;
	char *prefix = tags ? xasprintf(LAYOUT_IMAGES_MANIFEST "%.*s/",
					STR_ARG(name)) :
			      xstrdup(LAYOUT_IMAGES_MANIFEST);
	struct buf query = BUF_INIT(8192), marker = BUF_INIT(MARKER_MAX);
	unsigned pages = 1;
	enum pushed got;

	*l = (struct pushed_list){ 0 };
	do {
		struct http_response r;

		http_response_init(&r, PAGE_MAX);
		buf_reset(&query);
		buf_addf(&query,
			 "restype=container&comp=list&maxresults=%d&prefix=", PAGE);
		buf_add_pct(&query, str_of(prefix));
		buf_addf(&query, "%s%s%s&", tags ? "&delimiter=%2F" : "",
			 marker.n > 0 ? "&marker=" : "", marker.str);
		got = *url == '\0' ?
			      no_url("a list of them", e) :
			      get(url, "", query.str, "a list of them", &r, e);
		if (got == PUSHED_FOUND)
			take_page(l, buf_str(&r.body), strlen(prefix), tags,
				  &marker);
		http_response_release(&r);
	} while (got == PUSHED_FOUND && marker.n > 0 && pages++ < PAGES_MAX);
	/* the container is made by who pushes first */
	if (got == PUSHED_NONE) {
		err_clear(e);
		got = PUSHED_FOUND;
	}
	sort(l);
	buf_release(&query);
	buf_release(&marker);
	free(prefix);
	return got;
}
