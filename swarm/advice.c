/*
 * What to do about what Azure says.  Its own words name the thing; these name
 * the setting or the command.  Found by the code of the innermost cause.
 */
#include "swarm/swarm.h"

#define ROOM \
	"Azure has no room for this size there now: another of " \
	"'azswarm sizes', another LOCATION, or later"
#define NAMES "public names are made of COMPUTE_GROUP: choose another"
#define REGISTER \
	"an owner of the subscription can register it: portal, " \
	"Resource providers"
#define IMAGE_GONE \
	"the publisher has withdrawn that version: 'azswarm deploy-compute' takes " \
	"the latest for machines made from now on"
#define IMAGE_TYPE \
	"IMAGE=marketplace, or the id of the image that it has, then 'azswarm " \
	"params' and the same again"

/* The first row whose pattern (str_glob) fits the code counts: Linked...  and
 * Zonal... want the same as theirs, while there are quotas of many things.
 * In an advice, @ is the error's target. */
static const struct {
	const char *code, *advice;
} table[] = {
	{ "*AuthorizationFailed",
	  "ask for the role Contributor on that scope or above it; a new "
	  "assignment takes minutes to count" },
	{ "DeploymentQuotaExceeded",
	  "the resource group keeps no more deployments: delete old "
	  "ones, portal, Deployments; a lock on the group keeps Azure from "
	  "doing so itself" },
	{ "QuotaExceeded",
	  "fewer (AGENT_COUNT) or smaller machines (AGENT_SIZE, MASTER_SIZE), "
	  "another LOCATION, or ask Azure for more: portal, Quotas" },
	{ "*PublicIPCountLimitReached",
	  "masters and load balancers have a public address each: fewer "
	  "masters (MASTER_COUNT), another LOCATION, or ask Azure for more: "
	  "portal, Quotas" },
	{ "LocationNotAvailableForResourceGroup",
	  "'azswarm locations' lists regions, for LOCATION" },
	{ "SkuNotAvailable",
	  "'azswarm sizes' shows what LOCATION has, for AGENT_SIZE and "
	  "MASTER_SIZE" },
	{ "*AllocationFailed", ROOM },
	{ "OverconstrainedAllocationRequest", ROOM },
	{ "OverconstrainedZonalAllocationRequest", ROOM },
	{ "GalleryImageNotFound",
	  "'azswarm params' chooses an image that is there, 'azswarm "
	  "deploy-compute' makes machines of it" },
	{ "*ImageNotFound", IMAGE_GONE },
	{ "ImageVersionDeprecated", IMAGE_GONE },
	{ "AuthorizationPermissionMismatch",
	  "without shared keys this wants a role for the data, Storage Blob Data "
	  "Contributor on the account, which Contributor and Owner do not "
	  "include; a new assignment takes minutes to count" },
	{ "StorageAccountAlreadyTaken", "choose another STORAGE_ACCOUNT_NAME" },
	{ "KeyBasedAuthenticationNotPermitted",
	  "the storage account takes no signatures made with its key, by a "
	  "policy perhaps: allow key access there (portal, the account, "
	  "Configuration), or choose another STORAGE_ACCOUNT_NAME" },
	{ "DnsRecordInUse", NAMES },
	{ "DnsRecordIsReserved", NAMES },
	{ "InvalidResourceGroupLocation",
	  "set LOCATION= to where the group is, or choose another "
	  "COMPUTE_GROUP or STORAGE_GROUP" },
	{ "*ByPolicy",
	  "a policy of the subscription; its owner knows what it allows" },
	{ "RequestDisallowedByAzure",
	  "Azure does not let this subscription have that there: another "
	  "LOCATION, or another AZURE_SUBSCRIPTION_ID" },
	{ "MissingSubscriptionRegistration", REGISTER },
	{ "SubscriptionNotRegistered", REGISTER },
	{ "Registering",
	  "Azure is making this ready for the subscription: run it again in a "
	  "few minutes" },
	{ "SubscriptionNotFound",
	  "is AZURE_SUBSCRIPTION_ID of the tenant that you are signed in "
	  "to?" },
	{ "*DisabledSubscription",
	  "its owner can have it again: portal, Subscriptions; or choose "
	  "another AZURE_SUBSCRIPTION_ID" },
	{ AZURE_OTHER_TENANT,
	  "the subscription is of another tenant: AZURE_TENANT_ID=@, or "
	  "another AZURE_SUBSCRIPTION_ID" },
	{ "ResourceGroupNotFound",
	  "'azswarm up' makes a cluster, 'azswarm deploy-compute' its machines" },
	{ "DeploymentNotFound", "'azswarm deploy-compute' makes one" },
	{ "*ResourceNotFound", "'azswarm deploy-compute' makes what is not there" },
	{ "ScopeLocked", "a lock is on it: portal, Locks" },
	{ "OperationPreempted",
	  "something else, autoscale perhaps, changed it meanwhile: run this "
	  "again" },
};

/* Of OperationNotAllowed, which is said of many things, the words tell what it is
 * about; this is a hint, and nothing is decided by it.  A model of the marketplace's
 * image may not become one of a gallery's everywhere, nor back. */
static bool is_image_type(const struct err *e)
{
	return err_is(e, "OperationNotAllowed") &&
	       str_find(str_of(e->msg), STR("The Image type for a Virtual Machine "
					    "Scale Set may not be changed")) >= 0;
}

bool advice(const struct err *e, struct buf *out)
{
	if (err_is(e, AZURE_OUTCOME_UNKNOWN)) {
		buf_adds(out, "look with 'azswarm list-agents', and run it again");
		return true;
	}
	if (e->kind != ERR_AZURE && e->kind != ERR_AUTH)
		return false;
	if (is_image_type(e)) {
		buf_adds(out, IMAGE_TYPE);
		return true;
	}
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct str rest = str_of(table[i].advice), head;

		if (!str_glob(str_of(table[i].code), str_of(e->code)))
			continue;
		if (str_cut(&rest, '@', &head))
			buf_addf(out, "%.*s%s", STR_ARG(head),
				 *e->target ? e->target : "ITS-ID");
		buf_addstr(out, rest);
		return true;
	}
	return false;
}
