/* Spreading tasks over new nodes, by the leader's helper; see spread.h. */
#include "node/spread.h"

#include <string.h>

#include "base/clock.h"
#include "node/daemon.h"

/* FNV-1a, over the IDs of those that may take tasks. */
static uint64_t hash_of(const struct docker_node *nodes, size_t n)
{
	uint64_t h = 14695981039346656037u;

	for (size_t i = 0; i < n; i++) {
		if (nodes[i].state != DOCKER_NODE_READY ||
		    nodes[i].availability != DOCKER_ACTIVE ||
		    nodes[i].leaving || nodes[i].evict[0] != '\0')
			continue;
		for (const char *p = nodes[i].id; *p != '\0'; p++)
			h = (h ^ (uint8_t)*p) * 1099511628211u;
		h = (h ^ '\n') * 1099511628211u;
	}
	return h;
}

static const struct docker_node *told(const struct docker_node *nodes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (nodes[i].stop[0] != '\0')
			return &nodes[i];
	return NULL;
}

static const struct docker_node *node_of(const struct docker_node *nodes,
					 size_t n, const char *id)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(nodes[i].id, id) == 0)
			return &nodes[i];
	return NULL;
}

static const struct docker_task *task_of(const struct docker_work *w,
					 const char *id)
{
	for (size_t i = 0; i < w->n_tasks; i++)
		if (strcmp(w->tasks[i].id, id) == 0)
			return &w->tasks[i];
	return NULL;
}

static size_t count_on(const struct docker_work *w, const char *service,
		       const char *node)
{
	size_t n = 0;

	for (size_t i = 0; i < w->n_tasks; i++)
		n += w->tasks[i].wanted && w->tasks[i].running &&
		     strcmp(w->tasks[i].service, service) == 0 &&
		     strcmp(w->tasks[i].node, node) == 0;
	return n;
}

static bool given_up(const struct spread *s, const char *service)
{
	for (size_t i = 0; i < s->n_given_up; i++)
		if (strcmp(s->given_up[i], service) == 0)
			return true;
	return s->n_given_up == SPREAD_GIVEN_UP_MAX;
}

static void give_up(struct spread *s)
{
	if (s->service[0] != '\0' && s->n_given_up < SPREAD_GIVEN_UP_MAX)
		memcpy(s->given_up[s->n_given_up++], s->service,
		       sizeof(s->service));
}

bool spread_wants(struct spread *s, const struct docker_node *nodes, size_t n,
		  int64_t now_ms)
{
	uint64_t h = hash_of(nodes, n);

	if (h != s->nodes) {
		s->nodes = h;
		s->since_ms = now_ms;
		s->even = false;
		s->n_given_up = 0;
	}
	if (s->task[0] != '\0' || told(nodes, n) != NULL)
		return true;
	return !s->even && now_ms - s->since_ms >= SPREAD_SETTLE_MS;
}

/* A move that somebody else began is followed like one of ours. */
static void adopt(struct spread *s, const struct docker_node *node,
		  const struct docker_work *work, int64_t now_ms)
{
	const struct docker_task *t = task_of(work, node->stop);

	memcpy(s->task, node->stop, sizeof(s->task));
	memcpy(s->node, node->id, sizeof(s->node));
	s->service[0] = '\0';
	if (t != NULL)
		memcpy(s->service, t->service, sizeof(s->service));
	s->had = SIZE_MAX; /* when it began, we did not count */
	s->began_ms = now_ms;
}

/* The move under way: is it over? */
static struct spread_step follow(struct spread *s,
				 const struct docker_node *nodes, size_t n,
				 const struct docker_work *work, int64_t now_ms)
{
	const struct docker_task *t = task_of(work, s->task);
	struct spread_step step = { .what = SPREAD_CLEAR };

	step.node = node_of(nodes, n, s->node);
	step.service = docker_work_service(work, s->service);
	step.late = now_ms - s->began_ms >= SPREAD_MOVE_MS;
	if (!step.late &&
	    ((t != NULL && t->running) ||
	     (step.service != NULL && !docker_service_whole(work, step.service))))
		return (struct spread_step){ .what = SPREAD_NONE };
	/* stopped and begun again where it was: we do not see why, and doing
	 * so for ever helps nobody */
	if (step.late || count_on(work, s->service, s->node) >= s->had)
		give_up(s);
	s->task[0] = '\0';
	if (step.node == NULL || step.node->stop[0] == '\0')
		step.what = SPREAD_NONE;
	return step;
}

struct spread_step spread_next(struct spread *s,
			       const struct docker_node *nodes, size_t n,
			       const struct docker_work *work, int64_t now_ms)
{
	const struct docker_node *foreign = told(nodes, n);
	struct spread_step step = { .what = SPREAD_NONE };
	struct docker_surplus move;
	bool whole = true;

	if (s->task[0] == '\0' && foreign != NULL)
		adopt(s, foreign, work, now_ms);
	if (s->task[0] != '\0')
		return follow(s, nodes, n, work, now_ms);
	for (size_t i = 0; i < work->n_services; i++) {
		const struct docker_service *one = &work->services[i];

		whole = whole && docker_service_whole(work, one);
		if (given_up(s, one->id) ||
		    !docker_work_surplus(work, nodes, n, one, &move))
			continue;
		step = (struct spread_step){ .what = SPREAD_STOP,
					     .node = move.from,
					     .task = move.task,
					     .service = one };
		memcpy(s->task, move.task->id, sizeof(s->task));
		memcpy(s->service, one->id, sizeof(s->service));
		memcpy(s->node, move.from->id, sizeof(s->node));
		s->had = count_on(work, one->id, move.from->id);
		s->began_ms = now_ms;
		return step;
	}
	/* of one that lacks tasks nothing is moved, yet */
	s->even = whole;
	return step;
}

static int tell(struct docker *d, const struct docker_node *node,
		const char *task, struct err *e)
{
	const struct docker_node_change change = {
		.labels = { { DOCKER_LABEL_STOP, task } },
	};

	return docker_node_update(d, node->id, &change, e);
}

int spread_pass(struct spread *s, struct docker *d,
		const struct docker_node *nodes, size_t n, bool *busy,
		bool *acted, struct err *e)
{
	struct docker_work work = { 0 };
	struct spread_step step;
	int rc = -1;

	if (!spread_wants(s, nodes, n, now_ms()))
		return 0;
	if (docker_work_read(d, &work, e) < 0)
		goto out;
	step = spread_next(s, nodes, n, &work, now_ms());
	*busy = *busy || s->task[0] != '\0' || step.what != SPREAD_NONE;
	*acted = *acted || step.what != SPREAD_NONE;
	rc = 0;
	switch (step.what) {
	case SPREAD_NONE:
		break;
	case SPREAD_STOP:
		daemon_say("service %s: one task from %s to a node with fewer",
			   step.service->name, step.node->hostname);
		if ((rc = tell(d, step.node, step.task->id, e)) < 0)
			s->task[0] = '\0';
		break;
	case SPREAD_CLEAR:
		if (step.late)
			daemon_say("service %s: the move took too long and is given up",
				   step.service != NULL ? step.service->name :
							  "that is gone");
		rc = tell(d, step.node, NULL, e);
		break;
	}
out:
	docker_work_release(&work);
	return rc < 0 ? err_in(e, "spreading tasks") : 0;
}
