#ifndef EMULATOR_IMDS_H
#define EMULATOR_IMDS_H

#include "emulator/inner.h"
#include "http.h"

void imds_handle(void *emu, struct http_exchange *x);
/* Announce the end of these machines and wait until they agree, bounded. */
void imds_terminate(struct emu *m, const cJSON *keys);
void imds_forget(struct emu *m, const char *key);

#endif
