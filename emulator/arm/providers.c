/*
 * Every provider there is: who adds one adds a row here, and a file with the
 * rows of its types.
 */
#include <stddef.h>
#include <string.h>

#include "base/clock.h"
#include "emulator/arm/compute.h"
#include "emulator/arm/gallery.h"
#include "emulator/arm/insights.h"
#include "emulator/arm/network.h"
#include "emulator/arm/providers.h"
#include "emulator/arm/rights.h"
#include "emulator/arm/storage.h"
#include "emulator/arm/vmss.h"
#include "emulator/fault.h"
#include "emulator/faults.h"
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
		.types = TYPES(compute_types, vmss_types, gallery_types),
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

/* ---- whether the subscription has used them ---- */

#define REGISTERING_MS 1500

_Static_assert(sizeof(provider_table) / sizeof(*provider_table) <=
		       sizeof(((struct emu *)0)->registered) / sizeof(int64_t),
	       "a provider, a time");

const char *provider_state(struct emu *m, const struct provider *p)
{
	int64_t began = m->registered[p - provider_table];

	/* what has no types of its own is always there */
	if (p->types == NULL || !faults_setting(m, "new", 0))
		return "Registered";
	if (began == 0)
		return "NotRegistered";
	return now_ms() - began < REGISTERING_MS ? "Registering" : "Registered";
}

void provider_register(struct emu *m, const struct provider *p)
{
	int64_t *began = &m->registered[p - provider_table];

	if (*began == 0)
		*began = now_ms();
}

/* Network says it in its own words (NRP is what it calls itself), the others
 * have Resource Manager say it. */
int provider_ready(struct emu *m, const char *type, struct fault *f)
{
	const struct provider *p = provider_table;
	const char *state;

	while (p->name != NULL && !(str_istarts(str_of(type), str_of(p->name)) &&
				    type[strlen(p->name)] == '/'))
		p++;
	if (p->name == NULL ||
	    strcmp(state = provider_state(m, p), "Registered") == 0)
		return 0;
	if (strcmp(p->name, "Microsoft.Network") == 0)
		return fault_set(f, 409,
				 "SubscriptionNotRegistered: Subscription %s is "
				 "not registered with NRP.",
				 m->subscription);
	if (strcmp(state, "Registering") == 0)
		return fault_set(f, 409,
				 "MissingSubscriptionRegistration: The "
				 "subscription registration is in 'Registering' "
				 "state. The subscription must be registered to "
				 "use namespace '%s'.",
				 p->name);
	return fault_set(f, 409,
			 "MissingSubscriptionRegistration: The subscription is "
			 "not registered to use namespace '%s'.",
			 p->name);
}

/* ---- types ---- */

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
