#ifndef NODE_LAYOUT_H
#define NODE_LAYOUT_H

/*
 * What the two ends of a cluster must agree on, once: swarm/ makes machines
 * by it, node/ runs on them.  Docker's own ports are in docker/docker.h.
 *
 * The assets say some of it again, because others read them as they are:
 * assets/arm/cluster.json (networks, ports), assets/cloud-init/node.yaml
 * (files, units, MTU, what containers are kept from) and assets/machines/nspawn
 * (the gateway).  tests/sh/templates.sh holds them against this file and
 * docker/docker.h.
 *
 * The address ranges overlap neither each other nor the ranges that Docker
 * gives to networks of one machine (daemon.json in node.yaml).
 */

/* The network of the machines; its subnets are in cluster.json. */
#define LAYOUT_NETWORK "10.77.0.0/16"
#define LAYOUT_MASTER_ADDRESS "10.77.0.%u" /* of master0: FIRST_MASTER */
#define LAYOUT_FIRST_MASTER 10u
#define LAYOUT_MASTERS_MAX 5

/* The swarm's own: overlay networks, and the one of published ports. */
#define LAYOUT_ADDR_POOL "10.192.0.0/12"
#define LAYOUT_INGRESS "10.208.0.0/20"
/* Azure splits larger packets and loses the parts. */
#define LAYOUT_MTU 1400

/* Azure's metadata service, which every machine of its has. */
#define LAYOUT_METADATA_HOST "169.254.169.254"

/* Where the load balancer's probes come from. */
#define LAYOUT_PROBE_HOST "168.63.129.16"

/* TCP ports. */
#define LAYOUT_HELPER_PORT 1337
#define LAYOUT_HEALTH_PORT 1338	  /* the agent's, for the load balancer */
#define LAYOUT_REGISTRY_PORT 1339 /* the agent's, on loopback only */
#define LAYOUT_MONITOR_PORT 8080
#define LAYOUT_DEMO_PORT 8000	  /* within a container */
#define LAYOUT_REPLICATED_PORT 80 /* published, and balanced */
#define LAYOUT_GLOBAL_PORT 81

/* This program as an image, from the registry of a node's own agent. */
#define LAYOUT_REGISTRY_HOST "127.0.0.1"
#define LAYOUT_IMAGE "azswarm"

/*
 * The owner's images: a container beside this program's own in the storage
 * account.  Every config, layer, manifest and index is there by its digest, and
 * each tag's manifest (or index) once more by its name; the blob's content type
 * is its media type.  NAME and TAG are as OCI's distribution spec has them, and
 * NAME is never LAYOUT_IMAGE.
 */
#define LAYOUT_IMAGES "images"
#define LAYOUT_IMAGES_BLOB "blobs/sha256/"  /* HEX */
#define LAYOUT_IMAGES_MANIFEST "manifests/" /* NAME/TAG */
#define LAYOUT_REGISTRY \
	LAYOUT_REGISTRY_HOST ":" LAYOUT_TEXT(LAYOUT_REGISTRY_PORT) "/"

/* Files of a node. */
#define LAYOUT_NODE_JSON "/etc/azswarm/node.json"
#define LAYOUT_HELPER_KEY "helper.key" /* beside node.json */
#define LAYOUT_SHARE_KEY "share.cred"  /* too, where a share is wanted */
#define LAYOUT_PROGRAM_BEFORE \
	"/usr/local/bin/azswarm.old" /* `upgrade` keeps it */
#define LAYOUT_SHARE "/srv"	     /* where it is mounted */
#define LAYOUT_DOCKER_ROOT "/var/lib/docker"
#define LAYOUT_AGENT_RUN "/run/swarm-agent" /* systemd's RuntimeDirectory */
#define LAYOUT_AGENT_STATE "/var/lib/swarm-agent" /* and its StateDirectory */
#define LAYOUT_HELPER_STATE "/var/lib/swarm-helper"

#define LAYOUT_HELPER_SOCKET "/run/swarm-helper/helper.sock"

/*
 * Seconds that a machine which goes down has for its way out (node/evict.h):
 * systemd ends the agent then, and the leave is planned to fit.
 */
#define LAYOUT_STOP_S 180

/* What `azswarm reach` on a node takes at most, milliseconds. */
#define LAYOUT_REACH_MS 2500

/* Services of systemd, and what the helper's certificate names. */
#define LAYOUT_HELPER_UNIT "swarm-helper"
#define LAYOUT_AGENT_UNIT "swarm-agent"

/* A number of these as text, for what is put together when it is compiled. */
#define LAYOUT_TEXT_OF(n) #n
#define LAYOUT_TEXT(n) LAYOUT_TEXT_OF(n)

#endif
