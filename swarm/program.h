#ifndef SWARM_PROGRAM_H
#define SWARM_PROGRAM_H

#include "base/elf.h"
#include "swarm/settings.h"

/*
 * The files of this program, one for each kind of processor: the one that runs,
 * and the other, which machines of the other kind need.
 */
struct program {
	enum elf_machine machine;
	int fd;	    /* of the file, as it was when it was measured */
	char *path; /* by which it may be opened again */
	char sha256[65];
	uint64_t size;
	char blob[96]; /* in storage: "azswarm/azswarm-<first 16 of sha256>" */
};

#define BLOB_CONTAINER "azswarm"
#define PROGRAM_NONE \
	{ \
		.fd = -1 \
	}

/* This very program's file.  Release p either way. */
int program_own(struct program *p, struct err *e);
/*
 * The one for the other kind of processor: PROGRAM, or else azswarm-aarch64
 * (azswarm-x86_64) beside this program's file.  1: found, and of this very
 * version, by the note that each file carries.  0: there is none, and *none says
 * why; a file beside us that is another version is as good as none.  -1: PROGRAM
 * names one that it cannot be.  Release p either way.
 */
int program_other(const struct settings *set, struct program *p,
		  struct err *none, struct err *e);
void program_release(struct program *p);

#endif
