/*
 * Token buckets, some for each address.  No I/O, and the clock is a number.
 */
#include "node/budget.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

#define ONE 1000 /* thousandths */

void budget_init(struct budget *b, unsigned rate)
{
	*b = (struct budget){
		.rate = rate,
		.addresses = xcalloc(BUDGET_ADDRESSES, sizeof(*b->addresses)),
	};
	pthread_mutex_init(&b->lock, NULL);
}

void budget_release(struct budget *b)
{
	pthread_mutex_destroy(&b->lock);
	free(b->addresses);
}

static int64_t rate_of(const struct budget *b, int what)
{
	return (int64_t)b->rate *
	       (what >= BUDGET_PROVEN_REQUESTS ? BUDGET_PROVEN_TIMES : 1);
}

static int64_t most_of(const struct budget *b, int what)
{
	return rate_of(b, what) * BUDGET_BURST_S * ONE;
}

/* Find or make room for an address. */
static struct budget_address *find(struct budget *b, const char *addr,
				   int64_t now_ms)
{
	struct budget_address *oldest = &b->addresses[0];

	for (size_t i = 0; i < BUDGET_ADDRESSES; i++) {
		struct budget_address *a = &b->addresses[i];

		if (strcmp(a->addr, addr) == 0)
			return a;
		if (a->last_ms < oldest->last_ms)
			oldest = a;
	}
	*oldest = (struct budget_address){ .last_ms = now_ms };
	for (int i = 0; i < BUDGETS; i++)
		oldest->left[i] = most_of(b, i);
	memcpy(oldest->addr, addr, strlen(addr) + 1);
	return oldest;
}

bool budget_pay(struct budget *b, const char *addr, enum budget_for what,
		unsigned cost, int64_t now_ms)
{
	struct budget_address *a;
	int64_t price = (int64_t)cost * ONE;
	bool ok;

	pthread_mutex_lock(&b->lock);
	a = find(b, addr, now_ms);
	for (int i = 0; i < BUDGETS; i++) {
		a->left[i] += (now_ms - a->last_ms) * rate_of(b, i);
		if (a->left[i] > most_of(b, i))
			a->left[i] = most_of(b, i);
	}
	a->last_ms = now_ms;
	ok = a->left[what] >= ONE;
	if (ok)
		a->left[what] -= price < a->left[what] ? price : a->left[what];
	pthread_mutex_unlock(&b->lock);
	return ok;
}
