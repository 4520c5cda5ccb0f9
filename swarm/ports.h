#ifndef SWARM_PORTS_H
#define SWARM_PORTS_H

#include "docker/docker.h"
#include "swarm/rules.h"
#include "swarm/swarm.h"

/*
 * Ports follow: rules of the agents' load balancer and of their security group
 * are what the swarm publishes, and what deploying made them with (TCP 80 and
 * 81, which stay whether anybody publishes them).
 */

/* Before services are made or changed: specs, an array of their bodies.  Adds
 * what they publish and Azure lets nobody in by; says so; nothing with
 * PUBLISH=off.  ERR_USAGE, and nothing done, for a port that is the cluster's
 * own, and for one that nobody agreed to open with PUBLISH=ask. */
int ports_open(struct session *s, const cJSON *specs, struct err *e);
/* Of that only the refusal of the cluster's own ports: Azure is not asked. */
int ports_refuse(const cJSON *specs, struct err *e);
/* After that: adds to numbers, an array, the TCP ports of those specs that people
 * from the Internet are brought to. */
int ports_reached(struct session *s, const cJSON *specs, cJSON *numbers,
		  struct err *e);
/* After services went or were changed: takes away what nobody publishes any
 * more, of what is ours, and adds what the engine has chosen itself. */
int ports_close(struct session *s, struct docker *d, struct err *e);

/*
 * Put into body, a deployment's, what load balancer and security group have and
 * is not the template's: ARM replaces arrays as a whole.  It is to say already
 * whether there is one placement group (agents_keep_number).
 * there: the resource group is.  To be called again where time has passed; what
 * cannot be kept is said once.
 */
int ports_keep(struct session *s, cJSON *body, bool there, struct err *e);

/* ---- what is published ---- */

struct ports_published {
	struct rules_port port;
	char service[64];
	bool host;   /* on the node of each task, and not by the mesh */
	bool chosen; /* by the engine: the service names none */
	bool was;    /* before an update that may go back: stays open so long */
	const char *why; /* why the balancer brings nobody there; NULL: it is to */
};

struct ports_book {
	struct ports_published *list;
	size_t n;
};
/* Of all services.  Release it either way. */
int ports_read(struct docker *d, struct ports_book *b, struct err *e);
void ports_release(struct ports_book *b);

/* What there is about each port, and what should be. */
enum ports_state {
	PORTS_OK,
	PORTS_NO_RULE,	/* published, and not open */
	PORTS_OFF,	/* the same, as PUBLISH=off wants it */
	PORTS_TAKEN,	/* another rule has it, or refuses it */
	PORTS_INSIDE,	/* published, and not for the balancer */
	PORTS_LEFT,	/* the same, and a rule of ours is left of before */
	PORTS_KEPT,	/* nobody publishes it, and it is the template's */
	PORTS_NOBODY,	/* the same, and ours */
	PORTS_NOT_OURS, /* the same, and somebody's own */
};
struct ports_row {
	struct rules_port port;
	const struct ports_published *by; /* NULL: nobody */
	const char *rule, *group;	  /* their names, "" for none */
	const char *taken; /* the name of the one that has it, of PORTS_TAKEN */
	enum ports_state state;
};
/* Out of step: what --apply changes. */
bool ports_pending(const struct ports_row *r);
/* PUBLISH=off: nobody misses a rule. */
bool ports_off(const struct settings *set);
/*
 * All of them, by number; *rows is the caller's to free and points into the
 * others.  group: NULL when it was not read, then all are let in.
 */
size_t ports_compare(const struct ports_book *b, const cJSON *balancer,
		     const cJSON *group, bool off, struct ports_row **rows);

/* Append what is out of step, or has to be mended by hand: "443/tcp (web): no
 * rule".  How many there are. */
size_t ports_tell(const struct ports_book *b, const cJSON *balancer,
		  const cJSON *group, bool off, struct buf *out);
/* The agents' security group as Azure has it; *doc NULL: it is not there. */
int ports_group(struct session *s, cJSON **doc, struct err *e);

#endif
