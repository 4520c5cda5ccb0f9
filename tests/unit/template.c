/* template/: expressions, deployments, and the template we ship. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/asset.h"
#include "template/template.h"
#include "tests/check.h"

static cJSON *json(const char *text)
{
	struct err e = ERR_INIT;
	cJSON *v = json_parse(str_of(text), "test", &e);

	if (v == NULL) {
		check_give_up("bad json in the test", "%s in %.60s", e.msg, text);
	}
	return v;
}

/* The document's text; e's message when it is NULL.  Takes v. */
static char *text_of(cJSON *v, const struct err *e)
{
	struct buf b = BUF_INIT(1 << 20);

	if (v != NULL)
		json_print(v, &b);
	else
		buf_adds(&b, e->msg[0] != '\0' ? e->msg : "(not known)");
	json_free(v);
	return buf_detach(&b);
}

/* ---- the world a template asks about ------------------------------------------ */

static cJSON *fake_reference(void *ctx, const char *id, const char *api,
			     bool full, struct err *e)
{
	const char *last = strrchr(id, '/');
	cJSON *v = cJSON_CreateObject(),
	      *p = full ? json_add_obj(v, "properties") : v;

	(*(int *)ctx)++;
	if (strcmp(last, "/nobody") == 0) {
		json_free(v);
		err_set(e, ERR_AZURE, "ResourceNotFound: no %s", id);
		return NULL;
	}
	if (strcmp(last, "/later") == 0) {
		json_free(v);
		return NULL;
	}
	json_add_str(p, "id", id);
	json_add_str(p, "api", api);
	json_add_str(p, "ipAddress", "192.0.2.7");
	json_add_str(json_add_obj(p, "dnsSettings"), "fqdn", "host.example");
	return v;
}

static cJSON *fake_list(void *ctx, const char *name, const char *id,
			const char *api, const cJSON *body, struct err *e)
{
	cJSON *v = cJSON_CreateObject();

	(void)e;
	(*(int *)ctx)++;
	json_add_str(v, "fn", name);
	json_add_str(v, "id", id);
	json_add_str(v, "api", api);
	json_add_bool(v, "body", body != NULL);
	return v;
}

static int asked;

static struct template_scope *scope(void)
{
	static struct template_scope s;

	if (s.group == NULL)
		s = (struct template_scope){
			.subscription_id = "S",
			.tenant_id = "T",
			.group_name = "G",
			.group = json(
				"{\"id\":\"/subscriptions/S/resourceGroups/G\",\"name\":\"G\","
				"\"location\":\"westeurope\",\"tags\":{\"a\":\"b\"}}"),
			.environment = json(
				"{\"suffixes\":{\"storage\":\"core.windows.net\"}}"),
			.deployment_name = "demo",
			.now = 1586271194,
			.reference = fake_reference,
			.list = fake_list,
			.ctx = &asked,
		};
	return &s;
}

static void scope_free(void)
{
	union {
		const cJSON *in;
		cJSON *out;
	} group = { scope()->group }, cloud = { scope()->environment };

	json_free(group.out);
	json_free(cloud.out);
}

#define HEAD \
	"{\"$schema\":\"https://schema.management.azure.com/schemas/2019-04-01/" \
	"deploymentTemplate.json#\",\"contentVersion\":\"1.0.0.0\""

/* ---- expressions --------------------------------------------------------------- */

static const char world[] = HEAD
	",\"parameters\":{\"name\":{\"type\":\"string\",\"defaultValue\":\"web\"},"
	"\"n\":{\"type\":\"int\",\"defaultValue\":3},"
	"\"o\":{\"type\":\"object\",\"defaultValue\":{\"one\":\"a\",\"Two\":{\"x\":[1,2,3]}}},"
	"\"lit\":{\"type\":\"string\"}},"
	"\"variables\":{\"v\":\"[concat(parameters('name'), '-', variables('w'))]\",\"w\":\"end\","
	"\"list\":[\"a\",\"[parameters('n')]\",{\"k\":\"[variables('w')]\"}],"
	"\"copy\":[{\"name\":\"made\",\"count\":3,\"input\":\"[copyIndex('made', 1)]\"}],"
	"\"in\":{\"copy\":[{\"name\":\"x\",\"count\":2,\"input\":{\"i\":\"[copyIndex('x')]\"}}]}},"
	"\"resources\":[]}";

/* want begins with '!': refused, with these words; '?': not known */
static const struct {
	const char *text, *want;
} rows[] = {
	/* what is no expression */
	{ "plain", "\"plain\"" },
	{ "", "\"\"" },
	{ "[[x]", "\"[x]\"" },
	{ "[x] y", "\"[x] y\"" },
	{ "[", "\"[\"" },
	/* literals, access */
	{ "['it''s']", "\"it's\"" },
	{ "['']", "\"\"" },
	{ "[42]", "42" },
	{ "[-7]", "-7" },
	{ "[ concat ( 'a' , 'b' ) ]", "\"ab\"" },
	{ "[CONCAT('a')]", "\"a\"" },
	{ "[parameters('o').two.x[1]]", "2" },
	{ "[parameters('o')['one']]", "\"a\"" },
	{ "[parameters('o')[concat('t','wo')].X[sub(2,2)]]", "1" },
	{ "[parameters('NAME')]", "\"web\"" },
	{ "[parameters('lit')]", "\"[concat('no')]\"" },
	{ "[variables('v')]", "\"web-end\"" },
	{ "[variables('list')]", "[\"a\",3,{\"k\":\"end\"}]" },
	{ "[variables('made')]", "[1,2,3]" },
	{ "[variables('in')]", "{\"x\":[{\"i\":0},{\"i\":1}]}" },
	{ "[parameters('o').three]",
	  "!property 'three' doesn't exist, available properties are 'one, Two'" },
	{ "[parameters('o').two.x[3]]", "!array index '3' is out of bounds" },
	{ "[parameters('o').two.x[-1]]", "!array index '-1' is out of bounds" },
	{ "[parameters('n').x]", "!'Integer' has no properties" },
	{ "[parameters('n')[0]]", "!'Integer' is no array" },
	{ "[parameters('nope')]", "!parameter 'nope' is not found" },
	{ "[variables('nope')]", "!variable 'nope' is not found" },
	/* syntax */
	{ "[concat('a'", "\"[concat('a'\"" },
	{ "[concat('a']", "!position '10' is not expected" },
	{ "[]", "!is not expected" },
	{ "[concat('a') 'b']", "!character ''' at position '12'" },
	{ "[concat(,)]", "!character ','" },
	{ "['a]", "!a string has no end" },
	{ "[true]", "!is not expected" },
	{ "[1.5]", "!is not expected" },
	{ "[concat('a').]", "!is not expected" },
	{ "[concat('a')[]]", "!is not expected" },
	{ "[99999999999999999999]", "!is not expected" },
	{ "[-]", "!is not expected" },
	{ "[nope('a')]", "!template function 'nope' is not valid" },
	{ "[ns.fn('a')]", "!template function 'ns.fn' is not valid" },
	{ "[if(true(), 'a', nope())]", "!template function 'nope' is not valid" },
	{ "[providers('a')]",
	  "!The resource provider 'a' is not known to the local Azure." },
	{ "[contoso.uniqueName('a')]",
	  "!template function 'contoso.uniqueName' is not valid" },
	{ "[toLower()]", "!function 'toLower': it does not take 0 argument(s)" },
	{ "[toLower('a','b')]", "!does not take 2" },
	{ "[concat()]", "!does not take 0" },
	{ "[if(true())]", "!is not expected" },
	{ "[toLower(1)]", "!argument 1 has the type 'Integer'" },
	/* logic */
	{ "[if(true(), 'y', div(1,0))]", "\"y\"" },
	{ "[if(false(), 'y', 'n')]", "\"n\"" },
	{ "[if('a', 1, 2)]", "!first argument is of type 'String'" },
	{ "[and(true(), true(), false())]", "false" },
	{ "[or(false(), true())]", "true" },
	{ "[and(true())]", "!does not take 1" },
	{ "[not(false())]", "true" },
	{ "[not('a')]", "!argument 1" },
	{ "[bool('true')]", "true" },
	{ "[bool(0)]", "false" },
	{ "[bool('x')]", "!no boolean" },
	{ "[equals('a', 'A')]", "false" },
	{ "[equals(1, 1)]", "true" },
	{ "[equals(1, '1')]", "false" },
	{ "[equals(createObject('a',1,'b',2), createObject('b',2,'a',1))]",
	  "true" },
	{ "[equals(createArray(1,2), createArray(2,1))]", "false" },
	{ "[equals(null(), null())]", "true" },
	{ "[less(1,2)]", "true" },
	{ "[lessOrEquals(2,2)]", "true" },
	{ "[greater('b','a')]", "true" },
	{ "[greaterOrEquals(1,2)]", "false" },
	{ "[less('a','B')]", "true" },
	{ "[less('B','ab')]", "false" },
	{ "[less('a','aa')]", "true" },
	{ "[less('Ab','aB')]", "false" },
	{ "[lessOrEquals('a','a')]", "true" },
	{ "[less(1,'a')]", "!two integers or two strings" },
	{ "[coalesce(null(), 'x', 'y')]", "\"x\"" },
	{ "[coalesce(null())]", "null" },
	/* numbers */
	{ "[add(5,3)]", "8" },
	{ "[sub(7,3)]", "4" },
	{ "[mul(5,3)]", "15" },
	{ "[div(8,3)]", "2" },
	{ "[div(-8,3)]", "-2" },
	{ "[mod(7,3)]", "1" },
	{ "[mod(-7,3)]", "-1" },
	{ "[div(1,0)]", "!division by zero" },
	{ "[mod(1,0)]", "!division by zero" },
	{ "[mul(9007199254740992,9007199254740992)]", "!too large" },
	{ "[add(9007199254740992,9007199254740992)]", "!too large" },
	{ "[min(0,3,2,5,4)]", "0" },
	{ "[max(createArray(0,3,2,5,4))]", "5" },
	{ "[min(createArray())]", "!needs integers" },
	{ "[max('a',1)]", "!needs integers" },
	{ "[int('35')]", "35" },
	{ "[int('-4')]", "-4" },
	{ "[int('1.5')]", "!no integer" },
	{ "[int(7)]", "7" },
	{ "[float('3.5')]", "3.5" },
	{ "[float('x')]", "!no number" },
	{ "[range(5,3)]", "[5,6,7]" },
	{ "[range(0,0)]", "[]" },
	{ "[range(0,10001)]", "!from 0 to 10000" },
	/* strings */
	{ "[concat('a', 1, true(), 'b')]", "\"a1Trueb\"" },
	{ "[concat(createArray('1-1','1-2'), createArray('2-1'))]",
	  "[\"1-1\",\"1-2\",\"2-1\"]" },
	{ "[concat('a', createArray())]", "!all arrays or all strings" },
	{ "[format('{0}, {1}. {0:D4} {{}}', 7, 'x')]", "\"7, x. 0007 {}\"" },
	{ "[format('{1}', 'a')]", "!no argument for a place" },
	{ "[format('{0:N}', 1)]", "!known to the local Azure" },
	{ "[format('{0:N0} {1:n0}|{2:N0}|{3:N0}', -1234567, 123, 'x', 0)]",
	  "\"-1,234,567 123|x|0\"" },
	{ "[format('a}', 1)]", "!has no '{'" },
	{ "[format('{0:D3}', -5)]", "\"-005\"" },
	{ "[toLower('One')]", "\"one\"" },
	{ "[toUpper('One')]", "\"ONE\"" },
	{ "[trim('  a b ')]", "\"a b\"" },
	{ "[replace('123-123-1234', '-', '')]", "\"1231231234\"" },
	{ "[replace('a', '', 'b')]", "!is empty" },
	{ "[split('one,two,three', ',')]", "[\"one\",\"two\",\"three\"]" },
	{ "[split('one;two,three', createArray(',', ';'))]",
	  "[\"one\",\"two\",\"three\"]" },
	{ "[split(',a,', ',')]", "[\"\",\"a\",\"\"]" },
	{ "[split('', ',')]", "[\"\"]" },
	{ "[join(createArray('a',1,'c'), '-')]", "\"a-1-c\"" },
	{ "[join(createArray(), '-')]", "\"\"" },
	{ "[substring('one two three', 4, 3)]", "\"two\"" },
	{ "[substring('abc', 1)]", "\"bc\"" },
	{ "[substring('abc', 3)]", "\"\"" },
	{ "[substring('abc', 4)]", "!within the string" },
	{ "[substring('abc', 1, 3)]", "!within the string" },
	{ "[substring('h\xc3\xa4llo', 1, 2)]", "\"\xc3\xa4l\"" },
	{ "[length('h\xc3\xa4llo')]", "5" },
	{ "[startsWith('abcdef', 'AB')]", "true" },
	{ "[startsWith('a', 'ab')]", "false" },
	{ "[endsWith('abcdef', 'EF')]", "true" },
	{ "[endsWith('f', 'ef')]", "false" },
	{ "[indexOf('test', 't')]", "0" },
	{ "[lastIndexOf('test', 't')]", "3" },
	{ "[indexOf('abcdef', 'CD')]", "2" },
	{ "[indexOf('abcdef', 'z')]", "-1" },
	{ "[indexOf('abc', '')]", "0" },
	{ "[indexOf(createArray('a','b'), 'b')]", "1" },
	{ "[indexOf('abc', 1)]", "!not a string" },
	{ "[padLeft('123', 10, '0')]", "\"0000000123\"" },
	{ "[padLeft(7, 3)]", "\"  7\"" },
	{ "[padLeft('123', 2, '0')]", "\"123\"" },
	{ "[padLeft('1', 3, 'ab')]", "!not valid" },
	{ "[string(createObject('a', createArray(1, 'x')))]",
	  "\"{\\\"a\\\":[1,\\\"x\\\"]}\"" },
	{ "[string(true())]", "\"True\"" },
	{ "[string(5)]", "\"5\"" },
	{ "[json('{\"a\": [1, null]}').a]", "[1,null]" },
	{ "[json('null')]", "null" },
	{ "[json('{')]", "!not JSON at byte 1" },
	{ "[base64('one, two, three')]", "\"b25lLCB0d28sIHRocmVl\"" },
	{ "[base64ToString('b25lLCB0d28sIHRocmVl')]", "\"one, two, three\"" },
	{ "[base64ToString('AA==')]", "!is not text" },
	{ "[base64ToString('?')]", "!not base64" },
	{ "[base64ToJson('eyJvbmUiOiAiYSIsICJ0d28iOiAiYiJ9').two]", "\"b\"" },
	{ "[dataUri('Hello')]",
	  "\"data:text/plain;charset=utf-8;base64,SGVsbG8=\"" },
	{ "[dataUriToString('data:;base64,SGVsbG8sIFdvcmxkIQ==')]",
	  "\"Hello, World!\"" },
	{ "[dataUriToString('Hello')]", "!not a data URI" },
	{ "[uri('http://contoso.com/resources/', 'nested/azuredeploy.json')]",
	  "\"http://contoso.com/resources/nested/azuredeploy.json\"" },
	{ "[uri('http://contoso.com/resources/a.json', 'b.json')]",
	  "\"http://contoso.com/resources/b.json\"" },
	{ "[uri('http://contoso.com', 'b')]", "\"http://contoso.com/b\"" },
	{ "[uri('http://contoso.com/a/b', '/c')]", "\"http://contoso.com/c\"" },
	{ "[uri('a', 'b')]", "!not an absolute URI" },
	{ "[uriComponent('http://contoso.com/a b')]",
	  "\"http%3A%2F%2Fcontoso.com%2Fa%20b\"" },
	{ "[uriComponentToString('http%3A%2F%2Fa%20b')]", "\"http://a b\"" },
	/* made by Azure, or by Microsoft's own libraries */
	{ "[uniqueString('sg-mlztest')]", "\"szxg4yhfjgtvq\"" },
	{ "[uniqueString('/subscriptions/00000000-0000-0000-0000-000000000000', 'resource-id')]",
	  "\"cwvxuqg24sifi\"" },
	{ "[uniqueString('/subscriptions/12345678-1234-1234-1234-123456789012/resourceGroups/my-rg', "
	  "'Microsoft.Storage/storageAccounts')]",
	  "\"z22rah77jfqry\"" },
	{ "[uniqueString('/subscriptions/31e9f9a0-9fd2-4294-a0a3-0101246d9700/resourceGroups/"
	  "rg-modm201-20230913120256/providers/Microsoft.Compute/virtualMachines/bobjacmodm201')]",
	  "\"yvjxno3je5on2\"" },
	{ "[uniqueString(1)]", "!argument 1" },
	/* python3: uuid.uuid5(uuid.UUID('11fb06fb-712d-4ddd-98c7-e71bbd588830'), 'a-b') */
	{ "[guid('a', 'b')]", "\"2d796349-8c7e-55ec-9624-54ece82ed031\"" },
	{ "[length(newGuid())]", "36" },
	{ "[equals(newGuid(), newGuid())]", "false" },
	/* times; the scope's now is 2020-04-07T14:53:14Z */
	{ "[utcNow()]", "\"20200407T145314Z\"" },
	{ "[utcNow('d')]", "\"04/07/2020\"" },
	{ "[utcNow('M d')]", "\"4 7\"" },
	{ "[utcNow('u')]", "\"2020-04-07 14:53:14Z\"" },
	{ "[utcNow('MMM')]", "!known to the local Azure" },
	{ "[dateTimeAdd('2020-04-07 14:53:14Z', 'P3Y')]",
	  "\"4/7/2023 2:53:14 PM\"" },
	{ "[dateTimeAdd('2020-04-07 14:53:14Z', '-P9D')]",
	  "\"3/29/2020 2:53:14 PM\"" },
	{ "[dateTimeAdd('2020-04-07 14:53:14Z', 'PT1H')]",
	  "\"4/7/2020 3:53:14 PM\"" },
	/* as recorded: what a deployment was given, of 17:26:34.6130229 */
	{ "[dateTimeAdd('2026-04-09T17:26:34.6130229Z', 'PT1H')]",
	  "\"2026-04-09T18:26:34Z\"" },
	{ "[dateTimeAdd('2020-04-07', 'P1D')]", "!base is no time" },
	{ "[dateTimeAdd('2020-04-07T14:53:14Z', 'PT1H', 'o')]",
	  "\"2020-04-07T15:53:14.0000000Z\"" },
	{ "[dateTimeAdd(utcNow(), 'PT10M', 'yyyy-MM-ddTHH:mm:ssZ')]",
	  "\"2020-04-07T15:03:14Z\"" },
	{ "[dateTimeAdd('2020-01-31T00:00:00Z', 'P1M', 's')]",
	  "\"2020-03-01T00:00:00\"" },
	{ "[dateTimeAdd('2020-01-31T00:00:00Z', 'P9000Y')]",
	  "!duration is not valid" },
	{ "[dateTimeAdd('2020-01-31T00:00:00Z', '-P90Y')]",
	  "!duration is not valid" },
	{ "[dateTimeAdd('2020-01-31T00:00:00Z', 'P1X')]",
	  "!duration is not valid" },
	{ "[dateTimeAdd('2020-01-31T00:00:00Z', 'P')]", "!duration is not valid" },
	{ "[dateTimeAdd('yesterday', 'P1D')]", "!base is no time" },
	{ "[dateTimeToEpoch('2020-04-07T14:53:14Z')]", "1586271194" },
	{ "[dateTimeFromEpoch(1586271194)]", "\"2020-04-07T14:53:14Z\"" },
	/* lists and objects */
	{ "[array(1)]", "[1]" },
	{ "[array(createArray(1))]", "[1]" },
	{ "[array(createObject('a','b'))]", "[{\"a\":\"b\"}]" },
	{ "[createArray()]", "[]" },
	{ "[createArray('a', 1, null())]", "[\"a\",1,null]" },
	{ "[createObject('intProp', 1, 'nullProp', null())]",
	  "{\"intProp\":1,\"nullProp\":null}" },
	{ "[createObject('a')]", "!a name has no value" },
	{ "[createObject(1, 2)]", "!a name is not a string" },
	{ "[length(createArray('one','two'))]", "2" },
	{ "[length(createObject('a',1))]", "1" },
	{ "[length(1)]", "!argument 1" },
	{ "[empty('')]", "true" },
	{ "[empty(createArray(1))]", "false" },
	{ "[empty(createObject())]", "true" },
	{ "[empty(null())]", "true" },
	{ "[empty(1)]", "!neither" },
	{ "[contains('OneTwoThree', 'e')]", "true" },
	{ "[contains('OneTwoThree', 'z')]", "false" },
	{ "[contains(createObject('one','a'), 'ONE')]", "true" },
	{ "[contains(createArray('one'), 'ONE')]", "false" },
	{ "[contains(createArray(1,2), 2)]", "true" },
	{ "[contains(createObject(), 1)]", "!cannot hold" },
	{ "[first(createArray('one','two'))]", "\"one\"" },
	{ "[first('One')]", "\"O\"" },
	{ "[last(createArray('one','two'))]", "\"two\"" },
	{ "[last('One')]", "\"e\"" },
	{ "[first(createArray())]", "null" },
	{ "[take(createArray('a','b','c'), 2)]", "[\"a\",\"b\"]" },
	{ "[take('one two', 2)]", "\"on\"" },
	{ "[take('one', 9)]", "\"one\"" },
	{ "[take('one', -1)]", "\"\"" },
	{ "[skip(createArray('a','b','c'), 2)]", "[\"c\"]" },
	{ "[skip('one two', 4)]", "\"two\"" },
	{ "[skip('a', -3)]", "\"a\"" },
	{ "[union(createArray('one','two','three'), createArray('three','four'))]",
	  "[\"one\",\"two\",\"three\",\"four\"]" },
	{ "[union(createObject('one','a','three','c1'), createObject('three','c2','four','d2'))]",
	  "{\"one\":\"a\",\"three\":\"c2\",\"four\":\"d2\"}" },
	{ "[union(createObject('p', createObject('one','a','x',createArray(1))), createObject('p', createObject('two','b','x',createArray(2))))]",
	  "{\"p\":{\"one\":\"a\",\"x\":[2],\"two\":\"b\"}}" },
	{ "[union(createArray(), createObject())]", "!all arrays or all objects" },
	{ "[intersection(createArray('one','two','three'), createArray('two','three'))]",
	  "[\"two\",\"three\"]" },
	{ "[intersection(createObject('one','a','two','b','three','c'), createObject('one','a','two','z','three','c'))]",
	  "{\"one\":\"a\",\"three\":\"c\"}" },
	{ "[flatten(createArray(createArray('one'), createArray('two', createArray(3))))]",
	  "[\"one\",\"two\",[3]]" },
	{ "[flatten(createArray(1))]", "!not an array" },
	{ "[shallowMerge(createArray(createObject('a', createObject('x',1)), createObject('a', createObject('y',2), 'b', 3)))]",
	  "{\"a\":{\"y\":2},\"b\":3}" },
	{ "[objectKeys(createObject('a',1,'b',2))]", "[\"a\",\"b\"]" },
	{ "[items(createObject('b',1,'a',createObject('x',2)))]",
	  "[{\"key\":\"a\",\"value\":{\"x\":2}},{\"key\":\"b\",\"value\":1}]" },
	{ "[tryGet(parameters('o'), 'two', 'x', 0)]", "1" },
	{ "[tryGet(parameters('o'), 'nope', 'x')]", "null" },
	{ "[tryGet(createArray(1), 5)]", "null" },
	/* lambdas */
	{ "[filter(createArray(1,5,9), lambda('x', greater(lambdaVariables('x'), 3)))]",
	  "[5,9]" },
	{ "[filter(createArray('a','b'), lambda('x', 'i', equals(lambdaVariables('i'), 1)))]",
	  "[\"b\"]" },
	{ "[map(range(0,3), lambda('i', format('n{0}', lambdaVariables('i'))))]",
	  "[\"n0\",\"n1\",\"n2\"]" },
	{ "[map(createArray(1,2), lambda('x', map(createArray(10), lambda('y', add(lambdaVariables('x'), lambdaVariables('y'))))))]",
	  "[[11],[12]]" },
	{ "[reduce(createArray(3,5,8), 0, lambda('a', 'b', add(lambdaVariables('a'), lambdaVariables('b'))))]",
	  "16" },
	{ "[sort(createArray(3,1,2,1), lambda('a', 'b', less(lambdaVariables('a'), lambdaVariables('b'))))]",
	  "[1,1,2,3]" },
	{ "[sort(createArray(createObject('k','b','n',1), createObject('k','a','n',2), createObject('k','b','n',3)), "
	  "lambda('a','b', less(lambdaVariables('a').k, lambdaVariables('b').k)))]",
	  "[{\"k\":\"a\",\"n\":2},{\"k\":\"b\",\"n\":1},{\"k\":\"b\",\"n\":3}]" },
	{ "[toObject(createArray('a','b'), lambda('x', concat('k', lambdaVariables('x'))))]",
	  "{\"ka\":\"a\",\"kb\":\"b\"}" },
	{ "[toObject(createArray('a'), lambda('x', lambdaVariables('x')), lambda('x', length(lambdaVariables('x'))))]",
	  "{\"a\":1}" },
	{ "[lambda('x', 1)]", "!lambda is not expected" },
	{ "[concat(lambda('x', 1))]", "!type 'Lambda'" },
	{ "[map(createArray(1), 'x')]", "!argument 2 has the type 'String'" },
	{ "[map(createArray(1), lambda('x', lambdaVariables('y')))]",
	  "!no such lambda variable" },
	{ "[map(createArray(1), lambda('x', 'y', 'z', 1))]",
	  "!more than 2 variables" },
	{ "[map(createArray(1), lambda(1, 2))]", "!must be strings" },
	{ "[map(createArray(1), lambda('x', nope()))]", "!function 'nope'" },
	{ "[filter(createArray(1), lambda('x', 1))]", "!does not give a boolean" },
	{ "[if(true(), lambda('x', 1), 2)]", "!lambda is not expected" },
	/* the deployment */
	{ "[resourceGroup().location]", "\"westeurope\"" },
	{ "[resourceGroup().tags.A]", "\"b\"" },
	{ "[subscription().subscriptionId]", "\"S\"" },
	{ "[subscription().tenantId]", "\"T\"" },
	{ "[tenant().tenantId]", "\"T\"" },
	{ "[deployment().name]", "\"demo\"" },
	{ "[environment().suffixes.storage]", "\"core.windows.net\"" },
	{ "[resourceId('Microsoft.Network/virtualNetworks', 'v')]",
	  "\"/subscriptions/S/resourceGroups/G/providers/Microsoft.Network/virtualNetworks/v\"" },
	{ "[resourceId('Microsoft.Network/virtualNetworks/subnets', 'v', 's')]",
	  "\"/subscriptions/S/resourceGroups/G/providers/Microsoft.Network/virtualNetworks/v/subnets/s\"" },
	{ "[resourceId('other', 'Microsoft.X/y', 'z')]",
	  "\"/subscriptions/S/resourceGroups/other/providers/Microsoft.X/y/z\"" },
	{ "[resourceId('1-2', 'other', 'Microsoft.X/y', 'z')]",
	  "\"/subscriptions/1-2/resourceGroups/other/providers/Microsoft.X/y/z\"" },
	{ "[resourceId('Microsoft.X/y')]",
	  "!the type 'Microsoft.X/y' requires '1' resource name argument(s)" },
	{ "[resourceId('Microsoft.X/y', 'a', 'b')]", "!requires '1'" },
	{ "[resourceId('a', 'b', 'c')]", "!a resource type" },
	{ "[resourceId('a')]", "!a resource type" },
	{ "[subscriptionResourceId('Microsoft.X/y', 'z')]",
	  "\"/subscriptions/S/providers/Microsoft.X/y/z\"" },
	{ "[subscriptionResourceId('1', 'Microsoft.X/y', 'z')]",
	  "\"/subscriptions/1/providers/Microsoft.X/y/z\"" },
	{ "[tenantResourceId('Microsoft.X/y', 'z')]",
	  "\"/providers/Microsoft.X/y/z\"" },
	{ "[extensionResourceId('/a/b', 'Microsoft.X/y', 'z')]",
	  "\"/a/b/providers/Microsoft.X/y/z\"" },
	{ "[pickZones('Microsoft.Compute', 'virtualMachines', 'westus2', 2)]",
	  "[\"1\",\"2\"]" },
	{ "[pickZones('Microsoft.Compute', 'virtualMachines', 'westus2', 1, 2)]",
	  "[\"3\"]" },
	{ "[pickZones('Microsoft.Compute', 'virtualMachines', 'westus2', 3, 1)]",
	  "!has 3 zones" },
	{ "[copyIndex()]", "!only be used in a resource with copy" },
	{ "[reference('/x/y', '2020-01-01').ipAddress]", "\"192.0.2.7\"" },
	{ "[reference('/x/y', '2020-01-01', 'Full').properties.api]",
	  "\"2020-01-01\"" },
	{ "[reference('/x/y', '2020-01-01', 'Half')]", "!can only be 'Full'" },
	{ "[reference('/x/y')]", "!requires an API version" },
	{ "[reference('x')]", "!'x' is not defined in the template" },
	{ "[reference('/x/nobody', '2020-01-01')]",
	  "!ResourceNotFound: no /x/nobody" },
	{ "[concat(reference('/x/later', '1').a, 'b')]",
	  "\"[concat(reference('/x/later', '1').a, 'b')]\"" },
	{ "[map(createArray(1), lambda('x', reference('/x/later', '1').a))]",
	  "\"[map(createArray(1), lambda('x', reference('/x/later', '1').a))]\"" },
	{ "[if(reference('/x/later', '1').a, 'b', 'c')]",
	  "\"[if(reference('/x/later', '1').a, 'b', 'c')]\"" },
	{ "[listKeys('/x/y', '2020-01-01').fn]", "\"listKeys\"" },
	{ "[LISTaccountSas('/x/y', '1', createObject()).body]", "true" },
	{ "[listKeys('/x/y')]", "!does not take 1" },
};

static void expressions(void)
{
	struct err e = ERR_INIT;
	cJSON *doc = json(world),
	      *params = json("{\"LIT\":{\"value\":\"[concat('no')]\"}}");
	struct template *t = template_open(doc, params, scope(), &e);

	check(t != NULL, "a world for expressions", e.msg);
	for (size_t i = 0; t != NULL && i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *got, name[120];

		err_clear(&e);
		got = text_of(template_expression(t, rows[i].text, &e), &e);
		snprintf(name, sizeof(name), "%.100s", rows[i].text);
		if (rows[i].want[0] == '!')
			check(e.kind == ERR_AZURE &&
				      strstr(got, rows[i].want + 1) != NULL,
			      name, got);
		else
			check_same(got, rows[i].want, name);
		free(got);
	}
	template_free(t);
	json_free(doc);
	json_free(params);
	err_clear(&e);
	char *got = text_of(
		template_expression(NULL, "[concat(resourceGroup().name)]", &e),
		&e);
	check(strstr(got, "'resourceGroup' is not expected") != NULL,
	      "no scope at all", got);
	free(got);
}

/* What must end soon, and in words. */
static void bounds(void)
{
	struct buf b = BUF_INIT(1 << 20);
	struct err e = ERR_INIT;
	char *got;

	buf_adds(&b, "[");
	for (int i = 0; i < 101; i++)
		buf_adds(&b, "array(");
	buf_adds(&b, "1");
	for (int i = 0; i < 101; i++)
		buf_adds(&b, ")");
	buf_adds(&b, "]");
	got = text_of(template_expression(NULL, b.str, &e), &e);
	check(strstr(got, "nested more than 100 levels") != NULL,
	      "nesting has a limit", got);
	free(got);
	buf_reset(&b);
	buf_adds(&b, "['");
	for (int i = 0; i < 24576; i++)
		buf_addc(&b, 'x');
	buf_adds(&b, "']");
	err_clear(&e);
	got = text_of(template_expression(NULL, b.str, &e), &e);
	check(strstr(got, "longer than 24576 characters") != NULL,
	      "length has a limit", got);
	free(got);
	buf_reset(&b);
	buf_adds(&b, HEAD ",\"variables\":{\"v0\":\"0123456789\"");
	for (int i = 1; i < 60; i++)
		buf_addf(&b,
			 ",\"v%d\":\"[concat(variables('v%d'),variables('v%d'))]\"",
			 i, i - 1, i - 1);
	buf_adds(&b, "},\"resources\":[]}");
	err_clear(&e);
	cJSON *doc = json(b.str);
	struct template *t = template_open(doc, NULL, scope(), &e);
	check(t == NULL && (strstr(e.msg, "too long") != NULL ||
			    strstr(e.msg, "takes more than") != NULL),
	      "doubling has a limit", e.msg);
	template_free(t);
	json_free(doc);
	err_clear(&e);
	got = text_of(template_expression(
			      NULL,
			      "[map(range(0,10000), lambda('x', map(range(0,10000), lambda('y', "
			      "map(range(0,10000), lambda('z', 1))))))]",
			      &e),
		      &e);
	check(strstr(got, "takes more than") != NULL, "looping has a limit", got);
	free(got);
	buf_release(&b);
}

/* ---- templates that are refused -------------------------------------------------- */

#define VALID "InvalidTemplate: Deployment template validation failed: '"
#define RES(more) "{\"type\":\"Microsoft.X/y\",\"apiVersion\":\"1\"," more "}"

static const struct {
	const char *name, *doc, *params, *words;
} refused[] = {
	{ "no schema", "{\"contentVersion\":\"1\",\"resources\":[]}", NULL,
	  "InvalidTemplate: Deployment template parse failed: 'Required property not found in JSON: '$schema'" },
	{ "no resources", HEAD "}", NULL, "'resources'" },
	{ "not an object", "[1]", NULL, "An object is expected" },
	{ "unknown member", HEAD ",\"resources\":[],\"extra\":1}", NULL,
	  "Could not find member on object of type 'Template': 'extra'" },
	{ "subscription template",
	  "{\"$schema\":\"https://x/subscriptionDeploymentTemplate.json#\",\"contentVersion\":\"1\",\"resources\":[]}",
	  NULL, "not that of a template for a resource group" },
	{ "symbolic names", HEAD ",\"resources\":{}}", NULL, "symbolic names" },
	{ "a language version of tomorrow",
	  HEAD ",\"languageVersion\":\"2.1-experimental\",\"resources\":{}}", NULL,
	  VALID
	  "The language version '2.1-experimental' is not known to the local Azure.'" },
	{ "names without symbols in version 2.0",
	  HEAD ",\"languageVersion\":\"2.0\",\"resources\":[]}", NULL,
	  "'resources' must be an object" },
	{ "definitions without version 2.0",
	  HEAD ",\"definitions\":{},\"resources\":[]}", NULL,
	  "need language version 2.0" },
	{ "extensions", HEAD ",\"resources\":[],\"extensions\":{}}", NULL,
	  "The element 'extensions' is not known to the local Azure." },
	{ "a profile that is none",
	  HEAD ",\"apiProfile\":\"2031-01-01\",\"resources\":[]}", NULL,
	  VALID "The API profile '2031-01-01' is not known to the local Azure.'" },
	{ "a type that the profile lacks",
	  HEAD ",\"apiProfile\":\"2018-03-01-hybrid\",\"resources\":"
	       "[{\"type\":\"Microsoft.X/y\",\"name\":\"n\"}]}",
	  NULL,
	  "The version of 'Microsoft.X/y' in the profile "
	  "'2018-03-01-hybrid' is not known to the local Azure." },
	{ "parameter missing",
	  HEAD ",\"parameters\":{\"p\":{\"type\":\"string\"}},\"resources\":[]}",
	  NULL,
	  VALID "The value for the template parameter 'p' is not provided.'." },
	{ "parameter null",
	  HEAD ",\"parameters\":{\"p\":{\"type\":\"string\"}},\"resources\":[]}",
	  "{\"p\":{\"value\":null}}", "'p' is not provided" },
	{ "parameter unknown",
	  HEAD ",\"parameters\":{\"p\":{\"type\":\"string\"}},\"resources\":[]}",
	  "{\"q\":{\"value\":1},\"r\":{\"value\":1}}",
	  VALID
	  "The template parameters 'q, r' in the parameters file are not valid; they are not present in the original "
	  "template and can therefore not be provided at deployment time. The only supported parameters for this template are 'p'.'." },
	{ "parameter type",
	  HEAD ",\"parameters\":{\"p\":{\"type\":\"int\"}},\"resources\":[]}",
	  "{\"p\":{\"value\":\"3\"}}",
	  VALID
	  "Template parameter JToken type is not valid. Expected 'Integer'. Actual 'String'. The template parameter is 'p'" },
	{ "parameter float",
	  HEAD ",\"parameters\":{\"p\":{\"type\":\"int\"}},\"resources\":[]}",
	  "{\"p\":{\"value\":1.5}}", "Actual 'Float'" },
	{ "parameter of odd type",
	  HEAD ",\"parameters\":{\"p\":{\"type\":\"number\"}},\"resources\":[]}",
	  NULL, "The type 'number' of the template parameter 'p'" },
	{ "parameter bare",
	  HEAD ",\"parameters\":{\"p\":{\"type\":\"int\"}},\"resources\":[]}",
	  "{\"p\":3}", "must be in an object" },
	{ "parameter from a vault",
	  HEAD
	  ",\"parameters\":{\"p\":{\"type\":\"securestring\"}},\"resources\":[]}",
	  "{\"p\":{\"reference\":{}}}", "key vault" },
	{ "allowed values",
	  HEAD
	  ",\"parameters\":{\"p\":{\"type\":\"int\",\"allowedValues\":[1,3,5]}},\"resources\":[]}",
	  "{\"p\":{\"value\":2}}",
	  "The provided value for the template parameter 'p' is not valid. The value is not part of the allowed value(s): '1,3,5'" },
	{ "allowed items",
	  HEAD
	  ",\"parameters\":{\"p\":{\"type\":\"array\",\"allowedValues\":[\"a\",\"b\"]}},\"resources\":[]}",
	  "{\"p\":{\"value\":[\"a\",\"c\"]}}", "allowed value(s): 'a,b'" },
	{ "too small",
	  HEAD
	  ",\"parameters\":{\"p\":{\"type\":\"int\",\"minValue\":3}},\"resources\":[]}",
	  "{\"p\":{\"value\":2}}", "must be greater than or equal to '3'" },
	{ "too large",
	  HEAD
	  ",\"parameters\":{\"p\":{\"type\":\"int\",\"maxValue\":3}},\"resources\":[]}",
	  "{\"p\":{\"value\":4}}", "must be less than or equal to '3'" },
	{ "too short",
	  HEAD
	  ",\"parameters\":{\"p\":{\"type\":\"string\",\"minLength\":3}},\"resources\":[]}",
	  "{\"p\":{\"value\":\"ab\"}}",
	  "Length of the value should be greater than or equal to '3'" },
	{ "too long",
	  HEAD
	  ",\"parameters\":{\"p\":{\"type\":\"array\",\"maxLength\":1}},\"resources\":[]}",
	  "{\"p\":{\"value\":[1,2]}}",
	  "Length of the value should be less than or equal to '1'" },
	{ "bad default",
	  HEAD
	  ",\"parameters\":{\"p\":{\"type\":\"string\",\"defaultValue\":\"[variables('x')]\"}},\"resources\":[]}",
	  NULL,
	  "The template parameter 'p' at 'parameters.p.defaultValue' is not valid: The template function 'variables' is not expected at this location" },
	{ "defaults in a circle",
	  HEAD
	  ",\"parameters\":{\"p\":{\"type\":\"string\",\"defaultValue\":\"[parameters('q')]\"},"
	  "\"q\":{\"type\":\"string\",\"defaultValue\":\"[parameters('p')]\"}},\"resources\":[]}",
	  NULL, "Circular dependency detected in the template parameter 'p'" },
	{ "variables in a circle",
	  HEAD
	  ",\"variables\":{\"a\":\"[variables('b')]\",\"b\":\"[variables('a')]\"},\"resources\":[]}",
	  NULL, "Circular dependency detected in the template variable 'a'" },
	{ "reference in a variable",
	  HEAD
	  ",\"variables\":{\"a\":{\"b\":[\"[reference('/a/b','1')]\"]}},\"resources\":[]}",
	  NULL,
	  "The template variable 'a' at 'variables.a.b[0]' is not valid: The template function 'reference' is not expected at this location" },
	{ "new guid outside of defaults",
	  HEAD ",\"variables\":{\"a\":\"[newGuid()]\"},\"resources\":[]}", NULL,
	  "'newGuid' is not expected at this location" },
	{ "unknown function in a resource",
	  HEAD ",\"resources\":[" RES(
		  "\"name\":\"n\",\"properties\":{\"a\":[0,{\"b\":\"[nope()]\"}]}") "]}",
	  NULL,
	  VALID
	  "The template resource 'n' at 'resources[0].properties.a[1].b' is not valid: The template function 'nope' is not valid." },
	{ "no name", HEAD ",\"resources\":[" RES("\"location\":\"x\"") "]}",
	  NULL, "A resource needs 'name'" },
	{ "no api version",
	  HEAD ",\"resources\":[{\"type\":\"Microsoft.X/y\",\"name\":\"n\"}]}",
	  NULL, "A resource needs 'apiVersion'" },
	{ "segments", HEAD ",\"resources\":[" RES("\"name\":\"a/b\"") "]}", NULL,
	  "The template resource 'a/b' for type 'Microsoft.X/y' has incorrect segment lengths. A nested resource type must have identical number of segments" },
	{ "empty segment",
	  HEAD ",\"resources\":[" RES("\"name\":\"[concat('')]\"") "]}", NULL,
	  "incorrect segment lengths" },
	{ "twice",
	  HEAD
	  ",\"resources\":[" RES("\"name\":\"n\"") "," RES("\"name\":\"N\"") "]}",
	  NULL, "is defined multiple times in a template" },
	{ "depends on nobody",
	  HEAD ",\"resources\":[" RES(
		  "\"name\":\"n\",\"dependsOn\":[\"Microsoft.X/y/m\"]") "]}",
	  NULL,
	  "The template resource 'n' at 'resources[0].dependsOn[0]' is not valid: The resource 'Microsoft.X/y/m' is not defined in the template" },
	{ "depends on itself",
	  HEAD ",\"resources\":[" RES("\"name\":\"n\",\"dependsOn\":[\"n\"]") "]}",
	  NULL,
	  VALID
	  "Circular dependency detected on resource: '/subscriptions/S/resourceGroups/G/providers/Microsoft.X/y/n'.'." },
	{ "circle",
	  HEAD
	  ",\"resources\":[" RES("\"name\":\"free\"") "," RES("\"name\":\"a\",\"dependsOn\":[\"b\"]") "," RES(
		  "\"name\":\"b\",\"properties\":{\"x\":\"[reference('a').y]\"}") "]}",
	  NULL,
	  "Circular dependency detected on resource: '/subscriptions/S/resourceGroups/G/providers/Microsoft.X/y/a'" },
	{ "reference to nobody",
	  HEAD ",\"resources\":[" RES(
		  "\"name\":\"n\",\"properties\":{\"x\":\"[reference('m').y]\"}") "]}",
	  NULL, "'m' is not defined in the template" },
	{ "reference in a name",
	  HEAD
	  ",\"resources\":[" RES("\"name\":\"[reference('/a/b','1').c]\"") "]}",
	  NULL, "'reference' is not expected at this location" },
	{ "count",
	  HEAD ",\"resources\":[" RES(
		  "\"name\":\"[concat('n',copyIndex())]\",\"copy\":{\"name\":\"c\",\"count\":801}") "]}",
	  NULL,
	  "The template resource '[concat('n',copyIndex())]' at 'resources[0].copy' is not valid: The copy count '801' is not between 0 and 800" },
	{ "negative count",
	  HEAD ",\"resources\":[" RES(
		  "\"name\":\"[concat('n',copyIndex())]\",\"copy\":{\"name\":\"c\",\"count\":-1}") "]}",
	  NULL, "'-1' is not between" },
	{ "copies of one name",
	  HEAD ",\"resources\":[" RES(
		  "\"name\":\"n\",\"copy\":{\"name\":\"c\",\"count\":2}") "]}",
	  NULL, "defined multiple times" },
	{ "condition is no boolean",
	  HEAD ",\"resources\":[" RES("\"name\":\"n\",\"condition\":\"yes\"") "]}",
	  NULL,
	  "at 'resources[0].condition' is not valid: Expected a value of type 'Boolean', found 'String'" },
	{ "output type",
	  HEAD
	  ",\"resources\":[],\"outputs\":{\"o\":{\"type\":\"int\",\"value\":\"x\"}}}",
	  NULL,
	  "The template output 'o' at 'outputs.o' is not valid: Its value is of type 'String', not 'Integer'" },
	{ "output without value",
	  HEAD ",\"resources\":[],\"outputs\":{\"o\":{\"type\":\"int\"}}}",
	  NULL, "'value' is missing" },
};

static void refusals(void)
{
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct err e = ERR_INIT;
		cJSON *doc = json(refused[i].doc);
		cJSON *params = refused[i].params == NULL ?
					NULL :
					json(refused[i].params);
		struct template *t = template_open(doc, params, scope(), &e);

		check(t == NULL && e.kind == ERR_AZURE &&
			      strstr(e.msg, refused[i].words) != NULL,
		      refused[i].name, t != NULL ? "accepted" : e.msg);
		template_free(t);
		json_free(doc);
		json_free(params);
	}

	struct err e = ERR_INIT;
	struct str text;

	err_set(&e, ERR_AZURE, "InvalidTemplate: Deployment: x");
	check(str_eqz(template_error(&e, &text), "InvalidTemplate") &&
		      str_eqz(text, "Deployment: x"),
	      "an error in two parts", "");
	err_clear(&e);
	err_set(&e, ERR_DATA, "no code: x");
	check(str_eqz(template_error(&e, &text), "InternalServerError") &&
		      str_eqz(text, "no code: x"),
	      "an error without a code", "");
}

/* ---- a deployment, resource by resource -------------------------------------------- */

static const char deployment[] = HEAD
	",\"parameters\":{\"n\":{\"type\":\"int\"},\"secret\":{\"type\":\"secureString\"},\"on\":{\"type\":\"bool\",\"defaultValue\":false}},"
	"\"variables\":{\"ip\":\"[resourceId('Microsoft.Network/publicIPAddresses', 'ip')]\",\"api\":\"2024-05-01\"},"
	"\"resources\":["
	/* 0 */ "{\"type\":\"Microsoft.Network/publicIPAddresses\",\"apiVersion\":\"[variables('api')]\",\"name\":\"ip\",\"comments\":\"c\",\"location\":\"[resourceGroup().location]\",\"zones\":\"[null()]\"},"
	/* 1,2,3 */ "{\"type\":\"Microsoft.X/vm\",\"apiVersion\":\"1\",\"name\":\"[concat('vm', copyIndex(1))]\",\"copy\":{\"name\":\"vms\",\"count\":\"[parameters('n')]\",\"mode\":\"Serial\",\"batchSize\":2},"
	"\"dependsOn\":[\"[variables('ip')]\"],\"tags\":{\"[concat('k', copyIndex())]\":\"v\"},"
	"\"properties\":{\"address\":\"[reference(variables('ip')).ipAddress]\",\"key\":\"[listKeys('store', '9').fn]\","
	"\"copy\":[{\"name\":\"disks\",\"count\":2,\"input\":{\"lun\":\"[copyIndex('disks')]\",\"vm\":\"[copyIndex()]\"}}],\"gone\":\"[null()]\"}},"
	/* 4, 5 child */ "{\"type\":\"Microsoft.Network/virtualNetworks\",\"apiVersion\":\"2\",\"name\":\"v\",\"resources\":["
	"{\"type\":\"subnets\",\"apiVersion\":\"2\",\"name\":\"s\",\"dependsOn\":[\"v\"],\"properties\":{\"p\":1}}]},"
	/* 6 */ "{\"type\":\"Microsoft.Network/virtualNetworks/subnets\",\"apiVersion\":\"2\",\"name\":\"v/t\",\"dependsOn\":[\"vms\",\"Microsoft.Network/virtualNetworks/v\"]},"
	/* 7 */ "{\"type\":\"Microsoft.X/store\",\"apiVersion\":\"1\",\"name\":\"store\",\"condition\":\"[parameters('on')]\",\"properties\":{\"s\":\"[parameters('secret')]\",\"bad\":\"[div(1,0)]\"}},"
	/* 8 */ "{\"type\":\"Microsoft.Authorization/locks\",\"apiVersion\":\"1\",\"name\":\"l\",\"scope\":\"Microsoft.Network/publicIPAddresses/ip\",\"dependsOn\":[\"ip\"]}"
	"],\"outputs\":{"
	"\"fqdn\":{\"type\":\"string\",\"value\":\"[reference('ip').dnsSettings.fqdn]\"},"
	"\"names\":{\"type\":\"array\",\"copy\":{\"count\":2,\"input\":\"[concat('vm', copyIndex())]\"}},"
	"\"secret\":{\"type\":\"securestring\",\"value\":\"[parameters('secret')]\"},"
	"\"off\":{\"type\":\"string\",\"condition\":\"[parameters('on')]\",\"value\":\"x\"}}}";

#define G "/subscriptions/S/resourceGroups/G/providers/"

static const struct {
	const char *id, *type, *name, *after, *body;
	bool deploy;
} want[] = {
	{ G "Microsoft.Network/publicIPAddresses/ip",
	  "Microsoft.Network/publicIPAddresses", "ip", "",
	  "{\"location\":\"westeurope\"}", true },
	{ G "Microsoft.X/vm/vm1", "Microsoft.X/vm", "vm1", "0,7,",
	  "{\"tags\":{\"k0\":\"v\"},\"properties\":{\"address\":\"192.0.2.7\",\"key\":\"listKeys\",\"disks\":[{\"lun\":0,\"vm\":0},{\"lun\":1,\"vm\":0}]}}",
	  true },
	{ G "Microsoft.X/vm/vm2", "Microsoft.X/vm", "vm2", "0,7,",
	  "{\"tags\":{\"k1\":\"v\"},\"properties\":{\"address\":\"192.0.2.7\",\"key\":\"listKeys\",\"disks\":[{\"lun\":0,\"vm\":1},{\"lun\":1,\"vm\":1}]}}",
	  true },
	{ G "Microsoft.X/vm/vm3", "Microsoft.X/vm", "vm3", "0,1,2,7,",
	  "{\"tags\":{\"k2\":\"v\"},\"properties\":{\"address\":\"192.0.2.7\",\"key\":\"listKeys\",\"disks\":[{\"lun\":0,\"vm\":2},{\"lun\":1,\"vm\":2}]}}",
	  true },
	{ G "Microsoft.Network/virtualNetworks/v",
	  "Microsoft.Network/virtualNetworks", "v", "", "{}", true },
	{ G "Microsoft.Network/virtualNetworks/v/subnets/s",
	  "Microsoft.Network/virtualNetworks/subnets", "v/s", "4,",
	  "{\"properties\":{\"p\":1}}", true },
	{ G "Microsoft.Network/virtualNetworks/v/subnets/t",
	  "Microsoft.Network/virtualNetworks/subnets", "v/t", "1,2,3,4,", "{}",
	  true },
	{ G "Microsoft.X/store/store", "Microsoft.X/store", "store", "", NULL,
	  false },
	{ G "Microsoft.Network/publicIPAddresses/ip/providers/Microsoft.Authorization/locks/l",
	  "Microsoft.Authorization/locks", "l", "0,", "{}", true },
};
enum { WANT_N = sizeof(want) / sizeof(want[0]) };

static void one_resource(struct template *t, const struct template_resource *r,
			 size_t i)
{
	struct buf after = BUF_INIT(200);
	struct err e = ERR_INIT;
	char name[60], *got;

	for (size_t k = 0; k < r->after_n; k++)
		buf_addf(&after, "%zu,", r->after[k]);
	snprintf(name, sizeof(name), "resource %zu id", i);
	check_same(r->id, want[i].id, name);
	snprintf(name, sizeof(name), "resource %zu after", i);
	check_same(after.str, want[i].after, name);
	snprintf(name, sizeof(name), "resource %zu type, name, deploy", i);
	check(strcmp(r->type, want[i].type) == 0 &&
		      strcmp(r->name, want[i].name) == 0 &&
		      r->deploy == want[i].deploy,
	      name, r->name);
	snprintf(name, sizeof(name), "resource %zu body", i);
	if (want[i].body != NULL) {
		got = text_of(template_resource(t, i, &e), &e);
		check_same(got, want[i].body, name);
		free(got);
	}
	buf_release(&after);
}

static void deployments(void)
{
	struct err e = ERR_INIT;
	cJSON *doc = json(deployment);
	cJSON *params =
		json("{\"n\":{\"value\":3},\"secret\":{\"value\":\"hush\"}}");
	struct template *t;
	char *got;
	size_t n = 0;

	asked = 0;
	t = template_open(doc, params, scope(), &e);
	json_free(params);
	check(t != NULL, "a deployment opens", e.msg);
	check(asked == 0, "opening asks nobody", "it did");
	if (t != NULL) {
		const struct template_resource *r = template_resources(t, &n);

		check(n == WANT_N, "nine resources", "another number");
		check(strcmp(r[0].api_version, "2024-05-01") == 0,
		      "an api version may be an expression", r[0].api_version);
		for (size_t i = 0; i < n && n == WANT_N; i++)
			one_resource(t, &r[i], i);
		got = text_of(template_resource(t, 7, &e), &e);
		check_same(got,
			   "InvalidTemplate: Unable to process template language expressions for resource '" G
			   "Microsoft.X/store/store' at 'resources[4].properties.bad'. 'Unable to evaluate template "
			   "language function 'div': division by zero.'",
			   "an error while deploying");
		free(got);
		err_clear(&e);
		got = text_of(template_outputs(t, &e), &e);
		check_same(got,
			   "{\"fqdn\":{\"type\":\"String\",\"value\":\"host.example\"},"
			   "\"names\":{\"type\":\"Array\",\"value\":[\"vm0\",\"vm1\"]},"
			   "\"secret\":{\"type\":\"SecureString\"}}",
			   "outputs");
		free(got);
		got = text_of(template_parameters(t), &e);
		check_same(got,
			   "{\"n\":{\"type\":\"Int\",\"value\":3},\"secret\":{\"type\":\"SecureString\"},"
			   "\"on\":{\"type\":\"Bool\",\"value\":false}}",
			   "parameters");
		free(got);
	}
	template_free(t);
	template_free(NULL);
	json_free(doc);
}

/* A condition is not the children's, and no reason to refuse who waits for it. */
static void conditions(void)
{
	static const char text[] = HEAD
		",\"resources\":[{\"type\":\"A.b/c\",\"apiVersion\":\"1\",\"name\":\"p\","
		"\"condition\":false,\"resources\":[{\"type\":\"d\",\"apiVersion\":\"1\",\"name\":\"q\"}]},"
		"{\"type\":\"A.b/c\",\"apiVersion\":\"1\",\"name\":\"r\",\"dependsOn\":[\"A.b/c/p\"]}]}";
	struct err e = ERR_INIT;
	cJSON *doc = json(text);
	struct template *t = template_open(doc, NULL, scope(), &e);
	const struct template_resource *r;
	size_t n = 0;

	r = t == NULL ? NULL : template_resources(t, &n);
	check(n == 3 && !r[0].deploy && r[1].deploy && r[2].deploy &&
		      r[2].after_n == 1 && r[2].after[0] == 0,
	      "conditions", e.msg);
	template_free(t);
	json_free(doc);
}

/* More of something than Azure takes. */
static void too_many(const char *member, const char *item, int n, const char *words)
{
	struct buf b = BUF_INIT(1 << 20);
	bool list = strcmp(member, "resources") == 0;
	struct err e = ERR_INIT;
	struct template *t;
	cJSON *doc;

	buf_addf(&b, HEAD "%s,\"%s\":%c", list ? "" : ",\"resources\":[]",
		 member, list ? '[' : '{');
	for (int i = 0; i < n; i++)
		buf_addf(&b, "%s\"n%d\"%s", i > 0 ? "," : "", i, list ? "" : item);
	buf_addf(&b, "%c}", list ? ']' : '}');
	doc = json(b.str);
	t = template_open(doc, NULL, scope(), &e);
	check(t == NULL && strstr(e.msg, words) != NULL, words,
	      t != NULL ? "accepted" : e.msg);
	template_free(t);
	json_free(doc);
	buf_release(&b);
}

/* Variables made by loops count, although the document has them in one. */
static void too_many_loops(void)
{
	struct buf b = BUF_INIT(1 << 20);
	struct err e = ERR_INIT;
	struct template *t;
	cJSON *doc;

	buf_adds(&b, HEAD ",\"resources\":[],\"variables\":{\"copy\":[");
	for (int i = 0; i < 100; i++)
		buf_addf(&b, "%s{\"name\":\"c%d\",\"count\":1,\"input\":1}",
			 i > 0 ? "," : "", i);
	buf_addc(&b, ']');
	for (int i = 0; i < 413; i++)
		buf_addf(&b, ",\"v%d\":1", i);
	buf_adds(&b, "}}");
	doc = json(b.str);
	t = template_open(doc, NULL, scope(), &e);
	check(t == NULL && strstr(e.msg, "more than 512 variables") != NULL,
	      "loops and other variables, together too many",
	      t != NULL ? "accepted" : e.msg);
	template_free(t);
	json_free(doc);
	buf_release(&b);
}

static void late_errors(void)
{
	static const char text[] = HEAD
		",\"resources\":[],\"outputs\":{\"o\":{\"type\":\"string\",\"value\":\"[reference('/x/y','1').nope]\"},"
		"\"p\":{\"type\":\"string\",\"value\":\"[reference('/x/nobody','1').nope]\"}}}";
	struct err e = ERR_INIT;
	cJSON *doc = json(text);
	struct template *t = template_open(doc, NULL, scope(), &e);
	char *got;

	check(t != NULL, "what only the resources can refute opens", e.msg);
	got = text_of(t == NULL ? NULL : template_outputs(t, &e), &e);
	check(strstr(got,
		     "DeploymentOutputEvaluationFailed: The template output 'o' at 'outputs.o.value' is not valid: "
		     "The language expression property 'nope' doesn't exist, available properties are 'id, api, ipAddress, dnsSettings'.") !=
		      NULL,
	      "an output that cannot be had", got);
	free(got);
	template_free(t);
	json_free(doc);
}

/* ---- the template we ship ------------------------------------------------------------ */

static const char *const body_words[][2] = {
	{ "/masters-nsg",
	  "\"sourceAddressPrefixes\":[\"10.77.0.0/24\",\"10.77.16.0/20\"]" },
	{ "/master2-nic", "\"privateIPAddress\":\"10.77.0.12\"" },
	{ "/master1-ip", "\"domainNameLabel\":\"demo1-master1\"" },
	{ "/virtualMachines/master0", "\"customData\":\"bWFzdGVy\"" },
	{ "/virtualMachines/master0",
	  "\"availabilitySet\":{\"id\":\"" G
	  "Microsoft.Compute/availabilitySets/masters\"}" },
	{ "/virtualMachineScaleSets/agents", "\"capacity\":3" },
	{ "/agents-autoscale", "\"default\":\"3\"" },
};

static void shipped(void)
{
	struct err e = ERR_INIT;
	struct buf text;
	cJSON *doc, *params;
	struct template *t;
	size_t n = 0, vms = 0;
	char *got;

	asset_get("arm/cluster.json", &text);
	doc = json_parse(buf_str(&text), "cluster.json", &e);
	buf_release(&text);
	params = json(
		"{\"namePrefix\":{\"value\":\"Demo1\"},\"adminPublicKey\":{\"value\":\"ssh-ed25519 AAAA x\"},"
		"\"masterCount\":{\"value\":3},\"masterCustomData\":{\"value\":\"bWFzdGVy\"},"
		"\"agentCustomData\":{\"value\":\"YWdlbnQ=\"}}");
	t = template_open(doc, params, scope(), &e);
	check(t != NULL, "cluster.json opens", e.msg);
	const struct template_resource *r = t == NULL ?
						    NULL :
						    template_resources(t, &n);
	check(n == 18, "cluster.json has 18 resources with 3 masters",
	      "another number");
	for (size_t i = 0; i < n; i++) {
		vms += strcmp(r[i].type, "Microsoft.Compute/virtualMachines") == 0;
		got = text_of(template_resource(t, i, &e), &e);
		check(got[0] == '{' && strstr(got, "\"[") == NULL, r[i].name, got);
		for (size_t k = 0;
		     k < sizeof(body_words) / sizeof(body_words[0]); k++)
			if (str_ends(str_of(r[i].id), str_of(body_words[k][0])))
				check(strstr(got, body_words[k][1]) != NULL,
				      body_words[k][1], got);
		if (strcmp(r[i].name, "master1") == 0)
			check(r[i].after_n == 2,
			      "a master waits for its set and its card",
			      "another number");
		free(got);
		err_clear(&e);
	}
	check(vms == 3, "cluster.json has 3 masters", "another number");
	got = text_of(t == NULL ? NULL : template_outputs(t, &e), &e);
	check(strstr(got,
		     "\"masterFqdn\":{\"type\":\"String\",\"value\":\"host.example\"}") !=
		      NULL,
	      "cluster.json's outputs", got);
	free(got);
	template_free(t);
	json_set(json_get_mut(params, "masterCount"), "value",
		 cJSON_CreateNumber(2));
	err_clear(&e);
	t = template_open(doc, params, scope(), &e);
	check(t == NULL &&
		      strstr(e.msg,
			     "'masterCount' is not valid. The value is not part of the allowed value(s): '1,3,5'"),
	      "cluster.json refuses two masters", e.msg);
	template_free(t);
	json_free(params);
	json_free(doc);
}

int main(void)
{
	json_init();
	expressions();
	bounds();
	refusals();
	deployments();
	conditions();
	too_many("parameters", ":{\"type\":\"int\",\"defaultValue\":1}", 257,
		 "The number of template parameters limit exceeded. Limit: '256' and actual: '257'");
	too_many("variables", ":1", 513,
		 "The number of template variables limit exceeded. Limit: '512' and actual: '513'");
	too_many("outputs", ":{\"type\":\"int\",\"value\":1}", 65,
		 "The number of template outputs limit exceeded. Limit: '64' and actual: '65'");
	too_many("resources", "", 801,
		 "The number of template resources limit exceeded. Limit: '800' and actual: '801'");
	too_many_loops();
	late_errors();
	shipped();
	scope_free();
	return check_failed();
}
