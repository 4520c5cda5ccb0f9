/*
 * Does this node reach others?  Connections to their ports from the machine,
 * echoes through the swarm's own network of published ports from inside of its
 * sandbox, which every node has: what comes back has gone through VXLAN both
 * ways, whatever services there are.
 *
 * Source: RFC 792 (echo), RFC 1071 (its checksum), ip(7) for IP_PMTUDISC_PROBE:
 * do not fragment, and do not believe what was learnt of the way either.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "node/reach.h"

#define TCP_MS 1000
#define ECHO_MS 1200	  /* for all of them */
#define ECHO_AGAIN_MS 300 /* the first may wait for a neighbour's address */
#define SMALL 64	  /* bytes of a small packet, IP header and all */
#define IP_HEADER 20
#define PACKET_MAX 9216
#define LINKS_MAX 32 /* of the sandbox: two, as it is made */

enum what { TCP, ECHO };

struct target {
	enum what what;
	const char *word; /* behind "tcp:" and "echo:" */
	struct sockaddr_in a;
	int fd; /* of a connection on its way, or -1 */
	int mtu;
	/* microseconds, -1: nothing came; of TCP the first */
	int64_t sent[2], took[2];
	bool refused;
};

static int64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int take_word(const char *word, struct target *t, struct err *e)
{
	struct str s = str_of(word), host, kind;
	char address[INET_ADDRSTRLEN];
	uint64_t port = 0;

	*t = (struct target){ .fd = -1, .took = { -1, -1 } };
	t->a.sin_family = AF_INET;
	if (!str_cut(&s, ':', &kind))
		goto bad;
	t->word = s.p;
	t->what = str_eqz(kind, "tcp") ? TCP : ECHO;
	host = s;
	if (t->what == TCP &&
	    (!str_cut(&s, ':', &host) || !str_num(s, 65535, &port)))
		goto bad;
	if (t->what == ECHO && !str_eqz(kind, "echo"))
		goto bad;
	if (host.n >= sizeof(address))
		goto bad;
	memcpy(address, host.p, host.n);
	address[host.n] = '\0';
	t->a.sin_port = htons((uint16_t)port);
	if (inet_pton(AF_INET, address, &t->a.sin_addr) == 1)
		return 0;
bad:
	return err_set(e, ERR_USAGE,
		       "\"%s\": expected tcp:ADDRESS:PORT or echo:ADDRESS", word);
}

/* ---- TCP ---- */

static void begin_connect(struct target *t)
{
	t->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	t->sent[0] = now_us();
	if (t->fd < 0)
		return;
	if (connect(t->fd, (struct sockaddr *)&t->a, sizeof(t->a)) < 0 &&
	    errno != EINPROGRESS) {
		close(t->fd);
		t->fd = -1;
	}
}

static void end_connect(struct target *t)
{
	socklen_t n = sizeof(int);
	int why = 0;

	if (getsockopt(t->fd, SOL_SOCKET, SO_ERROR, &why, &n) == 0 && why == 0)
		t->took[0] = now_us() - t->sent[0];
	t->refused = why == ECONNREFUSED;
	close(t->fd);
	t->fd = -1;
}

static int connect_all(struct target *all, size_t n, struct err *e)
{
	struct pollfd *p = xcalloc(n, sizeof(*p));
	int64_t deadline = now_ms() + TCP_MS;
	size_t left = 0;

	for (size_t i = 0; i < n; i++)
		if (all[i].what == TCP) {
			begin_connect(&all[i]);
			left += all[i].fd >= 0;
		}
	while (left > 0 && now_ms() < deadline && !interrupt_requested()) {
		for (size_t i = 0; i < n; i++)
			p[i] = (struct pollfd){ .fd = all[i].fd,
						.events = POLLOUT };
		if (poll(p, n, poll_timeout(deadline)) < 0 && errno != EINTR)
			break;
		for (size_t i = 0; i < n; i++)
			if (all[i].fd >= 0 && p[i].revents != 0) {
				end_connect(&all[i]);
				left--;
			}
	}
	for (size_t i = 0; i < n; i++)
		if (all[i].fd >= 0) {
			close(all[i].fd);
			all[i].fd = -1;
		}
	free(p);
	return interrupt_requested() ? err_set(e, ERR_INTR, "interrupted") : 0;
}

/* ---- echoes ---- */

static uint16_t checksum(const uint8_t *p, size_t n)
{
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < n; i += 2)
		sum += (uint32_t)p[i] << 8 | p[i + 1];
	if (n % 2 != 0)
		sum += (uint32_t)p[n - 1] << 8;
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* The MTU of the link that leads there, which is not what was learnt of the way
 * behind it (IP_MTU); 0: none does. */
static int mtu_towards(const struct target *t)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), mtu = 0;
	struct sockaddr_in to = t->a, own, a;
	socklen_t n = sizeof(own);
	struct ifreq link[LINKS_MAX];
	struct ifconf all = { .ifc_len = sizeof(link), .ifc_req = link };

	to.sin_port = htons(9);
	if (fd < 0)
		return 0;
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 ||
	    getsockname(fd, (struct sockaddr *)&own, &n) < 0 ||
	    ioctl(fd, SIOCGIFCONF, &all) < 0)
		all.ifc_len = 0;
	for (size_t i = 0; i < (size_t)all.ifc_len / sizeof(*link); i++) {
		memcpy(&a, &link[i].ifr_addr, sizeof(a));
		if (a.sin_addr.s_addr == own.sin_addr.s_addr &&
		    ioctl(fd, SIOCGIFMTU, &link[i]) == 0)
			mtu = link[i].ifr_mtu;
	}
	close(fd);
	return mtu;
}

/* Sequence numbers tell target and size apart: 2 i is the small one. */
static void send_echo(int fd, struct target *all, size_t i, int large)
{
	uint8_t packet[PACKET_MAX] = { ICMP_ECHO };
	struct target *t = &all[i];
	size_t whole = large ? (size_t)t->mtu : SMALL, n = whole - IP_HEADER;
	uint16_t id = htons((uint16_t)getpid()),
		 seq = htons((uint16_t)(2 * i + (size_t)large)), sum;

	if (t->mtu < SMALL || whole > PACKET_MAX)
		return;
	memcpy(packet + 4, &id, 2);
	memcpy(packet + 6, &seq, 2);
	sum = htons(checksum(packet, n));
	memcpy(packet + 2, &sum, 2);
	t->sent[large] = now_us();
	(void)sendto(fd, packet, n, 0, (struct sockaddr *)&t->a, sizeof(t->a));
}

/* An answer to one of ours, of that one's size. */
static void take_echo(int fd, struct target *all, size_t n_all)
{
	uint8_t packet[PACKET_MAX + 64];
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	ssize_t n = recvfrom(fd, packet, sizeof(packet), MSG_DONTWAIT | MSG_TRUNC,
			     (struct sockaddr *)&from, &len);
	size_t head, i;
	uint16_t id, seq;
	struct target *t;

	if (n < 20 || (size_t)n > sizeof(packet))
		return;
	head = (size_t)(packet[0] & 15) * 4;
	if (head < 20 || (size_t)n < head + 8 || packet[head] != ICMP_ECHOREPLY)
		return;
	memcpy(&id, packet + head + 4, 2);
	memcpy(&seq, packet + head + 6, 2);
	i = ntohs(seq) / 2;
	if (ntohs(id) != (uint16_t)getpid() || i >= n_all)
		return;
	t = &all[i];
	if (t->what != ECHO || from.sin_addr.s_addr != t->a.sin_addr.s_addr ||
	    (size_t)n - head + IP_HEADER !=
		    (ntohs(seq) % 2 != 0 ? (size_t)t->mtu : (size_t)SMALL))
		return;
	if (t->took[ntohs(seq) % 2] < 0)
		t->took[ntohs(seq) % 2] = now_us() - t->sent[ntohs(seq) % 2];
}

static size_t unanswered(const struct target *all, size_t n)
{
	size_t k = 0;

	for (size_t i = 0; i < n; i++)
		if (all[i].what == ECHO && all[i].mtu >= SMALL)
			k += (size_t)(all[i].took[0] < 0) +
			     (size_t)(all[i].took[1] < 0);
	return k;
}

static int echo_all(int fd, struct target *all, size_t n, struct err *e)
{
	int64_t deadline = now_ms() + ECHO_MS, again = 0;

	while (unanswered(all, n) > 0 && now_ms() < deadline) {
		struct pollfd p = { .fd = fd, .events = POLLIN };

		for (size_t i = 0; now_ms() >= again && i < n; i++)
			for (int large = 0; large < 2; large++)
				if (all[i].what == ECHO && all[i].took[large] < 0)
					send_echo(fd, all, i, large);
		if (now_ms() >= again)
			again = now_ms() + ECHO_AGAIN_MS;
		if (poll(&p, 1,
			 poll_timeout(again < deadline ? again : deadline)) > 0)
			take_echo(fd, all, n);
		if (interrupt_requested())
			return err_set(e, ERR_INTR, "interrupted");
	}
	return 0;
}

/* The network of published ports, from now on; and a socket in it. */
static int enter(struct err *e)
{
	static const int probe = IP_PMTUDISC_PROBE;
	int ns = open(REACH_NETNS, O_RDONLY | O_CLOEXEC), fd = -1;

	if (ns < 0)
		return err_sys(e, ERR_IO, REACH_NETNS);
	if (setns(ns, CLONE_NEWNET) < 0)
		err_sys(e, ERR_IO, "entering " REACH_NETNS);
	else if ((fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP)) < 0)
		err_sys(e, ERR_IO, "a socket for echoes");
	else
		(void)setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &probe,
				 sizeof(probe));
	close(ns);
	return fd;
}

/* ---- telling ---- */

static void print_time(FILE *out, int64_t took, const char *none)
{
	if (took < 0)
		fprintf(out, " %s", none);
	else
		fprintf(out, " %lld", (long long)took);
}

static void print_all(FILE *out, const struct target *all, size_t n, enum what what)
{
	for (size_t i = 0; i < n; i++) {
		const struct target *t = &all[i];

		if (t->what != what)
			continue;
		fprintf(out, "%s %s", what == TCP ? "tcp" : "echo", t->word);
		if (what == ECHO)
			fprintf(out, " %d", t->mtu);
		print_time(out, t->took[0], t->refused ? "refused" : "lost");
		if (what == ECHO)
			print_time(out, t->took[1], "lost");
		putc('\n', out);
	}
	fflush(out);
}

int reach_run(int argc, char **words, FILE *out, struct err *e)
{
	struct target *all;
	size_t n = (size_t)argc, echoes = 0;
	int fd = -1, rc = -1;

	if (n > REACH_WORDS_MAX)
		return err_set(e, ERR_USAGE, "at most %d at a time",
			       REACH_WORDS_MAX);
	all = xcalloc(n, sizeof(*all));
	for (size_t i = 0; i < n; i++) {
		if (take_word(words[i], &all[i], e) < 0)
			goto out;
		echoes += all[i].what == ECHO;
	}
	if (connect_all(all, n, e) < 0)
		goto out;
	print_all(out, all, n, TCP);
	if (echoes > 0) {
		if ((fd = enter(e)) < 0)
			goto out;
		for (size_t i = 0; i < n; i++)
			if (all[i].what == ECHO)
				all[i].mtu = mtu_towards(&all[i]);
		if (echo_all(fd, all, n, e) < 0)
			goto out;
		print_all(out, all, n, ECHO);
	}
	rc = 0;
out:
	if (fd >= 0)
		close(fd);
	free(all);
	return rc;
}
