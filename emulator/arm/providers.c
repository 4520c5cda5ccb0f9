/*
 * Every provider there is: who adds one adds a row here, and a file with the
 * rows of its types.
 */
#include <stddef.h>

#include "emulator/arm/compute.h"
#include "emulator/arm/insights.h"
#include "emulator/arm/network.h"
#include "emulator/arm/providers.h"
#include "emulator/arm/rights.h"
#include "emulator/arm/storage.h"
#include "emulator/arm/vmss.h"
#include "emulator/jsonf.h"

#define TYPES(...) \
	(const struct rtype *const[]) \
	{ \
		__VA_ARGS__, NULL \
	}

const struct provider provider_table[] = {
	{ .name = "Microsoft.Resources" },
	{
		.name = "Microsoft.Compute",
		.types = TYPES(compute_types, vmss_types),
		.route = compute_route,
	},
	{ .name = "Microsoft.Network",
	  .types = TYPES(network_types),
	  .route = network_route },
	{ .name = "Microsoft.Storage",
	  .types = TYPES(storage_types),
	  .route = storage_route },
	{ .name = "Microsoft.Insights", .types = TYPES(insights_types) },
	{ .name = "Microsoft.Authorization", .route = rights_route },
	{ .name = "Microsoft.ManagedIdentity" },
	{ .name = NULL },
};

static const struct rtype *in_rows(const struct rtype *t, const char *name)
{
	while (t->name != NULL && !str_is(t->name, name))
		t++;
	return t->name != NULL ? t : NULL;
}

const struct rtype *provider_type(const char *name)
{
	const struct rtype *found = NULL;

	for (const struct provider *p = provider_table; p->name != NULL; p++)
		for (size_t i = 0;
		     found == NULL && p->types != NULL && p->types[i] != NULL; i++)
			found = in_rows(p->types[i], name);
	return found;
}
