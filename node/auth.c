/*
 * Nonces and message authentication between agents and helpers: both sides,
 * no I/O.
 */
#include "node/auth.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

#define SEAL_AT 24 /* deadline and random come before */
#define SEAL_LEN 16
#define RANDOM_AT 8
#define RANDOM_LEN 16
#define TEXT_MAX \
	(20u << 10) /* of what is authenticated; targets are at most 16 KiB */

void auth_init(struct auth *a)
{
	*a = (struct auth){ .used = xcalloc(AUTH_USED_MAX, sizeof(*a->used)) };
	pthread_mutex_init(&a->lock, NULL);
	random_bytes(a->key, sizeof(a->key));
}

void auth_release(struct auth *a)
{
	pthread_mutex_destroy(&a->lock);
	free(a->used);
	burn(a->key, sizeof(a->key));
}

static void seal(const struct auth *a, const uint8_t *nonce, uint8_t out[SEAL_LEN])
{
	uint8_t mac[SHA256_LEN];

	hmac_sha256(a->key, sizeof(a->key), nonce, SEAL_AT, mac);
	memcpy(out, mac, SEAL_LEN);
}

void auth_nonce(struct auth *a, int64_t now_ms, char out[AUTH_NONCE_HEX + 1])
{
	uint8_t nonce[AUTH_NONCE_BYTES];
	uint64_t until = (uint64_t)(now_ms + AUTH_NONCE_MS);
	struct buf hex = BUF_INIT(AUTH_NONCE_HEX);

	for (int i = 0; i < 8; i++)
		nonce[i] = (uint8_t)(until >> (8 * (7 - i)));
	random_bytes(nonce + RANDOM_AT, RANDOM_LEN);
	seal(a, nonce, nonce + SEAL_AT);
	buf_add_hex(&hex, nonce, sizeof(nonce));
	memcpy(out, hex.str, AUTH_NONCE_HEX + 1);
	buf_release(&hex);
}

/* Whether it is one of ours and young enough; *until is when it expires. */
static bool nonce_open(const struct auth *a, struct str hex, int64_t now_ms,
		       uint8_t nonce[AUTH_NONCE_BYTES], int64_t *until)
{
	struct buf b = BUF_INIT(AUTH_NONCE_BYTES);
	struct err ignored = ERR_INIT;
	uint8_t want[SEAL_LEN];
	uint64_t t = 0;
	bool ok = false;

	if (hex.n != AUTH_NONCE_HEX || buf_add_unhex(&b, hex, &ignored) < 0)
		goto out;
	memcpy(nonce, b.str, AUTH_NONCE_BYTES);
	seal(a, nonce, want);
	for (int i = 0; i < 8; i++)
		t = t << 8 | nonce[i];
	*until = (int64_t)t;
	ok = same_bytes(want, nonce + SEAL_AT, SEAL_LEN) && now_ms < *until;
out:
	buf_release(&b);
	return ok;
}

bool auth_is_name(struct str s)
{
	if (s.n == 0 || s.n > AUTH_NAME_MAX)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!is_alnum(s.p[i]) && s.p[i] != '.' && s.p[i] != '_' &&
		    s.p[i] != '-')
			return false;
	return true;
}

/* "Azswarm name=a, nonce=b, mac=c": each once, nothing else. */
static bool take_apart(struct str field, struct str *name, struct str *nonce,
		       struct str *mac)
{
	struct str item, key;

	*name = *nonce = *mac = STR_NULL;
	if (!str_istarts(field, STR("Azswarm ")))
		return false;
	field = str_skip(field, 8);
	while (str_next(&field, ',', &item)) {
		struct str *to = NULL;

		item = str_trim(item);
		if (!str_cut(&item, '=', &key))
			return false;
		if (str_eqz(key, "name"))
			to = name;
		else if (str_eqz(key, "nonce"))
			to = nonce;
		else if (str_eqz(key, "mac"))
			to = mac;
		if (to == NULL || to->p != NULL)
			return false;
		*to = item;
	}
	return auth_is_name(*name) && nonce->n == AUTH_NONCE_HEX &&
	       mac->n == 2 * SHA256_LEN;
}

static void mac_of(const uint8_t secret[NODE_SECRET_LEN], struct str method,
		   struct str target, struct str nonce, struct str name,
		   uint8_t out[SHA256_LEN])
{
	struct buf b = BUF_INIT(TEXT_MAX);

	buf_adds(&b, "azswarm 1\n");
	buf_addstr(&b, method);
	buf_addc(&b, '\n');
	buf_addstr(&b, target);
	buf_addc(&b, '\n');
	buf_addstr(&b, nonce);
	buf_addc(&b, '\n');
	buf_addstr(&b, name);
	buf_addc(&b, '\n');
	hmac_sha256(secret, NODE_SECRET_LEN, b.str, b.n, out);
	/* too long to be ours: a mac that nobody can know */
	if (b.over)
		random_bytes(out, SHA256_LEN);
	buf_release(&b);
}

/* Remember a nonce until it expires. */
static enum auth_result use(struct auth *a, const uint8_t id[16], int64_t until,
			    int64_t now_ms)
{
	enum auth_result r = AUTH_OK;

	pthread_mutex_lock(&a->lock);
	while (a->n > 0 && a->used[a->first].until_ms <= now_ms) {
		a->first = (a->first + 1) % AUTH_USED_MAX;
		a->n--;
	}
	for (unsigned i = 0; i < a->n; i++)
		if (memcmp(a->used[(a->first + i) % AUTH_USED_MAX].id, id, 16) == 0)
			r = AUTH_REPLAYED;
	if (r == AUTH_OK && a->n == AUTH_USED_MAX)
		r = AUTH_BUSY;
	if (r == AUTH_OK) {
		struct auth_used *u =
			&a->used[(a->first + a->n++) % AUTH_USED_MAX];

		memcpy(u->id, id, 16);
		/* the ring is in order of use, so all stay as long as the youngest might */
		u->until_ms = until > now_ms + AUTH_NONCE_MS ?
				      until :
				      now_ms + AUTH_NONCE_MS;
	}
	pthread_mutex_unlock(&a->lock);
	return r;
}

enum auth_result auth_check(struct auth *a, const struct node_config *secrets,
			    struct str method, struct str target, struct str field,
			    int64_t now_ms, struct auth_caller *c)
{
	uint8_t nonce[AUTH_NONCE_BYTES];
	struct str name, hex, mac;
	struct buf got = BUF_INIT(SHA256_LEN);
	struct err ignored = ERR_INIT;
	const uint8_t *known[] = { secrets->worker_secret,
				   secrets->manager_secret, secrets->others,
				   secrets->others + NODE_SECRET_LEN };
	const int n = secrets->has_others ? 4 : 2;
	bool is_worker, is_manager, knows[4] = { false };
	uint8_t ours[SHA256_LEN];
	enum auth_result r;
	int64_t until;

	if (field.p == NULL)
		return AUTH_MISSING;
	if (!take_apart(field, &name, &hex, &mac) ||
	    buf_add_unhex(&got, mac, &ignored) < 0) {
		buf_release(&got);
		return AUTH_MALFORMED;
	}
	if (!nonce_open(a, hex, now_ms, nonce, &until)) {
		buf_release(&got);
		return AUTH_STALE;
	}
	for (int i = 0; i < n; i++) {
		mac_of(known[i], method, target, hex, name, ours);
		knows[i] = same_bytes(ours, got.str, SHA256_LEN);
	}
	is_worker = knows[0] || knows[2];
	is_manager = (knows[1] && secrets->has_manager_secret) || knows[3];
	r = is_worker || is_manager ? use(a, nonce + RANDOM_AT, until, now_ms) :
				      AUTH_WRONG;
	if (r == AUTH_OK) {
		memcpy(c->name, name.p, name.n);
		c->name[name.n] = '\0';
		c->manager = is_manager;
	}
	burn(ours, sizeof(ours));
	buf_release(&got);
	return r;
}

const char *auth_text(enum auth_result r)
{
	static const char *const text[] = {
		[AUTH_OK] = "fine",
		[AUTH_MISSING] =
			"an Authorization field is needed; get a nonce at /nonce first",
		[AUTH_MALFORMED] =
			"malformed Authorization, expected: Azswarm name=, nonce=, mac=",
		[AUTH_STALE] =
			"the nonce has expired or is not of this helper; get another at /nonce",
		[AUTH_WRONG] = "the mac is not made with a secret of this cluster",
		[AUTH_REPLAYED] = "the nonce was used before; get another at /nonce",
		[AUTH_BUSY] = "too many requests within a minute; try again later",
	};

	return text[r];
}

void auth_header(const uint8_t secret[NODE_SECRET_LEN], struct str method,
		 struct str target, struct str nonce, const char *name,
		 struct buf *out)
{
	uint8_t mac[SHA256_LEN];

	mac_of(secret, method, target, nonce, str_of(name), mac);
	buf_addf(out, "Authorization: Azswarm name=%s, nonce=%.*s, mac=", name,
		 STR_ARG(nonce));
	buf_add_hex(out, mac, sizeof(mac));
	burn(mac, sizeof(mac));
}

/* ---- knocking ---- */

#define KNOCK_END ".azswarm"
#define KNOCK_SAYS 12 /* bytes that are not the mac */
#define KNOCK_MAC 16

/* The mac of a name's first digits. */
static void knock_mac(const uint8_t secret[NODE_SECRET_LEN], struct str digits,
		      uint8_t out[SHA256_LEN])
{
	struct buf b = BUF_INIT(64);

	buf_adds(&b, "azswarm knock 1\n");
	buf_addstr(&b, digits);
	hmac_sha256(secret, NODE_SECRET_LEN, b.str, b.n, out);
	buf_release(&b);
}

void auth_knock(const uint8_t worker_secret[NODE_SECRET_LEN], int64_t unix_s,
		char out[AUTH_KNOCK_LEN + 1])
{
	struct buf name = BUF_INIT(AUTH_KNOCK_LEN);
	uint8_t says[KNOCK_SAYS], mac[SHA256_LEN];

	for (int i = 0; i < 4; i++)
		says[i] = (uint8_t)((uint64_t)unix_s >> (8 * (3 - i)));
	random_bytes(says + 4, KNOCK_SAYS - 4);
	buf_add_hex(&name, says, KNOCK_SAYS);
	knock_mac(worker_secret, buf_str(&name), mac);
	buf_add_hex(&name, mac, KNOCK_MAC);
	buf_adds(&name, KNOCK_END);
	memcpy(out, name.str, AUTH_KNOCK_LEN + 1);
	buf_release(&name);
}

bool auth_is_knock(const uint8_t worker_secret[NODE_SECRET_LEN], int64_t unix_s,
		   struct str name)
{
	struct str digits = str_head(name, 2 * KNOCK_SAYS), when, theirs;
	struct buf got = BUF_INIT(KNOCK_MAC);
	struct err ignored = ERR_INIT;
	uint8_t mac[SHA256_LEN];
	uint64_t said_s;
	bool ok = false;

	if (name.n != AUTH_KNOCK_LEN || !str_ends(name, STR(KNOCK_END)))
		return false;
	when = str_head(digits, 8);
	if (!str_hex(&when, UINT32_MAX, &said_s) || when.n != 0 ||
	    (int64_t)said_s < unix_s - AUTH_KNOCK_S ||
	    (int64_t)said_s > unix_s + AUTH_KNOCK_S)
		return false;
	theirs = str_head(str_skip(name, digits.n), 2 * KNOCK_MAC);
	if (buf_add_unhex(&got, theirs, &ignored) == 0) {
		knock_mac(worker_secret, digits, mac);
		ok = same_bytes(mac, got.str, KNOCK_MAC);
		burn(mac, sizeof(mac));
	}
	buf_release(&got);
	return ok;
}
