/*
 * A service of the cluster's Engine: asked for, changed, and waited for until
 * its tasks run; what a task fails of is told in its own words.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "swarm/service.h"

#define CONVERGE_MS 300000
#define LOOK_MS 1000
#define SETTLED_LOOKS 3 /* an update begins only after it was accepted */
#define ENDED_LOOKS 5	/* a task that failed has another beside it at once */
#define NOWHERE_LOOKS 30
#define MONITOR_MS 5000 /* a new task is watched so long, unless a spec says */
#define JOB_FAILURES 5	/* of one of its tasks */
#define UPDATE_TRIES 5
#define PATIENCE_MAX_MS (24 * 3600000)

/* ---- asking and telling the Engine ---- */

static void service_path(struct buf *path, const char *name)
{
	buf_adds(path, "/services/");
	buf_add_pct(path, str_of(name));
}

/* The service by name, or ID; *doc NULL when there is none. */
static int service_get(struct docker *d, const char *name, cJSON **doc,
		       struct err *e)
{
	struct err why = ERR_INIT;
	struct buf path = BUF_INIT(1024);
	int rc;

	service_path(&path, name);
	rc = docker_call(d, "GET", path.str, NULL, doc, &why);
	buf_release(&path);
	if (rc < 0 && d->status == 404) {
		*doc = NULL;
		return 0;
	}
	if (rc < 0)
		*e = why;
	return rc;
}

/* Ports of the swarm, one of each protocol; those of hosts are of the
 * machines, and Docker lets two services try. */
static int64_t mesh_port(const cJSON *port)
{
	return strcmp(json_str_opt(port, "PublishMode", "ingress"), "ingress") ==
			       0 ?
		       json_int_opt(port, "PublishedPort", 0) :
		       0;
}

int service_port_clash(const cJSON *spec, const cJSON *other, struct err *e)
{
	const cJSON *p, *q;

	cJSON_ArrayForEach(p, json_at(spec, "EndpointSpec.Ports"))
		cJSON_ArrayForEach(q, json_at(other, "EndpointSpec.Ports"))
			if (mesh_port(p) != 0 && mesh_port(p) == mesh_port(q) &&
			    strcmp(json_str_opt(p, "Protocol", "tcp"),
				   json_str_opt(q, "Protocol", "tcp")) == 0)
				return err_set(e, ERR_DOCKER,
					       "port %lld is taken by the service "
					       "%s; destroy that first",
					       (long long)mesh_port(p),
					       json_text(other, "Name"));
	return 0;
}

static int take_port(void *ctx, const cJSON *service, struct err *e)
{
	const cJSON *spec = ctx, *other = json_get(service, "Spec");

	return strcmp(json_text(other, "Name"), json_text(spec, "Name")) == 0 ?
		       0 :
		       service_port_clash(spec, other, e);
}

int service_ports_free(struct docker *d, cJSON *spec, struct err *e)
{
	return json_at(spec, "EndpointSpec.Ports[0]") == NULL ?
		       0 :
		       docker_each(d, "/services", take_port, spec, e);
}

/* POST an update of a service, as service_get() gave it, to its Spec; -1 without
 * e when somebody else was faster. */
static int update(struct docker *d, const cJSON *service, struct err *e)
{
	char id[DOCKER_ID_MAX], *path;
	struct err why = ERR_INIT;
	int rc;

	if (docker_take_id(service, "ID", id, e) < 0)
		return -1;
	path = xasprintf("/services/%s", id);
	rc = docker_spec_write(d, path, service, "", &why);
	free(path);
	if (rc < 0 && !err_is(&why, DOCKER_OUT_OF_SEQUENCE))
		*e = why;
	return rc;
}

int service_edit(struct docker *d, const char *name,
		 int (*edit)(void *ctx, cJSON *service, struct err *e),
		 void *ctx, struct err *e)
{
	int rc = -1;

	for (int i = 0; rc < 0 && i < UPDATE_TRIES && e->kind == ERR_NONE; i++) {
		cJSON *service = NULL;

		if (service_get(d, name, &service, e) < 0)
			break;
		if (service == NULL)
			return 1;
		if (edit(ctx, service, e) == 0)
			rc = update(d, service, e);
		json_free(service);
	}
	if (rc < 0 && e->kind == ERR_NONE)
		err_set(e, ERR_DOCKER, "somebody else keeps changing it");
	return rc;
}

int service_put(struct session *s, struct docker *d, const char *name,
		cJSON *(*make)(void *ctx, const cJSON *old, struct err *e),
		void *ctx, struct err *e)
{
	int rc = -1;

	for (int i = 0; rc < 0 && i < UPDATE_TRIES && e->kind == ERR_NONE; i++) {
		cJSON *old = NULL, *spec;

		if (service_get(d, name, &old, e) < 0)
			break;
		spec = make(ctx, old, e);
		if (spec != NULL && old != NULL) {
			json_set(old, "Spec", spec);
			rc = update(d, old, e);
		} else if (spec != NULL) {
			rc = docker_call(d, "POST", "/services/create", spec,
					 NULL, e);
			json_burn(spec);
		}
		if (rc == 0)
			ui_say(s->ui, "service %s %s", name,
			       old ? "updated" : "made");
		json_burn(old);
	}
	if (rc < 0 && e->kind == ERR_NONE)
		err_set(e, ERR_DOCKER, "somebody else keeps changing it");
	return rc < 0 ? err_in(e, "service %s", name) : 0;
}

int service_remove(struct session *s, struct docker *d, const char *name,
		   struct err *e)
{
	struct err why = ERR_INIT;
	struct buf path = BUF_INIT(1024);
	int rc;

	service_path(&path, name);
	rc = docker_call(d, "DELETE", path.str, NULL, NULL, &why);
	buf_release(&path);
	if (rc == 0) {
		ui_say(s->ui, "service %s removed", name);
	} else if (d->status == 404) {
		ui_say(s->ui, "service %s is not there", name);
		rc = 0;
	} else {
		*e = why;
		err_in(e, "service %s", name);
	}
	return rc;
}

/* ---- waiting for its tasks ---- */

/* Nodes that take tasks. */
struct nodes {
	struct docker_node *of;
	size_t n;
};

/* The newest task of a slot, or of a node for global services. */
struct slot {
	char name[40]; /* "2", or the node's ID */
	char created[40];
	bool due;	       /* it runs, or is to */
	bool gone;	       /* there are to be fewer; Swarm chooses which */
	bool complete, failed; /* it is, and nobody begins another */
	bool stopped;	       /* by Swarm, the same */
	bool fresh;
	unsigned failures; /* of all its tasks */
	char why[200];
};
#define SLOTS_MAX 2000

/* What a look finds of a service and its tasks. */
struct tasks {
	const char *service; /* its name */
	bool job, global;
	bool constrained; /* global, on some nodes: */
	bool for_agents;  /* those are, or will be, each agent's */
	char constraints[200];
	bool ends;	   /* its restart policy lets a task end */
	int64_t iteration; /* of a job */
	unsigned says; /* how many there are to be, where nodes do not say */
	const struct nodes *nodes;
	struct slot *slots;
	size_t n_slots;
	unsigned due;		  /* as many as there should be now */
	unsigned wanted, running; /* that should run; that do */
	unsigned fresh;		  /* that do, begun since the change */
	unsigned slots_due; /* that should have a task, or had their last */
	unsigned done;	    /* that have completed, and nobody begins again */
	unsigned fresh_done;
	const struct slot *failed; /* one that failed, the same; NULL: none */
	unsigned failures; /* tasks that did in the slot of a job that had most */
	bool soon;	   /* one that may end did, begun since the change */
	char failure[400]; /* of the newest task that failed */
	char task[128];	   /* which that is, "web.2" */
	char failed_at[40];
	char since[40]; /* the service was changed: failures before are no matter */
	char update[32], message[200]; /* how its update stands */
	int64_t patience_ms;	       /* how long nothing may move */
	int64_t monitor_ms; /* what begins is watched so long, and counts then */
};

static void slot_name(const cJSON *task, char name[40])
{
	int64_t slot = json_int_opt(task, "Slot", 0);

	if (slot > 0)
		snprintf(name, 40, "%lld", (long long)slot);
	else
		snprintf(name, 40, "%s", json_text(task, "NodeID"));
}

static bool has_failed(const char *state)
{
	return str_listed("failed rejected", state);
}

static bool is_due(const char *desired)
{
	return str_listed("ready running complete", desired);
}

/* The slot of that name; NULL: there are too many. */
static struct slot *slot_of(struct tasks *t, const cJSON *task)
{
	char name[40];
	struct slot *s;

	/* those of jobs begin with 0 */
	if (t->global)
		snprintf(name, sizeof(name), "%s", json_text(task, "NodeID"));
	else
		snprintf(name, sizeof(name), "%lld",
			 (long long)json_int_opt(task, "Slot", 0));
	for (size_t i = 0; i < t->n_slots; i++)
		if (strcmp(t->slots[i].name, name) == 0)
			return &t->slots[i];
	if (t->n_slots == SLOTS_MAX)
		return NULL;
	/* doubled whenever it is full, and it is full at powers of two */
	if ((t->n_slots & (t->n_slots - 1)) == 0)
		t->slots = xrealloc(t->slots,
				    (t->n_slots + 1) * 2 * sizeof(*t->slots));
	s = &t->slots[t->n_slots++];
	*s = (struct slot){ .due = false };
	memcpy(s->name, name, sizeof(name));
	return s;
}

/* Keep it if it is the newest of its slot. */
static void take_slot(struct tasks *t, const cJSON *task, const char *state,
		      bool fresh)
{
	const char *created = json_text(task, "CreatedAt"),
		   *desired = json_text(task, "DesiredState");
	struct slot *s = slot_of(t, task);

	if (s == NULL)
		return;
	s->failures += has_failed(state);
	if (strcmp(created, s->created) < 0)
		return;
	snprintf(s->created, sizeof(s->created), "%s", created);
	s->fresh = fresh;
	s->due = is_due(desired);
	s->gone = strcmp(desired, "remove") == 0;
	s->complete = strcmp(state, "complete") == 0;
	s->failed = has_failed(state);
	s->stopped = strcmp(desired, "shutdown") == 0 && !s->complete &&
		     !s->failed;
	snprintf(s->why, sizeof(s->why), "%s", json_text(task, "Status.Err"));
}

/* What a task fails of, "": it does not. */
static const char *failure_of(const struct tasks *t, const cJSON *task)
{
	const char *why = json_text(task, "Status.Err");

	if (json_is(task, "DesiredState", "remove"))
		return "";
	/* what goes back is stopped, and may end as it should then */
	if (*why != '\0' || t->job || t->ends ||
	    !json_is(task, "Status.State", "complete") ||
	    str_starts(str_of(t->update), STR("rollback_")))
		return why;
	return "it ended with exit 0, and is begun again";
}

/* On a node that takes none Swarm leaves what runs, and begins no other. */
static bool is_looked_at(const struct tasks *t, const cJSON *task)
{
	if (t->job && json_int_opt(task, "JobIteration.Index", 0) != t->iteration)
		return false;
	for (size_t i = 0; t->global && i < t->nodes->n; i++)
		if (strcmp(json_text(task, "NodeID"), t->nodes->of[i].id) == 0)
			return true;
	return !t->global;
}

static void take_task(struct tasks *t, const cJSON *task)
{
	const char *state = json_str_opt(task, "Status.State", "");
	const char *why = failure_of(t, task);
	const char *at = json_str_opt(task, "Status.Timestamp", "");
	/* RFC 3339 times of one clock: the later one is the greater text */
	bool fresh = strcmp(json_str_opt(task, "CreatedAt", "~"), t->since) >= 0;
	bool wanted = json_is(task, "DesiredState", "running");
	char slot[40];

	if (!is_looked_at(t, task))
		return;
	if (wanted) {
		t->wanted++;
		t->running += strcmp(state, "running") == 0;
		t->fresh += fresh && strcmp(state, "running") == 0;
	}
	t->soon |= t->ends && fresh && strcmp(state, "complete") == 0;
	take_slot(t, task, state, fresh);
	/* one that waits since before fails now */
	if (*why != '\0' && strcmp(at, t->failed_at) > 0 && (fresh || wanted)) {
		slot_name(task, slot);
		snprintf(t->failed_at, sizeof(t->failed_at), "%s", at);
		snprintf(t->failure, sizeof(t->failure), "%s", why);
		snprintf(t->task, sizeof(t->task), "%s%s%s", t->service,
			 *slot != '\0' ? "." : "", slot);
	}
}

/* What the slots' newest tasks come to. */
static void count_slots(struct tasks *t)
{
	bool ends = t->job || t->ends;

	for (size_t i = 0; i < t->n_slots; i++) {
		const struct slot *s = &t->slots[i];

		if (s->gone)
			continue;
		t->slots_due += s->due || (ends && (s->complete || s->failed));
		t->done += ends && s->complete;
		t->fresh_done += ends && s->complete && s->fresh;
		/* where a constraint forbids it, too, it is stopped */
		if (ends && (s->failed || (s->stopped && !t->constrained)))
			t->failed = s;
		if (t->job && !s->complete && s->failures > t->failures)
			t->failures = s->failures;
	}
}

/* Nodes that a task can be on. */
static int read_nodes(struct docker *d, struct nodes *nodes, struct err *e)
{
	size_t n;

	if (docker_nodes(d, &nodes->of, &n, e) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (nodes->of[i].state == DOCKER_NODE_READY &&
		    nodes->of[i].availability == DOCKER_ACTIVE)
			nodes->of[nodes->n++] = nodes->of[i];
	return 0;
}

/* How many its Spec asks for; a global one follows the nodes. */
static unsigned tasks_said(const cJSON *mode)
{
	int64_t at_once = json_int_opt(mode, "ReplicatedJob.MaxConcurrent", 1);

	return (unsigned)(json_get(mode, "ReplicatedJob") != NULL ?
				  json_int_opt(mode,
					       "ReplicatedJob.TotalCompletions",
					       at_once) :
				  json_int_opt(mode, "Replicated.Replicas", 1));
}

/* How many tasks a service should have now; global ones follow the nodes, and
 * which may have one of somebody's, Swarm knows. */
static unsigned tasks_due(const struct tasks *t)
{
	if (t->constrained)
		return t->slots_due;
	return t->global ? (unsigned)t->nodes->n : t->says;
}

/* Nanoseconds there, as milliseconds. */
static int64_t ms_at(const cJSON *doc, const char *path)
{
	int64_t ns = json_int_opt(doc, path, 0);

	return ns <= 0 ? 0 : ns / 1000000;
}

/* How long nothing may move: what an update waits between two tasks, and what a
 * task may take to be called healthy or to stop, and a while for all else. */
static int64_t patience(const cJSON *spec)
{
	int64_t retries = json_int_opt(
		spec, "TaskTemplate.ContainerSpec.Healthcheck.Retries", 3);
	int64_t ms = ms_at(spec, "UpdateConfig.Delay") +
		     ms_at(spec, "UpdateConfig.Monitor") +
		     ms_at(spec, "TaskTemplate.RestartPolicy.Delay") +
		     ms_at(spec, "TaskTemplate.ContainerSpec.StopGracePeriod") +
		     ms_at(spec,
			   "TaskTemplate.ContainerSpec.Healthcheck.StartPeriod");

	if (retries < 0 || retries > 1000)
		retries = 1000;
	ms += (retries + 1) *
	      (ms_at(spec, "TaskTemplate.ContainerSpec.Healthcheck.Interval") +
	       ms_at(spec, "TaskTemplate.ContainerSpec.Healthcheck.Timeout"));
	return CONVERGE_MS + (ms < PATIENCE_MAX_MS ? ms : PATIENCE_MAX_MS);
}

/* Whether an agent meets it by being one.  Whatever else it asks for may be a
 * slip; what it does not want, a new agent is not. */
static bool is_for_agents(const cJSON *constraint)
{
	static const struct {
		const char *key, *value;
	} agents[] = { { "node.role", "worker" },
		       { "node.platform.os", "linux" } };
	struct str c = str_of(json_text(constraint, ""));
	ptrdiff_t at = str_find(c, STR("=="));
	bool is = at >= 0;
	struct str key, value;

	if (!is && (at = str_find(c, STR("!="))) < 0)
		return false;
	key = str_trim(str_head(c, (size_t)at));
	value = str_trim(str_skip(c, (size_t)at + 2));
	for (size_t i = 0; i < sizeof(agents) / sizeof(*agents); i++)
		if (str_ieqz(key, agents[i].key))
			return str_ieqz(value, agents[i].value) == is;
	return !is;
}

static void take_constraints(struct tasks *t, const cJSON *service)
{
	const cJSON *c;
	size_t n = 0;

	cJSON_ArrayForEach(c, json_at(service,
				      "Spec.TaskTemplate.Placement.Constraints")) {
		t->for_agents = (!t->constrained || t->for_agents) &&
				is_for_agents(c);
		t->constrained = true;
		if (n < sizeof(t->constraints) && cJSON_IsString(c))
			n += (size_t)snprintf(t->constraints + n,
					      sizeof(t->constraints) - n, "%s%s",
					      n > 0 ? ", " : "", c->valuestring);
	}
}

static void take_service(struct tasks *t, const char *name,
			 const struct nodes *nodes, const cJSON *service)
{
	const cJSON *mode = json_at(service, "Spec.Mode");
	const char *started = json_text(service, "UpdateStatus.StartedAt");
	bool made = json_get(service, "PreviousSpec") == NULL;

	*t = (struct tasks){ .service = name, .nodes = nodes };
	t->says = tasks_said(mode);
	t->job = json_get(mode, "ReplicatedJob") != NULL ||
		 json_get(mode, "GlobalJob") != NULL;
	t->global = json_get(mode, "Global") != NULL ||
		    json_get(mode, "GlobalJob") != NULL;
	if (t->global)
		take_constraints(t, service);
	t->iteration = json_int_opt(service, "JobStatus.JobIteration.Index", 0);
	t->ends = json_int_opt(service,
			       "Spec.TaskTemplate.RestartPolicy.MaxAttempts",
			       0) > 0 ||
		  str_listed("none on-failure",
			     json_text(service,
				       "Spec.TaskTemplate.RestartPolicy.Condition"));
	/* what is written about an update later changes the service, too, and
	 * so do the addresses that one gets when its tasks are there */
	snprintf(t->since, sizeof(t->since), "%s",
		 *started != '\0' ?
			 started :
			 json_str_opt(service, made ? "CreatedAt" : "UpdatedAt",
				      json_text(service, "UpdatedAt")));
	snprintf(t->update, sizeof(t->update), "%s",
		 json_text(service, "UpdateStatus.State"));
	snprintf(t->message, sizeof(t->message), "%s",
		 json_text(service, "UpdateStatus.Message"));
	t->patience_ms = patience(json_at(service, "Spec"));
	t->monitor_ms = ms_at(service, "Spec.UpdateConfig.Monitor");
	if (t->monitor_ms == 0)
		t->monitor_ms = MONITOR_MS;
}

static bool is_going_back(const struct tasks *t)
{
	return strcmp(t->update, "rollback_started") == 0;
}

/* Forwards or back. */
static bool is_moving(const struct tasks *t)
{
	return strcmp(t->update, "updating") == 0 || is_going_back(t);
}

/* A cluster may have no agents for a while: then as many tasks run as should. */
static bool waits_for_agents(const struct tasks *t)
{
	if (!t->for_agents || t->due > 0)
		return false;
	for (size_t i = 0; i < t->nodes->n; i++)
		if (!t->nodes->of[i].manager)
			return false;
	return true;
}

static int failed_update(const struct tasks *t, struct err *e)
{
	const char *why = t->failure[0] ? t->failure :
			  t->soon ? "a task that ends within the update's "
				    "monitor counts as failed, with "
				    "exit 0, too" :
				    "";

	return err_set(e, ERR_DOCKER, "its update is %s: %s%s%s", t->update,
		       t->message, *why ? "; " : "", why);
}

/* Whether it has come to what it should be: 1, 0 not yet, -1 it will not. */
static int judge(const struct tasks *t, struct err *e)
{
	/* said when it has ended, so that who reads it finds what was */
	if (is_moving(t))
		return 0;
	/* one that ended so soon as it should is a failure to Swarm */
	if (strcmp(t->update, "paused") == 0 && t->ends && t->due > 0 &&
	    t->fresh_done >= t->due && t->wanted == 0)
		return 1;
	if (strcmp(t->update, "paused") == 0 ||
	    str_starts(str_of(t->update), STR("rollback")))
		return failed_update(t, e);
	if (t->global && t->due == 0)
		return waits_for_agents(t);
	if (t->job)
		return t->done >= t->due;
	if (t->ends)
		return t->running == t->wanted && t->running + t->done >= t->due;
	return t->running == t->due && t->wanted == t->due;
}

/* The failure that was told, and how often it has come since. */
struct told {
	char failure[400], at[40];
	unsigned times;
	bool back; /* that it is rolled back was said */
};

/* The word that *s begins with, or one character of what is between words.
 * What has a digit is a number, or a name that is made up each time. */
static struct str next_piece(struct str *s, bool *number)
{
	struct str piece = *s;

	*number = false;
	for (piece.n = 0; piece.n < s->n && is_alnum(s->p[piece.n]); piece.n++)
		*number |= s->p[piece.n] >= '0' && s->p[piece.n] <= '9';
	if (piece.n == 0)
		piece.n = 1;
	*s = str_skip(*s, piece.n);
	return piece;
}

/* Whether two texts differ in numbers only: a path of a moment, an address. */
static bool same_failure(const char *a, const char *b)
{
	struct str x = str_of(a), y = str_of(b);
	bool x_number, y_number;

	while (x.n > 0 && y.n > 0) {
		struct str p = next_piece(&x, &x_number),
			   q = next_piece(&y, &y_number);

		if (x_number != y_number || (!x_number && !str_eq(p, q)))
			return false;
	}
	return x.n == y.n;
}

static void tell_times(struct session *s, const char *name, const struct told *told)
{
	if (told->times > 1)
		ui_say(s->ui, "service %s: that failure came %u times", name,
		       told->times);
}

/* A failure is told once, and counted from then on. */
static void tell_failure(struct session *s, struct told *told,
			 const struct tasks *t)
{
	if (t->failure[0] == '\0' || strcmp(t->failed_at, told->at) == 0)
		return;
	memcpy(told->at, t->failed_at, sizeof(told->at));
	if (same_failure(t->failure, told->failure)) {
		told->times++;
		return;
	}
	tell_times(s, t->service, told);
	ui_say(s->ui, "service %s: a task failed: %s (%s)", t->service,
	       t->failure, t->task);
	memcpy(told->failure, t->failure, sizeof(told->failure));
	told->times = 1;
}

static void tell_rollback(struct session *s, struct told *told,
			  const struct tasks *t)
{
	if (!told->back && is_going_back(t))
		ui_say(s->ui, "service %s: its update is rolled back: %s",
		       t->service, t->message);
	told->back = is_going_back(t);
}

/* How far a service has come: what only grows while it gets on. */
struct progress {
	unsigned running, fresh, done;
	char update[32];
};

/* A service that is waited for, and what is kept of it from look to look. */
struct watch {
	const char *name;
	bool over;		/* it is as it should be, or will not be */
	bool there;		/* a look found it: */
	char id[DOCKER_ID_MAX]; /* its own, by which its tasks name it */
	struct tasks t;
	struct progress progress;
	struct told told;
	char failed_at[40]; /* the newest failure that was seen */
	/* looks in a row that found it so */
	unsigned settled, ended, nowhere;
};

/* All that are waited for at once. */
struct group {
	const char *label; /* that they have; NULL: it is one alone */
	struct watch *of;
	size_t n, due;	    /* not over */
	struct nodes nodes; /* at a look with a global one */
	int64_t began, now; /* of the session's clock */
	int64_t moved;	    /* since when no progress of any has grown */
	struct err failed;  /* that one does not come to it */
};

/* ---- one look ---- */

static void found(struct group *g, struct watch *w, const cJSON *service)
{
	w->there = true;
	snprintf(w->id, sizeof(w->id), "%s", json_text(service, "ID"));
	take_service(&w->t, w->name, &g->nodes, service);
}

static int take_named(void *ctx, const cJSON *service, struct err *e)
{
	struct group *g = ctx;

	(void)e;
	for (size_t i = 0; i < g->n; i++)
		if (!g->of[i].over && json_is(service, "Spec.Name", g->of[i].name))
			found(g, &g->of[i], service);
	return 0;
}

static int read_services(struct docker *d, struct group *g, struct err *e)
{
	struct buf path = BUF_INIT(1024);
	cJSON *service = NULL;
	int rc;

	if (g->label == NULL) {
		rc = service_get(d, g->of->name, &service, e);
		if (service != NULL)
			found(g, g->of, service);
		json_free(service);
		return rc;
	}
	buf_adds(&path, "/services");
	docker_filter(&path, "label", g->label);
	rc = docker_each(d, path.str, take_named, g, e);
	buf_release(&path);
	return rc;
}

static int take_theirs(void *ctx, const cJSON *task, struct err *e)
{
	struct group *g = ctx;

	(void)e;
	for (size_t i = 0; i < g->n; i++)
		if (g->of[i].there && (g->label == NULL ||
				       json_is(task, "ServiceID", g->of[i].id)))
			take_task(&g->of[i].t, task);
	return 0;
}

/* What a look has in memory. */
static void forget(struct group *g)
{
	for (size_t i = 0; i < g->n; i++) {
		free(g->of[i].t.slots);
		g->of[i].t = (struct tasks){ .service = NULL };
		g->of[i].there = false;
	}
	free(g->nodes.of);
	g->nodes = (struct nodes){ .of = NULL };
}

/* At all that are due: two requests, or three, however many those are.  The
 * caller forgets it. */
static int look(struct docker *d, struct group *g, struct err *e)
{
	struct buf path = BUF_INIT(1024);
	bool there = false, global = false;
	int rc = read_services(d, g, e);

	for (size_t i = 0; i < g->n; i++) {
		there |= g->of[i].there;
		global |= g->of[i].there && g->of[i].t.global;
	}
	buf_adds(&path, "/tasks");
	if (g->label != NULL)
		docker_filter(&path, "label", g->label);
	else
		docker_filter(&path, "service", g->of->name);
	if (rc == 0 && global)
		rc = read_nodes(d, &g->nodes, e);
	if (rc == 0 && there)
		rc = docker_each(d, path.str, take_theirs, g, e);
	for (size_t i = 0; rc == 0 && i < g->n; i++) {
		count_slots(&g->of[i].t);
		g->of[i].t.due = g->of[i].there ? tasks_due(&g->of[i].t) : 0;
	}
	buf_release(&path);
	return rc;
}

/* ---- what it comes to ---- */

static void note_progress(struct group *g, struct watch *w)
{
	struct progress *p = &w->progress;
	const struct tasks *t = &w->t;

	if (t->running <= p->running && t->fresh <= p->fresh &&
	    t->done <= p->done && strcmp(t->update, p->update) == 0)
		return;
	p->running = t->running > p->running ? t->running : p->running;
	p->fresh = t->fresh > p->fresh ? t->fresh : p->fresh;
	p->done = t->done > p->done ? t->done : p->done;
	memcpy(p->update, t->update, sizeof(p->update));
	g->moved = g->now;
}

/* "3 of 4 tasks run", "2 of 5 tasks have completed". */
static char *standing(const struct tasks *t)
{
	if (waits_for_agents(t))
		return xasprintf("no agent takes tasks now (%s); its tasks begin "
				 "when one does",
				 t->constraints);
	if (t->job)
		return xasprintf("%u of %u tasks have completed", t->done, t->due);
	if (t->done > 0)
		return xasprintf("%u of %u tasks run, %u have completed",
				 t->running, t->due, t->done);
	return xasprintf("%u of %u tasks run", t->running, t->due);
}

/* "service web: 3 of 4 tasks run", "2 services: web 3 of 4, db 0 of 1". */
static char *waited_for(const struct group *g)
{
	struct buf b = BUF_INIT(16384);
	const char *mark = "";

	if (g->due > 1)
		buf_addf(&b, "%zu services: ", g->due);
	for (size_t i = 0; i < g->n; i++) {
		const struct tasks *t = &g->of[i].t;
		char *all;

		if (g->of[i].over)
			continue;
		if (g->due > 1) {
			buf_addf(&b, "%s%s %u of %u", mark, g->of[i].name,
				 t->job ? t->done : t->running, t->due);
			mark = ", ";
			continue;
		}
		all = standing(t);
		buf_addf(&b, "service %s: %s", g->of[i].name, all);
		free(all);
	}
	return buf_detach(&b);
}

static int ended(const struct tasks *t, struct err *e)
{
	if (t->failed->failed)
		return err_set(e, ERR_DOCKER,
			       "its task %s.%s failed: %s; by its restart_policy "
			       "no other is begun",
			       t->service, t->failed->name, t->failed->why);
	return err_set(e, ERR_DOCKER,
		       "its task %s.%s was stopped; by its restart_policy no other "
		       "is begun ('docker service update --force' does)",
		       t->service, t->failed->name);
}

static int nowhere(const struct tasks *t, struct err *e)
{
	if (t->nodes->n == 0)
		return err_set(e, ERR_DOCKER,
			       "no node takes tasks: none is Ready and active; its "
			       "tasks begin when one is");
	return err_set(e, ERR_DOCKER,
		       "no node that takes tasks meets its constraints (%s); its "
		       "tasks begin when one does",
		       t->constraints);
}

/* It comes to nothing.  Of a job's tasks Swarm begins others for ever,
 * whatever the restart policy says. */
static int hopeless(struct watch *w, struct err *e)
{
	const struct tasks *t = &w->t;
	bool waits = w->settled == 0 && !is_moving(t);

	/* seen so often that it is no moment between two */
	w->ended = waits && !t->job && t->failed != NULL ? w->ended + 1 : 0;
	w->nowhere = waits && t->global && t->due == 0 ? w->nowhere + 1 : 0;
	if (waits && t->failures >= JOB_FAILURES)
		return err_set(e, ERR_DOCKER,
			       "its tasks failed %u times, the last, %s, of: %s; "
			       "Swarm goes on trying ('azswarm destroy-stack' ends "
			       "it)",
			       t->failures, t->task, t->failure);
	if (w->ended >= ENDED_LOOKS)
		return ended(t, e);
	if (w->nowhere >= NOWHERE_LOOKS)
		return nowhere(t, e);
	return 0;
}

/* What an update began Swarm has watched; what a change began without one we do. */
static unsigned looks_to_settle(const struct tasks *t)
{
	int64_t ms = t->monitor_ms < CONVERGE_MS ? t->monitor_ms : CONVERGE_MS;
	unsigned looks = 1 + (unsigned)(ms / LOOK_MS);

	return t->update[0] != '\0' || t->fresh == 0 || looks < SETTLED_LOOKS ?
		       SETTLED_LOOKS :
		       looks;
}

/* A task that failed since the last look may have another in its place. */
static bool is_settled(struct watch *w, bool fine)
{
	const struct tasks *t = &w->t;

	if (strcmp(t->failed_at, w->failed_at) > 0) {
		fine = false;
		memcpy(w->failed_at, t->failed_at, sizeof(w->failed_at));
	}
	w->settled = fine ? w->settled + 1 : 0;
	return w->settled >= looks_to_settle(t);
}

/* ---- all of them, until none is due ---- */

static void is_over(struct session *s, struct group *g, struct watch *w)
{
	tell_times(s, w->name, &w->told);
	w->told.times = 0;
	w->over = true;
	g->due--;
}

/*
 * It does not come to what it should be.  Said at once while others are still
 * waited for; the last one is the error.  That one may yet come (ERR_TIMEOUT)
 * stays the error, for its update may yet go back.
 */
static void fails(struct session *s, struct group *g, struct watch *w,
		  struct err *why)
{
	bool stays = g->failed.kind == ERR_TIMEOUT && why->kind != ERR_TIMEOUT;

	err_in(why, "service %s", w->name);
	is_over(s, g, w);
	if (stays || g->due > 0)
		ui_say(s->ui, "%s", why->msg);
	if (!stays)
		g->failed = *why;
}

static void comes(struct session *s, struct group *g, struct watch *w)
{
	char *all = standing(&w->t);

	is_over(s, g, w);
	ui_say(s->ui, "service %s: %s", w->name, all);
	free(all);
}

static int take_look(struct session *s, struct group *g, struct watch *w,
		     struct err *e)
{
	int rc = w->there ? judge(&w->t, e) : err_set(e, ERR_DOCKER, "is gone");
	bool settled;

	if (rc < 0)
		return -1;
	settled = is_settled(w, rc == 1);
	note_progress(g, w);
	if (settled) {
		comes(s, g, w);
		return 0;
	}
	if (w->settled == 0)
		tell_failure(s, &w->told, &w->t);
	tell_rollback(s, &w->told, &w->t);
	return hopeless(w, e);
}

/* One may wait for another, so nothing is given up while anything moves. */
static int64_t longest_patience(const struct group *g)
{
	int64_t ms = 0;

	for (size_t i = 0; i < g->n; i++)
		if (!g->of[i].over && g->of[i].t.patience_ms > ms)
			ms = g->of[i].t.patience_ms;
	return ms;
}

static void give_up(struct session *s, struct group *g, struct watch *w,
		    int64_t patience_ms)
{
	struct err why = ERR_INIT;
	char *all = standing(&w->t);

	if (is_going_back(&w->t))
		failed_update(&w->t, &why);
	err_set(&why, ERR_TIMEOUT, "%s, and nothing has moved for %d minutes%s%s",
		all, (int)(patience_ms / 60000),
		w->t.failure[0] ? "; the last that failed: " : "", w->t.failure);
	fails(s, g, w, &why);
	free(all);
}

/* After a look: what is over, what is given up; and until the next one. */
static int go_on(struct session *s, struct group *g, struct err *e)
{
	int64_t patience_ms;
	char *what;
	int rc;

	for (size_t i = 0; i < g->n; i++) {
		struct err why = ERR_INIT;

		if (!g->of[i].over && take_look(s, g, &g->of[i], &why) < 0)
			fails(s, g, &g->of[i], &why);
	}
	patience_ms = longest_patience(g);
	for (size_t i = 0; g->now - g->moved > patience_ms && i < g->n; i++)
		if (!g->of[i].over)
			give_up(s, g, &g->of[i], patience_ms);
	if (g->due == 0)
		return 0;
	what = waited_for(g);
	rc = s->az.clock.wait(s->az.clock.ctx, g->now + LOOK_MS, what, g->began,
			      e);
	free(what);
	return rc;
}

/* The Engine is asked no more: what stops all of it at once. */
static int stops(struct group *g, struct err *e)
{
	for (size_t i = 0; g->due == 1 && i < g->n; i++)
		if (!g->of[i].over)
			return err_in(e, "service %s", g->of[i].name);
	return err_in(e, "waiting for %zu services", g->due);
}

static int converge(struct session *s, struct docker *d, struct group *g,
		    struct err *e)
{
	struct err why = ERR_INIT;
	int rc = 0;

	g->began = g->moved = s->az.clock.now(s->az.clock.ctx);
	g->due = g->n;
	while (rc == 0 && g->due > 0) {
		rc = look(d, g, &why);
		g->now = s->az.clock.now(s->az.clock.ctx);
		if (rc == 0)
			rc = go_on(s, g, &why);
		forget(g);
	}
	for (size_t i = 0; i < g->n; i++)
		tell_times(s, g->of[i].name, &g->of[i].told);
	if (rc < 0)
		stops(g, &why);
	*e = rc < 0 ? why : g->failed;
	return e->kind == ERR_NONE ? 0 : -1;
}

int service_converge(struct session *s, struct docker *d, const char *name,
		     struct err *e)
{
	struct watch one = { .name = name };
	struct group g = { .of = &one, .n = 1 };

	return s->no_wait ? 0 : converge(s, d, &g, e);
}

int service_converge_all(struct session *s, struct docker *d,
			 const cJSON *specs, const char *label, struct err *e)
{
	struct group g = { .label = label };
	const cJSON *spec;
	int rc;

	if (s->no_wait)
		return 0;
	g.of = xcalloc((size_t)cJSON_GetArraySize(specs) + 1, sizeof(*g.of));
	cJSON_ArrayForEach(spec, specs)
		g.of[g.n++].name = json_text(spec, "Name");
	rc = converge(s, d, &g, e);
	free(g.of);
	return rc;
}

/* ---- where it is to be seen ---- */

char *service_url(const char *host, int64_t port)
{
	return port == 80  ? xasprintf("http://%s/", host) :
	       port == 443 ? xasprintf("https://%s/", host) :
			     xasprintf("http://%s:%lld/", host, (long long)port);
}

int service_print_urls(struct session *s, const cJSON *urls, struct err *e)
{
	static const char *const columns[] = { "url", NULL };
	struct listing t;
	const cJSON *url;
	int rc = 0;

	ui_clear(s->ui);
	listing_init(&t, columns);
	cJSON_ArrayForEach(url, urls) {
		if (s->ui->format == UI_TABLE)
			fprintf(s->ui->out, "%s\n", url->valuestring);
		listing_row(&t);
		listing_cell(&t, "%s", url->valuestring);
	}
	if (s->ui->format != UI_TABLE)
		rc = listing_print(&t, s->ui, e);
	listing_release(&t);
	return rc;
}
