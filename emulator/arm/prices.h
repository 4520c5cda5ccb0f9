#ifndef EMULATOR_ARM_PRICES_H
#define EMULATOR_ARM_PRICES_H

#include "emulator/request.h"

/* GET /api/retail/prices. */
int prices_list(struct request *r);

#endif
