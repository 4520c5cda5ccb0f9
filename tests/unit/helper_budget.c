/* node/budget: what an address may cost.  The clock is a number here. */
#include <stdio.h>

#include "node/budget.h"
#include "tests/check.h"

static struct budget b;

/* How many of n are paid for. */
static unsigned paid(const char *addr, enum budget_for what, unsigned n,
		     unsigned cost, int64_t now)
{
	unsigned ok = 0;

	for (unsigned i = 0; i < n; i++)
		ok += budget_pay(&b, addr, what, cost, now);
	return ok;
}

static void same(const char *name, unsigned got, unsigned want)
{
	checkf(got == want, name, "%u, not %u", got, want);
}

int main(void)
{
	char addr[DAEMON_ADDRESS_MAX];
	const int64_t later = 62201 + BUDGET_ADDRESSES;
	unsigned n = 0;

	budget_init(&b, 5);
	same("four seconds' worth at once",
	     paid("10.0.0.1", BUDGET_REQUESTS, 100, 1, 1000), 20);
	same("then five a second",
	     paid("10.0.0.1", BUDGET_REQUESTS, 100, 1, 2000), 5);
	/* ten a second for a minute, all but one from somebody else */
	for (int64_t t = 2100; t < 62000; t += 100)
		n += paid("10.0.0.1", BUDGET_REQUESTS, 1, 1, t);
	checkf(n >= 298 && n <= 300, "who is refused pays nothing", "%u of 599",
	       n);
	same("another address has its own",
	     paid("10.0.0.2", BUDGET_REQUESTS, 100, 1, 62000), 20);
	same("handshakes are counted apart",
	     paid("10.0.0.2", BUDGET_HANDSHAKES, 100, 1, 62000), 20);
	same("who has proven himself misses nothing of it",
	     paid("10.0.0.2", BUDGET_PROVEN_REQUESTS, 100, 1, 62000), 80);
	same("nor of that",
	     paid("10.0.0.2", BUDGET_PROVEN_HANDSHAKES, 100, 1, 62000), 80);
	same("what is dear leaves nothing behind",
	     paid("10.0.0.3", BUDGET_REQUESTS, 100, 7, 62000), 3);
	same("which is not owed",
	     paid("10.0.0.3", BUDGET_REQUESTS, 100, 1, 62200), 1);
	same("a clock that stands gives nothing",
	     paid("10.0.0.3", BUDGET_REQUESTS, 100, 1, 62200), 0);

	/* the one that was heard last is not forgotten for many new ones */
	for (unsigned i = 0; i < BUDGET_ADDRESSES - 1; i++) {
		snprintf(addr, sizeof(addr), "10.1.%u.%u", i / 256, i % 256);
		budget_pay(&b, addr, BUDGET_REQUESTS, 1, 62201 + i);
	}
	same("who was heard lately is remembered",
	     paid(addr, BUDGET_REQUESTS, 100, 1, later), 19);
	same("who was not is forgotten",
	     paid("10.0.0.1", BUDGET_REQUESTS, 100, 1, later), 20);
	budget_release(&b);
	return check_failed();
}
