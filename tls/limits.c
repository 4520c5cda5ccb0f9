/*
 * For which names an authority may issue: nameConstraints, RFC 5280 4.2.1.10
 * and 6.1.4 (g), which BearSSL leaves out.  Where two readings are possible it
 * is the narrower: what is forbidden is looked for with letters folded and
 * blanks joined, a wildcard counts as each name that it stands for, and what
 * is not understood is not allowed.
 */
#include <arpa/inet.h>
#include <string.h>

#include "tls/inner.h"

/* GeneralName, RFC 5280 4.2.1.6 */
#define NAME_EMAIL DER_CONTEXT(1)
#define NAME_DNS DER_CONTEXT(2)
#define NAME_DIRECTORY DER_CONTEXT_OPEN(4)
#define NAME_URI DER_CONTEXT(6)
#define NAME_IP DER_CONTEXT(7)

#define TEXT_MAX 128 /* of a name within a message */

struct subtrees {
	struct str permitted, excluded;
};

struct name {
	unsigned tag;
	struct str body;
};

/* The next GeneralSubtree's base.  minimum is 0, which DER leaves out and some
 * write all the same; maximum is not there. */
static bool take_base(struct str *list, struct name *base)
{
	struct str one, minimum;

	return der_get(list, DER_SEQUENCE, &one) &&
	       der_any(&one, &base->tag, &base->body) &&
	       (one.n == 0 || (der_get(&one, DER_CONTEXT(0), &minimum) &&
			       one.n == 0 && str_eq(minimum, STR("\0"))));
}

/* Both lists, each element looked at once. */
static bool read_subtrees(struct str in, struct subtrees *s)
{
	struct str at;
	struct name base;

	*s = (struct subtrees){ .permitted = STR_NULL };
	der_get(&in, DER_CONTEXT_OPEN(0), &s->permitted);
	der_get(&in, DER_CONTEXT_OPEN(1), &s->excluded);
	if (in.n != 0)
		return false;
	for (at = s->permitted; at.n > 0;)
		if (!take_base(&at, &base))
			return false;
	for (at = s->excluded; at.n > 0;)
		if (!take_base(&at, &base))
			return false;
	return true;
}

/* One look more, if there is one left. */
static bool look(unsigned *left)
{
	if (*left == 0)
		return false;
	(*left)--;
	return true;
}

/* ---- directory names ---- */

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The next character, folded: a run of blanks is one, none at the end.  -1:
 * there is none. */
static int next_folded(struct str *s)
{
	bool blank = false;
	char c;

	while (s->n > 0 && is_space(s->p[0])) {
		blank = true;
		*s = str_skip(*s, 1);
	}
	if (s->n == 0)
		return -1;
	if (blank)
		return ' ';
	c = to_lower(s->p[0]);
	*s = str_skip(*s, 1);
	return (unsigned char)c;
}

static bool same_text(struct str a, struct str b)
{
	int x, y;

	while (a.n > 0 && is_space(a.p[0]))
		a = str_skip(a, 1);
	while (b.n > 0 && is_space(b.p[0]))
		b = str_skip(b, 1);
	do {
		x = next_folded(&a);
		y = next_folded(&b);
	} while (x == y && x >= 0);
	return x == y;
}

/* Texts whose bytes are comparable: UTF8, Numeric, Printable, IA5, Visible. */
static bool is_plain(unsigned tag)
{
	return tag == 0x0c || tag == 0x12 || tag == 0x13 || tag == 0x16 ||
	       tag == 0x1a;
}

/* AttributeTypeAndValues: 1 equal, 0 not, -1 who knows (other alphabets). */
static int same_pair(struct str a, struct str b)
{
	struct str oid_a, oid_b, x, y;
	unsigned tag_a, tag_b;

	if (str_eq(a, b))
		return 1;
	if (!der_get(&a, DER_OID, &oid_a) || !der_get(&b, DER_OID, &oid_b) ||
	    !der_any(&a, &tag_a, &x) || !der_any(&b, &tag_b, &y))
		return -1;
	if (!str_eq(oid_a, oid_b))
		return 0;
	return is_plain(tag_a) && is_plain(tag_b) ? same_text(x, y) : -1;
}

/* RelativeDistinguishedNames: the same pairs, in whatever order. */
static int same_rdn(struct str a, struct str b, unsigned *left)
{
	struct str one, other, rest;
	int unsure = 0, got = 0;
	unsigned n = 0, m = 0;

	for (rest = b; der_get(&rest, DER_SEQUENCE, &other);)
		m++;
	for (; der_get(&a, DER_SEQUENCE, &one); n++) {
		for (got = 0, rest = b;
		     got != 1 && der_get(&rest, DER_SEQUENCE, &other);) {
			if (!look(left))
				return -1;
			got = same_pair(one, other);
			unsure |= got < 0;
		}
		if (got != 1)
			return unsure ? -1 : 0;
	}
	return n == m;
}

/* Is base the beginning of the name? */
static int is_below(struct str base, struct str name, unsigned *left)
{
	struct str xs, ys, x, y;
	int same;

	if (!der_get(&base, DER_SEQUENCE, &xs) ||
	    !der_get(&name, DER_SEQUENCE, &ys))
		return -1;
	while (xs.n > 0) {
		if (!der_get(&xs, DER_SET, &x))
			return -1;
		if (!der_get(&ys, DER_SET, &y))
			return ys.n == 0 ? 0 : -1;
		if ((same = same_rdn(x, y, left)) != 1)
			return same;
	}
	return 1;
}

/* ---- the other kinds ---- */

static bool str_iends(struct str s, struct str end)
{
	return s.n >= end.n && str_ieq(str_skip(s, s.n - end.n), end);
}

/* "host" is that host, ".domain" each below it; "" is all. */
static bool host_within(struct str base, struct str host)
{
	if (base.n == 0)
		return true;
	return base.p[0] == '.' ? host.n > base.n && str_iends(host, base) :
				  str_ieq(host, base);
}

/* "domain" is it and each below, ".domain" only those. */
static bool dns_within(struct str base, struct str name, bool excluded)
{
	struct str label, rest = base;

	if (base.n == 0)
		return true;
	if (str_iends(name, base) && (name.n == base.n || base.p[0] == '.' ||
				      name.p[name.n - base.n - 1] == '.'))
		return true;
	/* "*.a.example" stands for "x.a.example" as well */
	return excluded && str_starts(name, STR("*.")) && base.p[0] != '.' &&
	       str_cut(&rest, '.', &label) && str_ieq(rest, str_skip(name, 2));
}

static int ip_within(struct str base, struct str address)
{
	unsigned differ = 0;

	if ((base.n != 8 && base.n != 32) || (address.n != 4 && address.n != 16))
		return -1;
	if (base.n != 2 * address.n)
		return 0;
	for (size_t i = 0; i < address.n; i++)
		differ |= (unsigned char)((base.p[i] ^ address.p[i]) &
					  base.p[address.n + i]);
	return differ == 0;
}

static int email_within(struct str base, struct str mailbox)
{
	ptrdiff_t at = str_rchr(mailbox, '@'), in_base = str_rchr(base, '@');

	if (at < 0)
		return -1;
	if (in_base > 0)
		return at == in_base &&
		       str_eq(str_head(base, (size_t)at),
			      str_head(mailbox, (size_t)at)) &&
		       str_ieq(base, mailbox);
	return host_within(str_skip(base, (size_t)(in_base + 1)),
			   str_skip(mailbox, (size_t)at + 1));
}

static int uri_within(struct str base, struct str uri)
{
	ptrdiff_t at = str_find(uri, STR("://"));
	size_t n = 0;

	if (at < 0)
		return -1;
	uri = str_skip(uri, (size_t)at + 3);
	while (n < uri.n && memchr("/?#", uri.p[n], 3) == NULL)
		n++;
	uri = str_head(uri, n);
	if ((at = str_rchr(uri, '@')) >= 0)
		uri = str_skip(uri, (size_t)at + 1);
	if ((at = str_chr(uri, ':')) >= 0)
		uri = str_head(uri, (size_t)at);
	/* an address is no host of a domain */
	return uri.n == 0 || uri.p[0] == '[' ? -1 : host_within(base, uri);
}

/* ---- judging ---- */

/* 1: within, 0: not, -1: who knows. */
static int within(const struct name *base, const struct name *name,
		  bool excluded, unsigned *left)
{
	switch (base->tag) {
	case NAME_EMAIL:
		return email_within(base->body, name->body);
	case NAME_DNS:
		return dns_within(base->body, name->body, excluded);
	case NAME_DIRECTORY:
		return is_below(base->body, name->body, left);
	case NAME_URI:
		return uri_within(base->body, name->body);
	case NAME_IP:
		return ip_within(base->body, name->body);
	default:
		return -1;
	}
}

static bool allowed(const struct subtrees *s, const struct name *name,
		    unsigned *left)
{
	bool of_kind = false, found = false;
	struct str at;
	struct name base;

	for (at = s->permitted; take_base(&at, &base);) {
		if (!look(left))
			return false;
		if (base.tag != name->tag)
			continue;
		of_kind = true;
		found = found || within(&base, name, false, left) == 1;
	}
	if (of_kind && !found)
		return false;
	for (at = s->excluded; take_base(&at, &base);) {
		if (!look(left))
			return false;
		if (base.tag == name->tag && within(&base, name, true, left) != 0)
			return false;
	}
	return true;
}

static void name_text(const struct name *name, struct buf *out)
{
	char text[INET6_ADDRSTRLEN];

	if (name->tag == NAME_DIRECTORY)
		cert_name_text(name->body, out);
	else if (name->tag == NAME_IP && (name->body.n == 4 || name->body.n == 16))
		buf_adds(out, inet_ntop(name->body.n == 4 ? AF_INET : AF_INET6,
					name->body.p, text, sizeof(text)));
	else
		buf_add_clean(out, str_whole(str_head(name->body, TEXT_MAX)));
	if (out->n == 0)
		buf_adds(out, "a name of no letters");
}

static bool judge(const struct subtrees *s, unsigned tag, struct str body,
		  unsigned *left, struct buf *culprit)
{
	struct name name = { tag, body };

	if (allowed(s, &name, left))
		return true;
	name_text(&name, culprit);
	return false;
}

/* The subject, and the mailboxes in it (RFC 5280 4.2.1.10, from PKCS#9). */
static bool subject_allowed(const struct subtrees *s, struct str subject,
			    unsigned *left, struct buf *culprit)
{
	struct str at = subject, sets, set, pair, oid, value;
	unsigned tag;

	if (!der_get(&at, DER_SEQUENCE, &sets) || sets.n == 0)
		return true;
	if (!judge(s, NAME_DIRECTORY, subject, left, culprit))
		return false;
	while (der_get(&sets, DER_SET, &set))
		while (der_get(&set, DER_SEQUENCE, &pair))
			if (der_get(&pair, DER_OID, &oid) &&
			    str_eq(oid, oid_email) &&
			    der_any(&pair, &tag, &value) &&
			    !judge(s, NAME_EMAIL, value, left, culprit))
				return false;
	return true;
}

bool limits_allow(struct str constraints, const struct cert *c, unsigned *left,
		  struct buf *culprit)
{
	struct str names = c->names, body;
	struct subtrees s;
	unsigned tag;

	if (!read_subtrees(constraints, &s)) {
		buf_adds(culprit, "anybody: they are malformed");
		return false;
	}
	if (!subject_allowed(&s, c->subject, left, culprit))
		return false;
	while (names.n > 0) {
		if (!der_any(&names, &tag, &body)) {
			buf_adds(culprit, "a malformed name");
			return false;
		}
		if (!judge(&s, tag, body, left, culprit))
			return false;
	}
	return true;
}
