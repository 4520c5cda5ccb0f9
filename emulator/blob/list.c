/*
 * What a container holds, in pages, flat or by folders.
 *
 * Source: "List Blobs" (learn.microsoft.com).
 */
#include <stdlib.h>
#include <string.h>

#include "base/time.h"
#include "emulator/blob/inner.h"

#define PAGE_MAX 5000
#define LIST_MAX (16u << 20)
/* a page may have fewer blobs than were asked for */
#define LIST_PAGE (LIST_MAX - (1u << 20)) /* bytes */

void blob_xml(struct buf *b, const char *text)
{
	for (; *text != '\0'; text++)
		switch (*text) {
		case '<':
			buf_adds(b, "&lt;");
			break;
		case '>':
			buf_adds(b, "&gt;");
			break;
		case '&':
			buf_adds(b, "&amp;");
			break;
		default:
			buf_addc(b, *text);
		}
}

static void element(struct buf *b, const char *name, const char *text)
{
	if (text[0] == '\0') {
		buf_addf(b, "<%s />", name);
		return;
	}
	buf_addf(b, "<%s>", name);
	blob_xml(b, text);
	buf_addf(b, "</%s>", name);
}

static void time_element(struct buf *b, const char *name, int64_t t)
{
	char date[32];

	time_http(t, date);
	element(b, name, date);
}

static void properties(struct buf *b, const struct entry *n)
{
	const char *etag = json_text(n->doc, "etag"),
		   *state = blob_lease_state(n);
	int64_t modified = json_int_opt(n->doc, "modified", 0);
	bool locked = str_listed("leased breaking", state);

	buf_adds(b, "<Properties>");
	time_element(b, "Creation-Time",
		     json_int_opt(n->doc, "created", modified));
	time_element(b, "Last-Modified", modified);
	if (etag[0] != '\0')
		buf_addf(b, "<Etag>%.*s</Etag>", (int)strlen(etag) - 2, etag + 1);
	buf_addf(b, "<Content-Length>%lld</Content-Length>",
		 (long long)json_int_opt(n->doc, "size", 0));
	element(b, "Content-Type", json_text(n->doc, "type"));
	element(b, "Content-Encoding", json_text(n->doc, "Content-Encoding"));
	element(b, "Content-Language", json_text(n->doc, "Content-Language"));
	element(b, "Cache-Control", json_text(n->doc, "Cache-Control"));
	element(b, "Content-Disposition",
		json_text(n->doc, "Content-Disposition"));
	element(b, "BlobType", json_str_opt(n->doc, "kind", "BlockBlob"));
	element(b, "LeaseStatus", locked ? "locked" : "unlocked");
	element(b, "LeaseState", state);
	buf_adds(b, "<ServerEncrypted>true</ServerEncrypted></Properties>");
}

static void one_blob(struct buf *b, const struct entry *n, const char *name,
		     bool metadata)
{
	const cJSON *v;

	buf_adds(b, "<Blob>");
	element(b, "Name", name);
	properties(b, n);
	if (metadata) {
		buf_adds(b, "<Metadata>");
		cJSON_ArrayForEach(v, json_get(n->doc, "meta"))
			element(b, v->string, v->valuestring);
		buf_adds(b, "</Metadata>");
	}
	buf_adds(b, "</Blob>");
}

static int by_key(const void *a, const void *b)
{
	const struct entry *const *x = a, *const *y = b;

	return strcmp((*x)->key, (*y)->key);
}

/* What is asked for. */
struct listing {
	char *prefix, *delimiter, *marker, *include, *max;
	struct buf after; /* the name that the marker stands for */
	uint64_t n;
};

/* -1: refused */
static int listing_read(struct blob_request *r, struct listing *l)
{
	struct err e = ERR_INIT;

	l->prefix = blob_param(r, "prefix");
	l->delimiter = blob_param(r, "delimiter");
	l->marker = blob_param(r, "marker");
	l->include = blob_param(r, "include");
	l->max = blob_param(r, "maxresults");
	buf_init(&l->after, 4096);
	l->n = PAGE_MAX;
	if (l->max[0] != '\0' &&
	    (!str_num(str_of(l->max), INT32_MAX, &l->n) || l->n == 0))
		return blob_deny(r, 400, "OutOfRangeQueryParameterValue",
				 "One of the query parameters specified in the request "
				 "URI is outside the permissible range.");
	if (l->n > PAGE_MAX)
		l->n = PAGE_MAX;
	if (l->marker[0] != '\0' &&
	    (!str_starts(str_of(l->marker), STR("2!")) ||
	     buf_add_unbase64(&l->after, str_of(l->marker + 2), &e) < 0))
		return blob_deny(r, 400, "InvalidQueryParameterValue",
				 "Value for one of the query parameters specified in "
				 "the request URI is invalid.");
	return 0;
}

static void listing_release(struct listing *l)
{
	free(l->prefix);
	free(l->delimiter);
	free(l->marker);
	free(l->include);
	free(l->max);
	buf_release(&l->after);
}

/* The names in their order; the caller frees the array. */
static struct entry **sorted(struct blob_request *r, const char *prefix, size_t *n)
{
	struct entry **all = NULL, *e = NULL;
	size_t cap = 0;

	*n = 0;
	while ((e = store_next(r->m, e, prefix)) != NULL) {
		if (*n == cap) {
			cap = cap == 0 ? 64 : 2 * cap;
			all = xrealloc(all, cap * sizeof(struct entry *));
		}
		all[(*n)++] = e;
	}
	if (*n > 1)
		qsort(all, *n, sizeof(struct entry *), by_key);
	return all;
}

/* Words of include are separated by commas. */
static bool included(const struct listing *l, const char *word)
{
	struct str rest = str_of(l->include), s;

	while (str_next(&rest, ',', &s))
		if (str_ieqz(s, word))
			return true;
	return false;
}

static void listing_write(struct blob_request *r, const struct listing *l,
			  struct buf *b)
{
	char *base = xasprintf("blob:%s/%s/", r->account, r->container),
	     *begin = xasprintf("%s%s", base, l->prefix);
	size_t n, k = strlen(base), shown = 0, d = strlen(l->delimiter);
	struct entry **all = sorted(r, begin, &n);
	struct str folder = STR(""), last = STR("");
	bool uncommitted = included(l, "uncommittedblobs"),
	     metadata = included(l, "metadata"), more = false;

	for (size_t i = 0; i < n && !more; i++) {
		const char *name = all[i]->key + k;
		ptrdiff_t at = d == 0 ? -1 :
					str_find(str_of(name + strlen(l->prefix)),
						 str_of(l->delimiter));
		struct str own = str_of(name);

		if (at >= 0)
			own = str_head(own, strlen(l->prefix) + (size_t)at + d);
		if ((!blob_holds(all[i]) && !uncommitted) ||
		    str_cmp(own, buf_str(&l->after)) <= 0 ||
		    (at >= 0 && str_eq(own, folder)))
			continue;
		if (shown++ == l->n || b->n > LIST_PAGE) {
			more = true;
			break;
		}
		last = own;
		if (at < 0) {
			one_blob(b, all[i], name, metadata);
			continue;
		}
		folder = own;
		buf_adds(b, "<BlobPrefix><Name>");
		char *z = str_dup(own);
		blob_xml(b, z);
		free(z);
		buf_adds(b, "</Name></BlobPrefix>");
	}
	buf_adds(b, "</Blobs>");
	if (more) {
		buf_adds(b, "<NextMarker>2!");
		buf_add_base64(b, last.p, last.n);
		buf_adds(b, "</NextMarker>");
	} else {
		buf_adds(b, "<NextMarker />");
	}
	free(all);
	free(base);
	free(begin);
}

void blob_list(struct blob_request *r)
{
	struct str host = http_field(http_x_head(r->x), "Host");
	struct buf b = BUF_INIT(LIST_MAX);
	struct listing l;

	if (listing_read(r, &l) == 0) {
		buf_addf(&b,
			 "\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"utf-8\"?>"
			 "<EnumerationResults ServiceEndpoint=\"https://%.*s/\" "
			 "ContainerName=\"%s\">",
			 STR_ARG(str_head(host, 255)), r->container);
		if (l.prefix[0] != '\0')
			element(&b, "Prefix", l.prefix);
		if (l.marker[0] != '\0')
			element(&b, "Marker", l.marker);
		if (l.max[0] != '\0')
			element(&b, "MaxResults", l.max);
		if (l.delimiter[0] != '\0')
			element(&b, "Delimiter", l.delimiter);
		buf_adds(&b, "<Blobs>");
		listing_write(r, &l, &b);
		buf_adds(&b, "</EnumerationResults>");
		blob_field(r, "Content-Type: application/xml");
		blob_reply(r, 200, buf_str(&b));
	}
	listing_release(&l);
	buf_release(&b);
}
