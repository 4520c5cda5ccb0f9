/*
 * What to do about what Azure says.  Its own words name the thing; these name
 * the setting or the command.  Found by the code of the innermost cause.
 */
#include "swarm/swarm.h"

#define IMAGE_GONE \
	"the publisher has withdrawn that version: 'azswarm deploy-compute' takes " \
	"the latest for machines made from now on"

/* A code that ends like this: LinkedAuthorizationFailed and ZonalAllocationFailed
 * want the same as theirs.  The first row that fits counts. */
static const struct {
	const char *code, *advice;
} table[] = {
	{ "AuthorizationFailed",
	  "ask for the role Contributor on that scope or above it; a new "
	  "assignment takes minutes to count" },
	{ "DeploymentQuotaExceeded",
	  "the resource group keeps no more deployments: delete old "
	  "ones, portal, Deployments" },
	{ "QuotaExceeded",
	  "fewer (AGENT_COUNT) or smaller machines (AGENT_SIZE, MASTER_SIZE), "
	  "another LOCATION, or ask Azure for more: portal, Quotas" },
	{ "SkuNotAvailable",
	  "'azswarm sizes' shows what LOCATION has, for AGENT_SIZE and "
	  "MASTER_SIZE" },
	{ "AllocationFailed", "Azure has no room for this size there now: another of "
			      "'azswarm sizes', another LOCATION, or later" },
	{ "ImageNotFound", IMAGE_GONE },
	{ "ImageVersionDeprecated", IMAGE_GONE },
	{ "StorageAccountAlreadyTaken", "choose another STORAGE_ACCOUNT_NAME" },
	{ "DnsRecordInUse",
	  "public names are made of COMPUTE_GROUP: choose another" },
	{ "AuthorizationPermissionMismatch",
	  "without shared keys this wants a role for the data, Storage Blob Data "
	  "Contributor on the account, which Contributor and Owner do not "
	  "include; a new assignment takes minutes to count" },
	{ "ByPolicy",
	  "a policy of the subscription; its owner knows what it allows" },
	{ "SubscriptionRegistration",
	  "an owner of the subscription can register it: portal, "
	  "Resource providers" },
	{ "SubscriptionNotFound",
	  "is AZURE_SUBSCRIPTION_ID of the tenant that you are signed in "
	  "to?" },
	{ "ResourceGroupNotFound",
	  "'azswarm up' makes a cluster, 'azswarm deploy-compute' its machines" },
	{ "DeploymentNotFound", "'azswarm deploy-compute' makes one" },
	{ "ResourceNotFound", "'azswarm deploy-compute' makes what is not there" },
	{ "ScopeLocked", "a lock is on it: portal, Locks" },
};

const char *advice(const struct err *e)
{
	if (err_is(e, AZURE_OUTCOME_UNKNOWN))
		return "look with 'azswarm list-agents', and run it again";
	if (e->kind != ERR_AZURE)
		return NULL;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
		if (str_ends(str_of(e->code), str_of(table[i].code)))
			return table[i].advice;
	return NULL;
}
