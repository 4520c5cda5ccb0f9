/*
 * Tables of what there is: addresses, resources, regions, sizes.
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

const char *tables_size_capability(const cJSON *sku, const char *name)
{
	const cJSON *c;

	cJSON_ArrayForEach(c, json_get(sku, "capabilities"))
		if (strcmp(json_str_opt(c, "name", ""), name) == 0)
			return json_str_opt(c, "value", "");
	return "";
}

/* The list of sizes, and whether there is a program for each kind of machine. */
struct sizes {
	struct listing t;
	bool programs[ELF_MACHINES];
};

/* What keeps one from having that size: Azure, or that no file is at hand. */
static const char *restriction(const struct sizes *l, const cJSON *sku)
{
	const char *reason = json_str_opt(sku, "restrictions[0].reasonCode", "");
	enum elf_machine m =
		elf_of_azure(tables_size_capability(sku, "CpuArchitectureType"));

	if (*reason != '\0' || m == ELF_MACHINES || l->programs[m])
		return reason;
	return m == ELF_AARCH64 ? "needs azswarm-aarch64" :
				  "needs azswarm-x86_64";
}

static int row_size(void *ctx, const cJSON *sku, struct err *e)
{
	struct sizes *l = ctx;
	struct listing *t = &l->t;
	struct buf zones = BUF_INIT(64);
	const cJSON *z;

	(void)e;
	if (!str_ieqz(str_of(json_str_opt(sku, "resourceType", "")),
		      "virtualMachines"))
		return 0;
	cJSON_ArrayForEach(z, json_at(sku, "locationInfo[0].zones"))
		if (cJSON_IsString(z))
			buf_addf(&zones, "%s%s", zones.n ? "," : "",
				 z->valuestring);
	listing_row(t);
	listing_cell(t, "%s", json_str_opt(sku, "name", ""));
	listing_cell(t, "%s", tables_size_capability(sku, "vCPUs"));
	listing_cell(t, "%s", tables_size_capability(sku, "MemoryGB"));
	listing_cell(t, "%s", tables_size_capability(sku, "CpuArchitectureType"));
	listing_cell(t, "%s", zones.str);
	listing_cell(t, "%s", restriction(l, sku));
	buf_release(&zones);
	return 0;
}

char *tables_sizes_path(const struct session *s)
{
	return azure_path(&s->az,
			  "/providers/Microsoft.Compute/skus"
			  "?api-version=" API_SKUS
			  "&$filter=location%%20eq%%20'%s'",
			  settings_get(s->set, S_LOCATION));
}

/* ---- whether there is such a thing ---- */

static int find_location(void *ctx, const cJSON *loc, struct err *e)
{
	struct str *wanted = ctx;

	(void)e;
	if (str_ieqz(*wanted, json_str_opt(loc, "name", "")))
		wanted->n = 0;
	return 0;
}

/* LOCATION has no sizes: because there is no such region? */
static int refuse_location(struct session *s, struct err *e)
{
	const char *name = settings_get(s->set, S_LOCATION);
	struct str wanted = str_of(name);
	char *path = azure_path(&s->az,
				"/locations?api-version=" API_SUBSCRIPTIONS);
	int rc = azure_list(&s->az, path, "locations", find_location, &wanted, e);

	free(path);
	if (rc < 0)
		return -1;
	return err_set(e, ERR_USAGE,
		       wanted.n > 0 ?
			       "LOCATION=\"%s\" is no region; 'azswarm "
			       "locations' lists them" :
			       "Azure has no sizes in %s for this subscription; "
			       "'azswarm locations' lists other regions",
		       name);
}

static const enum setting size_settings[] = { S_MASTER_SIZE, S_AGENT_SIZE };
#define N_SIZES (sizeof(size_settings) / sizeof(*size_settings))

struct offer {
	const struct settings *set;
	size_t n; /* sizes in LOCATION */
	bool has[N_SIZES];
	enum elf_machine *kinds;
};

/* The kind of processor that a size has; the usual one where Azure says none
 * that we know. */
static enum elf_machine kind_of(const cJSON *sku)
{
	enum elf_machine m =
		elf_of_azure(tables_size_capability(sku, "CpuArchitectureType"));

	return m != ELF_MACHINES ? m : ELF_X86_64;
}

static int take_offer(void *ctx, const cJSON *sku, struct err *e)
{
	struct offer *o = ctx;
	const char *name = json_str_opt(sku, "name", "");

	(void)e;
	if (!str_ieqz(str_of(json_str_opt(sku, "resourceType", "")),
		      "virtualMachines"))
		return 0;
	o->n++;
	for (size_t i = 0; i < N_SIZES; i++) {
		if (!str_ieqz(str_of(settings_get(o->set, size_settings[i])), name))
			continue;
		o->has[i] = true;
		o->kinds[i] = kind_of(sku);
	}
	return 0;
}

int tables_check_sizes(struct session *s, enum elf_machine kinds[2], struct err *e)
{
	struct offer o = { .set = s->set, .kinds = kinds };
	char *path = tables_sizes_path(s);
	struct err once = ERR_INIT;
	int rc = azure_list(&s->az, path, "sizes", take_offer, &o, &once);

	free(path);
	for (size_t i = 0; i < N_SIZES; i++)
		if (!o.has[i])
			kinds[i] = ELF_X86_64;
	if (rc < 0 && once.kind == ERR_AZURE) {
		ui_say(s->ui, "taken for %s, sizes not checked: %s",
		       elf_names[ELF_X86_64].kernel, once.msg);
		return 0;
	}
	if (rc < 0) {
		*e = once;
		return -1;
	}
	if (o.n == 0)
		return refuse_location(s, e);
	for (size_t i = 0; i < N_SIZES; i++)
		if (!o.has[i])
			return err_set(e, ERR_USAGE,
				       "%s=\"%s\" is no size in %s; 'azswarm "
				       "sizes' lists them",
				       setting_infos[size_settings[i]].name,
				       settings_get(s->set, size_settings[i]),
				       settings_get(s->set, S_LOCATION));
	return 0;
}

int cmd_sizes(struct session *s, int argc, char **argv, struct err *e)
{
	static const char *const columns[] = { "name",	    "vcpus",
					       "memory gb", "architecture",
					       "zones",	    "restriction",
					       NULL };
	char *path = tables_sizes_path(s);
	struct sizes l = { .programs[ELF_OWN] = true };
	struct program other = PROGRAM_NONE;
	struct err none = ERR_INIT;
	int found = program_other(s->set, &other, &none, e), rc = -1;

	(void)argc, (void)argv;
	listing_init(&l.t, columns);
	l.programs[!ELF_OWN] = found == 1;
	if (found >= 0)
		rc = azure_list(&s->az, path, "sizes", row_size, &l, e);
	if (rc == 0 && l.t.rows->child == NULL)
		rc = refuse_location(s, e);
	if (rc == 0)
		rc = listing_print(&l.t, s->ui, e);
	listing_release(&l.t);
	program_release(&other);
	free(path);
	return rc;
}
