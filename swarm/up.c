/*
 * From nothing to a swarm that is whole, in one command, and the wait for what
 * Azure has only begun to make.  Every step may be done twice.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "node/layout.h"
#include "swarm/agents.h"
#include "swarm/masters.h"
#include "swarm/plan.h"
#include "swarm/swarm.h"

#define HELPER_MS 120000 /* for the helper of a master that has a swarm */
#define LOOK_MS 2000

/* ---- waiting ---- */

/* The way through a helper, which comes soon after the swarm it makes. */
static int open_helper(struct session *s, struct way *w, struct err *e)
{
	int64_t began = now_ms();

	for (;;) {
		if (way_open(s, w, e) < 0)
			return -1;
		if (way_there(w))
			return 0;
		if (now_ms() - began >= HELPER_MS) {
			*e = w->none;
			return -1;
		}
		way_close(w);
		*w = (struct way){ 0 };
		ui_waiting(s->ui, "the helper on a master", now_ms() - began,
			   now_ms());
		if (sleep_until(now_ms() + LOOK_MS, e) < 0)
			return -1;
	}
}

/* Masters and agents that run, each with its address in the network. */
static int all_machines(struct session *s, const struct masters *m,
			struct instances *a, cJSON *addresses, struct err *e)
{
	if (instances_list(s, a, e) < 0 ||
	    agents_addresses(s, a, addresses, e) < 0)
		return -1;
	for (size_t i = 0; i < m->n; i++) {
		char address[48];

		if (remote_master_address(m->name[i], address, sizeof(address)))
			json_add_str(addresses, m->name[i], address);
	}
	return 0;
}

static int wait_for(struct session *s, const struct masters *m, struct err *e)
{
	cJSON *addresses = cJSON_CreateObject();
	struct instances a = { 0 };
	struct way w = { 0 };
	cJSON *nodes = NULL;
	const char **hosts = NULL;
	size_t n = 0, agents = 0;
	int rc = -1;

	if (all_machines(s, m, &a, addresses, e) < 0 ||
	    open_helper(s, &w, e) < 0 || way_nodes(&w, &nodes, e) < 0)
		goto out;
	hosts = xcalloc(m->n + a.n, sizeof(*hosts));
	for (size_t i = 0; i < m->n; i++)
		if (!masters_is_off(s, m->name[i], nodes))
			hosts[n++] = m->name[i];
	for (size_t i = 0; i < a.n; i++)
		if (!instance_is_off(&a.list[i]) && !instance_is_going(&a.list[i]))
			hosts[n + agents++] = a.list[i].host;
	way_set_addresses(&w, addresses);
	w.new_ones = true;
	addresses = NULL;
	rc = way_back(&w, hosts, n + agents, NULL, false, WAY_BACK_MS, e);
	if (rc == 0)
		ui_say(s->ui, "the swarm has %zu master%s and %zu agent%s", n,
		       n == 1 ? "" : "s", agents, agents == 1 ? "" : "s");
out:
	json_free(nodes);
	way_close(&w);
	instances_release(&a);
	json_free(addresses);
	free(hosts);
	return rc;
}

int arrive(struct session *s, struct err *e)
{
	struct masters m = { .fqdns = BUF_INIT(REMOTE_FQDNS_MAX) };
	struct remote r = { 0 };
	bool paper;
	int rc = -1;

	if (remote_on_paper(s, &paper, e) < 0)
		return -1;
	if (paper) {
		ui_say(s->ui, REMOTE_PAPER);
		return 0;
	}
	ui_say(s->ui, "waiting until the swarm has its machines");
	if (remote_open_swarm(s, &r, REMOTE_SWARM_MS, e) == 0)
		rc = masters_list(s, &m, e) < 0 ? -1 : wait_for(s, &m, e);
	remote_masters_release(&m);
	if (rc == 0)
		rc = autolock_apply(s, remote_docker(&r), e);
	remote_release(&r);
	return rc < 0 ? err_in(e, "the swarm") : 0;
}

/* ---- up ---- */

/* What is about to be made, shown and agreed to; nothing to do: *pending is
 * false. */
static int agree(struct session *s, bool *pending, struct err *e)
{
	char name[] = "plan";
	int rc = cmd_plan(s, 1, (char *[]){ name, NULL }, e);

	*pending = s->exit_status == EXIT_PENDING;
	s->exit_status = 0;
	if (rc < 0 || !*pending)
		return rc;
	return swarm_agree(s, "deploy this", e);
}

int cmd_up(struct session *s, int argc, char **argv, struct err *e)
{
	static const struct {
		const char *name;
		int (*run)(struct session *s, int argc, char **argv,
			   struct err *e);
	} before[] = {
		{ "keys", cmd_keys },
		{ "deploy-storage", cmd_deploy_storage },
		{ "params", cmd_params },
	};
	char name[32] = "deploy-compute", *words[] = { name, NULL };
	enum elf_machine kinds[2];
	bool pending, paper;

	(void)argc, (void)argv;
	if (keys_match(s, e) < 0)
		return err_in(e, "keys");
	/* a region or a size that is not there is known before anything is made */
	if (sizes_choose(s, kinds, e) < 0)
		return err_in(e, "params");
	for (size_t i = 0; i < sizeof(before) / sizeof(*before); i++) {
		snprintf(name, sizeof(name), "%s", before[i].name);
		ui_say(s->ui, "== %s", name);
		if (before[i].run(s, 1, words, e) < 0)
			return err_in(e, "%s", before[i].name);
	}
	snprintf(name, sizeof(name), "deploy-compute");
	ui_say(s->ui, "== plan");
	if (agree(s, &pending, e) < 0)
		return err_in(e, "plan");
	ui_say(s->ui, "== deploy-compute");
	if (!pending)
		ui_say(s->ui, "nothing to deploy");
	if ((pending ? cmd_deploy_compute(s, 1, words, e) : arrive(s, e)) < 0)
		return err_in(e, "deploy-compute");
	/* deploy-compute has shown them */
	if ((!pending && cmd_list_endpoints(s, 1, words, e) < 0) ||
	    remote_on_paper(s, &paper, e) < 0)
		return -1;
	ui_say(s->ui, "next: %s",
	       paper ? "'azswarm list-agents', 'azswarm scale-agents 4'; 'azswarm "
		       "down' removes all of it" :
		       "'azswarm deploy-replicated-service' for a service to "
		       "try, 'azswarm ssh' for a shell on a master");
	return 0;
}
