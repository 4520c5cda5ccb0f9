/*
 * Whole deployments through the local Azure, in this process: the template
 * that a cluster is made with, and what becomes of it when one text of it is
 * far longer than anybody's.  What is refused is refused in words, and what is
 * taken is shown like the rest.
 * time: 240
 */
#include "tests/check.h"
#include "tests/local_azure.h"

#define DEPLOYMENT AZURE_GROUP "/providers/Microsoft.Resources/deployments/d"
#define LONG_N 70000

static cJSON *template_of(cJSON *deployment)
{
	return json_get_mut(json_get_mut(deployment, "properties"), "template");
}

/* The nth text of the document, or NULL; *n counts down. */
static cJSON *nth_text(cJSON *doc, int *n)
{
	cJSON *c, *found = NULL;

	if (cJSON_IsString(doc))
		return (*n)-- == 0 ? doc : NULL;
	cJSON_ArrayForEach(c, doc)
		if ((found = nth_text(c, n)) != NULL)
			break;
	return found;
}

static void make_long(cJSON *text)
{
	char *s = xmalloc(LONG_N + 1);

	memset(s, 'a', LONG_N);
	s[LONG_N] = '\0';
	cJSON_SetValuestring(text, s);
	free(s);
}

/* What is wrong with an error: "" when it has a code and words, neither longer
 * than anybody would read. */
static const char *error_why(const cJSON *error)
{
	const cJSON *d, *inner = json_get(error, "details");
	const char *why;

	if (*json_text(error, "code") == '\0')
		return "no code";
	if (*json_text(error, "message") == '\0')
		return "no message";
	if (strlen(json_text(error, "message")) > LONG_N / 2)
		return "all of the text is in the message";
	cJSON_ArrayForEach(d, inner)
		if (*(why = error_why(d)) != '\0')
			return why;
	return "";
}

/* How a deployment that was begun came out; "" when that can be. */
static const char *end_why(struct azure *z)
{
	struct azure_answer a;
	const char *state, *why = "";

	if (!azure_rest(z, CHECK_PATIENCE_MS))
		return "it does not end";
	a = azure_ask(z, "GET", DEPLOYMENT AZURE_CORE, STR_NULL);
	state = json_text(a.doc, "properties.provisioningState");
	if (strcmp(state, "Failed") == 0)
		why = error_why(json_at(a.doc, "properties.error"));
	else if (strcmp(state, "Succeeded") != 0)
		why = "neither Succeeded nor Failed";
	azure_answer_release(&a);
	return why;
}

/* Put it, and look at what comes of it. */
static const char *deploy_why(struct azure *z, const cJSON *doc, bool *made)
{
	struct buf body = BUF_INIT(1u << 20);
	struct azure_answer a;
	const char *why = "";

	json_print(doc, &body);
	a = azure_ask(z, "PUT", DEPLOYMENT AZURE_CORE, buf_str(&body));
	*made = a.status == 201;
	if (*made)
		why = end_why(z);
	else if (a.status == 400)
		why = error_why(json_get(a.doc, "error"));
	else
		why = "neither 201 nor 400";
	azure_answer_release(&a);
	buf_release(&body);
	return why;
}

static int resources(struct azure *z)
{
	struct azure_answer a = azure_ask(z, "GET",
					  AZURE_GROUP "/resources" AZURE_CORE,
					  STR_NULL);
	int n = cJSON_GetArraySize(json_get(a.doc, "value"));

	azure_answer_release(&a);
	return n;
}

static void whole(void)
{
	struct azure z;
	cJSON *doc = azure_cluster();
	bool made = false;

	check(azure_open(&z), "the local Azure is there", "no");
	check_why("a cluster", deploy_why(&z, doc, &made));
	check(made, "is made", "refused");
	checkf(resources(&z) == 12, "of its resources", "%d", resources(&z));
	json_free(doc);
	azure_close(&z);
}

/* Every text of the template in turn. */
static void long_texts(void)
{
	int refused = 0, n = 0;

	for (;; n++) {
		cJSON *doc = azure_cluster(), *text;
		int left = n;
		bool made = false;
		char name[64];
		struct azure z;

		text = nth_text(template_of(doc), &left);
		if (text == NULL) {
			json_free(doc);
			break;
		}
		snprintf(name, sizeof(name), "long text %d, %.30s", n,
			 text->string != NULL ? text->string : "of an array");
		make_long(text);
		azure_open(&z);
		check_why(name, deploy_why(&z, doc, &made));
		refused += !made;
		if (str_is(text->string, "id"))
			check(!made, "no id is so long", name);
		azure_close(&z);
		json_free(doc);
	}
	checkf(n > 300, "there are many texts", "%d", n);
	checkf(refused > 100, "many are refused at once", "%d", refused);
}

/* A template whose value has that many levels: in one literal, and from one
 * variable to the next. */
static cJSON *deep_template(int levels, int variables)
{
	struct buf b = BUF_INIT(1u << 20);
	struct err e = ERR_INIT;
	cJSON *doc;

	buf_adds(&b, "{\"$schema\":\"https://schema.management.azure.com/"
		     "schemas/"
		     "2019-04-01/deploymentTemplate.json#\",\"contentVersion\":"
		     "\"1.0.0.0\",\"resources\":[],\"variables\":{\"v0\":1");
	for (int i = 1; i <= variables; i++) {
		buf_addf(&b, ",\"v%d\":", i);
		for (int k = 0; k < levels; k++)
			buf_addc(&b, '[');
		buf_addf(&b, "\"[variables('v%d')]\"", i - 1);
		for (int k = 0; k < levels; k++)
			buf_addc(&b, ']');
	}
	buf_addf(&b,
		 "},\"outputs\":{\"o\":{\"type\":\"array\",\"value\":"
		 "\"[variables('v%d')]\"}}}",
		 variables);
	doc = json_parse(buf_str(&b), "template", &e);
	if (doc == NULL)
		check_give_up("deep", "%s", e.msg);
	buf_release(&b);
	return doc;
}

static const struct {
	const char *what;
	int levels, variables;
	bool made;
	const char *words; /* of the error; NULL: it succeeds */
} depths[] = {
	{ "levels that are usual", 20, 2, true, NULL },
	{ "more than an output may have", 20, 3, true, "nested more than 50" },
	{ "more than a value may have", 20, 6, false, "nested more than 100" },
	{ "from one to the next, to thousands", 40, 90, false,
	  "nested more than 100" },
	{ "more than a body may have", 60, 1, false, "nested too deeply" },
};

static void deep(void)
{
	for (size_t i = 0; i < sizeof(depths) / sizeof(depths[0]); i++) {
		struct buf b = BUF_INIT(1u << 20);
		struct azure z;
		cJSON *doc = json_fmt("{'properties':{'mode':'Incremental'}}");
		struct azure_answer a;
		bool made = false;

		cJSON_AddItemToObject(json_get_mut(doc, "properties"), "template",
				      deep_template(depths[i].levels,
						    depths[i].variables));
		azure_open(&z);
		check_why(depths[i].what, deploy_why(&z, doc, &made));
		check(made == depths[i].made, "it is taken, or not",
		      depths[i].what);
		json_print(doc, &b);
		a = azure_ask(&z, made ? "GET" : "PUT", DEPLOYMENT AZURE_CORE,
			      made ? STR_NULL : buf_str(&b));
		buf_reset(&b);
		json_print(a.doc, &b);
		check(depths[i].words == NULL ?
			      json_is(a.doc, "properties.provisioningState",
				      "Succeeded") :
			      strstr(b.str, depths[i].words) != NULL,
		      "and why", b.str);
		azure_answer_release(&a);
		azure_close(&z);
		json_free(doc);
		buf_release(&b);
	}
}

int main(void)
{
	json_init();
	whole();
	deep();
	long_texts();
	return check_failed();
}
