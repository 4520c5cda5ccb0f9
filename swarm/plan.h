#ifndef SWARM_PLAN_H
#define SWARM_PLAN_H

#include "swarm/session.h"

/* What a deployment would change, as rows to print; see plan.c. */

#define EXIT_PENDING 5 /* of plan: there is something to change */
#define PLAN_SIZES_MAX 8

enum plan_kind {
	/* what becomes of a resource or a property */
	PLAN_CREATE,
	PLAN_DELETE,
	PLAN_MODIFY,
	PLAN_DEPLOY,
	PLAN_UNSUPPORTED,
	PLAN_UNCHANGED,
	PLAN_IGNORE,
	/* a size or a quota: enough, or not */
	PLAN_CHECK,
	PLAN_REFUSED,
	PLAN_KINDS
};

/* All printable; "" where there is nothing. */
struct plan_row {
	enum plan_kind kind;
	char *type, *name;
	char *property; /* "": the resource itself */
	char *before, *after, *reason;
};

struct plan_size {
	const char *name;	 /* in the changes */
	int64_t more;		 /* machines to come, less those that go */
	int64_t vcpus;		 /* of one */
	unsigned zones, offered; /* asked for, to be had: bits */
	char family[64], architecture[16];
	char why[64]; /* it is not to be had */
};

struct plan {
	struct plan_row *rows;
	size_t n_rows;
	unsigned counts[PLAN_KINDS]; /* of resources */
	struct plan_size sizes[PLAN_SIZES_MAX];
	size_t n_sizes;
	/* of the changes: what is there now, and after the deployment */
	struct plan_agents {
		const char *size; /* NULL: no scale set */
		int64_t before, after;
		int64_t most; /* MAX_AGENT_COUNT; 0: not known */
	} agents;
	int64_t addresses_before, addresses_after;
	struct err refused; /* the first check that failed */
};

void plan_init(struct plan *p);
void plan_release(struct plan *p);
/* Ask; -1 also when Azure's answer tells of an error.  body: of the deployment,
 * to which the what-if's own settings are added. */
int plan_what_if(struct session *s, cJSON *body, struct azure_reply *r,
		 struct err *e);
/*
 * Rows for the changes of a what-if.  Secrets in changes are overwritten.
 * properties: of the deployment, for its secure parameters and for the names
 * that its template knows.
 */
void plan_changes(struct plan *p, cJSON *changes, const cJSON *properties);
/* Rows for sizes, and for quotas of cores and addresses; what fails is in
 * p->refused.  What will not be enough for MAX_AGENT_COUNT, which p->agents.most
 * may say, is told.  p points into changes then. */
int plan_checks(struct plan *p, struct session *s, const cJSON *changes,
		struct err *e);
/* Parts of that, for who counts otherwise.  More machines of a size, less when
 * negative; NULL: it has no name, or there are too many.  name is kept. */
struct plan_size *plan_more(struct plan *p, const char *name, int64_t more);
/* Fill in what the sizes are, and why one is not to be had. */
int plan_ask_sizes(struct plan *p, struct session *s, struct err *e);
/* Whether the quota of this name is about these sizes; *more: the cores it would
 * have to hold beside those in use. */
bool plan_cores(const struct plan *p, const char *quota, int64_t *more);
/* Azure's list of those quotas.  Caller frees. */
char *plan_quota_path(const struct session *s);
/* Whether the quota of this name is about public addresses as ours are, and the
 * list of those. */
bool plan_addresses(const char *quota);
char *plan_addresses_path(const struct session *s);
/* Whether there is something to change. */
bool plan_pending(const struct plan *p);
int plan_print(const struct plan *p, struct ui *ui, struct err *e);

#endif
