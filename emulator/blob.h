#ifndef EMULATOR_BLOB_H
#define EMULATOR_BLOB_H

#include "emulator/inner.h"
#include "http.h"

void blob_handle(struct emu *m, struct http_exchange *x, struct str account);
/* All blobs of a container, or with NULL of the account. */
void blob_forget(struct emu *m, const char *account, const char *container);

#endif
