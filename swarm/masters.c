/*
 * Masters that are there: what a deployment may not change of them.
 */
#include <stdio.h>
#include <stdlib.h>

#include "node/layout.h"
#include "swarm/swarm.h"

/* Which of "master0", "master1", ... a list has, and of which version of its
 * image each is. */
static int mark(void *ctx, const cJSON *item, struct err *e)
{
	char **there = ctx;
	struct str name = str_of(json_str_opt(item, "name", ""));
	uint64_t i;

	(void)e;
	if (str_istarts(name, STR("master")) &&
	    str_num(str_skip(name, 6), LAYOUT_MASTERS_MAX - 1, &i))
		there[i] = xstrdup(json_str_opt(
			item, "properties.storageProfile.imageReference.version",
			"latest"));
	return 0;
}

int masters_keep(struct session *s, cJSON *parameters, struct err *e)
{
	static const char *const wanted[] = {
		"name", "properties.storageProfile.imageReference.version", NULL
	};
	char *there[LAYOUT_MASTERS_MAX] = { NULL };
	char *path = azure_path(&s->az,
				"/resourceGroups/%s/providers/Microsoft.Compute/"
				"virtualMachines?api-version=" API_COMPUTE,
				settings_get(s->set, S_COMPUTE_GROUP));
	int rc = azure_list_of(&s->az, path, wanted, "list of masters", mark,
			       there, e);
	cJSON *names = cJSON_CreateArray(), *versions = cJSON_CreateArray();
	char name[24];

	free(path);
	for (int i = 0; i < LAYOUT_MASTERS_MAX; i++) {
		if (there[i] == NULL) {
			snprintf(name, sizeof(name), "master%d", i);
			json_add_str(names, NULL, name);
		}
		json_add_str(versions, NULL, there[i] != NULL ? there[i] : "");
		free(there[i]);
	}
	json_set(json_add_obj(parameters, "newMasters"), "value", names);
	json_set(json_add_obj(parameters, "masterImageVersions"), "value",
		 versions);
	return rc;
}
