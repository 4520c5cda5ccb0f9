/*
 * What deployments are asked for with: {"masterCount": {"value": 3}, ...}.
 */
#include "azure.h"

void azure_parameter(cJSON *parameters, const char *name, cJSON *value)
{
	cJSON *p = cJSON_CreateObject();

	json_set(p, "value", value);
	json_set(parameters, name, p);
}

void azure_parameter_text(cJSON *parameters, const char *name, const char *value)
{
	azure_parameter(parameters, name, cJSON_CreateString(value));
}
