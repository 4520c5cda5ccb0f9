#ifndef EMULATOR_WIRE_H
#define EMULATOR_WIRE_H

#include "emulator/fault.h"
#include "emulator/inner.h"
#include "http.h"

/*
 * What the host of a machine says to who provisions it there, cloud-init's Azure
 * data source and Azure's Linux agent: goal states, and an ear for health
 * reports.  A machine is known by the address it calls from.
 */
void wire_handle(void *emu, struct http_exchange *x); /* 168.63.129.16:80 */
void wire_plugin_handle(void *emu, struct http_exchange *x); /* and :32526 */

/* The machine starts: its agent has not said anything yet.  anew: nor has it been
 * provisioned. */
void wire_begin(struct entry *n, bool anew);
/*
 * Wait until it has reported that it is provisioned, for m->o.provision_s.  The
 * lock is let go meanwhile.  -1 with f when it reports that it has failed, or
 * nothing; without f when all must stop.  One that is not there any more is not
 * waited for.
 */
int wire_await(struct emu *m, const char *key, struct fault *f);
/* Whether it has reported that. */
bool wire_provisioned(const struct entry *n);
/* What its agent said last, {"version", "status", "message"}; NULL: nothing yet. */
const cJSON *wire_agent(const struct entry *n);

#endif
