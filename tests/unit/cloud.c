/* swarm/cloud.h: whom an endpoint may name that is asked about itself. */
#include <stdio.h>

#include "base/buf.h"
#include "swarm/cloud.h"
#include "tests/check.h"

#define GUID "797f4846-ba00-4fd7-ba43-dac1f8f63013"
#define STACK "https://management.local.azurestack.external"
#define AZURE "https://management.azure.com"

static const struct row {
	const char *who, *arm;
	bool ok;
} audiences[] = {
	/* its own name, and those above it */
	{ "https://arm.test", "https://arm.test", true },
	{ "https://arm.test/", "https://arm.test:8443/", true },
	{ "https://ARM.test", "https://arm.TEST", true },
	{ "https://azs.test/x", "https://arm.azs.test", true },
	{ "https://arm.azs.test", "https://azs.test", false },
	{ AZURE, "https://arm.test", false },
	{ AZURE "/", "https://arm.test", false },
	{ AZURE, "https://xmanagement.azure.com", false },
	{ AZURE, "https://x-management.azure.com", false },
	{ AZURE, "https://management.azure.com.arm.test", false },
	{ "https://" GUID, "https://arm.test", false },
	/* an application, as Azure Stack has one */
	{ "https://management.adfs.azurestack.local/" GUID, STACK, true },
	{ "https://management.contoso.onmicrosoft.com/" GUID, STACK, true },
	{ "https://management.contoso.onmicrosoft.com/" GUID "/", STACK, true },
	/* what is not a GUID */
	{ "https://stack.test/" GUID "0", STACK, false },
	{ "https://stack.test/" GUID "//", STACK, false },
	{ "https://stack.test/" GUID "?", STACK, false },
	{ "https://stack.test//" GUID, STACK, false },
	{ "https://stack.test/x/" GUID, STACK, false },
	{ "https://stack.test/" GUID "/.default", STACK, false },
	{ "https://stack.test/797f4846+ba00-4fd7-ba43-dac1f8f63013", STACK, false },
	{ "https://stack.test/g97f4846-ba00-4fd7-ba43-dac1f8f63013", STACK, false },
	{ AZURE "/?a-query-of-more-than-thirty-six-characters", STACK, false },
	{ AZURE "/////////////////////////////////////////////", STACK, false },
	{ AZURE "/.default/a-path-of-more-than-thirty-six-characters", STACK,
	  false },
	/* and what is nobody's to have there but Microsoft's */
	{ AZURE "/" GUID, STACK, false },
	{ "https://MANAGEMENT.azure.com:443/" GUID, STACK, false },
	{ "https://management.azure.com./" GUID, STACK, false },
	{ "https://management.core.windows.net/" GUID, STACK, false },
	{ "https://graph.microsoft.com/" GUID, STACK, false },
	{ "https://vault.azure.net/" GUID, STACK, false },
	{ "https://management.usgovcloudapi.net/" GUID, STACK, false },
	{ "https://management.chinacloudapi.cn/" GUID, STACK, false },
	/* no URL at all, or none of https */
	{ GUID, STACK, false },
	{ "", STACK, false },
	{ "http://arm.test", "https://arm.test", false },
	{ "https://arm.test", "arm.test", false },
	{ "https://user@arm.test", "https://arm.test", false },
	{ "https://arm.test:x/" GUID, STACK, false },
	{ "api://arm.test/" GUID, STACK, false },
};

static const struct row logins[] = {
	{ "https://arm.test", "https://arm.test", true },
	{ "https://arm.test/adfs", "https://arm.test:8443", true },
	{ "https://azs.test", "https://arm.azs.test", true },
	{ "https://adfs.local.azurestack.external/adfs", STACK, true },
	/* known clouds', whatever is behind */
	{ "https://login.microsoftonline.com", STACK, true },
	{ "https://login.microsoftonline.com/common", STACK, true },
	{ "https://login.windows.net", STACK, true },
	{ "https://login.microsoftonline.us", STACK, true },
	{ "https://login.chinacloudapi.cn", STACK, true },
	{ "https://login.partner.microsoftonline.cn", STACK, true },
	/* others */
	{ "https://login.test", "https://arm.test", false },
	{ "https://login.evil.test", STACK, false },
	{ "https://xlogin.microsoftonline.com", STACK, false },
	{ "https://login.microsoftonline.com.evil.test", STACK, false },
	{ "https://login.microsoftonline.com.", STACK, false },
	{ "https://evil.test/login.microsoftonline.com", STACK, false },
	{ "https://xlocal.azurestack.external", STACK, false },
	{ "https://adfs.xlocal.azurestack.external", STACK, false },
	{ "https://azurestack.external", "https://arm.azurestack.external:1",
	  true },
	{ "https://evil.external", "https://arm.external", false },
	{ "http://arm.test", "https://arm.test", false },
	{ "arm.test", "https://arm.test", false },
	{ "", "https://arm.test", false },
	{ "https://login", "https://arm", false },
};

static void run(const struct row *rows, size_t n, const char *what,
		bool (*ok)(const char *who, const char *arm))
{
	for (size_t i = 0; i < n; i++) {
		char name[300];

		snprintf(name, sizeof(name), "%s %s for %s", what, rows[i].who,
			 rows[i].arm);
		checkf(ok(rows[i].who, rows[i].arm) == rows[i].ok, name,
		       rows[i].ok ? "refused" : "let through");
	}
}

static void run_known(void)
{
	const struct cloud *c = cloud_find("azurechinacloud", NULL, NULL);

	checkf(c != NULL && str_eqz(str_of(c->authority),
				    "https://login.chinacloudapi.cn"),
	       "a cloud by its name", "another");
	c = cloud_find(NULL, "https://login.partner.microsoftonline.cn", NULL);
	checkf(c != NULL && str_eqz(str_of(c->name), "AzureChinaCloud"),
	       "a cloud by its sign-in", "another");
	c = cloud_find(NULL, NULL, "https://management.usgovcloudapi.net");
	checkf(c != NULL && str_eqz(str_of(c->name), "AzureUSGovernment"),
	       "a cloud by its Resource Manager", "another");
	checkf(cloud_find(NULL, "https://login.microsoftonline.com.evil.test",
			  NULL) == NULL &&
		       cloud_find(NULL, NULL, AZURE "x") == NULL &&
		       cloud_find("Azure", NULL, NULL) == NULL,
	       "a cloud that nobody knows", "one");
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	run(audiences, sizeof(audiences) / sizeof(*audiences), "audience",
	    cloud_audience_ok);
	run(logins, sizeof(logins) / sizeof(*logins), "sign-in", cloud_login_ok);
	run_known();
	return check_failed();
}
