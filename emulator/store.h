#ifndef EMULATOR_STORE_H
#define EMULATOR_STORE_H

#include "emulator/inner.h"

struct rtype;

/* One resource: a group, a machine, a share, a deployment, a blob. */
struct entry {
	struct entry *next, **at; /* in the list; what points to it there */
	struct entry *same;	  /* the next with such a hash */
	uint32_t hash;		  /* of key */
	char *key; /* lower-case id; a blob's is "blob:account/container/name" */
	cJSON *doc;  /* what GET answers */
	cJSON *hide; /* what it never answers: keys, custom data, power */
	const struct rtype *type; /* NULL for groups, deployments, blobs */
	unsigned busy;		  /* operations at work on it; not kept */
};

int store_load(struct emu *m, struct err *e); /* or makes a new state */
int store_save(struct emu *m, struct err *e);
void store_release(struct emu *m);
void store_changed(struct emu *m); /* save it, wake whoever waits */

struct entry *store_find(struct emu *m, const char *id); /* any case */
/* Owns doc and hide. */
struct entry *store_add(struct emu *m, const char *id, cJSON *doc, cJSON *hide);
void store_remove(struct emu *m, struct entry *n);
/* The entries whose key begins with prefix (lower case), after NULL the first. */
struct entry *store_next(struct emu *m, struct entry *after, const char *prefix);
/* Those whose key begins with key and goes on with tail. */
struct entry *store_below(struct emu *m, struct entry *after, const char *key,
			  const char *tail);
/* Those of one type, "Microsoft.Compute/virtualMachines". */
struct entry *store_typed(struct emu *m, struct entry *after, const char *type);
/* The document with that id, which may be part of another: a subnet, a pool. */
const cJSON *store_doc(struct emu *m, const char *id);
/* "subnets/x" in doc: what is called so in its properties; doc for "". */
const cJSON *store_part(const cJSON *doc, const char *path);
/*
 * First entry whose document names id or something below it; not self, not
 * below it, nor what it is a part of.
 */
struct entry *store_referrer(struct emu *m, const char *id);

void entry_state(struct entry *n,
		 const char *state); /* properties.provisioningState */
bool entry_is(const struct entry *n, const char *state);

#endif
