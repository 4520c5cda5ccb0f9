/*
 * Microsoft.Network: what its resources must be, what they get, and the
 * addresses of subnets.  Traffic is nobody's business here.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/hash.h"
#include "emulator/arm/location.h"
#include "emulator/arm/network.h"
#include "emulator/arm/resource.h"
#include "emulator/fault.h"
#include "emulator/forward.h"
#include "emulator/faults.h"
#include "emulator/inner.h"
#include "emulator/ops.h"
#include "emulator/store.h"

#define TAKEN_MAX 256 /* of others; more are no sign of local Azures */
#define PREFIX "Microsoft.Network/publicIPPrefixes"

/* Named things in properties are documents of their own: id, etag, state. */
static void annotate(struct put *p)
{
	cJSON *props = p->props, *arr, *item;
	const char *etag = json_text(p->doc, "etag");

	cJSON_ArrayForEach(arr, props) {
		if (!cJSON_IsArray(arr))
			continue;
		cJSON_ArrayForEach(item, arr) {
			const char *name = json_str_opt(item, "name", NULL);
			cJSON *more;

			if (name == NULL)
				continue;
			more = json_fmt("{'id':'%s/%s/%s','type':'%s/%s','etag':%s,'properties':{"
					"'provisioningState':'Succeeded'}}",
					p->id, arr->string, name, p->type->name,
					arr->string, etag);
			json_merge(item, more);
			json_free(more);
		}
	}
}

/* What stays from one PUT to the next. */
static void carry(struct put *p, const char *name)
{
	cJSON *props = p->props;
	const cJSON *was = p->old != NULL ? json_get(p->old->doc, "properties") :
					    NULL;
	const cJSON *v = json_get(was, name);

	json_drop(props, name);
	if (v != NULL) {
		cJSON_AddItemToObject(props, name, cJSON_Duplicate(v, true));
	} else if (strcmp(name, "resourceGuid") == 0) {
		json_defaults(props, "{'%s':%U}", name);
	}
}

/* Every {"id": ...} below doc that names a Microsoft.Network resource exists;
 * references into the resource itself are looked up in its new document. */
static int check_references(struct emu *m, struct put *p, const cJSON *doc)
{
	size_t own = strlen(p->id);
	const cJSON *v;
	const char *id;

	cJSON_ArrayForEach(v, doc) {
		id = json_str_opt(v, "id", NULL);
		if (id != NULL && json_get(v, "name") == NULL) {
			if (!str_istarts(str_of(id), str_of(p->id))) {
				if (resource_need_reference(m, p, id) < 0)
					return -1;
			} else if (id[own] == '/' &&
				   store_part(p->doc, id + own + 1) == NULL) {
				return resource_no_reference(p, id);
			}
		}
		if (check_references(m, p, v) < 0)
			return -1;
	}
	return 0;
}

static bool parse_cidr(const char *s, uint32_t *net, unsigned *bits)
{
	struct str left, right = str_of(s);
	struct in_addr a;
	uint64_t n = 32;
	char text[20];

	if (s == NULL)
		return false;
	if (str_cut(&right, '/', &left)) {
		if (!str_num(right, 32, &n))
			return false;
	} else {
		left = right;
	}
	if (left.n >= sizeof(text))
		return false;
	snprintf(text, sizeof(text), "%.*s", STR_ARG(left));
	if (inet_pton(AF_INET, text, &a) != 1)
		return false;
	*net = ntohl(a.s_addr);
	*bits = (unsigned)n;
	return true;
}

static uint32_t mask_of(unsigned bits)
{
	return bits == 0 ? 0 : 0xffffffffu << (32 - bits);
}

static bool overlap(uint32_t a, unsigned an, uint32_t b, unsigned bn)
{
	uint32_t mask = mask_of(an < bn ? an : bn);

	return (a & mask) == (b & mask);
}

/* ---- network security groups ---- */

static int check_rule(struct put *p, const cJSON *rule)
{
	static const char *const words[][2] = {
		{ "Protocol", "* Tcp Udp Icmp Esp Ah" },
		{ "Access", "Allow Deny" },
		{ "Direction", "Inbound Outbound" },
	};
	const cJSON *r = json_get(rule, "properties"), *other;
	const char *name = json_text(rule, "name"), *s = "";
	int64_t priority = json_int_opt(r, "priority", 0);

	for (size_t i = 0; i < 3; i++) {
		s = cJSON_GetStringValue(cJSON_GetObjectItem(r, words[i][0]));
		if (!str_listed(words[i][1], s))
			return fault_set(&p->f, 400,
					 "SecurityRuleInvalid%s: Security rule %s has invalid %s "
					 "%s. Values: %s.",
					 words[i][0], name, words[i][0],
					 s != NULL ? s : "", words[i][1]);
	}
	if (priority < 100 || priority > 4096)
		return fault_set(
			&p->f, 400,
			"SecurityRuleInvalidPriority: Security rule has "
			"invalid priority. Value provided: %lld. Allowed range 100-4096.",
			(long long)priority);
	if (json_get(r, "sourceAddressPrefix") == NULL &&
	    json_get(r, "sourceAddressPrefixes") == NULL &&
	    json_get(r, "sourceApplicationSecurityGroups") == NULL)
		return fault_set(
			&p->f, 400,
			"SecurityRuleParameterSourceAddressPrefixIsMissing: "
			"Security rule %s must specify SourceAddressPrefixes, "
			"SourceAddressPrefix or SourceApplicationSecurityGroups.",
			name);
	cJSON_ArrayForEach(other, json_at(p->doc, "properties.securityRules"))
		if (other != rule &&
		    json_int_opt(other, "properties.priority", 0) == priority &&
		    json_is(other, "properties.direction", s))
			return fault_set(&p->f, 400,
					 "SecurityRuleConflict: Security rule %s "
					 "conflicts with rule %s. Rules cannot have the same Priority "
					 "and Direction.",
					 name, json_text(other, "name"));
	return 0;
}

static int put_nsg(struct emu *m, struct put *p)
{
	const cJSON *rule;

	(void)m;
	carry(p, "resourceGuid");
	json_defaults(p->props, "{'securityRules':[],'defaultSecurityRules':[]}");
	cJSON_ArrayForEach(rule, json_at(p->doc, "properties.securityRules"))
		if (check_rule(p, rule) < 0)
			return -1;
	annotate(p);
	return 0;
}

/* ---- virtual networks ---- */

/* Of a subnet, or of a whole network. */
static const char *subnet_range(const cJSON *doc)
{
	return json_str_opt(
		doc, "properties.addressPrefix",
		json_str_opt(doc, "properties.addressPrefixes[0]",
			     json_str_opt(doc, "properties.addressSpace.addressPrefixes[0]",
					  NULL)));
}

static int check_subnet(struct put *p, const cJSON *subnet)
{
	const char *name = json_text(subnet, "name"), *s;
	uint32_t net, other_net;
	unsigned bits, other_bits;
	const cJSON *v;
	bool inside = false;

	s = subnet_range(subnet);
	if (!parse_cidr(s, &net, &bits) || bits > 29 ||
	    (net & ~mask_of(bits)) != 0)
		return fault_set(
			&p->f, 400,
			"InvalidCIDRNotation: The address prefix %s in "
			"resource %s/subnets/%s has an invalid CIDR notation. For the given "
			"prefix length, the address prefix should be at a boundary.",
			s != NULL ? s : "null", p->id, name);
	cJSON_ArrayForEach(v, json_at(p->doc,
				      "properties.addressSpace.addressPrefixes"))
		if (parse_cidr(v->valuestring, &other_net, &other_bits) &&
		    other_bits <= bits &&
		    overlap(net, bits, other_net, other_bits))
			inside = true;
	if (!inside)
		return fault_set(&p->f, 400,
				 "NetcfgInvalidSubnet: Subnet '%s' is not valid "
				 "because its IP address range is outside the IP address range of "
				 "virtual network '%s'.",
				 name, p->name);
	cJSON_ArrayForEach(v, json_at(p->doc, "properties.subnets"))
		if (v != subnet &&
		    parse_cidr(subnet_range(v), &other_net, &other_bits) &&
		    overlap(net, bits, other_net, other_bits))
			return fault_set(
				&p->f, 400,
				"NetcfgSubnetRangesOverlap: Subnet '%s' "
				"is not valid because its IP address range overlaps with that "
				"of an existing subnet in virtual network '%s'.",
				name, p->name);
	return 0;
}

static int put_vnet(struct emu *m, struct put *p)
{
	cJSON *props = p->props, *v;
	const cJSON *old = p->old != NULL ?
				   json_at(p->old->doc, "properties.subnets") :
				   NULL,
		    *o;
	struct entry *user;

	carry(p, "resourceGuid");
	json_defaults(props, "@vnet");
	if (cJSON_GetArraySize(json_at(props, "addressSpace.addressPrefixes")) == 0)
		return fault_set(&p->f, 400,
				 "InvalidRequestFormat: "
				 "The virtual network %s has no address space.",
				 p->name);
	cJSON_ArrayForEach(v, json_get(props, "subnets")) {
		if (check_subnet(p, v) < 0)
			return -1;
		json_defaults(v, "@subnet");
	}
	cJSON_ArrayForEach(o, old)
		if (json_named(json_get(props, "subnets"),
			       json_text(o, "name")) == NULL &&
		    (user = store_referrer(m, json_text(o, "id"))) != NULL)
			return fault_set(
				&p->f, 400,
				"InUseSubnetCannotBeDeleted: "
				"Subnet %s is in use by %s and cannot be deleted.",
				json_text(o, "name"), json_text(user->doc, "id"));
	annotate(p);
	return check_references(m, p, props);
}

/* ---- public addresses ---- */

static bool label_fits(const char *s)
{
	size_t n = strlen(s);

	return n >= 3 && n <= 63 && s[0] >= 'a' && s[0] <= 'z' &&
	       s[n - 1] != '-' && strspn(s, LOWER DIGITS "-") == n;
}

static bool label_taken(struct emu *m, const char *label, const char *location,
			const char *self)
{
	for (struct entry *n = NULL;
	     (n = store_typed(m, n, "Microsoft.Network/publicIPAddresses")) !=
	     NULL;)
		if (json_is(n->doc, "properties.dnsSettings.domainNameLabel",
			    label) &&
		    json_is(n->doc, "location", location) &&
		    !str_is(n->key, self))
			return true;
	return false;
}

/* 127.77.x.y, the first that nobody has.  Where to begin is of the directory,
 * so that two local Azures on one host hardly ever want the same; what another
 * has is not given out. */
static void public_address(struct emu *m, char out[16])
{
	struct str net = str_head(str_of(m->net), 4);
	uint8_t *used = xcalloc(65536, 1);
	unsigned taken = 0; /* others' */
	uint64_t first = 0;
	struct in_addr a;

	for (struct entry *n = NULL; (n = store_next(m, n, "")) != NULL;) {
		const cJSON *v = json_get(json_get(n->doc, "properties"),
					  "ipAddress");

		if (cJSON_IsString(v) &&
		    inet_pton(AF_INET, v->valuestring, &a) == 1 &&
		    ntohl(a.s_addr) >> 16 == (127 << 8 | 77))
			used[ntohl(a.s_addr) & 65535] = 1;
	}
	str_hex(&net, 65535, &first);
	for (unsigned i = 0; i < 65535; i++) {
		unsigned xy = ((unsigned)first + i) & 65535;

		/* a network's own, its gateway's and its last are nobody's */
		if ((xy & 255) < 4 || (xy & 255) == 255)
			continue;
		snprintf(out, 16, "127.77.%u.%u", xy >> 8, xy & 255);
		if (used[xy])
			continue;
		if (m->netns == NULL || taken == TAKEN_MAX ||
		    !forward_is_taken(out))
			break;
		taken++;
	}
	free(used);
}

#define ADDRESSES_MAX 1000 /* in a region, unless "addresses" says otherwise */

/* Of a type, in a region. */
static int64_t count_typed(struct emu *m, const char *type, const char *location)
{
	int64_t k = 0;

	for (struct entry *n = NULL; (n = store_typed(m, n, type)) != NULL;)
		k += json_is(n->doc, "location", location);
	return k;
}

static int put_pip(struct emu *m, struct put *p)
{
	int64_t most = faults_setting(m, "addresses", ADDRESSES_MAX);
	cJSON *props = p->props;
	const char *label = json_str_opt(props, "dnsSettings.domainNameLabel",
					 NULL);
	const char *location = json_text(p->doc, "location");
	char address[16];

	/* Basic was retired on 30 September 2025; no sku still means Basic */
	if (!str_listed("Standard StandardV2", json_text(p->doc, "sku.name")))
		return fault_set(&p->f, 400,
				 "IPv4BasicSkuPublicIpCountLimitReached: Cannot "
				 "create more than 0 IPv4 Basic SKU public IP addresses for this "
				 "subscription in this region.");
	if (!json_is(props, "publicIPAllocationMethod", "Static"))
		return fault_set(
			&p->f, 400,
			"StandardSkuPublicIPAddressesMustBeStatic: "
			"Standard sku publicIp %s must have AllocationMethod set to Static.",
			p->id);
	if (p->old == NULL && count_typed(m, p->type->name, location) >= most)
		return fault_set(&p->f, 400,
				 "PublicIPCountLimitReached: Cannot create more "
				 "than %lld public IP addresses for this "
				 "subscription in this region.",
				 (long long)most);
	carry(p, "resourceGuid");
	carry(p, "ipAddress");
	json_drop(props, "ipConfiguration");
	if (json_get(props, "ipAddress") == NULL) {
		public_address(m, address);
		json_add_str(props, "ipAddress", address);
	}
	json_defaults(p->doc, "@address");
	if (label == NULL)
		return 0;
	if (!label_fits(label))
		return fault_set(&p->f, 400,
				 "InvalidDomainNameLabel: The domain name label "
				 "%s is invalid. It must conform to the following regular expression: "
				 "^[a-z][a-z0-9-]{1,61}[a-z0-9]$.",
				 label);
	if (label_taken(m, label, location, p->id))
		return fault_set(&p->f, 400,
				 "DnsRecordInUse: "
				 "DNS record %s.%s.cloudapp.azure.com is already used by another public "
				 "IP.",
				 label, location);
	json_drop(json_get_mut(props, "dnsSettings"), "fqdn");
	json_defaults(props, "{'dnsSettings':{'fqdn':'%s.%s.cloudapp.localhost'}}",
		      label, location);
	return 0;
}

/* The thing an address hangs on is found when it is asked for. */
static cJSON *show_pip(struct emu *m, const struct entry *n)
{
	cJSON *doc = cJSON_Duplicate(n->doc, true);
	const char *id = json_text(doc, "id");
	struct entry *user = store_referrer(m, id);
	const cJSON *arr, *item;

	if (user == NULL)
		return doc;
	cJSON_ArrayForEach(arr, json_get(user->doc, "properties"))
		cJSON_ArrayForEach(item, arr)
			if (cJSON_IsObject(item) &&
			    json_is(item, "properties.publicIPAddress.id", id))
				json_set(json_get_mut(doc, "properties"),
					 "ipConfiguration",
					 json_fmt("{'id':%s}",
						  json_text(item, "id")));
	return doc;
}

/* ---- prefixes of public addresses ---- */

/* 127.78.x.y, the first sixteen that no prefix has some of. */
static void public_range(struct emu *m, char out[20], unsigned bits)
{
	struct entry *n;

	for (unsigned i = 0; i < 4096; i++) {
		char start[16];

		snprintf(start, sizeof(start), "127.78.%u.%u", i >> 4,
			 (i & 15) << 4);
		snprintf(out, 20, "%s/%u", start, bits);
		strcat(start, "/");
		for (n = NULL; (n = store_typed(m, n, PREFIX)) != NULL;)
			if (str_starts(str_of(json_text(n->doc,
							"properties.ipPrefix")),
				       str_of(start)))
				break;
		if (n == NULL)
			return;
	}
}

/* The limits are documented; what Azure calls a refusal is our guess. */
static int put_prefix(struct emu *m, struct put *p)
{
	cJSON *props = p->props;
	int64_t length = json_int_opt(props, "prefixLength", 0);
	char range[20];

	if (!str_listed("Standard StandardV2", json_text(p->doc, "sku.name")))
		return fault_set(&p->f, 400,
				 "PublicIPPrefixSkuNotSupported: Public IP "
				 "prefix %s must have the Standard SKU.",
				 p->id);
	if (length < 28 || length > 31)
		return fault_set(&p->f, 400,
				 "InvalidPublicIPPrefixLength: The length %lld of "
				 "public IP prefix %s is not in the range 28 to 31.",
				 (long long)length, p->id);
	if (p->old != NULL &&
	    json_int_opt(p->old->doc, "properties.prefixLength", 0) != length)
		return fault_set(&p->f, 400,
				 "PublicIPPrefixLengthCannotBeChanged: The length of "
				 "public IP prefix %s cannot be changed.",
				 p->id);
	carry(p, "resourceGuid");
	carry(p, "ipPrefix");
	if (json_get(props, "ipPrefix") == NULL) {
		public_range(m, range, (unsigned)length);
		json_add_str(props, "ipPrefix", range);
	}
	json_defaults(p->doc, "@prefix");
	return 0;
}

/* ---- load balancers ---- */

/* The public address id, which may be NULL, is nobody else's. */
static int check_pip(struct emu *m, struct put *p, const char *id)
{
	struct entry *user = id != NULL ? store_referrer(m, id) : NULL;

	if (user == NULL || str_is(user->key, p->id))
		return 0;
	return fault_set(&p->f, 400,
			 "PublicIPAddressInUse: Resource %s is referencing public IP "
			 "address %s that is already allocated to resource %s.",
			 p->id, id, user->key);
}

/* What this version does not know, or cannot mean: NRP's words. */
static int bad_member(struct put *p, const char *text)
{
	fault_set(&p->f, 400, "InvalidRequestFormat: Cannot parse the request.");
	json_set(p->f.error, "details",
		 json_fmt("[{'code':'InvalidJson','message':%s}]", text));
	return -1;
}

/* noHealthyBackendsBehavior came with 2024-01-01. */
static int check_probe(struct put *p, const cJSON *probe)
{
	const cJSON *v = json_at(probe, "properties.noHealthyBackendsBehavior");
	const char *word = cJSON_GetStringValue(v);
	char text[256];

	if (json_int_opt(probe, "properties.intervalInSeconds", 15) < 5)
		return fault_set(&p->f, 400,
				 "LoadBalancerProbeIntervalTooSmall: "
				 "The interval of probe %s is smaller than 5 seconds.",
				 json_text(probe, "name"));
	if (v == NULL)
		return 0;
	if (p->api != NULL && strcmp(p->api, "2024-01-01") < 0)
		return bad_member(p,
				  "Could not find member 'noHealthyBackendsBehavior' on "
				  "object of type 'ProbePropertiesFormat'. Path "
				  "'properties.probes'.");
	if (str_is(word, "AllProbedDown") || str_is(word, "AllProbedUp"))
		return 0;
	snprintf(text, sizeof(text),
		 "Error converting value \"%.100s\" to type "
		 "'NoHealthyBackendsBehavior'. Path 'properties.probes'.",
		 word != NULL ? word : json_type(v));
	return bad_member(p, text);
}

/* Both parts of a rule, as they are compared. */
static bool same_text(const cJSON *a, const cJSON *b, const char *path)
{
	return str_is(json_str_opt(a, path, NULL), json_str_opt(b, path, NULL));
}

static bool same_number(const cJSON *a, const cJSON *b, const char *name)
{
	return json_int_opt(a, name, -1) == json_int_opt(b, name, -1);
}

/*
 * Two rules must differ where they begin, and where they end.  Source of the second
 * refusal's words: Azure's own, as users report them; of the first one "Port numbers
 * for each rule must be unique" (LoadBalancingRulePropertiesFormat, frontendPort),
 * and what Azure calls it is our guess.
 */
static int check_twins(struct put *p, const cJSON *one, const cJSON *two)
{
	const cJSON *a = json_get(one, "properties"),
		    *b = json_get(two, "properties");

	if (!same_text(a, b, "protocol"))
		return 0;
	if (same_text(a, b, "frontendIPConfiguration.id") &&
	    same_number(a, b, "frontendPort"))
		return fault_set(
			&p->f, 400,
			"RulesUseSameFrontendPortProtocolAndIPConfig: Load "
			"balancing rules %s and %s use the same protocol %s and "
			"frontend port %lld, and must not be used with the same "
			"frontend IP configuration %s.",
			json_text(one, "id"), json_text(two, "id"),
			json_text(a, "protocol"),
			(long long)json_int_opt(a, "frontendPort", 0),
			json_text(a, "frontendIPConfiguration.id"));
	if (same_text(a, b, "backendAddressPool.id") &&
	    same_number(a, b, "backendPort") &&
	    !json_bool_opt(a, "enableFloatingIP", false) &&
	    !json_bool_opt(b, "enableFloatingIP", false))
		return fault_set(
			&p->f, 400,
			"RulesUseSameBackendPortProtocolAndPool: Load balancing "
			"rules %s and %s with floating IP disabled use the same "
			"protocol %s and backend port %lld, and must not be used "
			"with the same backend address pool %s.",
			json_text(one, "id"), json_text(two, "id"),
			json_text(a, "protocol"),
			(long long)json_int_opt(a, "backendPort", 0),
			json_text(a, "backendAddressPool.id"));
	return 0;
}

static int check_lb_rules(struct put *p)
{
	const cJSON *rules = json_get(p->props, "loadBalancingRules"), *one, *two;
	char text[200];

	cJSON_ArrayForEach(one, rules) {
		int64_t port = json_int_opt(one, "properties.frontendPort", -1);

		if (!str_listed("Tcp Udp All",
				json_text(one, "properties.protocol")) ||
		    port < 0 || port > 65534) {
			snprintf(text, sizeof(text),
				 "Rule %.80s has no protocol Tcp, Udp or All, or its "
				 "frontendPort is not from 0 to 65534.",
				 json_text(one, "name"));
			return bad_member(p, text);
		}
		for (two = one->next; two != NULL; two = two->next)
			if (check_twins(p, one, two) < 0)
				return -1;
	}
	return 0;
}

/* The first frontend that both rules have; NULL: none. */
static const char *shared_front(const cJSON *one, const cJSON *two)
{
	static const char fronts[] = "properties.frontendIPConfigurations";
	const cJSON *a, *b;

	cJSON_ArrayForEach(a, json_at(one, fronts))
		cJSON_ArrayForEach(b, json_at(two, fronts))
			if (same_text(a, b, "id"))
				return json_text(a, "id");
	return NULL;
}

/* Source: Azure's own words, as users report them.  All protocols count as
 * one. */
static int check_outbound(struct put *p)
{
	const cJSON *one, *two;
	const char *front;

	cJSON_ArrayForEach(one, json_get(p->props, "outboundRules"))
		for (two = one->next; two != NULL; two = two->next)
			if ((front = shared_front(one, two)) != NULL)
				return fault_set(
					&p->f, 400,
					"MoreThanOneOutboundRuleUsingSameFrontendIP"
					"ConfigurationAndProtocolIsNotSupported: It is not "
					"supported to have more than a single outbound rule "
					"using frontendIPConfiguration %s with same or "
					"overlapping protocol: %s,%s",
					front, json_text(one, "id"),
					json_text(two, "id"));
	return 0;
}

/* What a scale set names stays.  The words are Azure's, as users report them;
 * what it calls this is our guess. */
static int check_gone(struct emu *m, struct put *p)
{
	static const char *const lists[][2] = {
		{ "inboundNatPools", "inbound nat pool" },
		{ "backendAddressPools", "backend address pool" },
	};
	const cJSON *was = p->old != NULL ? json_get(p->old->doc, "properties") :
					    NULL,
		    *v;
	struct entry *user;

	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++)
		cJSON_ArrayForEach(v, json_get(was, lists[i][0])) {
			if (json_named(json_get(p->props, lists[i][0]),
				       json_text(v, "name")) != NULL ||
			    (user = store_referrer(m, json_text(v, "id"))) == NULL)
				continue;
			return fault_set(&p->f, 400,
					 "LoadBalancerInUseByVirtualMachineScaleSet: "
					 "Cannot remove %s %s from load balancer "
					 "since it is in use by virtual machine "
					 "scale set %s.",
					 lists[i][1], json_text(v, "name"),
					 json_text(user->doc, "id"));
		}
	return 0;
}

static int put_lb(struct emu *m, struct put *p)
{
	cJSON *props = p->props, *v;
	bool outbound;

	if (!json_is(p->doc, "sku.name", "Standard"))
		return fault_set(
			&p->f, 400,
			"BasicLoadBalancerCreationNotAllowed: Basic Load "
			"Balancers were retired on 30 September 2025. Use the Standard SKU.");
	carry(p, "resourceGuid");
	json_defaults(p->doc, "@balancer");
	annotate(p);
	cJSON_ArrayForEach(v, json_get(props, "frontendIPConfigurations"))
		json_defaults(
			v,
			"{'properties':{'privateIPAllocationMethod':'Dynamic'}}");
	if (check_references(m, p, props) < 0 || check_lb_rules(p) < 0 ||
	    check_outbound(p) < 0 || check_gone(m, p) < 0)
		return -1;
	cJSON_ArrayForEach(v, json_get(props, "frontendIPConfigurations"))
		if (check_pip(m, p,
			      json_str_opt(v, "properties.publicIPAddress.id",
					   NULL)) < 0)
			return -1;
	/* Azure wants implicit SNAT off where an outbound rule has the frontend */
	outbound = cJSON_GetArraySize(json_get(props, "outboundRules")) > 0;
	cJSON_ArrayForEach(v, json_get(props, "loadBalancingRules"))
		if (outbound &&
		    !json_bool_opt(v, "properties.disableOutboundSnat", false))
			return fault_set(
				&p->f, 400,
				"RulesUseSameFrontendIpConfigurationAndOutboundRule"
				"WithoutDisableSnat: Load balancing rule %s beside an outbound "
				"rule does not set disableOutboundSnat.",
				json_text(v, "name"));
	cJSON_ArrayForEach(v, json_get(props, "probes"))
		if (check_probe(p, v) < 0)
			return -1;
	return 0;
}

/* ---- what a subscription has in a region ---- */

static void usage(cJSON *out, const struct request *r, const char *location,
		  const char *name, const char *text, int64_t used, int64_t limit)
{
	json_push(json_get_mut(out, "value"),
		  "{'currentValue':%l,'id':'/subscriptions/%s/providers/"
		  "Microsoft.Network/locations/%s/usages/%s','limit':%l,"
		  "'name':{'localizedValue':%s,'value':%s},'unit':'Count'}",
		  used, r->m->subscription, location, name, limit, text, name);
}

/* All public addresses are static ones of the Standard SKU here (put_pip). */
static cJSON *usages(const struct request *r, const char *location)
{
	static const struct {
		const char *type, *name, *text;
		int64_t limit; /* 0: that of addresses */
	} kinds[] = {
		{ "virtualNetworks", "VirtualNetworks", "Virtual Networks", 1000 },
		{ "publicIPAddresses", "StaticPublicIPAddresses",
		  "Static Public IP Addresses", 0 },
		{ "networkSecurityGroups", "NetworkSecurityGroups",
		  "Network Security Groups", 5000 },
		{ "publicIPAddresses", "PublicIPAddresses",
		  "Public IP Addresses", 0 },
		{ "networkInterfaces", "NetworkInterfaces",
		  "Network Interfaces", 65536 },
		{ "loadBalancers", "LoadBalancers", "Load Balancers", 1000 },
		{ "publicIPAddresses", "IPv4StandardSkuPublicIpAddresses",
		  "IPv4 Standard SKU Public IP Addresses", 0 },
		{ NULL, "IPv4BasicSkuPublicIpAddresses",
		  "IPv4 Basic SKU Public IP Addresses", 0 },
	};
	cJSON *out = json_fmt("{'value':[]}");
	char type[80];

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		bool address = kinds[i].type != NULL && kinds[i].limit == 0;

		snprintf(type, sizeof(type), "Microsoft.Network/%s",
			 kinds[i].type != NULL ? kinds[i].type : "");
		usage(out, r, location, kinds[i].name, kinds[i].text,
		      count_typed(r->m, type, location),
		      address ? faults_setting(r->m, "addresses", ADDRESSES_MAX) :
				kinds[i].limit);
	}
	return out;
}

static int check_label(struct request *r, const char *location)
{
	char *label = request_param(r, "domainNameLabel");
	bool fits = label != NULL && label_fits(label);
	int rc;

	if (fits)
		rc = request_answer(r, 200,
				    json_fmt("{'available':%b}",
					     !label_taken(r->m, label, location,
							  NULL)));
	else
		rc = fault_set(&r->fault, 400,
			       "InvalidDomainNameLabel: The domain name label "
			       "%.80s is invalid. It must conform to the following "
			       "regular expression: ^[a-z][a-z0-9-]{1,61}[a-z0-9]$.",
			       label != NULL ? label : "");
	free(label);
	return rc;
}

int network_route(struct request *r, char **s)
{
	const char *location;

	if (!str_is(s[0], "locations"))
		return 1;
	if (r->method != GET)
		return request_bad_method(r);
	if ((location = location_of_path(s, &r->fault)) == NULL)
		return -1;
	if (str_is(s[2], "usages") && s[3] == NULL)
		return request_answer(r, 200, usages(r, location));
	if (str_is(s[2], "CheckDnsNameAvailability") && s[3] == NULL)
		return check_label(r, location);
	return resource_unknown_type(r, "Microsoft.Network", s[2]);
}

/* ---- interfaces and addresses ---- */

int network_subnet_range(struct emu *m, const char *subnet_id, uint32_t *net,
			 unsigned *bits)
{
	return parse_cidr(subnet_range(store_doc(m, subnet_id)), net, bits) ? 0 :
									      -1;
}

/* The addresses that entries have in the network a subnet belongs to. */
struct holdings {
	const char *subnet_id;
	size_t vnet; /* of it: the network's id */
	bool all;    /* those of other networks, too */
	uint32_t *used;
	size_t n;
};

static bool in_network(const struct holdings *h, const char *subnet_id)
{
	return h->all ||
	       (strncasecmp(subnet_id, h->subnet_id, h->vnet) == 0 &&
		(subnet_id[h->vnet] == '/' || subnet_id[h->vnet] == '\0'));
}

/* Is it text, or, when text is NULL, one to be noted? */
static bool look_at(struct holdings *h, const char *have, const char *subnet_id,
		    const char *text)
{
	struct in_addr a;

	if (have == NULL || !in_network(h, subnet_id))
		return false;
	if (text != NULL)
		return strcmp(have, text) == 0;
	if (inet_pton(AF_INET, have, &a) == 1)
		h->used[h->n++] = ntohl(a.s_addr);
	return false;
}

/*
 * Who has that address; with NULL nobody is looked for, and all that are taken
 * are noted.
 */
static struct entry *holdings_look(struct emu *m, struct holdings *h,
				   const char *text)
{
	const char *cut = strstr(h->subnet_id, "/subnets/");
	size_t room = 0;
	struct entry *n;
	const cJSON *ips, *v;

	h->vnet = cut != NULL ? (size_t)(cut - h->subnet_id) :
				strlen(h->subnet_id);
	for (n = NULL; (n = store_next(m, n, "")) != NULL;) {
		ips = json_get(json_get(n->doc, "properties"), "ipConfigurations");
		if (h->n + 1 + (size_t)cJSON_GetArraySize(ips) > room) {
			room = 2 * (h->n + 1 + (size_t)cJSON_GetArraySize(ips));
			h->used = xrealloc(h->used, room * sizeof(*h->used));
		}
		if (look_at(h, cJSON_GetStringValue(json_get(n->hide, "address")),
			    json_text(n->hide, "subnet"), text))
			return n;
		cJSON_ArrayForEach(v, ips)
			if (look_at(h,
				    json_str_opt(v, "properties.privateIPAddress",
						 NULL),
				    json_text(v, "properties.subnet.id"), text))
				return n;
	}
	return NULL;
}

static int by_number(const void *pa, const void *pb)
{
	uint32_t a = *(const uint32_t *)pa, b = *(const uint32_t *)pb;

	return a < b ? -1 : a > b;
}

int network_addresses_free(struct emu *m, struct put *p, const char *subnet_id,
			   size_t n, char (*out)[16])
{
	/* real machines of all networks are on one wire, which has an address
	 * once only */
	struct holdings h = { .subnet_id = subnet_id, .all = m->netns != NULL };
	uint32_t net, at;
	unsigned bits;
	struct in_addr a;
	size_t got = 0, i = 0;

	if (network_subnet_range(m, subnet_id, &net, &bits) < 0) {
		resource_need_reference(m, p, subnet_id);
		return -1;
	}
	holdings_look(m, &h, NULL);
	qsort(h.used, h.n, sizeof(*h.used), by_number);
	for (at = net + 4; got < n && at < (net | ~mask_of(bits)); at++) {
		while (i < h.n && h.used[i] < at)
			i++;
		if (i < h.n && h.used[i] == at)
			continue;
		a.s_addr = htonl(at);
		inet_ntop(AF_INET, &a, out[got++], 16);
	}
	free(h.used);
	if (got < n)
		fault_set(&p->f, 400,
			  "SubnetIsFull: Subnet %s does not have enough "
			  "capacity for %zu IP addresses.",
			  subnet_id, n - got);
	return (int)got;
}

int network_address_take(struct emu *m, struct put *p, const char *subnet_id,
			 const char *wanted, char out[16])
{
	struct holdings h = { .subnet_id = subnet_id };
	struct entry *holder;
	uint32_t net, ip;
	unsigned bits, own;
	char one[1][16];

	snprintf(out, 16, "%.15s", wanted != NULL ? wanted : "");
	if (network_subnet_range(m, subnet_id, &net, &bits) < 0)
		return p->dry ? 0 : resource_need_reference(m, p, subnet_id);
	if (wanted == NULL) {
		if (network_addresses_free(m, p, subnet_id, 1, one) < 1)
			return -1;
		memcpy(out, one[0], 16);
		return 0;
	}
	if (!parse_cidr(wanted, &ip, &own) || !overlap(ip, 32, net, bits))
		return fault_set(&p->f, 400,
				 "PrivateIPAddressNotInSubnet: Private "
				 "static IP address %s does not belong to the range of subnet "
				 "%s.",
				 wanted, subnet_id);
	if (ip - net < 4 || ip == (net | ~mask_of(bits)))
		return fault_set(&p->f, 400,
				 "PrivateIPAddressInReservedRange: "
				 "Private static IP address %s falls within reserved IP range "
				 "of subnet %s.",
				 wanted, subnet_id);
	holder = holdings_look(m, &h, wanted);
	free(h.used);
	if (holder == NULL || str_is(holder->key, p->id))
		return 0;
	return fault_set(&p->f, 400,
			 "PrivateIPAddressIsAllocated: IP "
			 "configuration of %s is using the private IP address %s which "
			 "is already allocated to resource %s.",
			 p->id, wanted, json_text(holder->doc, "id"));
}

/* One configuration of an interface, and the address it gets. */
static int put_ip(struct emu *m, struct put *p, cJSON *v, bool primary)
{
	const cJSON *had = p->old == NULL ?
				   NULL :
				   json_at(p->old->doc,
					   "properties.ipConfigurations");
	const cJSON *old = json_named(had, json_text(v, "name"));
	bool fixed = json_is(v, "properties.privateIPAllocationMethod", "Static");
	const char *subnet = json_str_opt(v, "properties.subnet.id", NULL);
	const char *wanted = json_str_opt(fixed ? v : old,
					  "properties.privateIPAddress", NULL);
	char address[16];

	if (subnet == NULL)
		return fault_set(&p->f, 400,
				 "SubnetNotSpecifiedForIpConfiguration: "
				 "IP configuration %s of %s names no subnet.",
				 json_text(v, "name"), p->id);
	if (fixed && wanted == NULL)
		return fault_set(&p->f, 400,
				 "PrivateIPAddressNotSpecified: IP configuration %s of %s is "
				 "Static and names no address.",
				 json_text(v, "name"), p->id);
	if (check_pip(m, p,
		      json_str_opt(v, "properties.publicIPAddress.id", NULL)) < 0 ||
	    network_address_take(m, p, subnet, wanted, address) < 0)
		return -1;
	json_put_str(json_sub(v, "properties"), "privateIPAddress", address);
	json_defaults(v, "@nic-address", primary);
	return 0;
}

static int put_nic(struct emu *m, struct put *p)
{
	cJSON *props = p->props, *v;
	bool first = true;
	uint8_t r[3];
	char mac[9];

	carry(p, "resourceGuid");
	carry(p, "macAddress");
	json_drop(props, "virtualMachine");
	random_bytes(r, sizeof(r));
	snprintf(mac, sizeof(mac), "%02X-%02X-%02X", r[0], r[1], r[2]);
	json_defaults(props, "@nic", mac);
	if (cJSON_GetArraySize(json_get(props, "ipConfigurations")) == 0)
		return fault_set(
			&p->f, 400,
			"NetworkInterfaceMustHaveAtLeastOneIpConfiguration: "
			"Network interface %s must have at least one IP configuration.",
			p->id);
	annotate(p);
	if (check_references(m, p, props) < 0)
		return -1;
	cJSON_ArrayForEach(v, json_get(props, "ipConfigurations")) {
		if (put_ip(m, p, v, first) < 0)
			return -1;
		first = false;
	}
	return 0;
}

static cJSON *show_nic(struct emu *m, const struct entry *n)
{
	cJSON *doc = cJSON_Duplicate(n->doc, true);
	struct entry *user = store_referrer(m, json_text(doc, "id"));

	if (user != NULL)
		json_set(json_get_mut(doc, "properties"), "virtualMachine",
			 json_fmt("{'id':%s}", json_text(user->doc, "id")));
	return doc;
}

#define NETWORK_VERSIONS \
	"2025-05-01, 2025-03-01, 2025-01-01, 2024-10-01, 2024-07-01, 2024-05-01, 2024-03-01, " \
	"2024-01-01, 2023-11-01, 2023-09-01, 2023-06-01, 2023-04-01, 2023-02-01, 2022-11-01, " \
	"2022-09-01, 2022-07-01, 2022-05-01, 2022-01-01, 2021-08-01, 2021-05-01, 2021-02-01, " \
	"2020-11-01, 2020-08-01, 2020-06-01, 2020-05-01, 2019-11-01, 2019-09-01, 2019-04-01, " \
	"2018-11-01, 2018-10-01, 2018-08-01, 2018-04-01, 2018-01-01, 2017-10-01, 2017-03-30, " \
	"2016-09-01, 2016-03-30, 2015-06-15"
#define NETWORK(type) \
	.name = "Microsoft.Network/" type, .versions = NETWORK_VERSIONS, \
	.style = OP_NETWORK, \
	.flags = R_TRACKED | R_PARTS | R_ETAG_UNIQUE | R_NEW_IS_UPDATING

const struct rtype network_types[] = {
	{
		NETWORK("networkSecurityGroups"),
		.work_ms = 150,
		.in_use = "InUseNetworkSecurityGroupCannotBeDeleted",
		.put = put_nsg,
	},
	{
		NETWORK("virtualNetworks"),
		.work_ms = 250,
		.in_use = "InUseSubnetCannotBeDeleted",
		.put = put_vnet,
	},
	{
		NETWORK("publicIPAddresses"),
		.work_ms = 200,
		.in_use = "PublicIPAddressCannotBeDeleted",
		.put = put_pip,
		.show = show_pip,
	},
	{
		NETWORK("publicIPPrefixes"),
		.work_ms = 200,
		.in_use = "PublicIPPrefixCannotBeDeleted",
		.put = put_prefix,
	},
	{
		NETWORK("loadBalancers"),
		.work_ms = 200,
		.in_use = "LoadBalancerInUseByVirtualMachineScaleSet",
		.put = put_lb,
	},
	{
		NETWORK("networkInterfaces"),
		.work_ms = 150,
		.in_use = "NicInUse",
		.put = put_nic,
		.show = show_nic,
	},
	{ .name = NULL },
};
