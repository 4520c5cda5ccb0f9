/*
 * Whose program is at the other end of a connection from this machine: the
 * kernel knows, and says so in its tables of sockets.
 */
#include <arpa/inet.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "emulator/caller.h"

/* 150 bytes a socket: with more than that nobody is told from anybody */
#define TABLE_MAX (16u << 20)
#define ESTABLISHED 1

/* IPv4 addresses as IPv6 has them, ::ffff:a.b.c.d */
struct place {
	uint8_t address[16];
	unsigned port;
};

static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

static bool on_loopback(const struct place *p)
{
	static const uint8_t one[16] = { [15] = 1 };

	return memcmp(p->address, one, sizeof(one)) == 0 ||
	       (memcmp(p->address, mapped, sizeof(mapped)) == 0 &&
		p->address[12] == 127);
}

/* "127.0.0.1:51234", "[::1]:51234" */
static bool place_of(const char *peer, struct place *p)
{
	struct str host = str_of(peer);
	ptrdiff_t colon = str_rchr(host, ':');
	uint64_t port;
	char text[INET6_ADDRSTRLEN];
	bool six;

	if (colon < 0 || !str_num(str_skip(host, (size_t)colon + 1), 65535, &port))
		return false;
	host = str_head(host, (size_t)colon);
	six = host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']';
	if (six)
		host = str_head(str_skip(host, 1), host.n - 2);
	if (host.n >= sizeof(text))
		return false;
	memcpy(text, host.p, host.n);
	text[host.n] = '\0';
	p->port = (unsigned)port;
	memcpy(p->address, mapped, sizeof(mapped));
	return six ? inet_pton(AF_INET6, text, p->address) == 1 :
		     inet_pton(AF_INET, text, p->address + 12) == 1;
}

/* "0100007F:1F90", or four such words: each in this machine's byte order. */
static bool take_place(struct str word, struct place *p)
{
	struct str left, digits;
	size_t at = 12;
	uint64_t v;

	if (!str_cut(&word, ':', &left) || (left.n != 8 && left.n != 32) ||
	    !str_hex(&word, 65535, &v) || word.n != 0)
		return false;
	p->port = (unsigned)v;
	memcpy(p->address, mapped, sizeof(mapped));
	if (left.n == 32)
		at = 0;
	for (; at < 16; at += 4, left = str_skip(left, 8)) {
		uint32_t word32;

		digits = str_head(left, 8);
		if (!str_hex(&digits, UINT32_MAX, &v) || digits.n != 0)
			return false;
		word32 = (uint32_t)v;
		memcpy(p->address + at, &word32, 4);
	}
	return true;
}

static bool next_word(struct str *line, struct str *word)
{
	do
		if (!str_next(line, ' ', word))
			return false;
	while (word->n == 0);
	return true;
}

struct row {
	struct place local, remote;
	uint64_t state, uid, inode;
};

/* sl local remote st tx:rx tr:when retrnsmt uid timeout inode ... */
static bool take_row(struct str line, struct row *r)
{
	struct str w[10];

	for (size_t i = 0; i < 10; i++)
		if (!next_word(&line, &w[i]))
			return false;
	return take_place(w[1], &r->local) && take_place(w[2], &r->remote) &&
	       str_hex(&w[3], 255, &r->state) && w[3].n == 0 &&
	       str_num(w[7], UINT32_MAX, &r->uid) &&
	       str_num(w[9], UINT64_MAX, &r->inode);
}

/* Rows that are the peer's end of a connection to our port; *others counts
 * those that are not this user's. */
static unsigned count(struct str table, const struct place *peer, unsigned port,
		      uint64_t uid, unsigned *others)
{
	struct str line;
	unsigned n = 0;
	struct row r;

	while (str_next(&table, '\n', &line)) {
		if (!take_row(line, &r) || r.remote.port != port ||
		    r.local.port != peer->port ||
		    memcmp(r.local.address, peer->address, 16) != 0)
			continue;
		n++;
		*others += r.uid != uid || r.inode == 0 || r.state != ESTABLISHED;
	}
	return n;
}

bool caller_owns(struct str tcp, struct str tcp6, const char *peer,
		 unsigned port, uint64_t uid)
{
	unsigned n, others = 0;
	struct place p;

	if (!place_of(peer, &p) || !on_loopback(&p))
		return false;
	n = count(tcp, &p, port, uid, &others) +
	    count(tcp6, &p, port, uid, &others);
	return n > 0 && others == 0;
}

bool caller_trusted(const struct emu *m, const struct http_exchange *x)
{
	struct buf tcp = BUF_INIT(TABLE_MAX), tcp6 = BUF_INIT(TABLE_MAX);
	struct err e = ERR_INIT, none = ERR_INIT;
	bool ok;

	if (m->o.machines == NULL)
		return true;
	/* a kernel without IPv6 has no second table */
	if (file_read("/proc/self/net/tcp6", &tcp6, &none) < 0)
		buf_reset(&tcp6);
	ok = file_read("/proc/self/net/tcp", &tcp, &e) == 0 &&
	     caller_owns(buf_str(&tcp), buf_str(&tcp6), http_x_peer(x), m->port,
			 geteuid());
	buf_release(&tcp);
	buf_release(&tcp6);
	return ok;
}
