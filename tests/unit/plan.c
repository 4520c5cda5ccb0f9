/*
 * What-if answers, as rows: those recorded on Azure and the one in Microsoft's
 * description (beside the repository, ../shared/azure), and answers that are
 * noisy, secretive, or not what they should be.
 */
#define ARM_HOST "management.azure.com"
#include "swarm/plan.h"
#include "swarm/swarm.h"
#define DOUBLE_COMMANDS
#include "base/file.h"
#include "tests/armdouble.h"
#include "tests/check.h"

#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define SHARED "../shared/azure/" /* beside the sources */
#define RECORDED SHARED "recordings/azd_whatif_2026.json"
#define USAGES SHARED "recordings/java_compute_usages.json"
#define EXAMPLE \
	SHARED "specs/swagger/resources/resource-manager/Microsoft.Resources/stable/2021-04-01/" \
	       "examples/PostDeploymentWhatIfOnResourceGroup.json"
#define SUB "/subscriptions/S"
#define WORK ARM SUB "/operationresults/1?api-version=2021-04-01"
#define WHAT_IF \
	"POST " SUB \
	"/resourcegroups/swarm-cluster/providers/Microsoft.Resources/deployments/" \
	"cli-eastus/whatIf?api-version=2021-04-01"
#define ID SUB "/resourceGroups/g/providers/"
#define SKUS \
	"GET " SUB \
	"/providers/Microsoft.Compute/skus?api-version=2021-07-01&$filter=location%20eq%20'eastus'"
#define USED \
	"GET " SUB \
	"/providers/Microsoft.Compute/locations/eastus/usages?api-version=2024-07-01"

static cJSON *parse(const char *text)
{
	struct err e = ERR_INIT;
	cJSON *doc = json_parse(str_of(text), "test", &e);

	if (doc == NULL) {
		check_give_up("text of the test", "%s", e.msg);
	}
	return doc;
}

static cJSON *parse_file(const char *path)
{
	const char *src = getenv("SRCDIR");
	char *full = xasprintf("%s/%s", src != NULL ? src : ".", path);
	struct buf b = BUF_INIT(16u << 20);
	struct err e = ERR_INIT;
	cJSON *doc = file_read(full, &b, &e) == 0 ? parse(b.str) : NULL;

	free(full);
	buf_release(&b);
	return doc;
}

/* ---- one what-if, played and printed ----------------------------------------- */

/* Of the deployment: what the template says decides what is noise. */
#define PROPERTIES \
	"{'mode':'Incremental','template':{'parameters':{'s':{'type':'secureString'}," \
	"'o':{'type':'secureObject'},'n':{'type':'string'}},'variables':{'profile':{'securityType':1}}," \
	"'resources':[{'type':'Microsoft.Network/virtualNetworks','name':'v','properties':{'subnets':[]," \
	"'addressSpace':{'addressPrefixes':[]}}},{'type':'Microsoft.Network/publicIPAddresses','name':'p'," \
	"'zones':['1']},{'type':'Microsoft.Compute/virtualMachines','name':'m','properties':{'a':1,'p':'[variables(profile)]'," \
	"'disks':[{'name':'d'},{'managed':{'size':3}}]}}]}," \
	"'parameters':{'s':{'value':'correct-horse'},'o':{'value':{'a':['battery-staple']}}," \
	"'n':{'value':'plain-text'}}}"

static char *quoted(const char *text) /* ' for " */
{
	char *s = xstrdup(text);

	for (char *c = s; *c != '\0'; c++)
		if (*c == '\'')
			*c = '"';
	return s;
}

struct shown {
	char *out;
	bool pending;
	struct err e, refused;
};

static void show(const struct act *acts, enum ui_format format, bool color,
		 const char *properties, bool checks, struct shown *shown,
		 struct buf *why)
{
	struct settings set;
	struct ui ui = { .format = format, .color_out = color };
	struct session s = { .set = &set, .ui = &ui };
	char *text = quoted(properties);
	cJSON *props = parse(text), *body = cJSON_CreateObject(), *changes;
	struct azure_reply r = { 0 };
	struct plan p;
	size_t n;
	struct rig g;

	*shown = (struct shown){ .e = ERR_INIT };
	ui.out = ui.err = open_memstream(&shown->out, &n);
	settings_init(&set);
	json_set(body, "properties", props);
	rig_open(&g, acts, NULL);
	s.az = g.az;
	plan_init(&p);
	if (plan_what_if(&s, body, &r, &shown->e) == 0) {
		changes = json_get_mut(json_get_mut(r.doc, "properties"),
				       "changes");
		plan_changes(&p, changes, props);
		if (!checks || plan_checks(&p, &s, changes, &shown->e) == 0)
			plan_print(&p, &ui, &shown->e);
		shown->pending = plan_pending(&p);
	}
	shown->refused = p.refused;
	plan_release(&p);
	azure_reply_release(&r);
	g.az = s.az;
	fclose(ui.out);
	double_content(&g.d, why);
	rig_close(&g);
	settings_release(&set);
	json_burn(body);
	free(text);
}

/* What was printed is this, whole. */
static void expect(const char *name, const struct act *acts, bool pending,
		   const char *want)
{
	struct buf why = BUF_INIT(1u << 20);
	struct shown shown;

	show(acts, UI_TABLE, false, PROPERTIES, false, &shown, &why);
	if (why.n == 0 && shown.e.kind != ERR_NONE)
		buf_addf(&why, "%s", shown.e.msg);
	else if (why.n == 0 && strcmp(shown.out, want) != 0)
		buf_addf(&why, "printed \"%s\"", shown.out);
	else if (why.n == 0 && shown.pending != pending)
		buf_addf(&why, "%spending", pending ? "not " : "");
	check_why(name, why.str);
	free(shown.out);
	buf_release(&why);
}

/* ---- recorded on Azure --------------------------------------------------------- */

/* The nth POST whatIf of the recording, and the poll behind it: their own fields and bytes. */
static void recorded(const cJSON *doc, int nth, const char *name, bool pending,
		     const char *want)
{
	const cJSON *x, *post = NULL, *poll = NULL;
	char *fields, *get;

	cJSON_ArrayForEach(x, json_get(doc, "exchanges")) {
		if (poll == NULL && post != NULL)
			poll = x;
		if (strstr(json_str_opt(x, "url", ""), "/whatIf?") != NULL &&
		    nth-- == 0)
			post = x;
	}
	if (poll == NULL) {
		check_why(name, "is not in the recording");
		return;
	}
	fields = xasprintf("Location: %s\r\nRetry-After: %s\r\n",
			   json_str_opt(post, "response_headers.Location", ""),
			   json_str_opt(post, "response_headers.Retry-After", ""));
	get = xasprintf("GET %s", json_str_opt(poll, "url", ""));
	expect(name,
	       (struct act[]){
		       { WHAT_IF, (unsigned)json_int_opt(post, "status", 0), fields,
			 .words = "\"whatIfSettings\":{\"resultFormat\":\"FullResourcePayloads\"}|\"mode\":\"Incremental\"" },
		       { get, (unsigned)json_int_opt(poll, "status", 0), NULL,
			 json_str_opt(poll, "response_body", NULL) },
		       { NULL } },
	       pending, want);
	free(fields);
	free(get);
}

static void recordings(void)
{
	cJSON *doc = parse_file(RECORDED);
	struct buf text = BUF_INIT(1u << 20);

	if (doc == NULL) {
		check_skip("recorded", "no " RECORDED);
	} else {
		recorded(doc, 0, "recorded: everything is new", true,
			 "+ Microsoft.Resources/resourceGroups rg-azdtest-d8523ca\n"
			 "+ Microsoft.Storage/storageAccounts stbcsg4z42wdpnk\n");
		recorded(doc, 1, "recorded: one change, one not", true,
			 "~ Microsoft.Resources/resourceGroups rg-azdtest-d8523ca\n"
			 "    ~ tags.DeleteAfter: \"2026-04-09T18:27:06Z\" -> \"[dateTimeAdd(utcNow('o'), 'PT1H')]\"\n"
			 "    + tags.SecureTag: \"[parameters('secureValue')]\"\n"
			 "= Microsoft.Storage/storageAccounts stbcsg4z42wdpnk\n");
	}
	json_free(doc);
	doc = parse_file(EXAMPLE);
	if (doc == NULL) {
		check_skip("described", "no " EXAMPLE);
		return;
	}
	json_print(json_at(doc, "responses.200.body"), &text);
	expect("described: a tag and an identity",
	       (struct act[]){ { WHAT_IF, 200, NULL, text.str }, { NULL } }, true,
	       "~ Microsoft.ManagedIdentity/userAssignedIdentities myExistingIdentity\n"
	       "    + tags.myNewTag: \"my tag value\"\n"
	       "+ Microsoft.ManagedIdentity/userAssignedIdentities myNewIdentity\n");
	buf_release(&text);
	json_free(doc);
}

/* ---- noise, secrets, nonsense ---------------------------------------------------- */

#define X50 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X398 \
	X50 X50 X50 X50 X50 X50 X50 \
		"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
static const struct {
	const char *name, *changes; /* ' for " */
	bool pending;
	const char *out;
} rows[] = {
	{ "every kind of change",
	  "{'resourceId':'" ID "A.B/c/1','changeType':'Create'},{'resourceId':'" ID
	  "A.B/c/2','changeType':'Delete'},"
	  "{'resourceId':'" ID "A.B/c/3','changeType':'Deploy'},{'resourceId':'" ID
	  "A.B/c/4','changeType':'NoChange'},"
	  "{'resourceId':'" ID "A.B/c/5','changeType':'Ignore'},{'resourceId':'" ID
	  "A.B/c/6','changeType':"
	  "'Unsupported','unsupportedReason':'nobody knows'},{'resourceId':'" ID
	  "A.B/c/7','changeType':'Modify'}",
	  true,
	  "+ A.B/c 1\n- A.B/c 2\n! A.B/c 3\n= A.B/c 4\n* A.B/c 5  (not in the template, stays as it is)\n"
	  "x A.B/c 6  (nobody knows)\n~ A.B/c 7\n" },
	{ "nothing changes",
	  "{'resourceId':'" ID "A.B/c/1','changeType':'NoChange','delta':[]},"
	  "{'resourceId':'" ID "A.B/c/5','changeType':'Ignore'}",
	  false, "= A.B/c 1\n* A.B/c 5  (not in the template, stays as it is)\n" },
	{ "ResourceIdOnly may change anything",
	  "{'resourceId':'" ID "A.B/c/1','changeType':'Deploy'}", true,
	  "! A.B/c 1\n" },
	{ "a kind that is not known yet is pending",
	  "{'resourceId':'" ID "A.B/c/1','changeType':'Transmute'}", true,
	  "x A.B/c 1\n" },
	{ "a resource of a resource, an extension, a group",
	  "{'resourceId':'" ID "A.B/c/1/d/2','changeType':'Create'},"
	  "{'resourceId':'" ID "A.B/c/1/providers/E.F/g/3','changeType':'Create'},"
	  "{'resourceId':'" SUB "/resourceGroups/g','changeType':'Create'}",
	  true,
	  "+ A.B/c/d 1/2\n+ E.F/g 3\n+ Microsoft.Resources/resourceGroups g\n" },
	{ "arrays and their items",
	  "{'resourceId':'" ID
	  "Microsoft.Network/virtualNetworks/v','changeType':'Modify','delta':["
	  "{'path':'properties.addressSpace.addressPrefixes','propertyChangeType':'Array','children':["
	  "{'path':'0','propertyChangeType':'Delete','before':'10.0.0.0/16'},"
	  "{'path':'0','propertyChangeType':'Create','after':'10.0.0.0/15'}]},"
	  "{'path':'properties.subnets','propertyChangeType':'Array','children':[{'path':'1','propertyChangeType':"
	  "'Modify','children':[{'path':'properties.addressPrefix','propertyChangeType':'Modify','before':1,"
	  "'after':[true,null]}]},{'path':'2','propertyChangeType':'Delete','before':{'name':'x'}}]}]}",
	  true,
	  "~ Microsoft.Network/virtualNetworks v\n"
	  "    - properties.addressSpace.addressPrefixes[0]: \"10.0.0.0/16\"\n"
	  "    + properties.addressSpace.addressPrefixes[0]: \"10.0.0.0/15\"\n"
	  "    ~ properties.subnets[1].properties.addressPrefix: 1 -> [true,null]\n"
	  "    - properties.subnets[2]: {\"name\":\"x\"}\n" },
	{ "what only Azure sets is no change",
	  "{'resourceId':'" ID
	  "Microsoft.Network/virtualNetworks/v','changeType':'Modify','delta':["
	  "{'path':'zones','propertyChangeType':'Delete','before':['1'],'after':null,'children':null},"
	  "{'path':'properties.subnet','propertyChangeType':'Delete','before':0},"
	  "{'path':'properties.peerings[3]','propertyChangeType':'Delete','before':0},"
	  "{'path':'properties.subnets','propertyChangeType':'Array','children':[{'path':'0','propertyChangeType':"
	  "'Modify','children':[{'path':'properties.delegations','propertyChangeType':'Delete','before':[]}]}]},"
	  "{'path':'properties.enableX','propertyChangeType':'NoEffect','before':true,'after':false}]}",
	  false,
	  "= Microsoft.Network/virtualNetworks v\n"
	  "    * zones: [\"1\"]  (set by Azure itself)\n"
	  "    * properties.subnet: 0  (set by Azure itself)\n"
	  "    * properties.peerings[3]: 0  (set by Azure itself)\n"
	  "    * properties.subnets[0].properties.delegations: []  (set by Azure itself)\n"
	  "    * properties.enableX: true -> false  (has no effect)\n" },
	{ "what the template can say of that kind is one",
	  "{'resourceId':'" ID
	  "Microsoft.Network/publicIPAddresses/p','changeType':'Modify','delta':["
	  "{'path':'zones','propertyChangeType':'Delete','before':['1']}]},"
	  "{'resourceId':'" ID
	  "microsoft.compute/virtualmachines/m','changeType':'Modify','delta':["
	  "{'path':'properties.a','propertyChangeType':'Delete','before':1},"
	  "{'path':'properties.p.securityType','propertyChangeType':'Delete','before':2},"
	  "{'path':'properties.p','propertyChangeType':'Delete','before':{}},"
	  "{'path':'properties.p.patchSettings','propertyChangeType':'Delete','before':5},"
	  "{'path':'properties.p.list[0]','propertyChangeType':'Delete','before':6},"
	  "{'path':'properties.disks[3].managed.size','propertyChangeType':'Delete','before':7},"
	  "{'path':'properties.disks[3].managed.name','propertyChangeType':'Delete','before':8},"
	  "{'path':'properties.disks[3].a','propertyChangeType':'Delete','before':9},"
	  "{'path':'properties.disks[3]','propertyChangeType':'Delete','before':10},"
	  "{'path':'properties.b','propertyChangeType':'Modify','before':3,'after':4},"
	  "{'path':'tags.cost','propertyChangeType':'Delete','before':'42'}]}",
	  true,
	  "~ Microsoft.Network/publicIPAddresses p\n    - zones: [\"1\"]\n"
	  "~ microsoft.compute/virtualmachines m\n    - properties.a: 1\n    - properties.p.securityType: 2\n"
	  "    - properties.p: {}\n    * properties.p.patchSettings: 5  (set by Azure itself)\n"
	  "    * properties.p.list[0]: 6  (set by Azure itself)\n    - properties.disks[3].managed.size: 7\n"
	  "    * properties.disks[3].managed.name: 8  (set by Azure itself)\n"
	  "    * properties.disks[3].a: 9  (set by Azure itself)\n    - properties.disks[3]: 10\n"
	  "    ~ properties.b: 3 -> 4\n    - tags.cost: \"42\"\n" },
	{ "what Azure never tells is no change",
	  "{'resourceId':'" ID
	  "A.B/c/1','changeType':'Modify','delta':[{'path':'properties.osProfile.customData',"
	  "'propertyChangeType':'Create','after':'[parameters(s)]'}]}",
	  false,
	  "= A.B/c 1\n    * properties.osProfile.customData: \"(hidden)\"  (Azure does not tell what it is now)\n" },
	{ "secrets by name, by form, and those we know",
	  "{'resourceId':'" ID "A.B/c/1','changeType':'Modify','delta':["
	  "{'path':'properties.userData','propertyChangeType':'Modify','before':'hunter0','after':'hunter1'},"
	  "{'path':'properties.osProfile.x','propertyChangeType':'Modify','before':{'y':['hunter2']},'after':'hunter3'},"
	  "{'path':'properties.list','propertyChangeType':'Array','children':[{'path':'0','propertyChangeType':'Modify',"
	  "'children':[{'path':'adminPassword','propertyChangeType':'Create','after':'hunter4'}]}]},"
	  "{'path':'properties.deep','propertyChangeType':'Create','after':{'storageAccountKey':{'z':'hunter5'}}},"
	  "{'path':'properties.keys','propertyChangeType':'Array','children':[{'path':'0','propertyChangeType':'Delete',"
	  "'before':'hunter6'}]},"
	  "{'path':'properties.url','propertyChangeType':'Create','after':'https://x.blob/y?sv=1&SIG=hunter7'},"
	  "{'path':'properties.text','propertyChangeType':'Create','after':'AccountKey=hunter8;'},"
	  "{'path':'properties.pem','propertyChangeType':'Create','after':'-----BEGIN hunter9'},"
	  "{'path':'tags.a','propertyChangeType':'Modify','before':'my correct-horse','after':'battery-staple!'},"
	  "{'path':'tags.b','propertyChangeType':'Create','after':'plain-text'}]}",
	  true,
	  "~ A.B/c 1\n    ~ properties.userData: \"(hidden)\" -> \"(hidden)\"\n"
	  "    ~ properties.osProfile.x: {\"y\":[\"(hidden)\"]} -> \"(hidden)\"\n"
	  "    * properties.list[0].adminPassword: \"(hidden)\"  (Azure does not tell what it is now)\n"
	  "    + properties.deep: {\"storageAccountKey\":{\"z\":\"(hidden)\"}}\n"
	  "    * properties.keys[0]: \"(hidden)\"  (set by Azure itself)\n"
	  "    + properties.url: \"(hidden)\"\n    + properties.text: \"(hidden)\"\n"
	  "    + properties.pem: \"(hidden)\"\n    ~ tags.a: \"(hidden)\" -> \"(hidden)\"\n"
	  "    + tags.b: \"plain-text\"\n" },
	{ "a document with a member called path hides nothing from the mask",
	  "{'resourceId':'" ID
	  "A.B/c/1','changeType':'Modify','delta':[{'path':'x','propertyChangeType':'Create',"
	  "'after':{'path':'/home','customData':'hunter2','other':'correct-horse'}}]}",
	  true,
	  "~ A.B/c 1\n    + x: {\"path\":\"/home\",\"customData\":\"(hidden)\",\"other\":\"(hidden)\"}\n" },
	{ "control characters",
	  "{'resourceId':'" ID "A.B/c/\\u001b[31m1\\n','changeType':'Modify','delta':["
	  "{'path':'a\\u001b','propertyChangeType':'Create','after':'b\\u0007'}]}",
	  true, "~ A.B/c ?[31m1 \n    + a?: \"b\\u0007\"\n" },
	{ "a long text ends between characters",
	  "{'resourceId':'" ID "A.B/c/1','changeType':'Modify','delta':["
	  "{'path':'a','propertyChangeType':'Create','after':'" X398
	  "\u00e4\u00e4'}]}",
	  true, "~ A.B/c 1\n    + a: \"" X398 "...\n" },
	{ "members that are missing or of another type",
	  "{},7,'x',{'resourceId':3,'changeType':4,'delta':5},{'resourceId':'nonsense','changeType':'Modify','delta':"
	  "[{},1,{'path':[],'propertyChangeType':'Create','children':{}},{'path':'p','children':[{}]}]}",
	  true,
	  "x Microsoft.Resources/resourceGroups \nx Microsoft.Resources/resourceGroups \n"
	  "x Microsoft.Resources/resourceGroups \nx Microsoft.Resources/resourceGroups \n"
	  "~ Microsoft.Resources/resourceGroups nonsense\nx Microsoft.Resources/resourceGroups nonsense\n"
	  "x Microsoft.Resources/resourceGroups nonsense\n+ Microsoft.Resources/resourceGroups nonsense\n    x p.\n" },
};

static void made(void)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char *body = xasprintf(
			"{'status':'Succeeded','properties':{'changes':[%s]}}",
			rows[i].changes);
		char *text = quoted(body);

		expect(rows[i].name,
		       (struct act[]){ { WHAT_IF, 200, NULL, text }, { NULL } },
		       rows[i].pending, rows[i].out);
		free(body);
		free(text);
	}
}

/* ---- errors ----------------------------------------------------------------------- */

static void errors(void)
{
	static const struct {
		const char *name, *body, *words;
	} cases[] = {
		{ "the operation failed",
		  "{'status':'Failed','error':{'code':'InvalidTemplateDeployment','message':'m',"
		  "'details':[{'code':'SkuNotAvailable','message':'not here'}]}}",
		  "SkuNotAvailable: not here" },
		{ "an error without a state",
		  "{'error':{'code':'Strange','message':'very'}}",
		  "Strange: very" },
		{ "no changes in it", "{'status':'Succeeded','properties':{}}",
		  "properties.changes" },
		{ "changes that are no list", "{'properties':{'changes':{}}}",
		  "expected an array" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct buf why = BUF_INIT(1u << 20);
		struct shown shown;
		char *text = quoted(cases[i].body);

		show((struct act[]){ { WHAT_IF, 202,
				       "Location: " WORK "\r\nRetry-After: 1\r\n" },
				     { "GET " WORK, 202, NULL },
				     { "GET " WORK, 200, NULL, text },
				     { NULL } },
		     UI_TABLE, false, PROPERTIES, false, &shown, &why);
		if (why.n == 0 && holds(shown.e.msg, cases[i].words, &why))
			holds(shown.e.msg, "what-if: ", &why);
		if (why.n == 0 && shown.out[0] != '\0')
			buf_addf(&why, "printed \"%s\"", shown.out);
		check_why(cases[i].name, why.str);
		free(shown.out);
		free(text);
		buf_release(&why);
	}
}

/* ---- forms of output ----------------------------------------------------------------- */

#define ONE \
	"{\"properties\":{\"changes\":[{\"resourceId\":\"" ID \
	"A.B/c/1\",\"changeType\":\"Modify\",\"delta\":" \
	"[{\"path\":\"sku.capacity\",\"propertyChangeType\":\"Modify\",\"before\":3,\"after\":5}]}]}}"

static void forms(void)
{
	static const struct {
		const char *name;
		enum ui_format format;
		bool color;
		const char *out;
	} cases[] = {
		{ "color", UI_TABLE, true,
		  "\033[33m~ A.B/c 1\033[0m\n\033[33m    ~ sku.capacity: 3 -> 5\033[0m\n" },
		{ "tsv", UI_TSV, true,
		  "modify\tA.B/c\t1\t\t\t\t\nmodify\tA.B/c\t1\tsku.capacity\t3\t5\t\n" },
		{ "json", UI_JSON, true, NULL },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct buf why = BUF_INIT(1u << 20);
		struct shown shown;
		cJSON *doc;

		show((struct act[]){ { WHAT_IF, 200, NULL, ONE }, { NULL } },
		     cases[i].format, cases[i].color, PROPERTIES, false, &shown,
		     &why);
		if (cases[i].out != NULL && strcmp(shown.out, cases[i].out) != 0)
			buf_addf(&why, "printed \"%s\"", shown.out);
		if (cases[i].out == NULL) {
			doc = parse(shown.out);
			if (strcmp(json_str_opt(doc, "[1].property", ""),
				   "sku.capacity") != 0 ||
			    strcmp(json_str_opt(doc, "[1].after", ""), "5") != 0 ||
			    strcmp(json_str_opt(doc, "[0].change", ""),
				   "modify") != 0)
				buf_addf(&why, "printed \"%s\"", shown.out);
			json_free(doc);
		}
		check_why(cases[i].name, why.str);
		free(shown.out);
		buf_release(&why);
	}
}

/* ---- sizes and quota ------------------------------------------------------------------- */

#define MASTER(kind, before, after) \
	"{'resourceId':'" ID \
	"Microsoft.Compute/virtualMachines/m','changeType':'" kind \
	"'" before after "}"
#define IS(when, size, zones) \
	",'" when \
	"':{'type':'Microsoft.Compute/virtualMachines','zones':[" zones "]," \
	"'properties':{'hardwareProfile':{'vmSize':'" size "'}}}"
#define SET(when, size, n) \
	",'" when \
	"':{'type':'Microsoft.Compute/virtualMachineScaleSets','sku':{'name':'" size \
	"','capacity':" n "}}"
#define AGENTS(kind, before, after) \
	"{'resourceId':'" ID "Microsoft.Compute/virtualMachineScaleSets/a'," \
	"'changeType':'" kind "'" before after "}"
#define SKU(type, name, family, vcpus, zones, restrictions) \
	"{'resourceType':'" type "','name':'" name "'," \
	"'family':'" family \
	"','locationInfo':[{'location':'eastus','zones':[" zones \
	"]}],'capabilities':[{'name':" \
	"'MaxResourceVolumeMB','value':'7'},{'name':'vCPUs','value':'" vcpus \
	"'}],'restrictions':[" restrictions "]}"
#define SOME_SKUS \
	"{'value':[" SKU("disks", "Standard_D2_v2", "no", "99", "", "") "," SKU( \
		"virtualMachines", "standard_d2_v2", "standardDv2Family", "2", \
		"'1','2','3'", \
		"") "," SKU("virtualMachines", "Standard_B1s", \
			    "standardBSFamily", "1", "'1'", \
			    "{'type':'Location','reasonCode':'NotAvailableForSubscription','values':['eastus']}") "," SKU("virtualMachines", \
															  "Standard_B4ms", \
															  "standardBSFamily", \
															  "4", \
															  "'1','2','3'", \
															  "{'type':'Zone','reasonCode':'NotAvailableForSubscription','restrictionInfo':{'zones':['2']}}") "]}"
#define USE(name, used, limit) \
	"{'limit':" limit ",'unit':'Count','currentValue':" used \
	",'name':{'value':'" name "'}}"
#define SOME_USES \
	"{'value':[" USE("cores", "90", "100") "," USE( \
		"virtualMachines", "5", \
		"5") "," USE("standardDv2Family", "10", \
			     "20") "," USE("standardBSFamily", "0", "100") "]}"

static void checks(void)
{
	static const struct {
		const char *name, *changes, *refused, *out; /* out: words */
	} cases[] = {
		{ "room enough",
		  MASTER("Create", "", IS("after", "Standard_D2_v2", "")) "," AGENTS(
			  "Create", "", SET("after", "Standard_D2_v2", "3")),
		  NULL,
		  "  size Standard_D2_v2  (2 vCPUs each, standardDv2Family)|quota cores: 90 -> 98  (vCPUs, limit 100)|"
		  "quota standardDv2Family: 10 -> 18  (vCPUs, limit 20)|!virtualMachines:|!standardBSFamily" },
		{ "each alone fits, both do not",
		  MASTER("Create", "", IS("after", "Standard_D2_v2", "")) "," AGENTS(
			  "Create", "", SET("after", "Standard_D2_v2", "5")),
		  "quota cores: 90 of 100 vCPUs are in use and 12 more are needed",
		  "\n! quota cores: 90 -> 102  (vCPUs, limit 100)|\n! quota standardDv2Family: 10 -> 22" },
		{ "the family is full, the region is not",
		  AGENTS("Create", "", SET("after", "STANDARD_D2_V2", "5")) "," AGENTS(
			  "Modify", SET("before", "Standard_B4ms", "3"),
			  SET("after", "Standard_B4ms", "2")),
		  NULL,
		  "quota cores: 90 -> 96|quota standardDv2Family: 10 -> 20|quota standardBSFamily: 0 -> -4" },
		{ "only what comes on top counts",
		  AGENTS("Modify", SET("before", "Standard_D2_v2", "4"),
			 SET("after", "Standard_D2_v2", "6")),
		  NULL, "quota cores: 90 -> 94" },
		{ "what is ignored does not",
		  "{'changeType':'Ignore'" SET("before", "Standard_D2_v2", "9")
			  SET("after", "Standard_D2_v2", "9") "}",
		  NULL, "!quota cores: 90 -> 1" },
		{ "a size that the subscription may not have",
		  AGENTS("Create", "", SET("after", "Standard_B1s", "1")),
		  "size Standard_B1s in eastus: NotAvailableForSubscription; 'azswarm sizes'",
		  "\n! size Standard_B1s  (NotAvailableForSubscription)" },
		{ "machines that are there may stay",
		  AGENTS("NoChange", SET("before", "Standard_B1s", "1"),
			 SET("after", "Standard_B1s", "1")),
		  NULL, "  size Standard_B1s" },
		{ "a zone that it may not have",
		  MASTER("Create", "", IS("after", "Standard_B4ms", "'2'")),
		  "size Standard_B4ms in eastus: not in every zone",
		  "\n! size Standard_B4ms" },
		{ "the other zones",
		  MASTER("Create", "", IS("after", "Standard_B4ms", "'1','3'")),
		  NULL, "  size Standard_B4ms" },
		{ "a size that is not there",
		  AGENTS("Create", "", SET("after", "Standard_X1", "1")),
		  "size Standard_X1 in eastus: not offered",
		  "\n! size Standard_X1" },
		{ "more machines than numbers",
		  AGENTS("Create", "",
			 SET("after", "Standard_D2_v2",
			     "9000000000000000000")) "," AGENTS("Create", "",
								SET("after",
								    "Standard_B4ms",
								    "9000000000000000000")),
		  "quota cores: 90 of 100 vCPUs are in use",
		  "\n! quota standardDv2Family" },
		{ "more sizes than anybody has",
		  AGENTS("Create", "", SET("after", "A1", "1")) "," AGENTS("Create", "", SET("after", "A2", "1")) "," AGENTS("Create", "", SET("after", "A3", "1")) "," AGENTS(
			  "Create", "",
			  SET("after", "A4",
			      "1")) "," AGENTS("Create", "",
					       SET("after", "A5",
						   "1")) "," AGENTS("Create", "",
								    SET("after", "A6",
									"1")) "," AGENTS("Create",
											 "",
											 SET("after",
											     "A7",
											     "1")) "," AGENTS("Create",
													      "",
													      SET("after",
														  "A8",
														  "1")) "," AGENTS("Create",
																   "",
																   SET("after",
																       "A9",
																       "1")),
		  "size A1 in eastus: not offered", "size A8" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct buf why = BUF_INIT(1u << 20);
		struct shown shown;
		char *body = xasprintf("{'properties':{'changes':[%s]}}",
				       cases[i].changes),
		     *text = quoted(body);
		char *skus = quoted(SOME_SKUS), *uses = quoted(SOME_USES);

		show((struct act[]){ { WHAT_IF, 200, NULL, text },
				     { SKUS, 200, NULL, skus },
				     { USED, 200, NULL, uses },
				     { NULL } },
		     UI_TABLE, false, PROPERTIES, true, &shown, &why);
		if (why.n == 0 && shown.e.kind != ERR_NONE)
			buf_addf(&why, "%s", shown.e.msg);
		else if (why.n == 0 &&
			 strncmp(shown.refused.msg,
				 cases[i].refused != NULL ? cases[i].refused : "",
				 strlen(cases[i].refused != NULL ? cases[i].refused :
								   "x")) != 0)
			buf_addf(&why, "refused for \"%s\"", shown.refused.msg);
		else if (why.n == 0)
			holds(shown.out, cases[i].out, &why);
		check_why(cases[i].name, why.str);
		free(shown.out);
		free(body);
		free(text);
		free(skus);
		free(uses);
		buf_release(&why);
	}
}

/* The quota that Azure told somebody, with machines that just fit and that do not. */
static void recorded_quota(void)
{
	cJSON *doc = parse_file(USAGES);
	const char *uses = json_str_opt(json_at(doc, "exchanges[0]"),
					"response_body", NULL);
	char *skus = quoted(SOME_SKUS);

	if (uses == NULL)
		check_skip("recorded quota", "no " USAGES);
	for (int n = 50; uses != NULL && n <= 51; n++) {
		struct buf why = BUF_INIT(1u << 20), number = BUF_INIT(16);
		struct shown shown;
		char *body, *text;

		buf_addf(&number, "%d", n);
		body = xasprintf("{'properties':{'changes':[{'resourceId':'" ID
				 "x/y/z','changeType':'Create','after':{"
				 "'type':'Microsoft.Compute/virtualMachineScaleSets','sku':{'name':'Standard_D2_v2',"
				 "'capacity':%s}}}]}}",
				 number.str);
		text = quoted(body);
		show((struct act[]){ { WHAT_IF, 200, NULL, text },
				     { SKUS, 200, NULL, skus },
				     { USED, 200, NULL, uses },
				     { NULL } },
		     UI_TABLE, false, PROPERTIES, true, &shown, &why);
		if (why.n == 0 && shown.e.kind != ERR_NONE)
			buf_addf(&why, "%s", shown.e.msg);
		else if (why.n == 0 && n == 50 && shown.refused.kind != ERR_NONE)
			buf_addf(&why, "%s", shown.refused.msg);
		else if (why.n == 0 && n == 51)
			holds(shown.refused.msg,
			      "quota cores: 0 of 100 vCPUs are in use and 102 more are needed",
			      &why);
		if (why.n == 0)
			holds(shown.out,
			      n == 50 ?
				      "  quota cores: 0 -> 100  (vCPUs, limit 100)|  quota standardDv2Family: "
				      "0 -> 100" :
				      "\n! quota cores: 0 -> 102|\n! quota standardDv2Family: 0 -> 102",
			      &why);
		check_why(n == 50 ? "recorded quota: 100 vCPUs of 100" :
				    "recorded quota: 102 vCPUs of 100",
			  why.str);
		free(shown.out);
		free(body);
		free(text);
		buf_release(&why);
		buf_release(&number);
	}
	free(skus);
	json_free(doc);
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	json_init();
	recordings();
	made();
	errors();
	forms();
	checks();
	recorded_quota();
	return check_failed();
}
