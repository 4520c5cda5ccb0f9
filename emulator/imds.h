#ifndef EMULATOR_IMDS_H
#define EMULATOR_IMDS_H

#include "emulator/inner.h"
#include "http.h"

void imds_handle(void *emu, struct http_exchange *x);

#endif
