/*
 * base/clock.c for a program that is to live a day in a minute: linked in its
 * place (build/bench/azswarm-day).  Whoever sleeps moves the clock to where he
 * would have woken, after a moment; whoever waits for a peer waits as ever, so
 * that no deadline is shorter than it was but for what others slept.
 */
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#define MOMENT_US 200

static atomic_llong ahead_ms;
int sleep_really(int64_t deadline_ms, struct err *e);

static int day_clock(clockid_t id, struct timespec *t)
{
	int rc = clock_gettime(id, t);
	int64_t ms = t->tv_nsec / 1000000 + atomic_load(&ahead_ms);

	/* the wall's is as it is: what peers sign has to be of now */
	if (id == CLOCK_MONOTONIC) {
		t->tv_sec += (time_t)(ms / 1000);
		t->tv_nsec = t->tv_nsec % 1000000 + (long)(ms % 1000) * 1000000;
	}
	return rc;
}

#define clock_gettime day_clock
#define sleep_until sleep_really
#include "base/clock.c"
#undef clock_gettime
#undef sleep_until

int sleep_until(int64_t deadline_ms, struct err *e)
{
	int64_t left = deadline_ms - now_ms();

	if (deadline_ms == IO_FOREVER || interrupted)
		return sleep_really(deadline_ms, e);
	if (left > 0) {
		usleep(MOMENT_US);
		atomic_fetch_add(&ahead_ms, left);
	}
	return 0;
}
