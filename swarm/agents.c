/*
 * The scale set: listing its machines, their power, their number.  Scaling
 * in names the machines that go, shuts them down in order (their agent
 * drains the node and leaves the swarm) and only then deletes them; the
 * capacity is never just lowered, for Azure would pick by rules of its own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "swarm/agents.h"
#include "swarm/swarm.h"

#define SCALE_MAX 100			/* what a single placement group holds */

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
	char *path = instances_path(s, "/networkInterfaces?api-version=" API_VMSS_NETWORK);
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

/* ---- power ---- */

/* What was done; or, with --no-wait, that Azure has only begun. */
static void say_done(struct session *s, const char *done)
{
	ui_say(s->ui, "%s", s->no_wait ? "accepted, it goes on in Azure; 'azswarm "
	       "list-agents' shows how far" : done);
}

static int machines_off(struct session *s, const char *action, const char *what, struct err *e)
{
	struct instances a;
	struct way w;
	int rc = -1;

	if (instances_list(s, &a, e) < 0 || way_open(s, &w, e) < 0) {
		instances_release(&a);
		return -1;
	}
	rc = autoscale_enable(s, false, e);
	if (rc == 0 && !way_there(&w))
		rc = instances_act(s, action, NULL, 0, 0, what, e);
	else if (rc == 0)
		rc = agents_take(s, &w, a.list, a.n, a.n, action, 0, what, e);
	way_close(&w);
	instances_release(&a);
	return rc;
}

int cmd_stop_agents(struct session *s, int argc, char **argv, struct err *e)
{
	(void)argc, (void)argv;
	if (machines_off(s, "poweroff?skipShutdown=false", "agents to stop", e) < 0)
		return -1;
	say_done(s, "agents stopped; stopped machines are still billed, "
		 "'azswarm deallocate-agents' ends that");
	return 0;
}

int cmd_deallocate_agents(struct session *s, int argc, char **argv, struct err *e)
{
	(void)argc, (void)argv;
	if (machines_off(s, "deallocate", "agents to be deallocated", e) < 0)
		return -1;
	say_done(s, "agents deallocated; their disks and the load balancer are "
		 "still billed");
	return 0;
}

/* Wait until the swarm has these machines again, where it can be asked. */
static int wait_back(struct session *s, struct instances *a, struct err *e)
{
	struct way w = { 0 };
	const char **hosts;
	int rc;

	if (s->no_wait || a->n == 0)
		return 0;
	hosts = agents_hosts(a->list, a->n);
	rc = way_open(s, &w, e);
	if (rc == 0 && way_there(&w))
		rc = way_back(&w, hosts, a->n, NULL, false, WAY_BACK_MS, e);
	way_close(&w);
	free(hosts);
	return rc;
}

int cmd_start_agents(struct session *s, int argc, char **argv, struct err *e)
{
	struct instances a;
	int rc = -1;

	(void)argc, (void)argv;
	if (instances_act(s, "start", NULL, 0, 0, "agents to start", e) == 0 &&
	    autoscale_enable(s, true, e) == 0) {
		rc = instances_list(s, &a, e);
		if (rc == 0)
			rc = wait_back(s, &a, e);
		instances_release(&a);
	}
	if (rc == 0)
		say_done(s, "agents started; each joins the swarm again by itself");
	return rc;
}

/* ---- scaling ---- */

static void set_parameter(cJSON *parameters, const char *name, int64_t v)
{
	cJSON *p = cJSON_CreateObject();

	json_set(p, "value", cJSON_CreateNumber((double)v));
	json_set(parameters, name, p);
}

int agents_keep_number(struct session *s, cJSON *parameters, struct err *e)
{
	char *path = instances_path(s, "?api-version=" API_COMPUTE);
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
	char *path = instances_path(s, "?api-version=" API_COMPUTE);
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

/* Machines that do not run go first, then those with the fewest tasks, then
 * the newest. */
static int victim_order(const void *pa, const void *pb)
{
	const struct instance *a = pa, *b = pb;
	bool a_runs = strcmp(a->power, "running") == 0;
	bool b_runs = strcmp(b->power, "running") == 0;
	long a_id = strtol(a->id, NULL, 10), b_id = strtol(b->id, NULL, 10);

	if (a_runs != b_runs)
		return a_runs ? 1 : -1;
	if (a->tasks != b->tasks)
		return a->tasks < b->tasks ? -1 : 1;
	return (a_id < b_id) - (a_id > b_id);
}

static int scale_in(struct session *s, struct instances *a, size_t remove, struct err *e)
{
	struct way w;
	int rc = way_open(s, &w, e);

	if (rc == 0 && way_there(&w))
		rc = agents_count_tasks(&w, a, e);
	if (rc == 0) {
		qsort(a->list, a->n, sizeof(*a->list), victim_order);
		/* an id may be used again, so never send this twice */
		rc = agents_take(s, &w, a->list, remove, a->n, "delete", AZURE_ONCE,
				 "agents to be deleted", e);
	}
	way_close(&w);
	return rc;
}

/* Machines that are being deleted are none any more. */
static void drop_going(struct instances *a)
{
	size_t n = 0;

	for (size_t i = 0; i < a->n; i++) {
		struct instance vm = a->list[i];

		if (!instance_is_going(&vm)) {
			a->list[i] = a->list[n];
			a->list[n++] = vm;
		}
	}
	while (a->n > n) {
		struct instances last = { .list = xmalloc(sizeof(struct instance)), .n = 1 };

		last.list[0] = a->list[--a->n];
		instances_release(&last);
	}
}

int cmd_scale_agents(struct session *s, int argc, char **argv, struct err *e)
{
	char *path = instances_path(s, "?api-version=" API_COMPUTE);
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
	    instances_list(s, &a, e) < 0 || autoscale_fit(s, (int)wanted, e) < 0)
		goto out;
	/* what is there counts, not what was once asked for */
	drop_going(&a);
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
