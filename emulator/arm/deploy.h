#ifndef EMULATOR_ARM_DEPLOY_H
#define EMULATOR_ARM_DEPLOY_H

#include "emulator/arm/resource.h"
#include "template/template.h"

#define DEPLOYMENTS \
	"/providers/microsoft.resources/deployments/" /* between a group's key and a name */
/* Deployments in deployments; ours, and so is the next: resources of all of
 * them together. */
#define NESTED_MAX 8
#define NESTED_RESOURCES_MAX 4000
#define DEPLOYMENTS_MAX 800 /* Azure's, in the history of a group */

/*
 * A deployment's template, opened for its group: what deploy.c, which runs it,
 * whatif.c, which only foretells it, and nested.c share.
 */
struct deployment {
	struct emu *m;
	char *name;
	char group_name[100];
	bool dry;      /* reference() and list*() are not known */
	bool foretell; /* what-if: reference() to what is not there, list*() and
					   secure parameters stay the expressions they are */
	unsigned level; /* of the deployments that it is nested in */
	struct template *t;
	struct template_scope scope;
	cJSON *environment, *group; /* that scope refers to */
	char *mode, hash_text[24];  /* the same */
	uint64_t hash;		    /* of the template */
	cJSON *providers;	    /* that deployment_preflight() met */
	cJSON *made; /* ids of what is in nested deployments, as far as known */
};

/* What a deployment begins with. */
struct deployment_start {
	const cJSON *template, *parameters;
	const char *mode, *correlation; /* NULL: a new one */
	const char *id, *api;
};

/* Behind "deployments". */
int deployment_route(struct request *r, struct entry *group, char **seg);
/* Behind a deployment's "operations"; id: NULL for the list. */
int deployment_operations(struct request *r, struct entry *group,
			  const char *name, const char *id);

/*
 * d is zeroed but for foretell and level; deployment_close() whatever the
 * result.  1, of a nested deployment: its parameters are not all known, and
 * without them nothing can be said.
 */
int deployment_open(struct deployment *d, struct emu *m, const struct entry *group,
		    const char *name, const char *mode, const cJSON *template,
		    const cJSON *parameters, struct fault *f);
void deployment_close(struct deployment *d);
/* The body of the ith resource; NULL with e.  Caller frees. */
cJSON *deployment_resource(struct deployment *d, size_t i, struct err *e);
/* Every resource is asked whether it would do, without being made. */
int deployment_preflight(struct deployment *d, struct fault *f);
/* The deployment, which is open and did pass, takes its place in the group,
 * and its run begins.  NULL with f. */
struct op *deployment_begin(struct deployment *d, const struct entry *group,
			    const struct deployment_start *s, struct fault *f);
int deployment_check_name(const char *name, struct fault *f);
/* It is at work: 409. */
int deployment_refuse_active(const struct entry *n, struct fault *f);
/* The next after n (NULL: the first) that the group has and neither the
 * template nor those nested in it. */
struct entry *deployment_other(struct deployment *d, struct entry *n);
/* An error of the template, as Azure words it: 400. */
void deployment_fault(const struct err *e, struct fault *f);

/* nested.c: open what the ith resource of outer, a deployment with that body,
 * deploys; d and the result as of deployment_open(). */
int nested_open(struct deployment *d, const struct deployment *outer, size_t i,
		const cJSON *body, struct entry **group, struct fault *f);
/* Begin it, as a part of a run.  NULL with f. */
struct op *nested_begin(const struct deployment *outer, size_t i,
			const cJSON *body, const char *correlation,
			struct fault *f);
/* What deployments nested in d have made, when they have ended: adds to
 * d->made. */
void nested_collect(struct deployment *d);

/* whatif.c: POST .../whatIf, the body being checked: 202, and later the changes. */
int whatif_begin(struct request *r, struct entry *group, const char *name);

#endif
