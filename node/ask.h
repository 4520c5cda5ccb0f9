#ifndef NODE_ASK_H
#define NODE_ASK_H

#include "base/json.h"
#include "docker/docker.h"
#include "node/config.h"

/*
 * Asking the helpers: TLS with the pinned key, a nonce, one authenticated
 * request.  The master that answered last is asked first.  Not for two
 * threads at once.
 */
struct ask {
	const struct node_config *config;
	struct tls_trust *trust;
	char name[65];	/* ours */
	unsigned first; /* index of the master to begin with */
	bool reached;	/* the last master took the connection */
	/* index of one of node.json's that is not asked, or LAYOUT_MASTERS_MAX */
	unsigned skip;
	/* masters that came later, which node.json does not name; their indexes
	 * follow those of node.json's */
	struct docker_managers later;
	int64_t one_ms;	 /* for one master, 0: 5 s */
	unsigned silent; /* masters that gave no answer, of those asked last */
};
int ask_init(struct ask *a, const struct node_config *c, struct err *e);
void ask_release(struct ask *a);
/* Where the engine knows managers: those that node.json does not name are asked,
 * too, by the same key and secrets.  None: as it was. */
void ask_know(struct ask *a, const struct docker_managers *known);
/* The address of master i. */
const char *ask_master(const struct ask *a, unsigned i);

/*
 * method and target ("GET", "/join/worker") of whichever master answers with
 * something else than 5xx or 429.  When none does and one of them has its
 * hands full, which is a 429, or a connection that it took and did not answer,
 * they are asked again until deadline_ms.  as_manager: prove it with the
 * manager secret.
 * Returns 0 with *status and *doc (may come as NULL, caller frees; may hold a
 * token: json_burn) when one did, and 0 with the last 5xx or 429 if none had
 * better; -1 with e when none answered at all.  *master (may be NULL) is the
 * index of who answered.
 */
int ask(struct ask *a, const char *method, const char *target, bool as_manager,
	int64_t deadline_ms, unsigned *status, cJSON **doc, unsigned *master,
	struct err *e);

#endif
