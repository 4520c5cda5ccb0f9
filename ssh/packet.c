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

#define GCM_TAG	16
#define GCM_IV	12

const struct cipher ssh_ciphers[4] = {
	{ "aes128-gcm@openssh.com", 16, true },
	{ "aes256-gcm@openssh.com", 32, true },
	{ "aes128-ctr", 16, false },
	{ "aes256-ctr", 32, false },
};

const struct mac ssh_macs[2] = {
	{ "hmac-sha2-256-etm@openssh.com", &br_sha256_vtable, 32 },
	{ "hmac-sha2-512-etm@openssh.com", &br_sha512_vtable, 64 },
};

void direction_init(struct direction *d, const struct cipher *c, const struct mac *m,
		    const uint8_t *iv, const uint8_t *key, const uint8_t *mac_key)
{
	const br_block_ctr_class *aes = br_aes_x86ni_ctr_get_vtable();
	br_ghash ghash = br_ghash_pclmul_get();

	if (aes == NULL)
		aes = &br_aes_ct64_ctr_vtable;
	if (ghash == 0)
		ghash = br_ghash_ctmul64;
	d->cipher = c;
	d->mac = c->gcm ? NULL : m;
	d->bytes = 0;
	memcpy(d->iv, iv, sizeof(d->iv));
	aes->init(&d->aes.vtable, key, c->key_n);
	if (c->gcm)
		br_gcm_init(&d->gcm, &d->aes.vtable, ghash);
	else
		br_hmac_key_init(&d->hmac, m->hash, mac_key, m->n);
}

/* All 16 bytes are the counter; BearSSL counts in the last four only. */
static void ctr_run(struct direction *d, uint8_t *p, size_t n)
{
	while (n > 0) {
		uint32_t at = be32(d->iv + 12);
		uint64_t left = ((uint64_t)UINT32_MAX - at + 1) * 16;
		size_t now = n < left ? n : (size_t)left;

		at = d->aes.vtable->run(&d->aes.vtable, d->iv, at, p, now);
		put_be32(d->iv + 12, at);
		if (now == left)
			for (int i = 11; i >= 0 && ++d->iv[i] == 0; i--)
				;
		p += now;
		n -= now;
	}
}

static void gcm_start(struct direction *d, const uint8_t *length)
{
	br_gcm_reset(&d->gcm, d->iv, GCM_IV);
	br_gcm_aad_inject(&d->gcm, length, 4);
	br_gcm_flip(&d->gcm);
	/* RFC 5647 7.1: the last eight bytes count packets */
	for (int i = GCM_IV - 1; i >= 4 && ++d->iv[i] == 0; i--)
		;
}

static void mac_over(const struct direction *d, const uint8_t *p, size_t n, uint8_t out[64])
{
	br_hmac_context c;
	uint8_t seq[4];

	put_be32(seq, d->seq);
	br_hmac_init(&c, &d->hmac, 0);
	br_hmac_update(&c, seq, sizeof(seq));
	br_hmac_update(&c, p, n);
	br_hmac_out(&c, out);
}

static size_t tag_size(const struct direction *d)
{
	return d->cipher == NULL ? 0 : d->cipher->gcm ? GCM_TAG : d->mac->n;
}

void packet_seal(struct direction *d, struct str payload, struct queue *out)
{
	size_t block = d->cipher == NULL ? 8 : 16;
	/* the length counts for the alignment only as long as it is encrypted too */
	size_t head = d->cipher == NULL ? 5 : 1;
	size_t pad = block - (head + payload.n) % block;
	size_t n;
	uint8_t *p;

	if (pad < 4)
		pad += block;
	n = 1 + payload.n + pad;
	p = queue_room(out, 4 + n + sizeof(uint8_t[64]));
	put_be32(p, (uint32_t)n);
	p[4] = (uint8_t)pad;
	memcpy(p + 5, payload.p, payload.n);
	random_bytes(p + 5 + payload.n, pad);
	if (d->cipher != NULL && d->cipher->gcm) {
		gcm_start(d, p);
		br_gcm_run(&d->gcm, 1, p + 4, n);
		br_gcm_get_tag(&d->gcm, p + 4 + n);
	} else if (d->cipher != NULL) {
		ctr_run(d, p + 4, n);
		mac_over(d, p, 4 + n, p + 4 + n);
	}
	out->n += 4 + n + tag_size(d);
	d->seq++;
	d->bytes += 4 + n;
}

int packet_open(struct direction *d, uint8_t *in, size_t n, size_t *used, struct str *payload,
		int *bye, struct err *e)
{
	size_t len, tag_n = tag_size(d);
	uint8_t tag[64];
	bool good = true;

	*bye = BYE_PROTOCOL;
	if (n < 4)
		return 0;
	len = be32(in);
	/* RFC 4253 6: at least 16 bytes, or one block */
	if (len < 8 || len > SSH_PACKET_MAX)
		return err_set(e, ERR_PROTO, "packet of %zu bytes; 8 to %u are right",
			       len, SSH_PACKET_MAX);
	if (d->cipher == NULL ? (4 + len) % 8 != 0 : len % 16 != 0)
		return err_set(e, ERR_PROTO, "packet of %zu bytes, which is not whole blocks", len);
	if (n < 4 + len + tag_n)
		return 0;
	if (d->cipher != NULL && d->cipher->gcm) {
		gcm_start(d, in);
		br_gcm_run(&d->gcm, 0, in + 4, len);
		good = br_gcm_check_tag(&d->gcm, in + 4 + len) == 1;
	} else if (d->cipher != NULL) {
		mac_over(d, in, 4 + len, tag);
		good = same_bytes(tag, in + 4 + len, tag_n);
		if (good)
			ctr_run(d, in + 4, len);
	}
	if (!good) {
		*bye = BYE_MAC;
		return err_set(e, ERR_PROTO, "packet that was altered on its way (bad MAC)");
	}
	if (in[4] < 4 || in[4] > len - 2)
		return err_set(e, ERR_PROTO, "packet of %zu bytes with %u of padding", len, in[4]);
	*payload = (struct str){ (const char *)in + 5, len - 1 - in[4] };
	*used = 4 + len + tag_n;
	d->seq++;
	d->bytes += 4 + len;
	return 1;
}
