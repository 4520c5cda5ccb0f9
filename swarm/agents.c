/*
 * The scale set: listing its machines, their power, their number.  Scaling
 * in names the machines that go, shuts them down in order (their agent
 * drains the node and leaves the swarm) and only then deletes them; the
 * capacity is never just lowered, for Azure would pick by rules of its own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "swarm/swarm.h"

#define INSTANCES_MAX 1000
#define SCALE_MAX 100			/* what a single placement group holds */

static char *vmss_path(const struct session *s, const char *rest)
{
	return azure_path(&s->az, "/resourceGroups/%s/providers/Microsoft.Compute/"
			  "virtualMachineScaleSets/%s%s",
			  settings_get(s->set, S_COMPUTE_GROUP),
			  settings_get(s->set, S_VMSS_NAME), rest);
}

/* ---- listing ---- */

/* A machine of the scale set. */
struct instance {
	char *id;		/* "3" */
	char *name;		/* "agents_3" */
	char *host;		/* "agents000003" */
	char *power;		/* "running", "stopped", ... */
	char *provisioning;	/* "Succeeded", ... */
};

struct instances {
	struct instance *list;
	size_t n;
};

static const char *power_of(const cJSON *vm)
{
	const cJSON *st;

	cJSON_ArrayForEach(st, json_at(vm, "properties.instanceView.statuses")) {
		const char *code = json_str_opt(st, "code", "");

		if (str_istarts(str_of(code), STR("PowerState/")))
			return code + strlen("PowerState/");
	}
	return "unknown";
}

static int take_instance(void *ctx, const cJSON *vm, struct err *e)
{
	struct instances *a = ctx;
	const char *id = json_str(vm, "instanceId", e);
	uint64_t ignored;

	if (id == NULL)
		return err_in(e, "instance");
	if (!str_num(str_of(id), UINT32_MAX, &ignored))
		return err_set(e, ERR_PROTO, "instance id \"%.32s\" is not a "
			       "number: is this scale set Uniform?", id);
	if (a->n == INSTANCES_MAX)
		return err_set(e, ERR_PROTO, "more than %d instances", INSTANCES_MAX);
	a->list = xrealloc(a->list, (a->n + 1) * sizeof(*a->list));
	a->list[a->n++] = (struct instance){
		.id = xstrdup(id),
		.name = xstrdup(json_str_opt(vm, "name", "")),
		.host = xstrdup(json_str_opt(vm, "properties.osProfile."
					     "computerName", "")),
		.power = xstrdup(power_of(vm)),
		.provisioning = xstrdup(json_str_opt(vm, "properties."
						     "provisioningState", "")),
	};
	return 0;
}

static int instances_list(struct session *s, struct instances *a, struct err *e)
{
	char *path = vmss_path(s, "/virtualMachines?api-version=" API_COMPUTE
			       "&$expand=instanceView");
	int rc;

	*a = (struct instances){ 0 };
	rc = azure_list(&s->az, path, "list of agents", take_instance, a, e);
	free(path);
	return rc;
}

static void instances_release(struct instances *a)
{
	for (size_t i = 0; i < a->n; i++) {
		free(a->list[i].id);
		free(a->list[i].name);
		free(a->list[i].host);
		free(a->list[i].power);
		free(a->list[i].provisioning);
	}
	free(a->list);
	*a = (struct instances){ 0 };
}

/* Private addresses by instance id, from the scale set's interfaces. */
static int take_address(void *ctx, const cJSON *nic, struct err *e)
{
	cJSON *by_id = ctx;
	struct str id = str_of(json_str_opt(nic, "properties.virtualMachine.id", ""));
	const char *ip = json_str_opt(nic, "properties.ipConfigurations[0].properties."
				      "privateIPAddress", "");
	ptrdiff_t slash = str_rchr(id, '/');

	(void)e;
	if (slash >= 0 && *ip != '\0' && json_get(by_id, id.p + slash + 1) == NULL)
		json_add_str(by_id, id.p + slash + 1, ip);
	return 0;
}

int cmd_list_agents(struct session *s, int argc, char **argv, struct err *e)
{
	static const char *const columns[] = {
		"id", "name", "host", "address", "power", "provisioning", NULL
	};
	char *path = vmss_path(s, "/networkInterfaces?api-version=" API_VMSS_NETWORK);
	cJSON *address = cJSON_CreateObject();
	struct instances a = { 0 };
	struct listing t;
	int rc = -1;

	(void)argc, (void)argv;
	listing_init(&t, columns);
	if (instances_list(s, &a, e) < 0 ||
	    azure_list(&s->az, path, "addresses of agents", take_address, address, e) < 0)
		goto out;
	for (size_t i = 0; i < a.n; i++) {
		const struct instance *vm = &a.list[i];
		const cJSON *ip = json_get(address, vm->id);

		listing_row(&t);
		listing_cell(&t, "%s", vm->id);
		listing_cell(&t, "%s", vm->name);
		listing_cell(&t, "%s", vm->host);
		listing_cell(&t, "%s", ip != NULL ? ip->valuestring : "");
		listing_cell(&t, "%s", vm->power);
		listing_cell(&t, "%s", vm->provisioning);
	}
	rc = listing_print(&t, s->ui, e);
out:
	listing_release(&t);
	instances_release(&a);
	json_free(address);
	free(path);
	return rc;
}

/* ---- actions on some or all ---- */

/* POST VMSS/action for the instances in ids (NULL: all) and wait. */
static int act(struct session *s, const char *action, const cJSON *ids, unsigned flags,
	       const char *what, struct err *e)
{
	char *rest = xasprintf("/%s%sapi-version=" API_COMPUTE, action,
			       strchr(action, '?') ? "&" : "?");
	char *path = vmss_path(s, rest);
	struct azure_wait w = { .what = what, .limit_ms = OPERATION_LIMIT_MS,
				.flags = flags, .no_wait = s->no_wait };
	cJSON *body = NULL;
	int rc;

	if (ids != NULL) {
		body = cJSON_CreateObject();
		json_set(body, "instanceIds", cJSON_Duplicate(ids, true));
	}
	rc = azure_do(&s->az, "POST", path, body, &w, NULL, e);
	json_free(body);
	free(path);
	free(rest);
	return rc;
}

/* What was done; or, with --no-wait, that Azure has only begun. */
static void say_done(struct session *s, const char *done)
{
	ui_say(s->ui, "%s", s->no_wait ? "accepted, it goes on in Azure; 'azswarm "
	       "list-agents' shows how far" : done);
}

int cmd_stop_agents(struct session *s, int argc, char **argv, struct err *e)
{
	(void)argc, (void)argv;
	if (act(s, "poweroff?skipShutdown=false", NULL, 0, "agents to stop", e) < 0)
		return -1;
	say_done(s, "agents stopped; stopped machines are still billed, "
		 "'azswarm deallocate-agents' ends that");
	return 0;
}

int cmd_start_agents(struct session *s, int argc, char **argv, struct err *e)
{
	(void)argc, (void)argv;
	if (act(s, "start", NULL, 0, "agents to start", e) < 0)
		return -1;
	say_done(s, "agents started; each joins the swarm again by itself");
	return 0;
}

int cmd_deallocate_agents(struct session *s, int argc, char **argv, struct err *e)
{
	(void)argc, (void)argv;
	if (act(s, "deallocate", NULL, 0, "agents to be deallocated", e) < 0)
		return -1;
	say_done(s, "agents deallocated; their disks and the load balancer are "
		 "still billed");
	return 0;
}

/* ---- scaling ---- */

/* "minimum", "maximum" or "default" of a profile; -1 when it is no number. */
static int64_t capacity_of(const cJSON *profile, const char *name)
{
	uint64_t v;
	char path[64];

	/* Azure has them as strings */
	snprintf(path, sizeof(path), "capacity.%s", name);
	if (!str_num(str_of(json_str_opt(profile, path, "")), 10000, &v))
		return -1;
	return (int64_t)v;
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

/* Move the bounds of a profile that are in the way; true when some were. */
static bool fit_profile(cJSON *profile, int64_t wanted, struct ui *ui)
{
	int64_t max = capacity_of(profile, "maximum"), dflt;
	int64_t min = capacity_of(profile, "minimum");
	bool above = max >= 0 && wanted > max, below = wanted < min;

	if (above)
		move_bound(profile, "maximum", wanted, "most agents", ui);
	if (below)
		move_bound(profile, "minimum", wanted, "fewest agents", ui);
	if (!above && !below)
		return false;
	dflt = capacity_of(profile, "default");
	if (dflt > (above ? wanted : max) || dflt < (below ? wanted : min))
		move_bound(profile, "default", wanted,
			   "number when there are no metrics", ui);
	return true;
}

/* What GET adds to a resource and PUT does not take. */
static void drop_read_only(cJSON *doc)
{
	static const char *const names[] = { "id", "name", "type", "systemData", "etag" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		cJSON_DeleteItemFromObjectCaseSensitive(doc, names[i]);
}

/*
 * Autoscale keeps the number between its bounds, whatever we ask for: move
 * the bound that is in the way.
 */
static int fit_autoscale(struct session *s, int wanted, struct err *e)
{
	char *path = azure_path(&s->az, "/resourcegroups/%s/providers/Microsoft.Insights/"
				"autoscalesettings/%s-autoscale?api-version=" API_INSIGHTS,
				settings_get(s->set, S_COMPUTE_GROUP),
				settings_get(s->set, S_VMSS_NAME));
	struct azure_reply r = { 0 }, put = { 0 };
	cJSON *profiles, *profile;
	bool moved = false;
	int rc = -1;

	if (azure_call(&s->az, "GET", path, NULL, AZURE_MISSING_OK, &r, e) < 0)
		goto out;
	if (r.http.head.status == 404 ||
	    !json_bool_opt(r.doc, "properties.enabled", true)) {
		rc = 0;
		goto out;
	}
	profiles = json_get_mut(json_get_mut(r.doc, "properties"), "profiles");
	cJSON_ArrayForEach(profile, profiles)
		moved |= fit_profile(profile, wanted, s->ui);
	if (moved) {
		drop_read_only(r.doc);
		if (azure_call(&s->az, "PUT", path, r.doc, 0, &put, e) < 0)
			goto out;
	}
	rc = 0;
out:
	azure_reply_release(&r);
	azure_reply_release(&put);
	free(path);
	return rc < 0 ? err_in(e, "autoscale bounds") : 0;
}

static void set_parameter(cJSON *parameters, const char *name, int64_t v)
{
	cJSON *p = cJSON_CreateObject();

	json_set(p, "value", cJSON_CreateNumber((double)v));
	json_set(parameters, name, p);
}

int agents_keep_number(struct session *s, cJSON *parameters, struct err *e)
{
	char *path = vmss_path(s, "?api-version=" API_COMPUTE);
	struct azure_reply r = { 0 };
	int64_t there;
	int rc = -1;

	if (azure_call(&s->az, "GET", path, NULL, AZURE_MISSING_OK, &r, e) < 0)
		goto out;
	rc = 0;
	if (r.http.head.status == 404)
		goto out;
	if ((rc = json_int(r.doc, "sku.capacity", 0, INSTANCES_MAX, &there, e)) < 0 ||
	    there == json_int_opt(parameters, "agentCount.value", -1))
		goto out;
	ui_say(s->ui, "there %s %lld agent%s already, and so it stays; "
	       "'azswarm scale-agents' changes that", there == 1 ? "is" : "are",
	       (long long)there, there == 1 ? "" : "s");
	set_parameter(parameters, "agentCount", there);
	/* or autoscale would remove or make some at once */
	if (there < json_int_opt(parameters, "minAgentCount.value", 0))
		set_parameter(parameters, "minAgentCount", there);
	if (there > json_int_opt(parameters, "maxAgentCount.value", there))
		set_parameter(parameters, "maxAgentCount", there);
out:
	azure_reply_release(&r);
	free(path);
	return rc;
}

static int scale_out(struct session *s, const cJSON *vmss, int wanted, struct err *e)
{
	char *path = vmss_path(s, "?api-version=" API_COMPUTE);
	char *what = xasprintf("%d agents", wanted);
	struct azure_wait w = { .what = what, .limit_ms = OPERATION_LIMIT_MS,
				.no_wait = s->no_wait };
	cJSON *body = cJSON_CreateObject(), *sku = json_add_obj(body, "sku");
	const char *name = json_str(vmss, "sku.name", e);
	int rc = -1;

	if (name != NULL) {
		/* name and tier as they are, or Azure takes it for a resize */
		json_add_str(sku, "name", name);
		json_add_str(sku, "tier", json_str_opt(vmss, "sku.tier", "Standard"));
		json_add_int(sku, "capacity", wanted);
		rc = azure_do(&s->az, "PATCH", path, body, &w, NULL, e);
	}
	json_free(body);
	free(what);
	free(path);
	return rc;
}

/* Nothing runs there that would still have to leave the swarm.  A machine that
 * is only on its way down, or whose power Azure does not know, might. */
static bool is_off(const struct instance *vm)
{
	return strcmp(vm->power, "stopped") == 0 ||
	       strcmp(vm->power, "deallocated") == 0;
}

/* Machines that do not run go first, then the newest. */
static int victim_order(const void *pa, const void *pb)
{
	const struct instance *a = pa, *b = pb;
	bool a_runs = strcmp(a->power, "running") == 0;
	bool b_runs = strcmp(b->power, "running") == 0;
	long a_id = strtol(a->id, NULL, 10), b_id = strtol(b->id, NULL, 10);

	if (a_runs != b_runs)
		return a_runs ? 1 : -1;
	return (a_id < b_id) - (a_id > b_id);
}

/* Shut these n down in order, then delete them.  no_wait: for the deletion,
 * for shutting down must be over before it begins. */
static int remove_instances(struct session *s, const struct instance *vm,
			    size_t n, bool no_wait, struct err *e)
{
	cJSON *ids = cJSON_CreateArray(), *on = cJSON_CreateArray();
	struct buf names = BUF_INIT(64u << 10);
	char *down, *gone;
	int rc = 0;

	for (size_t i = 0; i < n; i++) {
		cJSON_AddItemToArray(ids, cJSON_CreateString(vm[i].id));
		if (!is_off(&vm[i]))
			cJSON_AddItemToArray(on, cJSON_CreateString(vm[i].id));
		buf_addf(&names, "%s%s", names.n ? ", " : "", vm[i].name);
	}
	down = xasprintf("%s to drain, leave and shut down", names.str);
	gone = xasprintf("%s to be deleted", names.str);
	if (cJSON_GetArraySize(on) > 0) {
		ui_say(s->ui, "%s: draining, leaving the swarm, shutting down",
		       names.str);
		s->no_wait = false;
		rc = act(s, "poweroff?skipShutdown=false", on, 0, down, e);
	}
	s->no_wait = no_wait;
	/* an id may be used again, so never send this twice */
	if (rc == 0)
		rc = act(s, "delete", ids, AZURE_ONCE, gone, e);
	if (rc == 0)
		ui_say(s->ui, "%s: %s", names.str,
		       no_wait ? "being deleted" : "deleted");
	free(down);
	free(gone);
	buf_release(&names);
	json_free(ids);
	json_free(on);
	return rc;
}

static int scale_in(struct session *s, struct instances *a, size_t remove,
		    struct err *e)
{
	/* a part at a time, so that there is always somewhere for the tasks to go */
	size_t part = a->n / 4 > 1 ? a->n / 4 : 1, n;
	bool no_wait = s->no_wait;
	int rc = 0;

	qsort(a->list, a->n, sizeof(*a->list), victim_order);
	for (size_t i = 0; rc == 0 && i < remove; i += n) {
		n = part < remove - i ? part : remove - i;
		rc = remove_instances(s, &a->list[i], n,
				      no_wait && i + n == remove, e);
	}
	s->no_wait = no_wait;
	return rc;
}

int cmd_scale_agents(struct session *s, int argc, char **argv, struct err *e)
{
	char *path = vmss_path(s, "?api-version=" API_COMPUTE);
	struct azure_reply r = { 0 };
	struct instances a = { 0 };
	uint64_t wanted;
	int64_t capacity;
	int rc = -1, turns = 3;

	if (argc != 2 || !str_num(str_of(argv[1]), SCALE_MAX, &wanted)) {
		err_set(e, ERR_USAGE, "expected a number of agents, 0 to %d", SCALE_MAX);
		goto out;
	}
again:
	azure_reply_release(&r);
	instances_release(&a);
	if (azure_call(&s->az, "GET", path, NULL, 0, &r, e) < 0 ||
	    json_int(r.doc, "sku.capacity", 0, INSTANCES_MAX, &capacity, e) < 0 ||
	    instances_list(s, &a, e) < 0 || fit_autoscale(s, (int)wanted, e) < 0)
		goto out;
	/* what is there counts, not what was once asked for */
	if (a.n > wanted) {
		rc = scale_in(s, &a, a.n - (size_t)wanted, e);
		/* autoscale or a colleague was faster: Azure knows an id no more */
		if (rc < 0 && turns-- > 0 && str_starts(str_of(e->target), STR("instanceId"))) {
			ui_say(s->ui, "somebody else removes agents, too; looking again");
			err_clear(e);
			goto again;
		}
	} else if (a.n < wanted || capacity != (int64_t)wanted)
		rc = scale_out(s, r.doc, (int)wanted, e);
	else
		rc = 0;
	if (rc == 0 && s->no_wait && (a.n != wanted || capacity != (int64_t)wanted))
		say_done(s, "");
	else if (rc == 0)
		ui_say(s->ui, "%d agent%s%s", (int)wanted, wanted == 1 ? "" : "s",
		       a.n == wanted ? " already" : a.n > wanted ? " left" :
		       "; the new ones join the swarm by themselves");
out:
	azure_reply_release(&r);
	instances_release(&a);
	free(path);
	return rc < 0 ? err_in(e, "scaling agents") : 0;
}
