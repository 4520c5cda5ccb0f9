#ifndef EMULATOR_EMULATOR_H
#define EMULATOR_EMULATOR_H

#include <stdio.h>

#include "base/err.h"

/*
 * A local Azure: Entra ID, Resource Manager, blob storage and the metadata
 * service over one HTTPS port, with machines that are real when a driver is
 * given and exist on paper otherwise.
 */
struct emulator_options {
	const char *listen; /* "127.0.0.1:8443"; port 0 picks one */
	const char *dir;    /* state, certificates and env; made when missing */
	const char *machines; /* driver program; NULL: machines on paper */
	const char *faults; /* file of faults (emulator/faults.c), which may come and
				   go; NULL: dir/faults.json */
	const char *record; /* file to which exchanges are appended, without
				   their secrets; NULL: none */
	FILE *out; /* gets the one line "ready https://..."; may be NULL */
	unsigned retry_after_s; /* told to those who poll; 0: 1 */
	unsigned cores;		/* quota of vCPUs per region; 0: 100 */
	unsigned provision_s; /* machines are provisioned by Azure's own means, and
				 have so long to say that they are; 0: by the driver's */
	unsigned terminate_s; /* longest wait for a machine that was told of
				   its end; 0: 60 */
};

/*
 * Serve until interrupt_requested().  Returns 0 after an orderly stop (then
 * machines are stopped and the driver's network is gone, their disks and all
 * state stay in dir), -1 with e when it could not start.
 */
int emulator_run(const struct emulator_options *o, struct err *e);

#endif
