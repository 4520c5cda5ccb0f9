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
#include "swarm/rules.h"
#include "swarm/swarm.h"

#define SINGLE_GROUP "properties.singlePlacementGroup"
#define SCALE_TURNS 3 /* looks, when others scale, too */

/* Interfaces come in the order of the machines, mostly. */
struct interfaces {
	struct instances *a;
	size_t next; /* the machine that the next one is of, then */
};

static struct instance *find_by_id(struct interfaces *in, const char *id)
{
	for (size_t k = 0; k < in->a->n; k++) {
		struct instance *vm = &in->a->list[(in->next + k) % in->a->n];

		if (strcmp(vm->id, id) == 0) {
			in->next = (in->next + k + 1) % in->a->n;
			return vm;
		}
	}
	return NULL;
}

static int take_address(void *ctx, const cJSON *nic, struct err *e)
{
	const char *id = strrchr(json_text(nic, "properties.virtualMachine.id"),
				 '/');
	const char *ip = json_text(nic, "properties.ipConfigurations[0]."
					"properties.privateIPAddress");
	struct instance *vm;

	(void)e;
	if (id != NULL && *ip != '\0' &&
	    (vm = find_by_id(ctx, id + 1)) != NULL && vm->address == NULL)
		vm->address = xstrdup(ip);
	return 0;
}

int agents_addresses(struct session *s, struct instances *a, cJSON *by_host,
		     struct err *e)
{
	static const char *const want[] = {
		"properties.virtualMachine.id",
		"properties.ipConfigurations.properties.privateIPAddress",
		NULL,
	};
	char *path = instances_path(
		s, "/networkInterfaces?api-version=" API_VMSS_NETWORK);
	struct interfaces in = { .a = a };
	int rc = azure_list_of(&s->az, path, want, "addresses of agents",
			       take_address, &in, e);

	for (size_t i = 0; rc == 0 && by_host != NULL && i < a->n; i++)
		if (a->list[i].address != NULL)
			json_add_str(by_host, a->list[i].host, a->list[i].address);
	free(path);
	return rc;
}

int agents_places(struct way *w, struct instance *vm, size_t n, struct err *e)
{
	struct instances a = { vm, n };
	cJSON *addresses;

	if (!way_there(w))
		return 0;
	addresses = cJSON_CreateObject();
	if (agents_addresses(w->s, &a, addresses, e) < 0) {
		json_free(addresses);
		return -1;
	}
	way_set_addresses(w, addresses);
	return 0;
}

int cmd_list_agents(struct session *s, int argc, char **argv, struct err *e)
{
	static const char *const columns[] = {
		"id", "name", "host", "address", "power", "provisioning", NULL
	};
	struct instances a = { 0 };
	struct listing t;
	int rc = -1;

	(void)argc, (void)argv;
	listing_init(&t, columns);
	if (instances_list(s, &a, e) < 0 || agents_addresses(s, &a, NULL, e) < 0)
		goto out;
	for (size_t i = 0; i < a.n; i++) {
		const struct instance *vm = &a.list[i];

		listing_row(&t);
		listing_cell(&t, "%s", vm->id);
		listing_cell(&t, "%s", vm->name);
		listing_cell(&t, "%s", vm->host);
		listing_cell(&t, "%s", vm->address != NULL ? vm->address : "");
		listing_cell(&t, "%s", vm->power);
		listing_cell(&t, "%s", vm->provisioning);
	}
	rc = listing_print(&t, s->ui, e);
out:
	listing_release(&t);
	instances_release(&a);
	return rc;
}

/* ---- power ---- */

/* What was done; or, with --no-wait, that Azure has only begun. */
static void say_done(struct session *s, const char *done)
{
	ui_say(s->ui, "%s",
	       s->no_wait ? "accepted, it goes on in Azure; 'azswarm "
			    "list-agents' shows how far" :
			    done);
}

/* Those that ARGUMENTS name, or all there are. */
static int machines_off(struct session *s, int argc, char **argv,
			const char *action, const char *what, struct err *e)
{
	char *agents = xasprintf("agents %s", what);
	struct instances a = { 0 };
	struct way w = { 0 };
	size_t all = 0;
	int rc = -1;

	if (instances_list(s, &a, e) < 0)
		goto out;
	instances_drop_going(&a);
	all = a.n;
	if (instances_choose(&a, argc, argv, e) < 0 || way_open(s, &w, e) < 0)
		goto out;
	way_warn(&w, "machines are shut down in order, but not drained first");
	rc = autoscale_enable(s, false, e);
	if (rc == 0 && !way_there(&w))
		rc = instances_act(s, action, argc > 1 ? a.list : NULL, a.n, 0,
				   agents, e);
	else if (rc == 0)
		rc = agents_take(s, &w, a.list, a.n, all, action, 0, what, e);
out:
	way_close(&w);
	instances_release(&a);
	free(agents);
	return rc;
}

int cmd_stop_agents(struct session *s, int argc, char **argv, struct err *e)
{
	if (machines_off(s, argc, argv, "poweroff?skipShutdown=false",
			 "to stop", e) < 0)
		return -1;
	say_done(s, "agents stopped; stopped machines are still billed, "
		    "'azswarm deallocate-agents' ends that");
	return 0;
}

int cmd_deallocate_agents(struct session *s, int argc, char **argv, struct err *e)
{
	if (machines_off(s, argc, argv, "deallocate", "to be deallocated", e) < 0)
		return -1;
	say_done(s, "agents deallocated; their disks and the load balancer are "
		    "still billed");
	return 0;
}

/* Wait until the swarm has these machines in service, where it can be asked,
 * and spread the tasks. */
static int see_back(struct session *s, struct instance *vm, size_t n,
		    struct err *e)
{
	const char **hosts = agents_hosts(vm, n);
	struct way w;
	int rc = way_open(s, &w, e);

	if (rc == 0)
		rc = agents_places(&w, vm, n, e);

	if (rc == 0)
		way_warn(&w, "whether they are in service again is not known");
	if (rc == 0 && way_there(&w) &&
	    (rc = way_back(&w, hosts, n, NULL, false, WAY_BACK_MS, e)) == 0)
		rc = rebalance_at_end(s, &w, NULL, 0, e);
	way_close(&w);
	free(hosts);
	return rc;
}

static size_t count(const struct instances *a,
		    bool (*is)(const struct instance *vm))
{
	size_t n = 0;

	for (size_t i = 0; i < a->n; i++)
		n += is(&a->list[i]);
	return n;
}

/* On again, once nothing is off but what is kept warm. */
static int autoscale_again(struct session *s, size_t running, size_t off,
			   size_t warm, size_t keep, struct err *e)
{
	size_t kept = warm < keep ? warm : keep;

	if (off > kept) {
		ui_say(s->ui,
		       "%zu agent%s off, so autoscale is not switched on yet",
		       off, off == 1 ? " is" : "s are");
		return 0;
	}
	/* those that were warm and run now are agents as all others */
	if (keep > 0 && autoscale_fit(s, (int)running, (int)kept, e) < 0)
		return -1;
	return autoscale_enable(s, true, e);
}

int cmd_start_agents(struct session *s, int argc, char **argv, struct err *e)
{
	struct instances a = { 0 };
	size_t all, off, warm;
	int keep, rc = -1;

	if (settings_int(s->set, S_WARM_AGENTS, &keep, e) < 0 ||
	    instances_list(s, &a, e) < 0)
		goto out;
	instances_drop_going(&a);
	all = a.n;
	off = count(&a, instance_is_off);
	warm = count(&a, instance_is_warm);
	if (instances_choose(&a, argc, argv, e) < 0)
		goto out;
	/* which of the others are off, then */
	off -= count(&a, instance_is_off);
	warm -= count(&a, instance_is_warm);
	if (instances_act(s, "start", argc > 1 ? a.list : NULL, a.n, 0,
			  "agents to start", e) < 0 ||
	    autoscale_again(s, all - off, off, warm, (size_t)keep, e) < 0 ||
	    (!s->no_wait && a.n > 0 && see_back(s, a.list, a.n, e) < 0))
		goto out;
	say_done(s, "agents started; each joins the swarm again by itself");
	rc = 0;
out:
	instances_release(&a);
	return rc;
}

/* ---- scaling ---- */

static void set_parameter(cJSON *parameters, const char *name, int64_t v)
{
	azure_parameter(parameters, name, cJSON_CreateNumber((double)v));
}

/* Machines that are deallocated. */
static int count_warm(struct session *s, int64_t *warm, struct err *e)
{
	struct instances a = { 0 };
	int rc = instances_list(s, &a, e);

	*warm = rc < 0 ? 0 : (int64_t)count(&a, instance_is_warm);
	instances_release(&a);
	return rc;
}

/* Autoscale counts warm machines, so its bounds have them on top. */
static void add_warm(cJSON *parameters, int64_t warm)
{
	static const char *const bounds[] = { "minAgentCount", "maxAgentCount" };
	int64_t most = json_int_opt(parameters, "maxAgentCount.value", 0);

	for (size_t i = 0; i < 2; i++) {
		const cJSON *p = json_get(parameters, bounds[i]);
		int64_t v = json_int_opt(p, "value", 0) + warm;

		if (p != NULL && warm > 0)
			set_parameter(parameters, bounds[i],
				      instances_bound(v, most));
	}
}

/*
 * Autoscale stays as commands left it: off, because agents are stopped, and with
 * the bounds and the number that they moved.  What was changed by hand, there or
 * in the parameters, is for the deployment to put right.
 */
static int keep_autoscale(struct session *s, cJSON *parameters, struct err *e)
{
	int64_t least = json_int_opt(parameters, "minAgentCount.value", -1);
	int64_t most = json_int_opt(parameters, "maxAgentCount.value", -1);
	struct autoscale_state now;
	int64_t warm = 0;
	int keep;

	if (settings_int(s->set, S_WARM_AGENTS, &keep, e) < 0 ||
	    autoscale_read(s, &now, e) < 0)
		return -1;
	if (!now.on && json_bool_opt(parameters, "autoscaleEnabled.value", true)) {
		ui_say(s->ui, "autoscale is off, and so it stays; 'azswarm "
			      "start-agents' switches it on");
		azure_parameter(parameters, "autoscaleEnabled",
				cJSON_CreateBool(false));
	}
	if (least < 0 || most < 0)
		return 0;
	/* there may be some although none are to be kept any more */
	if ((keep > 0 || (now.least > least && now.most > most)) &&
	    count_warm(s, &warm, e) < 0)
		return -1;
	if (keep > 0 && warm > keep)
		warm = keep;
	if (autoscale_is_ours(&now, least, most, warm) ||
	    autoscale_is_ours(&now, least, most, 0)) {
		set_parameter(parameters, "minAgentCount", now.least);
		set_parameter(parameters, "maxAgentCount", now.most);
		set_parameter(parameters, "autoscaleDefault", now.without_metrics);
	} else if (keep > 0) {
		add_warm(parameters, warm);
	}
	return 0;
}

/* The pools that the model names, but for the template's own. */
static cJSON *more_pools(const cJSON *ip, const char *member)
{
	static const char own[] = "/loadBalancers/" RULES_BALANCER
				  "/backendAddressPools/agents";
	cJSON *more = cJSON_CreateArray();
	const cJSON *pool;

	cJSON_ArrayForEach(pool, json_get(json_get(ip, "properties"), member))
		if (!rules_id_ends(json_text(pool, "id"), own))
			json_add_str(json_add_obj(more, NULL), "id",
				     json_text(pool, "id"));
	return more;
}

/* Pools that somebody put the agents into, in the model, too: those that come
 * later would not be in them, and what a set names Azure does not let go. */
static void keep_pools(cJSON *parameters, const cJSON *set)
{
	static const char *const kept[][2] = {
		{ "loadBalancerBackendAddressPools", "moreAgentPools" },
		{ "loadBalancerInboundNatPools", "agentNatPools" },
	};
	const cJSON *ip =
		json_at(set, "properties.virtualMachineProfile.networkProfile."
			     "networkInterfaceConfigurations[0].properties."
			     "ipConfigurations[0]");

	for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++) {
		cJSON *more = more_pools(ip, kept[i][0]);

		if (more->child != NULL)
			azure_parameter(parameters, kept[i][1], more);
		else
			json_free(more);
	}
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
	/* what had more than 100 once never has one placement group again */
	if (!json_bool_opt(r.doc, SINGLE_GROUP, true))
		azure_parameter(parameters, "singlePlacementGroup",
				cJSON_CreateFalse());
	keep_pools(parameters, r.doc);
	if ((rc = json_int(r.doc, "sku.capacity", 0, INSTANCES_MAX, &there, e)) <
		    0 ||
	    (rc = keep_autoscale(s, parameters, e)) < 0)
		goto out;
	/* or autoscale would remove or make some at once */
	if (there < json_int_opt(parameters, "minAgentCount.value", 0))
		set_parameter(parameters, "minAgentCount", there);
	if (there > json_int_opt(parameters, "maxAgentCount.value", there))
		set_parameter(parameters, "maxAgentCount", there);
	if (there == json_int_opt(parameters, "agentCount.value", -1))
		goto out;
	ui_say(s->ui,
	       "there %s %lld agent%s already, and so it stays; "
	       "'azswarm scale-agents' changes that",
	       there == 1 ? "is" : "are", (long long)there,
	       there == 1 ? "" : "s");
	set_parameter(parameters, "agentCount", there);
out:
	azure_reply_release(&r);
	free(path);
	return rc;
}

/* PATCH the scale set.  Takes body. */
static int patch_set(struct session *s, cJSON *body, const char *what,
		     bool no_wait, struct err *e)
{
	char *path = instances_path(s, "?api-version=" API_COMPUTE);
	struct azure_wait w = { .what = what,
				.limit_ms = OPERATION_LIMIT_MS,
				.no_wait = no_wait };
	int rc = azure_do(&s->az, "PATCH", path, body, &w, NULL, e);

	json_free(body);
	free(path);
	return rc;
}

/* Ports that Azure gives each of n machines behind one address, by itself
 * ("Source Network Address Translation for outbound connections"). */
static int ports_of_each(int n)
{
	int most = 50, ports = 1024;

	while (n > most && most < 800) {
		most *= 2;
		ports /= 2;
	}
	return n > most ? 32 : ports;
}

/*
 * A set of one placement group has 100 machines at most.  A request of its
 * own: Microsoft describes it as a change of the model, and not together with
 * another.
 */
static int leave_single_group(struct session *s, int wanted, struct err *e)
{
	cJSON *body = cJSON_CreateObject();

	ui_say(s->ui,
	       "more than %d agents: the scale set is made one of several "
	       "placement groups, for good",
	       INSTANCES_SINGLE_MAX);
	json_add_bool(json_add_obj(body, "properties"), "singlePlacementGroup",
		      false);
	if (patch_set(s, body, "several placement groups", false, e) < 0)
		return -1;
	ui_say(s->ui,
	       "one address for all: %d ports for what each agent asks of the "
	       "Internet; 'azswarm deploy-compute' makes it eight addresses",
	       ports_of_each(wanted));
	return 0;
}

static int set_capacity(struct session *s, const cJSON *vmss, int wanted,
			struct err *e)
{
	const char *name = json_str(vmss, "sku.name", e);
	char *what = xasprintf("%d agents", wanted);
	cJSON *body = cJSON_CreateObject(), *sku = json_add_obj(body, "sku");
	int rc = -1;

	if (name == NULL || (wanted > INSTANCES_SINGLE_MAX &&
			     json_bool_opt(vmss, SINGLE_GROUP, true) &&
			     leave_single_group(s, wanted, e) < 0)) {
		json_free(body);
		goto out;
	}
	/* name and tier as they are, or Azure takes it for a resize */
	json_add_str(sku, "name", name);
	json_add_str(sku, "tier", json_str_opt(vmss, "sku.tier", "Standard"));
	json_add_int(sku, "capacity", wanted);
	rc = patch_set(s, body, what, s->no_wait, e);
out:
	free(what);
	return rc;
}

/* Machines that do not run go first, then those on their way out, then those
 * with the fewest tasks, then the newest. */
static int victim_order(const void *pa, const void *pb)
{
	const struct instance *a = pa, *b = pb;
	bool a_runs = strcmp(a->power, "running") == 0;
	bool b_runs = strcmp(b->power, "running") == 0;
	long a_id = strtol(a->id, NULL, 10), b_id = strtol(b->id, NULL, 10);

	if (a_runs != b_runs)
		return a_runs ? 1 : -1;
	/* begun before, perhaps by us: to be finished */
	if (a->leaving != b->leaving)
		return a->leaving ? -1 : 1;
	if (a->tasks != b->tasks)
		return a->tasks < b->tasks ? -1 : 1;
	return (a_id < b_id) - (a_id > b_id);
}

/* Of those that leave: the first are deleted, the last stay as warm ones, and
 * those that are warm already are the last. */
static int leave_order(const void *pa, const void *pb)
{
	bool a_warm = instance_is_warm(pa), b_warm = instance_is_warm(pb);

	return a_warm != b_warm ? (a_warm ? 1 : -1) : victim_order(pa, pb);
}

/* What is there and what is to be done with it. */
struct scale {
	struct session *s;
	struct instances a; /* without those that are being deleted */
	size_t going;	    /* those */
	size_t wanted;	    /* to run */
	size_t off, running;
	size_t keep; /* WARM_AGENTS */
	bool agreed; /* that so many go */
	cJSON *set;  /* the scale set, as it is in Azure */
};

/* leave: the first so many of the list, warm: so many of them are kept. */
static int scale_in(struct scale *c, size_t leave, size_t warm, struct err *e)
{
	struct session *s = c->s;
	struct instance *list = c->a.list;
	size_t del = leave - warm, to = leave;
	bool no_wait = s->no_wait;
	struct way w;
	int rc = way_open(s, &w, e);

	if (rc == 0)
		way_warn(&w, "machines that go are shut down in order, but not "
			     "drained first");
	if (rc == 0 && way_there(&w))
		rc = agents_count_tasks(&w, &c->a, e);
	if (rc == 0) {
		qsort(list, c->a.n, sizeof(*list), victim_order);
		qsort(list, leave, sizeof(*list), leave_order);
		while (to > del && instance_is_warm(&list[to - 1]))
			to--;
		s->no_wait = no_wait && to == del;
		/* an id may be used again, so never send this twice */
		if (del > 0)
			rc = agents_take(s, &w, list, del, c->running, "delete",
					 AZURE_ONCE, "to be deleted", e);
		s->no_wait = no_wait;
		if (rc == 0 && to > del)
			rc = agents_take(s, &w, list + del, to - del, c->running,
					 "deallocate", 0, "to be kept warm", e);
	}
	way_close(&w);
	return rc;
}

static int look(struct scale *c, struct err *e)
{
	instances_release(&c->a);
	if (instances_list(c->s, &c->a, e) < 0)
		return -1;
	c->going = instances_drop_going(&c->a);
	c->off = 0;
	for (size_t i = 0; i < c->a.n; i++)
		c->off += instance_is_off(&c->a.list[i]);
	c->running = c->a.n - c->off;
	return 0;
}

/* Start those that are there, and have Azure make the rest. */
static int scale_out(struct scale *c, size_t start, struct err *e)
{
	struct instance *list = c->a.list;
	size_t off = 0;
	int64_t capacity;

	if (start > 0) {
		qsort(list, c->a.n, sizeof(*list), victim_order);
		/* victims come first, and of them those that are off */
		for (size_t i = 0; i < c->a.n && off < start; i++)
			if (instance_is_off(&list[i])) {
				struct instance vm = list[i];

				list[i] = list[off];
				list[off++] = vm;
				free(list[off - 1].power);
				list[off - 1].power = xstrdup("running");
			}
		if (instances_act(c->s, "start", list, start, 0,
				  "agents to start", e) < 0)
			return -1;
	}
	if (json_int(c->set, "sku.capacity", 0, INSTANCES_MAX, &capacity, e) < 0)
		return -1;
	if (c->running + start == c->wanted && capacity == (int64_t)c->a.n)
		return 0;
	return set_capacity(c->s, c->set, (int)(c->wanted + c->off - start), e);
}

/* Until the swarm has them; then tasks are spread, or it is said when that is
 * worth it. */
static int settle_in(struct scale *c, struct err *e)
{
	const char **coming = NULL;
	cJSON *addresses = cJSON_CreateObject();
	size_t n = 0;
	struct way w;
	bool paper;
	int rc = way_open(c->s, &w, e);

	if (rc == 0)
		way_warn(&w, "whether they are in service is not known");
	if (rc < 0 || !way_there(&w) || (rc = look(c, e)) < 0 ||
	    (rc = agents_addresses(c->s, &c->a, addresses, e)) < 0 ||
	    (rc = remote_on_paper(c->s, &paper, e)) < 0)
		goto out;
	coming = xcalloc(c->a.n + 1, sizeof(*coming));
	for (size_t i = 0; i < c->a.n; i++)
		if (!instance_is_off(&c->a.list[i]))
			coming[n++] = c->a.list[i].host;
	way_set_addresses(&w, addresses);
	w.new_ones = true;
	addresses = NULL;
	if (!paper)
		rc = way_back(&w, coming, n, NULL, false, WAY_BACK_MS, e);
	if (rc == 0)
		rc = rebalance_at_end(c->s, &w, coming, n, e);
out:
	way_close(&w);
	json_free(addresses);
	free(coming);
	return rc;
}

/* More than half of those that run are to go: a slip of the finger does that,
 * too. */
static int agree_to_go(struct scale *c, size_t surplus, struct err *e)
{
	char *what;
	int rc = 0;

	if (!c->agreed && 2 * surplus > c->running) {
		what = xasprintf("take %zu of %zu agents away", surplus,
				 c->running);
		rc = swarm_agree(c->s, what, e);
		free(what);
	}
	c->agreed |= rc == 0;
	return rc;
}

/* One look and what follows of it.  *in, *out: whether machines went or came. */
static int scale_once(struct scale *c, bool *in, bool *out, struct err *e)
{
	char *path = instances_path(c->s, "?api-version=" API_COMPUTE);
	struct azure_reply r = { 0 };
	size_t start = 0, surplus = 0, warm, leave;
	struct err ignored = ERR_INIT;
	int64_t capacity;
	int rc = -1;

	*in = *out = false;
	if (azure_call(&c->s->az, "GET", path, NULL, 0, &r, e) < 0 ||
	    json_int(r.doc, "sku.capacity", 0, INSTANCES_MAX, &capacity, e) < 0 ||
	    look(c, e) < 0)
		goto out;
	c->set = r.doc;
	if (c->running < c->wanted)
		start = c->wanted - c->running < c->off ? c->wanted - c->running :
							  c->off;
	else
		surplus = c->running - c->wanted;
	leave = c->off - start + surplus;
	warm = leave < c->keep ? leave : c->keep;
	if (agree_to_go(c, surplus, e) < 0 ||
	    (c->running + start < c->wanted && params_fetchable(c->s, e) < 0) ||
	    autoscale_fit(c->s, (int)c->wanted, (int)warm, e) < 0)
		goto out;
	rc = 0;
	if (surplus > 0 || (start == 0 && leave > warm)) {
		*in = true;
		rc = scale_in(c, leave, warm, e);
	} else if (c->running < c->wanted || capacity != (int64_t)c->a.n) {
		*out = true;
		rc = scale_out(c, start, e);
		/* refused, for the quota perhaps: nor may autoscale try that */
		if (rc < 0 && e->kind == ERR_AZURE)
			autoscale_fit(c->s, (int)c->running,
				      (int)(c->off < c->keep ? c->off : c->keep),
				      &ignored);
		/* those that are off and not wanted as warm ones */
		if (rc == 0 && leave > warm && leave <= c->a.n)
			rc = scale_in(c, leave, warm, e);
	}
out:
	azure_reply_release(&r);
	c->set = NULL;
	free(path);
	return rc;
}

/* Whether somebody else was faster: Azure knows an id no more. */
static bool others_too(const struct err *e)
{
	return str_starts(str_of(e->target), STR("instanceId"));
}

int cmd_scale_agents(struct session *s, int argc, char **argv, struct err *e)
{
	struct scale c = { .s = s };
	bool in, out, again = true, any_in = false, any_out = false;
	uint64_t wanted;
	int keep, rc = -1;

	if (argc != 2 || !str_num(str_of(argv[1]), INSTANCES_MAX, &wanted)) {
		err_set(e, ERR_USAGE, "expected a number of agents, 0 to %d",
			INSTANCES_MAX);
		goto out;
	}
	if (settings_int(s->set, S_WARM_AGENTS, &keep, e) < 0)
		goto out;
	c.wanted = (size_t)wanted;
	c.keep = (size_t)keep;
	for (int turns = SCALE_TURNS; again && turns >= 0; turns--) {
		if (turns < SCALE_TURNS)
			ui_say(s->ui,
			       "somebody else changes the agents, too; looking again");
		rc = scale_once(&c, &in, &out, e);
		any_in |= in && rc == 0;
		any_out |= out && rc == 0;
		again = rc < 0 && others_too(e) && turns > 0;
		if (again)
			err_clear(e);
		else if (rc < 0)
			goto out;
		else if (!s->no_wait && (in || c.going > 0)) {
			if ((rc = look(&c, e)) < 0)
				goto out;
			again = c.running != c.wanted;
		}
	}
	if (again) {
		rc = err_set(e, ERR_DATA,
			     "%zu agents run and not %zu: somebody else "
			     "changes them, too",
			     c.running, c.wanted);
		goto out;
	}
	if (s->no_wait && (any_in || any_out)) {
		say_done(s, "");
		goto out;
	}
	ui_say(s->ui, "%zu agent%s%s", c.wanted, c.wanted == 1 ? "" : "s",
	       any_out ? "; the new ones join the swarm by themselves" :
	       any_in  ? " left" :
			 " already");
	if (any_out)
		rc = settle_in(&c, e);
out:
	instances_release(&c.a);
	return rc < 0 ? err_in(e, "scaling agents") : 0;
}
