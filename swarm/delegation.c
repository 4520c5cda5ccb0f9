/*
 * Signing an address of blob storage without the account's key: blob storage
 * gives whom Entra knows a key of his own, for seven days at most, and what is
 * signed with that may do what he may.
 *
 * Source: "Get User Delegation Key", "Create a user delegation SAS"
 * (learn.microsoft.com).
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/time.h"
#include "swarm/blob.h"

#define SCOPE "https://storage.azure.com/.default" /* in every cloud */
#define KEY_LIFE_S (7 * 86400) /* the longest; counted from now, */
#define CLOCKS_S 600	       /* by a clock that may be another's */

/* What the answer calls it, and the query of a signed address. */
static const struct {
	const char *element, *name;
} parts[] = {
	{ "SignedOid", "skoid" },   { "SignedTid", "sktid" },
	{ "SignedStart", "skt" },   { "SignedExpiry", "ske" },
	{ "SignedService", "sks" }, { "SignedVersion", "skv" },
	{ "Value", "value" },
};
#define N_PARTS (sizeof(parts) / sizeof(*parts))

static cJSON *take_key(struct str xml, struct err *e)
{
	cJSON *doc = cJSON_CreateObject();
	struct str text;
	char *z;

	for (size_t i = 0; i < N_PARTS; i++) {
		if (!blob_element(xml, parts[i].element, &text)) {
			json_burn(doc);
			err_set(e, ERR_PROTO, "no %s in the answer",
				parts[i].element);
			return NULL;
		}
		z = str_dup(text);
		json_add_str(doc, parts[i].name, z);
		burn_str(z);
	}
	return doc;
}

/* "Authorization: Bearer ...", of a token that is for storage alone. */
static int authorization(struct session *s, struct buf *line, struct err *e)
{
	struct entra_options o = s->entra.o;
	struct entra en;
	const char *token;
	int rc;

	o.scope = SCOPE;
	entra_init(&en, &o);
	en.used = s->entra.used; /* the same who asked Resource Manager */
	en.http.watch = s->entra.http.watch;
	if ((rc = entra_token(&en, &token, e)) == 0)
		buf_addf(line, "Authorization: Bearer %s", token);
	entra_release(&en);
	return rc;
}

static int ask_once(struct session *s, const struct http_request *q,
		    cJSON **key, struct err *e)
{
	struct http_response r;
	int rc;

	http_response_init(&r, 64u << 10);
	if ((rc = http_exchange(&s->data, q, &r, e)) == 0) {
		if (r.head.status != 200)
			rc = storage_refusal(&r, RETRY_UPLOAD, e);
		else if ((*key = take_key(buf_str(&r.body), e)) == NULL)
			rc = -1;
	}
	http_response_release(&r);
	return rc;
}

/* As patient as the upload: the account may have been made a moment ago. */
static int ask(struct session *s, struct http_request *q, cJSON **key,
	       struct err *e)
{
	int64_t began = now_ms();

	for (unsigned tries = 1;; tries++) {
		q->deadline_ms = now_ms() + 60000;
		if (ask_once(s, q, key, e) == 0)
			return 0;
		if (storage_again(s, RETRY_UPLOAD, tries, began, e) < 0)
			return -1;
	}
}

static int get_key(struct session *s, const char *blob_endpoint, cJSON **key,
		   struct err *e)
{
	struct buf auth = BUF_INIT(ENTRA_TOKEN_MAX + 64), body = BUF_INIT(512);
	size_t n = strlen(blob_endpoint);
	char from[32], to[32];
	char *url = xasprintf("%s%s?restype=service&comp=userdelegationkey",
			      blob_endpoint,
			      n > 0 && blob_endpoint[n - 1] == '/' ? "" : "/");
	struct http_url u;
	int rc = -1;

	time_iso(unix_time() - CLOCKS_S, from);
	time_iso(unix_time() + KEY_LIFE_S - CLOCKS_S, to);
	buf_addf(&body,
		 "<?xml version=\"1.0\" encoding=\"utf-8\"?>"
		 "<KeyInfo><Start>%s</Start><Expiry>%s</Expiry></KeyInfo>",
		 from, to);
	if (http_url_parse(str_of(url), &u, e) < 0)
		goto out;
	if (!u.tls) {
		err_set(e, ERR_PROTO, "%s: our token goes over https only",
			u.host);
		goto out;
	}
	if (authorization(s, &auth, e) == 0) {
		const char *fields[] = { auth.str,
					 "x-ms-version: " STORAGE_VERSION,
					 "Content-Type: application/xml", NULL };
		struct http_request q = { .method = "POST",
					  .url = url,
					  .fields = fields,
					  .body = buf_str(&body),
					  .idempotent = true };

		rc = ask(s, &q, key, e);
	}
out:
	buf_burn(&auth);
	buf_release(&body);
	free(url);
	return rc < 0 ? err_in(e, "a key to sign with") : 0;
}

static const char *part(const cJSON *key, const char *name)
{
	return json_str_opt(key, name, "");
}

int delegation_sign(struct session *s, struct storage *st, const char *blob,
		    const char *permissions, int64_t expires, char **query,
		    struct err *e)
{
	struct buf text = BUF_INIT(4096), raw = BUF_INIT(256),
		   sig = BUF_INIT(64), out = BUF_INIT(4096);
	const char *kind = strchr(blob, '/') != NULL ? "b" : "c";
	uint8_t mac[SHA256_LEN];
	char end[32];
	int64_t last;
	int rc = -1;

	if (st->delegation == NULL && get_key(s, st->blob, &st->delegation, e) < 0)
		return -1;
	if (!time_parse_iso(str_of(part(st->delegation, "ske")), &last) ||
	    buf_add_unbase64(&raw, str_of(part(st->delegation, "value")), e) < 0) {
		err_set(e, ERR_PROTO, "a key to sign with: not understood");
		goto out;
	}
	time_iso(expires < last ? expires : last, end);
	/* of version 2020-12-06 and later; a line for each that is not there */
	buf_addf(&text, "%s\n\n%s\n/blob/%s/%s\n", permissions, end,
		 storage_account_name(s), blob);
	for (size_t i = 0; i < N_PARTS - 1; i++)
		buf_addf(&text, "%s\n", part(st->delegation, parts[i].name));
	buf_addf(&text, "\n\n\n\nhttps\n" STORAGE_VERSION "\n%s\n\n\n\n\n\n\n",
		 kind);
	hmac_sha256(raw.str, raw.n, text.str, text.n, mac);
	buf_add_base64(&sig, mac, sizeof(mac));
	buf_addf(&out, "sv=" STORAGE_VERSION "&sr=%s&sp=%s&spr=https&se=", kind,
		 permissions);
	buf_add_pct(&out, str_of(end));
	for (size_t i = 0; i < N_PARTS - 1; i++) {
		buf_addf(&out, "&%s=", parts[i].name);
		buf_add_pct(&out, str_of(part(st->delegation, parts[i].name)));
	}
	buf_adds(&out, "&sig=");
	buf_add_pct(&out, buf_str(&sig));
	if ((rc = buf_check(&out, "a signed address", e)) == 0)
		*query = buf_detach(&out);
out:
	buf_burn(&raw);
	buf_burn(&sig);
	buf_burn(&out);
	buf_release(&text);
	return rc;
}
