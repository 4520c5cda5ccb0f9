/* node/auth: what a helper believes.  The clock is a number here. */
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "node/auth.h"
#include "tests/check.h"

static struct node_config config = { .has_manager_secret = true };
static struct auth helper, other;
static struct auth_caller caller;

/* The value of an Authorization field for GET target, by that secret. */
static void make(const uint8_t *secret, const char *target, const char *nonce,
		 const char *name, struct buf *out)
{
	buf_reset(out);
	auth_header(secret, STR("GET"), str_of(target), str_of(nonce), name, out);
	buf_consume(out, strlen("Authorization: "));
}

static enum auth_result checked(const char *method, const char *target,
				struct str field, int64_t now)
{
	return auth_check(&helper, &config, str_of(method), str_of(target),
			  field, now, &caller);
}

static void expect(const char *name, enum auth_result got,
		   enum auth_result want, const char *words)
{
	check(got == want && strstr(auth_text(got), words) != NULL, name,
	      auth_text(got));
}

/* The mac by the words of auth.h, made here another way. */
static void documented(void)
{
	char nonce[AUTH_NONCE_HEX + 1], text[512];
	struct buf ours = BUF_INIT(512), theirs = BUF_INIT(512);
	uint8_t mac[32];
	int n;

	auth_nonce(&helper, 0, nonce);
	make(config.worker_secret, "/join/worker", nonce, "agents000001", &ours);
	n = snprintf(text, sizeof(text),
		     "azswarm 1\nGET\n/join/worker\n%s\nagents000001\n", nonce);
	hmac_sha256(config.worker_secret, 32, text, (size_t)n, mac);
	buf_addf(&theirs, "Azswarm name=agents000001, nonce=%s, mac=", nonce);
	buf_add_hex(&theirs, mac, 32);
	check(strcmp(ours.str, theirs.str) == 0, "the header is as documented",
	      ours.str);
	buf_release(&ours);
	buf_release(&theirs);
}

/* GET /x by that secret, of a helper with those. */
static enum auth_result knows(const struct node_config *secrets,
			      const uint8_t *secret, struct buf *f)
{
	char nonce[AUTH_NONCE_HEX + 1];

	auth_nonce(&helper, 0, nonce);
	make(secret, "/x", nonce, "a", f);
	return auth_check(&helper, secrets, STR("GET"), STR("/x"), buf_str(f),
			  1, &caller);
}

static void roles(struct buf *f)
{
	uint8_t wrong[32] = { 1, 2, 3 };
	struct node_config no_manager = config;
	char nonce[AUTH_NONCE_HEX + 1];

	auth_nonce(&helper, 0, nonce);
	make(config.worker_secret, "/join/worker", nonce, "a", f);
	expect("the worker secret",
	       checked("GET", "/join/worker", buf_str(f), 1), AUTH_OK, "fine");
	check(!caller.manager && strcmp(caller.name, "a") == 0,
	      "makes a worker", caller.name);
	auth_nonce(&helper, 0, nonce);
	make(config.manager_secret, "/join/manager", nonce, "m-1.x_y", f);
	expect("the manager secret",
	       checked("GET", "/join/manager", buf_str(f), 1), AUTH_OK, "fine");
	check(caller.manager && strcmp(caller.name, "m-1.x_y") == 0,
	      "makes a manager", caller.name);

	auth_nonce(&helper, 0, nonce);
	make(wrong, "/join/worker", nonce, "a", f);
	expect("another secret", checked("GET", "/join/worker", buf_str(f), 1),
	       AUTH_WRONG, "not made with a secret of this cluster");
	/* a helper without a manager secret has zeros there: they open nothing */
	memset(no_manager.manager_secret, 0, 32);
	no_manager.has_manager_secret = false;
	expect("a secret of zeros",
	       knows(&no_manager, no_manager.manager_secret, f), AUTH_WRONG,
	       "not made with a secret");
	expect("zeros where no others are taken",
	       knows(&no_manager, no_manager.others, f), AUTH_WRONG,
	       "not made with a secret");
	/* while they are changed, by two of each */
	no_manager.has_others = true;
	for (size_t i = 0; i < 64; i++)
		no_manager.others[i] = (uint8_t)(i + 60);
	for (int i = 0; i < 2; i++) {
		expect(i ? "another manager's" : "another worker's",
		       knows(&no_manager, no_manager.others + 32 * i, f),
		       AUTH_OK, "fine");
		check(caller.manager == (i == 1), "is what it says", "not");
	}
	expect("and the one of always",
	       knows(&no_manager, no_manager.worker_secret, f), AUTH_OK, "fine");
}

static void nonces(struct buf *f)
{
	char nonce[AUTH_NONCE_HEX + 1], twice[AUTH_NONCE_HEX + 1], last;

	auth_nonce(&helper, 1000, nonce);
	auth_nonce(&helper, 1000, twice);
	check(strcmp(nonce, twice) != 0, "nonces differ", nonce);
	make(config.worker_secret, "/x", nonce, "a", f);
	expect("a nonce in its last millisecond",
	       checked("GET", "/x", buf_str(f), 60999), AUTH_OK, "fine");
	expect("the same again", checked("GET", "/x", buf_str(f), 60999),
	       AUTH_REPLAYED, "used before");

	auth_nonce(&helper, 1000, nonce);
	make(config.worker_secret, "/x", nonce, "a", f);
	expect("a nonce a millisecond later",
	       checked("GET", "/x", buf_str(f), 61000), AUTH_STALE, "expired");

	auth_nonce(&other, 1000, nonce);
	make(config.worker_secret, "/x", nonce, "a", f);
	expect("a nonce of another helper",
	       checked("GET", "/x", buf_str(f), 1001), AUTH_STALE,
	       "not of this helper");

	/* every character counts, the deadline's most of all */
	auth_nonce(&helper, 1000, nonce);
	for (size_t i = 0; i < AUTH_NONCE_HEX; i++) {
		last = nonce[i];
		nonce[i] = last == '7' ? '8' : '7';
		make(config.worker_secret, "/x", nonce, "a", f);
		if (checked("GET", "/x", buf_str(f), 1001) != AUTH_STALE)
			check(false, "a nonce changed in one place", nonce);
		nonce[i] = last;
	}
	make(config.worker_secret, "/x", nonce, "a", f);
	expect("a nonce changed in each place, and back",
	       checked("GET", "/x", buf_str(f), 1001), AUTH_OK, "fine");
	/* a refused mac does not cost the nonce, an accepted one does */
	auth_nonce(&helper, 1000, nonce);
	make(config.worker_secret, "/y", nonce, "a", f);
	expect("a mac for another path", checked("GET", "/x", buf_str(f), 1001),
	       AUTH_WRONG, "not made");
	expect("a mac for another method",
	       checked("POST", "/y", buf_str(f), 1001), AUTH_WRONG, "not made");
	expect("leaves the nonce alone", checked("GET", "/y", buf_str(f), 1001),
	       AUTH_OK, "fine");
}

/* An accepted request takes one place for a minute, a refused one none. */
static void bounded(struct buf *f)
{
	char nonce[AUTH_NONCE_HEX + 1];
	uint8_t wrong[32] = { 9 };
	unsigned ok = 0;
	enum auth_result r = AUTH_OK;

	auth_release(&helper);
	auth_init(&helper);
	for (unsigned i = 0; i < 3 * AUTH_USED_MAX; i++) {
		auth_nonce(&helper, 0, nonce);
		make(wrong, "/x", nonce, "a", f);
		checked("GET", "/x", buf_str(f), 1);
	}
	for (unsigned i = 0; i < AUTH_USED_MAX + 5; i++) {
		auth_nonce(&helper, 0, nonce);
		make(config.worker_secret, "/x", nonce, "a", f);
		r = checked("GET", "/x", buf_str(f), 1);
		ok += r == AUTH_OK;
	}
	check(ok == AUTH_USED_MAX, "strangers fill nothing", "fewer places");
	expect("a full table", r, AUTH_BUSY, "too many requests");
	auth_nonce(&helper, 60001, nonce);
	make(config.worker_secret, "/x", nonce, "a", f);
	expect("is empty a minute later",
	       checked("GET", "/x", buf_str(f), 60002), AUTH_OK, "fine");
}

/* The name by the words of auth.h, made here another way. */
static void knocked(void)
{
	char name[AUTH_KNOCK_LEN + 1], again[AUTH_KNOCK_LEN + 1], text[64];
	struct buf theirs = BUF_INIT(256);
	uint8_t wrong[32] = { 7 }, mac[32], last;
	bool good = true;
	int n;

	auth_knock(config.worker_secret, 1700000000, name);
	auth_knock(config.worker_secret, 1700000000, again);
	n = snprintf(text, sizeof(text), "azswarm knock 1\n%.24s", name);
	hmac_sha256(config.worker_secret, 32, text, (size_t)n, mac);
	buf_addf(&theirs, "%.24s", name);
	buf_add_hex(&theirs, mac, 16);
	buf_adds(&theirs, ".azswarm");
	check(strcmp(name, theirs.str) == 0 && strstr(name, "6553f100") == name,
	      "a knock is as documented", name);
	check(strcmp(name, again) != 0, "and another one every time", name);
	check(auth_is_knock(config.worker_secret, 1700000600, str_of(name)) &&
		      auth_is_knock(config.worker_secret, 1699999400,
				    str_of(name)),
	      "it is one for ten minutes", "not");
	check(!auth_is_knock(config.worker_secret, 1700000601, str_of(name)) &&
		      !auth_is_knock(config.worker_secret, 1699999399,
				     str_of(name)),
	      "and no longer", "still");
	check(!auth_is_knock(wrong, 1700000000, str_of(name)) &&
		      !auth_is_knock(config.manager_secret, 1700000000,
				     str_of(name)),
	      "another secret makes none", "it does");
	for (size_t i = 0; i < AUTH_KNOCK_LEN; i++) {
		last = (uint8_t)name[i];
		name[i] = last == '7' ? '8' : '7';
		good = good && !auth_is_knock(config.worker_secret, 1700000000,
					      str_of(name));
		name[i] = (char)last;
	}
	check(good, "every character counts", "one does not");
	for (size_t i = 0; i < AUTH_KNOCK_LEN; i++)
		good = good && !auth_is_knock(config.worker_secret, 1700000000,
					      (struct str){ name, i });
	check(good && !auth_is_knock(wrong, 1700000000, STR_NULL),
	      "nor is a part of it one", "it is");
	buf_release(&theirs);
}

static const struct {
	const char *name, *field;
} malformed[] = {
	{ "an empty field", "" },
	{ "another scheme", "Bearer abc" },
	{ "no mac", "Azswarm name=a, nonce=N" },
	{ "a name twice", "Azswarm name=a, name=a, nonce=N, mac=M" },
	{ "an item too many", "Azswarm name=a, nonce=N, mac=M, x=y" },
	{ "an item without a value", "Azswarm name=a, nonce=N, mac=M, x" },
	{ "an empty item", "Azswarm name=a, nonce=N, mac=M," },
	{ "no name", "Azswarm name=, nonce=N, mac=M" },
	{ "a space in the name", "Azswarm name=a b, nonce=N, mac=M" },
	{ "a slash in the name", "Azswarm name=../a, nonce=N, mac=M" },
	{ "a name of 65",
	  "Azswarm name=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, "
	  "nonce=N, mac=M" },
	{ "a short nonce", "Azswarm name=a, nonce=abcd, mac=M" },
	{ "a short mac", "Azswarm name=a, nonce=N, mac=abcd" },
	{ "a mac that is not hex", "Azswarm name=a, nonce=N, mac=Z" },
};

/* N, M and Z stand for 80 and 64 characters. */
static void spell(const char *field, struct buf *out)
{
	char nonce[AUTH_NONCE_HEX + 1];

	buf_reset(out);
	auth_nonce(&helper, 0, nonce);
	for (const char *p = field; *p != '\0'; p++) {
		if (p[0] == 'N')
			buf_adds(out, nonce);
		else if (p[0] == 'M' || p[0] == 'Z')
			for (int i = 0; i < 64; i++)
				buf_addc(out, p[0] == 'M' ? 'a' : 'z');
		else
			buf_addc(out, *p);
	}
}

int main(void)
{
	struct buf f = BUF_INIT(4096);

	for (size_t i = 0; i < 32; i++) {
		config.worker_secret[i] = (uint8_t)(i + 1);
		config.manager_secret[i] = (uint8_t)(i + 101);
	}
	auth_init(&helper);
	auth_init(&other);
	documented();
	roles(&f);
	nonces(&f);
	expect("no field", checked("GET", "/x", STR_NULL, 1), AUTH_MISSING,
	       "Authorization field is needed");
	for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
		spell(malformed[i].field, &f);
		expect(malformed[i].name, checked("GET", "/x", buf_str(&f), 1),
		       AUTH_MALFORMED, "malformed");
	}
	spell("azswarm mac=M,nonce=N,name=a", &f);
	expect("order, case and blanks do not matter",
	       checked("GET", "/x", buf_str(&f), 1), AUTH_WRONG, "not made");
	bounded(&f);
	knocked();
	auth_release(&helper);
	auth_release(&other);
	buf_release(&f);
	return check_failed();
}
