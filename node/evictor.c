/* Taking nodes out of service, done; see evictor.h. */
#include "node/evictor.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "node/daemon.h"
#include "http/plain.h"

#define PROBE_MS 2000
/* all probes of a pass; who was not asked has his turn in the next */
#define PROBES_MS 10000

void evictor_init(struct evictor *v, unsigned health_port)
{
	*v = (struct evictor){ .health_port = health_port };
	pthread_mutex_init(&v->lock, NULL);
}

void evictor_release(struct evictor *v)
{
	free(v->rows);
	pthread_mutex_destroy(&v->lock);
}

/* ---- what is remembered ---- */

static struct evictor_row *row_find(struct evictor *v, const char *id)
{
	for (size_t i = 0; i < v->n; i++)
		if (strcmp(v->rows[i].id, id) == 0)
			return &v->rows[i];
	return NULL;
}

static struct evictor_row *row_make(struct evictor *v, const char *id)
{
	struct evictor_row *r = row_find(v, id);

	if (r == NULL) {
		v->rows = xrealloc(v->rows, (v->n + 1) * sizeof(*v->rows));
		r = &v->rows[v->n++];
		*r = (struct evictor_row){ 0 };
		memcpy(r->id, id, strlen(id) + 1);
	}
	r->seen = true;
	return r;
}

static void forget_unseen(struct evictor *v)
{
	size_t kept = 0;

	for (size_t i = 0; i < v->n; i++) {
		if (!v->rows[i].seen)
			continue;
		v->rows[kept] = v->rows[i];
		v->rows[kept++].seen = false;
	}
	v->n = kept;
}

void evictor_forget(struct evictor *v)
{
	pthread_mutex_lock(&v->lock);
	v->n = 0;
	pthread_mutex_unlock(&v->lock);
}

bool evictor_load(struct evictor *v, const char *id, struct evict_load *load)
{
	struct evictor_row *r;
	bool looked;

	pthread_mutex_lock(&v->lock);
	r = row_find(v, id);
	looked = r != NULL && r->looked;
	if (looked)
		*load = r->load;
	pthread_mutex_unlock(&v->lock);
	return looked;
}

/* ---- writing ---- */

int evictor_set(struct docker *d, const struct docker_node *node,
		const struct evict *ev, const char *availability, struct err *e)
{
	struct buf text = BUF_INIT(EVICT_TEXT_MAX);
	struct docker_node_change change = { .availability = availability };
	int rc;

	evict_write(ev, &text);
	change.labels[0].name = DOCKER_LABEL_EVICT;
	change.labels[0].value = text.str;
	if (ev->stage > EVICT_ASKED) {
		/* begun twice, the first answer to what it was before stays */
		change.labels[1].name = DOCKER_LABEL_LEAVING;
		change.labels[1].value = docker_availability_name(
			node->leaving ? node->before : node->availability);
	}
	rc = docker_node_update(d, node->id, &change, e);
	buf_release(&text);
	return rc < 0 ? err_in(e, "node %s (%s)", node->hostname, node->id) : 0;
}

int evictor_return(struct docker *d, const struct docker_node *node, struct err *e)
{
	struct docker_node_change change = {
		.labels = { { DOCKER_LABEL_EVICT, NULL },
			    { DOCKER_LABEL_LEAVING, NULL } },
	};

	if (node->leaving)
		change.availability = docker_availability_name(node->before);
	if (docker_node_update(d, node->id, &change, e) < 0)
		return err_in(e, "returning node %s (%s)", node->hostname,
			      node->id);
	return 0;
}

/* ---- one pass ---- */

/* Does the load balancer's own question get something else than 200? */
static bool probe_fails(const struct evictor *v, const struct docker_node *node)
{
	struct err ignored = ERR_INIT;
	unsigned status = 0;

	return node->addr[0] == '\0' ||
	       plain_exchange("GET", node->addr, v->health_port, "/healthz",
			      NULL, STR_NULL, now_ms() + PROBE_MS, &status,
			      NULL, &ignored) < 0 ||
	       status != 200;
}

static void look_quiet(struct evictor *v, const struct docker_node *node,
		       const struct evict *ev, struct evictor_row *row,
		       int64_t now_s)
{
	/* of another time that this node was to go */
	if (row->quiet_s < ev->since_s)
		row->quiet_s = 0;
	/* who asks for itself was unhealthy before it asked */
	if (ev->by != EVICT_BY_OPERATOR)
		row->quiet_s = ev->since_s;
	else if (!probe_fails(v, node))
		row->quiet_s = 0;
	else if (row->quiet_s == 0)
		row->quiet_s = now_s;
}

static int go_on(struct evictor *v, struct docker *d,
		 const struct docker_work *work, const struct docker_node *nodes,
		 size_t n, size_t i, const struct evict *ev,
		 int64_t probe_until_ms, bool *acted, struct err *e)
{
	const struct docker_node *node = &nodes[i];
	int64_t now_s = unix_time();
	struct evict_facts facts = { .ready = node->state == DOCKER_NODE_READY,
				     .probe_s = v->probe_s };
	struct evictor_row row, *kept;
	struct evict next;

	pthread_mutex_lock(&v->lock);
	row = *row_make(v, node->id);
	pthread_mutex_unlock(&v->lock);
	if (ev->stage == EVICT_QUIET) {
		if (now_ms() >= probe_until_ms)
			return 0;
		v->first = i + 1;
		look_quiet(v, node, ev, &row, now_s);
	}
	evict_load(work, nodes, n, node, &row.load, NULL);
	row.looked = true;
	pthread_mutex_lock(&v->lock);
	if ((kept = row_find(v, node->id)) != NULL)
		*kept = row;
	pthread_mutex_unlock(&v->lock);

	facts.quiet_s = row.quiet_s;
	facts.here = row.load.here;
	facts.missing = row.load.missing;
	facts.grace_s = row.load.grace_s;
	switch (evict_next(ev, &facts, now_s, &next)) {
	case EVICT_STAY:
		return 0;
	case EVICT_RETURN:
		*acted = true;
		daemon_say("node %s (%s) was to go and is still here: back into service",
			   node->hostname, node->id);
		return evictor_return(d, node, e);
	case EVICT_MOVE:
		break;
	}
	*acted = true;
	daemon_say("node %s (%s): %s%s", node->hostname, node->id,
		   next.stage == EVICT_DRAIN ?
			   "the load balancer has let go, draining" :
			   "out of service",
		   !next.cut ?
			   "" :
		   next.stage == EVICT_DRAIN ?
			   "; its agent did not answer" :
			   ", although its time was up before all ran elsewhere");
	return evictor_set(d, node, &next,
			   next.stage == EVICT_DRAIN ? "drain" : NULL, e);
}

/* Whose turn it is, one a pass. */
/* Does a service run on that node and on none that stays? */
static bool is_last(const struct docker_work *work,
		    const struct docker_node *nodes, size_t n,
		    const struct evict *ev, const struct docker_node *node)
{
	for (size_t s = 0; s < work->n_services; s++) {
		const struct docker_service *service = &work->services[s];
		bool here = false, elsewhere = false;

		if (service->global || service->job || service->replicas < 2)
			continue;
		for (size_t t = 0; t < work->n_tasks; t++) {
			const struct docker_task *task = &work->tasks[t];

			if (!task->running || !task->wanted ||
			    strcmp(task->service, service->id) != 0)
				continue;
			here |= strcmp(task->node, node->id) == 0;
			for (size_t i = 0; i < n && !elsewhere; i++)
				elsewhere = &nodes[i] != node &&
					    ev[i].stage <= EVICT_ASKED &&
					    strcmp(task->node, nodes[i].id) == 0;
		}
		if (here && !elsewhere)
			return true;
	}
	return false;
}

static int grant(struct docker *d, const struct docker_work *work,
		 const struct docker_node *nodes, size_t n,
		 const struct evict *ev, bool *acted, struct err *e)
{
	struct evict_turn *turns = xcalloc(n, sizeof(*turns));
	struct evict begun;
	size_t i;
	int rc = 0;

	for (i = 0; i < n; i++)
		turns[i] = (struct evict_turn){
			.manager = nodes[i].raft,
			.reachable = nodes[i].reachable,
			.last = ev[i].stage == EVICT_ASKED &&
				is_last(work, nodes, n, ev, &nodes[i]),
			.serving = nodes[i].state == DOCKER_NODE_READY &&
				   nodes[i].availability == DOCKER_ACTIVE &&
				   ev[i].stage <= EVICT_ASKED,
			.evict = ev[i],
		};
	i = evict_grant(turns, n);
	free(turns);
	if (i < n) {
		begun = evict_granted(&ev[i], unix_time());
		*acted = true;
		daemon_say("node %s (%s) goes, for the %s: unhealthy first",
			   nodes[i].hostname, nodes[i].id,
			   evict_by_name(begun.by));
		rc = evictor_set(d, &nodes[i], &begun, NULL, e);
	}
	return rc;
}

int evictor_pass(struct evictor *v, struct docker *d,
		 const struct docker_node *nodes, size_t n, bool *busy,
		 bool *acted, struct err *e)
{
	struct evict *ev = xcalloc(n, sizeof(*ev));
	struct docker_work work = { 0 };
	int64_t probe_until_ms = now_ms() + PROBES_MS;
	size_t first = v->first;
	bool any = false;
	int rc = 0;

	for (size_t i = 0; i < n; i++)
		any |= evict_read(str_of(nodes[i].evict), &ev[i]);
	if (any) {
		*busy = true;
		rc = docker_work_read(d, &work, e);
	}
	for (size_t k = 0; any && rc == 0 && k < n; k++) {
		size_t i = (first + k) % n;
		struct err one = ERR_INIT;

		if (ev[i].stage == EVICT_NONE ||
		    go_on(v, d, &work, nodes, n, i, &ev[i], probe_until_ms,
			  acted, &one) == 0)
			continue;
		if (e->kind == ERR_NONE)
			*e = one;
	}
	if (any && rc == 0)
		rc = grant(d, &work, nodes, n, ev, acted, e);
	if (rc == 0) {
		pthread_mutex_lock(&v->lock);
		forget_unseen(v);
		pthread_mutex_unlock(&v->lock);
	}
	docker_work_release(&work);
	free(ev);
	return rc < 0 || e->kind != ERR_NONE ? -1 : 0;
}
