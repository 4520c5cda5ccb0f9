/*
 * The machines of a scale set with Microsoft's client: what tests/bench_client.sh
 * puts list-agents beside.
 *
 *	node list.js
 */
"use strict";
const { ComputeManagementClient } = require("@azure/arm-compute");

const env = process.env;
/* a token that is there already, as ours has it in its cache */
const credential = { getToken: async () => ({ token: "x", expiresOnTimestamp: Date.now() + 3600e3 }) };
const client = new ComputeManagementClient(credential, env.AZURE_SUBSCRIPTION_ID,
	{ endpoint: env.AZURE_RESOURCE_MANAGER_ENDPOINT });

(async () => {
	let n = 0;

	for await (const vm of client.virtualMachineScaleSetVMs.list("swarm-cluster", "agents", { expand: "instanceView" }))
		n += console.log(vm.instanceId, vm.name, vm.instanceView?.statuses?.at(-1)?.code) === undefined;
	process.exitCode = n === Number(process.argv[2]) ? 0 : 1;
})();
