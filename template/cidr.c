/*
 * Functions of the template language on ranges of addresses, "10.0.0.0/16" or
 * "fd00::/48".
 *
 * Source: "CIDR functions for ARM templates" (learn.microsoft.com).
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "template/inner.h"

/* Addresses have their first byte first; those of IPv4 have four. */
struct range {
	uint8_t address[16]; /* of the network: no bit behind the prefix */
	unsigned bits;	     /* 32 or 128 */
	unsigned prefix;
};

static int family(const struct range *r)
{
	return r->bits == 32 ? AF_INET : AF_INET6;
}

/* Bits from `from` on become all ones or all zeros. */
static void fill(uint8_t *address, unsigned from, unsigned bits, bool ones)
{
	for (unsigned i = from; i < bits; i++)
		if (ones)
			address[i / 8] |= (uint8_t)(0x80 >> i % 8);
		else
			address[i / 8] &= (uint8_t) ~(0x80 >> i % 8);
}

/* Argument 0; false with the error set. */
static bool read_range(struct invocation *inv, struct range *r)
{
	struct str text = func_arg_text(inv, 0), address;
	char z[64];
	uint64_t n;

	*r = (struct range){ .bits = 0 };
	if (str_cut(&text, '/', &address) && address.n < sizeof(z)) {
		snprintf(z, sizeof(z), "%.*s", STR_ARG(address));
		if (inet_pton(AF_INET, z, r->address) == 1)
			r->bits = 32;
		else if (inet_pton(AF_INET6, z, r->address) == 1)
			r->bits = 128;
	}
	if (r->bits == 0 || !str_num(text, r->bits, &n)) {
		func_refuse(inv, "the value is no range of addresses in CIDR "
				 "notation");
		return false;
	}
	r->prefix = (unsigned)n;
	fill(r->address, r->prefix, r->bits, false);
	return true;
}

/* address + n * 2^(bits - unit); bits that overflow are lost. */
static void advance(uint8_t *address, unsigned unit, uint64_t n)
{
	unsigned carry = 0;

	for (unsigned i = unit; i-- > 0; n >>= 1) {
		uint8_t mask = (uint8_t)(0x80 >> i % 8);
		unsigned sum = ((address[i / 8] & mask) != 0) +
			       (unsigned)(n & 1) + carry;

		address[i / 8] = (uint8_t)(sum & 1 ? address[i / 8] | mask :
						     address[i / 8] & ~mask);
		carry = sum >> 1;
	}
}

/* n is a number of so many bits. */
static bool has_room(int64_t n, unsigned bits)
{
	return n >= 0 && (bits >= 63 || n < INT64_C(1) << bits);
}

static void add_address(const struct range *r, const uint8_t *address,
			struct buf *b)
{
	char z[INET6_ADDRSTRLEN];

	buf_adds(b, inet_ntop(family(r), address, z, sizeof(z)));
}

static void put_address(cJSON *to, const char *name, const struct range *r,
			const uint8_t *address)
{
	struct buf b = BUF_INIT(64);

	add_address(r, address, &b);
	json_add_str(to, name, b.str);
	buf_release(&b);
}

/* IPv6 has no broadcast, and its first address is as good as others. */
static cJSON *f_parse_cidr(struct invocation *inv)
{
	uint8_t mask[16] = { 0 }, first[16], last[16];
	struct range r;
	bool ends;
	cJSON *out;

	if (!read_range(inv, &r))
		return NULL;
	ends = r.bits == 32 && r.prefix < 31;
	fill(mask, 0, r.prefix, true);
	memcpy(first, r.address, sizeof(first));
	memcpy(last, r.address, sizeof(last));
	fill(last, r.prefix, r.bits, true);
	out = cJSON_CreateObject();
	put_address(out, "network", &r, r.address);
	put_address(out, "netmask", &r, mask);
	if (r.bits == 32)
		put_address(out, "broadcast", &r, last);
	if (ends) {
		first[3] |= 1;
		last[3] &= 0xfe;
	}
	put_address(out, "firstUsable", &r, first);
	put_address(out, "lastUsable", &r, last);
	json_add_int(out, "cidr", r.prefix);
	return out;
}

/* cidrSubnet(RANGE, LENGTH OF ITS PREFIX, WHICH) */
static cJSON *f_cidr_subnet(struct invocation *inv)
{
	int64_t prefix = func_arg_int(inv, 1), which = func_arg_int(inv, 2);
	struct range r;

	if (!read_range(inv, &r))
		return NULL;
	if (prefix < (int64_t)r.prefix || prefix > (int64_t)r.bits)
		return func_refuse(inv, "the new prefix is not within the range");
	if (!has_room(which, (unsigned)prefix - r.prefix))
		return func_refuse(inv, "the range has no such subnet");
	advance(r.address, (unsigned)prefix, (uint64_t)which);
	add_address(&r, r.address, &inv->text);
	buf_addf(&inv->text, "/%u", (unsigned)prefix);
	return func_give_text(inv);
}

/* cidrHost(RANGE, WHICH): the network's own address is no host's, nor is the
 * broadcast. */
static cJSON *f_cidr_host(struct invocation *inv)
{
	int64_t which = func_arg_int(inv, 1);
	struct range r;

	if (!read_range(inv, &r))
		return NULL;
	if (which < 0 ||
	    !has_room(r.bits == 32 ? which + 2 : which + 1, r.bits - r.prefix))
		return func_refuse(inv, "the range has no such host");
	advance(r.address, r.bits, (uint64_t)which + 1);
	add_address(&r, r.address, &inv->text);
	return func_give_text(inv);
}

const struct func func_cidr[] = {
	{ "parseCidr", { STRING }, f_parse_cidr },
	{ "cidrSubnet", { STRING, INTEGER, INTEGER }, f_cidr_subnet },
	{ "cidrHost", { STRING, INTEGER }, f_cidr_host },
	{ .name = NULL },
};
