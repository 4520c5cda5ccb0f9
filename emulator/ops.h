#ifndef EMULATOR_OPS_H
#define EMULATOR_OPS_H

#include "emulator/fault.h"
#include "emulator/inner.h"

/* How an operation is polled: every provider has its way.  The state file has
 * these numbers: new ones go to the end. */
enum op_style {
	OP_NONE, /* synchronous */
	OP_COMPUTE,
	OP_NETWORK,
	OP_STORAGE, /* 202 and Location */
	OP_JOB,	    /* ARM's own: operationresults */
	OP_DEPLOYMENT,
	OP_GALLERY, /* capsOperations */
};

enum op_status { OP_RUNNING, OP_SUCCEEDED, OP_FAILED, OP_CANCELED };

/* The work, in a thread of its own, with the lock held.  -1 with f. */
typedef int op_run(struct emu *m, struct op *op, struct fault *f);

struct op {
	struct op *next;
	struct emu *m;

	/* what it is, and about which resource */
	char id[64];
	enum op_style style;
	char *key; /* of the resource */
	char *location;
	char *api; /* poll URLs carry it */

	/* the work */
	op_run *run;
	cJSON *args; /* for run */
	cJSON *busy; /* keys of the entries it keeps busy */
	bool cancel;
	bool pinned; /* somebody waits for it: not forgotten */

	/* how it stands, or ended */
	enum op_status status;
	int64_t started, ended;
	struct fault fault;
	cJSON *output;	      /* of runCommand and whatIf */
	unsigned done_status; /* of a Location poll: 200, or 204 */
};

/*
 * Begin an operation.  Takes args and busy (keys to be marked busy until it
 * ends; may be NULL).  NULL with f when there are too many.
 */
struct op *op_start(struct emu *m, enum op_style style, const char *location,
		    const char *key, const char *api, op_run *run, cJSON *args,
		    cJSON *busy, struct fault *f);
struct op *op_find(struct emu *m, struct str id);
const char *op_word(const struct op *op); /* "InProgress", "Succeeded", ... */
/* An operation is at work on n: 409. */
int op_refuse_busy(const struct entry *n, struct fault *f);
/* Let ms pass without the lock.  -1 when the emulator stops. */
int op_sleep(struct emu *m, unsigned ms);
/* Let something change, for at most ms.  -1 when the emulator stops. */
int op_wait(struct emu *m, unsigned ms);
void op_wait_all(struct emu *m); /* at the end, bounded */
void op_release_all(struct emu *m);

#endif
