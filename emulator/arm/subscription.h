#ifndef EMULATOR_ARM_SUBSCRIPTION_H
#define EMULATOR_ARM_SUBSCRIPTION_H

#include "emulator/request.h"

int subscription_list(struct request *r); /* /subscriptions, /tenants */
int subscription_route(struct request *r); /* below /subscriptions/S, not providers */
/* Below providers of a subscription, or without one. */
int subscription_providers(struct request *r, char **seg);
/* What is told of a provider: the caller's.  NULL: there is no such one. */
cJSON *subscription_provider(struct emu *m, const char *ns);

#endif
