/*
 * The clouds that are known, and whom an endpoint that is not may name: for
 * which audience it wants tokens, where credentials are sent for it.  Asks
 * nobody.
 *
 * Source: "National clouds", "Azure Stack Hub: use API version profiles"
 * (learn.microsoft.com).
 */
#include <stdio.h>
#include <string.h>

#include "http.h"
#include "swarm/cloud.h"

/* China's sign-in endpoint has an older name and a newer one; the last row is
 * there so that AZURE_AUTHORITY_HOST may say either. */
static const struct cloud clouds[] = {
	{ "AzureCloud", "https://login.microsoftonline.com",
	  "https://management.azure.com", "https://prices.azure.com" },
	{ "AzureUSGovernment", "https://login.microsoftonline.us",
	  "https://management.usgovcloudapi.net", "https://prices.azure.com" },
	{ "AzureChinaCloud", "https://login.chinacloudapi.cn",
	  "https://management.chinacloudapi.cn", NULL },
	{ "AzureChinaCloud", "https://login.partner.microsoftonline.cn",
	  "https://management.chinacloudapi.cn", NULL },
};
#define N_CLOUDS (sizeof(clouds) / sizeof(*clouds))

const struct cloud *cloud_find(const char *name, const char *authority,
			       const char *arm)
{
	for (const struct cloud *c = clouds; c < clouds + N_CLOUDS; c++)
		if ((name == NULL || str_ieqz(str_of(name), c->name)) &&
		    (authority == NULL || strcmp(authority, c->authority) == 0) &&
		    (arm == NULL || strcmp(arm, c->arm) == 0))
			return c;
	return NULL;
}

static bool host_of(const char *url, struct http_url *u)
{
	struct err ignored = ERR_INIT;

	return http_url_parse(str_of(url), u, &ignored) == 0 && u->tls &&
	       !str_ends(str_of(u->host), STR("."));
}

/* The host is that domain, or in it. */
static bool in_domain(struct str host, struct str domain)
{
	return domain.n > 0 && str_ends(host, domain) &&
	       (host.n == domain.n || host.p[host.n - domain.n - 1] == '.');
}

/* Domains in which Microsoft's own applications have their names. */
static bool of_microsoft(struct str host)
{
	static const char *const domains[] = {
		"azure.com",	     "azure.net",     "azure.us",
		"azure.cn",	     "windows.net",   "microsoft.com",
		"microsoft.us",	     "office.com",    "microsoftonline.com",
		"usgovcloudapi.net", "office365.com", "chinacloudapi.cn",
	};

	for (size_t i = 0; i < sizeof(domains) / sizeof(*domains); i++)
		if (in_domain(host, str_of(domains[i])))
			return true;
	return false;
}

/* "/797f4846-ba00-4fd7-ba43-dac1f8f63013", a slash behind it or not. */
static bool is_guid_path(struct str path)
{
	static const char form[] = "/xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

	if (path.n == sizeof(form) && path.p[path.n - 1] == '/')
		path = str_head(path, path.n - 1);
	if (path.n != sizeof(form) - 1)
		return false;
	for (size_t i = 0; i < path.n; i++)
		if (form[i] == 'x' ?
			    strchr("0123456789abcdefABCDEF", path.p[i]) == NULL :
			    path.p[i] != form[i])
			return false;
	return true;
}

bool cloud_audience_ok(const char *audience, const char *arm)
{
	struct http_url a, b;

	if (!host_of(audience, &a) || !host_of(arm, &b))
		return false;
	return in_domain(str_of(b.host), str_of(a.host)) ||
	       (is_guid_path(a.path) && !of_microsoft(str_of(a.host)));
}

bool cloud_login_ok(const char *login, const char *arm)
{
	/* what Azure Stack still says */
	static const char older[] = "login.windows.net";
	struct http_url a, b, known;
	struct str host, region, label;

	if (!host_of(login, &a) || !host_of(arm, &b))
		return false;
	host = str_of(a.host);
	for (const struct cloud *c = clouds; c < clouds + N_CLOUDS; c++)
		if (host_of(c->authority, &known) && str_eqz(host, known.host))
			return true;
	/* two labels at least, for all the world is in "com" */
	region = str_of(b.host);
	if (!str_cut(&region, '.', &label) || str_chr(region, '.') < 0)
		region = STR_NULL;
	return str_eqz(host, older) || in_domain(str_of(b.host), host) ||
	       in_domain(host, region);
}

/* One label, letters and digits, in front of that. */
static bool is_label_of(struct str host, struct str domain)
{
	struct str label;

	if (host.n <= domain.n || !str_ends(host, domain))
		return false;
	label = str_head(host, host.n - domain.n);
	for (size_t i = 0; i < label.n; i++)
		if (!is_alnum(label.p[i]) && label.p[i] != '-')
			return false;
	return true;
}

bool cloud_registry_ok(const char *registry, const char *arm)
{
	static const struct {
		const char *cloud, *domain;
	} domains[] = { { "AzureCloud", ".azurecr.io" },
			{ "AzureUSGovernment", ".azurecr.us" },
			{ "AzureChinaCloud", ".azurecr.cn" } };
	const struct cloud *c = cloud_find(NULL, NULL, arm);
	struct str host = str_of(registry), name;
	struct http_url u;
	char local[64];

	for (size_t i = 0; c != NULL && i < sizeof(domains) / sizeof(*domains);
	     i++)
		if (strcmp(domains[i].cloud, c->name) == 0)
			return is_label_of(host, str_of(domains[i].domain));
	if (!host_of(arm, &u) || strcmp(u.host, "localhost") != 0)
		return false;
	snprintf(local, sizeof(local), ".azurecr.localhost:%u", u.port);
	name = str_of(local);
	return is_label_of(host, name);
}
