#ifndef NODE_FIGURES_H
#define NODE_FIGURES_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/*
 * What a machine is busy with: counters that the agent reads when it is asked,
 * of the machine and of each of Docker's containers on it, and that the
 * monitor takes apart.  Nothing is read that root without capabilities may
 * not read, and Docker is not asked; what a machine does not tell is
 * FIGURES_UNKNOWN.
 *
 * cpu_ms	of all processors together, since some beginning
 * memory	bytes in use, without what the kernel would give back at once
 * rx, tx	bytes, since some beginning: of the machine, by the interface
 *		that leads out of it; of a container, by all of its own
 */
#define FIGURES_UNKNOWN (-1)
#define FIGURES_CONTAINERS_MAX 256 /* what is beyond is not told */
#define FIGURES_TEXT_MAX (64u << 10)
#define FIGURES_VALUE_MAX ((int64_t)1 << 53) /* what JSON keeps exactly */
#define FIGURES_ID_LEN 64

struct figures_counts {
	int64_t cpu_ms, memory, rx, tx;
};
struct figures_container {
	char id[FIGURES_ID_LEN + 1]; /* Docker's */
	struct figures_counts counts;
};
struct figures {
	int64_t at_ms; /* of that machine's clock, since some beginning */
	struct figures_counts node;
	size_t n_containers;
	struct figures_container containers[FIGURES_CONTAINERS_MAX];
};

/*
 * Read them.  root: in front of /proc and /sys, "" for the machine itself.
 * Containers are found by the names that Docker gives to their cgroups, of
 * either version, with either of its drivers.
 *
 * Source: proc(5); cgroups(7); Linux, Documentation/admin-guide/cgroup-v2.rst
 * and cgroup-v1/{cpuacct,memory}.rst; docs.docker.com, "Runtime metrics".
 */
void figures_read(const char *root, int64_t now_ms, struct figures *f);

/* As JSON, appended; and from JSON, which may be anything: -1 with e. */
void figures_write(const struct figures *f, struct buf *out);
int figures_parse(struct str text, struct figures *f, struct err *e);

#endif
