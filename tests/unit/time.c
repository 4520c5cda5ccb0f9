/* base/time */
#include <stdio.h>
#include <string.h>

#include "base/time.h"
#include "tests/check.h"

/* What GNU date says of these. */
static const struct {
	int64_t t;
	const char *iso, *http;
} both[] = {
	{ 0, "1970-01-01T00:00:00Z", "Thu, 01 Jan 1970 00:00:00 GMT" },
	{ 784111777, "1994-11-06T08:49:37Z", "Sun, 06 Nov 1994 08:49:37 GMT" },
	{ 951782400, "2000-02-29T00:00:00Z", "Tue, 29 Feb 2000 00:00:00 GMT" },
	{ 951868799, "2000-02-29T23:59:59Z", "Tue, 29 Feb 2000 23:59:59 GMT" },
	{ 978307199, "2000-12-31T23:59:59Z", "Sun, 31 Dec 2000 23:59:59 GMT" },
	{ 1709164800, "2024-02-29T00:00:00Z", "Thu, 29 Feb 2024 00:00:00 GMT" },
	{ 2147483648, "2038-01-19T03:14:08Z", "Tue, 19 Jan 2038 03:14:08 GMT" },
	{ 4107542400, "2100-03-01T00:00:00Z", "Mon, 01 Mar 2100 00:00:00 GMT" },
	{ 253402300799, "9999-12-31T23:59:59Z", "Fri, 31 Dec 9999 23:59:59 GMT" },
};

static const struct {
	const char *text;
	int64_t want;
} iso[] = {
	{ "2026-08-01T12:00:00.1234567Z", 1785585600 },
	{ "2026-08-01t14:00:00+02:00", 1785585600 },
	{ "2026-08-01T06:30:00.5-05:30", 1785585600 },
	{ "2016-12-31T23:59:60Z", 1483228800 },
	{ "2026-08-01T12:00:00", -1 },
	{ "2026-08-01", -1 },
	{ "", -1 },
	{ "2026-08-01 12:00:00Z", -1 },
	{ "2026-13-01T12:00:00Z", -1 },
	{ "2026-02-29T12:00:00Z", -1 },
	{ "2100-02-29T12:00:00Z", -1 },
	{ "2026-08-01T24:00:00Z", -1 },
	{ "2026-08-01T12:60:00Z", -1 },
	{ "2026-08-00T12:00:00Z", -1 },
	{ "2026-08-01T12:00:00.Z", -1 },
	{ "2026-08-01T12:00:00ZZ", -1 },
	{ "2026-8-01T12:00:00Z", -1 },
	{ "1969-12-31T23:59:59Z", -1 },
	{ "1970-01-01T00:00:00+01:00", -1 },
	{ "2026-08-01T12:00:00+2:00", -1 },
	{ "2026-08-01T12:00:00+24:00", -1 },
};

static const struct {
	const char *text;
	int64_t want;
} http[] = {
	{ "Sunday, 06-Nov-94 08:49:37 GMT", 784111777 },
	{ "Sun Nov  6 08:49:37 1994", 784111777 },
	{ "Wed Nov 16 08:49:37 1994", 784975777 },
	{ "Friday, 01-Jan-27 00:00:00 GMT", 1798761600 },
	{ "Sun, 06 Nov 1994 08:49:37 UTC", -1 },
	{ "Sun, 6 Nov 1994 08:49:37 GMT", -1 },
	{ "Sun, 06 nov 1994 08:49:37 GMT", -1 },
	{ "06 Nov 1994 08:49:37 GMT", -1 },
	{ "Sun, 06 Nov 1994 08:49:37 GMT ", -1 },
	{ "Sun, 31 Nov 1994 08:49:37 GMT", -1 },
	{ "", -1 },
	{ "Sun", -1 },
	{ "Sun, 06 Nov 1994 25:49:37 GMT", -1 },
};

static void one(bool good, int64_t got, int64_t want, const char *text)
{
	char name[80], why[80];

	snprintf(name, sizeof(name), "%s \"%s\"",
		 want < 0 ? "refuses" : "reads", text);
	snprintf(why, sizeof(why), "%s, %lld", good ? "accepted" : "refused",
		 (long long)got);
	check(good == (want >= 0) && got == (want < 0 ? -7 : want), name, why);
}

/* Lengths of time: what Azure writes (ISO 8601), and what people read. */
static const struct {
	const char *text;
	int64_t want; /* -1: none */
	const char *span;
} spans[] = {
	{ "PT125S", 125, "2 min 5 s" },
	{ "PT0.000S", 0, "0 s" },
	{ "PT0S", 0, "0 s" },
	{ "PT1.203S", 1, "1 s" },
	{ "PT59.4999999S", 59, "59 s" },
	{ "PT59.5S", 60, "1 min" },
	{ "PT2M0.9S", 121, "2 min 1 s" },
	{ "PT1H", 3600, "1 h" },
	{ "PT1H0M59S", 3659, "1 h" },
	{ "PT1H2M3.4S", 3723, "1 h 2 min" },
	{ "P1DT2H4M", 93840, "26 h 4 min" },
	{ "P1D", 86400, "24 h" },
	{ "", -1, NULL },
	{ "P", -1, NULL },
	{ "PT", -1, NULL },
	{ "P1DT", -1, NULL },
	{ "T1S", -1, NULL },
	{ "PT1", -1, NULL },
	{ "PTS", -1, NULL },
	{ "PT1S2M", -1, NULL },
	{ "PT1M1M", -1, NULL },
	{ "P1M", -1, NULL },
	{ "P1S", -1, NULL },
	{ "PT1D", -1, NULL },
	{ "PT1.5M", -1, NULL },
	{ "PT1.S", -1, NULL },
	{ "PT1.5", -1, NULL },
	{ "PT-1S", -1, NULL },
	{ "PT99999999S", -1, NULL },
	{ "00:02:05", -1, NULL },
};

static void lengths(void)
{
	for (size_t i = 0; i < sizeof(spans) / sizeof(*spans); i++) {
		int64_t got = -1;
		char text[32] = "";

		if (!time_parse_span(str_of(spans[i].text), &got))
			got = -1;
		if (got >= 0)
			time_span(got, text);
		checkf(got == spans[i].want &&
			       (got < 0 || strcmp(text, spans[i].span) == 0),
		       spans[i].text, "%lld, \"%s\"", (long long)got, text);
	}
}

int main(void)
{
	char out[32];
	int64_t t;

	for (size_t i = 0; i < sizeof(both) / sizeof(both[0]); i++) {
		bool good;

		time_iso(both[i].t, out);
		check(strcmp(out, both[i].iso) == 0, both[i].iso, out);
		time_http(both[i].t, out);
		check(strcmp(out, both[i].http) == 0, both[i].http, out);
		good = time_parse_iso(str_of(both[i].iso), &t) && t == both[i].t &&
		       time_parse_http(str_of(both[i].http), &t) &&
		       t == both[i].t;
		snprintf(out, sizeof(out), "and back %zu", i);
		check(good, out, "differs");
	}
	for (size_t i = 0; i < sizeof(iso) / sizeof(iso[0]); i++) {
		t = -7;
		bool good = time_parse_iso(str_of(iso[i].text), &t);
		one(good, t, iso[i].want, iso[i].text);
	}
	for (size_t i = 0; i < sizeof(http) / sizeof(http[0]); i++) {
		t = -7;
		bool good = time_parse_http(str_of(http[i].text), &t);
		one(good, t, http[i].want, http[i].text);
	}
	bool days = true;

	for (int64_t d = 0; d < 80000; d++) { /* every day to 2189 */
		time_iso(d * 86400 + 86399, out);
		days = days && time_parse_iso(str_of(out), &t) &&
		       t == d * 86400 + 86399;
	}
	check(days, "every day there and back", "one differs");
	time_iso(INT64_MAX, out);
	check(strcmp(out, "9999-12-31T23:59:59Z") == 0, "never", out);
	time_http(-5, out);
	check(strcmp(out, "Thu, 01 Jan 1970 00:00:00 GMT") == 0,
	      "before the epoch", out);
	lengths();
	return check_failed();
}
