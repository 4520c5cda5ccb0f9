/*
 * From the operator to the machines: where the masters are, Azure tells;
 * which host keys they have, `keys` decided before they were made.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/net.h"
#include "swarm/agents.h"
#include "swarm/lock.h"
#include "swarm/remote.h"

#define SIGN_IN_MS 30000
#define CONNECT_MS 10000
#define ENGINE_MS 5000 /* for an engine that may not be there yet */
#define LOOK_MS 2000
#define DEPLOYMENT_LOOK_MS 5000 /* Azure counts who asks */
#define CONNECT_ONE_MS 3000	/* while there are other masters */

/* "master0-ip" with an address is a master's; anything else is not. */
int remote_take_master(void *ctx, const cJSON *ip, struct err *e)
{
	struct masters *m = ctx;
	struct str name = str_of(json_str_opt(ip, "name", ""));
	const char *address = json_str_opt(ip, "properties.ipAddress", "");
	struct str fqdn =
		str_of(json_str_opt(ip, "properties.dnsSettings.fqdn", ""));

	(void)e;
	if (str_eqz(name, "agents-lb-ip") && *address != '\0' &&
	    m->balancer == NULL)
		m->balancer = xstrdup(address);
	if (fqdn.n > 0 && str_chr(fqdn, ' ') < 0)
		buf_addf(&m->fqdns, "%.*s ", STR_ARG(fqdn));
	if (m->n < LAYOUT_MASTERS_MAX && *address != '\0' &&
	    str_starts(name, STR("master")) && str_ends(name, STR("-ip"))) {
		m->name[m->n] = str_dup(str_head(name, name.n - 3));
		m->address[m->n++] = xstrdup(address);
	}
	return 0;
}

void remote_masters_release(struct masters *m)
{
	for (size_t i = 0; i < m->n; i++) {
		free(m->name[i]);
		free(m->address[i]);
	}
	free(m->balancer);
	buf_release(&m->fqdns);
	m->n = 0;
}

static int own_key(struct remote *r, struct err *e)
{
	const char *home = getenv("HOME"), *socket = getenv("SSH_AUTH_SOCK");
	char *path;

	if (socket != NULL && *socket != '\0')
		return 0;
	path = xasprintf("%s/.ssh/id_rsa", home ? home : "");
	r->key = ssh_key_read(path, e);
	free(path);
	return r->key != NULL ? 0 :
				err_in(e, "OWN_KEY=true without an SSH agent");
}

/* A connection that is kept needs none, until it leads on or breaks. */
static int read_keys(struct remote *r, struct err *e)
{
	const struct settings *set = r->s->set;
	char *path;
	bool own;

	if (r->has_keys)
		return 0;
	keys_burn(&r->keys);
	if (keys_load(set, &r->keys, e) < 0 ||
	    settings_bool(set, S_OWN_KEY, &own, e) < 0)
		return -1;
	if (own) {
		r->has_keys = own_key(r, e) == 0;
		return r->has_keys ? 0 : -1;
	}
	path = xasprintf("keys/%s.pem", settings_get(set, S_ADMIN_USERNAME));
	r->key = ssh_key_read(path, e);
	free(path);
	r->has_keys = r->key != NULL;
	return r->has_keys ? 0 : -1;
}

static struct ssh *sign_in(struct remote *r, struct stream *stream,
			   const char *name, const char *host_key, struct err *e)
{
	struct ssh_config c = {
		.user = settings_get(r->s->set, S_ADMIN_USERNAME),
		.name = name,
		.host_key = host_key,
		.key = r->key,
	};

	if (r->key == NULL) {
		c.agent = getenv("SSH_AUTH_SOCK");
		c.agent_key = r->keys.admin_public;
	}
	return ssh_open(stream, &c, now_ms() + SIGN_IN_MS, e);
}

static int list_masters(struct remote *r, struct err *e)
{
	char *path = azure_path(&r->s->az,
				"/resourceGroups/%s/providers/"
				"Microsoft.Network/publicIPAddresses"
				"?api-version=" API_NETWORK,
				settings_get(r->s->set, S_COMPUTE_GROUP));
	int rc = 0;

	if (r->masters.n == 0)
		rc = azure_list(&r->s->az, path, "addresses of masters",
				remote_take_master, &r->masters, e);
	free(path);
	return rc;
}

static int find_masters(struct remote *r, struct err *e)
{
	if (list_masters(r, e) < 0)
		return -1;
	return r->masters.n > 0 ? 0 :
				  err_set(e, ERR_DATA,
					  "there is no master; 'azswarm "
					  "deploy-compute' makes one");
}

void remote_drop_docker(struct remote *r)
{
	if (r->has_docker)
		docker_release(&r->docker);
	r->has_docker = false;
}

static void disconnect(struct remote *r)
{
	remote_drop_docker(r);
	ssh_close(r->ssh);
	r->ssh = NULL;
	r->shared = false;
	free(r->name);
	r->name = NULL;
}

/* To that master and no other. */
static int connect_one(struct remote *r, size_t i, struct err *e)
{
	const struct masters *m = &r->masters;
	int fd = -1, port;

	disconnect(r);
	if (settings_int(r->s->set, S_SSH_PORT, &port, e) == 0)
		fd = tcp_connect(
			m->address[i], (unsigned)port,
			now_ms() + (m->n > 1 ? CONNECT_ONE_MS : CONNECT_MS), e);
	if (fd >= 0)
		r->ssh = sign_in(r, stream_of_fd(fd), m->name[i],
				 r->keys.host[KEYS_MASTER].ec_public, e);
	if (r->ssh == NULL)
		return err_in(e, "%s", m->name[i]);
	r->name = xstrdup(m->name[i]);
	return 0;
}

/* Another master may answer; a key that is wrong here is wrong there. */
static bool may_pass(const struct err *e)
{
	return e->kind == ERR_NET || e->kind == ERR_TIMEOUT;
}

/* Of those from that one on. */
static int connect_from(struct remote *r, size_t i, struct err *e)
{
	struct err last = ERR_INIT;

	for (; i < r->masters.n; i++) {
		err_clear(&last);
		if (connect_one(r, i, &last) == 0)
			return 0;
		if (!may_pass(&last))
			break;
	}
	*e = last;
	return -1;
}

static int connect_master(struct remote *r, struct err *e)
{
	return find_masters(r, e) < 0 ? -1 : connect_from(r, 0, e);
}

/* What the local Azure's agent of a machine says when there is none. */
bool remote_says_paper(const cJSON *vm)
{
	const cJSON *st;

	cJSON_ArrayForEach(st,
			   json_at(vm, "properties.instanceView.vmAgent.statuses"))
		if (strstr(json_str_opt(st, "message", ""), "exists on paper"))
			return true;
	return false;
}

static int ask_first(struct session *s, const char *query,
		     struct azure_reply *r, struct err *e)
{
	char *path = azure_path(&s->az,
				"/resourceGroups/%s/providers/"
				"Microsoft.Compute/virtualMachines/master0"
				"?%sapi-version=" API_COMPUTE,
				settings_get(s->set, S_COMPUTE_GROUP), query);
	int rc = azure_call(&s->az, "GET", path, NULL, AZURE_MISSING_OK, r, e);

	free(path);
	return rc;
}

const cJSON *remote_first_machine(struct session *s, struct err *e)
{
	struct azure_reply r;

	if (s->first != NULL)
		return s->first;
	if (ask_first(s, "", &r, e) == 0) {
		bool there = r.http.head.status == 200 && r.doc != NULL;

		s->first = there ? r.doc : cJSON_CreateNull();
		s->no_group = !there && json_is(r.doc, "error.code",
						"ResourceGroupNotFound");
		if (there)
			r.doc = NULL;
	}
	azure_reply_release(&r);
	return s->first;
}

int remote_on_paper(struct session *s, bool *paper, struct err *e)
{
	struct azure_reply r;
	int rc = ask_first(s, "$expand=instanceView&", &r, e);

	*paper = rc == 0 && remote_says_paper(r.doc);
	azure_reply_release(&r);
	return rc;
}

bool remote_is_away(const struct err *why)
{
	return why->kind == ERR_NET || why->kind == ERR_TIMEOUT ||
	       why->kind == ERR_DATA || why->kind == ERR_DOCKER;
}

/* Waiting for what is on paper would be for ever. */
static int refuse_paper(struct session *s, struct err *e)
{
	bool paper;

	if (remote_on_paper(s, &paper, e) < 0)
		return -1;
	return !paper ? 0 : err_set(e, ERR_DATA, REMOTE_PAPER);
}

static void begin(struct session *s, struct remote *r)
{
	*r = (struct remote){ .s = s,
			      .masters.fqdns = BUF_INIT(REMOTE_FQDNS_MAX) };
}

static int open_own(struct remote *r, struct err *e)
{
	struct err why = ERR_INIT;

	if (read_keys(r, e) < 0)
		return -1;
	if (connect_master(r, &why) == 0)
		return 0;
	/* a connection that is refused there says nothing to anybody */
	if (may_pass(&why))
		refuse_paper(r->s, e);
	if (e->kind == ERR_NONE)
		*e = why;
	return -1;
}

int remote_open_alone(struct session *s, struct remote *r, struct err *e)
{
	begin(s, r);
	return lock_take(s, e) < 0 ? -1 : open_own(r, e);
}

int remote_open(struct session *s, struct remote *r, struct err *e)
{
	begin(s, r);
	if (lock_take(s, e) < 0)
		return -1;
	if (share_join(r))
		return 0;
	if (open_own(r, e) < 0)
		return -1;
	return share_begin(r) ? 0 : remote_reopen(r, e);
}

int remote_open_known(struct session *s, struct remote *r,
		      struct masters *known, struct err *e)
{
	begin(s, r);
	if (read_keys(r, e) < 0)
		return -1;
	r->masters = *known;
	*known = (struct masters){ .fqdns = BUF_INIT(REMOTE_FQDNS_MAX) };
	return connect_from(r, 0, e);
}

int remote_next(struct remote *r, struct err *e)
{
	size_t i = 0;

	while (i < r->masters.n && strcmp(r->masters.name[i], r->name) != 0)
		i++;
	if (i + 1 >= r->masters.n)
		return err_set(e, ERR_DATA, "there is no other master");
	if (read_keys(r, e) < 0)
		return -1;
	return connect_from(r, i + 1, e);
}

int remote_check(const struct remote *r, struct err *e)
{
	return r->ssh != NULL ? 0 :
				err_set(e, ERR_NET, "no connection to a master");
}

int remote_reopen(struct remote *r, struct err *e)
{
	disconnect(r);
	return read_keys(r, e) < 0 ? -1 : connect_master(r, e);
}

void remote_release(struct remote *r)
{
	disconnect(r);
	remote_masters_release(&r->masters);
	ssh_key_free(r->key);
	keys_burn(&r->keys);
	*r = (struct remote){ 0 };
}

/* ---- the Engine ---- */

static struct stream *dial(void *ctx, bool tls, const char *host, unsigned port,
			   int64_t deadline_ms, struct err *e)
{
	struct remote *r = ctx;
	struct ssh_channel *c;

	(void)tls, (void)host, (void)port;
	if (remote_check(r, e) < 0 ||
	    (c = ssh_unix(r->ssh, DOCKER_SOCKET, e)) == NULL)
		return NULL;
	if (ssh_channel_wait(c, deadline_ms, e) < 0) {
		ssh_channel_close(c);
		err_in(e, "Docker's socket on %s", r->name);
		return NULL;
	}
	return ssh_channel_stream(c);
}

struct docker *remote_docker(struct remote *r)
{
	if (!r->has_docker) {
		docker_init(&r->docker, (struct http_dialer){ dial, r });
		r->docker.http.watch = trace_watch(&r->s->trace, TRACE_SWARM);
	}
	r->has_docker = true;
	return &r->docker;
}

/* ---- a swarm that is on its way ---- */

/* What an engine is at that cannot tell its nodes. */
static const char *engine_step(struct docker *d)
{
	struct docker_info info;
	struct err ignored = ERR_INIT;

	if (docker_info(d, &info, &ignored) < 0)
		return "installing Docker";
	if (info.state == DOCKER_SWARM_LOCKED)
		return "its swarm is locked";
	return info.state == DOCKER_SWARM_ACTIVE && info.manager ?
		       "waiting for a leader" :
		       "forming the swarm";
}

/* Is the engine there a manager of a swarm with a leader?  *step: what it is
 * at, when not. */
static bool has_swarm(struct remote *r, const char **step)
{
	struct docker *d = remote_docker(r);
	struct docker_node *nodes = NULL;
	struct err ignored = ERR_INIT;
	size_t n;
	bool there;

	d->timeout_ms = ENGINE_MS;
	/* without a leader there is no such list */
	there = docker_nodes(d, &nodes, &n, &ignored) == 0;
	if (!there)
		*step = engine_step(d);
	d->timeout_ms = DOCKER_TIMEOUT_MS;
	free(nodes);
	return there;
}

/* One look at all masters: 1, 0 when none is as far, or -1.  told: what was
 * said of each; NULL: nothing is to be said. */
static int look_for_swarm(struct remote *r, const char **told, struct err *e)
{
	for (size_t i = 0; i < r->masters.n; i++) {
		const char *step = "booting";
		struct err once = ERR_INIT;

		if ((r->ssh == NULL || strcmp(r->name, r->masters.name[i]) != 0) &&
		    connect_one(r, i, &once) < 0 && !may_pass(&once)) {
			*e = once;
			return -1;
		}
		if (r->ssh != NULL && has_swarm(r, &step))
			return 1;
		/* the others are asked, too; one alone stays connected unless
		 * that is what is broken */
		if (r->masters.n > 1 || strcmp(step, "installing Docker") == 0)
			disconnect(r);
		if (told != NULL && told[i] != step) {
			ui_say(r->s->ui, "  %s: %s", r->masters.name[i], step);
			told[i] = step;
		}
	}
	return 0;
}

static int take_deployment(void *ctx, const cJSON *d, struct err *e)
{
	const char *state = json_str_opt(d, "properties.provisioningState", "");
	bool *running = ctx;

	(void)e;
	*running |= str_ieqz(str_of(state), "Accepted") ||
		    str_ieqz(str_of(state), "Running");
	return 0;
}

/* Whoever makes the machines may still be at it.  Until nobody is any more:
 * 1 when somebody was, else 0; or -1. */
static int wait_deployed(struct session *s, int64_t began_ms, int64_t limit_ms,
			 struct err *e)
{
	char *path = azure_path(&s->az,
				"/resourceGroups/%s/providers/"
				"Microsoft.Resources/deployments"
				"?api-version=" API_RESOURCES,
				settings_get(s->set, S_COMPUTE_GROUP));
	bool running, was = false;
	int rc;

	do {
		running = false;
		rc = azure_list(&s->az, path, "deployments", take_deployment,
				&running, e);
		if (rc < 0 || !running)
			break;
		was = true;
		if (now_ms() - began_ms >= limit_ms) {
			rc = err_set(e, ERR_TIMEOUT,
				     "the machines are not deployed after %lld "
				     "minutes; 'azswarm view-deployment' says how "
				     "far that is",
				     (long long)limit_ms / 60000);
			break;
		}
		ui_waiting(s->ui, "the deployment of the machines",
			   now_ms() - began_ms, now_ms());
		rc = sleep_until(now_ms() + DEPLOYMENT_LOOK_MS, e);
	} while (rc == 0);
	ui_clear(s->ui);
	free(path);
	return rc < 0 ? -1 : was;
}

/* The first look: 1, 0 when there is something to wait for, or -1. */
static int first_look(struct remote *r, int64_t began_ms, int64_t limit_ms,
		      struct err *e)
{
	int rc;

	if (read_keys(r, e) < 0 || list_masters(r, e) < 0)
		return -1;
	rc = r->masters.n > 0 ? look_for_swarm(r, NULL, e) : 0;
	if (rc != 0)
		return rc;
	rc = wait_deployed(r->s, began_ms, limit_ms, e);
	if (rc > 0) { /* there may be more of them */
		remote_masters_release(&r->masters);
		r->masters =
			(struct masters){ .fqdns = BUF_INIT(REMOTE_FQDNS_MAX) };
	}
	if (rc < 0 || find_masters(r, e) < 0)
		return -1;
	return refuse_paper(r->s, e);
}

int remote_open_swarm(struct session *s, struct remote *r, int64_t limit_ms,
		      struct err *e)
{
	const char *told[LAYOUT_MASTERS_MAX] = { NULL };
	const char *ignored;
	int64_t began = now_ms();
	int rc;

	begin(s, r);
	if (lock_take(s, e) < 0)
		return -1;
	if (share_join(r) && has_swarm(r, &ignored))
		return 0;
	disconnect(r);
	rc = first_look(r, began, limit_ms, e);
	while (rc == 0) {
		rc = look_for_swarm(r, told, e);
		if (rc == 0 && now_ms() - began >= limit_ms)
			rc = err_set(e, ERR_TIMEOUT,
				     "no master has a swarm with a leader after "
				     "%lld minutes (%s: %s); 'azswarm ssh' and "
				     "/var/log/cloud-init-output.log there say more",
				     (long long)limit_ms / 60000,
				     r->masters.name[0], told[0]);
		if (rc != 0)
			break;
		ui_waiting(s->ui, "the swarm", now_ms() - began, now_ms());
		rc = sleep_until(now_ms() + LOOK_MS, e);
	}
	ui_clear(s->ui);
	if (rc > 0 && !share_begin(r))
		return remote_reopen(r, e);
	return rc < 0 ? -1 : 0;
}

/* ---- other nodes ---- */

/* The node that somebody names, by host name or address. */
struct wanted {
	const char *name;
	struct remote_node node;
	bool ambiguous;
	struct remote_node silent; /* one that is not Ready, the last */
};

static int take_node(void *ctx, const cJSON *doc, struct err *e)
{
	struct wanted *w = ctx;
	struct remote_node *to;
	struct docker_node n;

	if (docker_node_read(doc, &n, e) < 0)
		return -1;
	if (strcmp(n.hostname, w->name) != 0 && strcmp(n.addr, w->name) != 0)
		return 0;
	to = n.state == DOCKER_NODE_READY ? &w->node : &w->silent;
	w->ambiguous |= w->node.address[0] != '\0' && to == &w->node;
	snprintf(to->address, sizeof(to->address), "%s", n.addr);
	to->manager = n.manager;
	return 0;
}

static int find(struct docker *d, const char *name, bool silent_too,
		struct remote_node *node, struct err *e)
{
	struct wanted w = { .name = name };

	if (docker_each(d, "/nodes", take_node, &w, e) < 0)
		return err_in(e, "list of nodes");
	if (w.node.address[0] == '\0' && silent_too)
		w.node = w.silent;
	if (w.node.address[0] == '\0')
		return err_set(e, ERR_USAGE,
			       "there is no node \"%s\" that is Ready", name);
	if (w.ambiguous)
		return err_set(e, ERR_USAGE,
			       "there are several nodes \"%s\"; give an address",
			       name);
	*node = w.node;
	return 0;
}

int remote_find(struct docker *d, const char *name, struct remote_node *node,
		struct err *e)
{
	return find(d, name, false, node, e);
}

int remote_hop_to(struct remote *r, const char *name, const char *address,
		  bool manager, struct ssh **out, struct err *e)
{
	struct ssh_channel *c;

	*out = NULL;
	if (read_keys(r, e) < 0)
		return -1;
	if ((c = ssh_tcp(r->ssh, address, 22, e)) == NULL)
		return err_in(e, "%s", name);
	if (ssh_channel_wait(c, now_ms() + CONNECT_MS, e) < 0) {
		ssh_channel_close(c);
		return err_in(e, "%s", name);
	}
	*out = sign_in(r, ssh_channel_stream(c), name,
		       manager ? r->keys.host[KEYS_MASTER].ec_public :
				 r->keys.host[KEYS_AGENT].ec_public,
		       e);
	return *out != NULL ? 0 : err_in(e, "%s", name);
}

/* The agent of that host name, as Azure has it. */
static int find_agent(struct remote *r, const char *host,
		      struct remote_node *node, struct err *e)
{
	cJSON *addresses = cJSON_CreateObject();
	struct instances a = { 0 };
	int rc = -1;

	if (instances_list(r->s, &a, e) == 0 &&
	    agents_addresses(r->s, &a, addresses, e) == 0) {
		snprintf(node->address, sizeof(node->address), "%s",
			 json_str_opt(addresses, host, ""));
		node->manager = false;
		rc = node->address[0] != '\0' ? 0 : -1;
	}
	instances_release(&a);
	json_free(addresses);
	return rc;
}

/* Who is looked for here is often who does not join. */
static int find_anywhere(struct remote *r, const char *name,
			 struct remote_node *node, struct err *e)
{
	struct err ignored = ERR_INIT;

	if (find(remote_docker(r), name, true, node, e) == 0)
		return 0;
	if (e->kind == ERR_INTR || find_agent(r, name, node, &ignored) < 0)
		return -1;
	err_clear(e);
	return 0;
}

int remote_hop(struct remote *r, const char *node, struct ssh **out, struct err *e)
{
	struct remote_node n;

	if (find_anywhere(r, node, &n, e) < 0)
		return -1;
	return remote_hop_to(r, node, n.address, n.manager, out, e);
}
