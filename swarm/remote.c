/*
 * From the operator to the machines: where the masters are, Azure tells;
 * which host keys they have, `keys` decided before they were made.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/net.h"
#include "node/layout.h"
#include "swarm/remote.h"

#define SIGN_IN_MS 30000
#define CONNECT_MS 10000
#define FQDNS_MAX 8192

struct masters {
	char *name[LAYOUT_MASTERS_MAX], *address[LAYOUT_MASTERS_MAX];
	size_t n;
	struct buf fqdns;
};

/* "master0-ip" with an address is a master's; anything else is not. */
static int take_master(void *ctx, const cJSON *ip, struct err *e)
{
	struct masters *m = ctx;
	struct str name = str_of(json_str_opt(ip, "name", ""));
	const char *address = json_str_opt(ip, "properties.ipAddress", "");
	struct str fqdn =
		str_of(json_str_opt(ip, "properties.dnsSettings.fqdn", ""));

	(void)e;
	if (fqdn.n > 0 && str_chr(fqdn, ' ') < 0)
		buf_addf(&m->fqdns, "%.*s ", STR_ARG(fqdn));
	if (m->n < LAYOUT_MASTERS_MAX && *address != '\0' &&
	    str_starts(name, STR("master")) && str_ends(name, STR("-ip"))) {
		m->name[m->n] = str_dup(str_head(name, name.n - 3));
		m->address[m->n++] = xstrdup(address);
	}
	return 0;
}

static void masters_release(struct masters *m)
{
	for (size_t i = 0; i < m->n; i++) {
		free(m->name[i]);
		free(m->address[i]);
	}
	buf_release(&m->fqdns);
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

static int read_keys(struct remote *r, struct err *e)
{
	const struct settings *set = r->s->set;
	char *path;
	bool own;

	if (keys_load(set, &r->keys, e) < 0 ||
	    settings_bool(set, S_OWN_KEY, &own, e) < 0)
		return -1;
	if (own)
		return own_key(r, e);
	path = xasprintf("keys/%s.pem", settings_get(set, S_ADMIN_USERNAME));
	r->key = ssh_key_read(path, e);
	free(path);
	return r->key != NULL ? 0 : -1;
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

static int connect_master(struct remote *r, struct err *e)
{
	char *path = azure_path(&r->s->az,
				"/resourceGroups/%s/providers/"
				"Microsoft.Network/publicIPAddresses"
				"?api-version=" API_NETWORK,
				settings_get(r->s->set, S_COMPUTE_GROUP));
	struct masters m = { .fqdns = BUF_INIT(FQDNS_MAX) };
	struct err last = ERR_INIT;
	int rc = azure_list(&r->s->az, path, "addresses of masters",
			    take_master, &m, e);

	free(path);
	if (rc == 0 && m.n == 0)
		rc = err_set(e, ERR_DATA,
			     "there is no master; 'azswarm "
			     "deploy-compute' makes one");
	for (size_t i = 0; rc == 0 && r->ssh == NULL && i < m.n; i++) {
		int fd;

		err_clear(&last);
		fd = tcp_connect(m.address[i], 22, now_ms() + CONNECT_MS, &last);
		if (fd >= 0)
			r->ssh = sign_in(r, stream_of_fd(fd), m.name[i],
					 r->keys.host_master_public, &last);
		if (r->ssh != NULL)
			r->name = xstrdup(m.name[i]);
		else
			err_in(&last, "%s", m.name[i]);
		/* another master may answer; a key that is wrong here is wrong there */
		if (r->ssh == NULL && last.kind != ERR_NET &&
		    last.kind != ERR_TIMEOUT)
			break;
	}
	free(r->fqdns);
	r->fqdns = buf_detach(&m.fqdns);
	masters_release(&m);
	if (rc == 0 && r->ssh == NULL) {
		*e = last;
		rc = -1;
	}
	return rc;
}

int remote_open(struct session *s, struct remote *r, struct err *e)
{
	*r = (struct remote){ .s = s };
	if (read_keys(r, e) < 0 || connect_master(r, e) < 0)
		return -1;
	return 0;
}

static void disconnect(struct remote *r)
{
	if (r->has_docker)
		docker_release(&r->docker);
	r->has_docker = false;
	ssh_close(r->ssh);
	r->ssh = NULL;
	free(r->name);
	r->name = NULL;
}

int remote_reopen(struct remote *r, struct err *e)
{
	disconnect(r);
	return connect_master(r, e);
}

void remote_release(struct remote *r)
{
	disconnect(r);
	free(r->fqdns);
	ssh_key_free(r->key);
	keys_burn(&r->keys);
	*r = (struct remote){ 0 };
}

/* ---- the Engine ---- */

static struct stream *dial(void *ctx, bool tls, const char *host, unsigned port,
			   int64_t deadline_ms, struct err *e)
{
	struct remote *r = ctx;
	struct ssh_channel *c = ssh_unix(r->ssh, DOCKER_SOCKET, e);

	(void)tls, (void)host, (void)port;
	if (c == NULL)
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
	if (!r->has_docker)
		docker_init(&r->docker, (struct http_dialer){ dial, r });
	r->has_docker = true;
	return &r->docker;
}

/* ---- other nodes ---- */

/* The node that somebody names, by host name or address. */
struct wanted {
	const char *name;
	struct remote_node node;
	bool ambiguous;
};

static int take_node(void *ctx, const cJSON *doc, struct err *e)
{
	struct wanted *w = ctx;
	struct docker_node n;

	if (docker_node_read(doc, &n, e) < 0)
		return -1;
	if ((strcmp(n.hostname, w->name) != 0 && strcmp(n.addr, w->name) != 0) ||
	    n.state != DOCKER_NODE_READY)
		return 0;
	w->ambiguous = w->node.address[0] != '\0';
	snprintf(w->node.address, sizeof(w->node.address), "%s", n.addr);
	w->node.manager = n.manager;
	return 0;
}

int remote_find(struct docker *d, const char *name, struct remote_node *node,
		struct err *e)
{
	struct wanted w = { .name = name };

	if (docker_each(d, "/nodes", take_node, &w, e) < 0)
		return err_in(e, "list of nodes");
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

int remote_hop(struct remote *r, const char *node, struct ssh **out, struct err *e)
{
	struct remote_node n;
	struct ssh_channel *c;

	if (remote_find(remote_docker(r), node, &n, e) < 0 ||
	    (c = ssh_tcp(r->ssh, n.address, 22, e)) == NULL)
		return -1;
	if (ssh_channel_wait(c, now_ms() + CONNECT_MS, e) < 0) {
		ssh_channel_close(c);
		return err_in(e, "%s", node);
	}
	*out = sign_in(r, ssh_channel_stream(c), node,
		       n.manager ? r->keys.host_master_public :
				   r->keys.host_agent_public,
		       e);
	return *out != NULL ? 0 : err_in(e, "%s", node);
}
