#ifndef SWARM_MASTERS_H
#define SWARM_MASTERS_H

#include "swarm/way.h"

/*
 * Masters that are replaced, taken away and recovered.  What raft is like is
 * read from an engine, never from Azure; what Azure does with the machine comes
 * after the swarm has let go of it.
 */

/* {"master0": version of its image, ...}: the masters that Azure has, none where
 * there is no group; null in place of a version: it is being deleted.  Caller frees;
 * NULL with e.  (swarm/images.c) */
cJSON *masters_there(struct session *s, bool there, struct err *e);

/* Their public addresses, as Azure has them now: a connection that is kept knows
 * those of before.  m is empty; released by the caller. */
int masters_list(struct session *s, struct masters *m, struct err *e);
/* That deploy-compute takes these away. */
void masters_say_left(struct session *s, const cJSON *names);
/*
 * Take away the masters of that list, each out of service, out of raft, and
 * with its machine, interface and address; asked first.  Refused when the others
 * would be no majority at any moment.
 */
int masters_take_away(struct session *s, const cJSON *names, struct err *e);

/* Azure has that master and its power is off, and it is not Ready by that table
 * (way_nodes): said, and what to do. */
bool masters_is_off(struct session *s, const char *name, const cJSON *nodes);

/* Refused when the other masters that can be reached would be no majority while
 * that one is away, and comes back; the only one may. */
int masters_spare(struct docker *d, const char *host, struct err *e);
/* Azure restarts its machine, and says that it has. */
int masters_restart(struct session *s, const char *name, struct err *e);

/* deploy-compute's, for a command that is made of others (swarm/deploy.c).
 * alone: nobody waits for a swarm. */
int deploy_again(struct session *s, bool alone, struct err *e);

#endif
