/*
 * swarm/price.c: what of the list of retail prices is a cluster's, and what it
 * comes to.  The items have the fields of Microsoft's own example ("Azure Retail
 * Prices overview", learn.microsoft.com); the figures are those of East US in
 * 2026.
 */
#include "swarm/price.h"
#include "tests/check.h"

#define ITEM(region, service, product, sku, meter, price, unit, type, arm) \
	"{\"currencyCode\":\"USD\",\"tierMinimumUnits\":0.0,\"retailPrice\":" price \
	",\"unitPrice\":" price ",\"armRegionName\":\"" region \
	"\",\"location\":\"US East\"," \
	"\"effectiveStartDate\":\"2026-01-01T00:00:00Z\",\"meterId\":" \
	"\"00000000-0000-0000-0000-000000000000\",\"meterName\":\"" meter \
	"\",\"productId\":\"DZH318Z0BQPS\",\"skuId\":\"DZH318Z0BQPS/00TG\"," \
	"\"productName\":\"" product "\",\"skuName\":\"" sku \
	"\",\"serviceName\":\"" service \
	"\",\"serviceId\":\"DZH313Z7MMC8\",\"serviceFamily\":\"Compute\"," \
	"\"unitOfMeasure\":\"" unit "\",\"type\":\"" type \
	"\",\"isPrimaryMeterRegion\":true,\"armSkuName\":\"" arm "\"}"
#define VM(product, sku, meter, price) \
	ITEM("eastus", "Virtual Machines", product, sku, meter, price, \
	     "1 Hour", "Consumption", "Standard_B2s_v2")
#define LINUX VM("Virtual Machines Bsv2 Series", "B2s v2", "B2s v2", "0.0832")
#define SMALL \
	ITEM("eastus", "Virtual Machines", "Virtual Machines Basv2 Series", \
	     "B2ats v2", "B2ats v2", "0.0094", "1 Hour", "Consumption", \
	     "Standard_B2ats_v2")
#define DISK \
	ITEM("eastus", "Storage", "Standard SSD Managed Disks", "E4 LRS", \
	     "E4 LRS Disk", "2.4", "1/Month", "Consumption", "")
#define ADDRESS \
	ITEM("eastus", "Virtual Network", "IP Addresses", "Standard", \
	     "Standard IPv4 Static Public IP", "0.005", "1 Hour", \
	     "Consumption", "")
#define BALANCER \
	ITEM("Global", "Load Balancer", "Load Balancer", "Standard", \
	     "Standard Included LB Rules and Outbound Rules", "0.025", \
	     "1 Hour", "Consumption", "")

static int sum(const char *items, const struct price_parts *parts,
	       struct price *price, struct err *e)
{
	char *text = xasprintf("{\"BillingCurrency\":\"USD\",\"CustomerEntityId\":"
			       "\"Default\",\"CustomerEntityType\":\"Retail\","
			       "\"Items\":[%s],\"NextPageLink\":null,\"Count\":1}",
			       items);
	cJSON *doc = json_parse(str_of(text), "test", e);
	struct price_list list = { .n = 0 };
	int rc = -1;

	if (doc != NULL && price_take(doc, "eastus", parts, &list, e) == 0)
		rc = price_sum(&list, parts, price, e);
	json_free(doc);
	free(text);
	return rc;
}

/* ---- one machine of that size: which of the items is its ---- */

static const struct {
	const char *name, *items;
	int64_t cents; /* -1: none of them */
} machines[] = {
	{ "with Linux, by the hour", LINUX, 6074 },
	{ "no item at all", "", -1 },
	{ "Windows alone",
	  VM("Virtual Machines Bsv2 Series Windows", "B2s v2", "B2s v2", "0.0912"),
	  -1 },
	{ "behind Windows",
	  VM("Virtual Machines Bsv2 Series Windows", "B2s v2", "B2s v2",
	     "0.0912") "," LINUX,
	  6074 },
	{ "Spot",
	  VM("Virtual Machines Bsv2 Series", "B2s v2 Spot", "B2s v2 Spot", "0.02"),
	  -1 },
	{ "Spot, by its meter alone",
	  VM("Virtual Machines Bsv2 Series", "B2s v2", "B2s v2 Spot", "0.02"),
	  -1 },
	{ "Spot, by its sku alone",
	  VM("Virtual Machines Bsv2 Series", "B2s v2 Spot", "B2s v2", "0.02"),
	  -1 },
	{ "low priority",
	  VM("Virtual Machines Bsv2 Series", "B2s v2 Low Priority",
	     "B2s v2 Low Priority", "0.03"),
	  -1 },
	{ "cloud services",
	  VM("Bsv2 Series Cloud Services", "B2s v2", "B2s v2", "0.09"), -1 },
	{ "cloud services, as older ones are called",
	  VM("Virtual Machines Bsv2 Series CloudServices", "B2s v2", "B2s v2",
	     "0.09"),
	  -1 },
	{ "of who develops and tests",
	  ITEM("eastus", "Virtual Machines", "Virtual Machines Bsv2 Series",
	       "B2s v2", "B2s v2", "0.08", "1 Hour", "DevTestConsumption",
	       "Standard_B2s_v2"),
	  -1 },
	{ "reserved for a year: the sum, called an hour's",
	  ITEM("eastus", "Virtual Machines", "Virtual Machines Bsv2 Series",
	       "B2s v2", "B2s v2", "430.0", "1 Hour", "Reservation",
	       "Standard_B2s_v2"),
	  -1 },
	{ "another region's",
	  ITEM("westus", "Virtual Machines", "Virtual Machines Bsv2 Series",
	       "B2s v2", "B2s v2", "0.0832", "1 Hour", "Consumption",
	       "Standard_B2s_v2"),
	  -1 },
	{ "another size's", SMALL, -1 },
	{ "what is no price",
	  VM("Virtual Machines Bsv2 Series", "B2s v2", "B2s v2", "\"0.1\""), -1 },
	{ "nothing to be paid",
	  VM("Virtual Machines Bsv2 Series", "B2s v2", "B2s v2", "0"), -1 },
	{ "more than anybody pays",
	  VM("Virtual Machines Bsv2 Series", "B2s v2", "B2s v2", "1e300"), -1 },
	{ "next to nothing",
	  VM("Virtual Machines Bsv2 Series", "B2s v2", "B2s v2", "1e-300"), -1 },
	{ "less than nothing",
	  VM("Virtual Machines Bsv2 Series", "B2s v2", "B2s v2", "-1"), -1 },
	{ "another unit",
	  ITEM("eastus", "Virtual Machines", "Virtual Machines Bsv2 Series",
	       "B2s v2", "B2s v2", "0.0832", "100 Hours", "Consumption",
	       "Standard_B2s_v2"),
	  -1 },
	{ "items that are none", "null,7,[],{}," LINUX, 6074 },
};

static void one_machine(void)
{
	for (size_t i = 0; i < sizeof(machines) / sizeof(*machines); i++) {
		struct price_parts parts = { 0 };
		struct price price = { 0 };
		struct err e = ERR_INIT;
		int rc;

		price_add(&parts, "Standard_B2s_v2", 1);
		rc = sum(machines[i].items, &parts, &price, &e);
		if (machines[i].cents < 0)
			checkf(rc < 0 && strcmp(e.msg, "the list has none of "
						       "Standard_B2s_v2") == 0,
			       machines[i].name, "%d, %lld, \"%s\"", rc,
			       (long long)price.sum, e.msg);
		else
			checkf(rc == 0 && price.sum == machines[i].cents,
			       machines[i].name, "%d, %lld, \"%s\"", rc,
			       (long long)price.sum, e.msg);
	}
}

/* ---- a cluster ---- */

static void cluster(const char *name, const char *size, int64_t machines_c,
		    int64_t sum_c)
{
	struct price_parts parts = { .disks = 4, .addresses = 2, .balancers = 1 };
	struct price p = { 0 };
	struct err e = ERR_INIT;
	int rc;

	price_add(&parts, size, 1);
	price_add(&parts, size, 3);
	rc = sum(LINUX "," SMALL "," DISK "," ADDRESS "," BALANCER, &parts, &p,
		 &e);
	checkf(rc == 0 && p.machines == machines_c && p.disks == 960 &&
		       p.addresses == 730 && p.balancers == 1825 && p.sum == sum_c,
	       name, "%d, %lld + %lld + %lld + %lld = %lld, \"%s\"", rc,
	       (long long)p.machines, (long long)p.disks, (long long)p.addresses,
	       (long long)p.balancers, (long long)p.sum, e.msg);
}

/* What is there and in no list makes the whole unknown. */
static void lacking(void)
{
	static const struct {
		const char *name, *items, *why;
	} cases[] = {
		{ "no disk", LINUX "," ADDRESS "," BALANCER,
		  "the list has none of E4 LRS Disk" },
		{ "no address", LINUX "," DISK "," BALANCER,
		  "the list has none of Standard IPv4 Static Public IP" },
		{ "no balancer", LINUX "," DISK "," ADDRESS,
		  "the list has none of Standard Included LB Rules and Outbound Rules" },
		{ "a balancer of a region, not of everywhere",
		  LINUX
		  "," DISK "," ADDRESS
		  "," ITEM("eastus", "Load Balancer", "Load Balancer", "Standard",
			   "Standard Included LB Rules and Outbound Rules",
			   "0.025", "1 Hour", "Consumption", ""),
		  "the list has none of Standard Included LB Rules and Outbound Rules" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct price_parts parts = { .disks = 1,
					     .addresses = 1,
					     .balancers = 1 };
		struct price price;
		struct err e = ERR_INIT;

		price_add(&parts, "Standard_B2s_v2", 1);
		sum(cases[i].items, &parts, &price, &e);
		check_same(e.msg, cases[i].why, cases[i].name);
	}
}

static void nothing(void)
{
	struct price_parts parts = { .disks = 4 };
	struct price price = { .sum = 7 };
	struct err e = ERR_INIT;

	/* what is deallocated has a disk and no size */
	price_add(&parts, "Standard_B2s_v2", 0);
	checkf(sum(DISK, &parts, &price, &e) == 0 && price.sum == 960,
	       "disks alone", "%lld, \"%s\"", (long long)price.sum, e.msg);
}

static void many_sizes(void)
{
	struct price_parts parts = { 0 };
	char names[PRICE_SIZES_MAX + 1][32];
	struct price price;
	struct err e = ERR_INIT;

	for (size_t i = 0; i <= PRICE_SIZES_MAX; i++) {
		snprintf(names[i], sizeof(names[i]), "Standard_X%02zu",
			 PRICE_SIZES_MAX - i);
		price_add(&parts, names[i], 1);
	}
	sum(LINUX, &parts, &price, &e);
	check_same(e.msg, "the list has none of so many sizes",
		   "more sizes than anybody has");
	parts = (struct price_parts){ .addresses = INT64_MAX };
	e = (struct err)ERR_INIT;
	sum(ADDRESS, &parts, &price, &e);
	check(strstr(e.msg, "more than anybody has") != NULL,
	      "more than can be multiplied", e.msg);
	parts = (struct price_parts){ 0 };
	for (size_t i = 0; i < 4; i++)
		price_add(&parts, names[i], 1);
	checkf(parts.n_machines == 4 &&
		       strcmp(parts.machines[0].size, names[3]) == 0 &&
		       strcmp(parts.machines[3].size, names[0]) == 0,
	       "sizes are in order, so that the same is asked", "%zu, %s first",
	       parts.n_machines, parts.machines[0].size);
}

int main(void)
{
	json_init();
	one_machine();
	cluster("four of 8 GiB", "Standard_B2s_v2", 24294, 27809);
	cluster("four of 1 GiB", "Standard_B2ats_v2", 2745, 6260);
	lacking();
	nothing();
	many_sizes();
	return check_failed();
}
