/*
 * Agents as machines: taken out of service and back, made anew, restarted.
 * One path for all of it (swarm/way.h), so that whoever uses a service does
 * not notice.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "docker/work.h"
#include "swarm/agents.h"
#include "swarm/swarm.h"

#define PROGRESS_FILE "parameters/reimage.json"
#define PROGRESS_AGE_S (24 * 3600) /* what is older is another time's */

/* ---- what is shared ---- */

const char **agents_hosts(const struct instance *vm, size_t n)
{
	const char **hosts = xcalloc(n + 1, sizeof(*hosts));

	for (size_t i = 0; i < n; i++)
		hosts[i] = vm[i].host;
	return hosts;
}

#define NAMED_MAX 25 /* a quarter of what one placement group has */

/* For people: of very many only the first. */
static char *names_of(const struct instance *vm, size_t n)
{
	struct buf names = BUF_INIT(64u << 10);
	size_t named = n > NAMED_MAX ? NAMED_MAX - 5 : n;

	for (size_t i = 0; i < named; i++)
		buf_addf(&names, "%s%s", i > 0 ? ", " : "", vm[i].name);
	if (named < n)
		buf_addf(&names, " and %zu more", n - named);
	return buf_detach(&names);
}

int agents_count_tasks(struct way *w, struct instances *a, struct err *e)
{
	struct docker_work work = { 0 };
	cJSON *nodes = NULL;
	int rc = -1;

	if (docker_work_read(way_docker(w), &work, e) < 0 ||
	    way_nodes(w, &nodes, e) < 0)
		goto out;
	for (size_t i = 0; i < a->n; i++) {
		const cJSON *row = way_row(nodes, a->list[i].host);
		const char *id = json_str_opt(row, "id", "?");

		a->list[i].leaving = *json_str_opt(row, "stage", "") != '\0';
		a->list[i].tasks = 0;
		for (size_t k = 0; k < work.n_tasks; k++)
			a->list[i].tasks += !work.tasks[k].ended &&
					    strcmp(work.tasks[k].node, id) == 0;
	}
	rc = 0;
out:
	docker_work_release(&work);
	json_free(nodes);
	return rc;
}

/* Those of n that run, in the same order. */
static const char **running_hosts(const struct instance *vm, size_t n,
				  size_t *running)
{
	const char **hosts = xcalloc(n + 1, sizeof(*hosts));

	*running = 0;
	for (size_t i = 0; i < n; i++)
		if (!instance_is_off(&vm[i]))
			hosts[(*running)++] = vm[i].host;
	return hosts;
}

/* Out, where the swarm can be asked. */
static int take_out(struct way *w, const struct instance *vm, size_t n,
		    struct err *e)
{
	size_t running;
	const char **hosts = running_hosts(vm, n, &running);
	int rc = 0;

	if (way_there(w) && running > 0 &&
	    (way_begin(w, hosts, running, e) < 0 ||
	     way_out(w, hosts, running, e) < 0))
		rc = -1;
	free(hosts);
	return rc;
}

/* One part: out, then the action. */
static int take_part(struct session *s, struct way *w, const struct instance *vm,
		     size_t n, const char *action, unsigned flags, bool no_wait,
		     const char *what, struct err *e)
{
	char *names = names_of(vm, n), *full = xasprintf("%s %s", names, what);
	char *down;
	bool deletes = strcmp(action, "delete") == 0, any_on = false;
	int rc;

	for (size_t i = 0; i < n; i++)
		any_on |= !instance_is_off(&vm[i]);
	if (any_on)
		ui_say(s->ui, "%s: %s", names,
		       way_there(w) ?
			       "out of service first" :
			       "draining, leaving the swarm, shutting down");
	rc = take_out(w, vm, n, e);
	/* its agent drains and leaves when the machine is shut down; a deletion
	 * alone leaves it less time */
	if (rc == 0 && deletes && any_on && !way_there(w)) {
		down = xasprintf("%s to drain, leave and shut down", names);
		s->no_wait = false;
		rc = instances_act(s, "poweroff?skipShutdown=false", vm, n, 0,
				   down, e);
		free(down);
	}
	s->no_wait = no_wait;
	if (rc == 0)
		rc = instances_act(s, action, vm, n, flags, full, e);
	if (rc == 0 && deletes)
		ui_say(s->ui, "%s: %s", names,
		       no_wait ? "being deleted" : "deleted");
	free(full);
	free(names);
	return rc;
}

int agents_take(struct session *s, struct way *w, const struct instance *vm,
		size_t n, size_t all, const char *action, unsigned flags,
		const char *what, struct err *e)
{
	/* a part at a time, so that there is always somewhere for the tasks to go */
	size_t part = all / 4 > 1 ? all / 4 : 1, now;
	bool no_wait = s->no_wait;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < n; i += now) {
		now = part < n - i ? part : n - i;
		rc = take_part(s, w, &vm[i], now, action, flags,
			       no_wait && i + now == n, what, e);
	}
	s->no_wait = no_wait;
	return rc;
}

/* ---- evict, return ---- */

/* A way for hand work: here on a master, else through Azure and SSH. */
static int open_by_hand(struct session *s, struct way *w, struct err *e)
{
	if (way_open(s, w, e) < 0)
		return -1;
	if (way_there(w))
		return 0;
	*e = w->none;
	return -1;
}

/* What is no node is a mistake before anything begins. */
static int check_nodes(struct way *w, int argc, char **argv, struct err *e)
{
	cJSON *nodes = NULL;
	int rc = way_nodes(w, &nodes, e);

	for (int i = 1; rc == 0 && i < argc; i++) {
		const cJSON *row;
		bool there = way_row(nodes, argv[i]) != NULL;

		cJSON_ArrayForEach(row, nodes)
			there |= strcmp(json_str_opt(row, "id", ""), argv[i]) == 0;
		if (!there)
			rc = err_set(e, ERR_USAGE,
				     "there is no node \"%s\"; "
				     "'azswarm list-agents' has their host names",
				     argv[i]);
	}
	json_free(nodes);
	return rc;
}

int cmd_evict(struct session *s, int argc, char **argv, struct err *e)
{
	const char *const *hosts = (const char *const *)argv + 1;
	struct way w;
	int rc = open_by_hand(s, &w, e);

	if (rc == 0)
		rc = check_nodes(&w, argc, argv, e);
	if (rc == 0)
		rc = way_begin(&w, hosts, (size_t)argc - 1, e);
	if (rc == 0 && !s->no_wait)
		rc = way_out(&w, hosts, (size_t)argc - 1, e);
	if (rc == 0)
		ui_say(s->ui,
		       "%s; 'azswarm return' brings back, as does its "
		       "time when nobody takes it away",
		       s->no_wait ? "on the way out" : "out of service");
	way_close(&w);
	return rc;
}

int cmd_return(struct session *s, int argc, char **argv, struct err *e)
{
	struct way w;
	int rc = open_by_hand(s, &w, e);

	if (rc == 0)
		rc = check_nodes(&w, argc, argv, e);
	for (int i = 1; rc == 0 && i < argc; i++)
		rc = way_return(&w, argv[i], e);
	if (rc == 0 && !s->no_wait)
		rc = way_back(&w, (const char *const *)argv + 1,
			      (size_t)argc - 1, NULL, false, WAY_BACK_MS, e);
	way_close(&w);
	return rc;
}

/* ---- reimage, restart: one after the other, or all at once ---- */

struct round {
	struct session *s;
	struct way way;
	const char *verb; /* "reimage": Azure's action, and ours */
	bool fresh;	  /* made anew, not only started again */
	char *machines;	  /* those that were named, "" for all */
	int64_t began_s;  /* Unix time */
	cJSON *done;	  /* names of those that were done before */
};

static char *join_words(int argc, char **argv)
{
	struct buf words = BUF_INIT(64u << 10);

	for (int i = 1; i < argc; i++)
		buf_addf(&words, "%s%s", i > 1 ? " " : "", argv[i]);
	return buf_detach(&words);
}

/* What was done of the same command, which was interrupted, for the same
 * machines and not long ago. */
static void read_progress(struct round *r)
{
	cJSON *doc = swarm_begun(r->s, PROGRESS_FILE);

	if (json_is(doc, "verb", r->verb) &&
	    json_is(doc, "set", settings_get(r->s->set, S_VMSS_NAME)) &&
	    json_is(doc, "machines", r->machines) &&
	    json_int_opt(doc, "began_s", 0) > r->began_s - PROGRESS_AGE_S) {
		r->began_s = json_int_opt(doc, "began_s", 0);
		r->done = cJSON_DetachItemFromObjectCaseSensitive(doc, "done");
	}
	if (!cJSON_IsArray(r->done)) {
		json_free(r->done);
		r->done = cJSON_CreateArray();
	}
	json_free(doc);
}

static bool was_done(const struct round *r, const struct instance *vm)
{
	const cJSON *one;

	cJSON_ArrayForEach(one, r->done)
		if (strcmp(json_str_opt(one, "", ""), vm->name) == 0)
			return true;
	return false;
}

static int write_progress(struct round *r, const struct instance *vm, size_t n,
			  struct err *e)
{
	cJSON *doc = cJSON_CreateObject();
	int rc;

	for (size_t i = 0; i < n; i++)
		json_add_str(r->done, NULL, vm[i].name);
	json_add_str(doc, "verb", r->verb);
	json_add_str(doc, "set", settings_get(r->s->set, S_VMSS_NAME));
	json_add_str(doc, "machines", r->machines);
	json_add_int(doc, "began_s", r->began_s);
	json_set(doc, "done", cJSON_Duplicate(r->done, true));
	rc = swarm_begin(r->s, PROGRESS_FILE, doc, e);
	json_free(doc);
	return rc;
}

/* A machine gets the set's present model first: without that it is made again
 * as it once was, with an address, a key and a program of then. */
static int act(struct round *r, const struct instance *vm, size_t n,
	       bool no_wait, struct err *e)
{
	char *names = names_of(vm, n);
	char *what = xasprintf("%s: %s", names, r->verb);
	bool asked = r->s->no_wait;
	int rc = 0;

	r->s->no_wait = false;
	if (r->fresh) {
		char *model = xasprintf("%s: the set's present model", names);

		rc = instances_act(r->s, "manualupgrade", vm, n, 0, model, e);
		free(model);
	}
	r->s->no_wait = no_wait;
	if (rc == 0)
		rc = instances_act(r->s, r->verb, vm, n, 0, what, e);
	r->s->no_wait = asked;
	free(what);
	free(names);
	return rc;
}

/* These together: out, act, back; no_wait: until Azure has accepted it. */
static int go_round(struct round *r, const struct instance *vm, size_t n,
		    bool out, bool no_wait, struct err *e)
{
	const char **hosts = agents_hosts(vm, n);
	char *names = names_of(vm, n);
	cJSON *before = NULL;
	int rc = -1;

	ui_say(r->s->ui, "%s: %s", names, r->verb);
	if (way_there(&r->way) && way_nodes(&r->way, &before, e) < 0)
		goto out;
	if ((out && take_out(&r->way, vm, n, e) < 0) ||
	    act(r, vm, n, no_wait, e) < 0)
		goto out;
	/* they leave the swarm when they go down, and join as others */
	if (!no_wait && way_there(&r->way) &&
	    way_back(&r->way, hosts, n, before, true, WAY_BACK_MS, e) < 0)
		goto out;
	rc = write_progress(r, vm, n, e);
out:
	json_free(before);
	free(hosts);
	free(names);
	return rc;
}

/* Which services have tasks on these machines, a line each. */
static int say_what_is_down(struct round *r, const struct instance *vm,
			    size_t n, struct err *e)
{
	struct docker_work work = { 0 };
	cJSON *nodes = NULL;
	int rc = -1;

	if (docker_work_read(way_docker(&r->way), &work, e) < 0 ||
	    way_nodes(&r->way, &nodes, e) < 0)
		goto out;
	for (size_t i = 0; i < work.n_services; i++) {
		unsigned here = 0, all = 0;

		for (size_t k = 0; k < work.n_tasks; k++) {
			const struct docker_task *t = &work.tasks[k];

			if (!t->running ||
			    strcmp(t->service, work.services[i].id) != 0)
				continue;
			all++;
			for (size_t m = 0; m < n; m++)
				here += strcmp(t->node,
					       json_str_opt(way_row(nodes,
								    vm[m].host),
							    "id", "?")) == 0;
		}
		if (here > 0)
			ui_say(r->s->ui, "  %s: %u of its %u task%s",
			       work.services[i].name, here, all,
			       all == 1 ? "" : "s");
	}
	rc = 0;
out:
	docker_work_release(&work);
	json_free(nodes);
	return rc;
}

/* All at once: what that means is said, and asked. */
static int agree_to_all(struct round *r, const struct instance *vm, size_t n,
			struct err *e)
{
	char *what = xasprintf("make %zu agent%s anew at once, and what runs there "
			       "is down until they are back",
			       n, n == 1 ? "" : "s");
	int rc = 0;

	ui_say(r->s->ui, "down at the same time: %zu agent%s", n,
	       n == 1 ? "" : "s");
	if (way_there(&r->way))
		rc = say_what_is_down(r, vm, n, e);
	if (rc == 0)
		rc = swarm_agree(r->s, what, e);
	free(what);
	return rc;
}

/* Those that run and were not done before come first; how many. */
static size_t still_to_do(const struct round *r, struct instances *a)
{
	size_t left = 0;

	for (size_t i = 0; i < a->n; i++) {
		struct instance vm = a->list[i];

		if (was_done(r, &vm) || instance_is_off(&vm)) {
			ui_say(r->s->ui, "%s: %s", vm.name,
			       instance_is_off(&vm) ?
				       "is off, and passed over" :
				       "done before (" PROGRESS_FILE ")");
			continue;
		}
		a->list[i] = a->list[left];
		a->list[left++] = vm;
	}
	return left;
}

/* at_once 0: all, and without taking them out of service. */
static int all_rounds(struct session *s, const char *verb, size_t at_once,
		      int argc, char **argv, struct err *e)
{
	struct round r = { .s = s,
			   .verb = verb,
			   .fresh = strcmp(verb, "reimage") == 0,
			   .machines = join_words(argc, argv),
			   .began_s = unix_time() };
	struct instances a = { 0 };
	size_t left = 0, now;
	int rc = -1;

	if ((r.fresh && params_fetchable(s, e) < 0) ||
	    instances_list(s, &a, e) < 0 ||
	    instances_choose(&a, argc, argv, e) < 0)
		goto out;
	instances_drop_going(&a);
	read_progress(&r);
	left = still_to_do(&r, &a);
	rc = way_open(s, &r.way, e);
	if (rc == 0)
		way_warn(&r.way, "machines are not drained first, and whether "
				 "they are back in service is not known");
	if (rc == 0)
		rc = agents_places(&r.way, a.list, left, e);
	if (rc == 0 && at_once == 0 && left > 0)
		rc = agree_to_all(&r, a.list, left, e);
	for (size_t i = 0; rc == 0 && i < left; i += now) {
		now = at_once == 0 || at_once > left - i ? left - i : at_once;
		/* the next one only when this one is back */
		rc = go_round(&r, &a.list[i], now, at_once != 0,
			      s->no_wait && i + now == left, e);
		if (rc < 0 && i > 0)
			ui_say(s->ui,
			       "%zu of %zu done; the same command again goes "
			       "on with the others",
			       i, left);
	}
	if (rc == 0) {
		remove(PROGRESS_FILE);
		ui_say(s->ui, "%zu agent%s: %s %s", left, left == 1 ? "" : "s",
		       verb,
		       s->no_wait ? "accepted, the last goes on in Azure; "
				    "'azswarm list-agents' shows how far" :
				    "done");
		if (!s->no_wait)
			rc = rebalance_at_end(s, &r.way, NULL, 0, e);
	}
out:
	way_close(&r.way);
	json_free(r.done);
	free(r.machines);
	instances_release(&a);
	return rc;
}

/* --at-a-time N; as usual unless given. */
static int at_a_time(struct session *s, size_t usual, size_t *n, struct err *e)
{
	uint64_t v = usual;

	if (s->at_a_time != NULL &&
	    (!str_num(str_of(s->at_a_time), INSTANCES_MAX, &v) || v == 0))
		return err_set(e, ERR_USAGE,
			       "--at-a-time \"%s\": expected 1 or more",
			       s->at_a_time);
	*n = (size_t)v;
	return 0;
}

int cmd_reimage_agents_serial(struct session *s, int argc, char **argv,
			      struct err *e)
{
	size_t n;

	return at_a_time(s, 1, &n, e) < 0 ?
		       -1 :
		       all_rounds(s, "reimage", n, argc, argv, e);
}

int cmd_restart_agents(struct session *s, int argc, char **argv, struct err *e)
{
	size_t n;

	return at_a_time(s, 1, &n, e) < 0 ?
		       -1 :
		       all_rounds(s, "restart", n, argc, argv, e);
}

int cmd_reimage_agents_parallel(struct session *s, int argc, char **argv,
				struct err *e)
{
	size_t n;

	return at_a_time(s, 0, &n, e) < 0 ?
		       -1 :
		       all_rounds(s, "reimage", n, argc, argv, e);
}
