/*
 * Binary packets, RFC 4253 section 6: plain until the first NEWKEYS, then
 * aes*-gcm@openssh.com (RFC 5647 with the length as associated data) or
 * aes*-ctr (RFC 4344) with a MAC over the encrypted packet
 * (hmac-sha2-*-etm@openssh.com).  In all of these the length is in clear.
 * Does no I/O.
 */
#include <string.h>

#include "base/hash.h"
#include "ssh/inner.h"

#define GCM_TAG 16
#define GCM_IV 12

/* ---- aes*-ctr, with a MAC beside it ---- */

static void ctr_init(struct direction *d, const uint8_t *key)
{
	const br_block_ctr_class *aes = br_aes_x86ni_ctr_get_vtable();

	if (aes == NULL)
		aes = &br_aes_ct64_ctr_vtable;
	aes->init(&d->aes.vtable, key, d->cipher->key_n);
}

/* All 16 bytes are the counter; BearSSL counts in the last four only. */
static void ctr_run(struct direction *d, uint8_t *p, size_t n)
{
	while (n > 0) {
		uint32_t at = wire_be32(d->iv + 12);
		uint64_t left = ((uint64_t)UINT32_MAX - at + 1) * 16;
		size_t now = n < left ? n : (size_t)left;

		at = d->aes.vtable->run(&d->aes.vtable, d->iv, at, p, now);
		wire_set_be32(d->iv + 12, at);
		if (now == left)
			for (int i = 11; i >= 0 && ++d->iv[i] == 0; i--)
				;
		p += now;
		n -= now;
	}
}

static void mac_over(const struct direction *d, const uint8_t *p, size_t n,
		     uint8_t out[SSH_HASH_MAX])
{
	br_hmac_context c;
	uint8_t seq[4];

	wire_set_be32(seq, d->seq);
	br_hmac_init(&c, &d->hmac, 0);
	br_hmac_update(&c, seq, sizeof(seq));
	br_hmac_update(&c, p, n);
	br_hmac_out(&c, out);
}

static void ctr_seal(struct direction *d, uint8_t *packet, size_t n)
{
	ctr_run(d, packet + 4, n);
	mac_over(d, packet, 4 + n, packet + 4 + n);
}

static bool ctr_open(struct direction *d, uint8_t *packet, size_t n)
{
	uint8_t tag[SSH_HASH_MAX];

	mac_over(d, packet, 4 + n, tag);
	if (!same_bytes(tag, packet + 4 + n, d->mac->n))
		return false;
	ctr_run(d, packet + 4, n);
	return true;
}

/* ---- aes*-gcm@openssh.com ---- */

static void gcm_init(struct direction *d, const uint8_t *key)
{
	br_ghash ghash = br_ghash_pclmul_get();

	ctr_init(d, key);
	br_gcm_init(&d->gcm, &d->aes.vtable,
		    ghash != 0 ? ghash : br_ghash_ctmul64);
}

static void gcm_start(struct direction *d, const uint8_t *length)
{
	d->gcm.bctx = &d->aes.vtable; /* d may not be where it was */
	br_gcm_reset(&d->gcm, d->iv, GCM_IV);
	br_gcm_aad_inject(&d->gcm, length, 4);
	br_gcm_flip(&d->gcm);
	/* RFC 5647 7.1: the last eight bytes count packets */
	for (int i = GCM_IV - 1; i >= 4 && ++d->iv[i] == 0; i--)
		;
}

static void gcm_seal(struct direction *d, uint8_t *packet, size_t n)
{
	gcm_start(d, packet);
	br_gcm_run(&d->gcm, 1, packet + 4, n);
	br_gcm_get_tag(&d->gcm, packet + 4 + n);
}

static bool gcm_open(struct direction *d, uint8_t *packet, size_t n)
{
	gcm_start(d, packet);
	br_gcm_run(&d->gcm, 0, packet + 4, n);
	return br_gcm_check_tag(&d->gcm, packet + 4 + n) == 1;
}

/* ---- the tables ---- */

const struct cipher ssh_ciphers[] = {
	{ "aes128-gcm@openssh.com", 16, 16, GCM_TAG, gcm_init, gcm_seal, gcm_open },
	{ "aes256-gcm@openssh.com", 32, 16, GCM_TAG, gcm_init, gcm_seal, gcm_open },
	{ "aes128-ctr", 16, 16, 0, ctr_init, ctr_seal, ctr_open },
	{ "aes256-ctr", 32, 16, 0, ctr_init, ctr_seal, ctr_open },
	{ NULL, 0, 0, 0, NULL, NULL, NULL },
};

const struct mac ssh_macs[] = {
	{ "hmac-sha2-256-etm@openssh.com", &br_sha256_vtable, 32 },
	{ "hmac-sha2-512-etm@openssh.com", &br_sha512_vtable, 64 },
	{ NULL, NULL, 0 },
};

void direction_init(struct direction *d, const struct cipher *c,
		    const struct mac *m, const uint8_t *iv, const uint8_t *key,
		    const uint8_t *mac_key)
{
	d->cipher = c;
	d->mac = c->tag_n > 0 ? NULL : m;
	d->bytes = 0;
	memcpy(d->iv, iv, sizeof(d->iv));
	c->init(d, key);
	if (d->mac != NULL)
		br_hmac_key_init(&d->hmac, m->hash, mac_key, m->n);
}

/* ---- packets ---- */

/* Before the first keys the length counts for the alignment, too: 4 of 8. */
static bool whole_blocks(const struct direction *d, size_t n)
{
	return d->cipher == NULL ? (4 + n) % 8 == 0 : n % d->cipher->block == 0;
}

static size_t tag_size(const struct direction *d)
{
	return d->cipher == NULL ? 0 :
	       d->mac != NULL	 ? d->mac->n :
				   d->cipher->tag_n;
}

void packet_seal(struct direction *d, struct str payload, struct queue *out)
{
	size_t pad = 4, tag_n = tag_size(d), n;
	uint8_t *p;

	while (!whole_blocks(d, 1 + payload.n + pad))
		pad++;
	n = 1 + payload.n + pad;
	p = queue_room(out, 4 + n + tag_n);
	wire_set_be32(p, (uint32_t)n);
	p[4] = (uint8_t)pad;
	memcpy(p + 5, payload.p, payload.n);
	random_bytes(p + 5 + payload.n, pad);
	if (d->cipher != NULL)
		d->cipher->seal(d, p, n);
	out->n += 4 + n + tag_n;
	d->seq++;
	d->bytes += 4 + n;
}

int packet_open(struct direction *d, uint8_t *in, size_t n, size_t *used,
		struct str *payload, int *bye, struct err *e)
{
	size_t len, tag_n = tag_size(d);

	*bye = BYE_PROTOCOL;
	if (n < 4)
		return 0;
	len = wire_be32(in);
	/* RFC 4253 6: at least 16 bytes, or one block */
	if (len < 8 || len > SSH_PACKET_MAX)
		return err_set(e, ERR_PROTO,
			       "packet of %zu bytes; 8 to %u are right", len,
			       SSH_PACKET_MAX);
	if (!whole_blocks(d, len))
		return err_set(e, ERR_PROTO,
			       "packet of %zu bytes, which is not whole blocks",
			       len);
	if (n < 4 + len + tag_n)
		return 0;
	if (d->cipher != NULL && !d->cipher->open(d, in, len)) {
		*bye = BYE_MAC;
		return err_set(e, ERR_PROTO,
			       "packet that was altered on its way (bad MAC)");
	}
	if (in[4] < 4 || in[4] > len - 2)
		return err_set(e, ERR_PROTO,
			       "packet of %zu bytes with %u of padding", len,
			       in[4]);
	*payload = (struct str){ (const char *)in + 5, len - 1 - in[4] };
	*used = 4 + len + tag_n;
	d->seq++;
	d->bytes += 4 + len;
	return 1;
}
