/*
 * Spreading the tasks of services over the nodes again: one surplus task at a
 * time is stopped where there are most, and Swarm begins it where there are
 * fewest; the next only when the service has its number again.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "docker/work.h"
#include "swarm/agents.h"
#include "swarm/plan.h"
#include "swarm/swarm.h"

#define WHOLE_MS (5 * 60000) /* for a task to be stopped and to run elsewhere */
#define LOOK_MS 500
#define MOVES_MAX 1000

struct balance {
	struct session *s;
	struct way *way;
	const char *service; /* NULL: all */
	struct docker_work work;
	struct docker_node *nodes;
	size_t n_nodes;
};

static void forget(struct balance *b)
{
	docker_work_release(&b->work);
	free(b->nodes);
	b->nodes = NULL;
	b->n_nodes = 0;
}

static int look(struct balance *b, struct err *e)
{
	struct docker *d = way_docker(b->way);

	forget(b);
	return docker_work_read(d, &b->work, e) < 0 ?
		       -1 :
		       docker_nodes(d, &b->nodes, &b->n_nodes, e);
}

/* A service with a task too many; NULL: none. */
static const struct docker_service *next(struct balance *b,
					 struct docker_surplus *move)
{
	for (size_t i = 0; i < b->work.n_services; i++) {
		const struct docker_service *s = &b->work.services[i];

		if (b->service != NULL && strcmp(s->name, b->service) != 0)
			continue;
		if (docker_work_surplus(&b->work, b->nodes, b->n_nodes, s, move))
			return s;
	}
	return NULL;
}

static bool task_runs(const struct docker_work *w, const char *id)
{
	for (size_t i = 0; i < w->n_tasks; i++)
		if (strcmp(w->tasks[i].id, id) == 0)
			return w->tasks[i].running;
	return false;
}

/* Until that task has ended and its service has its number again. */
static int wait_whole(struct balance *b, const char *service, const char *task,
		      struct err *e)
{
	int64_t began = now_ms();
	const struct docker_service *s;

	for (;;) {
		if (look(b, e) < 0)
			return -1;
		s = docker_work_service(&b->work, service);
		if (s == NULL || (!task_runs(&b->work, task) &&
				  docker_service_whole(&b->work, s)))
			return 0;
		if (now_ms() - began >= WHOLE_MS)
			return err_set(e, ERR_TIMEOUT,
				       "%s does not get its number back; "
				       "nothing more is moved",
				       s->name);
		ui_waiting(b->s->ui, s->name, now_ms() - began, now_ms());
		if (sleep_until(now_ms() + LOOK_MS, e) < 0)
			return -1;
	}
}

static int move_one(struct balance *b, const struct docker_service *s,
		    const struct docker_surplus *move, struct err *e)
{
	char service[32], task[32], node[32];
	struct err ignored = ERR_INIT;
	int rc;

	memcpy(service, s->id, sizeof(service));
	memcpy(task, move->task->id, sizeof(task));
	memcpy(node, move->from->id, sizeof(node));
	ui_say(b->s->ui, "%s: one task from %s to a node with fewer", s->name,
	       move->from->hostname);
	rc = way_stop_task(b->way, node, task, e);
	if (rc == 0)
		rc = wait_whole(b, service, task, e);
	/* also when we are interrupted: nobody is to stop it later */
	way_stop_task(b->way, node, NULL, rc < 0 ? &ignored : e);
	return rc < 0 || e->kind != ERR_NONE ? -1 : 0;
}

/* What would be moved, on a copy of what is. */
static void show_moves(struct balance *b, struct listing *t)
{
	const struct docker_service *s;
	struct docker_surplus move;

	for (unsigned i = 0; i < MOVES_MAX && (s = next(b, &move)) != NULL; i++) {
		struct docker_task *task =
			&b->work.tasks[move.task - b->work.tasks];

		listing_row(t);
		listing_cell(t, "%s", s->name);
		listing_cell(t, "%s", move.from->hostname);
		listing_cell(t, "%s", move.to->hostname);
		memcpy(task->node, move.to->id, sizeof(task->node));
	}
}

/* Move until there is nothing to move. */
static int move_all(struct balance *b, struct err *e)
{
	const struct docker_service *one;
	struct docker_surplus move;
	unsigned moved = 0;

	if (look(b, e) < 0)
		return -1;
	while (moved < MOVES_MAX && (one = next(b, &move)) != NULL) {
		if (move_one(b, one, &move, e) < 0)
			return -1;
		moved++;
	}
	ui_say(b->s->ui, "%u task%s moved", moved, moved == 1 ? "" : "s");
	return 0;
}

/* Nodes that will be there soon, as if they were. */
static void expect_nodes(struct balance *b, const char *const *coming, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct docker_node node = { .state = DOCKER_NODE_READY,
					    .availability = DOCKER_ACTIVE };
		bool there = false;

		for (size_t k = 0; k < b->n_nodes; k++)
			there |= b->nodes[k].state == DOCKER_NODE_READY &&
				 strcmp(b->nodes[k].hostname, coming[i]) == 0;
		if (there || strlen(coming[i]) >= sizeof(node.hostname))
			continue;
		memcpy(node.hostname, coming[i], strlen(coming[i]) + 1);
		b->nodes = xrealloc(b->nodes, (b->n_nodes + 1) * sizeof(node));
		b->nodes[b->n_nodes++] = node;
	}
}

static int fewer_first(const void *pa, const void *pb)
{
	const unsigned *a = pa, *b = pb;

	return (*a < *b) - (*a > *b);
}

/* "3/3/2/0/0" */
static void write_spread(const struct balance *b,
			 const struct docker_service *s, struct buf *out)
{
	unsigned *n = xcalloc(b->n_nodes + 1, sizeof(*n));
	size_t nodes = 0;

	for (size_t i = 0; i < b->n_nodes; i++) {
		if (!docker_service_may_run(s, &b->nodes[i]))
			continue;
		for (size_t k = 0; k < b->work.n_tasks; k++) {
			const struct docker_task *t = &b->work.tasks[k];

			n[nodes] += t->wanted && t->running &&
				    strcmp(t->service, s->id) == 0 &&
				    strcmp(t->node, b->nodes[i].id) == 0;
		}
		nodes++;
	}
	qsort(n, nodes, sizeof(*n), fewer_first);
	for (size_t i = 0; i < nodes; i++)
		buf_addf(out, "%s%u", i > 0 ? "/" : "", n[i]);
	free(n);
}

int rebalance_at_end(struct session *s, struct way *w,
		     const char *const *coming, size_t n, struct err *e)
{
	struct balance b = { .s = s, .way = w };
	struct buf spread = BUF_INIT(8192);
	const struct docker_service *one;
	struct docker_surplus move;
	struct err unseen = ERR_INIT;
	int rc = 0;

	if (!way_there(w))
		return 0;
	if (strcmp(settings_get(s->set, S_REBALANCE), "auto") == 0) {
		rc = move_all(&b, e);
	} else if (look(&b, &unseen) == 0) {
		/* a hint is a courtesy: without an answer there is none */
		expect_nodes(&b, coming, n);
		one = next(&b, &move);
		if (one != NULL) {
			write_spread(&b, one, &spread);
			ui_say(s->ui,
			       "%s is spread %s: 'azswarm rebalance' evens it%s",
			       one->name, spread.str,
			       *move.to->id == '\0' ?
				       ", once the new agents are in service" :
				       "");
		}
	}
	buf_release(&spread);
	forget(&b);
	if (rc == 0 && unseen.kind == ERR_INTR)
		*e = unseen;
	return rc < 0 || e->kind != ERR_NONE ? err_in(e, "rebalance") : 0;
}

/* A word that is no service moves nothing, and is a mistake. */
static int check_service(const struct balance *b, struct err *e)
{
	for (size_t i = 0; b->service != NULL && i < b->work.n_services; i++)
		if (strcmp(b->work.services[i].name, b->service) == 0)
			return 0;
	return b->service == NULL ?
		       0 :
		       err_set(e, ERR_USAGE, "there is no service \"%s\"",
			       b->service);
}

int cmd_rebalance(struct session *s, int argc, char **argv, struct err *e)
{
	static const char *const columns[] = { "service", "from", "to", NULL };
	struct way way;
	struct balance b = { .s = s,
			     .way = &way,
			     .service = argc > 1 ? argv[1] : NULL };
	struct listing t;
	int rc = -1;

	listing_init(&t, columns);
	if (way_open(s, &way, e) < 0)
		goto out;
	if (!way_there(&way)) {
		*e = way.none;
		goto out;
	}
	if (look(&b, e) < 0 || check_service(&b, e) < 0)
		goto out;
	if (!s->dry_run) {
		rc = move_all(&b, e);
		goto out;
	}
	show_moves(&b, &t);
	rc = listing_print(&t, s->ui, e);
	if (rc == 0 && cJSON_GetArraySize(t.rows) > 0)
		s->exit_status = EXIT_PENDING;
out:
	listing_release(&t);
	forget(&b);
	way_close(&way);
	return rc;
}
