/*
 * Microsoft's Azure clients for JavaScript against the local Azure: what our
 * commands do, done by libraries that were written for Azure.  How they wait
 * for an operation, follow pages, take a refusal apart and what fields they
 * make of an answer is Microsoft's own idea of the protocol.
 *
 *	node clients.js TEMPLATE PARAMETERS FAULTS
 *
 * Run by tests/conformance/npm-clients.sh, which sets the environment.  Two
 * things are arranged: where the cloud is, and that there is no asking
 * login.microsoftonline.com whether it knows our host.  Names below localhost
 * are loopback (RFC 6761); glibc alone does not know.
 */
"use strict";
const dns = require("dns"), fs = require("fs"), https = require("https");

const lookup = dns.lookup;
dns.lookup = (host, ...rest) =>
	lookup(/\.localhost$/.test(host) ? "127.0.0.1" : host, ...rest);

const { ClientSecretCredential, EnvironmentCredential } = require("@azure/identity");
const { ComputeManagementClient } = require("@azure/arm-compute");
const { MonitorClient } = require("@azure/arm-monitor");
const { NetworkManagementClient } = require("@azure/arm-network");
const { ResourceManagementClient } = require("@azure/arm-resources");
const { StorageManagementClient } = require("@azure/arm-storage");
const { SubscriptionClient } = require("@azure/arm-subscriptions");

const env = process.env;
const endpoint = env.AZURE_RESOURCE_MANAGER_ENDPOINT, id = env.AZURE_SUBSCRIPTION_ID;
const template = JSON.parse(fs.readFileSync(process.argv[2]));
const parameters = JSON.parse(fs.readFileSync(process.argv[3])).parameters;
const soon = { updateIntervalInMs: 200 };	/* between polls, where Azure names no time */
let failed = 0;

/* ---- verdicts ---- */

function same(name, wanted, got)
{
	const a = JSON.stringify(wanted), b = JSON.stringify(got);

	if (a === b)
		console.log("ok npm-clients " + name);
	else
		console.log(`not ok npm-clients ${name}: wanted ${a}, got ${b}`);
	failed += a !== b;
}

/* Every path is there and of that kind: nothing was lost on the way in. */
function whole(name, object, kinds)
{
	const wrong = Object.entries(kinds).filter(([path, kind]) => {
		const v = path.split(".").reduce((o, k) => o?.[k], object);

		return kind instanceof RegExp ? !kind.test(v) :
		       kind === Array ? !Array.isArray(v) || v.length === 0 :
		       kind === Date ? !(v instanceof Date) || isNaN(v) : typeof v !== kind;
	}).map(([path]) => path);

	same(name, [], wrong);
}

/* A refusal as core-rest-pipeline's RestError tells it: status, code, words. */
async function refused(name, status, code, words, call)
{
	let got = "no error";

	try {
		await call();
	} catch (e) {
		const error = e.details?.error ?? e.details ?? {};
		const text = error.message ?? e.message ?? "";

		got = [e.name, e.statusCode, e.code ?? error.code, text.includes(words) ? words : text];
	}
	same(name, ["RestError", status, code, words], got);
	return got;
}

async function all(pages)
{
	const rows = [];

	for await (const row of pages)
		rows.push(row);
	return rows;
}

async function page_sizes(pages)
{
	const sizes = [];

	for await (const page of pages.byPage())
		sizes.push(page.length);
	return sizes;
}

const names = rows => rows.map(r => r.name).sort();
const code = (view, kind) =>
	view?.statuses?.find(s => s.code.startsWith(kind + "/"))?.code.split("/")[1];

/* ---- sign-in ---- */

const credential = new ClientSecretCredential(env.AZURE_TENANT_ID, env.AZURE_CLIENT_ID,
	env.AZURE_CLIENT_SECRET, { authorityHost: env.AZURE_AUTHORITY_HOST, disableInstanceDiscovery: true });
const resources = new ResourceManagementClient(credential, id, { endpoint });
const compute = new ComputeManagementClient(credential, id, { endpoint });
const network = new NetworkManagementClient(credential, id, { endpoint });
const storage = new StorageManagementClient(credential, id, { endpoint });
const monitor = new MonitorClient(credential, id, { endpoint });
const subscriptions = new SubscriptionClient(credential, { endpoint });

async function sign_in()
{
	const t = await credential.getToken("https://management.azure.com/.default");

	same("a token for the secret", [3, true],
	     [t.token.split(".").length, t.expiresOnTimestamp > Date.now() + 50 * 60000]);
	same("the environment's credential", 3, (await new EnvironmentCredential({
		disableInstanceDiscovery: true }).getToken("https://management.azure.com/.default")).token.split(".").length);
	try {
		await new ClientSecretCredential(env.AZURE_TENANT_ID, env.AZURE_CLIENT_ID, "wrong", {
			authorityHost: env.AZURE_AUTHORITY_HOST, disableInstanceDiscovery: true })
			.getToken("https://management.azure.com/.default");
		same("a wrong secret", "an error", "none");
	} catch (e) {
		/* MSAL puts the status away; the number is Entra's */
		same("a wrong secret", ["AuthenticationRequiredError", true],
		     [e.name, /^invalid_client: .*7000215.* AADSTS7000215: /.test(e.message)]);
	}
}

/* ---- subscriptions, regions, what may be had ---- */

async function surroundings()
{
	const s = await subscriptions.subscriptions.get(id);

	same("the subscription", [id, "Enabled"], [s.subscriptionId, s.state]);
	same("subscriptions", [id], (await all(subscriptions.subscriptions.list())).map(x => x.subscriptionId));
	same("tenants", [env.AZURE_TENANT_ID], (await all(subscriptions.tenants.list())).map(x => x.tenantId));
	whole("a region", (await all(subscriptions.subscriptions.listLocations(id))).find(l => l.name === "eastus"),
	      { id: /\/locations\/eastus$/, displayName: /^East US$/ });

	same("a provider registers", ["Microsoft.Compute", "Registering"], await resources.providers
	     .register("Microsoft.Compute").then(p => [p.namespace, p.registrationState]));
	const p = await resources.providers.get("Microsoft.Compute");

	same("and is registered", "Registered", p.registrationState);
	whole("with its types", p.resourceTypes.find(t => t.resourceType === "virtualMachineScaleSets"),
	      { locations: Array, apiVersions: Array });
	same("providers", true, (await all(resources.providers.list())).some(x => x.namespace === "Microsoft.Storage"));
	await refused("a provider that is not", 404, "InvalidResourceNamespace", "'Microsoft.None' is invalid",
		() => resources.providers.get("Microsoft.None"));

	const skus = await all(compute.resourceSkus.list({ filter: "location eq 'eastus'" }));
	const size = skus.find(x => x.name === "Standard_B2s_v2");

	same("sizes", ["virtualMachines", "2", "8", ["eastus"], []],
	     [size.resourceType, ...["vCPUs", "MemoryGB"].map(n => size.capabilities.find(c => c.name === n).value),
	      size.locations, size.restrictions]);
	same("a size that is refused", "NotAvailableForSubscription",
	     skus.find(x => x.name === "Standard_B1s").restrictions[0].reasonCode);
	same("quota", [100, 0, "Count"], (await all(compute.usageOperations.list("eastus")))
	     .filter(u => u.name.value === "cores").flatMap(u => [u.limit, u.currentValue, u.unit]));
}

/* ---- groups ---- */

async function groups()
{
	const g = await resources.resourceGroups.createOrUpdate("npm", { location: "eastus", tags: { a: "b" } });

	same("a group", ["npm", "eastus", "Succeeded", { a: "b" }, "Microsoft.Resources/resourceGroups"],
	     [g.name, g.location, g.properties?.provisioningState, g.tags, g.type]);
	same("got", g.id, (await resources.resourceGroups.get("NPM")).id);
	await resources.resourceGroups.createOrUpdate("other", { location: "eastus" });
	same("listed", ["npm", "other", "swarm-storage"], names(await all(resources.resourceGroups.list())));
	same("there", [true, false], [(await resources.resourceGroups.checkExistence("npm")).body,
				      (await resources.resourceGroups.checkExistence("none")).body]);
	await refused("a group that is not", 404, "ResourceGroupNotFound", "'none' could not be found",
		() => resources.resourceGroups.get("none"));
	await refused("a group elsewhere", 409, "InvalidResourceGroupLocation", "already exists in location 'eastus'",
		() => resources.resourceGroups.createOrUpdate("npm", { location: "westus" }));
	await refused("a group nowhere", 400, "LocationNotAvailableForResourceGroup", "'nowhere' is not available",
		() => resources.resourceGroups.createOrUpdate("no", { location: "nowhere" }));
	await resources.resourceGroups.beginDeleteAndWait("other", soon);
	same("deleted", false, (await resources.resourceGroups.checkExistence("other")).body);
}

/* ---- the cluster, from the project's template ---- */

function deployment(more, t)
{
	return { properties: { mode: "Incremental", template: t ?? template,
			       parameters: t ? {} : { ...parameters, ...more } } };
}

/* A template of one scale set's worth of nothing: it takes a while and costs no name. */
const slow = { $schema: "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
	contentVersion: "1.0.0.0", resources: [0, 1, 2, 3, 4, 5].map(i => ({
		type: "Microsoft.Network/virtualNetworks", apiVersion: "2024-05-01", name: "slow" + i,
		location: "eastus", dependsOn: i ? [`slow${i - 1}`] : [],
		properties: { addressSpace: { addressPrefixes: ["10.9.0.0/16"] } } })) };

async function deployments()
{
	const d = resources.deployments;
	/* what no answer ever shows cannot be compared */
	const changed = result => result.changes.map(c => [c.resourceId.split("/").pop(),
		c.delta.map(x => x.path).filter(x => !x.endsWith(".customData"))]).filter(c => c[1].length > 0);
	const what_if = more => d.beginWhatIfAndWait("npm", "cluster", deployment(more), soon);
	const change = (result, name, f) => result.changes.filter(c => c.resourceId.endsWith("/" + name)).map(f)[0];
	const wrong = deployment({ adminUsername: { value: "admin" } });
	const valid = await d.beginValidateAndWait("npm", "cluster", deployment(), soon);

	same("validated", ["Succeeded", undefined, 11],
	     [valid.properties?.provisioningState, valid.error, valid.properties?.validatedResources?.length]);
	await refused("a deployment that cannot be", 400, "InvalidTemplateDeployment", "not valid according",
		() => d.beginCreateOrUpdateAndWait("npm", "cluster", wrong, soon));
	/* the client takes a refused validation for an answer, as the API has it */
	const no = await d.beginValidateAndWait("npm", "cluster", wrong, soon).then(v => v.error, e => e.details?.error ?? e);
	same("validation says no", ["InvalidTemplateDeployment", "PreflightValidationCheckFailed"],
	     [no?.code, no?.details?.[0]?.code]);
	await refused("no such parameter", 400, "InvalidTemplate", "nothing",
		() => d.beginCreateOrUpdateAndWait("npm", "cluster", deployment({ nothing: { value: 1 } }), soon));
	await refused("a deployment that is not", 404, "DeploymentNotFound", "'cluster' could not be found",
		() => d.get("npm", "cluster"));
	same("not there", false, (await d.checkExistence("npm", "cluster")).body);

	const first = await what_if();

	same("what if: all would be made", ["Succeeded", undefined, 11, ["Create"]],
	     [first.status, first.error, first.changes?.length, [...new Set(first.changes?.map(c => c.changeType))]]);
	same("what if: a set that would be", [undefined, "2024-07-01", "agents"], change(first, "agents",
	     c => [c.before, c.after.apiVersion, c.after.name]));
	const not = await what_if({ adminUsername: { value: "admin" } });

	same("what if: it would be refused", ["Failed", "InvalidTemplateDeployment", "PreflightValidationCheckFailed"],
	     [not.status, not.error?.code, not.error?.details?.[0]?.code]);
	await refused("what if: no such parameter", 400, "InvalidTemplate", "nothing",
		() => what_if({ nothing: { value: 1 } }));
	same("what if: nothing came of it", [], await all(resources.resources.listByResourceGroup("npm")));

	const poller = await d.beginCreateOrUpdate("npm", "cluster", deployment(), soon);
	const begun = poller.getOperationState();

	same("begun", ["running", false], [begun.status, poller.isDone()]);
	await refused("another one of that name", 409, "DeploymentActive", "still active",
		() => d.beginCreateOrUpdateAndWait("npm", "cluster", deployment(), soon));
	const done = await poller.pollUntilDone();

	same("deployed", ["cluster", "Succeeded", "Incremental"],
	     [done.name, done.properties.provisioningState, done.properties.mode]);
	const got = await d.get("npm", "cluster");

	whole("whole", got, { id: /\/resourceGroups\/npm\/providers\/Microsoft.Resources\/deployments\/cluster$/,
		"properties.timestamp": Date, "properties.duration": /^PT[\d.]+S$/,
		"properties.correlationId": /^[0-9a-f-]{36}$/, "properties.outputResources": Array,
		"properties.templateHash": /^\d+$/ });
	same("its outputs", ["agentsAddress", "agentsFqdn", "masterAddress", "masterFqdn"],
	     Object.keys(got.properties.outputs).sort());
	same("of a type", "String", got.properties.outputs.masterFqdn.type);
	same("no secret in its parameters", [undefined, "SecureString"],
	     [got.properties.parameters.masterCustomData.value, got.properties.parameters.masterCustomData.type]);
	same("there now", true, (await d.checkExistence("npm", "cluster")).body);
	const again = await what_if();

	same("what if: again, nothing would change", [11, []], [again.changes.length, changed(again)]);
	const more = await what_if({ agentCount: { value: parameters.agentCount.value + 1 } });

	/* from what to what its model cannot say of a number */
	same("what if: one more agent", [["agents", ["sku.capacity"]], ["agents-autoscale", ["properties.profiles"]]],
	     changed(more).sort());
	same("what if: how", [["Modify", "Modify"], ["Modify", "Array"]], ["agents", "agents-autoscale"]
	     .map(n => change(more, n, c => [c.changeType, c.delta[0].propertyChangeType])));
	const sizes = await page_sizes(resources.deploymentOperations.list("npm", "cluster", { top: 5 }));
	const rows = await all(resources.deploymentOperations.list("npm", "cluster"));

	same("its operations, over pages", [true, 12], [sizes.length > 2, sizes.reduce((a, b) => a + b)]);
	whole("an operation", rows.find(r => r.properties.targetResource?.resourceName === "agents"),
	      { operationId: "string", "properties.timestamp": Date, "properties.duration": /^PT/,
		"properties.statusCode": /^(OK|Created)$/, "properties.provisioningState": /^Succeeded$/,
		"properties.targetResource.id": /virtualMachineScaleSets\/agents$/,
		"properties.provisioningOperation": /^Create$/ });
	same("listed", ["cluster"], names(await all(d.listByResourceGroup("npm"))));
	same("listed by how they ended", [["cluster"], []], [
	     names(await all(d.listByResourceGroup("npm", { filter: "provisioningState eq 'Succeeded'" }))),
	     names(await all(d.listByResourceGroup("npm", { filter: "provisioningState eq 'Failed'" })))]);
	const group = await all(resources.resources.listByResourceGroup("npm", { top: 4 }));

	same("resources, over pages with an empty one", 11, group.length);
	same("of one type", ["vnet"], names(await all(resources.resources.listByResourceGroup("npm", {
	     filter: "resourceType eq 'Microsoft.Network/virtualNetworks'" }))));

	/* one that fails on the way: its error, down to the cause */
	const taken = { ...slow, resources: [{ ...slow.resources[0], name: "bad",
		properties: { addressSpace: { addressPrefixes: ["10.9.0.0/16"] }, subnets: [{ name: "s",
			properties: { addressPrefix: "10.9.0.0/24", networkSecurityGroup: {
				id: `/subscriptions/${id}/resourceGroups/npm/providers/Microsoft.Network/networkSecurityGroups/none` } } }] } }] };
	let e;

	try {
		await d.beginCreateOrUpdateAndWait("npm", "bad", deployment({}, taken), soon);
	} catch (x) {
		e = x;
	}
	same("one that fails", true, /DeploymentFailed|InvalidResourceReference|At least one resource/.test(e?.message));
	const bad = await d.get("npm", "bad");

	same("and says why", ["Failed", "DeploymentFailed", true],
	     [bad.properties.provisioningState, bad.properties.error?.code,
	      /InvalidResourceReference/.test(JSON.stringify(bad.properties.error?.details))]);
	const why = (await all(resources.deploymentOperations.list("npm", "bad")))[0].properties;

	same("in its operation, too", ["Failed", "BadRequest", "InvalidResourceReference"],
	     [why.provisioningState, why.statusCode, why.statusMessage?.error?.code]);

	const running = await d.beginCreateOrUpdate("npm", "slow", deployment({}, slow), soon);

	await d.cancel("npm", "slow");
	same("cancelled", "canceled", await running.pollUntilDone().then(() => "done",
	     () => running.getOperationState().status));
	same("and stays so", "Canceled", (await d.get("npm", "slow")).properties.provisioningState);
	await refused("not twice", 409, "DeploymentCannotBeCancelled", "not active", () => d.cancel("npm", "slow"));
	await d.beginDeleteAndWait("npm", "slow", soon);
	await d.beginDeleteAndWait("npm", "bad", soon);
	same("deleted", ["cluster"], names(await all(d.listByResourceGroup("npm"))));
}

/* ---- the scale set ---- */

async function scale_set()
{
	const sets = compute.virtualMachineScaleSets, vms = compute.virtualMachineScaleSetVMs;
	const power = async () => Object.fromEntries((await all(vms.list("npm", "agents", { expand: "instanceView" })))
		.map(v => [v.instanceId, code(v.instanceView, "PowerState")]));
	const every = (n, state) => Object.fromEntries(n.map(i => [i, state]));

	same("sets", ["agents"], names(await all(sets.list("npm"))));
	same("sets of the subscription", ["agents"], names(await all(sets.listAll())));
	const set = await sets.get("npm", "agents");

	whole("a set", set, { "sku.capacity": "number", "sku.name": /^Standard_/, "sku.tier": /^Standard$/,
		location: /^eastus$/, provisioningState: /^Succeeded$/, "upgradePolicy.mode": /^Manual$/,
		uniqueId: /^[0-9a-f-]{36}$/, timeCreated: Date, overprovision: "boolean",
		"virtualMachineProfile.osProfile.computerNamePrefix": "string", etag: /^"\d+"$/,
		"virtualMachineProfile.osProfile.linuxConfiguration.ssh.publicKeys": Array,
		"virtualMachineProfile.networkProfile.networkInterfaceConfigurations.0.ipConfigurations.0.subnet.id": "string",
		"virtualMachineProfile.storageProfile.imageReference.offer": "string",
		"virtualMachineProfile.storageProfile.osDisk.diskSizeGB": "number" });
	same("no custom data", undefined, set.virtualMachineProfile.osProfile.customData);

	const scale = capacity => sets.beginUpdateAndWait("npm", "agents", { sku: { ...set.sku, capacity } }, soon);

	same("scaled out", 4, (await scale(4)).sku.capacity);
	same("running", every([0, 1, 2, 3], "running"), await power());
	await refused("past the quota", 409, "OperationNotAllowed", "exceeding approved Total Regional Cores quota",
		() => scale(90));
	await refused("a wrong size", 400, "InvalidParameter", "Standard_None",
		() => sets.beginUpdateAndWait("npm", "agents", { sku: { name: "Standard_None", capacity: 1 } }, soon));
	same("scaled in", 3, (await scale(3)).sku.capacity);

	const rows = await all(vms.list("npm", "agents", { expand: "instanceView" }));

	whole("an instance", rows[0], { instanceId: /^0$/, name: /^agents_0$/, "sku.name": "string",
		vmId: /^[0-9a-f-]{36}$/, latestModelApplied: "boolean", provisioningState: /^Succeeded$/,
		"osProfile.computerName": "string", "instanceView.statuses": Array,
		"instanceView.statuses.0.time": Date, "instanceView.vmAgent.statuses.0.code": /^ProvisioningState\/Unavailable$/,
		"networkProfile.networkInterfaces": Array, "storageProfile.osDisk.name": "string",
		"networkProfileConfiguration.networkInterfaceConfigurations": Array });
	const one = await vms.get("npm", "agents", "1");

	same("one alone, no view unasked", ["agents_1", undefined], [one.name, one.instanceView]);
	same("with it when asked", "running", code((await vms.get("npm", "agents", "1", { expand: "instanceView" }))
	     .instanceView, "PowerState"));
	same("its view", ["succeeded", "running"], await vms.getInstanceView("npm", "agents", "1")
	     .then(v => [code(v, "ProvisioningState"), code(v, "PowerState")]));
	same("the view of the set", [["ProvisioningState/succeeded", 3], ["PowerState/running", 3]],
	     (await sets.getInstanceView("npm", "agents")).virtualMachine.statusesSummary.map(s => [s.code, s.count]));

	await sets.beginPowerOffAndWait("npm", "agents", soon);
	same("stopped", every([0, 1, 2], "stopped"), await power());
	await sets.beginStartAndWait("npm", "agents", { vmInstanceIDs: { instanceIds: ["1"] }, ...soon });
	same("one started", { 0: "stopped", 1: "running", 2: "stopped" }, await power());
	await sets.beginDeallocateAndWait("npm", "agents", { vmInstanceIDs: { instanceIds: ["0"] }, ...soon });
	same("one deallocated", { 0: "deallocated", 1: "running", 2: "stopped" }, await power());
	await sets.beginStartAndWait("npm", "agents", soon);
	same("all started", every([0, 1, 2], "running"), await power());
	await sets.beginRestartAndWait("npm", "agents", soon);
	await sets.beginReimageAndWait("npm", "agents", { vmScaleSetReimageInput: { instanceIds: ["0"] }, ...soon });
	await sets.beginReimageAndWait("npm", "agents", soon);
	await vms.beginPowerOffAndWait("npm", "agents", "2", soon);
	same("one stopped by itself", { 0: "running", 1: "running", 2: "stopped" }, await power());
	await vms.beginStartAndWait("npm", "agents", "2", soon);
	await vms.beginReimageAndWait("npm", "agents", "2", soon);
	await vms.beginRestartAndWait("npm", "agents", "2", soon);
	await vms.beginDeallocateAndWait("npm", "agents", "2", soon);
	await vms.beginStartAndWait("npm", "agents", "2", soon);
	same("and all is well", every([0, 1, 2], "running"), await power());
	await sets.beginDeallocateAndWait("npm", "agents", soon);
	same("deallocated", every([0, 1, 2], "deallocated"), await power());
	await sets.beginStartAndWait("npm", "agents", soon);

	/* a new model reaches those it is asked for */
	await sets.beginUpdateAndWait("npm", "agents", { virtualMachineProfile: { osProfile: {
		customData: "IyEvYmluL3NoCg==" } } }, soon);
	const latest = async () => (await all(vms.list("npm", "agents"))).map(v => v.latestModelApplied);

	same("a new model is not applied by itself", [false, false, false], await latest());
	await sets.beginUpdateInstancesAndWait("npm", "agents", { instanceIds: ["1"] }, soon);
	same("only where it was asked for", [false, true, false], await latest());
	await sets.beginUpdateInstancesAndWait("npm", "agents", { instanceIds: ["*"] }, soon);
	same("or everywhere", [true, true, true], await latest());

	const result = await vms.beginRunCommandAndWait("npm", "agents", "1",
		{ commandId: "RunShellScript", script: ["hostname"] }, soon);

	same("a command's output", true, /^Enable succeeded: \n\[stdout\]/.test(result.value?.[0]?.message));
	await sets.beginDeleteInstancesAndWait("npm", "agents", { instanceIds: ["0"] }, soon);
	same("one deleted", [2, ["1", "2"]], [(await sets.get("npm", "agents")).sku.capacity, Object.keys(await power())]);
	await vms.beginDeleteAndWait("npm", "agents", "2", soon);
	same("and one by itself", [1, ["1"]], [(await sets.get("npm", "agents")).sku.capacity, Object.keys(await power())]);
	await refused("an instance that is not", 400, "InvalidParameter", "77 is not an active",
		() => sets.beginDeleteInstancesAndWait("npm", "agents", { instanceIds: ["77"] }, soon));
	await refused("an instance that is not, got", 404, "NotFound", "not found",
		() => vms.get("npm", "agents", "77"));
	await refused("a set that is not", 404, "ResourceNotFound",
		"'Microsoft.Compute/virtualMachineScaleSets/none' under resource group 'npm' was not found",
		() => sets.get("npm", "none"));
	await refused("a set in no group", 404, "ResourceGroupNotFound", "'none' could not be found",
		() => sets.get("none", "agents"));
	await refused("one that must not be there", 412, "PreconditionFailed", "If-None-Match",
		() => sets.beginCreateOrUpdateAndWait("npm", "agents", set, { ifNoneMatch: "*", ...soon }));
	await refused("an old etag", 412, "PreconditionFailed", "does not match",
		() => sets.beginUpdateAndWait("npm", "agents", { sku: set.sku }, { ifMatch: '"77"', ...soon }));

	/* two at once: the second is told to wait */
	const first = await sets.beginRestart("npm", "agents", soon);

	await refused("while another is at work", 409, "AnotherOperationInProgress", "in progress",
		() => vms.beginPowerOffAndWait("npm", "agents", "1", { ...soon, requestOptions: { timeout: 5000 } }));
	await first.pollUntilDone();
	await scale(2);
	/* the new one has the address that the first left behind */
	same("interfaces of the instances", ["10.77.16.5", "10.77.16.4"], (await all(network.networkInterfaces
	     .listVirtualMachineScaleSetNetworkInterfaces("npm", "agents"))).map(n => n.ipConfigurations[0].privateIPAddress));
	same("of one of them", ["10.77.16.5"], (await all(network.networkInterfaces
	     .listVirtualMachineScaleSetVMNetworkInterfaces("npm", "agents", "1"))).map(n => n.ipConfigurations[0].privateIPAddress));
}

/* ---- a machine ---- */

async function machine()
{
	const vms = compute.virtualMachines;
	const power = async () => code(await vms.instanceView("npm", "master0"), "PowerState");

	same("machines", ["master0"], names(await all(vms.list("npm"))));
	const seen = await vms.get("npm", "master0", { expand: "instanceView" });

	whole("a machine", seen, { vmId: /^[0-9a-f-]{36}$/, provisioningState: /^Succeeded$/, timeCreated: Date,
		"hardwareProfile.vmSize": /^Standard_/, "osProfile.computerName": "string",
		"networkProfile.networkInterfaces.0.id": /networkInterfaces\/master0-nic$/,
		"storageProfile.osDisk.name": "string", "instanceView.statuses": Array,
		"availabilitySet.id": "string",
		"instanceView.vmAgent.vmAgentVersion": "string", "instanceView.statuses.1.displayStatus": /^VM running$/ });
	await vms.beginPowerOffAndWait("npm", "master0", soon);
	same("stopped", "stopped", await power());
	await vms.beginStartAndWait("npm", "master0", soon);
	same("started", "running", await power());
	await vms.beginRestartAndWait("npm", "master0", soon);
	await vms.beginReimageAndWait("npm", "master0", soon);
	same("restarted, made anew", "running", await power());
	await vms.beginDeallocateAndWait("npm", "master0", soon);
	same("deallocated", "deallocated", await power());
	await refused("no command for a machine that is off", 409, "OperationNotAllowed", "not running",
		() => vms.beginRunCommandAndWait("npm", "master0", { commandId: "RunShellScript", script: ["true"] }, soon));
	await vms.beginStartAndWait("npm", "master0", soon);
	await refused("a machine that is not", 404, "ResourceNotFound", "virtualMachines/none",
		() => vms.get("npm", "none"));
	await refused("custom data is for life", 409, "PropertyChangeNotAllowed", "osProfile.customData",
		() => vms.beginUpdateAndWait("npm", "master0", { osProfile: { customData: "IyEvYmluL3NoCg==" } }, soon));
}

/* ---- the network and the rule that scales ---- */

async function net()
{
	const pips = await all(network.publicIPAddresses.list("npm"));

	same("public addresses", ["agents-lb-ip", "master0-ip"], names(pips));
	whole("an address", await network.publicIPAddresses.get("npm", "master0-ip"), { ipAddress: /^127\.77\.\d+\.\d+$/,
		publicIPAllocationMethod: /^Static$/, "sku.name": /^Standard$/, "dnsSettings.fqdn": /\.eastus\./,
		"dnsSettings.domainNameLabel": "string", provisioningState: /^Succeeded$/, resourceGuid: "string",
		"ipConfiguration.id": /networkInterfaces\/master0-nic\/ipConfigurations\//,
		idleTimeoutInMinutes: "number", publicIPAddressVersion: /^IPv4$/, etag: /^W\// });
	const lb = await network.loadBalancers.get("npm", "agents-lb");

	same("the balancer's ports", [80, 81], lb.loadBalancingRules.map(r => r.frontendPort).sort());
	whole("the balancer", lb, { "frontendIPConfigurations.0.publicIPAddress.id": /agents-lb-ip$/,
		"backendAddressPools.0.id": "string", "probes.0.port": "number", "probes.0.intervalInSeconds": "number",
		"outboundRules.0.protocol": "string", provisioningState: /^Succeeded$/, "sku.name": /^Standard$/,
		"loadBalancingRules.0.probe.id": "string" });
	same("balancers", ["agents-lb"], names(await all(network.loadBalancers.list("npm"))));
	const as_read = { ...soon, requestOptions: { customHeaders: { "If-Match": lb.etag } } };
	const put = () => network.loadBalancers.beginCreateOrUpdateAndWait("npm", "agents-lb", { ...lb, loadBalancingRules:
		[...lb.loadBalancingRules, { ...lb.loadBalancingRules[0], id: undefined, name: "udp-5353", protocol: "Udp",
			frontendPort: 5353, backendPort: 5353, enableTcpReset: false }] }, as_read);

	same("a rule more, as it was read", ["http-80", "http-81", "udp-5353"], names((await put()).loadBalancingRules));
	await refused("who read it before is too late", 412, "PreconditionFailed", "Precondition failed.", put);
	const nsg = await network.networkSecurityGroups.get("npm", "masters-nsg");

	same("rules", true, nsg.securityRules.length > 0 && nsg.securityRules.every(r =>
	     r.id && r.provisioningState === "Succeeded" && typeof r.priority === "number" &&
	     /^(Inbound|Outbound)$/.test(r.direction) && /^(Allow|Deny)$/.test(r.access)));
	const vnet = await network.virtualNetworks.get("npm", "vnet");

	whole("the network", vnet, { "addressSpace.addressPrefixes": Array, "subnets.0.addressPrefix": "string",
		"subnets.0.networkSecurityGroup.id": "string", "subnets.0.defaultOutboundAccess": "boolean",
		provisioningState: /^Succeeded$/ });
	same("subnets", names(vnet.subnets), names(await all(network.subnets.list("npm", "vnet"))));
	same("a subnet", "10.77.16.0/20", (await network.subnets.get("npm", "vnet", "agents")).addressPrefix);
	const nic = await network.networkInterfaces.get("npm", "master0-nic");

	whole("an interface", nic, { "ipConfigurations.0.privateIPAddress": /^10\.77\./, macAddress: "string",
		"virtualMachine.id": /virtualMachines\/master0$/, "ipConfigurations.0.subnet.id": "string",
		"ipConfigurations.0.publicIPAddress.id": "string" });
	await refused("an interface in use", 400, "NicInUse", "is in use by",
		() => network.networkInterfaces.beginDeleteAndWait("npm", "master0-nic", soon));
	await refused("an address that is not", 404, "ResourceNotFound", "publicIPAddresses/none",
		() => network.publicIPAddresses.get("npm", "none"));

	const setting = await monitor.autoscaleSettings.get("npm", "agents-autoscale");

	whole("the autoscale setting", setting, { "profiles.0.capacity.minimum": "string", enabled: "boolean",
		"profiles.0.capacity.maximum": "string", "profiles.0.rules": Array,
		"profiles.0.rules.0.metricTrigger.threshold": "number", targetResourceUri: /virtualMachineScaleSets\/agents$/ });
	same("settings", ["agents-autoscale"], names(await all(monitor.autoscaleSettings.listByResourceGroup("npm"))));
	setting.profiles[0].capacity.maximum = "9";
	same("its bound moves", "9", (await monitor.autoscaleSettings.update("npm", "agents-autoscale", {
	     profiles: setting.profiles, enabled: false })).profiles[0].capacity.maximum);
	same("and stays", [false, "9"], await monitor.autoscaleSettings.get("npm", "agents-autoscale")
	     .then(s => [s.enabled, s.profiles[0].capacity.maximum]));
}

/* ---- storage ---- */

function fetch_status(method, url, body)
{
	return new Promise((resolve, reject) => {
		const r = https.request(url, { method, headers: { "x-ms-blob-type": "BlockBlob",
			"x-ms-version": "2022-11-02", "Content-Length": body?.length ?? 0 } }, answer => {
			let text = "";

			answer.on("data", d => text += d).on("end", () => resolve([answer.statusCode, text]));
		});

		r.on("error", reject).end(body);
	});
}

async function accounts()
{
	const s = storage.storageAccounts, name = "npmstock";
	const free = n => s.checkNameAvailability({ name: n, type: "Microsoft.Storage/storageAccounts" });
	const ask = { location: "eastus", kind: "StorageV2", sku: { name: "Standard_LRS" }, minimumTlsVersion: "TLS1_2",
		      allowBlobPublicAccess: false, enableHttpsTrafficOnly: true, tags: { a: "b" } };

	same("a name", [true, undefined], await free(name).then(a => [a.nameAvailable, a.reason]));
	same("a wrong name", [false, "AccountNameInvalid"], await free("No_Name").then(a => [a.nameAvailable, a.reason]));
	const made = await s.beginCreateAndWait("npm", name, ask, soon);

	whole("an account", made, { provisioningState: /^Succeeded$/, "sku.name": /^Standard_LRS$/, "sku.tier": /^Standard$/,
		kind: /^StorageV2$/, "primaryEndpoints.blob": /^https:/, "primaryEndpoints.file": /^https:/,
		creationTime: Date, statusOfPrimary: /^available$/, primaryLocation: /^eastus$/,
		"keyCreationTime.key1": Date, enableHttpsTrafficOnly: "boolean", "encryption.keySource": /^Microsoft.Storage$/,
		"networkRuleSet.defaultAction": /^Allow$/, "encryption.services.blob.enabled": "boolean" });
	same("again", made.id, (await s.beginCreateAndWait("npm", name, ask, soon)).id);
	same("a name that is taken", [false, "AlreadyExists"], await free(name).then(a => [a.nameAvailable, a.reason]));
	same("got", [made.id, "TLS1_2"], await s.getProperties("npm", name).then(a => [a.id, a.minimumTlsVersion]));
	same("listed", [name], names(await all(s.listByResourceGroup("npm"))));
	same("listed with all", true, names(await all(s.list())).includes(name));
	same("changed", "d", (await s.update("npm", name, { tags: { c: "d" } })).tags.c);
	const keys = (await s.listKeys("npm", name)).keys;

	same("keys", [["key1", 88, "FULL"], ["key2", 88, "FULL"]],
	     keys.map(k => [k.keyName, k.value.length, k.permissions.toUpperCase()]));
	same("with their age", true, keys.every(k => k.creationTime instanceof Date));
	same("a new key", [false, true], (await s.regenerateKey("npm", name, { keyName: "key2" })).keys
	     .map((k, i) => i === 0 ? k.value !== keys[0].value : k.value !== keys[1].value));

	const shares = storage.fileShares;

	same("a share", ["data", 5, "SMB"], await shares.create("npm", name, "data", { shareQuota: 5, enabledProtocols: "SMB" })
	     .then(x => [x.name, x.shareQuota, x.enabledProtocols]));
	await shares.create("npm", name, "config", {});
	whole("got", await shares.get("npm", name, "data"), { shareQuota: "number", lastModifiedTime: Date, etag: "string",
		accessTier: "string", leaseState: /^[Aa]vailable$/, leaseStatus: /^[Uu]nlocked$/ });
	same("shares", ["config", "data"], names(await all(shares.list("npm", name))));
	await shares.delete("npm", name, "config");
	await shares.delete("npm", name, "config");
	same("one is gone", ["data"], names(await all(shares.list("npm", name))));
	await refused("a share that is not", 404, "ShareNotFound", "does not exist", () => shares.get("npm", name, "none"));
	await refused("a share of a wrong name", 400, "InvalidResourceName", "name",
		() => shares.create("npm", name, "a--b", {}));
	/* what the local Azure has not it does not take for the account */
	await refused("no service of its own", 404, "InvalidResourceType", "fileServices",
		() => storage.fileServices.getServiceProperties("npm", name));
	const boxes = storage.blobContainers;

	same("a container", "bin", (await boxes.create("npm", name, "bin", {})).name);
	whole("got", await boxes.get("npm", name, "bin"), { lastModifiedTime: Date, leaseState: /^Available$/,
		publicAccess: /^None$/, hasLegalHold: "boolean", etag: "string" });
	same("containers", ["bin"], names(await all(boxes.list("npm", name))));
	await refused("no public ones", 409, "PublicAccessNotPermitted", "not permitted",
		() => boxes.create("npm", name, "open", { publicAccess: "Blob" }));

	/* what it signs opens the door */
	const expiry = new Date(Date.now() + 3600000);
	const url = made.primaryEndpoints.blob + "bin/dir/file?";
	const account = (await s.listAccountSAS("npm", name, { services: "b", resourceTypes: "sco", permissions: "rwdlac",
		protocols: "https", sharedAccessExpiryTime: expiry, keyToSign: "key1" })).accountSasToken;
	const service = (await s.listServiceSAS("npm", name, { canonicalizedResource: `/blob/${name}/bin/dir/file`,
		resource: "b", permissions: "r", protocols: "https", sharedAccessExpiryTime: expiry,
		keyToSign: "key1" })).serviceSasToken;

	same("written with the account's", 201, (await fetch_status("PUT", url + account, "hello"))[0]);
	same("read with the blob's", [200, "hello"], await fetch_status("GET", url + service));
	same("which does not let write", 403, (await fetch_status("PUT", url + service, "hello"))[0]);
	await boxes.delete("npm", name, "bin");
	same("the container is gone", [], names(await all(boxes.list("npm", name))));
	await refused("an account that is not", 404, "ResourceNotFound", "storageAccounts/none",
		() => s.getProperties("npm", "none"));
	await refused("no such version", 400, "InvalidRequestPropertyValue", "minimumTlsVersion",
		() => s.beginCreateAndWait("npm", "npmother", { ...ask, minimumTlsVersion: "TLS1_0" }, soon));
	await refused("a name that is another's", 409, "StorageAccountAlreadyTaken", "is already taken",
		() => resources.resourceGroups.createOrUpdate("npm2", { location: "eastus" }).then(() =>
			s.beginCreateAndWait("npm2", name, ask, soon)));
	await resources.resourceGroups.beginDeleteAndWait("npm2", soon);
	await s.delete("npm", name);
	same("the account is gone", [], names(await all(s.listByResourceGroup("npm"))));
	await s.delete("npm", name);
}

/* ---- faults, as the clients' own policies take them ---- */

/* Their retries are Microsoft's reading of a status, a header or a lost connection. */
async function faults()
{
	const get = () => resources.resourceGroups.get("npm").then(g => g.name, e => [e.statusCode, e.code]);
	const group = "GET *resourcegroups/npm?*";
	const during = async (rules, call) => {
		fs.writeFileSync(process.argv[4] + ".new", JSON.stringify(rules));
		fs.renameSync(process.argv[4] + ".new", process.argv[4]);
		const began = Date.now();
		const got = await call();

		fs.unlinkSync(process.argv[4]);
		return [got, Date.now() - began];
	};
	const restart = () => compute.virtualMachineScaleSets.beginRestartAndWait("npm", "agents", soon)
		.then(() => "done", e => [e.code ?? e.name, e.message]);
	const claims = Buffer.from('{"access_token":{"nbf":{"essential":true,"value":"1700000000"}}}').toString("base64");

	for (const [name, rule] of [
		["429 with Retry-After", { status: 429, code: "TooManyRequests", retryAfter: 1, times: 2 }],
		["503", { status: 503, code: "ServiceUnavailable", times: 1 }],
		["500", { status: 500, code: "InternalServerError", times: 1 }],
		["408", { status: 408, code: "RequestTimeout", times: 1 }],
		["a lost connection", { reset: true, times: 1 }] ])
		same(`${name} is tried again`, "npm", (await during([{ request: group, ...rule }], get))[0]);
	same("Retry-After is waited for", true, (await during([{ request: group, status: 429, code: "TooManyRequests",
		retryAfter: 2, times: 1 }], get))[1] >= 2000);
	same("a refusal is not tried again", [403, "AuthorizationFailed"], (await during([{ request: group, status: 403,
		code: "AuthorizationFailed", times: 1 }], get))[0]);
	same("claims are asked for, and sent", "npm", (await during([{ request: group, status: 401, code: "AuthenticationFailed",
		times: 1, fields: [`WWW-Authenticate: Bearer authorization_uri="${endpoint}/${env.AZURE_TENANT_ID}", ` +
			`error="insufficient_claims", claims="${claims}"`] }], get))[0]);
	same("a poll that fails is no failed operation", "done", (await during([{ request: "GET */operations/*",
		times: 1, status: 500, code: "InternalServerError" }], restart))[0]);
	same("an operation that fails", "The long-running operation has failed. AllocationFailed. no room", await during([{ operation: "*scalesets/agents",
		verb: "restart", code: "AllocationFailed", message: "no room" }], restart)
	     .then(([got]) => got[1]));
	same("an operation that is cancelled", true, await during([{ operation: "*scalesets/agents", verb: "restart",
		cancel: true }], restart).then(([got]) => /cancel/i.test(String(got))));
}

/* ---- images: what was master0's disk, in a gallery ---- */

async function images()
{
	const vms = compute.virtualMachines, vm = await vms.get("npm", "master0");
	const definitions = compute.galleryImages, versions = compute.galleryImageVersions;
	const at = ["npm", "baked", "node"];

	const g = await compute.galleries.beginCreateOrUpdateAndWait("npm", "baked", { location: "eastus",
		description: "d" }, soon);

	whole("a gallery", g, { provisioningState: /^Succeeded$/, description: /^d$/, "identifier.uniqueName": /-BAKED$/ });
	same("galleries", ["baked"], names(await all(compute.galleries.list())));
	same("of the group", ["baked"], names(await all(compute.galleries.listByResourceGroup("npm"))));
	await refused("a gallery of a name that cannot be", 400, "InvalidParameter", "validation rule",
		() => compute.galleries.beginCreateOrUpdateAndWait("npm", "ba-ked", { location: "eastus" }, soon));
	const trusted = vm.securityProfile?.securityType === "TrustedLaunch";
	const node = sku => ({ location: "eastus", osType: "Linux", osState: "Generalized", hyperVGeneration: "V2",
		architecture: "x64", identifier: { publisher: "azswarm", offer: "node", sku },
		features: trusted ? [{ name: "SecurityType", value: "TrustedLaunch" }] : [] });
	const d = await definitions.beginCreateOrUpdateAndWait(...at, node("x64"), soon);

	whole("a definition", d, { provisioningState: /^Succeeded$/, osState: /^Generalized$/, architecture: /^x64$/,
		"identifier.sku": /^x64$/, ...trusted ? { "features.0.value": /^TrustedLaunch$/ } : {} });
	same("definitions", ["node"], names(await all(definitions.listByGallery("npm", "baked"))));
	await refused("the same names again", 409, "OperationNotAllowed", "already exists",
		() => definitions.beginCreateOrUpdateAndWait("npm", "baked", "other", node("x64"), soon));
	same("changed", "x", (await definitions.beginUpdateAndWait(...at, { ...node("x64"), description: "x" }, soon)).description);

	const of_vm = more => ({ location: "eastus", storageProfile: { source: { virtualMachineId: vm.id } },
		publishingProfile: { targetRegions: [{ name: "East US" }, { name: "West US" }], ...more } });
	const make = (name, more) => versions.beginCreateOrUpdateAndWait(...at, name, of_vm(more), soon);

	await refused("a machine that was not generalized", 400, "BadRequest", "different OS state ['Specialized']",
		() => make("1.0.0"));
	await refused("one that runs cannot be", 409, "OperationNotAllowed", "since the VM is running",
		() => vms.generalize("npm", "master0"));
	await vms.beginDeallocateAndWait("npm", "master0", soon);
	await vms.generalize("npm", "master0");
	same("generalized", ["generalized", "deallocated"], await vms.instanceView("npm", "master0")
	     .then(v => [code(v, "OSState"), code(v, "PowerState")]));
	await refused("it does not start again", 409, "OperationNotAllowed", "since the VM is generalized",
		() => vms.beginStartAndWait("npm", "master0", soon));
	const v = await make("1.0.0");

	whole("a version", v, { provisioningState: /^Succeeded$/, "publishingProfile.publishedDate": Date,
		"publishingProfile.targetRegions": Array, "storageProfile.osDiskImage.sizeInGB": "number",
		"storageProfile.source.virtualMachineId": /virtualMachines\/master0$/,
		"safetyProfile.allowDeletionOfReplicatedLocations": "boolean" });
	await make("1.1.0", { excludeFromLatest: true });
	same("versions", ["1.0.0", "1.1.0"], names(await all(versions.listByGalleryImage(...at))));
	same("where it has come", ["Completed", ["East US", "West US"]], await versions.get(...at, "1.0.0",
	     { expand: "ReplicationStatus" }).then(x => [x.replicationStatus.aggregatedState,
	     x.replicationStatus.summary.map(r => r.region)]));
	await refused("a name that is none", 400, "InvalidParameter", "should follow Major", () => make("1.0"));
	same("not the latest", true, (await versions.beginUpdateAndWait(...at, "1.0.0", of_vm({ excludeFromLatest: true }), soon))
	     .publishingProfile.excludeFromLatest);
	await versions.beginUpdateAndWait(...at, "1.0.0", of_vm({ excludeFromLatest: false }), soon);

	/* the set's model gets it: one imageReference for the other, whole */
	const sets = compute.virtualMachineScaleSets, set = await sets.get("npm", "agents");
	const profile = set.virtualMachineProfile.storageProfile;

	profile.imageReference = { id: v.id + "9" };
	await refused("a version that is none", 404, "GalleryImageNotFound", "is not available in eastus region",
		() => sets.beginCreateOrUpdateAndWait("npm", "agents", set, soon));
	profile.imageReference = { id: d.id };
	same("a set of the latest", d.id, (await sets.beginCreateOrUpdateAndWait("npm", "agents", set, soon))
	     .virtualMachineProfile.storageProfile.imageReference.id);
	await sets.beginUpdateAndWait("npm", "agents", { sku: { ...set.sku, capacity: set.sku.capacity + 1 } }, soon);
	same("the new one is of it", "1.0.0", (await all(compute.virtualMachineScaleSetVMs.list("npm", "agents")))
	     .pop().storageProfile.imageReference.exactVersion);

	await refused("a gallery that is not empty", 409, "CannotDeleteResource", "nested resources exist",
		() => compute.galleries.beginDeleteAndWait("npm", "baked", soon));
	await versions.beginDeleteAndWait(...at, "1.0.0", soon);
	await versions.beginDeleteAndWait(...at, "1.1.0", soon);
	await definitions.beginDeleteAndWait(...at, soon);
	await compute.galleries.beginDeleteAndWait("npm", "baked", soon);
	same("none is left", [], names(await all(compute.galleries.list())));
}

async function end()
{
	await compute.virtualMachines.beginDeleteAndWait("npm", "master0", soon);
	same("the machine is gone", [], names(await all(compute.virtualMachines.list("npm"))));
	same("and its interface", [], names(await all(network.networkInterfaces.list("npm"))));
	const going = await resources.resourceGroups.beginDelete("npm", soon);

	await refused("a group on its way out", 409, "ResourceGroupBeingDeleted", "deprovisioning",
		() => resources.resourceGroups.createOrUpdate("npm", { location: "eastus" }));
	await going.pollUntilDone();
	same("the group is gone", false, (await resources.resourceGroups.checkExistence("npm")).body);
}

/* One part that stops does not hide the others. */
(async () => {
	for (const part of [sign_in, surroundings, groups, deployments, scale_set, machine, net, accounts, faults, images, end])
		try {
			await part();
		} catch (e) {
			console.log(`not ok npm-clients ${part.name}: stopped: ${e.code ?? ""} ${e.message} ` +
				    String(e.stack).split("\n").slice(1, 9).map(s => s.trim()).filter(s => s.includes("clients.js")).join(" "));
			failed++;
		}
	process.exit(failed > 0 ? 1 : 0);
})();
