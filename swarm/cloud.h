#ifndef SWARM_CLOUD_H
#define SWARM_CLOUD_H

#include <stdbool.h>

#include "base/err.h"
#include "swarm/settings.h"

/* A cloud whose endpoints are known without asking.  The ARM endpoint is also
 * the audience of the tokens.  No slashes at the ends. */
struct cloud {
	const char *name, *authority, *arm;
	const char *prices; /* where its list of prices is, in dollars; NULL: none */
};

/* The first that has all of what is given (NULL: anything; names fold case);
 * NULL when there is none. */
const struct cloud *cloud_find(const char *name, const char *authority,
			       const char *arm);

/*
 * May this Resource Manager have a token for that audience?  One that is asked
 * about itself could name Azure's audience, and would be sent a token that
 * Azure takes.  So the audience has to be the endpoint's own name, or that of a
 * domain it is in; or an application of the operator's ("https://HOST/GUID", as
 * Azure Stack has it), which is never at one of Microsoft's own names.
 */
bool cloud_audience_ok(const char *audience, const char *arm);
/*
 * May that endpoint be where credentials for this Resource Manager are sent,
 * when the Resource Manager itself says so?  A known cloud's, the endpoint's
 * own name or that of a domain it is in, or its neighbour (adfs.R.D beside
 * management.R.D, as an Azure Stack has AD FS).
 */
bool cloud_login_ok(const char *login, const char *arm);

/*
 * May that registry have a token of the sign-in at this Resource Manager's
 * cloud, for the audience CLOUD_REGISTRY_AUDIENCE and no other?  An Azure
 * Container Registry of the same cloud: NAME.azurecr.io, .cn, .us; a local
 * Azure's, NAME.azurecr.localhost, on its own port.
 */
#define CLOUD_REGISTRY_AUDIENCE "https://containerregistry.azure.net"
bool cloud_registry_ok(const char *registry, const char *arm);

/* ---- what a .env may say (swarm/trust.c) ---- */

/*
 * An endpoint out of .env: ERR_USAGE unless a person has looked at that file
 * and run 'azswarm trust'.  Whoever wrote a .env that lies in a folder may not
 * say where a credential goes that he has not put there himself.
 *
 * which  the setting, with its value as it was read; from elsewhere: fine
 */
int trust_check(const struct settings *set, enum setting which, struct err *e);

#endif
