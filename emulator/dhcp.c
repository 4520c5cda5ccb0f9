/* The machines' addresses, told by DHCP as on Azure; see dhcp.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "emulator/dhcp.h"
#include "emulator/forward.h"
#include "emulator/machines.h"

#define BRIDGE "machines" /* what the driver calls it */
#define SERVER_PORT 67
#define CLIENT_PORT 68
#define GATEWAY 0x0a4d0001u /* 10.77.0.1 */
#define HOST 0xa83f8110u    /* 168.63.129.16 */
#define METADATA 0xa9fea9feu
#define NETWORK 0x0a000000u /* of which MACs tell the last three bytes */

/* Offsets of RFC 2131 figure 1 */
enum {
	OP = 0,
	HTYPE = 1,
	HLEN = 2,
	XID = 4,
	FLAGS = 10,
	CIADDR = 12,
	YIADDR = 16,
	SIADDR = 20,
	GIADDR = 24,
	CHADDR = 28,
	COOKIE = 236,
	OPTIONS = 240,
};

enum option {
	PAD = 0,
	MASK = 1,
	ROUTER = 3,
	WANTED = 50,
	LEASE = 51,
	KIND = 53,
	SERVER = 54,
	ROUTES = 121,
	AZURE_HOST = 245,
	END = 255,
};

enum kind { DISCOVER = 1, OFFER, REQUEST, DECLINE, ACK, NAK };

static const uint8_t cookie[4] = { 99, 130, 83, 99 };
static const uint8_t vendor[3] = { 0x00, 0x0d, 0x3a }; /* Microsoft's */

void dhcp_mac(const char *address, uint8_t mac[6])
{
	struct in_addr a = { 0 };

	inet_pton(AF_INET, address, &a);
	memcpy(mac, vendor, 3);
	memcpy(mac + 3, (const uint8_t *)&a + 1, 3);
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	       (uint32_t)p[2] << 8 | p[3];
}

static void put32(uint8_t *p, uint32_t v)
{
	for (int i = 3; i >= 0; i--, v >>= 8)
		p[i] = (uint8_t)v;
}

/* What of the options matters: false when they do not end where they must. */
static bool read_options(const uint8_t *p, size_t n, unsigned *kind,
			 uint32_t *wanted)
{
	*kind = 0;
	*wanted = 0;
	while (n > 0 && *p != END) {
		size_t len;

		if (*p == PAD) {
			p++;
			n--;
			continue;
		}
		if (n < 2 || n - 2 < (len = p[1]))
			return false;
		if (*p == KIND && len == 1)
			*kind = p[2];
		else if (*p == WANTED && len == 4)
			*wanted = get32(p + 2);
		p += 2 + len;
		n -= 2 + len;
	}
	return n > 0;
}

static uint8_t *option32(uint8_t *p, enum option option, uint32_t v)
{
	p[0] = (uint8_t)option;
	p[1] = 4;
	put32(p + 2, v);
	return p + 6;
}

/* The way to everywhere, and to the host's two addresses. */
static uint8_t *option_routes(uint8_t *p)
{
	static const uint32_t ends[] = { HOST, METADATA };
	uint8_t *at = p + 2;

	*at++ = 0;
	put32(at, GATEWAY);
	at += 4;
	for (size_t i = 0; i < 2; i++) {
		*at++ = 32;
		put32(at, ends[i]);
		put32(at + 4, GATEWAY);
		at += 8;
	}
	p[0] = ROUTES;
	p[1] = (uint8_t)(at - p - 2);
	return at;
}

size_t dhcp_answer(const uint8_t *in, size_t n, unsigned prefix,
		   bool (*lease)(void *ctx, uint32_t address), void *ctx,
		   uint8_t out[DHCP_MESSAGE_MAX])
{
	uint32_t address, wanted;
	unsigned kind;
	uint8_t *p;

	/* nobody relays here */
	if (n < OPTIONS || in[OP] != 1 || in[HTYPE] != 1 || in[HLEN] != 6 ||
	    get32(in + GIADDR) != 0 || memcmp(in + COOKIE, cookie, 4) != 0 ||
	    memcmp(in + CHADDR, vendor, 3) != 0 ||
	    !read_options(in + OPTIONS, n - OPTIONS, &kind, &wanted) ||
	    (kind != DISCOVER && kind != REQUEST))
		return 0;
	address = NETWORK | (get32(in + CHADDR + 2) & 0xffffff);
	if (!lease(ctx, address))
		return 0;
	if (wanted == 0)
		wanted = get32(in + CIADDR);

	memset(out, 0, DHCP_MESSAGE_MAX);
	out[OP] = 2;
	memcpy(out + HTYPE, in + HTYPE, 2);
	memcpy(out + XID, in + XID, 4);
	memcpy(out + FLAGS, in + FLAGS, 2);
	memcpy(out + CHADDR, in + CHADDR, 16);
	memcpy(out + COOKIE, cookie, 4);
	p = out + OPTIONS;
	p[0] = KIND;
	p[1] = 1;
	p[2] = kind == DISCOVER ? OFFER : wanted == address ? ACK : NAK;
	kind = p[2];
	p = option32(p + 3, SERVER, HOST);
	if (kind != NAK) {
		put32(out + YIADDR, address);
		put32(out + SIADDR, HOST);
		p = option32(p, LEASE, UINT32_MAX);
		p = option32(p, MASK,
			     prefix == 0 ? 0 : UINT32_MAX << (32 - prefix));
		p = option32(p, ROUTER, GATEWAY);
		p = option_routes(p);
		p = option32(p, AZURE_HOST, HOST);
	}
	*p++ = END;
	return (size_t)(p - out);
}

/* ---- the server ---- */

static bool has_machine(void *ctx, uint32_t address)
{
	struct emu *m = ctx;
	struct in_addr a = { htonl(address) };
	char text[INET_ADDRSTRLEN];
	bool there;

	inet_ntop(AF_INET, &a, text, sizeof(text));
	pthread_mutex_lock(&m->lock);
	there = machine_by_address(m, str_of(text)) != NULL;
	pthread_mutex_unlock(&m->lock);
	return there;
}

static int open_socket(void)
{
	struct sockaddr_in me = { .sin_family = AF_INET,
				  .sin_port = htons(SERVER_PORT) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
	    one = 1;

	if (fd >= 0 &&
	    (setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &one, sizeof(one)) < 0 ||
	     setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, BRIDGE,
			sizeof(BRIDGE)) < 0 ||
	     bind(fd, (struct sockaddr *)&me, sizeof(me)) < 0)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* Who has no address yet hears what is said to all; the others know by xid that
 * it is not for them. */
static void serve_one(struct emu *m, int fd)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(CLIENT_PORT),
				  .sin_addr = { htonl(INADDR_BROADCAST) } };
	uint8_t in[1500], out[DHCP_MESSAGE_MAX];
	ssize_t n = recv(fd, in, sizeof(in), 0);
	size_t k;

	if (n <= 0)
		return;
	k = dhcp_answer(in, (size_t)n, MACHINES_PREFIX, has_machine, m, out);
	/* one that is lost is asked for again */
	if (k > 0 && sendto(fd, out, k, MSG_DONTWAIT, (struct sockaddr *)&to,
			    sizeof(to)) < 0)
		emu_log(m, "DHCP: %s", strerror(errno));
}

void *dhcp_thread(void *emu)
{
	struct emu *m = emu;
	struct pollfd p[2] = { { .fd = m->stop_fd[0], .events = POLLIN },
			       { .fd = -1, .events = POLLIN } };

	if (forward_go_inside(m))
		p[1].fd = open_socket();
	if (p[1].fd < 0)
		emu_log(m, "DHCP: %s", strerror(errno));
	while (poll(p, 2, -1) >= 0 || errno == EINTR) {
		if (p[0].revents != 0)
			break;
		if (p[1].revents != 0)
			serve_one(m, p[1].fd);
	}
	if (p[1].fd >= 0)
		close(p[1].fd);
	pthread_mutex_lock(&m->lock);
	return emu_thread_end(m);
}
