/*
 * What there is of the cluster; see survey.h.  Reads, and changes nothing.
 */
#include "swarm/survey.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "swarm/swarm.h"

#define ADDRESSES_MAX 1000
#define PORTS_MAX 8192
#define LOOK_AGAIN_MS 30000 /* at a master that is missing */
#define ENGINE_MS 5000 /* who looks does not wait for an engine that hangs */

/* ---- Azure ---- */

/* 1: it is there, and has a text of that name; 0: it is not; -1.  Frees path. */
static int get_one(struct session *s, char *path, const char *name,
		   struct azure_reply *r, struct err *e)
{
	int rc = azure_call(&s->az, "GET", path, NULL, AZURE_MISSING_OK, r, e);

	free(path);
	if (rc == 0 && r->http.head.status != 404)
		rc = json_str(r->doc, name, e) != NULL ? 1 : -1;
	return rc;
}

static int read_group(struct session *s, const char *name,
		      struct survey_group *g, struct err *e)
{
	char *path = swarm_group_path(s, name);
	struct azure_reply r = { 0 };
	int rc = get_one(s, path, "location", &r, e);

	if (rc > 0) {
		g->there = true;
		g->location = xstrdup(json_str_opt(r.doc, "location", ""));
		g->state = xstrdup(
			json_str_opt(r.doc, "properties.provisioningState", ""));
	}
	azure_reply_release(&r);
	return rc < 0 ? err_in(e, "resource group %s", name) : 0;
}

static int take_address(void *ctx, const cJSON *ip, struct err *e)
{
	struct survey *v = ctx;

	if (v->n_addresses == ADDRESSES_MAX)
		return err_set(e, ERR_PROTO, "more than %d addresses",
			       ADDRESSES_MAX);
	v->addresses = xrealloc(v->addresses,
				(v->n_addresses + 1) * sizeof(*v->addresses));
	v->addresses[v->n_addresses++] = (struct survey_address){
		.name = xstrdup(json_str_opt(ip, "name", "")),
		.address = xstrdup(json_str_opt(ip, "properties.ipAddress", "")),
		.fqdn = xstrdup(
			json_str_opt(ip, "properties.dnsSettings.fqdn", "")),
	};
	return remote_take_master(&v->reach, ip, e);
}

static char *compute_path(const struct session *s, const char *provider,
			  const char *rest)
{
	return azure_path(&s->az, "/resourceGroups/%s/providers/Microsoft.%s/%s",
			  settings_get(s->set, S_COMPUTE_GROUP), provider, rest);
}

static int read_addresses(struct session *s, struct survey *v, struct err *e)
{
	char *path = compute_path(s, "Network",
				  "publicIPAddresses?api-version=" API_NETWORK);
	int rc = azure_list(&s->az, path, "public addresses", take_address, v, e);

	free(path);
	return rc;
}

static int read_balancer(struct session *s, struct survey *v, struct err *e)
{
	char *path =
		compute_path(s, "Network",
			     "loadBalancers/agents-lb?api-version=" API_NETWORK);
	struct buf ports = BUF_INIT(PORTS_MAX);
	struct azure_reply r = { 0 };
	const cJSON *rule;
	int rc = get_one(s, path, "name", &r, e);

	if (rc > 0) {
		v->balancer = xstrdup(json_str_opt(r.doc, "name", ""));
		cJSON_ArrayForEach(rule, json_at(r.doc,
						 "properties.loadBalancingRules"))
			buf_addf(&ports, "%s%d%s", ports.n > 0 ? " " : "",
				 (int)json_int_opt(rule,
						   "properties.frontendPort", 0),
				 json_is(rule, "properties.protocol", "Udp") ?
					 "/udp" :
					 "");
		v->ports = buf_detach(&ports);
		cJSON_ArrayForEach(rule,
				   json_at(r.doc,
					   "properties.frontendIPConfigurations"))
			v->range |= json_at(rule, "properties.publicIPPrefix") !=
				    NULL;
		v->rules = r.doc;
		r.doc = NULL;
	}
	buf_release(&ports);
	azure_reply_release(&r);
	return rc < 0 ? err_in(e, "load balancer") : 0;
}

/* One that is not there was never made, or is gone: a number too few. */
static int read_master(struct session *s, struct survey *v, const char *name,
		       struct err *e)
{
	char *rest = xasprintf("virtualMachines/%s?$expand=instanceView"
			       "&api-version=" API_COMPUTE,
			       name);
	char *path = compute_path(s, "Compute", rest);
	struct azure_reply r = { 0 };
	int rc = get_one(s, path, "name", &r, e);

	free(rest);
	if (rc > 0) {
		instances_add(&v->masters, r.doc);
		v->paper = v->paper || remote_says_paper(r.doc);
	}
	azure_reply_release(&r);
	return rc < 0 ? err_in(e, "%s", name) : 0;
}

/* The group may be there before the scale set is. */
static int read_agents(struct session *s, struct survey *v, struct err *e)
{
	struct err once = ERR_INIT;

	if (instances_list(s, &v->agents, &once) == 0 ||
	    err_is(&once, "ResourceNotFound") ||
	    err_is(&once, "ParentResourceNotFound"))
		return 0;
	*e = once;
	return -1;
}

/* All that may be in the compute group. */
static int read_parts(struct session *s, struct survey *v, struct err *e)
{
	if (read_addresses(s, v, e) < 0)
		return -1;
	for (size_t i = 0; i < v->reach.n; i++)
		if (read_master(s, v, v->reach.name[i], e) < 0)
			return -1;
	return read_agents(s, v, e) < 0 ? -1 : read_balancer(s, v, e);
}

/* An answer that lacks something is not a part that there is not. */
static int not_read(struct err *e)
{
	if (e->kind == ERR_DATA)
		e->kind = ERR_PROTO;
	return -1;
}

static int read_machines(struct session *s, struct survey *v, struct err *e)
{
	const char *group = settings_get(s->set, S_COMPUTE_GROUP);

	if (read_group(s, group, &v->compute, e) < 0)
		return not_read(e);
	if (!v->compute.there)
		return err_set(e, ERR_DATA,
			       "nothing is deployed; 'azswarm up' makes it");
	if (str_ieqz(str_of(v->compute.state), "Deleting"))
		return err_set(e, ERR_DATA,
			       "resource group %s is being deleted", group);
	if (read_parts(s, v, e) < 0)
		return not_read(e);
	if (v->masters.n == 0 && v->agents.n == 0)
		return err_set(e, ERR_DATA,
			       "resource group %s is there, and no machine in "
			       "it; 'azswarm up' makes them",
			       group);
	return 0;
}

bool survey_elsewhere(struct session *s, const struct survey_group *g)
{
	return g->there &&
	       !str_ieqz(str_of(g->location), settings_get(s->set, S_LOCATION));
}

static int read_storage(struct session *s, struct survey *v, struct err *e)
{
	const char *group = settings_get(s->set, S_STORAGE_GROUP);

	if (read_group(s, group, &v->storage, e) < 0)
		return not_read(e);
	if (!v->storage.there)
		return err_set(e, ERR_DATA,
			       "there is none; 'azswarm up' makes it");
	if (str_ieqz(str_of(v->storage.state), "Deleting"))
		return err_set(e, ERR_DATA,
			       "resource group %s is being deleted", group);
	if (storage_sku(s, &v->account_sku, e) < 0)
		return not_read(e);
	if (v->account_sku != NULL)
		return 0;
	if (survey_elsewhere(s, &v->storage))
		return err_set(e, ERR_DATA,
			       "there is no account %s in %s, which is in %s, "
			       "and LOCATION is %s",
			       storage_account_name(s), group, v->storage.location,
			       settings_get(s->set, S_LOCATION));
	return err_set(e, ERR_DATA,
		       "there is no account %s in %s; 'azswarm deploy-storage' "
		       "makes it",
		       storage_account_name(s), group);
}

static void group_release(struct survey_group *g)
{
	free(g->location);
	free(g->state);
	*g = (struct survey_group){ 0 };
}

static void forget_azure(struct survey *v)
{
	remote_masters_release(&v->reach);
	v->reach = (struct masters){ .fqdns = BUF_INIT(REMOTE_FQDNS_MAX) };
	for (size_t i = 0; i < v->n_addresses; i++) {
		free(v->addresses[i].name);
		free(v->addresses[i].address);
		free(v->addresses[i].fqdn);
	}
	free(v->addresses);
	v->addresses = NULL;
	v->n_addresses = 0;
	instances_release(&v->masters);
	instances_release(&v->agents);
	group_release(&v->compute);
	group_release(&v->storage);
	free(v->balancer);
	free(v->ports);
	json_free(v->rules);
	v->rules = NULL;
	free(v->account_sku);
	v->balancer = v->ports = v->account_sku = NULL;
	v->paper = v->range = false;
	err_clear(&v->no_machines);
	err_clear(&v->no_storage);
}

/* Whether nothing more is to be asked; e gets the first real failure. */
static bool ends(const struct err *part, struct err *e)
{
	if (part->kind == ERR_NONE || part->kind == ERR_DATA)
		return false;
	if (e->kind == ERR_NONE)
		*e = *part;
	return part->kind == ERR_INTR;
}

int survey_azure(struct session *s, struct survey *v, struct err *e)
{
	forget_azure(v);
	read_machines(s, v, &v->no_machines);
	if (!ends(&v->no_machines, e)) {
		read_storage(s, v, &v->no_storage);
		ends(&v->no_storage, e);
	}
	return e->kind == ERR_NONE ? 0 : -1;
}

/* ---- the swarm ---- */

static void forget_engine(struct survey *v)
{
	free(v->nodes);
	v->nodes = NULL;
	v->n_nodes = 0;
	docker_work_release(&v->work);
	ports_release(&v->published);
}

static void forget_swarm(struct survey *v)
{
	forget_engine(v);
	err_clear(&v->no_swarm);
}

/* Why nobody needs to be asked. */
static int can_answer(const struct survey *v, struct err *e)
{
	size_t off = 0;

	for (size_t i = 0; i < v->masters.n; i++)
		off += instance_is_off(&v->masters.list[i]);
	if (v->no_machines.kind == ERR_DATA)
		return err_set(e, ERR_DATA, "there is no master");
	if (!v->remote_used && v->reach.n == 0)
		return err_set(e, ERR_DATA,
			       "Azure does not tell where a master is");
	if (off > 0 && off == v->masters.n && off >= v->reach.n)
		return err_set(e, ERR_DATA, "no master is running");
	return 0;
}

/* For remote_works: who can tell has told. */
static bool read_engine(struct remote *r, int64_t limit_ms, void *ctx,
			enum remote_at *at)
{
	struct docker *d = remote_docker(r);
	struct err once = ERR_INIT;
	struct survey *v = ctx;
	bool works;

	d->timeout_ms = limit_ms;
	forget_engine(v);
	works = docker_nodes(d, &v->nodes, &v->n_nodes, &once) == 0 &&
		docker_work_services(d, &v->work, &once) == 0 &&
		ports_read(d, &v->published, &once) == 0;
	if (!works) {
		forget_engine(v);
		*at = remote_engine_at(d, &once);
	}
	d->timeout_ms = ENGINE_MS;
	return works;
}

/* With a connection of before, unless nobody works there any more. */
static int read_swarm(struct session *s, struct survey *v, bool again,
		      struct err *e)
{
	struct remote *r = &v->remote;
	enum remote_at at;

	if (v->remote_used && r->ssh != NULL && !(again && r->masters.n > 1) &&
	    read_engine(r, ENGINE_MS, v, &at))
		return 0;
	if (v->remote_used && v->reach.n == 0)
		return remote_reopen(r, e);
	if (v->remote_used)
		remote_release(r);
	v->remote_used = false;
	if (!file_exists("keys"))
		return err_set(e, ERR_DATA,
			       "there are no keys here (keys/) to sign in with");
	if (remote_open_known(s, r, &v->reach, read_engine, v, e) == 0) {
		v->remote_used = true;
		return 0;
	}
	/* with keys that are good another time may be better */
	v->remote_used = r->masters.n > 0;
	if (!v->remote_used)
		remote_release(r);
	return -1;
}

static bool is_reached(const struct survey *v, const char *host)
{
	for (size_t i = 0; i < v->n_nodes; i++)
		if (v->nodes[i].manager && v->nodes[i].reachable &&
		    strcmp(v->nodes[i].hostname, host) == 0)
			return true;
	return false;
}

/* Why it is not reached it tells itself: that one of v->masters, which is i in
 * the remote's list. */
static void look_at(struct survey *v, size_t k, size_t i)
{
	struct remote *r = &v->remote;

	if (v->looked_ms[k] != 0 && now_ms() - v->looked_ms[k] < LOOK_AGAIN_MS)
		return;
	/* who was asked on the way here is not asked again */
	v->at[k] = v->looked_ms[k] == 0 && r->at[i] > REMOTE_WORKS ?
			   r->at[i] :
			   remote_look(r, i);
	v->looked_ms[k] = now_ms();
}

static bool is_missing(const struct survey *v, const struct instance *vm)
{
	return !instance_is_off(vm) && !is_reached(v, vm->host);
}

static void look_at_missing(struct survey *v)
{
	const struct masters *m = &v->remote.masters;

	for (size_t k = 0; k < v->masters.n && m->n > 1; k++)
		for (size_t i = 0; i < m->n && !interrupt_requested(); i++)
			if (strcmp(v->masters.list[k].name, m->name[i]) == 0 &&
			    is_missing(v, &v->masters.list[k]))
				look_at(v, k, i);
}

const char *survey_missing(const struct survey *v, size_t master, char mend[120])
{
	const struct instance *vm = &v->masters.list[master];
	struct str number = str_skip(str_of(vm->name), strlen("master"));
	enum remote_at at = master < LAYOUT_MASTERS_MAX ? v->at[master] :
							  REMOTE_UNKNOWN;

	if (v->no_swarm.kind != ERR_NONE || is_reached(v, vm->host))
		return NULL;
	if (instance_is_off(vm))
		snprintf(mend, 120, "start it: 'az vm start', or the portal");
	else if (at == REMOTE_LOCKED)
		snprintf(mend, 120, "'azswarm unlock' unlocks it");
	else
		snprintf(mend, 120,
			 "it comes back by itself, else 'azswarm replace-master "
			 "%.*s' makes it anew",
			 STR_ARG(str_head(number, 4)));
	if (instance_is_off(vm))
		return vm->power;
	return at == REMOTE_UNKNOWN || at == REMOTE_WORKS ?
		       "the others do not reach it" :
		       remote_at_words(at);
}

int survey_swarm(struct session *s, struct survey *v, struct err *e)
{
	bool again = v->no_swarm.kind != ERR_NONE;

	forget_swarm(v);
	if (can_answer(v, &v->no_swarm) == 0 &&
	    read_swarm(s, v, again, &v->no_swarm) == 0) {
		look_at_missing(v);
		return 0;
	}
	/* who plays a master there answers; nobody does as a rule */
	if (v->paper && v->no_swarm.kind != ERR_INTR) {
		err_clear(&v->no_swarm);
		err_set(&v->no_swarm, ERR_DATA, REMOTE_PAPER);
	}
	if (remote_is_away(&v->no_swarm))
		return 0;
	*e = v->no_swarm;
	return -1;
}

struct survey_quorum survey_quorum(const struct survey *v)
{
	struct survey_quorum q = { 0 };

	for (size_t i = 0; i < v->n_nodes; i++) {
		const struct docker_node *n = &v->nodes[i];

		q.managers += n->manager;
		q.reachable += n->manager && n->reachable;
		if (n->leader)
			q.leader = n->hostname;
	}
	return q;
}

void survey_release(struct survey *v)
{
	forget_swarm(v);
	if (v->remote_used)
		remote_release(&v->remote);
	forget_azure(v);
	*v = (struct survey){ 0 };
}
