/*
 * Times as text.  The calendar is the proleptic Gregorian one, in UTC, years
 * 1970 to 9999; no zone database, no locale, no C library tables.
 */
#include <stdio.h>
#include <string.h>

#include "base/time.h"

#define DAY 86400
#define LAST_SECOND INT64_C(253402300799) /* 9999-12-31T23:59:59Z */

static const char week_days[] = "SunMonTueWedThuFriSat";
static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

struct clock {
	uint64_t year, month, day, hour, min, sec; /* month from 1 */
};

static bool leap(uint64_t y)
{
	return y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
}

static uint64_t days_in(uint64_t y, uint64_t m)
{
	static const unsigned char days[] = { 31, 28, 31, 30, 31, 30,
					      31, 31, 30, 31, 30, 31 };

	return m == 2 && leap(y) ? 29 : days[m - 1];
}

/* Days from 1970-01-01 to the first of January of y. */
static uint64_t days_before(uint64_t y)
{
	y--;
	return y * 365 + y / 4 - y / 100 + y / 400 - 719162;
}

static struct clock clock_of(int64_t t)
{
	uint64_t n = (uint64_t)(t < 0 ? 0 : t > LAST_SECOND ? LAST_SECOND : t);
	uint64_t days = n / DAY;
	struct clock c = { .year = 1970 + days / 366, .month = 1 };

	n %= DAY;
	c.hour = n / 3600;
	c.min = n / 60 % 60;
	c.sec = n % 60;
	while (days_before(c.year + 1) <= days)
		c.year++;
	days -= days_before(c.year);
	for (; days >= days_in(c.year, c.month); c.month++)
		days -= days_in(c.year, c.month);
	c.day = days + 1;
	return c;
}

/* False for a moment that no calendar has.  A leap second is the next one. */
static bool seconds_of(const struct clock *c, int64_t *t)
{
	uint64_t days;

	if (c->year < 1970 || c->year > 9999 || c->month < 1 || c->month > 12 ||
	    c->day < 1 || c->day > days_in(c->year, c->month) || c->hour > 23 ||
	    c->min > 59 || c->sec > 60)
		return false;
	days = days_before(c->year) + c->day - 1;
	for (uint64_t m = 1; m < c->month; m++)
		days += days_in(c->year, m);
	*t = (int64_t)(days * DAY + c->hour * 3600 + c->min * 60 + c->sec);
	return true;
}

static bool eat(struct str *s, struct str what)
{
	if (!str_starts(*s, what))
		return false;
	*s = str_skip(*s, what.n);
	return true;
}

/* Exactly n digits. */
static bool digits(struct str *s, size_t n, uint64_t *v)
{
	if (!str_num(str_head(*s, n), 9999, v) || s->n < n)
		return false;
	*s = str_skip(*s, n);
	return true;
}

static bool hms(struct str *s, struct clock *c)
{
	return digits(s, 2, &c->hour) && eat(s, STR(":")) &&
	       digits(s, 2, &c->min) && eat(s, STR(":")) && digits(s, 2, &c->sec);
}

/* ---- writing ------------------------------------------------------------- */

/* Every answer of a server has a date: nothing is formatted. */
static char *put(char *to, const char *text, size_t n)
{
	memcpy(to, text, n);
	return to + n;
}

/* Exactly n digits. */
static char *put_digits(char *to, uint64_t v, size_t n)
{
	for (size_t i = n; i-- > 0; v /= 10)
		to[i] = (char)('0' + v % 10);
	return to + n;
}

static char *put_hms(char *to, const struct clock *c)
{
	to = put_digits(to, c->hour, 2);
	*to++ = ':';
	to = put_digits(to, c->min, 2);
	*to++ = ':';
	return put_digits(to, c->sec, 2);
}

/* ---- ISO 8601, RFC 3339 ------------------------------------------------- */

void time_iso(int64_t t, char out[32])
{
	struct clock c = clock_of(t);

	out = put_digits(out, c.year, 4);
	*out++ = '-';
	out = put_digits(out, c.month, 2);
	*out++ = '-';
	out = put_digits(out, c.day, 2);
	*out++ = 'T';
	out = put_hms(out, &c);
	put(out, "Z", 2);
}

/* "Z", "+02:00"; *east is in seconds. */
static bool zone(struct str *s, int64_t *east)
{
	bool west = str_starts(*s, STR("-"));
	uint64_t h, m;

	*east = 0;
	if (eat(s, STR("Z")) || eat(s, STR("z")))
		return true;
	if (!eat(s, STR("+")) && !eat(s, STR("-")))
		return false;
	if (!digits(s, 2, &h) || !eat(s, STR(":")) || !digits(s, 2, &m) ||
	    h > 23 || m > 59)
		return false;
	*east = (int64_t)(h * 3600 + m * 60) * (west ? -1 : 1);
	return true;
}

bool time_parse_iso(struct str s, int64_t *t)
{
	struct clock c = { 0 };
	int64_t local, east;

	if (!digits(&s, 4, &c.year) || !eat(&s, STR("-")) ||
	    !digits(&s, 2, &c.month) || !eat(&s, STR("-")) ||
	    !digits(&s, 2, &c.day) ||
	    (!eat(&s, STR("T")) && !eat(&s, STR("t"))) || !hms(&s, &c))
		return false;
	if (eat(&s, STR("."))) {
		if (s.n == 0 || !is_digit(s.p[0]))
			return false;
		while (s.n > 0 && is_digit(s.p[0]))
			s = str_skip(s, 1);
	}
	if (!zone(&s, &east) || s.n != 0 || !seconds_of(&c, &local) || local < east)
		return false;
	*t = local - east;
	return true;
}

/* ---- HTTP, RFC 9110 5.6.7 ------------------------------------------------ */

void time_http(int64_t t, char out[32])
{
	struct clock c = clock_of(t);
	int64_t in_range = t < 0 ? 0 : t > LAST_SECOND ? LAST_SECOND : t;

	out = put(out, week_days + (in_range / DAY + 4) % 7 * 3, 3);
	out = put(out, ", ", 2);
	out = put_digits(out, c.day, 2);
	*out++ = ' ';
	out = put(out, months + (c.month - 1) * 3, 3);
	*out++ = ' ';
	out = put_digits(out, c.year, 4);
	*out++ = ' ';
	out = put_hms(out, &c);
	put(out, " GMT", 5);
}

/* One of n three-letter names; *v counts from 1. */
static bool name3(struct str *s, const char *names, uint64_t *v)
{
	struct str all = str_of(names);

	for (*v = 1; all.n > 0; all = str_skip(all, 3), ++*v)
		if (eat(s, str_head(all, 3)))
			return true;
	return false;
}

static bool imf_date(struct str s, struct clock *c)
{
	return eat(&s, STR(", ")) && digits(&s, 2, &c->day) && eat(&s, STR(" ")) &&
	       name3(&s, months, &c->month) && eat(&s, STR(" ")) &&
	       digits(&s, 4, &c->year) && eat(&s, STR(" ")) && hms(&s, c) &&
	       eat(&s, STR(" GMT")) && s.n == 0;
}

/* "day, 06-Nov-94 08:49:37 GMT"; what is left of the day's name is skipped. */
static bool rfc850_date(struct str s, struct clock *c)
{
	struct str day;

	if (!str_cut(&s, ',', &day) || !str_ends(day, STR("day")) ||
	    !eat(&s, STR(" ")) || !digits(&s, 2, &c->day) || !eat(&s, STR("-")) ||
	    !name3(&s, months, &c->month) || !eat(&s, STR("-")) ||
	    !digits(&s, 2, &c->year) || !eat(&s, STR(" ")) || !hms(&s, c) ||
	    !eat(&s, STR(" GMT")) || s.n != 0)
		return false;
	c->year += c->year < 70 ? 2000 : 1900;
	return true;
}

static bool asctime_date(struct str s, struct clock *c)
{
	return eat(&s, STR(" ")) && name3(&s, months, &c->month) &&
	       eat(&s, STR(" ")) &&
	       (eat(&s, STR(" ")) ? digits(&s, 1, &c->day) :
				    digits(&s, 2, &c->day)) &&
	       eat(&s, STR(" ")) && hms(&s, c) && eat(&s, STR(" ")) &&
	       digits(&s, 4, &c->year) && s.n == 0;
}

bool time_parse_http(struct str s, int64_t *t)
{
	struct clock c = { 0 };
	uint64_t day;

	if (!name3(&s, week_days, &day))
		return false;
	return (imf_date(s, &c) || rfc850_date(s, &c) || asctime_date(s, &c)) &&
	       seconds_of(&c, t);
}

/* ---- lengths of time ----------------------------------------------------- */

void time_span(int64_t s, char out[32])
{
	long long h = s / 3600, min = s / 60 % 60, sec = s % 60;

	if (s < 60)
		snprintf(out, 32, "%lld s", sec);
	else if (h > 0 && min > 0)
		snprintf(out, 32, "%lld h %lld min", h, min);
	else if (h > 0)
		snprintf(out, 32, "%lld h", h);
	else if (sec > 0)
		snprintf(out, 32, "%lld min %lld s", min, sec);
	else
		snprintf(out, 32, "%lld min", min);
}

/* Digits, and of seconds a fraction, which rounds. */
static bool amount(struct str *s, int64_t *v)
{
	size_t n = 0;
	uint64_t whole;

	while (n < s->n && is_digit(s->p[n]))
		n++;
	if (!str_num(str_head(*s, n), 1000000, &whole))
		return false;
	*s = str_skip(*s, n);
	*v = (int64_t)whole;
	if (!eat(s, STR(".")))
		return true;
	*v += s->n > 0 && s->p[0] >= '5';
	for (n = 0; n < s->n && is_digit(s->p[n]); n++)
		;
	*s = str_skip(*s, n);
	return n > 0 && str_starts(*s, STR("S"));
}

bool time_parse_span(struct str s, int64_t *seconds)
{
	static const struct {
		char letter;
		bool of_day; /* behind the T */
		int64_t seconds;
	} units[] = { { 'D', false, DAY },
		      { 'H', true, 3600 },
		      { 'M', true, 60 },
		      { 'S', true, 1 } };
	bool of_day = false, some = false;
	size_t unit = 0;

	*seconds = 0;
	if (!eat(&s, STR("P")))
		return false;
	while (s.n > 0) {
		int64_t v;

		if (!of_day && eat(&s, STR("T"))) {
			of_day = true;
			some = false;
		}
		if (!amount(&s, &v))
			return false;
		/* each unit at most once, and in this order */
		while (unit < 4 && (s.n == 0 || units[unit].letter != s.p[0]))
			unit++;
		if (unit == 4 || units[unit].of_day != of_day)
			return false;
		*seconds += v * units[unit++].seconds;
		s = str_skip(s, 1);
		some = true;
	}
	return some;
}
