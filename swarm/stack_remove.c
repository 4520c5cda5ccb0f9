/*
 * What goes: a whole stack, and what its file no longer has.  Swarm gives
 * nothing away that a service uses, and keeps a network until the last task has
 * left it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "swarm/ports.h"
#include "swarm/remote.h"
#include "swarm/service.h"
#include "swarm/stack.h"

#define LOOK_MS 1000
#define NETWORK_GONE_MS 90000
#define NAME_MAX_N 255

static int gone(struct session *s, struct docker *d, const char *type,
		const char *path, const char *id, const char *name, struct err *e)
{
	struct buf full = BUF_INIT(1024);
	struct err why = ERR_INIT;
	int rc;

	buf_addf(&full, "/%s/", path);
	buf_add_pct(&full, str_of(id));
	rc = docker_call(d, "DELETE", full.str, NULL, NULL, &why);
	buf_release(&full);
	if (rc == 0) {
		ui_say(s->ui, "%s %s removed", type, name);
		return 0;
	}
	if (d->status == 404)
		return 0;
	*e = why;
	return err_in(e, "%s %s", type, name);
}

/* One more look, unless it was too long. */
static int again(struct session *s, const char *what, int64_t began, struct err *e)
{
	return s->az.clock.wait(s->az.clock.ctx, now_ms() + LOOK_MS, what,
				began, e);
}

/* The swarm has forgotten it, and the engine keeps it until the last
 * container there has left. */
static int wait_gone(struct session *s, struct docker *d, const char *id,
		     const char *what, int64_t began, struct err *e)
{
	struct buf path = BUF_INIT(1024);
	int rc = 0;

	buf_adds(&path, "/networks/");
	buf_add_pct(&path, str_of(id));
	while (rc == 0 && now_ms() - began <= NETWORK_GONE_MS) {
		struct err why = ERR_INIT;
		cJSON *doc = NULL;

		rc = docker_call(d, "GET", path.str, NULL, &doc, &why);
		json_free(doc);
		if (rc < 0)
			break;
		rc = again(s, what, began, e);
	}
	buf_release(&path);
	return e->kind != ERR_NONE ? -1 : 0;
}

int stack_network_remove(struct session *s, struct docker *d, const char *id,
			 const char *name, struct err *e)
{
	char *what = xasprintf("network %s to be free", name);
	int64_t began = now_ms();
	int rc;

	for (;;) {
		struct err why = ERR_INIT;

		rc = gone(s, d, "network", "networks", id, name, &why);
		if (rc == 0) {
			rc = wait_gone(s, d, id, what, began, e);
			break;
		}
		if (why.kind != ERR_DOCKER || now_ms() - began > NETWORK_GONE_MS) {
			*e = why;
			break;
		}
		if (again(s, what, began, e) < 0)
			break;
	}
	free(what);
	return rc;
}

static bool names(const cJSON *task, const char *list, const char *member,
		  const char *id)
{
	const cJSON *use;

	cJSON_ArrayForEach(use, json_at(task, list))
		if (strcmp(json_text(use, member), id) == 0)
			return true;
	return false;
}

/* Whether it is a service's; or was, and the update is not through that lets go
 * of it. */
static bool is_used(const cJSON *service, const char *list, const char *member,
		    const char *id)
{
	const char *update = json_text(service, "UpdateStatus.State");

	return names(json_at(service, "Spec.TaskTemplate"), list, member, id) ||
	       (*update != '\0' && strcmp(update, "completed") != 0 &&
		names(json_at(service, "PreviousSpec.TaskTemplate"), list,
		      member, id));
}

/* A sweep: what goes with it, and rows for who only looks. */
struct sweep {
	struct session *s;
	struct docker *d;
	const struct compose *c;
	struct stack_has h;
	bool all;
	struct stack_rows *rows;
};

/* Another's need not be in the way: it stays, and that is said. */
static bool in_use(const struct sweep *w, const char *type, const char *list,
		   const char *member, const cJSON *item)
{
	const char *id = json_text(item, "ID");
	const cJSON *service;

	cJSON_ArrayForEach(service, w->h.services)
		if (is_used(service, list, member, id))
			return true;
	cJSON_ArrayForEach(service, w->h.others)
		if (is_used(service, list, member, id)) {
			ui_say(w->s->ui, "%s %s stays: service %s uses it",
			       type, json_text(item, "Name"),
			       stack_service_name(service));
			return true;
		}
	return false;
}

static int go(struct sweep *w, const char *type, const cJSON *item, struct err *e)
{
	const char *name = json_text(item, "Name"), *id = json_text(item, "ID");
	char *path;
	int rc;

	if (w->rows != NULL) {
		stack_row(w->rows, STACK_DELETE, type, name, "", "", "");
		return 0;
	}
	if (strcmp(type, "network") == 0)
		return stack_network_remove(w->s, w->d, id, name, e);
	path = xasprintf("%ss", type);
	rc = gone(w->s, w->d, type, path, id, name, e);
	free(path);
	return rc;
}

/* Of one kind, those of the stack that the file has not and nobody uses. */
static int sweep_list(struct sweep *w, const char *type, const char *uses,
		      const char *id, const cJSON *there, const cJSON *wanted,
		      struct err *e)
{
	const char *stack = w->c->stack;
	const cJSON *item;

	cJSON_ArrayForEach(item, there) {
		const char *name = json_text(item, "Name");

		if (stack_of(item, stack) && stack_named(wanted, name) == NULL &&
		    (w->all || stack_by_content(name, stack)) &&
		    !in_use(w, type, uses, id, item) && go(w, type, item, e) < 0)
			return -1;
	}
	return 0;
}

/* Who only looks sees services that will be otherwise, or gone. */
static void leave_others(struct sweep *w)
{
	cJSON *service = w->h.services->child, *next;

	for (; service != NULL; service = next) {
		next = service->next;
		if (w->all || stack_named(w->c->services,
					  stack_service_name(service)) != NULL)
			cJSON_Delete(cJSON_DetachItemViaPointer(w->h.services,
								service));
	}
}

int stack_sweep(struct session *s, struct docker *d, const struct compose *c,
		bool all, struct stack_rows *rows, struct err *e)
{
	struct sweep w = { .s = s, .d = d, .c = c, .all = all, .rows = rows };
	int rc = stack_has_read(d, c->stack, &w.h, e);

	if (rc == 0 && rows != NULL)
		leave_others(&w);
	if (rc == 0)
		rc = sweep_list(&w, "secret", "ContainerSpec.Secrets",
				"SecretID", w.h.secrets, c->secrets, e);
	if (rc == 0)
		rc = sweep_list(&w, "config", "ContainerSpec.Configs",
				"ConfigID", w.h.configs, c->configs, e);
	if (rc == 0 && all)
		rc = sweep_list(&w, "network", "Networks", "Target",
				w.h.networks, c->networks, e);
	stack_has_release(&w.h);
	return rc;
}

/* ---- a whole stack ---- */

static bool has_any(const cJSON *list, const char *stack)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, list)
		if (stack_of(item, stack))
			return true;
	return false;
}

static int destroy(struct session *s, struct docker *d, const char *stack,
		   struct err *e)
{
	struct compose nothing = { .stack = xstrdup(stack) };
	struct stack_has h;
	const cJSON *service;
	int rc = stack_has_read(d, stack, &h, e);

	if (rc == 0 && h.services->child == NULL && !has_any(h.configs, stack) &&
	    !has_any(h.secrets, stack) && !has_any(h.networks, stack))
		ui_say(s->ui, "stack %s is not there", stack);
	if (rc == 0)
		cJSON_ArrayForEach(service, h.services)
			if (rc == 0)
				rc = service_remove(s, d,
						    stack_service_name(service),
						    e);
	stack_has_release(&h);
	if (rc == 0)
		rc = stack_sweep(s, d, &nothing, true, NULL, e);
	compose_release(&nothing);
	return rc;
}

int stack_ports_close(struct session *s, struct docker *d, int rc, struct err *e)
{
	struct err why = ERR_INIT;

	if (rc == 0)
		return ports_close(s, d, e);
	if (e->kind == ERR_DOCKER && ports_close(s, d, &why) < 0)
		ui_say(s->ui, "%s", why.msg);
	return rc;
}

int cmd_destroy_stack(struct session *s, int argc, char **argv, struct err *e)
{
	const char *stack = argc > 1 ? argv[1] : STACK_DEMO;
	struct remote r;
	int rc;

	/* to the Engine a label without a value is that of every stack */
	if (*stack == '\0' || strlen(stack) > NAME_MAX_N)
		return err_set(e, ERR_USAGE,
			       "\"%.*s\" is no stack's name; 'azswarm stacks' "
			       "lists them",
			       NAME_MAX_N, stack);
	rc = remote_open_swarm(s, &r, REMOTE_SWARM_MS, e);
	if (rc == 0) {
		rc = destroy(s, remote_docker(&r), stack, e);
		rc = stack_ports_close(s, remote_docker(&r), rc, e);
	}
	remote_release(&r);
	return rc;
}
