"""
Apache Libcloud's driver for Azure against the local Azure: what it lists and
does, it takes from answers that it knows from Azure.  Prints 'ok libcloud
case' and 'not ok libcloud case: why'.

	python3 libcloud_azure.py TENANT SUBSCRIPTION CLIENT SECRET
"""
import sys
import time

from libcloud.compute.providers import get_driver
from libcloud.compute.types import NodeState, Provider

failures = 0


def case(name, got, want):
    global failures
    if got == want:
        print(f"ok libcloud {name}")
    else:
        failures += 1
        print(f"not ok libcloud {name}: {got!r}, not {want!r}")


def refused(name, words, call):
    global failures
    try:
        got = call()
    except Exception as e:          # whatever it raises must say why
        if words in str(e):
            print(f"ok libcloud {name}")
            return
        got = e
    failures += 1
    print(f"not ok libcloud {name}: {got!r}")


tenant, subscription, client, secret = sys.argv[1:]
driver = get_driver(Provider.AZURE_ARM)
az = driver(tenant_id=tenant, subscription_id=subscription, key=client, secret=secret, region="eastus")
refused("a wrong secret", "AADSTS7000215",
        lambda: driver(tenant_id=tenant, subscription_id=subscription, key=client, secret="wrong",
                       region="eastus").ex_list_resource_groups())
case("groups", [g.name for g in az.ex_list_resource_groups()], ["g1"])
places = {l.id: l.name for l in az.list_locations()}
case("regions", places.get("eastus"), "East US")
east = next(l for l in az.list_locations() if l.id == "eastus")
sizes = {s.id: (s.ram, s.extra["numberOfCores"]) for s in az.list_sizes(east)}
case("sizes", sizes.get("Standard_B2s_v2"), (8192, 2))
case("publishers", "Canonical" in [p[1] for p in az.ex_list_publishers(east)], True)
case("images", [i.id for i in az.list_images(east, ex_publisher="Canonical", ex_offer="ubuntu-24_04-lts",
                                             ex_sku="server")],
     ["Canonical:ubuntu-24_04-lts:server:24.04.202606110",
      "Canonical:ubuntu-24_04-lts:server:24.04.202607280"])

(node,) = az.list_nodes(ex_resource_group="g1")
case("a machine", (node.name, node.state, node.private_ips), ("master0", NodeState.RUNNING, ["10.77.0.10"]))
case("its public address", len(node.public_ips), 1)
case("machines of all groups", [n.name for n in az.list_nodes()], ["master0"])
case("a machine by its id", az.ex_get_node(node.id).name, "master0")
case("networks", [n.name for n in az.ex_list_networks()], ["vnet"])
case("subnets", sorted(s.name for s in az.ex_list_subnets(az.ex_list_networks()[0])), ["agents", "masters"])
case("interfaces", [n.name for n in az.ex_list_nics("g1")], ["master0-nic"])
case("addresses", sorted(p.name for p in az.ex_list_public_ips("g1")), ["agents-lb-ip", "master0-ip"])
case("security groups", sorted(g.name for g in az.ex_list_network_security_groups("g1")),
     ["agents-nsg", "masters-nsg"])


def becomes(wanted):
    state = None
    for _ in range(100):
        state = az.ex_get_node(node.id).state
        if state == wanted:
            break
        time.sleep(0.2)
    return state


az.stop_node(node, ex_deallocate=False)
case("stopped", becomes(NodeState.PAUSED), NodeState.PAUSED)
az.start_node(node)
case("started", becomes(NodeState.RUNNING), NodeState.RUNNING)
case("restarting it", az.reboot_node(node), True)
case("restarted", becomes(NodeState.RUNNING), NodeState.RUNNING)
az.stop_node(node)
case("deallocated", becomes(NodeState.STOPPED), NodeState.STOPPED)
sys.exit(failures != 0)
