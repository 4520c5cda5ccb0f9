#ifndef NODE_EVENTS_H
#define NODE_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"

/*
 * What Azure announces to a machine (scheduled events), and what follows.
 * Decided here from what the metadata service answered and from how far the
 * node is on its way out; asking and doing are the agent's.  No I/O.
 *
 * Source: "Azure Metadata Service: Scheduled Events for Linux VMs"
 * (learn.microsoft.com), api-version 2020-07-01.
 */
#define EVENTS_MAX 16 /* that name one machine, at once */
#define EVENTS_DOC_MAX (64u << 10)

enum event_type {
	EVENT_FREEZE, /* seconds' pause: nothing is done about it */
	EVENT_REBOOT,
	EVENT_REDEPLOY,
	EVENT_PREEMPT, /* 30 s in all */
	EVENT_TERMINATE,
};

struct event {
	char id[64];
	enum event_type type;
	bool started;	      /* it happens now */
	int64_t not_before_s; /* Unix time; 0: not said */
};

struct events {
	struct event list[EVENTS_MAX];
	size_t n;
};

/*
 * From the service's document, those events that name this machine (any
 * case): every machine of a set is told of all.  What is malformed, of a type
 * unknown, or more than EVENTS_MAX, is left out and counted in *odd.  -1 with
 * e when doc is no such document.
 */
int events_read(const cJSON *doc, const char *machine, struct events *ev,
		unsigned *odd, struct err *e);

/* How far the machine is, because of events. */
enum events_way {
	EVENTS_IN_SERVICE,
	EVENTS_GOING, /* the way out was begun */
	EVENTS_GONE,  /* it is out */
};

enum events_do {
	EVENTS_NOTHING,
	EVENTS_GO,	  /* begin the way out; within seconds_left */
	EVENTS_APPROVE,	  /* tell Azure not to wait: ids below */
	EVENTS_COME_BACK, /* what was announced will not happen */
};

struct events_verdict {
	enum events_do what;
	enum event_type type; /* of the most urgent event */
	int64_t seconds_left; /* until it happens anyway; -1: not known */
	/* to be approved, into the events given */
	const struct event *approve[EVENTS_MAX];
	size_t n_approve;
};

/*
 * approved: ids of events approved before, NUL-terminated, EVENTS_MAX of
 * them ("" for none): an event is approved once.  An answer that did not
 * come is no answer: call this for documents only.
 */
struct events_verdict events_decide(const struct events *ev, enum events_way way,
				    char approved[EVENTS_MAX][64], int64_t now_s);

const char *event_type_name(enum event_type t); /* "Terminate" */

/* {"StartRequests":[{"EventId":...}]} for what is to be approved. */
cJSON *events_approval(const struct events_verdict *v);

#endif
