/*
 * The storage account: file shares, and the blob from which machines fetch
 * this program.  Shares and containers are made through Resource Manager;
 * only the upload itself goes to the storage service, with a shared access
 * signature: one that Azure makes for us with the account's key, or, where a
 * policy forbids keys, one of ours (swarm/delegation.c).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/time.h"
#include "http/retry.h"
#include "node/layout.h"
#include "swarm/swarm.h"

#define TAKEN "StorageAccountAlreadyTaken"
#define UPLOAD_MS 600000
#define SAS_UPLOAD_S 3600
#define SHARE_QUOTA_GIB 100
#define KEY_TAG "azswarm-key" /* of the account: which of its keys is in use */

const char *storage_account_name(struct session *s)
{
	if (s->account == NULL)
		s->account = names_account(s);
	return s->account;
}

static char *path_of(struct session *s, const char *name, const char *rest)
{
	return azure_path(&s->az,
			  "/resourceGroups/%s/providers/Microsoft.Storage/"
			  "storageAccounts/%s%s?api-version=" API_STORAGE,
			  settings_get(s->set, S_STORAGE_GROUP), name, rest);
}

static char *account_path(struct session *s, const char *rest)
{
	return path_of(s, storage_account_name(s), rest);
}

/* It has that name from now on.  Takes name. */
static void use_name(struct session *s, char *name)
{
	free(s->account);
	s->account = name;
	storage_release(&s->store);
}

/* 1: it is there; 0: not; -1. */
static int look_for(struct session *s, const char *name, struct azure_reply *r,
		    struct err *e)
{
	char *path = path_of(s, name, "");
	int rc = azure_call(&s->az, "GET", path, NULL, AZURE_MISSING_OK, r, e);

	free(path);
	return rc < 0 ? -1 : r->http.head.status != 404;
}

/* The same for ours, by either of the names that it may have. */
static int account_look(struct session *s, struct azure_reply *r, struct err *e)
{
	int rc = look_for(s, storage_account_name(s), r, e);
	char *other = rc == 0 ? names_account_other(s, s->account) : NULL;

	if (other == NULL)
		return rc;
	azure_reply_release(r);
	rc = look_for(s, other, r, e);
	if (rc > 0 && names_keep_account(other, e) < 0)
		rc = -1;
	if (rc > 0)
		use_name(s, other);
	else
		free(other);
	return rc;
}

static int take_text(const cJSON *doc, const char *path, char **out, struct err *e)
{
	const char *v = json_str(doc, path, e);

	if (v == NULL)
		return err_in(e, "storage account");
	*out = xstrdup(v);
	return 0;
}

/* "key2", or "key2 key1" while that replaces this; the first one where nobody has
 * changed it. */
static void take_keys(struct storage *st, const cJSON *doc)
{
	struct str rest = str_of(json_str_opt(json_get(doc, "tags"), KEY_TAG, "")),
		   now;

	str_next(&rest, ' ', &now);
	snprintf(st->key, sizeof(st->key), "%s",
		 str_eqz(now, "key2") ? "key2" : "key1");
	snprintf(st->key_before, sizeof(st->key_before), "%s",
		 str_eqz(rest, "key1") || str_eqz(rest, "key2") ? rest.p : "");
}

/* null, as in accounts from before there was a choice: they are allowed. */
static bool is_keyless(const cJSON *doc)
{
	return cJSON_IsFalse(json_at(doc, "properties.allowSharedKeyAccess"));
}

static int take_account(struct storage *st, const cJSON *doc, struct err *e)
{
	take_keys(st, doc);
	st->made = json_is(doc, "properties.provisioningState", "Succeeded");
	st->keyless = is_keyless(doc);
	if (take_text(doc, "properties.primaryEndpoints.blob", &st->blob, e) < 0)
		return -1;
	return take_text(doc, "properties.primaryEndpoints.file", &st->file, e);
}

void storage_release(struct storage *st)
{
	free(st->blob);
	free(st->file);
	json_burn(st->delegation);
	burn_str(st->query);
	burn_str(st->images);
	*st = (struct storage){ 0 };
}

static int find(struct session *s, struct err *e)
{
	struct azure_reply r = { 0 };
	int rc = account_look(s, &r, e);

	if (rc > 0)
		rc = take_account(&s->store, r.doc, e);
	else if (rc == 0)
		rc = err_set(e, ERR_DATA,
			     "storage account %s is not there; "
			     "'azswarm deploy-storage' makes it",
			     storage_account_name(s));
	azure_reply_release(&r);
	return rc;
}

struct storage *storage_of(struct session *s, struct err *e)
{
	/* which looks for it, too, and would do so in the middle of this */
	if (lock_take(s, e) < 0)
		return NULL;
	return s->store.blob != NULL || find(s, e) == 0 ? &s->store : NULL;
}

void storage_say_keyless(struct session *s)
{
	ui_say(s->ui, "storage account %s allows no shared keys: " STORAGE_LOST,
	       storage_account_name(s));
}

bool storage_keyless_now(struct session *s, struct storage *st, struct err *e)
{
	if (st->keyless || !err_is(e, "KeyBasedAuthenticationNotPermitted"))
		return false;
	err_clear(e);
	st->keyless = true;
	storage_say_keyless(s);
	return true;
}

int storage_sku(struct session *s, char **sku, struct err *e)
{
	struct azure_reply r = { 0 };
	int rc = account_look(s, &r, e);

	if (rc > 0) {
		s->store.keyless = is_keyless(r.doc);
		rc = take_text(r.doc, "sku.name", sku, e);
	}
	azure_reply_release(&r);
	return rc;
}

int storage_key(struct session *s, const struct storage *st, char **key,
		struct err *e)
{
	char *path;
	struct azure_reply r = { 0 };
	const cJSON *k, *found = NULL;
	const char *v;
	int rc = -1;

	if (st->keyless)
		return err_set(e, ERR_DATA,
			       "storage account %s allows no shared keys, and "
			       "this needs one",
			       storage_account_name(s));
	path = account_path(s, "/listKeys");
	if (azure_call(&s->az, "POST", path, NULL, 0, &r, e) == 0) {
		cJSON_ArrayForEach(k, json_get(r.doc, "keys"))
			if (json_is(k, "keyName", st->key))
				found = k;
		if ((v = json_str(found, "value", e)) != NULL) {
			*key = xstrdup(v);
			rc = 0;
		}
	}
	azure_reply_burn(&r);
	free(path);
	return rc < 0 ? err_in(e, "keys of storage account %s",
			       storage_account_name(s)) :
			0;
}

int storage_key_anew(struct session *s, const char *name, struct err *e)
{
	char *path = account_path(s, "/regenerateKey");
	cJSON *body = cJSON_CreateObject();
	struct azure_reply r = { 0 };
	int rc;

	json_add_str(body, "keyName", name);
	rc = azure_call(&s->az, "POST", path, body, 0, &r, e);
	if (rc == 0)
		ui_say(s->ui, "storage account %s: %s made anew",
		       storage_account_name(s), name);
	azure_reply_burn(&r);
	json_free(body);
	free(path);
	return rc < 0 ? err_in(e, "%s of storage account %s", name,
			       storage_account_name(s)) :
			0;
}

int storage_use_key(struct session *s, const char *name, const char *before,
		    struct err *e)
{
	char *value = xasprintf("%s%s%s", name, *before ? " " : "", before);
	char *path = account_path(s, "");
	cJSON *body = cJSON_CreateObject(), *tags;
	struct azure_reply r = { 0 }, done = { 0 };
	int rc = look_for(s, storage_account_name(s), &r, e);

	/* a PATCH has all tags */
	tags = cJSON_Duplicate(json_get(r.doc, "tags"), true);
	json_set(body, "tags", cJSON_IsObject(tags) ? tags : cJSON_CreateObject());
	if (!cJSON_IsObject(tags))
		json_free(tags);
	json_set(json_get_mut(body, "tags"), KEY_TAG, cJSON_CreateString(value));
	if (rc > 0)
		rc = azure_call(&s->az, "PATCH", path, body, 0, &done, e);
	else if (rc == 0)
		rc = err_set(e, ERR_DATA, "is not there");
	if (rc == 0) {
		/* what was signed with the other one is signed again */
		burn_str(s->store.query);
		burn_str(s->store.images);
		s->store.query = s->store.images = NULL;
		take_keys(&s->store, body);
	}
	azure_reply_release(&r);
	azure_reply_release(&done);
	json_free(body);
	free(path);
	free(value);
	return rc < 0 ? err_in(e, "storage account %s", storage_account_name(s)) :
			0;
}

/* ---- this program as a blob ---- */

/* blob: "container/name", or a container for all that is in it. */
static int signed_by_azure(struct session *s, const struct storage *st,
			   const char *blob, const char *permissions,
			   int64_t expires, char **query, struct err *e)
{
	char *path = account_path(s, "/ListServiceSas"), *resource;
	cJSON *body = cJSON_CreateObject();
	struct azure_reply r = { 0 };
	char end[32];
	const char *sas;
	int rc = -1;

	time_iso(expires, end);
	resource = xasprintf("/blob/%s/%s", storage_account_name(s), blob);
	json_add_str(body, "canonicalizedResource", resource);
	json_add_str(body, "signedResource",
		     strchr(blob, '/') != NULL ? "b" : "c");
	json_add_str(body, "signedPermission", permissions);
	json_add_str(body, "signedProtocol", "https");
	json_add_str(body, "signedExpiry", end);
	json_add_str(body, "keyToSign", st->key);
	if (azure_call(&s->az, "POST", path, body, 0, &r, e) == 0 &&
	    (sas = json_str(r.doc, "serviceSasToken", e)) != NULL) {
		*query = xstrdup(sas);
		rc = 0;
	}
	azure_reply_burn(&r);
	json_free(body);
	free(resource);
	free(path);
	return rc;
}

int storage_sign(struct session *s, struct storage *st, const char *blob,
		 const char *permissions, int64_t expires, char **query,
		 struct err *e)
{
	int rc = st->keyless ? delegation_sign(s, st, blob, permissions,
					       expires, query, e) :
			       signed_by_azure(s, st, blob, permissions,
					       expires, query, e);

	return rc < 0 ? err_in(e, "access to blob storage of %s",
			       storage_account_name(s)) :
			0;
}

char *storage_url(const struct storage *st, const char *blob, const char *query)
{
	size_t n = strlen(st->blob);

	return xasprintf("%s%s%s?%s", st->blob,
			 n > 0 && st->blob[n - 1] == '/' ? "" : "/", blob, query);
}

int storage_sas_url(struct session *s, struct storage *st, const char *blob,
		    const char *permissions, int64_t expires, char **url,
		    struct err *e)
{
	char *query;

	if (storage_sign(s, st, blob, permissions, expires, &query, e) < 0)
		return -1;
	*url = storage_url(st, blob, query);
	burn_str(query);
	return 0;
}

int storage_refusal(const struct http_response *r, enum http_retry row,
		    struct err *e)
{
	struct str code = http_field(&r->head, "x-ms-error-code");
	struct str id = http_field(&r->head, "x-ms-request-id");
	struct buf word = BUF_INIT(80);
	bool passes = http_passes(row, &r->head, NULL);

	buf_addstr(&word, str_head(code, 80));
	err_refused(e, passes ? ERR_NET : ERR_AZURE, word.str, "",
		    "HTTP %u %s (request %.*s)", r->head.status, word.str,
		    STR_ARG(str_head(id, 80)));
	buf_release(&word);
	return r->head.status == 403 ?
		       http_blame_clock(http_clock_ahead(&r->head), e) :
		       -1;
}

int storage_again(struct session *s, enum http_retry row, unsigned tries,
		  int64_t began, struct err *e)
{
	int64_t wait_ms = http_retry_ms(row, tries, NULL, e);

	if (wait_ms < 0)
		return -1;
	err_clear(e);
	return s->az.clock.wait(s->az.clock.ctx, now_ms() + wait_ms,
				"the storage account to answer", began, e);
}

static int blob_there(struct session *s, const char *url,
		      const struct program *p, bool *there, struct err *e)
{
	static const char *const fields[] = { "x-ms-version: " STORAGE_VERSION,
					      NULL };
	struct http_request q = {
		.method = "HEAD",
		.url = url,
		.fields = fields,
		.idempotent = true,
		.deadline_ms = now_ms() + 60000,
	};
	struct http_response r;
	uint64_t size;
	int rc = -1;

	http_response_init(&r, 64u << 10);
	if (http_exchange(&s->data, &q, &r, e) < 0)
		goto out;
	*there = false;
	if (r.head.status == 200)
		*there = str_num(http_field(&r.head, "content-length"),
				 UINT64_MAX, &size) &&
			 size == p->size;
	else if (r.head.status != 404) {
		storage_refusal(&r, RETRY_BLOB, e);
		goto out;
	}
	rc = 0;
out:
	http_response_release(&r);
	return rc < 0 ? err_in(e, "blob storage") : 0;
}

int storage_blob_there(struct session *s, const char *url,
		       const struct program *p, bool *there, struct err *e)
{
	int64_t began = now_ms();

	for (unsigned tries = 1; blob_there(s, url, p, there, e) < 0; tries++)
		if (storage_again(s, RETRY_BLOB, tries, began, e) < 0)
			return -1;
	return 0;
}

struct upload {
	const struct program *of;
	uint64_t at;
};

static ssize_t upload_read(void *ctx, void *p, size_t n, struct err *e)
{
	struct upload *u = ctx;
	ssize_t got = pread(u->of->fd, p, n, (off_t)u->at);

	if (got < 0)
		return err_sys(e, ERR_IO, "reading %s", u->of->path);
	if (got == 0)
		return err_set(e, ERR_IO, "%s has become shorter", u->of->path);
	u->at += (uint64_t)got;
	return got;
}

static int put_blob(struct session *s, const char *url, const struct program *p,
		    struct err *e)
{
	static const char *const fields[] = {
		"x-ms-version: " STORAGE_VERSION, "x-ms-blob-type: BlockBlob",
		"Content-Type: application/octet-stream", NULL
	};
	struct upload u = { .of = p };
	struct http_request q = {
		.method = "PUT",
		.url = url,
		.fields = fields,
		.body_read = upload_read,
		.body_ctx = &u,
		.body_length = p->size,
		.idempotent = false,
		.deadline_ms = now_ms() + UPLOAD_MS,
	};
	struct http_response r;
	int rc;

	http_response_init(&r, 64u << 10);
	rc = http_exchange(&s->data, &q, &r, e);
	if (rc == 0 && r.head.status != 201)
		rc = storage_refusal(&r, RETRY_UPLOAD, e);
	http_response_release(&r);
	return rc;
}

static int upload(struct session *s, struct storage *st,
		  const struct program *p, struct err *e)
{
	char *write_url = NULL;
	int64_t began = now_ms();
	bool there = false;
	int rc = -1;

	for (unsigned tries = 1;; tries++) {
		if (write_url == NULL &&
		    storage_sas_url(s, st, p->blob, "rcw",
				    unix_time() + SAS_UPLOAD_S, &write_url, e) < 0)
			goto out;
		if (blob_there(s, write_url, p, &there, e) == 0 &&
		    (there || put_blob(s, write_url, p, e) == 0))
			break;
		if (storage_keyless_now(s, st, e)) {
			burn_str(write_url);
			write_url = NULL;
		} else if (storage_again(s, RETRY_UPLOAD, tries, began, e) < 0) {
			goto out;
		}
	}
	ui_say(s->ui, "program %.12s... %s%s%s", p->sha256,
	       there ? "is in storage already" : "uploaded",
	       p->machine == ELF_OWN ? "" : ", for ",
	       p->machine == ELF_OWN ? "" : elf_names[p->machine].kernel);
	rc = 0;
out:
	burn_str(write_url);
	return rc == 0		     ? 0 :
	       p->machine == ELF_OWN ? err_in(e, "uploading this program") :
				       err_in(e, "uploading %s", p->path);
}

/* ---- commands ---- */

/* A name that cannot be had: ERR_AZURE; it is another's: with that code. */
int storage_name_free(struct session *s, struct err *e)
{
	char *path = azure_path(&s->az,
				"/providers/Microsoft.Storage/checkNameAvailability"
				"?api-version=" API_STORAGE);
	cJSON *body = cJSON_CreateObject();
	struct azure_reply r = { 0 };
	int rc;

	json_add_str(body, "name", storage_account_name(s));
	json_add_str(body, "type", "Microsoft.Storage/storageAccounts");
	rc = azure_call(&s->az, "POST", path, body, 0, &r, e);
	if (rc == 0 && !json_bool_opt(r.doc, "nameAvailable", true))
		rc = err_refused(e, ERR_AZURE,
				 strcmp(json_str_opt(r.doc, "reason", ""),
					"AlreadyExists") == 0 ?
					 TAKEN :
					 "",
				 "", "%s",
				 json_str_opt(r.doc, "message",
					      "the name cannot be had"));
	azure_reply_release(&r);
	json_free(body);
	free(path);
	return rc;
}

/* Does an error of a policy speak of keys, or not say of what? */
static bool about_keys(const cJSON *doc, bool *details)
{
	const cJSON *c;

	if (cJSON_IsString(doc) && doc->string != NULL &&
	    (strcmp(doc->string, "path") == 0 ||
	     strcmp(doc->string, "expression") == 0)) {
		*details = true;
		return str_ends(str_of(doc->valuestring),
				STR("llowSharedKeyAccess"));
	}
	cJSON_ArrayForEach(c, doc)
		if (about_keys(c, details))
			return true;
	return false;
}

static int account_request(struct session *s, bool keys, struct azure_reply *r,
			   struct err *e)
{
	char *path = account_path(s, "");
	char *what = xasprintf("storage account %s", storage_account_name(s));
	struct azure_wait w = { .what = what, .limit_ms = OPERATION_LIMIT_MS };
	cJSON *body = cJSON_CreateObject(), *p;
	int rc;

	json_add_str(json_add_obj(body, "sku"), "name", "Standard_LRS");
	json_add_str(body, "kind", "StorageV2");
	json_add_str(body, "location", settings_get(s->set, S_LOCATION));
	p = json_add_obj(body, "properties");
	json_add_bool(p, "supportsHttpsTrafficOnly", true);
	json_add_str(p, "minimumTlsVersion", "TLS1_2");
	json_add_bool(p, "allowBlobPublicAccess", false);
	json_add_bool(p, "allowSharedKeyAccess", keys); /* SMB mounts need it */
	rc = azure_do(&s->az, "PUT", path, body, &w, r, e);
	if (rc == 0)
		ui_say(s->ui, "%s made", what);
	json_free(body);
	free(what);
	free(path);
	return rc;
}

/* A policy forbids one with keys; e has its words.  What is lost without is
 * said, and agreed to, before there is one. */
static int make_keyless(struct session *s, struct azure_reply *r, struct err *e)
{
	struct err refused = *e;

	if (!s->yes && !isatty(STDIN_FILENO)) {
		err_clear(e);
		return err_refused(e, ERR_AZURE, "", "",
				   "%s; --yes makes it without shared keys, and "
				   "then " STORAGE_LOST,
				   refused.msg);
	}
	ui_say(s->ui, "%s", refused.msg);
	ui_say(s->ui, "without shared keys " STORAGE_LOST);
	err_clear(e);
	if (swarm_agree(s, "make the storage account without shared keys", e) < 0)
		return -1;
	azure_reply_release(r);
	return account_request(s, false, r, e);
}

/* r: what there is of it, which may be one that was not made to the end. */
static int account_make(struct session *s, struct azure_reply *r, struct err *e)
{
	bool there = r->http.head.status != 404, details = false;

	azure_reply_release(r);
	if (!there && storage_name_free(s, e) < 0)
		return -1;
	if (account_request(s, true, r, e) == 0)
		return 0;
	if (err_is(e, "RequestDisallowedByPolicy") &&
	    (about_keys(r->doc, &details) || !details))
		return make_keyless(s, r, e);
	return -1;
}

/* The usual name is another's, as e says.  Has the one in its place been taken
 * before, or is it agreed to now? */
static int take_other(struct session *s, struct azure_reply *r, struct err *e)
{
	char *other = err_is(e, TAKEN) ?
			      names_account_other(s, storage_account_name(s)) :
			      NULL;
	struct err taken = *e;
	int rc;

	if (other == NULL)
		return -1;
	err_clear(e);
	azure_reply_release(r);
	if ((rc = look_for(s, other, r, e)) > 0) {
		rc = names_keep_account(other, e);
	} else if (rc == 0) {
		*e = taken;
		rc = names_take_account(s, other, e);
	}
	azure_reply_release(r);
	if (rc == 0)
		use_name(s, other);
	else
		free(other);
	return rc;
}

/* 0: it is ours, and r has it. */
static int account_have(struct session *s, struct azure_reply *r, struct err *e)
{
	do {
		if (look_for(s, storage_account_name(s), r, e) < 0)
			return -1;
		if (r->http.head.status == 200 &&
		    strcmp(json_str_opt(r->doc, "properties.provisioningState", ""),
			   "Succeeded") == 0) {
			ui_say(s->ui, "storage account %s is there already",
			       storage_account_name(s));
			return 0;
		}
		if (account_make(s, r, e) == 0)
			return 0;
	} while (take_other(s, r, e) == 0);
	return -1;
}

static int account_put(struct session *s, struct err *e)
{
	struct azure_reply r = { 0 };
	int rc = account_have(s, &r, e);

	if (rc == 0 && s->store.blob == NULL)
		rc = take_account(&s->store, r.doc, e);
	if (rc == 0 && s->store.keyless)
		storage_say_keyless(s);
	azure_reply_release(&r);
	return rc < 0 ? err_in(e, "storage account %s", storage_account_name(s)) :
			0;
}

int storage_container(struct session *s, const char *name, struct err *e)
{
	char *rest = xasprintf("/blobServices/default/containers/%s", name);
	char *path = account_path(s, rest);
	cJSON *body = cJSON_CreateObject();
	struct azure_reply r = { 0 };
	int rc;

	json_add_str(json_add_obj(body, "properties"), "publicAccess", "None");
	rc = azure_call(&s->az, "PUT", path, body, 0, &r, e);
	if (rc == 0)
		ui_say(s->ui, "blob container %s %s", name,
		       r.http.head.status == 201 ? "made" : "is there already");
	azure_reply_release(&r);
	json_free(body);
	free(path);
	free(rest);
	return rc < 0 ? err_in(e, "blob container %s", name) : 0;
}

static int share_put(struct session *s, struct str name, struct err *e)
{
	char *rest = xasprintf("/fileServices/default/shares/%.*s", STR_ARG(name));
	char *path = account_path(s, rest);
	cJSON *body = cJSON_CreateObject(), *p = json_add_obj(body, "properties");
	struct azure_reply r = { 0 };
	int rc;

	json_add_int(p, "shareQuota", SHARE_QUOTA_GIB);
	json_add_str(p, "enabledProtocols", "SMB");
	json_add_str(p, "accessTier", "TransactionOptimized");
	rc = azure_call(&s->az, "PUT", path, body, 0, &r, e);
	if (rc == 0)
		ui_say(s->ui, "share %.*s %s", STR_ARG(name),
		       r.http.head.status == 201 ? "made" : "is there already");
	azure_reply_release(&r);
	json_free(body);
	free(path);
	free(rest);
	return rc < 0 ? err_in(e, "share %.*s", STR_ARG(name)) : 0;
}

static int shares_put(struct session *s, struct err *e)
{
	struct str rest = str_of(settings_get(s->set, S_FILE_SHARES)), name;
	struct str mounted = str_of(settings_get(s->set, S_SHARE_NAME));
	bool seen = !settings_mounts(s->set);

	while (str_next(&rest, ' ', &name)) {
		if (name.n == 0)
			continue;
		if (share_put(s, name, e) < 0)
			return -1;
		seen |= str_eq(name, mounted);
	}
	/* the machines mount it, so it must exist */
	return seen ? 0 : share_put(s, mounted, e);
}

int cmd_create_shares(struct session *s, int argc, char **argv, struct err *e)
{
	const struct storage *st = storage_of(s, e);

	(void)argc, (void)argv;
	if (st != NULL && st->keyless)
		return err_set(e, ERR_DATA,
			       "storage account %s allows no shared keys, and SMB "
			       "knows no other way in: no share is made",
			       storage_account_name(s));
	return st == NULL ? -1 : shares_put(s, e);
}

int cmd_deploy_storage(struct session *s, int argc, char **argv, struct err *e)
{
	struct program own = PROGRAM_NONE, other = PROGRAM_NONE;
	struct err none = ERR_INIT;
	int found, rc = -1;

	(void)argc, (void)argv;
	/* what is wrong with a file is known before anything is made */
	if (program_own(&own, e) < 0 ||
	    (found = program_other(s->set, &other, &none, e)) < 0)
		goto out;
	if (found == 0 && other.path != NULL)
		ui_say(s->ui, "left alone: %s", none.msg);
	if (swarm_group_put(s, settings_get(s->set, S_STORAGE_GROUP), e) == 0 &&
	    account_put(s, e) == 0 && (s->store.keyless || shares_put(s, e) == 0) &&
	    storage_container(s, BLOB_CONTAINER, e) == 0 &&
	    storage_container(s, LAYOUT_IMAGES, e) == 0 &&
	    lock_take_new(s, e) == 0 && upload(s, &s->store, &own, e) == 0 &&
	    (!found || upload(s, &s->store, &other, e) == 0))
		rc = 0;
out:
	program_release(&own);
	program_release(&other);
	return rc;
}
