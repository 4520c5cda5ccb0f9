/*
 * A few functions of the C library, in fewer bytes.
 *
 * musl's know every locale, wide characters, floating point to the last
 * digit of 80 bits and inputs made to be slow: 22 KiB of the program, of which
 * nearly nothing is ever used.  The linker takes these instead because it
 * comes to them first.  They promise what our sources rely on, not all that
 * ISO C does; what a format may hold is below, and anything else ends the
 * program at once.  tests/unit/libc.c compares them with the host's.
 *
 * Not in the sanitized flavour, whose library is glibc's; and not part of
 * LTO, which may think of a reference to strstr() when the linker is through.
 */
#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- numbers ---- */

/* v times 10^x.  Powers up to 10^27 are exact, and so is v's quotient to 11
 * bits beyond a double; more than the 17 digits of one need. */
static long double scaled(long double v, int x)
{
	long double power = 10, by = 1;

	for (unsigned n = x < 0 ? -(unsigned)x : (unsigned)x; n > 0; n >>= 1) {
		if (n & 1)
			by *= power;
		power *= power;
	}
	return x < 0 ? v / by : v * by;
}

/* Decimal notation as JSON has it.  Digits after the 19th only count. */
double strtod(const char *s, char **end)
{
	const char *p = s;
	bool negative = *p == '-', some = false, fraction = false;
	uint64_t m = 0;
	int x = 0;
	double v;

	if (*p == '-' || *p == '+')
		p++;
	for (;; p++) {
		if (*p == '.' && !fraction) {
			fraction = true;
			continue;
		}
		if (*p < '0' || *p > '9')
			break;
		some = true;
		if (m < UINT64_MAX / 10 - 1)
			m = m * 10 + (unsigned)(*p - '0'), x -= fraction;
		else
			x += !fraction;
	}
	if (some && (*p == 'e' || *p == 'E')) {
		const char *q = p + 1;
		bool less = *q == '-';
		int e = 0;

		if (*q == '-' || *q == '+')
			q++;
		for (; *q >= '0' && *q <= '9'; q++) {
			e = e < 100000 ? e * 10 + (*q - '0') : e;
			p = q + 1;
		}
		x += less ? -e : e;
	}
	if (end != NULL)
		*end = (char *)(uintptr_t)(some ? p : s);
	/* 10^400 and 10^-400 are beyond a double even with 19 digits */
	if (m == 0 || x < -400)
		v = 0;
	else
		v = x > 400 ? HUGE_VAL : (double)scaled((long double)m, x);
	return negative && some ? -v : v;
}

/* To the nearest, or the even one of two. */
static uint64_t rounded(long double v)
{
	uint64_t n = (uint64_t)v;
	long double rest = v - (long double)n;

	return n + (rest > 0.5L || (rest == 0.5L && (n & 1)));
}

/* The first n digits of v > 0 as a number; returns the x in d.ddd * 10^x. */
static int digits_of(double v, int n, uint64_t *m)
{
	uint64_t top = 1;
	long double by_x;
	int two, x;

	for (int i = 0; i < n; i++)
		top *= 10;
	frexp(v, &two);
	/* by log10(2), and low enough to be approached from one side only */
	x = two * 30103 / 100000 - 2;
	while ((by_x = scaled(v, n - 1 - x)) >= (long double)top - 0.5L)
		x++;
	*m = rounded(by_x);
	return x;
}

/* ---- output ---- */

struct out {
	FILE *f;
	size_t total;
	bool failed;
	size_t n;
	char chunk[512];	/* a message is one write, unless it is long */
};

struct spec {
	bool left, zeros;
	int width, precision;	/* precision < 0: none */
};

static void flush(struct out *o)
{
	if (o->n > 0 && fwrite(o->chunk, 1, o->n, o->f) != o->n)
		o->failed = true;
	o->n = 0;
}

static void put(struct out *o, const char *p, size_t n)
{
	o->total += n;
	for (; n > 0; n--) {
		if (o->n == sizeof(o->chunk))
			flush(o);
		o->chunk[o->n++] = *p++;
	}
}

static void fill(struct out *o, char c, int n)
{
	for (; n > 0; n--)
		put(o, &c, 1);
}

/* Text in its field.  With zeros they go behind the sign. */
static void field(struct out *o, const struct spec *s, const char *p, size_t n)
{
	int pad = n < (size_t)s->width ? s->width - (int)n : 0;

	if (s->zeros && !s->left) {
		if (n > 0 && *p == '-') {
			put(o, p++, 1);
			n--;
		}
		fill(o, '0', pad);
	} else if (!s->left) {
		fill(o, ' ', pad);
	}
	put(o, p, n);
	if (s->left)
		fill(o, ' ', pad);
}

/* Digits, right to left; returns where they begin. */
static char *digits(char *end, uint64_t v, unsigned base, const char *alphabet)
{
	do
		*--end = alphabet[v % base];
	while ((v /= base) > 0);
	return end;
}

static void integer(struct out *o, const struct spec *s, uint64_t v, bool negative, char type)
{
	char text[24], *end = text + sizeof(text), *p;

	if (s->precision >= 0)
		abort();
	p = digits(end, v, type == 'x' || type == 'X' ? 16 : 10,
		   type == 'X' ? "0123456789ABCDEF" : "0123456789abcdef");
	if (negative)
		*--p = '-';
	field(o, s, p, (size_t)(end - p));
}

/* %.Nf of what has less than 18 digits, %.Ng; more is written as %.17g. */
static void floating(struct out *o, const struct spec *s, double v, char type)
{
	char text[48], *end = text + sizeof(text), *p = end;
	bool negative = signbit(v) != 0;
	int n = s->precision, x = 0, point;
	uint64_t m = 0;

	if (!isfinite(v) || n < 0 || n > 17 || (type == 'g' && n == 0))
		abort();	/* base/json.c says null */
	v = fabs(v);
	if (type == 'f' && scaled(v, n) < 1e18L) {
		m = rounded(scaled(v, n));
		point = n;
	} else {
		n = type == 'f' ? 17 : n;
		if (v > 0)
			x = digits_of(v, n, &m);
		point = n - 1;
		while (point > 0 && m % 10 == 0 && (x < -4 || x >= n || point > x)) {
			m /= 10;
			point--;
		}
		if (x < -4 || x >= n) {
			p = digits(end, (uint64_t)(x < 0 ? -x : x), 10, "0123456789");
			if (end - p < 2)
				*--p = '0';
			*--p = x < 0 ? '-' : '+';
			*--p = 'e';
		} else {
			point -= x;
		}
	}
	for (int i = 0; i < point; i++, m /= 10)
		*--p = (char)('0' + m % 10);
	if (point > 0)
		*--p = '.';
	p = digits(p, m, 10, "0123456789");
	if (negative)
		*--p = '-';
	field(o, s, p, (size_t)(end - p));
}

static int count(const char **p, va_list *ap)
{
	int n = 0;

	if (**p == '*') {
		++*p;
		return va_arg(*ap, int);
	}
	for (; **p >= '0' && **p <= '9'; ++*p)
		n = n * 10 + (**p - '0');
	return n;
}

/*
 * %[-0][WIDTH][.PRECISION][l|ll|z]{d,u,x,X}, without a precision;
 * %[-][WIDTH][.PRECISION]s; %c; %f and %g with a precision; %%.
 */
int vfprintf(FILE *f, const char *fmt, va_list given)
{
	struct out o = { .f = f };
	va_list ap;

	va_copy(ap, given);
	for (const char *p = fmt; *p != '\0'; p++) {
		struct spec s = { .precision = -1 };
		unsigned longs = 0;
		const char *z;
		int64_t v;
		char c;

		if (*p != '%') {
			put(&o, p, 1);
			continue;
		}
		for (p++; *p == '-' || *p == '0'; p++)
			*(*p == '-' ? &s.left : &s.zeros) = true;
		s.width = count(&p, &ap);
		if (s.width < 0) {
			s.left = true;
			s.width = -s.width;
		}
		if (*p == '.') {
			p++;
			s.precision = count(&p, &ap);
		}
		for (; *p == 'l' || *p == 'z'; p++)
			longs++;
		if (longs > 0 && strchr("duxX", *p) == NULL)
			abort();	/* wide characters, long double */
		switch (*p) {
		case 'd':
			v = longs > 0 ? va_arg(ap, int64_t) : va_arg(ap, int);
			integer(&o, &s, v < 0 ? -(uint64_t)v : (uint64_t)v, v < 0, 'd');
			break;
		case 'u':
		case 'x':
		case 'X':
			integer(&o, &s, longs > 0 ? va_arg(ap, uint64_t) : va_arg(ap, unsigned),
				false, *p);
			break;
		case 's':
			z = va_arg(ap, const char *);
			if (z == NULL)
				z = "(null)";
			field(&o, &s, z, s.precision < 0 ? strlen(z)
						       : strnlen(z, (size_t)s.precision));
			break;
		case 'c':
			c = (char)va_arg(ap, int);
			field(&o, &s, &c, 1);
			break;
		case 'f':
		case 'g':
			floating(&o, &s, va_arg(ap, double), *p);
			break;
		case '%':
			put(&o, p, 1);
			break;
		default:
			abort();
		}
	}
	va_end(ap);
	flush(&o);
	return o.failed ? -1 : (int)o.total;
}

/* ---- searching and sorting ---- */

/* Slow on purpose-made needles; ours are words. */
void *memmem(const void *in, size_t n, const void *what, size_t k)
{
	const unsigned char *p = in;

	if (k == 0)
		return (void *)(uintptr_t)in;
	for (; n >= k; p++, n--) {
		const unsigned char *at = memchr(p, *(const unsigned char *)what, n - k + 1);

		if (at == NULL)
			break;
		n -= (size_t)(at - p);
		p = at;
		if (memcmp(p, what, k) == 0)
			return (void *)(uintptr_t)p;
	}
	return NULL;
}

char *strstr(const char *in, const char *what)
{
	return memmem(in, strlen(in), what, strlen(what));
}

static void swap(unsigned char *a, unsigned char *b, size_t size)
{
	for (; size > 0; size--, a++, b++) {
		unsigned char c = *a;

		*a = *b;
		*b = c;
	}
}

/* Heap sort: never slow, no memory, no recursion. */
void qsort(void *base, size_t n, size_t size, int (*cmp)(const void *, const void *))
{
	unsigned char *a = base;

	/* first the heap is made, from the last parent up; then its top goes
	 * to the end, again and again */
	for (size_t start = n / 2, end = n; end > 1;) {
		size_t at, child;

		if (start > 0)
			start--;
		else
			swap(a, a + --end * size, size);
		for (at = start; (child = 2 * at + 1) < end; at = child) {
			if (child + 1 < end &&
			    cmp(a + child * size, a + (child + 1) * size) < 0)
				child++;
			if (cmp(a + at * size, a + child * size) >= 0)
				break;
			swap(a + at * size, a + child * size, size);
		}
	}
}
