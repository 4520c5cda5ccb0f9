#ifndef SWARM_PRICE_H
#define SWARM_PRICE_H

#include "swarm/session.h"

/*
 * What a cluster costs a month by Azure's list of prices, which nobody has to
 * sign in for: in US dollars, before discounts and taxes, a month being 730
 * hours.  Counted are machines, their disks, public addresses and the load
 * balancer with its first five rules; not traffic, what disks are asked for,
 * and what is stored in the account.
 */
#define PRICE_SIZES_MAX 16
/* Addresses of the range that more than a hundred agents leave by. */
#define PRICE_RANGE 8
#define PRICE_LEFT_OUT "without traffic, disk operations and files"

/* What there is of a cluster, and is paid for. */
struct price_parts {
	struct {
		const char *size; /* borrowed */
		int64_t n;
	} machines[PRICE_SIZES_MAX];
	size_t n_machines; /* sizes */
	int64_t disks, addresses, balancers;
};

/* n more machines of that size.  What is more than PRICE_SIZES_MAX sizes makes
 * the price one that is not known. */
void price_add(struct price_parts *p, const char *size, int64_t n);

/* A part of the list: what one of a kind costs. */
#define PRICE_KINDS (PRICE_SIZES_MAX + 3)
struct price_list {
	struct {
		char name[80];	/* a size, or what Azure's meter is called */
		int64_t micros; /* millionths of a dollar a month */
	} kinds[PRICE_KINDS];
	size_t n;
};

/*
 * Ask for what is in parts, in that region: one request, bounded by limit_ms, and
 * none when the answer to the same one was kept in the last day (in the folder
 * of the tokens), or there was none within the hour.  -1 with e: not known, and
 * why.  In the way of nobody.
 *
 * Source: "Azure Retail Prices overview" (learn.microsoft.com).
 */
int price_ask(struct session *s, const char *location,
	      const struct price_parts *parts, int64_t limit_ms,
	      struct price_list *list, struct err *e);

/* Cents a month. */
struct price {
	int64_t machines, disks, addresses, balancers, sum;
};
/* ERR_DATA naming the first thing that the list lacks. */
int price_sum(const struct price_list *list, const struct price_parts *parts,
	      struct price *price, struct err *e);

/* Take from an answer what the list is to have; others see it for tests. */
int price_take(const cJSON *answer, const char *location,
	       const struct price_parts *parts, struct price_list *list,
	       struct err *e);

#endif
