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

#define AGENTS_MAX 1000
#define SCALE_MAX 100			/* what a single placement group holds */

static char *vmss_path(const struct session *s, const char *rest)
{
	return azure_path(&s->az, "/resourceGroups/%s/providers/Microsoft.Compute/"
			  "virtualMachineScaleSets/%s%s",
			  settings_get(s->set, S_COMPUTE_GROUP),
			  settings_get(s->set, S_VMSS_NAME), rest);
}

/* ---- listing ---- */

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

static int take_agent(void *ctx, const cJSON *vm, struct err *e)
{
	struct agents *a = ctx;
	const char *id = json_str(vm, "instanceId", e);
	uint64_t ignored;

	if (id == NULL)
		return err_in(e, "instance");
	if (!str_num(str_of(id), UINT32_MAX, &ignored))
		return err_set(e, ERR_PROTO, "instance id \"%.32s\" is not a number: is this "
			       "scale set Uniform?", id);
	if (a->n == AGENTS_MAX)
		return err_set(e, ERR_PROTO, "more than %d instances", AGENTS_MAX);
	a->list = xrealloc(a->list, (a->n + 1) * sizeof(*a->list));
	a->list[a->n++] = (struct agent){
		.id = xstrdup(id),
		.name = xstrdup(json_str_opt(vm, "name", "")),
		.host = xstrdup(json_str_opt(vm, "properties.osProfile.computerName", "")),
		.power = xstrdup(power_of(vm)),
		.provisioning = xstrdup(json_str_opt(vm, "properties.provisioningState", "")),
	};
	return 0;
}

int agents_list(struct session *s, struct agents *a, struct err *e)
{
	char *path = vmss_path(s, "/virtualMachines?api-version=" API_COMPUTE
			       "&$expand=instanceView");
	int rc;

	*a = (struct agents){ 0 };
	rc = azure_list(&s->az, path, "list of agents", take_agent, a, e);
	free(path);
	return rc;
}

void agents_release(struct agents *a)
{
	for (size_t i = 0; i < a->n; i++) {
		free(a->list[i].id);
		free(a->list[i].name);
		free(a->list[i].host);
		free(a->list[i].power);
		free(a->list[i].provisioning);
	}
	free(a->list);
	*a = (struct agents){ 0 };
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
	struct agents a = { 0 };
	struct listing t;
	int rc = -1;

	(void)argc, (void)argv;
	listing_init(&t, columns);
	if (agents_list(s, &a, e) < 0 ||
	    azure_list(&s->az, path, "addresses of agents", take_address, address, e) < 0)
		goto out;
	for (size_t i = 0; i < a.n; i++) {
		const struct agent *g = &a.list[i];

		listing_row(&t);
		listing_cell(&t, "%s", g->id);
		listing_cell(&t, "%s", g->name);
		listing_cell(&t, "%s", g->host);
		listing_cell(&t, "%s", json_str_opt(json_get(address, g->id) ? address : NULL,
						  g->id, ""));
		listing_cell(&t, "%s", g->power);
		listing_cell(&t, "%s", g->provisioning);
	}
	rc = listing_print(&t, s->ui, e);
out:
	listing_release(&t);
	agents_release(&a);
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
	struct azure_wait w = { .what = what, .limit_ms = OPERATION_LIMIT_MS, .flags = flags,
				.no_wait = s->no_wait };
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
	ui_say(s->ui, "%s", s->no_wait ? "accepted, it goes on in Azure; 'azswarm list-agents' "
	       "shows how far" : done);
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
	say_done(s, "agents deallocated; their disks and the load balancer are still billed");
	return 0;
}

/* ---- scaling ---- */

static int64_t capacity_of(const cJSON *profile, const char *name)
{
	uint64_t v;
	char path[64];

	/* Azure has them as strings */
	snprintf(path, sizeof(path), "capacity.%s", name);
	return str_num(str_of(json_str_opt(profile, path, "")), 10000, &v) ? (int64_t)v : -1;
}

static bool move_bound(cJSON *profile, const char *name, int64_t wanted, const char *title,
		       struct ui *ui)
{
	char text[32];

	ui_say(ui, "autoscale: %s moved from %lld to %lld, or it would undo this", title,
	       (long long)capacity_of(profile, name), (long long)wanted);
	snprintf(text, sizeof(text), "%lld", (long long)wanted);
	json_set(json_get_mut(profile, "capacity"), name, cJSON_CreateString(text));
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
	cJSON *profile;
	bool moved = false;
	int rc = -1;

	if (azure_call(&s->az, "GET", path, NULL, AZURE_MISSING_OK, &r, e) < 0)
		goto out;
	if (r.http.head.status == 404 || !json_bool_opt(r.doc, "properties.enabled", true)) {
		rc = 0;
		goto out;
	}
	cJSON_ArrayForEach(profile, json_get_mut(json_get_mut(r.doc, "properties"), "profiles")) {
		if (capacity_of(profile, "maximum") >= 0 && wanted > capacity_of(profile, "maximum"))
			moved = move_bound(profile, "maximum", wanted, "most agents", s->ui);
		if (wanted < capacity_of(profile, "minimum"))
			moved = move_bound(profile, "minimum", wanted, "fewest agents", s->ui);
		if (moved && (capacity_of(profile, "default") > capacity_of(profile, "maximum") ||
			      capacity_of(profile, "default") < capacity_of(profile, "minimum")))
			move_bound(profile, "default", wanted, "number when there are no metrics",
				   s->ui);
	}
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
	if ((rc = json_int(r.doc, "sku.capacity", 0, AGENTS_MAX, &there, e)) < 0 ||
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

/* Nothing runs there that would still have to leave the swarm.  Who is only on
 * the way down, or of whom Azure does not know, might. */
static bool is_off(const struct agent *g)
{
	return strcmp(g->power, "stopped") == 0 || strcmp(g->power, "deallocated") == 0;
}

/* Machines that do not run go first, then the newest. */
static int victim_order(const void *pa, const void *pb)
{
	const struct agent *a = pa, *b = pb;
	bool ra = strcmp(a->power, "running") == 0, rb = strcmp(b->power, "running") == 0;
	long ia = strtol(a->id, NULL, 10), ib = strtol(b->id, NULL, 10);

	return ra != rb ? (ra ? 1 : -1) : ia > ib ? -1 : ia < ib;
}

static int scale_in(struct session *s, struct agents *a, size_t remove, struct err *e)
{
	/* a part at a time, so that there is always somewhere for the tasks to go */
	size_t part = a->n / 4 > 1 ? a->n / 4 : 1;
	bool no_wait = s->no_wait;
	int rc = 0;

	/* shutting down must be over before deleting begins */
	s->no_wait = false;
	qsort(a->list, a->n, sizeof(*a->list), victim_order);
	for (size_t i = 0; rc == 0 && i < remove; i += part) {
		size_t end = i + part < remove ? i + part : remove;
		cJSON *ids = cJSON_CreateArray(), *on = cJSON_CreateArray();
		struct buf names = BUF_INIT(64u << 10);
		char *down, *gone;

		for (size_t k = i; k < end; k++) {
			cJSON_AddItemToArray(ids, cJSON_CreateString(a->list[k].id));
			if (!is_off(&a->list[k]))
				cJSON_AddItemToArray(on, cJSON_CreateString(a->list[k].id));
			buf_addf(&names, "%s%s", names.n ? ", " : "", a->list[k].name);
		}
		down = xasprintf("%s to drain, leave and shut down", names.str);
		gone = xasprintf("%s to be deleted", names.str);
		if (cJSON_GetArraySize(on) > 0) {
			ui_say(s->ui, "%s: draining, leaving the swarm, shutting down", names.str);
			rc = act(s, "poweroff?skipShutdown=false", on, 0, down, e);
		}
		if (rc == 0) {
			s->no_wait = no_wait && end == remove;
			/* an id may be used again, so never send this twice */
			rc = act(s, "delete", ids, AZURE_ONCE, gone, e);
		}
		if (rc == 0)
			ui_say(s->ui, "%s: %s", names.str,
			       s->no_wait ? "being deleted" : "deleted");
		free(down);
		free(gone);
		buf_release(&names);
		json_free(ids);
		json_free(on);
	}
	s->no_wait = no_wait;
	return rc;
}

int cmd_scale_agents(struct session *s, int argc, char **argv, struct err *e)
{
	char *path = vmss_path(s, "?api-version=" API_COMPUTE);
	struct azure_reply r = { 0 };
	struct agents a = { 0 };
	uint64_t wanted;
	int64_t capacity;
	int rc = -1, turns = 3;

	if (argc != 2 || !str_num(str_of(argv[1]), SCALE_MAX, &wanted)) {
		err_set(e, ERR_USAGE, "expected a number of agents, 0 to %d", SCALE_MAX);
		goto out;
	}
again:
	azure_reply_release(&r);
	agents_release(&a);
	if (azure_call(&s->az, "GET", path, NULL, 0, &r, e) < 0 ||
	    json_int(r.doc, "sku.capacity", 0, AGENTS_MAX, &capacity, e) < 0 ||
	    agents_list(s, &a, e) < 0 || fit_autoscale(s, (int)wanted, e) < 0)
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
	agents_release(&a);
	free(path);
	return rc < 0 ? err_in(e, "scaling agents") : 0;
}
