/*
 * What machines that are to be made are made of, and what those that are there
 * keep: Azure changes neither the image of a virtual machine nor what it was
 * first made by (customData), so a master that is there is sent the version that
 * it has, and no customData.
 *
 * Which version of an image machines are made of.  Publishers withdraw versions
 * within months, so none is written down: what is the latest is asked for each
 * deployment, and that one is named, so that machines made of one deployment
 * are alike.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/layout.h"
#include "swarm/masters.h"
#include "swarm/swarm.h"

#define LATEST "latest"
#define VERSION_MAX 40
#define LOOK_MS 5000

static const char *text_of(const cJSON *parameters, const char *name)
{
	return json_str_opt(json_get(parameters, name), "value", "");
}

static bool version_ok(const char *v)
{
	size_t n = strlen(v);

	return n > 0 && n < VERSION_MAX && strspn(v, "0123456789.") == n;
}

const char *images_sku(enum elf_machine kind)
{
	return kind == ELF_AARCH64 ? "server-arm64" : "server";
}

bool images_is_id(const char *version)
{
	return version[0] == '/';
}

const char *images_short(const char *version)
{
	const char *slash = strrchr(version, '/');

	return slash != NULL ? slash + 1 : version;
}

char *images_latest(struct session *s, const cJSON *image, const char *sku,
		    struct err *e)
{
	char *path = azure_path(
		&s->az,
		"/providers/Microsoft.Compute/locations/%s/publishers/%s/"
		"artifacttypes/vmimage/offers/%s/skus/%s/versions"
		"?$top=1&$orderby=name%%20desc&api-version=" API_COMPUTE,
		settings_get(s->set, S_LOCATION),
		json_str_opt(image, "publisher", ""),
		json_str_opt(image, "offer", ""), sku);
	struct azure_reply r = { 0 };
	char *found = NULL;
	const char *name;

	if (azure_call(&s->az, "GET", path, NULL, 0, &r, e) == 0) {
		name = json_str_opt(json_at(r.doc, "[0]"), "name", "");
		found = xstrdup(version_ok(name) ? name : LATEST);
		ui_say(s->ui, "image %s %s %s: version %s%s",
		       json_str_opt(image, "publisher", ""),
		       json_str_opt(image, "offer", ""), sku, found,
		       version_ok(name) ? "" : ", for Azure names none");
	} else if (e->kind == ERR_AZURE) {
		/* who may not look may deploy all the same */
		ui_say(s->ui,
		       "image %s: version " LATEST ", for Azure names none: %s",
		       sku, e->msg);
		err_clear(e);
		found = xstrdup(LATEST);
	}
	azure_reply_release(&r);
	free(path);
	return found;
}

/* ---- masters that are there ---- */

static int take_version(void *ctx, const cJSON *vm, struct err *e)
{
	const cJSON *image = json_at(vm,
				     "properties.storageProfile.imageReference");
	const char *version =
		json_str_opt(image, "id", json_str_opt(image, "version", LATEST));

	(void)e;
	json_set(ctx, json_str_opt(vm, "name", ""),
		 json_is(vm, "properties.provisioningState", "Deleting") ?
			 cJSON_CreateNull() :
			 cJSON_CreateString(version));
	return 0;
}

cJSON *masters_there(struct session *s, bool there, struct err *e)
{
	static const char *const want[] = {
		"name", "properties.storageProfile.imageReference.version",
		"properties.storageProfile.imageReference.id",
		"properties.provisioningState", NULL
	};
	char *path = azure_path(&s->az,
				"/resourceGroups/%s/providers/Microsoft.Compute/"
				"virtualMachines?api-version=" API_COMPUTE,
				settings_get(s->set, S_COMPUTE_GROUP));
	cJSON *versions = cJSON_CreateObject();

	if (there && azure_list_of(&s->az, path, want, "masters", take_version,
				   versions, e) < 0) {
		json_free(versions);
		versions = NULL;
	}
	free(path);
	return versions;
}

/* The first of those n masters that is on its way out. */
static bool going_one(const cJSON *there, int64_t n, char name[24])
{
	for (int i = 0; i < n && i < LAYOUT_MASTERS_MAX; i++) {
		snprintf(name, 24, "master%d", i);
		if (cJSON_IsNull(json_get(there, name)))
			return true;
	}
	return false;
}

/* masters_there(), none of the first n being deleted: such a one would get neither
 * another image nor customData, and be gone in the middle of it. */
static cJSON *masters_settled(struct session *s, bool there, int64_t n,
			      struct err *e)
{
	const struct azure_clock *clock = &s->az.clock;
	int64_t began = clock->now(clock->ctx);
	bool said = false;
	cJSON *known;
	char name[24];

	while ((known = masters_there(s, there, e)) != NULL &&
	       going_one(known, n, name)) {
		json_free(known);
		if (!said)
			ui_say(s->ui,
			       "%s is being deleted, waiting until it is gone",
			       name);
		said = true;
		if (clock->now(clock->ctx) - began > OPERATION_LIMIT_MS) {
			err_set(e, ERR_TIMEOUT,
				"%s is still being deleted; it goes on in Azure, "
				"and this command may be run again",
				name);
			return NULL;
		}
		if (clock->wait(clock->ctx, clock->now(clock->ctx) + LOOK_MS,
				"a master that is being deleted to be gone",
				began, e) < 0)
			return NULL;
	}
	return known;
}

/* ---- both ---- */

/* Those that are there and too many: a deployment takes none away. */
static cJSON *left_over(const cJSON *there, int64_t n)
{
	cJSON *list = cJSON_CreateArray();
	char name[24];

	for (int i = 0; i < LAYOUT_MASTERS_MAX; i++) {
		snprintf(name, sizeof(name), "master%d", i);
		if (i >= n && json_get(there, name) != NULL)
			json_add_str(list, NULL, name);
	}
	return list;
}

static void set_masters(struct session *s, cJSON *parameters, int64_t n,
			const cJSON *there, const char *newest)
{
	cJSON *list = cJSON_CreateArray(), *fresh = cJSON_CreateArray();
	char name[24];

	for (int i = 0; i < n && i < LAYOUT_MASTERS_MAX; i++) {
		const char *version;

		snprintf(name, sizeof(name), "master%d", i);
		version = json_str_opt(there, name, newest);
		if (!str_ieqz(str_of(version), newest) &&
		    strcmp(version, LATEST) != 0)
			ui_say(s->ui, "%s keeps version %s", name,
			       images_short(version));
		if (json_get(there, name) == NULL)
			json_add_str(fresh, NULL, name);
		cJSON_AddItemToArray(list, cJSON_CreateString(version));
	}
	azure_parameter(parameters, "masterImageVersions", list);
	azure_parameter(parameters, "newMasters", fresh);
}

/* Which is the id of an image of one's own, as `params` chose it, or the latest
 * that Azure has.  Caller frees; NULL with e. */
static char *version_of(struct session *s, const cJSON *image,
			const char *chosen, const char *sku, struct err *e)
{
	if (!images_is_id(chosen))
		return images_latest(s, image, sku, e);
	ui_say(s->ui, "image %s", images_short(chosen));
	return xstrdup(chosen);
}

int images_resolve(struct session *s, cJSON *body, bool there, cJSON **left,
		   struct err *e)
{
	cJSON *properties = json_get_mut(body, "properties");
	cJSON *parameters = json_get_mut(properties, "parameters"), *known;
	const cJSON *image = json_at(
		properties, "template.parameters.imageReference.defaultValue");
	const char *of_masters = text_of(parameters, "masterImageSku");
	const char *of_agents = text_of(parameters, "agentImageSku");
	const char *for_agents = text_of(parameters, "agentImageVersion");
	const char *for_masters = json_str_opt(
		json_get(parameters, "masterImageVersions"), "value[0]", "");
	int64_t n = json_int_opt(json_get(parameters, "masterCount"), "value", 1);
	char *master = NULL, *agent = NULL;
	int rc = -1;

	if ((known = masters_settled(s, there, n, e)) == NULL ||
	    (agent = version_of(s, image, for_agents, of_agents, e)) == NULL)
		goto out;
	master = strcmp(of_masters, of_agents) == 0 &&
				 strcmp(for_masters, for_agents) == 0 ?
			 xstrdup(agent) :
			 version_of(s, image, for_masters, of_masters, e);
	if (master == NULL)
		goto out;
	azure_parameter(parameters, "agentImageVersion",
			cJSON_CreateString(agent));
	set_masters(s, parameters, n, known, master);
	*left = left_over(known, n);
	rc = 0;
out:
	json_free(known);
	free(master);
	free(agent);
	return rc;
}
