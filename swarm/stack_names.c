/*
 * Names of configs and secrets: Swarm changes none, and a service holds on to the one
 * that it has; so another content is another name.
 */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "swarm/keys.h"
#include "swarm/stack.h"

#define HEX 12		   /* digits of the hash in a name */
#define CUT (64 - 1 - HEX) /* what is before it, in the Engine's 64 */

/* What the hash of secrets is keyed with; never the key of backups itself. */
static void derive(const uint8_t *key, uint8_t out[SHA256_LEN])
{
	static const char what[] = "azswarm names of secrets";

	hmac_sha256(key, KEYS_BACKUP_LEN, what, sizeof(what) - 1, out);
}

/* Over all that makes another of it: its name, labels, driver, how it is filled
 * in; and its bytes. */
static char *content_name(const cJSON *item, const uint8_t *key)
{
	const char *name = json_text(item, "Name"),
		   *data = json_text(item, "Data");
	struct buf all = BUF_INIT(STACK_ANSWER_MAX + 4096), hex = BUF_INIT(64);
	uint8_t hash[SHA256_LEN], own[SHA256_LEN] = { 0 };
	static const char *const other[] = { "Templating", "Driver", "Labels" };
	char *full;

	buf_add(&all, name, strlen(name) + 1);
	for (size_t i = 0; i < sizeof(other) / sizeof(*other); i++) {
		if (json_get(item, other[i]) != NULL)
			json_print(json_get(item, other[i]), &all);
		buf_addc(&all, '\0');
	}
	buf_adds(&all, data);
	if (key != NULL) {
		derive(key, own);
		hmac_sha256(own, sizeof(own), all.str, all.n, hash);
		burn(own, sizeof(own));
	} else {
		sha256(all.str, all.n, hash);
	}
	buf_add_hex(&hex, hash, HEX / 2);
	full = xasprintf("%.*s_%s", CUT, name, hex.str);
	buf_burn(&all);
	buf_release(&hex);
	return full;
}

/* Of a credential specification: in the file a config's name, to the Engine an ID. */
static cJSON *credential_of(cJSON *container)
{
	return json_get_mut(json_get_mut(container, "Privileges"),
			    "CredentialSpec");
}

/* Where a service names what was called old. */
static void rename_uses(cJSON *services, const char *list, const char *member,
			const char *old, const char *name)
{
	cJSON *service, *use;

	cJSON_ArrayForEach(service, services) {
		cJSON *container = json_get_mut(
			json_get_mut(service, "TaskTemplate"), "ContainerSpec");

		cJSON_ArrayForEach(use, json_get_mut(container, list))
			if (strcmp(json_text(use, member), old) == 0)
				json_set(use, member, cJSON_CreateString(name));
		if (strcmp(list, "Configs") == 0 &&
		    json_is(credential_of(container), "Config", old))
			json_set(credential_of(container), "Config",
				 cJSON_CreateString(name));
	}
}

static void name_all(cJSON *items, cJSON *services, const char *list,
		     const char *member, const uint8_t *key)
{
	cJSON *item;

	cJSON_ArrayForEach(item, items) {
		char *old, *name;

		if (json_bool_opt(item, "External", false) ||
		    json_bool_opt(item, "Named", false))
			continue;
		old = xstrdup(json_text(item, "Name"));
		name = content_name(item, key);
		json_set(item, "Name", cJSON_CreateString(name));
		rename_uses(services, list, member, old, name);
		free(old);
		free(name);
	}
}

void stack_names(struct compose *c, const uint8_t *key)
{
	name_all(c->configs, c->services, "Configs", "ConfigName", NULL);
	name_all(c->secrets, c->services, "Secrets", "SecretName", key);
}

/* What is before the hash: "STACK_KEY", or as much of that as there is room for. */
static bool is_of_stack(struct str name, const char *stack)
{
	char *full = xasprintf("%s_", stack);
	struct str s = str_of(full);
	bool yes = name.n == CUT && s.n > CUT ? str_eq(name, str_head(s, CUT)) :
						str_starts(name, s);

	free(full);
	return yes;
}

bool stack_by_content(const char *name, const char *stack)
{
	struct str s = str_of(name), hash;
	uint64_t ignored;

	if (s.n < HEX + 2)
		return false;
	hash = str_skip(s, s.n - HEX);
	s = str_head(s, s.n - HEX);
	for (size_t i = 0; i < HEX; i++)
		if (to_lower(hash.p[i]) != hash.p[i])
			return false;
	/* a long one is cut, and may have no key behind it */
	return s.p[s.n - 1] == '_' && is_of_stack(str_head(s, s.n - 1), stack) &&
	       str_hex(&hash, UINT64_MAX, &ignored) && hash.n == 0;
}

static void tell_ids(cJSON *services, const char *list, const char *member,
		     const char *id, const cJSON *all)
{
	cJSON *service, *use;

	cJSON_ArrayForEach(service, services) {
		cJSON *container = json_get_mut(
			json_get_mut(service, "TaskTemplate"), "ContainerSpec");

		cJSON_ArrayForEach(use, json_get_mut(container, list)) {
			const cJSON *has = stack_named(all,
						       json_text(use, member));

			if (has != NULL)
				json_set(use, id,
					 cJSON_CreateString(json_text(has, "ID")));
			if (has != NULL && strcmp(list, "Configs") == 0 &&
			    json_is(credential_of(container), "Config",
				    json_text(use, member)))
				json_set(credential_of(container), "Config",
					 cJSON_CreateString(json_text(has, "ID")));
		}
	}
}

void stack_ids(struct compose *c, const struct stack_has *has)
{
	tell_ids(c->services, "Configs", "ConfigName", "ConfigID", has->configs);
	tell_ids(c->services, "Secrets", "SecretName", "SecretID", has->secrets);
}
