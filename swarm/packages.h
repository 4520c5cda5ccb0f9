#ifndef SWARM_PACKAGES_H
#define SWARM_PACKAGES_H

#include "swarm/survey.h"

/*
 * upgrade --engine, upgrade --reboot: machines' own packages.  Docker's are brought
 * to the newest that the machine's sources have, and a machine whose updates want
 * it is restarted: out of service first, one at a time, and none after one that did
 * not come back.
 */
struct packages_machine {
	const char *host, *address; /* address "": not known */
	bool master, ready;	    /* ready: a node in the table */
	/* what was seen there */
	bool engine, reboot; /* to be done */
	char version[64];    /* the engine's own word; "": it does not answer */
};

/* n machines in the order in which they are to be done, by s->engine, s->reboot and
 * s->dry_run; v's connection to a master is taken over. */
int packages_renew(struct session *s, struct survey *v,
		   struct packages_machine *m, size_t n, struct err *e);

#endif
