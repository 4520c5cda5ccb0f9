#ifndef NODE_AUTH_H
#define NODE_AUTH_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "node/config.h"

/*
 * How a caller proves to a helper who it is, inside of TLS whose key the
 * caller has checked:
 *
 *	GET /nonce   ->   {"nonce":"HEX"}
 *	GET /join/worker
 *	Authorization: Azswarm name=HOSTNAME, nonce=HEX, mac=HEX
 *
 * mac = HMAC-SHA-256(secret, "azswarm 1\n" METHOD "\n" TARGET "\n" NONCE "\n" NAME "\n").
 * The secret decides the role.  A nonce is good for one accepted request
 * within 60 s, with the helper that issued it.
 *
 * Nonces are not stored when issued but sealed with a key of the helper's
 * own, and only those of accepted requests are remembered until they expire:
 * a caller without a secret cannot fill that memory.
 */
#define AUTH_NONCE_MS 60000
#define AUTH_NONCE_BYTES 40 /* deadline 8, random 16, seal 16 */
#define AUTH_NONCE_HEX (2 * AUTH_NONCE_BYTES)
#define AUTH_NAME_MAX 64
#define AUTH_USED_MAX 2048 /* accepted requests a minute */

struct auth {
	uint8_t key[32];
	pthread_mutex_t lock;
	struct auth_used {
		uint8_t id[16];
		int64_t until_ms;
	} * used; /* a ring, oldest first */
	unsigned first, n;
};
void auth_init(struct auth *a);
void auth_release(struct auth *a);

void auth_nonce(struct auth *a, int64_t now_ms, char out[AUTH_NONCE_HEX + 1]);

enum auth_result {
	AUTH_OK,
	AUTH_MISSING, /* no Authorization field */
	AUTH_MALFORMED,
	AUTH_STALE, /* nonce expired, or not ours */
	AUTH_WRONG, /* no secret of ours makes that mac */
	AUTH_REPLAYED,
	AUTH_BUSY, /* too many accepted requests within a minute */
};
struct auth_caller {
	char name[AUTH_NAME_MAX + 1];
	bool manager; /* knew the manager secret */
};
/*
 * Check field (the value of Authorization, p NULL when there was none).  The
 * comparisons take the same time whatever the bytes are.  c is filled on
 * AUTH_OK only.
 */
enum auth_result auth_check(struct auth *a, const struct node_config *secrets,
			    struct str method, struct str target, struct str field,
			    int64_t now_ms, struct auth_caller *c);
const char *auth_text(enum auth_result r);

/* The other side: the whole header line, "Authorization: ...", appended to out. */
void auth_header(const uint8_t secret[NODE_SECRET_LEN], struct str method,
		 struct str target, struct str nonce, const char *name,
		 struct buf *out);

/*
 * And how a caller says that it may be one before it is asked, so that a helper
 * which many want something of knows whom to hear first: by the name in its
 * ClientHello (SNI), which is HEX.azswarm with
 *
 *	HEX = time (4 bytes, Unix), random (8), mac (16)
 *	mac = the first half of HMAC-SHA-256(worker secret,
 *		"azswarm knock 1\n" and the HEX of time and random)
 *
 * It opens nothing.  Whoever can listen on the wire can say it again, within
 * AUTH_KNOCK_S of its time, and is then heard before those who cannot.
 */
#define AUTH_KNOCK_S 600
#define AUTH_KNOCK_LEN 64
void auth_knock(const uint8_t worker_secret[NODE_SECRET_LEN], int64_t unix_s,
		char out[AUTH_KNOCK_LEN + 1]);
bool auth_is_knock(const uint8_t worker_secret[NODE_SECRET_LEN], int64_t unix_s,
		   struct str name);

/* 1..64 letters, digits, '.', '_' and '-'. */
bool auth_is_name(struct str s);

#endif
