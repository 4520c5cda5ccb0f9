#ifndef NODE_CONFIG_H
#define NODE_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "node/image.h"
#include "node/layout.h"

#define NODE_SECRET_LEN 32

/*
 * node.json, which `params` writes for a machine that is to be made and helper
 * and agent read on it.  Its keys, their order, defaults and bounds are one
 * table in config.c, for both ends.
 */
struct node_config {
	bool manager;			      /* "role" */
	char masters[LAYOUT_MASTERS_MAX][48]; /* "masters": numeric addresses */
	unsigned n_masters;
	uint8_t pin[32]; /* "helper_pin": of the helper's key */
	uint8_t worker_secret[NODE_SECRET_LEN];
	uint8_t manager_secret[NODE_SECRET_LEN];
	bool has_manager_secret;
	/* "secrets_other": a worker's and a manager's that a helper takes, too,
	 * while they are changed */
	uint8_t others[2 * NODE_SECRET_LEN];
	bool has_others;
	char addr_pool[48]; /* "default_addr_pool", may be "" */
	char ingress[48];   /* "ingress_subnet", may be "" */
	unsigned mtu;	    /* 0: the engine's */
	bool rebalance;	    /* tasks are spread over nodes that come */
	/* masters that boot are told the swarm's unlock key by the others */
	bool share_unlock_key;
	/* "image_list": of this program's images, in a cluster with machines of
	 * both kinds (node/image.h); "" where there is one */
	char image_list[IMAGE_LIST_MAX];
	/* "marker_url": a signed address of the cluster's marker (node/marker.h):
	 * masters may make it, agents read it; "" in clusters without one */
	char marker_url[1024];
	/* "images_url": a signed address of the container of pushed images, which
	 * may read and list (node/pushed.h); "" in clusters without one */
	char images_url[1024];

	/* What only tests and unusual machines set; defaults in config.c. */
	char docker_socket[100];
	char listen[48];
	unsigned helper_port;
	unsigned health_port;
	unsigned rate;	     /* requests a second that one address may send */
	int64_t grace_ms;    /* "grace_s": a Down node is kept as long */
	int64_t leave_ms;    /* "leave_s": a node that said that it goes
						   must be gone by then */
	int64_t settle_ms;   /* "settle_s": from unhealthy to gone, so that the
						   load balancer has noticed */
	unsigned probe_s;    /* the load balancer asks as often */
	char run_dir[128];   /* forgotten at boot; "": LAYOUT_AGENT_RUN */
	char state_dir[128]; /* outlives a boot, not the machine; "":
						   LAYOUT_HELPER_STATE or LAYOUT_AGENT_STATE */
	char metadata_host[100]; /* Azure's; "": no scheduled events */
	unsigned metadata_port;
	char helper_socket[100]; /* the helper's, for the operator; "": none */
	char key_path[256];	 /* the helper's key; "": beside node.json */
	char share_key[256]; /* there where a share is wanted; "": beside it */
	char share_dir[100]; /* where that is mounted */
	char docker_root[100]; /* where the engine keeps its data */
};

/* All at its default, no role, masters or secrets. */
void node_config_init(struct node_config *c);
/* Append c as node.json to out, which then holds secrets; what has its default
 * is left out. */
void node_config_write(const struct node_config *c, struct buf *out);
/*
 * Read and check path.  Refused: a file that others can read, a missing or
 * malformed value (named).  run_dir, state_dir, key_path and share_key are filled
 * in when they are not said: systemd's $RUNTIME_DIRECTORY and $STATE_DIRECTORY go
 * before the default.
 * c holds secrets afterwards: node_config_burn.
 */
int node_config_read(struct node_config *c, const char *path, struct err *e);
void node_config_burn(struct node_config *c);

#endif
