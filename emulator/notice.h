#ifndef EMULATOR_NOTICE_H
#define EMULATOR_NOTICE_H

#include "emulator/inner.h"

/*
 * What Azure announces to machines before it does something to them
 * (scheduled events), and the wait for their answer.
 *
 * Documented ("Scheduled Events for Linux VMs", "Terminate notification for
 * Virtual Machine Scale Set instances", learn.microsoft.com): every machine of
 * a scale set or an availability set sees the events of all of it, and any of
 * them may approve; NotBefore is a date, and empty once it has started; an
 * event that is over, or cancelled, is no longer in the document, whose
 * incarnation grows with every change; the first question turns the feature
 * on, a day without one turns it off.  Notice of 15 minutes for Freeze and
 * Reboot, 10 for Redeploy, 30 s for Preempt, notBeforeTimeout for Terminate,
 * which needs the set's terminateNotificationProfile (in the model the
 * instance has) and is not given to Spot instances.
 *
 * Here the notice is as long, but never over the local Azure's own (60 s, or
 * "notice_s" of the faults file).
 *
 * Unknown: whether a deletion waits for a machine that never asked for events.
 * It does here, for its whole notice; with {"heard_only": true} in the faults
 * file it does not.  A restart or redeploy by the operator is announced only
 * to a machine that has asked in the last five minutes.
 */
enum notice_why {
	NOTICE_DELETE,	/* by the operator, autoscale, a lower capacity */
	NOTICE_RESTART, /* by the operator */
	NOTICE_REDEPLOY,
	NOTICE_EVICTION, /* of a Spot machine */
	NOTICE_FREEZE,	 /* maintenance */
	NOTICE_REBOOT,
	NOTICE_MOVE,
};

/*
 * Announce it to those of the machines with these keys that are told of such
 * things, and wait until all have agreed or the time has passed; then it has
 * started.  notice_s: at most so long; 0: as long as is usual.  Returns a number
 * for notice_over(), 0 when nobody was told, -1 when it was withdrawn or the
 * emulator stops.  Lock held, let go meanwhile.
 */
int64_t notice_give(struct emu *m, enum notice_why why, const cJSON *keys,
		    unsigned notice_s);
void notice_over(struct emu *m, int64_t number);
/* What is announced to that machine and has not begun is off. */
void notice_withdraw(struct emu *m, enum notice_why why, const char *key);
/* The machine is gone: so is all that was announced to it. */
void notice_forget(struct emu *m, const char *key);

/* A machine asks: the document it sees. */
cJSON *notice_document(struct emu *m, struct entry *n);
/* It approves {"StartRequests": [{"EventId"}]}.  False: no such event is announced. */
bool notice_approve(struct emu *m, struct entry *n, const cJSON *doc);

#endif
