#ifndef EMULATOR_ARM_RESOURCE_H
#define EMULATOR_ARM_RESOURCE_H

#include "emulator/ops.h"
#include "emulator/request.h"
#include "emulator/store.h"

/*
 * A resource on its way in, from a request or from a template.  Whoever makes
 * one fills id, api and dry; resource_put() the rest.
 */
struct put {
	char *id; /* canonical, mixed case */
	const char *api;
	bool dry; /* only look: nothing is stored, references may not
					   exist yet */

	/* for the type's put() */
	const struct rtype *type;
	const char *name; /* last name of id */
	const char *group_location;
	struct entry *old; /* NULL: new */
	cJSON *doc;   /* in: id, name, type, location, ... and properties of the
					   body without nulls; out: what is stored */
	cJSON *props; /* its properties */

	/* from the type's put() */
	struct fault f;
	cJSON *hide;	/* to be stored with it; old's is kept when NULL */
	op_run *work;	/* instead of waiting type->work_ms */
	cJSON *args;	/* for work */
	bool unchanged; /* answer 200 at once, no operation */

	/* results */
	struct entry *entry;
	bool created;
	struct op *op; /* NULL: it is done already */
};

/* What a type is like, where types differ. */
enum {
	R_TRACKED = 1,	  /* has a location, is listed among resources */
	R_INSIDE = 2,	  /* reached through the action() of what contains it */
	R_PRETTY = 4,	  /* its answers are indented */
	R_NEW_IS_200 = 8, /* a PUT answers 200, not 201, when it is new */
	R_DELETE_AT_ONCE = 16, /* although other work on it is an operation */
	R_PARTS = 32, /* named things in its properties have ids and can be asked for */
	R_ETAG_UNIQUE = 64,   /* its etag is a new id each time, */
	R_ETAG_COUNTED = 128, /* or a number that grows */
	R_NESTED_FIRST = 512, /* while something is in it, it cannot be deleted */
	R_NEW_IS_UPDATING = 256, /* its state is "Updating" also while it is made */
};

/*
 * A type of resource: everything that the general code has to know about it.
 * NULL and 0 are good for whatever a type has no wish about.
 */
struct rtype {
	const char *name;     /* "Microsoft.Network/virtualNetworks" */
	const char *versions; /* of the API, newest first, ", " between */
	enum op_style style;  /* of the operations that change it */
	unsigned work_ms;     /* how long those take */
	unsigned flags;	      /* R_... */
	const char *in_use; /* code of the refusal to delete it while something refers to it */
	const char *missing; /* "CODE: TEXT" when it is not there; NULL: ARM's own words */
	/* a list behind its name that belongs to another provider, and so has that
	 * one's versions */
	const char *foreign_list;

	/* Check p->doc and make of it what is stored.  NULL: it cannot be put. */
	int (*put)(struct emu *m, struct put *p);
	/* May this body change what is there?  It has not been merged yet. */
	int (*patch)(struct request *r, const cJSON *body);
	/* Before it is removed, in its operation; may let the lock go. */
	int (*remove)(struct emu *m, const char *key, struct fault *f);
	/* It is about to leave the store: so must what it has elsewhere. */
	void (*forget)(struct emu *m, const struct entry *n);
	/* What GET answers; default: a copy of doc. */
	cJSON *(*show)(struct emu *m, const struct entry *n);
	/* Add to such a document what $expand asks for. */
	void (*expand)(struct request *r, const struct entry *n, cJSON *doc);
	/* What follows type/name: a verb, a list of children.  1: not mine. */
	int (*action)(struct request *r, struct entry *n, char **verb);
	/* A template's listNAME() of it; NULL: there is no such list. */
	cJSON *(*list)(const struct entry *n, const char *name);
};

bool resource_version_known(const char *versions, const char *api);

/*
 * Create or update the resource with this id.  The body is read only.  0:
 * p->entry, p->op; -1: p->f.  p is zeroed by the caller except id, api and dry;
 * resource_put_release() afterwards.
 */
int resource_put(struct emu *m, struct put *p, const cJSON *body);
void resource_put_release(struct put *p);
/* Its "timeCreated" and unique id, called name, are the old one's, or new. */
void resource_born(struct put *p, const char *name);
/* What id refers to exists, or p is dry; otherwise InvalidResourceReference. */
int resource_need_reference(struct emu *m, struct put *p, const char *id);
int resource_no_reference(struct put *p, const char *id)
	__attribute__((cold)); /* refuse */
/* Begin the removal of n; *op is NULL when it is done already. */
int resource_delete(struct emu *m, struct entry *n, const char *api,
		    struct op **op, struct fault *f);
/* Take it out of the store, and what it has elsewhere with it. */
void resource_forget(struct emu *m, struct entry *n);

/* What GET answers. */
cJSON *resource_show(struct emu *m, const struct entry *n);
/* The same with what $expand asks for. */
cJSON *resource_show_asked(struct request *r, const struct entry *n);

/* That, as the answer. */
int resource_answer(struct request *r, const struct entry *n);

/* What follows providers/ in a group: namespace, type, name, ... */
int resource_route(struct request *r, struct entry *group, char **seg);
/* Answer all entries of that type (NULL: those without one) below key. */
int resource_list(struct request *r, const struct rtype *t, const char *key,
		  const char *tail, size_t page);
/* Answer what is tracked below key, in brief, and as $filter wants it. */
int resource_list_tracked(struct request *r, const char *key);
int resource_unknown_type(struct request *r, const char *ns, const char *type)
	__attribute__((cold));

/* What Microsoft.Resources calls itself by. */
#define RESOURCES_VERSIONS \
	"2026-06-01, 2025-04-01, 2025-03-01, 2024-11-01, 2024-07-01, 2024-03-01, 2023-07-01, " \
	"2022-09-01, 2021-04-01, 2021-01-01, 2020-10-01, 2020-06-01, 2019-10-01, 2019-08-01, " \
	"2019-05-01, 2018-05-01, 2018-02-01, 2017-05-10, 2016-09-01"

#endif
