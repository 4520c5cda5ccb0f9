#ifndef SWARM_LOCK_H
#define SWARM_LOCK_H

#include "swarm/session.h"

/*
 * One operator at a time: a command that changes something has a lease on a blob
 * of the cluster while it runs, and whose that is stands in the blob's metadata.
 * What was done, and how it ended, is then written behind the audit trail
 * (swarm/audit.h).
 *
 * A process of its own, the keeper, renews the lease, whatever the command waits
 * for, and is the one that lets go and writes, so that Ctrl-C, and even a kill of
 * the command, leave neither undone.  When it is killed, too, the lease ends by
 * itself after LOCK_S; and the command stops when it could not be renewed for as
 * long, for it may be somebody else's by then.
 *
 * Where there is no storage account yet there is no lock; where it does not
 * answer, that is said: what only talks to the swarm goes on, all else is refused
 * unless --break-lock says that it should go on.
 */
#define LOCK_S 60
#define LOCK_RENEW_MS 15000

/*
 * The command takes the lock with the first that it asks (lock_take): what is
 * wrong with its arguments is said before.  Freed by lock_end().
 *
 * typed	"scale-agents 5", for others to read; taken over
 * swarm_only	it asks the swarm, and nothing of Azure
 */
void lock_arm(struct session *s, char *typed, bool swarm_only);
/* What was asked for changes nothing after all: the command needs none.  Before its
 * first request. */
void lock_disarm(struct session *s);
/*
 * Have the lock, unless the command needs none, or has it.  ERR_BUSY with the
 * code "LockHeld" when somebody else has it: who, at what, since when.
 */
int lock_take(struct session *s, struct err *e);
/* There is a storage account now, perhaps for the first time: take it there. */
int lock_take_new(struct session *s, struct err *e);
/* ERR_BUSY with the code "LockLost" when it was had and is lost: before each
 * request that changes something, and in each wait, where it is only said. */
int lock_still(struct session *s, struct err *e);
void lock_look(struct session *s);
/* Who has it, or would where it can be had: "alice@jump"; "" before it was asked
 * for. */
const char *lock_who(const struct session *s);
/* The storage account that it is in; "" where we have none. */
const char *lock_where(const struct session *s);
/* The account is about to go: had, written down as begun, and let go of. */
int lock_leave(struct session *s, struct err *e);
/* The command has ended with e, or with that exit status.  An e that says of the
 * lock why it has says that alone, not what was asked when it came up. */
void lock_end(struct session *s, struct err *e, int status);

#endif
