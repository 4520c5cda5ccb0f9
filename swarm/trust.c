/*
 * Which .env may say where credentials go: those that a person has looked at.
 * What is remembered is the SHA-256 of such a file, in a 0600 file beside the
 * token cache, so one that has changed since is none of them.
 */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "swarm/cloud.h"
#include "swarm/swarm.h"

#define TRUSTED_MAX (64u << 10)
#define TRUSTED_FILES 100 /* the oldest go */

/* All that says where a credential is sent. */
static const enum setting endpoints[] = { S_AUTHORITY_HOST, S_ARM_ENDPOINT };
#define N_ENDPOINTS (sizeof(endpoints) / sizeof(*endpoints))

/* NULL when there is no home.  Caller frees. */
static char *trusted_path(void)
{
	char *tokens = entra_cache_path(), *path = NULL;

	if (tokens != NULL)
		path = xasprintf("%.*s/trusted.json",
				 (int)(strrchr(tokens, '/') - tokens), tokens);
	free(tokens);
	return path;
}

/* {"trusted":["SHA-256", ...]}, whatever was in the file.  One that others may
 * write says nothing. */
static cJSON *trusted_load(const char *path)
{
	struct buf text = BUF_INIT(TRUSTED_MAX);
	struct err ignored = ERR_INIT;
	cJSON *doc = NULL;

	if (path != NULL && file_read_own(path, false, &text, &ignored) == 0)
		doc = json_parse(buf_str(&text), path, &ignored);
	buf_release(&text);
	if (!cJSON_IsArray(json_get(doc, "trusted"))) {
		json_free(doc);
		doc = cJSON_CreateObject();
		json_add_arr(doc, "trusted");
	}
	return doc;
}

static bool is_trusted(const cJSON *doc, const char *hash)
{
	const cJSON *one;

	cJSON_ArrayForEach(one, json_get(doc, "trusted"))
		if (cJSON_IsString(one) && strcmp(one->valuestring, hash) == 0)
			return true;
	return false;
}

int trust_check(const struct settings *set, enum setting which, struct err *e)
{
	char *path;
	cJSON *doc;
	bool fine;

	if (set->line[which] == 0)
		return 0;
	path = trusted_path();
	doc = trusted_load(path);
	fine = is_trusted(doc, set->file_hash);
	json_free(doc);
	free(path);
	if (fine)
		return 0;
	return err_set(e, ERR_USAGE,
		       ".env: line %u: %s=\"%s\" would be given a credential "
		       "that is not in this .env; if it should be, export %s, "
		       "or look at the file and run 'azswarm trust .env'",
		       set->line[which], setting_infos[which].name,
		       settings_get(set, which), setting_infos[which].name);
}

static int remember(const char *path, const char *hash, struct err *e)
{
	struct buf text = BUF_INIT(TRUSTED_MAX);
	cJSON *doc = trusted_load(path), *list = json_get_mut(doc, "trusted");
	char *dir = xstrndup(path, (size_t)(strrchr(path, '/') - path));
	int rc = 0;

	if (!is_trusted(doc, hash)) {
		cJSON_AddItemToArray(list, cJSON_CreateString(hash));
		while (cJSON_GetArraySize(list) > TRUSTED_FILES)
			cJSON_DeleteItemFromArray(list, 0);
		json_print(doc, &text);
		rc = buf_check(&text, path, e);
		if (rc == 0)
			rc = dir_make(dir, 0700, e);
		if (rc == 0)
			rc = file_write(path, buf_str(&text), 0600, e);
	}
	free(dir);
	buf_release(&text);
	json_free(doc);
	return rc;
}

int cmd_trust(struct session *s, int argc, char **argv, struct err *e)
{
	struct settings of = { 0 };
	char *path = trusted_path();
	int rc = -1, n = 0;

	(void)argc;
	if (!file_exists(argv[1])) {
		err_set(e, ERR_USAGE, "%s is not there", argv[1]);
		goto out;
	}
	if (settings_take_file(&of, argv[1], e) < 0)
		goto out;
	if (path == NULL) {
		err_set(e, ERR_IO, "there is no home directory to keep it in");
		goto out;
	}
	for (size_t i = 0; i < N_ENDPOINTS; i++) {
		if (of.line[endpoints[i]] == 0)
			continue;
		ui_say(s->ui, "line %u: %s=%s", of.line[endpoints[i]],
		       setting_infos[endpoints[i]].name,
		       settings_get(&of, endpoints[i]));
		n++;
	}
	rc = n > 0 ? remember(path, of.file_hash, e) : 0;
	if (rc == 0)
		ui_say(s->ui, n > 0 ? "trusted, until it changes" :
				      "says nothing of where credentials go");
out:
	settings_release(&of);
	free(path);
	return rc;
}
