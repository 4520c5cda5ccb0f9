/*
 * Who may ask the helper for what: the routes of helper.c, the rate of an
 * address, authentication; and those answers that are about the swarm and not
 * about one of its nodes.
 */
#include "node/helper.h"

#include <string.h>

#include "base/clock.h"
#include "base/json.h"

#define TOO_MANY "too many requests from this address; wait a second"
#define REFUSAL_COST 5 /* a wrong secret counts as that many */

void helper_answer_doc(struct http_exchange *x, unsigned status, cJSON *doc)
{
	static const char *const fields[] = {
		"Content-Type: application/json",
		"Cache-Control: no-store",
		NULL,
	};
	static const char *const challenge[] = {
		"Content-Type: application/json",
		"Cache-Control: no-store",
		"WWW-Authenticate: Azswarm",
		NULL,
	};
	struct buf b = BUF_INIT(2u << 20); /* the table of 2,000 nodes */

	json_print(doc, &b);
	buf_addc(&b, '\n');
	http_x_answer(x, status, status == 401 ? challenge : fields, buf_str(&b));
	buf_burn(&b);
	json_burn(doc);
}

void helper_answer_error(struct http_exchange *x, unsigned status, const char *text)
{
	cJSON *doc = cJSON_CreateObject();

	json_add_str(doc, "error", text);
	helper_answer_doc(x, status, doc);
}

void helper_answer_err(struct http_exchange *x, const struct err *e)
{
	helper_answer_error(x, 503, e->msg);
}

static bool pay(const struct helper_call *c, unsigned cost)
{
	return budget_pay(&c->h->budget, c->addr, c->pays, cost, now_ms());
}

static void do_nonce(struct helper_call *c)
{
	char nonce[AUTH_NONCE_HEX + 1];
	cJSON *doc = cJSON_CreateObject();

	auth_nonce(&c->h->auth, now_ms(), nonce);
	json_add_str(doc, "nonce", nonce);
	json_add_int(doc, "expires_s", AUTH_NONCE_MS / 1000);
	/* another connection would cost both of us more than the wait */
	http_x_stay(c->x);
	helper_answer_doc(c->x, 200, doc);
}

void helper_add_life(struct helper *h, cJSON *doc)
{
	char cluster[DOCKER_ID_MAX];
	unsigned generation;

	pthread_mutex_lock(&h->lock);
	memcpy(cluster, h->cluster, sizeof(cluster));
	generation = h->generation;
	pthread_mutex_unlock(&h->lock);
	json_add_str(doc, "cluster", cluster);
	json_add_int(doc, "generation", generation);
}

bool helper_speaks_for(struct helper_call *c)
{
	struct buf cluster = BUF_INIT(DOCKER_ID_MAX), number = BUF_INIT(16);
	struct helper *h = c->h;
	uint64_t generation = 0;
	bool older, other;

	if (!http_x_param(c->x, "generation", &number) ||
	    !str_num(buf_str(&number), MARKER_GENERATIONS, &generation))
		generation = 0;
	http_x_param(c->x, "cluster", &cluster);
	pthread_mutex_lock(&h->lock);
	/* one that is in none yet has its own answer */
	older = h->active && generation > h->generation;
	other = h->active && generation == h->generation && cluster.n > 0 &&
		strcmp(cluster.str, h->cluster) != 0;
	h->look = h->look || older;
	pthread_mutex_unlock(&h->lock);
	buf_release(&cluster);
	buf_release(&number);
	if (older || other)
		helper_answer_error(c->x, 503,
				    older ? "the swarm here is an older one" :
					    "the swarm here is another one");
	if (older)
		helper_kick(h);
	return !older && !other;
}

/* Whether there is a swarm to speak for, and it is the caller's; answered when
 * not. */
static bool has_swarm(struct helper_call *c)
{
	bool active;

	pthread_mutex_lock(&c->h->lock);
	active = c->h->active;
	pthread_mutex_unlock(&c->h->lock);
	if (!active)
		helper_answer_error(c->x, 503, HELPER_NO_SWARM);
	return active && helper_speaks_for(c);
}

static void join(struct helper_call *c, bool manager)
{
	struct helper *h = c->h;
	struct buf token = BUF_INIT(256), remote = BUF_INIT(64);
	const char *self;
	struct docker d;
	struct err e = ERR_INIT;
	cJSON *doc;

	if (h->self == LAYOUT_MASTERS_MAX) {
		helper_answer_error(c->x, 503, HELPER_NO_SWARM);
		return;
	}
	if (!has_swarm(c))
		return;
	helper_engine(h, &d);
	if (docker_swarm_token(&d, manager, &token, &e) < 0) {
		helper_answer_err(c->x, &e);
	} else {
		self = h->config.masters[h->self];
		buf_addf(&remote, strchr(self, ':') != NULL ? "[%s]:%d" : "%s:%d",
			 self, DOCKER_PORT_MANAGER);
		doc = cJSON_CreateObject();
		json_add_str(doc, "token", token.str);
		json_add_str(doc, "remote", remote.str);
		helper_add_life(h, doc);
		helper_answer_doc(c->x, 200, doc);
		helper_count(h, HELPER_COUNT_TOKENS);
		daemon_say("%s token handed to %s at %s",
			   manager ? "manager" : "worker", c->caller.name,
			   c->addr);
	}
	docker_release(&d);
	buf_burn(&token);
	buf_release(&remote);
}

static void do_join_worker(struct helper_call *c)
{
	join(c, false);
}

static void do_join_manager(struct helper_call *c)
{
	join(c, true);
}

/* Read from the engine when it is asked for, and kept nowhere. */
static void do_unlock_key(struct helper_call *c)
{
	struct helper *h = c->h;
	struct buf key = BUF_INIT(256);
	struct docker d;
	struct err e = ERR_INIT;
	cJSON *doc;

	/* 503: another master may */
	if (!h->config.share_unlock_key) {
		helper_answer_error(c->x, 503,
				    "this master does not share the unlock key");
		return;
	}
	if (!has_swarm(c))
		return;
	helper_engine(h, &d);
	if (docker_unlock_key(&d, &key, &e) < 0 ||
	    buf_check(&key, "the unlock key", &e) < 0) {
		helper_answer_err(c->x, &e);
	} else {
		doc = cJSON_CreateObject();
		json_add_str(doc, "key", key.str);
		helper_answer_doc(c->x, 200, doc);
		daemon_say("unlock key handed to %s at %s", c->caller.name,
			   c->addr);
	}
	docker_release(&d);
	buf_burn(&key);
}

static void do_healthz(struct helper_call *c)
{
	struct helper *h = c->h;
	bool good;
	cJSON *doc = cJSON_CreateObject();

	pthread_mutex_lock(&h->lock);
	good = table_is_kept(h->active, h->good_ms, now_ms());
	pthread_mutex_unlock(&h->lock);
	json_add_str(doc, "status", good ? "ok" : "no swarm");
	helper_answer_doc(c->x, good ? 200 : 503, doc);
}

static void metric(struct buf *b, const char *name, const char *type,
		   const char *help, unsigned long long v)
{
	buf_addf(b, "# HELP %s %s\n# TYPE %s %s\n%s %llu\n", name, help, name,
		 type, name, v);
}

static void metric_nodes(struct buf *b, struct helper *h)
{
	size_t n[4] = { 0 }, drained = 0, managers = 0;

	pthread_mutex_lock(&h->lock);
	for (size_t i = 0; i < h->n_nodes; i++) {
		n[h->nodes[i].state]++;
		drained += h->nodes[i].availability == DOCKER_DRAIN;
		managers += h->nodes[i].manager;
	}
	metric(b, "azswarm_swarm_active", "gauge",
	       "Whether this is a manager of a swarm.", h->active);
	pthread_mutex_unlock(&h->lock);
	buf_adds(b,
		 "# HELP azswarm_nodes Nodes of the swarm by state.\n# TYPE azswarm_nodes gauge\n");
	for (int i = 0; i < 4; i++)
		buf_addf(b, "azswarm_nodes{state=\"%s\"} %zu\n",
			 docker_node_state_name((enum docker_node_state)i), n[i]);
	metric(b, "azswarm_nodes_drained", "gauge", "Nodes that take no tasks.",
	       drained);
	metric(b, "azswarm_managers", "gauge", "Managers of the swarm.", managers);
}

static void do_metrics(struct helper_call *c)
{
	static const char *const fields[] = {
		"Content-Type: text/plain; version=0.0.4; charset=utf-8",
		NULL,
	};
	static const struct {
		const char *name, *help;
	} counters[HELPER_COUNTS] = {
		[HELPER_COUNT_REQUESTS] = { "azswarm_requests_total",
					    "Requests taken." },
		[HELPER_COUNT_REFUSED] = { "azswarm_requests_refused_total",
					   "Requests without the right to it." },
		[HELPER_COUNT_LIMITED] = { "azswarm_requests_limited_total",
					   "Requests of callers that ask too often." },
		[HELPER_COUNT_TOKENS] = { "azswarm_tokens_total",
					  "Join tokens handed out." },
		[HELPER_COUNT_DRAINS] = { "azswarm_drains_total",
					  "Nodes that said that they go." },
		[HELPER_COUNT_REMOVED] = { "azswarm_nodes_removed_total",
					   "Rows removed from the node table." },
		[HELPER_COUNT_DEMOTED] = { "azswarm_managers_demoted_total",
					   "Managers demoted." },
		[HELPER_COUNT_RESTORED] = { "azswarm_nodes_restored_total",
					    "Nodes that said that they go and stayed." },
		[HELPER_COUNT_FAILED_PASSES] = { "azswarm_passes_failed_total",
						 "Passes over the node table that failed." },
		[HELPER_COUNT_BROKEN] = { "azswarm_connections_broken_total",
					  "Connections that ended with an error." },
	};
	struct buf b = BUF_INIT(8192);

	metric_nodes(&b, c->h);
	for (size_t i = 0; i < HELPER_COUNTS; i++)
		metric(&b, counters[i].name, "counter", counters[i].help,
		       c->h->counts[i]);
	http_x_answer(c->x, 200, fields, buf_str(&b));
	buf_release(&b);
}

enum right { ANYBODY, NODES, MANAGERS, LOCAL };

static const struct route {
	const char *method, *path; /* a path that ends in '/' has a rest */
	enum right right;
	void (*run)(struct helper_call *c);
} routes[] = {
	{ "GET", "/nonce", ANYBODY, do_nonce },
	{ "GET", "/healthz", ANYBODY, do_healthz },
	{ "GET", "/metrics", ANYBODY, do_metrics },
	{ "GET", "/join/worker", NODES, do_join_worker },
	{ "GET", "/join/manager", MANAGERS, do_join_manager },
	{ "GET", "/unlock-key", MANAGERS, do_unlock_key },
	{ "GET", "/node/", NODES, helper_do_node },
	{ "POST", "/evict/", NODES, helper_do_evict },
	{ "GET", "/evict/", NODES, helper_do_evict_progress },
	{ "POST", "/return/", NODES, helper_do_return },
	{ "POST", "/drain/", NODES, helper_do_evict },
	{ "GET", "/drain/", NODES, helper_do_evict_progress },
	{ "POST", "/left/", NODES, helper_do_left },
	{ "GET", "/nodes", LOCAL, helper_do_nodes },
	{ "GET", "/health/", LOCAL, helper_do_health },
	{ "POST", "/stop/", LOCAL, helper_do_stop },
};

static bool route_path(const struct route *r, struct str path, struct str *rest)
{
	struct str own = str_of(r->path);

	if (!str_starts(path, own))
		return false;
	*rest = str_skip(path, own.n);
	return str_ends(own, STR("/")) ? rest->n > 0 && str_chr(*rest, '/') < 0 :
					 rest->n == 0;
}

/* NULL when answered. */
static const struct route *route_find(struct helper_call *c)
{
	const struct http_head *head = http_x_head(c->x);
	bool known = false;

	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		if (!route_path(&routes[i], http_x_path(c->x), &c->rest) ||
		    (routes[i].right == LOCAL && !c->local))
			continue;
		if (str_eqz(head->method, routes[i].method))
			return &routes[i];
		known = true;
	}
	helper_answer_error(c->x, known ? 405 : 404,
			    known ? "not with that method" : "no such path");
	return NULL;
}

/* Whether the caller may have what the route is for; answered when not. */
static bool has_right(struct helper_call *c, const struct route *r)
{
	if (r->right == ANYBODY || c->local)
		return true;
	if (c->auth == AUTH_OK && (r->right != MANAGERS || c->caller.manager))
		return true;
	helper_count(c->h, HELPER_COUNT_REFUSED);
	pay(c, REFUSAL_COST);
	if (c->auth == AUTH_OK) {
		daemon_say("refused what is for managers to %s at %s, which has the worker secret",
			   c->caller.name, c->addr);
		helper_answer_error(
			c->x, 403,
			"the worker secret does not give what is for managers");
	} else {
		if (c->auth == AUTH_WRONG || c->auth == AUTH_REPLAYED)
			daemon_say("refused a request from %s: %s", c->addr,
				   auth_text(c->auth));
		helper_answer_error(c->x, c->auth == AUTH_BUSY ? 503 : 401,
				    auth_text(c->auth));
	}
	return false;
}

/*
 * Who it is, and whether he has asked too often; answered then.  One that is
 * authenticated pays as such, whatever strangers at his address do.
 */
static bool is_in_budget(struct helper_call *c)
{
	static const char *const fields[] = {
		"Content-Type: application/json",
		"Cache-Control: no-store",
		"Retry-After: 1",
		"Connection: close",
		NULL,
	};
	const struct http_head *head = http_x_head(c->x);
	bool proven = http_x_rank(c->x) == HTTP_PROVEN;
	struct buf b = BUF_INIT(256);
	cJSON *doc;

	daemon_peer(http_x_peer(c->x), c->addr);
	c->auth = auth_check(&c->h->auth, &c->h->config, head->method,
			     head->target, http_field(head, "Authorization"),
			     now_ms(), &c->caller);
	c->pays = proven || c->auth == AUTH_OK ? BUDGET_PROVEN_REQUESTS :
						 BUDGET_REQUESTS;
	if (pay(c, 1))
		return true;
	helper_count(c->h, HELPER_COUNT_LIMITED);
	doc = cJSON_CreateObject();
	json_add_str(doc, "error", TOO_MANY);
	json_print(doc, &b);
	http_x_answer(c->x, 429, fields, buf_str(&b));
	json_free(doc);
	buf_release(&b);
	return false;
}

/* No request has a body that means anything. */
static bool has_body(const struct http_exchange *x)
{
	const struct http_head *head = http_x_head(x);
	struct str length = http_field(head, "Content-Length");

	return http_field(head, "Transfer-Encoding").p != NULL ||
	       (length.p != NULL && !str_eqz(length, "0"));
}

static void answer_one(struct helper *h, struct http_exchange *x, bool local)
{
	struct helper_call c = { .h = h, .x = x, .local = local };
	const struct route *r;

	helper_count(c.h, HELPER_COUNT_REQUESTS);
	if (!local && !is_in_budget(&c))
		return;
	/* which is not waited for */
	if (has_body(x)) {
		helper_answer_error(x, 400, "no body is expected");
		return;
	}
	r = route_find(&c);
	if (r != NULL && has_right(&c, r))
		r->run(&c);
}

void helper_handle(void *ctx, struct http_exchange *x)
{
	answer_one(ctx, x, false);
}

void helper_handle_local(void *ctx, struct http_exchange *x)
{
	answer_one(ctx, x, true);
}
