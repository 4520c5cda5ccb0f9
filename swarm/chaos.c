/*
 * What an unannounced failure costs: agents are restarted in random order,
 * without being taken out of service first, one at a time and the next only
 * when the swarm is whole again.  Meanwhile the services' published ports are
 * asked through the load balancer, as their users ask.
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
#define ROUNDS_MAX 1000

struct chaos {
	struct session *s;
	struct way way;
	struct docker_work work;
	char balancer[64]; /* address; "": not known */
	unsigned ports[PORTS_MAX];
	size_t n_ports;
	uint64_t random;

	pthread_t asker;
	bool asks;
	atomic_bool stop;
	atomic_uint asked, failed;
};

/* One that goes down and comes back. */
struct victim {
	const struct instance *vm;
	int64_t down_ms, ready_ms; /* after it was restarted; -1: not seen */
	unsigned had;		   /* tasks on it */
	uint64_t fewest, wanted;   /* tasks of replicated services, of all */
	unsigned failed;	   /* requests */
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
		rc = docker_each(remote_docker(&c->way.remote), "/services",
				 take_port, c, e);
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
	return docker_work_read(remote_docker(&c->way.remote), &c->work, e);
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

/* It refuses to begin on a cluster that is not whole: what would it show? */
static int check_whole(struct chaos *c, const struct instances *a, struct err *e)
{
	const char *service = "";
	cJSON *nodes = NULL;
	const cJSON *row;
	int rc = -1;

	if (a->n == 0)
		return err_set(e, ERR_DATA, "there are no agents");
	if (way_nodes(&c->way, &nodes, e) < 0 || look_work(c, e) < 0)
		goto out;
	for (size_t i = 0; i < a->n; i++) {
		row = way_row(nodes, a->list[i].host);
		if (row == NULL ||
		    strcmp(json_str_opt(row, "state", ""), "ready") != 0 ||
		    strcmp(json_str_opt(row, "availability", ""), "active") != 0) {
			err_set(e, ERR_DATA,
				"the cluster is not whole: %s is not Ready and active",
				a->list[i].host);
			goto out;
		}
	}
	if (!services_whole(c, &service)) {
		err_set(e, ERR_DATA, "the cluster is not whole: %s lacks tasks",
			service);
		goto out;
	}
	rc = 0;
out:
	json_free(nodes);
	return rc;
}

/* ---- one victim ---- */

static int strike(struct chaos *c, struct victim *v, struct err *e)
{
	bool no_wait = c->s->no_wait;
	int rc;

	c->s->no_wait = !c->s->hard;
	if (c->s->hard)
		/* the plug is pulled, and put back */
		rc = instances_act(c->s, "poweroff?skipShutdown=true", v->vm, 1,
				   0, "machine to lose its power", e);
	else
		rc = instances_act(c->s, "restart", v->vm, 1, 0,
				   "machine to restart", e);
	if (rc == 0 && c->s->hard) {
		c->s->no_wait = true;
		rc = instances_act(c->s, "start", v->vm, 1, 0,
				   "machine to start", e);
	}
	c->s->no_wait = no_wait;
	return rc;
}

/* One look while it is away: true when it is back and everything whole. */
static bool watch(struct chaos *c, struct victim *v, const cJSON *before,
		  int64_t began)
{
	struct err ignored = ERR_INIT;
	const char *old = json_str_opt(way_row(before, v->vm->host), "id", "");
	const char *which;
	uint64_t running, wanted;
	bool ready = false;
	cJSON *nodes = NULL;
	const cJSON *row;

	if (look_work(c, &ignored) < 0 ||
	    way_nodes(&c->way, &nodes, &ignored) < 0) {
		json_free(nodes);
		return false; /* a master that is busy is asked again */
	}
	count(&c->work, &running, &wanted);
	if (running < v->fewest)
		v->fewest = running;
	row = way_row(nodes, v->vm->host);
	ready = row != NULL &&
		strcmp(json_str_opt(row, "state", ""), "ready") == 0;
	if (v->down_ms < 0 &&
	    (!ready || strcmp(json_str_opt(row, "id", ""), old) != 0))
		v->down_ms = now_ms() - began;
	if (v->down_ms >= 0 && v->ready_ms < 0 && ready &&
	    strcmp(json_str_opt(row, "availability", ""), "active") == 0)
		v->ready_ms = now_ms() - began;
	json_free(nodes);
	return v->ready_ms >= 0 && services_whole(c, &which);
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
	if (way_nodes(&c->way, &before, e) < 0 ||
	    agents_count_tasks(&c->way, &one, e) < 0 || look_work(c, e) < 0)
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
		if (now_ms() - began >= WHOLE_MS) {
			err_set(e, ERR_TIMEOUT,
				"%s: the cluster is not whole again after %d minutes",
				v->vm->name, WHOLE_MS / 60000);
			goto out;
		}
		ui_waiting(c->s->ui, v->vm->name, now_ms() - began, now_ms());
		if (sleep_until(now_ms() + LOOK_MS, e) < 0)
			goto out;
	}
	ui_clear(c->s->ui);
	v->failed = atomic_load(&c->failed) - failed;
	ui_say(c->s->ui,
	       "  down after %lld s, Ready after %lld s, %u requests failed",
	       (long long)v->down_ms / 1000, (long long)v->ready_ms / 1000,
	       v->failed);
	rc = 0;
out:
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

static void add_row(struct listing *t, const struct victim *v)
{
	listing_row(t);
	listing_cell(t, "%s", v->vm->name);
	listing_cell(t, v->down_ms < 0 ? "" : "%.1f", (double)v->down_ms / 1000);
	listing_cell(t, v->ready_ms < 0 ? "" : "%.1f", (double)v->ready_ms / 1000);
	listing_cell(t, "%u", v->had);
	listing_cell(t, "%llu of %llu", (unsigned long long)v->fewest,
		     (unsigned long long)v->wanted);
	listing_cell(t, "%u", v->failed);
}

int cmd_chaos_monkey(struct session *s, int argc, char **argv, struct err *e)
{
	static const char *const columns[] = {
		"machine",     "down after s",	 "ready after s",
		"tasks moved", "fewest running", "requests failed",
		NULL
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
	if (check_whole(&c, &a, e) < 0 || find_ports(&c, e) < 0)
		goto out;
	if (rounds == 0)
		rounds = a.n;
	ui_say(s->ui, "%llu rounds, --seed %llu", (unsigned long long)rounds,
	       (unsigned long long)c.random);
	rc = 0;
	for (uint64_t i = 0; rc == 0 && i < rounds; i++) {
		struct victim v = { .vm = &a.list[draw(&c, a.n)] };

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
out:
	docker_work_release(&c.work);
	listing_release(&t);
	instances_release(&a);
	way_close(&c.way);
	return rc < 0 ? err_in(e, "chaos-monkey") : 0;
}
