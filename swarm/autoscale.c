/*
 * Azure's autoscale of the agents: it keeps a number of its own, so whatever
 * changes the number here moves that, too.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "swarm/instances.h"
#include "swarm/swarm.h"

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

	ui_say(ui, "autoscale: %s moved from %lld to %lld", title,
	       (long long)capacity_of(profile, name), (long long)wanted);
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

/* What is to be left alone. */
struct number {
	int wanted, warm;
	/* bounds as they were deployed, without warm machines */
	int least, most;
	bool back;  /* what was moved away from those comes back */
	bool exact; /* whatever it is now */
	bool on;    /* of set_enabled */
};

/* True when something was moved. */
static bool fit_profile(cJSON *profile, const struct number *n, struct ui *ui)
{
	int64_t all = n->wanted + n->warm;
	struct {
		const char *name, *title;
		int64_t is, should;
	} bounds[] = {
		{ .name = "maximum", .title = "most agents" },
		{ .name = "minimum", .title = "fewest agents" },
		{ .name = "default", .title = "number when there are no metrics" },
	};
	bool moved = false, were_warm;

	for (size_t i = 0; i < 3; i++)
		bounds[i].is = bounds[i].should = capacity_of(profile,
							      bounds[i].name);
	/* both are over what was deployed: for warm machines, some time ago */
	were_warm = bounds[0].is > n->most && bounds[1].is > n->least;
	if (n->exact || (n->back && bounds[0].is > n->most))
		bounds[0].should = n->most + n->warm;
	if (n->exact || (n->back && (bounds[1].is < n->least || were_warm)))
		bounds[1].should = n->least + n->warm;
	for (size_t i = 0; i < 2; i++)
		if (n->exact)
			bounds[i].should = instances_bound(bounds[i].should,
							   n->most);
	if (all > bounds[0].should)
		bounds[0].should = all;
	if (all < bounds[1].should)
		bounds[1].should = all;
	bounds[2].should = all;
	for (size_t i = 0; i < 3; i++) {
		if (bounds[i].is < 0 || bounds[i].is == bounds[i].should)
			continue;
		move_bound(profile, bounds[i].name, bounds[i].should,
			   bounds[i].title, ui);
		moved = true;
	}
	return moved;
}

static char *setting_path(struct session *s)
{
	return azure_path(&s->az,
			  "/resourcegroups/%s/providers/Microsoft.Insights/"
			  "autoscalesettings/%s-autoscale?api-version=" API_INSIGHTS,
			  settings_get(s->set, S_COMPUTE_GROUP),
			  settings_get(s->set, S_VMSS_NAME));
}

int autoscale_read(struct session *s, struct autoscale_state *a, struct err *e)
{
	char *path = setting_path(s);
	struct azure_reply r = { 0 };
	int rc = azure_call(&s->az, "GET", path, NULL, AZURE_MISSING_OK, &r, e);
	const cJSON *profile = json_at(r.doc, "properties.profiles[0]");

	*a = (struct autoscale_state){
		.on = rc < 0 || json_bool_opt(r.doc, "properties.enabled", true),
		.least = capacity_of(profile, "minimum"),
		.most = capacity_of(profile, "maximum"),
		.without_metrics = capacity_of(profile, "default"),
	};
	azure_reply_release(&r);
	free(path);
	return rc < 0 ? err_in(e, "autoscale") : 0;
}

/* Its default is the number that was asked for last; autoscale may have made it
 * another one since, and moves no bound (see fit_profile). */
bool autoscale_is_ours(const struct autoscale_state *a, int64_t least,
		       int64_t most, int64_t warm)
{
	int64_t asked = a->without_metrics;

	least = instances_bound(least + warm, most);
	most = instances_bound(most + warm, most);
	return asked >= 0 && a->least == (asked < least ? asked : least) &&
	       a->most == (asked > most ? asked : most);
}

/* Read the setting, have it changed, write it.  change returns whether there
 * is anything to write. */
static int update(struct session *s,
		  bool (*change)(struct session *s, cJSON *properties,
				 const struct number *n),
		  const struct number *n, struct err *e)
{
	char *path = setting_path(s);
	struct azure_reply r = { 0 }, put = { 0 };
	int rc = -1;

	if (azure_call(&s->az, "GET", path, NULL, AZURE_MISSING_OK, &r, e) < 0)
		goto out;
	rc = 0;
	if (r.http.head.status == 404 || json_get(r.doc, "properties") == NULL ||
	    !change(s, json_get_mut(r.doc, "properties"), n))
		goto out;
	drop_read_only(r.doc);
	rc = azure_call(&s->az, "PUT", path, r.doc, 0, &put, e);
out:
	azure_reply_release(&r);
	azure_reply_release(&put);
	free(path);
	return rc < 0 ? err_in(e, "autoscale") : 0;
}

static bool fit_all(struct session *s, cJSON *properties, const struct number *n)
{
	cJSON *profile;
	bool moved = false;

	cJSON_ArrayForEach(profile, json_get_mut(properties, "profiles"))
		moved |= fit_profile(profile, n, s->ui);
	return moved;
}

static bool set_enabled(struct session *s, cJSON *properties,
			const struct number *n)
{
	if (json_bool_opt(properties, "enabled", true) == n->on)
		return false;
	ui_say(s->ui, "autoscale: switched %s",
	       n->on ? "on" : "off, or it would undo this");
	json_set(properties, "enabled", cJSON_CreateBool(n->on));
	return true;
}

/* What `params` wrote for this cluster; NULL: nothing.  Caller burns. */
static cJSON *read_parameters(const struct session *s)
{
	cJSON *doc = params_there(), *parameters = NULL;

	if (names_is_prefix(settings_get(s->set, S_COMPUTE_GROUP),
			    json_str_opt(doc, "parameters.namePrefix.value", "")))
		parameters = cJSON_DetachItemFromObjectCaseSensitive(doc,
								     "parameters");
	json_burn(doc);
	return parameters;
}

/* Its bounds, which may be others than those that the settings say today; false
 * when there are none. */
static bool read_deployed(const struct session *s, struct number *n)
{
	cJSON *parameters = read_parameters(s);
	int64_t least = json_int_opt(parameters, "minAgentCount.value", -1);
	int64_t most = json_int_opt(parameters, "maxAgentCount.value", -1);

	json_burn(parameters);
	if (least < 0 || most < least || most > INSTANCES_MAX)
		return false;
	n->least = (int)least;
	n->most = (int)most;
	return true;
}

int autoscale_fit(struct session *s, int wanted, int warm, struct err *e)
{
	struct number n = { .wanted = wanted, .warm = warm };
	int keep;

	if (settings_int(s->set, S_WARM_AGENTS, &keep, e) < 0 ||
	    settings_int(s->set, S_MIN_AGENT_COUNT, &n.least, e) < 0 ||
	    settings_int(s->set, S_MAX_AGENT_COUNT, &n.most, e) < 0)
		return -1;
	n.back = read_deployed(s, &n);
	n.exact = keep > 0 || warm > 0;
	return update(s, fit_all, &n, e);
}

int autoscale_enable(struct session *s, bool on, struct err *e)
{
	cJSON *parameters = read_parameters(s);
	bool never = !json_bool_opt(parameters, "autoscaleEnabled.value", true);

	json_burn(parameters);
	if (on && never) {
		ui_say(s->ui, "autoscale stays off: " STORAGE_BRIEF);
		return 0;
	}
	return update(s, set_enabled, &(struct number){ .on = on }, e);
}
