#ifndef EMULATOR_MAINTENANCE_H
#define EMULATOR_MAINTENANCE_H

#include "emulator/inner.h"

/*
 * Maintenance of the hosts, as DIR/maintenance.json plans it:
 *
 *	[{ "machine": "agents_1", "type": "Reboot", "notice_s": 20 }]
 *
 * machine: its name in Azure.  type: Freeze, Reboot or Redeploy.  notice_s: as
 * long as is usual, without it.  Each is announced when it is first seen there
 * and carried out once; what is taken out of the file before it has begun is
 * cancelled.
 */
void maintenance_tick(struct emu *m); /* once a second; lock held */

#endif
