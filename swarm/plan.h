#ifndef SWARM_PLAN_H
#define SWARM_PLAN_H

#include "swarm/session.h"

/* What a deployment would change, as rows to print; see plan.c. */

#define EXIT_PENDING 5			/* of plan: there is something to change */
#define PLAN_SIZES_MAX 8

struct plan_size {
	const char *name;		/* in the changes */
	int64_t more, vcpus;		/* machines to come (less those that go); of one */
	unsigned zones, offered;	/* bits */
	char family[64], why[64];	/* why: not to be had */
};

struct plan {
	struct listing rows;
	unsigned counts[10];		/* resources by kind */
	struct plan_size sizes[PLAN_SIZES_MAX];
	size_t n_sizes;
	struct err refused;		/* the first check that failed */
};

void plan_init(struct plan *p);
void plan_release(struct plan *p);
/* Ask; -1 also when Azure's answer tells of an error.  body: of the deployment, gets settings. */
int plan_what_if(struct session *s, cJSON *body, struct azure_reply *r, struct err *e);
/*
 * Rows for the changes of a what-if.  Secrets in changes are overwritten.
 * properties: of the deployment, for its secure parameters and for the names
 * that its template knows.
 */
void plan_changes(struct plan *p, cJSON *changes, const cJSON *properties);
/* Rows for sizes and quota; what fails is in p->refused.  p points into changes then. */
int plan_checks(struct plan *p, struct session *s, const cJSON *changes, struct err *e);
bool plan_pending(const struct plan *p);
int plan_print(struct plan *p, struct ui *ui, struct err *e);

#endif
