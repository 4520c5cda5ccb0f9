/*
 * The monitor.  One thread reads the engine, another listens to its events so
 * that the first reads soon when something happens, and a third asks the
 * nodes' agents for figures; every watcher has a thread that waits for news
 * and sends them.  Each piece of news is text, made once, and only the newest
 * is kept: who has not been told of the one before gets the whole.
 */
#include "node/monitor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/asset.h"
#include "base/clock.h"
#include "base/net.h"
#include "base/time.h"
#include "docker/docker.h"
#include "http.h"
#include "http/plain.h"
#include "node/daemon.h"
#include "node/figures.h"
#include "node/layout.h"
#include "node/timeline.h"
#include "node/trend.h"

#define CONNS_MAX (MONITOR_CLIENTS_MAX + 32)
#define IDLE_MS 10000 /* also: how long a watcher may take nothing */
#define TAKE_MS 60000 /* how long it may take for one piece of news */
#define PIECE (64u << 10)
#define STACK (128u << 10)
#define ENGINE_MS 10000
#define SOON_MS 1000	 /* between two readings, at least */
#define ANYWAY_MS 5000	 /* at most */
#define EVENTS_MS 600000 /* one connection for events; then another */
#define BEAT_S 15	 /* a sign of life to watchers */
#define FAILED_S 300	 /* for how long a failure is told */
#define SERVICES_MAX 2000
#define NAMES_MAX (64u << 10)
#define ASKERS_MAX 4		  /* agents asked at once */
#define ASK_MS 2000		  /* for one of them to answer */
#define HAPPENED_MAX (256u << 10) /* the whole timeline, as JSON */

/* ---- what is shown --------------------------------------------------------- */

void monitor_view_init(struct monitor_view *v, int64_t now)
{
	*v = (struct monitor_view){ .now = now };
	rows_init(&v->nodes, MONITOR_STATE_MAX / 4);
	rows_init(&v->services_rows, MONITOR_STATE_MAX / 4);
	rows_init(&v->tasks, MONITOR_STATE_MAX / 2);
	buf_init(&v->names, NAMES_MAX);
}

void monitor_view_release(struct monitor_view *v)
{
	rows_release(&v->nodes);
	rows_release(&v->services_rows);
	rows_release(&v->tasks);
	buf_release(&v->names);
	free(v->services);
	free(v->table);
	free(v->list);
	v->services = NULL;
	v->table = NULL;
	v->list = NULL;
}

/* Whether an array of n elements is full: it has room for 1, 3, 7, ... */
static bool is_full(size_t n)
{
	return (n & (n + 1)) == 0;
}

static void member(struct buf *b, const char *name, struct str v)
{
	struct buf clean = BUF_INIT(v.n);

	if (b->str[b->n - 1] != '{')
		buf_addc(b, ',');
	/* a page obeys a bidirectional override as a terminal does */
	buf_add_clean(&clean, v);
	buf_addf(b, "\"%s\":\"", name);
	buf_add_json(b, buf_str(&clean));
	buf_addc(b, '"');
	buf_release(&clean);
}

static void number(struct buf *b, const char *name, int64_t v)
{
	if (b->str[b->n - 1] != '{')
		buf_addc(b, ',');
	buf_addf(b, "\"%s\":%lld", name, (long long)v);
}

/* The text at path, at most max bytes of it. */
static struct str at(const cJSON *doc, const char *path, size_t max)
{
	return str_head(str_of(json_str_opt(doc, path, "")), max);
}

/* Sorted by nothing: a cluster has few, and each is looked up once a task. */
static struct monitor_view_service *service_of(struct monitor_view *v,
					       struct str id)
{
	struct monitor_view_service *s;

	for (size_t i = 0; i < v->n_services; i++)
		if (str_eqz(id, v->services[i].id))
			return &v->services[i];
	if (v->n_services >= SERVICES_MAX || id.n == 0 || id.n >= sizeof(s->id))
		return NULL;
	if (is_full(v->n_services))
		v->services = xrealloc(v->services,
				       (2 * v->n_services + 1) * sizeof(*s));
	s = &v->services[v->n_services++];
	*s = (struct monitor_view_service){ .running = 0 };
	memcpy(s->id, id.p, id.n);
	return s;
}

static bool is_any(struct str s, const char *list)
{
	struct str rest = str_of(list), word;

	while (str_next(&rest, ' ', &word))
		if (str_eq(s, word))
			return true;
	return false;
}

static void task_failed(struct monitor_view *v, struct monitor_view_service *s,
			const cJSON *task)
{
	struct str why = at(task, "Status.Err", sizeof(s->failure) - 1);
	int64_t when;

	if (!time_parse_iso(at(task, "Status.Timestamp", 64), &when) ||
	    when <= s->failed_at || when + FAILED_S < v->now)
		return;
	s->failed_at = when;
	if (why.n == 0)
		why = str_of("a task failed");
	memcpy(s->failure, why.p, why.n);
	s->failure[why.n] = '\0';
}

static void copy_to(char *to, size_t size, struct str s)
{
	s = str_whole(str_head(s, size - 1));
	if (s.n > 0)
		memcpy(to, s.p, s.n);
	to[s.n] = '\0';
}

static void task_runs(struct monitor_view *v, const cJSON *task, size_t service)
{
	struct monitor_view_task *t;

	if (is_full(v->n_list))
		v->list = xrealloc(v->list, (2 * v->n_list + 1) * sizeof(*t));
	t = &v->list[v->n_list++];
	t->service = (unsigned)service;
	copy_to(t->id, sizeof(t->id), at(task, "ID", 31));
	copy_to(t->node, sizeof(t->node), at(task, "NodeID", 31));
	copy_to(t->container, sizeof(t->container),
		at(task, "Status.ContainerStatus.ContainerID", 32));
}

/*
 * Shown is what shall run, and what still does although it shall not.  The
 * rest is history: of that only failures count, once per service.
 */
int monitor_view_task(void *ctx, const cJSON *task, struct err *e)
{
	struct monitor_view *v = ctx;
	struct str state = at(task, "Status.State", 32),
		   desired = at(task, "DesiredState", 32);
	struct monitor_view_service *s = service_of(v, at(task, "ServiceID", 32));
	bool ended = is_any(state,
			    "complete shutdown failed rejected remove orphaned");
	bool wanted = is_any(desired, "running ready accepted complete");
	struct buf *b = &v->tasks.text;

	if (s == NULL)
		return 0;
	if (is_any(state, "failed rejected"))
		task_failed(v, s, task);
	if (str_eqz(desired, "running"))
		s->desired++;
	if (wanted && str_eqz(state, "running"))
		s->running++;
	if (ended)
		return 0;
	if (++v->n_tasks > MONITOR_TASKS_MAX)
		return err_set(e, ERR_DATA, "more than %d tasks",
			       MONITOR_TASKS_MAX);
	if (str_eqz(state, "running"))
		task_runs(v, task, (size_t)(s - v->services));
	v->restless |= !wanted || !str_eqz(state, "running");
	rows_next(&v->tasks);
	member(b, "id", at(task, "ID", 32));
	member(b, "service", str_of(s->id));
	number(b, "slot", json_int_opt(task, "Slot", 0));
	member(b, "node", at(task, "NodeID", 32));
	member(b, "state", wanted ? state : STR("stopping"));
	/* why it is where it is: "no suitable node" */
	if (!str_eqz(state, "running") && at(task, "Status.Err", 1).n > 0)
		member(b, "why", at(task, "Status.Err", 160));
	buf_addc(b, '}');
	return buf_check(b, "the list of tasks", e);
}

int monitor_view_node(void *ctx, const cJSON *node, struct err *e)
{
	struct monitor_view *v = ctx;
	struct str addr = at(node, "Status.Addr", 64),
		   manager = at(node, "ManagerStatus.Addr", 64),
		   name = at(node, "Description.Hostname", 64);
	struct err unreadable = ERR_INIT;
	struct docker_node *row;
	struct buf *b = &v->nodes.text;
	ptrdiff_t colon = str_rchr(manager, ':');

	/* a manager may see itself at 0.0.0.0 or 127.0.0.1 */
	if (colon > 0 && (addr.n == 0 || str_eqz(addr, "0.0.0.0") ||
			  str_starts(addr, STR("127."))))
		addr = str_head(manager, (size_t)colon);
	if (is_full(v->n_table))
		v->table = xrealloc(v->table, (2 * v->n_table + 1) * sizeof(*row));
	row = &v->table[v->n_table];
	if (v->n_table < DOCKER_NODES_MAX &&
	    docker_node_read(node, row, &unreadable) == 0) {
		copy_to(row->addr, sizeof(row->addr), addr);
		v->n_table++;
	}
	rows_next(&v->nodes);
	member(b, "id", at(node, "ID", 32));
	member(b, "name", name);
	/* a name with a blank in it would be two */
	if (str_chr(name, ' ') < 0)
		buf_addf(&v->names, "%.*s ", STR_ARG(name));
	member(b, "role", at(node, "Spec.Role", 16));
	buf_addf(b, ",\"leader\":%s",
		 json_bool_opt(node, "ManagerStatus.Leader", false) ? "true" :
								      "false");
	member(b, "reachability", at(node, "ManagerStatus.Reachability", 16));
	member(b, "state", at(node, "Status.State", 16));
	member(b, "availability", at(node, "Spec.Availability", 16));
	member(b, "address", addr);
	member(b, "engine", at(node, "Description.Engine.EngineVersion", 32));
	number(b, "memory",
	       json_int_opt(node, "Description.Resources.MemoryBytes", 0));
	number(b, "cpus",
	       json_int_opt(node, "Description.Resources.NanoCPUs", 0) /
		       1000000000);
	buf_addc(b, '}');
	v->restless |= !str_eqz(at(node, "Status.State", 16), "ready");
	return buf_check(b, "the list of nodes", e);
}

static int64_t clamp(int64_t v, int64_t max)
{
	return v < 0 ? 0 : v > max ? max : v;
}

int monitor_view_service(void *ctx, const cJSON *service, struct err *e)
{
	struct monitor_view *v = ctx;
	struct monitor_view_service *s = service_of(v, at(service, "ID", 32));
	struct str image = at(service, "Spec.TaskTemplate.ContainerSpec.Image",
			      200),
		   name;
	const cJSON *mode = json_at(service, "Spec.Mode"), *ports, *port;
	struct buf *b = &v->services_rows.text;
	const char *sep = "";

	if (s == NULL)
		return 0;
	/* for a global one, as many as the swarm wants to have there by now */
	s->replicated = json_get(mode, "Replicated") != NULL;
	s->desired = (unsigned)clamp(json_int_opt(service,
						  "Spec.Mode.Replicated.Replicas",
						  s->desired),
				     MONITOR_TASKS_MAX);
	copy_to(s->name, sizeof(s->name), at(service, "Spec.Name", 63));
	copy_to(s->update, sizeof(s->update),
		at(service, "UpdateStatus.State", 31));
	if (!str_cut(&image, '@', &name))
		name = image;
	rows_next(&v->services_rows);
	member(b, "id", str_of(s->id));
	member(b, "name", at(service, "Spec.Name", 64));
	member(b, "mode",
	       json_get(mode, "Global") != NULL	    ? STR("global") :
	       json_get(mode, "Replicated") != NULL ? STR("replicated") :
						      STR("job"));
	number(b, "desired", s->desired);
	number(b, "running", s->running);
	member(b, "image", name);
	member(b, "update", at(service, "UpdateStatus.State", 32));
	buf_adds(b, ",\"ports\":[");
	ports = json_at(service, "Endpoint.Ports");
	cJSON_ArrayForEach(port, ports) {
		int64_t n = json_int_opt(port, "PublishedPort", 0);

		if (n < 1 || n > 65535 || b->over)
			continue;
		buf_addf(b, "%s%lld", sep, (long long)n);
		sep = ",";
	}
	buf_addc(b, ']');
	if (s->failed_at != 0)
		member(b, "failure", str_of(s->failure));
	buf_addc(b, '}');
	return buf_check(b, "the list of services", e);
}

static void begin(struct buf *out, const char *title, const char *error)
{
	buf_addc(out, '{');
	member(out, "title", str_of(title));
	member(out, "error", str_of(error));
}

void monitor_view_write(const struct monitor_view *v, const char *title,
			const char *error, struct buf *out)
{
	begin(out, title, error);
	buf_addf(out, ",\"nodes\":[%s],\"services\":[%s],\"tasks\":[%s]}",
		 v == NULL ? "" : v->nodes.text.str,
		 v == NULL ? "" : v->services_rows.text.str,
		 v == NULL ? "" : v->tasks.text.str);
}

void monitor_view_change(const struct monitor_view *was,
			 const struct monitor_view *now, const char *title,
			 const char *error, struct buf *out)
{
	const struct {
		const char *name;
		const struct rows *was, *now;
	} tables[] = {
		{ "nodes", &was->nodes, &now->nodes },
		{ "services", &was->services_rows, &now->services_rows },
		{ "tasks", &was->tasks, &now->tasks },
	};

	begin(out, title, error);
	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++) {
		buf_addf(out, ",\"%s\":", tables[i].name);
		rows_diff(tables[i].was, tables[i].now, out);
	}
	buf_addc(out, '}');
}

/* ---- for whom ------------------------------------------------------------ */

/* Without its port; *six: in brackets. */
static bool cut_port(struct str *host, bool *six)
{
	ptrdiff_t at = str_rchr(*host, ':');
	uint64_t port;

	*six = host->n > 0 && host->p[0] == '[';
	if (*six && at >= 0 && str_chr(str_skip(*host, (size_t)at), ']') >= 0)
		at = -1; /* a colon of the address */
	if (at >= 0) {
		if (!str_num(str_skip(*host, (size_t)at + 1), 65535, &port))
			return false;
		*host = str_head(*host, (size_t)at);
	}
	if (!*six)
		return true;
	if (!str_ends(*host, STR("]")))
		return false;
	*host = str_skip(str_head(*host, host->n - 1), 1);
	return true;
}

bool monitor_is_host(struct str host, const char *names)
{
	unsigned char address[16];
	char text[INET6_ADDRSTRLEN];
	struct str rest = str_of(names), one;
	bool six;

	if (!cut_port(&host, &six) || host.n == 0)
		return false;
	if (host.n < sizeof(text) && memchr(host.p, '\0', host.n) == NULL) {
		memcpy(text, host.p, host.n);
		text[host.n] = '\0';
		if (inet_pton(six ? AF_INET6 : AF_INET, text, address) == 1)
			return true;
	}
	if (six)
		return false;
	if (str_ends(host, STR("."))) /* the root, spelled out */
		host = str_head(host, host.n - 1);
	if (host.n == 0)
		return false;
	if (str_ieqz(host, "localhost"))
		return true;
	while (str_next(&rest, ' ', &one))
		if (str_ieq(host, one))
			return true;
	return false;
}

/* ---- reading ---------------------------------------------------------------- */

/* A state that was, or is, sent; freed with its last reference. */
struct state {
	atomic_uint holders;
	struct str text;
	char *bytes;
	char *names; /* of the nodes */
};

struct monitor {
	char title[256];
	const char *names; /* that were given, beside the title */
	char socket[100];
	int wake_fd;	      /* readable when the engine is to be read */
	pthread_mutex_t lock; /* for what follows */
	pthread_cond_t changed;
	struct state *state;
	struct state *change;  /* what made it of the one before, or NULL */
	uint64_t version;      /* of it, from 1 */
	struct state *figures; /* the last step's news, or NULL */
	uint64_t step;	       /* of it */
	struct timeline timeline;
	struct monitor_view view; /* the reader changes it */
	unsigned watchers;
	bool stopping;
	pthread_mutex_t trends_lock; /* taken last */
	struct trends *trends;
	/* the reader's own */
	struct docker docker;
	bool seen; /* view holds something */
};

static struct state *state_hold(struct monitor *m)
{
	struct state *s;

	pthread_mutex_lock(&m->lock);
	s = m->state;
	atomic_fetch_add(&s->holders, 1);
	pthread_mutex_unlock(&m->lock);
	return s;
}

/* The text is taken over. */
static struct state *state_new(struct buf *text)
{
	struct state *s = xcalloc(1, sizeof(*s));

	s->text.n = text->n;
	s->bytes = buf_detach(text);
	s->text.p = s->bytes;
	s->holders = 1;
	return s;
}

static void state_drop(struct state *s)
{
	if (s == NULL || atomic_fetch_sub(&s->holders, 1) > 1)
		return;
	free(s->bytes);
	free(s->names);
	free(s);
}

/*
 * The view is shown, and what it differs in from the one that was shown before.
 * Where that is no shorter than the whole, the whole is told.
 */
static void publish(struct monitor *m, const struct monitor_view *was,
		    const char *error)
{
	struct buf b = BUF_INIT(MONITOR_STATE_MAX);
	struct state *s, *change, *old = NULL, *older = NULL;

	monitor_view_write(m->seen ? &m->view : NULL, m->title, error, &b);
	s = state_new(&b);
	s->names = xstrdup(m->view.names.str);
	buf_init(&b, s->text.n);
	monitor_view_change(was, &m->view, m->title, error, &b);
	change = b.over ? NULL : state_new(&b);
	buf_release(&b);
	pthread_mutex_lock(&m->lock);
	if (m->state != NULL && str_eq(m->state->text, s->text)) {
		old = s;
		older = change;
	} else {
		old = m->state;
		older = m->change;
		m->state = s;
		m->change = change;
		m->version++;
		pthread_cond_broadcast(&m->changed);
	}
	pthread_mutex_unlock(&m->lock);
	state_drop(old);
	state_drop(older);
}

/* *was gets the view that this one replaces; on failure the view stays. */
static int read_engine(struct monitor *m, struct monitor_view *was, struct err *e)
{
	struct monitor_view v;

	monitor_view_init(&v, unix_time());
	if (docker_each(&m->docker, "/tasks", monitor_view_task, &v, e) < 0 ||
	    docker_each(&m->docker, "/nodes", monitor_view_node, &v, e) < 0 ||
	    docker_each(&m->docker, "/services", monitor_view_service, &v, e) < 0) {
		monitor_view_release(&v);
		return -1;
	}
	pthread_mutex_lock(&m->lock);
	timeline_take(&m->timeline, &m->view, &v);
	*was = m->view;
	m->view = v;
	pthread_cond_broadcast(&m->changed);
	pthread_mutex_unlock(&m->lock);
	m->seen = true;
	return 0;
}

/* Read the engine, and show what it said, or that it did not. */
static void look(struct monitor *m, struct err *e)
{
	struct monitor_view was;

	if (read_engine(m, &was, e) == 0) {
		publish(m, &was, "");
		monitor_view_release(&was);
	} else if (e->kind != ERR_INTR) {
		publish(m, &m->view, e->msg);
	}
}

static void wake(struct monitor *m)
{
	const uint64_t one = 1;

	while (write(m->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

/* Until something happened, or it is time anyway.  False: asked to stop. */
static bool wait_reading(struct monitor *m, int64_t last, bool restless)
{
	struct err e = ERR_INIT;
	uint64_t count;

	if (fd_wait(m->wake_fd, POLLIN, last + (restless ? SOON_MS : ANYWAY_MS),
		    &e) < 0 &&
	    e.kind != ERR_TIMEOUT)
		return false;
	err_clear(&e);
	if (sleep_until(last + SOON_MS, &e) < 0)
		return false;
	if (read(m->wake_fd, &count, sizeof(count)) < 0)
		count = 0;
	return true;
}

static void *reader(void *ctx)
{
	struct monitor *m = ctx;
	struct complaint complaint = { 0 };
	int64_t last;
	bool restless;

	do {
		struct err e = ERR_INIT;

		last = now_ms();
		look(m, &e);
		if (e.kind == ERR_INTR)
			break;
		restless = e.kind == ERR_NONE && m->view.restless;
		daemon_complain(&complaint, e.msg, last);
	} while (wait_reading(m, last, restless));

	pthread_mutex_lock(&m->lock);
	m->stopping = true;
	pthread_cond_broadcast(&m->changed);
	pthread_mutex_unlock(&m->lock);
	return NULL;
}

static int on_event(void *ctx, struct str piece, struct err *e)
{
	(void)piece;
	(void)e;
	wake(ctx);
	return 0;
}

/* What is said does not matter, only that something is. */
static int follow_events(struct monitor *m, struct docker *d, struct err *e)
{
	static const char filters[] =
		"{\"type\":[\"node\",\"service\",\"container\"],\"event\":[\"create\",\"update\","
		"\"remove\",\"start\",\"die\",\"destroy\"]}";
	struct http_request q = {
		.method = "GET",
		.deadline_ms = now_ms() + EVENTS_MS,
		.idle_ms = EVENTS_MS,
	};
	struct http_response r;
	struct buf url = BUF_INIT(1024);
	int rc = -1;

	http_response_init(&r, 4096);
	r.on_body = on_event;
	r.ctx = m;
	if (docker_hello(d, e) < 0)
		goto out;
	buf_addf(&url, "http://docker/v1.%u/events?filters=", d->api);
	buf_add_pct(&url, str_of(filters));
	q.url = url.str;
	if (http_exchange(&d->http, &q, &r, e) < 0)
		goto out;
	rc = 0;
out:
	http_response_release(&r);
	buf_release(&url);
	return rc;
}

static void *listener(void *ctx)
{
	struct monitor *m = ctx;
	struct docker d;

	docker_init_unix(&d, m->socket);
	d.timeout_ms = ENGINE_MS;
	for (;;) {
		struct err e = ERR_INIT, stopped = ERR_INIT;

		/* that the engine does not answer is the reader's to tell */
		follow_events(m, &d, &e);
		http_client_release(&d.http);
		if (e.kind == ERR_INTR ||
		    sleep_until(now_ms() + SOON_MS, &stopped) < 0)
			break;
		docker_init_unix(&d, m->socket);
		d.timeout_ms = ENGINE_MS;
	}
	docker_release(&d);
	return NULL;
}

/* ---- figures ------------------------------------------------------------------ */

/* The nodes that are asked in one step. */
struct asking {
	struct monitor *m;
	struct {
		char id[32], addr[48];
	} * nodes;
	size_t n;
	atomic_size_t next;
};

static void ask_one(struct monitor *m, const char *id, const char *addr,
		    struct figures *f)
{
	struct buf answer = BUF_INIT(FIGURES_TEXT_MAX);
	struct err e = ERR_INIT;
	unsigned status = 0;
	bool told = plain_exchange("GET", addr, LAYOUT_HEALTH_PORT, "/figures",
				   NULL, STR_NULL, now_ms() + ASK_MS, &status,
				   &answer, &e) == 0 &&
		    status == 200 && figures_parse(buf_str(&answer), f, &e) == 0;

	pthread_mutex_lock(&m->trends_lock);
	if (told)
		trends_node(m->trends, id, f);
	else
		trends_missed(m->trends, id);
	pthread_mutex_unlock(&m->trends_lock);
	buf_release(&answer);
}

static void *asker(void *ctx)
{
	struct asking *a = ctx;
	struct figures *f = xmalloc(sizeof(*f));
	size_t i;

	while (!interrupt_requested() &&
	       (i = atomic_fetch_add(&a->next, 1)) < a->n)
		ask_one(a->m, a->nodes[i].id, a->nodes[i].addr, f);
	free(f);
	return NULL;
}

/* A step begins for what was read last; which of it is asked. */
static void step_begin(struct monitor *m, struct asking *a)
{
	pthread_mutex_lock(&m->lock);
	pthread_mutex_lock(&m->trends_lock);
	trends_begin(m->trends, &m->view, unix_time());
	a->nodes = xcalloc(m->view.n_table, sizeof(*a->nodes));
	for (size_t i = 0; i < m->view.n_table; i++) {
		const struct docker_node *node = &m->view.table[i];

		if (node->state != DOCKER_NODE_READY || node->addr[0] == '\0' ||
		    !trends_wants(m->trends, node->id))
			continue;
		memcpy(a->nodes[a->n].id, node->id, sizeof(node->id));
		memcpy(a->nodes[a->n].addr, node->addr, sizeof(node->addr));
		a->n++;
	}
	pthread_mutex_unlock(&m->trends_lock);
	pthread_mutex_unlock(&m->lock);
}

static void step_end(struct monitor *m)
{
	struct buf b = BUF_INIT(MONITOR_STATE_MAX);
	struct state *s, *old;
	uint64_t step;

	pthread_mutex_lock(&m->trends_lock);
	trends_end(m->trends);
	trends_write_now(m->trends, &b);
	step = trends_step(m->trends);
	pthread_mutex_unlock(&m->trends_lock);
	if (b.over) { /* as if nothing had changed: a page asks for all then */
		buf_release(&b);
		return;
	}
	s = state_new(&b);
	pthread_mutex_lock(&m->lock);
	old = m->figures;
	m->figures = s;
	m->step = step;
	pthread_cond_broadcast(&m->changed);
	pthread_mutex_unlock(&m->lock);
	state_drop(old);
}

static void step(struct monitor *m)
{
	pthread_t threads[ASKERS_MAX - 1];
	struct asking a = { .m = m };
	size_t helpers = 0;

	step_begin(m, &a);
	while (helpers < ASKERS_MAX - 1 && helpers + 1 < a.n &&
	       pthread_create(&threads[helpers], NULL, asker, &a) == 0)
		helpers++;
	asker(&a);
	while (helpers > 0)
		pthread_join(threads[--helpers], NULL);
	free(a.nodes);
	step_end(m);
}

static void *gatherer(void *ctx)
{
	struct monitor *m = ctx;
	struct err stopped = ERR_INIT;
	int64_t next = now_ms() + SOON_MS; /* when the engine has been read */

	while (sleep_until(next, &stopped) == 0) {
		/* one that took too long is not made good for */
		next = now_ms() + TREND_STEP_S * 1000;
		step(m);
	}
	return NULL;
}

/* ---- telling ------------------------------------------------------------------ */

#define SECURITY \
	"Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; " \
	"img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; " \
	"frame-ancestors 'none'", \
		"X-Content-Type-Options: nosniff", \
		"Referrer-Policy: no-referrer", \
		"Cross-Origin-Resource-Policy: same-origin"

static void answer(struct http_exchange *x, unsigned status, const char *type,
		   const char *cache, struct str body)
{
	char *content = xasprintf("Content-Type: %s", type);
	const char *fields[] = { content, cache, SECURITY, NULL };

	http_x_answer(x, status, fields, body);
	free(content);
}

static void plain(struct http_exchange *x, unsigned status, const char *why)
{
	answer(x, status, "text/plain; charset=utf-8",
	       "Cache-Control: no-store", str_of(why));
}

/* What a watcher has been told, and what there is to tell next. */
struct news {
	uint64_t version, step, event; /* the last of each */
	struct state *state, *figures; /* NULL: nothing new */
	bool whole;		       /* state is all of it */
	struct buf happened;	       /* empty: nothing new */
	bool began; /* even that nothing has happened is told */
};

static bool is_new(const struct monitor *m, const struct news *n)
{
	return m->version != n->version || m->step != n->step ||
	       m->timeline.n != n->event;
}

/* Waits for news, or until a sign of life is due.  False: asked to stop. */
static bool news_next(struct monitor *m, struct news *n)
{
	struct timespec until;
	bool stop;
	int rc = 0;

	n->state = n->figures = NULL;
	buf_reset(&n->happened);
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += BEAT_S;
	pthread_mutex_lock(&m->lock);
	while (!is_new(m, n) && !m->stopping && rc == 0)
		rc = pthread_cond_timedwait(&m->changed, &m->lock, &until);
	if (m->version != n->version) {
		n->whole = m->change == NULL || n->version + 1 != m->version ||
			   n->version == 0;
		n->state = n->whole ? m->state : m->change;
		atomic_fetch_add(&n->state->holders, 1);
	}
	if (m->step != n->step) {
		n->figures = m->figures;
		atomic_fetch_add(&n->figures->holders, 1);
	}
	if (m->timeline.n != n->event || !n->began)
		timeline_write(&m->timeline, n->event, &n->happened);
	n->began = true;
	n->version = m->version;
	n->step = m->step;
	n->event = m->timeline.n;
	stop = m->stopping;
	pthread_mutex_unlock(&m->lock);
	return !stop;
}

/* What is sent is held meanwhile: whoever takes it in drops is let go. */
static int send_event(struct http_exchange *x, const char *name, uint64_t id,
		      struct str data, struct err *e)
{
	const int64_t until = now_ms() + TAKE_MS;
	char head[80];

	snprintf(head, sizeof(head),
		 "id: %llu\nevent: %s\ndata: ", (unsigned long long)id, name);
	if (http_x_send(x, str_of(head), e) < 0)
		return -1;
	for (; data.n > 0; data = str_skip(data, PIECE)) {
		if (now_ms() >= until)
			return err_set(e, ERR_TIMEOUT, "too slow a watcher");
		if (http_x_send(x, str_head(data, PIECE), e) < 0)
			return -1;
	}
	return http_x_send(x, STR("\n\n"), e);
}

static int news_send(const struct news *n, struct http_exchange *x, struct err *e)
{
	if (n->state == NULL && n->figures == NULL && n->happened.n == 0)
		return http_x_send(x, STR(": still here\n\n"), e);
	if (n->state != NULL && send_event(x, n->whole ? "state" : "change",
					   n->version, n->state->text, e) < 0)
		return -1;
	if (n->figures != NULL &&
	    send_event(x, "figures", n->step, n->figures->text, e) < 0)
		return -1;
	return n->happened.n == 0 ? 0 :
				    send_event(x, "happened", n->event,
					       buf_str(&n->happened), e);
}

/*
 * Server-sent events: the whole state, and then what changed in it, of the
 * figures those that did, and what happened since.  Who was too slow for each
 * change is told the whole again, as whoever comes again is.  Who misses a step
 * of the figures sees it by its number, and asks for all of them.
 */
static int watch(struct monitor *m, struct http_exchange *x, struct err *e)
{
	struct news n = { .happened = BUF_INIT(HAPPENED_MAX) };
	bool go = true;
	int rc = http_x_send(x, STR("retry: 2000\n\n"), e);

	while (rc == 0 && go && !http_x_stopping(x)) {
		go = news_next(m, &n);
		rc = news_send(&n, x, e);
		state_drop(n.state);
		state_drop(n.figures);
	}
	buf_release(&n.happened);
	return rc;
}

/* All points of nodes and services, or with ?id=ID those of one of anything. */
static void figures(struct monitor *m, struct http_exchange *x)
{
	struct buf b = BUF_INIT(MONITOR_STATE_MAX), id = BUF_INIT(64);

	http_x_param(x, "id", &id);
	pthread_mutex_lock(&m->trends_lock);
	trends_write(m->trends, buf_str(&id), &b);
	pthread_mutex_unlock(&m->trends_lock);
	if (b.over || id.over)
		plain(x, 503, "too much to tell at once\n");
	else
		answer(x, 200, "application/json", "Cache-Control: no-store",
		       buf_str(&b));
	buf_release(&b);
	buf_release(&id);
}

static void timeline(struct monitor *m, struct http_exchange *x)
{
	struct buf b = BUF_INIT(HAPPENED_MAX);

	pthread_mutex_lock(&m->lock);
	timeline_write(&m->timeline, 0, &b);
	pthread_mutex_unlock(&m->lock);
	answer(x, 200, "application/json", "Cache-Control: no-store", buf_str(&b));
	buf_release(&b);
}

static void events(struct monitor *m, struct http_exchange *x)
{
	static const char *const fields[] = {
		"Content-Type: text/event-stream",
		"Cache-Control: no-store",
		"X-Accel-Buffering: no",
		SECURITY,
		NULL,
	};
	struct err e = ERR_INIT;
	bool room;

	pthread_mutex_lock(&m->lock);
	room = m->watchers < MONITOR_CLIENTS_MAX;
	m->watchers += room;
	pthread_mutex_unlock(&m->lock);
	if (!room) {
		plain(x, 503,
		      "as many are watching as may; /api/state tells the same\n");
		return;
	}
	/* what cannot be sent ends it; the browser comes again */
	if (http_x_begin(x, 200, fields, UINT64_MAX, &e) == 0 &&
	    (str_eqz(http_x_head(x)->method, "HEAD") || watch(m, x, &e) == 0))
		http_x_end(x, &e);
	if (e.kind != ERR_NONE)
		http_x_abort(x);
	pthread_mutex_lock(&m->lock);
	m->watchers--;
	pthread_mutex_unlock(&m->lock);
}

static const struct {
	const char *path, *asset, *type;
} files[] = {
	{ "/", "web/monitor.html", "text/html; charset=utf-8" },
	{ "/monitor.css", "web/monitor.css", "text/css; charset=utf-8" },
	{ "/monitor.js", "web/monitor.js", "text/javascript; charset=utf-8" },
	{ "/icon.svg", "web/icon.svg", "image/svg+xml" },
};

/* HTTP/1.0 has no Host; a browser always sends one. */
static bool for_us(struct monitor *m, struct http_exchange *x)
{
	struct str host = http_field(http_x_head(x), "host");
	struct state *s;
	bool ours;

	if (host.p == NULL || monitor_is_host(host, m->names) ||
	    monitor_is_host(host, m->title))
		return true;
	s = state_hold(m);
	ours = monitor_is_host(host, s->names);
	state_drop(s);
	return ours;
}

static void monitor_handle(void *ctx, struct http_exchange *x)
{
	struct str path = http_x_path(x), method = http_x_head(x)->method;
	struct monitor *m = ctx;
	struct state *s;

	if (!for_us(m, x)) {
		plain(x, 421,
		      "this page has another name; it answers to addresses, "
		      "localhost, the nodes' names and those in NAMES\n");
	} else if (!str_eqz(method, "GET") && !str_eqz(method, "HEAD")) {
		plain(x, 405, "this page only shows\n");
	} else if (str_eqz(path, "/events")) {
		events(m, x);
	} else if (str_eqz(path, "/api/state")) {
		s = state_hold(m);
		answer(x, 200, "application/json", "Cache-Control: no-store",
		       s->text);
		state_drop(s);
	} else if (str_eqz(path, "/api/figures")) {
		figures(m, x);
	} else if (str_eqz(path, "/api/timeline")) {
		timeline(m, x);
	} else if (str_eqz(path, "/healthz")) {
		plain(x, 200, "ok\n");
	} else {
		for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
			if (str_eqz(path, files[i].path)) {
				struct buf file;

				asset_get(files[i].asset, &file);
				answer(x, 200, files[i].type,
				       "Cache-Control: no-cache", buf_str(&file));
				buf_release(&file);
				return;
			}
		plain(x, 404, "no such path\n");
	}
}

static int settings(struct monitor *m, unsigned *port, struct err *e)
{
	const char *text = getenv("PORT"), *host = getenv("HOST"),
		   *engine = getenv("DOCKER_HOST");
	struct str socket = STR(DOCKER_SOCKET), title = str_of(host);
	uint64_t n = LAYOUT_MONITOR_PORT;

	if (text != NULL && *text != '\0' && !str_num(str_of(text), 65535, &n))
		return err_set(e, ERR_USAGE, "PORT \"%s\": expected 0 to 65535",
			       text);
	*port = (unsigned)n;
	if (engine != NULL && *engine != '\0') {
		socket = str_of(engine);
		if (!str_starts(socket, STR("unix://")) ||
		    socket.n - 7 >= sizeof(m->socket))
			return err_set(e, ERR_USAGE,
				       "DOCKER_HOST \"%s\": expected unix://PATH",
				       engine);
		socket = str_skip(socket, 7);
	}
	memcpy(m->socket, socket.p, socket.n);
	m->names = getenv("NAMES");
	if (title.n == 0)
		title = STR("Swarm");
	title = str_head(title, sizeof(m->title) - 1);
	memcpy(m->title, title.p, title.n);
	return 0;
}

static int monitor_serve(struct monitor *m, unsigned port, struct err *e)
{
	struct http_server s = {
		.stop_fd = -1,
		.max_conns = CONNS_MAX,
		.body_max = 1024,
		.idle_ms = IDLE_MS,
		.body_ms = IDLE_MS,
		.stack = STACK,
		.handle = monitor_handle,
		.ctx = m,
	};
	const char *address = getenv("LISTEN");
	static void *(*const work[])(void *) = { reader, listener, gatherer };
	const size_t n_work = sizeof(work) / sizeof(*work);
	pthread_t threads[sizeof(work) / sizeof(*work)];
	size_t n = 0;
	int rc = -1;

	if (address == NULL || *address == '\0')
		address = "0.0.0.0";
	s.listen_fd = tcp_listen(address, &port, NULL, e);
	if (s.listen_fd < 0)
		return -1;
	while (n < n_work && pthread_create(&threads[n], NULL, work[n], m) == 0)
		n++;
	if (n < n_work) {
		err_set(e, ERR_IO, "no thread to watch the swarm with");
	} else {
		daemon_say("monitor: listens on port %u", port);
		rc = http_serve(&s, e);
	}
	interrupt_request();
	while (n > 0)
		pthread_join(threads[--n], NULL);
	if (rc < 0 && e->kind == ERR_INTR) {
		err_clear(e);
		rc = 0;
	}
	close(s.listen_fd);
	return rc;
}

int monitor_run(struct err *e)
{
	struct monitor *m = xcalloc(1, sizeof(*m));
	pthread_condattr_t monotonic;
	unsigned port = 0;
	int rc = -1;

	pthread_mutex_init(&m->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&m->changed, &monotonic);
	pthread_mutex_init(&m->trends_lock, NULL);
	monitor_view_init(&m->view, 0);
	m->trends = trends_new();
	docker_init_unix(&m->docker, m->socket);
	m->docker.timeout_ms = ENGINE_MS;
	m->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (m->wake_fd < 0) {
		err_sys(e, ERR_IO, "eventfd");
		goto out;
	}
	if (daemon_init(e) < 0 || settings(m, &port, e) < 0)
		goto out;
	publish(m, &m->view, "not read yet");
	rc = monitor_serve(m, port, e);
out:
	if (m->wake_fd >= 0)
		close(m->wake_fd);
	docker_release(&m->docker);
	monitor_view_release(&m->view);
	state_drop(m->state);
	state_drop(m->change);
	state_drop(m->figures);
	trends_free(m->trends);
	pthread_mutex_destroy(&m->trends_lock);
	pthread_cond_destroy(&m->changed);
	pthread_condattr_destroy(&monotonic);
	pthread_mutex_destroy(&m->lock);
	free(m);
	return rc;
}
