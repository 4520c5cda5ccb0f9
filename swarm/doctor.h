#ifndef SWARM_DOCTOR_H
#define SWARM_DOCTOR_H

#include "swarm/survey.h"

/*
 * What `doctor` looks at, layer by layer: from this machine to Azure
 * (doctor_azure.c), the machines and what is between them (doctor_nodes.c).
 * Everything only looks, and nothing makes a later layer impossible that could
 * be asked without it.
 */
enum doctor_verdict {
	DOCTOR_OK,
	DOCTOR_WARNING, /* works, and may not for long, or not at its largest */
	DOCTOR_WRONG,
	DOCTOR_SKIPPED, /* not asked, and why */
	DOCTOR_VERDICTS
};

struct doctor {
	struct session *s;
	const char *layer;    /* of the lines to come */
	struct listing lines; /* all so far */
	unsigned counts[DOCTOR_VERDICTS];
	struct err first; /* of what is wrong */
	struct survey survey;
	int64_t ahead_s; /* of this machine's clock, before Azure's */
	/* why what comes later cannot be asked; ERR_NONE: it can */
	struct err no_reach, no_azure, no_survey;
};

/* A line: what was looked at, what was found, and what mends it ("": nothing
 * has to be).  For people it is printed at once. */
void doctor_say(struct doctor *d, enum doctor_verdict v, const char *name,
		const char *mend, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
/* That could not be looked at, or it is what is wrong: in the words of e, with
 * the advice there is for it, else mend. */
void doctor_failed(struct doctor *d, const char *name, const struct err *e,
		   const char *mend);
/* Not asked, because of e. */
void doctor_skipped(struct doctor *d, const char *name, const struct err *e);

/* ---- swarm/doctor_azure.c ---- */

void doctor_network(struct doctor *d); /* proxy, names, TLS, the clock */
void doctor_sign_in(struct doctor *d); /* sets no_azure */
void doctor_role(struct doctor *d);
void doctor_providers(struct doctor *d);
void doctor_sizes(struct doctor *d); /* and what quotas leave */
void doctor_names(struct doctor *d);

/* Whether a list of permissions, as Azure's access control has them, allows
 * the action: any of its items that names it, and does not take it away. */
bool doctor_permits(const cJSON *permissions, const char *action);

/* ---- swarm/doctor_nodes.c ---- */

void doctor_machines(struct doctor *d);
/* The managers that the survey has seen. */
void doctor_quorum(struct doctor *d);

#endif
