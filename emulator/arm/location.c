/*
 * The regions there are.
 */
#include <string.h>

#include "emulator/arm/location.h"
#include "emulator/fault.h"
#include "emulator/inner.h"

const struct location location_table[] = {
	{ "eastus", "East US", "US", "westus" },
	{ "eastus2", "East US 2", "US", "centralus" },
	{ "westus", "West US", "US", "eastus" },
	{ "westus2", "West US 2", "US", "westcentralus" },
	{ "centralus", "Central US", "US", "eastus2" },
	{ "northeurope", "North Europe", "Europe", "westeurope" },
	{ "westeurope", "West Europe", "Europe", "northeurope" },
	{ "germanywestcentral", "Germany West Central", "Europe", "germanynorth" },
	{ "uksouth", "UK South", "UK", "ukwest" },
	{ "southeastasia", "Southeast Asia", "Asia Pacific", "eastasia" },
	{ .name = NULL },
};

const char *location_find(const char *name)
{
	char s[40];
	size_t n = 0;

	for (; name != NULL && *name != '\0' && n < sizeof(s) - 1; name++)
		if (*name != ' ')
			s[n++] = to_lower(*name);
	s[n] = '\0';
	for (const struct location *l = location_table;
	     s[0] != '\0' && l->name != NULL; l++)
		if (strcmp(s, l->name) == 0)
			return l->name;
	return NULL;
}

const char *location_of_body(const cJSON *body, const char *what, struct fault *f)
{
	const char *asked = json_str_opt(body, "location", NULL),
		   *name = location_find(asked);
	struct buf list = BUF_INIT(1024);

	if (asked == NULL)
		fault_set(f, 400,
			  "LocationRequired: The location property is required for this "
			  "definition.");
	if (name == NULL) {
		for (const struct location *l = location_table; l->name != NULL;
		     l++)
			buf_addf(&list, "%s%s", list.n > 0 ? "," : "", l->name);
		fault_set(f, 400,
			  "LocationNotAvailableFor%s: The provided location '%.60s' is not "
			  "available. List of available regions is '%s'.",
			  what, asked, list.str);
	}
	buf_release(&list);
	return name;
}

const char *location_of_path(char **words, struct fault *f)
{
	const char *name = location_find(words[1]);

	if (name != NULL && words[2] != NULL)
		return name;
	fault_set(f, 400,
		  "NoRegisteredProviderFound: "
		  "No registered resource provider found for location '%.60s'.",
		  words[1] != NULL ? words[1] : "");
	return NULL;
}
