#ifndef EMULATOR_MACHINES_H
#define EMULATOR_MACHINES_H

#include "emulator/fault.h"
#include "emulator/inner.h"

/*
 * A driver is a program: DRIVER VERB NAME DIR, where DIR/machine.json says what
 * the machine is.  create (and start it), start, stop (in order), cut (pull the
 * plug), restart (in order), deallocate, reimage, delete, status; exec NAME DIR
 * -- ARGV...; up NET DIR and down NET DIR for their network, the latter with all
 * machines in it.
 *
 * capture NAME DIR DISK: keep what the disk of a machine that does not run has on
 * it, as the new directory DISK.  Where a machine.json names a "disk", one of
 * those, the machine's is to begin as a copy of it; DISK may be gone afterwards.
 */
#define MACHINES_PREFIX \
	16 /* bits of the network they share, whatever subnets say */

int machines_up(struct emu *m, struct err *e); /* the driver's network */
void machines_resume(struct emu *m); /* after a restart, as an operation */
void machines_down(struct emu *m);
/* Wait until no operation is at work on it.  -1: it is gone, or all must stop. */
int machine_idle(struct emu *m, const char *key);
/*
 * A driver's verb on the machines with those keys, DRIVERS_MAX at a time; on
 * paper, a pause.  The lock is let go meanwhile.  Power states follow.  -1
 * with f (target: the first that failed) when one failed or all must stop.
 */
int machines_run(struct emu *m, const char *verb, const cJSON *keys,
		 struct fault *f);
/* Its disk as it is, as that directory, which is gone when -1 is returned. */
int machine_capture(struct emu *m, const char *key, const char *disk,
		    struct fault *f);
int machine_exec(struct emu *m, const char *key, const char *script,
		 struct buf *out, int *status);
struct entry *machine_by_address(struct emu *m, struct str address);
/* NULL: it has no address. */
const char *machine_address(struct emu *m, const struct entry *n);
/* Its subnet's id, "" when there is none. */
const char *machine_subnet(struct emu *m, const struct entry *n);

#endif
