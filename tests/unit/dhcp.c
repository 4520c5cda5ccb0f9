/* emulator/dhcp: which messages are answered, and with what.  What real clients
 * make of it is sh/provision's affair. */
#include <stdio.h>
#include <string.h>

#include "emulator/dhcp.h"
#include "tests/check.h"

#define HEAD 240
#define MAC "\x00\x0d\x3a\x4d\x10\x04" /* of 10.77.16.4 */

/* An ordinary DISCOVER, changed by a row: options are its own. */
struct message {
	uint8_t at[600];
	size_t n;
};

static void message(struct message *m, const char *options, size_t n)
{
	static const char head[] = "\x01\x01\x06\x00\xde\xad\xbe\xef";

	memset(m, 0, sizeof(*m));
	memcpy(m->at, head, 8);
	memcpy(m->at + 28, MAC, 6);
	memcpy(m->at + 236, "\x63\x82\x53\x63", 4);
	memcpy(m->at + HEAD, options, n);
	m->n = HEAD + n;
}

static bool has(void *ctx, uint32_t address)
{
	*(uint32_t *)ctx = address;
	return address == 0x0a4d1004;
}

#define OPTIONS(s) s, sizeof(s) - 1

static const struct {
	const char *name;
	const char *options;
	size_t n;
	size_t at; /* of a byte of the head to be changed; 0: none */
	uint8_t to;
	int kind; /* of the answer; 0: none */
} rows[] = {
	{ "who asks is offered his own", OPTIONS("\x35\x01\x01\xff"), 0, 0, 2 },
	{ "who takes it has it",
	  OPTIONS("\x35\x01\x03\x32\x04\x0a\x4d\x10\x04\xff"), 0, 0, 5 },
	{ "who wants another is refused",
	  OPTIONS("\x35\x01\x03\x32\x04\x0a\x4d\x10\x05\xff"), 0, 0, 6 },
	{ "and who has another", OPTIONS("\x35\x01\x03\xff"), 12, 10, 6 },
	{ "an offer is for whoever wants another, too",
	  OPTIONS("\x35\x01\x01\x32\x04\x0a\x4d\x10\x05\xff"), 0, 0, 2 },
	{ "padding is nothing", OPTIONS("\x00\x00\x35\x01\x01\x00\xff\x00"), 0,
	  0, 2 },
	{ "what is not known is passed over",
	  OPTIONS("\x37\x02\x01\x79\x3c\x00\x35\x01\x01\xff"), 0, 0, 2 },
	{ "a release", OPTIONS("\x35\x01\x07\xff"), 0, 0, 0 },
	{ "no kind", OPTIONS("\xff"), 0, 0, 0 },
	{ "a kind of two bytes", OPTIONS("\x35\x02\x01\x01\xff"), 0, 0, 0 },
	{ "no end", OPTIONS("\x35\x01\x01"), 0, 0, 0 },
	{ "an option that is cut off", OPTIONS("\x35\x01\x01\x0c"), 0, 0, 0 },
	{ "an option longer than the message",
	  OPTIONS("\x35\x01\x01\x0c\xff\xff"), 0, 0, 0 },
	{ "no options at all", OPTIONS(""), 0, 0, 0 },
	{ "an answer", OPTIONS("\x35\x01\x01\xff"), 600, 0, 0 },
	{ "not Ethernet", OPTIONS("\x35\x01\x01\xff"), 1, 6, 0 },
	{ "an address of another length", OPTIONS("\x35\x01\x01\xff"), 2, 16, 0 },
	{ "a relay's", OPTIONS("\x35\x01\x01\xff"), 24, 10, 0 },
	{ "another cookie", OPTIONS("\x35\x01\x01\xff"), 239, 0x64, 0 },
	{ "another maker's card", OPTIONS("\x35\x01\x01\xff"), 29, 0x0e, 0 },
	{ "a machine that is not", OPTIONS("\x35\x01\x01\xff"), 33, 0x05, 0 },
};

static void run_rows(void)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t out[DHCP_MESSAGE_MAX];
		uint32_t asked = 0;
		struct message m;
		size_t n;
		int kind;

		message(&m, rows[i].options, rows[i].n);
		if (rows[i].at == 600)
			m.at[0] = 2;
		else if (rows[i].at != 0)
			m.at[rows[i].at] = rows[i].to;
		n = dhcp_answer(m.at, m.n, 16, has, &asked, out);
		kind = n > HEAD + 2 ? out[HEAD + 2] : 0;
		checkf(kind == rows[i].kind, rows[i].name, "kind %d", kind);
	}
}

/* Cut short at every byte, there is no answer and nothing is read beyond it. */
static void run_short(void)
{
	uint8_t out[DHCP_MESSAGE_MAX];
	uint32_t asked;
	struct message m;
	size_t n;

	message(&m, OPTIONS("\x35\x01\x01\xff"));
	for (n = 0; n < m.n; n++) {
		uint8_t *cut = malloc(n + 1);

		memcpy(cut, m.at, n);
		if (dhcp_answer(cut, n, 16, has, &asked, out) != 0)
			break;
		free(cut);
	}
	checkf(n == m.n, "a message that is cut short", "answered at %zu", n);
}

/* The option, or NULL. */
static const uint8_t *option(const uint8_t *p, size_t n, int which)
{
	for (size_t at = HEAD; at + 1 < n && p[at] != 255; at += 2u + p[at + 1])
		if (p[at] == which)
			return p + at;
	return NULL;
}

static const struct {
	const char *name;
	int which;
	const char *is;
	size_t n;
} told[] = {
	{ "the host is who says so", 54, OPTIONS("\x04\xa8\x3f\x81\x10") },
	{ "for ever", 51, OPTIONS("\x04\xff\xff\xff\xff") },
	{ "the network's mask", 1, OPTIONS("\x04\xff\xff\x00\x00") },
	{ "the way out", 3, OPTIONS("\x04\x0a\x4d\x00\x01") },
	{ "the ways, as RFC 3442 has them", 121,
	  OPTIONS("\x17\x00\x0a\x4d\x00\x01\x20\xa8\x3f\x81\x10\x0a\x4d\x00\x01"
		  "\x20\xa9\xfe\xa9\xfe\x0a\x4d\x00\x01") },
	{ "where the host is asked", 245, OPTIONS("\x04\xa8\x3f\x81\x10") },
};

static void run_told(void)
{
	uint8_t out[DHCP_MESSAGE_MAX], mac[6];
	uint32_t asked = 0;
	struct message m;
	size_t n;

	message(&m, OPTIONS("\x35\x01\x01\xff"));
	n = dhcp_answer(m.at, m.n, 16, has, &asked, out);
	checkf(asked == 0x0a4d1004, "a card's address says whose it is", "%08x",
	       asked);
	dhcp_mac("10.77.16.4", mac);
	check(memcmp(mac, MAC, 6) == 0, "and the other way", "no");
	check(memcmp(out + 4, m.at + 4, 4) == 0, "the answer to what was asked",
	      "no");
	check(memcmp(out + 16, "\x0a\x4d\x10\x04", 4) == 0, "his own address",
	      "no");
	for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++) {
		const uint8_t *p = option(out, n, told[i].which);

		check(p != NULL && memcmp(p + 1, told[i].is, told[i].n) == 0,
		      told[i].name, "no");
	}
	message(&m, OPTIONS("\x35\x01\x03\x32\x04\x0a\x4d\x10\x05\xff"));
	n = dhcp_answer(m.at, m.n, 16, has, &asked, out);
	check(memcmp(out + 16, "\0\0\0\0", 4) == 0 && option(out, n, 1) == NULL,
	      "a refusal tells no address", "no");
}

int main(void)
{
	run_rows();
	run_short();
	run_told();
	return check_failed();
}
