#ifndef NODE_BUDGET_H
#define NODE_BUDGET_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "node/daemon.h"

/*
 * What an address may cost a helper.  Whoever has proven that he belongs to
 * the cluster pays from budgets of his own: what a stranger at the same
 * address, a container without the secret, spends, he does not miss.
 *
 * Each budget holds BUDGET_BURST_S seconds' worth, and what was refused costs
 * nothing.  BUDGET_ADDRESSES are remembered; the one that was heard least
 * recently is forgotten first.
 */
enum budget_for {
	BUDGET_REQUESTS,
	BUDGET_HANDSHAKES,
	BUDGET_PROVEN_REQUESTS,
	BUDGET_PROVEN_HANDSHAKES,
	BUDGETS,
};
#define BUDGET_BURST_S 4
#define BUDGET_PROVEN_TIMES 4 /* as much as a stranger */
#define BUDGET_ADDRESSES 1024

struct budget {
	pthread_mutex_t lock;
	unsigned rate; /* a stranger's requests a second */
	struct budget_address {
		char addr[DAEMON_ADDRESS_MAX];
		int64_t left[BUDGETS]; /* thousandths */
		int64_t last_ms;
	} * addresses;
};
void budget_init(struct budget *b, unsigned rate);
void budget_release(struct budget *b);

/* Pay cost for what; false when less than one is left.  More than is left
 * leaves nothing.  Any thread. */
bool budget_pay(struct budget *b, const char *addr, enum budget_for what,
		unsigned cost, int64_t now_ms);

#endif
