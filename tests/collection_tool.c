/*
 * Templates of other people, evaluated as far as that goes without an Azure:
 * opened, every resource and every output of it, and so the deployments that
 * are nested in it.  sh/collection drives it.
 *
 *	collection_tool <LIST-OF-FILES
 *
 * A line for each: what became of it, the file, and why.
 *	evaluated	all of it
 *	refused		not known to the local Azure, in these words
 *	guessed		another reason, but a parameter had a value by rule
 *	faulty		another reason
 *	other		no template at all
 * A parameter has the value of the parameters file beside the template, else
 * its default, else one by rule: what is allowed, what fits its bounds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "template/template.h"

#define FILE_MAX (16u << 20)
#define REFUSAL "not known to the local Azure"

/* NULL: there is none, or it is no JSON. */
static cJSON *document(const char *path, struct err *e)
{
	struct buf raw = BUF_INIT(FILE_MAX), text = BUF_INIT(2 * FILE_MAX);
	cJSON *doc = NULL;

	if (file_read(path, &raw, e) == 0) {
		struct str s = buf_str(&raw);

		if (str_starts(s, STR("\xef\xbb\xbf")))
			s = str_skip(s, 3);
		template_strict_json(s, &text);
		doc = json_parse(buf_str(&text), "the file", e);
	}
	buf_release(&raw);
	buf_release(&text);
	return doc;
}

/* ---- parameters ---- */

static cJSON *text_between(const char *name, int64_t least, int64_t most)
{
	struct buf b = BUF_INIT(4096);
	cJSON *v;

	buf_addf(&b, "%s1A-", name);
	while ((int64_t)b.n < least && !b.over)
		buf_addc(&b, 'x');
	if ((int64_t)b.n > most)
		buf_truncate(&b, (size_t)most);
	v = cJSON_CreateString(b.str);
	buf_release(&b);
	return v;
}

static cJSON *by_rule(const cJSON *def)
{
	const char *type = json_text(def, "type");
	const cJSON *allowed = json_get_i(def, "allowedValues");

	if (allowed != NULL && allowed->child != NULL)
		return str_is(type, "array") ?
			       cJSON_Duplicate(allowed, true) :
			       cJSON_Duplicate(allowed->child, true);
	if (str_is(type, "int"))
		return cJSON_CreateNumber(
			(double)json_int_opt(def, "minValue", 1));
	if (str_is(type, "bool"))
		return cJSON_CreateTrue();
	if (str_is(type, "array"))
		return cJSON_CreateArray();
	if (str_is(type, "object") || str_is(type, "secureObject"))
		return cJSON_CreateObject();
	return text_between(def->string, json_int_opt(def, "minLength", 0),
			    json_int_opt(def, "maxLength", 64));
}

/* Beside x.json, x.parameters.json or parameters.json. */
static cJSON *beside(const char *path)
{
	struct str s = str_of(path), dir = s;
	struct err e = ERR_INIT;
	char *name = xasprintf("%.*s.parameters.json", (int)s.n - 5, path);
	cJSON *doc = document(name, &e);
	ptrdiff_t slash = str_rchr(s, '/');

	free(name);
	if (doc != NULL || slash < 0)
		return doc;
	dir = str_head(s, (size_t)slash);
	name = xasprintf("%.*s/parameters.json", STR_ARG(dir));
	err_clear(&e);
	doc = document(name, &e);
	free(name);
	return doc;
}

/* The words that stand for what whoever deploys it makes up; NULL: none. */
static cJSON *made_up(const cJSON *v)
{
	static unsigned count;
	struct str z = str_of(cJSON_GetStringValue(v)), rest;
	struct buf b = BUF_INIT(4096);
	uint64_t n = 16;
	cJSON *out = NULL;

	count++;
	if (str_starts(z, STR("GEN-UNIQUE"))) {
		rest = str_skip(z, strlen("GEN-UNIQUE-"));
		if (!str_num(rest, 100, &n))
			n = 16;
		buf_addf(&b, "u%u", count % 10000);
		while (b.n < n)
			buf_addc(&b, 'x');
		buf_truncate(&b, n);
	} else if (str_starts(z, STR("GEN-GUID"))) {
		buf_addf(&b, "00000000-0000-4000-8000-%012u", count);
	} else if (str_starts(z, STR("GEN-PASSWORD"))) {
		buf_addf(&b, "Passw0rd-%u", count);
	} else if (str_starts(z, STR("GEN-SSH-PUB-KEY"))) {
		buf_adds(&b, "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAB");
	} else if (str_starts(z, STR("GEN-")) || str_starts(z, STR("GET-PREREQ"))) {
		buf_addf(&b, "made-up-%u", count);
	}
	if (b.n > 0)
		out = cJSON_CreateString(b.str);
	buf_release(&b);
	return out;
}

/* The caller's. */
static cJSON *parameters_of(const char *path, const cJSON *doc, bool *guessed)
{
	cJSON *file = beside(path), *to = cJSON_CreateObject();
	const cJSON *given = json_get(file, "parameters"), *def;

	cJSON_ArrayForEach(def, json_get_i(doc, "parameters")) {
		const cJSON *v = json_get_i(json_get_i(given, def->string),
					    "value");

		cJSON *made = made_up(v);

		if (made == NULL && v != NULL)
			made = cJSON_Duplicate(v, true);
		if (made != NULL)
			cJSON_AddItemToObject(json_add_obj(to, def->string),
					      "value", made);
		else if (json_get_i(def, "defaultValue") == NULL &&
			 !json_bool_opt(def, "nullable", false)) {
			*guessed = true;
			cJSON_AddItemToObject(json_add_obj(to, def->string),
					      "value", by_rule(def));
		}
	}
	json_free(file);
	return to;
}

/* ---- evaluating ---- */

static int evaluate(const cJSON *doc, const cJSON *parameters,
		    const struct template_scope *scope, struct err *e);

/* In the group that it says; it is not known whether there is one. */
static void nested(const struct template_resource *r, const cJSON *body,
		   const struct template_scope *outer, struct err *e)
{
	const cJSON *parameters, *doc = template_nested(body, &parameters, e);
	struct template_scope inner = *outer;
	const char *group = strstr(r->id, "/resourceGroups/");

	if (doc == NULL)
		return;
	if (group == NULL)
		err_set(e, ERR_AZURE, "Of a subscription: " REFUSAL);
	inner.deployment_name = r->name;
	if (e->kind == ERR_NONE)
		evaluate(doc, parameters, &inner, e);
}

static int evaluate(const cJSON *doc, const cJSON *parameters,
		    const struct template_scope *scope, struct err *e)
{
	struct template *t = template_open(doc, parameters, scope, e);
	size_t n = 0;

	if (t != NULL)
		template_resources(t, &n);
	for (size_t i = 0; i < n && e->kind == ERR_NONE; i++) {
		const struct template_resource *r = template_resources(t, &n) + i;

		cJSON *body = r->deploy ? template_resource(t, i, e) : NULL;

		if (body != NULL && r->nested)
			nested(r, body, scope, e);
		json_free(body);
	}
	if (t != NULL && e->kind == ERR_NONE)
		json_free(template_outputs(t, e));
	template_free(t);
	return e->kind == ERR_NONE ? 0 : -1;
}

static const char *word_for(const struct err *e, bool guessed)
{
	if (e->kind == ERR_NONE)
		return "evaluated";
	if (strstr(e->msg, REFUSAL) != NULL ||
	    strstr(e->msg, "which the local Azure does not have") != NULL)
		return "refused";
	return guessed ? "guessed" : "faulty";
}

static void one(const char *path, const struct template_scope *scope)
{
	struct err e = ERR_INIT;
	cJSON *doc = document(path, &e), *parameters;
	const char *schema = json_text(doc, "$schema"), *word = "other";
	bool guessed = false;

	if (strstr(schema, "eploymentTemplate.json") != NULL) {
		parameters = parameters_of(path, doc, &guessed);
		evaluate(doc, parameters, scope, &e);
		json_free(parameters);
		word = word_for(&e, guessed);
	}
	json_free(doc);
	for (char *p = e.msg; *p != '\0'; p++)
		if ((unsigned char)*p < ' ')
			*p = '?';
	printf("%s\t%s\t%s\n", word, path, e.msg);
}

int main(void)
{
	struct err e = ERR_INIT;
	cJSON *group, *cloud;
	struct template_scope scope = {
		.subscription_id = "00000000-0000-0000-0000-000000000001",
		.tenant_id = "00000000-0000-0000-0000-000000000002",
		.group_name = "collection",
		.deployment_name = "main",
		.now = 1586271194,
	};
	char path[4096];

	json_init();
	group = json_parse(
		STR("{\"id\":\"/subscriptions/00000000-0000-0000-0000-000000000001/"
		    "resourceGroups/collection\",\"name\":\"collection\","
		    "\"type\":\"Microsoft.Resources/resourceGroups\","
		    "\"location\":\"westeurope\",\"tags\":{},"
		    "\"properties\":{\"provisioningState\":\"Succeeded\"}}"),
		"the group", &e);
	cloud = json_parse(
		STR("{\"name\":\"AzureCloud\",\"graph\":\"https://graph.windows.net/\","
		    "\"portal\":\"https://portal.azure.com\","
		    "\"graphAudience\":\"https://graph.windows.net/\","
		    "\"resourceManager\":\"https://management.azure.com/\","
		    "\"gallery\":\"https://gallery.azure.com/\","
		    "\"activeDirectoryDataLake\":\"https://datalake.azure.net/\","
		    "\"batch\":\"https://batch.core.windows.net/\","
		    "\"media\":\"https://rest.media.azure.net\","
		    "\"sqlManagement\":\"https://management.core.windows.net:8443/\","
		    "\"authentication\":{\"loginEndpoint\":"
		    "\"https://login.microsoftonline.com/\",\"audiences\":"
		    "[\"https://management.core.windows.net/\","
		    "\"https://management.azure.com/\"],\"tenant\":\"common\","
		    "\"identityProvider\":\"AAD\"},\"suffixes\":{"
		    "\"acrLoginServer\":\".azurecr.io\","
		    "\"azureDatalakeAnalyticsCatalogAndJob\":"
		    "\"azuredatalakeanalytics.net\","
		    "\"azureDatalakeStoreFileSystem\":"
		    "\"azuredatalakestore.net\","
		    "\"azureFrontDoorEndpointSuffix\":\"azurefd.net\","
		    "\"keyvaultDns\":\".vault.azure.net\","
		    "\"sqlServerHostname\":\".database.windows.net\","
		    "\"storage\":\"core.windows.net\"}}"),
		"the cloud", &e);
	if (group == NULL || cloud == NULL)
		return 1;
	scope.group = group;
	scope.environment = cloud;
	while (fgets(path, sizeof(path), stdin) != NULL) {
		path[strcspn(path, "\n")] = '\0';
		one(path, &scope);
		fflush(stdout);
	}
	json_free(group);
	json_free(cloud);
	return 0;
}
