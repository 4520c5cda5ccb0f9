/* swarm/rules.c: what the documents of load balancer and security group say of a
 * port, and what is put into them. */
#include <stdlib.h>
#include <string.h>

#include "base/asset.h"
#include "swarm/rules.h"
#include "tests/check.h"

#define LB \
	"/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/" \
	"loadBalancers/agents-lb"
#define FRONT \
	"'frontendIPConfiguration':{'id':'" LB \
	"/frontendIPConfigurations/PUBLIC'}"
#define POOL "'backendAddressPool':{'id':'" LB "/backendAddressPools/agents'}"
#define RULE(name, protocol, front, back, more) \
	"{'name':'" name "','properties':{" FRONT "," POOL \
	",'protocol':'" protocol "','frontendPort':" front \
	",'backendPort':" back more "}}"

/* A document, with ' in place of ". */
static cJSON *doc_of(const char *before, const char *part, const char *after)
{
	char *text = xasprintf("%s%s%s", before, part, after), *c;
	struct err e = ERR_INIT;
	cJSON *doc;

	for (c = text; *c != '\0'; c++)
		if (*c == '\'')
			*c = '"';
	doc = json_parse(str_of(text), "row", &e);
	if (doc == NULL)
		abort();
	free(text);
	return doc;
}

static cJSON *balancer_of(const char *rules)
{
	return doc_of("{'properties':{"
		      "'frontendIPConfigurations':[{'name':'public','id':'" LB
		      "/frontendIPConfigurations/public'}],"
		      "'backendAddressPools':[{'name':'agents','id':'" LB
		      "/backendAddressPools/agents'}],"
		      "'probes':[{'name':'healthz','id':'" LB "/probes/healthz',"
		      "'properties':{'port':1338,'loadBalancingRules':[{'id':'x'}],"
		      "'provisioningState':'Succeeded'}}],",
		      rules, "}}");
}

static cJSON *group_of(const char *rules)
{
	return doc_of("{'properties':{'securityRules':[", rules, "]}}");
}

/* ---- names ---- */

static const struct name_row {
	const char *name;
	bool ours, udp;
	unsigned number;
} name_rows[] = {
	{ "tcp-443", true, false, 443 },  { "udp-5353", true, true, 5353 },
	{ "TCP-443", true, false, 443 },  { "tcp-65535", true, false, 65535 },
	{ "http-80", false, false, 0 },	  { "tcp-0443", false, false, 0 },
	{ "tcp-65536", false, false, 0 }, { "tcp-", false, false, 0 },
	{ "tcp-443 ", false, false, 0 },  { "tcp-443-office", false, false, 0 },
	{ "sctp-443", false, false, 0 },  { "", false, false, 0 },
};

static void names(void)
{
	for (size_t i = 0; i < sizeof(name_rows) / sizeof(*name_rows); i++) {
		const struct name_row *r = &name_rows[i];
		struct rules_port p = { 0 };

		checkf(rules_ours(r->name, &p) == r->ours &&
			       (!r->ours ||
				(p.number == r->number && p.udp == r->udp)),
		       r->name, "%u, %d", p.number, p.udp);
	}
}

/* ---- what they say of 443 ---- */

static const struct way_row {
	const char *name;
	const char *rules;
	enum rules_way way;
	const char *by;
} balancer_rows[] = {
	{ "none", "'loadBalancingRules':[]", RULES_NONE, "" },
	{ "no list", "'x':1", RULES_NONE, "" },
	{ "ours",
	  "'loadBalancingRules':[" RULE("tcp-443", "Tcp", "443", "443", "") "]",
	  RULES_OPEN, "tcp-443" },
	{ "by another name",
	  "'loadBalancingRules':[" RULE("w", "tcp", "443", "443", "") "]",
	  RULES_OPEN, "w" },
	{ "of UDP", "'loadBalancingRules':[" RULE("u", "Udp", "443", "443", "") "]",
	  RULES_NONE, "" },
	{ "elsewhere",
	  "'loadBalancingRules':[" RULE("w", "Tcp", "443", "8443", "") "]",
	  RULES_TAKEN, "w" },
	{ "from elsewhere",
	  "'loadBalancingRules':[" RULE("w", "Tcp", "80", "443", "") "]",
	  RULES_TAKEN, "w" },
	{ "from elsewhere, floating",
	  "'loadBalancingRules':[" RULE("w", "Tcp", "80", "443",
					",'enableFloatingIP':true") "]",
	  RULES_NONE, "" },
	{ "the other list of pools",
	  "'loadBalancingRules':[{'name':'w','properties':{" FRONT
	  ",'backendAddressPools':[{'id':'" LB "/backendAddressPools/agents'}],"
	  "'protocol':'Tcp','frontendPort':443,'backendPort':443}}]",
	  RULES_OPEN, "w" },
	{ "another frontend",
	  "'loadBalancingRules':[{'name':'w','properties':{"
	  "'frontendIPConfiguration':{'id':'x'},'protocol':'Tcp',"
	  "'frontendPort':443,'backendPort':8443}}]",
	  RULES_NONE, "" },
	{ "inbound NAT",
	  "'inboundNatRules':[{'name':'n','properties':{" FRONT
	  ",'protocol':'Tcp','frontendPort':443,'backendPort':22}}]",
	  RULES_TAKEN, "n" },
	{ "a range of that",
	  "'inboundNatRules':[{'name':'n','properties':{" FRONT
	  ",'protocol':'Tcp','frontendPortRangeStart':400,"
	  "'frontendPortRangeEnd':500,'backendPort':22}}]",
	  RULES_TAKEN, "n" },
	{ "a pool of that",
	  "'inboundNatPools':[{'name':'n','properties':{" FRONT
	  ",'protocol':'Tcp','frontendPortRangeStart':400,"
	  "'frontendPortRangeEnd':500,'backendPort':22}}]",
	  RULES_TAKEN, "n" },
	{ "a range before it, and 0",
	  "'inboundNatRules':[{'name':'n','properties':{" FRONT
	  ",'protocol':'Tcp','frontendPort':0,'frontendPortRangeStart':400,"
	  "'frontendPortRangeEnd':442,'backendPort':22}}]",
	  RULES_NONE, "" },
	{ "all ports", "'loadBalancingRules':[" RULE("w", "All", "0", "0", "") "]",
	  RULES_TAKEN, "w" },
	{ "a range before it",
	  "'inboundNatRules':[{'name':'n','properties':{" FRONT
	  ",'protocol':'Tcp','frontendPortRangeStart':400,"
	  "'frontendPortRangeEnd':442,'backendPort':22}}]",
	  RULES_NONE, "" },
};

#define GROUP_RULE(name, priority, access, protocol, source, ports, more) \
	"{'name':'" name \
	"','properties':{'direction':'Inbound','priority':" priority \
	",'access':'" access "','protocol':'" protocol "'," source "," ports \
	",'sourcePortRange':'*','destinationAddressPrefix':'*'" more "}}"
#define FROM(s) "'sourceAddressPrefix':'" s "'"
#define TO(p) "'destinationPortRange':'" p "'"

#define DEST_RULE(name, priority, access, to) \
	"{'name':'" name "','properties':{'destinationAddressPrefix':'" to "'," \
	"'direction':'Inbound','priority':" priority ",'access':'" access \
	"','protocol':'Tcp','sourceAddressPrefix':'Internet'," \
	"'sourcePortRange':'*','destinationPortRange':'443'}}"
#define OPEN \
	GROUP_RULE("w", "200", "Allow", "Tcp", FROM("Internet"), TO("443"), "")

static const struct way_row group_rows[] = {
	{ "none", "", RULES_NONE, "" },
	{ "open",
	  GROUP_RULE("w", "200", "Allow", "Tcp", FROM("Internet"), TO("443"), ""),
	  RULES_OPEN, "w" },
	{ "all protocols",
	  GROUP_RULE("w", "200", "Allow", "*", FROM("*"), TO("*"), ""),
	  RULES_OPEN, "w" },
	{ "a range",
	  GROUP_RULE("w", "200", "Allow", "Tcp", FROM("0.0.0.0/0"),
		     TO("400-443"), ""),
	  RULES_OPEN, "w" },
	{ "a range before it",
	  GROUP_RULE("w", "200", "Allow", "Tcp", FROM("*"), TO("400-442"), ""),
	  RULES_NONE, "" },
	{ "a list",
	  GROUP_RULE("w", "200", "Allow", "Tcp", FROM("*"),
		     "'destinationPortRanges':['80','443']", ""),
	  RULES_OPEN, "w" },
	{ "a list of sources",
	  GROUP_RULE("w", "200", "Allow", "Tcp",
		     "'sourceAddressPrefixes':['10.0.0.0/8','Internet']",
		     TO("443"), ""),
	  RULES_OPEN, "w" },
	{ "UDP", GROUP_RULE("w", "200", "Allow", "Udp", FROM("*"), TO("443"), ""),
	  RULES_NONE, "" },
	{ "for some",
	  GROUP_RULE("w", "200", "Allow", "Tcp", FROM("203.0.113.0/24"),
		     TO("443"), ""),
	  RULES_NONE, "" },
	{ "ours, for some",
	  GROUP_RULE("tcp-443", "200", "Allow", "Tcp", FROM("203.0.113.0/24"),
		     TO("443"), ""),
	  RULES_OPEN, "tcp-443" },
	{ "the way out",
	  GROUP_RULE("w", "200", "Allow", "Tcp", FROM("*"), TO("443"),
		     ",'direction':'Outbound'"),
	  RULES_OPEN,
	  "w" }, /* the first of two of a name counts, as in any JSON of ours */
	{ "the first denies",
	  GROUP_RULE("w", "200", "Allow", "Tcp", FROM("*"), TO("443"),
		     "") "," GROUP_RULE("never", "150", "Deny", "*", FROM("*"),
					TO("*"), ""),
	  RULES_DENIED, "never" },
	{ "the first allows",
	  GROUP_RULE("never", "200", "Deny", "*", FROM("*"), TO("*"),
		     "") "," GROUP_RULE("w", "150", "Allow", "Tcp", FROM("*"),
					TO("443"), ""),
	  RULES_OPEN, "w" },
	{ "the first denies, in any order",
	  GROUP_RULE("never", "150", "Deny", "*", FROM("*"), TO("*"),
		     "") "," GROUP_RULE("w", "200", "Allow", "Tcp", FROM("*"),
					TO("443"), ""),
	  RULES_DENIED, "never" },
	{ "denied to the agents' range",
	  DEST_RULE("never", "150", "Deny", "10.77.16.0/20") "," OPEN,
	  RULES_DENIED, "never" },
	{ "denied to one of them",
	  DEST_RULE("never", "150", "Deny", "10.77.16.4") "," OPEN,
	  RULES_DENIED, "never" },
	{ "allowed to the agents' range",
	  DEST_RULE("w", "150", "Allow", "10.77.16.0/20"), RULES_OPEN, "w" },
	{ "allowed to the network",
	  DEST_RULE("w", "150", "Allow", "10.77.0.0/16"), RULES_OPEN, "w" },
	{ "allowed to all", DEST_RULE("w", "150", "Allow", "0.0.0.0/0"),
	  RULES_OPEN, "w" },
	{ "allowed to some", DEST_RULE("w", "150", "Allow", "10.77.16.0/21"),
	  RULES_NONE, "" },
	{ "allowed to masters", DEST_RULE("w", "150", "Allow", "10.77.0.0/20"),
	  RULES_NONE, "" },
	{ "allowed to what is no range",
	  DEST_RULE("w", "150", "Allow", "10.77.16/20"), RULES_NONE, "" },
	{ "denied to some",
	  GROUP_RULE("some", "150", "Deny", "*", FROM("198.51.100.0/24"),
		     TO("*"), "") "," GROUP_RULE("w", "200", "Allow", "Tcp",
						 FROM("*"), TO("443"), ""),
	  RULES_OPEN, "w" },
};

static void ways(const struct way_row *rows, size_t n,
		 cJSON *(*make)(const char *),
		 enum rules_way (*way)(const cJSON *, const struct rules_port *,
				       const char **))
{
	const struct rules_port p = { .number = 443 };

	for (size_t i = 0; i < n; i++) {
		cJSON *doc = make(rows[i].rules);
		const char *by = NULL;
		enum rules_way got = way(doc, &p, &by);

		checkf(got == rows[i].way && strcmp(by, rows[i].by) == 0,
		       rows[i].name, "%d by \"%s\"", (int)got, by);
		json_free(doc);
	}
}

/* The range that rules are held against is the one that agents get. */
static void range_of_template(void)
{
	const struct rules_port p = { .number = 443 };
	struct buf text = BUF_INIT(1u << 20);
	struct err e = ERR_INIT;
	cJSON *template, *group, *r;
	const char *range, *by;

	asset_get("arm/cluster.json", &text);
	template = json_parse(buf_str(&text), "template", &e);
	range = json_text(json_get(template, "variables"), "agentsRange");
	group = group_of(DEST_RULE("w", "150", "Allow", "RANGE"));
	r = json_get_mut(rules_list(group)->child, "properties");
	json_set(r, "destinationAddressPrefix", cJSON_CreateString(range));
	check(rules_group(group, &p, &by) == RULES_OPEN,
	      "the range is the template's", range);
	json_free(group);
	json_free(template);
	buf_release(&text);
}

/* ---- what is put into them ---- */

static void added(void)
{
	const struct rules_port tcp = { .number = 443 },
				udp = { .number = 53, .udp = true };
	cJSON *lb = balancer_of("'x':1"), *group, *none = cJSON_CreateObject();
	struct err e = ERR_INIT;
	const char *by;

	check(rules_add_balancer(lb, &tcp, &e) == 0 &&
		      rules_add_balancer(lb, &udp, &e) == 0,
	      "added", e.msg);
	check(rules_balancer(lb, &tcp, &by) == RULES_OPEN &&
		      rules_balancer(lb, &udp, &by) == RULES_OPEN,
	      "and found", "no");
	check(json_at(lb,
		      "properties.loadBalancingRules[1].properties.enableTcpReset") ==
		      NULL,
	      "UDP has no resets", "no");
	check(json_is(lb, "properties.loadBalancingRules[1].properties.probe.id",
		      LB "/probes/healthz"),
	      "by the probe of all", "no");
	check(rules_add_balancer(none, &tcp, &e) < 0 && e.kind == ERR_DATA &&
		      strstr(e.msg, "frontend public") != NULL,
	      "a balancer without anything", e.msg);
	err_clear(&e);

	/* 1001 is free; a rule for what goes out has no say */
	group = group_of(GROUP_RULE(
		"a", "1000", "Allow", "Tcp", FROM("*"), TO("1"),
		"") ","
		    "{'name':'out','properties':{'priority':1001,'direction':'Outbound'}}," GROUP_RULE(
			    "b", "1002", "Allow", "Tcp", FROM("*"), TO("2"), ""));
	check(rules_add_group(group, &tcp, &e) == 0 &&
		      rules_add_group(group, &udp, &e) == 0,
	      "let in", e.msg);
	check(json_int_opt(group, "properties.securityRules[3].properties.priority",
			   0) == 1001 &&
		      json_int_opt(group,
				   "properties.securityRules[4].properties.priority",
				   0) == 1003,
	      "by the first priorities that are free", "no");
	check(rules_group(group, &tcp, &by) == RULES_OPEN &&
		      rules_group(group, &udp, &by) == RULES_OPEN,
	      "and found there", "no");
	for (int i = 0; i < 5000 && e.kind == ERR_NONE; i++)
		rules_add_group(group, &tcp, &e);
	check(e.kind == ERR_DATA && strstr(e.msg, "from 1000 to 4096") != NULL,
	      "until there is none", e.msg);
	json_free(lb);
	json_free(group);
	json_free(none);
}

/* ---- what a deployment keeps ---- */

static void kept(void)
{
	cJSON *lb = balancer_of(
		"'loadBalancingRules':[" RULE("http-80", "Tcp", "80", "80", "") "," RULE(
			"mine", "Tcp", "443", "443",
			",'provisioningState':'Succeeded','loadDistribution':'SourceIP'") "]");
	cJSON *own = doc_of("[{'name':'HTTP-80'}]", "", "");
	cJSON *others = rules_others(lb, "loadBalancingRules", own);
	cJSON *probes = rules_others(lb, "probes", own);

	check(cJSON_GetArraySize(others) == 1 &&
		      json_is(others, "[0].name", "mine") &&
		      json_is(others, "[0].properties.loadDistribution",
			      "SourceIP"),
	      "what is not the template's, as it is", "no");
	check(json_at(others, "[0].properties.provisioningState") == NULL &&
		      json_at(others, "[0].id") == NULL,
	      "without what Azure adds", "no");
	check(cJSON_GetArraySize(probes) == 1 &&
		      json_at(probes, "[0].properties.loadBalancingRules") == NULL &&
		      json_int_opt(probes, "[0].properties.port", 0) == 1338,
	      "probes, without who has them", "no");
	json_free(lb);
	json_free(own);
	json_free(others);
	json_free(probes);
}

/* A balancer of which much is by hand. */
static void kept_by_hand(void)
{
	cJSON *lb = doc_of(
		"{'properties':{'frontendIPConfigurations':["
		"{'name':'public','zones':['1']},"
		"{'name':'mail','id':'i','etag':'e','zones':['2'],'properties':{"
		"'publicIPAddress':{'id':'/p'},'outboundRules':[{'id':'o'}],"
		"'inboundNatPools':[{'id':'n'}],'provisioningState':'Succeeded'}}],"
		"'backendAddressPools':[{'name':'agents'},{'name':'mail','properties':{"
		"'drainPeriodInSeconds':30,'outboundRule':{'id':'o'},"
		"'backendIPConfigurations':[{'id':'b'}],"
		"'loadBalancerBackendAddresses':[{'name':'a','etag':'e','properties':{"
		"'ipAddress':'10.0.0.9','networkInterfaceIPConfiguration':{'id':'x'}}}]"
		"}}],'outboundRules':[{'name':'outbound','properties':{"
		"'frontendIPConfigurations':[{'id':'/f/PUBLIC'},{'id':'/f/mail'}]}}],"
		"'inboundNatPools':[{'name':'each.of'}],'inboundNatRules':["
		"{'name':'each.of.0'},{'name':'Each.Of.17'},{'name':'each.of.x'},"
		"{'name':'each.0'},{'name':'each.of'},{'name':'7'}]",
		"", "}}");
	cJSON *fronts_own = doc_of("[{'name':'public'}]", "", "");
	cJSON *pools_own = doc_of("[{'name':'agents'}]", "", "");
	cJSON *fronts = rules_others(lb, "frontendIPConfigurations", fronts_own);
	cJSON *pools = rules_others(lb, "backendAddressPools", pools_own);
	cJSON *nat = rules_others(lb, "inboundNatRules", NULL);
	cJSON *more = rules_more_ways(lb, "outbound", fronts_own);
	const cJSON *rule = json_at(lb, "properties.outboundRules[0]");
	struct buf text = BUF_INIT(1024);

	json_print(fronts, &text);
	json_print(pools, &text);
	json_print(nat, &text);
	json_print(more, &text);
	check_same(text.str,
		   "[{\"name\":\"mail\",\"zones\":[\"2\"],\"properties\":{"
		   "\"publicIPAddress\":{\"id\":\"/p\"}}}]"
		   "[{\"name\":\"mail\",\"properties\":{"
		   "\"drainPeriodInSeconds\":30,"
		   "\"loadBalancerBackendAddresses\":[{\"name\":\"a\","
		   "\"properties\":{\"ipAddress\":\"10.0.0.9\"}}]}}]"
		   "[{\"name\":\"each.of.x\"},{\"name\":\"each.0\"},"
		   "{\"name\":\"each.of\"},{\"name\":\"7\"}]"
		   "[{\"id\":\"/f/mail\"}]",
		   "by hand: as it may be sent, and no rule that a NAT pool made");
	check(rules_leaves_by(rule, "public") && rules_leaves_by(rule, "mail") &&
		      !rules_leaves_by(rule, "ail"),
	      "by hand: whom an outbound rule leaves by", "not so");
	check(rules_id_ends("/A/Agents", "/agents") &&
		      !rules_id_ends("agents", "/agents"),
	      "by hand: an id's end, in any case", "not so");
	buf_release(&text);
	json_free(lb);
	json_free(fronts_own);
	json_free(pools_own);
	json_free(fronts);
	json_free(pools);
	json_free(nat);
	json_free(more);
}

int main(void)
{
	json_init();
	names();
	ways(balancer_rows, sizeof(balancer_rows) / sizeof(*balancer_rows),
	     balancer_of, rules_balancer);
	ways(group_rows, sizeof(group_rows) / sizeof(*group_rows), group_of,
	     rules_group);
	range_of_template();
	added();
	kept();
	kept_by_hand();
	return check_failed();
}
