/*
 * "apiProfile": versions of the API that go together, for templates that do
 * not say one with each resource.  A namespace's version is that of its types
 * but for those that have a row of their own, before it.
 *
 * Source: the folder "profile" of Microsoft's REST API specifications
 * (azure-rest-api-specs), resource-manager only.
 */
#include <string.h>

#include "template/inner.h"

struct row {
	const char *type, *version;
};

static const struct row hybrid_2018[] = {
	{ "Microsoft.Authorization/locks", "2016-09-01" },
	{ "Microsoft.Authorization/policyAssignments", "2016-12-01" },
	{ "Microsoft.Authorization/policyDefinitions", "2016-12-01" },
	{ "Microsoft.Authorization", "2015-07-01" },
	{ "Microsoft.Compute", "2017-03-30" },
	{ "Microsoft.KeyVault", "2016-10-01" },
	{ "Microsoft.Network/dnsZones", "2016-04-01" },
	{ "Microsoft.Network", "2017-10-01" },
	{ "Microsoft.Resources", "2018-02-01" },
	{ "Microsoft.Storage", "2016-01-01" },
	{ "Microsoft.Web/certificates", "2016-03-01" },
	{ "Microsoft.Web/serverFarms", "2016-09-01" },
	{ "Microsoft.Web", "2016-08-01" },
	{ NULL, NULL },
};

static const struct row hybrid_2019[] = {
	{ "Microsoft.Authorization/locks", "2016-09-01" },
	{ "Microsoft.Authorization/policyAssignments", "2016-12-01" },
	{ "Microsoft.Authorization/policyDefinitions", "2016-12-01" },
	{ "Microsoft.Authorization", "2015-07-01" },
	{ "Microsoft.Compute", "2017-03-30" },
	{ "Microsoft.EventHub", "2018-01-01-preview" },
	{ "Microsoft.KeyVault", "2016-10-01" },
	{ "Microsoft.Network/dnsZones", "2016-04-01" },
	{ "Microsoft.Network", "2017-10-01" },
	{ "Microsoft.Resources", "2018-05-01" },
	{ "Microsoft.Storage", "2017-10-01" },
	{ "Microsoft.Web", "2018-02-01" },
	{ NULL, NULL },
};

static const struct row profile_2017[] = {
	{ "Microsoft.Authorization/locks", "2015-01-01" },
	{ "Microsoft.Authorization/policyAssignments", "2015-10-01-preview" },
	{ "Microsoft.Authorization/policyDefinitions", "2015-10-01-preview" },
	{ "Microsoft.Authorization", "2015-07-01" },
	{ "Microsoft.Compute", "2016-03-30" },
	{ "Microsoft.KeyVault", "2016-10-01" },
	{ "Microsoft.Network", "2015-06-15" },
	{ "Microsoft.Resources/links", "2016-09-01" },
	{ "Microsoft.Resources", "2016-02-01" },
	{ "Microsoft.Storage", "2016-01-01" },
	{ NULL, NULL },
};

static const struct {
	const char *name;
	const struct row *rows;
} profiles[] = {
	{ "2017-03-09-profile", profile_2017 },
	{ "2018-03-01-hybrid", hybrid_2018 },
	{ "2019-03-01-hybrid", hybrid_2019 },
};
#define PROFILES (sizeof(profiles) / sizeof(profiles[0]))

bool profile_known(const char *profile)
{
	return profile_version(profile, "Microsoft.Compute") != NULL;
}

/* type is that of the row, or one in it. */
static bool is_within(const char *type, const char *row)
{
	size_t n = strlen(row);

	return str_istarts(str_of(type), str_of(row)) &&
	       (type[n] == '\0' || type[n] == '/');
}

const char *profile_version(const char *profile, const char *type)
{
	for (size_t i = 0; i < PROFILES; i++)
		for (const struct row *r = profiles[i].rows;
		     str_is(profile, profiles[i].name) && r->type != NULL; r++)
			if (is_within(type, r->type))
				return r->version;
	return NULL;
}
