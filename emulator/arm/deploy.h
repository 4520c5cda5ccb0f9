#ifndef EMULATOR_ARM_DEPLOY_H
#define EMULATOR_ARM_DEPLOY_H

#include "emulator/arm/resource.h"
#include "template/template.h"

/*
 * A deployment's template, opened for its group: what deploy.c, which runs it,
 * and whatif.c, which only foretells it, share.
 */
struct deployment {
	struct emu *m;
	char *name;
	char group_name[100];
	bool dry;      /* reference() and list*() are not known */
	bool foretell; /* what-if: reference() to what is not there, list*() and
					   secure parameters stay the expressions they are */
	struct template *t;
	struct template_scope scope;
	cJSON *environment, *group; /* that scope refers to */
	uint64_t hash;		    /* of the template */
	cJSON *providers;	    /* that deployment_preflight() met */
};

/* Behind "deployments". */
int deployment_route(struct request *r, struct entry *group, char **seg);
/* Behind a deployment's "operations"; id: NULL for the list. */
int deployment_operations(struct request *r, struct entry *group,
			  const char *name, const char *id);

/* d is zeroed but for foretell; deployment_close() whatever the result. */
int deployment_open(struct deployment *d, struct emu *m, const struct entry *group,
		    const char *name, const cJSON *template,
		    const cJSON *parameters, struct fault *f);
void deployment_close(struct deployment *d);
/* The body of the ith resource; NULL with e.  Caller frees. */
cJSON *deployment_resource(struct deployment *d, size_t i, struct err *e);
/* Every resource is asked whether it would do, without being made. */
int deployment_preflight(struct deployment *d, struct fault *f);
/* The next after n (NULL: the first) that the group has and the template lacks. */
struct entry *deployment_other(struct deployment *d, struct entry *n);
/* An error of the template, as Azure words it: 400. */
void deployment_fault(const struct err *e, struct fault *f);

/* whatif.c: POST .../whatIf, the body being checked: 202, and later the changes. */
int whatif_begin(struct request *r, struct entry *group, const char *name);

#endif
