/*
 * template/: deployments in deployments, language version 2.0, functions that
 * a template defines.  What is accepted and what comes of it is that of
 * "Using linked and nested templates", "Type definitions in ARM templates" and
 * "User-defined functions in ARM template" on learn.microsoft.com, where no
 * other word is given.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "template/template.h"
#include "tests/check.h"

/* Documents are written with ' for " and ` for '. */
static cJSON *json(const char *z)
{
	struct err e = ERR_INIT;
	char *text = xstrdup(z);
	cJSON *v;

	for (char *p = text; *p != '\0'; p++)
		*p = *p == '\'' ? '"' : *p == '`' ? '\'' : *p;
	v = json_parse(str_of(text), "test", &e);
	if (v == NULL)
		check_give_up("bad json in the test", "%s in %.60s", e.msg, text);
	free(text);
	return v;
}

#define HEAD \
	"{'$schema':" \
	"'https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#'," \
	"'contentVersion':'1.0.0.0'"
#define HEAD2 HEAD ",'languageVersion':'2.0'"
#define NEST \
	"'type':'Microsoft.Resources/deployments','apiVersion':'2022-09-01'"
#define NET \
	"'type':'Microsoft.Network/virtualNetworks','apiVersion':'2024-05-01'"

/* ---- the world ---- */

static char referred[400]; /* ids that were asked for */

/* Nothing is there but what ends in "there". */
static cJSON *reference(void *ctx, const char *id, const char *api, bool full,
			struct err *e)
{
	const char *name = strrchr(id, '/');

	(void)ctx;
	(void)api;
	(void)full;
	(void)e;
	snprintf(referred + strlen(referred),
		 sizeof(referred) - strlen(referred), "%s ", name + 1);
	return strstr(name, "there") != NULL ? json("{'x':{'y':'known'}}") : NULL;
}

static const cJSON *group;

static struct template_scope scope_of(const char *name)
{
	return (struct template_scope){
		.subscription_id = "S",
		.tenant_id = "T",
		.group_name = name,
		.group = group,
		.deployment_name = "main",
		.now = 1586271194,
		.reference = reference,
	};
}

/* ---- everything, down to the innermost ---- */

/* Ids of all that would be deployed, and the outputs of the innermost. */
static void walk(const cJSON *doc, const cJSON *parameters, const char *name,
		 struct buf *out, struct err *e)
{
	struct template_scope scope = scope_of(name);
	struct template *t = template_open(doc, parameters, &scope, e);
	const struct template_resource *r;
	cJSON *outputs;
	size_t n = 0;

	if (t == NULL && e->kind == ERR_NONE)
		buf_adds(out, "(later)");
	for (size_t i = 0; t != NULL && e->kind == ERR_NONE &&
			   (r = template_resources(t, &n), i < n);
	     i++) {
		cJSON *body = r[i].deploy ? template_resource(t, i, e) : NULL;
		const cJSON *given, *inner;

		if (body == NULL)
			continue;
		buf_addf(out, "%s", r[i].name);
		if (!r[i].nested) {
			buf_adds(out, " ");
			if (json_get(body, "properties") != NULL)
				json_print(json_get(body, "properties"), out);
		} else if ((inner = template_nested(body, &given, e)) != NULL) {
			const char *other = json_str_opt(body, "resourceGroup",
							 name);

			buf_addf(out, "@%s(", other);
			walk(inner, given, other, out, e);
			buf_adds(out, ")");
		}
		buf_adds(out, ";");
		json_free(body);
	}
	outputs = t != NULL && e->kind == ERR_NONE ? template_outputs(t, e) :
						     NULL;
	if (outputs != NULL)
		json_print(outputs, out);
	json_free(outputs);
	template_free(t);
}

struct row {
	const char *name, *doc, *parameters, *want; /* "!WORDS": refused */
};

static void one(const struct row *row)
{
	struct err e = ERR_INIT;
	struct buf b = BUF_INIT(1 << 20);
	cJSON *doc = json(row->doc);
	cJSON *given = row->parameters == NULL ? NULL : json(row->parameters);
	char *want = xstrdup(row->want);

	for (char *p = want; *want != '!' && *p != '\0'; p++)
		*p = *p == '\'' ? '"' : *p == '`' ? '\'' : *p;
	walk(doc, given, "G", &b, &e);
	if (*want == '!')
		check(e.kind == ERR_AZURE && strstr(e.msg, want + 1) != NULL,
		      row->name, e.kind == ERR_NONE ? b.str : e.msg);
	else
		check(e.kind == ERR_NONE && strcmp(b.str, want) == 0, row->name,
		      e.kind == ERR_NONE ? b.str : e.msg);
	free(want);
	json_free(doc);
	json_free(given);
	buf_release(&b);
}

/* ---- nested deployments ---- */

/* The page's own example, of either scope. */
#define EXAMPLE(options) \
	HEAD ",'variables':{'exampleVar':'from parent template'},'resources':[{" NEST \
	     ",'name':'nestedTemplate1','properties':{" options \
	     "'mode':'Incremental','template':" HEAD \
	     ",'variables':{'exampleVar':'from nested template'},'resources':[],'outputs" \
	     "':{'testVar':{'type':'string'," \
	     "'value':'[variables(`exampleVar`)]'}}}}}]}"
#define SAYS(what) \
	"nestedTemplate1@G({'testVar':{'type':'String','value':'" what "'}});{}"
#define INNER "'expressionEvaluationOptions':{'scope':'inner'},"
#define OUTER "'expressionEvaluationOptions':{'scope':'outer'},"
/* name, more of the deployment, properties, more of its template */
#define NESTED(name, more, props, template) \
	"{" NEST ",'name':'" name "'," more "'properties':{" props \
	"'mode':'Incremental','template':" HEAD template "}}}"

static const struct row nested[] = {
	{ "scope inner", EXAMPLE(INNER), NULL, SAYS("from nested template") },
	{ "scope outer", EXAMPLE(OUTER), NULL, SAYS("from parent template") },
	{ "scope by default", EXAMPLE(""), NULL, SAYS("from parent template") },
	{ "scope that is none",
	  EXAMPLE("'expressionEvaluationOptions':{'scope':'sideways'},"), NULL,
	  "!The scope 'sideways' of the evaluation of expressions" },
	{ "mode Complete is the root's",
	  HEAD ",'resources':[{" NEST
	       ",'name':'n','properties':{'mode':'Complete','template':" HEAD
	       ",'resources':[]}}}]}",
	  NULL, "!The mode 'Complete' of a nested deployment is not valid" },
	{ "a link",
	  HEAD ",'resources':[{" NEST
	       ",'name':'n','properties':{'mode':'Incremental','templateLink':{'uri':"
	       "'https://x/y.json'}}}]}",
	  NULL, "!A linked template is not known to the local Azure" },
	{ "neither template nor link",
	  HEAD ",'resources':[{" NEST
	       ",'name':'n','properties':{'mode':'Incremental'}}]}",
	  NULL, "!A nested deployment needs 'template'" },
	{ "in another group",
	  HEAD ",'resources':[" NESTED(
		  "n", "'resourceGroup':'[concat(`o`, `ther`)]',", INNER,
		  ",'resources':[{" NET
		  ",'name':'v'}],'outputs':{'id':{'type':'string','value':'[resourceId"
		  "(`a.b/c`, `d`)]'}}") "]}",
	  NULL,
	  "n@other(v ;{'id':{'type':'String','value':"
	  "'/subscriptions/S/resourceGroups/other/providers/a.b/c/d'}});{}" },
	{ "waited for in another group by its type and name",
	  HEAD ",'resources':[" NESTED(
		  "n", "'resourceGroup':'other',", "",
		  ",'resources':[]") ",{" NET
				     ",'name':'v','dependsOn':['Microsoft.Resources/deployments/n']}]}",
	  NULL, "n@other({});v ;{}" },
	{ "but not by an id of this group",
	  HEAD ",'resources':[" NESTED(
		  "n", "'resourceGroup':'other',", "",
		  ",'resources':[]") ",{" NET
				     ",'name':'v','dependsOn':['[resourceId(`Microsoft.Resources/deployments`, `n`)]']}]}",
	  NULL, "!is not defined in the template" },
	{ "outer scope has the outer group",
	  HEAD ",'resources':[" NESTED(
		  "n", "'resourceGroup':'other',", "",
		  ",'resources':[],'outputs':{'id':{'type':'string','value':'[resourceId"
		  "(`a.b/c`, `d`)]'}}") "]}",
	  NULL,
	  "n@other({'id':{'type':'String','value':"
	  "'/subscriptions/S/resourceGroups/G/providers/a.b/c/d'}});{}" },
	{ "parameters are evaluated outside, their use inside",
	  HEAD
	  ",'parameters':{'p':{'type':'string','defaultValue':'out'}},'resources':[" NESTED(
		  "n", "", INNER "'parameters':{'p':{'value':'[parameters(`p`)]'}},",
		  ",'parameters':{'p':{'type':'string'},'q':{'type':'string',"
		  "'defaultValue':'[concat(parameters(`p`), `in`)]'}},"
		  "'resources':[],'outputs':{'o':{'type':'string','value':'[parameters"
		  "(`q`)]'}}") "]}",
	  NULL, "n@G({'o':{'type':'String','value':'outin'}});{}" },
	{ "a parameter that is missing inside",
	  HEAD ",'resources':[" NESTED(
		  "n", "", INNER,
		  ",'parameters':{'p':{'type':'string'}},'resources':[]") "]}",
	  NULL, "!'p' is not provided" },
	{ "two brackets are for inside",
	  HEAD ",'resources':[" NESTED(
		  "n", "", "",
		  ",'resources':[],'outputs':{'o':{'type':'string','value':'[[concat(`a`"
		  ", `b`)]'}}") "]}",
	  NULL, "n@G({'o':{'type':'String','value':'ab'}});{}" },
	{ "an inner one in an outer one, and that in an inner one",
	  HEAD ",'variables':{'v':'1'},'resources':[" NESTED(
		  "a", "", "",
		  ",'variables':{'v':'2'},'resources':[" NESTED(
			  "b", "", INNER,
			  ",'variables':{'v':'3'},'resources':[],'outputs':{'o':{'type':"
			  "'string','value':'[variables(`v`)]'}}") "],"
								   "'outputs':{'o':{'type':'string','value':'[variables(`v`)]'}}") "]}",
	  NULL,
	  "a@G(b@G({'o':{'type':'String','value':'3'}});{'o':{'type':'String','value':'1"
	  "'}});{}" },
	{ "copies of a deployment",
	  HEAD
	  ",'resources':[" NESTED("[concat(`n`, copyIndex())]",
				  "'copy':{'name':'c','count':2},", "",
				  ",'resources':[{" NET
				  ",'name':'[concat(`v`, copyIndex())]'}]") "]}",
	  NULL, "n0@G(v0 ;{});n1@G(v1 ;{});{}" },
	{ "what is not known is a parameter's value, and the rest is",
	  HEAD ",'resources':[{" NET ",'name':'v'}," NESTED(
		  "n", "",
		  INNER
		  "'parameters':{'p':{'value':{'a':'[reference(`v`).x]','b':'known'}}},",
		  ",'parameters':{'p':{'type':'object'}},'resources':[{" NET
		  ",'name':'w','properties':{'a':'[parameters(`p`).a]','b':'[parameters"
		  "(`p`).b]','c':'[string(parameters(`p`))]'}}]") "]}",
	  NULL,
	  "v ;n@G(w {'a':'[parameters(`p`).a]','b':'known','c':'[string(parameters"
	  "(`p`))]'};{});{}" },
	{ "what is not known in the outer scope stays as it was",
	  HEAD ",'resources':[{" NET ",'name':'v'}," NESTED(
		  "n", "", "",
		  ",'resources':[{" NET
		  ",'name':'w','properties':{'a':'[reference(`v`).x]'}}]") "]}",
	  NULL, "v ;n@G(w {'a':'[reference(`v`).x]'};{});{}" },
	{ "a variable of what is not known is not known",
	  HEAD ",'resources':[{" NET ",'name':'v'}," NESTED(
		  "n", "",
		  INNER "'parameters':{'p':{'value':'[reference(`v`).x]'}},",
		  ",'parameters':{'p':{'type':'string'}},'variables':{'q':'[concat"
		  "(parameters(`p`), `-`)]'},'resources':[{" NET
		  ",'name':'w','properties':{'a':'[variables(`q`)]'}}]") "]}",
	  NULL, "v ;n@G(w {'a':'[variables(`q`)]'};{});{}" },
	{ "a name of what is not known: later",
	  HEAD ",'resources':[{" NET ",'name':'v'}," NESTED(
		  "n", "",
		  INNER "'parameters':{'p':{'value':'[reference(`v`).x]'}},",
		  ",'parameters':{'p':{'type':'string'}},'resources':[{" NET
		  ",'name':'[parameters(`p`)]'}]") "]}",
	  NULL, "v ;n@G((later));{}" },
	{ "a mistake beside what is not known is one",
	  HEAD ",'resources':[{" NET ",'name':'v'}," NESTED(
		  "n", "",
		  INNER "'parameters':{'p':{'value':'[reference(`v`).x]'}},",
		  ",'parameters':{'p':{'type':'string'}},'resources':[{" NET
		  ",'name':'[nonsense()]'}]") "]}",
	  NULL, "!The template function 'nonsense' is not valid" },
	{ "what is known is known inside",
	  HEAD ",'resources':[{" NET ",'name':'there'}," NESTED(
		  "n", "",
		  INNER "'parameters':{'p':{'value':'[reference(`there`).x.y]'}},",
		  ",'parameters':{'p':{'type':'string'}},'resources':[{" NET
		  ",'name':'[parameters(`p`)]'}]") "]}",
	  NULL, "there ;n@G(known ;{});{}" },
};

/* Who waits for whom is in the template itself. */
static void order(void)
{
	struct template_scope scope = scope_of("G");
	struct err e = ERR_INIT;
	cJSON *doc = json(HEAD ",'resources':[" NESTED(
		"n", "", INNER "'parameters':{'p':{'value':'[reference(`v`).x]'}},",
		",'parameters':{'p':{'type':'string'}},'resources':[]") ",{" NET
									",'name':'w',"
									"'properties':{"
									"'a':'[reference"
									"(`n`).outputs.o.value]'}},{" NET
									",'name':'v'}]}");
	struct template *t = template_open(doc, NULL, &scope, &e);
	const struct template_resource *r;
	size_t n = 0;

	check(t != NULL, "an order", e.msg);
	if (t != NULL) {
		r = template_resources(t, &n);
		check(n == 3 && r[0].nested && r[0].after_n == 1 &&
			      r[0].after[0] == 2,
		      "a parameter makes the deployment wait", "");
		check(r[1].after_n == 1 && r[1].after[0] == 0,
		      "an output makes another wait for the deployment", "");
	}
	template_free(t);
	json_free(doc);
}

/* ---- language version 2.0 ---- */

static const struct row symbolic[] = {
	{ "names, and what depends on them",
	  HEAD2 ",'resources':{'a':{" NET ",'name':'va'},'b':{" NET
		",'name':'vb','dependsOn':['a']}}}",
	  NULL, "va ;vb ;{}" },
	{ "a name that nobody has",
	  HEAD2 ",'resources':{'b':{" NET ",'name':'vb','dependsOn':['a']}}}",
	  NULL, "!The resource 'a' is not defined in the template" },
	{ "what exists is referred to, and not deployed",
	  HEAD2
	  ",'resources':{'a':{'existing':true," NET
	  ",'name':'there'}},'outputs':{'o':{'type':'string','value':'[reference(`a`).x.y]'}}}",
	  NULL, "{'o':{'type':'String','value':'known'}}" },
	{ "what exists elsewhere",
	  HEAD2
	  ",'resources':{'a':{'existing':true,'subscriptionId':'X','resourceGroup':'other'," NET
	  ",'name':'n'}},'outputs':{'o':{'type':'string','value':'[resourceInfo(`a`).id]'}}}",
	  NULL,
	  "{'o':{'type':'String','value':"
	  "'/subscriptions/X/resourceGroups/other/providers/Microsoft.Network/virtualNetworks/n'}}" },
	{ "what exists may be deployed, too",
	  HEAD2 ",'resources':{'a':{'existing':true," NET
		",'name':'n'},'b':{" NET ",'name':'n'}}}",
	  NULL, "n ;{}" },
	{ "what does not exist by its condition needs no name",
	  HEAD2 ",'resources':{'a':{'existing':true,'condition':false," NET
		",'name':'[split(null(), `/`)]'}}}",
	  NULL, "{}" },
	{ "nor what is not deployed, nor a place",
	  HEAD2 ",'resources':{'a':" NESTED(
		  "[split(null(), `/`)]",
		  "'condition':false,'resourceGroup':'[split(null(), `/`)]',",
		  "", ",'resources':[]") "}}",
	  NULL, "{}" },
	{ "nor are two of them the same",
	  HEAD2 ",'resources':{'a':{'condition':false," NET
		",'name':'n'},'b':{'condition':false," NET ",'name':'m'}}}",
	  NULL, "{}" },
	{ "copies, one and all",
	  HEAD2
	  ",'resources':{'a':{" NET
	  ",'copy':{'name':'a','count':2},'name':'[format(`there{0}`, copyIndex())]'},'b':{" NET
	  ",'name':'b','dependsOn':['a'],'properties':{'one':'[reference(format(`a[{0}]`"
	  ", 1)).x.y]',"
	  "'all':'[length(references(`a`))]','name':'[resourceInfo(`a[1]`).name]'}}}}",
	  NULL, "there0 ;there1 ;b {'one':'known','all':2,'name':'there1'};{}" },
	{ "a copy that is not there",
	  HEAD2
	  ",'resources':{'a':{" NET
	  ",'copy':{'name':'a','count':2},'name':'[format(`v{0}`, copyIndex())]'},'b':{" NET
	  ",'name':'b','properties':{'one':'[reference(`a[2]`).x]'}}}}",
	  NULL, "!The resource 'a[2]' is not defined in the template" },
	{ "in it, deployments are evaluated inside",
	  HEAD2 ",'variables':{'v':'out'},'resources':{'n':" NESTED(
		  "n", "", "",
		  ",'variables':{'v':'in'},'resources':[],'outputs':{'o':{'type':'string"
		  "','value':'[variables(`v`)]'}}") "}}",
	  NULL, "n@G({'o':{'type':'String','value':'in'}});{}" },
	{ "and never outside",
	  HEAD2 ",'resources':{'n':" NESTED("n", "", OUTER, ",'resources':[]") "}}",
	  NULL, "!not evaluated in the scope 'outer'" },
	{ "a parameter may be null",
	  HEAD2
	  ",'parameters':{'p':{'type':'string','nullable':true}},'resources':{},"
	  "'outputs':{'o':{'type':'string','value':'[coalesce(parameters(`p`), `none`)]'}}}",
	  NULL, "{'o':{'type':'String','value':'none'}}" },
	{ "as some write a value, and an output that is null",
	  HEAD2
	  ",'parameters':{'p':{'type':'string','nullable':true},'q':{'type':'string'}},"
	  "'resources':{},'outputs':{'o':{'type':'string','nullable':true,'value':'[parameters(`p`)]'}}}",
	  "{'q':{'value':'x','reference':null}}", "{'o':{'type':'String'}}" },
	{ "an output of a defined type",
	  HEAD2
	  ",'definitions':{'natural':{'type':'int','minValue':1}},'parameters':{'n':{"
	  "'$ref':'#/definitions/natural'}},"
	  "'resources':{},'outputs':{'o':{'$ref':'#/definitions/natural','value':'"
	  "[parameters(`n`)]'}}}",
	  "{'n':{'value':7}}", "{'o':{'type':'Int','value':7}}" },
	{ "a definition that is not there",
	  HEAD2
	  ",'parameters':{'n':{'$ref':'#/definitions/natural'}},'resources':{}}",
	  "{'n':{'value':7}}",
	  "!The type definition '#/definitions/natural' is not found" },
	{ "a definition of itself",
	  HEAD2 ",'definitions':{'a':{'$ref':'#/definitions/b'},'b':{'$ref':"
		"'#/definitions/a'}},"
		"'parameters':{'n':{'$ref':'#/definitions/a'}},'resources':{}}",
	  "{'n':{'value':7}}", "!refers to itself" },
	{ "that has a type, too",
	  HEAD2 ",'definitions':{'a':{'type':'int','$ref':'#/definitions/b'},"
		"'b':{'type':'int','$ref':'#/definitions/a'}},"
		"'parameters':{'n':{'$ref':'#/definitions/a'}},'resources':{}}",
	  "{'n':{'value':7}}", "!refers to itself" },
	{ "a type in itself, for ever",
	  HEAD2
	  ",'definitions':{'a':{'type':'object','discriminator':{'propertyName':'k',"
	  "'mapping':{'x':{'$ref':"
	  "'#/definitions/a','properties':{}}}}}},'parameters':{'n':{'$ref':"
	  "'#/definitions/a'}},'resources':{}}",
	  "{'n':{'value':{'k':'x'}}}", "!Types are nested more than 100 levels" },
};

/* The page's definitions, with what it says that they accept and reject. */
static const struct {
	const char *definition, *value;
	bool good;
} types[] = {
#define ENUM "{'type':'string','allowedValues':['one','two']}"
	{ ENUM, "'two'", true },
	{ ENUM, "'three'", false },
#define LENGTH "{'type':'array','minLength':1,'maxLength':5}"
	{ LENGTH, "[1,2,3,4,5]", true },
	{ LENGTH, "[]", false },
	{ LENGTH, "[1,2,3,4,5,6]", false },
#define MONTH "{'type':'int','minValue':1,'maxValue':12}"
	{ MONTH, "12", true },
	{ MONTH, "13", false },
#define FOOBAR \
	"'foo':{'type':'string','minLength':3},'bar':{'type':'int','minValue':0}"
#define OBJECT "{'type':'object','properties':{" FOOBAR "}}"
	{ OBJECT, "{'foo':'string','bar':1}", true },
	{ OBJECT, "{'foo':'string','bar':-1}", false },
	{ OBJECT, "{'foo':'','bar':1}", false },
	{ OBJECT, "{'foo':'string'}", false },
#define MAY_BE_NULL \
	"'foo':{'type':'string','minLength':3,'nullable':true}," \
	"'bar':{'type':'int','minValue':0,'nullable':true}"
	{ "{'type':'object','properties':{" MAY_BE_NULL "}}", "{'bar':1}", true },
	{ "{'type':'object','properties':{" MAY_BE_NULL "}}", "{'foo':null}",
	  true },
#define DICTIONARY \
	"{'type':'object','properties':{" MAY_BE_NULL \
	"},'additionalProperties':{'type':'string'}}"
	{ DICTIONARY, "{'fizz':'buzz','foo':'bar'}", true },
	{ DICTIONARY, "{'property':1}", false },
	{ "{'type':'object','properties':{" FOOBAR
	  "},'additionalProperties':false}",
	  "{'foo':'string','bar':1}", true },
	{ "{'type':'object','properties':{" FOOBAR
	  "},'additionalProperties':false}",
	  "{'foo':'string','bar':1,'fizz':'buzz'}", false },
	{ "{'type':'object','properties':{" FOOBAR "},'additionalProperties':true}",
	  "{'foo':'string','bar':1,'fizz':'buzz'}", true },
#define UNION \
	"{'type':'object','discriminator':{'propertyName':'type','mapping':{" \
	"'ints':{'type':'object','additionalProperties':{'type':'int'}}," \
	"'strings':{'type':'object','additionalProperties':{'type':'string'}}}}}"
	{ UNION, "{'type':'ints','foo':1,'bar':2}", true },
	{ UNION, "{'type':'strings','fizz':'buzz','pop':'goes','the':'weasel'}",
	  true },
	{ UNION, "{'type':'ints','fizz':'buzz'}", false },
	{ UNION, "{'type':'bools'}", false },
#define TUPLE(more) \
	"{'type':'array','prefixItems':[{'type':'int'},{'type':'bool'}]" more "}"
	{ TUPLE(""), "[1,true]", true },
	{ TUPLE(""), "[1,'string']", false },
	{ TUPLE(""), "[1]", false },
	{ TUPLE(""), "[1,true,false,'foo','bar']", true },
	{ TUPLE(",'items':{'type':'int'}"), "[1,true,1,1]", true },
	{ TUPLE(",'items':{'type':'int'}"), "[1,true,'foo']", false },
	{ TUPLE(",'items':false"), "[1,true]", true },
	{ TUPLE(",'items':false"), "[1,true,1]", false },
	{ TUPLE(",'items':true"), "[1,true,false,'foo','bar']", true },
	{ "{'type':'array','items':{'type':'int'}}", "[1]", true },
	{ "{'type':'array','items':{'type':'int'}}", "['foo']", false },
};

static void typed(void)
{
	struct template_scope scope = scope_of("G");

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		struct err e = ERR_INIT;
		char *z = xasprintf(HEAD2
				    ",'definitions':{'d':%s},'parameters':{'p':{"
				    "'$ref':'#/definitions/d'}},'resources':{}}",
				    types[i].definition),
		     *v = xasprintf("{'p':{'value':%s}}", types[i].value), *name;
		cJSON *doc = json(z), *given = json(v);
		struct template *t = template_open(doc, given, &scope, &e);

		name = xasprintf("%.60s %s", types[i].definition, types[i].value);
		check((t != NULL) == types[i].good, name,
		      e.kind == ERR_NONE ? "accepted" : e.msg);
		if (!types[i].good)
			check(strstr(e.msg, "parameter") != NULL &&
				      strstr(e.msg, "'p") != NULL,
			      name, e.msg);
		template_free(t);
		json_free(doc);
		json_free(given);
		free(name);
		free(v);
		free(z);
	}
}

/* ---- functions of the template's own ---- */

/* The page's example, in a namespace of its own. */
#define CONTOSO \
	",'functions':[{'namespace':'contoso','members':{'uniqueName':{'parameters':[{" \
	"'name':'namePrefix','type':'string'}]," \
	"'output':{'type':'string','value':'[concat(toLower(parameters(`namePrefix`))" \
	", `x`)]'}}," \
	"'twice':{'parameters':[{'name':'n','type':'int'}],'output':{'type':'int','value" \
	"':'[mul(2, parameters(`n`))]'}}," \
	"'four':{'output':{'type':'int','value':'[contoso.twice(contoso.twice(1))]'}}," \
	"'sees':{'output':{'type':'string','value':'[variables(`v`)]'}}," \
	"'outer':{'output':{'type':'string','value':'[parameters(`p`)]'}}," \
	"'loop':{'output':{'type':'string','value':'[contoso.loop()]'}}}}]"
#define CALLS(expression) \
	HEAD CONTOSO \
		",'parameters':{'p':{'type':'string','defaultValue':'Pre'}},'variables':" \
		"{'v':'1'},'resources':[]," \
		"'outputs':{'o':{'type':'" expression "}}}"

static const struct row functions[] = {
	{ "a function",
	  CALLS("string','value':'[contoso.uniqueName(parameters(`p`))]'"),
	  NULL, "{'o':{'type':'String','value':'prex'}}" },
	{ "a function in any case",
	  CALLS("string','value':'[CONTOSO.UNIQUENAME(parameters(`p`))]'"),
	  NULL, "{'o':{'type':'String','value':'prex'}}" },
	{ "a function in a function", CALLS("int','value':'[contoso.four()]'"),
	  NULL, "{'o':{'type':'Int','value':4}}" },
	{ "a function in a branch that is not taken",
	  CALLS("int','value':'[if(true(), 1, contoso.twice(1))]'"), NULL,
	  "{'o':{'type':'Int','value':1}}" },
	{ "a function that is not there",
	  CALLS("int','value':'[contoso.thrice(1)]'"), NULL,
	  "!The template function 'contoso.thrice' is not valid" },
	{ "an argument too many", CALLS("int','value':'[contoso.twice(1, 2)]'"),
	  NULL, "!'contoso.twice': it does not take 2 argument(s)" },
	{ "an argument of another type",
	  CALLS("int','value':'[contoso.twice(`a`)]'"), NULL,
	  "!Expected 'Integer'. Actual 'String'. The template parameter is 'n'" },
	{ "no variables in it", CALLS("string','value':'[contoso.sees()]'"), NULL,
	  "!The template function 'variables' is not expected at this location" },
	{ "no parameters of the template",
	  CALLS("string','value':'[contoso.outer()]'"), NULL,
	  "!The function has no parameter 'p'" },
	{ "for ever", CALLS("string','value':'[contoso.loop()]'"), NULL,
	  "!nested more than 100 levels deep" },
};

/* ---- profiles ---- */

/* From Microsoft's own files of the profiles. */
static const struct {
	const char *profile, *type, *version;
} versions[] = {
	{ "2018-03-01-hybrid", "Microsoft.Compute/virtualMachines", "2017-03-30" },
	{ "2018-03-01-hybrid", "Microsoft.Network/dnsZones", "2016-04-01" },
	{ "2018-03-01-hybrid", "microsoft.network/loadbalancers", "2017-10-01" },
	{ "2018-03-01-hybrid", "Microsoft.Web/serverFarms", "2016-09-01" },
	{ "2019-03-01-hybrid", "Microsoft.Storage/storageAccounts", "2017-10-01" },
	{ "2017-03-09-profile", "Microsoft.Network/virtualNetworks", "2015-06-15" },
	{ "2017-03-09-profile", "Microsoft.Authorization/locks", "2015-01-01" },
};

static void profiles(void)
{
	struct template_scope scope = scope_of("G");

	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
		struct err e = ERR_INIT;
		char *z = xasprintf(HEAD ",'apiProfile':'%s','resources':["
					 "{'type':'%s','name':'n'},{'type':'%s',"
					 "'name':'m','apiVersion':'own'}]}",
				    versions[i].profile, versions[i].type,
				    versions[i].type);
		cJSON *doc = json(z);
		struct template *t = template_open(doc, NULL, &scope, &e);
		size_t n = 0;

		check(t != NULL &&
			      strcmp(template_resources(t, &n)[0].api_version,
				     versions[i].version) == 0 &&
			      strcmp(template_resources(t, &n)[1].api_version,
				     "own") == 0,
		      versions[i].type, e.msg);
		template_free(t);
		json_free(doc);
		free(z);
	}
}

/* ---- names of what is within another ---- */

static const struct row parts[] = {
	{ "a sibling by the last part of its name",
	  HEAD
	  ",'resources':[{" NET
	  ",'name':'net','resources':[{'type':'subnets','apiVersion':'1','name':'one'},"
	  "{'type':'subnets','apiVersion':'1','name':'two','dependsOn':['one']}]}]}",
	  NULL, "net ;net/one ;net/two ;{}" },
	{ "a whole name is stronger",
	  HEAD
	  ",'resources':[{'type':'A.b/c/d','apiVersion':'1','name':'x/y'},{'type':'A.b/c"
	  "','apiVersion':'1','name':'y'},"
	  "{'type':'A.b/c','apiVersion':'1','name':'z','properties':{'id':'[reference"
	  "(`y`).x]'}}]}",
	  NULL, "x/y ;y ;z {'id':'[reference(`y`).x]'};{}" },
	{ "a type of another namespace is whole",
	  HEAD ",'resources':[{'type':'A.b/c','apiVersion':'1','name':'x','resources':[{"
	       "'type':'A.b/c/d',"
	       "'apiVersion':'1','name':'x/y'}]}]}",
	  NULL, "x ;x/y ;{}" },
};

static void all(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		one(&rows[i]);
}
#define ALL(rows) all(rows, sizeof(rows) / sizeof((rows)[0]))

int main(void)
{
	cJSON *doc;

	json_init();
	group = doc =
		json("{'id':'/subscriptions/S/resourceGroups/G','name':'G'}");
	ALL(nested);
	order();
	ALL(symbolic);
	typed();
	ALL(functions);
	profiles();
	ALL(parts);
	json_free(doc);
	return check_failed();
}
