#ifndef EMULATOR_PROBER_H
#define EMULATOR_PROBER_H

#include "emulator/inner.h"

/*
 * The load balancer's view of its machines.  Every member of a pool is asked
 * every intervalInSeconds of the rule's probe, whether there are connections
 * or not, and new connections go to those that are well.
 *
 * Documented ("Azure Load Balancer health probes", learn.microsoft.com, and
 * the description of probeThreshold): over HTTP another status than 200 is a
 * failure, so is a reset; an answer may take as long as the interval, over HTTP
 * 30 s at most; a member that is down gets no new connections, those that it
 * has go on; a new member is down until it has answered; it takes
 * probeThreshold successes in a row to come up; with all members down nothing
 * is let in, unless the probe's noHealthyBackendsBehavior is AllProbedUp.
 * Without probeThreshold, numberOfProbes counts.
 *
 * Documented both ways: whether a failure counts to the threshold ("after
 * failing the number of consecutive probes equal to this value") or is enough
 * by itself ("immediately marked as unhealthy").  Here an answer that is no
 * 200, or a refusal, marks down at once, and silence counts.
 *
 * Unknown: how a pool of Azure's many balancers agrees on a member, how long
 * after a change new connections still go the old way, and what a closed
 * connection without any answer counts for (here: a refusal).
 */
enum probe_result {
	PROBE_WELL,
	PROBE_REFUSED, /* another status, a refusal, a reset */
	PROBE_SILENT,  /* nothing within its time */
};

struct probe_health {
	bool up;
	unsigned well, silent; /* in a row */
};

/* One more result.  Did up change? */
bool probe_count(struct probe_health *h, enum probe_result r, unsigned threshold);

/* Asks, until the emulator stops; counted in threads. */
void *prober_thread(void *emu);
/*
 * The address of the member that connection number turn goes to.  probe: its
 * id; NULL: there is none, every running member will do.  False: nobody.
 */
bool prober_choose(struct emu *m, const char *pool, const char *probe,
		   unsigned turn, char out[16]);

#endif
