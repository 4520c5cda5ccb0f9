#ifndef EMULATOR_MAINTENANCE_H
#define EMULATOR_MAINTENANCE_H

#include "emulator/inner.h"

/*
 * Maintenance of the hosts, as DIR/maintenance.json plans it:
 *
 *	[{ "machine": "agents_1", "type": "Reboot", "notice_s": 20 }]
 *
 * machine: its name in Azure.  type: Freeze, Reboot, Redeploy or Preempt.
 * notice_s: as long as is usual, without it.  Each is announced when it is
 * first seen there and carried out once; what is taken out of the file before
 * it has begun is cancelled.
 *
 * Preempt has the machine deleted, as one of a set with priority Spot and
 * evictionPolicy Delete.  It need not be of one here: Azure has a set be Spot
 * from its beginning or never, and ours is not.
 */
void maintenance_tick(struct emu *m); /* once a second; lock held */

#endif
