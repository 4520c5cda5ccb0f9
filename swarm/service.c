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
#define JOB_FAILURES 5
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
	bool complete, failed; /* it is, and nobody begins another */
	char why[200];
};
#define SLOTS_MAX 2000

struct tasks {
	const char *service; /* its name */
	bool job;
	bool ends;	   /* its restart policy lets a task end */
	int64_t iteration; /* of a job */
	struct slot *slots;
	size_t n_slots;
	unsigned wanted, running; /* that should run; that do */
	unsigned fresh;		  /* that do, begun since the change */
	unsigned done; /* that have completed, and nobody begins again */
	const struct slot *failed; /* one that failed, the same; NULL: none */
	unsigned lost;		   /* how many did */
	unsigned failures;	   /* tasks of a job that did */
	char failure[400];	   /* of the newest task that failed */
	char task[128];		   /* which that is, "web.2" */
	char failed_at[40];
	char since[40]; /* the service was changed: failures before are no matter */
	char update[32], message[200]; /* how its update stands */
	int64_t patience_ms;	       /* how long nothing may move */
};

static void slot_name(const cJSON *task, char name[40])
{
	int64_t slot = json_int_opt(task, "Slot", 0);

	if (slot > 0)
		snprintf(name, 40, "%lld", (long long)slot);
	else
		snprintf(name, 40, "%s", json_text(task, "NodeID"));
}

static bool is_any(const char *word, const char *const *words)
{
	for (; *words != NULL; words++)
		if (strcmp(word, *words) == 0)
			return true;
	return false;
}

static bool has_failed(const char *state)
{
	static const char *const failed[] = { "failed", "rejected", NULL };

	return is_any(state, failed);
}

/* Keep it if it is the newest of its slot. */
static void take_slot(struct tasks *t, const cJSON *task, const char *state)
{
	const char *created = json_text(task, "CreatedAt");
	char name[40];
	struct slot *s = NULL;

	slot_name(task, name);
	for (size_t i = 0; s == NULL && i < t->n_slots; i++)
		if (strcmp(t->slots[i].name, name) == 0)
			s = &t->slots[i];
	if (s == NULL && t->n_slots < SLOTS_MAX) {
		if (t->slots == NULL)
			t->slots = xcalloc(SLOTS_MAX, sizeof(*t->slots));
		s = &t->slots[t->n_slots++];
		memcpy(s->name, name, sizeof(name));
	}
	if (s == NULL || strcmp(created, s->created) < 0)
		return;
	snprintf(s->created, sizeof(s->created), "%s", created);
	s->complete = strcmp(state, "complete") == 0;
	s->failed = has_failed(state);
	snprintf(s->why, sizeof(s->why), "%s", json_text(task, "Status.Err"));
}

static int take_task(void *ctx, const cJSON *task, struct err *e)
{
	struct tasks *t = ctx;
	const char *state = json_str_opt(task, "Status.State", "");
	const char *why = json_str_opt(task, "Status.Err", "");
	const char *at = json_str_opt(task, "Status.Timestamp", "");
	/* RFC 3339 times of one clock: the later one is the greater text */
	bool fresh = strcmp(json_str_opt(task, "CreatedAt", "~"), t->since) >= 0;
	char slot[40];

	(void)e;
	if (t->job && json_int_opt(task, "JobIteration.Index", 0) != t->iteration)
		return 0;
	if (strcmp(json_str_opt(task, "DesiredState", ""), "running") == 0) {
		t->wanted++;
		t->running += strcmp(state, "running") == 0;
		t->fresh += fresh && strcmp(state, "running") == 0;
	}
	t->failures += t->job && has_failed(state);
	if (t->job || t->ends)
		take_slot(t, task, state);
	if (*why != '\0' && strcmp(at, t->failed_at) > 0 && fresh) {
		slot_name(task, slot);
		snprintf(t->failed_at, sizeof(t->failed_at), "%s", at);
		snprintf(t->failure, sizeof(t->failure), "%s", why);
		snprintf(t->task, sizeof(t->task), "%s%s%s", t->service,
			 *slot != '\0' ? "." : "", slot);
	}
	return 0;
}

/* Of slots whose newest task has ended, and is the last. */
static void count_ended(struct tasks *t, unsigned wanted)
{
	for (size_t i = 0; i < t->n_slots; i++) {
		uint64_t slot;

		/* from when there were to be more */
		if (!t->job &&
		    str_num(str_of(t->slots[i].name), UINT64_MAX, &slot) &&
		    slot > wanted)
			continue;
		t->done += t->slots[i].complete;
		if (!t->slots[i].failed)
			continue;
		t->failed = &t->slots[i];
		t->lost++;
	}
}

/* Nodes that a task can be on. */
static int count_nodes(struct docker *d, unsigned *n, struct err *e)
{
	struct docker_node *nodes;
	size_t count;

	if (docker_nodes(d, &nodes, &count, e) < 0)
		return -1;
	*n = 0;
	for (size_t i = 0; i < count; i++)
		*n += nodes[i].state == DOCKER_NODE_READY &&
		      nodes[i].availability == DOCKER_ACTIVE;
	free(nodes);
	return 0;
}

/* How many tasks a service should have now; global ones follow the nodes. */
static int wanted_tasks(struct docker *d, const cJSON *service, unsigned *n,
			struct err *e)
{
	const cJSON *mode = json_at(service, "Spec.Mode");
	int64_t at_once = json_int_opt(mode, "ReplicatedJob.MaxConcurrent", 1);

	if (json_get(mode, "Global") != NULL || json_get(mode, "GlobalJob") != NULL)
		return count_nodes(d, n, e);
	*n = (unsigned)(json_get(mode, "ReplicatedJob") != NULL ?
				json_int_opt(mode, "ReplicatedJob.TotalCompletions",
					     at_once) :
				json_int_opt(mode, "Replicated.Replicas", 1));
	return 0;
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

static void begin_look(struct tasks *t, const char *name, const cJSON *service)
{
	static const char *const ends[] = { "none", "on-failure", NULL };
	const cJSON *mode = json_at(service, "Spec.Mode");
	const char *started = json_text(service, "UpdateStatus.StartedAt");

	*t = (struct tasks){ .service = name };
	t->job = json_get(mode, "ReplicatedJob") != NULL ||
		 json_get(mode, "GlobalJob") != NULL;
	t->iteration = json_int_opt(service, "JobStatus.JobIteration.Index", 0);
	t->ends = json_int_opt(service,
			       "Spec.TaskTemplate.RestartPolicy.MaxAttempts",
			       0) > 0 ||
		  is_any(json_text(service,
				   "Spec.TaskTemplate.RestartPolicy.Condition"),
			 ends);
	/* what is written about an update later changes the service, too */
	snprintf(t->since, sizeof(t->since), "%s",
		 *started != '\0' ? started : json_text(service, "UpdatedAt"));
	snprintf(t->update, sizeof(t->update), "%s",
		 json_text(service, "UpdateStatus.State"));
	snprintf(t->message, sizeof(t->message), "%s",
		 json_text(service, "UpdateStatus.Message"));
	t->patience_ms = patience(json_at(service, "Spec"));
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
	return err_set(e, ERR_DOCKER, "its update is %s: %s%s%s", t->update,
		       t->message, t->failure[0] ? "; " : "", t->failure);
}

/* Whether it has come to what it should be: 1, 0 not yet, -1 it will not. */
static int judge(const struct tasks *t, unsigned wanted, struct err *e)
{
	/* said when it has ended, so that who reads it finds what was */
	if (is_moving(t))
		return 0;
	if (strcmp(t->update, "paused") == 0 ||
	    str_starts(str_of(t->update), STR("rollback")))
		return failed_update(t, e);
	if (t->job)
		return t->done >= wanted;
	if (t->ends)
		return t->running == t->wanted && t->running + t->done >= wanted;
	return t->running == wanted && t->wanted == wanted;
}

/* One look at a service: 1 when it is as it should be, 0 not yet, -1.
 * t->slots is the caller's to free. */
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
	if (wanted_tasks(d, service, wanted, e) < 0 ||
	    docker_each(d, path.str, take_task, t, e) < 0)
		goto out;
	count_ended(t, *wanted);
	/* which nodes may have one of somebody's, Swarm knows */
	if ((json_at(service, "Spec.Mode.Global") != NULL ||
	     json_at(service, "Spec.Mode.GlobalJob") != NULL) &&
	    json_at(service, "Spec.TaskTemplate.Placement.Constraints[0]") != NULL)
		*wanted = t->wanted + t->done + t->lost;
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

/* It comes to nothing.  Of a job's tasks Swarm begins others for ever,
 * whatever the restart policy says. */
static int ended(const struct tasks *t, unsigned *seen, struct err *e)
{
	if (t->job && t->failures >= JOB_FAILURES)
		return err_set(e, ERR_DOCKER,
			       "its tasks failed %u times, the last, %s, of: %s; "
			       "Swarm goes on trying ('azswarm destroy-stack' ends "
			       "it)",
			       t->failures, t->task, t->failure);
	/* seen so often that it is no moment between two */
	*seen = !t->job && t->failed != NULL && !is_moving(t) ? *seen + 1 : 0;
	if (*seen < ENDED_LOOKS)
		return 0;
	return err_set(e, ERR_DOCKER,
		       "its task %s.%s failed: %s; by its restart_policy no other "
		       "is begun",
		       t->service, t->failed->name, t->failed->why);
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

/* What is kept from look to look. */
struct watch {
	int64_t began;
	struct progress progress;
	struct told told;
	unsigned settled, ended; /* looks in a row that found it so */
};

/* Until the next look; -1: there is no need of one. */
static int go_on(struct session *s, struct watch *w, const struct tasks *t,
		 const char *what, struct err *e)
{
	if (w->settled == 0)
		tell_failure(s, &w->told, t);
	tell_rollback(s, &w->told, t);
	if (ended(t, &w->ended, e) < 0)
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
	int rc = 0;

	if (s->no_wait)
		return 0;
	while (rc >= 0 && w.settled < SETTLED_LOOKS &&
	       (rc = look(d, name, &t, &wanted, e)) >= 0) {
		char *what = standing(&t, wanted);

		w.settled = rc == 1 ? w.settled + 1 : 0;
		note_progress(&w.progress, &t);
		if (w.settled == SETTLED_LOOKS) {
			tell_times(s, name, &w.told);
			w.told.times = 0;
			ui_say(s->ui, "%s", what);
		} else {
			rc = go_on(s, &w, &t, what, e);
		}
		free(what);
		free(t.slots);
		t.slots = NULL;
	}
	free(t.slots);
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
