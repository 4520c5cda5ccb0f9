#ifndef TEMPLATE_TEMPLATE_H
#define TEMPLATE_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"

/*
 * Azure Resource Manager templates, evaluated: parameters, variables,
 * resources with copy loops, conditions and dependencies, outputs.  Does no
 * I/O and asks no clock; what a template wants to know of the world comes
 * from the scope.
 *
 * A nested deployment is a resource whose body has the template and the
 * parameters to open it with, template_nested(); who calls does that.
 *
 * Not here, refused by name ("not known to the local Azure"): templates for
 * scopes other than a resource group, experimental language versions.
 *
 * Errors have kind ERR_AZURE and a message of the form "CODE: TEXT", which
 * template_error() takes apart for an error body.  A callback's error is
 * passed on as it is.
 */
struct template;

/* Everything here must outlive the template. */
struct template_scope {
	const char *subscription_id; /* the ids and names: not NULL */
	const char *tenant_id;
	const char *group_name;
	const cJSON *group;	  /* what resourceGroup() gives, or NULL */
	const cJSON *environment; /* environment(), or NULL */
	const char *deployment_name;
	const char *mode;	   /* NULL: "Incremental" */
	const char *template_hash; /* NULL: "" */
	int64_t now;		   /* unix seconds, for utcNow() */
	bool hide_secure; /* secure parameters are "not known", as below */

	/*
	 * reference(): the properties of the resource or, if full is set, all
	 * of it (properties, location, sku, ..., as a GET would).
	 * api_version is "" when neither template nor expression names one.
	 * Returns a new document (the evaluator frees it); NULL with e set is
	 * an error; NULL without means "cannot be known now": the string that
	 * holds the expression then stays as it is written, as in a what-if.
	 */
	cJSON *(*reference)(void *ctx, const char *id, const char *api_version,
			    bool full, struct err *e);
	/* listKeys() and other functions whose name starts with list; name
	 * as it is written in the template, body may be NULL. */
	cJSON *(*list)(void *ctx, const char *name, const char *id,
		       const char *api_version, const cJSON *body, struct err *e);
	/* providers(): the namespace, {"namespace", "resourceTypes": [...]};
	 * NULL, or without one, it is not known to the local Azure. */
	cJSON *(*provider)(void *ctx, const char *ns);
	void *ctx;
};

struct template_resource {
	const char *id; /* "/subscriptions/S/resourceGroups/G/providers/T/N" */
	const char *type; /* "Microsoft.Network/virtualNetworks/subnets" */
	const char *name; /* "vnet/masters" */
	const char *api_version;
	bool deploy; /* false: its condition says no, or it is "existing" */
	bool nested; /* a deployment */
	/* Indexes of resources that must be deployed (or not be wanted)
	 * before: dependsOn, reference() and list*() in the body, parents
	 * it is nested in, earlier batches of a serial copy.  Each once. */
	const size_t *after;
	size_t after_n;
};

/*
 * Check a template and its parameters, expand its copy loops, order its
 * resources.
 *
 * doc         the template ("properties.template"); must outlive the result
 * parameters  {"name": {"value": ...}, ...} or NULL; only read during the call
 * scope       read during the template's life
 *
 * Every expression is tried, with reference() and list*() taken as not known
 * yet, so that a template that opens is one whose mistakes can only come from
 * what the resources answer.  No callback is called.
 * Returns NULL with e set ("InvalidTemplate: Deployment template validation
 * failed: '...'").  NULL without it is for nested deployments whose parameters
 * are not all known: that which is not is in a name, a condition or a count.
 */
struct template *template_open(const cJSON *doc, const cJSON *parameters,
			       const struct template_scope *scope, struct err *e);

/* The resources, in the order of the template, copies and children in place;
 * the array lives as long as the template. */
const struct template_resource *template_resources(struct template *t, size_t *n);

/*
 * The body of resource i, evaluated: location, sku, zones, tags, properties
 * and whatever else it has, without type, name, apiVersion and what only
 * the template language reads (copy, condition, dependsOn, resources,
 * comments, scope).  Members that evaluate to null are left out, as
 * providers take them for absent.  Call it when everything in .after is
 * deployed.  NULL with e set.
 */
cJSON *template_resource(struct template *t, size_t i, struct err *e);

/*
 * What a nested deployment, whose body that is, deploys: its template and its
 * parameters, within body.  In there, expressions that cannot be known now are
 * marked; only template_open() knows how.  NULL with e set: there is none.
 */
const cJSON *template_nested(const cJSON *body, const cJSON **parameters,
			     struct err *e);

/* {"name": {"type": "String", "value": ...}}; secure ones have no value;
 * those whose condition is false are left out.  NULL with e set. */
cJSON *template_outputs(struct template *t, struct err *e);

/* The parameters in force, defaults included, in the same form; secure ones
 * without their value. */
cJSON *template_parameters(struct template *t);

/* Burns parameter values. NULL does nothing. */
void template_free(struct template *t);

/* Split an error of this module, or of callbacks that keep its form: the
 * code, and the text behind ": ".  Without a code the code is
 * "InternalServerError". */
struct str template_error(const struct err *e, struct str *text);

/* One expression "[...]" by itself, for tests and the fuzzer; t may be NULL
 * (no parameters, no variables, no scope).  NULL with e set. */
cJSON *template_expression(struct template *t, const char *text, struct err *e);

/*
 * Strict JSON out of what Resource Manager lets pass and others rely on: names
 * without quotes, single quotes, comments, line ends in strings, a comma too
 * many.  Garbage stays garbage.
 */
void template_strict_json(struct str text, struct buf *out);

#endif
