/*
 * Which version of an image machines are made of.  Publishers withdraw versions
 * within months, so none is written down: what is the latest is asked for each
 * deployment, and that one is named, so that machines made of one deployment
 * are alike.
 */
#include <stdlib.h>
#include <string.h>

#include "node/layout.h"
#include "swarm/swarm.h"

#define LATEST "latest"
#define VERSION_MAX 40

static const char *text_of(const cJSON *parameters, const char *name)
{
	return json_str_opt(json_get(parameters, name), "value", "");
}

static bool version_ok(const char *v)
{
	size_t n = strlen(v);

	return n > 0 && n < VERSION_MAX && strspn(v, "0123456789.") == n;
}

/* The latest version of a SKU of that image; LATEST where Azure does not tell,
 * which is said.  Caller frees; NULL with e. */
static char *latest(struct session *s, const cJSON *image, const char *sku,
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

static void set_value(cJSON *parameters, const char *name, cJSON *value)
{
	json_set(parameters, name, cJSON_CreateObject());
	json_set(json_get_mut(parameters, name), "value", value);
}

/* masters_keep() has left those of masters that are there, "" for the others. */
static void set_masters(struct session *s, cJSON *parameters, const char *newest)
{
	const cJSON *kept = json_get(json_get(parameters, "masterImageVersions"),
				     "value");
	cJSON *list = cJSON_CreateArray();

	for (int i = 0; i < LAYOUT_MASTERS_MAX; i++) {
		const cJSON *one = cJSON_GetArrayItem(kept, i);
		const char *version = cJSON_IsString(one) ? one->valuestring : "";

		if (*version == '\0')
			version = newest;
		else if (strcmp(version, newest) != 0 &&
			 strcmp(version, LATEST) != 0)
			ui_say(s->ui, "master%d keeps version %s", i, version);
		json_add_str(list, NULL, version);
	}
	set_value(parameters, "masterImageVersions", list);
}

int images_resolve(struct session *s, cJSON *body, struct err *e)
{
	cJSON *properties = json_get_mut(body, "properties");
	cJSON *parameters = json_get_mut(properties, "parameters");
	const cJSON *image = json_at(
		properties, "template.parameters.imageReference.defaultValue");
	const char *of_masters = text_of(parameters, "masterImageSku");
	const char *of_agents = text_of(parameters, "agentImageSku");
	char *agent = latest(s, image, of_agents, e), *master = NULL;

	if (agent == NULL)
		return -1;
	master = strcmp(of_masters, of_agents) == 0 ?
			 xstrdup(agent) :
			 latest(s, image, of_masters, e);
	if (master != NULL) {
		set_value(parameters, "agentImageVersion",
			  cJSON_CreateString(agent));
		set_masters(s, parameters, master);
	}
	free(agent);
	free(master);
	return master != NULL ? 0 : -1;
}
