#ifndef EMULATOR_ARM_SCALER_H
#define EMULATOR_ARM_SCALER_H

#include "emulator/inner.h"

/*
 * Autoscale.  DIR/cpu says what load there is, a line each:
 *
 *	80		percentage of every machine that runs
 *	agents_3 20	of that one (its name in Azure)
 *	speed 60	minutes pass like seconds
 *
 * Without the file autoscale rests; an empty one means that there are no
 * numbers.  Machines that do not run have none.
 *
 * Documented ("Autoscale in Azure", "Best practices for autoscale",
 * learn.microsoft.com): it looks every 30 to 60 s; a capacity outside minimum
 * and maximum is brought back; without numbers it goes up to default when fewer
 * are there, and never down; it goes out when one rule says so, in when all of
 * those for it do; out comes first; nothing within the rule's cool-down after
 * the last action; not in, when what is left would have to go out at once.
 * Of the profiles the first without a date or recurrence counts here, of the
 * metrics Percentage CPU.
 *
 * Unknown: how long numbers have to be missing (here: the longest window).
 */
struct scaler_sample {
	int64_t ms;
	double cpu; /* of all that run; below 0: nobody has a number */
};

struct scaler_facts {
	int64_t capacity;
	const struct scaler_sample *samples; /* oldest first */
	size_t n;
	int64_t now_ms, acted_ms; /* the last action; 0: none yet */
	unsigned speed;		  /* at least 1 */
};

/* The capacity there should be, by a setting's properties; why, when it is another. */
int64_t scaler_decide(const cJSON *properties, const struct scaler_facts *f,
		      char why[120]);

/* Once a second.  Lock held. */
void scaler_tick(struct emu *m);
void scaler_release(struct emu *m);

#endif
