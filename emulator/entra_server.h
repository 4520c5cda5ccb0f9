#ifndef EMULATOR_ENTRA_SERVER_H
#define EMULATOR_ENTRA_SERVER_H

#include "emulator/request.h"

bool entra_server_handle(struct request *r); /* false: not its path */
/* What a machine's identity gets; in any thread's hands. */
cJSON *entra_server_identity(struct emu *m, struct http_exchange *x,
			     unsigned *status);
/* The claims of the caller's token, whatever it is for, while the lock is held;
 * NULL: it is none of ours, or has ended. */
const cJSON *entra_server_token(struct emu *m, const struct http_exchange *x);
/* The same of a token that came otherwise. */
const cJSON *entra_server_opens(struct emu *m, struct str token);
/* The fields of a form or a query; without those that are badly escaped.
 * Caller burns. */
cJSON *entra_server_fields(struct str text);
/* 0, or -1 with the request answered 401. */
int entra_server_check(struct request *r);

#endif
