/* The commands over a scripted Azure: what each asks for, in which order, and
 * what it says then. */
#include "swarm/swarm.h"
#define DOUBLE_COMMANDS
#include "tests/armdouble.h"
#include "tests/check.h"

/* rows say what matters to them; the rest is zero */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define ROW_ACTS 16

/* ---- paths and bodies ------------------------------------------------------- */

#define SUB "/subscriptions/S"
#define GROUP SUB "/resourcegroups/swarm-cluster?api-version=2021-04-01"
#define STORAGE SUB "/resourcegroups/swarm-storage?api-version=2021-04-01"
#define BAKE SUB "/resourcegroups/swarm-cluster-bake?api-version=2021-04-01"
#define IN_BAKE \
	SUB "/resourceGroups/swarm-cluster-bake/resources?api-version=2021-04-01"
#define NO_BAKE \
	{ \
		"GET " BAKE, 404, .body = NOT_FOUND \
	}
#define FORCE \
	"&forceDeletionTypes=Microsoft.Compute/virtualMachines," \
	"Microsoft.Compute/virtualMachineScaleSets"
#define BLOBS "api-version=2023-05-01"
#define ACCOUNT \
	SUB "/resourceGroups/swarm-storage/providers/Microsoft.Storage/" \
	    "storageAccounts/account1?" BLOBS
#define VMSS \
	SUB "/resourceGroups/swarm-cluster/providers/Microsoft.Compute/" \
	    "virtualMachineScaleSets/agents"
#define COMPUTE "api-version=2024-07-01"
#define LIST "GET " VMSS "/virtualMachines?" COMPUTE "&$expand=instanceView"
#define NICS "GET " VMSS "/networkInterfaces?api-version=2018-10-01"
#define AUTOSCALE \
	SUB "/resourcegroups/swarm-cluster/providers/Microsoft.Insights/" \
	    "autoscalesettings/agents-autoscale?api-version=2022-10-01"
#define POWEROFF "POST " VMSS "/poweroff?skipShutdown=false&" COMPUTE
#define DELETE_VMS "POST " VMSS "/delete?" COMPUTE
#define OP \
	ARM SUB "/providers/Microsoft.Compute/locations/eastus/operations/1?" COMPUTE
#define ASYNC "Azure-AsyncOperation: " OP "\r\nRetry-After: 1\r\n"
#define LOCATION "Location: " OP "\r\nRetry-After: 1\r\n"
#define GET_OP "GET " OP
#define DONE \
	{ \
		GET_OP, 200, .body = "{\"status\":\"Succeeded\"}" \
	}
#define NOT_FOUND \
	"{\"error\":{\"code\":\"ResourceNotFound\",\"message\":\"gone\"}}"
#define DEPLOYMENT \
	SUB "/resourcegroups/swarm-cluster/providers/Microsoft.Resources/" \
	    "deployments/cli-eastus?api-version=2021-04-01"
#define OPERATIONS \
	"GET " SUB \
	"/resourcegroups/swarm-cluster/deployments/cli-eastus/operations" \
	"?api-version=2021-04-01"

#define SET(capacity) \
	"{\"sku\":{\"name\":\"Standard_B2s_v2\",\"tier\":\"Standard\"," \
	"\"capacity\":" capacity "}}"
#define VM(id, power) \
	"{\"instanceId\":\"" id "\",\"name\":\"agents_" id "\",\"properties\":{" \
	"\"provisioningState\":\"Succeeded\"," \
	"\"osProfile\":{\"computerName\":\"agents00000" id "\"}," \
	"\"instanceView\":{\"statuses\":[{\"code\":\"ProvisioningState/succeeded\"}," \
	"{\"code\":\"PowerState/" power "\"}]}}}"
#define VMS(list) "{\"value\":[" list "]}"
#define THREE \
	VMS(VM("0", "running") "," VM("1", "running") "," VM("2", "running"))
#define GOING(id) \
	"{\"instanceId\":\"" id "\",\"name\":\"agents_" id "\",\"properties\":{" \
	"\"provisioningState\":\"Deleting\"}}"
#define ON(action, id) \
	{ \
		"POST " VMSS "/" action "?" COMPUTE, 202, ASYNC, \
			.words = "{\"instanceIds\":[\"" id "\"]}" \
	}
#define LEFT(list) \
	{ \
		LIST, 200, .body = VMS(list) \
	}
#define NIC(id, ip) \
	"{\"properties\":{\"virtualMachine\":{\"id\":\"" VMSS \
	"/virtualMachines/" id \
	"\"},\"ipConfigurations\":[{\"properties\":{\"privateIPAddress\":\"" ip \
	"\"}}]}}"
#define BLOCKED \
	"{\"Error\":{\"Code\":\"ResourceGroupDeletionBlocked\",\"Message\":\"m\"," \
	"\"Details\":[{\"Code\":\"InUse\",\"Message\":\"a disk\"}]}}"
#define BOUNDS(min, max, dflt) \
	"{\"id\":\"/x\",\"name\":\"a\",\"location\":\"eastus\"," \
	"\"properties\":{\"enabled\":true,\"profiles\":[{\"name\":\"p\"," \
	"\"capacity\":{\"minimum\":\"" min "\",\"maximum\":\"" max \
	"\",\"default\":\"" dflt "\"},\"rules\":[]}]}}"
#define SWITCHED_OFF \
	"{\"id\":\"/x\",\"name\":\"a\",\"location\":\"eastus\"," \
	"\"properties\":{\"enabled\":false,\"profiles\":[{\"name\":\"p\"," \
	"\"capacity\":{\"minimum\":\"1\",\"maximum\":\"5\",\"default\":\"3\"}," \
	"\"rules\":[]}]}}"
#define NO_AUTOSCALE \
	{ \
		"GET " AUTOSCALE, 404, .body = NOT_FOUND \
	}
#define OPERATION(id, state, name, rest) \
	"{\"operationId\":\"" id "\",\"properties\":{" \
	"\"provisioningState\":\"" state "\",\"duration\":\"PT9S\"," rest \
	"\"targetResource\":{" \
	"\"resourceType\":\"Microsoft.Compute/virtualMachines\",\"resourceName\":\"" name \
	"\"}}}"
#define QUOTA \
	"{\"error\":{\"code\":\"QuotaExceeded\",\"message\":\"Maximum allowed: 10\"}}"
#define RESOURCE(group, name, type) \
	"{\"id\":\"" SUB "/resourceGroups/" group "/providers/" type "/" name \
	"\",\"name\":\"" name "\",\"type\":\"" type \
	"\",\"location\":\"eastus\"}"

/* What `params` wrote, deployed again: the number of agents to be asked for. */
static int keep_number(struct session *s, int argc, char **argv, struct err *e)
{
	cJSON *p = json_parse(STR("{\"agentCount\":{\"value\":3},\"minAgentCount\":{\"value\":2},"
				  "\"maxAgentCount\":{\"value\":5}}"),
			      "parameters", e);
	struct buf text = BUF_INIT(4096);
	int rc = agents_keep_number(s, p, e);

	(void)argc, (void)argv;
	json_print(p, &text);
	fprintf(s->ui->out, "%s", text.str);
	buf_release(&text);
	json_free(p);
	return rc;
}

static int make_group(struct session *s, int argc, char **argv, struct err *e)
{
	(void)argc, (void)argv;
	return swarm_group_put(s, "swarm-cluster", e);
}

#define DELETING \
	{ \
		"GET " GROUP, 200, \
			.body = "{\"location\":\"eastus\",\"properties\":{" \
				"\"provisioningState\":\"Deleting\"}}" \
	}

#define WANTED(count, min, max) \
	"{\"agentCount\":{\"value\":" count "},\"minAgentCount\":{" \
	"\"value\":" min "},\"maxAgentCount\":{\"value\":" max "}}"

/* ---- rows ------------------------------------------------------------------- */

static const struct row {
	const char *name;
	int (*run)(struct session *s, int argc, char **argv, struct err *e);
	const char *word; /* the argument, NULL: none */
	struct act acts[ROW_ACTS];
	enum err_kind kind;
	const char *words; /* of the message */
	const char *out;   /* stdout, whole; NULL: nothing */
	const char *talk;  /* words of stderr */
	const char *confirm;
	bool no_wait, watch, yes;
	const char *warm; /* WARM_AGENTS */
} rows[] = {
	{ "deploy-storage: an account that strangers cannot read",
	  cmd_deploy_storage,
	  NULL,
	  { { "GET " STORAGE, 200, .body = "{\"location\":\"eastus\"}" },
	    { "GET " ACCOUNT, 404, .body = NOT_FOUND },
	    { "POST " SUB "/providers/Microsoft.Storage/checkNameAvailability?" BLOBS,
	      200, .body = "{\"nameAvailable\":true}",
	      .words = "\"name\":\"account1\"" },
	    { "PUT " ACCOUNT, 403,
	      .body = "{\"error\":{\"code\":\"No\",\"message\":\"m\"}}",
	      .words = "\"allowBlobPublicAccess\":false|\"supportsHttpsTrafficOnly\":true|"
		       "\"minimumTlsVersion\":\"TLS1_2\"" } },
	  ERR_AZURE,
	  "storage account account1: No: m" },
	/* scaling in: drain and leave first, then delete, by id */
	{ "more than half of them, and nobody there to agree",
	  cmd_scale_agents,
	  "1",
	  { { "GET " VMSS "?" COMPUTE, 200, .body = SET("3") },
	    { LIST, 200, .body = THREE } },
	  ERR_USAGE,
	  "scaling agents: would take 2 of 3 agents away; say --yes" },
	{ "3 to 1 agents, one at a time, the newest first",
	  cmd_scale_agents,
	  "1",
	  { { "GET " VMSS "?" COMPUTE, 200, .body = SET("3") },
	    { LIST, 200, .body = THREE },
	    NO_AUTOSCALE,
	    { POWEROFF, 202, ASYNC, .words = "{\"instanceIds\":[\"2\"]}" },
	    DONE,
	    { DELETE_VMS, 202, ASYNC, .words = "{\"instanceIds\":[\"2\"]}" },
	    DONE,
	    { POWEROFF, 202, ASYNC, .words = "{\"instanceIds\":[\"1\"]}" },
	    DONE,
	    { DELETE_VMS, 202, ASYNC, .words = "{\"instanceIds\":[\"1\"]}" },
	    DONE,
	    LEFT(VM("0", "running")) },
	  .talk = "agents_2: draining|agents_2: deleted|agents_1: deleted|1 agent left",
	  .yes = true },
	{ "8 to 4 agents, a quarter at a time",
	  cmd_scale_agents,
	  "4",
	  { { "GET " VMSS "?" COMPUTE, 200, .body = SET("8") },
	    { LIST, 200,
	      .body = VMS(VM("0", "running") "," VM("1", "running") "," VM("2", "running") "," VM(
		      "3",
		      "running") "," VM("4",
					"running") "," VM("5",
							  "running") "," VM("6",
									    "running") "," VM("7",
											      "running")) },
	    NO_AUTOSCALE,
	    { POWEROFF, 202, ASYNC, .words = "[\"7\",\"6\"]" },
	    DONE,
	    { DELETE_VMS, 202, ASYNC, .words = "[\"7\",\"6\"]" },
	    DONE,
	    { POWEROFF, 202, ASYNC, .words = "[\"5\",\"4\"]" },
	    DONE,
	    { DELETE_VMS, 202, ASYNC, .words = "[\"5\",\"4\"]" },
	    DONE,
	    LEFT(VM("0", "running") "," VM("1", "running") "," VM(
		    "2", "running") "," VM("3", "running")) },
	  .talk = "agents_7, agents_6: deleted|agents_5, agents_4: deleted|4 agents left" },
	{ "what does not run goes first, at once",
	  cmd_scale_agents,
	  "2",
	  { { "GET " VMSS "?" COMPUTE, 200, .body = SET("3") },
	    { LIST, 200,
	      .body = VMS(VM("0", "running") "," VM("1", "deallocated") "," VM(
		      "2", "running")) },
	    NO_AUTOSCALE,
	    { DELETE_VMS, 202, ASYNC, .words = "[\"1\"]" },
	    DONE,
	    LEFT(VM("0", "running") "," VM("2", "running")) },
	  .talk = "agents_1: deleted" },
	{ "who is still on the way down is waited for",
	  cmd_scale_agents,
	  "1",
	  { { "GET " VMSS "?" COMPUTE, 200, .body = SET("2") },
	    { LIST, 200, .body = VMS(VM("0", "running") "," VM("1", "stopping")) },
	    NO_AUTOSCALE,
	    { POWEROFF, 202, ASYNC, .words = "[\"1\"]" },
	    DONE,
	    { DELETE_VMS, 202, ASYNC, .words = "[\"1\"]" },
	    DONE,
	    LEFT(VM("0", "running")) },
	  .talk = "agents_1: draining|agents_1: deleted" },
	{ "who may run for all that is known is shut down",
	  cmd_scale_agents,
	  "1",
	  { { "GET " VMSS "?" COMPUTE, 200, .body = SET("3") },
	    { LIST, 200,
	      .body = VMS(VM("0", "running") "," VM(
		      "1",
		      "starting") ","
				  "{\"instanceId\":\"2\",\"name\":\"agents_2\"}") },
	    NO_AUTOSCALE,
	    { POWEROFF, 202, ASYNC, .words = "[\"2\"]" },
	    DONE,
	    { DELETE_VMS, 202, ASYNC, .words = "[\"2\"]" },
	    DONE,
	    { POWEROFF, 202, ASYNC, .words = "[\"1\"]" },
	    DONE,
	    { DELETE_VMS, 202, ASYNC, .words = "[\"1\"]" },
	    DONE,
	    LEFT(VM("0", "running")) },
	  .talk = "agents_1: deleted",
	  .yes = true },
	{ "ids are numbers, not words",
	  cmd_scale_agents,
	  "1",
	  { { "GET " VMSS "?" COMPUTE, 200, .body = SET("2") },
	    { LIST, 200, .body = VMS(VM("10", "running") "," VM("9", "running")) },
	    NO_AUTOSCALE,
	    { POWEROFF, 202, ASYNC, .words = "[\"10\"]" },
	    DONE,
	    { DELETE_VMS, 202, ASYNC, .words = "[\"10\"]" },
	    DONE,
	    LEFT(VM("9", "running")) },
	  .talk = "agents_10: deleted" },
	{ "who does not shut down is not deleted",
	  cmd_scale_agents,
	  "2",
	  { { "GET " VMSS "?" COMPUTE, 200, .body = SET("3") },
	    { LIST, 200, .body = THREE },
	    NO_AUTOSCALE,
	    { POWEROFF, 202, ASYNC },
	    { GET_OP, 200,
	      .body = "{\"status\":\"Failed\",\"error\":{\"code\":\"VMTimeout\",\"message\":"
		      "\"no answer\"}}" } },
	  ERR_AZURE,
	  "scaling agents: agents_2 to drain, leave and shut down: operation Failed: "
	  "VMTimeout: no answer",
	  .talk = "!deleted|!left" },
	{ "deleting is never sent twice",
	  cmd_scale_agents,
	  "2",
	  { { "GET " VMSS "?" COMPUTE, 200, .body = SET("3") },
	    { LIST, 200,
	      .body = VMS(VM("0", "running") "," VM("1", "running") "," VM(
		      "2", "stopped")) },
	    NO_AUTOSCALE,
	    { DELETE_VMS, .then = NO_ANSWER } },
	  ERR_NET,
	  "scaling agents: agents_2 to be deleted: ",
	  .talk = "!deleted|!left" },
	{ "scaling in, not to be waited for",
	  cmd_scale_agents,
	  "2",
	  { { "GET " VMSS "?" COMPUTE, 200, .body = SET("3") },
	    { LIST, 200, .body = THREE },
	    NO_AUTOSCALE,
	    { POWEROFF, 202, ASYNC },
	    DONE,
	    { DELETE_VMS, 202, ASYNC } },
	  .talk = "agents_2: draining|agents_2: being deleted|!left|accepted",
	  .no_wait = true },
	{ "to none",
	  cmd_scale_agents,
	  "0",
	  { { "GET " VMSS "?" COMPUTE, 200, .body = SET("1") },
	    { LIST, 200, .body = VMS(VM("4", "stopped")) },
	    NO_AUTOSCALE,
	    { DELETE_VMS, 202, ASYNC, .words = "[\"4\"]" },
	    DONE,
	    LEFT("") },
	  .talk = "0 agents left" },

	/* scaling out */
	{ "3 to 5 agents",
	  cmd_scale_agents,
	  "5",
	  { { "GET " VMSS "?" COMPUTE, 200, .body = SET("3") },
	    { LIST, 200, .body = THREE },
	    NO_AUTOSCALE,
	    { "PATCH " VMSS "?" COMPUTE, 200, ASYNC,
	      .words = "{\"sku\":{\"name\":\"Standard_B2s_v2\","
		       "\"tier\":\"Standard\",\"capacity\":5}}" },
	    DONE },
	  .talk = "5 agents; the new ones join the swarm by themselves" },
	{ "scaling out, not to be waited for",
	  cmd_scale_agents,
	  "5",
	  { { "GET " VMSS "?" COMPUTE, 200, .body = SET("3") },
	    { LIST, 200, .body = THREE },
	    NO_AUTOSCALE,
	    { "PATCH " VMSS "?" COMPUTE, 200, ASYNC } },
	  .talk = "accepted|!5 agents;",
	  .no_wait = true },
	{ "as many already",
	  cmd_scale_agents,
	  "3",
	  { { "GET " VMSS "?" COMPUTE, 200, .body = SET("3") },
	    { LIST, 200, .body = THREE },
	    NO_AUTOSCALE },
	  .talk = "3 agents already" },
	{ "no scale set",
	  cmd_scale_agents,
	  "3",
	  { { "GET " VMSS "?" COMPUTE, 404, .body = NOT_FOUND } },
	  ERR_AZURE,
	  "scaling agents: ResourceNotFound: gone [HTTP 404" },
	{ "an instance id that is none",
	  cmd_scale_agents,
	  "1",
	  { { "GET " VMSS "?" COMPUTE, 200, .body = SET("3") },
	    { LIST, 200, .body = VMS(VM("agents_a1b2c3", "running")) } },
	  ERR_PROTO,
	  "instance id \"agents_a1b2c3\" is not a number: is this scale set Uniform?" },

	{ "somebody else removed it: look again",
	  cmd_scale_agents,
	  "1",
	  { { "GET " VMSS "?" COMPUTE, 200, .body = SET("2") },
	    { LIST, 200, .body = VMS(VM("0", "running") "," VM("1", "stopped")) },
	    NO_AUTOSCALE,
	    { DELETE_VMS, 400,
	      .body = "{\"error\":{\"code\":\"InvalidParameter\",\"target\":"
		      "\"instanceIds\",\"message\":\"m\"}}" },
	    { "GET " VMSS "?" COMPUTE, 200, .body = SET("1") },
	    { LIST, 200, .body = VMS(VM("0", "running")) },
	    NO_AUTOSCALE },
	  .talk = "looking again|1 agent already" },
	{ "another parameter is wrong: final",
	  cmd_scale_agents,
	  "1",
	  { { "GET " VMSS "?" COMPUTE, 200, .body = SET("2") },
	    { LIST, 200, .body = VMS(VM("0", "running") "," VM("1", "stopped")) },
	    NO_AUTOSCALE,
	    { DELETE_VMS, 400,
	      .body = "{\"error\":{\"code\":\"InvalidParameter\",\"target\":"
		      "\"other\",\"message\":\"of (target instanceIds)\"}}" } },
	  ERR_AZURE,
	  "InvalidParameter: of (target instanceIds) (target other)",
	  .talk = "!looking" },

	/* resource groups */
	{ "a group",
	  make_group,
	  NULL,
	  { { "GET " GROUP, 404, .body = NOT_FOUND },
	    { "PUT " GROUP, 201, .words = "{\"location\":\"eastus\"}",
	      .body = "{}" } },
	  .talk = "resource group swarm-cluster made in eastus" },
	{ "a group that is there",
	  make_group,
	  NULL,
	  { { "GET " GROUP, 200,
	      .body = "{\"location\":\"eastus\",\"properties\":{"
		      "\"provisioningState\":\"Succeeded\"}}" } },
	  .talk = "there already" },
	{ "a group elsewhere",
	  make_group,
	  NULL,
	  { { "GET " GROUP, 200, .body = "{\"location\":\"westus\"}" } },
	  ERR_USAGE,
	  "resource group swarm-cluster: is in westus, LOCATION is eastus" },
	{ "a group that is being deleted is made when it is gone",
	  make_group,
	  NULL,
	  { DELETING,
	    DELETING,
	    { "GET " GROUP, 404, .body = NOT_FOUND },
	    { "PUT " GROUP, 201, .body = "{}" } },
	  .talk = "!there already|resource group swarm-cluster made in eastus" },

	/* deploying again: the number of agents is as it was, not as it once began */
	{ "no agents yet",
	  keep_number,
	  NULL,
	  { { "GET " VMSS "?" COMPUTE, 404, .body = NOT_FOUND } },
	  .out = WANTED("3", "2", "5"),
	  .talk = "!agents" },
	{ "as many agents as asked for",
	  keep_number,
	  NULL,
	  { { "GET " VMSS "?" COMPUTE, 200, .body = SET("3") }, NO_AUTOSCALE },
	  .out = WANTED("3", "2", "5"),
	  .talk = "!agents" },
	{ "more agents stay",
	  keep_number,
	  NULL,
	  { { "GET " VMSS "?" COMPUTE, 200, .body = SET("4") }, NO_AUTOSCALE },
	  .out = WANTED("4", "2", "5"),
	  .talk = "there are 4 agents already, and so it stays; 'azswarm scale-agents'" },
	{ "more agents stay, and autoscale lets them",
	  keep_number,
	  NULL,
	  { { "GET " VMSS "?" COMPUTE, 200, .body = SET("7") }, NO_AUTOSCALE },
	  .out = WANTED("7", "2", "7") },
	{ "fewer agents, too",
	  keep_number,
	  NULL,
	  { { "GET " VMSS "?" COMPUTE, 200, .body = SET("1") }, NO_AUTOSCALE },
	  .out = WANTED("1", "1", "5"),
	  .talk = "there is 1 agent already" },
	{ "several placement groups stay several",
	  keep_number,
	  NULL,
	  { { "GET " VMSS "?" COMPUTE, 200,
	      .body = "{\"sku\":{\"capacity\":3},\"properties\":{"
		      "\"singlePlacementGroup\":false}}" },
	    NO_AUTOSCALE },
	  .out = "{\"agentCount\":{\"value\":3},\"minAgentCount\":{\"value\":2},"
		 "\"maxAgentCount\":{\"value\":5},\"singlePlacementGroup\":{\"value\":false}}",
	  .talk = "!agents" },
	{ "autoscale that is off stays off",
	  keep_number,
	  NULL,
	  { { "GET " VMSS "?" COMPUTE, 200, .body = SET("3") },
	    { "GET " AUTOSCALE, 200,
	      .body = "{\"properties\":{\"enabled\":false}}" } },
	  .out = "{\"agentCount\":{\"value\":3},\"minAgentCount\":{\"value\":2},"
		 "\"maxAgentCount\":{\"value\":5},\"autoscaleEnabled\":{\"value\":false}}",
	  .talk = "autoscale is off, and so it stays; 'azswarm start-agents'" },
	{ "warm machines are on top of the bounds",
	  keep_number,
	  NULL,
	  { { "GET " VMSS "?" COMPUTE, 200, .body = SET("3") },
	    NO_AUTOSCALE,
	    LEFT(VM("0", "running") "," VM("1", "running") "," VM(
		    "2", "deallocated")) },
	  .out = WANTED("3", "3", "6"),
	  .warm = "2" },
	{ "an unknown number is no reason to go on",
	  keep_number,
	  NULL,
	  { { "GET " VMSS "?" COMPUTE, 200, .body = "{}" } },
	  ERR_DATA,
	  "sku.capacity",
	  .out = WANTED("3", "2", "5") },

	/* autoscale would undo it */
	{ "over 100 agents: several placement groups, before there are more",
	  cmd_scale_agents,
	  "101",
	  { { "GET " VMSS "?" COMPUTE, 200, .body = SET("3") },
	    { LIST, 200, .body = THREE },
	    NO_AUTOSCALE,
	    { "PATCH " VMSS "?" COMPUTE, 200, ASYNC,
	      .words = "{\"properties\":{\"singlePlacementGroup\":false}}|!capacity" },
	    DONE,
	    { "PATCH " VMSS "?" COMPUTE, 200, ASYNC,
	      .words = "\"capacity\":101|!singlePlacementGroup" },
	    DONE },
	  .talk = "for good|256 ports for what each agent asks of the Internet|'azswarm "
		  "deploy-compute' makes it eight addresses" },
	{ "100 do with one",
	  cmd_scale_agents,
	  "100",
	  { { "GET " VMSS "?" COMPUTE, 200, .body = SET("3") },
	    { LIST, 200, .body = THREE },
	    NO_AUTOSCALE,
	    { "PATCH " VMSS "?" COMPUTE, 200, ASYNC, .words = "\"capacity\":100" },
	    DONE },
	  .talk = "!placement" },
	{ "several groups already: nothing to be said",
	  cmd_scale_agents,
	  "1000",
	  { { "GET " VMSS "?" COMPUTE, 200,
	      .body = "{\"sku\":{\"name\":\"Standard_B2s_v2\",\"capacity\":3},"
		      "\"properties\":{\"singlePlacementGroup\":false}}" },
	    { LIST, 200, .body = THREE },
	    NO_AUTOSCALE,
	    { "PATCH " VMSS "?" COMPUTE, 200, ASYNC, .words = "\"capacity\":1000" },
	    DONE },
	  .talk = "!placement" },
	{ "the upper bound is moved",
	  cmd_scale_agents,
	  "5",
	  { { "GET " VMSS "?" COMPUTE, 200, .body = SET("3") },
	    { LIST, 200, .body = THREE },
	    { "GET " AUTOSCALE, 200, .body = BOUNDS("1", "4", "2") },
	    { "PUT " AUTOSCALE, 200,
	      .words = "\"minimum\":\"1\",\"maximum\":\"5\",\"default\":\"5\"|"
		       "\"location\":\"eastus\"|!\"id\"" },
	    { "PATCH " VMSS "?" COMPUTE, 200, ASYNC },
	    DONE },
	  .talk = "autoscale: most agents moved from 4 to 5" },
	{ "the lower bound is moved, and the default",
	  cmd_scale_agents,
	  "2",
	  { { "GET " VMSS "?" COMPUTE, 200, .body = SET("2") },
	    { LIST, 200, .body = VMS(VM("0", "running") "," VM("1", "running")) },
	    { "GET " AUTOSCALE, 200, .body = BOUNDS("3", "5", "1") },
	    { "PUT " AUTOSCALE, 200,
	      .words = "\"minimum\":\"2\",\"maximum\":\"5\",\"default\":\"2\"" } },
	  .talk = "fewest agents moved from 3 to 2|when there are no metrics moved from 1 to 2" },
	{ "bounds that fit stay",
	  cmd_scale_agents,
	  "3",
	  { { "GET " VMSS "?" COMPUTE, 200, .body = SET("3") },
	    { LIST, 200, .body = THREE },
	    { "GET " AUTOSCALE, 200, .body = BOUNDS("1", "5", "3") } },
	  .talk = "!moved" },
	{ "a bound that cannot be moved",
	  cmd_scale_agents,
	  "9",
	  { { "GET " VMSS "?" COMPUTE, 200, .body = SET("3") },
	    { LIST, 200, .body = THREE },
	    { "GET " AUTOSCALE, 200, .body = BOUNDS("1", "5", "2") },
	    { "PUT " AUTOSCALE, 403,
	      .body = "{\"code\":\"AuthorizationFailed\",\"message\":\"no\"}" } },
	  ERR_AZURE,
	  "scaling agents: autoscale: AuthorizationFailed: no" },

	/* others scale, too */
	{ "what is being deleted is none any more",
	  cmd_scale_agents,
	  "3",
	  { { "GET " VMSS "?" COMPUTE, 200, .body = SET("5") },
	    LEFT(VM("0", "running") "," VM("1", "running") "," GOING(
		    "2") "," GOING("3") "," VM("4", "running")),
	    NO_AUTOSCALE,
	    { "PATCH " VMSS "?" COMPUTE, 200, ASYNC, .words = "\"capacity\":3" },
	    DONE,
	    LEFT(VM("0", "running") "," VM("1", "running") "," VM("4", "running")) },
	  .talk = "3 agents" },
	{ "fewer than wanted after all: look again",
	  cmd_scale_agents,
	  "2",
	  { { "GET " VMSS "?" COMPUTE, 200, .body = SET("3") },
	    LEFT(VM("0", "running") "," VM("1", "running") "," VM("2", "stopped")),
	    NO_AUTOSCALE,
	    { DELETE_VMS, 202, ASYNC, .words = "[\"2\"]" },
	    DONE,
	    LEFT(VM("0", "running") "," GOING("1")),
	    { "GET " VMSS "?" COMPUTE, 200, .body = SET("1") },
	    LEFT(VM("0", "running")),
	    NO_AUTOSCALE,
	    { "PATCH " VMSS "?" COMPUTE, 200, ASYNC, .words = "\"capacity\":2" },
	    DONE },
	  .talk = "looking again|2 agents; the new ones" },

	/* those that are off are agents to be started; warm ones are kept */
	{ "those that are off are started first",
	  cmd_scale_agents,
	  "3",
	  { { "GET " VMSS "?" COMPUTE, 200, .body = SET("3") },
	    LEFT(VM("0", "running") "," VM("1", "deallocated") "," VM("2",
								      "running")),
	    NO_AUTOSCALE,
	    { "POST " VMSS "/start?" COMPUTE, 202, ASYNC, .words = "[\"1\"]" },
	    DONE },
	  .talk = "3 agents;" },
	{ "those that are off and not needed are deleted",
	  cmd_scale_agents,
	  "2",
	  { { "GET " VMSS "?" COMPUTE, 200, .body = SET("3") },
	    LEFT(VM("0", "stopped") "," VM("1", "stopped") "," VM("2", "running")),
	    NO_AUTOSCALE,
	    { "POST " VMSS "/start?" COMPUTE, 202, ASYNC, .words = "[\"1\"]" },
	    DONE,
	    { DELETE_VMS, 202, ASYNC, .words = "[\"0\"]" },
	    DONE } },
	{ "and then new ones are made",
	  cmd_scale_agents,
	  "4",
	  { { "GET " VMSS "?" COMPUTE, 200, .body = SET("3") },
	    LEFT(VM("0", "running") "," VM("1", "deallocated") "," VM("2",
								      "running")),
	    NO_AUTOSCALE,
	    { "POST " VMSS "/start?" COMPUTE, 202, ASYNC, .words = "[\"1\"]" },
	    DONE,
	    { "PATCH " VMSS "?" COMPUTE, 200, ASYNC, .words = "\"capacity\":4" },
	    DONE } },
	{ "one is kept warm, the other deleted",
	  cmd_scale_agents,
	  "1",
	  { { "GET " VMSS "?" COMPUTE, 200, .body = SET("3") },
	    { LIST, 200, .body = THREE },
	    { "GET " AUTOSCALE, 200, .body = BOUNDS("1", "5", "3") },
	    { "PUT " AUTOSCALE, 200,
	      .words = "\"minimum\":\"2\",\"maximum\":\"6\",\"default\":\"2\"" },
	    { POWEROFF, 202, ASYNC, .words = "[\"2\"]" },
	    DONE,
	    { DELETE_VMS, 202, ASYNC, .words = "[\"2\"]" },
	    DONE,
	    { "POST " VMSS "/deallocate?" COMPUTE, 202, ASYNC, .words = "[\"1\"]" },
	    DONE,
	    LEFT(VM("0", "running") "," VM("1", "deallocated")) },
	  .talk = "agents_2: deleted|1 agent left",
	  .warm = "1",
	  .yes = true },
	{ "a warm one more than are kept is deleted",
	  cmd_scale_agents,
	  "1",
	  { { "GET " VMSS "?" COMPUTE, 200, .body = SET("3") },
	    LEFT(VM("0", "running") "," VM("1", "deallocated") "," VM(
		    "2", "deallocated")),
	    { "GET " AUTOSCALE, 200, .body = BOUNDS("2", "6", "2") },
	    { DELETE_VMS, 202, ASYNC, .words = "[\"2\"]" },
	    DONE,
	    LEFT(VM("0", "running") "," VM("1", "deallocated")) },
	  .warm = "1" },
	{ "a warm one is started, and the bounds are ours again",
	  cmd_scale_agents,
	  "2",
	  { { "GET " VMSS "?" COMPUTE, 200, .body = SET("2") },
	    LEFT(VM("0", "running") "," VM("1", "deallocated")),
	    { "GET " AUTOSCALE, 200, .body = BOUNDS("2", "6", "2") },
	    { "PUT " AUTOSCALE, 200,
	      .words = "\"minimum\":\"1\",\"maximum\":\"5\",\"default\":\"2\"" },
	    { "POST " VMSS "/start?" COMPUTE, 202, ASYNC, .words = "[\"1\"]" },
	    DONE },
	  .warm = "1" },
	{ "enough run, and one is warm",
	  cmd_scale_agents,
	  "1",
	  { { "GET " VMSS "?" COMPUTE, 200, .body = SET("2") },
	    LEFT(VM("0", "running") "," VM("1", "deallocated")),
	    NO_AUTOSCALE },
	  .talk = "1 agent already",
	  .warm = "1" },

	/* power: autoscale would undo it */
	{ "stop",
	  cmd_stop_agents,
	  NULL,
	  { { LIST, 200, .body = THREE },
	    { "GET " AUTOSCALE, 200, .body = BOUNDS("1", "5", "3") },
	    { "PUT " AUTOSCALE, 200, .words = "\"enabled\":false" },
	    { POWEROFF, 202, ASYNC, .words = "Content-Length: 0\r\n" },
	    DONE },
	  .talk = "the swarm cannot be asked (|shut down in order, but not drained|"
		  "autoscale: switched off|agents stopped; stopped machines are still billed" },
	{ "stop, not to be waited for",
	  cmd_stop_agents,
	  NULL,
	  { { LIST, 200, .body = THREE }, NO_AUTOSCALE, { POWEROFF, 202, ASYNC } },
	  .talk = "accepted|!agents stopped",
	  .no_wait = true },
	{ "start",
	  cmd_start_agents,
	  NULL,
	  { { LIST, 200, .body = THREE },
	    { "POST " VMSS "/start?" COMPUTE, 202, ASYNC,
	      .words = "Content-Length: 0\r\n" },
	    DONE,
	    { "GET " AUTOSCALE, 200, .body = SWITCHED_OFF },
	    { "PUT " AUTOSCALE, 200, .words = "\"enabled\":true" } },
	  .talk = "autoscale: switched on|agents started" },
	{ "start, not to be waited for",
	  cmd_start_agents,
	  NULL,
	  { { LIST, 200, .body = THREE },
	    { "POST " VMSS "/start?" COMPUTE, 202, ASYNC },
	    NO_AUTOSCALE },
	  .talk = "accepted|!agents started",
	  .no_wait = true },
	{ "stop, one that is named",
	  cmd_stop_agents,
	  "agents000001",
	  { { LIST, 200, .body = THREE },
	    { "GET " AUTOSCALE, 200, .body = BOUNDS("1", "5", "3") },
	    { "PUT " AUTOSCALE, 200, .words = "\"enabled\":false" },
	    { POWEROFF, 202, ASYNC, .words = "{\"instanceIds\":[\"1\"]}" },
	    DONE },
	  .talk = "agents stopped" },
	{ "stop, one that is not there",
	  cmd_stop_agents,
	  "agents_9",
	  { { LIST, 200, .body = THREE } },
	  ERR_USAGE,
	  "there is no agent \"agents_9\"" },
	{ "start, one that is not there",
	  cmd_start_agents,
	  "agents_9",
	  { { LIST, 200, .body = THREE } },
	  ERR_USAGE,
	  "there is no agent \"agents_9\"" },
	{ "start, one of two that are off",
	  cmd_start_agents,
	  "1",
	  { { LIST, 200,
	      .body = VMS(VM("0", "stopped") "," VM("1", "stopped") "," VM(
		      "2", "running")) },
	    ON("start", "1"),
	    DONE },
	  .talk = "1 agent is off, so autoscale is not|agents started" },
	{ "start, the last that is off",
	  cmd_start_agents,
	  "agents_1",
	  { { LIST, 200, .body = VMS(VM("0", "running") "," VM("1", "stopped")) },
	    ON("start", "1"),
	    DONE,
	    { "GET " AUTOSCALE, 200, .body = SWITCHED_OFF },
	    { "PUT " AUTOSCALE, 200, .words = "\"enabled\":true" } },
	  .talk = "autoscale: switched on|!is off" },
	{ "start, beside a warm one",
	  cmd_start_agents,
	  "agents_1",
	  { { LIST, 200,
	      .body = VMS(VM("0", "running") "," VM("1", "deallocated") "," VM(
		      "2", "deallocated")) },
	    ON("start", "1"),
	    DONE,
	    { "GET " AUTOSCALE, 200, .body = BOUNDS("1", "5", "1") },
	    { "PUT " AUTOSCALE, 200,
	      .words = "\"minimum\":\"2\",\"maximum\":\"6\",\"default\":\"3\"" },
	    { "GET " AUTOSCALE, 200, .body = BOUNDS("2", "6", "3") } },
	  .talk = "!is off",
	  .warm = "1" },
	{ "deallocate, one that is named",
	  cmd_deallocate_agents,
	  "2",
	  { { LIST, 200, .body = THREE }, NO_AUTOSCALE, ON("deallocate", "2"), DONE },
	  .talk = "agents deallocated" },
	{ "deallocate",
	  cmd_deallocate_agents,
	  NULL,
	  { { LIST, 200, .body = THREE },
	    NO_AUTOSCALE,
	    { "POST " VMSS "/deallocate?" COMPUTE, 202, ASYNC },
	    DONE },
	  .talk = "agents deallocated" },
	{ "deallocate, not to be waited for",
	  cmd_deallocate_agents,
	  NULL,
	  { { LIST, 200, .body = THREE },
	    NO_AUTOSCALE,
	    { "POST " VMSS "/deallocate?" COMPUTE, 202, ASYNC } },
	  .talk = "accepted|!agents deallocated",
	  .no_wait = true },

	/* made anew: the set's present model first, one after the other */
	{ "reimage-agents-serial",
	  cmd_reimage_agents_serial,
	  NULL,
	  { { LIST, 200, .body = VMS(VM("0", "running") "," VM("1", "running")) },
	    ON("manualupgrade", "0"),
	    DONE,
	    ON("reimage", "0"),
	    DONE,
	    ON("manualupgrade", "1"),
	    DONE,
	    ON("reimage", "1"),
	    DONE },
	  .talk = "the swarm cannot be asked (|agents_0: reimage|agents_1: reimage|"
		  "2 agents: reimage done" },
	{ "reimage, one that is named",
	  cmd_reimage_agents_serial,
	  "agents000001",
	  { { LIST, 200, .body = VMS(VM("0", "running") "," VM("1", "running")) },
	    ON("manualupgrade", "1"),
	    DONE,
	    ON("reimage", "1"),
	    DONE },
	  .talk = "1 agent: reimage done" },
	{ "reimage, one that is not there",
	  cmd_reimage_agents_serial,
	  "agents000009",
	  { { LIST, 200, .body = VMS(VM("0", "running")) } },
	  ERR_USAGE,
	  "agents000009" },
	{ "reimage: Azure refuses",
	  cmd_reimage_agents_serial,
	  NULL,
	  { { LIST, 200, .body = VMS(VM("0", "running") "," VM("1", "running")) },
	    ON("manualupgrade", "0"),
	    DONE,
	    ON("reimage", "0"),
	    DONE,
	    { "POST " VMSS "/manualupgrade?" COMPUTE, 403,
	      .body = "{\"error\":{\"code\":\"No\",\"message\":\"m\"}}" } },
	  ERR_AZURE,
	  "No: m",
	  .talk = "1 of 2 done; the same command again" },
	{ "reimage: and goes on with the other",
	  cmd_reimage_agents_serial,
	  NULL,
	  { { LIST, 200, .body = VMS(VM("0", "running") "," VM("1", "running")) },
	    ON("manualupgrade", "1"),
	    DONE,
	    ON("reimage", "1"),
	    DONE },
	  .talk = "agents_0: done before|1 agent: reimage done" },
	{ "restart-agents: those that run",
	  cmd_restart_agents,
	  NULL,
	  { { LIST, 200,
	      .body = VMS(VM("0", "running") "," VM("1", "deallocated") "," GOING(
		      "2")) },
	    ON("restart", "0"),
	    DONE },
	  .talk = "agents_1: is off|!agents_2|agents_0: restart|1 agent: restart done" },
	{ "reimage-agents-parallel, not agreed to",
	  cmd_reimage_agents_parallel,
	  NULL,
	  { { LIST, 200, .body = THREE } },
	  ERR_USAGE,
	  "would make 3 agents anew at once",
	  .talk = "down at the same time: 3 agents" },
	{ "reimage-agents-parallel",
	  cmd_reimage_agents_parallel,
	  NULL,
	  { { LIST, 200, .body = THREE },
	    { "POST " VMSS "/manualupgrade?" COMPUTE, 202, ASYNC,
	      .words = "{\"instanceIds\":[\"0\",\"1\",\"2\"]}" },
	    DONE,
	    { "POST " VMSS "/reimage?" COMPUTE, 202, ASYNC,
	      .words = "{\"instanceIds\":[\"0\",\"1\",\"2\"]}" },
	    DONE },
	  .talk = "3 agents: reimage done",
	  .yes = true },
	{ "no monkey without somebody who sees it",
	  cmd_chaos_monkey,
	  NULL,
	  { { LIST, 200, .body = THREE } },
	  ERR_DATA,
	  "keys/" },

	/* listings */
	{ "list-agents",
	  cmd_list_agents,
	  NULL,
	  { { LIST, 200,
	      .body = VMS(VM("0", "running") "," VM("1", "deallocated")) },
	    { NICS, 200,
	      .body = VMS(NIC("1", "10.77.16.5") "," NIC("0", "10.77.16.4")) } },
	  .out = "ID  NAME      HOST          ADDRESS     POWER        PROVISIONING\n"
		 " 0  agents_0  agents000000  10.77.16.4  running      Succeeded\n"
		 " 1  agents_1  agents000001  10.77.16.5  deallocated  Succeeded\n" },
	{ "list-agents, none",
	  cmd_list_agents,
	  NULL,
	  { { LIST, 200, .body = VMS("") }, { NICS, 200, .body = VMS("") } },
	  .out = "" },
	{ "list-endpoints",
	  cmd_list_endpoints,
	  NULL,
	  { { "GET "
	      "" SUB "/resourceGroups/swarm-cluster/providers/Microsoft.Network/publicIPAddresses"
	      "?api-version=2024-05-01",
	      200,
	      .body = "{\"value\":[{\"name\":\"lb\",\"properties\":{"
		      "\"ipAddress\":\"203.0.113.7\",\"dnsSettings\":{\"fqdn\":\"x.eastus.test\"}}},"
		      "{\"name\":\"master0\",\"properties\":{}}]}" } },
	  .out = "NAME     ADDRESS      FQDN\nlb       203.0.113.7  x.eastus.test\n"
		 "master0               \n" },
	{ "resources of both groups",
	  cmd_resources,
	  NULL,
	  { { "GET " GROUP, 200, .body = "{}" },
	    { "GET " SUB
	      "/resourceGroups/swarm-cluster/resources?api-version=2021-04-01",
	      200,
	      .body = VMS(RESOURCE("swarm-cluster", "agents",
				   "Microsoft.Compute/vmss")) },
	    { "GET " STORAGE, 404, .body = NOT_FOUND } },
	  .out = "GROUP          NAME    TYPE                    LOCATION\n"
		 "swarm-cluster  agents  Microsoft.Compute/vmss  eastus\n",
	  .talk = "resource group swarm-storage is not there" },
	{ "locations, the physical ones",
	  cmd_locations,
	  NULL,
	  { { "GET " SUB "/locations?api-version=2022-12-01", 200,
	      .body = "{\"value\":[{\"name\":"
		      "\"eastus\",\"displayName\":\"East US\",\"metadata\":{\"regionType\":\"Physical\","
		      "\"geographyGroup\":\"US\"}},{\"name\":\"global\",\"metadata\":{\"regionType\":"
		      "\"Logical\"}}]}" } },
	  .out = "NAME    DISPLAY NAME  GEOGRAPHY\neastus  East US       US\n" },
	{ "sizes, of machines",
	  cmd_sizes,
	  NULL,
	  { { "GET " SUB "/providers/Microsoft.Compute/skus?api-version=2021-07-01"
	      "&$filter=location%20eq%20'eastus'",
	      200,
	      .body = "{\"value\":[{\"resourceType\":"
		      "\"disks\",\"name\":\"P10\"},{\"resourceType\":\"virtualMachines\",\"name\":\"B2\","
		      "\"capabilities\":[{\"name\":\"vCPUs\",\"value\":\"2\"},{\"name\":\"MemoryGB\","
		      "\"value\":"
		      "\"8\"},{\"name\":\"CpuArchitectureType\",\"value\":\"x64\"}],"
		      "\"locationInfo\":[{\"zones\":"
		      "[\"1\",\"3\"]}],"
		      "\"restrictions\":[{\"reasonCode\":\"NotAvailableForSubscription\"}]}]}" } },
	  .out = "NAME  VCPUS  MEMORY GB  ARCHITECTURE  ZONES  RESTRICTION\n"
		 "B2        2          8  x64           1,3    NotAvailableForSubscription\n" },

	/* deployments */
	{ "view-deployment",
	  cmd_view_deployment,
	  NULL,
	  { { "GET " DEPLOYMENT, 200,
	      .body = "{\"name\":\"cli-eastus\",\"properties\":{"
		      "\"provisioningState\":\"Running\",\"timestamp\":\"2026-01-02\"}}" },
	    { OPERATIONS, 200,
	      .body = VMS(OPERATION("1", "Running", "master0", "")) } },
	  .out = "TYPE             NAME     STATE    DURATION  REASON\n"
		 "virtualMachines  master0  Running  9 s       \n",
	  .talk = "deployment cli-eastus: Running, 2026-01-02" },
	{ "view-deployment of one that failed",
	  cmd_view_deployment,
	  NULL,
	  { { "GET " DEPLOYMENT, 200,
	      .body = "{\"name\":\"cli-eastus\",\"properties\":{"
		      "\"provisioningState\":\"Failed\",\"error\":{\"code\":\"DeploymentFailed\","
		      "\"message\":\"x\","
		      "\"details\":[{\"code\":\"QuotaExceeded\",\"message\":\"Maximum allowed: 10\"}]}}}" },
	    { OPERATIONS, 200,
	      .body = VMS(OPERATION("1", "Failed", "master0",
				    "\"statusMessage\":" QUOTA ",")) } },
	  ERR_AZURE,
	  "deployment Failed: QuotaExceeded: Maximum allowed: 10",
	  .out = "TYPE             NAME     STATE   DURATION  REASON\n"
		 "virtualMachines  master0  Failed  9 s       QuotaExceeded: Maximum allowed: "
		 "10\n" },
	{ "view-deployment of one that failed and does not say why",
	  cmd_view_deployment,
	  NULL,
	  { { "GET " DEPLOYMENT, 200,
	      .body = "{\"name\":\"cli-eastus\",\"properties\":{"
		      "\"provisioningState\":\"Failed\"}}" },
	    { OPERATIONS, 200,
	      .body = VMS(OPERATION("1", "Succeeded", "master1", "") "," OPERATION(
		      "2", "Failed", "agents",
		      "") "," OPERATION("3", "Failed", "master0",
					"\"statusMessage\":\"{\\\"error\\\":{\\\"code\\\":"
					"\\\"QuotaExceeded\\\",\\\"message\\\":\\\"no more\\\"}}\",")) } },
	  ERR_AZURE,
	  "deployment Failed: virtualMachines master0: QuotaExceeded: no more|!no reason",
	  .out = "TYPE             NAME     STATE      DURATION  REASON\n"
		 "virtualMachines  master1  Succeeded  9 s       \n"
		 "virtualMachines  agents   Failed     9 s       \n"
		 "virtualMachines  master0  Failed     9 s       QuotaExceeded: no more\n" },
	{ "view-deployment of one that failed, and nothing says why",
	  cmd_view_deployment,
	  NULL,
	  { { "GET " DEPLOYMENT, 200,
	      .body = "{\"properties\":{\"provisioningState\":\"Failed\"}}" },
	    { OPERATIONS, 200,
	      .body = VMS(OPERATION("1", "Failed", "agents", "")) } },
	  ERR_AZURE,
	  "deployment Failed: Azure gave no reason",
	  .out = "TYPE             NAME    STATE   DURATION  REASON\n"
		 "virtualMachines  agents  Failed  9 s       \n" },
	{ "view-deployment until its end",
	  cmd_view_deployment,
	  NULL,
	  { { "GET " DEPLOYMENT, 200,
	      .body = "{\"properties\":{\"provisioningState\":\"Running\"}}" },
	    { OPERATIONS, 200,
	      .body = VMS(OPERATION("1", "Running", "master0", "")) },
	    { "GET " DEPLOYMENT, 200,
	      .body = "{\"properties\":{\"provisioningState\":\"Succeeded\"}}" },
	    { OPERATIONS, 200,
	      .body = VMS(OPERATION("1", "Succeeded", "master0", "")) },
	    { "GET " DEPLOYMENT, 200,
	      .body = "{\"properties\":{\"provisioningState\":\"Succeeded\"}}" },
	    { OPERATIONS, 200,
	      .body = VMS(OPERATION("1", "Succeeded", "master0", "")) } },
	  .out = "TYPE             NAME     STATE      DURATION  REASON\n"
		 "virtualMachines  master0  Succeeded  9 s       \n",
	  .watch = true,
	  .talk = "Running    virtualMachines|Succeeded  virtualMachines" },
	{ "view-deployment of none",
	  cmd_view_deployment,
	  NULL,
	  { { "GET " DEPLOYMENT, 404, .body = NOT_FOUND } },
	  ERR_AZURE,
	  "ResourceNotFound: gone" },

	/* destruction */
	{ "destroy-compute",
	  cmd_destroy_compute,
	  NULL,
	  { { "DELETE " GROUP FORCE, 202, LOCATION },
	    { GET_OP, 202, LOCATION },
	    { GET_OP, 200 },
	    { "GET " GROUP, 404, .body = NOT_FOUND },
	    NO_BAKE },
	  .confirm = "swarm-cluster",
	  .talk = "resource group swarm-cluster deleted, nothing of it is left" },
	{ "destroy-compute of nothing",
	  cmd_destroy_compute,
	  NULL,
	  { { "DELETE " GROUP FORCE, 404, .body = NOT_FOUND }, NO_BAKE },
	  .confirm = "swarm-cluster",
	  .talk = "resource group swarm-cluster is not there|!deleted" },
	{ "destroy-compute, not to be waited for",
	  cmd_destroy_compute,
	  NULL,
	  { { "DELETE " GROUP FORCE, 202, LOCATION }, NO_BAKE },
	  .confirm = "swarm-cluster",
	  .talk = "is being deleted",
	  .no_wait = true },
	{ "destroy-compute, and it is still there",
	  cmd_destroy_compute,
	  NULL,
	  { { "DELETE " GROUP FORCE, 202, LOCATION },
	    { GET_OP, 200 },
	    { "GET " GROUP, 200,
	      .body = "{\"properties\":{\"provisioningState\":\"Succeeded\"}}" } },
	  ERR_AZURE,
	  "resource group swarm-cluster is still there (Succeeded)",
	  .confirm = "swarm-cluster",
	  .talk = "!deleted" },
	{ "destroy-compute, and Azure will not",
	  cmd_destroy_compute,
	  NULL,
	  { { "DELETE " GROUP FORCE, 202, LOCATION },
	    { GET_OP, 409, .body = BLOCKED },
	    { "DELETE " GROUP, 202, LOCATION },
	    { GET_OP, 409, .body = BLOCKED } },
	  ERR_AZURE,
	  "resource group swarm-cluster to be deleted: InUse: a disk [HTTP 409",
	  .confirm = "swarm-cluster",
	  .talk = "InUse: a disk|once more" },
	{ "destroy-compute, and Azure will not by force",
	  cmd_destroy_compute,
	  NULL,
	  { { "DELETE " GROUP FORCE, 409,
	      .body = "{\"error\":{\"code\":\"OperationNotAllowed\",\"message\":\"m\"}}" },
	    { "DELETE " GROUP, 202, LOCATION },
	    { GET_OP, 200 },
	    { "GET " GROUP, 404, .body = NOT_FOUND },
	    NO_BAKE },
	  .confirm = "swarm-cluster",
	  .talk = "OperationNotAllowed|once more|swarm-cluster deleted" },
	{ "destroy-compute, and a lock is on it",
	  cmd_destroy_compute,
	  NULL,
	  { { "DELETE " GROUP FORCE, 409,
	      .body = "{\"error\":{\"code\":\"ScopeLocked\",\"message\":\"m\"}}" } },
	  ERR_AZURE,
	  "ScopeLocked: m",
	  .confirm = "swarm-cluster",
	  .talk = "!once more" },
	{ "destroy-cluster, both groups",
	  cmd_destroy_cluster,
	  NULL,
	  { { "DELETE " GROUP FORCE, 202, LOCATION },
	    { GET_OP, 200 },
	    { "GET " GROUP, 404, .body = NOT_FOUND },
	    NO_BAKE,
	    { "DELETE " STORAGE FORCE, 202, LOCATION },
	    { GET_OP, 200 },
	    { "GET " STORAGE, 404, .body = NOT_FOUND } },
	  .confirm = "swarm-cluster",
	  .talk = "swarm-cluster deleted|swarm-storage deleted|keys/" },
	{ "destroy-cluster, and a bake was cut off",
	  cmd_destroy_cluster,
	  NULL,
	  { { "DELETE " GROUP FORCE, 404, .body = NOT_FOUND },
	    { "GET " BAKE, 200,
	      .body = "{\"tags\":{\"azswarm-bake\":\"x64/0.2.1\",\"azswarm-since\":"
		      "\"2026-11-30T20:45:00Z\"}}" },
	    { "GET " IN_BAKE, 200, .body = VMS("{\"name\":\"bake-nic\"}") },
	    { "DELETE " BAKE FORCE, 202, LOCATION },
	    { GET_OP, 200 },
	    { "GET " BAKE, 404, .body = NOT_FOUND },
	    { "DELETE " STORAGE FORCE, 404, .body = NOT_FOUND } },
	  .confirm = "swarm-cluster",
	  .talk = "begun 2026-11-30T20:45:00Z: it goes, too|"
		  "swarm-cluster-bake deleted" },
	{ "destroy-compute, and that has what is somebody's",
	  cmd_destroy_compute,
	  NULL,
	  { { "DELETE " GROUP FORCE, 404, .body = NOT_FOUND },
	    { "GET " BAKE, 200,
	      .body = "{\"tags\":{\"azswarm-bake\":\"x64/0.2.1\"}}" },
	    { "GET " IN_BAKE, 200, .body = VMS("{\"name\":\"mine\"}") } },
	  ERR_DATA,
	  "resource group swarm-cluster-bake stays: mine in it",
	  .confirm = "swarm-cluster" },
	{ "destroy-compute, and that is another's group",
	  cmd_destroy_compute,
	  NULL,
	  { { "DELETE " GROUP FORCE, 404, .body = NOT_FOUND },
	    { "GET " BAKE, 200, .body = "{\"tags\":{\"mine\":\"yes\"}}" } },
	  .confirm = "swarm-cluster",
	  .talk = "!bake" },
	{ "destroy-compute, by who may not look there",
	  cmd_destroy_compute,
	  NULL,
	  { { "DELETE " GROUP FORCE, 404, .body = NOT_FOUND },
	    { "GET " BAKE, 403,
	      .body = "{\"error\":{\"code\":\"AuthorizationFailed\","
		      "\"message\":\"m\"}}" } },
	  .confirm = "swarm-cluster" },
	{ "destroy-cluster: what is wanted is named",
	  cmd_destroy_cluster,
	  NULL,
	  { { NULL } },
	  ERR_USAGE,
	  "--confirm \"swarm-storage\" is not \"swarm-cluster\"; nothing was destroyed",
	  .confirm = "swarm-storage" },
};

static void run_row(const struct row *row)
{
	char command[] = "command", account[] = "account1", word[64] = "",
	     *argv[] = { command, word, NULL };
	struct buf why = BUF_INIT(1u << 20);
	struct err e = ERR_INIT;
	struct settings set;
	struct ui ui = { .format = UI_TABLE };
	struct session s = { .set = &set,
			     .ui = &ui,
			     .no_wait = row->no_wait,
			     .watch = row->watch,
			     .yes = row->yes,
			     .open = true,
			     .confirm = row->confirm,
			     .account = account };
	char *out = NULL, *talk = NULL;
	size_t out_n, talk_n;
	struct rig g;
	int rc;

	ui.out = open_memstream(&out, &out_n);
	ui.err = open_memstream(&talk, &talk_n);
	settings_init(&set);
	if (row->warm != NULL)
		settings_set(&set, S_WARM_AGENTS, row->warm, "flag");
	rig_open(&g, row->acts, NULL);
	s.az = g.az;
	snprintf(word, sizeof(word), "%s", row->word ? row->word : "");
	rc = row->run(&s, row->word ? 2 : 1, argv, &e);
	g.az = s.az;
	fclose(ui.out);
	fclose(ui.err);

	if (!double_content(&g.d, &why))
		;
	else if (rc != (row->kind == ERR_NONE ? 0 : -1) || e.kind != row->kind)
		buf_addf(&why, "rc %d, kind %d not %d: %s", rc, e.kind,
			 row->kind, e.msg);
	else if (row->words != NULL && !holds(e.msg, row->words, &why))
		;
	else if (strcmp(out, row->out ? row->out : "") != 0)
		buf_addf(&why, "stdout is \"%s\"", out);
	else if (row->talk != NULL && !holds(talk, row->talk, &why))
		;
	else if (dials_of(&g.d, ARM_HOST) > 1)
		buf_addf(&why, "%u connections", dials_of(&g.d, ARM_HOST));
	check_why(row->name, why.str);
	free(out);
	free(talk);
	settings_release(&set);
	buf_release(&why);
	rig_close(&g);
}

/* ---- advice ------------------------------------------------------------------ */

static void run_advice(void)
{
	static const struct {
		const char *name;
		enum err_kind kind;
		const char *code, *words; /* NULL: none */
	} asked[] = {
		{ "a role", ERR_AZURE, "AuthorizationFailed", "Contributor" },
		{ "a role on what is referred to", ERR_AZURE,
		  "LinkedAuthorizationFailed", "Contributor" },
		{ "a quota of machines", ERR_AZURE, "QuotaExceeded",
		  "AGENT_COUNT" },
		{ "a quota of deployments is none of machines", ERR_AZURE,
		  "DeploymentQuotaExceeded", "old ones" },
		{ "a quota of other things is none of machines", ERR_AZURE,
		  "ResourceGroupQuotaExceeded", NULL },
		{ "a lock that keeps old deployments", ERR_AZURE,
		  "DeploymentQuotaExceeded", "a lock on the group" },
		{ "public addresses", ERR_AZURE, "PublicIPCountLimitReached",
		  "MASTER_COUNT" },
		{ "public addresses, static ones", ERR_AZURE,
		  "StaticPublicIPCountLimitReached", "MASTER_COUNT" },
		{ "a size", ERR_AZURE, "SkuNotAvailable", "azswarm sizes" },
		{ "no room", ERR_AZURE, "AllocationFailed", "another LOCATION" },
		{ "no room in a zone", ERR_AZURE, "ZonalAllocationFailed",
		  "another LOCATION" },
		{ "no room for all that is wanted", ERR_AZURE,
		  "OverconstrainedAllocationRequest", "another LOCATION" },
		{ "no room in a zone for all that is wanted", ERR_AZURE,
		  "OverconstrainedZonalAllocationRequest", "azswarm sizes" },
		{ "an image of one's own that is gone", ERR_AZURE,
		  "GalleryImageNotFound", "azswarm params" },
		{ "a publisher's image that is gone", ERR_AZURE,
		  "PlatformImageNotFound", "withdrawn" },
		{ "keys that are not taken", ERR_AZURE,
		  "KeyBasedAuthenticationNotPermitted", "key access" },
		{ "an account's name", ERR_AZURE, "StorageAccountAlreadyTaken",
		  "STORAGE_ACCOUNT_NAME" },
		{ "a public name", ERR_AZURE, "DnsRecordInUse", "COMPUTE_GROUP" },
		{ "a public name, once more", ERR_AZURE, "DnsRecordIsReserved",
		  "COMPUTE_GROUP" },
		{ "a group that is elsewhere", ERR_AZURE,
		  "InvalidResourceGroupLocation", "LOCATION=" },
		{ "a policy", ERR_AZURE, "RequestDisallowedByPolicy", "policy" },
		{ "a region", ERR_AZURE, "RequestDisallowedByAzure",
		  "another LOCATION" },
		{ "a provider", ERR_AZURE, "MissingSubscriptionRegistration",
		  "register" },
		{ "a provider, as it is said, too", ERR_AZURE,
		  "SubscriptionNotRegistered", "register" },
		{ "a provider on its way", ERR_AZURE, "Registering",
		  "few minutes" },
		{ "a subscription", ERR_AZURE, "SubscriptionNotFound",
		  "AZURE_SUBSCRIPTION_ID" },
		{ "a subscription that is disabled", ERR_AZURE,
		  "ReadOnlyDisabledSubscription", "AZURE_SUBSCRIPTION_ID" },
		{ "a tenant", ERR_AUTH, "InvalidAuthenticationTokenTenant",
		  "AZURE_TENANT_ID=TARGET, or" },
		{ "what gave way", ERR_AZURE, "OperationPreempted", "autoscale" },
		{ "a code in another case", ERR_AZURE, "scopelocked", "Locks" },
		{ "a lock", ERR_AZURE, "ScopeLocked", "Locks" },
		{ "what may have been done", ERR_NET, AZURE_OUTCOME_UNKNOWN,
		  "list-agents" },
		{ "the same word of another's", ERR_DOCKER, "QuotaExceeded", NULL },
		{ "another code", ERR_AZURE, "InternalServerError", NULL },
		{ "no code", ERR_AZURE, "", NULL },
		{ "no error", ERR_NONE, "", NULL },
	};

	for (size_t i = 0; i < sizeof(asked) / sizeof(*asked); i++) {
		struct buf text = BUF_INIT(1024);
		struct err e = ERR_INIT;
		const char *got;
		char name[120];

		/* the words of the message are no reason */
		if (asked[i].kind != ERR_NONE)
			err_refused(&e, asked[i].kind, asked[i].code, "TARGET",
				    "quota, unknown whether "
				    "Azure, AllocationFailed");
		got = advice(&e, &text) ? text.str : NULL;
		snprintf(name, sizeof(name), "advice: %s", asked[i].name);
		check_why(name, asked[i].words == NULL ? (got == NULL ? "" : got) :
				got == NULL	       ? "none" :
				strstr(got, asked[i].words) != NULL ? "" :
								      got);
		buf_release(&text);
	}
}

/* OperationNotAllowed is said of many things. */
static void image_type(void)
{
	static const char *const said[] = {
		"The Image type for a Virtual Machine Scale Set may not be changed.",
		"Operation could not be completed",
	};

	for (size_t i = 0; i < 2; i++) {
		struct buf text = BUF_INIT(1024);
		struct err e = ERR_INIT;
		bool got;

		err_refused(&e, ERR_AZURE, "OperationNotAllowed", "", "%s",
			    said[i]);
		got = advice(&e, &text) &&
		      strstr(text.str, "IMAGE=marketplace") != NULL;
		check_why("advice: another kind of image, by its words",
			  got == (i == 0) ? "" : said[i]);
		buf_release(&text);
	}
}

/* docker-env's tunnel: how long it waits for somebody to use it. */
static void idle(void)
{
	const int64_t hour = 3600000, used = 12345;

	check_why("a tunnel in use stays",
		  tunnel_is_idle(used, used) ? "it ends" : "");
	check_why("a tunnel stays for an hour",
		  tunnel_is_idle(used, used + hour - 1) ? "it ends" : "");
	check_why("a tunnel ends after an hour",
		  tunnel_is_idle(used, used + hour) ? "" : "it stays");
	check_why("a tunnel forgotten for a week ends",
		  tunnel_is_idle(used, used + 168 * hour) ? "" : "it stays");
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	json_init();
	run_advice();
	image_type();
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		run_row(&rows[i]);
	idle();
	return check_failed();
}
