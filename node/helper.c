/*
 * The helper: what a master runs beside its engine.
 *
 * One thread keeps the swarm: founds it when nobody ever has (founding.c), sees to
 * the ingress network, and makes a pass over the node table every 10 s (every 2 s
 * while somebody is about to leave).  The others answer requests, over TLS
 * with the key that every node of the cluster has pinned:
 *
 *	GET  /nonce		what the next request is authenticated with (auth.h)
 *	GET  /join/worker	{"token","remote","cluster"}
 *	GET  /join/manager	the same; the worker secret does not get it
 *	GET  /unlock-key	{"key"} of the swarm, where masters share it; nor this
 *	GET  /node/ID		the caller's own row, and when to ask again
 *	POST /evict/ID		the caller goes (?by=shutdown|event&limit=SECONDS)
 *	GET  /evict/ID		how far it is on the way out (node/evict.h)
 *	POST /return/ID		it stays after all
 *	POST /left/ID		the caller has left
 *	POST, GET /drain/ID	POST, GET /evict/ID of agents before 0.2
 *	GET  /healthz		200 while this is a working manager
 *	GET  /metrics		Prometheus text
 *
 * Who knocks (auth.h), nodes and strangers have places and budgets of their own
 * (budget.h), so that none of them can keep the others out.
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
#include "node/helper.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/net.h"
#include "docker/labels.h"
#include "node/ask.h"
#include "node/node.h"
#include "tls/hello.h"

#define CONNS_MAX 48
#define CONNS_PEER_MAX 8
#define WAITING_MAX 512 /* without a place; a thousand descriptors are had */
#define HELLO_MAX 1024	/* of a ClientHello; ours are of 250 bytes */
#define IDLE_MS 10000
#define LOCAL_IDLE_MS 60000
#define HANDSHAKE_MS 5000
#define KEY_MAX (16u << 10)

#define PASS_MS 10000	  /* between passes over the node table */
#define PASS_SOON_MS 2000 /* while somebody is leaving */
#define PASS_WAIT_MS 1000 /* while there is no swarm */
#define INGRESS_MS 30000
#define INGRESS_TRIES 5
#define ACTIONS_MAX 16 /* per pass, so that no mistake is a fast one */

void helper_engine(const struct helper *h, struct docker *d)
{
	docker_init_unix(d, h->config.docker_socket);
	d->timeout_ms = HELPER_ENGINE_MS;
}

void helper_count(struct helper *h, enum helper_counted c)
{
	atomic_fetch_add_explicit(&h->counts[c], 1, memory_order_relaxed);
}

/* ---- keeping the swarm --------------------------------------------------- */

static void kick(struct helper *h, bool wrote)
{
	pthread_mutex_lock(&h->lock);
	if (wrote)
		h->wrote_ms = now_ms();
	h->kicked = true;
	pthread_cond_signal(&h->kick);
	pthread_mutex_unlock(&h->lock);
}

void helper_wrote(struct helper *h)
{
	kick(h, true);
}

void helper_kick(struct helper *h)
{
	kick(h, false);
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

/* Best effort and bounded: a wrong ingress network is better than none. */
static void see_to_ingress(struct helper *h)
{
	const struct node_config *c = &h->config;
	struct err e = ERR_INIT;
	bool changed;

	if (c->ingress[0] == '\0' || h->ingress_tries >= INGRESS_TRIES)
		return;
	if (docker_ingress(&h->docker, c->ingress, c->mtu,
			   now_ms() + INGRESS_MS, &changed, &e) < 0) {
		h->ingress_tries++;
		daemon_say("the ingress network is not as wanted (%s, MTU %u): %s%s",
			   c->ingress, c->mtu, e.msg,
			   h->ingress_tries == INGRESS_TRIES ? "; left as it is" :
							       "");
		return;
	}
	h->ingress_tries = INGRESS_TRIES;
	if (changed)
		daemon_say("made the ingress network: %s, MTU %u", c->ingress,
			   c->mtu);
}

static int remove_row(struct helper *h, const struct docker_node *node,
		      struct table_verdict v, struct err *e)
{
	/* for who comes back by that name */
	if (docker_labels_keep(&h->docker, node->id, e) < 0) {
		daemon_say("%s", e->msg);
		err_clear(e);
	}
	/* not by force: the engine itself then checks that it is down */
	if (docker_node_remove(&h->docker, node->id, false, e) < 0 &&
	    h->docker.status != 404)
		return err_in(e, "removing node %s (%s)", node->hostname,
			      node->id);
	err_clear(e);
	helper_count(h, HELPER_COUNT_REMOVED);
	daemon_say("node %s (%s) removed: %s", node->hostname, node->id,
		   table_why_text(v.why));
	return 0;
}

static int act(struct helper *h, const struct docker_node *node,
	       struct table_verdict v, struct err *e)
{
	struct docker_node_change change = { 0 };

	switch (v.action) {
	case TABLE_KEEP:
		return 0;
	case TABLE_REMOVE:
		return remove_row(h, node, v, e);
	case TABLE_DEMOTE:
		change = (struct docker_node_change){ .role = "worker" };
		if (docker_node_update(&h->docker, node->id, &change, e) < 0) {
			/* "can't find manager in raft memberlist": a row alone */
			if (h->docker.status == 404) {
				err_clear(e);
				return remove_row(h, node, v, e);
			}
			return err_in(e, "demoting node %s (%s)",
				      node->hostname, node->id);
		}
		helper_count(h, HELPER_COUNT_DEMOTED);
		daemon_say("manager %s (%s) demoted: %s", node->hostname,
			   node->id, table_why_text(v.why));
		return 0;
	case TABLE_RESTORE:
		if (evictor_return(&h->docker, node, e) < 0)
			return -1;
		helper_count(h, HELPER_COUNT_RESTORED);
		daemon_say("node %s (%s) is %s again: %s", node->hostname,
			   node->id, docker_availability_name(node->before),
			   table_why_text(v.why));
		return 0;
	}
	return 0;
}

void helper_publish(struct helper *h, struct docker_node *nodes, size_t n,
		    int64_t began_ms)
{
	if (began_ms < h->nodes_ms) {
		free(nodes); /* somebody was faster */
		return;
	}
	free(h->nodes);
	h->nodes = nodes;
	h->n_nodes = n;
	h->nodes_ms = began_ms;
}

/* Is this machine the one that leads the swarm? */
static bool leads(const struct docker_node *nodes, size_t n, const char *self)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(nodes[i].id, self) == 0)
			return nodes[i].leader;
	return false;
}

/* What an operator wrote on a machine, to the row that it has now; looked for
 * by who leads, when other nodes are Ready than the last time. */
static void give_labels(struct helper *h, const struct docker_node *nodes,
			size_t n)
{
	struct err e = ERR_INIT;
	uint64_t seen = n + 1;

	for (size_t i = 0; i < n; i++)
		for (const char *p = nodes[i].id;
		     nodes[i].state == DOCKER_NODE_READY && *p != '\0'; p++)
			seen = seen * 1099511628211u + (unsigned char)*p;
	if (seen == h->labels_seen)
		return;
	if (docker_labels_give(&h->docker, nodes, n, &e) == 0)
		h->labels_seen = seen;
	else
		daemon_say("%s", e.msg);
}

/* Read the table, decide, act.  self: our own node's ID.  *soon: somebody is
 * on the way out. */
static int reconcile(struct helper *h, const char *self, bool *soon, struct err *e)
{
	struct docker_node *nodes, *copy;
	struct table_verdict *v;
	struct err evicting = ERR_INIT;
	unsigned acted = 0;
	bool moved = false, leader;
	int64_t began = now_ms();
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
	helper_publish(h, copy, n, began);
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
		/* whatever was done, this row's way out is over */
		nodes[i].evict[0] = '\0';
	}
	leader = leads(nodes, n, self);
	if (!leader) {
		evictor_forget(&h->evictor);
	} else if (evictor_pass(&h->evictor, &h->docker, nodes, n, soon, &moved,
				&evicting) < 0 ||
		   (h->config.rebalance &&
		    spread_pass(&h->spread, &h->docker, nodes, n, soon, &moved,
				&evicting) < 0)) {
		rc = -1;
		if (e->kind == ERR_NONE)
			*e = evicting;
	}
	if (leader)
		give_labels(h, nodes, n);
	if (acted > 0 || moved) {
		pthread_mutex_lock(&h->lock);
		h->wrote_ms = now_ms();
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
	    (founding_seek(h, e) < 0 || docker_info(&h->docker, &info, e) < 0))
		return -1;
	if (info.known.n > 0)
		h->founding.masters = info.known;
	*active = info.state == DOCKER_SWARM_ACTIVE && info.manager;
	if (*active)
		founding_note(h, &info);
	if (info.state != DOCKER_SWARM_INACTIVE &&
	    founding_moved(h, &info, *active, e) < 0) {
		*active = false;
		return -1;
	}
	if (*active) {
		see_to_ingress(h);
		return reconcile(h, info.node_id, soon, e);
	}
	switch (info.state) {
	case DOCKER_SWARM_INACTIVE:
		return err_set(e, ERR_NET, "no master has a swarm yet");
	case DOCKER_SWARM_ACTIVE:
		err_set(e, ERR_DOCKER,
			"this machine is a worker of a swarm, not a manager");
		break;
	case DOCKER_SWARM_LOCKED:
		founding_unlock(h, e);
		break;
	default:
		/* a manager that is starting */
		err_set(e, ERR_DOCKER, "the engine's swarm is \"%s\"%s%s",
			docker_swarm_state_name(info.state),
			info.error[0] != '\0' ? ": " : "", info.error);
	}
	return founding_lost(h, &info, e);
}

/* In the words of the journal, for `systemctl status`. */
static void tell_systemd(struct helper *h, bool active, const char *why)
{
	char *state;

	if (h->told_active == active && (active || strcmp(h->told, why) == 0))
		return;
	h->told_active = active;
	snprintf(h->told, sizeof(h->told), "%.*s", (int)sizeof(h->told) - 1, why);
	state = xasprintf("STATUS=%s", active	    ? "manager of a swarm" :
				       *why != '\0' ? why :
						      "no swarm");
	daemon_notify(state);
	free(state);
}

static void *keep(void *ctx)
{
	struct helper *h = ctx;

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
			helper_count(h, HELPER_COUNT_FAILED_PASSES);
		daemon_complain(&h->complaint, rc < 0 ? e.msg : "", now_ms());
		tell_systemd(h, active, e.msg);
		wait_kicked(h, now_ms() + (!active ? PASS_WAIT_MS :
					   soon	   ? PASS_SOON_MS :
						     PASS_MS));
	}
	return NULL;
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
		err_set(e, ERR_DATA, "%s: not the key that helper_pin names",
			h->config.key_path);
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
	pthread_mutex_init(&h->reading, NULL);
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
	budget_release(&h->budget);
	table_release(&h->table);
	evictor_release(&h->evictor);
	free(h->nodes);
	node_config_burn(&h->config);
	pthread_mutex_destroy(&h->lock);
	pthread_mutex_destroy(&h->reading);
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
				     .stop_fd = -1,
				     .max_conns = 8,
				     .body_max = HELPER_BODY_MAX,
				     .idle_ms = LOCAL_IDLE_MS,
				     .body_ms = IDLE_MS,
				     .handle = helper_handle_local,
				     .ctx = h,
			     } };
	if (path[0] == '\0')
		return;
	unlink(path); /* a helper that was killed left it */
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

/* Is it an address that this cluster has? */
static bool is_known(struct helper *h, const char *addr)
{
	bool known = strcmp(addr, LAYOUT_PROBE_HOST) == 0;

	for (unsigned i = 0; i < h->config.n_masters; i++)
		known = known || strcmp(addr, h->config.masters[i]) == 0;
	pthread_mutex_lock(&h->lock);
	for (size_t i = 0; i < h->n_nodes && !known; i++)
		known = strcmp(addr, h->nodes[i].addr) == 0;
	pthread_mutex_unlock(&h->lock);
	return known;
}

/* By what has come, and before any of it costs an elliptic curve. */
static enum http_rank rank(void *ctx, int fd, const char *peer)
{
	struct helper *h = ctx;
	char hello[HELLO_MAX], addr[DAEMON_ADDRESS_MAX];
	ssize_t n = recv(fd, hello, sizeof(hello), MSG_PEEK | MSG_DONTWAIT);
	struct str bytes = { hello, n > 0 ? (size_t)n : 0 };

	if (auth_is_knock(h->config.worker_secret, unix_time(),
			  tls_hello_name(bytes)) ||
	    (h->config.has_others &&
	     auth_is_knock(h->config.others, unix_time(), tls_hello_name(bytes))))
		return HTTP_PROVEN;
	daemon_peer(peer, addr);
	return is_known(h, addr) ? HTTP_KNOWN : HTTP_ANYBODY;
}

static bool admit(void *ctx, const char *peer, enum http_rank rank)
{
	struct helper *h = ctx;
	char addr[DAEMON_ADDRESS_MAX];

	daemon_peer(peer, addr);
	return budget_pay(&h->budget, addr,
			  rank == HTTP_PROVEN ? BUDGET_PROVEN_HANDSHAKES :
						BUDGET_HANDSHAKES,
			  1, now_ms());
}

static struct stream *wrap(void *ctx, int fd, struct err *e)
{
	struct helper *h = ctx;

	return tls_accept(fd, h->identity, now_ms() + HANDSHAKE_MS, e);
}

static void failed(void *ctx, const struct err *e)
{
	(void)e; /* anybody can cause these: counted, not told */
	helper_count(ctx, HELPER_COUNT_BROKEN);
}

static int helper_serve(struct helper *h, struct err *e)
{
	struct http_server s = {
		.stop_fd = -1,
		.max_conns = CONNS_MAX,
		.max_per_peer = CONNS_PEER_MAX,
		/* for strangers, nodes, and who has knocked */
		.kept = { 4, 8, 16 },
		.max_waiting = WAITING_MAX,
		.rank = rank,
		.admit = admit,
		.body_max = HELPER_BODY_MAX,
		.idle_ms = IDLE_MS,
		.body_ms = IDLE_MS,
		.wrap = wrap,
		.handle = helper_handle,
		.failed = failed,
		.ctx = h,
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
	daemon_settle();
	daemon_say("helper: answering on %s port %u", h->config.listen, port);
	rc = http_serve(&s, e);
	daemon_notify("STOPPING=1");
	interrupt_request();
	helper_kick(h);
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
			"%s: the helper is for managers, and this is a worker",
			config);
		goto out;
	}
	if (load_key(h, e) < 0 || daemon_own_name(h->name, e) < 0)
		goto out;
	founding_begin(h);
	h->self = LAYOUT_MASTERS_MAX;
	for (unsigned i = 0; i < h->config.n_masters; i++)
		if (daemon_is_own(h->config.masters[i]))
			h->self = i;
	budget_init(&h->budget, h->config.rate);
	table_init(&h->table, h->config.grace_ms, h->config.leave_ms);
	h->evictor.health_port = h->config.health_port;
	h->evictor.probe_s = h->config.probe_s;
	helper_engine(h, &h->docker);
	rc = helper_serve(h, e);
	if (rc == 0)
		daemon_say("helper: stopped");
out:
	helper_free(h);
	return rc;
}
