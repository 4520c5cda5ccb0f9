/* Machines out of service and back; see way.h. */
#include "swarm/way.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/net.h"
#include "base/time.h"
#include "node/layout.h"

#define ASK_MS 30000
#define ASK_ONE_MS 10000 /* while there are other masters */
#define LOOK_MS 1000
#define SLOW_PART 5  /* of the limit: a step that takes longer is slow */
#define PORT_MS 2000 /* for a port of a machine that may not be there */
#define HEALTHY_S 5  /* between the two successes that count */
#define HEALTHY_MAX_S 15
#define ANSWER_MAX (2u << 20)
#define OUT_MS (2 * 3600000) /* over the helper's own limits, and all turns */
#define LOST_MAX 30	     /* looks that failed in a row: masters change */

/* ---- asking ---- */

static struct stream *dial(void *ctx, bool tls, const char *host, unsigned port,
			   int64_t deadline_ms, struct err *e)
{
	struct way *w = ctx;
	struct stream *st;
	int fd;

	(void)tls, (void)host, (void)port;
	if (w->here) {
		fd = unix_connect(LAYOUT_HELPER_SOCKET, deadline_ms, e);
		return fd < 0 ? NULL : stream_of_fd(fd);
	}
	if (remote_check(&w->remote, e) < 0)
		return NULL;
	st = ssh_channel_opened(ssh_unix(w->remote.ssh, LAYOUT_HELPER_SOCKET, e),
				deadline_ms, e);
	if (st == NULL)
		err_in(e, "the helper's socket on %s", w->remote.name);
	return st;
}

static void start_client(struct way *w)
{
	http_client_init(&w->http, (struct http_dialer){ dial, w }, "azswarm");
	w->http.watch = trace_watch(&w->s->trace, TRACE_SWARM);
}

static int ask_once(struct way *w, const char *method, const char *target,
		    int64_t patience_ms, unsigned *status, cJSON **doc,
		    struct err *e)
{
	char *url = xasprintf("http://helper%s", target);
	struct http_request q = {
		.method = method,
		.url = url,
		.deadline_ms = now_ms() + patience_ms,
		/* asked twice is asked once: each of these says how it is to be */
		.idempotent = true,
	};
	struct http_response r;
	struct err ignored = ERR_INIT;
	int rc;

	*doc = NULL;
	http_response_init(&r, ANSWER_MAX);
	rc = http_exchange(&w->http, &q, &r, e);
	if (rc == 0) {
		*status = r.head.status;
		*doc = json_parse(str_trim(buf_str(&r.body)),
				  "the helper's answer", &ignored);
	}
	http_response_release(&r);
	free(url);
	return rc;
}

/* For remote_works: the helper there tells the nodes.  No channel is left open:
 * the connection may become another's. */
static bool helper_works(struct remote *r, int64_t limit_ms, void *ctx,
			 enum remote_at *at)
{
	struct way *w = ctx;
	struct err once = ERR_INIT;
	unsigned status = 0;
	cJSON *doc;
	bool works = ask_once(w, "GET", "/nodes", limit_ms, &status, &doc,
			      &once) == 0 &&
		     status == 200 && doc != NULL;

	json_free(doc);
	http_client_release(&w->http);
	start_client(w);
	if (!works && remote_engine(r, limit_ms, NULL, at))
		*at = REMOTE_NO_HELPER;
	return works;
}

/* The answer whatever its status; a master that went away, or that has no swarm
 * any more (503), is replaced by another one, once. */
static int ask_any(struct way *w, const char *method, const char *target,
		   unsigned *status, cJSON **doc, struct err *e)
{
	bool others = !w->here && w->remote.masters.n > 1;
	struct err once = ERR_INIT;

	if (ask_once(w, method, target, others ? ASK_ONE_MS : ASK_MS, status,
		     doc, &once) == 0) {
		if (!others || *status != 503)
			return 0;
		json_free(*doc);
		*doc = NULL;
	}
	http_client_release(&w->http);
	start_client(w);
	if (w->here || once.kind == ERR_INTR || remote_reopen(&w->remote, e) < 0) {
		if (e->kind == ERR_NONE)
			*e = once;
		return -1;
	}
	return ask_once(w, method, target, ASK_MS, status, doc, e);
}

static int refusal(const char *method, const char *target, unsigned status,
		   const cJSON *doc, struct err *e)
{
	return err_set(e, ERR_DOCKER, "%s %s: %s (%u)", method, target,
		       json_str_opt(doc, "error", http_reason(status)), status);
}

static int ask(struct way *w, const char *method, const char *target,
	       cJSON **doc, struct err *e)
{
	unsigned status;

	if (ask_any(w, method, target, &status, doc, e) < 0)
		return -1;
	if (status == 200 && *doc != NULL)
		return 0;
	refusal(method, target, status, *doc, e);
	json_free(*doc);
	*doc = NULL;
	return err_in(e, "helper on %s",
		      w->here ? "this machine" : w->remote.name);
}

/* The table is asked for to see that there is somebody to ask.  While a leader is
 * elected nobody can tell, which is no reason to do without. */
static int open_master(struct session *s, struct way *w)
{
	int64_t began = now_ms();

	while (remote_open_for(s, &w->remote, helper_works, w, &w->none) < 0) {
		struct err ignored = ERR_INIT;

		if (!remote_may_lead(&w->remote) || w->none.kind == ERR_INTR ||
		    now_ms() - began >= REMOTE_LEADER_MS)
			return -1;
		ui_waiting(s->ui, "a leader of the swarm", now_ms() - began,
			   now_ms());
		if (sleep_until(now_ms() + LOOK_MS, &ignored) < 0) {
			w->none = ignored;
			return -1;
		}
		remote_release(&w->remote);
		err_clear(&w->none);
	}
	ui_clear(s->ui);
	return 0;
}

int way_open(struct session *s, struct way *w, struct err *e)
{
	struct err ignored = ERR_INIT;
	int fd = unix_connect(LAYOUT_HELPER_SOCKET, now_ms() + 2000, &ignored);

	*w = (struct way){ .s = s, .here = fd >= 0 };
	if (w->here) {
		docker_init_unix(&w->docker, DOCKER_SOCKET);
		w->docker.http.watch = trace_watch(&s->trace, TRACE_SWARM);
	}
	start_client(w);
	if (fd >= 0) {
		stream_close(stream_of_fd(fd));
		return 0;
	}
	/* only a master's own socket can be asked without Azure */
	if (!s->open && session_open(s, e) < 0)
		return -1;
	if (open_master(s, w) == 0)
		return 0;
	if (remote_is_away(&w->none))
		return 0;
	*e = w->none;
	return -1;
}

void way_take(struct session *s, struct way *w, struct remote *r)
{
	remote_drop_docker(r);
	*w = (struct way){ .s = s, .remote = *r };
	*r = (struct remote){ 0 };
	start_client(w);
}

void way_set_addresses(struct way *w, cJSON *addresses)
{
	json_free(w->addresses);
	w->addresses = addresses;
}

void way_close(struct way *w)
{
	json_free(w->addresses);
	http_client_release(&w->http);
	if (w->here)
		docker_release(&w->docker);
	else if (w->s != NULL)
		remote_release(&w->remote);
}

bool way_there(const struct way *w)
{
	return w->none.kind == ERR_NONE;
}

void way_warn(const struct way *w, const char *follows)
{
	if (!way_there(w))
		ui_say(w->s->ui, "the swarm cannot be asked (%s): %s",
		       w->none.msg, follows);
}

struct docker *way_docker(struct way *w)
{
	return w->here ? &w->docker : remote_docker(&w->remote);
}

int way_nodes(struct way *w, cJSON **nodes, struct err *e)
{
	return ask(w, "GET", "/nodes", nodes, e);
}

static bool is_ready(const cJSON *row)
{
	return strcmp(json_str_opt(row, "state", ""), "ready") == 0;
}

/* A worker may call itself like a master: the manager is meant. */
static int weight(const cJSON *row)
{
	return 2 * (strcmp(json_str_opt(row, "role", ""), "manager") == 0) +
	       is_ready(row);
}

const cJSON *way_row(const cJSON *nodes, const char *host)
{
	const cJSON *row, *best = NULL;

	cJSON_ArrayForEach(row, nodes)
		if (strcmp(json_str_opt(row, "hostname", ""), host) == 0 &&
		    (best == NULL || weight(row) >= weight(best)))
			best = row;
	return best;
}

/* ---- out ---- */

int way_begin(struct way *w, const char *const *hosts, size_t n, struct err *e)
{
	int limit_s;

	if (settings_int(w->s->set, S_DRAIN_LIMIT, &limit_s, e) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		char *target = xasprintf("/evict/%s?limit=%d", hosts[i], limit_s);
		const cJSON *line;
		unsigned status;
		cJSON *doc;
		int rc = ask_any(w, "POST", target, &status, &doc, e);

		if (rc == 0 && status == 404)
			ui_say(w->s->ui, "%s is no node of the swarm", hosts[i]);
		else if (rc == 0 && status != 200)
			rc = refusal("POST", target, status, doc, e);
		cJSON_ArrayForEach(line, json_get(doc, "noticed"))
			ui_say(w->s->ui, "  %s", json_str_opt(line, "", ""));
		json_free(doc);
		free(target);
		if (rc < 0)
			return err_in(e, "taking %s out of service", hosts[i]);
	}
	return 0;
}

/* One look at a host's way: 1 when it is over, 0 when it goes on, -1. */
static int look_out(struct way *w, const char *host, char told[16], struct err *e)
{
	char *target = xasprintf("/evict/%s", host);
	const char *stage;
	unsigned status;
	cJSON *doc;
	int rc = ask_any(w, "GET", target, &status, &doc, e);

	free(target);
	if (rc < 0)
		return -1;
	stage = json_str_opt(doc, "stage", "");
	if (status == 404 || strcmp(json_str_opt(doc, "state", ""), "down") == 0)
		rc = 1; /* gone by itself */
	else if (status != 200)
		rc = refusal("GET", host, status, doc, e);
	else if (*stage == '\0')
		rc = err_set(e, ERR_DOCKER,
			     "somebody brought it back into service");
	else
		rc = strcmp(stage, "out") == 0;
	if (rc >= 0 && strcmp(told, stage) != 0) {
		ui_say(w->s->ui, "  %s: %s%s", host,
		       strcmp(stage, "asked") == 0 ?
			       "waits for its turn" :
		       strcmp(stage, "quiet") == 0 ?
			       "unhealthy, so that the load balancer lets go" :
		       strcmp(stage, "drain") == 0 ? "draining" :
		       strcmp(stage, "out") == 0   ? "out of service" :
						     "gone",
		       json_bool_opt(doc, "cut", false) && rc == 1 ?
			       ", although its limit passed before all ran elsewhere" :
			       "");
		snprintf(told, 16, "%s", stage);
	}
	json_free(doc);
	return rc;
}

/* A failed look is no end: masters restart.  LOST_MAX of them in a row are. */
static bool lost(unsigned *times, const struct err *once, struct err *e)
{
	if (once->kind != ERR_INTR && ++*times < LOST_MAX &&
	    (once->kind == ERR_NET || once->kind == ERR_TIMEOUT ||
	     once->kind == ERR_PROTO || once->kind == ERR_DOCKER))
		return false;
	*e = *once;
	return true;
}

/* What was asked for goes on without us. */
static int interrupted(struct way *w, const char *const *hosts, size_t n,
		       struct err *e)
{
	struct buf names = BUF_INIT(64u << 10);

	if (e->kind == ERR_INTR) {
		for (size_t i = 0; i < n; i++)
			buf_addf(&names, " %s", hosts[i]);
		ui_clear(w->s->ui);
		ui_say(w->s->ui,
		       "on the way out, and that goes on:%s; the same "
		       "command again goes on from there, 'azswarm return' "
		       "brings back, and who is not taken away comes back by "
		       "itself when its time is up",
		       names.str);
	}
	buf_release(&names);
	return -1;
}

static int wait_a_look(struct way *w, const char *what, int64_t began,
		       struct err *e)
{
	ui_waiting(w->s->ui, what, now_ms() - began, now_ms());
	return sleep_until(now_ms() + LOOK_MS, e);
}

int way_out(struct way *w, const char *const *hosts, size_t n, struct err *e)
{
	int64_t began = now_ms();
	int64_t until = began + OUT_MS;
	unsigned times = 0;

	for (size_t i = 0; i < n; i++) {
		char told[16] = "";

		for (;;) {
			struct err once = ERR_INIT;
			int rc = look_out(w, hosts[i], told, &once);

			if (rc == 1)
				break;
			if (rc < 0 && lost(&times, &once, e)) {
				err_in(e, "%s", hosts[i]);
				return interrupted(w, &hosts[i], n - i, e);
			}
			if (rc == 0)
				times = 0;
			if (now_ms() >= until)
				return err_set(e, ERR_TIMEOUT,
					       "%s does not get out of service",
					       hosts[i]);
			if (wait_a_look(w, hosts[i], began, e) < 0)
				return interrupted(w, &hosts[i], n - i, e);
		}
	}
	ui_clear(w->s->ui);
	return 0;
}

int way_return(struct way *w, const char *host, struct err *e)
{
	char *target = xasprintf("/return/%s", host);
	cJSON *doc;
	int rc = ask(w, "POST", target, &doc, e);

	json_free(doc);
	free(target);
	return rc;
}

int way_stop_task(struct way *w, const char *node, const char *task, struct err *e)
{
	char *target = xasprintf("/stop/%s?task=%s", node,
				 task != NULL ? task : "");
	cJSON *doc;
	int rc = ask(w, "POST", target, &doc, e);

	json_free(doc);
	free(target);
	return rc;
}

/* ---- back ---- */

/* The row is still that of a machine which is to be made anew. */
static bool is_old(const cJSON *row, const char *host, const cJSON *before,
		   bool fresh)
{
	const cJSON *old = way_row(before, host);

	return fresh && old != NULL &&
	       strcmp(json_str_opt(row, "id", ""),
		      json_str_opt(old, "id", "")) == 0;
}

/* Is it a node as it should be, and another one than before when it was made
 * anew? */
static bool is_back(const cJSON *nodes, const char *host, const cJSON *before,
		    bool fresh)
{
	const cJSON *row = way_row(nodes, host);

	return row != NULL && is_ready(row) &&
	       strcmp(json_str_opt(row, "availability", ""), "active") == 0 &&
	       *json_str_opt(row, "stage", "") == '\0' &&
	       !is_old(row, host, before, fresh);
}

/* *probe_s: how long it is until the load balancer asks again. */
static bool is_healthy(struct way *w, const char *host, int64_t *probe_s)
{
	char *target = xasprintf("/health/%s", host);
	struct err ignored = ERR_INIT;
	unsigned status = 0;
	cJSON *doc = NULL;
	bool well = ask_any(w, "GET", target, &status, &doc, &ignored) == 0 &&
		    status == 200 && json_int_opt(doc, "status", 0) == 200;

	*probe_s = json_int_opt(doc, "probe_s", HEALTHY_S);
	if (*probe_s < 1 || *probe_s > HEALTHY_MAX_S)
		*probe_s = HEALTHY_S;
	json_free(doc);
	free(target);
	return well;
}

struct arrival {
	int64_t well_ms;  /* since when its probe succeeds; 0: it does not */
	int64_t step_ms;  /* since when it is at its step */
	const char *step; /* what was last said of it, NULL: nothing */
	bool was_there;	  /* Ready at the first look: nothing is said of it */
	bool over;
};

/* Does that port answer, as seen from a master? */
static bool answers(struct way *w, const char *address, unsigned port)
{
	struct err ignored = ERR_INIT;
	struct ssh_channel *c;
	bool yes = false;
	int fd;

	if (w->here) {
		fd = tcp_connect(address, port, now_ms() + PORT_MS, &ignored);
		if (fd >= 0)
			stream_close(stream_of_fd(fd));
		return fd >= 0;
	}
	if (remote_check(&w->remote, &ignored) < 0)
		return false;
	c = ssh_tcp(w->remote.ssh, address, port, &ignored);
	if (c != NULL) {
		yes = ssh_channel_wait(c, now_ms() + PORT_MS, &ignored) == 0;
		ssh_channel_close(c);
	}
	return yes;
}

/* How far a machine is that is not in service; NULL: nobody knows. */
static const char *step_of(struct way *w, const char *host, const cJSON *nodes,
			   const cJSON *before, bool fresh)
{
	const char *address = json_str_opt(w->addresses, host, "");
	const cJSON *row = way_row(nodes, host);

	if (row != NULL && is_ready(row) && is_old(row, host, before, fresh))
		return "going down";
	if (row != NULL && is_ready(row))
		return "Ready, soon in the load balancer";
	if (*address == '\0')
		return NULL;
	if (answers(w, address, LAYOUT_HEALTH_PORT))
		return "joining the swarm";
	return answers(w, address, 22) ? "installing Docker" : "booting";
}

/* What shows why it does not get on; the host's name is between. */
static const struct {
	const char *step, *look, *behind;
} hints[] = {
	{ "booting",
	  "'azswarm list-agents' and 'azswarm view-deployment' show what Azure "
	  "says",
	  NULL },
	{ "installing Docker", "'azswarm ssh ",
	  " tail -f /var/log/cloud-init-output.log' shows how far" },
	{ "joining the swarm", "'azswarm ssh ",
	  " journalctl -fu swarm-agent' shows why" },
};

static void say_slow(struct way *w, const char *host, const char *step,
		     int64_t slow_ms)
{
	char span[32];

	time_span(slow_ms / 1000, span);
	for (size_t i = 0; i < sizeof(hints) / sizeof(*hints); i++)
		if (strcmp(hints[i].step, step) == 0)
			ui_say(w->s->ui, "  %s: %s for %s already; %s%s%s",
			       host, step, span, hints[i].look,
			       hints[i].behind != NULL ? host : "",
			       hints[i].behind != NULL ? hints[i].behind : "");
}

static void say_step(struct way *w, const char *host, struct arrival *a,
		     const char *step, int64_t slow_ms)
{
	if (step == NULL || a->was_there)
		return;
	if (step != a->step) {
		ui_say(w->s->ui, "  %s: %s", host, step);
		a->step = step;
		a->step_ms = now_ms();
	} else if (a->step_ms != 0 && now_ms() - a->step_ms >= slow_ms) {
		say_slow(w, host, step, slow_ms);
		a->step_ms = 0; /* once */
	}
}

static void say_back(struct way *w, const char *host, int64_t began)
{
	char span[32];

	time_span((now_ms() - began) / 1000, span);
	ui_say(w->s->ui, "  %s: %sin service (%s)", host,
	       w->new_ones ? "" : "back ", span);
}

/* One look at all that are not there yet; how many are left. */
static size_t look_back(struct way *w, const char *const *hosts, size_t n,
			const cJSON *before, bool fresh, struct arrival *a,
			const cJSON *nodes, int64_t began, int64_t limit_ms)
{
	size_t left = 0;

	for (size_t i = 0; i < n; i++) {
		int64_t probe_s;

		if (a[i].over)
			continue;
		if (!is_back(nodes, hosts[i], before, fresh) ||
		    !is_healthy(w, hosts[i], &probe_s))
			a[i].well_ms = 0;
		else if (a[i].well_ms == 0)
			a[i].well_ms = now_ms();
		else
			a[i].over = now_ms() - a[i].well_ms >= 2000 * probe_s;
		if (a[i].over && !a[i].was_there)
			say_back(w, hosts[i], began);
		else if (!a[i].over && w->addresses != NULL)
			say_step(w, hosts[i], &a[i],
				 step_of(w, hosts[i], nodes, before, fresh),
				 limit_ms / SLOW_PART);
		left += !a[i].over;
	}
	return left;
}

static int not_back(const char *const *hosts, size_t n, const struct arrival *a,
		    bool back, int64_t limit_ms, struct err *e)
{
	struct buf names = BUF_INIT(4096);
	const char *first = "";

	for (size_t i = n; i-- > 0;)
		if (!a[i].over)
			first = hosts[i];
	for (size_t i = 0; i < n; i++)
		if (!a[i].over)
			buf_addf(&names, "%s%s%s%s%s", names.n ? ", " : "",
				 hosts[i], a[i].step != NULL ? " (" : "",
				 a[i].step != NULL ? a[i].step : "",
				 a[i].step != NULL ? ")" : "");
	err_set(e, ERR_DATA,
		"not %sin service within %lld minutes: %s; 'azswarm ssh %s "
		"journalctl -u swarm-agent' and "
		"/var/log/cloud-init-output.log there say more",
		back ? "back " : "", (long long)limit_ms / 60000, names.str,
		first);
	buf_release(&names);
	return -1;
}

int way_back(struct way *w, const char *const *hosts, size_t n,
	     const cJSON *before, bool fresh, int64_t limit_ms, struct err *e)
{
	struct arrival *a = xcalloc(n, sizeof(*a));
	int64_t began = now_ms();
	unsigned times = 0;
	bool first = true;
	int rc = -1;

	for (;;) {
		struct err once = ERR_INIT;
		cJSON *nodes = NULL;
		size_t left = n;

		if (way_nodes(w, &nodes, &once) == 0) {
			for (size_t i = 0; first && i < n; i++)
				a[i].was_there = w->new_ones &&
						 is_back(nodes, hosts[i],
							 before, fresh);
			first = false;
			left = look_back(w, hosts, n, before, fresh, a, nodes,
					 began, limit_ms);
			times = 0;
		} else if (lost(&times, &once, e)) {
			break;
		}
		json_free(nodes);
		if (left == 0) {
			rc = 0;
			break;
		}
		if (now_ms() - began >= limit_ms) {
			not_back(hosts, n, a, !w->new_ones, limit_ms, e);
			break;
		}
		if (wait_a_look(w, n == 1 ? hosts[0] : "machines to be in service",
				began, e) < 0)
			break;
	}
	ui_clear(w->s->ui);
	free(a);
	return rc;
}
