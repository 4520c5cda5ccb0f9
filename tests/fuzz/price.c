/* Any JSON as the list of prices: what is taken from it is a price, and adds up. */
#include <stdint.h>
#include <stdlib.h>

#include "swarm/price.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct price_parts parts = { .disks = 1000,
				     .addresses = 1000,
				     .balancers = 1 };
	struct err e = ERR_INIT;
	cJSON *doc = json_parse((struct str){ (const char *)data, size },
				"input", &e);
	struct price_list list = { .n = 0 };
	struct price price;

	price_add(&parts, "Standard_B2s_v2", 1000);
	if (doc != NULL && price_take(doc, "eastus", &parts, &list, &e) == 0 &&
	    price_sum(&list, &parts, &price, &e) == 0 &&
	    (price.machines < 0 || price.disks < 0 || price.addresses < 0 ||
	     price.balancers < 0 ||
	     price.sum != price.machines + price.disks + price.addresses +
				  price.balancers))
		abort();
	json_free(doc);
	return 0;
}
