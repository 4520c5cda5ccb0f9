#ifndef SWARM_AGENTS_H
#define SWARM_AGENTS_H

#include "swarm/instances.h"
#include "swarm/way.h"

/* What the commands on agents share: Azure's machines (instances.h) taken
 * along the way of the swarm (way.h). */

/* The host names of n machines; the caller frees the array, not the names. */
const char **agents_hosts(const struct instance *vm, size_t n);
/* Fill in their private addresses, of one list of Azure's; where there is
 * such an object (not NULL), by host name into it, too. */
int agents_addresses(struct session *s, struct instances *a, cJSON *by_host,
		     struct err *e);
/* Have the way know those of n machines, to say how far each is.  Does nothing
 * where the swarm cannot be asked. */
int agents_places(struct way *w, struct instance *vm, size_t n, struct err *e);
/* Fill in how many tasks each has, and whether it is on its way out. */
int agents_count_tasks(struct way *w, struct instances *a, struct err *e);
/*
 * The first n of them out of service, a quarter of all at a time, and each
 * part taken away by that action when it is out.  Where the swarm cannot be
 * asked, and for machines that are off, the action alone; before a deletion
 * they are shut down in order then.  what: "to be deleted", behind names.
 */
int agents_take(struct session *s, struct way *w, const struct instance *vm,
		size_t n, size_t all, const char *action, unsigned flags,
		const char *what, struct err *e);

/*
 * The end of what brought machines into service (rebalance.c): with
 * REBALANCE=auto tasks are spread, else it is said when that is worth it.
 * coming: hosts that will be nodes soon.  Does nothing where the swarm cannot
 * be asked.
 */
int rebalance_at_end(struct session *s, struct way *w,
		     const char *const *coming, size_t n, struct err *e);

#endif
