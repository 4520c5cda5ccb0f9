#ifndef EMULATOR_ARM_INSIGHTS_H
#define EMULATOR_ARM_INSIGHTS_H

#include "emulator/arm/resource.h"

extern const struct rtype insights_types[];

#endif
