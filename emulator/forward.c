/*
 * The way in from outside.  A public address is one of loopback's, 127.77.x.y:
 * here it listens on the ports that the security groups let the Internet
 * reach, and passes connections on to the machine behind it, or to one of the
 * load balancer's pool that its probes find well (prober.c).  A connection that
 * is there goes on, whatever they find.  Of UDP, who sends from one address and
 * port is a connection, until four minutes pass in silence.
 */
#include <arpa/inet.h>
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

#define FORWARDS_MAX 256
#define SCALE_SETS "Microsoft.Compute/virtualMachineScaleSets"
#define PUBLIC_IPS "Microsoft.Network/publicIPAddresses"
/* Whose a public address is: the local Azure's that listens there. */
#define CLAIM_PORT 7770
#define CONNECTIONS_MAX 128
#define SILENCE_MS 3600000
#define SILENCE_UDP_MS 240000 /* Azure's default, which UDP has in any case */
#define DATAGRAM_MAX 65535

/* One port of a public address, and the machines that connections to it reach. */
struct forward {
	char address[16]; /* the public one */
	unsigned port;	  /* on it */
	unsigned to_port; /* on the machine */
	bool udp;
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

static bool rule_covers(const cJSON *r, unsigned port, bool udp)
{
	const cJSON *v;
	bool source = from_outside(json_str_opt(r, "sourceAddressPrefix", NULL));
	bool ports = port_in(json_str_opt(r, "destinationPortRange", NULL), port);

	cJSON_ArrayForEach(v, json_get(r, "sourceAddressPrefixes"))
		source = source || from_outside(v->valuestring);
	cJSON_ArrayForEach(v, json_get(r, "destinationPortRanges"))
		ports = ports || port_in(v->valuestring, port);
	return source && ports && json_is(r, "direction", "Inbound") &&
	       str_listed(udp ? "Udp *" : "Tcp *", json_text(r, "protocol"));
}

/* Is there a rule of the group's for that port, and does it let it in?  -1: no. */
static int group_says(struct emu *m, const char *id, unsigned port, bool udp)
{
	const cJSON *nsg = store_doc(m, id), *rule, *best = NULL;

	cJSON_ArrayForEach(rule, json_at(nsg, "properties.securityRules")) {
		const cJSON *r = json_get(rule, "properties");

		if (rule_covers(r, port, udp) &&
		    (best == NULL || json_int_opt(r, "priority", 0) <
					     json_int_opt(best, "priority", 0)))
			best = r;
	}
	return best == NULL ? -1 : json_is(best, "access", "Allow");
}

/* Do the groups of the subnet and of the interface (NULL: it has none) let the
 * Internet reach that port?  Where there are both, both must; a Standard address
 * without is closed. */
static bool let_in(struct emu *m, const cJSON *nic, const char *subnet_id,
		   unsigned port, bool udp)
{
	static const char path[] = "properties.networkSecurityGroup.id";
	const char *group[] = { json_str_opt(store_doc(m, subnet_id), path, NULL),
				json_str_opt(nic, path, NULL) };
	bool any = false;

	for (size_t i = 0; i < 2; i++) {
		if (group[i] == NULL)
			continue;
		if (group_says(m, group[i], port, udp) <= 0)
			return false;
		any = true;
	}
	return any;
}

static void want(struct forwarder *w, const char *address, unsigned port,
		 bool udp, unsigned to_port, const char *to, const char *pool,
		 const char *probe)
{
	struct forward *f = NULL;

	if (address == NULL || port == 0)
		return;
	for (size_t i = 0; i < w->n; i++)
		if (strcmp(w->f[i].address, address) == 0 &&
		    w->f[i].port == port && w->f[i].udp == udp)
			f = &w->f[i];
	if (f == NULL && w->n < FORWARDS_MAX) {
		f = &w->f[w->n++];
		memset(f, 0, sizeof(*f));
		f->fd = -1;
		snprintf(f->address, sizeof(f->address), "%s", address);
		f->port = port;
		f->udp = udp;
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
		if (let_in(m, nic, subnet, ports[i], false))
			want(w, address_of(m, pip),
			     ports[i] == 22 ? m->ssh_port : ports[i], false,
			     ports[i],
			     json_str_opt(ip, "properties.privateIPAddress", NULL),
			     NULL, NULL);
}

/* Where the machines of a pool are: the subnet of the scale set that has it.  NULL:
 * none has. */
static const char *subnet_of_pool(struct emu *m, const char *pool)
{
	const char *path = "properties.virtualMachineProfile.networkProfile."
			   "networkInterfaceConfigurations[0].properties."
			   "ipConfigurations[0].properties";
	const cJSON *ip, *v;

	for (struct entry *n = NULL;
	     (n = store_typed(m, n, SCALE_SETS)) != NULL;) {
		ip = json_at(n->doc, path);
		cJSON_ArrayForEach(v, json_get(ip,
					       "loadBalancerBackendAddressPools"))
			if (json_is(v, "id", pool))
				return json_str_opt(ip, "subnet.id", NULL);
	}
	return NULL;
}

static void want_lb(struct forwarder *w, const cJSON *lb)
{
	struct emu *m = w->m;
	const cJSON *rule;

	cJSON_ArrayForEach(rule, json_at(lb, "properties.loadBalancingRules")) {
		const cJSON *r = json_get(rule, "properties");
		const cJSON *front = store_doc(
			m, json_str_opt(r, "frontendIPConfiguration.id", NULL));
		const char *pool = json_text(r, "backendAddressPool.id");
		const char *subnet = subnet_of_pool(m, pool);
		unsigned to_port = (unsigned)json_int_opt(r, "backendPort", 0);
		bool udp = json_is(r, "protocol", "Udp");

		/* the caller's address is kept, so the machines' group decides */
		if (subnet != NULL && !let_in(m, NULL, subnet, to_port, udp))
			continue;
		want(w,
		     address_of(m, json_str_opt(front,
						"properties.publicIPAddress.id",
						NULL)),
		     (unsigned)json_int_opt(r, "frontendPort", 0), udp, to_port,
		     NULL, pool, json_str_opt(r, "probe.id", NULL));
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

/* A socket of that address and port, which others may have, too: the kernel gives a
 * datagram to the one that is connected to who sent it. */
static int udp_socket(const char *address, unsigned port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
	    on = 1;

	if (fd < 0 || inet_pton(AF_INET, address, &a.sin_addr) != 1 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}

static int open_forward(const struct forward *f, struct err *e)
{
	unsigned port = f->port;
	int fd;

	if (!f->udp)
		return tcp_listen(f->address, &port, NULL, e);
	fd = udp_socket(f->address, port);
	return fd >= 0 ? fd : err_sys(e, ERR_IO, "cannot listen");
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
			want(w, address_of(m, n->key), CLAIM_PORT, false, 0,
			     NULL, NULL, NULL);
	}
	for (i = 0; i < w->n; i++) {
		struct forward *f = &w->f[i];

		if (f->keep && f->fd < 0) {
			f->fd = open_forward(f, &e);
			if (f->fd >= 0 || !f->told)
				emu_log(m, "public %s:%u%s: %s", f->address,
					f->port, f->udp ? "/udp" : "",
					f->fd < 0 ? e.msg : "open");
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
	/* of UDP: what came first, from who fd is connected to, in room for any */
	char *first;
	size_t n;
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
		if (poll(p, 3, SILENCE_MS) <= 0 || p[2].revents != 0)
			break;
		if (p[0].revents != 0 && !pump(a, b))
			p[0].fd = -1;
		if (p[1].revents != 0 && !pump(b, a))
			p[1].fd = -1;
	}
}

/* That of a datagram which nobody takes is no end. */
static void pass(int from, int to, char *room)
{
	ssize_t n = recv(from, room, DATAGRAM_MAX, MSG_DONTWAIT);

	if (n >= 0)
		(void)!send(to, room, (size_t)n, MSG_DONTWAIT);
}

/* Datagrams both ways, until there are none any more.  room: for one. */
static void relay_datagrams(struct emu *m, int a, int b, char *room)
{
	struct pollfd p[3] = { { .fd = a, .events = POLLIN },
			       { .fd = b, .events = POLLIN },
			       { .fd = m->stop_fd[0], .events = POLLIN } };

	while (poll(p, 3, SILENCE_UDP_MS) > 0 && p[2].revents == 0) {
		if (p[0].revents != 0)
			pass(a, b, room);
		if (p[1].revents != 0)
			pass(b, a, room);
	}
}

static int udp_connect(const char *address, unsigned port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && (inet_pton(AF_INET, address, &a.sin_addr) != 1 ||
			connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static void visit_free(struct visit *v)
{
	close(v->fd);
	free(v->first);
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
		if (found && v->f.udp)
			fd = udp_connect(to, v->f.to_port);
		else if (found)
			fd = tcp_connect(to, v->f.to_port, now_ms() + 10000, &e);
	}
	if (fd >= 0 && v->f.udp) {
		(void)!send(fd, v->first, v->n, MSG_DONTWAIT);
		relay_datagrams(m, v->fd, fd, v->first);
		close(fd);
	} else if (fd >= 0) {
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

/* Somebody's first datagram, and a socket that gets those to come.  -1: nobody's. */
static int accept_datagram(const struct forward *f, struct visit *v)
{
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	ssize_t n;
	int fd;

	v->first = xmalloc(DATAGRAM_MAX);
	n = recvfrom(f->fd, v->first, DATAGRAM_MAX, MSG_DONTWAIT,
		     (struct sockaddr *)&from, &len);
	if (n < 0 || (fd = udp_socket(f->address, f->port)) < 0)
		return -1;
	if (connect(fd, (struct sockaddr *)&from, len) < 0) {
		close(fd);
		return -1;
	}
	v->n = (size_t)n;
	return fd;
}

static void visit(struct forwarder *w, struct forward *f)
{
	struct visit *v = xcalloc(1, sizeof(*v));
	int fd = f->udp ? accept_datagram(f, v) :
			  accept4(f->fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0 || w->connections >= CONNECTIONS_MAX) {
		if (fd >= 0)
			close(fd);
		free(v->first);
		free(v);
		return;
	}
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
