/* What stacks there are, and what their tasks are at: read, and shown. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/time.h"
#include "swarm/remote.h"
#include "swarm/stack.h"
#include "swarm/swarm.h"

#define TASKS_MAX 20000

/* ---- stacks ---- */

static const char *stack_label(const cJSON *service)
{
	return json_text(json_get(json_at(service, "Spec.Labels"), STACK_LABEL),
			 "");
}

/* Of one stack: how many services, how many tasks run, how many should. */
static int take_stack(void *stacks, const cJSON *service, struct err *e)
{
	const char *name = stack_label(service);
	int64_t running = json_int_opt(service, "ServiceStatus.RunningTasks", 0),
		desired = json_int_opt(service, "ServiceStatus.DesiredTasks", 0);
	cJSON *row;

	(void)e;
	if (*name == '\0')
		return 0;
	if ((row = json_get_mut(stacks, name)) == NULL)
		row = json_add_obj(stacks, name);
	json_set(row, "services",
		 cJSON_CreateNumber((double)json_int_opt(row, "services", 0) + 1));
	json_set(row, "running",
		 cJSON_CreateNumber(
			 (double)(json_int_opt(row, "running", 0) + running)));
	json_set(row, "desired",
		 cJSON_CreateNumber(
			 (double)(json_int_opt(row, "desired", 0) + desired)));
	return 0;
}

static int by_name(const void *a, const void *b)
{
	const cJSON *const *x = a, *const *y = b;

	return strcmp((*x)->string, (*y)->string);
}

static int print_stacks(const cJSON *stacks, struct ui *ui, struct err *e)
{
	static const char *const columns[] = { "stack", "services", "running",
					       "desired", NULL };
	size_t n = (size_t)cJSON_GetArraySize(stacks), i = 0;
	const cJSON **sorted = xcalloc(n + 1, sizeof(*sorted)), *row;
	struct listing t;
	int rc;

	cJSON_ArrayForEach(row, stacks)
		sorted[i++] = row;
	qsort(sorted, n, sizeof(*sorted), by_name);
	listing_init(&t, columns);
	for (i = 0; i < n; i++) {
		listing_row(&t);
		listing_cell(&t, "%s", sorted[i]->string);
		for (size_t c = 1; columns[c] != NULL; c++)
			listing_cell(&t, "%lld",
				     (long long)json_int_opt(sorted[i],
							     columns[c], 0));
	}
	rc = listing_print(&t, ui, e);
	listing_release(&t);
	free(sorted);
	return rc;
}

int cmd_stacks(struct session *s, int argc, char **argv, struct err *e)
{
	cJSON *stacks = cJSON_CreateObject();
	struct remote r;
	int rc = remote_open_swarm(s, &r, REMOTE_SWARM_MS, e);

	(void)argc, (void)argv;
	if (rc == 0)
		rc = docker_each(remote_docker(&r), "/services?status=true",
				 take_stack, stacks, e);
	if (rc == 0)
		rc = print_stacks(stacks, s->ui, e);
	remote_release(&r);
	json_free(stacks);
	return rc;
}

/* ---- tasks ---- */

struct task {
	char *name; /* "web.2" */
	char *image, *node, *desired, *state, *error;
	char created[40], at[40];
	uint64_t slot;
};

struct book {
	const char *only; /* a stack or a service; NULL: all */
	cJSON *services;  /* names by ID, of those that are wanted */
	cJSON *nodes;	  /* host names by ID */
	struct task *tasks;
	size_t n, room;
};

static int take_service(void *ctx, const cJSON *service, struct err *e)
{
	struct book *b = ctx;
	const char *name = stack_service_name(service),
		   *id = json_text(service, "ID");

	(void)e;
	if (b->only == NULL || strcmp(b->only, name) == 0 ||
	    strcmp(b->only, id) == 0 || strcmp(b->only, stack_label(service)) == 0)
		json_set(b->services, id, cJSON_CreateString(name));
	return 0;
}

static char *image_short(const char *image)
{
	return str_dup(str_head(str_of(image), strcspn(image, "@")));
}

static int take_task(void *ctx, const cJSON *doc, struct err *e)
{
	struct book *b = ctx;
	const cJSON *service = json_get(b->services, json_text(doc, "ServiceID"));
	const char *node = json_text(doc, "NodeID");
	int64_t slot = json_int_opt(doc, "Slot", 0);
	struct task *t;

	if (service == NULL)
		return 0;
	if (b->n == TASKS_MAX)
		return err_set(e, ERR_DOCKER, "more than %d tasks", TASKS_MAX);
	if (b->n == b->room) {
		b->room = b->room == 0 ? 64 : b->room * 2;
		b->tasks = xrealloc(b->tasks, b->room * sizeof(*b->tasks));
	}
	t = &b->tasks[b->n++];
	*t = (struct task){
		.name = slot > 0 ?
				xasprintf("%s.%lld", service->valuestring,
					  (long long)slot) :
				xasprintf("%s.%s", service->valuestring,
					  *node != '\0' ?
						  json_str_opt(json_get(b->nodes,
									node),
							       "", node) :
						  "?"),
		.image = image_short(json_text(doc, "Spec.ContainerSpec.Image")),
		.node = xstrdup(json_str_opt(json_get(b->nodes, node), "", node)),
		.desired = xstrdup(json_text(doc, "DesiredState")),
		.state = xstrdup(json_text(doc, "Status.State")),
		.error = xstrdup(json_text(doc, "Status.Err")),
		.slot = slot > 0 ? (uint64_t)slot : 0,
	};
	snprintf(t->created, sizeof(t->created), "%s",
		 json_text(doc, "CreatedAt"));
	snprintf(t->at, sizeof(t->at), "%s", json_text(doc, "Status.Timestamp"));
	return 0;
}

static void book_release(struct book *b)
{
	for (size_t i = 0; i < b->n; i++) {
		struct task *t = &b->tasks[i];

		free(t->name);
		free(t->image);
		free(t->node);
		free(t->desired);
		free(t->state);
		free(t->error);
	}
	free(b->tasks);
	json_free(b->services);
	json_free(b->nodes);
}

/* By service, by slot, the newest first. */
static int by_slot(const void *a, const void *b)
{
	const struct task *x = a, *y = b;
	struct str p = str_of(x->name), q = str_of(y->name);
	ptrdiff_t m = str_rchr(p, '.'), n = str_rchr(q, '.');
	int d = str_cmp(str_head(p, (size_t)(m < 0 ? 0 : m)),
			str_head(q, (size_t)(n < 0 ? 0 : n)));

	if (d == 0 && x->slot != y->slot)
		d = x->slot < y->slot ? -1 : 1;
	if (d == 0)
		d = strcmp(x->name, y->name);
	return d != 0 ? d : strcmp(y->created, x->created);
}

/* "3 min" for a person, the time itself for a program. */
static void since(const struct task *t, const struct ui *ui, char text[40])
{
	int64_t at, now = unix_time();
	char span[32];

	if (ui->format != UI_TABLE) {
		snprintf(text, 40, "%s", t->at);
		return;
	}
	text[0] = '\0';
	if (!time_parse_iso(str_of(t->at), &at))
		return;
	time_span(now > at ? now - at : 0, span);
	snprintf(text, 40, "%s", span);
}

/* Of each slot what is there now, and beneath it the last that failed. */
static int print_tasks(const struct book *b, struct ui *ui, struct err *e)
{
	static const char *const columns[] = { "task",	  "image", "node",
					       "desired", "state", "since",
					       "error",	  NULL };
	const char *last = "";
	bool failed = false;
	struct listing l;
	int rc;

	listing_init(&l, columns);
	for (size_t i = 0; i < b->n; i++) {
		const struct task *t = &b->tasks[i];
		bool first = strcmp(t->name, last) != 0;
		char text[40];

		if (!first && (failed || t->error[0] == '\0'))
			continue;
		failed = t->error[0] != '\0';
		last = t->name;
		since(t, ui, text);
		listing_row(&l);
		listing_cell(&l, "%s", t->name);
		listing_cell(&l, "%s", t->image);
		listing_cell(&l, "%s", t->node);
		listing_cell(&l, "%s", t->desired);
		listing_cell(&l, "%s", t->state);
		listing_cell(&l, "%s", text);
		listing_cell(&l, "%s", t->error);
	}
	rc = listing_print(&l, ui, e);
	listing_release(&l);
	return rc;
}

static int read_nodes(struct docker *d, struct book *b, struct err *e)
{
	struct docker_node *nodes;
	size_t n;

	if (docker_nodes(d, &nodes, &n, e) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		json_add_str(b->nodes, nodes[i].id, nodes[i].hostname);
	free(nodes);
	return 0;
}

int cmd_ps(struct session *s, int argc, char **argv, struct err *e)
{
	struct book b = { .only = argc > 1 ? argv[1] : NULL,
			  .services = cJSON_CreateObject(),
			  .nodes = cJSON_CreateObject() };
	struct remote r;
	int rc = -1;

	if (remote_open_swarm(s, &r, REMOTE_SWARM_MS, e) < 0)
		goto out;
	if (docker_each(remote_docker(&r), "/services", take_service, &b, e) < 0)
		goto out;
	if (b.only != NULL && b.services->child == NULL) {
		err_set(e, ERR_DATA,
			"there is no stack and no service \"%s\"; 'azswarm "
			"stacks' lists stacks",
			b.only);
		goto out;
	}
	if (read_nodes(remote_docker(&r), &b, e) < 0 ||
	    docker_each(remote_docker(&r), "/tasks", take_task, &b, e) < 0)
		goto out;
	if (b.n > 0)
		qsort(b.tasks, b.n, sizeof(*b.tasks), by_slot);
	rc = print_tasks(&b, s->ui, e);
out:
	remote_release(&r);
	book_release(&b);
	return rc;
}
