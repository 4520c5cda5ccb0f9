/*
 * What an unannounced failure costs: agents, and masters with --masters, are
 * restarted in random order, without being taken out of service first, one at
 * a time and the next only when the swarm is whole again.  Meanwhile the
 * services' published ports are asked through the load balancer, as their
 * users ask.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "docker/work.h"
#include "http/plain.h"
#include "swarm/agents.h"
#include "swarm/swarm.h"

#define PORTS_MAX 16
#define ASK_EVERY_MS 200
#define ASK_LIMIT_MS 3000
#define LOOK_MS 1000
#define WHOLE_MS (10 * 60000) /* a guard: longer, and the monkey stops */
#define PLUG_MS (3 * 60000)   /* until Azure has a machine off */
#define UNSEEN_MS 90000 /* longer without a sign of it: it was too quick */
#define DOWN_MAX 256	/* bytes of services' names in a row */
#define ROUNDS_MAX 1000

struct chaos {
	struct session *s;
	struct way way;
	struct docker_work work;
	char balancer[64]; /* address; "": not known */
	unsigned ports[PORTS_MAX];
	size_t n_ports;
	uint64_t random;
	const struct instance **order; /* who is struck, in turns */
	size_t n_order, next;
	char down[DOWN_MAX]; /* services that had no task, of all rounds */

	pthread_t asker;
	bool asks;
	atomic_bool stop;
	atomic_uint asked, failed;
};

/* One that goes down and comes back. */
struct victim {
	const struct instance *vm;
	bool unplugged;		   /* off, and to be started yet */
	int64_t down_ms, ready_ms; /* after it was restarted; -1: not seen */
	unsigned had;		   /* tasks on it */
	uint64_t fewest, wanted;   /* tasks of replicated services, of all */
	unsigned failed;	   /* requests */
	char down[DOWN_MAX];	   /* services that had no task */
};

/* ---- what its users see ---- */

static void *ask_ports(void *ctx)
{
	struct chaos *c = ctx;

	for (size_t i = 0; !atomic_load(&c->stop); i++) {
		struct err e = ERR_INIT, ignored = ERR_INIT;
		int64_t next = now_ms() + ASK_EVERY_MS;
		unsigned status = 0;

		atomic_fetch_add(&c->asked, 1);
		if (plain_exchange("GET", c->balancer, c->ports[i % c->n_ports],
				   "/", NULL, STR_NULL, now_ms() + ASK_LIMIT_MS,
				   &status, NULL, &e) < 0 ||
		    status >= 500)
			atomic_fetch_add(&c->failed, 1);
		if (sleep_until(next, &ignored) < 0)
			break;
	}
	return NULL;
}

static int take_balancer(void *ctx, const cJSON *ip, struct err *e)
{
	struct chaos *c = ctx;
	const char *name = json_str_opt(ip, "name", "");
	const char *address = json_str_opt(ip, "properties.ipAddress", "");

	(void)e;
	if (strstr(name, "lb") != NULL && strlen(address) < sizeof(c->balancer))
		memcpy(c->balancer, address, strlen(address) + 1);
	return 0;
}

static int take_port(void *ctx, const cJSON *service, struct err *e)
{
	struct chaos *c = ctx;
	const cJSON *p;

	(void)e;
	cJSON_ArrayForEach(p, json_at(service, "Endpoint.Ports")) {
		int64_t port = json_int_opt(p, "PublishedPort", 0);

		/* the load balancer's rules know these */
		if ((port == 80 || port == 81) && c->n_ports < PORTS_MAX)
			c->ports[c->n_ports++] = (unsigned)port;
	}
	return 0;
}

static int find_ports(struct chaos *c, struct err *e)
{
	char *path = azure_path(&c->s->az,
				"/resourceGroups/%s/providers/Microsoft.Network/"
				"publicIPAddresses?api-version=" API_NETWORK,
				settings_get(c->s->set, S_COMPUTE_GROUP));
	int rc = azure_list(&c->s->az, path, "public addresses", take_balancer,
			    c, e);

	free(path);
	if (rc == 0)
		rc = docker_each(way_docker(&c->way), "/services", take_port, c,
				 e);
	if (rc == 0 && c->balancer[0] != '\0' && c->n_ports > 0)
		c->asks = pthread_create(&c->asker, NULL, ask_ports, c) == 0;
	if (rc == 0 && !c->asks)
		ui_say(c->s->ui,
		       "no service has a published port, so no requests are counted");
	return rc;
}

/* ---- what the swarm says ---- */

static int look_work(struct chaos *c, struct err *e)
{
	docker_work_release(&c->work);
	return docker_work_read(way_docker(&c->way), &c->work, e);
}

/* Tasks that run, and that should, of all replicated services. */
static void count(const struct docker_work *w, uint64_t *running, uint64_t *wanted)
{
	*running = *wanted = 0;
	for (size_t i = 0; i < w->n_services; i++) {
		const struct docker_service *s = &w->services[i];
		uint64_t n = 0;

		if (s->global || s->job)
			continue;
		for (size_t k = 0; k < w->n_tasks; k++)
			n += w->tasks[k].wanted && w->tasks[k].running &&
			     strcmp(w->tasks[k].service, s->id) == 0;
		*running += n < s->replicas ? n : s->replicas;
		*wanted += s->replicas;
	}
}

static bool services_whole(const struct chaos *c, const char **which)
{
	for (size_t i = 0; i < c->work.n_services; i++) {
		const struct docker_service *s = &c->work.services[i];

		*which = s->name;
		if (!s->global && !s->job && !docker_service_whole(&c->work, s))
			return false;
	}
	return true;
}

/* One more word of a list, unless it is there; what does not fit is lost. */
static void add_name(char list[DOWN_MAX], const char *name)
{
	size_t n = strlen(list);

	if (!str_listed(list, name) && n + strlen(name) + 2 < DOWN_MAX)
		snprintf(list + n, DOWN_MAX - n, "%s%s", n > 0 ? " " : "", name);
}

/* Services that should have tasks and have none now. */
static void note_down(const struct docker_work *w, char names[DOWN_MAX])
{
	for (size_t i = 0; i < w->n_services; i++) {
		const struct docker_service *s = &w->services[i];
		bool runs = false;

		if (s->global || s->job || s->replicas == 0)
			continue;
		for (size_t k = 0; k < w->n_tasks; k++)
			runs |= w->tasks[k].wanted && w->tasks[k].running &&
				strcmp(w->tasks[k].service, s->id) == 0;
		if (!runs)
			add_name(names, s->name);
	}
}

static bool row_serves(const cJSON *row)
{
	return strcmp(json_str_opt(row, "state", ""), "ready") == 0 &&
	       strcmp(json_str_opt(row, "availability", ""), "active") == 0;
}

static bool is_manager(const cJSON *row)
{
	return strcmp(json_str_opt(row, "role", ""), "manager") == 0;
}

/* All managers, as the leader sees them; which gets the one that is missing. */
static bool managers_whole(const cJSON *nodes, const char **which)
{
	const cJSON *row;

	cJSON_ArrayForEach(row, nodes) {
		*which = json_str_opt(row, "hostname", "");
		if (is_manager(row) &&
		    !(row_serves(row) && json_bool_opt(row, "reachable", false)))
			return false;
	}
	return true;
}

/* The table with the services, so that both are of the same master; it is
 * asked first, for it is what finds another master when one goes. */
static int look(struct chaos *c, cJSON **nodes, struct err *e)
{
	if (way_nodes(&c->way, nodes, e) == 0 && look_work(c, e) == 0)
		return 0;
	json_free(*nodes);
	*nodes = NULL;
	return -1;
}

/* It refuses to begin on a cluster that is not whole: what would it show? */
static int check_whole(struct chaos *c, const struct instances *a, struct err *e)
{
	const char *which = "";
	cJSON *nodes = NULL;
	int rc = -1;

	if (a->n == 0)
		return err_set(e, ERR_DATA, "there are no agents");
	if (look(c, &nodes, e) < 0)
		return -1;
	for (size_t i = 0; i < a->n; i++) {
		if (!instance_is_warm(&a->list[i]) &&
		    !row_serves(way_row(nodes, a->list[i].host))) {
			err_set(e, ERR_DATA,
				"the cluster is not whole: %s is not Ready and active",
				a->list[i].host);
			goto out;
		}
	}
	if (!managers_whole(nodes, &which))
		err_set(e, ERR_DATA,
			"the cluster is not whole: %s is no manager "
			"that can be reached",
			which);
	else if (!services_whole(c, &which))
		err_set(e, ERR_DATA, "the cluster is not whole: %s lacks tasks",
			which);
	else
		rc = 0;
out:
	json_free(nodes);
	return rc;
}

/*
 * The masters as machines, behind the agents.  With one there is nobody to say
 * how the cluster is while it restarts, and nothing to learn but that.
 */
static int add_masters(struct chaos *c, struct instances *a, struct err *e)
{
	cJSON *nodes = NULL;
	const cJSON *row;
	size_t n = 0;

	if (way_nodes(&c->way, &nodes, e) < 0)
		return -1;
	cJSON_ArrayForEach(row, nodes)
		n += is_manager(row);
	if (n < 3) {
		json_free(nodes);
		return err_set(e, ERR_DATA,
			       "--masters: there %s %zu, and the swarm "
			       "cannot lose one; with MASTER_COUNT=3 it can",
			       n == 1 ? "is" : "are", n);
	}
	a->list = xrealloc(a->list, (a->n + n) * sizeof(*a->list));
	cJSON_ArrayForEach(row, nodes) {
		const char *host = json_str_opt(row, "hostname", "");

		if (is_manager(row))
			a->list[a->n++] = (struct instance){
				.id = NULL, /* no machine of the set */
				.name = xstrdup(host),
				.host = xstrdup(host),
				.power = xstrdup("running"),
				.provisioning = xstrdup(""),
			};
	}
	json_free(nodes);
	return 0;
}

/* ---- one victim ---- */

/* A machine in Azure, of the set or a master.  Caller frees. */
static char *machine_path(struct chaos *c, const struct instance *vm,
			  const char *rest)
{
	const char *group = settings_get(c->s->set, S_COMPUTE_GROUP);
	const char *version = strchr(rest, '?') != NULL ?
				      "&api-version=" API_COMPUTE :
				      "?api-version=" API_COMPUTE;

	if (vm->id == NULL)
		return azure_path(&c->s->az,
				  "/resourceGroups/%s/providers/Microsoft.Compute/"
				  "virtualMachines/%s/%s%s",
				  group, vm->name, rest, version);
	return azure_path(&c->s->az,
			  "/resourceGroups/%s/providers/Microsoft.Compute/"
			  "virtualMachineScaleSets/%s/virtualMachines/%s/%s%s",
			  group, settings_get(c->s->set, S_VMSS_NAME), vm->id,
			  rest, version);
}

/* Begin one of Azure's actions; it is watched, not waited for. */
static int begin(struct chaos *c, const struct instance *vm, const char *action,
		 struct err *e)
{
	char *path = machine_path(c, vm, action);
	struct azure_wait w = { .what = vm->name,
				.limit_ms = OPERATION_LIMIT_MS,
				.no_wait = true };
	int rc = azure_do(&c->s->az, "POST", path, NULL, &w, NULL, e);

	free(path);
	return rc;
}

static int strike(struct chaos *c, struct victim *v, struct err *e)
{
	v->unplugged = c->s->hard;
	return begin(c, v->vm,
		     c->s->hard ? "powerOff?skipShutdown=true" : "restart", e);
}

/* The plug is put back when Azure says that the machine is off. */
static int plug_in(struct chaos *c, struct victim *v, struct err *e)
{
	char *path = machine_path(c, v->vm, "instanceView");
	struct azure_reply r = { 0 };
	const cJSON *st;
	bool off = false;
	int rc = azure_call(&c->s->az, "GET", path, NULL, 0, &r, e);

	cJSON_ArrayForEach(st, json_get(r.doc, "statuses"))
		off |= str_ieqz(str_of(json_str_opt(st, "code", "")),
				"PowerState/stopped");
	azure_reply_release(&r);
	free(path);
	if (rc == 0 && off) {
		v->unplugged = false;
		rc = begin(c, v->vm, "start", e);
	}
	return rc;
}

/* As one that joined anew it stands beside its old row, until that is known to
 * be gone. */
static bool ghost_stays(const cJSON *nodes, const char *host, const char *old)
{
	const cJSON *row, *now = way_row(nodes, host);

	cJSON_ArrayForEach(row, nodes)
		if (row != now && strcmp(json_str_opt(row, "id", ""), old) == 0)
			return true;
	return false;
}

/* One look while it is away: true when it is back and everything whole. */
static bool watch(struct chaos *c, struct victim *v, const cJSON *before,
		  int64_t began)
{
	struct err ignored = ERR_INIT;
	const char *old = json_str_opt(way_row(before, v->vm->host), "id", "");
	const char *which;
	uint64_t running, wanted;
	cJSON *nodes = NULL;
	const cJSON *row;
	bool over;

	if (look(c, &nodes, &ignored) < 0)
		return false; /* a master that is busy is asked again */
	count(&c->work, &running, &wanted);
	if (running < v->fewest)
		v->fewest = running;
	note_down(&c->work, v->down);
	row = way_row(nodes, v->vm->host);
	/* drained counts, too: who shuts down gets out of service by itself */
	if (v->down_ms < 0 &&
	    (!row_serves(row) || strcmp(json_str_opt(row, "id", ""), old) != 0))
		v->down_ms = now_ms() - began;
	/* one that is back before the swarm has missed it was never down */
	if (v->ready_ms < 0 && row_serves(row) && !v->unplugged &&
	    (v->down_ms >= 0 || now_ms() - began >= UNSEEN_MS))
		v->ready_ms = now_ms() - began;
	over = v->ready_ms >= 0 && row_serves(row) &&
	       !ghost_stays(nodes, v->vm->host, old) &&
	       managers_whole(nodes, &which) && services_whole(c, &which);
	json_free(nodes);
	return over;
}

/* "down after 3 s, Ready after 40 s, 2 requests failed" */
static void say_round(struct chaos *c, const struct victim *v, unsigned failed)
{
	if (v->down_ms < 0)
		ui_say(c->s->ui,
		       "  back before the swarm missed it, %u requests failed",
		       failed);
	else
		ui_say(c->s->ui,
		       "  down after %lld s, Ready after %lld s, "
		       "%u requests failed",
		       (long long)v->down_ms / 1000,
		       (long long)v->ready_ms / 1000, failed);
}

/* What this round saw is true of the whole. */
static void note_all(struct chaos *c, const struct victim *v)
{
	struct str rest = str_of(v->down), word;

	while (str_next(&rest, ' ', &word)) {
		char *name = str_dup(word);

		if (*name != '\0')
			add_name(c->down, name);
		free(name);
	}
}

/* What took longer than it may. */
static int check_time(const struct victim *v, int64_t waited_ms, struct err *e)
{
	if (v->unplugged && waited_ms >= PLUG_MS)
		return err_set(e, ERR_TIMEOUT,
			       "%s: Azure was asked to switch it off, and it is "
			       "not after %d minutes",
			       v->vm->name, PLUG_MS / 60000);
	if (waited_ms >= WHOLE_MS)
		return err_set(e, ERR_DATA,
			       "%s: the cluster is not whole again after %d minutes",
			       v->vm->name, WHOLE_MS / 60000);
	return 0;
}

static int one_round(struct chaos *c, struct victim *v, struct err *e)
{
	unsigned failed = atomic_load(&c->failed);
	struct instances one = { .list = xmalloc(sizeof(*one.list)), .n = 1 };
	cJSON *before = NULL;
	int64_t began;
	uint64_t running;
	int rc = -1;

	one.list[0] = *v->vm;
	v->down_ms = v->ready_ms = -1;
	if (look(c, &before, e) < 0 || agents_count_tasks(&c->way, &one, e) < 0)
		goto out;
	v->had = one.list[0].tasks;
	count(&c->work, &running, &v->wanted);
	v->fewest = running;
	ui_say(c->s->ui, "%s: %s", v->vm->name,
	       c->s->hard ? "loses its power" : "is restarted");
	began = now_ms();
	if (strike(c, v, e) < 0)
		goto out;
	while (!watch(c, v, before, began)) {
		if (v->unplugged && plug_in(c, v, e) < 0)
			goto out;
		if (check_time(v, now_ms() - began, e) < 0)
			goto out;
		ui_waiting(c->s->ui, v->vm->name, now_ms() - began, now_ms());
		if (sleep_until(now_ms() + LOOK_MS, e) < 0)
			goto out;
	}
	ui_clear(c->s->ui);
	say_round(c, v, atomic_load(&c->failed) - failed);
	rc = 0;
out:
	v->failed = atomic_load(&c->failed) - failed;
	note_all(c, v);
	free(one.list);
	json_free(before);
	return rc;
}

/* ---- the whole ---- */

/* splitmix64: the same seed, the same victims. */
static uint64_t draw(struct chaos *c, uint64_t below)
{
	uint64_t z = c->random += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return (z ^ (z >> 31)) % below;
}

/* Each machine once, in an order drawn anew, before one comes again. */
static const struct instance *draw_victim(struct chaos *c)
{
	if (c->next == 0)
		for (size_t i = c->n_order; i > 1; i--) {
			size_t k = (size_t)draw(c, i);
			const struct instance *vm = c->order[i - 1];

			c->order[i - 1] = c->order[k];
			c->order[k] = vm;
		}
	c->next = (c->next + 1) % c->n_order;
	return c->order[(c->next + c->n_order - 1) % c->n_order];
}

/* Empty when it was not seen. */
static void seconds_cell(struct listing *t, int64_t ms)
{
	if (ms < 0)
		listing_cell(t, NULL);
	else
		listing_cell(t, "%.1f", (double)ms / 1000);
}

static void add_row(struct listing *t, const struct victim *v)
{
	listing_row(t);
	listing_cell(t, "%s", v->vm->name);
	seconds_cell(t, v->down_ms);
	seconds_cell(t, v->ready_ms);
	listing_cell(t, "%u", v->had);
	listing_cell(t, "%llu of %llu", (unsigned long long)v->fewest,
		     (unsigned long long)v->wanted);
	listing_cell(t, "%s", v->down);
	listing_cell(t, "%u", v->failed);
}

int cmd_chaos_monkey(struct session *s, int argc, char **argv, struct err *e)
{
	static const char *const columns[] = {
		"machine",	   "down after s",
		"ready after s",   "tasks moved",
		"fewest running",  "services down",
		"requests failed", NULL
	};
	struct chaos c = { .s = s };
	struct instances a = { 0 };
	struct listing t;
	uint64_t rounds = 0;
	int rc = -1;

	(void)argc, (void)argv;
	listing_init(&t, columns);
	c.random = random_below(1000000);
	if (s->seed != NULL && !str_num(str_of(s->seed), UINT64_MAX, &c.random)) {
		err_set(e, ERR_USAGE, "--seed \"%s\": expected a number", s->seed);
		goto out;
	}
	if (s->rounds != NULL &&
	    (!str_num(str_of(s->rounds), ROUNDS_MAX, &rounds) || rounds == 0)) {
		err_set(e, ERR_USAGE, "--rounds \"%s\": expected 1 to %d",
			s->rounds, ROUNDS_MAX);
		goto out;
	}
	if (instances_list(s, &a, e) < 0 || way_open(s, &c.way, e) < 0)
		goto out;
	if (!way_there(&c.way)) {
		*e = c.way.none;
		goto out;
	}
	if (check_whole(&c, &a, e) < 0 ||
	    (s->masters && add_masters(&c, &a, e) < 0) || find_ports(&c, e) < 0)
		goto out;
	c.order = xcalloc(a.n, sizeof(*c.order));
	for (size_t i = 0; i < a.n; i++)
		if (!instance_is_warm(&a.list[i]))
			c.order[c.n_order++] = &a.list[i];
	if (c.n_order == 0) {
		err_set(e, ERR_DATA, "no agent runs");
		goto out;
	}
	if (rounds == 0)
		rounds = c.n_order;
	ui_say(s->ui, "%llu rounds, --seed %llu", (unsigned long long)rounds,
	       (unsigned long long)c.random);
	rc = 0;
	for (uint64_t i = 0; rc == 0 && i < rounds; i++) {
		struct victim v = { .vm = draw_victim(&c) };

		rc = one_round(&c, &v, e);
		add_row(&t, &v);
	}
	atomic_store(&c.stop, true);
	if (c.asks) {
		pthread_join(c.asker, NULL);
		ui_say(s->ui, "%u of %u requests through the load balancer failed",
		       atomic_load(&c.failed), atomic_load(&c.asked));
	}
	/* what was seen is shown, also when it ended badly */
	if (listing_print(&t, s->ui, e) < 0)
		rc = -1;
	if (rc == 0 && c.down[0] != '\0')
		rc = err_set(e, ERR_DATA,
			     "had no task for a time: %s; two, on two "
			     "machines, would have gone on",
			     c.down);
out:
	free(c.order);
	docker_work_release(&c.work);
	listing_release(&t);
	instances_release(&a);
	way_close(&c.way);
	return rc;
}
