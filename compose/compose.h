#ifndef COMPOSE_COMPOSE_H
#define COMPOSE_COMPOSE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/json.h"

/*
 * A compose file, as 'docker stack deploy' takes it, in the Engine's terms: what
 * that program would have POSTed, of the same file.  Reads files, and asks nobody.
 *
 * It is another where docker's is of no use to anybody, and nowhere else (sh/compose):
 *
 *  - $V-x is V and "-x", not V, and ${A:-${B}} is substituted through; ${V:+x} is taken
 *  - AZURE_*, ARM_* and ACTIONS_* are never substituted, nor passed on
 *  - a date is its text, and true in an environment "true"
 *  - what docker refuses for its schema is older than the Compose Specification is
 *    taken: build without an image (it is STACK-SERVICE), depends_on as a map, name:,
 *    texts for numbers and numbers for texts, content: of a config
 *  - a name that is there twice is refused; so is what is too much of anything
 *
 * Source: Compose file reference version 3.13 and the Compose Specification, as far as
 * Swarm knows them; Docker Engine API, bodies of /services/create, /networks/create,
 * /configs/create, /secrets/create.
 */
struct compose_source {
	const char *path; /* of the file; what it names is beside it */
	struct str text; /* p not NULL: the file's text, and path is only its name */
	const char *stack; /* the name to take; NULL: the file's, or its folder's */
	/* What ${NAME} is; NULL: not set.  compose_read() never asks for names that
	 * compose_never() has. */
	const char *(*var)(void *ctx, const char *name);
	void *ctx;
};

struct compose {
	char *stack; /* the stack's name */
	/*
	 * Arrays, in the order in which they are to be made:
	 * networks: bodies of POST /networks/create, or { "Name", "External": true };
	 * configs, secrets: bodies of POST /configs/create and /secrets/create, Data in
	 * base64 (burned by compose_release), or { "Name", "External": true }; beside
	 * that "Named": true where the file gave the name, which is else STACK_KEY;
	 * services: bodies of POST /services/create.  A service names its networks
	 * (Target), configs and secrets (ConfigName, SecretName; no ID) as these do.
	 */
	cJSON *networks, *configs, *secrets, *services;
	/* What Swarm does not look at, "web: build", each once. */
	cJSON *ignored;
};

/* 0 or -1: ERR_DATA with file, line and column.  compose_release(c) either way. */
int compose_read(const struct compose_source *from, struct compose *c,
		 struct err *e);
void compose_release(struct compose *c); /* a zeroed one, too */
/* Whether a variable is never substituted nor passed on by its name: AZURE_*, ARM_*
 * and ACTIONS_* are an operator's credentials. */
bool compose_never(const char *name);

#endif
