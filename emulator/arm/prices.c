/*
 * The list of retail prices (https://prices.azure.com), of what a cluster has.
 * Nobody signs in for it, and it has neither versions nor a place in Resource
 * Manager.  Beside each size for an hour with Linux stand the other things of
 * its name, as they do there.
 *
 * Documented ("Azure Retail Prices overview", learn.microsoft.com): the fields
 * of an item, $filter with eq, and, or and brackets.  The prices are what they
 * were in East US in 2026, the same for all regions.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emulator/arm/location.h"
#include "emulator/arm/prices.h"
#include "emulator/fault.h"
#include "emulator/inner.h"
#include "emulator/request.h"

#define DEPTH_MAX 8 /* of brackets */

/* Of an hour, in millionths of a dollar. */
static const struct {
	const char *size, *series;
	int64_t micros;
} machines[] = {
	{ "B2ats_v2", "Basv2", 9400 },	{ "B2ts_v2", "Bsv2", 10400 },
	{ "B2als_v2", "Basv2", 37600 }, { "B2ls_v2", "Bsv2", 41600 },
	{ "B2as_v2", "Basv2", 75200 },	{ "B2s_v2", "Bsv2", 83200 },
	{ "B4ls_v2", "Bsv2", 147000 },	{ "B4s_v2", "Bsv2", 166000 },
	{ "B2pts_v2", "Bpsv2", 8400 },	{ "B2pls_v2", "Bpsv2", 33600 },
	{ "B2ps_v2", "Bpsv2", 67200 },	{ "D2ls_v5", "DLSv5", 85000 },
	{ "D2s_v5", "Dsv5", 96000 },	{ "D4s_v5", "Dsv5", 192000 },
	{ "D8s_v5", "Dsv5", 384000 },	{ "D2als_v6", "Dalsv6", 77000 },
};

static const struct {
	const char *region; /* NULL: each */
	const char *service, *product, *sku, *meter, *unit;
	int64_t micros;
} parts[] = {
	{ NULL, "Storage", "Standard SSD Managed Disks", "E4 LRS",
	  "E4 LRS Disk", "1/Month", 2400000 },
	{ NULL, "Storage", "Standard SSD Managed Disks", "E4 LRS",
	  "E4 LRS Disk Operations", "10K", 2000 },
	{ NULL, "Virtual Network", "IP Addresses", "Standard",
	  "Standard IPv4 Static Public IP", "1 Hour", 5000 },
	{ "Global", "Load Balancer", "Load Balancer", "Standard",
	  "Standard Included LB Rules and Outbound Rules", "1 Hour", 25000 },
	{ "Global", "Load Balancer", "Load Balancer", "Standard",
	  "Standard Overage LB Rules and Outbound Rules", "1/Hour", 10000 },
};

/* ---- $filter ---- */

struct filter {
	struct str rest;
	const cJSON *item;
	bool broken;
};

static bool word(struct filter *f, struct str w)
{
	struct str s = str_trim(f->rest);

	if (!str_starts(s, w))
		return false;
	f->rest = str_skip(s, w.n);
	return true;
}

static bool any_of(struct filter *f, unsigned depth);

/* NAME eq 'VALUE', or one in brackets. */
static bool one(struct filter *f, unsigned depth)
{
	struct str name, value;
	const cJSON *have;
	char *key;
	bool held;

	if (word(f, STR("("))) {
		held = any_of(f, depth + 1);
		f->broken |= !word(f, STR(")"));
		return held;
	}
	if (!str_cut(&f->rest, '\'', &name) || !str_cut(&f->rest, '\'', &value) ||
	    !str_ends(str_trim(name), STR(" eq"))) {
		f->broken = true;
		return false;
	}
	name = str_trim(name);
	key = str_dup(str_trim(str_head(name, name.n - 3)));
	/* the one that is called otherwise in items */
	have = json_get(f->item, strcmp(key, "priceType") == 0 ? "type" : key);
	held = cJSON_IsString(have) && str_eqz(value, have->valuestring);
	free(key);
	return held;
}

static bool all_of(struct filter *f, unsigned depth)
{
	bool held = one(f, depth);

	while (!f->broken && word(f, STR("and ")))
		held &= one(f, depth);
	return held;
}

static bool any_of(struct filter *f, unsigned depth)
{
	bool held;

	f->broken |= depth > DEPTH_MAX;
	if (f->broken)
		return false;
	held = all_of(f, depth);
	while (!f->broken && word(f, STR("or ")))
		held |= all_of(f, depth);
	return held;
}

/* ---- items ---- */

struct list {
	struct str filter;
	cJSON *items;
	bool broken;
};

/* Takes item. */
static void offer(struct list *l, cJSON *item)
{
	struct filter f = { .rest = l->filter, .item = item };
	bool kept = l->filter.n == 0 || any_of(&f, 0);

	l->broken |= f.broken || str_trim(f.rest).n > 0;
	if (kept && cJSON_GetArraySize(l->items) < 100)
		cJSON_AddItemToArray(l->items, item);
	else
		json_free(item);
}

static cJSON *item(const char *region, const char *service, const char *product,
		   const char *sku, const char *meter, const char *unit,
		   int64_t micros, const char *arm_sku)
{
	cJSON *doc = json_fmt("@price", region, region, meter, product, sku,
			      service, unit, arm_sku);

	json_set(doc, "retailPrice", cJSON_CreateNumber((double)micros / 1e6));
	json_set(doc, "unitPrice", cJSON_CreateNumber((double)micros / 1e6));
	return doc;
}

/* What has the name of size i. */
static void offer_machine(struct list *l, const char *region, size_t i)
{
	/* the product's and the meter's name, in a hundred of the price */
	static const struct {
		const char *product, *meter;
		int64_t percent;
	} kinds[] = {
		{ "Virtual Machines %s Series Windows", "%s", 110 },
		{ "Virtual Machines %s Series", "%s Spot", 20 },
		{ "Virtual Machines %s Series", "%s Low Priority", 40 },
		{ "%s Series Cloud Services", "%s", 112 },
		{ "Virtual Machines %s Series", "%s", 100 },
	};
	char *arm_sku = xasprintf("Standard_%s", machines[i].size);
	char *name = xstrdup(machines[i].size);

	*strchr(name, '_') = ' ';
	for (size_t k = 0; k < sizeof(kinds) / sizeof(*kinds); k++) {
		struct buf product = BUF_INIT(128), meter = BUF_INIT(128);
		struct str series = str_of(machines[i].series);
		const char *at = strstr(kinds[k].product, "%s");

		buf_addf(&product, "%.*s%.*s%s", (int)(at - kinds[k].product),
			 kinds[k].product, STR_ARG(series), at + 2);
		buf_addf(&meter, "%s%s", name, kinds[k].meter + 2);
		offer(l, item(region, "Virtual Machines", product.str,
			      meter.str, meter.str, "1 Hour",
			      machines[i].micros * kinds[k].percent / 100,
			      arm_sku));
		buf_release(&product);
		buf_release(&meter);
	}
	free(name);
	free(arm_sku);
}

static void offer_region(struct list *l, const char *region)
{
	bool global = strcmp(region, "Global") == 0;

	for (size_t i = 0; !global && i < sizeof(machines) / sizeof(*machines);
	     i++)
		offer_machine(l, region, i);
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		if ((parts[i].region != NULL) == global)
			offer(l, item(region, parts[i].service, parts[i].product,
				      parts[i].sku, parts[i].meter,
				      parts[i].unit, parts[i].micros, ""));
}

int prices_list(struct request *r)
{
	char *filter = request_param(r, "$filter");
	struct list l = { .filter = str_of(filter != NULL ? filter : ""),
			  .items = cJSON_CreateArray() };
	cJSON *out;

	if (r->method != GET) {
		json_free(l.items);
		free(filter);
		return request_bad_method(r);
	}
	for (const struct location *at = location_table; at->name != NULL; at++)
		offer_region(&l, at->name);
	offer_region(&l, "Global");
	out = json_fmt("{'BillingCurrency':'USD','CustomerEntityId':'Default',"
		       "'CustomerEntityType':'Retail','NextPageLink':null,"
		       "'Count':%d}",
		       cJSON_GetArraySize(l.items));
	json_set(out, "Items", l.items);
	free(filter);
	if (!l.broken)
		return request_answer(r, 200, out);
	json_free(out);
	return fault_set(&r->fault, 400,
			 "BadRequest: Invalid OData parameters "
			 "supplied");
}
