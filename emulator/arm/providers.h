#ifndef EMULATOR_ARM_PROVIDERS_H
#define EMULATOR_ARM_PROVIDERS_H

#include "emulator/arm/resource.h"

/* A namespace of types. */
struct provider {
	const char *name;		  /* "Microsoft.Network" */
	const struct rtype *const *types; /* the tables of its files, NULL behind them;
					   NULL: it has none */
	/* What a subscription asks of it beside resources: what follows the
	 * namespace, at least one segment.  1: not mine. */
	int (*route)(struct request *r, char **seg);
};

extern const struct provider provider_table[]; /* one without a name at the end */

/* "Registered", which all are unless the faults' setting "new" says otherwise:
 * then "NotRegistered", and "Registering" for a while. */
const char *provider_state(struct emu *m, const struct provider *p);
void provider_register(struct emu *m, const struct provider *p);
/* May the subscription have resources of that type?  Otherwise -1 with f. */
int provider_ready(struct emu *m, const char *type, struct fault *f);

/* "Microsoft.Network/virtualNetworks", in any case; NULL: there is no such type. */
const struct rtype *provider_type(const char *name);

#endif
