/*
 * Tables of what there is: addresses, resources, regions.
 */
#include <stdlib.h>
#include <string.h>

#include "swarm/swarm.h"

static int row_endpoint(void *ctx, const cJSON *ip, struct err *e)
{
	struct listing *t = ctx;

	(void)e;
	listing_row(t);
	listing_cell(t, "%s", json_str_opt(ip, "name", ""));
	listing_cell(t, "%s", json_str_opt(ip, "properties.ipAddress", ""));
	listing_cell(t, "%s", json_str_opt(ip, "properties.dnsSettings.fqdn", ""));
	return 0;
}

int cmd_list_endpoints(struct session *s, int argc, char **argv, struct err *e)
{
	static const char *const columns[] = { "name", "address", "fqdn", NULL };
	char *path = azure_path(&s->az,
				"/resourceGroups/%s/providers/"
				"Microsoft.Network/publicIPAddresses"
				"?api-version=" API_NETWORK,
				settings_get(s->set, S_COMPUTE_GROUP));
	int rc = swarm_show_list(s, path, "public addresses", columns,
				 row_endpoint, e);

	(void)argc, (void)argv;
	free(path);
	return rc;
}

static int row_resource(void *ctx, const cJSON *res, struct err *e)
{
	struct listing *t = ctx;
	struct str id = str_of(json_str_opt(res, "id", "")), word = STR_NULL;

	(void)e;
	for (int i = 0; i < 5; i++) /* "", subscriptions, S, resourceGroups, G */
		if (!str_next(&id, '/', &word))
			break;
	listing_row(t);
	listing_cell(t, "%.*s", STR_ARG(word));
	listing_cell(t, "%s", json_str_opt(res, "name", ""));
	listing_cell(t, "%s", json_str_opt(res, "type", ""));
	listing_cell(t, "%s", json_str_opt(res, "location", ""));
	return 0;
}

/* Resources of one group; a group that is not there has none. */
static int add_group_resources(struct session *s, const char *group,
			       struct listing *t, struct err *e)
{
	char *path = azure_path(
		&s->az,
		"/resourceGroups/%s/resources?api-version=" API_RESOURCES, group);
	int rc = swarm_group_there(s, group, e);

	if (rc == 0)
		ui_say(s->ui, "resource group %s is not there", group);
	else if (rc > 0)
		rc = azure_list(&s->az, path, "resources", row_resource, t, e);
	free(path);
	return rc;
}

int cmd_resources(struct session *s, int argc, char **argv, struct err *e)
{
	static const char *const columns[] = { "group", "name", "type",
					       "location", NULL };
	const char *compute = settings_get(s->set, S_COMPUTE_GROUP);
	const char *storage = settings_get(s->set, S_STORAGE_GROUP);
	struct listing t;
	int rc = -1;

	(void)argc, (void)argv;
	listing_init(&t, columns);
	if (add_group_resources(s, compute, &t, e) == 0 &&
	    add_group_resources(s, storage, &t, e) == 0)
		rc = listing_print(&t, s->ui, e);
	listing_release(&t);
	return rc;
}

static int row_location(void *ctx, const cJSON *loc, struct err *e)
{
	struct listing *t = ctx;
	struct str kind =
		str_of(json_str_opt(loc, "metadata.regionType", "Physical"));

	(void)e;
	/* logical regions hold no resources */
	if (!str_ieqz(kind, "Physical"))
		return 0;
	listing_row(t);
	listing_cell(t, "%s", json_str_opt(loc, "name", ""));
	listing_cell(t, "%s", json_str_opt(loc, "displayName", ""));
	listing_cell(t, "%s", json_str_opt(loc, "metadata.geographyGroup", ""));
	return 0;
}

int cmd_locations(struct session *s, int argc, char **argv, struct err *e)
{
	static const char *const columns[] = { "name", "display name",
					       "geography", NULL };
	char *path = azure_path(&s->az,
				"/locations?api-version=" API_SUBSCRIPTIONS);
	int rc = swarm_show_list(s, path, "locations", columns, row_location, e);

	(void)argc, (void)argv;
	free(path);
	return rc;
}
