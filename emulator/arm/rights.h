#ifndef EMULATOR_ARM_RIGHTS_H
#define EMULATOR_ARM_RIGHTS_H

#include "emulator/request.h"

/*
 * Microsoft.Authorization: what the caller may do, in a subscription or in a
 * group (seg: what follows the namespace).  1: not mine.
 */
int rights_route(struct request *r, char **seg);

#endif
