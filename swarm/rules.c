/* What lets people in; see rules.h. */
#include "swarm/rules.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define PRIORITY_FIRST 1000 /* behind the template's, which end at 300 */
#define PRIORITY_LAST 4096
#define FRONTEND "public"
#define POOL "agents"
#define PROBE "healthz"
#define IDLE_MINUTES 30
#define AGENTS_NET \
	0x0a4d1000u /* 10.77.16.0/20, agentsRange in arm/cluster.json */
#define AGENTS_BITS 20

/* ---- names ---- */

static const char *protocol_of(const struct rules_port *p)
{
	return p->udp ? "Udp" : "Tcp";
}

void rules_name(const struct rules_port *p, char name[RULES_NAME_MAX])
{
	snprintf(name, RULES_NAME_MAX, "%s-%u", p->udp ? "udp" : "tcp", p->number);
}

bool rules_ours(const char *name, struct rules_port *p)
{
	struct str s = str_of(name);
	char again[RULES_NAME_MAX];
	uint64_t n;

	if (!str_istarts(s, STR("tcp-")) && !str_istarts(s, STR("udp-")))
		return false;
	if (!str_num(str_skip(s, 4), 65535, &n))
		return false;
	*p = (struct rules_port){ .number = (unsigned)n,
				  .udp = str_istarts(s, STR("udp")) };
	rules_name(p, again);
	return str_ieqz(s, again); /* and not "tcp-0443" */
}

bool rules_template(const char *name)
{
	return str_listed("http-80 http-81", name);
}

/* ---- the load balancer ---- */

/* The id of the member of that name of one of its lists; NULL: it has none. */
static const char *id_of(const cJSON *doc, const char *list, const char *name)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, json_get(json_get(doc, "properties"), list))
		if (json_is(item, "name", name))
			return json_str_opt(item, "id", NULL);
	return NULL;
}

static bool is_pool(const cJSON *r, const char *pool)
{
	return json_is(r, "backendAddressPool.id", pool) ||
	       json_is(r, "backendAddressPools[0].id", pool);
}

/* Has this rule, or inbound NAT rule or pool, the port at that frontend?  0 is all
 * ports, but nothing beside a range. */
static bool at_front(const cJSON *r, const char *front, const struct rules_port *p)
{
	int64_t port = json_int_opt(r, "frontendPort", -1);
	int64_t first = json_int_opt(r, "frontendPortRangeStart", 65536);
	int64_t last = json_int_opt(r, "frontendPortRangeEnd", -1);

	return json_is(r, "frontendIPConfiguration.id", front) &&
	       (json_is(r, "protocol", protocol_of(p)) ||
		json_is(r, "protocol", "All")) &&
	       (port == p->number || (port == 0 && last < 0) ||
		(first <= p->number && p->number <= last));
}

/* Two rules must not lead to one port of the same machines. */
static bool at_back(const cJSON *r, const char *pool, const struct rules_port *p)
{
	return is_pool(r, pool) && json_is(r, "protocol", protocol_of(p)) &&
	       json_int_opt(r, "backendPort", -1) == p->number &&
	       !json_bool_opt(r, "enableFloatingIP", false);
}

bool rules_port_of(const cJSON *balancer, const cJSON *rule, struct rules_port *p)
{
	const char *front = id_of(balancer, "frontendIPConfigurations", FRONTEND);
	const cJSON *r = json_get(rule, "properties");
	int64_t port = json_int_opt(r, "frontendPort", 0);

	if (port < 1 || port > RULES_PORT_MAX ||
	    !json_is(r, "frontendIPConfiguration.id", front))
		return false;
	*p = (struct rules_port){ .number = (unsigned)port,
				  .udp = json_is(r, "protocol", "Udp") };
	return p->udp || json_is(r, "protocol", "Tcp");
}

/* The inbound NAT rule, or pool, that has the port; "": none. */
static const char *nat_of(const cJSON *balancer, const char *front,
			  const struct rules_port *p)
{
	static const char *const lists[] = { "inboundNatRules",
					     "inboundNatPools" };
	const cJSON *nat;

	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++)
		cJSON_ArrayForEach(nat, json_get(json_get(balancer, "properties"),
						 lists[i]))
			if (at_front(json_get(nat, "properties"), front, p))
				return json_text(nat, "name");
	return "";
}

enum rules_way rules_balancer(const cJSON *balancer, const struct rules_port *p,
			      const char **by)
{
	const char *front = id_of(balancer, "frontendIPConfigurations", FRONTEND);
	const char *pool = id_of(balancer, "backendAddressPools", POOL);
	const cJSON *rule;

	cJSON_ArrayForEach(rule,
			   json_at(balancer, "properties.loadBalancingRules")) {
		const cJSON *r = json_get(rule, "properties");
		bool front_is = at_front(r, front, p),
		     back_is = at_back(r, pool, p);

		*by = json_text(rule, "name");
		if (front_is && back_is)
			return RULES_OPEN;
		if (front_is || back_is)
			return RULES_TAKEN;
	}
	*by = nat_of(balancer, front, p);
	return **by != '\0' ? RULES_TAKEN : RULES_NONE;
}

static void add_id(cJSON *obj, const char *name, const char *id)
{
	json_add_str(json_add_obj(obj, name), "id", id);
}

/* What the template's own have, but for what is TCP's alone. */
int rules_add_balancer(cJSON *balancer, const struct rules_port *p, struct err *e)
{
	const char *front = id_of(balancer, "frontendIPConfigurations", FRONTEND);
	const char *pool = id_of(balancer, "backendAddressPools", POOL);
	const char *probe = id_of(balancer, "probes", PROBE);
	cJSON *properties = json_get_mut(balancer, "properties"), *rule, *r;
	char name[RULES_NAME_MAX];

	if (front == NULL || pool == NULL || probe == NULL)
		return err_set(e, ERR_DATA,
			       "load balancer " RULES_BALANCER
			       " has no %s; 'azswarm deploy-compute' mends it",
			       front == NULL ? "frontend " FRONTEND :
			       pool == NULL  ? "pool " POOL :
					       "probe " PROBE);
	if (!cJSON_IsArray(json_get(properties, "loadBalancingRules")))
		json_set(properties, "loadBalancingRules", cJSON_CreateArray());
	rules_name(p, name);
	rule = json_add_obj(json_get_mut(properties, "loadBalancingRules"), NULL);
	json_add_str(rule, "name", name);
	r = json_add_obj(rule, "properties");
	add_id(r, "frontendIPConfiguration", front);
	add_id(r, "backendAddressPool", pool);
	add_id(r, "probe", probe);
	json_add_str(r, "protocol", protocol_of(p));
	json_add_int(r, "frontendPort", p->number);
	json_add_int(r, "backendPort", p->number);
	json_add_bool(r, "disableOutboundSnat", true);
	if (!p->udp) {
		json_add_int(r, "idleTimeoutInMinutes", IDLE_MINUTES);
		json_add_bool(r, "enableTcpReset", true);
	}
	return 0;
}

/* ---- the security group ---- */

/* "443", "8000-8080" or "*" */
static bool range_has(const char *range, unsigned port)
{
	struct str last = str_of(range), first;
	uint64_t a, b;

	if (str_eqz(last, "*"))
		return true;
	if (!str_cut(&last, '-', &first))
		first = last;
	return str_num(str_trim(first), 65535, &a) &&
	       str_num(str_trim(last), 65535, &b) && a <= port && port <= b;
}

/* The values of a member that may be one text, or a list in another of that
 * name and an s: whether any of them is as holds wants it. */
static bool any(const cJSON *r, const char *one, const char *many,
		bool (*holds)(const char *text, unsigned port), unsigned port)
{
	const cJSON *v;

	if (cJSON_IsString(json_get(r, one)) && holds(json_text(r, one), port))
		return true;
	cJSON_ArrayForEach(v, json_get(r, many))
		if (cJSON_IsString(v) && holds(v->valuestring, port))
			return true;
	return false;
}

static bool is_internet(const char *prefix, unsigned port)
{
	(void)port;
	return str_listed("* Internet 0.0.0.0/0", prefix);
}

/* All of the agents, in one of the ways of saying so. */
static bool is_agents(const char *prefix, unsigned port)
{
	struct str bits = str_of(prefix), left;
	char text[INET_ADDRSTRLEN];
	struct in_addr a;
	uint64_t n;

	(void)port;
	if (!str_cut(&bits, '/', &left))
		return str_listed("* VirtualNetwork", prefix);
	if (left.n >= sizeof(text) || !str_num(bits, AGENTS_BITS, &n))
		return false;
	snprintf(text, sizeof(text), "%.*s", STR_ARG(left));
	return inet_pton(AF_INET, text, &a) == 1 &&
	       (uint64_t)(ntohl(a.s_addr) ^ AGENTS_NET) >> (32 - n) == 0;
}

/* What refuses some of the agents, or what lets in to all. */
static bool covers(const cJSON *r, const struct rules_port *p)
{
	return json_is(r, "direction", "Inbound") &&
	       (json_is(r, "protocol", protocol_of(p)) ||
		json_is(r, "protocol", "*")) &&
	       any(r, "sourcePortRange", "sourcePortRanges", range_has, 65535) &&
	       any(r, "destinationPortRange", "destinationPortRanges",
		   range_has, p->number) &&
	       (json_is(r, "access", "Deny") ||
		any(r, "destinationAddressPrefix", "destinationAddressPrefixes",
		    is_agents, 0));
}

/* The rule of the least number decides.  Ours does whoever it lets in: an owner
 * may have said from where. */
enum rules_way rules_group(const cJSON *group, const struct rules_port *p,
			   const char **by)
{
	enum rules_way way = RULES_NONE;
	int64_t least = PRIORITY_LAST + 1;
	const cJSON *rule;
	char own[RULES_NAME_MAX];

	rules_name(p, own);
	*by = "";
	cJSON_ArrayForEach(rule, json_at(group, "properties.securityRules")) {
		const cJSON *r = json_get(rule, "properties");
		int64_t priority = json_int_opt(r, "priority", PRIORITY_LAST);

		if (priority >= least || !covers(r, p) ||
		    (!json_is(rule, "name", own) &&
		     !any(r, "sourceAddressPrefix", "sourceAddressPrefixes",
			  is_internet, 0)))
			continue;
		least = priority;
		*by = json_text(rule, "name");
		way = json_is(r, "access", "Allow") ? RULES_OPEN : RULES_DENIED;
	}
	return way;
}

/* The first that no inbound rule has, 0: none. */
static int64_t free_priority(const cJSON *rules)
{
	bool used[PRIORITY_LAST + 1] = { false };
	const cJSON *rule;

	cJSON_ArrayForEach(rule, rules) {
		int64_t n = json_int_opt(rule, "properties.priority", 0);

		if (n >= 0 && n <= PRIORITY_LAST &&
		    json_is(rule, "properties.direction", "Inbound"))
			used[n] = true;
	}
	for (int64_t n = PRIORITY_FIRST; n <= PRIORITY_LAST; n++)
		if (!used[n])
			return n;
	return 0;
}

int rules_add_group(cJSON *group, const struct rules_port *p, struct err *e)
{
	cJSON *properties = json_get_mut(group, "properties"), *rule, *r;
	int64_t priority = free_priority(json_get(properties, "securityRules"));
	char name[RULES_NAME_MAX], port[16];

	if (priority == 0)
		return err_set(e, ERR_DATA,
			       "security group " RULES_GROUP
			       " has a rule for each priority from %d to %d",
			       PRIORITY_FIRST, PRIORITY_LAST);
	if (!cJSON_IsArray(json_get(properties, "securityRules")))
		json_set(properties, "securityRules", cJSON_CreateArray());
	rules_name(p, name);
	snprintf(port, sizeof(port), "%u", p->number);
	rule = json_add_obj(json_get_mut(properties, "securityRules"), NULL);
	json_add_str(rule, "name", name);
	r = json_add_obj(rule, "properties");
	json_add_str(r, "description",
		     "azswarm: a service publishes it; goes when none does.");
	json_add_int(r, "priority", priority);
	json_add_str(r, "direction", "Inbound");
	json_add_str(r, "access", "Allow");
	json_add_str(r, "protocol", protocol_of(p));
	json_add_str(r, "sourceAddressPrefix", "Internet");
	json_add_str(r, "sourcePortRange", "*");
	json_add_str(r, "destinationAddressPrefix", "*");
	json_add_str(r, "destinationPortRange", port);
	return 0;
}

/* ---- both ---- */

cJSON *rules_list(cJSON *doc)
{
	cJSON *properties = json_get_mut(doc, "properties");
	cJSON *rules = json_get_mut(properties, "loadBalancingRules");

	return rules != NULL ? rules : json_get_mut(properties, "securityRules");
}

/* ---- what is sent back ---- */

static void drop(cJSON *obj, const char *const *names)
{
	for (; *names != NULL; names++)
		cJSON_DeleteItemFromObjectCaseSensitive(obj, *names);
}

static void drop_of_each(cJSON *list, const char *const *of_each,
			 const char *const *in_each)
{
	cJSON *each;

	cJSON_ArrayForEach(each, list) {
		drop(each, of_each);
		drop(json_get_mut(each, "properties"), in_each);
	}
}

void rules_bare(cJSON *list)
{
	static const char *const of_each[] = { "etag", "type", NULL };
	static const char *const in_each[] = { "provisioningState",
					       "loadBalancingRules",
					       "outboundRule",
					       "outboundRules",
					       "inboundNatRules",
					       "inboundNatPools",
					       "backendIPConfiguration",
					       "backendIPConfigurations",
					       NULL };
	/* of the addresses that machines of a scale set have in a pool */
	static const char *const in_address[] = {
		"provisioningState", "networkInterfaceIPConfiguration",
		"inboundNatRulesPortMapping", NULL
	};
	cJSON *each;

	drop_of_each(list, of_each, in_each);
	cJSON_ArrayForEach(each, list)
		drop_of_each(json_get_mut(json_get_mut(each, "properties"),
					  "loadBalancerBackendAddresses"),
			     of_each, in_address);
}

/* ---- what a deployment keeps ---- */

static const char *last_of(const char *id)
{
	const char *last = strrchr(id, '/');

	return last != NULL ? last + 1 : id;
}

/* Azure makes POOL.0, POOL.1, ... of an inbound NAT pool, and takes none beside
 * it. */
static bool is_of_nat_pool(const cJSON *doc, const cJSON *rule)
{
	const char *name = json_text(rule, "name"), *dot = strrchr(name, '.');
	struct str pool;
	uint64_t n;

	if (dot == NULL || !str_num(str_of(dot + 1), UINT32_MAX, &n))
		return false;
	pool = str_head(str_of(name), (size_t)(dot - name));
	cJSON_ArrayForEach(rule, json_at(doc, "properties.inboundNatPools"))
		if (str_ieqz(pool, json_text(rule, "name")))
			return true;
	return false;
}

cJSON *rules_others(const cJSON *doc, const char *member, const cJSON *own)
{
	static const char *const sent[] = { "name", "zones", "properties", NULL };
	bool nat = strcmp(member, "inboundNatRules") == 0;
	cJSON *list = cJSON_CreateArray(), *copy;
	const cJSON *item;

	cJSON_ArrayForEach(item, json_get(json_get(doc, "properties"), member)) {
		if (json_named(own, json_text(item, "name")) != NULL ||
		    (nat && is_of_nat_pool(doc, item)))
			continue;
		copy = json_add_obj(list, NULL);
		for (const char *const *k = sent; *k != NULL; k++)
			if (json_get(item, *k) != NULL)
				json_set(copy, *k,
					 cJSON_Duplicate(json_get(item, *k),
							 true));
	}
	rules_bare(list);
	return list;
}

bool rules_id_ends(const char *id, const char *tail)
{
	size_t n = strlen(id), k = strlen(tail);

	return n >= k && str_ieqz(str_of(id + n - k), tail);
}

bool rules_leaves_by(const cJSON *rule, const char *front)
{
	const cJSON *f;

	cJSON_ArrayForEach(f, json_at(rule, "properties.frontendIPConfigurations"))
		if (str_is(last_of(json_text(f, "id")), front))
			return true;
	return false;
}

cJSON *rules_more_ways(const cJSON *doc, const char *rule, const cJSON *own)
{
	cJSON *list = cJSON_CreateArray();
	const cJSON *f,
		*r = json_named(json_at(doc, "properties.outboundRules"), rule);

	cJSON_ArrayForEach(f, json_at(r, "properties.frontendIPConfigurations"))
		if (json_named(own, last_of(json_text(f, "id"))) == NULL)
			json_add_str(json_add_obj(list, NULL), "id",
				     json_text(f, "id"));
	return list;
}
