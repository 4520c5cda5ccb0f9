/*
 * Whole deployments through the local Azure: asked for, run, shown, foretold,
 * run again over what there is, saved, loaded and deleted.  An input that
 * begins with { is the body of the PUT; any other is a list of changes to the
 * deployment that a cluster is made with, three bytes each: what, and of which
 * of its values.
 */
#include <stdint.h>

#include "base/asset.h"
#include "tests/local_azure.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define DEPLOYMENT AZURE_GROUP "/providers/Microsoft.Resources/deployments/d"
#define WHAT_IF DEPLOYMENT "/whatIf" AZURE_CORE
#define CHANGES_MAX 12
#define PATIENCE_MS 9000

static const char *const words[] = {
	"",
	"/",
	": ",
	"a: b",
	"%s%n",
	"..",
	"x",
	"10.77.0.300",
	"10.77.0.0/33",
	"-1",
	"[",
	"[[x]",
	"[copyIndex()]",
	"[variables('vmssId')]",
	"[parameters('imageReference')]",
	"[resourceGroup()]",
	"[reference('vnet')]",
	"[deployment()]",
	"[range(0, 200)]",
	"[concat(variables('vmssId'), '/', uniqueString('x'))]",
	"/subscriptions/x/resourceGroups/g/providers/a/b/c",
	"Microsoft.Network/virtualNetworks/subnets",
	"2015-01-01",
	"9007199254740993",
	"PT99999999999999999M",
	"\xc3\xa9\xf0\x9f\x98\x80",
	"{\"a\":",
	"Complete",
	"Spot",
	"default",
};
#define WORDS (sizeof(words) / sizeof(words[0]))

/* ---- changes ---- */

static size_t count(const cJSON *doc)
{
	const cJSON *c;
	size_t n = 1;

	cJSON_ArrayForEach(c, doc)
		n += count(c);
	return n;
}

/* The nth value, or NULL; *n counts down. */
static cJSON *nth(cJSON *doc, size_t *n)
{
	cJSON *c, *found;

	if ((*n)-- == 0)
		return doc;
	cJSON_ArrayForEach(c, doc)
		if ((found = nth(c, n)) != NULL)
			return found;
	return NULL;
}

/* Its name and place stay.  Takes value. */
static void become(cJSON *at, cJSON *value)
{
	cJSON was = *at;

	at->type = value->type;
	at->child = value->child;
	at->valuestring = value->valuestring;
	at->valueint = value->valueint;
	at->valuedouble = value->valuedouble;
	value->type = was.type;
	value->child = was.child;
	value->valuestring = was.valuestring;
	json_free(value);
}

static cJSON *long_text(void)
{
	static const size_t n = 70000;
	char *s = xmalloc(n + 1);
	cJSON *doc;

	memset(s, 'a', n);
	s[n] = '\0';
	doc = cJSON_CreateString(s);
	free(s);
	return doc;
}

static cJSON *nested(const cJSON *inner, unsigned levels)
{
	cJSON *doc = cJSON_Duplicate(inner, true);

	while (levels-- > 0)
		doc = json_array_of(doc);
	return doc;
}

/* what: of 14 kinds, and of words. */
static void change(cJSON *doc, unsigned what, size_t which)
{
	size_t n = count(doc), at = which % n, from = which / 7 % n;
	cJSON *v = nth(doc, &at), *other = nth(doc, &from);
	const char *word = words[(what / 14 + which) % WORDS];

	switch (what % 14) {
	case 0:
		become(v, long_text());
		break;
	case 1:
		become(v, cJSON_CreateNull());
		break;
	case 2:
		become(v, cJSON_CreateNumber((double)which - 100));
		break;
	case 3:
		become(v, cJSON_CreateNumber(1e300));
		break;
	case 4:
		become(v, cJSON_CreateTrue());
		break;
	case 5:
		become(v, cJSON_CreateArray());
		break;
	case 6:
		become(v, cJSON_CreateObject());
		break;
	case 7:
		become(v, cJSON_Duplicate(other, true));
		break;
	case 8:
		become(v, nested(v, what / 14 * 3));
		break;
	case 9: /* it is there twice, or there is one without a name */
		if (cJSON_IsArray(v))
			cJSON_AddItemToArray(v, cJSON_Duplicate(other, true));
		else if (cJSON_IsObject(v) && other->string != NULL)
			cJSON_AddItemToObject(v, other->string,
					      cJSON_Duplicate(other, true));
		break;
	case 10:
		if (v->child != NULL)
			json_free(cJSON_DetachItemViaPointer(v, v->child));
		break;
	default:
		become(v, cJSON_CreateString(word));
	}
}

static cJSON *body_of(const uint8_t *data, size_t size)
{
	struct str text = { (const char *)data, size };
	struct err e = ERR_INIT;
	cJSON *doc;

	if (str_starts(text, STR("{")))
		return json_parse(text, "body", &e);
	doc = azure_cluster();
	for (size_t i = 0; i + 3 <= size && i < 3 * CHANGES_MAX; i += 3)
		change(doc, data[i], (size_t)data[i + 1] << 8 | data[i + 2]);
	return doc;
}

/* ---- what is asked ---- */

/* Every answer can be read, and no request is one too many. */
static unsigned ask(struct azure *z, const char *method, const char *target,
		    struct str body)
{
	struct azure_answer a = azure_ask(z, method, target, body);
	bool wordy = a.status >= 400 || (a.status == 200 && *method == 'G');

	if (a.status == 0 || a.status >= 500 || (wordy && a.doc == NULL)) {
		fprintf(stderr, "%s %s: %u\n", method, target, a.status);
		abort();
	}
	azure_answer_release(&a);
	if (!azure_rest(z, PATIENCE_MS)) {
		fprintf(stderr, "%s %s does not end\n", method, target);
		abort();
	}
	return a.status;
}

/* What was kept can be read again. */
static void reload(struct azure *z)
{
	struct err e = ERR_INIT;
	int rc;

	pthread_mutex_lock(&z->m->lock);
	rc = store_save(z->m, &e);
	op_release_all(z->m);
	store_release(z->m);
	if (rc == 0)
		rc = store_load(z->m, &e);
	pthread_mutex_unlock(&z->m->lock);
	if (rc < 0) {
		fprintf(stderr, "%s\n", e.msg);
		abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const reads[] = {
		DEPLOYMENT AZURE_CORE,
		AZURE_GROUP "/deployments/d/operations" AZURE_CORE,
		AZURE_GROUP "/resources" AZURE_CORE,
		AZURE_GROUP
		"/providers/Microsoft.Compute/virtualMachineScaleSets/agents"
		"?api-version=2024-07-01",
	};
	struct buf body = BUF_INIT(AZURE_BODY_MAX);
	struct azure z;
	cJSON *doc;

	json_init();
	if ((doc = body_of(data, size)) == NULL)
		return 0;
	json_print(doc, &body);
	json_free(doc);
	if (!azure_open(&z))
		abort();
	for (int i = 0; i < 2; i++) {
		ask(&z, "PUT", DEPLOYMENT AZURE_CORE, buf_str(&body));
		for (size_t k = 0; k < sizeof(reads) / sizeof(reads[0]); k++)
			ask(&z, "GET", reads[k], STR_NULL);
		ask(&z, "POST", WHAT_IF, buf_str(&body));
		reload(&z);
	}
	ask(&z, "DELETE", AZURE_GROUP AZURE_CORE, STR_NULL);
	azure_close(&z);
	buf_release(&body);
	return 0;
}
