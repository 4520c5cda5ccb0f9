#ifndef SWARM_INSTANCES_H
#define SWARM_INSTANCES_H

#include "swarm/session.h"

/*
 * The scale set's machines as Azure has them, and what Azure does with them.
 * What a machine is to the swarm is in swarm/way.h.
 */
#define INSTANCES_MAX 1000
#define INSTANCES_SINGLE_MAX 100 /* of a single placement group */

struct instance {
	char *id;	    /* "3" */
	char *name;	    /* "agents_3" */
	char *host;	    /* "agents000003" */
	char *power;	    /* "running", "stopped", ... */
	char *provisioning; /* "Succeeded", ... */
	char *address; /* its private one, once asked for; NULL: not known */
	char *size;    /* "Standard_B2s_v2" */
	/* of the swarm; filled in by who asks for it */
	unsigned tasks;
	bool leaving; /* on its way out of service already */
};

struct instances {
	struct instance *list;
	size_t n;
};

/* A bound of autoscale's, of a set deployed for so many: not what the set
 * could not have. */
int64_t instances_bound(int64_t bound, int64_t most);

/* What of an instance is looked at; NULL-ended. */
extern const char *const instances_wanted[];
/* All of them.  0 or -1; instances_release(a) either way. */
int instances_list(struct session *s, struct instances *a, struct err *e);
void instances_release(struct instances *a);
/* One more, from what Azure tells of it with its instanceView. */
void instances_add(struct instances *a, const cJSON *vm);
/* Those that ARGUMENTS name, by id, name or host name, all when there are
 * none; the others are taken out.  ERR_USAGE naming one that is not there. */
int instances_choose(struct instances *a, int argc, char **argv, struct err *e);
/* It does not run, so nothing there still has to leave the swarm. */
bool instance_is_off(const struct instance *vm);
/* Off, and its host given back: not billed. */
bool instance_is_warm(const struct instance *vm);
/* It is being deleted: no machine any more. */
bool instance_is_going(const struct instance *vm);
/* Take those out; how many they were. */
size_t instances_drop_going(struct instances *a);

/* What follows the scale set's id, "/start?..." or "?api-version=...".  Caller
 * frees. */
char *instances_path(const struct session *s, const char *rest);
/*
 * POST the set's action ("start", "poweroff?skipShutdown=false") for n machines
 * and wait, unless s->no_wait.  vm NULL: for all.  what: for who waits.
 */
int instances_act(struct session *s, const char *action, const struct instance *vm,
		  size_t n, unsigned flags, const char *what, struct err *e);

/* ---- autoscale (swarm/autoscale.c) ---- */

/*
 * Autoscale keeps the number between its bounds, and goes to its default
 * where it has no metrics: all three are moved so that it leaves wanted
 * alone, no farther than that, and back to where they were deployed when that
 * is not in the way any more.  It counts the warm machines, too, so with
 * WARM_AGENTS its bounds are those that were deployed and the warm ones on top.
 * Does nothing where there is no setting.
 */
int autoscale_fit(struct session *s, int wanted, int warm, struct err *e);
/* The setting as Azure has it; where there is none, it is not off, and the
 * numbers are -1. */
struct autoscale_state {
	bool on;
	int64_t least, most, without_metrics;
};
int autoscale_read(struct session *s, struct autoscale_state *a, struct err *e);
/*
 * Whether commands that change the number of agents left the setting so, where
 * those bounds were deployed and so many warm machines are there: then nobody
 * changed it by hand.
 */
bool autoscale_is_ours(const struct autoscale_state *a, int64_t least,
		       int64_t most, int64_t warm);
/* Switch it off while machines are stopped on purpose, and on again. */
int autoscale_enable(struct session *s, bool on, struct err *e);

#endif
