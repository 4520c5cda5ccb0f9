#ifndef SWARM_UPGRADE_H
#define SWARM_UPGRADE_H

#include "docker/docker.h"
#include "node/files.h"
#include "swarm/session.h"

/*
 * What a machine that is made now would get, by the parameters that are here,
 * for each role.
 */
enum upgrade_role { UPGRADE_MASTER, UPGRADE_AGENT, UPGRADE_ROLES };

struct upgrade_files {
	struct files files;
	char program[65]; /* SHA-256 of the program's file */
};

/* ERR_DATA when there are no parameters, or none that can be read.  Burn all of
 * want whatever the result; it is zeroed by the caller. */
int upgrade_read(struct session *s, struct upgrade_files want[UPGRADE_ROLES],
		 struct err *e);
void upgrade_burn(struct upgrade_files want[UPGRADE_ROLES]);

/*
 * Host names of those nodes whose agents tell of other files than a machine
 * would get that is made now, a comma between them; how many they are.  0 also
 * where there are no parameters to hold them against.
 */
size_t upgrade_drift(struct session *s, const struct docker_node *nodes,
		     size_t n, struct buf *names);

/* `upgrade`; off: how many machines are, and so were left out. */
int upgrade_all(struct session *s, size_t *off, struct err *e);

/* Bring services that run as another build of this program to this one
 * (swarm/services.c): those that are to be, how many, with dry. */
int services_move(struct session *s, struct docker *d, bool dry, size_t *n,
		  struct err *e);

#endif
