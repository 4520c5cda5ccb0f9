/*
 * What a caller may do.  Nobody is refused anything here; what is told is what
 * Contributor holds, the role that the README names, in its three parts: all,
 * what is taken away again, nothing of data.
 *
 * Source: Microsoft.Authorization 2022-04-01, Permissions_ListForResourceGroup;
 * "Azure built-in roles", Contributor (learn.microsoft.com).
 */
#include "emulator/arm/resource.h"
#include "emulator/arm/rights.h"
#include "emulator/fault.h"
#include "emulator/jsonf.h"

#define RIGHTS_VERSIONS \
	"2022-05-01-preview, 2022-04-01, 2018-07-01, 2018-01-01-preview, 2015-07-01"

int rights_route(struct request *r, char **s)
{
	if (!str_is(s[0], "permissions") || s[1] != NULL)
		return 1;
	if (r->method != GET)
		return request_bad_method(r);
	if (!resource_version_known(RIGHTS_VERSIONS, r->api))
		return fault_set(&r->fault, 400,
				 "InvalidResourceType: The resource type "
				 "'permissions' could not be found in the namespace "
				 "'Microsoft.Authorization' for api version '%s'. "
				 "The supported api-versions are '%s'.",
				 r->api, RIGHTS_VERSIONS);
	return request_answer(r, 200, json_fmt("@permissions"));
}
