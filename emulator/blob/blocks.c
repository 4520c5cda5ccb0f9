/*
 * Block blobs in pieces: blocks that are put, and lists that make them a blob.
 *
 * Source: "Put Block", "Put Block List", "Get Block List" (learn.microsoft.com).
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "emulator/blob/inner.h"
#include "emulator/jsonf.h"

#define BLOCK_MAX ((uint64_t)4000 << 20) /* bytes, since 2019-12-12 */
#define COMMITTED_MAX 50000		 /* blocks in a list */
#define UNCOMMITTED_MAX 100000
#define ID_MAX 64 /* bytes, before base64 */
#define LIST_MAX (8u << 20)

static void bad_list(struct blob_request *r)
{
	blob_deny(r, 400, "InvalidBlockList",
		  "The specified block list is invalid.");
}

/* A block of that id, or NULL. */
static cJSON *block_find(const cJSON *blocks, const char *id)
{
	cJSON *v;

	cJSON_ArrayForEach(v, blocks)
		if (strcmp(json_text(v, "id"), id) == 0)
			return v;
	return NULL;
}

/* All ids of a blob are of one length.  -1: refused. */
static int check_id(struct blob_request *r, const char *id)
{
	const cJSON *blocks = r->n == NULL ? NULL : json_get(r->n->doc, "blocks");
	struct buf raw = BUF_INIT(ID_MAX);
	struct err e = ERR_INIT;
	bool ok = id[0] != '\0' &&
		  buf_add_unbase64(&raw, str_of(id), &e) == 0 && !raw.over;

	buf_release(&raw);
	if (!ok)
		return blob_deny(r, 400, "InvalidQueryParameterValue",
				 "Value for one of the query parameters specified in "
				 "the request URI is invalid.");
	if (cJSON_GetArraySize(blocks) > 0 &&
	    strlen(json_text(blocks->child, "id")) != strlen(id))
		return blob_deny(r, 400, "InvalidBlobOrBlock",
				 "The specified blob or block content is invalid.");
	return 0;
}

/* An append blob has no blocks.  -1: refused. */
static int check_kind(struct blob_request *r)
{
	if (blob_there(r) &&
	    !str_is(json_str_opt(r->n->doc, "kind", "BlockBlob"), "BlockBlob"))
		return blob_deny(r, 409, "InvalidBlobType",
				 "The blob type is invalid for this operation.");
	return 0;
}

static int check_block(struct blob_request *r, const char *id)
{
	if (check_id(r, id) < 0)
		return -1;
	if (check_kind(r) < 0)
		return -1;
	if (r->n != NULL && cJSON_GetArraySize(json_get(r->n->doc, "blocks")) >=
				    UNCOMMITTED_MAX)
		return blob_deny(r, 409, "BlockCountExceedsLimit",
				 "The uncommitted block count cannot exceed the maximum "
				 "limit of 100,000 blocks.");
	return blob_lease_check(r, true);
}

void blob_put_block(struct blob_request *r)
{
	char *id = blob_param(r, "blockid"), file[37] = "";
	uint64_t size = 0;
	cJSON *blocks, *old;

	if (check_block(r, id) < 0 || blob_receive(r, BLOCK_MAX, file, &size) < 0)
		goto out;
	if (check_block(r, id) < 0) {
		blob_drop_file(r->m, file);
		goto out;
	}
	if (r->n == NULL)
		r->n = store_add(r->m, r->key, cJSON_CreateObject(), NULL);
	blocks = json_get_mut(r->n->doc, "blocks");
	if (blocks == NULL)
		blocks = json_add_arr(r->n->doc, "blocks");
	old = block_find(blocks, id);
	if (old != NULL) {
		blob_drop_file(r->m, json_text(old, "file"));
		json_free(cJSON_DetachItemViaPointer(blocks, old));
	}
	json_push(blocks, "{'id':%s,'size':%l,'file':%s}", id, (int64_t)size,
		  file);
	store_changed(r->m);
	blob_field(r, "x-ms-request-server-encrypted: true");
	blob_reply(r, 201, STR(""));
out:
	free(id);
}

/* ---- the list ---- */

enum from { LATEST, COMMITTED, UNCOMMITTED };

/* Cut at the end of needle; what was before it in *left. */
static bool cut_at(struct str *s, struct str needle, struct str *left)
{
	ptrdiff_t at = str_find(*s, needle);

	if (at < 0)
		return false;
	*left = str_head(*s, (size_t)at);
	*s = str_skip(*s, (size_t)at + needle.n);
	return true;
}

/* "<Latest>id</Latest>" at the front.  False: it is none. */
static bool list_next(struct str *s, enum from *from, struct str *id)
{
	static const char *const names[] = { "Latest", "Committed",
					     "Uncommitted" };
	struct str name, end;

	if (!str_starts(*s, STR("<")))
		return false;
	*s = str_skip(*s, 1);
	if (!str_cut(s, '>', &name) || !cut_at(s, STR("</"), id) ||
	    !str_cut(s, '>', &end) || !str_eq(name, end))
		return false;
	*id = str_trim(*id);
	*s = str_trim(*s);
	for (*from = LATEST; *from <= UNCOMMITTED; (*from)++)
		if (str_eqz(name, names[*from]))
			return true;
	return false;
}

/* The block that is meant, or NULL. */
static const cJSON *meant(const struct blob_request *r, enum from from,
			  const char *id)
{
	const cJSON *v = NULL;

	if (r->n == NULL)
		return NULL;
	if (from != COMMITTED)
		v = block_find(json_get(r->n->doc, "blocks"), id);
	if (v == NULL && from != UNCOMMITTED)
		v = block_find(json_get(r->n->doc, "pieces"), id);
	return v;
}

/* The pieces that the text names; NULL: refused. */
static cJSON *list_read(struct blob_request *r, struct str s)
{
	cJSON *pieces = cJSON_CreateArray();
	struct str before, id;
	size_t n = 0;
	enum from from;

	s = str_trim(s);
	if (!cut_at(&s, STR("<BlockList"), &before) || !str_cut(&s, '>', &before)) {
		s = STR("-");
	} else if (str_ends(before, STR("/"))) {
		s = STR("</BlockList>"); /* <BlockList/> */
	}
	s = str_trim(s);
	while (!str_eqz(s, "</BlockList>")) {
		const cJSON *block = NULL;
		char *z;

		if (n++ >= COMMITTED_MAX || !list_next(&s, &from, &id)) {
			blob_deny(r, 400, "InvalidXmlDocument",
				  "XML specified is not syntactically valid.");
			json_free(pieces);
			return NULL;
		}
		z = str_dup(id);
		block = meant(r, from, z);
		free(z);
		if (block == NULL) {
			bad_list(r);
			json_free(pieces);
			return NULL;
		}
		cJSON_AddItemToArray(pieces, cJSON_Duplicate(block, true));
	}
	return pieces;
}

static bool holds(const cJSON *pieces, const char *file)
{
	const cJSON *v;

	cJSON_ArrayForEach(v, pieces)
		if (strcmp(json_text(v, "file"), file) == 0)
			return true;
	return false;
}

/* The files of those that are not kept. */
static void drop_others(struct blob_request *r, const cJSON *have,
			const cJSON *kept)
{
	const cJSON *v;

	cJSON_ArrayForEach(v, have)
		if (!holds(kept, json_text(v, "file")))
			blob_drop_file(r->m, json_text(v, "file"));
}

static void commit(struct blob_request *r, cJSON *pieces)
{
	cJSON *doc = r->n->doc;
	int64_t size = 0;
	const cJSON *v;

	cJSON_ArrayForEach(v, pieces)
		size += json_int_opt(v, "size", 0);
	drop_others(r, json_get(doc, "pieces"), pieces);
	drop_others(r, json_get(doc, "blocks"), pieces);
	blob_drop_file(r->m, json_text(doc, "file"));
	json_drop(doc, "file");
	json_drop(doc, "blocks");
	json_set(doc, "pieces", pieces);
	json_put_str(doc, "kind", "BlockBlob");
	json_put_int(doc, "size", size);
	if (json_get(doc, "created") == NULL)
		json_put_int(doc, "created", unix_time());
	blob_touch(r);
	blob_stamp(r);
	blob_field(r, "x-ms-request-server-encrypted: true");
	blob_reply(r, 201, STR(""));
}

/* Takes pieces. */
static void put_list(struct blob_request *r, cJSON *pieces)
{
	cJSON *fresh = r->n == NULL ? cJSON_CreateObject() : NULL;

	/* a refusal lets go of the lock, and nothing may be left of it */
	if (blob_describe(r, fresh != NULL ? fresh : r->n->doc) < 0) {
		json_free(pieces);
		json_free(fresh);
		return;
	}
	if (fresh != NULL)
		r->n = store_add(r->m, r->key, fresh, NULL);
	commit(r, pieces);
}

void blob_put_list(struct blob_request *r)
{
	struct buf body = BUF_INIT(LIST_MAX);
	struct err e = ERR_INIT;
	cJSON *pieces;
	int rc;

	pthread_mutex_unlock(&r->m->lock);
	rc = http_x_body(r->x, &body, &e);
	pthread_mutex_lock(&r->m->lock);
	r->n = store_find(r->m, r->key);
	if (rc < 0) {
		http_x_abort(r->x);
	} else if (check_kind(r) == 0 && blob_check_write(r) == 0 &&
		   (pieces = list_read(r, buf_str(&body))) != NULL) {
		put_list(r, pieces);
	}
	buf_release(&body);
}

static void list_add(struct buf *b, const char *name, const cJSON *blocks)
{
	const cJSON *v;

	buf_addf(b, "<%s>", name);
	cJSON_ArrayForEach(v, blocks) {
		buf_adds(b, "<Block><Name>");
		blob_xml(b, json_text(v, "id"));
		buf_addf(b, "</Name><Size>%lld</Size></Block>",
			 (long long)json_int_opt(v, "size", 0));
	}
	buf_addf(b, "</%s>", name);
}

void blob_get_list(struct blob_request *r)
{
	struct buf b = BUF_INIT(LIST_MAX * 4);
	char *which = blob_param(r, "blocklisttype");

	if (r->n == NULL) {
		blob_deny(r, 404, "BlobNotFound",
			  "The specified blob does not exist.");
	} else if (blob_lease_check(r, false) == 0) {
		buf_adds(&b,
			 "\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>");
		if (strcasecmp(which, "uncommitted") != 0)
			list_add(&b, "CommittedBlocks",
				 json_get(r->n->doc, "pieces"));
		if (str_listed("uncommitted all", which))
			list_add(&b, "UncommittedBlocks",
				 json_get(r->n->doc, "blocks"));
		buf_adds(&b, "</BlockList>");
		if (blob_there(r))
			blob_stamp(r);
		blob_field(r, "Content-Type: application/xml");
		blob_field(r, "x-ms-blob-content-length: %lld",
			   (long long)json_int_opt(r->n->doc, "size", 0));
		blob_reply(r, 200, buf_str(&b));
	}
	free(which);
	buf_release(&b);
}
