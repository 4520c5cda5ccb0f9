/* node/demo: digits of pi, intervals, text inside of HTML. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/demo.h"
#include "tests/check.h"

/* ---- pi by another way: 16 atan(1/5) - 4 atan(1/239), in limbs of 1e9 ---- */

#define LIMBS 1000

static bool over(uint32_t a[LIMBS], uint32_t by)
{
	uint64_t rest = 0;
	bool any = false;

	for (int i = 0; i < LIMBS; i++) {
		rest = rest * 1000000000u + a[i];
		a[i] = (uint32_t)(rest / by);
		rest %= by;
		any |= a[i] != 0;
	}
	return any;
}

static void plus(uint32_t a[LIMBS], const uint32_t b[LIMBS], bool minus)
{
	int64_t carry = 0;

	for (int i = LIMBS; i-- > 0;) {
		carry += (int64_t)a[i] + (minus ? -(int64_t)b[i] : (int64_t)b[i]);
		a[i] = (uint32_t)(((carry % 1000000000) + 1000000000) %
				  1000000000);
		carry = (carry - (int64_t)a[i]) / 1000000000;
	}
}

static void atan_of(uint32_t sum[LIMBS], uint32_t times, uint32_t x, bool minus)
{
	static uint32_t power[LIMBS], term[LIMBS];
	uint32_t n = 1;

	memset(power, 0, sizeof(power));
	power[0] = times;
	over(power, x);
	do {
		memcpy(term, power, sizeof(term));
		over(term, n);
		plus(sum, term, minus);
		minus = !minus;
		n += 2;
	} while (over(power, x * x));
}

static bool never(void *ctx)
{
	(void)ctx;
	return false;
}

static bool after(void *ctx)
{
	return (*(int *)ctx)-- <= 0;
}

static void pi(void)
{
	static uint32_t sum[LIMBS];
	static char want[LIMBS * 9 + 16], out[8000];
	char got[64];
	size_t at = 1, n;

	atan_of(sum, 16, 5, false);
	atan_of(sum, 4, 239, true);
	want[0] = (char)('0' + sum[0]);
	for (int i = 1; i < LIMBS; i++, at += 9)
		snprintf(want + at, 10, "%09u", sum[i]);
	check(memcmp(want, "31415926535897932384626433832795", 32) == 0,
	      "the other way begins well", want);

	n = demo_pi(out, 8000, never, NULL);
	snprintf(got, sizeof(got), "%zu", n);
	check(n == 8000, "8000 digits", got);
	for (at = 0; at < n && out[at] == want[at]; at++)
		;
	snprintf(got, sizeof(got), "wrong from digit %zu on", at);
	check(at == n, "all right", got);

	/* short ones: the last digits are where a spigot runs dry */
	for (n = 4; n <= 1200; n += 4)
		if (demo_pi(out, n, never, NULL) != n || memcmp(out, want, n) != 0)
			break;
	snprintf(got, sizeof(got), "%zu digits", n);
	check(n > 1200, "every length up to 1200", got);

	/* cut short at every place: digit 762 begins six nines */
	for (int stop = 0; stop < 300; stop++) {
		int left = stop;

		n = demo_pi(out, 1200, after, &left);
		if (n > (size_t)stop * 4 || n + 12 < (size_t)stop * 4 ||
		    memcmp(out, want, n) != 0) {
			snprintf(got, sizeof(got), "%zu digits after %d steps",
				 n, stop);
			check(false, "cut short", got);
			return;
		}
	}
	check(true, "cut short at every place", "");
}

static const struct {
	const char *name, *text;
	int from, to; /* -1: refused */
} intervals[] = {
	{ "a time", "250", 250, 250 },
	{ "no time", "0", 0, 0 },
	{ "the longest", "60000", 60000, 60000 },
	{ "two", "100,200", 100, 200 },
	{ "two that are one", "7,7", 7, 7 },
	{ "too long", "60001", -1, -1 },
	{ "backwards", "200,100", -1, -1 },
	{ "three", "1,2,3", -1, -1 },
	{ "nothing", "", -1, -1 },
	{ "half of two", "5,", -1, -1 },
	{ "the other half", ",5", -1, -1 },
	{ "negative", "-5", -1, -1 },
	{ "more than fits", "99999999999999999999999", -1, -1 },
	{ "hexadecimal", "0x10", -1, -1 },
};

static void interval(void)
{
	for (size_t i = 0; i < sizeof(intervals) / sizeof(*intervals); i++) {
		struct err e = ERR_INIT;
		unsigned from = 0, to = 0;
		int rc = demo_interval(str_of(intervals[i].text), &from, &to, &e);
		bool good =
			intervals[i].from < 0 ?
				rc < 0 && strstr(e.msg,
						 "from 0 to 60000 milliseconds") !=
						  NULL :
				rc == 0 && (int)from == intervals[i].from &&
					(int)to == intervals[i].to;

		check(good, intervals[i].name, e.msg);
	}
}

static void escape(void)
{
	struct buf b = BUF_INIT(512);

	demo_escape(&b, STR("<b a=\"x\" c='y'>&\\\x01 \xc3\xa4 \xff"));
	check(strcmp(b.str, "&#60;b a=&#34;x&#34; c=&#39;y&#39;&#62;&#38;&#92;? "
			    "\xc3\xa4 ?") == 0,
	      "text in HTML", b.str);
	buf_release(&b);
}

int main(void)
{
	pi();
	interval();
	escape();
	return check_failed();
}
