/*
 * template/ against Microsoft's own word: expressions and results as
 * published in "ARM template functions" on learn.microsoft.com, a page for each
 * kind of function (string, array, object, lambda, numeric, comparison, logical,
 * date, deployment, scope, resource), with the sample templates and tables of
 * results that belong to them.  Every function that is accepted has a row, and
 * those that are documented and not accepted are refused by their name.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "template/inner.h"
#include "tests/check.h"

/* Documents are written with ' for " and ` for '. */
static char *quoted(const char *z)
{
	char *text = xstrdup(z);

	for (char *p = text; *p != '\0'; p++)
		*p = *p == '\'' ? '"' : *p == '`' ? '\'' : *p;
	return text;
}

static cJSON *json(const char *z)
{
	struct err e = ERR_INIT;
	char *text = quoted(z);
	cJSON *v = json_parse(str_of(text), "test", &e);

	if (v == NULL) {
		check_give_up("bad json in the test", "%s in %.60s", e.msg, text);
	}
	free(text);
	return v;
}

/* ---- the world of the samples ---- */

#define GROUP \
	"/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/examplegroup"
#define TENANT "00000000-0000-0000-0000-000000000000"

static cJSON *storage(void *ctx, const char *id, const char *api, bool full,
		      struct err *e)
{
	cJSON *v = json(
		      "{'location':'southcentralus','properties':{'primaryEndpoints':{'blob':"
		      "'https://examplestorage.blob.core.windows.net/'},'provisioningState':'Succeeded'}}"),
	      *p;

	(void)ctx;
	(void)id;
	(void)api;
	(void)e;
	if (full)
		return v;
	p = cJSON_DetachItemFromObject(v, "properties");
	json_free(v);
	return p;
}

static cJSON *keys(void *ctx, const char *name, const char *id, const char *api,
		   const cJSON *body, struct err *e)
{
	(void)ctx;
	(void)name;
	(void)id;
	(void)api;
	(void)body;
	(void)e;
	return json(
		"{'keys':[{'keyName':'key1','permissions':'Full','value':'{value}'},"
		"{'keyName':'key2','permissions':'Full','value':'{value}'}]}");
}

static cJSON *large(void)
{
	char *text = xcalloc((1u << 20) + 1, 1);
	cJSON *v = cJSON_CreateObject();

	memset(text, 'x', 1u << 20);
	json_add_str(v, "namespace", text);
	free(text);
	return v;
}

static cJSON *provider(void *ctx, const char *ns)
{
	(void)ctx;
	if (strcmp(ns, "Microsoft.Large") == 0)
		return large();
	return strcmp(ns, "Microsoft.Web") != 0 ?
		       NULL :
		       json("{'namespace':'Microsoft.Web','resourceTypes':[{"
			    "'resourceType':'sites',"
			    "'locations':['South Central US'],'apiVersions':['2016-08-01']}]}");
}

#define DOG(name, age, likes) \
	"{'name':'" name "','age':" #age ",'interests':[" likes "]}"
#define EVIE DOG("Evie", 5, "'Ball','Frisbee'")
#define CASPER DOG("Casper", 3, "'Other dogs'")
#define INDY DOG("Indy", 2, "'Butter'")
#define KIRA DOG("Kira", 8, "'Rubs'")

static const char world[] =
	"{'$schema':'https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#',"
	"'contentVersion':'1.0.0.0','parameters':{"
	"'stringParameter':{'type':'string','defaultValue':'option 1'},"
	"'intParameter':{'type':'int','defaultValue':1},"
	"'objectParameter':{'type':'object','defaultValue':{'one':'a','two':'b'}},"
	"'arrayParameter':{'type':'array','defaultValue':[1,2,3]},"
	"'crossParameter':{'type':'string','defaultValue':'[parameters(`stringParameter`)]'},"
	"'abc':{'type':'object','defaultValue':{'one':'a','two':'b','three':'c'}},"
	"'names':{'type':'array','defaultValue':['one','two','three']},"
	"'nulls':{'type':'object','defaultValue':{'null1':null,'null2':null,'string':'default','int':1,"
	"'object':{'first':'default'},'array':[1]}},"
	"'four':{'type':'object','defaultValue':{'propA':'one','propB':'two','propC':'three','propD':"
	"{'propD-1':'sub','propD-2':'sub'}}},"
	"'jsonArray':{'type':'string','defaultValue':'[[1,2,3 ]'}},"
	"'variables':{'copy':[{'name':'itemForLoop','count':'[length(range(0, 10))]',"
	"'input':'[range(0, 10)[copyIndex(`itemForLoop`)]]'},"
	"{'name':'modifiedListOfEntities','count':'[length(items(variables(`entities`)))]','input':{"
	"'key':'[items(variables(`entities`))[copyIndex(`modifiedListOfEntities`)].key]',"
	"'fullName':'[items(variables(`entities`))[copyIndex(`modifiedListOfEntities`)].value.displayName]',"
	"'itemEnabled':'[items(variables(`entities`))[copyIndex(`modifiedListOfEntities`)].value.enabled]'}}],"
	"'entities':{'item002':{'enabled':false,'displayName':'Example item 2','number':200},"
	"'item001':{'enabled':true,'displayName':'Example item 1','number':300}},"
	"'var1':'myVariable','var2':[1,2,3,4],'var3':'[ variables(`var1`) ]','var4':{'property1':'value1','property2':'value2'},"
	"'dogs':[" EVIE "," CASPER "," INDY "," KIRA "],"
	"'ages':'[map(variables(`dogs`), lambda(`dog`, lambdaVariables(`dog`).age))]',"
	"'numbers':[4,5,6],'collection':['[parameters(`names`)]','[variables(`numbers`)]'],'duplicates':[1,2,3,1],"
	"'first':{'one':'a','two':'b','three':'c1'},'second':{'three':'c2','four':'d','five':'e'},"
	"'deep1':{'property':{'one':'a','two':'b','three':'c1'},'nestedArray':[1,2]},"
	"'deep2':{'property':{'three':'c2','four':'d','five':'e'},'nestedArray':[3,4]},"
	"'merge1':[{'one':'a'},{'two':'b'},{'two':'c'}],"
	"'merge2':[{'one':'a','nested':{'a':1,'nested':{'c':3}}},{'two':'b','nested':{'b':2}}],"
	"'users':{'name':'John Doe','age':30},'colors':['red','green']},'resources':[]}";

/* ---- what they give ---- */

/* want begins with '!': refused, with these words */
static const struct {
	const char *function, *text, *want;
} rows[] = {
	/* ranges of addresses */
	{ "parseCidr", "[parseCidr('10.144.0.0/20')]",
	  "{'network':'10.144.0.0','netmask':'255.255.240.0','broadcast':'10.144.15.255'"
	  ",'firstUsable':'10.144.0.1',"
	  "'lastUsable':'10.144.15.254','cidr':20}" },
	{ "parseCidr", "[parseCidr('fdad:3236:5555::/48')]",
	  "{'network':'fdad:3236:5555::','netmask':'ffff:ffff:ffff::','firstUsable':"
	  "'fdad:3236:5555::',"
	  "'lastUsable':'fdad:3236:5555:ffff:ffff:ffff:ffff:ffff','cidr':48}" },
	{ "parseCidr", "[parseCidr('10.144.0.0')]",
	  "!no range of addresses in CIDR notation" },
	{ "parseCidr", "[parseCidr('10.144.0.0/33')]", "!no range of addresses" },
	{ "cidrSubnet",
	  "[map(range(0, 5), lambda('i', cidrSubnet('10.144.0.0/20', 24, lambdaVariables"
	  "('i'))))]",
	  "['10.144.0.0/24','10.144.1.0/24','10.144.2.0/24','10.144.3.0/24','10.144.4.0/24']" },
	{ "cidrSubnet",
	  "[map(range(0, 5), lambda('i', cidrSubnet('fdad:3236:5555::/48', 52"
	  ", lambdaVariables('i'))))]",
	  "['fdad:3236:5555::/52','fdad:3236:5555:1000::/52','fdad:3236:5555:2000::/52',"
	  "'fdad:3236:5555:3000::/52',"
	  "'fdad:3236:5555:4000::/52']" },
	{ "cidrSubnet", "[cidrSubnet('10.144.0.0/20', 24, 15)]",
	  "'10.144.15.0/24'" },
	{ "cidrSubnet", "[cidrSubnet('10.144.0.0/20', 24, 16)]",
	  "!the range has no such subnet" },
	{ "cidrSubnet", "[cidrSubnet('10.144.0.0/20', 19, 0)]",
	  "!the new prefix is not within the range" },
	{ "cidrHost",
	  "[map(range(0, 5), lambda('i', cidrHost('10.144.3.0/24', lambdaVariables('i'))))]",
	  "['10.144.3.1','10.144.3.2','10.144.3.3','10.144.3.4','10.144.3.5']" },
	{ "cidrHost",
	  "[map(range(0, 5), lambda('i', cidrHost('fdad:3236:5555:3000::/52'"
	  ", lambdaVariables('i'))))]",
	  "['fdad:3236:5555:3000::1','fdad:3236:5555:3000::2','fdad:3236:5555:3000::3',"
	  "'fdad:3236:5555:3000::4',"
	  "'fdad:3236:5555:3000::5']" },
	{ "cidrHost", "[cidrHost('192.168.1.0/24', 253)]", "'192.168.1.254'" },
	{ "cidrHost", "[cidrHost('192.168.1.0/24', 254)]",
	  "!the range has no such host" },
	/* Microsoft's evaluator, as the tests of Bicep have it */
	{ "base64", "[base64(' Fizz ')]", "'IEZpenog'" },
	{ "base64ToString", "[base64ToString('IEZpenog')]", "' Fizz '" },
	{ "dataUri", "[dataUri(' Fizz ')]",
	  "'data:text/plain;charset=utf-8;base64,IEZpenog'" },
	{ "dataUriToString",
	  "[dataUriToString('data:text/plain;charset=utf-8;base64,IEZpenog')]",
	  "' Fizz '" },
	{ "uriComponent", "[uriComponent(' Fizz ')]", "'%20Fizz%20'" },
	{ "uriComponentToString", "[uriComponentToString('%20Fizz%20')]",
	  "' Fizz '" },
	{ "uniqueString", "[uniqueString('snap', 'crackle', 'pop')]",
	  "'byghxckddilkc'" },
	{ "guid", "[guid('foo', 'bar', 'baz')]",
	  "'2ed86837-7c7c-5eaa-9864-dd077fd19b0d'" },
	{ "format", "[format('{0}/{1}/{2}/{3}', 1, 2, 3, true())]",
	  "'1/2/3/True'" },
	{ "padLeft", "[padLeft('00', 5, ' ')]", "'   00'" },
	{ "uri", "[uri('https://github.com/another/repo', '/Azure/bicep')]",
	  "'https://github.com/Azure/bicep'" },
	{ "substring", "[substring('foot', 0, 3)]", "'foo'" },
	{ "take", "[take('foot', 3)]", "'foo'" },
	{ "skip", "[skip('foot', 3)]", "'t'" },
	{ "lastIndexOf", "[lastIndexOf('food', 'o')]", "2" },
	{ "min", "[min(10, 4, 1, 6)]", "1" },
	{ "max", "[max(createArray(10, 4, 1, 6))]", "10" },
	{ "intersection",
	  "[intersection(createArray('fizz','buzz','pop'), createArray('snap','crackle',"
	  "'pop'))]",
	  "['pop']" },
	{ "first", "[first(createArray())]", "null" },
	{ "last", "[last(createArray())]", "null" },
	{ "lastIndexOf",
	  "[lastIndexOf(createArray('fizz','buzz','pop','fizz'), 'fizz')]", "3" },
	{ "join", "[join(createArray('abc', 123, true()), '/')]",
	  "'abc/123/True'" },
	{ "format",
	  "[format('>{0}<>{1}<>{2}<>{3}<', false(), 12948, createObject('a','b','!c',2)"
	  ", createArray(true(),2893,'abc'))]",
	  "'>False<>12948<>{`a`:`b`,`!c`:2}<>[true,2893,`abc`]<'" },
	{ "mapValues",
	  "[mapValues(createObject('a', 123, 'b', 456), lambda('val', mul"
	  "(lambdaVariables('val'), 2)))]",
	  "{'a':246,'b':912}" },
	{ "groupBy",
	  "[groupBy(createArray(createObject('type','a','value',123), createObject('type"
	  "','b','value',456), "
	  "createObject('type','a','value',789)), lambda('arg', lambdaVariables('arg').type))]",
	  "{'a':[{'type':'a','value':123},{'type':'a','value':789}],'b':[{'type':'b',"
	  "'value':456}]}" },
	{ "groupBy",
	  "[groupBy(createArray(createObject('type','a','value',123), createObject('type"
	  "','b','value',456), "
	  "createObject('type','a','value',789)), lambda('arg', lambdaVariables('arg').type), "
	  "lambda('arg', lambdaVariables('arg').value))]",
	  "{'a':[123,789],'b':[456]}" },
	/* nobody publishes what these give: only that there are such */
	{ "buildUri",
	  "[buildUri(createObject('scheme','https','host','example.com','port',8443,"
	  "'path','a/b','query','c=d'))]",
	  "'https://example.com:8443/a/b?c=d'" },
	{ "buildUri", "[buildUri(createObject('scheme','https'))]",
	  "!it needs 'scheme' and 'host'" },
	{ "distinct", "[distinct(createArray(1, 2, 1))]", "[1,2]" },
	{ "indexFromEnd", "[indexFromEnd(createArray(1, 2, 3), 1)]", "3" },
	{ "indexFromEnd", "[indexFromEnd(createArray(1), 2)]", "!out of bounds" },
	{ "tryIndexFromEnd", "[tryIndexFromEnd(createArray(1), 2)]", "null" },
	{ "fail", "[if(true(), 'a', fail('b'))]", "'a'" },
	{ "fail", "[fail('that is wrong')]", "!that is wrong" },
	{ "references", "[references('x')]",
	  "!The resource collection 'x' is not defined" },
	{ "resourceInfo", "[resourceInfo('x')]",
	  "!The resource 'x' is not defined" },
	{ "providers", "[providers('Microsoft.Web', 'sites')]",
	  "{'resourceType':'sites','locations':['South Central US'],'apiVersions':["
	  "'2016-08-01']}" },
	{ "providers", "[providers('Microsoft.Web').namespace]",
	  "'Microsoft.Web'" },
	{ "providers", "[providers('Microsoft.Web', 'farms')]",
	  "!'Microsoft.Web/farms' is not known to the local Azure" },
	{ "providers",
	  "[length(map(range(0, 100), lambda('i', providers('Microsoft.Large'))))]",
	  "!takes more than 67108864 bytes" },
	{ "providers", "[providers('Microsoft.Rare')]",
	  "!provider 'Microsoft.Rare' is not known to the local Azure" },
	{ "managementGroupResourceId",
	  "[managementGroupResourceId('examplemg', "
	  "'Microsoft.Authorization/policyDefinitions', 'locationpolicy')]",
	  "'/providers/Microsoft.Management/managementGroups/examplemg/providers/Microsoft.Authorization/policyDefinitions/locationpolicy'" },
	{ "managementGroupResourceId",
	  "[managementGroupResourceId('Microsoft.Authorization/policyDefinitions', 'x')]",
	  "!'managementGroupResourceId' is not expected at this location" },
	/* strings */
	{ "base64", "[base64('one, two, three')]", "'b25lLCB0d28sIHRocmVl'" },
	{ "base64ToString", "[base64ToString('b25lLCB0d28sIHRocmVl')]",
	  "'one, two, three'" },
	{ "base64ToJson",
	  "[base64ToJson(base64('{''one'': ''a'', ''two'': ''b''}'))]",
	  "{'one':'a','two':'b'}" },
	{ "concat",
	  "[concat(createArray('1-1','1-2','1-3'), createArray('2-1','2-2','2-3'))]",
	  "['1-1','1-2','1-3','2-1','2-2','2-3']" },
	{ "concat", "[concat('prefix', '-', '5yj4yjf5mbg72')]",
	  "'prefix-5yj4yjf5mbg72'" },
	{ "dataUri", "[dataUri('Hello')]",
	  /* the page has utf8; Microsoft's evaluator, below, what .NET says */
	  "'data:text/plain;charset=utf-8;base64,SGVsbG8='" },
	{ "dataUriToString",
	  "[dataUriToString('data:;base64,SGVsbG8sIFdvcmxkIQ==')]",
	  "'Hello, World!'" },
	{ "startsWith", "[startsWith('abcdef', 'ab')]", "true" },
	{ "startsWith", "[startsWith('abcdef', 'A')]", "true" },
	{ "startsWith", "[startsWith('abcdef', 'e')]", "false" },
	{ "endsWith", "[endsWith('abcdef', 'ef')]", "true" },
	{ "endsWith", "[endsWith('abcdef', 'F')]", "true" },
	{ "endsWith", "[endsWith('abcdef', 'e')]", "false" },
	{ "format",
	  "[format('{0}, {1}. Formatted number: {2:N0}', 'Hello', 'User', 8175133)]",
	  "'Hello, User. Formatted number: 8,175,133'" },
	{ "guid", "[length(guid(resourceGroup().id, deployment().name))]", "36" },
	{ "newGuid", "[length(newGuid())]", "36" },
	{ "indexOf", "[indexOf('test', 't')]", "0" },
	{ "lastIndexOf", "[lastIndexOf('test', 't')]", "3" },
	{ "indexOf", "[indexOf('abcdef', 'CD')]", "2" },
	{ "lastIndexOf", "[lastIndexOf('abcdef', 'AB')]", "0" },
	{ "indexOf", "[indexOf('abcdef', 'z')]", "-1" },
	{ "join", "[join(parameters('names'), ',')]", "'one,two,three'" },
	{ "join", "[join(parameters('names'), ';')]", "'one;two;three'" },
	{ "padLeft", "[padLeft('123', 10, '0')]", "'0000000123'" },
	{ "replace", "[replace('123-123-1234','-', '')]", "'1231231234'" },
	{ "replace", "[replace('123-123-1234','1234', 'xxxx')]", "'123-123-xxxx'" },
	{ "split", "[split('one,two,three',',')]", "['one','two','three']" },
	{ "split", "[split('one;two,three',createArray(',', ';'))]",
	  "['one','two','three']" },
	{ "string",
	  "[string(createObject('valueA', 10, 'valueB', 'Example Text'))]",
	  "'{\\'valueA\\':10,\\'valueB\\':\\'Example Text\\'}'" },
	{ "string", "[string(createArray('a','b','c'))]",
	  "'[\\'a\\',\\'b\\',\\'c\\']'" },
	{ "string", "[string(5)]", "'5'" },
	{ "substring", "[substring('one two three', 4, 3)]", "'two'" },
	{ "substring", "[substring('1234567890', 0, 11)]",
	  "!refer to a location within the string" },
	{ "toLower", "[toLower('One Two Three')]", "'one two three'" },
	{ "toUpper", "[toUpper('One Two Three')]", "'ONE TWO THREE'" },
	{ "trim", "[trim('    one two three   ')]", "'one two three'" },
	{ "uniqueString", "[length(uniqueString(resourceGroup().id))]", "13" },
	{ "uri",
	  "[uri('http://contoso.com/resources/', 'nested/azuredeploy.json')]",
	  "'http://contoso.com/resources/nested/azuredeploy.json'" },
	{ "uri", "[uri('http://contoso.org/firstpath', 'myscript.sh')]",
	  "'http://contoso.org/myscript.sh'" },
	{ "uri", "[uri('http://contoso.org/firstpath/', 'myscript.sh')]",
	  "'http://contoso.org/firstpath/myscript.sh'" },
	{ "uri",
	  "[uri('http://contoso.org/firstpath/azuredeploy.json', 'myscript.sh')]",
	  "'http://contoso.org/firstpath/myscript.sh'" },
	{ "uri",
	  "[uri('http://contoso.org/firstpath/azuredeploy.json/', 'myscript.sh')]",
	  "'http://contoso.org/firstpath/azuredeploy.json/myscript.sh'" },
	{ "uriComponent",
	  "[uriComponent('http://contoso.com/resources/nested/azuredeploy.json')]",
	  "'http%3A%2F%2Fcontoso.com%2Fresources%2Fnested%2Fazuredeploy.json'" },
	{ "uriComponentToString",
	  "[uriComponentToString('http%3A%2F%2Fcontoso.com%2Fresources%2Fnested%2Fazuredeploy.json')]",
	  "'http://contoso.com/resources/nested/azuredeploy.json'" },
	/* lists */
	{ "array", "[array(1)]", "[1]" },
	{ "array", "[array('efgh')]", "['efgh']" },
	{ "array", "[array(createObject('a','b','c','d'))]",
	  "[{'a':'b','c':'d'}]" },
	{ "contains", "[contains('OneTwoThree', 'e')]", "true" },
	{ "contains", "[contains('OneTwoThree', 'z')]", "false" },
	{ "contains", "[contains(parameters('abc'), 'one')]", "true" },
	{ "contains", "[contains(parameters('abc'), 'a')]", "false" },
	{ "contains", "[contains(parameters('names'), 'three')]", "true" },
	{ "contains", "[contains(parameters('names'), 'four')]", "false" },
	{ "createArray", "[createArray('a', 'b', 'c')]", "['a','b','c']" },
	{ "createArray", "[createArray(1, 2, 3)]", "[1,2,3]" },
	{ "createArray", "[createArray(parameters('abc'))]",
	  "[{'one':'a','two':'b','three':'c'}]" },
	{ "createArray", "[createArray(parameters('names'))]",
	  "[['one','two','three']]" },
	{ "createArray", "[createArray()]", "[]" },
	{ "empty", "[empty(createArray())]", "true" },
	{ "empty", "[empty(createObject())]", "true" },
	{ "empty", "[empty('')]", "true" },
	{ "first", "[first(parameters('names'))]", "'one'" },
	{ "first", "[first('One Two Three')]", "'O'" },
	{ "last", "[last(parameters('names'))]", "'three'" },
	{ "last", "[last('One Two Three')]", "'e'" },
	{ "flatten",
	  "[flatten(createArray(createArray('one','two'), createArray('three'), createArray('four','five')))]",
	  "['one','two','three','four','five']" },
	{ "lastIndexOf", "[lastIndexOf(parameters('names'), 'two')]", "1" },
	{ "indexOf", "[indexOf(parameters('names'), 'one')]", "0" },
	{ "lastIndexOf", "[lastIndexOf(parameters('names'), 'Three')]", "-1" },
	{ "lastIndexOf", "[lastIndexOf(variables('numbers'), 4)]", "0" },
	{ "indexOf", "[indexOf(variables('numbers'), 6)]", "2" },
	{ "lastIndexOf", "[lastIndexOf(variables('numbers'), '5')]", "-1" },
	{ "indexOf", "[indexOf(variables('collection'), variables('numbers'))]",
	  "1" },
	{ "indexOf", "[indexOf(variables('duplicates'), 1)]", "0" },
	{ "lastIndexOf", "[lastIndexOf(variables('duplicates'), 1)]", "3" },
	{ "intersection",
	  "[intersection(parameters('abc'), createObject('one','a','two','z','three','c'))]",
	  "{'one':'a','three':'c'}" },
	{ "intersection",
	  "[intersection(parameters('names'), createArray('two','three'))]",
	  "['two','three']" },
	{ "intersection",
	  "[intersection(createArray(1,2,3,4), createArray(3,2,1), createArray(4,1,3,2))]",
	  "[1,2,3]" },
	{ "intersection",
	  "[intersection(createArray(3,2,1), createArray(4,1,3,2), createArray(1,2,3,4))]",
	  "[3,2,1]" },
	{ "length", "[length(parameters('names'))]", "3" },
	{ "length", "[length('One Two Three')]", "13" },
	{ "length", "[length(parameters('four'))]", "4" },
	{ "max", "[max(createArray(0,3,2,5,4))]", "5" },
	{ "max", "[max(0,3,2,5,4)]", "5" },
	{ "min", "[min(createArray(0,3,2,5,4))]", "0" },
	{ "min", "[min(0,3,2,5,4)]", "0" },
	{ "range", "[range(5,3)]", "[5,6,7]" },
	{ "skip", "[skip(parameters('names'),2)]", "['three']" },
	{ "skip", "[skip('one two three',4)]", "'two three'" },
	{ "take", "[take(parameters('names'),2)]", "['one','two']" },
	{ "take", "[take('one two three',2)]", "'on'" },
	{ "union", "[union(variables('first'), variables('second'))]",
	  "{'one':'a','two':'b','three':'c2','four':'d','five':'e'}" },
	{ "union",
	  "[union(parameters('names'), createArray('three','four','two'))]",
	  "['one','two','three','four']" },
	{ "union", "[union(variables('deep1'), variables('deep2'))]",
	  "{'property':{'one':'a','two':'b','three':'c2','four':'d','five':'e'},'nestedArray':[3,4]}" },
	{ "union",
	  "[union(createArray(createArray('one','two'), createArray('three')), createArray(createArray('three'), createArray('four','two')))]",
	  "[['one','two'],['three'],['four','two']]" },
	/* objects */
	{ "createObject",
	  "[createObject('intProp', 1, 'stringProp', 'abc', 'boolProp', true(), 'arrayProp', createArray('a','b','c'), "
	  "'objectProp', createObject('key1', 'value1'))]",
	  "{'intProp':1,'stringProp':'abc','boolProp':true,'arrayProp':['a','b','c'],'objectProp':{'key1':'value1'}}" },
	{ "items", "[items(variables('entities'))]",
	  "[{'key':'item001','value':{'enabled':true,'displayName':'Example item 1','number':300}},"
	  "{'key':'item002','value':{'enabled':false,'displayName':'Example item 2','number':200}}]" },
	{ "items", "[variables('modifiedListOfEntities')]",
	  "[{'key':'item001','fullName':'Example item 1','itemEnabled':true},{'key':'item002','fullName':'Example item 2','itemEnabled':false}]" },
	{ "json", "[empty(json('null'))]", "true" },
	{ "json", "[json('{\"a\": \"b\"}')]", "{'a':'b'}" },
	{ "json", "[json('\"test\"')]", "'test'" },
	{ "json", "[json('true')]", "true" },
	{ "json", "[json('3')]", "3" },
	{ "json", "[json(parameters('jsonArray'))]", "[1,2,3]" },
	{ "json", "[json(concat('{\"a\": \"', 'demo value', '\"}'))]",
	  "{'a':'demo value'}" },
	/* the page of the other language has these with single quotes */
	{ "json", "[json('{''a'': ''b''}')]", "{'a':'b'}" },
	{ "json", "[json('''test''')]", "'test'" },
	{ "null", "[empty(null())]", "true" },
	{ "objectKeys", "[objectKeys(createObject('a', 1, 'b', 2))]", "['a','b']" },
	{ "shallowMerge", "[shallowMerge(variables('merge1'))]",
	  "{'one':'a','two':'c'}" },
	{ "shallowMerge", "[shallowMerge(variables('merge2'))]",
	  "{'one':'a','nested':{'b':2},'two':'b'}" },
	{ "tryGet", "[tryGet(variables('users'), 'region')]", "null" },
	{ "tryGet", "[tryGet(variables('users'), 'name')]", "'John Doe'" },
	{ "tryGet", "[tryGet(variables('colors'), 0)]", "'red'" },
	/* lambdas */
	{ "filter",
	  "[filter(variables('dogs'), lambda('dog', greaterOrEquals(lambdaVariables('dog').age, 5)))]",
	  "[" EVIE "," KIRA "]" },
	{ "filter",
	  "[filter(variables('itemForLoop'), lambda('i', greater(lambdaVariables('i'), 5)))]",
	  "[6,7,8,9]" },
	{ "filter",
	  "[filter(range(0, 10), lambda('i', equals(0, mod(lambdaVariables('i'), 2))))]",
	  "[0,2,4,6,8]" },
	{ "lambdaVariables",
	  "[map(variables('dogs'), lambda('dog', lambdaVariables('dog').name))]",
	  "['Evie','Casper','Indy','Kira']" },
	{ "lambda",
	  "[map(variables('dogs'), lambda('dog', format('Hello {0}!', lambdaVariables('dog').name)))]",
	  "['Hello Evie!','Hello Casper!','Hello Indy!','Hello Kira!']" },
	{ "map",
	  "[map(range(0, length(variables('dogs'))), lambda('i', createObject('i', lambdaVariables('i'), 'dog', "
	  "variables('dogs')[lambdaVariables('i')].name, 'greeting', format('Ahoy, {0}!', variables('dogs')[lambdaVariables('i')].name))))]",
	  "[{'i':0,'dog':'Evie','greeting':'Ahoy, Evie!'},{'i':1,'dog':'Casper','greeting':'Ahoy, Casper!'},"
	  "{'i':2,'dog':'Indy','greeting':'Ahoy, Indy!'},{'i':3,'dog':'Kira','greeting':'Ahoy, Kira!'}]" },
	{ "reduce",
	  "[reduce(variables('ages'), 0, lambda('cur', 'next', add(lambdaVariables('cur'), lambdaVariables('next'))))]",
	  "18" },
	{ "reduce",
	  "[reduce(variables('ages'), 1, lambda('cur', 'next', add(lambdaVariables('cur'), lambdaVariables('next'))))]",
	  "19" },
	{ "reduce",
	  "[reduce(createArray(createObject('foo', 123), createObject('bar', 456), createObject('baz', 789)), createObject(), "
	  "lambda('cur', 'next', union(lambdaVariables('cur'), lambdaVariables('next'))))]",
	  "{'foo':123,'bar':456,'baz':789}" },
	{ "sort",
	  "[sort(variables('dogs'), lambda('a', 'b', less(lambdaVariables('a').age, lambdaVariables('b').age)))]",
	  "[" INDY "," CASPER "," EVIE "," KIRA "]" },
	{ "toObject",
	  "[toObject(variables('dogs'), lambda('entry', lambdaVariables('entry').name))]",
	  "{'Evie':" EVIE ",'Casper':" CASPER ",'Indy':" INDY ",'Kira':" KIRA
	  "}" },
	{ "toObject",
	  "[toObject(variables('dogs'), lambda('entry', lambdaVariables('entry').name), lambda('entry', lambdaVariables('entry')))]",
	  "{'Evie':" EVIE ",'Casper':" CASPER ",'Indy':" INDY ",'Kira':" KIRA
	  "}" },
	/* numbers */
	{ "add", "[add(5,3)]", "8" },
	{ "div", "[div(8,3)]", "2" },
	{ "int", "[int('4')]", "4" },
	{ "mod", "[mod(7,3)]", "1" },
	{ "mul", "[mul(5,3)]", "15" },
	{ "sub", "[sub(7,3)]", "4" },
	{ "float", "[float('3.0')]", "3" },
	{ "float", "[float(3)]", "3" },
	{ "copyIndex", "[variables('itemForLoop')]", "[0,1,2,3,4,5,6,7,8,9]" },
	/* comparison */
	{ "coalesce",
	  "[coalesce(parameters('nulls').null1, parameters('nulls').null2, parameters('nulls').string)]",
	  "'default'" },
	{ "coalesce",
	  "[coalesce(parameters('nulls').null1, parameters('nulls').null2, parameters('nulls').int)]",
	  "1" },
	{ "coalesce",
	  "[coalesce(parameters('nulls').null1, parameters('nulls').null2, parameters('nulls').object)]",
	  "{'first':'default'}" },
	{ "coalesce",
	  "[coalesce(parameters('nulls').null1, parameters('nulls').null2, parameters('nulls').array)]",
	  "[1]" },
	{ "coalesce",
	  "[empty(coalesce(parameters('nulls').null1, parameters('nulls').null2))]",
	  "true" },
	{ "equals", "[equals(1, 1)]", "true" },
	{ "equals", "[equals('a', 'a')]", "true" },
	{ "equals", "[equals(createArray('a','b'), createArray('a','b'))]",
	  "true" },
	{ "equals", "[equals(createObject('a','b'), createObject('a','b'))]",
	  "true" },
	{ "not", "[not(equals(1, 2))]", "true" },
	{ "greater", "[greater(1, 2)]", "false" },
	{ "greater", "[greater('A', 'a')]", "true" },
	{ "greaterOrEquals", "[greaterOrEquals(1, 2)]", "false" },
	{ "greaterOrEquals", "[greaterOrEquals('A', 'a')]", "true" },
	{ "less", "[less(1, 2)]", "true" },
	{ "less", "[less('A', 'a')]", "false" },
	{ "lessOrEquals", "[lessOrEquals(1, 2)]", "true" },
	{ "lessOrEquals", "[lessOrEquals('A', 'a')]", "false" },
	/* logic */
	{ "and", "[and(bool('true'), bool('false'))]", "false" },
	{ "or", "[or(bool('true'), bool('false'))]", "true" },
	{ "not", "[not(bool('true'))]", "false" },
	{ "bool", "[bool('true')]", "true" },
	{ "bool", "[bool('false')]", "false" },
	{ "bool", "[bool(1)]", "true" },
	{ "bool", "[bool(0)]", "false" },
	{ "true", "[true()]", "true" },
	{ "false", "[false()]", "false" },
	{ "if", "[if(equals('a', 'a'), 'yes', 'no')]", "'yes'" },
	{ "if", "[if(equals('a', 'b'), 'yes', 'no')]", "'no'" },
	{ "if",
	  "[if(equals('a', 'a'), json('{\"test\": \"value1\"}'), json('null'))]",
	  "{'test':'value1'}" },
	/* dates; the scope's now is that of the sample */
	{ "dateTimeAdd", "[dateTimeAdd('2020-04-07 14:53:14Z', 'P3Y')]",
	  "'4/7/2023 2:53:14 PM'" },
	{ "dateTimeAdd", "[dateTimeAdd('2020-04-07 14:53:14Z', '-P9D')]",
	  "'3/29/2020 2:53:14 PM'" },
	{ "dateTimeAdd", "[dateTimeAdd('2020-04-07 14:53:14Z', 'PT1H')]",
	  "'4/7/2020 3:53:14 PM'" },
	{ "dateTimeAdd",
	  "[dateTimeAdd('2023-01-01 00:00:00Z', 'P1Y', 'yyyy-MM-ddTHH:mm:ssZ')]",
	  "'2024-01-01T00:00:00Z'" },
	{ "dateTimeAdd",
	  "[dateTimeAdd('2024-01-01 00:00:00Z', 'P1Y', 'yyyy-MM-ddTHH:mm:ssZ')]",
	  "'2024-12-31T00:00:00Z'" },
	{ "dateTimeAdd",
	  "[dateTimeAdd('2023-02-01 00:00:00Z', 'P1M', 'yyyy-MM-ddTHH:mm:ssZ')]",
	  "'2023-03-03T00:00:00Z'" },
	{ "dateTimeAdd",
	  "[dateTimeAdd('2024-02-01 00:00:00Z', 'P1M', 'yyyy-MM-ddTHH:mm:ssZ')]",
	  "'2024-03-02T00:00:00Z'" },
	{ "dateTimeFromEpoch", "[dateTimeFromEpoch(1683040573)]",
	  "'2023-05-02T15:16:13Z'" },
	{ "dateTimeToEpoch", "[dateTimeToEpoch('2023-05-02T15:16:13Z')]",
	  "1683040573" },
	{ "utcNow", "[utcNow()]", "'20190305T175318Z'" },
	{ "utcNow", "[utcNow('d')]", "'03/05/2019'" },
	{ "utcNow", "[utcNow('M d')]", "'3 5'" },
	/* the deployment */
	{ "deployment", "[deployment().name]", "'deployment'" },
	{ "deployment", "[deployment().properties.mode]", "'Incremental'" },
	{ "deployment", "[deployment().properties.provisioningState]",
	  "'Accepted'" },
	{ "deployment", "[deployment().properties.templateHash]",
	  "'13135986259522608210'" },
	{ "deployment", "[deployment().properties.parameters]", "{}" },
	{ "deployment", "[deployment().properties.template.contentVersion]",
	  "'1.0.0.0'" },
	{ "deployment", "[objectKeys(deployment().properties)]",
	  "['template','templateHash','parameters','mode','provisioningState']" },
	{ "environment", "[environment().suffixes.storage]", "'core.windows.net'" },
	{ "parameters", "[parameters('stringParameter')]", "'option 1'" },
	{ "parameters", "[parameters('intParameter')]", "1" },
	{ "parameters", "[parameters('objectParameter')]",
	  "{'one':'a','two':'b'}" },
	{ "parameters", "[parameters('arrayParameter')]", "[1,2,3]" },
	{ "parameters", "[parameters('crossParameter')]", "'option 1'" },
	{ "variables", "[variables('var1')]", "'myVariable'" },
	{ "variables", "[variables('var2')]", "[1,2,3,4]" },
	{ "variables", "[variables('var3')]", "'myVariable'" },
	{ "variables", "[variables('var4')]",
	  "{'property1':'value1','property2':'value2'}" },
	{ "resourceGroup", "[resourceGroup()]",
	  "{'id':'" GROUP
	  "','name':'examplegroup','type':'Microsoft.Resources/resourceGroups',"
	  "'location':'southcentralus','properties':{'provisioningState':'Succeeded'}}" },
	{ "subscription", "[objectKeys(subscription())]",
	  "['id','subscriptionId','tenantId','displayName']" },
	{ "subscription", "[subscription().id]",
	  "'/subscriptions/11111111-2222-3333-4444-555555555555'" },
	{ "tenant", "[objectKeys(tenant())]",
	  "['countryCode','displayName','id','tenantId']" },
	{ "tenant", "[tenant().id]", "'/tenants/" TENANT "'" },
	/* resources */
	{ "resourceId",
	  "[resourceId('Microsoft.Storage/storageAccounts','examplestorage')]",
	  "'" GROUP
	  "/providers/Microsoft.Storage/storageAccounts/examplestorage'" },
	{ "resourceId",
	  "[resourceId('otherResourceGroup', 'Microsoft.Storage/storageAccounts','examplestorage')]",
	  "'/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/otherResourceGroup/providers/"
	  "Microsoft.Storage/storageAccounts/examplestorage'" },
	{ "resourceId",
	  "[resourceId('11111111-1111-1111-1111-111111111111', 'otherResourceGroup', 'Microsoft.Storage/storageAccounts','examplestorage')]",
	  "'/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/otherResourceGroup/providers/"
	  "Microsoft.Storage/storageAccounts/examplestorage'" },
	{ "resourceId",
	  "[resourceId('Microsoft.SQL/servers/databases', 'serverName', 'databaseName')]",
	  "'" GROUP
	  "/providers/Microsoft.SQL/servers/serverName/databases/databaseName'" },
	{ "subscriptionResourceId",
	  "[subscriptionResourceId('Microsoft.Authorization/roleDefinitions', 'b24988ac-6180-42a0-ab88-20f7382dd24c')]",
	  "'/subscriptions/11111111-2222-3333-4444-555555555555/providers/Microsoft.Authorization/roleDefinitions/"
	  "b24988ac-6180-42a0-ab88-20f7382dd24c'" },
	{ "tenantResourceId",
	  "[tenantResourceId('Microsoft.Authorization/policyDefinitions', 'p')]",
	  "'/providers/Microsoft.Authorization/policyDefinitions/p'" },
	{ "extensionResourceId",
	  "[extensionResourceId(resourceGroup().id, 'Microsoft.Authorization/locks', 'l')]",
	  "'" GROUP "/providers/Microsoft.Authorization/locks/l'" },
	{ "pickZones",
	  "[pickZones('Microsoft.Compute', 'virtualMachines', 'westus2')]",
	  "['1']" },
	{ "pickZones",
	  "[pickZones('Microsoft.Compute', 'virtualMachines', 'westus2', 3)]",
	  "['1','2','3']" },
	{ "pickZones",
	  "[pickZones('Microsoft.Compute', 'virtualMachines', 'westus')]", "[]" },
	{ "pickZones", "[pickZones('Microsoft.Cdn', 'profiles', 'westus2')]",
	  "[]" },
	{ "reference",
	  "[reference(resourceId('Microsoft.Storage/storageAccounts','examplestorage'), '2021-04-01').primaryEndpoints.blob]",
	  "'https://examplestorage.blob.core.windows.net/'" },
	{ "reference",
	  "[reference(resourceId('Microsoft.Storage/storageAccounts','examplestorage'), '2021-04-01', 'Full').location]",
	  "'southcentralus'" },
	{ "listKeys",
	  "[listKeys(resourceId('Microsoft.Storage/storageAccounts', 'examplestorage'), '2019-06-01').keys[0].value]",
	  "'{value}'" },
};

/* Documented, and not here: a template that uses one hears its name. */
static const char *const refused[] = {
	"getSecret",	   "like",	     "parseUri",
	"deployer",	   "externalInput",  "managementGroup",
	"toLogicalZone",   "toLogicalZones", "toPhysicalZone",
	"toPhysicalZones",
};

static void every_function(const struct func *f)
{
	char name[80];
	size_t i;

	for (; f->name != NULL; f++) {
		for (i = 0; i < sizeof(rows) / sizeof(rows[0]) &&
			    strcmp(rows[i].function, f->name) != 0;
		     i++)
			;
		snprintf(name, sizeof(name), "there is a row for %s", f->name);
		check(i < sizeof(rows) / sizeof(rows[0]), name, "there is none");
	}
}

static void expression(struct template *t, const char *text, const char *want)
{
	struct err e = ERR_INIT;
	struct buf b = BUF_INIT(1 << 16);
	cJSON *v = template_expression(t, text, &e), *wanted;
	char name[140];

	snprintf(name, sizeof(name), "%.120s", text);
	if (v != NULL)
		json_print(v, &b);
	else
		buf_adds(&b, e.msg);
	if (want[0] == '!') {
		check(v == NULL && strstr(e.msg, want + 1) != NULL, name, b.str);
	} else {
		/* the order of members means nothing, that of keys in a list does */
		wanted = json(want);
		check(v != NULL && cJSON_Compare(v, wanted, true), name, b.str);
		json_free(wanted);
	}
	json_free(v);
	buf_release(&b);
}

int main(void)
{
	cJSON *group = json(
		"{'id':'" GROUP
		"','name':'examplegroup','type':'Microsoft.Resources/resourceGroups',"
		"'location':'southcentralus','properties':{'provisioningState':'Succeeded'}}");
	cJSON *environment = json("{'suffixes':{'storage':'core.windows.net'}}"),
	      *doc;
	struct template_scope scope = {
		.subscription_id = "11111111-2222-3333-4444-555555555555",
		.tenant_id = TENANT,
		.group_name = "examplegroup",
		.group = group,
		.environment = environment,
		.deployment_name = "deployment",
		.now = 1551808398,
		.reference = storage,
		.list = keys,
		.provider = provider,
		.template_hash = "13135986259522608210",
	};
	struct err e = ERR_INIT;
	struct template *t;
	char text[60], want[100];

	json_init();
	doc = json(world);
	t = template_open(doc, NULL, &scope, &e);
	check(t != NULL, "the samples' world", e.msg);
	for (size_t i = 0; t != NULL && i < sizeof(rows) / sizeof(rows[0]); i++) {
		check(func_find(str_of(rows[i].function)) != NULL ||
			      strcmp(rows[i].function, "if") == 0 ||
			      strcmp(rows[i].function, "lambda") == 0,
		      rows[i].function, "no such function");
		expression(t, rows[i].text, rows[i].want);
	}
	for (size_t i = 0;
	     t != NULL && i < sizeof(refused) / sizeof(refused[0]); i++) {
		snprintf(text, sizeof(text), "[%s('a')]", refused[i]);
		snprintf(want, sizeof(want),
			 "!template function '%s' is not known to the local Azure",
			 refused[i]);
		expression(t, text, want);
	}
	for (size_t i = 0; func_tables[i] != NULL; i++)
		every_function(func_tables[i]);
	template_free(t);
	json_free(doc);
	json_free(group);
	json_free(environment);
	return check_failed();
}
