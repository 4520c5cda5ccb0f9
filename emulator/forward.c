/*
 * The way in from outside.  A public address is one of loopback's, 127.77.x.y:
 * here it listens on the ports that the security groups let the Internet
 * reach, and passes connections on to the machine behind it, or to one of the
 * load balancer's pool that its probes find well (prober.c).  A connection that
 * is there goes on, whatever they find.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/net.h"
#include "emulator/forward.h"
#include "emulator/inner.h"
#include "emulator/prober.h"
#include "emulator/store.h"

#define FORWARDS_MAX 64
#define PUBLIC_IPS "Microsoft.Network/publicIPAddresses"
/* Whose a public address is: the local Azure's that listens there. */
#define CLAIM_PORT 7770
#define CONNECTIONS_MAX 128

/* One port of a public address, and the machines that connections to it reach. */
struct forward {
	char address[16]; /* the public one */
	unsigned port;	  /* on it */
	unsigned to_port; /* on the machine */
	char *pool; /* id of the load balancer's pool; NULL: it is one machine, */
	char to[16]; /* with this address */
	unsigned turn; /* of the pool's members: how many connections there were */
	char *probe; /* id of that by which its members are found well; NULL: none */
	int fd;	     /* listens; -1: it cannot yet */
	bool keep; /* it is still wanted */
	bool told; /* the log says already that it cannot listen */
};

struct forwarder {
	struct emu *m;
	struct forward f[FORWARDS_MAX];
	size_t n;
	unsigned connections;
};

/* ---- what there should be ---- */

static bool port_in(const char *range, unsigned port)
{
	struct str s = str_of(range), left;
	uint64_t a, b;

	if (range == NULL)
		return false;
	if (strcmp(range, "*") == 0)
		return true;
	if (!str_cut(&s, '-', &left))
		return str_num(s, 65535, &a) && a == port;
	return str_num(left, 65535, &a) && str_num(s, 65535, &b) && port >= a &&
	       port <= b;
}

static bool from_outside(const char *prefix)
{
	return str_listed("* Internet 0.0.0.0/0 127.0.0.1 127.0.0.1/32 127.0.0.0/8",
			  prefix);
}

static bool rule_covers(const cJSON *r, unsigned port)
{
	const cJSON *v;
	bool source = from_outside(json_str_opt(r, "sourceAddressPrefix", NULL));
	bool ports = port_in(json_str_opt(r, "destinationPortRange", NULL), port);

	cJSON_ArrayForEach(v, json_get(r, "sourceAddressPrefixes"))
		source = source || from_outside(v->valuestring);
	cJSON_ArrayForEach(v, json_get(r, "destinationPortRanges"))
		ports = ports || port_in(v->valuestring, port);
	return source && ports && json_is(r, "direction", "Inbound") &&
	       str_listed("Tcp *", json_text(r, "protocol"));
}

/* Is there a rule of the group's for that port, and does it let it in?  -1: no. */
static int group_says(struct emu *m, const char *id, unsigned port)
{
	const cJSON *nsg = store_doc(m, id), *rule, *best = NULL;

	cJSON_ArrayForEach(rule, json_at(nsg, "properties.securityRules")) {
		const cJSON *r = json_get(rule, "properties");

		if (rule_covers(r, port) &&
		    (best == NULL || json_int_opt(r, "priority", 0) <
					     json_int_opt(best, "priority", 0)))
			best = r;
	}
	return best == NULL ? -1 : json_is(best, "access", "Allow");
}

/* Do the groups of the subnet and of the interface let the Internet reach that
 * port?  Where there are both, both must; a Standard address without is closed. */
static bool let_in(struct emu *m, const cJSON *nic, const char *subnet_id,
		   unsigned port)
{
	static const char path[] = "properties.networkSecurityGroup.id";
	const char *group[] = { json_str_opt(store_doc(m, subnet_id), path, NULL),
				json_str_opt(nic, path, NULL) };
	bool any = false;

	for (size_t i = 0; i < 2; i++) {
		if (group[i] == NULL)
			continue;
		if (group_says(m, group[i], port) <= 0)
			return false;
		any = true;
	}
	return any;
}

static void want(struct forwarder *w, const char *address, unsigned port,
		 unsigned to_port, const char *to, const char *pool,
		 const char *probe)
{
	struct forward *f = NULL;

	if (address == NULL || port == 0)
		return;
	for (size_t i = 0; i < w->n; i++)
		if (strcmp(w->f[i].address, address) == 0 && w->f[i].port == port)
			f = &w->f[i];
	if (f == NULL && w->n < FORWARDS_MAX) {
		f = &w->f[w->n++];
		memset(f, 0, sizeof(*f));
		f->fd = -1;
		snprintf(f->address, sizeof(f->address), "%s", address);
		f->port = port;
	}
	if (f == NULL)
		return;
	f->keep = true;
	f->to_port = to_port;
	snprintf(f->to, sizeof(f->to), "%s", to != NULL ? to : "");
	free(f->pool);
	free(f->probe);
	f->pool = pool != NULL ? xstrdup(pool) : NULL;
	f->probe = probe != NULL ? xstrdup(probe) : NULL;
}

static const char *address_of(struct emu *m, const char *pip_id)
{
	return json_str_opt(store_doc(m, pip_id), "properties.ipAddress", NULL);
}

/* Every port that the rules let the Internet reach. */
static void want_nic(struct forwarder *w, const cJSON *nic, const cJSON *ip)
{
	struct emu *m = w->m;
	const char *pip = json_str_opt(ip, "properties.publicIPAddress.id", NULL);
	const char *subnet = json_str_opt(ip, "properties.subnet.id", NULL);
	static const unsigned ports[] = { 22,	80,   81,   443,
					  2376, 8000, 8080, 9080 };

	if (pip == NULL)
		return;
	for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++)
		if (let_in(m, nic, subnet, ports[i]))
			want(w, address_of(m, pip),
			     ports[i] == 22 ? m->ssh_port : ports[i], ports[i],
			     json_str_opt(ip, "properties.privateIPAddress", NULL),
			     NULL, NULL);
}

static void want_lb(struct forwarder *w, const cJSON *lb)
{
	struct emu *m = w->m;
	const cJSON *rule;

	cJSON_ArrayForEach(rule, json_at(lb, "properties.loadBalancingRules")) {
		const cJSON *r = json_get(rule, "properties");
		const cJSON *front = store_doc(
			m, json_str_opt(r, "frontendIPConfiguration.id", NULL));

		want(w,
		     address_of(m, json_str_opt(front,
						"properties.publicIPAddress.id",
						NULL)),
		     (unsigned)json_int_opt(r, "frontendPort", 0),
		     (unsigned)json_int_opt(r, "backendPort", 0), NULL,
		     json_text(r, "backendAddressPool.id"),
		     json_str_opt(r, "probe.id", NULL));
	}
}

static bool can_listen(const char *address, unsigned port)
{
	struct err ignored = ERR_INIT;
	int fd = tcp_listen(address, &port, NULL, &ignored);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

unsigned forward_ssh_port(void)
{
	static const unsigned ports[] = { 22, 2022, 2222, 22022 };

	/* an address that is given to nobody */
	for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++)
		if (can_listen("127.77.0.1", ports[i]))
			return ports[i];
	return 22;
}

bool forward_is_taken(const char *address)
{
	return !can_listen(address, CLAIM_PORT);
}

void forward_tell_taken(struct emu *m, FILE *out)
{
	for (struct entry *n = NULL;
	     (n = store_typed(m, n, PUBLIC_IPS)) != NULL;) {
		const char *address = address_of(m, n->key);

		if (address != NULL && forward_is_taken(address))
			fprintf(out,
				"public address %s is another local Azure's now: "
				"what is behind ours cannot be reached\n",
				address);
	}
}

static void refresh(struct forwarder *w)
{
	struct emu *m = w->m;
	struct err e = ERR_INIT;
	const cJSON *ip;
	struct entry *n;
	size_t i;

	for (i = 0; i < w->n; i++)
		w->f[i].keep = false;
	for (n = NULL; (n = store_next(m, n, "/subscriptions/")) != NULL;) {
		const char *type = json_text(n->doc, "type");

		if (str_is(type, "Microsoft.Network/networkInterfaces"))
			cJSON_ArrayForEach(ip,
					   json_at(n->doc,
						   "properties.ipConfigurations"))
				want_nic(w, n->doc, ip);
		else if (str_is(type, "Microsoft.Network/loadBalancers"))
			want_lb(w, n->doc);
		else if (str_is(type, PUBLIC_IPS))
			want(w, address_of(m, n->key), CLAIM_PORT, 0, NULL,
			     NULL, NULL);
	}
	for (i = 0; i < w->n; i++) {
		struct forward *f = &w->f[i];

		if (f->keep && f->fd < 0) {
			unsigned port = f->port;

			f->fd = tcp_listen(f->address, &port, NULL, &e);
			if (f->fd >= 0 || !f->told)
				emu_log(m, "public %s:%u: %s", f->address,
					f->port, f->fd < 0 ? e.msg : "open");
			f->told = true;
			err_clear(&e);
		}
		if (f->keep)
			continue;
		if (f->fd >= 0)
			close(f->fd);
		free(f->pool);
		free(f->probe);
		*f = w->f[--w->n];
		i--;
	}
}

/* ---- behind ---- */

bool forward_go_inside(struct emu *m)
{
	int fd = open(m->netns, O_RDONLY | O_CLOEXEC);
	bool ok = fd >= 0 && setns(fd, CLONE_NEWNET) == 0;

	if (fd >= 0)
		close(fd);
	return ok;
}

struct visit {
	struct forwarder *w;
	struct forward f; /* pool and probe are copies */
	int fd;
};

/* The address of the machine that is to answer.  Lock held. */
static bool choose(const struct visit *v, char out[16])
{
	memcpy(out, v->f.to, 16);
	return v->f.pool == NULL ||
	       prober_choose(v->w->m, v->f.pool, v->f.probe, v->f.turn, out);
}

static bool pump(int from, int to)
{
	char piece[16384];
	ssize_t n = read(from, piece, sizeof(piece)), done = 0, k;
	struct pollfd p = { .fd = to, .events = POLLOUT };

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n == 0) {
		shutdown(to, SHUT_WR);
		return false;
	}
	while (done < n) {
		k = write(to, piece + done, (size_t)(n - done));
		if (k < 0 && (errno == EAGAIN || errno == EINTR)) {
			if (poll(&p, 1, 60000) <= 0)
				return false;
			continue;
		}
		if (k <= 0)
			return false;
		done += k;
	}
	return true;
}

/* Both ways until both have ended, or an hour's silence. */
static void relay(struct emu *m, int a, int b)
{
	struct pollfd p[3] = { { .fd = a, .events = POLLIN },
			       { .fd = b, .events = POLLIN },
			       { .fd = m->stop_fd[0], .events = POLLIN } };

	while (p[0].fd >= 0 || p[1].fd >= 0) {
		if (poll(p, 3, 3600000) <= 0 || p[2].revents != 0)
			break;
		if (p[0].revents != 0 && !pump(a, b))
			p[0].fd = -1;
		if (p[1].revents != 0 && !pump(b, a))
			p[1].fd = -1;
	}
}

static void visit_free(struct visit *v)
{
	close(v->fd);
	free(v->f.pool);
	free(v->f.probe);
	free(v);
}

static void *visit_thread(void *p)
{
	struct visit *v = p;
	struct forwarder *w = v->w;
	struct emu *m = w->m;
	struct err e = ERR_INIT;
	char to[16] = "";
	bool found;
	int fd = -1;

	if (forward_go_inside(m)) {
		pthread_mutex_lock(&m->lock);
		found = choose(v, to);
		pthread_mutex_unlock(&m->lock);
		if (found)
			fd = tcp_connect(to, v->f.to_port, now_ms() + 10000, &e);
	}
	if (fd >= 0) {
		fcntl(v->fd, F_SETFL, fcntl(v->fd, F_GETFL) | O_NONBLOCK);
		relay(m, v->fd, fd);
		close(fd);
	}
	visit_free(v);
	pthread_mutex_lock(&m->lock);
	w->connections--;
	pthread_cond_broadcast(&m->changed);
	pthread_mutex_unlock(&m->lock);
	return NULL;
}

static void visit(struct forwarder *w, struct forward *f)
{
	int fd = accept4(f->fd, NULL, NULL, SOCK_CLOEXEC);
	struct visit *v;

	if (fd < 0)
		return;
	if (w->connections >= CONNECTIONS_MAX) {
		close(fd);
		return;
	}
	v = xcalloc(1, sizeof(*v));
	v->w = w;
	v->f = *f;
	v->f.pool = f->pool != NULL ? xstrdup(f->pool) : NULL;
	v->f.probe = f->probe != NULL ? xstrdup(f->probe) : NULL;
	v->fd = fd;
	f->turn++;
	w->connections++;
	if (emu_thread_start(visit_thread, v) < 0) {
		w->connections--;
		visit_free(v);
	}
}

void *forward_thread(void *p)
{
	struct emu *m = p;
	struct forwarder *w = xcalloc(1, sizeof(*w));
	struct pollfd fds[FORWARDS_MAX + 1];
	size_t i, n;

	w->m = m;
	pthread_mutex_lock(&m->lock);
	while (!m->stopping) {
		refresh(w);
		n = w->n;
		for (i = 0; i < n; i++)
			fds[i] = (struct pollfd){ .fd = w->f[i].fd,
						  .events = POLLIN };
		fds[n] = (struct pollfd){ .fd = m->stop_fd[0], .events = POLLIN };
		pthread_mutex_unlock(&m->lock);
		poll(fds, n + 1, 1000);
		pthread_mutex_lock(&m->lock);
		for (i = 0; i < n; i++)
			if (fds[i].revents != 0 && w->f[i].fd == fds[i].fd)
				visit(w, &w->f[i]);
	}
	for (i = 0; i < w->n; i++) {
		if (w->f[i].fd >= 0)
			close(w->f[i].fd);
		free(w->f[i].pool);
		free(w->f[i].probe);
	}
	while (w->connections > 0)
		pthread_cond_wait(&m->changed, &m->lock);
	free(w);
	return emu_thread_end(m);
}
