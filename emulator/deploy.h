#ifndef EMULATOR_DEPLOY_H
#define EMULATOR_DEPLOY_H

#include "emulator/inner.h"
#include "template/template.h"

/* A deployment's template, opened for its group: what runs it (arm_deploy.c)
 * and what only foretells it (whatif.c) share. */
struct deployment {
	struct emu *m;
	struct template *t;
	struct template_scope scope;
	cJSON *environment, *group;
	cJSON *providers;		/* that deployment_preflight() met */
	uint64_t hash;			/* of the template */
	bool dry;			/* references are not known */
	bool foretell;			/* nor are those to what is not there, nor secure parameters */
	char *name;
	char group_name[100];
};

/* d is zeroed but for foretell; deployment_close() whatever the result. */
int deployment_open(struct deployment *d, struct emu *m, const struct entry *group,
		    const char *name, const cJSON *template, const cJSON *parameters,
		    struct fault *f);
void deployment_close(struct deployment *d);
/* Every resource is asked whether it would do, without being made. */
int deployment_preflight(struct deployment *d, struct fault *f);

/* The next after n (NULL: the first) that the group has and the template lacks. */
struct entry *deployment_other(struct deployment *d, struct entry *n);

/* An error of the template, as Azure words it: 400. */
void template_fault(const struct err *e, struct fault *f);

/* POST .../whatIf, the body being checked: 202, and later the changes. */
int what_if_call(struct call *c, struct entry *group, const char *name);

#endif
