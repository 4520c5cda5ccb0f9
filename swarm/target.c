/*
 * Who is meant by a service's or a task's name.  Names, IDs and their
 * beginnings the engine knows itself; SERVICE.SLOT, as people read it off a
 * list, it does not.
 */
#include <string.h>

#include "swarm/target.h"

#define PATH_MAX_N 1024
#define NAMES_MAX 8 /* listed for who called none of them */

/* GET /KIND/NAME.  NULL with *missing, and e untouched: there is none. */
static cJSON *look_up(struct docker *d, const char *kind, struct str name,
		      bool *missing, struct err *e)
{
	struct buf path = BUF_INIT(PATH_MAX_N);
	struct err why = ERR_INIT;
	cJSON *doc = NULL;

	*missing = name.n == 0;
	buf_addf(&path, "/%s/", kind);
	buf_add_pct(&path, name);
	if (!*missing && buf_check(&path, "the name", &why) == 0)
		doc = docker_get(d, path.str, &why);
	if (doc == NULL && !*missing) {
		*missing = d->status == 404 && why.kind == ERR_DOCKER;
		if (!*missing)
			*e = why;
	}
	buf_release(&path);
	return doc;
}

static int take_service(const cJSON *doc, struct target *t, struct err *e)
{
	t->replicas = json_int_opt(doc, "Spec.Mode.Replicated.Replicas", 1);
	t->tty = json_bool_opt(doc, "Spec.TaskTemplate.ContainerSpec.TTY", false);
	return docker_take_id(doc, "ID", t->service, e) < 0 ||
			       json_take(doc, "Spec.Name", t->name,
					 sizeof(t->name), e) < 0 ?
		       -1 :
		       0;
}

static int take_task(const cJSON *doc, struct target *t, struct err *e)
{
	static const char container[] = "Status.ContainerStatus.ContainerID";

	t->slot = json_int_opt(doc, "Slot", 0);
	t->tty = json_bool_opt(doc, "Spec.ContainerSpec.TTY", false);
	t->node[0] = t->container[0] = '\0';
	if (docker_take_id(doc, "ID", t->task, e) < 0 ||
	    json_take(doc, "Status.State", t->state, sizeof(t->state), e) < 0 ||
	    (*json_text(doc, "NodeID") != '\0' &&
	     docker_take_id(doc, "NodeID", t->node, e) < 0) ||
	    (*json_text(doc, container) != '\0' &&
	     docker_take_id(doc, container, t->container, e) < 0))
		return -1;
	t->running = strcmp(t->state, "running") == 0;
	return 0;
}

/* ---- SERVICE.SLOT ---- */

/* The tasks of a service, and which of them is wanted. */
struct search {
	struct str place; /* a slot, or a node's ID; empty: any that runs */
	struct target found;
	char created[40];
	bool any;
};

/* Where it is, as its name says. */
static bool is_place(const cJSON *task, struct str place)
{
	int64_t slot = json_int_opt(task, "Slot", 0);
	uint64_t n;

	if (place.n == 0)
		return true;
	if (slot == 0)
		return str_eqz(place, json_text(task, "NodeID"));
	return str_num(place, INT64_MAX, &n) && n == (uint64_t)slot;
}

/* One that runs, then the newest; of several slots the first. */
static bool is_better(const struct search *s, const struct target *t,
		      const char *created)
{
	if (!s->any || t->running != s->found.running)
		return !s->any || t->running;
	if (t->slot != s->found.slot)
		return t->slot < s->found.slot;
	return strcmp(created, s->created) > 0;
}

static int look_at(void *ctx, const cJSON *task, struct err *e)
{
	struct search *s = ctx;
	struct target t = s->found;
	char created[sizeof(s->created)];

	if (!is_place(task, s->place))
		return 0;
	if (take_task(task, &t, e) < 0 ||
	    json_take(task, "CreatedAt", created, sizeof(created), e) < 0)
		return -1;
	if (is_better(s, &t, created)) {
		s->found = t;
		memcpy(s->created, created, sizeof(created));
		s->any = true;
	}
	return 0;
}

static int search_tasks(struct docker *d, struct search *s, struct err *e)
{
	struct buf path = BUF_INIT(PATH_MAX_N);
	int rc;

	buf_adds(&path, "/tasks");
	docker_filter(&path, "service", s->found.service);
	rc = docker_each(d, path.str, look_at, s, e);
	buf_release(&path);
	return rc;
}

/* 1 when it is that, 0 when it is none, or -1. */
static int find_place(struct docker *d, struct str word, struct target *t,
		      struct err *e)
{
	ptrdiff_t dot = str_rchr(word, '.');
	struct search s = { .any = false };
	bool missing;
	cJSON *doc;
	int rc;

	if (dot <= 0)
		return 0;
	doc = look_up(d, "services", str_head(word, (size_t)dot), &missing, e);
	if (doc == NULL)
		return missing ? 0 : -1;
	s.place = str_skip(word, (size_t)dot + 1);
	rc = s.place.n == 0 ? 0 : take_service(doc, &s.found, e);
	json_free(doc);
	if (rc < 0 || (s.place.n > 0 && search_tasks(d, &s, e) < 0))
		return -1;
	if (s.any)
		*t = s.found;
	return s.any;
}

/* ---- nobody of that name ---- */

struct names {
	const char *word;
	struct buf list;
	size_t n;
	unsigned best;
	char nearest[64];
};

static int take_name(void *ctx, const cJSON *service, struct err *e)
{
	struct names *ns = ctx;
	const char *name = json_text(service, "Spec.Name");
	unsigned far = str_distance(ns->word, name);
	ptrdiff_t stack = str_chr(str_of(name), '_');

	(void)e;
	/* "web" of "shop_web" */
	if (stack >= 0 && strcmp(name + stack + 1, ns->word) == 0)
		far = 0;
	if (far < ns->best && strlen(name) < sizeof(ns->nearest)) {
		ns->best = far;
		memcpy(ns->nearest, name, strlen(name) + 1);
	}
	if (ns->n++ < NAMES_MAX)
		buf_addf(&ns->list, "%s%.64s", ns->n > 1 ? ", " : "", name);
	return 0;
}

static int nobody(struct docker *d, const char *word, struct err *e)
{
	size_t n = strlen(word);
	struct names ns = {
		.word = word,
		.list = BUF_INIT(1024),
		.best = n < 3 ? 1 :
			n < 5 ? 2 :
			n < 8 ? 3 :
				4,
	};

	if (docker_each(d, "/services", take_name, &ns, e) < 0)
		;
	else if (ns.nearest[0] != '\0')
		err_set(e, ERR_USAGE,
			"there is no service or task \"%s\"; did you mean %s?",
			word, ns.nearest);
	else if (ns.n == 0)
		err_set(e, ERR_USAGE,
			"there is no service or task \"%s\", for nothing is "
			"deployed; 'azswarm deploy-stack' deploys something",
			word);
	else
		err_set(e, ERR_USAGE,
			"there is no service or task \"%s\"; there are %s%s",
			word, ns.list.str, ns.n > NAMES_MAX ? " and others" : "");
	buf_release(&ns.list);
	return -1;
}

/* ---- both ---- */

/* 1 when it is a service, 0, or -1. */
static int find_service(struct docker *d, struct str word, struct target *t,
			struct err *e)
{
	bool missing;
	cJSON *doc = look_up(d, "services", word, &missing, e);
	int rc = missing ? 0 : -1;

	if (doc != NULL)
		rc = take_service(doc, t, e) < 0 ? -1 : 1;
	json_free(doc);
	return rc;
}

/* The same of a task by its ID or its whole name. */
static int find_task(struct docker *d, struct str word, struct target *t,
		     struct err *e)
{
	bool missing;
	cJSON *doc = look_up(d, "tasks", word, &missing, e);
	int rc = missing ? 0 : -1;

	if (doc != NULL) {
		rc = find_service(d, str_of(json_text(doc, "ServiceID")), t, e);
		/* what the task has, and not its service by now */
		if (rc > 0 && take_task(doc, t, e) < 0)
			rc = -1;
	}
	json_free(doc);
	return rc;
}

int target_find(struct docker *d, const char *word, struct target *t,
		struct err *e)
{
	int rc;

	*t = (struct target){ .replicas = 1 };
	rc = find_service(d, str_of(word), t, e);
	if (rc == 0)
		rc = find_place(d, str_of(word), t, e);
	if (rc == 0)
		rc = find_task(d, str_of(word), t, e);
	return rc > 0 ? 0 : rc < 0 ? -1 : nobody(d, word, e);
}

int target_pick(struct docker *d, struct target *t, struct err *e)
{
	struct search s = { .found = *t };

	if (search_tasks(d, &s, e) < 0)
		return -1;
	if (!s.any || !s.found.running)
		return err_set(e, ERR_DATA,
			       "no task of %s runs; 'azswarm ps %s' says why",
			       t->name, t->name);
	*t = s.found;
	return 0;
}
