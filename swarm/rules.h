#ifndef SWARM_RULES_H
#define SWARM_RULES_H

#include "base/json.h"

/*
 * The way in: rules of the agents' load balancer and of their security group,
 * as Azure has them in the documents of the two.  Asks nobody.
 *
 * A rule of ours is called by protocol and port, "tcp-443", and by that it is
 * known; those of the template and what somebody made by hand have other names
 * and are only looked at.
 *
 * Source: Microsoft.Network 2024-05-01, LoadBalancingRulePropertiesFormat and
 * SecurityRulePropertiesFormat, for what there is and how it is bounded.
 */
#define RULES_BALANCER "agents-lb"
#define RULES_GROUP "agents-nsg"
#define RULES_PORT_MAX 65534 /* of a load balancer's frontend */

struct rules_port {
	unsigned number;
	bool udp;
};

#define RULES_NAME_MAX 16
void rules_name(const struct rules_port *p, char name[RULES_NAME_MAX]);
/* Is that the name of one of ours?  *p gets what it is for. */
bool rules_ours(const char *name, struct rules_port *p);

/* Is that one of the two rules of the load balancer that the template has? */
bool rules_template(const char *name);
/* The port of the agents' public address that a rule of the load balancer is
 * for; false: none. */
bool rules_port_of(const cJSON *balancer, const cJSON *rule, struct rules_port *p);

enum rules_way {
	RULES_NONE, /* nobody is let in */
	RULES_OPEN,
	RULES_TAKEN,  /* the balancer's: another rule has the port */
	RULES_DENIED, /* the group's: a rule refuses it */
};

/* What the load balancer does with that port of the agents' public address, and
 * what the security group with it on the agents, for who comes from the
 * Internet.  *by: the name of the rule that says so, "" without one; it is
 * doc's. */
enum rules_way rules_balancer(const cJSON *balancer, const struct rules_port *p,
			      const char **by);
enum rules_way rules_group(const cJSON *group, const struct rules_port *p,
			   const char **by);

/* Add ours for that port.  ERR_DATA where the document lacks what the rule
 * would stand on, or has no priority left. */
int rules_add_balancer(cJSON *balancer, const struct rules_port *p, struct err *e);
int rules_add_group(cJSON *group, const struct rules_port *p, struct err *e);

/* The rules that the document of either has, an array that may be changed;
 * NULL: none. */
cJSON *rules_list(cJSON *doc);

/* Take from each of a list of either document what GET adds and PUT does not
 * take: "readOnly" in Microsoft's files. */
void rules_bare(cJSON *list);

/*
 * What of the document's members of that name, "probes" for one, is not among
 * own, the template's: an array for a parameter of the template, without what
 * Azure adds, and without what it makes by itself of an inbound NAT pool.
 * Caller frees.
 */
cJSON *rules_others(const cJSON *doc, const char *member, const cJSON *own);

/* Azure writes ids in another case now and then. */
bool rules_id_ends(const char *id, const char *tail);
/* Does an outbound rule have the frontend of that name?  No two may. */
bool rules_leaves_by(const cJSON *rule, const char *front);
/* The frontends, {id} of each, that the balancer's outbound rule of that name
 * has and that are not among own.  Caller frees. */
cJSON *rules_more_ways(const cJSON *doc, const char *rule, const cJSON *own);

#endif
