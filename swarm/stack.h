#ifndef SWARM_STACK_H
#define SWARM_STACK_H

#include "compose/compose.h"
#include "docker/docker.h"
#include "swarm/session.h"

/*
 * Stacks: what a compose file says, and what of it the Engine has.  Only the
 * files swarm/stack*.c share this.
 */
#define STACK_LABEL "com.docker.stack.namespace"
#define STACK_DEMO "test-stack" /* the one that is deployed without a file */
#define STACK_ANSWER_MAX (2u << 20) /* a config has 1000 KiB, in base64 */

/* Who is of what stack, as far as it is looked at: no bytes of configs are
 * kept. */
struct stack_has {
	/* as GET /services has them: of this stack; of others, and of none */
	cJSON *services, *others;
	/* all of the swarm, objects: ID, Version, Name, Labels, Hash
	 * (SHA-256 of the data, hex; "" of a secret); of networks ID, Name,
	 * Labels, Scope, Driver, Internal, Attachable */
	cJSON *networks, *configs, *secrets;
};
/* 0 or -1; stack_has_release(h) either way. */
int stack_has_read(struct docker *d, const char *stack, struct stack_has *h,
		   struct err *e);
void stack_has_release(struct stack_has *h); /* a zeroed one, too */
/* The element whose Name it is; NULL: none. */
const cJSON *stack_named(const cJSON *list, const char *name);
/* Whether it has the label of that stack. */
bool stack_of(const cJSON *item, const char *stack);
const char *stack_service_name(const cJSON *service); /* Spec.Name */

/* ---- names of what is inside (swarm/stack_names.c) ---- */

/*
 * Name the file's configs and secrets by their content, STACK_KEY_<12 hex>, also where
 * its services name them: what has changed is another, so that services roll to it
 * and nobody is in the way.  External ones and those that the file names stay.
 *
 * key  KEYS_BACKUP_LEN bytes, keys/backup.key: a key derived from it makes the hash of
 *      a secret, which alone would tell who guesses its bytes.  That key is never
 *      rotated; where another folder of keys/ deploys a stack, all its secrets get
 *      other names, and its services roll once
 */
void stack_names(struct compose *c, const uint8_t *key);
/* Whether that is such a name, of that stack. */
bool stack_by_content(const char *name, const char *stack);
/* Tell the services the IDs of their configs and secrets; what has none yet
 * is left out. */
void stack_ids(struct compose *c, const struct stack_has *has);

/* ---- what differs (swarm/stack_diff.c) ---- */

enum stack_change { STACK_CREATE, STACK_MODIFY, STACK_DELETE };
/* Rows for --dry-run. */
struct stack_rows {
	cJSON *list; /* arrays of texts */
	size_t n;
};
void stack_row(struct stack_rows *r, enum stack_change c, const char *type,
	       const char *name, const char *property, const char *before,
	       const char *after);
/* A row for each property in which the service that is there is not as spec
 * has it; what the Engine fills in is no difference.  Values of variables
 * that sound like secrets are not shown. */
void stack_diff(struct stack_rows *r, const cJSON *has, const cJSON *spec,
		const struct stack_has *all);
int stack_rows_print(const struct stack_rows *r, struct ui *ui, struct err *e);
void stack_rows_release(struct stack_rows *r);

/* ---- private registries (swarm/stack_auth.c) ---- */

/*
 * What docker sends as X-Registry-Auth for an image: of
 * $DOCKER_CONFIG/config.json (~/.docker), auths and credential helpers; for
 * *.azurecr.io, .cn and .us, where that has none, a token of the registry's by
 * the sign-in that is there.  *auth gets it, burned and freed by the caller;
 * NULL: there are no credentials for that registry.
 */
int stack_auth(struct session *s, const char *image, char **auth, struct err *e);

/* ---- what goes (swarm/stack_remove.c) ---- */

/* Remove configs and secrets of the stack that c has not and no service of
 * it uses, of those that are named by their content; with all, all of them,
 * and networks.  With rows (not NULL) it is only noted what would go once
 * the services are as c has them. */
int stack_sweep(struct session *s, struct docker *d, const struct compose *c,
		bool all, struct stack_rows *rows, struct err *e);
/*
 * After services went or were changed, with rc and e of all that came before:
 * ports that nobody publishes any more are closed also where the Engine did not
 * do all of it (ERR_DOCKER), and that stays the error.  Not where it did not
 * answer, where somebody has stopped us, or where an update may yet go back
 * (ERR_TIMEOUT).
 */
int stack_ports_close(struct session *s, struct docker *d, int rc, struct err *e);
int stack_network_remove(struct session *s, struct docker *d, const char *id,
			 const char *name, struct err *e);

#endif
