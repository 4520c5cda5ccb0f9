#ifndef SWARM_KEYS_H
#define SWARM_KEYS_H

#include <stdint.h>

#include "base/buf.h"
#include "swarm/settings.h"
#include "swarm/ui.h"

enum keys_role { KEYS_MASTER, KEYS_AGENT, KEYS_ROLES };

/* Everything that keys/ holds, read. */
struct keys {
	char *admin_public; /* authorized_keys line */
	struct buf helper;  /* PEM private key of the helper's TLS */
	struct {
		struct buf ec, rsa;	      /* PEM SSH host keys */
		char *ec_public, *rsa_public; /* "ecdsa-sha2-nistp256 AAAA..." */
	} host[KEYS_ROLES];
	char *worker_secret, *manager_secret; /* 64 hex digits */
	char *others; /* two more that masters take, 128; NULL: none */
	char helper_pin[65];
};

/* Whether every key and secret is there that cannot be made of another. */
bool keys_there(const struct settings *set);
/* The operator's public key, an authorized_keys line.  Caller frees. */
int keys_public(const struct settings *set, char **line, struct err *e);
/* Make what is missing in keys/, keep what is there. */
int keys_make(const struct settings *set, struct ui *ui, struct err *e);
/*
 * Read keys/, but for the RSA host keys; an error says which file, and that
 * `keys` makes it or, of one that others may read or write or that is theirs,
 * what to run.
 */
int keys_load(const struct settings *set, struct keys *k, struct err *e);
/* Those, too: of keys/ that an older program made they are missing until `keys`
 * adds them.  Only who makes machines wants them. */
int keys_load_rsa(struct keys *k, struct err *e);
void keys_burn(struct keys *k);
/* What backups are sealed with; `keys` adds it to a folder of an older program.
 * Caller burns. */
#define KEYS_BACKUP_LEN 32
int keys_backup(uint8_t key[KEYS_BACKUP_LEN], struct err *e);

/*
 * Other secrets, in three turns, each of which is brought to the machines before
 * the next: masters take those that are to come, too; all have them, and masters
 * take those of before, too; masters take no others.  Files in keys/ tell which
 * turn it is.
 */
enum keys_turn {
	KEYS_TURN_FAILED,
	KEYS_TURN_COMING,
	KEYS_TURN_USED,
	KEYS_TURN_ALONE
};
/* The turn that is not over; makes secrets, and the first, when none is on. */
enum keys_turn keys_turn(struct ui *ui, struct err *e);
/* It is over: the machines have what keys/ says. */
int keys_turned(enum keys_turn turn, struct err *e);

#endif
