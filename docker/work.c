/*
 * Services and tasks, read from the Engine's lists.  Keeps what the moving of
 * machines is decided by and nothing else: a list of tasks has 2 KiB each.
 */
#include "docker/work.h"

#include <stdlib.h>
#include <string.h>

static int take_text(const cJSON *doc, const char *path, char *to, size_t size,
		     struct err *e)
{
	const char *v = json_str(doc, path, e);

	if (v == NULL)
		return -1;
	if (strlen(v) >= size)
		return err_set(e, ERR_PROTO, "%s: longer than %zu characters",
			       path, size - 1);
	memcpy(to, v, strlen(v) + 1);
	return 0;
}

static void take_constraints(const cJSON *doc, struct docker_service *s)
{
	const cJSON *c;

	cJSON_ArrayForEach(c, json_at(doc,
				      "Spec.TaskTemplate.Placement.Constraints")) {
		const char *text = json_str_opt(c, "", "");

		if (s->n_constraints >= DOCKER_CONSTRAINTS_MAX ||
		    strlen(text) >= sizeof(s->constraints[0])) {
			s->n_constraints = DOCKER_CONSTRAINTS_MAX + 1;
			return;
		}
		memcpy(s->constraints[s->n_constraints++], text, strlen(text) + 1);
	}
}

int docker_service_read(const cJSON *doc, struct docker_service *s, struct err *e)
{
	const cJSON *mode = json_at(doc, "Spec.Mode"), *m;
	int64_t grace;

	*s = (struct docker_service){ .balance = true };
	if (take_text(doc, "ID", s->id, sizeof(s->id), e) < 0 ||
	    take_text(doc, "Spec.Name", s->name, sizeof(s->name), e) < 0)
		return -1;
	s->global = json_get(mode, "Global") != NULL;
	s->job = json_get(mode, "ReplicatedJob") != NULL ||
		 json_get(mode, "GlobalJob") != NULL;
	s->replicas = (uint64_t)json_int_opt(mode, "Replicated.Replicas", 1);
	s->per_node = (uint64_t)json_int_opt(
		doc, "Spec.TaskTemplate.Placement.MaxReplicas", 0);
	/* nanoseconds; rounded up */
	grace = json_int_opt(doc,
			     "Spec.TaskTemplate.ContainerSpec.StopGracePeriod",
			     10000000000);
	s->grace_s = grace <= 0 ? 0 :
		     grace > (int64_t)86400 * 1000000000 ?
				  86400 :
				  (unsigned)((grace + 999999999) / 1000000000);
	s->balance = strcmp(json_str_opt(json_get(json_at(doc, "Spec.Labels"),
						  "azswarm.rebalance"),
					 "", ""),
			    "false") != 0;
	cJSON_ArrayForEach(m, json_at(doc,
				      "Spec.TaskTemplate.ContainerSpec.Mounts")) {
		const char *type = json_str_opt(m, "Type", "");

		s->bound |= strcmp(type, "volume") == 0 ||
			    strcmp(type, "bind") == 0;
	}
	take_constraints(doc, s);
	s->running = json_int_opt(doc, "ServiceStatus.RunningTasks", -1);
	s->desired = json_int_opt(doc, "ServiceStatus.DesiredTasks", -1);
	return 0;
}

int docker_task_read(const cJSON *doc, struct docker_task *t, struct err *e)
{
	static const char *const ended[] = {
		"complete", "shutdown", "failed",
		"rejected", "remove",	"orphaned",
	};
	const char *state = json_str(doc, "Status.State", e);

	*t = (struct docker_task){ 0 };
	if (state == NULL || take_text(doc, "ID", t->id, sizeof(t->id), e) < 0)
		return -1;
	/* tasks of network attachments have no service */
	if (json_at(doc, "ServiceID") != NULL &&
	    take_text(doc, "ServiceID", t->service, sizeof(t->service), e) < 0)
		return -1;
	if (json_at(doc, "NodeID") != NULL &&
	    take_text(doc, "NodeID", t->node, sizeof(t->node), e) < 0)
		return -1;
	t->wanted = strcmp(json_str_opt(doc, "DesiredState", ""), "running") == 0;
	t->running = strcmp(state, "running") == 0;
	for (size_t i = 0; i < sizeof(ended) / sizeof(ended[0]); i++)
		t->ended |= strcmp(state, ended[i]) == 0;
	return 0;
}

static int add_service(void *ctx, const cJSON *item, struct err *e)
{
	struct docker_work *w = ctx;

	if (w->n_services == DOCKER_SERVICES_MAX)
		return err_set(e, ERR_DOCKER, "more than %d services",
			       DOCKER_SERVICES_MAX);
	/* doubled whenever it is full, and it is full at powers of two */
	if ((w->n_services & (w->n_services - 1)) == 0)
		w->services = xrealloc(w->services, (w->n_services + 1) * 2 *
							    sizeof(*w->services));
	return docker_service_read(item, &w->services[w->n_services++], e);
}

static int add_task(void *ctx, const cJSON *item, struct err *e)
{
	struct docker_work *w = ctx;

	if (w->n_tasks == DOCKER_TASKS_MAX)
		return err_set(e, ERR_DOCKER, "more than %d tasks",
			       DOCKER_TASKS_MAX);
	if ((w->n_tasks & (w->n_tasks - 1)) == 0)
		w->tasks = xrealloc(w->tasks,
				    (w->n_tasks + 1) * 2 * sizeof(*w->tasks));
	return docker_task_read(item, &w->tasks[w->n_tasks++], e);
}

int docker_work_read(struct docker *d, struct docker_work *w, struct err *e)
{
	*w = (struct docker_work){ 0 };
	if (docker_each(d, "/services", add_service, w, e) < 0)
		return -1;
	return docker_each(d, "/tasks", add_task, w, e);
}

int docker_work_services(struct docker *d, struct docker_work *w, struct err *e)
{
	*w = (struct docker_work){ 0 };
	return docker_each(d, "/services?status=true", add_service, w, e);
}

void docker_work_release(struct docker_work *w)
{
	free(w->services);
	free(w->tasks);
	*w = (struct docker_work){ 0 };
}

const struct docker_service *docker_work_service(const struct docker_work *w,
						 const char *id)
{
	for (size_t i = 0; i < w->n_services; i++)
		if (strcmp(w->services[i].id, id) == 0)
			return &w->services[i];
	return NULL;
}

/* ---- where a service may run ---- */

/* The value that a constraint's key has on that node; false: we do not know
 * (labels, platforms), and then it may be any. */
static bool known_value(struct str key, const struct docker_node *node,
			const char **value)
{
	*value = NULL;
	if (str_ieqz(key, "node.hostname"))
		*value = node->hostname;
	else if (str_ieqz(key, "node.id"))
		*value = node->id;
	else if (str_ieqz(key, "node.role"))
		*value = node->manager ? "manager" : "worker";
	return *value != NULL;
}

static bool constraint_met(const char *text, const struct docker_node *node)
{
	struct str s = str_of(text), key = STR_NULL;
	const char *value;
	bool equal = true;
	ptrdiff_t at = str_find(s, STR("=="));

	if (at < 0) {
		at = str_find(s, STR("!="));
		equal = false;
	}
	if (at < 0)
		return true;
	key = str_trim(str_head(s, (size_t)at));
	s = str_trim(str_skip(s, (size_t)at + 2));
	if (!known_value(key, node, &value))
		return true;
	return str_ieqz(s, value) == equal;
}

bool docker_service_may_run(const struct docker_service *s,
			    const struct docker_node *node)
{
	if (node->state != DOCKER_NODE_READY ||
	    node->availability != DOCKER_ACTIVE || node->leaving)
		return false;
	for (unsigned i = 0; i < s->n_constraints && i < DOCKER_CONSTRAINTS_MAX;
	     i++)
		if (!constraint_met(s->constraints[i], node))
			return false;
	return true;
}

/* ---- spread ---- */

/* How many of a service's tasks run on that node, and one of them. */
static unsigned running_on(const struct docker_work *w, const char *service,
			   const char *node, const struct docker_task **one)
{
	unsigned n = 0;

	for (size_t i = 0; i < w->n_tasks; i++) {
		const struct docker_task *t = &w->tasks[i];

		if (!t->wanted || !t->running ||
		    strcmp(t->service, service) != 0 || strcmp(t->node, node) != 0)
			continue;
		*one = t;
		n++;
	}
	return n;
}

bool docker_service_whole(const struct docker_work *w,
			  const struct docker_service *s)
{
	uint64_t running = 0;

	for (size_t i = 0; i < w->n_tasks; i++)
		running += w->tasks[i].wanted && w->tasks[i].running &&
			   strcmp(w->tasks[i].service, s->id) == 0;
	return running >= s->replicas;
}

bool docker_work_surplus(const struct docker_work *w,
			 const struct docker_node *nodes, size_t n_nodes,
			 const struct docker_service *s,
			 struct docker_surplus *out)
{
	unsigned most = 0, fewest = 0, n;
	bool any = false;

	*out = (struct docker_surplus){ 0 };
	if (s->global || s->job || !s->balance || s->replicas < 2 ||
	    !docker_service_whole(w, s))
		return false;
	for (size_t i = 0; i < n_nodes; i++) {
		const struct docker_task *one = NULL;

		if (!docker_service_may_run(s, &nodes[i]))
			continue;
		n = running_on(w, s->id, nodes[i].id, &one);
		if (!any || n < fewest) {
			fewest = n;
			out->to = &nodes[i];
		}
		if (n > most) {
			most = n;
			out->from = &nodes[i];
			out->task = one;
		}
		any = true;
	}
	return most >= fewest + 2;
}
