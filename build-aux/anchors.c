/*
 * Build-time tool: certificates in, trust anchors out.
 *
 *	anchors FILE... >roots
 *
 * A root's certificate is mostly things nobody checks once it is trusted; what
 * path validation needs is its name, its dates and its key.  The records, back
 * to back, sorted by their bytes:
 *
 *	u16be dn_len, dn, i64be not_before, i64be not_after (Unix time), u8 type
 *	type 1 (RSA)                        u16be n_len, n, u8 e_len, e
 *	type 2, 3, 4 (P-256, P-384, P-521)  u16be q_len, q
 *
 * Anything it does not understand ends the build: a root left out in silence
 * is a server that cannot be reached, a year later.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bearssl.h>

#define FILE_MAX_BYTES (1 << 20)
#define DN_MAX 2048
#define RECORDS_MAX 1024

struct bytes {
	unsigned char *p;
	size_t n;
};

struct name {
	unsigned char p[DN_MAX];
	size_t n;
};

static struct bytes records[RECORDS_MAX];
static size_t records_count;

static _Noreturn void die(const char *file, const char *why)
{
	fprintf(stderr, "anchors: %s: %s\n", file, why);
	exit(1);
}

static void add(struct bytes *b, const void *p, size_t n)
{
	b->p = realloc(b->p, b->n + n + 1);
	if (b->p == NULL)
		die("memory", "none left");
	if (n > 0)
		memcpy(b->p + b->n, p, n);
	b->n += n;
}

static void add_u8(struct bytes *b, unsigned v)
{
	unsigned char c = (unsigned char)v;

	add(b, &c, 1);
}

static void add_sized(struct bytes *b, const void *p, size_t n)
{
	add_u8(b, (unsigned)(n >> 8) & 0xff);
	add_u8(b, (unsigned)n & 0xff);
	add(b, p, n);
}

/* From BearSSL's count: days since 1 January of year 0, and seconds. */
static void add_time(struct bytes *b, uint32_t days, uint32_t seconds)
{
	int64_t t = ((int64_t)days - 719528) * 86400 + seconds;

	for (int shift = 56; shift >= 0; shift -= 8)
		add_u8(b, (unsigned)((uint64_t)t >> shift) & 0xff);
}

static void add_to_bytes(void *ctx, const void *p, size_t n)
{
	add(ctx, p, n);
}

static void add_to_name(void *ctx, const void *p, size_t n)
{
	struct name *dn = ctx;

	if (n > sizeof(dn->p) - dn->n)
		die("certificate", "subject too long");
	memcpy(dn->p + dn->n, p, n);
	dn->n += n;
}

static void add_key(struct bytes *b, const br_x509_pkey *key, const char *file)
{
	if (key->key_type == BR_KEYTYPE_RSA) {
		if (key->key.rsa.elen > 255)
			die(file, "RSA exponent too long");
		add_u8(b, 1);
		add_sized(b, key->key.rsa.n, key->key.rsa.nlen);
		add_u8(b, (unsigned)key->key.rsa.elen);
		add(b, key->key.rsa.e, key->key.rsa.elen);
		return;
	}
	if (key->key_type != BR_KEYTYPE_EC)
		die(file, "neither an RSA nor an EC key");
	switch (key->key.ec.curve) {
	case BR_EC_secp256r1:
		add_u8(b, 2);
		break;
	case BR_EC_secp384r1:
		add_u8(b, 3);
		break;
	case BR_EC_secp521r1:
		add_u8(b, 4);
		break;
	default:
		die(file, "an EC curve we do not know");
	}
	add_sized(b, key->key.ec.q, key->key.ec.qlen);
}

static void add_certificate(const struct bytes *der, const char *file)
{
	br_x509_decoder_context dc;
	struct name dn = { .n = 0 };
	struct bytes *r = &records[records_count];

	if (records_count == RECORDS_MAX)
		die(file, "more roots than RECORDS_MAX");
	br_x509_decoder_init(&dc, add_to_name, &dn);
	br_x509_decoder_push(&dc, der->p, der->n);
	if (br_x509_decoder_get_pkey(&dc) == NULL)
		die(file, "not a certificate BearSSL can read");
	if (!br_x509_decoder_isCA(&dc))
		die(file, "not the certificate of an authority");
	add_sized(r, dn.p, dn.n);
	add_time(r, dc.notbefore_days, dc.notbefore_seconds);
	add_time(r, dc.notafter_days, dc.notafter_seconds);
	add_key(r, br_x509_decoder_get_pkey(&dc), file);
	records_count++;
}

static void add_file(const char *file)
{
	static unsigned char text[FILE_MAX_BYTES];
	br_pem_decoder_context pem;
	struct bytes der = { NULL, 0 };
	size_t n, at = 0;
	int in_certificate = 0, found = 0;
	FILE *f = fopen(file, "rb");

	if (f == NULL)
		die(file, "cannot open");
	n = fread(text, 1, sizeof(text) - 1, f);
	if (ferror(f) || !feof(f))
		die(file, "cannot read, or larger than FILE_MAX_BYTES");
	fclose(f);
	if (n == 0 || text[n - 1] != '\n')
		text[n++] = '\n';

	br_pem_decoder_init(&pem);
	while (at < n) {
		at += br_pem_decoder_push(&pem, text + at, n - at);
		switch (br_pem_decoder_event(&pem)) {
		case BR_PEM_BEGIN_OBJ:
			in_certificate = strcmp(br_pem_decoder_name(&pem),
						"CERTIFICATE") == 0;
			der.n = 0;
			br_pem_decoder_setdest(&pem, add_to_bytes, &der);
			break;
		case BR_PEM_END_OBJ:
			if (in_certificate) {
				add_certificate(&der, file);
				found = 1;
			}
			in_certificate = 0;
			break;
		case BR_PEM_ERROR:
			die(file, "bad PEM");
		default:
			break;
		}
	}
	if (!found)
		die(file, "no certificate in it");
	free(der.p);
}

static int by_bytes(const void *a, const void *b)
{
	const struct bytes *x = a, *y = b;
	int c = memcmp(x->p, y->p, x->n < y->n ? x->n : y->n);

	return c != 0 ? c : (x->n > y->n) - (x->n < y->n);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		add_file(argv[i]);
	if (records_count == 0)
		die("arguments", "no certificates");
	qsort(records, records_count, sizeof(records[0]), by_bytes);

	for (size_t i = 0; i < records_count; i++) {
		/* the same root under two names is one anchor */
		if (i > 0 && by_bytes(&records[i - 1], &records[i]) == 0)
			continue;
		fwrite(records[i].p, 1, records[i].n, stdout);
	}
	return fflush(stdout) == 0 && !ferror(stdout) ? 0 : 1;
}
