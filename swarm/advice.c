/*
 * What to do about what Azure says.  Its own words name the thing; these name
 * the setting or the command.  Found by the code in the message, for that is
 * where the innermost cause has come to.
 */
#include <string.h>

#include "swarm/swarm.h"

static const struct { const char *said, *advice; } table[] = {
	{ "AuthorizationFailed", "ask for the role Contributor on that scope or above it; a new "
	  "assignment takes minutes to count" },
	{ "uota", "fewer (AGENT_COUNT) or smaller machines (AGENT_SIZE, MASTER_SIZE), another "
	  "LOCATION, or ask Azure for more: portal, Quotas" },
	{ "SkuNotAvailable", "'azswarm sizes' shows what LOCATION has, for AGENT_SIZE and MASTER_SIZE" },
	{ "AllocationFailed", "Azure has no room for this size there now: another of 'azswarm sizes', "
	  "another LOCATION, or later" },
	{ "StorageAccountAlreadyTaken", "choose another STORAGE_ACCOUNT_NAME" },
	{ "DnsRecordInUse", "public names are made of COMPUTE_GROUP: choose another" },
	{ "ByPolicy", "a policy of the subscription; its owner knows what it allows" },
	{ "SubscriptionRegistration", "an owner of the subscription can register it: portal, Resource "
	  "providers" },
	{ "SubscriptionNotFound", "is AZURE_SUBSCRIPTION_ID of the tenant that you are signed in to?" },
	{ "ScopeLocked", "a lock is on it: portal, Locks" },
};

const char *advice(const struct err *e)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
		if (e->kind == ERR_AZURE && strstr(e->msg, table[i].said) != NULL)
			return table[i].advice;
	return strstr(e->msg, "unknown whether Azure") == NULL ? NULL :
	       "look with 'azswarm list-agents', and run it again";
}
