/*
 * Azure's autoscale of the agents: it keeps a number of its own, so whatever
 * changes the number here moves that, too.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "swarm/instances.h"

static int64_t capacity_of(const cJSON *profile, const char *name)
{
	uint64_t v;
	char path[64];

	/* Azure has them as strings */
	snprintf(path, sizeof(path), "capacity.%s", name);
	return str_num(str_of(json_str_opt(profile, path, "")), 10000, &v) ?
		       (int64_t)v :
		       -1;
}

static void move_bound(cJSON *profile, const char *name, int64_t wanted,
		       const char *title, struct ui *ui)
{
	char text[32];

	ui_say(ui, "autoscale: %s moved from %lld to %lld, or it would undo this",
	       title, (long long)capacity_of(profile, name), (long long)wanted);
	snprintf(text, sizeof(text), "%lld", (long long)wanted);
	json_set(json_get_mut(profile, "capacity"), name,
		 cJSON_CreateString(text));
}

/* What GET adds to a resource and PUT does not take. */
static void drop_read_only(cJSON *doc)
{
	static const char *const names[] = { "id", "name", "type", "systemData",
					     "etag" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		cJSON_DeleteItemFromObjectCaseSensitive(doc, names[i]);
}

/* True when something was moved. */
static bool fit_profile(cJSON *profile, int wanted, struct ui *ui)
{
	int64_t most = capacity_of(profile, "maximum");
	int64_t fewest = capacity_of(profile, "minimum");
	int64_t usual = capacity_of(profile, "default");

	if (most >= 0 && wanted > most)
		move_bound(profile, "maximum", wanted, "most agents", ui);
	if (fewest >= 0 && wanted < fewest)
		move_bound(profile, "minimum", wanted, "fewest agents", ui);
	if (usual >= 0 && usual != wanted)
		move_bound(profile, "default", wanted,
			   "number when there are no metrics", ui);
	return (most >= 0 && wanted > most) || (fewest >= 0 && wanted < fewest) ||
	       (usual >= 0 && usual != wanted);
}

/* Read the setting, have it changed, write it.  change returns whether there
 * is anything to write. */
static int update(struct session *s,
		  bool (*change)(struct session *s, cJSON *properties, int v),
		  int v, struct err *e)
{
	char *path = azure_path(
		&s->az,
		"/resourcegroups/%s/providers/Microsoft.Insights/"
		"autoscalesettings/%s-autoscale?api-version=" API_INSIGHTS,
		settings_get(s->set, S_COMPUTE_GROUP),
		settings_get(s->set, S_VMSS_NAME));
	struct azure_reply r = { 0 }, put = { 0 };
	int rc = -1;

	if (azure_call(&s->az, "GET", path, NULL, AZURE_MISSING_OK, &r, e) < 0)
		goto out;
	rc = 0;
	if (r.http.head.status == 404 || json_get(r.doc, "properties") == NULL ||
	    !change(s, json_get_mut(r.doc, "properties"), v))
		goto out;
	drop_read_only(r.doc);
	rc = azure_call(&s->az, "PUT", path, r.doc, 0, &put, e);
out:
	azure_reply_release(&r);
	azure_reply_release(&put);
	free(path);
	return rc < 0 ? err_in(e, "autoscale") : 0;
}

static bool fit_all(struct session *s, cJSON *properties, int wanted)
{
	cJSON *profile;
	bool moved = false;

	cJSON_ArrayForEach(profile, json_get_mut(properties, "profiles"))
		moved |= fit_profile(profile, wanted, s->ui);
	return moved;
}

static bool set_enabled(struct session *s, cJSON *properties, int on)
{
	if (json_bool_opt(properties, "enabled", true) == (on != 0))
		return false;
	ui_say(s->ui, "autoscale: switched %s",
	       on ? "on" : "off, or it would undo this");
	json_set(properties, "enabled", cJSON_CreateBool(on));
	return true;
}

int autoscale_fit(struct session *s, int wanted, struct err *e)
{
	return update(s, fit_all, wanted, e);
}

int autoscale_enable(struct session *s, bool on, struct err *e)
{
	return update(s, set_enabled, on, e);
}
