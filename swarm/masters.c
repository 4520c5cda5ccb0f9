/*
 * Masters that are there: what a deployment may not change of them.
 */
#include <stdio.h>
#include <stdlib.h>

#include "node/layout.h"
#include "swarm/swarm.h"

/* Which of "master0", "master1", ... a list has. */
static int mark(void *ctx, const cJSON *item, struct err *e)
{
	bool *there = ctx;
	struct str name = str_of(json_str_opt(item, "name", ""));
	uint64_t i;

	(void)e;
	if (str_istarts(name, STR("master")) &&
	    str_num(str_skip(name, 6), LAYOUT_MASTERS_MAX - 1, &i))
		there[i] = true;
	return 0;
}

int masters_keep(struct session *s, cJSON *parameters, struct err *e)
{
	static const char *const wanted[] = { "name", NULL };
	bool there[LAYOUT_MASTERS_MAX] = { false };
	char *path = azure_path(&s->az,
				"/resourceGroups/%s/providers/Microsoft.Compute/"
				"virtualMachines?api-version=" API_COMPUTE,
				settings_get(s->set, S_COMPUTE_GROUP));
	int rc = azure_list_of(&s->az, path, wanted, "list of masters", mark,
			       there, e);
	cJSON *names;
	char name[16];

	free(path);
	if (rc < 0)
		return -1;
	names = cJSON_CreateArray();
	for (int i = 0; i < LAYOUT_MASTERS_MAX; i++)
		if (!there[i]) {
			snprintf(name, sizeof(name), "master%d", i);
			json_add_str(names, NULL, name);
		}
	json_set(json_add_obj(parameters, "newMasters"), "value", names);
	return 0;
}
