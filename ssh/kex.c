/*
 * Key exchange: algorithms are agreed on (RFC 4253 7.1), ECDH gives a secret
 * (RFC 5656 4, RFC 8731), the host key signs it, and keys are derived (RFC
 * 4253 7.2).  With the strict form (kex-strict-c/s-v00@openssh.com), which
 * ends the games with inserted and dropped messages.  Does no I/O.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "ssh/inner.h"

#define KEX_MS (120 * 1000) /* one exchange may take this long */
#define LISTS 10

/* What we offer, the best first. */
static const struct kex_method methods[] = {
	{ "curve25519-sha256", SSH_X25519, BR_EC_curve25519, &br_sha256_vtable },
	{ "curve25519-sha256@libssh.org", SSH_X25519, BR_EC_curve25519,
	  &br_sha256_vtable },
	{ "ecdh-sha2-nistp256", SSH_EC, BR_EC_secp256r1, &br_sha256_vtable },
	{ "ecdh-sha2-nistp384", SSH_EC, BR_EC_secp384r1, &br_sha384_vtable },
	{ NULL, NULL, 0, NULL },
};

void kex_release(struct kex *k)
{
	buf_release(&k->ours);
	buf_release(&k->theirs);
	burn(k, sizeof(*k));
}

/* ---- what we offer ---- */

/* Append name to a list unless `only` is there and lacks it. */
static void offer(struct buf *list, const char *name, const char *only)
{
	if (only == NULL || wire_list_has(str_of(only), str_of(name)))
		buf_addf(list, "%s%s", list->n > 0 ? "," : "", name);
}

int kex_offer(struct ssh *s, const struct ssh_config *c, struct err *e)
{
	struct buf *const lists[] = { &s->offer_kex, &s->offer_host,
				      &s->offer_cipher, &s->offer_mac };

	for (const struct kex_method *m = methods; m->name != NULL; m++)
		offer(&s->offer_kex, m->name, c->kex);
	for (const struct cipher *i = ssh_ciphers; i->name != NULL; i++)
		offer(&s->offer_cipher, i->name, c->ciphers);
	for (const struct mac *m = ssh_macs; m->name != NULL; m++)
		offer(&s->offer_mac, m->name, c->macs);
	/*
	 * All types we understand, the expected one first: a server with
	 * another key is told apart by its fingerprint, not by a missing
	 * algorithm.
	 */
	if (!s->host.rsa)
		offer(&s->offer_host, "ecdsa-sha2-nistp256", NULL);
	offer(&s->offer_host, "rsa-sha2-512", NULL);
	offer(&s->offer_host, "rsa-sha2-256", NULL);
	if (s->host.rsa)
		offer(&s->offer_host, "ecdsa-sha2-nistp256", NULL);
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		if (lists[i]->n == 0)
			return err_set(e, ERR_USAGE,
				       "no algorithm is left to offer");
		if (buf_check(lists[i], "offer of algorithms", e) < 0)
			return -1;
	}
	return 0;
}

void kex_start(struct ssh *s)
{
	struct kex *k = &s->kex;
	struct buf *m = msg_begin(s, MSG_KEXINIT);
	struct buf first = BUF_INIT(SSH_PAYLOAD_MAX);
	uint8_t cookie[16];

	random_bytes(cookie, sizeof(cookie));
	buf_add(m, cookie, sizeof(cookie));
	buf_addstr(&first, buf_str(&s->offer_kex));
	if (k->done == 0)
		buf_adds(&first, ",ext-info-c,kex-strict-c-v00@openssh.com");
	wire_putb(m, &first);
	wire_putb(m, &s->offer_host);
	wire_putb(m, &s->offer_cipher);
	wire_putb(m, &s->offer_cipher);
	wire_putb(m, &s->offer_mac);
	wire_putb(m, &s->offer_mac);
	wire_putz(m, "none");
	wire_putz(m, "none");
	wire_putz(m, "");
	wire_putz(m, "");
	wire_put_bool(m, false);
	wire_put_u32(m, 0);
	buf_reset(&k->ours);
	buf_addstr(&k->ours, buf_str(m));
	k->step = KEX_INIT_SENT;
	k->deadline_ms = now_ms() + KEX_MS;
	msg_send(s);
	s->tx_kex = true;
	buf_release(&first);
}

/* ---- what we agree on ---- */

static int agree(const char *what, const struct buf *ours, struct str theirs,
		 struct str *name, struct err *e)
{
	if (wire_list_pick(buf_str(ours), theirs, name))
		return 0;
	return err_set(e, ERR_PROTO,
		       "no %s in common: it offers \"%.*s\", we \"%s\"", what,
		       STR_ARG(str_head(theirs, 300)), ours->str);
}

/* By names that are of our own offer, so each is in its table. */
static const struct kex_method *method_named(struct str name)
{
	const struct kex_method *m = methods;

	while (!str_eqz(name, m->name))
		m++;
	return m;
}

static const struct cipher *cipher_named(struct str name)
{
	const struct cipher *c = ssh_ciphers;

	while (!str_eqz(name, c->name))
		c++;
	return c;
}

static const struct mac *mac_named(struct str name)
{
	const struct mac *m = ssh_macs;

	while (!str_eqz(name, m->name))
		m++;
	return m;
}

/* The cipher of one direction, and the MAC unless the cipher brings its own. */
static int agree_sealing(struct ssh *s, const struct str *list, int way,
			 struct err *e)
{
	static const char *const ways[2] = { "to it", "from it" };
	struct kex *k = &s->kex;
	struct str name;
	char what[40];

	snprintf(what, sizeof(what), "cipher %s", ways[way]);
	if (agree(what, &s->offer_cipher, list[2 + way], &name, e) < 0)
		return -1;
	k->cipher[way] = cipher_named(name);
	k->mac[way] = NULL;
	if (k->cipher[way]->tag_n > 0)
		return 0;
	snprintf(what, sizeof(what), "MAC %s", ways[way]);
	if (agree(what, &s->offer_mac, list[4 + way], &name, e) < 0)
		return -1;
	k->mac[way] = mac_named(name);
	return 0;
}

static int negotiate(struct ssh *s, const struct str *list, struct err *e)
{
	struct buf none = BUF_INIT(8);
	struct kex *k = &s->kex;
	struct str name;
	int rc = 0;

	if (agree("key exchange", &s->offer_kex, list[0], &name, e) < 0 ||
	    agree("host key algorithm", &s->offer_host, list[1], &k->host_alg,
		  e) < 0)
		return -1;
	k->method = method_named(name);
	if (agree_sealing(s, list, 0, e) < 0 || agree_sealing(s, list, 1, e) < 0)
		return -1;
	buf_adds(&none, "none");
	for (int i = 0; rc == 0 && i < 2; i++)
		rc = agree("compression", &none, list[6 + i], &name, e);
	buf_release(&none);
	if (rc < 0)
		return -1;
	buf_reset(&s->algorithms);
	buf_addf(&s->algorithms, "%s %.*s %s%s%s%s", k->method->name,
		 STR_ARG(k->host_alg), k->cipher[0]->name,
		 k->mac[0] != NULL ? " " : "",
		 k->mac[0] != NULL ? k->mac[0]->name : "",
		 k->strict ? " strict" : "");
	return 0;
}

static int make_point(struct kex *k)
{
	const br_ec_impl *ec = k->method->ec;
	const unsigned char *order;
	size_t n;

	order = ec->order(k->method->curve, &n);
	/* a number below the order: drawn until it is, which is at once */
	do {
		random_bytes(k->secret, n);
		k->secret[n - 1] |= 1; /* not zero */
	} while (k->method->curve != BR_EC_curve25519 &&
		 memcmp(k->secret, order, n) >= 0);
	k->secret_n = n;
	k->point_n = ec->mulgen(k->point, k->secret, n, k->method->curve);
	return 0;
}

static int got_init(struct ssh *s, struct str body, struct str payload,
		    int *bye, struct err *e)
{
	struct kex *k = &s->kex;
	struct str list[LISTS], first[2], ours;
	bool follows;
	uint32_t reserved;
	struct buf *m;

	*bye = BYE_KEX;
	if (k->step != KEX_NONE && k->step != KEX_INIT_SENT)
		return err_set(e, ERR_PROTO,
			       "key exchange inside of a key exchange");
	body = str_skip(body, 16);
	for (int i = 0; i < LISTS; i++)
		if (!wire_string(&body, &list[i]))
			return err_set(e, ERR_PROTO,
				       "malformed offer of algorithms");
	if (!wire_bool(&body, &follows) || !wire_u32(&body, &reserved) ||
	    body.n != 0)
		return err_set(e, ERR_PROTO, "malformed offer of algorithms");
	if (k->done == 0) {
		k->strict = wire_list_has(list[0],
					  STR("kex-strict-s-v00@openssh.com"));
		if (k->strict && s->rx.seq != 1)
			return err_set(e, ERR_PROTO,
				       "something was sent before the key exchange");
	}
	if (k->step == KEX_NONE)
		kex_start(s);
	buf_reset(&k->theirs);
	buf_addstr(&k->theirs, payload);
	if (negotiate(s, list, e) < 0)
		return -1;
	/* RFC 4253 7: a guess is right when both first names are the same */
	k->skip_guess = false;
	for (int i = 0; follows && i < 2; i++) {
		ours = buf_str(i == 0 ? &s->offer_kex : &s->offer_host);
		if (!str_next(&ours, ',', &first[0]) ||
		    !str_next(&list[i], ',', &first[1]) ||
		    !str_eq(first[0], first[1]))
			k->skip_guess = true;
	}
	make_point(k);
	m = msg_begin(s, MSG_KEX_ECDH_INIT);
	wire_put(m, k->point, k->point_n);
	msg_send(s);
	k->step = KEX_REPLY_DUE;
	return 0;
}

/* ---- the secret, and keys from it ---- */

/* The shared secret as an mpint, from the server's point. */
static bool shared_secret(const struct kex *k, struct str q, struct buf *out)
{
	const br_ec_impl *ec = k->method->ec;
	uint8_t point[SSH_POINT_MAX];
	size_t at, n;
	unsigned any = 0;
	bool good;

	if (q.n != k->point_n || q.n > sizeof(point))
		return false;
	memcpy(point, q.p, q.n);
	good = ec->mul(point, q.n, k->secret, k->secret_n, k->method->curve) == 1;
	at = ec->xoff(k->method->curve, &n);
	/* RFC 8731 3: a point of small order gives zero */
	for (size_t i = 0; i < n; i++)
		any |= point[at + i];
	if (good && any != 0)
		wire_put_mpint(out, point + at, n);
	burn(point, sizeof(point));
	return good && any != 0;
}

static size_t hash_size(const br_hash_class *h)
{
	return h->desc >> BR_HASHDESC_OUT_OFF & BR_HASHDESC_OUT_MASK;
}

/* HASH(K || H || letter || session), longer by RFC 4253 7.2's rule. */
static void derive(const struct kex *k, struct str secret, const uint8_t *hash,
		   char letter, uint8_t out[128], size_t need)
{
	const br_hash_class *h = k->method->hash;
	size_t hn = hash_size(h);
	br_hash_compat_context c;

	for (size_t have = 0; have < need; have += hn) {
		h->init(&c.vtable);
		h->update(&c.vtable, secret.p, secret.n);
		h->update(&c.vtable, hash, hn);
		if (have == 0) {
			h->update(&c.vtable, &letter, 1);
			h->update(&c.vtable, k->session, k->session_n);
		} else {
			h->update(&c.vtable, out, have);
		}
		h->out(&c.vtable, out + have);
	}
	burn(&c, sizeof(c));
}

static void keys_for(const struct kex *k, struct str secret,
		     const uint8_t *hash, int way, struct direction *d)
{
	uint8_t iv[128], key[128], mac[128];
	const struct mac *m = k->mac[way];

	derive(k, secret, hash, way == 0 ? 'A' : 'B', iv, 16);
	derive(k, secret, hash, way == 0 ? 'C' : 'D', key, k->cipher[way]->key_n);
	if (m != NULL)
		derive(k, secret, hash, way == 0 ? 'E' : 'F', mac, m->n);
	direction_init(d, k->cipher[way], m, iv, key, mac);
	burn(iv, sizeof(iv));
	burn(key, sizeof(key));
	burn(mac, sizeof(mac));
}

static int check_host(struct ssh *s, struct str blob, struct str sig,
		      const uint8_t *hash, struct err *e)
{
	char expected[51], seen[51];
	struct str mine = { (const char *)s->host.blob, s->host.blob_n };
	struct str other = { (const char *)s->other_host.blob,
			     s->other_host.blob_n };
	bool is_other = other.n > 0 && str_eq(blob, other);

	if (!str_eq(blob, mine) && !is_other) {
		ssh_fingerprint(mine, expected);
		ssh_fingerprint(blob, seen);
		return err_set(e, ERR_PROTO,
			       "this is not the server it should be: host key "
			       "%s expected, %s seen",
			       expected, seen);
	}
	if (!ssh_pub_verify(is_other ? &s->other_host : &s->host, s->kex.host_alg,
			    sig, hash, hash_size(s->kex.method->hash)))
		return err_set(e, ERR_PROTO,
			       "the server does not have the host key it shows: "
			       "its signature is wrong");
	return 0;
}

static int got_reply(struct ssh *s, struct str body, int *bye, struct err *e)
{
	struct buf all = BUF_INIT(128 * 1024), secret = BUF_INIT(128);
	struct kex *k = &s->kex;
	struct str blob, q, sig;
	uint8_t hash[SSH_HASH_MAX];
	br_hash_compat_context c;
	int rc = -1;

	*bye = BYE_KEX;
	if (k->step != KEX_REPLY_DUE) {
		err_set(e, ERR_PROTO,
			"an answer in a key exchange that nobody asked for");
		goto out;
	}
	if (!wire_string(&body, &blob) || !wire_string(&body, &q) ||
	    !wire_string(&body, &sig) || body.n != 0) {
		err_set(e, ERR_PROTO, "malformed answer in the key exchange");
		goto out;
	}
	if (!shared_secret(k, q, &secret)) {
		err_set(e, ERR_PROTO,
			"key exchange with a point that is not on the curve");
		goto out;
	}
	wire_putz(&all, SSH_VERSION);
	wire_putb(&all, &s->version);
	wire_putb(&all, &k->ours);
	wire_putb(&all, &k->theirs);
	wire_put(&all, blob.p, blob.n);
	wire_put(&all, k->point, k->point_n);
	wire_put(&all, q.p, q.n);
	buf_addstr(&all, buf_str(&secret));
	k->method->hash->init(&c.vtable);
	k->method->hash->update(&c.vtable, all.str, all.n);
	k->method->hash->out(&c.vtable, hash);
	*bye = BYE_HOST_KEY;
	if (check_host(s, blob, sig, hash, e) < 0)
		goto out;
	if (k->session_n == 0) {
		k->session_n = hash_size(k->method->hash);
		memcpy(k->session, hash, k->session_n);
	}
	msg_begin(s, MSG_NEWKEYS);
	msg_send(s);
	keys_for(k, buf_str(&secret), hash, 0, &s->tx);
	keys_for(k, buf_str(&secret), hash, 1, &s->rx_next);
	if (k->strict)
		s->tx.seq = 0;
	s->tx_kex = false;
	k->step = KEX_NEWKEYS_DUE;
	rc = 0;
out:
	burn(k->secret, sizeof(k->secret));
	burn(hash, sizeof(hash));
	burn(&c, sizeof(c));
	buf_burn(&all);
	buf_burn(&secret);
	return rc;
}

static int got_newkeys(struct ssh *s, struct str body, struct err *e)
{
	struct kex *k = &s->kex;
	uint32_t seq = k->strict ? 0 : s->rx.seq;

	if (k->step != KEX_NEWKEYS_DUE || body.n != 0)
		return err_set(e, ERR_PROTO, "new keys before there are any");
	s->rx = s->rx_next;
	s->rx.seq = seq;
	burn(&s->rx_next, sizeof(s->rx_next));
	k->step = KEX_NONE;
	k->done++;
	s->rekey_at_ms = now_ms() + s->rekey_ms;
	return 0;
}

int kex_message(struct ssh *s, unsigned type, struct str body,
		struct str payload, int *bye, struct err *e)
{
	*bye = BYE_PROTOCOL;
	if (s->kex.skip_guess && type != MSG_KEXINIT) {
		s->kex.skip_guess = false;
		return 0;
	}
	switch (type) {
	case MSG_KEXINIT:
		return got_init(s, body, payload, bye, e);
	case MSG_KEX_ECDH_REPLY:
		return got_reply(s, body, bye, e);
	case MSG_NEWKEYS:
		return got_newkeys(s, body, e);
	}
	return err_set(e, ERR_PROTO,
		       "message %u in a key exchange of another kind", type);
}
