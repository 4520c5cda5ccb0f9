/*
 * A service of the cluster's Engine: asked for, changed, and waited for until
 * its tasks run; what a task fails of is told in its own words.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
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

struct tasks {
	const char *service; /* its name */
	bool job, global;
	bool constrained; /* global, on some nodes: */
	char constraints[200];
	bool ends;		   /* its restart policy lets a task end */
	int64_t iteration;	   /* of a job */
	struct docker_node *nodes; /* of a global one: that take tasks */
	size_t n_nodes;
	struct slot *slots;
	size_t n_slots;
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
	if (t->slots == NULL)
		t->slots = xcalloc(SLOTS_MAX, sizeof(*t->slots));
	s = &t->slots[t->n_slots++];
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
	for (size_t i = 0; t->global && i < t->n_nodes; i++)
		if (strcmp(json_text(task, "NodeID"), t->nodes[i].id) == 0)
			return true;
	return !t->global;
}

static int take_task(void *ctx, const cJSON *task, struct err *e)
{
	struct tasks *t = ctx;
	const char *state = json_str_opt(task, "Status.State", "");
	const char *why = failure_of(t, task);
	const char *at = json_str_opt(task, "Status.Timestamp", "");
	/* RFC 3339 times of one clock: the later one is the greater text */
	bool fresh = strcmp(json_str_opt(task, "CreatedAt", "~"), t->since) >= 0;
	bool wanted = json_is(task, "DesiredState", "running");
	char slot[40];

	(void)e;
	if (!is_looked_at(t, task))
		return 0;
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
	return 0;
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
static int read_nodes(struct docker *d, struct tasks *t, struct err *e)
{
	size_t n;

	if (docker_nodes(d, &t->nodes, &n, e) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (t->nodes[i].state == DOCKER_NODE_READY &&
		    t->nodes[i].availability == DOCKER_ACTIVE)
			t->nodes[t->n_nodes++] = t->nodes[i];
	return 0;
}

/* How many tasks a service should have now; global ones follow the nodes, and
 * which may have one of somebody's, Swarm knows. */
static unsigned wanted_tasks(const struct tasks *t, const cJSON *service)
{
	const cJSON *mode = json_at(service, "Spec.Mode");
	int64_t at_once = json_int_opt(mode, "ReplicatedJob.MaxConcurrent", 1);

	if (t->constrained)
		return t->slots_due;
	if (t->global)
		return (unsigned)t->n_nodes;
	return (unsigned)(json_get(mode, "ReplicatedJob") != NULL ?
				  json_int_opt(mode,
					       "ReplicatedJob.TotalCompletions",
					       at_once) :
				  json_int_opt(mode, "Replicated.Replicas", 1));
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

static void take_constraints(struct tasks *t, const cJSON *service)
{
	const cJSON *c;
	size_t n = 0;

	cJSON_ArrayForEach(c, json_at(service,
				      "Spec.TaskTemplate.Placement.Constraints")) {
		t->constrained = true;
		if (n < sizeof(t->constraints) && cJSON_IsString(c))
			n += (size_t)snprintf(t->constraints + n,
					      sizeof(t->constraints) - n, "%s%s",
					      n > 0 ? ", " : "", c->valuestring);
	}
}

static void begin_look(struct tasks *t, const char *name, const cJSON *service)
{
	const cJSON *mode = json_at(service, "Spec.Mode");
	const char *started = json_text(service, "UpdateStatus.StartedAt");
	bool made = json_get(service, "PreviousSpec") == NULL;

	*t = (struct tasks){ .service = name };
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
static int judge(const struct tasks *t, unsigned wanted, struct err *e)
{
	/* said when it has ended, so that who reads it finds what was */
	if (is_moving(t))
		return 0;
	/* one that ended so soon as it should is a failure to Swarm */
	if (strcmp(t->update, "paused") == 0 && t->ends && wanted > 0 &&
	    t->fresh_done >= wanted && t->wanted == 0)
		return 1;
	if (strcmp(t->update, "paused") == 0 ||
	    str_starts(str_of(t->update), STR("rollback")))
		return failed_update(t, e);
	if (t->global && wanted == 0)
		return 0;
	if (t->job)
		return t->done >= wanted;
	if (t->ends)
		return t->running == t->wanted && t->running + t->done >= wanted;
	return t->running == wanted && t->wanted == wanted;
}

/* What a look has in memory. */
static void forget(struct tasks *t)
{
	free(t->slots);
	free(t->nodes);
	t->slots = NULL;
	t->nodes = NULL;
}

/* One look at a service: 1 when it is as it should be, 0 not yet, -1.  The
 * caller forgets t. */
static int look(struct docker *d, const char *name, struct tasks *t,
		unsigned *wanted, struct err *e)
{
	struct buf path = BUF_INIT(1024);
	cJSON *service = NULL;
	int rc = -1;

	*t = (struct tasks){ .service = name };
	if (service_get(d, name, &service, e) < 0)
		goto out;
	if (service == NULL) {
		err_set(e, ERR_DOCKER, "is gone");
		goto out;
	}
	begin_look(t, name, service);
	buf_adds(&path, "/tasks");
	docker_filter(&path, "service", name);
	if ((t->global && read_nodes(d, t, e) < 0) ||
	    docker_each(d, path.str, take_task, t, e) < 0)
		goto out;
	count_slots(t);
	*wanted = wanted_tasks(t, service);
	rc = judge(t, *wanted, e);
out:
	json_free(service);
	buf_release(&path);
	return rc;
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
	int64_t at_ms; /* since when nothing has grown */
};

static void note_progress(struct progress *p, const struct tasks *t)
{
	if (t->running <= p->running && t->fresh <= p->fresh &&
	    t->done <= p->done && strcmp(t->update, p->update) == 0)
		return;
	p->running = t->running > p->running ? t->running : p->running;
	p->fresh = t->fresh > p->fresh ? t->fresh : p->fresh;
	p->done = t->done > p->done ? t->done : p->done;
	memcpy(p->update, t->update, sizeof(p->update));
	p->at_ms = now_ms();
}

/* "service web: 3 of 4 tasks run", "2 of 5 tasks have completed". */
static char *standing(const struct tasks *t, unsigned wanted)
{
	if (t->job)
		return xasprintf("service %s: %u of %u tasks have completed",
				 t->service, t->done, wanted);
	if (t->done > 0)
		return xasprintf("service %s: %u of %u tasks run, %u have completed",
				 t->service, t->running, wanted, t->done);
	return xasprintf("service %s: %u of %u tasks run", t->service,
			 t->running, wanted);
}

/* What is kept from look to look. */
struct watch {
	int64_t began;
	struct progress progress;
	struct told told;
	char failed_at[40]; /* the newest failure that was seen */
	/* looks in a row that found it so */
	unsigned settled, ended, nowhere;
};

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
	if (t->n_nodes == 0)
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
static int hopeless(const struct tasks *t, unsigned wanted, struct watch *w,
		    struct err *e)
{
	bool waits = w->settled == 0 && !is_moving(t);

	/* seen so often that it is no moment between two */
	w->ended = waits && !t->job && t->failed != NULL ? w->ended + 1 : 0;
	w->nowhere = waits && t->global && wanted == 0 ? w->nowhere + 1 : 0;
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

static int give_up(const struct tasks *t, const char *what, struct err *e)
{
	if (is_going_back(t))
		return failed_update(t, e);
	return err_set(e, ERR_TIMEOUT,
		       "%s, and nothing has moved for %d minutes%s%s",
		       what + strlen("service : ") + strlen(t->service),
		       (int)(t->patience_ms / 60000),
		       t->failure[0] ? "; the last that failed: " : "",
		       t->failure);
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
static bool is_settled(struct watch *w, const struct tasks *t, bool fine)
{
	if (strcmp(t->failed_at, w->failed_at) > 0) {
		fine = false;
		memcpy(w->failed_at, t->failed_at, sizeof(w->failed_at));
	}
	w->settled = fine ? w->settled + 1 : 0;
	return w->settled >= looks_to_settle(t);
}

/* Until the next look; -1: there is no need of one. */
static int go_on(struct session *s, struct watch *w, const struct tasks *t,
		 unsigned wanted, const char *what, struct err *e)
{
	if (w->settled == 0)
		tell_failure(s, &w->told, t);
	tell_rollback(s, &w->told, t);
	if (hopeless(t, wanted, w, e) < 0)
		return -1;
	if (now_ms() - w->progress.at_ms > t->patience_ms)
		return give_up(t, what, e);
	return s->az.clock.wait(s->az.clock.ctx, now_ms() + LOOK_MS, what,
				w->began, e);
}

int service_converge(struct session *s, struct docker *d, const char *name,
		     struct err *e)
{
	int64_t began = now_ms();
	struct watch w = { .began = began, .progress.at_ms = began };
	struct tasks t = { .service = name };
	unsigned wanted = 0;
	bool settled = false;
	int rc = 0;

	if (s->no_wait)
		return 0;
	while (rc >= 0 && !settled && (rc = look(d, name, &t, &wanted, e)) >= 0) {
		char *what = standing(&t, wanted);

		settled = is_settled(&w, &t, rc == 1);
		note_progress(&w.progress, &t);
		if (settled) {
			tell_times(s, name, &w.told);
			w.told.times = 0;
			ui_say(s->ui, "%s", what);
		} else {
			rc = go_on(s, &w, &t, wanted, what, e);
		}
		free(what);
		forget(&t);
	}
	forget(&t);
	tell_times(s, name, &w.told);
	return rc < 0 ? err_in(e, "service %s", name) : 0;
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
