/*
 * Everything the local Azure remembers: a list of entries, found by their
 * lower-case id, kept in DIR/state.json.  It knows nothing of what the
 * documents mean, but for the words "id" and "properties".
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "emulator/arm/providers.h"
#include "emulator/fault.h"
#include "emulator/inner.h"
#include "emulator/ops.h"
#include "emulator/store.h"

void entry_state(struct entry *n, const char *state)
{
	json_put_str(json_sub(n->doc, "properties"), "provisioningState", state);
}

bool entry_is(const struct entry *n, const char *state)
{
	return json_is(n->doc, "properties.provisioningState", state);
}

/* ---- entries ---- */

/* The letters of a key: a blob's name as it is, all else in lower case. */
static char fold(char c, bool exact)
{
	return exact ? c : to_lower(c);
}

static bool is_exact(const char *id)
{
	return strncmp(id, "blob:", 5) == 0;
}

/* FNV-1a of the key that id makes. */
static uint32_t hash_of(const char *id, bool exact)
{
	uint32_t h = 2166136261u;

	for (; *id != '\0'; id++)
		h = (h ^ (unsigned char)fold(*id, exact)) * 16777619u;
	return h;
}

static bool is_key(const char *key, const char *id, bool exact)
{
	while (*id != '\0' && *key == fold(*id, exact))
		key++, id++;
	return *key == fold(*id, exact);
}

/* Where the list of those with such a hash begins. */
static struct entry **index_at(struct emu *m, uint32_t hash)
{
	return &m->index[hash & (m->index_n - 1)];
}

/* At the end: of two with the same key the older one is found. */
static void index_put(struct emu *m, struct entry *n)
{
	struct entry **at = index_at(m, n->hash);

	while (*at != NULL)
		at = &(*at)->same;
	*at = n;
	n->same = NULL;
}

/* Lists of one, or hardly more. */
static void index_grow(struct emu *m)
{
	free(m->index);
	m->index_n = m->index_n == 0 ? 64 : 2 * m->index_n;
	m->index = xcalloc(m->index_n, sizeof(*m->index));
	for (struct entry *n = m->entries; n != NULL; n = n->next)
		index_put(m, n);
}

struct entry *store_find(struct emu *m, const char *id)
{
	bool exact = id != NULL && is_exact(id);
	struct entry *n;
	uint32_t hash;

	if (id == NULL || m->index == NULL)
		return NULL;
	hash = hash_of(id, exact);
	n = *index_at(m, hash);
	while (n != NULL && (n->hash != hash || !is_key(n->key, id, exact)))
		n = n->same;
	return n;
}

static const struct rtype *type_of(const cJSON *doc)
{
	return provider_type(json_text(doc, "type"));
}

struct entry *store_add(struct emu *m, const char *id, cJSON *doc, cJSON *hide)
{
	struct entry *n = xcalloc(1, sizeof(*n));

	n->key = is_exact(id) ? xstrdup(id) : emu_lower(id);
	n->hash = hash_of(n->key, true);
	n->doc = doc;
	n->hide = hide != NULL ? hide : cJSON_CreateObject();
	n->type = type_of(doc);
	if (m->entries_n++ >= m->index_n)
		index_grow(m);
	index_put(m, n);
	n->at = m->entries_end;
	*n->at = n;
	m->entries_end = &n->next;
	store_changed(m);
	return n;
}

static void entry_free(struct entry *n)
{
	free(n->key);
	json_free(n->doc);
	json_burn(n->hide);
	free(n);
}

void store_remove(struct emu *m, struct entry *n)
{
	struct entry **same = index_at(m, n->hash);

	while (*same != n)
		same = &(*same)->same;
	*same = n->same;
	*n->at = n->next;
	if (n->next != NULL)
		n->next->at = n->at;
	else
		m->entries_end = n->at;
	m->entries_n--;
	entry_free(n);
	store_changed(m);
}

struct entry *store_below(struct emu *m, struct entry *after, const char *key,
			  const char *tail)
{
	size_t n = strlen(key), more = strlen(tail);

	for (after = after == NULL ? m->entries : after->next; after != NULL;
	     after = after->next)
		if (strncmp(after->key, key, n) == 0 &&
		    strncmp(after->key + n, tail, more) == 0)
			return after;
	return NULL;
}

struct entry *store_next(struct emu *m, struct entry *after, const char *prefix)
{
	return store_below(m, after, prefix, "");
}

struct entry *store_typed(struct emu *m, struct entry *after, const char *type)
{
	do
		after = store_next(m, after, "");
	while (after != NULL &&
	       (after->type == NULL || !str_is(after->type->name, type)));
	return after;
}

void store_changed(struct emu *m)
{
	m->dirty = true;
	pthread_cond_broadcast(&m->changed);
}

const cJSON *store_part(const cJSON *doc, const char *path)
{
	struct str rest = str_of(path), kind, name;

	while (doc != NULL && rest.n > 0 && str_next(&rest, '/', &kind)) {
		char *k = str_dup(kind), *v;

		if (!str_next(&rest, '/', &name))
			name = STR("");
		v = str_dup(name);
		doc = json_named(json_get_i(json_get(doc, "properties"), k), v);
		free(k);
		free(v);
	}
	return doc;
}

const cJSON *store_doc(struct emu *m, const char *id)
{
	const cJSON *doc = NULL;
	struct entry *n = NULL;
	char *base, *cut;

	if (id == NULL)
		return NULL;
	/* the longest beginning that is an entry; then collection, name, ... */
	base = emu_lower(id);
	while ((n = store_find(m, base)) == NULL &&
	       (cut = strrchr(base, '/')) != NULL)
		*cut = '\0';
	if (n != NULL)
		doc = store_part(n->doc, id[strlen(base)] == '\0' ?
						 "" :
						 id + strlen(base) + 1);
	free(base);
	return doc;
}

static bool names(const cJSON *doc, const char *id, size_t n)
{
	const cJSON *c;

	if (cJSON_IsString(doc))
		return strncasecmp(doc->valuestring, id, n) == 0 &&
		       (doc->valuestring[n] == '\0' || doc->valuestring[n] == '/');
	cJSON_ArrayForEach(c, doc)
		if (names(c, id, n))
			return true;
	return false;
}

/* a is key or below it. */
static bool within(const char *a, const char *key)
{
	size_t n = strlen(key);

	return strncmp(a, key, n) == 0 && (a[n] == '\0' || a[n] == '/');
}

struct entry *store_referrer(struct emu *m, const char *id)
{
	char *key = emu_lower(id);
	size_t n = strlen(key);
	struct entry *at;

	/* a part of a document is named in it, too */
	for (at = m->entries; at != NULL; at = at->next)
		if (at->type != NULL && !within(at->key, key) &&
		    !within(key, at->key) &&
		    names(json_get(at->doc, "properties"), id, n))
			break;
	free(key);
	return at;
}

/* ---- the file ---- */

static char *state_path(struct emu *m)
{
	return xasprintf("%s/state.json", m->dir);
}

static void state_new(struct emu *m)
{
	uint8_t raw[32];
	struct buf b = BUF_INIT(sizeof(m->secret));

	random_guid(m->tenant);
	random_guid(m->client);
	random_guid(m->object);
	random_guid(m->subscription);
	random_bytes(m->token_key, sizeof(m->token_key));
	random_bytes(raw, sizeof(raw));
	/* Entra's secrets hold '~' and '.', which must be escaped in a form */
	buf_addf(&b, "Qx8~");
	buf_add_base64url(&b, raw, 24);
	b.str[20] = '~';
	b.str[12] = '.';
	memcpy(m->secret, b.str, b.n + 1);
	buf_burn(&b);
	burn(raw, sizeof(raw));
}

/* Texts of the state file and where they are kept. */
#define TEXT(name, member) \
	{ \
		name, sizeof(((struct emu *)0)->member), \
			offsetof(struct emu, member) \
	}
static const struct {
	const char *name;
	size_t size, at;
} texts[] = {
	TEXT("tenantId", tenant),
	TEXT("clientId", client),
	TEXT("objectId", object),
	TEXT("clientSecret", secret),
	TEXT("subscriptionId", subscription),
};
#define TEXTS (sizeof(texts) / sizeof(texts[0]))

static int take_texts(struct emu *m, const cJSON *doc, struct err *e)
{
	for (size_t i = 0; i < TEXTS; i++) {
		const char *s = json_str(doc, texts[i].name, e);

		if (s == NULL)
			return -1;
		if (strlen(s) >= texts[i].size)
			return err_set(e, ERR_DATA, "%s is too long",
				       texts[i].name);
		memcpy((char *)m + texts[i].at, s, strlen(s) + 1);
	}
	return 0;
}

static void ops_load(struct emu *m, const cJSON *arr)
{
	const cJSON *v;

	cJSON_ArrayForEach(v, arr) {
		struct op *op = xcalloc(1, sizeof(*op));

		op->m = m;
		snprintf(op->id, sizeof(op->id), "%s", json_text(v, "id"));
		op->style = (enum op_style)json_int_opt(v, "style", 0);
		op->status = (enum op_status)json_int_opt(v, "status", OP_FAILED);
		op->started = json_int_opt(v, "started", 0);
		op->ended = json_int_opt(v, "ended", 0);
		op->done_status = (unsigned)json_int_opt(v, "done", 200);
		op->location = xstrdup(json_text(v, "location"));
		op->key = xstrdup(json_text(v, "key"));
		op->api = xstrdup(json_text(v, "api"));
		op->fault.status = 500;
		op->fault.error = cJSON_Duplicate(json_get(v, "error"), true);
		if (op->status == OP_RUNNING) {
			op->status = OP_FAILED;
			op->ended = unix_time();
			fault_set(&op->fault, 500,
				  "InternalExecutionError: "
				  "The operation was cut off when the local Azure was stopped.");
		}
		op->next = m->ops;
		m->ops = op;
	}
}

/* What was under way when the last one stopped will not be finished. */
static void settle_cut_off(struct entry *n)
{
	const char *s = json_str_opt(n->doc, "properties.provisioningState", NULL);
	const char *power = json_str_opt(n->hide, "power", NULL);

	if (s != NULL && strcmp(s, "Succeeded") != 0 && strcmp(s, "Canceled") != 0)
		json_put_str(json_get_mut(n->doc, "properties"),
			     "provisioningState",
			     strstr(n->key, "/deployments/") != NULL ? "Failed" :
			     strcmp(s, "Failed") == 0		     ? s :
							"Succeeded");
	if (power != NULL)
		json_put_str(n->hide, "power",
			     json_str_opt(n->hide, "want", "running"));
}

int store_load(struct emu *m, struct err *e)
{
	struct buf b = BUF_INIT(STATE_MAX);
	struct buf key = BUF_INIT(64);
	char *path = state_path(m);
	cJSON *doc = NULL;
	const cJSON *v;
	int rc = -1;

	m->entries_end = &m->entries;
	if (!file_exists(path)) {
		state_new(m);
		rc = store_save(m, e);
		goto out;
	}
	if (file_read(path, &b, e) < 0 ||
	    (doc = json_parse(buf_str(&b), path, e)) == NULL)
		goto out;
	if (take_texts(m, doc, e) < 0 ||
	    buf_add_unhex(&key, str_of(json_text(doc, "tokenKey")), e) < 0)
		goto out;
	if (key.n != sizeof(m->token_key)) {
		err_set(e, ERR_DATA, "tokenKey is not 32 bytes");
		goto out;
	}
	memcpy(m->token_key, key.str, key.n);
	cJSON_ArrayForEach(v, json_get(doc, "entries")) {
		const char *k = json_str(v, "key", e);

		if (k == NULL)
			goto out;
		settle_cut_off(
			store_add(m, k, cJSON_Duplicate(json_get(v, "doc"), true),
				  cJSON_Duplicate(json_get(v, "hide"), true)));
	}
	ops_load(m, json_get(doc, "ops"));
	rc = 0;
out:
	if (rc < 0)
		err_in(e, "%s", path);
	json_burn(doc);
	buf_burn(&b);
	buf_burn(&key);
	free(path);
	return rc;
}

static void save_ops(struct emu *m, struct buf *b)
{
	unsigned n = 0;
	struct op *op;

	buf_adds(b, "\n],\"ops\":[");
	/* the list is newest first and is read back so, each put in front */
	for (op = m->ops; op != NULL && n < 100; op = op->next) {
		cJSON *o = json_fmt(
			"{'id':%s,'style':%d,'status':%d,'started':%l,'ended':%l,"
			"'done':%d,'location':%s,'key':%s,'api':%s,'error':%j}",
			op->id, (int)op->style, (int)op->status, op->started,
			op->ended, (int)op->done_status, op->location, op->key,
			op->api, op->fault.error);

		buf_adds(b, n++ ? ",\n" : "\n");
		json_print(o, b);
		json_free(o);
	}
	buf_adds(b, "\n]}\n");
}

int store_save(struct emu *m, struct err *e)
{
	struct buf b = BUF_INIT(STATE_MAX);
	char *path = state_path(m);
	struct entry *n;
	int rc;

	m->dirty = false;
	buf_addc(&b, '{');
	for (size_t i = 0; i < TEXTS; i++)
		buf_addf(&b, "\"%s\":\"%s\",", texts[i].name,
			 (const char *)m + texts[i].at);
	buf_adds(&b, "\"tokenKey\":\"");
	buf_add_hex(&b, m->token_key, sizeof(m->token_key));
	buf_adds(&b, "\",\"entries\":[");
	for (n = m->entries; n != NULL; n = n->next) {
		buf_adds(&b, n == m->entries ? "\n{\"key\":" : ",\n{\"key\":");
		buf_add_json_string(&b, str_of(n->key));
		buf_adds(&b, ",\"doc\":");
		json_print(n->doc, &b);
		buf_adds(&b, ",\"hide\":");
		json_print(n->hide, &b);
		buf_addc(&b, '}');
	}
	save_ops(m, &b);
	rc = buf_check(&b, "state", e);
	m->saved_n = b.n;
	/* written without the lock: a slow disk must not hold every request */
	if (rc == 0) {
		pthread_mutex_unlock(&m->lock);
		rc = file_write(path, buf_str(&b), 0600, e);
		pthread_mutex_lock(&m->lock);
	}
	buf_burn(&b);
	free(path);
	return rc;
}

void store_release(struct emu *m)
{
	struct entry *n;

	while ((n = m->entries) != NULL) {
		m->entries = n->next;
		entry_free(n);
	}
	free(m->index);
	m->index = NULL;
	m->index_n = m->entries_n = 0;
	burn(m->secret, sizeof(m->secret));
	burn(m->token_key, sizeof(m->token_key));
}
