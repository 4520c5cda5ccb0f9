/*
 * The helper: what a master runs beside its engine.
 *
 * One thread keeps the swarm: founds it when nobody else has one, sees to the
 * ingress network, and makes a pass over the node table every 10 s (every 2 s
 * while somebody is about to leave).  The others answer requests, over TLS
 * with the key that every node of the cluster has pinned:
 *
 *	GET  /nonce		what the next request is authenticated with (auth.h)
 *	GET  /join/worker	{"token","remote","cluster"}
 *	GET  /join/manager	the same; the worker secret does not get it
 *	GET  /node/ID		the caller's own row, and when to ask again
 *	POST /evict/ID		the caller goes (?by=shutdown|event&limit=SECONDS)
 *	GET  /evict/ID		how far it is on the way out (node/evict.h)
 *	POST /return/ID		it stays after all
 *	POST /left/ID		the caller has left
 *	POST, GET /drain/ID	POST, GET /evict/ID of agents before 0.2
 *	GET  /healthz		200 while this is a working manager
 *	GET  /metrics		Prometheus text
 *
 * All but the last two and /nonce need authentication.  A caller acts for its
 * own node only: the name it proved is the node's, and it calls from the
 * address that the swarm knows for it.
 *
 * On a unix socket, for whoever may use Docker's on this machine, and by name
 * or ID for any node:
 *
 *	GET  /nodes		the table, with everybody's way out
 *	POST /evict/NODE	(?limit=SECONDS) and what will be noticed
 *	GET  /evict/NODE, POST /return/NODE
 *	GET  /health/NODE	what the load balancer is told there, now
 *	POST /stop/NODE		?task=ID: its agent stops that one
 *
 * Whatever must outlive a restart is kept in the swarm itself, as a label of
 * the node; the rest can be forgotten without harm.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/net.h"
#include "docker/docker.h"
#include "http.h"
#include "node/ask.h"
#include "node/auth.h"
#include "node/config.h"
#include "node/daemon.h"
#include "node/evictor.h"
#include "node/node.h"
#include "http/plain.h"
#include "node/table.h"
#include "tls/tls.h"

#define CONNS_MAX 48
#define CONNS_PEER_MAX 8
#define IDLE_MS 10000
#define LOCAL_IDLE_MS 60000
#define BODY_MAX 1024
#define HANDSHAKE_MS 5000
#define HEALTH_MS 3000		/* one question to an agent's probe */
#define KEY_MAX (16u << 10)

#define PASS_MS 10000		/* between passes over the node table */
#define PASS_SOON_MS 2000	/* while somebody is leaving */
#define PASS_WAIT_MS 1000	/* while there is no swarm */
#define TABLE_AGE_MS 2000	/* answers may be as old */
#define FOUND_MS 60000		/* the other masters' silence before master0 founds */
#define INGRESS_MS 30000
#define INGRESS_TRIES 5
#define ENGINE_MS 15000		/* one exchange with Docker */
#define ACTIONS_MAX 16		/* per pass, so that no mistake is a fast one */

#define PEERS 256		/* addresses whose rate is known */
#define BURST_S 4		/* seconds' worth of requests at once */
#define REFUSAL_COST 5		/* a wrong secret counts as that many */

struct peer {
	char addr[48];
	int64_t tokens;		/* thousandths of a request */
	int64_t last_ms;
};

enum counted {
	COUNT_REQUESTS, COUNT_REFUSED, COUNT_LIMITED, COUNT_TOKENS, COUNT_DRAINS, COUNT_REMOVED,
	COUNT_DEMOTED, COUNT_RESTORED, COUNT_FAILED_PASSES, COUNT_BROKEN, COUNTS,
};

struct helper {
	struct node_config config;
	struct tls_identity *identity;
	struct auth auth;
	unsigned self;			/* our index among the masters, or LAYOUT_MASTERS_MAX */
	atomic_ullong counts[COUNTS];

	pthread_mutex_t rate_lock;
	struct peer peers[PEERS];

	pthread_mutex_t lock;		/* for what follows */
	pthread_cond_t kick;
	bool kicked;
	bool active;			/* a manager of a swarm, as of good_ms */
	int64_t good_ms;		/* last good pass, 0: none yet */
	char cluster[DOCKER_ID_MAX];
	struct docker_node *nodes;
	size_t n_nodes;
	int64_t nodes_ms;		/* when they were read */
	struct table table;
	struct evictor evictor;

	/* the keeper's own */
	struct docker docker;
	struct complaint complaint;
	int64_t founding_ms;		/* since when nobody had a swarm */
	unsigned ingress_tries;
};

static void count(struct helper *h, enum counted c)
{
	atomic_fetch_add_explicit(&h->counts[c], 1, memory_order_relaxed);
}

/* ---- keeping the swarm --------------------------------------------------- */

static void kick(struct helper *h)
{
	pthread_mutex_lock(&h->lock);
	h->kicked = true;
	pthread_cond_signal(&h->kick);
	pthread_mutex_unlock(&h->lock);
}

/* Sleep until kicked, the time has come, or we are to stop.  A signal handler
 * cannot signal a condition, hence the slices. */
static void wait_kicked(struct helper *h, int64_t until_ms)
{
	pthread_mutex_lock(&h->lock);
	while (!h->kicked && !interrupt_requested() && now_ms() < until_ms) {
		int64_t slice = now_ms() + 500;
		struct timespec t;

		if (slice > until_ms)
			slice = until_ms;
		t.tv_sec = (time_t)(slice / 1000);
		t.tv_nsec = (long)(slice % 1000) * 1000000;
		pthread_cond_timedwait(&h->kick, &h->lock, &t);
	}
	h->kicked = false;
	pthread_mutex_unlock(&h->lock);
}

/* Make a swarm of our own. */
static int found(struct helper *h, struct err *e)
{
	const struct node_config *c = &h->config;
	const struct docker_init_spec spec = {
		.advertise = c->masters[h->self],
		.addr_pool = c->addr_pool[0] != '\0' ? c->addr_pool : NULL,
		.keep_snapshots = 3,
	};

	if (docker_swarm_init(&h->docker, &spec, e) < 0)
		return err_in(e, "founding a swarm");
	daemon_say("founded a swarm, advertised at %s", spec.advertise);
	return 0;
}

/*
 * Join the swarm of another master, as a manager.  1 when done, 0 when nobody
 * has a swarm; *silent when a master did not even answer.
 */
static int join_others(struct helper *h, bool *silent, struct err *e)
{
	const char *token, *remote;
	cJSON *doc = NULL;
	unsigned status = 0;
	struct ask a;
	int rc = 0;

	*silent = false;
	if (ask_init(&a, &h->config, e) < 0)
		return -1;
	a.skip = h->self;
	if (ask(&a, "GET", "/join/manager", true, now_ms() + 20000, &status, &doc, NULL, e) < 0) {
		*silent = true;
		err_clear(e);
		goto out;
	}
	if (status >= 500)
		goto out;
	rc = -1;
	token = json_str_opt(doc, "token", "");
	remote = json_str_opt(doc, "remote", "");
	if (status != 200 || *token == '\0' || *remote == '\0') {
		err_set(e, ERR_DOCKER, "asking to join: %s (%u)",
			json_str_opt(doc, "error", http_reason(status)), status);
		goto out;
	}
	if (docker_swarm_join(&h->docker, h->self < LAYOUT_MASTERS_MAX ?
			      h->config.masters[h->self] : NULL, remote, token, e) < 0)
		goto out;
	daemon_say("joined the swarm of %s as a manager", remote);
	rc = 1;
out:
	json_burn(doc);
	ask_release(&a);
	return rc;
}

/*
 * No swarm here.  The others are asked first: a rebuilt master joins instead
 * of founding a second swarm.  Only master0 ever founds one, and beside other
 * masters only after they have said for a minute that they have none.
 */
static int seek(struct helper *h, struct err *e)
{
	const struct node_config *c = &h->config;
	bool silent;
	int rc;

	if (c->n_masters == 1 && h->self == 0)
		return found(h, e);
	rc = join_others(h, &silent, e);
	if (rc != 0)
		return rc < 0 ? -1 : 0;
	if (h->self != 0)
		return err_set(e, ERR_NET, h->self == LAYOUT_MASTERS_MAX ?
			       "no swarm yet, and none of the masters' addresses is ours" :
			       "no master has a swarm yet; master0 founds it");
	if (h->founding_ms == 0)
		h->founding_ms = now_ms();
	if (now_ms() - h->founding_ms < FOUND_MS)
		return err_set(e, ERR_NET,
			       "no swarm yet; the other masters are asked for a minute%s",
			       silent ? ", some do not answer" : "");
	return found(h, e);
}

/* Best effort and bounded: a wrong ingress network is better than none. */
static void see_to_ingress(struct helper *h)
{
	const struct node_config *c = &h->config;
	struct err e = ERR_INIT;
	bool changed;

	if (c->ingress[0] == '\0' || h->ingress_tries >= INGRESS_TRIES)
		return;
	if (docker_ingress(&h->docker, c->ingress, c->mtu, now_ms() + INGRESS_MS,
			   &changed, &e) < 0) {
		h->ingress_tries++;
		daemon_say("the ingress network is not as wanted (%s, MTU %u): %s%s",
			   c->ingress, c->mtu, e.msg,
			   h->ingress_tries == INGRESS_TRIES ? "; left as it is" : "");
		return;
	}
	h->ingress_tries = INGRESS_TRIES;
	if (changed)
		daemon_say("made the ingress network: %s, MTU %u", c->ingress, c->mtu);
}

static int act(struct helper *h, const struct docker_node *node, struct table_verdict v,
	       struct err *e)
{
	struct docker_node_change change = { 0 };

	switch (v.action) {
	case TABLE_KEEP:
		return 0;
	case TABLE_REMOVE:
		/* not by force: the engine itself then checks that it is down */
		if (docker_node_remove(&h->docker, node->id, false, e) < 0 &&
		    h->docker.status != 404)
			return err_in(e, "removing node %s (%s)", node->hostname, node->id);
		err_clear(e);
		count(h, COUNT_REMOVED);
		daemon_say("node %s (%s) removed: %s", node->hostname, node->id,
			   table_why_text(v.why));
		return 0;
	case TABLE_DEMOTE:
		change = (struct docker_node_change){ .role = "worker" };
		if (docker_node_update(&h->docker, node->id, &change, e) < 0)
			return err_in(e, "demoting node %s (%s)", node->hostname, node->id);
		count(h, COUNT_DEMOTED);
		daemon_say("manager %s (%s) demoted: %s", node->hostname, node->id,
			   table_why_text(v.why));
		return 0;
	case TABLE_RESTORE:
		if (evictor_return(&h->docker, node, e) < 0)
			return -1;
		count(h, COUNT_RESTORED);
		daemon_say("node %s (%s) is %s again: %s", node->hostname, node->id,
		    docker_availability_name(node->before), table_why_text(v.why));
		return 0;
	}
	return 0;
}

/* Take over a list of nodes just read. */
static void publish(struct helper *h, struct docker_node *nodes, size_t n)
{
	free(h->nodes);
	h->nodes = nodes;
	h->n_nodes = n;
	h->nodes_ms = now_ms();
}

/* Is this machine the one that leads the swarm? */
static bool leads(const struct docker_node *nodes, size_t n, const char *self)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(nodes[i].id, self) == 0)
			return nodes[i].leader;
	return false;
}

/* Read the table, decide, act.  self: our own node's ID.  *soon: somebody is
 * on the way out. */
static int reconcile(struct helper *h, const char *self, bool *soon, struct err *e)
{
	struct docker_node *nodes, *copy;
	struct table_verdict *v;
	struct err evicting = ERR_INIT;
	unsigned acted = 0;
	bool moved = false;
	int rc = 0;
	size_t n;

	if (docker_nodes(&h->docker, &nodes, &n, e) < 0)
		return -1;
	copy = xmalloc(n * sizeof(*copy));
	if (n > 0)
		memcpy(copy, nodes, n * sizeof(*copy));
	v = xcalloc(n, sizeof(*v));
	pthread_mutex_lock(&h->lock);
	table_decide(&h->table, nodes, n, now_ms(), v);
	publish(h, copy, n);
	pthread_mutex_unlock(&h->lock);
	for (size_t i = 0; i < n; i++) {
		struct err one = ERR_INIT;

		*soon = *soon || nodes[i].leaving;
		if (v[i].action == TABLE_KEEP || acted == ACTIONS_MAX)
			continue;
		acted++;
		/* one that cannot be done must not hold up the others */
		if (act(h, &nodes[i], v[i], &one) < 0) {
			rc = -1;
			if (e->kind == ERR_NONE)
				*e = one;
		}
	}
	if (leads(nodes, n, self) &&
	    evictor_pass(&h->evictor, &h->docker, nodes, n, soon, &moved, &evicting) < 0) {
		rc = -1;
		if (e->kind == ERR_NONE)
			*e = evicting;
	}
	if (acted > 0 || moved) {
		pthread_mutex_lock(&h->lock);
		h->nodes_ms = 0;	/* not true any more */
		pthread_mutex_unlock(&h->lock);
	}
	free(nodes);
	free(v);
	return rc;
}

/* How the engine stands, and what follows. */
static int pass(struct helper *h, bool *active, bool *soon, struct err *e)
{
	struct docker_info info;

	if (docker_info(&h->docker, &info, e) < 0)
		return -1;
	if (info.state == DOCKER_SWARM_INACTIVE &&
	    (seek(h, e) < 0 || docker_info(&h->docker, &info, e) < 0))
		return -1;
	*active = info.state == DOCKER_SWARM_ACTIVE && info.manager;
	pthread_mutex_lock(&h->lock);
	memcpy(h->cluster, info.cluster_id, sizeof(h->cluster));
	pthread_mutex_unlock(&h->lock);
	if (*active) {
		h->founding_ms = 0;
		see_to_ingress(h);
		return reconcile(h, info.node_id, soon, e);
	}
	switch (info.state) {
	case DOCKER_SWARM_INACTIVE:
		return err_set(e, ERR_NET, "no master has a swarm yet");
	case DOCKER_SWARM_ACTIVE:
		return err_set(e, ERR_DOCKER, "this machine is a worker of a swarm, not a manager");
	case DOCKER_SWARM_LOCKED:
		return err_set(e, ERR_DOCKER, "the swarm is locked: docker swarm unlock");
	default:
		/* a manager that is starting; nothing is ever forced here */
		return err_set(e, ERR_DOCKER, "the engine's swarm is \"%s\"%s%s",
			       docker_swarm_state_name(info.state),
			       info.error[0] != '\0' ? ": " : "", info.error);
	}
}

static void *keep(void *ctx)
{
	struct helper *h = ctx;
	bool was_active = false;

	while (!interrupt_requested()) {
		bool active = false, soon = false;
		struct err e = ERR_INIT;
		int rc = pass(h, &active, &soon, &e);

		if (interrupt_requested())
			break;
		pthread_mutex_lock(&h->lock);
		h->active = active;
		if (rc == 0 && active)
			h->good_ms = now_ms();
		pthread_mutex_unlock(&h->lock);
		if (rc < 0)
			count(h, COUNT_FAILED_PASSES);
		daemon_complain(&h->complaint, rc < 0 ? e.msg : "", now_ms());
		if (active != was_active)
			daemon_notify(active ? "STATUS=manager of a swarm" : "STATUS=no swarm");
		was_active = active;
		wait_kicked(h, now_ms() + (!active ? PASS_WAIT_MS : soon ? PASS_SOON_MS : PASS_MS));
	}
	return NULL;
}

/* ---- answering ----------------------------------------------------------- */

static void answer_doc(struct http_exchange *x, unsigned status, cJSON *doc)
{
	static const char *const fields[] = {
		"Content-Type: application/json", "Cache-Control: no-store", NULL,
	};
	static const char *const challenge[] = {
		"Content-Type: application/json", "Cache-Control: no-store",
		"WWW-Authenticate: Azswarm", NULL,
	};
	struct buf b = BUF_INIT(2u << 20);	/* the table of 2,000 nodes */

	json_print(doc, &b);
	buf_addc(&b, '\n');
	http_x_answer(x, status, status == 401 ? challenge : fields, buf_str(&b));
	buf_burn(&b);
	json_burn(doc);
}

static void answer_error(struct http_exchange *x, unsigned status, const char *text)
{
	cJSON *doc = cJSON_CreateObject();

	json_add_str(doc, "error", text);
	answer_doc(x, status, doc);
}

/* The engine's refusals are not the caller's fault. */
static void answer_err(struct http_exchange *x, const struct err *e)
{
	answer_error(x, 503, e->msg);
}

/* The address alone of "10.0.0.1:1234" or "[::1]:1234". */
static void peer_address(const struct http_exchange *x, char out[48])
{
	struct str s = str_of(http_x_peer(x));
	ptrdiff_t colon = str_rchr(s, ':');

	if (colon >= 0)
		s = str_head(s, (size_t)colon);
	if (s.n >= 2 && s.p[0] == '[')
		s = str_head(str_skip(s, 1), s.n - 2);
	/* a v4 caller of a v6 listener */
	if (str_istarts(s, STR("::ffff:")))
		s = str_skip(s, 7);
	s = str_head(s, 47);
	if (s.n > 0)
		memcpy(out, s.p, s.n);
	out[s.n] = '\0';
}

/* Find or make room for an address; the longest unheard one goes. */
static struct peer *peer_find(struct helper *h, const char *addr, int64_t now)
{
	struct peer *oldest = &h->peers[0];

	for (size_t i = 0; i < PEERS; i++) {
		if (strcmp(h->peers[i].addr, addr) == 0)
			return &h->peers[i];
		if (h->peers[i].last_ms < oldest->last_ms)
			oldest = &h->peers[i];
	}
	*oldest = (struct peer){ .tokens = (int64_t)h->config.rate * BURST_S * 1000,
				 .last_ms = now };
	memcpy(oldest->addr, addr, strlen(addr) + 1);
	return oldest;
}

/* Pay for cost requests; false when the address has asked for too much. */
static bool pay(struct helper *h, const char *addr, int64_t cost)
{
	int64_t now = now_ms(), max = (int64_t)h->config.rate * BURST_S * 1000;
	struct peer *p;
	bool ok;

	pthread_mutex_lock(&h->rate_lock);
	p = peer_find(h, addr, now);
	p->tokens += (now - p->last_ms) * h->config.rate;
	p->last_ms = now;
	if (p->tokens > max)
		p->tokens = max;
	ok = p->tokens >= 1000;
	p->tokens -= cost * 1000;
	if (p->tokens < 0)
		p->tokens = 0;
	pthread_mutex_unlock(&h->rate_lock);
	return ok;
}

struct helper_call {
	struct helper *h;
	struct http_exchange *x;
	struct auth_caller caller;
	char addr[48];
	bool local;			/* on the unix socket: for any node */
	struct str rest;		/* of the path, behind the route's own */
};

static void do_nonce(struct helper_call *c)
{
	char nonce[AUTH_NONCE_HEX + 1];
	cJSON *doc = cJSON_CreateObject();

	auth_nonce(&c->h->auth, now_ms(), nonce);
	json_add_str(doc, "nonce", nonce);
	json_add_int(doc, "expires_s", AUTH_NONCE_MS / 1000);
	answer_doc(c->x, 200, doc);
}

static void join(struct helper_call *c, bool manager)
{
	struct helper *h = c->h;
	struct buf token = BUF_INIT(256), remote = BUF_INIT(64);
	char cluster[DOCKER_ID_MAX];
	const char *self;
	struct docker d;
	struct err e = ERR_INIT;
	cJSON *doc;
	bool active;

	pthread_mutex_lock(&h->lock);
	active = h->active;
	memcpy(cluster, h->cluster, sizeof(cluster));
	pthread_mutex_unlock(&h->lock);
	if (!active || h->self == LAYOUT_MASTERS_MAX) {
		answer_error(c->x, 503, "there is no swarm here yet");
		return;
	}
	docker_init_unix(&d, h->config.docker_socket);
	d.timeout_ms = ENGINE_MS;
	if (docker_swarm_token(&d, manager, &token, &e) < 0) {
		answer_err(c->x, &e);
	} else {
		self = h->config.masters[h->self];
		buf_addf(&remote, strchr(self, ':') != NULL ? "[%s]:%d" : "%s:%d", self,
			 DOCKER_PORT_MANAGER);
		doc = cJSON_CreateObject();
		json_add_str(doc, "token", token.str);
		json_add_str(doc, "remote", remote.str);
		json_add_str(doc, "cluster", cluster);
		answer_doc(c->x, 200, doc);
		count(h, COUNT_TOKENS);
		daemon_say("%s token handed to %s at %s", manager ? "manager" : "worker",
			   c->caller.name, c->addr);
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

/* The table, at most age_ms old.  -1 with e; unlock afterwards in any case. */
static int table_lock(struct helper *h, int64_t age_ms, struct err *e)
{
	struct docker_node *nodes;
	struct docker d;
	size_t n;
	int rc;

	pthread_mutex_lock(&h->lock);
	if (!h->active)
		return err_set(e, ERR_DOCKER, "there is no swarm here yet");
	if (h->nodes_ms != 0 && now_ms() - h->nodes_ms <= age_ms)
		return 0;
	/* under the lock: one reading serves all requests that wait */
	docker_init_unix(&d, h->config.docker_socket);
	d.timeout_ms = ENGINE_MS;
	rc = docker_nodes(&d, &nodes, &n, e);
	docker_release(&d);
	if (rc == 0)
		publish(h, nodes, n);
	return rc;
}

static void table_unlock(struct helper *h)
{
	pthread_mutex_unlock(&h->lock);
}

/* A row by its ID; by name, too, when that is allowed: the Ready one of that
 * name, else the newest. */
static bool row_named(const struct helper *h, struct str word, bool by_name,
		      struct docker_node *node)
{
	const struct docker_node *best = NULL;

	for (size_t i = 0; i < h->n_nodes; i++) {
		const struct docker_node *one = &h->nodes[i];

		if (str_eqz(word, one->id)) {
			best = one;
			break;
		}
		if (!by_name || !str_eqz(word, one->hostname))
			continue;
		if (best == NULL ||
		    (one->state == DOCKER_NODE_READY) > (best->state == DOCKER_NODE_READY) ||
		    ((one->state == DOCKER_NODE_READY) == (best->state == DOCKER_NODE_READY) &&
		     docker_newer(one, best)))
			best = one;
	}
	if (best != NULL)
		*node = *best;
	return best != NULL;
}

/*
 * The row that the path names, if it is the caller's own; otherwise the
 * answer is given here.  The shared secret says that the caller is a node of
 * the cluster; name and address say which.
 */
static bool own_row(struct helper_call *c, int64_t age_ms, struct docker_node *node,
		    size_t *n_nodes)
{
	struct helper *h = c->h;
	struct err e = ERR_INIT;
	bool found_it = false;
	char text[200];
	struct buf why = BUF_INIT(sizeof(text));
	unsigned status = 404;

	/* a node that is not in the rows read before may have just joined */
	for (;; age_ms = 0) {
		if (table_lock(h, age_ms, &e) < 0) {
			table_unlock(h);
			answer_err(c->x, &e);
			return false;
		}
		found_it = row_named(h, c->rest, c->local, node);
		if (found_it || age_ms == 0)
			break;
		table_unlock(h);
	}
	if (n_nodes != NULL)
		*n_nodes = h->n_nodes;
	table_unlock(h);
	if (!found_it) {
		buf_addf(&why, "no such node in this swarm");
	} else if (c->local) {
		/* who may use this socket may do so for everybody */
	} else if (strcmp(node->hostname, c->caller.name) != 0) {
		status = 403;
		buf_addf(&why, "that node is %s, not %s", node->hostname, c->caller.name);
	} else if (strcmp(node->addr, c->addr) != 0 && node->addr[0] != '\0') {
		status = 403;
		buf_addf(&why, "node %s is at %s, and you call from %s", node->hostname, node->addr,
			 c->addr);
	}
	if (why.n > 0) {
		if (status == 403) {
			count(h, COUNT_REFUSED);
			daemon_say("refused %s at %s: %s", c->caller.name, c->addr, why.str);
		}
		answer_error(c->x, status, why.str);
	}
	found_it = why.n == 0;
	buf_release(&why);
	return found_it;
}

/* How far the node is on its way out; nothing when it is not. */
static void add_way(cJSON *doc, const struct docker_node *node)
{
	struct evict ev;

	if (!evict_read(str_of(node->evict), &ev))
		return;
	json_add_str(doc, "stage", evict_stage_name(ev.stage));
	json_add_str(doc, "by", evict_by_name(ev.by));
	json_add_int(doc, "since_s", ev.since_s);
	json_add_int(doc, "until_s", ev.until_s);
	json_add_bool(doc, "cut", ev.cut);
}

static void do_node(struct helper_call *c)
{
	struct docker_node node;
	size_t n;
	cJSON *doc;

	if (!own_row(c, TABLE_AGE_MS, &node, &n))
		return;
	doc = cJSON_CreateObject();
	json_add_str(doc, "id", node.id);
	json_add_str(doc, "hostname", node.hostname);
	json_add_str(doc, "role", node.manager ? "manager" : "worker");
	json_add_str(doc, "state", docker_node_state_name(node.state));
	json_add_str(doc, "availability", docker_availability_name(node.availability));
	json_add_bool(doc, "leaving", node.leaving);
	add_way(doc, &node);
	if (node.stop[0] != '\0')
		json_add_str(doc, "stop", node.stop);
	/* five a second are asked for by all nodes together */
	json_add_int(doc, "ask_again_s", n / 5 < 5 ? 5 : n / 5 > 60 ? 60 : (int64_t)(n / 5));
	answer_doc(c->x, 200, doc);
}

/* Query parameter as a number of seconds; 0 when it is not there. */
static unsigned seconds_param(const struct http_exchange *x, const char *name)
{
	struct buf b = BUF_INIT(16);
	uint64_t v = 0;

	if (!http_x_param(x, name, &b) || !str_num(buf_str(&b), EVICT_LIMIT_MAX_S, &v))
		v = 0;
	buf_release(&b);
	return (unsigned)v;
}

/* Who wants it: our own socket is the operator's, a machine says why. */
static enum evict_by asked_by(const struct helper_call *c)
{
	enum evict_by by = EVICT_BY_SHUTDOWN;
	struct buf b = BUF_INIT(16);

	if (c->local)
		return EVICT_BY_OPERATOR;
	if (http_x_param(c->x, "by", &b) && evict_by_read(buf_str(&b), &by) &&
	    by == EVICT_BY_OPERATOR)
		by = EVICT_BY_EVENT;
	buf_release(&b);
	return by;
}

static void answer_way(struct helper_call *c, const struct docker_node *node, struct buf *names)
{
	cJSON *doc = cJSON_CreateObject(), *list;
	struct evict_load load;
	struct str rest, line;

	json_add_str(doc, "id", node->id);
	json_add_str(doc, "hostname", node->hostname);
	json_add_str(doc, "state", docker_node_state_name(node->state));
	json_add_str(doc, "availability", docker_availability_name(node->availability));
	add_way(doc, node);
	if (evictor_load(&c->h->evictor, node->id, &load)) {
		json_add_int(doc, "tasks", load.here);
		json_add_int(doc, "missing", load.missing);
	}
	if (names != NULL) {
		list = json_add_arr(doc, "noticed");
		rest = buf_str(names);
		while (str_next(&rest, '\n', &line))
			if (line.n > 0)
				json_add_strn(list, NULL, line);
	}
	answer_doc(c->x, 200, doc);
}

/* What the node has to lose, a line each. */
static int what_is_lost(struct helper *h, struct docker *d, const struct docker_node *node,
			struct buf *names, struct err *e)
{
	struct docker_work work;
	struct docker_node *nodes = NULL;
	struct evict_load load;
	size_t n;
	int rc = docker_work_read(d, &work, e);

	if (rc == 0 && (rc = docker_nodes(d, &nodes, &n, e)) == 0)
		evict_load(&work, nodes, n, node, &load, names);
	(void)h;
	free(nodes);
	docker_work_release(&work);
	return rc;
}

static void do_evict(struct helper_call *c)
{
	struct buf names = BUF_INIT(32u << 10), text = BUF_INIT(EVICT_TEXT_MAX);
	struct evict ev, old;
	struct docker_node node;
	struct docker d;
	struct err e = ERR_INIT;

	if (!own_row(c, 0, &node, NULL))
		return;
	docker_init_unix(&d, c->h->config.docker_socket);
	d.timeout_ms = ENGINE_MS;
	ev = evict_begin(asked_by(c), seconds_param(c->x, "limit"), unix_time());
	/* who goes anyway waits for no turn, and is unhealthy already */
	if (ev.by != EVICT_BY_OPERATOR)
		ev.stage = EVICT_QUIET;
	/* a second one joins the first; a machine that goes down takes it over */
	if (evict_read(str_of(node.evict), &old)) {
		if (old.stage > ev.stage || ev.by == EVICT_BY_OPERATOR) {
			ev.stage = old.stage;
			ev.since_s = old.since_s;
			ev.cut = old.cut;
		}
		if (ev.by == EVICT_BY_OPERATOR && old.by != EVICT_BY_OPERATOR)
			ev = old;
	}
	if (c->local && what_is_lost(c->h, &d, &node, &names, &e) < 0) {
		answer_err(c->x, &e);
	} else if (evictor_set(&d, &node, &ev, NULL, &e) < 0) {
		answer_err(c->x, &e);
	} else {
		count(c->h, COUNT_DRAINS);
		daemon_say("node %s (%s) is to go, for the %s", node.hostname, node.id,
		    evict_by_name(ev.by));
		evict_write(&ev, &text);
		memcpy(node.evict, text.str, text.n + 1);
		answer_way(c, &node, c->local ? &names : NULL);
		kick(c->h);
	}
	docker_release(&d);
	buf_release(&names);
	buf_release(&text);
}

static void do_evict_progress(struct helper_call *c)
{
	struct docker_node node;

	if (own_row(c, TABLE_AGE_MS, &node, NULL))
		answer_way(c, &node, NULL);
}

static void do_return(struct helper_call *c)
{
	struct docker_node node;
	struct docker d;
	struct err e = ERR_INIT;

	if (!own_row(c, 0, &node, NULL))
		return;
	docker_init_unix(&d, c->h->config.docker_socket);
	d.timeout_ms = ENGINE_MS;
	if (evictor_return(&d, &node, &e) < 0) {
		answer_err(c->x, &e);
	} else {
		daemon_say("node %s (%s) stays: back into service", node.hostname, node.id);
		node.evict[0] = '\0';
		if (node.leaving)
			node.availability = node.before;
		answer_way(c, &node, NULL);
		kick(c->h);
	}
	docker_release(&d);
}

/* ---- for the operator, on the unix socket ---- */

static void do_nodes(struct helper_call *c)
{
	struct helper *h = c->h;
	cJSON *list, *row;
	struct err e = ERR_INIT;

	if (table_lock(h, TABLE_AGE_MS, &e) < 0) {
		table_unlock(h);
		answer_err(c->x, &e);
		return;
	}
	list = cJSON_CreateArray();
	for (size_t i = 0; i < h->n_nodes; i++) {
		const struct docker_node *node = &h->nodes[i];

		row = json_add_obj(list, NULL);
		json_add_str(row, "id", node->id);
		json_add_str(row, "hostname", node->hostname);
		json_add_str(row, "address", node->addr);
		json_add_str(row, "created", node->created);
		json_add_str(row, "role", node->manager ? "manager" : "worker");
		json_add_bool(row, "leader", node->leader);
		json_add_bool(row, "reachable", node->reachable);
		json_add_str(row, "state", docker_node_state_name(node->state));
		json_add_str(row, "availability", docker_availability_name(node->availability));
		add_way(row, node);
	}
	table_unlock(h);
	answer_doc(c->x, 200, list);
}

static void do_health(struct helper_call *c)
{
	struct docker_node node;
	struct err e = ERR_INIT;
	unsigned status = 0;
	cJSON *doc;

	if (!own_row(c, TABLE_AGE_MS, &node, NULL))
		return;
	plain_exchange("GET", node.addr, c->h->config.health_port, "/healthz", NULL, STR_NULL,
		       now_ms() + HEALTH_MS, &status, NULL, &e);
	doc = cJSON_CreateObject();
	json_add_str(doc, "id", node.id);
	json_add_str(doc, "state", docker_node_state_name(node.state));
	json_add_str(doc, "availability", docker_availability_name(node.availability));
	json_add_int(doc, "status", status);
	if (status == 0)
		json_add_str(doc, "why", e.msg);
	answer_doc(c->x, 200, doc);
}

static void do_stop(struct helper_call *c)
{
	struct buf task = BUF_INIT(31);
	struct docker_node_change change = { .labels = { { DOCKER_LABEL_STOP, NULL } } };
	struct docker_node node;
	struct docker d;
	struct err e = ERR_INIT;

	if (!own_row(c, 0, &node, NULL))
		return;
	if (!http_x_param(c->x, "task", &task) || task.over) {
		answer_error(c->x, 400, "task: which one?");
		buf_release(&task);
		return;
	}
	/* none: what was asked for is done, or not wanted any more */
	if (task.n > 0)
		change.labels[0].value = task.str;
	docker_init_unix(&d, c->h->config.docker_socket);
	d.timeout_ms = ENGINE_MS;
	if (docker_node_update(&d, node.id, &change, &e) < 0)
		answer_err(c->x, &e);
	else
		answer_way(c, &node, NULL);
	docker_release(&d);
	buf_release(&task);
}

static void do_left(struct helper_call *c)
{
	struct docker_node node;
	cJSON *doc;

	if (!own_row(c, 0, &node, NULL))
		return;
	if (!node.leaving) {
		answer_error(c->x, 409, "that node never said that it goes");
		return;
	}
	pthread_mutex_lock(&c->h->lock);
	table_left(&c->h->table, node.id);
	pthread_mutex_unlock(&c->h->lock);
	daemon_say("node %s (%s) has left", node.hostname, node.id);
	doc = cJSON_CreateObject();
	json_add_str(doc, "id", node.id);
	answer_doc(c->x, 200, doc);
	kick(c->h);
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
	answer_doc(c->x, good ? 200 : 503, doc);
}

static void metric(struct buf *b, const char *name, const char *type, const char *help,
		   unsigned long long v)
{
	buf_addf(b, "# HELP %s %s\n# TYPE %s %s\n%s %llu\n", name, help, name, type, name, v);
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
	buf_adds(b, "# HELP azswarm_nodes Nodes of the swarm by state.\n"
		 "# TYPE azswarm_nodes gauge\n");
	for (int i = 0; i < 4; i++)
		buf_addf(b, "azswarm_nodes{state=\"%s\"} %zu\n",
			 docker_node_state_name((enum docker_node_state)i), n[i]);
	metric(b, "azswarm_nodes_drained", "gauge", "Nodes that take no tasks.", drained);
	metric(b, "azswarm_managers", "gauge", "Managers of the swarm.", managers);
}

static void do_metrics(struct helper_call *c)
{
	static const char *const fields[] = {
		"Content-Type: text/plain; version=0.0.4; charset=utf-8", NULL,
	};
	static const struct { const char *name, *help; } counters[COUNTS] = {
		[COUNT_REQUESTS] = { "azswarm_requests_total", "Requests taken." },
		[COUNT_REFUSED] = { "azswarm_requests_refused_total",
				    "Requests without the right to it." },
		[COUNT_LIMITED] = { "azswarm_requests_limited_total",
				    "Requests of callers that ask too often." },
		[COUNT_TOKENS] = { "azswarm_tokens_total", "Join tokens handed out." },
		[COUNT_DRAINS] = { "azswarm_drains_total",
				   "Nodes that said that they go." },
		[COUNT_REMOVED] = { "azswarm_nodes_removed_total",
				    "Rows removed from the node table." },
		[COUNT_DEMOTED] = { "azswarm_managers_demoted_total",
				    "Managers demoted." },
		[COUNT_RESTORED] = { "azswarm_nodes_restored_total",
				     "Nodes that said that they go and stayed." },
		[COUNT_FAILED_PASSES] = { "azswarm_passes_failed_total",
					  "Passes over the node table that failed." },
		[COUNT_BROKEN] = { "azswarm_connections_broken_total",
				   "Connections that ended with an error." },
	};
	struct buf b = BUF_INIT(8192);

	metric_nodes(&b, c->h);
	for (size_t i = 0; i < COUNTS; i++)
		metric(&b, counters[i].name, "counter", counters[i].help, c->h->counts[i]);
	http_x_answer(c->x, 200, fields, buf_str(&b));
	buf_release(&b);
}

enum right { ANYBODY, NODES, MANAGERS, LOCAL };

static const struct route {
	const char *method, *path;	/* a path that ends in '/' has a rest */
	enum right right;
	void (*run)(struct helper_call *c);
} routes[] = {
	{ "GET", "/nonce", ANYBODY, do_nonce },
	{ "GET", "/healthz", ANYBODY, do_healthz },
	{ "GET", "/metrics", ANYBODY, do_metrics },
	{ "GET", "/join/worker", NODES, do_join_worker },
	{ "GET", "/join/manager", MANAGERS, do_join_manager },
	{ "GET", "/node/", NODES, do_node },
	{ "POST", "/evict/", NODES, do_evict },
	{ "GET", "/evict/", NODES, do_evict_progress },
	{ "POST", "/return/", NODES, do_return },
	{ "POST", "/drain/", NODES, do_evict },
	{ "GET", "/drain/", NODES, do_evict_progress },
	{ "POST", "/left/", NODES, do_left },
	{ "GET", "/nodes", LOCAL, do_nodes },
	{ "GET", "/health/", LOCAL, do_health },
	{ "POST", "/stop/", LOCAL, do_stop },
};

static bool route_path(const struct route *r, struct str path, struct str *rest)
{
	struct str own = str_of(r->path);

	if (!str_starts(path, own))
		return false;
	*rest = str_skip(path, own.n);
	return str_ends(own, STR("/")) ? rest->n > 0 && str_chr(*rest, '/') < 0 : rest->n == 0;
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
	answer_error(c->x, known ? 405 : 404, known ? "not with that method" : "no such path");
	return NULL;
}

static bool authenticated(struct helper_call *c, const struct route *r)
{
	const struct http_head *head = http_x_head(c->x);
	enum auth_result a = auth_check(&c->h->auth, &c->h->config, head->method, head->target,
					http_field(head, "Authorization"), now_ms(), &c->caller);

	if (a == AUTH_OK && (r->right != MANAGERS || c->caller.manager))
		return true;
	count(c->h, COUNT_REFUSED);
	pay(c->h, c->addr, REFUSAL_COST);
	if (a == AUTH_OK) {
		daemon_say("refused a manager token to %s at %s, which has the worker secret",
			   c->caller.name, c->addr);
		answer_error(c->x, 403, "the worker secret does not give a manager token");
	} else {
		if (a == AUTH_WRONG || a == AUTH_REPLAYED)
			daemon_say("refused a request from %s: %s", c->addr, auth_text(a));
		answer_error(c->x, a == AUTH_BUSY ? 503 : 401, auth_text(a));
	}
	return false;
}

static void answer_one(struct helper *h, struct http_exchange *x, bool local)
{
	struct helper_call c = { .h = h, .x = x, .local = local };
	struct buf body = BUF_INIT(BODY_MAX);
	struct err e = ERR_INIT;
	const struct route *r;

	count(c.h, COUNT_REQUESTS);
	if (!local)
		peer_address(x, c.addr);
	if (!local && !pay(c.h, c.addr, 1)) {
		count(c.h, COUNT_LIMITED);
		answer_error(x, 429, "too many requests from this address; wait a second");
		return;
	}
	/* no request has a body that means anything */
	if (http_x_body(x, &body, &e) < 0) {
		http_x_abort(x);
	} else if (body.n > 0) {
		answer_error(x, 400, "no body is expected");
	} else {
		r = route_find(&c);
		if (r != NULL && (r->right == ANYBODY || c.local || authenticated(&c, r)))
			r->run(&c);
	}
	buf_release(&body);
}

static void helper_handle(void *ctx, struct http_exchange *x)
{
	answer_one(ctx, x, false);
}

static void helper_handle_local(void *ctx, struct http_exchange *x)
{
	answer_one(ctx, x, true);
}

static struct stream *wrap(void *ctx, int fd, struct err *e)
{
	struct helper *h = ctx;

	return tls_accept(fd, h->identity, now_ms() + HANDSHAKE_MS, e);
}

static void failed(void *ctx, const struct err *e)
{
	(void)e;	/* anybody can cause these: counted, not told */
	count(ctx, COUNT_BROKEN);
}

/* ---- starting ------------------------------------------------------------ */

static int load_key(struct helper *h, struct err *e)
{
	struct buf key = BUF_INIT(KEY_MAX);
	uint8_t pin[32];
	int rc = -1;

	if (file_read(h->config.key_path, &key, e) < 0)
		goto out;
	h->identity = tls_identity_key(buf_str(&key), LAYOUT_HELPER_UNIT, e);
	if (h->identity == NULL) {
		err_in(e, "%s", h->config.key_path);
		goto out;
	}
	/* nobody would talk to us, and say so only in their own logs */
	tls_identity_pin(h->identity, pin);
	if (!same_bytes(pin, h->config.pin, sizeof(pin))) {
		err_set(e, ERR_DATA, "%s: not the key that helper_pin names", h->config.key_path);
		goto out;
	}
	rc = 0;
out:
	buf_burn(&key);
	return rc;
}

static struct helper *helper_new(void)
{
	struct helper *h = xcalloc(1, sizeof(*h));
	pthread_condattr_t monotonic;

	pthread_mutex_init(&h->lock, NULL);
	pthread_mutex_init(&h->rate_lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&h->kick, &monotonic);
	pthread_condattr_destroy(&monotonic);
	auth_init(&h->auth);
	evictor_init(&h->evictor, 0);
	return h;
}

static void helper_free(struct helper *h)
{
	docker_release(&h->docker);
	tls_identity_free(h->identity);
	auth_release(&h->auth);
	table_release(&h->table);
	evictor_release(&h->evictor);
	free(h->nodes);
	node_config_burn(&h->config);
	pthread_mutex_destroy(&h->lock);
	pthread_mutex_destroy(&h->rate_lock);
	pthread_cond_destroy(&h->kick);
	free(h);
}

/* The unix socket beside the TLS port, in a thread of its own. */
struct local {
	struct http_server server;
	pthread_t thread;
	bool runs;
};

static void *helper_serve_local(void *ctx)
{
	struct err e = ERR_INIT;
	const struct local *l = ctx;

	if (http_serve(&l->server, &e) < 0 && e.kind != ERR_INTR)
		daemon_say("the helper's socket: %s", e.msg);
	return NULL;
}

/* Without it the helper does all the rest. */
static void local_start(struct local *l, struct helper *h)
{
	const char *path = h->config.helper_socket;
	struct err e = ERR_INIT;

	*l = (struct local){ .server = {
		.stop_fd = -1, .max_conns = 8, .body_max = BODY_MAX,
		.idle_ms = LOCAL_IDLE_MS, .body_ms = IDLE_MS, .handle = helper_handle_local, .ctx = h,
	} };
	if (path[0] == '\0')
		return;
	unlink(path);		/* a helper that was killed left it */
	l->server.listen_fd = unix_listen(path, &e);
	/* the group is that of the service: who may use Docker may do this */
	if (l->server.listen_fd >= 0 && chmod(path, 0660) < 0)
		err_sys(&e, ERR_IO, "%s", path);
	l->runs = l->server.listen_fd >= 0 && e.kind == ERR_NONE &&
		  pthread_create(&l->thread, NULL, helper_serve_local, l) == 0;
	if (!l->runs) {
		daemon_say("no socket for the operator: %s", e.msg);
		if (l->server.listen_fd >= 0)
			close(l->server.listen_fd);
	}
}

static void local_stop(struct local *l, const struct helper *h)
{
	if (!l->runs)
		return;
	pthread_join(l->thread, NULL);
	close(l->server.listen_fd);
	unlink(h->config.helper_socket);
}

static int helper_serve(struct helper *h, struct err *e)
{
	struct http_server s = {
		.stop_fd = -1, .max_conns = CONNS_MAX,
		.max_per_peer = CONNS_PEER_MAX, .body_max = BODY_MAX,
		.idle_ms = IDLE_MS, .body_ms = IDLE_MS,
		.wrap = wrap, .handle = helper_handle, .failed = failed, .ctx = h,
	};
	unsigned port = h->config.helper_port;
	struct local local;
	pthread_t keeper;
	int rc;

	s.listen_fd = tcp_listen(h->config.listen, &port, NULL, e);
	if (s.listen_fd < 0)
		return -1;
	if (pthread_create(&keeper, NULL, keep, h) != 0) {
		close(s.listen_fd);
		return err_set(e, ERR_IO, "no thread to keep the swarm with");
	}
	local_start(&local, h);
	daemon_notify("READY=1\nSTATUS=no swarm yet");
	daemon_say("helper: answering on %s port %u", h->config.listen, port);
	rc = http_serve(&s, e);
	daemon_notify("STOPPING=1");
	interrupt_request();
	kick(h);
	pthread_join(keeper, NULL);
	local_stop(&local, h);
	close(s.listen_fd);
	if (rc < 0 && e->kind == ERR_INTR) {
		err_clear(e);
		rc = 0;
	}
	return rc;
}

int helper_run(const char *config, struct err *e)
{
	struct helper *h = helper_new();
	int rc = -1;

	if (daemon_init(e) < 0 || node_config_read(&h->config, config, e) < 0)
		goto out;
	if (!h->config.manager) {
		err_set(e, ERR_DATA,
			"%s: the helper is for managers, and this is a worker", config);
		goto out;
	}
	if (load_key(h, e) < 0)
		goto out;
	h->self = LAYOUT_MASTERS_MAX;
	for (unsigned i = 0; i < h->config.n_masters; i++)
		if (daemon_is_own(h->config.masters[i]))
			h->self = i;
	table_init(&h->table, h->config.grace_ms, h->config.leave_ms);
	h->evictor.health_port = h->config.health_port;
	docker_init_unix(&h->docker, h->config.docker_socket);
	h->docker.timeout_ms = ENGINE_MS;
	rc = helper_serve(h, e);
	if (rc == 0)
		daemon_say("helper: stopped");
out:
	helper_free(h);
	return rc;
}
