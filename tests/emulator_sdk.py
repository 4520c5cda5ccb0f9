#!/usr/bin/python3
"""Microsoft's Azure SDK for Python against the local Azure.

A client that is not ours, and that was written for Azure: what it reads from
our answers, and how it waits for our operations, is Microsoft's own idea of
the protocol.  Run by tests/conformance/emulator-sdk.sh, which sets the environment.

Two things are arranged: MSAL is told not to ask login.microsoftonline.com
whether it knows our host, and names below localhost are loopback (RFC 6761),
which glibc does not know.
"""
import datetime
import json
import os
import socket
import sys

_resolve = socket.getaddrinfo


def _loopback(host, *rest, **more):
    if isinstance(host, str) and host.endswith(".localhost"):
        host = "127.0.0.1"
    return _resolve(host, *rest, **more)


socket.getaddrinfo = _loopback

from azure.core.exceptions import HttpResponseError  # noqa: E402
from azure.identity import ClientSecretCredential  # noqa: E402
from azure.mgmt.compute import ComputeManagementClient  # noqa: E402
from azure.mgmt.network import NetworkManagementClient  # noqa: E402
from azure.mgmt.monitor import MonitorManagementClient  # noqa: E402
from azure.mgmt.resource import ResourceManagementClient, SubscriptionClient  # noqa: E402
from azure.mgmt.storage import StorageManagementClient  # noqa: E402
from azure.storage.blob import (  # noqa: E402
    AccountSasPermissions, BlobClient, BlobSasPermissions, ResourceTypes,
    generate_account_sas, generate_blob_sas)

base = os.environ["AZURE_RESOURCE_MANAGER_ENDPOINT"]
failed = 0


def same(case, wanted, got):
    global failed
    if wanted == got:
        print("ok emulator-sdk", case)
    else:
        print(f"not ok emulator-sdk {case}: wanted {wanted!r}, got {got!r}")
        failed += 1
    sys.stdout.flush()


def refused(case, code, call):
    try:
        call()
    except HttpResponseError as e:
        # storage says it in another place
        same(case, code, getattr(e, "error_code", None) or (e.error.code if e.error else str(e)))
        return
    same(case, code, "no error")


credential = ClientSecretCredential(
    os.environ["AZURE_TENANT_ID"], os.environ["AZURE_CLIENT_ID"],
    os.environ["AZURE_CLIENT_SECRET"], authority=base, instance_discovery=False)
common = dict(credential=credential,
              subscription_id=os.environ["AZURE_SUBSCRIPTION_ID"], base_url=base,
              credential_scopes=["https://management.azure.com/.default"],
              polling_interval=0.2)
resources = ResourceManagementClient(**common)
compute = ComputeManagementClient(**common)
network = NetworkManagementClient(**common)
storage = StorageManagementClient(**common)
monitor = MonitorManagementClient(**common)
tenants = SubscriptionClient(credential, base_url=base,
                             credential_scopes=["https://management.azure.com/.default"])
same("tenants", [os.environ["AZURE_TENANT_ID"]], [t.tenant_id for t in tenants.tenants.list()])
same("subscriptions", [("Enabled", os.environ["AZURE_TENANT_ID"])],
     [(s.state, s.tenant_id) for s in tenants.subscriptions.list()])
same("regions that can hold something", True, "eastus" in [
    r.name for r in tenants.subscriptions.list_locations(os.environ["AZURE_SUBSCRIPTION_ID"])
    if r.metadata.region_type == "Physical"])
same("a provider", "Registered", resources.providers.get("Microsoft.Compute").registration_state)
same("registering", "Microsoft.Compute", resources.providers.register("Microsoft.Compute").namespace)

# ---- the cluster, from its template ----

group = resources.resource_groups.create_or_update("g", {"location": "eastus"})
same("a group", "Succeeded", group.properties.provisioning_state)
with open(sys.argv[1]) as f:
    deployment = json.load(f)
checked = resources.deployments.begin_validate("g", "d", deployment).result()
same("it is valid", 11, len(checked.properties.validated_resources))
foretold = resources.deployments.begin_what_if("g", "d", deployment).result()
same("what it would do", {"Create"}, {c.change_type for c in foretold.changes})
done = resources.deployments.begin_create_or_update("g", "d", deployment).result()
same("a deployment", "Succeeded", done.properties.provisioning_state)
same("its outputs", "unit-master0.eastus.cloudapp.localhost",
     done.properties.outputs["masterFqdn"]["value"])
operations = list(resources.deployment_operations.list("g", "d", top=5))
same("its operations, over pages", 12, len(operations))
listed = sorted(r.type for r in resources.resources.list_by_resource_group("g", top=4))
same("resources, over pages with an empty one", 11, len(listed))
refused("a deployment that cannot be", "InvalidTemplateDeployment",
        lambda: resources.deployments.begin_create_or_update(
            "g", "e", {"properties": {**deployment["properties"], "parameters": {
                **deployment["properties"]["parameters"],
                "adminUsername": {"value": "admin"}}}}).result())

refused("nor is it valid", "InvalidTemplateDeployment",
        lambda: resources.deployments.begin_validate(
            "g", "e", {"properties": {**deployment["properties"], "parameters": {
                **deployment["properties"]["parameters"],
                "adminUsername": {"value": "admin"}}}}).result())
same("its providers", True, "Microsoft.Compute" in [p.namespace for p in done.properties.providers])
same("what its dependencies are", True, all(
    d.id and d.resource_type and d.depends_on for d in done.properties.dependencies))
same("deployments that succeeded", ["d"], [
    d.name for d in resources.deployments.list_by_resource_group("g", filter="provisioningState eq 'Succeeded'")])
same("it is there", (True, False), (resources.deployments.check_existence("g", "d"),
                                    resources.deployments.check_existence("g", "none")))
foretold = resources.deployments.begin_what_if("g", "d", deployment).result()
same("what doing it again would create or delete", [], [
    c.resource_id for c in foretold.changes if c.change_type in ("Create", "Delete")])
resources.deployments.begin_delete("g", "d").result()
same("forgotten", [], list(resources.deployments.list_by_resource_group("g")))
same("machines, as resources", ["master0"], [r.name for r in resources.resources.list(
    filter="resourceType eq 'Microsoft.Compute/virtualMachines'")])
refused("a filter that it does not know", "InvalidFilterInQueryString",
        lambda: list(resources.resources.list(filter="substringof('x', name)")))
resources.resource_groups.update("g", {"tags": {"team": "a"}})
same("groups by tag", ["g"], [x.name for x in resources.resource_groups.list(
    filter="tagName eq 'team' and tagValue eq 'a'")])
same("by another", [], [x.name for x in resources.resource_groups.list(
    filter="tagName eq 'team' and tagValue eq 'b'")])

# ---- the scale set ----

sets = compute.virtual_machine_scale_sets


def power():
    return {i.instance_id: i.instance_view.statuses[-1].code.split("/")[1]
            for i in compute.virtual_machine_scale_set_vms.list(
                "g", "agents", expand="instanceView")}


sku = {"name": "Standard_B2s_v2", "tier": "Standard", "capacity": 3}
same("scaling out", 3, sets.begin_update("g", "agents", {"sku": sku}).result().sku.capacity)
same("instances", {"0": "running", "1": "running", "2": "running"}, power())
sets.begin_power_off("g", "agents").result()
same("stopped", {"0": "stopped", "1": "stopped", "2": "stopped"}, power())
sets.begin_start("g", "agents", {"instance_ids": ["1"]}).result()
same("one started", {"0": "stopped", "1": "running", "2": "stopped"}, power())
sets.begin_reimage("g", "agents", {"instance_ids": ["0"]}).result()
same("one reimaged", "running", power()["0"])
sets.begin_delete_instances("g", "agents", {"instance_ids": ["2"]}).result()
same("one deleted", ["0", "1"], sorted(power()))
compute.virtual_machine_scale_set_vms.begin_restart("g", "agents", "1").result()
same("one restarted", "running", power()["1"])
same("the view of the set", [("ProvisioningState/succeeded", 2), ("PowerState/running", 2)],
     [(s.code, s.count) for s in sets.get_instance_view("g", "agents").virtual_machine.statuses_summary])
same("addresses of the instances", ["10.77.16.4", "10.77.16.5"],
     [n.ip_configurations[0].private_ip_address for n in
      network.network_interfaces.list_virtual_machine_scale_set_network_interfaces("g", "agents")])
model = sets.get("g", "agents")
model.tags = {"a": "b"}
same("the model that was read, put back", ({"a": "b"}, 2), (lambda x: (x.tags, x.sku.capacity))(
    sets.begin_create_or_update("g", "agents", model).result()))
same("instances are of that model", {True}, {
    i.latest_model_applied for i in compute.virtual_machine_scale_set_vms.list("g", "agents")})
sets.begin_update_instances("g", "agents", {"instance_ids": ["*"]}).result()
compute.virtual_machine_scale_set_vms.begin_reimage("g", "agents", "1").result()
same("one reimaged by its own", "running", power()["1"])
same("sets of the subscription", ["agents"], [v.name for v in sets.list_all()])
refused("an instance that is not", "InvalidParameter",
        lambda: sets.begin_delete_instances("g", "agents", {"instance_ids": ["77"]}).result())
refused("a set that is not", "ResourceNotFound", lambda: sets.get("g", "none"))
refused("more than the quota", "OperationNotAllowed",
        lambda: sets.begin_update("g", "agents", {"sku": {**sku, "capacity": 95}}).result())

# ---- a machine, its network, what may be had ----

machines = compute.virtual_machines
machines.begin_deallocate("g", "master0").result()
same("deallocated", "PowerState/deallocated", machines.instance_view("g", "master0").statuses[-1].code)
machines.begin_start("g", "master0").result()
same("started", "PowerState/running",
     machines.get("g", "master0", expand="instanceView").instance_view.statuses[-1].code)
answer = machines.begin_run_command(
    "g", "master0", {"command_id": "RunShellScript", "script": ["hostname"]}).result()
same("a command's output", True, answer.value[0].message.startswith("Enable succeeded: \n[stdout]"))
machine = machines.get("g", "master0")
machine.tags = {"c": "d"}
same("a machine that was read, put back", {"c": "d"},
     machines.begin_create_or_update("g", "master0", machine).result().tags)
same("machines of the subscription", ["master0"], [v.name for v in machines.list_all()])
same("sizes", 8192, next(z.memory_in_mb for z in compute.virtual_machine_sizes.list("eastus")
                         if z.name == "Standard_B2s_v2"))
same("images", ["24.04.202607280"], [v.name for v in compute.virtual_machine_images.list(
    "eastus", "Canonical", "ubuntu-24_04-lts", "server")])
same("an image", "V1", compute.virtual_machine_images.get(
    "eastus", "Canonical", "ubuntu-24_04-lts", "server-gen1", "24.04.202607280").hyper_v_generation)
same("the autoscale setting", ("1", "5"), (lambda c: (c.minimum, c.maximum))(
    monitor.autoscale_settings.get("g", "agents-autoscale").profiles[0].capacity))
same("rules of a security group", True, any(
    r.access == "Allow" for r in network.security_rules.list("g", "agents-nsg")))
same("pools of the balancer", 1, len(list(network.load_balancer_backend_address_pools.list("g", "agents-lb"))))
same("its frontends", 1, len(list(network.load_balancer_frontend_ip_configurations.list("g", "agents-lb"))))
same("subnets", ["agents", "masters"], sorted(x.name for x in network.subnets.list("g", "vnet")))
same("public addresses", [("agents-lb-ip", "127.77"), ("master0-ip", "127.77")],
     sorted((p.name, p.ip_address[:6]) for p in network.public_ip_addresses.list("g")))
same("the balancer's ports", [80, 81],
     [r.frontend_port for r in network.load_balancers.get("g", "agents-lb").load_balancing_rules])
same("a subnet", "10.77.16.0/20", network.subnets.get("g", "vnet", "agents").address_prefix)
same("sizes that are refused", True, "Standard_B1s" in [
    s.name for s in compute.resource_skus.list(filter="location eq 'eastus'")
    if s.restrictions and s.restrictions[0].reason_code == "NotAvailableForSubscription"])
same("quota", (100, 6), next((u.limit, u.current_value) for u in compute.usage.list("eastus")
                             if u.name.value == "cores"))

# ---- storage ----

account = storage.storage_accounts.begin_create(
    "g", "sdkstock", {"location": "eastus", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}}).result()
same("an account", "Succeeded", account.provisioning_state)
key = storage.storage_accounts.list_keys("g", "sdkstock").keys[0].value
storage.file_shares.create("g", "sdkstock", "data", {})
same("shares", ["data"], [s.name for s in storage.file_shares.list("g", "sdkstock")])
storage.blob_containers.create("g", "sdkstock", "bin", {})
expiry = datetime.datetime.utcnow() + datetime.timedelta(hours=1)
url = account.primary_endpoints.blob.rstrip("/")
blob = BlobClient(url, "bin", "dir/file", credential=generate_blob_sas(
    "sdkstock", "bin", "dir/file", account_key=key, expiry=expiry,
    permission=BlobSasPermissions(read=True, create=True, write=True)))
data = os.urandom(3 << 20)
blob.upload_blob(data, overwrite=True)
same("a blob, with Microsoft's signature", data, blob.download_blob().readall())
same("its size", len(data), blob.get_blob_properties().size)
other = BlobClient(url, "bin", "dir/file", credential=generate_account_sas(
    "sdkstock", key, ResourceTypes(object=True), AccountSasPermissions(read=True), expiry))
same("with a signature for the account", data[:9], other.download_blob(0, 9).readall())
refused("that does not allow to write", "AuthorizationPermissionMismatch",
        lambda: other.upload_blob(b"x", overwrite=True))

resources.resource_groups.begin_delete("g").result()
same("the group is gone", False, resources.resource_groups.check_existence("g"))
sys.exit(failed != 0)
